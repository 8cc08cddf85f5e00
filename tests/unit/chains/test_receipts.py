"""Receipts through an entry's life: pending, sealed, anchored, made again; upgraded, and exported as ``.ots``."""

import hashlib
import importlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.errors import BehindError, NotYetError
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import fold_branch
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.payload import encode_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.errors import Reason, TooLargeError, VerificationError
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import leaf_hash, path_length, root_from_inclusion
from anchor.proof.receipt import ChainPath, Content, ContentState, DirectoryProof, Receipt
from anchor.proof.verify import Outcome
from chains.ots_export import export_ots
from chains.reader import Reader
from chains.receipts import Shown
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import HOUR_MS, Clock, Service, judge, restarted

stock: Any = importlib.import_module("opentimestamps.core.timestamp")
stock_bytes: Any = importlib.import_module("opentimestamps.core.serialize")
stock_notary: Any = importlib.import_module("opentimestamps.core.notary")

CONTENT = b"poured 12 m3 of concrete"


def anchor_now(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Seal, send an anchor, mine it, and see it."""
    service.seal()
    service.tick(at_once=True)
    bitcoin.mine()
    service.tick()


def make(service: Service, entry: bytes, shown: Shown | None = None) -> Receipt:
    """Return a receipt that shows what is wanted, written out and read again."""
    stored = found(service, entry)
    return Receipt.decode(service.receipts().make(stored, shown).encode())


def found(service: Service, entry: bytes) -> Any:
    stored = Reader(service.home.engine, service.home.chains, service.home.lookup).by_hash(entry)
    assert stored is not None
    return stored


# --- an entry's life


def test_a_receipt_grows_with_its_entry(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Promised, sealed, anchored: each receipt is a valid file, and says what is lacking."""
    card = service.home.card()
    (entry,) = service.add("acme", CONTENT)
    promised = service.receipt(entry)
    assert promised.sealed is None
    assert promised.promise is not None
    assert Outcome.INCOMPLETE == judge(promised, card, bitcoin).outcome
    service.seal()
    sealed = service.receipt(entry)
    assert sealed.sealed is not None
    assert () == sealed.sealed.anchors
    assert Outcome.INCOMPLETE == judge(sealed, service.home.card(), bitcoin).outcome
    service.tick()
    bitcoin.mine()
    service.tick()
    anchored = service.receipt(entry)
    assert anchored.sealed is not None
    assert 1 == len(anchored.sealed.anchors)
    assert Outcome.INTACT == judge(anchored, service.home.card(), bitcoin).outcome


def test_an_entry_behind_a_missed_anchor_is_proved_through_the_next(
    service: Service, bitcoin: SimulatedBitcoin
) -> None:
    """The chain's half proves to the first head, the directory's half to the first checkpoint that was anchored."""
    (entry,) = service.add("acme", CONTENT)
    first = service.seal()
    assert first is not None
    for number in range(3):
        service.add("acme", b"%d" % number)
        service.seal()
    service.tick()
    bitcoin.mine()
    service.tick()
    receipt = service.receipt(entry)
    newest = service.home.directory.newest()
    assert newest is not None
    assert receipt.sealed is not None
    assert first.size - 1 == receipt.sealed.seal.index
    assert newest.size == receipt.sealed.checkpoint.size > first.size
    assert Outcome.INTACT == judge(receipt, service.home.card(), bitcoin).outcome


def test_every_entry_of_several_chains_and_anchors_verifies(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Whatever chain, seal and anchor: each entry's receipt is intact, and its previous head is the chain's own."""
    service.open_chain("bolt")
    entries = []
    for number in range(4):
        entries += service.add("acme", *(b"a%d-%d" % (number, each) for each in range(number + 1)))
        if number != 1:
            entries += service.add("bolt", b"b%d" % number)
        anchor_now(service, bitcoin)
        service.clock.pass_ms(HOUR_MS)
    card = service.home.card()
    for entry in entries:
        receipt = service.receipt(entry)
        assert receipt.sealed is not None
        previous = receipt.sealed.previous_head
        if previous is not None:
            assert receipt.entry.chain_id == previous.leaf.chain_id
            assert previous.leaf.tree_size <= receipt.sealed.chain.index
        assert Outcome.INTACT == judge(receipt, card, bitcoin).outcome


def test_any_later_checkpoint_can_be_chosen(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A receipt against a later checkpoint is as good; one against an earlier, or none that exists, is refused."""
    early = service.seal()
    (entry,) = service.add("acme", CONTENT)
    anchor_now(service, bitcoin)
    service.add("acme", b"later")
    service.clock.pass_ms(HOUR_MS)
    anchor_now(service, bitcoin)
    newest = service.home.directory.newest()
    assert early is not None
    assert newest is not None
    chosen = service.receipt(entry, newest.size)
    assert chosen.sealed is not None
    assert newest.size == chosen.sealed.checkpoint.size
    assert Outcome.INTACT == judge(chosen, service.home.card(), bitcoin).outcome
    for size in (early.size, newest.size - 1, newest.size + 1):
        with pytest.raises(NotYetError, match=f"got {size}"):
            service.receipt(entry, size)
    (unsealed,) = service.add("acme", b"not yet")
    with pytest.raises(NotYetError, match="not sealed yet"):
        service.receipt(unsealed, newest.size)


def test_a_checkpoint_that_was_not_anchored_itself_has_no_anchor(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """An anchor of another size does not lend itself to a checkpoint: the payload would not match."""
    (entry,) = service.add("acme", CONTENT)
    first = service.seal()
    service.add("acme", b"more")
    anchor_now(service, bitcoin)
    assert first is not None
    receipt = service.receipt(entry, first.size)
    assert receipt.sealed is not None
    assert () == receipt.sealed.anchors


def test_what_a_receipt_shows_is_chosen(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Withheld, digest only, or the content itself: the entry and its proofs are the same."""
    (entry,) = service.add("acme", CONTENT)
    anchor_now(service, bitcoin)
    withheld = make(service, entry, Shown(salt_and_digest=False))
    digest = make(service, entry)
    whole = make(service, entry, Shown(content=True))
    assert ContentState.WITHHELD == withheld.content.state
    assert hashlib.sha256(CONTENT).digest() == digest.content.digest
    assert None is digest.content.data
    assert CONTENT == whole.content.data
    assert withheld.entry == digest.entry == whole.entry
    assert withheld.sealed == digest.sealed == whole.sealed


# --- upgrade


def test_upgrade_completes_a_receipt_and_keeps_what_it_shows(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """From promised to anchored in one step; what the owner had chosen not to show stays hidden."""
    (entry,) = service.add("acme", CONTENT)
    old = make(service, entry, Shown(salt_and_digest=False))
    anchor_now(service, bitcoin)
    new = service.receipts().upgrade(old, found(service, entry))
    assert old.content == new.content
    assert old.promise == new.promise
    assert new.sealed is not None
    assert 1 == len(new.sealed.anchors)


def test_upgrade_of_a_complete_receipt_changes_nothing(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """What is anchored stays as it is, whatever was anchored since."""
    (entry,) = service.add("acme", CONTENT)
    anchor_now(service, bitcoin)
    old = service.receipt(entry)
    service.add("acme", b"later")
    service.clock.pass_ms(HOUR_MS)
    anchor_now(service, bitcoin)
    assert old == service.receipts().upgrade(old, found(service, entry))


def test_upgrade_remakes_an_anchor_that_was_reorganised(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """While the anchor is in no block the file is left alone; afterwards it proves the new block."""
    (entry,) = service.add("acme", CONTENT)
    anchor_now(service, bitcoin)
    old = service.receipt(entry)
    bitcoin.reorg(1)
    service.tick()
    with pytest.raises(NotYetError, match="left as it is"):
        service.receipts().upgrade(old, found(service, entry))
    bitcoin.mine()
    service.tick()
    new = service.receipts().upgrade(old, found(service, entry))
    assert Outcome.FAILED == judge(old, service.home.card(), bitcoin).outcome
    assert Outcome.INTACT == judge(new, service.home.card(), bitcoin).outcome


def test_upgrade_keeps_a_later_checkpoint(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A receipt against a later checkpoint is not cut back to an earlier one while that one is anchored."""
    (entry,) = service.add("acme", CONTENT)
    anchor_now(service, bitcoin)
    service.add("acme", b"later")
    service.clock.pass_ms(HOUR_MS)
    service.seal()
    newest = service.home.directory.newest()
    assert newest is not None
    later = service.receipt(entry, newest.size)
    assert later.sealed is not None
    assert () == later.sealed.anchors
    earlier = service.receipts().upgrade(later, found(service, entry))
    assert earlier.sealed is not None
    assert earlier.sealed.checkpoint.size < newest.size
    assert 1 == len(earlier.sealed.anchors)
    anchor_now(service, bitcoin)
    kept = service.receipts().upgrade(later, found(service, entry))
    assert kept.sealed is not None
    assert newest.size == kept.sealed.checkpoint.size
    assert 1 == len(kept.sealed.anchors)


def test_upgrade_by_a_home_that_is_behind_is_refused(
    service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """A restored copy never takes a checkpoint or an anchor away from a receipt."""
    (entry,) = service.add("acme", CONTENT)
    copy_home(service.home.folder, tmp_path / "unsealed")
    service.seal()
    copy_home(service.home.folder, tmp_path / "sealed")
    anchor_now(service, bitcoin)
    anchored = service.receipt(entry)
    service.add("acme", b"later")
    service.clock.pass_ms(HOUR_MS)
    anchor_now(service, bitcoin)
    newest = service.home.directory.newest()
    assert newest is not None
    later = service.receipt(entry, newest.size)
    with restarted(tmp_path / "unsealed", bitcoin, Clock()) as copied, pytest.raises(BehindError, match="has 0"):
        copied.receipts().upgrade(anchored, found(copied, entry))
    with restarted(tmp_path / "sealed", bitcoin, Clock()) as copied:
        with pytest.raises(NotYetError, match="left as it is"):
            copied.receipts().upgrade(anchored, found(copied, entry))
        with pytest.raises(BehindError, match=f"a checkpoint of {newest.size} leaves"):
            copied.receipts().upgrade(later, found(copied, entry))


def test_upgrade_demands_the_same_history(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """A receipt whose checkpoint this log does not extend is evidence, and is not overwritten."""
    (entry,) = service.add("acme", CONTENT)
    service.seal()
    old = service.receipt(entry)
    assert old.sealed is not None
    forked = replace(old.sealed, checkpoint=replace(old.sealed.checkpoint, root=bytes(32)))
    service.add("acme", b"later")
    anchor_now(service, bitcoin)
    with pytest.raises(VerificationError) as caught:
        service.receipts().upgrade(replace(old, sealed=forked), found(service, entry))
    assert Reason.CONSISTENCY_WRONG == caught.value.reason


def test_upgrade_demands_the_promised_place(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """An entry that is not where it was promised is a broken promise, and both files are evidence."""
    (entry,) = service.add("acme", CONTENT)
    old = service.receipt(entry)
    assert old.promise is not None
    moved = replace(old.promise, leaf=replace(old.promise.leaf, leaf_index=7))
    with pytest.raises(VerificationError, match="promised at index 7, found at 1"):
        service.receipts().upgrade(replace(old, promise=moved), found(service, entry))


# --- export


def stock_way(ots: bytes) -> tuple[bytes, bytes, int, int]:
    """Return what the stock library reads: the file's digest, the message at the block, its height, the operations."""
    file = stock.DetachedTimestampFile.deserialize(stock_bytes.BytesDeserializationContext(ots))
    ((message, attestation),) = file.timestamp.all_attestations()
    assert isinstance(attestation, stock_notary.BitcoinBlockHeaderAttestation)
    count, place = 0, file.timestamp
    while place.ops:
        ((_, place),) = place.ops.items()
        count += 1
    return bytes(file.file_digest), bytes(message), int(attestation.height), count


@pytest.mark.parametrize("state", ["shown", "withheld"])
def test_an_export_leads_from_the_file_to_the_block(state: str, service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The stock library follows it from the content's SHA-256, or from the leaf file's, to the header's root."""
    (entry,) = service.add("acme", CONTENT)
    anchor_now(service, bitcoin)
    receipt = make(service, entry, Shown(salt_and_digest=state == "shown"))
    exported = export_ots(receipt)
    digest, message, height, count = stock_way(exported.ots)
    stamped = CONTENT if exported.leaf is None else exported.leaf
    assert (state == "withheld") == (exported.leaf is not None)
    assert hashlib.sha256(stamped).digest() == digest
    assert bitcoin.height == height
    tip = bitcoin.header(bitcoin.tip().hash)
    assert tip is not None
    assert Header.decode(tip).merkle_root == message
    assert exported.operations == count
    assert "regtest" == exported.network
    if exported.leaf is not None:
        assert (entry, b"\x00" + receipt.entry.encode()) == (digest, exported.leaf)


def test_every_entry_of_a_chain_exports(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Trees of every shape up to 20 leaves: left, right and lonely last nodes lead to the same root."""
    entries = []
    for number in range(20):
        entries += service.add("acme", b"%d" % number)
        if number % 3 == 0:
            service.seal()
    anchor_now(service, bitcoin)
    tip = bitcoin.header(bitcoin.tip().hash)
    assert tip is not None
    roots = {stock_way(export_ots(service.receipt(entry)).ots)[1] for entry in entries}
    assert {Header.decode(tip).merkle_root} == roots


def test_an_export_needs_an_anchor(service: Service) -> None:
    """There is no way to Bitcoin before there is an anchor."""
    (entry,) = service.add("acme", CONTENT)
    for _ in range(2):
        with pytest.raises(NotYetError, match="not anchored yet"):
            export_ots(service.receipt(entry))
        service.seal()


def deep_receipt(
    receipt: Receipt, chain_levels: int, directory_levels: int, block_levels: int, place: str = "left"
) -> tuple[Receipt, bytes]:
    """Return a receipt as if its trees were that deep, and the root of its block.

    ``place`` puts the entry and the head at the left or right edge; siblings are made up, every hash is real.
    """
    assert receipt.sealed is not None
    chain_size, directory_size = 1 << chain_levels, 1 << directory_levels
    index, head_index = (0, 0) if place == "left" else (chain_size - 1, directory_size - 1)
    chain_path = siblings(b"chain", path_length(index, chain_size))
    root = root_from_inclusion(receipt.entry.hash, index, chain_size, chain_path)
    head = HeadLeaf(receipt.entry.chain_id, chain_size, 1, root)
    head_path = siblings(b"directory", path_length(head_index, directory_size))
    directory_root = root_from_inclusion(leaf_hash(head.encode()), head_index, directory_size, head_path)
    outputs = (
        TxOutput(9_000, b"\x00\x14" + bytes(20)),
        TxOutput(0, payload_script(payload(directory_size, directory_root))),
    )
    spent = tuple(TxInput(OutPoint(bytes([number]) * 32, 0), b"", 0xFFFFFFFD) for number in range(1, 10))
    transaction = Transaction(2, spent, outputs, 0)
    path = siblings(b"block", block_levels)
    block_index = 1 % (1 << block_levels) if place == "left" else (1 << block_levels) - 1
    block_root = fold_branch(transaction.txid, block_index, path)
    anchor = BitcoinAnchor(transaction.encode(), block_index, path, b"", (), bytes(80), 900_000)
    sealed = replace(
        receipt.sealed,
        chain=ChainPath(index, chain_path),
        head=DirectoryProof(head, head_index, head_path),
        checkpoint=replace(receipt.sealed.checkpoint, size=directory_size, root=directory_root),
        anchors=(anchor,),
    )
    return replace(receipt, sealed=sealed), block_root


def payload(size: int, root: bytes) -> bytes:
    return encode_payload(size, root)


def siblings(seed: bytes, count: int) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(seed + bytes([level])).digest() for level in range(count))


@pytest.fixture
def anchored(service: Service, bitcoin: SimulatedBitcoin) -> Receipt:
    """A receipt to make deep ones of."""
    (entry,) = service.add("acme", CONTENT)
    anchor_now(service, bitcoin)
    return service.receipt(entry)


@pytest.mark.parametrize(
    ("levels", "operations"),
    [
        ((30, 35, 12), 242),  # the design's example: a billion entries, 2^35 leaves, a block of 4,000 transactions
        ((30, 35, 16), 254),  # 81 levels: the most
        ((46, 35, 0), 254),
        ((0, 0, 0), 11),
    ],
)
def test_deep_trees_fit(levels: tuple[int, int, int], operations: int, anchored: Receipt) -> None:
    """Eleven fixed operations and three for each level, at worst; the stock library reads the whole way."""
    deep, block_root = deep_receipt(anchored, *levels)
    exported = export_ots(deep)
    digest, message, height, count = stock_way(exported.ots)
    assert (hashlib.sha256(CONTENT).digest(), block_root, 900_000) == (digest, message, height)
    assert operations == exported.operations == count


def test_the_right_edge_takes_two_operations_a_level(anchored: Receipt) -> None:
    """A right child needs no third operation, so the worst case is the left edge."""
    deep, block_root = deep_receipt(anchored, 30, 35, 12, place="right")
    exported = export_ots(deep)
    _, message, _, _ = stock_way(exported.ots)
    assert block_root == message
    assert 11 + 2 * (30 + 35) + 3 * 12 == exported.operations


@pytest.mark.parametrize("levels", [(30, 35, 17), (47, 35, 0)])
def test_one_level_too_many_is_refused_with_the_count(levels: tuple[int, int, int], anchored: Receipt) -> None:
    """82 levels are 257 operations, which no stock client reads: the exporter counts before it writes."""
    deep, _ = deep_receipt(anchored, *levels)
    with pytest.raises(TooLargeError, match="257"):
        export_ots(deep)


def test_a_withheld_entry_saves_five_operations(anchored: Receipt) -> None:
    """The leaf file's own SHA-256 is the entry hash, so salt and entry need no steps."""
    deep, block_root = deep_receipt(anchored, 30, 35, 17)
    withheld = replace(deep, content=Content(ContentState.WITHHELD))
    exported = export_ots(withheld)
    assert 252 == exported.operations
    assert block_root == stock_way(exported.ots)[1]
    assert io.BytesIO(exported.leaf or b"").read(1) == b"\x00"

"""The audit against a forger who knows the formats: what he can recompute, he does; what he cannot, finds him.

Single changed columns are in tests/cli/test_cli_audit.py; here whole stories are made consistent again.
"""

import hashlib
import sqlite3
from contextlib import closing

import pytest

from anchor.hashing.pieces import Pieces
from anchor.journal import Journal
from anchor.log import DIRECTORY, Frontier, tile_roots
from anchor.proof.entry import content_commitment
from anchor.proof.merkle import leaf_hash
from chains.audit import Audit
from chains.audit_report import MAX_FINDINGS, Report
from chains.bundle import Column, pack, unpack
from chains.chain import Chain, keep_content
from chains.content_cipher import NONCE_SIZE, sealed, sealed_sizes, unsealed
from chains.reader import Reader
from tests.simulators.store import GENESIS, START_MS, Store

pytestmark = pytest.mark.on_both

FORGED = b"beam 7: no cracks whatsoever"


def opened(store: Store, first_seq: int, count: int, kept: bytes) -> list[bytes]:
    """Return what is kept beside the entries of a bundle."""
    items = unpack(kept[NONCE_SIZE:], count, 0, count, first_seq)
    return unsealed(store.content_keys.of(first_seq, first_seq + count), kept[:NONCE_SIZE], first_seq, items)


def locked(store: Store, first_seq: int, beside: list[bytes]) -> bytes:
    """Return the column that keeps this: whoever forges here has the keys, too."""
    keys = store.content_keys.for_writing(first_seq, first_seq + len(beside))
    sizes = list(map(len, beside))
    boxes = sealed(keys, Pieces.cut(bytes(NONCE_SIZE * len(sizes)), NONCE_SIZE), first_seq, b"".join(beside), sizes)
    return bytes(NONCE_SIZE) + Column(boxes, sealed_sizes(sizes)).packed()


def seal(store: Store) -> None:
    assert store.directory.seal(store.checkpoint_key, START_MS, GENESIS) is not None


@pytest.fixture
def chain(store: Store) -> Chain:
    """Return a chain of four entries, sealed once."""
    chain = store.open_chain("acme")
    store.writer.record(chain, [b"beam 7: two cracks", b"b", b"c"], START_MS)
    seal(store)
    return chain


def audit(store: Store) -> set[str]:
    """Return the places of what the audit finds."""
    reader = Reader(store.engine, store.chains, store.lookup)
    parts = (store.engine, store.trees, store.directory, store.chains)
    return {finding.where for finding in Audit(*parts, reader, Journal(store.engine)).run().findings}


def forge_entry(store: Store, chain: Chain) -> None:
    """Replace the first content, with its commitment, its leaf hash and its tile."""
    stored = Reader(store.engine, store.chains, store.lookup).at(chain, 1)
    assert stored is not None
    assert stored.kept is not None
    salt, (_, raw, _) = stored.kept.salt, store.chains.bundles.row(stored.seq)
    forged = raw[:33] + content_commitment(salt, hashlib.sha256(FORGED).digest()) + raw[65:]
    [(first_seq, count, entries, kept)] = store.engine.query(
        "SELECT first_seq, entry_count, entries, kept FROM bundle WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1",
        (stored.seq,),
    )
    items, beside = unpack(bytes(entries), count, 0, count, first_seq), opened(store, first_seq, count, bytes(kept))
    items[stored.seq - first_seq], beside[stored.seq - first_seq] = forged, keep_content(salt, FORGED)
    tile = bytearray(store.trees.tile(chain.chain_no, 0, 0))
    tile[32:64] = leaf_hash(forged)
    with store.engine.transaction():
        store.engine.execute(
            "UPDATE bundle SET entries = ?, kept = ? WHERE first_seq = ?",
            (pack(items), locked(store, first_seq, beside), first_seq),
        )
        change_tile(store, chain.chain_no, 0, bytes(tile))


def change_tile(store: Store, tree_no: int, level: int, hashes: bytes) -> None:
    """Put other hashes into the first tile of a level, and all of them."""
    store.engine.execute("DELETE FROM leaf_tail WHERE tree_no = ?", (tree_no,))
    store.engine.execute(
        "INSERT INTO tile (tree_no, level, tile_no, hashes) VALUES (?, ?, 0, ?) "
        "ON CONFLICT (tree_no, level, tile_no) DO UPDATE SET hashes = excluded.hashes",
        (tree_no, level, hashes),
    )


@pytest.mark.parametrize("many", [30, 32, 253, 255, 256, 287])
def test_few_entries_behind_many_are_clean(store: Store, chain: Chain, many: int) -> None:
    """Wherever the leaves of a log lie, in tiles or in its tail, they are all there."""
    size = store.trees.state(chain.chain_no).size
    store.writer.record(chain, [f"{number}".encode() for number in range(many - size)], START_MS)
    for content in (b"one", b"more", b"and another"):
        store.writer.record(chain, [content], START_MS)
        assert set() == audit(store)


def test_an_honest_home_is_clean(store: Store, chain: Chain) -> None:
    """Nothing is found, before and after further entries and seals."""
    assert set() == audit(store)
    store.writer.record(chain, [b"d"], START_MS)
    assert set() == audit(store)
    seal(store)
    assert set() == audit(store)


def change_rows(store: Store, entries: dict[int, bytes], kept: dict[int, bytes], *, after: int = 0) -> None:
    """Put other bytes into the first bundle behind a row that has more than one row, by place."""
    [(first_seq, count, column, locked_column)] = store.engine.query(
        "SELECT first_seq, entry_count, entries, kept FROM bundle WHERE entry_count > 1 AND first_seq > ? "
        "ORDER BY first_seq LIMIT 1",
        (after,),
    )
    items = unpack(bytes(column), count, 0, count, first_seq)
    beside = opened(store, first_seq, count, bytes(locked_column))
    for values, changes in ((items, entries), (beside, kept)):
        for place, value in changes.items():
            values[place] = value
    with store.engine.transaction():
        store.engine.execute(
            "UPDATE bundle SET entries = ?, kept = ? WHERE first_seq = ?",
            (pack(items), locked(store, first_seq, beside), first_seq),
        )


DAMAGED = [
    (7, "entry", b""),
    (7, "entry", b"\x01"),
    (7, "entry", bytes(70)),
    (7, "kept", b"\x01"),
    (7, "kept", b"\x03" + bytes(60)),
    (7, "kept", b"\x01" + bytes(16) + b"other content"),
    (7, "kept", b"\x02" + bytes(16 + 31)),
    (7, "kept", b"\x02" + bytes(16 + 32)),
    (0, "kept", keep_content(bytes(16), b"")),
    (255, "kept", keep_content(bytes(16), b"")),
]


@pytest.mark.parametrize(("place", "column", "value"), DAMAGED)
def test_one_damaged_row_of_a_batch_is_named_and_no_other(store: Store, place: int, column: str, value: bytes) -> None:
    """Entries are checked by whole batches, and still the finding is about the one row that does not hold."""
    chain = store.open_chain("acme")
    store.writer.record(chain, [b"row %d" % number for number in range(300)], START_MS)
    seal(store)
    assert set() == audit(store)
    change_rows(store, {place: value} if column == "entry" else {}, {place: value} if column == "kept" else {})
    row = f"row {place + 2} (chain {chain.chain_id.hex()}, entry {place + 1})"
    assert {row} == {where for where in audit(store) if where.startswith("row ")}


def test_damaged_rows_of_bundles_that_are_checked_together_are_named_and_no_others(store: Store) -> None:
    """Bundles that follow one another are checked as one batch; each row of them that does not hold is still found."""
    chain = store.open_chain("acme")
    # What follows two mebibytes begins another batch: rows 4 to 903, in bundles of 256, but for the last.
    for some in ([bytes(2**20)] * 2, [b"row %d" % number for number in range(900)]):
        store.writer.record(chain, some, START_MS)
    seal(store)
    assert set() == audit(store)
    change_rows(store, {}, {9: keep_content(bytes(16), b"other content")}, after=3)
    change_rows(store, {255: bytes(70)}, {}, after=4)
    with store.engine.transaction():
        [(kept,)] = store.engine.query("SELECT kept FROM bundle WHERE first_seq = 516")
        store.engine.execute("UPDATE bundle SET kept = ? WHERE first_seq = 516", (flipped(bytes(kept), -1),))
        [(tile,)] = store.engine.query("SELECT hashes FROM tile WHERE tree_no = 1 AND level = 0 AND tile_no = 3")
        store.engine.execute("UPDATE tile SET hashes = ? WHERE tree_no = 1 AND tile_no = 3", (flipped(bytes(tile), 0),))
    assert [f"row {row} (chain {chain.chain_id.hex()}, entry {row - 1})" for row in (13, 515, 769, 771)] == sorted(
        where for where in audit(store) if where.startswith("row ")
    )


def test_bundles_whose_keys_are_damaged_cannot_be_read_and_those_beside_them_are_checked(store: Store) -> None:
    """Of bundles that come together those that need a damaged block of keys are named, row by row, and no others."""
    chain = store.open_chain("acme")
    store.writer.record(chain, [b"row %d" % number for number in range(900)], START_MS)
    seal(store)
    with closing(sqlite3.connect(store.content_keys.store.name)) as keys, keys:
        # Those of rows 512 to 767, which stand in the bundles of rows 258 to 513 and 514 to 769.
        keys.execute("UPDATE block SET secret = x'00' WHERE block_no = 2")
    rows = {where for where in audit(store) if where.startswith("row ")}
    assert {f"row {row} (chain {chain.chain_id.hex()}, entry {row - 1})" for row in range(258, 770)} == rows


def flipped(raw: bytes, at: int) -> bytes:
    """Return the bytes with one bit changed."""
    changed = bytearray(raw)
    changed[at] ^= 1
    return bytes(changed)


def test_a_row_may_keep_nothing(store: Store, chain: Chain) -> None:
    """Content and salt may be gone (erased, or never handed in): nothing is found, and its neighbours are checked."""
    store.writer.record(chain, [b"row %d" % number for number in range(20)], START_MS)
    change_rows(store, {}, {1: b""})
    assert set() == audit(store)
    change_rows(store, {}, {0: b"", 1: b"", 2: keep_content(bytes(16), b"forged")})
    assert {f"row 4 (chain {chain.chain_id.hex()}, entry 3)"} == audit(store)


def test_a_forged_entry_with_its_tile_is_found_by_head_and_promise(store: Store, chain: Chain) -> None:
    """The head's root and the promise were made of the entry that stood there."""
    forge_entry(store, chain)
    found = audit(store)
    assert "promise over rows 2 to 4" in found
    assert any(where.startswith("directory leaf") for where in found)


@pytest.mark.parametrize("with_nodes", [False, True])
def test_a_forged_entry_is_found_also_where_the_nodes_above_it_are_forged(store: Store, *, with_nodes: bool) -> None:
    """The root of many entries is that of the entries, whatever is stored above them or was remembered of it."""
    chain = store.open_chain("acme")
    store.writer.record(chain, [b"row %d" % number for number in range(600)], START_MS)
    seal(store)
    assert store.trees.node(chain.chain_no, 9, 0) == store.trees.root(chain.chain_no, 512)
    forge_entry(store, chain)
    if with_nodes:
        nodes = tile_roots(store.trees.tile(chain.chain_no, 0, 0) + store.trees.tile(chain.chain_no, 0, 1))
        with store.engine.transaction():
            change_tile(store, chain.chain_no, 1, nodes)
    found = audit(store)
    assert with_nodes == (f"chain {chain.chain_id.hex()}, level 1, tile 0" not in found)
    assert any(where.startswith("directory leaf") for where in found)


def test_a_forged_head_with_its_tile_is_found_by_the_checkpoint(store: Store, chain: Chain) -> None:
    """A forger who also rewrites the directory's leaf and its hashes is left with a signature over another root."""
    forge_entry(store, chain)
    frontier = Frontier()
    for flat in store.trees.leaf_hashes(chain.chain_no, 0, 4):
        for at in range(0, len(flat), 32):
            frontier.add(flat[at : at + 32])
    leaf_of_kind = "SELECT leaf_index, leaf FROM directory_leaf WHERE substr(leaf, 1, 1) = ?"
    [(index, raw)] = store.engine.query(leaf_of_kind, (b"\x12",))
    forged = bytes(raw)[:-32] + frontier.root()
    tile = bytearray(store.trees.tile(DIRECTORY, 0, 0))
    tile[32 * index : 32 * index + 32] = leaf_hash(forged)
    with store.engine.transaction():
        store.engine.execute("UPDATE directory_leaf SET leaf = ? WHERE leaf_index = ?", (forged, index))
        change_tile(store, DIRECTORY, 0, bytes(tile))
        store.engine.execute("UPDATE tree SET head_hash = ? WHERE tree_no = ?", (leaf_hash(forged), chain.chain_no))
    assert audit(store) >= {"promise over rows 2 to 4", "directory leaf 2"}


def test_the_report_lists_a_thousand_and_counts_the_rest() -> None:
    """A report is clean only without findings, and never grows without bound."""
    report = Report()
    assert report.clean
    for number in range(MAX_FINDINGS + 5):
        report.found(f"row {number}", "damaged")
    assert (False, MAX_FINDINGS, 5) == (report.clean, len(report.findings), report.more_findings)


@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyError("x"), IndexError(), OverflowError("big"), AssertionError()]
)
def test_what_damaged_data_raises_is_a_finding(error: Exception) -> None:
    """Errors of reading become findings; a mistake in our own code (NameError) or an interrupt does not."""
    report = Report()
    with report.looking_at("row 1"):
        raise error
    assert ["row 1"] == [finding.where for finding in report.findings]
    with pytest.raises(NameError), report.looking_at("row 1"):
        raise NameError("ours")

"""What must hold of a log whoever was killed, cut off or paused: found from rows, blocks and receipts alone.

A test hands in the log's database, what the service acknowledged, and the blocks of its node; each finding says what
does not hold, and begins with the word of its rule. Nothing that writes a log is used here, nor the audit: of the
product only ``anchor.proof``, which strangers have, and SQL.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from anchor.proof.bitcoin.payload import decode_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.checkpoint import Checkpoint, Note, is_signed_by
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.errors import AnchorlineError
from anchor.proof.leaves import NO_PREVIOUS, DirectoryLeaf, HeadLeaf, LogLeaf, SealLeaf, ThreadLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash, root_of
from anchor.proof.promise import Promise, check_promise
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import Outcome
from anchor.proof.verifier import Verifier
from anchor.proof.verify import verify

Ask = Callable[[str], list[tuple[Any, ...]]]
"""Runs a query; of an ``Engine`` it is the method ``query``."""
_HASH = 32
_LENGTH = 4
# OP_RETURN, a push of 40 bytes, and the tag with which every anchor's begins (docs/spec/bitcoin-anchor.md).
_ANCHOR = b"\x6a\x28AL1"
_PAYLOAD = 2


@dataclass(frozen=True)
class Block:
    """A block of the best chain: the time of its header in Unix milliseconds, and its transactions in order."""

    at_ms: int
    transactions: Sequence[Transaction]


@dataclass(frozen=True)
class Rows:
    """What a database says: entry hashes of each chain twice (by its entries, by its tiles), and the directory."""

    runs: Mapping[bytes, list[tuple[int, list[bytes]]]]
    """Of each chain the runs of entries that lie together, by the index of their first."""
    tiles: Mapping[bytes, list[bytes]]
    sizes: Mapping[bytes, int]
    directory: Sequence[tuple[int, bytes]]
    checkpoints: Sequence[tuple[int, bytes, str]]
    attempts: frozenset[bytes]

    @property
    def leaves(self) -> list[DirectoryLeaf]:
        """The leaves of the directory, in order."""
        return [decode_leaf(raw) for _, raw in self.directory]


def read_rows(ask: Ask) -> Rows:
    """Read what is looked at."""
    trees = {int(number): bytes(chain_id) for number, chain_id in ask("SELECT tree_no, chain_id FROM tree") if number}
    at: dict[int, bytes] = {}
    for first_seq, count, packed in ask("SELECT first_seq, entry_count, entries FROM bundle ORDER BY first_seq"):
        at |= dict(enumerate(map(leaf_hash, _unpacked(bytes(packed), count)), first_seq))
    runs: dict[bytes, list[tuple[int, list[bytes]]]] = {chain_id: [] for chain_id in trees.values()}
    placed = "SELECT chain_no, first_index, first_seq, entry_count FROM extent ORDER BY chain_no, first_index"
    for chain_no, first_index, first_seq, count in ask(placed):
        hashes = [at.pop(seq, b"") for seq in range(first_seq, first_seq + count)]
        runs[trees[chain_no]].append((first_index, hashes))
    tiles: dict[bytes, list[bytes]] = {chain_id: [] for chain_id in trees.values()}
    for tree_no, flat in ask("SELECT tree_no, hashes FROM tile WHERE level = 0 ORDER BY tree_no, tile_no"):
        if tree_no in trees:
            tiles[trees[tree_no]] += _cut(flat)
    for tree_no, first_index, flat in ask("SELECT tree_no, first_index, hashes FROM leaf_tail"):
        # What the tiles hold already is left in the tail, and is as they have it.
        if tree_no in trees:
            tiles[trees[tree_no]][first_index : first_index + len(flat) // _HASH] = _cut(flat)
    return Rows(
        runs=runs,
        tiles=tiles,
        sizes={trees[number]: size for number, size in ask("SELECT tree_no, size FROM tree") if number in trees},
        directory=[(index, bytes(leaf)) for index, leaf in ask("SELECT * FROM directory_leaf ORDER BY leaf_index")],
        checkpoints=[
            (size, bytes(root), note)
            for size, root, note in ask("SELECT size, root, note FROM checkpoint ORDER BY size")
        ],
        attempts=frozenset(bytes(txid) for (txid,) in ask("SELECT txid FROM attempt")),
    )


def _cut(flat: bytes) -> list[bytes]:
    return [bytes(flat[start : start + _HASH]) for start in range(0, len(flat), _HASH)]


def _unpacked(packed: bytes, count: int) -> list[bytes]:
    """Return the entries of a bundle: the length of each, then all of them."""
    sizes = [int.from_bytes(packed[start : start + _LENGTH], "big") for start in range(0, count * _LENGTH, _LENGTH)]
    return [packed[start:end] for start, end in pairwise(accumulate(sizes, initial=count * _LENGTH))]


def broken(
    rows: Rows, promises: Sequence[Promise], blocks: Sequence[Block], check_signature: SignatureCheck
) -> list[str]:
    """Return everything that does not hold."""
    log = rows.leaves[0]
    assert isinstance(log, LogLeaf)
    anchored = dict[int, int]()
    return [
        *_chains(rows),
        *_acknowledged(rows, promises),
        *_heads(rows),
        *_checkpoints(rows, log, check_signature),
        *_thread(rows, blocks, anchored),
        *_promises(rows, log, promises, anchored, check_signature),
    ]


def _chains(rows: Rows) -> Iterator[str]:
    """Each chain has no gap, holds no entry twice, and its tiles are of its entries."""
    for chain_id, runs in rows.runs.items():
        found: list[bytes] = []
        for first_index, hashes in runs:
            if first_index != len(found):
                yield f"chain: {chain_id.hex()} goes on at {first_index}, behind {len(found)} entries"
            found += hashes
        if len(set(found)) != len(found):
            yield f"chain: {chain_id.hex()} has an entry twice, or lacks one"
        if found != rows.tiles[chain_id] or rows.sizes[chain_id] != len(found):
            yield f"chain: {chain_id.hex()} has {len(found)} entries, its tree {rows.sizes[chain_id]} and others"


def _acknowledged(rows: Rows, promises: Iterable[Promise]) -> Iterator[str]:
    """What was acknowledged is where its promise says."""
    found = {chain_id: [each for _, hashes in runs for each in hashes] for chain_id, runs in rows.runs.items()}
    for leaf in (promise.leaf for promise in promises):
        if found.get(leaf.chain_id, [])[leaf.leaf_index : leaf.leaf_index + 1] != [leaf.entry_hash]:
            yield f"acknowledged: {leaf.entry_hash.hex()} is not entry {leaf.leaf_index} of {leaf.chain_id.hex()}"


def _heads(rows: Rows) -> Iterator[str]:
    """Each seal has at most one head of each chain, which follows the one before and is of the chain's entries."""
    if [index for index, _ in rows.directory] != list(range(len(rows.directory))):
        yield "head: the directory has a gap"
    newest: dict[bytes, tuple[int, int]] = {}
    here: list[bytes] = []
    seals = 0
    for index, leaf in enumerate(rows.leaves):
        if isinstance(leaf, HeadLeaf):
            here.append(leaf.chain_id)
            before, size = newest.get(leaf.chain_id, (NO_PREVIOUS, 0))
            if leaf.previous_index != before or leaf.tree_size <= size:
                yield f"head: that at {index} does not follow the one before of its chain"
            under = rows.tiles.get(leaf.chain_id, [])[: leaf.tree_size]
            if len(under) != leaf.tree_size or root_of(under) != leaf.root:
                yield f"head: that at {index} is not of the entries of its chain"
            newest[leaf.chain_id] = index, leaf.tree_size
        elif isinstance(leaf, SealLeaf):
            if len(set(here)) != len(here):
                yield f"head: seal {leaf.seal_number} has two of one chain"
            if (leaf.seal_number, leaf.head_count) != (seals, len(here)):
                yield f"head: the seal at {index} counts {leaf.seal_number} seals and {leaf.head_count} heads wrongly"
            seals, here = seals + 1, []


def _checkpoints(rows: Rows, log: LogLeaf, check: SignatureCheck) -> Iterator[str]:
    """Each seal has one signed checkpoint, which is of the directory's leaves."""
    hashes = [leaf_hash(raw) for _, raw in rows.directory]
    sealed = [index + 1 for index, leaf in enumerate(rows.leaves) if isinstance(leaf, SealLeaf)]
    if [size for size, _, _ in rows.checkpoints] != sealed:
        yield "checkpoint: not each seal has one, or one is of no seal"
    for size, root, note in rows.checkpoints:
        try:
            signed = Note.decode(note)
            said = Checkpoint.decode(signed.text)
        except (AnchorlineError, TypeError):
            yield f"checkpoint: that of size {size} is not signed"
            continue
        if said != Checkpoint(log.origin, size, root) or root_of(hashes[:size]) != root:
            yield f"checkpoint: that of size {size} is not of the directory"
        if not is_signed_by(signed, log.origin, log.checkpoint_key.value, check):
            yield f"checkpoint: that of size {size} is not signed by the log"


def _thread(rows: Rows, blocks: Iterable[Block], anchored: dict[int, int]) -> Iterator[str]:
    """No coin is spent twice; every anchor spends the one before, was stored before, and is of a newer checkpoint.

    ``anchored`` gets the size of each anchor with its block's time.
    """
    starts = [leaf.outpoint for leaf in rows.leaves if isinstance(leaf, ThreadLeaf)]
    if len(starts) != 1:
        yield f"thread: expected one beginning, found {len(starts)}"
    coin = starts[0] if starts else None
    roots = {size: root for size, root, _ in rows.checkpoints}
    spent: Counter[OutPoint] = Counter()
    for block in blocks:
        for transaction in block.transactions:
            if _moves_coins(transaction):
                spent.update(each.previous for each in transaction.inputs)
            is_next = transaction.inputs[0].previous == coin
            if not _is_anchor(transaction):
                if is_next:
                    yield f"thread: {transaction.txid[::-1].hex()} spends its coin and is no anchor"
                continue
            said = decode_payload(transaction.outputs[1].script[_PAYLOAD:])
            if not is_next or transaction.txid not in rows.attempts:
                yield f"thread: the anchor {transaction.txid[::-1].hex()} is beside it, or was not stored"
            if roots.get(said.tree_size) != said.root or said.tree_size <= max(anchored, default=0):
                yield f"thread: the anchor {transaction.txid[::-1].hex()} is of no checkpoint, or of an older one"
            anchored[said.tree_size] = block.at_ms
            coin = OutPoint(transaction.txid, 0)
    yield from (f"coin: {outpoint} was spent {times} times" for outpoint, times in spent.items() if times > 1)


def _moves_coins(transaction: Transaction) -> bool:
    return any(transaction.inputs[0].previous.txid)  # a coinbase spends nothing


def _is_anchor(transaction: Transaction) -> bool:
    return len(transaction.outputs) > 1 and transaction.outputs[1].script.startswith(_ANCHOR)


def _promises(
    rows: Rows, log: LogLeaf, promises: Iterable[Promise], anchored: Mapping[int, int], check: SignatureCheck
) -> Iterator[str]:
    """Each promise is the log's, and its entry was sealed and anchored by when it says."""
    sealed = list(_sealed(rows.leaves))
    for promise in promises:
        what = f"{promise.leaf.entry_hash.hex()} of {promise.leaf.chain_id.hex()}"
        try:
            check_promise(promise, log.log_id, log.promise_key.value, check)
        except AnchorlineError as error:
            yield f"promise: {what}: {error}"
        under = (each for each in sealed if each[0] == promise.leaf.chain_id and each[1] > promise.leaf.leaf_index)
        _, _, at_ms, size = next(under, (b"", 0, None, 0))
        if at_ms is None or at_ms > promise.note.seal_by_ms:
            yield f"promise: {what} was not sealed in time"
        by_ms = [when_ms for anchor, when_ms in anchored.items() if anchor >= size > 0]
        if not by_ms or min(by_ms) > promise.note.anchor_by_ms:
            yield f"promise: {what} was not anchored in time"


def _sealed(leaves: Iterable[DirectoryLeaf]) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield chain and tree size of each head, with when it was sealed and the size of the directory then."""
    here: list[HeadLeaf] = []
    for size, leaf in enumerate(leaves, 1):
        if isinstance(leaf, HeadLeaf):
            here.append(leaf)
        elif isinstance(leaf, SealLeaf):
            yield from ((head.chain_id, head.tree_size, leaf.sealed_at_ms, size) for head in here)
            here = []


def misjudged(receipts: Iterable[bytes], promises: Iterable[Promise], verifier: Verifier) -> list[str]:
    """Return what does not hold of receipts: each verifies offline, and has the promise that was given."""
    given = {(promise.leaf.chain_id, promise.leaf.entry_hash): promise for promise in promises}
    found = []
    for receipt in map(Receipt.decode, receipts):
        verdict = verify(receipt, verifier)
        name = leaf_hash(receipt.entry.encode()).hex()
        if verdict.outcome is not Outcome.INTACT:
            found.append(f"receipt: {name} is {verdict.outcome}")
        promise = receipt.promise
        if promise is None or given.get((promise.leaf.chain_id, promise.leaf.entry_hash)) != promise:
            found.append(f"receipt: {name} has another promise")
    return found

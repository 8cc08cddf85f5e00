"""The audit of a home: every stored entry, tree, head, seal, checkpoint, promise and anchor, recomputed from below.

It reads the database and trusts none of it: what is derived must follow from the entries, and what is signed must
verify. The CLI prints its findings; memory stays flat in the number of entries, not in that of chains.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from anchor.directory import Directory
from anchor.epochs import Epochs
from anchor.growing import extend_to
from anchor.hashing.chosen import HASHING
from anchor.heads_followed import FollowedHeads
from anchor.heads_nodes import Subtree
from anchor.journal import Attempt, Journal
from anchor.lifecycle import MINED
from anchor.log import DIRECTORY, TILE_WIDTH, Frontier, Trees
from anchor.proof.access_record import is_access_id
from anchor.proof.bitcoin.anchor import check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.blocks import KnownBlocks
from anchor.proof.checkpoint import Checkpoint, Note, key_id
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import Entry
from anchor.proof.leaves import (
    NO_PREVIOUS,
    NOTHING_REPLACED,
    DirectoryLeaf,
    HeadLeaf,
    KeyLeaf,
    LogLeaf,
    Purpose,
    SealLeaf,
    ThreadLeaf,
    UnassignedLeaf,
    decode_leaf,
)
from anchor.proof.merkle import leaf_hash
from anchor.proof.policy import Standing
from anchor.proof.promise import PromiseNote, promise_key_id, signed_message
from anchor.proof.steps_log import key_history
from anchor.proof.verifier import network_of
from anchor.signing import check_signature
from anchor.storage.engine import Engine
from chains.audit_access import check_access
from chains.audit_attestations import check_attestations
from chains.audit_authors import HomeAuthors
from chains.audit_entries import EntriesAudit, Progress
from chains.audit_life import check_life
from chains.audit_lookups import LookupsAudit
from chains.audit_report import DAMAGE, Report
from chains.audit_tables import (
    HeadsNodes,
    check_extents,
    check_pointers,
    check_tiles,
    check_timestamps,
    paged,
)
from chains.bundle import RememberedBundles
from chains.chain import Chain, Chains
from chains.identity import Identities
from chains.policy import Policies
from chains.policy_audit import PolicyAudit, named_at
from chains.reader import Reader
from chains.writer import stored_promise_leaves

CHAINS_AT_ONCE = 256
HASHES_AT_ONCE = 4096
"""Leaf hashes that are added to a log at once, or a few more."""


class Audit:
    """Audits one home."""

    def __init__(
        self,
        engine: Engine,
        trees: Trees,
        directory: Directory,
        chains: Chains,
        reader: Reader,
        journal: Journal,
        progress: Progress = lambda _what, _done: None,
        views: Sequence[KnownBlocks] = (),
    ) -> None:
        self.engine = engine
        self.trees = trees
        self.directory = directory
        self.chains = Chains(engine, trees, chains.keys)
        self.chains.bundles = RememberedBundles(engine, chains.keys)
        self.reader = Reader(engine, self.chains, reader.lookup)
        self.access_chains: list[Chain] = []
        self.journal = journal
        self.progress = progress
        self.report = Report()
        self.lookups = LookupsAudit(engine, chains.keys, self.report)
        self.authors = HomeAuthors(engine, self.chains, self.report, journal, views)
        identities = Identities(engine, self.chains)
        self.policies = PolicyAudit(Policies(engine, self.chains, identities, reader.lookup), self.report)

    def run(self) -> Report:
        """Check everything; a finding never stops it, except where nothing further can be read."""
        read = (self.engine, self.chains, self.reader, self.report)
        steps: list[tuple[str, Callable[[], None]]] = [
            ("look-ups", self.lookups.begin),
            ("rows", self._rows),
            ("chains", self._chains),
            ("accesses", partial(check_access, *read, self.access_chains)),
            ("promises", self._promises),
            ("directory", self._directory),
            ("tables of the directory", partial(check_pointers, self.engine, self.directory, self.report)),
            ("tiles of the directory", self._directory_tiles),
            ("look-ups", self.lookups.check),
            ("threads", self._thread_leaves),
            ("checkpoints", self._checkpoints),
            ("anchors", self._anchors),
            ("time stamps", partial(check_timestamps, self.engine, self.directory, self.report)),
            ("attestations", partial(check_attestations, self.engine, self.directory, self.report)),
        ]
        for where, step in steps:
            with self.report.looking_at(where):
                step()
        return self.report

    # --- entries and chains

    def _rows(self) -> None:
        """Rows are gapless, and every one belongs to exactly one place of one chain."""
        expected = 1
        query = "SELECT first_seq, entry_count FROM extent WHERE first_seq >= ? ORDER BY first_seq LIMIT 4096"
        while extents := self.engine.query(query, (expected,)):
            for first_seq, count in extents:
                if first_seq != expected:
                    self.report.found(f"row {expected}", f"belongs to no chain (the next that does is {first_seq})")
                expected = first_seq + count
        held = self.engine.query(
            "SELECT COALESCE(SUM(entry_count), 0), COALESCE(MAX(first_seq + entry_count - 1), 0) FROM bundle"
        )[0]
        if tuple(held) != (expected - 1, expected - 1):
            self.report.found("rows", f"expected {expected - 1} rows numbered from 1, found {held[0]} up to {held[1]}")

    def _chains(self) -> None:
        after = 0
        while some := list(self.chains.after(after, CHAINS_AT_ONCE)):
            after = some[-1].chain_no
            self._look_at_firsts(some)
            named = self._named(some)
            for chain in some:
                with self.report.looking_at(f"chain {chain.chain_id.hex()}"):
                    self._chain(chain, is_named=chain.chain_no in named)

    def _look_at_firsts(self, some: Sequence[Chain]) -> None:
        """Say of chains whether they have a policy, by their first entries: those of many are in one bundle."""
        rows = self.engine.query(
            "SELECT chain_no, first_seq FROM extent WHERE first_index = 0 AND chain_no BETWEEN ? AND ? "
            "ORDER BY first_seq",
            (some[0].chain_no, some[-1].chain_no),
        )
        by_no = {chain.chain_no: chain for chain in some}
        for chain_no, seq in rows:
            # What cannot be read is asked for, and said, when its chain is looked at.
            with suppress(*DAMAGE):
                [(_, raw)] = self.chains.bundles.entries(int(seq), int(seq) + 1)
                self.policies.policies.begins(by_no[int(chain_no)], Entry.decode(raw))

    def _named(self, some: Sequence[Chain]) -> set[int]:
        """Return of which of these chains tables of policies or lives have rows: of all others none is asked for."""
        rows = self.engine.query(
            "SELECT tree_no FROM stated_policy WHERE tree_no BETWEEN ? AND ? "
            "UNION SELECT chain_no FROM life_entry WHERE chain_no BETWEEN ? AND ?",
            (some[0].chain_no, some[-1].chain_no) * 2,
        )
        return {int(number) for (number,) in rows}

    def _chain(self, chain: Chain, *, is_named: bool) -> None:
        """Each entry is what its leaf hash says, and each head is the root of the entries below it."""
        self.report.chains += 1
        where, state = f"chain {chain.chain_id.hex()}", self.trees.state(chain.chain_no)
        size, built_size = state.size, state.built_size
        with self.report.looking_at(where):
            check_extents(self.engine, self.report, chain, size)
        found_before = self.report.found_in_all
        with self.report.looking_at(where):
            check_tiles(self.engine, self.report, state, where)
        tiles_hold = self.report.found_in_all == found_before
        standing: Standing = ()
        with self.report.looking_at(where):
            standing = self.policies.standing(chain, is_noted=is_named)
        frontier = Frontier()
        # Others may remember nodes that are stored no longer: those that were checked above are read once more.
        has_nodes = tiles_hold and built_size >= TILE_WIDTH
        node_at = partial(Trees(self.engine).node, chain.chain_no) if has_nodes else None
        heads = self._heads_of(chain)
        next_head = next(heads, None)
        of_home = (self.directory.log.log_id, self.authors, self.lookups)
        entries = EntriesAudit(self.reader, self.report, self.progress, *of_home, has_policy=bool(standing))
        for hashes in _gathered(entries.hashes(chain, size)):
            left = hashes
            while left:
                # What stands above recorded hashes was computed from these just now, and not again from the same ones.
                is_known = entries.as_recorded and frontier.size < built_size
                stops = built_size, next_head[1].tree_size if next_head else 0
                left = extend_to(frontier, left, stops, node_at if is_known else None)
                if frontier.size == built_size and not self._gives(chain, frontier):
                    self.report.found(where, f"the stored tiles do not give the root of its first {built_size} entries")
                while next_head is not None and next_head[1].tree_size == frontier.size:
                    self._head(chain, *next_head, frontier, named_at(standing, frontier.size))
                    next_head = next(heads, None)
        if next_head is not None:
            self.report.found(
                f"directory leaf {next_head[0]}", f"a head of {next_head[1].tree_size} entries; the chain has {size}"
            )
        if entries.first is not None and is_access_id(entries.first.external_ids):
            self.access_chains.append(chain)
        with self.report.looking_at(where):
            check_life(self.chains, self.report, chain, entries.life, is_noted=is_named)

    def _gives(self, chain: Chain, frontier: Frontier) -> bool:
        """Say whether the stored tiles give the root of a frontier; few leaves have none but those of the entries."""
        return frontier.size <= TILE_WIDTH or self.trees.root(chain.chain_no, frontier.size) == frontier.root()

    def _heads_of(self, chain: Chain) -> Iterator[tuple[int, HeadLeaf]]:
        query = (
            "SELECT directory_index, leaf FROM head LEFT JOIN directory_leaf ON leaf_index = directory_index "
            "WHERE tree_no = ? AND directory_index > ? ORDER BY directory_index LIMIT ?"
        )
        for index, raw in paged(self.engine, query, -1, chain.chain_no):
            with self.report.looking_at(f"directory leaf {index}"):
                leaf = None if raw is None else decode_leaf(bytes(raw))
                if isinstance(leaf, HeadLeaf):
                    yield index, leaf
                else:
                    self.report.found(f"directory leaf {index}", "listed as a head and is none")

    def _head(self, chain: Chain, index: int, head: HeadLeaf, frontier: Frontier, policy: bytes) -> None:
        self.report.heads += 1
        where = f"directory leaf {index}"
        if head.chain_id != chain.chain_id:
            self.report.found(where, f"listed as a head of chain {chain.chain_id.hex()}, names {head.chain_id.hex()}")
        if head.root != frontier.root():
            self.report.found(where, f"the head's root is not that of the first {head.tree_size} entries of its chain")
        if head.policy != policy:
            self.report.found(where, f"the head names policy {head.policy.hex()}, the one in force is {policy.hex()}")

    # --- promises

    def _promises(self) -> None:
        """Every row is promised once, in order, by the promise key, over what stands there."""
        received_at_ms, mirrored = 0, self._mirrored()
        by = self.directory.log.promise_key.value, self.directory.log.log_id
        expected = _after(mirrored, 1)
        query = (
            "SELECT first_seq, entry_count, received_at_ms, note, signature FROM group_commit WHERE first_seq > ? "
            "ORDER BY first_seq LIMIT ?"
        )
        for first_seq, count, at_ms, note, signature in paged(self.engine, query, 0):
            where = f"promise over rows {first_seq} to {first_seq + count - 1}"
            if first_seq != expected:
                self.report.found(f"row {expected}", "no promise was kept for it")
            with self.report.looking_at(where):
                self._promise(where, (first_seq, count, at_ms), PromiseNote.decode(bytes(note)), bytes(signature), by)
            if at_ms < received_at_ms:
                self.report.found(where, "received before the promise that stands before it")
            received_at_ms, expected = at_ms, _after(mirrored, first_seq + count)
            self.report.promises += 1
        if expected != self.chains.next_seq():
            self.report.found(f"row {expected}", "no promise was kept for it")

    def _mirrored(self) -> dict[int, int]:
        """Return the runs of rows whose promises were lost (first row: count); the log must say that some were."""
        query = "SELECT first_seq, entry_count FROM mirrored_run WHERE entry_count > 0"
        runs = {int(first): int(count) for first, count in self.engine.query(query)}
        epochs = Epochs(self.engine, self.directory)
        if runs and not epochs.sealed() and epochs.pending() is None:
            self.report.found(f"row {min(runs)}", "came from a mirror without its promise, and no epoch leaf says so")
        return runs

    def _promise(
        self, where: str, row: tuple[int, int, int], note: PromiseNote, signature: bytes, by: tuple[bytes, bytes]
    ) -> None:
        (first_seq, count, at_ms), (key, log_id) = row, by
        if note.log_id != log_id or not check_signature(key, signed_message(note), signature):
            self.report.found(where, f"not signed by promise key {promise_key_id(key).hex()} of this log")
        if note.received_at_ms != at_ms:
            self.report.found(where, f"its row says received at {at_ms} ms, the promise {note.received_at_ms} ms")
        if note.count != count or note.root != HASHING.root(stored_promise_leaves(self.chains, first_seq, count)):
            self.report.found(where, "the promise is not over these entries")

    # --- directory

    def _directory(self) -> None:
        """Leaves are what their hashes say; each seal is whole; pointers lead to the head before; roots follow."""
        newest: dict[bytes, tuple[int, HeadLeaf]] = {}
        heads, nodes = FollowedHeads(), HeadsNodes()
        frontier = Frontier()
        started, follows = 0, (0, 0)
        for index, raw in self._directory_leaves():
            where = f"directory leaf {index}"
            hashed = leaf_hash(raw)
            frontier.add(hashed)
            with self.report.looking_at(where):
                if hashed != self.trees.leaf_hash(DIRECTORY, index):
                    self.report.found(where, "the leaf is not the one whose hash was recorded")
                leaf = decode_leaf(raw)
                self._kind(where, index, leaf)
                if isinstance(leaf, HeadLeaf):
                    self._pointer(where, leaf, newest)
                    newest[leaf.chain_id] = index, leaf
                    heads.put(leaf.chain_id, hashed)
                elif isinstance(leaf, SealLeaf):
                    self._seal(where, leaf, follows, index - started, heads.tree())
                    nodes.expect(index + 1, heads.kept)
                    self._checkpoint_of(where, leaf, index + 1, frontier.root())
                    started, follows = index + 1, (leaf.seal_number + 1, leaf.sealed_at_ms)
        nodes.check(self.engine, self.report)
        if started != frontier.size:
            self.report.found(f"directory leaf {started}", "leaves after the last seal")
        if frontier.size != self.trees.state(DIRECTORY).size:
            self.report.found(
                "directory", f"{frontier.size} leaves, {self.trees.state(DIRECTORY).size} hashes of leaves"
            )

    def _directory_tiles(self) -> None:
        check_tiles(self.engine, self.report, self.trees.state(DIRECTORY), "directory")

    def _kind(self, where: str, index: int, leaf: DirectoryLeaf) -> None:
        if isinstance(leaf, UnassignedLeaf):
            self.report.found(
                where, f"type {leaf.encode()[0]:02x} is unknown: written by a newer Anchorline, no verdict"
            )
        elif isinstance(leaf, LogLeaf) != (index == 0):
            self.report.found(where, "leaf 0, and only leaf 0, says who the log is")
        elif index == 0 and leaf != self.directory.log:
            self.report.found(where, "another log than the one that this home says it is")

    def _checkpoint_of(self, where: str, seal: SealLeaf, size: int, root: bytes) -> None:
        rows = self.engine.query("SELECT root, seal_number, sealed_at_ms FROM checkpoint WHERE size = ?", (size,))
        if not rows or bytes(rows[0][0]) != root:
            self.report.found(where, "no checkpoint with the root of the leaves up to this seal")
        elif tuple(rows[0][1:]) != (seal.seal_number, seal.sealed_at_ms):
            self.report.found(where, f"its checkpoint says seal {rows[0][1]} at {rows[0][2]} ms")

    def _directory_leaves(self) -> Iterator[tuple[int, bytes]]:
        expected = 0
        query = "SELECT leaf_index, leaf FROM directory_leaf WHERE leaf_index >= ? ORDER BY leaf_index LIMIT 4096"
        while rows := self.engine.query(query, (expected,)):
            for index, leaf in rows:
                if index != expected:
                    self.report.found(f"directory leaf {expected}", "is missing")
                yield index, bytes(leaf)
                expected = index + 1

    def _pointer(self, where: str, leaf: HeadLeaf, newest: dict[bytes, tuple[int, HeadLeaf]]) -> None:
        previous = newest.get(leaf.chain_id)
        wanted = NO_PREVIOUS if previous is None else previous[0]
        if leaf.previous_index != wanted:
            self.report.found(where, f"points to {leaf.previous_index}, the chain's head before is at {wanted}")
        if previous is not None and leaf.tree_size <= previous[1].tree_size:
            self.report.found(where, f"a head of {leaf.tree_size} entries after one of {previous[1].tree_size}")

    def _seal(
        self,
        where: str,
        seal: SealLeaf,
        follows: tuple[int, int],
        leaves: int,
        heads: Subtree,
    ) -> None:
        self.report.seals += 1
        if seal.seal_number != follows[0]:
            self.report.found(where, f"expected seal {follows[0]}, found {seal.seal_number}")
        if seal.sealed_at_ms < follows[1]:
            self.report.found(where, "sealed before the seal that stands before it")
        if seal.head_count > leaves:
            self.report.found(where, f"{seal.head_count} heads, but only {leaves} leaves since the last seal")
        if (seal.chain_count, seal.heads_root) != (heads.chains, heads.hash):
            self.report.found(where, "heads_root is not that of the newest heads")

    # --- checkpoints and anchors

    def _checkpoints(self) -> None:
        """Each checkpoint is signed by the key of its time; only the newest may still wait for its signature."""
        newest = int(self.engine.query("SELECT COALESCE(MAX(size), 0) FROM checkpoint")[0][0])
        query = "SELECT size, root, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT ?"
        for size, root, text in paged(self.engine, query, 0):
            where = f"checkpoint of {size} leaves"
            self.report.checkpoints += 1
            if text is not None:
                with self.report.looking_at(where):
                    self._signed(where, size, bytes(root), Note.decode(text))
            elif size != newest:
                self.report.found(where, "is not signed, and a later one is")
        if self.report.checkpoints != self.report.seals:
            self.report.found("checkpoints", f"{self.report.checkpoints} for {self.report.seals} seals")

    def _signed(self, where: str, size: int, root: bytes, note: Note) -> None:
        log = self.directory.log
        marks = tuple(leaf for _, leaf in self.directory.log_marks(size) if isinstance(leaf, KeyLeaf))
        key = key_history(log, marks, log.log_id, check_signature)[Purpose.CHECKPOINT].value
        if Checkpoint.decode(note.text) != Checkpoint(log.origin, size, root):
            self.report.found(where, "the signed text names another origin, size or root")
        ours = [line for line in note.signatures if line.key_id == key_id(log.origin, key)]
        if not ours or not all(check_signature(key, note.text.encode(), line.signature) for line in ours):
            self.report.found(where, "not signed by the log's checkpoint key")

    def _anchors(self) -> None:
        """The mined attempts are one line from the thread leaf on, and each carries a checkpoint that was signed."""
        mined: dict[OutPoint, OutPoint] = {}
        for attempt_no, txid in paged(
            self.engine, "SELECT attempt_no, txid FROM attempt WHERE attempt_no > ? ORDER BY attempt_no LIMIT ?", 0
        ):
            where = f"attempt {attempt_no} ({hash_hex(bytes(txid))})"
            self.report.anchors += 1
            with self.report.looking_at(where):
                attempt = self.journal.of_txid(bytes(txid))
                assert attempt is not None
                self._attempt(where, attempt)
                if attempt.state in MINED:
                    mined[attempt.spends] = attempt.coin
        self._thread(mined)

    def _attempt(self, where: str, attempt: Attempt) -> None:
        transaction = attempt.transaction()
        if (transaction.txid, transaction.inputs[0].previous) != (attempt.txid, attempt.spends):
            self.report.found(where, "the signed bytes are another transaction, or spend another coin")
        payload = find_payload(transaction)
        signed = self.directory.checkpoint_of(attempt.checkpoint_size)
        if signed is None or (payload.tree_size, payload.root) != (signed.size, signed.root):
            self.report.found(where, "carries no checkpoint that this log signed")
        self._anchor_proof(where, attempt)

    def _thread_leaves(self) -> None:
        """The first thread leaf replaces nothing, and each later one the one before, signed by the recovery key."""
        log, before, keys = self.directory.log, NOTHING_REPLACED, list[KeyLeaf]()
        for index, leaf in self.directory.log_marks(2**62):
            if isinstance(leaf, KeyLeaf):
                keys.append(leaf)
            if not isinstance(leaf, ThreadLeaf):
                continue
            where = f"directory leaf {index}"
            with self.report.looking_at(where):
                if leaf.replaced != before:
                    self.report.found(where, "a thread leaf that does not replace the one before")
                key = key_history(log, tuple(keys), log.log_id, check_signature)[Purpose.RECOVERY].value
                is_first = before == NOTHING_REPLACED
                if not is_first and not check_signature(key, leaf.signed_message(log.log_id), leaf.signature):
                    self.report.found(where, "a new thread that is not signed by the recovery key")
            before = leaf_hash(leaf.encode())

    def _thread(self, mined: dict[OutPoint, OutPoint]) -> None:
        """Follow the coins of the mined attempts (spent by: makes) from each start of the thread."""
        for _, leaf in self.directory.log_marks(2**62):
            coin = leaf.outpoint if isinstance(leaf, ThreadLeaf) else None
            while coin in mined:
                coin = mined.pop(coin)
        for coin in mined:
            self.report.found(f"the attempt that spends {coin}", "is in a block and not on the thread")

    def _anchor_proof(self, where: str, attempt: Attempt) -> None:
        proof, block = self.journal.proof(attempt), attempt.standing.block
        if proof is None or block is None:
            return
        transaction = check_anchor_transaction(proof)
        if (transaction.txid, proof.decoded_header.hash, proof.height) != (
            attempt.txid,
            block.hash,
            block.height,
        ):
            self.report.found(where, "the proof that is kept is of another transaction or block")
        rules = network_of(self.directory.log)
        if rules is not None:
            check_anchor_header(proof, rules)


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield leaf hashes by the thousand: the more come at once, the larger subtrees are hashed as a whole."""
    some = b""
    for piece in pieces:
        some += piece
        if len(some) >= HASHES_AT_ONCE * HASH_SIZE:
            yield some
            some = b""
    yield some


def _after(runs: dict[int, int], row: int) -> int:
    """Return the first row from ``row`` on that is in none of the runs."""
    while row in runs:
        row += runs[row]
    return row

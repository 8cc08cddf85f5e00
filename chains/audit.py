"""The audit of a home: every stored entry, tree, head, seal, checkpoint, promise and anchor, recomputed from below.

It reads the database and trusts none of it: what is derived must follow from the entries, and what is signed must
verify. The CLI prints its findings; memory stays flat in the number of entries.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from anchor.directory import Directory
from anchor.journal import Attempt, Journal
from anchor.lifecycle import MINED
from anchor.log import DIRECTORY, Frontier, Trees
from anchor.proof.bitcoin import OutPoint, check_anchor_header, check_anchor_transaction, find_payload, hash_hex
from anchor.proof.checkpoint import Checkpoint, Note, key_id
from anchor.proof.entry import Entry, chain_id_of, check_author, content_commitment
from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.heads import heads_root
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, KeyLeaf, LogLeaf, Purpose, SealLeaf, ThreadLeaf, UnassignedLeaf
from anchor.proof.merkle import leaf_hash, root_of
from anchor.proof.promise import PromiseNote, promise_key_id, signed_message
from anchor.proof.verify import key_history, network_of
from anchor.signing import check_signature
from anchor.storage.engine import Engine
from chains.chain import Chain, Chains
from chains.reader import Reader
from chains.writer import promise_leaves

# Findings beyond this are counted and not listed: a home with a million damaged rows must still be auditable.
MAX_FINDINGS = 1000

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: where, and what."""

    where: str
    what: str


@dataclass
class Report:
    """What the audit looked at and what it found."""

    entries: int = 0
    chains: int = 0
    heads: int = 0
    seals: int = 0
    checkpoints: int = 0
    promises: int = 0
    anchors: int = 0
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.findings

    def found(self, where: str, what: str) -> None:
        """Note something that does not hold."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(where, what))
        else:
            self.more_findings += 1


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
    ) -> None:
        self.engine = engine
        self.trees = trees
        self.directory = directory
        self.chains = chains
        self.reader = reader
        self.journal = journal
        self.progress = progress
        self.report = Report()

    def run(self) -> Report:
        """Check everything; a finding never stops it, except where nothing further can be read."""
        steps: list[tuple[str, Callable[[], None]]] = [
            ("rows", self._rows),
            *((f"chain {chain.chain_id.hex()}", self._chain_step(chain)) for chain in self.chains.all()),
            ("promises", self._promises),
            ("directory", self._directory),
            ("checkpoints", self._checkpoints),
            ("anchors", self._anchors),
        ]
        for where, step in steps:
            try:
                step()
            except AnchorlineError as error:
                self.report.found(where, str(error))
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
        held = self.engine.query("SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM entry")[0]
        if tuple(held) != (expected - 1, expected - 1):
            self.report.found("rows", f"expected {expected - 1} rows numbered from 1, found {held[0]} up to {held[1]}")

    def _chain_step(self, chain: Chain) -> Callable[[], None]:
        return lambda: self._chain(chain)

    def _chain(self, chain: Chain) -> None:
        """Each entry is what its leaf hash says, and each head is the root of the entries below it."""
        self.report.chains += 1
        size = self.chains.size(chain)
        frontier = Frontier()
        heads = self._heads_of(chain)
        next_head = next(heads, None)
        stored_hashes = self._leaf_hashes(chain, size)
        for stored in self.reader.entries(chain, 0, size):
            where = f"row {stored.seq} (chain {chain.chain_id.hex()}, entry {stored.leaf_index})"
            entry_hash = leaf_hash(stored.raw)
            if entry_hash != next(stored_hashes, b""):
                self.report.found(where, "the entry is not the one whose hash was recorded")
            self._entry(chain, where, stored.raw, stored.leaf_index)
            if stored.kept is not None:
                commitment = content_commitment(stored.kept.salt, stored.kept.digest)
                if commitment != stored.raw[33:65]:
                    self.report.found(where, "the content kept beside the entry is not the one it commits to")
            frontier.add(entry_hash)
            self.report.entries += 1
            if self.report.entries % 4096 == 0:
                self.progress("entries", self.report.entries)
            while next_head is not None and next_head[1].tree_size == frontier.size:
                self._head(chain, *next_head, frontier)
                next_head = next(heads, None)
        if next_head is not None:
            self.report.found(
                f"directory leaf {next_head[0]}", f"a head of {next_head[1].tree_size} entries; the chain has {size}"
            )
        if size and self.trees.root(chain.chain_no, size) != frontier.root():
            self.report.found(f"chain {chain.chain_id.hex()}", "the stored tiles do not give the root of its entries")

    def _leaf_hashes(self, chain: Chain, size: int) -> Iterator[bytes]:
        for flat in self.trees.leaf_hashes(chain.chain_no, 0, size):
            yield from (flat[at : at + 32] for at in range(0, len(flat), 32))

    def _entry(self, chain: Chain, where: str, raw: bytes, leaf_index: int) -> None:
        if leaf_index and raw[1:33] == chain.chain_id and not _needs_decoding(raw):
            return
        try:
            entry = Entry.decode(raw)
            if entry.chain_id != chain.chain_id:
                self.report.found(where, f"an entry of chain {entry.chain_id.hex()}")
            if leaf_index == 0 and chain_id_of(entry.external_ids) != chain.chain_id:
                self.report.found(where, "the external ids of the first entry do not give the chain id")
            check_author(entry, check_signature)
        except (MalformedError, AnchorlineError) as error:
            self.report.found(where, str(error))

    def _heads_of(self, chain: Chain) -> Iterator[tuple[int, HeadLeaf]]:
        after = -1
        query = (
            "SELECT directory_index FROM head WHERE tree_no = ? AND directory_index > ? "
            "ORDER BY directory_index LIMIT 1024"
        )
        while rows := self.engine.query(query, (chain.chain_no, after)):
            for (index,) in rows:
                leaf = self.directory.leaf(index)
                if isinstance(leaf, HeadLeaf):
                    yield index, leaf
                else:
                    self.report.found(f"directory leaf {index}", "listed as a head and is none")
                after = index

    def _head(self, chain: Chain, index: int, head: HeadLeaf, frontier: Frontier) -> None:
        self.report.heads += 1
        where = f"directory leaf {index}"
        if head.chain_id != chain.chain_id:
            self.report.found(where, f"listed as a head of chain {chain.chain_id.hex()}, names {head.chain_id.hex()}")
        if head.root != frontier.root():
            self.report.found(where, f"the head's root is not that of the first {head.tree_size} entries of its chain")

    # --- promises

    def _promises(self) -> None:
        expected, received_at_ms = 1, 0
        key = self.directory.log.promise_key.value
        query = (
            "SELECT first_seq, entry_count, note, signature FROM group_commit WHERE first_seq >= ? "
            "ORDER BY first_seq LIMIT 256"
        )
        while commits := self.engine.query(query, (expected,)):
            for first_seq, count, raw_note, signature in commits:
                where = f"promise over rows {first_seq} to {first_seq + count - 1}"
                note = PromiseNote.decode(bytes(raw_note))
                if first_seq != expected:
                    self.report.found(f"row {expected}", "no promise was kept for it")
                if note.count != count or note.root != root_of(list(self._promised(first_seq, count))):
                    self.report.found(where, "the promise is not over these entries")
                if note.log_id != self.directory.log.log_id or not check_signature(
                    key, signed_message(note), signature
                ):
                    self.report.found(where, f"not signed by promise key {promise_key_id(key).hex()} of this log")
                if note.received_at_ms < received_at_ms:
                    self.report.found(where, "received before the promise that stands before it")
                received_at_ms, expected = note.received_at_ms, first_seq + count
                self.report.promises += 1

    def _promised(self, first_seq: int, count: int) -> Iterator[bytes]:
        for run in self.chains.runs(first_seq, first_seq + count):
            chain_id = bytes(self.trees.state(run.chain_no).chain_id)
            flat = b"".join(self.trees.leaf_hashes(run.chain_no, run.first_index, run.first_index + run.entry_count))
            hashes = [flat[at : at + 32] for at in range(0, len(flat), 32)]
            yield from promise_leaves(chain_id, run.first_index, hashes, run.submitter)

    # --- directory

    def _directory(self) -> None:
        """Leaves are what their hashes say; each seal is whole; pointers lead to the head before; roots follow."""
        newest: dict[bytes, tuple[int, HeadLeaf]] = {}
        hashes: dict[bytes, bytes] = {}
        frontier = Frontier()
        sizes = {int(size): bytes(root) for size, root in self.engine.query("SELECT size, root FROM checkpoint")}
        started = seal_number = sealed_at_ms = 0
        for index, raw in self._directory_leaves():
            where = f"directory leaf {index}"
            if leaf_hash(raw) != self.trees.leaf_hash(DIRECTORY, index):
                self.report.found(where, "the leaf is not the one whose hash was recorded")
            frontier.add(leaf_hash(raw))
            leaf = self.directory.leaf(index)
            if isinstance(leaf, UnassignedLeaf):
                self.report.found(where, f"type {raw[0]:02x} is unknown: written by a newer Anchorline, no verdict")
            elif isinstance(leaf, LogLeaf) != (index == 0):
                self.report.found(where, "leaf 0, and only leaf 0, says who the log is")
            elif isinstance(leaf, HeadLeaf):
                self._pointer(where, leaf, newest)
                newest[leaf.chain_id] = (index, leaf)
                hashes[leaf.chain_id] = leaf_hash(raw)
            elif isinstance(leaf, SealLeaf):
                self._seal(where, leaf, (seal_number, sealed_at_ms), started, index, hashes)
                if sizes.get(index + 1) != frontier.root():
                    self.report.found(where, "no checkpoint with the root of the leaves up to this seal")
                seal_number, sealed_at_ms, started = leaf.seal_number + 1, leaf.sealed_at_ms, index + 1
        if started != frontier.size:
            self.report.found(f"directory leaf {started}", "leaves after the last seal")

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
        started: int,
        index: int,
        hashes: dict[bytes, bytes],
    ) -> None:
        self.report.seals += 1
        if seal.seal_number != follows[0]:
            self.report.found(where, f"expected seal {follows[0]}, found {seal.seal_number}")
        if seal.sealed_at_ms < follows[1]:
            self.report.found(where, "sealed before the seal that stands before it")
        if seal.head_count > index - started:
            self.report.found(where, f"{seal.head_count} heads, but only {index - started} leaves since the last seal")
        if (seal.chain_count, seal.heads_root) != (len(hashes), heads_root(sorted(hashes.items()))):
            self.report.found(where, "heads_root is not that of the newest heads")

    # --- checkpoints and anchors

    def _checkpoints(self) -> None:
        log = self.directory.log
        for size, root, text in self.engine.query("SELECT size, root, note FROM checkpoint ORDER BY size"):
            where = f"checkpoint of {size} leaves"
            if text is None:
                continue  # stored and not signed yet: the next seal signs it
            marks = tuple(leaf for _, leaf in self.directory.log_marks(size) if isinstance(leaf, KeyLeaf))
            key = key_history(log, marks, log.log_id, check_signature).current[Purpose.CHECKPOINT].value
            note = Note.decode(text)
            if Checkpoint.decode(note.text) != Checkpoint(log.origin, size, bytes(root)):
                self.report.found(where, "the signed text names another origin, size or root")
            ours = [line for line in note.signatures if line.key_id == key_id(log.origin, key)]
            if not ours or not all(check_signature(key, note.text.encode(), line.signature) for line in ours):
                self.report.found(where, "not signed by the log's checkpoint key")
            self.report.checkpoints += 1

    def _anchors(self) -> None:
        """The mined attempts are one line from the thread leaf on, and each carries a checkpoint that was signed."""
        starts = [leaf.outpoint for _, leaf in self.directory.log_marks(2**62) if isinstance(leaf, ThreadLeaf)]
        mined = {attempt.spends: attempt for attempt in self.journal.all() if attempt.state in MINED}
        on_thread: set[OutPoint] = set()
        for start in starts:
            coin = start
            while coin in mined and coin not in on_thread:
                on_thread.add(coin)
                coin = mined[coin].coin
        for attempt in self.journal.all():
            where = f"attempt {attempt.attempt_no} ({hash_hex(attempt.txid)})"
            payload = find_payload(attempt.transaction())
            signed = self.directory.checkpoint_of(attempt.checkpoint_size)
            if signed is None or (payload.tree_size, payload.root) != (signed.size, signed.root):
                self.report.found(where, "carries no checkpoint that this log signed")
            if attempt.state in MINED and attempt.spends not in on_thread:
                self.report.found(where, "is in a block and not on the thread")
            self._anchor_proof(where, attempt)
            self.report.anchors += 1

    def _anchor_proof(self, where: str, attempt: Attempt) -> None:
        proof = self.journal.proof(attempt)
        if proof is None:
            return
        try:
            check_anchor_transaction(proof)
            rules = network_of(self.directory.log)
            if rules is not None:
                check_anchor_header(proof, rules)
        except AnchorlineError as error:
            self.report.found(where, str(error))


def _needs_decoding(raw: bytes) -> bool:
    """Say whether an entry has more than a commitment and a media type: ids, links, extensions or an author."""
    return raw[66 + raw[65] :] != bytes(7)

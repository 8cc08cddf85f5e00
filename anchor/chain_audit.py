"""The chains of a published log: every head against its leaf hashes, every published entry against its own.

Heads come from the directory (``DirectoryWalk``), tiles and entries from the mirror. The thread audit adds what is
found; a chain that is not published at all is listed, and one of which a part is missing was withheld.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from anchor.directory_rules import DirectoryWalk, HeadAt
from anchor.growing import extend_to
from anchor.hashing.chosen import HASHING
from anchor.log import TILE_WIDTH, Frontier
from anchor.proof.checkpoint import Checkpoint, Note, chain_origin, is_signed_by
from anchor.proof.codec import HASH_SIZE
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import Entry, check_chain_id
from anchor.proof.errors import AnchorlineError, MalformedError, VerificationError
from anchor.proof.merkle import check_consistency
from anchor.published import CHAINS, CHECKPOINT, read_note
from anchor.thread_verdict import Finding, Number, Reason
from anchor.tiles import Fetch, LeafRange, PublishedTree, WithheldError, tile_width


@dataclass(slots=True)
class ChainsAudited:
    """What was checked, and what was found; ``not_checked`` are chains of which nothing is published."""

    chains: int = 0
    heads: int = 0
    chains_with_entries: int = 0
    entries: int = 0
    not_checked: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def audit_chains(
    fetch: Fetch,
    walk: DirectoryWalk,
    check: SignatureCheck,
    wanted: frozenset[bytes] | None,
    look_at: Callable[[bytes, int, bytes], None] = lambda _chain_id, _index, _raw: None,
) -> ChainsAudited:
    """Check every chain that the directory names, or those that are wanted.

    ``look_at`` is told chain id, index and bytes of each published entry that is the one that was sealed.
    """
    audited = ChainsAudited()
    for chain_id in sorted(walk.heads if wanted is None else wanted):
        heads = walk.heads.get(chain_id)
        if heads is None:
            text = f"chain {chain_id.hex()}: the directory has no head of it"
            audited.findings.append(Finding(Number.CHAINS, text))
            continue
        _Chain(fetch, walk, check, chain_id, heads, audited, look_at).run()
    if audited.not_checked:
        names = ", ".join(chain_id.hex() for chain_id in audited.not_checked[:5])
        more = "" if len(audited.not_checked) <= 5 else ", …"
        text = f"{len(audited.not_checked)} chains are not published here and were not checked: {names}{more}"
        audited.findings.append(Finding(Number.CHAINS, text))
    return audited


@dataclass(slots=True)
class _Chain:
    fetch: Fetch
    walk: DirectoryWalk
    check: SignatureCheck
    chain_id: bytes
    heads: Sequence[HeadAt]
    audited: ChainsAudited
    look_at: Callable[[bytes, int, bytes], None]

    def run(self) -> None:
        prefix = f"{CHAINS}/{self.chain_id.hex()}/"
        try:
            note = read_note(self.fetch, prefix + CHECKPOINT)
            if note is None:
                self.audited.not_checked.append(self.chain_id)
                return
            self._check_checkpoint(note)
        except MalformedError as error:
            self._found(Number.CHAINS, Reason.CHECKPOINT_WRONG, f"its checkpoint: {error}")
        tree = PublishedTree(self.fetch, prefix, self.heads[-1].tree_size)
        lacking = [*self._check_roots(tree), *self._check_extends(tree)]
        for leaves in merged(lacking):
            self._found(Number.CHAINS, Reason.WITHHELD, f"{leaves} were withheld")
        self._check_entries(tree)
        self.audited.chains += 1
        self.audited.heads += len(self.heads)

    def _check_checkpoint(self, note: Note) -> None:
        """The chain's own checkpoint is one of its heads, signed by the log: none is signed that is not there."""
        found, log = Checkpoint.decode(note.text), self.walk.log
        if not any(is_signed_by(note, log.origin, key, self.check) for key in self.walk.checkpoint_keys()):
            self._found(Number.CHAINS, Reason.CHECKPOINT_WRONG, "its checkpoint is not signed by the log")
        elif found.origin != chain_origin(log.origin, self.chain_id):
            self._found(Number.CHAINS, Reason.CHECKPOINT_WRONG, f"its checkpoint is of {found.origin}")
        elif found.size > self.heads[-1].tree_size:
            text = f"chain {self.chain_id.hex()}: its checkpoint of {found.size} leaves is newer than the directory's"
            self.audited.findings.append(Finding(Number.CHAINS, f"{text}; try again", passing=True))
        elif (found.size, found.root) not in {(head.tree_size, head.root) for head in self.heads}:
            text = f"ANOTHER HISTORY: its signed checkpoint of {found.size} leaves is none of its heads"
            self._found(Number.CHAINS, Reason.HEAD_WRONG, text)

    def _check_roots(self, tree: PublishedTree) -> list[LeafRange]:
        """Each head is the root of its leaf hashes, made again from the first on; return what is lacking."""
        frontier, lacking = Frontier(), list[LeafRange]()
        at_size = {head.tree_size: head for head in self.heads}
        sizes = sorted(at_size)
        for tile_no in range(-(-tree.size // TILE_WIDTH)):
            try:
                flat = tree.tile(0, tile_no)
            except WithheldError as error:
                lacking.append(error.leaves)
                continue
            left = b"" if lacking else flat
            while left:
                at = bisect_right(sizes, frontier.size)
                left = extend_to(frontier, left, sizes[at : at + 1])
                head = at_size.get(frontier.size)
                if head is not None and head.root != frontier.root():
                    where = f"its head of {head.tree_size} leaves (directory leaf {head.index})"
                    self._found(Number.CHAINS, Reason.NOT_CONSISTENT, f"{where} is not the root of its leaf hashes")
        return lacking

    def _check_extends(self, tree: PublishedTree) -> list[LeafRange]:
        """Each head extends the one that it points to, by a consistency path from the tiles; return what is lacking."""
        lacking = []
        for old, new in pairwise(self.heads):
            if not 0 < old.tree_size <= new.tree_size <= tree.size:
                continue  # sizes that fall are a matter of the leaves of the directory
            try:
                path = tree.consistency_path(old.tree_size, new.tree_size)
                check_consistency(old.tree_size, new.tree_size, old.root, new.root, path)
            except WithheldError as error:
                lacking.append(error.leaves)
            except VerificationError as error:
                where = f"its head at directory leaf {new.index} does not extend that at {old.index}"
                self._found(Number.CHAINS, Reason.NOT_CONSISTENT, f"{where}: {error}")
        return lacking

    def _check_entries(self, tree: PublishedTree) -> None:
        """Published entries are those whose hashes are under the heads; of a chain all are published, or none."""
        bundles = -(-tree.size // TILE_WIDTH)
        if tree.bundle(0) is None and tree.bundle(bundles - 1) is None:
            return
        lacking, count = list[LeafRange](), 0
        for tile_no in range(bundles):
            leaves = tree.bundle(tile_no)
            if leaves is None:
                first = tile_no * TILE_WIDTH
                lacking.append(LeafRange(first, first + tile_width(0, tile_no, tree.size)))
                continue
            self._compare(tree, tile_no, leaves)
            count += len(leaves)
        for missing in merged(lacking):
            self._found(Number.ENTRIES, Reason.WITHHELD, f"entries: {missing} were withheld")
        self.audited.chains_with_entries += 1
        self.audited.entries += count

    def _compare(self, tree: PublishedTree, tile_no: int, leaves: Sequence[bytes]) -> None:
        try:
            hashes = tree.tile(0, tile_no)
        except WithheldError:
            return  # said where heads are checked
        for place, (raw, found) in enumerate(zip(leaves, HASHING.leaves(leaves), strict=True)):
            index = tile_no * TILE_WIDTH + place
            if found != hashes[place * HASH_SIZE : (place + 1) * HASH_SIZE]:
                self._found(Number.ENTRIES, Reason.ENTRY_WRONG, f"entry {index} is not the one whose hash is published")
            elif raw[1 : 1 + HASH_SIZE] != self.chain_id:
                self._found(Number.ENTRIES, Reason.ENTRY_WRONG, f"entry {index} is of another chain")
            else:
                self.look_at(self.chain_id, index, raw)
        if tile_no == 0 and leaves:
            self._check_first(leaves[0])

    def _check_first(self, raw: bytes) -> None:
        try:
            check_chain_id(Entry.decode(raw))
        except AnchorlineError as error:
            self._found(Number.ENTRIES, Reason.ENTRY_WRONG, str(error))

    def _found(self, number: Number, reason: Reason, text: str) -> None:
        self.audited.findings.append(Finding(number, f"chain {self.chain_id.hex()}: {text}", reason))


def merged(ranges: Sequence[LeafRange]) -> list[LeafRange]:
    """Return ranges in order, those that touch or overlap as one."""
    joined: list[LeafRange] = []
    for each in sorted(ranges):
        if joined and each.start <= joined[-1].end:
            joined[-1] = LeafRange(joined[-1].start, max(joined[-1].end, each.end))
        else:
            joined.append(each)
    return joined

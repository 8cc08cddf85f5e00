"""The authors of a published log: signatures of its entries, and whether each key was one of the identity it names.

Entries come from ``chain_audit`` as they are read, histories from the published chains of identities, which are read
anew and held against their heads. The rules are those of ``anchor.proof.author_audit``; the thread audit adds what is
found (step 12).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from anchor.directory_rules import DirectoryWalk
from anchor.hashing.chosen import HASHING
from anchor.log import TILE_WIDTH
from anchor.proof.author_audit import AuthorsAudit, UnjudgedError, named_author
from anchor.proof.blocks import KnownBlock, KnownBlocks
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import Entry, check_author, says_more
from anchor.proof.errors import AnchorlineError, Reason, VerificationError
from anchor.proof.identity import begins_identity
from anchor.proof.identity_evidence import MAX_ENTRIES
from anchor.proof.identity_history import History, Place, history_of
from anchor.proof.merkle import root_of
from anchor.proof.waits import Anchored, anchored_at
from anchor.published import CHAINS
from anchor.thread_auditor import Audit
from anchor.thread_verdict import Number
from anchor.thread_verdict import Reason as Found
from anchor.tiles import Fetch, PublishedTree


@dataclass(frozen=True, slots=True)
class SourceBlocks:
    """What the auditor's Bitcoin source says of the best chain."""

    audit: Audit
    network: str

    @property
    def believed(self) -> str:
        """Whose word this is."""
        return f"your Bitcoin sources ({', '.join(self.audit.auditor.sources)})"

    def at(self, height: int) -> KnownBlock | None:
        """Return the block at ``height``."""
        source = self.audit.auditor.source
        found = None if source is None else source.block_hash(height)
        return None if found is None else KnownBlock(found, None)


class PublishedAuthors:
    """Judges the authors of one published log, and tells the thread audit."""

    def __init__(self, audit: Audit, network: str) -> None:
        self._walk: DirectoryWalk = audit.walk
        self._fetch: Fetch = audit.fetch
        self._check: SignatureCheck = audit.auditor.check
        self._audit = audit
        views: Sequence[KnownBlocks] = (SourceBlocks(audit, network),) if audit.auditor.source is not None else ()
        self._sizes = [seal.size for seal in audit.walk.seals]
        # Only roots that the published leaves give: an anchor of another one is a matter of step 6.
        anchors = [
            Anchored(each.payload.tree_size, each.mined.block.height)
            for each in audit.line
            if audit.walk.root_at(each.payload.tree_size) == each.payload.root
        ]
        anchored = anchored_at(dict(enumerate(self._sizes)), anchors)
        self._authors = AuthorsAudit(self._history, self._fault, audit.notes.append, views, anchored)
        self.signed = 0

    def look_at(self, chain_id: bytes, index: int, raw: bytes) -> None:
        """Judge one published entry, which is the one that is sealed; what cannot be read is a matter of step 9."""
        where = f"chain {chain_id.hex()}, entry {index}"
        if index and not says_more(raw):
            return
        try:
            entry = Entry.decode(raw)
            self.signed += check_author(entry, self._check)
        except VerificationError as error:
            self._fault(f"{where}: {error}")
            return
        except AnchorlineError:
            return
        if index == 0 and begins_identity(entry.external_ids):
            self._authors.judge_statements(chain_id, f"chain {chain_id.hex()}")
            self._authors.judge_waits(chain_id, f"chain {chain_id.hex()}")
        named, place = named_author(entry), self._place(chain_id, index)
        if named is not None and place is not None:
            self._authors.judge(where, named, place)

    def end(self) -> None:
        """Say what was judged."""
        if self.signed:
            named = f"{self._authors.named} of them in the name of an identity, whose keys they are"
            self._audit.ok(Number.AUTHORS, f"{self.signed} signatures of entries hold, {named}", "the log's signature")
        else:
            self._audit.ok(Number.AUTHORS, "no published entry is signed")

    def _fault(self, text: str) -> None:
        self._audit.fail(Number.AUTHORS, Found.AUTHOR_WRONG, text)

    # --- histories

    def _history(self, identity: bytes) -> History:
        heads = self._walk.heads.get(identity)
        if not heads:
            text = f"an entry names identity {identity.hex()}, which is no chain of this log"
            raise VerificationError(Reason.AUTHOR_KEYS_WRONG, text)
        size = heads[-1].tree_size
        tree = PublishedTree(self._fetch, f"{CHAINS}/{identity.hex()}/", size)
        first = tree.bundle(0)
        if not first:
            raise self._unjudged(f"identity {identity.hex()}: its entries are not published here")
        leaves = self._leaves(tree) if size <= MAX_ENTRIES else first[:1]
        rows = [(Entry.decode(raw), self._place_of(identity, index)) for index, raw in enumerate(leaves)]
        if size > MAX_ENTRIES:
            history_of(identity, self._walk.log.log_id, rows, self._check)  # a long chain that is none is a fault
            raise self._unjudged(f"identity {identity.hex()}: its {size} entries are more than are read here")
        hashes = list(HASHING.leaves(leaves))
        if any(root_of(hashes[: head.tree_size]) != head.root for head in heads):
            raise self._unjudged(f"identity {identity.hex()}: its published entries are not those of its heads")
        return history_of(identity, self._walk.log.log_id, rows, self._check)

    def _unjudged(self, text: str) -> UnjudgedError:
        self._audit.lack(Number.AUTHORS, text)
        return UnjudgedError(text)

    def _leaves(self, tree: PublishedTree) -> list[bytes]:
        return [raw for tile_no in range(-(-tree.size // TILE_WIDTH)) for raw in tree.bundle(tile_no) or ()]

    # --- places

    def _place_of(self, chain_id: bytes, index: int) -> Place:
        place = self._place(chain_id, index)
        assert place is not None, "below the newest head"
        return place

    def _place(self, chain_id: bytes, index: int) -> Place | None:
        """Return where an entry was first sealed: in the seal of the first head that has it."""
        heads = self._walk.heads[chain_id]
        at = bisect_right(heads, index, key=attrgetter("tree_size"))
        number = bisect_right(self._sizes, heads[at].index) if at < len(heads) else len(self._sizes)
        if number == len(self._sizes):
            return None
        seal = self._walk.seals[number]
        key = self._walk.promise_key(heads[at].index)
        return Place(number, seal.sealed_at_ms, seal.block_height, key, seal.block_hash)

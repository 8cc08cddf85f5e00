"""The audit of a home's authors: each entry that names an identity, by the key history at the seal that holds it.

Entries come from ``chains.audit_entries`` as they are read, histories from ``Identities``; the rules are those of
``anchor.proof.author_audit``. What waits for its seal has no place yet, and is judged when it has one.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from operator import itemgetter

from anchor.journal import Journal
from anchor.lifecycle import MINED
from anchor.proof.author_audit import AuthorsAudit, named_author
from anchor.proof.blocks import KnownBlocks
from anchor.proof.entry import Entry
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.identity import begins_identity
from anchor.proof.identity_history import History, Place
from anchor.proof.verifier import asked
from anchor.proof.waits import AnchorBlock, Anchored, anchored_at
from anchor.storage.engine import Engine
from chains.audit_report import Report
from chains.chain import Chain, Chains
from chains.identity import Identities


class HomeAuthors:
    """Judges the authors of one home's entries."""

    def __init__(
        self, engine: Engine, chains: Chains, report: Report, journal: Journal, views: Sequence[KnownBlocks] = ()
    ) -> None:
        self.chains = chains
        self.identities = Identities(engine, chains)
        self.report = report
        self.engine = engine
        self.journal = journal
        self.views = views
        found = partial(report.found, "authors")
        self.audit = AuthorsAudit(self._history, found, report.remark, views, self._anchored_at)
        # The heads of the chain that is read now: a chain is read from its first entry to its last.
        self._heads: tuple[int, list[tuple[int, Place]]] = (-1, [])

    def judge(self, chain: Chain, index: int, entry: Entry) -> None:
        """Judge one entry, and the statements of an identity at its first."""
        where = f"chain {chain.chain_id.hex()}"
        if index == 0 and begins_identity(entry.external_ids) and self._place(chain, 0) is not None:
            self.audit.judge_statements(chain.chain_id, where)
            self.audit.judge_waits(chain.chain_id, where)
        named = named_author(entry)
        place = None if named is None else self._place(chain, index)
        if named is not None and place is not None:
            self.audit.judge(f"{where}, entry {index}", named, place)
        self.report.named_entries = self.audit.named

    def _place(self, chain: Chain, index: int) -> Place | None:
        if self._heads[0] != chain.chain_no:
            self._heads = chain.chain_no, self.identities.sealed_places(chain)
        heads = self._heads[1]
        at = bisect_right(heads, index, key=itemgetter(0))
        return heads[at][1] if at < len(heads) else None

    def _anchored_at(self, seal_number: int) -> AnchorBlock | None:
        """Return the block of the first anchor over a seal that the views know as one of the best chain."""
        rows = self.engine.query("SELECT size FROM checkpoint WHERE seal_number = ?", (seal_number,))
        return anchored_at({seal_number: int(rows[0][0])}, self._anchors())(seal_number) if rows else None

    def _anchors(self) -> Iterator[Anchored]:
        for attempt in self.journal.all():
            block = attempt.standing.block if attempt.state in MINED else None
            known = None if block is None else asked(self.views, block.height)[0]
            if block is not None and known is not None and known.hash == block.hash:
                yield Anchored(attempt.checkpoint_size, block.height)

    def _history(self, identity: bytes) -> History:
        chain = self.chains.by_id(identity)
        if chain is None:
            raise VerificationError(
                Reason.AUTHOR_KEYS_WRONG, f"an entry names identity {identity.hex()}, which is no chain of this log"
            )
        return self.identities.sealed(chain)

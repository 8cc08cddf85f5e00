"""The audit of policies: every entry of a chain against the policy in force at its place, as the writer judged it.

Entries come from the bundles, seals from the directory; nothing that the writer noted is believed. ``chains.audit``
reports what is found and compares heads; a home that is made from a mirror notes its policies again by this walk.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain as chained
from itertools import repeat

from anchor.proof.entry import Entry, check_author
from anchor.proof.errors import AnchorlineError, MalformedError, VerificationError
from anchor.proof.identity import Purpose
from anchor.proof.identity_history import History, Place, history_of
from anchor.proof.leaves import NO_POLICY
from anchor.proof.log_statements import NO_CONTENT
from anchor.proof.policy import IsKeyOf, Standing, judged
from anchor.signing import check_signature
from anchor.storage.engine import Engine
from chains.audit_report import Report
from chains.chain import Chain
from chains.policy import Policies, margin_ms
from chains.reader import StoredEntry


@dataclass(frozen=True, slots=True)
class Judged:
    """An entry, the policies in force after it, and why it should have been refused, if it should have been."""

    stored: StoredEntry
    standing: Standing
    why: str | None = None


@dataclass(frozen=True, slots=True)
class _Stated:
    """The entries of an identity's chain, each with its row and its place."""

    chain_id: bytes
    seqs: list[int]
    entries: list[tuple[Entry, Place]]


class PolicyWalk:
    """Walks chains under a policy. Keys are judged as the writer judged them: by what stood in rows before the entry.

    So of two things in one seal it is known here which came first; a verifier with a receipt alone cannot know that,
    and lets a tie count against the signer.
    """

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.identities = policies.identities
        self.engine: Engine = policies.engine
        self._stated: dict[bytes, _Stated | None] = {}
        self._histories: dict[tuple[bytes, int], History | None] = {}

    def entries(self, chain: Chain) -> Iterator[Judged]:
        """Yield every entry of a chain in its order; one that does not follow the policy changes nothing."""
        standing: Standing = ()
        written: dict[bytes, int] = {}
        for stored, place in self._placed(chain):
            why = None
            try:
                entry = stored.entry
                check_author(entry, check_signature)
                is_key_of = self._is_key_of(stored.seq, place, margin_ms(entry))
                standing = judged(
                    *(standing, stored.leaf_index, entry, is_key_of),
                    lambda key: self._earlier(chain, written.get(key)),
                    has_content=stored.kept is not None and not stored.keeps(NO_CONTENT),
                )
            except (VerificationError, MalformedError) as error:
                why = str(error)
            written[stored.entry_hash] = stored.leaf_index
            yield Judged(stored, standing, why)

    def _earlier(self, chain: Chain, index: int | None) -> Entry | None:
        found = None if index is None else self.policies.reader.at(chain, index)
        return None if found is None else found.entry

    def _placed(self, chain: Chain) -> Iterator[tuple[StoredEntry, Place]]:
        """Yield the entries of a chain with the place where each is sealed, or will be."""
        size = self.policies.chains.size(chain)
        places = chained(self.identities.entry_places(chain), repeat(self.identities.next_place(0)))
        return zip(self.policies.reader.entries(chain, 0, size), places, strict=False)

    def _received_at_ms(self, seq: int) -> int | None:
        """Return when a row was taken; None where that was lost, and with it the order within a seal: from a mirror."""
        rows = self.engine.query(
            "SELECT received_at_ms FROM group_commit WHERE first_seq <= ? AND first_seq + entry_count > ? "
            "ORDER BY first_seq DESC LIMIT 1",
            (seq, seq),
        )
        return int(rows[0][0]) if rows else None

    def _is_key_of(self, seq: int, place: Place, ahead_ms: int) -> IsKeyOf:
        """Return what says whether a key was one of an identity when a row was taken, by the writer's clock then."""
        received_at_ms = self._received_at_ms(seq)
        seen = place if received_at_ms is None else replace(place, sealed_at_ms=received_at_ms + ahead_ms)

        def is_key_of(identity: bytes, public_key: bytes) -> bool:
            history = self._history(identity, place.seal_number if received_at_ms is None else None, seq)
            if history is None:
                return False
            try:
                history.check_valid(public_key, Purpose.ENTRIES, seen)
            except VerificationError:
                return False
            return True

        return is_key_of

    def _history(self, identity: bytes, before_seal: int | None, seq: int) -> History | None:
        """Return the key history of an identity as it stood before a row, or before a seal; None: there was none."""
        if identity not in self._stated:
            self._stated[identity] = self._read(identity)
        stated = self._stated[identity]
        if stated is None:
            return None
        if before_seal is None:
            count = bisect_left(stated.seqs, seq)
        else:
            count = bisect_left([place.seal_number for _, place in stated.entries], before_seal)
        key = identity, count
        if key not in self._histories:
            log_id = self.policies.directory.log.log_id
            try:
                found = history_of(identity, log_id, stated.entries[:count], check_signature)
                self._histories[key] = found
            except AnchorlineError:
                self._histories[key] = None
        return self._histories[key]

    def _read(self, identity: bytes) -> _Stated | None:
        chain = self.policies.chains.by_id(identity)
        if chain is None:
            return None
        rows = list(self._placed(chain))
        return _Stated(identity, [stored.seq for stored, _ in rows], [(stored.entry, place) for stored, place in rows])


class PolicyAudit:
    """What the policies of one home come to; ``named_at`` says which policy a head has to name."""

    def __init__(self, policies: Policies, report: Report) -> None:
        self.policies = policies
        self.report = report
        self.walk = PolicyWalk(policies)

    def standing(self, chain: Chain, *, is_noted: bool) -> Standing:
        """Judge every entry of a chain under a policy, and what is noted of it; return its policies, none: open.

        What is noted is read only where there is something (``is_noted``), or must have come since that was asked.
        """
        standing: Standing = ()
        where = f"chain {chain.chain_id.hex()}"
        if self.policies.is_under(chain):
            for judged_entry in self.walk.entries(chain):
                standing = judged_entry.standing
                if judged_entry.why is not None:
                    stored = judged_entry.stored
                    self.report.found(f"row {stored.seq} ({where}, entry {stored.leaf_index})", judged_entry.why)
        noted = self._noted(chain) if is_noted or standing else []
        if noted != [(stated.index, stated.entry_hash) for stated in standing]:
            self.report.found(where, "the policies that are noted for it are not those that its entries state")
        return standing

    def _noted(self, chain: Chain) -> list[tuple[int, bytes]]:
        query = "SELECT leaf_index, entry_hash FROM stated_policy WHERE tree_no = ? ORDER BY leaf_index"
        return [(int(index), bytes(key)) for index, key in self.policies.engine.query(query, (chain.chain_no,))]


def named_at(standing: Standing, tree_size: int) -> bytes:
    """Return which policy the head of so many entries has to name."""
    return next((each.entry_hash for each in reversed(standing) if each.index < tree_size), NO_POLICY)

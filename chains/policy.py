"""The policies of one home's chains: what is in force, what may be written under it, and what receipts show of it.

Statements come from the entries of the chains; the rules are those of ``anchor.proof.policy``. The writer asks before
it appends, and notes what came into force in ``stated_policy``, from which a seal's heads are made; the audit makes
that table again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from anchor.directory import Directory
from anchor.errors import ForbiddenByPolicyError, RefusedEntryError
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.identity import Purpose, begins_identity
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf
from anchor.proof.policy import (
    IsKeyOf,
    NotFollowedError,
    Part,
    Policy,
    Standing,
    Stated,
    corrections_in,
    judged,
    stated_in,
)
from anchor.proof.policy_evidence import MAX_IDENTITIES, PolicyEvidence, StatedProof
from anchor.proof.receipt import ChainPath, DirectoryProof
from anchor.storage.engine import Engine
from chains.chain import Chain, Chains
from chains.identity import Identities
from chains.lookup import Lookup
from chains.reader import Reader, StoredEntry

# A day: longer than a seal is ever late where somebody looks after the log.
_MARGIN_MS = 86_400_000
_SHOWN = 64
"""Heads of which what their receipts show of the policy is kept: up to a megabyte each where identities are many."""


@dataclass(slots=True)
class Writing:
    """What one commit writes into a chain under a policy, one entry after the other; nothing of it is stored yet.

    ``stated`` has the indexes of entries that state a policy, with their hashes.
    """

    standing: Standing
    next_index: int
    written: dict[bytes, Entry]
    stated: dict[int, bytes]


class Policies:
    """The policies of one home."""

    def __init__(self, engine: Engine, chains: Chains, identities: Identities, lookup: Lookup) -> None:
        self.engine = engine
        self.chains = chains
        self.identities = identities
        self.reader = Reader(engine, chains, lookup)
        # By chain id, which says for ever what the first entry is.
        self._is_under: dict[bytes, bool] = {}
        self._kept: dict[bytes, Standing] = {}
        self._shown = lru_cache(_SHOWN)(self._shown_by)

    @property
    def directory(self) -> Directory:
        """The directory, for reading."""
        return self.identities.directory

    def is_under(self, chain: Chain) -> bool:
        """Say whether a chain has a policy: by its first entry. Of an open chain, this is all that is ever asked."""
        known = self._is_under.get(chain.chain_id)
        if known is not None:
            return known
        first = self.reader.at(chain, 0)
        return first is not None and self.begins(chain, first.entry)

    def begins(self, chain: Chain, first: Entry) -> bool:
        """Remember whether a chain has a policy, and say it, for who has its first entry."""
        found = self._is_under[chain.chain_id] = stated_in(first) is not None
        return found

    def standing(self, chain: Chain) -> Standing:
        """Return all policies that are or were in force in a chain, as they were noted."""
        rows = self.engine.query(
            "SELECT leaf_index, entry_hash FROM stated_policy WHERE tree_no = ? ORDER BY leaf_index", (chain.chain_no,)
        )
        kept = self._kept.get(chain.chain_id, ())
        if [(each.index, each.entry_hash) for each in kept] == [(index, bytes(key)) for index, key in rows]:
            return kept
        standing = tuple(self._stated(chain, int(index)) for index, _ in rows)
        self._kept[chain.chain_id] = standing
        return standing

    def _stated(self, chain: Chain, index: int) -> Stated:
        stored = self.reader.at(chain, index)
        assert stored is not None, "a policy is noted with its entry"
        return Stated(stored.entry_hash, index, Policy.decode(stated_in(stored.entry) or b""))

    # --- what the writer asks

    def check_first(self, entry: Entry, now_ms: int) -> dict[int, bytes]:
        """Return what a chain's first entry states, as ``Writing.stated``; raise RefusedEntryError where it may not."""
        if stated_in(entry) is None:
            return {}
        if begins_identity(entry.external_ids):
            raise RefusedEntryError("an identity has no policy: its keys say who may state what; leave out the policy")
        writing = Writing((), 0, {}, {})
        self.check_entry(writing, entry, now_ms)
        return writing.stated

    def begin(self, chain: Chain) -> Writing:
        """Return what a commit begins with that writes into a chain under a policy."""
        return Writing(self.standing(chain), self.chains.size(chain), {}, {})

    def check_entry(self, writing: Writing, entry: Entry, now_ms: int) -> None:
        """Note one more entry, whose signatures were checked; raise RefusedEntryError where the policy forbids it."""
        try:
            after = judged(
                writing.standing,
                writing.next_index,
                entry,
                self._is_key_now(now_ms, margin_ms(entry)),
                lambda key: writing.written.get(key) or self.find(entry.chain_id, key),
            )
            if after != writing.standing:
                self._check_parties(after[-1].policy, now_ms)
        except NotFollowedError as error:
            raise ForbiddenByPolicyError(str(error), error.part) from error
        except (VerificationError, MalformedError) as error:
            raise RefusedEntryError(str(error)) from error
        entry_hash = entry.hash
        if after != writing.standing:
            writing.stated[writing.next_index] = entry_hash
        writing.standing = after
        writing.written[entry_hash] = entry
        writing.next_index += 1

    def check_next(self, chain: Chain, entries: Iterable[Entry], now_ms: int) -> dict[int, bytes]:
        """Return what entries state that are to be written together; raise RefusedEntryError where one may not.

        An entry that states a policy in a chain without one is refused, too.
        """
        if not self.is_under(chain):
            refuse_statements(entries)
            return {}
        writing = self.begin(chain)
        for entry in entries:
            self.check_entry(writing, entry, now_ms)
        return writing.stated

    def note(self, chain_no: int, stated: Mapping[int, bytes]) -> None:
        """Note which of the entries that were just appended to a chain state a policy, inside their transaction."""
        self.engine.execute_many(
            "INSERT INTO stated_policy (tree_no, leaf_index, entry_hash) VALUES (?, ?, ?)",
            [(chain_no, index, entry_hash) for index, entry_hash in stated.items()],
        )

    def find(self, chain_id: bytes, entry_hash: bytes) -> Entry | None:
        """Return the entry of a chain that has this hash, or None where the chain has none."""
        found = self.reader.by_hash(entry_hash)
        return found.entry if found is not None and found.entry.chain_id == chain_id else None

    def _is_key_now(self, now_ms: int, ahead_ms: int) -> IsKeyOf:
        """Return what says whether a key is one of an identity now, and will be for so long."""
        place = self.identities.next_place(now_ms + ahead_ms)

        def is_key_of(identity: bytes, public_key: bytes) -> bool:
            chain = self.chains.by_id(identity)
            if chain is None:
                return False
            try:
                self.identities.current(chain, now_ms).check_valid(public_key, Purpose.ENTRIES, place)
            except (VerificationError, MalformedError):
                return False
            return True

        return is_key_of

    def _check_parties(self, policy: Policy, now_ms: int) -> None:
        """The identities that a policy names are identities of this log, and sealed: else nobody could show them."""
        for identity in sorted(policy.identities):
            chain = self.chains.by_id(identity)
            if chain is None or not self.identities.is_identity(chain):
                raise RefusedEntryError(f"the policy names identity {identity.hex()}, which is none of this log")
            if not self.directory.heads_of(chain.chain_no, NO_PREVIOUS >> 1):
                raise RefusedEntryError(
                    f"the policy names identity {identity.hex()}, which is not sealed yet; seal it first"
                )
            self.identities.current(chain, now_ms)

    # --- what receipts carry

    def evidence(self, stored: StoredEntry, head_index: int, size: int) -> PolicyEvidence | None:
        """Return what a receipt shows of the policy of an entry, under its first head, the checkpoint of ``size``.

        None where the chain has none. An identity that has too many statements for a receipt is left out.
        """
        chain = self.chains.by_no(stored.chain_no)
        if chain is None or not self.is_under(chain):
            return None
        evidence = self._shown(chain, head_index, size)
        found = [self.find(chain.chain_id, key) for key in corrections_in(stored.entry)]
        corrected = [entry for entry in found if entry is not None]
        if not corrected:
            return evidence
        named = {entry.extension(ExtensionType.IDENTITY) for entry in corrected} - {None}
        shown = {item.heads[0].head.leaf.chain_id for item in evidence.identities}
        more = [self.identities.evidence(name, size) for name in sorted(filter(None, named)) if name not in shown]
        identities = (*evidence.identities, *(item for item in more if item is not None))[:MAX_IDENTITIES]
        raws = tuple(dict.fromkeys(entry.encode() for entry in corrected))
        return PolicyEvidence(evidence.statements, identities, raws)

    def _shown_by(self, chain: Chain, head_index: int, size: int) -> PolicyEvidence:
        """Return what the receipts of a head's entries share; kept, since what is under a checkpoint stays."""
        head = self.directory.leaf(head_index)
        assert isinstance(head, HeadLeaf)
        standing = [each for each in self.standing(chain) if each.index < head.tree_size]
        names = sorted({name for each in standing for name in each.policy.identities})
        identities = [self.identities.evidence(name, size) for name in names]
        return PolicyEvidence(
            tuple(self._proof_of(chain, each, size) for each in standing),
            tuple(item for item in identities if item is not None)[:MAX_IDENTITIES],
        )

    def _proof_of(self, chain: Chain, stated: Stated, size: int) -> StatedProof:
        stored = self.reader.at(chain, stated.index)
        head_index = self.directory.first_head_over(chain.chain_no, stated.index)
        assert stored is not None
        assert head_index is not None, "the statement is under the head of the entry"
        head = self.directory.leaf(head_index)
        assert isinstance(head, HeadLeaf)
        seal_index, seal = self.directory.seal_over(head_index)
        path = self.chains.trees.inclusion_path(chain.chain_no, stated.index, head.tree_size)
        return StatedProof(
            stored.raw,
            ChainPath(stated.index, path),
            self.directory.under(head, head_index, size),
            self.directory.under(seal, seal_index, size),
            self._before(head, size),
        )

    def _before(self, head: HeadLeaf, size: int) -> DirectoryProof[HeadLeaf] | None:
        if head.previous_index == NO_PREVIOUS:
            return None
        previous = self.directory.leaf(head.previous_index)
        assert isinstance(previous, HeadLeaf)
        return self.directory.under(previous, head.previous_index, size)


def margin_ms(entry: Entry) -> int:
    """Return for how long the keys that sign an entry must be valid: one that states a policy waits for its seal.

    Were its key too old by then, no verifier would follow the chain from there on.
    """
    return 0 if stated_in(entry) is None else _MARGIN_MS


def refuse_statements(entries: Iterable[Entry]) -> None:
    """Raise RefusedEntryError where one of the entries for a chain without a policy states one."""
    if any(stated_in(entry) is not None for entry in entries):
        raise ForbiddenByPolicyError(
            "the entry states a policy, and its chain has none: a policy begins with the first entry of a chain",
            Part.STATEMENT,
        )

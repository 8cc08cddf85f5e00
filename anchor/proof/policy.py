# SPDX-License-Identifier: Apache-2.0
"""The policy of a chain: whose signatures an entry must have, and what it must be; its bytes, and its rules; pure.

Input is extension 7 of the entries that state a policy (docs/spec/policy.md). The writer refuses by these rules, the
audit walks a chain by them, and step 17 judges a receipt by them (``policy_evidence``).
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from itertools import pairwise
from typing import TypeVar

from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits
from anchor.proof.entry import Entry, ExtensionType, IdKind, Relation, signing_keys
from anchor.proof.errors import MalformedError, Reason, UnknownVersionError, VerificationError
from anchor.proof.log_statements import stated_by_log

POLICY_VERSION = 0x01
NO_PREVIOUS = bytes(HASH_SIZE)
# Sixteen signatures, and a statement of this size, fit one entry.
MAX_POLICY = 2300
MAX_PARTIES = 16
MAX_MEDIA_TYPES = 16
# Each may have to be shown, and judged, for every entry after it: who changes more often begins another chain.
MAX_STATEMENTS = 64
# Among kinds of external ids: none but keyed ones, which tell no name and cannot be guessed (docs/spec/envelope.md).
ONLY_KEYED = 0x82
_ID_KINDS = frozenset({*IdKind, ONLY_KEYED})
_CORRECTING = frozenset({Relation.SUPERSEDES, Relation.RETRACTS})
_PRINTABLE = frozenset(range(0x20, 0x7F))
_Ordered = TypeVar("_Ordered", bytes, int, "Party")

IsKeyOf = Callable[[bytes, bytes], bool]
"""is_key_of(identity, public key): whether the key was one of the identity's for entries, where the entry stands."""
Find = Callable[[bytes], Entry | None]
"""find(entry hash): the earlier entry of the same chain that has it, or None where there is none."""


class PartyKind(IntEnum):
    """What names a party: the chain id of an identity, or a public key."""

    IDENTITY = 1
    KEY = 2


class Part(StrEnum):
    """Which part of a policy forbids an entry: one of its rules, or the rules of stating one. The values are stable."""

    ADMINISTRATORS = "administrators"
    WRITERS = "writers"
    CORRECTORS = "correctors"
    MEDIA_TYPES = "media_types"
    ID_KINDS = "id_kinds"
    STATEMENT = "statement"


class NotFollowedError(VerificationError):
    """An entry does not follow the policy of its chain; ``part`` of it forbids the entry."""

    def __init__(self, message: str, part: Part) -> None:
        super().__init__(Reason.POLICY_NOT_FOLLOWED, message)
        self.part = part


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """Somebody whose signature counts; ``value`` has 32 bytes."""

    kind: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Rule:
    """So many of these parties must have signed. Of none 0: anybody, signed or not. Of none 1: nobody."""

    threshold: int
    parties: tuple[Party, ...] = ()


ANYBODY = Rule(0)
NOBODY = Rule(1)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy. ``administrators`` change it, ``writers`` write, ``correctors`` correct entries of others.

    ``media_types``: one of these, unless there are none; ``id_kinds``: an external id of each of these kinds,
    and with ``ONLY_KEYED`` among them no other one than keyed.
    ``previous`` is the hash of the entry that states the policy before, zeros in the chain's first entry.
    """

    administrators: Rule
    writers: Rule = ANYBODY
    correctors: Rule = NOBODY
    media_types: tuple[str, ...] = ()
    id_kinds: tuple[int, ...] = ()
    previous: bytes = NO_PREVIOUS

    def encode(self) -> bytes:
        """Return the statement; raise MalformedError for one that ``decode`` would refuse."""
        media_types = [name.encode("utf-8", "surrogatepass") for name in self.media_types]
        data = b"".join(
            (
                bytes((POLICY_VERSION,)),
                exactly(self.previous, HASH_SIZE, "previous"),
                *map(_rule_bytes, (self.administrators, self.writers, self.correctors)),
                fits(len(media_types), 1, "number of media types"),
                *(fits(len(name), 1, "length of a media type") + name for name in media_types),
                fits(len(self.id_kinds), 1, "number of id kinds"),
                *(fits(kind, 1, "id kind") for kind in self.id_kinds),
            )
        )
        Policy.decode(data)
        return data

    @classmethod
    def decode(cls, data: bytes) -> "Policy":
        """Read a statement; raise MalformedError, UnknownVersionError for another version."""
        reader = Reader(data, "policy", MAX_POLICY)
        version = reader.byte()
        if version != POLICY_VERSION:
            raise UnknownVersionError(
                f"policy: expected version {POLICY_VERSION}, found {version}; written by a newer Anchorline?"
            )
        previous = reader.take(HASH_SIZE)
        administrators, writers, correctors = (_rule_from(reader) for _ in range(3))
        media_types = [reader.prefixed(1) for _ in range(_count(reader, "media types", MAX_MEDIA_TYPES))]
        id_kinds = [reader.byte() for _ in range(_count(reader, "id kinds", len(_ID_KINDS)))]
        reader.end()
        if not administrators.parties:
            raise MalformedError("policy: expected at least one party that may change it")
        if writers == NOBODY:
            raise MalformedError("policy: expected writers, or anybody")
        _check_ascending(media_types, "media types")
        _check_ascending(id_kinds, "id kinds")
        if any(not name or not _PRINTABLE.issuperset(name) for name in media_types):
            raise MalformedError("policy: expected media types of printable ASCII (20 to 7e)")
        if not _ID_KINDS.issuperset(id_kinds):
            raise MalformedError(f"policy: expected id kinds 0, 1, 2 or 130, found {id_kinds}")
        names = tuple(name.decode("ascii") for name in media_types)
        return cls(administrators, writers, correctors, names, tuple(id_kinds), previous)

    @property
    def rules(self) -> tuple[Rule, Rule, Rule]:
        """Its three rules."""
        return self.administrators, self.writers, self.correctors

    @property
    def identities(self) -> frozenset[bytes]:
        """The chain ids of the identities that its rules name."""
        return frozenset(
            party.value for rule in self.rules for party in rule.parties if party.kind == PartyKind.IDENTITY
        )


@dataclass(frozen=True, slots=True)
class Stated:
    """A policy in force: the hash and the index of the entry that states it. It counts from the next entry on."""

    entry_hash: bytes
    index: int
    policy: Policy


Standing = tuple[Stated, ...]
"""All policies that are or were in force in a chain, in their order; none: the chain has no policy."""


def stated_in(entry: Entry) -> bytes | None:
    """Return the statement of a policy that an entry carries, or None."""
    return entry.extension(ExtensionType.POLICY)


def met(rule: Rule, keys: Iterable[bytes], is_key_of: IsKeyOf) -> int:
    """Return how many parties of a rule signed: each key counts for the first party of which it is one."""
    found = {next((party for party in rule.parties if _is_of(party, key, is_key_of)), None) for key in keys}
    return len(found - {None})


def judged(
    standing: Standing, index: int, entry: Entry, is_key_of: IsKeyOf, find: Find, *, has_content: bool = False
) -> Standing:
    """Return the policies in force after one more entry of a chain, whose signatures were checked before.

    ``has_content``: as ``check_followed`` has it. Raises VerificationError(POLICY_NOT_FOLLOWED) where the entry does
    not follow the policy in force at its place, and MalformedError where it states one that cannot be read.
    """
    if stated_in(entry) is not None:
        return changed(standing, index, entry, is_key_of)
    if standing:
        check_followed(standing[-1].policy, entry, is_key_of, find, has_content=has_content)
    return standing


def changed(standing: Standing, index: int, entry: Entry, is_key_of: IsKeyOf) -> Standing:
    """Return the policies in force after an entry that states one: whoever may change the policy before signed it.

    The first one stands in the chain's first entry, and its own administrators signed it. Raises as ``judged`` does.
    """
    policy = Policy.decode(stated_in(entry) or b"")
    if bool(index) != bool(standing):
        raise not_followed(
            "it states a policy, and the chain has none: a policy begins with the first entry"
            if index
            else "a policy before the first entry"
        )
    before = standing[-1] if standing else None
    if policy.previous != (NO_PREVIOUS if before is None else before.entry_hash):
        raise not_followed("the policy that it states does not follow from the one in force; make it anew")
    if len(standing) >= MAX_STATEMENTS:
        raise not_followed(f"the policy was stated {MAX_STATEMENTS} times, and cannot be changed again")
    if any(link.relation in _CORRECTING for link in entry.links):
        raise not_followed("it states a policy and corrects entries: one of both")
    rule = (policy if before is None else before.policy).administrators
    _check_met(rule, entry, is_key_of, Part.ADMINISTRATORS, "change the policy must sign it")
    return (*standing, Stated(entry.hash, index, policy))


def check_followed(policy: Policy, entry: Entry, is_key_of: IsKeyOf, find: Find, *, has_content: bool = False) -> None:
    """Raise VerificationError(POLICY_NOT_FOLLOWED) unless an entry that states no policy follows this one.

    ``has_content``: the entry is known to commit to other content than none, so that it is more than the log's own.
    """
    if not has_content and stated_by_log(entry) is not None:
        return
    if closes(entry):
        _check_closing(policy, entry, is_key_of)
        return
    _check_written(policy, entry, is_key_of, find)


def closes(entry: Entry) -> bool:
    """Say whether an entry closes its chain."""
    return entry.extension(ExtensionType.CLOSING) is not None


def _check_closing(policy: Policy, entry: Entry, is_key_of: IsKeyOf) -> None:
    """After a closing nobody writes any more: it takes those who say who may write, and nothing else of the policy."""
    if any(link.relation in _CORRECTING for link in entry.links):
        raise not_followed("it closes the chain and corrects entries: one of both")
    words = "change the policy must sign what closes the chain"
    _check_met(policy.administrators, entry, is_key_of, Part.ADMINISTRATORS, words)


def _check_written(policy: Policy, entry: Entry, is_key_of: IsKeyOf, find: Find) -> None:
    _check_met(policy.writers, entry, is_key_of, Part.WRITERS, "write must sign an entry")
    if policy.media_types and entry.media_type not in policy.media_types:
        raise not_followed(
            f"its media type is {entry.media_type!r}, which is none of those that it allows", Part.MEDIA_TYPES
        )
    _check_ids(policy, {external_id.kind for external_id in entry.external_ids})
    for link in corrections_in(entry):
        corrected = find(link)
        if corrected is not None and not _may_correct(policy, entry, corrected, is_key_of):
            raise not_followed(
                f"it corrects entry {link.hex()}, and neither those who signed that one nor "
                f"{policy.correctors.threshold} of the {len(policy.correctors.parties)} parties that may correct "
                "entries of others signed it",
                Part.CORRECTORS,
            )


def _check_met(rule: Rule, entry: Entry, is_key_of: IsKeyOf, part: Part, words: str) -> None:
    """Raise VerificationError(POLICY_NOT_FOLLOWED) unless enough parties signed; ``words``: what they may and must."""
    found = met(rule, signing_keys(entry), is_key_of)
    if found < rule.threshold:
        raise not_followed(f"{rule.threshold} of the {len(rule.parties)} parties that may {words}, {found} did", part)


def _check_ids(policy: Policy, kinds: AbstractSet[int]) -> None:
    lacking = sorted(set(policy.id_kinds) - kinds - {ONLY_KEYED})
    if lacking:
        raise not_followed(f"it has no external id of kind {lacking[0]}, and the policy wants one", Part.ID_KINDS)
    if ONLY_KEYED in policy.id_kinds and kinds - {IdKind.KEYED}:
        raise not_followed("it has an external id that is not keyed, and the policy wants no other", Part.ID_KINDS)


def corrections_in(entry: Entry) -> tuple[bytes, ...]:
    """Return the hashes of the entries of its own chain that an entry supersedes or retracts."""
    return tuple(
        link.entry_hash for link in entry.links if link.relation in _CORRECTING and link.chain_id == entry.chain_id
    )


def in_force_at(standing: Standing, index: int) -> Stated:
    """Return the policy that an entry must follow at an index after the first one; ``standing`` is not empty."""
    return next(stated for stated in reversed(standing) if stated.index < index)


def follows(policy: Policy, before: bytes) -> Policy:
    """Return a policy as one that takes the place of that which the entry of this hash states."""
    return replace(policy, previous=before)


def not_followed(why: str, part: Part = Part.STATEMENT) -> NotFollowedError:
    """Return the error for an entry that a part of the policy of its chain forbids."""
    return NotFollowedError(f"the entry does not follow the policy of its chain: {why}", part)


def _may_correct(policy: Policy, entry: Entry, corrected: Entry, is_key_of: IsKeyOf) -> bool:
    """Say whether those who signed an entry may correct one: it is their own, or they may correct those of others."""
    keys, own = set(signing_keys(entry)), set(signing_keys(corrected))
    if own and own <= keys:
        return True
    identity = corrected.extension(ExtensionType.IDENTITY)
    if identity is not None and any(is_key_of(identity, key) for key in sorted(keys)):
        return True
    return met(policy.correctors, sorted(keys), is_key_of) >= policy.correctors.threshold


def _is_of(party: Party, key: bytes, is_key_of: IsKeyOf) -> bool:
    return party.value == key if party.kind == PartyKind.KEY else is_key_of(party.value, key)


def _rule_bytes(rule: Rule) -> bytes:
    parties = b"".join(
        fits(party.kind, 1, "kind of a party") + exactly(party.value, HASH_SIZE, "party") for party in rule.parties
    )
    return fits(rule.threshold, 1, "threshold") + fits(len(rule.parties), 1, "number of parties") + parties


def _rule_from(reader: Reader) -> Rule:
    threshold = reader.byte()
    parties = tuple(Party(reader.byte(), reader.take(HASH_SIZE)) for _ in range(_count(reader, "parties", MAX_PARTIES)))
    if any(party.kind not in (PartyKind.IDENTITY, PartyKind.KEY) for party in parties):
        raise MalformedError("policy: expected parties of kind 1 (identity) or 2 (key)")
    _check_ascending(parties, "parties")
    if not min(1, len(parties)) <= threshold <= max(1, len(parties)):
        raise MalformedError(f"policy: expected a threshold of 1 to {len(parties)} parties, found {threshold}")
    return Rule(threshold, parties)


def _count(reader: Reader, what: str, most: int) -> int:
    count = reader.byte()
    if count > most:
        raise MalformedError(f"policy: expected at most {most} {what}, found {count}")
    return count


def _check_ascending(values: Sequence[_Ordered], what: str) -> None:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise MalformedError(f"policy: expected {what} in ascending order, none twice")

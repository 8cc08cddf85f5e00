"""The policy of a chain as its page shows it: the one in force in words, and the ones before it.

Policies come from ``chains.policy_history``; ``chains.web.pages.chains`` shows them to whoever may read the entries.
"""

from dataclasses import dataclass

from chains.access import Action
from chains.chain import Chain
from chains.policy_history import StatedPolicy, policies_of
from chains.policy_words import policy_words
from chains.web.requests import Request
from chains.web.rooms import Room


@dataclass(frozen=True, slots=True)
class Statement:
    """An entry that stated a policy: its place, when it was sealed (None: it waits), and the keys that signed it."""

    leaf_index: int
    entry_hash: str
    sealed_at_ms: int | None
    keys: list[str]


@dataclass(frozen=True, slots=True)
class PolicyShown:
    """The policy in force as questions and answers, and all that were stated, the newest first; none: it is open."""

    words: list[tuple[str, str]]
    statements: list[Statement]


def policy_shown(room: Room, request: Request, chain: Chain) -> PolicyShown | None:
    """Return what is shown of a chain's policy; None where who asks may not see it, or where none can be."""
    identities = room.home.identities
    if not room.may(request, Action.ENTRY_READ, chain) or identities.is_identity(chain):
        return None
    if identities.is_access_chain(chain):
        return None
    told = policies_of(room.home.policies, chain)
    return PolicyShown(policy_words(told[-1].policy) if told else [], [_statement(each) for each in reversed(told)])


def _statement(told: StatedPolicy) -> Statement:
    keys = [key.hex() for key in told.keys]
    return Statement(told.stated.index, told.stated.entry_hash.hex(), told.sealed_at_ms, keys)

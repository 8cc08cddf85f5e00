"""Which policies a chain had, from the first to the one in force: when each was stated, sealed, and by whose keys.

``chains.policy`` knows which entries stated them; ``policy show``, the HTTP API and the pages tell it.
"""

from dataclasses import dataclass

from anchor.proof.entry import Entry, signing_keys
from anchor.proof.policy import Policy, Stated
from chains.chain import Chain
from chains.commit_times import ReceivedTimes
from chains.policy import Policies


@dataclass(frozen=True, slots=True)
class StatedPolicy:
    """A policy that came into force with an entry of its chain; times in Unix ms, None: not sealed, or not known."""

    stated: Stated
    entry: Entry
    received_at_ms: int | None
    sealed_at_ms: int | None

    @property
    def policy(self) -> Policy:
        """What it says."""
        return self.stated.policy

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The public keys that signed it, ascending."""
        return signing_keys(self.entry)


def policies_of(policies: Policies, chain: Chain) -> list[StatedPolicy]:
    """Return the policies of a chain, the one in force last; none where it is open."""
    if not policies.is_under(chain):
        return []
    received = ReceivedTimes(policies.engine)
    return [_told(policies, chain, stated, received) for stated in policies.standing(chain)]


def _told(policies: Policies, chain: Chain, stated: Stated, received: ReceivedTimes) -> StatedPolicy:
    stored = policies.reader.at(chain, stated.index)
    assert stored is not None, "a policy is noted with its entry"
    return StatedPolicy(stated, stored.entry, received.at_ms(stored.seq), _sealed_at_ms(policies, chain, stated.index))


def _sealed_at_ms(policies: Policies, chain: Chain, index: int) -> int | None:
    head_index = policies.directory.first_head_over(chain.chain_no, index)
    return None if head_index is None else policies.directory.seal_over(head_index)[1].sealed_at_ms

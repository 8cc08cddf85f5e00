# SPDX-License-Identifier: Apache-2.0
"""The policies of a chain as the client sees them: what the service shows of them, and what must hold of it.

``chains.client.core`` asks; each policy is read from the bytes of the entry that states it, and its signatures and its
place behind the one before are checked. That none is left out, and which keys an identity has, a receipt shows.
"""

from dataclasses import dataclass
from typing import Any

from anchor.proof.checkpoint import from_base64
from anchor.proof.codec import HASH_SIZE
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import Entry, check_author, check_chain_id, signing_keys
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.policy import MAX_STATEMENTS, NO_PREVIOUS, PartyKind, Policy, met, stated_in
from anchor.proof.strictjson import Fields
from chains.client import judging
from chains.client.errors import Untruth
from chains.client.exchange import Call
from chains.client.policy_document import policy_to_json
from chains.client.trust import DoubtError

_MOST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class SeenPolicy:
    """A policy that came into force with an entry of a chain; ``sealed_at_ms`` (Unix ms) None: it waits for a seal."""

    entry: Entry
    leaf_index: int
    policy: Policy
    received_at_ms: int | None
    sealed_at_ms: int | None

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The public keys (32 bytes each) that signed it; their signatures hold."""
        return signing_keys(self.entry)


def asking(chain_id: bytes) -> Call:
    """Return the call that asks for the policies of a chain."""
    return Call("GET", f"/v1/chains/{chain_id.hex()}/policy", most_bytes=_MOST_BYTES)


def policies_in(body: bytes, chain_id: bytes, check: SignatureCheck) -> list[SeenPolicy]:
    """Return the policies of a chain, the one in force last; none: it is open. Raise DoubtError for what is none."""
    fields = judging.fields_of(body)
    if fields.hex("chain_id", exact=HASH_SIZE) != chain_id:
        raise DoubtError(Untruth.ANOTHER_CHAIN, f"asked were the policies of chain {chain_id.hex()}")
    seen: list[SeenPolicy] = []
    for item in fields.array("policies", MAX_STATEMENTS):
        found = _seen(Fields(item, "policy"), chain_id)
        try:
            _check(found, seen[-1] if seen else None, check)
        except VerificationError as error:
            raise DoubtError(Untruth.POLICY, str(error)) from error
        seen.append(found)
    return seen


def _seen(fields: Fields, chain_id: bytes) -> SeenPolicy:
    entry = Entry.decode(from_base64(fields.text("entry"), "policy.entry"))
    statement = stated_in(entry)
    if statement is None:
        raise DoubtError(Untruth.POLICY, "an entry is shown that states no policy")
    if (entry.chain_id, entry.hash) != (chain_id, fields.hex("entry_hash", exact=HASH_SIZE)):
        raise DoubtError(Untruth.ANOTHER_ENTRY, "another entry is shown than the one that is named")
    found = SeenPolicy(
        entry,
        fields.integer("leaf_index"),
        Policy.decode(statement),
        _time(fields, "received_at_ms"),
        _time(fields, "sealed_at_ms"),
    )
    _check_words(found, fields.take("policy"))
    return found


def _check_words(found: SeenPolicy, shown: Any) -> None:
    if shown != policy_to_json(found.policy):
        raise DoubtError(Untruth.POLICY, f"entry {found.leaf_index} states another policy than is shown of it")


def _check(found: SeenPolicy, before: SeenPolicy | None, check: SignatureCheck) -> None:
    """Each stands behind the one before and names it; whoever may change that one signed it, as far as keys say so."""
    if before is None and found.leaf_index:
        raise DoubtError(Untruth.POLICY, "the first policy is not that of the chain's first entry")
    if before is None:
        check_chain_id(found.entry)
    elif found.leaf_index <= before.leaf_index:
        raise DoubtError(Untruth.POLICY, "the policies are not in the order of the chain")
    if found.policy.previous != (NO_PREVIOUS if before is None else before.entry.hash):
        raise DoubtError(Untruth.POLICY, f"entry {found.leaf_index} takes the place of a policy that is not shown")
    if not check_author(found.entry, check):
        raise DoubtError(Untruth.POLICY, f"entry {found.leaf_index} states a policy, and nobody signed it")
    rule = (found if before is None else before).policy.administrators
    if all(party.kind == PartyKind.KEY for party in rule.parties):
        signed = met(rule, found.keys, lambda _identity, _key: False)
        if signed < rule.threshold:
            raise DoubtError(Untruth.POLICY, f"entry {found.leaf_index}: {rule.threshold} must sign, {signed} did")


def _time(fields: Fields, name: str) -> int | None:
    return fields.integer(name) if name in fields else None


def in_force(seen: list[SeenPolicy]) -> SeenPolicy:
    """Return the policy in force; raise MalformedError where the chain is open, for ever."""
    if not seen:
        raise MalformedError("the chain has no policy: a policy begins with the first entry of a chain")
    return seen[-1]

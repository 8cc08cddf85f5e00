"""The operation that reads the policies of a chain: the one in force and those before it, with their entries.

It runs on a reading thread; a policy is changed by an entry, as everything is (``api_writing``).
"""

import msgspec

from chains.access import Action
from chains.client.policy_document import policy_to_json
from chains.policy_history import StatedPolicy, policies_of
from chains.web.answers import json_of
from chains.web.asgi import JSON, Answer
from chains.web.operations import Operation, Shape
from chains.web.parameters import CHAIN
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import ChainPolicy, PolicyModel, StatedPolicyModel


def chain_policy(room: Room, request: Request) -> Answer:
    """Return the policies of a chain, the one in force last."""
    chain = room.chain(request, Action.ENTRY_READ)
    told = policies_of(room.home.policies, chain)
    return json_of(ChainPolicy(chain_id=chain.chain_id.hex(), policies=list(map(_shown, told))))


def _shown(told: StatedPolicy) -> StatedPolicyModel:
    return StatedPolicyModel(
        leaf_index=told.stated.index,
        entry_hash=told.stated.entry_hash.hex(),
        entry=told.entry.encode(),
        signed_by=[key.hex() for key in told.keys],
        policy=msgspec.convert(policy_to_json(told.policy), PolicyModel),
        received_at_ms=told.received_at_ms,
        sealed_at_ms=told.sealed_at_ms,
    )


GROUP = "Chains"
OPERATIONS = (
    Operation(
        "getChainPolicy",
        "GET",
        "/v1/chains/{chain}/policy",
        "Who may write into a chain, and who may change that",
        GROUP,
        {200: Shape("Its policies, the one in force last; none: the chain is open", {JSON: ChainPolicy})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN,),
        run=chain_policy,
        is_of_database=True,
    ),
)

# SPDX-License-Identifier: Apache-2.0
"""A policy as people write and read it: a JSON document, with parties by name (docs/spec/policy.md, "As a document").

Documents come from files of ``policy check`` and ``chain create --policy``, and from the HTTP API; ``Policy`` has the
bytes and the rules.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from anchor.proof.codec import HASH_SIZE, hash_from_hex
from anchor.proof.did import DID_KEY, did_key, key_of_did
from anchor.proof.entry import IdKind
from anchor.proof.errors import MalformedError
from anchor.proof.policy import (
    ANYBODY,
    MAX_MEDIA_TYPES,
    MAX_PARTIES,
    NOBODY,
    ONLY_KEYED,
    Party,
    PartyKind,
    Policy,
    Rule,
)
from anchor.proof.strictjson import Fields, loads

FORMAT = "anchorline-policy/1"
MEDIA_TYPE = "application/vnd.anchorline.policy"
"""Media type of entries that change a policy; their content is empty, or says why."""
MAX_DOCUMENT = 65_536
"""Bytes of a document: three rules of sixteen parties are some 4,000."""
IDENTITY, KEY = "identity:", "key:"
WORDS = {"anybody": ANYBODY, "nobody": NOBODY}
"""What a document says of a rule without parties."""
ID_KINDS: dict[str, int] = {
    "clear": IdKind.CLEAR,
    "hashed": IdKind.HASHED,
    "keyed": IdKind.KEYED,
    "only-keyed": ONLY_KEYED,
}

Named = Callable[[str], bytes]
"""named(name): the chain id (32 bytes) of the identity that is called so; raises an AnchorlineError for another."""


def read_policy(data: bytes, named: Named | None = None) -> Policy:
    """Read the file of a policy; raise MalformedError, TooLargeError, UnknownVersionError for what is none.

    ``named``: what finds identities that are named in another way than by their chain id.
    """
    return policy_of(loads(data, "policy", MAX_DOCUMENT), named)


def policy_of(document: Mapping[str, Any], named: Named | None = None) -> Policy:
    """Return the policy that a document describes: the first of its chain, until ``follows`` says otherwise.

    What is left out is: anybody writes, nobody corrects entries of others, any media type, no external id needed.
    """
    fields = Fields(document, "policy")
    fields.format(FORMAT)
    kinds = _kinds_of(fields.array("id_kinds", len(ID_KINDS)) if "id_kinds" in fields else [])
    found = Policy(
        _rule(fields, "administrators", None, named),
        _rule(fields, "writers", ANYBODY, named),
        _rule(fields, "correctors", NOBODY, named),
        _media_types(fields.array("media_types", MAX_MEDIA_TYPES) if "media_types" in fields else []),
        kinds,
    )
    fields.end()
    return Policy.decode(found.encode())


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """Return a policy as a document; which policy it takes the place of is no part of it."""
    names = {number: name for name, number in ID_KINDS.items()}
    return {
        "format": FORMAT,
        "administrators": _rule_to_json(policy.administrators),
        "writers": _rule_to_json(policy.writers),
        "correctors": _rule_to_json(policy.correctors),
        "media_types": list(policy.media_types),
        "id_kinds": [names[kind] for kind in policy.id_kinds],
    }


def rule_of(needed: int | None, texts: Sequence[str], named: Named | None = None) -> Rule:
    """Return the rule by which ``needed`` (None: all) of the parties that are named sign."""
    parties = sorted(party_of(text, named) for text in texts)
    twice = next((party for party, after in pairwise(parties) if party == after), None)
    if twice is not None:
        raise MalformedError(f"policy: party {party_name(twice)} is named twice in one rule")
    if not parties:
        raise MalformedError("policy: expected parties of a rule, or anybody, or nobody")
    return Rule(len(parties) if needed is None else needed, tuple(parties))


def party_of(text: str, named: Named | None = None) -> Party:
    """Return the party that a text names: ``did:key:z6Mk...``, ``key:HEX``, ``identity:HEX``, or a name."""
    if text.startswith(DID_KEY):
        return Party(PartyKind.KEY, key_of_did(text))
    if text.startswith(KEY):
        return Party(PartyKind.KEY, hash_from_hex(text.removeprefix(KEY), "key of a party", HASH_SIZE))
    name = text.removeprefix(IDENTITY)
    if named is not None:
        return Party(PartyKind.IDENTITY, named(name))
    if text == name:
        raise MalformedError(f"policy: expected a party as did:key:z6Mk..., key:HEX or identity:HEX, got {text[:60]!r}")
    return Party(PartyKind.IDENTITY, hash_from_hex(name, "chain id of an identity", HASH_SIZE))


def party_name(party: Party) -> str:
    """Return how a document names a party."""
    return did_key(party.value) if party.kind == PartyKind.KEY else IDENTITY + party.value.hex()


def _rule(fields: Fields, name: str, absent: Rule | None, named: Named | None) -> Rule:
    if name not in fields and absent is not None:
        return absent
    value = fields.take(name)
    if isinstance(value, str):
        if value not in WORDS:
            raise MalformedError(f"policy.{name}: expected anybody, nobody or parties, got {value[:60]!r}")
        return WORDS[value]
    inner = Fields(value, f"policy.{name}")
    parties = inner.array("parties", MAX_PARTIES)
    if not all(isinstance(each, str) for each in parties):
        raise MalformedError(f"policy.{name}.parties: expected texts")
    rule = rule_of(inner.integer("needed") if "needed" in inner else None, parties, named)
    inner.end()
    return rule


def _rule_to_json(rule: Rule) -> dict[str, Any] | str:
    if rule.parties:
        return {"needed": rule.threshold, "parties": [party_name(party) for party in rule.parties]}
    return "anybody" if rule == ANYBODY else "nobody"


def _media_types(values: Sequence[Any]) -> tuple[str, ...]:
    if not all(isinstance(each, str) for each in values):
        raise MalformedError("policy.media_types: expected texts")
    return tuple(sorted(values))


def _kinds_of(values: Sequence[Any]) -> tuple[int, ...]:
    if not all(isinstance(each, str) and each in ID_KINDS for each in values):
        raise MalformedError(f"policy.id_kinds: expected {', '.join(ID_KINDS)}, got {values!r:.60}")
    return tuple(sorted(ID_KINDS[each] for each in values))

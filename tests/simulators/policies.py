"""Holders of keys who state policies and write under them: with named keys, so that every run makes the same bytes.

Tests and makers of vectors use it; keys are those of ``identities.py``, entries those of ``world.py``.
"""

from collections.abc import Iterable
from dataclasses import replace

from anchor.proof.codec import sha256
from anchor.proof.entry import (
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    IdKind,
    Link,
    author_of_several,
    chain_id_of,
)
from anchor.proof.identity_evidence import IdentityEvidence
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, SealLeaf
from anchor.proof.merkle import inclusion_path
from anchor.proof.policy import Party, PartyKind, Policy, Rule
from anchor.proof.policy_evidence import PolicyEvidence, StatedProof
from anchor.proof.receipt import ChainPath
from tests.simulators.identities import public
from tests.simulators.world import Seal, World, Written, sign_entry, signing_key


def keys(threshold: int, *names: str) -> Rule:
    """Return the rule by which so many of these holders sign."""
    return Rule(threshold, tuple(sorted(Party(PartyKind.KEY, public(name)) for name in names)))


def members(threshold: int, *identities: bytes) -> Rule:
    """Return the rule by which so many of these identities sign."""
    return Rule(threshold, tuple(sorted(Party(PartyKind.IDENTITY, identity) for identity in identities)))


def signed_by(entry: Entry, names: Iterable[str]) -> Entry:
    """Return an entry signed by these holders: by none, by one alone, or by several together."""
    signers = sorted(set(names))
    if not signers:
        return entry
    if len(signers) == 1:
        return sign_entry(entry, signing_key(signers[0]))
    author = author_of_several(entry, [(public(name), signing_key(name).sign) for name in signers])
    return replace(entry, author=author)


def stating(policy: Policy) -> tuple[Extension, ...]:
    """Return the extension that states a policy."""
    return (Extension(ExtensionType.POLICY, policy.encode()),)


def plain(chain_id: bytes, salt: str, *, media_type: str = "", links: tuple[Link, ...] = ()) -> Entry:
    """Return an entry that states nothing; another ``salt`` makes another entry."""
    return Entry(chain_id, sha256(salt.encode()), media_type, links=links)


def first_under(name: str, policy: Policy, *names: str) -> Entry:
    """Return the first entry of the chain called ``name``, which states its policy, signed by these holders."""
    external_ids = (ExternalId(IdKind.CLEAR, name.encode()),)
    entry = replace(plain(chain_id_of(external_ids), "first"), external_ids=external_ids, extensions=stating(policy))
    return signed_by(entry, names)


def change(chain_id: bytes, salt: str, policy: Policy, *names: str) -> Entry:
    """Return an entry that states another policy, signed by these holders."""
    return signed_by(replace(plain(chain_id, salt), extensions=stating(policy)), names)


def evidence_of(
    world: World,
    statements: Iterable[Written],
    at: Seal,
    identities: tuple[IdentityEvidence, ...] = (),
    corrected: Iterable[Entry] = (),
) -> PolicyEvidence:
    """Return what proves policies under the checkpoint of a seal, as ``chains.policy`` makes it of a database."""
    proofs = tuple(_stated(world, written, at) for written in statements)
    return PolicyEvidence(proofs, identities, tuple(entry.encode() for entry in corrected))


def _stated(world: World, written: Written, at: Seal) -> StatedProof:
    """Return the proof of one statement: under the first head that holds it."""
    chain_id = written.entry.chain_id
    for seal in world.seals:
        if chain_id not in seal.head_index:
            continue
        head = world.prove(HeadLeaf, seal.head_index[chain_id], at)
        if head.leaf.tree_size > written.index:
            break
    hashes = [entry.hash for entry in world.chains[chain_id][: head.leaf.tree_size]]
    before = head.leaf.previous_index
    return StatedProof(
        written.entry.encode(),
        ChainPath(written.index, inclusion_path(hashes, written.index)),
        head,
        world.prove(SealLeaf, seal.index, at),
        None if before == NO_PREVIOUS else world.prove(HeadLeaf, before, at),
    )

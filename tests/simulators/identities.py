"""Holders of keys who state what becomes of an identity: with named keys, so that every run makes the same bytes.

Tests and makers of vectors use it; ``World`` of ``world.py`` seals what is stated, and ``evidence_of`` proves it as
``chains.identity`` does, from a second description of the same rules.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.heads import prove_head
from anchor.proof.identity import (
    NEVER,
    Key,
    KeySet,
    Operation,
    Purpose,
    Statement,
    external_ids_of,
    identity_chain_id,
)
from anchor.proof.identity_evidence import IdentityEvidence, SealedHead
from anchor.proof.leaves import HeadLeaf, SealLeaf
from anchor.proof.merkle import leaf_hash
from tests.simulators.world import Seal, World, Written, public_bytes, sign_entry, signing_key

BOTH = Purpose.ENTRIES | Purpose.KEYS


def public(name: str) -> bytes:
    """Return the public key of the holder called ``name``."""
    return public_bytes(signing_key(name))


@dataclass(frozen=True)
class Holder:
    """Whoever has the key of this name."""

    name: str

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of it."""
        return public(self.name)

    def sign(self, message: bytes) -> bytes:
        """Sign, as ``Signer`` asks."""
        return signing_key(self.name).sign(message)


def key(name: str, purposes: Purpose = BOTH, not_after_ms: int = NEVER) -> Key:
    """Return the key of a holder, for both purposes."""
    return Key(public(name), purposes, not_after_ms)


def key_set(*keys: Key, recovery: Iterable[str] = (), threshold: int | None = None, wait_blocks: int = 0) -> KeySet:
    """Return keys in their order; all recovery keys are needed, unless ``threshold`` says how many."""
    found = tuple(sorted(map(public, recovery)))
    return KeySet(tuple(sorted(keys)), len(found) if threshold is None else threshold, found, wait_blocks)


def signed(statement: Statement, chain_id: bytes, *names: str) -> Statement:
    """Return a statement signed by these holders."""
    return statement.signed(chain_id, [(public(name), signing_key(name).sign) for name in names])


def began(log_id: bytes, keys: KeySet, *names: str, called: tuple[str, ...] = ()) -> Statement:
    """Return the statement that begins an identity of a log, signed by these holders."""
    statement = Statement(Operation.BEGIN, about=log_id, names=called, key_set=keys)
    return signed(statement, identity_chain_id(statement), *names)


def entry_of(chain_id: bytes, statement: bytes, salt: bytes = b"") -> Entry:
    """Return the entry that carries a statement; ``salt`` makes another entry of the same statement."""
    return Entry(
        chain_id,
        sha256(b"nothing" + salt),
        "application/vnd.anchorline.identity",
        extensions=(Extension(ExtensionType.STATEMENT, statement),),
    )


def first_entry_of(begin: Statement) -> Entry:
    """Return the first entry of an identity's chain."""
    entry = entry_of(identity_chain_id(begin), begin.encode())
    return replace(entry, external_ids=external_ids_of(begin))


def write_signed(world: World, chain_id: bytes, content: bytes, holder: str, identity: bytes | None) -> Written:
    """Write an entry that a holder signed in the name of an identity, or of none."""
    named = () if identity is None else (Extension(ExtensionType.IDENTITY, identity),)
    return world.write(sign_entry(world.entry(chain_id, content, extensions=named), signing_key(holder)), content)


def evidence_of(world: World, chain_id: bytes, at: Seal) -> IdentityEvidence:
    """Return what proves the history of an identity under the checkpoint of a seal."""
    heads = []
    for seal in world.seals:
        index = seal.head_index.get(chain_id)
        if index is not None and seal.size <= at.size:
            heads.append(SealedHead(world.prove(HeadLeaf, index, at), world.prove(SealLeaf, seal.index, at)))
    size = heads[-1].head.leaf.tree_size
    newest = {leaf.chain_id: leaf.encode() for leaf in world.directory[: at.size] if isinstance(leaf, HeadLeaf)}
    by_hash = {leaf_hash(raw): raw for raw in newest.values()}
    items = sorted((name, leaf_hash(raw)) for name, raw in newest.items())
    proof = prove_head(items, chain_id, by_hash.__getitem__)
    entries = tuple(entry.encode() for entry in world.chains[chain_id][:size])
    return IdentityEvidence(entries, tuple(heads), world.prove(SealLeaf, at.index, at), proof.siblings)

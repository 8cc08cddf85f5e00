# SPDX-License-Identifier: Apache-2.0
"""Statements of an identity: the bytes with which an organisation registers, rotates, revokes and recovers its keys.

Input is extension 6 of the entries of an identity's own chain (docs/spec/identity.md), or what a holder of keys states.
``identity_history`` judges statements in their order; ``chains.identity`` makes them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag
from itertools import pairwise
from typing import TypeVar

from anchor.proof.certificate_proof import CertificateProof
from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits, sha256
from anchor.proof.did import check_did_web
from anchor.proof.ed25519 import SIGNATURE_SIZE
from anchor.proof.entry import Entry, ExtensionType, ExternalId, IdKind, chain_id_of
from anchor.proof.errors import MalformedError, UnknownVersionError

STATEMENT_VERSION = 0x01
IDENTITY_ID = b"anchorline/identity/1"
"""First external id of an identity's first entry, in clear; the second one is the hash of what its keys signed."""
SIGNATURE_DOMAIN = b"anchorline/identity/v1\n"
NO_PREVIOUS = bytes(HASH_SIZE)
NEVER = (1 << 64) - 1
"""``not_after_ms`` of a key that does not expire."""
# All signatures of the largest statement (8 recovery keys, 8 new keys, 8 new recovery keys) fit an entry beside it.
MAX_KEYS = 8
MAX_SIGNATURES = 3 * MAX_KEYS
MAX_NAMES = 8
# A day: a shorter wait gives nobody the time to object.
MIN_WAIT_BLOCKS = 144
MAX_STATEMENT = 4000
Ordered = TypeVar("Ordered", bytes, str)


class Operation(IntEnum):
    """What a statement does."""

    BEGIN = 1
    ADD = 2
    ROTATE = 3
    REVOKE = 4
    RECOVER = 5
    ANNOUNCE = 6
    OBJECT = 7
    COMPLETE = 8
    BIND = 9
    UNBIND = 10


class Purpose(IntFlag):
    """What a key may sign: entries, or statements about the identity's keys."""

    ENTRIES = 1
    KEYS = 2


class Ending(IntEnum):
    """Why a key, or the binding of a certificate, ended; it changes nothing in which entries count, and is shown."""

    NOT_SAID = 0
    REPLACED = 1
    UNUSED = 2
    LOST = 3
    STOLEN = 4


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """An Ed25519 key (32 bytes), what it is for, and until when at the latest (Unix ms by the seals' clock)."""

    public_key: bytes
    purposes: Purpose
    not_after_ms: int = NEVER


@dataclass(frozen=True, slots=True)
class KeySet:
    """All keys of an identity at its begin or after a recovery; keys ascend.

    ``threshold`` of ``recovery`` keys replace everything at once. ``wait_blocks`` is how many blocks a recovery that
    the log announces must wait; 0: the log may announce none.
    """

    keys: tuple[Key, ...]
    threshold: int = 0
    recovery: tuple[bytes, ...] = ()
    wait_blocks: int = 0

    @property
    def public_keys(self) -> frozenset[bytes]:
        """Every key in it: each that is new must sign the statement that brings it."""
        return frozenset([key.public_key for key in self.keys]) | frozenset(self.recovery)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; which fields are set depends on the operation (docs/spec/identity.md).

    ``previous`` is the hash of the statement that was the newest in force. ``about`` is the key that ends (rotate,
    revoke), the announcement (object, complete), the log_id (begin), or the hash of a certificate (bind, unbind), of
    which ``proof`` is the certificate's own signature. ``signatures`` pairs keys with signatures.
    """

    operation: Operation
    previous: bytes = NO_PREVIOUS
    about: bytes = b""
    ending: Ending = Ending.NOT_SAID
    key: Key | None = None
    key_set: KeySet | None = None
    names: tuple[str, ...] = ()
    proof: CertificateProof | None = None
    signatures: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def unsigned(self) -> bytes:
        """The bytes before the signatures."""
        head = bytes((STATEMENT_VERSION, self.operation)) + exactly(self.previous, HASH_SIZE, "previous")
        return head + b"".join(write(self) for _, write in _BODIES[self.operation])

    @property
    def hash(self) -> bytes:
        """H(the bytes before the signatures): what a later statement names as its previous one."""
        return sha256(self.unsigned)

    def encode(self) -> bytes:
        """Return the statement's bytes; raise MalformedError for values that the format cannot hold."""
        signatures = b"".join(
            exactly(key, HASH_SIZE, "public key") + exactly(signature, SIGNATURE_SIZE, "signature")
            for key, signature in self.signatures
        )
        data = self.unsigned + fits(len(self.signatures), 1, "number of signatures") + signatures
        Statement.decode(data)  # which knows every limit
        return data

    @classmethod
    def decode(cls, data: bytes) -> "Statement":
        """Read a statement; raise MalformedError, UnknownVersionError for another version or operation."""
        reader = Reader(data, "identity statement", MAX_STATEMENT)
        version, number = reader.byte(), reader.byte()
        if version != STATEMENT_VERSION or number not in _BODIES:
            raise UnknownVersionError(
                f"identity statement: expected version {STATEMENT_VERSION} and operations 1 to {len(_BODIES)}, found "
                f"version {version}, operation {number}; written by a newer Anchorline?"
            )
        statement = cls(Operation(number), reader.take(HASH_SIZE))
        for read, _ in _BODIES[statement.operation]:
            statement = read(statement, reader)
        signatures = _read_signatures(reader)
        reader.end()
        return replace(statement, signatures=signatures)

    def message(self, chain_id: bytes) -> bytes:
        """Return what every signature is over: domain ‖ chain_id ‖ the bytes before the signatures."""
        return SIGNATURE_DOMAIN + exactly(chain_id, HASH_SIZE, "chain_id") + self.unsigned

    def signed(self, chain_id: bytes, signers: Iterable[tuple[bytes, Callable[[bytes], bytes]]]) -> "Statement":
        """Return it with a signature of each signer (public key, sign), beside those that it has."""
        message = self.message(chain_id)
        made = dict(self.signatures) | {key: sign(message) for key, sign in signers}
        return replace(self, signatures=tuple(sorted(made.items())))


def external_ids_of(begin: Statement) -> tuple[ExternalId, ExternalId]:
    """Return the external ids of an identity's first entry, which give the chain its id."""
    return ExternalId(IdKind.CLEAR, IDENTITY_ID), ExternalId(IdKind.HASHED, begin.hash)


def identity_chain_id(begin: Statement) -> bytes:
    """Return the chain id of the identity that a statement begins: it commits to log, names and first keys."""
    return chain_id_of(external_ids_of(begin))


def begins_identity(external_ids: Sequence[ExternalId]) -> bool:
    """Say whether a first entry with these external ids begins an identity, or means to."""
    return ExternalId(IdKind.CLEAR, IDENTITY_ID) in external_ids[:1]


def statement_of(entry: Entry) -> bytes | None:
    """Return the bytes of the statement in an entry, or None where it has none."""
    return entry.extension(ExtensionType.STATEMENT)


def binds(entry: Entry) -> bool:
    """Say whether an entry means to bind a certificate; nothing else of its statement is looked at."""
    return _means(Operation.BIND, entry)


def _means(operation: Operation, entry: Entry) -> bool:
    return (statement_of(entry) or b"")[:2] == bytes((STATEMENT_VERSION, operation))


def certificate_bound_in(entry: Entry) -> bytes:
    """Return the hash of the certificate that an entry binds, or nothing where its statement cannot be read."""
    try:
        return Statement.decode(statement_of(entry) or b"").about
    except MalformedError:
        return b""


def states(operation: Operation, entries: Iterable[bytes]) -> bool:
    """Say whether one of these entries means to state this; raises MalformedError for what is no entry."""
    return any(_means(operation, Entry.decode(raw)) for raw in entries)


# --- the parts of a body


def _write_about(statement: Statement) -> bytes:
    return exactly(statement.about, HASH_SIZE, "key, announcement, log or certificate that a statement is about")


def _read_about(statement: Statement, reader: Reader) -> Statement:
    return replace(statement, about=reader.take(HASH_SIZE))


def _write_ending(statement: Statement) -> bytes:
    return fits(statement.ending, 1, "reason")


def _read_ending(statement: Statement, reader: Reader) -> Statement:
    number = reader.byte()
    if number > max(Ending):
        raise MalformedError(f"identity statement: expected a reason of 0 to {max(Ending):d}, found {number}")
    return replace(statement, ending=Ending(number))


def _write_key(statement: Statement) -> bytes:
    if statement.key is None:
        raise MalformedError(f"identity statement: expected a key to {statement.operation.name.lower()}")
    return _key_bytes(statement.key)


def _read_key(statement: Statement, reader: Reader) -> Statement:
    return replace(statement, key=_key_from(reader))


def _key_bytes(key: Key) -> bytes:
    return b"".join(
        (
            exactly(key.public_key, HASH_SIZE, "public key"),
            fits(key.purposes, 1, "purposes"),
            fits(key.not_after_ms, 8, "not_after_ms"),
        )
    )


def _key_from(reader: Reader) -> Key:
    public_key, purposes = reader.take(HASH_SIZE), reader.byte()
    if not 1 <= purposes <= Purpose.ENTRIES | Purpose.KEYS:
        raise MalformedError(f"purposes of a key: expected 1 (entries), 2 (keys) or 3 (both), found {purposes}")
    return Key(public_key, Purpose(purposes), reader.unsigned(8))


def _write_key_set(statement: Statement) -> bytes:
    key_set = statement.key_set
    if key_set is None:
        raise MalformedError(f"identity statement: expected keys to {statement.operation.name.lower()} with")
    return b"".join(
        (
            fits(len(key_set.keys), 1, "number of keys"),
            *(_key_bytes(key) for key in key_set.keys),
            fits(key_set.threshold, 1, "threshold"),
            fits(len(key_set.recovery), 1, "number of recovery keys"),
            *(exactly(key, HASH_SIZE, "recovery key") for key in key_set.recovery),
            fits(key_set.wait_blocks, 4, "wait_blocks"),
        )
    )


def _read_key_set(statement: Statement, reader: Reader) -> Statement:
    keys = tuple(_key_from(reader) for _ in range(_count(reader, "keys", 1, MAX_KEYS)))
    threshold = reader.byte()
    recovery = tuple(reader.take(HASH_SIZE) for _ in range(_count(reader, "recovery keys", 0, MAX_KEYS)))
    wait_blocks = reader.unsigned(4)
    _check_ascending([key.public_key for key in keys], "keys")
    _check_ascending(recovery, "recovery keys")
    if not any(Purpose.KEYS in key.purposes for key in keys):
        raise MalformedError("keys of an identity: expected one at least that may change keys (purpose 2)")
    if not min(1, len(recovery)) <= threshold <= len(recovery):
        raise MalformedError(f"threshold: expected 1 to {len(recovery)} of the recovery keys, found {threshold}")
    if 0 < wait_blocks < MIN_WAIT_BLOCKS:
        raise MalformedError(f"wait_blocks: expected 0 or at least {MIN_WAIT_BLOCKS}, found {wait_blocks}")
    if {key.public_key for key in keys} & set(recovery):
        raise MalformedError("keys of an identity: expected recovery keys that are nothing else")
    return replace(statement, key_set=KeySet(keys, threshold, recovery, wait_blocks))


def _write_names(statement: Statement) -> bytes:
    names = [name.encode("utf-8", "surrogatepass") for name in statement.names]
    return fits(len(names), 1, "number of names") + b"".join(fits(len(name), 1, "name") + name for name in names)


def _read_names(statement: Statement, reader: Reader) -> Statement:
    names = tuple(reader.prefixed(1).decode("latin-1") for _ in range(_count(reader, "names", 0, MAX_NAMES)))
    _check_ascending(names, "names")
    for name in names:
        check_did_web(name)
    return replace(statement, names=names)


def _write_proof(statement: Statement) -> bytes:
    if statement.proof is None:
        raise MalformedError("identity statement: expected the proof of a certificate's key to bind it")
    return statement.proof.encode()


def _read_proof(statement: Statement, reader: Reader) -> Statement:
    return replace(statement, proof=CertificateProof.read(reader))


def _read_signatures(reader: Reader) -> tuple[tuple[bytes, bytes], ...]:
    count = _count(reader, "signatures", 1, MAX_SIGNATURES)
    signatures = tuple((reader.take(HASH_SIZE), reader.take(SIGNATURE_SIZE)) for _ in range(count))
    _check_ascending([key for key, _ in signatures], "signatures")
    return signatures


def _count(reader: Reader, what: str, least: int, most: int) -> int:
    count = reader.byte()
    if not least <= count <= most:
        raise MalformedError(f"identity statement: expected {least} to {most} {what}, found {count}")
    return count


def _check_ascending(values: Sequence[Ordered], what: str) -> None:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise MalformedError(f"identity statement: expected {what} in ascending order, none twice")


_Part = tuple[Callable[[Statement, Reader], Statement], Callable[[Statement], bytes]]
_ABOUT: _Part = (_read_about, _write_about)
_ENDING: _Part = (_read_ending, _write_ending)
_KEY: _Part = (_read_key, _write_key)
_KEY_SET: _Part = (_read_key_set, _write_key_set)
_NAMES: _Part = (_read_names, _write_names)
_PROOF: _Part = (_read_proof, _write_proof)
_BODIES: dict[int, tuple[_Part, ...]] = {
    Operation.BEGIN: (_ABOUT, _NAMES, _KEY_SET),
    Operation.ADD: (_KEY,),
    Operation.ROTATE: (_ABOUT, _ENDING, _KEY),
    Operation.REVOKE: (_ABOUT, _ENDING),
    Operation.RECOVER: (_ENDING, _KEY_SET),
    Operation.ANNOUNCE: (_ENDING, _KEY_SET),
    Operation.OBJECT: (_ABOUT,),
    Operation.COMPLETE: (_ABOUT,),
    Operation.BIND: (_ABOUT, _PROOF),
    Operation.UNBIND: (_ABOUT, _ENDING),
}

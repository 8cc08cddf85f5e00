"""What holders of keys state about an identity, made of its history and recorded on its chain.

Keys are whatever signs (``AuthorKey``); the commands of ``identity`` bring them from files. Which statements are in
force is decided by ``anchor.proof.identity_history``, which the writer asks before it appends one.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from anchor.errors import RefusedEntryError
from anchor.proof.certificate_proof import CertificateProof
from anchor.proof.codec import sha256
from anchor.proof.did import check_did_web
from anchor.proof.entry import SALT_SIZE, Entry, Extension, ExtensionType, content_commitment
from anchor.proof.identity import (
    Ending,
    Key,
    KeySet,
    Operation,
    Purpose,
    Statement,
    external_ids_of,
    identity_chain_id,
)
from anchor.proof.identity_history import History
from chains.bound_certificates import MEDIA_TYPE as CERTIFICATES
from chains.chain import Chain
from chains.client.signing import AuthorKey
from chains.work import Accepted, Submission
from chains.writer import Writer

MEDIA_TYPE = "application/vnd.anchorline.identity"
"""Media type of the entries of an identity; their content is empty, but for those that bind certificates."""
BOTH = Purpose.ENTRIES | Purpose.KEYS
# Two weeks of Bitcoin's blocks: long enough to be back from a holiday.
DEFAULT_WAIT_BLOCKS = 2016


@dataclass(frozen=True, slots=True)
class Beginning:
    """What an identity begins with: its names, its first key, and how it is recovered."""

    key: AuthorKey
    names: tuple[str, ...] = ()
    recovery: Sequence[AuthorKey] = ()
    threshold: int = 0
    wait_blocks: int = DEFAULT_WAIT_BLOCKS

    def statement(self, log_id: bytes) -> Statement:
        """Return the statement that begins the identity on a log, signed by all of its keys."""
        for name in self.names:
            check_did_web(name)
        papers = tuple(sorted(key.public_key for key in self.recovery))
        key_set = KeySet((Key(self.key.public_key, BOTH),), self.threshold, papers, self.wait_blocks)
        statement = Statement(Operation.BEGIN, about=log_id, names=tuple(sorted(set(self.names))), key_set=key_set)
        return _signed(statement, identity_chain_id(statement), [self.key, *self.recovery])


def added(history: History, by: AuthorKey, new: AuthorKey, purposes: Purpose, not_after_ms: int) -> Statement:
    """Return the statement that registers one more key."""
    statement = Statement(Operation.ADD, history.tip, key=Key(new.public_key, purposes, not_after_ms))
    return _signed(statement, history.chain_id, [by, new])


def rotated(
    history: History, by: AuthorKey, old: bytes, new: AuthorKey, ending: Ending, not_after_ms: int
) -> Statement:
    """Return the statement that puts a new key in the place of another, for the same purposes."""
    span = history.spans.get(old)
    if span is None:
        raise RefusedEntryError(f"key {old.hex()} is no key of the identity")
    key = Key(new.public_key, span.key.purposes, not_after_ms)
    return _signed(Statement(Operation.ROTATE, history.tip, old, ending, key), history.chain_id, [by, new])


def revoked(history: History, by: AuthorKey, old: bytes, ending: Ending) -> Statement:
    """Return the statement that ends a key."""
    return _signed(Statement(Operation.REVOKE, history.tip, old, ending), history.chain_id, [by])


def recovered(history: History, papers: Sequence[AuthorKey], new: AuthorKey, ending: Ending) -> Statement:
    """Return the statement by which recovery keys end all keys and register a new one; they stay recovery keys."""
    statement = Statement(Operation.RECOVER, history.tip, ending=ending, key_set=_only(history, new))
    return _signed(statement, history.chain_id, [*papers, new])


def announced(history: History, log: AuthorKey, new: AuthorKey, ending: Ending) -> Statement:
    """Return the statement by which the log announces that a new key will replace all others."""
    statement = Statement(Operation.ANNOUNCE, history.tip, ending=ending, key_set=_only(history, new))
    return _signed(statement, history.chain_id, [log, new])


def objected(history: History, by: Sequence[AuthorKey]) -> Statement:
    """Return the statement by which holders of keys make an announced recovery void."""
    return _signed(Statement(Operation.OBJECT, history.tip, _pending(history)), history.chain_id, by)


def completed(history: History, by: AuthorKey) -> Statement:
    """Return the statement that completes an announced recovery after its wait."""
    return _signed(Statement(Operation.COMPLETE, history.tip, _pending(history)), history.chain_id, [by])


def bound(history: History, by: AuthorKey, certificate_hash: bytes, proof: CertificateProof) -> Statement:
    """Return the statement that binds a certificate, whose key made the proof."""
    return _signed(Statement(Operation.BIND, history.tip, certificate_hash, proof=proof), history.chain_id, [by])


def unbound(history: History, by: AuthorKey, certificate_hash: bytes, ending: Ending) -> Statement:
    """Return the statement that unbinds a certificate."""
    return _signed(Statement(Operation.UNBIND, history.tip, certificate_hash, ending), history.chain_id, [by])


def open_identity(
    writer: Writer, begin: Statement, name: str, now_ms: int, note: Callable[[Chain], None] = lambda _: None
) -> tuple[Chain, Accepted]:
    """Open the chain of an identity with the statement that begins it; ``note`` is run in the same transaction."""
    submission = _submission(identity_chain_id(begin), begin, is_first=True)
    return writer.open_chain_with(submission, name, now_ms, note)


def record_statement(
    writer: Writer, chain: Chain, statement: Statement, now_ms: int, certificates: bytes = b""
) -> Accepted:
    """Record a statement, over the certificates (PEM) that it binds; RefusedEntryError where it is not in force."""
    submission = _submission(chain.chain_id, statement, content=certificates)
    [accepted] = writer.submit(chain, [submission], now_ms)
    return accepted


def _only(history: History, new: AuthorKey) -> KeySet:
    return KeySet((Key(new.public_key, BOTH),), history.threshold, history.recovery, history.wait_blocks)


def _pending(history: History) -> bytes:
    if history.pending is None:
        raise RefusedEntryError("no recovery of this identity is announced and waits")
    return history.pending.announcement


def _signed(statement: Statement, chain_id: bytes, keys: Iterable[AuthorKey]) -> Statement:
    return statement.signed(chain_id, [(key.public_key, key.sign) for key in keys])


def _submission(chain_id: bytes, statement: Statement, *, is_first: bool = False, content: bytes = b"") -> Submission:
    """Return the entry of a statement, over its content under a fresh salt."""
    salt = os.urandom(SALT_SIZE)
    extensions = (Extension(ExtensionType.STATEMENT, statement.encode()),)
    media_type = CERTIFICATES if content else MEDIA_TYPE
    entry = Entry(chain_id, content_commitment(salt, sha256(content)), media_type, extensions=extensions)
    if is_first:
        entry = replace(entry, external_ids=external_ids_of(statement))
    return Submission(entry.encode(), salt, content=content)

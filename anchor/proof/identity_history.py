# SPDX-License-Identifier: Apache-2.0
"""The key history of an identity: which keys were valid for which purpose at a seal (docs/spec/identity.md).

Input is every entry of the identity's chain, in order, each with the seal under which it was first sealed; pure.
``identity_evidence`` judges the author of an entry with it, and ``chains.identity`` what may be written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from anchor.proof.certificate_proof import CertificateProof
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import Entry
from anchor.proof.errors import MalformedError, Reason, UnknownVersionError, VerificationError
from anchor.proof.identity import (
    NO_PREVIOUS,
    Ending,
    Key,
    KeySet,
    Operation,
    Purpose,
    Statement,
    external_ids_of,
    identity_chain_id,
    statement_of,
)
from anchor.proof.leaves import SealLeaf
from anchor.proof.times import utc

ENDINGS = {
    Ending.NOT_SAID: "for a reason that is not said",
    Ending.REPLACED: "because it was replaced",
    Ending.UNUSED: "because it was no longer used",
    Ending.LOST: "because it was lost",
    Ending.STOLEN: "because it was stolen",
}
"""Why a key ended, for people; ``texts.js`` has the same words."""
MAX_BINDINGS = 16
"""Certificates that an identity can bind, ever: a receipt may have to show them all. They last one to three years."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry was first sealed: the seal's number, time (Unix ms) and block, and the promise key in force.

    ``block_hash`` is in internal order, empty where nobody wants to look the block up.
    """

    seal_number: int
    sealed_at_ms: int
    block_height: int
    promise_key: bytes = b""
    block_hash: bytes = b""

    @classmethod
    def of_seal(cls, seal: SealLeaf, promise_key: bytes) -> "Place":
        """Return a seal as a place, with the promise key that was in force at it."""
        return cls(seal.seal_number, seal.sealed_at_ms, seal.block_height, promise_key, seal.block_hash)


@dataclass(frozen=True, slots=True)
class KeySpan:
    """A key from the seal that registered it to the one that ended it, if one did."""

    key: Key
    since: Place
    until: Place | None = None
    ending: Ending = Ending.NOT_SAID


@dataclass(frozen=True, slots=True)
class Binding:
    """A certificate that the identity bound to itself, by its hash, and what its key signed; from seal to seal."""

    certificate_hash: bytes
    proof: CertificateProof
    since: Place
    until: Place | None = None
    ending: Ending = Ending.NOT_SAID

    def is_over(self, place: Place) -> bool:
        """Say whether it ended in a place's seal or before: a tie counts against the binding."""
        return self.until is not None and self.until.seal_number <= place.seal_number


@dataclass(frozen=True, slots=True)
class Pending:
    """An announced recovery that waits: the announcement's hash, its keys, and the seal since which it does."""

    announcement: bytes
    key_set: KeySet
    ending: Ending
    place: Place


@dataclass(frozen=True, slots=True)
class Waited:
    """A recovery that the log announced and that was completed, and in which seals: their blocks are the log's word.

    ``wanted_blocks`` is for how many the identity lets one wait.
    """

    announced: Place
    completed: Place
    wanted_blocks: int


@dataclass(frozen=True, slots=True)
class History:
    """What an identity's chain comes to. ``spans`` has every key that it ever had, by its bytes.

    ``bindings`` are the certificates that it bound, in their order: whether their own proofs hold, is not judged here.
    ``waits`` are the announced recoveries that were completed.
    ``tip`` is the hash of the newest statement in force; ``ignored`` says by leaf index why a statement counts for
    nothing. Values are never changed: each statement makes a new one.
    """

    chain_id: bytes
    names: tuple[str, ...]
    tip: bytes
    spans: dict[bytes, KeySpan]
    threshold: int
    recovery: tuple[bytes, ...]
    wait_blocks: int
    pending: Pending | None = None
    announced: frozenset[bytes] = frozenset()
    ignored: dict[int, str] = field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    waits: tuple[Waited, ...] = ()

    def current(self, purpose: Purpose, place: Place) -> frozenset[bytes]:
        """Return the keys for a purpose that have not ended and are not too old at a place behind all statements."""
        return frozenset(
            span.key.public_key
            for span in self.spans.values()
            if span.until is None and purpose in span.key.purposes and place.sealed_at_ms < span.key.not_after_ms
        )

    def check_valid(self, public_key: bytes, purpose: Purpose, place: Place) -> KeySpan:
        """Return the span of a key that was valid for ``purpose`` where an entry was first sealed.

        Before and after mean first sealed earlier or later, and a tie in one seal counts against the signer. Raises
        VerificationError(AUTHOR_KEY_NOT_VALID).
        """
        span = self.spans.get(public_key)
        if span is None:
            raise _not_valid(public_key, f"it is no key of identity {self.chain_id.hex()}")
        if span.since.seal_number >= place.seal_number:
            raise _not_valid(
                public_key, f"it was registered in seal {span.since.seal_number}, and counts in later ones only"
            )
        if span.until is not None and span.until.seal_number <= place.seal_number:
            raise _not_valid(public_key, f"it ended in seal {span.until.seal_number}, {ENDINGS[span.ending]}")
        if span.key.not_after_ms <= place.sealed_at_ms:
            raise _not_valid(public_key, f"it was valid until {utc(span.key.not_after_ms)} at the latest")
        if purpose not in span.key.purposes:
            raise _not_valid(public_key, "it may change keys of the identity, and not sign entries")
        return span


def history_of(
    chain_id: bytes, log_id: bytes, entries: Iterable[tuple[Entry, Place]], check: SignatureCheck
) -> History:
    """Return the key history that the entries of a chain make, all of them, in order.

    Raises VerificationError(AUTHOR_KEYS_WRONG) where the first one begins no identity of this log, and
    UnknownVersionError where an entry states what this version cannot read: it might end a key. What is malformed, or
    not signed as it must be, counts for nothing.
    """
    rows = iter(entries)
    history = _begun(chain_id, log_id, next(rows, None), check)
    for index, (entry, place) in enumerate(rows, 1):
        try:
            history = apply(history, entry, place, check)
        except UnknownVersionError:
            raise
        except (MalformedError, VerificationError) as error:
            history = replace(history, ignored=history.ignored | {index: str(error)})
    return history


def apply(history: History, entry: Entry, place: Place, check: SignatureCheck) -> History:
    """Return the history after one more entry of its chain.

    Raises MalformedError (UnknownVersionError) or VerificationError where the entry states nothing that is in force.
    """
    raw = statement_of(entry)
    if raw is None:
        raise _wrong("the entry states nothing about keys")
    statement = Statement.decode(raw)
    if statement.previous != history.tip:
        raise _wrong("the statement does not follow from the newest one in force; make it anew")
    return _OPERATIONS[statement.operation](history, statement, place, check)


def begin(chain_id: bytes, log_id: bytes, statement: Statement, place: Place, check: SignatureCheck) -> History:
    """Return the history of an identity after the statement that begins it, on this log."""
    key_set = statement.key_set
    if statement.operation != Operation.BEGIN or key_set is None or statement.previous != NO_PREVIOUS:
        raise _wrong("the first statement does not begin an identity")
    if statement.about != log_id:
        raise _wrong(f"the identity is one of log {statement.about.hex()}, this is {log_id.hex()}")
    if identity_chain_id(statement) != chain_id:
        raise _wrong(f"the first statement does not give the chain id {chain_id.hex()}")
    _check_signers(chain_id, statement, key_set.public_keys, frozenset(), 0, check)
    return History(
        chain_id=chain_id,
        names=statement.names,
        tip=statement.hash,
        spans={key.public_key: KeySpan(key, place) for key in key_set.keys},
        threshold=key_set.threshold,
        recovery=key_set.recovery,
        wait_blocks=key_set.wait_blocks,
    )


def _begun(chain_id: bytes, log_id: bytes, first: tuple[Entry, Place] | None, check: SignatureCheck) -> History:
    """Return the history after a first entry, whose external ids and statement must begin an identity."""
    try:
        if first is None:
            raise _wrong("the chain is empty")
        entry, place = first
        statement = Statement.decode(statement_of(entry) or b"")
        if entry.external_ids != external_ids_of(statement):
            raise _wrong("its first entry has not the external ids of an identity")
        return begin(chain_id, log_id, statement, place, check)
    except UnknownVersionError:
        raise
    except (MalformedError, VerificationError) as error:
        raise _wrong(f"chain {chain_id.hex()} does not begin as an identity of this log") from error


# --- one operation each: what it needs, whose signatures, and what it changes


def _add(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    key = statement.key
    assert key is not None
    _check_new(history, [key])
    _check_managed(history, statement, place, frozenset((key.public_key,)), check)
    return _in_force(history, statement, _registered(history.spans, [key], place))


def _rotate(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    key = statement.key
    assert key is not None
    _check_new(history, [key])
    spans = _ended(history, [statement.about], place, statement.ending)
    _check_managed(history, statement, place, frozenset((key.public_key,)), check)
    return _in_force(history, statement, _registered(spans, [key], place))


def _revoke(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    spans = _ended(history, [statement.about], place, statement.ending)
    _check_managed(history, statement, place, frozenset(), check)
    return _in_force(history, statement, spans)


def _recover(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    key_set = statement.key_set
    assert key_set is not None
    _check_new(history, key_set.keys, key_set.recovery)
    if not history.recovery:
        raise _wrong("the identity has no recovery keys")
    pool = frozenset(history.recovery)
    _check_signers(history.chain_id, statement, key_set.public_keys - pool, pool, history.threshold, check)
    return _replaced(history, statement, key_set, statement.ending, place)


def _announce(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    key_set = statement.key_set
    assert key_set is not None
    _check_new(history, key_set.keys, key_set.recovery)
    if not history.wait_blocks:
        raise _wrong("the identity allows no recovery that the log announces")
    if statement.hash in history.announced:
        raise _wrong("the same recovery was announced before")
    new_keys = key_set.public_keys - frozenset(history.recovery)
    _check_signers(history.chain_id, statement, new_keys | {place.promise_key}, frozenset(), 0, check)
    pending = Pending(statement.hash, key_set, statement.ending, place)
    # The tip stays: what a holder of the old keys states without knowing of this one is still in force, and objects.
    return replace(history, pending=pending, announced=history.announced | {statement.hash})


def _object(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    _pending(history, statement)
    managing = history.current(Purpose.KEYS, place)
    signers = frozenset(key for key, _ in statement.signatures)
    pool, least = (managing, 1) if signers & managing else (frozenset(history.recovery), max(1, history.threshold))
    _check_signers(history.chain_id, statement, frozenset(), pool, least, check)
    return _in_force(history, statement, history.spans)


def _complete(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    pending = _pending(history, statement)
    ripe_at = pending.place.block_height + history.wait_blocks
    if place.block_height < ripe_at:
        raise _wrong(f"the announced recovery waits until block {ripe_at}, the seal was made at {place.block_height}")
    pool = frozenset(key.public_key for key in pending.key_set.keys if Purpose.KEYS in key.purposes)
    _check_signers(history.chain_id, statement, frozenset(), pool, 1, check)
    after = _replaced(history, statement, pending.key_set, pending.ending, place)
    return replace(after, waits=(*history.waits, Waited(pending.place, place, history.wait_blocks)))


def _bind(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    """Whether the certificate's own proof holds, changes no keys: else all who read histories had to judge X.509."""
    assert statement.proof is not None
    if any(statement.about == binding.certificate_hash for binding in history.bindings):
        raise _wrong(f"certificate {statement.about.hex()} is, or was, bound to the identity; one is bound once")
    if len(history.bindings) == MAX_BINDINGS:
        raise _wrong(f"the identity has bound {MAX_BINDINGS} certificates, which is the limit")
    _check_managed(history, statement, place, frozenset(), check)
    bound = (*history.bindings, Binding(statement.about, statement.proof, place))
    return replace(_in_force(history, statement, history.spans), bindings=bound)


def _unbind(history: History, statement: Statement, place: Place, check: SignatureCheck) -> History:
    found = [item for item in history.bindings if item.certificate_hash == statement.about and item.until is None]
    if not found:
        raise _wrong(f"certificate {statement.about.hex()} is not bound to the identity now")
    _check_managed(history, statement, place, frozenset(), check)
    ended = replace(found[0], until=place, ending=statement.ending)
    bound = tuple(ended if item is found[0] else item for item in history.bindings)
    return replace(_in_force(history, statement, history.spans), bindings=bound)


def _no_second_begin(_: History, __: Statement, ___: Place, ____: SignatureCheck) -> History:
    raise _wrong("an identity begins once")


_OPERATIONS = {
    Operation.BEGIN: _no_second_begin,
    Operation.ADD: _add,
    Operation.ROTATE: _rotate,
    Operation.REVOKE: _revoke,
    Operation.RECOVER: _recover,
    Operation.ANNOUNCE: _announce,
    Operation.OBJECT: _object,
    Operation.COMPLETE: _complete,
    Operation.BIND: _bind,
    Operation.UNBIND: _unbind,
}


# --- rules that several operations share


def _check_managed(
    history: History, statement: Statement, place: Place, also: frozenset[bytes], check: SignatureCheck
) -> None:
    """One key that may change keys must sign, and each new key, which shows that somebody holds it."""
    _check_signers(history.chain_id, statement, also, history.current(Purpose.KEYS, place), 1, check)


def _check_signers(
    chain_id: bytes,
    statement: Statement,
    all_of: frozenset[bytes],
    some_of: frozenset[bytes],
    least: int,
    check: SignatureCheck,
) -> None:
    """Raise unless ``all_of`` these and ``least`` of those keys signed, nobody else, and every signature holds."""
    signers = frozenset(key for key, _ in statement.signatures)
    lacking = all_of - signers
    if lacking:
        raise _wrong(f"the statement lacks the signature of key {min(lacking).hex()}")
    if len(signers & some_of) < least:
        raise _wrong(
            f"the statement has {len(signers & some_of)} signatures of keys that may make it, it needs {least}"
        )
    strangers = signers - all_of - some_of
    if strangers:
        raise _wrong(f"the statement is signed by key {min(strangers).hex()}, which has no part in it")
    message = statement.message(chain_id)
    for key, signature in statement.signatures:
        if not check(key, message, signature):
            raise _wrong(f"the signature by key {key.hex()} does not hold")


def _check_new(history: History, keys: Iterable[Key], recovery: Iterable[bytes] = ()) -> None:
    """A key is registered once, for ever: what ended does not come back, and a recovery key is nothing else."""
    found = [key.public_key for key in keys if key.public_key in history.spans or key.public_key in history.recovery]
    found += [key for key in recovery if key in history.spans]
    if found:
        raise _wrong(f"key {found[0].hex()} is, or was, a key of the identity; make a new one")


def _ended(history: History, keys: Iterable[bytes], place: Place, ending: Ending) -> dict[bytes, KeySpan]:
    spans = dict(history.spans)
    for key in keys:
        span = spans.get(key)
        if span is None or span.until is not None:
            raise _wrong(f"key {key.hex()} is no key of the identity now")
        spans[key] = replace(span, until=place, ending=ending)
    return spans


def _registered(spans: dict[bytes, KeySpan], keys: Iterable[Key], place: Place) -> dict[bytes, KeySpan]:
    return spans | {key.public_key: KeySpan(key, place) for key in keys}


def _replaced(history: History, statement: Statement, key_set: KeySet, ending: Ending, place: Place) -> History:
    """All keys end, and those of the set begin: a recovery."""
    current = [span.key.public_key for span in history.spans.values() if span.until is None]
    spans = _registered(_ended(history, current, place, ending), key_set.keys, place)
    after = _in_force(history, statement, spans)
    return replace(after, threshold=key_set.threshold, recovery=key_set.recovery, wait_blocks=key_set.wait_blocks)


def _in_force(history: History, statement: Statement, spans: dict[bytes, KeySpan]) -> History:
    """Whatever holders of keys state while a recovery waits shows that they are there: it is void."""
    return replace(history, spans=spans, tip=statement.hash, pending=None, announced=frozenset())


def _pending(history: History, statement: Statement) -> Pending:
    if history.pending is None or history.pending.announcement != statement.about:
        raise _wrong(f"no recovery {statement.about.hex()} is announced and waits")
    return history.pending


def _wrong(message: str) -> VerificationError:
    return VerificationError(Reason.AUTHOR_KEYS_WRONG, message)


def _not_valid(public_key: bytes, why: str) -> VerificationError:
    return VerificationError(
        Reason.AUTHOR_KEY_NOT_VALID, f"the signature holds, and key {public_key.hex()} was not valid there: {why}"
    )

# SPDX-License-Identifier: Apache-2.0
"""Which log the client believes: a pinned card, the keys that follow from it, and what a promise must be to hold.

The card is the caller's; key leaves and promises come from the service and are believed only as far as they are signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from anchor.proof import ed25519, strictjson
from anchor.proof.checkpoint import Checkpoint, Note, is_signed_by
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.leaves import KeyLeaf, Purpose
from anchor.proof.promise import Promise, PromiseNote, promise_key_id, signed_message
from anchor.proof.receipt import LogCard
from anchor.proof.steps_log import key_history
from chains.client.errors import Untruth

Card = LogCard | Path | bytes | dict[str, Any]
"""A log's card: read, a file, its bytes, or its JSON object."""


class DoubtError(Exception):
    """Something that came does not hold; ``chains.client.core`` makes an UntrueAnswerError of it, with the evidence."""

    def __init__(self, untruth: Untruth, message: str) -> None:
        super().__init__(message)
        self.untruth = untruth


def card_of(card: Card) -> LogCard:
    """Return a log's card; raises MalformedError where it is none, OSError where the file cannot be read."""
    if isinstance(card, LogCard):
        return card
    if isinstance(card, Path):
        return LogCard.decode(card.read_bytes())
    return LogCard.decode(card if isinstance(card, bytes) else strictjson.dumps(card).encode("ascii"))


@dataclass(frozen=True)
class TrustedLog:
    """A pinned log, with the key leaves that its service showed: each is signed by the key before it."""

    card: LogCard
    key_leaves: tuple[KeyLeaf, ...] = ()
    check_signature: ed25519.SignatureCheck = ed25519.verify

    def __post_init__(self) -> None:
        try:
            key_history(self.card.log, self.key_leaves, self.log_id, self.check_signature)
        except VerificationError as error:
            raise DoubtError(Untruth.KEY_HISTORY, str(error)) from error

    @cached_property
    def log_id(self) -> bytes:
        """The log's id (32 bytes)."""
        return self.card.log.log_id

    @cached_property
    def promise_keys(self) -> tuple[bytes, ...]:
        """Every key that ever signed promises: a promise may be older than the newest."""
        later = [leaf.new_key.value for leaf in self.key_leaves if leaf.purpose == Purpose.PROMISE]
        return (self.card.log.promise_key.value, *(value for value in later if value))

    def knows(self, promise_key_id_: bytes) -> bool:
        """Say whether a promise key of this id (4 bytes) is known."""
        return any(promise_key_id(key) == promise_key_id_ for key in self.promise_keys)

    def check_promise_signature(self, promise: Promise) -> None:
        """Raise DoubtError unless the note is this log's, and signed by one of its promise keys."""
        if promise.note.log_id != self.log_id:
            raise DoubtError(
                Untruth.ANOTHER_LOG, f"the promise is by log {promise.note.log_id.hex()}, not {self.log_id.hex()}"
            )
        keys = [key for key in self.promise_keys if promise_key_id(key) == promise.key_id]
        message = signed_message(promise.note)
        if not any(self.check_signature(key, message, promise.signature) for key in keys):
            raise DoubtError(Untruth.PROMISE_SIGNATURE, "the promise is not signed by the log's promise key")

    def checkpoint_of(self, text: str, origin: str) -> Checkpoint:
        """Return the checkpoint of a signed note; raise DoubtError unless it is ``origin``'s, and signed by the log."""
        try:
            note = Note.decode(text)
            found = Checkpoint.decode(note.text)
        except MalformedError as error:
            raise DoubtError(Untruth.ANSWER_MALFORMED, str(error)) from error
        if found.origin != origin:
            raise DoubtError(Untruth.CHECKPOINT, f"the checkpoint is by {found.origin!r}, expected {origin!r}")
        name = self.card.log.origin
        history = key_history(self.card.log, self.key_leaves, self.log_id, self.check_signature)
        key = history[Purpose.CHECKPOINT].value
        if not is_signed_by(note, name, key, self.check_signature):
            raise DoubtError(Untruth.CHECKPOINT, f"the checkpoint is not signed by {name}'s checkpoint key")
        return found


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """What promised times must be; None: not compared. Milliseconds.

    ``clock_skew_ms`` is how far the service's clock may be from this machine's; ``seal_within_ms`` and
    ``anchor_within_ms`` are the longest spans from receipt that the caller takes for a promise.
    """

    clock_skew_ms: int | None = 600_000
    seal_within_ms: int | None = None
    anchor_within_ms: int | None = None

    def check(self, note: PromiseNote, asked_at_ms: int, now_ms: int, *, is_new: bool) -> None:
        """Raise DoubtError unless the times of a note can be; ``is_new``: for what was asked at ``asked_at_ms``."""
        received, seal_by, anchor_by = note.received_at_ms, note.seal_by_ms, note.anchor_by_ms
        if not received <= seal_by <= anchor_by:
            raise DoubtError(
                Untruth.PROMISE_TIMES, f"received {received}, sealed by {seal_by}, anchored by {anchor_by}"
            )
        spans = (("sealed", seal_by, self.seal_within_ms), ("anchored", anchor_by, self.anchor_within_ms))
        for what, until, most in spans:
            if most is not None and until - received > most:
                raise DoubtError(
                    Untruth.PROMISE_TIMES, f"expected to be {what} within {most} ms, promised {until - received} ms"
                )
        if self.clock_skew_ms is None:
            return
        is_early = is_new and received < asked_at_ms - self.clock_skew_ms
        if is_early or received > now_ms + self.clock_skew_ms:
            raise DoubtError(
                Untruth.PROMISE_TIMES,
                f"received at {received} ms, this machine's clock says {now_ms}: set the clock, or allow more skew",
            )


def same_run(leaf_indexes: Sequence[int]) -> bool:
    """Say whether places follow each other without a gap."""
    return not leaf_indexes or list(leaf_indexes) == list(range(leaf_indexes[0], leaf_indexes[0] + len(leaf_indexes)))

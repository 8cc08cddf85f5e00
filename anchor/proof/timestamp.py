# SPDX-License-Identifier: Apache-2.0
"""Time stamps of RFC 3161 beside a checkpoint: the anchor that carries one, and how several are judged together.

Tokens come from a receipt; what reads them and checks their signatures is an argument, since certificates need more
than the standard library (``anchor.timestamp_token`` has one such check). ``verify`` makes its step 14 of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, Reason, VerificationError, reason_of

# Tokens with their certificates are 1 to 8 KiB; those that carry revocation lists too are larger.
MAX_TOKEN = 65536
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TimestampAnchor:
    """A TimeStampToken (RFC 3161 section 2.4.2; DER, at most 65,536 bytes) over a checkpoint."""

    token: bytes


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """What a token says whose signature holds: ``authority`` stamped at ``time_us``, give or take ``accuracy_us``.

    Unix time and accuracy are in microseconds; ``accuracy_us`` is None where the authority states none. ``authority``
    and ``vouched_by`` are names as RFC 4514 writes them: the signer's, and that of the certificate which the verifier
    trusts and which leads to the signer's. ``vouched_by`` is None where none does: then nothing is checked at all.
    """

    authority: str
    time_us: int
    accuracy_us: int | None
    policy: str
    serial: int
    vouched_by: str | None

    @property
    def time(self) -> str:
        """When, as RFC 3339 UTC, with as much precision as there is; a time that no calendar holds stays a number."""
        try:
            at = _EPOCH + timedelta(microseconds=self.time_us)
        except OverflowError:
            return f"{self.time_us} us"
        return at.isoformat().replace("+00:00", "Z")

    @property
    def accuracy(self) -> str:
        """How exact, in words."""
        if self.accuracy_us is None:
            return "accuracy not stated"
        return f"give or take {self.accuracy_us / 1_000_000:g} s"


TimestampCheck = Callable[[bytes, bytes], TimeStamp]
"""(token, imprint of 32 bytes) -> what the token says, all of it checked as of the time that it says.

Raises MalformedError for bytes that are no token, and VerificationError (``Reason.TIMESTAMP_…``) for a token over
another imprint, or whose signature or certificate does not hold.
"""


@dataclass(frozen=True, slots=True)
class JudgedTimestamp:
    """One token: what it says, or why it does not hold; neither where nobody checked it."""

    stamp: TimeStamp | None = None
    error: VerificationError | MalformedError | None = None

    @property
    def holds(self) -> bool:
        """Whether everything was checked, up to a certificate that the verifier trusts."""
        return self.stamp is not None and self.stamp.vouched_by is not None

    @property
    def reason(self) -> Reason | None:
        """The name of the failure."""
        return None if self.error is None else reason_of(self.error)

    def to_json(self) -> dict[str, Any]:
        """Return it as ``facts.time_stamps`` of a verdict shows it."""
        state = "ok" if self.holds else "not checked" if self.error is None else "failed"
        facts: dict[str, Any] = {"state": state, "reason": None if self.reason is None else str(self.reason)}
        if self.stamp is None or not self.holds:
            return facts
        return facts | {
            "authority": self.stamp.authority,
            "time": self.stamp.time,
            "accuracy_us": self.stamp.accuracy_us,
            "policy": self.stamp.policy,
            "serial": str(self.stamp.serial),
            "vouched_by": self.stamp.vouched_by,
        }


def imprint_of(checkpoint_size: int, checkpoint_root: bytes) -> bytes:
    """Return what is stamped: SHA-256 of the 40-byte anchor payload (docs/spec/bitcoin-anchor.md)."""
    return sha256(encode_payload(checkpoint_size, checkpoint_root))


def judge_timestamps(
    anchors: Sequence[TimestampAnchor], imprint: Callable[[], bytes], check: TimestampCheck | None
) -> tuple[JudgedTimestamp, ...]:
    """Judge each token by itself, in the order of the receipt; never raises for anything that a receipt can hold."""
    return tuple(_judged(anchor, imprint, check) for anchor in anchors)


def _judged(anchor: TimestampAnchor, imprint: Callable[[], bytes], check: TimestampCheck | None) -> JudgedTimestamp:
    if check is None:
        return JudgedTimestamp()
    try:
        return JudgedTimestamp(stamp=check(anchor.token, imprint()))
    except (VerificationError, MalformedError) as error:
        return JudgedTimestamp(error=error)

"""One time-stamping authority (RFC 3161 over HTTP, section 3.4): asked for a token, which is checked before it is kept.

Payloads come from ``anchor.stamping``, certificates from the settings. Every answer is read to a limit and within a
deadline, and nothing is handed back that ``verify`` would not accept with the same certificates.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
from cryptography.x509 import Certificate
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimeStampRequest,
    TimestampRequestBuilder,
    decode_timestamp_response,
)

from anchor.errors import TimestampError
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.timestamp import MAX_TOKEN
from anchor.timestamp_token import check_token, read_token

# An answer is the token and its status, whose texts no authority needs many bytes for.
MAX_ANSWER = MAX_TOKEN + 4096
_OK = 200


@dataclass(frozen=True, slots=True)
class TimestampLimits:
    """How long an authority is waited for, in seconds: for a connection, for each piece, and for the whole answer."""

    connect_s: float = 5.0
    piece_s: float = 10.0
    answer_s: float = 20.0


@dataclass(frozen=True, slots=True)
class TimestampAuthority:
    """Where to ask, whom to believe, and which policy to insist on (dotted object identifier; empty: any).

    ``monotonic_s`` is the clock of the deadline.
    """

    url: str
    trusted: Sequence[Certificate]
    policy: str = ""
    limits: TimestampLimits = TimestampLimits()
    monotonic_s: Callable[[], float] = time.monotonic

    def ask(self, payload: bytes) -> bytes:
        """Return a token (DER) over SHA-256 of ``payload``, checked up to a trusted root.

        May be repeated: an authority makes another token. Raises TimestampError for whatever goes wrong.
        """
        request = new_request(payload)
        try:
            answer = self._post(request.as_bytes())
        except httpx.HTTPError as error:
            raise TimestampError(f"{self.url}: no whole answer ({type(error).__name__}: {error})") from error
        try:
            return checked_answer(answer, request, sha256(payload), self.trusted, self.policy)
        except (MalformedError, VerificationError, TimestampError) as error:
            raise TimestampError(f"{self.url}: {error}") from error

    def _post(self, query: bytes) -> bytes:
        deadline_s = self.monotonic_s() + self.limits.answer_s
        timeout = httpx.Timeout(self.limits.piece_s, connect=self.limits.connect_s)
        # A compressed body could be far larger than what was counted while it was read.
        headers = {"Content-Type": "application/timestamp-query", "Accept-Encoding": "identity"}
        with httpx.stream("POST", self.url, content=query, headers=headers, timeout=timeout) as response:
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if (response.status_code, kind) != (_OK, "application/timestamp-reply"):
                raise TimestampError(
                    f"{self.url}: expected HTTP 200 and application/timestamp-reply, got HTTP {response.status_code} "
                    f"and {kind[:60]!r}; is this the address of a time-stamping authority?"
                )
            body = b""
            for piece in response.iter_raw():
                body += piece
                if len(body) > MAX_ANSWER:
                    raise TimestampError(f"{self.url}: expected at most {MAX_ANSWER} bytes, got more")
                if self.monotonic_s() > deadline_s:
                    raise TimestampError(f"{self.url}: no whole answer within {self.limits.answer_s:g} s")
        return body


def new_request(payload: bytes) -> TimeStampRequest:
    """Return a question for a token over SHA-256 of ``payload``, with a fresh nonce and for the certificate too."""
    builder = TimestampRequestBuilder().data(payload).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def checked_answer(
    answer: bytes, request: TimeStampRequest, imprint: bytes, trusted: Sequence[Certificate], policy: str = ""
) -> bytes:
    """Return the token of an answer to ``request`` (RFC 3161 section 2.2: everything that the requester checks).

    Raises TimestampError for an answer without a granted token, with another nonce or policy, or whose signer leads
    to no trusted root; MalformedError and VerificationError as ``read_token`` and ``check_token`` do.
    """
    try:
        response = decode_timestamp_response(answer)
        status = response.status
        token = response.time_stamp_token() if status == PKIStatus.GRANTED else b""
    except ValueError as error:
        raise MalformedError(f"expected an answer of RFC 3161, got {answer[:40].hex()}: {error}") from error
    if status != PKIStatus.GRANTED:
        raise TimestampError(f"expected status granted (0), got {status}: {'; '.join(response.status_string)[:200]}")
    read = read_token(token)
    if read.nonce != request.nonce:
        raise TimestampError("expected the nonce of the question, got another: an old answer, or one to somebody else")
    if policy and read.policy != policy:
        raise TimestampError(f"expected policy {policy}, got {read.policy}; correct timestamp_policy, or ask another")
    stamp = check_token(read, imprint, trusted)
    if stamp.vouched_by is None:
        raise TimestampError(
            f"none of the certificates in timestamp_certificates vouches for {stamp.authority}; add its root"
        )
    return token

"""Problem documents: how the HTTP API says that something cannot be (RFC 9457), each kind with a stable code.

Every part of the API raises ``ProblemError`` or an error of ``anchor.errors``; ``chains.web.api`` answers with what
``problem_of`` makes of it. docs/spec/http-api.md lists the codes.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from anchor.errors import (
    AccountError,
    ChainClosedError,
    ChainExistsError,
    ClockError,
    ContentTooLargeError,
    ForbiddenByPolicyError,
    HeldError,
    KeyRefusedError,
    NotYetError,
    OverloadedError,
    QuotaError,
    RefusedEntryError,
    ReusedKeyError,
    StorageError,
    UnknownAccountError,
    UnknownChainError,
    UnknownWebhookError,
    WebhookError,
)
from anchor.proof.errors import AnchorlineError, MalformedError, VerificationError
from chains.web.answers import NO_STORE
from chains.web.asgi import Answer, Header
from chains.web.schemas import Problem
from chains.work import Refused

PROBLEM_JSON = "application/problem+json"
URN = "urn:anchorline:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its HTTP status, and what it is in general."""

    status: int
    title: str


KINDS = {
    "bad-request": Kind(400, "The request is not well formed"),
    "parameter-malformed": Kind(400, "A parameter is not of the documented form"),
    "body-malformed": Kind(400, "The body is not of the documented form"),
    "key-refused": Kind(401, "The API key does not hold"),
    "key-required": Kind(401, "An API key is needed"),
    "not-allowed": Kind(403, "The API key does not include this"),
    "not-found": Kind(404, "There is no such thing here"),
    "method-not-allowed": Kind(405, "The path does not take this method"),
    "not-acceptable": Kind(406, "The wanted form cannot be given"),
    "too-slow": Kind(408, "The request took too long to arrive"),
    "chain-closed": Kind(409, "The chain was closed: nothing more is recorded there"),
    "content-held": Kind(409, "A legal hold keeps the content from being erased, or is not yours to lift"),
    "chain-exists": Kind(409, "There is a chain of this id or name already"),
    "body-too-large": Kind(413, "The body has more bytes than are taken"),
    "content-too-large": Kind(413, "The content has more bytes than are taken"),
    "media-type-unsupported": Kind(415, "Bodies of this type or coding are not taken"),
    "entry-refused": Kind(422, "The entry breaks a rule of this chain or log"),
    "entry-malformed": Kind(422, "The entry is not well formed"),
    "entry-too-large": Kind(422, "The entry has more than 4,095 bytes"),
    "entry-too-late": Kind(422, "The entry was valid only until an earlier time"),
    "entry-version-unknown": Kind(422, "The entry is of a version that is not known here"),
    "author-signature-wrong": Kind(422, "The author's signature does not hold"),
    "policy-not-followed": Kind(422, "The policy of the chain forbids the entry"),
    "author-key-not-valid": Kind(422, "The author's key is not one of the identity that the entry names"),
    "account-refused": Kind(422, "The key, grant or webhook cannot be as it was asked for"),
    "item-malformed": Kind(422, "The item is not of the documented form"),
    "request-key-reused": Kind(422, "The Idempotency-Key was used for another request"),
    "quota-exceeded": Kind(429, "The organisation's quota is used up"),
    "internal-error": Kind(500, "A fault in Anchorline"),
    "clock-wrong": Kind(503, "The clock of the service went back"),
    "overloaded": Kind(503, "More waits than can be done soon"),
    "storage-failed": Kind(503, "The database cannot be used now"),
    "not-possible-now": Kind(503, "The request cannot be answered now"),
}
"""Every code, with the status that it is answered with."""

_OF_ERRORS: tuple[tuple[type[AnchorlineError], str], ...] = (
    (KeyRefusedError, "key-refused"),
    (UnknownChainError, "not-found"),
    (UnknownAccountError, "not-found"),
    (AccountError, "account-refused"),
    (UnknownWebhookError, "not-found"),
    (WebhookError, "account-refused"),
    (NotYetError, "not-found"),
    (ChainExistsError, "chain-exists"),
    (ChainClosedError, "chain-closed"),
    (HeldError, "content-held"),
    (ContentTooLargeError, "content-too-large"),
    (ForbiddenByPolicyError, "policy-not-followed"),
    (RefusedEntryError, "entry-refused"),
    (ReusedKeyError, "request-key-reused"),
    (QuotaError, "quota-exceeded"),
    (OverloadedError, "overloaded"),
    (ClockError, "clock-wrong"),
    (VerificationError, "author-signature-wrong"),
    (MalformedError, "entry-malformed"),
    (StorageError, "storage-failed"),
)
# What they say may name files of this machine: it is for the operator's log.
_SILENT = {"storage-failed", "not-possible-now", "internal-error"}
_RETRY_S = {"overloaded": 1, "storage-failed": 10, "clock-wrong": 10, "not-possible-now": 10}


class ProblemError(Exception):
    """A request that is answered with a problem document; ``code`` is one of ``KINDS``.

    ``rule`` names the part of a policy that forbids an entry.
    """

    def __init__(self, code: str, detail: str = "", *headers: Header, rule: str = "") -> None:
        super().__init__(detail or KINDS[code].title)
        self.code = code
        self.headers = headers
        self.rule = rule

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as it is."""
        return partial(type(self), rule=self.rule), (self.code, str(self), *self.headers)


def not_found() -> ProblemError:
    """Return the refusal of what is not there, or not to be known of; a new one each time.

    An error that is raised again keeps the frames of all earlier raises, and with them the requests that they held.
    """
    return ProblemError("not-found", "Nothing is here under this name, or it is not for this key")


def problem_of(error: AnchorlineError) -> ProblemError:
    """Return the problem that an error of the service is for a client."""
    code = next((code for kind, code in _OF_ERRORS if isinstance(error, kind)), "not-possible-now")
    retry_s = error.retry_after_s if isinstance(error, QuotaError) else _RETRY_S.get(code)
    headers = ((b"retry-after", str(retry_s).encode()),) if retry_s is not None else ()
    rule = error.part if isinstance(error, ForbiddenByPolicyError) else ""
    return ProblemError(code, "" if code in _SILENT else str(error), *headers, rule=rule)


def problem_of_refused(refused: Refused) -> ProblemError:
    """Return what an entry that was not taken is answered with."""
    return ProblemError(refused.code, refused.detail, rule=refused.rule)


def problem_answer(problem: ProblemError) -> Answer:
    """Return the answer to a request that cannot be: a problem document (RFC 9457 section 3.1)."""
    code, kind, headers = problem.code, KINDS[problem.code], problem.headers
    if kind.status == 401:
        headers = (*headers, (b"www-authenticate", b'Bearer realm="anchorline"'))
    found = Problem(
        type=URN + code, title=kind.title, status=kind.status, detail=str(problem), code=code, rule=problem.rule or None
    )
    body = msgspec.json.encode(found)
    return Answer(kind.status, body, PROBLEM_JSON, (NO_STORE, *headers))

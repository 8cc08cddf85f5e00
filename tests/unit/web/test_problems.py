"""Problem documents: each error of the service has its code and status, and what is the operator's stays his."""

import json

import pytest

from anchor.errors import (
    ChainExistsError,
    ClockError,
    ContentTooLargeError,
    KeyRefusedError,
    NotYetError,
    OverloadedError,
    QuotaError,
    RefusedEntryError,
    ReusedKeyError,
    SettingsError,
    StorageFullError,
    UnknownChainError,
)
from anchor.proof.errors import AnchorlineError, MalformedError, Reason, VerificationError
from chains.access import STRANGER, Action, ChainAccess
from chains.web.problems import KINDS, ProblemError, problem_answer, problem_of
from chains.web.rooms import check_allowed

SECRET = "/srv/home/anchorline.db"


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after", "is_told"),
    [
        (KeyRefusedError("the key does not hold"), 401, "key-refused", None, True),
        (UnknownChainError("no chain"), 404, "not-found", None, True),
        (NotYetError("not sealed"), 404, "not-found", None, True),
        (ChainExistsError("it is there"), 409, "chain-exists", None, True),
        (ContentTooLargeError("too much"), 413, "content-too-large", None, True),
        (RefusedEntryError("another log"), 422, "entry-refused", None, True),
        (MalformedError("cut off"), 422, "entry-malformed", None, True),
        (VerificationError(Reason.AUTHOR_SIGNATURE_WRONG, "wrong"), 422, "author-signature-wrong", None, True),
        (ReusedKeyError("another request"), 422, "request-key-reused", None, True),
        (QuotaError(7, "used up"), 429, "quota-exceeded", b"7", True),
        (QuotaError(None, "never"), 429, "quota-exceeded", None, True),
        (OverloadedError("busy"), 503, "overloaded", b"1", True),
        (ClockError("went back"), 503, "clock-wrong", b"10", True),
        (StorageFullError(SECRET), 503, "storage-failed", b"10", False),
        (SettingsError(SECRET), 503, "not-possible-now", b"10", False),
    ],
)  # fmt: skip
def test_each_error_has_its_problem(
    error: AnchorlineError, status: int, code: str, retry_after: bytes | None, is_told: bool
) -> None:
    """Status and code follow from the class; what may name files is for the log only."""
    answer = problem_answer(problem_of(error))
    found = json.loads(answer.body)
    assert (status, code) == (answer.status, found["code"])
    assert (str(error) if is_told else KINDS[code].title) == found["detail"]
    assert retry_after == dict(answer.headers).get(b"retry-after")
    assert b"no-store" == dict(answer.headers)[b"cache-control"]
    assert SECRET not in answer.body.decode()


def test_a_refusal_keeps_nothing_of_those_before_it() -> None:
    """The frames of a refused request go with it: as many hang on the last refusal as on the first."""
    depths = []
    for _ in range(3):
        with pytest.raises(ProblemError) as caught:
            check_allowed(STRANGER, Action.CHAIN_READ, ChainAccess(), 0)
        depths.append(len(caught.traceback))
    assert depths[:1] * 3 == depths


def test_a_refused_key_asks_for_one() -> None:
    """401 names the scheme (RFC 9110 section 15.5.2)."""
    headers = dict(problem_answer(ProblemError("key-required")).headers)
    assert b'Bearer realm="anchorline"' == headers[b"www-authenticate"]

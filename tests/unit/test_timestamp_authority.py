"""Tests of ``anchor.timestamp_authority``: what is asked, and which answers are not taken; over real HTTP.

The server is ``tests/simulators/timestamp_server.py``; openssl as authority is in
``tests/integration/test_openssl_timestamps.py``.
"""

import threading
from collections.abc import Iterator

import pytest

from anchor.errors import TimestampError
from anchor.proof.codec import sha256
from anchor.timestamp_authority import MAX_ANSWER, TimestampAuthority, TimestampLimits
from anchor.timestamp_token import timestamp_check
from tests.simulators.timestamp_authority import Stamped, answer, certify_root, certify_signer, stamp
from tests.simulators.timestamp_server import Authority, question_of, serving, simulated

PAYLOAD = b"AL1" + bytes(37)
IMPRINT = sha256(PAYLOAD)
ROOT = certify_root()
SIGNER = certify_signer(ROOT)
PATIENT = TimestampLimits()
SHORT = TimestampLimits(connect_s=1, piece_s=0.3, answer_s=0.6)


@pytest.fixture
def server() -> Iterator[Authority]:
    """An authority that stamps."""
    with serving(simulated(SIGNER)) as running:
        yield running


def ask(server: Authority, policy: str = "", limits: TimestampLimits = PATIENT) -> bytes:
    return TimestampAuthority(server.url, [ROOT.certificate], policy, limits).ask(PAYLOAD)


def test_a_token_is_asked_for_and_checked(server: Authority) -> None:
    """The question holds SHA-256 of the payload and a nonce of its own each time; the token verifies by itself."""
    tokens = [ask(server), ask(server)]
    for token in tokens:
        assert "CN=Root,O=Example" == timestamp_check([ROOT.certificate])(token, IMPRINT).vouched_by
    questions = [question_of(query) for query in server.questions]
    assert [IMPRINT, IMPRINT] == [imprint for imprint, _ in questions]
    assert questions[0][1] != questions[1][1]
    assert all(query.endswith(b"\x01\x01\xff") for query in server.questions)  # certReq


def test_a_policy_that_is_insisted_on_must_be_the_token_s(server: Authority) -> None:
    """Any policy by default; one named in the settings, or none at all."""
    assert ask(server, "1.2.3.4.1")
    with pytest.raises(TimestampError, match=r"expected policy 1\.2\.3\.4\.9, got 1\.2\.3\.4\.1"):
        ask(server, "1.2.3.4.9")


def forged(query: bytes) -> bytes:
    imprint, nonce = question_of(query)
    return answer(stamp(SIGNER, Stamped(imprint, nonce=nonce, spoil_signature=True)))


def by_stranger(query: bytes) -> bytes:
    return simulated(certify_signer(certify_root("Stranger")))(query)


def over_something_else(query: bytes) -> bytes:
    return answer(stamp(SIGNER, Stamped(bytes(32), nonce=question_of(query)[1])))


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (lambda _: answer(None, status=2), "expected status granted"),
        (lambda query: answer(stamp(SIGNER, Stamped(question_of(query)[0])), status=1), "expected status granted"),
        (lambda query: answer(stamp(SIGNER, Stamped(question_of(query)[0], nonce=7))), "expected the nonce"),
        (lambda query: answer(stamp(SIGNER, Stamped(question_of(query)[0]))), "expected the nonce"),
        (over_something_else, "not over this checkpoint"),
        (forged, "signature does not hold"),
        (by_stranger, "none of the certificates in timestamp_certificates vouches for CN=Time Stamps"),
        (lambda _: answer(None), "time stamp"),
        (lambda _: b"", "expected an answer of RFC 3161"),
        (lambda _: b"<html>busy</html>", "expected an answer of RFC 3161"),
        (lambda query: simulated(SIGNER)(query) + b"\x00", "expected an answer of RFC 3161"),
        (lambda _: bytes(MAX_ANSWER + 1), f"at most {MAX_ANSWER} bytes"),
    ],
)
def test_an_answer_without_a_token_that_holds_is_not_taken(server: Authority, reply: object, cause: str) -> None:
    """Each is an error of ours that names the authority and what is wrong."""
    server.reply = reply  # type: ignore[assignment]  # each is a function of the question
    with pytest.raises(TimestampError, match=cause) as caught:
        ask(server)
    assert str(caught.value).startswith(server.url)


@pytest.mark.parametrize(("status", "kind"), [(503, "application/timestamp-reply"), (302, "x"), (200, "text/html")])
def test_another_status_or_type_is_not_taken(server: Authority, status: int, kind: str) -> None:
    """Nothing but 200 with a timestamp reply; no redirection is followed."""
    server.status, server.kind = status, kind
    with pytest.raises(TimestampError, match=f"got HTTP {status} and '{kind}'"):
        ask(server)
    assert 1 == len(server.questions)


def test_a_slow_authority_is_given_up(server: Authority) -> None:
    """No answer within the time for a piece ends the question, while the server still holds its answer back."""
    honest, released = server.reply, threading.Event()

    def held(query: bytes) -> bytes:
        released.wait(30)
        return honest(query)

    server.reply = held
    try:
        with pytest.raises(TimestampError, match="no whole answer"):
            ask(server, limits=SHORT)
    finally:
        released.set()


def test_an_authority_that_is_not_there_is_named() -> None:
    """A closed port is an error of ours."""
    with serving(simulated(SIGNER)) as gone:
        pass
    with pytest.raises(TimestampError, match="no whole answer"):
        ask(gone)

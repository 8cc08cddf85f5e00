"""Webhooks against a real HTTP server on this machine: signatures, retries, the log, replay, and what is refused."""

import base64
import hashlib
import hmac
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from anchor.errors import WebhookError
from anchor.outbox import Message, News, Outbox
from chains import webhook_sending
from chains.events import event_no_of, frame, told
from chains.organisations import Organisations
from chains.public_address import check_url, is_public, target_of
from chains.webhook_body import body_of
from chains.webhook_sending import signature
from chains.webhooks import BACK_OFF_MS, Webhook, Webhooks, deliver, send_test
from tests.crash.crashing import CrashingEngine, StoppedError
from tests.databases import on_postgres, open_engine
from tests.simulators.webhook_receiver import Receiver, receiving

NOW_MS = 1_750_000_000_000
LOG_ID = bytes(range(32))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def webhooks(tmp_path: Path) -> Iterator[Webhooks]:
    engine = open_engine(tmp_path / "anchorline.db")
    yield Webhooks(engine)
    engine.close()


def tell(webhooks: Webhooks, *news: News) -> None:
    """Let something happen."""
    with webhooks.engine.transaction():
        for each in news:
            Outbox(webhooks.engine).add(each, NOW_MS, {"checkpoint_size": 7})


def numbers() -> Callable[[int], bytes]:
    counting = itertools.count(1)
    return lambda size: hashlib.sha512(b"%d" % next(counting)).digest()[:size]


def added(webhooks: Webhooks, receiver: Receiver, *news: News) -> Webhook:
    return webhooks.add(receiver.url, news, NOW_MS, numbers(), is_for_tests=True)


def delivered(webhooks: Webhooks, now_ms: int = NOW_MS) -> list[int | None]:
    """Deliver what is due; return the statuses."""
    return [sent.status for _, _, sent in deliver(webhooks, LOG_ID, lambda: now_ms)]


# --- the message


def test_the_vector_of_the_specification() -> None:
    """The signature that the reference libraries of Standard Webhooks give for their own test."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" == found


def test_a_message_says_what_happened_and_is_signed(webhooks: Webhooks, receiver: Receiver) -> None:
    """Type, time, log and facts; the receiver checks id, time and body with the secret that was shown once."""
    webhook = added(webhooks, receiver)
    tell(webhooks, News.SEALED)
    assert [204] == delivered(webhooks)
    ((path, headers, body),) = receiver.taken
    assert "/hook?for=anchors" == path
    assert {
        "type": "checkpoint.sealed",
        "timestamp": "2025-06-15T15:06:40.000Z",
        "data": {"log_id": LOG_ID.hex(), "event": 1, "checkpoint_size": 7},
    } == json.loads(body)
    signed = b"%b.%b.%b" % (headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body)
    mac = base64.b64encode(hmac.new(webhook.secret, signed, hashlib.sha256).digest()).decode()
    assert (f"v1,{mac}", str(NOW_MS // 1000)) == (headers["webhook-signature"], headers["webhook-timestamp"])
    assert receiver.url.split("/")[2] == headers["host"]
    assert "secret" not in repr(webhook)
    assert webhook.secret.hex() not in repr(webhook)


def test_only_what_was_asked_for_and_happens_from_then_on(webhooks: Webhooks, receiver: Receiver) -> None:
    """A webhook for final anchors is told of no seal, and of nothing before it was added."""
    tell(webhooks, News.FINAL)
    added(webhooks, receiver, News.FINAL, News.REORGED)
    tell(webhooks, News.SEALED, News.ANCHORED, News.FINAL, News.REORGED)
    assert [204, 204] == delivered(webhooks)
    assert {"checkpoint.final", "checkpoint.reorged"} == {body["type"] for body in receiver.bodies}
    assert [] == delivered(webhooks)


def test_an_organisation_is_told_what_everybody_may_know(webhooks: Webhooks, receiver: Receiver) -> None:
    """No refused anchors, and no attempts; what the organisation had coming ends with it."""
    acme = Organisations(webhooks.engine, numbers()).create("acme", NOW_MS)
    webhooks.add(receiver.url, [], NOW_MS, numbers(), is_for_tests=True, organisation=acme)
    with webhooks.engine.transaction():
        for news in (News.FAILED, News.ANCHORED):
            Outbox(webhooks.engine).add(news, NOW_MS, {"checkpoint_size": 7, "attempt": 3})
    assert [204] == delivered(webhooks)
    (body,) = receiver.bodies
    assert ("checkpoint.anchored", {"log_id", "event", "checkpoint_size"}) == (body["type"], set(body["data"]))
    assert [] == webhooks.of(None)
    Organisations(webhooks.engine, numbers()).remove(acme, NOW_MS)
    tell(webhooks, News.SEALED)
    assert [] == delivered(webhooks)
    assert [] == webhooks.of(acme) == webhooks.active()


# --- failing


def test_a_refused_message_is_sent_again_under_one_id_until_it_is_given_up(
    webhooks: Webhooks, receiver: Receiver
) -> None:
    """At the times that Standard Webhooks advises; the log has every try; replay sends it as if anew."""
    webhook = added(webhooks, receiver)
    tell(webhooks, News.SEALED)
    receiver.statuses = [500] * (len(BACK_OFF_MS) + 1)
    now_ms = NOW_MS
    assert [500] == delivered(webhooks, now_ms)
    for wait_ms in BACK_OFF_MS:
        assert [] == delivered(webhooks, now_ms + wait_ms - 1)
        now_ms += wait_ms
        assert [500] == delivered(webhooks, now_ms)
    assert [] == delivered(webhooks, now_ms + 10**10)
    assert [1] == webhooks.given_up(webhook)
    assert 1 == len({headers["webhook-id"] for _, headers, _ in receiver.taken})
    assert 1 == len({body for _, _, body in receiver.taken})
    assert [500] * (len(BACK_OFF_MS) + 1) == [tried.status for tried in webhooks.log(webhook, 10)]
    assert 1 == webhooks.replay(webhook, webhooks.given_up(webhook), now_ms)
    assert [204] == delivered(webhooks, now_ms)
    assert [] == webhooks.given_up(webhook)


def test_a_redirect_is_not_followed(webhooks: Webhooks, receiver: Receiver) -> None:
    """A public receiver could lead to a private one that way."""
    added(webhooks, receiver)
    tell(webhooks, News.SEALED)
    receiver.statuses, receiver.location = [307], receiver.url
    assert [307] == delivered(webhooks)
    assert 1 == len(receiver.taken)


def test_nobody_waits_for_a_receiver_that_does_not_answer(
    webhooks: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes the connection and says nothing, or one byte at a time, has so long as all have together."""
    monkeypatch.setattr(webhook_sending, "WHOLE_TIMEOUT_S", 4.0)
    with silent() as port:
        webhooks.add(f"http://127.0.0.1:{port}/", (), NOW_MS, numbers(), is_for_tests=True)
        webhooks.add(receiver.url, (), NOW_MS, bytes, is_for_tests=True)
        tell(webhooks, News.SEALED)
        statuses = delivered(webhooks)
    assert [None, 204] == statuses
    assert "no answer within 4 s" == webhooks.log(webhooks.active()[0], 1)[0].cause


@contextmanager
def silent() -> Iterator[int]:
    """Listen, take connections, and answer a byte of a head every tenth of a second, for ever."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            with listening.accept()[0] as connection:
                while not stopped.wait(0.1):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        yield listening.getsockname()[1]
        stopped.set()
        thread.join()


def test_a_stop_at_any_point_loses_no_message(tmp_path: Path, receiver: Receiver) -> None:
    """Queued, sent and noted, stopped at each statement: the next round sends it under one id, until it is noted."""
    for point in range(1, 80):
        inner = open_engine(tmp_path / f"{point}.db")
        if not on_postgres():
            inner.query("PRAGMA synchronous = OFF")
        webhooks = Webhooks(inner)
        added(webhooks, receiver)
        tell(webhooks, News.SEALED, News.FINAL)
        receiver.taken.clear()
        stopped = False
        try:
            deliver(Webhooks(CrashingEngine(inner, point)), LOG_ID, lambda: NOW_MS)
        except StoppedError:
            stopped = True
        deliver(webhooks, LOG_ID, lambda: NOW_MS)
        assert [] == webhooks.due(NOW_MS)
        assert {1: 1, 2: 1} == {
            event: len(
                {headers["webhook-id"] for _, headers, body in receiver.taken if b'"event": %d,' % event in body}
            )
            for event in (1, 2)
        }
        inner.close()
        if not stopped:
            assert point > 20
            return
    pytest.fail("it never ended")


def test_a_look_that_finds_nothing_new_waits_for_no_writer(tmp_path: Path, receiver: Receiver) -> None:
    """While another process writes, nothing new is queued, nothing is refused, and what comes after it is told."""
    engine = open_engine(tmp_path / "anchorline.db", busy_timeout_s=0.0)
    writing = Webhooks(open_engine(tmp_path / "anchorline.db"))
    looking = Webhooks(engine)
    added(looking, receiver)
    tell(looking, News.SEALED)
    assert [204] == delivered(looking)
    with writing.engine.transaction():
        assert [] == delivered(looking)
    tell(writing, News.SEALED)
    assert [204] == delivered(looking)
    writing.engine.close()
    engine.close()


def test_who_was_removed_is_told_nothing_more(webhooks: Webhooks, receiver: Receiver) -> None:
    """Not even what waited."""
    webhook = added(webhooks, receiver)
    tell(webhooks, News.SEALED)
    webhooks.queue(NOW_MS)
    webhooks.remove(webhook.webhook_id, NOW_MS)
    assert [] == delivered(webhooks)
    with pytest.raises(WebhookError, match="no webhook"):
        webhooks.named(webhook.webhook_id)


def test_a_test_message_is_sent_once(webhooks: Webhooks, receiver: Receiver) -> None:
    """It says that it is one, and is not tried again."""
    webhook = added(webhooks, receiver)
    receiver.statuses = [500]
    assert 500 == send_test(webhooks, webhook, LOG_ID, lambda: NOW_MS).status
    assert [] == delivered(webhooks, NOW_MS + 10**9)
    assert "test" == receiver.bodies[0]["type"]
    assert [500] == [tried.status for tried in webhooks.log(webhook, 5)]


# --- where nothing is sent


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.8.8.8",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
        ),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "224.0.0.1"),
        *("239.255.255.250", "240.0.0.1", "255.255.255.255", "203.0.113.5"),
        *("::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1", "fc00::1", "fd00:ec2::254"),
        *("ff02::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "100::1"),
    ],
)
def test_addresses_that_are_never_sent_to(address: str) -> None:
    """Private, loopback, link-local, metadata, multicast, reserved, mapped, translated, tunnelled."""
    assert not is_public(ip_address(address))
    with pytest.raises(WebhookError, match="public addresses only; nothing was sent"):
        target_of("https://hooks.example/", lambda _host, _port: ["93.184.215.14", address])


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses_are_sent_to(address: str) -> None:
    """By the very address that was checked."""
    assert is_public(ip_address(address))
    target = target_of("https://hooks.example:8443/a?b=c", lambda _host, _port: [address])
    assert ("https", "hooks.example", 8443, "/a?b=c", address) == (
        *(target.scheme, target.host, target.port, target.path, target.address),
    )


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "ftp://hooks.example/", "hooks.example", "https://", "https:///path"),
        *("https://user:word@hooks.example/", "https://hooks.example/#part", "https://hooks.example:99999/"),
        *(
            "https://hooks.example/\n",
            "https://hooks.example/a b",
            "https://häuser.example/",
            "https://[::1",
            "file:///a",
        ),
        "https://hooks.example/" + "a" * 2000,
    ],
)
def test_addresses_that_are_no_webhook_s(url: str, webhooks: Webhooks) -> None:
    """Refused when they are added, and nothing is stored."""
    with pytest.raises(WebhookError):
        webhooks.add(url, (), NOW_MS, numbers())
    assert [] == webhooks.active()


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_this_machine_is_refused_in_every_spelling(host: str, webhooks: Webhooks) -> None:
    """Through the real resolver, which reads old spellings of numbers too: the number that comes out is what counts."""
    webhooks.add(f"https://{host}/", (), NOW_MS, numbers())
    tell(webhooks, News.SEALED)
    assert [None] == delivered(webhooks)
    (tried,) = webhooks.log(webhooks.active()[0], 1)
    assert tried.cause.startswith("WebhookError: ")


def test_a_name_that_changes_its_answer_gains_nothing(webhooks: Webhooks, receiver: Receiver) -> None:
    """The name is asked once for each try, and the connection goes to the number that was checked (DNS rebinding)."""
    port = receiver.url.split(":")[2].split("/")[0]
    webhooks.add(f"http://rebinding.example:{port}/", (), NOW_MS, numbers(), is_for_tests=True)
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    tell(webhooks, News.SEALED)
    ((_, _, sent),) = deliver(webhooks, LOG_ID, lambda: NOW_MS, resolve)
    assert (204, ["rebinding.example"]) == (sent.status, asked)
    assert f"rebinding.example:{port}" == receiver.taken[0][1]["host"]
    tell(webhooks, News.SEALED)
    ((_, _, sent),) = deliver(webhooks, LOG_ID, lambda: NOW_MS, resolve)
    assert sent.status is None
    assert "10.0.0.1" in sent.cause


def test_a_receiver_for_tests_is_on_this_machine_only() -> None:
    """Otherwise it would be the way around every rule."""
    with pytest.raises(WebhookError, match="this machine"):
        target_of("http://hooks.example/", lambda _host, _port: ["8.8.8.8"], is_for_tests=True)
    with pytest.raises(WebhookError, match="expected http://"):
        check_url("https://hooks.example/", is_for_tests=True)


# --- server-sent events


def test_an_event_is_a_webhook_in_one_line(webhooks: Webhooks) -> None:
    """Number, news and the JSON of the webhook; what is known of a chain is added to its data."""
    tell(webhooks, News.SEALED)
    (message,) = Outbox(webhooks.engine).after(0)
    plain = frame(message, LOG_ID)
    assert b"id: 1\nevent: sealed\ndata: " + body_of(message, LOG_ID) + b"\n\n" == plain
    more = json.loads(frame(message, LOG_ID, {"tree_size": 3}).partition(b"data: ")[2])
    assert json.loads(body_of(message, LOG_ID))["data"] | {"tree_size": 3} == more["data"]


@pytest.mark.parametrize("news", News)
def test_only_the_operator_is_told_of_attempts(news: News) -> None:
    """What failed, and which attempt it was, is the operator's; the rest is public, and everybody's."""
    message = Message(7, 1, news, {"checkpoint_size": 3, "attempt": 9})
    assert message == told(message, is_operator=True)
    others = None if news is News.FAILED else Message(7, 1, news, {"checkpoint_size": 3})
    assert others == told(message, is_operator=False)


@pytest.mark.parametrize(("text", "after"), [("", 5), ("0", 0), ("3", 3), ("9", 9)])
def test_a_listener_goes_on_where_it_stopped(text: str, after: int) -> None:
    """Last-Event-ID names the row that was seen last; without it only what is new comes."""
    assert after == event_no_of(text, 5)


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "9" * 19, "\uff11"])
def test_a_last_event_id_that_is_no_number_is_refused(text: str) -> None:
    """A client that makes up ids is told so."""
    with pytest.raises(WebhookError, match="Last-Event-ID"):
        event_no_of(text, 0)

"""Tests of ``chains.client.listening``: a stream in any pieces gives the same events, and nothing of another log."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.outbox import Message, News
from anchor.proof import ed25519
from anchor.proof.receipt import LogCard
from chains.client.core import Settings
from chains.client.errors import ProblemAnswerError, UnreachableError, UntrueAnswerError, Untruth
from chains.client.exchange import Reply, Unreached
from chains.client.listening import Listening, SeenEvent
from chains.client.pace import Patience
from chains.events import KEEP_ALIVE, RETRY, frame, place
from tests.simulators.world import World

LOG = World().log
NUMBERED = list(enumerate(News, 5))
FRAMES = [frame(Message(number, 1, news, {"checkpoint_size": number}), LOG.log_id) for number, news in NUMBERED]
STREAM = RETRY + FRAMES[0] + KEEP_ALIVE + b"".join(FRAMES[1:])


def listening(**more: Any) -> Listening:
    settings = Settings(
        LogCard(LOG), bytes, lambda: 0.5, lambda: 0.0, lambda: 0, ed25519.verify, patience=Patience(3, 1.0, 8.0, 60.0)
    )
    return Listening(settings, LOG.log_id, more.get("chain"), more.get("after"))


def heard(pieces: list[bytes]) -> list[SeenEvent]:
    listener = listening()
    return [event for piece in pieces for event in listener.take(piece)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    """Wherever the stream is cut, each event is heard once, in order; comments and pauses are none."""
    places = [0, *cuts, len(STREAM)]
    found = heard([STREAM[start:end] for start, end in itertools.pairwise(places)])
    assert [(number, news.value) for number, news in NUMBERED] == [(each.number, each.news) for each in found]
    assert [{"checkpoint_size": each.number} for each in found] == [each.facts for each in found]


def test_a_listener_goes_on_after_what_it_heard() -> None:
    """The number of the last whole event is asked for; a piece of one that was cut off is heard again."""
    listener = listening(chain=bytes(32))
    assert {"chain": "00" * 32} == listener.query()
    list(listener.take(FRAMES[0] + FRAMES[1][:20]))
    assert {"chain": "00" * 32, "after": "5"} == listener.query()
    assert [6] == [event.number for event in listener.take(FRAMES[1])]
    assert {"chain": "work", "after": "3"} == listening(chain="work", after=3).query()


def test_a_listener_that_heard_nothing_goes_on_where_its_stream_began() -> None:
    """The service says where that is, once: what the listener heard, or was given, counts more."""
    listener = listening()
    assert [] == list(listener.take(RETRY + place(4) + KEEP_ALIVE))
    assert {"after": "4"} == listener.query()
    assert [5] == [event.number for event in listener.take(place(9) + FRAMES[0])]
    assert {"after": "5"} == listener.query()
    given = listening(after=3)
    assert [] == list(given.take(place(9)))
    assert {"after": "3"} == given.query()


@pytest.mark.parametrize(
    ("said", "untruth"),
    [
        (FRAMES[0].replace(LOG.log_id.hex().encode(), b"00" * 32), Untruth.ANOTHER_LOG),
        (FRAMES[0].replace(b"id: 5", b"id: 6"), Untruth.ANSWER_MALFORMED),
        (b"id: 5\ndata: {}\n\n", Untruth.ANSWER_MALFORMED),
        (b"data: x\n\n", Untruth.ANSWER_MALFORMED),
        (b"id: -1\n\n", Untruth.ANSWER_MALFORMED),
        (b"id: 1" + b"0" * 18 + b"\n\n", Untruth.ANSWER_MALFORMED),
        (b"data: " + b"x" * 100_000, Untruth.ANSWER_MALFORMED),
    ],
)
def test_what_is_no_event_of_this_log_is_refused(said: bytes, untruth: Untruth) -> None:
    """Another log, another number, no JSON, and an event without an end; the bytes are kept as evidence."""
    with pytest.raises(UntrueAnswerError) as caught:
        heard([said])
    assert untruth == caught.value.untruth
    assert caught.value.exchanges[0].reply.body in said


def test_it_connects_again_until_patience_ends() -> None:
    """Pauses grow, what was heard in between starts them anew, and a no is a no."""
    listener = listening()
    assert [0.5, 1.0] == [listener.pause_s(Unreached("cut off")) for _ in range(2)]
    list(listener.take(KEEP_ALIVE))
    assert [0.5, 1.0] == [listener.pause_s(None) for _ in range(2)]
    with pytest.raises(UnreachableError):
        listener.pause_s(Reply(503))
    problem = Reply(404, {}, json.dumps({"code": "not-found", "detail": "x"}).encode())
    with pytest.raises(ProblemAnswerError) as caught:
        listener.pause_s(problem)
    assert (404, "not-found") == (caught.value.status, caught.value.code)

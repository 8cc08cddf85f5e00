"""Answers that are kept: as long as they say, or as nothing is committed; for everybody only, and within a bound."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop

from anchor.errors import StorageBusyError
from chains.web.asgi import Answer
from chains.web.kept_answers import LONGEST_S, KeptAnswers, StrangersAnswers
from tests.databases import watch
from tests.simulators.store import Store


class Clock:
    """A clock that a test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def answer(cache_control: str, body: bytes = b"body", status: int = 200) -> Answer:
    return Answer(status, body, headers=((b"cache-control", cache_control.encode()),))


@pytest.mark.parametrize(
    ("cache_control", "kept_s"),
    [("public, max-age=1", 1.0), ("public, max-age=60", 60.0), ("public, max-age=31536000, immutable", LONGEST_S)],
)
def test_what_is_everybody_s_is_kept_for_its_time(cache_control: str, kept_s: float) -> None:
    """Head and body are as they go out, until the time is over."""
    clock = Clock()
    kept = KeptAnswers(clock)
    kept.keep(b"/v1/checkpoint", answer(cache_control))
    found = kept.get(b"/v1/checkpoint")
    assert found is not None
    assert found.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: ")
    assert b"content-length: 4\r\n" in found
    assert found.endswith(b"\r\n\r\nbody")
    assert None is kept.get(b"/v1/other")
    clock.now_s += kept_s - 0.001
    assert found == kept.get(b"/v1/checkpoint")
    clock.now_s += 0.001
    assert None is kept.get(b"/v1/checkpoint")


@pytest.mark.parametrize("cache_control", ["private, no-cache", "private, max-age=31536000, immutable", "no-store", ""])
def test_what_is_one_s_own_is_not_kept(cache_control: str) -> None:
    """Whatever depends on who asks is asked for again; and so are errors."""
    kept = KeptAnswers(Clock())
    kept.keep(b"/v1/a", answer(cache_control))
    kept.keep(b"/v1/b", answer("public, max-age=60", status=404))
    assert (None, None) == (kept.get(b"/v1/a"), kept.get(b"/v1/b"))


def test_the_oldest_make_room() -> None:
    """More than the bound is never held; what is too large by itself is not kept at all."""
    kept = KeptAnswers(Clock(), most_bytes=16_000)
    for number in range(100):
        kept.keep(b"/%d" % number, answer("public, max-age=60", bytes(500)))
    held = [number for number in range(100) if kept.get(b"/%d" % number) is not None]
    assert list(range(held[0], 100)) == held
    assert 16 <= len(held) <= 32
    kept.keep(b"/large", answer("public, max-age=60", bytes(2000)))
    assert None is kept.get(b"/large")


def test_strangers_get_the_same_until_anything_is_committed(tmp_path: Path) -> None:
    """A commit by anybody makes all answers old, also those that are being made; a rollback and a read none."""
    store = Store(tmp_path / "anchorline.db")
    changes = watch(tmp_path / "anchorline.db")
    strangers = StrangersAnswers(changes.version, lambda call: call())
    strangers.keep(b"/a", strangers.begin(), answer("private, no-cache"))
    assert store.chains.by_name("acme") is None
    with suppress(KeyError), store.engine.transaction():
        store.engine.execute("DELETE FROM group_commit")
        raise KeyError
    found = strangers.get(b"/a")
    assert found is not None
    assert found.endswith(b"\r\n\r\nbody")
    before = strangers.begin()
    store.open_chain("acme")
    strangers.keep(b"/b", before, answer("private, no-cache"))
    assert (None, None) == (strangers.get(b"/a"), strangers.get(b"/b"))
    strangers.keep(b"/b", before, answer("private, no-cache"))
    assert None is strangers.get(b"/b")
    strangers.keep(b"/b", strangers.begin(), answer("private, no-cache"))
    assert None is not strangers.get(b"/b")
    changes.close()
    store.engine.close()


def test_strangers_get_nothing_kept_while_the_database_does_not_answer() -> None:
    """Where nobody can say whether anything changed, the application is asked; and problems are never kept."""
    numbers = [1]

    def version() -> int:
        if not numbers:
            raise StorageBusyError("another process is writing")
        return numbers[0]

    strangers = StrangersAnswers(version, lambda call: call())
    strangers.keep(b"/a", strangers.begin(), answer(""))
    strangers.keep(b"/404", strangers.begin(), answer("", status=404))
    assert (False, True) == (strangers.get(b"/a") is None, strangers.get(b"/404") is None)
    numbers.clear()
    assert (None, None) == (strangers.begin(), strangers.get(b"/a"))
    strangers.keep(b"/b", strangers.begin(), answer(""))
    numbers.append(1)
    assert (False, True) == (strangers.get(b"/a") is None, strangers.get(b"/b") is None)


def test_the_database_is_asked_once_a_turn() -> None:
    """What is read in one turn of the event loop is answered as of one moment, and the next turn asks again."""
    asked: list[int] = []
    next_turn: list[Callable[[], None]] = []

    def version() -> int:
        asked.append(len(asked))
        return 7

    strangers = StrangersAnswers(version, next_turn.append)
    strangers.keep(b"/a", strangers.begin(), answer(""))
    asked.clear()
    for _ in range(3):
        assert None is not strangers.get(b"/a")
    assert [0] == asked
    next_turn.pop()()
    assert None is not strangers.get(b"/a")
    assert [0, 1] == asked


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_is_read_behind_an_answer_that_is_made_asks_the_database(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """A request that is read when a task has just asked is not answered as of the task's moment: much may lie between.

    The task stands for one that makes an answer, the byte for a request that was sent behind another process's commit.
    """
    version = [1]
    found: list[bytes | None] = []
    loop = make_loop()

    def soon(call: Callable[[], None]) -> None:
        loop.call_soon(call)

    strangers = StrangersAnswers(lambda: version[0], soon)
    here, there = socket.socketpair()

    async def story() -> None:
        read = loop.create_future()

        def request() -> None:
            found.append(strangers.get(b"/a"))
            loop.remove_reader(here)
            read.set_result(None)

        loop.add_reader(here, request)
        await asyncio.sleep(0)
        strangers.keep(b"/a", strangers.begin(), answer(""))
        version[0] = 2
        there.send(b"x")
        await read

    with here, there:
        try:
            loop.run_until_complete(story())
        finally:
            loop.close()
    assert [None] == found

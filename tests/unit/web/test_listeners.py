"""Tests of ``chains.web.listeners``: who may join, who is woken, and that one look serves all."""

import asyncio
from typing import Any, cast

import pytest

from anchor.errors import OverloadedError, StorageError
from chains.web import listeners
from chains.web.listeners import MOST_OF_ONE, Listeners
from chains.web.rooms import Rooms


class FewRooms:
    """Reading threads that answer with the numbers that a test lists; an error is raised."""

    def __init__(self, *numbers: int | StorageError) -> None:
        self.numbers = list(numbers)
        self.asked = 0

    async def ask(self, _look: object) -> Any:
        self.asked += 1
        found = self.numbers.pop(0) if len(self.numbers) > 1 else self.numbers[0]
        if isinstance(found, StorageError):
            raise found
        return found


def listeners_of(rooms: FewRooms) -> Listeners:
    return Listeners(cast("Rooms", rooms))


def test_one_organisation_does_not_take_the_place_of_others() -> None:
    """So many of one organisation and not one more; who leaves makes room; others join meanwhile."""

    async def story() -> None:
        joined = listeners_of(FewRooms(1))
        mine = [joined.join("org_a") for _ in range(MOST_OF_ONE)]
        with pytest.raises(OverloadedError):
            joined.join("org_a")
        joined.join("org_b")
        joined.leave(mine[0])
        joined.join("org_a")
        assert MOST_OF_ONE + 1 == len(joined)

    asyncio.run(story())


def test_there_are_so_many_listeners_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever they belong to: a bound for the process."""
    monkeypatch.setattr(listeners, "MOST_LISTENERS", 3)

    async def story() -> None:
        joined = listeners_of(FewRooms(1))
        for number in range(3):
            joined.join(f"org_{number}")
        with pytest.raises(OverloadedError):
            joined.join(None)

    asyncio.run(story())


def test_one_look_wakes_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many listen, the outbox is asked once for all; where it cannot be read, all are woken too."""
    monkeypatch.setattr(listeners, "LOOK_EVERY_S", 0.02)
    rooms = FewRooms(1, 1, 1, 2, 2, StorageError("gone"), 2)

    async def story() -> None:
        joined, ended = listeners_of(rooms), asyncio.Event()
        everybody = [joined.join(None) for _ in range(5)]
        for _ in ("the first look", "a new row", "an error"):
            assert [True] * 5 == await asyncio.gather(*(each.wait(ended, 5) for each in everybody))
            for each in everybody:
                each.wake.clear()
        for each in everybody:
            joined.leave(each)
        await asyncio.sleep(0.1)  # a look that had begun ends
        asked = rooms.asked
        await asyncio.sleep(0.1)
        assert asked == rooms.asked, "nobody listens, nobody looks"

    asyncio.run(story())


def test_a_listener_waits_no_longer_than_it_should() -> None:
    """Silence is told apart from news; the end of the stream wakes at once."""

    async def story() -> None:
        joined, ended = listeners_of(FewRooms(1)), asyncio.Event()
        listener = joined.join(None)
        await listener.wait(ended, 5)
        listener.wake.clear()
        assert not await listener.wait(ended, 0.01)
        ended.set()
        assert await listener.wait(ended, 5)
        joined.leave(listener)

    asyncio.run(story())

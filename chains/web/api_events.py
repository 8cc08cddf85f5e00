"""The stream of events: what became of checkpoints and anchors, as it happens (server-sent events).

It runs in the event loop and reads on the reading threads (``chains.web.rooms``). Who listens is asked for his key and
his rights whenever something is sent, so that what was revoked ends his stream.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from anchor.errors import KeyRefusedError
from anchor.outbox import Message, News, Outbox
from anchor.proof.errors import AnchorlineError
from anchor.proof.leaves import HeadLeaf
from chains.access import Action, Role
from chains.chain import Chain
from chains.events import KEEP_ALIVE, PAGE, RETRY, SILENCE_S, event_no_of, frame, place, told
from chains.web.answers import NO_STORE
from chains.web.asgi import Stream
from chains.web.listeners import Listener
from chains.web.operations import In, Operation, Parameter, ReadBody, Shape
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.service import Service

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a listener is sent now, up to row ``reached``; ``is_all``: there is no more yet."""

    frames: tuple[bytes, ...]
    reached: int
    is_all: bool


async def events(service: Service, request: Request, _read: ReadBody) -> Stream:
    """Return the stream of everything that happens from now on, or behind the row that was seen last."""
    whose, after = await service.rooms.ask(partial(_begin, request=request))
    listener = service.listeners.join(whose)
    return Stream(
        partial(_pieces, service, request, listener, after),
        partial(service.listeners.leave, listener),
        EVENT_STREAM,
        (NO_STORE, (b"x-accel-buffering", b"no")),
    )


def _begin(room: Room, request: Request) -> tuple[str | None, int]:
    """Return whose a listener is, and the row behind which his stream begins."""
    known = room.authenticated(request)
    _chain(room, known)
    last = request.arguments.get("Last-Event-ID") or request.arguments.get("after", "")
    return known.actor.organisation or known.actor.key_id, event_no_of(last, Outbox(room.home.engine).newest_no())


async def _pieces(
    service: Service, request: Request, listener: Listener, after: int, ended: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield what a listener gets, until the stream ends or he may not listen any more."""
    yield RETRY + place(after)
    while not ended.is_set():
        listener.wake.clear()
        now = request.at(service.clock())
        try:
            heard = await service.rooms.ask(partial(_heard, request=now, after=after))
        except (KeyRefusedError, ProblemError):
            return  # he asks again, and is told why
        except AnchorlineError as error:
            service.report(f"event=failed path=/v1/events error={type(error).__name__} message={str(error)!r}")
            return
        for piece in heard.frames:
            yield piece
        after = heard.reached
        if heard.is_all and not await listener.wait(ended, SILENCE_S):
            yield KEEP_ALIVE


def _heard(room: Room, request: Request, after: int) -> Heard:
    known = room.authenticated(request)
    chain, rows = _chain(room, known), Outbox(room.home.engine).after(after, PAGE)
    is_operator = known.actor.role is Role.OPERATOR
    heard = [message for row in rows if (message := told(row, is_operator=is_operator)) is not None]
    log_id = room.home.directory.log.log_id
    frames = [
        frame(message, log_id, more)
        for message in heard
        if (more := {} if chain is None else _of_chain(room, chain, message)) is not None
    ]
    return Heard(tuple(frames), rows[-1].event_no if rows else after, len(rows) < PAGE)


def _chain(room: Room, request: Request) -> Chain | None:
    """Return the chain that is listened to, if he may read its heads; None where none was named."""
    return room.chain(request, Action.HEAD_READ) if "chain" in request.arguments else None


def _of_chain(room: Room, chain: Chain, message: Message) -> dict[str, Any] | None:
    """Return what a message says of a chain; None where it is about a seal that did not change it."""
    size = int(message.facts["checkpoint_size"])
    directory = room.home.directory
    index = directory.newest_head(chain.chain_no, size)
    before = directory.checkpoints_below(size, 1)
    is_changed = index is not None and (not before or index >= before[0].size)
    if index is None or (message.news is News.SEALED and not is_changed):
        return None
    head = directory.leaf(index)
    assert isinstance(head, HeadLeaf)
    return {"chain_id": chain.chain_id.hex(), "tree_size": head.tree_size}


GROUP = "Events"
OPERATIONS = (
    Operation(
        "listen",
        "GET",
        "/v1/events",
        "What becomes of checkpoints and anchors, as it happens (server-sent events)",
        GROUP,
        {200: Shape("Events without an end (docs/spec/webhooks.md)", {EVENT_STREAM: str})},
        ("not-found", "not-allowed", "key-required", "overloaded"),
        parameters=(
            Parameter("Last-Event-ID", "The event that was seen last: go on behind it", "[0-9]{1,18}", In.HEADER),
            Parameter("after", "The same, for who cannot send the header", "[0-9]{1,18}"),
            Parameter(
                "chain",
                "Only seals that changed this chain, and anchors that cover it; events name it and its size",
                r"[^\x00-\x1f\x7f]{1,100}",
            ),
        ),
        run_async=events,
        has_etag=False,
    ),
)

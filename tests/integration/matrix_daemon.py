"""The process that the matrix kills: it opens a home as the daemon does, and takes one step for each order.

Orders come over a pipe from ``matrix_rig``, with a point at which the process ends by SIGKILL; the points are those of
``tests.crash``: every statement, BEGIN and COMMIT, every broadcast and every file put in place, before and after.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import anchor.bitcoin.core_rpc
import anchor.bitcoin.wallet
import anchor.engine  # noqa: F401  # what a home imports when it needs it, before the processes are forked
from anchor.bitcoin.protocols import Source
from anchor.lease import Leases
from anchor.lease_holder import this_process
from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.errors import AnchorlineError
from anchor.storage.engine import Engine
from chains.home import Home
from tests.crash.anchoring import Announced
from tests.crash.crashing import CrashingEngine, kill_self

CHAIN = "acme"


@dataclass(frozen=True)
class Order:
    """A step to take at ``now_ms``. ``kill`` is where to die: parts of names of points (the first of any), or a number.

    The number counts what outlives the process (``EFFECTS``).

    ``contents`` are all that the chain should hold after a write, oldest first: what is there is not written again.
    """

    step: str
    now_ms: int
    at_once: bool = False
    contents: tuple[bytes, ...] = ()
    kill: int | tuple[str, ...] = ()
    pause: int = 0


@dataclass(frozen=True)
class Done:
    """What a step did, or the name of the error that ended it; and the points that it passed."""

    did: str = ""
    why: str = ""
    error: str = ""
    alerts: tuple[str, ...] = ()
    points: tuple[str, ...] = field(default=(), repr=False)

    @property
    def effects(self) -> int:
        """How many of the points are around something that outlives the process."""
        return sum(map(_is_effect, self.points))


EFFECTS = ("after COMMIT", "before broadcast", "after broadcast", "before the file", "after the file")
"""Points between which a killed process leaves the same behind: what a transaction had begun is undone."""


def _is_effect(point: str) -> bool:
    return point.startswith(EFFECTS)


class ArmedEngine(CrashingEngine):
    """A CrashingEngine that serves many steps, and is told for each where to die."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, 0, kill_self)
        self._names: tuple[str, ...] = ()
        self._left = 0
        self._pause = 0

    def arm(self, kill: int | tuple[str, ...], pause: int = 0) -> None:
        """Count points anew, and die at this one, or pause."""
        self.points.clear()
        self._pause = pause
        self._left, self._names = (kill, ()) if isinstance(kill, int) else (0, kill)

    def point(self, name: str) -> None:
        """See ``CrashingEngine``."""
        super().point(name)
        if self._left and _is_effect(name):
            self._left -= 1
            if not self._left:
                kill_self()
        if any(part in name for part in self._names):
            kill_self()
        if len(self.points) == self._pause:
            os.kill(os.getpid(), signal.SIGSTOP)


def serve(pipe: Connection, folder: Path, state: str) -> None:
    """Take steps until the pipe is closed, then close the home, as the daemon does when it is told to stop."""
    os.environ["XDG_STATE_HOME"] = state
    now_ms = 0
    with Home.open(folder, lambda: now_ms) as home:
        if not home.settings.database:
            home.engine.query("PRAGMA synchronous = OFF")  # a killed process loses nothing that the system has taken
        engine = ArmedEngine(home.engine)
        home.engine = cast("Engine", engine)
        home._source = cast("Source", Announced(home.source, engine.point))
        replace = Path.replace

        def put_in_place(path: Path, target: Path) -> Path:
            engine.point(f"before the file {target.name}")
            put = replace(path, target)
            engine.point(f"after the file {target.name}")
            return put

        with patch.object(Path, "replace", put_in_place):
            while (order := _next(pipe)) is not None:
                now_ms = order.now_ms
                engine.arm(order.kill, order.pause)
                if order.step == "stop":
                    if home.guarded.lease is not None:
                        Leases(home.engine).release(home.guarded.lease)
                    home.close()
                    return
                pipe.send(_done(home, engine, order))


def _next(pipe: Connection) -> Order | None:
    try:
        return cast("Order", pipe.recv())
    except EOFError:
        return None


def _done(home: Home, engine: ArmedEngine, order: Order) -> Done:
    try:
        facts = STEPS[order.step](home, order)
    except AnchorlineError as error:
        facts = {"error": type(error).__name__, "why": str(error)}
    return Done(**facts, points=tuple(engine.points))


def _write(home: Home, order: Order) -> dict[str, Any]:
    chain = home.chains.by_name(CHAIN)
    if chain is None:
        chain, _ = home.writer.open_chain([ExternalId(IdKind.CLEAR, CHAIN.encode())], b"", CHAIN, order.now_ms)
    missing = order.contents[home.chains.size(chain) - 1 :]
    if missing:
        home.writer.record(chain, missing, order.now_ms)
    return {}


def _lead(home: Home, order: Order) -> None:
    """Take the lease at the first step that needs it: whoever had it was killed, or has stopped."""
    if home.guarded.lease is None:
        home.lead(Leases(home.engine).take(this_process("daemon", stays=True), order.now_ms))


def _seal(home: Home, order: Order) -> dict[str, Any]:
    _lead(home, order)
    sealed = home.anchoring.seal(home.checkpoint_key, order.now_ms)
    home.lookup.maintain()
    home.write_card()
    return {"did": "" if sealed is None else "seal"}


def _tick(home: Home, order: Order) -> dict[str, Any]:
    _lead(home, order)
    ticked = home.anchoring.tick(order.now_ms, at_once=order.at_once)
    return {
        "did": type(ticked.plan).__name__.lower(),
        "why": getattr(ticked.plan, "why", ""),
        "alerts": tuple(str(alert.name) for alert in ticked.alerts),
    }


STEPS: dict[str, Callable[[Home, Order], dict[str, Any]]] = {"write": _write, "seal": _seal, "tick": _tick}

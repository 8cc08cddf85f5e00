"""Processes that are paused (SIGSTOP) past their lease and go on later, on a real node: nothing forks.

Steps are paused between any two effects, at points that ``matrix_daemon`` names, while the clock of the test passes the
lease; and two real daemons are paused and resumed in turn, by the machine's clock.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anchor.errors import StorageBusyError
from anchor.lease import TERM_MS
from anchor.storage.databases import database_of
from chains.home import Home
from tests.cli.commands import COMMAND
from tests.homes import address_of_home
from tests.integration.matrix_daemon import CHAIN
from tests.integration.matrix_rig import Ground, Story
from tests.node import running_node
from tests.waiting import wait_until

pytestmark = [pytest.mark.node]

# Outside transactions: whoever is paused inside one holds the database's write lock, and nobody overtakes it.
PLACES = ("before BEGIN", "after COMMIT", "before broadcast", "after broadcast")
GUARDED = ("directory_leaf", "checkpoint", "head", "log_mark", "attempt", "attempt_event", "anchor_proof")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One node for all; each test has a home and a wallet of its own."""
    folder = tmp_path_factory.mktemp("lease")
    with running_node(folder / "node", "-acceptnonstdtxn=1") as node:
        yield Ground(node, folder)


def begun(ground: Ground, step: str) -> Story:
    """Return a story with one anchor in a block, about to seal or to anchor another entry."""
    story = ground.story()
    story.anchor()
    story.write()
    if step == "tick":
        story.seal()
    return story


def places(ground: Ground, step: str) -> list[int]:
    """Return the numbers of the points at which a step is paused: those of a run that is not."""
    story = begun(ground, step)
    done = story.take(step, at_once=True)
    story.restart()
    return [number for number, name in enumerate(done.points, 1) if name in PLACES]


def rows(story: Story) -> dict[str, list[Any]]:
    """Return everything that is written under the lease."""
    with Home.open(story.home) as home:
        return {table: home.engine.query(f"SELECT * FROM {table}") for table in GUARDED}


@pytest.mark.parametrize("step", ["seal", "tick"])
def test_a_process_that_goes_on_past_its_lease_writes_nothing(step: str, ground: Ground) -> None:
    """Wherever it was paused: another process seals and anchors meanwhile, and there is one history and one thread."""
    met = 0
    for point in places(ground, step):
        story = begun(ground, step)
        late, order = story.paused(step, point)
        story.pass_ms(TERM_MS)
        story.send()
        story.blocks()
        story.tick()
        before = rows(story)
        done = late.resume(order)
        assert before == rows(story), f"paused at point {point} of {step}"
        assert done.error in {"LeaseLostError", "RejectedError", ""}, done.why
        met += done.error == "LeaseLostError"
        late.take(type(order)("stop", order.now_ms))
        story.finish()
    assert met > 1


class RealDaemon:
    """``anchorline daemon`` as a process of its own, and the lines of its log."""

    def __init__(self, story: Story) -> None:
        environment = {**os.environ, "XDG_STATE_HOME": str(story.folder / "state")}
        self.process = subprocess.Popen(
            [*COMMAND, "daemon", "--home", str(story.home)], env=environment, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[str] = []
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr:
            for line in self.process.stderr:
                self.lines.append(line)

    def count(self, what: str) -> int:
        return sum(line.startswith(what) for line in self.lines)

    def until(self, what: str, least: int) -> None:
        """Wait until so many lines begin with this."""
        wait_until(lambda: self.count(what) >= least, lambda: f"{what} {least}: {self.lines[-20:]}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reading.join()


def pause(daemon: RealDaemon, story: Story) -> None:
    """Stop a daemon between two transactions: inside one it would keep the write lock, and nobody would overtake it."""
    while True:
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            database_of(story.home, address_of_home(story.home)).check_writable(0.5)
        except StorageBusyError:
            daemon.process.send_signal(signal.SIGCONT)
            time.sleep(0.1)
        else:
            return


def settle(story: Story, **values: int) -> None:
    """Change settings of the story's home."""
    path = Path(story.home / "anchorline.toml")
    text = path.read_text()
    for name, value in values.items():
        text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
    path.write_text(text)


def test_two_real_daemons_that_are_paused_in_turn_tell_one_story(ground: Ground) -> None:
    """Each is stopped past its lease and resumed: one works, the other says what happened, nothing is signed twice."""
    story = ground.story(now_ms=time.time_ns() // 1_000_000)
    story.anchor()
    story.restart()
    # Long enough that a daemon which this machine holds up for a moment does not lose its lease by that.
    settle(story, seal_every_s=1, tick_every_s=1, anchor_every_s=1, lease_s=9)
    first, second = RealDaemon(story), None
    try:
        first.until("event=done job=tick", 1)
        second = RealDaemon(story)
        second.until("event=standby", 1)
        working, waiting = first, second
        for _ in range(3):
            led = waiting.count("event=leading")
            pause(working, story)
            waiting.until("event=leading", led + 1)
            story.contents.append(b"content %d" % len(story.contents))
            sealed = waiting.count("event=sealed")
            story.command("add", CHAIN, "--home", story.home, _file(story))
            waiting.until("event=sealed", sealed + 1)
            story.blocks()
            lost, stood_by = working.count("event=lease-lost"), working.count("event=standby")
            working.process.send_signal(signal.SIGCONT)
            working.until("event=lease-lost", lost + 1)
            working.until("event=standby", stood_by + 1)
            working, waiting = waiting, working
    finally:
        first.close()
        if second is not None:
            second.close()
    assert second is not None
    signed = re.findall(r"event=sealed seal=\d+ (size=\d+) (root=[0-9a-f]{64})", "".join(first.lines + second.lines))
    assert 3 <= len(signed) == len(dict(signed))
    story.now_ms = time.time_ns() // 1_000_000
    story.finish()


def _file(story: Story) -> Path:
    path = story.folder / "added"
    path.write_bytes(story.contents[-1])
    return path

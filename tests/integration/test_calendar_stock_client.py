"""Our calendar used by the stock OpenTimestamps client, and what it hands out judged by that client and a real node.

The client is opentimestamps-client's ``ots``, beside this Python; it knows nothing of Anchorline. Needs a bitcoind
(BITCOIND or PATH).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.proof import opentimestamps as ots
from anchor.proof.errors import MalformedError
from tests.integration.conftest import Operator
from tests.node import Node
from tests.waiting import wait_until

pytestmark = [pytest.mark.node, pytest.mark.slow]

FINAL = 6
CLIENT_S = 300
START_S = 60.0


class Calendar:
    """A running ``anchorline calendar`` of an operator."""

    def __init__(self, operator: Operator, port: int) -> None:
        self.operator = operator
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "cli", "calendar", "--home", self.operator.home]
        command += ["--listen", f"127.0.0.1:{self.port}", "--uri", self.url, "--network-not-in-file"]
        self.process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("event=started"):
                return
        pytest.fail(f"the calendar ended with {self.process.wait()}")

    def stop(self, number: int = signal.SIGTERM) -> str:
        """End it by a signal; return what it still said."""
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.communicate(timeout=START_S)[1]

    def ots(self, *arguments: object, rc: int = 0) -> str:
        """Run the stock client in the operator's folder, without its cache; return what it said."""
        client = Path(sys.executable).with_name("ots")
        url = f"http://{self.operator.node.cookie.read_text()}@{self.operator.node.url.removeprefix('http://')}/"
        command = [client, "--no-cache", "--bitcoin-node", url, *arguments]
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.operator.folder,
            capture_output=True,
            text=True,
            timeout=CLIENT_S,
            check=False,
        )
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert rc == done.returncode, said
        return said

    def post(self, digest: bytes) -> bytes:
        """Post a digest; return its key, or raise OSError."""
        with urllib.request.urlopen(f"{self.url}/digest", digest, timeout=START_S) as answer:
            (path,) = ots.Timestamp.decode(answer.read(), len(digest)).paths
        return ots.execute(path.operations, digest)

    def state(self, key: bytes) -> str:
        """Return what the calendar says of a key."""
        request = urllib.request.Request(f"{self.url}/timestamp/{key.hex()}", headers={"Accept": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=START_S) as answer:
                return str(json.load(answer)["state"])
        except urllib.error.HTTPError as error:
            with error:
                return str(json.load(error)["state"])


@pytest.fixture
def calendar(operator: Operator) -> Iterator[Calendar]:
    """A calendar of a funded operator on the test's node."""
    operator.init_and_fund()
    with started(operator) as running:
        yield running


@contextmanager
def started(operator: Operator) -> Iterator[Calendar]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        running = Calendar(operator, probe.getsockname()[1])
    running.start()
    try:
        yield running
    finally:
        running.stop(signal.SIGKILL)


def test_stamp_upgrade_and_verify_one_file(calendar: Calendar, node: Node) -> None:
    """The stock client stamps, learns what it waits for, upgrades, and confirms; a changed file it refuses."""
    operator = calendar.operator
    file = operator.folder / "report.pdf"
    file.write_bytes(b"%PDF-1.7 a report")
    calendar.ots("stamp", "-c", calendar.url, "-m", 1, file)
    assert "Pending on regtest; not sealed yet" in calendar.ots("upgrade", "-c", calendar.url, "report.pdf.ots", rc=1)
    assert "Pending on regtest" in calendar.ots("-l", calendar.url, "verify", "report.pdf.ots", rc=1)
    operator.anchor()
    assert "waiting for 6 confirmations" in calendar.ots("upgrade", "-c", calendar.url, "report.pdf.ots", rc=1)
    node.call("generatetodescriptor", FINAL - 1, "raw(51)")
    operator.look()
    # Without -c: the address in the file is asked, once it is on the client's list.
    assert "Success! Timestamp complete" in calendar.ots("-l", calendar.url, "upgrade", "report.pdf.ots")
    assert "Success! Bitcoin block" in calendar.ots("verify", "report.pdf.ots")
    assert (operator.folder / "report.pdf.ots.bak").exists()
    file.write_bytes(b"%PDF-1.7 another report")
    assert "Success" not in calendar.ots("verify", "report.pdf.ots", rc=1)
    assert "event=stopped" in calendar.stop()
    assert 0 == calendar.process.returncode


def test_a_thousand_files_in_one_call(calendar: Calendar, node: Node) -> None:
    """One post carries a thousand files; each of them is upgraded and confirmed on its own."""
    operator = calendar.operator
    names = [f"part-{number:04}" for number in range(1000)]
    for name in names:
        (operator.folder / name).write_text(name)
    calendar.ots("stamp", "-c", calendar.url, "-m", 1, *names)
    size = operator.facts("chain", "show", "calendar")["size"]
    assert 2 == size
    operator.anchor(blocks=FINAL)
    said = calendar.ots("upgrade", "-c", calendar.url, *(f"{name}.ots" for name in names))
    assert len(names) == said.count("Success! Timestamp complete")
    for name in (names[0], names[511], names[-1]):
        assert "Success! Bitcoin block" in calendar.ots("verify", f"{name}.ots")
    assert "Success" not in calendar.ots("verify", "-f", names[1], f"{names[2]}.ots", rc=1)


def test_nothing_that_was_answered_is_lost_by_a_kill(calendar: Calendar, node: Node) -> None:
    """Killed with -9 in the middle of many posts, three times: every key that a client holds is kept and anchored."""
    answered: list[bytes] = []

    def client(number: int) -> None:
        for count in range(10_000):
            try:
                answered.append(calendar.post(b"%08d-%08d" % (number, count)))
            except (OSError, MalformedError):
                return  # killed before or while it answered: this client holds no key

    for _ in range(3):
        before = len(answered)
        clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for each in clients:
            each.start()
        wait_until(lambda: len(answered) >= before + 40)  # noqa: B023  # waited for before it changes
        calendar.stop(signal.SIGKILL)
        for each in clients:
            each.join(START_S)
        calendar.start()
    assert ["pending"] * len(answered) == [calendar.state(key) for key in answered]
    calendar.operator.anchor(blocks=FINAL)
    assert ["complete"] * len(answered) == [calendar.state(key) for key in answered]
    assert "all hold" in calendar.operator.run("audit")


def test_off_mainnet_the_network_must_be_waived(operator: Operator) -> None:
    """The attestation's tag means mainnet: without the flag there is no calendar."""
    operator.init()
    said = operator.run("calendar", "--listen", "127.0.0.1:0", "--uri", "https://calendar.example", rc=2)
    assert "--network-not-in-file" in said
    assert "[]" in operator.run("chain", "list", "--json")

"""``anchorline daemon`` and ``anchorline demo`` as processes of their own: they start, work, stop, and start again.

The daemon runs on a copy of the prepared home with an interval of a second; a signal stops it, as an init system does.
"""

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import World, spawn
from tests.cli.daemons import daemon, stopped, wait_for
from tests.simulators.api_server import ApiServer
from tests.waiting import wait_until

LEASE_S = 240
ROOT = Path(__file__).parent.parent.parent


def anchored_size(world: World) -> int:
    attempts = world.ok("status", "--json").facts["attempts"]
    return max(int(item["checkpoint_size"]) for item in attempts if item["state"] in {"confirmed", "final"})


def is_anchored(world: World, before: int) -> bool:
    """Say whether all entries are sealed, in a checkpoint larger than ``before`` that is in a block."""
    facts = world.ok("status", "--json").facts
    return bool(facts["unsealed"] == 0 and before < facts["checkpoint"]["size"] == anchored_size(world))


def test_the_daemon_seals_and_anchors_and_stops_when_told(world: World) -> None:
    """An entry that waits is sealed and anchored within seconds; SIGTERM ends the daemon cleanly; it starts again."""
    before = anchored_size(world)
    with daemon(world) as process:
        wait_for(process, "event=started jobs=seal,tick")
        holder = world.ok("status", "--json").facts["lease"]["holder"]
        assert ("daemon", process.pid) == (holder["work"], holder["process"])
        assert f"sealing and anchoring: `anchorline daemon`, process {process.pid} on " in world.ok("status").text
        said = wait_for(process, " state=confirmed ")
        _until(process, lambda: is_anchored(world, before))
        assert "event=stopped" in stopped(process, signal.SIGTERM)
    assert "sealing and anchoring: by nobody now" in world.ok("status").text
    sealed = world.ok("status", "--json").facts["checkpoint"]["size"]
    assert before < sealed == anchored_size(world)
    attempt = world.ok("status", "--json").facts["attempts"][0]
    assert f"size={sealed}" in said[-1]
    assert f"txid={attempt['txid']} " in said[-1]
    assert any(line.startswith("event=sealed ") and f" size={sealed} " in line for line in said), said
    world.ok("add", "acme", "-", stdin=b"while the daemon was away")
    with daemon(world) as process:
        _until(process, lambda: is_anchored(world, sealed))
        assert "event=stopped" in stopped(process, signal.SIGINT)
    assert sealed < world.ok("status", "--json").facts["checkpoint"]["size"] == anchored_size(world)
    assert {"clean": True} == {"clean": world.ok("audit", "--json").facts["clean"]}


def _until(process: "subprocess.Popen[str]", holds: Callable[[], bool]) -> None:
    """Wait for something while the process runs."""
    wait_until(lambda: process.poll() is not None or holds(), patience_s=120)
    assert process.poll() is None


def test_entries_are_taken_while_the_daemon_runs(world: World) -> None:
    """``add`` needs no lease, so it works beside a daemon; whoever would seal or anchor is told who has the lease."""
    with daemon(world) as process:
        wait_for(process, "event=done job=tick")
        assert 0 == world.run("add", "acme", "-", stdin=b"meanwhile").exit_code
        for command in ("seal", "tick"):
            done = world.run(command)
            assert 1 == done.exit_code
            assert "another process holds the lease of this home" in done.err
            assert f"`anchorline daemon` (process {process.pid} on " in done.err
            assert "stop it if you want to do that by hand" in done.err
        stopped(process, signal.SIGTERM)
    assert 0 == world.run("seal").exit_code


def set_spending_cap(world: World, cap_sat: int) -> None:
    """Let the anchors of 24 hours cost at most this; 0 is no limit."""
    settings = world.home / "anchorline.toml"
    text = re.sub(r"(?m)^spending_cap_sat = .*\n", "", settings.read_text())
    settings.write_text(f"spending_cap_sat = {cap_sat}\n{text}")


def test_the_daemon_logs_an_alert_once(world: World) -> None:
    """An alert is a line of the log when it comes, not at every tick; where there is no reason there is none."""
    set_spending_cap(world, 1)
    with daemon(world) as process:
        lines = wait_for(process, "event=alert name=spending-cap-reached message=")
        assert "of the 1 sat allowed; the next one waits" in lines[-1]
        more = [line for _ in range(3) for line in wait_for(process, "event=done job=tick")]
        more.append(stopped(process, signal.SIGTERM))
    assert 0 == "".join(more).count("event=alert")
    set_spending_cap(world, 0)
    with daemon(world) as process:
        quiet = [line for _ in range(3) for line in wait_for(process, "event=done job=tick")]
        stopped(process, signal.SIGTERM)
    assert 0 == "".join(quiet).count("event=alert")


def test_a_second_daemon_stands_by_and_takes_over(world: World) -> None:
    """Of two daemons on one home one works; the other says so, and works at once when the first is killed."""
    settings = world.home / "anchorline.toml"
    settings.write_text(re.sub(r"(?m)^lease_s = .*$", f"lease_s = {LEASE_S}", settings.read_text()))
    with daemon(world) as first:
        wait_for(first, "event=done job=tick")
        with daemon(world) as second:
            said = wait_for(second, "event=standby ")[-1]
            assert f"process {first.pid} on " in said
            wait_for(first, "event=done job=tick")
            first.kill()
            first.wait()
            killed_s = time.monotonic()
            wait_for(second, "event=leading ")
            # A process that is gone from this machine is not waited for.
            assert time.monotonic() - killed_s < LEASE_S / 2
            wait_for(second, "event=done job=tick")
            assert "event=stopped" in stopped(second, signal.SIGTERM)
    assert 0 == world.run("audit").exit_code


def test_serve_seals_and_anchors_beside_the_api(world: World) -> None:
    """One process does it all; beside a daemon it serves and stands by, and seals as soon as the daemon has stopped."""
    with daemon(world) as process:
        wait_for(process, "event=done job=tick")
        server = ApiServer(world.home, ()).start()
        try:
            _until(process, lambda: any(line.startswith("event=standby ") for line in server.lines))
            with server.client() as client:
                assert 200 == client.get("/healthz").status_code
            stopped(process, signal.SIGTERM)
            world.ok("add", "acme", "-", stdin=b"while it is served")
            wait_until(lambda: not world.ok("status", "--json").facts["unsealed"], lambda: server.lines, patience_s=120)
        finally:
            assert 0 == server.stop()
    assert any(line.startswith("event=sealed ") for line in server.lines)
    assert 0 == world.run("seal").exit_code


def test_the_demo_shows_the_whole_way(tmp_path: Path) -> None:
    """In a checkout the demo ends with two intact verdicts and a refused change, and leaves nothing behind."""
    environment = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("DATA", "CONFIG", "STATE")}
    environment |= {"TMPDIR": str(tmp_path)}
    done = spawn("demo", cwd=ROOT, environment=environment)
    assert (0, "") == (done.exit_code, done.err)
    assert (2, 1) == (done.text.count("INTACT: "), done.text.count("DOES NOT VERIFY: "))
    assert done.text.rstrip().endswith("The demo did what it should.")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [] == left


def test_the_demo_can_be_kept(tmp_path: Path) -> None:
    """With --keep the home stays, and is a home like any other."""
    environment = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("DATA", "CONFIG", "STATE")}
    kept = tmp_path / "kept" / "home"
    kept.parent.mkdir()
    assert 0 == spawn("demo", "--keep", kept, cwd=ROOT, environment=environment).exit_code
    audited = spawn("audit", "--home", kept, "--json", cwd=tmp_path, environment=environment)
    assert (0, True, 2) == (audited.exit_code, audited.facts["clean"], audited.facts["chains"])


def test_the_daemon_serves_metrics_and_logs_json(world: World) -> None:
    """Each log line is an object; the metrics know the last tick, its tip, and the jobs that ran; both end with it."""
    with daemon(world, "--metrics", "127.0.0.1:0", "--log-format", "json") as process:
        listening = json.loads(wait_for(process, '"event": "metrics"')[-1])
        wait_for(process, '"event": "anchor"')
        done = json.loads(wait_for(process, '"job": "tick", "event": "done"')[-1])
        assert {"at", "level", "event", "job"} == set(done)
        wait_for(process, '"job": "tick", "event": "done"')
        url = f"http://{listening['listen']}/metrics"
        with urllib.request.urlopen(url, timeout=60) as answer:
            samples = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#")
        assert 1 <= float(samples['anchorline_events_total{event="done",job="tick"}'])
        assert 0 < float(samples["anchorline_bitcoin_tip_height"])
        assert 1 <= float(samples["anchorline_anchor_confirmations"])
        said = stopped(process, signal.SIGTERM)
    assert "stopped" == json.loads(said.splitlines()[-1])["event"]
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=60)


def test_a_quiet_daemon_says_what_matters_only(world: World) -> None:
    """With a level of warning there are no news; an alert is still there."""
    set_spending_cap(world, 1)
    with daemon(world, "--log-level", "warning") as process:
        lines = wait_for(process, "event=alert name=spending-cap-reached")
        lines += stopped(process, signal.SIGTERM).splitlines()
    assert {"event=alert"} <= {line.split()[0] for line in lines} <= {"event=alert", "event=late"}


def test_an_address_that_is_none_is_refused(world: World) -> None:
    """Before anything is sealed."""
    done = world.run("daemon", "--metrics", "somewhere")
    assert (1, True) == (done.exit_code, "--metrics: expected HOST:PORT, got 'somewhere'" in done.err)

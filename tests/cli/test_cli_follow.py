"""``audit URL``: a published log followed from outside, and what it says when the history changed since."""

import json
import shutil
from pathlib import Path

from chains.following import seen_file
from tests.cli.commands import Done, World, run
from tests.homes import copy_home
from tests.simulators.api_server import serving


def audited(place: str | Path, world: World) -> Done:
    return run("audit", str(place), "--log", world.card, "--json")


def test_a_log_that_grew_is_compared_with_what_was_seen(world: World, tmp_path: Path) -> None:
    """The first look keeps the signed checkpoint, the next one compares and keeps the newer one."""
    mirror = tmp_path / "public"
    world.ok("mirror", mirror, "--chain", "acme")
    first = audited(mirror, world)
    assert (4, None) == (first.exit_code, first.facts["seen_before"])
    kept = json.loads(seen_file(str(mirror)).read_bytes())
    assert first.facts["facts"]["checkpoint"] == kept["note"]
    assert (str(mirror), first.facts["facts"]["log_id"]) == (kept["place"], kept["log_id"])
    world.ok("seal")
    world.ok("mirror", mirror, "--chain", "acme")
    second = audited(mirror, world)
    assert (4, kept["note"]) == (second.exit_code, second.facts["seen_before"])
    assert (
        json.loads(seen_file(str(mirror)).read_bytes())["note"] == second.facts["facts"]["checkpoint"] != kept["note"]
    )
    assert "Compared with the checkpoint of" in run("audit", str(mirror), "--log", world.card).text


def test_a_history_that_was_taken_back_is_complained_of(world: World, tmp_path: Path) -> None:
    """An older copy under the same address shows fewer leaves than were signed: exit code 1; nothing is forgotten."""
    old, public = tmp_path / "old", tmp_path / "public"
    world.ok("mirror", old)
    world.ok("seal")
    world.ok("mirror", public)
    seen = audited(public, world).facts["facts"]["checkpoint"]
    shutil.rmtree(public)
    shutil.copytree(old, public)
    done = audited(public, world)
    assert (1, ["history-changed"]) == (done.exit_code, done.facts["reasons"])
    assert seen == done.facts["seen_before"] == json.loads(seen_file(str(public)).read_bytes())["note"]
    text = run("audit", str(public), "--log", world.card).text
    assert "what came after was taken back" in text
    assert f"Keep {seen_file(str(public))}: it has the checkpoint that the log signed before." in text


def test_another_history_of_the_same_log_is_complained_of(world: World, tmp_path: Path) -> None:
    """Two copies of a home went on apart: the second one, shown at the place of the first, is another history."""
    other, public = World(tmp_path / "other"), tmp_path / "public"
    shutil.copytree(world.folder, other.folder)
    copy_home(world.home, other.home)
    world.ok("seal")
    world.ok("mirror", public)
    audited(public, world)
    shutil.rmtree(public)
    (seen_file(str(public)).parent.parent / f"{audited_log(world)}.json").unlink()
    other.ok("add", "acme", "-", stdin=b"another one")
    other.ok("seal")
    other.ok("mirror", public)
    done = audited(public, world)
    assert (1, ["history-changed"]) == (done.exit_code, done.facts["reasons"])
    [finding] = [each for step in done.facts["steps"] for each in step["findings"] if each["reason"]]
    assert finding["text"].startswith("HISTORY CHANGED: you have seen a signed checkpoint of")


def audited_log(world: World) -> str:
    log_id: str = world.ok("status", "--json").facts["log_id"]
    return log_id


def test_another_log_at_the_same_place_is_complained_of(world: World, tmp_path: Path) -> None:
    """Whoever gives no card still notices that the log was exchanged."""
    public = tmp_path / "public"
    world.ok("mirror", public)
    run("audit", str(public))
    shutil.rmtree(public)
    stranger = World(tmp_path / "stranger")
    stranger.folder.mkdir()
    stranger.ok("init", "--embedded", "--origin", "log.example/stranger")
    stranger.ok("chain", "create", "acme")
    stranger.ok("tick", "--mine", "101")
    stranger.ok("seal")
    stranger.ok("mirror", public)
    done = run("audit", str(public), "--json")
    assert (1, ["another-log"]) == (done.exit_code, done.facts["reasons"])


def test_what_was_seen_is_not_forgotten_in_silence(world: World, tmp_path: Path) -> None:
    """A state that cannot be read is refused by name."""
    public = tmp_path / "public"
    world.ok("mirror", public)
    audited(public, world)
    seen_file(str(public)).write_text("{}")
    done = audited(public, world)
    assert (2, True) == (done.exit_code, "what was seen at the last audit cannot be read" in done.err)


def test_a_live_service_is_followed(world: World) -> None:
    """Its API gives card, checkpoints, leaves and tiles; what is not public is not checked, and nothing fails."""
    with serving(world.home) as server:
        done = run("audit", server.url, "--log", world.card, "--json")
        again = run("audit", server.url, "--log", world.card, "--json")
    assert (4, []) == (done.exit_code, done.facts["reasons"])
    states = {step["number"]: step["state"] for step in done.facts["steps"]}
    assert ("ok", "ok") == (states[1], states[7])
    assert again.facts["seen_before"] == done.facts["facts"]["checkpoint"]


def test_options_of_a_url_need_one(world: World) -> None:
    """The home's own audit takes no card and no sources, and says as before that all holds."""
    assert 2 == world.run("audit", "--log", world.card).exit_code
    assert "all hold." in world.ok("audit").text


def test_a_home_is_audited_with_headers_and_a_url_is_not(world: World) -> None:
    """Headers are for a home, whose announced recoveries are held against them; of a URL, Bitcoin sources are asked."""
    assert "all hold." in world.ok("audit", "--headers", world.headers, "--no-header-store").text
    assert 2 == world.run("audit", "--headers", world.card).exit_code
    refused = run("audit", world.folder, "--headers", world.headers)
    assert (2, True) == (refused.exit_code, "are for the audit of a home" in refused.err)

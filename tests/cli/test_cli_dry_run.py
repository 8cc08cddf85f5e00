"""``tick --dry-run`` and ``daemon --dry-run`` on a copy of the prepared home: they say what they would do, and stop."""

import json
from pathlib import Path

from tests.cli.commands import World


def home_files(world: World) -> dict[str, bytes]:
    """Return the files of a home and what the machine noted of it; SQLite's companions are not counted."""
    return {
        str(path.relative_to(world.folder)): path.read_bytes()
        for path in sorted(world.folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


def test_a_dry_run_costs_nothing_and_changes_nothing(world: World) -> None:
    """Both commands say the same, and every file is as before; what they said is what ``tick`` then does."""
    settings = world.home / "anchorline.toml"
    settings.write_text(settings.read_text().replace("anchor_every_s = 600", "anchor_every_s = 80000"))
    world.ok("seal")
    before = home_files(world)
    said = world.ok("tick", "--now", "--dry-run", "--json").facts
    waiting = world.ok("daemon", "--dry-run", "--json").facts
    assert before == home_files(world)
    assert ("send", "wait") == (said["would"], waiting["would"])
    assert waiting["why"].startswith("the next anchor is due in")
    assert "send" == world.ok("tick", "--now", "--json").facts["did"]
    newest = world.ok("status", "--json").facts["attempts"][0]
    assert (said["anchor"]["txid"], said["anchor"]["fee_sat"]) == (newest["txid"], newest["fee_sat"])


def test_people_read_what_it_would_cost(world: World) -> None:
    """The text names fee, payload and what waits to be sealed, and says first that nothing was done."""
    text = world.ok("tick", "--now", "--dry-run").text
    assert text.startswith("Dry run: nothing was signed, sent, sealed or stored.\n")
    assert "would seal 1 entry of 1 chain first" in text
    world.ok("seal")
    text = world.ok("tick", "--now", "--dry-run").text
    assert "fee " in text
    assert "payload 414c31" in text


def test_command_lines_that_contradict_themselves_are_refused(world: World) -> None:
    """Mining is something, --dry-run is nothing; and a daemon that runs has no facts."""
    assert 2 == world.run("tick", "--dry-run", "--mine", "1").exit_code
    assert 2 == world.run("daemon", "--json").exit_code


def test_a_missing_home_is_named(tmp_path: Path) -> None:
    """A dry run of nothing is an error with a remedy."""
    done = World(tmp_path).run("daemon", "--dry-run")
    assert (1, True) == (done.exit_code, "anchorline init" in done.err)
    assert [] == list(tmp_path.iterdir())


def test_facts_are_json(world: World) -> None:
    """The documented fields are there."""
    facts = json.loads(world.ok("daemon", "--dry-run", "--json").text)
    assert {"signer", "seal", "would", "why", "anchor", "attempts", "alerts", "next_due_in_s", "pace"} == set(facts)

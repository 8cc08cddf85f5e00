"""``rebuild``: from a copy, with a gap, and what makes no sense."""

from tests.cli.commands import World
from tests.homes import copy_home, move_home


def test_a_restored_home_is_brought_level_from_a_copy(world: World) -> None:
    """Refused before; afterwards everything is there, and the old database is kept."""
    backup = copy_home(world.home, world.folder / "backup")
    world.ok("add", "acme", "-", stdin=b"after the backup")
    move_home(world.home, world.folder / "newer")
    move_home(backup, world.home)
    assert 1 == world.run("add", "acme", "-", stdin=b"second history").exit_code
    assert ["behind"] == [alert["name"] for alert in world.ok("status", "--json").facts["alerts"]]
    facts = world.ok("rebuild", "--from", world.folder / "newer", "--json").facts
    assert 1 == facts["after"]["entries"] - facts["before"]["entries"]
    assert (world.home / "anchorline-before-1.db").is_file()
    assert "all hold" in world.ok("audit").text
    world.ok("add", "acme", "-", stdin=b"and on")
    assert "Taken over: 307 entries" in world.ok("rebuild", "--from", world.home).text


def test_a_gap_is_marked_and_shown(world: World) -> None:
    """The next seal states it, and ``status`` shows it."""
    copy_home(world.home, world.folder / "backup")
    world.ok("add", "acme", "-", stdin=b"promised and lost")
    move_home(world.folder / "backup", world.home)
    gap = world.ok("rebuild", "--mark-gap", "--json").facts
    assert [] == world.ok("status", "--json").facts["epochs"]
    world.ok("seal")
    assert [gap] == world.ok("status", "--json").facts["epochs"]
    assert f"gap: promises received from {gap['lost_from_ms']} to" in world.ok("status").text
    assert "all hold" in world.ok("audit").text
    done = world.run("rebuild", "--mark-gap")
    assert (1, True) == (done.exit_code, "there is no gap to mark" in done.err)


def test_one_way_has_to_be_chosen(world: World) -> None:
    """Neither and both are usage errors; a copy that is none is refused."""
    assert 2 == world.run("rebuild").exit_code
    assert 2 == world.run("rebuild", "--mark-gap", "--from", world.home).exit_code
    done = world.run("rebuild", "--from", world.folder / "none")
    assert (1, True) == (done.exit_code, "expected a copy of a home" in done.err)


def test_a_restored_home_is_brought_level_from_a_mirror(world: World) -> None:
    """Entries come back without promise, content and salt, which is said; a chain that is only hashes is refused."""
    world.ok("seal")
    copy_home(world.home, world.folder / "backup")
    world.ok("add", "acme", "-", stdin=b"after the backup")
    world.ok("seal")
    world.ok("mirror", world.folder / "hashes")
    world.ok("mirror", world.folder / "mirror", "--chain", "acme")
    move_home(world.folder / "backup", world.home)
    done = world.run("rebuild", "--from", world.folder / "hashes")
    assert (1, True) == (done.exit_code, "1 chains of which entries are missing here: acme (" in done.err)
    facts = world.ok("rebuild", "--from", world.folder / "mirror", "--json").facts
    assert 1 == facts["entries_mirrored"] == facts["after"]["entries"] - facts["before"]["entries"]
    world.ok("add", "acme", "-", stdin=b"and on")
    world.ok("seal")
    assert [facts["gap"]] == world.ok("status", "--json").facts["epochs"]
    assert "all hold" in world.ok("audit").text

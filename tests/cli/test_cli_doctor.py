"""``anchorline doctor`` on a copy of the prepared home: exit codes, both forms of output, and beside a daemon."""

from tests.cli.commands import World
from tests.homes import state_of


def fresh(world: World) -> None:
    """Seal and anchor: the prepared home may have lain for long enough to have something overdue."""
    world.ok("seal")
    world.ok("tick", "--now")


def test_a_sound_home(world: World) -> None:
    """Exit code 0, every check in both forms, and nothing in the database changed."""
    fresh(world)
    before = state_of(world.home)
    facts = world.ok("doctor", "--json").facts
    assert "ok" == facts["level"], facts
    assert {"check", "level", "found", "advice"} == set(facts["checks"][0])
    lines = world.ok("doctor").text.splitlines()
    assert [each["check"] for each in facts["checks"]] == [line[13:].split()[0] for line in lines if line[0] != " "]
    assert before == state_of(world.home)


def test_warnings_count_where_that_is_wanted(world: World) -> None:
    """A warning is exit code 0, and 1 with --strict; an error is 1."""
    fresh(world)
    (world.home / "keys").chmod(0o755)
    done = world.run("doctor")
    assert (0, True) == (done.exit_code, "-> chmod 700" in done.text)
    assert (1, "warning") == (world.run("doctor", "--strict").exit_code, world.run("doctor", "--json").facts["level"])
    (world.home / "keys").chmod(0o777)
    assert 1 == world.run("doctor").exit_code


def test_without_a_home(world: World) -> None:
    """A home that is not there is an error of several checks, and none of them a traceback."""
    done = world.run("doctor", "--home", world.folder / "nowhere", "--json")
    assert (1, "error", "") == (done.exit_code, done.facts["level"], done.err)
    assert not (world.folder / "nowhere").exists()


def test_limits_of_time(world: World) -> None:
    """A time limit of nothing makes no sense."""
    assert 2 == world.run("doctor", "--timeout", "0").exit_code

"""``config check`` and ``config show``: the file, the environment over it, and what is said of both."""

import re

import pytest

from tests.cli.commands import World


def edit(world: World, **settings: object) -> None:
    """Set settings in the file of the home."""
    path = world.home / "anchorline.toml"
    text = path.read_text()
    for name, value in settings.items():
        text, count = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        assert 1 == count
    path.write_text(text)


def test_each_value_says_where_it_comes_from(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default, file, environment: the later wins, and the command that uses it sees the same."""
    path = world.home / "anchorline.toml"
    path.write_text(re.sub(r"(?m)^silence_s = .*\n", "", path.read_text()))
    edit(world, seal_every_s=7)
    monkeypatch.setenv("ANCHORLINE_ANCHOR_EVERY_S", "1234")
    monkeypatch.setenv("ANCHORLINE_TICK_EVERY_S", "")
    facts = world.ok("config", "show", "--json").facts
    assert {"value": 86400, "origin": "default"} == facts["silence_s"]
    assert {"value": 7, "origin": "anchorline.toml"} == facts["seal_every_s"]
    assert {"value": 1234, "origin": "ANCHORLINE_ANCHOR_EVERY_S"} == facts["anchor_every_s"]
    assert {"value": 30, "origin": "anchorline.toml"} == facts["tick_every_s"]
    text = world.ok("config", "show").text
    assert "anchor_every_s = 1234  (ANCHORLINE_ANCHOR_EVERY_S)\n" in text
    assert "calendars = none  (anchorline.toml)\n" in text


def test_the_environment_is_obeyed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit that the environment sets holds for writers; a list is cut at commas."""
    monkeypatch.setenv("ANCHORLINE_CONTENT_BYTES", "5")
    done = world.run("add", "acme", "-", stdin=b"six by")
    assert (1, True) == (done.exit_code, "5" in done.err)
    world.ok("add", "acme", "-", stdin=b"five!")
    monkeypatch.setenv("ANCHORLINE_CALENDARS", "https://a.example, https://b.example")
    assert ["https://a.example", "https://b.example"] == world.ok("config", "show", "--json").facts["calendars"][
        "value"
    ]


def test_settings_in_order(world: World) -> None:
    """Of a new home there is nothing to say."""
    assert {"usable": True, "errors": [], "warnings": []} == world.ok("config", "check", "--json").facts
    assert "The settings are in order.\n" == world.ok("config", "check").text


@pytest.mark.parametrize(
    ("variable", "value", "match"),
    [
        ("SEAL_EVERY_S", "often", "ANCHORLINE_SEAL_EVERY_S: expected a decimal integer, found 'often'"),
        ("SEAL_EVERY_S", "0", "seal_every_s: expected 1 to 86400, found 0"),
        ("SEAL_EVERY_S", "99999999999999999999", "expected a decimal integer"),
        ("SOURCE", "telepathy", "source: expected one of"),
        ("NETWORK", "moon", "network 'moon'"),
        ("SEAL_WITHIN_S", "60", ""),
        ("ANCHOR_WITHIN_S", "600", ""),
    ],
)
def test_what_cannot_work_is_an_error(
    variable: str, value: str, match: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 with the name and what was expected, wherever the value comes from."""
    edit(world, seal_every_s=600, anchor_every_s=3600)
    monkeypatch.setenv(f"ANCHORLINE_{variable}", value)
    done = world.run("config", "check", "--json")
    assert (1, False) == (done.exit_code, done.facts["usable"])
    assert match in done.facts["errors"][0]
    assert world.run("config", "check").text.startswith("error: ")


def test_a_misspelt_variable_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does nothing, and nobody should believe that it does; other variables of ours are no settings."""
    monkeypatch.setenv("ANCHORLINE_SEAL_EVERY", "5")
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", "hunter22 hunter22")
    facts = world.ok("config", "check", "--json").facts
    assert ["environment variable ANCHORLINE_SEAL_EVERY: no setting of this name, it does nothing"] == facts["warnings"]


def test_no_secret_is_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are in files and variables of their own; an address with one in it is refused without it."""
    monkeypatch.setenv("ANCHORLINE_WALLET_PASSWORD", "hunter22 hunter22")
    monkeypatch.setenv("ANCHORLINE_CORE_PASSWORD", "hunter22 hunter22")
    monkeypatch.setenv("ANCHORLINE_PUBLISHED_CHECKPOINT", "https://me:hunter22@log.example/checkpoint")
    for command in (["show"], ["show", "--json"], ["check"], ["check", "--json"]):
        done = world.run("config", *command)
        assert 1 == done.exit_code
        assert "hunter22" not in done.text + done.err


def test_a_home_that_is_none(world: World) -> None:
    """Without settings there is one error, and it says how to make them."""
    done = world.run("config", "check", "--home", world.folder / "none")
    assert (1, True) == (done.exit_code, "`anchorline init` makes a home" in done.text)
    assert 1 == world.run("config", "show", "--home", world.folder / "none").exit_code


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://u:sEc@ret@h:1/n", "postgresql://u:***@h:1/n"),
        ("postgresql:///n?password=sEcret&user=u", "postgresql:///n?password=***&user=u"),
        ("postgresql://u@h/n", "postgresql://u@h/n"),
    ],
)
def test_an_address_is_shown_without_its_password(world: World, address: str, shown: str) -> None:
    """A password that somebody wrote into the address of a database is not printed."""
    settings = world.home / "anchorline.toml"
    settings.write_text(re.sub(r"(?m)^database = .*$", f'database = "{address}"', settings.read_text()))
    assert shown == world.ok("config", "show", "--json").facts["database"]["value"]

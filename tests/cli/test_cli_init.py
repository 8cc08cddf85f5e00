"""``anchorline init``: what a new home holds, where it is made, and what the command prints.

Homes are made in temporary folders by the real command; the folders that the XDG specification names are the test's.
"""

import stat
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

import cli
from anchor.proof.receipt import LogCard
from tests.cli.commands import run, spawn


def test_a_new_home_has_keys_settings_database_and_card(tmp_path: Path) -> None:
    """``init --json`` says where everything is; keys are the owner's alone."""
    home = tmp_path / "home"
    facts = run("init", "--embedded", "--home", home, "--origin", "log.example/new", "--json").facts
    assert {"home", "origin", "log_id", "network", "address", "log_card"} == set(facts)
    assert (str(home), "log.example/new", "regtest") == (facts["home"], facts["origin"], facts["network"])
    assert facts["address"].startswith("bcrt1q")
    card = LogCard.decode(Path(facts["log_card"]).read_bytes())
    assert (facts["log_id"], None) == (card.log.log_id.hex(), card.thread)
    assert {"anchorline.db", "anchorline.toml", "keys", "log-card.json"} <= {path.name for path in home.iterdir()}
    keys = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home / "keys").iterdir()}
    assert dict.fromkeys(("checkpoint.pem", "promise.pem", "recovery.pem", "wallet.json"), 0o600) == keys
    assert 0o700 == stat.S_IMODE((home / "keys").stat().st_mode)


def test_the_text_says_what_to_do_next(tmp_path: Path) -> None:
    """People read the log's id, what to hand out, what to fund and what to keep secret."""
    done = run("init", "--embedded", "--home", tmp_path / "home", "--origin", "log.example/new")
    assert (0, "") == (done.exit_code, done.err)
    for part in ("Log log.example/new on regtest", "log id", "log-card.json", "fund it  bcrt1q", "back it up"):
        assert part in done.text


def test_two_logs_are_never_the_same(tmp_path: Path) -> None:
    """Keys are drawn anew, so the identity of a log is too, whatever its origin."""
    made = [run("init", "--embedded", "--home", tmp_path / name, "--origin", "o", "--json").facts for name in "ab"]
    assert made[0]["log_id"] != made[1]["log_id"]
    assert made[0]["address"] != made[1]["address"]


@pytest.mark.parametrize(
    ("network", "prefix"),
    [("testnet4", "tb1q"), ("signet", "tb1q"), ("testnet3", "tb1q"), ("mainnet", "bc1q"), ("regtest", "bcrt1q")],
)
def test_a_home_for_a_node_keeps_its_address_and_no_secret(tmp_path: Path, network: str, prefix: str) -> None:
    """The settings name node, cookie file and network; nothing is asked of the node yet."""
    home = tmp_path / "home"
    node = ("--core-url", "http://127.0.0.1:1", "--core-cookie-file", tmp_path / ".cookie")
    facts = run("init", "--home", home, "--network", network, *node, "--json").facts
    assert (network, True) == (facts["network"], facts["address"].startswith(prefix))
    settings = tomllib.loads((home / "anchorline.toml").read_text())
    expected = (network, "core", "http://127.0.0.1:1", str(tmp_path / ".cookie"))
    assert expected == tuple(settings[name] for name in ("network", "source", "core_url", "core_cookie_file"))


def test_the_public_testnet_is_the_default(tmp_path: Path) -> None:
    """Without --network a home for a node is on testnet4."""
    node = ("--core-url", "http://127.0.0.1:1", "--core-user", "anchorline")
    assert "testnet4" == run("init", "--home", tmp_path / "home", *node, "--json").facts["network"]


def test_a_home_is_where_the_option_the_variable_or_xdg_says(tmp_path: Path) -> None:
    """--home comes before ANCHORLINE_HOME, and that before XDG_DATA_HOME."""
    environment = {"XDG_DATA_HOME": str(tmp_path / "xdg")}
    assert 0 == spawn("init", "--embedded", cwd=tmp_path, environment=environment).exit_code
    assert (tmp_path / "xdg" / "anchorline" / "anchorline.db").is_file()
    environment["ANCHORLINE_HOME"] = str(tmp_path / "variable")
    assert 0 == spawn("init", "--embedded", cwd=tmp_path, environment=environment).exit_code
    assert (tmp_path / "variable" / "anchorline.db").is_file()
    assert 0 == spawn("init", "--embedded", "--home", "option", cwd=tmp_path, environment=environment).exit_code
    assert (tmp_path / "option" / "anchorline.db").is_file()
    logs = [
        spawn("log", "card", *arguments, cwd=tmp_path, environment=environment).out
        for arguments in (["--home", "option"], [], ["--home", "xdg/anchorline"])
    ]
    assert 3 == len(set(logs))


def test_an_empty_variable_names_no_home(tmp_path: Path) -> None:
    """ANCHORLINE_HOME set to nothing is as if it were not set."""
    environment = {"XDG_DATA_HOME": str(tmp_path / "xdg"), "ANCHORLINE_HOME": ""}
    assert 0 == spawn("init", "--embedded", cwd=tmp_path, environment=environment).exit_code
    assert ["xdg"] == [path.name for path in tmp_path.iterdir()]


def test_the_version_is_printed() -> None:
    """``--version`` prints one line and exits with 0."""
    done = run("--version")
    assert (0, f"anchorline {version('anchorline')}\n", "") == (done.exit_code, done.text, done.err)


@pytest.mark.parametrize("command", [[], ["chain"], ["log"]])
def test_help_is_printed_where_a_command_is_missing(command: list[str]) -> None:
    """A bare command shows what there is, without an error message."""
    done = run(*command)
    assert (2, "") == (done.exit_code, done.err)
    assert "Usage: anchorline" in done.text


@pytest.mark.parametrize(
    "command",
    [
        *("init", "add", "seal", "tick", "status", "daemon", "receipt", "upgrade", "verify", "headers", "audit"),
        *("demo", "chain", "chain create", "chain list", "chain show", "chain find", "chain export"),
        *("log", "log card", "log trust"),
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    """``--help`` and ``-h`` print the same, without raw markup, and succeed."""
    long, short = run(*command.split(), "--help"), run(*command.split(), "-h")
    assert (0, "", long.out) == (long.exit_code, long.err, short.out)
    assert f"Usage: anchorline {command}" in long.text
    assert "``" not in long.text


def test_the_installed_command_is_this_one() -> None:
    """The package installs ``anchorline``, which runs ``cli.main``."""
    [script] = [item for item in entry_points(group="console_scripts") if item.name == "anchorline"]
    assert "cli:main" == script.value
    assert cli.main is script.load()

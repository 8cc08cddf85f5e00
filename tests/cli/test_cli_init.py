"""``anchorline init``: what a new home holds, where it is made, and what the command prints.

Homes are made in temporary folders by the real command; the folders that the XDG specification names are the test's.
"""

import stat
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest

import cli
from anchor.bitcoin.networks import NETWORKS
from anchor.proof.receipt import LogCard
from tests.cli.commands import run, spawn
from tests.databases import on_postgres
from tests.simulators.genesis_server import running_genesis
from tests.unit.bitcoin.test_network_file import FILE

# A proxy that nobody runs: no test asks a public server.
NO_PROXY = "http://127.0.0.1:1"


def test_a_new_home_has_keys_settings_database_and_card(tmp_path: Path) -> None:
    """``init --json`` says where everything is; keys are the owner's alone."""
    home = tmp_path / "home"
    facts = run("init", "--embedded", "--home", home, "--origin", "log.example/new", "--json").facts
    assert {"home", "origin", "log_id", "network", "address", "log_card"} == set(facts)
    assert (str(home), "log.example/new", "regtest") == (facts["home"], facts["origin"], facts["network"])
    assert facts["address"].startswith("bcrt1q")
    card = LogCard.decode(Path(facts["log_card"]).read_bytes())
    assert (facts["log_id"], None) == (card.log.log_id.hex(), card.thread)
    in_a_file = set() if on_postgres() else {"anchorline.db"}
    assert in_a_file | {"anchorline.toml", "keys", "log-card.json"} <= {path.name for path in home.iterdir()}
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
    """The settings name node, cookie file and network; a node that is down is no hindrance."""
    home = tmp_path / "home"
    node = ("--core-url", "http://127.0.0.1:1", "--core-cookie-file", tmp_path / ".cookie", "--no-password")
    facts = run("init", "--home", home, "--network", network, *node, "--json").facts
    assert (network, True) == (facts["network"], facts["address"].startswith(prefix))
    settings = tomllib.loads((home / "anchorline.toml").read_text())
    expected = (network, "core", "http://127.0.0.1:1", str(tmp_path / ".cookie"))
    assert expected == tuple(settings[name] for name in ("network", "source", "core_url", "core_cookie_file"))


def test_the_public_testnet_is_the_default(tmp_path: Path) -> None:
    """Without --network a home for a node is on testnet4."""
    node = ("--core-url", "http://127.0.0.1:1", "--core-user", "anchorline", "--no-password")
    assert "testnet4" == run("init", "--home", tmp_path / "home", *node, "--json").facts["network"]


def test_a_source_of_another_network_makes_nothing(tmp_path: Path) -> None:
    """A server that follows another network is refused before a key is made; both genesis blocks are named."""
    with running_genesis(NETWORKS["signet"].genesis_hash) as server:
        done = run("init", "--home", tmp_path / "home", "--esplora-url", server, "--no-password")
    assert (1, b"") == (done.exit_code, done.out)
    assert "expected the genesis block 00000000da84f2ba" in done.err
    assert "correct the network or the server's address" in done.err
    assert not (tmp_path / "home").exists()


def settings_of(home: Path) -> dict[str, Any]:
    return tomllib.loads((home / "anchorline.toml").read_text())


def test_without_any_source_the_public_servers_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home for signet asks the servers of the network's record, which are not written down; they are warned of."""
    monkeypatch.setenv("HTTPS_PROXY", NO_PROXY)
    done = run("init", "--home", tmp_path / "home", "--network", "signet", "--no-password", "--json")
    assert 0 == done.exit_code
    assert 2 == done.err.count("could not be asked whether it follows signet")
    found = settings_of(tmp_path / "home")
    assert ("signet", "esplora", [], 60) == tuple(
        found[name] for name in ("network", "source", "esplora_urls", "tick_every_s")
    )


def test_a_single_public_server_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of testnet4 one public server is known: the home is made, and the operator told that nobody contradicts it."""
    monkeypatch.setenv("HTTPS_PROXY", NO_PROXY)
    done = run("init", "--home", tmp_path / "home", "--no-password", "--json")
    assert (0, "testnet4") == (done.exit_code, done.facts["network"])
    assert done.err.startswith("warning: only one Bitcoin source is known for testnet4, https://mempool.space/")


def test_servers_of_ones_own_are_kept(tmp_path: Path) -> None:
    """--esplora-url may be repeated, and stands beside a node."""
    urls = ("--esplora-url", "http://127.0.0.1:1", "--esplora-url", "http://127.0.0.1:2")
    silent = run("init", "--home", tmp_path / "one", *urls, "--no-password").err
    assert 2 == silent.count("warning: http://127.0.0.1:")
    node = ("--core-user", "u", "--core-password-file", "/nowhere/password")
    silent = run("init", "--home", tmp_path / "two", *urls, *node, "--no-password").err
    assert 3 == silent.count("warning: http://127.0.0.1:")
    one, two = settings_of(tmp_path / "one"), settings_of(tmp_path / "two")
    assert [["http://127.0.0.1:1", "http://127.0.0.1:2"]] * 2 == [one["esplora_urls"], two["esplora_urls"]]
    assert ("esplora", "core+esplora") == (one["source"], two["source"])
    assert ("u", "/nowhere/password") == (two["core_user"], two["core_password_file"])


@pytest.mark.parametrize(
    "url", ["example.org", "ftp://example.org", "https://u:secret@example.org", "u:secret@example.org"]
)
def test_an_address_that_is_none_makes_nothing(tmp_path: Path, url: str) -> None:
    """A server's address is checked before a key is made, and a password in it is not repeated."""
    done = run("init", "--home", tmp_path / "home", "--esplora-url", url, "--no-password")
    assert (1, b"") == (done.exit_code, done.out)
    assert "expected" in done.err
    assert "secret" not in done.err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("url", ["127.0.0.1:8332", "ftp://127.0.0.1", "http://u:secret@127.0.0.1", "u:secret@host:1"])
def test_a_nodes_address_that_is_none_makes_nothing(tmp_path: Path, url: str) -> None:
    """A node's address is checked before a key is made; a password in it is neither repeated nor written down."""
    node = ("--core-url", url, "--core-cookie-file", tmp_path / ".cookie")
    done = run("init", "--home", tmp_path / "home", *node, "--no-password")
    assert (1, b"") == (done.exit_code, done.out)
    assert "expected" in done.err
    assert "secret" not in done.err
    assert not (tmp_path / "home").exists()


def test_files_of_the_node_are_named_from_everywhere(tmp_path: Path) -> None:
    """Paths are relative to where init ran; the daemon runs elsewhere, so the settings have them whole."""
    for number, options in enumerate(
        (("--core-cookie-file", ".cookie"), ("--core-user", "u", "--core-password-file", "pw"))
    ):
        home = tmp_path / f"home-{number}"
        made = spawn("init", "--home", home, *options, "--no-password", cwd=tmp_path, environment={})
        assert 0 == made.exit_code, made.err
    names = ("core_cookie_file", "core_password_file")
    assert [str(tmp_path / ".cookie"), ""] == [settings_of(tmp_path / "home-0")[name] for name in names]
    assert ["", str(tmp_path / "pw")] == [settings_of(tmp_path / "home-1")[name] for name in names]


def test_what_an_interrupted_init_left_is_named(tmp_path: Path) -> None:
    """Keys without settings are no home: init says what they are, and touches nothing."""
    home = tmp_path / "home"
    assert 0 == run("init", "--embedded", "--home", home).exit_code
    (home / "anchorline.toml").unlink()
    done = run("init", "--embedded", "--home", home)
    assert (1, b"") == (done.exit_code, done.out)
    assert f"{home}: an `anchorline init` that did not finish left its keys here" in done.err
    assert (home / "keys" / "wallet.json").is_file()


def test_a_network_of_a_file_is_copied_into_the_home(tmp_path: Path) -> None:
    """The home has its own copy, so that what its network is does not change behind its back; a log stays on it."""
    given = tmp_path / "given.toml"
    given.write_text(FILE, encoding="utf-8")
    home = tmp_path / "home"
    done = run("init", "--home", home, "--network-file", given, "--no-password", "--json")
    assert (0, "testnet5") == (done.exit_code, done.facts["network"])
    assert given.read_bytes() == (home / "networks.toml").read_bytes()
    given.unlink()
    assert 0 == run("chain", "create", "c", "--home", home).exit_code
    assert "testnet5" == run("status", "--home", home, "--json").facts["network"]
    (home / "networks.toml").write_text(FILE.replace("0a0b0c0d", "0a0b0c0e"), encoding="utf-8")
    refused = run("status", "--home", home)
    assert (1, b"") == (refused.exit_code, refused.out)
    assert "expected the one that this log was made for" in refused.err


def test_a_file_of_several_networks_needs_a_name(tmp_path: Path) -> None:
    """Where the file has two records, --network says which."""
    given = tmp_path / "given.toml"
    other = FILE.replace("networks.testnet5", "networks.testnet6").replace("0a0b0c0d", "0a0b0c0e")
    given.write_text(FILE + other, encoding="utf-8")
    done = run("init", "--home", tmp_path / "home", "--network-file", given, "--no-password")
    assert (2, b"") == (done.exit_code, done.out)
    assert "has testnet5, testnet6: say which with --network" in done.err
    made = run(
        "init", "--home", tmp_path / "home", "--network-file", given, "--network", "testnet6", "--no-password", "--json"
    )
    assert "testnet6" == made.facts["network"]


def test_a_home_is_where_the_option_the_variable_or_xdg_says(tmp_path: Path) -> None:
    """--home comes before ANCHORLINE_HOME, and that before XDG_DATA_HOME."""
    environment = {"XDG_DATA_HOME": str(tmp_path / "xdg")}
    assert 0 == spawn("init", "--embedded", cwd=tmp_path, environment=environment).exit_code
    assert (tmp_path / "xdg" / "anchorline" / "anchorline.toml").is_file()
    environment["ANCHORLINE_HOME"] = str(tmp_path / "variable")
    assert 0 == spawn("init", "--embedded", cwd=tmp_path, environment=environment).exit_code
    assert (tmp_path / "variable" / "anchorline.toml").is_file()
    assert 0 == spawn("init", "--embedded", "--home", "option", cwd=tmp_path, environment=environment).exit_code
    assert (tmp_path / "option" / "anchorline.toml").is_file()
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


@pytest.mark.parametrize("command", [[], ["chain"], ["log"], ["wallet"], ["wallet", "psbt"]])
def test_help_is_printed_where_a_command_is_missing(command: list[str]) -> None:
    """A bare command shows what there is, without an error message."""
    done = run(*command)
    assert (2, "") == (done.exit_code, done.err)
    assert "Usage: anchorline" in done.text


@pytest.mark.parametrize(
    "command",
    [
        *("init", "add", "seal", "tick", "status", "daemon", "receipt", "upgrade", "verify", "headers", "audit"),
        *("demo", "examples", "chain", "chain create", "chain list", "chain show", "chain find", "chain export"),
        *(
            "log",
            "log card",
            "log trust",
            "wallet",
            "wallet address",
            "wallet balance",
            "wallet history",
            "wallet password",
        ),
        *("wallet psbt", "wallet psbt export", "wallet psbt import"),
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

"""Which Bitcoin sources a home has by its settings, and what is refused or warned of before anything is asked."""

from pathlib import Path
from typing import Any

import pytest

from anchor.bitcoin.agreeing import AgreeingSource
from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.local import LocalRegtest
from anchor.bitcoin.networks import NETWORKS
from anchor.errors import SettingsError, SourceError, WrongNetworkError
from chains.settings import Settings, checked_settings
from chains.sources import (
    core_url,
    esplora_urls,
    needed,
    network_of,
    network_warnings,
    open_source,
    read_password,
    source_warnings,
)
from tests.simulators.genesis_server import running_genesis
from tests.unit.bitcoin.test_network_file import FILE

ONE, TWO = "http://127.0.0.1:3001", "http://127.0.0.1:3002"
COOKIE = {"core_cookie_file": "/nowhere/.cookie"}


def settings(source: str, network: str = "testnet4", **more: Any) -> Settings:
    return checked_settings({"network": network, "source": source, **more}, "test")


def kind_of(wanted: Settings, folder: Path) -> type:
    """Return the kind of source that is opened, which is closed again."""
    source = open_source(wanted, NETWORKS[wanted.network], folder)
    source.close()
    return type(source)


def test_each_source_is_opened_as_configured(tmp_path: Path) -> None:
    """One source is that source; several, of whatever kinds, are sources that must agree."""
    assert LocalRegtest is kind_of(settings("embedded", "regtest"), tmp_path)
    assert CoreSource is kind_of(settings("core", **COOKIE), tmp_path)
    assert EsploraSource is kind_of(settings("esplora", esplora_urls=[ONE]), tmp_path)
    assert AgreeingSource is kind_of(settings("esplora", esplora_urls=[ONE, TWO]), tmp_path)
    assert AgreeingSource is kind_of(settings("core+esplora", esplora_urls=[ONE], **COOKIE), tmp_path)


def test_without_addresses_the_networks_own_servers_are_used() -> None:
    """The record of a network names its public servers; a node is looked for at the network's port."""
    signet = NETWORKS["signet"]
    assert signet.esplora_urls == esplora_urls(settings("esplora", "signet"), signet)
    assert () == esplora_urls(settings("core", "signet"), signet)
    assert "http://127.0.0.1:38332" == core_url(settings("core", "signet"), signet)
    assert ONE == core_url(settings("core", "signet", core_url=ONE), signet)


def test_a_network_without_public_servers_needs_addresses() -> None:
    """Everybody's regtest is another: nobody can be asked by default."""
    with pytest.raises(SettingsError, match="no public Esplora server of regtest is known"):
        esplora_urls(settings("esplora", "regtest"), NETWORKS["regtest"])


@pytest.mark.parametrize(
    ("urls", "message"),
    [([ONE, ONE + "/"], "each address once"), (["example.org"], "expected an address like"), ([""], "an address like")],
)
def test_addresses_are_checked(urls: list[str], message: str) -> None:
    """The same server twice would outvote an honest one; what is no address is refused before a home is made."""
    with pytest.raises(SettingsError, match=message):
        source_warnings(settings("esplora", esplora_urls=urls), NETWORKS["testnet4"])


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (settings("embedded", "regtest"), 0),
        (settings("core"), 1),
        (settings("esplora", esplora_urls=[ONE]), 1),
        (settings("esplora", esplora_urls=[ONE, TWO]), 2),
        (settings("core+esplora", esplora_urls=[ONE]), 2),
        (settings("core+esplora", esplora_urls=[ONE, TWO]), 2),
        (settings("core+esplora", esplora_urls=[ONE, TWO], sources_needed=3), 3),
        (settings("esplora", esplora_urls=[ONE, TWO], sources_needed=1), 1),
    ],
)
def test_two_must_agree_where_two_are_known(wanted: Settings, count: int) -> None:
    """The default is two; one where only one is known; the settings may say another number."""
    assert count == needed(wanted, NETWORKS[wanted.network])


def test_more_than_there_are_cannot_be_needed(tmp_path: Path) -> None:
    """A number that can never be reached is refused, and not met at the first tick."""
    with pytest.raises(SettingsError, match="expected at most the number of Bitcoin sources, 1; found 2"):
        open_source(settings("esplora", esplora_urls=[ONE], sources_needed=2), NETWORKS["testnet4"], tmp_path)


def test_one_source_alone_is_warned_of() -> None:
    """A single server of somebody else's decides alone, and the operator is told; his own node is not warned of."""
    testnet4 = NETWORKS["testnet4"]
    (alone,) = source_warnings(settings("esplora"), testnet4)
    assert f"only one Bitcoin source is known for testnet4, {testnet4.esplora_urls[0]}" in alone
    (decides,) = source_warnings(settings("esplora", esplora_urls=[ONE, TWO], sources_needed=1), testnet4)
    assert "sources_needed = 1" in decides
    for quiet in (settings("core"), settings("esplora", esplora_urls=[ONE, TWO]), settings("esplora", "signet")):
        assert [] == source_warnings(quiet, NETWORKS[quiet.network])
    assert [] == source_warnings(settings("embedded", "regtest"), NETWORKS["regtest"])


# --- the node's password


def test_a_password_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of the file that is named; the variable where none is."""
    path = tmp_path / "password"
    path.write_text("päss word\nmore\n", encoding="utf-8")
    path.chmod(0o600)
    monkeypatch.setenv("ANCHORLINE_CORE_PASSWORD", "other")
    assert ("päss word", "other") == (read_password(str(path)), read_password(""))


def test_a_missing_password_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither file nor variable, an empty file, a folder, bytes that are no text: each says what was expected."""
    monkeypatch.delenv("ANCHORLINE_CORE_PASSWORD", raising=False)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "bytes").write_bytes(b"se\xffcret")
    for name in ("empty", "bytes"):
        (tmp_path / name).chmod(0o600)
    cases = {"": "found neither", "empty": "found an empty one", ".": "cannot read", "bytes": "found other bytes"}
    for name, message in cases.items():
        with pytest.raises(SettingsError, match=message) as refused:
            read_password(str(tmp_path / name) if name else "")
        assert "cret" not in str(refused.value)


def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """As a key file is: when it is read, so when a daemon starts, and in the doctor's check of the source."""
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o640)
    with pytest.raises(SettingsError, match=r"password: others may read it \(mode 640\); run `chmod 600") as refused:
        read_password(str(path))
    assert "secret" not in str(refused.value)
    configured = settings("core", core_user="u", core_password_file=str(path))
    with pytest.raises(SettingsError, match="others may read it"):
        open_source(configured, NETWORKS["testnet4"], tmp_path)


# --- asked when a home is made


def test_sources_are_asked_for_their_network(tmp_path: Path) -> None:
    """The right one is silent, one that is down is warned of, another network and no API at all are refused."""
    with running_genesis(NETWORKS["signet"].genesis_hash) as url:
        right = settings("esplora", "signet", esplora_urls=[url])
        assert [] == network_warnings(right, NETWORKS["signet"], tmp_path)
        (said,) = network_warnings(
            settings("esplora", "signet", esplora_urls=[url, "http://127.0.0.1:1"]), NETWORKS["signet"], tmp_path
        )
        assert said.startswith("http://127.0.0.1:1 could not be asked whether it follows signet")
        with pytest.raises(WrongNetworkError, match=r"expected the genesis block .* of testnet4"):
            network_warnings(settings("esplora", esplora_urls=[url]), NETWORKS["testnet4"], tmp_path)
        with pytest.raises(SourceError, match=r"the address is wrong: expected an Esplora API at .*/wrong"):
            network_warnings(settings("esplora", esplora_urls=[f"{url}/wrong"]), NETWORKS["testnet4"], tmp_path)


def test_a_node_without_credentials_is_refused(tmp_path: Path) -> None:
    """A node answers nobody without cookie or password."""
    with pytest.raises(SettingsError, match="expected core_cookie_file in the settings, or core_user"):
        open_source(settings("core"), NETWORKS["testnet4"], tmp_path)


# --- networks from a file


def test_a_network_of_a_file_is_found_beside_the_settings(tmp_path: Path) -> None:
    """The file's path is relative to the home, so that a home can be moved."""
    (tmp_path / "networks.toml").write_text(FILE, encoding="utf-8")
    found = network_of(settings("esplora", "testnet5", network_file="networks.toml"), tmp_path)
    assert ("testnet5", 144) == (found.name, found.watch_depth)


@pytest.mark.parametrize(
    ("network", "message"),
    [("testnet4", "network 'testnet4' is built in"), ("testnet6", "which has testnet5; got 'testnet6'")],
)
def test_a_file_of_other_networks_is_refused(tmp_path: Path, network: str, message: str) -> None:
    """A file that says nothing about the configured network is a mistake, of one or of the other."""
    (tmp_path / "networks.toml").write_text(FILE, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        network_of(settings("esplora", network, network_file="networks.toml"), tmp_path)

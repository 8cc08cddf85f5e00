"""Settings files: what is written is read back, and every wrong value is refused by its name.

Files are written by hand in a temporary folder, as an operator's editor would.
"""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.errors import SettingsError
from chains.settings import MIB, Limits, Settings, checked_settings, load_settings

LEAST = 'network = "regtest"\nsource = "embedded"\n'


def load(folder: Path, text: str) -> Settings:
    path = folder / "anchorline.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def test_the_least_settings_have_the_documented_defaults(tmp_path: Path) -> None:
    """A file with network and source only gives seals each minute, anchors each ten, and 1 MiB of content."""
    found = load(tmp_path, LEAST)
    assert Settings("regtest", "embedded") == found
    assert (60, 600, 86400, MIB) == (found.seal_every_s, found.anchor_every_s, found.silence_s, found.content_bytes)
    assert Limits(MIB, 15 * 60_000, 48 * 3_600_000) == found.limits


def test_limits_are_in_milliseconds(tmp_path: Path) -> None:
    """The file states seconds, the writer promises milliseconds."""
    found = load(tmp_path, LEAST + "seal_within_s = 61\nanchor_within_s = 601\ncontent_bytes = 7\n")
    assert Limits(7, 61_000, 601_000) == found.limits


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(url=TEXT, user=TEXT, urls=st.lists(TEXT, max_size=3), seal_every_s=st.integers(1, 86400))
def test_what_is_written_is_read_back(url: str, user: str, urls: list[str], seal_every_s: int) -> None:
    """Settings survive their file, whatever characters an address or a name has."""
    wanted = Settings(
        *("testnet4", "core+esplora"),
        core_url=url,
        core_user=user,
        esplora_urls=tuple(urls),
        seal_every_s=seal_every_s,
    )
    assert wanted == checked_settings(tomllib.loads(wanted.encode()), "a file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('source = "embedded"', "'network' is missing"),
        ('network = "regtest"', "'source' is missing"),
        (LEAST + "seal_evry_s = 5", "unknown setting 'seal_evry_s'; known are network"),
        (LEAST + "seal_every_s = 0", "seal_every_s: expected 1 to 86400, found 0"),
        (LEAST + "seal_every_s = 86401", "seal_every_s: expected 1 to 86400, found 86401"),
        (LEAST + "tick_every_s = 3601", "tick_every_s: expected 1 to 3600"),
        (LEAST + "anchor_every_s = 2592001", "anchor_every_s: expected 1 to 2592000"),
        (LEAST + "silence_s = 59", "silence_s: expected 60"),
        (LEAST + "content_bytes = 16777217", "content_bytes: expected 1 to 16777216"),
        (LEAST + "seal_within_s = 59", "seal_within_s: expected 60"),
        (LEAST + "anchor_within_s = 599", "anchor_within_s: expected 600"),
        (LEAST + 'seal_every_s = "60"', "seal_every_s: expected int, found '60'"),
        (LEAST + "seal_every_s = 1.0", "seal_every_s: expected int, found 1.0"),
        (LEAST + "seal_every_s = true", "seal_every_s: expected int, found True"),
        (LEAST + "core_url = 5", "core_url: expected str, found 5"),
        (
            LEAST.replace("embedded", "electrum"),
            "source: expected one of 'embedded', 'core', 'esplora', 'core+esplora'; found 'electrum'",
        ),
        (LEAST.replace("regtest", "testnet4"), "network 'testnet4' needs source = 'core'"),
        (LEAST + 'esplora_urls = "https://example.org"', "esplora_urls: expected a list of texts, found 'https"),
        (LEAST + "esplora_urls = [5]", "esplora_urls: expected a list of texts, found [5]"),
        (LEAST + 'esplora_urls = ["http://127.0.0.1:1"]', "esplora_urls: expected none with source = 'embedded'"),
        (LEAST + 'core_url = "http://127.0.0.1:1"', "core_url: expected none with source = 'embedded'"),
        (LEAST.replace("embedded", "esplora") + 'core_user = "u"', "core_user: expected none with source = 'esplora'"),
        (LEAST + "sources_needed = 17", "sources_needed: expected 0 to 16, found 17"),
        (LEAST + "esplora_timeout_s = 0", "esplora_timeout_s: expected 1 to 600, found 0"),
        (LEAST + "core_timeout_s = 3601", "core_timeout_s: expected 1 to 3600, found 3601"),
        (LEAST + 'timestamp_authorities = ["http://a.example"]', "expected timestamp_certificates too"),
        (
            LEAST + f"timestamp_authorities = {[f'http://{n}.example' for n in range(5)]}",
            "expected at most 4 addresses",
        ),
        (LEAST + 'timestamp_authorities = ["http://a.example", "http://a.example"]', "each once, found 2"),
        (LEAST + 'timestamp_authorities = ["nowhere"]\ntimestamp_certificates = "r.pem"', "expected an address like"),
        (LEAST + LEAST, "not TOML"),
        ("network", "not TOML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file, the setting, what was expected and what came."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "anchorline.toml" in str(caught.value)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """Without a settings file there is no home, and the message says what makes one."""
    with pytest.raises(SettingsError, match="anchorline init"):
        load_settings(tmp_path / "anchorline.toml")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A folder in the place of the file, or bytes that are not UTF-8, are errors of the settings."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path)
    path = tmp_path / "anchorline.toml"
    path.write_bytes(b'network = "\xff"')
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(path)

"""Tests of ``anchor.bitcoin.network_file``: a network is a record in a file, and every field of it is checked."""

from pathlib import Path
from typing import Any

import pytest
from embit import bech32

from anchor.bitcoin.header_rules import HeaderRules, genesis_end
from anchor.bitcoin.network_file import load_networks, networks_from
from anchor.bitcoin.networks import NETWORKS, Network
from anchor.bitcoin.wallet import Wallet
from anchor.errors import SettingsError
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.networks import NetworkRules

# A header of the tests' own, with the work that it claims: 4.8 million hashes.
GENESIS = (
    "0100000000000000000000000000000000000000000000000000000000000000000000009713d657"
    "454feca5b6c07273f76de1bb26d12c58b55a3b197a725572ac81038e00a5186aae77031e54eaef00"
)
RECORD: dict[str, Any] = {
    "genesis_header": GENESIS,
    "message_start": "0a0b0c0d",
    "pow_limit_bits": "1e0377ae",
    "proof_of_work_note": "Proof of work on testnet5 is worth little.",
    "address_hrp": "tb",
    "p2p_port": 58333,
    "rpc_port": 58332,
}
FILE = f"""
[networks.testnet5]
genesis_header = "{GENESIS}"
message_start = "0a0b0c0d"
pow_limit_bits = "1e0377ae"
proof_of_work_note = "Proof of work on testnet5 is worth little."
address_hrp = "tb"
p2p_port = 58333
rpc_port = 58332
period = 1008
eases_after_s = 1800
is_bip94 = true
least_version = 5
unseen = "the signatures of its blocks"
watch_depth = 144
final_depth = 12
fee_floor_sat_per_vb = 1
fee_fallback_sat_per_vb = 2.5
fee_cap_sat_per_vb = 40.0
coin_floor_sat = 2_000
esplora_urls = ["https://esplora.example.org/testnet5/api/", "http://127.0.0.1:3005"]
"""


def read(**changes: Any) -> Network:
    """Return the network of the record with these fields changed; ``...`` takes one away."""
    fields = {name: value for name, value in {**RECORD, **changes}.items() if value is not ...}
    return networks_from({"networks": {"testnet5": fields}}, "file")["testnet5"]


def refused(values: dict[str, Any]) -> str:
    """Return what is said of values that are refused."""
    with pytest.raises(SettingsError) as error:
        networks_from(values, "networks.toml")
    return str(error.value)


def test_a_record_becomes_a_network(tmp_path: Path) -> None:
    """Every field of a record arrives, in the form that the service uses."""
    path = tmp_path / "networks.toml"
    path.write_text(FILE, encoding="utf-8")
    note = "Proof of work on testnet5 is worth little."
    genesis = bytes.fromhex(GENESIS)
    rules = NetworkRules("testnet5", sha256d(genesis), bytes.fromhex("0a0b0c0d"), 0x0377AE << 216, note)
    headers = HeaderRules(
        network=rules,
        genesis=genesis,
        period=1008,
        retargets=True,
        eases_after_s=1800,
        is_bip94=True,
        versions=((1, 5),),
        unseen="the signatures of its blocks",
    )
    expected = Network(
        headers=headers,
        address_hrp="tb",
        p2p_port=58333,
        rpc_port=58332,
        watch_depth=144,
        final_depth=12,
        fee_floor_sat_per_vb=1.0,
        fee_cap_sat_per_vb=40.0,
        fee_fallback_sat_per_vb=2.5,
        coin_floor_sat=2_000,
        esplora_urls=("https://esplora.example.org/testnet5/api", "http://127.0.0.1:3005"),
    )
    assert expected == load_networks(path)["testnet5"]
    assert 1 == expected.coin_type


def test_the_built_in_networks_stay(tmp_path: Path) -> None:
    """A file adds to the known networks and changes none of them."""
    path = tmp_path / "networks.toml"
    path.write_text(FILE, encoding="utf-8")
    assert {**NETWORKS} == {name: network for name, network in load_networks(path).items() if name != "testnet5"}


def test_what_a_record_leaves_out_has_the_test_networks_defaults() -> None:
    """Depths, rates and the coin's floor are those of the built-in test networks; no server is asked by default."""
    made, known = read(), NETWORKS["testnet4"]
    assert (known.watch_depth, known.final_depth, known.coin_floor_sat) == (
        made.watch_depth,
        made.final_depth,
        made.coin_floor_sat,
    )
    assert (known.fee_floor_sat_per_vb, known.fee_fallback_sat_per_vb, known.fee_cap_sat_per_vb) == (
        made.fee_floor_sat_per_vb,
        made.fee_fallback_sat_per_vb,
        made.fee_cap_sat_per_vb,
    )
    assert () == made.esplora_urls


@pytest.mark.parametrize("hrp", ["tb", "bcrt", "tn5"])
def test_a_wallet_works_on_a_network_from_a_file(hrp: str) -> None:
    """Nothing but the record is needed: addresses begin with its human-readable part, whatever that is."""
    made = read(address_hrp=hrp)
    wallet = Wallet.generate(made, bytes(16))
    assert wallet.address.startswith(f"{hrp}1q")
    assert (0, list(wallet.script[2:])) == bech32.decode(hrp, wallet.address)  # type: ignore[no-untyped-call]  # embit has no types


def test_headers_are_judged_by_the_record() -> None:
    """What a record leaves out is as on mainnet today; its genesis block begins a chain."""
    made, mainnet = read(), NETWORKS["mainnet"].headers
    assert (mainnet.period, True, None, False) == (
        made.headers.period,
        made.headers.retargets,
        made.headers.eases_after_s,
        made.headers.is_bip94,
    )
    assert (0, made.genesis_hash) == genesis_end(made.headers)[:2]


def test_a_genesis_block_without_its_work_is_a_slip_of_the_pen() -> None:
    """One digit wrong, and the header's hash is no longer below its own target."""
    said = refused({"networks": {"testnet5": {**RECORD, "genesis_header": GENESIS[:-1] + "1"}}})
    assert said.startswith("networks.toml: networks.testnet5: expected a block hash of at most")


def test_a_limit_that_cannot_retarget_is_refused() -> None:
    """A limit as regtest's would wrap in Bitcoin Core's arithmetic; without retargets it can be."""
    assert "must not retarget" in refused({"networks": {"testnet5": {**RECORD, "pow_limit_bits": "207fffff"}}})
    assert not read(pow_limit_bits="207fffff", retargets=False).headers.retargets


@pytest.mark.parametrize("field", RECORD)
def test_a_required_field_must_be_there(field: str) -> None:
    """The message names file, network and field."""
    fields = {name: value for name, value in RECORD.items() if name != field}
    assert f"networks.toml: networks.testnet5: field '{field}' is missing" == refused(
        {"networks": {"testnet5": fields}}
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("genesis_header", GENESIS.upper()),
        ("genesis_header", GENESIS[:-2]),
        ("genesis_header", 5),
        ("message_start", "0a0b0c"),
        ("message_start", "0A0B0C0D"),
        ("message_start", 168496141),
        ("pow_limit_bits", "1d00fff"),
        ("pow_limit_bits", "1d00ffff "),
        ("pow_limit_bits", "00000000"),  # a target of zero
        ("pow_limit_bits", "1d80ffff"),  # a negative one
        ("pow_limit_bits", "2300ffff"),  # one of more than 256 bits
        ("pow_limit_bits", "1f0000ff"),  # written longer than it needs to be
        ("proof_of_work_note", ""),
        ("proof_of_work_note", "two\nlines"),
        ("proof_of_work_note", "x" * 501),
        ("address_hrp", ""),
        ("address_hrp", "TB"),
        ("address_hrp", "t1 "),
        ("address_hrp", "x" * 17),
        ("address_hrp", "bc"),
        ("address_hrp", 5),
        ("p2p_port", 0),
        ("period", 1),
        ("retargets", 1),
        ("eases_after_s", 0),
        ("is_bip94", "yes"),
        ("least_version", 0),
        ("unseen", ""),
        ("rpc_port", 0),
        ("rpc_port", 65_536),
        ("rpc_port", True),
        ("rpc_port", "58332"),
        ("watch_depth", 0),
        ("watch_depth", 6.0),
        ("final_depth", 0),
        ("fee_floor_sat_per_vb", 0),
        ("fee_floor_sat_per_vb", True),
        ("fee_cap_sat_per_vb", float("inf")),
        ("fee_cap_sat_per_vb", float("nan")),
        ("fee_cap_sat_per_vb", 10_001),
        ("fee_fallback_sat_per_vb", "2"),
        ("coin_floor_sat", 293),
        ("coin_floor_sat", 21 * 10**14 + 1),
        ("esplora_urls", "https://example.org"),
        ("esplora_urls", [5]),
        ("esplora_urls", ["example.org"]),
        ("esplora_urls", ["https://user:secret@example.org"]),
        ("esplora_urls", ["https://example.org/", "https://example.org"]),
        ("esplora_urls", [f"https://{n}.example.org" for n in range(9)]),
    ],
)
def test_a_field_that_cannot_be_is_refused(field: str, value: object) -> None:
    """The message names the field and repeats no password."""
    said = refused({"networks": {"testnet5": {**RECORD, field: value}}})
    assert said.startswith(f"networks.toml: networks.testnet5: {field}: expected ")
    assert "secret" not in said


def test_an_unknown_field_is_refused_with_the_known_ones() -> None:
    """A misspelt field never silently does nothing."""
    said = refused({"networks": {"testnet5": {**RECORD, "watchdepth": 5}}})
    assert "unknown field 'watchdepth'; known are genesis_header," in said


@pytest.mark.parametrize("name", NETWORKS)
def test_a_known_name_cannot_be_redefined(name: str) -> None:
    """Nobody's file changes what mainnet means."""
    assert f"networks.{name}: {name} is known already" in refused({"networks": {name: RECORD}})


def test_a_known_network_gets_no_second_name() -> None:
    """Mainnet's genesis and message start under another name, with easier rules, would be a trap."""
    headers = NETWORKS["mainnet"].headers
    known = {"genesis_header": headers.genesis.hex(), "message_start": headers.network.message_start.hex()}
    fields = {**RECORD, **known}
    assert "are those of mainnet" in refused({"networks": {"mymain": fields}})


def test_two_records_cannot_be_one_network() -> None:
    """Also among themselves the records of a file are different networks."""
    assert "are those of testnet5" in refused({"networks": {"testnet5": RECORD, "testnet6": RECORD}})


def test_a_signet_of_ones_own_is_a_network() -> None:
    """Signets share a genesis block; the message start tells them apart (BIP 325)."""
    signet = NETWORKS["signet"]
    made = read(genesis_header=signet.headers.genesis.hex())
    assert (signet.genesis_hash, False) == (made.genesis_hash, signet.rules == made.rules)


@pytest.mark.parametrize("name", ["", "Testnet5", "5testnet", "test net", "x" * 33, "tést"])
def test_a_name_has_one_form(name: str) -> None:
    """Names are typed in settings and shown in verdicts."""
    assert "expected a name of lower-case letters" in refused({"networks": {name: RECORD}})


@pytest.mark.parametrize("depths", [{"watch_depth": 5}, {"final_depth": 101}])
def test_an_anchor_is_watched_until_it_is_final(depths: dict[str, int]) -> None:
    """A watch that ends before final makes no sense."""
    with pytest.raises(SettingsError, match="watch_depth of at least final_depth"):
        read(**depths)


@pytest.mark.parametrize("rates", [{"fee_floor_sat_per_vb": 3}, {"fee_cap_sat_per_vb": 1.5}])
def test_rates_are_in_order(rates: dict[str, float]) -> None:
    """Floor, fallback, cap: no estimate could be held between them otherwise."""
    with pytest.raises(SettingsError, match="ascending order"):
        read(**rates)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"networks": {}},
        {"networks": []},
        {"networks": "testnet5"},
        {"networks": {"testnet5": 5}},
        {"networks": {"testnet5": RECORD}, "more": 1},
        {"networks": {f"net{n}": {**RECORD, "message_start": f"{n:08x}"} for n in range(33)}},
    ],
)
def test_a_file_of_another_shape_is_refused(values: dict[str, Any]) -> None:
    """A file of networks has one table for each, and nothing else."""
    assert refused(values).startswith("networks.toml: ")


@pytest.mark.parametrize("content", [b"[networks", b"\xff", b"a = 1\na = 2", b"#" * 70_000])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is not TOML, or too large to be a file of networks, is refused with its name."""
    path = tmp_path / "networks.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"networks\.toml: expected"):
        load_networks(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Neither a missing file nor a folder is a file of networks."""
    with pytest.raises(SettingsError, match=r"none\.toml: expected a file of networks, which cannot be read"):
        load_networks(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_networks(tmp_path)


def test_the_built_in_servers_are_data() -> None:
    """Every public network has a server to ask by default; regtest has none, since everyone's is another."""
    assert ["regtest"] == [name for name, network in NETWORKS.items() if not network.esplora_urls]
    assert all(url.startswith("https://") for network in NETWORKS.values() for url in network.esplora_urls)

"""``anchorline headers``, and ``verify`` with the header store that it fills: on the prepared home's embedded regtest.

Whoever verifies has no home: he names a folder of stores, and gets a verdict that says whom it rests on.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.bitcoin import header_store
from anchor.bitcoin.header_checkpoint import KNOWN_CHAINS
from anchor.bitcoin.header_rules import HEADER_RULES
from anchor.bitcoin.local import LocalRegtest
from chains.header_stores import open_store
from tests.cli.commands import Done, World, run


@contextmanager
def regtest_of(world: World) -> Iterator[LocalRegtest]:
    """Open the home's regtest, so that others can mine on it."""
    regtest = LocalRegtest(world.home / "regtest")
    try:
        yield regtest
    finally:
        regtest.close()


def synced(world: World, *options: str | Path) -> Done:
    """Synchronise a store beside the home from the home's source."""
    return world.ok("headers", "sync", "--store", world.folder / "stores", *options)


def verified(world: World, *options: str | Path) -> Done:
    """Verify the receipt with that store and nothing else."""
    store = ("--header-store", world.folder / "stores")
    return run("verify", world.report, world.receipt, "--log", world.card, *store, *options)


def test_a_store_is_synchronised_and_shown(world: World) -> None:
    """What sync says is what show says; a second sync finds nothing new."""
    facts = synced(world, "--json").facts
    assert (0, 108, 0, 0) == tuple(facts[name] for name in ("fork", "added", "removed", "held"))
    with regtest_of(world) as regtest:
        tip = regtest.tip()
    assert {"height": 108, "block": tip.hash[::-1].hex()} == {name: facts["tip"][name] for name in ("height", "block")}
    assert (109, 109 * 80, f"{218:064x}") == (facts["headers"], facts["bytes"], facts["work"])
    assert ("the embedded regtest", None, None) == (
        facts["synchronised"]["source"],
        facts["checkpoint"],
        facts["not_believed"],
    )
    shown = run("headers", "show", "--network", "regtest", "--store", world.folder / "stores", "--json").facts
    assert shown == {name: facts[name] for name in shown}
    assert 0 == synced(world, "--json").facts["added"]
    text = run("headers", "show", "--network", "regtest", "--store", world.folder / "stores").text
    assert f"109 headers of regtest (8720 bytes) in {world.folder / 'stores' / 'regtest'}" in text
    assert "from    the embedded regtest at 20" in text


def test_verify_rests_on_the_store(world: World) -> None:
    """Offline, and the verdict says how long the store's chain is, where it came from, and how much work is on top."""
    synced(world)
    done = verified(world, "--json")
    assert 0 == done.exit_code, done
    [step] = [step for step in done.facts["steps"] if step["number"] == 12]
    assert step["rests_on"].startswith("your header store: 109 headers, tip 108 ")
    assert ", synchronised from the embedded regtest at 20" in step["rests_on"]
    assert step["text"].endswith("of regtest, 7 confirmations with the work of about 2^3.8 hashes")
    anchored = done.facts["facts"]["anchored_in"]
    assert (7, f"{14:064x}") == (anchored["confirmations"], anchored["work"])
    assert "full_confirmations" not in anchored, "on regtest every block is worth the same"


def test_a_store_that_does_not_reach_the_block_says_so(world: World) -> None:
    """Exit code 4, and the verdict names the store that should be synchronised on."""
    with (
        open_store(HEADER_RULES["regtest"], world.folder / "stores", writable=True) as store,
        regtest_of(world) as regtest,
    ):
        store.extend(regtest.headers_from(1, 90))
    done = verified(world, "--json")
    assert 4 == done.exit_code
    assert "nothing is known at its height: your header store: 91 headers, tip 90 " in done.facts["missing"][0]


def test_after_a_reorganisation_the_store_is_behind_until_it_is_synchronised(world: World) -> None:
    """The old store still vouches, and says how far it is; the new one refuses the receipt of the replaced block."""
    synced(world)
    with regtest_of(world) as regtest:
        regtest.reorg(8)
    stale = verified(world)
    assert 0 == stale.exit_code
    assert "your header store: 109 headers, tip 108 " in stale.text
    facts = synced(world, "--json").facts
    assert (100, 9, 8) == (facts["fork"], facts["added"], facts["removed"])
    done = verified(world, "--json")
    assert (1, ["block-is-not-the-given-one"]) == (done.exit_code, done.facts["reasons"])
    [step] = [step for step in done.facts["steps"] if step["number"] == 12]
    assert "as your header store: 110 headers, tip 109 " in step["text"]


@pytest.mark.parametrize("name", ["headers", "state"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_store_is_named_and_synchronised_anew(world: World, name: str, damage: str) -> None:
    """It never supports a verdict, and costs nothing but another synchronisation."""
    synced(world)
    path = world.folder / "stores" / "regtest" / name
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data if damage == "changed" else data[:-85])
    done = verified(world)
    assert 4 == done.exit_code
    assert f"COULD NOT BE CHECKED: {path}: expected" in done.text
    assert "move it away and synchronise anew" in done.text
    synced(world, "--anew")
    assert 0 == verified(world).exit_code


def test_a_regtest_has_no_store_of_its_own(world: World) -> None:
    """Each is a chain of its own: without a folder none is made, and verify asks none."""
    done = world.run("headers", "sync")
    assert (1, True) == (done.exit_code, "every regtest is a chain of its own; name one with --store" in done.err)
    assert 4 == run("verify", world.report, world.receipt, "--log", world.card).exit_code


def test_options_that_contradict_each_other_are_refused(world: World) -> None:
    """By name, before anything is read."""
    done = verified(world, "--no-header-store")
    assert (2, True) == (done.exit_code, "contradict each other" in done.err)
    other = world.run("headers", "sync", "--network", "signet")
    assert (2, True) == (other.exit_code, "the home's source follows regtest" in other.err)
    missing = run("headers", "show", "--network", "signet")
    assert (1, True) == (missing.exit_code, "synchronise the headers first" in missing.err)


@pytest.mark.parametrize("network", [name for name in HEADER_RULES if name != "regtest"])
def test_a_store_that_has_not_caught_up_says_so(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain with less work than the network is known to have is not the network's, or not yet."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    open_store(HEADER_RULES[network], None, writable=True).close()
    shown = run("headers", "show", "--network", network, "--json").facts
    assert str(tmp_path / "anchorline-headers" / network) == shown["folder"]
    assert f"expected a chain with the work of {network}" in shown["not_believed"]
    assert json.loads(json.dumps(shown)) == shown


def test_verify_asks_no_store_that_is_not_believed_yet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 4 and a warning, though the store has the block: its chain has too little work.

    No receipt of a public network can be made here, since its block would cost the work: so regtest is given what is
    known of another network.
    """
    synced(world)
    assert 0 == verified(world).exit_code
    monkeypatch.setattr(header_store, "KNOWN_CHAINS", {"regtest": KNOWN_CHAINS["testnet4"]})
    done = verified(world, "--json")
    assert 4 == done.exit_code
    assert "warning: your header store is not asked: expected a chain with the work of regtest" in done.err
    [step] = [step for step in done.facts["steps"] if step["number"] == 12]
    assert "not checked" == step["state"]


def test_verify_names_its_default_store_that_is_not_believed_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt of testnet4 meets the verifier's own store, which has the genesis block only: a warning, incomplete."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    home, receipt = tmp_path / "home", tmp_path / "receipt"
    node = (
        "--network",
        "testnet4",
        "--core-url",
        "http://simulated.invalid",
        "--core-cookie-file",
        tmp_path / "cookie",
    )
    assert 0 == run("init", "--home", home, "--origin", "test.anchorline.example", *node, "--no-password").exit_code
    assert 0 == run("chain", "create", "acme", "--home", home).exit_code
    assert 0 == run("receipt", "acme:0", "--home", home, "--output", receipt).exit_code
    without = run("verify", receipt, "--log", home / "log-card.json")
    assert (3, False) == (without.exit_code, "header store" in without.err)
    open_store(HEADER_RULES["testnet4"], None, writable=True).close()
    done = run("verify", receipt, "--log", home / "log-card.json")
    assert 3 == done.exit_code
    assert "warning: your header store is not asked: expected a chain with the work of testnet4" in done.err

"""Heads chosen for a plot, on a real log: true ones, few, and found by indexes however many there are."""

from contextlib import closing
from pathlib import Path

import pytest

from anchor.bitcoin.networks import NETWORKS, Network
from anchor.errors import SettingsError
from chains.growth import growth_of
from chains.pictures.growth import Grown
from chains.public_explorer import transaction_link
from chains.settings import Settings, checked_settings
from tests.databases import folder_of
from tests.simulators.planned_engine import PlannedEngine
from tests.simulators.store import GENESIS, START_MS, Store, submission_of

SEALS = 12


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A chain that grew with every seal but one, beside another that grew once."""
    store = Store(tmp_path_factory.mktemp("grown") / "anchorline.db")
    chain, other = store.open_chain("grown"), store.open_chain("other")
    for number in range(SEALS):
        now_ms = START_MS + number * 60_000
        to = other if number == 5 else chain
        store.writer.submit(to, [submission_of(to.chain_id, b"%d" % number)], now_ms)
        store.directory.seal(store.checkpoint_key, now_ms, GENESIS)
    return store


def heads(store: Store) -> list[Grown]:
    """Return all heads of the first chain as its tree's rows and the seals say."""
    rows = store.engine.query(
        "SELECT (SELECT MIN(sealed_at_ms) FROM checkpoint WHERE size > directory_index), tree_size FROM head "
        "WHERE tree_no = 1 ORDER BY directory_index"
    )
    return [Grown(*row) for row in rows]


def test_few_heads_are_all_shown(grown: Store) -> None:
    """Every head is there with its size and its seal's time; a seal that did not change the chain is none."""
    assert heads(grown) == growth_of(grown.directory, 1)
    assert SEALS - 1 == len(heads(grown))


@pytest.mark.parametrize("most", [2, 3, 7, SEALS - 2])
def test_of_many_heads_some_are_shown(grown: Store, most: int) -> None:
    """No more than asked for, all true, in order, and the first and the newest among them."""
    found = growth_of(grown.directory, 1, most)
    assert 2 <= len(found) <= most
    assert [head for head in heads(grown) if head in found] == found
    assert (heads(grown)[0], heads(grown)[-1]) == (found[0], found[-1])


def test_a_chain_that_is_not_sealed_has_not_grown(tmp_path: Path) -> None:
    """Without a head there is nothing to plot."""
    store = Store(tmp_path / "anchorline.db")
    assert [] == growth_of(store.directory, store.open_chain("new").chain_no)
    store.engine.close()


@pytest.mark.sqlite("notes how SQLite goes about a question")
def test_heads_are_found_by_indexes(grown: Store) -> None:
    """No question goes through a table."""
    folder = folder_of(grown.engine)
    assert folder is not None
    with closing(PlannedEngine(folder / "anchorline.db")) as engine:
        directory = Store(engine).directory
        engine.plans = []
        growth_of(directory, 1, 4)
        assert engine.plans
        assert [] == engine.slow()


# The public explorer


TXID = bytes(range(32))
SHOWN = TXID[::-1].hex()


@pytest.mark.parametrize(
    ("network", "explorer_url", "expected"),
    [
        ("testnet4", "", f"https://mempool.space/testnet4/tx/{SHOWN}"),
        ("mainnet", "", f"https://mempool.space/tx/{SHOWN}"),
        ("signet", "https://explorer.example/signet/", f"https://explorer.example/signet/tx/{SHOWN}"),
        ("mainnet", "none", None),
        ("regtest", "", None),
        ("regtest", "http://127.0.0.1:8080", f"http://127.0.0.1:8080/tx/{SHOWN}"),
    ],
)
def test_the_public_explorer_is_the_networks_or_the_settings(
    network: str, explorer_url: str, expected: str | None
) -> None:
    """A link leads where the settings say, or else to the network's own; regtest has none, and "none" is none."""
    found: Network = NETWORKS[network]
    assert expected == transaction_link(Settings(network, "core", explorer_url=explorer_url), found, TXID)


@pytest.mark.parametrize(
    "wrong", ["explorer.example", "javascript:alert(1)", "https://a.example/?tx=", "https://u:p@a.example"]
)
def test_an_explorer_is_an_address_on_the_web(wrong: str) -> None:
    """What could be no page's beginning is refused when the settings are read."""
    with pytest.raises(SettingsError, match="explorer_url: expected"):
        checked_settings({"network": "regtest", "source": "embedded", "explorer_url": wrong}, "here")

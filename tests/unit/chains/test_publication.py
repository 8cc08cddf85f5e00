"""Which chains a mirror publishes with their entries: never an organisation's that is not public, unless it is said."""

from pathlib import Path

import pytest

from anchor.errors import SettingsError
from chains.access import ChainAccess, Visibility
from chains.chain import Chain
from chains.publication import publication_of
from tests.simulators.service import Service

CHAINS = {
    number: (Chain(number, bytes([number]) * 32, None, 0), ChainAccess(owner, visibility))
    for number, (owner, visibility) in enumerate(
        [(owner, visibility) for owner in (None, "org_a") for visibility in Visibility], 1
    )
}
HOMES_PUBLIC, HOMES_MEMBERS, HOMES_PRIVATE, PUBLIC, MEMBERS, PRIVATE = (chain for chain, _ in CHAINS.values())


def test_all_chains_are_all_public_ones() -> None:
    """--all-chains takes the public ones; the others of organisations are kept out of the folder."""
    found = publication_of(CHAINS, [], all_public=True)
    assert (HOMES_PUBLIC, PUBLIC) == found.chosen
    assert (MEMBERS, PRIVATE) == found.kept_out


@pytest.mark.parametrize("chain", [HOMES_PUBLIC, HOMES_MEMBERS, HOMES_PRIVATE, PUBLIC])
def test_a_public_chain_and_one_of_the_home_may_be_named(chain: Chain) -> None:
    """The operator owns the home's chains, so he may publish them by naming them."""
    assert (chain,) == publication_of(CHAINS, [chain]).chosen


@pytest.mark.parametrize("chain", [MEMBERS, PRIVATE])
def test_naming_a_private_chain_of_an_organisation_is_not_enough(chain: Chain) -> None:
    """It is refused by its id, its owner and what would allow it."""
    with pytest.raises(SettingsError, match=f"{chain.chain_id.hex()}.*org_a.*--with-private"):
        publication_of(CHAINS, [HOMES_PUBLIC, chain])
    assert (chain,) == publication_of(CHAINS, [chain], with_private=True).chosen


def test_with_private_everything_may_go() -> None:
    """--all-chains --with-private is everything, and keeps nothing out."""
    found = publication_of(CHAINS, [], all_public=True, with_private=True)
    assert tuple(chain for chain, _ in CHAINS.values()) == found.chosen
    assert () == found.kept_out


def test_a_chain_that_is_kept_out_is_taken_out(service: Service, tmp_path: Path) -> None:
    """Entries that an earlier run published are gone after the next one; leaf hashes and other chains stay."""
    service.open_chain("other")
    service.seal()
    chains = [service.home.chains.named(name) for name in ("acme", "other")]
    mirror = service.mirror(tmp_path / "public")
    assert 2 == mirror.write(service.home.checkpoint_key, chains).chains_with_entries
    service.add("acme", b"more")
    service.seal()
    done = mirror.write(service.home.checkpoint_key, kept_out=chains[:1])
    assert (1, 1) == (done.chains_taken_out, done.chains_with_entries)
    folders = [tmp_path / "public" / "chain" / chain.chain_id.hex() for chain in chains]
    assert [False, True] == [any(folder.glob("tile/entries/*")) for folder in folders]
    assert all(any(folder.glob("tile/0/*")) for folder in folders)
    assert 0 == mirror.write(service.home.checkpoint_key, kept_out=chains[:1]).chains_taken_out

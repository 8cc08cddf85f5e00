"""Which chains a mirror publishes with their entries: what the operator asks, held to what the owners said. Pure.

``anchorline mirror`` hands in the chains of a home with what holds for each; ``chains.mirror`` writes what comes out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from anchor.errors import SettingsError
from chains.access import ChainAccess, Visibility
from chains.chain import Chain


@dataclass(frozen=True, slots=True)
class Publication:
    """``chosen`` are published with their entries; of those ``kept_out`` no entry may be in the folder."""

    chosen: tuple[Chain, ...]
    kept_out: tuple[Chain, ...]


def publication_of(
    chains: Mapping[int, tuple[Chain, ChainAccess]],
    named: Collection[Chain],
    *,
    all_public: bool = False,
    with_private: bool = False,
) -> Publication:
    """Say what is published of the chains (by their numbers) of a home (docs/spec/mirror.md, "Leaves").

    A public chain may be, and one of the home itself that the operator names; one of an organisation that is not public
    only ``with_private``. Raises SettingsError where such a one is named without.
    """
    numbers = {chain.chain_no for chain in named}
    public = {number for number, (_, access) in chains.items() if access.visibility == Visibility.PUBLIC}
    homes = {number for number, (_, access) in chains.items() if access.owner is None}
    meant_by_all = set(chains) if with_private else public
    allowed = meant_by_all | homes
    for number in sorted(numbers - allowed):
        chain, access = chains[number]
        raise SettingsError(
            f"chain {chain.chain_id.hex()}: expected a public one, it belongs to {access.owner} and is "
            f"{access.visibility}; what is published cannot be taken back. With --with-private its entries are written "
            "too: for a folder that nobody reads who may not"
        )
    chosen = numbers | meant_by_all if all_public else numbers
    return Publication(
        tuple(chains[number][0] for number in sorted(chosen)),
        tuple(chains[number][0] for number in sorted(set(chains) - allowed)),
    )

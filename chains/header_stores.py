"""Where header stores are on this machine, and how one is opened: one for each network, in the XDG data folder.

A store belongs to a person and not to a home: whoever verifies has one too. ``anchorline headers`` fills and shows
them, ``anchorline verify`` asks the one of the receipt's network.
"""

from pathlib import Path

import platformdirs

from anchor.bitcoin.header_folder import remove_store
from anchor.bitcoin.header_rules import HeaderRules
from anchor.bitcoin.header_store import HeaderStore
from anchor.errors import SettingsError

# Every regtest is a chain of its own, so there is no store that fits them all.
_PRIVATE = "regtest"


def stores_folder(network: str, chosen: Path | None) -> Path:
    """Return the folder of stores that was chosen, or this person's (XDG Base Directory Specification, data).

    Raises SettingsError for regtest where none was chosen.
    """
    if chosen is not None:
        return chosen
    if network == _PRIVATE:
        raise SettingsError(
            "regtest: expected a folder for its header store, since every regtest is a chain of its own; name one "
            "with --store"
        )
    return Path(platformdirs.user_data_dir("anchorline-headers"))


def open_store(rules: HeaderRules, chosen: Path | None, *, writable: bool) -> HeaderStore:
    """Open the store of a network, built in or from a file; raise what HeaderStore raises."""
    return HeaderStore(stores_folder(rules.network.name, chosen), rules, writable=writable)


def begin_anew(rules: HeaderRules, chosen: Path | None) -> None:
    """Remove the store of a network, damaged or not: losing it costs nothing but synchronising."""
    remove_store(stores_folder(rules.network.name, chosen) / rules.network.name)


def stored_view(rules: HeaderRules, chosen: Path | None) -> HeaderStore | None:
    """Open the store of a network for reading; None where nobody chose one and there is none."""
    network = rules.network.name
    if chosen is None and (network == _PRIVATE or not (stores_folder(network, None) / network / "state").is_file()):
        return None
    return open_store(rules, chosen, writable=False)

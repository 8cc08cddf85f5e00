"""Attesting put together for a home: its calendars, the network on which they attest, and where headers come from.

Everything comes from the settings; ``chains.commands`` runs it by hand, ``chains.scheduling`` beside the daemon's jobs.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from anchor.attestations import Attestations
from anchor.attesting import Attested, Attesting
from anchor.bitcoin.calendars import Calendars
from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.networks import network_named
from anchor.bitcoin.protocols import Source
from chains.home import Home
from chains.settings import EMBEDDED
from chains.sources import open_source

PUBLIC_CALENDARS = (
    "https://a.pool.opentimestamps.org",
    "https://b.pool.opentimestamps.org",
    "https://a.pool.eternitywall.com",
    "https://ots.btc.catallaxy.com",
)
"""The stock client's four; none is asked unless the settings name it."""


@contextmanager
def attesting_of(home: Home, calendars: Calendars | None = None) -> Iterator[Attesting | None]:
    """Yield what gives this home's checkpoints to calendars, or None where the settings name none; close it at the end.

    It has a Bitcoin source of its own, so that it may run beside everything else.
    """
    settings = home.settings
    if not settings.calendars:
        yield None
        return
    with ExitStack() as stack:
        asked = calendars or Calendars()
        stack.callback(asked.close)
        headers = _headers(home)
        if headers is not None:
            stack.callback(headers.close)
        stored = Attestations(home.engine)
        yield Attesting(home.directory, stored, asked, settings.calendars, settings.calendar_network, headers)


def attested_line(item: Attested) -> str:
    """Return one thing that attesting did as a line of key=value."""
    cause = f" failed={item.cause!r}" if item.cause else ""
    return f"what={item.what} checkpoint_size={item.checkpoint_size} calendar={item.calendar}{cause}"


def _headers(home: Home) -> Source | None:
    """Open a source of headers of the calendars' network: the one named for it, or the home's own if it is the same."""
    settings = home.settings
    if settings.calendar_esplora_url:
        return EsploraSource(settings.calendar_esplora_url, network_named(settings.calendar_network))
    if settings.calendar_network != home.network.name or settings.source == EMBEDDED:
        return None
    return open_source(settings, home.network, home.folder)

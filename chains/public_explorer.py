"""Links to a public explorer: where somebody who follows one sees an anchor with other eyes than ours.

The address comes from the settings or the network's record. ``chains.web.pages`` shows the link; the service itself
never asks there.
"""

from anchor.bitcoin.networks import Network
from anchor.bitcoin.web_address import checked_url
from anchor.proof.bitcoin.hashes import hash_hex
from chains.settings import NO_EXPLORER, Settings

_API = "/api"


def transaction_link(settings: Settings, network: Network, txid: bytes) -> str | None:
    """Return the address of a transaction's page (txid: 32 bytes, internal order), or None where there is no explorer.

    Without a setting it is at the first of the network's public Esplora servers, whose API is below their pages.
    """
    root = _root(settings, network)
    return None if root is None else f"{root}/tx/{hash_hex(txid)}"


def _root(settings: Settings, network: Network) -> str | None:
    if settings.explorer_url == NO_EXPLORER:
        return None
    if settings.explorer_url:
        return checked_url(settings.explorer_url)
    served = [url for url in network.esplora_urls if url.endswith(_API)]
    return served[0].removesuffix(_API) if served else None

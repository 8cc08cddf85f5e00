# SPDX-License-Identifier: Apache-2.0
"""Links to single entries, for third parties without an account: made, listed, revoked, and read; nothing here sends.

``chains.client.owning`` runs the calls. What a link opens is judged here as every receipt is: it needs no API key, and
gets none.
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from anchor.proof.codec import HASH_SIZE
from anchor.proof.receipt import MAX_FILE_WITH_CONTENT, LogCard, Receipt
from anchor.proof.strictjson import Fields
from anchor.proof.verifier import Verifier
from chains.client import judging
from chains.client.exchange import Call
from chains.client.judging import Wanted
from chains.client.managing import asking, posting
from chains.client.results import CheckedReceipt

_PATH = "/s/"
_FORM = (("content-type", "application/x-www-form-urlencoded"),)
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class SeenShare:
    """A link to one entry. ``path``, behind the service's address, opens it: only where it was just made. Keep it.

    ``state``: "live", or why it opens nothing: "revoked", "ended", "read", "withdrawn".
    """

    share_id: str
    chain_id: bytes
    leaf_index: int
    label: str
    state: str
    ends_at_ms: int
    once: bool
    reads: int
    first_read_at_ms: int | None
    last_read_at_ms: int | None
    path: str | None = field(default=None, repr=False)


def making(entry_hash: bytes, ends_at_ms: int, label: str, *, once: bool) -> Call:
    """Return the call that makes a link."""
    return posting(f"/v1/entries/{entry_hash.hex()}/shares", ends_at_ms=ends_at_ms, label=label, once=once)


def listing(chain_id: bytes) -> Call:
    """Return the call that lists the links to entries of a chain."""
    return asking(f"/v1/chains/{chain_id.hex()}/shares")


def revoking(share_id: str) -> Call:
    """Return the call that ends a link."""
    return posting(f"/v1/shares/{share_id}/revoke")


def reading(link: str) -> Call:
    """Return the call that reads what a link (an address, or its path) opens; ValueError for another address."""
    path = urlsplit(link).path
    if not path.startswith(_PATH) or "/" in path[len(_PATH) :]:
        raise ValueError(f"expected a link to a share, https://SERVICE{_PATH}..., got {link[:40]!r}")
    return Call("POST", f"{path}/receipt.json", _FORM, most_bytes=MAX_FILE_WITH_CONTENT, is_public=True)


def share_of(body: bytes) -> SeenShare:
    """Return the link that an answer shows."""
    return _share(judging.fields_of(body))


def shares_of(body: bytes) -> list[SeenShare]:
    """Return the links that an answer shows."""
    return [_share(Fields(item, "share")) for item in judging.fields_of(body).array("shares", _MOST)]


def judged_share(body: bytes, card: LogCard, verifier: Verifier) -> CheckedReceipt:
    """Return the receipt that a link opened, with the content in it, which is what the entry commits to.

    Raises DoubtError where it does not hold, MalformedError where it is none.
    """
    receipt = Receipt.decode(body)
    found = judging.judged_as(receipt, Wanted(receipt.entry.hash), card.log, verifier)
    content = found.receipt.content
    if content.data is not None:
        judging.check_content(content.data, receipt.entry, content.salt)
    return found


def _share(fields: Fields) -> SeenShare:
    return SeenShare(
        fields.text("share"),
        fields.hex("chain_id", exact=HASH_SIZE),
        fields.integer("leaf_index"),
        fields.text("label"),
        fields.text("state"),
        fields.integer("ends_at_ms"),
        fields.take("once") is True,
        fields.integer("reads"),
        fields.integer("first_read_at_ms") if "first_read_at_ms" in fields else None,
        fields.integer("last_read_at_ms") if "last_read_at_ms" in fields else None,
        fields.text("path") if "path" in fields else None,
    )

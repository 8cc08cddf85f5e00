# SPDX-License-Identifier: Apache-2.0
"""The life of a chain as the client asks for it: to close it, to hand it on, to take it away; nothing here sends.

A closing is an entry that is made here; offers and who owns a chain are the service's word. ``chains.client.owning``
runs the calls, an export goes straight into a file (``downloaded``).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anchor.proof.chain_life import Closing
from anchor.proof.codec import HASH_SIZE
from anchor.proof.log_statements import LIFE_MEDIA_TYPE
from anchor.proof.strictjson import Fields
from chains.client import judging
from chains.client.exchange import Call, with_query
from chains.client.managing import asking, posting
from chains.client.own_entry import Form

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class SeenOffer:
    """A chain that its owner (``giver``, None: the operator) offers to an organisation; both by their ids."""

    chain_id: bytes
    giver: str | None
    taker: str
    offered_at_ms: int
    expires_at_ms: int | None


@dataclass(frozen=True, slots=True)
class SeenTransfer:
    """Whose a chain is now (``organisation``), and the entry that says so."""

    chain_id: bytes
    organisation: str
    entry_hash: bytes
    leaf_index: int


def form_of_closing(reason: str, moved_to: bytes | None, now_ms: int) -> Form:
    """Return the form of the entry that closes a chain; raise MalformedError for a reason that cannot stand there."""
    return Form(media_type=LIFE_MEDIA_TYPE, closing=Closing(now_ms, reason, moved_to).encode())


def asking_offers() -> Call:
    """Return the call that lists offers."""
    return asking("/v1/transfers")


def offering(chain_id: bytes, organisation: str, expires_at_ms: int | None) -> Call:
    """Return the call that offers a chain."""
    return posting(f"/v1/chains/{chain_id.hex()}/transfer", organisation=organisation, expires_at_ms=expires_at_ms)


def withdrawing(chain_id: bytes) -> Call:
    """Return the call that ends an offer."""
    return posting(f"/v1/chains/{chain_id.hex()}/transfer/withdraw")


def accepting(chain_id: bytes) -> Call:
    """Return the call that accepts a chain."""
    return posting(f"/v1/chains/{chain_id.hex()}/transfer/accept")


def exporting(chain_id: bytes | None, *, with_content: bool) -> Call:
    """Return the call that takes a chain away, or (None) all that the organisation owns."""
    path = "/v1/export" if chain_id is None else f"/v1/chains/{chain_id.hex()}/export"
    return Call("GET", with_query(path, content=None if with_content else "0"))


def offers_of(body: bytes) -> list[SeenOffer]:
    """Return the offers that an answer shows."""
    return [_offer(Fields(item, "offer")) for item in judging.fields_of(body).array("offers", _MOST)]


def offer_of(body: bytes) -> SeenOffer:
    """Return the offer that an answer shows."""
    return _offer(judging.fields_of(body))


def transfer_of(body: bytes) -> SeenTransfer:
    """Return whose a chain is now."""
    fields = judging.fields_of(body)
    return SeenTransfer(
        fields.hex("chain_id", exact=HASH_SIZE),
        fields.text("organisation"),
        fields.hex("entry_hash", exact=HASH_SIZE),
        fields.integer("leaf_index"),
    )


def check_new(target: Path) -> None:
    """Raise FileExistsError where there is a file of this name: before anything is asked, since that is noted."""
    if target.exists():
        raise FileExistsError(f"{target}: exists already; choose a new name")


@contextmanager
def downloaded(target: Path) -> Iterator[IO[bytes]]:
    """Yield a file that becomes ``target`` when all is in it, for its owner to read; else nothing is left of it."""
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.rename(target)
    finally:
        beside.unlink(missing_ok=True)


def _offer(fields: Fields) -> SeenOffer:
    return SeenOffer(
        fields.hex("chain_id", exact=HASH_SIZE),
        fields.text("giver") if "giver" in fields else None,
        fields.text("taker"),
        fields.integer("offered_at_ms"),
        fields.integer("expires_at_ms") if "expires_at_ms" in fields else None,
    )

"""The search page: one box for whatever somebody has in his hand, a hash, an external id, a chain, or a number.

It runs on a reading thread; entries are found by the API's own search, and only those of chains that who asks may see.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from anchor.proof.bitcoin.hashes import hash_from_hex
from anchor.proof.codec import HASH_SIZE
from chains.access import Action
from chains.web.api_search import entries_found
from chains.web.asgi import Answer
from chains.web.operations import Parameter
from chains.web.pages.anchors_shown import PREPARED
from chains.web.pages.page import page
from chains.web.pages.rendering import render
from chains.web.parameters import CURSOR
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import EntryModel

ROWS = 20
"""Entries of one kind on one page."""
_MOST_CHARACTERS = 1_000
_HASH = re.compile(f"[0-9a-f]{{{2 * HASH_SIZE}}}")
_SIZE = re.compile("[0-9]{1,15}")
KINDS = {
    "entry_hash": "The entry with this hash",
    "content_digest": "Entries whose content has this SHA-256",
    "external_id_digest": "Entries with an external id of this hash",
    "external_id": "Entries with this external id",
}
"""The parameters of the API's search that one text may be meant as, and what is found by each."""


@dataclass(frozen=True, slots=True)
class Place:
    """Something other than an entry: what it is, its name, and its page."""

    what: str
    name: str
    address: str
    is_hash: bool


@dataclass(frozen=True, slots=True)
class EntriesFound:
    """Entries found by one meaning of the text; ``more`` is the address of the next page, if there may be one."""

    what: str
    entries: list[EntryModel]
    more: str | None


def search(room: Room, request: Request) -> Answer:
    """Return the box, and what is found by the text in it."""
    text = request.arguments.get("q", "").strip()
    kinds = [request.arguments["by"]] if "by" in request.arguments else _meanings(text)
    found = [_found(room, request, text, kind) for kind in kinds] if text else []
    places = _places(room, request, text) if text and "by" not in request.arguments else []
    return render(
        *(room, request, "search.html"),
        text=text,
        places=places,
        found=[each for each in found if each.entries or each.more],
    )


def _meanings(text: str) -> list[str]:
    """Return what entries are looked up by: a hash may be that of several things."""
    if _HASH.fullmatch(text.lower()):
        return ["entry_hash", "content_digest", "external_id_digest", "external_id"]
    return ["external_id"]


def _found(room: Room, request: Request, text: str, kind: str) -> EntriesFound:
    value = text if kind == "external_id" else text.lower()
    if kind != "external_id" and not _HASH.fullmatch(value):
        return EntriesFound(KINDS[kind], [], None)
    arguments = {kind: value, "limit": str(ROWS)}
    if "by" in request.arguments and "cursor" in request.arguments:
        arguments["cursor"] = request.arguments["cursor"]
    page_found = entries_found(room, request.with_arguments(arguments))
    next_page = {"q": text, "by": kind, "cursor": page_found.cursor}
    more = None if page_found.cursor is None else "/search?" + urlencode(next_page)
    return EntriesFound(KINDS[kind], page_found.entries, more)


def _places(room: Room, request: Request, text: str) -> list[Place]:
    """Return what else the text may name: a chain, a checkpoint, an anchor."""
    found: list[Place] = []
    value = text.lower()
    is_hash = _HASH.fullmatch(value) is not None
    chain = room.named(value if is_hash else text, request.actor)
    if chain is not None and room.may(request, Action.CHAIN_READ, chain):
        chain_id = chain.chain_id.hex()
        found.append(Place("Chain", chain_id, f"/chains/{chain_id}", is_hash=True))
    if _SIZE.fullmatch(text) and room.home.directory.checkpoint_of(int(text)) is not None:
        found.append(Place("Checkpoint", f"{int(text):,} leaves", f"/checkpoints/{int(text)}", is_hash=False))
    if is_hash:
        attempt = room.home.journal.of_txid(hash_from_hex(value))
        if attempt is not None and attempt.state not in PREPARED:
            found.append(Place("Anchor, by its transaction", value, f"/anchors/{value}", is_hash=True))
    return found


OPERATIONS = (
    page(
        *("searchPage", "/search", "Search", search),
        Parameter("q", "What to look for", f"(?s:.{{0,{_MOST_CHARACTERS}}})"),
        Parameter("by", "Look it up as this alone", "|".join(KINDS)),
        CURSOR,
    ),
)

"""The page of an entry: what it says, its content where that may be read, its verdict, and its receipt to take away.

It runs on a reading thread, and shows what the API's own reading functions return for who asks.
"""

from dataclasses import dataclass

from anchor.proof.access_record import What
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import Verdict
from chains.access import Action
from chains.certifying import can_draw, is_certifiable
from chains.chain import Chain, Gone, Kept
from chains.erasure_entries import erasure_of
from chains.reader import StoredEntry
from chains.web import api_entries, api_readers
from chains.web.api_verify import judged
from chains.web.asgi import Answer
from chains.web.pages.anchors_shown import AnchorShown, anchor_shown
from chains.web.pages.content_shown import ContentView, content_shown
from chains.web.pages.entry_words import author_shown, extensions_shown, ids_shown, links_shown
from chains.web.pages.history_shown import history_shown
from chains.web.pages.life_shown import holds_shown
from chains.web.pages.page import download, page
from chains.web.pages.rendering import render
from chains.web.pages.verdict_shown import verdict_shown
from chains.web.parameters import ENTRY_HASH
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.shown import ChainSeen, entry_shown


@dataclass(frozen=True, slots=True)
class HowFar:
    """How far an entry is: its words, their kind ("holds" or "waits"), and its anchor where it has one."""

    words: str
    kind: str
    anchor: AnchorShown | None = None


def entry(room: Room, request: Request) -> Answer:
    """Return the page of one entry."""
    chain, stored = room.entry(request, Action.ENTRY_READ)
    seen = ChainSeen.of(room, request, chain)
    may_judge = room.may(request, Action.RECEIPT_READ, chain)
    receipt = seen.contents.receipt(stored) if may_judge else None
    kept = seen.contents.kept(stored, What.CONTENT)
    verdict, digest = (None, None) if receipt is None else judged_for(room, receipt, kept)
    said = stored.entry
    return render(
        *(room, request, "entry.html"),
        entry=entry_shown(seen, stored),
        ids=ids_shown(said),
        links=links_shown(said),
        extensions=extensions_shown(said),
        author=author_shown(said),
        content=_content(said, kept),
        readers=_readers(room, seen, stored),
        is_encrypted=said.extension(ExtensionType.ENVELOPE) is not None,
        erasure=erasure_of(room.reader, stored) if stored.gone is Gone.ERASED and seen.contents.may_read else None,
        held=[each for each in holds_shown(room, request, chain) if each.entry_hash in {None, stored.entry_hash.hex()}],
        standing=_how_far(room, receipt),
        history=history_shown(room, stored),
        verdict=None if verdict is None else verdict_shown(verdict),
        has_certificate=can_draw() and verdict is not None and is_certifiable(verdict, file_at_hand=digest is not None),
        neighbours=_neighbours(room, chain, stored),
    )


def _content(said: Entry, kept: Kept | None) -> ContentView | None:
    return None if kept is None or kept.content is None else content_shown(said.media_type, kept.content)


def _readers(room: Room, seen: ChainSeen, stored: StoredEntry) -> int | None:
    """Return for how many readers the content is encrypted, or None where there is none, or none for him."""
    envelope = None if seen.contents.box_size(stored) is None else room.envelopes.of(stored)
    return None if envelope is None else len(envelope.keys)


def judged_for(room: Room, receipt: Receipt, kept: Kept | None) -> tuple[Verdict, bytes | None]:
    """Return the verdict, and the SHA-256 of the content that was compared: the one kept here, where it may be read."""
    digest = None if kept is None or kept.content is None else kept.digest
    return judged(room, receipt, digest), digest


def _how_far(room: Room, receipt: Receipt | None) -> HowFar | None:
    """Return how far an entry is, by its receipt."""
    if receipt is None:
        return None
    if receipt.sealed is None:
        return HowFar("Recorded, not sealed yet", "waits")
    mine = [each for each in receipt.sealed.anchors if isinstance(each, BitcoinAnchor)]
    attempts = (room.home.journal.of_txid(each.decoded_transaction.txid) for each in mine)
    first = next((attempt for attempt in attempts if attempt is not None), None)
    if first is None:
        return HowFar("Sealed, not anchored yet", "waits")
    shown = anchor_shown(first, room.tip_height())
    return HowFar(shown.words, shown.kind, shown)


def _neighbours(room: Room, chain: Chain, stored: StoredEntry) -> tuple[str | None, str | None]:
    """Return the hashes of the entries before and behind, None where there is none."""
    before = room.reader.at(chain, stored.leaf_index - 1) if stored.leaf_index else None
    behind = room.reader.at(chain, stored.leaf_index + 1)
    return (
        None if before is None else before.entry_hash.hex(),
        None if behind is None else behind.entry_hash.hex(),
    )


def _ots(room: Room, request: Request) -> Answer:
    return api_entries.get_receipt(room, request.with_arguments({**request.arguments, "format": "ots"}))


OPERATIONS = (
    page("entryPage", "/entries/{entry_hash}", "One entry", entry, ENTRY_HASH),
    download(
        *("contentFile", "/entries/{entry_hash}/content", "The content of an entry, as it was recorded"),
        *(api_entries.get_content, "", ENTRY_HASH),
    ),
    download(
        *("receiptFile", "/entries/{entry_hash}/receipt.json", "The entry's receipt"),
        *(api_entries.get_receipt, "{entry_hash:.16}.receipt", ENTRY_HASH),
    ),
    download(
        *("envelopeFile", "/entries/{entry_hash}/envelope", "The encrypted content, with a key for each reader"),
        *(api_readers.get_envelope, "{entry_hash:.16}.envelope", ENTRY_HASH),
    ),
    download(
        *("otsFile", "/entries/{entry_hash}/receipt.ots", "The way to Bitcoin as an OpenTimestamps file"),
        *(_ots, "", ENTRY_HASH),
    ),
)

"""Operations that read one entry by its hash: the entry, its content, its receipt and its promise.

They run on a reading thread (``chains.web.rooms``); ``chains.web.api`` has them in its table.
"""

from anchor.proof.access_record import What
from anchor.proof.receipt import Receipt
from chains.access import Action
from chains.chain import Gone
from chains.ots_export import export_ots
from chains.web.answers import cached, json_of
from chains.web.asgi import JSON, OCTETS, Answer, accepts
from chains.web.contents import Contents
from chains.web.operations import Operation, Shape
from chains.web.parameters import ENTRY_HASH, FORMAT, WITH_CONTENT
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import EntryModel, PromiseModel
from chains.web.shown import ChainSeen, entry_shown

OTS = "application/vnd.opentimestamps.v1"


def get_entry(room: Room, request: Request) -> Answer:
    """Return an entry."""
    chain, stored = room.entry(request, Action.ENTRY_READ)
    return json_of(entry_shown(ChainSeen.of(room, request, chain), stored))


def get_content(room: Room, request: Request) -> Answer:
    """Return the content as it was recorded, never as something that a browser would run."""
    chain, stored = room.entry(request, Action.CONTENT_READ)
    if stored.gone is Gone.ERASED:
        raise ProblemError("not-found", "The content was erased: the entry's receipt says when and why")
    kept = Contents.of(room, request, chain).kept(stored, What.CONTENT)
    if kept is None or kept.content is None:
        raise ProblemError("not-found", "The content is not kept here: only its commitment or its digest is")
    headers = (
        cached("private", "no-cache"),
        (b"content-disposition", b"attachment"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
    )
    return Answer(200, kept.content, stored.entry.media_type or OCTETS, headers)


def get_receipt(room: Room, request: Request) -> Answer:
    """Return the receipt as complete as it can be now; off mainnet an .ots file says so in a header only."""
    chain, stored = room.entry(request, Action.RECEIPT_READ)
    with_content = request.arguments.get("content") == "1"
    receipt = Contents.of(room, request, chain).receipt(stored, with_content=with_content)
    wants_ots = request.arguments.get("format") == "ots" or (
        "format" not in request.arguments and accepts(request.headers, OTS)
    )
    if wants_ots:
        return _ots(receipt)
    is_anchored = receipt.sealed is not None and receipt.sealed.is_in_bitcoin
    headers = (cached("private", "no-cache"), (b"anchorline-state", b"anchored" if is_anchored else b"pending"))
    return Answer(200, receipt.encode(), JSON, headers)


def _ots(receipt: Receipt) -> Answer:
    export = export_ots(receipt)
    name = "receipt" if export.network == "mainnet" else f"receipt.{export.network}"
    headers = (
        cached("private", "no-cache"),
        (b"anchorline-network", export.network.encode()),
        (b"content-disposition", f'attachment; filename="{name}.ots"'.encode()),
    )
    return Answer(200, export.ots, OTS, headers)


def get_promise(room: Room, request: Request) -> Answer:
    """Return what was promised when the entry was accepted."""
    _, stored = room.entry(request, Action.RECEIPT_READ)
    promise = room.receipts.promise(stored)
    if promise is None:
        raise ProblemError("not-found", "The promise was lost; an epoch leaf of the directory says so")
    return json_of(promise.to_json())


GROUP = "Entries"
OPERATIONS = (
    Operation(
        "getEntry",
        "GET",
        "/v1/entries/{entry_hash}",
        "One entry",
        GROUP,
        {200: Shape("The entry", {JSON: EntryModel})},
        ("not-found", "not-allowed"),
        parameters=(ENTRY_HASH,),
        run=get_entry,
        is_of_database=True,
    ),
    Operation(
        "getContent",
        "GET",
        "/v1/entries/{entry_hash}/content",
        "The content of an entry, as it was recorded",
        GROUP,
        {200: Shape("The bytes, under the media type of the entry", {"*/*": bytes})},
        ("not-found", "not-allowed"),
        parameters=(ENTRY_HASH,),
        run=get_content,
        is_of_database=True,
    ),
    Operation(
        "getReceipt",
        "GET",
        "/v1/entries/{entry_hash}/receipt",
        "The receipt of an entry, pending or complete",
        GROUP,
        {200: Shape("The receipt (docs/spec/receipt.md)", {JSON: dict, OTS: bytes}, ("Anchorline-State",))},
        ("not-found", "not-allowed"),
        parameters=(ENTRY_HASH, FORMAT, WITH_CONTENT),
        run=get_receipt,
        is_of_database=True,
    ),
    Operation(
        "getPromise",
        "GET",
        "/v1/entries/{entry_hash}/promise",
        "The promise made for an entry",
        GROUP,
        {200: Shape("The promise (docs/spec/promise.md)", {JSON: PromiseModel})},
        ("not-found", "not-allowed"),
        parameters=(ENTRY_HASH,),
        run=get_promise,
        is_of_database=True,
    ),
)

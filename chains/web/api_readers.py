"""Operations on the envelope of an entry: fetch it, list its readers, add one, remove one.

Who may read content gets the envelope, and opens it with a key that the service never sees; the chain's owner says who
its readers are, and every change stays in the list. ``chains.web.api`` has them in its table.
"""

from anchor.proof.archive_envelopes import ReaderSpan
from chains.access import Action, Actor
from chains.client.envelope import WRAP_SIZE, WrappedKey
from chains.web.answers import NO_STORE, cached, json_of
from chains.web.asgi import JSON, OCTETS, Answer
from chains.web.contents import Contents
from chains.web.items import taken
from chains.web.limits import SMALL_BYTES
from chains.web.managing import CHANGES, REFUSALS
from chains.web.operations import Body, Operation, Shape
from chains.web.parameters import ENTRY_HASH, READER
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import ReaderModel, Readers, ReaderWanted


def get_envelope(room: Room, request: Request) -> Answer:
    """Return the envelope as it is now: the encrypted content, and a wrapped key for each reader."""
    chain, stored = room.entry(request, Action.CONTENT_READ)
    envelope = Contents.of(room, request, chain).envelope(stored)
    if envelope is None:
        raise ProblemError("not-found", "No encrypted content of this entry is kept here")
    headers = (cached("private", "no-cache"), (b"content-disposition", b"attachment"))
    return Answer(200, envelope.encode(), OCTETS, headers)


def list_readers(room: Room, request: Request) -> Answer:
    """Return everybody who could ever open the envelope, for the owner of the chain."""
    _, stored = room.entry(request, Action.GRANT_MANAGE)
    return json_of(Readers(readers=[_shown(each) for each in room.envelopes.readers(stored)]), NO_STORE)


def add_reader(room: Room, request: Request) -> Answer:
    """Add a reader, for whom somebody who can open the envelope wrapped its key."""
    _, stored = room.entry(request, Action.GRANT_MANAGE)
    wanted = taken(ReaderWanted, request.body)
    if len(wanted.wrap) != WRAP_SIZE:
        raise ProblemError("body-malformed", f"wrap: expected {WRAP_SIZE} bytes, got {len(wanted.wrap)}")
    key = WrappedKey(bytes.fromhex(wanted.reader), wanted.wrap)
    return json_of(_shown(room.envelopes.add(stored, key, _by(request.actor), request.now_ms, request.asker)), NO_STORE)


def remove_reader(room: Room, request: Request) -> Answer:
    """Remove a reader: the key that was wrapped for him is deleted; what he has read, he has read."""
    _, stored = room.entry(request, Action.GRANT_MANAGE)
    reader = request.digest("reader")
    if not any(each.reader == reader and each.removed_at_ms is None for each in room.envelopes.readers(stored)):
        raise not_found()
    return json_of(
        _shown(room.envelopes.remove(stored, reader, _by(request.actor), request.now_ms, request.asker)), NO_STORE
    )


def _by(actor: Actor) -> str:
    """Name whoever changes something, for the owner: by the visible part of the API key."""
    return actor.key_id or actor.organisation or "operator"


def _shown(reader: ReaderSpan) -> ReaderModel:
    return ReaderModel(
        reader=reader.reader.hex(),
        added_at_ms=reader.added_at_ms,
        added_by=reader.added_by,
        removed_at_ms=reader.removed_at_ms,
        removed_by=reader.removed_by,
    )


GROUP = "Encrypted contents"
OPERATIONS = (
    Operation(
        "getEnvelope",
        "GET",
        "/v1/entries/{entry_hash}/envelope",
        "Encrypted content with the keys of its readers",
        GROUP,
        {200: Shape("The envelope", {OCTETS: bytes})},
        REFUSALS,
        parameters=(ENTRY_HASH,),
        run=get_envelope,
    ),
    Operation(
        "listReaders",
        "GET",
        "/v1/entries/{entry_hash}/readers",
        "Who can open an envelope, and who could",
        GROUP,
        {200: Shape("The readers", {JSON: Readers})},
        REFUSALS,
        parameters=(ENTRY_HASH,),
        run=list_readers,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "addReader",
        "POST",
        "/v1/entries/{entry_hash}/readers",
        "Add a reader to an envelope",
        GROUP,
        {200: Shape("The reader", {JSON: ReaderModel})},
        CHANGES,
        parameters=(ENTRY_HASH,),
        body=Body({JSON: ReaderWanted}, SMALL_BYTES, "The reader, and the content key wrapped for him"),
        run=add_reader,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "removeReader",
        "POST",
        "/v1/entries/{entry_hash}/readers/{reader}/remove",
        "Remove a reader from an envelope",
        GROUP,
        {200: Shape("The reader who was removed", {JSON: ReaderModel})},
        (*REFUSALS, "account-refused"),
        parameters=(ENTRY_HASH, READER),
        run=remove_reader,
        needs_key=True,
        is_change=True,
    ),
)

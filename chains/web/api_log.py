"""Operations about the log itself, all public: its card, its checkpoints, and the directory as a tiled log.

They run on a reading thread (``chains.web.rooms``); ``chains.web.api`` has them in its table.
"""

import msgspec

from anchor.directory import StoredCheckpoint
from anchor.log import DIRECTORY, TILE_WIDTH
from anchor.proof.leaves import KeyLeaf
from anchor.proof.stamps import encode_stamps
from anchor.proof.thread_proofs import encode_proofs
from chains.head_proofs import head_proof
from chains.web.answers import cached, json_of
from chains.web.asgi import JSON, OCTETS, TEXT, Answer
from chains.web.limits import BATCH_BYTES, BATCH_ENTRIES, PAGE_ITEMS
from chains.web.operations import Operation, Shape
from chains.web.parameters import (
    CHAIN_ID,
    CURSOR,
    FROM_SIZE,
    INDEX,
    LIMIT,
    OPTIONAL_SIZE,
    PROOFS_PATH,
    SIZE,
    STAMPS_PATH,
    TILE_PATH,
    TO_SIZE,
)
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import CheckpointModel, Checkpoints, Consistency, Inclusion, LimitsModel, Log, ThreadModel
from chains.web.trees import consistency_answer, inclusion_answer, tile_answer, tile_number

SOON = "max-age=1"
"""A checkpoint is the newest for as long as no other is sealed, and the line of anchors ends where no block came."""


def log_card(room: Room, _: Request) -> Answer:
    """Return who this log is, and what requests may carry."""
    home = room.home
    limits = home.settings.limits
    card = home.card()
    marks = home.directory.log_marks(_size(room))
    found = Log(
        card=msgspec.json.decode(card.encode()),
        keys=[leaf.encode().hex() for _, leaf in marks if isinstance(leaf, KeyLeaf)],
        log_id=card.log.log_id.hex(),
        origin=card.log.origin,
        network=home.network.name,
        limits=LimitsModel(
            content_bytes=limits.content_bytes,
            batch_bytes=BATCH_BYTES,
            batch_entries=BATCH_ENTRIES,
            seal_within_ms=limits.seal_within_ms,
            anchor_within_ms=limits.anchor_within_ms,
        ),
    )
    return json_of(found, cached("public", "max-age=60"))


def newest_checkpoint(room: Room, _: Request) -> Answer:
    """Return the newest signed checkpoint as the signed note that it is."""
    return Answer(200, (_newest(room).note or "").encode(), TEXT, (cached("public", SOON),))


def checkpoints(room: Room, request: Request) -> Answer:
    """Return checkpoints, newest first."""
    limit, below = request.number("limit", PAGE_ITEMS), request.number("cursor", 2**62)
    found = room.home.directory.checkpoints_below(below, limit + 1)
    page = [_shown(stored) for stored in found[:limit]]
    return json_of(Checkpoints(checkpoints=page, cursor=str(page[-1].size) if len(found) > limit else None))


def directory_tile(room: Room, request: Request) -> Answer:
    """Return a tile or an entry bundle of the directory."""
    home, path = room.home, request.arguments["tile_path"]
    return tile_answer(home.trees, DIRECTORY, _size(room), path, home.directory.encoded_leaves, "public")


def directory_consistency(room: Room, request: Request) -> Answer:
    """Return a consistency path of the directory."""
    return consistency_answer(room.home.trees, DIRECTORY, _size(room), request)


def directory_inclusion(room: Room, request: Request) -> Answer:
    """Return an inclusion path of the directory."""
    return inclusion_answer(room.home.trees, DIRECTORY, _size(room), request)


def thread(room: Room, _: Request) -> Answer:
    """Return how many anchors are in blocks, and those that are on their way."""
    count = len(room.anchored.numbers(_size(room)))
    found = ThreadModel(
        log_id=room.home.directory.log.log_id.hex(),
        anchors=count,
        pending=[raw.hex() for raw in room.anchored.pending()],
    )
    return json_of(found, cached("public", SOON))


def thread_proofs(room: Room, request: Request) -> Answer:
    """Return the proofs of up to 256 anchors, in the order of the thread, as a mirror has them."""
    bundle_no = tile_number(request.arguments["proofs_path"].removesuffix(".json"))
    proofs = [proof for _, proof in room.anchored.part(_size(room), bundle_no)]
    if not proofs:
        raise not_found()
    return Answer(200, encode_proofs(bundle_no * TILE_WIDTH, proofs), JSON, (cached("public", SOON),))


def stamps(room: Room, request: Request) -> Answer:
    """Return what up to 16 anchored checkpoints have beside their anchors, as a mirror has it; it may grow for days."""
    file_no = tile_number(request.arguments["stamps_path"].removesuffix(".json"))
    found = room.anchored.stamps(_size(room), file_no)
    if not any(found.values()):
        raise not_found()
    return Answer(200, encode_stamps(found), JSON, (cached("public", SOON),))


def directory_head(room: Room, request: Request) -> Answer:
    """Return the proof of a chain's newest head, or that it has none: nothing that the directory does not show."""
    size = request.number("size", 0)
    home, chain_id = room.home, bytes.fromhex(request.arguments["chain_id"])
    proof = head_proof(home.directory, home.journal, chain_id, size or None)
    return Answer(200, proof.encode(), JSON, (cached("public", SOON),))


def _newest(room: Room) -> StoredCheckpoint:
    newest = room.home.directory.newest()
    if newest is None:
        raise ProblemError("not-found", "Nothing is sealed yet")
    return newest


def _size(room: Room) -> int:
    newest = room.home.directory.newest()
    return 0 if newest is None else newest.size


def _shown(stored: StoredCheckpoint) -> CheckpointModel:
    return CheckpointModel(
        size=stored.size,
        seal_number=stored.seal_number,
        sealed_at_ms=stored.sealed_at_ms,
        root=bytes(stored.root).hex(),
        note=stored.note or "",
    )


GROUP = "Log"
OPERATIONS = (
    Operation(
        "getLog",
        "GET",
        "/v1/log",
        "The log's card, its network, and limits",
        GROUP,
        {200: Shape("The log", {JSON: Log})},
        run=log_card,
        is_everybodys=True,
    ),
    Operation(
        "getCheckpoint",
        "GET",
        "/v1/checkpoint",
        "The newest checkpoint (C2SP signed note)",
        GROUP,
        {200: Shape("The note", {"text/plain": str})},
        ("not-found",),
        run=newest_checkpoint,
        is_everybodys=True,
    ),
    Operation(
        "listCheckpoints",
        "GET",
        "/v1/checkpoints",
        "Checkpoints, newest first",
        GROUP,
        {200: Shape("A page", {JSON: Checkpoints})},
        parameters=(CURSOR, LIMIT),
        run=checkpoints,
        is_everybodys=True,
    ),
    Operation(
        "getTile",
        "GET",
        "/v1/tile/{tile_path}",
        "A tile of the directory (C2SP tlog-tiles)",
        GROUP,
        {200: Shape("Hashes, or leaves each behind its length", {OCTETS: bytes})},
        ("not-found",),
        parameters=(TILE_PATH,),
        run=directory_tile,
        is_everybodys=True,
    ),
    Operation(
        "getThread",
        "GET",
        "/v1/thread",
        "The thread: how many anchors are in blocks, and those on their way",
        GROUP,
        {200: Shape("The thread", {JSON: ThreadModel})},
        run=thread,
        is_everybodys=True,
    ),
    Operation(
        "getThreadProofs",
        "GET",
        "/v1/thread/{proofs_path}",
        "Proofs of anchors in the order of the thread, 256 in each file",
        GROUP,
        {200: Shape("The proofs (docs/spec/mirror.md)", {JSON: dict})},
        ("not-found",),
        parameters=(PROOFS_PATH,),
        run=thread_proofs,
        is_everybodys=True,
    ),
    Operation(
        "getStamps",
        "GET",
        "/v1/stamps/{stamps_path}",
        "Time stamps and calendars' attestations over anchored checkpoints, 16 anchors in each file",
        GROUP,
        {200: Shape("The stamps (docs/spec/mirror.md)", {JSON: dict})},
        ("not-found",),
        parameters=(STAMPS_PATH,),
        run=stamps,
        is_everybodys=True,
    ),
    Operation(
        "getConsistency",
        "GET",
        "/v1/directory/consistency",
        "Consistency of two sizes of the directory",
        GROUP,
        {200: Shape("The path", {JSON: Consistency})},
        ("not-found",),
        parameters=(FROM_SIZE, TO_SIZE),
        run=directory_consistency,
        is_everybodys=True,
    ),
    Operation(
        "getInclusion",
        "GET",
        "/v1/directory/inclusion",
        "Inclusion of a leaf of the directory",
        GROUP,
        {200: Shape("The path", {JSON: Inclusion})},
        ("not-found",),
        parameters=(INDEX, SIZE),
        run=directory_inclusion,
        is_everybodys=True,
    ),
    Operation(
        "getHeadProof",
        "GET",
        "/v1/directory/heads/{chain_id}",
        "Proof of a chain's newest head, or that it has none",
        GROUP,
        {200: Shape("The proof (docs/spec/head-proof.md)", {JSON: dict})},
        ("not-found",),
        parameters=(CHAIN_ID, OPTIONAL_SIZE),
        run=directory_head,
        is_everybodys=True,
    ),
)

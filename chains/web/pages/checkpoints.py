"""Pages about checkpoints: the list of all, and one with what it covers, what carries it, and how it extends the last.

They run on a reading thread; the directory is public, so everybody sees the same, but for links to chains.
"""

from dataclasses import dataclass

from anchor.directory import StoredCheckpoint
from anchor.log import DIRECTORY
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.errors import VerificationError
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, SealLeaf, decode_leaf
from anchor.proof.merkle import check_consistency
from chains.access import Action
from chains.web.asgi import TEXT, Answer
from chains.web.operations import In, Parameter
from chains.web.pages.anchors_shown import PREPARED, AnchorShown, anchor_shown
from chains.web.pages.page import download, page
from chains.web.pages.rendering import render
from chains.web.parameters import CURSOR
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.rooms import Room

PAGE_CHECKPOINTS = 25
PAGE_HEADS = 50
MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint in a list, and the anchor that carries it, if one is in a block."""

    size: int
    seal_number: int
    sealed_at_ms: int
    root: str
    carrier: AnchorShown | None


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A head of a seal: the chain grew from ``before`` to ``tree_size`` entries.

    ``is_linked``: who asks may see the chain's page.
    """

    chain_id: str
    before: int
    tree_size: int
    root: str
    is_linked: bool


@dataclass(frozen=True, slots=True)
class Extension:
    """How a checkpoint extends the one before, checked now: sizes, and the consistency path (RFC 9162) in hex."""

    from_size: int
    holds: bool
    path: tuple[str, ...]


def checkpoints(room: Room, request: Request) -> Answer:
    """Return the list of checkpoints, newest first."""
    found = room.home.directory.checkpoints_below(request.number("cursor", 1 << 62), PAGE_CHECKPOINTS + 1)
    shown = found[:PAGE_CHECKPOINTS]
    return render(
        *(room, request, "checkpoints.html"),
        rows=_rows(room, shown),
        is_first="cursor" not in request.arguments,
        cursor=shown[-1].size if len(found) > PAGE_CHECKPOINTS else None,
    )


def checkpoint(room: Room, request: Request) -> Answer:
    """Return the page of one checkpoint."""
    stored = _stored(room, request)
    directory = room.home.directory
    seal = directory.leaf(stored.size - 1)
    assert isinstance(seal, SealLeaf)
    first = min(request.number("heads", 0), seal.head_count)
    end = min(first + PAGE_HEADS, seal.head_count)
    before = directory.checkpoints_below(stored.size, 1)
    attempts = room.home.journal.of_checkpoint(stored.size, MOST_ATTEMPTS)
    tip_height = room.tip_height()
    return render(
        *(room, request, "checkpoint.html"),
        stored=stored,
        root=bytes(stored.root).hex(),
        seal=seal,
        seal_block=hash_hex(seal.block_hash),
        heads_root=seal.heads_root.hex(),
        heads=_heads(room, request, stored.size - 1 - seal.head_count + first, end - first),
        first_head=first,
        next_heads=end if end < seal.head_count else None,
        before=before[0] if before else None,
        extension=_extension(room, before[0], stored) if before else None,
        following=directory.first_checkpoint_over(stored.size),
        carrier=_carrier(room, stored.size, tip_height),
        attempts=[anchor_shown(each, tip_height) for each in attempts if each.state not in PREPARED],
    )


def checkpoint_note(room: Room, request: Request) -> Answer:
    """Return a checkpoint as the signed note that it is (C2SP)."""
    stored = _stored(room, request)
    name = f'attachment; filename="checkpoint-{stored.size}.txt"'
    return Answer(200, (stored.note or "").encode(), TEXT, ((b"content-disposition", name.encode()),))


def _stored(room: Room, request: Request) -> StoredCheckpoint:
    stored = room.home.directory.checkpoint_of(request.number("size", 0))
    if stored is None:
        raise not_found()
    return stored


def _rows(room: Room, shown: list[StoredCheckpoint]) -> list[CheckpointRow]:
    """Return rows for checkpoints, newest first; what carries an older one may carry the newer ones too."""
    tip_height = room.tip_height()
    rows: list[CheckpointRow] = []
    carrier: AnchorShown | None = None
    is_known = False
    for stored in reversed(shown):
        if not is_known or (carrier is not None and carrier.checkpoint_size < stored.size):
            carrier, is_known = _carrier(room, stored.size, tip_height), True
        rows.append(
            CheckpointRow(stored.size, stored.seal_number, stored.sealed_at_ms, bytes(stored.root).hex(), carrier)
        )
    return rows[::-1]


def _carrier(room: Room, size: int, tip_height: int | None) -> AnchorShown | None:
    """Return the anchor in a block whose checkpoint is the first to cover ``size`` leaves."""
    found = room.home.journal.first_anchored(size)
    return None if found is None else anchor_shown(found[0], tip_height)


def _extension(room: Room, before: StoredCheckpoint, stored: StoredCheckpoint) -> Extension:
    path = room.home.trees.consistency_path(DIRECTORY, before.size, stored.size)
    try:
        check_consistency(before.size, stored.size, bytes(before.root), bytes(stored.root), path)
    except VerificationError:
        return Extension(before.size, holds=False, path=())
    return Extension(before.size, holds=True, path=tuple(value.hex() for value in path))


def _heads(room: Room, request: Request, start: int, count: int) -> list[HeadRow]:
    leaves = [decode_leaf(raw) for raw in room.home.directory.encoded_leaves(start, start + count)]
    return [_head(room, request, leaf) for leaf in leaves if isinstance(leaf, HeadLeaf)]


def _head(room: Room, request: Request, leaf: HeadLeaf) -> HeadRow:
    before = None if leaf.previous_index == NO_PREVIOUS else room.home.directory.leaf(leaf.previous_index)
    chain = room.home.chains.by_id(leaf.chain_id)
    return HeadRow(
        chain_id=leaf.chain_id.hex(),
        before=before.tree_size if isinstance(before, HeadLeaf) else 0,
        tree_size=leaf.tree_size,
        root=leaf.root.hex(),
        is_linked=chain is not None and room.may(request, Action.CHAIN_READ, chain),
    )


SIZE = Parameter("size", "Leaves that the checkpoint covers", "[0-9]{1,18}", In.PATH, is_required=True)
HEADS = Parameter("heads", "Show the heads from this one on", "[0-9]{1,18}")
OPERATIONS = (
    page("checkpointsPage", "/checkpoints", "Checkpoints, newest first", checkpoints, CURSOR),
    page("checkpointPage", "/checkpoints/{size}", "One checkpoint", checkpoint, SIZE, HEADS),
    download("checkpointNote", "/checkpoints/{size}/note", "A checkpoint as a signed note", checkpoint_note, "", SIZE),
)

# SPDX-License-Identifier: Apache-2.0
"""Files of what a log's anchored checkpoints have beside their anchors: time stamps and calendars' attestations.

A mirror publishes them (docs/spec/mirror.md), 16 anchors of the thread in each; ``mirror_parts`` puts them into
receipts. What they prove, steps 14 and 15 say.
"""

from collections.abc import Mapping, Sequence

from anchor.proof import strictjson
from anchor.proof.bundles import tile_path
from anchor.proof.calendar import CalendarAnchor
from anchor.proof.errors import MalformedError
from anchor.proof.opentimestamps import DetachedFile
from anchor.proof.receipt import MAX_ANCHORS, anchor_from_json, anchor_to_json
from anchor.proof.strictjson import Fields
from anchor.proof.timestamp import TimestampAnchor

FORMAT = "anchorline-stamps/1"
FOLDER = "stamps"
STAMPS_WIDTH = 16
"""Anchors of the thread, of which one file has the stamps: a token has 64 KiB at most, and mostly a tenth of that."""
MAX_STAMPS = 32 * 2**20
"""Sixteen checkpoints, each with as much as a receipt can carry beside its Bitcoin anchor, in base64."""
Stamp = TimestampAnchor | CalendarAnchor


def stamps_path(file_no: int) -> str:
    """Return the path of the stamps of anchors 16 * ``file_no`` and following."""
    return tile_path(0, file_no).replace("tile/0", FOLDER, 1) + ".json"


def encode_stamps(found: Mapping[int, Sequence[Stamp]]) -> bytes:
    """Return a file of stamps by the sizes of their checkpoints; those without any are left out."""
    items = [
        {"checkpoint": size, "anchors": [anchor_to_json(stamp) for stamp in stamps]}
        for size, stamps in sorted(found.items())
        if stamps
    ]
    return strictjson.dumps({"format": FORMAT, "stamps": items}).encode("ascii")


def decode_stamps(data: bytes, what: str = "stamps") -> dict[int, tuple[Stamp, ...]]:
    """Read a file of stamps, which messages call ``what``; raise MalformedError for anything else."""
    fields = Fields(strictjson.loads(data, what, MAX_STAMPS), what)
    fields.format(FORMAT)
    items = [Fields(item, what) for item in fields.array("stamps", STAMPS_WIDTH)]
    fields.end()
    found: dict[int, tuple[Stamp, ...]] = {}
    for item in items:
        size = item.integer("checkpoint")
        if found and size <= max(found):
            raise MalformedError(f"{what}: expected checkpoints in ascending order, none twice")
        found[size] = tuple(_stamp(Fields(each, what)) for each in item.array("anchors", MAX_ANCHORS - 1))
        item.end()
    return found


def stamps_in(data: bytes | None) -> dict[int, tuple[Stamp, ...]]:
    """Return what a file of stamps has; nothing where it is not there, or damaged: all else stands without it."""
    try:
        return {} if data is None else decode_stamps(data)
    except MalformedError:
        return {}


def those_over(stamps: Sequence[Stamp], imprint: bytes) -> tuple[Stamp, ...]:
    """Return the stamps that can be over a checkpoint's imprint (32 bytes): others would only spoil its receipts.

    A time stamp's signature is not looked at, nor the block of an attestation.
    """
    return tuple(stamp for stamp in stamps if _may_be_over(stamp, imprint))


def merged(fresh: Sequence[Stamp], kept: Sequence[Stamp]) -> tuple[Stamp, ...]:
    """Return the stamps of a checkpoint where some are known already: none is lost, as far as a file has room.

    An attestation may have got the header of its block meanwhile; it is the same one, and keeps the header.
    """
    known = {bytes_of(stamp) for stamp in fresh}
    headed = {bytes_of(stamp): stamp for stamp in kept if _has_all(stamp)}
    newest = (stamp if _has_all(stamp) else headed.get(bytes_of(stamp), stamp) for stamp in fresh)
    return (*newest, *(stamp for stamp in kept if bytes_of(stamp) not in known))[: MAX_ANCHORS - 1]


def _has_all(stamp: Stamp) -> bool:
    return isinstance(stamp, TimestampAnchor) or stamp.header is not None


def bytes_of(stamp: Stamp) -> bytes:
    """Return what tells stamps apart: the token of a time stamp, the .ots file of an attestation."""
    return stamp.token if isinstance(stamp, TimestampAnchor) else stamp.ots


def _may_be_over(stamp: Stamp, imprint: bytes) -> bool:
    if isinstance(stamp, TimestampAnchor):
        return imprint in stamp.token
    try:
        return DetachedFile.decode(stamp.ots).digest == imprint
    except MalformedError:
        return False


def _stamp(fields: Fields) -> Stamp:
    found = anchor_from_json(fields)
    if not isinstance(found, TimestampAnchor | CalendarAnchor):
        raise MalformedError(f"{fields.what}: expected anchors of the types 'rfc3161' and 'opentimestamps'")
    return found

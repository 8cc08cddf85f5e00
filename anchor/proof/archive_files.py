# SPDX-License-Identifier: Apache-2.0
"""The files of an export (docs/spec/export.md), and the entry bundles in it: what every part of its check reads.

Input is an ``Archive``, which gives files by their paths and is believed in nothing. What does not hold goes to a
``Fault``: ``archive`` ends at the first one, ``chains.archive`` collects them all.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from anchor.proof.bundles import TILE_WIDTH, decode_bundle, tile_path
from anchor.proof.errors import AnchorlineError, MalformedError, VerificationError

CARD = "mirror/log-card.json"
CHECKPOINTS = "checkpoints.jsonl"
PROMISES = "promises.jsonl"
# A line holds one content in base64, and a promise one group commit.
MAX_LINE = 64 * 2**20
# Whoever makes up a size of a log is not followed to its end.
_MOST_MISSING = 1_000


class ArchiveError(AnchorlineError):
    """Something in an export does not hold, or is missing; the message says where."""


Fault = Callable[[str], None]
"""Takes what does not hold, in words; it may raise, or return and have the check go on."""
FAULTS = (ArchiveError, MalformedError, VerificationError)
"""What parts of an export raise that do not hold. Any other error is about whoever checks, and no fault."""


def refuse(what: str) -> None:
    """Raise ArchiveError: the check ends at the first fault."""
    raise ArchiveError(what)


class Archive(Protocol):
    """The files of an export, by their paths below its folder."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file; none where there is no such file."""


def leaves_of(archive: Archive, prefix: str, size: int, fault: Fault = refuse) -> Iterator[bytes | None]:
    """Yield the leaves of a log below ``prefix``, None for each one of a bundle that is missing or damaged."""
    missing = 0
    for tile_no in range(-(-size // TILE_WIDTH)):
        leaves = read_bundle(archive, prefix, tile_no, size, fault)
        yield from leaves
        missing += leaves[0] is None
        if missing >= _MOST_MISSING:
            fault(f"{prefix}: {missing} bundles are missing or damaged; what is behind them is not read")
            return


def read_bundle(archive: Archive, prefix: str, tile_no: int, size: int, fault: Fault) -> Sequence[bytes | None]:
    """Return the leaves of one bundle of a log of ``size`` leaves; Nones, and a fault, where it does not hold them."""
    width = min(TILE_WIDTH, size - tile_no * TILE_WIDTH)
    path = prefix + tile_path("entries", tile_no, width)
    try:
        leaves = decode_bundle(needed(archive, path))
    except MalformedError as error:
        fault(f"{path}: {error}")
    except ArchiveError as error:
        fault(str(error))
    else:
        if len(leaves) == width:
            return leaves
        fault(f"{path}: expected {width} leaves, found {len(leaves)}")
    return [None] * width


def chain_prefix(chain_id: bytes) -> str:
    """Return where the mirror in an export has a chain."""
    return f"mirror/chain/{chain_id.hex()}/"


def needed(archive: Archive, path: str) -> bytes:
    """Return a file's bytes; raises ArchiveError where there is none."""
    data = archive.read(path)
    if data is None:
        raise ArchiveError(f"{path}: missing")
    return data

"""What the file ``state`` of a header store says: how many of its headers count, where they lead, and their work.

Input is the file's bytes, which carry a check of their own. ``header_store`` writes one after each change, and
believes no header that the newest does not count (docs/spec/header-store.md, "Exact bytes").
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from anchor.bitcoin.protocols import BlockId
from anchor.errors import StorageCorruptError
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex
from anchor.proof.bitcoin.header import HEADER_SIZE

# A state is some 300 bytes, and a file ``switch`` begins with one: nothing of it lies behind these.
MAX_STATE = 512
_STATE = re.compile(
    r"anchorline-headers/1\n"
    r"network (?P<network>[a-z][a-z0-9-]{0,31})\n"
    r"start (?P<start_height>0|[1-9][0-9]{0,8}) (?P<start>[0-9a-f]{64})\n"
    r"tip (?P<tip_height>0|[1-9][0-9]{0,8}) (?P<tip>[0-9a-f]{64})\n"
    r"work (?P<work>[0-9a-f]{64})\n"
    r"check (?P<check>[0-9a-f]{64})\n"
)


@dataclass(frozen=True, slots=True)
class State:
    """Network, first and last block of the headers that count, and the work (expected hashes) from genesis on."""

    network: str
    start: BlockId
    tip: BlockId
    work: int

    @property
    def size(self) -> int:
        """Bytes of the file ``headers`` that count."""
        return (self.tip.height - self.start.height + 1) * HEADER_SIZE

    def encode(self) -> bytes:
        """Return the text, which ends with the SHA-256 of what stands before."""
        text = (
            f"anchorline-headers/1\nnetwork {self.network}\n"
            f"start {self.start.height} {hash_hex(self.start.hash)}\n"
            f"tip {self.tip.height} {hash_hex(self.tip.hash)}\n"
            f"work {self.work:064x}\n"
        )
        return (text + f"check {hashlib.sha256(text.encode()).hexdigest()}\n").encode()


def read_state(path: Path) -> State:
    """Return what a file says that is a state and nothing else; raise StorageCorruptError for any other."""
    data = path.read_bytes()
    state, end = decode_state(path, data)
    if end != len(data):
        _refuse(path, data)
    return state


def decode_state(path: Path, data: bytes) -> tuple[State, int]:
    """Return the state that ``data`` begins with, and where it ends; raise StorageCorruptError naming ``path``."""
    found = _STATE.match(data.decode("latin-1"))
    if found is None:
        _refuse(path, data)
    start = BlockId(int(found["start_height"]), hash_from_hex(found["start"]))
    tip = BlockId(int(found["tip_height"]), hash_from_hex(found["tip"]))
    state = State(found["network"], start, tip, int(found["work"], 16))
    if state.encode() != data[: found.end()] or tip.height < start.height:
        _refuse(path, data)
    return state, found.end()


def _refuse(path: Path, data: bytes) -> NoReturn:
    raise StorageCorruptError(
        f"{path}: expected six lines, the first 'anchorline-headers/1', the last a matching check, found "
        f"{data[:40]!r}; restore the folder from a copy, or move it away and synchronise anew"
    )

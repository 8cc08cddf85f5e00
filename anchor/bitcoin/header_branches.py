"""Branches beside the best chain of a header store: judged headers that wait until they have more work.

Input is headers from ``header_store``, which judges them first and makes the branch that overtakes the best chain.
They lie in files without a name, and are forgotten when the store is closed.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anchor.bitcoin.header_rules import ChainEnd
from anchor.proof.errors import TooLargeError

# Headers on branches with less work than the best chain: testnet3, the longest chain there is, has five million. They
# lie in files without a name, 80 bytes each.
MAX_HELD = 8_000_000
# Branches beside the best chain: more than two at a time have not been seen on a public network.
MAX_BRANCHES = 4
# Bytes of a branch that stay in memory before they go to a file.
_IN_MEMORY = 2**20


@dataclass(slots=True)
class Branch:
    """Headers beside the best chain, from the one after ``fork`` to ``end``; the file's position is its end."""

    fork: int
    end: ChainEnd
    file: IO[bytes]

    @property
    def length(self) -> int:
        """Number of its headers."""
        return self.end.height - self.fork

    @classmethod
    def begin(cls, fork: int, end: ChainEnd, folder: Path) -> "Branch":
        """Return a branch whose headers are still to be written, in a file without a name in ``folder``."""
        return cls(fork, end, tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder)))

    def write(self, headers: Sequence[bytes]) -> None:
        """Write headers that are counted in ``end`` already; where that fails, the branch is forgotten."""
        try:
            self.file.writelines(headers)
        except OSError:
            self.file.close()
            raise


class Branches:
    """The branches that are held, oldest first, within bounds on their number and on their headers together."""

    def __init__(self, max_held: int = MAX_HELD) -> None:
        self.max_held = max_held
        self._by_end: dict[bytes, Branch] = {}

    def __iter__(self) -> Iterator[Branch]:
        return iter(self._by_end.values())

    def take(self, end_hash: bytes) -> Branch | None:
        """Return the branch that ends in this block, and hold it no longer."""
        return self._by_end.pop(end_hash, None)

    def find(self, end_hash: bytes) -> Branch | None:
        """Return the branch that ends in this block."""
        return self._by_end.get(end_hash)

    def check_length(self, branch: Branch) -> None:
        """Forget a branch that is too long, and raise TooLargeError."""
        if branch.length > self.max_held:
            branch.file.close()
            raise TooLargeError(
                f"expected a branch of at most {self.max_held} headers beside the best chain, found {branch.length} "
                f"since height {branch.fork}; it was forgotten, the best chain stayed: do not trust where it came from"
            )

    def hold(self, branch: Branch) -> None:
        """Hold a branch, in the place of the same one offered before; the oldest go where bounds are passed."""
        self.forget(branch.end.hash)
        self._by_end[branch.end.hash] = branch
        while len(self._by_end) > MAX_BRANCHES or sum(each.length for each in self) > self.max_held:
            self.forget(next(iter(self._by_end)))

    def forget(self, end_hash: bytes) -> None:
        """Forget the branch that ends in this block, if there is one."""
        branch = self._by_end.pop(end_hash, None)
        if branch is not None:
            branch.file.close()

    def forget_above(self, fork: int) -> None:
        """Forget the branches that hang on headers above ``fork``, which have left the best chain."""
        for branch in [each for each in self if each.fork > fork]:
            self.forget(branch.end.hash)

    def clear(self) -> None:
        """Forget all."""
        for branch in list(self):
            self.forget(branch.end.hash)

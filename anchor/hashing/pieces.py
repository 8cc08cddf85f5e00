"""Byte strings of one size that belong together: salts, digests, leaf hashes.

Native hashing makes and takes one flat buffer, hashlib one object each; whoever reads asks for the form that he needs,
and only then the other one is made.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import overload

from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import MalformedError


class Pieces(Sequence[bytes]):
    """Byte strings of ``size`` bytes each. Make them with ``cut`` or ``of``, which check what they are given."""

    __slots__ = ("_each", "_flat", "size")

    def __init__(self, size: int, flat: bytes | None = None, each: Sequence[bytes] | None = None) -> None:
        """Take either form, unchecked: for those who have just made it."""
        self.size = size
        self._flat = flat
        self._each = each

    def __reduce__(self) -> "tuple[type[Pieces], tuple[int, bytes]]":
        """Go to another process as one buffer."""
        return Pieces, (self.size, self.flat)

    @classmethod
    def cut(cls, flat: bytes, size: int = HASH_SIZE) -> "Pieces":
        """Return the pieces of a flat buffer; raise MalformedError where the last one is not whole."""
        if len(flat) % size:
            raise MalformedError(f"expected pieces of {size} bytes, got {len(flat)} bytes in all")
        return cls(size, flat=flat)

    @classmethod
    def of(cls, each: Sequence[bytes], size: int = HASH_SIZE, what: str = "hash") -> "Pieces":
        """Return these pieces; raise MalformedError unless each has ``size`` bytes."""
        wrong = set(map(len, each)) - {size}
        if wrong:
            raise MalformedError(f"{what}: expected {size} bytes, got {min(wrong)}")
        return cls(size, each=each)

    @classmethod
    def joined(cls, parts: Sequence["Pieces"], size: int = HASH_SIZE) -> "Pieces":
        """Return the pieces of all parts, which have this size, one part behind the other."""
        return parts[0] if len(parts) == 1 else cls.cut(b"".join(part.flat for part in parts), size)

    @property
    def flat(self) -> bytes:
        """All pieces in one buffer."""
        if self._flat is None:
            self._flat = b"".join(self._each or ())
        return self._flat

    @property
    def each(self) -> Sequence[bytes]:
        """The pieces as objects."""
        if self._each is None:
            self._each = [piece for (piece,) in struct.iter_unpack(f"{self.size}s", self._flat or b"")]
        return self._each

    def __len__(self) -> int:
        return len(self._flat) // self.size if self._each is None else len(self._each)  # type: ignore[arg-type]  # one is there

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.each)

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> "Pieces": ...
    def __getitem__(self, place: int | slice) -> "bytes | Pieces":
        if isinstance(place, int):
            at = range(len(self))[place]
            return self.flat[at * self.size : (at + 1) * self.size] if self._each is None else self._each[at]
        places = range(len(self))[place]
        if self._each is None and places.step == 1:
            return Pieces(self.size, flat=self.flat[places.start * self.size : places.stop * self.size])
        return Pieces(self.size, each=self.each[place])

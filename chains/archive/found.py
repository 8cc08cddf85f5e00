"""What the check of a part of an export found: faults in words, counts, and roots to put together.

``chains.archive.ranges`` makes them in whatever process; ``chains.archive.checking`` adds them up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from anchor.proof.author_audit import Named


@dataclass(frozen=True, slots=True)
class RangeRoots:
    """The full subtrees that some consecutive entries of a chain make up, the first at a multiple of their number.

    ``peaks`` are those at the end, ``at_heads`` those at each size at which the directory has a head. ``is_whole`` is
    False where a hash is not known, so that nothing behind it can be compared.
    """

    chain_id: bytes
    start: int
    end: int
    peaks: tuple[bytes, ...]
    at_heads: Mapping[int, tuple[bytes, ...]]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class ContentOrder:
    """The first and the last entry for which some lines of a file are, in their order; ``what`` the lines are of."""

    chain_id: bytes
    first: int
    last: int
    what: str = "content"


@dataclass(frozen=True, slots=True)
class NamedEntries:
    """Entries of a chain that one key signed in the name of one identity, and that the same head holds first."""

    chain_id: bytes
    named: Named
    first_index: int
    count: int


@dataclass
class Found:
    """What was found in a part of an export.

    ``authors``, ``identities`` (chain ids) and ``stating`` (places of entries that state a policy) are to be judged
    together; ``remarks`` say what is no fault. ``certificates`` that identities bound and ``time_stamps`` are as
    the facts of a verdict have them.
    """

    faults: list[str] = field(default_factory=list)
    roots: list[RangeRoots] = field(default_factory=list)
    order: list[ContentOrder] = field(default_factory=list)
    authors: list[NamedEntries] = field(default_factory=list)
    identities: list[bytes] = field(default_factory=list)
    stating: list[tuple[bytes, int]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    certificates: list[dict[str, Any]] = field(default_factory=list)
    time_stamps: list[dict[str, Any]] = field(default_factory=list)
    entries: int = 0
    signed_entries: int = 0
    named_entries: int = 0
    contents: int = 0
    digests: int = 0
    envelopes: int = 0
    promised: int = 0
    files: int = 0

    def add(self, other: "Found") -> None:
        """Add the faults and counts of another part, and what is to be judged together."""
        self.faults += other.faults
        self.authors += other.authors
        self.identities += other.identities
        self.stating += other.stating
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


COUNTS = ("entries", "signed_entries", "named_entries", "contents", "digests", "envelopes", "promised", "files")

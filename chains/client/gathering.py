# SPDX-License-Identifier: Apache-2.0
"""Entries that wait to be sent together: when a batch is due, what is in it, and whether there is room; a pure rule.

``Batcher`` and ``AsyncBatcher`` put entries in, and send what ``take`` returns.
"""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """A batch is sent with so many entries or bytes, or when its first entry has waited ``age_s`` seconds.

    No more than ``waiting_entries`` and ``waiting_bytes`` wait at a time: who adds more has to wait himself.
    """

    entries: int = 1000
    bytes: int = 4 * 2**20
    age_s: float = 0.1
    waiting_entries: int = 10_000
    waiting_bytes: int = 64 * 2**20

    def within(self, entries: int, size: int) -> "BatchLimits":
        """Return limits that are no larger than what a service takes."""
        return BatchLimits(
            min(self.entries, entries), min(self.bytes, size), self.age_s, self.waiting_entries, self.waiting_bytes
        )


class Gathering(Generic[Item]):
    """What waits, oldest first. Times are seconds of one monotonic clock."""

    def __init__(self, limits: BatchLimits) -> None:
        self.limits = limits
        self._waiting: deque[tuple[Item, int, float]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self, size: int) -> bool:
        """Say whether an item of ``size`` bytes may be added; one too large for any room may, when nothing waits."""
        limits = self.limits
        is_in = len(self._waiting) < limits.waiting_entries and self._bytes + size <= limits.waiting_bytes
        return is_in or not self._waiting

    def add(self, item: Item, size: int, now_s: float) -> None:
        """Let an item wait."""
        self._waiting.append((item, size, now_s))
        self._bytes += size

    def due_in_s(self, now_s: float) -> float | None:
        """Return how long until a batch is to be sent; 0: now; None: nothing waits."""
        if not self._waiting:
            return None
        if len(self._waiting) >= self.limits.entries or self._bytes >= self.limits.bytes:
            return 0.0
        return max(0.0, self._waiting[0][2] + self.limits.age_s - now_s)

    def take(self) -> list[Item]:
        """Take the next batch: at least one item, and as many as its limits allow."""
        batch: list[Item] = []
        size = 0
        while self._waiting and len(batch) < self.limits.entries:
            item, item_size, _ = self._waiting[0]
            if batch and size + item_size > self.limits.bytes:
                break
            self._waiting.popleft()
            self._bytes -= item_size
            size += item_size
            batch.append(item)
        return batch

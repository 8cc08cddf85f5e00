"""Bringing a header store level with a Bitcoin source: where the chains part, what to fetch, and what to make of it.

Input is the answers of a source, which is believed in nothing: ``header_store`` judges every header. The command
``headers sync`` calls ``sync``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from anchor.bitcoin.fork import newest_common
from anchor.bitcoin.header_rules import HeaderRefusedError, HeaderRule
from anchor.bitcoin.header_store import Extended, HeaderStore
from anchor.bitcoin.protocols import BlockId, Headers
from anchor.errors import SourceError, WrongNetworkError
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE

# Headers that ``sync`` fetches before it judges and stores them: what one message of the peer protocol carries.
BATCH = 2_000
# How often ``sync`` begins anew when a source's answers do not fit together, as they do not while it reorganises.
_ATTEMPTS = 3


class BadHeadersError(SourceError):
    """A source gave headers that no honest and whole one has.

    ``rule`` is the stable name of what they break, ``height`` where; TIME_TOO_NEW can also be this machine's clock.
    """

    def __init__(self, rule: HeaderRule, height: int, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.height = height


class _MovedError(Exception):
    """The source's answers do not fit together: it may have reorganised in between."""

    def __init__(self, height: int, message: str) -> None:
        super().__init__(message)
        self.height = height


@dataclass(frozen=True, slots=True)
class Synced:
    """What ``sync`` did: where the chains parted (``fork``), the tips of store and source, and counts of headers.

    ``added`` and ``removed`` are as in ``Extended``. ``held`` are the source's headers above the fork if its chain has
    no more work than ours, which stayed; 0 if its tip is on our best chain.
    """

    fork: int
    tip: BlockId
    offered: BlockId
    added: int
    removed: int
    held: int


def sync(
    source: Headers, store: HeaderStore, progress: Callable[[BlockId, BlockId], None] = lambda _reached, _offered: None
) -> Synced:
    """Bring ``store`` level with ``source``, which is believed in nothing: every header is judged.

    The height at which both chains part is found by bisection; from there on headers are fetched and kept in batches,
    so what was fetched before an interruption stays; after each batch ``progress`` is told how far the source's chain
    has been fetched, and its tip. If the source's chain has less work, ours
    stays. Raises WrongNetworkError for another network or beginning; BadHeadersError, by name and height, for a header
    that may not follow or answers that do not fit together three times (headers before that one were judged and are
    kept); and what ``source`` and ``extend`` raise.
    """
    source.check_network()
    if source.network.name != store.network:
        raise WrongNetworkError(
            f"expected a source of {store.network}, as the header store, found one of {source.network.name}"
        )
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _sync_once(source, store, progress)
        except _MovedError as error:
            if attempt == _ATTEMPTS:
                raise BadHeadersError(
                    HeaderRule.UNLINKED,
                    error.height,
                    f"{error}, {_ATTEMPTS} times over; ask another source, or try again when this one is at rest",
                ) from error
    raise AssertionError


def _sync_once(source: Headers, store: HeaderStore, progress: Callable[[BlockId, BlockId], None]) -> Synced:
    offered = source.tip()
    if source.block_hash(offered.height) != offered.hash:
        raise _MovedError(offered.height, f"expected the source's tip {hash_hex(offered.hash)} on its best chain")
    fork = _fork_height(source, store, offered)
    parent = _newest_common(source, store, fork)
    added = removed = 0
    for first in range(parent.height + 1, offered.height + 1, BATCH):
        batch = _fetch(source, first, min(BATCH, offered.height + 1 - first))
        if batch[0][4:36] != parent.hash:
            raise _MovedError(first, f"expected the source's header {first} to follow its own header {first - 1}")
        done = _extend_judged(store, batch, first)
        added, removed = added + done.added, removed + done.removed
        parent = BlockId(first + len(batch) - 1, sha256d(batch[-1]))
        progress(parent, offered)
    ours = store.at(offered.height)
    is_ours = ours is not None and ours.hash == offered.hash
    return Synced(fork, store.tip(), offered, added, removed, 0 if is_ours else offered.height - fork)


def _fork_height(source: Headers, store: HeaderStore, offered: BlockId) -> int:
    """Return the greatest height at which source and store have the same block."""

    def agrees(height: int) -> bool:
        known = store.at(height)
        return known is not None and source.block_hash(height) == known.hash

    start, top = store.start(), min(store.tip().height, offered.height)
    if top < start.height or source.block_hash(start.height) != start.hash:
        raise WrongNetworkError(
            f"expected the block {hash_hex(start.hash)} at height {start.height}, with which the header store begins, "
            "found that the source does not have it; ask another source"
        )
    return newest_common(start.height, top, agrees)


def _newest_common(source: Headers, store: HeaderStore, fork: int) -> BlockId:
    """Return the newest block that both have: on a branch that is held since an earlier call, or at the fork."""
    ends = [end for end in store.held() if end.height > fork and source.block_hash(end.height) == end.hash]
    known = store.at(fork)
    if known is None:
        raise _MovedError(fork, f"expected a block at height {fork} in the header store, found that it reorganised")
    return max(ends, key=lambda end: end.height, default=BlockId(fork, known.hash))


def _fetch(source: Headers, first: int, count: int) -> list[bytes]:
    """Return the source's headers from a height on, exactly ``count``, each of which follows the one before."""
    headers = source.headers_from(first, count)
    for height, header in enumerate(headers, first):
        if len(header) != HEADER_SIZE:
            raise BadHeadersError(
                HeaderRule.UNLINKED,
                height,
                f"header {height}: expected {HEADER_SIZE} bytes, found {len(header)}; do not trust this source",
            )
    for height, (header, child) in enumerate(pairwise(headers), first + 1):
        if child[4:36] != sha256d(header):
            raise _MovedError(height, f"expected the source's header {height} to follow its own header {height - 1}")
    if len(headers) != count:
        height = first + len(headers)
        raise _MovedError(
            height, f"expected {count} headers from height {first} on, below the source's own tip, found {len(headers)}"
        )
    return headers


def _extend_judged(store: HeaderStore, batch: list[bytes], first: int) -> Extended:
    """Give a batch to the store; of one with a bad header, those before it."""
    try:
        return store.extend(batch)
    except HeaderRefusedError as error:
        store.extend(batch[: max(error.height - first, 0)])
        raise BadHeadersError(error.rule, error.height, f"the source gave a bad header: {error}") from error

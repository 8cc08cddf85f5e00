"""The parts of a published log, fetched one by one: trees with their tiles and leaves, and the anchors with proofs.

Everything goes through an ``Incoming``, which keeps it until the whole was judged. ``chains.mirror_copy`` says what is
wanted; what is missing is said here by a name, and never waited for.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from anchor.errors import HistoryDiffersError, SourceError
from anchor.hashing.chosen import HASHING
from anchor.log import TILE_WIDTH, tile_path, tile_roots
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, OutPoint, Transaction
from anchor.proof.checkpoint import Checkpoint, note_in
from anchor.proof.codec import HASH_SIZE
from anchor.proof.earlier_receipts import EARLIER, decode_earlier
from anchor.proof.errors import MalformedError
from anchor.proof.leaves import DirectoryLeaf, HeadLeaf, KeyLeaf, Purpose, ThreadLeaf, decode_leaf
from anchor.proof.stamps import STAMPS_WIDTH, Stamp, encode_stamps, merged, stamps_in, stamps_path, those_over
from anchor.proof.thread_proofs import decode_proofs, encode_proofs, proofs_path
from anchor.proof.timestamp import imprint_of
from anchor.published import ANCHORED
from anchor.thread_auditor import payload_of
from anchor.thread_list import FILE_NAME as THREAD_FILE
from anchor.thread_list import ListedAnchor, ThreadList
from anchor.tiles import ENTRIES, PublishedTree, TilePlace, decode_bundle, new_tiles, tile_width
from chains.incoming import Incoming

_UNSETTLED_STAMPS = 4
"""Files of stamps that are asked for again: those of the newest 49 to 64 anchors."""
Leaves = Callable[[int, Sequence[bytes]], None]
"""Is given new leaves, and the index of the first."""


def _unseen(_first: int, _leaves: Sequence[bytes]) -> None:
    """Look at nothing."""


@dataclass(slots=True)
class DirectoryRead:
    """What the leaves of a directory say so far: how long each chain is, where the thread starts, and who signs.

    ``keys`` are the checkpoint keys that came after the first one.
    """

    size: int = 0
    chain_sizes: dict[bytes, int] = field(default_factory=dict)
    threads: list[OutPoint] = field(default_factory=list)
    keys: list[bytes] = field(default_factory=list)

    def read_to(self, incoming: Incoming, size: int) -> None:
        """Read on to a size whose leaves are all here; nothing where it has been read."""
        if size <= self.size:
            return
        tree = PublishedTree(incoming.view, "", size)
        for tile_no in range(self.size // TILE_WIDTH, -(-size // TILE_WIDTH)):
            leaves = tree.bundle(tile_no)
            if leaves is None:
                raise SourceError(
                    f"the directory's leaves from {tile_no * TILE_WIDTH} on are not in the folder any more; nothing "
                    "was taken over. Put them back, or begin with a new folder"
                )
            for raw in leaves[max(0, self.size - tile_no * TILE_WIDTH) :]:
                self._read(decode_leaf(raw))
        self.size = size

    def _read(self, leaf: DirectoryLeaf) -> None:
        if isinstance(leaf, HeadLeaf):
            self.chain_sizes[leaf.chain_id] = leaf.tree_size
        elif isinstance(leaf, ThreadLeaf):
            self.threads.append(leaf.outpoint)
        elif isinstance(leaf, KeyLeaf) and leaf.purpose == Purpose.CHECKPOINT:
            self.keys.append(leaf.new_key.value)


def take_tiles(incoming: Incoming, prefix: str, start: int, size: int) -> str | None:
    """Take the tiles that a tree of ``size`` leaves has and one of ``start`` had not; return the first missing path.

    Of the leaf hashes only: what is above them is computed, so that it need not be believed.
    """
    for place in new_tiles(start, size):
        if place.level:
            incoming.put(prefix + place.path, _computed(incoming, prefix, place))
            continue
        found = incoming.take_tile(prefix, 0, place.tile_no, place.width)
        if found is None or len(found) != place.width * HASH_SIZE:
            incoming.drop(prefix + place.path)
            return prefix + place.path
    return None


def take_leaves(incoming: Incoming, prefix: str, start: int, size: int, seen: Leaves = _unseen) -> str | None:
    """Take the bundles of leaves from ``start`` on, whose tiles were taken; return the first path that is missing.

    A bundle whose hashes are not those of its tile is missing too. ``seen`` is given the leaves from ``start`` on.
    """
    for tile_no in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
        width = tile_width(0, tile_no, size)
        data = incoming.take_tile(prefix, ENTRIES, tile_no, width)
        leaves = None if data is None else decode_bundle(data)
        hashes = incoming.view(prefix + tile_path(0, tile_no, width))
        if not leaves or HASHING.leaves(leaves).flat != hashes:
            bundle = prefix + tile_path(ENTRIES, tile_no, width)
            incoming.drop(bundle)
            return bundle
        first = max(start, tile_no * TILE_WIDTH)
        seen(first, leaves[first - tile_no * TILE_WIDTH :])
    return None


def take_earlier(incoming: Incoming, prefix: str) -> None:
    """Take the receipts of other logs on which continuations of a chain rest; what is no such file is left out."""
    data = incoming.take(prefix + EARLIER)
    try:
        decode_earlier(data or b"")
    except MalformedError:
        incoming.drop(prefix + EARLIER)


def take_anchors(incoming: Incoming, log_id: bytes) -> tuple[ThreadList, list[BitcoinAnchor]]:
    """Take the list of anchors, and return it with their proofs; files that say what ours say are not fetched again.

    Raises MalformedError for what is no list, SourceError where a proof is missing or of another anchor.
    """
    data = incoming.ask(THREAD_FILE)
    listed = ThreadList(log_id) if data is None else ThreadList.decode(data)
    if listed.log_id != log_id:
        raise HistoryDiffersError(f"{THREAD_FILE}: expected log {log_id.hex()}, found {listed.log_id.hex()}")
    own_data = incoming.view(THREAD_FILE)
    own = ThreadList(log_id) if own_data is None else ThreadList.decode(own_data)
    incoming.put(THREAD_FILE, listed.encode())
    proofs: list[BitcoinAnchor] = []
    for first in range(0, len(listed.anchors), TILE_WIDTH):
        wanted = listed.anchors[first : first + TILE_WIDTH]
        path = proofs_path(first // TILE_WIDTH)
        held = incoming.view(path) if own.anchors[first : first + TILE_WIDTH] == wanted else None
        given = incoming.ask(path) if held is None else held
        found = () if given is None else decode_proofs(given)[1]
        if tuple(map(ListedAnchor.of, found[: len(wanted)])) != wanted:
            raise SourceError(f"{path}: expected the proofs of {len(wanted)} anchors of the list, found others")
        proofs += found[: len(wanted)]
    return listed, proofs


def put_anchors(incoming: Incoming, listed: ThreadList, proofs: Sequence[BitcoinAnchor], size: int) -> int:
    """Keep the anchors up to the first one of more than ``size`` leaves, with their checkpoints; return how many.

    The list may be newer than the checkpoint, and must name nothing that is not there (docs/spec/mirror.md, "Order").
    """
    sizes = [_anchored_size(proof.decoded_transaction) for proof in proofs]
    count = next((at for at, each in enumerate(sizes) if each > size), len(proofs))
    for first in range(0, count, TILE_WIDTH):
        encoded = encode_proofs(first, proofs[first : min(first + TILE_WIDTH, count)])
        if incoming.view(proofs_path(first // TILE_WIDTH)) != encoded:
            incoming.put(proofs_path(first // TILE_WIDTH), encoded)
    if count < len(proofs):
        listed = ThreadList(listed.log_id, listed.anchors[:count])
    incoming.put(THREAD_FILE, listed.encode())
    for each in sorted(set(sizes[:count])):
        incoming.take(f"{ANCHORED}/{each}")
    held = incoming.held(THREAD_FILE)
    known = 0 if held is None else len(ThreadList.decode(held).anchors)
    for path, data in stamps_with_news(incoming, 0, sizes[:count], known // STAMPS_WIDTH - _UNSETTLED_STAMPS):
        incoming.put(path, data)
    return count


def late_stamps(incoming: Incoming) -> Iterator[tuple[str, bytes]]:
    """Yield the files of stamps that got more since the folder took the anchors that it has, of the newest of these."""
    data = incoming.view(THREAD_FILE)
    listed = () if data is None else ThreadList.decode(data).anchors
    first_file = max(0, -(-len(listed) // STAMPS_WIDTH) - _UNSETTLED_STAMPS)
    newest = (Transaction.decode(each.transaction, MAX_TRANSACTION) for each in listed[first_file * STAMPS_WIDTH :])
    yield from stamps_with_news(incoming, first_file, [_anchored_size(each) for each in newest], first_file)


def stamps_with_news(
    incoming: Incoming, first_file: int, sizes: Sequence[int], settled: int
) -> Iterator[tuple[str, bytes]]:
    """Yield files of what anchored checkpoints have beside their anchors, as far as it can be over them.

    ``sizes`` are those of anchors 16 * ``first_file`` and following. What is here stays. Stamps come for days after an
    anchor: the first ``settled`` files are of older ones, and asked for only where they are not here, the newest first
    and none behind one that is not shown: a log without stamps would be asked for all of them, always. One that is
    damaged is not taken, and keeps nobody from the rest.
    """
    goes_back = True
    for file_no in reversed(range(first_file, first_file + -(-len(sizes) // STAMPS_WIDTH))):
        path = stamps_path(file_no)
        own = incoming.view(path)
        is_settled = file_no < settled
        given = incoming.ask(path) if not is_settled or (own is None and goes_back) else None
        goes_back = goes_back and not (is_settled and own is None and given is None)
        shown, held = stamps_in(given), stamps_in(own)
        found: dict[int, tuple[Stamp, ...]] = {}
        first = (file_no - first_file) * STAMPS_WIDTH
        for size in sizes[first : first + STAMPS_WIDTH]:
            note = incoming.view(f"{ANCHORED}/{size}")
            root = b"" if note is None else Checkpoint.decode(note_in(note, path).text).root
            fresh = those_over(shown.get(size, ()), imprint_of(size, root)) if root else ()
            found[size] = merged(fresh, held.get(size, ()))
        if (data := encode_stamps(found)) != (own or encode_stamps({})):
            yield path, data


def _anchored_size(transaction: Transaction) -> int:
    """Return how many leaves an anchor commits to; none where it is no anchor, which the audit says."""
    payload = payload_of(transaction)
    return 0 if payload is None else payload.tree_size


def _computed(incoming: Incoming, prefix: str, place: TilePlace) -> bytes:
    """Return a tile above the leaf hashes: the roots of the full tiles below it."""
    below = place.tile_no * TILE_WIDTH
    parts = [incoming.view(prefix + tile_path(place.level - 1, below + at)) for at in range(place.width)]
    return tile_roots(b"".join(part or b"" for part in parts))

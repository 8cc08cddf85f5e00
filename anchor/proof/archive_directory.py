# SPDX-License-Identifier: Apache-2.0
"""The directory in an export: its leaves, and every checkpoint that was signed over them.

Input is an ``Archive``. ``archive`` and ``chains.archive`` check chains, promises and anchors against what it says.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from anchor.proof import ed25519
from anchor.proof.archive_files import CHECKPOINTS, FAULTS, MAX_LINE, Archive, ArchiveError, Fault, leaves_of, refuse
from anchor.proof.bundles import TILE_WIDTH, tile_path
from anchor.proof.checkpoint import Checkpoint, Note, is_signed_by
from anchor.proof.frontier import Frontier
from anchor.proof.identity_history import Place
from anchor.proof.leaves import HeadLeaf, KeyLeaf, LogLeaf, Purpose, SealLeaf, ThreadLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash
from anchor.proof.receipt import LogCard
from anchor.proof.steps_log import key_history
from anchor.proof.strictjson import Fields, loads


@dataclass
class ArchivedDirectory:
    """What the leaves of the directory say; ``keys`` by their places.

    ``roots`` and ``entries`` are the root, and the number of entries in all chains, at the end of each seal; roots of
    those before which no leaf is missing. ``checkpoints`` counts those that hold. ``places`` says of each head, by its
    chain and its number of entries, in which seal it is; ``ends`` how many leaves there are at the end of each seal.
    """

    size: int = 0
    checkpoints: int = 0
    roots: dict[int, bytes] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)
    heads: dict[bytes, list[HeadLeaf]] = field(default_factory=dict)
    keys: list[tuple[int, KeyLeaf]] = field(default_factory=list)
    threads: list[ThreadLeaf] = field(default_factory=list)
    places: dict[bytes, dict[int, Place]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)

    def place_of(self, chain_id: bytes, index: int) -> Place | None:
        """Return where an entry was first sealed, or None where no head that has a seal holds it."""
        head = next((head for head in self.heads.get(chain_id, ()) if head.tree_size > index), None)
        return None if head is None else self.places.get(chain_id, {}).get(head.tree_size)


def read_directory(
    archive: Archive, card: LogCard, check: ed25519.SignatureCheck, fault: Fault = refuse
) -> ArchivedDirectory:
    """Read the leaves up to the newest checkpoint, and compare every checkpoint with them.

    Leaves that are missing make what is behind them incomparable, which is a fault of each checkpoint there.
    """
    notes = dict(_notes(archive, card.log.origin, fault))
    if not notes:
        fault(f"{CHECKPOINTS}: expected at least one checkpoint, found none")
    sizes = sorted(notes)
    found, frontier, entries = ArchivedDirectory(_size_there(archive, sizes, fault)), Frontier(), 0
    waiting = list[HeadLeaf]()
    for index, raw in enumerate(leaves_of(archive, "mirror/", found.size, fault)):
        if raw is None:
            continue
        frontier.add(leaf_hash(raw))
        try:
            leaf = decode_leaf(raw)
            _check_first(index, leaf, card.log)
        except FAULTS as error:
            fault(f"directory leaf {index}: {error}")
            continue
        entries += _added(index, leaf, found, fault)
        if isinstance(leaf, HeadLeaf):
            waiting.append(leaf)
        if isinstance(leaf, SealLeaf):
            _seal(leaf, waiting, card.log, found)
            waiting.clear()
            found.entries[index + 1] = entries
            found.ends[leaf.seal_number] = index + 1
            if frontier.size == index + 1:
                found.roots[index + 1] = frontier.root()
    for size in sizes:
        try:
            _checkpoint(card.log, notes[size], size, found, check)
            found.checkpoints += 1
        except FAULTS as error:
            fault(f"checkpoint of {size} leaves: {error}")
    return found


def _size_there(archive: Archive, sizes: Sequence[int], fault: Fault) -> int:
    """Return the largest size whose last bundle is there, or else the largest: not one that somebody made up."""
    for size in reversed(sizes):
        tile_no, rest = divmod(size, TILE_WIDTH)
        path = f"mirror/{tile_path('entries', tile_no, rest) if rest else tile_path('entries', tile_no - 1)}"
        if archive.read(path) is not None:
            return size
        fault(f"{path}: missing")
    return sizes[-1] if sizes else 0


def _check_first(index: int, leaf: object, log: LogLeaf) -> None:
    if (index == 0) != isinstance(leaf, LogLeaf) or (index == 0 and leaf != log):
        raise ArchiveError("leaf 0, and no other, must be the log of the card")


def _added(index: int, leaf: object, found: ArchivedDirectory, fault: Fault) -> int:
    """Add what a leaf says; return how many entries it adds."""
    if isinstance(leaf, KeyLeaf):
        found.keys.append((index, leaf))
    if isinstance(leaf, ThreadLeaf):
        found.threads.append(leaf)
    return _add_head(index, leaf, found, fault) if isinstance(leaf, HeadLeaf) else 0


def _seal(seal: SealLeaf, heads: Sequence[HeadLeaf], log: LogLeaf, found: ArchivedDirectory) -> None:
    """Say of the heads of a seal where they are; key leaves of the seal stand before them."""
    given = [leaf.new_key for _, leaf in found.keys if leaf.purpose == Purpose.PROMISE]
    promise_key = (given[-1] if given else log.promise_key).value
    place = Place.of_seal(seal, promise_key)
    for head in heads:
        found.places.setdefault(head.chain_id, {}).setdefault(head.tree_size, place)


def _add_head(index: int, leaf: HeadLeaf, found: ArchivedDirectory, fault: Fault) -> int:
    """Add a head to those of its chain; return how many entries it has more than the one before."""
    heads = found.heads.setdefault(leaf.chain_id, [])
    before = heads[-1].tree_size if heads else 0
    if leaf.tree_size <= before:
        fault(
            f"directory leaf {index}: expected a head of chain {leaf.chain_id.hex()} with more than {before} "
            f"entries, found one with {leaf.tree_size}: sizes only grow"
        )
        return 0
    heads.append(leaf)
    return leaf.tree_size - before


def _notes(archive: Archive, origin: str, fault: Fault) -> Iterator[tuple[int, Note]]:
    for line in archive.lines(CHECKPOINTS):
        try:
            fields = Fields(loads(line, CHECKPOINTS, MAX_LINE), CHECKPOINTS)
            note = Note.decode(fields.text("note"))
            fields.end()
            checkpoint = Checkpoint.decode(note.text)
            if checkpoint.origin != origin:
                raise ArchiveError(f"expected checkpoints of {origin}, found one of {checkpoint.origin}")
        except FAULTS as error:
            fault(f"{CHECKPOINTS}: {error}")
            continue
        yield checkpoint.size, note


def _checkpoint(log: LogLeaf, note: Note, size: int, found: ArchivedDirectory, check: ed25519.SignatureCheck) -> None:
    """A checkpoint has the root of the leaves, and the signature of the key that is valid for it."""
    if Checkpoint.decode(note.text).root != found.roots.get(size):
        raise ArchiveError(f"its root is not that of the first {size} leaves")
    keys = tuple(leaf for index, leaf in found.keys if index < size)
    key = key_history(log, keys, log.log_id, check)[Purpose.CHECKPOINT].value
    if not is_signed_by(note, log.origin, key, check):
        raise ArchiveError("not signed by the checkpoint key of its time")

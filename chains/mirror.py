"""The mirror: a log as a folder of static files, C2SP tiles and signed checkpoints, that any web server can carry.

Everything comes from the home's database; leaves of chains are published only for the chains that are chosen, leaf
hashes of all. ``anchorline mirror`` writes it, and an auditor follows it with ``anchorline thread``
(docs/spec/mirror.md).
"""

import os
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from anchor.anchored_line import AnchoredLine
from anchor.directory import Directory, StoredCheckpoint, sign_checkpoint
from anchor.errors import BehindError, NotYetError, SettingsError
from anchor.journal import Journal
from anchor.log import DIRECTORY, TILE_WIDTH, Trees, tile_path
from anchor.proof.checkpoint import MAX_NOTE, Checkpoint, Note, chain_origin, key_id
from anchor.proof.earlier_receipts import EARLIER, sealed_earlier
from anchor.proof.receipt import LogCard
from anchor.proof.stamps import STAMPS_WIDTH, encode_stamps, merged, stamps_in, stamps_path
from anchor.proof.thread_proofs import encode_proofs, proofs_path
from anchor.published import ANCHORED, CARD, CHECKPOINT
from anchor.signing import SigningKey
from anchor.storage.engine import Engine
from anchor.thread_list import FILE_NAME as THREAD_FILE
from anchor.thread_list import ListedAnchor, ThreadList
from anchor.tiles import ENTRIES, encode_bundle, new_tiles, tile_width
from chains.chain import Chain, Chains
from chains.chain_life import ChainLives
from chains.mirror_folder import chain_prefix, check_folder, drop_partial, has_entries, only_writer, put_file
from chains.verify_page import FILE_NAME as VERIFY_PAGE
from chains.verify_page import page

Leaves = Callable[[int, int], Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a run did; ``size`` is the published size of the directory."""

    size: int
    chains: int
    chains_changed: int
    chains_with_entries: int
    chains_taken_out: int
    anchors: int
    files_written: int


@dataclass(frozen=True, slots=True)
class _ChainHead:
    tree_no: int
    chain_id: bytes
    size: int


class Mirror:
    """Writes one folder from one home. ``key`` signs the chains' own checkpoints."""

    def __init__(
        self, folder: Path, engine: Engine, trees: Trees, directory: Directory, chains: Chains, journal: Journal
    ) -> None:
        self.folder = folder
        self.engine = engine
        self.trees = trees
        self.directory = directory
        self.chains = chains
        self.journal = journal
        self.line = AnchoredLine(directory, journal)
        self._written = 0

    def write(
        self,
        key: SigningKey,
        chosen: Collection[Chain] = (),
        kept_out: Collection[Chain] = (),
        *,
        whole: bool = False,
    ) -> Mirrored:
        """Bring the folder up to the newest signed checkpoint; ``chosen`` chains are published with their entries.

        Entries of the chains ``kept_out`` are removed where an earlier run published them (``chains.publication``).

        What a reader finds is consistent at any moment: tiles first, then what names their size. Whatever is not
        under the folder's own checkpoint yet is written again by the next run, so an interrupted run is made good by
        repeating it. ``whole`` writes every file anew. Raises NotYetError before the first seal, BehindError where
        the folder has seen more of this log than this home, SettingsError for a folder that is not this log's.
        """
        newest = self.directory.newest()
        if newest is None:
            raise NotYetError(
                "nothing is sealed yet, so there is nothing to publish; try again after `anchorline seal`"
            )
        with only_writer(self.folder):
            check_folder(self.folder, self.directory.log)
            taken_out = sum(self._take_out(chain) for chain in kept_out)
            done = self._write(newest, key, {chain.chain_no: chain for chain in chosen}, whole=whole)
            return replace(done, chains_taken_out=taken_out)

    def _write(self, newest: StoredCheckpoint, key: SigningKey, chosen: dict[int, Chain], *, whole: bool) -> Mirrored:
        before = self._published_size("", self.directory.log.origin, DIRECTORY, newest.size)
        start = 0 if whole else before
        heads = self._heads(newest.size)
        changed = [head for head in heads if self._write_chain(head, key, whole=whole)]
        with_entries = [head for head in heads if head.tree_no in chosen or has_entries(self.folder, head.chain_id)]
        earlier = ChainLives(self.engine, self.chains).earlier_receipts() if with_entries else {}
        for head in with_entries:
            self._write_chain_entries(head, whole=whole)
            self._write_earlier(head, earlier.get(head.tree_no, {}))
        self._write_tiles("", DIRECTORY, start, newest.size)
        self._write_bundles("", start, newest.size, self.directory.encoded_leaves)
        line = self.line.numbers(newest.size)
        for number in line:
            self._write_anchored(self.journal.numbered(number).checkpoint_size)
        os.sync()  # one for all: until a checkpoint names them, the next run would write these files again
        self._put(CHECKPOINT, (newest.note or "").encode())
        for head in changed:
            self._put(chain_prefix(head.chain_id) + CHECKPOINT, self._chain_note(head, key))
        self._write_stamps(newest.size)
        self._write_thread(newest.size)
        self._put(CARD, LogCard(self.directory.log, self.line.starts(newest.size) or None).encode())
        self._write_verify_page()
        os.sync()
        return Mirrored(newest.size, len(heads), len(changed), len(with_entries), 0, len(line), self._written)

    # --- the folder

    def _published_size(self, prefix: str, origin: str, tree_no: int, most: int) -> int:
        """Return the size that a checkpoint in the folder names, 0 without one; it must be of our own history."""
        path = self.folder / prefix / CHECKPOINT
        if not path.is_file() or path.stat().st_size == 0:  # a power cut may leave a name without its bytes
            return 0
        found = Checkpoint.decode(Note.decode(path.read_bytes()[: MAX_NOTE + 1].decode("utf-8")).text)
        if found.origin != origin:
            raise SettingsError(f"{path}: expected a checkpoint of {origin}, found one of {found.origin}")
        if found.size > most:
            raise BehindError(
                f"{path}: it names {found.size} leaves, this home has {most}: the home was restored from a backup, or "
                "another one writes to this folder; nothing was written"
            )
        if found.root != self.trees.root(tree_no, found.size):
            raise BehindError(
                f"{path}: it names another root of {found.size} leaves than this home; nothing was written"
            )
        return found.size

    def _put(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all; a name that begins with a dot is never a published one."""
        put_file(self.folder, path, data)
        self._written += 1

    def _write_verify_page(self) -> None:
        path = self.folder / VERIFY_PAGE
        if not path.is_file() or path.read_bytes() != page().html:
            self._put(VERIFY_PAGE, page().html)

    # --- logs

    def _heads(self, size: int) -> list[_ChainHead]:
        """Return the newest head of every chain below ``size``."""
        rows = self.engine.query(
            "SELECT tree.tree_no, tree.chain_id, MAX(head.tree_size) FROM head "
            "JOIN tree ON tree.tree_no = head.tree_no WHERE head.directory_index < ? "
            "GROUP BY tree.tree_no, tree.chain_id ORDER BY tree.tree_no",
            (size,),
        )
        return [_ChainHead(int(tree_no), bytes(chain_id), int(tree_size)) for tree_no, chain_id, tree_size in rows]

    def _write_chain(self, head: _ChainHead, key: SigningKey, *, whole: bool) -> bool:
        """Write the new tiles of a chain; say whether its checkpoint is to be written afterwards."""
        before = self._published_chain_size(head)
        self._write_tiles(chain_prefix(head.chain_id), head.tree_no, 0 if whole else before, head.size)
        return whole or before < head.size or not self._is_signed_by(head, key)

    def _published_chain_size(self, head: _ChainHead) -> int:
        origin = chain_origin(self.directory.log.origin, head.chain_id)
        return self._published_size(chain_prefix(head.chain_id), origin, head.tree_no, head.size)

    def _is_signed_by(self, head: _ChainHead, key: SigningKey) -> bool:
        """Say whether a chain's published checkpoint is by the key of today: after a rotation it is signed again."""
        note = Note.decode((self.folder / chain_prefix(head.chain_id) / CHECKPOINT).read_text(encoding="utf-8"))
        return key_id(self.directory.log.origin, key.public_key) in {line.key_id for line in note.signatures}

    def _chain_note(self, head: _ChainHead, key: SigningKey) -> bytes:
        """Sign a chain's own checkpoint: its newest head in the directory, by the log's name (design section 3.3)."""
        origin, root = self.directory.log.origin, self.trees.root(head.tree_no, head.size)
        checkpoint = Checkpoint(chain_origin(origin, head.chain_id), head.size, root)
        return sign_checkpoint(checkpoint, origin, key).encode().encode()

    def _write_tiles(self, prefix: str, tree_no: int, start: int, size: int) -> None:
        for place in new_tiles(start, size):
            self._put(prefix + place.path, self.trees.tile(tree_no, place.level, place.tile_no, place.width))
            if place.width == TILE_WIDTH:
                drop_partial(self.folder, prefix + place.path)

    def _write_bundles(self, prefix: str, start: int, size: int, leaves: Leaves) -> None:
        """Write the leaves themselves; bundles before ``start`` are looked at, and written where they are missing."""
        for tile_no in range(-(-size // TILE_WIDTH)):
            first, width = tile_no * TILE_WIDTH, tile_width(0, tile_no, size)
            path = prefix + tile_path(ENTRIES, tile_no, width)
            if first + width <= start and (self.folder / path).is_file():
                continue
            self._put(path, encode_bundle(leaves(first, first + width)))
            if width == TILE_WIDTH:
                drop_partial(self.folder, path)

    def _take_out(self, chain: Chain) -> bool:
        """Remove the entries of a chain, and say whether there were any; of a chain there are all or none."""
        if not has_entries(self.folder, chain.chain_id):
            return False
        shutil.rmtree(self.folder / chain_prefix(chain.chain_id) / "tile" / ENTRIES)
        return True

    def _write_chain_entries(self, head: _ChainHead, *, whole: bool) -> None:
        chain = self.chains.by_id(head.chain_id)
        assert chain is not None
        start = 0 if whole else self._published_chain_size(head)
        prefix = chain_prefix(head.chain_id)
        self._write_bundles(prefix, start, head.size, lambda first, end: self._chain_leaves(chain, first, end))

    def _write_earlier(self, head: _ChainHead, receipts: Mapping[int, bytes]) -> None:
        """Write the receipts of other logs on which sealed continuations rest, where it is not done."""
        path = chain_prefix(head.chain_id) + EARLIER
        data = None if (self.folder / path).is_file() else sealed_earlier(receipts, head.size)
        if data is not None:
            self._put(path, data)

    def _chain_leaves(self, chain: Chain, start: int, end: int) -> list[bytes]:
        return [
            raw
            for _, first_seq, count in self.chains.seq_ranges(chain, start, end)
            for _, raw in self.chains.bundles.entries(first_seq, first_seq + count)
        ]

    # --- anchors

    def _write_anchored(self, size: int) -> None:
        """Keep a checkpoint that was anchored for as long as there is a mirror."""
        path = f"{ANCHORED}/{size}"
        stored = self.directory.checkpoint_of(size)
        if stored is not None and not (self.folder / path).is_file():
            self._put(path, (stored.note or "").encode())

    def _write_stamps(self, size: int) -> None:
        """Write what time-stamping authorities and calendars gave over anchored checkpoints, where it changed.

        What the folder has stays: a home that was made again of it may have less itself.
        """
        for file_no in range(-(-len(self.line.numbers(size)) // STAMPS_WIDTH)):
            path = stamps_path(file_no)
            file = self.folder / path
            kept = stamps_in(file.read_bytes() if file.is_file() else None)
            own = self.line.stamps(size, file_no)
            found = {stamped: merged(stamps, kept.get(stamped, ())) for stamped, stamps in own.items()}
            if any(found.values()) and found != {stamped: kept.get(stamped, ()) for stamped in own}:
                self._put(path, encode_stamps(found))

    def _write_thread(self, size: int) -> None:
        """Write the proofs where they changed, then the list that counts them."""
        listed: list[ListedAnchor] = []
        for bundle_no in range(-(-len(self.line.numbers(size)) // TILE_WIDTH)):
            proofs = [proof for _, proof in self.line.part(size, bundle_no)]
            data = encode_proofs(bundle_no * TILE_WIDTH, proofs)
            path = self.folder / proofs_path(bundle_no)
            if not path.is_file() or path.read_bytes() != data:
                self._put(proofs_path(bundle_no), data)
            listed += map(ListedAnchor.of, proofs)
        pending = tuple(self.line.pending())
        self._put(THREAD_FILE, ThreadList(self.directory.log.log_id, tuple(listed), pending).encode())

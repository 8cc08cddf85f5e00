"""The directory: ``seal`` gathers the heads of all changed chains into one signed checkpoint.

Chains come as trees (``anchor.log``), the block for the lower end of the time bracket from a Bitcoin source.
``anchor.engine`` anchors the newest checkpoint, ``chains.receipts`` proves heads and seals out of this log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anchor.bitcoin.protocols import BlockId
from anchor.errors import ClockError, SettingsError, StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.heads_nodes import proved
from anchor.heads_stored import PastHeads, store_nodes
from anchor.log import DIRECTORY, Trees
from anchor.outbox import News, Outbox
from anchor.proof.checkpoint import Checkpoint, Note, NoteSignature, key_id
from anchor.proof.errors import MalformedError
from anchor.proof.heads import HeadsProof
from anchor.proof.leaves import (
    NO_POLICY,
    NO_PREVIOUS,
    NOTHING_REPLACED,
    DirectoryLeaf,
    EpochLeaf,
    HeadLeaf,
    KeyLeaf,
    LeafType,
    LogLeaf,
    Purpose,
    SealLeaf,
    ThreadLeaf,
    decode_leaf,
)
from anchor.proof.merkle import leaf_hash
from anchor.proof.receipt import DirectoryProof, Leaf
from anchor.signing import SigningKey
from anchor.storage.engine import Engine

DIRECTORY_ID = b""
"""The chain_id under which the directory's own tree is stored: no chain has an empty id."""

# The lower end of the time bracket: deep enough that it will hardly leave the best chain (design section 3.2).
SEAL_BLOCK_DEPTH = 6
# The clock may be set back this far (a leap second, an NTP step) without a word; times then stand still.
CLOCK_TOLERANCE_MS = 10_000
_ORDER_OF_MARKS = (LeafType.EPOCH, LeafType.KEY, LeafType.THREAD)


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint of the directory as stored; ``note`` is None between storing and signing."""

    size: int
    seal_number: int
    sealed_at_ms: int
    root: bytes
    note: str | None


@dataclass(frozen=True, slots=True)
class _ChangedChain:
    tree_no: int
    chain_id: bytes
    size: int
    built_size: int
    head_index: int | None
    policy: bytes | None

    @property
    def is_built(self) -> bool:
        """Whether its interior tiles are stored: all are, unless an older version appended."""
        return self.built_size >= self.size


class Directory:
    """The directory of one log. ``log`` is leaf 0, fixed when the home was made."""

    def __init__(self, engine: Engine, trees: Trees, log: LogLeaf) -> None:
        self.engine = engine
        self.trees = trees
        self.log = log

    @classmethod
    def create(cls, engine: Engine, trees: Trees, log: LogLeaf) -> "Directory":
        """Make the directory of a new home: fixes leaf 0, and with it the log's identity."""
        with engine.transaction():
            engine.execute("INSERT INTO identity (identity_no, leaf_0) VALUES (0, ?)", (log.encode(),))
            trees.create(DIRECTORY_ID)
        return cls(engine, trees, log)

    @classmethod
    def open(cls, engine: Engine, trees: Trees) -> "Directory":
        """Open the directory of a home; raise StorageCorruptError where its identity is missing or damaged."""
        rows = engine.query("SELECT leaf_0 FROM identity WHERE identity_no = 0")
        log = decode_leaf(bytes(rows[0][0])) if rows else None
        if not isinstance(log, LogLeaf):
            raise StorageCorruptError("the database has no leaf 0: it is not, or not wholly, a home; restore a backup")
        return cls(engine, trees, log)

    # --- sealing

    def seal(
        self,
        key: SigningKey,
        now_ms: int,
        block: BlockId,
        extra: Sequence[DirectoryLeaf] = (),
        *,
        old_key: SigningKey | None = None,
    ) -> StoredCheckpoint | None:
        """Seal every changed chain and sign the checkpoint; return it, or None where nothing had changed.

        ``extra`` are leaves about the log itself (design section 3.2: 17, 13, 15, in this order). Three phases, each
        of which a crash leaves whole: tiles (computed from stored leaves, any number of times), one transaction that
        appends the leaves and stores the checkpoint, and the signature over what is stored. ``key`` is the one that is
        valid for the new checkpoint; ``old_key`` the one before, where ``extra`` replaces it.
        """
        _check_order(extra)
        keys = (key,) if old_key is None else (key, old_key)
        self.sign_stored(*keys)
        for chain in self._changed():
            if not chain.is_built:
                self.trees.build_ahead(chain.tree_no)
        with self.engine.transaction():
            sealed = self._append_seal(now_ms, block, extra)
        if not sealed:
            return None
        self.sign_stored(*keys)
        return self.newest()

    def sign_stored(self, *keys: SigningKey) -> None:
        """Sign what is stored without signature, each checkpoint with that one of ``keys`` which was valid for it.

        The checkpoint that first covers a key leaf is signed by the new key, those before by the old one (design
        section 3.2). Only what is committed is ever signed, and Ed25519 is deterministic: however often this is
        repeated, one size has one root and one signature. Raises SettingsError where the key of its time is not given.
        """
        for stored in self._checkpoints("WHERE note IS NULL ORDER BY size"):
            wanted = self.checkpoint_key(stored.size)
            key = next((key for key in keys if key.public_key == wanted), None)
            if key is None:
                raise SettingsError(
                    f"the checkpoint of {stored.size} leaves is stored and not signed, and only the checkpoint key "
                    f"{wanted.hex()} may sign it; it was not given: restore its file"
                )
            checkpoint = Checkpoint(self.log.origin, stored.size, stored.root)
            note = sign_checkpoint(checkpoint, self.log.origin, key)
            with self.engine.transaction():
                self.engine.execute(
                    "UPDATE checkpoint SET note = ? WHERE size = ? AND note IS NULL", (note.encode(), stored.size)
                )

    def checkpoint_key(self, size: int) -> bytes:
        """Return the public key (32 bytes) that signs the checkpoint of ``size`` leaves: by the key leaves below it."""
        keys = [leaf for _, leaf in self.log_marks(size) if isinstance(leaf, KeyLeaf)]
        given = [leaf.new_key for leaf in keys if leaf.purpose == Purpose.CHECKPOINT]
        return (given[-1] if given else self.log.checkpoint_key).value

    def _append_seal(self, now_ms: int, block: BlockId, extra: Sequence[DirectoryLeaf]) -> bool:
        """Append the seal's leaves and its checkpoint, inside a transaction."""
        # Two processes may bring the same leaf: a thread starts once and is replaced once, and a gap is stated once.
        extra = [leaf for leaf in extra if not isinstance(leaf, ThreadLeaf) or leaf.replaced == self._newest_thread()]
        stated = {leaf.encode() for _, leaf in self.log_marks(NO_PREVIOUS >> 1) if isinstance(leaf, EpochLeaf)}
        extra = [leaf for leaf in extra if leaf.encode() not in stated]
        changed = self._changed()
        if not changed and not extra:
            return False
        newest = self._newest_stored()
        sealed_at_ms = checked_clock(now_ms, newest.sealed_at_ms if newest else 0, "the last seal")
        size = self.trees.state(DIRECTORY).size
        start: list[DirectoryLeaf] = [] if size else [self.log]
        first_head = size + len(start) + len(extra)
        heads = [self._built_head(chain) for chain in changed]
        for place, (chain, head) in enumerate(zip(changed, heads, strict=True)):
            self._store_head(chain, first_head + place, head)
        sealed_size = first_head + len(heads) + 1
        newest_heads = store_nodes(self.engine, sealed_size, [chain.chain_id for chain in changed])
        seal = SealLeaf(
            seal_number=newest.seal_number + 1 if newest else 0,
            sealed_at_ms=sealed_at_ms,
            head_count=len(heads),
            chain_count=newest_heads.chains,
            heads_root=newest_heads.hash,
            block_height=block.height,
            block_hash=block.hash,
        )
        self._append_leaves(size, [*start, *extra, *heads, seal])
        marks = range(size + len(start), first_head)
        self.engine.execute_many("INSERT INTO log_mark (leaf_index) VALUES (?)", [(index,) for index in marks])
        self._store_checkpoint(seal)
        return True

    def _newest_thread(self) -> bytes:
        """Return the leaf hash of the newest thread leaf: what the next one replaces."""
        newest = self.thread_leaf()
        return NOTHING_REPLACED if newest is None else leaf_hash(newest[1].encode())

    def _changed(self) -> list[_ChangedChain]:
        """Chains with leaves that are not under a head yet, by chain id."""
        rows = self.engine.query(
            "SELECT tree_no, chain_id, size, built_size, head_index, (SELECT entry_hash FROM stated_policy "
            "WHERE stated_policy.tree_no = tree.tree_no ORDER BY leaf_index DESC LIMIT 1) "
            "FROM tree WHERE tree_no > 0 AND size > sealed_size ORDER BY chain_id"
        )
        return [_ChangedChain(*row) for row in rows]

    def _built_head(self, chain: _ChangedChain) -> HeadLeaf:
        if not chain.is_built:
            self.trees.build_to(chain.tree_no, chain.size)
        previous = NO_PREVIOUS if chain.head_index is None else chain.head_index
        policy = NO_POLICY if chain.policy is None else chain.policy
        return HeadLeaf(chain.chain_id, chain.size, previous, self.trees.root(chain.tree_no, chain.size), policy)

    def _store_head(self, chain: _ChangedChain, index: int, head: HeadLeaf) -> None:
        self.engine.execute(
            "INSERT INTO head (directory_index, tree_no, tree_size) VALUES (?, ?, ?)",
            (index, chain.tree_no, chain.size),
        )
        self.engine.execute(
            "UPDATE tree SET sealed_size = ?, head_index = ?, head_hash = ? WHERE tree_no = ?",
            (chain.size, index, leaf_hash(head.encode()), chain.tree_no),
        )

    def _append_leaves(self, size: int, leaves: Sequence[DirectoryLeaf]) -> None:
        encoded = [leaf.encode() for leaf in leaves]
        self.engine.execute_many(
            "INSERT INTO directory_leaf (leaf_index, leaf) VALUES (?, ?)",
            [(size + place, raw) for place, raw in enumerate(encoded)],
        )
        self.trees.append(DIRECTORY, size, HASHING.leaves(encoded).flat)

    def _store_checkpoint(self, seal: SealLeaf) -> None:
        size = self.trees.state(DIRECTORY).size
        root = self.trees.root(DIRECTORY, size)
        self.engine.execute(
            "INSERT INTO checkpoint (size, seal_number, sealed_at_ms, root, note) VALUES (?, ?, ?, ?, NULL)",
            (size, seal.seal_number, seal.sealed_at_ms, root),
        )
        facts = {"checkpoint_size": size, "seal_number": seal.seal_number, "root": root.hex()}
        Outbox(self.engine).add(News.SEALED, seal.sealed_at_ms, facts)

    # --- reading

    def newest(self) -> StoredCheckpoint | None:
        """Return the newest signed checkpoint, or None before the first seal."""
        found = self._checkpoints("WHERE note IS NOT NULL ORDER BY size DESC LIMIT 1")
        return found[0] if found else None

    def checkpoint_of(self, size: int) -> StoredCheckpoint | None:
        """Return the signed checkpoint of this size, or None where there is none."""
        found = self._checkpoints("WHERE note IS NOT NULL AND size = ?", size)
        return found[0] if found else None

    def checkpoints_below(self, size: int, count: int) -> list[StoredCheckpoint]:
        """Return signed checkpoints of fewer than ``size`` leaves, newest first, at most ``count``."""
        return self._checkpoints("WHERE note IS NOT NULL AND size < ? ORDER BY size DESC LIMIT ?", size, count)

    def first_checkpoint_over(self, index: int) -> StoredCheckpoint | None:
        """Return the first signed checkpoint that covers the leaf at ``index``."""
        found = self._checkpoints("WHERE note IS NOT NULL AND size > ? ORDER BY size LIMIT 1", index)
        return found[0] if found else None

    def seal_over(self, index: int) -> tuple[int, SealLeaf]:
        """Return the seal that the leaf at ``index`` belongs to, signed or not, with its own index."""
        rows = self.engine.query("SELECT MIN(size) FROM checkpoint WHERE size > ?", (index,))
        if rows[0][0] is None:
            raise StorageCorruptError(f"no seal covers directory leaf {index}; run `anchorline audit`")
        seal_index = int(rows[0][0]) - 1
        leaf = self.leaf(seal_index)
        if not isinstance(leaf, SealLeaf):
            raise StorageCorruptError(f"directory leaf {seal_index} is not a seal; run `anchorline audit`")
        return seal_index, leaf

    def newest_seal(self) -> SealLeaf | None:
        """Return the newest seal, signed or not; None before the first."""
        newest = self._newest_stored()
        return None if newest is None else self.seal_over(newest.size - 1)[1]

    def heads_of(self, tree_no: int, size: int) -> list[int]:
        """Return the directory indexes of all heads of a chain below ``size``, ascending."""
        rows = self.engine.query(
            "SELECT directory_index FROM head WHERE tree_no = ? AND directory_index < ? ORDER BY directory_index",
            (tree_no, size),
        )
        return [int(index) for (index,) in rows]

    def leaf(self, index: int) -> DirectoryLeaf:
        """Return the leaf at ``index``, which must exist."""
        rows = self.engine.query("SELECT leaf FROM directory_leaf WHERE leaf_index = ?", (index,))
        if not rows:
            raise StorageCorruptError(f"directory leaf {index} is missing; run `anchorline audit`")
        return decode_leaf(bytes(rows[0][0]))

    def encoded_leaves(self, start: int, end: int) -> list[bytes]:
        """Return the leaves ``start`` to ``end`` - 1 as they are stored, in order; all of them must exist."""
        rows = self.engine.query(
            "SELECT leaf FROM directory_leaf WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index", (start, end)
        )
        if len(rows) != end - start:
            raise StorageCorruptError(
                f"expected {end - start} directory leaves from {start} on, found {len(rows)}; run `anchorline audit`"
            )
        return [bytes(row[0]) for row in rows]

    def path(self, index: int, size: int) -> tuple[bytes, ...]:
        """Return the path of the leaf at ``index`` to the root of the first ``size`` leaves."""
        return self.trees.inclusion_path(DIRECTORY, index, size)

    def under(self, leaf: Leaf, index: int, size: int) -> DirectoryProof[Leaf]:
        """Return the leaf that stands at ``index``, with its path to the root of the first ``size`` leaves."""
        return DirectoryProof(leaf, index, self.path(index, size))

    def thread_and_keys_under(
        self, size: int
    ) -> tuple[DirectoryProof[ThreadLeaf] | None, tuple[DirectoryProof[KeyLeaf], ...]]:
        """Return the newest thread leaf, if there is one, and every key leaf below a checkpoint's ``size``."""
        marks = self.log_marks(size)
        threads = [(leaf, index) for index, leaf in marks if isinstance(leaf, ThreadLeaf)]
        keys = tuple(self.under(leaf, index, size) for index, leaf in marks if isinstance(leaf, KeyLeaf))
        return self.under(*threads[-1], size) if threads else None, keys

    def first_head_over(self, tree_no: int, leaf_index: int) -> int | None:
        """Return the directory index of a chain's first head that holds ``leaf_index``, or None: not sealed yet."""
        rows = self.engine.query(
            "SELECT directory_index FROM head WHERE tree_no = ? AND tree_size > ? ORDER BY directory_index LIMIT 1",
            (tree_no, leaf_index),
        )
        return int(rows[0][0]) if rows else None

    def newest_head(self, tree_no: int, size: int) -> int | None:
        """Return the directory index of a chain's newest head below ``size``, or None: none is there yet."""
        rows = self.engine.query(
            "SELECT directory_index FROM head WHERE tree_no = ? AND directory_index < ? "
            "ORDER BY directory_index DESC LIMIT 1",
            (tree_no, size),
        )
        return int(rows[0][0]) if rows else None

    def log_marks(self, size: int) -> list[tuple[int, DirectoryLeaf]]:
        """Return the leaves below ``size`` that say something about the log itself: key, thread and epoch leaves."""
        return [
            (int(index), decode_leaf(bytes(raw)))
            for index, raw in self.engine.query(
                "SELECT directory_leaf.leaf_index, leaf FROM log_mark "
                "JOIN directory_leaf ON directory_leaf.leaf_index = log_mark.leaf_index "
                "WHERE log_mark.leaf_index < ? ORDER BY log_mark.leaf_index",
                (size,),
            )
        ]

    def thread_leaf(self) -> tuple[int, ThreadLeaf] | None:
        """Return the newest thread leaf with its index, or None while the log is not funded."""
        marks = self.log_marks(NO_PREVIOUS >> 1)
        threads = [(index, leaf) for index, leaf in marks if isinstance(leaf, ThreadLeaf)]
        return threads[-1] if threads else None

    def prove_newest_head(self, chain_id: bytes, size: int) -> tuple[HeadsProof, int]:
        """Prove a chain's newest head, or its absence, under the checkpoint of ``size`` leaves.

        Returns the proof against ``heads_root`` of the seal leaf, and that leaf's index (size - 1).
        """
        seal = self.leaf(size - 1)
        if not isinstance(seal, SealLeaf):
            raise StorageCorruptError(f"directory leaf {size - 1} is not a seal; run `anchorline audit`")
        heads = PastHeads(*(self.engine, size, seal.chain_count), lambda index: self.trees.leaf_hash(DIRECTORY, index))
        return proved(heads, chain_id, lambda leaf: self.leaf(heads.places[leaf]).encode()), size - 1

    def _newest_stored(self) -> StoredCheckpoint | None:
        found = self._checkpoints("ORDER BY size DESC LIMIT 1")
        return found[0] if found else None

    def _checkpoints(self, condition: str, *values: int) -> list[StoredCheckpoint]:
        columns = "size, seal_number, sealed_at_ms, root, note"
        rows = self.engine.query(f"SELECT {columns} FROM checkpoint {condition}", values)  # noqa: S608  # our own texts
        return [StoredCheckpoint(*row) for row in rows]


def sign_checkpoint(checkpoint: Checkpoint, name: str, key: SigningKey) -> Note:
    """Return the signed note of a checkpoint; ``name`` is the log's origin (C2SP signed-note)."""
    text = checkpoint.encode()
    return Note(text, (NoteSignature(name, key_id(name, key.public_key), key.sign(text.encode())),))


def _check_order(extra: Sequence[DirectoryLeaf]) -> None:
    """Raise MalformedError unless leaves about the log itself stand in the order of the format (design section 3.2)."""
    kinds = [leaf.encode()[0] for leaf in extra]
    if any(kind not in _ORDER_OF_MARKS for kind in kinds) or sorted(kinds, key=_ORDER_OF_MARKS.index) != kinds:
        found = ", ".join(f"{kind:02x}" for kind in kinds)
        raise MalformedError(f"seal: expected epoch, key and thread leaves in the order 17, 13, 15, got {found}")


def checked_clock(now_ms: int, last_ms: int, what: str) -> int:
    """Return the time to record: never before ``last_ms``; raise ClockError where the clock went back far.

    A log that states falling times is worthless as evidence, and one that silently repeats an old time for hours
    lies; so a small step is ridden out and a large one is an error that heals when the clock does.
    """
    if now_ms >= last_ms:
        return now_ms
    if last_ms - now_ms > CLOCK_TOLERANCE_MS:
        raise ClockError(
            f"the clock says {now_ms} ms, but {what} was at {last_ms} ms: it went back {last_ms - now_ms} ms; "
            "set it right (nothing was recorded)"
        )
    return last_ms

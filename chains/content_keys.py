"""The keys of contents: one for each entry, in a file or database of their own beside the log's.

Whatever is kept beside an entry lies in the database under its key (``chains.bundle``), so destroying a key here
reaches every copy of the database, also those in backups. ``chains.erasing`` destroys them (docs/operate/erasure.md);
``chains.key_store`` and ``chains.key_database`` keep them.
"""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from anchor.errors import SettingsError, StorageCorruptError, StorageError
from anchor.hashing.ciphers import KEY_SIZE
from anchor.hashing.pieces import Pieces
from anchor.signing import write_private_file
from anchor.storage.engine import Value
from chains.key_store import BLOCKS, PUT_SECRET, SECRET, KeyFile, KeyStore, blocks_in

BLOCK_KEYS = 256
"""Seqs 256 n to 256 n + 255 share a secret from which their keys are made, until the first of them is erased."""
DESTROYED = b""
"""Stands for a key that was destroyed."""
_SEED_SIZE = 32
_DOMAIN = b"anchorline/content-keys/v1\n"
# So many blocks get their seeds at a time (262,144 entries): a commit hardly ever waits for these to be synced.
_AHEAD_BLOCKS = 1024
# 8 kB each.
_CACHED_BLOCKS = 16
# Of so many blocks, 32 bytes each, what is stored is read before they are written under.
_READ_AHEAD_BLOCKS = 64
_GONE = bytes(KEY_SIZE)
_NOT_HERE = b"\xff" * KEY_SIZE
_FILE_MODE = 0o600
_INDEX, _MARK = "index", "mark"
_ADD_BLOCK = "INSERT INTO block (block_no, secret) VALUES (?, ?) ON CONFLICT (block_no) DO NOTHING"
_SOME_BLOCKS = "SELECT block_no, secret FROM block WHERE block_no BETWEEN ? AND ?"
_PUT_BLOCK = (
    "INSERT INTO block (block_no, secret) VALUES (?, ?) ON CONFLICT (block_no) DO UPDATE SET secret = excluded.secret"
)
_ADD_SECRET = "INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"  # noqa: S105  # a statement


class ContentKeys:
    """The keys of one home; threads may share it, and so may processes: each sees at once what another destroyed.

    What is written is on the disk on return. Raises a StorageError for what the store refuses.
    """

    def __init__(self, store: KeyStore) -> None:
        self.store = store
        self._lock = threading.RLock()
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        # What is stored of the blocks that are written next.
        self._next: dict[int, bytes] = {}
        self._version: int | None = None
        self._index_secret: bytes | None = None

    def of(self, start: int, end: int) -> list[bytes | None]:
        """Return the keys of seqs start to end-1: 32 bytes, ``DESTROYED``, or None where it is not here."""
        with self._lock:
            self._look()
            return [key for block_no, places in _blocks(start, end) for key in _cut(self._block(block_no), places)]

    def whole(self, start: int, end: int) -> Pieces | None:
        """Return the same in one where all of them are here; else None."""
        with self._lock:
            self._look()
            keys = self._joined(start, end)
        return None if _lacks_some(keys) else Pieces(KEY_SIZE, flat=keys)

    def read_ahead(self, start: int, end: int) -> None:
        """Have what is stored of these seqs, and of those behind them, for who goes on to read everything."""
        with self._lock:
            self._look()
            self._read_ahead(start, end)

    def open_now(self, next_seq: int | None = None) -> None:
        """Open the store while there are file descriptors; with ``next_seq`` have the keys of what is written next.

        Where it cannot be opened, whoever needs it is told so, and not who starts.
        """
        with suppress(StorageError):
            self.of(1, 1)
            if next_seq is not None:
                self.for_writing(next_seq, next_seq + 1)

    def look(self) -> None:
        """See what other processes changed; whoever is about to write may do so before others wait for him."""
        with self._lock:
            self._look()

    def for_writing(self, start: int, end: int, *, looked: bool = False) -> Pieces:
        """Return the keys under which the contents of seqs start to end-1 are written, durable before anybody uses one.

        A seq that is written again (after a restored backup) under a key that was destroyed gets a fresh one: nothing
        that was erased can be read by it. With ``looked`` the caller did ``look`` a moment ago: nobody destroys the key
        of an entry that is not there yet.
        """
        keys = self._row(start, end, looked=looked)
        if _lacks_some(keys):
            self._provide(start, end)
            keys = self._row(start, end)
        return Pieces(KEY_SIZE, flat=keys)

    def destroy(self, seqs: Collection[int]) -> None:
        """Destroy the keys of these seqs; may be repeated. Afterwards no key of theirs can be made from this store."""
        wanted: dict[int, set[int]] = {}
        for seq in seqs:
            wanted.setdefault(seq // BLOCK_KEYS, set()).add(seq % BLOCK_KEYS)
        with self._writing():
            for block_no, places in wanted.items():
                keys = _filled(self._stored(block_no))
                self._put(block_no, _with(keys, dict.fromkeys(places, _GONE)))
        with self._lock:
            self.store.wipe()

    def index_secret(self) -> bytes:
        """Return the secret (32 bytes) under which digests of contents are looked up; made when first asked for.

        Without it nobody who has the database alone can try out guesses of a content.
        """
        with self._lock:
            if self._index_secret is None and (found := self._secret()) is None:
                with self._writing():
                    self.store.execute(_ADD_SECRET, (_INDEX, os.urandom(32)))
                found = self._secret()
            self._index_secret = self._index_secret or found
            assert self._index_secret is not None, "it was written just now"
            return self._index_secret

    def take_over(self, other: Path) -> None:
        """Take the keys of a file that this store lacks; what was destroyed in either stays destroyed.

        Where both have a key and the two differ, the other's counts: it comes with the database that is read now.
        """
        self.take_blocks(blocks_in(other))

    def take_blocks(self, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Do the same with the blocks of another store."""
        with self._writing():
            for block_no, secret in blocks:
                mine = self._stored(block_no)
                if mine is None:
                    self.store.execute(_ADD_BLOCK, (block_no, bytes(secret)))
                elif mine != secret:
                    self._put(block_no, _merged(_filled(mine), _filled(bytes(secret))))

    def take_all(self, other: "ContentKeys") -> None:
        """Take the keys of another store of the same log as they stand there, and its secret of the look-ups.

        Raises StorageError where one of them did not come across; may be repeated, also once the other was cleared.
        """
        blocks, index = other.blocks(), other._secret()  # noqa: SLF001  # of its own kind
        self.take_blocks(blocks)
        with self._writing():
            if index is not None:
                self.store.execute(PUT_SECRET, (_INDEX, index))
        self._index_secret = None
        mine = dict(self.blocks())
        if any(mine.get(block_no) != secret for block_no, secret in blocks):
            raise StorageError(f"{self.store.name}: expected the keys of {other.store.name}, found others: clear it")

    def is_kept_where(self, other: "ContentKeys") -> bool:
        """Say whether both are one store, however it is called: what is written into one is seen in the other."""
        if self.store.version() is None:
            return False
        mark = os.urandom(_SEED_SIZE)
        with self._writing():
            self.store.execute(PUT_SECRET, (_MARK, mark))
        seen = other._one(SECRET, _MARK)  # noqa: SLF001  # of its own kind
        with self._writing():
            self.store.execute("DELETE FROM secret WHERE name = ?", (_MARK,))
        return seen == mark

    def clear(self) -> None:
        """Destroy every key of this store, because another one has them; may be repeated."""
        if self.store.version() is None:
            return
        with self._writing():
            self.store.execute("DELETE FROM block WHERE block_no >= ?", (0,))
            self.store.execute("DELETE FROM secret WHERE name = ?", (_INDEX,))
        with self._lock:
            self.store.wipe()
        self._index_secret = None

    def blocks(self) -> list[tuple[int, bytes]]:
        """Return every block as it is stored, as of one moment."""
        with self._lock:
            return [(int(block_no), bytes(secret)) for block_no, secret in self.store.query(BLOCKS)]

    def copy_to(self, target: Path) -> None:
        """Write a copy to a new file, as of one moment, without the secret of the look-ups.

        Raises FileExistsError where the file is there.
        """
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE))
        with closing(KeyFile(target)) as copy, copy.writing():
            copy.execute(_ADD_BLOCK, *self.blocks())

    def close(self) -> None:
        """Release the store; may be repeated."""
        with self._lock:
            self._forget()
            self.store.close()

    # --- the store

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            try:
                with self.store.writing():
                    yield
            finally:
                self._forget()

    def _row(self, start: int, end: int, *, looked: bool = False) -> bytes:
        """Return the keys of seqs start to end-1, one behind the other, as rows list them."""
        with self._lock:
            if not looked:
                self._look()
            self._read_ahead(start, end)
            return self._joined(start, end)

    def _joined(self, start: int, end: int) -> bytes:
        return b"".join(
            self._block(block_no)[places.start * KEY_SIZE : places.stop * KEY_SIZE]
            for block_no, places in _blocks(start, end)
        )

    def _read_ahead(self, start: int, end: int) -> None:
        """Have what is stored of the blocks of these seqs, and of those behind them: one question for many commits."""
        first, last = start // BLOCK_KEYS, (end - 1) // BLOCK_KEYS
        if start < end and not (first in self._next and last in self._next):
            rows = self.store.query(_SOME_BLOCKS, (first, max(last, first + _READ_AHEAD_BLOCKS)))
            self._next = {int(block_no): bytes(secret) for block_no, secret in rows}

    def _forget(self) -> None:
        self._blocks.clear()
        self._next.clear()

    def _look(self) -> None:
        """Forget every key that is remembered where another process wrote since."""
        version = self.store.version()
        if version != self._version:
            self._forget()
            self._version = version

    def _block(self, block_no: int) -> bytes:
        """Return the 256 keys of a block as they stand in a row that lists them."""
        keys = self._blocks.get(block_no)
        if keys is None:
            secret = self._next[block_no] if block_no in self._next else self._stored(block_no)
            keys = self._blocks[block_no] = _filled(self._checked(block_no, secret))
            if len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return keys

    def _stored(self, block_no: int) -> bytes | None:
        return self._checked(block_no, self._one("SELECT secret FROM block WHERE block_no = ?", block_no))

    def _checked(self, block_no: int, secret: bytes | None) -> bytes | None:
        if secret is not None and len(secret) not in {_SEED_SIZE, BLOCK_KEYS * KEY_SIZE}:
            raise StorageCorruptError(
                f"{self.store.name}: block {block_no} is damaged; restore a backup of the content keys"
            )
        return secret

    def _secret(self) -> bytes | None:
        return self._one(SECRET, _INDEX)

    def _one(self, sql: str, value: Value) -> bytes | None:
        rows = self.store.query(sql, (value,))
        return bytes(rows[0][0]) if rows else None

    def _put(self, block_no: int, secret: bytes) -> None:
        self.store.execute(_PUT_BLOCK, (block_no, secret))

    def _provide(self, start: int, end: int) -> None:
        """Make the seeds that are missing, and many ahead, or single keys where a block has lost some."""
        with self._writing():
            first, last = start // BLOCK_KEYS, (end - 1) // BLOCK_KEYS
            if start % BLOCK_KEYS and start != 1 and self._stored(first) is None:
                # Rows before were written under keys that are lost: none of this block may pass for theirs.
                self._put(first, _NOT_HERE * BLOCK_KEYS)
            rows = [(block_no, os.urandom(_SEED_SIZE)) for block_no in range(first, last + _AHEAD_BLOCKS)]
            self.store.execute(_ADD_BLOCK, *rows)
            for block_no, places in _blocks(start, end):
                keys = _filled(self._stored(block_no))
                lacking = [place for place, key in zip(places, _cut(keys, places), strict=True) if not key]
                if lacking:
                    self._put(block_no, _with(keys, {place: os.urandom(KEY_SIZE) for place in lacking}))


def take_copy(source: Path, target: Path) -> None:
    """Put a copy of content keys where a home has them; raise SettingsError where it is none, or cannot be read."""
    try:
        data = source.read_bytes()
    except OSError as error:
        raise SettingsError(f"{source}: the content keys cannot be read: {error.strerror}") from error
    write_private_file(target, data)
    try:
        blocks_in(target)
    except StorageError as error:
        target.unlink()
        raise SettingsError(f"{source}: expected a copy of content keys, found something else") from error


def _blocks(start: int, end: int) -> Iterator[tuple[int, range]]:
    """Yield the blocks of seqs start to end-1, each with the places that are meant."""
    while start < end:
        block_no, place = divmod(start, BLOCK_KEYS)
        last = min(place + end - start, BLOCK_KEYS)
        yield block_no, range(place, last)
        start += last - place


def _filled(secret: bytes | None) -> bytes:
    """Return the 256 keys of a block, as a row lists them: from a seed they are one output of SHAKE256 (FIPS 202)."""
    if secret is None:
        return _NOT_HERE * BLOCK_KEYS
    if len(secret) != _SEED_SIZE:
        return secret
    return hashlib.shake_256(_DOMAIN + secret).digest(BLOCK_KEYS * KEY_SIZE)


def _lacks_some(keys: bytes) -> bool:
    # Looked for anywhere first: that takes as long as one key would, and hardly ever finds anything.
    return (_GONE in keys or _NOT_HERE in keys) and not all(_cut(keys, range(len(keys) // KEY_SIZE)))


def _cut(keys: bytes, places: range) -> Iterator[bytes | None]:
    for at in range(places.start * KEY_SIZE, places.stop * KEY_SIZE, KEY_SIZE):
        key = keys[at : at + KEY_SIZE]
        yield DESTROYED if key == _GONE else None if key == _NOT_HERE else key


def _with(keys: bytes, changed: Mapping[int, bytes]) -> bytes:
    """Return the keys of a block of which some are others."""
    new = bytearray(keys)
    for place, key in changed.items():
        new[place * KEY_SIZE : (place + 1) * KEY_SIZE] = key
    return bytes(new)


def _merged(mine: bytes, theirs: bytes) -> bytes:
    """Return theirs where they have it, mine where they do not; nothing where either was destroyed."""
    keys = []
    for place in range(BLOCK_KEYS):
        my, their = (each[place * KEY_SIZE : (place + 1) * KEY_SIZE] for each in (mine, theirs))
        keys.append(_GONE if _GONE in (my, their) else my if their == _NOT_HERE else their)
    return b"".join(keys)

"""The quick audit of a database: whole as SQLite sees it, complete, and its newest checkpoint signed over its leaves.

Input is a copy that nobody writes to; ``chains.backup`` looks at each copy it made before it calls it a backup, and
``chains.restore`` before it puts one in place. ``anchorline audit`` recomputes everything, and takes accordingly long.
"""

from dataclasses import dataclass
from pathlib import Path

from anchor.directory import Directory, StoredCheckpoint
from anchor.errors import BackupError
from anchor.log import DIRECTORY, Frontier, Trees
from anchor.proof.checkpoint import Checkpoint, Note, is_signed_by
from anchor.proof.errors import MalformedError
from anchor.proof.leaves import HeadLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash
from anchor.signing import check_signature
from anchor.storage.engine import Engine
from anchor.storage.read_only import integrity_check

ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Held:
    """What a database holds; ``checkpoint_size`` 0 and ``checkpoint_root`` empty before the first seal."""

    log_id: bytes
    origin: str
    chains: int
    entries: int
    directory_size: int
    checkpoint_size: int
    checkpoint_root: bytes


def check_file(path: Path) -> None:
    """Raise BackupError where SQLite finds damage in a file; reads all of it. Raises StorageError too."""
    found = integrity_check(path)
    if found:
        raise BackupError(f"{path}: expected a whole database, SQLite finds: {found[0]} ({len(found)} findings)")


def check_contents(engine: Engine, what: str) -> Held:
    """Return what a database holds, after these checks; ``what`` names it in messages.

    Rows are numbered without a gap, each is in one chain and promised (or came from a mirror); each directory leaf has
    the hash that was stored for it; the newest checkpoint has the root of these leaves and of the tiles, and the
    signature of the key of its time; the newest head of each chain has the root of the chain's tiles. Raises
    BackupError with the first that does not hold, or StorageError.
    """
    try:
        return _contents(engine, what)
    except MalformedError as error:
        raise BackupError(f"{what}: {error}; it is damaged") from error


def _contents(engine: Engine, what: str) -> Held:
    trees = Trees(engine)
    directory = Directory.open(engine, trees)
    entries = _check_rows(engine, what)
    newest = directory.newest()
    _check_leaves(engine, directory, newest, what)
    if newest is not None:
        _check_signature(directory, newest, what)
    chains = _check_heads(engine, directory, what)
    return Held(
        log_id=directory.log.log_id,
        origin=directory.log.origin,
        chains=chains,
        entries=entries,
        directory_size=trees.state(DIRECTORY).size,
        checkpoint_size=0 if newest is None else newest.size,
        checkpoint_root=b"" if newest is None else newest.root,
    )


def _check_rows(engine: Engine, what: str) -> int:
    """Compare the four tables that count entries; return how many there are."""
    counts = {
        "rows": "SELECT COALESCE(SUM(entry_count), 0) FROM bundle",
        "the number of the last row": "SELECT COALESCE(MAX(first_seq + entry_count - 1), 0) FROM bundle",
        "rows that belong to a chain": "SELECT COALESCE(SUM(entry_count), 0) FROM extent",
        "leaves of chains": "SELECT COALESCE(SUM(size), 0) FROM tree WHERE tree_no > 0",
        "rows with a promise, or from a mirror": (
            "SELECT (SELECT COALESCE(SUM(entry_count), 0) FROM group_commit) + "
            "(SELECT COALESCE(SUM(entry_count), 0) FROM mirrored_run)"
        ),
    }
    found = {name: int(engine.query(query)[0][0]) for name, query in counts.items()}
    entries = found["rows"]
    for name, count in found.items():
        if count != entries:
            raise BackupError(f"{what}: it has {entries} rows, but {name}: {count}; it is damaged")
    return entries


def _check_leaves(engine: Engine, directory: Directory, newest: StoredCheckpoint | None, what: str) -> None:
    """Hash every directory leaf again, and compare roots from these hashes, from the tiles and from the checkpoint."""
    frontier, stored = Frontier(), directory.trees.state(DIRECTORY).size
    roots: dict[int, bytes] = {}
    query = "SELECT leaf_index, leaf FROM directory_leaf WHERE leaf_index >= ? ORDER BY leaf_index LIMIT ?"
    while rows := engine.query(query, (frontier.size, ROWS)):
        for index, leaf in rows:
            if index != frontier.size:
                raise BackupError(f"{what}: directory leaf {frontier.size} is missing")
            frontier.add(leaf_hash(bytes(leaf)))
            if newest is not None and frontier.size == newest.size:
                roots[newest.size] = frontier.root()
    if frontier.size != stored:
        raise BackupError(f"{what}: {stored} leaf hashes of the directory, and {frontier.size} leaves")
    if stored and directory.trees.root(DIRECTORY, stored) != frontier.root():
        raise BackupError(f"{what}: the tiles of the directory do not give the root of its leaves")
    if newest is not None and roots.get(newest.size) != newest.root:
        raise BackupError(f"{what}: the newest checkpoint has not the root of its {newest.size} leaves")


def _check_signature(directory: Directory, newest: StoredCheckpoint, what: str) -> None:
    log = directory.log
    note = Note.decode(newest.note or "")
    is_ours = Checkpoint.decode(note.text) == Checkpoint(log.origin, newest.size, newest.root)
    if not is_ours or not is_signed_by(note, log.origin, directory.checkpoint_key(newest.size), check_signature):
        raise BackupError(f"{what}: the checkpoint of {newest.size} leaves is not signed by the log's key of its time")


def _check_heads(engine: Engine, directory: Directory, what: str) -> int:
    """Compare the newest head of each chain with the chain's tiles; return how many chains there are."""
    after, chains = 0, 0
    query = "SELECT tree_no, chain_id, head_index FROM tree WHERE tree_no > ? ORDER BY tree_no LIMIT ?"
    while rows := engine.query(query, (after, ROWS)):
        for tree_no, chain_id, head_index in rows:
            after, chains = int(tree_no), chains + 1
            if head_index is not None:
                _check_head(engine, directory, int(tree_no), bytes(chain_id), int(head_index), what)
    return chains


def _check_head(
    engine: Engine, directory: Directory, tree_no: int, chain_id: bytes, head_index: int, what: str
) -> None:
    rows = engine.query("SELECT leaf FROM directory_leaf WHERE leaf_index = ?", (head_index,))
    head = decode_leaf(bytes(rows[0][0])) if rows else None
    if not isinstance(head, HeadLeaf) or head.chain_id != chain_id:
        raise BackupError(f"{what}: directory leaf {head_index} is no head of chain {chain_id.hex()}")
    if directory.trees.root(tree_no, head.tree_size) != head.root:
        raise BackupError(
            f"{what}: the tiles of chain {chain_id.hex()} do not give the root of its first {head.tree_size} entries"
        )

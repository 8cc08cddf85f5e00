"""The audit of derived tables: tiles, extents, and the tables that point into the directory.

Everything in them follows from entries and directory leaves, and is recomputed from these. ``chains.audit`` runs
these checks after the entries themselves; what does not hold goes into its report.
"""

from collections.abc import Iterator, Mapping, Sequence

from anchor.directory import Directory
from anchor.hashing.chosen import HASHING
from anchor.heads_nodes import Subtree
from anchor.log import DIRECTORY, TILE_BYTES, TILE_WIDTH, TreeState, tile_roots
from anchor.proof.codec import HASH_SIZE
from anchor.proof.leaves import DirectoryLeaf, HeadLeaf, LogLeaf, SealLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash
from anchor.proof.timestamp import imprint_of
from anchor.storage.engine import Engine, Row
from anchor.timestamp_token import is_over
from chains.audit_report import Report
from chains.chain import Chain

ROWS = 1024
TILES_AT_ONCE = 16


def paged(engine: Engine, query: str, first: int, *values: int, count: int = ROWS) -> Iterator[Row]:
    """Yield rows of a query that ends in ``> ? ... LIMIT ?`` on its first column, from above ``first`` on."""
    while rows := engine.query(query, (*values, first, count)):
        yield from rows
        if len(rows) < count:
            return
        first = int(rows[-1][0])


# --- tiles


def check_tiles(engine: Engine, report: Report, state: TreeState, where: str) -> None:
    """Every stored node is the root of the tile below it, and none is missing (C2SP tlog-tiles, height 8)."""
    tree_no = state.tree_no
    if not state.sealed_size <= state.built_size <= state.size and tree_no != DIRECTORY:
        report.found(where, f"{state.sealed_size} sealed, {state.built_size} built, {state.size} leaves: out of order")
    level, wanted = 0, state.size
    while wanted:
        _check_level(engine, report, (tree_no, level), wanted, where)
        level += 1
        wanted = state.built_size >> (8 * level)
    higher = engine.query("SELECT COUNT(*) FROM tile WHERE tree_no = ? AND level >= ?", (tree_no, level))[0][0]
    if higher:
        report.found(where, f"{higher} tiles above its highest level, {level - 1}")


def _check_level(engine: Engine, report: Report, at: tuple[int, int], wanted: int, where: str) -> None:
    tree_no, level = at
    expected_no = 0
    # Level 0 is held against the entries; here only its sizes are looked at.
    query = (
        f"SELECT tile_no, LENGTH(hashes), {'hashes' if level else 'NULL'} FROM tile "  # noqa: S608  # our own words
        "WHERE tree_no = ? AND level = ? AND tile_no > ? ORDER BY tile_no LIMIT ?"
    )
    first, tail = (0, 0) if level else _tail(engine, report, tree_no, wanted, where)
    for tile_no, size, hashes in paged(engine, query, -1, tree_no, level, count=TILES_AT_ONCE if level else ROWS):
        place = f"{where}, level {level}, tile {tile_no}"
        if tile_no != expected_no:
            report.found(f"{where}, level {level}, tile {expected_no}", "is missing")
        width = min(max(wanted - tile_no * TILE_WIDTH, 0), TILE_WIDTH)
        is_behind = first // TILE_WIDTH == tile_no and first * HASH_SIZE == tile_no * TILE_BYTES + size
        behind = tail if is_behind else 0
        if size + behind != width * HASH_SIZE:
            report.found(place, f"expected {width} hashes, found {size + behind} bytes")
        elif level and bytes(hashes) != _roots_below(engine, tree_no, level, tile_no)[:size]:
            report.found(place, "its nodes are not the roots of the tiles below")
        expected_no = tile_no + 1
    # Few leaves of a tile may be in the tail alone.
    there = first * HASH_SIZE + tail if first == expected_no * TILE_WIDTH else expected_no * TILE_BYTES
    if there < wanted * HASH_SIZE:
        report.found(f"{where}, level {level}, tile {expected_no}", "is missing")


def _tail(engine: Engine, report: Report, tree_no: int, leaves: int, where: str) -> tuple[int, int]:
    """Return where the tail of a log begins, and how many bytes it has; one that goes beyond the log is reported."""
    rows = engine.query("SELECT first_index, hashes FROM leaf_tail WHERE tree_no = ?", (tree_no,))
    if not rows:
        return 0, 0
    first, hashes = int(rows[0][0]), bytes(rows[0][1])
    if first < 0 or first * HASH_SIZE + len(hashes) > leaves * HASH_SIZE or len(hashes) % HASH_SIZE:
        report.found(f"{where}, tail", f"{len(hashes)} bytes from leaf {first} on are none of a log of {leaves} leaves")
    tile_no, place = divmod(max(first, 0), TILE_WIDTH)
    query = "SELECT hashes FROM tile WHERE tree_no = ? AND level = 0 AND tile_no = ?"
    for (tile,) in engine.query(query, (tree_no, tile_no)):
        # Left there when the tile was written: it says the same, or is what follows.
        if bytes(tile)[place * HASH_SIZE :][: len(hashes)] not in {hashes, b""}:
            report.found(f"{where}, tail", f"its hashes from leaf {first} on are not those of tile {tile_no}")
    return first, len(hashes)


def _roots_below(engine: Engine, tree_no: int, level: int, tile_no: int) -> bytes:
    """Return the roots of the full tiles under one tile, read 16 at a time. Later ones may not be built yet."""
    first = tile_no * TILE_WIDTH
    query = "SELECT hashes FROM tile WHERE tree_no = ? AND level = ? AND tile_no >= ? AND tile_no < ? ORDER BY tile_no"
    roots = []
    for start in range(first, first + TILE_WIDTH, TILES_AT_ONCE):
        rows = engine.query(query, (tree_no, level - 1, start, start + TILES_AT_ONCE))
        roots.append(tile_roots(b"".join(row[0] for row in rows if len(row[0]) == TILE_BYTES)))
    return b"".join(roots)


# --- extents


def check_extents(engine: Engine, report: Report, chain: Chain, size: int) -> None:
    """The runs of a chain follow one another without gap, up to its size."""
    expected = 0
    query = (
        "SELECT first_index, entry_count, first_seq FROM extent WHERE chain_no = ? AND first_index > ? "
        "ORDER BY first_index LIMIT ?"
    )
    for first_index, count, first_seq in paged(engine, query, -(2**63), chain.chain_no):
        if first_index != expected:
            report.found(f"extent at row {first_seq}", f"expected to begin at entry {expected}, found {first_index}")
        expected = first_index + count
    if expected != size:
        report.found(f"chain {chain.chain_id.hex()}", f"{expected} entries in its extents, {size} in its tree")


# --- tables that point into the directory


def check_pointers(engine: Engine, directory: Directory, report: Report) -> None:
    """Tables of heads, marks and chains say what the directory's leaves say, of every leaf and of no other."""
    listed = _check_head_rows(engine, report)
    marks = _check_mark_rows(engine, directory, report)
    heads = others = 0
    for index, raw in paged(
        engine, "SELECT leaf_index, leaf FROM directory_leaf WHERE leaf_index > ? ORDER BY leaf_index LIMIT ?", -1
    ):
        if not index:
            continue
        heads += raw[:1] in {b"\x12", b"\x14"}
        others += raw[:1] not in {b"\x11", b"\x12", b"\x14"}
    if (listed, marks) != (heads, others):
        report.found("directory", f"{heads} heads and {others} marks, of which {listed} and {marks} are listed as such")
    _check_tree_rows(engine, report)


def _check_head_rows(engine: Engine, report: Report) -> int:
    count = 0
    query = (
        "SELECT directory_index, tree_size, chain_id, leaf FROM head LEFT JOIN tree ON tree.tree_no = head.tree_no "
        "LEFT JOIN directory_leaf ON leaf_index = directory_index "
        "WHERE directory_index > ? ORDER BY directory_index LIMIT ?"
    )
    for index, tree_size, chain_id, raw in paged(engine, query, -1):
        with report.looking_at(f"directory leaf {index}"):
            leaf = _decoded(raw)
            if not isinstance(leaf, HeadLeaf) or (leaf.chain_id, leaf.tree_size) != (chain_id, tree_size):
                named = "none" if chain_id is None else bytes(chain_id).hex()
                report.found(f"directory leaf {index}", f"is not the listed head of chain {named}, {tree_size}")
        count += 1
    return count


def _decoded(raw: bytes | None) -> DirectoryLeaf | None:
    return None if raw is None else decode_leaf(bytes(raw))


def _check_mark_rows(engine: Engine, directory: Directory, report: Report) -> int:
    count = 0
    for (index,) in paged(
        engine, "SELECT leaf_index FROM log_mark WHERE leaf_index > ? ORDER BY leaf_index LIMIT ?", -1
    ):
        with report.looking_at(f"directory leaf {index}"):
            if isinstance(directory.leaf(index), (HeadLeaf, SealLeaf, LogLeaf)):
                report.found(f"directory leaf {index}", "is listed as a mark about the log and is none")
        count += 1
    return count


def _check_tree_rows(engine: Engine, report: Report) -> None:
    """What stands beside each chain of its newest head is what its newest head says."""
    query = (
        "SELECT tree_no, chain_id, sealed_size, head_index, head_hash, newest, leaf FROM (SELECT tree_no, chain_id, "
        "sealed_size, head_index, head_hash, (SELECT MAX(directory_index) FROM head WHERE head.tree_no = tree.tree_no) "
        "AS newest FROM tree) AS listed LEFT JOIN directory_leaf ON leaf_index = newest "
        "WHERE tree_no > ? ORDER BY tree_no LIMIT ?"
    )
    for _, chain_id, sealed_size, head_index, head_hash, newest, raw in paged(engine, query, DIRECTORY):
        where = f"chain {bytes(chain_id).hex()}"
        if newest is None:
            if (sealed_size, head_index, head_hash) != (0, None, None):
                report.found(where, "is said to have a head, and has none")
            continue
        with report.looking_at(where):
            leaf = _decoded(raw)
            wanted = None if leaf is None else (getattr(leaf, "tree_size", None), newest, leaf_hash(leaf.encode()))
            if (sealed_size, head_index, head_hash) != wanted:
                report.found(where, f"its newest head is directory leaf {newest}; its row in the table of logs differs")


class Sum:
    """How many byte strings there are, and the sum of their hashes modulo 2^256: whatever order they come in."""

    def __init__(self) -> None:
        self.count = self.total = 0

    def add(self, items: Sequence[bytes]) -> None:
        """Add byte strings."""
        self.count += len(items)
        self.total += sum(int.from_bytes(hashed, "big") for hashed in HASHING.each(items))
        self.total %= 1 << 8 * HASH_SIZE


class HeadsNodes:
    """The stored nodes of the heads tree are those that every seal gave, and no others: compared by a sum of hashes."""

    def __init__(self) -> None:
        self._expected = Sum()

    def expect(self, size: int, kept: Mapping[str, Subtree]) -> None:
        """The seal that made the directory ``size`` leaves gave these nodes."""
        self._expected.add([_node_row(prefix, size, each.chains, each.hash) for prefix, each in kept.items()])

    def check(self, engine: Engine, report: Report) -> None:
        """Read the table, after the last seal."""
        stored = Sum()
        for rows in _node_rows(engine):
            stored.add(rows)
        if (stored.count, stored.total) != (self._expected.count, self._expected.total):
            report.found(
                "heads tree",
                f"{stored.count} stored nodes, not the {self._expected.count} that the seals give; proofs may fail",
            )


def _node_rows(engine: Engine) -> Iterator[list[bytes]]:
    query = (
        "SELECT prefix, size, chains, hash FROM heads_node WHERE (prefix, size) > (?, ?) ORDER BY prefix, size LIMIT ?"
    )
    prefix, size = "", 0
    while rows := engine.query(query, (prefix, size, ROWS)):
        yield [_node_row(prefix, size, chains, bytes(raw)) for prefix, size, chains, raw in rows]
        prefix, size = rows[-1][:2]


def _node_row(prefix: str, size: int, chains: int, raw: bytes) -> bytes:
    return f"{prefix} {size} {chains} ".encode() + raw


# --- time stamps


def check_timestamps(engine: Engine, directory: Directory, report: Report) -> None:
    """Every kept token is one, over the signed checkpoint that it stands beside.

    Whose certificates are to be trusted is the verifier's choice, so signatures are checked when a token comes in, and
    by ``verify``.
    """
    rows = engine.query("SELECT checkpoint_size, authority, token FROM time_stamp ORDER BY checkpoint_size, authority")
    for size, authority, token in rows:
        where = f"time stamp of checkpoint {size} by {authority}"
        with report.looking_at(where):
            checkpoint = directory.checkpoint_of(int(size))
            if checkpoint is None:
                report.found(where, "is over no checkpoint that this log signed")
            elif not is_over(bytes(token), imprint_of(checkpoint.size, checkpoint.root)):
                report.found(where, "is over something else than the checkpoint")

"""A tiled RFC 9162 log over storage: append leaf hashes, build tiles, and make roots and proofs from them.

Leaf hashes come from the writer (chains) and from ``anchor.directory`` (directory leaves) as flat bytes, 32 a leaf.
Receipts, seals and the audit take their roots and paths from here; pymerkle is imported in this module only.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, TypeVar

from pymerkle import BaseMerkleTree

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.leaf_tails import TAIL_WIDTH, Tail, continued, current_tails, store_tails
from anchor.proof.bundles import TILE_HEIGHT, TILE_WIDTH, tile_path
from anchor.proof.codec import HASH_SIZE
from anchor.proof.frontier import Frontier
from anchor.proof.merkle import EMPTY_ROOT, consistency_ranges, node_hash
from anchor.storage.engine import Engine, Question, Row

__all__ = ["DIRECTORY", "TILE_BYTES", "TILE_HEIGHT", "TILE_WIDTH", "Frontier", "TreeState", "Trees", "tile_path"]
"""What callers need of logs; the frontier and the places of tiles are the verifier's too, and in ``anchor.proof``."""

DIRECTORY = 0
"""tree_no of the directory; chains are numbered from 1."""

TILE_BYTES = TILE_WIDTH * HASH_SIZE
# Expanded tiles kept in memory, 16 KiB each.
CACHED_TILES = 1024
# Right edges of logs at one size kept in memory, 2 KiB each: receipts of a seal share one.
CACHED_EDGES = 256
# Tiles read with one question; SQLite before 3.32 takes 999 values.
TILES_AT_ONCE = 256
# Tiles of one log read with one question where its leaf hashes are read in order.
_READ_TILES = 64
# Tiles hashed at a time while building: 2 MiB of leaf hashes, so memory stays flat whatever the log's size.
BUILD_TILES = 256
_STATES = "SELECT tree_no, chain_id, size, built_size, sealed_size FROM tree"
_Key = TypeVar("_Key", bound=tuple[int, ...])
_TileKey = tuple[int, int, int]
"""Where a tile is: tree_no, level, tile_no."""
_TileRow = tuple[int, int, int, bytes]
"""The same, and its hashes."""


@dataclass(frozen=True, slots=True)
class TreeState:
    """What is stored of one log: ``size`` leaf hashes, of which ``built_size`` have their interior tiles."""

    tree_no: int
    chain_id: bytes
    size: int
    built_size: int
    sealed_size: int


class Trees:
    """All logs of one database. Reads may happen at any time; ``append`` runs inside the caller's transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._tiles: OrderedDict[tuple[int, int, int], list[bytes]] = OrderedDict()
        # The last node of each level, by tree_no and size.
        self._edges: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    def create(self, chain_id: bytes) -> int:
        """Add an empty log (inside a transaction) and return its tree_no; the directory's chain_id is empty."""
        first_free = "SELECT COALESCE(MAX(tree_no), -1) + 1 FROM tree"
        tree_no = int(self.engine.query(first_free)[0][0])
        self.engine.execute(
            "INSERT INTO tree (tree_no, chain_id, size, built_size, sealed_size) VALUES (?, ?, 0, 0, 0)",
            (tree_no, chain_id),
        )
        return tree_no

    def state(self, tree_no: int) -> TreeState:
        """Return what is stored of a log."""
        return TreeState(*self.engine.query(f"{_STATES} WHERE tree_no = ?", (tree_no,))[0])

    def states(self, tree_nos: Collection[int]) -> dict[int, TreeState]:
        """Return what is stored of each of these logs, by its tree_no."""
        return states_in(self.engine.query_each(questions_about(sorted(tree_nos))))

    def append(self, tree_no: int, size: int, leaf_hashes: bytes) -> int:
        """Append flat leaf hashes to a log of ``size`` leaves, inside a transaction; return the new size.

        Many are written to their tiles at once, few to the log's tail, and a tile that fills up is hashed while it is
        at hand, so that a seal neither copies nor reads leaf hashes. Where older leaves are not built yet, that is left
        to ``build_to``.
        """
        self.append_each([(replace(self.state(tree_no), size=size), leaf_hashes)])
        return size + len(leaf_hashes) // HASH_SIZE

    def append_each(self, added: Sequence[tuple[TreeState, bytes]]) -> None:
        """Do that for several logs, each as it stands now, with its new leaf hashes.

        What has to be read is read with one question for all of them, but where a tile of tiles fills up.
        """
        grown = self._grown_tails(added)
        edges = self._edges_of(added, grown)
        sizes, rows = [], list[_TileRow]()
        for state, new in added:
            size = state.size + len(new) // HASH_SIZE
            sizes.append((size, size if _is_built(state) else state.built_size, state.tree_no))
            if state.tree_no in grown:
                continue
            tile_no = state.size // TILE_WIDTH
            hashes = edges.get((state.tree_no, 0, tile_no), b"") + new
            rows += _tile_rows(state.tree_no, 0, tile_no, hashes)
            if _is_built(state):
                full = hashes[: len(hashes) - len(hashes) % TILE_BYTES]
                edge = edges.get((state.tree_no, 1, tile_no // TILE_WIDTH), b"")
                self._build_over(state.tree_no, tile_no, full, rows, edge)
        self._store_tiles(rows)
        store_tails(self.engine, grown.items())
        self.engine.execute_many("UPDATE tree SET size = ?, built_size = ? WHERE tree_no = ?", sizes)

    def _grown_tails(self, added: Sequence[tuple[TreeState, bytes]]) -> dict[int, Tail]:
        """Return the tails to which new leaves go, with these, by tree_no; of all other logs tiles are written."""
        few = [(state, new) for state, new in added if len(new) < TAIL_WIDTH * HASH_SIZE]
        current = current_tails(self.engine, {state.tree_no: state.size for state, _ in few if state.size % TILE_WIDTH})
        grown = {
            state.tree_no: current.get(state.tree_no, Tail(state.size, b"")).with_more(new, _tile_end(state))
            for state, new in few
        }
        return {tree_no: tail for tree_no, tail in grown.items() if tail is not None}

    def _edges_of(self, added: Sequence[tuple[TreeState, bytes]], grown: Mapping[int, Tail]) -> dict[_TileKey, bytes]:
        """Return the tiles at which logs go on, by tree, level and number: of leaves, and above those that fill up.

        Where a tail is gone on with, its tile need not be read; before a tail begins, the tile is held to its size.
        """
        wanted: dict[_TileKey, int] = {}
        for state, new in added:
            tile_no, place = divmod(state.size, TILE_WIDTH)
            tail = grown.get(state.tree_no)
            if place and (tail is None or tail.first_index == state.size):
                wanted[state.tree_no, 0, tile_no] = place
            fills_up = place + len(new) // HASH_SIZE >= TILE_WIDTH
            if tile_no % TILE_WIDTH and fills_up and _is_built(state):
                wanted[state.tree_no, 1, tile_no // TILE_WIDTH] = tile_no % TILE_WIDTH
        found = self._tiles_at(list(wanted))
        edges = {key: found.get(key, b"")[: width * HASH_SIZE] for key, width in wanted.items()}
        for key, edge in edges.items():
            _check_whole(key, wanted[key], edge)
        return edges

    def _tiles_at(self, keys: Sequence[_TileKey]) -> dict[_TileKey, bytes]:
        """Return those of these tiles that are stored, each with what is behind it, with few questions for many."""
        found: dict[_TileKey, bytes] = {}
        for at in range(0, len(keys), TILES_AT_ONCE):
            some = keys[at : at + TILES_AT_ONCE]
            places = ", ".join(["(?, ?, ?)"] * len(some))
            found |= _joined(
                self.engine.query(
                    # Joined, not IN, and in this order: else SQLite would go through a whole table.
                    f"WITH wanted (tree, lvl, number) AS (VALUES {places}) "  # noqa: S608  # places only
                    "SELECT tree_no, level, tile_no, -1, hashes FROM wanted CROSS JOIN tile "
                    "WHERE tree_no = tree AND level = lvl AND tile_no = number "
                    "UNION ALL SELECT tree_no, 0, -1, first_index, hashes FROM wanted CROSS JOIN leaf_tail "
                    f"WHERE tree_no = tree AND lvl = 0 AND first_index / {TILE_WIDTH} = number",
                    [number for key in some for number in key],
                )
            )
        return found

    def build_ahead(self, tree_no: int) -> None:
        """Store interior tiles until less than one step of leaves is left for ``build_to``.

        There is something to do only where an older version appended. A long build is cut into transactions of its
        own, so that writers get in between and memory stays flat. What is computed depends on stored leaves only: a
        crash between two of them costs time and nothing else.
        """
        state = self.state(tree_no)
        step = BUILD_TILES * TILE_WIDTH
        for end in range((state.built_size // step + 1) * step, state.size + 1, step):
            with self.engine.transaction():
                self.build_to(tree_no, end)

    def build_to(self, tree_no: int, end: int) -> None:
        """Store the interior tiles up to ``end`` leaves, inside a transaction."""
        built = self.state(tree_no).built_size
        if built >= end:
            return
        first, last = built // TILE_WIDTH, end // TILE_WIDTH
        if last > first:
            rows: list[_TileRow] = []
            self._build_over(tree_no, first, self._full_tiles(tree_no, 0, first, last), rows)
            self._store_tiles(rows)
        self.engine.execute("UPDATE tree SET built_size = ? WHERE tree_no = ?", (end, tree_no))

    def _build_over(self, tree_no: int, first: int, tiles: bytes, rows: list[_TileRow], edge: bytes = b"") -> None:
        """Add the nodes above full tiles of level 0, the first of them ``first``, on every level that they reach.

        They go to ``rows``, which the caller stores, in their order. ``edge`` is the tile of level 1 that they go on
        with, where that was read before.
        """
        level = 0
        while tiles:
            level += 1
            tile_no, used = divmod(first, TILE_WIDTH)
            roots = tile_roots(tiles)
            if used:
                roots = (edge or self._edge(tree_no, level, tile_no, used)) + roots
            rows += _tile_rows(tree_no, level, tile_no, roots)
            first, edge = tile_no, b""
            tiles = roots[: len(roots) - len(roots) % TILE_BYTES]

    def root(self, tree_no: int, size: int) -> bytes:
        """Return the root of the first ``size`` leaves, which are built or few (RFC 9162 section 2.1.1)."""
        return EMPTY_ROOT if size == 0 else self._view(tree_no, size).get_root(size)

    def inclusion_path(self, tree_no: int, index: int, size: int) -> tuple[bytes, ...]:
        """Return the path of leaf ``index`` in the tree of ``size`` leaves (RFC 9162 section 2.1.3.1).

        On each level that is the node beside the one above the leaf: inside the log a full subtree, at its right edge
        whatever is there. Raises IndexError for a leaf that is not in that tree.
        """
        if not 0 <= index < size:
            raise IndexError(f"leaf index {index} is outside a tree of {size} leaves")
        path: list[bytes] = []
        for level in range(-(-(size - 1).bit_length() // TILE_HEIGHT)):
            at, last = index >> level * TILE_HEIGHT, (size - 1) >> level * TILE_HEIGHT
            if at // TILE_WIDTH < last // TILE_WIDTH:
                path += self._siblings(tree_no, level, at)
            else:
                path += self._siblings_at_edge(tree_no, level, at, size)
        return tuple(path)

    def _siblings(self, tree_no: int, level: int, at: int) -> list[bytes]:
        """Return the nodes beside the way from a place of ``level`` up through its tile, which is a full one."""
        tile_no, place = divmod(at, TILE_WIDTH)
        nodes = self._expanded((tree_no, level, tile_no), TILE_HEIGHT - 1, 1)
        if len(nodes[0]) != TILE_BYTES:
            raise StorageCorruptError(
                f"tree {tree_no}, level {level}: full tile {tile_no} is missing or cut short; run `anchorline audit`"
            )
        starts = [((place >> inner) ^ 1) * HASH_SIZE for inner in range(TILE_HEIGHT)]
        return [row[start : start + HASH_SIZE] for row, start in zip(nodes, starts, strict=True)]

    def _siblings_at_edge(self, tree_no: int, level: int, at: int, size: int) -> list[bytes]:
        """Return the same in the last tile of a level, where there may be none, or a subtree that is not full."""
        edge, siblings = self._edge_nodes(tree_no, size), []
        for height in range(level * TILE_HEIGHT, min((level + 1) * TILE_HEIGHT, len(edge))):
            beside, last = at ^ 1, (size - 1) >> height
            if beside < last:
                siblings.append(self.node(tree_no, height, beside))
            elif beside == last:
                siblings.append(edge[height])
            at >>= 1
        return siblings

    def _edge_nodes(self, tree_no: int, size: int) -> list[bytes]:
        """Return the last node of each level below the root, from the last leaf on (RFC 9162 section 2.1.1)."""
        edge = self._edges.get((tree_no, size))
        if edge is None:
            edge = [self.node(tree_no, 0, size - 1)]
            for height in range((size - 1).bit_length() - 1):
                last = (size - 1) >> height
                edge.append(node_hash(self.node(tree_no, height, last - 1), edge[-1]) if last % 2 else edge[-1])
            if not self.engine.in_transaction:  # as in _expand()
                _remember(self._edges, (tree_no, size), edge, CACHED_EDGES)
        return edge

    def consistency_path(self, tree_no: int, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Return the consistency path between two sizes (RFC 9162 section 2.1.4.1; pymerkle's is another format)."""
        view = self._view(tree_no, new_size)
        return tuple(view.range_root(start, end) for start, end in consistency_ranges(old_size, new_size))

    def leaf_hash(self, tree_no: int, index: int) -> bytes:
        """Return the hash of one leaf."""
        return self.node(tree_no, 0, index)

    def leaf_hashes(self, tree_no: int, start: int, end: int) -> Iterator[bytes]:
        """Yield the flat leaf hashes [start, end), half a megabyte or less at a time."""
        while start < end:
            until = min(end, (start // TILE_WIDTH + _READ_TILES) * TILE_WIDTH)
            yield self._cut_from(self._tiles_over(tree_no, start, until), (tree_no, start, until))
            start = until

    def _tiles_over(self, tree_no: int, start: int, end: int) -> dict[_TileKey, bytes]:
        tiles = _tiles_over(start, end)
        rows = self.engine.query(
            "SELECT tree_no, level, tile_no, -1, hashes FROM tile "
            "WHERE tree_no = ? AND level = 0 AND tile_no >= ? AND tile_no < ? "
            "UNION ALL SELECT tree_no, 0, -1, first_index, hashes FROM leaf_tail "
            "WHERE tree_no = ? AND first_index >= ? AND first_index < ?",
            (tree_no, tiles.start, tiles.stop, tree_no, tiles.start * TILE_WIDTH, tiles.stop * TILE_WIDTH),
        )
        return _joined(rows)

    def leaf_hashes_of_each(self, places: Sequence[tuple[int, int, int]]) -> list[bytes]:
        """Return the flat leaf hashes of each place (tree_no, start, end), with few questions for many places."""
        # Many places may be in one tile.
        wanted = {(tree_no, 0, tile_no) for tree_no, start, end in places for tile_no in _tiles_over(start, end)}
        tiles = self._tiles_at(sorted(wanted))
        return [self._cut_from(tiles, place) for place in places]

    def _cut_from(self, tiles: Mapping[_TileKey, bytes], place: tuple[int, int, int]) -> bytes:
        tree_no, start, end = place
        cut = []
        for tile_no in _tiles_over(start, end):
            first, last = max(0, start - tile_no * TILE_WIDTH), min(TILE_WIDTH, end - tile_no * TILE_WIDTH)
            key = tree_no, 0, tile_no
            cut.append(tiles.get(key, b"")[first * HASH_SIZE : last * HASH_SIZE])
            _check_whole(key, last - first, cut[-1])
        return b"".join(cut)

    def tile(self, tree_no: int, level: int, tile_no: int, width: int = TILE_WIDTH) -> bytes:
        """Return the first ``width`` hashes of a tile (C2SP tlog-tiles; a partial one is cut from what is stored)."""
        return self._stored_tile(tree_no, level, tile_no)[: width * HASH_SIZE]

    def node(self, tree_no: int, height: int, index: int) -> bytes:
        """Return the root of the full subtree of 2^height leaves at ``index`` (in units of its own width)."""
        level, inner = divmod(height, TILE_HEIGHT)
        tile_no, place = index >> (TILE_HEIGHT - inner), index & ((TILE_WIDTH >> inner) - 1)
        at = place * HASH_SIZE
        found = self._expanded((tree_no, level, tile_no), inner, place)[inner][at : at + HASH_SIZE]
        if len(found) != HASH_SIZE:
            raise StorageCorruptError(
                f"tree {tree_no}: node {index} at height {height} is missing; run `anchorline audit`"
            )
        return found

    def _view(self, tree_no: int, size: int) -> "_TreeView":
        return _TreeView(self, tree_no, size)

    def _expanded(self, key: tuple[int, int, int], inner: int, place: int) -> list[bytes]:
        """Return the levels of nodes of a tile (tree_no, level, tile_no), which is read unless this node is there."""
        expanded = self._tiles.get(key)
        if expanded is None or len(expanded[0]) // HASH_SIZE >> inner <= place:
            # Not there yet, or read while the tile was narrower: what a tile once held never changes.
            expanded = [self._stored_tile(*key)]
            if not self.engine.in_transaction:  # it may yet be rolled back, and the cache would remember what never was
                _remember(self._tiles, key, expanded, CACHED_TILES)
        else:
            self._tiles.move_to_end(key)
        if inner >= len(expanded):  # who asks for leaves only needs no nodes
            expanded[1:] = levels_in(expanded[0])[1:]
        return expanded

    def _stored_tile(self, tree_no: int, level: int, tile_no: int) -> bytes:
        if level == 0:
            at = tile_no * TILE_WIDTH
            return self._tiles_over(tree_no, at, at + 1).get((tree_no, 0, tile_no), b"")
        rows = self.engine.query(
            "SELECT hashes FROM tile WHERE tree_no = ? AND level = ? AND tile_no = ?", (tree_no, level, tile_no)
        )
        return bytes(rows[0][0]) if rows else b""

    def _edge(self, tree_no: int, level: int, tile_no: int, width: int) -> bytes:
        """Return the first ``width`` hashes of a tile, all there: what follows them depends on their number."""
        hashes = self._stored_tile(tree_no, level, tile_no)[: width * HASH_SIZE]
        _check_whole((tree_no, level, tile_no), width, hashes)
        return hashes

    def _full_tiles(self, tree_no: int, level: int, first: int, last: int) -> bytes:
        rows = self.engine.query(
            "SELECT hashes FROM tile WHERE tree_no = ? AND level = ? AND tile_no >= ? AND tile_no < ? ORDER BY tile_no",
            (tree_no, level, first, last),
        )
        hashes = b"".join(row[0] for row in rows)
        if len(hashes) != (last - first) * TILE_BYTES:
            raise StorageCorruptError(
                f"tree {tree_no}, level {level}: expected full tiles {first} to {last - 1}, "
                f"found {len(hashes)} bytes; run `anchorline audit`"
            )
        return hashes

    def _store_tiles(self, rows: Sequence[_TileRow]) -> None:
        self.engine.execute_many(
            "INSERT INTO tile (tree_no, level, tile_no, hashes) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (tree_no, level, tile_no) DO UPDATE SET hashes = excluded.hashes",
            rows,
        )


def questions_about(tree_nos: Sequence[int]) -> list[Question]:
    """Return the questions for what is stored of these logs, which ``states_in`` reads."""
    parts = [tree_nos[at : at + TILES_AT_ONCE] for at in range(0, len(tree_nos), TILES_AT_ONCE)]
    return [(f"{_STATES} WHERE tree_no IN ({', '.join('?' * len(some))})", some) for some in parts]


def states_in(answers: Iterable[Sequence[Row]]) -> dict[int, TreeState]:
    """Return what is stored of logs by their tree_no, as ``questions_about`` was answered."""
    return {int(row[0]): TreeState(*row) for rows in answers for row in rows}


def _tile_rows(tree_no: int, level: int, first: int, hashes: bytes) -> list[_TileRow]:
    """Return flat hashes as the tiles that they are stored as, the first of them with the number ``first``."""
    cuts = range(0, len(hashes), TILE_BYTES)
    return [(tree_no, level, first + at // TILE_BYTES, hashes[at : at + TILE_BYTES]) for at in cuts]


def _joined(rows: Sequence[Row]) -> dict[_TileKey, bytes]:
    """Return tiles by where they are, each with what the tail of its log has behind it.

    Rows are tree_no, level, tile_no, -1 and hashes of a tile, or tree_no, 0, -1, first index and hashes of a tail.
    """
    tiles: dict[_TileKey, bytes] = {}
    for tree_no, level, tile_no, first, hashes in sorted(rows, key=itemgetter(3)):
        if first < 0:
            tiles[int(tree_no), int(level), int(tile_no)] = bytes(hashes)
            continue
        tile, place = divmod(int(first), TILE_WIDTH)
        key = int(tree_no), 0, tile
        tiles[key] = continued(tiles.get(key, b""), place, bytes(hashes))
    return tiles


def levels_in(tile: bytes) -> list[bytes]:
    """Return the levels of nodes that a tile stands for (C2SP tlog-tiles), each flat: its own hashes come first."""
    return [tile, *HASHING.above(tile, TILE_HEIGHT - 1)]


def tile_roots(tiles: bytes) -> bytes:
    """Return the root of each full tile in ``tiles`` (flat, 8,192 bytes a tile)."""
    return HASHING.above(tiles, TILE_HEIGHT)[-1]


def _remember(cache: OrderedDict[_Key, list[bytes]], key: _Key, value: list[bytes], most: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    if len(cache) > most:
        cache.popitem(last=False)


def _tile_end(state: TreeState) -> int:
    """Return the leaf index at which the tile ends where a log goes on."""
    return (state.size // TILE_WIDTH + 1) * TILE_WIDTH


def _is_built(state: TreeState) -> bool:
    """Say whether all full tiles of a log are hashed; an older version left that to the next seal."""
    return state.built_size >= state.size - state.size % TILE_WIDTH


def _check_whole(tile: tuple[int, int, int], width: int, hashes: bytes) -> None:
    if len(hashes) != width * HASH_SIZE:
        tree_no, level, tile_no = tile
        raise StorageCorruptError(
            f"tree {tree_no}, level {level}, tile {tile_no}: expected {width} hashes, found {len(hashes)} bytes; "
            "run `anchorline audit`"
        )


class _TreeView(BaseMerkleTree):
    """pymerkle's tree algorithms over stored tiles: every subtree root is one tile look-up away."""

    def __init__(self, trees: Trees, tree_no: int, size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # pymerkle has no types
        self._trees = trees
        self._tree_no = tree_no
        self._size = size

    def range_root(self, start: int, end: int) -> bytes:
        """Return the root of the leaves [start, end)."""
        return bytes(self._get_root(start, end))

    def _get_subroot(self, offset: int, width: int) -> bytes:
        height = width.bit_length() - 1
        return self._trees.node(self._tree_no, height, offset >> height)

    def _get_size(self) -> int:
        return self._size

    def _get_leaf(self, index: int) -> bytes:
        return self._trees.leaf_hash(self._tree_no, index - 1)

    def _get_leaves(self, _offset: int, _width: int) -> Any:
        raise AssertionError("pymerkle asked for raw leaves: its subtree hook was bypassed")

    def _encode_entry(self, _data: Any) -> Any:
        raise AssertionError("leaves are appended through Trees.append")

    def _store_leaf(self, _data: Any, _digest: Any) -> Any:
        raise AssertionError("leaves are appended through Trees.append")


def _tiles_over(start: int, end: int) -> range:
    """Return the numbers of the tiles in which leaves [start, end) are."""
    return range(start // TILE_WIDTH, -(-end // TILE_WIDTH))

"""Tiled logs against ``anchor.proof.merkle`` and public C2SP tiles; what a proof reads; what a cache may keep.

Leaves are hashes of counters. Most tests shrink tiles to four hashes, so that a few hundred leaves reach four levels;
those with the real width stand at the borders of real tiles.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import BaseMerkleTree

from anchor import leaf_tails, log
from anchor.errors import StorageCorruptError, StorageError
from anchor.growing import extend
from anchor.log import DIRECTORY, TILE_WIDTH, Frontier, Trees, tile_path
from anchor.proof import merkle
from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.codec import sha256
from anchor.storage.engine import Engine, Question, Row, Value
from tests.databases import open_engine, open_new
from tests.homes import in_sql

PUBLIC = {
    group["name"]: group
    for group in json.loads((Path(__file__).parents[1] / "vectors/public/transparency_logs.json").read_text())["groups"]
}


class CountingEngine:
    """An engine that counts the reads of tiles and the transactions."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.tile_reads = 0
        self.transactions = 0

    @property
    def in_transaction(self) -> bool:
        return self._engine.in_transaction

    def transaction(self, questions: Sequence[Question] = ()) -> AbstractContextManager[list[list[Row]]]:
        self.transactions += 1
        return self._engine.transaction(questions)

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        self.tile_reads += " FROM tile " in sql or "JOIN tile " in sql
        return self._engine.query(sql, values)

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        return [self.query(sql, values) for sql, values in questions]

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        return self._engine.execute(sql, *rows)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self._engine.execute_many(sql, rows)

    def close(self) -> None:
        self._engine.close()


def leaves_of(count: int, name: str = "") -> list[bytes]:
    return [merkle.leaf_hash(f"{name}{number}".encode()) for number in range(count)]


def make_trees(engine: Engine | None = None) -> Trees:
    """Return trees over a new database with the directory (tree 0) and one chain (tree 1)."""
    trees = Trees(engine or open_new())
    with trees.engine.transaction():
        trees.create(b"")
        trees.create(b"chain 1")
    return trees


def append(trees: Trees, leaves: Sequence[bytes], tree_no: int = 1) -> None:
    with trees.engine.transaction():
        trees.append(tree_no, trees.state(tree_no).size, b"".join(leaves))


def build(trees: Trees, end: int, tree_no: int = 1) -> None:
    with trees.engine.transaction():
        trees.build_to(tree_no, end)


def unbuild(trees: Trees) -> None:
    """Take away the interior tiles of tree 1: as an older version left what it appended, until the next seal."""
    with trees.engine.transaction():
        trees.engine.execute("DELETE FROM tile WHERE tree_no = 1 AND level > 0")
        trees.engine.execute("UPDATE tree SET built_size = 0 WHERE tree_no = 1")


def made_of(leaves: Sequence[bytes], engine: Engine | None = None) -> Trees:
    """Return trees whose tree 1 has these leaves, built."""
    trees = make_trees(engine)
    append(trees, leaves)
    return trees


def stored_tiles(trees: Trees) -> list[Row]:
    """Return all tiles: those above leaves as they lie there, those of leaves each with what the tail has behind it."""
    above = trees.engine.query("SELECT tree_no, level, tile_no, hashes FROM tile WHERE level > 0")
    sizes = trees.engine.query("SELECT tree_no, size FROM tree")
    places = [(tree_no, tile_no) for tree_no, size in sizes for tile_no in range(-(-size // log.TILE_WIDTH))]
    return sorted([*above, *((tree_no, 0, tile_no, trees.tile(tree_no, 0, tile_no)) for tree_no, tile_no in places)])


def lying(trees: Trees) -> tuple[int, tuple[int, int] | None]:
    """Return how many leaves of tree 1 are in tiles, and where its tail begins and ends."""
    [(in_tiles,)] = trees.engine.query("SELECT SUM(LENGTH(hashes)) FROM tile WHERE tree_no = 1 AND level = 0")
    tail = trees.engine.query("SELECT first_index, LENGTH(hashes) FROM leaf_tail WHERE tree_no = 1")
    return (in_tiles or 0) // 32, (tail[0][0], tail[0][0] + tail[0][1] // 32) if tail else None


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of four hashes: 256 leaves are four levels of full tiles."""
    shrink(monkeypatch)


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "TILE_HEIGHT", 2)
    monkeypatch.setattr(log, "TILE_WIDTH", 4)
    monkeypatch.setattr(log, "TILE_BYTES", 4 * 32)
    monkeypatch.setattr(leaf_tails, "TAIL_WIDTH", 3)


# --- against the proofs


@pytest.mark.usefixtures("small_tiles")
def test_every_root_and_path_of_a_small_log_is_the_rfc_s() -> None:
    """All roots, all inclusion paths and all consistency paths up to 70 leaves equal those made from a plain list."""
    leaves = leaves_of(70)
    trees = made_of(leaves)
    for size in range(len(leaves) + 1):
        assert merkle.root_of(leaves[:size]) == trees.root(1, size)
        for index in range(size):
            assert merkle.inclusion_path(leaves[:size], index) == trees.inclusion_path(1, index, size)
        for old_size in range(size + 1):
            expected = merkle.consistency_path(leaves[:size], old_size)
            assert expected == trees.consistency_path(1, old_size, size)


@pytest.mark.usefixtures("small_tiles")
def test_paths_of_four_levels_of_tiles_are_the_rfc_s() -> None:
    """At sizes around 4, 16, 64 and 256 leaves (each a tile level more), paths of many leaves are the RFC's."""
    leaves = leaves_of(262)
    trees = made_of(leaves)
    for size in (3, 4, 5, 15, 16, 17, 63, 64, 65, 255, 256, 257, 260, 261, 262):
        assert merkle.root_of(leaves[:size]) == trees.root(1, size)
        for index in {0, 1, 3, 4, 15, 16, 63, 64, size // 2, size - 2, size - 1} & set(range(size)):
            assert merkle.inclusion_path(leaves[:size], index) == trees.inclusion_path(1, index, size)
        for old_size in {1, 3, 4, 5, 16, 63, 64, 65, size - 1} & set(range(size)):
            expected = merkle.consistency_path(leaves[:size], old_size)
            assert expected == trees.consistency_path(1, old_size, size)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 513, 65535, 65536, 65537, 65536 + 257])
def test_proofs_at_the_borders_of_real_tiles_verify(size: int) -> None:
    """With tiles of 256 hashes, roots and proofs around 2^8 and 2^16 leaves are accepted by the checks of verify."""
    leaves = leaves_of(size)
    trees = made_of(leaves)
    root = trees.root(1, size)
    assert merkle.root_of(leaves) == root
    for index in {0, 1, 254, 255, 256, 257, size // 3, 65535, 65536, size - 1} & set(range(size)):
        merkle.check_inclusion(leaves[index], index, size, trees.inclusion_path(1, index, size), root)
    for old_size in {1, 255, 256, 257, 65535, 65536, size - 1, size} & set(range(1, size + 1)):
        old_root = merkle.root_of(leaves[:old_size])
        assert old_root == trees.root(1, old_size)
        merkle.check_consistency(old_size, size, old_root, root, trees.consistency_path(1, old_size, size))


STEPS = st.lists(
    st.tuples(st.sampled_from(["append", "append", "unbuild", "build", "rolled back", "read"]), st.integers(1, 40)),
    min_size=1,
    max_size=14,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_tiles_do_not_depend_on_how_a_log_grew(steps: list[tuple[str, int]]) -> None:
    """However appends, builds, reads and rolled back appends alternate, the same leaves give the same stored tiles."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        shrink(monkeypatch)
        trees = make_trees()
        leaves: list[bytes] = []
        for number, (step, count) in enumerate(steps):
            more = leaves_of(count, f"{number}/")
            if step == "append":
                append(trees, more)
                leaves += more
            elif step == "unbuild":
                unbuild(trees)
            elif step == "build":
                build(trees, max(trees.state(1).built_size, trees.state(1).size - count // 4))
            elif step == "rolled back":
                append_in_vain(trees, more)
            else:
                size = trees.state(1).built_size
                assert merkle.root_of(leaves[:size]) == trees.root(1, size)
        build(trees, len(leaves))
        assert merkle.root_of(leaves) == trees.root(1, len(leaves))
        assert stored_tiles(made_of(leaves)) == stored_tiles(trees)
        assert leaves == [trees.leaf_hash(1, index) for index in range(len(leaves))]
        trees.engine.close()


def append_in_vain(trees: Trees, leaves: Sequence[bytes]) -> None:
    """Append, build and read in a transaction that is rolled back at its end."""

    class StopError(Exception):
        pass

    def run() -> None:
        with trees.engine.transaction():
            size = trees.append(1, trees.state(1).size, b"".join(leaves))
            trees.build_to(1, size)  # where it was not built
            trees.root(1, size)
            trees.inclusion_path(1, size - 1, size)
            raise StopError

    with pytest.raises(StopError):
        run()


def test_logs_of_one_database_do_not_mix() -> None:
    """Each log has its own leaves and roots, in whatever order they are written."""
    trees = make_trees()
    with trees.engine.transaction():
        assert 2 == trees.create(b"chain 2")
    logs = {tree_no: leaves_of(600, f"{tree_no}:") for tree_no in (DIRECTORY, 1, 2)}
    for start in range(0, 600, 100):
        for tree_no, leaves in logs.items():
            append(trees, leaves[start : start + 100], tree_no)
    for tree_no, leaves in logs.items():
        build(trees, 600, tree_no)
        assert merkle.root_of(leaves) == trees.root(tree_no, 600)
        assert leaves[599] == trees.leaf_hash(tree_no, 599)


def test_a_second_log_with_one_id_is_refused() -> None:
    """A chain id names one log of a database."""
    trees = make_trees()
    with pytest.raises(StorageError), trees.engine.transaction():
        trees.create(b"chain 1")


def test_an_empty_log_has_the_root_of_the_empty_string() -> None:
    """The root of no leaves is SHA-256 of nothing (RFC 9162 section 2.1.1)."""
    assert sha256(b"") == make_trees().root(1, 0)


def test_a_frontier_has_the_root_of_every_size_on_its_way() -> None:
    """Leaves that are read one after the other give the root at each size, in memory of O(log n)."""
    leaves = leaves_of(70)
    frontier = Frontier()
    assert merkle.EMPTY_ROOT == frontier.root()
    for size, leaf in enumerate(leaves, 1):
        frontier.add(leaf)
        assert (size, merkle.root_of(leaves[:size])) == (frontier.size, frontier.root())


@given(st.lists(st.integers(0, 40), max_size=12))
def test_a_frontier_may_be_extended_by_runs_of_any_length(counts: list[int]) -> None:
    """Runs of leaves that begin anywhere, in whole subtrees or beside them, give the same roots as single leaves."""
    leaves = leaves_of(sum(counts))
    frontier, size = Frontier(), 0
    for count in counts:
        extend(frontier, b"".join(leaves[size : size + count]))
        size += count
        assert (size, merkle.root_of(leaves[:size])) == (frontier.size, frontier.root())


# --- against the public vectors


def test_roots_of_the_ct_reference_tree() -> None:
    """The eight leaves of the Certificate Transparency reference tree give its published roots."""
    group = PUBLIC["CT reference tree, 8 leaves: roots at size 1..8"]
    leaves = [merkle.leaf_hash(bytes.fromhex(case["leaf_hex"])) for case in group["cases"]]
    trees = made_of(leaves)
    assert [case["root_hex"] for case in group["cases"]] == [
        trees.root(1, case["size"]).hex() for case in group["cases"]
    ]


def test_tiles_are_the_published_ones() -> None:
    """A published log of 300 leaves, fed with its own level 0, gives its published interior tile and signed root."""
    group = next(group for name, group in PUBLIC.items() if name.startswith("cosignature/v1 on a 300-leaf tree"))
    files = {
        path.rpartition("/tile/")[2]: base64.b64decode(raw) for path, raw in group["files"].items() if "/tile/" in path
    }
    trees = make_trees()
    leaf_hashes = files["0/000"] + files["0/001.p/44"]
    append(trees, [leaf_hashes[: 200 * 32], leaf_hashes[200 * 32 :]])
    build(trees, 300)
    assert files["0/000"] == trees.tile(1, 0, 0)
    assert files["0/001.p/44"] == trees.tile(1, 0, 1, 44)
    assert files["1/000.p/1"] == trees.tile(1, 1, 0, 1)
    signed = Checkpoint.decode(Note.decode(group["cases"][0]["checkpoint"]).text)
    assert (300, signed.root) == (signed.size, trees.root(1, 300))


def test_tile_paths_are_the_published_ones() -> None:
    """Tile numbers stand in groups of three digits, all but the last with an x; partial tiles name their width."""
    for case in PUBLIC["tile paths and partial widths"]["cases"]:
        if "path" in case:
            assert case["path"] == tile_path(case["level"], case["index"], case.get("width", TILE_WIDTH))


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [
        (0, 256, "tile/0/000"),
        (999, 256, "tile/0/999"),
        (1000, 256, "tile/0/x001/000"),
        (1_000_000, 1, "tile/0/x001/x000/000.p/1"),
        (67, 255, "tile/0/067.p/255"),
    ],
)
def test_tile_paths_at_their_borders(number: int, width: int, path: str) -> None:
    """A group of three digits more begins at each power of a thousand."""
    assert path == tile_path(0, number, width)


# --- what is read


def test_pymerkle_never_asks_for_raw_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Roots and proofs come from stored subtrees: the hook that would fetch all leaves is never called."""
    asked: list[tuple[int, int]] = []

    def leaves_asked(_view: object, offset: int, width: int) -> list[bytes]:
        asked.append((offset, width))
        return leaves_of(1000)[offset : offset + width]

    monkeypatch.setattr(log._TreeView, "_get_leaves", leaves_asked)
    trees = made_of(leaves_of(1000))
    for size in (1, 2, 127, 128, 129, 256, 257, 512, 999, 1000):
        trees.root(1, size)
        trees.inclusion_path(1, size - 1, size)
        trees.inclusion_path(1, 0, size)
        trees.consistency_path(1, size // 2, size)
    assert [] == asked
    # Without our hook the library does ask, so that this test can fail.
    monkeypatch.setattr(log._TreeView, "_get_subroot", BaseMerkleTree._get_subroot)
    assert merkle.root_of(leaves_of(1000)) == trees.root(1, 1000)
    assert [] != asked


@pytest.mark.parametrize(("size", "levels"), [(200, 1), (300, 2), (65_000, 2), (66_000, 3)])
def test_a_proof_reads_few_tiles(size: int, levels: int) -> None:
    """A proof reads at most two tiles for each level of tiles, whatever the size; a warm one reads none."""
    engine = CountingEngine(open_new())
    leaves = leaves_of(size)
    made_of(leaves, engine)
    for index in (0, size // 2, size - 1):
        trees = Trees(engine)
        engine.tile_reads = 0
        trees.inclusion_path(1, index, size)
        assert 0 < engine.tile_reads <= 2 * levels
        engine.tile_reads = 0
        trees.inclusion_path(1, index, size)
        assert 0 == engine.tile_reads
    trees = Trees(engine)
    engine.tile_reads = 0
    trees.consistency_path(1, size // 2 + 1, size)
    assert 0 < engine.tile_reads <= 2 * levels


def test_the_cache_of_tiles_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles kept in memory are the ones used last, and no more than allowed."""
    monkeypatch.setattr(log, "CACHED_TILES", 3)
    engine = CountingEngine(open_new())
    trees = made_of(leaves_of(256 * 6), engine)
    for tile_no in (0, 1, 2, 0, 3):  # 1 was used longest ago when 3 comes
        trees.leaf_hash(1, 256 * tile_no)
    engine.tile_reads = 0
    for tile_no in (0, 2, 3):
        trees.leaf_hash(1, 256 * tile_no)
    assert 0 == engine.tile_reads
    trees.leaf_hash(1, 256)
    assert 1 == engine.tile_reads


# --- what a cache may keep


def test_a_rolled_back_append_is_forgotten() -> None:
    """Leaves that were read inside a transaction, and rolled back, never show in later roots."""
    trees = made_of(leaves_of(300))
    append_in_vain(trees, leaves_of(400, "never"))
    others = leaves_of(400, "instead")
    append(trees, others)
    build(trees, 700)
    assert merkle.root_of(leaves_of(300) + others) == trees.root(1, 700)
    assert others[0] == trees.leaf_hash(1, 300)


def test_a_tile_that_grew_is_read_again() -> None:
    """A partial tile in memory serves what it held, and is read again for what came later."""
    trees = make_trees()
    for size in range(1, 20):
        append(trees, [leaves_of(20)[size - 1]])
        assert merkle.root_of(leaves_of(20)[:size]) == trees.root(1, size)


def test_another_engine_s_appends_are_seen(tmp_path: Path) -> None:
    """Two processes over one database see each other's committed leaves at once."""
    engines = [open_engine(tmp_path / "anchorline.db") for _ in range(2)]
    ours = make_trees(engines[0])
    theirs = Trees(engines[1])
    leaves = leaves_of(520)
    for start in range(0, 520, 40):
        append(ours if start % 80 else theirs, leaves[start : start + 40])
        for trees in (ours, theirs):
            build(trees, start + 40)
            assert merkle.root_of(leaves[: start + 40]) == trees.root(1, start + 40)
    for engine in engines:
        engine.close()


# --- building


def test_long_builds_are_cut_into_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """``build_ahead`` leaves less than a step to build, each step in a transaction of its own."""
    monkeypatch.setattr(log, "BUILD_TILES", 2)  # a step of 512 leaves
    engine = CountingEngine(open_new())
    leaves = leaves_of(1800)
    trees = made_of(leaves, engine)
    whole = stored_tiles(trees)
    unbuild(trees)
    engine.transactions = 0
    trees.build_ahead(1)
    assert (3, 1536) == (engine.transactions, trees.state(1).built_size)
    trees.build_ahead(1)
    assert 3 == engine.transactions
    build(trees, 1800)
    assert whole == stored_tiles(trees)


def test_what_is_appended_is_built_with_it() -> None:
    """A log that is built stays so, whatever it is given at a time; building it has nothing left to do."""
    leaves = leaves_of(1100)
    trees = make_trees()
    for start, end in [(0, 255), (255, 257), (257, 300), (300, 1024), (1024, 1100)]:
        append(trees, leaves[start:end])
        assert end == trees.state(1).built_size
        assert merkle.root_of(leaves[:end]) == trees.root(1, end)
    before = stored_tiles(trees)
    trees.build_ahead(1)
    build(trees, 1100)
    assert before == stored_tiles(trees)


def test_an_append_behind_leaves_that_are_not_built_leaves_them_to_the_next_build() -> None:
    """What an older version appended is built by the next seal, in order, with everything behind it."""
    leaves = leaves_of(1100)
    trees = made_of(leaves[:600])
    unbuild(trees)
    append(trees, leaves[600:])
    assert (0, 1100) == (trees.state(1).built_size, trees.state(1).size)
    build(trees, 1100)
    assert merkle.root_of(leaves) == trees.root(1, 1100)
    assert stored_tiles(made_of(leaves)) == stored_tiles(trees)


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_no_path_leads_from_a_leaf_outside_the_log(index: int, size: int) -> None:
    """A leaf that is not in the tree of that size has no path."""
    trees = made_of(leaves_of(5))
    with pytest.raises(IndexError, match="outside"):
        trees.inclusion_path(1, index, size)


def test_a_root_over_leaves_that_are_not_built_is_refused() -> None:
    """A root that needs interior tiles nobody has stored yet is an error, not a wrong root."""
    trees = made_of(leaves_of(300))
    unbuild(trees)
    with pytest.raises(StorageCorruptError, match="missing"):
        trees.root(1, 300)


def test_building_twice_changes_nothing() -> None:
    """``build_to`` a size that is built already is done."""
    trees = made_of(leaves_of(700))
    before = stored_tiles(trees)
    build(trees, 700)
    build(trees, 100)
    assert (before, 700) == (stored_tiles(trees), trees.state(1).built_size)


def test_leaf_hashes_come_in_order_from_anywhere() -> None:
    """Any range of leaf hashes can be read, in pieces that join to exactly that range."""
    leaves = leaves_of(600)
    trees = made_of(leaves)
    for start, end in [(0, 600), (0, 0), (255, 257), (256, 512), (100, 101), (599, 600), (300, 300)]:
        assert b"".join(leaves[start:end]) == b"".join(trees.leaf_hashes(1, start, end))


def test_logs_that_grow_together_are_as_logs_that_grow_alone() -> None:
    """Leaves of several logs, from the beginning, in the middle and at the end of a tile, take one question."""
    sizes, added = (
        {1: 0, 2: 255, 3: 256, 4: 300},
        {number: leaves_of(number * 130, f"{number} ") for number in (1, 2, 3, 4)},
    )
    together = make_trees(CountingEngine(open_new()))
    alone = make_trees()
    for trees in (together, alone):
        with trees.engine.transaction():
            for number, size in sizes.items():
                if number > 1:
                    trees.create(f"chain {number}".encode())
                trees.append(number, 0, b"".join(leaves_of(size)))
    engine = together.engine
    assert isinstance(engine, CountingEngine)
    before = engine.tile_reads
    with engine.transaction():
        states = together.states([1, 2, 3, 4])
        together.append_each([(states[number], b"".join(leaves)) for number, leaves in added.items()])
    assert 1 == engine.tile_reads - before
    with alone.engine.transaction():
        for number, leaves in added.items():
            alone.append(number, sizes[number], b"".join(leaves))
    assert stored_tiles(alone) == stored_tiles(together)
    assert alone.states([1, 2, 3, 4]) == together.states([1, 2, 3, 4])


# --- tails


def test_few_leaves_write_the_tail_and_no_tile() -> None:
    """One leaf at a time, a tile is written for each 32 of them and when it is full, and else a row of a kilobyte."""
    trees, leaves = make_trees(), leaves_of(300)
    found = []
    for leaf in leaves:
        append(trees, [leaf])
        found.append(lying(trees))
    assert [(0, (0, 1)), (0, (0, 2))] == found[:2]
    assert [(0, (0, 31)), (32, (0, 31)), (32, (32, 33))] == found[30:33]
    assert [(224, (224, 255)), (256, (224, 255)), (256, (256, 257))] == found[254:257]
    assert {0, *range(32, 257, 32), 288} == {in_tiles for in_tiles, _ in found}
    assert leaves == [trees.leaf_hash(1, index) for index in range(300)]
    assert merkle.root_of(leaves) == trees.root(1, 300)


@pytest.mark.parametrize("first", [1, 31, 40, 255, 256, 257])
@pytest.mark.parametrize("then", [1, 31, 32, 200, 256])
def test_few_and_many_alternate(first: int, then: int) -> None:
    """Many leaves go to their tiles with what the tail has; a tail that was written so is not read for another."""
    leaves = leaves_of(2 * (first + then) + 1)
    trees, size = make_trees(), 0
    for count in (first, then, 1, first, then):
        append(trees, leaves[size : size + count])
        size += count
        assert merkle.root_of(leaves[:size]) == trees.root(1, size)
    assert stored_tiles(made_of(leaves)) == stored_tiles(trees)
    for start in range(0, size, 7):
        assert b"".join(leaves[start:]) == b"".join(trees.leaf_hashes(1, start, size))
        assert [b"".join(leaves[start:size])] == trees.leaf_hashes_of_each([(1, start, size)])


def test_a_log_of_an_older_version_goes_on_with_a_tail() -> None:
    """Its last tile stays as that version left it, whatever it holds, until the tail is full."""
    leaves = leaves_of(60)
    trees = make_trees()
    with trees.engine.transaction():
        trees.engine.execute("INSERT INTO tile VALUES (1, 0, 0, ?)", (b"".join(leaves[:5]),))
        trees.engine.execute("UPDATE tree SET size = 5, built_size = 5 WHERE tree_no = 1")
    append(trees, leaves[5:8])
    assert (5, (5, 8)) == lying(trees)
    assert merkle.root_of(leaves[:8]) == trees.root(1, 8)
    append(trees, leaves[8:])
    assert (60, (5, 8)) == lying(trees)
    assert merkle.root_of(leaves) == Trees(trees.engine).root(1, 60)


@pytest.mark.parametrize(
    "damage", ["DELETE FROM leaf_tail", "UPDATE leaf_tail SET first_index = 41", "UPDATE leaf_tail SET hashes = x'00'"]
)
def test_an_append_after_a_damaged_tail_is_refused(damage: str) -> None:
    """Leaves that only the tail had are missed before anything is written behind them."""
    trees = made_of(leaves_of(40))
    append(trees, leaves_of(2))
    with trees.engine.transaction():
        trees.engine.execute(in_sql(damage))
    with pytest.raises(StorageCorruptError, match="audit"):
        append(trees, leaves_of(1))
    assert (42, 40) == (trees.state(1).size, lying(trees)[0])
    with pytest.raises(StorageCorruptError):
        trees.leaf_hash(1, 41)


# --- damage


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM tile WHERE level = 0",
        "UPDATE tile SET hashes = x'00' WHERE level = 0",
        "UPDATE tile SET hashes = x'00' WHERE level = 1",
    ],
)
def test_an_append_after_a_damaged_tile_is_refused(damage: str) -> None:
    """A log whose last tile is missing or cut short takes no further tile: it would land in the wrong place."""
    trees = made_of(leaves_of(300))
    with trees.engine.transaction():
        trees.engine.execute(in_sql(damage))
    with pytest.raises(StorageCorruptError, match="audit"):
        append(trees, leaves_of(256))
    assert 300 == trees.state(1).size


@pytest.mark.parametrize("level", [0, 1])
def test_building_over_a_damaged_tile_is_refused(level: int) -> None:
    """A tile that is missing or short where interior nodes are made of it stops the build."""
    trees = made_of(leaves_of(700))
    unbuild(trees)
    build(trees, 300)
    with trees.engine.transaction():
        trees.engine.execute("UPDATE tile SET hashes = ? WHERE level = ? AND tile_no = ?", (bytes(2), level, 1 - level))
    with pytest.raises(StorageCorruptError, match="audit"):
        build(trees, 700)
    assert 300 == trees.state(1).built_size


def test_a_missing_tile_is_an_error_in_a_proof() -> None:
    """A proof that needs a tile which is gone is refused."""
    trees = made_of(leaves_of(300))
    with trees.engine.transaction():
        trees.engine.execute("DELETE FROM tile WHERE level = 0 AND tile_no = 0")
    with pytest.raises(StorageCorruptError, match="missing"):
        Trees(trees.engine).inclusion_path(1, 5, 300)


def test_leaf_hashes_that_are_gone_are_an_error() -> None:
    """A range of leaf hashes is whole or refused: fewer of them would shift every later place."""
    trees = made_of(leaves_of(600))
    with trees.engine.transaction():
        trees.engine.execute("DELETE FROM tile WHERE level = 0 AND tile_no = 1")
    assert leaves_of(256) == [b"".join(trees.leaf_hashes(1, 0, 256))[at : at + 32] for at in range(0, 8192, 32)]
    with pytest.raises(StorageCorruptError, match="tile 1"):
        list(trees.leaf_hashes(1, 0, 600))
    with pytest.raises(StorageCorruptError, match="tile 2"):
        list(trees.leaf_hashes(1, 599, 601))

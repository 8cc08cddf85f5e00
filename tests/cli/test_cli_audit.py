"""``anchorline audit`` on homes that somebody has tampered with: every table, one change at a time.

Each case changes one column of one row of a copy of the prepared home's database, as a thief of the database or a
failing disk would. Audit must end with exit code 1 and name the place.
"""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from chains.audit import Audit
from chains.bundle import pack, unpack
from chains.content_cipher import NONCE_SIZE
from chains.home import Home
from chains.reader import Reader
from tests.cli.commands import World
from tests.homes import change_by


def change(world: World, statement: str, *values: object) -> None:
    """Change something behind Anchorline's back; at least one row must have changed."""
    functions: dict[str, Callable[..., bytes]] = {
        "flip": flip,
        "flip_in": flip_in,
        "put_in": put_in,
        "flip_kept": flip_kept,
        "put_kept": put_kept,
    }
    assert change_by(world.home, functions, statement, *values) > 0, statement


def flip(data: bytes, at: int) -> bytes:
    """Flip the lowest bit of a byte; ``at`` counts from the end where it is negative."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


def flip_kept(kept: bytes, count: int, place: int, at: int) -> bytes:
    """Flip a bit of what is kept beside one entry of a bundle; it lies behind the nonce."""
    return kept[:NONCE_SIZE] + flip_in(kept[NONCE_SIZE:], count, place, at)


def put_kept(kept: bytes, count: int, place: int, item: bytes) -> bytes:
    """Put something else beside one entry of a bundle."""
    return kept[:NONCE_SIZE] + put_in(kept[NONCE_SIZE:], count, place, item)


def flip_in(packed: bytes, count: int, place: int, at: int) -> bytes:
    """Flip a bit of one item of a bundle."""
    return put_in(packed, count, place, flip(unpack(packed, count, place, place + 1, 0)[0], at))


def put_in(packed: bytes, count: int, place: int, item: bytes) -> bytes:
    """Put another item into a bundle."""
    items = unpack(packed, count, 0, count, 0)
    items[place] = item
    return pack(items)


def findings(world: World) -> dict[str, list[str]]:
    """Run the audit as JSON and return what it found, by place; its exit code must agree."""
    done = world.run("audit", "--json")
    facts = done.facts
    assert (0 if facts["clean"] else 1, "") == (done.exit_code, done.err), done
    assert facts["clean"] == (not facts["findings"])
    places: dict[str, list[str]] = {}
    for finding in facts["findings"]:
        places.setdefault(finding["where"], []).append(finding["what"])
    return places


def test_an_untouched_home_is_clean(world: World) -> None:
    """The audit has looked at everything that the home holds, and says how much that was."""
    done = world.ok("audit", "--json")
    counts = {
        name: done.facts[name] for name in done.facts if name not in {"findings", "more_findings", "clean", "remarks"}
    }
    expected = {"entries": 305, "chains": 2, "heads": 2, "seals": 2, "checkpoints": 2}
    assert expected | {"promises": 6, "anchors": 2, "lookups": 4, "named_entries": 0, "unreadable": 0} == counts
    assert (True, [], 0) == (done.facts["clean"], done.facts["findings"], done.facts["more_findings"])
    assert world.ok("audit").text.rstrip().endswith(": all hold.")


HOLDS = "WHERE first_seq <= {0} AND first_seq + entry_count > {0}"
FLIP = "UPDATE bundle SET {1} = flip_in({1}, entry_count, {0} - first_seq, {2}) " + HOLDS
FLIP_KEPT = "UPDATE bundle SET kept = flip_kept(kept, entry_count, {0} - first_seq, {1}) " + HOLDS
PUT_KEPT = "UPDATE bundle SET kept = put_kept(kept, entry_count, {0} - first_seq, {1}) " + HOLDS
PUT = "UPDATE bundle SET {1} = put_in({1}, entry_count, {0} - first_seq, {2}) " + HOLDS

CHANGES = {
    # What is written once and signed
    "entry: its commitment": (
        FLIP.format(7, "entries", 40),
        "row 7 ",
    ),
    "entry: its first byte": (
        FLIP.format(7, "entries", 0),
        "row 7 ",
    ),
    "entry: its chain": (
        FLIP.format(7, "entries", 1),
        "row 7 ",
    ),
    "entry: an external id": (
        FLIP.format(2, "entries", -8),
        "row 2 ",
    ),
    "entry: cut to nothing": (
        PUT.format(7, "entries", "x''"),
        "row 7 ",
    ),
    "entry: gone": ("DELETE FROM bundle " + HOLDS.format(7), "row 7 "),
    "entry: the last one gone": (
        "DELETE FROM bundle " + HOLDS.format(305),
        "row 305 ",
    ),
    "kept: the content": (
        FLIP_KEPT.format(7, -1),
        "row 7 ",
    ),
    "kept: the salt": (
        FLIP_KEPT.format(7, 1),
        "row 7 ",
    ),
    "kept: the digest": (
        FLIP_KEPT.format(304, -1),
        "row 304 ",
    ),
    "kept: its kind": (
        FLIP_KEPT.format(304, 0),
        "row 304 ",
    ),
    "kept: not even a kind": (
        PUT_KEPT.format(7, "x'07'"),
        "row 7 ",
    ),
    "promise: its time": ("UPDATE group_commit SET note = flip(note, 39) WHERE first_seq = 2", "promise over rows 2 "),
    "promise: its root": ("UPDATE group_commit SET note = flip(note, -1) WHERE first_seq = 2", "promise over rows 2 "),
    "promise: cut": ("UPDATE group_commit SET note = x'00' WHERE first_seq = 2", "promise over rows 2 "),
    "promise: signature": (
        "UPDATE group_commit SET signature = flip(signature, 5) WHERE first_seq = 2",
        "promise over rows 2 ",
    ),
    "promise: row's time": (
        "UPDATE group_commit SET received_at_ms = received_at_ms + 1 WHERE first_seq = 2",
        "promise over rows 2 ",
    ),
    "promise: its count": (
        "UPDATE group_commit SET entry_count = entry_count + 1 WHERE first_seq = 2",
        "promise over rows 2 ",
    ),
    "promise: gone": ("DELETE FROM group_commit WHERE first_seq = 2", "row 2"),
    "promise: the last one gone": ("DELETE FROM group_commit WHERE first_seq = 305", "row 305"),
    # The directory
    "identity: its origin": ("UPDATE identity SET leaf_0 = flip(leaf_0, 3)", "directory leaf 0"),
    "directory: leaf 0": ("UPDATE directory_leaf SET leaf = flip(leaf, 3) WHERE leaf_index = 0", "directory leaf 0"),
    "directory: thread leaf": (
        "UPDATE directory_leaf SET leaf = flip(leaf, 3) WHERE leaf_index = 1",
        "directory leaf 1",
    ),
    "directory: a head's root": (
        "UPDATE directory_leaf SET leaf = flip(leaf, -1) WHERE leaf_index = 2",
        "directory leaf 2",
    ),
    "directory: a head's size": (
        "UPDATE directory_leaf SET leaf = flip(leaf, 40) WHERE leaf_index = 2",
        "directory leaf 2",
    ),
    "directory: a seal's time": (
        "UPDATE directory_leaf SET leaf = flip(leaf, 16) WHERE leaf_index = 3",
        "directory leaf 3",
    ),
    "directory: an unknown type": (
        "UPDATE directory_leaf SET leaf = x'1e00' WHERE leaf_index = 2",
        "directory leaf 2",
    ),
    "directory: no leaf": ("UPDATE directory_leaf SET leaf = x'' WHERE leaf_index = 2", "directory leaf 2"),
    "directory: the last leaf gone": ("DELETE FROM directory_leaf WHERE leaf_index = 5", "directory"),
    "head: its size": ("UPDATE head SET tree_size = tree_size + 1 WHERE directory_index = 2", "directory leaf 2"),
    "head: its chain": ("UPDATE head SET tree_no = 2 WHERE directory_index = 2", "directory leaf 2"),
    "head: gone": ("DELETE FROM head WHERE directory_index = 2", "directory"),
    "mark: gone": ("DELETE FROM log_mark", "directory"),
    "mark: of a head": ("INSERT INTO log_mark (leaf_index) VALUES (2)", "directory leaf 2"),
    "checkpoint: its root": ("UPDATE checkpoint SET root = flip(root, 0) WHERE size = 4", "checkpoint of 4 leaves"),
    "checkpoint: its note": (
        "UPDATE checkpoint SET note = replace(note, 'log.example', 'log.exampla') WHERE size = 4",
        "checkpoint of 4 leaves",
    ),
    "checkpoint: no note at all": ("UPDATE checkpoint SET note = 'x' WHERE size = 4", "checkpoint of 4 leaves"),
    "checkpoint: unsigned": ("UPDATE checkpoint SET note = NULL WHERE size = 4", "checkpoint of 4 leaves"),
    "checkpoint: its number": ("UPDATE checkpoint SET seal_number = 9 WHERE size = 4", "directory leaf 3"),
    "checkpoint: its time": ("UPDATE checkpoint SET sealed_at_ms = 9 WHERE size = 4", "directory leaf 3"),
    "checkpoint: one too many": (
        "INSERT INTO checkpoint (size, seal_number, sealed_at_ms, root) VALUES (5, 9, 9, x'00')",
        "checkpoints",
    ),
    # What is derived
    "tile: level 0": (
        "UPDATE tile SET hashes = flip(hashes, 100) WHERE tree_no = 1 AND level = 0 AND tile_no = 0",
        "row 4 ",
    ),
    "tile: the right edge": (
        "UPDATE tile SET hashes = flip(hashes, 0) WHERE tree_no = 1 AND level = 0 AND tile_no = 1",
        "row 257 ",
    ),
    "tile: interior": (
        "UPDATE tile SET hashes = flip(hashes, 0) WHERE tree_no = 1 AND level = 1",
        "level 1, tile 0",
    ),
    "tile: interior gone": ("DELETE FROM tile WHERE tree_no = 1 AND level = 1", "level 1, tile 0"),
    "tile: cut": ("UPDATE tile SET hashes = x'00' WHERE tree_no = 1 AND tile_no = 1", "level 0, tile 1"),
    "tile: one too many": ("INSERT INTO tile VALUES (1, 2, 0, x'00')", "chain "),
    "tail: the directory's": ("UPDATE leaf_tail SET hashes = flip(hashes, 32) WHERE tree_no = 0", "directory leaf 1"),
    "tail: gone": ("DELETE FROM leaf_tail WHERE tree_no = 0", "level 0, tile 0"),
    "tail: cut": ("UPDATE leaf_tail SET hashes = substr(hashes, 1, 65) WHERE tree_no = 0", "tail"),
    "tail: elsewhere": ("UPDATE leaf_tail SET first_index = first_index + 1 WHERE tree_no = 0", "tail"),
    "tail: before any leaf": ("UPDATE leaf_tail SET first_index = -1 WHERE tree_no = 0", "tail"),
    "tail: beside its tile": ("INSERT OR REPLACE INTO leaf_tail VALUES (1, 3, zeroblob(64))", "tail"),
    "tree: its size": ("UPDATE tree SET size = size - 1 WHERE tree_no = 1", "chain "),
    "tree: what is built": ("UPDATE tree SET built_size = 0 WHERE tree_no = 1", "chain "),
    "tree: what is sealed": ("UPDATE tree SET sealed_size = sealed_size - 1 WHERE tree_no = 1", "chain "),
    "tree: its head": ("UPDATE tree SET head_index = 4 WHERE tree_no = 1", "chain "),
    "tree: its head's hash": ("UPDATE tree SET head_hash = flip(head_hash, 0) WHERE tree_no = 1", "chain "),
    "tree: its chain id": ("UPDATE tree SET chain_id = flip(chain_id, 0) WHERE tree_no = 1", "row 1 "),
    "extent: its submitter": (
        "UPDATE extent SET submitter = flip(submitter, 0) WHERE first_seq = 1",
        "promise over rows 1 ",
    ),
    "extent: its count": ("UPDATE extent SET entry_count = entry_count - 1 WHERE first_seq = 1", "row 2"),
    "extent: its place": ("UPDATE extent SET first_index = 1 WHERE first_seq = 1", "extent at row 1"),
    "extent: its chain": ("UPDATE extent SET chain_no = 2, first_index = 500 WHERE first_seq = 1", "chain "),
    "extent: its ids": ("UPDATE extent SET with_ids = 0 WHERE first_seq = 1", "row 2 "),
    "extent: gone": ("DELETE FROM extent WHERE first_seq = 1", "row 1"),
    "look-up: a pair's key": (
        "UPDATE lookup_page SET pairs = flip(pairs, 20) WHERE run_no = 3",
        "look-up run 3 (entry_hash, rows 1 to 304)",
    ),
    "look-up: a pair's row": (
        "UPDATE lookup_page SET pairs = flip(pairs, -1) WHERE run_no = 4",
        "look-up run 4 (external_id, rows 1 to 304)",
    ),
    "look-up: the first pair": (
        "UPDATE lookup_page SET first_pair = flip(first_pair, 0) WHERE run_no = 4",
        "look-up run 4 (external_id, rows 1 to 304), page ",
    ),
    "look-up: a page gone": (
        "DELETE FROM lookup_page WHERE first_pair = (SELECT MAX(first_pair) FROM lookup_page WHERE run_no = 3)",
        "look-up run 3 (entry_hash, rows 1 to 304)",
    ),
    "look-up: rows left out": ("UPDATE lookup_run SET first_seq = 2 WHERE run_no = 3", "look-up run 3 "),
    "look-up: a run gone": ("DELETE FROM lookup_run WHERE run_no = 3", "look-up "),
    "look-up: a content's row": (
        "UPDATE lookup_page SET pairs = flip(pairs, -1) WHERE run_no = 1",
        "look-up run 1 (content_digest, rows 1 to 302)",
    ),
    "look-up: a filter's bits": (
        "UPDATE lookup_filter SET bits = flip(bits, 7) WHERE block_number >> 32 = 3",
        "look-up run 3 (entry_hash, rows 1 to 304)",
    ),
    "look-up: a filter's block": (
        "UPDATE lookup_filter SET block_number = 4 << 32 | 1 WHERE block_number = 4 << 32",
        "look-up run 4 ",
    ),
    "look-up: a filter gone": ("DELETE FROM lookup_filter WHERE block_number >> 32 = 1", "look-up run 1 "),
    "look-up: a filter's size": ("UPDATE lookup_run SET filter_blocks = 2 WHERE run_no = 3", "look-up run 3 "),
    # Anchors
    "attempt: its transaction": ("UPDATE attempt SET raw = flip(raw, 60) WHERE attempt_no = 1", "attempt 1 "),
    "attempt: cut": ("UPDATE attempt SET raw = x'00' WHERE attempt_no = 1", "attempt 1 "),
    "attempt: its txid": ("UPDATE attempt SET txid = flip(txid, 0) WHERE attempt_no = 1", "attempt 1 "),
    "attempt: its coin": ("UPDATE attempt SET spends = flip(spends, 0) WHERE attempt_no = 1", "attempt 1 "),
    "attempt: its checkpoint": ("UPDATE attempt SET checkpoint_size = 6 WHERE attempt_no = 1", "attempt 1 "),
    "event: an impossible one": (
        "INSERT INTO attempt_event (attempt_no, at_ms, event) VALUES (1, 1, 'submitted')",
        "attempt 1 ",
    ),
    "event: an unknown one": (
        "INSERT INTO attempt_event (attempt_no, at_ms, event) VALUES (1, 1, 'lost')",
        "attempt 1 ",
    ),
    "proof: its header": (
        "UPDATE anchor_proof SET anchor = replace(anchor, '\"height\": 102', '\"height\": 103') WHERE attempt_no = 1",
        "attempt 1 ",
    ),
    "proof: no JSON": ("UPDATE anchor_proof SET anchor = '{' WHERE attempt_no = 1", "attempt 1 "),
    "proof: of another attempt": (
        "UPDATE anchor_proof SET anchor = (SELECT anchor FROM anchor_proof WHERE attempt_no = 2) WHERE attempt_no = 1",
        "attempt 1 ",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_in_any_table_is_found_and_named(world: World, name: str) -> None:
    """One changed column of one row is one place in the report."""
    statement, where = CHANGES[name]
    change(world, statement)
    found = findings(world)
    assert any(place.startswith(where) or place.endswith(where) for place in found), found


def test_every_table_is_changed_once() -> None:
    """No table of the schema is left out of these tests."""
    changed = {statement.split("SET")[0].split("WHERE")[0] for statement, _ in CHANGES.values()}
    words = {word for statement in changed for word in statement.replace("(", " ").split()}
    tables = "identity tree tile bundle extent group_commit lookup_run lookup_page directory_leaf log_mark head"
    assert set() == {*tables.split(), "lookup_filter", "checkpoint", "attempt", "attempt_event", "anchor_proof"} - words


def test_the_text_names_the_row(world: World) -> None:
    """People read which row of which chain, what is wrong with it, and what else does not fit it; exit code 1."""
    change(
        world,
        FLIP_KEPT.format(7, -1),
    )
    done = world.run("audit")
    chain_id = world.ok("chain", "show", "acme", "--json").facts["chain_id"]
    assert f"  row 7 (chain {chain_id}, entry 6): what is kept beside the entry is not what was written" in done.text
    assert "305 entries of 2 chains" in done.text
    assert "look-up run 1 (content_digest, rows 1 to 302): holds 302 pairs, not the 301" in done.text
    assert ": 2 findings." in done.text
    assert (1, "") == (done.exit_code, done.err)


def test_one_damaged_row_hides_no_other(world: World) -> None:
    """The audit goes on behind what it cannot read."""
    for seq in (3, 100, 304):
        change(world, PUT.format(seq, "entries", "x'ff'"))
    change(world, "UPDATE directory_leaf SET leaf = x'' WHERE leaf_index = 2")
    places = findings(world)
    for start in ("row 3 ", "row 100 ", "row 304 ", "directory leaf 2"):
        assert any(place.startswith(start) for place in places), start


def test_more_findings_than_can_be_listed_are_counted(world: World) -> None:
    """A thousand findings are listed, the rest is a number."""
    world.ok("add", "acme", "--lines", "-", stdin=b"\n" * 1000)
    change(world, "UPDATE bundle SET entries = x'00', kept = x'00'")
    facts = world.run("audit", "--json").facts
    assert 1000 == len(facts["findings"])
    assert facts["more_findings"] > 0


def test_many_entries_that_are_not_sealed_yet_are_no_finding(world: World) -> None:
    """Interior tiles are made at seal time; until then their absence is in order."""
    world.ok("add", "acme", "--lines", "-", stdin=b"\n" * 3000)
    assert {} == findings(world)
    world.ok("seal")
    assert {} == findings(world)


def test_memory_stays_flat_in_the_number_of_entries(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four times as many entries take no more memory: some bundles and one group commit are what is held.

    Beside the cache of tiles, which takes 16 MiB at most and would still be filling up here; the bundles are 2 MiB.
    """
    monkeypatch.setattr("anchor.log.CACHED_TILES", 4)
    monkeypatch.setattr("chains.bundle._TOGETHER_BYTES", 2**18)
    (tmp_path / "lines").write_bytes(b"".join(b"line %d\n" % number for number in range(6_000)))
    world.ok("add", "acme", "--lines", tmp_path / "lines")
    world.ok("seal")
    before = _peak(world)
    for _ in range(3):
        world.ok("add", "acme", "--lines", tmp_path / "lines")
    world.ok("seal")
    assert _peak(world) < 1.2 * before


def _peak(world: World) -> int:
    """Return the most memory (bytes) that Python held during one audit."""
    with Home.open(world.home) as home:
        parts = (home.engine, home.trees, home.directory, home.chains)
        audit = Audit(*parts, Reader(home.engine, home.chains, home.lookup), home.journal)
        tracemalloc.start()
        try:
            assert audit.run().clean
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

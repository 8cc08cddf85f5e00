"""Several rows in one INSERT: which go together. That then the same is there, tests/unit/test_storage.py says."""

import pytest

from anchor.storage.several import AT_ONCE, Insert, insert_in, together

INSERT = "INSERT INTO tile (tree_no, level, tile_no, hashes) VALUES (?, ?, ?, ?)"
REPLACE = f"{INSERT} ON CONFLICT (tree_no, level, tile_no) DO UPDATE SET hashes = excluded.hashes"
MANY_BYTES = 2**20


def tiles(*numbers: int, size: int = 32) -> list[tuple[int, int, int, bytes]]:
    return [(0, 0, number, bytes([place]) * size) for place, number in enumerate(numbers)]


def read(sql: str) -> Insert:
    insert = insert_in(sql)
    assert insert is not None
    return insert


def rows_of(sql: str, rows: list[tuple[int, int, int, bytes]], most_bytes: int = MANY_BYTES) -> list[int]:
    """Return how many rows each statement takes; together they have all values, in order."""
    statements = list(together(read(sql), rows, most_bytes))
    assert [value for row in rows for value in row] == [value for _, values in statements for value in values]
    # A place in the statement for each value.
    assert [len(values) for _, values in statements] == [statement.count("?") for statement, _ in statements]
    return [len(values) // 4 for _, values in statements]


def test_as_many_rows_as_one_statement_takes_go_together() -> None:
    """The rest is a statement of its own, and of nothing there is none."""
    assert [AT_ONCE, AT_ONCE, 3] == rows_of(INSERT, tiles(*range(2 * AT_ONCE + 3)))
    assert [1] == rows_of(INSERT, tiles(1))
    assert [] == rows_of(INSERT, [])


def test_one_row_is_inserted_by_the_statement_that_was_given() -> None:
    """So what is written once is prepared once."""
    assert [(REPLACE, [0, 0, 7, bytes(32)])] == list(together(read(REPLACE), tiles(7), MANY_BYTES))


def test_no_row_goes_behind_as_many_bytes_as_are_sent_together() -> None:
    """The row that reaches them is the last; one that is larger goes by itself."""
    assert [2, 2, 1] == rows_of(INSERT, tiles(*range(5), size=600), most_bytes=1000)
    assert [1, 1] == rows_of(INSERT, tiles(1, 2, size=5000), most_bytes=1000)


def test_a_row_that_replaces_another_one_is_in_a_later_statement() -> None:
    """PostgreSQL refuses a statement that would touch a row twice; rows of other keys go on together."""
    assert [2, 2, 1] == rows_of(REPLACE, tiles(1, 2, 1, 3, 1))
    assert [5] == rows_of(INSERT, tiles(1, 2, 1, 3, 1))


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tree SET size = ? WHERE tree_no = ?",
        "INSERT INTO tree (tree_no, chain_id, size) VALUES (?, ?, 0)",
        "INSERT INTO applied_migration (name, turn) SELECT ?, turn FROM write_turn",
        f"{INSERT} RETURNING tile_no",
    ],
)
def test_other_statements_take_one_row_each(sql: str) -> None:
    """Only an INSERT of places for values is made longer: of any other it would be another statement."""
    assert insert_in(sql) is None


def test_what_an_insert_says_is_read() -> None:
    """Its table and columns, whether it says anything of rows that are there, and by what they are told apart."""
    columns = ("tree_no", "level", "tile_no", "hashes")
    plain, replacing = read(INSERT), read(REPLACE)
    assert [("tile", columns), ("tile", columns)] == [(each.table, each.columns) for each in (plain, replacing)]
    assert [(True, ()), (False, (0, 1, 2))] == [(each.is_plain, each.key) for each in (plain, replacing)]
    assert not read(f"{INSERT} ON CONFLICT (tree_no) DO NOTHING").is_plain

"""Statements of one transaction that go to the server together: a round trip for all of them, not one for each.

``anchor.storage.postgres`` keeps here what is only written, and sends it with the next question or the COMMIT. It is
the pipeline mode of PostgreSQL's protocol (documentation, 34.5), in which whatever comes behind a statement that was
refused is not run, the COMMIT neither.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import errors

from anchor.storage.engine import Question, Row, Value

Rows = Sequence[Sequence[Value]]
MOST_ROWS = 256
"""So many are sent at the latest: what waits is kept in memory, a row of it can be a bundle."""


class WaitingWrites:
    """What an open transaction wrote and the server was not told yet, in order."""

    def __init__(self) -> None:
        self._writes: list[tuple[str, Rows]] = []
        self._row_count = 0

    @property
    def are_many(self) -> bool:
        """Whether they should wait no longer."""
        return self._row_count >= MOST_ROWS

    def add(self, sql: str, rows: Rows) -> None:
        """Have a statement wait, to be run once for each row of values."""
        if rows:
            self._writes.append((sql, rows))
            self._row_count += len(rows)

    def forget(self) -> None:
        """Leave them: the transaction is over."""
        self._writes, self._row_count = [], 0

    def send(self, connection: "psycopg.Connection[Row]") -> None:
        """Run them; raises psycopg's errors."""
        if self._writes:
            _all_of(connection, self._taken())

    def send_with(
        self, connection: "psycopg.Connection[Row]", sql: str, values: Sequence[Value] | None = None
    ) -> "psycopg.Cursor[Row]":
        """Run them and another statement behind them, and return the cursor of that one; raises psycopg's errors."""
        if not self._writes:
            return connection.execute(sql, values, binary=True)
        return _all_of(connection, self._taken(), [(sql, values)])[0]

    def send_with_each(
        self, connection: "psycopg.Connection[Row]", questions: Sequence[Question]
    ) -> "list[psycopg.Cursor[Row]]":
        """Do the same with several statements."""
        return _all_of(connection, self._taken(), questions)

    def _taken(self) -> list[tuple[str, Rows]]:
        writes = self._writes
        self.forget()
        return writes


def _all_of(
    connection: "psycopg.Connection[Row]",
    writes: Iterable[tuple[str, Rows]],
    questions: Sequence[tuple[str, Sequence[Value] | None]] = (),
) -> "list[psycopg.Cursor[Row]]":
    cursors: list[psycopg.Cursor[Row]] = []
    refused: psycopg.Error | None = None
    try:
        with connection.pipeline():
            try:
                for sql, rows in writes:
                    _run(connection.cursor(), sql, rows)
                for sql, values in questions:
                    cursors.append(connection.cursor())
                    cursors[-1].execute(sql, values, binary=True)
            except psycopg.Error as error:
                # Raised below: what the pipeline says at its end is only that it went no further.
                refused = error
    except errors.PipelineAborted as error:
        raise refused or error from None
    if refused is not None:
        raise refused
    return cursors


def _run(cursor: "psycopg.Cursor[Any]", sql: str, rows: Rows) -> None:
    if len(rows) == 1:
        cursor.execute(sql, rows[0])
    else:
        cursor.executemany(sql, rows)

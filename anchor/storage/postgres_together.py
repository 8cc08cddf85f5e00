"""Statements of one transaction that go to the server together: a round trip for all of them, not one for each.

``anchor.storage.postgres`` keeps here what is only written, and sends it with the next question or the COMMIT. It is
the pipeline mode of PostgreSQL's protocol (documentation, 34.5), in which whatever comes behind a statement that was
refused is not run, the COMMIT neither.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import psycopg

from anchor.storage.engine import Row, Value

Rows = Sequence[Sequence[Value]]
MOST_ROWS = 256
"""So many rows are sent at the latest, whatever their size."""
MOST_BYTES = 64 * 2**10
"""So many bytes are: more than a round trip costs, and about what the server's end of the connection takes at once."""


class WaitingWrites:
    """What an open transaction wrote and the server was not told yet, or has not answered yet, in order.

    Raises psycopg's errors, whichever method is told of them.
    """

    def __init__(self) -> None:
        self._writes: list[tuple[str, Rows]] = []
        self._rows = self._bytes = 0
        self._pipeline: ExitStack | None = None

    def add(self, connection: "psycopg.Connection[Row]", sql: str, rows: Rows) -> None:
        """Have a statement wait, to be run once for each row of values.

        Large ones do not: the server works on them while the next are made, and is asked later how it went.
        """
        if not rows:
            return
        self._writes.append((sql, rows))
        self._rows += len(rows)
        self._bytes += sum(len(value) for row in rows for value in row if isinstance(value, bytes))
        if self._rows >= MOST_ROWS or self._bytes >= MOST_BYTES:
            self._begin(connection)

    def forget(self) -> None:
        """Leave them: the transaction is over, or is to be undone."""
        self._taken()
        with suppress(psycopg.Error):
            self._end()

    def send(self, connection: "psycopg.Connection[Row]") -> None:
        """Run them, and wait until that is done."""
        if self._writes or self._pipeline:
            self.send_with_each(connection, [])

    def send_with(
        self, connection: "psycopg.Connection[Row]", sql: str, values: Sequence[Value] | None = None
    ) -> "psycopg.Cursor[Row]":
        """Run them and another statement behind them, and return the cursor of that one."""
        if not self._writes and self._pipeline is None:
            return connection.execute(sql, values, binary=True)
        return self.send_with_each(connection, [(sql, values)])[0]

    def send_with_each(
        self, connection: "psycopg.Connection[Row]", questions: Sequence[tuple[str, Sequence[Value] | None]]
    ) -> "list[psycopg.Cursor[Row]]":
        """Do the same with several statements."""
        cursors: list[psycopg.Cursor[Row]] = []
        refused: psycopg.Error | None = None
        try:
            self._begin(connection)
            for sql, values in questions:
                cursors.append(connection.cursor())
                cursors[-1].execute(sql, values, binary=True)
        except psycopg.Error as error:
            # Raised below: what the pipeline says at its end is only that it went no further.
            refused = error
        try:
            self._end()
        except psycopg.Error as error:
            raise refused or error from None
        if refused is not None:
            raise refused
        return cursors

    def _begin(self, connection: "psycopg.Connection[Row]") -> None:
        """Have the server run what waits, without waiting for it."""
        if self._pipeline is None:
            self._pipeline = ExitStack()
            self._pipeline.enter_context(connection.pipeline())
        for sql, rows in self._taken():
            _run(connection.cursor(), sql, rows)

    def _end(self) -> None:
        """Wait until the server is done with all that it was told."""
        if self._pipeline is not None:
            pipeline, self._pipeline = self._pipeline, None
            pipeline.close()

    def _taken(self) -> list[tuple[str, Rows]]:
        writes = self._writes
        self._writes, self._rows, self._bytes = [], 0, 0
        return writes


def _run(cursor: "psycopg.Cursor[Any]", sql: str, rows: Rows) -> None:
    if len(rows) == 1:
        cursor.execute(sql, rows[0])
    else:
        cursor.executemany(sql, rows)

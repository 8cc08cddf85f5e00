"""The protocol of the one SQL database behind everything: what a caller may rely on.

``anchor`` and ``chains`` write their SQL beside the code that means it, in what SQLite and PostgreSQL share;
``sqlite`` and ``postgres`` implement the protocol. Values are int, str, bytes and None; a place for one is ``?``.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Value = int | str | bytes | None
Row = tuple[Any, ...]
Question = tuple[str, Sequence[Value]]
"""A SELECT and its values."""


class Engine(Protocol):
    """One SQL database. Every method raises a StorageError for what the database refuses."""

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, so that what is read may yet be rolled back."""

    def transaction(self, questions: Sequence[Question] = ()) -> AbstractContextManager[list[list[Row]]]:
        """Open a writing transaction, alone: no other writer runs until it ends, and it does not nest.

        Gives the rows of SELECTs that are asked first in it, in one go with its beginning where a database is far away.
        When the block ends, everything in it is durable (on disk, synced) and visible; when it raises, or the
        process dies at any point before, nothing of it was done.
        """

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Return all rows of a SELECT. Inside a transaction it sees that transaction's own writes."""

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        """Return the rows of several SELECTs, asked in one go where a database is far away."""

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        """Run one statement for each row of values (once, without values, where none is given).

        Returns the number of rows changed. Only inside a transaction.
        """

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement for each of some rows, at the latest before the next question or the commit.

        What is refused of it may be raised as late as that. Only inside a transaction.
        """

    def close(self) -> None:
        """Release the database; may be repeated."""

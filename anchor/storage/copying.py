"""Copying a log's database from one engine to another, table by table and batch by batch.

``chains.moving`` moves a log with it, ``chains.rebuild`` takes one over; ``Database.copy_to`` makes the SQLite file of
a backup from PostgreSQL.
"""

from collections.abc import Callable

from anchor.storage.engine import Engine
from anchor.storage.house import House
from anchor.storage.tables import batches, last_key, tables

Report = Callable[[str], None]


def silent(_: str) -> None:
    """Report nothing."""


def copy_all(source: Engine, target: House, report: Report = silent) -> None:
    """Copy every table to a database that has no log, or go on where an earlier run stopped.

    Nobody may write to the source in between, and nobody else to the target. ``report`` is told before each table, and
    after each batch that is committed.
    """
    if last_key(target, tables()[0]) is None:
        # What the schema itself put there: the source has these rows, too, as they are now.
        with target.transaction():
            _clear(target)
    for table in tables():
        report(f"copy {table.name}")
        # What came over is there in whole batches, by key: the last key says where to go on.
        for rows in batches(source, table, last_key(target, table)):
            with target.transaction():
                target.insert_rows(table, rows)
            report(f"copied {table.name}")
    target.settle_numbers(tables())


def replace_all(source: Engine, target: House, check: Callable[[], None]) -> None:
    """Put the rows of another database in the place of all that are here, in one transaction.

    ``check`` looks first, while nobody else writes; where it raises, nothing was done.
    """
    with target.transaction():
        check()
        _clear(target)
        for table in tables():
            for rows in batches(source, table, None):
                target.insert_rows(table, rows)
        # Numbers that were given out come back with no rollback, which leaves a gap and no harm.
        target.settle_numbers(tables())


def _clear(target: House) -> None:
    for table in reversed(tables()):
        target.execute(f"DELETE FROM {table.name}")  # noqa: S608  # our own names

"""An engine that notes how SQLite goes about every question: which of them go through a whole table.

Tests hand it in where a reader must stay fast with any number of rows, whatever few are in the test's own database.
"""

from collections.abc import Sequence

from anchor.storage.engine import Row, Value
from anchor.storage.sqlite import SqliteEngine

FEW_ROWS = ("SCAN CONSTANT ROW", "SCAN wanted", "SCAN house_move", "SCAN checkpoint USING INDEX checkpoint_unsigned")
"""Steps through what has no rows, the rows of the question itself (``VALUES ... AS wanted``), or one at most whatever
grows: where a log moved to, and what is stored and not signed yet."""


class PlannedEngine(SqliteEngine):
    """``plans`` has, of each question, its text and the steps of SQLite's plan for it."""

    plans: list[tuple[str, list[str]]]

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Note the plan, then ask."""
        if "plans" not in self.__dict__:
            self.plans = []
        self.plans.append((sql, [str(row[3]) for row in super().query(f"EXPLAIN QUERY PLAN {sql}", values)]))
        return super().query(sql, values)

    def slow(self) -> list[tuple[str, list[str]]]:
        """Return the questions that read a whole table or sort one: neither by an index nor ended by a LIMIT."""
        return [(sql, steps) for sql, steps in self.plans if any(_is_slow(sql, step) for step in steps)]


def _is_slow(sql: str, step: str) -> bool:
    if "TEMP B-TREE" in step:
        return True
    is_given = step in FEW_ROWS or step.endswith(" CONSTANT ROWS")
    return step.startswith("SCAN ") and "LIMIT" not in sql and not is_given

"""When rows were written: the times of group commits, which never fall.

Rows are those of ``group_commit``; the search by time asks from when on, and whoever shows entries, when each came.
"""

from anchor.storage.engine import Engine


def first_seq_from(engine: Engine, at_ms: int) -> int:
    """Return the seq of the first row that was received at ``at_ms`` or later; one behind the last where none was."""
    last = engine.query("SELECT MAX(first_seq) FROM group_commit")[0][0]
    low, high = 1, 1 if last is None else int(last) + 1
    while low < high:
        middle = (low + high) // 2
        first_seq, received_at_ms = engine.query(
            "SELECT first_seq, received_at_ms FROM group_commit WHERE first_seq >= ? ORDER BY first_seq LIMIT 1",
            (middle,),
        )[0]
        if received_at_ms >= at_ms:
            high = middle
        else:
            low = int(first_seq) + 1
    found = engine.query("SELECT first_seq FROM group_commit WHERE first_seq >= ? ORDER BY first_seq LIMIT 1", (low,))
    if found:
        return int(found[0][0])
    rows = engine.query("SELECT first_seq + entry_count FROM group_commit ORDER BY first_seq DESC LIMIT 1")
    return int(rows[0][0]) if rows else 1


class ReceivedTimes:
    """When rows were received; of rows that are asked for in order, each commit is looked up once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: tuple[int, int, int] | None = None

    def at_ms(self, seq: int) -> int | None:
        """Return when the commit that wrote a row was received (Unix ms); None where its promise was lost."""
        if self._found is None or not self._found[0] <= seq < self._found[0] + self._found[1]:
            rows = self._engine.query(
                "SELECT first_seq, entry_count, received_at_ms FROM group_commit WHERE first_seq <= ? "
                "ORDER BY first_seq DESC LIMIT 1",
                (seq,),
            )
            self._found = rows[0] if rows and seq < rows[0][0] + rows[0][1] else None
        return None if self._found is None else int(self._found[2])

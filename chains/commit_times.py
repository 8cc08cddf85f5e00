"""When rows were written: the times of group commits, searched by halves, since they never fall.

Rows are those of ``group_commit``; the search by time asks.
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

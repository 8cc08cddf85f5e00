"""The oldest promise to anchor something that is not anchored yet: what ``anchor`` is told of promises.

Promises are in the rows of ``group_commit``, checkpoints in the directory; ``chains.home`` hands ``oldest_promise`` to
the engine, which replaces an attempt when a promise would lapse.
"""

from anchor.directory import Directory
from anchor.plan import Promised
from anchor.proof.promise import PromiseNote
from anchor.storage.engine import Engine


def oldest_promise(engine: Engine, directory: Directory, size: int) -> Promised | None:
    """Return the oldest promise for entries that the checkpoint of ``size`` leaves may not cover, None without one."""
    note = oldest_note(engine, directory, size)
    return None if note is None else Promised(note.received_at_ms, note.anchor_by_ms)


def oldest_note(engine: Engine, directory: Directory, size: int) -> PromiseNote | None:
    """Return the note of that promise, which also says by when its entries are to be sealed.

    ``size`` 0 covers nothing. Each seal covers all entries of its time, and the times of commits never fall, so the
    first commit that is not older than the seal is searched for; one of the same millisecond counts as not covered.
    """
    checkpoint = directory.checkpoint_of(size) if size else None
    after_ms = 0 if checkpoint is None else checkpoint.sealed_at_ms
    last = engine.query("SELECT MAX(first_seq) FROM group_commit")[0][0]
    low, high = 0, 0 if last is None else int(last) + 1
    while low < high:
        middle = (low + high) // 2
        first_seq, received_at_ms = _commit_from(engine, middle)
        if received_at_ms >= after_ms:
            high = middle
        else:
            low = first_seq + 1
    rows = engine.query("SELECT note FROM group_commit WHERE first_seq >= ? ORDER BY first_seq LIMIT 1", (low,))
    return PromiseNote.decode(bytes(rows[0][0])) if rows else None


def _commit_from(engine: Engine, seq: int) -> tuple[int, int]:
    """Return first_seq and time of the first commit from ``seq`` on; there is one."""
    first_seq, received_at_ms = engine.query(
        "SELECT first_seq, received_at_ms FROM group_commit WHERE first_seq >= ? ORDER BY first_seq LIMIT 1", (seq,)
    )[0]
    return int(first_seq), int(received_at_ms)

"""Whether one home is a prefix of another: everything that the older one signed or was told is in the newer, unchanged.

Input are two opened homes. ``chains.rebuild`` takes a newer copy over only where this holds; the first difference is
named, since it is evidence: two homes of one log that differ have signed two histories.
"""

from collections.abc import Iterator

from anchor.errors import HistoryDiffersError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.storage.engine import Engine, Row
from chains.home import Home

ROWS = 1_024


def check_prefix(older: Home, newer: Home) -> None:
    """Raise HistoryDiffersError, with the first difference, unless ``newer`` continues ``older``."""
    ours, theirs = older.directory.log, newer.directory.log
    if ours != theirs:
        raise HistoryDiffersError(f"the copy is of log {theirs.log_id.hex()}, this home of {ours.log_id.hex()}")
    _check_rows(older, newer, "SELECT leaf_index, leaf FROM directory_leaf WHERE leaf_index > ?", "directory leaf {}")
    _check_checkpoints(older, newer)
    _check_chains(older, newer)
    promises = "SELECT first_seq, entry_count, received_at_ms, note, signature FROM group_commit WHERE first_seq > ?"
    _check_rows(older, newer, promises, "the promise from row {} on")
    _check_attempts(older, newer)
    recoveries = "SELECT recovery_no, replaced, old_script, script, leaf FROM thread_recovery WHERE recovery_no > ?"
    _check_rows(older, newer, recoveries, "step {} of a recovery of the thread")


def _check_rows(older: Home, newer: Home, query: str, where: str) -> None:
    theirs = _rows(newer.engine, query)
    for row in _rows(older.engine, query):
        found = next(theirs, None)
        if found != row:
            raise _differs(where.format(row[0]), is_missing=found is None)


def _check_checkpoints(older: Home, newer: Home) -> None:
    query = "SELECT size, seal_number, sealed_at_ms, root, note FROM checkpoint WHERE size > ?"
    theirs = _rows(newer.engine, query)
    for *facts, note in _rows(older.engine, query):
        found = next(theirs, None)
        # The signature may have been made later: a checkpoint is stored first.
        if found is None or list(found[:-1]) != facts or (note is not None and found[-1] != note):
            raise _differs(f"the checkpoint of {facts[0]} leaves", is_missing=found is None)


def _check_chains(older: Home, newer: Home) -> None:
    for chain in older.chains.all():
        name = f"chain {chain.chain_id.hex()}"
        copied = newer.chains.by_id(chain.chain_id)
        size = older.chains.size(chain)
        if copied is None or newer.chains.size(copied) < size:
            raise _differs(
                f"{name}: entry {size - 1 if copied is None else newer.chains.size(copied)}", is_missing=True
            )
        ours = b"".join(older.trees.leaf_hashes(chain.chain_no, 0, size))
        theirs = b"".join(newer.trees.leaf_hashes(copied.chain_no, 0, size))
        if ours != theirs:
            place = next(at for at in range(size) if ours[32 * at : 32 * at + 32] != theirs[32 * at : 32 * at + 32])
            raise _differs(f"{name}: entry {place}", is_missing=False)


def _check_attempts(older: Home, newer: Home) -> None:
    query = "SELECT attempt_no, checkpoint_size, txid FROM attempt WHERE attempt_no > ?"
    for _, size, txid in _rows(older.engine, query):
        found = newer.journal.of_txid(bytes(txid))
        if found is None or found.checkpoint_size != size:
            raise _differs(f"anchor {hash_hex(bytes(txid))}", is_missing=found is None)


def _rows(engine: Engine, query: str) -> Iterator[Row]:
    """Yield the rows of a query on a table from its first key on, some at a time."""
    after = -1
    column = query.split()[1].rstrip(",")
    while rows := engine.query(f"{query} ORDER BY {column} LIMIT {ROWS}", (after,)):
        yield from rows
        after = int(rows[-1][0])


def _differs(what: str, *, is_missing: bool) -> HistoryDiffersError:
    how = "this home has it, and the copy does not" if is_missing else "it is another one in the copy"
    return HistoryDiffersError(
        f"the copy does not continue this home: {what}: {how}; nothing was taken over. Keep both: they are evidence of "
        "what happened"
    )

"""What was promised: the group commit of an entry, with the tree over all that it promised, made again from the rows.

Rows are written by ``chains.writer``; receipts and repeated requests take promises from here.
"""

from anchor.errors import StorageCorruptError
from anchor.hashing.chosen import HASHING
from anchor.proof.promise import PromiseNote
from anchor.storage.engine import Engine
from chains.chain import Chains
from chains.work import Promised
from chains.writer import stored_promise_leaves


def promised_at(engine: Engine, chains: Chains, key_id: bytes, seq: int) -> Promised | None:
    """Return the commit that wrote the row ``seq``.

    None where its promise was lost: the entry was taken over from a mirror (``chains.from_mirror``).
    """
    rows = engine.query(
        "SELECT first_seq, entry_count, note, signature FROM group_commit WHERE first_seq <= ? "
        "ORDER BY first_seq DESC LIMIT 1",
        (seq,),
    )
    if not rows or rows[0][0] + rows[0][1] <= seq:
        mirrored = "SELECT 1 FROM mirrored_run WHERE first_seq <= ? AND first_seq + entry_count > ?"
        if engine.query(mirrored, (seq, seq)):
            return None
        raise StorageCorruptError(f"row {seq} belongs to no group commit; run `anchorline audit`")
    first_seq, count, note, signature = rows[0]
    levels = HASHING.levels(stored_promise_leaves(chains, int(first_seq), int(count)))
    return Promised(PromiseNote.decode(bytes(note)), key_id, bytes(signature), levels, int(first_seq))

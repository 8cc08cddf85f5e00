"""How long a chain keeps contents, and which of them it has kept for longer.

The commands ``retention`` and ``erase --expired`` come here; time counts from when the log accepted an entry.
"""

from collections.abc import Iterable

from anchor.proof.access_record import What
from anchor.storage.engine import Engine
from chains.access_notes import Asker
from chains.chain import Chain
from chains.chain_sharing import ChainSharing
from chains.erasure_entries import held_by, holds_of, keeps_content
from chains.reader import Reader, StoredEntry


def keep_ms(engine: Engine, chain: Chain) -> int | None:
    """Return for how long a chain keeps contents, or None: until somebody erases them."""
    rows = engine.query("SELECT keep_ms FROM chain_retention WHERE chain_no = ?", (chain.chain_no,))
    return int(rows[0][0]) if rows else None


def set_keep_ms(engine: Engine, chain: Chain, kept_ms: int | None, now_ms: int, by: Asker) -> None:
    """Set for how long a chain keeps contents; None: until somebody erases them. Nothing is erased by this.

    The owner is told; may be repeated.
    """
    detail = "for ever" if kept_ms is None else f"for {kept_ms} ms"
    with engine.transaction():
        ChainSharing(engine).tell(chain, [by.did(What.RETENTION, chain.chain_id, detail=detail)], now_ms)
        engine.execute("DELETE FROM chain_retention WHERE chain_no = ?", (chain.chain_no,))
        if kept_ms is not None:
            engine.execute("INSERT INTO chain_retention (chain_no, keep_ms) VALUES (?, ?)", (chain.chain_no, kept_ms))


def expired_of(engine: Engine, reader: Reader, chain: Chain, now_ms: int) -> tuple[list[StoredEntry], int]:
    """Return the entries whose content a chain has kept for too long, and how many more of them are held."""
    kept_ms = keep_ms(engine, chain)
    if kept_ms is None:
        return [], 0
    end = _first_seq_after(engine, now_ms - kept_ms)
    holds = holds_of(reader, chain)
    expired, held = [], 0
    for _, first_seq, count in reader.chains.seq_ranges(chain, 0, reader.chains.size(chain)):
        for seq in range(first_seq, min(first_seq + count, end)):
            stored = reader.row(seq)
            if not keeps_content(stored) or _is_empty(stored):
                continue
            if held_by(holds, stored) is None:
                expired.append(stored)
            else:
                held += 1
    return expired, held


def have_expired(engine: Engine, reader: Reader, chain: Chain, entries: Iterable[StoredEntry], now_ms: int) -> bool:
    """Say whether ``expired_of`` has all of these entries, whose content is kept still; no other is looked at."""
    kept_ms = keep_ms(engine, chain)
    if kept_ms is None:
        return False
    end, holds = _first_seq_after(engine, now_ms - kept_ms), holds_of(reader, chain)
    return all(stored.seq < end and not _is_empty(stored) and held_by(holds, stored) is None for stored in entries)


def _is_empty(stored: StoredEntry) -> bool:
    """Say whether the content is empty: what states erasures and holds is, and has nothing to erase."""
    return stored.kept is not None and stored.kept.content == b""


def _first_seq_after(engine: Engine, time_ms: int) -> int:
    """Return the first seq that was accepted after a time; times never fall."""
    rows = engine.query("SELECT MIN(first_seq) FROM group_commit WHERE received_at_ms > ?", (time_ms,))
    if rows[0][0] is not None:
        return int(rows[0][0])
    return int(engine.query("SELECT COALESCE(MAX(first_seq + entry_count), 1) FROM group_commit")[0][0])

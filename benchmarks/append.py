"""(a) Recording 100,000 entries of 300 bytes, a thousand in each durable commit, against a bare table of equal bytes.

Ours is ``Writer.record``: salts, hashes, level 0 of the tiles, the signed promise. The reference is one ``executemany``
a commit of the bytes that this stores, into a table without further index, in the same WAL mode with synchronous=FULL
and page size. The sorted runs of the index, which the next seal would write, are measured on a line of their own.
"""

import os
import sqlite3
import statistics
from collections.abc import Sequence

from anchor.proof.codec import HASH_SIZE
from anchor.storage.sqlite import CACHE_KIB, PAGE_BYTES
from benchmarks.measuring import Stopwatch, Took, compare, temporary_folder
from chains.chain import keep_content
from tests.simulators.store import START_MS, Store, chain_id, entry_of

ENTRIES = 100_000
BATCH = 1_000
CONTENT_BYTES = 300
TARGET = 0.5


def stored_bytes() -> int:
    """Return what is stored for each entry: entry, salt and content, leaf hash."""
    entry = len(entry_of(chain_id("bench"), b"").encode())
    return entry + len(keep_content(bytes(16), bytes(CONTENT_BYTES))) + HASH_SIZE


def ours(contents: Sequence[bytes], indexing: list[Took]) -> Took:
    """Record all contents through the writer; what indexing them took afterwards goes into ``indexing``."""
    with temporary_folder() as folder:
        store = Store(folder / "anchorline.db")
        chain = store.open_chain("bench")
        with Stopwatch() as watch:
            for start in range(0, len(contents), BATCH):
                store.writer.record(chain, contents[start : start + BATCH], START_MS + start)
        with Stopwatch() as later:
            store.lookup.maintain(least=1)
        indexing.append(later.took)
        store.engine.close()
    return watch.took


def reference(count: int) -> Took:
    """Insert as many bytes into one table."""
    rows = [os.urandom(stored_bytes()) for _ in range(count)]
    with temporary_folder() as folder:
        connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("CREATE TABLE bare (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        with Stopwatch() as watch:
            for start in range(0, count, BATCH):
                connection.execute("BEGIN IMMEDIATE")
                batch = rows[start : start + BATCH]
                connection.executemany("INSERT INTO bare VALUES (?, ?)", enumerate(batch, start))
                connection.execute("COMMIT")
        connection.close()
    return watch.took


def main() -> None:
    """Print the comparison."""
    contents = [os.urandom(CONTENT_BYTES) for _ in range(ENTRIES)]
    title = f"(a) record {ENTRIES:,} entries of {CONTENT_BYTES} bytes, {BATCH:,} a commit; target ratio {TARGET}"
    indexing: list[Took] = []
    compare(title, ENTRIES, "entries", lambda: ours(contents, indexing), lambda: reference(ENTRIES))
    each_us = statistics.median(took.cpu_s for took in indexing) / ENTRIES * 1e6
    print(f"  the index, written at the next seal: {each_us:.2f} us of CPU an entry")


if __name__ == "__main__":
    main()

"""(o) ``audit`` of a home of 300,000 entries in one chain with contents of 300 bytes, against bare leaves and root.

Ours is ``Audit.run``: entries, contents under their keys, tiles, promises, look-ups, directory, everything. The
reference hashes the same entries in memory to leaves, and these to their root, with one call of hashlib for each.
``python -m benchmarks.auditing 1000000 100`` audits as many, with contents of 100 bytes; with 0, digests.
"""

import hashlib
import os
import sys
from pathlib import Path

from benchmarks.measuring import Stopwatch, Took, compare, temporary_folder
from benchmarks.sealing import bare_root
from chains.audit import Audit
from chains.home import Home
from chains.leading import leading
from chains.reader import Reader
from chains.trial import create_trial, forget
from tests.simulators.store import GENESIS, clear

ENTRIES, CONTENT_BYTES = 300_000, 300
BATCH = 1_000
TARGET = 0.4


def write(folder: Path, entries: int, content_bytes: int) -> None:
    """Make a home with one chain, sealed and indexed."""
    with create_trial(folder, "log.example/bench") as home, leading(home, "bench"):
        chain = home.writer.open_chain([clear("bench")], b"first", "bench", home.clock())[0]
        pool = [os.urandom(content_bytes or 32) for _ in range(BATCH)]
        record = home.writer.record if content_bytes else home.writer.record_digests
        for start in range(1, entries, BATCH):
            record(chain, pool[: min(BATCH, entries - start)], home.clock())
        home.directory.seal(home.checkpoint_key, home.clock(), GENESIS)
        home.after_seal()


def audit_of(home: Home) -> Audit:
    """Return the audit of a home."""
    reader = Reader(home.engine, home.chains, home.lookup)
    return Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal)


def ours(folder: Path, entries: int) -> Took:
    """Open the home and audit it."""
    with Home.open(folder) as home:
        with Stopwatch() as watch:
            report = audit_of(home).run()
        if report.findings or report.entries != entries:
            raise AssertionError(f"{report.entries} of {entries} entries, {report.findings[:3]}")
    return watch.took


def reference(raws: list[bytes]) -> Took:
    """Hash leaves and nodes."""
    sha256 = hashlib.sha256
    with Stopwatch() as watch:
        bare_root([sha256(b"\x00" + raw).digest() for raw in raws])
    return watch.took


def main(entries: int, content_bytes: int) -> None:
    """Print the comparison."""
    with temporary_folder() as folder:
        where = folder / "home"
        write(where, entries, content_bytes)
        with Home.open(where) as home:
            raws = [raw for _, raw in home.chains.bundles.entries(1, entries + 1)]
        title = f"(o) audit {entries:,} entries, contents of {content_bytes} bytes; target ratio {TARGET}"
        compare(title, entries, "entries", lambda: ours(where, entries), lambda: reference(raws))
        forget(where)


if __name__ == "__main__":
    main(*(map(int, sys.argv[1:]) if len(sys.argv) > 2 else (ENTRIES, CONTENT_BYTES)))

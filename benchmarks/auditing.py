"""(o) ``audit`` of a home of 300,000 entries in one chain against their bare leaves and root; and of 5,000 chains.

Ours is ``Audit.run``: entries, contents under their keys, tiles, promises, look-ups, directory, everything. The
reference hashes the same entries in memory to leaves, and these to their root, with one call of hashlib for each. Three
logs: entries that their writers made and beside which nothing is kept; digests of contents; contents of 300 bytes.
``python -m benchmarks.auditing 1000000`` audits so many.
"""

import os
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from anchor.proof.codec import HASH_SIZE
from benchmarks.measuring import Stopwatch, Took, compare, temporary_folder
from benchmarks.sealing import bare_root
from chains.audit import Audit
from chains.chain import Chain
from chains.home import Home
from chains.leading import leading
from chains.reader import Reader
from chains.together import commit_together
from chains.trial import create_trial, forget
from chains.work import Content, Opening, Submission
from tests.simulators.store import GENESIS, chain_id, clear, entry_of

ENTRIES, CONTENT_BYTES, CHAINS = 300_000, 300, 5_000
BATCH = 1_000
TARGET = 0.4

Record = Callable[[Home, Chain, int], object]
"""Records so many entries in a chain."""


def own_entries(home: Home, chain: Chain, count: int) -> object:
    """Take entries of somebody else, who keeps their contents."""
    raw = entry_of(chain.chain_id, b"").encode()
    # Entries differ in what they commit to, and in nothing else.
    raws = [raw[:33] + os.urandom(HASH_SIZE) + raw[65:] for _ in range(count)]
    return home.writer.submit(chain, list(map(Submission, raws)), home.clock())


def digests(home: Home, chain: Chain, count: int) -> object:
    """Record contents that stay elsewhere."""
    return home.writer.record_digests(chain, [os.urandom(HASH_SIZE) for _ in range(count)], home.clock())


def contents(home: Home, chain: Chain, count: int) -> object:
    """Record contents."""
    return home.writer.record(chain, [os.urandom(CONTENT_BYTES) for _ in range(count)], home.clock())


KINDS: dict[str, Record] = {
    "nothing kept": own_entries,
    "digests kept": digests,
    f"contents of {CONTENT_BYTES} bytes kept": contents,
}


def write(folder: Path, entries: int, record: Record) -> None:
    """Make a home with one chain, sealed and indexed."""
    with create_trial(folder, "log.example/bench") as home, leading(home, "bench"):
        chain = home.writer.open_chain([clear("bench")], b"first", "bench", home.clock())[0]
        for start in range(1, entries, BATCH):
            record(home, chain, min(BATCH, entries - start))
        _seal(home)


def write_chains(folder: Path) -> None:
    """Make a home with chains of one entry each, a thousand of them opened in a commit."""
    with create_trial(folder, "log.example/bench") as home, leading(home, "bench"):
        for start in range(0, CHAINS, BATCH):
            names = [f"chain {number}" for number in range(start, start + BATCH)]
            works = [
                home.writer.prepare(Opening(chain_id(name), name), [Content(b"first", "text/plain", (clear(name),))])
                for name in names
            ]
            for done in commit_together(home.writer, works, home.clock()):
                if isinstance(done, Exception):
                    raise done
        _seal(home)


def _seal(home: Home) -> None:
    home.directory.seal(home.checkpoint_key, home.clock(), GENESIS)
    home.after_seal()


def ours(folder: Path, entries: int) -> Took:
    """Open the home and audit it."""
    with Home.open(folder) as home:
        reader = Reader(home.engine, home.chains, home.lookup)
        audit = Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal)
        with Stopwatch() as watch:
            report = audit.run()
        if report.findings or report.entries != entries:
            raise AssertionError(f"{report.entries} of {entries} entries, {report.findings[:3]}")
    return watch.took


def reference(raws: list[bytes]) -> Took:
    """Hash leaves and nodes."""
    with Stopwatch() as watch:
        bare_root([sha256(b"\x00" + raw).digest() for raw in raws])
    return watch.took


def main(entries: int) -> None:
    """Print the comparisons."""
    with temporary_folder() as folder:
        for number, (kind, record) in enumerate(KINDS.items()):
            where = folder / str(number)
            write(where, entries, record)
            with Home.open(where) as home:
                raws = [raw for _, raw in home.chains.bundles.entries(1, entries + 1)]
            title = f"(o) audit {entries:,} entries, {kind}; target ratio {TARGET}"
            compare(title, entries, "entries", lambda: ours(where, entries), lambda: reference(raws))  # noqa: B023  # called at once
            forget(where)
        write_chains(folder / "chains")
        took = min((ours(folder / "chains", CHAINS) for _ in range(3)), key=lambda each: each.cpu_s)
        print(
            f"(o) audit {CHAINS:,} chains of one entry: {took.cpu_s / CHAINS * 1e6:.0f} us of CPU a chain, least of 3"
        )
        forget(folder / "chains")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)

"""The laboratory: a log grown over chains and sizes, on SQLite and PostgreSQL, and what everything costs at each size.

``python -m benchmarks.laboratory FOLDER`` grows every series as far as ``--most`` says and writes ``laboratory.json``
there, beginning with the series that is not whole yet; ``benchmarks.laboratory_report`` makes docs/performance.md and
its plots from it. A series runs in a process of
its own, in which entries are recorded as a service records them: pieces of work of many callers, 1,000 entries a
durable commit, contents of 300 bytes.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil

from anchor.proof.codec import sha256
from anchor.storage.databases import database_of
from anchor.storage.engine import Engine, Question, Row, Value
from benchmarks.measuring import high_water_mib, temporary_folder
from chains.audit import Audit
from chains.chain import Chain
from chains.home import Home
from chains.home_making import create_home
from chains.leading import leading
from chains.reader import Reader
from chains.receipts import Receipts, Shown
from chains.settings import Settings
from chains.together import commit_together
from chains.trial import anchor_now, forget, fund
from chains.work import Content, ContentsAlike, Opening, Refused, Work
from tests.postgres import running_postgres
from tests.simulators.store import chain_id, clear

ENGINES = ("sqlite", "postgres")
CHAINS = (1, 100, 100_000)
SIZES = (100_000, 1_000_000, 10_000_000)
COMMIT = 1_000
CONTENT_BYTES = 300
CALLERS = 10
"""Pieces of work in one commit, but for 100,000 chains: there each entry is of another chain."""
ASKED = 200
AUDITED = 1_000_000
"""Larger logs are not audited here: the cost of an entry is the same, and it takes minutes."""
Point = dict[str, Any]


class CountingEngine:
    """An engine that counts: calls, rows that were written, and both together as statements."""

    def __init__(self, inner: Engine) -> None:
        self.inner = inner
        self.calls = self.statements = self.rows = self.commits = 0

    @property
    def in_transaction(self) -> bool:
        """See ``Engine``."""
        return self.inner.in_transaction

    def transaction(self, questions: Sequence[Question] = ()) -> AbstractContextManager[list[list[Row]]]:
        """See ``Engine``."""
        self.commits += 1
        self.statements += len(questions)
        return self.inner.transaction(questions)

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """See ``Engine``."""
        self.calls += 1
        self.statements += 1
        return self.inner.query(sql, values)

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        """See ``Engine``."""
        self.statements += len(questions)
        return self.inner.query_each(questions)

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        """See ``Engine``."""
        self.calls += 1
        self.statements += max(len(rows), 1)
        self.rows += max(len(rows), 1)
        return self.inner.execute(sql, *rows)

    def execute_many(self, sql: str, rows: Any) -> None:
        """See ``Engine``."""
        listed = list(rows)
        self.calls += 1
        self.statements += len(listed)
        self.rows += len(listed)
        self.inner.execute_many(sql, listed)

    def close(self) -> None:
        """See ``Engine``."""
        self.inner.close()


class Series:
    """One log that grows: ``grow`` to a size, ``measure`` there."""

    def __init__(self, home: Home, engine: CountingEngine, chains: int) -> None:
        self.home, self.engine, self.chains = home, engine, chains
        self.size = self.opened = 0
        self.pool = [os.urandom(CONTENT_BYTES) for _ in range(COMMIT)]
        self.hashes: list[bytes] = []
        self._known: dict[int, Chain] = {}

    def grow(self, size: int) -> Point:
        """Record until there are so many entries; return what that cost."""
        took: list[float] = []
        before, begun, cpu = self.engine.statements, time.perf_counter(), time.process_time()
        rows, start = self.engine.rows, self.size
        number = 0
        while self.size < size:
            at = time.perf_counter()
            done = commit_together(self.home.writer, self._works(min(COMMIT, size - self.size)), self.home.clock())
            took.append(time.perf_counter() - at)
            self.size += sum(self._taken(each) for each in done)
            number += 1
        added, wall = self.size - start, time.perf_counter() - begun
        return {
            "entries_a_second": added / wall,
            "entries_a_cpu_second": added / (time.process_time() - cpu),
            "commit_p50_ms": statistics.median(took) * 1000,
            "commit_p99_ms": sorted(took)[int(len(took) * 0.99)] * 1000,
            "statements_an_entry": (self.engine.statements - before) / added,
            "rows_an_entry": (self.engine.rows - rows) / added,
            "commits": number,
        }

    def _taken(self, done: Any) -> int:
        if isinstance(done, Exception):
            raise done
        kept = [each for each in done.outcomes if not isinstance(each, Refused)]
        if len(self.hashes) < 100_000:
            self.hashes += [kept[0].entry_hash]
        return len(kept)

    def _works(self, count: int) -> list[Work]:
        """Return a commit's work: of ten callers for a chain each, or of a thousand where there are 100,000 chains."""
        prepare = self.home.writer.prepare
        if self.opened < self.chains:
            return [self._opening() for _ in range(min(count, self.chains - self.opened))]
        callers = 1 if self.chains == 1 else CALLERS if self.chains < CHAINS[-1] else count
        share = count // callers
        first = self.size // COMMIT * callers
        works = []
        for place in range(callers):
            chain = self._chain((first + place) % self.chains)
            works.append(prepare(chain, ContentsAlike(self.pool[place * share : (place + 1) * share])))
        return works

    def _chain(self, number: int) -> Chain:
        """Return a chain, looked up once, as a service remembers where its clients write."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = self.home.chains.named(chain_id(f"chain {number}").hex())
        return found

    def _opening(self) -> Work:
        name = f"chain {self.opened}"
        self.opened += 1
        return self.home.writer.prepare(
            Opening(chain_id(name), name), [Content(b"first", "text/plain", (clear(name),))]
        )

    def measure(self) -> Point:
        """Seal what is there, then a thousand more; ask for receipts, look-ups and an audit."""
        home = self.home
        _, all_s = _timed(lambda: home.anchoring.seal(home.checkpoint_key, home.clock()))
        _, index_s = _timed(home.after_seal)
        self.grow(self.size + COMMIT)
        _, seal_s = _timed(lambda: home.anchoring.seal(home.checkpoint_key, home.clock()))
        home.after_seal()
        anchor_now(home, 6)
        receipts = Receipts(home.engine, home.trees, home.directory, home.chains, home.journal, home.lookup)
        reader = Reader(home.engine, home.chains, home.lookup)
        dice = random.Random(7)
        asked = [dice.choice(self.hashes) for _ in range(ASKED)]
        look_ups = [_timed(lambda key=key: reader.by_hash(key)) for key in asked]
        made = [_timed(lambda found=found: receipts.make(found, Shown()).encode()) for found, _ in look_ups]
        point: Point = {
            "entries": self.size,
            "chains": self.chains,
            "seal_of_all_s": all_s,
            "index_s": index_s,
            "seal_of_1000_ms": seal_s * 1000,
            "look_up_p50_ms": statistics.median(seconds for _, seconds in look_ups) * 1000,
            "receipt_p50_ms": statistics.median(seconds for _, seconds in made) * 1000,
            "receipt_bytes": statistics.median(len(raw) for raw, _ in made),
        }
        if self.size <= AUDITED + 10 * COMMIT:
            audit = Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal)
            report, seconds = _timed(audit.run)
            if report.findings:
                raise AssertionError(report.findings[:3])
            point["audited_a_second"] = self.size / seconds
        return point


def _timed(work: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


@contextmanager
def _address(engine: str) -> Iterator[str]:
    if engine == "sqlite":
        yield ""
        return
    # On the disk, as SQLite's file is: in memory ten million entries do not fit, and a commit would wait for nothing.
    with running_postgres(on_disk=True) as server:
        yield server.schema()


def _bytes(home: Home, address: str) -> int:
    """Return what the log takes on the disk: its folder, and PostgreSQL's own count of the database."""
    files = sum(each.stat().st_size for each in home.folder.rglob("*") if each.is_file())
    return files + (int(home.engine.query("SELECT pg_database_size(current_database())")[0][0]) if address else 0)


def run_series(engine: str, chains: int, sizes: Sequence[int]) -> None:
    """Grow one series and print a line of JSON for each size."""
    with temporary_folder() as folder, _address(engine) as address:
        settings = Settings("regtest", "embedded", database=address)
        create_home(folder / "home", settings, "log.example/laboratory").close()
        counting = CountingEngine(database_of(folder / "home", address).open())
        with Home(folder / "home", settings, engine=counting) as home, leading(home, "laboratory"):
            fund(home)
            base = _bytes(home, address)
            series = Series(home, counting, chains)
            for size in sizes:
                if size < chains:
                    continue
                grown = series.grow(size)
                point = series.measure() | grown
                point |= {
                    "engine": engine,
                    "bytes_an_entry": (_bytes(home, address) - base) / series.size,
                    "resident_mib": high_water_mib(),
                    "load": round(os.getloadavg()[0], 1),
                }
                print(json.dumps(point), flush=True)
        forget(folder / "home")


def conditions() -> Point:
    """Say on what this was measured."""
    start = time.perf_counter()
    for _ in range(300_000):
        sha256(b"\x00" * 64)
    return {
        "processors": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": sys.version.split()[0],
        "load": round(os.getloadavg()[0], 1),
        "hashlib_a_second": round(300_000 / (time.perf_counter() - start)),
    }


def main(folder: Path, most: int, engines: Sequence[str], chains: Sequence[int]) -> None:
    """Run every series in a process of its own, and write each point as it comes; a series that is whole is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = folder / "laboratory.json"
    found: dict[str, Any] = json.loads(figures.read_text()) if figures.is_file() else {"points": []}
    found["conditions"] = conditions()
    for engine in engines:
        for count in chains:
            sizes = [size for size in SIZES if count <= size <= most]
            mine = [point for point in found["points"] if (point["engine"], point["chains"]) == (engine, count)]
            if len(mine) >= len(sizes):
                continue
            found["points"] = [point for point in found["points"] if point not in mine]
            for point in _points(engine, count, sizes):
                found["points"].append(point)
                figures.write_text(json.dumps(found, indent=1) + "\n")
                print(f"{engine}, {count:,} chains: {point['entries']:,} entries", flush=True)


def _points(engine: str, chains: int, sizes: Sequence[int]) -> Iterator[Point]:
    """Yield what a series says, size by size; one that fails has said what it could."""
    words = ["--series", engine, str(chains), ",".join(map(str, sizes))]
    with subprocess.Popen([sys.executable, "-m", "benchmarks.laboratory", *words], stdout=subprocess.PIPE) as series:
        assert series.stdout is not None
        for line in series.stdout:
            if line.startswith(b"{"):
                yield json.loads(line)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--series"]:
        run_series(sys.argv[2], int(sys.argv[3]), [int(size) for size in sys.argv[4].split(",")])
    else:
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("folder", type=Path)
        parser.add_argument("--most", type=int, default=SIZES[1])
        parser.add_argument("--engines", nargs="+", default=ENGINES)
        parser.add_argument("--chains", nargs="+", type=int, default=CHAINS)
        given = parser.parse_args()
        main(given.folder, given.most, given.engines, given.chains)

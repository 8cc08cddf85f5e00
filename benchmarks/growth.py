"""(n) One chain that grows to 10^7 entries: what must stay flat on the way, a seal onto them, and opening them again.

A log is built once, by a thousand entries of 300 bytes a durable commit, as ``benchmarks.laboratory`` builds its own.
At 10^5, 10^6 and 10^7 entries it is sealed and indexed, and then tells: look-ups by entry hash, all of them in other
bundles, of a home that was just opened and again; statements and rows written for each entry since the size before,
with all that a seal does; bytes on the disk for each entry. ``python -m benchmarks growth`` takes minutes and six
gigabytes, so it runs only when it is named; ``python -m benchmarks.growth 1000000`` goes as far as that.
"""

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.proof.codec import HASH_SIZE
from anchor.storage.databases import database_of
from benchmarks.laboratory import CountingEngine, Series
from benchmarks.measuring import ROUNDS, Stopwatch, Took, compare, temporary_folder
from benchmarks.sealing import filling_us
from chains.home import Home
from chains.home_making import create_home
from chains.leading import leading
from chains.reader import Reader
from chains.settings import Settings
from chains.trial import forget, fund
from tests.simulators.store import GENESIS

SIZES = (100_000, 1_000_000, 10_000_000)
LOOK_UPS = 100
"""As many as there are hashes known at the least size: one of each commit."""
SEALED = (100_000, 1_000_000)
FLAT, SEAL_TARGET, REOPEN_TARGET_MS = 1.10, 1 / 1.3, 50
SETTINGS = Settings("regtest", "embedded")


def grown(series: Series, engine: CountingEngine, size: int) -> dict[str, float]:
    """Grow to a size, seal and index; return what was asked of the database for each entry, and where it lies."""
    home, before = series.home, series.size
    statements, rows = engine.calls, engine.rows
    series.grow(size)
    seal(home)
    home.after_seal()
    engine.query("PRAGMA wal_checkpoint(TRUNCATE)")
    on_disk = sum(each.stat().st_size for each in home.folder.iterdir() if each.is_file())
    added = series.size - before
    return {
        "statements an entry": (engine.calls - statements) / added,
        "rows written an entry": (engine.rows - rows) / added,
        "bytes an entry": on_disk / series.size,
    }


def seal(home: Home) -> None:
    """Seal what is there under the genesis block: how fast a Bitcoin node answers is not asked here."""
    if home.directory.seal(home.checkpoint_key, home.clock(), GENESIS) is None:
        raise AssertionError("nothing was sealed")


def look_up_ms(folder: Path, hashes: list[bytes]) -> dict[str, float]:
    """Return the median look-up of a home that was just opened, and the median of the same look-ups again.

    Of several openings the median one: the first has to wait where the system has put pages of the file out of memory.
    """
    wanted = random.Random(7).sample(hashes, LOOK_UPS)
    opened = []
    for _ in range(ROUNDS):
        with Home.open(folder) as home:
            reader = Reader(home.engine, home.chains, home.lookup)
            reader.by_hash(bytes(32))  # the newest entries are not indexed, and are read when first asked for
            opened.append([_p50_ms(reader.by_hash, wanted), _p50_ms(reader.by_hash, wanted)])
    first, again = map(statistics.median, zip(*opened, strict=True))
    return {"look-up ms, first": first, "look-up ms, again": again}


def _p50_ms(look_up: Callable[[bytes], object], wanted: list[bytes]) -> float:
    took = []
    for key in wanted:
        start = time.perf_counter()
        found = look_up(key)
        took.append(time.perf_counter() - start)
        if found is None:
            raise AssertionError(f"{key.hex()} is not found")
    return statistics.median(took) * 1000


def sealed(series: Series, count: int) -> Took:
    """Record so many entries, and seal them."""
    series.grow(series.size + count)
    with Stopwatch() as watch:
        seal(series.home)
    return watch.took


def bare(count: int) -> Took:
    """Compute the root of as many leaf hashes, which are in memory, in native code."""
    hashes = Pieces.cut(os.urandom(HASH_SIZE * count))
    with Stopwatch() as watch:
        HASHING.root(hashes)
    return watch.took


def print_seals(series: Series) -> None:
    """Print the comparisons of seals, and what recording had hashed of their trees before."""
    size = series.size
    for count in SEALED:
        title = f"(n) seal {count:,} new entries onto {size:,}, against the root of their hashes; target ratio "
        compare(f"{title}{SEAL_TARGET:.2f}", count, "entries", partial(sealed, series, count), partial(bare, count))
    print(f"  recording hashes tiles as they fill: {filling_us():.2f} us an entry")


def print_reopening(folder: Path, entries: int) -> None:
    """Print how long it takes from a closed home to a signed root of one entry more."""
    took: dict[str, list[float]] = {"the newest signed root": [], "a new signed root": []}
    for _ in range(ROUNDS):
        with Home.open(folder) as home:
            chain = home.chains.by_no(1)
            assert chain is not None
            home.writer.record_digests(chain, [os.urandom(32)], home.clock())
        for what, root in (("the newest signed root", _newest), ("a new signed root", _sealed_anew)):
            start = time.perf_counter()
            with Home.open(folder) as home:
                root(home)
                took[what].append(time.perf_counter() - start)
    print(f"(n) {entries:,} entries opened again, median of {ROUNDS}; target {REOPEN_TARGET_MS} ms")
    for what, seconds in took.items():
        print(f"  to {what:24} {statistics.median(seconds) * 1000:8.1f} ms")


def _newest(home: Home) -> None:
    home.directory.newest()


def _sealed_anew(home: Home) -> None:
    with leading(home, "growth"):
        seal(home)


def main(most: int) -> None:
    """Build the log and print what it says on its way."""
    sizes = [size for size in SIZES if size <= most]
    with temporary_folder() as folder:
        where = folder / "home"
        create_home(where, SETTINGS, "log.example/growth").close()
        counting = CountingEngine(database_of(where, "").open())
        points: list[dict[str, float]] = []
        with Home(where, SETTINGS, engine=counting) as home, leading(home, "growth"):
            fund(home)
            series = Series(home, counting, 1)
            for size in sizes:
                points.append(grown(series, counting, size) | look_up_ms(where, series.hashes))
                print(f"  {size:,} entries: {', '.join(f'{what} {value:.4g}' for what, value in points[-1].items())}")
            print(f"(n) {sizes[-1]:,} entries against {sizes[0]:,}; target at most {FLAT} of each")
            for what, value in points[-1].items():
                print(f"  {what:24} {value / points[0][what]:6.2f}")
            print_seals(series)
        print_reopening(where, series.size)
        forget(where)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1])

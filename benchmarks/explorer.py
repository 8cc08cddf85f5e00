"""(l) The explorer's pages over one chain of ten million entries, against the same pages over a thousand.

Every page is asked of the application in this process, as a browser asks it, seven times; the median is told, by the
clock. ``python -m benchmarks explorer`` takes minutes and gigabytes, so it runs only when it is named;
``python -m benchmarks.explorer 1000000`` says how many.
"""

import os
import re
import statistics
import sys
import time
from pathlib import Path

from benchmarks.measuring import high_water_mib, temporary_folder
from chains.access import Visibility
from chains.home import Home
from chains.leading import leading
from chains.trial import anchor_now, create_trial, forget, fund
from tests.simulators.pages_site import Pages, pages_of
from tests.simulators.store import clear

ENTRIES = 10_000_000
FEW = 1_000
BATCH = 1_000
SEALS = 20
"""The chain is sealed so often while it grows, so that its history is not one head."""
ROUNDS = 7
MARK = "Rechnung-4711"
"""The external id of one entry in the middle, which is looked for."""


def build(folder: Path, entries: int) -> bytes:
    """Record so many entries in one public chain, seal and anchor it; return the chain's id."""
    with create_trial(folder, "log.example/bench") as home, leading(home, "bench"):
        fund(home)
        chain = home.writer.open_chain([clear("bench")], b"first", "bench", home.clock())[0]
        home.accounts.sharing.set_visibility(chain, Visibility.PUBLIC, home.clock())
        every = max(entries // SEALS // BATCH, 1)
        for number in range(entries // BATCH):
            contents = [os.urandom(32) for _ in range(BATCH - (not number))]
            if number == entries // BATCH // 2:
                home.writer.record(chain, [contents.pop()], home.clock(), external_ids=[clear(MARK)])
            home.writer.record(chain, contents, home.clock())
            if number % every == every - 1:
                _seal(home)
        _seal(home)
        anchor_now(home, 6)
        return chain.chain_id


def _seal(home: Home) -> None:
    home.anchoring.seal(home.checkpoint_key, home.clock())
    home.after_seal()


def addresses(pages: Pages, chain_id: bytes, entries: int) -> dict[str, str]:
    """Return the pages that are asked for, by what they are."""
    chain = f"/chains/{chain_id.hex()}"
    found = pages.get(f"/search?q={MARK}").text
    middle = re.search(r'href="(/entries/[0-9a-f]{64})', found)
    newest = re.search(r'href="(/entries/[0-9a-f]{64})', pages.get(chain).text)
    size = re.search(r'href="(/checkpoints/\d+)', pages.get("/").text)
    if not (middle and newest and size):
        raise AssertionError("a page lacks the links that were looked for")
    return {
        "front page": "/",
        "chains": "/chains",
        "chain, its newest entries": chain,
        "chain, from the middle": f"{chain}?below={entries // 2}",
        "search by external id": f"/search?q={MARK}",
        "search by entry hash": f"/search?q={middle[1].removeprefix('/entries/')}",
        "entry in the middle, judged": middle[1],
        "newest entry, judged": newest[1],
        "checkpoints": "/checkpoints",
        "newest checkpoint": size[1],
        "anchors": "/anchors",
        "thread": "/thread",
    }


def asked(folder: Path, entries: int) -> dict[str, float]:
    """Build, and return the median time of each page in seconds."""
    begun = time.monotonic()
    chain_id = build(folder, entries)
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    print(
        f"{entries:,} entries: {time.monotonic() - begun:,.0f} s to record and seal, {size / entries:,.0f} bytes each"
    )
    medians = {}
    with Home.open(folder) as home, pages_of(home) as pages:
        for what, address in addresses(pages, chain_id, entries).items():
            took = []
            for _ in range(ROUNDS):
                start = time.perf_counter()
                got = pages.get(address)
                took.append(time.perf_counter() - start)
                if got.status != 200:
                    raise AssertionError(f"{address}: {got.status}")
            medians[what] = statistics.median(took)
    forget(folder)
    return medians


def main(entries: int) -> None:
    """Print each page's time over few entries and over many."""
    with temporary_folder() as folder:
        few = asked(folder / "few", FEW)
        many = asked(folder / "many", entries)
    print(f"(l) pages of the explorer, median of {ROUNDS}, ms: over {FEW:,} entries and over {entries:,}")
    for what, seconds in many.items():
        print(f"  {what:30} {few[what] * 1000:8.1f} {seconds * 1000:8.1f}")
    print(f"  resident high-water mark: {high_water_mib():.1f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)

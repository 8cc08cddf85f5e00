"""(d) The most memory that appending, sealing and auditing ever hold, at 10^5 and 10^6 entries: it should stay flat.

Each figure comes from a process of its own (``python -m benchmarks.memory DATABASE append 100000``), since a process
never gives its high-water mark back. The reference is a process that only opens the database.
"""

import sys
from pathlib import Path

from anchor.journal import Journal
from benchmarks.measuring import high_water_mib, in_a_new_process, temporary_folder
from chains.audit import Audit
from chains.reader import Reader
from tests.simulators.store import GENESIS, START_MS, Store

SIZES = (100_000, 1_000_000)
BATCH = 1_000
CONTENT = bytes(300)
STEPS = ("open", "append", "seal", "audit")


def run_step(path: Path, step: str, entries: int) -> None:
    """Do one step over the database at ``path`` and print this process's high-water mark."""
    store = Store(path)
    if step == "append":
        chain = store.open_chain("bench")
        for start in range(1, entries, BATCH):
            store.writer.record(chain, [CONTENT] * min(BATCH, entries - start), START_MS + start)
    if step == "seal":
        store.directory.seal(store.checkpoint_key, START_MS + 2 * entries, GENESIS)
    if step == "audit":
        reader = Reader(store.engine, store.chains, store.lookup)
        audit = Audit(store.engine, store.trees, store.directory, store.chains, reader, Journal(store.engine))
        report = audit.run()
        if report.findings or report.entries != entries:
            raise AssertionError(f"the audit looked at {report.entries} entries and found {report.findings[:3]}")
    store.engine.close()
    print(f"  {step:7} {entries:10,} entries   {high_water_mib():8.1f} MiB")


def main() -> None:
    """Print all high-water marks."""
    print("(d) resident high-water mark of each step, in a process of its own")
    for entries in SIZES:
        with temporary_folder() as folder:
            for step in STEPS:
                in_a_new_process("benchmarks.memory", str(folder / "anchorline.db"), step, str(entries))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_step(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    else:
        main()

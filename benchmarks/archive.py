"""(i) ``verify --archive`` of 100,000 entries with their contents, or of as many as are named, against a bare loop.

Ours is everything that the check does, on every core, from the tar on the disk: entries, contents, promises, heads,
sums, the anchor. The reference is hashlib over the same entries in memory, in one process, and their root.
``python -m benchmarks.archive 1000000`` makes and checks an export of a million.
"""

import hashlib
import os
import resource
import sys
from functools import partial
from pathlib import Path

from anchor.proof.archive_files import chain_prefix, leaves_of, refuse
from anchor.proof.verdict import Outcome
from benchmarks.measuring import Stopwatch, Took, compare, high_water_mib, in_a_new_process, temporary_folder
from chains.archive.checking import verify_export
from chains.archive.files import opened_export
from chains.archive.verdict import ArchiveVerdict, ArchiveVerifier

ENTRIES = 100_000
ROUNDS = 5
TARGET = 0.4


def checked(path: Path, jobs: int) -> ArchiveVerdict:
    """Check an export."""
    with opened_export(path, refuse) as files:
        return verify_export(files, ArchiveVerifier(any_log=True, jobs=jobs))


def ours(path: Path, jobs: int) -> Took:
    """Check an export, and see that it was checked."""
    with Stopwatch() as watch:
        verdict = checked(path, jobs)
    if verdict.faults or verdict.outcome != Outcome.NOT_CHECKED:  # no block was given
        raise AssertionError(f"{verdict.outcome}: {verdict.faults[:3]}")
    return watch.took


def reference(leaves: list[bytes]) -> Took:
    """Hash the leaves and compute their root, with one call of hashlib for each."""
    sha256 = hashlib.sha256
    with Stopwatch() as watch:
        level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
        while len(level) > 1:
            above = [sha256(b"\x01" + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)]
            level = above + level[len(above) * 2 :]
    return watch.took


def main(entries: int) -> None:
    """Print the comparisons."""
    jobs = os.cpu_count() or 1
    with temporary_folder() as folder:
        in_a_new_process("benchmarks.export_making", str(folder), str(entries))
        paths = folder / "log.tar", folder / "bare.tar"
        # Before anything is large here: a process begins with the high-water mark of the one that started it.
        in_a_new_process("benchmarks.archive", str(entries), str(paths[0]))
        with opened_export(paths[0], refuse) as files:
            [chain_id] = {name.split("/")[2] for name in files.places if name.startswith("mirror/chain/")}
            read = leaves_of(files, chain_prefix(bytes.fromhex(chain_id)), entries)
            leaves = [leaf for leaf in read if leaf is not None]
        for path, what in zip(paths, ("with their contents", "without contents"), strict=True):
            title = f"(i) verify an export of {entries:,} entries {what}, {jobs} processes; target ratio {TARGET}"
            compare(title, entries, "entries", partial(ours, path, jobs), partial(reference, leaves), ROUNDS)


def print_memory(path: Path) -> None:
    """Check an export, in a process that does nothing else, and print the most memory that a process of it held."""
    checked(path, os.cpu_count() or 1)
    unit = 1 if sys.platform == "darwin" else 1024
    helped = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 2**20
    print(f"  resident high-water mark: {high_water_mib():.1f} MiB, and of a process that helped {helped:.1f} MiB")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print_memory(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)

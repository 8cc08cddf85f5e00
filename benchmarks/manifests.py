"""(i) Manifests: a table of a million rows with one cell changed in row 118, and a folder of 100,000 files.

Each figure comes from a process of its own, with the most memory that it ever held; the reference is a bare SHA-256 of
the same bytes. ``python -m benchmarks.manifests 10000000`` does the same with ten million rows.
"""

import hashlib
import sys
from pathlib import Path

from anchor.proof.manifest_list import read_list
from benchmarks.measuring import Stopwatch, high_water_mib, in_a_new_process, temporary_folder
from chains.manifest_comparing import compare
from chains.manifest_proving import prove_rows
from chains.manifest_writing import Cut, write_manifest

ROWS = 1_000_000
FILES = 100_000
CHANGED_ROW = 118
SECRET = bytes(32)
STEPS = ("hash", "record", "verify", "verify-changed", "prove")


def make_table(folder: Path, rows: int) -> None:
    """Write a table of five columns, every fifth row with a quoted cell; and its copy with one other cell."""
    changed = CHANGED_ROW - 1
    with (folder / "table.csv").open("w") as table, (folder / "changed.csv").open("w") as other:
        table.write("id,name,price,quantity,note\n")
        other.write("id,name,price,quantity,note\n")
        for number in range(1, rows):
            note = f'"note, {number}"' if number % 5 == 0 else "plain"
            row = f"{number},name {number % 1000},{number % 9973}.{number % 100:02},{number % 13},{note}\n"
            table.write(row)
            other.write(row if number != changed else row.replace(",name ", ",other "))


def make_folder(folder: Path) -> None:
    """Write small files, a hundred in each folder."""
    for number in range(FILES):
        path = folder / "folder" / f"{number // 100:04}" / f"{number % 100:02}.txt"
        if number % 100 == 0:
            path.parent.mkdir(parents=True)
        path.write_text(f"file {number}\n")


def run_step(folder: Path, name: str, step: str) -> None:
    """Do one step and print its time and this process's high-water mark."""
    source, list_path = folder / name, folder / f"{name}.manifest"
    with Stopwatch() as watch:
        said = _done(source, list_path, step)
    took = f"{watch.took.wall_s:8.2f} s   {watch.took.cpu_s:7.2f} s of CPU"
    print(f"  {name:10} {step:15} {took}   {high_water_mib():7.1f} MiB   {said}")


def _done(source: Path, list_path: Path, step: str) -> str:
    if step == "hash":
        with source.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        return f"{source.stat().st_size:,} bytes"
    if step == "record":
        with list_path.open("wb") as stream:
            document = write_manifest(source, SECRET, Cut(rows=True), stream, lambda _size: None)
        return f"list of {document.list_size:,} bytes"
    with list_path.open("rb") as stream:
        if step == "prove":
            return f"{len(prove_rows(stream, source.name, [CHANGED_ROW - 1], source).encode()):,} bytes"
        read_list(stream)
        found = compare(source.with_name("changed.csv") if step == "verify-changed" else source, stream)
    return "; ".join(difference.text() for difference in found.differences) or "the same"


def main(rows: int) -> None:
    """Print all figures."""
    print(f"(i) manifests: a table of {rows:,} rows and a folder of {FILES:,} files, each step in a process of its own")
    with temporary_folder() as folder:
        make_table(folder, rows)
        for step in STEPS:
            in_a_new_process("benchmarks.manifests", str(folder), "table.csv", step)
    with temporary_folder() as folder:
        make_folder(folder)
        for step in ("record", "verify"):
            in_a_new_process("benchmarks.manifests", str(folder), "folder", step)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        run_step(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)

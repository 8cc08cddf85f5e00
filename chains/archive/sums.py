"""The list of sums in an export, which finds damage and proves nothing: every file against it.

Input is ``SHA256SUMS``. It names what nothing else of the check rests on: tiles, specifications, the verifier.
"""

import re

from chains.archive.files import ExportFiles
from chains.archive.found import Found
from chains.archive.ranges import Bench, SumRange

SUMS = "SHA256SUMS"
_LINE = re.compile(rb"([0-9a-f]{64})  (.+)")


def read_sums(files: ExportFiles, found: Found) -> dict[str, str]:
    """Return the listed sums by file; what is no line of such a list, and what is listed and not there, is a fault."""
    sums: dict[str, str] = {}
    if SUMS not in files.places:
        found.faults.append(f"{SUMS}: missing")
    for number, line in enumerate(files.lines(SUMS), 1):
        matched = _LINE.fullmatch(line)
        if matched is None:
            found.faults.append(f"{SUMS}, line {number}: expected a SHA-256 in hex, two spaces and a file name")
            continue
        name = matched[2].decode("utf-8", "surrogateescape")
        sums[name] = matched[1].decode()
        if name not in files.places:
            found.faults.append(f"{name}: missing, and listed in {SUMS}")
    return sums


def check_sums(bench: Bench, part: SumRange) -> Found:
    """Compare files with the list."""
    found = Found(files=len(part.names))
    for name in part.names:
        listed = bench.sums.get(name)
        if listed is None and bench.sums:
            found.faults.append(f"{name}: not listed in {SUMS}; the export did not have it")
        elif listed is not None and bench.files.sha256_of(name).hex() != listed:
            found.faults.append(f"{name}: not the file that {SUMS} lists: damaged or changed")
    return found

"""Time stamps that authorities gave to checkpoints of an exported log, judged by the roots that a verifier trusts.

Input are the tokens in the folder ``attested`` (docs/spec/export.md) and the checkpoints of the directory. Of each the
verdict says what step 14 of a receipt says; they stand beside the log's own anchors.
"""

import re
from collections.abc import Iterator
from functools import partial

from anchor.proof.archive_directory import ArchivedDirectory
from anchor.proof.timestamp import TimestampAnchor, TimestampCheck, imprint_of, judge_timestamps
from chains.archive.files import ExportFiles
from chains.archive.found import Found

_TOKEN = re.compile(r"attested/([1-9][0-9]{0,18})/payload\.[1-9][0-9]{0,5}\.tst")


def judge_time_stamps(
    files: ExportFiles, directory: ArchivedDirectory, found: Found, check: TimestampCheck | None
) -> None:
    """Add what is to be said of each token; one that does not hold is a fault where the verifier asked about them."""
    for size, path in _tokens(files):
        root = directory.roots.get(size)
        if root is None:
            found.faults.append(f"{path}: the log signed no checkpoint of {size} leaves")
            continue
        token = TimestampAnchor(files.read(path) or b"")
        [judged] = judge_timestamps([token], partial(imprint_of, size, root), check)
        found.time_stamps.append({"tree_size": size} | judged.to_json())
        if judged.error is not None:
            found.faults.append(f"{path}: {judged.error}")


def _tokens(files: ExportFiles) -> Iterator[tuple[int, str]]:
    named = (_TOKEN.fullmatch(path) for path in files.places)
    yield from sorted((int(match[1]), match[0]) for match in named if match is not None)

"""Which receipt belongs to a file: ``report.csv`` has ``report.csv.receipt`` beside it; only names are read here.

``anchorline verify`` asks where one name is given.
"""

from pathlib import Path

from anchor.proof.errors import MalformedError
from anchor.proof.receipt import MAX_FILE_WITH_CONTENT, Receipt

SUFFIX = ".receipt"
OTS_SUFFIX = ".ots"


def paired(path: Path) -> list[Path]:
    """Return a file or folder and its receipt, where one is beside it; else the one path, which must be the receipt.

    A path that is itself a receipt is judged as one, whatever is beside it. Raises OSError.
    """
    beside = path.with_name(path.name + SUFFIX) if path.name else path
    if str(path) == "-" or beside == path or not beside.is_file() or (not path.is_dir() and _is_receipt(path)):
        return [path]
    return [path, beside]


def looked_for(path: Path) -> str:
    """Return what was looked for beside a path that is no receipt, as the end of a sentence, or nothing."""
    if str(path) == "-" or not path.name or path.name.endswith(SUFFIX):
        return ""
    text = f"; looked for its receipt as {path.name}{SUFFIX} beside it, and found none"
    if path.with_name(path.name + OTS_SUFFIX).is_file():
        text += f"; {path.name}{OTS_SUFFIX} is there: `ots verify` and verify.html read it"
    return text


def _is_receipt(path: Path) -> bool:
    with path.open("rb") as file:
        data = file.read(MAX_FILE_WITH_CONTENT + 1)
    try:
        Receipt.decode(data)
    except MalformedError:
        return False
    return True

"""The original beside a file that is not what was recorded: says where they differ, if it is the original at all.

Input are a receipt that shows its digest, the file at hand, and an original, which the verifier names or the receipt
carries; ``anchorline verify`` shows what comes of it.
"""

import hashlib
import io
from pathlib import Path
from typing import Any, BinaryIO

from anchor.proof.receipt import Receipt
from chains.difference import Difference, difference, form_of
from chains.extents import PIECE


class NotTheOriginalError(Exception):
    """What was named as the original is not what was recorded either; the message says so."""


def told(receipt: Receipt, at_hand: Path, original: Path | None) -> tuple[dict[str, Any], list[str]]:
    """Return where a file that is not what was recorded differs, for ``--json`` and as lines; nothing if unknown.

    Raises OSError where a file cannot be read.
    """
    try:
        found = where_changed(receipt, at_hand, original)
    except NotTheOriginalError as error:
        return {"not_compared": str(error)}, [f"Where it was changed, is not known: {error}."]
    if found is None:
        return {}, []
    return {"difference": found.to_json()}, ["Where it differs from what was recorded:", *_indented(found)]


def where_changed(receipt: Receipt, at_hand: Path, original: Path | None) -> Difference | None:
    """Return how the file differs from the original; None where nobody has it, or the file cannot be read twice.

    Raises NotTheOriginalError where the named original has another digest than the receipt, and OSError.
    """
    if not at_hand.is_file():
        return None
    if original is None:
        data = receipt.content.data
        if data is None or hashlib.sha256(data).digest() != receipt.content.digest:
            return None  # none is inside, or the one inside was changed, too
        return _compared(receipt, io.BytesIO(data), at_hand)
    with original.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        if digest != receipt.content.digest:
            raise NotTheOriginalError(
                f"{original} is not the original: expected SHA-256 {receipt.content.digest.hex()}, found {digest.hex()}"
            )
        return _compared(receipt, file, at_hand)


def _indented(found: Difference) -> list[str]:
    return [f"  {line}" for line in found.lines()]


def _compared(receipt: Receipt, original: BinaryIO, at_hand: Path) -> Difference | None:
    with at_hand.open("rb", buffering=PIECE) as file:
        return difference(original, file, form_of(at_hand.name, receipt.entry.media_type))

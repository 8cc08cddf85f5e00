"""Bytes of every binary and text format, changed at random: the readers of ``verify.html`` and Python's read the same.

Input is the files of the vectors; the seed is fixed, so that every run makes the same changes.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from anchor.proof import opentimestamps as ots
from anchor.proof import strictjson
from anchor.proof.bitcoin.coinbase import MAX_COINBASE
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.checkpoint import Note
from anchor.proof.entry import Entry
from anchor.proof.errors import MalformedError, UnknownVersionError
from anchor.proof.leaves import decode_leaf

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

VECTORS = Path(__file__).parents[1] / "vectors"
CHANGED = 500
# Bytes that mean something in one of the formats.
MARKS = b'\x00\xfd\xff"{}[],:\\u0-1 \n'
MAX_SEED = 5_000


def read_ots(raw: bytes) -> Any:
    file = ots.DetachedFile.decode(raw)
    return [file.hash_operation.name, file.digest.hex(), [attested(path.attestation) for path in file.timestamp.paths]]


def attested(attestation: ots.Attestation) -> list[str]:
    match attestation:
        case ots.PendingAttestation(uri):
            return ["pending", uri]
        case ots.UnknownAttestation(tag, payload):
            return ["unknown", (tag + payload).hex()]
        case block:
            return [type(block).__name__.removesuffix("Attestation").lower(), str(block.height)]


def read_json(raw: bytes) -> str:
    strictjson.loads(raw, "case", 65_536)
    return "accepted"


def read_note(raw: bytes) -> Any:
    note = Note.decode(raw.decode())
    return [note.text, [[line.name, line.key_id.hex(), line.signature.hex()] for line in note.signatures]]


READERS: dict[str, tuple[str, str, Callable[[bytes], Any]]] = {
    "ots": ("opentimestamps", "file", read_ots),
    "strict_json": ("strict_json", "hex", read_json),
    "entry": ("entry", "entry", lambda raw: Entry.decode(raw).hash.hex()),
    "leaf": ("leaves", "leaf", lambda raw: decode_leaf(raw).encode().hex()),
    "transaction": ("bitcoin", "raw", lambda raw: len(Transaction.decode(raw, MAX_COINBASE).outputs)),
    "note": ("note", "note", read_note),
}


def seeds(file: str, field: str) -> list[bytes]:
    """Return the files of a format in the vectors, good and bad; a note is text, all others are hex."""
    cases = json.loads((VECTORS / f"{file}.json").read_text())["cases"]
    texts = [case[field] for case in cases if field in case and len(case[field]) <= MAX_SEED]
    return [text.encode("utf-8", "replace") if field == "note" else bytes.fromhex(text) for text in texts]


def changed(raw: bytes, dice: random.Random) -> bytes:
    """Flip, drop, put in, replace or repeat some bytes."""
    for _ in range(dice.choice([1, 1, 2, 3])):
        at = dice.randrange(len(raw) + 1)
        end = min(len(raw), at + dice.randrange(1, 20))
        one = raw[at : at + 1]
        put = dice.choice(
            [
                bytes(byte ^ 1 << dice.randrange(8) for byte in one),
                b"",
                bytes([dice.choice(MARKS)]) + one,
                dice.randbytes(1),
                raw[at:end] + one,
            ]
        )
        raw = raw[:at] + put + raw[at + 1 :]
    return raw


def is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_here(read: Callable[[bytes], Any], raw: bytes) -> Any:
    try:
        return read(raw)
    except UnknownVersionError:
        return "unknown-version"
    except MalformedError:
        return "malformed"


@pytest.mark.parametrize("reader", READERS)
def test_changed_files(loaded: Page, reader: str) -> None:
    """Each of 500 changed files is read by both to the same values, or refused by both under the same name."""
    file, field, read = READERS[reader]
    dice, known = random.Random(reader), seeds(file, field)
    made = (changed(dice.choice(known), dice) for _ in range(2 * CHANGED))
    cases = [raw for raw in made if reader != "note" or is_text(raw)][:CHANGED]
    expected = [read_here(read, raw) for raw in cases]
    found = loaded.evaluate("readAll", [reader, [raw.hex() for raw in cases]])
    assert [] == [each for each in zip(cases, expected, found, strict=True) if each[1] != each[2]][:1]
    refused = sum(answer in ("malformed", "unknown-version") for answer in expected)
    assert CHANGED // 10 < refused < CHANGED - CHANGED // 100

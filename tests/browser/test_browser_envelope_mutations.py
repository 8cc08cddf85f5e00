"""Changed envelopes, entries and key files: ``verify.html`` opens or refuses each as Python does, under the same name.

Input is the vectors of envelopes that open, changed by one seeded sequence; what to expect, Python says.
"""

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.unit.client.test_envelope_vectors import CASES, found, key_found

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ENVELOPES, KEY_FILES = 600, 60


def changed(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to three changes: a bit, a byte, a piece cut out, doubled, or put in."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at, size = chance.randrange(len(made) or 1), chance.randint(1, 40)
        piece = made[at : at + size]
        match chance.randrange(5):
            case 0:
                made[at : at + 1] = bytes((piece[0] ^ (1 << chance.randrange(8)),)) if piece else b""
            case 1:
                made[at : at + 1] = chance.randbytes(1)
            case 2:
                del made[at : at + size]
            case 3:
                made[at:at] = piece
            case _:
                made[at:at] = chance.randbytes(size)
    return bytes(made)


def answers(page: Page, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the page says of each, as the vectors write it."""
    said = page.evaluate("answersTo", cases)
    refusals = {"malformed", "unknown-version", "wrong-password"} | {
        case["want_error"] for case in CASES if "want_error" in case
    }
    return [{"want_error" if isinstance(each, str) and each in refusals else "want": each} for each in said]


def test_changed_envelopes_and_entries(loaded: Page) -> None:
    """Bytes of either are changed, or of both; most do not open, and some do not even begin."""
    chance = random.Random(20261123)
    good = [case for case in CASES if case["check"] == "open" and "want" in case and len(case["envelope"]) < 3000]
    cases = []
    for number in range(ENVELOPES):
        case = copy.deepcopy(good[number % len(good)])
        for part in (("envelope",), ("entry",), ("envelope", "entry"))[number % 3]:
            case[part] = changed(bytes.fromhex(case[part]), chance).hex()
        cases.append(case)
    expected = [found(case) for case in cases]
    assert expected == answers(loaded, cases)
    names = {each.get("want_error") for each in expected}
    assert {"malformed", "envelope-changed", "envelope-of-another-entry", "not-a-reader"} <= names


def test_changed_wrapped_keys_and_boxes(loaded: Page) -> None:
    """What the entry does not bind is changed alone: a wrapped key; and a bit of the box, which it does."""
    chance = random.Random(20261124)
    good = next(case for case in CASES if case["description"] == "one reader")
    cases = []
    for _ in range(ENVELOPES // 4):
        case, data = dict(good), bytearray.fromhex(good["envelope"])
        data[chance.randrange(38 + 32, 38 + 112)] ^= 1 << chance.randrange(8)
        cases.append(case | {"envelope": data.hex()})
    expected = [found(case) for case in cases]
    assert [{"want_error": "wrapped-key-does-not-open"}] * len(cases) == expected
    assert expected == answers(loaded, cases)


def test_changed_key_files(loaded: Page, tmp_path: Path) -> None:
    """Files in clear and under a password: what is no file of a key, and what does not open, is told apart alike."""
    chance = random.Random(20261125)
    good = [case for case in CASES if case["check"] == "reader_key" and "want" in case]
    cases = []
    for number in range(KEY_FILES):
        case = dict(good[number % len(good)])
        text = changed(case["file"].encode(), chance).decode("ascii", "replace").replace("\ufffd", "~")
        cases.append(case | {"file": text})
    expected = [key_found(case, tmp_path / f"{number}") for number, case in enumerate(cases)]
    assert expected == answers(loaded, cases)
    assert {"malformed", "wrong-password"} <= {each.get("want_error") for each in expected}

"""Receipts changed at random, of several shapes: ``verify.html`` and Python say the same of each of them.

Input is receipts of the vectors; the seed is fixed, so that every run makes the same changes.
"""

import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.verdicts import judged_here, judged_there, without_malformed_texts
from tests.vectors import make_receipt_vectors as maker

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CASES: dict[str, dict[str, Any]] = {
    case["description"]: case for case in json.loads(maker.FILE.read_text())["cases"] if "want" in case
}
# Good receipts of different shapes, none of which asks for certificates.
SHAPES = [
    name
    for name, case in CASES.items()
    if case["want"]["outcome"] in {"intact", "attested", "incomplete"}
    and "timestamp_certificates" not in case["verifier"]
]
MUTATIONS = 600
Json = dict[str, Any]
Place = tuple[Any, Any]


def places(value: Any, wanted: Callable[[Any], bool]) -> list[Place]:
    """Return (container, key) of every value inside ``value`` that is wanted."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[Place] = []
    for key, item in items:
        found += [(value, key)] if wanted(item) else []
        found += places(item, wanted)
    return found


def flip_hex(receipt: Json, dice: random.Random) -> None:
    """Change one bit of one hex string: it is read, and hashes and signatures do not fit any more."""
    container, key = dice.choice(places(receipt, lambda item: isinstance(item, str) and len(item) >= 8))
    text = container[key]
    at = dice.randrange(len(text))
    digit = f"{int(text[at], 16) ^ 1 << dice.randrange(4):x}" if text[at] in "0123456789abcdef" else "0"
    container[key] = text[:at] + digit + text[at + 1 :]


def change_number(receipt: Json, dice: random.Random) -> None:
    """Change an index or a height; an unsealed receipt may have none, and is left as it is."""
    numbers = places(receipt, lambda item: isinstance(item, int))
    if not numbers:
        return
    container, key = dice.choice(numbers)
    container[key] = dice.choice([container[key] + 1, container[key] - 1, 0, 2**32, 2**53 - 1, 2**53])


def lose(receipt: Json, dice: random.Random) -> None:
    """Lose a field or an item."""
    container, key = dice.choice(places(receipt, lambda _: True))
    del container[key]


def repeat(receipt: Json, dice: random.Random) -> None:
    """Repeat an item of an array, or add a field nobody knows."""
    container, key = dice.choice(places(receipt, lambda _: True))
    if isinstance(container, list):
        container.insert(key, container[key])
    else:
        container[f"{key}_"] = container[key]


def swap(receipt: Json, dice: random.Random) -> None:
    """Put one value where another one was."""
    every = places(receipt, lambda item: isinstance(item, (str, int)))
    (one, first), (other, second) = dice.sample(every, 2)
    one[first], other[second] = other[second], one[first]


def graft(receipt: Json, dice: random.Random) -> None:
    """Take a part from another receipt."""
    other = json.loads(CASES[dice.choice(SHAPES)]["receipt"])
    key = dice.choice([key for key in receipt if key in other])
    receipt[key] = other[key]


def damage(raw: bytes, dice: random.Random) -> bytes:
    """Change, drop or repeat a byte of the file, as a bad disk would."""
    at = dice.randrange(len(raw))
    middle = dice.choice([bytes([raw[at] ^ 1 << dice.randrange(8)]), b"", raw[at : at + 1] * 2])
    return raw[:at] + middle + raw[at + 1 :]


KINDS = (flip_hex, flip_hex, flip_hex, change_number, lose, repeat, swap, graft)


def changed(dice: random.Random) -> tuple[bytes, dict[str, Any]]:
    """Return a changed receipt and what its verifier brings."""
    case = CASES[dice.choice(SHAPES)]
    if dice.random() < 0.15:
        return damage(case["receipt"].encode(), dice), case["verifier"]
    receipt = copy.deepcopy(json.loads(case["receipt"]))
    dice.choice(KINDS)(receipt, dice)
    return json.dumps(receipt).encode(), case["verifier"]


def kind_of(verdict: dict[str, Any] | str) -> str:
    return verdict if isinstance(verdict, str) else str(verdict["outcome"])


def test_changed_receipts(loaded: Page) -> None:
    """Each of 600 changed receipts has the same verdict in the browser as in Python, or is refused by both."""
    dice = random.Random(20261122)
    cases = [changed(dice) for _ in range(MUTATIONS)]
    expected = [without_malformed_texts(judged_here(*case)) for case in cases]
    found = [without_malformed_texts(verdict) for verdict in judged_there(loaded, cases)]
    assert (
        []
        == [
            (raw.decode("utf-8", "replace")[:4000], mine, theirs)
            for (raw, _), mine, theirs in zip(cases, expected, found, strict=True)
            if mine != theirs
        ][:1]
    )
    counts = Counter(map(kind_of, expected))
    reasons = {reason for verdict in expected if isinstance(verdict, dict) for reason in verdict["reasons"]}
    assert counts["failed"] >= MUTATIONS // 3
    assert counts["malformed"] >= MUTATIONS // 10
    assert len(SHAPES) >= 20
    assert len(reasons) >= 15

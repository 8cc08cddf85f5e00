"""Evidence of broken promises in the browser: ``verify.html`` judges it as ``anchorline dispute check`` does.

Input is ``tests/vectors/dispute.json``, and the same evidence changed at random; the seed is fixed, so that every run
makes the same changes.
"""

import copy
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from anchor.proof.dispute import Evidence, judge
from anchor.proof.errors import MalformedError, Reason, UnknownVersionError
from anchor.proof.receipt import LogCard
from anchor.signing import check_signature
from tests.browser.test_browser_mutations import KINDS, damage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "dispute.json").read_text())["cases"]
GOOD = [case for case in CASES if "want" in case]
CHANGES = 300
Given = tuple[bytes, str | None]


def judged_here(evidence: bytes, card: str | None) -> dict[str, Any] | str:
    try:
        brought = None if card is None else LogCard.decode(card.encode())
        return judge(Evidence.decode(evidence), brought, check_signature).to_json()
    except UnknownVersionError:
        return "unknown-version"
    except MalformedError:
        return "malformed"


def judged_there(page: Page, cases: list[Given]) -> list[dict[str, Any] | str]:
    """Return the page's judgements; each step before the last holds, but for whose log it is."""
    given = [{"evidence": raw.decode(), "card": card} for raw, card in cases]
    answers: list[str] = page.evaluate("judgementsOn", given)
    found: list[dict[str, Any] | str] = []
    for answer in answers:
        if answer in {"malformed", "unknown-version"}:
            found.append(answer)
            continue
        told = json.loads(answer)
        assert {"ok"} >= set(told["states"][1:-1])
        assert ("failed" in told["states"]) == (told["judgement"]["outcome"] == "failed")
        found.append(told["judgement"])
    return found


def of_cases() -> Iterator[Given]:
    """Yield every vector with its card, without a card, and with the card of another log."""
    others = [json.dumps(case["card"]) for case in CASES if case.get("want_error") == "another-log"]
    for case in CASES:
        for card in (json.dumps(case["card"]), None, *others):
            yield json.dumps(case["evidence"]).encode(), card


def test_vectors(loaded: Page) -> None:
    """Each vector is judged as Python judges it, word for word: with its card, with none, and with another log's."""
    cases = list(of_cases())
    expected, found = [judged_here(*case) for case in cases], judged_there(loaded, cases)
    assert expected == found
    for case, first in zip(CASES, found[:: len(cases) // len(CASES)], strict=True):
        reason = first if isinstance(first, str) else first.get("reason")
        assert case.get("want", case.get("want_error")) == (first if "want" in case else reason)
    outcomes = {each["outcome"] for each in found if isinstance(each, dict)}
    assert {"late", "equivocation", "failed", "no card"} == outcomes


def changed(dice: random.Random) -> Given:
    """Return evidence with one change, of the kinds that receipts are tried with."""
    case = GOOD[dice.randrange(len(GOOD))]
    card = json.dumps(case["card"])
    if dice.random() < 0.15:
        raw = damage(json.dumps(case["evidence"]).encode(), dice)
        return raw.decode("utf-8", "replace").encode(), card
    evidence = copy.deepcopy(case["evidence"])
    dice.choice(KINDS[:-1])(evidence, dice)
    return json.dumps(evidence).encode(), card


def test_changed_evidence(loaded: Page) -> None:
    """Each of 300 changed files has the same judgement in both, or is refused by both under the same name."""
    dice = random.Random(20261122)
    cases = [changed(dice) for _ in range(CHANGES)]
    expected, found = [judged_here(*case) for case in cases], judged_there(loaded, cases)
    differing = [
        each
        for each in zip(cases, map(without_text, expected), map(without_text, found), strict=True)
        if each[1] != each[2]
    ]
    assert [] == differing[:1]
    counts = Counter(each if isinstance(each, str) else each["outcome"] for each in expected)
    assert counts["failed"] >= CHANGES // 3
    assert counts["malformed"] >= CHANGES // 10


def without_text(judgement: dict[str, Any] | str) -> dict[str, Any] | str:
    """Leave out what is said of a part that cannot be read: there, each reader names what it stumbled over."""
    if isinstance(judgement, str) or judgement.get("reason") != Reason.MALFORMED:
        return judgement
    return judgement | {"text": ""}

"""Proofs of newest heads in the browser: ``verify.html`` judges them as ``anchorline head check`` does.

Input is ``tests/vectors/head_proof.json``, and the same proofs changed at random; the seed is fixed.
"""

import base64
import copy
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Visiting
from tests.browser.test_browser_mutations import KINDS, damage
from tests.browser.verdicts import without_malformed_texts
from tests.vectors import make_head_proof_vectors as maker

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CASES: list[dict[str, Any]] = json.loads(maker.FILE.read_text())["cases"]
GOOD = [case for case in CASES if case.get("want", {}).get("exit_code") == 0]
CHANGES = 300
Given = tuple[bytes, dict[str, Any]]


def judged_there(page: Page, cases: list[Given]) -> list[dict[str, Any] | str]:
    given = [{"proof": base64.b64encode(raw).decode(), "verifier": inputs} for raw, inputs in cases]
    found: list[str] = page.evaluate("headVerdictsOn", given)
    return [text if text in {"malformed", "unknown-version"} else json.loads(text) for text in found]


def test_vectors(loaded: Page) -> None:
    """Each vector has the verdict that the file wants, word for word."""
    found = judged_there(loaded, [(case["proof"].encode(), case["verifier"]) for case in CASES])
    for case, verdict in zip(CASES, found, strict=True):
        want = case["want"] if "want" in case else case["want_error"]
        assert without_malformed_texts(want) == without_malformed_texts(verdict), case["description"]


def changed(dice: random.Random) -> Given:
    case = dice.choice(GOOD)
    if dice.random() < 0.1:
        return damage(case["proof"].encode(), dice).decode("utf-8", "replace").encode(), case["verifier"]
    value = copy.deepcopy(json.loads(case["proof"]))
    dice.choice(KINDS[:-1])(value, dice)
    return json.dumps(value).encode(), case["verifier"]


def test_changed_proofs(loaded: Page) -> None:
    """Each of 300 changed files has the same verdict in both, or is refused by both under the same name."""
    dice = random.Random(20261123)
    cases = [changed(dice) for _ in range(CHANGES)]
    expected = [without_malformed_texts(maker.judged(raw.decode(), inputs)) for raw, inputs in cases]
    found = [without_malformed_texts(each) for each in judged_there(loaded, cases)]
    differing = [each for each in zip(cases, expected, found, strict=True) if each[1] != each[2]]
    assert [] == differing[:1]
    counts = Counter(each if isinstance(each, str) else each["outcome"] for each in expected)
    assert counts["failed"] >= CHANGES // 4
    assert counts["malformed"] >= CHANGES // 10


def test_a_visitor_drops_a_proof_and_names_the_block(visit: Visiting, tmp_path: Path) -> None:
    """He is told that the proof holds, for which chain, and every step; with another log's card it fails."""
    case = next(each for each in CASES if each["description"] == "no head: nobody's place")
    other = next(each for each in CASES if each["description"] == "the card of another log")
    proof, card, wrong = (tmp_path / name for name in ("none.head", "card.json", "wrong.json"))
    proof.write_text(case["proof"])
    card.write_text(case["verifier"]["card"])
    wrong.write_text(other["verifier"]["card"])
    visitor = visit()
    page = visitor.page
    page.set_input_files("#receipt-file", proof)
    expect(page.locator("#headline")).to_have_text("Nobody was asked about the block")
    block = case["want"]["facts"]["anchored_in"]["block"]
    expect(page.locator("#compare-facts")).to_contain_text(block)
    page.set_input_files("#card-file", card)
    page.fill("#block", block)
    expect(page.locator("#headline")).to_have_text("The chain has no head")
    expect(page.locator("#meaning")).to_contain_text("nothing of it was sealed by then")
    page.screenshot(path=SCREENSHOTS / "head.png", full_page=True)
    with page.expect_download() as saving:
        page.click("#save")
    saving.value.save_as(tmp_path / "verdict.json")
    assert "no head" == json.loads((tmp_path / "verdict.json").read_bytes())["outcome"]
    page.set_input_files("#card-file", wrong)
    expect(page.locator("#headline")).to_have_text("This proof does not hold")
    assert [page.url] == [address for address in visitor.requests if not address.startswith("blob:")]
    assert [] == visitor.complaints

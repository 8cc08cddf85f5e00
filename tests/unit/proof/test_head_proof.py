"""Tests of proofs of newest heads: the vectors, what each of them must come to, and random damage.

What a vector wants is written by the judge itself, so the outcomes are said here once more, by hand.
"""

import json
import random
from typing import Any

import pytest

from anchor.proof.head_judging import NAMES, HeadOutcome
from anchor.proof.head_proof import MAX_HEAD_PROOF, HeadProof
from tests.vectors import make_head_proof_vectors as maker

CASES: list[dict[str, Any]] = json.loads(maker.FILE.read_text())["cases"]
BY_NAME = {case["description"]: case for case in CASES}
HOLD = {
    *(f"the newest head of {name}" for name in maker.NAMES),
    *("no head: nobody's place", "no head: another chain's place", "an older checkpoint, of before"),
    "any log will do",
}
LACK = {
    "no head yet, at an older checkpoint": (3, "not anchored yet"),
    "another depth is wanted": (3, "not deep enough"),
    "no card": (3, "the log is not identified"),
    "not anchored": (3, "not anchored yet"),
    "nobody was asked about the block": (4, "nobody was asked"),
}
FAIL = {
    "the card of another log": ["another-log"],
    "the head of before": ["heads-proof-wrong"],
    "the way of another chain": ["heads-proof-wrong"],
    "a head hidden": ["heads-proof-wrong"],
    "a head hidden one level up": ["heads-proof-wrong"],
    "an absent chain's neighbour as its own": ["heads-proof-wrong"],
    "a sibling changed": ["heads-proof-wrong"],
    "a sibling too many": ["heads-proof-wrong"],
    "a deepest sibling of nothing": ["heads-proof-wrong"],
    "a terminal that is a seal": ["heads-proof-wrong"],
    "a terminal that is no leaf": ["malformed"],
    "an older seal, behind which there is another": ["seal-does-not-cover-head"],
    "a seal that is not in the log": ["directory-path-wrong"],
    "a key change left out": ["checkpoint-signature-wrong"],
    "an older checkpoint's note": [
        "directory-path-wrong",
        "seal-does-not-cover-head",
        "payload-does-not-match-checkpoint",
    ],
    "the anchor of another checkpoint": ["payload-does-not-match-checkpoint"],
    "no thread leaf": ["thread-leaf-mismatch"],
    "log leaf elsewhere": ["directory-path-wrong"],
}


def test_the_file_is_what_its_script_writes() -> None:
    """Nobody changed one without the other."""
    assert maker.make() == maker.FILE.read_text()


@pytest.mark.parametrize("name", BY_NAME)
def test_every_case_comes_to_what_is_said_of_it_here(name: str) -> None:
    """Each proof holds, lacks something, fails for its reason, or is no proof at all."""
    case = BY_NAME[name]
    want = case.get("want")
    if want is None:
        assert case["want_error"] == ("unknown-version" if name == "a newer version" else "malformed")
    elif name in HOLD:
        assert ("no head" if name.startswith("no head") else "newest head", 0) == (want["outcome"], want["exit_code"])
        assert [] == want["reasons"]
    elif name in LACK:
        exit_code, why = LACK[name]
        assert exit_code == want["exit_code"]
        assert why in want["missing"][0]
        assert [] == want["reasons"]
    else:
        assert ("failed", 1, FAIL[name]) == (want["outcome"], want["exit_code"], want["reasons"])
        assert want["says"] == "What does not hold says nothing about the chain."


def test_the_cases_reach_every_outcome_and_step() -> None:
    """Nothing of the verdict is without a vector."""
    found = [case["want"] for case in CASES if "want" in case]
    assert {str(outcome) for outcome in HeadOutcome} == {want["outcome"] for want in found}
    assert set(NAMES) == {step["number"] for want in found for step in want["steps"]}
    assert {4, 5, 6, 7, 8, 10, 13} <= {
        step["number"] for want in found for step in want["steps"] if step["state"] == "failed"
    }


def test_what_is_read_is_written_back() -> None:
    """Every proof that is read gives its own bytes again."""
    for case in CASES:
        if "want" in case and case["description"] != "a terminal that is no leaf":
            assert case["proof"] == HeadProof.decode(case["proof"].encode()).encode().decode()


def test_no_change_of_a_proof_holds_for_another_claim() -> None:
    """Of 400 proofs with one digit changed, what holds says the same, or (truly) that another chain has no head."""
    case = BY_NAME["the newest head of orders"]
    text, inputs = case["proof"], case["verifier"]
    dice = random.Random(20261123)
    held = 0
    for _ in range(400):
        at = dice.choice([at for at, each in enumerate(text) if each in "0123456789abcdef"])
        changed = text[:at] + dice.choice("0123456789abcdef".replace(text[at], "")) + text[at + 1 :]
        found = maker.judged(changed, inputs)
        if isinstance(found, dict) and found["exit_code"] == 0:
            held += 1
            is_of_orders = found["facts"]["chain_id"] == case["want"]["facts"]["chain_id"]
            assert case["want"]["says"] == found["says"] if is_of_orders else found["outcome"] == "no head"
    assert held < 40


def test_a_file_that_is_too_large_is_refused_before_it_is_read() -> None:
    """A megabyte is more than any proof needs."""
    text = BY_NAME["the newest head of orders"]["proof"]
    assert "malformed" == maker.judged(text + " " * MAX_HEAD_PROOF, {})

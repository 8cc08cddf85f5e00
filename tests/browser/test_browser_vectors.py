"""``verify.html`` runs the vectors: in a real browser, the same verdict as Python, word for word, on each of them.

Input is ``tests/vectors`` and the shipped page. What only Python does (making proofs and files, consistency, the heads
tree as a whole, a witness to be stripped) is not in the page, and is named here.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.verdicts import judged_here, judged_there, without_malformed_texts
from tests.vectors import make_certificate_vectors as certificates
from tests.vectors import make_chain_life_vectors as life
from tests.vectors import make_policy_vectors as policies
from tests.vectors import make_receipt_vectors as maker

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

VECTORS = Path(__file__).parents[1] / "vectors"
RECEIPTS: list[dict[str, Any]] = [
    case
    for file in (maker.FILE, life.FILE, policies.FILE, certificates.FILE)
    for case in json.loads(file.read_text())["cases"]
]
ONLY_IN_PYTHON = {
    "root",
    "inclusion_path",
    "consistency",
    "heads_root",
    "vkey",
    "submitter",
    "strip",
    "linear",
    "fields",  # a document is committed to where it is written
    "keyed_id",  # names are looked up where there is a chain
}
SIGNATURES = ["ed25519", "cctv_ed25519"]
# No step of a verdict is about these.
FILES_ONLY_IN_PYTHON = {"access_record"}
# SHA-1 collides: the page follows no path through it, where Python only refuses to believe one.
NOT_COMPUTED = "SHA-1"
# Fields of an answer that the page reads past, since no step speaks of them.
NOT_SHOWN = {"nonce", "content_commitment", "media_type", "external_ids", "links", "extensions", "author_type", "did"}


@pytest.fixture(scope="module")
def verdicts(loaded: Page) -> list[dict[str, Any] | str]:
    """The page's verdicts on all receipts of the vectors."""
    return judged_there(loaded, [(case["receipt"].encode(), case["verifier"]) for case in RECEIPTS])


@pytest.mark.parametrize("number", range(len(RECEIPTS)), ids=lambda number: f"{RECEIPTS[number]['description']}")
def test_receipt_vector(verdicts: list[dict[str, Any] | str], number: int) -> None:
    """The page says the same of a receipt as Python: steps, texts, whose word, reasons, outcome, exit code, facts."""
    case, found = RECEIPTS[number], verdicts[number]
    expected = judged_here(case["receipt"].encode(), case["verifier"])
    assert without_malformed_texts(expected) == without_malformed_texts(found)
    if "want_error" in case:
        assert case["want_error"] == found
    else:
        assert isinstance(found, dict)
        states = [step["state"] for step in found["steps"]]
        assert case["want"] == {name: found[name] for name in ("outcome", "exit_code", "reasons", "finding")} | {
            "states": states
        }


def test_the_receipts_reach_what_can_be_reached(verdicts: list[dict[str, Any] | str]) -> None:
    """The comparison is not empty: every outcome, and most reasons, are in it."""
    whole = [verdict for verdict in verdicts if isinstance(verdict, dict)]
    outcomes = {verdict["outcome"] for verdict in whole}
    assert {
        "intact",
        "attested",
        "time-stamped",
        "corrected",
        "failed",
        "incomplete",
        "not checked",
        "content erased or withheld",
    } == outcomes
    reasons = {reason for verdict in whole for reason in verdict["reasons"]}
    assert len(reasons) >= 35


FILES = [
    "bitcoin",
    "chain_id",
    "entry",
    "envelope",
    "fields",
    "heads",
    "identity",
    "leaves",
    "log_card",
    "manifest",
    "merkle",
    "note",
    "opentimestamps",
    "promise",
    "strict_json",
]


def of_file(name: str) -> list[dict[str, Any]]:
    """Return the cases of a file that the page has the code for."""
    cases: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())["cases"]
    return [case for case in cases if case["check"] not in ONLY_IN_PYTHON and case["description"] != NOT_COMPUTED]


def shown(value: Any) -> Any:
    if isinstance(value, list):
        return list(map(shown, value))
    if not isinstance(value, dict):
        return value
    return {name: shown(item) for name, item in value.items() if name not in NOT_SHOWN}


@pytest.mark.parametrize("name", FILES)
def test_vectors_of_a_format(loaded: Page, name: str) -> None:
    """The page reads each format as its vectors want, and refuses under the same names."""
    cases = of_file(name)
    expected = [(case["description"], shown(case.get("want", case.get("want_error")))) for case in cases]
    found = loaded.evaluate("answersTo", cases)
    assert expected == [(case["description"], answer) for case, answer in zip(cases, found, strict=True)]


def test_every_other_vector_is_named_here() -> None:
    """No file of vectors, and no kind of check, is left out without being named."""
    files = {path.stem for path in VECTORS.glob("*.json")}
    assert {
        *FILES,
        "receipts",
        "certificates",
        "chain_life",
        "policy",
        *SIGNATURES,
        "dispute",
        "head_proof",
        *FILES_ONLY_IN_PYTHON,
    } == files
    for name in FILES:
        checks = {case["check"] for case in json.loads((VECTORS / f"{name}.json").read_text())["cases"]}
        assert checks - ONLY_IN_PYTHON


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(loaded: Page, name: str) -> None:
    """The browser's own Ed25519 behind our checks, and BigInt alone, accept the signatures that Python accepts."""
    cases = json.loads((VECTORS / f"{name}.json").read_text())["cases"]
    answer = loaded.evaluate("signaturesOf", cases)
    assert "webcrypto" == answer["name"]
    expected = {case["description"]: [case["want"], case["want"]] for case in cases}
    assert expected == {case["description"]: found for case, found in zip(cases, answer["found"], strict=True)}


def test_a_browser_that_accepts_more_is_not_asked(loaded: Page) -> None:
    """Where the browser's Ed25519 judges a hard signature otherwise, or is missing, BigInt does all of it."""
    replaced = """async (verify) => {
        const own = SubtleCrypto.prototype.verify;
        SubtleCrypto.prototype.verify = verify === "lax" ? async () => true : undefined;
        try { return (await chooseSignatureCheck()).name; } finally { SubtleCrypto.prototype.verify = own; }
    }"""
    assert ["bigint", "bigint"] == [loaded.evaluate(replaced, kind) for kind in ("lax", "missing")]

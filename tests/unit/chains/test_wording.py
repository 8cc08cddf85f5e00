"""A verdict in words: the headline follows the outcome, and every step, reason and gap of the verdict is printed.

Verdicts are built by hand here; what real receipts lead to is in tests/cli/test_cli_verify.py.
"""

import pytest

from anchor.proof.errors import Reason
from anchor.proof.findings import SENTENCES, Finding
from anchor.proof.verify import Diagnosis, Outcome, State, Step, Verdict
from chains.wording import verdict_lines

FACTS = {
    "network": "testnet4",
    "proof_of_work": "little.",
    "sealed_after": {"height": 90, "block": "00"},
    "anchored_in": {"height": 102, "block": "ab" * 32, "time_s": 1_700_000_000, "transaction": "cd" * 32},
}


def found(finding: Finding) -> Diagnosis:
    return Diagnosis(finding, SENTENCES[finding])


@pytest.mark.parametrize(
    ("outcome", "headline"),
    [
        (Outcome.INTACT, "INTACT"),
        (Outcome.ATTESTED, "INTACT BY A CALENDAR'S ATTESTATION, NOT BY THE LOG'S OWN ANCHOR"),
        (Outcome.TIME_STAMPED, "INTACT BY TIME STAMP, NOT BY BITCOIN"),
        (Outcome.FAILED, "DOES NOT VERIFY"),
        (Outcome.INCOMPLETE, "INCOMPLETE"),
        (Outcome.NOT_CHECKED, "COULD NOT BE CHECKED"),
        (Outcome.NOT_COMPARED, "CONTENT NOT COMPARED"),
    ],
)
def test_the_headline_is_the_outcome(outcome: Outcome, headline: str) -> None:
    """Every outcome has its words, with the file's name where there is a file."""
    verdict = Verdict(outcome, found(Finding.INTACT), (), (), FACTS)
    assert (headline, f"{headline}: a.txt") == (verdict_lines(None, verdict)[0], verdict_lines("a.txt", verdict)[0])


def test_what_failed_is_said_with_its_reason() -> None:
    """Each failed step is a sentence, and no other is said to have failed."""
    steps = (
        Step(2, State.FAILED, "the file is not what was recorded", reason=Reason.CONTENT_CHANGED),
        Step(8, State.FAILED, "the receipt is of another log", reason=Reason.WRONG_LOG),
        Step(4, State.OK, "entry 1"),
    )
    lines = verdict_lines(None, Verdict(Outcome.FAILED, found(Finding.ANOTHER_LOG), steps))
    assert "  The file is not what was recorded (content-changed)." == lines[1]
    assert "  The receipt is of another log (another-log)." == lines[2]
    assert "  This is not a receipt of the log that is meant. [another-log]" == lines[3]
    assert "" == lines[4]
    assert 2 == sum("FAILED" in line for line in lines)


def test_what_is_missing_is_said() -> None:
    """An incomplete verdict names what would complete it."""
    lines = verdict_lines(
        None, Verdict(Outcome.INCOMPLETE, found(Finding.NOT_SEALED), (), ("not sealed yet: ask for an upgrade later",))
    )
    assert "  Nothing is wrong, and nothing is proved yet: the entry waits for its first seal." == lines[1]
    assert "  Not sealed yet: ask for an upgrade later." == lines[2]


def test_an_intact_verdict_claims_no_more_than_was_checked() -> None:
    """The bracket of time in ISO 8601, the network's worth, and what was left out; a signature names nobody."""
    unsigned = verdict_lines(None, Verdict(Outcome.INTACT, found(Finding.INTACT), (), ("content not compared",), FACTS))
    assert "which says 2023-11-14T22:13:20Z, give or take two hours" in unsigned[1]
    assert "Sealed after block 90 (as the log says), and unchanged since block 102 of testnet4" in unsigned[1]
    assert any("not that they are true, nor who wrote them." in line for line in unsigned)
    assert "  Not part of this verdict: content not compared." in unsigned
    signed = verdict_lines(
        None, Verdict(Outcome.INTACT, found(Finding.INTACT), (Step(3, State.OK, "signed by key 00"),), (), FACTS)
    )
    assert any("whose the signing key is, is not said." in line for line in signed)


def test_every_step_says_on_whom_it_rests() -> None:
    """What is more than arithmetic names who was believed; a step that was not checked says so."""
    steps = (
        Step(4, State.OK, "entry 1"),
        Step(8, State.OK, "log 00", "you (the log card)"),
        Step(12, State.NOT_CHECKED, "nobody was asked", "nobody"),
        Step(3, State.ABSENT, "not signed"),
    )
    lines = verdict_lines(None, Verdict(Outcome.NOT_CHECKED, found(Finding.BLOCK_NOT_CHECKED), steps))[-4:]
    assert [
        "   4 chain path                      ok           entry 1",
        "   8 log                             ok           log 00  [rests on you (the log card)]",
        "  12 header, work, block             not checked  nobody was asked",
        "   3 author                          absent       not signed",
    ] == lines


def test_an_intact_entry_is_not_an_intact_file() -> None:
    """Where nothing was compared, the headline says so."""
    verdict = Verdict(Outcome.INTACT, found(Finding.ENTRY_INTACT), (), (), FACTS)
    assert "INTACT ENTRY, NO CONTENT WAS COMPARED WITH IT" == verdict_lines(None, verdict)[0]


def test_what_an_entry_says_of_another_is_told() -> None:
    """An entry that corrects another one says so, and that it is the entry that says it."""
    links = [{"relation": "supersedes", "chain_id": "00", "entry_hash": "ab" * 32}]
    verdict = Verdict(Outcome.INTACT, found(Finding.INTACT), (), (), FACTS | {"links": links})
    assert f"  The entry says of itself that it supersedes entry {'ab' * 32}." in verdict_lines(None, verdict)

"""The mutation matrix: every kind of damage of every part of a receipt, and of what is held against it, by its finding.

The damages are ``tests/damage.py``, the table is ``tests/damage_matrix.txt``; ``tests/browser/test_browser_damage.py``
holds ``verify.html`` to the same.
"""

from anchor.proof.errors import MalformedError
from anchor.proof.verify import ExitCode, Finding, verify_bytes
from tests.damage import Damage, damages, expected
from tests.vectors import make_receipt_vectors as maker

# Findings that need another log, a wrong one, or certificates: a damaged receipt of a good log does not come to them.
BY_VECTORS_ONLY = {
    Finding.ENTRY_OF_ANOTHER_CHAIN,
    Finding.SIGNATURE_WRONG,
    Finding.AUTHOR_KEYS_WRONG,
    Finding.ANOTHER_AUTHOR,
    Finding.KEY_NOT_VALID_THEN,
    Finding.AUTHOR_NOT_CHECKED,
    Finding.NOT_UNDERSTOOD,
    Finding.NETWORK_UNKNOWN,
    Finding.NOT_DEEP_ENOUGH,
    Finding.TIME_STAMP_WRONG,
    Finding.TIME_STAMPED,
    Finding.ENTRY_INTACT,
    Finding.CORRECTION_WRONG,
    Finding.CERTIFICATE_WRONG,
    Finding.ERASURE_WRONG,
    Finding.ERASED,
    Finding.CHAIN_LIFE_WRONG,
    Finding.CO_SIGNATURE_WRONG,
    Finding.POLICY_EVIDENCE_WRONG,
    Finding.POLICY_NOT_FOLLOWED,
    Finding.POLICY_NOT_CHECKED,
    Finding.RETRACTED,
    Finding.SUPERSEDED,
}


def judged(damage: Damage) -> tuple[int, str]:
    try:
        verdict = verify_bytes(damage.receipt, maker.verifier_of(damage.brought))
    except MalformedError:
        return int(ExitCode.FAILED), Finding.NOT_A_RECEIPT
    return verdict.exit_code, verdict.diagnosis.finding


def test_every_damage_has_its_finding_and_exit_code() -> None:
    """Each damage comes to what the table says, and nothing is in the table that is not tried."""
    assert expected() == {damage.name: judged(damage) for damage in damages()}


def test_no_damage_has_two_names() -> None:
    """A row of the table stands for one damage."""
    names = [damage.name for damage in damages()]
    assert len(names) == len(set(names))


def test_the_table_reaches_every_finding() -> None:
    """Every finding that damage can lead to is in the table; the others are named here, and have vectors."""
    assert set(Finding) - BY_VECTORS_ONLY == {finding for _, finding in expected().values()}


def test_only_a_part_that_proves_nothing_can_be_lost() -> None:
    """What is damaged and still intact: the promise, left out, and what the verifier does not bring or waives."""
    intact = {name for name, (_, finding) in expected().items() if finding == Finding.INTACT}
    harmless = {"anchored: promise, lost", "brought: record, lost", "brought: card, lost, and any log will do"}
    assert {"anchored: nothing", "rotated: nothing"} | harmless == intact

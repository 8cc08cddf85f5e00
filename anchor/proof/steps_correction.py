# SPDX-License-Identifier: Apache-2.0
"""Step 16: later entries of the chain that supersede or retract this one, only where the receipt shows some.

A correction is no tampering: the entry stays what was recorded (docs/spec/correction.md). ``verify`` adds the step.
"""

from anchor.proof.correction import Correction, proved_corrections, shown_corrections
from anchor.proof.entry import Relation
from anchor.proof.errors import UnknownVersionError
from anchor.proof.later_entry import told_signers
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import State, Step, not_checked, ok, run
from anchor.proof.verifier import Verifier

BELIEVED = "the log, which let its author write into this chain; that no other correction was left out, nobody says"
_SAID = {Relation.SUPERSEDES: "superseded", Relation.RETRACTS: "retracted"}


def correction_steps(receipt: Receipt, verifier: Verifier) -> tuple[list[Step], tuple[Correction, ...]]:
    """Return step 16, or no step where no correction is shown; and the corrections where all of them hold."""
    if not shown_corrections(receipt):
        return [], ()
    found: list[Correction] = []

    def judge() -> Step:
        try:
            found.extend(proved_corrections(receipt, verifier.check_signature))
        except UnknownVersionError:
            return not_checked(16, "corrections not checked: an entry that is shown was written by a newer Anchorline")
        return ok(16, "; ".join(_sentence(correction, receipt.entry.hash) for correction in found), BELIEVED)

    step = run(16, judge)
    return [step], tuple(found) if step.state == State.OK else ()


def _sentence(correction: Correction, entry_hash: bytes) -> str:
    corrected = "" if correction.corrected == entry_hash else f"entry {correction.corrected.hex()} "
    signed = told_signers(correction.keys)
    said = _SAID[correction.relation]
    return f"{corrected}{said} by entry {correction.index} of the chain, {correction.entry_hash.hex()}, {signed}"

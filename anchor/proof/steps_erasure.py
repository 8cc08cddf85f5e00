# SPDX-License-Identifier: Apache-2.0
"""Step 18: the entry that erased this one's content, only where the receipt shows it.

An erased entry stays what it was, and so do all proofs over it (docs/spec/erasure.md). ``verify`` adds the step.
"""

from anchor.proof.erasure import Erasure, proved_erasure, shown_erasures
from anchor.proof.errors import UnknownVersionError
from anchor.proof.later_entry import told_signers
from anchor.proof.receipt import Receipt
from anchor.proof.times import utc
from anchor.proof.verdict import State, Step, not_checked, ok, run
from anchor.proof.verifier import Verifier

BELIEVED = "the log, which says that it destroyed the content; that no copy is left anywhere, nobody can prove"


def erasure_steps(receipt: Receipt, verifier: Verifier) -> tuple[list[Step], Erasure | None]:
    """Return step 18, or no step where no erasure is shown; and the erasure where it holds."""
    if not shown_erasures(receipt):
        return [], None
    found: list[Erasure] = []

    def judge() -> Step:
        try:
            found.append(proved_erasure(receipt, verifier.check_signature))
        except UnknownVersionError:
            return not_checked(18, "erasure not checked: the entry that is shown was written by a newer Anchorline")
        return ok(18, _sentence(found[0]), BELIEVED)

    step = run(18, judge)
    return [step], found[0] if step.state == State.OK else None


def _sentence(erasure: Erasure) -> str:
    statement = erasure.statement
    return (
        f"erased on {utc(statement.at_ms)} because {statement.reason}: entry {erasure.index} of the chain, "
        f"{erasure.entry_hash.hex()}, {told_signers(erasure.keys)}"
    )

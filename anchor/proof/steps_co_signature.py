# SPDX-License-Identifier: Apache-2.0
"""Step 20: entries by which further parties co-sign this one, only where the receipt shows some.

Whether a key was one of the identity that it signs for, the receipt of the co-signing entry shows
(docs/spec/co-signature.md). ``verify`` adds the step.
"""

from anchor.proof.co_signature import CoSignature, proved_co_signatures, shown_co_signatures
from anchor.proof.errors import UnknownVersionError
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import State, Step, not_checked, ok, run
from anchor.proof.verifier import Verifier

BELIEVED = "the log, which let them write into this chain; that no other co-signature was left out, nobody says"


def co_signature_steps(receipt: Receipt, verifier: Verifier) -> tuple[list[Step], tuple[CoSignature, ...]]:
    """Return step 20, or no step where no co-signature is shown; and the co-signatures where all of them hold."""
    if not shown_co_signatures(receipt):
        return [], ()
    found: list[CoSignature] = []

    def judge() -> Step:
        try:
            found.extend(proved_co_signatures(receipt, verifier.check_signature))
        except UnknownVersionError:
            return not_checked(20, "co-signatures not checked: an entry that is shown is by a newer Anchorline")
        return ok(20, "; ".join(map(_sentence, found)), BELIEVED)

    step = run(20, judge)
    return [step], tuple(found) if step.state == State.OK else ()


def _sentence(signature: CoSignature) -> str:
    said = f"co-signed by key {signature.public_key.hex()} in entry {signature.index} of the chain"
    where = f"{said}, {signature.entry_hash.hex()}"
    if signature.identity is None:
        return where
    return f"{where}, for identity {signature.identity.hex()} (whether it was a key of it, that entry's receipt shows)"

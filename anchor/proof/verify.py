# SPDX-License-Identifier: Apache-2.0
"""``verify``: what a receipt proves, in numbered steps (design section 3.5, docs/spec/receipt.md).

Input is a decoded receipt and what the verifier brings: the file's digest, the log's card, blocks he trusts.
The CLI, the tests and third parties call ``verify``; the browser verifier is a second implementation of it.

The steps do not depend on each other: each is judged by what the receipt itself carries, so that a verdict names
every step that fails, and whoever was believed for those that hold.
"""

from typing import TYPE_CHECKING

from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.conclusion import Anchored, conclude
from anchor.proof.entry import ExtensionType
from anchor.proof.findings import Finding
from anchor.proof.receipt import Receipt, Sealed
from anchor.proof.steps_anchor import best_anchor
from anchor.proof.steps_author import check_author_signature
from anchor.proof.steps_beside import check_attestations, check_timestamps, judged_attestations, judged_timestamps
from anchor.proof.steps_co_signature import co_signature_steps
from anchor.proof.steps_correction import correction_steps
from anchor.proof.steps_entry import check_chain_path, check_content, check_entry
from anchor.proof.steps_erasure import erasure_steps
from anchor.proof.steps_life import continued_logs, life_steps
from anchor.proof.steps_log import check_directory_paths, check_keys_and_note, check_log, check_promised, check_seal
from anchor.proof.steps_policy import policy_steps
from anchor.proof.verdict import NAMES, Diagnosis, ExitCode, Outcome, State, Step, Verdict, absent, run
from anchor.proof.verifier import Identity, Verifier

if TYPE_CHECKING:
    from anchor.proof.steps_certificate import JudgedBinding

__all__ = [
    "NAMES",
    "Diagnosis",
    "ExitCode",
    "Finding",
    "Outcome",
    "State",
    "Step",
    "Verdict",
    "Verifier",
    "verify",
    "verify_bytes",
]
"""What callers need; the steps themselves are in the modules ``steps_*``."""


def verify(receipt: Receipt, verifier: Verifier) -> Verdict:
    """Judge ``receipt`` with what the verifier brings; never raises for anything that a receipt can hold."""
    identity = Identity(receipt.log.log_id, receipt.entry.hash)
    of_life, life = life_steps(receipt, verifier, verify)
    steps = [
        run(1, lambda: check_entry(receipt, identity, continued_logs(receipt, life))),
        run(2, lambda: check_content(receipt, verifier)),
        run(3, lambda: check_author_signature(receipt, verifier)),
    ]
    if receipt.sealed is None:
        steps += [
            *(absent(number, "not sealed yet") for number in (4, 5, 6, 7)),
            run(8, lambda: check_log(receipt, verifier, identity.log_id)),
            run(9, lambda: check_promised(receipt, verifier, identity)),
            *(absent(number, "not anchored yet") for number in (10, 11, 12, 13)),
        ]
        return conclude(receipt, verifier, steps, Anchored(None, (), ()), identity)
    steps += _sealed_steps(receipt, receipt.sealed, verifier, identity)
    best, anchor_steps = best_anchor(receipt, receipt.sealed, verifier, identity.log_id)
    judged = judged_timestamps(receipt.sealed, verifier)
    steps += anchor_steps + ([check_timestamps(judged)] if judged else [])
    attested = judged_attestations(receipt.sealed, verifier)
    steps += [check_attestations(attested)] if attested else []
    later, corrections = correction_steps(receipt, verifier)
    signed, co_signatures = co_signature_steps(receipt, verifier)
    erased, erasure = erasure_steps(receipt, verifier)
    bound, bindings = _certificates(receipt, verifier, _proved_ms(best, anchor_steps))
    steps += later + policy_steps(receipt, verifier) + erased + of_life + signed + bound
    anchored = Anchored(best, judged, attested, corrections, life, co_signatures, erasure, bindings)
    return conclude(receipt, verifier, steps, anchored, identity)


def verify_bytes(data: bytes, verifier: Verifier) -> Verdict:
    """Read and judge a receipt file; raise MalformedError where it is none."""
    return verify(Receipt.decode(data), verifier)


def _proved_ms(anchor: BitcoinAnchor | None, steps: list[Step]) -> int | None:
    """Return the time of the block by which the entry was there, in Unix ms, where steps 10 to 12 hold."""
    held = {step.number for step in steps if step.state == State.OK}
    return None if anchor is None or not held.issuperset((10, 11, 12)) else anchor.decoded_header.time_s * 1000


def _certificates(
    receipt: Receipt, verifier: Verifier, proved_ms: int | None
) -> "tuple[list[Step], tuple[JudgedBinding, ...]]":
    if receipt.entry.extension(ExtensionType.IDENTITY) is None:
        return [], ()
    # Most entries name no identity, and to load what judges a history takes longer than to verify one of them.
    from anchor.proof.steps_certificate import certificate_steps  # noqa: PLC0415

    return certificate_steps(receipt, verifier, proved_ms)


def _sealed_steps(receipt: Receipt, sealed: Sealed, verifier: Verifier, identity: Identity) -> list[Step]:
    return [
        run(4, lambda: check_chain_path(sealed, identity.entry_hash)),
        run(5, lambda: check_keys_and_note(receipt, sealed, verifier, identity.log_id)),
        run(6, lambda: check_directory_paths(sealed, identity.log_id)),
        run(7, lambda: check_seal(receipt, sealed, verifier)),
        run(8, lambda: check_log(receipt, verifier, identity.log_id)),
        run(9, lambda: check_promised(receipt, verifier, identity)),
    ]

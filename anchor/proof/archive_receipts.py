# SPDX-License-Identifier: Apache-2.0
"""The receipts in a part of a log, each judged as ``verify`` judges it, and what they say of authors and authorities.

Input is a line of the part and the entry beside it (docs/spec/export.md); ``archive_part`` calls it. Where only its own
seal speaks against an entry's author, that is remarked: the log rightly took the entry, and nothing is damaged.
"""

from dataclasses import dataclass, field
from typing import Any

from anchor.proof.archive_files import ArchiveError
from anchor.proof.author_audit import named_author, was_valid_when_written
from anchor.proof.errors import Reason
from anchor.proof.identity_evidence import identity_evidence, place_of, proved_history
from anchor.proof.leaves import NO_POLICY
from anchor.proof.policy_evidence import shown_policy
from anchor.proof.receipt import MAX_FILE, Receipt, Sealed
from anchor.proof.verdict import Outcome, State, Step
from anchor.proof.verifier import Verifier
from anchor.proof.verify import verify


@dataclass
class ReceiptsAudit:
    """Judges receipts, one after the other; ``remarks`` are of entries that stand and count for nothing by their seal.

    ``certificates`` are those that authors bound, by identity and SHA-256 (hex), and ``time_stamps`` those of the
    checkpoint, both as the facts of a verdict have them. ``named`` counts entries that name their author's identity.
    """

    verifier: Verifier
    remarks: list[str] = field(default_factory=list)
    certificates: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    time_stamps: list[dict[str, Any]] = field(default_factory=list)
    named: int = 0

    def judge(self, where: str, index: int, line: bytes | None, raw: bytes) -> Receipt:
        """Return the receipt of the entry ``raw`` at ``index``; raise ArchiveError or MalformedError where it is none.

        Raises ArchiveError, too, where it does not verify as far as the verifier's blocks go.
        """
        if line is None:
            raise ArchiveError(f"{where}: its receipt is missing")
        if len(line) > MAX_FILE:
            raise ArchiveError(f"{where}: its receipt has more than {MAX_FILE} bytes")
        receipt = Receipt.decode(line)
        sealed = sealed_of(receipt)
        if receipt.entry.encode() != raw or sealed.chain.index != index:
            raise ArchiveError(f"{where}: the receipt is of another entry or another place")
        verdict = verify(receipt, self.verifier)
        if verdict.outcome == Outcome.FAILED:
            self._remark(where, receipt, sealed, [step for step in verdict.steps if step.state == State.FAILED])
        if sealed.head.leaf.policy != NO_POLICY and shown_policy(receipt) is None:
            raise ArchiveError(f"{where}: its receipt does not show the policy of its chain, which its head names")
        self.named += named_author(receipt.entry) is not None
        self.time_stamps = list(verdict.facts.get("time_stamps", ()))
        for facts in verdict.facts.get("certificates", ()):
            identity = verdict.facts["identity"]
            self.certificates[identity, facts["sha256"]] = {"identity": identity} | facts
        return receipt

    def _remark(self, where: str, receipt: Receipt, sealed: Sealed, failed: list[Step]) -> None:
        """Remark what failed; raise ArchiveError where any of it is more than what an author could not know."""
        if not all(self._is_the_authors(receipt, sealed, step) for step in failed):
            reasons = ", ".join(str(step.reason) for step in failed)
            raise ArchiveError(f"{where}: its receipt does not verify: {reasons}")
        for step in failed:
            by_seal = "by its seal " if step.reason == Reason.POLICY_NOT_FOLLOWED else ""
            self.remarks.append(f"{where}: {by_seal}{step.text}")

    def _is_the_authors(self, receipt: Receipt, sealed: Sealed, step: Step) -> bool:
        """Say whether a failed step is about an entry that the log rightly took: only its own seal made the difference.

        That an author bound a certificate which does not hold, changes no keys, and no log judges it.
        """
        if step.reason == Reason.CERTIFICATE_WRONG:
            return True
        if step.reason == Reason.POLICY_NOT_FOLLOWED:
            # Most chains have no policy.
            from anchor.proof.policy_judging import was_followed_when_written  # noqa: PLC0415

            return was_followed_when_written(receipt, sealed, self.verifier)
        named, shown = named_author(receipt.entry), identity_evidence(sealed)
        if step.reason != Reason.AUTHOR_KEY_NOT_VALID or named is None or shown is None:
            return False
        history = proved_history(shown, named.identity, receipt.log, sealed, self.verifier.check_signature)
        return was_valid_when_written(history, named.public_key, place_of(sealed, receipt.log))


def sealed_of(receipt: Receipt) -> Sealed:
    """Return what leads from the entry of a receipt to the checkpoint; raise ArchiveError where it has nothing yet."""
    if receipt.sealed is None:
        raise ArchiveError("a receipt in a part is not sealed")
    return receipt.sealed

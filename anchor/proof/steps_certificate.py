# SPDX-License-Identifier: Apache-2.0
"""Step 21: certificates (X.509) that are bound to the identity which the author names, only where some are.

Input is a receipt with the identity's history; what reads certificates and checks their signatures is the verifier's
(``CertificateCheck``), since that needs more than the standard library. ``verify`` adds the step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anchor.proof.certificate_evidence import CertificateEvidence, certificate_evidence
from anchor.proof.certificate_proof import CertificateCheck, CheckedCertificate, certificate_message
from anchor.proof.entry import ExtensionType
from anchor.proof.errors import AnchorlineError, MalformedError, Reason, VerificationError, reason_of
from anchor.proof.identity import Operation, states
from anchor.proof.identity_evidence import identity_evidence, place_of, proved_history
from anchor.proof.identity_history import Binding, History, Place
from anchor.proof.receipt import Receipt, Sealed
from anchor.proof.times import utc
from anchor.proof.verdict import State, Step, not_checked, ok, run
from anchor.proof.verifier import Verifier


@dataclass(frozen=True, slots=True)
class JudgedBinding:
    """One binding: what the certificate says and who vouches for it, or why it does not hold, or why nobody judged it.

    ``is_later``: it was bound in the entry's own seal or after it. ``proved_ms`` is the time of the block by which the
    entry, and so the binding, was there (Unix ms), None where no block was checked.
    """

    binding: Binding
    is_later: bool
    found: CheckedCertificate | None = None
    error: VerificationError | MalformedError | None = None
    unjudged: str = ""
    proved_ms: int | None = None

    @property
    def holds(self) -> bool:
        """Whether both keys signed, and a root that the verifier trusts leads to the certificate."""
        return self.error is None and self.found is not None and self.found.vouched_by is not None

    @property
    def is_listed(self) -> bool:
        """Whether its issuer's lists say that it was not revoked by then: one from later does not name it so early."""
        if self.found is None or self.proved_ms is None:
            return False
        if self.found.revoked_at_ms is not None:
            return True  # later than that, or it would be an error
        return self.found.listed_at_ms is not None and self.found.listed_at_ms >= self.proved_ms

    def to_json(self) -> dict[str, Any]:
        """Return it as ``facts.certificates`` of a verdict shows it."""
        state = "ok" if self.holds else "not checked" if self.error is None else "failed"
        facts: dict[str, Any] = {
            "state": state,
            "reason": None if self.error is None else str(reason_of(self.error)),
            "sha256": self.binding.certificate_hash.hex(),
            "since_seal": self.binding.since.seal_number,
            "until_seal": None if self.binding.until is None else self.binding.until.seal_number,
        }
        if self.found is None:
            return facts
        facts |= {
            "subject": self.found.subject,
            "issuer": self.found.issuer,
            "qualified": list(self.found.qualified),
            "vouched_by": self.found.vouched_by,
        }
        if self.found.revoked_at_ms is None and self.found.listed_at_ms is None:
            return facts
        return facts | {"revoked_at_ms": self.found.revoked_at_ms, "listed_at_ms": self.found.listed_at_ms}


def certificate_steps(
    receipt: Receipt, verifier: Verifier, proved_ms: int | None
) -> tuple[list[Step], tuple[JudgedBinding, ...]]:
    """Return step 21, or no step where no certificate was bound by the identity that the author names.

    ``proved_ms`` is the time of the block that was checked, in Unix ms, if one was.
    """
    identity, sealed = receipt.entry.extension(ExtensionType.IDENTITY), receipt.sealed
    if identity is None or sealed is None:
        return [], ()
    try:
        history = _history_with_bindings(receipt, sealed, identity, verifier)
    except AnchorlineError:
        return [], ()  # step 3 has failed, or was not checked, for this
    place = place_of(sealed, receipt.log)
    bindings = [] if history is None else [item for item in history.bindings if not item.is_over(place)]
    if history is None or not bindings:
        return [], ()
    judged: list[JudgedBinding] = []

    def judge() -> Step:
        shown = certificate_evidence(sealed)
        brought = (place, shown, verifier.check_certificate, proved_ms)
        judged.extend(judged_binding(item, identity, *brought) for item in bindings)
        return step_of(judged, identity)

    return [run(21, judge)], tuple(judged)


def _history_with_bindings(receipt: Receipt, sealed: Sealed, identity: bytes, verifier: Verifier) -> History | None:
    """Return the history of an identity that states a binding; of most, which state none, it is not made again."""
    evidence = identity_evidence(sealed)
    if evidence is None or not states(Operation.BIND, evidence.entries):
        return None
    return proved_history(evidence, identity, receipt.log, sealed, verifier.check_signature)


def judged_binding(
    binding: Binding,
    identity: bytes,
    place: Place,
    shown: CertificateEvidence,
    check: CertificateCheck | None,
    proved_ms: int | None = None,
) -> JudgedBinding:
    """Judge one binding of an identity for an entry at a place, as far as its certificate is shown; never raises."""
    is_later = binding.since.seal_number >= place.seal_number
    chain = shown.of(binding.certificate_hash)
    if not chain:
        return JudgedBinding(binding, is_later, unjudged="it is not shown")
    if check is None:
        return JudgedBinding(binding, is_later, unjudged="nothing here reads certificates")
    message = certificate_message(identity, binding.certificate_hash)
    try:
        found = check(chain, binding.proof, message, binding.since.sealed_at_ms)
    except (VerificationError, MalformedError) as error:
        return JudgedBinding(binding, is_later, error=error)
    unjudged = "its key signed with an algorithm that is unknown here" if found is None else ""
    return JudgedBinding(binding, is_later, found, _revoked(found, proved_ms), unjudged, proved_ms)


def _revoked(found: CheckedCertificate | None, proved_ms: int | None) -> VerificationError | None:
    """Return the error of a certificate that was revoked before the time by which the entry is proved, if it was."""
    if found is None or found.revoked_at_ms is None:
        return None
    if proved_ms is not None and proved_ms < found.revoked_at_ms:
        return None
    return VerificationError(
        Reason.CERTIFICATE_WRONG,
        "the certificate that the identity bound does not count: it, or one above it, was revoked, "
        f"{utc(found.revoked_at_ms)}, and no block that was checked proves this entry before that",
    )


def step_of(judged: Sequence[JudgedBinding], identity: bytes) -> Step:
    """Return step 21: one that holds is enough; else one that does not hold fails it; else nobody vouched for any."""
    good = [item for item in judged if item.holds]
    failed = next((item.error for item in judged if item.error is not None), None)
    if good:
        others = "" if failed is None else "; another one does not hold"
        said = "; ".join(sentence_on(item) for item in good)
        return ok(21, f"identity {identity.hex()} {said}{others}", _believed(good))
    if failed is not None:
        return Step(21, State.FAILED, str(failed), reason=reason_of(failed))
    return not_checked(21, f"identity {identity.hex()} {'; '.join(sentence_on(item) for item in judged)}")


def sentence_on(item: JudgedBinding) -> str:
    """Say since when an identity is bound to a certificate, whose that is and who vouches, or why nobody judged it."""
    since = f"is bound since seal {item.binding.since.seal_number}{' (not before this entry)' if item.is_later else ''}"
    if item.found is None:
        return f"{since} to a certificate with SHA-256 {item.binding.certificate_hash.hex()}: {item.unjudged}"
    said = f"{since} to the certificate of {item.found.subject}, issued by {item.found.issuer}{_qualified(item.found)}"
    if item.found.vouched_by is None:
        return f"{said}; both keys signed, and none of the certificates that you trust vouches for it: not judged"
    return f"{said}; {item.found.vouched_by} vouches for it{_listed(item, item.found)}"


def _listed(item: JudgedBinding, found: CheckedCertificate) -> str:
    """Say what its issuer's lists say of a certificate that counts."""
    if found.revoked_at_ms is not None:
        return f"; it, or one above it, was revoked later, {utc(found.revoked_at_ms)}"
    if found.listed_at_ms is None:
        return ""
    made = f"; its issuer's list of {utc(found.listed_at_ms)} does not name it"
    return made if item.is_listed else f"{made}, and is from before this entry was proved"


def _qualified(found: CheckedCertificate) -> str:
    if not found.qualified:
        return ""
    return f", which says of itself that it is {', '.join(found.qualified)} (no trusted list was asked)"


def _believed(good: list[JudgedBinding]) -> str:
    roots = " and ".join(sorted({str(item.found.vouched_by) for item in good if item.found is not None}))
    revoked = "whether its issuer revoked it, is not checked"
    if all(item.is_listed for item in good):
        revoked = "that it was not revoked then, on its issuer's list and the time of the block"
    return f"{roots}, which you trust; that the certificate was valid then, on the log's clock; {revoked}"

"""Makes ``certificates.json``: receipts whose author's identity is bound to a certificate, rightly or not.

Input is small logs that are built here, with the sealers of ``tests/simulators/sealers.py``; cases have the form of
``receipts.json``, and what each wants is written by hand. ``python -m tests.vectors.make_certificate_vectors`` in the
repository's root writes the file.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier

from anchor.proof.certificate_evidence import CertificateEvidence
from anchor.proof.certificate_proof import CertificateProof
from anchor.proof.codec import sha256
from anchor.proof.errors import Reason
from anchor.proof.identity import Ending, Operation
from anchor.proof.receipt import Receipt
from anchor.proof.verify import Outcome
from tests.simulators.sealers import Sealer, edwards, p256, p384, proof_of, qc, revocation_list, sealer
from tests.simulators.timestamp_authority import AT, Certified, certify, certify_root
from tests.simulators.world import Seal, Written
from tests.vectors.make_receipt_vectors import Case, Identified, Inputs, edited, field_of, judged, with_sealed

FILE = Path(__file__).with_name("certificates.json")
ABOUT = "Receipts of authors with certificates: docs/spec/identity.md. Cases have the form of receipts.json."
SEALING = certify_root("Sealing Root")


def trusting(*roots: Certified) -> Inputs:
    """Return what a verifier has who trusts these roots to name people."""
    return {"authorities": b"".join(root.pem for root in roots).decode()}


class Bound(Identified):
    """A log with an identity that binds certificates."""

    def bind(self, holder: Sealer, proof: CertificateProof | None = None) -> None:
        """State that a certificate is bound; its proof is a good one unless another is given."""
        made = proof or proof_of(holder, self.identity)
        self.state(Operation.BIND, "boss", about=holder.hash, proof=made)

    def shown_with(self, written: Written, *chains: Sequence[bytes], at: Seal | None = None) -> tuple[Receipt, Inputs]:
        """Return a receipt that shows certificates too, and what a verifier has who trusts their root."""
        receipt, inputs = self.shown(written, at)
        assert receipt.sealed is not None
        item = CertificateEvidence(tuple(tuple(chain) for chain in chains)).to_json()
        shown = with_sealed(receipt, evidence=(*receipt.sealed.evidence, item))
        return shown, inputs | trusting(SEALING)


def bound() -> Bound:
    """Return a log with an identity, sealed."""
    world = Bound("small")
    world.begin()
    return world


BETWEEN = certify("Between", SEALING, is_authority=True, serial=3)
WORDS = qc("04008e460101", "04008e460104", kind="04008e46010602")
ACME = sealer("Acme Seal", BETWEEN, signs=True, qualified=WORDS, above=(BETWEEN,))
INTACT = Outcome.INTACT
WRONG = Outcome.FAILED, Reason.CERTIFICATE_WRONG


def of_acme() -> tuple[Receipt, Inputs]:
    """Return a receipt whose author's identity is bound to the seal of Acme, and what a verifier has."""
    world = bound()
    world.bind(ACME)
    world.seal()
    return world.shown_with(world.order("press"), ACME.chain)


def holding() -> Iterator[Case]:
    """Return receipts with certificates that are rightly bound, whoever vouches for them."""
    for name, holder, attributed in (
        ("a qualified seal", ACME, False),
        ("a signature by CMS", ACME, True),
        ("a key of Ed25519", sealer("Acme Ed25519", SEALING, edwards("sealer")), True),
        ("a key over P-384", sealer("Acme P-384", SEALING, p384("sealer")), False),
    ):
        world = bound()
        world.bind(holder, proof_of(holder, world.identity, attributed=attributed))
        world.seal()
        receipt, inputs = world.shown_with(world.order("press"), holder.chain)
        yield judged(f"the author's identity is bound to a certificate: {name}", receipt, inputs, INTACT)
    receipt, inputs = of_acme()
    assert receipt.sealed is not None
    trusting_nobody = {field: value for field, value in inputs.items() if field != "authorities"}
    yield judged("21 no authority is trusted", receipt, trusting_nobody, INTACT)
    stranger = inputs | trusting(certify_root("Stranger"))
    yield judged("21 another authority is trusted", receipt, stranger, INTACT)
    yield judged(
        "21 the certificate is not shown", with_sealed(receipt, evidence=receipt.sealed.evidence[:1]), inputs, INTACT
    )


def malformed() -> Iterator[Case]:
    """Return receipts whose evidence has not its form."""
    receipt, inputs = of_acme()
    assert receipt.sealed is not None
    item = field_of(receipt, "evidence", 1)
    for name, new in (
        ("an unknown field", item | {"more": 1}),
        ("an empty chain", item | {"chains": [[]]}),
        ("nine certificates", item | {"chains": [item["chains"][0] * 9]}),
        ("17 chains", item | {"chains": item["chains"] * 17}),
        ("a certificate of 8,193 bytes", item | {"chains": [[*item["chains"][0], "00" * 8193]]}),
        ("what is no certificate", item | {"chains": [[*item["chains"][0], "00"]]}),
    ):
        yield judged(f"21 {name}", edited(receipt, ("evidence", 1), new), inputs, Outcome.FAILED, Reason.MALFORMED)
    twice = with_sealed(receipt, evidence=(*receipt.sealed.evidence, receipt.sealed.evidence[1]))
    yield judged("21 certificates are shown twice", twice, inputs, Outcome.FAILED, Reason.MALFORMED)


def lying() -> Iterator[Case]:
    """Return receipts of identities that bound certificates which did not sign, or may not."""
    for name, holder, made in (
        ("a certificate without its key's proof", ACME, CertificateProof(3, b"", bytes(64))),
        ("a proof for another identity", ACME, proof_of(ACME, sha256(b"another identity"))),
        ("a proof by attributes over something else", ACME, proof_of(ACME, sha256(b"another"), attributed=True)),
        ("a proof by another key", ACME, proof_of(replace(ACME, key=p256("other")), bound().identity)),
        ("a proof of another kind", ACME, CertificateProof(1, b"", bytes(256))),
        ("a certificate that had expired", sealer("Old", SEALING, last=AT - timedelta(days=1)), None),
        ("a certificate that was not valid yet", sealer("New", SEALING, first=AT + timedelta(days=9)), None),
        ("a certificate for encryption", sealer("Box", SEALING, signs=False), None),
        ("a critical extension that is unknown", sealer("Odd", SEALING, critical=ObjectIdentifier("1.2.3")), None),
    ):
        world = bound()
        world.bind(holder, made)
        world.seal()
        receipt, inputs = world.shown_with(world.order("press"), holder.chain)
        yield judged(f"21 {name}", receipt, inputs, *WRONG)


def over_time() -> Iterator[Case]:
    """Return receipts of what was bound later, unbound, or by means that are unknown."""
    world = bound()
    odd = CertificateProof(200, b"", b"odd")
    world.bind(ACME, odd)
    world.seal()
    receipt, inputs = world.shown_with(world.order("press"), ACME.chain)
    yield judged("21 a proof by an algorithm that is unknown", receipt, inputs, INTACT)

    end = certify("End", SEALING, serial=4)
    below = sealer("Below", end, above=(end,))
    world = bound()
    order = world.order("press")
    world.seal()
    world.bind(below)
    receipt, inputs = world.shown_with(order, below.chain)
    yield judged("21 bound later, by an issuer that may not issue", receipt, inputs, INTACT)

    world = bound()
    world.bind(ACME)
    world.bind(sealer("Second", SEALING), CertificateProof(3, b"", bytes(64)))
    world.seal()
    before = world.order("press")
    world.seal()
    world.state(Operation.UNBIND, "boss", about=ACME.hash, ending=Ending.REPLACED)
    after = world.order("press")
    world.seal()
    chains = (ACME.chain, sealer("Second", SEALING).chain)
    yield judged("21 one holds, unbound later, another does not", *world.shown_with(before, *chains), INTACT)
    yield judged("21 only the other is bound then", *world.shown_with(after, *chains), *WRONG)
    world = bound()
    world.bind(ACME)
    world.seal()
    world.state(Operation.UNBIND, "boss", about=ACME.hash)
    yield judged("nothing is bound any more", *world.shown_with(world.order("press"), ACME.chain), INTACT)


def revoked() -> Iterator[Case]:
    """Return receipts of authors with a certificate of which the verifier brings lists of revoked ones."""
    receipt, inputs = of_acme()
    serial, day = ACME.certificate.serial_number, timedelta(days=1)
    listed = AT + 30 * day
    posing = certify("Between", SEALING, is_authority=True, serial=3, key=p256("posing"))
    for name, lists, outcome in (
        ("21 revoked before it was bound", (revocation_list(BETWEEN, (serial, AT - day), at=listed),), WRONG),
        (
            "21 revoked after the block, but invalid before it",
            (revocation_list(BETWEEN, (serial, AT + day), at=listed, invalid_since=AT - day),),
            WRONG,
        ),
        ("21 its issuer was revoked", (revocation_list(SEALING, (3, AT - day), at=listed),), WRONG),
        (
            "21 revoked by one list of two, the older one",
            (revocation_list(BETWEEN, at=listed), revocation_list(BETWEEN, (serial, AT - day), at=AT)),
            WRONG,
        ),
        ("revoked after the block", (revocation_list(BETWEEN, (serial, AT + day), at=listed),), (INTACT,)),
        ("another certificate is revoked", (revocation_list(BETWEEN, (serial + 1, AT - day), at=listed),), (INTACT,)),
        ("a list that names nobody, from before", (revocation_list(BETWEEN, at=AT - day),), (INTACT,)),
        ("a list by another key", (revocation_list(posing, (serial, AT - day), at=listed),), (INTACT,)),
        ("a list of another issuer", (revocation_list(SEALING, (serial, AT - day), at=listed),), (INTACT,)),
    ):
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in lists).decode()
        yield judged(name, receipt, inputs | {"revocation_lists": pem}, *outcome)
        if outcome == (INTACT,) and name == "revoked after the block":
            unproved = {field: value for field, value in inputs.items() if field != "blocks"}
            yield judged("21 revoked, and no block is known", receipt, unproved | {"revocation_lists": pem}, *WRONG)


def cases() -> Iterator[Case]:
    """Return every case."""
    for group in (holding, malformed, lying, over_time, revoked):
        yield from group()


def make() -> str:
    """Return the file's text."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")

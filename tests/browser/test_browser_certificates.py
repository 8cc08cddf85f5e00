"""Bound certificates in the browser: ``verify.html`` says of keys of every kind what Python says, by WebCrypto alone.

Vectors have what is deterministic (``tests/vectors/certificates.json``); here are RSA, PSS, and issuers of other kinds.
"""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Page

from anchor.proof.certificate_proof import CertificateProof
from tests.browser.verdicts import judged_here, judged_there, without_malformed_texts
from tests.simulators.sealers import YEAR, Sealer, edwards, proof_of, qc, revocation_list, rsa_key, sealer
from tests.simulators.timestamp_authority import AT, Certified, certify, certify_root, name_of
from tests.vectors.make_certificate_vectors import SEALING, bound, trusting
from tests.vectors.make_receipt_vectors import compact

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def root_of(name: str, key: Any, *, pss: bool = False) -> Certified:
    """Make a root with a key of another kind."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(name_of(name))
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(AT - YEAR)
        .not_valid_after(AT + YEAR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    way = {"rsa_padding": padding.PSS(padding.MGF1(SHA256()), 32)} if pss else {}
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    return Certified(key, builder.sign(key, digest, **way))  # type: ignore[arg-type]  # a key of any kind


RSA = rsa_key()
RSA_ROOT = root_of("RSA Root", RSA)
PSS_ROOT = root_of("PSS Root", RSA, pss=True)
EDWARDS_ROOT = root_of("Edwards Root", edwards("root"))


def issued(name: str, root: Certified, key: Any = None) -> Sealer:
    """Make a certificate under a root of any kind."""
    own = key or RSA
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(name))
        .issuer_name(root.certificate.subject)
        .public_key(own.public_key())
        .serial_number(9)
        .not_valid_before(AT - YEAR)
        .not_valid_after(AT + YEAR)
    )
    digest = None if root is EDWARDS_ROOT else SHA256()
    return Sealer(own, builder.sign(root.key, digest))


def case_of(holder: Sealer, root: Certified, proof: CertificateProof | None = None, **ways: bool) -> tuple[bytes, Any]:
    """Return a receipt whose author's identity bound this certificate, and what a verifier has who trusts this root."""
    world = bound()
    world.bind(holder, proof or proof_of(holder, world.identity, **ways))
    world.seal()
    receipt, inputs = world.shown_with(world.order("press"), holder.chain)
    return compact(receipt).encode(), inputs | trusting(root)


def test_lists_of_issuers_of_every_kind(loaded: Page) -> None:
    """Lists that roots of RSA and Ed25519 signed, and each with a byte changed: both say the same, word for word."""
    cases = []
    for root in (RSA_ROOT, EDWARDS_ROOT, SEALING):
        holder = issued(f"Under {root.certificate.subject.rfc4514_string()}", root, edwards("holder"))
        receipt, inputs = case_of(holder, root)
        good = revocation_list(root, (9, AT - YEAR / 2), (10, AT), at=AT + YEAR / 2)
        cases.append((receipt, inputs | {"revocation_lists": good.public_bytes(Encoding.PEM).decode()}))
        encoded = good.public_bytes(Encoding.DER)
        revoked_at = encoded.index(f"{AT - YEAR / 2:%y%m%d%H%M%SZ}".encode())
        for at in (encoded.index(b"Example"), revoked_at + 9, revoked_at - 3, len(encoded) - 5):
            changed = bytearray(encoded)
            changed[at] ^= 1
            pem = f"-----BEGIN X509 CRL-----\n{base64.b64encode(changed).decode()}\n-----END X509 CRL-----\n"
            cases.append((receipt, inputs | {"revocation_lists": pem}))
    here = [judged_here(*case) for case in cases]
    assert ["failed"] * 3 == [verdict["outcome"] for verdict in here[::5] if isinstance(verdict, dict)]
    assert [without_malformed_texts(each) for each in here] == [
        without_malformed_texts(each) for each in judged_there(loaded, cases)
    ]


def test_keys_and_issuers_of_every_kind(loaded: Page) -> None:
    """Proofs by RSA, plain and PSS, as CMS and not; roots of RSA, PSS and Ed25519: both say the same, word for word."""
    weak = rsa_key(1024)
    below = certify("Below", certify("Middle", SEALING, is_authority=True), is_authority=True)
    cases = {
        "RSA": (case_of(issued("RSA", RSA_ROOT), RSA_ROOT), "ok"),
        "RSA as CMS": (case_of(issued("RSA", RSA_ROOT), RSA_ROOT, attributed=True), "ok"),
        "PSS": (case_of(issued("PSS", RSA_ROOT), RSA_ROOT, pss=True), "ok"),
        "PSS as CMS": (case_of(issued("PSS", PSS_ROOT), PSS_ROOT, pss=True, attributed=True), "ok"),
        "a root of PSS that issues plainly": (case_of(issued("PSS", PSS_ROOT), PSS_ROOT), "ok"),
        "a root of Ed25519": (case_of(issued("Edwards", EDWARDS_ROOT), EDWARDS_ROOT), "ok"),
        "a root of the same name": (
            case_of(issued("RSA", RSA_ROOT), root_of("RSA Root", rsa_key(3072))),
            "not checked",
        ),
        "a weak key": (case_of(issued("Weak", RSA_ROOT, weak), RSA_ROOT), "failed"),
        "PSS as plain": (
            case_of(
                issued("PSS", RSA_ROOT),
                RSA_ROOT,
                CertificateProof(2, b"", RSA.sign(b"x", padding.PKCS1v15(), SHA256())),
            ),
            "failed",
        ),
        "a path that is too long": (case_of(sealer("Deep", below, above=(below,)), RSA_ROOT), "not checked"),
        "qualified for signatures": (
            case_of(sealer("Ann", SEALING, qualified=qc(kind="04008e46010601")), SEALING),
            "ok",
        ),
        "qualified by nonsense": (case_of(sealer("Odd", SEALING, qualified=b"\x04\x00"), SEALING), "failed"),
        "a root that is no authority": (case_of(issued("Own", certify_root("Flat")), certify("Flat")), "not checked"),
    }
    found = judged_there(loaded, [case for case, _ in cases.values()])
    for (name, (case, state)), there in zip(cases.items(), found, strict=True):
        here = judged_here(*case)
        assert isinstance(here, dict), name
        assert state == here["steps"][-1]["state"], (name, here["steps"][-1])
        assert without_malformed_texts(here) == without_malformed_texts(there), name

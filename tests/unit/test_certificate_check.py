"""Tests of certificates that are bound to an identity, and of the CMS that carries their proofs: what strangers send.

Verdicts on whole receipts are in ``tests/vectors/certificates.json``; here are the readers, which must refuse by name.
"""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from anchor.certificate_check import certificate_check
from anchor.certificate_signing import proof_by_key
from anchor.cms import read_cms
from anchor.proof.certificate_proof import CertificateProof, ProofAlgorithm, certificate_message
from anchor.proof.errors import MalformedError, VerificationError
from chains.bound_certificates import chain_of, content_of, shown_certificates
from tests.simulators.sealers import edwards, p256, p384, proof_of, qc, rsa_key, sealer
from tests.simulators.timestamp_authority import AT, certify, certify_root

CHAIN_ID = bytes(range(32))
ROOT = certify_root()
BETWEEN = certify("Between", ROOT, is_authority=True)
ACME = sealer("Acme", BETWEEN, signs=True, qualified=qc("04008e460101", kind="04008e46010602"), above=(BETWEEN,))
MESSAGE = certificate_message(CHAIN_ID, ACME.hash)
AT_MS = int(AT.timestamp() * 1000)
CHECK = certificate_check([ROOT.certificate])
CHANGED = 400


def changed(data: bytes, dice: random.Random) -> bytes:
    """Return bytes with one changed, or cut, or with some more."""
    at = dice.randrange(len(data))
    ways: list[Callable[[], bytes]] = [
        lambda: data[:at] + bytes((data[at] ^ 1 << dice.randrange(8),)) + data[at + 1 :],
        lambda: data[:at],
        lambda: data[:at] + dice.randbytes(4) + data[at:],
    ]
    return dice.choice(ways)()


def test_a_changed_certificate_is_never_vouched_for() -> None:
    """Of 400 changed chains and attributes each is refused by name, says what the good one says, or nobody vouches."""
    dice, good = random.Random(20261123), CHECK(ACME.chain, proof_of(ACME, CHAIN_ID), MESSAGE, AT_MS)
    assert good is not None
    assert ("CN=Acme,O=Example", "CN=Root,O=Example") == (good.subject, good.vouched_by)
    refused = 0
    attributed = proof_of(ACME, CHAIN_ID, attributed=True)
    for number in range(CHANGED):
        chain, proof = list(ACME.chain), attributed
        if number % 4 == 3:
            proof = replace(attributed, attributes=changed(attributed.attributes, dice))
        else:
            chain[number % 2] = changed(chain[number % 2], dice)
        try:
            found = CHECK(chain, proof, MESSAGE, AT_MS)
        except (MalformedError, VerificationError):
            refused += 1
            continue
        assert found in (good, replace(good, vouched_by=None)) or (found is not None and found.vouched_by is None)
    assert CHANGED // 2 < refused


def test_a_detached_cms_is_taken_apart() -> None:
    """What another tool signs proves, with and without attributes, in DER and PEM; it must not hold the message."""
    options = [PKCS7Options.DetachedSignature, PKCS7Options.Binary]
    for key in (p256("Acme"), rsa_key()):
        holder = sealer("Acme", BETWEEN, key)
        message = certificate_message(CHAIN_ID, holder.hash)
        builder = PKCS7SignatureBuilder().set_data(message).add_signer(holder.certificate, key, SHA256())
        for form, more in ((Encoding.DER, []), (Encoding.PEM, []), (Encoding.DER, [PKCS7Options.NoAttributes])):
            found = read_cms(builder.sign(form, [*options, *more]), "a test")
            assert bool(more) == (found.proof.attributes == b"")
            assert (holder.encoded,) == found.certificates
            assert CHECK(holder.chain, found.proof, message, AT_MS) is not None
        with pytest.raises(MalformedError, match="a detached one"):
            read_cms(builder.sign(Encoding.DER, [PKCS7Options.Binary]), "a test")
        two = builder.add_signer(holder.certificate, key, SHA256())
        with pytest.raises(MalformedError, match="one signer"):
            read_cms(two.sign(Encoding.DER, options), "a test")


def test_changed_cms_is_read_or_refused() -> None:
    """Of 400 changed signatures each is a proof or refused by name; too long a file is not read."""
    dice, options = random.Random(20261123), [PKCS7Options.DetachedSignature, PKCS7Options.Binary]
    key = p256("Acme")
    builder = PKCS7SignatureBuilder().set_data(MESSAGE).add_signer(ACME.certificate, key, SHA256())
    signed, refused = builder.sign(Encoding.DER, options), set[str]()
    for _ in range(CHANGED):
        try:
            assert isinstance(read_cms(changed(signed, dice), "a test").proof, CertificateProof)
        except MalformedError as error:
            refused.add(str(error)[:42])
    assert {"a test: expected a detached CMS signature "} == refused
    with pytest.raises(MalformedError, match="at most 262144 bytes"):
        read_cms(bytes(262_145), "a test")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), ProofAlgorithm.RSA_PKCS1_SHA256),
        (p256("mine"), ProofAlgorithm.ECDSA_P256_SHA256),
        (p384("mine"), ProofAlgorithm.ECDSA_P384_SHA384),
        (edwards("mine"), ProofAlgorithm.ED25519),
    ],
    ids=lambda value: getattr(value, "name", "key"),
)
def test_a_key_in_a_file_proves(key: object, algorithm: ProofAlgorithm) -> None:
    """Of each kind, also under a password, which is asked for; the proof holds."""
    holder = sealer("Mine", BETWEEN, key)  # type: ignore[arg-type]  # one of the kinds
    message = certificate_message(CHAIN_ID, holder.hash)
    for encryption, password in ((NoEncryption(), None), (BestAvailableEncryption(b"beam"), lambda: "beam")):
        pem = holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        proof = proof_by_key(pem, password, message, "a test")
        assert algorithm == proof.algorithm
        assert CHECK(holder.chain, proof, message, AT_MS) is not None
    with pytest.raises(MalformedError, match="a test: expected a private key in PEM"):
        proof_by_key(pem, None, message, "a test")


def test_a_key_of_another_kind_proves_nothing() -> None:
    """A curve that verifiers do not judge is refused where it would sign."""
    key = ec.derive_private_key(7, ec.SECP521R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(MalformedError, match="P-256 or P-384"):
        proof_by_key(pem, None, MESSAGE, "a test")


def test_contents_are_shown_as_far_as_they_are_there() -> None:
    """What is erased, is another certificate, or cannot be read, is left out of a receipt."""
    content = content_of(ACME.chain)
    assert ACME.chain == chain_of(content, "a test")
    other = content_of(sealer("Other", BETWEEN).chain)
    bound = [(ACME.hash, None), (ACME.hash, other), (ACME.hash, b"nonsense"), (ACME.hash, content), (bytes(32), None)]
    assert (ACME.chain,) == shown_certificates(bound).chains
    with pytest.raises(MalformedError, match="at most 8 certificates"):
        chain_of(content * 5, "a test")

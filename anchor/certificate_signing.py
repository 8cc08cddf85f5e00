"""Keys of certificates that are at hand as files: read, and used to sign an identity that binds the certificate.

Files come from who binds his certificate; a key in a card or at a sealing service signs with its own tool, whose output
``anchor.cms`` reads. ``identity bind`` uses both.
"""

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from anchor.certificate_check import HASHES
from anchor.cms import CURVE_SIZES, flat_signature
from anchor.proof.certificate_proof import CertificateProof, ProofAlgorithm
from anchor.proof.errors import MalformedError

# Long RSA keys in PEM have some 3 kB.
MAX_KEY_FILE = 65_536
_CURVES = {"secp256r1": ProofAlgorithm.ECDSA_P256_SHA256, "secp384r1": ProofAlgorithm.ECDSA_P384_SHA384}


def proof_by_key(pem: bytes, password: Callable[[], str] | None, message: bytes, where: str) -> CertificateProof:
    """Return the proof that a private key in PEM makes over a message; ``password`` is asked where it is encrypted.

    Raises MalformedError, with ``where`` in it, for what is no such key, or one of a kind that proves nothing here.
    """
    secret = password().encode() if b"ENCRYPTED" in pem and password is not None else None
    try:
        key = load_pem_private_key(pem, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise MalformedError(f"{where}: expected a private key in PEM, and its password where it has one") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return CertificateProof(ProofAlgorithm.ED25519, b"", key.sign(message))
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(message, padding.PKCS1v15(), SHA256())
        return CertificateProof(ProofAlgorithm.RSA_PKCS1_SHA256, b"", signature)
    algorithm = _CURVES.get(key.curve.name) if isinstance(key, ec.EllipticCurvePrivateKey) else None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or algorithm is None:
        raise MalformedError(f"{where}: expected a key of RSA, of ECDSA over P-256 or P-384, or of Ed25519")
    made = key.sign(message, ec.ECDSA(HASHES[algorithm]()))
    return CertificateProof(algorithm, b"", flat_signature(made, CURVE_SIZES[algorithm]))

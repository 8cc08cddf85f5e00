"""The check of Ed25519 signatures at OpenSSL's speed, by the one rule of ``anchor.proof.ed25519``.

It loads nothing of key files: ``verify`` needs no more than this. Whoever signs too takes it from ``anchor.signing``.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from anchor.proof.ed25519 import acceptable_encodings


def check_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature holds, by Anchorline's rule (``anchor.proof.ed25519``), at OpenSSL's speed.

    OpenSSL compares encode(sB - hA) with R as the rule wants, but takes keys and R of small order and keys that
    are not canonical; those are refused in front.
    """
    if not acceptable_encodings(public_key, signature):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True

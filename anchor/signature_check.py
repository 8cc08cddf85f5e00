"""The check of Ed25519 signatures at libsodium's speed, by the one rule of ``anchor.proof.ed25519``.

It loads nothing of key files: ``verify`` needs no more than this. Whoever signs too takes it from ``anchor.signing``;
``anchor.signature_rows`` is for the many signatures of one request.
"""

from typing import NamedTuple

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError

from anchor.proof import ed25519
from anchor.proof.codec import HASH_SIZE


def check_with_libsodium(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say what libsodium says, which is the rule where ``keeps_the_rule``; without Python's lock while it computes."""
    # libsodium reads so many bytes, whatever it is given.
    if len(public_key) != HASH_SIZE or len(signature) != ed25519.SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def keeps_the_rule(check: ed25519.SignatureCheck) -> bool:
    """Say whether a library's check judges the hard signatures of every kind as the rule does.

    A libsodium that multiplies both sides by the cofactor, as one of a later version or of a distribution may, would
    take signatures that browsers and receipts' readers refuse.
    """
    return all(
        check(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)) is is_good
        for key, message, signature, is_good in HARD
    )


class Sample(NamedTuple):
    """A signature that implementations judge differently: key, message and signature in hex, and what the rule says."""

    public_key: str
    message: str
    signature: str
    is_good: bool


# Among tests/vectors/ed25519.json, whose maker computes them by the curve's group law.
HARD = (
    # RFC 8032 section 7.1, TEST 2
    Sample(
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        True,
    ),
    # S + 1 L
    Sample(
        "ecb73be5caf0a0a196e41fc1ed1e1bab24e0a176680821619944809f5d100da8",
        "68656c6c6f",
        "d2d420a0be9800f7544e20517854463650e52b25450fa70465c8575a5212f830"
        "005c18ea632c91be65cb3d2ee826c24bf1d189e730276b3ed937dcccfd4a6b1d",
        False,
    ),
    # key of small order, number 3: signs this message for anybody
    Sample(
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "6d6573736167652034",
        "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a"
        "2e77a7db3b2f65a47efd3cf9bbe5f05486e88756c8cc06c7691f6d5679727502",
        False,
    ),
    # R of small order, number 1, under a key whose torsion takes it away
    Sample(
        "fed4cd31726398fa98db5ac09c3f3e7d591fde23918f78be09c582af38cf67d3",
        "6d6573736167652031",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        "2bd7c6c4a89d86422a64b02841d97c86c4658a9221d643a0759edf38daeff403",
        False,
    ),
    # key not canonical: y = p + 3, sign 0
    Sample(
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "6d657373616765",
        "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a"
        "2e77a7db3b2f65a47efd3cf9bbe5f05486e88756c8cc06c7691f6d5679727502",
        False,
    ),
    # key with torsion 1, its challenge takes it away: the equation holds
    Sample(
        "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5",
        "6d6573736167652031",
        "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a"
        "feca1dc3c9e3a21a4984f50abc2153b26fea8ffad558b06a64172307c6834e03",
        True,
    ),
    # key with torsion 1: holds with the cofactor only
    Sample(
        "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5",
        "6d6573736167652030",
        "3e54c441927f9f0ee5e13e34f0b0404c5043651a8f4b7ef087a1c42262a85d0a"
        "67d808b78053654cc287aff328bc63ea329a3fdd7cba3523bf91d8a520b83b0d",
        False,
    ),
    # R with torsion 1: holds with the cofactor only
    Sample(
        "88aa55e6afeed8960a3191de78600347db8acd0a3795412f275f049b86260488",
        "6d657373616765203237",
        "5b61c2e3b93e6c06450f327ea72cdfeb8cde6aa020d2dd827ab3f86e708c8393"
        "2d7bc3596cd76054e80eccb8debf78f15764b0e17de91bd95097b383dbae150f",
        False,
    ),
    # key and R with torsion 1 that cancel each other: the equation holds
    Sample(
        "99555efe5dbf5b50b6fb4d8c38ee05c4ea8a97011c08e11366e8c8c00e8ce5d5",
        "6d657373616765203136",
        "8d8faa35c2b55750d969e504ed4e19f58a05377063d9f00da7f99ce244d96ea6"
        "534da4abc68a8bce2ad05ae45876923925eae1c46777aea944b6ff9e29c9e60a",
        True,
    ),
)


def chosen(preferred: ed25519.SignatureCheck) -> ed25519.SignatureCheck:
    """Return the check that is preferred where it keeps the rule, else OpenSSL's, with the rule's checks in front."""
    if keeps_the_rule(preferred):
        return preferred
    return _openssl_check()


def _openssl_check() -> ed25519.SignatureCheck:
    """Return OpenSSL's check, behind the point checks: it compares encode(sB - hA) with R as the rule wants."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # slow to load, and hardly ever needed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    def check(public_key: bytes, message: bytes, signature: bytes) -> bool:
        if not ed25519.acceptable_encodings(public_key, signature):
            return False
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


check_signature: ed25519.SignatureCheck = chosen(check_with_libsodium)
"""check(public_key 32, message, signature 64) -> bool by the rule, chosen once for this process."""

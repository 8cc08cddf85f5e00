# SPDX-License-Identifier: Apache-2.0
"""Names of keys and of identities by W3C's rules for decentralised identifiers: did:key and did:web.

A did:key is the key itself; a did:web is a domain's word: somebody must ask the domain, and nothing here does.
``identity`` has such names in its statements, ``expected_author`` takes a did:key for the key that is expected.
"""

import re

from anchor.proof.codec import HASH_SIZE, exactly
from anchor.proof.errors import MalformedError

MAX_NAME = 255
DID_KEY = "did:key:z"
"""How the did:key of an Ed25519 key begins: ``z`` says base58btc."""
_DID_WEB = re.compile(r"did:web:[a-z0-9]([a-z0-9.-]*[a-z0-9])?(%3A[0-9]{1,5})?(:[A-Za-z0-9._-]+)*")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# The multicodec of an Ed25519 public key.
_ED25519 = b"\xed\x01"
_DIGITS = 47


def did_key(public_key: bytes) -> str:
    """Return the did:key name of an Ed25519 key: base58btc of the multicodec ed 01 and the key (W3C did:key)."""
    number = int.from_bytes(_ED25519 + exactly(public_key, HASH_SIZE, "public key"), "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return DID_KEY + digits


def key_of_did(name: str) -> bytes:
    """Return the Ed25519 key (32 bytes) that a did:key is; raise MalformedError for a key of another kind."""
    digits = name.removeprefix(DID_KEY)
    number = 0
    if name.startswith(DID_KEY) and len(digits) == _DIGITS and set(digits) <= set(_BASE58):
        for digit in digits:
            number = number * 58 + _BASE58.index(digit)
    if number >> 8 * HASH_SIZE != int.from_bytes(_ED25519, "big"):
        raise MalformedError(f"expected the did:key of an Ed25519 key, {DID_KEY}6Mk..., got {name[:60]!r}")
    return (number & (1 << 8 * HASH_SIZE) - 1).to_bytes(HASH_SIZE, "big")


def check_did_web(name: str) -> None:
    """Raise MalformedError unless a name is a did:web (W3C did:web, section 3) in lower case, of 255 characters."""
    if len(name) > MAX_NAME or not _DID_WEB.fullmatch(name):
        raise MalformedError(f"name of an identity: expected did:web:DOMAIN in lower case, got {name[:60]!r}")

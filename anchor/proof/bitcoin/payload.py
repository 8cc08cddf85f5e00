# SPDX-License-Identifier: Apache-2.0
"""What an anchor transaction says of the directory, and where in the transaction it says so.

Input is a size and a root that are to be anchored, or a transaction that anchors. ``anchor.versions`` writes payloads,
step 10 of ``verify`` and the thread audit find them.
"""

from dataclasses import dataclass

from anchor.proof.bitcoin.hashes import check_hash
from anchor.proof.bitcoin.integers import check_range
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.errors import MalformedError, Reason, VerificationError

ANCHOR_TAG = b"AL1"
PAYLOAD_SIZE = 40
# OP_RETURN (6a), then a push of 40 bytes (28).
_PAYLOAD_PUSH = bytes([0x6A, PAYLOAD_SIZE])
_PAYLOAD_START = _PAYLOAD_PUSH + ANCHOR_TAG
_SIZE_LIMIT = 1 << 40
# Where the payload must be: output 0 is the thread coin.
_PAYLOAD_OUTPUT = 1


@dataclass(frozen=True)
class Payload:
    """What an anchor transaction says: the directory's size (leaves, below 2^40) and root (32 bytes)."""

    tree_size: int
    root: bytes


def encode_payload(tree_size: int, root: bytes) -> bytes:
    """Return the 40 bytes of a payload: "AL1", the size as 5 bytes big-endian, the root (32 bytes).

    The size is in it because an RFC 9162 root does not bind its size. Raises MalformedError for a size
    outside 0 to 2^40 - 1 and for a root of another length.
    """
    check_range(tree_size, 0, _SIZE_LIMIT - 1, "a tree size")
    check_hash(root, "a root")
    return ANCHOR_TAG + tree_size.to_bytes(5, "big") + root


def decode_payload(payload: bytes) -> Payload:
    """Read the 40 bytes that ``encode_payload`` writes; raise MalformedError for any others."""
    if len(payload) != PAYLOAD_SIZE or not payload.startswith(ANCHOR_TAG):
        raise MalformedError(
            f"expected a payload of {PAYLOAD_SIZE} bytes that begins with {ANCHOR_TAG.hex()}, "
            f"found {len(payload)} that begin with {payload[:3].hex()}"
        )
    return Payload(tree_size=int.from_bytes(payload[3:8], "big"), root=payload[8:])


def payload_script(payload: bytes) -> bytes:
    """Return the 42-byte script that carries a payload of 40 bytes: OP_RETURN and one push.

    42 bytes are what also the strictest relay policy in use carries. Raises MalformedError for other bytes
    than ``encode_payload`` writes.
    """
    decode_payload(payload)
    return _PAYLOAD_PUSH + payload


def find_payload(transaction: Transaction) -> Payload:
    """Return the payload of an anchor transaction, which must be in its output 1 and in no other.

    Output 1 is exactly a payload script, and no other output begins with ``6a 28 "AL1"``: otherwise two
    readers could find two roots. Raises VerificationError with PAYLOAD_MISSING or PAYLOAD_AMBIGUOUS.
    """
    scripts = [output.script for output in transaction.outputs]
    script = scripts[_PAYLOAD_OUTPUT] if len(scripts) > _PAYLOAD_OUTPUT else b""
    if not script.startswith(_PAYLOAD_START) or len(script) != len(_PAYLOAD_PUSH) + PAYLOAD_SIZE:
        raise VerificationError(
            Reason.PAYLOAD_MISSING,
            f"expected output 1 to be 42 bytes that begin with {_PAYLOAD_START.hex()}, "
            f"found {len(scripts)} outputs and there {script[:42].hex() or 'nothing'}",
        )
    for index, other in enumerate(scripts):
        if index != _PAYLOAD_OUTPUT and other.startswith(_PAYLOAD_START):
            raise VerificationError(
                Reason.PAYLOAD_AMBIGUOUS,
                f"expected a payload in output 1 only, found another in output {index}: this anchors nothing",
            )
    return decode_payload(script[len(_PAYLOAD_PUSH) :])

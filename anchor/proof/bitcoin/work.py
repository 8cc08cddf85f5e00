# SPDX-License-Identifier: Apache-2.0
"""Proof of work: compact targets, the hashes expected behind them, and whether a header met its own.

Input is a header and the easiest target of its network. Step 12 of ``verify`` and the header store judge with it.
"""

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.integers import MAX_U32, check_range
from anchor.proof.errors import Reason, VerificationError


def check_work(header: Header, pow_limit: int) -> None:
    """Check that the header's hash is at most its target, and its target at most the network's ``pow_limit``.

    That the target is the one which the chain demanded at that height cannot be seen in a single header.
    Raises VerificationError with TARGET_INVALID, TARGET_ABOVE_LIMIT or WORK_MISSING (pow.cpp,
    CheckProofOfWork).
    """
    target = target_from_bits(header.bits)
    if target > pow_limit:
        raise VerificationError(
            Reason.TARGET_ABOVE_LIMIT,
            f"expected a target of at most {pow_limit:064x} on this network, found {target:064x}",
        )
    if int.from_bytes(header.hash, "little") > target:
        raise VerificationError(
            Reason.WORK_MISSING,
            f"expected a block hash of at most {target:064x}, found {hash_hex(header.hash)}; "
            "nobody did the work for this header",
        )


def target_from_bits(bits: int) -> int:
    """Return the target that a header's compact ``bits`` (u32) mean: 1 to 2^256 - 1.

    The first byte is a length in bytes, the other three are a sign and the leading 23 bits (Bitcoin Core,
    arith_uint256.cpp, SetCompact). Raises VerificationError(TARGET_INVALID) for a negative, a zero and an
    overflowing target, none of which any block can have (pow.cpp, DeriveTarget).
    """
    check_range(bits, 0, MAX_U32, "a compact target")
    size, word = bits >> 24, bits & 0x7FFFFF
    target = word >> 8 * (3 - size) if size < 3 else word << 8 * (size - 3)
    if target == 0:
        raise VerificationError(Reason.TARGET_INVALID, f"expected a target above zero, found compact target {bits:08x}")
    if bits & 0x800000:
        raise VerificationError(Reason.TARGET_INVALID, f"expected a positive target, found compact target {bits:08x}")
    if target >> 256:
        raise VerificationError(
            Reason.TARGET_INVALID, f"expected a target of 256 bits, found compact target {bits:08x}"
        )
    return target


def bits_from_target(target: int) -> int:
    """Return the compact form (u32) of ``target`` (1 to 2^256 - 1), rounded down to three bytes.

    Bitcoin Core, arith_uint256.cpp, GetCompact. Raises MalformedError for a number out of range.
    """
    check_range(target, 1, (1 << 256) - 1, "a target")
    size = (target.bit_length() + 7) // 8
    word = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if word & 0x800000:  # this bit means a negative number, so one more zero byte must stand in front
        size, word = size + 1, word >> 8
    return size << 24 | word


def work_from_bits(bits: int) -> int:
    """Return the number of hashes expected behind a block of these ``bits``: 2^256 // (target + 1).

    Bitcoin Core, chain.cpp, GetBlockProof. Raises what ``target_from_bits`` raises.
    """
    return (1 << 256) // (target_from_bits(bits) + 1)

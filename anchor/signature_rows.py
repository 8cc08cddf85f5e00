"""Many Ed25519 signatures at once, by the one rule of ``anchor.proof.ed25519``: those of a request.

``chains.submitted`` hands them in. Where it can be had a row is one call of native code, which needs Python's lock once
and not for each signature, so that threads check while others read and commit.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from anchor.errors import SettingsError
from anchor.hashing.chosen import VARIABLE
from anchor.proof.codec import HASH_SIZE
from anchor.proof.ed25519 import SIGNATURE_SIZE, SignatureCheck
from anchor.proof.entry import AuthorSignature
from anchor.signature_check import HARD, check_signature, check_with_libsodium, keeps_the_rule

CHUNK = 64
"""Signatures that one thread checks in one piece: some milliseconds of work, so that the last thread is not waited
for long, and handing a piece over costs nothing beside it."""


class SignedRow(NamedTuple):
    """Signatures to check, as columns: by keys (32 bytes), signatures (64 bytes), messages; as many of each."""

    keys: Sequence[bytes]
    signatures: Sequence[bytes]
    messages: Sequence[bytes]

    def pieces(self) -> "list[SignedRow]":
        """Return rows of ``CHUNK`` signatures."""
        starts = range(0, len(self.messages), CHUNK)
        return [SignedRow(*(column[at : at + CHUNK] for column in self)) for at in starts]


RowCheck = Callable[[SignedRow], list[bool]]
"""Says of each signature whether it holds, in order."""


def check_each(claims: Sequence[AuthorSignature], threads: Executor | None = None) -> list[bool]:
    """Say of each signature whether it holds, as ``check_row`` does."""
    keys, signatures = [claim.public_key for claim in claims], [claim.signature for claim in claims]
    return check_row(SignedRow(keys, signatures, [claim.message for claim in claims]), threads)


def check_row(row: SignedRow, threads: Executor | None = None) -> list[bool]:
    """Say of each signature whether it holds, in order; many are shared out among ``threads``, where there are some.

    An error on a thread is raised here: what was not checked never counts as holding.
    """
    if threads is None or len(row.messages) <= CHUNK:
        return CHECK(row)
    return [holds for piece in threads.map(CHECK, row.pieces()) for holds in piece]


def one_by_one(row: SignedRow) -> list[bool]:
    """Check a row with a call for each signature; one of another length does not hold."""
    return [check_signature(key, message, signature) for key, signature, message in zip(*row, strict=True)]


class Choice(NamedTuple):
    """How this process checks a row, what that is called, and why it is this way."""

    check: RowCheck
    name: str
    reason: str


def choose(wanted: str, single: SignatureCheck = check_signature) -> Choice:
    """Return the way for what ``ANCHORLINE_HASHING`` says, beside the check of one signature; native where it can be.

    Raises SettingsError where a native module that is wanted by name judges otherwise than the rule.
    """

    def alone(reason: str) -> Choice:
        return Choice(one_by_one, "one signature at a time", reason)

    if wanted == "hashlib":
        return alone(f"{VARIABLE} says so")
    if single is not check_with_libsodium:
        return alone("PyNaCl's libsodium does not keep the rule, and is not asked")
    try:
        from anchor.hashing.native_signatures import signatures_hold  # noqa: PLC0415  # may not be there
    except ImportError as error:
        return alone(f"the native module cannot check signatures here: {error}")

    def native(row: SignedRow) -> list[bool]:
        if set(map(len, row.keys)) - {HASH_SIZE} or set(map(len, row.signatures)) - {SIGNATURE_SIZE}:
            return one_by_one(row)
        return signatures_hold(*row)

    if not row_keeps_the_rule(native):
        why = "the native check of signatures judges otherwise than the rule and is not used: report this machine"
        if wanted:
            raise SettingsError(f"{VARIABLE} says {wanted}, which cannot be had here: {why}")
        return alone(why)
    return Choice(native, "native, PyNaCl's libsodium", "it was built here, and keeps the rule")


def row_keeps_the_rule(check: RowCheck) -> bool:
    """Say whether a way to check rows judges the hard signatures as the rule does, alone and in one row."""
    keys, messages, signatures = (list(map(bytes.fromhex, column)) for column in list(zip(*HARD, strict=True))[:3])
    expected = [sample.is_good for sample in HARD]
    return check(SignedRow(keys, signatures, messages)) == expected and keeps_the_rule(
        lambda key, message, signature: check(SignedRow([key], [signature], [message])) == [True]
    )


CHECK, NAME, REASON = choose(os.environ.get(VARIABLE, ""))

# SPDX-License-Identifier: Apache-2.0
"""Step 3: the author's signature, and whether his key was valid where he names his identity (docs/spec/identity.md).

Input is a decoded receipt and what the verifier brings; ``verify`` runs the steps in their order.
"""

from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import AuthorType, Entry, ExtensionType, check_author, signing_keys
from anchor.proof.errors import VerificationError
from anchor.proof.expected_author import ExpectedAuthor
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import ARITHMETIC, Step, absent, not_checked, ok
from anchor.proof.verifier import Verifier

YOU = "you (the author that you expect)"


def check_author_signature(receipt: Receipt, verifier: Verifier) -> Step:
    """Step 3: the author's signature holds, where there is one, and is that of the expected author."""
    entry = receipt.entry
    if entry.author.type == AuthorType.NONE:
        if verifier.author is not None:
            verifier.author.refuse_unsigned()
        return absent(3, "the entry is not signed: nothing is said about who wrote it")
    if not check_author(entry, verifier.check_signature):
        return not_checked(3, f"signature not checked: author type {entry.author.type} is unknown")
    identity = entry.extension(ExtensionType.IDENTITY)
    if entry.author.type == AuthorType.SEVERAL:
        return _several(entry, identity, verifier.author)
    public_key = entry.author.body[:HASH_SIZE]
    signed = f"signed by key {public_key.hex()}"
    if verifier.author is not None:
        verifier.author.check_signed(public_key, identity)
    if identity is None:
        whose = "whose key it is, is not said here" if verifier.author is None else "the key that you expect"
        return ok(3, f"{signed}; {whose}", ARITHMETIC if verifier.author is None else YOU)
    # Most entries name no identity, and to load what judges a history takes longer than to verify one of them.
    from anchor.proof.steps_identity import check_identity  # noqa: PLC0415

    return check_identity(receipt, verifier, public_key, identity)


def _several(entry: Entry, identity: bytes | None, expected: ExpectedAuthor | None) -> Step:
    """What several signed together names nobody's identity: whose keys count, the chain's policy says (step 17)."""
    signed = f"signed by keys {', '.join(key.hex() for key in signing_keys(entry))}"
    if identity is None and expected is None:
        return ok(3, f"{signed}; whose keys they are, is not said here")
    if identity is None and expected is not None:
        _check_one_is(expected, signing_keys(entry))
        return ok(3, f"{signed}; one of them is the key that you expect", YOU)
    assert identity is not None
    return not_checked(3, f"{signed}; which of them is said to be one of identity {identity.hex()}, is not said")


def _check_one_is(expected: ExpectedAuthor, keys: tuple[bytes, ...]) -> None:
    """Raise what the first key gives, unless one of them is the expected author's."""
    for key in keys[1:]:
        try:
            return expected.check_signed(key, None)
        except VerificationError:
            continue
    return expected.check_signed(keys[0], None)

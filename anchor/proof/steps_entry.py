# SPDX-License-Identifier: Apache-2.0
"""Steps 1, 2 and 4: the entry, its content, and its place in its chain.

Input is a decoded receipt and what the verifier brings; ``verify`` runs the steps in their order.
"""

from collections.abc import Collection

from anchor.proof.codec import sha256
from anchor.proof.entry import ExtensionType, check_chain_id, content_commitment
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.merkle import check_inclusion
from anchor.proof.receipt import ContentState, Receipt, Sealed
from anchor.proof.verdict import Step, not_checked, ok
from anchor.proof.verifier import Identity, Verifier


def check_entry(receipt: Receipt, identity: Identity, continued: Collection[bytes] = ()) -> Step:
    """Step 1: the entry is meant for this log, gives its chain id if it is the first, and is understood.

    ``continued`` are the logs from which its chain moved here, with this entry, as both sides of each move say.
    """
    entry = receipt.entry
    wanted_log = entry.extension(ExtensionType.LOG_ID)
    if wanted_log is not None and wanted_log != identity.log_id and wanted_log not in continued:
        raise VerificationError(
            Reason.WRONG_LOG_EXTENSION,
            f"the entry is meant for log {wanted_log.hex()} only, not {identity.log_id.hex()}",
        )
    if receipt.sealed is not None and receipt.sealed.chain.index == 0:
        check_chain_id(entry)
    critical = entry.unknown_critical_extensions()
    if critical:
        return not_checked(1, f"extension {critical[0]:#06x} is unknown: this version cannot verify the entry")
    return ok(1, f"entry {identity.entry_hash.hex()} of chain {entry.chain_id.hex()}")


def check_content(receipt: Receipt, verifier: Verifier) -> Step:
    """Step 2: the content is what the entry commits to (design section 3.1)."""
    content = receipt.content
    if content.state != ContentState.SHOWN:
        claim = "" if content.state == ContentState.WITHHELD else " (the service's claim)"
        return not_checked(2, f"content not compared: it is {content.state}{claim}")
    if content_commitment(content.salt, content.digest) != receipt.entry.content_commitment:
        raise VerificationError(
            Reason.COMMITMENT_MISMATCH, "salt and digest in the receipt do not give the entry's content commitment"
        )
    if content.data is not None and sha256(content.data) != content.digest:
        raise VerificationError(Reason.CONTENT_CHANGED, "the content inside the receipt is not what was recorded")
    if verifier.content_digest is None:
        if content.data is None:
            return not_checked(2, "content not compared: neither a file nor content in the receipt")
        return ok(2, f"the content in the receipt is what was recorded, SHA-256 {content.digest.hex()}")
    if verifier.content_digest != content.digest:
        what = "the document" if verifier.judge_content else "the file"
        raise VerificationError(
            Reason.CONTENT_CHANGED,
            f"{what} is not what was recorded: expected SHA-256 {content.digest.hex()}, "
            f"found {verifier.content_digest.hex()}",
        )
    if verifier.judge_content is not None:
        return verifier.judge_content()
    return ok(2, f"the file is what was recorded, SHA-256 {content.digest.hex()}")


def check_chain_path(sealed: Sealed, entry_hash: bytes) -> Step:
    """Step 4: the entry is under the head of its chain (RFC 9162, section 2.1.3)."""
    head = sealed.head.leaf
    check_inclusion(
        entry_hash, sealed.chain.index, head.tree_size, sealed.chain.path, head.root, Reason.CHAIN_PATH_WRONG
    )
    return ok(4, f"entry {sealed.chain.index} of the chain's {head.tree_size} at its first head")

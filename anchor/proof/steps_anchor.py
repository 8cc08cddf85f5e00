# SPDX-License-Identifier: Apache-2.0
"""Steps 10 to 13: the bitcoin anchors of a receipt, of which the one that gets furthest is spoken of.

Input is a sealed receipt and the blocks that the verifier trusts; ``verify`` puts the steps into the verdict.
"""

from math import log2

from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.blocks import KnownBlock
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.leaves import NOTHING_REPLACED, Purpose, ThreadLeaf
from anchor.proof.merkle import leaf_hash
from anchor.proof.receipt import DirectoryProof, OfLog, OtherAnchor, UnderCheckpoint, attestations_in, timestamps_in
from anchor.proof.verdict import THE_LOG, State, Step, absent, not_checked, ok, run
from anchor.proof.verifier import Verifier, asked, network_of


def best_anchor(
    receipt: OfLog, sealed: UnderCheckpoint, verifier: Verifier, log_id: bytes
) -> tuple[BitcoinAnchor | None, list[Step]]:
    """Return the bitcoin anchor that gets furthest, with its steps; the verdict speaks of no other."""
    judged = [
        (anchor, _bitcoin_steps(receipt, sealed, anchor, verifier, log_id))
        for anchor in sealed.anchors
        if isinstance(anchor, BitcoinAnchor)
    ]
    if not judged:
        return None, [absent(number, _no_bitcoin(sealed)) for number in (10, 11, 12, 13)]
    return max(judged, key=lambda pair: tuple(_rank(pair[1])))


def other_anchors(sealed: UnderCheckpoint) -> list[str]:
    """Return the types of anchors that this version does not know, each once, cut to 40 characters."""
    return sorted({anchor.type[:40] for anchor in sealed.anchors if isinstance(anchor, OtherAnchor)})


def _no_bitcoin(sealed: UnderCheckpoint) -> str:
    others = ", ".join(other_anchors(sealed))
    if others:
        return f"no bitcoin anchor, only {others}, which this version does not check"
    if attestations_in(sealed.anchors):
        return "the log's own anchor is not in the receipt, only a calendar's attestation"
    return "not anchored in Bitcoin yet, only time-stamped" if timestamps_in(sealed.anchors) else "not anchored yet"


def _rank(steps: list[Step]) -> list[int]:
    states = [step.state for step in steps]
    return [-states.count(State.FAILED), -states[:3].count(State.NOT_CHECKED)]


def _bitcoin_steps(
    receipt: OfLog, sealed: UnderCheckpoint, anchor: BitcoinAnchor, verifier: Verifier, log_id: bytes
) -> list[Step]:
    return [
        run(10, lambda: _payload(sealed, anchor)),
        run(11, lambda: _transaction(anchor)),
        run(12, lambda: _block(receipt, sealed, anchor, verifier)),
        run(13, lambda: _thread(receipt, sealed, anchor, verifier, log_id)),
    ]


def _payload(sealed: UnderCheckpoint, anchor: BitcoinAnchor) -> Step:
    payload = find_payload(anchor.decoded_transaction)
    if (payload.tree_size, payload.root) != (sealed.checkpoint.size, sealed.checkpoint.root):
        raise VerificationError(
            Reason.PAYLOAD_MISMATCH,
            f"the transaction anchors a tree of {payload.tree_size} leaves with root {payload.root.hex()}, "
            "which is not this checkpoint",
        )
    return ok(10, f"the transaction carries size {payload.tree_size} and root of the checkpoint")


def _transaction(anchor: BitcoinAnchor) -> Step:
    check_anchor_transaction(anchor)
    return ok(11, f"transaction {hash_hex(anchor.txid)} is number {anchor.index} of the block")


def _block(receipt: OfLog, sealed: UnderCheckpoint, anchor: BitcoinAnchor, verifier: Verifier) -> Step:
    rules = network_of(receipt.log, verifier.networks)
    if rules is None:
        genesis = hash_hex(receipt.log.network_genesis)
        return not_checked(12, f"the log's network (genesis {genesis}) is unknown to this version")
    header = check_anchor_header(anchor, rules)
    known, believed = _known_block(rules, anchor.height, sealed, verifier)
    where = f"block {anchor.height} {hash_hex(header.hash)} of {rules.name}"
    if known is None:
        return not_checked(12, f"{where}: the header has its work, but {_unasked(verifier)}")
    if known.hash != header.hash:
        raise VerificationError(
            Reason.BLOCK_MISMATCH,
            f"expected block {anchor.height} to be {hash_hex(known.hash)}, as {believed} says, found "
            f"{hash_hex(header.hash)}",
        )
    depth = _depth_text(known)
    if known.is_shallow(verifier.depth):
        text = f"{where}{depth}: not deep enough yet, {verifier.depth} are wanted"
        return Step(12, State.NOT_CHECKED, text, believed, shallow=True, known=known)
    return Step(12, State.OK, f"{where}{depth}", believed, known=known)


def _unasked(verifier: Verifier) -> str:
    """Say why nobody said whether a block is on the best chain."""
    if not verifier.blocks:
        return "nobody was asked whether it is on the best chain"
    return f"nothing is known at its height: {'; '.join(view.believed for view in verifier.blocks)}"


def _depth_text(known: KnownBlock) -> str:
    """Say how deep a block is: confirmations, the work of the block and all on top, and what that work is worth."""
    text = "" if known.confirmations is None else f", {known.confirmations} confirmations"
    if known.work:
        text += f" with the work of {'at least' if known.is_least else 'about'} 2^{log2(known.work):.1f} hashes"
    if known.full_confirmations is not None and known.full_confirmations != known.confirmations:
        text += f", worth {known.full_confirmations} blocks of its period's full difficulty"
    return text


def _known_block(
    rules: NetworkRules, height: int, sealed: UnderCheckpoint, verifier: Verifier
) -> tuple[KnownBlock | None, str]:
    """Ask each view in turn. A view of another network is the verifier's way to say which network he means.

    But for one of a network on which a calendar attests: step 15 asks that.
    """
    attesting = {anchor.network for anchor in attestations_in(sealed.anchors)}
    for view in verifier.blocks:
        if view.network != rules.name and view.network not in attesting:
            raise VerificationError(
                Reason.WRONG_NETWORK, f"you gave a block of {view.network}; this receipt is of {rules.name}"
            )
    return asked([view for view in verifier.blocks if view.network == rules.name], height)


def _thread(receipt: OfLog, sealed: UnderCheckpoint, anchor: BitcoinAnchor, verifier: Verifier, log_id: bytes) -> Step:
    if sealed.thread is None:
        raise VerificationError(
            Reason.THREAD_MISMATCH, "an anchored checkpoint covers the leaf that names its thread, and none is shown"
        )
    outpoint = sealed.thread.leaf.outpoint
    listed = None if verifier.card is None else verifier.card.thread
    if listed is not None and outpoint not in listed:
        raise VerificationError(
            Reason.THREAD_MISMATCH,
            f"the thread starts at {outpoint}, which is not on your log card; if the card is older than this thread, "
            "ask for the newest one",
        )
    _check_order_of_threads(sealed.thread.leaf, listed)
    is_new = sealed.thread.leaf.replaced != NOTHING_REPLACED
    if is_new:
        _check_new_thread(receipt, sealed, sealed.thread, verifier, log_id)
    if _first_input(anchor) == outpoint:
        again = " again" if is_new else ""
        return ok(13, f"the first transaction of the thread, which starts{again} at {outpoint}", THE_LOG)
    return not_checked(
        13, "the thread is not checked here: whether this transaction is on the log's one line is the auditor's check"
    )


def _check_order_of_threads(leaf: ThreadLeaf, listed: tuple[OutPoint, ...] | None) -> None:
    """The first thread of the card replaces nothing, and its second one the first, whose leaf the card gives.

    A later one replaces a leaf with a signature that neither card nor receipt shows: that is the auditor's check.
    """
    if not listed:
        return
    place = listed.index(leaf.outpoint)
    first = leaf_hash(ThreadLeaf(listed[0]).encode())
    fits = leaf.replaced == NOTHING_REPLACED if place == 0 else leaf.replaced != NOTHING_REPLACED
    if not fits or (place == 1 and leaf.replaced != first):
        raise VerificationError(
            Reason.THREAD_MISMATCH,
            f"the thread that starts at {leaf.outpoint} is number {place + 1} on your log card, and its leaf replaces "
            f"{leaf.replaced.hex()}, which is not the leaf of the thread before it",
        )


def _check_new_thread(
    receipt: OfLog, sealed: UnderCheckpoint, thread: DirectoryProof[ThreadLeaf], verifier: Verifier, log_id: bytes
) -> None:
    """A thread that takes the place of another is signed by the recovery key that was valid at its leaf."""
    given = [proof.leaf for proof in sealed.keys if proof.index < thread.index]
    keys = [receipt.log.recovery_key, *(leaf.new_key for leaf in given if leaf.purpose == Purpose.RECOVERY)]
    if not verifier.check_signature(keys[-1].value, thread.leaf.signed_message(log_id), thread.leaf.signature):
        raise VerificationError(
            Reason.THREAD_MISMATCH,
            f"the thread that starts at {thread.leaf.outpoint} is not signed by the recovery key",
        )


def _first_input(anchor: BitcoinAnchor) -> OutPoint:
    return anchor.decoded_transaction.inputs[0].previous

"""A published log as an auditor reads it: card, checkpoints, leaves, and the list of anchors with their proofs.

Input is a ``Fetch`` over a mirror (docs/spec/mirror.md); nothing in it is believed here, only parsed, and what cannot
be parsed is reported in the words of ``Finding``. ``anchor.thread_audit`` judges what this reads.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from anchor.log import TILE_WIDTH
from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, Transaction
from anchor.proof.checkpoint import Checkpoint, Note, is_signed_by, key_id, note_in
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.published_tree import ANCHORED, CARD, CHAINS, CHECKPOINT
from anchor.proof.receipt import LogCard
from anchor.proof.thread_proofs import decode_proofs, proofs_path
from anchor.thread_list import FILE_NAME, ThreadList
from anchor.thread_verdict import Finding, Number, Reason
from anchor.tiles import Fetch, LeafRange, PublishedTree, tile_width

__all__ = [
    "ANCHORED",
    "CARD",
    "CHAINS",
    "CHECKPOINT",
    "Anchors",
    "check_checkpoint",
    "directory_leaves",
    "read_anchors",
    "read_card",
    "read_note",
]


@dataclass(frozen=True, slots=True)
class Anchors:
    """The published list: transactions by txid in order, proofs that hold, and transactions on their way."""

    txids: tuple[bytes, ...]
    proofs: tuple[BitcoinAnchor, ...]
    pending: tuple[Transaction, ...]


def read_card(fetch: Fetch) -> LogCard:
    """Return the published card; raise MalformedError where it is none, or missing."""
    data = fetch(CARD)
    if data is None:
        raise MalformedError(
            f"expected a mirror, which has a {CARD}; found none: is this the folder that `anchorline mirror` wrote?"
        )
    return LogCard.decode(data)


def read_note(fetch: Fetch, path: str) -> Note | None:
    """Return a published checkpoint with its signatures, None where there is none; raise MalformedError."""
    data = fetch(path)
    return None if data is None else note_in(data, path)


def check_checkpoint(
    note: Note | None, wanted: Checkpoint, log_origin: str, public_key: bytes, check: SignatureCheck
) -> str | None:
    """Say why a note is not this checkpoint, signed by this key; None where it is."""
    if note is None:
        return "it is not published"
    try:
        found = Checkpoint.decode(note.text)
    except MalformedError as error:
        return str(error)
    if found != wanted:
        return f"the published one names origin {found.origin}, {found.size} leaves and root {found.root.hex()}"
    if not is_signed_by(note, log_origin, public_key, check):
        return f"it is not signed by the log's checkpoint key (id {key_id(log_origin, public_key).hex()})"
    return None


def directory_leaves(tree: PublishedTree) -> Iterator[list[bytes] | LeafRange]:
    """Yield the leaves of the directory, a bundle at a time; once one is not there, the rest as what is lacking."""
    for tile_no in range(-(-tree.size // TILE_WIDTH)):
        leaves = tree.bundle(tile_no)
        if leaves is None:
            yield LeafRange(tile_no * TILE_WIDTH, tile_no * TILE_WIDTH + tile_width(0, tile_no, tree.size))
            return
        yield leaves


def read_anchors(fetch: Fetch, log_id: bytes, rules: NetworkRules | None) -> tuple[Anchors, list[Finding]]:
    """Return the published list, and what is wrong with it: another log's, or proofs that are missing or false."""
    findings: list[Finding] = []

    def found(text: str, reason: Reason) -> None:
        findings.append(Finding(Number.LINE, text, reason))

    data = fetch(FILE_NAME)
    try:
        listed = ThreadList(log_id) if data is None else ThreadList.decode(data)
    except MalformedError as error:
        found(f"{FILE_NAME}: {error}", Reason.LIST_WRONG)
        listed = ThreadList(log_id)
    if listed.log_id != log_id:
        found(f"{FILE_NAME} is of another log, {listed.log_id.hex()}", Reason.LIST_WRONG)
    proofs: list[BitcoinAnchor] = []
    for bundle_no in range(-(-len(listed.anchors) // TILE_WIDTH)):
        wanted = listed.anchors[bundle_no * TILE_WIDTH : (bundle_no + 1) * TILE_WIDTH]
        given = _proofs(fetch, bundle_no)
        if isinstance(given, str):
            found(given, Reason.PROOF_WRONG)
            continue
        if [item.transaction for item in wanted] != [proof.transaction for proof in given]:
            found(f"{proofs_path(bundle_no)} is not of the transactions that are listed", Reason.PROOF_WRONG)
        for item, proof in zip(wanted, given, strict=False):
            why = _why_not(proof, item.height, item.block_hash, rules)
            if why is None:
                proofs.append(proof)
            else:
                found(
                    f"the published proof of an anchor in block {item.height} does not hold: {why}", Reason.PROOF_WRONG
                )
    txids = tuple(_decoded(item.transaction).txid for item in listed.anchors)
    return Anchors(txids, tuple(proofs), tuple(map(_decoded, listed.pending))), findings


def _proofs(fetch: Fetch, bundle_no: int) -> tuple[BitcoinAnchor, ...] | str:
    path = proofs_path(bundle_no)
    data = fetch(path)
    if data is None:
        return f"{path} is not there"
    try:
        first, proofs = decode_proofs(data)
    except MalformedError as error:
        return f"{path}: {error}"
    return proofs if first == bundle_no * TILE_WIDTH else f"{path} begins with anchor {first}"


def _why_not(proof: BitcoinAnchor, height: int, block_hash: bytes, rules: NetworkRules | None) -> str | None:
    """Say why a proof is not of the block that the list names, or is none; None where it holds."""
    try:
        check_anchor_transaction(proof)
        if rules is not None:
            check_anchor_header(proof, rules)
    except AnchorlineError as error:
        return str(error)
    same = (proof.height, proof.decoded_header.hash) == (height, block_hash)
    return None if same else "it is of another block than the list says"


def _decoded(raw: bytes) -> Transaction:
    return Transaction.decode(raw, MAX_TRANSACTION)

"""Receipts as OpenTimestamps files, and the two halves of that way, which meet at the entry hash.

Input is a receipt from ``chains.receipts``; ``anchorline receipt --ots`` writes the file. ``chains.calendar`` answers
the first half when it accepts a digest and the second one when the entry is anchored.
"""

from dataclasses import dataclass

from anchor.errors import NotYetError
from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.entry import Entry
from anchor.proof.merkle import path_length
from anchor.proof.receipt import ContentState, Receipt, Sealed
from anchor.proof.verifier import network_of


@dataclass(frozen=True, slots=True)
class OtsExport:
    """An ``.ots`` file; ``leaf`` is the file that it stamps where the content itself is not shown (00 ‖ entry)."""

    ots: bytes
    leaf: bytes | None
    operations: int
    network: str


def export_ots(receipt: Receipt) -> OtsExport:
    """Return the way from the content's SHA-256 to Bitcoin as an OpenTimestamps file (design section 3.5).

    It discloses salt and entry. Raises NotYetError for a receipt that is not anchored, and the exporter's own error
    with the count where the way has more than 255 operations.
    """
    sealed = receipt.sealed
    anchor = next((item for item in sealed.anchors if isinstance(item, BitcoinAnchor)), None) if sealed else None
    if sealed is None or anchor is None:
        raise NotYetError("the receipt is not anchored yet, so there is no way to Bitcoin to export; upgrade it first")
    rules = network_of(receipt.log)
    start, operations, leaf = _start(receipt)
    operations += from_entry_hash(sealed, anchor)
    return OtsExport(
        ots.linear(start, operations, anchor.height), leaf, len(operations), "unknown" if rules is None else rules.name
    )


def to_entry_hash(entry: Entry, salt: bytes) -> list[ots.Operation]:
    """Return the steps from the SHA-256 of the content to the entry hash; they disclose salt and entry."""
    return [ots.prepend(salt), ots.SHA256, *_around(entry.encode(), entry.content_commitment)]


def from_entry_hash(sealed: Sealed, anchor: BitcoinAnchor) -> list[ots.Operation]:
    """Return the steps from the entry hash to the Merkle root of the anchor's block: through chain and directory."""
    return [
        *_to_root(sealed.chain.index, sealed.head.leaf.tree_size, sealed.chain.path),
        *_around(sealed.head.leaf.encode(), sealed.head.leaf.root),
        *_to_root(sealed.head.index, sealed.checkpoint.size, sealed.head.path),
        *ots.transaction_steps(anchor.transaction, find_payload(anchor.decoded_transaction).root),
        *ots.block_steps(anchor.index, anchor.path),
    ]


def _start(receipt: Receipt) -> tuple[bytes, list[ots.Operation], bytes | None]:
    """Return the digest that the file starts from, the steps to the entry hash, and the leaf file if one is needed."""
    entry = receipt.entry
    if receipt.content.state != ContentState.SHOWN:
        return entry.hash, [], b"\x00" + entry.encode()
    return receipt.content.digest, to_entry_hash(entry, receipt.content.salt), None


def _around(leaf: bytes, message: bytes) -> list[ots.Operation]:
    """Return the steps from a message inside a leaf to the leaf's hash H(00 ‖ leaf): three, or two at its end."""
    return [*ots.within(message, b"\x00" + leaf), ots.SHA256]


def _to_root(index: int, size: int, path: tuple[bytes, ...]) -> list[ots.Operation]:
    """Return the steps of an RFC 9162 inclusion path (section 2.1.3.2)."""
    assert len(path) == path_length(index, size)
    operations: list[ots.Operation] = []
    position, last = index, size - 1
    for sibling in path:
        if position % 2 or position == last:
            operations += ots.right_step(sibling)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            operations += ots.left_step(sibling)
        position, last = position >> 1, last >> 1
    return operations

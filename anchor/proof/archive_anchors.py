# SPDX-License-Identifier: Apache-2.0
"""The anchors in an export: one line of Bitcoin transactions, each with a root that the directory has.

Input is an ``Archive``, its directory, and the blocks that the verifier gives. ``archive`` and ``chains.archive`` ask.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from anchor.proof.archive_directory import ArchivedDirectory
from anchor.proof.archive_files import FAULTS, Archive, ArchiveError, Fault, refuse
from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.blocks import KnownBlock, KnownBlocks
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.leaves import LogLeaf
from anchor.proof.thread_proofs import decode_proofs, proofs_path
from anchor.proof.verifier import asked, network_of
from anchor.proof.waits import Anchored, AnchoredAt, anchored_at


@dataclass(frozen=True, slots=True)
class CheckedAnchor:
    """An anchor that holds, in the block that it names; ``believed`` says who gave that block, empty: nobody.

    ``known`` is what he said of it.
    """

    height: int
    block_hash: bytes
    tree_size: int
    entries: int
    believed: str
    known: KnownBlock | None = None


def check_anchors(
    archive: Archive, directory: ArchivedDirectory, log: LogLeaf, blocks: Sequence[KnownBlocks], fault: Fault = refuse
) -> list[CheckedAnchor]:
    """Return the anchors that hold: one line from a thread leaf on, each with a root that the leaves have.

    ``blocks`` are views of the log's network. What they raise themselves is no fault, and is not caught.
    """
    starts, rules = {leaf.outpoint for leaf in directory.threads}, network_of(log)
    anchors, coin, is_broken = list[CheckedAnchor](), None, False
    for number, proof in enumerate(_proofs(archive, fault)):
        where = f"anchor {number}"
        try:
            transaction = check_anchor_transaction(proof)
            spent = transaction.inputs[0].previous
            if not is_broken and spent != coin and spent not in starts:
                raise ArchiveError("does not spend the coin of the anchor before, and begins no thread")
            coin, is_broken = OutPoint(transaction.txid, 0), False
            size = _anchored_size(transaction, directory)
            if rules is not None:
                check_anchor_header(proof, rules)
        except FAULTS as error:
            fault(f"{where}: {error}")
            is_broken = True
            continue
        known, believed = asked(list(blocks), proof.height)
        block = proof.decoded_header.hash
        if known is not None and known.hash != block:
            fault(
                f"{where}: in block {hash_hex(block)}, and {believed} says that block {proof.height} is "
                f"{hash_hex(known.hash)}"
            )
            continue
        anchors.append(CheckedAnchor(proof.height, block, size, directory.entries[size], believed, known))
    return anchors


def anchors_of_seals(directory: ArchivedDirectory, anchors: Sequence[CheckedAnchor]) -> AnchoredAt:
    """Return what finds the first anchor over a seal, of those whose blocks the verifier gave."""
    given = [Anchored(each.tree_size, each.height) for each in anchors if each.believed]
    return anchored_at(directory.ends, given)


def _anchored_size(transaction: Transaction, directory: ArchivedDirectory) -> int:
    payload = find_payload(transaction)
    if directory.roots.get(payload.tree_size) != payload.root:
        raise ArchiveError(f"carries another root than the first {payload.tree_size} leaves have")
    return payload.tree_size


def _proofs(archive: Archive, fault: Fault) -> Iterator[BitcoinAnchor]:
    for bundle_no in count():
        path = f"mirror/{proofs_path(bundle_no)}"
        data = archive.read(path)
        if data is None:
            return
        try:
            first, proofs = decode_proofs(data, path)
        except FAULTS as error:
            fault(str(error))
            continue
        if first != bundle_no * TILE_WIDTH:
            fault(f"{path}: expected proofs from anchor {bundle_no * TILE_WIDTH} on")
        yield from proofs

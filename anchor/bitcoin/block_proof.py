"""The check of a block proof before anyone relies on it: what the verifier of a receipt will check, today; pure.

Input is a ``BitcoinAnchor`` from a source that may be mistaken or lie. ``esplora`` checks what it has put together,
``agreeing`` what any of its sources hands over, and ``anchor.watching`` what it keeps for receipts.
"""

from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import BlockId
from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.errors import MalformedError


def check_proof(proof: BitcoinAnchor, txid: bytes, block: BlockId, network: Network) -> None:
    """Check that the proof is of this transaction (32 bytes, internal order) in this block.

    Branches, coinbase and height are checked as in step 11 of a receipt, target and work as in step 12. Raises
    VerificationError, or MalformedError for bytes without form and for a proof of something else.
    """
    found = (check_anchor_transaction(proof).txid, check_anchor_header(proof, network.rules).hash)
    if (*found, proof.height) != (txid, block.hash, block.height):
        raise MalformedError(
            f"expected a proof of transaction {hash_hex(txid)} in block {block.height} {hash_hex(block.hash)}, found "
            f"one of {hash_hex(found[0])} in {proof.height} {hash_hex(found[1])}"
        )

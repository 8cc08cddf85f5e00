# SPDX-License-Identifier: Apache-2.0
"""A transaction in a block as a receipt shows it, checked from the transaction to the work for the header.

Input is the fields of a receipt's Bitcoin anchor. Steps 11 and 12 of ``anchor.proof.verify`` and the thread audit
check with it; whether the block is on the best chain is for whoever knows that chain.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from anchor.proof.bitcoin.branch import MAX_BRANCH, check_not_64_bytes, fold_branch
from anchor.proof.bitcoin.coinbase import MAX_COINBASE, check_coinbase
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE, Header
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, Transaction
from anchor.proof.bitcoin.work import check_work
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.strictjson import Fields


@dataclass(frozen=True)
class BitcoinAnchor:
    """What a receipt carries to show a transaction in a block.

    ``transaction`` and ``coinbase`` are without witness; ``path`` and ``coinbase_path`` are siblings of 32
    bytes in internal order, from leaf to root; ``index`` is the transaction's place in the block, where the
    coinbase's is 0; ``header`` is the block's 80 bytes, ``height`` counts from 0.
    """

    transaction: bytes
    index: int
    path: tuple[bytes, ...]
    coinbase: bytes
    coinbase_path: tuple[bytes, ...]
    header: bytes
    height: int

    def to_json(self) -> dict[str, Any]:
        """Return its fields as a receipt has them (docs/spec/bitcoin-anchor.md), but for the type."""
        return {
            "transaction": self.transaction.hex(),
            "index": self.index,
            "path": [item.hex() for item in self.path],
            "coinbase": self.coinbase.hex(),
            "coinbase_path": [item.hex() for item in self.coinbase_path],
            "header": self.header.hex(),
            "height": self.height,
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "BitcoinAnchor":
        """Take what ``to_json`` wrote, within the limits of a receipt (design section 3.5), and refuse other fields.

        Raises MalformedError, TooLargeError above a limit; what it proves is not checked.
        """
        anchor = cls(
            transaction=fields.hex("transaction", maximum=MAX_TRANSACTION),
            index=fields.integer("index"),
            path=fields.hashes("path", MAX_BRANCH),
            coinbase=fields.hex("coinbase", maximum=MAX_COINBASE),
            coinbase_path=fields.hashes("coinbase_path", MAX_BRANCH),
            header=fields.hex("header", exact=HEADER_SIZE),
            height=fields.integer("height"),
        )
        fields.end()
        return anchor

    @cached_property
    def decoded_transaction(self) -> Transaction:
        """The transaction, read once; raises MalformedError or TooLargeError."""
        return Transaction.decode(self.transaction, MAX_TRANSACTION)

    @cached_property
    def txid(self) -> bytes:
        """The transaction's identity, 32 bytes in internal order, where ``decoded_transaction`` reads it.

        What it reads it would write back identically, so these are the bytes that the txid commits to.
        """
        return sha256d(self.transaction)

    @cached_property
    def decoded_header(self) -> Header:
        """The header, read once; raises MalformedError."""
        return Header.decode(self.header)


def check_anchor_transaction(anchor: BitcoinAnchor) -> Transaction:
    """Check that the transaction and the coinbase are in the header's block, at the height it says (step 11).

    The coinbase shows the true depth of the tree: a branch as long as the coinbase's cannot lead below the
    transactions (CVE-2017-12842). Returns the transaction. Raises VerificationError with one of the Reasons
    of step 11, MalformedError for a transaction or a header that is not well formed.
    """
    transaction = anchor.decoded_transaction
    root = anchor.decoded_header.merkle_root
    check_not_64_bytes(anchor.transaction, "transaction")
    if len(anchor.path) != len(anchor.coinbase_path):
        raise VerificationError(
            Reason.BRANCH_LENGTHS_DIFFER,
            "expected branches of one length, since all transactions of a block are equally deep; "
            f"found {len(anchor.path)} and, for the coinbase, {len(anchor.coinbase_path)}",
        )
    height = check_coinbase(anchor.coinbase)
    _check_root(fold_branch(sha256d(anchor.coinbase), 0, anchor.coinbase_path), root, Reason.COINBASE_BRANCH_WRONG)
    _check_root(fold_branch(anchor.txid, anchor.index, anchor.path), root, Reason.BRANCH_WRONG)
    if height != anchor.height:
        raise VerificationError(
            Reason.COINBASE_HEIGHT_WRONG,
            f"expected height {anchor.height}, found that the block's coinbase says {height}",
        )
    return transaction


def check_anchor_header(anchor: BitcoinAnchor, rules: NetworkRules) -> Header:
    """Check that work was done for the anchor's header, by the rules of its network (step 12); return it.

    Whether the block is on the best chain is for whoever knows that chain. Raises VerificationError with
    TARGET_INVALID, TARGET_ABOVE_LIMIT or WORK_MISSING, MalformedError for a header that is not 80 bytes.
    """
    header = anchor.decoded_header
    check_work(header, rules.pow_limit)
    return header


def _check_root(found: bytes, expected: bytes, reason: Reason) -> None:
    if found != expected:
        raise VerificationError(
            reason,
            f"expected the branch to lead to the header's root {hash_hex(expected)}, found {hash_hex(found)}",
        )

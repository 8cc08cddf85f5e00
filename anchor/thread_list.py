"""The published list of a log's anchor transactions: ``thread.json``; their proofs are in files beside it.

``chains.mirror`` writes it from the journal. The thread audit reads it as a list of candidates: nothing in it is
believed that the proofs, the thread itself and a Bitcoin source do not show (docs/spec/mirror.md).
"""

from dataclasses import dataclass

from anchor.proof import strictjson
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, Transaction
from anchor.proof.strictjson import Fields

FORMAT = "anchorline-thread/1"
FILE_NAME = "thread.json"
# An anchor every ten minutes for nineteen years; about 500 bytes each.
MAX_ANCHORS = 1_000_000
MAX_LIST = 512 * 2**20
# One live attempt, and the versions that it replaced and that may still be mined.
MAX_PENDING = 64


@dataclass(frozen=True, slots=True)
class ListedAnchor:
    """An anchor in a block: the transaction without witness, and the block (hash in internal order)."""

    transaction: bytes
    height: int
    block_hash: bytes

    @classmethod
    def of(cls, proof: BitcoinAnchor) -> "ListedAnchor":
        """Return what the list says of an anchor whose proof is in the files beside it."""
        return cls(proof.transaction, proof.height, proof.decoded_header.hash)


@dataclass(frozen=True, slots=True)
class ThreadList:
    """The anchors in the order of the thread, and ``pending``: the transactions sent and not in a block yet."""

    log_id: bytes
    anchors: tuple[ListedAnchor, ...] = ()
    pending: tuple[bytes, ...] = ()

    def encode(self) -> bytes:
        """Return the file (ASCII JSON)."""
        anchors = [
            {"transaction": item.transaction.hex(), "height": item.height, "block": hash_hex(item.block_hash)}
            for item in self.anchors
        ]
        value = {
            "format": FORMAT,
            "log_id": self.log_id.hex(),
            "anchors": anchors,
            "pending": [raw.hex() for raw in self.pending],
        }
        return strictjson.dumps(value).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> "ThreadList":
        """Read the file; raise MalformedError (TooLargeError above a limit, checked first) for anything else."""
        fields = Fields(strictjson.loads(data, "thread", MAX_LIST), "thread")
        fields.format(FORMAT)
        log_id = fields.hex("log_id", exact=32)
        anchors = tuple(_listed(Fields(item, "thread.anchors")) for item in fields.array("anchors", MAX_ANCHORS))
        listed = [Fields({"raw": item}, "thread.pending") for item in fields.array("pending", MAX_PENDING)]
        pending = tuple(_transaction(item.hex("raw", maximum=MAX_TRANSACTION)) for item in listed)
        fields.end()
        return cls(log_id, anchors, pending)


def _listed(fields: Fields) -> ListedAnchor:
    listed = ListedAnchor(
        transaction=_transaction(fields.hex("transaction", maximum=MAX_TRANSACTION)),
        height=fields.integer("height"),
        block_hash=hash_from_hex(fields.text("block")),
    )
    fields.end()
    return listed


def _transaction(raw: bytes) -> bytes:
    Transaction.decode(raw, MAX_TRANSACTION)
    return raw

# SPDX-License-Identifier: Apache-2.0
"""The card of an identity: the statement that began it, for whoever wants to pin the author of what he verifies.

Input is a file that the identity's holder gives away; nothing of it is believed, because the chain id commits to all of
it. ``verify --identity`` and ``identity trust`` read it, ``identity card`` writes it.
"""

from dataclasses import dataclass

from anchor.proof import strictjson
from anchor.proof.errors import MalformedError
from anchor.proof.identity import MAX_STATEMENT, Operation, Statement, identity_chain_id
from anchor.proof.strictjson import Fields

CARD_FORMAT = "anchorline-identity-card/1"
# The statement in hex, and the names of two fields.
MAX_CARD = 2 * MAX_STATEMENT + 200


@dataclass(frozen=True, slots=True)
class IdentityCard:
    """The statement with which an identity began; the chain id, which commits to it, follows from nothing else."""

    begin: Statement

    @property
    def chain_id(self) -> bytes:
        """The identity's chain id."""
        return identity_chain_id(self.begin)

    def encode(self) -> bytes:
        """Return the card file (ASCII JSON)."""
        return strictjson.dumps({"format": CARD_FORMAT, "begin": self.begin.encode().hex()}).encode("ascii")

    @classmethod
    def decode(cls, data: bytes) -> "IdentityCard":
        """Read a card file; raise MalformedError."""
        fields = Fields(strictjson.loads(data, "identity card", MAX_CARD), "identity card")
        fields.format(CARD_FORMAT)
        begin = Statement.decode(fields.hex("begin", maximum=MAX_STATEMENT))
        fields.end()
        if begin.operation != Operation.BEGIN:
            raise MalformedError("identity card: expected the statement that begins an identity, found a later one")
        return cls(begin)

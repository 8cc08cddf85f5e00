"""A node of Bitcoin Core, asked over its RPC port: answers have the shape that was expected, or are refused.

Input is what the node sends (``json_rpc``); a SourceError names the node and what came. ``core_rpc``, ``core_blocks``
and ``core_coins`` ask through it.
"""

from decimal import Decimal
from typing import NoReturn, TypeVar

from anchor.bitcoin.first_contact import FirstContact
from anchor.bitcoin.json_rpc import Credentials, JsonRpc, RpcError
from anchor.errors import SourceError
from anchor.proof.bitcoin.hashes import hash_from_hex, hash_hex, sha256d
from anchor.proof.bitcoin.integers import MAX_U32
from anchor.proof.bitcoin.transaction import strip_witness
from anchor.proof.errors import MalformedError

# Bitcoin Core, rpc/protocol.h.
PRUNED = -1
NOT_FOUND = -5
OUT_OF_RANGE = -8
_SAT_PER_BTC = 100_000_000

_Wanted = TypeVar("_Wanted")


class CoreNode:
    """The node at ``url``, asked by ``call`` and ``call_many`` as ``JsonRpc`` does; close it after use.

    Every connection that is made anew is first shown to ``contact``. What reads an answer raises SourceError where
    it has another shape.
    """

    def __init__(self, url: str, credentials: Credentials, timeout_s: float, contact: FirstContact) -> None:
        self.url = url
        self._rpc = JsonRpc(url, credentials, timeout_s, contact)
        self.call = self._rpc.call
        self.call_many = self._rpc.call_many
        self.close = self._rpc.close

    def call_or_none(self, absent: int, method: str, *parameters: object) -> object:
        """Return the result, or None where the node's error has the code that means "no such thing"."""
        try:
            return self.call(method, *parameters)
        except RpcError as error:
            if error.code == absent:
                return None
            raise

    def transaction(self, txid: bytes, block_hash: bytes) -> bytes:
        """Return a transaction of a block without its witness; refuse one whose hash is another."""
        raw = self.raw(self.call("getrawtransaction", hash_hex(txid), 0, hash_hex(block_hash)))
        body = self.stripped(raw)
        if sha256d(body) != txid:
            self.nonsense(f"transaction {hash_hex(txid)}", hash_hex(sha256d(body)))
        return body

    def transaction_if_kept(self, txid: bytes, block_hash: bytes) -> bytes:
        """Return a transaction of a block, empty where the node has pruned the block."""
        try:
            return self.transaction(txid, block_hash)
        except RpcError as error:
            if error.code != PRUNED:
                raise
            return b""

    def fields(self, value: object) -> dict[str, object]:
        """Return an object of JSON."""
        return self.shaped(value, dict)

    def items(self, value: object) -> list[object]:
        """Return an array of JSON."""
        return self.shaped(value, list)

    def whole(self, value: object, least: int = 0) -> int:
        """Return a whole number from ``least`` to 2^32 - 1."""
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_U32:
            self.nonsense(f"a whole number from {least} to {MAX_U32}", value)
        return value

    def decimal(self, value: object) -> Decimal:
        """Return a number, with all its digits."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self.nonsense("a number", value)
        return Decimal(value)

    def satoshi(self, amount_btc: object) -> int:
        """Return an amount of bitcoin, a whole number of satoshi, in satoshi."""
        satoshi = self.decimal(amount_btc) * _SAT_PER_BTC
        if satoshi != int(satoshi) or satoshi < 0:
            self.nonsense("an amount in whole satoshi", amount_btc)
        return int(satoshi)

    def hash(self, value: object) -> bytes:
        """Return a hash in display order as 32 bytes in internal order."""
        try:
            return hash_from_hex(self.shaped(value, str))
        except MalformedError as error:
            raise SourceError(f"{self.url}: {error}; is this a Bitcoin node?") from error

    def raw(self, value: object) -> bytes:
        """Return the bytes of a string in hex."""
        try:
            return bytes.fromhex(self.shaped(value, str))
        except ValueError as error:
            raise SourceError(f"{self.url}: expected hex, got {value!r:.80}; is this a Bitcoin node?") from error

    def stripped(self, raw: bytes) -> bytes:
        """Return a transaction without its witness."""
        try:
            return strip_witness(raw)
        except MalformedError as error:
            raise SourceError(f"{self.url}: expected a transaction: {error}") from error

    def shaped(self, value: object, kind: type[_Wanted]) -> _Wanted:
        """Return a value that must be of this kind."""
        if not isinstance(value, kind):
            self.nonsense(f"a {kind.__name__}", value)
        return value

    def nonsense(self, expected: str, found: object) -> NoReturn:
        """Raise SourceError for an answer of the wrong shape, or one that contradicts itself."""
        raise SourceError(
            f"{self.url}: expected {expected}, got {found!r:.80}; do not trust this source before that is explained"
        )

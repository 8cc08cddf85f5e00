"""The answers of an Esplora server, read: each has one shape, and everything else is refused; pure.

Input is the body of an answer with status 200 (or, for ``refusal_code``, 400), as received. ``esplora`` uses the
values. The shapes are those of Blockstream's API.md (github.com/Blockstream/esplora); hashes are internal order.
"""

import json
import re
from dataclasses import dataclass
from math import isfinite
from typing import NoReturn, TypeVar

from anchor.bitcoin.protocols import BlockId
from anchor.proof.bitcoin.branch import MAX_BRANCH
from anchor.proof.bitcoin.hashes import HASH_SIZE, hash_from_hex, hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE
from anchor.proof.bitcoin.transaction import OutPoint, strip_witness
from anchor.proof.errors import MalformedError

_U32 = 0xFFFFFFFF
_MAX_MONEY_SAT = 21_000_000 * 100_000_000
# Several times what anyone ever had to pay: above it an estimate is a fault of the server.
_ABSURD_SAT_PER_VB = 10_000.0
# Blockstream's servers write "RPC error -25: words", those of mempool.space "RPC error: {"code":-25,...}".
_CODE_IN_TEXT = re.compile(r"RPC error (-?[0-9]{1,6}):")
_JSON_IN_TEXT = re.compile(r"RPC error: *(\{)")

_Wanted = TypeVar("_Wanted")


@dataclass(frozen=True)
class Branch:
    """A transaction's place in its block: the height, its index, and the siblings from leaf to root."""

    height: int
    index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True)
class ListedCoin:
    """An unspent output as the server lists it; ``height`` is None while it is unconfirmed."""

    outpoint: OutPoint
    value_sat: int
    height: int | None


@dataclass(frozen=True)
class Spend:
    """What spends an outpoint: its txid (None where the server does not name it), and whether it is in a block."""

    txid: bytes | None
    confirmed: bool


def read_hash(body: bytes) -> bytes:
    """Return the hash of a text answer: 64 lower-case hex digits. Raises MalformedError for any other body."""
    return hash_from_hex(_text(body))


def read_header(body: bytes) -> bytes:
    """Return the 80 bytes of a header from 160 hex digits; raise MalformedError for any other body."""
    raw = _hex(body)
    if len(raw) != HEADER_SIZE:
        raise MalformedError(f"expected a header of {2 * HEADER_SIZE} hex digits, found {len(body)} bytes")
    return raw


def read_transaction(body: bytes) -> bytes:
    """Return the transaction of an answer in hex, without its witness; raise MalformedError if it is not one."""
    return strip_witness(_hex(body))


def read_block(body: bytes) -> BlockId:
    """Return hash and height of ``/block/:hash``; raise MalformedError for any other body."""
    fields = _object(body)
    return BlockId(_number(fields, "height"), _hash(fields, "id"))


def read_transaction_count(body: bytes) -> int:
    """Return how many transactions the block of ``/block/:hash`` holds; raise MalformedError for any other body."""
    fields = _object(body)
    count = _number(fields, "tx_count")
    if count < 1:
        _refuse("tx_count", "at least the coinbase", count)
    return count


def read_block_headers(body: bytes) -> list[tuple[BlockId, bytes]]:
    """Return height, hash and the 80 header bytes of each block of ``/blocks/:height``, newest first.

    The bytes are built from the listed fields, and hash to the block's id. Raises MalformedError where they do not,
    and for any other body.
    """
    return [_block_header(_shaped(each, dict, "a block")) for each in _shaped(_json(body), list, "the blocks")]


def read_status(body: bytes) -> BlockId | None:
    """Return the block of ``/tx/:txid/status``, None while unconfirmed; raise MalformedError for any other body."""
    return _status(_object(body))


def read_branch(body: bytes) -> Branch:
    """Return the branch of ``/tx/:txid/merkle-proof``, at most 17 levels; raise MalformedError for any other body."""
    fields = _object(body)
    siblings = _shaped(fields.get("merkle"), list, "merkle")
    if len(siblings) > MAX_BRANCH:
        raise MalformedError(f"expected a branch of at most {MAX_BRANCH} levels, found {len(siblings)}")
    path = tuple(hash_from_hex(_shaped(each, str, "merkle")) for each in siblings)
    return Branch(_number(fields, "block_height"), _number(fields, "pos"), path)


def read_coins(body: bytes) -> list[ListedCoin]:
    """Return the coins of ``/scripthash/:hash/utxo``; raise MalformedError for any other body."""
    coins = [_coin(_shaped(each, dict, "a coin")) for each in _shaped(_json(body), list, "the coins")]
    if len({coin.outpoint for coin in coins}) != len(coins):
        raise MalformedError("expected each coin once, found one twice")
    return coins


def read_spend(body: bytes) -> Spend | None:
    """Return the spend of ``/tx/:txid/outspend/:vout``, None if unspent; raise MalformedError for any other body."""
    fields = _object(body)
    if not _truth(fields, "spent"):
        return None
    if fields.get("txid") is None:
        return Spend(None, confirmed=False)
    place = _status(_shaped(fields.get("status"), dict, "status"))
    return Spend(_hash(fields, "txid"), confirmed=place is not None)


def read_estimate(body: bytes, target_blocks: int) -> float | None:
    """Return the estimate, in sat/vB, for the slowest target of ``/fee-estimates`` that is fast enough.

    None where there is none, or where the server gives a number that cannot be: not above zero, or above 10,000.
    Raises MalformedError for anything but a map of targets (blocks) to numbers.
    """
    rates = {_target(key): _rate(value) for key, value in _object(body).items()}
    fitting = [target for target in rates if target <= target_blocks]
    if not fitting:
        return None
    rate = rates[max(fitting)]
    return rate if isfinite(rate) and 0 < rate <= _ABSURD_SAT_PER_VB else None


def refusal_code(body: bytes) -> int | None:
    """Return the node's error code (Bitcoin Core, rpc/protocol.h) that a refused ``POST /tx`` quotes, or None.

    Only the number is read: the words differ between nodes and versions.
    """
    text = body.decode("utf-8", "replace")
    in_text = _CODE_IN_TEXT.search(text)
    if in_text is not None:
        return int(in_text[1])
    in_json = _JSON_IN_TEXT.search(text)
    if in_json is None:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text[in_json.start(1) :])
    except (ValueError, RecursionError):
        return None
    code = found.get("code")
    return code if isinstance(code, int) and not isinstance(code, bool) and abs(code) <= _U32 else None


def _block_header(fields: dict[str, object]) -> tuple[BlockId, bytes]:
    block = BlockId(_number(fields, "height"), _hash(fields, "id"))
    previous = fields.get("previousblockhash")
    version = fields.get("version")
    # Nodes print a version as the signed number it is in consensus, some servers as an unsigned one.
    if isinstance(version, bool) or not isinstance(version, int) or not -(1 << 31) <= version <= _U32:
        _refuse("version", "a number of 32 bits", version)
    header = b"".join(
        (
            (version & _U32).to_bytes(4, "little"),
            bytes(HASH_SIZE) if previous is None else _hash(fields, "previousblockhash"),
            _hash(fields, "merkle_root"),
            *(_number(fields, name).to_bytes(4, "little") for name in ("timestamp", "bits", "nonce")),
        )
    )
    if sha256d(header) != block.hash:
        raise MalformedError(f"expected fields of block {hash_hex(block.hash)}, found others: {header.hex()}")
    return block, header


def _coin(fields: dict[str, object]) -> ListedCoin:
    place = _status(_shaped(fields.get("status"), dict, "status"))
    return ListedCoin(
        OutPoint(_hash(fields, "txid"), _number(fields, "vout")),
        _number(fields, "value", _MAX_MONEY_SAT),
        None if place is None else place.height,
    )


def _status(fields: dict[str, object]) -> BlockId | None:
    if not _truth(fields, "confirmed"):
        return None
    return BlockId(_number(fields, "block_height"), _hash(fields, "block_hash"))


def _text(body: bytes) -> str:
    try:
        return body.strip().decode("ascii")
    except UnicodeDecodeError as error:
        raise MalformedError(f"expected plain text, found {body[:60]!r}") from error


def _hex(body: bytes) -> bytes:
    text = _text(body)
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise MalformedError(f"expected hex, found {text[:60]!r}") from error
    if 2 * len(raw) != len(text):  # fromhex takes spaces
        raise MalformedError(f"expected hex, found {text[:60]!r}")
    return raw


def _json(body: bytes) -> object:
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"expected JSON, found {body[:60]!r}") from error
    return value


def _object(body: bytes) -> dict[str, object]:
    return _shaped(_json(body), dict, "the answer")


def _hash(fields: dict[str, object], name: str) -> bytes:
    return hash_from_hex(_shaped(fields.get(name), str, name))


def _number(fields: dict[str, object], name: str, most: int = _U32) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        _refuse(name, f"a whole number from 0 to {most}", value)
    return value


def _truth(fields: dict[str, object], name: str) -> bool:
    return _shaped(fields.get(name), bool, name)


def _target(key: str) -> int:
    if not key.isascii() or not key.isdigit() or len(key) > 6:
        _refuse("a target", "a number of blocks", key)
    return int(key)


def _rate(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("an estimate", "a number", value)
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _shaped(value: object, kind: type[_Wanted], name: str) -> _Wanted:
    if not isinstance(value, kind):
        _refuse(name, f"a {kind.__name__}", value)
    return value


def _refuse(name: str, expected: str, found: object) -> NoReturn:
    raise MalformedError(f"{name}: expected {expected}, found {found!r:.80}")

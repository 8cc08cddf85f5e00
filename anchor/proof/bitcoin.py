# SPDX-License-Identifier: Apache-2.0
"""Bitcoin as a proof needs it: transactions, headers, proof of work, branches, and the payload in them.

Input is the bytes that a receipt carries or a Bitcoin source delivered, in internal byte order; hex in
display order exists only in ``hash_hex`` and ``hash_from_hex``. ``anchor.proof.verify`` checks anchors with
it, ``anchor.bitcoin`` and ``anchor.engine`` build and fetch them with it.

Frozen: ``docs/spec/bitcoin-anchor.md`` fixes these bytes and checks, and a change that accepts less makes
receipts that were handed out fail, one that accepts more lets forgeries pass.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NoReturn

from anchor.proof.compact_size import TransactionCursor, encode_compact_size, with_length
from anchor.proof.errors import MalformedError, Reason, VerificationError

HASH_SIZE = 32
HEADER_SIZE = 80

# Stripped bytes of an anchor transaction: one message of an OpenTimestamps proof (4,096) must hold it.
MAX_TRANSACTION = 4_000
# Stripped bytes of a coinbase, which is large where a pool pays its miners from it: a tenth of a block.
MAX_COINBASE = 100_000
# Bytes with witness: a block weighs at most 4,000,000, and each byte at least 1 (BIP 141).
MAX_WITH_WITNESS = 4_000_000
# Levels of a block's tree: 4,000,000 bytes hold fewer than 2^17 transactions of at least 60 bytes.
MAX_BRANCH = 17

ANCHOR_TAG = b"AL1"
PAYLOAD_SIZE = 40
# OP_RETURN (6a), then a push of 40 bytes (28).
_PAYLOAD_PUSH = bytes([0x6A, PAYLOAD_SIZE])
_PAYLOAD_START = _PAYLOAD_PUSH + ANCHOR_TAG
_SIZE_LIMIT = 1 << 40
# Where the payload must be: output 0 is the thread coin.
_PAYLOAD_OUTPUT = 1

# What a coinbase spends: nothing.
_NULL_OUTPOINT = bytes(HASH_SIZE) + bytes.fromhex("ffffffff")
_OP_1 = 0x51
# A height is an i32 in Bitcoin Core.
_MAX_HEIGHT_BYTES = 4

_SEGWIT_MARK = b"\x00\x01"
_INPUT_MIN = 41
_OUTPUT_MIN = 9
_U32 = 0xFFFFFFFF
_U64 = 0xFFFFFFFFFFFFFFFF
_HASH_HEX = re.compile(r"[0-9a-f]{64}")


def sha256d(data: bytes) -> bytes:
    """Return SHA-256 of SHA-256 of ``data``: 32 bytes, the hash of transactions, tree nodes and headers."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash_hex(internal: bytes) -> str:
    """Return a hash (32 bytes, internal order) as explorers and RPCs write it: reversed, in hex.

    Raises MalformedError for another length.
    """
    _check_hash(internal, "a hash")
    return internal[::-1].hex()


def hash_from_hex(display: str) -> bytes:
    """Return the 32 bytes, in internal order, of a hash in display order (64 lower-case hex digits).

    Raises MalformedError for any other text.
    """
    if not _HASH_HEX.fullmatch(display):
        raise MalformedError(f"expected a hash of 64 lower-case hex digits, found {display[:80]!r}")
    return bytes.fromhex(display)[::-1]


# Transactions


@dataclass(frozen=True)
class OutPoint:
    """An output of a transaction: its ``txid`` (32 bytes, internal order) and its index ``vout`` (u32)."""

    txid: bytes
    vout: int

    def __post_init__(self) -> None:
        _check_hash(self.txid, "the txid of an outpoint")
        _check_range(self.vout, 0, _U32, "an output index")

    def __str__(self) -> str:
        return f"{hash_hex(self.txid)}:{self.vout}"

    def encode(self) -> bytes:
        """Return the 36 bytes that stand in a transaction: txid, then vout little-endian."""
        return self.txid + self.vout.to_bytes(4, "little")

    @classmethod
    def decode(cls, raw: bytes) -> "OutPoint":
        """Read the 36 bytes that ``encode`` writes; raise MalformedError for another length."""
        if len(raw) != 36:
            raise MalformedError(f"expected an outpoint of 36 bytes, found {len(raw)}")
        return cls(txid=raw[:32], vout=int.from_bytes(raw[32:], "little"))


@dataclass(frozen=True)
class TxInput:
    """An input: the outpoint it spends, its script (empty for SegWit coins) and its sequence (u32)."""

    previous: OutPoint
    script: bytes
    sequence: int

    def __post_init__(self) -> None:
        _check_range(self.sequence, 0, _U32, "a sequence")


@dataclass(frozen=True)
class TxOutput:
    """An output: its value in satoshi (u64 as written, not compared with the supply) and its script."""

    value_sat: int
    script: bytes

    def __post_init__(self) -> None:
        _check_range(self.value_sat, 0, _U64, "an output's value")


@dataclass(frozen=True)
class Transaction:
    """A transaction without witness data: all that its txid commits to."""

    version: int
    inputs: tuple[TxInput, ...]
    outputs: tuple[TxOutput, ...]
    lock_time: int

    def __post_init__(self) -> None:
        _check_range(self.version, -(1 << 31), (1 << 31) - 1, "a transaction's version")
        _check_range(self.lock_time, 0, _U32, "a lock time")
        if not self.inputs or not self.outputs:
            raise MalformedError(
                "expected a transaction of at least one input and one output, "
                f"found {len(self.inputs)} and {len(self.outputs)}"
            )

    def encode(self) -> bytes:
        """Return the serialisation without witness (the original one, from before BIP 144)."""
        parts = [self.version.to_bytes(4, "little", signed=True), encode_compact_size(len(self.inputs))]
        for spent in self.inputs:
            parts += [
                spent.previous.encode(),
                with_length(spent.script),
                spent.sequence.to_bytes(4, "little"),
            ]
        parts.append(encode_compact_size(len(self.outputs)))
        for output in self.outputs:
            parts += [output.value_sat.to_bytes(8, "little"), with_length(output.script)]
        parts.append(self.lock_time.to_bytes(4, "little"))
        return b"".join(parts)

    @cached_property
    def txid(self) -> bytes:
        """The transaction's identity, 32 bytes in internal order: sha256d of ``encode()``."""
        return sha256d(self.encode())

    @classmethod
    def decode(cls, raw: bytes, limit: int) -> "Transaction":
        """Read a transaction without witness that takes all of ``raw``, at most ``limit`` bytes.

        Whatever is accepted is written back identically by ``encode``. Raises TooLargeError above the limit,
        MalformedError for anything else: trailing bytes, a length not in its shortest form, no input, no
        output, or a witness (strip it with ``strip_witness``).
        """
        reader = TransactionCursor(raw, limit)
        transaction = _read_body(reader, reader.take(4, "the version"))
        reader.end()
        return transaction


def strip_witness(raw: bytes, limit: int = MAX_WITH_WITNESS) -> bytes:
    """Return a transaction without its witness, given either form (BIP 144) in at most ``limit`` bytes.

    Raises TooLargeError above the limit, MalformedError for bytes that are neither form, and for a witness
    form in which every witness is empty, which Bitcoin Core refuses too.
    """
    if raw[4:6] != _SEGWIT_MARK:
        return Transaction.decode(raw, limit).encode()
    reader = TransactionCursor(raw, limit)
    version = reader.take(4, "the version")
    reader.take(2, "the witness mark")
    inputs, outputs = _read_inputs(reader), _read_outputs(reader)
    stacks = [_skip_witness(reader) for _ in inputs]
    lock_time = reader.number(4, "the lock time")
    reader.end()
    if not any(stacks):
        raise MalformedError("expected the form without witness, since every witness is empty; found the other")
    return Transaction(_signed(version), inputs, outputs, lock_time).encode()


# Headers and proof of work


@dataclass(frozen=True)
class Header:
    """A block header: version (i32), hashes in internal order, time in seconds, compact target, nonce."""

    version: int
    previous: bytes
    merkle_root: bytes
    time_s: int
    bits: int
    nonce: int

    def __post_init__(self) -> None:
        _check_range(self.version, -(1 << 31), (1 << 31) - 1, "a header's version")
        _check_hash(self.previous, "the previous block's hash")
        _check_hash(self.merkle_root, "a Merkle root")
        for value, what in (
            (self.time_s, "a time"),
            (self.bits, "a compact target"),
            (self.nonce, "a nonce"),
        ):
            _check_range(value, 0, _U32, what)

    def encode(self) -> bytes:
        """Return the 80 bytes whose hash is the block's."""
        numbers = b"".join(value.to_bytes(4, "little") for value in (self.time_s, self.bits, self.nonce))
        return self.version.to_bytes(4, "little", signed=True) + self.previous + self.merkle_root + numbers

    @cached_property
    def hash(self) -> bytes:
        """The block's hash, 32 bytes in internal order: sha256d of ``encode()``."""
        return sha256d(self.encode())

    @classmethod
    def decode(cls, raw: bytes) -> "Header":
        """Read the 80 bytes that ``encode`` writes; raise MalformedError for another length."""
        if len(raw) != HEADER_SIZE:
            raise MalformedError(f"expected a block header of {HEADER_SIZE} bytes, found {len(raw)}")
        time_s, bits, nonce = (int.from_bytes(raw[at : at + 4], "little") for at in (68, 72, 76))
        return cls(_signed(raw[:4]), raw[4:36], raw[36:68], time_s, bits, nonce)


def target_from_bits(bits: int) -> int:
    """Return the target that a header's compact ``bits`` (u32) mean: 1 to 2^256 - 1.

    The first byte is a length in bytes, the other three are a sign and the leading 23 bits (Bitcoin Core,
    arith_uint256.cpp, SetCompact). Raises VerificationError(TARGET_INVALID) for a negative, a zero and an
    overflowing target, none of which any block can have (pow.cpp, DeriveTarget).
    """
    _check_range(bits, 0, _U32, "a compact target")
    size, word = bits >> 24, bits & 0x7FFFFF
    target = word >> 8 * (3 - size) if size < 3 else word << 8 * (size - 3)
    if target == 0:
        _fail(Reason.TARGET_INVALID, f"expected a target above zero, found compact target {bits:08x}")
    if bits & 0x800000:
        _fail(Reason.TARGET_INVALID, f"expected a positive target, found compact target {bits:08x}")
    if target >> 256:
        _fail(Reason.TARGET_INVALID, f"expected a target of 256 bits, found compact target {bits:08x}")
    return target


def bits_from_target(target: int) -> int:
    """Return the compact form (u32) of ``target`` (1 to 2^256 - 1), rounded down to three bytes.

    Bitcoin Core, arith_uint256.cpp, GetCompact. Raises MalformedError for a number out of range.
    """
    _check_range(target, 1, (1 << 256) - 1, "a target")
    size = (target.bit_length() + 7) // 8
    word = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if word & 0x800000:  # this bit means a negative number, so one more zero byte must stand in front
        size, word = size + 1, word >> 8
    return size << 24 | word


def work_from_bits(bits: int) -> int:
    """Return the number of hashes expected behind a block of these ``bits``: 2^256 // (target + 1).

    Bitcoin Core, chain.cpp, GetBlockProof. Raises what ``target_from_bits`` raises.
    """
    return (1 << 256) // (target_from_bits(bits) + 1)


def check_work(header: Header, pow_limit: int) -> None:
    """Check that the header's hash is at most its target, and its target at most the network's ``pow_limit``.

    That the target is the one which the chain demanded at that height cannot be seen in a single header.
    Raises VerificationError with TARGET_INVALID, TARGET_ABOVE_LIMIT or WORK_MISSING (pow.cpp,
    CheckProofOfWork).
    """
    target = target_from_bits(header.bits)
    if target > pow_limit:
        _fail(
            Reason.TARGET_ABOVE_LIMIT,
            f"expected a target of at most {pow_limit:064x} on this network, found {target:064x}",
        )
    if int.from_bytes(header.hash, "little") > target:
        _fail(
            Reason.WORK_MISSING,
            f"expected a block hash of at most {target:064x}, found {hash_hex(header.hash)}; "
            "nobody did the work for this header",
        )


# The anchor payload


@dataclass(frozen=True)
class Payload:
    """What an anchor transaction says: the directory's size (leaves, below 2^40) and root (32 bytes)."""

    tree_size: int
    root: bytes


def encode_payload(tree_size: int, root: bytes) -> bytes:
    """Return the 40 bytes of a payload: "AL1", the size as 5 bytes big-endian, the root (32 bytes).

    The size is in it because an RFC 9162 root does not bind its size. Raises MalformedError for a size
    outside 0 to 2^40 - 1 and for a root of another length.
    """
    _check_range(tree_size, 0, _SIZE_LIMIT - 1, "a tree size")
    _check_hash(root, "a root")
    return ANCHOR_TAG + tree_size.to_bytes(5, "big") + root


def decode_payload(payload: bytes) -> Payload:
    """Read the 40 bytes that ``encode_payload`` writes; raise MalformedError for any others."""
    if len(payload) != PAYLOAD_SIZE or not payload.startswith(ANCHOR_TAG):
        raise MalformedError(
            f"expected a payload of {PAYLOAD_SIZE} bytes that begins with {ANCHOR_TAG.hex()}, "
            f"found {len(payload)} that begin with {payload[:3].hex()}"
        )
    return Payload(tree_size=int.from_bytes(payload[3:8], "big"), root=payload[8:])


def payload_script(payload: bytes) -> bytes:
    """Return the 42-byte script that carries a payload of 40 bytes: OP_RETURN and one push.

    42 bytes are what also the strictest relay policy in use carries. Raises MalformedError for other bytes
    than ``encode_payload`` writes.
    """
    decode_payload(payload)
    return _PAYLOAD_PUSH + payload


def find_payload(transaction: Transaction) -> Payload:
    """Return the payload of an anchor transaction, which must be in its output 1 and in no other.

    Output 1 is exactly a payload script, and no other output begins with ``6a 28 "AL1"``: otherwise two
    readers could find two roots. Raises VerificationError with PAYLOAD_MISSING or PAYLOAD_AMBIGUOUS.
    """
    scripts = [output.script for output in transaction.outputs]
    script = scripts[_PAYLOAD_OUTPUT] if len(scripts) > _PAYLOAD_OUTPUT else b""
    if not script.startswith(_PAYLOAD_START) or len(script) != len(_PAYLOAD_PUSH) + PAYLOAD_SIZE:
        _fail(
            Reason.PAYLOAD_MISSING,
            f"expected output 1 to be 42 bytes that begin with {_PAYLOAD_START.hex()}, "
            f"found {len(scripts)} outputs and there {script[:42].hex() or 'nothing'}",
        )
    for index, other in enumerate(scripts):
        if index != _PAYLOAD_OUTPUT and other.startswith(_PAYLOAD_START):
            _fail(
                Reason.PAYLOAD_AMBIGUOUS,
                f"expected a payload in output 1 only, found another in output {index}: this anchors nothing",
            )
    return decode_payload(script[len(_PAYLOAD_PUSH) :])


# Branches of a block's tree


def merkle_path(txids: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the siblings, from leaf to root, of the transaction at ``index`` in a block of these ``txids``.

    All hashes are 32 bytes in internal order. The last node of an odd level is its own sibling (Bitcoin Core,
    consensus/merkle.cpp). Raises MalformedError when there is no such transaction.
    """
    if not 0 <= index < len(txids):
        raise MalformedError(f"expected an index below {len(txids)}, found {index}")
    path = []
    for level in _levels(txids):
        path.append(level[min(index ^ 1, len(level) - 1)])
        index >>= 1
    return tuple(path[:-1])


def merkle_root(txids: Sequence[bytes]) -> bytes:
    """Return the root, 32 bytes in internal order, of the tree over a block's ``txids``, at least one.

    Raises MalformedError for no txids or for one that is not 32 bytes.
    """
    return _levels(txids)[-1][0]


def fold_branch(leaf: bytes, index: int, path: Sequence[bytes]) -> bytes:
    """Return the root to which ``path`` (siblings, leaf to root) leads from the txid ``leaf`` at ``index``.

    Bitcoin's tree neither tells leaves from inner nodes nor binds the number of leaves, so a path is refused
    that no honest block can have; each refusal is a VerificationError of its own Reason:

    - BRANCH_TOO_LONG, BRANCH_INDEX_OUT_OF_RANGE: more than 17 levels, or an index that they cannot reach.
    - BRANCH_INNER_NODE_IS_TRANSACTION: the 64 bytes of a pair are a transaction, whose second half could
      have been chosen by its author (CVE-2017-12842).
    - BRANCH_DUPLICATED_SIBLING: the left sibling equals our node, or the right one does although another node
      follows ours (CVE-2012-2459). A node is paired with itself only as the last of an odd level. It is then
      the last of every level above, so there, too, each pairing as the left node must be with itself; and a
      level of one node is the root, so node 0 is never paired with itself.

    Raises MalformedError for a hash that is not 32 bytes.
    """
    _check_branch(leaf, index, path)
    node, is_last = leaf, False
    for sibling in path:
        if index & 1:
            _check_left_sibling(node, sibling)
            pair = sibling + node
        else:
            is_last = _check_right_sibling(node, sibling, index, is_last=is_last)
            pair = node + sibling
        _check_inner_node(pair)
        node, index = sha256d(pair), index >> 1
    return node


# Coinbase


def check_coinbase(raw: bytes) -> int:
    """Return the height that a coinbase (without witness, at most 100,000 bytes) commits to.

    A coinbase has one input, which spends nothing (txid of zeros, vout ffffffff), and a script of 2 to 100
    bytes that begins with the height as Bitcoin Core pushes it: OP_0, OP_1 to OP_16, or the shortest
    little-endian number (BIP 34; validation.cpp, ContextualCheckBlock). Raises VerificationError with
    TRANSACTION_64_BYTES for 64 bytes, which an inner node of a tree could be, else with NOT_A_COINBASE.
    """
    _check_not_64_bytes(raw, "coinbase")
    try:
        coinbase = Transaction.decode(raw, MAX_COINBASE)
    except MalformedError as error:
        raise VerificationError(Reason.NOT_A_COINBASE, f"expected a coinbase: {error}") from error
    if len(coinbase.inputs) != 1 or coinbase.inputs[0].previous.encode() != _NULL_OUTPOINT:
        _fail(
            Reason.NOT_A_COINBASE,
            f"expected a coinbase, which has one input and spends nothing; found {len(coinbase.inputs)} "
            f"inputs, the first of which spends {coinbase.inputs[0].previous}",
        )
    return _pushed_height(coinbase.inputs[0].script)


# Networks


@dataclass(frozen=True)
class NetworkRules:
    """What a proof must know of a Bitcoin network.

    ``genesis_hash`` is 32 bytes in internal order, ``message_start`` the 4 bytes that begin its messages (all
    signets share a genesis block, so only these tell them apart), ``pow_limit`` the easiest target, and
    ``proof_of_work_note`` a sentence that says what proof of work is worth there.
    """

    name: str
    genesis_hash: bytes
    message_start: bytes
    pow_limit: int
    proof_of_work_note: str


# The anchor


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

    @cached_property
    def decoded_transaction(self) -> Transaction:
        """The transaction, read once; raises MalformedError or TooLargeError."""
        return Transaction.decode(self.transaction, MAX_TRANSACTION)

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
    _check_not_64_bytes(anchor.transaction, "transaction")
    if len(anchor.path) != len(anchor.coinbase_path):
        _fail(
            Reason.BRANCH_LENGTHS_DIFFER,
            "expected branches of one length, since all transactions of a block are equally deep; "
            f"found {len(anchor.path)} and, for the coinbase, {len(anchor.coinbase_path)}",
        )
    height = check_coinbase(anchor.coinbase)
    _check_root(fold_branch(sha256d(anchor.coinbase), 0, anchor.coinbase_path), root, Reason.COINBASE_BRANCH_WRONG)
    _check_root(fold_branch(transaction.txid, anchor.index, anchor.path), root, Reason.BRANCH_WRONG)
    if height != anchor.height:
        _fail(
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


# Steps of a branch


def _levels(txids: Sequence[bytes]) -> list[list[bytes]]:
    """Return the levels of a block's tree, from the txids to the root."""
    if not txids:
        raise MalformedError("expected at least one txid, since every block has a coinbase; found none")
    for txid in txids:
        _check_hash(txid, "a txid")
    levels = [list(txids)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        lefts, rights = below[::2], below[1::2]
        if len(below) % 2:
            rights.append(below[-1])
        levels.append([sha256d(left + right) for left, right in zip(lefts, rights, strict=True)])
    return levels


def _check_branch(leaf: bytes, index: int, path: Sequence[bytes]) -> None:
    if len(path) > MAX_BRANCH:
        _fail(Reason.BRANCH_TOO_LONG, f"expected a branch of at most {MAX_BRANCH} levels, found {len(path)}")
    if not 0 <= index < 1 << len(path):
        _fail(
            Reason.BRANCH_INDEX_OUT_OF_RANGE,
            f"expected an index below {1 << len(path)} for a branch of {len(path)} levels, found {index}",
        )
    for node in (leaf, *path):
        _check_hash(node, "a hash of a branch")


def _check_left_sibling(node: bytes, sibling: bytes) -> None:
    if sibling == node:
        _fail(
            Reason.BRANCH_DUPLICATED_SIBLING,
            f"expected a left sibling other than our node, found the same twice: {hash_hex(node)}",
        )


def _check_right_sibling(node: bytes, sibling: bytes, index: int, *, is_last: bool) -> bool:
    """Return whether our node is known to be the last of its level; ``is_last`` was known below it."""
    if sibling == node and index > 0:
        return True
    if sibling == node or is_last:
        _fail(
            Reason.BRANCH_DUPLICATED_SIBLING,
            f"expected node {index} of a level to be paired with itself only where none follows it, found "
            f"{hash_hex(node)} beside {hash_hex(sibling)}",
        )
    return False


def _check_inner_node(pair: bytes) -> None:
    """Refuse the 64 bytes of two siblings if they are also a transaction: one honest pair in 2^30 is."""
    try:
        Transaction.decode(pair, len(pair))
    except MalformedError:
        return
    _fail(
        Reason.BRANCH_INNER_NODE_IS_TRANSACTION,
        f"expected two hashes, found a transaction: {pair.hex()}; nothing below it was ever mined",
    )


def _check_not_64_bytes(raw: bytes, what: str) -> None:
    if len(raw) == 2 * HASH_SIZE:
        _fail(
            Reason.TRANSACTION_64_BYTES,
            f"expected a {what} that cannot be taken for two hashes of a tree, found one of 64 bytes",
        )


def _check_root(found: bytes, expected: bytes, reason: Reason) -> None:
    if found != expected:
        _fail(
            reason,
            f"expected the branch to lead to the header's root {hash_hex(expected)}, found {hash_hex(found)}",
        )


def _pushed_height(script: bytes) -> int:
    if not 2 <= len(script) <= 100:
        _fail(Reason.NOT_A_COINBASE, f"expected a coinbase script of 2 to 100 bytes, found {len(script)}")
    height = _first_number(script)
    if height is None or not script.startswith(_push_of_number(height)):
        _fail(
            Reason.NOT_A_COINBASE,
            f"expected a coinbase script that begins with the height (BIP 34), found {script[:6].hex()}",
        )
    return height


def _first_number(script: bytes) -> int | None:
    """Return the number that a script begins with, however it is pushed, or None."""
    first = script[0]
    if _OP_1 <= first < _OP_1 + 16:
        return first - _OP_1 + 1
    if first > _MAX_HEIGHT_BYTES:
        return None
    return int.from_bytes(script[1 : 1 + first], "little")


def _push_of_number(number: int) -> bytes:
    """Return a number from 0 as Bitcoin Core's ``CScript() << number`` writes it (script.h, push_int64)."""
    if number == 0:
        return b"\x00"
    if number <= 16:
        return bytes([_OP_1 + number - 1])
    length = number.bit_length() // 8 + 1  # the highest bit is a sign, so 128 takes two bytes
    return bytes([length]) + number.to_bytes(length, "little")


# Reading and small checks


def _read_body(reader: TransactionCursor, version: bytes) -> Transaction:
    inputs, outputs = _read_inputs(reader), _read_outputs(reader)
    return Transaction(_signed(version), inputs, outputs, reader.number(4, "the lock time"))


def _read_inputs(reader: TransactionCursor) -> tuple[TxInput, ...]:
    count = reader.count(_INPUT_MIN, "inputs")
    if count == 0:
        raise MalformedError("expected at least one input, found none: a witness must be stripped before")
    return tuple(
        TxInput(
            previous=OutPoint.decode(reader.take(36, "an outpoint")),
            script=reader.sized("an input's script"),
            sequence=reader.number(4, "a sequence"),
        )
        for _ in range(count)
    )


def _read_outputs(reader: TransactionCursor) -> tuple[TxOutput, ...]:
    count = reader.count(_OUTPUT_MIN, "outputs")
    return tuple(
        TxOutput(value_sat=reader.number(8, "a value"), script=reader.sized("an output's script")) for _ in range(count)
    )


def _skip_witness(reader: TransactionCursor) -> int:
    """Read past one input's witness and return how many elements it has."""
    count = reader.count(1, "witness elements")
    for _ in range(count):
        reader.sized("a witness element")
    return count


def _signed(four: bytes) -> int:
    return int.from_bytes(four, "little", signed=True)


def _check_hash(value: bytes, what: str) -> None:
    if len(value) != HASH_SIZE:
        raise MalformedError(f"expected {what} of {HASH_SIZE} bytes, found {len(value)}")


def _check_range(value: int, least: int, most: int, what: str) -> None:
    if not least <= value <= most:
        raise MalformedError(f"expected {what} from {least} to {most}, found {value}")


def _fail(reason: Reason, message: str) -> NoReturn:
    raise VerificationError(reason, message)


def _rules(name: str, genesis: str, message_start: str, limit_bits: int, note: str) -> NetworkRules:
    limit = target_from_bits(limit_bits)
    return NetworkRules(name, hash_from_hex(genesis), bytes.fromhex(message_start), limit, note)


# Stands last because it is made by the functions above. From Bitcoin Core, kernel/chainparams.cpp; a limit is
# the target of the easiest ``bits``: no others lie between it and the full limit that is written there.
_ALL_RULES = (
    _rules(
        "mainnet",
        "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
        "f9beb4d9",
        0x1D00FFFF,
        "Proof of work on mainnet is real: if its target is the one that the chain demanded, a block costs "
        "what all Bitcoin miners together spend in about ten minutes.",
    ),
    _rules(
        "testnet3",
        "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
        "0b110907",
        0x1D00FFFF,
        "Proof of work on testnet3 is worth little: its coins have no value, and anyone with one computer "
        "can make a block of the lowest difficulty.",
    ),
    _rules(
        "testnet4",
        "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
        "1c163f28",
        0x1D00FFFF,
        "Proof of work on testnet4 is worth little: its coins have no value, and anyone with one computer "
        "can make a block of the lowest difficulty.",
    ),
    _rules(
        "signet",
        "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
        # The default signet's: sha256d of its block challenge with the length in front, 4 bytes (BIP 325).
        "0a03cf40",
        0x1E0377AE,
        "Proof of work on signet is trivial: a few key holders sign its blocks, and no header shows their signature.",
    ),
    _rules(
        "regtest",
        "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
        "fabfb5da",
        0x207FFFFF,
        "Proof of work on regtest is worth nothing: anyone makes any number of blocks in no time, on a chain "
        "of their own.",
    ),
)

NETWORKS: Mapping[str, NetworkRules] = MappingProxyType({rules.name: rules for rules in _ALL_RULES})

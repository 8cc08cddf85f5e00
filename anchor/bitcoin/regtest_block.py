"""A regtest block, made from nothing: coinbase, witness commitment, header, and a nonce that fits; pure.

The parent, the time and the transactions come from ``local``, which has checked them. ``local`` stores the
bytes and hands them to libbitcoinkernel, which checks everything here by consensus.
"""

from collections.abc import Sequence

from anchor.bitcoin.mempool import Pooled
from anchor.proof.bitcoin.branch import merkle_root
from anchor.proof.bitcoin.hashes import sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.bitcoin.work import target_from_bits

# Bitcoin Core, kernel/chainparams.cpp, CRegTestParams: every block has the easiest target, and the subsidy halves
# every 150 blocks.
BITS = 0x207FFFFF
_HALVING = 150
_SUBSIDY_SAT = 50 * 100_000_000
_VERSION = 0x20000000  # BIP 9: no soft fork signalled
_NULL = OutPoint(bytes(32), 0xFFFFFFFF)
_WITNESS_RESERVED = bytes(32)
_COMMITMENT_START = bytes.fromhex("6a24aa21a9ed")  # BIP 141, commitment structure


def assemble(
    parent_hash: bytes,
    height: int,
    time_s: int,
    script: bytes,
    serial: int,
    pooled: Sequence[Pooled],
    *,
    bits: int = BITS,
) -> bytes:
    """Return a whole block (BIP 144 serialisation) on ``parent_hash`` (32 bytes, internal order).

    The coinbase pays subsidy and fees to ``script``. ``serial`` (u32) makes its txid unlike that of every
    other block, also of one at the same height. ``bits`` is the compact target that its hash must reach: about two
    nonces are tried for regtest's.
    """
    coinbase = _coinbase(height, script, serial, pooled)
    txids = [coinbase.txid, *(each.signed.txid for each in pooled)]
    header = _mined(parent_hash, merkle_root(txids), time_s, bits)
    raws = [_with_reserved_witness(coinbase), *(each.signed.raw for each in pooled)]
    return header.encode() + _compact_size(len(raws)) + b"".join(raws)


def _coinbase(height: int, script: bytes, serial: int, pooled: Sequence[Pooled]) -> Transaction:
    value_sat = (_SUBSIDY_SAT >> (height // _HALVING)) + sum(each.fee_sat for each in pooled)
    wtxids = [bytes(32), *(each.signed.wtxid for each in pooled)]
    commitment = sha256d(merkle_root(wtxids) + _WITNESS_RESERVED)
    return Transaction(
        version=2,
        inputs=(TxInput(_NULL, _push_number(height) + b"\x04" + serial.to_bytes(4, "little"), 0xFFFFFFFF),),
        outputs=(TxOutput(value_sat, script), TxOutput(0, _COMMITMENT_START + commitment)),
        lock_time=0,
    )


def _mined(parent_hash: bytes, root: bytes, time_s: int, bits: int) -> Header:
    target = target_from_bits(bits)
    nonce = 0
    while True:
        header = Header(_VERSION, parent_hash, root, time_s, bits, nonce)
        if int.from_bytes(header.hash, "little") <= target:
            return header
        nonce += 1


def _push_number(height: int) -> bytes:
    """Return a height above zero as BIP 34 wants it: OP_1 to OP_16, or the shortest signed little-endian push."""
    if height <= 16:
        return bytes([0x50 + height])
    length = height.bit_length() // 8 + 1
    return bytes([length]) + height.to_bytes(length, "little")


def _with_reserved_witness(coinbase: Transaction) -> bytes:
    """Return the coinbase with its witness: one element, the 32 reserved bytes of the commitment (BIP 141)."""
    body = coinbase.encode()
    return body[:4] + b"\x00\x01" + body[4:-4] + b"\x01\x20" + _WITNESS_RESERVED + body[-4:]


def _compact_size(count: int) -> bytes:
    return bytes([count]) if count < 0xFD else b"\xfd" + count.to_bytes(2, "little")

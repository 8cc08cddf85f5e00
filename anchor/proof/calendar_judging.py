# SPDX-License-Identifier: Apache-2.0
"""The judgement of calendars' attestations: whether a .ots file leads from a checkpoint to a block that one believes.

Anchors come from a receipt, blocks from the views that the verifier brings; ``steps_beside`` makes step 15 of both.
"""

from collections.abc import Callable

from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS, NetworkRules
from anchor.proof.bitcoin.work import check_work
from anchor.proof.blocks import KnownBlock
from anchor.proof.calendar import AttestedBlock, CalendarAnchor, JudgedCalendar
from anchor.proof.errors import MalformedError, Reason, VerificationError

# SHA-1 is left out: whoever chooses both messages can make two with one result (Leurent and Peyrin, 2020).
_BELIEVED = frozenset(
    operation.tag for operation in (ots.SHA256, ots.append(b"\0"), ots.prepend(b"\0"), ots.REVERSE, ots.HEXLIFY)
)

Known = Callable[[NetworkRules, int], tuple[KnownBlock | None, str]]
"""(network, height) -> the block that the verifier knows there, or None, and whose word that is."""


def judge_calendar(anchor: CalendarAnchor, imprint: Callable[[], bytes], known: Known, depth: int) -> JudgedCalendar:
    """Judge one anchor over the checkpoint's ``imprint`` (32 bytes); never raises for anything that a receipt can hold.

    In order: the file's form and digest, its operations, the network, the header's Merkle root and work, the block that
    the verifier knows, its depth (docs/spec/receipt.md).
    """
    try:
        return _judged(anchor, imprint(), known, depth)
    except ots.NotExecutableError as error:
        return JudgedCalendar(anchor.network, unchecked=str(error))
    except (VerificationError, MalformedError) as error:
        return JudgedCalendar(anchor.network, error=error)


def attested_root(file: bytes, imprint: bytes) -> tuple[int, bytes]:
    """Return the height of the block that a .ots file over ``imprint`` names, and the Merkle root it must have.

    Raises MalformedError for another form, VerificationError(ATTESTATION_MISMATCH) for a file over something else,
    NotExecutableError for operations that nothing may rest on.
    """
    detached = ots.DetachedFile.decode(file)
    if len(detached.timestamp.paths) != 1:
        raise MalformedError(f"expected a .ots file with one attestation, found {len(detached.timestamp.paths)}")
    if detached.hash_operation != ots.SHA256 or detached.digest != imprint:
        raise VerificationError(
            Reason.ATTESTATION_MISMATCH,
            f"the .ots file is over {detached.digest.hex()}, expected the checkpoint's imprint {imprint.hex()}",
        )
    (path,) = detached.timestamp.paths
    if not isinstance(path.attestation, ots.BitcoinAttestation):
        raise MalformedError(f"expected a .ots file that ends in a Bitcoin attestation, found {path.attestation}")
    for operation in path.operations:
        if operation.tag not in _BELIEVED:
            raise ots.NotExecutableError(f"nothing may rest on {operation.name}, which is on the way to the block")
    root = ots.execute(path.operations, imprint)
    if len(root) != 32:
        raise MalformedError(f"expected operations that end in a Merkle root of 32 bytes, found {len(root)} bytes")
    return path.attestation.height, root


def check_attested_header(height: int, root: bytes, raw: bytes, rules: NetworkRules) -> Header:
    """Return the header if ``root`` is its Merkle root and its work is done; else raise VerificationError."""
    header = Header.decode(raw)
    if header.merkle_root != root:
        raise VerificationError(
            Reason.ATTESTATION_MISMATCH,
            f"the .ots file leads to the Merkle root {root.hex()}, block {height} of {rules.name} as shown has "
            f"{header.merkle_root.hex()} (internal order)",
        )
    check_work(header, rules.pow_limit)
    return header


def _judged(anchor: CalendarAnchor, imprint: bytes, known: Known, depth: int) -> JudgedCalendar:
    height, root = attested_root(anchor.ots, imprint)
    rules = NETWORKS.get(anchor.network)
    if rules is None:
        return JudgedCalendar(anchor.network, unchecked=f"network {anchor.network!r} is unknown to this version")
    where = f"block {height} of {rules.name}"
    if anchor.header is None:
        return JudgedCalendar(
            anchor.network, unchecked=f"{where} is said to attest the checkpoint, and its header is not in the receipt"
        )
    header = check_attested_header(height, root, anchor.header, rules)
    found, believed = known(rules, height)
    if found is None:
        return JudgedCalendar(
            anchor.network,
            unchecked=f"{where}: the header attests the checkpoint and has its work, but nobody was asked whether it "
            "is on the best chain",
        )
    if found.hash != header.hash:
        raise VerificationError(
            Reason.BLOCK_MISMATCH,
            f"expected {where} to be {hash_hex(found.hash)}, found {hash_hex(header.hash)}",
        )
    block = AttestedBlock(rules, height, header, found.confirmations, believed)
    if found.is_shallow(depth):
        return JudgedCalendar(anchor.network, unchecked=f"{block.name}: not deep enough yet, {depth} are wanted")
    return JudgedCalendar(anchor.network, block=block)

"""Ranges of promises: signatures and roots of group commits, and what stands at the promised places.

Input is a ``PromiseRange`` and the file of hashes that ``chains.archive.entries`` wrote.
"""

import mmap
import re
from collections.abc import Sequence
from struct import pack

from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.proof.archive_files import FAULTS, PROMISES
from anchor.proof.archive_lines import GroupCommit, not_as_promised
from anchor.proof.codec import HASH_SIZE
from anchor.proof.promise import LEAF, LEAF_SIZE, LEAF_TYPE, PromiseLeaf, PromiseNote
from anchor.signing import check_signature
from chains.archive.found import Found
from chains.archive.ranges import Bench, PromiseRange

# A line as an export writes it, up to its leaves, each of which is as long as the others.
_COMMIT = re.compile(rb'\{"note":"([0-9a-f]*)","signature":"([0-9a-f]{128})","leaves":\["')
_BETWEEN, _END = b'","', b'"]}'


def check_promises(bench: Bench, part: PromiseRange) -> Found:
    """Check signatures and roots of group commits, and that each promised entry is at its place."""
    found = Found()
    with bench.hashes.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as hashes:
        for at, line in bench.files.lines_between(PROMISES, part.start, part.end):
            where = f"{PROMISES}, byte {at}"
            try:
                _check_promise(bench, where, line, hashes, found)
            except FAULTS as error:
                found.faults.append(str(error) if str(error).startswith(where) else f"{where}: {error}")
    return found


def _check_promise(bench: Bench, where: str, line: bytes, hashes: mmap.mmap, found: Found) -> None:
    commit, flat = _as_written(line) or (GroupCommit.decode(line), b"")
    commit.check_signature(where, bench.log_id, bench.promise_keys, check_signature)
    if not flat:
        leaves: Sequence[bytes] = commit.decoded_leaves()
        commit.check_root(where, HASHING.root(HASHING.leaves(leaves)))
    else:
        leaves = Pieces.cut(flat, LEAF_SIZE)
        commit.check_root(where, HASHING.root(HASHING.rows(b"\x00", leaves)))
        if _are_in_place(bench, flat, hashes):
            found.promised += len(leaves)
            return
    for raw in leaves:
        leaf = PromiseLeaf.decode(raw)
        before, size = bench.places.get(leaf.chain_id, (0, 0))
        at = (before + leaf.leaf_index) * HASH_SIZE
        if leaf.leaf_index >= size or hashes[at : at + HASH_SIZE] != leaf.entry_hash:
            found.faults.append(f"{where}: {not_as_promised(leaf.chain_id, leaf.leaf_index)}")
        else:
            found.promised += 1


def _as_written(line: bytes) -> tuple[GroupCommit, bytes] | None:
    """Read a line, and return its leaves in one buffer too; None unless it is as an export writes it."""
    start = _COMMIT.match(line)
    if start is None or not line.endswith(_END):
        return None
    leaves = line[start.end() : -len(_END)].split(_BETWEEN)
    text = b"".join(leaves)
    try:
        note, signature, flat = (bytes.fromhex(each.decode()) for each in (start[1], start[2], text))
    except ValueError:
        return None
    if set(map(len, leaves)) != {2 * LEAF_SIZE} or flat.hex().encode() != text:
        return None
    return GroupCommit(PromiseNote.decode(note), signature, leaves), flat


def _are_in_place(bench: Bench, flat: bytes, hashes: mmap.mmap) -> bool:
    """Say whether these leaves are consecutive entries of one chain, and all there; others are looked at one by one."""
    _, chain_id, first, _, _ = LEAF.unpack_from(flat)
    count = len(flat) // LEAF_SIZE
    before, size = bench.places.get(chain_id, (0, 0))
    if first + count > size:
        return False
    indexes = pack(f">{count}Q", *range(first, first + count))
    there = hashes[(before + first) * HASH_SIZE : (before + first + count) * HASH_SIZE]
    # Column by column of bytes: the same byte in all leaves, then indexes and hashes; who handed in may be anybody.
    wanted = [
        *(bytes((byte,)) * count for byte in (LEAF_TYPE, *chain_id)),
        *(indexes[byte::8] for byte in range(8)),
        *(there[byte::HASH_SIZE] for byte in range(HASH_SIZE)),
    ]
    return all(flat[place::LEAF_SIZE] == column for place, column in enumerate(wanted))

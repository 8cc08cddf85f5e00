"""The answers to single entries that one group commit wrote: each with its promise, made as text in one pass.

``chains.web.writing`` has the commit done, on its thread; the bodies leave as they are, by an operation
(``api_writing``) or by a shortcut. They are what ``schemas.Written`` describes, letter by letter as msgspec writes it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from anchor.hashing.pieces import Pieces
from anchor.proof.promise import FORMAT, Promise
from chains.together import Answer
from chains.web.problems import ProblemError
from chains.web.schemas import PromiseModel, Written
from chains.work import Accepted, AcceptedRun, Done, Outcome, Promised

_HEX = 64


class EntryWritten(NamedTuple):
    """An entry that is on disk: its hash in hex, and the body of the answer in JSON."""

    entry_hash: str
    body: bytes


def written_each(answer: Answer, count: int) -> Sequence[EntryWritten | BaseException]:
    """Return the answer to each of so many contents that were committed as one piece of work."""
    if not isinstance(answer, Done):
        return [answer] * count
    if isinstance(answer.outcomes, AcceptedRun) and answer.promised is not None:
        return _run(answer, answer.outcomes, answer.promised)
    return [_one(answer, outcome) for outcome in answer.outcomes]


def written_of(done: Done, accepted: Accepted, promise: Promise | None) -> EntryWritten:
    """Return the answer to one entry of any kind, with the promise that was made for it."""
    entry_hash = accepted.entry_hash.hex()
    written = Written(
        chain_id=done.chain.chain_id.hex(),
        entry_hash=entry_hash,
        leaf_index=accepted.leaf_index,
        repeated=accepted.repeated,
        promise=None if promise is None else PromiseModel(**promise.to_json()),
    )
    return EntryWritten(entry_hash, msgspec.json.encode(written) + b"\n")


def _one(done: Done, outcome: Outcome) -> EntryWritten | ProblemError:
    if not isinstance(outcome, Accepted):
        return ProblemError(outcome.code, outcome.detail)
    assert done.promised is not None, "what was made here was never there before"
    return written_of(done, outcome, done.promised.promise(done.leaf(outcome), outcome.seq))


def _run(done: Done, run: AcceptedRun, promised: Promised) -> list[EntryWritten]:
    """Return the answers to consecutive entries: what they have in common is written once."""
    first = run[0]
    chain_id = done.chain.chain_id.hex()
    # A promise leaf is type and chain, index and hash, submitter (docs/spec/promise.md).
    leaf = done.leaf(first).encode().hex()
    before, after = leaf[: 2 + _HEX], leaf[2 + _HEX + 16 + _HEX :]
    signed = (
        f'"note":"{promised.note.encode().hex()}","key_id":"{promised.key_id.hex()}",'
        f'"signature":"{promised.signature.hex()}"'
    )
    opening = f'{{"chain_id":"{chain_id}","entry_hash":"'
    promise = f'"promise":{{"format":"{FORMAT}",{signed},"leaf":"{before}'
    hexes, start = run.hashes.flat.hex(), first.leaf_index
    place = first.seq - promised.first_seq
    written = []
    for number, path in enumerate(_paths(promised.levels, place, len(run))):
        entry_hash = hexes[number * _HEX : number * _HEX + _HEX]
        index = start + number
        body = (
            f'{opening}{entry_hash}","leaf_index":{index},{promise}{index:016x}{entry_hash}{after}",'
            f'"index":{place + number},"path":[{path}]}}}}\n'
        )
        written.append(EntryWritten(entry_hash, body.encode()))
    return written


def _paths(levels: Sequence[Pieces], start: int, count: int) -> list[str]:
    """Return the paths of consecutive leaves, hashes in hex between commas, from leaf to root.

    From the root down: the path of a node is its sibling, if it has one, and then the path of the node above it.
    """
    above, above_start = [""], 0
    for height in range(len(levels) - 2, -1, -1):
        size = len(levels[height])
        first, last = start >> height, (start + count - 1) >> height
        low = first & ~1
        hexes = levels[height][low : last + 2].flat.hex()
        paths = []
        for node in range(first, last + 1):
            higher = above[(node >> 1) - above_start]
            sibling = node ^ 1
            if sibling < size:
                at = (sibling - low) * _HEX
                higher = f'"{hexes[at : at + _HEX]}",{higher}' if higher else f'"{hexes[at : at + _HEX]}"'
            paths.append(higher)
        above, above_start = paths, first
    return above

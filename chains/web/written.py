"""The answers to single entries that one group commit wrote: each with its promise, made as text in one pass.

``chains.web.writing`` has the commit done, on its thread; the answers leave as they are by a shortcut, or in parts by
an operation (``api_writing``). Bodies are what ``schemas.Written`` describes, letter by letter as msgspec writes it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from anchor.hashing.chosen import HASHING
from anchor.hashing.texts import Field, Leaves, Template
from anchor.proof.promise import FORMAT, Promise
from chains.together import Answer as Committed
from chains.web.asgi import JSON, Answer, whole_of
from chains.web.problems import ProblemError, problem_of_refused
from chains.web.schemas import PromiseModel, Written
from chains.work import Accepted, AcceptedRun, Done, Outcome, Promised

_HEX = 64
_HEAD_END = b"\r\n\r\n"
_BEFORE_CHAIN, _BEFORE_HASH = '{"chain_id":"', '","entry_hash":"'
_HASH_AT = len(_BEFORE_CHAIN) + _HEX + len(_BEFORE_HASH)


class EntryWritten(NamedTuple):
    """An entry that is on disk: its hash in hex, and the body of the answer in JSON."""

    entry_hash: str
    body: bytes

    @classmethod
    def of_whole(cls, whole: bytes) -> "EntryWritten":
        """Take one of the answers of ``written_each`` apart."""
        body = whole.partition(_HEAD_END)[2]
        return cls(body[_HASH_AT : _HASH_AT + _HEX].decode(), body)


def created(written: EntryWritten) -> Answer:
    """Return the answer to a content that is now an entry."""
    return Answer(201, written.body, JSON, ((b"location", b"/v1/entries/" + written.entry_hash.encode()),))


def _head() -> list[bytes | Field]:
    """Return the head of such an answer, with fields for the hash and for the body's length."""
    head = whole_of(created(EntryWritten("%h", b""))).replace(b"content-length: 0", b"content-length: %n")
    fields = {b"%h": Field.HASH, b"%n": Field.BODY_SIZE}
    return [fields.get(part, part) for part in re.split(b"(%[hn])", head)]


_HEAD = _head()


def written_each(answer: Committed, count: int) -> Sequence[bytes | BaseException]:
    """Return what each of so many contents is told that were committed as one: a whole answer of HTTP, or why not."""
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


def _one(done: Done, outcome: Outcome) -> bytes | ProblemError:
    if not isinstance(outcome, Accepted):
        return problem_of_refused(outcome)
    assert done.promised is not None, "what was made here was never there before"
    return whole_of(created(written_of(done, outcome, done.promised.promise(done.leaf(outcome), outcome.seq))))


def _run(done: Done, run: AcceptedRun, promised: Promised) -> list[bytes]:
    """Return the answers to consecutive entries: what they have in common is written once."""
    first = run[0]
    # A promise leaf is type and chain, index and hash, submitter (docs/spec/promise.md).
    leaf = done.leaf(first).encode().hex()
    before, after = leaf[: 2 + _HEX], leaf[2 + _HEX + 16 + _HEX :]
    signed = (
        f'"note":"{promised.note.encode().hex()}","key_id":"{promised.key_id.hex()}",'
        f'"signature":"{promised.signature.hex()}"'
    )
    body = (
        (f"{_BEFORE_CHAIN}{done.chain.chain_id.hex()}{_BEFORE_HASH}", Field.HASH, '","leaf_index":', Field.INDEX),
        (f',"promise":{{"format":"{FORMAT}",{signed},"leaf":"{before}', Field.INDEX_HEX, Field.HASH),
        (f'{after}","index":', Field.PLACE, ',"path":[', Field.PATH, "]}}\n"),
    )
    parts = [part.encode() if isinstance(part, str) else part for line in body for part in line]
    leaves = Leaves(run.hashes, first.leaf_index, promised.levels, first.seq - promised.first_seq)
    return HASHING.leaf_texts(Template.of(*_HEAD, Field.BODY, *parts), leaves)

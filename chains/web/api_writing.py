"""Operations that write: one entry, a batch, a new chain. Answers leave when everything is on disk.

They run in the event loop; what takes longer (reading a batch, checking signatures) runs on a thread of its own, and
``chains.web.writing`` commits. ``chains.web.api`` has them in its table.
"""

import asyncio
import os
from collections.abc import Sequence
from functools import partial

import msgspec

from anchor.hashing.chosen import HASHING
from anchor.hashing.texts import Field, Leaves, Template
from anchor.proof.entry import ExternalId, IdKind, chain_id_of
from anchor.proof.promise import Promise
from chains.access import Visibility
from chains.idempotency import RequestKey
from chains.web.answers import json_of
from chains.web.asgi import JSON, Answer, Header, media_type_of
from chains.web.items import (
    Handed,
    Linked,
    batch_of,
    check_signed,
    external_ids_of,
    external_ids_of_header,
    links_of_header,
    signer_of,
    submission_of,
    submitted,
    taken,
    unpacked,
)
from chains.web.limits import AT_ONCE_BYTES, BATCH_BYTES, SMALL_BYTES, base64_bytes, submission_bytes
from chains.web.operations import Body, Operation, ReadBody, Shape
from chains.web.parameters import CHAIN, EXTERNAL_ID, IDEMPOTENCY_KEY, KEEP, LINK
from chains.web.posted import Admission
from chains.web.problems import KINDS, ProblemError, problem_of_refused
from chains.web.requests import Request
from chains.web.schemas import (
    BatchWritten,
    Item,
    NewChain,
    PromiseRunModel,
    Result,
    SubmissionModel,
    Written,
)
from chains.web.service import Service
from chains.web.written import created, written_of
from chains.work import (
    Accepted,
    AcceptedRun,
    Content,
    ContentsAlike,
    Done,
    Opening,
    Outcome,
    Refused,
    SubmissionsAlike,
    Work,
)

SUBMISSION = "application/vnd.anchorline.submission+json"
NDJSON = "application/x-ndjson"
_REPLAYED = (b"idempotency-replayed", b"true")


async def post_entry(service: Service, request: Request, read: ReadBody) -> Answer:
    """Record one entry: the body as it is, or an entry that the client made."""
    admission = await service.writing.admit(request)
    chain = admission.chain
    assert chain is not None
    content_type = request.header(b"content-type")
    is_submission = media_type_of(content_type) == SUBMISSION
    most = service.limits.content_bytes
    body = await read(submission_bytes(most) if is_submission else most)
    item = submission_of(body) if is_submission else _content_of(request, chain.chain_id, body, content_type)
    if isinstance(item, Refused):
        raise problem_of_refused(item)
    key = _request_key(request, admission, body)
    if isinstance(item, Content) and key is None:
        return created(await service.writing.commit_content(admission, item))
    service.writing.check_room(admission, 1)
    work = service.writing.writer.prepare(chain, [item], admission.submitter, key)
    return await _one_answer(service, await service.writing.commit(admission, work))


async def post_batch(service: Service, request: Request, read: ReadBody) -> Answer:
    """Record many entries as one; each has its own result."""
    admission = await service.writing.admit(request)
    chain = admission.chain
    assert chain is not None
    media_type = media_type_of(request.header(b"content-type"))
    if media_type not in {NDJSON, JSON}:
        raise ProblemError("media-type-unsupported", f"expected {NDJSON} or {JSON}, got {media_type[:80]!r}")
    body, coding = await read(service.batch_bytes), request.header(b"content-encoding")
    key = _request_key(request, admission, body)

    writer, loop = service.writing.writer, asyncio.get_running_loop()

    def contents() -> Work | tuple[list[Handed] | SubmissionsAlike, bytes | None]:
        plain = unpacked(body, coding, service.batch_bytes)
        signed, plain = signer_of(plain, is_lines=media_type == NDJSON)
        items = batch_of(plain, chain.chain_id, is_lines=media_type == NDJSON)
        if signed is not None:
            check_signed(items)
        return writer.prepare(chain, items, *named) if isinstance(items, ContentsAlike) else (items, signed)

    named = admission.submitter, key
    is_at_once = coding is None and len(body) <= AT_ONCE_BYTES
    prepared = contents() if is_at_once else await loop.run_in_executor(service.preparing, contents)
    if not isinstance(prepared, Work):
        items, signed = prepared
        # What may be signed is checked behind the quota, which counts also what is refused.
        service.writing.check_room(admission, len(items))
        checked = partial(writer.prepare, chain, items, *named, service.checking, signed)
        prepared = await loop.run_in_executor(service.judging, checked)
    done = await service.writing.commit(admission, prepared)
    return json_of(_batch(done), *_replay_header(done))


async def post_chain(service: Service, request: Request, read: ReadBody) -> Answer:
    """Open a chain with its first entry."""
    admission = await service.writing.admit(request)
    most = service.limits.content_bytes
    body = await read(base64_bytes(most) + submission_bytes(most))
    wanted = taken(NewChain, body)
    key = _request_key(request, admission, body)
    chain_id, item = _first_entry(wanted)
    opening = Opening(chain_id, _stored_name(admission, wanted.name))
    work = service.writing.writer.prepare(opening, [item], admission.submitter, key)
    for refused in work.refused.values():
        raise problem_of_refused(refused)
    done = await service.writing.commit(admission, work, Visibility(wanted.visibility))
    return await _one_answer(service, done, is_chain=True)


def _content_of(request: Request, chain_id: bytes, body: bytes, content_type: bytes | None) -> Handed:
    """Return the content of a body, or where links come with it an entry over it."""
    if request.header(b"content-encoding") not in {None, b"identity"}:
        raise ProblemError("media-type-unsupported", "content is recorded as it comes: expected no Content-Encoding")
    ids = external_ids_of_header(request.all_headers(b"anchorline-external-id"))
    media_type = (content_type or b"").decode("latin-1")
    content = Content(body, media_type, ids, keep=request.arguments.get("Anchorline-Keep") != "digest")
    links = request.all_headers(b"anchorline-link")
    return content if links is None else Linked(content, links_of_header(links)).of(chain_id)


def _first_entry(wanted: NewChain) -> tuple[bytes, Handed]:
    """Return the id of a new chain, and its first entry; without ids it gets 32 random bytes, which nobody guesses."""
    if wanted.first_entry is not None:
        if wanted.external_ids or wanted.content or wanted.media_type:
            raise ProblemError("body-malformed", "first_entry has its own ids and content: expected it alone")
        found = wanted.first_entry
        # Its chain id stands behind the version; whether its ids give it is the writer's to check.
        return found.entry[1:33], submitted(found)
    ids = external_ids_of(wanted.external_ids) or (ExternalId(IdKind.KEYED, os.urandom(32)),)
    return chain_id_of(ids), Content(wanted.content, wanted.media_type, ids)


def _stored_name(admission: Admission, name: str | None) -> str | None:
    """Return the name under which a chain is stored: an organisation's names are its own, and tell others nothing."""
    organisation = admission.actor.organisation
    return name if name is None or organisation is None else f"{organisation}/{name}"


def _request_key(request: Request, admission: Admission, body: bytes) -> RequestKey | None:
    """Return the name of a request, over all that makes it this one."""
    named = request.arguments.get("Idempotency-Key")
    if named is None:
        return None
    told = [request.header(name) or b"" for name in (b"content-type", b"content-encoding")]
    told += [
        request.all_headers(b"anchorline-external-id") or b"",
        request.arguments.get("Anchorline-Keep", "").encode(),
        *([] if (links := request.all_headers(b"anchorline-link")) is None else [links]),
    ]
    chain_id = b"" if admission.chain is None else admission.chain.chain_id
    return RequestKey.of(admission.account, named.encode(), request.method.encode(), chain_id, *told, body)


def _replay_header(done: Done) -> tuple[Header, ...]:
    return (_REPLAYED,) if done.is_replayed else ()


async def _one_answer(service: Service, done: Done, *, is_chain: bool = False) -> Answer:
    """Return the answer to a request of one entry: 201, or 200 where it was there before, with its promise."""
    (outcome,) = done.outcomes
    if isinstance(outcome, Refused):
        raise problem_of_refused(outcome)
    written = written_of(done, outcome, await _promise(service, done, outcome))
    where = f"/v1/chains/{done.chain.chain_id.hex()}" if is_chain else f"/v1/entries/{written.entry_hash}"
    headers = (b"location", where.encode()), *_replay_header(done)
    return Answer(200 if outcome.repeated else 201, written.body, JSON, headers)


async def _promise(service: Service, done: Done, accepted: Accepted) -> Promise | None:
    """Return the promise of an entry: of this commit, or the one that was made when it was new."""
    if done.promised is not None and done.promised.covers(accepted):
        return done.promised.promise(done.leaf(accepted), accepted.seq)
    return await service.rooms.ask(lambda room: room.receipts.promise(room.reader.row(accepted.seq)))


def _batch(done: Done) -> BatchWritten:
    """Return a result for each item, and the promise over what this request wrote."""
    new: Sequence[Outcome] = done.outcomes
    if not isinstance(new, AcceptedRun):
        new = [item for item in new if isinstance(item, Accepted) and not item.repeated]
    run = None
    if new and done.promised is not None:
        first = new[0]
        assert isinstance(first, Accepted)
        run = done.promised.run(first.seq, len(new)).to_json()
    return BatchWritten(
        chain_id=done.chain.chain_id.hex(),
        submitter=done.submitter.hex(),
        results=_results(done.outcomes),
        promise=None if run is None else PromiseRunModel(**run),
    )


# An entry that was written, and a comma.
_WHOLE_RESULT = Template.of(b'{"status":201,"entry_hash":"', Field.HASH, b'","leaf_index":', Field.INDEX, b"},")


def _results(outcomes: Sequence[Outcome]) -> list[Result] | msgspec.Raw:
    """Return the results; those of a batch that was written whole are encoded at once."""
    if not isinstance(outcomes, AcceptedRun):
        return [_result(item) for item in outcomes]
    leaves = Leaves(outcomes.hashes, outcomes.first_index, [outcomes.hashes], 0)
    return msgspec.Raw(b"[%b]" % HASHING.joined_texts(_WHOLE_RESULT, leaves)[:-1])


def _result(item: Outcome) -> Result:
    if isinstance(item, Refused):
        return Result(status=KINDS[item.code].status, code=item.code, detail=item.detail, rule=item.rule or None)
    return Result(status=200 if item.repeated else 201, entry_hash=item.entry_hash.hex(), leaf_index=item.leaf_index)


_PROBLEMS = (
    *("key-refused", "key-required", "not-allowed", "not-found", "too-slow", "body-too-large", "request-key-reused"),
    *("quota-exceeded", "overloaded", "clock-wrong"),
)
_ENTRY = (
    *("chain-closed", "content-too-large", "entry-refused", "entry-malformed", "entry-too-large", "entry-too-late"),
    *(
        "entry-version-unknown",
        "author-signature-wrong",
        "author-key-not-valid",
        "policy-not-followed",
        "body-malformed",
        "media-type-unsupported",
    ),
)
_WRITTEN = {
    201: Shape("Written, and on disk", {JSON: Written}, ("Location", "Idempotency-Replayed")),
    200: Shape("It was there before", {JSON: Written}, ("Location", "Idempotency-Replayed")),
}
GROUP = "Writing"
POST_ENTRY = Operation(
    "postEntry",
    "POST",
    "/v1/chains/{chain}/entries",
    "Record one entry",
    GROUP,
    _WRITTEN,
    (*_PROBLEMS, *_ENTRY),
    parameters=(CHAIN, IDEMPOTENCY_KEY, EXTERNAL_ID, LINK, KEEP),
    body=Body(
        {"*/*": bytes, SUBMISSION: SubmissionModel},
        SMALL_BYTES,
        "The content as it is, under its own Content-Type; or an entry that the client made",
    ),
    run_async=post_entry,
    needs_key=True,
)
OPERATIONS = (
    POST_ENTRY,
    Operation(
        "postBatch",
        "POST",
        "/v1/chains/{chain}/batch",
        "Record many entries with one request",
        GROUP,
        {200: Shape("A result for each item", {JSON: BatchWritten}, ("Idempotency-Replayed",))},
        (*_PROBLEMS, "body-malformed", "media-type-unsupported"),
        parameters=(CHAIN, IDEMPOTENCY_KEY),
        body=Body({NDJSON: Item, JSON: list[Item]}, BATCH_BYTES, "Items, one a line or in an array", takes_gzip=True),
        run_async=post_batch,
        needs_key=True,
    ),
    Operation(
        "postChain",
        "POST",
        "/v1/chains",
        "Open a chain",
        GROUP,
        _WRITTEN,
        (*_PROBLEMS, *_ENTRY, "chain-exists"),
        parameters=(IDEMPOTENCY_KEY,),
        body=Body({JSON: NewChain}, SMALL_BYTES, "The chain's ids, its first entry, and who may read it"),
        run_async=post_chain,
        needs_key=True,
    ),
)

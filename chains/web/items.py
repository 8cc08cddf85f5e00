"""Bodies in JSON, and those that clients write with as what the writer takes: one entry, a batch of them.

Bytes come from the operations that take some; of a batch, an item that cannot be read is refused alone, in its place.
"""

import os
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

import msgspec

from anchor.bitcoin import content_coding
from anchor.proof.entry import NO_AUTHOR, SIGNED_SIZE, ExternalId, IdKind, Link, Relation
from anchor.proof.errors import AnchorlineError, MalformedError, TooLargeError
from chains.client.own_entry import Form, Sent, make_entry
from chains.web.limits import BATCH_ENTRIES, MOST_EXPANSION
from chains.web.problems import ProblemError
from chains.web.schemas import Base64, ExternalIdModel, Item, LinkWanted, SubmissionModel, Taken
from chains.web.structured import parse_list
from chains.work import Content, ContentsAlike, Refused, Submission, SubmissionsAlike


class Linked(NamedTuple):
    """Content of which an entry with links is to be made; a link without chain id is to one of its own chain."""

    content: Content
    links: tuple[LinkWanted, ...]

    def of(self, chain_id: bytes) -> Submission | Refused:
        """Return the entry, made for a chain under a fresh salt."""
        content = self.content
        links = [
            Link(
                _RELATIONS[each.relation],
                bytes.fromhex(each.chain_id or chain_id.hex()),
                bytes.fromhex(each.entry_hash),
            )
            for each in self.links
        ]
        form = Form(content.media_type, content.external_ids, tuple(links))
        try:
            own = make_entry(chain_id, content.content, form, os.urandom, Sent.CONTENT)
        except AnchorlineError as error:
            return Refused.by(error)
        if not content.keep:
            return Submission(own.raw, own.salt, own.digest)
        return Submission(own.raw, own.salt, content=content.content)


Handed = Submission | Content | Refused
_RELATIONS = {relation.name.lower().replace("_", "-"): relation for relation in Relation}


class _Plain(Taken, frozen=True, kw_only=True):
    """An item of which an entry is made here, and that has no external ids: what most batches are made of."""

    content: Base64
    media_type: str = ""
    keep: Literal["content", "digest"] = "content"


class _Made(Taken, frozen=True, kw_only=True):
    """An item whose entry the client made, with what it commits to: what most of his batches are made of."""

    entry: Base64
    salt: Base64
    content: Base64


class _Signer(Taken, frozen=True, kw_only=True):
    """The first item of a batch that its author signed as one."""

    signed_together: Base64


_SIGNED_TOGETHER = b'"signed_together"'
# Where it is looked for: itself, with as much white space before it as nobody writes.
_LONGEST_SIGNER = 128
_SIGNER = msgspec.json.Decoder(_Signer)
_PLAIN = msgspec.json.Decoder(_Plain)
_PLAINS = msgspec.json.Decoder(list[_Plain])
_MADE = msgspec.json.Decoder(_Made)
_MADES = msgspec.json.Decoder(list[_Made])
_ITEM = msgspec.json.Decoder(Item)
_ITEMS = msgspec.json.Decoder(list[Item])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
# What msgspec raises for bytes that are not what was asked for; deep nesting ends in the interpreter's own limit.
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
Wanted = TypeVar("Wanted")


def taken(kind: type[Wanted], body: bytes) -> Wanted:
    """Return a body as what it should be; raise ProblemError where it is something else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except _UNREADABLE as error:
        raise ProblemError("body-malformed", _why(error)) from error


def batch_of(body: bytes, chain_id: bytes, *, is_lines: bool) -> list[Handed] | ContentsAlike | SubmissionsAlike:
    """Return the items of a JSON array, or of NDJSON, for a chain.

    Raises ProblemError where there are too many, or no list is.
    """
    alike = _alike(body, is_lines=is_lines) or _made(body, is_lines=is_lines)
    if alike is not None:
        return alike
    items = _items(body, is_lines=is_lines)
    return [item.of(chain_id) if isinstance(item, Linked) else item for item in items]


def signer_of(body: bytes, *, is_lines: bool) -> tuple[bytes | None, bytes]:
    """Return key and signature (96 bytes) of whoever signed a batch as one, and the batch without the item of that.

    None, and the body as it came, where no first item says it. Raises ProblemError where it has another length.
    """
    if _SIGNED_TOGETHER not in body[:_LONGEST_SIGNER]:
        return None, body
    if is_lines:
        first, _, rest = body.lstrip().partition(b"\n")
    else:
        raws = _raws(body)
        first, rest = bytes(raws[0]), b"[%b]" % b",".join(map(bytes, raws[1:]))
    try:
        signed = _SIGNER.decode(first).signed_together
    except _UNREADABLE:
        return None, body  # it is not the first item, or not alone in it: which is refused with that item
    if len(signed) != SIGNED_SIZE:
        raise ProblemError(
            "body-malformed",
            f"signed_together: expected {SIGNED_SIZE} bytes, a public key and its signature, got {len(signed)}",
        )
    return signed, rest


def check_signed(batch: list[Handed] | ContentsAlike | SubmissionsAlike) -> None:
    """Raise ProblemError where what is signed as one is not made of entries only that nobody signed."""
    if isinstance(batch, SubmissionsAlike) and all(entry.endswith(NO_AUTHOR) for entry in batch.entries):
        return
    for place, item in enumerate(batch if isinstance(batch, list) else batch.each()):
        if isinstance(item, Submission) and item.entry.endswith(NO_AUTHOR):
            continue
        why = f": {item.detail}" if isinstance(item, Refused) else ""
        raise ProblemError(
            "body-malformed",
            f"signed_together is for all items behind it: expected an entry without an author in item {place + 1}{why}",
        )


def _alike(body: bytes, *, is_lines: bool) -> ContentsAlike | None:
    """Return items that differ in their contents only; None where they do in more, where one is wrong, or none is."""
    items = _each(_PLAIN, _PLAINS, body, is_lines=is_lines) or []
    kinds = {(item.media_type, item.keep) for item in items}
    if len(kinds) != 1:
        return None
    media_type, keep = kinds.pop()
    return ContentsAlike([item.content for item in items], media_type, keep=keep == "content")


def _made(body: bytes, *, is_lines: bool) -> SubmissionsAlike | None:
    """Return items that are entries with their salts and contents; None where one is something else."""
    items = _each(_MADE, _MADES, body, is_lines=is_lines) or []
    columns = zip(*((item.entry, item.salt, item.content) for item in items), strict=True)
    return SubmissionsAlike(*map(list, columns)) if items else None


def _items(body: bytes, *, is_lines: bool) -> list[Handed | Linked]:
    items = _each(_ITEM, _ITEMS, body, is_lines=is_lines)
    if items is None:
        return _one_by_one(_lines(body) if is_lines else _raws(body))
    return [_handed(item) for item in items]


def _each(
    one: "msgspec.json.Decoder[Wanted]", many: "msgspec.json.Decoder[list[Wanted]]", body: bytes, *, is_lines: bool
) -> list[Wanted] | None:
    """Return the items of a batch, which are all of one kind; None where one is not; raises ProblemError."""
    try:
        items = one.decode_lines(body) if is_lines else many.decode(body)
    except _UNREADABLE:
        return None
    _check_count(len(items))
    return items


def _lines(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


def _raws(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    try:
        return _RAWS.decode(body)
    except _UNREADABLE as error:
        raise ProblemError("body-malformed", f"expected a JSON array of items: {_why(error)}") from error


def _one_by_one(lines: Sequence[bytes | msgspec.Raw]) -> list[Handed | Linked]:
    _check_count(len(lines))
    found: list[Handed | Linked] = []
    for line in lines:
        try:
            found.append(_handed(_ITEM.decode(line)))
        except _UNREADABLE as error:
            found.append(Refused("item-malformed", _why(error)))
    return found


def _check_count(count: int) -> None:
    if count > BATCH_ENTRIES:
        raise ProblemError("body-too-large", f"expected at most {BATCH_ENTRIES} items in a batch, got {count}")


def _handed(item: Item) -> Handed | Linked:
    if item.signed_together is not None:
        return Refused("item-malformed", "signed_together: expected alone, in the first item, at the start of the body")
    if item.entry is not None:
        if item.media_type or item.external_ids or item.links or item.keep != "content":
            return Refused(
                "item-malformed", "media_type, external_ids, links and keep are the entry's own where it is given"
            )
        return Submission(item.entry, item.salt, item.digest, item.content, item.envelope)
    if item.content is None or (item.salt, item.digest, item.envelope) != (None, None, None):
        return Refused("item-malformed", "expected content alone, or entry with what is kept beside it")
    content = Content(item.content, item.media_type, external_ids_of(item.external_ids), item.keep == "content")
    return Linked(content, tuple(item.links)) if item.links else content


def submission_of(body: bytes) -> Submission:
    """Return the entry that a client made."""
    return submitted(taken(SubmissionModel, body))


def submitted(found: SubmissionModel) -> Submission:
    """Return the same of a body that was read."""
    return Submission(found.entry, found.salt, found.digest, found.content, found.envelope)


def external_ids_of(items: Sequence[str | ExternalIdModel]) -> tuple[ExternalId, ...]:
    """Return external ids; a text is one in clear."""
    if not items:
        return ()
    return tuple(
        ExternalId(IdKind.CLEAR, item.encode("utf-8", "surrogatepass"))
        if isinstance(item, str)
        else ExternalId(item.kind, item.value)
        for item in items
    )


def links_of_header(field: bytes) -> tuple[LinkWanted, ...]:
    """Return the links of the header Anchorline-Link, which is of its documented form."""
    found = []
    for item in field.decode("ascii").split(","):
        relation, _, where = item.strip().partition("=")
        chain_id, _, entry_hash = where.rpartition("/")
        found.append(LinkWanted(relation=relation, entry_hash=entry_hash, chain_id=chain_id or None))  # type: ignore[arg-type]  # one of the parameter's
    return tuple(found)


def external_ids_of_header(field: bytes | None) -> tuple[ExternalId, ...]:
    """Return the external ids of the header Anchorline-External-Id."""
    if field is None:
        return ()
    try:
        return tuple(_external_id(item.value, dict(item.parameters)) for item in parse_list(field))
    except ValueError as error:
        raise ProblemError("parameter-malformed", f"Anchorline-External-Id: {error}") from error


def _external_id(value: bytes, parameters: dict[str, str]) -> ExternalId:
    kind = parameters.pop("kind", "0")
    if parameters or kind not in {"0", "1", "2"}:
        raise ValueError("expected no parameter but kind, of 0, 1 or 2")
    return ExternalId(int(kind), value)


def unpacked(body: bytes, coding: bytes | None, most_bytes: int) -> bytes:
    """Return a body without its coding: gzip or none; at most so many bytes, however small it was.

    Raises ProblemError where it would be larger, or more than ``MOST_EXPANSION`` times as large.
    """
    if coding in {None, b"", b"identity"}:
        return body
    if coding not in {b"gzip", b"x-gzip"}:
        raise ProblemError("media-type-unsupported", "Content-Encoding: expected gzip or none")
    most = min(most_bytes, max(len(body), 64) * MOST_EXPANSION)
    try:
        return content_coding.unpacked(body, most)
    except TooLargeError as error:
        raise ProblemError("body-too-large", str(error)) from error
    except MalformedError as error:
        raise ProblemError("body-malformed", f"the body: {error}") from error


def _why(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)

# SPDX-License-Identifier: Apache-2.0
"""Who read what of an organisation's content: the list as the service tells it, and the access chain that proves it.

``Client`` and ``AsyncClient`` run the steps. The list is the service's word; a record of the access chain is an entry
with receipt and content, and events of all records are numbered without a gap (docs/spec/access-record.md).
"""

from dataclasses import dataclass

from anchor.proof.access_record import AccessRecord, Event, Noted, check_record, record_of
from anchor.proof.codec import HASH_SIZE
from anchor.proof.errors import MalformedError
from anchor.proof.merkle import root_of
from anchor.proof.receipt import ContentState
from anchor.proof.strictjson import Fields
from chains.client import judging
from chains.client.core import Core
from chains.client.errors import ProblemAnswerError, UntrueAnswerError, Untruth
from chains.client.exchange import Page, Task
from chains.client.managing import asking
from chains.client.results import CheckedReceipt, SeenEntry

PAGE_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class SeenAccess:
    """An access as the service lists it; ``recorded_in`` is the hash of the entry that proves it, None while it waits.

    It waits until the next seal.
    """

    noted: Noted
    recorded_in: bytes | None


@dataclass(frozen=True, slots=True)
class ProvedAccesses:
    """A record of an access chain, proved: its place, its receipt, and its events (None where they were erased).

    How far the receipt leads, its verdict says: it may wait for its seal, or for its anchor.
    """

    leaf_index: int
    record: AccessRecord
    receipt: CheckedReceipt
    events: tuple[Noted, ...] | None


@dataclass(frozen=True, slots=True)
class Walked:
    """How far an access chain was followed: the hashes of its entries, and the number and time that come next."""

    chain_id: bytes
    hashes: tuple[bytes, ...] = ()
    number: int = 0
    at_ms: int = 0


def listed(core: Core, about: bytes | None, since_ms: int | None, cursor: str | None) -> Task[Page[SeenAccess, str]]:
    """Return a page of the list, and the cursor of the next one."""
    call = asking(
        "/v1/access",
        about=None if about is None else about.hex(),
        since_ms=None if since_ms is None else str(since_ms),
        cursor=cursor,
        limit=str(PAGE_EVENTS),
    )
    return (yield from core.managed(call, _page))


def proved(core: Core, seen: SeenAccess) -> Task[ProvedAccesses]:
    """Return the record that holds an access, proved; it must be there as it was listed.

    Raises ValueError for one that waits for its record, UntrueAnswerError where the record says otherwise.
    """
    if seen.recorded_in is None:
        raise ValueError(f"access {seen.noted.number} waits for its record, which comes with the next seal")
    found = yield from _proved(core, (yield from core.entry(seen.recorded_in)))
    record, number = found.record, seen.noted.number
    is_there = record.first_number <= number < record.first_number + record.count
    if not is_there or (found.events is not None and seen.noted not in found.events):
        raise _untrue(f"entry {seen.recorded_in.hex()} does not hold access {number} as it was listed")
    return found


def proved_all(core: Core, walked: Walked | None) -> Task[Page[ProvedAccesses, Walked]]:
    """Return the next records of the organisation's access chain, each proved, and how far that is.

    Numbers go on from record to record, and behind the last one the chain has the size and the root that the log
    signed: none was left out. Raises UntrueAnswerError.
    """
    if walked is None:
        chain_id = yield from core.managed(asking("/v1/access", limit="1"), _chain_of)
        if chain_id is None:
            return [], None
        walked = Walked(chain_id)
    page, following = yield from core.entries(walked.chain_id, len(walked.hashes))
    found = list[ProvedAccesses]()
    for seen in page:
        each = yield from _proved(core, seen)
        walked = _after(walked, seen, each)
        found.append(each)
    if following is None:
        yield from _check_whole(core, walked)
        return found, None
    return found, walked


def _proved(core: Core, seen: SeenEntry) -> Task[ProvedAccesses]:
    """Return what an entry of an access chain says, with its receipt and, unless it was erased, its content."""
    receipt = yield from core.receipt(seen.entry_hash)
    is_erased = receipt.receipt.content.state is ContentState.ERASED
    content = None if is_erased else (yield from core.content(seen.entry_hash))
    try:
        record = record_of(seen.entry)
        events = None if content is None or record is None else tuple(check_record(record, content))
    except MalformedError as error:
        raise _untrue(f"entry {seen.entry_hash.hex()} of the access chain: {error}") from error
    if record is None:
        raise _untrue(f"entry {seen.entry_hash.hex()} is on the access chain, and records no access")
    return ProvedAccesses(seen.leaf_index, record, receipt, events)


def _after(walked: Walked, seen: SeenEntry, found: ProvedAccesses) -> Walked:
    record = found.record
    if record.first_number != walked.number or record.first_at_ms < walked.at_ms:
        raise _untrue(
            f"expected accesses from number {walked.number} on, not before {walked.at_ms} ms; entry {seen.leaf_index} "
            f"has number {record.first_number} at {record.first_at_ms} ms"
        )
    hashes = (*walked.hashes, seen.entry_hash)
    return Walked(walked.chain_id, hashes, record.first_number + record.count, record.last_at_ms)


def _check_whole(core: Core, walked: Walked) -> Task[None]:
    """Hold the entries that were shown to the newest head of the chain that the log signed."""
    try:
        head = yield from core.chain_checkpoint(walked.chain_id)
    except ProblemAnswerError as error:
        if error.status == 404:  # nothing of it is sealed yet
            return
        raise
    if head.size > len(walked.hashes) or root_of(walked.hashes[: head.size]) != head.root:
        raise _untrue(
            f"the log signed {head.size} records with root {head.root.hex()}, and shows {len(walked.hashes)}, or others"
        )


def _untrue(message: str) -> UntrueAnswerError:
    return UntrueAnswerError(Untruth.ACCESS, message)


def _chain_of(body: bytes) -> bytes | None:
    fields = judging.fields_of(body)
    return fields.hex("chain_id", exact=HASH_SIZE) if "chain_id" in fields else None


def _page(body: bytes) -> tuple[list[SeenAccess], str | None]:
    fields = judging.fields_of(body)
    found = [_access(Fields(item, "access")) for item in fields.array("events", PAGE_EVENTS)]
    return found, fields.text("cursor") if "cursor" in fields else None


def _access(fields: Fields) -> SeenAccess:
    event = Event(
        *(fields.text("what"), fields.text("way"), fields.text("by")),
        organisation=_text(fields, "organisation"),
        key=_text(fields, "key"),
        chain=_hash(fields, "chain_id") or b"",
        index=fields.integer("index") if "index" in fields else 0,
        count=fields.integer("count") if "count" in fields else 0,
        entry=_hash(fields, "entry_hash") or b"",
        subject=_text(fields, "subject"),
        detail=_text(fields, "detail"),
    )
    return SeenAccess(Noted(fields.integer("number"), fields.integer("at_ms"), event), _hash(fields, "recorded_in"))


def _text(fields: Fields, name: str) -> str:
    return fields.text(name) if name in fields else ""


def _hash(fields: Fields, name: str) -> bytes | None:
    return fields.hex(name, exact=HASH_SIZE) if name in fields else None

"""Operations that end contents, and that keep them: erasures, legal holds, and for how long a chain keeps contents.

Only the owner of a chain may (docs/spec/access.md); every one is noted for him in the transaction that does it
(``chains.erasing``). All may be repeated: what was done before is answered as if it were done now. What is erased or
stated is taken from the quota of whose key asks, as what is written is.
"""

from collections.abc import Iterable

from anchor.proof.access_record import What
from anchor.proof.entry import Entry, ExternalId, IdKind
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.errors import MalformedError
from chains.access import RIGHTS, Action
from chains.access_notes import Note
from chains.chain import Chain, Gone
from chains.erasing import Author
from chains.erasure_entries import Hold, erasure_of, holds_of, keeps_content, set_by
from chains.reader import StoredEntry
from chains.retention import expired_of, keep_ms, set_keep_ms
from chains.web.answers import NO_STORE, json_of
from chains.web.asgi import JSON, Answer
from chains.web.items import taken
from chains.web.limits import SMALL_BYTES
from chains.web.managing import CHANGES, REFUSALS
from chains.web.operations import Body, Operation, Shape
from chains.web.parameters import CHAIN
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import (
    MOST_ERASED,
    ErasedModel,
    ErasureDone,
    ErasureWanted,
    HoldModel,
    Holds,
    HoldWanted,
    Retention,
)

Targets = dict[int, tuple[Chain, list[StoredEntry]]]
"""What is to be erased, by the number of its chain."""


def erase(room: Room, request: Request) -> Answer:
    """Erase entries, a subject, or what its chain keeps no longer; or do what a signed statement says."""
    role, wanted = request.actor.role, taken(ErasureWanted, request.body)
    if role is None:
        raise ProblemError("key-required", f"{Action.CONTENT_ERASE} needs an API key")
    if Action.CONTENT_ERASE not in RIGHTS[role]:
        raise ProblemError("not-allowed", f"This key does not include {Action.CONTENT_ERASE}: it has the role {role}")
    given = [wanted.statement is not None, bool(wanted.entries), wanted.subject is not None, wanted.expired]
    if given.count(True) != 1:
        raise ProblemError("body-malformed", "expected one of statement, entries, subject, expired")
    if wanted.statement is not None:
        return _erase_stated(room, request, wanted.statement.entry, wanted.statement.salt)
    _check_reason(wanted.reason)
    room.home.finish_erasures()
    if wanted.entries:
        scope, targets, held = Scope.ENTRY, _named(room, request, wanted.entries), 0
    elif wanted.subject is not None:
        scope, targets, held = Scope.SUBJECT, _of_subject(room, request, wanted), 0
    else:
        scope, (targets, held) = Scope.RETENTION, _expired(room, request, wanted)
    at_once = room.most_at_once(request)
    portion, left = portion_of(targets, MOST_ERASED if at_once is None else min(MOST_ERASED, at_once))
    # What is erased counts as written would be; to ask again for what was erased before counts as one.
    destroyed = sum(keeps_content(stored) for _, entries in portion for stored in entries)
    room.take_from_quota(request, max(1, destroyed))
    copies_left = 0
    for chain, entries in portion:
        done = room.home.erasing.erase(chain, entries, scope, wanted.reason, request.now_ms, _author(room, request))
        copies_left = max(copies_left, len(done.unreached))
    shown = [_shown(room, chain, stored) for chain, entries in portion for stored in entries]
    return json_of(ErasureDone(entries=shown, held=held, more=left, copies_left=copies_left), NO_STORE)


def list_holds(room: Room, request: Request) -> Answer:
    """Return the holds of a chain that stand."""
    return json_of(_holds(room, request, room.chain(request, Action.HOLD_MANAGE)), NO_STORE)


def set_hold(room: Room, request: Request) -> Answer:
    """Hold a chain or one of its entries; an entry of the chain says so. The same again adds nothing."""
    chain, wanted = room.chain(request, Action.HOLD_MANAGE), taken(HoldWanted, request.body)
    if _is_stated(room, request, chain, wanted, Act.HOLD):
        return json_of(_holds(room, request, chain), NO_STORE)
    held = _held(room, chain, wanted)
    author, of = _author(room, request), None if held is None else held.entry_hash
    is_there = any(
        (hold.of, hold.stated.statement.reason) == (of, wanted.reason)
        and set_by(room.home.chains, hold) == author.submitter
        for hold in holds_of(room.reader, chain)
    )
    if not is_there:
        room.take_from_quota(request, 1)
        room.home.erasing.hold(chain, held, Act.HOLD, wanted.reason, request.now_ms, author)
    return json_of(_holds(room, request, chain), NO_STORE)


def lift_hold(room: Room, request: Request) -> Answer:
    """Lift what this organisation holds; what somebody else set stays. Where nothing is held, nothing is done."""
    chain, wanted = room.chain(request, Action.HOLD_MANAGE), taken(HoldWanted, request.body)
    if _is_stated(room, request, chain, wanted, Act.LIFT):
        return json_of(_holds(room, request, chain), NO_STORE)
    held = _held(room, chain, wanted)
    of = None if held is None else held.entry_hash
    if any(hold.of == of for hold in holds_of(room.reader, chain)):
        room.take_from_quota(request, 1)
        room.home.erasing.hold(chain, held, Act.LIFT, wanted.reason, request.now_ms, _author(room, request))
    return json_of(_holds(room, request, chain), NO_STORE)


def get_retention(room: Room, request: Request) -> Answer:
    """Return for how long a chain keeps contents."""
    chain = room.chain(request, Action.CONTENT_ERASE)
    return json_of(Retention(keep_ms=keep_ms(room.home.engine, chain)), NO_STORE)


def set_retention(room: Room, request: Request) -> Answer:
    """Set for how long a chain keeps contents; nothing is erased by this."""
    chain, wanted = room.chain(request, Action.CONTENT_ERASE), taken(Retention, request.body)
    if keep_ms(room.home.engine, chain) != wanted.keep_ms:
        set_keep_ms(room.home.engine, chain, wanted.keep_ms, request.now_ms, request.asker)
    return json_of(wanted, NO_STORE)


# --- what is meant


def _named(room: Room, request: Request, entries: Iterable[str]) -> Targets:
    """Return entries by their hashes; each must be one that he may erase."""
    targets: Targets = {}
    for entry_hash in dict.fromkeys(entries):
        stored = room.reader.by_hash(bytes.fromhex(entry_hash))
        chain = None if stored is None else room.home.chains.by_no(stored.chain_no)
        if stored is None or chain is None:
            raise not_found()
        room.require(request, Action.CONTENT_ERASE, chain)
        targets.setdefault(chain.chain_no, (chain, []))[1].append(stored)
    return targets


def _of_subject(room: Room, request: Request, wanted: ErasureWanted) -> Targets:
    """Return what carries a keyed external id, in the chains that he may erase in: of others nothing is told.

    Raises HeldError where one of them is held: half a subject is worse than none.
    """
    subject, only = ExternalId(IdKind.KEYED, bytes.fromhex(wanted.subject or "")), _only(room, request, wanted)
    targets: Targets = {}
    for stored in room.reader.by_external_id(subject, only):
        chain = room.home.chains.by_no(stored.chain_no)
        if chain is not None and room.may(request, Action.CONTENT_ERASE, chain):
            targets.setdefault(chain.chain_no, (chain, []))[1].append(stored)
    for chain, entries in targets.values():
        room.home.erasing.check_free(chain, [stored for stored in entries if keeps_content(stored)])
    if not targets and request.actor.organisation is not None:
        event = request.asker.did(What.ERASED, detail="subject: nothing was found")
        room.notes.append(Note(request.actor.organisation, event))
    return targets


def _expired(room: Room, request: Request, wanted: ErasureWanted) -> tuple[Targets, int]:
    """Return what his chains keep no longer, and how much more of it is held."""
    only, held = _only(room, request, wanted), 0
    targets: Targets = {}
    for chain in room.home.chains.all() if only is None else [only]:
        if keep_ms(room.home.engine, chain) is None or not room.may(request, Action.CONTENT_ERASE, chain):
            continue
        entries, held_here = expired_of(room.home.engine, room.reader, chain, request.now_ms)
        held += held_here
        targets[chain.chain_no] = chain, entries
    return targets, held


def _only(room: Room, request: Request, wanted: ErasureWanted) -> Chain | None:
    """Return the one chain that is meant, if one is; without it all are that he may erase in."""
    if wanted.chain is None:
        return None
    chain = room.named(wanted.chain, request.actor)
    if chain is None:
        raise not_found()
    room.require(request, Action.CONTENT_ERASE, chain)
    return chain


def portion_of(targets: Targets, most: int) -> tuple[list[tuple[Chain, list[StoredEntry]]], bool]:
    """Return what one request erases, at most so many entries in all, and whether something is left to erase.

    Where not all can be done, what is erased already makes room for what is not: or asking again would come no further.
    """
    every = [stored for _, entries in targets.values() for stored in entries]
    left = sum(map(keeps_content, every))
    is_all_shown = len(every) <= most or not left
    portion: list[tuple[Chain, list[StoredEntry]]] = []
    for chain, entries in targets.values():
        chosen = [stored for stored in entries if is_all_shown or keeps_content(stored)][:most]
        portion += [(chain, chosen)] if most > 0 else []
        most -= len(chosen)
    return portion, left > sum(keeps_content(stored) for _, entries in portion for stored in entries)


def _held(room: Room, chain: Chain, wanted: HoldWanted) -> StoredEntry | None:
    """Return the entry that is to be held or let go, None for the whole chain."""
    _check_reason(wanted.reason)
    if wanted.entry_hash is None:
        return None
    stored = room.reader.by_hash(bytes.fromhex(wanted.entry_hash))
    if stored is None or stored.chain_no != chain.chain_no:
        raise not_found()
    return stored


# --- statements that were made and signed elsewhere


def _erase_stated(room: Room, request: Request, raw: bytes, salt: bytes) -> Answer:
    chain = room.home.chains.by_id(raw[1:33])
    if chain is None:
        raise not_found()
    room.require(request, Action.CONTENT_ERASE, chain)
    room.take_from_quota(request, max(1, len(Entry.decode(raw).links)))
    stating = room.home.erasing.erase_stated(chain, raw, salt, request.now_ms, _author(room, request))
    found = [room.reader.by_hash(link.entry_hash) for link in stating.entry.links]
    shown = [_shown(room, chain, stored) for stored in found if stored is not None]
    copies_left = sum(not path.is_file() for path, _ in room.home.erasing.copies.known())
    return json_of(ErasureDone(entries=shown, held=0, more=False, copies_left=copies_left), NO_STORE)


def _is_stated(room: Room, request: Request, chain: Chain, wanted: HoldWanted, act: Act) -> bool:
    """Do what a statement says that came signed; say whether one came."""
    if (wanted.statement is not None) == bool(wanted.reason):
        raise ProblemError("body-malformed", "expected a reason, or a statement that has one: one of the two")
    if wanted.statement is None:
        return False
    raw, salt = wanted.statement.entry, wanted.statement.salt
    room.take_from_quota(request, 1)
    room.home.erasing.hold_stated(chain, raw, salt, act, request.now_ms, _author(room, request))
    return True


# --- answers


def _author(room: Room, request: Request) -> Author:
    """Return who has something stated, with whose promise: so it is known later whose hold it is."""
    submitter = room.accounts.submitter_of(request.actor, room.home.directory.log.log_id)
    return Author(by=request.asker, submitter=submitter)


def _check_reason(reason: str) -> None:
    try:
        ErasureStatement(Act.ERASE, Scope.ENTRY, 0, reason).encode()
    except MalformedError as error:
        raise ProblemError("body-malformed", str(error)) from error


def _shown(room: Room, chain: Chain, before: StoredEntry) -> ErasedModel:
    """Return what became of an entry, as it is now."""
    reader = room.reader
    stored = reader.row(before.seq)
    stated = erasure_of(reader, stored)
    return ErasedModel(
        chain_id=chain.chain_id.hex(),
        entry_hash=stored.entry_hash.hex(),
        leaf_index=stored.leaf_index,
        state="erased" if stored.gone is Gone.ERASED else "not-kept",
        said_by=None if stated is None else stated.stored.entry_hash.hex(),
        erased_at_ms=None if stated is None else stated.statement.at_ms,
    )


def _holds(room: Room, request: Request, chain: Chain) -> Holds:
    mine = _author(room, request).submitter
    return Holds(
        holds=[_hold(hold, is_mine=set_by(room.home.chains, hold) == mine) for hold in holds_of(room.reader, chain)]
    )


def _hold(hold: Hold, *, is_mine: bool) -> HoldModel:
    stated = hold.stated
    return HoldModel(
        entry_hash=None if hold.of is None else hold.of.hex(),
        reason=stated.statement.reason,
        since_ms=stated.statement.at_ms,
        said_by=stated.stored.entry_hash.hex(),
        leaf_index=stated.stored.leaf_index,
        mine=is_mine,
    )


GROUP = "Erasing"
_STATING = (
    *("content-held", "entry-refused", "entry-malformed", "entry-too-large", "entry-version-unknown"),
    *("author-signature-wrong", "chain-closed", "policy-not-followed", "clock-wrong", "quota-exceeded"),
)
OPERATIONS = (
    Operation(
        "erase",
        "POST",
        "/v1/erasures",
        "Destroy the content and salt of entries",
        GROUP,
        {200: Shape("What became of each entry", {JSON: ErasureDone})},
        (*CHANGES, *_STATING),
        body=Body({JSON: ErasureWanted}, 2 * SMALL_BYTES, "What is to be erased and why, or a signed statement"),
        run=erase,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "listHolds",
        "GET",
        "/v1/chains/{chain}/holds",
        "What must not be erased",
        GROUP,
        {200: Shape("The holds that stand", {JSON: Holds})},
        REFUSALS,
        parameters=(CHAIN,),
        run=list_holds,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "setHold",
        "POST",
        "/v1/chains/{chain}/holds",
        "Keep a chain or an entry from being erased",
        GROUP,
        {200: Shape("The holds that stand now", {JSON: Holds})},
        (*CHANGES, *_STATING),
        parameters=(CHAIN,),
        body=Body({JSON: HoldWanted}, SMALL_BYTES, "What is held and why, or a signed statement"),
        run=set_hold,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "liftHold",
        "POST",
        "/v1/chains/{chain}/holds/lift",
        "Let go what was held",
        GROUP,
        {200: Shape("The holds that stand now", {JSON: Holds})},
        (*CHANGES, *_STATING),
        parameters=(CHAIN,),
        body=Body({JSON: HoldWanted}, SMALL_BYTES, "What is held no longer and why, or a signed statement"),
        run=lift_hold,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "getRetention",
        "GET",
        "/v1/chains/{chain}/retention",
        "For how long a chain keeps contents",
        GROUP,
        {200: Shape("The time", {JSON: Retention})},
        REFUSALS,
        parameters=(CHAIN,),
        run=get_retention,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "setRetention",
        "POST",
        "/v1/chains/{chain}/retention",
        "Set for how long a chain keeps contents",
        GROUP,
        {200: Shape("The time, as it is now", {JSON: Retention})},
        CHANGES,
        parameters=(CHAIN,),
        body=Body({JSON: Retention}, SMALL_BYTES, "The time"),
        run=set_retention,
        needs_key=True,
        is_change=True,
    ),
)

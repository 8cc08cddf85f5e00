"""Operations on the life of a chain: to close it, to hand it to another organisation, to take all of it away.

Only the owner of a chain may (docs/spec/access.md). Going on with a chain of another log is a command of the operator:
he decides which logs and blocks are believed (docs/adr/0053-erasing-and-leaving-over-http.md).
"""

from functools import partial
from io import BytesIO

from anchor.errors import UnknownAccountError
from anchor.proof.access_record import What
from anchor.proof.chain_life import Closing
from anchor.proof.errors import MalformedError
from chains.access import Action
from chains.access_notes import Note
from chains.chain import Chain
from chains.chain_life import ChainLives
from chains.life_stating import stating
from chains.transfers import Offer, Transfers, offers_concerning
from chains.web.answers import NO_STORE, json_of
from chains.web.asgi import JSON, Answer, Stream
from chains.web.exporting import pieces
from chains.web.items import taken
from chains.web.limits import SMALL_BYTES
from chains.web.managing import CHANGES, REFUSALS, found
from chains.web.operations import Body, Operation, Parameter, ReadBody, Shape
from chains.web.parameters import CHAIN
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import ClosingModel, ClosingWanted, OfferModel, Offers, OfferWanted, Transferred
from chains.web.service import Service

GZIP = "application/gzip"
Chosen = tuple[str, list[int]]
"""Whose export it is, and the numbers of its chains."""


def close_chain(room: Room, request: Request) -> Answer:
    """Close a chain, for ever. Asked again with the same words, the closing that is there is the answer."""
    chain, wanted = room.chain(request, Action.CHAIN_CLOSE), taken(ClosingWanted, request.body)
    moved_to = None if wanted.moved_to is None else bytes.fromhex(wanted.moved_to)
    try:
        closing = Closing(request.now_ms, wanted.reason, moved_to)
        closing.encode()
    except MalformedError as error:
        raise ProblemError("body-malformed", str(error)) from error
    before = ChainLives(room.home.engine, room.home.chains).closing(chain)
    if before is None or (before[1].reason, before[1].moved_to) != (wanted.reason, moved_to):
        writer = room.home.writer
        submitter = room.accounts.submitter_of(request.actor, writer.log_id)
        room.take_from_quota(request, 1)
        writer.submit(chain, [stating(chain.chain_id, closing, writer.log_id)], request.now_ms, submitter)
    return json_of(_closed(room, chain), NO_STORE)


def list_offers(room: Room, request: Request) -> Answer:
    """Return the chains that are offered to the organisation whose key asks, and those that it offers."""
    room.require(request, Action.CHAIN_TAKE)
    organisation = request.actor.organisation
    if organisation is None:
        raise not_found()
    offers = offers_concerning(room.home.engine, organisation, request.now_ms)
    return json_of(Offers(offers=[_offer(room, each) for each in offers]), NO_STORE)


def offer_chain(room: Room, request: Request) -> Answer:
    """Offer a chain to another organisation; nothing changes before that accepts. The same again is one offer."""
    chain, wanted = room.chain(request, Action.CHAIN_TRANSFER), taken(OfferWanted, request.body)
    transfers, taker = Transfers(room.home.writer, room.accounts), found(room, wanted.organisation)
    offer, same = transfers.waiting(chain), (taker.organisation_id, wanted.expires_at_ms)
    if offer is None or not offer.is_live(request.now_ms) or (offer.taker, offer.expires_at_ms) != same:
        offer = transfers.offer(chain, taker, wanted.expires_at_ms, request.now_ms, request.asker)
    return json_of(_offer(room, offer), NO_STORE)


def withdraw_offer(room: Room, request: Request) -> Answer:
    """End the offer of a chain that was not accepted."""
    chain = room.chain(request, Action.CHAIN_TRANSFER)
    transfers = Transfers(room.home.writer, room.accounts)
    waiting = transfers.waiting(chain)
    if waiting is None:
        raise not_found()
    transfers.withdraw(chain, request.now_ms, request.asker)
    return json_of(_offer(room, waiting), NO_STORE)


def accept_offer(room: Room, request: Request) -> Answer:
    """Accept a chain that is offered to the organisation whose key asks: an entry of the chain says so."""
    room.require(request, Action.CHAIN_TAKE)
    chain = room.named(request.arguments["chain"], request.actor)
    organisation = request.actor.organisation
    if chain is None or organisation is None:
        raise not_found()
    transfers = Transfers(room.home.writer, room.accounts)
    offered = transfers.waiting(chain)
    if offered is None or offered.taker != organisation:
        raise not_found()
    room.take_from_quota(request, 1)
    try:
        accepted = transfers.accept(chain, found(room, organisation), request.now_ms, by=request.asker)
    except UnknownAccountError:
        raise not_found() from None
    return json_of(
        Transferred(
            chain_id=chain.chain_id.hex(),
            organisation=organisation,
            entry_hash=accepted.entry_hash.hex(),
            leaf_index=accepted.leaf_index,
        ),
        NO_STORE,
    )


async def export_chain(service: Service, request: Request, _read: ReadBody) -> Answer | Stream:
    """Send a chain whole: entries, contents as far as they are kept, receipts, and what is needed to check them."""

    def choose(room: Room) -> Chosen:
        known = room.authenticated(request)
        chain = room.chain(known, Action.CHAIN_EXPORT)
        return _chosen(room, known, [chain])

    return await _exported(service, request, await service.rooms.ask(choose))


async def export_organisation(service: Service, request: Request, _read: ReadBody) -> Answer | Stream:
    """Send all chains that the organisation owns whose key asks."""

    def choose(room: Room) -> Chosen:
        known = room.authenticated(request)
        if known.actor.role is None:
            raise ProblemError("key-required", f"{Action.CHAIN_EXPORT} needs an API key")
        if known.actor.organisation is None:
            raise not_found()
        owned = room.accounts.sharing.owned_chains(found(room, known.actor.organisation))
        chains = [chain for number in owned if (chain := room.home.chains.by_no(number)) is not None]
        for chain in chains:
            room.require(known, Action.CHAIN_EXPORT, chain)
        if not chains:
            raise not_found()
        return _chosen(room, known, chains)

    return await _exported(service, request, await service.rooms.ask(choose))


def _chosen(room: Room, request: Request, chains: list[Chain]) -> Chosen:
    """Return what is exported; its owner is told before anything is made."""
    with_content = _with_content(request)
    detail = "entries and contents" if with_content else "entries, without contents"
    for chain in chains:
        owner = room.access_of(chain).owner
        if owner is not None and request.method != "HEAD":
            size = room.home.chains.size(chain)
            event = request.asker.did(What.EXPORT, chain.chain_id, count=size, detail=detail)
            room.notes.append(Note(owner, event))
    return request.actor.organisation or "", [chain.chain_no for chain in chains]


async def _exported(service: Service, request: Request, chosen: Chosen) -> Stream:
    asker, chain_nos = chosen
    headers = (NO_STORE, (b"content-disposition", b'attachment; filename="chains.tar.gz"'))
    if request.method == "HEAD":
        return Stream(partial(pieces, BytesIO()), lambda: None, GZIP, headers)
    exporting = service.exporting
    file = await exporting.make(asker, chain_nos, with_content=_with_content(request))

    def close() -> None:
        file.close()
        exporting.done(asker)

    return Stream(partial(pieces, file), close, GZIP, headers)


def _with_content(request: Request) -> bool:
    return request.arguments.get("content") != "0"


def _closed(room: Room, chain: Chain) -> ClosingModel:
    lives = ChainLives(room.home.engine, room.home.chains)
    closing = lives.closing(chain)
    assert closing is not None, "it was closed just now, or before"
    index, said = closing
    return ClosingModel(
        chain_id=chain.chain_id.hex(),
        entry_hash=lives.entry(chain, index).hash.hex(),
        leaf_index=index,
        closed_at_ms=said.made_at_ms,
        reason=said.reason,
        moved_to=None if said.moved_to is None else said.moved_to.hex(),
    )


def _offer(room: Room, offer: Offer) -> OfferModel:
    chain = room.home.chains.by_no(offer.chain_no)
    assert chain is not None, "an offered chain is there"
    return OfferModel(
        chain_id=chain.chain_id.hex(),
        giver=offer.giver,
        taker=offer.taker,
        offered_at_ms=offer.offered_at_ms,
        expires_at_ms=offer.expires_at_ms,
    )


GROUP = "Life of a chain"
_WITH_CONTENT = Parameter("content", "`0`: without contents, salts and digests", "0|1")
_WRITING = ("chain-closed", "entry-refused", "entry-malformed", "policy-not-followed", "clock-wrong", "quota-exceeded")
_ARCHIVE = {200: Shape("The archive, as `anchorline export --chain` writes it (docs/spec/export.md)", {GZIP: bytes})}
OPERATIONS = (
    Operation(
        "closeChain",
        "POST",
        "/v1/chains/{chain}/close",
        "Close a chain, for ever",
        GROUP,
        {200: Shape("The closing", {JSON: ClosingModel})},
        (*CHANGES, *_WRITING),
        parameters=(CHAIN,),
        body=Body({JSON: ClosingWanted}, SMALL_BYTES, "Why, and the log where it goes on"),
        run=close_chain,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "exportChain",
        "GET",
        "/v1/chains/{chain}/export",
        "All of a chain in one archive",
        GROUP,
        _ARCHIVE,
        (*REFUSALS, "overloaded"),
        parameters=(CHAIN, _WITH_CONTENT),
        run_async=export_chain,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "exportOrganisation",
        "GET",
        "/v1/export",
        "All chains of one's organisation in one archive",
        GROUP,
        _ARCHIVE,
        (*REFUSALS, "overloaded"),
        parameters=(_WITH_CONTENT,),
        run_async=export_organisation,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "listTransfers",
        "GET",
        "/v1/transfers",
        "Chains that are offered to one's organisation, or by it",
        GROUP,
        {200: Shape("The offers that can be accepted", {JSON: Offers})},
        REFUSALS,
        run=list_offers,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "offerChain",
        "POST",
        "/v1/chains/{chain}/transfer",
        "Offer a chain to another organisation",
        GROUP,
        {200: Shape("The offer", {JSON: OfferModel})},
        (*CHANGES, "chain-closed"),
        parameters=(CHAIN,),
        body=Body({JSON: OfferWanted}, SMALL_BYTES, "To whom, and until when"),
        run=offer_chain,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "withdrawTransfer",
        "POST",
        "/v1/chains/{chain}/transfer/withdraw",
        "End the offer of a chain",
        GROUP,
        {200: Shape("The offer that was ended", {JSON: OfferModel})},
        REFUSALS,
        parameters=(CHAIN,),
        run=withdraw_offer,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "acceptTransfer",
        "POST",
        "/v1/chains/{chain}/transfer/accept",
        "Accept a chain that is offered to one's organisation",
        GROUP,
        {200: Shape("Whose it is from which entry on", {JSON: Transferred})},
        (*REFUSALS, "account-refused", *_WRITING),
        parameters=(CHAIN,),
        run=accept_offer,
        needs_key=True,
        is_change=True,
    ),
)

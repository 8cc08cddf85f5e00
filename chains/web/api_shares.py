"""Operations on shares: who may grant reading on a chain makes links to single entries of it, lists and revokes them.

Changes have a thread of their own (``Operation.is_change``). What a link opens is a page (``chains.web.pages.shares``):
no operation of the API is opened by one.
"""

from anchor.errors import UnknownAccountError
from chains.access import Action
from chains.shares import Share
from chains.web.answers import NO_STORE, json_of
from chains.web.asgi import JSON, Answer
from chains.web.items import taken
from chains.web.limits import SMALL_BYTES
from chains.web.managing import CHANGES, REFUSALS
from chains.web.operations import Body, In, Operation, Parameter, Shape
from chains.web.parameters import CHAIN, ENTRY_HASH
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import ShareModel, Shares, ShareWanted

SHARE_ID = Parameter("share_id", "The visible name of a share", "sh_[a-z2-7]{8}", In.PATH, is_required=True)


def make_share(room: Room, request: Request) -> Answer:
    """Make a link to one entry with its content; this once its secret is shown."""
    chain, stored = room.entry(request, Action.GRANT_MANAGE)
    wanted = taken(ShareWanted, request.body)
    made = room.accounts.shares.make(
        *(chain, stored, request.asker, wanted.label, wanted.ends_at_ms, request.now_ms),
        is_once=wanted.once,
    )
    return json_of(_shown(room, made.share, request.now_ms, made.path), NO_STORE, status=201)


def list_shares(room: Room, request: Request) -> Answer:
    """Return the shares of a chain's entries, with how often each was read, and when."""
    chain = room.chain(request, Action.GRANT_MANAGE)
    shown = [_shown(room, share, request.now_ms) for share in room.accounts.shares.of_chain(chain)]
    return json_of(Shares(shares=shown), NO_STORE)


def revoke_share(room: Room, request: Request) -> Answer:
    """End a share now and for ever; what was read of it before, is read."""
    try:
        share = room.accounts.shares.by_id(request.arguments["share_id"])
    except UnknownAccountError:
        raise not_found() from None
    chain = room.home.chains.by_no(share.chain_no)
    if chain is None or not room.may(request, Action.GRANT_MANAGE, chain):
        raise not_found()
    revoked = room.accounts.shares.revoke(share, chain, request.asker, request.now_ms)
    return json_of(_shown(room, revoked, request.now_ms), NO_STORE)


def _shown(room: Room, share: Share, now_ms: int, path: str | None = None) -> ShareModel:
    chain, seen = room.home.chains.by_no(share.chain_no), room.accounts.shares.seen(share)
    assert chain is not None
    return ShareModel(
        share=share.share_id,
        chain_id=chain.chain_id.hex(),
        leaf_index=share.leaf_index,
        label=share.label,
        state=room.accounts.shares.state(share, now_ms),  # type: ignore[arg-type]  # one of the five of the schema
        made_at_ms=share.made_at_ms,
        ends_at_ms=share.ends_at_ms,
        once=share.is_once,
        reads=seen.reads,
        first_read_at_ms=seen.first_at_ms,
        last_read_at_ms=seen.last_at_ms,
        revoked_at_ms=share.revoked_at_ms,
        key_id=share.key_id,
        path=path,
    )


GROUP = "Shares"
OPERATIONS = (
    Operation(
        "makeShare",
        "POST",
        "/v1/entries/{entry_hash}/shares",
        "Make a link to one entry with its content",
        GROUP,
        {201: Shape("The share, its link shown once", {JSON: ShareModel})},
        CHANGES,
        parameters=(ENTRY_HASH,),
        body=Body({JSON: ShareWanted}, SMALL_BYTES, "Until when, and whether for one reading"),
        run=make_share,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "listShares",
        "GET",
        "/v1/chains/{chain}/shares",
        "Links to entries of a chain, and how often they were read",
        GROUP,
        {200: Shape("The shares", {JSON: Shares})},
        REFUSALS,
        parameters=(CHAIN,),
        run=list_shares,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "revokeShare",
        "POST",
        "/v1/shares/{share_id}/revoke",
        "End a share",
        GROUP,
        {200: Shape("The share, revoked", {JSON: ShareModel})},
        (*REFUSALS, "account-refused"),
        parameters=(SHARE_ID,),
        run=revoke_share,
        needs_key=True,
        is_change=True,
    ),
)

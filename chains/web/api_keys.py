"""Operations on API keys: an owner makes, lists, rotates and revokes those of his organisation.

Changes have a thread of their own (``Operation.is_change``). The operator does it for any organisation; keys of his own
are made on his machine only (``anchorline key create --operator``).
"""

from itertools import islice

from anchor.errors import UnknownAccountError
from chains.access import Action, Role
from chains.api_keys import ApiKey, NewKey
from chains.web.answers import NO_STORE, json_of
from chains.web.asgi import JSON, Answer
from chains.web.items import taken
from chains.web.limits import PAGE_ITEMS, SMALL_BYTES
from chains.web.managing import CHANGES, REFUSALS, check_his, whose
from chains.web.operations import Body, In, Operation, Parameter, Shape
from chains.web.parameters import CURSOR, LIMIT, ORGANISATION
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import KeyModel, Keys, NewKeyWanted, Rotation

KEY_ID = Parameter("key_id", "The visible part of a key", "al_[a-z2-7]{8}", In.PATH, is_required=True)


def create_key(room: Room, request: Request) -> Answer:
    """Make a key; this once the whole of it is shown."""
    room.require(request, Action.KEY_MANAGE)
    wanted = taken(NewKeyWanted, request.body)
    owner = whose(room, request, Action.KEY_MANAGE, wanted.organisation)
    if owner is None:
        raise ProblemError("body-malformed", "organisation: expected one; the operator's own keys are made in the home")
    made = room.accounts.keys.create(
        owner, Role(wanted.role), wanted.label, wanted.expires_at_ms, request.now_ms, request.asker
    )
    return _made(made, request)


def list_keys(room: Room, request: Request) -> Answer:
    """Return keys by their visible parts, those that hold no more too."""
    owner = whose(room, request, Action.KEY_MANAGE, request.arguments.get("organisation"))
    limit, start = request.number("limit", PAGE_ITEMS), request.number("cursor", 0)
    page = list(islice(room.accounts.keys.all(owner), start, start + limit + 1))
    shown = [_shown(key, request.now_ms) for key in page[:limit]]
    return json_of(Keys(keys=shown, cursor=str(start + limit) if len(page) > limit else None), NO_STORE)


def get_key(room: Room, request: Request) -> Answer:
    """Return one key by its visible part."""
    return json_of(_shown(_key(room, request), request.now_ms), NO_STORE)


def rotate_key(room: Room, request: Request) -> Answer:
    """Make a key in the place of another, which holds on for a while."""
    key, wanted = _key(room, request), taken(Rotation, request.body)
    return _made(
        room.accounts.keys.rotate(key, wanted.overlap_ms, wanted.expires_at_ms, request.now_ms, request.asker), request
    )


def revoke_key(room: Room, request: Request) -> Answer:
    """End a key now and for ever."""
    revoked = room.accounts.keys.revoke(_key(room, request), request.now_ms, request.asker)
    return json_of(_shown(revoked, request.now_ms), NO_STORE)


def _key(room: Room, request: Request) -> ApiKey:
    """Return the key that the path names, if it is one that he may manage: the operator's own are not."""
    room.require(request, Action.KEY_MANAGE)
    try:
        key = room.accounts.keys.by_id(request.arguments["key_id"])
    except UnknownAccountError:
        raise not_found() from None
    check_his(request, key.organisation_id)
    if key.organisation_id is None:
        raise not_found()
    return key


def _made(made: NewKey, request: Request) -> Answer:
    location = (b"location", f"/v1/keys/{made.key.key_id}".encode())
    return json_of(_shown(made.key, request.now_ms, made.token), NO_STORE, location, status=201)


def _shown(key: ApiKey, now_ms: int, token: str | None = None) -> KeyModel:
    return KeyModel(
        key_id=key.key_id,
        organisation=key.organisation_id,
        role=key.role.value,
        label=key.label,
        state=key.state(now_ms),  # type: ignore[arg-type]  # one of the four that the schema lists
        made_at_ms=key.made_at_ms,
        expires_at_ms=key.expires_at_ms,
        revoked_at_ms=key.revoked_at_ms,
        replaces=key.replaces,
        key=token,
    )


GROUP = "Keys"
MADE = Shape("The new key, shown once", {JSON: KeyModel}, ("location",))
OPERATIONS = (
    Operation(
        "createKey",
        "POST",
        "/v1/keys",
        "Make a key of one's organisation",
        GROUP,
        {201: MADE},
        CHANGES,
        body=Body({JSON: NewKeyWanted}, SMALL_BYTES, "What the key is for"),
        run=create_key,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "listKeys",
        "GET",
        "/v1/keys",
        "Keys by their visible parts",
        GROUP,
        {200: Shape("A page, in the order of making", {JSON: Keys})},
        REFUSALS,
        parameters=(ORGANISATION, CURSOR, LIMIT),
        run=list_keys,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "getKey",
        "GET",
        "/v1/keys/{key_id}",
        "One key by its visible part",
        GROUP,
        {200: Shape("The key", {JSON: KeyModel})},
        REFUSALS,
        parameters=(KEY_ID,),
        run=get_key,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "rotateKey",
        "POST",
        "/v1/keys/{key_id}/rotate",
        "Make a key in the place of another",
        GROUP,
        {201: MADE},
        CHANGES,
        parameters=(KEY_ID,),
        body=Body({JSON: Rotation}, SMALL_BYTES, "How long the old one holds on"),
        run=rotate_key,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "revokeKey",
        "POST",
        "/v1/keys/{key_id}/revoke",
        "End a key",
        GROUP,
        {200: Shape("The key, revoked", {JSON: KeyModel})},
        (*REFUSALS, "account-refused"),
        parameters=(KEY_ID,),
        run=revoke_key,
        needs_key=True,
        is_change=True,
    ),
)

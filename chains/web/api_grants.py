"""Operations on grants: what a chain's owner lets other organisations do on it.

Changes have a thread of their own (``Operation.is_change``). Organisations are named by their ids, which nobody
guesses: a name would tell whoever tries it who has an account here.
"""

from chains.access import Action, Grant, Role
from chains.web.answers import NO_STORE, json_of
from chains.web.asgi import JSON, Answer
from chains.web.items import taken
from chains.web.limits import SMALL_BYTES
from chains.web.managing import CHANGES, REFUSALS, found
from chains.web.operations import Body, In, Operation, Parameter, Shape
from chains.web.parameters import CHAIN
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import GrantModel, Grants, GrantWanted

GRANTEE = Parameter("organisation_id", "Id of an organisation", "org_[a-z2-7]{16}", In.PATH, is_required=True)


def list_grants(room: Room, request: Request) -> Answer:
    """Return the grants that were not ended, expired ones too."""
    chain = room.chain(request, Action.GRANT_MANAGE)
    given = room.accounts.sharing.grants(chain)
    return json_of(Grants(grants=[_shown(item.grant, item.made_at_ms, request.now_ms) for item in given]), NO_STORE)


def give_grant(room: Room, request: Request) -> Answer:
    """Let an organisation do on a chain what a role does there; it takes the place of what it had before."""
    chain, wanted = room.chain(request, Action.GRANT_MANAGE), taken(GrantWanted, request.body)
    organisation = found(room, wanted.organisation)
    given = room.accounts.sharing.grant(
        chain, organisation, Role(wanted.role), wanted.expires_at_ms, request.now_ms, request.asker
    )
    return json_of(_shown(given, request.now_ms, request.now_ms), NO_STORE)


def end_grant(room: Room, request: Request) -> Answer:
    """End what an organisation was granted on a chain."""
    chain, wanted = room.chain(request, Action.GRANT_MANAGE), request.arguments["organisation_id"]
    given = next((each for each in room.accounts.sharing.grants(chain) if each.grant.organisation == wanted), None)
    if given is None:
        raise not_found()
    room.accounts.sharing.withdraw(chain, room.accounts.organisations.by_id(wanted), request.now_ms, request.asker)
    return json_of(_shown(given.grant, given.made_at_ms, request.now_ms), NO_STORE)


def _shown(grant: Grant, made_at_ms: int, now_ms: int) -> GrantModel:
    return GrantModel(
        organisation=grant.organisation,
        role=grant.role.value,  # type: ignore[arg-type]  # a grant has one of the three that the schema lists
        state="live" if grant.is_live(now_ms) else "expired",
        made_at_ms=made_at_ms,
        expires_at_ms=grant.expires_at_ms,
    )


GROUP = "Grants"
OPERATIONS = (
    Operation(
        "listGrants",
        "GET",
        "/v1/chains/{chain}/grants",
        "What others may do on a chain",
        GROUP,
        {200: Shape("The grants", {JSON: Grants})},
        REFUSALS,
        parameters=(CHAIN,),
        run=list_grants,
        needs_key=True,
        has_etag=False,
    ),
    Operation(
        "giveGrant",
        "POST",
        "/v1/chains/{chain}/grants",
        "Let an organisation do something on a chain",
        GROUP,
        {200: Shape("The grant", {JSON: GrantModel})},
        CHANGES,
        parameters=(CHAIN,),
        body=Body({JSON: GrantWanted}, SMALL_BYTES, "Who may do what, until when"),
        run=give_grant,
        needs_key=True,
        is_change=True,
    ),
    Operation(
        "endGrant",
        "POST",
        "/v1/chains/{chain}/grants/{organisation_id}/end",
        "End a grant",
        GROUP,
        {200: Shape("The grant that was ended", {JSON: GrantModel})},
        (*REFUSALS, "account-refused"),
        parameters=(CHAIN, GRANTEE),
        run=end_grant,
        needs_key=True,
        is_change=True,
    ),
)

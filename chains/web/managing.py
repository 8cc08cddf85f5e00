"""What the operations on keys, grants and webhooks share: whose they are.

The organisation is that of the key that asks, never one that the request names; only the operator names one.
"""

from anchor.errors import UnknownAccountError
from chains.access import Action, Role
from chains.organisations import Organisation
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.rooms import Room

REFUSALS = ("key-required", "not-allowed", "not-found")
CHANGES = (*REFUSALS, "body-malformed", "body-too-large", "media-type-unsupported", "too-slow", "account-refused")


def whose(room: Room, request: Request, action: Action, named: str | None) -> Organisation | None:
    """Return the organisation that is meant, if he may do this there; None: the operator himself, who named none.

    Raises ProblemError: an organisation that is not his own is not found, whether it is there or not.
    """
    room.require(request, action)
    named = request.actor.organisation if named is None else named
    check_his(request, named)
    return None if named is None else found(room, named)


def check_his(request: Request, organisation_id: str | None) -> None:
    """Raise ProblemError (not-found) for what is another organisation's, or (None) the operator's; all is for him."""
    actor = request.actor
    if actor.role is not Role.OPERATOR and organisation_id != actor.organisation:
        raise not_found()


def found(room: Room, organisation_id: str) -> Organisation:
    """Return an organisation by its id, as long as it was not removed; raise ProblemError (not-found)."""
    try:
        which = room.accounts.organisations.by_id(organisation_id)
    except UnknownAccountError:
        raise not_found() from None
    if which.removed_at_ms is not None:
        raise not_found()
    return which

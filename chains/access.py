"""Who may do what: the one rule over actors, actions and chains. Pure; the default is no.

``chains.accounts`` says who an actor is and what holds for a chain; the web layer asks ``allowed`` before it does or
shows anything. The page docs/spec/access.md shows the same as a table, and a test keeps the two alike.
"""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a key is for. Every key has one; all but the operator's belong to an organisation."""

    OWNER = "owner"
    WRITER = "writer"
    READER = "reader"
    AUDITOR = "auditor"
    OPERATOR = "operator"


class Visibility(StrEnum):
    """Who may read a chain without being granted anything."""

    PUBLIC = "public"  # everybody, without a key
    MEMBERS = "members"  # every organisation of this service
    PRIVATE = "private"  # the organisation that owns it


class Action(StrEnum):
    """What can be asked of the service."""

    CHAIN_CREATE = "chain.create"
    CHAIN_LIST = "chain.list"
    CHAIN_READ = "chain.read"
    CHAIN_CLOSE = "chain.close"
    CHAIN_EXPORT = "chain.export"
    CHAIN_TRANSFER = "chain.transfer"
    CHAIN_TAKE = "chain.take"
    ENTRY_WRITE = "entry.write"
    ENTRY_READ = "entry.read"
    CONTENT_READ = "content.read"
    CONTENT_ERASE = "content.erase"
    HOLD_MANAGE = "hold.manage"
    RECEIPT_READ = "receipt.read"
    HEAD_READ = "head.read"
    TILE_READ = "tile.read"
    SEARCH = "search"
    GRANT_MANAGE = "grant.manage"
    KEY_MANAGE = "key.manage"
    WEBHOOK_MANAGE = "webhook.manage"
    ACCESS_READ = "access.read"
    ORG_MANAGE = "org.manage"
    OPS_READ = "ops.read"


class Reason(StrEnum):
    """Why a decision is as it is. For logs and tests: a stranger is never told."""

    PUBLIC = "the chain is public"
    OWN = "the chain is his own"
    MEMBERS = "the chain is open to all members"
    GRANTED = "a grant for the chain"
    ROLE = "the role of his key"
    ANYONE_ASKS = "anyone may ask; each chain decides for itself whether it is shown"
    NO_KEY = "no key"
    NO_GRANT = "no grant for the chain"
    GRANT_EXPIRED = "the grant for the chain has expired"
    OTHER_ROLE = "his role here does not include it"
    NEEDS_CHAIN = "asked without the chain that it is about"
    NO_CHAIN = "asked about a chain, and is about none"


_AUDITS = frozenset(
    (
        *(Action.CHAIN_LIST, Action.CHAIN_READ, Action.ENTRY_READ, Action.RECEIPT_READ),
        *(Action.HEAD_READ, Action.TILE_READ, Action.SEARCH),
    )
)
_READS = _AUDITS | {Action.CONTENT_READ}
_WRITES = _READS | {Action.CHAIN_CREATE, Action.ENTRY_WRITE}
_DISPOSES = frozenset(
    (
        *(Action.CHAIN_CLOSE, Action.CHAIN_EXPORT, Action.CHAIN_TRANSFER),
        *(Action.CONTENT_ERASE, Action.HOLD_MANAGE),
    )
)
"""To end a chain or its contents, to take all of it away, to give it away: for the owner's own keys."""
_OWNS = _WRITES | _DISPOSES | {Action.GRANT_MANAGE, Action.KEY_MANAGE, Action.WEBHOOK_MANAGE}
RIGHTS = {
    Role.OWNER: _OWNS | {Action.ACCESS_READ, Action.CHAIN_TAKE},
    Role.WRITER: _WRITES,
    Role.READER: _READS,
    Role.AUDITOR: _AUDITS,
    Role.OPERATOR: _OWNS | {Action.ORG_MANAGE, Action.OPS_READ},
}
"""What each role may do where it counts: a key in its own organisation, the operator's in the home itself."""
GRANTABLE = frozenset({Role.WRITER, Role.READER, Role.AUDITOR})
"""What another organisation can be granted: never the right to grant."""
WITHOUT_CHAIN = frozenset(
    (
        *(Action.CHAIN_CREATE, Action.CHAIN_TAKE, Action.CHAIN_LIST, Action.SEARCH, Action.KEY_MANAGE),
        *(Action.WEBHOOK_MANAGE, Action.ACCESS_READ, Action.ORG_MANAGE, Action.OPS_READ),
    )
)
"""What is asked about no chain. Listing and searching are asked once so, and once for each chain that would show."""
ON_CHAIN = frozenset(Action) - WITHOUT_CHAIN | {Action.CHAIN_LIST, Action.SEARCH}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. A stranger has nothing; the operator has a role and a key, and no organisation.

    ``organisation`` is "org_" and 16 characters, ``key_id`` the visible part of the key ("al_" and 8 characters).
    Raises ValueError for what neither of them is.
    """

    organisation: str | None = None
    role: Role | None = None
    key_id: str | None = None

    def __post_init__(self) -> None:
        if (self.organisation is None) != (self.role in {None, Role.OPERATOR}):
            raise ValueError(
                f"expected an organisation with a role of its own, or neither, or the operator alone; found "
                f"{self.organisation} as {self.role}"
            )


STRANGER = Actor()


@dataclass(frozen=True, slots=True)
class Grant:
    """What one organisation may do on a chain of another, until ``expires_at_ms`` (None: until it is withdrawn).

    Raises ValueError for a role that cannot be granted.
    """

    organisation: str
    role: Role
    expires_at_ms: int | None = None

    def __post_init__(self) -> None:
        if self.role not in GRANTABLE:
            raise ValueError(f"expected a role of {', '.join(sorted(GRANTABLE))}, found {self.role}")

    def is_live(self, now_ms: int) -> bool:
        """Say whether the grant still counts; in the millisecond of its expiry it does not."""
        return self.expires_at_ms is None or now_ms < self.expires_at_ms


@dataclass(frozen=True, slots=True)
class ChainAccess:
    """What holds for one chain. Without an owner it is the home's own, and the operator acts as its owner."""

    owner: str | None = None
    visibility: Visibility = Visibility.PRIVATE
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it may be done, and why. ``is_visible``: he may know that the thing exists.

    What is refused and visible is answered 403; what is not visible is answered as if it were not there (404).
    """

    is_allowed: bool
    reason: Reason
    is_visible: bool = True


def allowed(actor: Actor, action: Action, chain: ChainAccess | None, now_ms: int) -> Decision:
    """Say whether ``actor`` may do ``action`` at ``now_ms``, to ``chain`` or (None) to no chain in particular.

    Without a chain, keys, webhooks and new chains are those of the actor's own organisation, so a caller must never
    take the organisation from the request; the operator's are those of any organisation. Whoever lists or searches
    asks once without chain, and then with each chain before anything of it is counted or shown.
    """
    if chain is None:
        return _without_chain(actor, action)
    if action not in ON_CHAIN:
        return Decision(False, Reason.NO_CHAIN, is_visible=False)
    ways = _ways(actor, chain, now_ms)
    for rights, reason in ways:
        if action in rights:
            return Decision(True, reason)
    is_visible = any(Action.CHAIN_READ in rights for rights, _ in ways)
    return Decision(False, _why_not(actor, chain, ways), is_visible)


def _without_chain(actor: Actor, action: Action) -> Decision:
    if action not in WITHOUT_CHAIN:
        return Decision(False, Reason.NEEDS_CHAIN)
    if action in ON_CHAIN:
        return Decision(True, Reason.ANYONE_ASKS)
    if actor.role is None:
        return Decision(False, Reason.NO_KEY)
    may = action in RIGHTS[actor.role]
    return Decision(may, Reason.ROLE if may else Reason.OTHER_ROLE)


_Way = tuple[frozenset[Action], Reason]


def _ways(actor: Actor, chain: ChainAccess, now_ms: int) -> list[_Way]:
    """Return every way that leads the actor to the chain, with what it lets him do. None of them takes from another."""
    ways: list[_Way] = []
    if chain.visibility == Visibility.PUBLIC:
        ways.append((_READS, Reason.PUBLIC))
    if actor.role is None:
        return ways
    own = RIGHTS[actor.role]
    if chain.owner == actor.organisation:  # None is the home, whose operator has no organisation either
        ways.append((own, Reason.OWN))
    if actor.organisation is None:
        return ways
    if chain.visibility == Visibility.MEMBERS:
        ways.append((own & _READS, Reason.MEMBERS))
    ways += [
        (own & RIGHTS[grant.role], Reason.GRANTED)
        for grant in chain.grants
        if grant.organisation == actor.organisation and grant.is_live(now_ms)
    ]
    return ways


def _why_not(actor: Actor, chain: ChainAccess, ways: list[_Way]) -> Reason:
    if actor.role is None:
        return Reason.NO_KEY
    if ways:
        return Reason.OTHER_ROLE
    was_granted = any(grant.organisation == actor.organisation for grant in chain.grants)
    return Reason.GRANT_EXPIRED if was_granted else Reason.NO_GRANT

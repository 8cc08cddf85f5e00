"""Accounts against a model: random organisations, keys, grants, owners and clocks, and the same answers from both.

The model keeps plain sets and dictionaries and applies the rules in its own words; the database is a real one.
"""

import itertools
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from anchor.errors import KeyRefusedError
from chains.access import STRANGER, Action, Actor, Role, Visibility
from chains.accounts import Accounts
from chains.api_keys import NewKey
from chains.chain import Chain
from chains.organisations import Organisation
from tests.databases import open_new
from tests.simulators.store import START_MS, Store

MEMBER_ROLES = (Role.OWNER, Role.WRITER, Role.READER, Role.AUDITOR)
PLACES = st.integers(0, 3)
"""Which of the keys, or of the chains, counted round."""
SPANS = st.none() | st.integers(1, 50)
READS = {Action.CHAIN_READ, Action.CONTENT_READ}
ASKED = (Action.CHAIN_READ, Action.CONTENT_READ, Action.ENTRY_WRITE, Action.GRANT_MANAGE)
ROLE_MAY = {
    Role.OWNER: set(ASKED),
    Role.WRITER: READS | {Action.ENTRY_WRITE},
    Role.READER: READS,
    Role.AUDITOR: {Action.CHAIN_READ},
    Role.OPERATOR: set(ASKED),
}


@dataclass
class KnownKey:
    """What the model knows of a key."""

    made: NewKey
    organisation: str | None
    role: Role
    ends_at_ms: int | None
    is_revoked: bool = False


@dataclass
class KnownChain:
    """What the model knows of a chain; ``grants`` by organisation: role and end."""

    chain: Chain
    owner: str | None = None
    visibility: Visibility = Visibility.PRIVATE
    grants: dict[str, tuple[Role, int | None]] = field(default_factory=dict)


class AccountsMachine(RuleBasedStateMachine):
    """Changes accounts at random, and compares who gets where after each change."""

    organisations: Bundle[Organisation] = Bundle("organisations")

    def __init__(self) -> None:
        super().__init__()
        self.store = Store(open_new())
        self.accounts = Accounts(self.store.engine)
        self.now_ms = START_MS
        self.numbers = itertools.count(1)
        self.known_keys: list[KnownKey] = []
        self.known_chains: list[KnownChain] = []
        self.removed: set[str] = set()

    def teardown(self) -> None:
        self.store.engine.close()

    @initialize(target=organisations)
    def begin(self) -> MultipleResults[Organisation]:
        """Every story begins with two organisations, a writer's key of each, and a chain of the first."""
        first, second = self.created(), self.created()
        for each in (first, second):
            self.key_of(each, Role.WRITER, None)
        self.opened_for(first, Visibility.PRIVATE)
        return multiple(first, second)

    def after(self, span_ms: int | None) -> int | None:
        return None if span_ms is None else self.now_ms + span_ms

    # --- changes

    @rule(target=organisations)
    def create(self) -> Organisation:
        return self.created()

    def created(self) -> Organisation:
        return self.accounts.organisations.create(f"organisation {next(self.numbers)}", self.now_ms)

    @rule(organisation=consumes(organisations))
    def remove(self, organisation: Organisation) -> None:
        self.accounts.organisations.remove(organisation, self.now_ms)
        self.removed.add(organisation.organisation_id)

    @rule(organisation=organisations, role=st.sampled_from(MEMBER_ROLES), span_ms=SPANS)
    def key_of(self, organisation: Organisation, role: Role, span_ms: int | None) -> None:
        ends_at_ms = self.after(span_ms)
        made = self.accounts.keys.create(organisation, role, "", ends_at_ms, self.now_ms)
        self.known_keys.append(KnownKey(made, organisation.organisation_id, role, ends_at_ms))

    @rule(span_ms=SPANS)
    def operators_key(self, span_ms: int | None) -> None:
        ends_at_ms = self.after(span_ms)
        made = self.accounts.keys.create(None, Role.OPERATOR, "", ends_at_ms, self.now_ms)
        self.known_keys.append(KnownKey(made, None, Role.OPERATOR, ends_at_ms))

    @rule(place=PLACES)
    def revoke(self, place: int) -> None:
        key = self.known_keys[place % len(self.known_keys)]
        self.accounts.keys.revoke(key.made.key, self.now_ms)
        key.is_revoked = True

    @rule(place=PLACES, overlap_ms=st.integers(0, 50), span_ms=SPANS)
    def rotate(self, place: int, overlap_ms: int, span_ms: int | None) -> None:
        key = self.known_keys[place % len(self.known_keys)]
        if not self.holds(key):
            return
        made = self.accounts.keys.rotate(key.made.key, overlap_ms, self.after(span_ms), self.now_ms)
        key.ends_at_ms = min(self.now_ms + overlap_ms, key.ends_at_ms or self.now_ms + overlap_ms)
        self.known_keys.append(KnownKey(made, key.organisation, key.role, self.after(span_ms)))

    @rule()
    def opened(self) -> None:
        self.known_chains.append(KnownChain(self.store.open_chain(f"chain {next(self.numbers)}")))

    @rule(organisation=organisations, visibility=st.sampled_from(Visibility))
    def opened_for(self, organisation: Organisation, visibility: Visibility) -> None:
        self.opened()
        known = self.known_chains[-1]
        with self.store.engine.transaction():
            self.accounts.sharing.own(known.chain, organisation, visibility)
        known.owner, known.visibility = organisation.organisation_id, visibility

    @rule(place=PLACES, organisation=st.none() | organisations)
    def give_away(self, place: int, organisation: Organisation | None) -> None:
        known = self.known_chains[place % len(self.known_chains)]
        self.accounts.sharing.set_owner(known.chain, organisation, self.now_ms)
        owner = None if organisation is None else organisation.organisation_id
        if owner != known.owner:
            known.grants = {}
        known.owner = owner

    @rule(place=PLACES, visibility=st.sampled_from(Visibility))
    def set_visibility(self, place: int, visibility: Visibility) -> None:
        known = self.known_chains[place % len(self.known_chains)]
        self.accounts.sharing.set_visibility(known.chain, visibility, self.now_ms)
        known.visibility = visibility

    @rule(
        place=PLACES,
        organisation=organisations,
        role=st.sampled_from((Role.WRITER, Role.READER, Role.AUDITOR)),
        span_ms=SPANS,
    )
    def grant(self, place: int, organisation: Organisation, role: Role, span_ms: int | None) -> None:
        known = self.known_chains[place % len(self.known_chains)]
        if organisation.organisation_id == known.owner:
            return
        self.accounts.sharing.grant(known.chain, organisation, role, self.after(span_ms), self.now_ms)
        known.grants[organisation.organisation_id] = role, self.after(span_ms)

    @rule(place=PLACES, organisation=organisations)
    def withdraw(self, place: int, organisation: Organisation) -> None:
        known = self.known_chains[place % len(self.known_chains)]
        if known.grants.pop(organisation.organisation_id, None) is not None:
            self.accounts.sharing.withdraw(known.chain, organisation, self.now_ms)

    @rule(span_ms=st.integers(1, 60))
    def let_time_pass(self, span_ms: int) -> None:
        self.now_ms += span_ms

    # --- what the model expects

    def holds(self, key: KnownKey) -> bool:
        is_over = key.ends_at_ms is not None and self.now_ms >= key.ends_at_ms
        return not (key.is_revoked or is_over or key.organisation in self.removed)

    def expected(self, key: KnownKey | None, known: KnownChain) -> set[Action]:
        """Return what may be done on a chain with a key, or without one."""
        may = READS if known.visibility == Visibility.PUBLIC else set[Action]()
        if key is None or (key.organisation is None and known.owner is not None):
            return may
        if key.organisation == known.owner:
            return may | ROLE_MAY[key.role]
        if key.organisation is None:
            return may
        if known.visibility == Visibility.MEMBERS:
            may = may | (ROLE_MAY[key.role] & READS)
        role, ends_at_ms = known.grants.get(key.organisation, (None, None))
        if role is not None and (ends_at_ms is None or self.now_ms < ends_at_ms):
            may = may | (ROLE_MAY[key.role] & ROLE_MAY[role])
        return may

    @invariant()
    def the_same_keys_hold_and_the_same_is_allowed(self) -> None:
        for key in self.known_keys:
            try:
                actor: Actor | None = self.accounts.authenticate(key.made.token, self.now_ms)
            except KeyRefusedError:
                actor = None
            assert self.holds(key) == (actor is not None)
            if actor is not None:
                assert (key.organisation, key.role) == (actor.organisation, actor.role)
                self.check_chains(key, actor)
        self.check_chains(None, STRANGER)

    def check_chains(self, key: KnownKey | None, actor: Actor) -> None:
        for known in self.known_chains:
            decisions = {action: self.accounts.may(actor, action, known.chain, self.now_ms) for action in ASKED}
            allowed = {action for action, decision in decisions.items() if decision.is_allowed}
            assert self.expected(key, known) == allowed
            assert {Action.CHAIN_READ in allowed} == {decision.is_visible for decision in decisions.values()}


AccountsMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


TestAccountsAgainstAModel = AccountsMachine.TestCase
TestAccountsAgainstAModel.__doc__ = (
    "Whatever happened before, the database and the model let the same keys do the same."
)

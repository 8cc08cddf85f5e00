"""Tests of ``chains.access``: the whole table of who may do what, and what holds for every world one can think of.

The tables are Markdown, and stand word for word in docs/spec/access.md: whoever changes a right changes its page.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.access import (
    GRANTABLE,
    ON_CHAIN,
    RIGHTS,
    STRANGER,
    WITHOUT_CHAIN,
    Action,
    Actor,
    ChainAccess,
    Decision,
    Grant,
    Reason,
    Role,
    Visibility,
    allowed,
)

PAGE = Path(__file__).parents[3] / "docs" / "spec" / "access.md"
NOW_MS = 1_800_000_000_000

WORDS = """\
| word | actions |
|---|---|
| nothing | |
| audit | `chain.list` `chain.read` `entry.read` `receipt.read` `head.read` `tile.read` `search` |
| read | audit and `content.read` |
| write | read and `entry.write` |
| own | write and `chain.close` `chain.export` `chain.transfer` `content.erase` `grant.manage` `hold.manage` |
"""

ON_A_CHAIN = """\
| the organisation of the key | the chain is | owner | writer | reader | auditor |
|---|---|---|---|---|---|
| owns the chain | public | own | write | read | read |
| owns the chain | members | own | write | read | audit |
| owns the chain | private | own | write | read | audit |
| was granted writer | public | write | write | read | read |
| was granted writer | members | write | write | read | audit |
| was granted writer | private | write | write | read | audit |
| was granted reader | public | read | read | read | read |
| was granted reader | members | read | read | read | audit |
| was granted reader | private | read | read | read | audit |
| was granted auditor | public | read | read | read | read |
| was granted auditor | members | read | read | read | audit |
| was granted auditor | private | audit | audit | audit | audit |
| had a grant, which expired | public | read | read | read | read |
| had a grant, which expired | members | read | read | read | audit |
| had a grant, which expired | private | nothing | nothing | nothing | nothing |
| has nothing to do with it | public | read | read | read | read |
| has nothing to do with it | members | read | read | read | audit |
| has nothing to do with it | private | nothing | nothing | nothing | nothing |
"""

WITHOUT_ORGANISATION = """\
| who | a chain of | public | members | private |
|---|---|---|---|---|
| a stranger | an organisation | read | nothing | nothing |
| a stranger | the home | read | nothing | nothing |
| the operator | an organisation | read | nothing | nothing |
| the operator | the home | own | own | own |
"""

ABOUT_NO_CHAIN = """\
| action | stranger | owner | writer | reader | auditor | operator |
|---|---|---|---|---|---|---|
| `chain.list` | yes | yes | yes | yes | yes | yes |
| `search` | yes | yes | yes | yes | yes | yes |
| `chain.create` | no | yes | yes | no | no | yes |
| `chain.take` | no | yes | no | no | no | no |
| `key.manage` | no | yes | no | no | no | yes |
| `webhook.manage` | no | yes | no | no | no | yes |
| `access.read` | no | yes | no | no | no | no |
| `org.manage` | no | no | no | no | no | yes |
| `ops.read` | no | no | no | no | no | yes |
"""

OURS, THEIRS = "org_ours", "org_theirs"
MEMBER_ROLES = (Role.OWNER, Role.WRITER, Role.READER, Role.AUDITOR)
OPERATOR = Actor(None, Role.OPERATOR, "al_operator")


def rows_of(table: str) -> list[list[str]]:
    """Return the cells of a Markdown table, without its first two lines."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def words() -> dict[str, set[str]]:
    """Return what each word of the tables stands for."""
    meaning: dict[str, set[str]] = {}
    for word, text in rows_of(WORDS):
        first, *rest = text.replace("and ", "").replace("`", "").split() or [""]
        meaning[word] = {*meaning.get(first, {first} - {""}), *rest}
    return meaning


MEANING = words()
RELATIONS: dict[str, tuple[str | None, tuple[Grant, ...]]] = {
    "owns the chain": (OURS, ()),
    "was granted writer": (THEIRS, (Grant(OURS, Role.WRITER, NOW_MS + 1),)),
    "was granted reader": (THEIRS, (Grant(OURS, Role.READER),)),
    "was granted auditor": (None, (Grant(OURS, Role.AUDITOR, NOW_MS + 1),)),
    "had a grant, which expired": (THEIRS, (Grant(OURS, Role.WRITER, NOW_MS),)),
    "has nothing to do with it": (THEIRS, (Grant("org_others", Role.WRITER),)),
}


def done_on(actor: Actor, chain: ChainAccess) -> set[str]:
    """Return every action that an actor may do on a chain now."""
    return {action.value for action in ON_CHAIN if allowed(actor, action, chain, NOW_MS).is_allowed}


def test_the_whole_table_of_rights() -> None:
    """Every role, action, visibility and relation decides as the tables say, and no combination is missing in them."""
    seen: set[tuple[str, ...]] = set()
    for relation, visibility, *cells in rows_of(ON_A_CHAIN):
        owner, grants = RELATIONS[relation]
        chain = ChainAccess(owner, Visibility(visibility), grants)
        for role, word in zip(MEMBER_ROLES, cells, strict=True):
            seen.add((relation, visibility, role))
            assert MEANING[word] == done_on(Actor(OURS, role, "al_ours"), chain), (relation, visibility, role)
    for who, whose, *cells in rows_of(WITHOUT_ORGANISATION):
        actor = STRANGER if who == "a stranger" else OPERATOR
        for visibility, word in zip(Visibility, cells, strict=True):
            seen.add((who, whose, visibility))
            chain = ChainAccess(None if whose == "the home" else THEIRS, visibility, (Grant(OURS, Role.WRITER),))
            assert MEANING[word] == done_on(actor, chain), (who, whose, visibility)
    assert len(seen) == len(RELATIONS) * len(Visibility) * len(MEMBER_ROLES) + 2 * 2 * len(Visibility)


def test_the_whole_table_of_what_is_about_no_chain() -> None:
    """Every role and action without a chain decides as the table says, and no action is missing in it."""
    actors = [STRANGER, *(Actor(OURS, role, "al_ours") for role in MEMBER_ROLES), OPERATOR]
    rows = {name.strip("`"): cells for name, *cells in rows_of(ABOUT_NO_CHAIN)}
    assert set(WITHOUT_CHAIN) == set(rows)
    for name, cells in rows.items():
        decided = [allowed(actor, Action(name), None, NOW_MS).is_allowed for actor in actors]
        assert [cell == "yes" for cell in cells] == decided, name


def test_the_page_shows_these_tables() -> None:
    """docs/spec/access.md has the tables word for word, and a name for each action and each reason's kind."""
    text = PAGE.read_text(encoding="utf-8")
    for table in (WORDS, ON_A_CHAIN, WITHOUT_ORGANISATION, ABOUT_NO_CHAIN):
        assert table in text
    assert [] == [action for action in Action if f"`{action}`" not in text]


def test_every_action_is_about_a_chain_or_about_none() -> None:
    """Listing and searching are both; everything else is one of the two, and asked wrongly it is refused."""
    assert {Action.CHAIN_LIST, Action.SEARCH} == ON_CHAIN & WITHOUT_CHAIN
    assert set(Action) == ON_CHAIN | WITHOUT_CHAIN
    own = ChainAccess(OURS)
    for action in WITHOUT_CHAIN - ON_CHAIN:
        assert Decision(False, Reason.NO_CHAIN, False) == allowed(Actor(OURS, Role.OWNER), action, own, NOW_MS)
    for action in ON_CHAIN - WITHOUT_CHAIN:
        assert Decision(False, Reason.NEEDS_CHAIN) == allowed(Actor(OURS, Role.OWNER), action, None, NOW_MS)


@pytest.mark.parametrize(
    ("actor", "chain", "action", "decision"),
    [
        (STRANGER, ChainAccess(THEIRS), Action.CHAIN_READ, Decision(False, Reason.NO_KEY, False)),
        (STRANGER, ChainAccess(), Action.CHAIN_READ, Decision(False, Reason.NO_KEY, False)),
        (STRANGER, ChainAccess(THEIRS, Visibility.PUBLIC), Action.ENTRY_WRITE, Decision(False, Reason.NO_KEY)),
        (Actor(OURS, Role.READER), ChainAccess(OURS), Action.ENTRY_WRITE, Decision(False, Reason.OTHER_ROLE)),
        (Actor(OURS, Role.READER), ChainAccess(THEIRS), Action.CHAIN_READ, Decision(False, Reason.NO_GRANT, False)),
        (Actor(OURS, Role.READER), ChainAccess(), Action.CHAIN_READ, Decision(False, Reason.NO_GRANT, False)),
        (
            Actor(OURS, Role.READER),
            ChainAccess(THEIRS, grants=(Grant(OURS, Role.READER, NOW_MS - 1),)),
            Action.CHAIN_READ,
            Decision(False, Reason.GRANT_EXPIRED, False),
        ),
        (OPERATOR, ChainAccess(THEIRS), Action.CHAIN_READ, Decision(False, Reason.NO_GRANT, False)),
        (OPERATOR, ChainAccess(), Action.ENTRY_WRITE, Decision(True, Reason.OWN)),
        (STRANGER, ChainAccess(THEIRS, Visibility.PUBLIC), Action.CONTENT_READ, Decision(True, Reason.PUBLIC)),
        (
            Actor(OURS, Role.READER),
            ChainAccess(THEIRS, Visibility.MEMBERS),
            Action.CHAIN_READ,
            Decision(True, Reason.MEMBERS),
        ),
        (
            Actor(OURS, Role.WRITER),
            ChainAccess(THEIRS, grants=(Grant(OURS, Role.WRITER),)),
            Action.ENTRY_WRITE,
            Decision(True, Reason.GRANTED),
        ),
    ],
)
def test_a_decision_says_why_and_whether_the_chain_may_be_known(
    actor: Actor, chain: ChainAccess, action: Action, decision: Decision
) -> None:
    """What may be read is refused openly, what may not is refused as if it were not there."""
    assert decision == allowed(actor, action, chain, NOW_MS)


@pytest.mark.parametrize(
    ("organisation", "role"), [(OURS, None), (None, Role.OWNER), (OURS, Role.OPERATOR), (None, Role.READER)]
)
def test_an_actor_that_is_neither_member_nor_operator_nor_stranger_cannot_be_made(
    organisation: str | None, role: Role | None
) -> None:
    """An operator with an organisation, or a role without one, would fall between the rules."""
    with pytest.raises(ValueError, match="expected an organisation with a role"):
        Actor(organisation, role, "al_x")


@pytest.mark.parametrize("role", [Role.OWNER, Role.OPERATOR])
def test_the_right_to_grant_cannot_be_granted(role: Role) -> None:
    """Only reading, auditing and writing are for others."""
    with pytest.raises(ValueError, match="expected a role of auditor, reader, writer"):
        Grant(OURS, role)


# --- what holds in every world

ORGANISATIONS = ("org_a", "org_b", "org_c")
TIMES = st.integers(0, 6)
GRANTS = st.builds(Grant, st.sampled_from(ORGANISATIONS), st.sampled_from(sorted(GRANTABLE)), st.none() | TIMES)
CHAINS = st.builds(
    ChainAccess,
    st.sampled_from((None, *ORGANISATIONS)),
    st.sampled_from(Visibility),
    st.lists(GRANTS, max_size=5).map(tuple),
)
MEMBERS = st.builds(Actor, st.sampled_from(ORGANISATIONS), st.sampled_from(MEMBER_ROLES), st.just("al_key"))
ACTORS = st.just(STRANGER) | st.just(OPERATOR) | MEMBERS
ACTIONS = st.sampled_from(Action)


def actions_of(actor: Actor, chain: ChainAccess, now_ms: int) -> set[Action]:
    return {action for action in Action if allowed(actor, action, chain, now_ms).is_allowed}


@given(ACTIONS, CHAINS, TIMES)
def test_a_stranger_reads_what_is_public_and_nothing_else(action: Action, chain: ChainAccess, now_ms: int) -> None:
    """Without a key nothing that is not public is done, or may even be known."""
    decision = allowed(STRANGER, action, chain, now_ms)
    assert decision.is_allowed == (chain.visibility == Visibility.PUBLIC and action in RIGHTS[Role.READER])
    assert decision.is_visible <= (chain.visibility == Visibility.PUBLIC)


@given(MEMBERS, CHAINS, TIMES)
def test_a_private_chain_is_closed_to_whoever_has_no_live_grant(actor: Actor, chain: ChainAccess, now_ms: int) -> None:
    """Whoever neither owns a private chain nor holds a live grant for it does nothing there, and may not know of it."""
    live = [item for item in chain.grants if item.organisation == actor.organisation and item.is_live(now_ms)]
    if chain.visibility != Visibility.PRIVATE or chain.owner == actor.organisation or live:
        return
    assert set() == actions_of(actor, chain, now_ms)
    assert not any(allowed(actor, action, chain, now_ms).is_visible for action in Action)


@given(CHAINS, TIMES)
def test_the_operator_is_nobody_on_the_chains_of_others(chain: ChainAccess, now_ms: int) -> None:
    """On a chain with an owner he does what a stranger does."""
    if chain.owner is not None:
        assert actions_of(STRANGER, chain, now_ms) == actions_of(OPERATOR, chain, now_ms)


@given(ACTORS, CHAINS, TIMES)
def test_a_key_never_takes_away(actor: Actor, chain: ChainAccess, now_ms: int) -> None:
    """Whoever shows a key may do at least what he may do without it."""
    assert actions_of(STRANGER, chain, now_ms) <= actions_of(actor, chain, now_ms)


@given(ACTORS, CHAINS, TIMES, st.integers(0, 4))
def test_removing_a_grant_never_gives_more(actor: Actor, chain: ChainAccess, now_ms: int, place: int) -> None:
    """And changes nothing for other organisations."""
    fewer = ChainAccess(chain.owner, chain.visibility, chain.grants[:place] + chain.grants[place + 1 :])
    assert actions_of(actor, fewer, now_ms) <= actions_of(actor, chain, now_ms)
    if place < len(chain.grants) and chain.grants[place].organisation != actor.organisation:
        assert actions_of(actor, fewer, now_ms) == actions_of(actor, chain, now_ms)


@given(ACTORS, CHAINS, TIMES, TIMES)
def test_time_only_takes_away(actor: Actor, chain: ChainAccess, now_ms: int, later_ms: int) -> None:
    """Grants expire and never begin: with nothing changed, nobody may do later what he may not do now."""
    assert actions_of(actor, chain, now_ms + later_ms) <= actions_of(actor, chain, now_ms)


@given(ACTORS, CHAINS, TIMES)
def test_an_expired_grant_is_no_grant(actor: Actor, chain: ChainAccess, now_ms: int) -> None:
    """From the millisecond of its expiry on, what a grant gave is over."""
    live = tuple(item for item in chain.grants if item.expires_at_ms is None or item.expires_at_ms > now_ms)
    assert actions_of(actor, ChainAccess(chain.owner, chain.visibility, live), now_ms) == actions_of(
        actor, chain, now_ms
    )


@given(ACTORS, CHAINS, TIMES)
def test_a_more_open_chain_never_shows_less(actor: Actor, chain: ChainAccess, now_ms: int) -> None:
    """Private, members, public: each shows what the one before shows."""
    done = [
        actions_of(actor, ChainAccess(chain.owner, visibility, chain.grants), now_ms)
        for visibility in (Visibility.PRIVATE, Visibility.MEMBERS, Visibility.PUBLIC)
    ]
    assert done[0] <= done[1] <= done[2]


@given(MEMBERS, CHAINS, TIMES, st.sampled_from(sorted(Action)))
def test_only_the_owner_grants_and_only_writers_write(
    actor: Actor, chain: ChainAccess, now_ms: int, action: Action
) -> None:
    """However open a chain is: writing takes the owner's or a writer's key, granting the owner's on its own chain."""
    if not allowed(actor, action, chain, now_ms).is_allowed:
        return
    if action == Action.ENTRY_WRITE:
        assert actor.role in {Role.OWNER, Role.WRITER}
        writing = {item.organisation for item in chain.grants if item.role == Role.WRITER and item.is_live(now_ms)}
        assert actor.organisation in {chain.owner, *writing}
    if action == Action.GRANT_MANAGE:
        assert (chain.owner, Role.OWNER) == (actor.organisation, actor.role)


@given(ACTORS, CHAINS, TIMES)
def test_whoever_may_do_anything_may_know_of_the_chain(actor: Actor, chain: ChainAccess, now_ms: int) -> None:
    """What is allowed is visible, and what is visible can be read: 403 is answered for nothing else."""
    decisions = [allowed(actor, action, chain, now_ms) for action in ON_CHAIN]
    assert len({decision.is_visible for decision in decisions}) == 1
    reads = allowed(actor, Action.CHAIN_READ, chain, now_ms).is_allowed
    assert all(decision.is_visible == reads for decision in decisions)


def test_a_grant_ends_in_the_millisecond_of_its_expiry() -> None:
    """In the one before it still counts."""
    granted = ChainAccess("org_b", Visibility.PRIVATE, (Grant("org_a", Role.WRITER, 3),))
    writer = Actor("org_a", Role.WRITER, "al_key")
    assert [True, True, True, False] == [
        allowed(writer, Action.ENTRY_WRITE, granted, now_ms).is_allowed for now_ms in range(4)
    ]

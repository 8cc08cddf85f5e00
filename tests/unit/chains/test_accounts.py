"""Tests of ``chains.accounts`` and its parts: organisations, API keys, owners, visibilities and grants in a database.

Randomness is given, so that what it leads to is known; two stores over one file are two processes.
"""

import hashlib
import re
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.errors import AccountError, ChainExistsError, KeyRefusedError, UnknownAccountError
from anchor.proof.promise import ANONYMOUS
from chains.access import STRANGER, Action, Actor, ChainAccess, Grant, Role, Visibility
from chains.accounts import Accounts
from chains.api_key import key_id_of, make_token, token_hash
from chains.api_keys import ApiKeys, NewKey
from chains.diagnosis import Level
from chains.doctor_accounts import api_keys
from chains.organisations import Organisation
from chains.quota import UNLIMITED, Quota
from chains.together import commit_together
from chains.work import Content, Done, Opening
from tests.simulators.store import LOG, START_MS, Store, chain_id, clear

NOW_MS = START_MS
DAY_MS = 24 * 60 * 60 * 1000


def counting() -> Callable[[int], bytes]:
    """Return a source of bytes that are different each time and the same in each run."""
    numbers = count(1)
    return lambda size: hashlib.shake_256(b"%d" % next(numbers)).digest(size)


@pytest.fixture
def accounts(store: Store) -> Accounts:
    return Accounts(store.engine, counting())


@pytest.fixture
def acme(accounts: Accounts) -> Organisation:
    return accounts.organisations.create("acme", NOW_MS)


@pytest.fixture
def meridian(accounts: Accounts) -> Organisation:
    return accounts.organisations.create("meridian", NOW_MS)


def test_many_keys_and_chains_are_looked_up_together(
    store: Store, accounts: Accounts, acme: Organisation, meridian: Organisation
) -> None:
    """Who may act where is told of all at once as it is told of each alone, refusals with their words."""
    live, gone = writer_key(accounts, acme), writer_key(accounts, meridian, NOW_MS + 5)
    chains = []
    with store.engine.transaction():
        for name, owner in (("one", acme), ("two", None)):
            chains.append(store.chains.open(chain_id(name), name, NOW_MS))
            accounts.sharing.own(chains[-1], owner, Visibility.PRIVATE)
    numbers = [chain.chain_no for chain in chains]
    actors, access = accounts.acting({live.token, gone.token, "nonsense"}, [*numbers, 99], NOW_MS + 9)
    assert accounts.authenticate(live.token, NOW_MS + 9) == actors[live.token]
    for token in (gone.token, "nonsense"):
        assert refusal(accounts, token, NOW_MS + 9) == str(actors[token])
    assert {number: accounts.sharing.access_of(number) for number in (*numbers, 99)} == access
    assert ({}, {}) == accounts.acting([], [], NOW_MS)


def writer_key(accounts: Accounts, of: Organisation, expires_at_ms: int | None = None) -> NewKey:
    return accounts.keys.create(of, Role.WRITER, "press 7", expires_at_ms, NOW_MS)


def refusal(accounts: Accounts, token: str, now_ms: int = NOW_MS) -> str:
    """Return with which words a key is refused."""
    with pytest.raises(KeyRefusedError) as refused:
        accounts.authenticate(token, now_ms)
    return str(refused.value)


# --- organisations


def test_an_organisation_is_found_by_name_and_by_id(accounts: Accounts, acme: Organisation) -> None:
    """What was stored is what was made, for another process too."""
    assert re.fullmatch(r"org_[a-z2-7]{16}", acme.organisation_id)
    assert acme == accounts.organisations.named("acme") == accounts.organisations.named(acme.organisation_id)
    assert acme == accounts.organisations.by_id(acme.organisation_id)
    assert [acme] == list(accounts.organisations.all())


@pytest.mark.parametrize(
    "name", ["", " acme", "acme ", "ac\nme", "x" * 101, "org_aaaaaaaaaaaaaaaa", "org_", "al_aaaaaaaa_x"]
)
def test_a_malformed_name_is_refused(accounts: Accounts, name: str) -> None:
    """A name can be typed and told from an id."""
    with pytest.raises(AccountError, match="name of an organisation"):
        accounts.organisations.create(name, NOW_MS)
    assert [] == list(accounts.organisations.all())


def test_a_name_is_given_once_and_never_again(accounts: Accounts, acme: Organisation) -> None:
    """Not even after a removal: who wrote under a name must stay clear."""
    with pytest.raises(AccountError, match="'acme' exists already: choose another name"):
        accounts.organisations.create("acme", NOW_MS)
    accounts.organisations.remove(acme, NOW_MS)
    with pytest.raises(AccountError, match="'acme' existed and was removed already"):
        accounts.organisations.create("acme", NOW_MS)


@pytest.mark.parametrize("name", ["nobody", "", "org_aaaaaaaaaaaaaaaa", "'; DROP TABLE organisation; --"])
def test_an_unknown_organisation_is_refused_with_advice(accounts: Accounts, acme: Organisation, name: str) -> None:
    """The message names it, and the command that lists those that are here."""
    with pytest.raises(UnknownAccountError, match="anchorline org list"):
        accounts.organisations.named(name)
    assert acme == accounts.organisations.named("acme")


def test_a_removed_organisation_is_known_and_gets_nothing(accounts: Accounts, acme: Organisation) -> None:
    """It is shown with the first time of its removal; a key, a grant or a chain it cannot be given."""
    accounts.organisations.remove(acme, NOW_MS + 1)
    accounts.organisations.remove(acme, NOW_MS + 2)
    assert NOW_MS + 1 == accounts.organisations.named("acme").removed_at_ms
    with pytest.raises(AccountError, match="was removed: it can be given nothing"):
        accounts.organisations.live("acme")


def test_the_submitter_of_an_account_is_the_hash_of_the_specification(accounts: Accounts, acme: Organisation) -> None:
    """H("anchorline/submitter/v1" LF ‖ log_id ‖ account salt ‖ account id)[:16]; zeros for who has no account."""
    preimage = b"anchorline/submitter/v1\n" + LOG.log_id + acme.submitter_salt + acme.organisation_id.encode()
    member = Actor(acme.organisation_id, Role.WRITER, "al_x")
    assert hashlib.sha256(preimage).digest()[:16] == accounts.submitter_of(member, LOG.log_id)
    assert 16 == len(acme.submitter_salt)
    assert ANONYMOUS == accounts.submitter_of(STRANGER, LOG.log_id)
    assert ANONYMOUS == accounts.submitter_of(Actor(None, Role.OPERATOR), LOG.log_id)


def test_two_accounts_have_two_submitters(accounts: Accounts, acme: Organisation, meridian: Organisation) -> None:
    """And one account two of them in two logs, so that nobody can follow it from one log to the other."""
    assert acme.submitter(LOG.log_id) != meridian.submitter(LOG.log_id)
    assert acme.submitter(LOG.log_id) != acme.submitter(bytes(32))


def test_a_quota_is_kept(accounts: Accounts, acme: Organisation) -> None:
    """An organisation has none until one is set; the operator and strangers have none at all."""
    member = Actor(acme.organisation_id, Role.WRITER, "al_x")
    assert UNLIMITED == accounts.quota_of(member)
    accounts.organisations.set_quota(acme, Quota(100, 2**30))
    assert Quota(100, 2**30) == accounts.quota_of(member)
    assert UNLIMITED == accounts.quota_of(STRANGER) == accounts.quota_of(Actor(None, Role.OPERATOR))
    made = accounts.organisations.create("other", NOW_MS, Quota(bytes_per_day=1024))
    assert Quota(None, 1024) == accounts.organisations.by_id(made.organisation_id).quota


@pytest.mark.parametrize("values", [(0, None), (-1, None), (1_000_001, None), (None, 1023), (None, 2**40 + 1)])
def test_a_quota_outside_of_the_limits_is_refused(values: tuple[int | None, int | None]) -> None:
    """Neither nothing nor more than can be counted; no quota is said by None."""
    with pytest.raises(AccountError, match=r"quota: .* expected .* found"):
        Quota(*values)


# --- keys


def test_a_key_says_whose_it_is(accounts: Accounts, acme: Organisation) -> None:
    """The actor has the organisation, the role and the visible part of the key."""
    made = writer_key(accounts, acme)
    assert Actor(acme.organisation_id, Role.WRITER, made.key.key_id) == accounts.authenticate(made.token, NOW_MS)
    operator = accounts.keys.create(None, Role.OPERATOR, "", None, NOW_MS)
    assert Actor(None, Role.OPERATOR, operator.key.key_id) == accounts.authenticate(operator.token, NOW_MS)


def test_a_key_has_its_form_and_is_stored_as_a_hash_only(store: Store, accounts: Accounts, acme: Organisation) -> None:
    """al_, 8 visible characters, 43 secret ones of 32 random bytes; no column of the row has any of these 43."""
    made = writer_key(accounts, acme)
    assert re.fullmatch(r"al_[a-z2-7]{8}_[A-Za-z0-9_-]{43}", made.token)
    assert made.token[:11] == made.key.key_id
    [row] = store.engine.query("SELECT * FROM api_key")
    assert hashlib.sha256(made.token.encode()).digest() in row
    assert made.token[12:] not in repr(row)
    assert made.token[12:] not in repr(made)


def test_every_bit_of_randomness_is_in_the_key() -> None:
    """5 and 32 random bytes give the two parts, so no two keys are alike but by chance of 2^-256."""
    asked: list[int] = []

    def source(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    assert f"al_aaaaaaaa_{'A' * 43}" == make_token(source)
    assert [5, 32] == asked


def test_what_does_not_hold_is_refused_alike(accounts: Accounts, acme: Organisation) -> None:
    """Malformed, unknown and wrong keys get the same words, which say nothing about any key that is here."""
    made = writer_key(accounts, acme)
    wrong = made.token[:-1] + ("A" if made.token[-1] != "A" else "B")
    unknown = make_token(lambda size: b"\xff" * size)
    tokens = ["", "al_", made.key.key_id, made.token[:-1], made.token + "A", made.token.upper(), f" {made.token}"]
    tokens += [
        wrong,
        unknown,
        f"{made.token}\n",
        "al_é" + made.token[4:],
        "\ud800",
        "x" * 100_000,
        acme.organisation_id,
    ]
    assert 1 == len({refusal(accounts, token) for token in tokens})
    assert made.key.key_id not in refusal(accounts, wrong)


def test_a_key_of_another_with_its_visible_part_changed_is_wrong(accounts: Accounts, acme: Organisation) -> None:
    """The hash is over the whole key: a secret part is worth nothing behind another visible part."""
    first, second = writer_key(accounts, acme), writer_key(accounts, acme)
    assert "does not hold" in refusal(accounts, first.token[:12] + second.token[12:])


def test_a_key_ends_in_the_millisecond_of_its_expiry(accounts: Accounts, acme: Organisation) -> None:
    """Before it the key holds; whoever has the whole of it is told why it does not any more."""
    made = writer_key(accounts, acme, NOW_MS + 10)
    assert acme.organisation_id == accounts.authenticate(made.token, NOW_MS + 9).organisation
    assert f"API key {made.key.key_id} has expired" == refusal(accounts, made.token, NOW_MS + 10)


def test_a_revoked_key_is_refused_at_once_and_whatever_the_clock_says(
    open_store: Callable[[], Store], acme: Organisation, accounts: Accounts
) -> None:
    """Also in another process that has just accepted it, and at a clock that went back to before it was made."""
    made = writer_key(accounts, acme)
    other = Accounts(open_store().engine)
    assert Role.WRITER == other.authenticate(made.token, NOW_MS).role
    accounts.keys.revoke(made.key, NOW_MS + 5)
    again = accounts.keys.revoke(made.key, NOW_MS + 7)
    assert NOW_MS + 5 == again.revoked_at_ms
    for now_ms in (NOW_MS + 6, NOW_MS - DAY_MS):
        assert f"API key {made.key.key_id} was revoked" == refusal(other, made.token, now_ms)


def test_a_removed_organisation_has_no_key_that_holds(
    accounts: Accounts, acme: Organisation, meridian: Organisation
) -> None:
    """The keys of others hold on."""
    made, other = writer_key(accounts, acme), writer_key(accounts, meridian)
    accounts.organisations.remove(acme, NOW_MS)
    assert f"the organisation of API key {made.key.key_id} was removed" == refusal(accounts, made.token)
    assert meridian.organisation_id == accounts.authenticate(other.token, NOW_MS).organisation
    assert ["removed"] == [key.state(NOW_MS) for key in accounts.keys.all(acme)]


@pytest.mark.parametrize(
    ("role", "label", "expires_at_ms", "message"),
    [
        (Role.OPERATOR, "", None, "role of a key: expected operator without an organisation"),
        (Role.WRITER, "two\nlines", None, "label: expected at most 100 printable characters"),
        (Role.WRITER, "x" * 101, None, "label: expected at most 100"),
        (Role.WRITER, "for al_aaaaaaaa_secret", None, "label: got an API key in it"),
        (Role.WRITER, "", NOW_MS, "expiry of a key: expected a time to come"),
        (Role.WRITER, "", NOW_MS - DAY_MS, "86400000 ms ago"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(
    accounts: Accounts, acme: Organisation, role: Role, label: str, expires_at_ms: int | None, message: str
) -> None:
    """Nothing is stored, and the message says what was expected."""
    with pytest.raises(AccountError, match=message):
        accounts.keys.create(acme, role, label, expires_at_ms, NOW_MS)
    assert [] == list(accounts.keys.all())


def test_an_operators_key_has_no_organisation_and_no_other_role(accounts: Accounts) -> None:
    """A role without an organisation would be nobody's."""
    with pytest.raises(AccountError, match="got writer without an organisation"):
        accounts.keys.create(None, Role.WRITER, "", None, NOW_MS)


def test_a_key_is_named_by_its_visible_part_and_never_by_itself(accounts: Accounts, acme: Organisation) -> None:
    """A whole key on a command line is refused without being repeated, as is the beginning of one."""
    made = writer_key(accounts, acme)
    assert made.key == accounts.keys.by_id(made.key.key_id)
    for mistaken in (made.token, made.token[:-1], made.token + "x"):
        with pytest.raises(AccountError) as refused:
            accounts.keys.by_id(mistaken)
        assert made.token[12:20] not in str(refused.value)
    with pytest.raises(UnknownAccountError, match="anchorline key list"):
        accounts.keys.by_id("al_aaaaaaaa")


def test_rotation_overlaps(accounts: Accounts, acme: Organisation) -> None:
    """The new key does what the old one did; the old one holds for the overlap, and ends then."""
    old = accounts.keys.create(acme, Role.AUDITOR, "office", None, NOW_MS)
    new = accounts.keys.rotate(old.key, DAY_MS, NOW_MS + 9 * DAY_MS, NOW_MS)
    assert (acme.organisation_id, Role.AUDITOR, "office", old.key.key_id) == (
        *(new.key.organisation_id, new.key.role, new.key.label),
        new.key.replaces,
    )
    for token in (old.token, new.token):
        assert Role.AUDITOR == accounts.authenticate(token, NOW_MS + DAY_MS - 1).role
    assert "has expired" in refusal(accounts, old.token, NOW_MS + DAY_MS)
    assert Role.AUDITOR == accounts.authenticate(new.token, NOW_MS + DAY_MS).role
    assert [old.key.key_id, new.key.key_id] == [key.key_id for key in accounts.keys.all(acme)]


def test_rotation_never_makes_the_old_key_hold_longer(accounts: Accounts, acme: Organisation) -> None:
    """Where it ends before the overlap does, it ends then; without an overlap at once."""
    old = writer_key(accounts, acme, NOW_MS + 10)
    accounts.keys.rotate(old.key, DAY_MS, None, NOW_MS)
    assert NOW_MS + 10 == accounts.keys.by_id(old.key.key_id).expires_at_ms
    other = writer_key(accounts, acme)
    accounts.keys.rotate(other.key, 0, None, NOW_MS)
    assert "has expired" in refusal(accounts, other.token, NOW_MS)


def test_a_rotation_whose_answer_was_lost_is_repeated(accounts: Accounts, acme: Organisation) -> None:
    """A crash behind the commit leaves a new key that nobody knows: the old one, still held, rotates again."""
    old = writer_key(accounts, acme)
    lost = accounts.keys.rotate(old.key, DAY_MS, None, NOW_MS)
    found = accounts.keys.rotate(old.key, DAY_MS, None, NOW_MS + 1)
    accounts.keys.revoke(lost.key, NOW_MS + 2)
    assert found.key.key_id == accounts.authenticate(found.token, NOW_MS + 2 * DAY_MS).key_id
    assert NOW_MS + DAY_MS == accounts.keys.by_id(old.key.key_id).expires_at_ms


@pytest.mark.parametrize("ending", ["revoked", "expired", "removed"])
def test_a_key_that_does_not_hold_is_not_rotated(accounts: Accounts, acme: Organisation, ending: str) -> None:
    """Whoever holds a dead key gets no living one for it."""
    made = writer_key(accounts, acme, NOW_MS + DAY_MS)
    if ending == "revoked":
        accounts.keys.revoke(made.key, NOW_MS)
    if ending == "removed":
        accounts.organisations.remove(acme, NOW_MS)
    now_ms = NOW_MS + 2 * DAY_MS if ending == "expired" else NOW_MS
    with pytest.raises(AccountError, match=f"is {ending}: make a new one"):
        accounts.keys.rotate(made.key, DAY_MS, None, now_ms)
    assert [made.key.key_id] == [key.key_id for key in accounts.keys.all()]


def test_two_keys_never_have_one_visible_part(store: Store, acme: Organisation) -> None:
    """40 random bits may meet; then another visible part is drawn."""
    visible = iter([b"aaaaa", b"aaaaa", b"bbbbb"])
    keys = ApiKeys(store.engine, lambda size: next(visible) if size == 5 else bytes(size))
    made = [keys.create(acme, Role.READER, "", None, NOW_MS) for _ in range(2)]
    assert 2 == len({each.key.key_id for each in made})
    assert [each.key.key_id for each in made] == [key.key_id for key in keys.all()]


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=32, max_size=32))
def test_every_token_has_a_visible_part_and_a_hash_of_its_own(visible: bytes, secret: bytes) -> None:
    """And changing any one character gives another hash, or no key at all."""
    token = make_token(lambda size: visible if size == 5 else secret)
    assert token[:11] == key_id_of(token)
    for place in range(len(token)):
        other = token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]
        assert token_hash(token) != token_hash(other)


def test_the_doctor_names_a_key_that_is_about_to_end(accounts: Accounts, acme: Organisation) -> None:
    """Unless it was rotated, was revoked or has ended; one without an end never is."""

    def named(now_ms: int) -> list[str]:
        return [each.found for each in api_keys(accounts.keys.all(), now_ms) if each.level == Level.WARNING]

    made = [writer_key(accounts, acme, NOW_MS + days * DAY_MS) for days in (20, 20, 20)]
    writer_key(accounts, acme)
    assert [] == named(NOW_MS + 6 * DAY_MS)
    soon_ms = NOW_MS + 6 * DAY_MS + 1
    assert [each.key.key_id in found for each, found in zip(made, named(soon_ms), strict=True)] == [True] * 3
    accounts.keys.rotate(made[0].key, 20 * DAY_MS, None, soon_ms)
    accounts.keys.revoke(made[1].key, soon_ms)
    [left] = named(soon_ms)
    assert f"key {made[2].key.key_id} (writer, press 7) ends 2025-07-05T15:06:40Z" == left
    assert [] == named(NOW_MS + 20 * DAY_MS)


# --- owners, visibilities, grants


def test_a_chain_of_which_nothing_is_said_is_the_operators_and_private(store: Store, accounts: Accounts) -> None:
    """So are all chains that were made before there were accounts."""
    chain = store.open_chain("old")
    assert ChainAccess(None, Visibility.PRIVATE, ()) == accounts.sharing.access_of(chain.chain_no)


def test_a_chain_is_opened_for_an_organisation_in_one_transaction(
    store: Store, accounts: Accounts, acme: Organisation
) -> None:
    """Owner and first entry are there together, or neither is."""
    owning = accounts.owning(Actor(acme.organisation_id, Role.WRITER, "al_x"), Visibility.MEMBERS)
    chain, _ = store.writer.open_chain([clear("a")], b"", "a", NOW_MS, note=owning)
    assert ChainAccess(acme.organisation_id, Visibility.MEMBERS) == accounts.sharing.access_of(chain.chain_no)

    def failing(_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.writer.open_chain([clear("b")], b"", "b", NOW_MS, note=failing)
    assert store.chains.by_name("b") is None
    assert accounts.sharing.owned_by(acme) == 1


def test_a_chain_that_a_client_opens_is_its_organisations(
    store: Store, accounts: Accounts, acme: Organisation, meridian: Organisation
) -> None:
    """In the group commit each opening gives its chain to whoever asked, and a refused one gives nothing."""
    opened = [
        Opening(chain_id(name), name, accounts.owning(Actor(owner.organisation_id, Role.OWNER, "al_x"), visibility))
        for name, owner, visibility in (
            ("a", acme, Visibility.PRIVATE),
            ("b", meridian, Visibility.PUBLIC),
            ("a", meridian, Visibility.PUBLIC),
        )
    ]
    works = [
        store.writer.prepare(
            each, [Content(b"first", external_ids=(clear(str(each.name)),))], acme.submitter(LOG.log_id)
        )
        for each in opened
    ]
    first, second, refused = commit_together(store.writer, works, NOW_MS)
    assert isinstance(refused, ChainExistsError)
    assert [(acme.organisation_id, Visibility.PRIVATE), (meridian.organisation_id, Visibility.PUBLIC)] == [
        (access.owner, access.visibility)
        for answer in (first, second)
        if isinstance(answer, Done)
        for access in [accounts.sharing.access_of(answer.chain.chain_no)]
    ]


def test_owner_visibility_and_grants_are_read_back(
    store: Store, accounts: Accounts, acme: Organisation, meridian: Organisation
) -> None:
    """One chain and many at once give the same; other chains stay as they are."""
    sharing = accounts.sharing
    chain, other = store.open_chain("a"), store.open_chain("b")
    sharing.set_owner(chain, acme, NOW_MS)
    sharing.set_visibility(chain, Visibility.PUBLIC, NOW_MS)
    given_grant = sharing.grant(chain, meridian, Role.READER, NOW_MS + DAY_MS, NOW_MS)
    expected = ChainAccess(acme.organisation_id, Visibility.PUBLIC, (given_grant,))
    assert expected == sharing.access_of(chain.chain_no)
    assert {chain.chain_no: expected, other.chain_no: ChainAccess()} == sharing.access_of_each(
        [chain.chain_no, other.chain_no]
    )
    assert [(given_grant, NOW_MS)] == [(each.grant, each.made_at_ms) for each in sharing.grants(chain)]


def test_more_chains_than_one_query_takes_are_looked_up(accounts: Accounts) -> None:
    """Chains that are not there are the operator's and private, as the default is."""
    assert dict.fromkeys(range(1201), ChainAccess()) == accounts.sharing.access_of_each(range(1201))
    assert {} == accounts.sharing.access_of_each([])


def test_a_grant_takes_the_place_of_the_one_before(store: Store, accounts: Accounts, meridian: Organisation) -> None:
    """An organisation has one grant on a chain; the old one stays in the table, with the time of its end."""
    chain = store.open_chain("a")
    accounts.sharing.grant(chain, meridian, Role.WRITER, None, NOW_MS)
    accounts.sharing.grant(chain, meridian, Role.READER, NOW_MS + DAY_MS, NOW_MS + 1)
    assert (Grant(meridian.organisation_id, Role.READER, NOW_MS + DAY_MS),) == accounts.sharing.access_of(
        chain.chain_no
    ).grants
    rows = store.engine.query("SELECT role, withdrawn_at_ms FROM chain_grant ORDER BY grant_no")
    assert [("writer", NOW_MS + 1), ("reader", None)] == rows


def test_a_withdrawn_grant_ends_at_once(
    open_store: Callable[[], Store], store: Store, accounts: Accounts, meridian: Organisation
) -> None:
    """For other processes too; what was never granted cannot be withdrawn."""
    chain, sharing = store.open_chain("a"), accounts.sharing
    sharing.grant(chain, meridian, Role.READER, None, NOW_MS)
    reader, other = Actor(meridian.organisation_id, Role.READER, "al_x"), Accounts(open_store().engine)
    assert other.may(reader, Action.ENTRY_READ, chain, NOW_MS).is_allowed
    sharing.withdraw(chain, meridian, NOW_MS)
    assert not other.may(reader, Action.ENTRY_READ, chain, NOW_MS).is_allowed
    with pytest.raises(UnknownAccountError, match="'meridian' was granted nothing on this chain"):
        sharing.withdraw(chain, meridian, NOW_MS)


def test_a_new_owner_ends_the_grants_of_the_old_one(
    store: Store, accounts: Accounts, acme: Organisation, meridian: Organisation
) -> None:
    """Given to itself nothing ends, and the visibility stays in any case."""
    chain, sharing = store.open_chain("a"), accounts.sharing
    sharing.set_owner(chain, acme, NOW_MS)
    sharing.set_visibility(chain, Visibility.MEMBERS, NOW_MS)
    given_grant = sharing.grant(chain, meridian, Role.READER, None, NOW_MS)
    assert 0 == sharing.set_owner(chain, acme, NOW_MS)
    assert (given_grant,) == sharing.access_of(chain.chain_no).grants
    assert 1 == sharing.set_owner(chain, None, NOW_MS)
    assert ChainAccess(None, Visibility.MEMBERS) == sharing.access_of(chain.chain_no)


@pytest.mark.parametrize(
    ("role", "expires_at_ms", "message"),
    [
        (Role.OWNER, None, "role of a grant: expected one of auditor, reader, writer, got owner"),
        (Role.OPERATOR, None, "got operator"),
        (Role.READER, NOW_MS, "expiry of a grant: expected a time to come"),
        (Role.READER, NOW_MS - 1, "1 ms ago"),
    ],
)
def test_a_grant_that_makes_no_sense_is_not_given(
    store: Store, accounts: Accounts, meridian: Organisation, role: Role, expires_at_ms: int | None, message: str
) -> None:
    """Nothing is stored, and what was granted before stays."""
    chain = store.open_chain("a")
    before = accounts.sharing.grant(chain, meridian, Role.AUDITOR, None, NOW_MS)
    with pytest.raises(AccountError, match=message):
        accounts.sharing.grant(chain, meridian, role, expires_at_ms, NOW_MS)
    assert (before,) == accounts.sharing.access_of(chain.chain_no).grants


def test_an_owner_is_granted_nothing_on_its_own_chain(store: Store, accounts: Accounts, acme: Organisation) -> None:
    """A grant would outlive the ownership."""
    chain = store.open_chain("a")
    accounts.sharing.set_owner(chain, acme, NOW_MS)
    with pytest.raises(AccountError, match="'acme' owns the chain"):
        accounts.sharing.grant(chain, acme, Role.READER, None, NOW_MS)


def test_the_default_is_no(store: Store, accounts: Accounts, acme: Organisation) -> None:
    """In a database with a key and a chain, of which nothing was said, the key does nothing with the chain."""
    chain = store.open_chain("a")
    actor = accounts.authenticate(accounts.keys.create(acme, Role.OWNER, "", None, NOW_MS).token, NOW_MS)
    assert not any(accounts.may(actor, action, chain, NOW_MS).is_allowed for action in Action)
    assert accounts.may(actor, Action.CHAIN_CREATE, None, NOW_MS).is_allowed

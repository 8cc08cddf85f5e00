"""Accounts as an operator uses them: organisations, keys, grants, owners and visibilities on a real home."""

import json
import re
from pathlib import Path

import pytest

from anchor.errors import KeyRefusedError
from anchor.proof.entry import ExternalId, IdKind, chain_id_of
from chains.access import STRANGER, Action, Actor, ChainAccess, Role, Visibility
from chains.home import Home
from tests.cli.commands import Done, World, run
from tests.homes import change

TOKEN = re.compile(r"al_[a-z2-7]{8}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def accounts(tmp_path: Path) -> World:
    """A home with the organisations acme and meridian, and acme's chain press."""
    world = World(tmp_path)
    world.ok("init", "--embedded", "--origin", "log.example/accounts")
    world.ok("org", "create", "acme")
    world.ok("org", "create", "meridian")
    world.ok("chain", "create", "press", "--organisation", "acme")
    return world


def refused(done: Done, *parts: str, exit_code: int = 1) -> None:
    """Check that a command ended with one sentence that has these parts, and nothing else."""
    assert (exit_code, b"") == (done.exit_code, done.out), done
    assert 1 == done.err.count("\n"), done.err
    for part in ("anchorline: ", *parts):
        assert part in done.err, done.err


def actor_of(world: World, token: str) -> Actor:
    with Home.open(world.home) as home:
        return home.accounts.authenticate(token, home.clock())


def access_of(world: World, chain: str) -> ChainAccess:
    with Home.open(world.home) as home:
        return home.accounts.sharing.access_of(home.chains.named(chain).chain_no)


# --- organisations


def test_organisations_are_made_listed_and_shown(accounts: World) -> None:
    """Names and ids lead to the same; removed ones stay in the list."""
    listed = accounts.ok("org", "list", "--json").facts["organisations"]
    assert ["acme", "meridian"] == [row["name"] for row in listed]
    assert all(re.fullmatch("org_[a-z2-7]{16}", row["organisation_id"]) for row in listed)
    shown = accounts.ok("org", "show", listed[0]["organisation_id"], "--json").facts
    assert ("acme", "live", 1, []) == (shown["name"], shown["state"], shown["chains"], shown["keys"])
    assert "acme" in accounts.ok("org", "list").text
    assert "owns 1 chains" in accounts.ok("org", "show", "acme").text


def test_a_quota_is_set_in_part_and_taken_back(accounts: World) -> None:
    """What is not named stays; 0 is no limit."""

    def quota() -> tuple[int | None, int | None]:
        facts = accounts.ok("org", "show", "acme", "--json").facts
        return facts["entries_per_s"], facts["bytes_per_day"]

    assert (None, None) == quota()
    accounts.ok("org", "quota", "acme", "--entries-per-s", "100")
    accounts.ok("org", "quota", "acme", "--bytes-per-day", "1048576")
    assert (100, 1048576) == quota()
    said = accounts.ok("org", "quota", "acme", "--entries-per-s", "0").text
    assert "acme may write without limit entries a second and 1048576 bytes of content a day.\n" == said
    assert (None, 1048576) == quota()
    made = accounts.ok("org", "create", "third", "--entries-per-s", "7", "--json").facts
    assert (7, None) == (made["entries_per_s"], made["bytes_per_day"])


def test_a_removed_organisation_keeps_its_chains_and_loses_its_keys(accounts: World) -> None:
    """The command says how many chains it still owns."""
    token = accounts.ok("key", "create", "acme", "--role", "owner").text.strip()
    assert "It still owns 1 chains" in accounts.ok("org", "remove", "acme").text
    with pytest.raises(KeyRefusedError, match="was removed"):
        actor_of(accounts, token)
    assert "removed" == accounts.ok("key", "list", "--json").facts["keys"][0]["state"]
    assert "press belongs to acme and is private.\n" == accounts.ok("chain", "owner", "press").text
    refused(accounts.run("org", "remove", "acme"), "'acme' was removed")
    refused(accounts.run("key", "create", "acme", "--role", "owner"), "'acme' was removed")


# --- keys


def test_a_new_key_is_alone_on_standard_output(accounts: World) -> None:
    """So that it can be handed on without being seen; with --json it is a member of the facts."""
    text = accounts.ok("key", "create", "acme", "--role", "writer", "--label", "press 7").text
    assert TOKEN.fullmatch(text.removesuffix("\n"))
    facts = accounts.ok("key", "create", "acme", "--role", "reader", "--json").facts
    assert TOKEN.fullmatch(facts["key"])
    assert ("acme", "reader", "live") == (facts["organisation"], facts["role"], facts["state"])
    assert Role.WRITER == actor_of(accounts, text.strip()).role
    assert (Role.READER, facts["organisation_id"], facts["key_id"]) == (
        *(actor_of(accounts, facts["key"]).role, actor_of(accounts, facts["key"]).organisation),
        actor_of(accounts, facts["key"]).key_id,
    )


def test_the_operators_key_has_no_organisation(accounts: World) -> None:
    """It is the only one without."""
    facts = accounts.ok("key", "create", "--operator", "--json").facts
    assert (None, "operator") == (facts["organisation"], facts["role"])
    assert Actor(None, Role.OPERATOR, facts["key_id"]) == actor_of(accounts, facts["key"])


def test_keys_are_listed_without_themselves(accounts: World) -> None:
    """By visible part, with role, state, expiry and label; of one organisation or of all."""
    token = accounts.ok("key", "create", "acme", "--role", "writer", "--label", "press 7").text.strip()
    accounts.ok("key", "create", "meridian", "--role", "auditor", "--expires", "never")
    line, other = accounts.ok("key", "list").text.splitlines()
    assert line.startswith(f"{token[:11]}  writer   live     until ")
    assert line.endswith("acme  press 7")
    assert "auditor  live     without end" in other
    assert 1 == len(accounts.ok("key", "list", "acme", "--json").facts["keys"])
    everything = accounts.ok("key", "list", "--json").text + accounts.ok("org", "show", "acme", "--json").text
    assert token[12:] not in line + everything


def test_a_key_is_rotated_with_an_overlap(accounts: World) -> None:
    """Both hold, until the old one is revoked; the new one says which it replaces."""
    old = accounts.ok("key", "create", "acme", "--role", "writer").text.strip()
    new = accounts.ok("key", "rotate", old[:11], "--overlap", "1h", "--json").facts
    assert (old[:11], "writer") == (new["replaces"], new["role"])
    assert {Role.WRITER} == {actor_of(accounts, token).role for token in (old, new["key"])}
    said = accounts.ok("key", "revoke", old[:11]).text
    assert said.startswith(f"Key {old[:11]} is revoked since 2")
    assert said == accounts.ok("key", "revoke", old[:11]).text
    with pytest.raises(KeyRefusedError, match="was revoked"):
        actor_of(accounts, old)
    assert Role.WRITER == actor_of(accounts, new["key"]).role
    refused(accounts.run("key", "rotate", old[:11]), f"key {old[:11]} is revoked", "`anchorline key create`")


def test_without_an_overlap_the_old_key_ends_with_the_rotation(accounts: World) -> None:
    """As after a leak."""
    old = accounts.ok("key", "create", "acme", "--role", "writer").text.strip()
    accounts.ok("key", "rotate", old[:11], "--overlap", "0s")
    with pytest.raises(KeyRefusedError, match="has expired"):
        actor_of(accounts, old)


# --- chains and grants


def test_a_chain_of_an_organisation_is_private_and_shows_nothing_in_clear(accounts: World) -> None:
    """Its id is random, so nobody finds it in the public directory by guessing its name."""
    assert Visibility.PRIVATE == access_of(accounts, "press").visibility
    facts = accounts.ok("chain", "create", "ink", "--organisation", "acme", "--json").facts
    assert ("acme", "private") == (facts["organisation"], facts["visibility"])
    assert facts["chain_id"] != chain_id_of([ExternalId(IdKind.CLEAR, b"ink")]).hex()
    entry = accounts.ok("chain", "show", "ink", "--json").facts["entries"][0]
    assert [IdKind.HASHED] == [item["kind"] for item in entry["external_ids"]]


@pytest.mark.parametrize(
    ("options", "in_clear"),
    [
        ((), True),
        (("--visibility", "public"), True),
        (("--organisation", "acme", "--visibility", "public"), True),
        (("--organisation", "acme", "--id", "paper"), True),
        (("--visibility", "members"), False),
        (("--visibility", "private"), False),
    ],
)
def test_the_first_id_is_random_unless_the_chain_is_public_or_an_id_is_named(
    accounts: World, options: tuple[str, ...], in_clear: bool
) -> None:
    """Without any of these options the name is the id, as ever."""
    facts = accounts.ok("chain", "create", "paper", *options, "--json").facts
    assert in_clear == (facts["chain_id"] == chain_id_of([ExternalId(IdKind.CLEAR, b"paper")]).hex())
    assert facts["visibility"] == access_of(accounts, "paper").visibility


def test_a_chain_made_without_an_organisation_is_the_operators_and_private(accounts: World) -> None:
    """The default is no: neither strangers nor members see it."""
    accounts.ok("chain", "create", "plain")
    assert "plain belongs to the operator of this home and is private.\n" == accounts.ok("chain", "owner", "plain").text
    with Home.open(accounts.home) as home:
        chain = home.chains.named("plain")
        member = Actor(home.accounts.organisations.named("acme").organisation_id, Role.OWNER, "al_x")
        for actor in (STRANGER, member):
            assert not home.accounts.may(actor, Action.CHAIN_READ, chain, home.clock()).is_visible


def test_the_list_of_chains_says_whose_they_are_and_who_may_read_them(accounts: World) -> None:
    """So that a chain that is open by mistake is seen."""
    accounts.ok("chain", "create", "open", "--visibility", "public")
    acme = accounts.ok("org", "show", "acme", "--json").facts["organisation_id"]
    rows = accounts.ok("chain", "list", "--json").facts["chains"]
    assert [("press", acme, "private"), ("open", None, "public")] == [
        (row["name"], row["organisation_id"], row["visibility"]) for row in rows
    ]
    first, second = accounts.ok("chain", "list").text.splitlines()
    assert first.endswith(f"  private {acme}")
    assert second.endswith("  public  operator")


def test_visibility_is_set_and_shown(accounts: World) -> None:
    """From closed to open and back."""
    for visibility in ("members", "public", "private"):
        said = accounts.ok("chain", "visibility", "press", visibility).text
        assert f"press belongs to acme and is {visibility}.\n" == said
        assert said == accounts.ok("chain", "visibility", "press").text
        assert visibility == access_of(accounts, "press").visibility


def test_grants_are_given_listed_and_withdrawn(accounts: World) -> None:
    """They lead another organisation's keys to the chain, until they end."""
    token = accounts.ok("key", "create", "meridian", "--role", "reader").text.strip()
    said = accounts.ok("grant", "add", "press", "meridian", "--role", "reader", "--expires", "2099-01-31").text
    assert "Granted: meridian is reader until 2099-01-31T00:00:00Z\n" == said
    facts = accounts.ok("grant", "list", "press", "--json").facts["grants"]
    assert [("meridian", "reader", "live", "2099-01-31T00:00:00Z")] == [
        (row["organisation"], row["role"], row["state"], row["expires_at"]) for row in facts
    ]
    with Home.open(accounts.home) as home:
        chain, reader = home.chains.named("press"), home.accounts.authenticate(token, home.clock())
        assert home.accounts.may(reader, Action.CONTENT_READ, chain, home.clock()).is_allowed
        accounts.ok("grant", "remove", "press", "meridian")
        assert not home.accounts.may(reader, Action.CONTENT_READ, chain, home.clock()).is_allowed
    assert "No grant.\n" == accounts.ok("grant", "list", "press").text


def test_an_expired_grant_is_listed_as_such(accounts: World) -> None:
    """It stays in the list, so that it is seen why somebody lost what he had."""
    accounts.ok("grant", "add", "press", "meridian", "--role", "writer", "--expires", "1d")
    change(accounts.home, "UPDATE chain_grant SET expires_at_ms = 1800000000")
    assert "meridian is writer until 1970-01-21T20:00:00Z, expired\n" == accounts.ok("grant", "list", "press").text
    assert "expired" == accounts.ok("grant", "list", "press", "--json").facts["grants"][0]["state"]


def test_a_chain_is_given_away(accounts: World) -> None:
    """To another organisation, and to the operator; the grants of the old owner end."""
    accounts.ok("grant", "add", "press", "meridian", "--role", "reader")
    facts = accounts.ok("chain", "owner", "press", "meridian", "--json").facts
    assert ("meridian", 1) == (facts["organisation"], facts["grants_ended"])
    assert () == access_of(accounts, "press").grants
    said = accounts.ok("chain", "owner", "press", "--operator").text
    assert "press belongs to the operator of this home and is private.\n" == said


# --- what is asked for wrongly


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["org", "create", "acme"], ["'acme' exists already", "choose another name"]),
        (["org", "create", ""], ["expected 1 to 100 printable characters"]),
        (["org", "create", "org_new"], ["begins ids only"]),
        (["org", "create", "new", "--entries-per-s", "-1"], ["entries a second: expected 1 to 1000000", "found -1"]),
        (["org", "create", "new", "--bytes-per-day", "5"], ["bytes of content a day: expected 1024", "found 5"]),
        (["org", "show", "nobody"], ["no organisation called 'nobody' here", "`anchorline org list`"]),
        (["org", "remove", "nobody"], ["no organisation called 'nobody'"]),
        (["org", "quota", "nobody", "--entries-per-s", "1"], ["no organisation called 'nobody'"]),
        (["key", "create", "nobody", "--role", "writer"], ["no organisation called 'nobody'"]),
        (["key", "create", "acme", "--role", "writer", "--expires", "2020-01-01"], ["expected a time to come"]),
        (["key", "create", "acme", "--role", "writer", "--expires", "soon"], ["a duration such as 90d"]),
        (["key", "create", "acme", "--role", "writer", "--label", "a\nb"], ["label: expected at most 100 printable"]),
        (["key", "list", "nobody"], ["no organisation called 'nobody'"]),
        (["key", "rotate", "al_aaaaaaaa"], ["no key 'al_aaaaaaaa' here", "`anchorline key list`"]),
        (["key", "revoke", "press 7"], ["no key 'press 7' here", "al_ and 8 characters"]),
        (["grant", "add", "none", "meridian", "--role", "reader"], ["no chain called 'none' here"]),
        (["grant", "add", "press", "nobody", "--role", "reader"], ["no organisation called 'nobody'"]),
        (["grant", "add", "press", "acme", "--role", "reader"], ["'acme' owns the chain"]),
        (["grant", "add", "press", "meridian", "--role", "reader", "--expires", "0s"], ["expected a time to come"]),
        (["grant", "remove", "press", "meridian"], ["'meridian' was granted nothing", "`anchorline grant list`"]),
        (["grant", "list", "none"], ["no chain called 'none' here"]),
        (["chain", "owner", "none"], ["no chain called 'none' here"]),
        (["chain", "owner", "press", "nobody"], ["no organisation called 'nobody'"]),
        (["chain", "visibility", "none", "public"], ["no chain called 'none' here"]),
        (["chain", "create", "new", "--organisation", "nobody"], ["no organisation called 'nobody'"]),
    ],
    ids=lambda value: " ".join(value)[:50] if value and value[0] in {"org", "key", "grant", "chain"} else "",
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    accounts: World, arguments: list[str], parts: list[str]
) -> None:
    """One sentence, and the same facts as before."""

    def everything() -> list[str]:
        asked = (
            ("org", "list"),
            ("key", "list"),
            ("chain", "list"),
            ("grant", "list", "press"),
            ("chain", "owner", "press"),
        )
        return [accounts.ok(*command, "--json").text for command in asked]

    before = everything()
    refused(accounts.run(*arguments), *parts)
    assert before == everything()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["key", "create"], "say whose key it is"),
        (["key", "create", "acme"], "say whose key it is"),
        (["key", "create", "--role", "writer"], "say whose key it is"),
        (["key", "create", "acme", "--role", "writer", "--operator"], "say whose key it is"),
        (["key", "create", "acme", "--role", "operator"], "--role: expected one of owner, writer, reader, auditor"),
        (["key", "create", "acme", "--role", "Writer"], "got 'Writer'"),
        (["grant", "add", "press", "meridian", "--role", "owner"], "expected one of auditor, reader, writer"),
        (["org", "quota", "acme"], "name --entries-per-s, --bytes-per-day, or both"),
        (["chain", "visibility", "press", "open"], "expected one of public, members, private, got 'open'"),
        (["chain", "create", "new", "--visibility", "open"], "expected one of public, members, private, got 'open'"),
        (["chain", "owner", "press", "acme", "--operator"], "name one of the two"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(accounts: World, arguments: list[str], part: str) -> None:
    """Its exit code is 2."""
    refused(accounts.run(*arguments), part, exit_code=2)


def test_a_whole_key_where_its_name_belongs_is_not_repeated(accounts: World) -> None:
    """People paste what they have; errors end in logs and tickets."""
    token = accounts.ok("key", "create", "acme", "--role", "owner").text.strip()
    mistakes = [
        *(["key", "revoke", token], ["key", "rotate", token], ["key", "revoke", token[:40]], ["org", "show", token]),
        *(["key", "list", token], ["key", "create", token, "--role", "writer"], ["grant", "list", token]),
        *(["key", "create", "acme", "--role", token], ["key", "create", "acme", "--role", "owner", "--expires", token]),
        *(["chain", "owner", "press", token], ["chain", "visibility", "press", token], ["org", "create", f" {token}"]),
        *(["add", token, "-"], ["receipt", token]),
    ]
    for arguments in mistakes:
        done = accounts.run(*arguments)
        assert done.exit_code in {1, 2}, done
        assert token[12:17] not in done.err + done.text, arguments
    assert Role.OWNER == actor_of(accounts, token).role


def test_facts_are_json_for_every_command(accounts: World) -> None:
    """Each of them, in one document."""
    key_id = accounts.ok("key", "create", "acme", "--role", "owner").text[:11]
    for arguments in (
        *(["org", "create", "third"], ["org", "list"], ["org", "show", "third"], ["org", "remove", "third"]),
        *(["org", "quota", "acme", "--entries-per-s", "5"], ["key", "list"], ["key", "rotate", key_id]),
        *(["key", "revoke", key_id], ["grant", "add", "press", "meridian", "--role", "reader"]),
        *(["grant", "list", "press"], ["grant", "remove", "press", "meridian"], ["chain", "owner", "press"]),
        *(["chain", "visibility", "press", "public"],),
    ):
        assert isinstance(json.loads(accounts.ok(*arguments, "--json").text), dict)


def test_without_a_home_every_command_says_so(tmp_path: Path) -> None:
    """As all others do."""
    for arguments in (["org", "list"], ["key", "list"], ["grant", "list", "x"], ["chain", "owner", "x"]):
        refused(run(*arguments, "--home", tmp_path / "none"), "`anchorline init` makes a home")

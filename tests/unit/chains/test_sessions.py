"""Sessions of browsers: what begins and ends them, and what of them is stored."""

from pathlib import Path

import pytest

from anchor.errors import KeyRefusedError
from chains.access import STRANGER, Actor, Role
from chains.accounts import Accounts
from chains.api_keys import NewKey
from chains.sessions import LONGEST_MS, MOST_OF_A_KEY
from tests.simulators.planned_engine import PlannedEngine
from tests.simulators.store import START_MS, Store

HOUR_MS = 3_600_000


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(Store(tmp_path / "db").engine)


def make_key(accounts: Accounts, expires_at_ms: int | None = None) -> NewKey:
    owner = next(accounts.organisations.all(), None) or accounts.organisations.create("acme", START_MS)
    return accounts.keys.create(owner, Role.READER, "", expires_at_ms, START_MS)


def rows(accounts: Accounts) -> int:
    return int(accounts.sessions.engine.query("SELECT COUNT(*) FROM web_session")[0][0])


def test_a_session_is_its_keys_until_twelve_hours_are_over(accounts: Accounts) -> None:
    """Whoever has the cookie has what the key has; in the millisecond of the end he is a stranger."""
    made = make_key(accounts)
    begun = accounts.sessions.begin(made.token, START_MS)
    whose = Actor(made.key.organisation_id, Role.READER, made.key.key_id)
    assert START_MS + LONGEST_MS == begun.ends_at_ms
    assert whose == accounts.sessions.actor(begun.token, START_MS)
    assert whose == accounts.sessions.actor(begun.token, begun.ends_at_ms - 1)
    assert STRANGER == accounts.sessions.actor(begun.token, begun.ends_at_ms)


def test_a_session_ends_with_its_key(accounts: Accounts) -> None:
    """Revoked, expired, rotated away, or its organisation removed: the next page is a stranger's."""
    revoked, expiring, rotated, removed = (
        make_key(accounts),
        make_key(accounts, START_MS + HOUR_MS),
        make_key(accounts),
        make_key(accounts),
    )
    revoking, expiry, rotation, removal = (
        accounts.sessions.begin(each.token, START_MS) for each in (revoked, expiring, rotated, removed)
    )
    assert START_MS + HOUR_MS == expiry.ends_at_ms
    accounts.keys.revoke(revoked.key, START_MS + 1)
    accounts.keys.rotate(rotated.key, 5, None, START_MS + 1)
    assert STRANGER == accounts.sessions.actor(revoking.token, START_MS + 2)
    assert STRANGER != accounts.sessions.actor(rotation.token, START_MS + 5)
    assert STRANGER == accounts.sessions.actor(rotation.token, START_MS + 6)
    assert STRANGER != accounts.sessions.actor(removal.token, START_MS + 6)
    accounts.organisations.remove(next(accounts.organisations.all()), START_MS + 7)
    assert STRANGER == accounts.sessions.actor(removal.token, START_MS + 7)


def test_a_key_that_does_not_hold_begins_nothing(accounts: Accounts) -> None:
    """Neither nonsense, nor a wrong secret, nor a key that is over."""
    made, over = make_key(accounts), make_key(accounts, START_MS + 1)
    for token in ("", "al_nonsense", made.token[:-1] + ("A" if made.token[-1] != "A" else "B")):
        with pytest.raises(KeyRefusedError):
            accounts.sessions.begin(token, START_MS)
    with pytest.raises(KeyRefusedError):
        accounts.sessions.begin(over.token, START_MS + 1)
    assert 0 == rows(accounts)


def test_only_the_hash_of_a_cookie_is_stored(accounts: Accounts, tmp_path: Path) -> None:
    """Who steals the database has no cookie: neither its text nor the key's is there."""
    made = make_key(accounts)
    begun = accounts.sessions.begin(made.token, START_MS)
    accounts.sessions.engine.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert begun.token.encode() not in stored
    assert made.token.encode() not in stored
    assert begun.token not in repr(begun)


def test_a_session_that_was_ended_is_over_and_others_go_on(accounts: Accounts) -> None:
    """Signing out ends one browser's session, and may be repeated."""
    made = make_key(accounts)
    one, other = (accounts.sessions.begin(made.token, START_MS) for _ in range(2))
    for _ in range(2):
        accounts.sessions.end(one.token)
    assert STRANGER == accounts.sessions.actor(one.token, START_MS)
    assert STRANGER != accounts.sessions.actor(other.token, START_MS)


def test_nobody_fills_the_database_by_signing_in(accounts: Accounts) -> None:
    """A key has so many sessions, and the oldest makes room; what is over is deleted."""
    made = make_key(accounts)
    begun = [accounts.sessions.begin(made.token, START_MS) for _ in range(MOST_OF_A_KEY + 3)]
    assert MOST_OF_A_KEY == rows(accounts)
    holds = [accounts.sessions.actor(each.token, START_MS) != STRANGER for each in begun]
    assert [False] * 3 + [True] * MOST_OF_A_KEY == holds
    accounts.sessions.begin(make_key(accounts).token, START_MS + LONGEST_MS)
    assert 1 == rows(accounts)


@pytest.mark.sqlite("notes how SQLite goes about a question")
def test_sessions_are_found_by_indexes(tmp_path: Path) -> None:
    """Every question about sessions goes by an index."""
    engine = PlannedEngine(tmp_path / "db")
    accounts = Accounts(Store(engine).engine)
    begun = accounts.sessions.begin(make_key(accounts).token, START_MS)
    accounts.sessions.actor(begun.token, START_MS)
    plans = [(sql, steps) for sql, steps in engine.plans if "FROM web_session" in sql]
    assert 3 == len({sql for sql, _ in plans})
    for sql, steps in plans:
        assert steps, sql
        assert all(step.startswith("SEARCH web_session USING") for step in steps), (sql, steps)

"""Shares: what ends them, who made them, and what of them is stored."""

import itertools
from pathlib import Path

import pytest

from anchor.errors import AccountError, UnknownAccountError
from anchor.proof.access_record import By, Way, What
from chains.access import Role, Visibility
from chains.access_notes import MACHINE, AccessNotes, Asker
from chains.accounts import Accounts
from chains.chain import Chain
from chains.organisations import Organisation
from chains.reader import Reader, StoredEntry
from chains.shares import LONGEST_MS, MOST_LIVE, MOST_READS, ONCE_FOR_MS, NewShare, Share, without_secret
from tests.simulators.store import START_MS, Store

DAY_MS = 86_400_000
END_MS = START_MS + DAY_MS


class Site:
    """A database with one chain of an organisation, and its accounts."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "db")
        numbers = itertools.count()
        self.accounts = Accounts(self.store.engine, lambda size: next(numbers).to_bytes(size, "big"))
        self.shares = self.accounts.shares
        self.acme = self.accounts.organisations.create("acme", START_MS)
        self.chain = self.open_chain("orders", self.acme)

    def open_chain(self, name: str, owner: Organisation | None) -> Chain:
        chain = self.store.open_chain(name)
        with self.store.engine.transaction():
            self.accounts.sharing.own(chain, owner, Visibility.PRIVATE)
        return chain

    def share(self, by: Asker = MACHINE, *, is_once: bool = False, ends_at_ms: int = END_MS) -> NewShare:
        return self.shares.make(self.chain, self.stored, by, "the bank", ends_at_ms, START_MS, is_once=is_once)

    @property
    def stored(self) -> StoredEntry:
        found = Reader(self.store.engine, self.store.chains, self.store.lookup).at(self.chain, 0)
        assert found is not None
        return found

    def read(self, made: NewShare, given: str, at_ms: int) -> bool:
        """Read as whoever has the link."""
        share = self.shares.presented(made.token)
        assert share is not None
        return self.shares.read(share, self.chain, self.stored, given, What.CONTENT, at_ms)

    def revoke(self, made: NewShare, at_ms: int) -> Share:
        return self.shares.revoke(made.share, self.chain, MACHINE, at_ms)

    def states(self, made: NewShare, *times: int) -> list[str]:
        return [self.shares.state(self.shares.by_id(made.share.share_id), at_ms) for at_ms in times]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_share_opens_until_its_end_and_says_who_came_when(site: Site) -> None:
    """Each reading is noted before it is given; in the millisecond of the end nothing is opened, and none is noted."""
    made = site.share()
    assert (0, None) == ((seen := site.shares.seen(made.share)).reads, seen.first_at_ms)
    for at_ms, what in ((START_MS + 1, "page"), (START_MS + 5, "receipt"), (END_MS - 1, "content")):
        assert site.read(made, what, at_ms)
    assert not site.read(made, "page", END_MS)
    seen = site.shares.seen(made.share)
    assert (3, START_MS + 1, END_MS - 1) == (seen.reads, seen.first_at_ms, seen.last_at_ms)
    assert ["live", "ended"] == site.states(made, END_MS - 1, END_MS)
    rows = site.store.engine.query("SELECT at_ms, what FROM share_read ORDER BY read_no")
    assert [(START_MS + 1, "page"), (START_MS + 5, "receipt"), (END_MS - 1, "content")] == [tuple(row) for row in rows]


def test_it_is_revoked_unread_and_read(site: Site) -> None:
    """A revoked share opens nothing, for ever, whatever the clock says; what was read before stays noted."""
    unread, read = site.share(), site.share()
    assert site.read(read, "page", START_MS + 1)
    for made in (unread, read):
        site.revoke(made, START_MS + 2)
        assert START_MS + 2 == site.revoke(made, START_MS + 3).revoked_at_ms
        assert not site.read(made, "page", START_MS)
    assert [0, 1] == [site.shares.seen(made.share).reads for made in (unread, read)]


def test_once_leaves_time_to_take_the_file(site: Site) -> None:
    """A share for one reading ends a quarter of an hour after it; unread it waits for its end."""
    made = site.share(is_once=True)
    assert ["live"] == site.states(made, END_MS - 1)
    first = START_MS + DAY_MS // 2
    assert site.read(made, "page", first)
    assert site.read(made, "receipt", first + ONCE_FOR_MS - 1)
    assert not site.read(made, "receipt", first + ONCE_FOR_MS)
    assert ["read"] == site.states(made, first + ONCE_FOR_MS)


def test_it_ends_with_the_key_that_made_it(site: Site) -> None:
    """What a thief of a key shared is closed when the key is revoked; a key that is rotated away leaves its shares."""
    keys = [site.accounts.keys.create(site.acme, Role.OWNER, "", None, START_MS) for _ in range(2)]
    stolen, rotated = (site.share(Asker(Way.API, By.KEY, site.acme.organisation_id, each.key.key_id)) for each in keys)
    site.accounts.keys.rotate(keys[1].key, 5, None, START_MS + 1)
    site.accounts.keys.revoke(keys[0].key, START_MS + 1)
    assert (["withdrawn"], ["live"]) == (site.states(stolen, START_MS + 9), site.states(rotated, START_MS + 9))
    assert not site.read(stolen, "page", START_MS + 9)


def test_it_ends_with_its_owner(site: Site) -> None:
    """A chain that was given to somebody else is his: no share of the owner before opens it, whoever made it."""
    made = site.share()
    site.accounts.sharing.set_owner(site.chain, site.accounts.organisations.create("beta", START_MS), START_MS + 1)
    assert ["withdrawn"] == site.states(made, START_MS + 2)
    assert not site.read(made, "page", START_MS + 2)


def test_the_owner_is_told_of_shares_and_of_who_read_by_them(site: Site) -> None:
    """Each is an event for the owner of the chain, stored with what it is about; of a public chain none is."""
    made = site.share()
    site.read(made, "page", START_MS + 1)
    site.revoke(made, START_MS + 2)
    site.revoke(made, START_MS + 3)
    assert not site.read(made, "page", START_MS + 4)
    events = [each.event for each in AccessNotes(site.store.engine).of(site.acme.organisation_id, 100)]
    name = made.share.share_id
    assert [("shared", "machine", name), ("content", "link", name), ("share-ended", "machine", name)] == [
        (event.what, event.by, event.subject) for event in events
    ]
    assert {site.chain.chain_id} == {event.chain for event in events}
    assert [site.stored.entry_hash, site.stored.entry_hash, b""] == [event.entry for event in events]
    site.accounts.sharing.set_visibility(site.chain, Visibility.PUBLIC, START_MS + 5)
    told = AccessNotes(site.store.engine).waiting()
    site.read(site.share(), "page", START_MS + 6)
    assert told == AccessNotes(site.store.engine).waiting()


def test_of_a_link_only_a_hash_is_stored(site: Site) -> None:
    """Nothing in the database opens a share, and a log line does not have the secret of its address."""
    made = site.share()
    assert 43 == len(made.token)
    stored = repr([tuple(row) for row in site.store.engine.query("SELECT * FROM share")])
    assert made.token not in stored
    assert made.token not in repr(made)
    assert f"/s/{made.token}" == made.path
    assert ("/s/...", "/v1/log") == (without_secret(made.path), without_secret("/v1/log"))
    for wrong in ("", made.share.share_id, made.token[:-1], made.token.swapcase(), "x" * 43):
        assert site.shares.presented(wrong) is None


def test_limits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that would never end, that is over already, with a malformed label or one too many is refused."""
    for ends_at_ms in (START_MS, START_MS + LONGEST_MS + 1):
        with pytest.raises(AccountError, match=r"expiry of a share|end of a share"):
            site.share(ends_at_ms=ends_at_ms)
    for label in ("x" * 101, "a\nb"):
        with pytest.raises(AccountError, match="label of a share"):
            site.shares.make(site.chain, site.stored, MACHINE, label, END_MS, START_MS, is_once=False)
    with pytest.raises(UnknownAccountError, match="no share 'sh_none' here"):
        site.shares.by_id("sh_none")
    assert (1_000, 1_000) == (MOST_LIVE, MOST_READS)
    monkeypatch.setattr("chains.shares.MOST_LIVE", 2)
    monkeypatch.setattr("chains.shares.MOST_READS", 3)
    one, _ = site.share(), site.share()
    with pytest.raises(AccountError, match="at most 2 live shares"):
        site.share()
    assert [True, True, True, False] == [site.read(one, "page", START_MS + at) for at in range(4)]
    assert ["read"] == site.states(one, START_MS + 4)
    assert site.share()

"""The scenario of the crash tests of accounts: an operator makes, rotates, grants, gives away and ends.

It runs over the engine that a test gives, and may be run again after any stop. What a command printed stands in a file
beside the database, as the operator would have noted it; where an answer was lost he looks at the lists, and repeats.
"""

from pathlib import Path

from anchor.errors import KeyRefusedError
from anchor.storage.engine import Engine
from chains.access import ChainAccess, Role, Visibility
from chains.accounts import Accounts
from chains.api_keys import NewKey
from chains.organisations import Organisation
from tests.crash.crashing import open_database
from tests.crash.writing import append_line, read_lines
from tests.simulators.store import START_MS, Store, clear

PRINTED = "printed.jsonl"
NOW_MS = START_MS
OVERLAP_MS = 1000


def administer(engine: Engine, folder: Path) -> None:
    """Two organisations, a key that is rotated and revoked, a chain of one granted to the other and given to it."""
    store, accounts = Store(engine), Accounts(engine)
    acme, meridian = (_organisation(accounts, name) for name in ("acme", "meridian"))
    first = _printed(accounts, folder, "first", acme)
    chain = store.chains.by_name("press")
    if chain is None:
        owning = accounts.owning(accounts.authenticate(first, NOW_MS), Visibility.MEMBERS)
        chain, _ = store.writer.open_chain([clear("press")], b"", "press", NOW_MS, note=owning)
    if acme.organisation_id == accounts.sharing.access_of(chain.chain_no).owner:
        accounts.sharing.set_visibility(chain, Visibility.PRIVATE, NOW_MS)
        accounts.sharing.grant(chain, meridian, Role.WRITER, None, NOW_MS)
        accounts.sharing.grant(chain, meridian, Role.READER, None, NOW_MS)
        _printed(accounts, folder, "second", acme)
        accounts.keys.revoke(accounts.keys.by_id(first[:11]), NOW_MS)
        accounts.sharing.set_owner(chain, meridian, NOW_MS)
    accounts.organisations.remove(acme, NOW_MS)


def check_left(folder: Path) -> None:
    """What must hold after a stop: of each command everything or nothing."""
    engine = open_database(folder)
    store, accounts = Store(engine), Accounts(engine)
    printed = dict(read_lines(folder / PRINTED))
    keys = {key.key_id: key for key in accounts.keys.all()}
    known = {token[:11] for token in printed.values()}
    assert known <= set(keys)
    # At most the text of one key, that of the command which was stopped, is lost.
    assert 1 >= len([key for key_id, key in keys.items() if key_id not in known and key.state(NOW_MS) == "live"])
    for token in printed.values():
        held = keys[token[:11]].state(NOW_MS) == "live"
        assert held == _holds(accounts, token)
    chain = store.chains.by_name("press")
    if chain is not None:
        acme, meridian = (accounts.organisations.named(name).organisation_id for name in ("acme", "meridian"))
        access = accounts.sharing.access_of(chain.chain_no)
        # Never the operator's: its owner came with it. And what the old owner granted is not there under the new one.
        assert access.owner in {acme, meridian}
        assert len(access.grants) <= (access.owner == acme)
    engine.close()


def check_done(folder: Path) -> None:
    """What must hold after a run to the end, whatever was stopped before it."""
    engine = open_database(folder)
    store, accounts = Store(engine), Accounts(engine)
    printed = dict(read_lines(folder / PRINTED))
    assert {"first", "second"} == set(printed)
    assert not any(_holds(accounts, token) for token in printed.values())
    assert "revoked" == accounts.keys.by_id(printed["first"][:11]).state(NOW_MS)
    # Keys whose text was lost were found in the list and revoked: nothing holds that nobody knows.
    known = {token[:11] for token in printed.values()}
    assert {"revoked"} >= {key.state(NOW_MS) for key in accounts.keys.all() if key.key_id not in known}
    meridian = accounts.organisations.named("meridian")
    chain = store.chains.named("press")
    expected = ChainAccess(meridian.organisation_id, Visibility.PRIVATE, ())
    assert expected == accounts.sharing.access_of(chain.chain_no)
    engine.close()


def _organisation(accounts: Accounts, name: str) -> Organisation:
    """Make an organisation, unless the list shows it already."""
    found = next((each for each in accounts.organisations.all() if each.name == name), None)
    return found or accounts.organisations.create(name, NOW_MS)


def _printed(accounts: Accounts, folder: Path, name: str, acme: Organisation) -> str:
    """Return a key's text as it was noted; what the list shows and nobody noted is revoked, and made again."""
    printed = dict(read_lines(folder / PRINTED))
    if name in printed:
        return str(printed[name])
    known = {token[:11] for token in printed.values()}
    for key in accounts.keys.all():
        if key.key_id not in known:
            accounts.keys.revoke(key, NOW_MS)
    made = _make(accounts, acme, printed.get("first"))
    append_line(folder / PRINTED, [name, made.token])
    return made.token


def _make(accounts: Accounts, acme: Organisation, first: str | None) -> NewKey:
    if first is None:
        return accounts.keys.create(acme, Role.WRITER, "", None, NOW_MS)
    return accounts.keys.rotate(accounts.keys.by_id(first[:11]), OVERLAP_MS, None, NOW_MS)


def _holds(accounts: Accounts, token: str) -> bool:
    try:
        accounts.authenticate(token, NOW_MS)
    except KeyRefusedError:
        return False
    return True

"""Tests of chains that change hands: in two steps, both said in the chain, and never the one without the other."""

import pytest

from anchor.errors import AccountError, ChainClosedError, UnknownAccountError
from anchor.proof.chain_life import Transfer, statement_of
from chains.access import Role, Visibility
from chains.accounts import Accounts
from chains.chain import Chain
from chains.life_stating import close_chain
from chains.organisations import Organisation
from chains.transfers import Transfers
from tests.simulators.store import LOG, START_MS, Store

DAY_MS = 86_400_000


@pytest.fixture
def accounts(store: Store) -> Accounts:
    return Accounts(store.engine)


@pytest.fixture
def transfers(store: Store, accounts: Accounts) -> Transfers:
    return Transfers(store.writer, accounts)


@pytest.fixture
def acme(accounts: Accounts) -> Organisation:
    return accounts.organisations.create("Acme", START_MS)


@pytest.fixture
def meridian(accounts: Accounts) -> Organisation:
    return accounts.organisations.create("Meridian", START_MS)


@pytest.fixture
def chain(store: Store, accounts: Accounts, acme: Organisation) -> Chain:
    opened = store.open_chain("orders")
    with store.engine.transaction():
        accounts.sharing.own(opened, acme, Visibility.MEMBERS)
    return opened


def owner(accounts: Accounts, chain: Chain) -> str | None:
    return accounts.sharing.access_of(chain.chain_no).owner


def test_a_chain_changes_hands_in_two_steps(
    store: Store, accounts: Accounts, transfers: Transfers, chain: Chain, acme: Organisation, meridian: Organisation
) -> None:
    """An offer changes nothing; its acceptance changes the owner, ends grants, and is an entry of the chain."""
    other = accounts.organisations.create("Third", START_MS)
    accounts.sharing.grant(chain, other, Role.READER, None, START_MS)
    transfers.offer(chain, meridian, START_MS + DAY_MS, START_MS)
    assert acme.organisation_id == owner(accounts, chain)
    accepted = transfers.accept(chain, meridian, START_MS + 1)
    access = accounts.sharing.access_of(chain.chain_no)
    assert (meridian.organisation_id, Visibility.MEMBERS, ()) == (access.owner, access.visibility, access.grants)
    said = statement_of(store.writer.lives.entry(chain, accepted.leaf_index))
    assert Transfer(START_MS + 1, acme.submitter(LOG.log_id), meridian.submitter(LOG.log_id)) == said
    assert transfers.waiting(chain) is None
    with pytest.raises(UnknownAccountError):
        transfers.accept(chain, meridian, START_MS + 2)


def test_offers_that_cannot_be_accepted(
    store: Store, accounts: Accounts, transfers: Transfers, chain: Chain, acme: Organisation, meridian: Organisation
) -> None:
    """Nobody accepts what was offered to another, is over, was withdrawn, or is not the giver's any more."""
    with pytest.raises(AccountError, match="owns the chain already"):
        transfers.offer(chain, acme, None, START_MS)
    with pytest.raises(UnknownAccountError):
        transfers.withdraw(chain, START_MS)
    transfers.offer(chain, meridian, START_MS + DAY_MS, START_MS)
    with pytest.raises(AccountError, match="offered already"):
        transfers.offer(chain, meridian, None, START_MS)
    with pytest.raises(UnknownAccountError, match="not offered"):
        transfers.accept(chain, acme, START_MS)
    with pytest.raises(AccountError, match="expired"):
        transfers.accept(chain, meridian, START_MS + DAY_MS)
    transfers.offer(chain, meridian, None, START_MS + DAY_MS)
    transfers.withdraw(chain, START_MS + DAY_MS)
    with pytest.raises(UnknownAccountError):
        transfers.accept(chain, meridian, START_MS + DAY_MS)
    transfers.offer(chain, meridian, None, START_MS + DAY_MS)
    accounts.sharing.set_owner(chain, None, START_MS + DAY_MS)
    with pytest.raises(AccountError, match="another owner by now"):
        transfers.accept(chain, meridian, START_MS + DAY_MS)
    assert 1 == store.chains.size(chain), "no entry says what was not done"
    assert owner(accounts, chain) is None


def test_a_closed_chain_is_not_handed_on(
    store: Store, transfers: Transfers, chain: Chain, meridian: Organisation
) -> None:
    """No entry could say it any more, before the offer and after it."""
    transfers.offer(chain, meridian, None, START_MS)
    close_chain(store.writer, chain, "", None, START_MS)
    with pytest.raises(ChainClosedError):
        transfers.accept(chain, meridian, START_MS)
    with pytest.raises(ChainClosedError):
        transfers.offer(chain, meridian, None, START_MS)

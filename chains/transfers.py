"""Chains that are handed from one owner to another: offered by the one, accepted by the other, said in the chain.

Rows of ``chain_transfer``; the owner changes in the transaction that appends the entry which says so
(docs/spec/chain-life.md), so there is never the one without the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from anchor.errors import AccountError, UnknownAccountError
from anchor.proof.access_record import What
from anchor.proof.chain_life import Transfer
from anchor.proof.promise import ANONYMOUS
from anchor.storage.engine import Engine, Row
from chains.access_notes import MACHINE, Asker
from chains.accounts import Accounts
from chains.chain import Chain
from chains.expiry import check_to_come
from chains.life_stating import Signer, stating
from chains.organisations import Organisation
from chains.work import Accepted
from chains.writer import Writer


class Ending(StrEnum):
    """How an offer ended."""

    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Offer:
    """A chain that its owner (``giver``; None: the operator) offers to another organisation; ids of organisations."""

    transfer_no: int
    chain_no: int
    giver: str | None
    taker: str
    offered_at_ms: int
    expires_at_ms: int | None

    def is_live(self, now_ms: int) -> bool:
        """Say whether it can still be accepted. In the millisecond of its expiry it is over."""
        return self.expires_at_ms is None or now_ms < self.expires_at_ms


class Transfers:
    """Offers and their acceptance in one home."""

    def __init__(self, writer: Writer, accounts: Accounts) -> None:
        self.engine = writer.engine
        self.writer = writer
        self.accounts = accounts

    def offer(
        self, chain: Chain, taker: Organisation, expires_at_ms: int | None, now_ms: int, by: Asker = MACHINE
    ) -> Offer:
        """Offer a chain of an owner to another organisation; nothing changes before that accepts.

        Raises AccountError where it owns the chain, where another offer waits, or for an expiry that is not to come;
        ChainClosedError where the chain is closed: no entry can say it any more.
        """
        check_to_come(expires_at_ms, now_ms, "an offer")
        self.writer.lives.check_next(chain, None, self.writer.log_id)
        with self.engine.transaction():
            giver = self.accounts.sharing.access_of(chain.chain_no).owner
            if giver == taker.organisation_id:
                raise AccountError(f"{taker.name!r} owns the chain already")
            waiting = self.waiting(chain)
            if waiting is not None and waiting.is_live(now_ms):
                raise AccountError("the chain is offered already: `anchorline chain transfer withdraw` ends that offer")
            if waiting is not None:
                self._end(waiting, Ending.WITHDRAWN, now_ms)
            self.engine.execute(
                "INSERT INTO chain_transfer (chain_no, giver, taker, offered_at_ms, expires_at_ms) "
                "VALUES (?, ?, ?, ?, ?)",
                (chain.chain_no, giver, taker.organisation_id, now_ms, expires_at_ms),
            )
            offered = self.waiting(chain)
            event = by.did(What.OFFERED, chain.chain_id, subject=taker.organisation_id)
            self.accounts.sharing.tell(chain, [event], now_ms)
        assert offered is not None, "it was stored"
        return offered

    def accept(
        self, chain: Chain, taker: Organisation, now_ms: int, signer: Signer | None = None, by: Asker = MACHINE
    ) -> Accepted:
        """Accept what was offered: the chain says so in an entry, and has its new owner, both or neither.

        Grants end, as they were the old owner's; the visibility stays. Raises UnknownAccountError where nothing is
        offered to this organisation, AccountError where the offer is over or its giver does not own the chain any more.
        """
        offered = self.waiting(chain)
        if offered is None or offered.taker != taker.organisation_id:
            raise UnknownAccountError(f"the chain is not offered to {taker.name!r}; its owner offers it")
        if not offered.is_live(now_ms):
            raise AccountError("the offer of the chain has expired: its owner can offer it again")
        statement = Transfer(now_ms, self._submitter(offered.giver), taker.submitter(self.writer.log_id))
        submission = stating(chain.chain_id, statement, self.writer.log_id, signer)

        def change_owner(_added: Sequence[Accepted]) -> None:
            # Inside the transaction: what was looked at before it may have changed.
            now = self.waiting(chain)
            if now != offered or self.accounts.sharing.access_of(chain.chain_no).owner != offered.giver:
                raise AccountError("the offer is over, or the chain has another owner by now: nothing was changed")
            self.accounts.sharing.change_owner(chain, taker, now_ms, by)
            self._end(offered, Ending.ACCEPTED, now_ms)

        [accepted] = self.writer.submit(chain, [submission], now_ms, by_service=True, note=change_owner)
        return accepted

    def withdraw(self, chain: Chain, now_ms: int, by: Asker = MACHINE) -> None:
        """End an offer that was not accepted; raise UnknownAccountError where there is none."""
        with self.engine.transaction():
            offered = self.waiting(chain)
            if offered is None:
                raise UnknownAccountError("the chain is not offered to anybody")
            self._end(offered, Ending.WITHDRAWN, now_ms)
            event = by.did(What.OFFER_ENDED, chain.chain_id, subject=offered.taker)
            self.accounts.sharing.tell(chain, [event], now_ms)

    def waiting(self, chain: Chain) -> Offer | None:
        """Return the offer of a chain that was neither accepted nor withdrawn, expired or not."""
        rows = self.engine.query(
            "SELECT transfer_no, chain_no, giver, taker, offered_at_ms, expires_at_ms FROM chain_transfer "
            "WHERE chain_no = ? AND ended_at_ms IS NULL",
            (chain.chain_no,),
        )
        return _offer(rows[0]) if rows else None

    def _submitter(self, organisation_id: str | None) -> bytes:
        if organisation_id is None:
            return ANONYMOUS
        return self.accounts.organisations.by_id(organisation_id).submitter(self.writer.log_id)

    def _end(self, offered: Offer, ending: Ending, now_ms: int) -> None:
        self.engine.execute(
            "UPDATE chain_transfer SET ended_at_ms = ?, ending = ? WHERE transfer_no = ?",
            (now_ms, ending.value, offered.transfer_no),
        )


def offers_concerning(engine: Engine, organisation_id: str, now_ms: int) -> list[Offer]:
    """Return the live offers that an organisation made, and those that were made to it, oldest first."""
    rows = engine.query(
        "SELECT transfer_no, chain_no, giver, taker, offered_at_ms, expires_at_ms FROM chain_transfer "
        "WHERE ended_at_ms IS NULL AND (giver = ? OR taker = ?) ORDER BY transfer_no",
        (organisation_id, organisation_id),
    )
    return [offer for offer in map(_offer, rows) if offer.is_live(now_ms)]


def _offer(row: Row) -> Offer:
    transfer_no, chain_no, giver, taker, offered_at_ms, expires_at_ms = row
    return Offer(int(transfer_no), int(chain_no), giver, taker, int(offered_at_ms), expires_at_ms)

# SPDX-License-Identifier: Apache-2.0
"""The part of ``Client`` for who owns chains: erasing, holding, closing, handing on, sharing.

``chains.client.owning`` says what is sent; ``Client`` carries it out. Needs an owner's key.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from anchor.proof.entry import ExternalId
from anchor.proof.erasure import Act
from chains.client import owning
from chains.client.core import Core
from chains.client.erasing import Erased, SeenHold
from chains.client.exchange import Task
from chains.client.living import SeenOffer, SeenTransfer
from chains.client.results import CheckedReceipt, Recorded
from chains.client.sharing import SeenShare
from chains.client.signing import Signatory

Found = TypeVar("Found")


class Owner:
    """What the owner of chains asks for."""

    core: Core

    @abstractmethod
    def _run(self, task: Task[Found]) -> Found:
        """Carry out the steps of an operation."""

    # --- erasing

    def erase(
        self, chain_id: bytes, entries: Sequence[bytes], reason: str, *, signer: Signatory | None = None
    ) -> Erased:
        """Destroy content and salt of entries (hashes) of a chain; an entry of it says so. May be repeated.

        The reason stands there for ever: name no person in it. Where somebody signs, the statement is signed here.
        """
        return self._run(owning.erase(self.core, chain_id, entries, reason, signer))

    def erase_subject(
        self,
        subject: ExternalId | bytes,
        reason: str,
        *,
        chain_id: bytes | None = None,
        signer: Signatory | None = None,
    ) -> Erased:
        """Destroy whatever carries a keyed external id (``keyed_id``, or its 32 bytes), in one chain or in all.

        All of it, or none where one entry is held. Signed, it needs ``chain_id``.
        """
        return self._run(owning.erase_subject(self.core, owning.keyed(subject), reason, chain_id, signer))

    def erase_expired(self, reason: str, *, chain_id: bytes | None = None) -> Erased:
        """Destroy what chains keep no longer (``set_retention``); what is held stays."""
        return self._run(owning.erase_expired(self.core, reason, chain_id))

    def holds(self, chain_id: bytes) -> list[SeenHold]:
        """Return the holds of a chain that stand."""
        return self._run(owning.holds(self.core, chain_id))

    def hold(
        self, chain_id: bytes, reason: str, *, entry_hash: bytes | None = None, signer: Signatory | None = None
    ) -> list[SeenHold]:
        """Keep a chain, or one of its entries, from being erased; return the holds that stand then."""
        return self._run(owning.change_hold(self.core, chain_id, Act.HOLD, entry_hash, reason, signer))

    def lift_hold(
        self, chain_id: bytes, reason: str, *, entry_hash: bytes | None = None, signer: Signatory | None = None
    ) -> list[SeenHold]:
        """Let go what one's organisation holds; return the holds that stand then."""
        return self._run(owning.change_hold(self.core, chain_id, Act.LIFT, entry_hash, reason, signer))

    def retention(self, chain_id: bytes) -> int | None:
        """Return for how long a chain keeps contents, in milliseconds; None: until somebody erases them."""
        return self._run(owning.retention(self.core, chain_id))

    def set_retention(self, chain_id: bytes, keep_ms: int | None) -> int | None:
        """Set for how long a chain keeps contents; nothing is erased by this."""
        return self._run(owning.set_retention(self.core, chain_id, keep_ms))

    # --- the life of a chain

    def close_chain(
        self, chain_id: bytes, reason: str = "", *, moved_to: bytes | None = None, signer: Signatory | None = None
    ) -> Recorded:
        """Close a chain, for ever, by an entry that says why; ``moved_to`` (32 bytes) is the log where it goes on."""
        return self._run(owning.close_chain(self.core, chain_id, reason, moved_to, signer))

    def transfers(self) -> list[SeenOffer]:
        """Return the chains that are offered to one's organisation, and those that it offers."""
        return self._run(owning.transfers(self.core))

    def offer_chain(self, chain_id: bytes, organisation: str, *, expires_at_ms: int | None = None) -> SeenOffer:
        """Offer a chain to another organisation (its id); nothing changes before that accepts."""
        return self._run(owning.offer_chain(self.core, chain_id, organisation, expires_at_ms))

    def withdraw_offer(self, chain_id: bytes) -> SeenOffer:
        """End the offer of a chain that was not accepted."""
        return self._run(owning.withdraw_offer(self.core, chain_id))

    def accept_chain(self, chain_id: bytes) -> SeenTransfer:
        """Accept a chain that is offered to one's organisation; an entry of it says so, and its grants end."""
        return self._run(owning.accept_chain(self.core, chain_id))

    # --- shares

    def share(self, entry_hash: bytes, ends_at_ms: int, *, label: str = "", once: bool = False) -> SeenShare:
        """Make a link to one entry with its content, for whoever has it; its ``path`` is shown this once.

        It ends within 366 days; with ``once`` 15 minutes after its first reading.
        """
        return self._run(owning.share(self.core, entry_hash, ends_at_ms, label, once=once))

    def shares(self, chain_id: bytes) -> list[SeenShare]:
        """Return the links to entries of a chain, those that are over too, with how often each was read."""
        return self._run(owning.shares(self.core, chain_id))

    def revoke_share(self, share_id: str) -> SeenShare:
        """End a link, now and for ever; what was read by it, is read."""
        return self._run(owning.revoke_share(self.core, share_id))

    def read_share(self, link: str) -> CheckedReceipt:
        """Return the receipt, with content, that a link of this service opens; needs no key, and counts as read."""
        return self._run(owning.read_share(self.core, link))

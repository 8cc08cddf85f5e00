# SPDX-License-Identifier: Apache-2.0
"""What the owner of a chain asks of the service, as steps: to erase, to hold, to close it, to hand it on.

Each task is run by ``chains.client.blocking_owner`` and ``chains.client.asynchronous_owner``. Where somebody signs
(``signer``, or the client's own author), what is to be stated is an entry that is made and signed here.
"""

from collections.abc import Sequence
from dataclasses import replace

from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.erasure import Act, Scope
from chains.client import erasing, living, sharing
from chains.client.core import Core
from chains.client.erasing import Erased, SeenHold
from chains.client.exchange import Task
from chains.client.living import SeenOffer, SeenTransfer
from chains.client.own_entry import Form, OwnEntry, Sent
from chains.client.results import CheckedReceipt, Recorded
from chains.client.sharing import SeenShare
from chains.client.signing import Signatory


def erase(core: Core, chain_id: bytes, entries: Sequence[bytes], reason: str, signer: Signatory | None) -> Task[Erased]:
    """Erase entries of a chain by their hashes."""
    if not _signs(core, signer):
        return (yield from core.managed(erasing.erasing(entries, reason), erasing.erased_of))
    return (yield from _erase_stated(core, chain_id, entries, Scope.ENTRY, reason, signer))


def erase_subject(
    core: Core, subject: ExternalId, reason: str, chain_id: bytes | None, signer: Signatory | None
) -> Task[Erased]:
    """Erase whatever carries a keyed external id; signed, what a search finds of it in one chain."""
    if not _signs(core, signer):
        return (yield from core.managed(erasing.erasing_subject(subject.value, reason, chain_id), erasing.erased_of))
    if chain_id is None:
        raise ValueError("a signed statement is an entry of one chain: expected chain_id, got none")
    found: list[bytes] = []
    cursor: str | None = None
    while True:
        page, cursor = yield from core.search(subject, None, None, None, cursor)
        found += [seen.entry_hash for seen in page if seen.entry.chain_id == chain_id]
        if cursor is None:
            break
    return (yield from _erase_stated(core, chain_id, found, Scope.SUBJECT, reason, signer))


def erase_expired(core: Core, reason: str, chain_id: bytes | None) -> Task[Erased]:
    """Erase what chains keep no longer."""
    return (yield from core.managed(erasing.erasing_expired(reason, chain_id), erasing.erased_of))


def change_hold(
    core: Core, chain_id: bytes, act: Act, held: bytes | None, reason: str, signer: Signatory | None
) -> Task[list[SeenHold]]:
    """Hold a chain or one of its entries, or lift that; return the holds that stand then."""
    if not _signs(core, signer):
        return (yield from core.managed(erasing.holding(chain_id, act, held, reason), erasing.holds_of))
    linked = held
    if linked is None:
        page, _ = yield from core.entries(chain_id, 0)
        if not page:
            raise ValueError(f"chain {chain_id.hex()} has no entry, and so nothing to hold")
        linked = page[0].entry_hash
    form = erasing.form_of_hold(chain_id, act, linked, is_chain=held is None, reason=reason, now_ms=_now_ms(core))
    own = yield from _made(core, chain_id, form, signer)
    return (yield from core.managed(erasing.holding_stated(own, act), erasing.holds_of))


def holds(core: Core, chain_id: bytes) -> Task[list[SeenHold]]:
    """Return the holds of a chain that stand."""
    return (yield from core.managed(erasing.asking_holds(chain_id), erasing.holds_of))


def retention(core: Core, chain_id: bytes) -> Task[int | None]:
    """Return for how long a chain keeps contents, in milliseconds; None: until somebody erases them."""
    return (yield from core.managed(erasing.asking_retention(chain_id), erasing.retention_of))


def set_retention(core: Core, chain_id: bytes, keep_ms: int | None) -> Task[int | None]:
    """Set for how long a chain keeps contents."""
    return (yield from core.managed(erasing.setting_retention(chain_id, keep_ms), erasing.retention_of))


def close_chain(
    core: Core, chain_id: bytes, reason: str, moved_to: bytes | None, signer: Signatory | None
) -> Task[Recorded]:
    """Close a chain by an entry that is made here."""
    own = yield from _made(core, chain_id, living.form_of_closing(reason, moved_to, _now_ms(core)), signer)
    return (yield from core.record(own))


def transfers(core: Core) -> Task[list[SeenOffer]]:
    """Return the offers that concern the organisation."""
    return (yield from core.managed(living.asking_offers(), living.offers_of))


def offer_chain(core: Core, chain_id: bytes, organisation: str, expires_at_ms: int | None) -> Task[SeenOffer]:
    """Offer a chain to an organisation."""
    return (yield from core.managed(living.offering(chain_id, organisation, expires_at_ms), living.offer_of))


def withdraw_offer(core: Core, chain_id: bytes) -> Task[SeenOffer]:
    """End the offer of a chain."""
    return (yield from core.managed(living.withdrawing(chain_id), living.offer_of))


def accept_chain(core: Core, chain_id: bytes) -> Task[SeenTransfer]:
    """Accept a chain that is offered."""
    return (yield from core.managed(living.accepting(chain_id), living.transfer_of))


def share(core: Core, entry_hash: bytes, ends_at_ms: int, label: str, *, once: bool) -> Task[SeenShare]:
    """Make a link to one entry."""
    return (yield from core.managed(sharing.making(entry_hash, ends_at_ms, label, once=once), sharing.share_of))


def shares(core: Core, chain_id: bytes) -> Task[list[SeenShare]]:
    """Return the links to entries of a chain."""
    return (yield from core.managed(sharing.listing(chain_id), sharing.shares_of))


def revoke_share(core: Core, share_id: str) -> Task[SeenShare]:
    """End a link."""
    return (yield from core.managed(sharing.revoking(share_id), sharing.share_of))


def read_share(core: Core, link: str) -> Task[CheckedReceipt]:
    """Read what a link opens; it counts as read."""
    log = yield from core.log()
    verifier = core.verifier(log.card)
    return (yield from core.managed(sharing.reading(link), lambda body: sharing.judged_share(body, log.card, verifier)))


def _erase_stated(
    core: Core, chain_id: bytes, entries: Sequence[bytes], scope: Scope, reason: str, signer: Signatory | None
) -> Task[Erased]:
    parts: list[Erased] = []
    for form in erasing.forms_of_erasure(chain_id, entries, scope, reason, _now_ms(core)):
        own = yield from _made(core, chain_id, form, signer)
        parts.append((yield from core.managed(erasing.erasing_stated(own), erasing.erased_of)))
    return erasing.together(parts)


def _made(core: Core, chain_id: bytes, form: Form, signer: Signatory | None) -> Task[OwnEntry]:
    """Return a signed entry over empty content; the log is known, for which it is meant."""
    yield from core.log()
    return core.make(chain_id, b"", signed_by(form, signer), Sent.CONTENT)


def keyed(subject: ExternalId | bytes) -> ExternalId:
    """Return the keyed external id that is meant; raise ValueError for one of another kind, which is no secret."""
    found = subject if isinstance(subject, ExternalId) else ExternalId(IdKind.KEYED, subject)
    if found.kind != IdKind.KEYED:
        raise ValueError(f"a subject is erased by a keyed external id, got one of kind {found.kind}")
    return found


def signed_by(form: Form, signer: Signatory | None) -> Form:
    """Return a form with who signs in the place of the client's own author, if somebody does."""
    if signer is None:
        return form
    return replace(form, author=signer.key, identity=signer.identity)


def _signs(core: Core, signer: Signatory | None) -> bool:
    return signer is not None or core.settings.signer is not None


def _now_ms(core: Core) -> int:
    return core.settings.clock_ns() // 1_000_000

# SPDX-License-Identifier: Apache-2.0
"""What the steps of a verification come to: the outcome, what is missing, and the facts.

Input are the steps that ``verify`` ran; the rules are those of docs/spec/verdict.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.blocks import KnownBlock
from anchor.proof.calendar import JudgedCalendar
from anchor.proof.co_signature import CoSignature
from anchor.proof.correction import Correction
from anchor.proof.diagnosis import diagnose, link_facts
from anchor.proof.entry import ExtensionType
from anchor.proof.erasure import Erasure
from anchor.proof.life_evidence import Life
from anchor.proof.receipt import ContentState, Receipt
from anchor.proof.steps_anchor import other_anchors
from anchor.proof.timestamp import JudgedTimestamp
from anchor.proof.verdict import Outcome, State, Step, Verdict
from anchor.proof.verifier import Identity, Verifier, network_of

if TYPE_CHECKING:
    from anchor.proof.steps_certificate import JudgedBinding


@dataclass(frozen=True, slots=True)
class Anchored:
    """The bitcoin anchor that the verdict speaks of, time stamps, calendars' attestations; and what was said later."""

    bitcoin: BitcoinAnchor | None
    timestamps: tuple[JudgedTimestamp, ...]
    attestations: tuple[JudgedCalendar, ...]
    corrections: tuple[Correction, ...] = ()
    life: tuple[Life, ...] = ()
    co_signatures: tuple[CoSignature, ...] = ()
    erasure: Erasure | None = None
    bindings: "tuple[JudgedBinding, ...]" = ()


def conclude(
    receipt: Receipt, verifier: Verifier, steps: list[Step], anchored: Anchored, identity: Identity
) -> Verdict:
    """Weigh the steps and return the whole verdict."""
    by_number = {step.number: step for step in steps}
    missing = _missing(receipt, verifier, by_number)
    facts = _facts(receipt, by_number, anchored, identity, network_of(receipt.log, verifier.networks))
    outcome = _outcome(receipt, verifier, by_number)
    diagnosis = diagnose(receipt, verifier, identity, by_number, outcome, facts)
    return Verdict(outcome, diagnosis, tuple(steps), tuple(missing), facts)


def _missing(receipt: Receipt, verifier: Verifier, steps: dict[int, Step]) -> list[str]:
    missing = _not_checked(steps, 1, 2, 3)
    if receipt.sealed is None:
        missing.append("not sealed yet: ask for an upgrade later")
    elif steps[10].state == State.ABSENT:
        missing.append(f"{steps[10].text}: ask for an upgrade later")
    elif steps[12].state == State.NOT_CHECKED:
        missing.append(steps[12].text)
    if steps[8].state == State.NOT_CHECKED and not verifier.any_log:
        missing.append("the log is not identified: bytes existed by then, but in whose log is not said")
    return missing + _not_checked(steps, 13, 15, 16, 17, 18, 19, 20, 21) + _missing_timestamp(verifier, steps)


def _not_checked(steps: dict[int, Step], *numbers: int) -> list[str]:
    """Return what those of these steps say that are there and were not checked."""
    return [steps[number].text for number in numbers if number in steps and steps[number].state == State.NOT_CHECKED]


def _missing_timestamp(verifier: Verifier, steps: dict[int, Step]) -> list[str]:
    step = steps.get(14)
    if step is None or step.state == State.FAILED:
        return []
    if step.state == State.NOT_CHECKED:
        return [step.text]
    if lacks_bitcoin(steps) is None or verifier.accept_timestamp or _is_attested(steps):
        return []
    return [
        f"{step.text}; that is the word of an authority and no Bitcoin anchor, and you did not say that it is enough"
    ]


def _outcome(receipt: Receipt, verifier: Verifier, steps: dict[int, Step]) -> Outcome:
    """Weigh the steps: a failure first, then what nobody could check, then what is not there yet."""
    if State.FAILED in [step.state for step in steps.values()]:
        return Outcome.FAILED
    if steps[1].state == State.NOT_CHECKED:
        return Outcome.NOT_CHECKED
    lacking = lacks_bitcoin(steps)
    instead = _instead(verifier, steps)
    if lacking is not None and instead is None:
        return lacking
    if steps[8].state == State.NOT_CHECKED and not verifier.any_log:
        return Outcome.INCOMPLETE
    if verifier.content_digest is not None and receipt.content.state != ContentState.SHOWN:
        return Outcome.NOT_COMPARED
    is_asked = verifier.author is not None or receipt.entry.extension(ExtensionType.IDENTITY) is not None
    if steps[3].state == State.NOT_CHECKED and is_asked:
        return Outcome.NOT_CHECKED  # or evidence that speaks against the author could be left out
    if 17 in steps and steps[17].state == State.NOT_CHECKED:
        return Outcome.NOT_CHECKED  # or evidence that speaks against the entry could be left out
    if 18 in steps and steps[18].state == State.OK and receipt.content.state == ContentState.ERASED:
        return Outcome.NOT_COMPARED  # also without a file at hand: nothing is left with which one could be compared
    if 16 in steps and steps[16].state == State.OK:
        return Outcome.CORRECTED
    return instead if lacking is not None and instead is not None else Outcome.INTACT


def _instead(verifier: Verifier, steps: dict[int, Step]) -> Outcome | None:
    """Return what may stand where the log's own anchor was not checked: it has a name of its own, never ``intact``."""
    if _is_attested(steps):
        return Outcome.ATTESTED
    is_stamped = 14 in steps and steps[14].state == State.OK
    return Outcome.TIME_STAMPED if is_stamped and verifier.accept_timestamp else None


def _is_attested(steps: dict[int, Step]) -> bool:
    return 15 in steps and steps[15].state == State.OK


def lacks_bitcoin(steps: dict[int, Step]) -> Outcome | None:
    """Return the outcome where no block of the best chain is known to hold the checkpoint, or None where one is."""
    if steps[10].state == State.ABSENT:
        return Outcome.INCOMPLETE
    if steps[12].state == State.NOT_CHECKED:
        return Outcome.INCOMPLETE if steps[12].shallow else Outcome.NOT_CHECKED
    return None


def _facts(
    receipt: Receipt, steps: dict[int, Step], anchored: Anchored, identity: Identity, rules: NetworkRules | None
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "entry_hash": identity.entry_hash.hex(),
        "chain_id": receipt.entry.chain_id.hex(),
        "log_id": identity.log_id.hex(),
        "origin": receipt.log.origin,
        "network": None if rules is None else rules.name,
        "proof_of_work": None if rules is None else rules.proof_of_work_note,
    }
    for name, kind in (
        ("author_time_ms", ExtensionType.AUTHOR_TIME),
        ("not_valid_after_ms", ExtensionType.NOT_VALID_AFTER),
    ):
        stated = receipt.entry.extension(kind)
        if stated is not None:
            facts[name] = int.from_bytes(stated, "big")
    identity_chain_id = receipt.entry.extension(ExtensionType.IDENTITY)
    if identity_chain_id is not None:
        facts["identity"] = identity_chain_id.hex()
    if steps[3].waits:
        facts["waits"] = [wait.to_json() for wait in steps[3].waits]
    if receipt.entry.links:
        facts["links"] = link_facts(receipt)
    sealed = receipt.sealed
    if sealed is None:
        return facts
    facts |= {
        "leaf_index": sealed.chain.index,
        "tree_size": sealed.head.leaf.tree_size,
        "checkpoint_size": sealed.checkpoint.size,
        "checkpoint_root": sealed.checkpoint.root.hex(),
        "sealed_at_ms": sealed.seal.leaf.sealed_at_ms,
        "sealed_after": {"height": sealed.seal.leaf.block_height, "block": hash_hex(sealed.seal.leaf.block_hash)},
    }
    facts |= block_facts(anchored.bitcoin, steps)
    beside: dict[str, Sequence[JudgedTimestamp | JudgedCalendar | Correction | Life | CoSignature | JudgedBinding]] = {
        "time_stamps": anchored.timestamps,
        "attestations": anchored.attestations,
        "corrections": anchored.corrections,
        "chain_life": anchored.life,
        "co_signatures": anchored.co_signatures,
        "certificates": anchored.bindings,
    }
    facts |= {name: [item.to_json() for item in found] for name, found in beside.items() if found}
    if anchored.erasure is not None:
        facts["erasure"] = anchored.erasure.to_json()
    if others := other_anchors(sealed):
        facts["other_anchors"] = others
    return facts


def block_facts(anchor: BitcoinAnchor | None, steps: dict[int, Step]) -> dict[str, Any]:
    """Return ``anchored_in``: the block of the anchor and how deep it is, or nothing where it is in none."""
    if anchor is None or not _is_in_block(steps):
        return {}
    return {"anchored_in": _anchored_in(anchor) | _depth_facts(steps[12].known)}


def _is_in_block(steps: dict[int, Step]) -> bool:
    """Say whether the checkpoint is in the anchor's block, which may still be one that nobody was asked about."""
    return steps[10].state == steps[11].state == State.OK and steps[12].state != State.FAILED


def _depth_facts(known: KnownBlock | None) -> dict[str, Any]:
    """Return confirmations, and the work of the block and all on top (hex), as far as they are known."""
    facts: dict[str, Any] = {}
    if known is not None and known.confirmations is not None:
        facts["confirmations"] = known.confirmations
    if known is not None and known.work is not None:
        facts["work"] = f"{known.work:064x}"
        if known.is_least:
            facts["work_is_least"] = True
    if known is not None and known.full_confirmations is not None:
        facts["full_confirmations"] = known.full_confirmations
    return facts


def _anchored_in(anchor: BitcoinAnchor) -> dict[str, Any]:
    header = anchor.decoded_header
    return {
        "height": anchor.height,
        "block": hash_hex(header.hash),
        "time_s": header.time_s,
        "transaction": hash_hex(anchor.txid),
    }

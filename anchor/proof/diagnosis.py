# SPDX-License-Identifier: Apache-2.0
"""The diagnosis: which finding a verdict comes to, and the paragraph that says so in plain words; pure.

Input are the judged steps and the facts; ``conclusion`` puts the diagnosis into the verdict (docs/spec/verdict.md).
"""

from collections.abc import Mapping
from typing import Any

from anchor.proof.entry import Relation
from anchor.proof.errors import Reason
from anchor.proof.findings import SENTENCES, Finding
from anchor.proof.receipt import ContentState, Receipt
from anchor.proof.times import utc
from anchor.proof.verdict import Diagnosis, Outcome, State, Step
from anchor.proof.verifier import Identity, Verifier, network_of

_OF_STEP = {
    1: Finding.ENTRY_OF_ANOTHER_CHAIN,
    2: Finding.CONTENT_CHANGED,
    3: Finding.SIGNATURE_WRONG,
    4: Finding.NOT_IN_CHAIN,
    5: Finding.LOG_SIGNATURE_WRONG,
    6: Finding.CHAIN_NOT_IN_DIRECTORY,
    7: Finding.SEAL_WRONG,
    8: Finding.ANOTHER_LOG,
    9: Finding.PROMISE_WRONG,
    10: Finding.ROOT_NOT_IN_TRANSACTION,
    11: Finding.TRANSACTION_NOT_IN_BLOCK,
    12: Finding.BLOCK_INVALID,
    13: Finding.THREAD_WRONG,
    14: Finding.TIME_STAMP_WRONG,
    15: Finding.ATTESTATION_WRONG,
    16: Finding.CORRECTION_WRONG,
    17: Finding.POLICY_EVIDENCE_WRONG,
    18: Finding.ERASURE_WRONG,
    19: Finding.CHAIN_LIFE_WRONG,
    20: Finding.CO_SIGNATURE_WRONG,
    21: Finding.CERTIFICATE_WRONG,
}
_OF_REASON = {
    (1, Reason.WRONG_LOG_EXTENSION): Finding.ANOTHER_LOG,
    (2, Reason.COMMITMENT_MISMATCH): Finding.DIGEST_ALTERED,
    (3, Reason.AUTHOR_KEY_NOT_VALID): Finding.KEY_NOT_VALID_THEN,
    (3, Reason.AUTHOR_KEYS_WRONG): Finding.AUTHOR_KEYS_WRONG,
    (3, Reason.ANOTHER_AUTHOR): Finding.ANOTHER_AUTHOR,
    (7, Reason.HEAD_MISMATCH): Finding.ENTRY_OF_ANOTHER_CHAIN,
    (17, Reason.POLICY_NOT_FOLLOWED): Finding.POLICY_NOT_FOLLOWED,
    (12, Reason.WRONG_NETWORK): Finding.WRONG_NETWORK,
    (12, Reason.TARGET_ABOVE_LIMIT): Finding.WRONG_NETWORK,
    (12, Reason.BLOCK_MISMATCH): Finding.BLOCK_NOT_ON_BEST_CHAIN,
}
_ORDER = {finding: place for place, finding in enumerate(Finding)}
# Each was made over the entry by somebody; where two do not fit it, it is the entry that is another.
_MADE_OVER_ENTRY = {Reason.COMMITMENT_MISMATCH, Reason.AUTHOR_SIGNATURE_WRONG, Reason.CHAIN_PATH_WRONG}
_RELATIONS = {int(relation): relation.name.lower().replace("_", " ") for relation in Relation}
# Links that change what another entry is worth; the others are facts only.
_TOLD = {_RELATIONS[relation] for relation in (Relation.SUPERSEDES, Relation.RETRACTS, Relation.ERASES)}
# The steps by which an entry is sealed and anchored at all.
_BRACKET = (4, 5, 6, 7, 10, 11)


def diagnose(
    receipt: Receipt,
    verifier: Verifier,
    identity: Identity,
    steps: dict[int, Step],
    outcome: Outcome,
    facts: dict[str, Any],
) -> Diagnosis:
    """Return the finding of a judged receipt, and its paragraph: what was found, and since when that is so."""
    if outcome == Outcome.FAILED:
        finding = _failure(receipt, verifier, identity, steps)
    else:
        finding = _finding_of(receipt, verifier, steps, outcome)
    if outcome == Outcome.CORRECTED:
        finding = _correction(facts)
    sentences = [SENTENCES[finding], *_bracket(steps, facts)]
    if outcome != Outcome.FAILED:
        sentences += told_erasure(facts) + told_links(facts)
    return Diagnosis(finding, " ".join(sentences))


def link_facts(receipt: Receipt) -> list[dict[str, str]]:
    """Return the links of the entry: what it says of other entries, in its author's words."""
    return [
        {
            "relation": _RELATIONS.get(link.relation, str(link.relation)),
            "chain_id": link.chain_id.hex(),
            "entry_hash": link.entry_hash.hex(),
        }
        for link in receipt.entry.links
    ]


def told_links(facts: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each other entry that this one says it supersedes, retracts or erases."""
    return [
        f"The entry says of itself that it {link['relation']} entry {link['entry_hash']}."
        for link in facts.get("links", [])
        if link["relation"] in _TOLD
    ]


def told_erasure(facts: Mapping[str, Any]) -> list[str]:
    """Return when and why the content was erased, where a later entry of the chain says so."""
    erasure = facts.get("erasure")
    if erasure is None:
        return []
    return [
        f"The log states that its content was erased on {utc(erasure['erased_at_ms'])} because {erasure['reason']}."
    ]


def _failure(receipt: Receipt, verifier: Verifier, identity: Identity, steps: dict[int, Step]) -> Finding:
    found = {_of_failed(step) for step in steps.values() if step.state == State.FAILED}
    if Finding.ANOTHER_LOG in found and _is_other_network(receipt, verifier):
        found.add(Finding.WRONG_NETWORK)
    if _is_entry_altered(receipt, identity, steps):
        found.add(Finding.ENTRY_ALTERED)
    return min(found, key=lambda finding: _ORDER[finding])


def _of_failed(step: Step) -> Finding:
    assert step.reason is not None
    if step.reason == Reason.MALFORMED:
        return Finding.PART_UNREADABLE
    return _OF_REASON.get((step.number, step.reason), _OF_STEP[step.number])


def _is_other_network(receipt: Receipt, verifier: Verifier) -> bool:
    """Say whether the card is of another network than the receipt's log."""
    if verifier.card is None:
        return False
    mine, theirs = verifier.card.log, receipt.log
    return (mine.network_genesis, mine.message_start) != (theirs.network_genesis, theirs.message_start)


def _is_entry_altered(receipt: Receipt, identity: Identity, steps: dict[int, Step]) -> bool:
    """Say whether two things that were made over the entry do not fit it: one alone may itself be what was altered."""
    contradicting = sum(step.reason in _MADE_OVER_ENTRY for step in steps.values() if step.state == State.FAILED)
    promise = receipt.promise
    if promise is not None and steps[9].state == State.FAILED:
        promised = (promise.leaf.chain_id, promise.leaf.entry_hash)
        contradicting += promised != (receipt.entry.chain_id, identity.entry_hash)
    return contradicting > 1


def _finding_of(receipt: Receipt, verifier: Verifier, steps: dict[int, Step], outcome: Outcome) -> Finding:
    """Return the finding where no step failed."""
    if outcome == Outcome.NOT_CHECKED:
        return _unchecked(receipt, verifier, steps)
    if outcome == Outcome.INCOMPLETE:
        return _lacking(receipt, verifier, steps)
    if outcome == Outcome.NOT_COMPARED:
        if receipt.content.state == ContentState.WITHHELD:
            return Finding.CONTENT_WITHHELD
        is_proved = 18 in steps and steps[18].state == State.OK
        return Finding.ERASED if is_proved else Finding.CONTENT_ERASED
    if outcome == Outcome.ATTESTED:
        return Finding.ATTESTED
    if outcome == Outcome.TIME_STAMPED:
        return Finding.TIME_STAMPED
    return Finding.INTACT if steps[2].state == State.OK else Finding.ENTRY_INTACT


def _correction(facts: Mapping[str, Any]) -> Finding:
    """Return what was done to the entry: withdrawn, whatever else was said; else replaced."""
    said = {item["relation"] for item in facts["corrections"] if item["corrects"] == facts["entry_hash"]}
    return Finding.RETRACTED if "retracts" in said else Finding.SUPERSEDED


def _unchecked(receipt: Receipt, verifier: Verifier, steps: dict[int, Step]) -> Finding:
    if steps[1].state == State.NOT_CHECKED:
        return Finding.NOT_UNDERSTOOD
    if steps[12].state != State.NOT_CHECKED or _stands_in(verifier, steps):
        is_of_policy = 17 in steps and steps[17].state == State.NOT_CHECKED
        return Finding.POLICY_NOT_CHECKED if is_of_policy else Finding.AUTHOR_NOT_CHECKED
    is_unknown = network_of(receipt.log, verifier.networks) is None
    return Finding.NETWORK_UNKNOWN if is_unknown else Finding.BLOCK_NOT_CHECKED


def _lacking(receipt: Receipt, verifier: Verifier, steps: dict[int, Step]) -> Finding:
    """Return what an incomplete verdict lacks: an anchor, unless something stands in for it, else the card."""
    if _stands_in(verifier, steps):
        return Finding.LOG_NOT_IDENTIFIED
    if receipt.sealed is None:
        return Finding.NOT_SEALED
    if steps[10].state == State.ABSENT:
        return Finding.NOT_ANCHORED
    return Finding.NOT_DEEP_ENOUGH if steps[12].shallow else Finding.LOG_NOT_IDENTIFIED


def _stands_in(verifier: Verifier, steps: dict[int, Step]) -> bool:
    """Say whether an attestation, or a time stamp that is enough for the verifier, stands in for the log's anchor."""
    is_attested = 15 in steps and steps[15].state == State.OK
    return is_attested or (14 in steps and steps[14].state == State.OK and verifier.accept_timestamp)


def _bracket(steps: dict[int, Step], facts: dict[str, Any]) -> list[str]:
    """Return since when it is so, where that is established; a block that nobody confirmed establishes nothing."""
    is_sealed = all(steps[number].state == State.OK for number in _BRACKET)
    is_known = steps[12].state == State.OK or steps[12].shallow
    if not (is_sealed and is_known) or steps[8].state == State.FAILED:
        return []
    after, anchored = facts["sealed_after"], facts["anchored_in"]
    time = utc(anchored["time_s"] * 1000)
    sentence = (
        f"What was recorded was sealed after block {after['height']} (as the log says), and is anchored in block "
        f"{anchored['height']} of {facts['network']}, which says {time}, give or take two hours."
    )
    return [sentence]

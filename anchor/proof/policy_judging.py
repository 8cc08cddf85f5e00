# SPDX-License-Identifier: Apache-2.0
"""Step 17 where a chain has a policy: whether the entry follows the one in force at its place (docs/spec/policy.md).

Input is a sealed receipt, of which each head names the policy in force, and what the verifier brings; ``steps_policy``
asks.
"""

from anchor.proof.entry import Entry, check_author, signing_keys
from anchor.proof.errors import AnchorlineError, UnknownVersionError, VerificationError
from anchor.proof.leaves import NO_POLICY
from anchor.proof.log_statements import NO_CONTENT, stated_by_log
from anchor.proof.merkle import leaf_hash
from anchor.proof.policy import Rule, Standing, check_followed, closes, in_force_at, met, not_followed, stated_in
from anchor.proof.policy_evidence import (
    NotShownError,
    PolicyEvidence,
    ShownKeys,
    place_of_entry,
    proved_standing,
    shown_policy,
    wrong_evidence,
)
from anchor.proof.receipt import ContentState, Receipt, Sealed
from anchor.proof.verdict import Step, not_checked, ok
from anchor.proof.verifier import Verifier

BELIEVED = "the log's signature; that its heads name the policy in force, is the auditor's check"


def judge_policy(receipt: Receipt, sealed: Sealed, verifier: Verifier) -> Step:
    """Return step 17; raise VerificationError where the policy was not followed, or what is shown of it is wrong."""
    shown = shown_policy(receipt)
    if sealed.head.leaf.policy == NO_POLICY:
        raise _without(receipt, sealed)
    if shown is None:
        return not_checked(17, f"policy {sealed.head.leaf.policy.hex()} is in force in the chain, and it is not shown")
    try:
        return _followed(receipt, sealed, PolicyEvidence.from_json(shown), verifier)
    except NotShownError as error:
        return not_checked(17, f"whether the policy was followed, is not shown: {error}")
    except UnknownVersionError:
        return not_checked(17, "policy not checked: an entry that is shown was written by a newer Anchorline")


def was_followed_when_written(receipt: Receipt, sealed: Sealed, verifier: Verifier) -> bool:
    """Say whether only the entry's own seal made it break the policy: a key ended in it, or was too old at its time.

    Then the log's writer rightly took the entry. Evidence that does not hold says nothing for it.
    """
    shown = shown_policy(receipt)
    if shown is None or sealed.head.leaf.policy == NO_POLICY:
        return False
    try:
        _followed(receipt, sealed, PolicyEvidence.from_json(shown), verifier, when_written=True)
    except AnchorlineError:
        return False
    return True


def _without(receipt: Receipt, sealed: Sealed) -> VerificationError:
    """Return what is wrong where the entry's head names no policy, and something else speaks of one."""
    if sealed.previous_head is not None and sealed.previous_head.leaf.policy != NO_POLICY:
        return wrong_evidence("the head before names one, and that of the entry none: a policy does not go away")
    if stated_in(receipt.entry) is not None:
        return not_followed("it states a policy, and the log says that the chain has none")
    return wrong_evidence("one is shown, and the log says that the chain has none")


def _followed(
    receipt: Receipt, sealed: Sealed, evidence: PolicyEvidence, verifier: Verifier, *, when_written: bool = False
) -> Step:
    """Return step 17 by the keys of the entry's seal, or by those that its writer could have seen as valid."""
    keys = ShownKeys(evidence, receipt, verifier.check_signature)
    standing = proved_standing(evidence, receipt, sealed, keys)
    entry, index = receipt.entry, sealed.chain.index
    if stated_in(entry) is not None or not index:
        return _states(standing, entry, index)
    stated = in_force_at(standing, index)
    _check_signatures(entry, verifier)
    place = place_of_entry(receipt, sealed)
    is_key_of = keys.when_written(place) if when_written else keys.at(place)
    shown = {leaf_hash(raw): raw for raw in evidence.corrected}

    def find(entry_hash: bytes) -> Entry:
        if entry_hash not in shown:
            raise NotShownError(f"nothing is shown of entry {entry_hash.hex()}, which it corrects")
        return Entry.decode(shown[entry_hash])

    has_content = receipt.content.state == ContentState.SHOWN and receipt.content.digest != NO_CONTENT
    check_followed(stated.policy, entry, is_key_of, find, has_content=has_content)
    text = f"it follows the policy that entry {stated.index} of the chain states, {stated.entry_hash.hex()}"
    said = None if has_content else stated_by_log(entry)
    if said is not None:
        return ok(17, f"{text}: it states {said}, which the log may do without a writer's signature", BELIEVED)
    rule = stated.policy.administrators if closes(entry) else stated.policy.writers
    signed = met(rule, signing_keys(entry), is_key_of)
    closing = "it closes the chain; " if closes(entry) else ""
    return ok(17, f"{text}: {closing}{_signed(rule, signed)}", BELIEVED)


def _check_signatures(entry: Entry, verifier: Verifier) -> None:
    """Step 3 says that a signature does not hold; here it is one that is lacking."""
    try:
        check_author(entry, verifier.check_signature)
    except VerificationError as error:
        raise not_followed("a signature over it does not hold") from error


def _states(standing: Standing, entry: Entry, index: int) -> Step:
    """The entry states a policy, which is one of those in force; so the rules of the one before hold for it."""
    found = next((stated for stated in standing if stated.entry_hash == entry.hash and stated.index == index), None)
    if found is None:
        raise not_followed("it states a policy that is not in force" if index else "it does not state the first policy")
    rule = found.policy.administrators if not index else in_force_at(standing, index).policy.administrators
    return ok(
        17,
        f"it states the policy of the chain from here on: {rule.threshold} of {len(rule.parties)} parties must sign, "
        "and did",
        BELIEVED,
    )


def _signed(rule: Rule, signed: int) -> str:
    if not rule.threshold:
        return "anybody may write"
    return f"{rule.threshold} of {len(rule.parties)} parties must sign, {signed} did"

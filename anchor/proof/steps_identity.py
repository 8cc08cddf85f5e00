# SPDX-License-Identifier: Apache-2.0
"""Step 3 where an author names his identity: whether his key was one of it where the entry was first sealed.

Input is a receipt whose author's signature holds, and what the verifier brings; ``steps_author`` asks.
"""

from dataclasses import replace

from anchor.proof.errors import UnknownVersionError
from anchor.proof.identity import Purpose
from anchor.proof.identity_evidence import IdentityEvidence, identity_evidence, place_of, proved_history
from anchor.proof.identity_history import ENDINGS, History, KeySpan
from anchor.proof.leaves import LogLeaf
from anchor.proof.receipt import Receipt, Sealed
from anchor.proof.verdict import Step, not_checked, ok
from anchor.proof.verifier import Verifier, asked, network_of
from anchor.proof.waits import AnchorBlock, WaitWord, word_on_wait

BELIEVED = "the log's signature; that its seals name the newest heads, is the auditor's check"


def check_identity(receipt: Receipt, verifier: Verifier, public_key: bytes, identity: bytes) -> Step:
    """Return step 3; ``identity`` is the chain id that the entry names, ``public_key`` what its author signed with."""
    signed = f"signed by key {public_key.hex()}"
    evidence = None if receipt.sealed is None else identity_evidence(receipt.sealed)
    if receipt.sealed is None or evidence is None:
        return not_checked(3, f"{signed}; whether it was a key of identity {identity.hex()} then, is not shown")
    try:
        history = proved_history(evidence, identity, receipt.log, receipt.sealed, verifier.check_signature)
    except UnknownVersionError:
        return not_checked(
            3, f"{signed}; a newer Anchorline wrote the history of identity {identity.hex()}: this one cannot judge it"
        )
    expected = "" if verifier.author is None else "; the author that you expect"
    valid = _valid(history, public_key, receipt.log, receipt.sealed)
    words = _waits(history, evidence, receipt, receipt.sealed, verifier)
    said = "".join(f"; its keys are by a recovery that the log announced and that waited {word.text}" for word in words)
    if any(word.may_be_made_up for word in words):
        return replace(not_checked(3, f"{signed}, {valid}{said}"), waits=tuple(words))
    return replace(ok(3, f"{signed}, {valid}{said}{expected}", BELIEVED), waits=tuple(words))


def _waits(
    history: History, evidence: IdentityEvidence, receipt: Receipt, sealed: Sealed, verifier: Verifier
) -> list[WaitWord]:
    """Return what is known of each announced recovery that was completed before the entry was sealed."""
    number = sealed.seal.leaf.seal_number
    before = [item for item in history.waits if item.completed.seal_number < number]
    if not before:
        return []
    # Most identities were never recovered by waiting.
    from anchor.proof.announcement import anchored_blocks  # noqa: PLC0415

    rules = network_of(receipt.log, verifier.networks)
    views = [view for view in verifier.blocks if rules is not None and view.network == rules.name]
    shown = anchored_blocks(sealed, evidence, rules)

    def anchored(seal_number: int) -> AnchorBlock | None:
        if seal_number not in shown:
            return None
        height, block_hash = shown[seal_number]
        known = asked(views, height)[0]
        is_another = known is not None and known.hash != block_hash
        return None if is_another else AnchorBlock(height, known is not None)

    return [word_on_wait(item, views, anchored) for item in before]


def _valid(history: History, public_key: bytes, log: LogLeaf, sealed: Sealed) -> str:
    """Say since when, and until when, the key was one of the identity; raise where it was not then."""
    span = history.check_valid(public_key, Purpose.ENTRIES, place_of(sealed, log))
    return (
        f"a key of identity {history.chain_id.hex()}{_names(history)} since seal {span.since.seal_number}{_end(span)}"
    )


def _names(history: History) -> str:
    return f", which calls itself {' and '.join(history.names)} (not checked here)," if history.names else ""


def _end(span: KeySpan) -> str:
    if span.until is None:
        return ""
    return f"; it ended later, in seal {span.until.seal_number}, {ENDINGS[span.ending]}"

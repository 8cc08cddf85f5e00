# SPDX-License-Identifier: Apache-2.0
"""What the proof of a head proves, in steps that have the numbers of a receipt's (docs/spec/head-proof.md).

Input is a decoded proof and what the verifier brings. ``anchorline head check`` calls ``judge_head``; the browser
verifier is a second implementation of it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.conclusion import block_facts, lacks_bitcoin
from anchor.proof.errors import Reason, VerificationError
from anchor.proof.head_proof import HeadProof
from anchor.proof.heads import check_way
from anchor.proof.leaves import HeadLeaf
from anchor.proof.steps_anchor import best_anchor
from anchor.proof.steps_log import check_keys_and_note, check_log, check_shown_leaves, word_on_block_before
from anchor.proof.times import utc
from anchor.proof.verdict import ExitCode, State, Step, ok, run
from anchor.proof.verifier import Verifier, network_of

NAMES = {
    4: "newest head",
    5: "keys and note",
    6: "directory paths",
    7: "seal",
    8: "log",
    10: "payload",
    11: "transaction, branch, coinbase",
    12: "header, work, block",
    13: "thread",
}


class HeadOutcome(StrEnum):
    """What a proof of a head comes to."""

    NEWEST = "newest head"
    NO_HEAD = "no head"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    NOT_CHECKED = "not checked"


_EXIT_CODES = {
    HeadOutcome.NEWEST: ExitCode.INTACT,
    HeadOutcome.NO_HEAD: ExitCode.INTACT,
    HeadOutcome.FAILED: ExitCode.FAILED,
    HeadOutcome.INCOMPLETE: ExitCode.INCOMPLETE,
    HeadOutcome.NOT_CHECKED: ExitCode.NOT_CHECKED,
}


@dataclass(frozen=True, slots=True)
class HeadVerdict:
    """What ``judge_head`` found; ``says`` is what the proof says of the chain, in words."""

    outcome: HeadOutcome
    says: str
    steps: tuple[Step, ...]
    missing: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """Exit code of ``anchorline head check``: those of ``verify``."""
        return int(_EXIT_CODES[self.outcome])

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as ``--json`` prints it."""
        return {
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "says": self.says,
            "reasons": [str(step.reason) for step in self.steps if step.reason is not None],
            "missing": list(self.missing),
            "steps": [step.to_json(NAMES[step.number]) for step in self.steps],
            "facts": self.facts,
        }


def judge_head(proof: HeadProof, verifier: Verifier) -> HeadVerdict:
    """Judge the proof of a head; never raises for anything that one can hold."""
    log_id = proof.log.log_id
    anchor, anchor_steps = best_anchor(proof, proof, verifier, log_id)
    steps = (
        run(4, lambda: _check_heads(proof)),
        run(5, lambda: check_keys_and_note(proof, proof, verifier, log_id)),
        run(6, lambda: _check_paths(proof)),
        run(7, lambda: _check_seal(proof, verifier)),
        run(8, lambda: check_log(proof, verifier, log_id)),
        *anchor_steps,
    )
    by_number = {step.number: step for step in steps}
    head = _head_of(proof) if by_number[4].state == State.OK else None
    outcome = _outcome(by_number, verifier, has_head=head is not None)
    rules = network_of(proof.log, verifier.networks)
    facts = _facts(proof, head, None if rules is None else rules.name) | block_facts(anchor, by_number)
    says = _says(proof, head) if outcome != HeadOutcome.FAILED else "What does not hold says nothing about the chain."
    return HeadVerdict(outcome, says, steps, _missing(by_number, verifier), facts)


def _check_heads(proof: HeadProof) -> Step:
    """Step 4: the way in the heads tree leads to the seal's root, and ends at the chain's head or where it would be."""
    check_way(proof.heads, proof.chain_id, proof.seal.leaf.heads_root)
    head = _head_of(proof)
    if head is None:
        return ok(4, f"among the heads of {proof.seal.leaf.chain_count} chains none is of {proof.chain_id.hex()}")
    return ok(4, f"the newest head of {proof.chain_id.hex()} has {head.tree_size} entries, root {head.root.hex()}")


def _check_paths(proof: HeadProof) -> Step:
    """Step 6: every leaf of the directory that is shown is under the checkpoint."""
    return check_shown_leaves(proof, proof.log.log_id, proof.log_path, [proof.seal, proof.thread, *proof.keys])


def _check_seal(proof: HeadProof, verifier: Verifier) -> Step:
    """Step 7: the seal is the last leaf under the checkpoint, so no newer head can be under it."""
    seal = proof.seal
    if seal.index != proof.checkpoint.size - 1:
        raise VerificationError(
            Reason.SEAL_MISMATCH,
            f"expected the last leaf under the checkpoint, {proof.checkpoint.size - 1}, got the seal at {seal.index}: "
            "a newer head could be behind it",
        )
    word, believed = word_on_block_before(proof, seal.leaf, verifier)
    return ok(
        7,
        f"seal {seal.leaf.seal_number} of {utc(seal.leaf.sealed_at_ms)}, the last under the checkpoint, after block "
        f"{seal.leaf.block_height} {hash_hex(seal.leaf.block_hash)}, {word}",
        believed,
    )


def _head_of(proof: HeadProof) -> HeadLeaf | None:
    """Return the chain's own head at the end of the way, where step 4 holds; another chain's shows that it has none."""
    head = check_way(proof.heads, proof.chain_id, proof.seal.leaf.heads_root)
    return head if head is not None and head.chain_id == proof.chain_id else None


def _outcome(steps: dict[int, Step], verifier: Verifier, *, has_head: bool) -> HeadOutcome:
    if State.FAILED in [step.state for step in steps.values()]:
        return HeadOutcome.FAILED
    if (lacking := lacks_bitcoin(steps)) is not None:
        return HeadOutcome(lacking)
    if steps[8].state == State.NOT_CHECKED and not verifier.any_log:
        return HeadOutcome.INCOMPLETE
    return HeadOutcome.NEWEST if has_head else HeadOutcome.NO_HEAD


def _missing(steps: dict[int, Step], verifier: Verifier) -> tuple[str, ...]:
    missing = []
    if steps[10].state == State.ABSENT:
        missing.append(f"{steps[10].text}: ask for a proof under an anchored checkpoint later")
    elif steps[12].state == State.NOT_CHECKED:
        missing.append(steps[12].text)
    if steps[8].state == State.NOT_CHECKED and not verifier.any_log:
        missing.append("the log is not identified: in whose log this is so, is not said")
    if steps[13].state == State.NOT_CHECKED:
        missing.append(steps[13].text)
    return tuple(missing)


def _says(proof: HeadProof, head: HeadLeaf | None) -> str:
    when = f"under the checkpoint of {proof.checkpoint.size} leaves, sealed {utc(proof.seal.leaf.sealed_at_ms)}"
    if head is None:
        return f"Chain {proof.chain_id.hex()} has no head {when}: nothing of it was sealed by then."
    return f"The newest head of chain {proof.chain_id.hex()} {when}, has {head.tree_size} entries: no other was sealed."


def _facts(proof: HeadProof, head: HeadLeaf | None, network: str | None) -> dict[str, Any]:
    return {
        "chain_id": proof.chain_id.hex(),
        "log_id": proof.log.log_id.hex(),
        "origin": proof.log.origin,
        "network": network,
        "checkpoint_size": proof.checkpoint.size,
        "seal_number": proof.seal.leaf.seal_number,
        "sealed_at_ms": proof.seal.leaf.sealed_at_ms,
        "entries": None if head is None else head.tree_size,
        "root": None if head is None else head.root.hex(),
    }

# SPDX-License-Identifier: Apache-2.0
"""Step 17: the entry follows the policy of its chain, only where there is something to say (docs/spec/policy.md).

Input is a sealed receipt, of which each head names the policy in force; ``verify`` adds the step.
"""

from anchor.proof.entry import ExtensionType
from anchor.proof.leaves import NO_POLICY
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import Step, run
from anchor.proof.verifier import Verifier


def policy_steps(receipt: Receipt, verifier: Verifier) -> list[Step]:
    """Return step 17, or no step where neither the log nor the entry says anything of a policy."""
    sealed = receipt.sealed
    if sealed is None:
        return []
    heads = [head for head in (sealed.head, sealed.previous_head) if head is not None]
    is_said = any(head.leaf.policy != NO_POLICY for head in heads)
    is_said = is_said or any(item["type"] == "policy" for item in sealed.evidence)
    if not is_said and receipt.entry.extension(ExtensionType.POLICY) is None:
        return []
    # Most chains have no policy, and to load what judges one takes longer than to verify one of their entries.
    from anchor.proof.policy_judging import judge_policy  # noqa: PLC0415

    return [run(17, lambda: judge_policy(receipt, sealed, verifier))]

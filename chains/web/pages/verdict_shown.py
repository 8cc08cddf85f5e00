"""A verdict as a page shows it: what it comes to, what that means, and its numbered steps.

Words are those of ``chains.wording``, which ``anchorline verify`` prints too; nothing is decided here.
"""

from dataclasses import dataclass

from anchor.proof.verdict import ARITHMETIC, Outcome, Verdict
from chains.wording import headline, meaning


@dataclass(frozen=True, slots=True)
class StepShown:
    """A step of a verdict: ``kind`` is "holds", "fails", "waits" or "past"."""

    number: int
    name: str
    state: str
    kind: str
    text: str
    rests_on: str | None


@dataclass(frozen=True, slots=True)
class VerdictShown:
    """A verdict in words: what it comes to, what that means, and its steps."""

    headline: str
    kind: str
    meaning: list[str]
    steps: list[StepShown]


_STEP_KINDS = {"ok": "holds", "failed": "fails", "not checked": "waits", "absent": "past"}
_KINDS = {
    **dict.fromkeys((Outcome.INTACT, Outcome.ATTESTED, Outcome.TIME_STAMPED), "holds"),
    Outcome.FAILED: "fails",
    Outcome.CORRECTED: "warns",
}


def verdict_shown(verdict: Verdict) -> VerdictShown:
    """Return a verdict as a page shows it."""
    steps = [
        StepShown(
            *(step.number, step.name, step.state.value, _STEP_KINDS[step.state.value], step.text),
            None if step.rests_on in {ARITHMETIC, "nobody"} else step.rests_on.replace("you (", "this service ("),
        )
        for step in verdict.steps
    ]
    return VerdictShown(headline(verdict), _KINDS.get(verdict.outcome, "waits"), meaning(verdict), steps)

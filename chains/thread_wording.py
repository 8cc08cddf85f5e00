"""The verdict of a thread audit in words: what ``anchorline thread`` and ``anchorline audit URL`` print for people.

Input is a ``Verdict`` of ``anchor.thread_verdict``; nothing is decided here.
"""

from anchor.proof.verdict import State
from anchor.thread_verdict import NAMES, SHOWN, Outcome, Step, Verdict
from chains.wording import MARKS

_HEADLINES = {
    Outcome.ONE_HISTORY: "ONE HISTORY",
    Outcome.FAILED: "DOES NOT HOLD",
    Outcome.INCOMPLETE: "INCOMPLETE",
    Outcome.NOT_CHECKED: "COULD NOT BE CHECKED",
}


def thread_lines(verdict: Verdict) -> list[str]:
    """Return the lines of a thread audit for people: headline, notes, then every step with its findings."""
    lines = [f"{_HEADLINES[verdict.outcome]}: log {verdict.facts['origin']} ({verdict.facts['log_id']})"]
    lines += [f"  Note: {note}." for note in verdict.notes]
    lines.append("")
    for step in verdict.steps:
        lines += [f"  {line}" for line in _thread_step(step)]
    return lines


def _thread_step(step: Step) -> list[str]:
    head = f"{step.number:>2} {NAMES[step.number]:27} {MARKS[step.state]:12}"
    if not step.findings:
        rests_on = f"  [rests on {step.rests_on}]" if step.state == State.OK and step.rests_on != "arithmetic" else ""
        return [f"{head} {step.text}{rests_on}"]
    shown = [f"     {each.text}" + (f"  [{each.reason}]" if each.reason else "") for each in step.findings[:SHOWN]]
    more = [f"     and {len(step.findings) - SHOWN} more"] if len(step.findings) > SHOWN else []
    return [head.rstrip(), *shown, *more]

"""A verdict in words: what ``anchorline verify`` prints for people.

Input is a ``Verdict``; nothing is decided here. The texts are in one place so that every claim
can be weighed: what is said must be what was checked, and by whom.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from anchor.proof.diagnosis import told_links
from anchor.proof.verify import Finding, Outcome, State, Step, Verdict

_HEADLINES = {
    Outcome.INTACT: "INTACT",
    Outcome.ATTESTED: "INTACT BY A CALENDAR'S ATTESTATION, NOT BY THE LOG'S OWN ANCHOR",
    Outcome.TIME_STAMPED: "INTACT BY TIME STAMP, NOT BY BITCOIN",
    Outcome.CORRECTED: "UNCHANGED, AND CORRECTED LATER",
    Outcome.FAILED: "DOES NOT VERIFY",
    Outcome.INCOMPLETE: "INCOMPLETE",
    Outcome.NOT_CHECKED: "COULD NOT BE CHECKED",
    Outcome.NOT_COMPARED: "CONTENT NOT COMPARED",
}
# The step about certificates that are bound to the author's identity.
_CERTIFICATE = 21
MARKS = {State.OK: "ok", State.FAILED: "FAILED", State.NOT_CHECKED: "not checked", State.ABSENT: "absent"}


def verdict_lines(file_name: str | None, verdict: Verdict, notes: Sequence[str] = ()) -> list[str]:
    """Return the lines for people: headline, what it means, notes, then every step with whom it rests on."""
    subject = f": {file_name}" if file_name else ""
    return [
        headline(verdict) + subject,
        *(f"  {line}" for line in [*meaning(verdict), *notes]),
        "",
        *(f"  {step_line(step, step.name)}" for step in verdict.steps),
    ]


def step_line(step: Step, name: str) -> str:
    """Return one step for people: how it ended, what was found, and whose word that rests on."""
    rests_on = f"  [rests on {step.rests_on}]" if step.state == State.OK and step.rests_on != "arithmetic" else ""
    reason = f"  [{step.reason}]" if step.reason else ""
    return f"{step.number:>2} {name:31} {MARKS[step.state]:12} {step.text}{rests_on}{reason}"


def headline(verdict: Verdict) -> str:
    """Return what a verdict comes to; an intact entry is not an intact file where none was compared with it."""
    if verdict.diagnosis.finding == Finding.ENTRY_INTACT:
        return "INTACT ENTRY, NO CONTENT WAS COMPARED WITH IT"
    return _HEADLINES[verdict.outcome]


def meaning(verdict: Verdict) -> list[str]:
    """Return what a verdict means, in sentences."""
    if verdict.outcome == Outcome.FAILED:
        failed = [step for step in verdict.steps if step.state == State.FAILED]
        faults = [f"{step.text[:1].upper()}{step.text[1:]} ({step.reason})." for step in failed]
        return [*faults, f"{verdict.diagnosis.meaning} [{verdict.diagnosis.finding}]"]
    if verdict.outcome == Outcome.INTACT:
        return _intact(verdict)
    if verdict.outcome == Outcome.ATTESTED:
        return _attested(verdict)
    if verdict.outcome == Outcome.TIME_STAMPED:
        return _time_stamped(verdict)
    return [verdict.diagnosis.meaning, *(f"{text[:1].upper()}{text[1:]}." for text in verdict.missing)]


def _intact(verdict: Verdict) -> list[str]:
    facts = verdict.facts
    anchored = facts["anchored_in"]
    bracket = (
        f"Sealed after block {facts['sealed_after']['height']} (as the log says), and unchanged since block "
        f"{anchored['height']} of {facts['network']}, which says {_time(anchored['time_s'])}, give or take two hours."
    )
    proved = "It proves that these bytes were recorded then and have not changed since: not that they are true, "
    lines = [
        bracket,
        f"That block is {anchored['block']}.",
        proved + _authorship(verdict),
        f"What proof of work is worth there: {facts['proof_of_work']}",
        *(f"Besides, {_stamp(stamp)}." for stamp in _stamps(verdict)),
        *(f"Besides, {_attestation(each)}." for each in _attestations(verdict)),
        *(f"Besides, {step.text}." for step in verdict.steps if (step.number, step.state) == (_CERTIFICATE, State.OK)),
    ]
    return lines + told_links(facts) + [f"Not part of this verdict: {text}." for text in verdict.missing]


def _attested(verdict: Verdict) -> list[str]:
    attestations, network = _attestations(verdict), verdict.facts["network"] or "an unknown network"
    history = (
        f"The log is of {network}, and its own anchor was not checked. A calendar attests whatever it is given: that "
        "the log shows everybody this one history, is not proved."
    )
    return [
        *(f"The entry is unchanged since then: {_attestation(each)}." for each in attestations),
        "It proves that these bytes were recorded by then and have not changed since: not that they are true, "
        + _authorship(verdict),
        history,
        *told_links(verdict.facts),
        *dict.fromkeys(f"What proof of work is worth there: {each['proof_of_work']}" for each in attestations),
        *(f"Not part of this verdict: {text}." for text in verdict.missing),
    ]


def _attestations(verdict: Verdict) -> list[dict[str, Any]]:
    return [each for each in verdict.facts.get("attestations", []) if each["state"] == "ok"]


def _attestation(each: dict[str, Any]) -> str:
    return (
        f"block {each['height']} of {each['network']} ({each['block']}), which says {_time(each['time_s'])}, give or "
        "take two hours, attests the checkpoint through an OpenTimestamps calendar"
    )


def _time_stamped(verdict: Verdict) -> list[str]:
    proved = "It proves, if that is true, that these bytes were recorded by then: not that they are true, "
    return [
        *(f"The entry is unchanged since {_stamp(stamp)}." for stamp in _stamps(verdict)),
        proved + _authorship(verdict),
        "No block of Bitcoin was checked for this; you said that an authority's word is enough.",
        "Whoever has its key, now or later, can put any time into a time stamp.",
        *told_links(verdict.facts),
        *(f"Not part of this verdict: {text}." for text in verdict.missing),
    ]


def _stamps(verdict: Verdict) -> list[dict[str, Any]]:
    return [stamp for stamp in verdict.facts.get("time_stamps", []) if stamp["state"] == "ok"]


def _stamp(stamp: dict[str, Any]) -> str:
    stated = stamp["accuracy_us"]
    exactly = "with no accuracy stated" if stated is None else f"give or take {stated / 1_000_000:g} s"
    return f"{stamp['authority']} says that it saw the checkpoint at {stamp['time']}, {exactly}"


def _authorship(verdict: Verdict) -> str:
    signed = any(step.number == 3 and step.state == State.OK for step in verdict.steps)
    return "and whose the signing key is, is not said." if signed else "nor who wrote them."


def _time(time_s: int) -> str:
    """Return a time as ISO 8601 in UTC."""
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%dT%H:%M:%SZ}"

"""What a thread audit says: twelve numbered steps, findings with names, and an outcome with an exit code; pure.

Findings come from ``anchor.directory_rules``, ``anchor.thread_line`` and ``anchor.thread_audit``. ``anchorline thread``
prints the verdict; the meaning of each step is in docs/spec/thread.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from anchor.proof.verify import State

# Findings of one step that are printed; the rest is counted.
SHOWN = 20


class Number(IntEnum):
    """The steps by number."""

    LOG = 1
    START = 2
    LINE = 3
    PAYLOADS = 4
    CHECKPOINTS = 5
    ROOTS = 6
    LEAVES = 7
    CHAINS = 8
    ENTRIES = 9
    GAPS = 10
    TIP = 11
    AUTHORS = 12


NAMES = {
    Number.LOG: "log",
    Number.START: "start of the thread",
    Number.LINE: "one line",
    Number.PAYLOADS: "payloads and sizes",
    Number.CHECKPOINTS: "signed checkpoints",
    Number.ROOTS: "roots of the directory",
    Number.LEAVES: "leaves of the directory",
    Number.CHAINS: "heads of chains",
    Number.ENTRIES: "entries",
    Number.GAPS: "nothing unanchored for long",
    Number.TIP: "tip",
    Number.AUTHORS: "authors",
}


class Reason(StrEnum):
    """Names of what a thread audit can find. Part of ``--json``: never rename one."""

    ANOTHER_LOG = "another-log"
    START_WRONG = "thread-start-wrong"
    LINE_BROKEN = "thread-broken"
    LIST_WRONG = "published-list-wrong"
    PROOF_WRONG = "published-proof-wrong"
    PAYLOAD_MISSING = "payload-missing"
    PAYLOAD_AMBIGUOUS = "payload-ambiguous"
    SIZE_FELL = "size-fell"
    ROOT_CHANGED = "same-size-other-root"
    HIJACKED = "no-checkpoint-signs-it"
    CHECKPOINT_WRONG = "checkpoint-signature-wrong"
    ROOT_WRONG = "root-of-another-history"
    NOT_CONSISTENT = "not-consistent"
    HISTORY_CHANGED = "history-changed"
    LEAF_WRONG = "leaf-wrong"
    SEAL_WRONG = "seal-wrong"
    KEY_WRONG = "key-history-wrong"
    HEAD_WRONG = "head-wrong"
    UNASSIGNED = "leaf-type-unassigned"
    ENTRY_WRONG = "entry-wrong"
    WITHHELD = "withheld"
    GAP_TOO_LONG = "gap-too-long"
    TIP_SPENT = "tip-spent-by-a-stranger"
    AUTHOR_WRONG = "author-wrong"


class Outcome(StrEnum):
    """What a verdict says."""

    ONE_HISTORY = "one history"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    NOT_CHECKED = "not checked"


EXIT_CODES = {Outcome.ONE_HISTORY: 0, Outcome.FAILED: 1, Outcome.INCOMPLETE: 3, Outcome.NOT_CHECKED: 4}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps a step from being ok: without a reason, it could not be checked.

    ``passing``: time, or something that the auditor can still bring, mends it.
    """

    number: Number
    text: str
    reason: Reason | None = None
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``rests_on`` says whose word it is where it is more than arithmetic."""

    number: Number
    state: State
    text: str
    findings: tuple[Finding, ...] = ()
    rests_on: str = "arithmetic"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the audit found; ``notes`` are said beside any outcome, ``facts`` are for ``--json``."""

    outcome: Outcome
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Exit code of ``anchorline thread``."""
        return EXIT_CODES[self.outcome]

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The names of what failed, each once, in the order of the steps."""
        named = [finding.reason for step in self.steps for finding in step.findings if finding.reason is not None]
        return tuple(dict.fromkeys(named))

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as ``--json`` prints it."""
        return {
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "reasons": [str(reason) for reason in self.reasons],
            "notes": list(self.notes),
            "steps": [_step_to_json(step) for step in self.steps],
            "facts": dict(self.facts),
        }


def conclude(
    found: Sequence[Finding], done: Mapping[Number, Step], notes: Sequence[str], facts: Mapping[str, Any]
) -> Verdict:
    """Return the verdict: ``done`` says what each step showed where nothing was found against it."""
    steps = tuple(
        _judged(number, done, [finding for finding in found if finding.number == number]) for number in Number
    )
    return Verdict(_outcome(found), steps, tuple(notes), facts)


def _outcome(found: Sequence[Finding]) -> Outcome:
    if any(finding.reason for finding in found):
        return Outcome.FAILED
    if not found:
        return Outcome.ONE_HISTORY
    return Outcome.INCOMPLETE if all(finding.passing for finding in found) else Outcome.NOT_CHECKED


def _judged(number: Number, done: Mapping[Number, Step], found: list[Finding]) -> Step:
    failed = [finding for finding in found if finding.reason is not None]
    if failed:
        return Step(number, State.FAILED, _texts(failed), tuple(found))
    if found:
        return Step(number, State.NOT_CHECKED, _texts(found), tuple(found))
    return done.get(number) or Step(number, State.ABSENT, "nothing to check")


def _texts(found: Sequence[Finding]) -> str:
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(finding.text for finding in found[:SHOWN]) + more


def _step_to_json(step: Step) -> dict[str, Any]:
    return {
        "number": int(step.number),
        "name": NAMES[step.number],
        "state": str(step.state),
        "text": step.text,
        "rests_on": step.rests_on,
        "findings": [
            {"reason": None if each.reason is None else str(each.reason), "text": each.text} for each in step.findings
        ],
    }

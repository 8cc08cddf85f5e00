# SPDX-License-Identifier: Apache-2.0
"""The verdict: numbered steps, how each ended and whose word it rests on, and what they come to (docs/spec/verdict.md).

The modules ``steps_*`` make the steps, ``conclusion`` weighs them; the CLI and third parties read the verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from anchor.proof.blocks import KnownBlock
from anchor.proof.errors import MalformedError, Reason, VerificationError, reason_of
from anchor.proof.findings import Finding

if TYPE_CHECKING:  # most entries name no identity
    from anchor.proof.waits import WaitWord


class State(StrEnum):
    """How one step ended."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    ABSENT = "absent"


class Outcome(StrEnum):
    """What a verdict says."""

    INTACT = "intact"
    ATTESTED = "attested"
    TIME_STAMPED = "time-stamped"
    CORRECTED = "corrected"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    NOT_CHECKED = "not checked"
    NOT_COMPARED = "content erased or withheld"


class ExitCode(IntEnum):
    """Exit codes of ``anchorline verify`` (docs/spec/verdict.md)."""

    INTACT = 0
    FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    NOT_CHECKED = 4
    NOT_COMPARED = 5
    CORRECTED = 6
    NOT_THE_AUTHOR = 7


EXIT_CODES = {
    Outcome.INTACT: ExitCode.INTACT,
    # Only through a block that the verifier knows himself, and never as the log's own anchor.
    Outcome.ATTESTED: ExitCode.INTACT,
    # Only where the verifier said that a time stamp is enough for him: see ``Verifier.accept_timestamp``.
    Outcome.TIME_STAMPED: ExitCode.INTACT,
    Outcome.FAILED: ExitCode.FAILED,
    Outcome.INCOMPLETE: ExitCode.INCOMPLETE,
    Outcome.NOT_CHECKED: ExitCode.NOT_CHECKED,
    Outcome.NOT_COMPARED: ExitCode.NOT_COMPARED,
    Outcome.CORRECTED: ExitCode.CORRECTED,
}

_NOT_THE_AUTHOR = (Finding.ANOTHER_AUTHOR, Finding.KEY_NOT_VALID_THEN)


ARITHMETIC = "arithmetic"


THE_LOG = "the log's own statement"


NAMES = {
    1: "entry",
    2: "content",
    3: "author",
    4: "chain path",
    5: "keys and note",
    6: "directory paths",
    7: "seal and first head",
    8: "log",
    9: "promise",
    10: "payload",
    11: "transaction, branch, coinbase",
    12: "header, work, block",
    13: "thread",
    14: "time stamp",
    15: "calendar attestation",
    16: "corrections",
    17: "policy",
    18: "erasure",
    19: "life of the chain",
    20: "co-signatures",
    21: "bound certificate",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verification; ``rests_on`` says whose word it is where it is more than arithmetic."""

    number: int
    state: State
    text: str
    rests_on: str = ARITHMETIC
    reason: Reason | None = None
    known: KnownBlock | None = None  # step 12: what was believed about the block
    shallow: bool = False  # not checked because the block is not deep enough yet, which time will mend
    waits: "tuple[WaitWord, ...]" = ()  # step 3: the announced recoveries by which the author has his keys

    @property
    def name(self) -> str:
        """What the step is about."""
        return NAMES[self.number]

    def to_json(self, name: str) -> dict[str, Any]:
        """Return the step as ``--json`` prints it, under the name that it has where it is judged."""
        return {
            "number": self.number,
            "name": name,
            "state": str(self.state),
            "text": self.text,
            "rests_on": self.rests_on,
            "reason": None if self.reason is None else str(self.reason),
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a verdict comes to in one word, and ``meaning``, the paragraph for people."""

    finding: Finding
    meaning: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What ``verify`` found; ``missing`` names what keeps it from INTACT, ``facts`` are for ``--json``."""

    outcome: Outcome
    diagnosis: Diagnosis
    steps: tuple[Step, ...]
    missing: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """Exit code of ``anchorline verify``."""
        return exit_code_of(self.outcome, self.diagnosis.finding)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The names of what failed, in the order of the steps."""
        return tuple(step.reason for step in self.steps if step.reason is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as ``--json`` prints it."""
        return {
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "finding": str(self.diagnosis.finding),
            "meaning": self.diagnosis.meaning,
            "reasons": [str(reason) for reason in self.reasons],
            "missing": list(self.missing),
            "steps": [step.to_json(step.name) for step in self.steps],
            "facts": self.facts,
        }


def exit_code_of(outcome: Outcome, finding: str) -> int:
    """Return the exit code of an outcome; that nothing failed but who wrote it has one of its own."""
    if finding in _NOT_THE_AUTHOR:
        return int(ExitCode.NOT_THE_AUTHOR)
    return int(EXIT_CODES[outcome])


def run(number: int, step: Callable[[], Step]) -> Step:
    """Turn what a step raises into a failed step, so that the verdict is always whole."""
    try:
        return step()
    except (VerificationError, MalformedError) as error:
        return Step(number, State.FAILED, str(error), reason=reason_of(error))


def absent(number: int, text: str) -> Step:
    """Return a step whose matter is not in the receipt."""
    return Step(number, State.ABSENT, text)


def ok(number: int, text: str, rests_on: str = ARITHMETIC) -> Step:
    """Return a step that holds, on the word of whomever it rests on."""
    return Step(number, State.OK, text, rests_on)


def not_checked(number: int, text: str) -> Step:
    """Return a step that nobody checked."""
    return Step(number, State.NOT_CHECKED, text, "nobody")

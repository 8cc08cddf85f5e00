"""What an audit found: findings with their places, and how much was looked at.

``chains.audit`` and ``chains.audit_tables`` fill a report; ``cli.py`` prints it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from anchor.proof.errors import AnchorlineError

# Findings beyond this are counted and not listed: a home with a million damaged rows must still be auditable.
MAX_FINDINGS = 1000
# What code that reads damaged rows can raise: our own errors, and Python's for values out of place.
DAMAGE = (AnchorlineError, ValueError, LookupError, TypeError, ArithmeticError, AssertionError)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: where, and what."""

    where: str
    what: str


@dataclass
class Report:
    """What the audit looked at and what it found.

    ``remarks`` are entries that stand as they were recorded and count for nothing: of a key that was not valid then.
    """

    entries: int = 0
    chains: int = 0
    heads: int = 0
    seals: int = 0
    checkpoints: int = 0
    promises: int = 0
    anchors: int = 0
    lookups: int = 0
    unreadable: int = 0
    """Contents whose keys are not here: nothing is said of them, only that they cannot be read."""
    named_entries: int = 0
    remarks: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    more_findings: int = 0

    @property
    def clean(self) -> bool:
        """Whether everything holds."""
        return not self.findings

    @property
    def found_in_all(self) -> int:
        """How many things do not hold, listed or not."""
        return len(self.findings) + self.more_findings

    def found(self, where: str, what: str) -> None:
        """Note something that does not hold."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(where, what))
        else:
            self.more_findings += 1

    def remark(self, text: str) -> None:
        """Note something that holds and that its reader should know."""
        if len(self.remarks) < MAX_FINDINGS:
            self.remarks.append(text)

    @contextmanager
    def looking_at(self, where: str) -> Iterator[None]:
        """Turn what damaged data raises into a finding at ``where``, so that the audit goes on behind it."""
        try:
            yield
        except DAMAGE as error:
            self.found(where, str(error) or f"cannot be read ({type(error).__name__})")

"""The examination of a log: every check, run beside the others, so that one that fails or hangs hides none.

Input is a home's folder. The checks are in ``doctor_home``, ``doctor_accounts``, ``doctor_contents`` and
``doctor_bitcoin``, most rules in ``doctor_rules``; ``anchorline doctor`` prints what comes back. Only the database's
write lock is taken for a moment, and a temporary file is made in the home; nothing else is written.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anchor.bitcoin.protocols import Source
from anchor.errors import SourceUnavailableError
from anchor.proof.errors import AnchorlineError
from chains.diagnosis import Finding, error, not_checked, worst_of
from chains.doctor_accounts import ACCOUNT_CHECKS
from chains.doctor_bitcoin import BITCOIN_CHECKS
from chains.doctor_contents import CONTENT_CHECKS
from chains.doctor_home import HOME_CHECKS
from chains.examined import Examined, NotCheckedError, examined
from chains.home import Clock, Home, now_ms
from chains.parallel import all_within

TIMEOUT_S = 30.0
"""A node's answer to the slowest question on a test network takes seconds; monitoring gives up after a minute."""
CHECKS: dict[str, Callable[[Examined], Sequence[Finding]]] = {
    **HOME_CHECKS,
    **ACCOUNT_CHECKS,
    **CONTENT_CHECKS,
    **BITCOIN_CHECKS,
}
"""Every check by its name; docs/operate/doctor.md lists them in this order."""


def examine(
    folder: Path,
    clock: Clock = now_ms,
    *,
    timeout_s: float = TIMEOUT_S,
    sources_of: Callable[[Home], dict[str, Source]] | None = None,
) -> list[Finding]:
    """Return what every check finds, within about ``timeout_s`` seconds; raises nothing.

    ``sources_of`` is for tests: it gives other sources than those of the settings.
    """
    over = threading.Event()
    subject = examined(folder, clock, timeout_s, over, sources_of)
    try:
        works = {name: _bound(check, subject) for name, check in CHECKS.items()}
        results = all_within(works, timeout_s)
    finally:
        over.set()
        subject.close()
    return [finding for name, result in results.items() for finding in _findings(name, result)]


def facts_of_findings(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the fields of ``doctor --json``."""
    return {
        "level": str(worst_of(findings)),
        "checks": [
            {"check": each.check, "level": str(each.level), "found": each.found, "advice": each.advice}
            for each in findings
        ],
    }


def _bound(check: Callable[[Examined], Sequence[Finding]], subject: Examined) -> Callable[[], Sequence[Finding]]:
    return lambda: check(subject)


def _findings(name: str, result: Sequence[Finding] | Exception) -> Sequence[Finding]:
    """Turn what a check raised into a finding; what a foreign error says is not repeated, it might hold a secret."""
    if isinstance(result, NotCheckedError):
        return [not_checked(name, str(result))]
    if isinstance(result, TimeoutError):
        return [not_checked(name, f"{result}; give it more with --timeout")]
    if isinstance(result, SourceUnavailableError):
        return [not_checked(name, f"the Bitcoin source does not answer: {result}")]
    if isinstance(result, AnchorlineError):
        return [error(name, str(result), "")]
    if isinstance(result, OSError):
        said = f"{result.filename or 'the system'}: {result.strerror or type(result).__name__}"
        return [error(name, said, "look at permissions and at the disk")]
    if isinstance(result, Exception):
        return [error(name, f"the check itself failed ({type(result).__name__})", "this is a fault: report it")]
    return result

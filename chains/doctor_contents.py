"""The check of erasures: whether every copy of the content keys that the home knows of followed the last one.

Input is a home under examination (``chains.examined``); ``chains.doctor`` runs the check. The rule is a pure function.
Over HTTP an owner is only told how many copies are left: here the operator sees which.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from anchor.proof.times import utc
from chains.diagnosis import Finding, ok, warning
from chains.examined import Examined
from chains.key_copies import KeyCopies

_CHECK = "erasures"


def erasures(copies: Sequence[tuple[Path, int]], last_done_ms: int | None, waiting: int) -> list[Finding]:
    """Judge copies by when they were written (Unix ms): before the last erasure, they hold what was destroyed."""
    found = [
        warning(
            _CHECK,
            f"{path}, written {utc(made_at_ms)}, holds keys of contents that were erased by {utc(last_done_ms)}",
            "write it anew (`anchorline backup --content-keys`), or destroy it and `anchorline key-copies forget` it",
        )
        for path, made_at_ms in copies
        if last_done_ms is not None and made_at_ms < last_done_ms
    ]
    if waiting:
        found.append(
            warning(_CHECK, f"erasures that were begun and are not done: {waiting}", "the next seal finishes them")
        )
    return found or [ok(_CHECK, "what was to be erased is erased, in every copy of the content keys that is known")]


def erasures_check(subject: Examined) -> list[Finding]:
    """Look at erasures and at copies of the content keys."""
    home = subject.home
    [(last, waiting)] = home.engine.query(
        "SELECT MAX(done_at_ms), COALESCE(SUM(CASE WHEN done_at_ms IS NULL THEN 1 ELSE 0 END), 0) FROM erasure"
    )
    copies = KeyCopies(home.engine, home.content_keys).known()
    return erasures(copies, None if last is None else int(last), int(waiting))


CONTENT_CHECKS: dict[str, Callable[[Examined], Sequence[Finding]]] = {_CHECK: erasures_check}

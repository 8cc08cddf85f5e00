"""Steps 2 to 4 of the thread audit: where the thread starts, and the one line of anchors from there.

Input is an audit whose directory is read (``Audit``) and the auditor's Bitcoin source. ``anchor.thread_audit`` runs
``follow_thread`` and ``check_line``; the rules of a line are in ``anchor.thread_line``.
"""

from collections.abc import Sequence

from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.verdict import THE_LOG
from anchor.proof.verifier import network_of
from anchor.thread_auditor import Audit
from anchor.thread_line import End, Line, MedianTimes, candidates_of, check_list, check_sizes, follow, follow_published
from anchor.thread_verdict import Number, Reason


def follow_thread(audit: Audit) -> None:
    """Find the starts and follow the line from each (steps 2, 3); raises SourceError for a silent source."""
    starts = _starts(audit)
    if not starts:
        audit.lack(
            Number.START, "the log is not funded yet: its thread starts nowhere, and nothing is anchored", passing=True
        )
        return
    audit.ok(Number.START, f"the thread starts at {_listed(starts)}", THE_LOG)
    candidates, source = candidates_of(audit.anchors.proofs), audit.auditor.source
    rules = network_of(audit.log, audit.auditor.networks)
    if source is None:
        audit.lack(Number.LINE, "you named no Bitcoin source: the published list was not compared with the best chain")
        if rules is not None:
            audit.lines = [follow_published(start, candidates, rules) for start in starts]
        return
    clock = MedianTimes(source)
    audit.tip_time_s = clock.at(source.tip())
    audit.lines = [follow(source, start, candidates, clock) for start in starts]
    for line in audit.lines[:-1]:
        _note_restart(audit, line)


def check_line(audit: Audit) -> None:
    """Hold the lines against the published list, and their sizes against each other (steps 3, 4)."""
    line = audit.line
    if audit.lines and audit.auditor.source is not None:
        audit.found += check_list(line, audit.anchors.txids, lambda each: audit.is_late(each.mined.median_time_s))
        audit.ok(
            Number.LINE,
            f"{len(line)} anchors, each spending output 0 of the one before",
            f"your Bitcoin sources ({', '.join(audit.auditor.sources)})",
        )
    audit.found += check_sizes(line)
    if audit.lines and not line:
        audit.lack(Number.PAYLOADS, "nothing is anchored yet", passing=True)
    audit.ok(Number.PAYLOADS, f"{len(line)} payloads, each alone in its transaction; sizes only grow")


def _starts(audit: Audit) -> list[OutPoint]:
    """Return where the thread starts, as the leaves say, or as the card does where these were withheld."""
    starts = [leaf.outpoint for _, leaf in audit.walk.threads]
    card = audit.auditor.card
    pinned = list(card.thread or ()) if card is not None and card.log == audit.log else []
    if starts[: len(pinned)] != pinned[: len(starts)] or (len(starts) < len(pinned) and _is_complete(audit)):
        audit.fail(
            Number.START,
            Reason.START_WRONG,
            f"the leaves say that the thread starts at {_listed(starts)}, your card says {_listed(pinned)}",
        )
    return starts if len(starts) >= len(pinned) else pinned


def _is_complete(audit: Audit) -> bool:
    return audit.published is not None and audit.walk.size == audit.published.size


def _note_restart(audit: Audit, line: Line) -> None:
    """A line that another start replaces may end with a stranger's transaction: the recovery key has answered it."""
    if line.end in {End.UNSPENT, End.IN_MEMPOOL, End.NO_ANCHOR}:
        audit.notes.append(f"the thread from {line.start} was given up: its coin {line.coin} is {line.end}")
        return
    audit.lack(Number.LINE, f"the thread from {line.start}: its coin {line.coin} is {line.end}")


def _listed(outpoints: Sequence[OutPoint]) -> str:
    return ", ".join(map(str, outpoints)) or "nowhere"

"""Steps 10 and 11 of the thread audit: how long anything stayed unanchored, and who holds the last coin.

Input is an audit whose line of anchors is followed (``Audit``). ``anchor.thread_audit`` runs ``check_times`` and
``check_tip``.
"""

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.errors import Reason as ProofReason
from anchor.proof.verdict import THE_LOG
from anchor.thread_auditor import Audit, payload_of
from anchor.thread_line import HOUR_S, End, Line, check_gaps
from anchor.thread_verdict import Number, Reason


def check_times(audit: Audit) -> None:
    """Find gaps between anchors, and seals that waited, that were longer than the auditor's limit (step 10)."""
    if not audit.lines:
        return
    if audit.tip_time_s is None:
        audit.lack(Number.GAPS, "you named no Bitcoin source: nobody knows the times of the blocks")
        return
    first = audit.walk.threads[0][0] if audit.walk.threads else 0
    seals = [(seal.size, seal.sealed_at_ms) for seal in audit.walk.seals if seal.size > first]
    audit.found += check_gaps(audit.line, seals, audit.tip_time_s, audit.auditor.max_gap_s)
    hours = audit.auditor.max_gap_s / HOUR_S
    audit.ok(
        Number.GAPS,
        f"no gap between anchors, and no seal that waited, was longer than {hours:.1f} h by the median times of blocks",
        f"miners' clocks, to within two hours, and {THE_LOG} on when it sealed",
    )


def check_tip(audit: Audit) -> None:
    """Say what became of the last coin, and who says so (step 11)."""
    line = audit.end
    if line is None:
        return
    names = ", ".join(audit.auditor.sources)
    if line.end == End.UNSPENT:
        second = "" if len(audit.auditor.sources) > 1 else ": not confirmed by a second source"
        if second:
            audit.notes.append(f"that the tip is unspent, {names} alone says: not confirmed by a second source")
        audit.ok(
            Number.TIP,
            f"the last coin {line.coin} is unspent, as {names} says{second}",
            f"your Bitcoin sources ({names})",
        )
    elif line.end == End.NO_ANCHOR and line.spender is not None:
        _say_no_anchor(audit, line, line.spender)
    elif line.end == End.IN_MEMPOOL and line.spender is not None:
        _check_pending(audit, line, line.spender)
    elif line.end == End.UNNAMED:
        text = f"the coin {line.coin} is {line.end}, and the published list has none that spends it"
        audit.fail(Number.TIP, Reason.WITHHELD, f"{text}: an anchor was withheld, or a stranger spent the coin")
    elif line.end == End.NOBODY_ASKED:
        audit.lack(Number.TIP, "you named no Bitcoin source: whether the last coin is unspent, nobody was asked")
    else:
        audit.lack(Number.TIP, f"the coin {line.coin} is {line.end}: ask another one")


def _say_no_anchor(audit: Audit, line: Line, spender: bytes) -> None:
    """A transaction with a payload in the wrong place is a step 4 matter; any other spend took the thread away."""
    ambiguous = line.why is not None and line.why.reason == ProofReason.PAYLOAD_AMBIGUOUS
    reason = Reason.PAYLOAD_AMBIGUOUS if ambiguous else Reason.PAYLOAD_MISSING
    audit.fail(Number.PAYLOADS, reason, f"{hash_hex(spender)}, which spends the coin {line.coin}: {line.why}")
    text = f"the coin {line.coin} was spent by {hash_hex(spender)}, which is no anchor, and no new start was signed"
    audit.fail(Number.TIP, Reason.TIP_SPENT, f"THE THREAD WAS TAKEN: {text}")


def _check_pending(audit: Audit, line: Line, spender: bytes) -> None:
    """An unconfirmed spend is the next anchor if the log has published it and it commits to one of its seals."""
    for transaction in audit.anchors.pending:
        if transaction.txid != spender or transaction.inputs[0].previous != line.coin:
            continue
        payload = payload_of(transaction)
        if payload is not None and audit.walk.root_at(payload.tree_size) == payload.root:
            text = f"the next anchor, {hash_hex(spender)} of {payload.tree_size} leaves, is on its way"
            audit.ok(Number.TIP, text, f"your Bitcoin sources ({', '.join(audit.auditor.sources)})")
            return
    audit.lack(
        Number.TIP,
        f"the last coin {line.coin} is spent by {hash_hex(spender)}, which is in no block yet and was not published; "
        "try again when it is in a block",
        passing=True,
    )

"""What an auditor saw of a log the last time, held against what it shows now: nothing of that may be gone or another.

Input is an audit whose directory was read, and the checkpoint that the auditor brings. ``anchor.thread_audit``
runs ``check_seen``; ``chains.following`` keeps what was seen.
"""

from anchor.thread_auditor import Audit
from anchor.thread_verdict import Number, Reason


def check_seen(audit: Audit) -> None:
    """Fail where the leaves do not begin with those below the checkpoint that was seen before, signed by the log."""
    seen = audit.auditor.seen
    if seen is None:
        return
    when = f"you have seen a signed checkpoint of {seen.size} leaves with root {seen.root.hex()}"
    if seen.origin != audit.log.origin:
        audit.fail(
            Number.LOG, Reason.ANOTHER_LOG, f"you have seen log {seen.origin} here, and it is {audit.log.origin}"
        )
    elif audit.published is None:
        audit.fail(Number.LEAVES, Reason.HISTORY_CHANGED, f"{when}, and none is published now")
    elif audit.published.size < seen.size:
        text = f"{when}, and {audit.published.size} leaves are published now: what came after was taken back"
        audit.fail(Number.LEAVES, Reason.HISTORY_CHANGED, text)
    elif audit.walk.size >= seen.size and audit.walk.root_at(seen.size) != seen.root:
        text = f"HISTORY CHANGED: {when}, and the first {seen.size} leaves have another root now"
        audit.fail(Number.LEAVES, Reason.HISTORY_CHANGED, text)

"""What was sealed, and what became of attempts to anchor between two looks, as log lines of the daemon; pure.

Input is what a seal made and the attempts that two ticks watched (``anchor.engine``). The daemon prints the lines, so
that its log tells the way of every anchor without the database.
"""

from collections.abc import Iterable

from anchor.directory import StoredCheckpoint
from anchor.journal import Attempt
from anchor.proof.bitcoin.hashes import hash_hex


def sealing_lines(sealed: StoredCheckpoint | None) -> list[str]:
    """Return the line of a seal; none where nothing had changed."""
    if sealed is None:
        return []
    return [f"event=sealed seal={sealed.seal_number} size={sealed.size} root={sealed.root.hex()}"]


def progress(before: Iterable[Attempt], after: Iterable[Attempt]) -> list[str]:
    """Return a line for each attempt of ``after`` that is new, in another state, or in another block than before."""
    old = {(attempt.attempt_no, attempt.state, attempt.standing.block) for attempt in before}
    return [_line(item) for item in after if (item.attempt_no, item.state, item.standing.block) not in old]


def _line(attempt: Attempt) -> str:
    block = attempt.standing.block
    where = "" if block is None else f" height={block.height} block={hash_hex(block.hash)}"
    return (
        f"event=anchor attempt={attempt.attempt_no} state={attempt.state} txid={hash_hex(attempt.txid)} "
        f"size={attempt.checkpoint_size} fee_sat={attempt.fee_sat}{where}"
    )

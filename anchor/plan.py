"""What to do next about anchoring: the rules of design section 6, decided on plain values; pure.

``anchor.engine`` collects the facts and carries out the plan; what things cost is in ``anchor.fees``. At most one
anchor is unconfirmed: where it is due and pays too little it is replaced by a newer version of itself, and otherwise
waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anchor.bitcoin.header_rules import SPACING_S
from anchor.bitcoin.protocols import BlockId
from anchor.directory import CLOCK_TOLERANCE_MS
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.journal import Attempt
from anchor.lifecycle import LIVE, MINED, State
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.recovery import Recovery
from anchor.signature_requests import SignatureRequest, outbid_by

# Bitcoin Core before version 31 takes no transaction that has 25 or more unconfirmed ones before it.
MAX_LINE = 25
# A promise is in danger when an attempt sent now could miss it: twice the time that its target takes.
LAPSE_MARGIN_MS = 2 * FEE_TARGET_BLOCKS * SPACING_S * 1000


@dataclass(frozen=True, slots=True)
class Promised:
    """What is promised for the oldest entry that no anchor in a block covers (Unix milliseconds)."""

    received_at_ms: int
    anchor_by_ms: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan rests on. Sizes are leaves of the directory, times Unix milliseconds.

    ``thread_start`` is the outpoint of the newest thread leaf and ``thread_index`` its place in the directory;
    ``attempts`` are those of this thread that are still watched, oldest first, and ``settled`` its newest that is not.
    ``tip`` is that of the best chain, ``promised`` is None where nothing waits that was promised, ``recovery`` is set
    while the thread is lost and a new one is on its way, ``request`` while a signature is waited for.
    """

    now_ms: int
    newest_size: int | None
    thread_start: OutPoint | None
    thread_index: int
    attempts: Sequence[Attempt]
    settled: Attempt | None
    anchor_every_ms: int
    silence_ms: int
    at_once: bool = False
    tip: BlockId | None = None
    promised: Promised | None = None
    recovery: Recovery | None = None
    request: SignatureRequest | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do, or nothing that is allowed (``is_held``); ``why`` is for people."""

    why: str
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Hand these signed bytes to the network, again if need be: sending is repeatable."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Build:
    """Make, sign and store the next anchor: it spends ``coin`` and carries the checkpoint of ``size``."""

    coin: OutPoint
    size: int


@dataclass(frozen=True, slots=True)
class Replace:
    """Make, sign and store a new version of ``attempt`` with the checkpoint of ``size``, if it pays too little.

    ``must``: whatever it pays, since a promise would lapse or a node refused it. ``before`` are the unconfirmed
    attempts whose coins lead to it, ``after`` those that spend its own, ``versions`` all that spend the same coin.
    """

    attempt: Attempt
    size: int
    must: bool
    before: tuple[Attempt, ...]
    after: tuple[Attempt, ...]
    versions: tuple[Attempt, ...]

    @property
    def otherwise(self) -> Wait | Send:
        """What to do where it is not replaced: a version that no mempool has is sent again, at the cap too."""
        if self.attempt.state == State.SEEN:
            return _in_mempool(self.attempt)
        return Send(self.attempt)


Plan = Wait | Send | Build | Replace


def next_step(facts: Facts) -> Plan:
    """Return the next step. At most one anchor is unconfirmed at any time, and the thread has one end."""
    if facts.newest_size is None:
        return Wait("nothing is sealed yet")
    if facts.thread_start is None:
        return Wait("the log is not funded yet: its thread has no first coin")
    if facts.recovery is not None:
        return Wait("the thread is lost; nothing is anchored until the new one begins", is_held=True)
    if facts.newest_size <= facts.thread_index:
        return Wait("the leaf that names the thread is not sealed yet")
    line = live_line(facts)
    return _unfinished(facts, line) or (_line_step(facts, line) if line else _next_anchor(facts))


def _unfinished(facts: Facts, line: Sequence[Attempt]) -> Plan | None:
    """Return what is to be done before anything new: look again, or send; None where all is where it was noted."""
    missed = [attempt for attempt in facts.attempts if attempt.standing.missed]
    for place, attempt in enumerate(line[:MAX_LINE]):
        # Oldest first: what follows an attempt spends its coin, so it is of no use to anybody without it.
        uncertain = [each for each in missed if each.state in MINED or each in line[: place + 1]]
        if uncertain:
            return _second_look(uncertain[0])
        if attempt.state != State.SEEN:
            return _replacement(facts, line, place) if _is_refused_for_good(facts, attempt) else Send(attempt)
    return _second_look(missed[0]) if missed else None


def _line_step(facts: Facts, line: Sequence[Attempt]) -> Plan:
    """Return what to do about unconfirmed attempts that are all in the mempool: only the last one can be replaced."""
    if len(line) > MAX_LINE:
        return Wait(f"{len(line)} anchors are unconfirmed after a reorganisation; more than {MAX_LINE} are not relayed")
    if not is_due(facts, line[-1]) or not _is_new_block(facts, line[-1]):
        return _in_mempool(line[-1])
    return _replacement(facts, line, len(line) - 1)


def live_line(facts: Facts) -> list[Attempt]:
    """Return the unconfirmed attempts from the end of the thread on, each spending the one before.

    Of several versions of one anchor it is the newest: it pays more than all others, so it replaces them.
    """
    if facts.thread_start is None:
        return []
    newest = {attempt.spends: attempt for attempt in facts.attempts if attempt.state in LIVE}
    coin, _ = thread_end(facts)
    line = []
    while coin in newest:
        line.append(newest[coin])
        coin = newest[coin].coin
    return line


def thread_end(facts: Facts) -> tuple[OutPoint, Attempt | None]:
    """Return the coin that the next anchor spends, and the mined attempt that made it (None: none yet)."""
    assert facts.thread_start is not None
    last = facts.settled
    coin = facts.thread_start if last is None else last.coin
    mined = {attempt.spends: attempt for attempt in facts.attempts if attempt.state in MINED}
    while coin in mined:
        last = mined[coin]
        coin = last.coin
    return coin, last


def is_on_thread(attempt: Attempt, thread_index: int) -> bool:
    """Say whether an attempt is one of the thread whose leaf is at this index of the directory, and of no older one.

    Every anchor of a thread covers the leaf that names it, and from its seal on none is made on an older thread.
    """
    return attempt.checkpoint_size > thread_index


def outlived_request(facts: Facts) -> SignatureRequest | None:
    """Return the request whose signature would be of no use any more, or None where it is waited for or there is none.

    Its coin is neither the end of the thread nor in the unconfirmed line, or an attempt that spends the same coin pays
    as much (a version pays more than all before it, ADR 10), or the thread is lost.
    """
    request = facts.request
    if request is None or facts.thread_start is None:
        return None
    line = live_line(facts)
    spendable = {thread_end(facts)[0]} | {coin for attempt in line for coin in (attempt.spends, attempt.coin)}
    is_outbid = outbid_by(request, facts.attempts) is not None
    return request if facts.recovery is not None or is_outbid or request.spends not in spendable else None


def is_due(facts: Facts, newest: Attempt) -> bool:
    """Say whether something is to be anchored after ``newest``, the last attempt of the thread, in a block or not.

    One that no block has is due again at its interval also where nothing is new: it anchors what it carries only when
    it is mined.
    """
    if would_lapse(facts) and (newest.state not in MINED or _has_news(facts, newest)):
        return True
    age_ms = facts.now_ms - newest.made_at_ms
    # A clock that went back says nothing of the newest one's age; waiting for it to catch up could take years.
    if age_ms < -CLOCK_TOLERANCE_MS or age_ms >= facts.silence_ms:
        return True
    if newest.state in LIVE:
        # A quiet log's last anchor must not hang at a fee nobody takes: whether it pays too little is asked elsewhere.
        return age_ms >= facts.anchor_every_ms or (facts.at_once and _has_news(facts, newest))
    if not _has_news(facts, newest):
        return False
    return facts.at_once or age_ms >= facts.anchor_every_ms or _was_covered_by_void(facts, newest)


def newest_of(facts: Facts) -> Attempt | None:
    """Return the last attempt of the thread, in a block or not; None before the first."""
    if facts.thread_start is None:
        return None
    line = live_line(facts)
    return line[-1] if line else thread_end(facts)[1]


def due_at_ms(facts: Facts) -> int | None:
    """Return when the next anchor is due as things stand: ``is_due`` is true from then on; None where none can be made.

    Something new that is sealed meanwhile may make it earlier.
    """
    if facts.thread_start is None or facts.newest_size is None:
        return None
    newest = newest_of(facts)
    if newest is None or is_due(facts, newest):
        return facts.now_ms
    has_news = _has_news(facts, newest)
    dates = [newest.made_at_ms + facts.silence_ms]
    if has_news:
        dates.append(newest.made_at_ms + facts.anchor_every_ms)
    if facts.promised is not None and (has_news or newest.state not in MINED):
        dates.append(lapses_from_ms(facts.promised))
    return min(dates)


def would_lapse(facts: Facts) -> bool:
    """Say whether a promise would lapse if nothing were done."""
    return facts.promised is not None and facts.now_ms >= lapses_from_ms(facts.promised)


def lapses_from_ms(promised: Promised) -> int:
    """Return from when on a promise is in danger: the last two hours of it, or its last quarter."""
    span_ms = promised.anchor_by_ms - promised.received_at_ms
    return promised.anchor_by_ms - min(LAPSE_MARGIN_MS, span_ms // 4)


def _next_anchor(facts: Facts) -> Plan:
    coin, last = thread_end(facts)
    assert facts.newest_size is not None
    if last is None or is_due(facts, last):
        return Build(coin, facts.newest_size)
    if not _has_news(facts, last):
        return Wait("everything sealed is anchored")
    wait_ms = facts.anchor_every_ms - (facts.now_ms - last.made_at_ms)
    return Wait(f"the next anchor is due in {wait_ms // 1000} s")


def _replacement(facts: Facts, line: Sequence[Attempt], place: int) -> Replace:
    attempt = line[place]
    assert facts.newest_size is not None
    return Replace(
        attempt=attempt,
        size=facts.newest_size,
        must=would_lapse(facts) or attempt.standing.refused is not None,
        before=tuple(line[:place]),
        after=tuple(line[place + 1 :]),
        versions=tuple(each for each in facts.attempts if each.spends == attempt.spends),
    )


def _has_news(facts: Facts, newest: Attempt) -> bool:
    return facts.newest_size is not None and facts.newest_size > newest.checkpoint_size


def _was_covered_by_void(facts: Facts, newest: Attempt) -> bool:
    """Say whether an anchor that is void covered more: what was anchored once does not wait for the interval again."""
    return any(
        attempt.state == State.VOID and attempt.checkpoint_size > newest.checkpoint_size for attempt in facts.attempts
    )


def _is_refused_for_good(facts: Facts, attempt: Attempt) -> bool:
    """Say whether a node's refusal is a reason for a new version: at most one is made for each new block.

    Anchors after it are in no mempool either, since they spend its coin; a new version makes them void.
    """
    return attempt.standing.refused is not None and _is_new_block(facts, attempt)


def _is_new_block(facts: Facts, attempt: Attempt) -> bool:
    return attempt.tip is None or facts.tip is None or attempt.tip.hash != facts.tip.hash


def _second_look(missed: Attempt) -> Wait:
    return Wait(f"attempt {missed.attempt_no} ({missed.state}) was not found; a second look decides")


def _in_mempool(attempt: Attempt) -> Wait:
    return Wait(f"attempt {attempt.attempt_no} is in the mempool, not in a block yet")

# SPDX-License-Identifier: Apache-2.0
"""Step 19: what the receipt shows of its chain's life, only where it shows something.

A chain can be closed, and can go on in another log with its history linked (docs/spec/chain-life.md). ``verify`` adds
the step, and step 1 asks from which logs the chain came.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile
from operator import itemgetter

from anchor.proof.errors import UnknownVersionError
from anchor.proof.later_entry import told_signers
from anchor.proof.life_evidence import PROVED, Closed, Life, LifeEvidence, Moved, proved_life, shown_life, wrong
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.times import utc
from anchor.proof.verdict import Outcome, State, Step, Verdict, not_checked, ok, run
from anchor.proof.verifier import Verifier

Judge = Callable[[Receipt, Verifier], Verdict]
BELIEVED = "the log, which let its author write into this chain; that nothing else was left out, nobody says"


def life_steps(receipt: Receipt, verifier: Verifier, judge: Judge) -> tuple[list[Step], tuple[Life, ...]]:
    """Return step 19, or no step where nothing is shown; and what was shown where all of it holds.

    ``judge`` is ``verify``, for the receipts of earlier logs.
    """
    if not shown_life(receipt):
        return [], ()
    found: list[Life] = []

    def step() -> Step:
        try:
            found.extend(_proved(receipt, verifier, judge))
        except UnknownVersionError:
            return not_checked(19, "life of the chain not checked: an entry that is shown is by a newer Anchorline")
        return _weighed(found, receipt, verifier)

    judged = run(19, step)
    return [judged], tuple(found) if judged.state in (State.OK, State.NOT_CHECKED) else ()


def continued_logs(receipt: Receipt, life: Sequence[Life]) -> set[bytes]:
    """Return the logs from which the receipt's entry came with its chain, as both sides of every move say."""
    found = set[bytes]()
    for each, _ in takewhile(itemgetter(1), reversed(_moves(receipt, life))):
        if each.held:
            found.add(each.statement.log_id)
    return found


def _moves(receipt: Receipt, life: Sequence[Life]) -> list[tuple[Moved, bool]]:
    """Return the continuations in their order, and of each whether the earlier log says that the chain moved there.

    The last move ends in the receipt's own log, each move before it in the log from which the next one goes on.
    """
    moves = [each for each in life if isinstance(each, Moved)]
    towards = [*(each.statement.log_id for each in moves[1:]), receipt.log.log_id]
    return [(each, each.moved_to == to) for each, to in zip(moves, towards, strict=False)]


def _proved(receipt: Receipt, verifier: Verifier, judge: Judge) -> list[Life]:
    """Return everything that is shown, in the order of the chain; earlier receipts judged with the same blocks."""
    found: list[Life] = []
    for item in shown_life(receipt):
        life, earlier = proved_life(LifeEvidence.from_json(item), receipt, verifier.check_signature)
        if found and life.index <= found[-1].index:
            raise wrong("entries are not shown in the order of the chain")
        if isinstance(life, Moved) and earlier is not None:
            life = replace(life, verdict=_judged(earlier, verifier, judge))
        found.append(life)
    return found


def _judged(earlier: Receipt, verifier: Verifier, judge: Judge) -> Verdict:
    """Judge an earlier receipt with the same blocks, and that log's card if the verifier has it."""
    card = _card_of(earlier.log.log_id, verifier)
    mine = replace(verifier, content_digest=None, judge_content=None, author=None, card=card, any_log=card is None)
    verdict = judge(earlier, mine)
    if verdict.outcome == Outcome.FAILED:
        raise wrong(f"the receipt of the earlier log does not verify: {', '.join(verdict.reasons)}")
    return verdict


def _card_of(log_id: bytes, verifier: Verifier) -> LogCard | None:
    return next((card for card in verifier.earlier_cards if card.log.log_id == log_id), None)


def _weighed(found: Sequence[Life], receipt: Receipt, verifier: Verifier) -> Step:
    """Return the step of what holds: not checked while an earlier receipt is not proved up to a block."""
    agreed = {each.index: is_agreed for each, is_agreed in _moves(receipt, found)}
    text = "; ".join(
        _moved_sentence(each, verifier, is_agreed=agreed[each.index]) if isinstance(each, Moved) else _closed(each)
        for each in found
    )
    outcomes = [each.outcome for each in found if isinstance(each, Moved) and each.outcome not in PROVED]
    if outcomes:
        return not_checked(19, f"{text}; the earlier receipt is not proved: {outcomes[0]}")
    return ok(19, text, BELIEVED)


def _closed(each: Closed) -> str:
    said = each.statement
    goes_on = "" if said.moved_to is None else f", to go on in log {said.moved_to.hex()}"
    return (
        f"the chain was closed by entry {each.index}, {told_signers(each.keys)}, which says {utc(said.made_at_ms)}, "
        f'"{said.reason}"{goes_on}'
    )


def _moved_sentence(each: Moved, verifier: Verifier, *, is_agreed: bool) -> str:
    said = each.statement
    whose = "on a card of yours" if _card_of(said.log_id, verifier) else "whose log that is, was not checked"
    held = "this one among them" if each.held else "this one is younger"
    agreed = "both logs say so" if is_agreed else "the earlier log does not say so"
    return (
        f"by entry {each.index}, {told_signers(each.keys)}, the chain continues that of log {said.log_id.hex()} "
        f"({each.facts['origin']!r}, {whose}): {said.tree_size} entries, {held}, stood there{_since(each)}; {agreed}"
    )


def _since(each: Moved) -> str:
    """Say by when what an earlier receipt proves existed, where that is proved."""
    anchored = each.facts.get("anchored_in")
    if anchored is None or each.outcome not in PROVED:
        return ""
    time = utc(anchored["time_s"] * 1000)
    return f" by block {anchored['height']} of {each.facts['network']}, which says {time}"

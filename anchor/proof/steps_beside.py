# SPDX-License-Identifier: Apache-2.0
"""Steps 14 and 15: time stamps and calendars' attestations, each only where the receipt has some.

They stand beside the log's own anchor and never make a verdict ``intact``; ``verify`` adds them to the verdict.
"""

from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.blocks import KnownBlock
from anchor.proof.calendar import JudgedCalendar
from anchor.proof.receipt import Sealed
from anchor.proof.timestamp import JudgedTimestamp, TimeStamp, imprint_of, judge_timestamps
from anchor.proof.verdict import State, Step, not_checked, ok
from anchor.proof.verifier import Verifier, asked


def judged_timestamps(sealed: Sealed, verifier: Verifier) -> tuple[JudgedTimestamp, ...]:
    """Judge every time stamp of the receipt by the certificates that the verifier trusts."""
    checkpoint = sealed.checkpoint
    return judge_timestamps(
        sealed.timestamps, lambda: imprint_of(checkpoint.size, checkpoint.root), verifier.check_timestamp
    )


def check_timestamps(judged: tuple[JudgedTimestamp, ...]) -> Step:
    """One that holds is enough; else one that does not hold fails the step; else nobody checked."""
    good = [item.stamp for item in judged if item.holds and item.stamp is not None]
    failed = next((item for item in judged if item.error is not None), None)
    if good:
        others = "; another one does not hold" if failed is not None else ""
        return ok(14, "; ".join(_stamped(stamp) for stamp in good) + others, _believed(good))
    if failed is not None:
        return Step(14, State.FAILED, str(failed.error), reason=failed.reason)
    unknown = [item.stamp.authority for item in judged if item.stamp is not None]
    if unknown:
        names = " and ".join(sorted(set(unknown)))
        return not_checked(14, f"time stamp not checked: none of the certificates that you trust vouches for {names}")
    return not_checked(14, "time stamp not checked: no certificate of a time-stamping authority was given")


def judged_attestations(sealed: Sealed, verifier: Verifier) -> tuple[JudgedCalendar, ...]:
    """Judge every calendar's attestation of the receipt by the blocks that the verifier trusts."""
    if not sealed.attestations:
        return ()
    # Most receipts have none, and to load what reads .ots files takes longer than to verify one of them.
    from anchor.proof.calendar_judging import judge_calendar  # noqa: PLC0415

    def known(rules: NetworkRules, height: int) -> tuple[KnownBlock | None, str]:
        return asked([view for view in verifier.blocks if view.network == rules.name], height)

    checkpoint = sealed.checkpoint
    return tuple(
        judge_calendar(anchor, lambda: imprint_of(checkpoint.size, checkpoint.root), known, verifier.depth)
        for anchor in sealed.attestations
    )


def check_attestations(judged: tuple[JudgedCalendar, ...]) -> Step:
    """One that holds is enough; else one that does not hold fails the step; else nobody could say."""
    good = [item.block for item in judged if item.block is not None]
    failed = next((item for item in judged if item.error is not None), None)
    if good:
        others = "; another one does not hold" if failed is not None else ""
        blocks = " and ".join(block.name for block in good)
        text = f"the checkpoint is attested by {blocks}, through an OpenTimestamps calendar{others}"
        return ok(15, text, " and ".join(dict.fromkeys(block.believed for block in good)))
    if failed is not None:
        return Step(15, State.FAILED, str(failed.error), reason=failed.reason)
    return not_checked(15, f"calendar's attestation not checked: {judged[0].unchecked}")


def _stamped(stamp: TimeStamp) -> str:
    return f"the checkpoint was time-stamped by {stamp.authority} at {stamp.time}, {stamp.accuracy}"


def _believed(stamps: list[TimeStamp]) -> str:
    roots = " and ".join(sorted({str(stamp.vouched_by) for stamp in stamps}))
    return (
        f"the authority's clock and key, and on {roots}, which you trust; a key that was stolen can put any time into "
        "a time stamp, and whether a certificate was revoked is not checked"
    )

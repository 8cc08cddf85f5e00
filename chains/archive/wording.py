"""The verdict on an export in words, for people; input is an ``ArchiveVerdict``, nothing is decided here.

``anchorline verify --archive`` prints the lines, and ``chains.archive.report`` puts the same words on a page.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from anchor.proof.archive_anchors import CheckedAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.verdict import Outcome, State
from chains.archive.verdict import ArchiveVerdict
from chains.counted import counted

SHOWN = 50
"""Faults that are printed; a report has all."""
_HEADLINES = {
    Outcome.INTACT: "INTACT",
    Outcome.FAILED: "DOES NOT VERIFY",
    Outcome.INCOMPLETE: "INCOMPLETE",
    Outcome.NOT_CHECKED: "COULD NOT BE CHECKED",
}


def headline(verdict: ArchiveVerdict) -> str:
    """Return the outcome and whose log it is."""
    return f"{_HEADLINES[verdict.outcome]}: export of log {verdict.origin} ({verdict.log_id})"


def meaning(verdict: ArchiveVerdict) -> list[str]:
    """Return what the outcome means, a sentence each."""
    sentences = []
    if verdict.faults:
        count = len(verdict.faults) + verdict.more_faults
        sentences.append(f"{counted(count, 'faults')}: this is not, or no longer, what the log sealed.")
    proved = verdict.proved
    if proved is not None and not verdict.faults:
        sentences.append(
            f"{counted(proved.entries, 'entries')} existed when block {proved.height} of {verdict.network} was mined, "
            "and are unchanged."
        )
    return [*sentences, *(f"{text[0].upper()}{text[1:]}." for text in verdict.lacking)]


def what_was_checked(verdict: ArchiveVerdict) -> list[str]:
    """Return what there is, and was looked at, a line each."""
    counts, entries = verdict.counts, counted(verdict.counts["entries"], "entries")
    encrypted = counted(counts["envelopes"], "encrypted contents")
    return [
        f"{entries} of {counted(verdict.chains, 'chains')}, {counts['signed_entries']} of them signed by their authors",
        f"{counted(counts['named_entries'], 'entries')} in the name of an identity, judged by its keys",
        f"{counted(counts['contents'], 'contents')} and {counted(counts['digests'], 'digests')}",
        *([f"{encrypted}, which their entries name; their readers open them"] if counts["envelopes"] else []),
        f"{counted(verdict.checkpoints, 'signed checkpoints')}, {counted(counts['promised'], 'promised entries')}",
        f"{counted(counts['files'], 'files')} against the list of sums",
    ]


def certificate_line(facts: Mapping[str, Any]) -> str:
    """Return what there is to say of a certificate that an identity bound, as its fact in the verdict has it."""
    until = "" if facts["until_seal"] is None else f" until seal {facts['until_seal']}"
    bound = f"identity {facts['identity']}, bound from seal {facts['since_seal']}{until}"
    if "subject" not in facts:
        return f"certificate with SHA-256 {facts['sha256']} of {bound}: {facts['reason'] or 'not shown, not checked'}"
    vouched = facts["vouched_by"] or "none of the certificates that you trust"
    return f"certificate of {facts['subject']}, issued by {facts['issuer']}, of {bound}; {vouched} vouches for it"


def time_stamp_line(facts: Mapping[str, Any]) -> str:
    """Return what there is to say of a time stamp, as its fact in the verdict has it."""
    of = f" of {counted(facts['tree_size'], 'leaves')}" if "tree_size" in facts else ""
    if facts["state"] != State.OK:
        return f"time stamp{of}: {facts['reason'] or 'nobody whom you trust vouches for it, not checked'}"
    return f"time stamp{of}: by {facts['authority']} at {facts['time']}; {facts['vouched_by']} vouches for it"


def beside(verdict: ArchiveVerdict) -> list[str]:
    """Return what authorities say, a line each: certificates of authors, and time stamps."""
    return [*map(certificate_line, verdict.certificates), *map(time_stamp_line, verdict.time_stamps)]


def anchor_line(anchor: CheckedAnchor) -> str:
    """Return what there is to say of an anchor."""
    whose = f"given by {anchor.believed}" if anchor.believed else "not given: not checked"
    return (
        f"anchor of {counted(anchor.tree_size, 'leaves')}, {counted(anchor.entries, 'entries')}: block {anchor.height} "
        f"{hash_hex(anchor.block_hash)}, {whose}"
    )


def archive_lines(verdict: ArchiveVerdict) -> Iterator[str]:
    """Yield the lines for a terminal."""
    yield headline(verdict)
    yield from (f"  {sentence}" for sentence in meaning(verdict))
    yield ""
    yield from (f"  {line}" for line in what_was_checked(verdict))
    yield from (f"  {anchor_line(anchor)}" for anchor in verdict.anchors)
    yield from (f"  {line}" for line in beside(verdict)[:SHOWN])
    yield from (f"  FAULT {fault}" for fault in verdict.faults[:SHOWN])
    yield from (f"  NOTE {remark}" for remark in verdict.remarks[:SHOWN])
    more = len(verdict.faults) - SHOWN + verdict.more_faults
    if more > 0:
        yield f"  ... and {more} more; --report FILE names them all"

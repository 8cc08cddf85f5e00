"""The thread audit: one log's published data and the anchors that Bitcoin shows, held against each other.

Input is a mirror (``Fetch``), a Bitcoin source or none, and the auditor's card and limits (``Auditor``). The verdict
answers "did you ever show someone else another history?" in eleven steps (docs/spec/thread.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from anchor.bitcoin.protocols import Source
from anchor.chain_audit import ChainsAudited, audit_chains
from anchor.directory_rules import DirectoryWalk
from anchor.log import TILE_WIDTH, Frontier
from anchor.proof.bitcoin import MAX_TRANSACTION, OutPoint, Payload, Transaction, find_payload, hash_hex
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.errors import AnchorlineError, VerificationError
from anchor.proof.errors import Reason as ProofReason
from anchor.proof.leaves import LogLeaf
from anchor.proof.merkle import check_consistency
from anchor.proof.receipt import LogCard
from anchor.proof.verify import THE_LOG, State, network_of
from anchor.published import (
    ANCHORED,
    CHECKPOINT,
    Anchors,
    check_checkpoint,
    directory_leaves,
    read_anchors,
    read_card,
    read_note,
)
from anchor.thread_line import (
    HOUR_S,
    End,
    Line,
    MedianTimes,
    OnLine,
    candidates_of,
    check_gaps,
    check_list,
    check_sizes,
    follow,
    follow_published,
)
from anchor.thread_verdict import Finding, Number, Reason, Step, Verdict, conclude
from anchor.tiles import Fetch, LeafRange, PublishedTree, WithheldError

# The default of a log's own promise (setting anchor_within_s).
DEFAULT_MAX_GAP_S = 48 * HOUR_S


@dataclass(frozen=True, slots=True)
class Auditor:
    """What the auditor brings. ``sources`` names whoever answers behind ``source``, which is None for nobody.

    ``card`` pins the log; ``chains`` limits steps 8 and 9 to these chain ids; ``max_gap_s`` is how long something may
    stay unanchored, and how late a mirror may be.
    """

    check: SignatureCheck
    card: LogCard | None = None
    source: Source | None = None
    sources: tuple[str, ...] = ()
    max_gap_s: int = DEFAULT_MAX_GAP_S
    chains: frozenset[bytes] | None = None


@dataclass(slots=True)
class _Audit:
    """One audit as it goes on: what was read, and what was found."""

    fetch: Fetch
    auditor: Auditor
    log: LogLeaf
    walk: DirectoryWalk
    anchors: Anchors
    published: Checkpoint | None = None
    tip_time_s: int | None = None
    lines: list[Line] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    done: dict[Number, Step] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def line(self) -> list[OnLine]:
        """All anchors, in order, of all starts of the thread."""
        return [each for line in self.lines for each in line.anchors]

    @property
    def end(self) -> Line | None:
        """The newest line, which has the tip."""
        return self.lines[-1] if self.lines else None

    def fail(self, number: Number, reason: Reason, text: str) -> None:
        self.found.append(Finding(number, text, reason))

    def lack(self, number: Number, text: str, *, passing: bool = False) -> None:
        self.found.append(Finding(number, text, None, passing))

    def ok(self, number: Number, text: str, rests_on: str = "arithmetic") -> None:
        self.done[number] = Step(number, State.OK, text, rests_on=rests_on)

    def is_late(self, time_s: int | None) -> bool:
        """Say whether something of this time should have been published by now."""
        return time_s is None or self.tip_time_s is None or self.tip_time_s - time_s > self.auditor.max_gap_s


def audit_thread(fetch: Fetch, auditor: Auditor) -> Verdict:
    """Judge a published log. Raises MalformedError for a folder that is no mirror, SourceError for a silent source."""
    card = read_card(fetch)
    anchors, findings = read_anchors(fetch, card.log.log_id, network_of(card.log))
    payloads = [_payload_of(Transaction.decode(proof.transaction, MAX_TRANSACTION)) for proof in anchors.proofs]
    sizes = frozenset(payload.tree_size for payload in payloads if payload is not None)
    walk = DirectoryWalk(card.log, auditor.check, sizes)
    audit = _Audit(fetch, auditor, card.log, walk, anchors, found=findings)
    _check_log(audit, card)
    _read_directory(audit)
    _follow(audit)
    _check_line(audit)
    _check_checkpoints(audit)
    _check_roots(audit)
    audited = _check_chains(audit)
    _check_gaps(audit)
    _check_tip(audit)
    return conclude(audit.found, audit.done, audit.notes, _facts(audit, audited))


# 1 log


def _check_log(audit: _Audit, published: LogCard) -> None:
    pinned = audit.auditor.card
    if pinned is None:
        audit.lack(Number.LOG, "you gave no log card: which log this is, is the mirror's own word", passing=True)
    elif pinned.log != published.log:
        audit.fail(
            Number.LOG,
            Reason.ANOTHER_LOG,
            f"the mirror is of log {published.log.log_id.hex()}, your card is of {pinned.log.log_id.hex()}",
        )
    else:
        audit.ok(Number.LOG, f"log {published.log.log_id.hex()} is the one on your card", "you (the log card)")


# 7 leaves, and what the other steps need of them


def _read_directory(audit: _Audit) -> None:
    note = read_note(audit.fetch, CHECKPOINT)
    if note is None:
        audit.lack(Number.CHECKPOINTS, "no checkpoint of the directory is published")
        return
    published = audit.published = Checkpoint.decode(note.text)
    tree = PublishedTree(audit.fetch, "", published.size)
    lacking = None
    for part in directory_leaves(tree):
        if isinstance(part, LeafRange):
            lacking = LeafRange(part.start, published.size)
            audit.fail(Number.LEAVES, Reason.WITHHELD, f"directory: {lacking} were withheld (first: {part})")
            break
        for raw in part:
            audit.walk.feed(raw)
    if lacking is None:
        audit.walk.end()
    audit.found += audit.walk.findings
    key = audit.walk.checkpoint_key(published.size)
    wanted = Checkpoint(
        audit.log.origin, published.size, audit.walk.frontier.root() if lacking is None else published.root
    )
    why = check_checkpoint(note, wanted, audit.log.origin, key, audit.auditor.check)
    if why is not None:
        audit.fail(Number.CHECKPOINTS, Reason.CHECKPOINT_WRONG, f"the newest checkpoint: {why}")
    for index, leaf in audit.walk.epochs:
        audit.notes.append(
            f"leaf {index}: the log was restored from a backup; promises received from {leaf.lost_from_ms} to "
            f"{leaf.lost_to_ms} (Unix ms) may be missing"
        )
    walk = audit.walk
    heads = sum(map(len, walk.heads.values()))
    audit.ok(
        Number.LEAVES,
        f"{walk.size} leaves are well formed: {len(walk.seals)} seals, {heads} heads of {len(walk.heads)} chains, "
        f"{len(walk.keys)} changes of keys, {len(walk.threads)} starts of the thread",
    )


# 2 start, 3 line


def _starts(audit: _Audit) -> list[OutPoint]:
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


def _is_complete(audit: _Audit) -> bool:
    return audit.published is not None and audit.walk.size == audit.published.size


def _follow(audit: _Audit) -> None:
    starts = _starts(audit)
    if not starts:
        audit.lack(
            Number.START, "the log is not funded yet: its thread starts nowhere, and nothing is anchored", passing=True
        )
        return
    audit.ok(Number.START, f"the thread starts at {_listed(starts)}", THE_LOG)
    candidates, source = candidates_of(audit.anchors.proofs), audit.auditor.source
    rules = network_of(audit.log)
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


def _note_restart(audit: _Audit, line: Line) -> None:
    """A line that another start replaces may end with a stranger's transaction: the recovery key has answered it."""
    if line.end in {End.UNSPENT, End.IN_MEMPOOL, End.NO_ANCHOR}:
        audit.notes.append(f"the thread from {line.start} was given up: its coin {line.coin} is {line.end}")
        return
    audit.lack(Number.LINE, f"the thread from {line.start}: its coin {line.coin} is {line.end}")


def _check_line(audit: _Audit) -> None:
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


# 5 checkpoints, 6 roots


def _check_checkpoints(audit: _Audit) -> None:
    """Each anchor commits to a checkpoint that the log signed: otherwise somebody else anchored on its thread."""
    signed = 0
    for number, line in enumerate(audit.lines):
        for each in line.anchors:
            why = _why_unsigned(audit, each.payload)
            signed += why is None
            if why is None or _is_newer(audit, each):
                continue
            text = (
                f"HIJACKED, OR ANOTHER HISTORY: {each.mined} commits to {each.payload.tree_size} leaves with root "
                f"{each.payload.root.hex()}, which no checkpoint of this log signs: {why}"
            )
            if number < len(audit.lines) - 1:
                audit.lack(
                    Number.CHECKPOINTS,
                    f"{text}. The log went on from a new start, signed by its recovery key; whether "
                    "a thief or the log itself made this anchor, nobody can tell",
                )
            else:
                audit.fail(Number.CHECKPOINTS, Reason.HIJACKED, text)
    audit.ok(
        Number.CHECKPOINTS,
        f"{signed} anchored checkpoints are signed by the key valid at their size",
        "the log's signature",
    )


def _why_unsigned(audit: _Audit, payload: Payload) -> str | None:
    wanted = Checkpoint(audit.log.origin, payload.tree_size, payload.root)
    key = audit.walk.checkpoint_key(payload.tree_size)
    try:
        note = read_note(audit.fetch, f"{ANCHORED}/{payload.tree_size}")
    except AnchorlineError as error:
        return str(error)
    if note is None and audit.published == wanted:
        note = read_note(audit.fetch, CHECKPOINT)
    return check_checkpoint(note, wanted, audit.log.origin, key, audit.auditor.check)


def _is_newer(audit: _Audit, each: OnLine) -> bool:
    """Say whether an anchor is beyond the mirror, which the next step says."""
    return audit.published is None or each.payload.tree_size > audit.published.size


def _check_roots(audit: _Audit) -> None:
    """Each anchored root is the one that the leaves give, and each extends the one before."""
    if audit.published is None:
        return
    tree = PublishedTree(audit.fetch, "", audit.published.size)
    known = [each for each in audit.line if not _is_newer(audit, each)]
    for each in audit.line:
        if _is_newer(audit, each):
            _say_newer(audit, each, audit.published.size)
    for each in known:
        _check_root(audit, each)
    payloads = list(dict.fromkeys((each.payload.tree_size, each.payload.root) for each in known))
    end = (audit.published.size, audit.published.root)
    for old, new in pairwise([*payloads, end]):
        _check_extends(audit, tree, old, new)
    _check_tiles(audit, tree)
    recomputed = sum(each.payload.tree_size <= audit.walk.size for each in known)
    audit.ok(Number.ROOTS, f"{recomputed} anchored roots made again from the leaves; each tree extends the one before")


def _say_newer(audit: _Audit, each: OnLine, published_size: int) -> None:
    text = f"directory: {LeafRange(published_size, each.payload.tree_size)}"
    if audit.is_late(each.mined.median_time_s):
        audit.fail(Number.ROOTS, Reason.WITHHELD, f"{text} were withheld: {each.mined} commits to them")
    else:
        audit.lack(
            Number.ROOTS,
            f"{text}, to which {each.mined} commits, are not published yet; try again when the mirror is up to date",
            passing=True,
        )


def _check_root(audit: _Audit, each: OnLine) -> None:
    size, root = each.payload.tree_size, each.payload.root
    if size > audit.walk.size:
        return  # withheld, and said so
    if audit.walk.root_at(size) is None:
        audit.fail(Number.ROOTS, Reason.SEAL_WRONG, f"{each.mined} commits to {size} leaves, where no seal ends")
    elif audit.walk.root_at(size) != root:
        audit.fail(
            Number.ROOTS,
            Reason.ROOT_WRONG,
            f"ANOTHER HISTORY: {each.mined} commits to {size} leaves with root {root.hex()}; those that are published "
            f"here have root {(audit.walk.root_at(size) or b'').hex()}",
        )


def _check_extends(audit: _Audit, tree: PublishedTree, old: tuple[int, bytes], new: tuple[int, bytes]) -> None:
    if old[0] >= new[0]:
        return  # said in step 4, or the same
    try:
        check_consistency(old[0], new[0], old[1], new[1], tree.consistency_path(old[0], new[0]))
    except WithheldError as error:
        audit.fail(Number.ROOTS, Reason.WITHHELD, f"directory: {error}")
    except VerificationError as error:
        audit.fail(Number.ROOTS, Reason.NOT_CONSISTENT, f"directory: {error}")


def _check_tiles(audit: _Audit, tree: PublishedTree) -> None:
    """The published leaf hashes lead to the published root: whoever reads tiles only sees the same log."""
    frontier, lacking = Frontier(), list[str]()
    for tile_no in range(-(-tree.size // TILE_WIDTH)):
        try:
            flat = tree.tile(0, tile_no)
        except WithheldError as error:
            lacking.append(str(error))
            continue
        for at in range(0, len(flat), 32):
            frontier.add(flat[at : at + 32])
    for text in lacking:
        audit.fail(Number.ROOTS, Reason.WITHHELD, f"directory: {text}")
    if not lacking and audit.published is not None and frontier.root() != audit.published.root:
        audit.fail(Number.ROOTS, Reason.NOT_CONSISTENT, "directory: the published tiles do not give the published root")


# 8 chains, 9 entries


def _check_chains(audit: _Audit) -> ChainsAudited:
    audited = audit_chains(audit.fetch, audit.walk, audit.auditor.check, audit.auditor.chains)
    audit.found += audited.findings
    asked = "" if audit.auditor.chains is None else f" of {len(audit.walk.heads)}, as you asked"
    audit.ok(
        Number.CHAINS,
        f"{audited.heads} heads of {audited.chains} chains{asked}: each is the root of its leaf hashes, and extends "
        "the one that it points to",
    )
    if audited.entries:
        audit.ok(
            Number.ENTRIES, f"{audited.entries} entries of {audited.chains_with_entries} chains are what was sealed"
        )
    else:
        audit.done[Number.ENTRIES] = Step(Number.ENTRIES, State.ABSENT, "no entries are published")
    return audited


# 10 gaps


def _check_gaps(audit: _Audit) -> None:
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


# 11 tip


def _check_tip(audit: _Audit) -> None:
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


def _say_no_anchor(audit: _Audit, line: Line, spender: bytes) -> None:
    """A transaction with a payload in the wrong place is a step 4 matter; any other spend took the thread away."""
    ambiguous = line.why is not None and line.why.reason == ProofReason.PAYLOAD_AMBIGUOUS
    reason = Reason.PAYLOAD_AMBIGUOUS if ambiguous else Reason.PAYLOAD_MISSING
    audit.fail(Number.PAYLOADS, reason, f"{hash_hex(spender)}, which spends the coin {line.coin}: {line.why}")
    text = f"the coin {line.coin} was spent by {hash_hex(spender)}, which is no anchor, and no new start was signed"
    audit.fail(Number.TIP, Reason.TIP_SPENT, f"THE THREAD WAS TAKEN: {text}")


def _check_pending(audit: _Audit, line: Line, spender: bytes) -> None:
    """An unconfirmed spend is the next anchor if the log has published it and it commits to one of its seals."""
    for transaction in audit.anchors.pending:
        if transaction.txid != spender or transaction.inputs[0].previous != line.coin:
            continue
        payload = _payload_of(transaction)
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


# --- facts


def _facts(audit: _Audit, audited: ChainsAudited) -> dict[str, object]:
    return {
        "log_id": audit.log.log_id.hex(),
        "origin": audit.log.origin,
        "directory_size": audit.walk.size,
        "seals": len(audit.walk.seals),
        "anchors": [
            {
                "transaction": hash_hex(each.mined.txid),
                "height": each.mined.block.height,
                "block": hash_hex(each.mined.block.hash),
                "median_time_s": each.mined.median_time_s,
                "tree_size": each.payload.tree_size,
                "root": each.payload.root.hex(),
            }
            for each in audit.line
        ],
        "tip": None if audit.end is None else {"coin": str(audit.end.coin), "state": str(audit.end.end)},
        "sources": list(audit.auditor.sources),
        "chains": len(audit.walk.heads),
        "chains_checked": audited.chains,
        "chains_not_checked": [chain_id.hex() for chain_id in audited.not_checked],
        "chains_with_entries": audited.chains_with_entries,
        "entries": audited.entries,
    }


def _payload_of(transaction: Transaction) -> Payload | None:
    try:
        return find_payload(transaction)
    except VerificationError:
        return None


def _listed(outpoints: Sequence[OutPoint]) -> str:
    return ", ".join(map(str, outpoints)) or "nowhere"

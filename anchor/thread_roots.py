"""Steps 5 and 6 of the thread audit: the checkpoints that the anchors commit to, and the roots of the leaves.

Input is an audit whose line of anchors is followed (``Audit``) and the published tiles. ``anchor.thread_audit`` runs
``check_checkpoints`` and ``check_roots``.
"""

from itertools import pairwise

from anchor.growing import extend
from anchor.log import TILE_WIDTH, Frontier
from anchor.proof.bitcoin.payload import Payload
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.errors import AnchorlineError, VerificationError
from anchor.proof.merkle import check_consistency
from anchor.published import ANCHORED, CHECKPOINT, check_checkpoint, read_note
from anchor.thread_auditor import Audit
from anchor.thread_line import OnLine
from anchor.thread_verdict import Number, Reason
from anchor.tiles import LeafRange, PublishedTree, WithheldError


def check_checkpoints(audit: Audit) -> None:
    """Each anchor commits to a checkpoint that the log signed, or somebody else anchored on its thread (step 5)."""
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


def check_roots(audit: Audit) -> None:
    """Each anchored root is the one that the leaves give, and each extends the one before (step 6)."""
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


def _why_unsigned(audit: Audit, payload: Payload) -> str | None:
    wanted = Checkpoint(audit.log.origin, payload.tree_size, payload.root)
    key = audit.walk.checkpoint_key(payload.tree_size)
    try:
        note = read_note(audit.fetch, f"{ANCHORED}/{payload.tree_size}")
    except AnchorlineError as error:
        return str(error)
    if note is None and audit.published == wanted:
        note = read_note(audit.fetch, CHECKPOINT)
    return check_checkpoint(note, wanted, audit.log.origin, key, audit.auditor.check)


def _is_newer(audit: Audit, each: OnLine) -> bool:
    """Say whether an anchor is beyond the mirror, which the next step says."""
    return audit.published is None or each.payload.tree_size > audit.published.size


def _say_newer(audit: Audit, each: OnLine, published_size: int) -> None:
    text = f"directory: {LeafRange(published_size, each.payload.tree_size)}"
    if audit.is_late(each.mined.median_time_s):
        audit.fail(Number.ROOTS, Reason.WITHHELD, f"{text} were withheld: {each.mined} commits to them")
    else:
        audit.lack(
            Number.ROOTS,
            f"{text}, to which {each.mined} commits, are not published yet; try again when the mirror is up to date",
            passing=True,
        )


def _check_root(audit: Audit, each: OnLine) -> None:
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


def _check_extends(audit: Audit, tree: PublishedTree, old: tuple[int, bytes], new: tuple[int, bytes]) -> None:
    if old[0] >= new[0]:
        return  # said in step 4, or the same
    try:
        check_consistency(old[0], new[0], old[1], new[1], tree.consistency_path(old[0], new[0]))
    except WithheldError as error:
        audit.fail(Number.ROOTS, Reason.WITHHELD, f"directory: {error}")
    except VerificationError as error:
        audit.fail(Number.ROOTS, Reason.NOT_CONSISTENT, f"directory: {error}")


def _check_tiles(audit: Audit, tree: PublishedTree) -> None:
    """The published leaf hashes lead to the published root: whoever reads tiles only sees the same log."""
    frontier, lacking = Frontier(), list[str]()
    for tile_no in range(-(-tree.size // TILE_WIDTH)):
        try:
            flat = tree.tile(0, tile_no)
        except WithheldError as error:
            lacking.append(str(error))
            continue
        extend(frontier, flat)
    for text in lacking:
        audit.fail(Number.ROOTS, Reason.WITHHELD, f"directory: {text}")
    if not lacking and audit.published is not None and frontier.root() != audit.published.root:
        audit.fail(Number.ROOTS, Reason.NOT_CONSISTENT, "directory: the published tiles do not give the published root")

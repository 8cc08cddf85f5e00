"""The thread audit: one log's published data and the anchors that Bitcoin shows, held against each other.

Input is a mirror (``Fetch``), a Bitcoin source or none, and the auditor's card and limits (``Auditor``). The verdict
answers "did you ever show someone else another history?" in twelve steps (docs/spec/thread.md), of
which ``thread_start`` has 2 to 4, ``thread_roots`` 5 and 6, ``thread_tip`` 10 and 11, and this file the rest.
"""

from anchor.chain_audit import ChainsAudited, audit_chains
from anchor.directory_rules import DirectoryWalk
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.receipt import LogCard
from anchor.proof.verifier import network_of
from anchor.proof.verify import State
from anchor.published import CHECKPOINT, check_checkpoint, directory_leaves, read_anchors, read_card, read_note
from anchor.published_authors import PublishedAuthors
from anchor.thread_auditor import Audit, Auditor
from anchor.thread_roots import check_checkpoints, check_roots
from anchor.thread_seen import check_seen
from anchor.thread_start import check_line, follow_thread
from anchor.thread_tip import check_times, check_tip
from anchor.thread_verdict import Number, Reason, Step, Verdict, conclude
from anchor.tiles import Fetch, LeafRange, PublishedTree


def audit_thread(fetch: Fetch, auditor: Auditor) -> Verdict:
    """Judge a published log. Raises MalformedError for a folder that is no mirror, SourceError for a silent source."""
    card = read_card(fetch)
    anchors, findings = read_anchors(fetch, card.log.log_id, network_of(card.log, auditor.networks))
    walk = DirectoryWalk(card.log, auditor.check)
    audit = Audit(fetch, auditor, card.log, walk, anchors, found=findings)
    _check_log(audit, card)
    _read_directory(audit)
    check_seen(audit)
    follow_thread(audit)
    check_line(audit)
    check_checkpoints(audit)
    check_roots(audit)
    audited = _check_chains(audit)
    check_times(audit)
    check_tip(audit)
    return conclude(audit.found, audit.done, audit.notes, _facts(audit, audited))


# 1 log


def _check_log(audit: Audit, published: LogCard) -> None:
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


def _read_directory(audit: Audit) -> None:
    note = read_note(audit.fetch, CHECKPOINT)
    if note is None:
        audit.lack(Number.CHECKPOINTS, "no checkpoint of the directory is published")
        return
    published = audit.published = Checkpoint.decode(note.text)
    audit.note = note.encode()
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


# 8 chains, 9 entries, 12 authors


def _check_chains(audit: Audit) -> ChainsAudited:
    rules = network_of(audit.log, audit.auditor.networks)
    authors = PublishedAuthors(audit, "" if rules is None else rules.name)
    brought = (audit.fetch, audit.walk, audit.auditor.check, audit.auditor.chains)
    audited = audit_chains(*brought, authors.look_at)
    audit.found += audited.findings
    authors.end()
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


# facts


def _facts(audit: Audit, audited: ChainsAudited) -> dict[str, object]:
    return {
        "log_id": audit.log.log_id.hex(),
        "origin": audit.log.origin,
        "directory_size": audit.walk.size,
        "checkpoint": audit.note,
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

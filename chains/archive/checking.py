"""The whole check of an export: what is cut into ranges and handed out, and what their findings come to.

Input are the files and what the verifier brings; ``chains.commands.verifying`` prints the ``ArchiveVerdict``. The
directory and the anchors are checked here, everything that grows with the entries in ``chains.archive.pool``.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain as joined
from pathlib import Path

from anchor.proof.archive_anchors import anchors_of_seals, check_anchors
from anchor.proof.archive_directory import ArchivedDirectory, read_directory
from anchor.proof.archive_files import CARD, Fault, needed
from anchor.proof.archive_identities import history_in
from anchor.proof.archive_lines import promise_keys
from anchor.proof.archive_part import PART
from anchor.proof.archive_policies import PoliciesAudit
from anchor.proof.author_audit import AuthorsAudit
from anchor.proof.blocks import KnownBlocks
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.codec import HASH_SIZE
from anchor.proof.frontier import Frontier, root_over
from anchor.proof.identity_history import History
from anchor.proof.leaves import HeadLeaf
from anchor.proof.receipt import LogCard
from anchor.proof.verifier import network_of
from anchor.proof.waits import AnchoredAt
from anchor.signing import check_signature
from chains.archive.certificates import judge_certificates
from chains.archive.files import ExportFiles
from chains.archive.found import ContentOrder, Found, RangeRoots
from chains.archive.part import verify_part
from chains.archive.pool import run_ranges
from chains.archive.ranges import (
    RANGE_HEIGHT,
    Bench,
    Range,
    content_ranges,
    entry_ranges,
    envelope_ranges,
    promise_ranges,
    sum_ranges,
)
from chains.archive.sums import SUMS, read_sums
from chains.archive.timestamps import judge_time_stamps
from chains.archive.verdict import ArchiveVerdict, ArchiveVerifier, conclude


def read_log(files: ExportFiles) -> LogCard:
    """Return the card in an export: its own word on whose log it is. Raises one of ``FAULTS`` where there is none."""
    return LogCard.decode(needed(files, CARD))


def verify_export(files: ExportFiles, verifier: ArchiveVerifier, faults: Sequence[str] = ()) -> ArchiveVerdict:
    """Check everything that an export holds; ``faults`` were found before, by whoever opened it.

    Raises what the verifier's own blocks raise, OSError where the files cannot be read any longer, and one of
    ``FAULTS`` where there is no card: then nothing can be said of anything.
    """
    card, found = read_log(files), Found(faults=list(faults))
    fault = found.faults.append
    rules = network_of(card.log, verifier.networks)
    if PART in files.places:
        return verify_part(files, card, rules, verifier, faults)
    views = [view for view in verifier.blocks if rules is not None and view.network == rules.name]
    sums = read_sums(files, found)
    directory = read_directory(files, card, check_signature, fault)
    _drop_made_up(files, directory, fault)
    with tempfile.TemporaryDirectory() as folder:
        bench = _bench(files, card, directory, Path(folder), sums)
        _check_chains(bench, directory, verifier, found)
    history = history_in(files, directory, card.log, check_signature)
    anchors = check_anchors(files, directory, card.log, views, fault)
    _judge_authors(files, directory, history, found, (views, anchors_of_seals(directory, anchors)))
    judge_certificates(files, directory, history, found, verifier.check_certificate)
    judge_time_stamps(files, directory, found, verifier.check_timestamp)
    return conclude(card, rules, directory, found, anchors, verifier)


def _bench(
    files: ExportFiles, card: LogCard, directory: ArchivedDirectory, folder: Path, sums: Mapping[str, str]
) -> Bench:
    places, before = dict[bytes, tuple[int, int]](), 0
    for chain_id, heads in directory.heads.items():
        places[chain_id] = (before, heads[-1].tree_size)
        before += heads[-1].tree_size
    columns = folder / "hashes", folder / "commitments"
    for column in columns:
        with column.open("wb") as file:
            file.truncate(max(before * HASH_SIZE, 1))
    keys = promise_keys(card.log, [leaf for _, leaf in directory.keys])
    return Bench(files, *columns, card.log.log_id, keys, places, sums)


def _drop_made_up(files: ExportFiles, directory: ArchivedDirectory, fault: Fault) -> None:
    """Take out heads of more entries than the files of their chains could have: nobody looks for these one by one."""
    counts = Counter(name.split("/")[2] for name in files.places if name.startswith("mirror/chain/"))
    for chain_id, heads in list(directory.heads.items()):
        most = counts[chain_id.hex()] * TILE_WIDTH
        kept = [head for head in heads if head.tree_size <= most]
        for head in heads:
            if head.tree_size > most:
                fault(f"chain {chain_id.hex()}: a head of {head.tree_size} entries, and files of {most} at most")
        directory.heads[chain_id] = kept
        if not kept:
            del directory.heads[chain_id]


def _check_chains(bench: Bench, directory: ArchivedDirectory, verifier: ArchiveVerifier, found: Found) -> None:
    """Check the entries, and then, where all hashes and commitments are there, contents and promises; and sums."""
    files = bench.files
    names = (name for name in files.places if name != SUMS)
    first = list[Range](entry_ranges(directory.heads))
    second = list[Range](
        joined(
            content_ranges(files, directory.heads),
            envelope_ranges(files, directory.heads),
            sum_ranges(files, names),
            promise_ranges(files),
        )
    )
    heads = _Heads(directory.heads, found.faults.append)
    orders = dict[tuple[bytes, str], ContentOrder]()
    for part in run_ranges(bench, (first, second), verifier.jobs, verifier.progress):
        found.add(part)
        for roots in part.roots:
            heads.add(roots)
        for order in part.order:
            _check_order(orders, order, found.faults.append)


def _judge_authors(
    files: ExportFiles,
    directory: ArchivedDirectory,
    history: Callable[[bytes], History],
    found: Found,
    blocks: tuple[Sequence[KnownBlocks], AnchoredAt],
) -> None:
    """Judge every entry that names an identity, and every statement of one, by the seals that hold them.

    ``blocks`` is what is known of the best chain, and which of the log's anchors are in it.
    """
    audit = AuthorsAudit(history, found.faults.append, found.remarks.append, *blocks)
    for identity in found.identities:
        audit.judge_statements(identity, f"chain {identity.hex()}")
        audit.judge_waits(identity, f"chain {identity.hex()}")
    for each in found.authors:
        place = directory.place_of(each.chain_id, each.first_index)
        where = f"chain {each.chain_id.hex()}, entry {each.first_index}"
        if place is not None:  # or its seal is missing, which is a fault of its own
            audit.judge(where, each.named, place, each.count)
    found.named_entries = audit.named
    _judge_policies(PoliciesAudit(files, directory, history, found.faults.append, found.remarks.append), found)


def _judge_policies(audit: PoliciesAudit, found: Found) -> None:
    """Hold every entry of the chains under a policy to it, one after the other, and every head to what it names."""
    stating = defaultdict[bytes, list[int]](list)
    for chain_id, index in found.stating:
        stating[chain_id].append(index)
    for chain_id in audit.directory.heads:
        audit.judge(chain_id, stating[chain_id])


def _check_order(orders: dict[tuple[bytes, str], ContentOrder], order: ContentOrder, fault: Fault) -> None:
    before = orders.get((order.chain_id, order.what))
    if before is not None and before.last >= order.first:
        fault(
            f"chain {order.chain_id.hex()}, entry {order.first}: its {order.what} is behind that of entry "
            f"{before.last}: not in order"
        )
    orders[order.chain_id, order.what] = order


class _Heads:
    """The roots of chains at each of their heads, put together from ranges that come in order."""

    def __init__(self, heads: Mapping[bytes, Sequence[HeadLeaf]], fault: Fault) -> None:
        self._heads = heads
        self._fault = fault
        self._chain_id = b""
        self._frontier = Frontier()
        self._is_whole = True
        self._wrong: list[int] = []
        self._wanted: dict[int, bytes] = {}
        self._size = 0

    def add(self, roots: RangeRoots) -> None:
        """Compare the heads that end in this range; the last range of a chain says what was found."""
        if roots.chain_id != self._chain_id:
            self._chain_id, self._frontier, self._is_whole, self._wrong = roots.chain_id, Frontier(), True, []
            self._wanted = {head.tree_size: head.root for head in self._heads[roots.chain_id]}
            self._size = max(self._wanted)
        self._compare(roots)
        self._is_whole = self._is_whole and roots.is_whole
        if roots.end == self._size:
            self._say()
        elif self._is_whole:
            [root] = roots.peaks  # every range but the last one is a full subtree
            self._frontier.add_subtree(root, RANGE_HEIGHT)

    def _compare(self, roots: RangeRoots) -> None:
        if not self._is_whole:
            return
        for size, peaks in roots.at_heads.items():
            if root_over([*self._frontier.peaks, *peaks]) != self._wanted[size]:
                self._wrong.append(size)

    def _say(self) -> None:
        where = f"chain {self._chain_id.hex()}"
        if self._wrong:
            more = f", and {len(self._wrong) - 1} later heads too" if len(self._wrong) > 1 else ""
            self._fault(f"{where}: the head of {self._wrong[0]} entries has another root{more}")
        if not self._is_whole:
            self._fault(f"{where}: heads behind the entries that are missing cannot be compared")

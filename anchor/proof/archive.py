# SPDX-License-Identifier: Apache-2.0
"""The check of an export: a whole log, recomputed from its entries up to the blocks that the verifier gives.

Input is an ``Archive``, which gives files by their paths (docs/spec/export.md), and is believed in nothing. The script
``verify.py`` in every export calls ``check_archive``; nothing else of Anchorline is needed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from anchor.proof import ed25519
from anchor.proof.archive_anchors import CheckedAnchor, anchors_of_seals, check_anchors
from anchor.proof.archive_directory import ArchivedDirectory, read_directory
from anchor.proof.archive_envelopes import Beside
from anchor.proof.archive_files import CARD, PROMISES, Archive, ArchiveError, chain_prefix, leaves_of, needed, refuse
from anchor.proof.archive_identities import history_in
from anchor.proof.archive_lines import GroupCommit, Kept, not_as_promised, promise_keys
from anchor.proof.archive_part import PART, check_part
from anchor.proof.archive_policies import PoliciesAudit
from anchor.proof.author_audit import AuthorsAudit, named_author
from anchor.proof.blocks import KnownBlocks
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import Entry, chain_id_of, check_author
from anchor.proof.frontier import Frontier
from anchor.proof.identity import begins_identity
from anchor.proof.leaves import KeyLeaf, LogLeaf
from anchor.proof.merkle import leaf_hash, root_of
from anchor.proof.policy import stated_in
from anchor.proof.promise import PromiseLeaf
from anchor.proof.receipt import LogCard
from anchor.proof.verifier import Verifier, network_of


@dataclass
class Checked:
    """What was checked, and what there is of it."""

    log: LogLeaf
    network: str
    entries: int = 0
    signed_entries: int = 0
    named_entries: int = 0
    """Entries that name their author's identity; those whose key was not valid then are ``remarks``."""
    certificates: int = 0
    """Certificates that identities bound; nobody read them, since that needs more than the standard library."""
    contents: int = 0
    digests: int = 0
    envelopes: int = 0
    """Encrypted contents that are those which their entries name; nobody opened them."""
    checkpoints: int = 0
    promised: int = 0
    chains: dict[bytes, bytes] = field(default_factory=dict)
    """Flat leaf hashes of each chain, by chain id; of a part none."""
    remarks: list[str] = field(default_factory=list)
    anchors: list[CheckedAnchor] = field(default_factory=list)

    @property
    def proved(self) -> CheckedAnchor | None:
        """The widest anchor whose block the verifier gave."""
        given = [anchor for anchor in self.anchors if anchor.believed]
        return max(given, key=lambda anchor: anchor.tree_size, default=None)


def check_archive(
    archive: Archive,
    blocks: Sequence[KnownBlocks] = (),
    check: ed25519.SignatureCheck = ed25519.verify,
    progress: Callable[[str], None] = lambda _what: None,
) -> Checked:
    """Check everything that an export holds; return how much that is.

    Raises ArchiveError, VerificationError or MalformedError at the first that does not hold. Blocks that nobody gave
    leave an anchor without ``believed``; a given block of another hash at an anchor's height raises.
    """
    card = LogCard.decode(needed(archive, CARD))
    rules = network_of(card.log)
    checked = Checked(card.log, "an unknown network" if rules is None else rules.name)
    if archive.read(PART) is not None:
        return _part(archive, checked, blocks, check, progress)
    progress("directory")
    directory = read_directory(archive, card, check)
    checked.checkpoints = directory.checkpoints
    views = [view for view in blocks if view.network == checked.network]
    history = history_in(archive, directory, card.log, check)
    authors = AuthorsAudit(history, refuse, checked.remarks.append, views)
    policies = PoliciesAudit(archive, directory, history, refuse, checked.remarks.append)
    for chain_id in directory.heads:
        progress(f"chain {chain_id.hex()}")
        stating: list[int] = []
        checked.chains[chain_id] = _chain(archive, chain_id, directory, check, checked, authors, stating)
        policies.judge(chain_id, stating)
    checked.named_entries, checked.certificates = authors.named, authors.certificates
    progress("promises")
    _promises(archive, card.log, [leaf for _, leaf in directory.keys], check, checked)
    progress("anchors")
    checked.anchors += check_anchors(archive, directory, card.log, views)
    authors.anchored = anchors_of_seals(directory, checked.anchors)
    for identity in authors.identities:
        authors.judge_waits(identity, f"chain {identity.hex()}")
    return checked


def _part(
    archive: Archive,
    checked: Checked,
    blocks: Sequence[KnownBlocks],
    check: ed25519.SignatureCheck,
    progress: Callable[[str], None],
) -> Checked:
    """Check some chains of a log, which are in it by their receipts."""
    views = tuple(view for view in blocks if view.network == checked.network)
    found = check_part(archive, Verifier(blocks=views, check_signature=check), progress)
    checked.chains |= dict.fromkeys(found.last, b"")
    checked.entries, checked.signed_entries = found.entries, found.signed_entries
    checked.named_entries, checked.certificates = found.named_entries, len(found.certificates)
    checked.remarks += found.remarks
    checked.contents, checked.digests, checked.promised = found.contents, found.digests, found.promised
    checked.envelopes = found.envelopes
    checked.checkpoints = 1
    checked.anchors += found.anchors
    return checked


# --- chains


def _chain(
    archive: Archive,
    chain_id: bytes,
    directory: ArchivedDirectory,
    check: ed25519.SignatureCheck,
    checked: Checked,
    authors: AuthorsAudit,
    stating: list[int],
) -> bytes:
    """Recompute every head of a chain from its entries; return the flat leaf hashes.

    ``stating`` is told which of them state a policy.
    """
    heads = directory.heads[chain_id]
    wanted = {head.tree_size: head.root for head in heads}
    frontier, hashes = Frontier(), bytearray()
    contents = _contents(archive, f"content/{chain_id.hex()}.jsonl")
    waiting, envelopes = next(contents, None), Beside(archive, chain_id)
    for index, raw in enumerate(leaves_of(archive, chain_prefix(chain_id), heads[-1].tree_size)):
        if raw is None:
            raise ArchiveError(f"chain {chain_id.hex()}: entry {index} is missing")
        where = f"chain {chain_id.hex()}, entry {index}"
        entry = Entry.decode(raw)
        if entry.chain_id != chain_id or (index == 0 and chain_id_of(entry.external_ids) != chain_id):
            raise ArchiveError(f"{where}: an entry of another chain")
        checked.signed_entries += check_author(entry, check)
        _judge_author(where, entry, index, directory, authors)
        if stated_in(entry) is not None:
            stating.append(index)
        if waiting is not None and waiting.index == index:
            waiting.check(where, entry.content_commitment)
            checked.contents += waiting.content is not None
            checked.digests += waiting.content is None
            waiting = next(contents, None)
        envelopes.pass_by(where, index, raw)
        hashed = leaf_hash(raw)
        hashes += hashed
        frontier.add(hashed)
        if index + 1 in wanted and wanted[index + 1] != frontier.root():
            raise ArchiveError(f"{where}: the head of {index + 1} entries has another root")
    if waiting is not None:
        raise ArchiveError(
            f"chain {chain_id.hex()}: content of entry {waiting.index}, which is not there or not in order"
        )
    envelopes.end(f"chain {chain_id.hex()}")
    checked.envelopes += envelopes.count
    checked.entries += frontier.size
    return bytes(hashes)


def _judge_author(where: str, entry: Entry, index: int, directory: ArchivedDirectory, authors: AuthorsAudit) -> None:
    if index == 0 and begins_identity(entry.external_ids):
        authors.judge_statements(entry.chain_id, where.rpartition(",")[0])
    named, place = named_author(entry), directory.place_of(entry.chain_id, index)
    if named is not None and place is not None:
        authors.judge(where, named, place)


def _contents(archive: Archive, path: str) -> Iterator[Kept]:
    return (Kept.decode(line, path) for line in archive.lines(path))


# --- promises


def _promises(
    archive: Archive, log: LogLeaf, keys: list[KeyLeaf], check: ed25519.SignatureCheck, checked: Checked
) -> None:
    """Each group commit was signed by a promise key of the log, over what stands at the promised places."""
    given = promise_keys(log, keys)
    for number, line in enumerate(archive.lines(PROMISES)):
        commit, where = GroupCommit.decode(line), f"promise {number}"
        leaves = commit.decoded_leaves()
        commit.check_signature(where, log.log_id, given, check)
        commit.check_root(where, root_of([leaf_hash(leaf) for leaf in leaves]))
        for leaf in leaves:
            _promised(where, PromiseLeaf.decode(leaf), checked)


def _promised(where: str, leaf: PromiseLeaf, checked: Checked) -> None:
    hashes = checked.chains.get(leaf.chain_id, b"")
    at = leaf.leaf_index * HASH_SIZE
    if hashes[at : at + HASH_SIZE] != leaf.entry_hash:
        raise ArchiveError(f"{where}: {not_as_promised(leaf.chain_id, leaf.leaf_index)}")
    checked.promised += 1

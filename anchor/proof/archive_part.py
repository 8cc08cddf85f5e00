# SPDX-License-Identifier: Apache-2.0
"""The check of a part of a log: some of its chains, each recomputed whole, and in the log by its entries' receipts.

Input is an ``Archive`` that ``anchorline export --chain`` wrote (docs/spec/export.md), believed in nothing.
``check_archive`` calls it where it finds a part, ``chains.continuing`` before it takes a chain over.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from anchor.proof.archive_anchors import CheckedAnchor
from anchor.proof.archive_envelopes import Beside
from anchor.proof.archive_files import CARD, MAX_LINE, Archive, ArchiveError, needed
from anchor.proof.archive_lines import Kept
from anchor.proof.archive_receipts import ReceiptsAudit, sealed_of
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.blocks import KnownBlocks
from anchor.proof.checkpoint import from_base64
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import MAX_ENTRY, SALT_SIZE, Entry, chain_id_of, check_author
from anchor.proof.errors import Reason
from anchor.proof.frontier import Frontier
from anchor.proof.heads import MAX_SIBLINGS, HeadsProof, check_newest
from anchor.proof.leaves import HeadLeaf, SealLeaf
from anchor.proof.merkle import check_inclusion, leaf_hash
from anchor.proof.receipt import (
    DirectoryProof,
    LogCard,
    Receipt,
    Sealed,
    proof_from_json,
    proof_to_json,
)
from anchor.proof.strictjson import Fields, dumps, loads
from anchor.proof.verifier import Verifier, asked

PART = "part.json"
FORMAT = "anchorline-part/1"
MAX_PART = 2**20
MAX_CHAINS = 10_000
_CHECKED_SIGNATURES = 4_096
"""Remembered, since the receipts of a part share their checkpoint."""
_CHECKED_BESIDE = 256
"""Of time stamps and certificates there are a few in a part."""


def entries_path(chain_id: bytes) -> str:
    """Return where a part has the entries of a chain."""
    return f"entries/{chain_id.hex()}.jsonl"


def receipts_path(chain_id: bytes) -> str:
    """Return where a part has the receipts of a chain's entries."""
    return f"receipts/{chain_id.hex()}.jsonl"


def newest_path(chain_id: bytes) -> str:
    """Return where a part shows that the head of a chain is the newest under its checkpoint."""
    return f"newest/{chain_id.hex()}.json"


@dataclass(frozen=True, slots=True)
class NewestHead:
    """The last seal under a checkpoint, and the way from a head to its ``heads_root``: no newer one was left out."""

    seal: DirectoryProof[SealLeaf]
    siblings: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the file ``newest/<chain id>.json``."""
        siblings = [sibling.hex() for sibling in self.siblings]
        return dumps({"seal": proof_to_json(self.seal), "siblings": siblings}).encode("ascii")

    @classmethod
    def decode(cls, data: bytes, where: str) -> "NewestHead":
        """Read the file; raises MalformedError."""
        fields = Fields(loads(data, where, MAX_PART), where)
        found = cls(
            proof_from_json(SealLeaf, fields.take("seal"), f"{where}.seal"), fields.hashes("siblings", MAX_SIBLINGS)
        )
        fields.end()
        return found

    def check(self, where: str, head: HeadLeaf, sealed: Sealed) -> None:
        """Raise ArchiveError or VerificationError unless ``head`` is its chain's newest under the checkpoint."""
        size, root = sealed.checkpoint.size, sealed.checkpoint.root
        if self.seal.index != size - 1:
            raise ArchiveError(f"{where}: expected the last leaf under the checkpoint of {size}, got {self.seal.index}")
        check_inclusion(
            *(leaf_hash(self.seal.leaf.encode()), self.seal.index, size, self.seal.path, root),
            Reason.DIRECTORY_PATH_WRONG,
        )
        check_newest(HeadsProof(head.encode(), self.siblings), head.chain_id, self.seal.leaf.heads_root)


@dataclass(frozen=True, slots=True)
class PartEntry:
    """A line of ``entries/<chain id>.jsonl``: an entry, and what is kept beside it, if anything is."""

    raw: bytes
    kept: Kept | None

    @classmethod
    def decode(cls, line: bytes, where: str) -> "PartEntry":
        """Read a line; raises MalformedError."""
        fields = Fields(loads(line, where, MAX_LINE), where)
        index, raw = fields.integer("index"), fields.hex("entry", maximum=MAX_ENTRY)
        if "salt" not in fields:
            fields.end()
            return cls(raw, None)
        salt, digest = fields.hex("salt", exact=SALT_SIZE), fields.hex("digest", exact=HASH_SIZE)
        content = from_base64(fields.text("content"), where) if "content" in fields else None
        fields.end()
        return cls(raw, Kept(index, salt, digest, content))


@dataclass
class CheckedPart:
    """What a part holds of a log: of each chain its size and the receipt of its last entry; and counts."""

    card: LogCard
    last: dict[bytes, Receipt] = field(default_factory=dict)
    entries: int = 0
    signed_entries: int = 0
    contents: int = 0
    digests: int = 0
    envelopes: int = 0
    promised: int = 0
    named_entries: int = 0
    anchors: list[CheckedAnchor] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Entries that stand as they were recorded and count for nothing by their seal, as ``ReceiptsAudit`` has it."""
    certificates: list[dict[str, Any]] = field(default_factory=list)
    """Those that authors bound, and ``time_stamps`` of the checkpoint: as the facts of a verdict have them."""
    time_stamps: list[dict[str, Any]] = field(default_factory=list)


def chains_of(archive: Archive) -> list[bytes]:
    """Return the ids of the chains that a part holds; raise MalformedError for another form."""
    fields = Fields(loads(needed(archive, PART), PART, MAX_PART), PART)
    fields.format(FORMAT)
    listed = fields.array("chains", MAX_CHAINS)
    fields.end()
    found = [Fields({"chain": item}, PART).hex("chain", exact=HASH_SIZE) for item in listed]
    if not found or found != sorted(set(found)):
        raise ArchiveError(f"{PART}: expected the ids of chains in ascending order, none twice")
    return found


def entries_of(archive: Archive, chain_id: bytes) -> Iterator[PartEntry]:
    """Yield the entries of a chain, in order."""
    path = entries_path(chain_id)
    return (PartEntry.decode(line, path) for line in archive.lines(path))


def check_part(
    archive: Archive, verifier: Verifier, progress: Callable[[str], None] = lambda _what: None
) -> CheckedPart:
    """Check everything that a part holds, by what a verifier brings; return how much that is.

    The entries of each chain, from the first on, give the root of the head in the receipt of its last one, which is the
    newest head of the chain under the checkpoint; each receipt
    is of the entry at its place and verifies, as far as it can with these blocks; all are under one checkpoint. Whose
    log it is, the caller compares: here the part's own card stands for the verifier's.
    Raises ArchiveError, VerificationError or MalformedError at the first that does not hold.
    """
    card = LogCard.decode(needed(archive, CARD))
    found = CheckedPart(card)
    receipts = ReceiptsAudit(_remembering(replace(verifier, card=card)), found.remarks)
    for chain_id in chains_of(archive):
        progress(f"chain {chain_id.hex()}")
        found.last[chain_id] = _check_chain(archive, chain_id, receipts, found)
    found.named_entries, found.time_stamps = receipts.named, receipts.time_stamps
    found.certificates += receipts.certificates.values()
    checkpoints = {sealed_of(receipt).checkpoint.root for receipt in found.last.values()}
    if len(checkpoints) > 1:
        raise ArchiveError(f"{PART}: the chains are under {len(checkpoints)} checkpoints, expected one")
    found.anchors += _anchors(next(iter(found.last.values())), found.entries, verifier.blocks)
    return found


def _remembering(verifier: Verifier) -> Verifier:
    """Return a verifier that checks each signature, time stamp and certificate once, since receipts share them."""
    stamps, certificates = verifier.check_timestamp, verifier.check_certificate
    return replace(
        verifier,
        check_signature=lru_cache(_CHECKED_SIGNATURES)(verifier.check_signature),
        check_timestamp=None if stamps is None else lru_cache(_CHECKED_BESIDE)(stamps),
        check_certificate=None if certificates is None else lru_cache(_CHECKED_BESIDE)(certificates),
    )


def _check_chain(archive: Archive, chain_id: bytes, audit: ReceiptsAudit, found: CheckedPart) -> Receipt:
    frontier, last, envelopes = Frontier(), None, Beside(archive, chain_id)
    receipts = archive.lines(receipts_path(chain_id))
    for index, item in enumerate(entries_of(archive, chain_id)):
        where = f"chain {chain_id.hex()}, entry {index}"
        entry = Entry.decode(item.raw)
        if entry.chain_id != chain_id or (index == 0 and chain_id_of(entry.external_ids) != chain_id):
            raise ArchiveError(f"{where}: an entry of another chain")
        found.signed_entries += check_author(entry, audit.verifier.check_signature)
        _check_kept(where, index, item.kept, entry.content_commitment, found)
        envelopes.pass_by(where, index, item.raw)
        frontier.add(leaf_hash(item.raw))
        last = audit.judge(where, index, next(receipts, None), item.raw)
        found.promised += last.promise is not None
    if last is None or next(receipts, None) is not None:
        raise ArchiveError(f"chain {chain_id.hex()}: expected at least one entry, and a receipt for each")
    envelopes.end(f"chain {chain_id.hex()}")
    found.envelopes += envelopes.count
    head = sealed_of(last).head.leaf
    if (head.tree_size, head.root) != (frontier.size, frontier.root()):
        raise ArchiveError(f"chain {chain_id.hex()}: its entries do not give the head of the last one's receipt")
    where = newest_path(chain_id)
    NewestHead.decode(needed(archive, where), where).check(where, head, sealed_of(last))
    found.entries += frontier.size
    return last


def _check_kept(where: str, index: int, kept: Kept | None, commitment: bytes, found: CheckedPart) -> None:
    if kept is None:
        return
    if kept.index != index:
        raise ArchiveError(f"{where}: the line says entry {kept.index}: not in order")
    kept.check(where, commitment)
    found.contents += kept.content is not None
    found.digests += kept.content is None


def _anchors(receipt: Receipt, entries: int, blocks: Sequence[KnownBlocks]) -> Iterator[CheckedAnchor]:
    """Yield the anchors of the checkpoint that all receipts of a part share."""
    sealed = sealed_of(receipt)
    for anchor in sealed.anchors:
        if isinstance(anchor, BitcoinAnchor):
            known, believed = asked(list(blocks), anchor.height)
            block = anchor.decoded_header.hash
            yield CheckedAnchor(anchor.height, block, sealed.checkpoint.size, entries, believed, known)

# SPDX-License-Identifier: Apache-2.0
"""The check of an export: a whole log, recomputed from its entries up to the blocks that the verifier gives.

Input is an ``Archive``, which gives files by their paths (docs/spec/export.md), and is believed in nothing. The script
``verify.py`` in every export calls ``check_archive``; nothing else of Anchorline is needed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from anchor.proof import ed25519
from anchor.proof.bitcoin.anchor import BitcoinAnchor, check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.blocks import KnownBlocks
from anchor.proof.bundles import TILE_WIDTH, decode_bundle, tile_path
from anchor.proof.checkpoint import Checkpoint, Note, from_base64, is_signed_by
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import Entry, chain_id_of, check_author, content_commitment
from anchor.proof.errors import AnchorlineError
from anchor.proof.frontier import Frontier
from anchor.proof.leaves import HeadLeaf, KeyLeaf, LogLeaf, Purpose, SealLeaf, ThreadLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash, root_of
from anchor.proof.promise import PromiseLeaf, PromiseNote, signed_message
from anchor.proof.receipt import LogCard
from anchor.proof.steps_log import key_history
from anchor.proof.strictjson import Fields, loads
from anchor.proof.thread_proofs import decode_proofs, proofs_path
from anchor.proof.verifier import network_of

CARD = "mirror/log-card.json"
CHECKPOINTS = "checkpoints.jsonl"
PROMISES = "promises.jsonl"
# A line holds one content in base64, and a promise one group commit.
MAX_LINE = 64 * 2**20


class ArchiveError(AnchorlineError):
    """Something in an export does not hold, or is missing; the message says where."""


class Archive(Protocol):
    """The files of an export, by their paths below its folder."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file; none where there is no such file."""


@dataclass(frozen=True, slots=True)
class CheckedAnchor:
    """An anchor that holds, in the block that it names; ``believed`` says who gave that block, empty: nobody."""

    height: int
    block_hash: bytes
    tree_size: int
    entries: int
    believed: str


@dataclass
class Checked:
    """What was checked, and what there is of it."""

    log: LogLeaf
    network: str
    entries: int = 0
    signed_entries: int = 0
    contents: int = 0
    digests: int = 0
    checkpoints: int = 0
    promised: int = 0
    chains: dict[bytes, bytes] = field(default_factory=dict)
    """Flat leaf hashes of each chain, by chain id."""
    anchors: list[CheckedAnchor] = field(default_factory=list)

    @property
    def proved(self) -> CheckedAnchor | None:
        """The widest anchor whose block the verifier gave."""
        given = [anchor for anchor in self.anchors if anchor.believed]
        return max(given, key=lambda anchor: anchor.tree_size, default=None)


@dataclass
class _Directory:
    """What the leaves of the directory say; ``keys`` by their places.

    ``roots`` and ``entries`` are the root, and the number of entries in all chains, at the end of each seal.
    """

    roots: dict[int, bytes] = field(default_factory=dict)
    entries: dict[int, int] = field(default_factory=dict)
    heads: dict[bytes, list[HeadLeaf]] = field(default_factory=dict)
    keys: list[tuple[int, KeyLeaf]] = field(default_factory=list)
    threads: list[ThreadLeaf] = field(default_factory=list)


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
    card = LogCard.decode(_needed(archive, CARD))
    rules = network_of(card.log)
    checked = Checked(card.log, "an unknown network" if rules is None else rules.name)
    progress("directory")
    directory = _directory(archive, card, check, checked)
    for chain_id, heads in directory.heads.items():
        progress(f"chain {chain_id.hex()}")
        checked.chains[chain_id] = _chain(archive, chain_id, heads, check, checked)
    progress("promises")
    _promises(archive, card.log, [leaf for _, leaf in directory.keys], check, checked)
    progress("anchors")
    _anchors(archive, directory, [view for view in blocks if view.network == checked.network], checked)
    return checked


# --- the directory


def _directory(archive: Archive, card: LogCard, check: ed25519.SignatureCheck, checked: Checked) -> _Directory:
    """Read the leaves up to the newest checkpoint, and compare every checkpoint with them."""
    notes = dict(_notes(archive, card.log.origin))
    if not notes:
        raise ArchiveError(f"{CHECKPOINTS}: expected at least one checkpoint, found none")
    sizes = sorted(notes)
    found, frontier, entries = _Directory(), Frontier(), 0
    for index, raw in enumerate(_leaves(archive, "mirror/", sizes[-1])):
        frontier.add(leaf_hash(raw))
        leaf = decode_leaf(raw)
        if (index == 0) != isinstance(leaf, LogLeaf) or (index == 0 and leaf != card.log):
            raise ArchiveError(f"directory leaf {index}: leaf 0, and no other, must be the log of the card")
        if isinstance(leaf, HeadLeaf):
            heads = found.heads.setdefault(leaf.chain_id, [])
            before = heads[-1].tree_size if heads else 0
            if leaf.tree_size <= before:
                raise ArchiveError(
                    f"directory leaf {index}: expected a head of chain {leaf.chain_id.hex()} with more than {before} "
                    f"entries, found one with {leaf.tree_size}: sizes only grow"
                )
            entries += leaf.tree_size - before
            heads.append(leaf)
        elif isinstance(leaf, KeyLeaf):
            found.keys.append((index, leaf))
        elif isinstance(leaf, ThreadLeaf):
            found.threads.append(leaf)
        elif isinstance(leaf, SealLeaf):
            found.roots[index + 1] = frontier.root()
            found.entries[index + 1] = entries
    for size in sizes:
        _checkpoint(card.log, notes[size], size, found, check)
        checked.checkpoints += 1
    return found


def _notes(archive: Archive, origin: str) -> Iterator[tuple[int, Note]]:
    for line in archive.lines(CHECKPOINTS):
        fields = Fields(loads(line, CHECKPOINTS, MAX_LINE), CHECKPOINTS)
        note = Note.decode(fields.text("note"))
        fields.end()
        checkpoint = Checkpoint.decode(note.text)
        if checkpoint.origin != origin:
            raise ArchiveError(f"{CHECKPOINTS}: expected checkpoints of {origin}, found one of {checkpoint.origin}")
        yield checkpoint.size, note


def _checkpoint(log: LogLeaf, note: Note, size: int, found: _Directory, check: ed25519.SignatureCheck) -> None:
    """A checkpoint has the root of the leaves, and the signature of the key that is valid for it."""
    if Checkpoint.decode(note.text).root != found.roots.get(size):
        raise ArchiveError(f"checkpoint of {size} leaves: its root is not that of the first {size} leaves")
    keys = tuple(leaf for index, leaf in found.keys if index < size)
    key = key_history(log, keys, log.log_id, check)[Purpose.CHECKPOINT].value
    if not is_signed_by(note, log.origin, key, check):
        raise ArchiveError(f"checkpoint of {size} leaves: not signed by the checkpoint key of its time")


def _leaves(archive: Archive, prefix: str, size: int) -> Iterator[bytes]:
    for tile_no in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - tile_no * TILE_WIDTH)
        path = prefix + tile_path("entries", tile_no, width)
        leaves = decode_bundle(_needed(archive, path))
        if len(leaves) != width:
            raise ArchiveError(f"{path}: expected {width} leaves, found {len(leaves)}")
        yield from leaves


# --- chains


def _chain(
    archive: Archive, chain_id: bytes, heads: list[HeadLeaf], check: ed25519.SignatureCheck, checked: Checked
) -> bytes:
    """Recompute every head of a chain from its entries; return the flat leaf hashes."""
    wanted = {head.tree_size: head.root for head in heads}
    frontier, hashes = Frontier(), bytearray()
    contents = _contents(archive, f"content/{chain_id.hex()}.jsonl")
    waiting = next(contents, None)
    for index, raw in enumerate(_leaves(archive, f"mirror/chain/{chain_id.hex()}/", heads[-1].tree_size)):
        where = f"chain {chain_id.hex()}, entry {index}"
        entry = Entry.decode(raw)
        if entry.chain_id != chain_id or (index == 0 and chain_id_of(entry.external_ids) != chain_id):
            raise ArchiveError(f"{where}: an entry of another chain")
        checked.signed_entries += check_author(entry, check)
        if waiting is not None and waiting[0] == index:
            _content(where, entry, *waiting[1:], checked)
            waiting = next(contents, None)
        hashed = leaf_hash(raw)
        hashes += hashed
        frontier.add(hashed)
        if index + 1 in wanted and wanted[index + 1] != frontier.root():
            raise ArchiveError(f"{where}: the head of {index + 1} entries has another root")
    if waiting is not None:
        raise ArchiveError(f"chain {chain_id.hex()}: content of entry {waiting[0]}, which is not there or not in order")
    checked.entries += frontier.size
    return bytes(hashes)


def _contents(archive: Archive, path: str) -> Iterator[tuple[int, bytes, bytes, bytes | None]]:
    """Yield (leaf index, salt, digest, content where it is kept)."""
    for line in archive.lines(path):
        fields = Fields(loads(line, path, MAX_LINE), path)
        index, salt = fields.integer("index"), fields.hex("salt", exact=16)
        digest = fields.hex("digest", exact=HASH_SIZE)
        content = from_base64(fields.text("content"), path) if "content" in fields else None
        fields.end()
        yield index, salt, digest, content


def _content(where: str, entry: Entry, salt: bytes, digest: bytes, content: bytes | None, checked: Checked) -> None:
    if content is not None and sha256(content) != digest:
        raise ArchiveError(f"{where}: the content has another SHA-256 than it is kept under")
    if content_commitment(salt, digest) != entry.content_commitment:
        raise ArchiveError(f"{where}: the entry commits to another content than the one that is kept")
    checked.contents += content is not None
    checked.digests += content is None


# --- promises


def _promises(
    archive: Archive, log: LogLeaf, keys: list[KeyLeaf], check: ed25519.SignatureCheck, checked: Checked
) -> None:
    """Each group commit was signed by a promise key of the log, over what stands at the promised places."""
    given = [log.key(Purpose.PROMISE), *(leaf.new_key for leaf in keys if leaf.purpose == Purpose.PROMISE)]
    for number, line in enumerate(archive.lines(PROMISES)):
        fields = Fields(loads(line, PROMISES, MAX_LINE), PROMISES)
        note = PromiseNote.decode(fields.hex("note"))
        signature = fields.hex("signature", exact=ed25519.SIGNATURE_SIZE)
        leaves = [Fields({"leaf": item}, PROMISES).hex("leaf") for item in fields.array("leaves", 2**32)]
        fields.end()
        where = f"promise {number}"
        if note.log_id != log.log_id or not any(check(key.value, signed_message(note), signature) for key in given):
            raise ArchiveError(f"{where}: not signed by a promise key of this log")
        if note.count != len(leaves) or note.root != root_of([leaf_hash(leaf) for leaf in leaves]):
            raise ArchiveError(f"{where}: its root is not that of its leaves")
        for leaf in leaves:
            _promised(where, PromiseLeaf.decode(leaf), checked)


def _promised(where: str, leaf: PromiseLeaf, checked: Checked) -> None:
    hashes = checked.chains.get(leaf.chain_id, b"")
    at = leaf.leaf_index * HASH_SIZE
    if hashes[at : at + HASH_SIZE] != leaf.entry_hash:
        raise ArchiveError(f"{where}: chain {leaf.chain_id.hex()} has another entry at {leaf.leaf_index} than promised")
    checked.promised += 1


# --- anchors


def _anchors(archive: Archive, directory: _Directory, blocks: list[KnownBlocks], checked: Checked) -> None:
    """The anchors are one line of transactions from the thread leaf on, each with a root that the leaves have."""
    starts, rules = [leaf.outpoint for leaf in directory.threads], network_of(checked.log)
    coin: OutPoint | None = None
    for number, proof in enumerate(_proofs(archive)):
        where = f"anchor {number}"
        transaction = check_anchor_transaction(proof)
        spent = transaction.inputs[0].previous
        if spent != coin and spent not in starts:
            raise ArchiveError(f"{where}: does not spend the coin of the anchor before, and begins no thread")
        coin = OutPoint(transaction.txid, 0)
        payload = find_payload(transaction)
        if directory.roots.get(payload.tree_size) != payload.root:
            raise ArchiveError(f"{where}: carries another root than the first {payload.tree_size} leaves have")
        if rules is not None:
            check_anchor_header(proof, rules)
        block, entries = proof.decoded_header.hash, directory.entries[payload.tree_size]
        checked.anchors.append(
            CheckedAnchor(proof.height, block, payload.tree_size, entries, _believed(where, proof, blocks))
        )


def _believed(where: str, proof: BitcoinAnchor, blocks: list[KnownBlocks]) -> str:
    for view in blocks:
        known = view.at(proof.height)
        if known is None:
            continue
        if known.hash != proof.decoded_header.hash:
            raise ArchiveError(
                f"{where}: in block {hash_hex(proof.decoded_header.hash)}, and {view.believed} says that block "
                f"{proof.height} is {hash_hex(known.hash)}"
            )
        return view.believed
    return ""


def _proofs(archive: Archive) -> Iterator[BitcoinAnchor]:
    for bundle_no in count():
        path = f"mirror/{proofs_path(bundle_no)}"
        data = archive.read(path)
        if data is None:
            return
        first, proofs = decode_proofs(data, path)
        if first != bundle_no * TILE_WIDTH:
            raise ArchiveError(f"{path}: expected proofs from anchor {bundle_no * TILE_WIDTH} on")
        yield from proofs


def _needed(archive: Archive, path: str) -> bytes:
    data = archive.read(path)
    if data is None:
        raise ArchiveError(f"{path}: missing")
    return data

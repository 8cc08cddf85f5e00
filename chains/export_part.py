"""The export of some chains: all that their owner needs to verify and to go on elsewhere, without the rest of the log.

Everything comes from the home, as far as its newest anchored checkpoint over these chains reaches; ``anchorline export
--chain`` writes it (docs/spec/export.md), ``chains.continuing`` reads it at another log.
"""

import base64
import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anchor.errors import NotYetError
from anchor.proof.archive_envelopes import envelopes_path, may_be_encrypted
from anchor.proof.archive_files import CARD
from anchor.proof.archive_part import FORMAT, PART, NewestHead, entries_path, newest_path, receipts_path
from anchor.proof.leaves import HeadLeaf
from anchor.proof.receipt import DirectoryProof
from chains.chain import Chain
from chains.chain_life import ChainLives
from chains.export import ArchiveWriter, add_verifier, envelope_lines, json_line, new_archive, sealed_at_s, spec_folder
from chains.home import Home
from chains.reader import Reader, StoredEntry
from chains.receipts import Receipts, Shown

_README = """\
# Chains of log {origin}

{count} of log {log_id},
each with all of its entries up to a checkpoint of {size} leaves, and what is needed to check them without that log.

    python3 -I verify.py                                      all that can be seen without Bitcoin
    python3 -I verify.py --block NETWORK:HEIGHT:HASH          ... and that it existed by then

Take the block's hash from a source that you trust, and the log's id from wherever you know this log (--log-id). The
chains can go on in another log: `anchorline chain continue` there (spec/chain-life.md).

    entries/        the entries of each chain, with salts, digests and contents as far as they are kept
    envelopes/      encrypted contents, which their readers open (spec/envelope.md, verify.py --take)
    receipts/       the receipt of each entry, for `anchorline verify` and verify.html
    newest/         that no later entry of a chain was left out
    part.json       which chains these are
    mirror/         the log's card
    spec/           the formats
    anchor/proof/   the verifier (Apache-2.0)
"""


@dataclass(frozen=True, slots=True)
class ExportedPart:
    """What is in a part: the size of the checkpoint, counts, and how many newer entries are not in it yet."""

    size: int
    chains: int
    entries: int
    contents: int
    envelopes: int
    left_out: int
    files: int


def export_part(home: Home, target: Path, chains: Sequence[Chain], *, with_content: bool = True) -> ExportedPart:
    """Write some chains to a new archive; it appears whole or not at all.

    All that is sealed of them is in it. Raises SettingsError for a name that cannot be, NotYetError where nothing of a
    chain is sealed, or the newest of it is not in a block yet.
    """
    done = _Part(home, chains)
    size = done.checkpoint_size()
    with new_archive(target, done.folder, sealed_at_s(home, size)) as writer:
        return done.write_all(writer, size, with_content=with_content)


def export_part_to(home: Home, file: IO[bytes], chains: Sequence[Chain], *, with_content: bool = True) -> ExportedPart:
    """Write some chains to an open file, packed with gzip, as far as the newest anchor reaches.

    A chain of which nothing is anchored yet is left out; one that is closed is whole. Raises NotYetError where nothing
    is left, or a closing is not in a block yet.
    """
    size, found = anchored_of(home, chains)
    done = _Part(home, found)
    with ExitStack() as stack:
        writer = ArchiveWriter(stack, file, Path("part.tar.gz"), done.folder, sealed_at_s(home, size))
        return done.write_all(writer, size, with_content=with_content)


def anchored_of(home: Home, chains: Sequence[Chain]) -> tuple[int, list[Chain]]:
    """Return the size of the newest anchored checkpoint, and those chains that it is over; raise NotYetError."""
    newest = home.journal.newest_anchored()
    size = 0 if newest is None else newest[0].checkpoint_size
    heads = [(chain, home.directory.newest_head(chain.chain_no, size)) for chain in chains]
    found = [(chain, index) for chain, index in heads if index is not None]
    if not found:
        raise NotYetError(
            "nothing of these chains is in a block yet: try again after the next anchor (GET /v1/log, /v1/events)"
        )
    lives = ChainLives(home.engine, home.chains)
    for chain, index in found:
        closing, head = lives.closing(chain), home.directory.leaf(index)
        assert isinstance(head, HeadLeaf)
        if closing is not None and head.tree_size <= closing[0]:
            raise NotYetError(
                f"the closing of chain {chain.chain_id.hex()} is not in a block yet: try again after the next anchor"
            )
    return size, [chain for chain, _ in found]


class _Part:
    """One run: what is written of each chain, and the counts of it."""

    def __init__(self, home: Home, chains: Sequence[Chain]) -> None:
        self.home = home
        self.receipts = Receipts(home.engine, home.trees, home.directory, home.chains, home.journal, home.lookup)
        self.reader = Reader(home.engine, home.chains, home.lookup)
        self.chains = sorted(chains, key=lambda chain: chain.chain_id)
        self.folder = f"anchorline-part-{home.directory.log.log_id.hex()[:16]}"
        self.entries = self.contents = self.envelopes = self.left_out = 0

    def write_all(self, writer: ArchiveWriter, size: int, *, with_content: bool) -> ExportedPart:
        """Write the chains, and what is needed to check them; return the counts."""
        log, count = self.home.directory.log, f"Chains: {len(self.chains)}"
        readme = _README.format(origin=log.origin, log_id=log.log_id.hex(), size=size, count=count)
        add_verifier(writer, readme, spec_folder())
        writer.add(CARD, self.home.card().encode())
        listed = {"format": FORMAT, "chains": [chain.chain_id.hex() for chain in self.chains]}
        writer.add(PART, json.dumps(listed).encode())
        self.write(writer, size, with_content=with_content)
        writer.add_sums()
        counts = (self.entries, self.contents, self.envelopes, self.left_out)
        return ExportedPart(size, len(self.chains), *counts, writer.files)

    def checkpoint_size(self) -> int:
        """Return the size of the first checkpoint in a block that is over the newest heads of all these chains."""
        newest = self.home.directory.newest()
        heads = [self._head_index(chain, 0 if newest is None else newest.size) for chain in self.chains]
        anchored = self.home.journal.first_anchored(max(heads) + 1)
        if anchored is None:
            raise NotYetError(
                "the newest entries of these chains are sealed, and not in a block yet: wait for the next anchor "
                "(`anchorline status`), or have it made (`anchorline tick --now`)"
            )
        return anchored[0].checkpoint_size

    def write(self, writer: ArchiveWriter, size: int, *, with_content: bool) -> None:
        """Write the files of each chain."""
        for chain in self.chains:
            head = self.home.directory.leaf(self._head_index(chain, size))
            assert isinstance(head, HeadLeaf)
            self.entries += head.tree_size
            self.left_out += self.home.chains.size(chain) - head.tree_size
            writer.add(newest_path(chain.chain_id), self._newest(chain, size))
            encrypted = array("Q")
            lines = self._entries(chain, head.tree_size, encrypted, with_content=with_content)
            writer.add_lines(entries_path(chain.chain_id), lines)
            if with_content:
                writer.add_lines(envelopes_path(chain.chain_id), self._envelopes(chain, encrypted))
            writer.add_lines(receipts_path(chain.chain_id), self._receipts(chain, head.tree_size, size))

    def _newest(self, chain: Chain, size: int) -> bytes:
        directory = self.home.directory
        proof, seal_index = directory.prove_newest_head(chain.chain_id, size)
        _, seal = directory.seal_over(seal_index)
        return NewestHead(DirectoryProof(seal, seal_index, directory.path(seal_index, size)), proof.siblings).encode()

    def _head_index(self, chain: Chain, size: int) -> int:
        found = self.home.directory.newest_head(chain.chain_no, size)
        if found is None:
            raise NotYetError(f"nothing of chain {chain.chain_id.hex()} is sealed yet; try again after a seal")
        return found

    def _entries(self, chain: Chain, end: int, encrypted: "array[int]", *, with_content: bool) -> Iterator[bytes]:
        """Yield the entries of a chain; places where content may be encrypted go to ``encrypted``."""
        for stored in self.reader.entries(chain, 0, end):
            if may_be_encrypted(stored.raw):
                encrypted.append(stored.leaf_index)
            kept = _kept(stored) if with_content else {}
            self.contents += bool(kept)
            yield json_line({"index": stored.leaf_index, "entry": stored.raw.hex()} | kept)

    def _envelopes(self, chain: Chain, leaf_indexes: Iterable[int]) -> Iterator[bytes]:
        for line, has_envelope in envelope_lines(self.home, self.reader, chain, leaf_indexes):
            self.envelopes += has_envelope
            yield line

    def _receipts(self, chain: Chain, end: int, size: int) -> Iterator[bytes]:
        for stored in self.reader.entries(chain, 0, end):
            receipt = self.receipts.make(stored, Shown(salt_and_digest=False), size)
            yield json_line(receipt.to_json())


def _kept(stored: StoredEntry) -> dict[str, object]:
    if stored.kept is None:
        return {}
    value: dict[str, object] = {"salt": stored.kept.salt.hex(), "digest": stored.kept.digest.hex()}
    if stored.kept.content is not None:
        value["content"] = base64.b64encode(stored.kept.content).decode()
    return value

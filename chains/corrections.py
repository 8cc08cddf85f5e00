"""What was said later of an entry: those of its chain that supersede or retract it, and those that correct these.

``chains.receipts`` shows them in receipts; the commands ``amend``, ``retract`` and ``history`` write and list them.
Rules are in docs/spec/correction.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from anchor.directory import Directory
from anchor.proof.entry import Relation
from anchor.proof.said_later import Corrected, corrections_from, corrects
from anchor.proof.times import utc
from chains.found_by import correction_key
from chains.reader import Reader, StoredEntry
from chains.sorted_runs import Kind


def corrections_of(reader: Reader, first: StoredEntry) -> list[Corrected[StoredEntry]]:
    """Return what corrects an entry, directly or by correcting a correction, in the order of the chain."""
    return corrections_from(first, lambda corrected: _direct(reader, corrected))


def _direct(reader: Reader, corrected: StoredEntry) -> Iterator[Corrected[StoredEntry]]:
    for seq in reader.lookup.find(Kind.EXTERNAL_ID, correction_key(corrected.entry_hash)):
        found = reader.row(seq)
        if found.chain_no != corrected.chain_no or found.leaf_index <= corrected.leaf_index:
            continue
        for relation in corrects(found.entry, corrected.entry_hash):
            yield Corrected(found, relation, corrected.entry_hash)


@dataclass(frozen=True, slots=True)
class Version:
    """An entry of a history: what it says of entries before it, and when it was sealed (Unix ms; None: not yet)."""

    stored: StoredEntry
    says: tuple[tuple[Relation, bytes], ...]
    sealed_at_ms: int | None

    def is_sealed_by(self, time_ms: int) -> bool:
        """Say whether it was sealed at that time, by the log's clock."""
        return self.sealed_at_ms is not None and self.sealed_at_ms <= time_ms

    def to_json(self) -> dict[str, Any]:
        """Return it as ``history --json`` has it."""
        return {
            "leaf_index": self.stored.leaf_index,
            "entry_hash": self.stored.entry_hash.hex(),
            "says": [{"relation": relation.name.lower(), "entry_hash": of.hex()} for relation, of in self.says],
            "sealed_at": None if self.sealed_at_ms is None else utc(self.sealed_at_ms),
        }


def history_of(reader: Reader, directory: Directory, first: StoredEntry) -> list[Version]:
    """Return an entry and all that corrects it, in the order of the chain."""
    said: dict[int, list[Corrected[StoredEntry]]] = {}
    for each in corrections_of(reader, first):
        said.setdefault(each.stored.leaf_index, []).append(each)
    later = [
        Version(
            found[0].stored,
            tuple((each.relation, each.corrects) for each in found),
            _sealed_at(directory, found[0].stored),
        )
        for _, found in sorted(said.items())
    ]
    return [Version(first, (), _sealed_at(directory, first)), *later]


def standing(versions: Sequence[Version]) -> StoredEntry | None:
    """Return the entry that stands at the end of a history; None where what stood was retracted.

    What an entry says counts unless an entry that counts retracts it. The last one that supersedes takes the place of
    what it supersedes.
    """
    retracted: set[bytes] = set()
    replaced_by: dict[bytes, Version] = {}
    for version in reversed(versions):
        if version.stored.entry_hash in retracted:
            continue
        for relation, corrected in version.says:
            if relation == Relation.RETRACTS:
                retracted.add(corrected)
            else:
                replaced_by.setdefault(corrected, version)
    current = versions[0]
    while current.stored.entry_hash not in retracted and current.stored.entry_hash in replaced_by:
        current = replaced_by[current.stored.entry_hash]
    return None if current.stored.entry_hash in retracted else current.stored


def _sealed_at(directory: Directory, stored: StoredEntry) -> int | None:
    head_index = directory.first_head_over(stored.chain_no, stored.leaf_index)
    checkpoint = None if head_index is None else directory.first_checkpoint_over(head_index)
    return None if checkpoint is None else checkpoint.sealed_at_ms

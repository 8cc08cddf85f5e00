"""Erasures and legal holds as a chain's entries state them: what erased an entry, and what keeps it from being erased.

Entries come from the reader; ``chains.erasing`` asks before it erases, receipts show what erased, and the commands
``erase`` and ``hold`` tell both (docs/spec/erasure.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anchor.proof.entry import Relation, signing_keys
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.said_later import erases, erasure_statement
from anchor.proof.times import utc
from chains.chain import Chain, Chains, Gone
from chains.found_by import erasure_key, hold_key
from chains.reader import Reader, StoredEntry
from chains.sorted_runs import Kind


@dataclass(frozen=True, slots=True)
class Stated:
    """An entry and what it states."""

    stored: StoredEntry
    statement: ErasureStatement


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that nobody lifted: of one entry (its hash), or of the whole chain (None)."""

    of: bytes | None
    stated: Stated

    def told(self) -> str:
        """Say since when, and why, for an error."""
        stated, keys = self.stated, signing_keys(self.stated.stored.entry)
        named = f"by {'keys' if len(keys) > 1 else 'key'} {', '.join(key.hex() for key in keys)}"
        who = named if keys else "by the operator"
        of = "the chain" if self.of is None else f"entry {self.of.hex()}"
        return (
            f"{of} is held since {utc(stated.statement.at_ms)}, {who}, because {stated.statement.reason} "
            f"(entry {stated.stored.leaf_index})"
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as ``hold list --json`` has it."""
        return {
            "entry_hash": None if self.of is None else self.of.hex(),
            "since": utc(self.stated.statement.at_ms),
            "reason": self.stated.statement.reason,
            "leaf_index": self.stated.stored.leaf_index,
        }


def erasure_of(reader: Reader, erased: StoredEntry) -> Stated | None:
    """Return the first entry of the chain that states that it erases this one; None where there is none."""
    for seq in reader.lookup.find(Kind.EXTERNAL_ID, erasure_key(erased.entry_hash)):
        found = reader.row(seq)
        if found.chain_no != erased.chain_no or found.leaf_index <= erased.leaf_index:
            continue
        if erases(found.entry, erased.entry_hash):
            return _stated(found)
    return None


def holds_of(reader: Reader, chain: Chain) -> list[Hold]:
    """Return the holds of a chain that stand, in the order in which they were set."""
    standing: list[Hold] = []
    for stated, targets in _holding(reader, chain):
        if stated.statement.act == Act.LIFT:
            standing = [hold for hold in standing if hold.of not in targets]
        else:
            standing += [Hold(target, stated) for target in targets]
    return standing


def set_by(chains: Chains, hold: Hold) -> bytes:
    """Return to whom (16 bytes, docs/spec/promise.md) the entry was promised that set a hold; zeros: the operator."""
    return chains.place_of(hold.stated.stored.seq).submitter


def held_by(holds: list[Hold], stored: StoredEntry) -> Hold | None:
    """Return the first hold that keeps an entry from being erased."""
    return next((hold for hold in holds if hold.of in (None, stored.entry_hash)), None)


def keeps_content(stored: StoredEntry) -> bool:
    """Say whether something is kept beside an entry, readable or not."""
    return stored.kept is not None or stored.box is not None or stored.gone not in (None, Gone.ERASED)


def _holding(reader: Reader, chain: Chain) -> Iterator[tuple[Stated, list[bytes | None]]]:
    """Yield what holds and lifts in a chain, in its order, with what each is of."""
    for seq in reader.lookup.find(Kind.EXTERNAL_ID, hold_key(chain.chain_id)):
        found = reader.row(seq)
        stated = _stated(found) if found.chain_no == chain.chain_no else None
        if stated is None or stated.statement.act == Act.ERASE:
            continue
        links = [link.entry_hash for link in found.entry.links if link.relation == Relation.REFERS_TO]
        yield stated, [None] if stated.statement.scope == Scope.CHAIN else list(links)


def _stated(stored: StoredEntry) -> Stated | None:
    statement = erasure_statement(stored.entry)
    return None if statement is None else Stated(stored, statement)

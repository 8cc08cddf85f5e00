# SPDX-License-Identifier: Apache-2.0
"""Erasures and legal holds: what an entry states of them (extension 10), and an erasure as receipts show it.

Input is the extension's value, or the evidence of type ``erasure`` and its receipt (docs/spec/erasure.md). Step 18
judges with it; ``chains.erasing`` writes the statements.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from anchor.proof.codec import Reader, fits
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import Entry, ExtensionType, Relation
from anchor.proof.errors import MalformedError, Reason, UnknownVersionError
from anchor.proof.later_entry import LaterEntry, Refusal, key_facts, placed_entry, shown, signers_of
from anchor.proof.plain_text import MAX_REASON, is_plain_line
from anchor.proof.receipt import Receipt

TYPE = "erasure"
STATEMENT_VERSION = 1
MAX_STATEMENT = 11 + 2 + MAX_REASON
_REFUSAL = Refusal(Reason.ERASURE_WRONG, "erasure")


class Act(IntEnum):
    """What is stated."""

    ERASE = 1
    HOLD = 2
    LIFT = 3


class Scope(IntEnum):
    """Why these entries: they were named, they carry an id, they are older than their chain keeps; or the whole chain.

    A hold is of named entries or of the chain, an erasure is never of the chain.
    """

    ENTRY = 1
    SUBJECT = 2
    RETENTION = 3
    CHAIN = 4


_SCOPES = {
    Act.ERASE: frozenset({Scope.ENTRY, Scope.SUBJECT, Scope.RETENTION}),
    Act.HOLD: frozenset({Scope.ENTRY, Scope.CHAIN}),
    Act.LIFT: frozenset({Scope.ENTRY, Scope.CHAIN}),
}


@dataclass(frozen=True, slots=True)
class ErasureStatement:
    """What was done, to what, when (Unix ms, by the log's clock) and why: ``reason`` is 1 to 500 bytes of UTF-8."""

    act: Act
    scope: Scope
    at_ms: int
    reason: str

    def encode(self) -> bytes:
        """Return the value of the extension; raise MalformedError for what it cannot hold."""
        _check(self)
        reason = self.reason.encode()
        return bytes((STATEMENT_VERSION, self.act, self.scope)) + b"".join(
            (fits(self.at_ms, 8, "at_ms"), fits(len(reason), 2, "length of reason"), reason)
        )

    @classmethod
    def decode(cls, value: bytes) -> "ErasureStatement":
        """Read an extension's value; raise MalformedError, UnknownVersionError for another version."""
        reader = Reader(value, "erasure statement", MAX_STATEMENT)
        version = reader.byte()
        if version != STATEMENT_VERSION:
            raise UnknownVersionError(
                f"erasure statement: expected version {STATEMENT_VERSION}, found {version}; written by a newer "
                "Anchorline?"
            )
        act, scope, at_ms, raw = reader.byte(), reader.byte(), reader.unsigned(8), reader.prefixed(2)
        reader.end()
        try:
            statement = cls(Act(act), Scope(scope), at_ms, raw.decode())
        except UnicodeDecodeError:
            raise MalformedError("erasure statement: expected a reason in UTF-8") from None
        except ValueError:
            raise MalformedError(f"erasure statement: expected a known act and scope, found {act}, {scope}") from None
        _check(statement)
        return statement

    @classmethod
    def of(cls, entry: Entry) -> "ErasureStatement | None":
        """Return what an entry states, or None where it states nothing; raises as ``decode`` does."""
        value = entry.extension(ExtensionType.ERASURE)
        return None if value is None else cls.decode(value)


def _check(statement: ErasureStatement) -> None:
    size = len(statement.reason.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= MAX_REASON:
        raise MalformedError(f"erasure statement: expected a reason of 1 to {MAX_REASON} bytes, got {size}")
    if not is_plain_line(statement.reason):
        raise MalformedError("erasure statement: expected a reason of one line, without control characters")
    if statement.scope not in _SCOPES[statement.act]:
        raise MalformedError(
            f"erasure statement: expected an act and a scope that go together, got {statement.act.name.lower()} and "
            f"{statement.scope.name.lower()}"
        )


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that is proved: what it states, its entry, and the keys that signed it (none: nobody did)."""

    statement: ErasureStatement
    entry_hash: bytes
    index: int
    keys: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as ``facts.erasure`` has it."""
        value = {
            "entry_hash": self.entry_hash.hex(),
            "leaf_index": self.index,
            "erased_at_ms": self.statement.at_ms,
            "scope": self.statement.scope.name.lower(),
            "reason": self.statement.reason,
        }
        return value | key_facts(self.keys)


def shown_erasures(receipt: Receipt) -> list[Mapping[str, Any]]:
    """Return what a receipt shows of erasures, as it stands there."""
    return shown(receipt, TYPE)


def proved_erasure(receipt: Receipt, check: SignatureCheck) -> Erasure:
    """Return the erasure that a receipt shows: of exactly one entry.

    Raises VerificationError(ERASURE_WRONG) where it is not in the chain, not later, does not erase this entry, or has a
    signature that does not hold; MalformedError for another form, UnknownVersionError for a newer version's.
    """
    assert receipt.sealed is not None, "only a sealed receipt shows evidence"
    items = shown_erasures(receipt)
    if len(items) != 1:
        raise _REFUSAL.error(f"expected one entry that erased the content, found {len(items)}")
    evidence = LaterEntry.from_json(items[0])
    entry = placed_entry(evidence, receipt, _REFUSAL)
    if evidence.chain.index <= receipt.sealed.chain.index:
        raise _REFUSAL.error(f"entry {entry.hash.hex()} at {evidence.chain.index} is not later than what it erases")
    statement = ErasureStatement.of(entry)
    is_of_this = any(
        (link.relation, link.chain_id, link.entry_hash) == (Relation.ERASES, entry.chain_id, receipt.entry.hash)
        for link in entry.links
    )
    if statement is None or statement.act != Act.ERASE or not is_of_this:
        raise _REFUSAL.error(f"entry {entry.hash.hex()} does not state that it erases this one")
    return Erasure(statement, entry.hash, evidence.chain.index, signers_of(entry, check, _REFUSAL))

# SPDX-License-Identifier: Apache-2.0
"""What a receipt shows of its chain's life: that it was closed, and which chains of other logs it continues.

Input is the evidence of type ``chain-life`` (docs/spec/chain-life.md) and the sealed part of its receipt; step 19
judges with it, and ``chains.life_shown`` makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anchor.proof.chain_life import Closing, Continuation, closes, statement_of
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import MAX_ENTRY, Entry
from anchor.proof.errors import MalformedError, Reason, UnknownVersionError, VerificationError
from anchor.proof.later_entry import Refusal, key_facts, signers_of
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import MAX_PATH, check_inclusion, leaf_hash
from anchor.proof.receipt import ChainPath, DirectoryProof, Receipt, chain_from_json, proof_from_json, proof_to_json
from anchor.proof.strictjson import Fields
from anchor.proof.verdict import Outcome, Verdict

TYPE = "chain-life"
PROVED = frozenset({Outcome.INTACT, Outcome.ATTESTED, Outcome.TIME_STAMPED, Outcome.CORRECTED})
"""Outcomes that lead to a block that the verifier knows, or to what he takes instead."""
_WHAT = "receipt.evidence (chain-life)"
_REFUSAL = Refusal(Reason.CHAIN_LIFE_WRONG, "life of the chain")


@dataclass(frozen=True, slots=True)
class LifeEvidence:
    """An entry that speaks of its chain's life, its way to a head of that chain, and that head under the checkpoint.

    Of a continuation also ``earlier``, the other log's receipt of the last entry before it; and ``path``, from the
    receipt's own entry to the root that the chain had there, where it stood there too.
    """

    entry: bytes
    chain: ChainPath
    head: DirectoryProof[HeadLeaf]
    earlier: Receipt | None = None
    path: tuple[bytes, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as it stands in a receipt."""
        value: dict[str, Any] = {
            "type": TYPE,
            "entry": self.entry.hex(),
            "chain": {"index": self.chain.index, "path": [node.hex() for node in self.chain.path]},
            "head": proof_to_json(self.head),
        }
        if self.earlier is None:
            return value
        return value | {"earlier": self.earlier.to_json(), "path": [node.hex() for node in self.path]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "LifeEvidence":
        """Read the evidence; raise MalformedError for anything but its form. Unknown fields are refused."""
        fields = Fields(value, _WHAT)
        fields.text("type")
        entry = fields.hex("entry", maximum=MAX_ENTRY)
        chain = chain_from_json(Fields(fields.take("chain"), f"{_WHAT}.chain"))
        head = proof_from_json(HeadLeaf, fields.take("head"), f"{_WHAT}.head")
        if "earlier" not in fields:
            fields.end()
            return cls(entry, chain, head)
        earlier = Receipt.from_json(fields.take("earlier"))
        path = fields.hashes("path", MAX_PATH)
        fields.end()
        return cls(entry, chain, head, earlier, path)


@dataclass(frozen=True, slots=True)
class Closed:
    """A closing that holds: the entry at ``index``, signed by ``keys`` or nobody, ends the chain."""

    statement: Closing
    entry_hash: bytes
    index: int
    keys: tuple[bytes, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as ``facts.chain_life`` has it."""
        value = {"said": "closed"} | _facts(self) | {"reason": self.statement.reason}
        moved_to = self.statement.moved_to
        return value if moved_to is None else value | {"moved_to": moved_to.hex()}


@dataclass(frozen=True, slots=True)
class Moved:
    """A continuation that holds: the entry at ``index`` continues a chain of another log.

    ``held`` says whether the receipt's own entry stood there, ``moved_to`` where that log says the chain went on (None:
    it does not say so), and ``verdict`` what that log's receipt comes to.
    """

    statement: Continuation
    entry_hash: bytes
    index: int
    keys: tuple[bytes, ...]
    held: bool
    moved_to: bytes | None
    verdict: Verdict | None = None

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the earlier receipt."""
        assert self.verdict is not None, "judged before it is told"
        return self.verdict.facts

    @property
    def outcome(self) -> Outcome:
        """What the earlier receipt comes to."""
        assert self.verdict is not None, "judged before it is told"
        return self.verdict.outcome

    def to_json(self) -> dict[str, Any]:
        """Return it as ``facts.chain_life`` has it."""
        said = self.statement
        value = {"said": "continues"} | _facts(self) | {"log_id": said.log_id.hex(), "origin": self.facts["origin"]}
        value |= {"network": self.facts["network"], "tree_size": said.tree_size, "holds_entry": self.held}
        value |= {"outcome": str(self.outcome)}
        if self.moved_to is not None:
            value["moved_to"] = self.moved_to.hex()
        is_anchored = self.outcome in PROVED and "anchored_in" in self.facts
        return value | ({"anchored_in": self.facts["anchored_in"]} if is_anchored else {})


Life = Closed | Moved


def _facts(life: "Closed | Moved") -> dict[str, Any]:
    value = {"entry_hash": life.entry_hash.hex(), "leaf_index": life.index, "made_at_ms": life.statement.made_at_ms}
    return value | key_facts(life.keys)


def shown_life(receipt: Receipt) -> list[Mapping[str, Any]]:
    """Return what a receipt shows of its chain's life, as it stands there."""
    return [] if receipt.sealed is None else [item for item in receipt.sealed.evidence if item["type"] == TYPE]


def proved_life(evidence: LifeEvidence, receipt: Receipt, check: SignatureCheck) -> tuple[Life, Receipt | None]:
    """Return what an entry that is shown says of its chain, and the earlier receipt that is to be judged, if any.

    Raises VerificationError(CHAIN_LIFE_WRONG) where the entry is not in the chain, not under the checkpoint, not signed
    as it says, or not borne out; MalformedError for another form, UnknownVersionError for one by a newer Anchorline.
    """
    entry = Entry.decode(evidence.entry)
    critical = entry.unknown_critical_extensions()
    if critical:
        raise UnknownVersionError(f"entry: extension {critical[0]:#06x} is unknown and must be understood")
    _check_place(evidence, entry, receipt)
    said, keys, index = statement_of(entry), signers_of(entry, check, _REFUSAL), evidence.chain.index
    if isinstance(said, Continuation) and evidence.earlier is not None:
        held = _check_earlier(said, evidence, evidence.earlier, receipt)
        closing = statement_of(evidence.earlier.entry)
        moved_to = closing.moved_to if isinstance(closing, Closing) else None
        return Moved(said, entry.hash, index, keys, held, moved_to), evidence.earlier
    if isinstance(said, Closing) and evidence.earlier is None and closes(said, receipt.log.log_id):
        return Closed(said, entry.hash, index, keys), None
    raise wrong(f"entry {index} does not say what is shown of it: that the chain ends here, or continues another log's")


def _check_earlier(said: Continuation, evidence: LifeEvidence, earlier: Receipt, receipt: Receipt) -> bool:
    """Check that a receipt of another log is of what a continuation names; say whether the receipt's entry was there.

    It continues at the very next index; the earlier receipt is of the last entry before it, under the head and the
    checkpoint that are named; and the receipt's own entry, where it is older, is under that head.
    """
    assert receipt.sealed is not None
    if earlier.sealed is None:
        raise wrong("the receipt of the earlier log is not sealed")
    if shown_life(earlier):
        raise MalformedError(f"{_WHAT}.earlier: expected a receipt that shows nothing of its chain's life itself")
    head, checkpoint = earlier.sealed.head.leaf, earlier.sealed.checkpoint
    named = (receipt.entry.chain_id, said.log_id, said.tree_size, said.root, said.checkpoint_size, said.checkpoint_root)
    shown = (earlier.entry.chain_id, earlier.log.log_id, head.tree_size, head.root, checkpoint.size, checkpoint.root)
    if named != shown:
        raise wrong(f"the receipt of the earlier log is not of what entry {evidence.chain.index} continues")
    if not evidence.chain.index == said.tree_size == earlier.sealed.chain.index + 1:
        raise wrong(f"entry {evidence.chain.index} does not go on where {said.tree_size} entries end")
    index = receipt.sealed.chain.index
    if index < said.tree_size:
        check_inclusion(receipt.entry.hash, index, said.tree_size, evidence.path, said.root, Reason.CHAIN_LIFE_WRONG)
    elif evidence.path:
        raise wrong("a path is shown of an entry that is younger than the continuation")
    return index < said.tree_size


def _check_place(evidence: LifeEvidence, entry: Entry, receipt: Receipt) -> None:
    """The entry is at its index in the same chain, under a head that is under the checkpoint."""
    assert receipt.sealed is not None
    chain_id, head, checkpoint = receipt.entry.chain_id, evidence.head, receipt.sealed.checkpoint
    for found in (entry.chain_id, head.leaf.chain_id):
        if found != chain_id:
            raise wrong(f"an entry or a head of chain {found.hex()} is shown, expected chain {chain_id.hex()}")
    check_inclusion(
        *(entry.hash, evidence.chain.index, head.leaf.tree_size, evidence.chain.path, head.leaf.root),
        Reason.CHAIN_LIFE_WRONG,
    )
    check_inclusion(
        *(leaf_hash(head.leaf.encode()), head.index, checkpoint.size, head.path, checkpoint.root),
        Reason.CHAIN_LIFE_WRONG,
    )


def wrong(message: str) -> VerificationError:
    """Return the refusal of what a receipt shows of its chain's life."""
    return _REFUSAL.error(message)

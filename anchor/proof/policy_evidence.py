# SPDX-License-Identifier: Apache-2.0
"""The policies of a chain as a receipt shows them, proved under the receipt's own checkpoint, up to the entry's head.

Input is the evidence of type ``policy`` (docs/spec/policy.md) and the sealed part of its receipt; step 17 judges with
it, and ``chains.policy`` makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anchor.proof.author_audit import was_valid_when_written
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.entry import MAX_ENTRY, Entry, check_author
from anchor.proof.errors import AnchorlineError, Reason, VerificationError
from anchor.proof.identity import Purpose
from anchor.proof.identity_evidence import IdentityEvidence, place_of, place_of_seal, proved_history
from anchor.proof.identity_history import History, Place
from anchor.proof.leaves import NO_POLICY, HeadLeaf, SealLeaf
from anchor.proof.merkle import check_inclusion, check_inclusions, leaf_hash
from anchor.proof.policy import MAX_STATEMENTS, IsKeyOf, Standing, changed
from anchor.proof.receipt import (
    ChainPath,
    DirectoryProof,
    Receipt,
    Sealed,
    chain_from_json,
    chain_to_json,
    proof_from_json,
    proof_to_json,
)
from anchor.proof.steps_log import check_first_head, check_in_seal
from anchor.proof.strictjson import Fields

TYPE = "policy"
MAX_IDENTITIES = 64
MAX_CORRECTED = 255
_WHAT = "receipt.evidence (policy)"


class NotShownError(AnchorlineError):
    """The evidence shows nothing of an identity, so nobody can say whether a key was one of it."""


@dataclass(frozen=True, slots=True)
class StatedProof:
    """An entry that states a policy, its place, the first head that holds it, that head's seal and the head before."""

    entry: bytes
    chain: ChainPath
    head: DirectoryProof[HeadLeaf]
    seal: DirectoryProof[SealLeaf]
    previous_head: DirectoryProof[HeadLeaf] | None = None


@dataclass(frozen=True, slots=True)
class PolicyEvidence:
    """All policies in force up to the entry's head, the identities that they name, and the entries that it corrects."""

    statements: tuple[StatedProof, ...]
    identities: tuple[IdentityEvidence, ...] = ()
    corrected: tuple[bytes, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as it stands in a receipt."""
        return {
            "type": TYPE,
            "statements": [_statement_to_json(item) for item in self.statements],
            "identities": [item.to_json() for item in self.identities],
            "corrected": [raw.hex() for raw in self.corrected],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PolicyEvidence":
        """Read the evidence; raise MalformedError for anything but its form. Unknown fields are refused."""
        fields = Fields(value, _WHAT)
        fields.text("type")
        statements = fields.array("statements", MAX_STATEMENTS)
        identities = fields.array("identities", MAX_IDENTITIES)
        corrected = fields.array("corrected", MAX_CORRECTED)
        fields.end()
        return cls(
            tuple(_statement_from_json(item) for item in statements),
            tuple(IdentityEvidence.from_json(Fields(item, f"{_WHAT}.identities").rest()) for item in identities),
            tuple(Fields({"entry": item}, _WHAT).hex("entry", maximum=MAX_ENTRY) for item in corrected),
        )


def shown_policy(receipt: Receipt) -> Mapping[str, Any] | None:
    """Return what a receipt shows of the chain's policy, as it stands there; VerificationError where it shows two."""
    if receipt.sealed is None:
        return None
    found = [item for item in receipt.sealed.evidence if item["type"] == TYPE]
    if len(found) > 1:
        raise wrong_evidence(f"it is shown {len(found)} times")
    return found[0] if found else None


@dataclass(slots=True)
class ShownKeys:
    """The keys of the identities that the evidence shows, each history proved once, when it is first asked for."""

    evidence: PolicyEvidence
    receipt: Receipt
    check: SignatureCheck
    _histories: dict[bytes, History] = field(default_factory=dict)

    def at(self, place: Place, *, is_stating: bool = False) -> IsKeyOf:
        """Return what says whether a key was one of an identity where an entry was first sealed.

        For one that states a policy a tie counts for the signer: otherwise whoever ends his key could undo, for the
        rest of that seal, a policy under which others were let write. That raises NotShownError where nothing is shown
        of the identity.
        """

        def is_key_of(identity: bytes, public_key: bytes) -> bool:
            try:
                history = self._history(identity)
                if is_stating:
                    history = but_for_a_tie(history, public_key, place)
                history.check_valid(public_key, Purpose.ENTRIES, place)
            except VerificationError as error:
                if error.reason == Reason.AUTHOR_KEY_NOT_VALID:
                    return False
                raise
            return True

        return is_key_of

    def when_written(self, place: Place) -> IsKeyOf:
        """Return what says whether a key may have been one of an identity when an entry of a seal was written."""
        return lambda identity, public_key: was_valid_when_written(self._history(identity), public_key, place)

    def _history(self, identity: bytes) -> History:
        if identity in self._histories:
            return self._histories[identity]
        assert self.receipt.sealed is not None, "only a sealed receipt shows evidence"
        for shown in self.evidence.identities:
            if shown.heads and shown.heads[0].head.leaf.chain_id == identity:
                log, sealed = self.receipt.log, self.receipt.sealed
                self._histories[identity] = proved_history(shown, identity, log, sealed, self.check)
                return self._histories[identity]
        raise NotShownError(f"nothing is shown of identity {identity.hex()}")


def but_for_a_tie(history: History, public_key: bytes, place: Place) -> History:
    """Return a history in which a key that ended in this very seal did not."""
    span = history.spans.get(public_key)
    if span is None or span.until is None or span.until.seal_number != place.seal_number:
        return history
    return replace(history, spans=history.spans | {public_key: replace(span, until=None)})


def proved_standing(evidence: PolicyEvidence, receipt: Receipt, sealed: Sealed, keys: ShownKeys) -> Standing:
    """Return all policies in force up to the head of the receipt's entry: none can be left out, and none slipped in.

    Each is signed by those whom the one before names, and is the one that the heads behind it name. Raises
    VerificationError(POLICY_EVIDENCE_WRONG), what ``changed`` raises, and NotShownError.
    """
    standing: Standing = ()
    for item in evidence.statements:
        entry = Entry.decode(item.entry)
        _check_place(item, entry, receipt, sealed)
        if standing and item.chain.index <= standing[-1].index:
            raise wrong_evidence("its statements are not in the order of the chain")
        place = place_of_seal(item.seal, receipt.log, sealed)
        try:
            check_author(entry, keys.check)
            standing = changed(standing, item.chain.index, entry, keys.at(place, is_stating=True))
        except VerificationError as error:
            raise wrong_evidence(f"what entry {item.chain.index} states is not in force: {error}") from error
    for head in _heads(evidence, sealed):
        _check_named(head.leaf, standing)
    if standing and standing[-1].index >= sealed.head.leaf.tree_size:
        raise wrong_evidence("it shows policies that were stated after the head of the entry")
    return standing


def place_of_entry(receipt: Receipt, sealed: Sealed) -> Place:
    """Return where the receipt's own entry was first sealed."""
    return place_of(sealed, receipt.log)


def _heads(evidence: PolicyEvidence, sealed: Sealed) -> list[DirectoryProof[HeadLeaf]]:
    """Return every head that is shown of the chain."""
    shown = [sealed.head, sealed.previous_head]
    for item in evidence.statements:
        shown += [item.head, item.previous_head]
    return [head for head in shown if head is not None]


def _check_named(head: HeadLeaf, standing: Standing) -> None:
    """A head names the newest policy in force below its size."""
    wanted = next((stated.entry_hash for stated in reversed(standing) if stated.index < head.tree_size), NO_POLICY)
    if head.policy != wanted:
        named = "no policy" if head.policy == NO_POLICY else f"policy {head.policy.hex()}"
        raise wrong_evidence(
            f"the head of {head.tree_size} entries names {named}, the statements that are shown give "
            f"{'none' if wanted == NO_POLICY else wanted.hex()}"
        )


def _check_place(item: StatedProof, entry: Entry, receipt: Receipt, sealed: Sealed) -> None:
    """The entry is at its index in the same chain, under the first head that holds it, all under the checkpoint."""
    chain_id, head = receipt.entry.chain_id, item.head
    for found in (entry.chain_id, head.leaf.chain_id):
        if found != chain_id:
            raise wrong_evidence(f"an entry or a head of chain {found.hex()} is shown, expected chain {chain_id.hex()}")
    check_inclusion(
        *(entry.hash, item.chain.index, head.leaf.tree_size, item.chain.path, head.leaf.root),
        Reason.POLICY_EVIDENCE_WRONG,
    )
    proofs: list[DirectoryProof[Any]] = [head, item.seal]
    proofs += [] if item.previous_head is None else [item.previous_head]
    places = [(leaf_hash(proof.leaf.encode()), proof.index, proof.path) for proof in proofs]
    check_inclusions(places, sealed.checkpoint.size, sealed.checkpoint.root, Reason.POLICY_EVIDENCE_WRONG)
    try:
        check_in_seal(head, item.seal)
        check_first_head(head, item.previous_head, item.chain.index)
    except VerificationError as error:
        raise wrong_evidence(f"the head of the policy that entry {item.chain.index} states: {error}") from error


def _statement_to_json(item: StatedProof) -> dict[str, Any]:
    value: dict[str, Any] = {
        "entry": item.entry.hex(),
        "chain": chain_to_json(item.chain),
        "head": proof_to_json(item.head),
        "seal": proof_to_json(item.seal),
    }
    return value if item.previous_head is None else value | {"previous_head": proof_to_json(item.previous_head)}


def _statement_from_json(value: object) -> StatedProof:
    what = f"{_WHAT}.statements"
    fields = Fields(value, what)
    previous = fields.take("previous_head") if "previous_head" in fields else None
    item = StatedProof(
        fields.hex("entry", maximum=MAX_ENTRY),
        chain_from_json(Fields(fields.take("chain"), f"{what}.chain")),
        proof_from_json(HeadLeaf, fields.take("head"), f"{what}.head"),
        proof_from_json(SealLeaf, fields.take("seal"), f"{what}.seal"),
        None if previous is None else proof_from_json(HeadLeaf, previous, f"{what}.previous_head"),
    )
    fields.end()
    return item


def wrong_evidence(message: str) -> VerificationError:
    """Return the error for evidence, or heads, that do not hold."""
    return VerificationError(Reason.POLICY_EVIDENCE_WRONG, f"the policy of the chain: {message}")

"""Tests of the author's key history in a receipt: nothing can be left out of it, moved or changed to the signer's good.

Input is a small log with an identity whose key was stolen, revoked, and used again; each test makes other evidence of
true parts of that log, or damages the true evidence.
"""

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import pytest

from anchor.proof.identity import Ending, Operation
from anchor.proof.identity_evidence import IdentityEvidence
from anchor.proof.leaves import SealLeaf
from anchor.proof.receipt import Receipt
from anchor.proof.steps_author import check_author_signature
from anchor.proof.verdict import State, run
from anchor.proof.verifier import Verifier
from tests.simulators.identities import evidence_of, key, public
from tests.simulators.world import fast_check
from tests.vectors.make_receipt_vectors import Identified, identified, with_sealed

VERIFIER = Verifier(check_signature=fast_check)
WORLD: Identified = identified()
WORLD.state(Operation.ADD, "boss", "web", key=key("web"))
WORLD.seal()
WORLD.state(Operation.REVOKE, "boss", about=public("press"), ending=Ending.STOLEN)
WORLD.seal()
STOLEN = WORLD.order("press")
WORLD.write_next(WORLD.orders, b"order 3")
LAST = WORLD.seal()
WORLD.write_next(WORLD.orders, b"order 4")
LATER = WORLD.seal()
SEALS = tuple(WORLD.seals)
TRUE = evidence_of(WORLD, WORLD.identity, LATER)
SIGNED = WORLD.order("web")
SIGNED_SEAL = WORLD.seal()
GOOD = WORLD.receipt(SIGNED, SIGNED_SEAL)
EVIDENCE = evidence_of(WORLD, WORLD.identity, SIGNED_SEAL).to_json()
PLAIN = WORLD.receipt(WORLD.write_next(WORLD.orders, b"order 5"), WORLD.seal())


def author(receipt: Receipt) -> State:
    return run(3, lambda: check_author_signature(receipt, VERIFIER)).state


def showing(evidence: IdentityEvidence) -> Receipt:
    """Return the receipt of the order that the thief signed, with this evidence."""
    return with_sealed(WORLD.receipt(STOLEN, LATER), evidence=(evidence.to_json(),))


def parts(items: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return [chosen for count in range(len(items) + 1) for chosen in combinations(items, count)]


def test_no_choice_of_true_parts_hides_a_revocation() -> None:
    """Whatever entries, heads and proofs of the newest head are shown, of any seal: a thief's signature fails."""
    newest = [WORLD.prove(SealLeaf, seal.index, LATER) for seal in SEALS]
    siblings = [evidence_of(WORLD, WORLD.identity, seal).siblings for seal in SEALS]
    states = {
        author(showing(IdentityEvidence(entries, heads, seal, way)))
        for entries, heads, seal, way in product(parts(TRUE.entries), parts(TRUE.heads), newest, siblings)
    }
    assert {State.FAILED} == states


def test_an_older_checkpoint_has_the_revocation_too() -> None:
    """The earliest checkpoint over the order is later than the revocation: there is no receipt without it."""
    early = WORLD.receipt(STOLEN, LAST)
    for seal in SEALS:
        evidence = evidence_of(WORLD, WORLD.identity, seal)
        assert State.FAILED == author(with_sealed(early, evidence=(evidence.to_json(),)))


def damages(value: Any) -> Iterator[Any]:
    """Yield what becomes of a value when one thing in it is changed: a digit, an item, a number."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from ({**value, name: other} for other in damages(item))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield value[:place] + value[place + 1 :]
            yield from ([*value[:place], other, *value[place + 1 :]] for other in damages(item))
    elif isinstance(value, int):
        yield from (value + 1, max(0, value - 1), 2**53 - 1)
    else:
        for place in {0, len(value) // 3, len(value) // 2, len(value) - 1}:
            yield value[:place] + f"{int(value[place], 16) ^ 1:x}" + value[place + 1 :]


@pytest.mark.parametrize("part", ["entries", "heads", "newest"])
def test_damaged_evidence_is_never_good(part: str) -> None:
    """Whatever single thing is changed in good evidence, the author is not found good by it."""
    assert State.OK == author(with_sealed(GOOD, evidence=(EVIDENCE,)))
    tried = 0
    for other in damages(EVIDENCE[part]):
        if other == EVIDENCE[part]:
            continue
        tried += 1
        assert State.FAILED == author(with_sealed(GOOD, evidence=({**EVIDENCE, part: other},)))
    assert tried > 10


def test_the_history_that_is_shown_must_be_the_one_that_is_named() -> None:
    """Evidence counts for the identity in the entry's signed bytes, and is not read where it names none."""
    assert State.ABSENT == author(with_sealed(PLAIN, evidence=(EVIDENCE,)))
    assert State.NOT_CHECKED == author(with_sealed(GOOD, evidence=()))

"""Tests of ``anchor.proof.dispute``: each kind of broken promise is shown, and nothing else is, whatever is changed.

Lying logs come from ``tests/simulators/accused.py``; honest ones are told by hypothesis, and an accuser who has
everything that they ever signed tries every combination.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.breach import (
    EQUIVOCATION,
    AnotherEntry,
    AnotherPlace,
    Breach,
    Fork,
    Kind,
    NotSealed,
    SealedLate,
    SignedRoot,
    TwoPromises,
)
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.dispute import MAX_EVIDENCE_FILE, Evidence, ExitCode, Outcome, judge
from anchor.proof.errors import AnchorlineError, MalformedError, Reason, UnknownVersionError
from anchor.proof.leaves import HeadLeaf, Purpose, SealLeaf
from anchor.proof.merkle import inclusion_path, leaf_hash
from anchor.proof.promise import Promise, PromiseLeaf, signed_message
from anchor.proof.receipt import LogCard
from tests.simulators.accused import ACCUSATIONS, heads_proof, keys_of
from tests.simulators.world import Seal, World, fast_check
from tests.vectors import make_dispute_vectors

MADE = {name: accuse() for name, accuse in ACCUSATIONS.items()}
VECTORS = Path(__file__).parents[2] / "vectors" / "dispute.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]
each_accusation = pytest.mark.parametrize("name", MADE)


def test_every_kind_is_accused() -> None:
    """There is a lying log for each kind of evidence, so that what is tested of all of them is tested of each kind."""
    assert set(Kind) == {evidence.kind for evidence in MADE.values()}


def card_of(evidence: Evidence) -> LogCard:
    return LogCard(evidence.log)


@each_accusation
def test_a_broken_promise_is_shown(name: str) -> None:
    """Evidence of every kind holds by the card alone, and says whether the log was late or contradicts itself."""
    evidence = MADE[name]
    judged = judge(evidence, card_of(evidence), fast_check)
    wanted = Outcome.EQUIVOCATION if evidence.kind in EQUIVOCATION else Outcome.LATE
    assert (wanted, None) == (judged.outcome, judged.reason)
    assert {Outcome.EQUIVOCATION: 8, Outcome.LATE: 0}[wanted] == judged.exit_code


@each_accusation
def test_a_file_is_read_as_it_was_written(name: str) -> None:
    """Evidence written and read again is the same, and written again the same bytes."""
    data = MADE[name].encode()
    assert MADE[name] == Evidence.decode(data)
    assert data == Evidence.decode(data).encode()
    assert len(data) < MAX_EVIDENCE_FILE


@each_accusation
def test_without_a_card_it_is_not_said_whose_log_it_is(name: str) -> None:
    """Without a card evidence that holds has a code of its own; with another log's card it fails."""
    evidence = MADE[name]
    assert ExitCode.NO_CARD == judge(evidence, None, fast_check).exit_code == 3
    judged = judge(evidence, World(name="other").card, fast_check)
    assert (Outcome.FAILED, Reason.WRONG_LOG) == (judged.outcome, judged.reason)


@each_accusation
def test_every_changed_byte_is_refused(name: str) -> None:
    """Whichever byte of a file is changed, it cannot be read, does not hold, or reads as the same evidence."""
    evidence = MADE[name]
    data, card = evidence.encode(), card_of(evidence)
    for at in range(0, len(data), 1 + len(data) // 600):
        changed = bytearray(data)
        changed[at] ^= 1
        try:
            read = Evidence.decode(bytes(changed))
        except MalformedError:
            continue
        assert read == evidence or not judge(read, card, fast_check).holds, (at, data[at - 20 : at + 20])


@each_accusation
def test_evidence_in_the_clothes_of_another_kind_is_refused(name: str) -> None:
    """A file under another kind's name is malformed: no kind has the fields of another."""
    value = json.loads(MADE[name].encode())
    for kind in {str(each) for each in Kind} - {value["kind"]}:
        with pytest.raises(MalformedError):
            Evidence.decode(json.dumps(value | {"kind": kind}).encode())


def test_a_newer_file_is_refused_by_name() -> None:
    """Evidence of another version is told apart from a file that is none."""
    value = json.loads(MADE["sealed too late"].encode()) | {"format": "anchorline-dispute/2"}
    with pytest.raises(UnknownVersionError):
        Evidence.decode(json.dumps(value).encode())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["description"]))
def test_vector(case: dict[str, Any]) -> None:
    """Every vector has the outcome that it says, or is refused as it says."""
    data = json.dumps(case["evidence"]).encode()
    try:
        judged = judge(Evidence.decode(data), LogCard.decode(json.dumps(case["card"]).encode()), fast_check)
    except UnknownVersionError:
        assert "unknown-version" == case["want_error"]
        return
    except MalformedError:
        assert "malformed" == case["want_error"]
        return
    if "want" in case:
        assert case["want"] == judged.to_json()
        return
    assert case["want_error"] == judged.reason


def test_the_vectors_are_those_that_the_script_makes() -> None:
    """The file is what its maker would write now."""
    assert make_dispute_vectors.make() == VECTORS.read_text(encoding="ascii")


# --- honest logs


def honest_log(steps: list[int]) -> tuple[World, list[Promise]]:
    """Tell an honest story: writes to two chains, seals, changes of keys; no promise is ever late."""
    world, promises, names = World(), list[Promise](), ("acme", "bolt")
    chains = [world.write_first(name).entry.chain_id for name in names]
    due_ms = world.now_ms + 30_000
    for step in steps:
        if step < 4:
            (written,) = world.promise(world.write_next(chains[step % 2], b"entry %d" % world.salts))
            assert written.promise is not None
            promises.append(written.promise)
        elif step == 4:
            world.rotate(Purpose.PROMISE)
        elif step == 5:
            world.rotate(Purpose.CHECKPOINT)
        if step > 5 or world.now_ms > due_ms:
            world.seal()
            due_ms = world.now_ms + 30_000
    world.seal()
    return world, promises


def roots_of(world: World) -> Iterator[tuple[SignedRoot, list[bytes]]]:
    """Yield all that an honest log signs, each with its leaf hashes: directory, heads and chains' checkpoints."""
    for at in world.seals:
        yield SignedRoot(at.note), world.directory_hashes[: at.size]
        for index, leaf in enumerate(world.directory[: at.size]):
            if isinstance(leaf, HeadLeaf):
                hashes = [entry.hash for entry in world.chains[leaf.chain_id][: leaf.tree_size]]
                yield SignedRoot(at.note, world.prove(HeadLeaf, index, at)), hashes
    last = world.seals[-1]
    for index in last.head_index.values():
        head = world.prove(HeadLeaf, index, last).leaf
        yield SignedRoot(world.sign_head(head)), [entry.hash for entry in world.chains[head.chain_id][: head.tree_size]]


def accusations(world: World, promises: list[Promise]) -> Iterator[Breach]:
    """Yield every accusation that can be put together of what an honest log signed."""
    roots = list(roots_of(world))
    yield from (TwoPromises(one, other) for one, other in combinations(promises, 2))
    for promise, (root, hashes) in product(promises, roots):
        for index, found in enumerate(hashes):
            path = inclusion_path(hashes, index)
            yield AnotherPlace(promise, root, index, path)
            yield AnotherEntry(promise, root, found, path)
    for (one, some), (other, more) in combinations(roots, 2):
        yield Fork(one, other)
        for index in range(min(len(some), len(more))):
            leaves = ((some[index], inclusion_path(some, index)), (more[index], inclusion_path(more, index)))
            yield Fork(one, other, index, leaves)
    for promise, at in product(promises, world.seals):
        yield from late_accusations(world, promise, at)


def late_accusations(world: World, promise: Promise, at: Seal) -> Iterator[Breach]:
    """Yield every head with every seal and every previous head; and every seal's newest head of every chain."""
    leaves = world.directory[: at.size]
    heads = [world.prove(HeadLeaf, place, at) for place, leaf in enumerate(leaves) if isinstance(leaf, HeadLeaf)]
    seals = [world.prove(SealLeaf, place, at) for place, leaf in enumerate(leaves) if isinstance(leaf, SealLeaf)]
    for head, seal, previous in product(heads, seals, (None, *heads)):
        yield SealedLate(promise, at.note, head, seal, previous)
    for seal, (chain_id, each) in product(seals, product(world.chains, world.seals)):
        yield NotSealed(promise, at.note, seal, heads_proof(world, chain_id, each))


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=2, max_size=7))
def test_an_honest_log_cannot_be_accused(steps: list[int]) -> None:
    """Whoever has everything that an honest log signed can combine it as he likes: nothing of it is evidence."""
    world, promises = honest_log(steps)
    card = world.card
    checked: dict[tuple[bytes, bytes, bytes], bool] = {}

    def check(*signed: bytes) -> bool:
        key = (signed[0], signed[1], signed[2])
        if key not in checked:
            checked[key] = fast_check(*key)
        return checked[key]

    for breach in accusations(world, promises):
        judged = judge(Evidence(world.log, keys_of(world), breach), card, check)
        assert Outcome.FAILED == judged.outcome, judged.text


def test_the_accuser_of_honest_logs_would_find_a_lie() -> None:
    """The same combinations of a log that lies once do hold: the property above can fail."""
    world, promises = honest_log([0, 8, 1])
    forged = replace(promises[0].leaf, entry_hash=bytes(32))
    found = [
        judge(Evidence(world.log, (), breach), world.card, fast_check).outcome
        for breach in accusations(world, [*promises, signed_again(world, promises[0], forged)])
    ]
    assert found.count(Outcome.EQUIVOCATION) > 0


def signed_again(world: World, promise: Promise, leaf: PromiseLeaf) -> Promise:
    """Return a promise of another leaf under the log's own key."""
    note = replace(promise.note, count=1, root=leaf_hash(leaf.encode()))
    signature = world.keys[Purpose.PROMISE].sign(signed_message(note))
    return replace(promise, note=note, signature=signature, leaf=leaf, index=0, path=())


def test_evidence_without_a_needed_key_is_refused() -> None:
    """A statement by a key that is not shown to be the log's shows nothing."""
    evidence = replace(MADE["promises by two keys"], keys=())
    judged = judge(evidence, card_of(evidence), fast_check)
    assert (Outcome.FAILED, Reason.PROMISE_SIGNATURE_WRONG) == (judged.outcome, judged.reason)


def test_a_strangers_signature_accuses_nobody() -> None:
    """What another log signed is no evidence, however it contradicts."""
    evidence, stranger = MADE["two checkpoints of one size"], World(name="stranger")
    assert isinstance(evidence.breach, Fork)
    text = Checkpoint.decode(evidence.breach.other.note.text)
    forged = replace(evidence, breach=replace(evidence.breach, other=SignedRoot(stranger.sign(text))))
    judged = judge(forged, card_of(evidence), fast_check)
    assert (Outcome.FAILED, Reason.CHECKPOINT_SIGNATURE_WRONG) == (judged.outcome, judged.reason)


def test_the_plain_check_says_the_same() -> None:
    """The standard library alone judges as OpenSSL does."""
    evidence = MADE["left out of a later seal"]
    assert judge(evidence, card_of(evidence), fast_check) == judge(evidence, card_of(evidence))


def test_every_error_is_one_of_ours() -> None:
    """A file of nonsense is refused, not tripped over."""
    for data in (b"", b"{}", b"[]", b'{"format": "anchorline-dispute/1"}', b"\xff"):
        with pytest.raises(AnchorlineError):
            Evidence.decode(data)

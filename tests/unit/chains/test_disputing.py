"""Tests of ``chains.disputing`` and ``chains.dispute_files``: what contradicts is found in what people keep.

Lying logs are those of ``tests/simulators/accused.py``; files are written and read as on a writer's disk.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof import strictjson
from anchor.proof.breach import Kind
from anchor.proof.checkpoint import Note
from anchor.proof.dispute import Evidence, judge
from anchor.proof.errors import MalformedError
from anchor.proof.leaves import HeadLeaf, Purpose
from anchor.proof.merkle import inclusion_path
from anchor.proof.promise import Promise
from anchor.proof.promise_run import PromiseRun, beside_in
from anchor.proof.receipt import Content, ContentState, LogCard, Receipt
from anchor.tiles import WithheldError
from chains.client.errors import UntrueAnswerError, Untruth
from chains.client.exchange import Call, Exchange, Reply
from chains.client.saved import SavedExchange
from chains.dispute_files import Statements
from chains.disputing import Search
from chains.published_log import PublishedLog
from tests.simulators.accused import LATE_MS, Scene, published
from tests.simulators.world import Seal, World, Written, fast_check


def found(world: World, said: Statements, *logs: PublishedLog) -> list[Evidence]:
    """Return what is found, each judged again as a third party does."""
    pieces = Search(LogCard(world.log), said, logs, fast_check).evidence()
    for each in pieces:
        assert judge(Evidence.decode(each.encode()), LogCard(world.log), fast_check).holds
    return pieces


def kinds(pieces: list[Evidence]) -> list[Kind]:
    return [each.kind for each in pieces]


def statements(*files: bytes) -> Statements:
    said = Statements()
    for number, data in enumerate(files):
        said.take(f"file {number}", data)
    return said


def promise_file(promise: Promise) -> bytes:
    return strictjson.dumps(promise.to_json()).encode()


def copy_at(world: World, at: Seal) -> PublishedLog:
    return PublishedLog.read(published(world, at))


@pytest.fixture
def pair() -> tuple[Scene, Scene]:
    """The same log twice: the one that promised, and the one that it became."""
    scene = Scene.set_up()
    return scene, scene.copy()


def test_two_promises_are_found_in_two_files(pair: tuple[Scene, Scene]) -> None:
    """A promise file and a pending receipt that name one place are enough."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    written, later = other.promised(b"paid 900")
    pending = Receipt(written.entry, Content(ContentState.WITHHELD), one.world.log, later)
    pieces = found(one.world, statements(promise_file(promise), pending.encode()))
    assert [Kind.TWO_PROMISES] == kinds(pieces)


def test_another_entry_is_found_in_a_published_log(pair: tuple[Scene, Scene]) -> None:
    """The chain's tiles show which entry stands at the promised place."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    other.promised(b"paid 900")
    at = other.world.seal()
    assert [Kind.ANOTHER_ENTRY] == kinds(found(one.world, statements(promise_file(promise)), copy_at(other.world, at)))


def test_another_place_is_found_in_a_receipt(pair: tuple[Scene, Scene]) -> None:
    """A receipt of the promised entry at another index contradicts its promise."""
    one, other = pair
    written, promise = one.promised(b"paid 100")
    other.promised(b"paid 900")
    placed = other.world.write(written.entry, b"paid 100")
    receipt = other.world.receipt(placed, other.world.seal())
    pieces = found(one.world, statements(promise_file(promise), receipt.encode()))
    assert [Kind.ANOTHER_PLACE] == kinds(pieces)


def test_a_late_seal_is_found_in_a_receipt_and_in_a_published_log() -> None:
    """The receipt that holds the promise is evidence by itself; so is the promise with a mirror."""
    scene = Scene.set_up()
    written, promise = scene.promised(b"paid 100")
    scene.world.now_ms += LATE_MS
    at = scene.world.seal()
    receipt = scene.world.receipt(written, at)
    assert [Kind.SEALED_LATE] == kinds(found(scene.world, statements(receipt.encode())))
    mirrored = found(scene.world, statements(promise_file(promise)), copy_at(scene.world, at))
    assert [Kind.SEALED_LATE] == kinds(mirrored)


def test_what_was_left_out_is_found_in_a_later_seal(pair: tuple[Scene, Scene]) -> None:
    """A seal past the promised time without the entry is evidence; one before that time is none."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    other.world.write_first("beside")
    early = other.world.seal()
    said = statements(promise_file(promise))
    assert [] == found(one.world, said, copy_at(other.world, early))
    other.world.now_ms += LATE_MS
    other.world.write_first("further")
    assert [Kind.NOT_SEALED] == kinds(found(one.world, said, copy_at(other.world, other.world.seal())))


def test_two_copies_that_differ_are_a_fork(pair: tuple[Scene, Scene]) -> None:
    """Published copies of one log that part are evidence, at one size and at two; an older copy is not."""
    one, other = pair
    older = copy_at(one.world, one.world.seals[0])
    one.promised(b"paid 100")
    other.promised(b"paid 900")
    first, second = copy_at(one.world, one.world.seal()), copy_at(other.world, other.world.seal())
    nothing = Statements()
    assert [Kind.FORK] == kinds(found(one.world, nothing, first, second))
    assert [] == found(one.world, nothing, older, first)
    other.promised(b"and so on")
    assert [Kind.FORK] == kinds(found(one.world, nothing, first, copy_at(other.world, other.world.seal())))


def test_a_receipt_of_another_history_is_a_fork(pair: tuple[Scene, Scene]) -> None:
    """The leaves that a receipt shows are compared with those that are published."""
    one, other = pair
    written, _ = one.promised(b"paid 100")
    receipt = one.world.receipt(replace(written, promise=None), one.world.seal())
    other.promised(b"paid 900")
    other.world.seal()
    other.promised(b"and so on")
    pieces = found(one.world, statements(receipt.encode()), copy_at(other.world, other.world.seal()))
    assert {Kind.FORK} == set(kinds(pieces))


def test_a_chain_checkpoint_is_compared_with_the_directory(pair: tuple[Scene, Scene]) -> None:
    """A chain's own checkpoint of a root that the directory does not have is a fork of the chain."""
    one, other = pair
    one.promised(b"paid 100")
    other.promised(b"paid 900")
    at = one.world.seal()
    head = one.world.prove(HeadLeaf, at.head_index[one.chain_id], at).leaf
    note = one.world.sign_head(head)
    pieces = found(one.world, statements(note.encode().encode()), copy_at(other.world, other.world.seal()))
    assert [Kind.FORK] == kinds(pieces)


def test_the_gravest_comes_first(pair: tuple[Scene, Scene]) -> None:
    """Where a log is late and contradicts itself, the contradiction is written."""
    one, other = pair
    written, promise = one.promised(b"paid 100")
    _, later = other.promised(b"paid 900")
    one.world.now_ms += LATE_MS
    receipt = one.world.receipt(written, one.world.seal())
    pieces = found(one.world, statements(receipt.encode(), promise_file(promise), promise_file(later)))
    assert [Kind.TWO_PROMISES, Kind.ANOTHER_ENTRY, Kind.SEALED_LATE, Kind.SEALED_LATE] == kinds(pieces)


def test_keys_are_found_in_what_is_published(pair: tuple[Scene, Scene]) -> None:
    """A promise by a newer key needs the key leaves, which a published log has."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    other.world.rotate(Purpose.PROMISE)
    at = other.world.seal()
    _, later = other.promised(b"paid 900")
    said = statements(promise_file(promise), promise_file(later))
    assert [] == found(one.world, said)
    assert [Kind.TWO_PROMISES] == kinds(found(one.world, said, copy_at(other.world, at)))


def test_withheld_leaves_are_no_evidence(pair: tuple[Scene, Scene]) -> None:
    """A directory that is not whole is refused by name; a chain whose tiles lack shows nothing of its entries."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    other.promised(b"paid 900")
    fetch = published(other.world, other.world.seal())
    with pytest.raises(WithheldError):
        PublishedLog.read(lambda path: None if "entries" in path else fetch(path))
    without_chains = PublishedLog.read(lambda path: None if path.startswith("chain/") else fetch(path))
    assert [] == found(one.world, statements(promise_file(promise)), without_chains)
    with pytest.raises(MalformedError):
        PublishedLog.read(lambda _: None)


# --- saved exchanges


def saved(untruth: Untruth, *bodies: bytes, **more: Any) -> bytes:
    """Return the file that the client writes."""
    exchanges = [Exchange(Call("GET", "/v1/x"), Reply(200, {"content-type": "x"}, body)) for body in bodies]
    return strictjson.dumps(UntrueAnswerError(untruth, "so it was", *exchanges, **more).to_json()).encode()


def test_a_saved_exchange_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Requests, answers, promise and checkpoints come back byte for byte."""
    scene = Scene.set_up()
    _, promise = scene.promised(b"paid 100")
    note = scene.world.seals[0].note
    exchange = Exchange(
        Call("POST", "/v1/chains/x/entries", (("content-type", "text/plain"),), b"\x00\xff"),
        Reply(201, {"etag": '"1"'}, b"answer"),
    )
    error = UntrueAnswerError(Untruth.INDEX, "at another place", exchange, promise=promise, checkpoints=(note,))
    error.save(tmp_path / "exchange.json")
    read = SavedExchange.decode((tmp_path / "exchange.json").read_bytes())
    assert ("index-wrong", (exchange,), promise, (note,)) == (
        read.untruth,
        read.exchanges,
        read.promise,
        read.checkpoints,
    )


@pytest.mark.parametrize("change", [{"more": 1}, {"exchanges": [{}]}, {"checkpoints": ["x"]}, {"format": "x/1"}])
def test_a_file_that_is_no_exchange_is_refused(change: dict[str, Any]) -> None:
    """Unknown fields, exchanges without an answer, notes that are none and other formats are malformed."""
    value = json.loads(saved(Untruth.INDEX, b"{}")) | change
    with pytest.raises(MalformedError):
        SavedExchange.decode(json.dumps(value).encode())


def test_promises_are_taken_out_of_answers(pair: tuple[Scene, Scene]) -> None:
    """Whatever form an answer gives it (one entry, a promise alone, a receipt), a promise in it counts."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    written, later = other.promised(b"paid 900")
    answers = (
        json.dumps({"chain_id": "", "promise": later.to_json()}),
        json.dumps(later.to_json()),
        Receipt(written.entry, Content(ContentState.WITHHELD), one.world.log, later).encode().decode(),
    )
    for answer in answers:
        said = statements(promise_file(promise), saved(Untruth.PROMISE_SUBMITTER, answer.encode()))
        assert [Kind.TWO_PROMISES] == kinds(found(one.world, said))


def test_promises_over_a_run_are_taken_out_of_a_batch(pair: tuple[Scene, Scene]) -> None:
    """The answer to a batch promises every entry of it, with the submitter that it names."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    items: list[Written] = other.world.promise(
        *(other.world.write_next(other.chain_id, b"paid %d" % number) for number in range(3))
    )
    first = items[0].promise
    assert first is not None
    run = PromiseRun(first.note, first.key_id, first.signature, 0, 3, beside_in([[b""] * 3], 0, 3))
    answer = {
        "chain_id": one.chain_id.hex(),
        "submitter": first.leaf.submitter.hex(),
        "results": [{"status": 201, "leaf_index": item.index, "entry_hash": item.entry.hash.hex()} for item in items],
        "promise": run.to_json(),
    }
    said = statements(promise_file(promise), saved(Untruth.PROMISE_TIMES, json.dumps(answer).encode()))
    assert 4 == len(said.promises)
    assert [Kind.TWO_PROMISES] == kinds(found(one.world, said))


def test_checkpoints_of_two_histories_that_a_client_saw_are_a_fork(pair: tuple[Scene, Scene]) -> None:
    """The notes that the client keeps with ``history-forked`` show it, where they are of one size."""
    one, other = pair
    one.promised(b"paid 100")
    other.promised(b"paid 900")
    notes: tuple[Note, ...] = (one.world.seal().note, other.world.seal().note)
    data = saved(Untruth.HISTORY, notes[1].encode().encode(), checkpoints=notes)
    assert {Kind.FORK} == set(kinds(found(one.world, statements(data))))


def test_an_exchange_without_a_signature_shows_nothing() -> None:
    """An answer in which the log signed nothing is named as such."""
    said = statements(saved(Untruth.CONTENT_CHANGED, b"other content"))
    assert ["file 0 (content-changed)"] == said.unsigned
    assert [] == found(Scene.set_up().world, said)


def test_a_signature_that_another_file_has_too_is_one() -> None:
    """An exchange with a promise that is kept in a file of its own as well is not one without a signature."""
    _, promise = Scene.set_up().promised(b"paid 100")
    said = statements(promise_file(promise), saved(Untruth.INDEX, promise_file(promise)))
    assert [] == said.unsigned
    assert [promise] == list(said.promises)


def test_a_signed_note_that_is_no_checkpoint_hides_nothing(pair: tuple[Scene, Scene]) -> None:
    """In an answer it is passed over, beside which the rest is found; as a file it is refused."""
    one, other = pair
    _, promise = one.promised(b"paid 100")
    _, later = other.promised(b"paid 900")
    note = Note("not a checkpoint\n", one.world.seals[0].note.signatures).encode().encode()
    said = statements(promise_file(promise), saved(Untruth.INDEX, note, promise_file(later)))
    assert [Kind.TWO_PROMISES] == kinds(found(one.world, said))
    with pytest.raises(MalformedError):
        statements(note)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b'{"format": "anchorline-log/1"}'])
def test_a_file_of_another_kind_is_refused(data: bytes) -> None:
    """A file that is neither promise nor receipt, checkpoint or exchange is named."""
    with pytest.raises(MalformedError):
        statements(data)


# --- honest logs


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_in_an_honest_log_nothing_is_found(steps: list[int]) -> None:
    """All promises, receipts and published copies of an honest log, laid side by side, show nothing."""
    scene = Scene.set_up()
    world, files, logs = scene.world, list[bytes](), list[PublishedLog]()
    waiting: list[Written] = []
    for step in steps:
        if step < 3 and len(waiting) < 8:
            written, promise = scene.promised(b"entry %d" % world.salts)
            waiting.append(written)
            files.append(promise_file(promise))
            continue
        if step == 3:
            world.rotate(Purpose.CHECKPOINT)
        at = world.seal()
        logs.append(copy_at(world, at))
        files += [world.receipt(each, at).encode() for each in waiting]
        files.append(at.note.encode().encode())
        waiting.clear()
    assert [] == found(world, statements(*files), *logs)


def test_what_contradicts_nothing_costs_no_signature_check() -> None:
    """Promises that were kept in time are not judged: a batch has a thousand, and pairs of them a million."""
    scene = Scene.set_up()
    said = Statements()
    for number in range(20):
        written, _ = scene.promised(b"%d" % number)
        said.take("receipt", scene.world.receipt(written, scene.world.seal()).encode())
    checked: list[bytes] = []

    def counting(public_key: bytes, message: bytes, signature: bytes) -> bool:
        checked.append(message)
        return fast_check(public_key, message, signature)

    log = copy_at(scene.world, scene.world.seals[-1])
    assert [] == Search(LogCard(scene.world.log), said, (log,), counting).evidence()
    assert [] == checked


def test_tiles_are_read_once_for_all_promises(pair: tuple[Scene, Scene]) -> None:
    """A batch of promises of one chain is compared with its tile, which is fetched once."""
    one, other = pair
    said = statements(*(promise_file(one.promised(b"paid %d" % number)[1]) for number in range(8)))
    for number in range(8):
        other.promised(b"paid %d" % (900 + number))
    fetch, fetched = published(other.world, other.world.seal()), list[str]()

    def counting(path: str) -> bytes | None:
        fetched.append(path)
        return fetch(path)

    assert [Kind.ANOTHER_ENTRY] * 8 == kinds(found(one.world, said, PublishedLog.read(counting)))
    tiles = [path for path in fetched if path.startswith(f"chain/{one.chain_id.hex()}/tile/0/")]
    assert 1 == len(tiles)


def test_a_path_from_tiles_is_that_of_the_tree() -> None:
    """What is made of tiles is what is made of the whole list of leaf hashes."""
    scene = Scene.set_up()
    for number in range(5):
        scene.promised(b"%d" % number)
    log = copy_at(scene.world, scene.world.seal())
    hashes = scene.world.directory_hashes
    assert [inclusion_path(hashes, index) for index in range(len(hashes))] == [
        log.leaf_at(index)[1] for index in range(len(hashes))
    ]

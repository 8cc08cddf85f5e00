"""Answers that are made as text: letter by letter what msgspec makes of the same entry, with a promise that holds."""

from pathlib import Path

import msgspec
import pytest

from anchor.errors import StorageFullError
from anchor.proof.promise import Promise, check_promise
from anchor.signing import check_signature
from chains.together import commit_together
from chains.web.asgi import whole_of
from chains.web.problems import ProblemError
from chains.web.schemas import Written
from chains.web.written import EntryWritten, created, written_each, written_of
from chains.work import Accepted, Content, Done
from tests.simulators.store import START_MS, Store

BEFORE = (0, 1, 2, 3, 5)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 33])
def test_a_run_is_written_as_each_of_its_entries_would_be(tmp_path: Path, before: int, count: int) -> None:
    """Whatever else the commit holds, before and behind, every entry has its own path, index and promise leaf."""
    store = Store(tmp_path / "anchorline.db")
    other, chain = store.open_chain("other"), store.open_chain("acme")
    works = [
        store.writer.prepare(to, [Content(b"%d" % number) for number in range(size)], submitter)
        for to, size, submitter in ((other, before, bytes(16)), (chain, count, bytes([7]) * 16), (other, 3, bytes(16)))
    ]
    _, done, _ = commit_together(store.writer, works, START_MS)
    assert isinstance(done, Done)
    assert done.promised is not None
    each = written_each(done, count)
    for outcome, whole in zip(done.outcomes, each, strict=True):
        assert isinstance(outcome, Accepted)
        assert isinstance(whole, bytes)
        written = EntryWritten.of_whole(whole)
        promise = done.promised.promise(done.leaf(outcome), outcome.seq)
        assert written_of(done, outcome, promise) == written
        assert whole_of(created(written)) == whole
        read = msgspec.json.decode(written.body, type=Written)
        assert read.promise is not None
        found = Promise.from_json(msgspec.to_builtins(read.promise))
        check_promise(found, store.writer.log_id, store.writer.promise_key.public_key, check_signature)
        assert (chain.chain_id.hex(), outcome.leaf_index) == (read.chain_id, found.leaf.leaf_index)
    store.engine.close()


def test_one_that_is_refused_does_not_disturb_the_others(tmp_path: Path) -> None:
    """What breaks a rule gets its own problem, the others their promises, each in its place."""
    store = Store(tmp_path / "anchorline.db")
    chain = store.open_chain("acme")
    contents = [Content(b"good"), Content(b"bad", "text/\tplain"), Content(b"good too")]
    (done,) = commit_together(store.writer, [store.writer.prepare(chain, contents)], START_MS)
    first, refused, last = written_each(done, 3)
    assert isinstance(first, bytes)
    assert isinstance(last, bytes)
    assert isinstance(refused, ProblemError)
    assert "entry-malformed" == refused.code
    indexes = [
        msgspec.json.decode(EntryWritten.of_whole(whole).body, type=Written).leaf_index for whole in (first, last)
    ]
    assert [1, 2] == indexes
    store.engine.close()


def test_an_error_is_told_to_each() -> None:
    """Where nothing was kept, all who waited hear the same."""
    error = StorageFullError("no space left")
    assert [error, error] == list(written_each(error, 2))

"""Tests of closed chains: nothing follows a closing, whichever way it comes in, and the audit names what does."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from anchor.errors import ChainClosedError, RefusedEntryError
from anchor.hashing.chosen import HASHING
from anchor.journal import Journal
from anchor.proof.chain_life import Closing, Continuation, Transfer
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.errors import MalformedError
from anchor.signing import SigningKey
from chains.audit import Audit
from chains.bundle import Column
from chains.chain import Batch, Chain
from chains.life_stating import Signer, close_chain, stating
from chains.reader import Reader
from chains.together import commit_together
from chains.work import Content, Done, Opening, Refused, Submission, Work
from tests.simulators.store import LOG, START_MS, Store, chain_id, clear, submission_of

ALICE, BOB = bytes([1]) * 16, bytes([2]) * 16
ELSEWHERE = sha256(b"another log")


@pytest.fixture
def acme(store: Store) -> Chain:
    return store.open_chain("acme")


def closing_of(chain: Chain, now_ms: int = START_MS) -> Submission:
    return stating(chain.chain_id, Closing(now_ms, "the year is over"), LOG.log_id)


def erasure_of(chain: Chain) -> Submission:
    statement = ErasureStatement(Act.ERASE, Scope.ENTRY, START_MS, "a court said so").encode()
    entry = Entry(chain.chain_id, bytes(32), extensions=(Extension(ExtensionType.ERASURE, statement),))
    return Submission(entry.encode())


def outcomes(store: Store, *works: Work) -> list[list[str | int]]:
    """Commit works together; return leaf indexes, or codes of refusals."""
    answers = commit_together(store.writer, works, START_MS)
    found = []
    for answer in answers:
        assert isinstance(answer, Done)
        found.append([item.code if isinstance(item, Refused) else item.leaf_index for item in answer.outcomes])
    return found


def findings(store: Store) -> list[str]:
    journal = Journal(store.engine)
    reader = Reader(store.engine, store.chains, store.lookup)
    report = Audit(store.engine, store.trees, store.directory, store.chains, reader, journal).run()
    return [f"{each.where}: {each.what}" for each in report.findings]


def test_nothing_follows_a_closing(store: Store, acme: Chain) -> None:
    """Contents, digests and entries of their writers are refused; the refusal says since when, why and what to do."""
    close_chain(store.writer, acme, "the year is over", ELSEWHERE, START_MS)
    ways: list[Callable[[], object]] = [
        lambda: store.writer.record(acme, [b"more"], START_MS),
        lambda: store.writer.record_digests(acme, [sha256(b"more")], START_MS),
        lambda: store.writer.submit(acme, [submission_of(acme.chain_id, b"more")], START_MS),
        lambda: close_chain(store.writer, acme, "again", None, START_MS),
    ]
    for way in ways:
        with pytest.raises(ChainClosedError) as refusal:
            way()
        text = str(refusal.value)
        assert "closed by its entry 1 at 2025-06-15T15:06:40Z" in text
        assert '"the year is over"' in text
        assert ELSEWHERE.hex() in text
    assert 2 == store.chains.size(acme)
    assert [3] == [
        item.leaf_index for item in store.writer.record(store.open_chain("beta"), [b"1", b"2", b"3"], START_MS)
    ][-1:]


def test_a_closed_chain_is_closed_for_every_process(open_store: Callable[[], Store]) -> None:
    """What one process closed, another one that had it open before refuses too."""
    one, other = open_store(), open_store()
    acme = one.open_chain("acme")
    other.writer.record(acme, [b"more"], START_MS)
    close_chain(one.writer, acme, "", None, START_MS)
    with pytest.raises(ChainClosedError):
        other.writer.record(acme, [b"late"], START_MS)
    assert [["chain-closed"]] == outcomes(other, other.writer.prepare(acme, [Content(b"late")]))


def test_the_same_closing_again_has_its_first_place(store: Store, acme: Chain) -> None:
    """A closing whose answer was lost can be handed in again."""
    closing = closing_of(acme)
    [first] = store.writer.submit(acme, [closing], START_MS)
    [again] = store.writer.submit(acme, [closing], START_MS)
    assert (first.leaf_index, True) == (again.leaf_index, again.repeated)


def test_erasures_may_follow(store: Store, acme: Chain) -> None:
    """A law may demand an erasure after the closing, so the service's own is taken; nobody else's, and nothing else."""
    close_chain(store.writer, acme, "", None, START_MS)
    [erased] = store.writer.submit(acme, [erasure_of(acme)], START_MS, by_service=True)
    assert 2 == erased.leaf_index
    other = replace(Entry.decode(erasure_of(acme).entry), content_commitment=sha256(b"2"))
    with pytest.raises(RefusedEntryError, match="anchorline erase"):
        store.writer.submit(acme, [Submission(other.encode())], START_MS)
    items = [submission_of(acme.chain_id, b"more")]
    assert [["chain-closed"]] == outcomes(store, store.writer.prepare(acme, items))


def test_a_commit_of_many_ends_with_the_closing(store: Store, acme: Chain) -> None:
    """What came before the closing stands before it, whoever sent it; what came behind it is refused."""
    writer = store.writer
    beta = store.open_chain("beta")
    works = [
        writer.prepare(acme, [submission_of(acme.chain_id, b"1")], ALICE),
        writer.prepare(acme, [Content(b"2")], BOB),
        writer.prepare(acme, [submission_of(acme.chain_id, b"3"), closing_of(acme)], ALICE),
        writer.prepare(acme, [Content(b"4"), Content(b"5")], ALICE),
        writer.prepare(acme, [closing_of(acme, START_MS + 1)], BOB),
        writer.prepare(beta, [Content(b"6")], ALICE),
    ]
    found = outcomes(store, *works)
    assert {1, 2} == {*found[0], *found[1]}
    assert [[3, 4], ["chain-closed", "chain-closed"], ["chain-closed"], [1]] == found[2:]
    assert 5 == store.chains.size(acme)
    closing = writer.lives.closing(acme)
    assert closing is not None
    assert (4, "the year is over") == (closing[0], closing[1].reason)


def test_what_is_behind_the_closing_in_one_piece_is_refused(store: Store, acme: Chain) -> None:
    """One caller's entries behind his own closing are refused, each by name."""
    items = [closing_of(acme), submission_of(acme.chain_id, b"late")]
    assert [[1, "chain-closed"]] == outcomes(store, store.writer.prepare(acme, items))
    beta = store.open_chain("beta")
    with pytest.raises(ChainClosedError, match="being closed now"):
        store.writer.submit(beta, [closing_of(beta), submission_of(beta.chain_id, b"late")], START_MS)


def test_a_commit_that_failed_closed_nothing(store: Store, acme: Chain) -> None:
    """A closing whose transaction was undone leaves the chain open."""

    class FullError(Exception):
        pass

    def fail(_accepted: object) -> None:
        raise FullError

    with pytest.raises(FullError):
        store.writer.submit(acme, [closing_of(acme)], START_MS, note=fail)
    assert {} == store.writer.lives.closed()
    assert [1] == [item.leaf_index for item in store.writer.record(acme, [b"more"], START_MS)]


def test_statements_that_nobody_may_hand_in(store: Store, acme: Chain) -> None:
    """Transfers and continuations are the service's to write; a closing is neither first nor towards this log."""
    for statement in (Transfer(0, ALICE, BOB), Continuation(0, ELSEWHERE, 1, ELSEWHERE, 3, ELSEWHERE)):
        submission = stating(acme.chain_id, statement, LOG.log_id)
        with pytest.raises(RefusedEntryError, match="the service itself"):
            store.writer.submit(acme, [submission], START_MS)
        assert [["entry-refused"]] == outcomes(store, store.writer.prepare(acme, [submission]))
    here = stating(acme.chain_id, Closing(0, "", LOG.log_id), LOG.log_id)
    with pytest.raises(RefusedEntryError, match="this very log"):
        store.writer.submit(acme, [here], START_MS)
    torn = Entry(acme.chain_id, bytes(32), extensions=(Extension(ExtensionType.CLOSING, b"\x01"),)).encode()
    with pytest.raises(MalformedError):
        store.writer.submit(acme, [Submission(torn)], START_MS)
    new_id = chain_id("gamma")
    first = Entry(new_id, bytes(32), external_ids=(clear("gamma"),), extensions=(_extension(Closing(0, "")),))
    with pytest.raises(RefusedEntryError, match="does not begin with its closing"):
        store.writer.open_chain_with(Submission(first.encode()), None, START_MS)
    work = store.writer.prepare(Opening(new_id, None), [Submission(first.encode())])
    [answer] = commit_together(store.writer, [work], START_MS)
    assert "does not begin with its closing" in str(answer)
    assert 1 == store.chains.size(acme)


def _extension(closing: Closing) -> Extension:
    return Extension(ExtensionType.CLOSING, closing.encode())


def test_a_signed_closing_is_meant_for_this_log(store: Store, acme: Chain) -> None:
    """A signed closing cannot be handed in to another log."""
    key = SigningKey(sha256(b"clerk"))
    accepted = close_chain(store.writer, acme, "", None, START_MS, Signer(key))
    entry = store.writer.lives.entry(acme, accepted.leaf_index)
    assert LOG.log_id == entry.extension(ExtensionType.LOG_ID)
    assert key.public_key == entry.author.body[:32]


def test_a_chain_that_is_closed_while_others_are_audited_is_no_finding(store: Store, acme: Chain) -> None:
    """Which chains have a life is asked for many at once; one that is closed behind that question is looked at anew."""

    class ClosingMeanwhile(Audit):
        def _named(self, some: Sequence[Chain]) -> set[int]:
            named = super()._named(some)
            close_chain(store.writer, acme, "the year is over", None, START_MS)
            return named

    reader = Reader(store.engine, store.chains, store.lookup)
    parts = (store.engine, store.trees, store.directory, store.chains)
    report = ClosingMeanwhile(*parts, reader, Journal(store.engine)).run()
    assert (2, []) == (report.entries, report.findings)


def test_the_audit_names_what_stands_behind_a_closing(store: Store, acme: Chain) -> None:
    """An entry that a lying operator puts behind a closing is named, an erasure is not; so is a table that lies."""
    close_chain(store.writer, acme, "", None, START_MS)
    store.writer.submit(acme, [erasure_of(acme)], START_MS, by_service=True)
    assert [] == findings(store)
    forced = submission_of(acme.chain_id, b"forced").entry
    with store.engine.transaction():
        batch = Batch(Column.of([forced]), Column.of([b""]), HASHING.leaves([forced]), with_ids=False)
        run = store.chains.append_rows(acme, batch, ALICE)
        store.writer.promise([(acme.chain_id, run, batch.hashes)], START_MS)
    assert ["stands behind the closing of its chain, entry 1"] == [each.partition(": ")[2] for each in findings(store)]
    with store.engine.transaction():
        store.engine.execute("UPDATE life_entry SET ends_here = 0")
    assert any("are not noted as its entries say them" in each for each in findings(store))

"""The commit of many: several callers and chains in one transaction, one promise over all, one bad piece fails alone.

Entries are made as clients would; the whole database is checked by the rules afterwards (``tests.simulators.rules``).
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import ChainExistsError, ClockError, RefusedEntryError, ReusedKeyError, StorageError
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType, content_commitment
from anchor.proof.promise import check_promise
from anchor.proof.promise_run import promises_of
from anchor.signing import check_signature
from chains.chain import Chain, decode_kept
from chains.idempotency import KEPT_MS, RequestKey
from chains.settings import Limits
from chains.together import Answer, commit_together
from chains.work import Accepted, Content, Done, Opening, Refused, Submission, Work
from tests.databases import open_new
from tests.simulators.rules import check_entries
from tests.simulators.store import LOG, START_MS, Store, chain_id, clear, entry_of, submission_of

ALICE, BOB = bytes([1]) * 16, bytes([2]) * 16


@pytest.fixture
def acme(store: Store) -> Chain:
    return store.open_chain("acme")


@pytest.fixture
def beta(store: Store) -> Chain:
    return store.open_chain("beta")


def submissions(chain: Chain, *contents: bytes) -> list[Submission]:
    return [submission_of(chain.chain_id, content) for content in contents]


def done(answer: Answer) -> Done:
    assert isinstance(answer, Done), answer
    return answer


def places(answer: Answer) -> list[object]:
    """Return leaf indexes (negative where repeated), or the code of the refusal."""
    return [
        item.code if isinstance(item, Refused) else (-item.leaf_index if item.repeated else item.leaf_index)
        for item in done(answer).outcomes
    ]


def commits(store: Store) -> int:
    return int(store.engine.query("SELECT COUNT(*) FROM group_commit")[0][0])


def check_promises(store: Store, answer: Answer) -> None:
    """Every new entry of an answer has a promise that verifies, by itself and as part of the run."""
    found = done(answer)
    new = [item for item in found.outcomes if isinstance(item, Accepted) and not item.repeated]
    if not new:
        assert found.promised is None
        return
    assert found.promised is not None
    leaves = [found.leaf(item) for item in new]
    run = found.promised.run(new[0].seq, len(new))
    for item, leaf, of_run in zip(new, leaves, promises_of(run, leaves), strict=True):
        promise = found.promised.promise(leaf, item.seq)
        assert of_run == promise
        check_promise(promise, LOG.log_id, store.promise_key.public_key, check_signature)


# --- many callers


def test_works_of_many_callers_are_one_commit(store: Store, acme: Chain, beta: Chain) -> None:
    """Several chains and submitters share a transaction and a signature; each caller's entries keep their order."""
    before = commits(store)
    writer = store.writer
    answers = commit_together(
        writer,
        [
            writer.prepare(acme, [Content(b"one"), Content(b"two", "text/plain", (clear("2"),))], ALICE),
            writer.prepare(beta, submissions(beta, b"x", b"y"), BOB),
            writer.prepare(acme, submissions(acme, b"three"), BOB),
            writer.prepare(acme, [Content(b"four", keep=False)], ALICE),
        ],
        START_MS,
    )
    assert before + 1 == commits(store)
    assert [[1, 2], [1, 2], [3], [4]] == list(map(places, answers))
    for answer in answers:
        check_promises(store, answer)
    check_entries(store)


def test_each_entry_is_kept_for_its_own_submitter(store: Store, acme: Chain) -> None:
    """What is stored of an entry is its caller's: commitment, salt, content or digest, and who handed it in."""
    writer = store.writer
    (answer,) = commit_together(
        writer,
        [
            writer.prepare(
                acme,
                [
                    Content(b"kept", "text/plain"),
                    submission_of(acme.chain_id, b"ready-made"),
                    Content(b"not kept", keep=False),
                    Submission(entry_of(acme.chain_id, b"at home").encode()),
                ],
                ALICE,
            )
        ],
        START_MS,
    )
    found = []
    for item in done(answer).outcomes:
        assert isinstance(item, Accepted)
        _, raw, column = store.chains.bundles.row(item.seq)
        assert ALICE == store.chains.place_of(item.seq).submitter
        kept = decode_kept(column)
        found.append((kept and kept.digest, kept and kept.content))
        if kept is not None:
            assert content_commitment(kept.salt, kept.digest) == Entry.decode(raw).content_commitment
    expected = [
        (sha256(b"kept"), b"kept"),
        (sha256(b"ready-made"), b"ready-made"),
        (sha256(b"not kept"), None),
        (None, None),
    ]
    assert expected == found
    check_entries(store)


def test_one_bad_entry_fails_alone(store: Store, acme: Chain) -> None:
    """What breaks a rule is refused with a code; all others of the same request, and of others, are taken."""
    writer = store.writer
    late = replace(entry_of(acme.chain_id, b"late"), extensions=(not_after(START_MS - 1),))
    items: list[Submission | Content] = [
        Content(b"good"),
        Submission(b"\x01"),
        Submission(late.encode()),
        Submission(b"\x02" * 200),
        submission_of(chain_id("other"), b"content"),
        Content(bytes(Limits().content_bytes + 1)),
        Content(b"x", external_ids=(clear("i" * 4095),)),
        Submission(entry_of(acme.chain_id, b"x").encode(), bytes(16), None, b"other"),
        submission_of(acme.chain_id, b"good too"),
    ]
    answers = commit_together(writer, [writer.prepare(acme, items), writer.prepare(acme, items[:1])], START_MS)
    expected = [
        1,
        "entry-malformed",
        "entry-too-late",
        "entry-version-unknown",
        "entry-refused",
        "content-too-large",
        "entry-too-large",
        "entry-refused",
        2,
    ]
    assert expected == places(answers[0])
    assert [3] == places(answers[1])
    for answer in answers:
        check_promises(store, answer)
    check_entries(store)


def not_after(time_ms: int) -> Extension:
    return Extension(ExtensionType.NOT_VALID_AFTER, time_ms.to_bytes(8, "big"))


def test_work_of_which_nothing_is_taken_writes_nothing(store: Store, acme: Chain) -> None:
    """No entries, or only bad ones, make no commit."""
    before = commits(store)
    writer = store.writer
    answers = commit_together(writer, [writer.prepare(acme, []), writer.prepare(acme, [Submission(b"")])], START_MS)
    assert [[], ["entry-malformed"]] == list(map(places, answers))
    assert before == commits(store)


# --- once


def test_an_entry_that_two_callers_hand_in_is_written_once(store: Store, acme: Chain) -> None:
    """The first caller's stands; the second hears that it is there, also in the same commit."""
    writer = store.writer
    twice = submissions(acme, b"a", b"b", b"a")
    answers = commit_together(
        writer, [writer.prepare(acme, twice, ALICE), writer.prepare(acme, twice[::-1], BOB)], START_MS
    )
    assert [[1, 2, -1], [-1, -2, -1]] == list(map(places, answers))
    again = commit_together(writer, [writer.prepare(acme, twice, BOB)], START_MS + 1)
    assert [[-1, -2, -1]] == list(map(places, again))
    assert {ALICE} == {store.chains.place_of(seq).submitter for seq in (2, 3)}
    for answer in answers:
        check_promises(store, answer)
    check_entries(store)


def test_a_clock_that_went_back_still_answers_for_what_is_there(store: Store, acme: Chain) -> None:
    """Nothing new is taken with a falling time; what was taken before is acknowledged as ever."""
    writer = store.writer
    known = submissions(acme, b"a")
    commit_together(writer, [writer.prepare(acme, known)], START_MS)
    before = commits(store)
    answers = commit_together(
        writer,
        [
            writer.prepare(acme, known),
            writer.prepare(acme, [Content(b"new")]),
            writer.prepare(acme, submissions(acme, b"a", b"new")),
            writer.prepare(opening("beta"), [Content(b"", external_ids=(clear("beta"),))]),
        ],
        START_MS - 10**6,
    )
    assert [-1] == places(answers[0])
    assert [ClockError] * 3 == [type(answer) for answer in answers[1:]]
    assert before == commits(store)


# --- opening


def opening(name: str, notes: list[Chain] | None = None) -> Opening:
    return Opening(chain_id(name), name, notes.append if notes is not None else lambda _: None)


def first(store: Store, name: str, notes: list[Chain] | None = None, key: RequestKey | None = None) -> Work:
    item = Content(b"first", external_ids=(clear(name),))
    return store.writer.prepare(opening(name, notes), [item], ALICE, key)


def test_chains_are_opened_beside_other_work(store: Store, acme: Chain) -> None:
    """A chain is opened in the same commit; one that exists already is refused alone, and so is a bad first entry."""
    notes: list[Chain] = []
    writer = store.writer
    answers = commit_together(
        writer,
        [
            first(store, "beta", notes),
            first(store, "beta", notes),
            first(store, "acme", notes),
            writer.prepare(opening("gamma", notes), [Submission(b"\x01")]),
            writer.prepare(acme, [Content(b"x")]),
        ],
        START_MS,
    )
    opened = done(answers[0])
    assert ("beta", chain_id("beta")) == (opened.chain.name, opened.chain.chain_id)
    assert [opened.chain] == notes
    assert [ChainExistsError, ChainExistsError, RefusedEntryError] == [type(answer) for answer in answers[1:4]]
    assert ([0], [1]) == (places(answers[0]), places(answers[4]))
    assert ["acme", "beta"] == [chain.name for chain in store.chains.all()]
    for answer in (answers[0], answers[4]):
        check_promises(store, answer)
    check_entries(store)


def test_a_ready_made_first_entry_must_give_the_chain_id(store: Store) -> None:
    """A client's own first entry opens the chain that its ids name, and no other."""
    good = store.writer.prepare(opening("acme"), [submission_of(chain_id("acme"), b"first", clear("acme"))])
    bad = store.writer.prepare(opening("beta"), [submission_of(chain_id("beta"), b"first", clear("acme"))])
    answers = commit_together(store.writer, [bad, good], START_MS)
    assert isinstance(answers[0], RefusedEntryError)
    assert "must give its chain id" in str(answers[0])
    assert [0] == places(answers[1])
    check_entries(store)


# --- request keys


KEY = RequestKey.of("org_a", b"key-1", b"POST", b"body")


def test_a_request_sent_again_gets_the_same_answer(open_store: Callable[[], Store]) -> None:
    """Under one key the same request is written once; the answer, promise included, is the first one's."""
    store = open_store()
    chain = store.open_chain("acme")
    items: list[Submission | Content] = [Content(b"a"), Submission(b""), submission_of(chain.chain_id, b"b")]
    commit_together(store.writer, [store.writer.prepare(chain, items[2:])], START_MS)
    work = store.writer.prepare(chain, items, ALICE, KEY)
    (answer,) = commit_together(store.writer, [work], START_MS)
    before = commits(store)
    other = open_store()
    (again,) = commit_together(other.writer, [other.writer.prepare(chain, items, ALICE, KEY)], START_MS + 5)
    assert list(done(answer).outcomes) == list(done(again).outcomes)
    assert (False, True) == (done(answer).is_replayed, done(again).is_replayed)
    one, two = done(answer).promised, done(again).promised
    assert one is not None
    assert two is not None
    assert (one.note, one.signature, one.first_seq, list(map(list, one.levels))) == (
        two.note,
        two.signature,
        two.first_seq,
        list(map(list, two.levels)),
    )
    assert before == commits(store)
    check_entries(store)


def test_a_request_twice_in_one_commit_is_written_once(store: Store, acme: Chain) -> None:
    """A client that lost patience and asked again at once gets one answer, too."""
    work = store.writer.prepare(acme, [Content(b"a")], ALICE, KEY)
    again = store.writer.prepare(acme, [Content(b"a")], ALICE, KEY)
    other = store.writer.prepare(acme, [Content(b"b")], ALICE, replace(KEY, request=bytes(32)))
    answers = commit_together(store.writer, [work, again, other], START_MS)
    assert done(answers[0]).outcomes == done(answers[1]).outcomes
    assert isinstance(answers[2], ReusedKeyError)
    assert 2 == store.chains.size(acme)
    check_entries(store)


def test_a_key_of_another_request_is_refused(store: Store, acme: Chain) -> None:
    """A key names one request; another one under it is refused, and nothing of it is written."""
    commit_together(store.writer, [store.writer.prepare(acme, [Content(b"a")], ALICE, KEY)], START_MS)
    other = replace(KEY, request=bytes(32))
    (answer,) = commit_together(store.writer, [store.writer.prepare(acme, [Content(b"b")], ALICE, other)], START_MS)
    assert isinstance(answer, ReusedKeyError)
    assert 2 == store.chains.size(acme)


def test_keys_of_two_accounts_are_two(store: Store) -> None:
    """The same key of another account, or over other parts, is another key."""
    assert RequestKey.of("org_a", b"k", b"x").name != RequestKey.of("org_b", b"k", b"x").name
    assert RequestKey.of("org_a", b"k", b"ab", b"c").request != RequestKey.of("org_a", b"k", b"a", b"bc").request


def test_a_key_is_forgotten_after_a_day(store: Store, acme: Chain) -> None:
    """A key that is a day old is free again, and its row makes room."""
    for at_ms in (START_MS, START_MS + KEPT_MS - 1, START_MS + KEPT_MS):
        commit_together(store.writer, [store.writer.prepare(acme, [Content(b"a")], ALICE, KEY)], at_ms)
    assert 3 == store.chains.size(acme), "the first and the third were written"
    other = RequestKey.of("org_a", b"key-2", b"")
    commit_together(store.writer, [store.writer.prepare(acme, [Content(b"a")], ALICE, other)], START_MS + 3 * KEPT_MS)
    assert [(other.name,)] == store.engine.query("SELECT name FROM request_key")


def test_a_repeated_opening_gets_the_same_answer(store: Store) -> None:
    """Opening a chain twice under one key is no error: the second hears of the first."""
    (opened,) = commit_together(store.writer, [first(store, "acme", key=KEY)], START_MS)
    (again,) = commit_together(store.writer, [first(store, "acme", key=KEY)], START_MS)
    assert (done(opened).chain, list(done(opened).outcomes)) == (done(again).chain, list(done(again).outcomes))


# --- all or nothing


class BrokenKeyError(StorageError):
    pass


def test_a_commit_that_fails_keeps_nothing(store: Store, acme: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the promise cannot be signed, neither rows nor chains nor keys are kept, and the next commit goes on."""

    def broken(_: bytes) -> bytes:
        raise BrokenKeyError

    works = [first(store, "beta", key=KEY), store.writer.prepare(acme, submissions(acme, b"a"))]
    tables = ("bundle", "extent", "group_commit", "chain", "tree", "request_key")
    before = [store.engine.query(f"SELECT COUNT(*) FROM {table}") for table in tables]
    with monkeypatch.context() as patched:
        patched.setattr(store.promise_key, "sign", broken)
        with pytest.raises(BrokenKeyError):
            commit_together(store.writer, works, START_MS)
    assert before == [store.engine.query(f"SELECT COUNT(*) FROM {table}") for table in tables]
    assert [[0], [1]] == list(map(places, commit_together(store.writer, works, START_MS)))
    check_entries(store)


STEP = st.tuples(
    st.sampled_from(["acme", "beta"]),
    st.sampled_from([ALICE, BOB]),
    st.lists(st.one_of(st.integers(0, 12), st.sampled_from(["fresh", "with id", "bad"])), max_size=5),
    st.one_of(st.none(), st.integers(0, 3)),
)


@given(st.lists(st.lists(STEP, max_size=5), max_size=5))
@settings(max_examples=60, deadline=None)
def test_groups_of_any_works_keep_every_rule(
    groups: list[list[tuple[str, bytes, list[int | str], int | None]]],
) -> None:
    """Whatever is handed in together, each entry is there once, promised once, and answered by its place."""
    store = Store(open_new())
    chains = {name: store.open_chain(name) for name in ("acme", "beta")}
    where: dict[bytes, tuple[str, int]] = {}
    for time_ms, group in enumerate(groups, START_MS):
        works = []
        for name, submitter, wanted, key in group:
            chain = chains[name]
            request = RequestKey.of("org", b"%d" % key, repr((name, submitter, wanted)).encode()) if key else None
            works.append(store.writer.prepare(chain, [item_of(chain, item) for item in wanted], submitter, request))
        answers = commit_together(store.writer, works, time_ms)
        for (name, _, wanted, key), answer in zip(group, answers, strict=True):
            if isinstance(answer, ReusedKeyError):
                assert key
                continue
            for item, outcome in zip(wanted, done(answer).outcomes, strict=True):
                assert (item == "bad") == isinstance(outcome, Refused)
                if isinstance(outcome, Accepted):
                    assert (name, outcome.leaf_index) == where.setdefault(
                        outcome.entry_hash, (name, outcome.leaf_index)
                    )
            if not done(answer).is_replayed:
                check_runs(store, done(answer))
    assert len(where) == sum(map(store.chains.size, chains.values())) - 2
    check_entries(store)
    store.engine.close()


def item_of(chain: Chain, wanted: int | str) -> Submission | Content:
    match wanted:
        case int():
            return submission_of(chain.chain_id, b"%d" % wanted)
        case "bad":
            return Submission(b"")
        case _:
            return Content(b"fresh", external_ids=(clear("id"),) if wanted == "with id" else ())


def check_runs(store: Store, found: Done) -> None:
    new = [item for item in found.outcomes if isinstance(item, Accepted) and not item.repeated]
    assert [item.seq for item in new] == list(range(new[0].seq, new[0].seq + len(new))) if new else True
    check_promises(store, found)

"""The writer: what it takes and refuses, what it promises, and that nothing is written twice or acknowledged too early.

Entries are made as a customer's client would (``anchor.proof``), promises are checked with ``anchor.proof.promise``.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.directory import CLOCK_TOLERANCE_MS
from anchor.errors import ClockError, RefusedEntryError, StorageError, StorageFullError
from anchor.proof.codec import sha256
from anchor.proof.entry import (
    MAX_ENTRY,
    SIGNATURE_DOMAIN,
    Author,
    AuthorType,
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    IdKind,
    Link,
    Relation,
    content_commitment,
)
from anchor.proof.errors import AnchorlineError, MalformedError, Reason, UnknownVersionError, VerificationError
from anchor.proof.merkle import leaf_hash
from anchor.proof.promise import ANONYMOUS, PromiseNote, check_promise
from anchor.signing import SigningKey
from anchor.storage.engine import Row, Value
from chains import lookup
from chains.chain import Chain, decode_kept
from chains.found_by import may_have_keys
from chains.settings import Limits
from chains.work import Accepted, Submission
from tests.databases import open_new
from tests.simulators.rules import check_entries
from tests.simulators.store import GENESIS, LOG, START_MS, Store, chain_id, clear, entry_of, submission_of

pytestmark = pytest.mark.on_both

OpenStore = Callable[[], Store]
ALICE, BOB = bytes([1]) * 16, bytes([2]) * 16
ROOT = Path(__file__).parents[3]


@pytest.fixture
def chain(store: Store) -> Chain:
    return store.open_chain("acme")


def rows(store: Store) -> list[tuple[bytes, bytes | None]]:
    return [(entry, kept) for _, entry, kept in store.chains.bundles.rows(1, store.chains.next_seq())]


def counts(store: Store) -> tuple[int, ...]:
    tables = ("bundle", "extent", "group_commit", "chain", "tree")
    return tuple(int(store.engine.query(f"SELECT COUNT(*) FROM {table}")[0][0]) for table in tables)


# --- opening


def test_a_chain_s_first_entry_gives_it_its_id(store: Store) -> None:
    """The external ids of the first entry give the chain id (Factom's rule), in the order they are in."""
    ids = [clear("acme"), ExternalId(IdKind.HASHED, sha256(b"site")), ExternalId(IdKind.KEYED, bytes(32))]
    chain, accepted = store.writer.open_chain(ids, b"first", "acme", START_MS, "text/plain")
    expected = sha256(sha256(b"acme") + sha256(b"site") + sha256(bytes(32)))
    assert expected == chain.chain_id
    entry = Entry.decode(rows(store)[0][0])
    assert (tuple(ids), "text/plain") == (entry.external_ids, entry.media_type)
    assert Accepted(entry.hash, 0, 1) == accepted
    check_entries(store)


def test_a_chain_without_external_ids_is_refused(store: Store) -> None:
    """Without an external id there is no chain id."""
    with pytest.raises(MalformedError, match="at least one external id"):
        store.writer.open_chain([], b"first", "acme", START_MS)
    assert (0, 0, 0, 0, 1) == counts(store)


def test_a_refused_chain_leaves_nothing(store: Store, chain: Chain) -> None:
    """A name that is taken undoes the whole opening."""
    before = counts(store)
    with pytest.raises(RefusedEntryError, match="exists already"):
        store.writer.open_chain([clear("other")], b"first", chain.name, START_MS)
    with pytest.raises(RefusedEntryError, match="exists already"):
        store.writer.open_chain([clear("acme")], b"first", "other", START_MS)
    assert before == counts(store)


def test_a_chain_opens_with_an_entry_that_its_writer_made(store: Store) -> None:
    """A ready-made first entry opens the chain that its ids name, and is kept as it came."""
    submission = submission_of(chain_id("acme"), b"first", clear("acme"))
    chain, accepted = store.writer.open_chain_with(submission, "acme", START_MS)
    assert chain_id("acme") == chain.chain_id
    assert (leaf_hash(submission.entry), 0) == (accepted.entry_hash, accepted.leaf_index)
    assert submission.entry == rows(store)[0][0]
    check_entries(store)


@pytest.mark.parametrize("ids", [(), (clear("other"),), (clear("acme"), clear("more"))])
def test_a_first_entry_whose_ids_give_another_chain_is_refused(store: Store, ids: tuple[ExternalId, ...]) -> None:
    """The chain id that a first entry names must be the one that its ids give."""
    with pytest.raises(RefusedEntryError, match="must give its chain id"):
        store.writer.open_chain_with(submission_of(chain_id("acme"), b"first", *ids), None, START_MS)
    assert (0, 0, 0, 0, 1) == counts(store)


def test_a_first_entry_past_its_time_opens_no_chain(store: Store) -> None:
    """The rules on entries hold for a first entry too."""
    entry = entry_of(chain_id("acme"), b"first", clear("acme"))
    late = replace(entry, extensions=(not_after(START_MS - 1),))
    with pytest.raises(RefusedEntryError, match="was valid until"):
        store.writer.open_chain_with(Submission(late.encode()), None, START_MS)
    assert (0, 0, 0, 0, 1) == counts(store)


# --- recording


def test_contents_are_recorded_in_order_under_fresh_salts(store: Store, chain: Chain) -> None:
    """Each content becomes an entry that commits to it under a salt of its own; content and salt are kept."""
    contents = [b"one", b"two", b"two", b""]
    accepted = store.writer.record(chain, contents, START_MS, media_type="text/plain", external_ids=[clear("batch 7")])
    assert [1, 2, 3, 4] == [item.leaf_index for item in accepted]
    assert 4 == len({item.entry_hash for item in accepted}), "equal contents make different entries"
    for item, (raw, kept_column), content in zip(accepted, rows(store)[1:], contents, strict=True):
        entry, kept = Entry.decode(raw), decode_kept(kept_column)
        assert kept is not None
        assert content == kept.content
        assert content_commitment(kept.salt, sha256(content)) == entry.content_commitment
        assert (entry.hash, "text/plain", (clear("batch 7"),)) == (
            item.entry_hash,
            entry.media_type,
            entry.external_ids,
        )
    assert 5 == len({decode_kept(kept).salt for _, kept in rows(store)})  # type: ignore[union-attr]  # all are kept
    assert list(accepted)[1:3] == accepted[1:3]
    check_entries(store)


def test_contents_that_are_not_kept_leave_their_digests(store: Store, chain: Chain) -> None:
    """With ``keep`` false only salt and digest are stored, and the entry commits to the same content."""
    store.writer.record(chain, [b"secret"], START_MS, keep=False)
    raw, kept_column = rows(store)[1]
    kept = decode_kept(kept_column)
    assert kept is not None
    assert (sha256(b"secret"), None) == (kept.digest, kept.content)
    assert content_commitment(kept.salt, sha256(b"secret")) == Entry.decode(raw).content_commitment
    assert b"secret" not in raw + (kept_column or b"")


def test_digests_are_recorded_with_ids_of_their_own(store: Store, chain: Chain) -> None:
    """Larger things are recorded by digest, each with its external ids, or all without."""
    digests = [sha256(b"a"), sha256(b"b")]
    store.writer.record_digests(chain, digests, START_MS, external_ids=[[clear("a")], [clear("b"), clear("c")]])
    store.writer.record_digests(chain, digests, START_MS)
    found = [Entry.decode(raw).external_ids for raw, _ in rows(store)[1:]]
    assert [(clear("a"),), (clear("b"), clear("c")), (), ()] == found
    kept = [decode_kept(column) for _, column in rows(store)[1:]]
    assert digests * 2 == [item.digest for item in kept if item is not None]
    check_entries(store)


def test_ids_for_some_digests_only_are_refused(store: Store, chain: Chain) -> None:
    """Ids come for each digest or for none; a digest of another length is refused too."""
    before = counts(store)
    with pytest.raises(RefusedEntryError, match="each of 2 digests, got 1"):
        store.writer.record_digests(chain, [bytes(32)] * 2, START_MS, external_ids=[[clear("a")]])
    with pytest.raises(MalformedError, match="digest"):
        store.writer.record_digests(chain, [bytes(31)], START_MS)
    assert before == counts(store)


def test_nothing_to_record_writes_nothing(store: Store, chain: Chain) -> None:
    """An empty batch makes no commit and no promise."""
    before = counts(store)
    assert [] == list(store.writer.record(chain, [], START_MS))
    assert [] == list(store.writer.record_digests(chain, [], START_MS))
    assert [] == store.writer.submit(chain, [], START_MS)
    assert before == counts(store)


# --- limits


def test_content_over_the_limit_is_refused(tmp_path: Path) -> None:
    """Content may have as many bytes as the settings say, and not one more; the whole batch is refused."""
    store = Store(tmp_path / "anchorline.db", limits=Limits(content_bytes=100))
    chain = store.open_chain("acme")
    store.writer.record(chain, [bytes(100)], START_MS)
    before = counts(store)
    with pytest.raises(RefusedEntryError, match="at most 100 bytes, got 101"):
        store.writer.record(chain, [b"fits", bytes(101)], START_MS)
    with pytest.raises(RefusedEntryError, match="at most 100 bytes, got 101"):
        store.writer.submit(chain, [submission_of(chain.chain_id, bytes(101))], START_MS)
    assert before == counts(store)
    store.engine.close()


def test_entries_over_the_limit_are_refused(store: Store, chain: Chain) -> None:
    """An entry has at most 4,095 bytes: ids that do not fit are refused before anything is written."""
    room = MAX_ENTRY - len(entry_of(chain.chain_id, b"").encode()) - 3
    store.writer.record(chain, [b"x"], START_MS, external_ids=[clear("i" * room)])
    before = counts(store)
    with pytest.raises(MalformedError, match="at most 4095 bytes, got 4096"):
        store.writer.record(chain, [b"x"], START_MS, external_ids=[clear("i" * (room + 1))])
    with pytest.raises(MalformedError, match="4095"):
        store.writer.submit(chain, [Submission(bytes(4096))], START_MS)
    with pytest.raises(MalformedError, match="at least one byte"):
        store.writer.record(chain, [b"x"], START_MS, external_ids=[clear("")])
    assert before == counts(store)


# --- the rules at submit


def not_after(time_ms: int) -> Extension:
    return Extension(ExtensionType.NOT_VALID_AFTER, time_ms.to_bytes(8, "big"))


def signed(entry: Entry, key: SigningKey) -> Entry:
    draft = replace(entry, author=Author(AuthorType.ED25519, key.public_key + bytes(64)))
    return replace(
        entry, author=Author(AuthorType.ED25519, key.public_key + key.sign(SIGNATURE_DOMAIN + draft.encode()[:-64]))
    )


PLAIN = entry_of(chain_id("acme"), b"content")
SALT = bytes(16)
OTHER_LOG = Extension(ExtensionType.LOG_ID, bytes(32))
KEY = SigningKey(sha256(b"author"))
WRONG = signed(PLAIN, KEY)
WRONG = replace(WRONG, author=replace(WRONG.author, body=WRONG.author.body[:-1] + b"\x0f"))

REFUSED: dict[str, tuple[Submission, type[AnchorlineError], str]] = {
    "another chain": (submission_of(chain_id("other"), b"content"), RefusedEntryError, "the entry is for chain"),
    "another log": (
        Submission(replace(PLAIN, extensions=(OTHER_LOG,)).encode()),
        RefusedEntryError,
        f"meant for log {bytes(32).hex()} only, this is {LOG.log_id.hex()}",
    ),
    "too late": (
        Submission(replace(PLAIN, extensions=(not_after(START_MS - 1),)).encode()),
        RefusedEntryError,
        f"was valid until {START_MS - 1} ms, now is {START_MS}",
    ),
    "unknown critical extension": (
        Submission(replace(PLAIN, extensions=(Extension(0x8001, b""),)).encode()),
        RefusedEntryError,
        "extension 0x8001 is unknown here and must be understood",
    ),
    "wrong signature": (Submission(WRONG.encode()), VerificationError, "not one by key"),
    "content without salt": (
        Submission(PLAIN.encode(), None, None, b"content"),
        RefusedEntryError,
        "without the salt",
    ),
    "digest without salt": (
        Submission(PLAIN.encode(), None, sha256(b"content")),
        RefusedEntryError,
        "without the salt",
    ),
    "salt without content": (Submission(PLAIN.encode(), SALT), RefusedEntryError, "without content or its digest"),
    "other content": (Submission(PLAIN.encode(), SALT, None, b"other"), RefusedEntryError, "do not give the content"),
    "other digest": (Submission(PLAIN.encode(), SALT, bytes(32)), RefusedEntryError, "do not give the content"),
    "other salt": (
        Submission(PLAIN.encode(), b"x" * 16, None, b"content"),
        RefusedEntryError,
        "do not give the content",
    ),
    "short salt": (Submission(PLAIN.encode(), bytes(15), None, b"content"), MalformedError, "salt: expected 16 bytes"),
    "newer version": (Submission(b"\x02" + PLAIN.encode()[1:]), UnknownVersionError, "newer Anchorline"),
    "trailing bytes": (Submission(PLAIN.encode() + b"\x00"), MalformedError, "too many"),
    "cut short": (Submission(PLAIN.encode()[:-1]), MalformedError, "expected 2 bytes"),
    "nothing": (Submission(b""), MalformedError, "expected 1 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_entry_that_breaks_a_rule_is_refused_with_its_whole_batch(store: Store, chain: Chain, name: str) -> None:
    """Each rule at submit has its message, and a batch with one bad entry leaves nothing."""
    bad, error, message = REFUSED[name]
    before = counts(store)
    with pytest.raises(error) as caught:
        store.writer.submit(chain, [submission_of(chain.chain_id, b"good"), bad], START_MS)
    assert message in str(caught.value)
    assert before == counts(store)


def test_a_wrong_signature_has_its_reason(store: Store, chain: Chain) -> None:
    """A caller can tell a wrong signature from other refusals without reading the message."""
    with pytest.raises(VerificationError) as caught:
        store.writer.submit(chain, [Submission(WRONG.encode())], START_MS)
    assert Reason.AUTHOR_SIGNATURE_WRONG == caught.value.reason


TAKEN = {
    "content and salt": submission_of(chain_id("acme"), b"content"),
    "commitment only": Submission(PLAIN.encode()),
    "digest and salt": Submission(PLAIN.encode(), SALT, sha256(b"content")),
    "signed": Submission(signed(PLAIN, KEY).encode()),
    "meant for this log": Submission(
        replace(PLAIN, extensions=(Extension(ExtensionType.LOG_ID, LOG.log_id),)).encode()
    ),
    "valid until now": Submission(replace(PLAIN, extensions=(not_after(START_MS),)).encode()),
    "unknown extension that may be ignored": Submission(replace(PLAIN, extensions=(Extension(0x7FFF, b"?"),)).encode()),
    "unknown author": Submission(replace(PLAIN, author=Author(9, b"?")).encode()),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_breaks_no_rule_is_taken_as_it_is(store: Store, chain: Chain, name: str) -> None:
    """Entries at the edge of the rules are kept byte for byte, with what came beside them."""
    submission = TAKEN[name]
    (accepted,) = store.writer.submit(chain, [submission], START_MS, ALICE)
    raw, kept_column = rows(store)[-1]
    assert (submission.entry, leaf_hash(submission.entry), False) == (raw, accepted.entry_hash, accepted.repeated)
    kept = decode_kept(kept_column)
    assert (submission.salt is None) == (kept is None)
    assert kept is None or (SALT, sha256(b"content"), submission.content) == (kept.salt, kept.digest, kept.content)
    assert ALICE == store.chains.place_of(accepted.seq).submitter
    check_entries(store)


@given(st.integers(0, 40), st.lists(st.binary(min_size=1, max_size=9), max_size=3), st.integers(0, 2))
def test_external_ids_and_links_are_seen_without_decoding(media: int, ids: list[bytes], links: int) -> None:
    """Whether an entry has external ids or links stands at a place that only the media type moves."""
    names = tuple(ExternalId(IdKind.CLEAR, value) for value in ids)
    others = tuple(Link(Relation.REFERS_TO, bytes(32), bytes((number,)) * 32) for number in range(links))
    entry = Entry(bytes(32), bytes(32), "m" * media, names, others)
    assert bool(ids or links) == may_have_keys(entry.encode())


# --- once, and in order


def test_an_entry_sent_again_keeps_its_first_place_and_submitter(store: Store, chain: Chain) -> None:
    """A chain holds an entry hash once: the second time the answer is the first place, and nothing is written."""
    submission = submission_of(chain.chain_id, b"content")
    (first,) = store.writer.submit(chain, [submission], START_MS, ALICE)
    before = counts(store)
    (again,) = store.writer.submit(chain, [submission], START_MS + 5, BOB)
    assert first._replace(repeated=True) == again
    assert before == counts(store)
    assert ALICE == store.chains.place_of(first.seq).submitter
    check_entries(store)


def test_an_entry_twice_in_one_batch_is_written_once(store: Store, chain: Chain) -> None:
    """Inside one batch the second of two equal entries repeats the first; the order of the others stays."""
    a, b, c = (submission_of(chain.chain_id, content) for content in (b"a", b"b", b"c"))
    store.writer.submit(chain, [b], START_MS)
    accepted = store.writer.submit(chain, [a, b, a, c, c], START_MS)
    assert [2, 1, 2, 3, 3] == [item.leaf_index for item in accepted]
    assert [False, True, True, False, True] == [item.repeated for item in accepted]
    assert [leaf_hash(item.entry) for item in (a, b, a, c, c)] == [item.entry_hash for item in accepted]
    check_entries(store)


def test_entries_sent_again_are_found_wherever_they_lie(
    store: Store, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries of many commits, among those of another chain, each have their own place; a bundle is read once."""
    other = store.open_chain("bolt")
    mine = [submission_of(chain.chain_id, b"%d" % number) for number in range(900)]
    first = []
    for start in range(0, 900, 300):
        first += store.writer.submit(chain, mine[start : start + 300], START_MS)
        store.writer.submit(other, [submission_of(other.chain_id, b"%d" % start)], START_MS)
    again = [mine[place] for place in (899, 0, 301, 300, 299, 5)] + mine[600:700]
    read: list[str] = []
    query = store.engine.query

    def noted(sql: str, values: Sequence[Value] = ()) -> list[Row]:
        read.append(sql)
        return query(sql, values)

    monkeypatch.setattr(store.engine, "query", noted)
    found = store.writer.submit(chain, again, START_MS)
    assert [first[mine.index(item)]._replace(repeated=True) for item in again] == found
    assert 6 >= sum("FROM bundle" in sql and "entries" in sql for sql in read)


def test_a_recorded_entry_sent_again_is_the_same_one(store: Store, chain: Chain) -> None:
    """What ``record`` made, and a chain's first entry, are found by ``submit`` as well."""
    store.writer.record(chain, [b"content"], START_MS)
    again = store.writer.submit(chain, [Submission(raw) for raw, _ in rows(store)], START_MS)
    assert [(0, True), (1, True)] == [(item.leaf_index, item.repeated) for item in again]


def test_an_entry_sent_again_after_its_time_is_still_the_same_one(store: Store, chain: Chain) -> None:
    """A promise is for ever: an entry that was taken in time is acknowledged again when it could not be made anew."""
    entry = Submission(replace(PLAIN, extensions=(not_after(START_MS),)).encode())
    (first,) = store.writer.submit(chain, [entry], START_MS)
    (again,) = store.writer.submit(chain, [entry], START_MS + 10**9)
    assert first._replace(repeated=True) == again
    (with_broken_clock,) = store.writer.submit(chain, [entry], START_MS - 10**9)
    assert again == with_broken_clock


def test_the_time_of_the_commit_decides_whether_an_entry_is_late(store: Store, chain: Chain) -> None:
    """Where the clock was set back a little, the recorded time stands still, and is the one that counts."""
    store.writer.record(chain, [b"x"], START_MS + 1000)
    entry = Submission(replace(PLAIN, extensions=(not_after(START_MS + 500),)).encode())
    with pytest.raises(RefusedEntryError, match=f"now is {START_MS + 1000}"):
        store.writer.submit(chain, [entry], START_MS + 400)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "submit", "record", "reopen", "run", "seal"]),
        st.lists(st.integers(0, 30), min_size=1, max_size=8),
    ),
    max_size=12,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_submitting_is_idempotent_through_window_and_runs(steps: list[tuple[str, list[int]]]) -> None:
    """Whatever is resubmitted, after a restart or once indexed, has one place for ever; the rest follows in order."""
    engine = open_new()
    store = Store(engine)
    chain = store.open_chain("acme")
    places: dict[int, Accepted] = {}
    size = 1
    for step, numbers in steps:
        if step == "submit":
            batch = [submission_of(chain.chain_id, b"%d" % number) for number in numbers]
            for number, item in zip(numbers, store.writer.submit(chain, batch, START_MS), strict=True):
                if number in places:
                    assert places[number]._replace(repeated=True) == item
                else:
                    assert (size, False) == (item.leaf_index, item.repeated)
                    places[number] = item
                    size += 1
        elif step == "record":
            size += len(store.writer.record(chain, [b"other"] * len(numbers), START_MS))
        elif step == "reopen":
            store = Store(engine)
        elif step == "run":
            store.lookup.maintain(least=1)
        else:
            store.directory.seal(store.checkpoint_key, START_MS, GENESIS)
    assert size == store.chains.size(chain)
    check_entries(store)
    engine.close()


def test_a_second_process_s_entries_are_known(open_store: OpenStore) -> None:
    """Two processes that submit the same entries in turn write each of them once."""
    ours, theirs = open_store(), open_store()
    chain = ours.open_chain("acme")
    batch = [submission_of(chain.chain_id, b"%d" % number) for number in range(20)]
    first = ours.writer.submit(chain, batch[:10], START_MS)
    assert [item._replace(repeated=True) for item in first] == theirs.writer.submit(chain, batch[:10], START_MS)
    theirs.writer.submit(chain, batch[10:15], START_MS)
    theirs.lookup.maintain(least=1)
    accepted = ours.writer.submit(chain, batch, START_MS)
    assert [True] * 15 + [False] * 5 == [item.repeated for item in accepted]
    assert list(range(1, 21)) == [item.leaf_index for item in accepted]
    check_entries(theirs)


def test_processes_that_submit_at_once_write_each_entry_once(open_store: OpenStore, tmp_path: Path) -> None:
    """Several processes hand in the same entries at the same time: all get one and the same place for each."""
    store = open_store()
    chain = store.open_chain("acme")
    source = f"""
import sys
from pathlib import Path
from tests.simulators.rules import check_entries
from tests.simulators.store import START_MS, Store, submission_of
store = Store(Path({str(tmp_path / "anchorline.db")!r}))
chain = store.chains.named("acme")
numbers = list(range(60)) if sys.argv[1] == "0" else list(range(59, -1, -1))
input()
found = {{}}
for start in range(0, 60, 5):
    batch = [submission_of(chain.chain_id, b"%d" % number) for number in numbers[start : start + 5]]
    for number, item in zip(numbers[start : start + 5], store.writer.submit(chain, batch, START_MS)):
        found[number] = item.leaf_index
store.engine.close()
print(sorted(found.items()))
"""
    others = [
        subprocess.Popen(
            [sys.executable, "-c", source, str(number % 2)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for other in others:
        assert other.stdin is not None
        other.stdin.write("\n")
        other.stdin.flush()
    answers = {other.communicate()[0] for other in others}
    assert 1 == len(answers)
    assert 61 == store.chains.size(chain)
    check_entries(store)


# --- promises and time


def test_a_promise_says_what_was_accepted_and_by_when(tmp_path: Path) -> None:
    """One note for a commit: log, time of receipt, both deadlines, how many, and the root over who sent what where."""
    store = Store(tmp_path / "anchorline.db", limits=Limits(seal_within_ms=1000, anchor_within_ms=5000))
    chain = store.open_chain("acme")
    batch = [submission_of(chain.chain_id, b"%d" % number) for number in range(7)]
    store.writer.submit(chain, batch, START_MS + 9, ALICE)
    *_, commit = store.commits()
    note = PromiseNote.decode(bytes(commit.note))
    assert (LOG.log_id, START_MS + 9, 7) == (note.log_id, note.received_at_ms, note.count)
    assert (START_MS + 1009, START_MS + 5009) == (note.seal_by_ms, note.anchor_by_ms)
    promises = list(store.promises())[1:]
    assert [(ALICE, index) for index in (1, 2, 3, 4, 7)] == [
        (promise.leaf.submitter, promise.leaf.leaf_index) for promise in promises
    ]
    check_entries(store)
    with pytest.raises(VerificationError):
        check_promise(
            replace(promises[3], leaf=replace(promises[3].leaf, submitter=BOB)),
            LOG.log_id,
            store.promise_key.public_key,
        )
    store.engine.close()


def test_each_commit_has_one_promise(store: Store, chain: Chain) -> None:
    """Commits follow each other without a gap: every entry is under exactly one promise."""
    other = store.open_chain("other")
    for number in range(1, 6):
        store.writer.record(chain, [b"x"] * number, START_MS)
        store.writer.submit(other, [submission_of(other.chain_id, b"%d" % number)], START_MS)
    ranges = [(commit.first_seq, commit.entry_count) for commit in store.commits()]
    assert [1, *(first + count for first, count in ranges)][:-1] == [first for first, _ in ranges]
    assert len(rows(store)) == sum(count for _, count in ranges)
    assert {ANONYMOUS} == {promise.leaf.submitter for promise in store.promises()}
    check_entries(store)


def test_the_time_of_receipt_never_falls(store: Store, chain: Chain) -> None:
    """A clock set back a little stands still in what is promised; set back far, nothing is taken."""
    store.writer.record(chain, [b"x"], START_MS + CLOCK_TOLERANCE_MS)
    store.writer.record(chain, [b"x"], START_MS)
    *_, last = store.commits()
    assert START_MS + CLOCK_TOLERANCE_MS == last.received_at_ms
    before = counts(store)
    for write in (
        lambda: store.writer.record(chain, [b"x"], START_MS - 1),
        lambda: store.writer.submit(chain, [submission_of(chain.chain_id, b"x")], START_MS - 1),
        lambda: store.open_chain("other", START_MS - 1),
    ):
        with pytest.raises(ClockError, match="the last write"):
            write()
    assert before == counts(store)
    check_entries(store)


# --- failing


@pytest.mark.sqlite("a limit of pages makes the file full")
def test_a_full_disk_takes_nothing_and_the_next_write_is_whole(store: Store, chain: Chain) -> None:
    """Where there is no space the batch is refused whole; with space again, the same batch is taken, none twice."""
    batch = [submission_of(chain.chain_id, bytes(3000) + b"%d" % number) for number in range(200)]
    store.writer.submit(chain, batch[:3], START_MS)
    before = counts(store)
    pages = store.engine.query("PRAGMA page_count")[0][0]
    store.engine.query(f"PRAGMA max_page_count = {pages + 4}")
    with pytest.raises(StorageFullError):
        store.writer.submit(chain, batch, START_MS)
    assert before == counts(store)
    store.engine.query(f"PRAGMA max_page_count = {pages + 10_000}")
    others = [submission_of(chain.chain_id, b"other %d" % number) for number in range(50)]
    store.writer.submit(chain, others, START_MS)
    accepted = store.writer.submit(chain, batch, START_MS)
    assert [True] * 3 + [False] * 197 == [item.repeated for item in accepted]
    assert list(range(54, 54 + 197)) == [item.leaf_index for item in accepted[3:]]
    again = store.writer.submit(chain, [*batch, *others], START_MS)
    assert all(item.repeated for item in again)
    check_entries(store)


def test_upkeep_of_the_index_never_makes_a_committed_write_fail(
    store: Store, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing upkeep is raised before anything is written, so that an error always means that nothing was kept."""

    def fail(*_: object) -> None:
        raise StorageError("no upkeep today")

    monkeypatch.setattr(lookup, "BACKLOG_ENTRIES", 2)
    store.writer.record(chain, [b"waits for a seal"], START_MS)
    monkeypatch.setattr(store.lookup, "maintain", fail)
    before = counts(store)
    with pytest.raises(StorageError, match="no upkeep"):
        store.writer.record(chain, [b"x"], START_MS)
    with pytest.raises(StorageError, match="no upkeep"):
        store.writer.submit(chain, [submission_of(chain.chain_id, b"x")], START_MS)
    assert before == counts(store)

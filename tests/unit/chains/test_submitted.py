"""Entries that clients made: one that is read by its shape is read as any other, and no wrong signature is taken.

Entries are signed here as a client does; pools of threads are real.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anchor.proof.codec import sha256
from anchor.proof.entry import (
    BATCH_LEAF,
    Author,
    AuthorType,
    Entry,
    Extension,
    ExtensionType,
    batch_message,
    before_author,
    check_author,
)
from anchor.proof.errors import AnchorlineError, VerificationError
from anchor.proof.merkle import inclusion_path, leaf_hash, root_of
from anchor.signature_check import check_signature
from anchor.signature_rows import CHUNK
from anchor.signing import SigningKey
from chains.chain import Chain
from chains.client.own_entry import OwnEntry, signed, signed_batch
from chains.client.signing import Ed25519Key
from chains.submitted import Shape, commitments_hold, signatures_hold, wrong_signatures
from chains.together import commit_together
from chains.work import Done, Refused, Submission, SubmissionsAlike, Work
from tests.databases import open_new
from tests.simulators.store import LOG, START_MS, Store, chain_id, clear, entry_of

KEY, OTHER = SigningKey(sha256(b"author")), SigningKey(sha256(b"another author"))
CHAIN = chain_id("acme")
COUNT = 3 * CHUNK + 5
"""Enough for every thread, and a piece that is not full."""


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def entries(count: int, *, meant: bool = True) -> list[Entry]:
    extensions = (Extension(ExtensionType.LOG_ID, LOG.log_id),) if meant else ()
    return [replace(entry_of(CHAIN, b"%d" % number), extensions=extensions) for number in range(count)]


def batch(count: int, key: SigningKey = KEY) -> list[bytes]:
    """Return a signed batch: one signature over the root, and each entry's path to it."""
    unsigned = entries(count)
    leaves = [leaf_hash(BATCH_LEAF + entry.encode_before_author()) for entry in unsigned]
    signature = key.sign(batch_message(count, root_of(leaves)))
    start = key.public_key + signature
    return [
        replace(entry, author=Author(AuthorType.BATCH, start + place(index, count, leaves))).encode()
        for index, entry in enumerate(unsigned)
    ]


def place(index: int, count: int, leaves: Sequence[bytes]) -> bytes:
    return index.to_bytes(4, "big") + count.to_bytes(4, "big") + b"".join(inclusion_path(leaves, index))


def wrong(raws: Sequence[bytes], threads: ThreadPoolExecutor | None = None) -> list[int]:
    """Return the places of signatures that do not hold."""
    return sorted(wrong_signatures({at: (raw, Entry.decode(raw)) for at, raw in enumerate(raws)}, threads))


def flipped(raw: bytes, at: int) -> bytes:
    """Return an entry with a bit of one byte flipped; ``at`` may count from the end."""
    at %= len(raw)
    return raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]


UNSIGNED, SIGNED, BATCHED = entries(1)[0].encode(), signed(entries(1)[0], KEY), batch(5)[3]
ONE_LEAF = batch(1)[0]


@given(
    st.sampled_from([UNSIGNED, SIGNED, BATCHED, ONE_LEAF]),
    st.sampled_from([UNSIGNED, SIGNED, BATCHED, ONE_LEAF]),
    st.integers(0, 600),
    st.binary(max_size=40),
    st.integers(0, 40),
)
@example(SIGNED, SIGNED, 20, b"", 0)
@example(SIGNED, BATCHED, len(BATCHED) - 32, b"", 32)
@example(BATCHED, BATCHED, len(BATCHED), bytes(32), 0)
@example(SIGNED, UNSIGNED, len(UNSIGNED), bytes(1), 0)
def test_what_is_read_by_its_shape_is_what_is_decoded(first: bytes, raw: bytes, at: int, put: bytes, cut: int) -> None:
    """Whatever bytes come behind an entry of some shape: they are read as they decode, or left to the decoder."""
    changed = raw[:at] + put + raw[at + cut :]
    found = Shape.of(first, Entry.decode(first)).read(changed)
    if found is not None:
        assert Entry.decode(changed) == found


@pytest.mark.parametrize("raw", [UNSIGNED, SIGNED, BATCHED, ONE_LEAF], ids=["unsigned", "signed", "batch", "one leaf"])
def test_entries_of_one_shape_are_read_by_it(raw: bytes) -> None:
    """Another commitment and another author make no other shape, so that most entries are not decoded."""
    shape = Shape.of(SIGNED, Entry.decode(SIGNED))
    assert Entry.decode(raw) == shape.read(raw)
    assert len(SIGNED) - 99 == before_author(SIGNED, Entry.decode(SIGNED).author.body)


def test_an_entry_that_is_too_large_has_no_shape() -> None:
    """A batch path that leads beyond 4,095 bytes is left to the decoder, which refuses it."""
    long = replace(entries(1)[0], external_ids=(clear("x" * 3600),))
    first = signed(long, KEY)
    raw = replace(long, author=Author(AuthorType.BATCH, bytes(104 + 32 * 9))).encode_before_author()
    raw += bytes((AuthorType.BATCH,)) + (104 + 32 * 9).to_bytes(2, "big") + bytes(104 + 32 * 9)
    assert Shape.of(first, Entry.decode(first)).read(raw) is None


@pytest.mark.parametrize("is_shared", [False, True])
def test_each_wrong_signature_is_found_where_it_is(threads: ThreadPoolExecutor, is_shared: bool) -> None:
    """Of many signatures those that do not hold are named by place, on one thread and on several."""
    raws = [signed(entry, KEY) for entry in entries(COUNT)]
    places = [0, CHUNK - 1, CHUNK, COUNT - 1]
    for at in places:
        raws[at] = flipped(raws[at], -1)
    assert places == wrong(raws, threads if is_shared else None)


def test_signatures_that_no_thread_checked_are_an_error() -> None:
    """Threads that are gone are an error, and no verdict: nothing of the request is taken."""
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="shutdown"):
        wrong([signed(entry, KEY) for entry in entries(COUNT)], pool)


@pytest.mark.parametrize("count", [1, 2, 5, 64, 100])
def test_a_signed_batch_holds_whole_and_in_parts(count: int) -> None:
    """Every entry of a signed batch holds: with all others, in any order, twice, and alone."""
    raws = batch(count)
    assert [] == wrong(raws)
    assert [] == wrong(raws[::-1])
    assert [] == wrong([*raws, raws[0]])
    assert [] == wrong(raws[: count // 2 + 1])
    for raw in raws[:3]:
        assert check_author(Entry.decode(raw), check_signature)


def test_of_two_batches_each_holds_by_its_own_signature() -> None:
    """Batches of two authors in one request are told apart."""
    one, two = batch(5), batch(5, OTHER)
    assert [] == wrong([item for pair in zip(one, two, strict=True) for item in pair])


@pytest.mark.parametrize("at", [40, -1, -33, -(104 + 3 * 32), -(8 + 3 * 32), -(4 + 3 * 32)])
def test_a_changed_entry_of_a_batch_is_found(at: int) -> None:
    """Whatever is changed (commitment, path, key, index, size): that entry is wrong, and no other one."""
    raws = batch(8)
    raws[2] = flipped(raws[2], at)
    assert [2] == wrong(raws)


def test_an_entry_put_into_the_place_of_another_is_found() -> None:
    """Whoever takes the author field of a batch's entry for an entry of his own has no signature over it."""
    raws = batch(8)
    field = Entry.decode(raws[2]).author
    raws[2] = replace(entry_of(CHAIN, b"forged"), author=field).encode()
    assert [2] == wrong(raws)
    assert [8] == wrong([*batch(8), raws[2]])


def test_a_batch_with_one_wrong_signature_is_wrong_whole() -> None:
    """The signature of a batch is one for all its entries."""
    raws = [flipped(raw, -(104 + 32 * 3) + 40) for raw in batch(8)]
    assert list(range(8)) == wrong(raws)


# --- columns: entries of one shape that are judged as one

SALT = bytes(16)
"""That of ``entry_of``; its content is what the entry is made of."""


def alike(raws: Sequence[bytes]) -> SubmissionsAlike:
    """Return entries as a client hands them in, with what they commit to."""
    return SubmissionsAlike(raws, [SALT] * len(raws), [b"%d" % number for number in range(len(raws))])


def said(work: Work) -> tuple[object, ...]:
    """Return all that a piece of work says of its entries."""
    entries_and_kept = work.entries.items(), work.kept.items(), list(work.hashes), work.with_ids, work.is_fresh
    judged = work.refused, work.not_after_ms, work.named, work.keys, work.stating, work.closings, work.after_closing
    return *entries_and_kept, *judged


def by_themselves(count: int) -> list[bytes]:
    return [signed(entry, KEY) for entry in entries(count)]


def named(count: int) -> list[bytes]:
    """Return entries that are signed in the name of an identity, and valid for a time."""
    extensions = (Extension(ExtensionType.NOT_VALID_AFTER, bytes(7) + b"x"), Extension(ExtensionType.IDENTITY, CHAIN))
    return [signed(replace(entry, extensions=extensions), KEY) for entry in entries(count)]


@cache
def prepare_in_memory() -> tuple[Callable[..., Work], Chain]:
    """Return what makes work of what is handed in, and a chain: nothing of it is written."""
    store = Store(open_new())
    return store.writer.prepare, store.open_chain("acme")


WAYS = {
    "nobody": lambda count: [entry.encode() for entry in entries(count)],
    "each": by_themselves,
    "batch": batch,
    "named": named,
}


@pytest.mark.parametrize("count", [1, 2, 7, 64, 100])
@pytest.mark.parametrize("way", WAYS)
def test_entries_of_one_shape_are_judged_as_one(store: Store, way: str, count: int) -> None:
    """Nobody's, each signed by itself, a whole signed batch: judged as columns they are what they are one by one."""
    chain, handed = store.open_chain("acme"), alike(WAYS[way](count))
    shape = Shape.of(handed.entries[0], Entry.decode(handed.entries[0]))
    authors = shape.authors(handed.entries)
    assert authors is not None
    assert signatures_hold(shape, handed.entries, authors, None)
    assert commitments_hold(handed.entries, handed.salts, handed.contents)
    work = store.writer.prepare(chain, handed)
    assert not work.refused
    assert said(store.writer.prepare(chain, handed.each())) == said(work)


@given(
    st.sampled_from(sorted(WAYS)), st.integers(0, 4), st.integers(-420, 420), st.sampled_from(["flip", "cut", "put"])
)
@example("batch", 2, -1, "flip")
@example("batch", 4, -40, "flip")
@example("each", 0, -70, "flip")
@example("nobody", 3, -1, "flip")
@example("named", 1, -90, "flip")
@example("batch", 1, 0, "cut")
def test_a_changed_entry_among_others_is_judged_alike_both_ways(way: str, place: int, at: int, how: str) -> None:
    """Whatever is changed in one of five entries: judged as columns or one by one, the same ones are refused."""
    prepare, chain = prepare_in_memory()
    raws = WAYS[way](5)
    raw = raws[place]
    at %= len(raw)
    changes = {"flip": flipped(raw, at), "cut": raw[:at], "put": raw[:at] + b"\0" + raw[at:]}
    raws[place] = changes[how]
    handed = alike(raws)
    assert said(prepare(chain, handed.each())) == said(prepare(chain, handed))


@pytest.mark.parametrize(
    "handed",
    [
        SubmissionsAlike([], [], []),
        SubmissionsAlike(by_themselves(2), [SALT, bytes(15)], [b"0", b"1"]),
        SubmissionsAlike(by_themselves(2), [SALT, SALT], [b"0", b"another"]),
        SubmissionsAlike(by_themselves(2), [SALT, SALT], [b"0", bytes(2**20)]),
        alike([*by_themselves(1), *batch(2)[1:]]),
        alike([signed(entries(1)[0], KEY), signed(entries(2)[1], OTHER)]),
        alike(batch(5)[::-1]),
        alike(batch(5)[:3]),
        alike([flipped(raw, -(104 + 32 * 3) + 40) for raw in batch(8)]),
        alike([named(1)[0], signed(Entry.decode(named(2)[1]), OTHER)]),
        alike([by_themselves(1)[0]] * 2),
    ],
    ids=["none", "salt", "content", "large", "mixed", "two keys", "reversed", "some", "forged", "two named", "twice"],
)
def test_what_cannot_be_judged_as_one_is_judged_one_by_one(store: Store, handed: SubmissionsAlike) -> None:
    """Wrong salts and contents, several authors, parts of a batch: what is said is the same as of each alone."""
    chain = store.open_chain("acme")
    assert said(store.writer.prepare(chain, handed.each())) == said(store.writer.prepare(chain, handed))


# --- one signature for a whole request


def of_batch(raws: Sequence[bytes]) -> tuple[SubmissionsAlike, bytes]:
    """Return a signed batch as it is sent without its author fields, and key and signature."""
    unsigned = [raw[: before_author(raw, Entry.decode(raw).author.body)] + bytes(3) for raw in raws]
    return alike(unsigned), Entry.decode(raws[0]).author.body[:96]


@pytest.mark.parametrize("count", [1, 2, 5, 64, 100])
def test_one_signature_for_a_request_gives_the_entries_that_were_signed(store: Store, count: int) -> None:
    """Whoever sends the signature once instead of a path with each entry gets the same entries, in columns or not."""
    chain, raws = store.open_chain("acme"), batch(count)
    handed, signed_by = of_batch(raws)
    work = store.writer.prepare(chain, handed, signed=signed_by)
    assert raws == work.entries.items()
    assert said(store.writer.prepare(chain, alike(raws))) == said(work)
    assert said(store.writer.prepare(chain, handed.each(), signed=signed_by)) == said(work)


@given(st.integers(0, 4), st.integers(-70, 70), st.sampled_from(["flip", "cut", "put", "salt", "signed"]))
@example(0, 0, "signed")
@example(2, 40, "flip")
@example(2, -1, "flip")
@example(4, 0, "cut")
@example(1, 0, "salt")
def test_a_changed_request_under_one_signature_is_judged_alike_both_ways(place: int, at: int, how: str) -> None:
    """Whatever is changed: in columns or one by one the same is refused, and what is signed otherwise is all wrong."""
    prepare, chain = prepare_in_memory()
    handed, signed_by = of_batch(batch(5))
    raw = handed.entries[place]
    changes = {"flip": flipped(raw, at), "cut": raw[: at % len(raw)], "put": raw[:at] + b"\1" + raw[at:]}
    raws = [*handed.entries[:place], changes.get(how, raw), *handed.entries[place + 1 :]]
    salts = [bytes(15) + b"x" if how == "salt" and number == place else SALT for number in range(5)]
    handed = replace(handed, entries=raws, salts=salts)
    signed_by = flipped(signed_by, at) if how == "signed" else signed_by
    work = prepare(chain, handed, signed=signed_by)
    assert said(prepare(chain, handed.each(), signed=signed_by)) == said(work)
    # What comes with an author is no part of what is signed.
    is_alone = how == "salt" or (how == "flip" and at % len(raw) >= len(raw) - 3)
    assert set([place] if is_alone else range(5)) == set(work.refused)


def test_a_request_under_one_signature_names_its_author(store: Store) -> None:
    """In the name of an identity, too, the key that is asked for is the one that signed."""
    chain = store.open_chain("acme")
    extensions = (Extension(ExtensionType.IDENTITY, CHAIN),)
    owns = [OwnEntry(replace(entry, extensions=extensions).encode(), SALT, bytes(32)) for entry in entries(3)]
    handed, signed_by = of_batch([own.raw for own in signed_batch(owns, Ed25519Key(sha256(b"author")))])
    work = store.writer.prepare(chain, handed, signed=signed_by)
    assert {0, 1, 2} == set(work.named)
    assert said(store.writer.prepare(chain, handed.each(), signed=signed_by)) == said(work)


def test_an_entry_that_grows_too_large_by_its_path_is_refused(store: Store) -> None:
    """One that has no room for the author field is refused by its size, and the others with it are taken."""
    chain = store.open_chain("acme")
    raws = [replace(entries(1)[0], external_ids=(clear("x" * 3900),)).encode(), entries(2)[1].encode()]
    signature = KEY.sign(batch_message(2, root_of([leaf_hash(BATCH_LEAF + raw[:-3]) for raw in raws])))
    work = store.writer.prepare(chain, alike(raws), signed=KEY.public_key + signature)
    assert {0: "entry-too-large"} == {place: item.code for place, item in work.refused.items()}


def prepared(store: Store, chain: Chain, raws: Sequence[bytes], threads: ThreadPoolExecutor | None = None) -> list[str]:
    """Hand entries in together; return what became of each."""
    work = store.writer.prepare(chain, [Submission(raw) for raw in raws], threads=threads)
    (done,) = commit_together(store.writer, [work], START_MS + 1)
    assert isinstance(done, Done)
    return [item.code if isinstance(item, Refused) else "taken" for item in done.outcomes]


def test_a_request_of_signed_entries_is_refused_by_entry(store: Store, threads: ThreadPoolExecutor) -> None:
    """A wrong signature, another log and another chain are refused each for itself; the others are taken."""
    chain = store.open_chain("acme")
    raws = [signed(entry, KEY) for entry in entries(COUNT)]
    expected = ["taken"] * COUNT
    for at in (1, COUNT - 2):
        raws[at], expected[at] = flipped(raws[at], -1), "author-signature-wrong"
    elsewhere = replace(entry_of(CHAIN, b"x"), extensions=(Extension(ExtensionType.LOG_ID, sha256(b"another")),))
    for at in (2, 3):
        raws[at], expected[at] = signed(elsewhere, KEY), "entry-refused"
    raws[4], expected[4] = signed(entry_of(sha256(b"chain"), b"x"), KEY), "entry-refused"
    raws[5], expected[5] = raws[5][:-1], "entry-malformed"
    assert expected == prepared(store, chain, raws, threads)
    assert COUNT - 6 == store.chains.size(chain) - 1
    for raw in store.entries(chain)[1:]:
        assert check_author(Entry.decode(raw))


def test_a_signed_batch_is_taken_and_each_entry_holds_alone(store: Store) -> None:
    """One signature for all: every entry that is kept carries what shows it."""
    chain = store.open_chain("acme")
    raws = batch(9)
    assert ["taken"] * 9 == prepared(store, chain, raws)
    assert raws == store.entries(chain)[1:]
    for raw in raws:
        check_author(Entry.decode(raw))
        with pytest.raises((VerificationError, AnchorlineError)):
            check_author(Entry.decode(flipped(raw, 40)))


def test_a_commitment_to_something_else_is_refused_alone(store: Store) -> None:
    """Of what comes with entries (content, digest, nothing) each is compared with its own commitment."""
    chain, made = store.open_chain("acme"), entries(6)
    salt = bytes(16)
    handed = [
        Submission(signed(made[0], KEY), salt, content=b"0"),
        Submission(signed(made[1], KEY), salt, content=b"another"),
        Submission(signed(made[2], KEY)),
        Submission(signed(made[3], KEY), salt, digest=sha256(b"3")),
        Submission(signed(made[4], KEY), bytes(15) + b"x", content=b"4"),
        Submission(signed(made[5], KEY), salt, digest=bytes(31)),
    ]
    work = store.writer.prepare(chain, handed)
    assert {1: "entry-refused", 4: "entry-refused", 5: "entry-malformed"} == {
        place: item.code for place, item in work.refused.items()
    }
    with pytest.raises(AnchorlineError, match="do not give the content commitment"):
        store.writer.submit(chain, handed[:2], START_MS + 1)
    assert 1 == store.chains.size(chain)

"""Entries that clients made: one that is read by its shape is read as any other, and no wrong signature is taken.

Entries are signed here as a client does; pools of threads are real.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

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
from anchor.signature_check import CHUNK, check_signature
from anchor.signing import SigningKey
from chains.chain import Chain
from chains.client.own_entry import signed
from chains.submitted import Shape, wrong_signatures
from chains.together import commit_together
from chains.work import Done, Refused, Submission
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

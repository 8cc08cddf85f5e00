"""Fuzzing of every codec of ``anchor.proof`` but Bitcoin's: values come back, bytes are read or refused.

Input is made by hypothesis: values of every format, bytes from nowhere, and good bytes that were damaged. Bytes that
are read are written back identically, since two spellings of one value would be two hashes; in JSON, where white space
is free, the value comes back.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.blocks import HeaderChain
from anchor.proof.calendar import CalendarAnchor
from anchor.proof.checkpoint import Checkpoint, Note, NoteSignature
from anchor.proof.codec import sha256
from anchor.proof.earlier_receipts import decode_earlier, encode_earlier
from anchor.proof.entry import Author, Entry, Extension, ExternalId, Link, check_author
from anchor.proof.errors import MalformedError, TooLargeError, VerificationError
from anchor.proof.identity import Statement
from anchor.proof.leaves import (
    EpochLeaf,
    HeadLeaf,
    Key,
    KeyLeaf,
    LogLeaf,
    SealLeaf,
    ThreadLeaf,
    UnassignedLeaf,
    decode_leaf,
)
from anchor.proof.promise import Promise, PromiseLeaf, PromiseNote
from anchor.proof.receipt import (
    ChainPath,
    Content,
    ContentState,
    DirectoryProof,
    LogCard,
    OtherAnchor,
    Receipt,
    Sealed,
)
from anchor.proof.stamps import decode_stamps, encode_stamps
from anchor.proof.timestamp import TimestampAnchor
from anchor.proof.verify import Outcome, Verifier, verify
from tests.simulators.world import fast_check, tell
from tests.vectors import make_identity_vectors, make_vectors

STORY = tell()
MAX_SAFE = 2**53 - 1


def exactly(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def unsigned(size: int) -> st.SearchStrategy[int]:
    return st.integers(0, 256**size - 1)


def paths(maximum: int = 4) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.lists(HASH, max_size=maximum).map(tuple)


def text_of(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


HASH = exactly(32)
PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))
ORIGIN = text_of(PRINTABLE.replace(" ", "").replace("+", ""), 1, 40)

# Entries

_KNOWN_SIZES = {1: 32, 2: 8, 3: 32, 4: 8, 5: 32, 8: 32, 12: 28}
EXTERNAL_ID = st.one_of(
    st.builds(ExternalId, st.just(0), st.binary(min_size=1, max_size=60)),
    st.builds(ExternalId, st.sampled_from([1, 2]), HASH),
)
EXTENSIONS = st.lists(unsigned(2), unique=True, max_size=6).flatmap(
    lambda types: st.tuples(
        *(
            st.builds(
                Extension,
                st.just(kind),
                exactly(_KNOWN_SIZES[kind]) if kind in _KNOWN_SIZES else st.binary(max_size=40),
            )
            for kind in sorted(types)
        )
    )
)
AUTHOR = st.one_of(
    st.just(Author()),
    st.builds(Author, st.just(1), exactly(96)),
    st.builds(Author, st.just(3), st.integers(0, 32).flatmap(lambda hashes: exactly(104 + 32 * hashes))),
    st.builds(Author, st.just(4), exactly(64)),
    st.builds(
        lambda keys, rest: Author(5, bytes((len(keys),)) + b"".join(sorted(keys)) + rest * len(keys)),
        st.sets(exactly(32), min_size=2, max_size=3),
        exactly(64),
    ),
    st.builds(Author, st.sampled_from([2, 6, 77, 255]), st.binary(max_size=200)),
)


def is_short_enough(entry: Entry) -> bool:
    try:
        entry.encode()
    except TooLargeError:
        return False
    return True


ENTRY = st.builds(
    Entry,
    chain_id=HASH,
    content_commitment=HASH,
    media_type=text_of(PRINTABLE, 0, 60),
    external_ids=st.lists(EXTERNAL_ID, max_size=5).map(tuple),
    links=st.lists(st.builds(Link, unsigned(1), HASH, HASH), max_size=5).map(tuple),
    extensions=EXTENSIONS,
    author=AUTHOR,
).filter(is_short_enough)

# Leaves

LIVE_KEY = st.builds(Key, st.just(1), HASH)
LOG = st.builds(LogLeaf, ORIGIN, HASH, exactly(4), LIVE_KEY, LIVE_KEY, LIVE_KEY)
SEAL = st.builds(SealLeaf, unsigned(8), unsigned(8), unsigned(4), unsigned(8), HASH, unsigned(4), HASH)
HEAD = st.builds(HeadLeaf, HASH, unsigned(8), unsigned(8), HASH)
KEY = st.one_of(
    st.builds(KeyLeaf, st.sampled_from([1, 2]), HASH, LIVE_KEY, st.sampled_from([0, 3]), exactly(64)),
    st.builds(KeyLeaf, st.just(3), HASH, LIVE_KEY, st.just(3), exactly(64)),
    st.builds(KeyLeaf, st.just(2), HASH, st.just(Key(0, b"")), st.sampled_from([0, 3]), exactly(64)),
)
OUTPOINT = st.builds(OutPoint, HASH, unsigned(4))
THREAD = st.one_of(
    st.builds(ThreadLeaf, OUTPOINT),
    st.builds(ThreadLeaf, OUTPOINT, HASH.filter(any), exactly(64)),
)
EPOCH = st.tuples(unsigned(8), unsigned(8)).map(lambda times: EpochLeaf(min(times), max(times)))
UNASSIGNED = st.builds(
    lambda kind, body: UnassignedLeaf(bytes((kind,)) + body),
    st.sampled_from([0x16, *range(0x18, 0x20)]),
    st.binary(max_size=1023),
)
LEAF = st.one_of(LOG, SEAL, HEAD, KEY, THREAD, EPOCH, UNASSIGNED)

# Notes, promises, receipts

CHECKPOINT = st.builds(Checkpoint, ORIGIN, st.integers(0, 2**63 - 1), HASH)
NAME = text_of(PRINTABLE.replace(" ", "").replace("+", "") + "\u00e9\u4e00\U0001f600", 1, 20)
NOTE_SIGNATURE = st.builds(NoteSignature, NAME, exactly(4), st.binary(min_size=1, max_size=80))
SIGNATURES = st.lists(NOTE_SIGNATURE, min_size=1, max_size=16).map(tuple)
PROMISE_NOTE = st.builds(PromiseNote, HASH, unsigned(8), unsigned(8), unsigned(8), unsigned(4), HASH)
PROMISE_LEAF = st.builds(PromiseLeaf, HASH, unsigned(8), HASH, exactly(16))
PROMISE = st.builds(Promise, PROMISE_NOTE, exactly(4), exactly(64), PROMISE_LEAF, st.integers(0, MAX_SAFE), paths())
CONTENT = st.one_of(
    st.builds(Content, st.just(ContentState.SHOWN), exactly(16), HASH, st.none() | st.binary(max_size=60)),
    st.sampled_from([Content(ContentState.WITHHELD), Content(ContentState.ERASED)]),
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE, MAX_SAFE) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.dictionaries(st.text(max_size=8).filter(lambda name: name != "type"), PLAIN, max_size=3)
ANCHOR = st.one_of(
    st.builds(
        BitcoinAnchor,
        transaction=st.binary(max_size=80),
        index=st.integers(0, MAX_SAFE),
        path=paths(),
        coinbase=st.binary(max_size=80),
        coinbase_path=paths(),
        header=exactly(80),
        height=st.integers(0, MAX_SAFE),
    ),
    st.builds(TimestampAnchor, st.binary(min_size=1, max_size=80)),
    st.builds(OtherAnchor, st.text(max_size=10).filter(lambda kind: kind not in {"bitcoin", "rfc3161"}), FIELDS),
)
EVIDENCE = st.builds(lambda kind, fields: {"type": kind, **fields}, st.text(max_size=10), FIELDS)


def proof(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[DirectoryProof[Any]]:
    return st.builds(DirectoryProof, leaf, st.integers(0, MAX_SAFE), paths())


@st.composite
def sealed_parts(draw: st.DrawFn) -> Sealed:
    checkpoint = draw(CHECKPOINT)
    return Sealed(
        chain=ChainPath(draw(st.integers(0, MAX_SAFE)), draw(paths())),
        log_path=draw(paths()),
        head=draw(proof(HEAD)),
        seal=draw(proof(SEAL)),
        checkpoint=checkpoint,
        note=Note(checkpoint.encode(), draw(SIGNATURES)),
        thread=draw(st.none() | proof(THREAD)),
        previous_head=draw(st.none() | proof(HEAD)),
        keys=draw(st.lists(proof(KEY), max_size=2).map(tuple)),
        anchors=draw(st.lists(ANCHOR, max_size=2).map(tuple)),
        evidence=draw(st.lists(EVIDENCE, max_size=2).map(tuple)),
    )


RECEIPT = st.builds(Receipt, ENTRY, CONTENT, LOG, st.none() | PROMISE, st.none() | sealed_parts())


# Values come back


@given(ENTRY)
def test_an_entry_comes_back(entry: Entry) -> None:
    """What is written is read as the same entry."""
    assert entry == Entry.decode(entry.encode())


@given(ENTRY)
def test_an_author_that_did_not_sign_is_never_taken_for_one(entry: Entry) -> None:
    """Random bodies give False or a refusal, and never raise anything else."""
    try:
        assert not check_author(entry, fast_check)
    except (MalformedError, VerificationError):
        return


@given(LEAF)
def test_a_leaf_comes_back(leaf: Any) -> None:
    """What is written is read as the same leaf, in at most 1,024 bytes."""
    raw = leaf.encode()
    assert leaf == decode_leaf(raw)
    assert len(raw) <= 1024


@given(CHECKPOINT, SIGNATURES)
def test_a_note_comes_back(checkpoint: Checkpoint, signatures: tuple[NoteSignature, ...]) -> None:
    """What is written is read as the same note and the same checkpoint."""
    note = Note(checkpoint.encode(), signatures)
    assert note == Note.decode(note.encode())
    assert checkpoint == Checkpoint.decode(note.text)


@given(PROMISE)
def test_a_promise_comes_back(promise: Promise) -> None:
    """What is written is read as the same promise."""
    assert promise.note == PromiseNote.decode(promise.note.encode())
    assert promise.leaf == PromiseLeaf.decode(promise.leaf.encode())
    assert promise == Promise.from_json(json.loads(json.dumps(promise.to_json())))


@given(LOG, st.none() | st.lists(OUTPOINT, max_size=3).map(tuple))
def test_a_log_card_comes_back(log: LogLeaf, thread: tuple[OutPoint, ...] | None) -> None:
    """What is written is read as the same card."""
    assert LogCard(log, thread) == LogCard.decode(LogCard(log, thread).encode())


@given(RECEIPT)
@settings(deadline=None)
def test_a_receipt_comes_back_and_is_judged(receipt: Receipt) -> None:
    """What is written is read as the same receipt; whatever it claims is judged, never raises, and is not intact."""
    assert receipt == Receipt.decode(receipt.encode())
    blocks = (STORY.world.given_block(8),)
    verifier = Verifier(sha256(b"file"), STORY.world.card, blocks=blocks, check_signature=fast_check)
    for asked in (verifier, Verifier(any_log=True, check_signature=fast_check)):
        verdict = verify(receipt, asked)
        assert verdict.outcome != Outcome.INTACT
        assert len(verdict.steps) == (14 if receipt.sealed and receipt.sealed.timestamps else 13)
        json.dumps(verdict.to_json())


# Bytes are read or refused


def samples() -> list[bytes]:
    """Return good bytes of every binary format."""
    shapes = [shape.receipt for shape in STORY.shapes.values()]
    entries = [receipt.entry.encode() for receipt in shapes] + [make_vectors.full_entry().encode()]
    return entries + [leaf.encode() for leaf in STORY.world.directory] + statements()


def statements() -> list[bytes]:
    """Return the statements of identities that their vectors have."""
    return [bytes.fromhex(case["statement"]) for case in make_identity_vectors.cases() if case["check"] == "statement"]


@st.composite
def damaged(draw: st.DrawFn, good: list[bytes]) -> bytes:
    """Return good bytes with a few of them replaced, taken away or put in."""
    raw = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 4)))
        raw = raw[:start] + draw(st.binary(max_size=4)) + raw[end:]
    return raw


BINARY: dict[str, Callable[[bytes], bytes]] = {
    "entry": lambda raw: Entry.decode(raw).encode(),
    "leaf": lambda raw: decode_leaf(raw).encode(),
    "identity statement": lambda raw: Statement.decode(raw).encode(),
    "promise note": lambda raw: PromiseNote.decode(raw).encode(),
    "promise leaf": lambda raw: PromiseLeaf.decode(raw).encode(),
}


@pytest.mark.parametrize("name", BINARY)
@given(st.binary(max_size=300) | damaged(samples()))
def test_bytes_are_written_back_or_malformed(name: str, raw: bytes) -> None:
    """Whatever a reader takes, its writer gives back byte for byte; all else is MalformedError."""
    try:
        again = BINARY[name](raw)
    except MalformedError:
        return
    assert raw == again


NOTES = [seal.note.encode().encode() for seal in STORY.world.seals]


@given(st.text(max_size=200) | damaged(NOTES).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_notes_are_written_back_or_malformed(text: str) -> None:
    """A note, and a checkpoint in it, has one spelling."""
    try:
        note = Note.decode(text)
    except MalformedError:
        return
    assert text == note.encode()
    try:
        checkpoint = Checkpoint.decode(note.text)
    except MalformedError:
        return
    assert note.text == checkpoint.encode()


FILES = [shape.receipt.encode() for shape in STORY.shapes.values()]


@given(st.binary(max_size=100) | damaged(FILES))
@settings(deadline=None)
def test_receipts_come_back_or_are_malformed(raw: bytes) -> None:
    """A file that is read is written as a file that is read as the same receipt; all else is MalformedError."""
    try:
        receipt = Receipt.decode(raw)
    except MalformedError:
        return
    assert receipt == Receipt.decode(receipt.encode())
    assert receipt.encode() == Receipt.decode(receipt.encode()).encode()


@given(st.binary(max_size=100) | damaged([STORY.world.card.encode()]))
def test_log_cards_come_back_or_are_malformed(raw: bytes) -> None:
    """The same of log cards."""
    try:
        card = LogCard.decode(raw)
    except MalformedError:
        return
    assert card == LogCard.decode(card.encode())


@given(
    st.binary(max_size=100)
    | damaged([b"regtest 1\n" + b"".join(raw.hex().encode() + b"\n" for raw in STORY.world.headers)])
)
@settings(deadline=None)
def test_headers_files_are_read_or_refused(raw: bytes) -> None:
    """A headers file is a chain with work, or malformed, or fails by name."""
    try:
        chain = HeaderChain.decode(raw)
    except (MalformedError, VerificationError):
        return
    assert chain.at(chain.first_height - 1) is None
    assert chain.at(chain.first_height + len(chain.hashes)) is None


BESIDE: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "stamps": (
        encode_stamps({7: (TimestampAnchor(b"a token"), CalendarAnchor("regtest", b"a file", bytes(80)))}),
        lambda raw: encode_stamps(decode_stamps(raw)),
    ),
    "earlier receipts": (
        encode_earlier(dict(enumerate(shape.receipt for shape in list(STORY.shapes.values())[:2]))),
        lambda raw: encode_earlier(decode_earlier(raw)),
    ),
}


@pytest.mark.parametrize("name", BESIDE)
@given(st.data())
@settings(deadline=None)
def test_files_of_a_mirror_come_back_or_are_malformed(name: str, data: st.DataObject) -> None:
    """What is read is written as what is read as the same; all else is MalformedError."""
    good, again = BESIDE[name]
    assert good == again(good)
    try:
        written = again(data.draw(st.binary(max_size=100) | damaged([good])))
    except MalformedError:
        return
    assert written == again(written)

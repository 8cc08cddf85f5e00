"""Envelopes: what is encrypted opens for its readers and for nobody else, and only as what the entry commits to."""

import os
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType, ExternalId, IdKind, content_commitment
from anchor.proof.errors import MalformedError, TooLargeError, UnknownVersionError
from anchor.proof.receipt import Content, ContentState, Receipt
from chains.client.encrypting import ReaderKey, encrypt, open_envelope, open_with, wrap, wrap_all
from chains.client.envelope import (
    LEAST_PADDED,
    MAX_READERS,
    WRAP_SIZE,
    Envelope,
    EnvelopeError,
    EnvelopeFault,
    WrappedKey,
    check_belongs,
    largest_box,
    padded_size,
    public_key_of,
    reader_id,
    reader_text,
)
from chains.client.keyed_ids import keyed_id
from chains.client.own_entry import Form, OwnEntry, encrypted_entry
from tests.simulators.store import LOG

CHAIN = sha256(b"a chain")
CONTENT = b"born 1970-01-01"
ANNA, BEN = ReaderKey(sha256(b"anna")), ReaderKey(sha256(b"ben"))


def made(content: bytes = CONTENT, readers: tuple[ReaderKey, ...] = (ANNA,)) -> tuple[OwnEntry, Envelope]:
    """Return an entry over encrypted content, with its envelope."""
    own = encrypted_entry(CHAIN, content, Form(), os.urandom, [each.public_key for each in readers])
    assert own.envelope is not None
    return own, own.envelope


def fault(envelope: Envelope, entry: Entry, key: ReaderKey = ANNA) -> EnvelopeFault:
    with pytest.raises(EnvelopeError) as caught:
        open_envelope(envelope, entry, key)
    return caught.value.fault


def forged(salt: bytes, content: bytes, text: bytes) -> tuple[Entry, Envelope]:
    """Return an entry that commits to content, with a box of a dishonest writer: ``text`` is what he encrypted."""
    commitment, key = content_commitment(salt, sha256(content)), bytes(32)
    box = bytes(12) + AESGCM(key).encrypt(bytes(12), text, b"anchorline/envelope/v1\n" + CHAIN + commitment)
    entry = Entry(CHAIN, commitment, extensions=(Extension(ExtensionType.ENVELOPE, sha256(box)),))
    return entry, Envelope(entry.hash, wrap_all(key, [ANNA.public_key], entry.hash), box)


@pytest.mark.parametrize("content", [b"", CONTENT, bytes(100_000)])
def test_each_reader_opens_what_the_entry_commits_to(content: bytes) -> None:
    """The same salt and content for all of them, through bytes and back."""
    own, envelope = made(content, (ANNA, BEN))
    read = Envelope.decode(envelope.encode())
    assert envelope == read
    for key in (ANNA, BEN):
        opened = open_envelope(read, own.entry, key)
        assert (own.salt, own.digest, content) == (opened.salt, opened.digest, opened.content)
    assert own.entry.content_commitment == content_commitment(own.salt, sha256(content))


def test_nothing_of_the_content_is_in_what_is_sent() -> None:
    """Neither content, salt nor digest; and two entries over one content have nothing in common but the chain."""
    (own, _), (other, _) = made(), made()
    for secret in (CONTENT, own.salt, own.digest):
        assert secret not in own.submission()
        assert secret not in own.raw + (own.envelope.encode() if own.envelope else b"")
    assert own.entry.content_commitment != other.entry.content_commitment


def test_who_is_no_reader_is_told_so() -> None:
    """His key has no wrapped key; that of somebody else does not open with it."""
    own, envelope = made()
    assert EnvelopeFault.NO_READER == fault(envelope, own.entry, BEN)
    stolen = replace(envelope, keys=(WrappedKey(BEN.reader, envelope.keys[0].wrap),))
    assert EnvelopeFault.KEY_WRONG == fault(stolen, own.entry, BEN)


def test_a_wrapped_key_opens_no_other_entry() -> None:
    """It is bound to the entry's hash."""
    own, envelope = made()
    _, other = made()
    assert EnvelopeFault.KEY_WRONG == fault(replace(envelope, keys=other.keys), own.entry)


def test_an_envelope_belongs_to_one_entry() -> None:
    """Another entry's, a box that was changed, and an entry without any are refused before anything is opened."""
    own, envelope = made()
    other, beside = made()
    assert EnvelopeFault.ANOTHER_ENTRY == fault(beside, own.entry)
    assert EnvelopeFault.CHANGED == fault(replace(envelope, box=beside.box), own.entry)
    for place in (0, 12, len(envelope.box) - 1):
        box = bytearray(envelope.box)
        box[place] ^= 1
        assert EnvelopeFault.CHANGED == fault(replace(envelope, box=bytes(box)), own.entry)
    assert EnvelopeFault.NOT_ENCRYPTED == fault(envelope, replace(other.entry, extensions=()))


def test_a_dishonest_writer_proves_nothing() -> None:
    """What he encrypted instead of what the entry commits to, or with more behind it, or under another key."""
    salt = bytes(16)
    honest = salt + len(CONTENT).to_bytes(8, "big") + CONTENT
    entry, envelope = forged(salt, CONTENT, honest.ljust(256, b"\0"))
    assert CONTENT == open_envelope(envelope, entry, ANNA).content
    other = salt + len(CONTENT).to_bytes(8, "big") + CONTENT.upper()
    for text, expected in (
        (other.ljust(256, b"\0"), EnvelopeFault.NOT_COMMITTED),
        (honest.ljust(256, b"\1"), EnvelopeFault.PADDING_WRONG),
        ((salt + (1 << 63).to_bytes(8, "big")).ljust(256, b"\0"), EnvelopeFault.PADDING_WRONG),
    ):
        entry, envelope = forged(salt, CONTENT, text)
        assert expected == fault(envelope, entry)
    keys = wrap_all(sha256(b"another key"), [ANNA.public_key], entry.hash)
    assert EnvelopeFault.CONTENT_WRONG == fault(replace(envelope, keys=keys), entry)


def test_a_reader_lets_another_one_in() -> None:
    """He wraps the key that he unwrapped; the box stays what it was."""
    own, envelope = made()
    opened = open_envelope(envelope, own.entry, ANNA)
    added = wrap(opened.content_key, BEN.public_key, own.hash)
    keys = tuple(sorted((*envelope.keys, added), key=lambda each: each.reader))
    assert CONTENT == open_envelope(replace(envelope, keys=keys), own.entry, BEN).content
    assert opened == open_with(envelope, own.entry, opened.content_key)


def test_what_was_opened_is_shown_in_a_receipt_of_its_entry_only() -> None:
    """With salt and digest, and with the content where that is wanted."""
    own, envelope = made()
    opened = open_envelope(envelope, own.entry, ANNA)
    receipt = Receipt(own.entry, Content(ContentState.WITHHELD), LOG)
    assert Content(ContentState.SHOWN, own.salt, own.digest, CONTENT) == opened.shown_in(receipt).content
    assert opened.shown_in(receipt, with_content=False).content.data is None
    with pytest.raises(ValueError, match="expected a receipt of entry"):
        opened.shown_in(replace(receipt, entry=made()[0].entry))


def test_ids_in_clear_and_hashed_are_refused() -> None:
    """A name beside the encrypted content would tell of it, a hash of it can be guessed; a keyed one does not."""
    for told in (ExternalId(IdKind.CLEAR, b"anna"), ExternalId(IdKind.HASHED, sha256(b"anna"))):
        with pytest.raises(MalformedError, match="keyed"):
            encrypted_entry(CHAIN, CONTENT, Form(external_ids=(told,)), os.urandom, [ANNA.public_key])
    keyed = Form(external_ids=(keyed_id(bytes(32), "patient", "anna"),))
    assert (
        keyed.external_ids == encrypted_entry(CHAIN, CONTENT, keyed, os.urandom, [ANNA.public_key]).entry.external_ids
    )


# --- the form


def test_lengths_are_padded() -> None:
    """Short contents all look alike; of long ones at most an eighth is added, and few lengths are left."""
    assert {LEAST_PADDED} == {padded_size(size) for size in range(LEAST_PADDED + 1)}
    sizes = range(LEAST_PADDED, 70_000, 7)
    assert all(size <= padded_size(size) <= size * 1.12 for size in sizes)
    assert all(padded_size(padded_size(size)) == padded_size(size) for size in sizes)
    assert 150 > len({padded_size(size) for size in sizes})
    assert [len(made(bytes(size))[1].box) for size in (0, 200)] == [largest_box(0)] * 2


def test_malformed_envelopes_are_refused() -> None:
    """Cut, of another magic or version, with too many or unordered readers, or without room for anything."""
    _, envelope = made(readers=(ANNA, BEN))
    data = envelope.encode()
    with pytest.raises(UnknownVersionError, match="newer"):
        Envelope.decode(b"ALE\x02" + data[4:])
    with pytest.raises(MalformedError, match="beginning"):
        Envelope.decode(b"ALF" + data[3:])
    for size in (0, 3, 35, 40, 200, len(data) - largest_box(0) + 1):
        with pytest.raises(MalformedError):
            Envelope.decode(data[:size])
    with pytest.raises(MalformedError, match="ascending"):
        Envelope.decode(data[:38] + data[38 + 112 : 38 + 224] + data[38 : 38 + 112] + data[38 + 224 :])
    with pytest.raises(MalformedError, match="ascending"):
        replace(envelope, keys=envelope.keys[::-1]).encode()
    with pytest.raises(TooLargeError, match="readers"):
        Envelope.decode(data[:36] + (MAX_READERS + 1).to_bytes(2, "big") + data[38:])


def test_no_reader_and_too_many_are_refused() -> None:
    """An entry that nobody can open is a mistake."""
    for count in (0, MAX_READERS + 1):
        with pytest.raises(MalformedError, match="1 to 256"):
            wrap_all(bytes(32), [sha256(bytes((0, *number.to_bytes(2)))) for number in range(count)], bytes(32))


def test_a_point_of_small_order_is_nobodys_key() -> None:
    """What is wrapped for it everybody could open (RFC 9180, section 7.1.4)."""
    with pytest.raises(MalformedError, match="not the public key of anybody"):
        wrap(bytes(32), bytes(32), bytes(32))


def test_readers_are_named_by_texts_that_catch_a_slip() -> None:
    """Any other letter is refused, not encrypted for."""
    text = reader_text(ANNA.public_key)
    assert ANNA.text == text
    assert (65, ANNA.public_key) == (len(text), public_key_of(f" {text}\n"))
    for place in range(len("reader_"), len(text)):
        slip = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
        with pytest.raises(MalformedError, match="expected a reader's public key"):
            public_key_of(slip)
    for other in ("", "reader_", text.upper(), text[:-1], text + "a", "reader_" + "1" * 58, text.replace("_", "-")):
        with pytest.raises(MalformedError):
            public_key_of(other)


def test_an_extension_of_another_length_is_malformed() -> None:
    """Extension 8 is a SHA-256."""
    with pytest.raises(MalformedError, match="extension 8"):
        Entry(CHAIN, bytes(32), extensions=(Extension(ExtensionType.ENVELOPE, bytes(31)),)).encode()


def test_what_a_box_belongs_to_is_judged_without_a_key() -> None:
    """The service and an auditor tell a changed box from a good one."""
    own, envelope = made()
    check_belongs(envelope, own.entry)
    assert WRAP_SIZE == len(envelope.keys[0].wrap)
    assert reader_id(ANNA.public_key) == envelope.keys[0].reader


# --- keyed ids


def test_keyed_ids_part_namespaces_and_keys() -> None:
    """The same name in another namespace, or under another key, is another id; no two pairs meet."""
    key = sha256(b"search key")
    known = keyed_id(key, "patient", "4711")
    assert (IdKind.KEYED, 32) == (known.kind, len(known.value))
    assert known == keyed_id(key, "patient", b"4711")
    others = [keyed_id(key, "case", "4711"), keyed_id(bytes(32), "patient", "4711"), keyed_id(key, "patien", "t4711")]
    assert 4 == len({known, *others})
    for namespace, name in (("a\0b", "c"), ("a", "")):
        with pytest.raises(MalformedError, match="keyed id"):
            keyed_id(key, namespace, name)


def test_a_box_is_made_of_what_is_given() -> None:
    """With the same key, nonce and salt it is the same: nothing else is in it."""
    first, second = (encrypt(CHAIN, bytes(16), CONTENT, bytes(32), bytes(12)) for _ in range(2))
    assert first == second

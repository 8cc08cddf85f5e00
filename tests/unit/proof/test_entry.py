"""Tests of ``anchor.proof.entry``: its vectors, its limits, and what each signature covers.

Input is ``entry.json`` and ``chain_id.json``, which the browser verifier runs too, and entries made here. A change
of one byte of the format fails here first.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.codec import sha256
from anchor.proof.entry import (
    BATCH_DOMAIN,
    BATCH_LEAF,
    MAX_ENTRY,
    SIGNATURE_DOMAIN,
    Author,
    AuthorType,
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    Link,
    Relation,
    chain_id_of,
    check_author,
    check_chain_id,
    content_commitment,
    signature_of,
)
from anchor.proof.errors import MalformedError, Reason, TooLargeError, UnknownVersionError, VerificationError
from anchor.proof.merkle import leaf_hash, node_hash
from tests.simulators.world import fast_check, public_bytes, sign_batch, sign_entry, signing_key
from tests.vectors import make_vectors as maker

VECTORS = Path(__file__).parents[2] / "vectors"
ENTRIES: list[dict[str, Any]] = json.loads((VECTORS / "entry.json").read_text())["cases"]
CHAIN_IDS: list[dict[str, Any]] = json.loads((VECTORS / "chain_id.json").read_text())["cases"]
EMPTY = Entry(sha256(b"chain"), sha256(b"commitment"))
KEY = signing_key("author")


def signature_word(entry: Entry) -> str:
    return "good" if check_author(entry, fast_check) else "none"


@pytest.mark.parametrize("case", ENTRIES, ids=lambda case: f"{case['description']}")
def test_entry_vector(case: dict[str, Any]) -> None:
    """Every vector is read as it says and written back identically, or refused by the name that it says."""
    raw = bytes.fromhex(case["entry"])
    if "want" in case:
        entry = Entry.decode(raw)
        assert raw == entry.encode()
        assert case["want"] == maker.entry_facts(entry) | {"signature": signature_word(entry)}
        assert case["want"]["entry_hash"] == entry.hash.hex()
        return
    with pytest.raises(MalformedError) as caught:
        Entry.decode(raw)
    assert (case["want_error"] == "unknown-version") == isinstance(caught.value, UnknownVersionError)


@pytest.mark.parametrize("case", CHAIN_IDS, ids=lambda case: f"{case['description']}")
def test_chain_id_vector(case: dict[str, Any]) -> None:
    """Every vector gives the chain id that it says; no id gives none."""
    ids = [ExternalId(item["kind"], bytes.fromhex(item["value"])) for item in case["external_ids"]]
    if "want" in case:
        assert case["want"] == chain_id_of(ids).hex()
        return
    with pytest.raises(MalformedError, match="at least one external id"):
        chain_id_of(ids)


def test_the_bytes_are_those_of_the_design() -> None:
    """An entry is put together here by hand, field by field, and read."""
    raw = b"".join(
        (
            b"\x01",
            EMPTY.chain_id,
            EMPTY.content_commitment,
            b"\x0atext/plain",
            b"\x01" + b"\x00\x00\x02id",
            b"\x01" + b"\x01" + sha256(b"other chain") + sha256(b"other entry"),
            b"\x00\x0c" + b"\x00\x02\x00\x08" + (1234).to_bytes(8, "big"),
            b"\x02\x00\x03who",
        )
    )
    expected = replace(
        EMPTY,
        media_type="text/plain",
        external_ids=(ExternalId(0, b"id"),),
        links=(Link(Relation.SUPERSEDES, sha256(b"other chain"), sha256(b"other entry")),),
        extensions=(Extension(ExtensionType.AUTHOR_TIME, (1234).to_bytes(8, "big")),),
        author=Author(2, b"who"),
    )
    assert expected == Entry.decode(raw)
    assert raw == expected.encode()
    assert sha256(b"\x00" + raw) == expected.hash


def test_an_entry_with_its_prefix_fits_one_message() -> None:
    """00 and the largest entry are 4,096 bytes, what one OpenTimestamps message holds."""
    room = MAX_ENTRY - len(replace(EMPTY, external_ids=(ExternalId(0, b"x"),)).encode()) + 1
    largest = replace(EMPTY, external_ids=(ExternalId(0, b"x" * room),))
    assert len(b"\x00" + largest.encode()) == 4096
    with pytest.raises(TooLargeError, match="at most 4095 bytes, got 4096"):
        replace(EMPTY, external_ids=(ExternalId(0, b"x" * (room + 1)),)).encode()
    with pytest.raises(TooLargeError):
        Entry.decode(largest.encode() + b"\x00")


@pytest.mark.parametrize(
    "entry",
    [
        replace(EMPTY, chain_id=bytes(31)),
        replace(EMPTY, content_commitment=bytes(33)),
        replace(EMPTY, media_type="caf\u00e9"),
        replace(EMPTY, media_type="\ud800"),
        replace(EMPTY, media_type="a\n"),
        replace(EMPTY, media_type="a" * 256),
        replace(EMPTY, external_ids=(ExternalId(3, bytes(32)),)),
        replace(EMPTY, external_ids=(ExternalId(0, b""),)),
        replace(EMPTY, external_ids=(ExternalId(1, bytes(31)),)),
        replace(EMPTY, external_ids=(ExternalId(0, b"x"),) * 256),
        replace(EMPTY, external_ids=(ExternalId(0, b"x" * 65536),)),
        replace(EMPTY, links=(Link(256, bytes(32), bytes(32)),)),
        replace(EMPTY, links=(Link(1, bytes(31), bytes(32)),)),
        replace(EMPTY, links=(Link(1, bytes(32), bytes(33)),)),
        replace(EMPTY, extensions=(Extension(7, b""), Extension(6, b""))),
        replace(EMPTY, extensions=(Extension(7, b""), Extension(7, b""))),
        replace(EMPTY, extensions=(Extension(65536, b""),)),
        replace(EMPTY, extensions=(Extension(-1, b""),)),
        replace(EMPTY, extensions=(Extension(7, bytes(65536)),)),
        replace(EMPTY, extensions=(Extension(1, bytes(31)),)),
        replace(EMPTY, author=Author(0, b"x")),
        replace(EMPTY, author=Author(1, bytes(95))),
        replace(EMPTY, author=Author(3, bytes(105))),
        replace(EMPTY, author=Author(4, bytes(65))),
        replace(EMPTY, author=Author(256, b"")),
        replace(EMPTY, author=Author(9, bytes(65536))),
    ],
    ids=lambda entry: f"{entry!r}"[-60:].encode("ascii", "replace").decode(),
)
def test_a_value_that_the_format_cannot_hold_is_not_written(entry: Entry) -> None:
    """Writers get the same refusals as readers, so that nothing unreadable is ever signed."""
    with pytest.raises(MalformedError):
        entry.encode()


def test_a_commitment_hides_the_content_behind_the_salt() -> None:
    """The commitment is the hash of salt and content digest; both have their exact length."""
    assert sha256(bytes(16) + sha256(b"content")) == content_commitment(bytes(16), sha256(b"content"))
    with pytest.raises(MalformedError, match="salt: expected 16 bytes, got 15"):
        content_commitment(bytes(15), bytes(32))
    with pytest.raises(MalformedError, match="content digest: expected 32 bytes, got 33"):
        content_commitment(bytes(16), bytes(33))


def test_the_first_entry_gives_the_chain_its_id() -> None:
    """Without external ids, or with others, an entry cannot be a chain's first."""
    ids = (ExternalId(0, b"orders"), ExternalId(1, sha256(b"hidden")))
    first = Entry(chain_id_of(ids), EMPTY.content_commitment, external_ids=ids)
    check_chain_id(first)
    for other in (
        replace(first, external_ids=()),
        replace(first, external_ids=ids[::-1]),
        replace(first, chain_id=bytes(32)),
    ):
        with pytest.raises(VerificationError) as caught:
            check_chain_id(other)
        assert caught.value.reason == Reason.CHAIN_ID_MISMATCH


def rejected(entry: Entry) -> bool:
    try:
        check_author(entry, fast_check)
    except VerificationError as error:
        return error.reason == Reason.AUTHOR_SIGNATURE_WRONG
    return False


def test_an_author_signs_every_byte_before_the_signature() -> None:
    """The signed message is the domain and the entry up to the public key, author type and length included."""
    entry = sign_entry(maker.full_entry(), KEY)
    claimed = signature_of(entry)
    assert claimed is not None
    raw = entry.encode()
    assert SIGNATURE_DOMAIN + raw[:-64] == claimed.message
    assert raw[-99:-96] == b"\x01\x00\x60"
    assert public_bytes(KEY) == claimed.public_key
    assert raw[-64:] == claimed.signature
    assert check_author(entry, fast_check)
    assert check_author(entry)


def test_a_signature_does_not_move_to_another_entry() -> None:
    """In another chain, with other ids, content, links or extensions, the signature is wrong."""
    entry = sign_entry(maker.full_entry(), KEY)
    for other in (
        replace(entry, chain_id=sha256(b"another chain")),
        replace(entry, content_commitment=sha256(b"other content")),
        replace(entry, media_type="text/plain"),
        replace(entry, external_ids=entry.external_ids[1:]),
        replace(entry, links=()),
        replace(entry, extensions=entry.extensions[1:]),
        replace(entry, author=Author(AuthorType.ED25519, public_bytes(signing_key("other")) + entry.author.body[32:])),
        replace(entry, author=Author(AuthorType.ED25519, entry.author.body[:-1] + b"\x00")),
    ):
        assert rejected(other)
    assert not rejected(entry)


@pytest.mark.parametrize("author_type", [AuthorType.NONE, 2, AuthorType.HASHED, 255])
def test_what_cannot_be_checked_is_not_taken_for_signed(author_type: int) -> None:
    """An entry without a signature that this version knows gives False, neither success nor failure."""
    body = bytes(64) if author_type == AuthorType.HASHED else b""
    assert not check_author(replace(EMPTY, author=Author(author_type, body)), fast_check)


def test_a_batch_signature_covers_size_and_root() -> None:
    """Two entries: the message is the domain, the size and the node over both batch leaves, as written by hand."""
    entries = [EMPTY, maker.full_entry()]
    signed = sign_batch(entries, KEY)
    leaves = [leaf_hash(BATCH_LEAF + entry.encode_before_author()) for entry in entries]
    for entry in signed:
        claimed = signature_of(entry)
        assert claimed is not None
        assert BATCH_DOMAIN + (2).to_bytes(4, "big") + node_hash(*leaves) == claimed.message
        assert check_author(entry, fast_check)


def batch_body(entry: Entry, at: int, piece: bytes) -> Entry:
    body = entry.author.body
    return replace(entry, author=Author(AuthorType.BATCH, body[:at] + piece + body[at + len(piece) :]))


def test_a_batch_signature_holds_for_its_own_place_only() -> None:
    """Another index, size, path, key or entry fails, and so does a path of another length."""
    entries = [replace(EMPTY, media_type=f"text/{number}") for number in range(5)]
    signed = sign_batch(entries, KEY)[2]
    body = signed.author.body
    for other in (
        batch_body(signed, 96, (3).to_bytes(4, "big")),
        batch_body(signed, 96, (5).to_bytes(4, "big")),
        batch_body(signed, 100, (4).to_bytes(4, "big")),
        batch_body(signed, 100, (6).to_bytes(4, "big")),
        batch_body(signed, 100, bytes(4)),
        batch_body(signed, 104, bytes(32)),
        batch_body(signed, 0, public_bytes(signing_key("other"))),
        batch_body(signed, 32, bytes(64)),
        replace(signed, author=Author(AuthorType.BATCH, body[:-32])),
        replace(signed, author=Author(AuthorType.BATCH, body + bytes(32))),
        replace(signed, chain_id=sha256(b"another chain")),
    ):
        assert rejected(other)
    assert not rejected(signed)


def test_a_batch_path_has_at_most_32_hashes() -> None:
    """None and 32 hashes are read, 33 are not."""
    for hashes in (0, 32):
        entry = replace(EMPTY, author=Author(AuthorType.BATCH, bytes(104 + 32 * hashes)))
        assert entry == Entry.decode(entry.encode())
    with pytest.raises(MalformedError, match="at most 32 hashes"):
        replace(EMPTY, author=Author(AuthorType.BATCH, bytes(104 + 32 * 33))).encode()


def test_the_two_signatures_cannot_stand_for_each_other() -> None:
    """A signature over an entry is none over a batch of that entry, and the other way round: the domains differ."""
    alone, batch = sign_entry(EMPTY, KEY), sign_batch([EMPTY], KEY)[0]
    as_batch = alone.author.body + bytes(4) + (1).to_bytes(4, "big")
    assert rejected(replace(EMPTY, author=Author(AuthorType.BATCH, as_batch)))
    assert rejected(replace(EMPTY, author=Author(AuthorType.ED25519, batch.author.body[:96])))


def test_extensions_are_found_by_type() -> None:
    """An extension that is not there is None; unknown types from 8000 hex on are named."""
    entry = maker.full_entry()
    assert sha256(b"log") == entry.extension(ExtensionType.LOG_ID)
    assert EMPTY.extension(ExtensionType.LOG_ID) is None
    assert entry.unknown_critical_extensions() == (0x8000,)
    assert EMPTY.unknown_critical_extensions() == ()


def test_hashed_and_clear_ids_are_looked_up_under_one_digest() -> None:
    """Kind 1 is the digest of kind 0; kind 2 is hashed like any other bytes."""
    assert ExternalId(0, b"name").digest() == ExternalId(1, sha256(b"name")).digest()
    assert sha256(sha256(b"name")) == ExternalId(2, sha256(b"name")).digest()

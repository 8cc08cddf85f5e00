"""Tests of drafts: what is signed is what the finished entry has, and a file that says anything else is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from anchor.proof.entry import Author, AuthorType, Entry, author_of_several, check_author, signing_keys
from anchor.proof.errors import MalformedError
from chains.client.draft import Draft, DraftError
from chains.client.own_entry import Form, Sent, make_entry, signed
from chains.client.signing import Ed25519Key
from tests.simulators.world import fast_check

KEYS = sorted((Ed25519Key(bytes([number]) * 32) for number in range(17)), key=lambda key: key.public_key)


def drafted(*keys: Ed25519Key, content: bytes = b"beam 7") -> Draft:
    own = make_entry(bytes(32), content, Form(), bytes, Sent.CONTENT)
    return Draft.of(own, [key.public_key for key in keys])


@pytest.mark.parametrize("count", [1, 2, 16])
def test_the_finished_entry_is_the_one_that_its_keys_would_sign_at_once(count: int) -> None:
    """Signatures come in any order, by way of files and of copies that are joined; each counts once."""
    keys = KEYS[:count]
    draft = drafted(*keys)
    whole = draft
    for key in reversed(keys):
        copy = Draft.decode(draft.encode(), fast_check).signed_by(key)
        whole = whole.joined(Draft.decode(copy.encode(), fast_check)).signed_by(key)
    assert () == whole.lacking
    own = Draft.decode(whole.encode(), fast_check).finished()
    entry = own.entry
    assert check_author(entry, fast_check)
    assert tuple(key.public_key for key in keys) == signing_keys(entry)
    assert (b"beam 7", draft.salt) == (own.content, own.salt)
    if count == 1:
        assert signed(draft.entry, keys[0]) == own.raw
    else:
        pairs = [(key.public_key, key.sign) for key in keys]
        assert author_of_several(draft.entry, pairs) == entry.author
    assert signing_keys(draft.claimed) == signing_keys(entry)


def test_who_is_not_named_cannot_sign_and_another_draft_cannot_be_joined() -> None:
    """A signature that lacks keeps the entry from being finished; a stranger's is none."""
    draft = drafted(KEYS[0], KEYS[1]).signed_by(KEYS[0])
    with pytest.raises(DraftError, match="1 of 2 signatures are lacking"):
        draft.finished()
    with pytest.raises(DraftError, match="is none of the 2 that it names"):
        draft.signed_by(KEYS[2])
    with pytest.raises(DraftError, match="two that differ"):
        draft.joined(drafted(KEYS[0], KEYS[1], content=b"beam 8"))


def put(name: str, to: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: value | {name: to}


STRANGER = {KEYS[5].public_key.hex(): KEYS[5].sign(b"").hex()}
WITH_AUTHOR = replace(drafted(KEYS[0]).entry, author=Author(AuthorType.ED25519, bytes(96))).encode().hex()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (put("format", "anchorline-draft/2"), "written by a newer Anchorline"),
        (put("more", 1), "unknown field 'more'"),
        (put("keys", []), "1 to 16 keys"),
        (put("keys", [key.public_key.hex() for key in (KEYS[1], KEYS[0])]), "ascending order"),
        (put("keys", [key.public_key.hex() for key in KEYS]), "at most 16 items"),
        (put("keys", [KEYS[3].public_key.hex()]), "does not hold"),
        (put("entry", WITH_AUTHOR), "without an author"),
        (put("entry", "00"), "expected version 1"),
        (put("content", "YmVhbSA4"), "not what its entry commits to"),
        (put("content", "?"), "base64"),
        (put("salt", bytes(15).hex()), "16"),
        (put("signatures", STRANGER), "does not hold"),
        (put("signatures", {KEYS[0].public_key.hex(): bytes(64).hex()}), "does not hold"),
        (put("signatures", {KEYS[0].public_key.hex(): "00"}), "64 bytes"),
        (put("signatures", {"00": bytes(64).hex()}), "draft: a key"),
        (put("opens", {"name": 1}), "a string"),
    ],
)
def test_a_file_that_is_no_draft_is_refused(change: Callable[[dict[str, Any]], dict[str, Any]], why: str) -> None:
    """Of every field, what cannot be believed is refused before anybody signs or submits it."""
    value = json.loads(drafted(KEYS[0], KEYS[1]).signed_by(KEYS[0]).encode())
    with pytest.raises(MalformedError, match=why):
        Draft.decode(json.dumps(change(value)).encode(), fast_check)


def test_an_entry_without_room_for_its_signatures_is_refused_before_anybody_signs() -> None:
    """Sixteen signatures take 1,536 bytes of 4,095."""
    form = Form(policy=bytes(2600))
    own = make_entry(bytes(32), b"", form, bytes, Sent.CONTENT)
    with pytest.raises(MalformedError, match="expected at most 4095 bytes"):
        Draft.of(own, [key.public_key for key in KEYS[:16]])
    assert isinstance(Draft.of(own, [KEYS[0].public_key]).claimed, Entry)

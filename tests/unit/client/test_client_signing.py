"""Signed batches as the client makes them: each entry holds alone, and no two are equal."""

import os

import pytest

from anchor.proof.codec import sha256
from anchor.proof.entry import AuthorType, check_author
from chains.client.own_entry import Form, Sent, external_ids_of, make_entry, signed_batch, signed_each
from chains.client.signing import Ed25519Key


def test_an_entry_without_room_for_a_path_is_signed_alone() -> None:
    """Of many entries one that would grow beyond the format by its path has a signature of its own; all hold."""
    key = Ed25519Key(bytes(32))
    forms = [Form(external_ids=external_ids_of(["x" * size])) for size in (3700, 3900, 3, 3)]
    made = [make_entry(sha256(b"chain"), b"content", form, os.urandom, Sent.COMMITMENT) for form in forms]
    found = [own.entry for own in signed_each(made, key)]
    assert [AuthorType.BATCH, AuthorType.ED25519, AuthorType.BATCH, AuthorType.BATCH] == [
        entry.author.type for entry in found
    ]
    assert all(map(check_author, found))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_each_entry_of_a_signed_batch_holds_alone(count: int) -> None:
    """The path of each leads to the root that was signed, for batches of every shape."""
    made = [make_entry(sha256(b"chain"), b"content", Form(), os.urandom, Sent.COMMITMENT) for _ in range(count)]
    found = signed_batch(made, Ed25519Key(bytes(32)))
    assert all(check_author(own.entry) for own in found)
    assert [own.salt for own in made] == [own.salt for own in found]


def test_equal_entries_are_never_signed_together() -> None:
    """Two equal leaves are refused: a path could be meant for either."""
    own = make_entry(sha256(b"chain"), b"content", Form(), os.urandom, Sent.COMMITMENT)
    with pytest.raises(ValueError, match="two equal ones"):
        signed_batch([own, own], Ed25519Key(bytes(32)))
    assert [] == signed_each([], Ed25519Key(bytes(32)))

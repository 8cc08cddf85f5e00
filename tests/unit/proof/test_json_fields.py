"""Tests of fields and disclosures: the vectors, and what somebody who holds a disclosure can find out of the rest.

Input is ``fields.json`` and the documents of ``tests/simulators/documents.py``.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.disclosure import Disclosure, ShownField, commit
from anchor.proof.errors import MalformedError, UnknownVersionError, VerificationError
from anchor.proof.json_fields import KINDS, MAX_FIELDS, Field, FieldsDocument, ValueKind, fields_of
from anchor.proof.merkle import root_from_inclusion
from anchor.proof.strictjson import loads_as_written
from tests.simulators.documents import PERSON, disclosed, numbered_salts
from tests.vectors import make_fields_vectors as maker

CASES: list[dict[str, Any]] = json.loads(maker.FILE.read_text())["cases"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def of_text(case: dict[str, Any]) -> list[list[str]]:
    value = loads_as_written(bytes.fromhex(case["text"]), "text", 4096)
    return [[field.pointer, field.kind.word, field.text] for field in fields_of(value)]


def of_document(case: dict[str, Any]) -> dict[str, Any]:
    document = FieldsDocument.decode(case["document"].encode())
    return {"fields": document.fields, "root": document.root.hex()}


def of_leaf(case: dict[str, Any]) -> str:
    return Field(tuple(case["place"]), KINDS[case["type"]], case["value"]).leaf(bytes.fromhex(case["salt"])).hex()


def of_disclosure(case: dict[str, Any]) -> dict[str, Any]:
    encoded = json.dumps(case["disclosure"], indent=1).encode() + b"\n"
    made = Disclosure.decode(encoded)
    made.check()
    assert encoded == made.encode()
    return maker.shown(made)


CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "fields": of_text,
    "fields-document": of_document,
    "field-leaf": of_leaf,
    "disclosure": of_disclosure,
}


def outcome(case: dict[str, Any]) -> Any:
    try:
        return CHECKS[case["check"]](case)
    except UnknownVersionError:
        return "unknown-version"
    except MalformedError:
        return "malformed"
    except VerificationError as error:
        return str(error.reason)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}: {case['description']}"[:80])
def test_vectors(case: dict[str, Any]) -> None:
    """Every case gives what the vectors say, or is refused under that name."""
    assert case.get("want", case.get("want_error")) == outcome(case)


def test_the_vectors_are_those_that_the_script_makes() -> None:
    """The file and its script say the same, and it has no check that is not run."""
    assert maker.make() == maker.FILE.read_text(encoding="ascii")
    assert set(CHECKS) == {case["check"] for case in CASES}


@given(VALUES.map(lambda value: {"value": value}))
@settings(deadline=None, max_examples=60)
def test_every_document_is_shown_whole_and_in_parts(value: dict[str, Any]) -> None:
    """Whatever the JSON, all of its fields hold, each of them alone does, and together they are what was written."""
    document = json.dumps(value).encode()
    whole = disclosed(document, lambda: os.urandom(16))
    whole.check()
    fields = list(fields_of(loads_as_written(document, "document", len(document))))
    assert {each.field for each in whole.shown} == set(fields)
    assert len(fields) == len(whole.shown)
    for each in whole.shown:
        alone = Disclosure.decode(whole.only({each.field.place}.__contains__).encode())
        alone.check()
        assert (each.field, len(fields) - 1) == (alone.shown[0].field, alone.withheld)


def test_every_changed_byte_of_a_disclosure_is_refused() -> None:
    """Of what a disclosure says, nothing can be changed and still lead to the document that the receipt commits to."""
    whole = disclosed(PERSON)
    two = whole.only(lambda place: place in {("name",), ("address", "city")})
    encoded = two.encode()
    for at in range(len(encoded)):
        changed = encoded[:at] + bytes((encoded[at] ^ 1,)) + encoded[at + 1 :]
        try:
            found = Disclosure.decode(changed)
            found.check()
        except (MalformedError, VerificationError):
            continue
        assert (two.shown, two.document) == (found.shown, found.document) or two.document_digest != (
            found.document_digest
        ), at


def test_a_document_has_at_most_4096_fields() -> None:
    """The limit is a document's, and it is shown whole; one field more is refused before anything is hashed."""
    fields = [Field((at,), ValueKind.NULL) for at in range(MAX_FIELDS)]
    whole = commit(fields, numbered_salts())
    Disclosure.decode(whole.encode()).check()
    with pytest.raises(MalformedError, match="1 to 4096 fields, got 4097"):
        commit([*fields, Field((MAX_FIELDS,), ValueKind.NULL)], numbered_salts())


# --- what a third party who holds two of five fields can find out of the others

GUESSES = [b"Ada Lovelace", b"London", b"1815-12-10", b"12 St James's Square", b"410.50"]


def two_of_five(salt: Callable[[], bytes]) -> tuple[Disclosure, dict[tuple[str | int, ...], ShownField]]:
    whole = disclosed(PERSON, salt)
    two = Disclosure.decode(whole.only(lambda place: place in {("name",), ("address", "city")}).encode())
    two.check()
    return two, {each.field.place: each for each in whole.shown if each not in two.shown}


def salts_in(disclosure: Disclosure) -> Iterator[bytes]:
    """Yield every 16 bytes that stand anywhere in what he holds, and what he might think of besides."""
    raw = disclosure.encode()
    hexes = [each.salt for each in disclosure.shown]
    hexes += [node for each in disclosure.shown for node in each.path]
    hexes += [FieldsDocument.decode(disclosure.document).root, disclosure.document_digest, bytes(32), raw]
    for whole in hexes:
        for at in range(max(1, min(len(whole), 64) - 15)):
            yield whole[at : at + 16]


def hits(disclosure: Disclosure, withheld: dict[tuple[str | int, ...], ShownField], salts: list[bytes]) -> set[str]:
    """Return the withheld fields that a dictionary attack finds: right guesses, tried under these salts.

    A guess is known to be right where its leaf is a node in what he holds, or leads to the root with nodes of it.
    """
    nodes = {node for each in disclosure.shown for node in each.path}
    root = FieldsDocument.decode(disclosure.document).root
    size = FieldsDocument.decode(disclosure.document).fields
    found = set()
    for place, real in withheld.items():
        for text in GUESSES:
            guess = Field(place, real.field.kind, text.decode())
            for salt in salts:
                try:
                    leaf = guess.hash(salt)
                except MalformedError:
                    continue  # no number, or no salt
                if leaf in nodes or root_from_inclusion(leaf, real.index, size, real.path) == root:
                    found.add(guess.pointer)
    return found


def test_two_of_five_fields_say_nothing_of_the_others() -> None:
    """Whoever holds two fields tries the true values of the others with every salt that he could have, in vain.

    He is even handed their places in the tree, and the ways from there to the root. With the salt of a field, the same
    attack finds its value at once: so it is the salt that withholds it, and the attack is a real one.
    """
    two, withheld = two_of_five(lambda: os.urandom(16))
    assert {("born",), ("address", "street"), ("salary",)} == set(withheld)
    salts = list(salts_in(two))
    assert len(salts) > 100
    assert set() == hits(two, withheld, salts)
    assert {"/salary"} == hits(two, withheld, [*salts, withheld[("salary",)].salt])
    assert {"/address/street", "/born", "/salary"} == hits(two, withheld, [each.salt for each in withheld.values()])


def test_what_is_withheld_is_nowhere_in_the_file() -> None:
    """Neither names, values nor salts of withheld fields are in a disclosure, and no two fields share a salt."""
    two, withheld = two_of_five(lambda: os.urandom(16))
    encoded = two.encode()
    for each in withheld.values():
        for secret in (each.field.place[-1], each.field.text, each.salt.hex()):
            assert str(secret).encode() not in encoded
    assert 5 == len({each.salt for each in (*two.shown, *withheld.values())})


def test_equal_documents_have_unequal_roots() -> None:
    """The same document recorded twice cannot be recognised by its content: every salt is new."""
    one, other = (disclosed(PERSON, lambda: os.urandom(16)) for _ in range(2))
    assert one.document != other.document
    assert not {each.hash for each in one.shown} & {each.hash for each in other.shown}

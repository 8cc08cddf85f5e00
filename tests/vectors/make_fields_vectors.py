"""Makes the vectors of fields: leaves, documents, disclosures, and what can be wrong with each.

Input is the documents of ``tests/simulators/documents.py``. ``python -m tests.vectors.make_fields_vectors`` in the
repository's root writes the file; ``tests/unit/proof/test_json_fields.py`` runs every case, and fails when this script
would write another.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from anchor.proof.disclosure import Disclosure
from anchor.proof.json_fields import Field, FieldsDocument, ValueKind
from anchor.proof.merkle import inclusion_path, leaf_hash, root_of
from tests.simulators.documents import EVERYTHING, PERSON, disclosed, numbered_salts

FILE = Path(__file__).parent / "fields.json"
ABOUT = (
    "Fields of a JSON document: docs/spec/fields.md. fields wants what a JSON text (hex) has, field-leaf the leaf of "
    "one field, fields-document its values, disclosure what it shows. Bytes are hex."
)
Json = dict[str, Any]
SALT = "000102030405060708090a0b0c0d0e0f"


def cases() -> Iterator[Json]:
    """Return every case."""
    yield from _texts()
    yield from _leaves()
    person, other = disclosed(PERSON), disclosed(PERSON.replace(b"London", b"Paris"), lambda: bytes(16))
    yield from _documents(person)
    two = person.only(lambda place: place in {("name",), ("address", "city")})
    for description, made in (
        ("two of five fields", two),
        ("all five fields", person),
        ("one field", person.only(lambda place: place == ("salary",))),
        ("every kind of value", disclosed(EVERYTHING)),
        ("an empty object is one field", disclosed(b"{}")),
        ("an array at the outside", disclosed(b'["a", "b", 3]')),
        ("a receipt beside the fields is not read here", two.with_receipt(b"anything")),
    ):
        yield _case(description, "disclosure", disclosure=json.loads(made.encode()), want=shown(made))
    yield from _wrong_disclosures(json.loads(two.encode()), json.loads(other.encode()))
    yield from _wrong_places(json.loads(two.encode()))
    yield from _equivocations()


def shown(disclosure: Disclosure) -> Json:
    """Return what a case of a disclosure wants."""
    fields = [each.field for each in disclosure.shown]
    return {
        "document_sha256": disclosure.document_digest.hex(),
        "withheld": disclosure.withheld,
        "shown": {each.pointer: [each.kind.word, each.text] for each in fields},
    }


def _case(description: str, check: str, **fields: Any) -> Json:
    return {"description": description, "check": check, **fields}


def _texts() -> Iterator[Json]:
    for description, text, want in (
        ("fields stand in the order of the text", '{"b": 1, "a": "x"}', [["/b", "number", "1"], ["/a", "string", "x"]]),
        (
            "numbers are kept as they are written",
            "[1.10, 1.1, 1E2, -0, 1e999]",
            [
                ["/0", "number", "1.10"],
                ["/1", "number", "1.1"],
                ["/2", "number", "1E2"],
                ["/3", "number", "-0"],
                ["/4", "number", "1e999"],
            ],
        ),
        (
            "what is empty is a field, what holds something is none",
            '{"a": {}, "b": [], "c": {"d": null}}',
            [
                ["/a", "object", ""],
                ["/b", "array", ""],
                ["/c/d", "null", ""],
            ],
        ),
        (
            "names are escaped in a pointer",
            '{"a/b": true, "m~n": false, "": "\\u00e9"}',
            [
                ["/a~1b", "true", ""],
                ["/m~0n", "false", ""],
                ["/", "string", "\u00e9"],
            ],
        ),
    ):
        yield _case(description, "fields", text=text.encode().hex(), want=want)
    for description, wrong in (
        ("a name twice", b'{"a": 1, "a": 2}'),
        ("a name twice, once escaped", b'{"a": 1, "\\u0061": 2}'),
        ("no number", b'{"a": NaN}'),
        ("a number with a zero in front", b'{"a": 01}'),
        ("digits of another script", '{"a": \u0661}'.encode()),
        ("a lone surrogate", b'{"a": "\\ud800"}'),
        ("seventeen levels", b"[" * 17 + b"]" * 17),
        ("a number of 1,025 characters", b"[" + b"1" * 1025 + b"]"),
        ("text behind it", b"{} {}"),
    ):
        yield _case(description, "fields", text=wrong.hex(), want_error="malformed")


def _leaves() -> Iterator[Json]:
    for field in (
        Field(("address", "city"), ValueKind.STRING, "London"),
        Field(("many", 3, "deep"), ValueKind.NUMBER, "-1.50"),
        Field((), ValueKind.OBJECT),
        Field(("\u00e9",), ValueKind.NULL),
    ):
        yield _leaf_case(f"the leaf of {field.pointer!r}", field, want=field.leaf(bytes.fromhex(SALT)).hex())
    one, three = Field(("a", 0), ValueKind.STRING, "1"), Field(("a", "0"), ValueKind.STRING, "1")
    yield _leaf_case("an element of an array", one, want=one.leaf(bytes.fromhex(SALT)).hex())
    yield _leaf_case("a member of the same pointer has another leaf", three, want=three.leaf(bytes.fromhex(SALT)).hex())
    for description, field in (
        ("a number that is none", Field(("a",), ValueKind.NUMBER, "0x1")),
        ("a number with a line feed behind it", Field(("a",), ValueKind.NUMBER, "1\n")),
        ("a name of 4,097 bytes", Field(("x" * 4097,), ValueKind.NULL)),
        ("seventeen steps", Field(("x",) * 17, ValueKind.NULL)),
    ):
        yield _leaf_case(description, field, want_error="malformed")


def _leaf_case(description: str, field: Field, **want: str) -> Json:
    value = {"place": list(field.place), "type": field.kind.word, "value": field.text}
    return _case(description, "field-leaf", **value, salt=SALT, **want)


def _documents(person: Disclosure) -> Iterator[Json]:
    text = person.document.decode()
    document = FieldsDocument.decode(person.document)
    want = {"fields": 5, "root": document.root.hex()}
    yield _case("the document of five fields", "fields-document", document=text, want=want)
    for description, wrong, error in (
        ("another form of the same values", text.replace(" ", ""), "malformed"),
        ("no fields", text.replace("5", "0", 1), "malformed"),
        ("4,097 fields", text.replace(": 5", ": 4097", 1), "malformed"),
        ("a field more", text.replace("{", '{"x": 1,', 1), "malformed"),
        ("a newer version", text.replace("fields/1", "fields/2"), "unknown-version"),
        ("a manifest", text.replace("anchorline-fields/1", "anchorline-manifest/1"), "malformed"),
    ):
        yield _case(description, "fields-document", document=wrong, want_error=error)


def _wrong_disclosures(two: Json, other: Json) -> Iterator[Json]:
    first, second = two["shown"]
    for description, rows, error in (
        ("the values of two fields swapped", [_with(first, second, "value"), _with(second, first, "value")], "wrong"),
        ("two fields swapped", [first | {"index": second["index"]}, second | {"index": first["index"]}], "malformed"),
        ("another value", [first | {"value": "Bob"}, second], "wrong"),
        ("another type of the same text", [first | {"type": "number", "value": "1"}, second], "wrong"),
        ("another place", [first | {"place": ["names"]}, second], "wrong"),
        ("an element of an array in the place of a member", [first | {"place": [0]}], "wrong"),
        ("another salt", [first | {"salt": SALT}, second], "wrong"),
        ("the salt of another field", [_with(first, second, "salt"), second], "wrong"),
        ("a salt of 15 bytes", [first | {"salt": "00" * 15}, second], "malformed"),
        ("the field of another document", [other["shown"][0]], "wrong"),
        ("a path that is too short", [first | {"path": first["path"][:-1]}, second], "wrong"),
        ("a place outside the tree", [first, second | {"index": 5}], "wrong"),
        ("a field twice", [first, first], "malformed"),
        ("fields in another order", [second, first], "malformed"),
        ("no fields", [], "malformed"),
        ("a type that there is not", [first | {"type": "date"}, second], "malformed"),
        ("a value of a kind that has none", [first | {"type": "null"}, second], "malformed"),
        ("a number as a number", [first | {"type": "number", "value": 1}, second], "malformed"),
        ("a field that nobody knows", [first | {"more": 1}, second], "malformed"),
        ("a step that is neither a name nor a place", [first | {"place": [True]}, second], "malformed"),
        ("a place in an array that is too high", [first | {"place": [4096]}, second], "malformed"),
        ("a place in an array below 0", [first | {"place": [-1]}, second], "malformed"),
    ):
        reason = "inclusion-wrong" if error == "wrong" else error
        yield _case(description, "disclosure", disclosure=two | {"shown": rows}, want_error=reason)
    for description, fields, error in (
        ("the document of another disclosure", {"document": other["document"]}, "inclusion-wrong"),
        ("an unknown field", {"more": 1}, "malformed"),
        ("a newer version", {"format": "anchorline-disclosure/2"}, "unknown-version"),
        ("a document in another form", {"document": two["document"].strip()}, "malformed"),
    ):
        yield _case(description, "disclosure", disclosure=two | fields, want_error=error)
    for name in ("format", "document", "shown"):
        left = {key: item for key, item in two.items() if key != name}
        yield _case(f"no {name}", "disclosure", disclosure=left, want_error="malformed")
    for name in first:
        left = {key: item for key, item in first.items() if key != name}
        yield _case(f"a field without {name}", "disclosure", disclosure=two | {"shown": [left]}, want_error="malformed")


def _with(one: Json, other: Json, name: str) -> Json:
    return one | {name: other[name]}


def _wrong_places(two: Json) -> Iterator[Json]:
    """Fields that no single JSON document has: refused before the tree is looked at."""
    for description, places in (
        ("a place twice", [["a"], ["a"]]),
        ("a value at a place that holds another field", [["a"], ["a", "b"]]),
        ("the same in the other order", [["a", "b"], ["a"]]),
        ("the whole document beside a part of it", [[], ["a"]]),
        ("members and elements at one place", [["a", 0], ["a", "b"]]),
        ("an element and a member of the same pointer", [["a", 0], ["a", "0"]]),
    ):
        rows = deepcopy(two["shown"])
        for row, place in zip(rows, places, strict=True):
            row["place"] = place
        yield _case(description, "disclosure", disclosure=two | {"shown": rows}, want_error="malformed")


def _equivocations() -> Iterator[Json]:
    """Trees that no honest writer makes: one place with two values, and leaves that are not in the order of hashes."""
    salt = numbered_salts()
    salted = [(Field(("price",), ValueKind.NUMBER, text), salt()) for text in ("3", "4")]
    salted.sort(key=lambda each: each[0].hash(each[1]))
    for description, rows, kept, error in (
        ("one place with two values, both shown", salted, (0, 1), "malformed"),
        ("leaves in another order than that of their hashes", _renamed(salted[::-1]), (0, 1), "inclusion-wrong"),
    ):
        yield _case(description, "disclosure", disclosure=_tree(rows, kept), want_error=error)


def _renamed(salted: list[tuple[Field, bytes]]) -> list[tuple[Field, bytes]]:
    """Return two fields of two names, whose leaves are in the wrong order."""
    rows = [(Field((name,), field.kind, field.text), salt) for name, (field, salt) in zip("ab", salted, strict=True)]
    return sorted(rows, key=lambda each: each[0].hash(each[1]), reverse=True)


def _tree(salted: list[tuple[Field, bytes]], kept: tuple[int, ...]) -> Json:
    leaves = [leaf_hash(field.leaf(salt)) for field, salt in salted]
    rows = [
        {
            "place": list(salted[at][0].place),
            "type": salted[at][0].kind.word,
            "value": salted[at][0].text,
            "salt": salted[at][1].hex(),
            "index": at,
            "path": [node.hex() for node in inclusion_path(leaves, at)],
        }
        for at in kept
    ]
    document = FieldsDocument(len(leaves), root_of(leaves)).encode().decode()
    return {"format": "anchorline-disclosure/1", "document": document, "shown": rows}


def make() -> str:
    """Return the text of the file."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")

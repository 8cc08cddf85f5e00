# SPDX-License-Identifier: Apache-2.0
"""A disclosure: some fields of a JSON document that was recorded by its fields, or all of them (docs/spec/fields.md).

Input is a file from whoever wrote the document, or from somebody to whom he showed more. It leads to the document of
the entry, whose SHA-256 the receipt is then judged with.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.json_fields import (
    KINDS,
    MAX_FIELDS,
    SALT_SIZE,
    WITH_TEXT,
    Field,
    FieldsDocument,
    Place,
    check_places,
)
from anchor.proof.merkle import Levels, check_inclusion, levels_of
from anchor.proof.receipt import MAX_FILE
from anchor.proof.strictjson import MAX_DEPTH, dumps, loads
from anchor.proof.strictjson import Fields as JsonFields

FORMAT = "anchorline-disclosure/1"
MAX_DISCLOSURE = 16 * 2**20
"""Enough for every field of a document of 2 MiB, with its way to the root, and a receipt."""
MAX_TREE_PATH = MAX_FIELDS.bit_length() - 1


@dataclass(frozen=True, slots=True)
class ShownField:
    """One field with its salt, its leaf's place in the tree, and the way from there to the root."""

    field: Field
    salt: bytes
    index: int
    path: tuple[bytes, ...]

    @property
    def hash(self) -> bytes:
        """The hash of the leaf that commits to the field."""
        return self.field.hash(self.salt)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Some fields of a document, in the order of their leaves; ``receipt`` is the receipt of its entry, if it is in."""

    document: bytes
    shown: tuple[ShownField, ...]
    receipt: bytes | None = None

    @property
    def document_digest(self) -> bytes:
        """SHA-256 of the document: what the receipt must have as its content's digest."""
        return sha256(self.document)

    @property
    def withheld(self) -> int:
        """How many fields of the document are not shown."""
        return FieldsDocument.decode(self.document).fields - len(self.shown)

    def only(self, is_wanted: Callable[[Place], bool]) -> "Disclosure":
        """Return a disclosure of fewer fields, those at the places that are wanted, without the receipt."""
        return Disclosure(self.document, tuple(each for each in self.shown if is_wanted(each.field.place)))

    def with_receipt(self, receipt: bytes) -> "Disclosure":
        """Return the same with the receipt of the entry in it, so that one file can be judged."""
        return replace(self, receipt=receipt)

    def encode(self) -> bytes:
        """Return the file."""
        value: dict[str, Any] = {"format": FORMAT, "document": self.document.decode("ascii")}
        if self.receipt is not None:
            value["receipt"] = self.receipt.decode()
        value["shown"] = [_encoded(each) for each in self.shown]
        return dumps(value).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Disclosure":
        """Read the file; raise MalformedError for what is none. The tree is not looked at: ``check`` does that."""
        fields = JsonFields(loads(data, "disclosure", MAX_DISCLOSURE), "disclosure")
        fields.format(FORMAT)
        document = fields.text("document").encode()
        FieldsDocument.decode(document)
        receipt = fields.text("receipt").encode() if "receipt" in fields else None
        if receipt is not None and len(receipt) > MAX_FILE:
            raise MalformedError(f"disclosure: expected a receipt of at most {MAX_FILE} bytes, got {len(receipt)}")
        shown = tuple(_shown(JsonFields(each, "field")) for each in fields.array("shown", MAX_FIELDS))
        fields.end()
        indexes = [each.index for each in shown]
        if not shown or indexes != sorted(set(indexes)):
            raise MalformedError("disclosure: expected one field at least, in the order of their leaves, none twice")
        check_places(each.field.place for each in shown)
        return cls(document, shown, receipt)

    def check(self) -> None:
        """Raise VerificationError unless the fields are those that the document commits to.

        Its leaves are in the order of their hashes: in another one their places could tell of fields that are withheld.
        """
        document = FieldsDocument.decode(self.document)
        hashes = [each.hash for each in self.shown]
        for each, hashed in zip(self.shown, hashes, strict=True):
            check_inclusion(hashed, each.index, document.fields, each.path, document.root)
        if hashes != sorted(set(hashes)):
            raise VerificationError(
                Reason.INCLUSION_WRONG, "disclosure: expected the leaves of the tree in the order of their hashes"
            )


def commit(fields: Collection[Field], salt: Callable[[], bytes]) -> Disclosure:
    """Commit to the fields of a document, each with a salt of its own: 16 fresh random bytes, once for each field.

    Returns the disclosure of all of them: what its writer keeps. Raises MalformedError where there are too many, or
    one has a value that is too large.
    """
    if not 1 <= len(fields) <= MAX_FIELDS:
        raise MalformedError(
            f"expected a document of 1 to {MAX_FIELDS} fields, got {len(fields)}: record it in several documents, or "
            "as a file with rows"
        )
    check_places(field.place for field in fields)
    salted = sorted(((field, salt()) for field in fields), key=lambda each: each[0].hash(each[1]))
    return _disclosed(salted)


def is_disclosure(data: bytes) -> bool:
    """Say whether a file calls itself a disclosure, of any version: it is read as one then."""
    return b'"anchorline-disclosure/' in data[:100]


def _disclosed(salted: Sequence[tuple[Field, bytes]]) -> Disclosure:
    levels = levels_of([field.hash(salt) for field, salt in salted])
    document = FieldsDocument(len(salted), levels[-1][0]).encode()
    shown = [ShownField(*each, index, _path(levels, index)) for index, each in enumerate(salted)]
    return Disclosure(document, tuple(shown))


def _path(levels: Levels, index: int) -> tuple[bytes, ...]:
    """Return the way from a leaf to the root; on a level where it is the lone last node, nothing is beside it."""
    beside = [(level, (index >> height) ^ 1) for height, level in enumerate(levels[:-1])]
    return tuple(level[at] for level, at in beside if at < len(level))


def _encoded(shown: ShownField) -> dict[str, Any]:
    field = shown.field
    value = {"value": field.text} if field.kind in WITH_TEXT else {}
    return {
        "place": list(field.place),
        "type": field.kind.word,
        **value,
        "salt": shown.salt.hex(),
        "index": shown.index,
        "path": [node.hex() for node in shown.path],
    }


def _shown(fields: JsonFields) -> ShownField:
    place = tuple(_step(step) for step in fields.array("place", MAX_DEPTH))
    word = fields.text("type")
    kind = KINDS.get(word)
    if kind is None:
        raise MalformedError(f"field: expected a type of {', '.join(KINDS)}, found {word[:40]!r}")
    field = Field(place, kind, fields.text("value") if kind in WITH_TEXT else "")
    made = ShownField(
        field,
        fields.hex("salt", exact=SALT_SIZE),
        fields.integer("index"),
        fields.hashes("path", MAX_TREE_PATH),
    )
    fields.end()
    field.leaf(made.salt)
    return made


def _step(step: Any) -> str | int:
    if isinstance(step, str) or (type(step) is int and 0 <= step < MAX_FIELDS):  # True is an int, too
        return step
    raise MalformedError(
        f"field.place: expected names, and places in arrays from 0 to {MAX_FIELDS - 1}, found {str(step)[:40]!r}"
    )

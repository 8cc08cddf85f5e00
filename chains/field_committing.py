"""A JSON document recorded by its fields: what commits to each, and the file from which single ones can be shown later.

Input is a JSON file. ``anchorline add --fields`` records the document that comes out as the content of an entry, and
keeps the disclosure of all fields beside the file (docs/spec/fields.md).
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from anchor.errors import RefusedEntryError
from anchor.proof.disclosure import MAX_DISCLOSURE, Disclosure, commit
from anchor.proof.errors import MalformedError
from anchor.proof.json_fields import SALT_SIZE, Field, Place, fields_of, pointer_of
from anchor.proof.receipt import MAX_FILE
from anchor.proof.strictjson import loads_as_written
from chains.manifest_writing import new_list

SUFFIX = ".disclosures"
MAX_SOURCE = 2 * 2**20
_ROOM = MAX_DISCLOSURE - 2 * MAX_FILE
"""What the disclosure of all fields may have, so that a receipt, escaped, still fits beside them."""


def default_disclosures(source: Path) -> Path:
    """Return where the disclosure of all fields is kept: beside the document."""
    return source.with_name(source.name + SUFFIX)


def read_fields(source: Path) -> list[Field]:
    """Return the fields of a JSON file; raise MalformedError where it is none that can be recorded so, and OSError."""
    with source.open("rb") as file:
        data = file.read(MAX_SOURCE + 1)
    value = loads_as_written(data, source.name, MAX_SOURCE)
    if not isinstance(value, (dict, list)):
        raise MalformedError(f"{source.name}: expected a JSON object or array, found a single value")
    return list(fields_of(value))


def fresh_salt() -> bytes:
    """Return the salt of one field."""
    return os.urandom(SALT_SIZE)


def committed(source: Path, salt: Callable[[], bytes] = fresh_salt) -> Disclosure:
    """Return the disclosure of all fields of a JSON file, each with a new salt.

    What an earlier ``add`` left beside the file is taken up, if it is of the same fields: the caller knows by the
    digest of its document whether there is an entry of it. Raises RefusedEntryError where it is of others, and
    MalformedError and OSError.
    """
    fields = read_fields(source)
    target = default_disclosures(source)
    if target.is_file():
        kept = read_disclosure(target)
        if kept.withheld or differences(kept, fields):
            raise RefusedEntryError(
                f"{target} is there already, and is not what {source} has now: it may be all that can open an earlier "
                "entry. Move it first"
            )
        return kept
    made = commit(fields, salt)
    encoded = made.encode()
    if len(encoded) > _ROOM:
        raise RefusedEntryError(f"{source}: its fields take {len(encoded)} bytes to show, expected at most {_ROOM}")
    with new_list(target, source, "record another copy of the document") as file:
        file.write(encoded)
    return made


def read_disclosure(path: Path) -> Disclosure:
    """Return a disclosure from its file, checked against its own document.

    Raises MalformedError and VerificationError for what is none, and OSError.
    """
    with path.open("rb") as file:
        made = Disclosure.decode(file.read(MAX_DISCLOSURE + 1))
    made.check()
    return made


def selected(disclosure: Disclosure, pointers: Sequence[str]) -> Disclosure:
    """Return the disclosure of the fields that JSON Pointers name, or that stand below them.

    Raises RefusedEntryError for a pointer at which, or below which, nothing can be shown.
    """
    wanted: set[Place] = set()
    for pointer in pointers:
        below = {place for place in _places(disclosure) if _is_at_or_below(pointer, pointer_of(place))}
        if not below:
            shown = ", ".join(sorted(map(pointer_of, _places(disclosure)))[:5])
            raise RefusedEntryError(
                f"{pointer!r} names no field that can be shown from here: expected a JSON Pointer like {shown}"
            )
        wanted |= below
    return disclosure.only(wanted.__contains__)


def differences(disclosure: Disclosure, fields: Sequence[Field]) -> dict[str, str]:
    """Return where a document differs from what is shown: "changed", "added" or "removed" by JSON Pointer.

    Where fields are withheld, none is called added: it may be one of them.
    """
    was = {shown.field.place: shown.field for shown in disclosure.shown}
    now = {field.place: field for field in fields}
    found = dict.fromkeys(was.keys() - now.keys(), "removed")
    found |= {place: "changed" for place in was.keys() & now.keys() if was[place] != now[place]}
    if not disclosure.withheld:
        found |= dict.fromkeys(now.keys() - was.keys(), "added")
    return {pointer_of(place): what for place, what in sorted(found.items(), key=lambda item: pointer_of(item[0]))}


def _places(disclosure: Disclosure) -> list[Place]:
    return [shown.field.place for shown in disclosure.shown]


def _is_at_or_below(pointer: str, place: str) -> bool:
    return place == pointer or place.startswith(f"{pointer}/")

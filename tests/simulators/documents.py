"""A JSON document with every kind of value, its fields under fixed salts, and the anchored receipt of such an entry.

Vectors of disclosures, the page of their format and the browser's tests use it.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from anchor.proof.codec import sha256
from anchor.proof.disclosure import Disclosure, commit
from anchor.proof.json_fields import MEDIA_TYPE, SALT_SIZE, fields_of
from anchor.proof.receipt import Receipt
from anchor.proof.strictjson import loads_as_written
from anchor.proof.verify import Verifier
from tests.simulators.world import World

PERSON = b"""{
 "name": "Ada Lovelace",
 "born": "1815-12-10",
 "address": {"city": "London", "street": "12 St James's Square"},
 "salary": 410.50
}
"""
"""Five fields, as the issue's promise has it."""
EVERYTHING = (
    json.dumps(
        {"a/b": None, "m~n": True, "": False, "many": [1, [], {}, {"deep": '\u00e9\n"\\'}], "\U0001f600": "x"}
    ).encode()[:-1]
    + b', "big": 12345678901234567890.10e+3, "minus": -0}'
)


def numbered_salts() -> Callable[[], bytes]:
    """Return what makes one salt after the other, always the same ones."""
    numbers = count()
    return lambda: sha256(b"salt %d" % next(numbers))[:SALT_SIZE]


def disclosed(document: bytes, salt: Callable[[], bytes] | None = None) -> Disclosure:
    """Return the disclosure of all fields of a document."""
    return commit(list(fields_of(loads_as_written(document, "document", 2**20))), salt or numbered_salts())


def receipt_of_content(content: bytes, media_type: str, name: str) -> tuple[Receipt, Verifier]:
    """Return the anchored receipt of an entry with this content, and what its verifier trusts."""
    world = World()
    world.fund_thread()
    written = world.write(replace(world.first_entry(name, content), media_type=media_type), content)
    sealed = world.seal()
    anchor = world.anchor(sealed)
    receipt = world.receipt(written, sealed, [anchor])
    return receipt, world.verifier(receipt, height=anchor.height)


def receipt_of_fields(disclosure: Disclosure) -> tuple[Receipt, Verifier]:
    """Return the same of the document to which a disclosure leads."""
    return receipt_of_content(disclosure.document, MEDIA_TYPE, "person")

"""Every kind of damage of every part of a receipt, of its record, and of what a verifier trusts.

Input is receipts of ``tests/vectors/receipts.json``. The table ``damage_matrix.txt`` says what each must come to;
``tests/unit/proof/test_damage.py`` holds Python to it, and ``tests/browser/test_browser_damage.py`` the page.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from tests.vectors import make_receipt_vectors as maker

Json = dict[str, Any]
Way = tuple[str | int, ...]

MATRIX = Path(__file__).with_name("damage_matrix.txt")
_CASES: dict[str, Json] = {each["description"]: each for each in json.loads(maker.FILE.read_text())["cases"]}
_BASES = {
    "anchored": "anchored at its own checkpoint",
    "rotated": "after key rotations",
    "attested": "an attestation alone",
    "unsealed": "unsealed, promised by leaf 0's key",
}
_OTHER = "first entry"
"""Another good receipt of the same log, at another checkpoint: parts are taken from it."""

# Fields inside of bytes, by their offsets (docs/spec): whatever a flipped bit can hit that has a meaning of its own.
_ENTRY = {"version": 0, "chain id": 1, "content commitment": 33, "media type": 66, "author type": 80, "author key": 90}
_ENTRY |= {"author signature": 130}
_LEAF_0 = {"type": 0, "origin": 3, "network": 30, "checkpoint key": 70, "promise key": 105, "recovery key": 140}
_HEAD = {"type": 0, "chain id": 1, "tree size": 40, "previous index": 48, "root": 50}
_SEAL = {"type": 0, "number": 8, "time": 16, "head count": 20, "chain count": 28, "heads root": 40}
_SEAL |= {"block height": 64, "block hash": 80}
_THREAD = {"type": 0, "transaction": 5, "output": 36, "replaced": 40}
_NOTE = {"log id": 0, "received": 35, "seal by": 43, "anchor by": 50, "count": 59, "root": 60}
_PROMISE_LEAF = {"type": 0, "chain id": 1, "index": 40, "entry": 41, "nonce": 75}
_TRANSACTION = {"version": 0, "spent output": 5, "payload mark": 90, "payload root": 110, "lock time": -1}
_HEADER = {"version": 0, "previous block": 4, "merkle root": 36, "time": 68, "target": 74, "nonce": 76}

_PARTS: dict[str, tuple[tuple[Way, dict[str, int]], ...]] = {
    "anchored": (
        (("entry",), _ENTRY),
        (("content", "salt"), {"": 0}),
        (("content", "digest"), {"": 0}),
        (("content", "bytes"), {"": 0}),
        (("content", "state"), {}),
        (("chain", "index"), {}),
        (("chain", "path", 0), {"": 0}),
        (("log", "leaf"), _LEAF_0),
        (("log", "path", 0), {"": 0}),
        (("thread", "leaf"), _THREAD),
        (("thread", "index"), {}),
        (("thread", "path", 0), {"": 0}),
        (("head", "leaf"), _HEAD),
        (("head", "index"), {}),
        (("head", "path", 0), {"": 0}),
        (("previous_head", "leaf"), _HEAD),
        (("previous_head", "index"), {}),
        (("previous_head", "path", 0), {"": 0}),
        (("seal", "leaf"), _SEAL),
        (("seal", "index"), {}),
        (("seal", "path", 0), {"": 0}),
        (("promise", "note"), _NOTE),
        (("promise", "key_id"), {"": 0}),
        (("promise", "signature"), {"": 0}),
        (("promise", "leaf"), _PROMISE_LEAF),
        (("promise", "index"), {}),
        (("anchors", 0, "transaction"), _TRANSACTION),
        (("anchors", 0, "index"), {}),
        (("anchors", 0, "path", 0), {"": 0}),
        (("anchors", 0, "coinbase"), {"version": 0, "height": 42, "value": 55}),
        (("anchors", 0, "coinbase_path", 0), {"": 0}),
        (("anchors", 0, "header"), _HEADER),
        (("anchors", 0, "height"), {}),
        (("anchors", 0, "type"), {}),
    ),
    "rotated": (
        (("keys", 0, "leaf"), {"type": 0, "purpose": 1, "replaced": 10, "key": 50, "signer": 69, "signature": 100}),
        (("keys", 0, "index"), {}),
        (("keys", 0, "path", 0), {"": 0}),
    ),
    "attested": (
        (("anchors", 0, "network"), {}),
        (("anchors", 0, "header"), _HEADER),
        (("anchors", 0, "ots"), {"magic": 3, "digest": 40, "operation": 80}),
    ),
    "unsealed": (
        (("entry",), {"version": 0, "chain id": 1, "content commitment": 33}),
        (("content", "digest"), {"": 0}),
        (("log", "leaf"), _LEAF_0),
        (("promise", "note"), _NOTE),
        (("promise", "signature"), {"": 0}),
        (("promise", "leaf"), _PROMISE_LEAF),
    ),
}
_WHOLE: dict[str, tuple[str, ...]] = {
    "anchored": (
        *("format", "entry", "content", "chain", "log", "thread", "head", "previous_head", "seal", "keys"),
        *("checkpoint", "promise", "anchors", "evidence"),
    ),
    "rotated": ("keys",),
    "attested": ("anchors",),
    "unsealed": ("format", "entry", "content", "promise", "log"),
}


@dataclass(frozen=True, slots=True)
class Damage:
    """One damage: a receipt, and what the verifier of it brings."""

    name: str
    receipt: bytes
    brought: Json


def damages() -> Iterator[Damage]:
    """Yield every damage, in the order of the table."""
    for base, description in _BASES.items():
        given = _CASES[description]
        yield Damage(f"{base}: nothing", given["receipt"].encode(), given["verifier"])
        for way, fields in _PARTS[base]:
            yield from _of_part(base, way, fields)
        for name in _WHOLE[base]:
            yield from _of_whole(base, name)
    yield from _of_checkpoint()
    yield from _of_what_is_brought()


def expected() -> dict[str, tuple[int, str]]:
    """Return the table: each damage by its name, with exit code and finding."""
    lines = (line.rsplit(maxsplit=2) for line in MATRIX.read_text().splitlines() if not line.startswith("#"))
    return {name: (int(exit_code), finding) for name, exit_code, finding in lines}


def _of_part(base: str, way: Way, fields: dict[str, int]) -> Iterator[Damage]:
    value = _at(_receipt(base), way)
    name = f"{base}: {' '.join(map(str, way))}"
    for field, offset in fields.items():
        yield _changed(f"{name} {field}, a bit flipped".replace(" ,", ","), base, way, flipped(value, offset))
    if isinstance(value, int):
        yield _changed(f"{name}, one more", base, way, value + 1)
        yield _changed(f"{name}, negative", base, way, -1)
    elif fields:
        yield _changed(f"{name}, cut short", base, way, value[:-2])
    else:
        yield _changed(f"{name}, another word", base, way, "another")
    yield _changed(f"{name}, null", base, way, None)


def _of_whole(base: str, name: str) -> Iterator[Damage]:
    receipt, other = _receipt(base), json.loads(_CASES[_OTHER]["receipt"])
    lost = {field: value for field, value in receipt.items() if field != name}
    yield _damage(f"{base}: {name}, lost", base, lost)
    if name in other and other[name] != receipt[name]:
        yield _damage(f"{base}: {name}, of another receipt", base, receipt | {name: other[name]})
    twice = json.dumps(receipt)[:-1] + f", {json.dumps(name)}: {json.dumps(receipt[name])}}}"
    yield Damage(f"{base}: {name}, given twice", twice.encode(), _CASES[_BASES[base]]["verifier"])


def _of_checkpoint() -> Iterator[Damage]:
    """Damages of the signed note, which is a text."""
    note = _receipt("anchored")["checkpoint"]
    origin, size, root, *_ = note.split("\n")
    changes: dict[str, Callable[[str], str]] = {
        "origin": lambda text: text.replace(origin, "another.example/log", 1),
        "size": lambda text: text.replace(f"\n{size}\n", f"\n{int(size) + 1}\n", 1),
        "root": lambda text: text.replace(root, base64.b64encode(bytes(32)).decode(), 1),
        "signature": lambda text: text[:-4] + "AA=\n" if text[-4:] != "AA=\n" else text[:-4] + "BA=\n",
        "signature line": lambda text: text.partition("\n\n")[0] + "\n\n",
        "signer's name": lambda text: text.replace(f"\u2014 {origin}", "\u2014 another.example"),
        "last line end": lambda text: text[:-1],
    }
    for name, change in changes.items():
        yield _changed(f"anchored: checkpoint {name}, changed", "anchored", ("checkpoint",), change(note))


def _of_what_is_brought() -> Iterator[Damage]:
    """Damages of the record, the card and the block: what the verifier has is not what the receipt is about."""
    given = _CASES[_BASES["anchored"]]
    brought, receipt = given["verifier"], given["receipt"].encode()
    [block] = brought["blocks"]
    network, height, block_hash = block.split(":")
    card = json.loads(brought["card"])
    changes: dict[str, Json] = {
        "record, a bit flipped": {"content_digest": flipped(brought["content_digest"], 0)},
        "record, lost": {"content_digest": None},
        "card, a bit flipped": {"card": json.dumps(card | {"leaf_0": flipped(card["leaf_0"], 100)})},
        "card, of another network": {"card": json.dumps(card | {"leaf_0": flipped(card["leaf_0"], 30)})},
        "card, lost": {"card": None},
        "card, lost, and any log will do": {"card": None, "any_log": True},
        "block, another hash": {"blocks": [f"{network}:{height}:{flipped(block_hash, 0)}"]},
        "block, another height": {"blocks": [f"{network}:{int(height) + 1}:{block_hash}"]},
        "block, another network": {"blocks": [f"mainnet:{height}:{block_hash}"]},
        "block, lost": {"blocks": None},
    }
    for name, change in changes.items():
        left = {field: value for field, value in (brought | change).items() if value is not None}
        yield Damage(f"brought: {name}", receipt, left)
    for name, field, value in (
        ("erased", "content", {"state": "erased"}),
        ("withheld", "content", {"state": "withheld"}),
    ):
        yield _damage(f"anchored: content, {name}", "anchored", _receipt("anchored") | {field: value})
    yield Damage("file, cut short", receipt[:-20], brought)
    yield Damage("file, empty", b"", brought)
    yield Damage("file, by a newer version", receipt.replace(b"receipt/1", b"receipt/2"), brought)


def _receipt(base: str) -> Json:
    found: Json = json.loads(_CASES[_BASES[base]]["receipt"])
    return found


def _changed(name: str, base: str, way: Way, new: Any) -> Damage:
    receipt = _receipt(base)
    _at(receipt, way[:-1])[way[-1]] = new
    return _damage(name, base, receipt)


def _damage(name: str, base: str, receipt: Json) -> Damage:
    return Damage(name, json.dumps(receipt).encode(), _CASES[_BASES[base]]["verifier"])


def _at(value: Any, way: Way) -> Any:
    return reduce(lambda inner, step: inner[step], way, value)


def flipped(text: str, offset: int) -> str:
    """Flip the lowest bit of one byte of hex or base64."""
    is_hex = set(text) <= set("0123456789abcdef")
    data = bytearray(bytes.fromhex(text) if is_hex else base64.b64decode(text))
    data[offset] ^= 1
    return data.hex() if is_hex else base64.b64encode(data).decode()

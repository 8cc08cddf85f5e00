"""Every kind of damage of what stands beside a receipt: a folder and its list, a proof of a part, and evidence.

Input is the folder of ``tests/simulators/folders.py`` and ``tests/vectors/dispute.json``. The table
``damage_matrix_beside.txt`` says what each must come to; ``tests/unit/chains/test_damage_beside.py`` holds Python to
it, and ``tests/browser/test_browser_damage.py`` the page.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.blocks import GivenBlock
from anchor.proof.receipt import LogCard
from chains.manifest_proving import prove_file, prove_rows
from tests.damage import flipped
from tests.simulators.folders import FILES, listed, receipt_of

Json = dict[str, Any]
Files = dict[str, str | None]
"""What is in a folder, in hex; None for an empty folder."""
MATRIX = Path(__file__).with_name("damage_matrix_beside.txt")
_DISPUTES: list[Json] = json.loads((Path(__file__).parent / "vectors" / "dispute.json").read_text())["cases"]
RECORDED: Files = {**{path: content.hex() for path, content in FILES.items()}, "notes/nothing": None}


@dataclass(frozen=True, slots=True)
class Beside:
    """One damage, in what both implementations are given.

    ``given`` has ``receipt`` and ``verifier`` with ``list`` (hex) and ``files``, or with ``proof`` and ``file`` (hex or
    None); or it has ``evidence`` and ``card``.
    """

    name: str
    given: Json


def damages_beside() -> Iterator[Beside]:
    """Yield every damage, in the order of the table."""
    held = _held()
    whole = {"receipt": held["receipt"], "verifier": held["verifier"]}
    folder = whole | {"list": held["list"], "files": RECORDED}
    yield Beside("folder: nothing", folder)
    yield from (Beside(f"folder: {name}", folder | {"files": files}) for name, files in _of_files())
    yield from (Beside(f"list: {name}", folder | {"list": data.hex()}) for name, data in _of_list(held["list"]))
    for name, path in (("file", "notes.txt"), ("rows", None)):
        proof = whole | {"proof": held[f"proof of {name}"], "file": RECORDED[path] if path else None}
        yield Beside(f"proof of {name}: nothing", proof)
        for change, text in _of_json(json.loads(proof["proof"])):
            yield Beside(f"proof of {name}: {change}", proof | {"proof": text})
        yield Beside(f"proof of {name}: another file at hand", proof | {"file": RECORDED["orders.csv"]})
        yield Beside(f"proof of {name}: no file at hand", proof | {"file": None})
    yield from _of_evidence()


def expected_beside() -> dict[str, tuple[int, str]]:
    """Return the table: each damage by its name, with exit code and finding; of evidence the outcome or the reason."""
    lines = (line.rsplit(maxsplit=2) for line in MATRIX.read_text().splitlines() if not line.startswith("#"))
    return {name: (int(exit_code), found.replace("_", " ")) for name, exit_code, found in lines}


@cache
def _held() -> Json:
    with TemporaryDirectory() as name:
        source = write_files(Path(name), RECORDED)
        stream, document = listed(source)
        proofs = {
            "proof of file": prove_file(stream, "notes.txt").encode().decode(),
            "proof of rows": prove_rows(stream, "orders.csv", [0, 3], source / "orders.csv").encode().decode(),
        }
    receipt, verifier = receipt_of(document)
    [block] = verifier.blocks
    assert isinstance(block, GivenBlock)
    assert isinstance(verifier.card, LogCard)
    blocks = [f"{block.network}:{block.height}:{hash_hex(block.hash)}"]
    brought = {"card": verifier.card.encode().decode(), "blocks": blocks}
    return {"receipt": receipt.encode().decode(), "verifier": brought, "list": stream.getvalue().hex()} | proofs


def write_files(folder: Path, files: Files) -> Path:
    """Write files and empty folders into a folder; return it."""
    for path, content in files.items():
        at = folder / path
        (at if content is None else at.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            at.write_bytes(bytes.fromhex(content))
    return folder


def _of_files() -> Iterator[tuple[str, Files]]:
    for path, content in RECORDED.items():
        rest = {other: held for other, held in RECORDED.items() if other != path}
        yield f"{path}, lost", rest
        yield f"{path}, under another name", rest | {f"{path}.bak": content}
        if content is None:
            yield f"{path}, filled", rest | {f"{path}/new": ""}
            yield f"{path}, a file", rest | {path: ""}
            continue
        yield f"{path}, a byte more", RECORDED | {path: content + "0a"}
        yield f"{path}, an empty folder", RECORDED | {path: None}
        if content:
            yield f"{path}, a bit flipped", RECORDED | {path: flipped(content, 0)}
            yield f"{path}, empty", RECORDED | {path: ""}
    yield "two files exchanged", RECORDED | {"notes.txt": RECORDED["orders.csv"], "orders.csv": RECORDED["notes.txt"]}
    yield "a file more", RECORDED | {"more": ""}
    yield "all lost", {}


def _of_list(text: str) -> Iterator[tuple[str, bytes]]:
    data, path = bytes.fromhex(text), b"orders.csv"
    at = data.index(path)
    behind = at + len(path)
    places = {"magic": 3, "version": 20, "secret": 30, "mark of a file": at - 4, "kind": at - 3}
    places |= {"length of a path": at - 1, "path": at, "size": behind + 7, "digest": behind + 20}
    places |= {"kind of rows": behind + 40, "delimiter": behind + 41, "number of rows": behind + 49}
    places |= {"root of the rows": behind + 60, "size of the tags": behind + 89, "tag of a row": behind + 95}
    places |= {"mark of the end": len(data) - 5, "number of files": len(data) - 1}
    for name, place in places.items():
        yield f"{name}, a bit flipped", data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
    yield "version, newer", data.replace(b"manifest/1", b"manifest/2", 1)
    yield "cut short", data[:-1]
    yield "a byte more", data + b"\0"
    yield "empty", b""
    yield "a receipt in its place", _held()["receipt"].encode()


def _of_json(value: Json) -> Iterator[tuple[str, str]]:
    """Yield each leaf changed and taken away, by its way."""
    yield "cut short", json.dumps(value)[:-20]
    for way in _ways(value):
        name = " ".join(map(str, way))
        found = _inner(value, way)
        if isinstance(found, int):
            yield f"{name}, one more", _with(value, way, found + 1)
        elif way[-1] in {"format", "kind", "document", "checkpoint"}:
            yield f"{name}, another word", _with(value, way, f"x{found}")
        elif found:
            yield f"{name}, a bit flipped", _with(value, way, flipped(found, len(found) // 5))
        yield f"{name}, null", _with(value, way, None)


def _ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        yield way
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _ways(item, (*way, key))


def _inner(value: Any, way: tuple[Any, ...]) -> Any:
    for key in way:
        value = value[key]
    return value


def _with(value: Json, way: tuple[Any, ...], new: Any) -> str:
    changed = json.loads(json.dumps(value))
    _inner(changed, way[:-1])[way[-1]] = new
    return json.dumps(changed)


def _of_evidence() -> Iterator[Beside]:
    """Damages of the first vector of each kind that holds."""
    seen = set()
    for case in _DISPUTES:
        kind = case["evidence"].get("kind")
        if "want" not in case or kind in seen:
            continue
        seen.add(kind)
        given = {"evidence": json.dumps(case["evidence"]), "card": json.dumps(case["card"])}
        yield Beside(f"{kind}: nothing", given)
        yield Beside(f"{kind}: no card", given | {"card": None})
        for change, text in _of_json(case["evidence"]):
            yield Beside(f"{kind}: {change}", given | {"evidence": text})

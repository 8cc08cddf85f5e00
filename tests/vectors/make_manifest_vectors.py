"""Makes the vectors of manifests: lists, proofs, rows and paths, and what can be wrong with each.

Input is the folder of ``tests/simulators/folders.py``. ``python -m tests.vectors.make_manifest_vectors`` in the
repository's root writes the file; ``tests/unit/proof/test_manifest.py`` runs every case, and fails when this script
would write another.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from anchor.proof.manifest import Document, RowKind, Secret, row_nonce
from anchor.proof.manifest_list import MAGIC, read_list
from anchor.proof.manifest_proof import ManifestProof
from anchor.proof.manifest_rows import cell_tags, cells_of, row_tags, rows_of
from chains.manifest_proving import prove_file, prove_rows
from tests.simulators.folders import FILES, SECRET, listed, make_folder

FILE = Path(__file__).parent / "manifest.json"
ABOUT = (
    "Manifests: docs/spec/manifest.md. list wants the document, proof what it shows, rows the rows and their cells, "
    "path whether a manifest may hold it, secret what follows from it. Bytes are hex."
)
Json = dict[str, Any]


def cases() -> Iterator[Json]:
    """Return every case."""
    with TemporaryDirectory() as name:
        folder = make_folder(Path(name))
        stream, document = listed(folder)
        proofs = {
            "a file": prove_file(stream, "notes/été.txt"),
            "a symbolic link": prove_file(stream, "newest"),
            "an empty folder": prove_file(stream, "notes/nothing"),
            "the header and a row with two lines": prove_rows(stream, "orders.csv", [0, 1], folder / "orders.csv"),
            "the last row, without a line end": prove_rows(stream, "orders.csv", [3], folder / "orders.csv"),
            "a line of NDJSON": prove_rows(stream, "readings.ndjson", [1], folder / "readings.ndjson"),
        }
        bare, bare_document = listed(folder, rows=False)
        (Path(name) / "alone").mkdir()
        empty, empty_document = listed(Path(name) / "alone")
    yield from _secret_cases()
    yield from _row_cases()
    yield from _path_cases()
    yield _case("a folder with rows", "list", list=stream.getvalue().hex(), want=document.encode().decode())
    yield _case("the same without rows", "list", list=bare.getvalue().hex(), want=bare_document.encode().decode())
    yield _case("an empty folder", "list", list=empty.getvalue().hex(), want=empty_document.encode().decode())
    yield from _wrong_lists(stream.getvalue())
    yield from _document_cases(document)
    for description, proof in proofs.items():
        yield _case(description, "proof", proof=json.loads(proof.encode()), want=_shown(proof))
    yield from _wrong_proofs(proofs)


def _case(description: str, check: str, **fields: Any) -> Json:
    return {"description": description, "check": check, **fields}


def _shown(proof: ManifestProof) -> Json:
    shown: Json = {"document_sha256": proof.document_digest.hex(), "path": proof.leaf.path}
    if proof.opening is not None:
        return shown | {"bytes": proof.opening.size, "sha256": proof.opening.digest.hex()}
    return shown | {"rows": {str(row.index): row.row.hex() for row in proof.rows}}


def _secret_cases() -> Iterator[Json]:
    secret = Secret(SECRET)
    row = b'1,10,"a,b"\r\n'
    yield _case(
        "what follows from a secret",
        "secret",
        secret=SECRET.hex(),
        index=5,
        row=row.hex(),
        want={
            "file_nonce": secret.file_nonce(5).hex(),
            "content_nonce": secret.content_nonce(5).hex(),
            "row_nonce": row_nonce(secret.row_key(5), 7).hex(),
            "row_tag": row_tags([row], secret.tag_key)[0].hex(),
            "cell_tags": cell_tags(row, ord(","), secret.cell_key).hex(),
        },
    )


def _row_cases() -> Iterator[Json]:
    for description, data in (
        ("nothing has no rows", b""),
        ("a line end alone is a row of one empty cell", b"\n"),
        ("line ends belong to their rows", b"a,b\r\n1,2\n"),
        ("the last row may lack a line end", b"a\nb"),
        ("a quoted line end is inside a cell", FILES["orders.csv"]),
        ("doubled quotes do not end a cell", b'a,"he said ""no, never""",c\n'),
        ("a carriage return alone ends nothing", b"a\rb\nc"),
        ("a quote within a cell counts as one", b'5" pipe,2\n6" pipe,3\nend\n'),
        ("a quote that is never closed makes the rest one row", b'a,"b\nc\nd\n'),
        ("bytes that are no text", b"\xff\x00,\xfe\n\x80"),
    ):
        for kind in (RowKind.DELIMITED, RowKind.LINES):
            rows = list(rows_of([data], kind, "rows"))
            want: Json = {"rows": [row.hex() for row in rows]}
            if kind == RowKind.DELIMITED:
                want["cells"] = [[cell.hex() for cell in cells_of(row, ord(","))] for row in rows]
            yield _case(f"{description} ({kind.name.lower()})", "rows", kind=int(kind), data=data.hex(), want=want)


def _path_cases() -> Iterator[Json]:
    for path in ("a", "a/b", "été.txt", "a b", "...", "a/..b", ".hidden", "x" * 4096):
        yield _case("a path", "path", path=path.encode().hex(), want=path)
    for description, wrong in (
        ("empty", b""),
        ("absolute", b"/a"),
        ("two slashes", b"a//b"),
        ("a slash at the end", b"a/"),
        ("the folder itself", b"."),
        ("the folder above", b"a/../b"),
        ("decomposed (NFD)", "e\u0301te".encode()),
        ("a backslash", b"a\\b"),
        ("a line feed", b"a\nb"),
        ("an escape", b"\x1b[2J"),
        ("a control character of Latin-1", "\x9b".encode()),
        ("not UTF-8", b"\xff"),
        ("a lone surrogate", b"\xed\xa0\x80"),
        ("too long", b"x" * 4097),
    ):
        yield _case(f"a path that is {description}", "path", path=wrong.hex(), want_error="malformed")


def _wrong_lists(good: bytes) -> Iterator[Json]:
    first = len(MAGIC) + 32
    newer = good.replace(b"manifest/1", b"manifest/2", 1)
    yield _case("a list of a newer version", "list", list=newer.hex(), want_error="unknown-version")
    for description, wrong in (
        ("no list", b"PK\x03\x04" + good),
        ("empty", b""),
        ("cut in the secret", good[: first - 1]),
        ("cut in a file", good[: first + 20]),
        ("without its end", good[:-5]),
        ("cut in its end", good[:-1]),
        ("with a byte behind its end", good + b"\x00"),
        ("counting one file more", good[:-1] + bytes((good[-1] + 1,))),
        ("with an unknown mark", good[:first] + b"\x02" + good[first + 1 :]),
        ("with an unknown kind", good[: first + 1] + b"\x03" + good[first + 2 :]),
        ("with a file twice", _twice(good)),
        ("out of order", good.replace(b"orders.csv", b"Orders.csv", 1)),
        (
            "with something below a file",
            good.replace(b"notes.txt", b"notes/abc", 1).replace(b"notes/em", b"notes/abc/", 1),
        ),
        ("whose link has rows", _with_row_kind(good, b"newest")),
    ):
        yield _case(f"a list {description}", "list", list=wrong.hex(), want_error="malformed")
    changed = bytearray(good)
    changed[-40] ^= 1
    other = _document_of(bytes(changed))
    yield _case("a changed tag is another document", "list", list=bytes(changed).hex(), want=other)


def _document_of(data: bytes) -> str:
    return read_list(io.BytesIO(data)).encode().decode()


def _twice(good: bytes) -> bytes:
    first = len(MAGIC) + 32
    end = good.index(b"\x01", first + 1 + 3 + len(b"newest") + 8 + 32)
    return good[:end] + good[first:end] + good[end:-1] + bytes((good[-1] + 1,))


def _with_row_kind(good: bytes, path: bytes) -> bytes:
    at = good.index(path) + len(path) + 8 + 32
    return good[:at] + b"\x02" + bytes(1 + 8 + 32 + 8) + good[at + 1 :]


def _document_cases(document: Document) -> Iterator[Json]:
    text = document.encode().decode()
    yield _case("a document", "document", document=text, want={"files": document.files, "root": document.root.hex()})
    for description, wrong in (
        ("without its final line feed", text[:-1]),
        ("in another form", json.dumps(json.loads(text))),
        ("with an unknown field", text.replace('"files"', '"more": 1,\n "files"')),
        ("with capitals in its root", text.replace(document.root.hex(), document.root.hex().upper())),
        ("with too many files", text.replace('"files": 7', '"files": 16777217')),
        ("with its fields in another order", _reordered(text)),
        ("that is no JSON", "{"),
    ):
        yield _case(f"a document {description}", "document", document=wrong, want_error="malformed")
    newer = text.replace("manifest/1", "manifest/2")
    yield _case("a document of a newer version", "document", document=newer, want_error="unknown-version")


def _reordered(text: str) -> str:
    value = json.loads(text)
    return json.dumps(dict(reversed(value.items())), indent=1) + "\n"


def _wrong_proofs(proofs: dict[str, ManifestProof]) -> Iterator[Json]:
    whole, rows = proofs["a file"], proofs["the header and a row with two lines"]
    for name, base in (("a file", whole), ("rows", rows)):
        value = json.loads(base.encode())
        node = "00" * 32
        for description, fields, error in (
            ("another place", {"index": value["index"] + 1}, "inclusion-wrong"),
            ("a place outside", {"index": 7}, "inclusion-wrong"),
            ("a changed sibling", {"path": [node, *value["path"][1:]]}, "inclusion-wrong"),
            ("a sibling too few", {"path": value["path"][1:]}, "inclusion-wrong"),
            ("a sibling too many", {"path": [*value["path"], node]}, "inclusion-wrong"),
            ("another nonce", {"leaf": value["leaf"][:2] + "ff" + value["leaf"][4:]}, "inclusion-wrong"),
            ("the leaf of a row", {"leaf": "31" + value["leaf"][2:]}, "malformed"),
            ("a leaf with a byte more", {"leaf": value["leaf"] + "00"}, "malformed"),
            ("an unknown field", {"more": 1}, "malformed"),
            ("another format", {"format": "anchorline-receipt/1"}, "malformed"),
            ("a newer version", {"format": "anchorline-manifest-proof/2"}, "unknown-version"),
            ("a document that is none", {"document": "{}"}, "malformed"),
        ):
            yield _case(f"{name}: {description}", "proof", proof=value | fields, want_error=error)
        for field in value:
            left = {key: item for key, item in value.items() if key != field}
            yield _case(f"{name}: no {field}", "proof", proof=left, want_error="malformed")
    yield from _wrong_openings(json.loads(whole.encode()))
    yield from _wrong_rows(json.loads(rows.encode()))
    both = json.loads(whole.encode()) | {"rows": json.loads(rows.encode())["rows"]}
    yield _case("a digest beside rows, by which others could be guessed", "proof", proof=both, want_error="malformed")


def _wrong_openings(value: Json) -> Iterator[Json]:
    for description, fields in (
        ("size", {"bytes": 1}),
        ("digest", {"sha256": "00" * 32}),
        ("nonce", {"nonce": "00" * 16}),
    ):
        wrong = value | {"content": value["content"] | fields}
        yield _case(f"another {description}", "proof", proof=wrong, want_error="content-changed")
    wrong = value | {"content": value["content"] | {"nonce": "00"}}
    yield _case("a nonce of one byte", "proof", proof=wrong, want_error="malformed")


def _wrong_rows(value: Json) -> Iterator[Json]:
    header, row = value["rows"]
    for description, rows, error in (
        ("no rows at all", [], "malformed"),
        ("a changed row", [header, row | {"bytes": header["bytes"]}], "inclusion-wrong"),
        ("rows that changed places", [row | {"index": 0}, header | {"index": 1}], "inclusion-wrong"),
        ("a row outside", [row | {"index": 4}], "inclusion-wrong"),
        ("another nonce", [row | {"nonce": header["nonce"]}], "inclusion-wrong"),
        ("a row that is no base64", [row | {"bytes": "?"}], "malformed"),
        ("a row twice", [row, row], "malformed"),
        ("too many rows", [row] * 65, "malformed"),
    ):
        yield _case(f"rows: {description}", "proof", proof=value | {"rows": rows}, want_error=error)


def make() -> str:
    """Return the text of the file."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")

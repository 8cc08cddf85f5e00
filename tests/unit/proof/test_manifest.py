"""Tests of the manifest's format: the vectors, rows of any bytes, and which rows are said to have changed.

Input is ``manifest.json`` and random files; the rules for rows are held against Python's ``csv``, and what is said of
changes against the rows themselves.
"""

import csv
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, TooLargeError, UnknownVersionError, VerificationError
from anchor.proof.manifest import (
    MAX_ROW_BYTES,
    Document,
    FileLeaf,
    Kind,
    RowKind,
    Rows,
    Secret,
    content_commitment_of,
    path_of,
    row_nonce,
)
from anchor.proof.manifest_changes import WINDOWS, Block, Now, RowChange, Was, row_changes
from anchor.proof.manifest_list import MAGIC, read_list
from anchor.proof.manifest_path import check_next_path, path_order
from anchor.proof.manifest_proof import ManifestProof
from anchor.proof.manifest_rows import CELL_TAG_SIZE, cell_tags, cell_text, cells_of, row_tags, rows_of
from tests.vectors import make_manifest_vectors as maker

CASES: list[dict[str, Any]] = json.loads(maker.FILE.read_text())["cases"]
KEY = sha256(b"a key")
ROWS = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"d,1\n", b"d,2\n", b"\n"]), max_size=30)


def of_rows(case: dict[str, Any]) -> dict[str, Any]:
    kind = RowKind(case["kind"])
    rows = list(rows_of([bytes.fromhex(case["data"])], kind, "rows"))
    found: dict[str, Any] = {"rows": [row.hex() for row in rows]}
    if kind == RowKind.DELIMITED:
        found["cells"] = [[cell.hex() for cell in cells_of(row, ord(","))] for row in rows]
    return found


def of_proof(case: dict[str, Any]) -> dict[str, Any]:
    encoded = json.dumps(case["proof"], indent=1).encode() + b"\n"
    proof = ManifestProof.decode(encoded)
    proof.check()
    assert encoded == proof.encode()
    shown: dict[str, Any] = {"document_sha256": proof.document_digest.hex(), "path": proof.leaf.path}
    if proof.opening is not None:
        return shown | {"bytes": proof.opening.size, "sha256": proof.opening.digest.hex()}
    return shown | {"rows": {str(row.index): row.row.hex() for row in proof.rows}}


def of_secret(case: dict[str, Any]) -> dict[str, Any]:
    secret, index, row = Secret(bytes.fromhex(case["secret"])), case["index"], bytes.fromhex(case["row"])
    return {
        "file_nonce": secret.file_nonce(index).hex(),
        "content_nonce": secret.content_nonce(index).hex(),
        "row_nonce": row_nonce(secret.row_key(index), 7).hex(),
        "row_tag": row_tags([row], secret.tag_key)[0].hex(),
        "cell_tags": cell_tags(row, ord(","), secret.cell_key).hex(),
    }


def of_document(case: dict[str, Any]) -> dict[str, Any]:
    document = Document.decode(case["document"].encode())
    return {"files": document.files, "root": document.root.hex()}


CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "list": lambda case: read_list(io.BytesIO(bytes.fromhex(case["list"]))).encode().decode(),
    "document": of_document,
    "proof": of_proof,
    "rows": of_rows,
    "path": lambda case: path_of(bytes.fromhex(case["path"])),
    "secret": of_secret,
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


def test_every_changed_byte_of_a_list_is_another_document_or_none() -> None:
    """No byte of a list can be changed and its document stay: all of it is under the digest in the document."""
    [good] = [case for case in CASES if case["description"] == "a folder with rows"]
    data = bytes.fromhex(good["list"])
    for at in range(len(data)):
        changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        assert good["want"] != outcome({"check": "list", "list": changed.hex()}), at


@given(st.binary(max_size=300) | st.text('a,"\n\r', max_size=60).map(str.encode), st.integers(1, 7))
@settings(deadline=None)
def test_rows_joined_are_the_file(data: bytes, piece_size: int) -> None:
    """Whatever the bytes, and wherever they are cut on their way, rows and cells lose none."""
    pieces = [data[at : at + piece_size] for at in range(0, len(data), piece_size)]
    for kind in (RowKind.DELIMITED, RowKind.LINES):
        rows = list(rows_of(pieces, kind, "rows"))
        assert data == b"".join(rows)
        assert list(rows_of([data], kind, "rows")) == rows
        assert b"" not in rows
    for row in rows_of([data], RowKind.DELIMITED, "rows"):
        assert row.startswith(b",".join(cells_of(row, ord(","))))


@given(st.lists(st.lists(st.text('ab,"\n\r é', max_size=5), min_size=1, max_size=4), max_size=6))
@settings(deadline=None)
def test_rows_are_the_records_that_csv_writes(records: list[list[str]]) -> None:
    """What Python's ``csv`` writes is read as the same records and cells (RFC 4180)."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(records)
    rows = list(rows_of([text.getvalue().encode()], RowKind.DELIMITED, "rows"))
    assert records == [[cell_text(cell) for cell in cells_of(row, ord(","))] for row in rows]


def test_a_quote_that_is_never_closed_ends_at_the_limit() -> None:
    """The refusal names the row where it began, and nothing beyond a mebibyte is held."""
    pieces = [b"a,b\n", b'1,"', *([b"x\n" * 2**15] * 17)]
    with pytest.raises(TooLargeError, match=r"f\.csv, row 2: expected at most 1048576 bytes"):
        list(rows_of(pieces, RowKind.DELIMITED, "f.csv"))
    assert [MAX_ROW_BYTES] == [len(row) for row in rows_of([b"x" * (MAX_ROW_BYTES - 1) + b"\n"], RowKind.LINES, "f")]
    with pytest.raises(TooLargeError):
        list(rows_of([b"x" * MAX_ROW_BYTES + b"\n"], RowKind.LINES, "f"))


def test_a_cell_of_delimiters_alone_is_read_once() -> None:
    """Half a million delimiters within quotes are one cell, and cost no more than their bytes."""
    row = b'1,"' + b"," * (MAX_ROW_BYTES - 10) + b'",2\n'
    assert [b"1", row[2:-3], b"2"] == cells_of(row, ord(","))


def in_blocks(rows: list[Any], size: int) -> list[Block[Any]]:
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    return [Block([row.tag for row in part], partial(iter, part)) for part in parts]


def changes(was: list[bytes], now: list[bytes], size: int = 5) -> list[RowChange]:
    """Return what is said of two lists of rows, which come in blocks of so many."""
    before = [Was(tag, cell_tags(row, ord(","), KEY)) for row, tag in zip(was, row_tags(was, KEY), strict=True)]
    after = [Now(tag, row, place) for place, (row, tag) in enumerate(zip(now, row_tags(now, KEY), strict=True), 1)]
    return list(row_changes(in_blocks(before, size), in_blocks(after, size), lambda row: cell_tags(row, ord(","), KEY)))


@given(ROWS, ROWS, st.integers(1, 20))
@settings(deadline=None)
def test_what_is_not_named_is_the_same(was: list[bytes], now: list[bytes], size: int) -> None:
    """Take out of both sides every row that is named, and what is left is alike, in whatever blocks they come."""
    found = changes(was, now, size)
    assert changes(was, now, 100) == found
    was_named, now_named = {each.was_row for each in found}, {each.now_row for each in found}
    assert [row for place, row in enumerate(was, 1) if place not in was_named] == [
        row for place, row in enumerate(now, 1) if place not in now_named
    ]
    assert all(was[each.was_row - 1] != now[each.now_row - 1] for each in found if each.was_row and each.now_row)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
@settings(deadline=None)
def test_one_row_is_named_alone(numbers: list[int], data: st.DataObject) -> None:
    """One changed, added or removed row among any others, also equal ones, is one finding."""
    was = [b"%d,%d\n" % (number, number) for number in numbers]
    place = data.draw(st.integers(0, len(was) - 1))
    assert [(place + 1, place + 1, (2,))] == [
        (each.was_row, each.now_row, each.columns)
        for each in changes(was, [*was[:place], was[place][:2] + b"new\n", *was[place + 1 :]])
    ]
    added = changes(was, [*was[:place], b"new\n", *was[place:]])
    assert [(None, place + 1)] == [(each.was_row, each.now_row) for each in added]
    assert 1 == len(changes(was, [*was[:place], *was[place + 1 :]]))


def test_rows_that_share_nothing_are_paired_as_they_stand() -> None:
    """A file that was written anew, longer than the widest window, is told row by row, and ends."""
    count = WINDOWS[-1] + 10
    found = changes([b"a%d\n" % place for place in range(count)], [b"b%d\n" % place for place in range(count - 1)])
    assert [(place, place) for place in range(1, count)] == [(each.was_row, each.now_row) for each in found[:-1]]
    assert (count, None) == (found[-1].was_row, found[-1].now_row)


def test_columns_are_those_whose_cells_differ() -> None:
    """A cell more or less is a column too; a line end alone is none."""
    pairs = {(b"a,b,c\n", b"a,x,c\n"): (2,), (b"a,b\n", b"a,b,c\n"): (3,), (b"a,b,c\n", b"x,b\n"): (1, 3)}
    pairs |= {(b"a,b\n", b"a,b\r\n"): (), (b'"a",b\n', b"a,b\n"): (1,)}
    assert pairs == {pair: changes([pair[0]], [pair[1]])[0].columns for pair in pairs}
    assert b"" == cell_tags(b"," * 4096, ord(","), KEY)
    assert 4096 * CELL_TAG_SIZE == len(cell_tags(b"," * 4095, ord(","), KEY))


def test_a_folder_comes_before_the_names_that_only_begin_alike() -> None:
    """The order keeps what is in a folder together: a/b before a.txt, though the dot is the smaller byte."""
    assert [b"a/b", b"a/c/d", b"a.txt", b"ab"] == sorted([b"a.txt", b"ab", b"a/c/d", b"a/b"], key=path_order)
    check_next_path(b"a/b", b"a.txt")
    for before, after in ((b"a", b"a/b"), (b"a", b"a"), (b"b", b"a")):
        with pytest.raises(MalformedError):
            check_next_path(before, after)


def test_leaves_that_contradict_themselves_are_not_written() -> None:
    """Fields that do not go together are refused on both ways."""
    good = FileLeaf(bytes(16), Kind.FILE, "a", bytes(32), Rows(RowKind.DELIMITED, ord(","), 1, bytes(32)))
    assert good == FileLeaf.decode(good.encode())
    for rows in (
        Rows(count=1),
        Rows(delimiter=1),
        Rows(RowKind.LINES, ord(",")),
        Rows(RowKind.DELIMITED, ord('"')),
        Rows(RowKind.DELIMITED, 0),
        Rows(RowKind.DELIMITED, 0x80),
        Rows(RowKind.LINES, count=2**40 + 1),
    ):
        with pytest.raises(MalformedError):
            FileLeaf(bytes(16), Kind.FILE, "a", bytes(32), rows).encode()
    with pytest.raises(MalformedError):
        content_commitment_of(b"", 1, bytes(32))


def test_a_secret_gives_every_leaf_another_nonce() -> None:
    """Nonces of files, contents and rows never meet, under one secret or two."""
    nonces = [
        nonce
        for secret in (Secret(KEY), Secret(bytes(32)))
        for index in range(4)
        for nonce in (
            secret.file_nonce(index),
            secret.content_nonce(index),
            *(row_nonce(secret.row_key(index), row) for row in range(4)),
        )
    ]
    assert len(nonces) == len(set(nonces))
    assert {16} == set(map(len, nonces))
    with pytest.raises(MalformedError):
        Secret(b"short")


def test_what_begins_as_a_list_of_another_version_is_said_to_be_one() -> None:
    """The refusal names the version instead of calling the file damaged."""
    with pytest.raises(UnknownVersionError, match="newer Anchorline"):
        read_list(io.BytesIO(MAGIC.replace(b"/1", b"/7") + bytes(40)))


def test_the_maker_uses_the_page_s_folder() -> None:
    """The vectors have a proof of every kind of path."""
    kinds = {outcome(case)["path"] for case in CASES if case["check"] == "proof" and "want" in case}
    assert {"notes/été.txt", "newest", "notes/nothing", "orders.csv", "readings.ndjson"} == kinds
    assert Path(maker.__file__).is_file()

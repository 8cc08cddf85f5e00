"""Manifests of real folders: written, compared after every kind of change, and proved without showing the others.

Input is the folder of ``tests/simulators/folders.py`` in a temporary folder, and larger tables where blocks matter.
"""

import io
import os
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from anchor.errors import RefusedEntryError
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.manifest import Secret, row_leaf, row_nonce
from anchor.proof.manifest_list import ListReader, read_list
from anchor.proof.manifest_proof import ManifestProof
from anchor.proof.manifest_rows import BLOCK_ROWS
from anchor.proof.merkle import leaf_hash, root_of
from chains.manifest_comparing import MAX_DIFFERENCES, compare
from chains.manifest_proving import prove_file, prove_rows
from chains.manifest_writing import Cut, default_list, fresh_secret, new_list, write_manifest
from tests.simulators.folders import FILES, SECRET, listed, make_folder

TOO_LONG = (
    "orders.csv, row 2: expected at most 1048576 bytes; where a quote is never closed, mend it, or record the file "
    "without its rows"
)
Change = Callable[[Path], object]
SIZE = 2 * BLOCK_ROWS + 1000
TABLE = b"id,value\n" + b"".join(b"%d,%d\n" % (number, number % 7) for number in range(1, SIZE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "folder")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "table.csv").write_bytes(TABLE)
    return tmp_path / "table.csv"


def differences(source: Path, stream: io.BytesIO) -> list[str]:
    return [" ".join(each.text().split()) for each in compare(source, stream).differences]


def edited(path: str, old: bytes, new: bytes) -> Change:
    return lambda folder: (folder / path).write_bytes((folder / path).read_bytes().replace(old, new, 1))


def replaced_by_folder(folder: Path) -> None:
    (folder / "notes.txt").unlink()
    (folder / "notes.txt").mkdir()


def replaced_by_pipe(folder: Path) -> None:
    (folder / "notes.txt").unlink()
    os.mkfifo(folder / "notes.txt")


def relinked(folder: Path) -> None:
    (folder / "newest").unlink()
    (folder / "newest").symlink_to("notes.txt")


def link_to_copy(folder: Path) -> None:
    (folder / "newest").unlink()
    (folder / "newest").write_bytes(b"notes/\xc3\xa9t\xc3\xa9.txt")


TAMPERING: list[tuple[str, Change, list[str]]] = [
    ("nothing", lambda folder: None, []),
    ("times and modes", lambda folder: (folder / "notes.txt").chmod(0o700), []),
    ("a byte of a file without rows", edited("notes.txt", b"7", b"8"), ["changed notes.txt"]),
    ("a file that is gone", lambda folder: (folder / "notes.txt").unlink(), ["removed notes.txt"]),
    ("a file that came", lambda folder: (folder / "notes" / "b").write_bytes(b""), ["added notes/b"]),
    (
        "a file with another name",
        lambda folder: (folder / "notes.txt").rename(folder / "note.txt"),
        ["added note.txt", "removed notes.txt"],
    ),
    ("an empty folder that is gone", lambda folder: (folder / "notes" / "nothing").rmdir(), ["removed notes/nothing"]),
    (
        "an empty folder that got a file",
        lambda folder: (folder / "notes" / "nothing" / "x").write_bytes(b""),
        ["removed notes/nothing", "added notes/nothing/x"],
    ),
    ("a link elsewhere", relinked, ["changed newest"]),
    ("a file in place of a link, of equal bytes", link_to_copy, ["changed newest (recorded as a symbolic link)"]),
    ("a folder in place of a file", replaced_by_folder, ["changed notes.txt (recorded as a file)"]),
    (
        "a pipe in place of a file",
        replaced_by_pipe,
        ["changed notes.txt (recorded as a file)"],
    ),
    (
        "a cell",
        edited("orders.csv", b"2,20,", b"2,21,"),
        ["changed orders.csv", "changed orders.csv: row 3 (line 4), column 2 (price)"],
    ),
    (
        "a cell of two lines, and the one beside it",
        edited("orders.csv", b'10,"two', b'11,"three'),
        ["changed orders.csv", "changed orders.csv: row 2 (line 2), columns 2 (price), 3 (note)"],
    ),
    (
        "the name of a column",
        edited("orders.csv", b"price", b"cost"),
        ["changed orders.csv", "changed orders.csv: row 1 (line 1), column 2 (cost)"],
    ),
    (
        "a line end",
        edited("orders.csv", b"2,20,\n", b"2,20,\r\n"),
        ["changed orders.csv", "changed orders.csv: row 3 (line 4)"],
    ),
    (
        "a row that came",
        edited("orders.csv", b"2,20,\n", b"2,20,\n2,20,\n"),
        ["changed orders.csv", "added orders.csv: row 4 (line 5)"],
    ),
    (
        "a row that is gone",
        edited("orders.csv", b"2,20,\n", b""),
        ["changed orders.csv", "removed orders.csv: row 3 as recorded"],
    ),
    (
        "a cell behind a row that is gone",
        lambda folder: (folder / "orders.csv").write_bytes(b"id,price,note\n2,20,\n3,30,first"),
        [
            "changed orders.csv",
            "removed orders.csv: row 2 as recorded",
            "changed orders.csv: row 3 (line 3, recorded as row 4), column 3 (note)",
        ],
    ),
    (
        "a line of NDJSON",
        edited("readings.ndjson", b"8", b"9"),
        ["changed readings.ndjson", "changed readings.ndjson: row 2 (line 2)"],
    ),
    (
        "a quote that swallows the rest",
        lambda folder: (folder / "orders.csv").write_bytes(b'id\n1,"' + b"x\n" * 2**19),
        [
            "changed orders.csv",
            f"changed orders.csv ({TOO_LONG})",
        ],
    ),
    (
        "a name that no manifest may hold, and that a terminal would obey",
        lambda folder: (folder / "\x1b[2J\udcff").write_bytes(b""),
        ["added \\x1b[2J\\udcff"],
    ),
]


@pytest.mark.parametrize(("change", "expected"), [row[1:] for row in TAMPERING], ids=[row[0] for row in TAMPERING])
def test_every_change_has_its_place(folder: Path, change: Change, expected: list[str]) -> None:
    """Each kind of change is named: path, row, line and columns; and nothing else is."""
    stream, _ = listed(folder)
    change(folder)
    assert expected == differences(folder, stream)


def test_a_folder_gives_the_document_that_its_list_gives(folder: Path) -> None:
    """Writer and reader agree, and another secret is another document of the same folder."""
    stream, document = listed(folder)
    assert document == read_list(stream)
    assert (7, sum(map(len, FILES.values())) + len("notes/été.txt".encode())) == (document.files, document.size)
    other, other_document = listed(folder, secret=bytes(32))
    assert document.root != other_document.root
    assert [] == differences(folder, other)
    assert fresh_secret() != fresh_secret()


def test_rows_are_a_tree_of_their_own(table: Path) -> None:
    """The root over more than two blocks of rows is that of RFC 9162 over their leaves."""
    stream, _ = listed(table)
    [file] = ListReader(stream).files()
    key = Secret(SECRET).row_key(0)
    rows = TABLE.splitlines(keepends=True)
    leaves = [leaf_hash(row_leaf(row_nonce(key, place), row)) for place, row in enumerate(rows)]
    assert (SIZE, root_of(leaves)) == (file.rows.count, file.rows.root)


@pytest.mark.parametrize("place", [0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, 2 * BLOCK_ROWS, SIZE - 1])
def test_any_row_is_proved(table: Path, place: int) -> None:
    """Rows at the ends of blocks and of the file lead to the document."""
    stream, document = listed(table)
    proof = ManifestProof.decode(prove_rows(stream, "table.csv", [place], table).encode())
    proof.check()
    assert document.encode() == proof.document
    assert [TABLE.splitlines(keepends=True)[place]] == [row.row for row in proof.rows]


def test_a_proof_shows_nothing_of_the_others(folder: Path) -> None:
    """Neither path, bytes nor any unkeyed hash of other files and rows is in a proof; nor the file's own digest."""
    stream, _ = listed(folder)
    rows = prove_rows(stream, "orders.csv", [2], folder / "orders.csv").encode()
    whole = prove_file(stream, "notes.txt").encode()
    others = {
        rows: [data for path, data in FILES.items() if path != "orders.csv"],
        whole: [data for path, data in FILES.items() if path != "notes.txt"],
    }
    others[rows] += [row for row in FILES["orders.csv"].splitlines(keepends=True) if row != b"2,20,\n"]
    others[rows].append(FILES["orders.csv"])
    for proof, hidden in others.items():
        decoded = ManifestProof.decode(proof)
        raw = proof + decoded.leaf.encode() + b"".join(row.row for row in decoded.rows)
        for data in filter(None, hidden):
            for digest in (sha256(data), leaf_hash(data), leaf_hash(b"\x31" + data), sha256(sha256(data))):
                assert digest not in raw
                assert digest.hex().encode() not in raw
            assert data not in raw
        named = {path for path in FILES if path.encode() in raw}
        assert {decoded.leaf.path} == named
    assert b'"content"' not in rows


def test_equal_rows_have_unequal_leaves(tmp_path: Path) -> None:
    """A sibling does not say that the row beside is the same one."""
    (tmp_path / "same.csv").write_bytes(b"1,1\n" * 4)
    stream, _ = listed(tmp_path / "same.csv")
    proofs = [prove_rows(stream, "same.csv", [place], tmp_path / "same.csv") for place in range(4)]
    siblings = [proof.rows[0].path[0] for proof in proofs]
    assert 4 == len(set(siblings))
    assert 4 == len({proof.rows[0].nonce for proof in proofs})


def test_rows_of_a_changed_file_cannot_be_proved(folder: Path) -> None:
    """A proof is made of the recorded file only, and the refusal says what to do."""
    stream, _ = listed(folder)
    edited("orders.csv", b"20", b"21")(folder)
    with pytest.raises(RefusedEntryError, match=r"is not what was recorded as orders\.csv"):
        prove_rows(stream, "orders.csv", [1], folder / "orders.csv")
    for wanted, message in (([4], "rows 1 to 4, there is no row 5"), (list(range(65)), "at most 64 rows")):
        with pytest.raises(RefusedEntryError, match=message):
            prove_rows(stream, "orders.csv", wanted, folder / "orders.csv")
    with pytest.raises(RefusedEntryError, match="without its rows"):
        prove_rows(stream, "notes.txt", [0], folder / "notes.txt")
    with pytest.raises(RefusedEntryError, match="lists no 'nowhere'"):
        prove_file(stream, "nowhere")


def test_a_proof_of_a_file_is_of_that_file(folder: Path) -> None:
    """Other bytes at hand, or a whole file where rows are shown, are refused by name."""
    stream, _ = listed(folder)
    data = FILES["notes.txt"]
    proof = prove_file(stream, "notes.txt")
    proof.check_content(len(data), sha256(data))
    rows = prove_rows(stream, "orders.csv", [0], folder / "orders.csv")
    for wrong, size, digest in ((proof, len(data), bytes(32)), (proof, 0, sha256(data)), (rows, 1, bytes(32))):
        with pytest.raises(VerificationError, match=r"expected SHA-256|not the whole file"):
            wrong.check_content(size, digest)


def test_changes_far_apart_in_a_long_table_are_found(table: Path) -> None:
    """Rows changed, added and removed at random places of 9,192 are named one by one, each at its place."""
    stream, _ = listed(table)
    rows = TABLE.splitlines(keepends=True)
    places = random.Random(7).sample(range(1, SIZE, 20), 30)
    expected = []
    for shift, place in enumerate(sorted(places)):
        rows[place] = b"%d,changed\n" % place
        expected.append((place + 1, shift))
    table.write_bytes(b"".join(rows))
    found = compare(table, stream)
    assert {"files changed": 1, "rows changed": 30} == dict(found.counts)
    assert [place for place, _ in expected] == [each.row.now_row for each in found.differences if each.row]
    assert {((2, "value"),)} == {each.columns for each in found.differences if each.row}


def test_of_many_changes_the_first_thousand_are_kept(table: Path) -> None:
    """All are counted: a column that changed everywhere does not fill the memory."""
    stream, _ = listed(table)
    table.write_bytes(TABLE.replace(b",", b";"))
    found = compare(table, stream)
    assert {"files changed": 1, "rows changed": SIZE} == dict(found.counts)
    assert MAX_DIFFERENCES == len(found.differences)
    assert f"1 file changed, {SIZE} rows changed" == found.summary()


def test_a_single_file_may_have_another_name(table: Path) -> None:
    """A table is compared with its manifest wherever it was moved to."""
    stream, _ = listed(table)
    assert [] == differences(table.rename(table.with_name("other.csv")), stream)


def refuse(source: Path, message: str) -> None:
    with pytest.raises((RefusedEntryError, MalformedError), match=message):
        write_manifest(source, SECRET, Cut(rows=True), io.BytesIO(), lambda _size: None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\\b", "neither backslashes nor control"),
        ("a\nb", "neither backslashes nor control"),
        ("e\u0301", "composed form"),
        ("\udcff", "expected UTF-8"),
    ],
)
def test_names_that_others_would_read_otherwise_are_refused(tmp_path: Path, name: str, message: str) -> None:
    """The refusal names the file and says to rename it."""
    (tmp_path / name).write_bytes(b"")
    refuse(tmp_path, f"{message}.*rename the file")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Pipes, and two names that differ in case only, in files or in folders."""
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "pipe")
    refuse(tmp_path, "expected files, folders and links only")
    (tmp_path / "a" / "pipe").unlink()
    (tmp_path / "a" / "Straße").write_bytes(b"")
    (tmp_path / "a" / "STRASSE").mkdir()
    refuse(tmp_path, "differ in upper and lower case only")


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    """A link to nowhere, out of the folder or to itself is its own text, and nothing behind it is read."""
    inside = tmp_path / "folder"
    inside.mkdir()
    for name, target in (("nowhere", "gone"), ("out", "../secret"), ("loop", "loop"), ("dots", "./x//y")):
        (inside / name).symlink_to(target)
    (tmp_path / "secret").mkdir()
    stream, document = listed(inside)
    files = {file.path: (file.size, file.digest) for file in ListReader(stream).files()}
    assert 4 == document.files
    assert (9, sha256(b"../secret")) == files["out"]
    assert {"nowhere", "out", "loop", "dots"} == set(files)
    assert [] == differences(inside, stream)


def break_off(target: Path, folder: Path) -> None:
    with new_list(target, folder) as file:
        file.write(b"begun")
        raise OSError(28, "full")


def test_a_list_is_its_owner_s_and_never_replaced(folder: Path) -> None:
    """It has the secret: nobody else reads it, and one that is there is not written over; a failure leaves nothing."""
    target = default_list(folder)
    assert folder.parent / "folder.manifest" == target
    with pytest.raises(OSError, match="full"):
        break_off(target, folder)
    assert [] == [path.name for path in folder.parent.iterdir() if path != folder]
    with new_list(target, folder) as file:
        file.write(b"whole")
    assert (b"whole", 0o600) == (target.read_bytes(), stat.S_IMODE(target.stat().st_mode))
    for place, message in ((target, "is there already"), (folder / "notes" / "list", "inside the folder")):
        with pytest.raises(RefusedEntryError, match=message), new_list(place, folder):
            pass


def test_which_files_are_cut() -> None:
    """By the ends of their names, where rows are asked for; a delimiter is one character that can be one."""
    assert {"a.CSV": 1, "b.tsv": 1, "c.ndjson": 2, "d.jsonl": 2, "e.json": 0} == {
        name: Cut(rows=True).of(name)[0] for name in ("a.CSV", "b.tsv", "c.ndjson", "d.jsonl", "e.json")
    }
    assert [44, 9, 59] == [
        cut.of(name)[1] for cut, name in ((Cut(True), "a.csv"), (Cut(True), "a.tsv"), (Cut(True, ";"), "a.csv"))
    ]
    assert 0 == Cut().of("a.csv")[0]
    for wrong in (Cut(delimiter=";"), Cut(True, ";;"), Cut(True, '"'), Cut(True, "é"), Cut(True, "\n")):
        with pytest.raises(RefusedEntryError, match="--delimiter"):
            wrong.check()

"""Where a content differs from its original: cells, fields, lines and bytes; and nothing that a terminal obeys.

The files are real bytes in memory; ``anchorline verify --original`` is tested in tests/cli/test_cli_verify_where.py.
"""

import io
import json
import tracemalloc
from typing import Any

import pytest

from chains.difference import SHOWN_CHANGES, Difference, Form, difference, form_of
from chains.places import printable

TABLE = b'day,place,"rain, mm"\n' + b"".join(b"%d,Seattle,%d.5\n" % (day, day % 7) for day in range(1, 500))


def compared(was: bytes, now: bytes, form: Form) -> Difference:
    found = difference(io.BytesIO(was), io.BytesIO(now), form)
    assert found is not None
    return found


def changes(was: bytes, now: bytes, form: Form) -> list[dict[str, Any]]:
    return [change.to_json() for change in compared(was, now, form).changes]


def test_what_is_alike_does_not_differ() -> None:
    """The same bytes have no difference, in whatever form."""
    assert [None] * 4 == [difference(io.BytesIO(TABLE), io.BytesIO(TABLE), form) for form in Form]


def test_one_cell_of_a_table() -> None:
    """Row, line, column and the column's name are told, with what was there and what is."""
    now = TABLE.replace(b"118,Seattle,6.5", b"118,Seattle,66.5")
    assert [
        {
            "what": "changed",
            "line": 119,
            "row": 119,
            "column": 3,
            "column_name": "rain, mm",
            "was": "6.5",
            "now": "66.5",
        }
    ] == changes(TABLE, now, Form.CSV)
    assert 'line 119, row 119, column 3 (rain, mm): was "6.5", is "66.5"' == compared(TABLE, now, Form.CSV).lines()[0]


def test_several_cells_far_apart() -> None:
    """Every cell that differs is told, also of other length, and rows in between that are alike are not."""
    now = TABLE.replace(b"\n7,Seattle", b"\n7,Tacoma!").replace(b"\n490,Seattle,0.5", b"\n490,Seattle,")
    found = changes(TABLE, now, Form.CSV)
    assert [(8, 2, "place", "Seattle", "Tacoma!"), (491, 3, "rain, mm", "0.5", "")] == [
        (each["row"], each["column"], each["column_name"], each["was"], each["now"]) for each in found
    ]


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (b"a,b\n1,2\n3,4\n", b"a,b\n1,2\n", [("removed", 3, "3,4")]),
        (b"a,b\n1,2\n3,4\n", b"a,b\n3,4\n", [("removed", 2, "1,2")]),
        (b"a,b\n1,2\n", b"a,b\n1,1\n1,2\n", [("added", 2, "1,1")]),
        (b"a,b\n1,2", b"a,b\n1,2\n3,4\n", [("added", 3, "3,4")]),
        (b"a,b\n1,2\n", b"", [("removed", 1, "a,b"), ("removed", 2, "1,2")]),
        (b"", b"a,b\r\n", [("added", 1, "a,b")]),
    ],
)
def test_rows_that_came_or_went(was: bytes, now: bytes, expected: list[tuple[str, int, str]]) -> None:
    """A row that was put in or taken out is one change, and its neighbours are none."""
    assert expected == [
        (each["what"], each["row"], each.get("was", each.get("now"))) for each in changes(was, now, Form.CSV)
    ]


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        (b"x,1\n", b"yx,1\n", {"row": 1, "column": 1, "was": "x", "now": "yx"}),
        (b"a;b\n1;2\n", b"a;b\n1;3\n", {"row": 2, "column": 2, "column_name": "b", "was": "2", "now": "3"}),
        (b"a\tb\n1\t2\n", b"a\tb\n1\t2\t9\n", {"what": "added", "row": 2, "column": 3, "now": "9"}),
        (
            b'a,b\n"two\nlines",1\nx,2\n',
            b'a,b\n"two\nlines",1\nx,3\n',
            {"line": 4, "row": 3, "column": 2, "column_name": "b"},
        ),
        (b'a,b\n"1",2\n', b"a,b\n1,2\n", {"row": 2, "was": '"1",2\\n', "now": "1,2\\n"}),
        (b"a,b\n1,2\n", b"a,b\r\n1,2\r\n", {"row": 1, "was": "a,b\\n", "now": "a,b\\r\\n"}),
        (b"a,b\n1,2", b"a,b\n1,3", {"row": 2, "column": 2, "was": "2", "now": "3"}),
        (b'a,b\n"x\ny",1\n', b"a,b\nx y,1\n", {"row": 2, "column": 1, "was": "x\\ny", "now": "x y"}),
        (b"\xef\xbb\xbfa,b\n1,2\n", b"\xef\xbb\xbfa,b\n0,2\n", {"column": 1, "column_name": "a"}),
        (b"a,b\n\xff,2\n", b"a,b\n\xfe,2\n", {"was": "\\xff", "now": "\\xfe"}),
    ],
)
def test_tables_of_every_make(was: bytes, now: bytes, expected: dict[str, Any]) -> None:
    """Delimiters, quotes, line ends inside of cells and at the end, byte order marks, and bytes that are no UTF-8."""
    found = changes(was, now, Form.CSV)[0]
    assert expected == {name: found[name] for name in expected}


def test_a_record_without_end_is_told_as_text() -> None:
    """A quote that is never closed makes no table of a large file: it is compared as text."""
    was = b'a,"b\n' + b"x\n" * 600_000
    found = compared(was, was + b"y", Form.CSV)
    assert (Form.TEXT, 1) == (found.form, found.count)


DOCUMENT = {"id": "A/7", "items": [{"n": 1}, {"n": 2}, {"n": 3}], "a/b~c": {"": None}, "on": True}


def edited(**fields: Any) -> bytes:
    return json.dumps(DOCUMENT | fields).encode()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (edited(id="A/8"), [("changed", "/id", '"A/7"', '"A/8"')]),
        (edited(items=[{"n": 1}, {"n": 5}, {"n": 3}]), [("changed", "/items/1/n", "2", "5")]),
        (edited(items=[{"n": 1}, {"n": 3}]), [("removed", "/items/1", '{"n": 2}', None)]),
        (edited(items=[{"n": 0}, *DOCUMENT["items"]]), [("added", "/items/0", None, '{"n": 0}')]),  # type: ignore[misc]  # a list
        (edited(**{"a/b~c": {"": 0}}), [("changed", "/a~1b~0c/", "null", "0")]),
        (edited(on=1), [("changed", "/on", "true", "1")]),
        (edited(id=7), [("changed", "/id", '"A/7"', "7")]),
        (edited(more={}), [("added", "/more", None, "{}")]),
        (b"[]", [("changed", "", json.dumps(DOCUMENT)[:60] + "...", "[]")]),
    ],
)
def test_fields_of_a_document(now: bytes, expected: list[tuple[str, str, str | None, str | None]]) -> None:
    """Every field that was changed, added or removed has its pointer, with the escapes of RFC 6901."""
    found = [
        (each["what"], each["pointer"], each.get("was"), each.get("now")) for each in changes(edited(), now, Form.JSON)
    ]
    assert expected == found


def test_numbers_are_compared_as_they_are_written() -> None:
    """1 and 1.0 are two contents; so are large numbers that a float would make one."""
    assert [("1", "1.0")] == [(each["was"], each["now"]) for each in changes(b'{"a":1}', b'{"a":1.0}', Form.JSON)]
    was, now = b"[10000000000000000000001]", b"[10000000000000000000002]"
    assert ["/0"] == [each["pointer"] for each in changes(was, now, Form.JSON)]


def test_a_document_written_in_another_way() -> None:
    """White space and the order of fields change the bytes and no field; that is said."""
    found = compared(b'{"a":1,"b":2}', b'{ "b":2, "a":1 }', Form.JSON)
    assert (Form.JSON, 0, ()) == (found.form, found.count, found.changes)
    assert found.lines()[0].startswith("the JSON says the same")


@pytest.mark.parametrize("now", [b'{"a":1,"a":2}', b'{"a":', b"[" * 5000, b"\xff"], ids=range(4))
def test_what_only_is_called_json_is_told_as_text(now: bytes) -> None:
    """A field twice, half a document, one that is too deep, no UTF-8: line and character, and no guess."""
    assert Form.TEXT == compared(b'{"a":1}', now, Form.JSON).form


def test_a_document_over_the_limit_is_told_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too large to be read whole is compared in pieces, whatever it is called."""
    was, now = b'{"a":1}', b'{"a":22}'
    assert Form.JSON == compared(was, now, Form.JSON).form
    monkeypatch.setattr("chains.difference.MAX_JSON", len(now) - 1)
    assert Form.TEXT == compared(was, now, Form.JSON).form


def test_lines_of_a_text() -> None:
    """Line and character are counted as editors count them, in characters and not in bytes."""
    found = changes("eins\nzwölf Boxkämpfer\n".encode(), "eins\nzwölf Boxkampfer\n".encode(), Form.TEXT)
    assert [(2, 11)] == [(each["line"], each["character"]) for each in found]


def test_bytes_of_a_picture() -> None:
    """Of what is no text, the range of bytes is told, of both sides."""
    was = b"\x89PNG\0" + bytes(range(256)) * 9000
    now = was[:1_500_000] + b"!!" + was[1_500_003:]
    found = compared(was, now, Form.TEXT).to_json()
    assert ("bytes", 1_500_000, 3, 2) == tuple(found[name] for name in ("form", "offset", "was_size", "now_size"))


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    """Escape sequences, line ends, marks that turn the writing and broken UTF-8 come out escaped."""
    hostile = "\x1b]0;owned\x07\x9b31m\u202eevil\r\n\u2028"
    for was, now, form in (
        (b"a,b\n1,2\n", f"a,b\n1,{hostile[:-3]}\n".encode(), Form.CSV),
        (b'{"a":1}', json.dumps({hostile: hostile}, ensure_ascii=False).encode(), Form.JSON),
        (b"plain", hostile.encode() + b"\xff", Form.TEXT),
        (f"a{hostile[:7]},b\n1,2\n".encode(), f"a{hostile[:7]},b\n3,2\n".encode(), Form.CSV),
    ):
        found = compared(was, now, form)
        assert all(line.isprintable() for line in found.lines())
        assert any("\\x1b" in line or "\\u001b" in line for line in found.lines())
    assert "\\\\x1b \\x1b \\xff" == printable("\\x1b \x1b \udcff")


def test_only_the_first_changes_are_shown_and_all_are_counted() -> None:
    """Twenty places are told one by one, and the others are a number."""
    now = TABLE.replace(b"Seattle", b"seattle")
    found = compared(TABLE, now, Form.CSV)
    assert (499, SHOWN_CHANGES) == (found.count, len(found.changes))
    assert f"and {499 - SHOWN_CHANGES} more" in found.lines()


def test_a_large_table_takes_little_memory() -> None:
    """The place is found with a few pieces in memory, whatever the size of the table."""
    was = TABLE + b"".join(b"%d,%s,%d\n" % (row, b"x" * 1000, row) for row in range(20_000))
    now = io.BytesIO(was.replace(b"\n118,Seattle", b"\n118,Seattlf").replace(b"\n19000,x", b"\n19000,y"))
    tracemalloc.start()
    try:
        found = difference(io.BytesIO(was), now, Form.CSV)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found is not None
    assert [(119, 2), (19_501, 2)] == [(change.place.row, change.place.column) for change in found.changes]
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    ("name", "media_type", "form"),
    [
        ("a.CSV", "", Form.CSV),
        ("a.tsv", "", Form.CSV),
        ("a", "text/csv; header=present", Form.CSV),
        ("a.json", "", Form.JSON),
        ("a.bin", "application/ld+json", Form.JSON),
        ("a.txt", "application/json; charset=utf-8", Form.JSON),
        ("csv", "text/plain", Form.TEXT),
        ("a.pdf", "application/pdf", Form.TEXT),
    ],
)
def test_the_form_is_that_of_the_name_or_of_the_entry(name: str, media_type: str, form: Form) -> None:
    """The end of the name, or the media type of the entry, says as what a content is compared."""
    assert form == form_of(name, media_type)

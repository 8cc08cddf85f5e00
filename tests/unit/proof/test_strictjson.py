"""Tests of ``anchor.proof.strictjson``: the vectors on which parsers differ, its limits, and its time.

Input is ``strict_json.json``, which the browser verifier runs too, and texts made here, some of them hostile. What
the three readers of files (receipt, promise, log card) refuse, they refuse through this module.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.proof import strictjson
from anchor.proof.errors import MalformedError, TooLargeError, UnknownVersionError
from anchor.proof.strictjson import MAX_DEPTH, MAX_INTEGER, Fields, dumps, loads

FILE = Path(__file__).parents[2] / "vectors" / "strict_json.json"
CASES: list[dict[str, Any]] = json.loads(FILE.read_text())["cases"]
LIMIT = 4 * 2**20
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def read(text: str | bytes) -> dict[str, Any]:
    return loads(text if isinstance(text, bytes) else text.encode(), "file", LIMIT)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector is accepted with the value that Python's own parser finds, or refused."""
    raw = bytes.fromhex(case["hex"])
    if "want" in case:
        assert json.loads(raw.decode()) == loads(raw, "file", LIMIT)
        return
    with pytest.raises(MalformedError):
        loads(raw, "file", LIMIT)


def test_the_vectors_hold_what_python_would_take() -> None:
    """More than a dozen of the refused texts pass Python's own parser: the strictness is not Python's."""
    taken = 0
    for case in CASES:
        try:
            json.loads(bytes.fromhex(case["hex"]))
        except (ValueError, RecursionError):
            continue
        taken += "want_error" in case
    assert taken > 12


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(st.dictionaries(st.text(), PLAIN, max_size=4))
def test_what_is_written_is_read(value: dict[str, Any]) -> None:
    """An object of strings, integers and literals comes back, and is refused only where it is too deep."""
    if depth_of(value) > MAX_DEPTH:
        with pytest.raises(TooLargeError):
            read(dumps(value))
        return
    assert value == read(dumps(value))
    assert value == read(json.dumps(value, ensure_ascii=False))


MARKS = st.text(alphabet='"\\[]{}:,ud8', max_size=8)


@given(
    texts=st.lists(MARKS, min_size=1, max_size=6),
    levels=st.integers(MAX_DEPTH - 2, MAX_DEPTH + 1),
    is_ascii=st.booleans(),
)
def test_no_string_deepens_or_hides_a_level(texts: list[str], levels: int, is_ascii: bool) -> None:
    """Whatever brackets, quotes and backslashes strings hold, beside each other and empty, the levels stay counted."""
    inner: Any = texts
    for text in texts * 3:
        if depth_of(inner) < levels - 1:
            inner = {text: inner, "": ""}
    while depth_of(inner) < levels - 1:
        inner = [*texts, inner, ""]
    written = json.dumps({"a": inner, texts[0] + "b": texts}, ensure_ascii=is_ascii)
    if levels <= MAX_DEPTH:
        assert json.loads(written) == read(written)
        return
    with pytest.raises(TooLargeError, match="16 levels"):
        read(written)


@given(
    pieces=st.lists(
        st.sampled_from(["\\\\", "\\ud83d", "\\ude00", "\\uD800", "ud800", "\\u0041", '\\"', "d8", "[" * 17])
    )
)
def test_a_lone_surrogate_is_found_among_all_escapes(pieces: list[str]) -> None:
    """A string with half a character is refused, however it is escaped, and no other string is."""
    written = '{"a":"' + "".join(pieces) + '"}'
    value = json.loads(written)
    if any(0xD800 <= ord(character) < 0xE000 for character in value["a"]):
        with pytest.raises(MalformedError, match="lone surrogate"):
            read(written)
        return
    assert value == read(written)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_malformed(data: bytes) -> None:
    """Nothing but MalformedError leaves the reader, whatever the bytes are."""
    try:
        value = read(data)
    except MalformedError:
        return
    assert value == read(dumps(value))


@pytest.mark.parametrize("piece", ['"\\"', '{"a":', "[", '"', "\\", '{"a":"\\u0061', "]}", "9"])
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """Four times as long takes nowhere near sixteen times as long, and a megabyte less than seconds."""
    durations = []
    for size in (2**18, 2**20):
        text = '{"a":"' + piece * (size // len(piece))
        start = time.process_time()
        with pytest.raises(MalformedError):
            read(text)
        durations.append(time.process_time() - start)
    assert durations[1] < 8 * durations[0] + 0.1
    assert durations[1] < 2


def test_many_fields_take_linear_time() -> None:
    """A name that comes twice is found among 100,000 as fast as it takes to read them."""
    names = ",".join(f'"{number}":0' for number in range(100_000))
    start = time.process_time()
    with pytest.raises(MalformedError, match="field '99999' occurs twice"):
        read(f'{{{names},"99999":1}}')
    assert time.process_time() - start < 2


def test_escaped_quotes_end_no_string() -> None:
    """Brackets behind an escaped quote are text; behind an escaped backslash and a quote they count."""
    assert read('{"a":"' + '\\"[' * 20 + '"}') == {"a": '"[' * 20}
    assert read('{"a":"' + "\\\\" * 3 + '","b":"' + "[" * 20 + '"}') == {"a": "\\" * 3, "b": "[" * 20}
    with pytest.raises(TooLargeError, match="16 levels"):
        read('{"a":"\\\\","b":' + "[" * 16 + "]" * 16 + "}")


def test_the_limit_is_checked_first() -> None:
    """A file above its limit is refused by its length, before a byte of it is looked at."""
    assert loads(b"{}", "file", 2) == {}
    with pytest.raises(TooLargeError, match="file: expected at most 2 bytes, got 3"):
        loads(b"\xff{}", "file", 2)


def test_depth_counts_brackets_and_no_strings() -> None:
    """Sixteen levels are read, seventeen are not, whichever brackets they are made of."""
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        for levels in (MAX_DEPTH - 1, MAX_DEPTH):
            text = '{"a":' + opening * levels + ("" if opening == "[" else "1") + closing * levels + "}"
            if levels < MAX_DEPTH:
                assert depth_of(read(text)) == MAX_DEPTH
                continue
            with pytest.raises(TooLargeError, match="16 levels"):
                read(text)


def test_closing_brackets_give_no_depth_back_in_advance() -> None:
    """Brackets that close before any opened do not make room for deeper nesting: the text is no JSON."""
    with pytest.raises(MalformedError):
        read("]" * 50 + '{"a":' + "[" * 40 + "]" * 40 + "}")


@pytest.mark.parametrize("digits", ["1\u0661", "\u0661", "-0", "9" * 18, str(MAX_INTEGER + 1), str(-MAX_INTEGER - 1)])
def test_digits_are_judged_whatever_scanner_found_them(digits: str) -> None:
    """Python's scanner without C took any Unicode digit; here only 0 to 9 make a number, and not every one."""
    with pytest.raises(MalformedError):
        strictjson._integer(digits)


def test_files_are_ascii_with_a_final_newline() -> None:
    """What is written holds no character that an editor or a mail could change."""
    text = dumps({"a": "\u00e9\U0001f600"})
    assert text == '{\n "a": "\\u00e9\\ud83d\\ude00"\n}\n'
    assert text.isascii()


def test_fields_are_taken_once_and_none_is_left() -> None:
    """A field that is missing, taken twice, or left over is malformed."""
    fields = Fields({"a": "x", "b": 1}, "file")
    assert "a" in fields
    assert fields.text("a") == "x"
    with pytest.raises(MalformedError, match="file: expected a field 'a'"):
        fields.text("a")
    with pytest.raises(MalformedError, match="file: unknown field 'b'"):
        fields.end()
    assert fields.rest() == {"b": 1}
    fields.end()


@pytest.mark.parametrize("value", [None, True, 1, "{}", [], ["a"]])
def test_an_object_is_an_object(value: object) -> None:
    """Anything else in its place is malformed."""
    with pytest.raises(MalformedError, match="expected an object"):
        Fields(value, "file")


@pytest.mark.parametrize("value", [None, True, 1, [], {}])
def test_a_string_is_a_string(value: object) -> None:
    """Null, booleans, numbers, arrays and objects are no strings, and no hex."""
    with pytest.raises(MalformedError, match="expected a string"):
        Fields({"a": value}, "file").text("a")
    with pytest.raises(MalformedError, match="expected a string"):
        Fields({"a": value}, "file").hex("a")


@pytest.mark.parametrize("value", [None, True, False, "1", -1, MAX_INTEGER + 1, [], {}, 1.0])
def test_an_integer_is_an_integer_from_0(value: object) -> None:
    """True is no 1, "1" is no 1, and negative numbers have no place in any format here; 0 and 2^53-1 have."""
    assert Fields({"a": 0, "b": MAX_INTEGER}, "file").integer("a") == 0
    assert Fields({"a": 0, "b": MAX_INTEGER}, "file").integer("b") == MAX_INTEGER
    with pytest.raises(MalformedError, match="expected an integer from 0"):
        Fields({"a": value}, "file").integer("a")


def test_hex_fields_know_their_size() -> None:
    """A field of an exact size takes no other; one with a maximum is refused by its length first."""
    assert Fields({"a": "00ff"}, "file").hex("a") == b"\x00\xff"
    assert Fields({"a": "00ff"}, "file").hex("a", exact=2) == b"\x00\xff"
    assert Fields({"a": "00ff"}, "file").hex("a", maximum=2) == b"\x00\xff"
    with pytest.raises(MalformedError, match="expected 1 bytes in hex, got 2"):
        Fields({"a": "00ff"}, "file").hex("a", exact=1)
    with pytest.raises(TooLargeError, match="at most 1 bytes in hex"):
        Fields({"a": "zzzz"}, "file").hex("a", maximum=1)
    with pytest.raises(MalformedError, match="lower-case hex"):
        Fields({"a": "0F"}, "file").hex("a", maximum=1)


def test_arrays_know_their_length() -> None:
    """An array has at most its maximum, and an array of hashes holds nothing else."""
    assert Fields({"a": [1, "x"]}, "file").array("a", 2) == [1, "x"]
    with pytest.raises(TooLargeError, match="at most 1 items, found 2"):
        Fields({"a": [1, 2]}, "file").array("a", 1)
    with pytest.raises(MalformedError, match="expected an array"):
        Fields({"a": {}}, "file").array("a", 1)
    assert Fields({"a": ["00" * 32]}, "file").hashes("a", 1) == (bytes(32),)
    for bad in ("00" * 31, 1, None, "zz" * 32):
        with pytest.raises(MalformedError):
            Fields({"a": [bad]}, "file").hashes("a", 1)


HASH = "0f" * 32
SPELLINGS = [
    HASH,
    HASH[:62],
    HASH + "0f",
    HASH[:63],
    "0" + HASH,
    HASH.upper(),
    f"{HASH} {HASH}",
    f"{HASH} ",
    f" {HASH}",
]
SPELLINGS += [HASH + "\n", HASH[:32] + " " + HASH[32:], "", " ", "\u0660" * 64]


@given(st.lists(st.sampled_from(SPELLINGS) | st.none() | st.integers() | st.just([HASH]), max_size=5))
def test_hashes_are_refused_together_where_one_of_them_would_be(values: list[Any]) -> None:
    """However strings are cut, padded or spelt, an array of hashes is read exactly where each of them is one."""
    if all(value == HASH for value in values):
        assert (bytes.fromhex(HASH),) * len(values) == Fields({"a": values}, "file").hashes("a", 5)
        return
    with pytest.raises(MalformedError, match=r"^file\.a: expected"):
        Fields({"a": values}, "file").hashes("a", 5)


def test_a_newer_version_is_refused_by_name() -> None:
    """The same format with another version is newer; another format is just not this one."""
    Fields({"format": "anchorline-log/1"}, "file").format("anchorline-log/1")
    with pytest.raises(UnknownVersionError, match="written by a newer Anchorline"):
        Fields({"format": "anchorline-log/2"}, "file").format("anchorline-log/1")
    with pytest.raises(MalformedError, match="expected format 'anchorline-log/1', found 'anchorline-logs/1'") as caught:
        Fields({"format": "anchorline-logs/1"}, "file").format("anchorline-log/1")
    assert not isinstance(caught.value, UnknownVersionError)

"""Structured fields: lists of strings and byte sequences are read as RFC 9651 says, and nothing else is."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.web.structured import StructuredItem, parse_list


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"", []),
        (b'"a"', [(b"a", ())]),
        (b'"a", "b"', [(b"a", ()), (b"b", ())]),
        (rb'"say \"a\\b\""', [(rb'say "a\b"', ())]),
        (b":AAEC:;kind=1", [(b"\x00\x01\x02", (("kind", "1"),))]),
        (b'"a";kind=2 , ::', [(b"a", (("kind", "2"),)), (b"", ())]),
        (b'"a";flag', [(b"a", (("flag", "1"),))]),
    ],
)
def test_lists_are_read(field: bytes, expected: list[tuple[bytes, tuple[tuple[str, str], ...]]]) -> None:
    """Items keep their order, and their parameters."""
    assert [StructuredItem(*item) for item in expected] == parse_list(field)


@pytest.mark.parametrize(
    "field", [b"a", b'"a', b'"a" "b"', b'"a",', b":A:", b":====:", b'"\x7f"', b'"\xe9"', b'"a"x', b",", rb'"\a"', b"1"]
)
def test_what_is_no_such_list_is_refused(field: bytes) -> None:
    """Tokens, numbers, open quotes, bad base64 and trailing commas end in an error."""
    with pytest.raises(ValueError, match=r"expected|base64"):
        parse_list(field)


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_bytes_go_round(values: list[bytes]) -> None:
    """Whatever is written as byte sequences is read back."""
    field = b", ".join(b":" + base64.b64encode(value) + b":" for value in values)
    assert values == [item.value for item in parse_list(field)]


@given(st.binary(max_size=60))
def test_any_bytes_end_in_items_or_an_error(field: bytes) -> None:
    """No input does anything else."""
    try:
        assert all(isinstance(item.value, bytes) for item in parse_list(field))
    except ValueError:
        return

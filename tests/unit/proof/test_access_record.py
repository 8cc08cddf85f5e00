"""Tests of access records: the vectors, the example of the specification, and what is written is what is read."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof.access_record import (
    MAX_EVENTS,
    AccessRecord,
    Event,
    Noted,
    check_record,
    decode_events,
    encode_events,
    record_of,
)
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.errors import MalformedError
from tests.vectors import make_access_vectors

ROOT = Path(__file__).parents[3]
CASES: list[dict[str, Any]] = json.loads(make_access_vectors.FILE.read_text())["cases"]
WORDS = st.sampled_from(["content", "api", "key", "a", "a-2", "z" * 40])
TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
HASHES = st.binary(max_size=8).map(lambda seed: sha256(seed) if seed else b"")


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Return any event."""
    count = draw(st.integers(0, 2**53 - 1))
    return Event(
        *(draw(WORDS), draw(WORDS), draw(WORDS), draw(TEXTS), draw(TEXTS), draw(HASHES)),
        index=draw(st.integers(0, 2**53 - 1)) if count else 0,
        count=count,
        entry=draw(HASHES),
        subject=draw(TEXTS),
        detail=draw(TEXTS),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["desc"] for case in CASES])
def test_vectors(case: dict[str, Any]) -> None:
    """A record is taken or refused as the vector says."""

    def checked() -> int:
        return len(check_record(AccessRecord.decode(bytes.fromhex(case["extension"])), bytes.fromhex(case["content"])))

    if "want" in case:
        assert case["want"]["events"] == checked()
        return
    with pytest.raises(MalformedError):
        checked()


def test_the_vectors_are_those_that_are_made() -> None:
    """Nobody edited the file by hand."""
    assert list(make_access_vectors.cases()) == CASES


def test_the_example_of_the_specification_is_a_record() -> None:
    """Its lines and the bytes beside them are what the code writes."""
    page = (ROOT / "docs" / "spec" / "access-record.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```ndjson\n(.*?)```", page, re.DOTALL)
    [hexed] = re.findall(r"```hex\n(.*?)```", page, re.DOTALL)
    value = bytes.fromhex("".join(line.split("#")[0].strip() for line in hexed.splitlines()))
    assert make_access_vectors.EXAMPLE == check_record(AccessRecord.decode(value), lines.encode())


@settings(max_examples=25)
@given(st.lists(st.tuples(events(), st.integers(0, 1000)), min_size=1, max_size=4), st.integers(0, 2**40))
def test_what_is_written_is_what_is_read(drawn: list[tuple[Event, int]], first: int) -> None:
    """Any events, numbered on, at times that do not fall; and no other bytes are read as they."""
    noted, at_ms = [], first
    for place, (event, passed_ms) in enumerate(drawn):
        at_ms += passed_ms
        noted.append(Noted(first + place, at_ms, event))
    content, record = encode_events(noted), AccessRecord.of(noted)
    assert noted == check_record(AccessRecord.decode(record.encode()), content)
    with pytest.raises(MalformedError):
        decode_events(content + b" \n")
    with pytest.raises(MalformedError):
        check_record(replace(record, first_number=record.first_number + 1), content)


@given(st.binary(max_size=400))
def test_other_bytes_are_refused_as_malformed(content: bytes) -> None:
    """Whatever a stranger sends as a record, the answer is one error."""
    with pytest.raises(MalformedError):
        decode_events(content)


def test_an_entry_says_which_accesses_it_records() -> None:
    """By its extension, which has one length; an entry without it records none."""
    record = AccessRecord(3, MAX_EVENTS, 5, 5)
    entry = Entry(bytes(32), bytes(32), extensions=(Extension(ExtensionType.ACCESS_RECORD, record.encode()),))
    assert record == record_of(Entry.decode(entry.encode()))
    assert record_of(Entry(bytes(32), bytes(32))) is None
    with pytest.raises(MalformedError, match="extension 12"):
        replace(entry, extensions=(Extension(ExtensionType.ACCESS_RECORD, b"1"),)).encode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"what": "No word"},
        {"way": ""},
        {"by": "a" * 41},
        {"detail": "a" * 201},
        {"subject": "é"},
        {"chain": b"short"},
        {"entry": bytes(31)},
        {"index": 1},
        {"count": -1},
        {"count": 2**53},
    ],
)
def test_an_event_that_cannot_be_written_is_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    """Nothing is noted that could not be read again."""
    with pytest.raises(MalformedError):
        Event(**({"what": "content", "way": "api", "by": "key"} | wrong))

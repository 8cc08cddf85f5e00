"""Writes ``access_record.json``: contents of access records with the value of extension 12, most of them wrong.

Run it (``python -m tests.vectors.make_access_vectors``) after a change of docs/spec/access-record.md, and weigh what
changed.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anchor.proof.access_record import AccessRecord, By, Event, Noted, Way, What, encode_events

FILE = Path(__file__).with_name("access_record.json")
_AT_MS = 1_763_848_800_000
_CHAIN, _ENTRY = bytes((0x11,)) * 32, bytes((0x22,)) * 32
_OWNER, _READER = "org_aaaaaaaaaaaaaaaa", "org_cccccccccccccccc"
GRANT = Event(
    *(What.GRANT, Way.API, By.KEY, _OWNER, "al_bbbbbbbb", _CHAIN), subject=_READER, detail="reader without end"
)
READ = Event(What.CONTENT, Way.API, By.KEY, _READER, "al_dddddddd", _CHAIN, 7, 1, _ENTRY)
EXAMPLE = [Noted(0, _AT_MS, GRANT), Noted(1, _AT_MS + 5000, READ)]


def cases() -> Iterator[dict[str, Any]]:
    """Yield each case: what it is, the extension, the content (hex), and what it must come to."""
    content, record = encode_events(EXAMPLE), AccessRecord.of(EXAMPLE).encode()
    yield _case("the example of the specification", record, content, events=2)
    unknown = [Noted(9, _AT_MS, Event("dance", "pigeon", "somebody"))]
    yield _case(
        "words that this version does not know", AccessRecord.of(unknown).encode(), encode_events(unknown), events=1
    )
    yield _case("an extension of 27 bytes", record[:-1], content)
    yield _case("an extension of 29 bytes", record + b"\0", content)
    yield _case("no event", AccessRecord(0, 0, 0, 0).encode(), b"")
    yield _case("more events than a record has", AccessRecord(0, 10_001, 0, 0).encode(), content)
    yield _case("ends before it begins", AccessRecord(0, 2, _AT_MS, _AT_MS - 1).encode(), content)
    for name, wrong in (
        ("another first number", AccessRecord(1, 2, _AT_MS, _AT_MS + 5000)),
        ("another count", AccessRecord(0, 3, _AT_MS, _AT_MS + 5000)),
        ("another first time", AccessRecord(0, 2, _AT_MS - 1, _AT_MS + 5000)),
        ("another last time", AccessRecord(0, 2, _AT_MS, _AT_MS + 5001)),
    ):
        yield _case(name, wrong.encode(), content)
    lines = content.splitlines(keepends=True)
    yield _case("no line feed at the end", record, content[:-1])
    yield _case("an empty line", record, lines[0] + b"\n" + lines[1])
    yield _case("the events in another order", record, lines[1] + lines[0])
    yield _case("an event twice", record, lines[0] + lines[0])
    gap = [EXAMPLE[0], Noted(2, _AT_MS + 5000, READ)]
    yield _case("a number is left out", AccessRecord.of(gap).encode(), encode_events(gap))
    back = [EXAMPLE[0], Noted(1, _AT_MS - 1, READ)]
    yield _case("times fall", AccessRecord(0, 2, _AT_MS, _AT_MS).encode(), encode_events(back))
    for name, old, new in (
        ("a space", b'"number":0', b'"number": 0'),
        ("fields in another order", b'"way":"api","by":"key"', b'"by":"key","way":"api"'),
        ("a field that is not known", b'"subject"', b'"address":"192.0.2.1","subject"'),
        ("a field twice", b'"way":"api"', b'"way":"api","way":"api"'),
        ("a word with a capital", b'"what":"grant"', b'"what":"Grant"'),
        ("an empty text", b'"detail":"reader without end"', b'"detail":""'),
        ("a text with a control character", b"reader without end", b"reader\\u0007without end"),
        ("a text that is not ASCII", b"reader without end", b"reader \\u00e9 end"),
        ("a chain of 31 bytes", b'"chain":"1111', b'"chain":"11'),
        ("a hash in capitals", b'"entry":"2222', b'"entry":"AA22'),
        ("an index without a count", b',"count":1', b""),
        ("a count of none", b'"count":1', b'"count":0'),
        ("a number that is a text", b'"number":0', b'"number":"0"'),
        ("a time with a fraction", b'"at_ms":1763848800000', b'"at_ms":1763848800000.0'),
    ):
        assert old in content, name
        yield _case(name, record, content.replace(old, new, 1))


def _case(desc: str, extension: bytes, content: bytes, events: int | None = None) -> dict[str, Any]:
    want: dict[str, Any] = {"want_error": "malformed"} if events is None else {"want": {"events": events}}
    return {"desc": desc, "extension": extension.hex(), "content": content.hex(), **want}


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps({"cases": list(cases())}, indent=1) + "\n")


if __name__ == "__main__":
    main()

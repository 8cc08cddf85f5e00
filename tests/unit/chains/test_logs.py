"""Log lines as values, and the two forms in which a service writes them."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.log_lines import Level, LogFormat, LogLine, read_line
from chains.logs import log_to

NOW_MS = 1_790_003_600_123


def written(form: LogFormat, level: Level, *lines: str) -> str:
    out = io.StringIO()
    report = log_to(out, form, level, lambda: NOW_MS)
    for line in lines:
        report(line)
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("event=stopped", LogLine("stopped", {})),
        ("event=sealed seal=0 size=40 root=00aa", LogLine("sealed", {"seal": 0, "size": 40, "root": "00aa"})),
        (
            "event=failed job=tick error=SourceError message='no \"answer\" yet'",
            LogLine("failed", {"job": "tick", "error": "SourceError", "message": 'no "answer" yet'}),
        ),
        ("""event=failed message="it's" """, LogLine("failed", {"message": "it's"})),
        (
            "event=failed path='/a b' error=X 'said\\n more'",
            LogLine("failed", {"path": "/a b", "error": "X", "message": "said\n more"}),
        ),
        ("event=x a= b=1", LogLine("x", {"a": "", "b": 1})),
        (
            "event=x n=007 m=-5 big=1234567890123456789",
            LogLine("x", {"n": "007", "m": -5, "big": "1234567890123456789"}),
        ),
        ("warning: one source alone", LogLine("warning", {"message": "one source alone"})),
        ("anything else", LogLine("said", {"message": "anything else"})),
        ("", LogLine("said", {"message": ""})),
    ],
)
def test_a_line_is_read_as_it_was_meant(text: str, wanted: LogLine) -> None:
    """Words, numbers, quoted texts; what is no pair is the message."""
    assert wanted == read_line(text)
    assert list(wanted.fields) == list(read_line(text).fields)


@given(st.text())
def test_a_quoted_text_comes_back(text: str) -> None:
    """Whatever a message holds, line ends and quotes included, is read as it was."""
    assert {"job": "tick", "message": text} == read_line(f"event=failed job=tick message={text!r}").fields


@given(st.text())
def test_no_line_is_too_strange(text: str) -> None:
    """Reading never raises, and what is written is one line of JSON."""
    out = written(LogFormat.JSON, Level.DEBUG, text, f"event={text}", f"event=x a={text}")
    assert 3 == len([json.loads(line) for line in out.split("\n")[:-1]])


def test_json_has_time_level_and_fields() -> None:
    """One object a line; a field cannot take the place of time, level or event."""
    lines = written(LogFormat.JSON, Level.INFO, "event=alert name=stuck message='waits'", "event=x at=5 level=high é=1")
    first, second = [json.loads(line) for line in lines.splitlines()]
    assert {
        "at": "2026-09-21T15:13:20.123Z",
        "level": "warning",
        "event": "alert",
        "name": "stuck",
        "message": "waits",
    } == first
    assert ("2026-09-21T15:13:20.123Z", "info", 5, "high") == (
        second["at"],
        second["level"],
        second["at_"],
        second["level_"],
    )


def test_text_is_the_line_itself() -> None:
    """What people and documents know is not changed."""
    assert "event=done job=tick\nwarning: x\n" == written(
        LogFormat.TEXT, Level.INFO, "event=done job=tick", "warning: x"
    )


@pytest.mark.parametrize("form", list(LogFormat))
def test_a_level_leaves_out_what_is_below(form: LogFormat) -> None:
    """News, what somebody should look at, and faults."""
    lines = ("event=done job=tick", "event=failed job=tick", "event=fault job=tick")
    counts = [len(written(form, level, *lines).splitlines()) for level in Level]
    assert [3, 3, 2, 1] == counts


@pytest.mark.parametrize("form", list(LogFormat))
def test_an_api_key_is_never_written(form: LogFormat) -> None:
    """Wherever in a line it stands."""
    key = "al_abcdefgh_" + "A" * 43
    out = written(form, Level.INFO, f"event=failed message='said {key}'", f"event=x token={key}", key)
    assert 3 == len(out.splitlines())
    assert "A" * 43 not in out

"""The report on an export as a page that needs nothing else: no script, no picture, no other file.

Input is an ``ArchiveVerdict``; every word of it that came from the export is escaped. ``verify --archive --report``
writes it.
"""

from collections.abc import Iterable, Sequence
from html import escape

from chains.archive.verdict import ArchiveVerdict
from chains.archive.wording import anchor_line, beside, headline, meaning, what_was_checked

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; border-left: .4rem solid {colour}; padding-left: .8rem; overflow-wrap: anywhere; }}
li, td {{ overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; }}
td {{ padding: .2rem 1rem .2rem 0; vertical-align: top; }}
.faults li {{ font-family: ui-monospace, monospace; font-size: .9rem; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{sentences}
<h2>What was checked</h2>
<ul>{checked}</ul>
<h2>Anchors in Bitcoin</h2>
<ul>{anchors}</ul>
{beside}<h2>Faults</h2>
{faults}
{notes}<h2>Of what, and by whom</h2>
<table>{about}</table>
</main>
</body>
</html>
"""
_GREEN, _RED, _GREY = "#1a7f37", "#c62828", "#8a6d00"


def report_html(verdict: ArchiveVerdict, about: Iterable[tuple[str, str]]) -> bytes:
    """Return the page; ``about`` are facts of the run: which file, by which version."""
    faults = [*verdict.faults, *([f"and {verdict.more_faults} more"] if verdict.more_faults else [])]
    colour = {0: _GREEN, 1: _RED}.get(verdict.exit_code, _GREY)
    page = _PAGE.format(
        title=escape(headline(verdict)),
        colour=colour,
        sentences="".join(f"<p>{escape(sentence)}</p>" for sentence in meaning(verdict)),
        checked=_items(what_was_checked(verdict)),
        anchors=_items(map(anchor_line, verdict.anchors)) or "<li>none</li>",
        faults=f'<ol class="faults">{_items(faults)}</ol>' if faults else "<p>None was found.</p>",
        beside=_section("Whose word besides", beside(verdict)),
        notes=_section("Entries that stand, and count for nothing", verdict.remarks),
        about="".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in about),
    )
    return page.encode("utf-8", "backslashreplace")


def _section(title: str, lines: Sequence[str]) -> str:
    return f"<h2>{title}</h2>\n<ul>{_items(lines)}</ul>\n" if lines else ""


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{escape(line)}</li>" for line in lines)

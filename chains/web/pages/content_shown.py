"""The content of an entry as a page shows it: as text where it is text, as an image where a browser runs nothing of it.

Pure. Bytes come from whoever wrote the entry, and so does the media type: neither is believed. The page of an entry
shows what ``content_shown`` returns; everything else is a download.
"""

import json
from dataclasses import dataclass
from typing import Any

from chains.web.pages.phrases import visible

MOST_TEXT = 64 * 1024
"""Bytes of a text that a page shows: some thousand lines, which a browser lays out at once."""
MOST_JSON = 64 * 1024
MOST_LAID_OUT = 4 * MOST_JSON
"""Characters of a JSON document that is laid out: deep nesting makes many of few, and is shown as it stands."""
MOST_IMAGE = 4 * 2**20
_MOST_DEPTH = 32
_JSON = ("application/json", "application/geo+json", "application/ld+json")
_TEXT = ("application/xml", "application/yaml", "application/x-ndjson", "application/sql", "image/svg+xml")
# How each begins: a file of another kind under an image's media type is no image. SVG is text that may hold scripts.
_IMAGES = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}


@dataclass(frozen=True, slots=True)
class ContentView:
    """What a page shows: ``kind`` is "text", "json", "image" or "file"; ``text`` the beginning if ``is_cut``."""

    kind: str
    size: int
    text: str = ""
    is_cut: bool = False


def content_shown(media_type: str, content: bytes) -> ContentView:
    """Return how content of this media type is shown; what cannot be shown as what it claims to be is a file."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind in _IMAGES:
        is_image = content.startswith(_IMAGES[kind]) and len(content) <= MOST_IMAGE
        return ContentView("image" if is_image else "file", len(content))
    if kind in _JSON or kind.endswith("+json"):
        pretty = _pretty(content)
        if pretty is not None:
            return ContentView("json", len(content), visible(pretty))
    if kind in _JSON or kind in _TEXT or kind.startswith("text/") or kind.endswith(("+json", "+xml")) or not kind:
        return _text(content)
    return ContentView("file", len(content))


def _text(content: bytes) -> ContentView:
    is_cut = len(content) > MOST_TEXT
    beginning = content[:MOST_TEXT]
    try:
        text = beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that the cut went through is left out; anything else is no UTF-8.
        if not is_cut or error.start < MOST_TEXT - 3:
            return ContentView("file", len(content))
        text = beginning[: error.start].decode("utf-8")
    if "\0" in text:
        return ContentView("file", len(content))
    return ContentView("text", len(content), visible(text), is_cut)


def _pretty(content: bytes) -> str | None:
    """Return a JSON document with one value on each line, every number and text as it stands; None where it is none."""
    if len(content) > MOST_JSON:
        return None
    try:
        value = json.loads(content, object_pairs_hook=_Pairs, parse_int=_Literal, parse_float=_Literal)
        laid_out = _written(value, "")
    except (ValueError, RecursionError):
        return None
    return laid_out if len(laid_out) <= MOST_LAID_OUT else None


class _Literal(str):
    """A number as it is written: 1.0 and 1e400 stay what they are."""

    __slots__ = ()


class _Pairs(list[tuple[str, Any]]):
    """The members of an object in their order; a name that comes twice is shown twice."""

    __slots__ = ()


def _written(value: Any, indent: str) -> str:
    if len(indent) > 2 * _MOST_DEPTH:
        raise ValueError(f"expected at most {_MOST_DEPTH} levels")
    inner = indent + "  "
    if isinstance(value, _Literal):
        return str(value)
    if isinstance(value, _Pairs):
        members = [f"{inner}{_quoted(name)}: {_written(each, inner)}" for name, each in value]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}" if members else "{}"
    if isinstance(value, list):
        items = [inner + _written(each, inner) for each in value]
        return "[\n" + ",\n".join(items) + f"\n{indent}]" if items else "[]"
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

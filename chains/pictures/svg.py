"""SVG in small pieces: elements, texts, and a whole picture with a name and a description for those who cannot see it.

The pictures beside this file are made of it. Colours come from the page's stylesheet by classes, so that a picture is
right in light and dark and needs no inline style (a strict Content-Security-Policy allows none).
"""

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

# What XML 1.0 (section 2.2) has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(tag: str, *children: Element, **attributes: str | float) -> Element:
    """Return an element; ``class_`` and ``stroke_width`` stand for ``class`` and ``stroke-width``."""
    found = Element(tag, {_name_of(name): _value_of(value) for name, value in attributes.items()})
    found.extend(children)
    return found


def text(x: float, y: float, words: str, **attributes: str | float) -> Element:
    """Return a line of text that begins at ``x`` (or as ``text_anchor`` says) on the base line ``y``."""
    found = element("text", x=x, y=y, **attributes)
    found.text = _writable(words)
    return found


def titled(words: str, *children: Element, **attributes: str | float) -> Element:
    """Return a group whose ``words`` a browser shows where the pointer rests."""
    return element("g", _worded("title", words), *children, **attributes)


def picture(
    name: str, title: str, about: str, size: tuple[float, float], parts: Iterable[Element], top: float = 0
) -> str:
    """Return a whole picture of ``size`` (width and height in CSS pixels), to stand in a page of HTML.

    Nothing above ``top`` is shown. ``name`` (letters and hyphens) begins the ids in it and is its class; ``title`` and
    ``about`` are read out in its place.
    """
    width, height = size
    root = element(
        "svg",
        _worded("title", title, id=f"{name}-title"),
        _worded("desc", about, id=f"{name}-about"),
        *parts,
        role="img",
        class_=f"picture {name}",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-about",
        viewBox=" ".join(map(_value_of, (0, top, width, height - top))),
        width=width,
        height=height - top,
    )
    return tostring(root, encoding="unicode")


def _worded(tag: str, words: str, **attributes: str | float) -> Element:
    found = element(tag, **attributes)
    found.text = _writable(words)
    return found


def _writable(words: str) -> str:
    return _UNWRITABLE.sub("\ufffd", words)


def _name_of(name: str) -> str:
    return name.rstrip("_").replace("_", "-")


def _value_of(value: str | float) -> str:
    """Return a number with at most two decimals: a hundredth of a pixel is nothing that anybody sees."""
    if isinstance(value, str):
        return _writable(value)
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

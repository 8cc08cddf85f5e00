"""Makes docs/performance.md and its plots from what the laboratory measured (benchmarks/laboratory.json).

``python -m benchmarks.laboratory_report`` writes them; what is between the marks on that page is made, the rest is
written by hand, and ``tests/unit/test_laboratory.py`` fails where the page says anything else than the figures.
"""

import json
from collections.abc import Callable, Sequence
from math import ceil, floor, log10
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring

from chains.pictures.svg import element, text

ROOT = Path(__file__).parents[1]
FIGURES = Path(__file__).with_name("laboratory.json")
PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
BEGIN, END = "<!-- made by benchmarks.laboratory_report -->\n", "<!-- end of what is made -->\n"
Point = dict[str, Any]
WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 40, 40
# Distinguishable also without colours: by dashes.
_INKS = ("#1b5e8c", "#b3541e", "#4d7c2a", "#7a3e9d", "#8c1b3a", "#3c3c3c")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "12 4")

PLOTTED: tuple[tuple[str, str, str], ...] = (
    ("entries_a_second", "Recorded, entries a second by the clock", "throughput"),
    ("commit_p50_ms", "A durable commit of 1,000 entries, median, ms", "commit"),
    ("seal_of_1000_ms", "A seal of 1,000 new entries, ms", "seal"),
    ("receipt_p50_ms", "A receipt, median, ms", "receipt"),
    ("look_up_p50_ms", "A look-up by entry hash, median, ms", "look-up"),
    ("audited_a_second", "Audited, entries a second", "audit"),
)
COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("entries_a_second", "entries/s", lambda value: f"{value:,.0f}"),
    ("entries_a_cpu_second", "of CPU", lambda value: f"{value:,.0f}"),
    ("commit_p50_ms", "commit p50 ms", lambda value: f"{value:.1f}"),
    ("commit_p99_ms", "p99", lambda value: f"{value:.0f}"),
    ("statements_an_entry", "statements an entry", lambda value: f"{value:.3f}"),
    ("bytes_an_entry", "bytes an entry", lambda value: f"{value:,.0f}"),
    ("seal_of_all_s", "seal of all s", lambda value: f"{value:.1f}"),
    ("index_s", "its index s", lambda value: f"{value:.1f}"),
    ("seal_of_1000_ms", "seal of 1,000 ms", lambda value: f"{value:.0f}"),
    ("receipt_p50_ms", "receipt p50 ms", lambda value: f"{value:.1f}"),
    ("look_up_p50_ms", "look-up p50 ms", lambda value: f"{value:.2f}"),
    ("audited_a_second", "audited/s", lambda value: f"{value:,.0f}"),
    ("resident_mib", "MiB", lambda value: f"{value:.0f}"),
    ("load", "load", lambda value: f"{value:.0f}"),
)


def series_of(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Return the points of each series, by its name, in the order of size."""
    found: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda each: (each["engine"] != "sqlite", each["chains"], each["entries"])):
        found.setdefault(f"{point['engine']}, {point['chains']:,} chains", []).append(point)
    return found


def table(points: Sequence[Point]) -> str:
    """Return all figures as a table of Markdown."""
    lines = ["| log | entries | " + " | ".join(title for _, title, _ in COLUMNS) + " |"]
    lines.append("|---|---|" + "---|" * len(COLUMNS))
    for name, found in series_of(points).items():
        for point in found:
            cells = [written(point[key]) if key in point else "" for key, _, written in COLUMNS]
            lines.append(f"| {name} | {point['entries']:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def plot(points: Sequence[Point], key: str, title: str) -> str:
    """Return one figure against the number of entries, both axes logarithmic, a line for each series (SVG)."""
    lines = {
        name: [(each["entries"], each[key]) for each in found if key in each]
        for name, found in series_of(points).items()
    }
    xs = [x for line in lines.values() for x, _ in line]
    ys = [y for line in lines.values() for _, y in line]
    across = _scale(min(xs) * 0.9, max(xs) * 1.1, _LEFT, WIDTH - _RIGHT)
    low, high = 10.0 ** floor(log10(min(ys))), 10.0 ** ceil(log10(max(ys) * 1.001))
    upward = _scale(low, high, HEIGHT - _BOTTOM, _TOP)
    parts: list[Element] = [
        element("rect", width=WIDTH, height=HEIGHT, fill="#ffffff"),
        text(_LEFT, 20, title, font_size=14, fill="#222222"),
    ]
    for power in range(round(log10(low)), round(log10(high)) + 1):
        y = upward(10.0**power)
        parts.append(element("path", d=f"M{_LEFT} {y:.1f}H{WIDTH - _RIGHT}", stroke="#dddddd"))
        parts.append(text(_LEFT - 8, y + 4, _power(power), font_size=11, fill="#444444", text_anchor="end"))
    for power in range(ceil(log10(min(xs) * 0.9)), floor(log10(max(xs) * 1.1)) + 1):
        x = across(10.0**power)
        parts.append(element("path", d=f"M{x:.1f} {HEIGHT - _BOTTOM}v5", stroke="#444444"))
        label = f"{10**power:,}"
        parts.append(text(x, HEIGHT - _BOTTOM + 20, label, font_size=11, fill="#444444", text_anchor="middle"))
    for number, (name, line) in enumerate(lines.items()):
        ink, dash = _INKS[number % len(_INKS)], _DASHES[number % len(_DASHES)]
        places = [(across(x), upward(y)) for x, y in line]
        way = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(element("path", d=way, fill="none", stroke=ink, stroke_width=2, stroke_dasharray=dash or "none"))
        parts += [element("circle", cx=x, cy=y, r=3, fill=ink) for x, y in places]
        row = _TOP + 10 + 18 * number
        key_way = f"M{WIDTH - _RIGHT + 12} {row - 4}h24"
        parts.append(element("path", d=key_way, stroke=ink, stroke_width=2, stroke_dasharray=dash or "none"))
        parts.append(text(WIDTH - _RIGHT + 42, row, name, font_size=11, fill="#222222"))
    size: dict[str, Any] = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "width": WIDTH, "height": HEIGHT}
    root = element("svg", *parts, xmlns="http://www.w3.org/2000/svg", font_family="sans-serif", **size)
    return tostring(root, encoding="unicode") + "\n"


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (log10(value) - log10(low)) * (end - start) / (log10(high) - log10(low))


def _power(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def made_part(found: dict[str, Any]) -> str:
    """Return what stands between the marks of the page."""
    on = found["conditions"]
    machine = f"{on['processors']} shared processors with {on['memory_gib']} GiB, Python {on['python']}"
    loads = sorted(point["load"] for point in found["points"])
    speed = (
        f"others kept the load between {loads[0]:.0f} and {loads[-1]:.0f}; hashlib hashed "
        f"{on['hashlib_a_second']:,} times 64 bytes a second"
    )
    parts = [
        BEGIN,
        f"Measured on {machine}, under `chrt -r 1`, while {speed}. Trust the shapes, not the figures.\n\n",
        table(found["points"]),
        *(f"\n![{title}](performance/{name}.svg)\n" for _, title, name in PLOTTED),
        END,
    ]
    return "".join(parts)


def page(found: dict[str, Any], old: str) -> str:
    """Return the page with its made part made anew."""
    before, rest = old.split(BEGIN)
    return before + made_part(found) + rest.split(END)[1]


def main() -> None:
    """Write the page and its plots."""
    found = json.loads(FIGURES.read_text())
    PLOTS.mkdir(exist_ok=True)
    for key, title, name in PLOTTED:
        (PLOTS / f"{name}.svg").write_text(plot(found["points"], key, title))
    PAGE.write_text(page(found, PAGE.read_text()))


if __name__ == "__main__":
    main()

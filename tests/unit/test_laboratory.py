"""The page of performance says what the laboratory measured, and its pictures are what the figures give."""

import json
import xml.etree.ElementTree as ET

import pytest

from benchmarks.laboratory import CHAINS, COMMIT, ENGINES, SIZES
from benchmarks.laboratory_report import BEGIN, COLUMNS, END, FIGURES, PAGE, PLOTS, PLOTTED, page, plot, series_of

FOUND = json.loads(FIGURES.read_text())


def test_the_page_is_made_from_the_figures() -> None:
    """Nobody changed a figure by hand: made anew, the page is what it is."""
    assert PAGE.read_text() == page(FOUND, PAGE.read_text())
    assert PAGE.read_text().count(BEGIN) == PAGE.read_text().count(END) == 1


@pytest.mark.parametrize(("key", "title", "name"), PLOTTED)
def test_each_picture_is_made_from_the_figures(key: str, title: str, name: str) -> None:
    """It is well-formed SVG with a line and a name for every series that has the figure."""
    picture = (PLOTS / f"{name}.svg").read_text()
    assert picture == plot(FOUND["points"], key, title)
    words = [each.text for each in ET.fromstring(picture).iter() if each.text]  # our own file
    assert title in words
    for series, points in series_of(FOUND["points"]).items():
        assert (series in words) == any(key in each for each in points)


def test_every_engine_number_of_chains_and_size_was_measured() -> None:
    """No cell of the grid is missing, and none is without its figures."""
    wanted = {(engine, chains, size) for engine in ENGINES for chains in CHAINS for size in SIZES}
    assert wanted == {(each["engine"], each["chains"], each["entries"] - COMMIT) for each in FOUND["points"]}
    always = {key for key, _, _ in COLUMNS} - {"audited_a_second"}
    for point in FOUND["points"]:
        assert always <= set(point)

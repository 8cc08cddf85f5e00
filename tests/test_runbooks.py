"""The runbooks as somebody reads them who searches the page for what he sees.

What is quoted in a heading must be what the program prints, and every alert must have a heading.
"""

import re
from pathlib import Path

import pytest

from anchor.alerts import AlertName

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operate" / "runbooks.md").read_text()
HEADINGS = re.findall(r"(?m)^## (.+)$", PAGE)
QUOTED = [quoted for heading in HEADINGS for quoted in re.findall(r'"([^"]+)"', heading)]
SOURCES = "".join(path.read_text() for folder in ("anchor", "chains") for path in sorted((ROOT / folder).rglob("*.py")))


@pytest.mark.parametrize("name", AlertName)
def test_every_alert_has_a_heading(name: AlertName) -> None:
    """As ``status``, ``tick`` and the daemon's log name it."""
    assert any(f'"ALERT {name}"' in heading for heading in HEADINGS)


@pytest.mark.parametrize("quoted", [each for each in QUOTED if not each.startswith("ALERT ")])
def test_what_a_heading_quotes_is_printed(quoted: str) -> None:
    """Each part between dots that stand for something is in a message of the program."""
    for part in filter(None, re.split(r" ?… ?", quoted)):
        assert part in SOURCES


@pytest.mark.parametrize("quoted", [each for each in QUOTED if each.startswith("ALERT ")])
def test_no_alert_is_quoted_that_there_is_not(quoted: str) -> None:
    """A heading of an alert that was renamed is found."""
    assert AlertName(quoted.removeprefix("ALERT "))

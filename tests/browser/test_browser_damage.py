"""The mutation matrix in the browser: ``verify.html`` comes to the same finding and exit code for every damage.

The damages are ``tests/damage.py`` and ``tests/damage_beside.py``, the tables ``tests/damage_matrix.txt`` and
``tests/damage_matrix_beside.txt``, to which Python is held, too.
"""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.verdicts import judged_there
from tests.damage import damages, expected
from tests.damage_beside import damages_beside, expected_beside

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def row_of(verdict: dict[str, Any] | str) -> tuple[int, str]:
    return (1, "not-a-receipt") if isinstance(verdict, str) else (verdict["exit_code"], verdict["finding"])


def test_every_damage_has_its_finding_and_exit_code(loaded: Page) -> None:
    """Each damage comes to what the table says."""
    tried = list(damages())
    found = judged_there(loaded, [(damage.receipt, damage.brought) for damage in tried])
    assert expected() == {damage.name: row_of(verdict) for damage, verdict in zip(tried, found, strict=True)}


def test_every_damage_beside_a_receipt_comes_to_the_same(loaded: Page) -> None:
    """Each damage of a folder, a list, a proof or evidence comes to what the table says."""
    tried = list(damages_beside())
    found: list[tuple[int, str]] = loaded.evaluate("besideRows", [each.given for each in tried])
    assert expected_beside() == {each.name: tuple(row) for each, row in zip(tried, found, strict=True)}

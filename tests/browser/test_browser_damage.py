"""The mutation matrix in the browser: ``verify.html`` comes to the same finding and exit code for every damage.

The damages are ``tests/damage.py``, the table is ``tests/damage_matrix.txt``, to which Python is held, too.
"""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.verdicts import judged_there
from tests.damage import damages, expected

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def row_of(verdict: dict[str, Any] | str) -> tuple[int, str]:
    return (1, "not-a-receipt") if isinstance(verdict, str) else (verdict["exit_code"], verdict["finding"])


def test_every_damage_has_its_finding_and_exit_code(loaded: Page) -> None:
    """Each damage comes to what the table says."""
    tried = list(damages())
    found = judged_there(loaded, [(damage.receipt, damage.brought) for damage in tried])
    assert expected() == {damage.name: row_of(verdict) for damage, verdict in zip(tried, found, strict=True)}

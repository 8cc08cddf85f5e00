"""Numbers of things in sentences: one of them has no plural."""

import pytest

from chains.counted import counted


@pytest.mark.parametrize(
    ("count", "things", "expected"),
    [
        (1, "entries", "1 entry"),
        (0, "entries", "0 entries"),
        (2, "entries", "2 entries"),
        (1, "directory leaves", "1 directory leaf"),
        (1, "anchor attempts", "1 anchor attempt"),
        (3, "promises", "3 promises"),
        (1, "promises", "1 promise"),
    ],
)
def test_one_of_them_has_no_plural(count: int, things: str, expected: str) -> None:
    """Every other number has one."""
    assert expected == counted(count, things)

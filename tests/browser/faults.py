"""Faults of accessibility, as axe-core finds them in a page that is open in a real browser."""

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page


def violations(page: Page) -> list[tuple[str, str]]:
    """Return what axe-core finds against WCAG and good practice, by rule and element."""
    # The engine is put in by the browser's own tools: a page's policy lets no other script in.
    page.evaluate(f"{AXE_SCRIPT};undefined")
    answer: dict[str, Any] = page.evaluate("axe.run()")
    return [(found["id"], node["html"]) for found in answer["violations"] for node in found["nodes"]]

"""A real Chromium for the tests of ``verify.html`` and the service's pages: started once for each file of tests.

Chromium is Debian's, or named by CHROMIUM; where there is none the tests are skipped, which CI forbids
(ANCHORLINE_REQUIRE_BROWSER). The page is the one that is shipped, opened from a file. Screenshots are
kept in the folder that SCREENSHOTS names, ``build/screenshots`` without it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from chains.verify_page import FILE_NAME, page

CHECKS = Path(__file__).with_name("checks.js").read_text()
SCREENSHOTS = Path(os.environ.get("SCREENSHOTS") or Path(__file__).parents[2] / "build" / "screenshots")
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str:
    """Return the browser's path, or skip."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("expected Chromium (CHROMIUM or on the PATH), found none")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one file of tests; it ends with the file, since its event loop would disturb others."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=_QUIET)
        yield started
        started.close()


@pytest.fixture(scope="module")
def verify_html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as a file, as somebody has it who was sent it."""
    path = tmp_path_factory.mktemp("page") / FILE_NAME
    path.write_bytes(page().html)
    return path


@pytest.fixture(scope="module")
def loaded(browser: Browser, verify_html: Path) -> Iterator[Page]:
    """The page in a browser without a network, for tests that call its functions."""
    context = browser.new_context(offline=True)
    opened = context.new_page()
    opened.goto(verify_html.as_uri())
    opened.evaluate(f"{CHECKS};undefined")  # the last value is called where it is a function
    yield opened
    context.close()


class Visit:
    """A visitor's page; ``requests`` are the addresses asked for, ``complaints`` what the browser disliked."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address)


Visiting = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, verify_html: Path) -> Iterator[Visiting]:
    """Open the page as a visitor of his own; without a network unless he says so."""
    contexts: list[BrowserContext] = []

    def begin(*, offline: bool = True, width: int = 1100, height: int = 900, scheme: str = "light") -> Visit:
        viewport = {"width": width, "height": height}
        chosen = "dark" if scheme == "dark" else "light"
        contexts.append(browser.new_context(offline=offline, viewport=viewport, color_scheme=chosen))  # type: ignore[arg-type]  # a TypedDict
        return Visit(contexts[-1], verify_html.as_uri())

    yield begin
    for context in contexts:
        context.close()

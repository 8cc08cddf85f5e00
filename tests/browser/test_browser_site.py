"""The service's pages in a real Chromium: each clicked through, on a desk and on a phone, light and dark.

Input is a log with every kind of anchor (``tests/simulators/anchor_story.py``), served on a real socket; its clock
stands still. Screenshots are kept (``tests/browser/conftest.py``).
"""

import re
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from anchor.lifecycle import State
from anchor.proof.bitcoin.hashes import hash_hex
from chains.access import Role, Visibility
from chains.access_notes import MACHINE
from chains.reader import Reader
from chains.web.pages.table import PAGES
from tests.browser.conftest import SCREENSHOTS
from tests.browser.faults import violations
from tests.simulators.anchor_story import funded_service, record, tell_anchors
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.served_here import served_here
from tests.simulators.service import Service, new_service

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PATIENCE_MS = 30_000
DESK, PHONE = (1200, 900), (390, 844)
HOSTILE = b"<script>document.title = 'run'</script><img src=x onerror=alert(1)>"
PAGE_PATHS = {
    operation.path: re.compile(re.sub(r"\{[a-z_]+\}", "[^/]+", operation.path))
    for operation in PAGES
    if operation.method == "GET" and "text/html" in operation.answers[200].media_types
}
# To these nothing links that a stranger sees.
FOR_MEMBERS = {"/accesses"}
SHARED = "/s/{token}"
# One page of each kind is enough for what is the same on all of them.
MOST_OF_A_KIND = 1


@dataclass(frozen=True)
class Site:
    """A served log, its maker's hands, a member's key, an entry that looks like a page, and the link that shares it."""

    url: str
    service: Service
    key: str
    hostile: str
    shared: str

    def attempt(self, state: State) -> str:
        """Return the address of the newest anchor in a state."""
        found = [attempt for attempt in self.service.attempts() if attempt.state is state][-1]
        return f"/anchors/{hash_hex(found.txid)}"


@dataclass
class Visitor:
    """A visitor's page; ``strayed`` are requests that would have left for elsewhere, ``complaints`` the console's."""

    context: BrowserContext
    url: str
    strayed: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context.route("**/*", self._let)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _let(self, route: Route) -> None:
        if route.request.url.startswith(f"{self.url}/"):
            route.continue_()
        else:
            self.strayed.append(route.request.url)
            route.abort()

    def go(self, address: str) -> Page:
        """Go to a page of the site, which must be there."""
        answer = self.page.goto(urljoin(self.url, address))
        assert answer is not None
        assert 200 == answer.status, address
        return self.page

    def keep(self, name: str) -> None:
        """Keep a screenshot of the whole page."""
        path = re.sub("[^a-z0-9]+", "-", f"site_{name}")
        self.page.screenshot(path=SCREENSHOTS / f"{path}.png", full_page=True)

    def end(self) -> None:
        """Leave; nothing was asked for elsewhere, and the browser disliked nothing."""
        self.context.close()
        assert ([], []) == (self.strayed, self.complaints)

    def links(self) -> list[str]:
        """Return the addresses on this site that the page leads to, without those of programs and of files."""
        found: list[str] = self.page.locator("a[href]:not([download])").evaluate_all(
            "all => all.map(each => each.href)"
        )
        paths = [urlsplit(link) for link in found if link.startswith(f"{self.url}/")]
        return [f"{path.path}{'?' if path.query else ''}{path.query}" for path in paths]


def page_of(address: str) -> str | None:
    """Return which page of the table an address is: its path there; None for the API, files and other tools."""
    path = urlsplit(address).path
    return next((known for known, pattern in PAGE_PATHS.items() if pattern.fullmatch(path)), None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A log with a public chain of a member, the home's own, and every kind of anchor."""
    folder, bitcoin = tmp_path_factory.mktemp("site"), SimulatedBitcoin()
    with ExitStack() as stack:
        service = funded_service(folder, bitcoin, stack)
        accounts, now_ms = service.home.accounts, service.clock()
        harbour = accounts.organisations.create("Harbour Inspections", now_ms)
        key = accounts.keys.create(harbour, Role.OWNER, "browser", None, now_ms).token
        service.open_chain("inspections")
        chain = service.home.chains.named("inspections")
        with service.home.engine.transaction():
            accounts.sharing.own(chain, harbour, Visibility.PUBLIC)
        hostile, _ = service.add("inspections", HOSTILE, b'{"crane": 7, "result": "passed"}')
        tell_anchors(service, bitcoin)
        url = stack.enter_context(served_here(service.home, bitcoin.height))
        yield Site(url, service, key, hostile.hex(), shared(service, hostile))


def shared(service: Service, entry_hash: bytes) -> str:
    """Share an entry for a day; return the path of the link."""
    home, now_ms = service.home, service.clock()
    stored = Reader(home.engine, home.chains, home.lookup).by_hash(entry_hash)
    assert stored is not None
    chain, end_ms = home.chains.named("inspections"), now_ms + 86_400_000
    return home.accounts.shares.make(chain, stored, MACHINE, "the bank", end_ms, now_ms, is_once=False).path


def visiting(
    browser: Browser,
    url: str,
    size: tuple[int, int] = DESK,
    scheme: Literal["light", "dark"] = "light",
    *,
    has_script: bool = True,
) -> Visitor:
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=has_script
    )
    return Visitor(context, url)


def walk(visitor: Visitor, shared: str) -> Iterator[tuple[str, str]]:
    """Follow the links from the front page and a link of ours; yield every page's place in the table and address."""
    waiting = deque([("/", "/"), ("/sign-in", "/sign-in"), (SHARED, shared)])
    counts, seen = Counter(kind for kind, _ in waiting), {address for _, address in waiting}
    while waiting:
        known, address = waiting.popleft()
        visitor.go(address)
        yield known, address
        for link in visitor.links():
            kind = page_of(link)
            if kind is not None and link not in seen and counts[kind] < MOST_OF_A_KIND:
                seen.add(link)
                counts[kind] += 1
                waiting.append((kind, link))


def sign_in(visitor: Visitor, key: str) -> None:
    """Sign in as a member does: with the key, in the form."""
    page = visitor.go("/sign-in")
    page.fill("#key", key)
    page.click("main button")
    expect(page.locator(".account")).to_contain_text("Harbour Inspections", timeout=PATIENCE_MS)


@pytest.mark.parametrize("who", ["stranger", "member"])
def test_every_page_is_reached_and_has_no_fault(browser: Browser, site: Site, who: str) -> None:
    """All links are followed: axe finds no fault, nothing sticks out of the screen or comes from elsewhere.

    A stranger sits at a desk in the light and looks at his phone too, a member has a phone in the dark.
    """
    visitor = visiting(browser, site.url, *((DESK, "light") if who == "stranger" else (PHONE, "dark")))
    if who == "member":
        sign_in(visitor, site.key)
    reached = set[str]()
    for known, address in walk(visitor, site.shared):
        assert [] == violations(visitor.page), address
        visitor.keep(f"{who}_{known}")
        visitor.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        if who == "stranger":
            visitor.page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        reached.add(known)
    visitor.end()
    assert set(PAGE_PATHS) - (FOR_MEMBERS if who == "stranger" else set()) == reached


def test_content_stays_what_it_is(browser: Browser, site: Site) -> None:
    """A content that looks like a page is shown as text: nothing of it runs, and nothing is loaded for it."""
    visitor = visiting(browser, site.url)
    page = visitor.go(f"/entries/{site.hostile}")
    assert HOSTILE.decode() in page.inner_text("main")
    assert "run" != page.title()
    assert 0 == page.locator("main img, main script").count()
    visitor.end()


@pytest.mark.parametrize("state", [State.REPLACED, State.REORGED, State.CONFIRMED])
def test_an_anchor_in_every_state_can_be_read(browser: Browser, site: Site, state: State) -> None:
    """Also where something went wrong, nothing sticks out on a phone, and axe finds no fault."""
    visitor = visiting(browser, site.url, PHONE, "light")
    page = visitor.go(site.attempt(state))
    visitor.keep(f"anchor_{state}")
    assert [] == violations(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visitor.end()


def test_without_script_every_page_is_the_same(browser: Browser, site: Site) -> None:
    """With JavaScript switched off all pages are there, with their pictures."""
    visitor = visiting(browser, site.url, has_script=False)
    page = visitor.go("/anchors")
    expect(page.locator("svg.timeline")).to_have_count(1, timeout=PATIENCE_MS)
    page.click("text=one line of them")
    expect(page.locator("svg.thread")).to_have_count(1, timeout=PATIENCE_MS)
    page.click("nav >> text=Checkpoints")
    expect(page.locator("h1")).to_have_text("Checkpoints", timeout=PATIENCE_MS)
    page.click("tbody a >> nth=0")
    expect(page.locator("h1")).to_contain_text("Checkpoint of", timeout=PATIENCE_MS)
    visitor.end()


def test_the_keyboard_comes_first_to_the_skip_link(browser: Browser, site: Site) -> None:
    """One press of Tab and Enter lead past the navigation; what has the focus is seen."""
    visitor = visiting(browser, site.url)
    page = visitor.go("/anchors")
    page.keyboard.press("Tab")
    assert "Skip to the content" == page.evaluate("document.activeElement.textContent")
    assert page.evaluate("document.activeElement.getBoundingClientRect().left >= 0")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#content$"), timeout=PATIENCE_MS)
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('content').contains(document.activeElement)")
    visitor.end()


def test_the_search_is_used_with_the_keyboard(browser: Browser, site: Site) -> None:
    """From the field one press of Tab leads to its button; Enter searches, and what is found is a link."""
    visitor = visiting(browser, site.url)
    page = visitor.go("/search")
    page.focus("#q")
    page.keyboard.type(site.hostile)
    page.keyboard.press("Tab")
    assert "Search" == page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    expect(page.locator(f'main a[href="/entries/{site.hostile}"]').first).to_be_visible(timeout=PATIENCE_MS)
    assert [] == violations(page)
    visitor.end()


def test_a_picture_is_an_image_with_words(browser: Browser, site: Site) -> None:
    """Who cannot see a picture is told its name and what it shows; its frame is reached by the keyboard."""
    visitor = visiting(browser, site.url)
    page = visitor.go("/anchors")
    expect(page.get_by_role("img", name="The newest anchors over time")).to_have_accessible_description(
        re.compile("of which .* in a block"), timeout=PATIENCE_MS
    )
    assert 1 == page.locator(".frame[tabindex='0']").count()
    visitor.end()


def test_a_page_is_brought_up_to_date_in_place(browser: Browser, site: Site) -> None:
    """When something is sealed the list shows it without being loaded again, and a screen reader is told."""
    visitor = visiting(browser, site.url)
    page = visitor.go("/checkpoints")
    expect(page.locator("html[data-listening='yes']")).to_be_attached(timeout=PATIENCE_MS)
    page.evaluate("document.body.dataset.same = 'page'")
    rows = page.locator("tbody tr").count()
    record(site.service, b"while somebody looks")
    newest = site.service.home.directory.newest()
    assert newest is not None
    expect(page.locator("#news")).to_have_text(f"A checkpoint of {newest.size} leaves was sealed.", timeout=PATIENCE_MS)
    assert "polite" == page.get_attribute("#news", "aria-live")
    expect(page.locator("tbody tr")).to_have_count(rows + 1, timeout=PATIENCE_MS)
    assert "page" == page.evaluate("document.body.dataset.same")
    visitor.end()


def test_who_is_in_the_middle_of_a_list_stays_there(browser: Browser, site: Site) -> None:
    """A part that has the focus is not replaced under somebody's fingers; he is told what to do."""
    visitor = visiting(browser, site.url)
    page = visitor.go("/checkpoints")
    expect(page.locator("html[data-listening='yes']")).to_be_attached(timeout=PATIENCE_MS)
    page.focus("tbody a >> nth=0")
    record(site.service, b"while somebody reads")
    expect(page.locator("#news")).to_contain_text("Load the page again to see it here.", timeout=PATIENCE_MS)
    assert page.evaluate("document.activeElement === document.querySelector('tbody a')")
    visitor.end()


def test_a_new_service_says_that_there_is_nothing_yet(browser: Browser, tmp_path: Path) -> None:
    """Without a seal or an anchor every page is there, without a fault."""
    with new_service(tmp_path / "home", SimulatedBitcoin()) as service, served_here(service.home, 0) as url:
        visitor = visiting(browser, url, PHONE)
        for address in ("/", "/checkpoints", "/anchors", "/thread"):
            page = visitor.go(address)
            visitor.keep(f"new_{address}")
            assert [] == violations(page), address
        visitor.end()


def test_a_shared_record_is_read_behind_a_button(browser: Browser, site: Site) -> None:
    """A link shows a button and nothing of the record; whoever presses it sees the record, and axe finds no fault."""
    visitor = visiting(browser, site.url)
    page = visitor.go(site.shared)
    assert "onerror" not in page.content()
    page.click("main button")
    expect(page.locator("main")).to_contain_text("onerror", timeout=PATIENCE_MS)
    assert [] == violations(page)
    visitor.keep("shared")
    visitor.end()

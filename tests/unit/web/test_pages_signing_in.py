"""Signing in to the pages: the cookie, who it is for, and forms that are not our own."""

from collections.abc import Iterator

import pytest

from chains.access import Role, Visibility
from chains.home import Home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.pages_site import HOST, Got, Pages, pages_of
from tests.simulators.service import new_service


class Site:
    """A log with a private chain, and keys of its owner and of another."""

    def __init__(self, home: Home, pages: Pages) -> None:
        self.home, self.pages = home, pages
        now_ms = home.clock()
        acme = home.accounts.organisations.create("acme", now_ms)
        self.key = home.accounts.keys.create(acme, Role.READER, "", None, now_ms)
        chain = home.chains.named("secret")
        with home.engine.transaction():
            home.accounts.sharing.own(chain, acme, Visibility.PRIVATE)
        self.address = f"/chains/{chain.chain_id.hex()}"

    def sign_in(self, next_path: str = "/", **headers: str) -> Got:
        return self.pages.post("/sign-in", {"key": self.key.token, "next": next_path}, **headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with new_service(tmp_path_factory.mktemp("signing") / "home", SimulatedBitcoin()) as made:
        made.open_chain("secret")
        with pages_of(made.home) as pages:
            yield Site(made.home, pages)


def cookie_of(got: Got) -> str:
    return got.headers["set-cookie"].split(";")[0]


def test_a_member_signs_in_sees_his_chain_and_signs_out(site: Site) -> None:
    """With the cookie the chain is there, without it or behind the end of the session it is not."""
    got = site.sign_in(site.address)
    assert (303, site.address) == (got.status, got.headers["location"])
    mine = cookie_of(got)
    assert 404 == site.pages.get(site.address).status
    shown = site.pages.get(site.address, cookie=mine)
    assert 200 == shown.status
    assert "no-store" == shown.headers["cache-control"]
    assert "acme, reader" in shown.text
    assert "You are signed in" in site.pages.get("/sign-in", cookie=mine).text
    out = site.pages.post("/sign-out", {}, cookie=mine)
    assert (303, "/") == (out.status, out.headers["location"])
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert 404 == site.pages.get(site.address, cookie=mine).status


def test_the_cookie_is_for_this_host_and_no_script(site: Site) -> None:
    """Over https it is bound to the host; over http it is given on this machine only."""
    https = site.sign_in().headers["set-cookie"]
    assert https.startswith("__Host-anchorline=")
    for part in ("Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Max-Age=43200"):
        assert f"; {part}" in https
    local = site.sign_in(host="127.0.0.1:8000", origin="http://127.0.0.1:8000").headers["set-cookie"]
    assert local.startswith("anchorline-session=")
    assert "Secure" not in local
    elsewhere = site.sign_in(origin=f"http://{HOST}")
    assert 403 == elsewhere.status
    assert "set-cookie" not in elsewhere.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": f"https://{HOST}", "sec_fetch_site": "cross-site"},
        {"origin": f"https://{HOST}", "sec_fetch_site": "same-site"},
        {"origin": f"https://{HOST}.evil.example"},
        {"origin": f"https://evil.example/{HOST}"},
    ],
)
def test_a_form_of_another_site_does_nothing(site: Site, headers: dict[str, str]) -> None:
    """Neither signing in nor signing out is done for it."""
    got = site.sign_in(**headers)
    assert (400, False) == (got.status, "set-cookie" in got.headers)
    mine = cookie_of(site.sign_in())
    assert 400 == site.pages.post("/sign-out", {}, cookie=mine, **headers).status
    assert 200 == site.pages.get(site.address, cookie=mine).status


def test_behind_a_proxy_that_renames_the_host_the_browser_tells(site: Site) -> None:
    """Sec-Fetch-Site says that page and form are of one origin, whatever Host is by then."""
    got = site.sign_in(host="backend:8000", origin=f"https://{HOST}", sec_fetch_site="same-origin")
    assert 303 == got.status


@pytest.mark.parametrize("given", ["", "al_nonsense", "x" * 300, "al_aaaaaaaa_" + "A" * 43])
def test_a_key_that_does_not_hold_is_refused_and_not_repeated(site: Site, given: str) -> None:
    """The form comes again and says so; what was typed is not in it."""
    got = site.pages.post("/sign-in", {"key": given, "next": "/chains"})
    assert 403 == got.status
    assert 'role="alert"' in got.text
    assert "set-cookie" not in got.headers
    assert not given or given not in got.text


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "/\\evil.example", "evil", "/a\r\nx: y"])
def test_signing_in_leads_nowhere_else(site: Site, path: str) -> None:
    """Only a path of this service is followed afterwards."""
    assert "/" == site.sign_in(path).headers["location"]


def test_a_cookie_that_does_not_hold_is_a_strangers(site: Site) -> None:
    """Nonsense, one too long, and one of another form: the page is what a stranger gets."""
    expected = site.pages.get("/chains")
    for value in (
        "__Host-anchorline=nonsense",
        "__Host-anchorline=" + "a" * 5000,
        "x",
        "=;=,=",
        "__Host-anchorline=\xe4",
    ):
        got = site.pages.get("/chains", cookie=value)
        assert (expected.status, expected.body) == (got.status, got.body)


def test_a_session_is_for_pages_and_not_for_the_api(site: Site) -> None:
    """What a browser sends along by itself opens nothing below /v1."""
    mine = cookie_of(site.sign_in())
    assert 404 == site.pages.get(f"/v1{site.address}", cookie=mine).status
    assert 200 == site.pages.get(f"/v1{site.address}", authorization=f"Bearer {site.key.token}").status


def test_what_is_not_there_and_what_one_may_not_see_are_one_page(site: Site) -> None:
    """To a stranger a private chain is like none: the pages are equal but for the address to come back to."""
    one, other = site.pages.get(site.address), site.pages.get("/chains/" + "0" * 64)
    assert 404 == one.status == other.status
    back = (site.address, "/chains/" + "0" * 64)
    assert one.text.replace(back[0], "") == other.text.replace(back[1], "")


def test_a_form_is_no_larger_than_it_needs_to_be(site: Site) -> None:
    """A body beyond some kilobytes, or of another type, is refused before anything is looked up."""
    assert 413 == site.pages.post("/sign-in", {"key": "a" * 5000}).status
    assert 415 == site.pages.post("/sign-in", {"key": "a"}, content_type="application/json").status
    assert 405 == site.pages.ask("PUT", "/sign-in", {}).status

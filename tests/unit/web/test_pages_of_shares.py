"""Links to single records: what they open, what they do not, and what is told of them to whom.

The application runs in this process; what is asked with a link is every operation and page that there is.
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from anchor.proof.attached import receipt_in
from anchor.proof.codec import sha256
from anchor.proof.receipt import Receipt
from anchor.proof.verify import Verifier, verify
from chains.access import Role, Visibility
from chains.access_log import log_of
from chains.certifying import can_draw
from chains.chain import Chain
from chains.shares import ONCE_FOR_MS
from chains.web.api import OPERATIONS
from chains.web.operations import In, Operation
from chains.web.pages.table import PAGES
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.pages_site import Got, Pages, pages_of
from tests.simulators.service import HOUR_MS, Service, new_service

SHARED, BESIDE = b"beam 7: 3 cracks\n<script>alert(1)</script>", b"beam 8: nobody is to know"


@dataclass
class Site:
    """A log with a private chain of two entries beside each other, and keys of its owner and of others."""

    service: Service
    pages: Pages
    chain: Chain
    shared: bytes
    beside: bytes
    keys: dict[str, str]

    @property
    def chain_owner(self) -> str | None:
        return self.service.home.accounts.sharing.access_of(self.chain.chain_no).owner

    def api(self, method: str, path: str, key: str = "owner", **body: object) -> Got:
        """Ask the API with a key."""
        headers = {"authorization": f"Bearer {self.keys[key]}", "accept": "application/json"}
        if method == "POST":
            headers["content-type"] = "application/json"
        return self.pages.ask(method, path, headers, json.dumps(body).encode() if method == "POST" else b"")

    def link(self, **wanted: object) -> dict[str, str]:
        """Have the owner share the entry by the API; return what he gets."""
        ends_at_ms = self.service.clock() + HOUR_MS
        got = self.api("POST", f"/v1/entries/{self.shared.hex()}/shares", "owner", ends_at_ms=ends_at_ms, **wanted)
        assert 201 == got.status, got.text
        return dict(json.loads(got.body))

    def share(self, link: dict[str, str]) -> dict[str, object]:
        """Return what the owner sees of a share."""
        listed = json.loads(self.api("GET", f"/v1/chains/{self.chain.chain_id.hex()}/shares").body)["shares"]
        [found] = [share for share in listed if share["share"] == link["share"]]
        return dict(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path_factory.mktemp("shares") / "home", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(149)
        service.open_chain("secret")
        home, now_ms = service.home, service.clock()
        chain = home.chains.named("secret")
        run = home.writer.record(chain, [SHARED, BESIDE], now_ms, media_type="text/plain")
        acme, beta = (home.accounts.organisations.create(name, now_ms) for name in ("acme", "beta"))
        with home.engine.transaction():
            home.accounts.sharing.own(chain, acme, Visibility.PRIVATE)
        made = {
            name: home.accounts.keys.create(owner, role, "", None, now_ms).token
            for name, owner, role in (
                ("owner", acme, Role.OWNER),
                ("writer", acme, Role.WRITER),
                ("reader", acme, Role.READER),
                ("beta", beta, Role.OWNER),
            )
        }
        service.anchor(bitcoin)
        with pages_of(home) as pages:
            yield Site(service, pages, chain, run[0].entry_hash, run[1].entry_hash, made)


def test_one_record_is_given_to_who_has_the_link(site: Site) -> None:
    """He opens the page, which is no reading, presses the button, and takes one file away that verifies offline."""
    link = site.link(label="the bank")
    for _ in range(3):
        before = site.pages.get(link["path"])
        assert (200, True) == (before.status, "Read the record" in before.text)
        assert site.pages.ask("HEAD", link["path"], {}).status == 200
        assert "cracks" not in before.text
        assert "the bank" not in before.text
    assert ("live", 0) == (site.share(link)["state"], site.share(link).get("reads", 0))
    page = site.pages.post(link["path"], {})
    assert (200, True) == (page.status, html.escape("3 cracks\n<script>", quote=False) in page.text)
    assert "<script>alert" not in page.text
    assert site.shared.hex() in page.text
    taken = site.pages.post(f"{link['path']}/receipt.json", {})
    receipt = Receipt.decode(taken.body)
    assert (SHARED, sha256(SHARED)) == (receipt.content.data, receipt.content.digest)
    assert f'attachment; filename="{site.shared.hex()[:16]}.receipt"' == taken.headers["content-disposition"]
    verdict = verify(receipt, Verifier(card=site.service.home.card()))
    assert "the content in the receipt is what was recorded" in verdict.steps[1].text
    content = site.pages.post(f"{link['path']}/content", {})
    assert (SHARED, "default-src 'none'; sandbox") == (content.body, content.headers["content-security-policy"])
    assert 3 == site.share(link)["reads"]
    mine = [each.noted.event for each in log_of(site.service.home, str(site.chain_owner)).events()]
    assert 3 == sum((event.what, event.by, event.subject) == ("content", "link", link["share"]) for event in mine)
    for got in (before, page, taken, content):
        assert "no-store" == got.headers["cache-control"]
        assert "no-referrer" == got.headers["referrer-policy"]
        assert "noindex, nofollow, noarchive" == got.headers["x-robots-tag"]
        assert "access-control-allow-origin" not in got.headers
        assert "etag" not in got.headers
    address = link["path"].removeprefix("/s/")
    for text in (before.text, page.text):
        places = re.findall(r'(action|href|src)="([^"]*)"', text)
        assert {"action"} == {name for name, place in places if address in place}


def test_it_is_revoked_unread_and_after_it_was_read(site: Site) -> None:
    """Revoked unread, nothing was given; revoked after a reading, the owner sees that there was one, and when."""
    unread, read = site.link(), site.link()
    site.pages.get(unread["path"])
    site.pages.post(read["path"], {})
    for link in (unread, read):
        assert "revoked" == json.loads(site.api("POST", f"/v1/shares/{link['share']}/revoke").body)["state"]
        for method, path in (("GET", ""), ("POST", ""), ("POST", "/receipt.json"), ("POST", "/content")):
            got = site.pages.post(link["path"] + path, {}) if method == "POST" else site.pages.get(link["path"])
            assert got.status in {404, 410}
            assert "cracks" not in got.text
        assert "taken the link back" in site.pages.get(link["path"]).text
    assert (0, None) == (site.share(unread)["reads"], site.share(unread).get("first_read_at_ms"))
    assert (1, site.service.clock()) == (site.share(read)["reads"], site.share(read)["first_read_at_ms"])


@pytest.mark.skipif(not can_draw(), reason="the parts that draw certificates are not installed")
def test_a_certificate_is_taken_away_by_the_link(site: Site) -> None:
    """It is a reading, told as what it is; the receipt in it verifies. A link that is over gives none."""
    link = site.link()
    assert "Save a certificate" in site.pages.post(link["path"], {}).text
    taken = site.pages.post(f"{link['path']}/certificate.pdf", {})
    assert (200, b"%PDF") == (taken.status, taken.body[:4])
    assert f'attachment; filename="{site.shared.hex()[:16]}.pdf"' == taken.headers["content-disposition"]
    assert ("no-store", "no-referrer") == (taken.headers["cache-control"], taken.headers["referrer-policy"])
    receipt = receipt_in(taken.body)
    assert receipt is not None
    assert site.shared == Receipt.decode(receipt).entry.hash
    assert 2 == site.share(link)["reads"]
    mine = [each.noted.event for each in log_of(site.service.home, str(site.chain_owner)).events()]
    assert ("certificate", link["share"]) == (mine[-1].what, mine[-1].subject)
    site.api("POST", f"/v1/shares/{link['share']}/revoke")
    over = site.pages.post(f"{link['path']}/certificate.pdf", {})
    assert (410, False) == (over.status, b"%PDF" in over.body)
    assert 404 == site.pages.post(f"/s/{'A' * 43}/certificate.pdf", {}).status


def test_it_ends(site: Site) -> None:
    """Behind its end, and a quarter of an hour after the reading of one that is for once, nothing is opened."""
    ending, once = site.link(), site.link(once=True)
    assert 200 == site.pages.post(once["path"], {}).status
    site.service.clock.pass_ms(ONCE_FOR_MS)
    assert [200, 410] == [site.pages.post(link["path"], {}).status for link in (ending, once)]
    site.service.clock.pass_ms(HOUR_MS)
    assert [410, 410] == [site.pages.post(link["path"], {}).status for link in (ending, once)]
    assert "The link ended" in site.pages.get(ending["path"]).text
    assert ["ended", "ended"] == [site.share(link)["state"] for link in (ending, once)]


def test_only_who_may_grant_may_share(site: Site) -> None:
    """A writer and a reader are refused; for another organisation neither entry, chain nor share is there."""
    link = site.link()
    end = {"ends_at_ms": site.service.clock() + HOUR_MS}
    chain, entry = site.chain.chain_id.hex(), site.shared.hex()
    for key, status in (("writer", 403), ("reader", 403), ("beta", 404)):
        assert status == site.api("POST", f"/v1/entries/{entry}/shares", key, **end).status
        assert status == site.api("GET", f"/v1/chains/{chain}/shares", key).status
        assert 404 == site.api("POST", f"/v1/shares/{link['share']}/revoke", key).status
    assert "live" == site.share(link)["state"]
    assert "path" not in site.share(link)
    assert 422 == site.api("POST", f"/v1/entries/{entry}/shares", ends_at_ms=1).status


def _paths(operation: Operation, site: Site, token: str) -> Iterator[str]:
    """Yield paths of an operation: about what is shared and what is beside it, the link's secret wherever it fits."""
    known = {
        "entry_hash": [site.shared.hex(), site.beside.hex()],
        "chain": [site.chain.chain_id.hex(), "secret", token],
        "token": [token[:-1] + ("A" if token[-1] != "A" else "B"), "A" * 43],
        "tile_path": ["entries/000.p/3", "0/000.p/3"],
    }
    names = [each.name for each in operation.parameters if each.place is In.PATH]
    for number in range(2):
        path = operation.path
        for name in names:
            values = known.get(name, ["0" * 64, "1"])
            path = path.replace(f"{{{name}}}", values[min(number, len(values) - 1)])
        yield path
    if names and known.get(names[0]) is not None:
        yield operation.path.replace(f"{{{names[0]}}}", token)


def test_a_link_opens_nothing_else(site: Site) -> None:
    """Every operation and page, asked with the link's secret as key, cookie and path, tells as much as a stranger.

    The control is the same walk with the owner's key, which finds the content of the entry beside.
    """
    link = site.link()
    token = link["path"].removeprefix("/s/")
    secrets = (BESIDE, sha256(BESIDE).hex().encode(), SHARED[:16], sha256(SHARED).hex().encode())

    def walk(headers: dict[str, str]) -> tuple[list[str], list[int]]:
        told, statuses = [], []
        for operation in (*OPERATIONS, *PAGES):
            if "text/event-stream" in str(operation.answers) or operation.path.startswith("/s/"):
                continue
            for path in _paths(operation, site, token):
                kind = next(iter(operation.body.media_types)) if operation.body else ""
                sent = {**headers, **({"content-type": kind} if kind else {})}
                got = site.pages.ask(operation.method, path, sent, b"{}" if kind else b"")
                told += [f"{operation.name} {path}" for secret in secrets if secret in got.body]
                statuses.append(got.status)
        return told, statuses

    stranger, as_key = walk({}), walk({"authorization": f"Bearer {token}"})
    as_cookie = walk({"cookie": f"__Host-anchorline={token}; anchorline-session={token}"})
    assert ([], [], []) == (stranger[0], as_key[0], as_cookie[0])
    assert stranger[1] == as_cookie[1]
    assert {401} == {with_it for with_it, without in zip(as_key[1], stranger[1], strict=True) if with_it != without}
    assert any("getContent" in each for each in walk({"authorization": f"Bearer {site.keys['owner']}"})[0])
    assert ("live", 0) == (site.share(link)["state"], site.share(link)["reads"])
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert [404] * 3 == [site.pages.post(f"/s/{wrong}{path}", {}).status for path in ("", "/receipt.json", "/content")]

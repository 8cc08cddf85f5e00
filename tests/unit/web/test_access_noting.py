"""Tests that nothing of content which is not public leaves over HTTP unless it was noted for its owner before."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.errors import StorageFullError
from anchor.proof.access_record import Event, What
from anchor.proof.codec import sha256
from chains.access_notes import AccessNotes
from chains.certifying import can_draw
from chains.web.api import OPERATIONS
from chains.web.operations import Operation, path_parameters
from chains.web.pages.table import PAGES
from chains.web.service import Service
from tests.simulators.pages_site import Pages
from tests.simulators.watched import CONTENTS, Watched, noted_in, watched

WEB = Path(__file__).parents[3] / "chains" / "web"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One service for all tests: each looks at the events that it made."""
    with watched(tmp_path_factory.mktemp("watched")) as found:
        yield found


def new_events(site: Watched, address: str, who: str) -> tuple[bytes, list[Event]]:
    """Ask; return the answer, and what was noted of it."""
    before = len(site.events())
    # A page repeats what was looked for.
    body = site.get(address, who).body.replace(address.rpartition("=")[2].encode() or b"\0", b"")
    return body, site.events()[before:]


# A stream never ends, and of a PDF the bytes tell nothing: certificates have a test of their own.
ASKED = [
    each for each in (*OPERATIONS, *PAGES) if each.method == "GET" and each.name not in {"listen", "certificateFile"}
]


def addresses(site: Watched, operation: Operation) -> list[str]:
    """Return every way in which an operation can be asked about the chains of the site."""
    if operation.path in {"/v1/search", "/search"}:
        by = "content_digest" if operation.path == "/v1/search" else "q"
        return [f"{operation.path}?from_ms=0", *(f"{operation.path}?{by}={digest_of(name)}" for name in site.chains)]
    names = path_parameters(operation.path)
    found = []
    for name, chain in site.chains.items():
        given = {
            "chain": chain.chain_id.hex(),
            "entry_hash": site.entries[name][1].hex(),
            "tile_path": "entries/000.p/4",
        }
        if set(names) <= set(given):
            path = operation.path
            for part in names:
                path = path.replace(f"{{{part}}}", given[part])
            found += [path, *([f"{path}?content=1"] if "receipt" in path else [])]
    return list(dict.fromkeys(found))


def digest_of(name: str) -> str:
    return sha256(CONTENTS[1] + name.encode()).hex()


def test_whatever_leaves_of_content_that_is_not_public_is_noted(site: Watched) -> None:
    """Every operation and page is asked about every chain by two who may read it; what came out is what was noted.

    What came out is found in the bytes of the answers. Of public chains, and of the home's own, nothing is noted.
    """
    told = {site.chains["private"].chain_id, site.chains["members"].chain_id}
    seen = set()
    for operation in ASKED:
        for address in addresses(site, operation):
            for who in ("reader", "granted"):
                body, events = new_events(site, address, who)
                shown = {place for place in site.shown_in(body) if place[0] in told}
                noted = noted_in([event for event in events if event.what != What.LOG])
                assert shown <= noted, (operation.name, address, who)
                assert {chain for chain, _ in noted} <= told, (operation.name, address, who)
                seen |= {operation.name} if shown else set()
    assert {"getEntry", "getContent", "getReceipt", "listEntries", "search", "entryPage", "contentFile"} <= seen


def test_who_may_read_no_content_is_noted_with_none(site: Watched) -> None:
    """An auditor's key, a stranger and the operator get no content of the private chain, and no event says so."""
    for who in ("", "auditor", "operator"):
        for rest in ("", "/content", "/receipt", "/receipt?content=1"):
            body, events = new_events(site, f"/v1/entries/{site.entries['private'][0].hex()}{rest}", who)
            assert (set(), []) == (site.shown_in(body), events)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("/v1/entries/{}", What.SALT),
        ("/v1/entries/{}/content", What.CONTENT),
        ("/v1/entries/{}/receipt", What.RECEIPT),
        ("/v1/entries/{}/receipt?content=1", What.CONTENT),
        ("/entries/{}", What.CONTENT),
        ("/entries/{}/receipt.json", What.RECEIPT),
    ],
)
def test_one_question_is_one_event_that_says_the_most_that_was_handed_out(
    site: Watched, address: str, what: What
) -> None:
    """It names who asked by organisation and key, the way, the chain and the entry."""
    entry = site.entries["private"][1]
    _, [event] = new_events(site, address.format(entry.hex()), "granted")
    way = "api" if address.startswith("/v1") else "page"
    key = site.tokens["granted"][:11]
    assert (what, way, "key", site.meridian.organisation_id, key) == (
        *(event.what, event.way, event.by, event.organisation, event.key),
    )
    assert (site.chains["private"].chain_id, 2, 1, entry) == (event.chain, event.index, event.count, event.entry)


@pytest.mark.skipif(not can_draw(), reason="the parts that draw certificates are not installed")
def test_a_certificate_is_noted_as_one(site: Watched) -> None:
    """It holds the receipt with salt and digest."""
    entry = site.entries["private"][2]
    _, [event] = new_events(site, f"/entries/{entry.hex()}/certificate.pdf", "reader")
    assert (What.CERTIFICATE, entry) == (event.what, event.entry)


def test_a_list_is_one_event(site: Watched) -> None:
    """Entries that follow one another are named by the first and their number."""
    _, [event] = new_events(site, f"/v1/chains/{site.chains['members'].chain_id.hex()}/entries", "owner")
    assert (What.SALT, 0, 1 + len(CONTENTS)) == (event.what, event.index, event.count)


def test_what_cannot_be_noted_is_not_answered(site: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: content that is not public is refused with 503; what is public is answered as before."""

    def full(_notes: AccessNotes, *_: object) -> None:
        raise StorageFullError("no space left")

    lines: list[str] = []
    service = Service(site.home, lines.append)
    try:
        pages, token = Pages(service), {"authorization": f"Bearer {site.tokens['reader']}"}
        monkeypatch.setattr(AccessNotes, "add", full)
        for rest in ("", "/content", "/receipt"):
            answer = pages.get(f"/v1/entries/{site.entries['private'][0].hex()}{rest}", **token)
            assert (503, set()) == (answer.status, site.shown_in(answer.body))
            assert 200 == pages.get(f"/v1/entries/{site.entries['public'][0].hex()}{rest}", **token).status
    finally:
        service.close()
    assert 3 == sum("StorageFullError" in line for line in lines)


def test_only_one_module_of_the_web_layer_looks_at_what_is_kept() -> None:
    """A new route cannot hand out content by another way: ``kept`` of an entry is read in ``contents.py`` alone."""
    looking = set()
    for path in WEB.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        if any(isinstance(node, ast.Attribute) and node.attr == "kept" and id(node) not in called for node in nodes):
            looking.add(path.name)
    # ``writing.py`` weighs what is about to be written.
    assert {"contents.py", "writing.py"} == looking


def test_an_owner_sees_the_log_of_his_own_organisation_alone(site: Watched) -> None:
    """Over the API and as a page; whoever else asks is refused, and to look is noted."""
    site.get(f"/v1/entries/{site.entries['private'][2].hex()}/content", "granted")
    page, events = new_events(site, "/accesses", "owner")
    assert (What.LOG, "page") == (events[-1].what, events[-1].way)
    assert site.tokens["granted"][:11].encode() in page
    assert site.entries["private"][2].hex().encode() in page
    for who, status in (("", 401), ("reader", 403), ("auditor", 403), ("granted", 403), ("operator", 403)):
        for address in ("/accesses", "/v1/access"):
            answer = site.get(address, who)
            assert (status, False) == (answer.status, site.tokens["granted"][:11].encode() in answer.body), address


def test_the_log_is_paged_to_its_end(site: Watched) -> None:
    """Pages of the API, by their cursors, hold every event once; older pages end at the first one.

    Each look is an event: pages of one end at what was there when the first was asked for, all the same.
    """
    site.get(f"/v1/entries/{site.entries['private'][2].hex()}/content", "granted")
    for limit in (1, 7):
        there, listed = len(site.events()), list[int]()
        cursor: str | None = ""
        while cursor is not None:
            found = json.loads(site.get(f"/v1/access?limit={limit}{cursor}", "owner").body)
            listed += [each["number"] for each in found["events"]]
            cursor = f"&cursor={found['cursor']}" if "cursor" in found else None
            assert len(listed) <= there
        assert list(range(there)) == listed
    assert b"parameter-malformed" in site.get("/v1/access?cursor=7-", "owner").body
    assert [] == json.loads(site.get("/v1/access?cursor=7-3", "owner").body)["events"]
    private = site.chains["private"].chain_id.hex()
    about = json.loads(site.get(f"/v1/access?about={private}&since_ms=1", "owner").body)["events"]
    assert {private} == {each["chain_id"] for each in about}
    assert b"Older" in site.get("/accesses?below=60", "owner").body or len(listed) < 60
    assert b"Older" not in site.get("/accesses?below=3", "owner").body

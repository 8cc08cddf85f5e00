"""The pages of chains, entries and the search: what they say, what they never run, and what they keep to themselves."""

import asyncio
import base64
import html
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from anchor.proof.attached import receipt_in
from anchor.proof.chain_life import Continuation, Transfer
from anchor.proof.codec import sha256
from anchor.proof.did import did_key
from anchor.proof.entry import Entry, Extension, ExtensionType, ExternalId, IdKind, Link, Relation
from anchor.proof.erasure import Act, Scope
from anchor.proof.identity import Operation
from anchor.proof.opentimestamps import DetachedFile
from anchor.proof.policy import Policy, follows
from anchor.proof.receipt import Receipt
from chains.access import STRANGER, Role, Visibility
from chains.chain import Chain
from chains.client.encrypting import ReaderKey, new_reader_key, open_envelope
from chains.client.envelope import Envelope
from chains.client.own_entry import Form, OwnEntry, encrypted_entry
from chains.home import DATABASE, Home
from chains.life_stating import close_chain
from chains.web.drawing import MOST_WAITING, Drawing
from chains.web.limits import MOST_SCANNED
from chains.web.pages.chains import ROWS
from chains.web.pages.content_shown import MOST_IMAGE, MOST_JSON, MOST_TEXT, content_shown
from chains.web.pages.entry_words import extensions_shown
from chains.web.pages.life_shown import life_words, words_of
from chains.web.pages.statement_words import statement_in_words
from chains.web.pages.table import PAGES
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.work import Submission
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.identities import public
from tests.simulators.pages_site import Pages, pages_of
from tests.simulators.planned_engine import PlannedEngine
from tests.simulators.policies import change, first_under, keys
from tests.simulators.service import Service, new_service
from tests.simulators.store import clear
from tests.vectors import make_identity_vectors as identity_vectors

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SCRIPT = b"<script>alert(1)</script>\n"
JSON = b'{"weight":1.50,"weight":2,"note":"\xe2\x80\xaegnp.exe"}'
CONTENTS = {
    "text": ("text/plain", SCRIPT),
    "page": ("text/html", b"<h1 onclick=alert(1)>hello</h1>"),
    "drawing": ("image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
    "json": ("application/json", JSON),
    "image": ("image/png", PNG),
    "no image": ("image/png", b"<script>alert(1)</script>"),
    "binary": ("application/octet-stream", bytes(range(256))),
    "typeless": ("", b"plain words"),
}


@dataclass(frozen=True)
class Story:
    """A log and its pages: entries by what they are, in a public chain; another chain is private."""

    service: Service
    pages: Pages
    entries: dict[str, str]
    chain: str
    hidden: str
    hidden_entry: str
    keys: dict[Role, str]

    def entry(self, name: str, key: str | None = None) -> str:
        """Return the page of an entry; it must be there."""
        got = self.ask(f"/entries/{self.entries[name]}", key)
        assert 200 == got[0], got
        return got[1]

    def ask(self, address: str, key: str | None = None) -> tuple[int, str]:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        got = self.pages.get(address, **headers)
        return got.status, got.text


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path_factory.mktemp("entries") / "home", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(149)
        service.open_chain("acme")
        service.open_chain("secret")
        entries = record_all(service)
        hidden = service.add("secret", b"nobody knows")[0].hex()
        keys = share(service.home)
        service.anchor(bitcoin)
        service.anchor(bitcoin)
        entries["late"] = service.add("acme", b"late")[0].hex()
        chains = service.home.chains
        acme, secret = (chains.named(name).chain_id.hex() for name in ("acme", "secret"))
        with pages_of(service.home) as pages:
            yield Story(service, pages, entries, acme, secret, hidden, keys)


def record_all(service: Service) -> dict[str, str]:
    home = service.home
    chain, found = home.chains.named("acme"), {}
    for name, (media_type, content) in CONTENTS.items():
        made = home.writer.record(chain, [content], home.clock(), media_type=media_type)
        found[name] = made[0].entry_hash.hex()
    beam = ExternalId(IdKind.CLEAR, b"beam <7>")
    named = home.writer.record(
        chain, [b"named"], home.clock(), external_ids=[beam, ExternalId(IdKind.HASHED, bytes(32))]
    )
    found["named"] = named[0].entry_hash.hex()
    found["digest"] = home.writer.record_digests(chain, [sha256(b"kept elsewhere")], home.clock())[0].entry_hash.hex()
    links = (Link(Relation.SUPERSEDES, chain.chain_id, named[0].entry_hash), Link(77, bytes(32), bytes(32)))
    linked = Submission(Entry(chain.chain_id, bytes(32), "", (), links).encode())
    found["linked"] = home.writer.submit(chain, [linked], home.clock())[0].entry_hash.hex()
    return found


def share(home: Home) -> dict[Role, str]:
    """Make the one chain public and the other one private; return keys of the private one's owner, by their roles."""
    now_ms = home.clock()
    owner = home.accounts.organisations.create("acme", now_ms)
    with home.engine.transaction():
        home.accounts.sharing.own(home.chains.named("acme"), owner, Visibility.PUBLIC)
        home.accounts.sharing.own(home.chains.named("secret"), owner, Visibility.PRIVATE)
    roles = (Role.OWNER, Role.READER, Role.AUDITOR)
    return {role: home.accounts.keys.create(owner, role, "", None, now_ms).token for role in roles}


def open_public(story: Story, name: str) -> Chain:
    """Open a chain for one test alone, which everybody may read."""
    home = story.service.home
    story.service.open_chain(name)
    home.accounts.sharing.set_visibility(home.chains.named(name), Visibility.PUBLIC, home.clock())
    return home.chains.named(name)


# --- an entry


def test_an_entry_is_shown_with_where_it_is_and_how_far(story: Story) -> None:
    """Its hash, chain, place and anchor; one that came later waits for its seal."""
    page = story.entry("text")
    for part in (story.entries["text"], f"/chains/{story.chain}", "Entry 1</h1>", "Anchored in block", "INTACT"):
        assert part in page
    late = story.entry("late")
    assert "Recorded, not sealed yet" in late
    assert "INCOMPLETE" in late
    assert "/receipt.ots" not in late


def test_the_verdict_has_the_steps_that_verify_has(story: Story) -> None:
    """Thirteen numbered steps, in their order, each with how it ended."""
    page = story.entry("text")
    assert [str(number) for number in range(1, 14)] == re.findall(r'data-label="Step" class="number">(\d+)<', page)
    receipt = Receipt.decode(story.pages.get(f"/entries/{story.entries['text']}/receipt.json").body)
    verdict = story.pages.ask("POST", "/v1/verify", {"content_type": "application/json"}, receipt.encode())
    steps = re.findall(r'"text":"([^"]*)"', verdict.text)
    shown = html.unescape(page)
    assert 13 == len(steps)
    # Whoever asks for the page has the content at hand: step 2 compares it.
    assert all(text in shown for place, text in enumerate(steps, 1) if place != 2)


@pytest.mark.parametrize("name", ["text", "page", "drawing", "no image"])
def test_nothing_that_somebody_recorded_is_run(story: Story, name: str) -> None:
    """Markup is text in the page, and what claims to be an image and is none is not even that."""
    page = story.entry(name)
    assert "<script>alert" not in page
    assert "<h1 onclick" not in page
    assert "<svg xmlns" not in page
    assert "<img" not in page
    got = story.pages.get(f"/entries/{story.entries[name]}/content")
    assert CONTENTS[name][1] == got.body
    assert "attachment" == got.headers["content-disposition"]
    assert "default-src 'none'; sandbox" == got.headers["content-security-policy"]
    assert "nosniff" == got.headers["x-content-type-options"]


def test_an_image_is_shown_and_json_is_laid_out(story: Story) -> None:
    """Numbers and names stand as they were written, twice where they came twice; no character turns the line."""
    assert f'<img class="content" src="/entries/{story.entries["image"]}/content"' in story.entry("image")
    page = html.unescape(story.entry("json"))
    assert '  "weight": 1.50,\n  "weight": 2,\n  "note": "⟨U+202E⟩gnp.exe"' in page


def test_what_is_no_text_is_a_download(story: Story) -> None:
    """Bytes that are no UTF-8 are not shown."""
    assert "not plain text" in story.entry("binary")
    assert "plain words" in story.entry("typeless")
    assert "Only the SHA-256 of the content is kept" in story.entry("digest")


def test_external_ids_and_links_lead_on(story: Story) -> None:
    """An id leads to all entries that carry it, a link to the entry that it names; unknown relations are shown."""
    page = story.entry("named")
    assert "beam &lt;7&gt;" in page
    address = re.findall(r'href="(/search\?q=[0-9a-f]{64})"', page)[0]
    assert story.entries["named"] in story.ask(address)[1]
    linked = story.entry("linked")
    assert f"/entries/{story.entries['named']}" in linked
    assert "Supersedes" in linked
    assert "Relation 77 (unknown to this version)" in linked


def test_an_entry_that_was_corrected_says_so(story: Story) -> None:
    """The page names the entry that stands now, and the verdict says it too; there is nothing to certify."""
    page = story.entry("named")
    place = re.findall(r"Superseded: entry (\d+) stands in its place", page)
    assert f"<h1>Entry {place[0]}</h1>" in story.entry("linked")
    assert f"/entries/{story.entries['linked']}" in page
    assert "UNCHANGED, AND CORRECTED LATER" in page
    assert "certificate.pdf" not in page
    assert "What was said of it later" not in story.entry("text")


def test_what_was_retracted_and_what_stands_again_is_told_apart(story: Story) -> None:
    """A retraction takes an entry away, and a retraction of the retraction gives it back."""
    home, chain = story.service.home, open_public(story, "corrected")
    of = story.service.add("corrected", b"to be retracted")[0]
    retracting = Entry(chain.chain_id, bytes(32), "", (), (Link(Relation.RETRACTS, chain.chain_id, of),))
    home.writer.submit(chain, [Submission(retracting.encode())], home.clock())
    assert "Retracted by a later entry" in story.ask(f"/entries/{of.hex()}")[1]
    again = Entry(chain.chain_id, bytes(32), "", (), (Link(Relation.RETRACTS, chain.chain_id, retracting.hash),))
    home.writer.submit(chain, [Submission(again.encode())], home.clock())
    assert "Corrected later, and stands again" in story.ask(f"/entries/{of.hex()}")[1]


def test_receipts_are_taken_away(story: Story) -> None:
    """The JSON file is the API's own; the .ots file begins with the SHA-256 of the content."""
    address = f"/entries/{story.entries['text']}"
    got = story.pages.get(f"{address}/receipt.json")
    assert story.pages.get(f"/v1{address}/receipt").body == got.body
    assert f'attachment; filename="{story.entries["text"][:16]}.receipt"' == got.headers["content-disposition"]
    ots = story.pages.get(f"{address}/receipt.ots")
    assert 'filename="receipt.regtest.ots"' in ots.headers["content-disposition"]
    assert sha256(SCRIPT) == DetachedFile.decode(ots.body).digest
    assert 404 == story.pages.get(f"/entries/{story.entries['late']}/receipt.ots").status


def test_an_auditor_sees_the_entry_and_not_its_content(story: Story) -> None:
    """What may be read is the API's rule: neither content nor digest nor salt is in an auditor's page."""
    _, page = story.ask(f"/entries/{story.hidden_entry}", story.keys[Role.AUDITOR])
    assert "The content is not shown" in page
    assert "nobody knows" not in page
    assert sha256(b"nobody knows").hex() not in page
    assert 403 == story.ask(f"/entries/{story.hidden_entry}/content", story.keys[Role.AUDITOR])[0]
    assert "nobody knows" in story.ask(f"/entries/{story.hidden_entry}", story.keys[Role.READER])[1]


def test_what_one_may_not_see_is_not_there(story: Story) -> None:
    """To a stranger the private chain, its entry and all its files are like ones that do not exist."""
    for hidden, nowhere in ((story.hidden, "0" * 64), (story.hidden_entry, "0" * 64)):
        for form in (
            "/chains/{}",
            "/chains/{}/checkpoint",
            "/entries/{}",
            "/entries/{}/content",
            "/entries/{}/receipt.json",
        ):
            one, other = (story.ask(form.format(value)) for value in (hidden, nowhere))
            assert 404 == one[0] == other[0]
            assert one[1].replace(hidden, "") == other[1].replace(nowhere, "")
    assert story.hidden not in story.ask("/chains")[1]
    assert story.hidden in story.ask("/chains", story.keys[Role.READER])[1]


# --- chains


def test_a_chain_is_read_from_its_newest_entry_down(story: Story) -> None:
    """Its size, its heads, its picture; older entries behind a link, and every entry once."""
    status, page = story.ask(f"/chains/{story.chain}")
    assert 200 == status
    size = len(CONTENTS) + 5
    assert [str(place) for place in range(size - 1, -1, -1)] == places(page)
    for part in ("How the chain grew", "Newest head", f"<dd>{size}</dd>", f"<dd>{size - 1}</dd>"):
        assert part in page
    assert [str(place) for place in range(4, -1, -1)] == places(story.ask(f"/chains/{story.chain}?below=5")[1])
    assert [str(place) for place in range(size - 1, -1, -1)] == places(story.ask(f"/chains/{story.chain}?below=999")[1])


def places(page: str) -> list[str]:
    return re.findall(r'data-label="Place">([\d,]+)<', page)


def test_a_long_chain_has_many_pages(story: Story) -> None:
    """Following "older" from the newest entry, each is shown once, down to the first."""
    service = story.service
    service.open_chain("long")
    service.add("long", *(b"%d" % number for number in range(2 * ROWS + 7)))
    address: str | None = f"/chains/{service.home.chains.named('long').chain_id.hex()}"
    found: list[str] = []
    key = service.home.accounts.keys.create(None, Role.OPERATOR, "", None, service.clock()).token
    while address is not None:
        _, page = story.ask(address, key)
        found += places(page)
        older = re.search(r'href="([^"#]*)#entries" rel="next"', page)
        address = html.unescape(older[1]) if older else None
    assert [f"{number:,}" for number in range(2 * ROWS + 7, -1, -1)] == found


def test_a_page_without_a_chain_one_may_see_leads_on(tmp_path: Path) -> None:
    """A public chain behind more private ones than a page looks at is on the next page."""
    with new_service(tmp_path / "home", SimulatedBitcoin()) as service:
        engine, chains = service.home.engine, service.home.chains
        with engine.transaction():
            for number in range(MOST_SCANNED):
                chains.open(sha256(b"%d" % number), None, service.clock())
        service.open_chain("public")
        service.home.accounts.sharing.set_visibility(chains.named("public"), Visibility.PUBLIC, service.clock())
        with pages_of(service.home) as pages:
            first = pages.get("/chains").text
            assert "go on to the next page" in first
            following = re.findall(r'href="(/chains\?cursor=\d+)" rel="next"', first)
            assert chains.named("public").chain_id.hex() in pages.get(following[0]).text


# --- search


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("text", "{text}"),
        ("text", sha256(SCRIPT).hex().upper()),
        ("named", "beam <7>"),
        ("named", sha256(b"beam <7>").hex()),
        ("named", "00" * 32),
    ],
)
def test_one_box_finds_whatever_is_in_hand(story: Story, name: str, text: str) -> None:
    """An entry by its hash, its content's SHA-256, an external id or the hash of one."""
    wanted = text.format(**story.entries) if "{" in text else text
    assert f"/entries/{story.entries[name]}" in look_for(story, wanted)


def look_for(story: Story, text: str, key: str | None = None) -> str:
    address = "/search?q=" + "".join(f"%{byte:02X}" for byte in text.encode())
    status, page = story.ask(address, key)
    assert 200 == status
    return page


def test_chains_checkpoints_and_anchors_are_found_too(story: Story) -> None:
    """By id, by size, by transaction."""
    attempt = story.service.attempts()[0]
    assert f"/chains/{story.chain}" in look_for(story, story.chain)
    assert f"/anchors/{attempt.txid[::-1].hex()}" in look_for(story, attempt.txid[::-1].hex())
    assert f"/checkpoints/{attempt.checkpoint_size}" in look_for(story, str(attempt.checkpoint_size))


@pytest.mark.parametrize("text", ["secret", "{hidden}", "{hidden_entry}", sha256(b"nobody knows").hex()])
def test_the_search_shows_nothing_hidden(story: Story, text: str) -> None:
    """A stranger finds as little as if it were not there; its reader finds it."""
    wanted = text.format(hidden=story.hidden, hidden_entry=story.hidden_entry)
    assert "Nothing is found" in look_for(story, wanted)
    assert "Nothing is found" not in look_for(story, wanted, story.keys[Role.READER])


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "' OR 1=1 --", "\u202egnp", "%00", "beam", "9" * 400])
def test_what_is_not_found_is_said_and_escaped(story: Story, text: str) -> None:
    """Whatever stands in the box comes back as text."""
    page = look_for(story, text)
    assert "Nothing is found" in page
    assert "<script>alert" not in page


def test_an_empty_box_finds_nothing_and_a_full_one_is_refused(story: Story) -> None:
    """More than the box takes is no search."""
    assert "Nothing is found" not in story.ask("/search")[1]
    assert "Nothing is found" not in story.ask("/search?q=")[1]
    assert 400 == story.ask("/search?q=" + "a" * 1001)[0]
    assert 400 == story.ask("/search?q=a&by=nonsense")[0]


def test_many_hits_come_page_by_page(story: Story) -> None:
    """Following "more", each entry is shown once."""
    home = story.service.home
    made = home.writer.record(
        *(open_public(story, "crowded"), [b"%d" % number for number in range(45)], home.clock()),
        external_ids=[clear("crowd")],
    )
    found: list[str] = []
    address: str | None = "/search?q=crowd"
    while address is not None:
        _, page = story.ask(address)
        found += re.findall(r'href="/entries/([0-9a-f]{64})"', page)
        more = re.search(r'href="([^"]*)" rel="next">More', page)
        address = html.unescape(more[1]) if more else None
    assert [accepted.entry_hash.hex() for accepted in made] == found


# --- cost

FEW_ROWS = (
    "SELECT run_no, filter_blocks, first_seq, end_seq FROM lookup_run ",  # runs are merged by eights
    "SELECT MAX(run_no), MAX(end_seq), COUNT(filter_blocks) FROM lookup_run ",  # the same runs
    "SELECT token FROM time_stamp WHERE checkpoint_size = ",  # of one checkpoint, and limited
    "SELECT network, ots, header FROM attestation ",  # of one checkpoint, and limited
)
"""Questions that sort what they found by an index, of which there is little."""


@pytest.mark.sqlite("notes how SQLite goes about a question")
def test_every_question_of_these_pages_goes_by_an_index(story: Story) -> None:
    """However many chains and entries there are, a page reads a few of them."""
    home = story.service.home
    encrypted = encrypted_for(story, open_public(story, "encrypted"), new_reader_key(os.urandom)).hash.hex()
    engine = PlannedEngine(home.folder / DATABASE)
    values = {"chain": story.chain, "entry_hash": story.entries["text"], "q": story.entries["text"], "cursor": "3"}
    with Home(home.folder, home.settings, home.clock, engine) as opened:
        room = Room(opened)
        for operation in PAGES:
            if operation.run is None or not re.match(r"/($|chains|entries|search)", operation.path):
                continue
            shown = {"entry_hash": encrypted} if operation.path.endswith("/envelope") else {}
            for extra in (shown, shown | {"below": "3"}, shown | {"q": "beam <7>"}, shown | {"q": "12"}):
                request = Request("GET", operation.path, (), b"", home.clock(), values | extra, STRANGER)
                assert 200 == operation.run(room, request).status
    assert len(engine.plans) > 50
    assert [] == [sql for sql, _ in engine.slow() if not sql.startswith(FEW_ROWS)]


# --- content, by itself


@pytest.mark.parametrize(
    ("media_type", "content", "expected"),
    [
        ("text/plain", b"a" * MOST_TEXT, ("text", False)),
        ("text/plain", b"a" * (MOST_TEXT + 1), ("text", True)),
        ("text/csv; charset=utf-8", b"a,b\n", ("text", False)),
        ("text/plain", b"a\0b", ("file", False)),
        ("text/plain", b"\xff\xfe", ("file", False)),
        ("application/json", b"[" * 100_000, ("text", True)),
        ("application/json", b"[" * 50_000, ("text", False)),
        ("application/json", b"[" * 32 + b"0" + b"]" * 32, ("json", False)),
        ("application/json", b"[" * 33 + b"0" + b"]" * 33, ("text", False)),
        ("application/json", b"[" * 20 + b"0" + b",0" * 30_000 + b"]" * 20, ("text", False)),
        ("application/json", b'["' + b"a" * MOST_JSON + b'"]', ("text", True)),
        ("application/vnd.acme+json", b"{}", ("json", False)),
        ("application/json", b"not json", ("text", False)),
        ("IMAGE/PNG", PNG, ("image", False)),
        ("image/png", PNG + bytes(MOST_IMAGE), ("file", False)),
        ("image/avif", PNG, ("file", False)),
        ("application/pdf", b"%PDF-1.7", ("file", False)),
    ],
)
def test_content_is_shown_as_what_it_is(media_type: str, content: bytes, expected: tuple[str, bool]) -> None:
    """Within limits, and never because of what it is called alone."""
    shown = content_shown(media_type, content)
    assert expected == (shown.kind, shown.is_cut)
    assert len(content) == shown.size


@pytest.mark.parametrize("offset", range(4))
def test_a_cut_never_splits_a_character(offset: int) -> None:
    """The beginning of a long text ends before a character that does not fit, wherever the cut falls."""
    content = b"a" * offset + "🦭".encode() * MOST_TEXT
    shown = content_shown("text/plain", content)
    assert ("text", True) == (shown.kind, shown.is_cut)
    assert set("a🦭") >= set(shown.text)
    assert MOST_TEXT - 4 < len(shown.text.encode()) <= MOST_TEXT


def test_a_chain_without_content_is_shown(tmp_path: Path) -> None:
    """A log on which nothing is sealed, or anchored, has all its pages."""
    with new_service(tmp_path / "home", SimulatedBitcoin()) as service:
        service.open_chain("acme")
        chain = service.home.chains.named("acme")
        service.home.accounts.sharing.set_visibility(chain, Visibility.PUBLIC, service.clock())
        with pages_of(service.home) as pages:
            for address in ("/", "/chains", f"/chains/{chain.chain_id.hex()}", "/search?q=1"):
                assert 200 == pages.get(address).status, address
            assert "Nothing is sealed yet" in pages.get("/").text
            assert "Waits for a seal" in pages.get(f"/chains/{chain.chain_id.hex()}").text


# --- certificates


def test_a_certificate_carries_the_receipt_that_it_is_about(story: Story) -> None:
    """Whoever may have the receipt may have it as a page; what is not anchored yet has none."""
    address = f"/entries/{story.entries['text']}"
    assert f"{address}/certificate.pdf" in story.entry("text")
    got = story.pages.get(f"{address}/certificate.pdf")
    assert (200, "application/pdf") == (got.status, got.headers["content-type"])
    assert story.entries["text"] == Receipt.decode(receipt_in(got.body)).entry.hash.hex()
    assert "certificate.pdf" not in story.entry("late")
    assert 404 == story.pages.get(f"/entries/{story.entries['late']}/certificate.pdf").status
    assert 404 == story.pages.get(f"/entries/{story.hidden_entry}/certificate.pdf").status


def test_few_certificates_wait_to_be_drawn() -> None:
    """One more than may wait is refused at once; those that wait are drawn, and then there is room again."""
    drawing = Drawing()

    async def ask() -> list[bytes | str]:
        may_go_on = threading.Event()
        waiting = [asyncio.create_task(drawing.draw(lambda: bytes(may_go_on.wait()))) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)  # each has been counted when the loop comes back
        try:
            await drawing.draw(bytes)
        except ProblemError as refused:
            said = refused.code
        may_go_on.set()
        return [said, *await asyncio.gather(*waiting), await drawing.draw(bytes)]

    assert ["overloaded", *[b"\0"] * MOST_WAITING, b""] == asyncio.run(ask())
    drawing.close()


def test_every_assigned_extension_has_words() -> None:
    """None that this version knows is shown as unknown; one that it does not know is."""
    extensions = tuple(Extension(kind, bytes(8)) for kind in ExtensionType)
    shown = extensions_shown(Entry(bytes(32), bytes(32), extensions=(*extensions, Extension(0x7FFF, b"new"))))
    assert [False] * len(ExtensionType) + [True] == ["unknown" in name for name, _, _ in shown]


# --- what was erased


def test_an_erased_content_is_told_and_given_to_nobody(story: Story) -> None:
    """Its page says when and why, and leads to the entry that states it; nobody is given the content."""
    chain, home = open_public(story, "erasing"), story.service.home
    erased = story.service.add("erasing", b"a name that must go")[0]
    address = f"/entries/{erased.hex()}"
    assert "a name that must go" in story.ask(address)[1]
    stored = home.erasing.reader.by_hash(erased)
    assert stored is not None
    done = home.erasing.erase(chain, [stored], Scope.ENTRY, "a <b>request</b>", home.clock())
    status, page = story.ask(address)
    assert 200 == status
    assert "a name that must go" not in page
    assert "because a &lt;b&gt;request&lt;/b&gt;" in page
    [said] = done.erased
    assert f"/entries/{said.entry_hash.hex()}" in page
    assert "Erased on " in story.ask(f"/entries/{said.entry_hash.hex()}")[1]
    assert 404 == story.ask(f"{address}/content")[0]


# --- encrypted content


def encrypted_for(story: Story, chain: Chain, reader: ReaderKey) -> OwnEntry:
    """Record a finding that a reader can open."""
    own = encrypted_entry(chain.chain_id, b"a finding", Form(), os.urandom, [reader.public_key])
    assert own.envelope is not None
    home = story.service.home
    home.writer.submit(chain, [Submission(own.raw, envelope=own.envelope.encode())], home.clock())
    return own


def test_encrypted_content_has_words_and_both_files_to_open_it_with(story: Story) -> None:
    """A reader of the chain takes envelope and receipt away, which open; an auditor is told that it is encrypted."""
    anna = new_reader_key(os.urandom)
    own = encrypted_for(story, story.service.home.chains.named("secret"), anna)
    address, key = f"/entries/{own.hash.hex()}", story.keys[Role.READER]
    status, page = story.ask(address, key)
    assert 200 == status
    assert "for one reader" in page
    assert "The content is not shown" not in page
    assert not any(each.hex() in page for each in (own.digest, own.salt))
    got = story.pages.get(f"{address}/envelope", authorization=f"Bearer {key}")
    assert f'attachment; filename="{own.hash.hex()[:16]}.envelope"' == got.headers["content-disposition"]
    receipt = Receipt.decode(story.pages.get(f"{address}/receipt.json", authorization=f"Bearer {key}").body)
    assert b"a finding" == open_envelope(Envelope.decode(got.body), receipt.entry, anna).content
    _, audited = story.ask(address, story.keys[Role.AUDITOR])
    assert "was encrypted before it came here" in audited
    assert f"{address}/envelope" not in audited
    assert 403 == story.ask(f"{address}/envelope", story.keys[Role.AUDITOR])[0]
    assert 404 == story.ask(f"{address}/envelope")[0]
    assert 404 == story.ask(f"/entries/{story.hidden_entry}/envelope", key)[0]


# --- the life of a chain


def test_a_chain_says_that_it_ended_and_where_it_goes_on(story: Story) -> None:
    """In words, on its own page and on that of the entry; whatever is in the reason is text."""
    chain, home = open_public(story, "ending"), story.service.home
    assert 'id="life"' not in story.ask(f"/chains/{chain.chain_id.hex()}")[1]
    closed = close_chain(home.writer, chain, "we <b>move</b>", bytes(range(32)), home.clock())
    for address in (f"/chains/{chain.chain_id.hex()}", f"/entries/{closed.entry_hash.hex()}"):
        status, page = story.ask(address)
        assert 200 == status
        assert f"because we &lt;b&gt;move&lt;/b&gt;; it goes on in log {bytes(range(32)).hex()}" in page
    assert f"/entries/{closed.entry_hash.hex()}" in story.ask(f"/chains/{chain.chain_id.hex()}")[1]


def test_where_a_chain_came_from_and_went_is_said_in_words() -> None:
    """Owners by the names that promises have for them; a value that cannot be read says nothing."""
    moved = life_words(Transfer(0, bytes(16), b"\x07" * 16))
    assert moved.startswith("Went on 1970-01-01")
    assert "from the operator to the submitter 0707" in moved
    went_on = life_words(Continuation(0, bytes(32), 3, b"\x05" * 32, 9, bytes(32)))
    assert (True, True) == ("with 3 entries of log 0000" in went_on, went_on.endswith("05" * 32))
    assert [None, None] == [words_of(ExtensionType.CLOSING, b"\x01"), words_of(ExtensionType.LOG_ID, bytes(32))]


def test_a_hold_is_shown_to_the_owner_alone(story: Story) -> None:
    """Of an entry and of the chain, with the reason; others who read the chain see no list of holds."""
    chain, home = open_public(story, "held"), story.service.home
    organisation = home.accounts.organisations.create("holder", home.clock())
    home.accounts.sharing.set_owner(chain, organisation, home.clock())
    token = home.accounts.keys.create(organisation, Role.OWNER, "", None, home.clock()).token
    first = home.erasing.reader.at(chain, 0)
    home.erasing.hold(chain, None, Act.HOLD, "a <i>court</i> said so", home.clock())
    home.erasing.hold(chain, first, Act.HOLD, "another court", home.clock())
    address = f"/chains/{chain.chain_id.hex()}"
    mine = story.ask(address, token)[1]
    for words in ("The whole chain", "a &lt;i&gt;court&lt;/i&gt; said so", "another court"):
        assert words in mine
    assert 'id="holds"' not in story.ask(address)[1]
    assert first is not None
    page = story.ask(f"/entries/{first.entry_hash.hex()}", token)[1]
    for words in ("The whole chain is held since", "Held since", "because another court"):
        assert words in page
    assert "another court" not in story.ask(f"/entries/{first.entry_hash.hex()}")[1]


# --- policies


def test_a_chain_shows_its_policy_in_words_and_how_it_came_about(story: Story) -> None:
    """In force is the newest; an entry that states one says it in words; who may not read entries sees none of it."""
    home = story.service.home
    first = first_under(
        "ordered", Policy(keys(2, "ann", "bob"), keys(1, "cat"), media_types=("text/csv",)), "ann", "bob"
    )
    chain = home.writer.open_chain_with(Submission(first.encode()), "ordered", home.clock())[0]
    address = f"/chains/{chain.chain_id.hex()}"
    with home.engine.transaction():
        home.accounts.sharing.own(chain, home.accounts.organisations.live("acme"), Visibility.PUBLIC)
    page = story.ask(address)[1]
    assert "all 2 together: did:key:" in page
    assert "text/csv" in page
    changed = change(chain.chain_id, "1", follows(Policy(keys(1, "ann")), first.hash), "ann", "bob")
    home.writer.submit(chain, [Submission(changed.encode())], home.clock())
    page = story.ask(address)[1]
    assert page.index(changed.hash.hex()) < page.index(first.hash.hex())
    assert "In force from the next entry on" in page
    assert '<dd class="whole">anybody</dd>' in page
    entry = story.ask(f"/entries/{first.hash.hex()}")[1]
    assert "Policy: who may write" in entry
    assert f'<dd class="whole">{did_key(public("cat"))}</dd>' in entry
    assert "Signed by 2 Ed25519 keys together" in entry
    assert "Its policy" not in story.ask(f"/chains/{story.chain}")[1]
    assert "none: the chain says nothing of whose signatures" in story.ask(f"/chains/{story.chain}")[1]
    home.accounts.sharing.set_visibility(chain, Visibility.PRIVATE, home.clock())
    assert 404 == story.ask(address)[0]


def test_statements_of_an_identity_have_words() -> None:
    """Each operation says what it does and to which key or certificate; what cannot be read stays hex."""
    cases = json.loads(identity_vectors.FILE.read_text())["cases"]
    found: dict[int, str] = {}
    for case in cases:
        if case["check"] == "statement" and "want" in case:
            found[case["want"]["operation"]] = statement_in_words(bytes.fromhex(case["statement"]))
    assert sorted(map(int, Operation)) == sorted(found)
    assert found[Operation.REVOKE] == f"Ends the key {public('press').hex()}, because it was stolen"
    assert found[Operation.BIND].startswith("Binds the certificate with SHA-256 ")
    assert "ff" == statement_in_words(b"\xff")

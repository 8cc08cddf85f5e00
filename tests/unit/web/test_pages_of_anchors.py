"""The pages of checkpoints, anchors and the thread, over a log with every kind of anchor on a simulated Bitcoin."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import pytest

from anchor.journal import Attempt
from anchor.lifecycle import Event, State
from anchor.outbox import News
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import strip_witness
from chains.access import STRANGER
from chains.home import DATABASE, Home
from chains.pictures.states import WORDS
from chains.web.operations import Operation
from chains.web.pages.anchors import _EVENTS, anchors
from chains.web.pages.checkpoints import checkpoints
from chains.web.pages.table import PAGES
from chains.web.pages.thread import thread
from chains.web.requests import Request
from chains.web.rooms import Room
from tests.simulators.anchor_story import funded_service, tell_anchors
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.pages_site import Pages, pages_of
from tests.simulators.planned_engine import PlannedEngine
from tests.simulators.service import SETTINGS, Service, new_service


@dataclass(frozen=True)
class Story:
    """A log and its pages; ``states`` are those of all its attempts, oldest first."""

    service: Service
    pages: Pages

    def attempt(self, state: State) -> Attempt:
        """Return the newest attempt in a state."""
        return [attempt for attempt in self.service.attempts() if attempt.state is state][-1]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Final anchors, a version that was replaced, one in a block, one that left its block, and one that waits."""
    bitcoin = SimulatedBitcoin()
    with ExitStack() as stack:
        service = funded_service(tmp_path_factory.mktemp("story"), bitcoin, stack)
        tell_anchors(service, bitcoin)
        pages = stack.enter_context(pages_of(service.home))
        yield Story(service, pages)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The pages of a log that has only just been made."""
    folder = tmp_path_factory.mktemp("new") / "home"
    with new_service(folder, SimulatedBitcoin()) as service, pages_of(service.home) as pages:
        yield pages


def test_the_story_has_every_kind_of_anchor(story: Story) -> None:
    """What these tests show holds for anchors that are final, in a block, replaced, and out of their block."""
    states = [attempt.state for attempt in story.service.attempts()]
    assert {State.FINAL, State.REPLACED, State.CONFIRMED, State.REORGED} <= set(states), states


# Checkpoints


def test_checkpoints_are_listed_with_what_carries_each(story: Story) -> None:
    """Every checkpoint is there; the anchored ones name an anchor, and what no block holds says so."""
    text = story.pages.get("/checkpoints").text
    sizes = [stored.size for stored in story.service.home.directory.checkpoints_below(1 << 62, 100)]
    assert sizes == [int(size) for size in re.findall(r'<a href="/checkpoints/(\d+)">', text)]
    assert "No anchor in a block yet" in text
    assert f'href="/anchors/{hash_hex(story.attempt(State.FINAL).txid)}"' in text


def test_a_checkpoint_shows_its_note_and_that_it_extends_the_one_before(story: Story) -> None:
    """Note, root and seal, the consistency proof that was checked, the chain that grew, and the anchor."""
    stored = story.service.home.directory.checkpoints_below(1 << 62, 2)[1]
    page = story.pages.get(f"/checkpoints/{stored.size}").text
    assert (stored.note or "").splitlines()[0] in page
    assert bytes(stored.root).hex() in page
    assert "Consistent, checked just now" in page
    chain = story.service.home.chains.named("acme").chain_id.hex()
    assert chain in page
    assert f'href="/chains/{chain}"' not in page  # a private chain: whoever asks may not see its page
    note = story.pages.get(f"/checkpoints/{stored.size}/note")
    assert (stored.note, f'attachment; filename="checkpoint-{stored.size}.txt"') == (
        note.text,
        note.headers["content-disposition"],
    )


def test_the_first_checkpoint_extends_none(story: Story) -> None:
    """It says that it is the first, and names the next."""
    oldest, following = story.service.home.directory.checkpoints_below(1 << 62, 100)[:-3:-1]
    page = story.pages.get(f"/checkpoints/{oldest.size}").text
    assert "It is the first checkpoint of this log" in page
    assert f'href="/checkpoints/{following.size}">The next checkpoint' in page


def test_a_size_without_a_checkpoint_is_not_found(story: Story) -> None:
    """Between two seals there is no checkpoint."""
    sizes = {stored.size for stored in story.service.home.directory.checkpoints_below(1 << 62, 100)}
    none = next(size for size in range(1, 100) if size not in sizes)
    assert {404} == {story.pages.get(f"/checkpoints/{size}").status for size in (none, 0, 10**17, "x")}


# Anchors


def test_anchors_are_listed_and_plotted(story: Story) -> None:
    """Every attempt that was sent has its mark, its words and its link."""
    text = story.pages.get("/anchors").text
    attempts = story.service.attempts()
    assert [hash_hex(attempt.txid) for attempt in reversed(attempts)] == re.findall(
        r'class="hash" href="/anchors/([0-9a-f]{64})"', text
    )
    assert len(attempts) == text.count('class="stem"')
    assert all(WORDS[attempt.state] in text for attempt in attempts)


@pytest.mark.parametrize("state", [State.FINAL, State.CONFIRMED, State.REPLACED, State.REORGED])
def test_an_anchor_is_shown_in_every_state(story: Story, state: State) -> None:
    """Transaction, fee, payload and history; a block where it is in one, and the other versions where there are."""
    attempt = story.attempt(state)
    page = story.pages.get(f"/anchors/{hash_hex(attempt.txid)}").text
    assert f"fee {attempt.fee_sat:,} sat" in page
    assert f"AL1 · {attempt.checkpoint_size:,} leaves" in page
    assert (attempt.standing.block is not None) == ("<dt>Block hash</dt>" in page)
    assert (state is State.REPLACED) == ("A newer version was sent" in page)
    assert (state is State.REORGED) == ("Its block left the best chain" in page)
    spending = [each for each in story.service.attempts() if each.spends == attempt.spends]
    assert (len(spending) > 1) == ("Versions of this anchor" in page)
    assert f'href="/anchors/{hash_hex(attempt.spends.txid)}"' in page


def test_the_first_anchor_begins_the_thread(story: Story) -> None:
    """It spends the coin of the log's card, which no anchor made; the page says so in the picture and beside it."""
    first = story.service.attempts()[0]
    page = story.pages.get(f"/anchors/{hash_hex(first.txid)}").text
    assert "input 0: where the thread begins" in page
    assert "none: the thread begins here" in page
    assert f"{hash_hex(first.spends.txid)}:{first.spends.vout}" in page


def test_parts_of_an_anchor_are_files_in_hex(story: Story) -> None:
    """The signed transaction, its payload, and the header that Bitcoin gave for its block."""
    final, lost = story.attempt(State.FINAL), story.attempt(State.REPLACED)
    root = f"/anchors/{hash_hex(final.txid)}"
    assert f"{final.raw.hex()}\n" == story.pages.get(f"{root}/transaction").text
    payload = bytes.fromhex(story.pages.get(f"{root}/payload").text)
    assert payload in strip_witness(final.raw)
    assert (40, b"AL1") == (len(payload), payload[:3])
    block = final.standing.block
    assert block is not None
    assert story.service.home.source.header(block.hash) == bytes.fromhex(story.pages.get(f"{root}/header").text)
    assert [404] * 3 == [
        story.pages.get(address).status
        for address in (f"/anchors/{hash_hex(lost.txid)}/header", f"{root}/witness", f"/anchors/{'0' * 64}/header")
    ]


def test_what_has_not_left_the_house_is_not_shown(tmp_path: Path) -> None:
    """An attempt that is signed and not sent is in no list, and its page is not found; once sent, it waits."""
    bitcoin = SimulatedBitcoin()
    with ExitStack() as stack:
        service = funded_service(tmp_path, bitcoin, stack)
        service.seal()
        service.lead()
        service.home.anchoring.prepare(service.clock(), at_once=True)
        (built,) = service.attempts()
        assert State.BUILT is built.state
        pages = stack.enter_context(pages_of(service.home))
        assert 404 == pages.get(f"/anchors/{hash_hex(built.txid)}").status
        assert 404 == pages.get(f"/anchors/{hash_hex(built.txid)}/transaction").status
        for address in ("/", "/anchors", "/thread", f"/checkpoints/{built.checkpoint_size}"):
            assert hash_hex(built.txid) not in pages.get(address).text, address
        service.tick()
        service.tick()
        page = pages.get(f"/anchors/{hash_hex(built.txid)}").text
        assert "Waiting for a block" in page
        assert "in the mempool" in page
        assert f"/anchors/{hash_hex(built.txid)}/header" not in page


def test_a_public_explorer_is_linked_where_there_is_one(tmp_path: Path) -> None:
    """It learns nothing of the page from which somebody comes; regtest has none of its own."""
    bitcoin = SimulatedBitcoin()
    with ExitStack() as stack:
        settings = replace(SETTINGS, explorer_url="https://explorer.example/signet")
        service = funded_service(tmp_path, bitcoin, stack, settings)
        service.anchor(bitcoin)
        service.home.anchoring.tick(service.clock())
        txid = hash_hex(service.attempts()[0].txid)
        text = stack.enter_context(pages_of(service.home)).get(f"/anchors/{txid}").text
        assert f'<a href="https://explorer.example/signet/tx/{txid}" rel="noopener noreferrer">' in text


def test_regtest_has_no_public_explorer(story: Story) -> None:
    """Nothing on the page leads elsewhere."""
    text = story.pages.get(f"/anchors/{hash_hex(story.attempt(State.FINAL).txid)}").text
    assert "public explorer</a>" not in text
    assert "//" not in text.replace("<!doctype", "")


def test_refusals_are_not_told(story: Story) -> None:
    """Every event has words but those that say why a node did not take an anchor."""
    assert set(Event) - {Event.REFUSED_FEE, Event.REFUSED_INPUTS} == set(_EVENTS)


def test_the_script_has_words_for_whatever_everybody_is_told() -> None:
    """What is sent to listeners, but for what only the operator hears, refreshes a page."""
    script = (files("chains.web.pages") / "static" / "live.js").read_text()
    assert set(News) - {News.FAILED} == set(re.findall(r"^    ([a-z]+): \(facts\) =>", script, re.MULTILINE))


# The thread


def test_the_thread_is_drawn_and_listed(story: Story) -> None:
    """One line, the versions that lost beside it, what left its block broken, down to the coin of the log's card."""
    text = story.pages.get("/thread").text
    attempts = story.service.attempts()
    states = [attempt.state for attempt in attempts]
    assert states.count(State.REPLACED) + states.count(State.VOID) == text.count('class="thread-lost"')
    assert states.count(State.REORGED) == text.count('class="thread-broken"')
    assert "the coin with which the thread begins" in text
    assert str(attempts[0].spends) in text


# A new log, pages, and speed


def test_a_new_log_says_what_is_missing(new: Pages) -> None:
    """Without a seal, an anchor or a coin every page is there and says so in words."""
    assert "Nothing is sealed yet" in new.get("/checkpoints").text
    assert "Nothing is anchored yet" in new.get("/anchors").text
    thread_page = new.get("/thread").text
    assert "Nothing is anchored yet" in thread_page
    assert "No coin is chosen yet" in thread_page
    assert "<svg" not in thread_page


def test_lists_go_on_page_by_page(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page names the next one, and together they have every attempt and checkpoint once."""
    monkeypatch.setattr("chains.web.pages.anchors.PAGE_ANCHORS", 2)
    monkeypatch.setattr("chains.web.pages.thread.PAGE_KNOTS", 2)
    monkeypatch.setattr("chains.web.pages.checkpoints.PAGE_CHECKPOINTS", 2)
    txids = [hash_hex(attempt.txid) for attempt in reversed(story.service.attempts())]
    assert txids == walked(story.pages, "/anchors", r'class="hash" href="/anchors/([0-9a-f]{64})"')
    assert txids == walked(story.pages, "/thread", r'class="hash" href="/anchors/([0-9a-f]{64})"')
    sizes = [str(stored.size) for stored in story.service.home.directory.checkpoints_below(1 << 62, 100)]
    assert sizes == walked(story.pages, "/checkpoints", r'<a href="/checkpoints/(\d+)">')


def walked(pages: Pages, address: str, pattern: str) -> list[str]:
    found: list[str] = []
    following: list[str] = [address]
    while following:
        got = pages.get(following[0])
        assert 200 == got.status
        found += re.findall(pattern, got.text)
        following = re.findall(rf'href="({address}\?cursor=\d+)"', got.text)
    return found


def test_a_page_beyond_the_end_is_empty(story: Story) -> None:
    """A cursor below everything finds nothing, and says so."""
    assert "No anchor is older than these" in story.pages.get("/anchors?cursor=1").text
    assert "No checkpoint is older than these" in story.pages.get("/checkpoints?cursor=1").text
    assert 400 == story.pages.get("/anchors?cursor=x").status


@pytest.mark.sqlite("notes how SQLite goes about a question")
def test_every_question_of_these_pages_goes_by_an_index(story: Story) -> None:
    """However many anchors, checkpoints and heads there are, a page reads a few of them."""
    home = story.service.home
    engine = PlannedEngine(home.folder / DATABASE)
    with Home(home.folder, home.settings, home.clock, engine) as opened:
        room = Room(opened)
        attempt = story.attempt(State.FINAL)
        values = {"txid": hash_hex(attempt.txid), "size": str(attempt.checkpoint_size), "part": "header"}
        for operation in page_operations():
            for arguments in (values, values | {"cursor": "3"}):
                assert operation.run is not None
                answer = operation.run(room, Request("GET", operation.path, (), b"", home.clock(), arguments, STRANGER))
                assert 200 == answer.status
    assert len(engine.plans) > 50
    assert [] == engine.slow()


def page_operations() -> list[Operation]:
    found = [operation for operation in PAGES if re.match(r"/(checkpoints|anchors|thread)", operation.path)]
    assert {anchors, checkpoints, thread} <= {operation.run for operation in found}
    return found

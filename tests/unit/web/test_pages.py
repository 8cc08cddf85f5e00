"""The pages of the service: what is around each, what they may load, and what is told instead of one."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from anchor.bitcoin.protocols import BlockId
from anchor.journal import Attempt
from anchor.lifecycle import Standing, State
from anchor.proof.receipt import LogCard
from chains.web.api import OPERATIONS
from chains.web.operations import Operation
from chains.web.pages.phrases import STATES, counted, iso, size, standing, utc
from chains.web.pages.table import PAGES
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.pages_site import Got, Pages, pages_of
from tests.simulators.service import Service, new_service


@pytest.fixture(scope="module")
def anchored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pages, Attempt]]:
    """The pages of a log with one final anchor."""
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path_factory.mktemp("pages") / "home", bitcoin) as made:
        bitcoin.mine(1, made.wallet.script)
        bitcoin.mine(149)
        made.open_chain("acme")
        _anchor_until_final(made, bitcoin)
        with pages_of(made.home) as pages:
            yield pages, made.attempts()[-1]


def _anchor_until_final(service: Service, bitcoin: SimulatedBitcoin) -> None:
    service.anchor(bitcoin)
    service.anchor(bitcoin)
    assert State.FINAL in {attempt.state for attempt in service.attempts()}


def test_the_front_page_says_how_the_log_stands(anchored: tuple[Pages, Attempt]) -> None:
    """It names the log, its newest checkpoint and anchors, and how to verify without the service."""
    pages, newest = anchored
    got = pages.get("/")
    assert 200 == got.status
    assert f'href="/checkpoints/{newest.checkpoint_size}"' in got.text
    assert "test.anchorline.example" in got.text
    assert newest.txid[::-1].hex() in got.text
    assert "Anchored in block" in got.text
    assert 'href="/verify"' in got.text


def test_the_log_card_is_taken_away_as_a_file(anchored: tuple[Pages, Attempt]) -> None:
    """It is what a verifier pins: the same log as the API's, with the coin at which the thread begins."""
    got = anchored[0].get("/log-card.json")
    card = LogCard.decode(got.body)
    assert json.loads(anchored[0].get("/v1/log").body)["log_id"] == card.log.log_id.hex()
    assert card.thread
    assert 'attachment; filename="log-card.json"' == got.headers["content-disposition"]


def test_every_page_forbids_what_it_does_not_need(anchored: tuple[Pages, Attempt]) -> None:
    """No script or style stands in a page, nothing comes from elsewhere, and no other site may frame or read it."""
    for address in ("/", "/nowhere"):
        got = anchored[0].get(address)
        policy = got.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "nosniff" == got.headers["x-content-type-options"]
        assert "same-origin" == got.headers["referrer-policy"]
        assert "access-control-allow-origin" not in got.headers
        for forbidden in ("<style", " style=", "<script>", " onclick", "http://", "https://"):
            assert forbidden not in got.text, (address, forbidden)


def test_scripts_of_other_origins_are_told_that_pages_are_not_for_them(anchored: tuple[Pages, Attempt]) -> None:
    """What a browser asks before it lets a script ask is answered with the methods, and without leave."""
    for address in ("/", "/sign-in", "/chains"):
        got = anchored[0].ask("OPTIONS", address, {"origin": "https://evil.example"})
        assert 204 == got.status
        assert "GET" in got.headers["allow"]
        assert "access-control-allow-origin" not in got.headers


def test_what_is_not_there_is_a_page_for_browsers_and_a_problem_for_programs(anchored: tuple[Pages, Attempt]) -> None:
    """A browser names HTML; below /v1 nobody gets a page."""
    pages, _ = anchored
    assert "text/html; charset=utf-8" == pages.get("/nowhere").headers["content-type"]
    assert "application/problem+json" == pages.get("/nowhere", accept="*/*").headers["content-type"]
    assert "application/problem+json" == pages.get("/v1/nowhere").headers["content-type"]
    assert {404} == {pages.get(address).status for address in ("/nowhere", "/v1/nowhere", "/static/none.css")}


def test_files_that_pages_load_are_kept_for_ever_under_their_hash(anchored: tuple[Pages, Attempt]) -> None:
    """Each file is there under the name that the page has, and may be kept, since the name changes with the file."""
    pages, _ = anchored
    got = pages.get(_stylesheet(pages.get("/")))
    assert (200, "text/css; charset=utf-8") == (got.status, got.headers["content-type"])
    assert "public, max-age=31536000, immutable" == got.headers["cache-control"]


def _stylesheet(got: Got) -> str:
    return got.text.split('rel="stylesheet" href="')[1].split('"')[0]


def test_pages_are_not_in_the_documented_api() -> None:
    """The tables are two, no path is in both, and names are unique over both."""
    both: tuple[Operation, ...] = (*OPERATIONS, *PAGES)
    assert len(both) == len({operation.name for operation in both})
    assert len(both) == len({(operation.method, operation.path) for operation in both})
    assert not any(operation.path.startswith("/v1/") for operation in PAGES)


def test_an_anchor_stands_under_the_blocks_that_were_seen(anchored: tuple[Pages, Attempt]) -> None:
    """Confirmations are counted from 1; where this process has not seen the best chain, they are not told."""
    block = BlockId(12_345, bytes(32))
    final = replace(anchored[1], standing=Standing(State.FINAL, block))
    assert "Anchored in block 12,345, 7 confirmations" == standing(final, 12_351)
    assert "Anchored in block 12,345" == standing(final, None)
    young = replace(anchored[1], standing=Standing(State.CONFIRMED, block))
    assert "In block 12,345, 1 confirmation" == standing(young, 12_345)
    assert "Waiting for a block" == standing(replace(young, standing=Standing(State.SEEN)), 12_345)


def test_every_state_has_words() -> None:
    """No state of an anchor is shown by its name in the code."""
    assert set(State) == set(STATES)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1,023 bytes"), (1536, "1.5 KiB"), (2**40, "1,024.0 GiB")],
)
def test_sizes_are_in_the_unit_that_people_read(given: int, expected: str) -> None:
    """Below a KiB the bytes are counted."""
    assert expected == size(given)


def test_times_are_utc() -> None:
    """For people with the zone, for programs as RFC 3339 has it; what no calendar has is said."""
    assert ("2026-11-22 20:48:11 UTC", "2026-11-22T20:48:11Z") == (utc(1795380491999), iso(1795380491999))
    assert ("after the year 9999", "") == (utc(2**53), iso(2**53))


def test_counts_have_their_noun() -> None:
    """One is singular."""
    assert ["0 entries", "1 entry", "2,000 entries"] == [counted(n, "entry", "entries") for n in (0, 1, 2000)]

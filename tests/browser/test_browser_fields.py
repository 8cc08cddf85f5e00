"""A visitor with a disclosure: ``verify.html`` takes one file, and shows the fields that it discloses.

Input is the documents of ``tests/simulators/documents.py`` with their receipts; what to expect, Python says.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.blocks import GivenBlock
from anchor.proof.receipt import LogCard
from chains.disclosure_judging import DisclosureAtHand
from tests.browser.conftest import SCREENSHOTS, Visiting
from tests.browser.test_browser_page import drop, headline, says, states
from tests.simulators.documents import EVERYTHING, PERSON, disclosed, receipt_of_fields

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@dataclass(frozen=True)
class Held:
    """What a third party holds, the hash of the block to compare, and what Python says of the two fields."""

    folder: Path
    block: str
    said: DisclosureAtHand
    said_of_all: DisclosureAtHand


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Two of five fields with the receipt in the file, the same without it, and every kind of value."""
    folder = tmp_path_factory.mktemp("fields")
    whole, everything = disclosed(PERSON), disclosed(EVERYTHING)
    receipt, verifier = receipt_of_fields(whole)
    assert isinstance(verifier.card, LogCard)
    [block] = verifier.blocks
    assert isinstance(block, GivenBlock)
    two = whole.only(lambda place: place in {("name",), ("address", "city")})
    forged = json.loads(two.encode())
    forged["shown"][0]["place"] = ["nobody"]
    others, _ = receipt_of_fields(everything)
    for name, data in {
        "two.json": two.with_receipt(receipt.encode()).encode(),
        "bare.json": two.encode(),
        "forged.json": json.dumps(forged | {"receipt": receipt.encode().decode()}).encode(),
        "person.receipt": receipt.encode(),
        "person.json": PERSON,
        "card.json": verifier.card.encode(),
        "everything.json": everything.with_receipt(others.encode()).encode(),
    }.items():
        (folder / name).write_bytes(data)
    said, said_of_all = DisclosureAtHand(two), DisclosureAtHand(everything)
    for each in (said, said_of_all):
        each.judge()
    return Held(folder, hash_hex(block.hash), said, said_of_all)


def test_two_of_five_fields_are_intact(visit: Visiting, held: Held, tmp_path: Path) -> None:
    """One file, the card and a block: every step is green, both fields are shown, and nothing left the browser."""
    visitor = visit()
    page = visitor.page
    page.set_input_files("#receipt-file", held.folder / "two.json")
    page.set_input_files("#card-file", held.folder / "card.json")
    page.fill("#block", held.block)
    headline(page, "Intact")
    assert ["ok", "ok", "absent"] == states(page)[:3]
    says(page, "#steps > li:nth-child(2)", "2 of 5 fields as recorded; nothing is said of the others")
    assert held.said.lines == page.locator("#changes-list > li").all_inner_texts()
    page.screenshot(path=SCREENSHOTS / "fields.png", full_page=True)
    with page.expect_download() as saving:
        page.click("#save")
    saving.value.save_as(tmp_path / "verdict.json")
    assert held.said.facts == json.loads((tmp_path / "verdict.json").read_bytes())["disclosure"]
    assert [page.url] == [address for address in visitor.requests if not address.startswith("blob:")]
    assert [] == visitor.complaints


def test_every_kind_of_value_is_shown_as_python_shows_it(visit: Visiting, held: Held) -> None:
    """Numbers as they are written, escapes, names in any script: the lines are those of the command."""
    page = visit().page
    page.set_input_files("#manifest-file", held.folder / "everything.json")
    says(page, "#steps > li:nth-child(2)", "all 10 fields of the document as recorded")
    assert held.said_of_all.lines == page.locator("#changes-list > li").all_inner_texts()


def test_a_receipt_beside_it_and_what_is_wrong(visit: Visiting, held: Held) -> None:
    """Receipt and disclosure may be two files; a field elsewhere fails, a file beside them is not called compared."""
    page = visit().page
    page.set_input_files("#receipt-file", held.folder / "person.receipt")
    says(page, "#meaning", "Bring the file that shows you some of them")
    drop(page, held.folder, ["bare.json"])
    says(page, "#steps > li:nth-child(2)", "2 of 5 fields as recorded")
    page.set_input_files("#record-file", held.folder / "person.json")
    says(page, "#steps > li:nth-child(2)", "the file beside it is not compared")
    drop(page, held.folder, ["forged.json"])
    headline(page, "Does not verify")
    says(page, "#steps > li:nth-child(2)", "inclusion-wrong")
    assert page.is_hidden("#changes")

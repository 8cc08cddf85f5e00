"""A visitor with a recorded folder: ``verify.html`` takes folder, list and receipt, and names what was changed.

Input is the folder of ``tests/simulators/folders.py`` and the receipt of its manifest. Screenshots are kept beside
those of the page.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.blocks import GivenBlock
from anchor.proof.codec import sha256
from anchor.proof.receipt import LogCard
from chains.manifest_proving import prove_file, prove_rows
from tests.browser.conftest import SCREENSHOTS, Visiting
from tests.browser.faults import violations
from tests.browser.test_browser_page import drop, headline, says, states
from tests.simulators.folders import FILES, listed, make_folder, receipt_of

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@dataclass(frozen=True)
class Held:
    """What a third party holds, and the hash of the block to compare."""

    folder: Path
    block: str

    def put(self, path: str, content: bytes) -> None:
        (self.folder / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / "data" / path).write_bytes(content)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """Receipt, card, list and proofs of a folder; the folder itself has no link, which no browser shows."""
    folder = tmp_path_factory.mktemp("folder")
    data = make_folder(folder / "data")
    (data / "newest").unlink()
    (data / "notes" / "nothing").rmdir()
    stream, document = listed(data)
    receipt, verifier = receipt_of(document)
    assert isinstance(verifier.card, LogCard)
    [block] = verifier.blocks
    assert isinstance(block, GivenBlock)
    (folder / "data.manifest").write_bytes(stream.getvalue())
    (folder / "data.receipt").write_bytes(receipt.encode())
    (folder / "card.json").write_bytes(verifier.card.encode())
    (folder / "document.json").write_bytes(document.encode())
    (folder / "file.proof").write_bytes(prove_file(stream, "notes.txt").encode())
    rows = prove_rows(stream, "orders.csv", [0, 3], data / "orders.csv")
    (folder / "rows.proof").write_bytes(rows.encode())
    linked, _ = listed(make_folder(folder / "linked"))
    (folder / "linked.manifest").write_bytes(linked.getvalue())
    return Held(folder, hash_hex(block.hash))


@pytest.fixture
def held(recorded: Held) -> Iterator[Held]:
    """The folder as it was recorded, whatever a test does to it."""
    yield recorded
    data = recorded.folder / "data"
    for found in list(data.rglob("*")):
        if found.is_file() and found.relative_to(data).as_posix() not in FILES:
            found.unlink()
    with suppress(FileNotFoundError):
        (data / "nothing").rmdir()
    for path, content in FILES.items():
        recorded.put(path, content)


def bring(page: Page, held: Held, *, list_name: str = "data.manifest") -> None:
    """Choose receipt, card, block, list and folder; what the page says of them is waited for by the test."""
    page.set_input_files("#receipt-file", held.folder / "data.receipt")
    page.set_input_files("#card-file", held.folder / "card.json")
    page.fill("#block", held.block)
    page.set_input_files("#manifest-file", held.folder / list_name)
    page.set_input_files("#record-folder", held.folder / "data")


def changes(page: Page) -> list[str]:
    return page.locator("#changes-list > li").all_inner_texts()


def test_a_folder_is_intact(visit: Visiting, held: Held) -> None:
    """Folder, list, receipt, card and block: every step is green, and nothing left the browser."""
    visitor = visit()
    page = visitor.page
    bring(page, held)
    headline(page, "Intact")
    assert ["ok", "ok", "absent"] == states(page)[:3]
    says(page, "#steps > li:nth-child(2)", "the folder is what was recorded: 5 files, 109 bytes, by its manifest")
    assert page.is_hidden("#changes")
    assert [page.url] == visitor.requests
    assert [] == visitor.complaints


@pytest.mark.parametrize("width", [1100, 390])
def test_a_changed_folder_is_told(visit: Visiting, held: Held, width: int) -> None:
    """A changed cell, an added and a removed file are named, in the page and in what is saved, on any screen."""
    held.put("orders.csv", FILES["orders.csv"].replace(b"20", b"21"))
    held.put("more.txt", b"1")
    (held.folder / "data" / "notes.txt").unlink()
    page = visit(width=width).page
    bring(page, held)
    headline(page, "Does not verify")
    assert [
        "added more.txt",
        "removed notes.txt",
        "changed orders.csv",
        "changed orders.csv: row 3 (line 4), column 2 (price)",
    ] == changes(page)
    says(page, "#steps > li:nth-child(2)", "not what was recorded: 1 file changed, 1 file added, 1 file removed, 1 row")
    with page.expect_download() as download:
        page.click("#save")
    saved = json.loads(Path(download.value.path()).read_text())
    assert ("content-changed", 4) == (saved["finding"], len(saved["manifest"]["changes"]))
    page.screenshot(path=SCREENSHOTS / f"folder_{width}.png", full_page=True)
    assert [] == violations(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_folder_is_dropped_in_any_order(visit: Visiting, held: Held) -> None:
    """Several files of the folder, its list and receipt are dropped together: those are compared, of others nothing."""
    page = visit().page
    for name in ("notes.txt", "orders.csv"):
        (held.folder / name).write_bytes(FILES[name])
    drop(page, held.folder, ["notes.txt", "data.manifest", "card.json", "orders.csv", "data.receipt"])
    says(page, "#record-found", "2 files")
    page.fill("#block", held.block)
    headline(page, "Intact, as far as the folder was compared")
    says(page, "#meaning", "2 of the manifest's 5 files are what was recorded")
    (held.folder / "notes.txt").write_bytes(b"beam 7 inspected?")
    drop(page, held.folder, ["notes.txt", "orders.csv"])
    headline(page, "Does not verify")
    assert ["changed notes.txt"] == changes(page)


def test_a_whole_folder_is_dropped(visit: Visiting, held: Held) -> None:
    """A folder that is dropped on the saved page is read with all that is in it, empty folders too."""
    page = visit().page
    drop(page, held.folder, ["data.manifest", "card.json", "data.receipt"])
    says(page, "#manifest-found", "the list of a recorded folder")
    mouse = page.context.new_cdp_session(page)
    # Chromium reads no folder below /dev, where tests are in memory.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as elsewhere:
        folder = shutil.copytree(held.folder / "data", Path(elsewhere, "data"))
        (folder / "nothing").mkdir()
        data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            mouse.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})
        headline(page, "Does not verify")
        assert ["added nothing"] == changes(page)
        says(page, "#record-found", "data: 6 files")


def test_what_a_folder_lacks_is_said(visit: Visiting, held: Held) -> None:
    """The receipt of a folder asks for the folder and its list; the list of another folder does not verify."""
    page = visit().page
    page.set_input_files("#receipt-file", held.folder / "data.receipt")
    says(page, "#meaning", "This receipt is of a folder")
    page.set_input_files("#record-file", held.folder / "document.json")
    says(page, "#steps > li:nth-child(2)", "the file is what was recorded")
    page.set_input_files("#manifest-file", held.folder / "linked.manifest")
    page.set_input_files("#record-folder", held.folder / "data")
    headline(page, "Does not verify")
    says(page, "#steps > li:nth-child(2)", "the document is not what was recorded")
    assert page.is_hidden("#changes")
    page.set_input_files("#manifest-file", held.folder / "card.json")
    says(page, "#meaning", "Part of the receipt cannot be read")
    says(page, "#manifest-found", "expected format")


def test_one_row_or_file_is_proved(visit: Visiting, held: Held) -> None:
    """A proof of rows is shown with its rows; one of a file wants the file, and tells another one."""
    page = visit().page
    page.set_input_files("#receipt-file", held.folder / "data.receipt")
    page.set_input_files("#card-file", held.folder / "card.json")
    page.fill("#block", held.block)
    drop(page, held.folder, ["rows.proof"])
    headline(page, "Intact")
    says(page, "#steps > li:nth-child(2)", "2 rows of orders.csv as recorded; nothing is said of the others")
    assert ["row 1 of orders.csv: id,price,note", "row 4 of orders.csv: 3,30,last"] == changes(page)
    drop(page, held.folder, ["file.proof"])
    headline(page, "The entry is intact; no file was compared with it")
    says(page, "#steps > li:nth-child(2)", sha256(FILES["notes.txt"]).hex())
    page.set_input_files("#record-file", held.folder / "data" / "notes.txt")
    headline(page, "Intact")
    page.set_input_files("#record-file", held.folder / "data" / "orders.csv")
    headline(page, "Does not verify")
    says(page, "#steps > li:nth-child(2)", "the file is not notes.txt as it was recorded")


# A file that the browser is slow to give: its stream waits until the test says so.
SLOW = """() => {
    const slow = new File(["1"], "slow.txt");
    let begun;
    window.begun = new Promise(resume => { begun = resume; });
    slow.stream = () => new ReadableStream({
        async pull(controller) {
            begun();
            await new Promise(resume => setTimeout(resume, 60));
            controller.enqueue(utf8("1"));
        },
    });
    window.taking = takeFile("record", slow);
}"""


def test_reading_can_be_stopped(visit: Visiting, held: Held) -> None:
    """A file that would be read for ever is stopped by the button, and nothing is said of it."""
    page = visit().page
    page.set_input_files("#receipt-file", held.folder / "data.receipt")
    page.evaluate(SLOW)
    page.evaluate("begun")
    assert page.is_hidden("#verdict")
    page.click("#record-stop")
    page.evaluate("taking")
    says(page, "#record-found", "slow.txt: not read to its end")
    assert page.is_hidden("#record-stop")
    headline(page, "Could not be checked")

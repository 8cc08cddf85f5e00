"""``verify.html`` as a visitor uses it: what it shows, what leaves the browser, the keyboard, and its accessibility.

Input is receipts of the vectors and of the story of ``tests/simulators/world.py``.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from playwright.sync_api import Page, expect

from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry
from anchor.proof.identity import Statement, statement_of
from anchor.proof.identity_card import IdentityCard
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.thread_proofs import encode_proofs
from anchor.proof.verify import verify
from anchor.revocations import lists_in
from chains.certificate import Certificate
from tests.browser.conftest import SCREENSHOTS, Visiting
from tests.browser.explorer import Explorer, explorer
from tests.browser.faults import violations
from tests.simulators.accused import ACCUSATIONS
from tests.simulators.sealers import revocation_list
from tests.simulators.world import World, mine_header, tell
from tests.vectors import make_receipt_vectors as maker
from tests.vectors.make_certificate_vectors import BETWEEN
from tests.vectors.make_certificate_vectors import FILE as CERTIFICATES

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

STORY = tell()
VECTORS: list[dict[str, Any]] = json.loads(maker.FILE.read_text())["cases"]
SHAPE = STORY.shapes["anchored at its own checkpoint"]
CONTENT = b"order 3"
PATIENCE_MS = 30_000
BIG_BYTES = 256 * 2**20
# What the page may take while it reads a file of any size: its pieces, and what the browser has in flight.
MOST_GROWTH = 64 * 2**20


def anchor_of(receipt: Receipt) -> BitcoinAnchor:
    assert receipt.sealed is not None
    return next(anchor for anchor in receipt.sealed.anchors if isinstance(anchor, BitcoinAnchor))


ANCHOR = anchor_of(SHAPE.receipt)
HASH = hash_hex(ANCHOR.decoded_header.hash)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a third party holds: the record, its receipt, and the log's card."""
    folder = tmp_path_factory.mktemp("held")
    (folder / "order.txt").write_bytes(CONTENT)
    (folder / "changed.txt").write_bytes(CONTENT + b"!")
    (folder / "order.txt.receipt").write_bytes(SHAPE.receipt.encode())
    assert isinstance(SHAPE.verifier.card, LogCard)
    (folder / "log-card.json").write_bytes(SHAPE.verifier.card.encode())
    return folder


def bring(page: Page, files: Path, record: str = "order.txt") -> None:
    """Choose the three files and wait until all are read."""
    page.set_input_files("#receipt-file", files / "order.txt.receipt")
    page.set_input_files("#card-file", files / "log-card.json")
    page.set_input_files("#record-file", files / record)
    says(page, "#record-found", "SHA-256")


def drop(page: Page, files: Path, names: list[str]) -> None:
    """Drop files on the page, together."""
    given = [[name, base64.b64encode((files / name).read_bytes()).decode()] for name in names]
    page.evaluate(
        """files => {
            const data = new DataTransfer();
            for (const [name, text] of files) data.items.add(new File([bytesOfBase64(text)], name));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        given,
    )


def says(page: Page, selector: str, expected: str) -> None:
    """Wait until an element holds a text; the page works while the visitor goes on."""
    expect(page.locator(selector)).to_contain_text(expected, timeout=PATIENCE_MS)


def headline(page: Page, expected: str) -> None:
    """Wait for the verdict's headline."""
    expect(page.locator("#headline")).to_have_text(expected, timeout=PATIENCE_MS)


def states(page: Page) -> list[str]:
    found: list[str] = page.locator("#steps > li").evaluate_all("items => items.map(item => item.className)")
    return [name.removeprefix("state-") for name in found]


# What it shows


def test_a_record_is_intact(visit: Visiting, files: Path) -> None:
    """Record, receipt, card and the hash from a source: every step turns green, and nothing left the browser."""
    visitor = visit()
    page = visitor.page
    bring(page, files)
    headline(page, "Could not be checked")
    assert "ask a source that you trust" in page.inner_text("#meaning")
    assert ["open"] == states(page)[11:12]
    assert HASH in page.inner_text("#compare")
    page.fill("#block", HASH)
    headline(page, "Intact")
    assert ["ok"] * 13 == states(page)
    assert "you (the given block)" in page.inner_text("#steps > li:nth-child(12)")
    assert "block 8 of regtest" in page.inner_text("#bracket")
    assert "Proof of work on regtest is worth nothing" in page.inner_text("#meaning")
    assert [page.url] == visitor.requests
    assert [] == visitor.complaints


def test_an_entry_without_its_record(visit: Visiting, files: Path) -> None:
    """An intact entry is not called an intact record where no record, and no content in the receipt, was compared."""
    shape = STORY.shapes["content without bytes"]
    (files / "bare.receipt").write_bytes(shape.receipt.encode())
    page = visit().page
    page.set_input_files("#card-file", files / "log-card.json")
    page.set_input_files("#receipt-file", files / "bare.receipt")
    page.fill("#block", hash_hex(anchor_of(shape.receipt).decoded_header.hash))
    headline(page, "The entry is intact; no file was compared with it")
    assert "Bring the file" in page.inner_text("#meaning")
    page.set_input_files("#record-file", files / "order.txt")
    headline(page, "Intact")


def test_a_changed_record_is_named(visit: Visiting, files: Path) -> None:
    """A record with one byte more fails step 2 for its reason, in plain words, with the reason's stable name."""
    page = visit().page
    bring(page, files, "changed.txt")
    headline(page, "Does not verify")
    assert "The file was changed" in page.inner_text("#meaning")
    step = page.inner_text("#steps > li:nth-child(2)")
    assert sha256(CONTENT).hex() in step
    assert "content-changed" in step
    assert ["failed"] == states(page)[1:2]
    assert page.is_hidden("#bracket")


def test_another_block_is_named(visit: Visiting, files: Path) -> None:
    """A source that shows another hash at this height fails step 12; what is no hash is said to be none."""
    page = visit().page
    bring(page, files)
    page.fill("#block", "ab" * 32)
    headline(page, "Does not verify")
    assert "block-is-not-the-given-one" in page.inner_text("#steps > li:nth-child(12)")
    page.fill("#block", "regtest:x")
    headline(page, "Could not be checked")
    assert "expected NETWORK:HEIGHT:HASH" in page.inner_text("#block-error")
    page.fill("#block", f"regtest:8:{HASH.upper()}")
    headline(page, "Intact")


def test_the_log_has_to_be_named(visit: Visiting, files: Path) -> None:
    """Without a card the verdict is incomplete, unless the visitor says that any log will do."""
    page = visit().page
    page.set_input_files("#receipt-file", files / "order.txt.receipt")
    page.fill("#block", HASH)
    headline(page, "Incomplete")
    page.check("#any-log")
    headline(page, "Intact")
    page.uncheck("#any-log")
    page.set_input_files("#card-file", files / "order.txt")
    headline(page, "Incomplete")
    assert "expected strict JSON" in page.inner_text("#card-found")


def test_what_is_no_receipt_is_refused(visit: Visiting, files: Path) -> None:
    """A file of another kind, and a receipt of a newer version, do not verify, and the page says why."""
    page = visit().page
    page.set_input_files("#receipt-file", files / "order.txt")
    headline(page, "Does not verify")
    assert "neither a receipt, an OpenTimestamps file nor evidence" in page.inner_text("#receipt-found")
    page.click("summary[data-text='paste.title']")
    page.fill("#pasted", SHAPE.receipt.encode().decode().replace("receipt/1", "receipt/2"))
    says(page, "#meaning", "newer Anchorline")
    (files / "proofs.json").write_bytes(encode_proofs(0, [ANCHOR]))
    drop(page, files, ["proofs.json"])
    says(page, "#meaning", "followed by `anchorline thread`")


def test_a_mistake_of_the_page_is_shown(visit: Visiting, files: Path) -> None:
    """Where the page itself goes wrong, the verdict that stood there is taken away, and nothing is called intact."""
    page = visit().page
    bring(page, files)
    page.fill("#block", HASH)
    headline(page, "Intact")
    page.evaluate("() => { Promise.reject(new Error('a mistake')); }")
    headline(page, "Could not be checked")
    says(page, "#meaning", "Error: a mistake")
    assert [] == states(page)


def test_files_are_dropped(visit: Visiting, files: Path) -> None:
    """Files that are dropped together, in any order, each find their place."""
    page = visit().page
    drop(page, files, ["order.txt", "log-card.json", "order.txt.receipt"])
    says(page, "#receipt-found", "a receipt")
    page.fill("#block", HASH)
    headline(page, "Intact")
    assert "log.example/anchorline" in page.inner_text("#card-found")
    assert sha256(CONTENT).hex() in page.inner_text("#record-found")


def test_a_certificate_brings_its_receipt(visit: Visiting, files: Path) -> None:
    """A PDF with a receipt attached is taken as that receipt, chosen or dropped; any other PDF is a record."""
    data = (files / "order.txt.receipt").read_bytes()
    verdict = verify(SHAPE.receipt, SHAPE.verifier)
    (files / "order.pdf").write_bytes(Certificate(data, "order.txt.receipt", verdict).render())
    (files / "plain.pdf").write_bytes(b"%PDF-1.7\n%%EOF\n")
    page = visit().page
    bring(page, files)
    page.set_input_files("#receipt-file", files / "order.pdf")
    says(page, "#receipt-found", "order.pdf: a certificate, with its receipt")
    page.fill("#block", HASH)
    headline(page, "Intact")
    page.set_input_files("#receipt-file", files / "plain.pdf")
    says(page, "#receipt-found", "plain.pdf: neither")
    drop(page, files, ["plain.pdf", "order.pdf"])
    says(page, "#receipt-found", "order.pdf: a certificate")
    says(page, "#record-found", "plain.pdf: 15 bytes")


# A file that is gone when it is read, as the browser says it.
GONE = """{ name: "gone", slice: () => ({ arrayBuffer: async () => { throw new DOMException("", "NotFoundError"); } }),
            stream: () => { throw new DOMException("", "NotFoundError"); } }"""


def test_what_cannot_be_read_does_not_count(visit: Visiting, files: Path) -> None:
    """A card that cannot be read leaves none, not the one before; nor does a receipt; a dropped folder is named."""
    page = visit().page
    bring(page, files)
    page.fill("#block", HASH)
    headline(page, "Intact")
    page.evaluate(f"takeFile('card', {GONE})")
    headline(page, "Incomplete")
    assert "gone: cannot be read" in page.inner_text("#card-found")
    page.evaluate(
        f"""() => {{
            const event = new Event("drop");
            event.dataTransfer = {{ files: [{GONE}] }};
            document.dispatchEvent(event);
        }}"""
    )
    says(page, "#record-found", "gone: cannot be read")
    says(page, "#steps > li:nth-child(2)", "the content in the receipt")
    page.evaluate(f"takeFile('receipt', {GONE})")
    assert page.is_hidden("#verdict")


def test_the_newest_choice_counts(visit: Visiting, files: Path) -> None:
    """A file that is read slowly does not take the place of one that was chosen after it."""
    page = visit().page
    bring(page, files)
    page.set_input_files("#receipt-file", [])  # Chromium says nothing of the same file chosen again
    page.evaluate(
        """() => {
            const later = new Promise(resume => { window.readOn = () => resume(new ArrayBuffer(1)); });
            window.slow = takeFile("receipt", { name: "slow", slice: () => ({ arrayBuffer: () => later }) });
        }"""
    )
    page.set_input_files("#receipt-file", files / "order.txt.receipt")
    page.fill("#block", HASH)
    headline(page, "Intact")
    page.evaluate("async () => { readOn(); await slow; }")
    assert "order.txt.receipt: a receipt" == page.inner_text("#receipt-found")
    headline(page, "Intact")


def test_the_verdict_is_saved(visit: Visiting, files: Path) -> None:
    """What the page saves is what ``verify --json`` says, field by field."""
    page = visit().page
    bring(page, files)
    page.fill("#block", f"regtest:8:{HASH}")
    headline(page, "Intact")
    with page.expect_download() as download:
        page.click("#save")
    saved = json.loads(Path(download.value.path()).read_text())
    assert "order.txt.receipt.verdict.json" == download.value.suggested_filename
    assert verify(SHAPE.receipt, SHAPE.verifier).to_json() == saved


def memory_of(browser_pid: int) -> int:
    """Return the bytes that the browser's processes have for themselves; one that just ended has none."""
    size = 0
    for process in psutil.Process(browser_pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            size += process.memory_full_info().uss
    return size


def test_a_big_file_is_read_in_pieces(visit: Visiting, files: Path, tmp_path: Path) -> None:
    """A record of 256 MiB is hashed as it streams: its digest is right, the page lives on and does not grow."""
    big = tmp_path / "big.bin"
    block, hasher = bytes(range(256)) * 4096, hashlib.sha256()
    with big.open("wb") as file:
        for _ in range(BIG_BYTES // len(block)):
            file.write(block)
            hasher.update(block)
    page = visit().page
    bring(page, files)
    launched = next(child for child in psutil.Process().children(recursive=True) if "--headless" in child.cmdline())
    before, most = memory_of(launched.pid), 0
    page.set_input_files("#record-file", big)
    shares = []
    while not page.is_hidden("#record-progress"):
        most = max(most, memory_of(launched.pid))
        assert page.is_hidden("#verdict") or page.is_hidden("#record-progress")
        shares.append(page.evaluate("document.getElementById('record-progress').value"))
    assert len({share for share in shares if 0 < share < 1}) >= 2
    assert hasher.hexdigest() in page.inner_text("#record-found")
    assert 0 < most - before < MOST_GROWTH
    headline(page, "Does not verify")


def test_a_browser_without_reused_pieces(visit: Visiting) -> None:
    """Where a file's stream cannot fill the page's own room, its pieces are hashed as they come."""
    streamed = """async () => toHex(await digestOf({
        size: 6,
        stream: () => new ReadableStream({
            start(controller) {
                for (const piece of ["one", "two"]) controller.enqueue(utf8(piece));
                controller.close();
            },
        }),
    }))"""
    assert sha256(b"onetwo").hex() == visit().page.evaluate(streamed)


# What leaves the browser


def put_address(page: Page, explorers: list[Explorer]) -> None:
    page.evaluate("document.getElementById('explorers').open = true")
    page.fill("#own-explorers", "\n".join(each.address for each in explorers))


@pytest.fixture
def two() -> Iterator[list[Explorer]]:
    """Two explorers that know the receipt's block, ten deep."""
    with ExitStack() as stack:
        yield [stack.enter_context(explorer(8, ANCHOR.decoded_header, 17)) for _ in range(2)]


def test_nothing_is_asked_without_consent(visit: Visiting, files: Path, two: list[Explorer]) -> None:
    """With a network and with addresses, the button asks nothing as long as the visitor has not consented."""
    visitor = visit(offline=False)
    bring(visitor.page, files)
    put_address(visitor.page, two)
    visitor.page.click("#look-up")
    assert "Nothing was asked" in visitor.page.inner_text("#explorers-status")
    assert [visitor.page.url] == visitor.requests
    assert [[], []] == [each.asked for each in two]


def test_consent_asks_only_what_was_chosen(visit: Visiting, files: Path, two: list[Explorer]) -> None:
    """Two explorers that agree are believed; each is asked for the block, and nothing else leaves, then or later."""
    visitor = visit(offline=False)
    page = visitor.page
    bring(page, files)
    put_address(page, two)
    page.check("#consent")
    page.click("#look-up")
    headline(page, "Intact")
    assert [sorted(each.answers()) for each in two] == [sorted(each.asked) for each in two]
    expected = {page.url} | {f"{each.address.removesuffix('/api')}{path}" for each in two for path in each.answers()}
    assert expected == set(visitor.requests)
    assert ", 10 confirmations" in page.inner_text("#steps > li:nth-child(12)")
    with explorer(8, ANCHOR.decoded_header, 17) as third:
        other = "address => fetch(address).then(() => 'reached', () => 'refused')"
        assert "refused" == page.evaluate(other, f"{third.address}/blocks/tip/height")
        assert [] == third.asked


def test_an_explorer_alone_is_not_asked(visit: Visiting, files: Path, two: list[Explorer]) -> None:
    """One explorer is not enough, nor the same one twice; another one that is added then is reached."""
    page = visit(offline=False).page
    bring(page, files)
    put_address(page, [two[0], two[0]])
    page.check("#consent")
    page.click("#look-up")
    says(page, "#explorers-status", "at least 2 explorers")
    assert [] == two[0].asked
    put_address(page, two)
    page.click("#look-up")
    headline(page, "Intact")


def test_an_answer_about_another_receipt_is_dropped(visit: Visiting, files: Path) -> None:
    """What explorers answer when another receipt was chosen meanwhile is not held against that one."""
    page = visit().page
    bring(page, files)
    page.evaluate(
        """() => {
            const view = { network: "mainnet", believed: "explorers", at: () => null };
            const later = new Promise(resume => { window.answer = () => resume(view); });
            window.lookUp = () => later;
        }"""
    )
    page.evaluate("document.getElementById('consent').checked = true")
    page.evaluate("() => { window.asking = lookUpBlock(); }")
    (files / "again.receipt").write_bytes(SHAPE.receipt.encode())
    page.set_input_files("#receipt-file", files / "again.receipt")
    says(page, "#receipt-found", "again.receipt")
    page.evaluate("async () => { answer(); await asking; }")
    says(page, "#explorers-status", "on the word of explorers")
    page.fill("#block", HASH)
    headline(page, "Intact")


OTHER = mine_header(bytes(32), bytes(32), 1, "regtest")
IDLE = Header(1, bytes(32), bytes(32), 1, 0x1D00FFFF, 0)


@pytest.mark.parametrize(
    ("header", "tip", "expected"),
    [
        (OTHER, 17, "do not agree"),
        (IDLE, 17, "without its work"),
        (ANCHOR.decoded_header, 7, "cannot be right"),
    ],
    ids=["another block", "no work", "a tip below the block"],
)
def test_explorers_that_cannot_be_right_are_not_believed(
    visit: Visiting, files: Path, two: list[Explorer], header: Header, tip: int, expected: str
) -> None:
    """Where one of two explorers says another thing, none of them is believed, and the verdict is as before."""
    page = visit(offline=False).page
    bring(page, files)
    two[1].header, two[1].tip = header, tip
    put_address(page, two)
    page.check("#consent")
    page.click("#look-up")
    says(page, "#explorers-status", expected)
    headline(page, "Could not be checked")


def test_a_shallow_block_is_not_enough(visit: Visiting, files: Path, two: list[Explorer]) -> None:
    """A block that explorers see only three deep is not deep enough for six, and enough for who wants three."""
    page = visit(offline=False).page
    bring(page, files)
    for each in two:
        each.tip = 10
    put_address(page, two)
    page.check("#consent")
    page.click("#look-up")
    headline(page, "Incomplete")
    assert "not deep enough yet, 6 are wanted" in page.inner_text("#meaning")
    page.fill("#depth", "3")
    headline(page, "Intact")


def test_only_the_pages_own_script_runs(visit: Visiting) -> None:
    """The policy in the page lets no other script run: neither text that is evaluated, nor an element that is added."""
    page = visit().page
    added = """() => {
        const script = document.createElement("script");
        script.textContent = "window.wasRun = true";
        document.head.append(script);
        const image = document.createElement("img");
        image.setAttribute("onerror", "window.wasRun = true");
        image.src = "data:,";
        document.body.append(image);
        return window.wasRun === true;
    }"""
    assert page.evaluate(added) is False
    page.wait_for_timeout(50)
    assert page.evaluate("window.wasRun === undefined")


# OpenTimestamps files


def timestamped(files: Path) -> Header:
    """Write an .ots file over the record; return the header of the block that it leads to."""
    steps = (ots.append(b"calendar"), ots.SHA256)
    root = ots.execute(steps, sha256(CONTENT))
    (files / "order.txt.ots").write_bytes(ots.linear(sha256(CONTENT), steps, 8))
    return mine_header(bytes(32), root, 1_750_000_000, "regtest")


def test_a_timestamped_file(visit: Visiting, files: Path, two: list[Explorer]) -> None:
    """An .ots file is checked up to the Merkle root of a block that explorers show, on the network that is named."""
    header = timestamped(files)
    page = visit(offline=False).page
    page.set_input_files("#receipt-file", files / "order.txt.ots")
    page.set_input_files("#record-file", files / "order.txt")
    headline(page, "Could not be checked")
    assert hash_hex(header.merkle_root) in page.inner_text("#compare")
    page.evaluate("document.getElementById('explorers').open = true")
    page.select_option("#ots-network", "regtest")
    put_address(page, two)
    page.check("#consent")
    page.click("#look-up")
    headline(page, "Does not verify")
    assert "attestation-mismatch" in page.inner_text("#steps")
    for each in two:
        each.header = header
    page.click("#look-up")
    headline(page, "Timestamped in Bitcoin, unchanged since")
    page.set_input_files("#record-file", files / "changed.txt")
    headline(page, "Does not verify")


# Time stamps of an authority


def test_a_time_stamp_is_checked_by_the_certificates_that_are_brought(visit: Visiting, tmp_path: Path) -> None:
    """The root of an authority is dropped: its time stamp holds, and counts for a block only where that is said."""
    [case] = [each for each in VECTORS if each["description"] == "a time stamp alone: accepted"]
    (tmp_path / "stamped.receipt").write_text(case["receipt"])
    (tmp_path / "card.json").write_text(case["verifier"]["card"])
    (tmp_path / "root.pem").write_text(case["verifier"]["timestamp_certificates"])
    page = visit().page
    drop(page, tmp_path, ["stamped.receipt", "card.json"])
    headline(page, "Incomplete")
    says(page, "#meaning", "no certificate of a time-stamping authority was given")
    drop(page, tmp_path, ["root.pem"])
    says(page, "#certificates-found", "root.pem: 1 certificate")
    says(page, "#meaning", "that is the word of an authority")
    page.evaluate("document.getElementById('certificates-slot').open = true")
    page.check("#accept-timestamp")
    headline(page, "Intact by an authority's time stamp; no block of Bitcoin was checked")
    says(page, "#steps", "whether a certificate was revoked is not checked")
    page.set_input_files("#certificates-file", tmp_path / "card.json")
    says(page, "#certificates-found", "expected certificates in PEM")
    headline(page, "Incomplete")


# Certificates that are bound to an identity


def test_a_bound_certificate_is_vouched_for_by_the_roots_that_are_brought(visit: Visiting, tmp_path: Path) -> None:
    """The root of an authority is dropped: step 21 says whose certificate the author's identity is bound to."""
    description = "the author's identity is bound to a certificate: a qualified seal"
    [case] = [each for each in json.loads(CERTIFICATES.read_text())["cases"] if each["description"] == description]
    (tmp_path / "order.receipt").write_text(case["receipt"])
    (tmp_path / "card.json").write_text(case["verifier"]["card"])
    (tmp_path / "root.pem").write_text(case["verifier"]["authorities"])
    page = visit().page
    drop(page, tmp_path, ["order.receipt", "card.json"])
    says(page, "#steps", "none of the certificates that you trust vouches for it: not judged")
    drop(page, tmp_path, ["root.pem"])
    says(page, "#authorities-found", "root.pem: 1 certificate")
    says(page, "#steps", "CN=Sealing Root,O=Example vouches for it")
    assert "a qualified certificate of the EU, with its key in a qualified device" in page.inner_text("#steps")
    page.set_input_files("#authorities-file", tmp_path / "card.json")
    says(page, "#authorities-found", "expected certificates in PEM")
    says(page, "#steps", "not judged")


def test_revocation_lists_are_dropped_or_chosen(visit: Visiting, tmp_path: Path) -> None:
    """A list in PEM is known by how it begins, one in DER by its name; what is none, or not whole, is refused."""
    [case] = [
        each
        for each in json.loads(CERTIFICATES.read_text())["cases"]
        if each["description"] == "21 revoked before it was bound"
    ]
    names = ("order.receipt", "card.json", "root.pem", "issuer.pem")
    given = [case["receipt"], *(case["verifier"][name] for name in ("card", "authorities", "revocation_lists"))]
    for name, text in zip(names, given, strict=True):
        (tmp_path / name).write_text(text)
    [revoking] = lists_in((tmp_path / "issuer.pem").read_bytes(), "a test")
    (tmp_path / "issuer.crl").write_bytes(revoking.public_bytes(Encoding.DER))
    (tmp_path / "delta.crl").write_bytes(revocation_list(BETWEEN, is_delta=True).public_bytes(Encoding.DER))
    page = visit().page
    for name in ("issuer.pem", "issuer.crl"):
        drop(page, tmp_path, ["order.receipt", "card.json", "root.pem", name])
        says(page, "#lists-found", f"{name}: 1 list")
        says(page, "#steps", "it, or one above it, was revoked, 2025-06-14T")
        headline(page, "Does not verify")
    page.set_input_files("#lists-file", tmp_path / "delta.crl")
    says(page, "#lists-found", "expected complete revocation lists")
    page.set_input_files("#lists-file", tmp_path / "card.json")
    says(page, "#lists-found", "expected revocation lists (X.509 CRL, PEM or DER)")
    says(page, "#steps", "CN=Sealing Root,O=Example vouches for it")


# Evidence of a broken promise


def test_evidence_is_judged(visit: Visiting, files: Path) -> None:
    """Evidence that is dropped with the card names the breach and each step; another card accuses nobody."""
    evidence = ACCUSATIONS["sealed too late"]()
    (files / "late.json").write_bytes(evidence.encode())
    (files / "accused.json").write_bytes(LogCard(evidence.log).encode())
    (files / "other.json").write_bytes(World(name="other").card.encode())
    page = visit().page
    drop(page, files, ["late.json"])
    headline(page, "A promise was broken; by whose log, is not said")
    drop(page, files, ["accused.json"])
    headline(page, "The log broke its promise: it was late")
    assert "ms later" in page.inner_text("#meaning")
    assert {"ok"} == set(states(page))
    with page.expect_download() as download:
        page.click("#save")
    assert "late" == json.loads(Path(download.value.path()).read_text())["outcome"]
    page.screenshot(path=SCREENSHOTS / "evidence.png", full_page=True)
    assert [] == violations(page)
    page.set_input_files("#card-file", files / "other.json")
    headline(page, "This is no evidence of a broken promise")


# For everybody


def test_the_keyboard_is_enough(visit: Visiting) -> None:
    """Tab reaches every control in the order of the page; a receipt is pasted and judged without a mouse."""
    page = visit().page
    reached: list[str] = []
    for _ in range(15):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert [
        "receipt-file",
        "record-file",
        "record-folder",
        "card-file",
        "any-log",
        "SUMMARY",
        "SUMMARY",
        "SUMMARY",
        "SUMMARY",
        "block",
        "headers-file",
        "depth",
        "SUMMARY",
        "SUMMARY",
        "SUMMARY",
    ] == reached
    for _ in range(6):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert "pasted" == page.evaluate("document.activeElement.id")
    page.keyboard.insert_text(SHAPE.receipt.encode().decode())
    page.keyboard.press("Tab")
    page.keyboard.type(HASH)
    headline(page, "Incomplete")
    for _ in range(6):
        page.keyboard.press("Shift+Tab")
    assert "any-log" == page.evaluate("document.activeElement.id")
    page.keyboard.press("Space")
    headline(page, "Intact")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("size", "record", "verdict"),
    [((1100, 900), "order.txt", "Intact"), ((390, 800), "changed.txt", "Does not verify")],
    ids=["intact on a desk", "failed on a phone"],
)
def test_it_is_accessible(
    visit: Visiting, files: Path, scheme: str, size: tuple[int, int], record: str, verdict: str
) -> None:
    """axe-core finds no fault in an intact and a failed verdict, light and dark; nothing sticks out of the screen."""
    width, height = size
    page = visit(scheme=scheme, width=width, height=height).page
    bring(page, files, record)
    page.fill("#block", HASH)
    headline(page, verdict)
    page.screenshot(path=SCREENSHOTS / f"{scheme}_{width}.png", full_page=True)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    assert [] == violations(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_empty_page_is_accessible(visit: Visiting) -> None:
    """Before anything is brought, axe-core finds no fault either."""
    page = visit().page
    page.screenshot(path=SCREENSHOTS / "empty.png", full_page=True)
    assert [] == violations(page)


def test_what_is_said_aloud(visit: Visiting, files: Path) -> None:
    """A screen reader is told of the verdict and of each step, and of a mistake in the block's field at once."""
    page = visit().page
    bring(page, files)
    headline(page, "Could not be checked")
    roles = {name: page.get_attribute(f"#{name}", "aria-live") for name in ("banner", "steps")}
    assert {"banner": "polite", "steps": "polite"} == roles
    assert "alert" == page.get_attribute("#block-error", "role")
    labels = page.locator("input, select, textarea").evaluate_all("all => all.map(each => each.labels.length)")
    assert all(count >= 1 for count in labels)


# The expected author


def test_the_author_whom_the_visitor_expects_is_asked_for(visit: Visiting, tmp_path: Path) -> None:
    """The card of the author's identity is dropped, or another id is typed: another author does not verify."""
    [case] = [each for each in VECTORS if each["description"] == "the author's identity is the expected one"]
    receipt = Receipt.decode(case["receipt"].encode())
    assert receipt.sealed is not None
    [shown] = receipt.sealed.evidence
    begin = Statement.decode(statement_of(Entry.decode(bytes.fromhex(shown["entries"][0]))) or b"")
    (tmp_path / "order.receipt").write_text(case["receipt"])
    (tmp_path / "card.json").write_text(case["verifier"]["card"])
    (tmp_path / "acme.json").write_bytes(IdentityCard(begin).encode())
    page = visit().page
    drop(page, tmp_path, ["order.receipt", "card.json", "acme.json"])
    says(page, "#author-found", f"acme.json: identity {case['verifier']['author']}, which calls itself")
    says(page, "#steps", "; the author that you expect")
    page.fill("#author", "5a" * 32)
    headline(page, "Does not verify")
    says(page, "#meaning", "somebody else wrote it")
    page.fill("#author", "acme")
    says(page, "#author-error", "64 hex digits")
    assert page.locator("#verdict").is_hidden()
    page.set_input_files("#author-file", tmp_path / "card.json")
    says(page, "#author-found", "identity card")

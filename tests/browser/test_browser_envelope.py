"""A reader in a browser: ``verify.html`` opens what was encrypted for him, and says why it does not open for others.

Input is an anchored receipt of such an entry with its envelope, and key files as ``anchorline reader-key`` writes them.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from anchor.bitcoin.key_cipher import Cost
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.blocks import GivenBlock
from anchor.proof.codec import sha256
from anchor.proof.entry import Extension, ExtensionType
from anchor.proof.receipt import Content, ContentState, LogCard
from anchor.proof.verify import verify_bytes
from chains.client.encrypting import ReaderKey, encrypt, open_envelope, wrap_all
from chains.client.envelope import Envelope
from chains.secret_file import SecretFile, SecretKind, encrypted_secret
from tests.browser.conftest import SCREENSHOTS, Visiting
from tests.browser.faults import violations
from tests.browser.test_browser_page import drop, headline, says, states
from tests.simulators.world import World

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FINDING = b"finding: all clear\n" * 20_000
ANNA, BEN = ReaderKey(sha256(b"anna")), ReaderKey(sha256(b"ben"))
PASSWORD = "beam and girder"
CONTENT_KEY = sha256(b"a content key")


@dataclass(frozen=True)
class Held:
    """What a reader holds, the hash of the block to compare, and the verdict on what Python opens of it."""

    folder: Path
    block: str
    said: str


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    """A finding for Anna: receipt, envelope, card; her key in clear and under a password, and Ben's."""
    folder = tmp_path_factory.mktemp("encrypted")
    world = World()
    world.fund_thread()
    chain_id = world.write_first("ward 3").entry.chain_id
    box = encrypt(chain_id, world.next_salt(), FINDING, CONTENT_KEY, bytes(12))
    entry = world.entry(chain_id, FINDING, extensions=(Extension(ExtensionType.ENVELOPE, sha256(box)),))
    written = world.write(entry, FINDING)
    other = world.write_next(chain_id, b"in clear")
    sealed = world.seal()
    anchor = world.anchor(sealed)
    receipt = replace(world.receipt(written, sealed, [anchor]), content=Content(ContentState.WITHHELD))
    verifier = world.verifier(receipt, height=anchor.height)
    assert isinstance(verifier.card, LogCard)
    [block] = verifier.blocks
    assert isinstance(block, GivenBlock)
    envelope = Envelope(entry.hash, wrap_all(CONTENT_KEY, [ANNA.public_key], entry.hash), box)
    opened = open_envelope(envelope, entry, ANNA).shown_in(receipt, with_content=False)
    said = verify_bytes(opened.encode(), replace(verifier, content_digest=sha256(FINDING)))
    locked = encrypted_secret(
        SecretKind.READER_KEY, ANNA.text, ANNA.private_bytes(), PASSWORD, bytes(28), Cost(n=2**15)
    )
    for name, data in {
        "finding.txt.receipt": receipt.encode(),
        "finding.envelope": envelope.encode(),
        "changed.envelope": replace(envelope, box=box[:-1] + bytes((box[-1] ^ 1,))).encode(),
        "other.receipt": world.receipt(other, sealed, [anchor]).encode(),
        "card.json": verifier.card.encode(),
        "anna.key": SecretFile(SecretKind.READER_KEY, ANNA.text, plain=ANNA.private_bytes()).encode(),
        "anna-locked.key": locked.encode(),
        "ben.key": SecretFile(SecretKind.READER_KEY, BEN.text, plain=BEN.private_bytes()).encode(),
        "search.key": SecretFile(SecretKind.SEARCH_KEY, "search_1", plain=bytes(32)).encode(),
    }.items():
        (folder / name).write_bytes(data)
    return Held(folder, hash_hex(block.hash), json.dumps(said.to_json(), sort_keys=True))


def test_a_reader_opens_verifies_and_saves(visit: Visiting, held: Held, tmp_path: Path) -> None:
    """All is dropped together: the content is what was recorded, the verdict Python's; nothing leaves the browser."""
    visitor = visit()
    page = visitor.page
    drop(page, held.folder, ["finding.txt.receipt", "card.json"])
    headline(page, "Could not be checked")
    says(page, "#meaning", "bring its envelope and your reader's key")
    drop(page, held.folder, ["finding.envelope", "anna.key"])
    says(page, "#envelope-found", "for 1 reader")
    says(page, "#reader-found", ANNA.text)
    says(page, "#opened-found", f"Opened: {len(FINDING)} bytes, SHA-256 {sha256(FINDING).hex()}")
    page.fill("#block", held.block)
    headline(page, "Intact")
    assert ["ok", "ok", "absent"] == states(page)[:3]
    for button, name in (("#save-content", "finding.txt"), ("#save", "verdict")):
        with page.expect_download() as saving:
            page.click(button)
        saving.value.save_as(tmp_path / name)
        if button == "#save-content":
            assert "finding.txt" == saving.value.suggested_filename
    assert FINDING == (tmp_path / "finding.txt").read_bytes()
    assert held.said == json.dumps(json.loads((tmp_path / "verdict").read_bytes()), sort_keys=True)
    page.screenshot(path=SCREENSHOTS / "envelope.png", full_page=True)
    assert [page.url] == [address for address in visitor.requests if not address.startswith("blob:")]
    assert [] == visitor.complaints
    page.set_input_files("#record-file", held.folder / "card.json")
    headline(page, "Does not verify")
    assert [] == violations(page)


def test_a_key_under_a_password_by_keyboard_alone(visit: Visiting, held: Held) -> None:
    """The field appears, a wrong password is said at once, the right one with Enter opens, and none stays there."""
    page = visit().page
    drop(page, held.folder, ["finding.txt.receipt", "finding.envelope", "anna-locked.key"])
    expect(page.locator("#reader-password")).to_be_visible()
    page.focus("#reader-file")
    page.keyboard.press("Tab")
    assert "reader-password" == page.evaluate("document.activeElement.id")
    page.keyboard.type("beam and gender")
    page.keyboard.press("Enter")
    says(page, "#opened-found", "the password does not open the key")
    assert page.is_hidden("#save-content")
    page.fill("#reader-password", PASSWORD)
    page.keyboard.press("Enter")
    says(page, "#opened-found", "It is what the entry commits to")
    assert "" == page.input_value("#reader-password")
    assert "status" == page.get_attribute("#opened-found", "role")
    assert [] == violations(page)


def test_what_does_not_open_is_named(visit: Visiting, held: Held) -> None:
    """Another reader's key, a changed box, another entry, a search key: each is said, and nothing can be saved."""
    page = visit().page
    drop(page, held.folder, ["finding.txt.receipt", "finding.envelope", "ben.key"])
    says(page, "#opened-found", f"has no key for reader {BEN.reader.hex()}")
    headline(page, "Could not be checked")
    drop(page, held.folder, ["anna.key"])
    says(page, "#opened-found", "It is what the entry commits to")
    drop(page, held.folder, ["changed.envelope"])
    says(page, "#opened-found", "whoever kept it changed it")
    assert page.is_hidden("#save-content")
    drop(page, held.folder, ["finding.envelope"])
    says(page, "#opened-found", "It is what the entry commits to")
    page.set_input_files("#receipt-file", held.folder / "card.json")
    says(page, "#receipt-found", "neither a receipt")
    assert page.is_hidden("#save-content"), "what was opened belongs to a receipt that is no longer there"
    drop(page, held.folder, ["other.receipt"])
    says(page, "#opened-found", "names no envelope")
    assert page.is_hidden("#save-content")
    page.set_input_files("#reader-file", held.folder / "search.key")
    says(page, "#reader-found", "anchorline-reader-key/1")


def test_a_browser_without_x25519_says_so(visit: Visiting, held: Held) -> None:
    """Where WebCrypto has no X25519 the visitor is told what does it, and the receipt is judged all the same."""
    page = visit().page
    page.evaluate(
        """() => {
            const own = SubtleCrypto.prototype.importKey;
            SubtleCrypto.prototype.importKey = function (form, data, algorithm, ...rest) {
                if (algorithm === "X25519") throw new DOMException("", "NotSupportedError");
                return own.call(this, form, data, algorithm, ...rest);
            };
        }"""
    )
    drop(page, held.folder, ["finding.txt.receipt", "finding.envelope", "anna.key"])
    says(page, "#opened-found", "`anchorline open` does")
    headline(page, "Could not be checked")

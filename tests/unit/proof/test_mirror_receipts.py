"""Receipts made of a mirror: the same that the service makes, but for what no mirror has."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.proof.errors import AnchorlineError, VerificationError
from anchor.proof.mirror_parts import NotInMirrorError
from anchor.proof.mirror_receipts import MirrorReceipts, Place
from anchor.proof.published_tree import Fetch, WithheldError
from anchor.proof.receipt import Content, ContentState, Receipt
from anchor.proof.verify import Outcome
from chains.mirror_folder import fetch_from
from chains.reader import Reader
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, judge

WITHHELD = Content(ContentState.WITHHELD)


@pytest.fixture
def public(service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path) -> Path:
    """A mirror with the entries of acme (of 302, first sealed in three seals), and hashes alone of the chain other.

    The newest seal, of one more entry, is not anchored.
    """
    service.add("acme", *(b"%d" % number for number in range(260)))
    service.anchor(bitcoin)
    service.open_chain("other")
    service.add("other", b"hidden")
    service.seal()
    service.add("acme", *(b"more %d" % number for number in range(40)))
    service.anchor(bitcoin)
    service.add("acme", b"sealed only")
    service.seal()
    service.publish(tmp_path / "public", "acme")
    return tmp_path / "public"


def hashes_of(service: Service, name: str) -> list[bytes]:
    chain = service.home.chains.named(name)
    reader = Reader(service.home.engine, service.home.chains, service.home.lookup)
    return [stored.entry_hash for stored in reader.page(chain, 0, 1_000)]


def place_of(service: Service, name: str, index: int) -> Place:
    return Place(service.home.chains.named(name).chain_id, index)


def as_a_mirror_has_it(receipt: Receipt) -> Receipt:
    return replace(receipt, content=WITHHELD, promise=None)


def changed(fetch: Fetch, path: str, change: Callable[[bytes], bytes | None]) -> Fetch:
    """Return what shows one file otherwise; None hides it."""

    def read(asked: str) -> bytes | None:
        data = fetch(asked)
        return data if data is None or not asked.startswith(path) else change(data)

    return read


def test_every_receipt_is_the_service_s_own(service: Service, public: Path) -> None:
    """Leaf for leaf, path for path: against the same checkpoint, with the same anchor, and they verify."""
    receipts = MirrorReceipts(fetch_from(public))
    hashes = hashes_of(service, "acme")
    for index in (0, 1, 255, 256, 260, 261, 300):
        made = receipts.make(place_of(service, "acme", index))
        assert as_a_mirror_has_it(service.receipt(hashes[index])) == made
        assert made == Receipt.decode(made.encode())
        verdict = judge(made, service.home.card(), service.home.source)
        assert Outcome.INTACT == verdict.outcome, verdict


def test_what_is_not_anchored_yet_has_the_newest_checkpoint(service: Service, public: Path) -> None:
    """A receipt without an anchor is a valid one; a later mirror completes it."""
    made = MirrorReceipts(fetch_from(public)).make(place_of(service, "acme", 301))
    assert as_a_mirror_has_it(service.receipt(hashes_of(service, "acme")[301])) == made
    assert made.sealed is not None
    assert () == made.sealed.anchors


def test_an_entry_is_found_by_its_hash(service: Service, public: Path) -> None:
    """In its chain, or in all of them."""
    receipts = MirrorReceipts(fetch_from(public))
    wanted = hashes_of(service, "acme")[258]
    assert place_of(service, "acme", 258) == receipts.find(wanted)
    assert place_of(service, "acme", 258) == receipts.find(wanted, [service.home.chains.named("acme").chain_id])
    with pytest.raises(NotInMirrorError, match="in no seal that this mirror has"):
        receipts.find(bytes(32))


def test_of_a_chain_without_entries_whoever_has_the_entry_gets_its_receipt(service: Service, public: Path) -> None:
    """The hashes are enough; another entry does not get it."""
    receipts = MirrorReceipts(fetch_from(public))
    known = service.receipt(hashes_of(service, "other")[1])
    place = place_of(service, "other", 1)
    assert as_a_mirror_has_it(known) == receipts.make(place, known.entry.encode())
    with pytest.raises(NotInMirrorError, match="bring the entry yourself"):
        receipts.make(place)
    with pytest.raises(VerificationError):
        receipts.make(place, service.receipt(hashes_of(service, "other")[0]).entry.encode())


def test_a_pending_receipt_is_completed(service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """What it shows of the content and its promise stay, which no mirror has."""
    (entry_hash,) = service.add("acme", b"promised")
    pending = service.receipt(entry_hash)
    service.anchor(bitcoin)
    service.publish(tmp_path / "public")
    completed = MirrorReceipts(fetch_from(tmp_path / "public")).upgrade(pending)
    assert service.receipt(entry_hash) == completed
    assert pending.promise == completed.promise
    assert Outcome.INTACT == judge(completed, service.home.card(), service.home.source).outcome


def test_what_the_mirror_has_not_is_said(service: Service, public: Path) -> None:
    """No such entry, no such chain, nothing there at all."""
    receipts = MirrorReceipts(fetch_from(public))
    for place in (place_of(service, "acme", 302), Place(bytes(32), 0)):
        with pytest.raises(NotInMirrorError):
            receipts.make(place)
    with pytest.raises(NotInMirrorError, match="expected a mirror"):
        MirrorReceipts(lambda _: None).make(place)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("tile/entries/", NotInMirrorError),
        ("tile/0/", WithheldError),
        ("chain/", WithheldError),
        ("checkpoint", NotInMirrorError),
        ("log-card.json", NotInMirrorError),
    ],
)
def test_a_missing_file_is_named(service: Service, public: Path, path: str, error: type[AnchorlineError]) -> None:
    """A receipt is made whole or not at all."""
    entry = service.receipt(hashes_of(service, "acme")[5]).entry.encode()
    with pytest.raises(error):
        MirrorReceipts(changed(fetch_from(public), path, lambda _: None)).make(place_of(service, "acme", 5), entry)


@pytest.mark.parametrize(
    ("path", "at"), [("tile/entries/", 20), ("tile/0/", 1), ("chain/", 33), ("checkpoints/", -40), ("thread/", -40)]
)
def test_a_mirror_that_lies_gives_no_receipt_that_verifies(service: Service, public: Path, path: str, at: int) -> None:
    """One byte of what the receipt is made of: it is refused while it is made, or judged as what it is."""

    def lie(data: bytes) -> bytes:
        return data[:at] + bytes((data[at] ^ 1,)) + data[at:][1:]

    try:
        made = MirrorReceipts(changed(fetch_from(public), path, lie)).make(place_of(service, "acme", 0))
    except AnchorlineError:
        return
    assert Outcome.INTACT != judge(made, service.home.card(), service.home.source).outcome

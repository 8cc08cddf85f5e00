"""The key history of an author in receipts made of a mirror: the service's own, or said to be missing, and no lies.

Input is a home with an identity whose key for entries was rotated between the orders that it signed.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.errors import AnchorlineError
from anchor.proof.identity import Ending, Purpose
from anchor.proof.identity_history import History
from anchor.proof.mirror_receipts import MirrorReceipts, Place
from anchor.proof.receipt import Content, ContentState, Receipt
from anchor.proof.verify import Outcome, State
from chains.identity_stating import announced, completed, record_statement, rotated
from chains.mirror_folder import fetch_from
from chains.work import Submission
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.identities import Holder, began, entry_of, first_entry_of, key, key_set, public
from tests.simulators.service import Service, judge
from tests.simulators.world import sign_entry, signing_key

WAIT_BLOCKS = 144
AUTHOR_STEP = 3


class Orders:
    """A service whose chain of orders is written in the name of an identity."""

    def __init__(self, service: Service, bitcoin: SimulatedBitcoin) -> None:
        self.service, self.bitcoin = service, bitcoin
        self.made: list[bytes] = []
        keys = key_set(key("boss"), key("press", Purpose.ENTRIES), wait_blocks=WAIT_BLOCKS)
        begin = began(service.home.directory.log.log_id, keys, "boss", "press")
        submission = Submission(first_entry_of(begin).encode())
        self.identity, _ = service.home.writer.open_chain_with(submission, "identity", service.clock())
        service.open_chain("orders")
        service.anchor(bitcoin)

    @property
    def history(self) -> History:
        return self.service.home.writer.identities.current(self.identity, self.service.clock())

    def order(self, holder: str) -> None:
        """Record an order that a holder signed."""
        chain = self.service.home.chains.named("orders")
        named = (Extension(ExtensionType.IDENTITY, self.identity.chain_id),)
        commitment = entry_of(chain.chain_id, b"order", bytes([len(self.made)])).content_commitment
        entry = sign_entry(Entry(chain.chain_id, commitment, extensions=named), signing_key(holder))
        self.service.home.writer.submit(chain, [Submission(entry.encode())], self.service.clock())
        self.made.append(entry.hash)

    def rotate(self) -> None:
        """Put the key of the web in the place of that of the press."""
        statement = rotated(self.history, Holder("boss"), public("press"), Holder("web"), Ending.REPLACED, 1 << 62)
        record_statement(self.service.home.writer, self.identity, statement, self.service.clock())

    def place(self, number: int) -> Place:
        return Place(self.service.home.chains.named("orders").chain_id, number + 1)

    def published(self, folder: Path, *names: str) -> MirrorReceipts:
        self.service.publish(folder, *names)
        return MirrorReceipts(fetch_from(folder))


@pytest.fixture
def orders(service: Service, bitcoin: SimulatedBitcoin) -> Orders:
    """Orders before the rotation, in its seal, and after it; each seal is anchored."""
    told = Orders(service, bitcoin)
    told.order("press")
    service.anchor(bitcoin)
    told.order("press")
    told.rotate()
    service.anchor(bitcoin)
    told.order("web")
    service.anchor(bitcoin)
    return told


def as_a_mirror_has_it(receipt: Receipt) -> Receipt:
    return replace(receipt, content=Content(ContentState.WITHHELD), promise=None)


def author_of(service: Service, receipt: Receipt) -> tuple[State, str]:
    """Return what step 3 says of a receipt."""
    verdict = judge(receipt, service.home.card(), service.home.source)
    step = next(each for each in verdict.steps if each.number == AUTHOR_STEP)
    return step.state, step.text


def test_receipts_say_of_an_author_s_keys_what_the_service_s_own_say(orders: Orders, tmp_path: Path) -> None:
    """Before a rotation, in its seal and after it: leaf for leaf the same, and judged offline by the keys of then."""
    receipts = orders.published(tmp_path / "public", "orders", "identity")
    found = []
    for number, entry_hash in enumerate(orders.made):
        made = receipts.make(orders.place(number))
        assert as_a_mirror_has_it(orders.service.receipt(entry_hash)) == made == Receipt.decode(made.encode())
        assert receipts.lacking(made) is None
        found.append(author_of(orders.service, made)[0])
    assert [State.OK, State.FAILED, State.OK] == found


def test_an_identity_whose_entries_are_not_published_is_said_to_be_missing(orders: Orders, tmp_path: Path) -> None:
    """The receipt is made, shows nothing of the keys, and is not taken for one that was checked."""
    receipts = orders.published(tmp_path / "public", "orders")
    made = receipts.make(orders.place(2))
    assert made.sealed is not None
    assert () == made.sealed.evidence
    said = receipts.lacking(made)
    assert said is not None
    assert f"identity {orders.identity.chain_id.hex()}" in said
    assert "and not its entries" in said
    assert author_of(orders.service, made)[0] != State.OK
    assert Outcome.INTACT != judge(made, orders.service.home.card(), orders.service.home.source).outcome


def test_an_older_receipt_gets_its_author_s_keys_from_a_mirror(
    orders: Orders, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """A pending one that named an author is completed with the history as of the anchor."""
    orders.order("web")
    pending = orders.service.receipt(orders.made[-1])
    orders.service.anchor(bitcoin)
    completed_one = orders.published(tmp_path / "public", "orders", "identity").upgrade(pending)
    assert orders.service.receipt(orders.made[-1]) == completed_one
    assert State.OK == author_of(orders.service, completed_one)[0]


def test_an_announced_recovery_is_shown_with_its_anchor(
    orders: Orders, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """As the service shows it: the wait is counted from the first anchor over the announcement."""
    service, writer = orders.service, orders.service.home.writer
    log_key = writer.promise_key
    statement = announced(orders.history, log_key, Holder("new"), Ending.LOST)
    record_statement(writer, orders.identity, statement, service.clock())
    service.anchor(bitcoin)
    bitcoin.mine(WAIT_BLOCKS + 6)
    service.open_chain("other")  # a seal, which knows the blocks that were waited for
    service.anchor(bitcoin)
    record_statement(writer, orders.identity, completed(orders.history, Holder("new")), service.clock())
    service.anchor(bitcoin)
    orders.order("new")
    service.anchor(bitcoin)
    made = orders.published(tmp_path / "public", "orders", "identity").make(orders.place(3))
    assert as_a_mirror_has_it(service.receipt(orders.made[3])) == made
    assert made.sealed is not None
    assert ["identity", "announcement"] == [each["type"] for each in made.sealed.evidence]
    assert State.OK == author_of(service, made)[0]


def flipped(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes((data[at] ^ 1,)) + data[at:][1:]


def showing(orders: Orders, folder: Path, change: Callable[[bytes], bytes]) -> MirrorReceipts:
    """Return what is made of a mirror that shows the identity's entries otherwise."""
    orders.service.publish(folder, "orders", "identity")
    fetch = fetch_from(folder)

    def lying(path: str) -> bytes | None:
        data = fetch(path)
        is_meant = path.startswith(f"chain/{orders.identity.chain_id.hex()}/tile/entries/")
        return change(data) if data is not None and is_meant else data

    return MirrorReceipts(lying)


@pytest.mark.parametrize("at", [2, 60])
def test_a_mirror_that_lies_about_an_identity_gives_no_receipt(orders: Orders, tmp_path: Path, at: int) -> None:
    """An entry with another version, or another commitment, is not what the heads say."""
    with pytest.raises(AnchorlineError):
        showing(orders, tmp_path / "public", flipped(at)).make(orders.place(2))


def test_an_entry_of_an_identity_that_is_left_out_is_missing(orders: Orders, tmp_path: Path) -> None:
    """Half a history would hide the rotation: it is as if none of it were there."""
    receipts = showing(orders, tmp_path / "public", lambda data: data[: 2 + int.from_bytes(data[:2], "big")])
    made = receipts.make(orders.place(2))
    assert made.sealed is not None
    assert () == made.sealed.evidence
    assert receipts.lacking(made) is not None

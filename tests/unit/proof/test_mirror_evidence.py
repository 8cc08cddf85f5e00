"""What receipts made of a mirror show besides the way to Bitcoin: all that the service's own show, and no lies.

Input is a log of which receipts show everything that there is (``tests.simulators.rich_log``), and its mirror.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anchor.proof
from anchor.errors import NotYetError
from anchor.proof.announcement import TYPE as ANNOUNCEMENT
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bundles import decode_bundle
from anchor.proof.calendar import CalendarAnchor
from anchor.proof.certificate_evidence import TYPE as CERTIFICATES
from anchor.proof.earlier_receipts import EARLIER, encode_earlier
from anchor.proof.entry import Author, AuthorType, Entry, Extension, ExternalId, IdKind, Link, Relation
from anchor.proof.errors import AnchorlineError, VerificationError
from anchor.proof.mirror_chain import ChainSays, may_say
from anchor.proof.mirror_evidence import Evidence
from anchor.proof.mirror_receipts import MirrorReceipts, Place
from anchor.proof.published_tree import Fetch
from anchor.proof.receipt import Content, ContentState, Receipt
from anchor.proof.timestamp import TimestampAnchor
from anchor.proof.verdict import Outcome
from anchor.tiles import encode_bundle
from chains.mirror_folder import fetch_from
from tests.simulators.published import files
from tests.simulators.rich_log import CHAINS, RichLog, rich_log
from tests.simulators.service import judge

WITHHELD = Content(ContentState.WITHHELD)
ID = bytes(range(32))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RichLog]:
    """The log."""
    with rich_log(tmp_path_factory.mktemp("rich")) as made:
        yield made


@pytest.fixture(scope="module")
def public(told: RichLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its mirror, with the entries of all chains."""
    folder = tmp_path_factory.mktemp("mirror") / "public"
    told.service.publish(folder, *CHAINS)
    return folder


def as_a_mirror_has_it(receipt: Receipt) -> Receipt:
    """Return a receipt without the promise, and without salt and digest of the content."""
    content = receipt.content if receipt.content.state == ContentState.ERASED else WITHHELD
    return replace(receipt, content=content, promise=None)


def certificates_in(evidence: Evidence) -> Evidence:
    return tuple(item for item in evidence if item["type"] == CERTIFICATES)


def types_of_evidence() -> set[str]:
    """Return the types of evidence that there are: each is the constant TYPE of a module."""
    names = [found.name for found in pkgutil.iter_modules(anchor.proof.__path__, "anchor.proof.")]
    return {module.TYPE for module in map(importlib.import_module, names) if hasattr(module, "TYPE")}


def test_field_by_field_the_service_s_own(told: RichLog, public: Path) -> None:
    """Of every entry: every field, every item of evidence, and the choice of the checkpoint; and it is judged alike.

    What no mirror has is the promise, salt and digest; certificates are brought. A recovery by waiting, which takes 144
    blocks, is in ``test_mirror_identity``.
    """
    receipts, seen, anchors = MirrorReceipts(fetch_from(public)), {ANNOUNCEMENT}, set[type]()
    for name in CHAINS:
        for stored in told.entries(name):
            own = told.service.receipt(stored.entry_hash)
            assert own.sealed is not None
            place = Place(stored.entry.chain_id, stored.leaf_index)
            made = receipts.make(place, brought=certificates_in(own.sealed.evidence))
            assert as_a_mirror_has_it(own) == made == Receipt.decode(made.encode())
            assert receipts.lacking(made) is None
            seen |= {item["type"] for item in own.sealed.evidence}
            anchors |= {type(anchor) for anchor in own.sealed.anchors}
            card, source = told.service.home.card(), told.service.home.source
            verdicts = [judge(each, card, source).to_json() for each in (as_a_mirror_has_it(own), made)]
            assert verdicts[0] == verdicts[1]
    assert types_of_evidence() == seen
    assert {BitcoinAnchor, TimestampAnchor, CalendarAnchor} == anchors


def showing(
    public: Path, chain_id: bytes, change: Callable[[bytes], bytes | None], below: str = "tile/entries/0"
) -> Fetch:
    """Return what shows some files of one chain otherwise, its entries; None hides them."""
    fetch = fetch_from(public)

    def read(path: str) -> bytes | None:
        data = fetch(path)
        is_meant = data is not None and path.startswith(f"chain/{chain_id.hex()}/{below}")
        return change(data) if data is not None and is_meant else data

    return read


def without_the_last(bundle: bytes) -> bytes:
    """Return a bundle of entries with another one in the place of the last, of the same length."""
    *leaves, last = decode_bundle(bundle)
    return encode_bundle([*leaves, bytes(len(last))])


@pytest.mark.parametrize("change", [without_the_last, lambda _: None, lambda data: data[:-40]])
def test_entries_that_are_hidden_or_changed_are_missed(
    told: RichLog, public: Path, change: Callable[[bytes], bytes | None]
) -> None:
    """Whoever keeps back one entry of a chain cannot hide that something may be said later: it is said, and nothing."""
    corrected = told.entries("orders")[1]
    assert corrected.entry_hash == told.told[0]
    receipts = MirrorReceipts(showing(public, told.orders.chain_id, change))
    made = receipts.make(Place(told.orders.chain_id, 1), corrected.raw)
    assert made.sealed is not None
    assert ["identity"] == [item["type"] for item in made.sealed.evidence]
    lacking = receipts.lacking(made)
    assert lacking is not None
    assert "the receipt does not show the policy of its chain: " in lacking
    assert "the receipt does not show what later entries of its chain say of it: " in lacking
    verdict = judge(made, told.service.home.card(), told.service.home.source)
    assert Outcome.NOT_CHECKED == verdict.outcome, verdict


def test_a_policy_whose_party_the_mirror_does_not_show_is_shown_without(told: RichLog, public: Path) -> None:
    """Whether the key was one of the identity is then not checked, and which identity is missing is said."""
    receipts = MirrorReceipts(showing(public, told.identity.chain_id, lambda _: None))
    made = receipts.make(Place(told.orders.chain_id, 4))
    assert made.sealed is not None
    assert ["policy"] == [item["type"] for item in made.sealed.evidence]
    assert f"the keys of a party to the policy: identity {told.identity.chain_id.hex()}" in str(receipts.lacking(made))


def test_a_brief_receipt_is_the_way_to_bitcoin_and_the_author(told: RichLog, public: Path) -> None:
    """No other entry of its chain is read, and what is not shown is said."""
    receipts = MirrorReceipts(fetch_from(public), is_brief=True)
    made = receipts.make(Place(told.orders.chain_id, 1))
    assert made.sealed is not None
    assert ["identity"] == [item["type"] for item in made.sealed.evidence]
    assert "the other entries of the chain were not read" in str(receipts.lacking(made))


def test_certificates_are_missed_unless_an_older_receipt_brings_them(told: RichLog, public: Path) -> None:
    """They are contents, which whoever bound them can have erased."""
    receipts = MirrorReceipts(fetch_from(public))
    made = receipts.make(Place(told.orders.chain_id, 1))
    assert "all certificates that its author bound" in str(receipts.lacking(made))


def test_another_log_s_receipt_is_of_what_was_continued_or_not_shown(told: RichLog, public: Path) -> None:
    """From the mirror, or else from an older receipt; where neither has one that fits, it is missed, and said so."""
    place = Place(told.chain("moved").chain_id, 1)
    own = told.service.receipt(told.entries("moved")[1].entry_hash)
    other = encode_earlier({4: told.service.receipt(told.told[0])})
    for change in (lambda _: None, lambda _: b"{}", lambda _: other):
        receipts = MirrorReceipts(showing(public, place.chain_id, change, EARLIER))
        made = receipts.make(place)
        assert made.sealed is not None
        assert () == made.sealed.evidence
        assert "the other log's receipt on which entry 4 of its chain rests" in str(receipts.lacking(made))
        assert own.sealed is not None
        assert as_a_mirror_has_it(own) == receipts.make(place, brought=own.sealed.evidence)


@given(
    ids=st.lists(st.binary(min_size=1, max_size=40).map(lambda value: ExternalId(IdKind.CLEAR, value)), max_size=3),
    links=st.lists(st.sampled_from([Link(Relation.REFERS_TO, ID, ID), Link(Relation.SUPERSEDES, ID, ID)]), max_size=2),
    kinds=st.sets(st.sampled_from([2, 4, 5, 7, 13, 15, 99])),
    media_type=st.sampled_from(["", "text/plain"]),
    author=st.sampled_from([Author(), Author(AuthorType.ED25519, bytes(96))]),
)
def test_no_entry_that_says_something_is_passed_over(
    ids: list[ExternalId], links: list[Link], kinds: set[int], media_type: str, author: Author
) -> None:
    """Whatever else stands in it: one with links, a policy or a word on its chain's life is decoded, and no other."""
    extensions = tuple(Extension(kind, bytes(32 if kind == 5 else 8)) for kind in sorted(kinds))
    raw = Entry(ID, ID, media_type, tuple(ids), tuple(links), extensions, author).encode()
    assert (bool(links) or bool(kinds & {7, 13, 15})) == may_say(raw)


@given(st.binary(max_size=200))
def test_what_is_no_entry_says_nothing(raw: bytes) -> None:
    """A log that took anything for an entry keeps nobody from the receipts of the others."""
    may_say(bytes(65) + raw)
    says = ChainSays()
    says.note(0, raw, ID)
    assert ChainSays() == says


def test_an_older_receipt_becomes_what_the_service_would_make_of_it(told: RichLog, public: Path) -> None:
    """Under whatever checkpoint it was made: what was said since is added, content, promise and certificates stay."""
    receipts, service, moved = MirrorReceipts(fetch_from(public)), told.service, 0
    for stored in (*told.entries("orders")[:4], *told.entries("moved")[:1], *told.entries("acme")):
        for size in (5, 7, 10, 15, 19, 21):
            try:
                old = service.receipt(stored.entry_hash, size)
            except NotYetError:
                continue
            upgraded = receipts.upgrade(old)
            assert service.receipts().upgrade(old, stored) == upgraded
            moved += upgraded != old
    assert moved


def test_an_older_receipt_stays_where_the_mirror_shows_less(told: RichLog, public: Path) -> None:
    """One that shows a correction is not put in the place of by one without; nor by a mirror that is behind it."""
    old = told.service.receipt(told.told[0])
    for fetch in (showing(public, told.orders.chain_id, lambda _: None), lambda _: None):
        receipts = MirrorReceipts(fetch)
        assert old == receipts.upgrade(old)


def test_a_mirror_of_another_history_completes_nothing(told: RichLog, public: Path) -> None:
    """Both are evidence then: the old receipt's checkpoint is no beginning of what the mirror shows."""
    old = told.service.receipt(told.told[0], 7)
    assert old.sealed is not None
    forked = replace(old.sealed, checkpoint=replace(old.sealed.checkpoint, root=bytes(32)))
    with pytest.raises(VerificationError):
        MirrorReceipts(fetch_from(public)).upgrade(replace(old, sealed=forked))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_a_hostile_mirror_gives_errors_that_have_a_name_and_no_better_verdict(
    told: RichLog, public: Path, data: st.DataObject
) -> None:
    """Whatever file is cut or changed, however: what is made is refused, or judged as what it is."""
    shown = files(public)
    path = data.draw(st.sampled_from(sorted(name for name in shown if not name.endswith(".html"))))
    at = data.draw(st.integers(0, len(shown[path]) - 1))
    put = data.draw(st.sampled_from([b"", b"\xff", b"\0" * 9]) | st.binary(min_size=1, max_size=3))
    changed = shown | {path: shown[path][:at] + put + shown[path][at + data.draw(st.sampled_from([0, 1, 300])) :]}
    index, name = data.draw(st.sampled_from([(1, "orders"), (3, "orders"), (12, "orders"), (1, "moved"), (1, "acme")]))
    receipts, place = MirrorReceipts(changed.get), Place(told.chain(name).chain_id, index)
    own = told.service.receipt(told.entries(name)[index].entry_hash)
    try:
        made = receipts.make(place)
        lacking = receipts.lacking(made)
        receipts.upgrade(own)
    except AnchorlineError:
        return
    assert own.sealed is not None
    assert made.sealed is not None
    card, source = told.service.home.card(), told.service.home.source
    outcome = judge(made, card, source).outcome
    if outcome == Outcome.INTACT != judge(own, card, source).outcome:
        # A retraction is kept back: that is said, or an older state of the log is shown.
        assert lacking is not None or made.sealed.checkpoint.size < own.sealed.checkpoint.size
    if outcome in {Outcome.INTACT, Outcome.CORRECTED}:
        assert own.entry == made.entry

"""What anchored checkpoints have beside their anchors, in a mirror and in copies of it: as it comes, and no harm."""

from collections.abc import Callable
from pathlib import Path

import pytest

from anchor.proof.calendar import CalendarAnchor
from anchor.proof.errors import MalformedError
from anchor.proof.mirror_receipts import MirrorReceipts, Place
from anchor.proof.stamps import MAX_STAMPS, STAMPS_WIDTH, decode_stamps, encode_stamps, merged, stamps_path
from anchor.proof.timestamp import TimestampAnchor
from anchor.proof.verdict import Outcome
from anchor.published import read_card
from anchor.signing import check_signature
from anchor.thread_auditor import Auditor
from anchor.tiles import Fetch
from chains.incoming import INCOMING, Incoming
from chains.mirror_copy import MirrorCopy
from chains.mirror_folder import fetch_from, put_file
from chains.mirror_taking import stamps_with_news
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.published import files
from tests.simulators.rich_log import keep_stamps
from tests.simulators.service import Service, judge, restarted

pytestmark = pytest.mark.usefixtures("unflushed")
PATH = stamps_path(0)


@pytest.fixture
def sizes(service: Service, bitcoin: SimulatedBitcoin) -> list[int]:
    """The sizes of two anchored checkpoints, the first of which is stamped."""
    service.anchor(bitcoin)
    service.add("acme", b"more")
    service.anchor(bitcoin)
    found = [attempt.checkpoint_size for attempt in service.attempts()]
    keep_stamps(service, found[0])
    return found


def copied(remote: Fetch, folder: Path) -> None:
    MirrorCopy(folder, remote, Auditor(check_signature, read_card(remote))).run()


def showing(folder: Path, change: Callable[[bytes], bytes | None]) -> Fetch:
    """Return what shows the file of stamps otherwise; None hides it."""
    fetch = fetch_from(folder)

    def read(path: str) -> bytes | None:
        data = fetch(path)
        return data if data is None or path != PATH else change(data)

    return read


def test_stamps_that_come_later_come_to_copies_as_well(
    service: Service, bitcoin: SimulatedBitcoin, sizes: list[int], tmp_path: Path
) -> None:
    """With the next news a copy has the files of the mirror; what it has stays where the mirror shows it no longer."""
    public, copy = tmp_path / "public", tmp_path / "copy"
    service.publish(public, "acme")
    copied(fetch_from(public), copy)
    assert [sizes[0]] == list(decode_stamps(files(copy)[PATH]))
    keep_stamps(service, sizes[1])
    service.add("acme", b"which is news")
    service.anchor(bitcoin)
    service.publish(public, "acme")
    copied(fetch_from(public), copy)
    assert sizes == list(decode_stamps(files(copy)[PATH]))
    assert files(public) == files(copy)
    service.add("acme", b"and more")
    service.anchor(bitcoin)
    service.publish(public, "acme")
    copied(showing(public, lambda _: encode_stamps({})), copy)
    assert files(public) == files(copy)


def test_late_stamps_bring_nothing_along_that_is_not_judged(service: Service, sizes: list[int], tmp_path: Path) -> None:
    """What a run that was stopped had fetched waits for the next one that judges it."""
    public, copy = tmp_path / "public", tmp_path / "copy"
    service.publish(public, "acme")
    copied(fetch_from(public), copy)
    before = files(copy)
    put_file(copy / INCOMING, "tile/0/007", bytes(32 * 256))
    keep_stamps(service, sizes[1])
    service.publish(public, "acme")
    copied(fetch_from(public), copy)
    assert [PATH] == [path for path, data in files(copy).items() if before.get(path) != data]
    assert files(public) == files(copy)
    assert bytes(32 * 256) == (copy / INCOMING / "tile/0/007").read_bytes()


@pytest.mark.parametrize(
    ("settled", "shown", "wanted"),
    [
        (-4, {7}, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (6, set[int](), [9, 8, 7, 6, 5]),
        (6, {5, 3}, [9, 8, 7, 6, 5, 3, 2]),
    ],
    ids=["all are new", "a log without stamps", "a copy from before there were stamps"],
)
def test_of_older_anchors_no_more_is_asked_for_than_is_shown(
    tmp_path: Path, settled: int, shown: set[int], wanted: list[int]
) -> None:
    """File 4 is in the folder; of anchors that the copy had long ago, the first file not shown ends the asking."""
    put_file(tmp_path, stamps_path(4), encode_stamps({}))
    asked: list[str] = []

    def remote(path: str) -> bytes | None:
        asked.append(path)
        return encode_stamps({}) if path in map(stamps_path, shown) else None

    assert [] == list(stamps_with_news(Incoming(tmp_path, remote, 2**30), 0, range(10 * STAMPS_WIDTH), settled))
    assert list(map(stamps_path, wanted)) == asked


def test_what_a_folder_has_stays_where_its_home_has_it_no_more(
    service: Service, bitcoin: SimulatedBitcoin, sizes: list[int], tmp_path: Path
) -> None:
    """As one that was made again of the mirror: it goes on publishing, and adds its own stamps to those from before."""
    copy_home(service.home.folder, tmp_path / "again")
    keep_stamps(service, sizes[1])
    service.publish(tmp_path / "public", "acme")
    before = decode_stamps(files(tmp_path / "public")[PATH])
    assert sizes == list(before)
    with restarted(tmp_path / "again", bitcoin, service.clock) as again:
        again.add("acme", b"afterwards")
        again.anchor(bitcoin)
        keep_stamps(again, again.attempts()[-1].checkpoint_size)
        again.publish(tmp_path / "public", "acme")
    after = decode_stamps(files(tmp_path / "public")[PATH])
    assert before.items() < after.items()


def test_an_attestation_that_got_its_block_s_header_is_the_same_one() -> None:
    """It takes the place of the one without, and leaves it to none: a home that was made again may lack the header."""
    without, other = CalendarAnchor("regtest", b"one"), CalendarAnchor("regtest", b"other")
    whole = CalendarAnchor("regtest", b"one", bytes(80))
    assert (whole, other) == merged([whole], [without, other])
    assert (whole, other) == merged([without, other], [whole])


def other_stamps(data: bytes) -> bytes:
    """Return the stamps of a checkpoint as those of the same one, with a token over something else."""
    [(size, stamps)] = decode_stamps(data).items()
    return encode_stamps({size: (TimestampAnchor(bytes(40)), *stamps)})


@pytest.mark.parametrize("change", [lambda _: None, lambda data: data[:-9], lambda _: b"{}"])
def test_a_file_of_stamps_that_is_damaged_keeps_nobody_from_the_rest(
    service: Service, sizes: list[int], tmp_path: Path, change: Callable[[bytes], bytes | None]
) -> None:
    """The copy is made without, and so are receipts, which verify."""
    service.publish(tmp_path / "public", "acme")
    remote = showing(tmp_path / "public", change)
    copied(remote, tmp_path / "copy")
    assert PATH not in files(tmp_path / "copy")
    made = MirrorReceipts(remote).make(Place(service.home.chains.named("acme").chain_id, 0))
    assert made.sealed is not None
    assert sizes[0] == made.sealed.checkpoint.size
    assert 1 == len(made.sealed.anchors)
    assert Outcome.INTACT == judge(made, service.home.card(), service.home.source).outcome


def test_stamps_over_something_else_are_not_taken(service: Service, sizes: list[int], tmp_path: Path) -> None:
    """They would spoil the verdict on receipts: the copy, and receipts, have those over the checkpoint."""
    service.publish(tmp_path / "public", "acme")
    own = files(tmp_path / "public")[PATH]
    remote = showing(tmp_path / "public", other_stamps)
    copied(remote, tmp_path / "copy")
    assert own == files(tmp_path / "copy")[PATH]
    made = MirrorReceipts(remote).make(Place(service.home.chains.named("acme").chain_id, 0))
    assert made.sealed is not None
    assert decode_stamps(own)[sizes[0]] == made.sealed.anchors[1:]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"format":"anchorline-stamps/2","stamps":[]}',
        b'{"format":"anchorline-stamps/1","stamps":[],"more":1}',
        b'{"format":"anchorline-stamps/1","stamps":[{"checkpoint":5,"anchors":[]},{"checkpoint":5,"anchors":[]}]}',
        b'{"format":"anchorline-stamps/1","stamps":[{"checkpoint":5,"anchors":[{"type":"unknown"}]}]}',
        b'{"format":"anchorline-stamps/1","stamps":[{"checkpoint":5,"anchors":[{"type":"rfc3161","token":""}]}]}',
        b" " * (MAX_STAMPS + 1),
    ],
)
def test_what_is_no_file_of_stamps_is_refused(data: bytes) -> None:
    """Another format, checkpoints out of order, anchors of other types, more than its limit."""
    with pytest.raises(MalformedError):
        decode_stamps(data)

"""A copy of a service over HTTP has what receipts show besides: stamps, and the receipts of other logs.

Input is a log of which receipts show everything that there is (``tests.simulators.rich_log``), served on a real socket.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from anchor.proof.earlier_receipts import EARLIER
from anchor.proof.mirror_receipts import MirrorReceipts, Place
from anchor.proof.stamps import decode_stamps, stamps_path
from anchor.published import read_card
from anchor.signing import check_signature
from anchor.thread_auditor import Auditor
from chains.access import Role, Visibility
from chains.log_reading import opened_log
from chains.mirror_copy import Copied, MirrorCopy
from chains.mirror_folder import chain_prefix, fetch_from
from tests.simulators.published import files
from tests.simulators.rich_log import CHAINS, RichLog, keep_stamps, rich_log
from tests.simulators.served_here import served_here
from tests.waiting import wait_until

IMMUTABLE = "public, max-age=31536000, immutable"
TILE = "tile/entries/000.p/1"


@dataclass
class Site:
    """The log, where it is served, and the operator's key; the chain ``orders`` is not public."""

    told: RichLog
    url: str
    key: str

    def asked(self, path: str, key: str | None = None) -> httpx.Response:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.get(f"{self.url}/v1/{path}", headers=headers)

    def until_told(self, size: int) -> None:
        """Wait until the stamps of a checkpoint are shown: those from before may be told for a second."""
        wait_until(lambda: size in decode_stamps(self.asked(stamps_path(0)).content))

    def copied(self, folder: Path) -> Copied:
        with opened_log(self.url, self.key) as fetch:
            return MirrorCopy(folder, fetch, Auditor(check_signature, read_card(fetch))).run()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with rich_log(tmp_path_factory.mktemp("rich")) as told:
        accounts, now_ms = told.service.home.accounts, told.service.clock()
        for name in CHAINS:
            accounts.sharing.set_visibility(told.chain(name), Visibility.PUBLIC, now_ms)
        accounts.sharing.set_visibility(told.chain("orders"), Visibility.PRIVATE, now_ms)
        key = accounts.keys.create(None, Role.OPERATOR, "test", None, now_ms).token
        with served_here(told.service.home, told.bitcoin.height) as url:
            yield Site(told, url, key)


def test_the_copy_is_the_home_s_own_mirror_and_makes_the_service_s_receipts(site: Site, tmp_path: Path) -> None:
    """File by file, with stamps and the other log's receipt; and each receipt has anchors and evidence as the own."""
    own, copy = tmp_path / "own", tmp_path / "copy"
    site.told.service.publish(own, *CHAINS)
    site.copied(copy)
    assert files(own) == files(copy)
    assert {stamps_path(0), chain_prefix(site.told.chain("moved").chain_id) + EARLIER} <= files(copy).keys()
    receipts = MirrorReceipts(fetch_from(copy))
    for name in CHAINS:
        for stored in site.told.entries(name):
            shown = site.told.service.receipt(stored.entry_hash).sealed
            assert shown is not None
            brought = tuple(item for item in shown.evidence if item["type"] == "certificates")
            made = receipts.make(Place(stored.entry.chain_id, stored.leaf_index), brought=brought)
            assert shown == made.sealed


def test_stamps_that_come_late_are_taken_without_other_news(site: Site, tmp_path: Path) -> None:
    """They are put into the folder at once; a run behind that has nothing to write, and what was there stays."""
    copy = tmp_path / "copy"
    site.copied(copy)
    before = files(copy)
    unstamped = site.told.service.attempts()[0].checkpoint_size
    assert unstamped not in decode_stamps(before[stamps_path(0)])
    keep_stamps(site.told.service, unstamped)
    site.until_told(unstamped)
    assert 1 == site.copied(copy).files_written
    after = files(copy)
    stamps = decode_stamps(after.pop(stamps_path(0)))
    assert decode_stamps(before.pop(stamps_path(0))).items() < stamps.items()
    assert 2 == len(stamps[unstamped])
    assert before == after
    assert 0 == site.copied(copy).files_written


def test_files_of_stamps_are_everybody_s_and_may_grow(site: Site) -> None:
    """A file that a mirror would not have is not found."""
    found = site.asked(stamps_path(0))
    assert (200, "application/json") == (found.status_code, found.headers["content-type"])
    assert "public, max-age=1" == found.headers["cache-control"]
    for nowhere in (stamps_path(1), "stamps/x999/x999/999.json", "stamps/0.json", "stamps/"):
        assert (404, "not-found") == (site.asked(nowhere).status_code, site.asked(nowhere).json()["code"])


def test_the_other_log_s_receipt_is_shown_to_whom_the_entries_are(site: Site) -> None:
    """It may be kept as they may; of a chain that came from nowhere, or that is hidden, there is none."""
    moved, orders, acme = (f"chains/{site.told.chain(name).chain_id.hex()}" for name in ("moved", "orders", "acme"))
    assert (200, IMMUTABLE) == told_of(site.asked(f"{moved}/{EARLIER}"))
    assert "application/json" == site.asked(f"{moved}/{EARLIER}").headers["content-type"]
    assert (200, IMMUTABLE) == told_of(site.asked(f"{moved}/{TILE}"))
    for path in (f"{acme}/{EARLIER}", f"{orders}/{EARLIER}", f"chains/{'00' * 32}/{EARLIER}", f"{moved}/{EARLIER}/1"):
        assert (404, "not-found") == (site.asked(path).status_code, site.asked(path).json()["code"])


def test_a_chain_that_is_made_private_takes_it_along(site: Site) -> None:
    """A stranger finds it no more than an entry; who may read them keeps it to himself."""
    chain, sharing = site.told.chain("moved"), site.told.service.home.accounts.sharing
    path, now_ms = f"chains/{chain.chain_id.hex()}", site.told.service.clock()
    sharing.set_visibility(chain, Visibility.PRIVATE, now_ms)
    try:
        strangers, readers = ([site.asked(f"{path}/{end}", key) for end in (EARLIER, TILE)] for key in (None, site.key))
        assert [404, 404] == [each.status_code for each in strangers]
        assert [(200, IMMUTABLE.replace("public", "private"))] * 2 == [told_of(each) for each in readers]
    finally:
        sharing.set_visibility(chain, Visibility.PUBLIC, now_ms)


def told_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["cache-control"]

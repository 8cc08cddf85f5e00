"""Receipts of other logs in a mirror: published with the entries of a chain that came from there, copied, restored."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.proof.earlier_receipts import EARLIER, MAX_EARLIER, decode_earlier, encode_earlier
from anchor.proof.errors import MalformedError
from anchor.published import read_card
from anchor.signing import check_signature
from anchor.thread_auditor import Auditor
from chains.audit import Audit
from chains.mirror_copy import MirrorCopy
from chains.mirror_folder import chain_prefix, fetch_from
from chains.rebuild import rebuild_from
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.published import files
from tests.simulators.rich_log import CHAINS, RichLog, begin_rich_log, rich_log
from tests.simulators.service import HOUR_MS, Clock, new_service, restarted

pytestmark = pytest.mark.usefixtures("unflushed")


@pytest.fixture
def told(tmp_path: Path) -> Iterator[RichLog]:
    with rich_log(tmp_path) as made:
        yield made


def test_a_copy_has_it_and_a_chain_taken_out_takes_it_along(told: RichLog, tmp_path: Path) -> None:
    """It is shown with the entries of its chain, and of no other chain there is such a file."""
    public, copy = tmp_path / "public", tmp_path / "copy"
    told.service.publish(public, *CHAINS)
    fetch = fetch_from(public)
    MirrorCopy(copy, fetch, Auditor(check_signature, read_card(fetch))).run()
    assert files(public) == files(copy)
    moved = told.chain("moved")
    path = chain_prefix(moved.chain_id) + EARLIER
    assert [path] == [each for each in files(public) if each.endswith(EARLIER)]
    assert [4] == list(decode_earlier(files(public)[path]))
    told.service.mirror(public).write(told.service.home.checkpoint_key, kept_out=[moved])
    assert path not in files(public)


def test_a_home_rebuilt_from_a_mirror_shows_it_again(bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """Its receipts prove what the other log proved, and its audit finds nothing missing."""
    with new_service(tmp_path / "home", bitcoin) as service:
        begin_rich_log(service, bitcoin)
        copy_home(tmp_path / "home", tmp_path / "backup")
        told = RichLog(service, bitcoin, tmp_path)
        service.publish(tmp_path / "public", *CHAINS)
        entry = told.entries("moved")[1].entry_hash
        own = service.receipt(entry).sealed
    later = Clock(service.clock() + HOUR_MS)
    with restarted(tmp_path / "backup", bitcoin, later) as behind:
        rebuild_from(behind.home, tmp_path / "public")
    with restarted(tmp_path / "backup", bitcoin, later) as again:
        made = again.receipt(entry).sealed
        assert own is not None
        assert made is not None
        assert own.evidence == made.evidence
        home = again.home
        parts = (home.engine, home.trees, home.directory, home.chains, again.receipts().reader, home.journal)
        assert [] == list(Audit(*parts).run().findings)


def test_certificates_in_it_are_left_out(told: RichLog) -> None:
    """They are contents, which whoever bound them can have erased: what strangers copied would stay."""
    receipt = told.service.receipt(told.told[0])
    assert receipt.sealed is not None
    left = tuple(item for item in receipt.sealed.evidence if item["type"] != "certificates")
    assert len(receipt.sealed.evidence) == len(left) + 1
    wanted = replace(receipt, sealed=replace(receipt.sealed, evidence=left))
    assert {4: wanted} == decode_earlier(encode_earlier({4: receipt}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"format":"anchorline-earlier/2","earlier":[]}',
        b'{"format":"anchorline-earlier/1","earlier":[],"more":1}',
        b'{"format":"anchorline-earlier/1","earlier":[{"index":4,"receipt":{}}]}',
        b" " * (MAX_EARLIER + 1),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    """Another format, unknown fields, what is no receipt, more than its limit."""
    with pytest.raises(MalformedError):
        decode_earlier(data)

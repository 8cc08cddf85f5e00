"""``verify.html`` on receipts that were made of a mirror alone, with everything that receipts can show."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from anchor.proof.mirror_receipts import MirrorReceipts, Place
from chains.mirror_folder import fetch_from
from tests.browser.verdicts import judged_here, judged_there
from tests.simulators.rich_log import CHAINS, rich_log

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_receipts_of_a_mirror_get_their_verdict(loaded: Page, tmp_path: Path) -> None:
    """The page says of each what Python says, word for word; no step of any fails."""
    with rich_log(tmp_path) as told:
        told.service.publish(tmp_path / "public", *CHAINS)
        receipts = MirrorReceipts(fetch_from(tmp_path / "public"))
        places = [Place(each.entry.chain_id, each.leaf_index) for name in CHAINS for each in told.entries(name)]
        beside = {"card": told.service.home.card().encode().decode()}
    cases = [(receipts.make(place).encode(), beside) for place in places]
    for place, case, found in zip(places, cases, judged_there(loaded, cases), strict=True):
        assert judged_here(*case) == found, place
        assert isinstance(found, dict)
        assert [] == [step for step in found["steps"] if step["state"] == "failed"], place

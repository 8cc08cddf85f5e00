"""A log whose checkpoints another Anchorline attests as an OpenTimestamps calendar, on a real node, by commands only.

Two operators share the node; one knows of the other no more than the address in its settings. Needs a bitcoind
(BITCOIND or PATH).
"""

import json
import signal
from pathlib import Path

import pytest

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.opentimestamps import BitcoinAttestation, DetachedFile
from anchor.proof.receipt import Receipt
from tests.integration.conftest import MATURE, NOBODY, Operator
from tests.integration.test_calendar_stock_client import started
from tests.node import Node

pytestmark = [pytest.mark.node, pytest.mark.slow]

FINAL = 6


def operator_in(folder: Path, node: Node) -> Operator:
    folder.mkdir()
    return Operator(folder, node)


def test_a_calendar_attests_and_its_block_is_enough(tmp_path: Path, node: Node) -> None:
    """Given to the calendar, attested, in the receipt; judged by either block; a dead calendar stops nothing."""
    log, other = operator_in(tmp_path / "log", node), operator_in(tmp_path / "other", node)
    node.call("generatetoaddress", 1, other.init())
    node.call("generatetoaddress", 1, log.init())
    node.call("generatetodescriptor", MATURE, NOBODY)
    with started(other) as calendar:
        settings = log.home / "anchorline.toml"
        text = settings.read_text()
        assert "calendars = []" in text
        text = text.replace("calendars = []", f'calendars = ["{calendar.url}"]')
        settings.write_text(text.replace('calendar_network = "mainnet"', 'calendar_network = "regtest"'))
        log.run("chain", "create", "acme")
        entry = log.record("file", b"what was recorded")
        log.anchor()
        assert "what=submitted" in log.run("attest")
        assert "Nothing new." in log.run("attest", "--now")
        other.anchor(blocks=FINAL)
        assert "what=attested" in log.run("attest", "--now")
        receipt = log.receipt(entry, "file")
        block = attesting_block(receipt)
        attested = log.verify(log.folder / "file", receipt, "--block", block)
        assert "INTACT BY A CALENDAR'S ATTESTATION, NOT BY THE LOG'S OWN ANCHOR: file" in attested
        assert "of regtest" in attested
        intact = log.verify(log.folder / "file", receipt, *log.by_node)
        assert intact.startswith("INTACT: file")
        assert "Besides, block" in intact
        wrong = log.verify(log.folder / "file", receipt, "--block", block[:-64] + "00" * 31 + "01", rc=1)
        assert "block-is-not-the-given-one" in wrong
        calendar.stop(signal.SIGKILL)
        log.record("later", b"while the calendar is dead")
        log.anchor()
        said = log.run("attest")
        assert "what=submitted" in said
        assert "failed=" in said
        assert "all hold" in log.run("audit")


def attesting_block(receipt: Path) -> str:
    """Return the block that attests a receipt, as ``--block`` names it; the height is its own header's at the node."""
    sealed = Receipt.decode(receipt.read_bytes()).sealed
    assert sealed is not None
    (anchor,) = sealed.attestations
    assert anchor.header is not None
    value = next(item for item in json.loads(receipt.read_text())["anchors"] if item["type"] == "opentimestamps")
    assert "regtest" == value["network"]
    found = hash_hex(Header.decode(anchor.header).hash)
    (path,) = DetachedFile.decode(anchor.ots).timestamp.paths
    assert isinstance(path.attestation, BitcoinAttestation)
    return f"regtest:{path.attestation.height}:{found}"

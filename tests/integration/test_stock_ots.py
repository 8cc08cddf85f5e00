"""Receipts exported as ``.ots`` and judged by the stock OpenTimestamps client against a real node.

The client is opentimestamps-client's ``ots``, beside this Python; it knows nothing of Anchorline. Needs a bitcoind
(BITCOIND or PATH).
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import Operator
from tests.node import Node

pytestmark = [pytest.mark.node, pytest.mark.slow]

CLIENT_S = 60


def ots_verify(node: Node, file: Path, ots: Path) -> subprocess.CompletedProcess[str]:
    """Run ``ots verify`` as a stranger does: no cache, this node, this file."""
    client = Path(sys.executable).with_name("ots")
    url = f"http://{node.cookie.read_text()}@{node.url.removeprefix('http://')}/"
    command = [client, "--no-cache", "--bitcoin-node", url, "verify", "-f", file, ots]
    return subprocess.run(
        list(map(str, command)), cwd=file.parent, capture_output=True, text=True, timeout=CLIENT_S, check=False
    )


@pytest.fixture
def recorded(operator: Operator) -> tuple[Operator, str]:
    """An operator with an anchored file, in the third place of a chain; and its entry."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    operator.record("before", b"something else")
    entry = operator.record("file", b"the content of a file\n")
    operator.run("chain", "create", "bolt")
    operator.anchor()
    return operator, entry


def export(operator: Operator, entry: str, *more: str) -> str:
    return operator.run(
        "receipt", entry, "--ots", "--network-not-in-file", "--output", operator.folder / "file.ots", *more
    )


def test_the_stock_client_confirms_the_file(recorded: tuple[Operator, str], node: Node) -> None:
    """A recorded file, its export and a node: Success. One byte more: refused."""
    operator, entry = recorded
    said = export(operator, entry)
    ots = operator.folder / "file.regtest.ots"
    assert "proves something to a regtest node only" in said
    assert "discloses the entry and the salt" in said
    assert not (operator.folder / "file.ots").exists()
    good = ots_verify(node, operator.folder / "file", ots)
    assert 0 == good.returncode, good.stderr
    assert "Success! Bitcoin block" in good.stdout + good.stderr
    changed = operator.folder / "changed"
    changed.write_bytes((operator.folder / "file").read_bytes() + b"!")
    bad = ots_verify(node, changed, ots)
    assert 1 == bad.returncode
    assert "Success" not in bad.stdout + bad.stderr


def test_an_export_of_a_block_that_was_reorganised_away_is_refused(recorded: tuple[Operator, str], node: Node) -> None:
    """The height then holds another block: the client compares roots, and the next export is good again."""
    operator, entry = recorded
    export(operator, entry)
    ots = operator.folder / "file.regtest.ots"
    height = node.call("getblockcount")
    node.call("invalidateblock", node.call("getblockhash", height))
    for _ in range(2):
        node.call("generateblock", "raw(52)", [])
    gone = ots_verify(node, operator.folder / "file", ots)
    assert 1 == gone.returncode
    assert "Success" not in gone.stdout + gone.stderr
    node.call("generatetodescriptor", 1, "raw(51)")
    operator.run("tick")
    ots.unlink()
    export(operator, entry)
    again = ots_verify(node, operator.folder / "file", ots)
    assert 0 == again.returncode, again.stderr


def test_withheld_content_is_stamped_by_its_leaf_file(recorded: tuple[Operator, str], node: Node) -> None:
    """With the content withheld the stamped file is 00 and the entry, whose SHA-256 is the entry hash."""
    operator, entry = recorded
    export(operator, entry, "--withhold")
    ots, leaf = operator.folder / "file.regtest.ots", operator.folder / "file.regtest.leaf"
    good = ots_verify(node, leaf, ots)
    assert 0 == good.returncode, good.stderr
    assert "Success! Bitcoin block" in good.stdout + good.stderr
    other = ots_verify(node, operator.folder / "file", ots)
    assert 1 == other.returncode


def test_off_mainnet_the_network_must_be_waived(recorded: tuple[Operator, str]) -> None:
    """The format names no network and reads as mainnet: without the flag nothing is written."""
    operator, entry = recorded
    before = set(operator.folder.iterdir())
    said = operator.run("receipt", entry, "--ots", "--output", operator.folder / "file.ots", rc=2)
    assert "--network-not-in-file" in said
    assert before == set(operator.folder.iterdir())


def test_what_is_not_anchored_cannot_be_exported(operator: Operator) -> None:
    """A sealed entry without an anchor has no way to Bitcoin yet."""
    operator.init()
    operator.run("chain", "create", "acme")
    entry = operator.record("file", b"content")
    operator.run("seal")
    said = operator.run(
        "receipt", entry, "--ots", "--network-not-in-file", "--output", operator.folder / "file.ots", rc=1
    )
    assert "not anchored yet" in said

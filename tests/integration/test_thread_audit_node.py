"""The thread audit against Bitcoin Core, with and without index: a stranger with the mirror, the card and a node.

Needs a bitcoind (BITCOIND or PATH); without one the tests are skipped and say so.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NOBODY, Operator
from tests.node import Node, running_node

pytestmark = [pytest.mark.node, pytest.mark.slow]

# Twice regtest's watch depth: what a node without index still finds by itself.
SEARCHED = 200
# Blocks of a test come as fast as they can, and their times run ahead: no gap is too long here but where it is meant.
NO_GAP = ("--max-gap", 10_000)


@pytest.fixture(params=["plain", "txindex"])
def indexed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    """A node without any index, and one with -txindex."""
    options = ("-txindex=1",) if request.param == "txindex" else ()
    with running_node(tmp_path / "node", *options) as node:
        yield node


def audit(operator: Operator, *more: object, rc: int) -> Any:
    """Audit the mirror as a stranger with the card and this node; return the verdict."""
    node = ("--node-url", operator.node.url, "--node-cookie-file", operator.node.cookie)
    mirror = operator.folder / "public"
    return json.loads(
        operator.plain("thread", "--mirror", mirror, "--log", operator.card, *node, *NO_GAP, *more, "--json", rc=rc)
    )


def grown(operator: Operator, anchors: int = 3) -> None:
    """Anchor so many times, each time with something new, and publish it."""
    operator.init_and_fund()
    operator.run("chain", "create", "acme")
    for number in range(anchors):
        operator.record(f"file-{number}", b"content %d" % number)
        operator.anchor()
    operator.run("mirror", operator.folder / "public", "--chain", "acme")


def test_one_history_by_a_node(indexed: Node, tmp_path: Path) -> None:
    """Fresh anchors, and anchors that lie deeper than a node without index looks: the line is whole both times."""
    operator = Operator(tmp_path, indexed)
    grown(operator)
    first = audit(operator, rc=0)
    assert ("one history", 3) == (first["outcome"], len(first["facts"]["anchors"]))
    assert [operator.node.url] == first["facts"]["sources"]
    assert any("not confirmed by a second source" in note for note in first["notes"])
    indexed.call("generatetodescriptor", SEARCHED + 10, NOBODY)
    deep = audit(operator, rc=0)
    assert first["facts"]["anchors"] == deep["facts"]["anchors"]
    mined = [indexed.call("getblockheader", each["block"]) for each in deep["facts"]["anchors"]]
    assert [each["mediantime"] for each in mined] == [each["median_time_s"] for each in deep["facts"]["anchors"]]
    assert [each["height"] for each in mined] == [each["height"] for each in deep["facts"]["anchors"]]


def test_a_list_that_leaves_an_anchor_out_is_found_by_a_node(indexed: Node, tmp_path: Path) -> None:
    """The middle one is left out: a node that can name spenders finds it, one that cannot says what is withheld."""
    operator = Operator(tmp_path, indexed)
    grown(operator)
    public = operator.folder / "public"
    listed, proofs = (json.loads((public / name).read_bytes()) for name in ("thread.json", "thread/000.json"))
    del listed["anchors"][1], proofs["proofs"][1]
    (public / "thread.json").write_text(json.dumps(listed))
    (public / "thread/000.json").write_text(json.dumps(proofs))
    assert ["published-list-wrong"] == audit(operator, rc=1)["reasons"]
    indexed.call("generatetodescriptor", SEARCHED + 10, NOBODY)
    reasons = audit(operator, rc=1)["reasons"]
    assert "published-list-wrong" in reasons


def test_leaves_that_were_changed_are_another_history(indexed: Node, tmp_path: Path) -> None:
    """The operator publishes another last leaf than the one whose root Bitcoin has."""
    operator = Operator(tmp_path, indexed)
    grown(operator, anchors=2)
    newest = max((operator.folder / "public").glob("tile/entries/000.p/*"), key=lambda path: int(path.name))
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    assert "root-of-another-history" in audit(operator, rc=1)["reasons"]


def test_an_unconfirmed_anchor_is_on_its_way(indexed: Node, tmp_path: Path) -> None:
    """The newest anchor is in the mempool: published it is the next one, unpublished it is waited for."""
    operator = Operator(tmp_path, indexed)
    grown(operator, anchors=2)
    operator.record("more", b"more")
    operator.run("seal")
    operator.run("tick", "--now")
    waiting = audit(operator, rc=3)
    assert "in no block yet and was not published" in waiting["steps"][10]["text"]
    operator.run("mirror", operator.folder / "public")
    on_its_way = audit(operator, rc=0)
    assert "is on its way" in on_its_way["steps"][10]["text"]

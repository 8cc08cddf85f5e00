"""``audit URL`` on a service that runs, with the auditor's own Bitcoin Core: everything is seen from outside.

Needs a bitcoind (BITCOIND or PATH); without one the test is skipped and says so.
"""

import json

import pytest

from tests.integration.conftest import Operator
from tests.simulators.api_server import serving
from tests.waiting import wait_until

pytestmark = [pytest.mark.node, pytest.mark.slow]


def test_a_live_service_is_followed_to_its_coin(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of anchors is found in the node's blocks, every root is made again, and what was seen is remembered."""
    monkeypatch.setenv("XDG_STATE_HOME", str(operator.folder / "state"))
    operator.init_and_fund()
    operator.run("chain", "create", "acme", "--visibility", "public")
    operator.record("file-0", b"content 0")
    operator.anchor()
    by_node = [option for option in operator.by_node if option not in {"--depth", 1}]
    with serving(operator.home) as server:
        audit = ("audit", server.url, "--log", operator.card, *by_node, "--json")
        first = json.loads(operator.plain(*audit))
        operator.record("file-1", b"content 1")
        operator.anchor()
        # The checkpoint before may still be told for a second.
        with server.client(None) as stranger:
            wait_until(lambda: stranger.get("/v1/checkpoint").text != first["facts"]["checkpoint"])
        second = json.loads(operator.plain(*audit))
    for found, anchors in ((first, 1), (second, 2)):
        assert ("one history", []) == (found["outcome"], found["reasons"])
        assert {"ok"} == {step["state"] for step in found["steps"]}
        assert f"{anchors} anchor" in found["steps"][2]["text"]
    assert first["facts"]["checkpoint"] == second["seen_before"]

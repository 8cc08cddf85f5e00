"""Tests of the page ``docs/spec/bitcoin-anchor.md``: its example, its bytes, and the names that it gives.

Input is the page and the vectors; the code is ``anchor.proof.bitcoin``.
"""

import json
import re
from pathlib import Path

from anchor.proof.bitcoin.anchor import check_anchor_header, check_anchor_transaction
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.work import bits_from_target
from tests.vectors.bitcoin_cases import ANCHOR, CASES, read_anchor

SPEC = Path(__file__).parents[4] / "docs" / "spec" / "bitcoin-anchor.md"


def blocks_of(language: str) -> list[str]:
    """Return the fenced blocks of the spec page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", SPEC.read_text(), re.DOTALL)


def test_example_of_the_page_verifies() -> None:
    """The whole example at the top of the page is an anchor that holds, on the network it names."""
    example = json.loads(blocks_of("json")[0])
    assert example.pop("type") == "bitcoin"
    anchor = read_anchor(example)
    transaction = check_anchor_transaction(anchor)
    check_anchor_header(anchor, NETWORKS["regtest"])
    assert anchor == ANCHOR
    assert find_payload(transaction).tree_size == 3


def test_hex_of_the_page_is_true() -> None:
    """The bytes that the page takes apart are those of the example, in this order."""
    fields = {"transaction": ANCHOR.transaction, "header": ANCHOR.header, "coinbase": ANCHOR.coinbase}
    shown = {}
    for block in blocks_of("hex"):
        name, *lines = block.splitlines()
        shown[name.removeprefix("# ")] = bytes.fromhex("".join(line.split("#")[0] for line in lines))
    assert fields == shown


def test_page_names_every_reason_and_every_network() -> None:
    """Each refusal of this module stands on the page by its name, as does each network's genesis hash."""
    page = SPEC.read_text()
    reached = {case["want_error"] for case in CASES if "want_error" in case} - {"malformed"}
    assert not [reason for reason in reached if f"`{reason}`" not in page]
    for rules in NETWORKS.values():
        row = f"| {rules.name} | `{hash_hex(rules.genesis_hash)}` | `{rules.message_start.hex()}` |"
        assert row in page
        assert f"`{bits_from_target(rules.pow_limit):08x}`" in page

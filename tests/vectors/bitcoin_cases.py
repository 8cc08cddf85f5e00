"""What ``bitcoin.json`` holds, as values: its cases, and the honest anchor that most of them spoil.

Input is the file beside this one. The tests of ``anchor.proof.bitcoin`` run the cases and start from the anchor.
"""

import json
from pathlib import Path
from typing import Any

from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import sha256d

VECTORS = Path(__file__).with_name("bitcoin.json")
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text())["cases"]


def read_anchor(fields: dict[str, Any]) -> BitcoinAnchor:
    """Return the anchor that a receipt's fields describe."""
    return BitcoinAnchor(
        transaction=bytes.fromhex(fields["transaction"]),
        index=fields["index"],
        path=tuple(map(bytes.fromhex, fields["path"])),
        coinbase=bytes.fromhex(fields["coinbase"]),
        coinbase_path=tuple(map(bytes.fromhex, fields["coinbase_path"])),
        header=bytes.fromhex(fields["header"]),
        height=fields["height"],
    )


ANCHOR = read_anchor(next(case["anchor"] for case in CASES if case["check"] == "anchor"))


def naive_fold(leaf: bytes, index: int, path: tuple[bytes, ...]) -> bytes:
    """Fold a branch as if Bitcoin's tree told leaves from nodes: what a careless verifier does."""
    for sibling in path:
        leaf = sha256d(sibling + leaf if index & 1 else leaf + sibling)
        index >>= 1
    return leaf

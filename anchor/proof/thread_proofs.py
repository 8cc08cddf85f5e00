# SPDX-License-Identifier: Apache-2.0
"""Files of the proofs of a log's anchors, 256 in each, as a mirror and an export publish them (docs/spec/mirror.md).

``anchor.published`` and ``archive`` read them, the mirror writes them; what they prove is checked where the anchors are
followed.
"""

from collections.abc import Sequence

from anchor.proof import strictjson
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bundles import TILE_WIDTH, tile_path
from anchor.proof.errors import MalformedError
from anchor.proof.strictjson import Fields

PROOFS_FORMAT = "anchorline-thread-proofs/1"
# 256 proofs, each with a coinbase of at most 100,000 bytes in hex and 34 hashes.
MAX_PROOFS = 64 * 2**20


def proofs_path(bundle_no: int) -> str:
    """Return the path of the proofs of anchors 256 * ``bundle_no`` and following."""
    return tile_path(0, bundle_no).replace("tile/0", "thread", 1) + ".json"


def encode_proofs(first: int, proofs: Sequence[BitcoinAnchor]) -> bytes:
    """Return a file of proofs, the first of which is of anchor ``first``; each as in a receipt."""
    items = [{"type": "bitcoin", **proof.to_json()} for proof in proofs]
    value = {"format": PROOFS_FORMAT, "first": first, "proofs": items}
    return strictjson.dumps(value).encode("ascii")


def decode_proofs(data: bytes, what: str = "thread proofs") -> tuple[int, tuple[BitcoinAnchor, ...]]:
    """Read a file of proofs, which messages call ``what``; raise MalformedError for anything else."""
    fields = Fields(strictjson.loads(data, what, MAX_PROOFS), what)
    fields.format(PROOFS_FORMAT)
    first = fields.integer("first")
    proofs = tuple(_proof_from_json(Fields(item, what)) for item in fields.array("proofs", TILE_WIDTH))
    fields.end()
    return first, proofs


def _proof_from_json(fields: Fields) -> BitcoinAnchor:
    if fields.text("type") != "bitcoin":
        raise MalformedError(f"{fields.what}: expected the type 'bitcoin'; the thread has no other anchors")
    proof = BitcoinAnchor.from_json(fields)
    # Read to see that they can be: what they prove is checked where the thread is followed.
    _ = proof.decoded_transaction, proof.decoded_header
    return proof

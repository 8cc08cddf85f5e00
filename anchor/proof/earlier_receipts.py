# SPDX-License-Identifier: Apache-2.0
"""The file in which a mirror shows the receipts of other logs, on which the continuations of one chain rest.

A mirror has it beside the chain's entries (docs/spec/mirror.md); ``mirror_later`` puts them into receipts. What they
prove, step 19 says.
"""

from collections.abc import Mapping
from dataclasses import replace

from anchor.proof import strictjson
from anchor.proof.certificate_evidence import TYPE as CERTIFICATES
from anchor.proof.chain_life import Continuation
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import MAX_FILE, Receipt
from anchor.proof.said_later import MOST_OF_LIFE
from anchor.proof.strictjson import Fields

FORMAT = "anchorline-earlier/1"
EARLIER = "tile/entries/earlier.json"
"""Its path below the chain's: where the entries are, and shown to whom they are shown."""
MAX_EARLIER = (MOST_OF_LIFE + 1) * MAX_FILE
"""As many receipts as one shows, none of which has content."""


def is_of(earlier: Receipt, said: Continuation) -> bool:
    """Say whether a receipt is of the log and the head that a continuation names; nothing of it is proved."""
    head = None if earlier.sealed is None else earlier.sealed.head.leaf
    named = (said.log_id, said.tree_size, said.root)
    return head is not None and (earlier.log.log_id, head.tree_size, head.root) == named


def encode_earlier(receipts: Mapping[int, Receipt]) -> bytes:
    """Return the file; ``receipts`` are by the indexes of the continuations, and the newest of them are in it.

    Certificates that they show are left out: these are contents, which no mirror has.
    """
    newest = sorted(receipts.items())[-MOST_OF_LIFE:]
    items = [{"index": index, "receipt": _without_certificates(receipt).to_json()} for index, receipt in newest]
    return strictjson.dumps({"format": FORMAT, "earlier": items}).encode("ascii")


def sealed_earlier(receipts: Mapping[int, bytes], size: int) -> bytes | None:
    """Return the file of a chain of which ``size`` entries are sealed; None where none of these is a continuation.

    ``receipts`` are the encoded ones, by the indexes of the continuations.
    """
    sealed = {index: Receipt.decode(raw) for index, raw in receipts.items() if index < size}
    return encode_earlier(sealed) if sealed else None


def _without_certificates(receipt: Receipt) -> Receipt:
    if receipt.sealed is None:
        return receipt
    evidence = tuple(item for item in receipt.sealed.evidence if item["type"] != CERTIFICATES)
    return replace(receipt, sealed=replace(receipt.sealed, evidence=evidence))


def decode_earlier(data: bytes, what: str = "earlier receipts") -> dict[int, Receipt]:
    """Read the file, which messages call ``what``; raise MalformedError for anything else."""
    fields = Fields(strictjson.loads(data, what, MAX_EARLIER), what)
    fields.format(FORMAT)
    items = [Fields(item, what) for item in fields.array("earlier", MOST_OF_LIFE)]
    fields.end()
    found: dict[int, Receipt] = {}
    for item in items:
        index = item.integer("index")
        if found and index <= max(found):
            raise MalformedError(f"{what}: expected continuations in ascending order, none twice")
        found[index] = Receipt.from_json(item.take("receipt"))
        item.end()
    return found

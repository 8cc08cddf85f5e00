"""The verdict over a receipt that somebody uploads, for those who have no verifier at hand.

It runs on a reading thread. Whoever relies on it relies on this service's word about Bitcoin and about itself: the
verdict names what each step rests on, and the offline verifier needs neither.
"""

from anchor.certificate_check import certificate_check
from anchor.lifecycle import State
from anchor.proof.attached import receipt_in
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.blocks import GivenBlock
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import MAX_FILE_WITH_CONTENT, Receipt
from anchor.proof.verdict import Verdict
from anchor.proof.verifier import Verifier
from anchor.proof.verify import verify
from anchor.signing import check_signature
from chains.web.answers import json_of
from chains.web.asgi import JSON, PDF, Answer
from chains.web.operations import Body, Operation, Parameter, Shape
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room

_BELIEVED = "this service (its own watch of the anchor)"


def verify_receipt(room: Room, request: Request) -> Answer:
    """Judge a receipt; where it is this log's, with its card, and the blocks in which it saw its anchors."""
    try:
        receipt = Receipt.decode(receipt_in(request.body))
    except MalformedError as error:
        raise ProblemError("body-malformed", f"not a receipt: {error}") from error
    digest = request.digest("content_digest") if "content_digest" in request.arguments else None
    return json_of(judged(room, receipt, digest).to_json())


def judged(room: Room, receipt: Receipt, digest: bytes | None) -> Verdict:
    """Return this service's verdict over a receipt and, where a file is at hand, its SHA-256."""
    card = room.home.card()
    is_ours = receipt.log.log_id == card.log.log_id
    verifier = Verifier(
        content_digest=digest,
        card=card if is_ours else None,
        blocks=tuple(_blocks(room, receipt)) if is_ours else (),
        check_signature=check_signature,
        check_certificate=certificate_check(),
    )
    return verify(receipt, verifier)


def _blocks(room: Room, receipt: Receipt) -> list[GivenBlock]:
    """Return the blocks of those anchors that this log made, and holds to be final."""
    anchors = receipt.sealed.anchors if receipt.sealed is not None else ()
    found = []
    for anchor in anchors:
        if not isinstance(anchor, BitcoinAnchor):
            continue
        attempt = room.home.journal.of_txid(anchor.decoded_transaction.txid)
        block = attempt.standing.block if attempt is not None and attempt.state is State.FINAL else None
        if block is not None:
            found.append(GivenBlock(room.home.network.name, block.height, block.hash, _BELIEVED))
    return found


OPERATIONS = (
    Operation(
        "verifyReceipt",
        "POST",
        "/v1/verify",
        "The verdict over an uploaded receipt",
        "Verification",
        {200: Shape("The verdict (docs/spec/verdict.md): also where the receipt does not verify", {JSON: dict})},
        ("body-malformed", "body-too-large", "media-type-unsupported", "too-slow"),
        parameters=(Parameter("content_digest", "SHA-256 of the file at hand, in hex", "[0-9a-f]{64}"),),
        body=Body({JSON: dict, PDF: bytes}, MAX_FILE_WITH_CONTENT, "A receipt, or a certificate with one in it"),
        run=verify_receipt,
    ),
)

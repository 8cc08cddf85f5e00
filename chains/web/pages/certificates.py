"""The certificate of an entry, as PDF: what the command ``certificate`` makes, over this service's own verdict.

It is drawn on a thread of its own, one after the other, since it takes longer than any page; where the parts that draw
are not installed, there is none.
"""

import re
from dataclasses import dataclass

from anchor.proof.access_record import What
from anchor.proof.receipt import Receipt
from anchor.proof.verdict import Verdict
from chains.access import Action
from chains.certifying import can_draw, is_certifiable
from chains.chain import Kept
from chains.receipts import Shown
from chains.web.asgi import PDF, Answer
from chains.web.contents import Contents, kept_for_link
from chains.web.operations import Body, Operation, ReadBody, Shape
from chains.web.pages.entry import judged_for
from chains.web.pages.page import GROUP, closed
from chains.web.pages.shares import (
    FORM,
    FORM_BYTES,
    SHARE_PROBLEMS,
    TOKEN,
    secret_file,
    shared_entry,
    show_button,
)
from chains.web.pages.visitors import is_loopback, recognised
from chains.web.parameters import ENTRY_HASH
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.service import Service

_HOST = re.compile(rb"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9a-f:]{2,39}\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a certificate is made of, read while it could be; ``draw`` needs no database."""

    receipt: bytes
    stem: str
    verdict: Verdict
    digest: bytes | None
    page_url: str | None

    def draw(self) -> bytes:
        """Return the PDF."""
        from chains.certificate import Certificate

        name = f"{self.stem}.receipt"
        return Certificate(self.receipt, name, self.verdict, None, self.digest, self.page_url).render()


async def certificate_file(service: Service, request: Request, _read: ReadBody) -> Answer:
    """Return the certificate of an entry that is anchored, for whoever may have its receipt."""
    wanted = await service.rooms.ask(lambda room: _wanted(room, recognised(room, request)))
    pdf = await service.drawing.draw(wanted.draw)
    return closed(Answer(200, pdf, PDF), f"{wanted.stem}.pdf")


async def shared_certificate(service: Service, request: Request, read: ReadBody) -> Answer:
    """Return the certificate of an entry that is shared by a link; it counts as read."""
    await read(FORM_BYTES)
    wanted = await service.office.ask(lambda room: _shared(room, request))
    if isinstance(wanted, Answer):
        return wanted
    pdf = await service.drawing.draw(wanted.draw)
    return secret_file(Answer(200, pdf, PDF), f"{wanted.stem}.pdf")


def _shared(room: Room, request: Request) -> _Wanted | Answer:
    """Return what the certificate of a shared entry is made of; the page that says why where the link is over.

    That there is something to certify is seen before it is read: else a link for one reading would be used up.
    """
    share, chain, stored = shared_entry(room, request)
    receipt = room.receipts.make(stored, Shown(salt_and_digest=True))
    wanted = _certifiable(room, request, receipt, kept_for_link(stored))
    if not room.accounts.shares.read(share, chain, stored, "certificate", What.CERTIFICATE, request.now_ms):
        return show_button(room, request)
    return wanted


def _wanted(room: Room, request: Request) -> _Wanted:
    chain, stored = room.entry(request, Action.RECEIPT_READ)
    contents = Contents.of(room, request, chain)
    receipt = contents.receipt(stored)
    return _certifiable(room, request, receipt, contents.kept(stored, What.CERTIFICATE))


def _certifiable(room: Room, request: Request, receipt: Receipt, kept: Kept | None) -> _Wanted:
    verdict, digest = judged_for(room, receipt, kept)
    if not is_certifiable(verdict, file_at_hand=digest is not None):
        raise ProblemError("not-found", "There is no certificate yet: the entry is not anchored deep enough")
    return _Wanted(receipt.encode(), receipt.entry.hash.hex()[:16], verdict, digest, _page_url(request))


def _page_url(request: Request) -> str | None:
    """Return the address of the page that verifies, under the name by which this service was asked."""
    host = request.header(b"host") or b""
    if not _HOST.fullmatch(host):
        return None
    name = host.decode()
    return f"http://{name}/verify" if is_loopback(f"http://{name}") else f"https://{name}/verify"


_PROBLEMS = ("not-found", "not-allowed", "key-required", "key-refused", "overloaded")
OPERATIONS: tuple[Operation, ...] = (
    (
        Operation(
            *("certificateFile", "GET", "/entries/{entry_hash}/certificate.pdf", "The certificate of an entry", GROUP),
            *({200: Shape("The certificate", {PDF: bytes})}, _PROBLEMS),
            parameters=(ENTRY_HASH,),
            run_async=certificate_file,
            has_etag=False,
            is_page=True,
        ),
        Operation(
            *("shareCertificate", "POST", "/s/{token}/certificate.pdf", "The certificate of a shared entry", GROUP),
            *({200: Shape("The certificate", {PDF: bytes})}, SHARE_PROBLEMS),
            parameters=(TOKEN,),
            body=Body({FORM: str}, FORM_BYTES, "Nothing"),
            run_async=shared_certificate,
            has_etag=False,
            is_page=True,
        ),
    )
    if can_draw()
    else ()
)

"""What a link to a share opens: first a page with a button, which counts as nothing; behind it the one entry.

Programs that look at links (previews, virus scanners, browsers that fetch ahead) send GET; only a POST is a reading,
and it is noted before anything is given. The link opens this entry and nothing else, and no script is needed.
"""

from dataclasses import replace

from anchor.proof.access_record import What
from chains.certifying import can_draw, is_certifiable
from chains.chain import Chain
from chains.reader import StoredEntry
from chains.receipts import Shown
from chains.shares import ONCE_FOR_MS, PATH, Share
from chains.web.answers import NO_STORE
from chains.web.asgi import JSON, OCTETS, Answer, Header
from chains.web.contents import kept_for_link
from chains.web.operations import Body, In, Operation, Parameter, Run, Shape
from chains.web.pages.content_shown import content_shown
from chains.web.pages.entry import judged_for
from chains.web.pages.page import GROUP, closed, page
from chains.web.pages.rendering import Shell, page_answer, shell_of
from chains.web.pages.verdict_shown import verdict_shown
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.rooms import Room

TOKEN = Parameter("token", "The secret of a link", "[A-Za-z0-9_-]{43}", In.PATH, is_required=True)
FORM = "application/x-www-form-urlencoded"
FORM_BYTES = 64
# The address has the secret in it: no page that is reached from here is told it, and no search engine keeps it.
_SECRET_ADDRESS: tuple[Header, ...] = (
    NO_STORE,
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow, noarchive"),
)


def show_button(room: Room, request: Request) -> Answer:
    """Return the page before the record: that there is one, until when, and a button."""
    return _page(room, request, room.accounts.shares.presented(request.arguments["token"]))


def read_page(room: Room, request: Request) -> Answer:
    """Return the page with the record: content, receipt's verdict, and what can be taken away; it counts as read."""
    share, stored = _read(room, request, "page")
    if share is None:
        return show_button(room, request)
    kept = kept_for_link(stored)
    content = None if kept is None else kept.content
    receipt = room.receipts.make(stored, Shown())
    verdict, digest = judged_for(room, receipt, kept)
    return _page(
        *(room, request, share, True),
        entry_hash=stored.entry_hash.hex(),
        media_type=stored.entry.media_type,
        digest=None if kept is None else kept.digest.hex(),
        content=None if content is None else content_shown(stored.entry.media_type, content),
        verdict=verdict_shown(verdict),
        has_certificate=can_draw() and is_certifiable(verdict, file_at_hand=digest is not None),
    )


def read_receipt(room: Room, request: Request) -> Answer:
    """Return the one file that a verifier needs: the receipt with salt, digest and content in it; it counts as read."""
    share, stored = _read(room, request, "receipt")
    if share is None:
        return show_button(room, request)
    receipt = room.receipts.make(stored, Shown(salt_and_digest=True, content=True))
    return secret_file(Answer(200, receipt.encode(), JSON), f"{stored.entry_hash.hex()[:16]}.receipt")


def read_content(room: Room, request: Request) -> Answer:
    """Return the content as it was recorded, to be saved; it counts as read."""
    share, stored = _read(room, request, "content")
    if share is None:
        return show_button(room, request)
    kept = kept_for_link(stored)
    if kept is None or kept.content is None:
        raise not_found()
    return secret_file(Answer(200, kept.content, stored.entry.media_type or OCTETS), "")


def _read(room: Room, request: Request, given: str) -> tuple[Share | None, StoredEntry]:
    """Return the share of a link, None where it opens nothing any more, and its entry; the reading is noted.

    Raises ProblemError where there is no such share.
    """
    share, chain, stored = shared_entry(room, request)
    kept = kept_for_link(stored)
    what = What.CONTENT if kept is not None and kept.content is not None else What.RECEIPT
    is_open = room.accounts.shares.read(share, chain, stored, given, what, request.now_ms)
    return (share if is_open else None), stored


def shared_entry(room: Room, request: Request) -> tuple[Share, Chain, StoredEntry]:
    """Return the share of a link, over or not, with its entry; raise ProblemError where there is no such share."""
    share = room.accounts.shares.presented(request.arguments["token"])
    chain = None if share is None else room.home.chains.by_no(share.chain_no)
    stored = None if share is None or chain is None else room.reader.at(chain, share.leaf_index)
    if share is None or chain is None or stored is None:
        raise not_found()
    return share, chain, stored


def secret_file(answer: Answer, name: str) -> Answer:
    """Return a file that a link opened, as what nobody is told the address of."""
    made = closed(answer, name)
    names = {name for name, _ in _SECRET_ADDRESS}
    kept = tuple(each for each in made.headers if each[0] not in names)
    return Answer(made.status, made.body, made.content_type, (*kept, *_SECRET_ADDRESS), is_open=False)


def _page(room: Room, request: Request, share: Share | None, is_read: bool = False, **record: object) -> Answer:
    """Return the page of a share; who never had a link and whose link is of nothing see what is nowhere."""
    if share is None:
        raise not_found()
    state = room.accounts.shares.state(share, request.now_ms)
    facts = {
        "state": "live" if is_read else state,
        "share": share,
        "once_for_minutes": ONCE_FOR_MS // 60_000,
        "path": PATH + request.arguments["token"],
        "is_read": is_read,
        **record,
    }
    shell = shell_of(room, request)
    # Signing in from here would carry the address, with the secret in it, into another.
    answer = page_answer(Shell(shell.origin, shell.network, shell.visitor, ""), "share.html", facts)
    names = {name for name, _ in _SECRET_ADDRESS}
    headers = (*(each for each in answer.headers if each[0] not in names), *_SECRET_ADDRESS)
    return Answer(200 if state == "live" or is_read else 410, answer.body, answer.content_type, headers, is_open=False)


SHARE_PROBLEMS = ("not-found", "body-too-large", "media-type-unsupported", "too-slow", "overloaded")


def _button(name: str, path: str, about: str, run: Run, media_type: str) -> Operation:
    """Return what a button of the page does."""
    return Operation(
        *(name, "POST", path, about, GROUP, {200: Shape(about, {media_type: bytes})}, SHARE_PROBLEMS),
        parameters=(TOKEN,),
        body=Body({FORM: str}, FORM_BYTES, "Nothing"),
        run=run,
        is_page=True,
        is_change=True,
    )


OPERATIONS = (
    replace(page("sharePage", "/s/{token}", "A shared entry, before it is read", show_button, TOKEN), has_etag=False),
    _button("readShare", "/s/{token}", "A shared entry", read_page, "text/html"),
    _button("shareReceipt", "/s/{token}/receipt.json", "Its receipt with the content", read_receipt, JSON),
    _button("shareContent", "/s/{token}/content", "Its content", read_content, OCTETS),
)

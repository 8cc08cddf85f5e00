"""Signing in: a form takes an API key once, and a cookie stands for it until the session ends.

The forms are taken on the thread that changes accounts; the key goes nowhere but into the look-up.
"""

import re
from urllib.parse import parse_qsl

from anchor.errors import KeyRefusedError
from chains.web.answers import NO_STORE
from chains.web.asgi import Answer, Header
from chains.web.operations import Body, Operation, Parameter, Shape
from chains.web.pages.page import GROUP, page
from chains.web.pages.rendering import page_answer, render, shell_of
from chains.web.pages.visitors import check_origin, cookie, is_loopback, session_of
from chains.web.problems import ProblemError
from chains.web.requests import MAX_TOKEN, Request
from chains.web.rooms import Room

FORM = "application/x-www-form-urlencoded"
_FORM_BYTES = 4_096
# A path of this service: one slash, so that no other host is meant, and nothing that a header or a browser reads anew.
_NEXT = r"/(?![/\\])[!-\[\]-~]{0,1000}|/"
_TEMPLATE = "sign_in.html"


def show(room: Room, request: Request) -> Answer:
    """Return the form, or who is signed in."""
    return render(room, request, _TEMPLATE, refused="", next_path=request.arguments.get("next", "/"))


def sign_in(room: Room, request: Request) -> Answer:
    """Begin a session for whoever sends an API key that holds, and lead back to where he came from."""
    origin = check_origin(request)
    fields = _fields(request.body)
    next_path = fields.get("next", "/")
    if not re.fullmatch(_NEXT, next_path):
        next_path = "/"
    if not origin.startswith("https://") and not is_loopback(origin):
        return _refused(room, request, next_path, "Signing in needs https here: the key would travel in clear.")
    key = fields.get("key", "").strip()
    if not 0 < len(key) <= MAX_TOKEN:
        return _refused(room, request, next_path, "Expected an API key, which begins with al_.")
    try:
        begun = room.accounts.sessions.begin(key, request.now_ms)
    except KeyRefusedError as error:
        return _refused(room, request, next_path, f"{str(error)[:1].upper()}{str(error)[1:]}.")
    age_s = (begun.ends_at_ms - request.now_ms) // 1000
    return _leading_to(next_path, cookie(origin, begun.token, age_s))


def sign_out(room: Room, request: Request) -> Answer:
    """End the session, here and in the browser."""
    origin = check_origin(request)
    token = session_of(request)
    if token is not None:
        room.accounts.sessions.end(token)
    return _leading_to("/", cookie(origin, "", 0))


def _refused(room: Room, request: Request, next_path: str, why: str) -> Answer:
    facts = {"refused": why, "next_path": next_path}
    return page_answer(shell_of(room, request), _TEMPLATE, facts, status=403)


def _leading_to(path: str, set_cookie: Header) -> Answer:
    return Answer(303, headers=((b"location", path.encode()), set_cookie, NO_STORE), is_open=False)


def _fields(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=8))
    except ValueError as error:
        raise ProblemError("body-malformed", f"the form cannot be read: {error}") from error


_SENT = Shape("Leads to a page", {"text/html": str}, ("Location", "Set-Cookie"))
_PROBLEMS = ("bad-request", "body-malformed", "body-too-large", "media-type-unsupported", "too-slow", "overloaded")
OPERATIONS = (
    page("signInPage", "/sign-in", "Sign in", show, Parameter("next", "Where to go then", _NEXT)),
    Operation(
        *("signIn", "POST", "/sign-in", "Begin a session", GROUP, {303: _SENT}, _PROBLEMS),
        body=Body({FORM: str}, _FORM_BYTES, "key, and next: the path to go to"),
        run=sign_in,
        is_page=True,
        is_change=True,
    ),
    Operation(
        *("signOut", "POST", "/sign-out", "End the session", GROUP, {303: _SENT}, _PROBLEMS),
        body=Body({FORM: str}, _FORM_BYTES, "Nothing"),
        run=sign_out,
        is_page=True,
        is_change=True,
    ),
)

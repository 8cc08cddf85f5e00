"""Who looks at a page: by the cookie of a session, or by an API key as in the API; and whether a form is our own.

``chains.web.api`` asks for every page; the sign-in page makes and ends the cookies.
"""

from dataclasses import replace
from ipaddress import ip_address
from urllib.parse import urlsplit

from chains.web.asgi import Header
from chains.web.problems import ProblemError
from chains.web.requests import Request
from chains.web.rooms import Room

# "__Host-": the browser takes it over https only, for this host alone and all its paths (RFC 6265bis, section 4.1.3.2).
_SECURE, _LOOPBACK = "__Host-anchorline", "anchorline-session"
_MOST_TOKEN = 100


def recognised(room: Room, request: Request) -> Request:
    """Return the request with who asks; a cookie that does not hold is a stranger's.

    Raises KeyRefusedError or ProblemError where an API key is presented that does not hold.
    """
    if request.header(b"authorization") is not None:
        return room.authenticated(request)
    token = session_of(request)
    return request if token is None else replace(request, actor=room.accounts.sessions.actor(token, request.now_ms))


def session_of(request: Request) -> str | None:
    """Return the value of the session's cookie, or None (RFC 6265, section 5.4)."""
    field = request.all_headers(b"cookie") or b""
    pairs = [pair.partition("=") for pair in field.decode("latin-1").replace(",", ";").split(";")]
    found = {name.strip(): value.strip() for name, _, value in reversed(pairs)}
    token = found.get(_SECURE) or found.get(_LOOPBACK)
    return token if token is not None and token.isascii() and len(token) <= _MOST_TOKEN else None


def check_origin(request: Request) -> str:
    """Return the origin of a form that was sent; raise ProblemError where it is not a page of this service.

    A browser names the origin with each POST (Fetch, "append a request Origin header"). Behind a proxy that rewrites
    Host, Sec-Fetch-Site tells that both are one.
    """
    origin = (request.header(b"origin") or b"").decode("latin-1")
    host = (request.header(b"host") or b"").decode("latin-1")
    site = request.header(b"sec-fetch-site")
    is_own = site == b"same-origin" if site is not None else bool(host) and urlsplit(origin).netloc == host
    if not origin or origin == "null" or not is_own:
        raise ProblemError("bad-request", "Expected a form of this service's own page; open the page and send it there")
    return origin


def is_loopback(origin: str) -> bool:
    """Say whether an origin is plain http of this machine, where nobody listens in between."""
    parts = urlsplit(origin)
    if parts.scheme != "http" or parts.hostname is None:
        return False
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname == "localhost"


def cookie(origin: str, token: str, age_s: int) -> Header:
    """Return the header that gives a browser its session: no script reads it, and no other site's request carries it.

    An age of 0 takes it away.
    """
    name, secure = (_LOOPBACK, "") if is_loopback(origin) else (_SECURE, "; Secure")
    return (b"set-cookie", f"{name}={token}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}".encode())

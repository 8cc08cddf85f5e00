"""Pages made of templates: what is around every page, what each may load, and the answer that goes out.

``render`` is called by the modules of this package with the facts of one page; a template has no other source, and
everything in it is escaped.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from anchor.errors import UnknownAccountError
from chains.web.answers import NO_STORE, cached
from chains.web.asgi import HTML, Answer, Header
from chains.web.pages import phrases
from chains.web.pages.assets import asset
from chains.web.requests import Request
from chains.web.rooms import Room

POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FOR_COOKIES = cached("private", "no-cache")
"""Who sees what is told by his cookie: an answer is kept for him alone, and asked about each time."""
GUARDS: tuple[Header, ...] = (
    (b"content-security-policy", POLICY),
    # Not no-referrer: then a browser says "null" as the origin of our own forms.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"vary", b"cookie"),
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in, in words: the organisation ("the operator of this service" without one) and the key's role."""

    organisation: str
    role: str
    key_id: str


@dataclass(frozen=True, slots=True)
class Shell:
    """What is around a page: whose log it is, who looks at it, and where. The default is for when nothing is known."""

    origin: str = ""
    network: str = ""
    visitor: Visitor | None = None
    path: str = ""


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("chains.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["asset"] = asset
    found.filters |= {
        name: getattr(phrases, name) for name in ("number", "counted", "size", "utc", "iso", "visible", "visibility")
    }
    return found


_TEMPLATES = _environment()


def shell_of(room: Room, request: Request) -> Shell:
    """Return what is around a page for who asks."""
    home = room.home
    return Shell(home.directory.log.origin, home.network.name, _visitor(room, request), request.path)


def _visitor(room: Room, request: Request) -> Visitor | None:
    actor = request.actor
    if actor.role is None or actor.key_id is None:
        return None
    if actor.organisation is None:
        return Visitor("the operator of this service", actor.role.value, actor.key_id)
    try:
        name = room.accounts.organisations.by_id(actor.organisation).name
    except UnknownAccountError:
        name = actor.organisation
    return Visitor(name, actor.role.value, actor.key_id)


def render(room: Room, request: Request, template: str, **facts: object) -> Answer:
    """Return a page made of a template of the folder ``templates`` and the facts that it names.

    Raises jinja2.UndefinedError where the template names a fact that is not given.
    """
    return page_answer(shell_of(room, request), template, facts)


def page_answer(
    shell: Shell, template: str, facts: Mapping[str, object], *headers: Header, status: int = 200
) -> Answer:
    """Return the same with what is around the page given; a page for somebody who is signed in is kept nowhere."""
    html = _TEMPLATES.get_template(template).render(facts, shell=shell)
    keeping = FOR_COOKIES if shell.visitor is None and status == 200 else NO_STORE
    return Answer(status, html.encode(), HTML, (keeping, *GUARDS, *headers), is_open=False)

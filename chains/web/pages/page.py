"""How a page, and a file that a page offers, is written down as an operation: read on a reading thread, for who asks.

The modules of this package make theirs with ``page`` and ``download``; ``chains.web.pages.table`` lists them.
"""

from dataclasses import replace

from chains.web.asgi import Answer, header
from chains.web.operations import Operation, Parameter, Run, Shape
from chains.web.pages.rendering import FOR_COOKIES, GUARDS
from chains.web.requests import Request
from chains.web.rooms import Room

GROUP = "Pages"
_PROBLEMS = ("not-found", "not-allowed", "key-required", "key-refused")
_SANDBOX = (b"content-security-policy", b"default-src 'none'; sandbox")


def page(name: str, path: str, about: str, run: Run, *parameters: Parameter) -> Operation:
    """Return a page as an operation: GET, for everybody, each to see what he may."""
    shape = Shape("The page", {"text/html": str})
    return Operation(
        *(name, "GET", path, about, GROUP, {200: shape}, _PROBLEMS), parameters=parameters, run=run, is_page=True
    )


def download(name: str, path: str, about: str, run: Run, file_name: str, *parameters: Parameter) -> Operation:
    """Return a file as an operation: what ``run`` of the API answers, to be saved, for whoever is signed in.

    ``file_name`` may name the request's arguments in braces; it may be empty where ``run`` names the file itself.
    """

    def run_closed(room: Room, request: Request) -> Answer:
        return closed(run(room, request), file_name.format_map(request.arguments))

    shape = Shape("The file")
    return Operation(
        *(name, "GET", path, about, GROUP, {200: shape}, _PROBLEMS), parameters=parameters, run=run_closed, is_page=True
    )


def closed(answer: Answer, file_name: str = "") -> Answer:
    """Return an answer as a file that no browser runs, no other site reads and no cache gives to somebody else."""
    mine = {b"content-security-policy", b"cache-control", *((b"content-disposition",) if file_name else ())}
    kept = tuple(each for each in answer.headers if each[0] not in mine)
    if file_name:
        kept += ((b"content-disposition", f'attachment; filename="{file_name}"'.encode()),)
    elif header(kept, b"content-disposition") is None:
        kept += ((b"content-disposition", b"attachment"),)
    guards = tuple(each for each in GUARDS if each[0] != b"content-security-policy")
    return replace(answer, headers=(*kept, FOR_COOKIES, _SANDBOX, *guards), is_open=False)

"""The files that pages load: style sheet, icon and scripts, each under a name with the hash of what is in it.

They are read once from the folder ``static`` beside this file; a name never has other bytes, so browsers keep them.
"""

from importlib.resources import files

from anchor.proof.codec import sha256
from chains.web.answers import IMMUTABLE, cached
from chains.web.asgi import Answer
from chains.web.operations import In, Operation, Parameter, ReadBody, Shape
from chains.web.problems import not_found
from chains.web.requests import Request
from chains.web.service import Service

FOLDER = "/static/"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_HASH_CHARACTERS = 16


def _read() -> tuple[dict[str, str], dict[str, Answer]]:
    """Return the hashed name of each file, and the answer under each hashed name."""
    names: dict[str, str] = {}
    answers: dict[str, Answer] = {}
    for file in (files("chains.web.pages") / "static").iterdir():
        stem, _, ending = file.name.rpartition(".")
        if ending not in _TYPES:
            continue
        body = file.read_bytes()
        names[file.name] = f"{stem}.{sha256(body).hex()[:_HASH_CHARACTERS]}.{ending}"
        # An SVG that is opened by itself runs nothing either.
        headers = (cached("public", IMMUTABLE), (b"content-security-policy", b"default-src 'none'; style-src 'self'"))
        answers[names[file.name]] = Answer(200, body, _TYPES[ending], headers)
    return names, answers


_NAMES, _ANSWERS = _read()


def asset(name: str) -> str:
    """Return the address of a file in ``static``; raise KeyError where there is none."""
    return FOLDER + _NAMES[name]


async def get_asset(_service: Service, request: Request, _read: ReadBody) -> Answer:
    """Return a file that pages load."""
    found = _ANSWERS.get(request.arguments["file"])
    if found is None:
        raise not_found()
    return found


OPERATIONS = (
    Operation(
        "asset",
        "GET",
        FOLDER + "{file}",
        "A file that pages load",
        "Pages",
        {200: Shape("The file")},
        ("not-found",),
        parameters=(Parameter("file", "Its name with its hash", "[a-z0-9.-]{1,100}", In.PATH, is_required=True),),
        run_async=get_asset,
        is_everybodys=True,
    ),
)

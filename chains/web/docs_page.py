"""The page at /docs: every operation of the OpenAPI document, with a form to try it; nothing is loaded from elsewhere.

The page reads /v1/openapi.json in the browser; its script and style are allowed by their hashes only.
"""

import base64
from importlib.resources import files

from anchor.proof.codec import sha256

_FOLDER = files("chains.web") / "static"


def _source(text: bytes) -> str:
    return f"'sha256-{base64.b64encode(sha256(text)).decode()}'"


_SCRIPT = (_FOLDER / "docs.js").read_bytes()
_STYLE = (_FOLDER / "docs.css").read_bytes()
PAGE = (
    b"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    b"<title>Anchorline: HTTP API</title><style>" + _STYLE + b"</style><body><main id=page>"
    b"<p>This page needs JavaScript; <a href=/v1/openapi.json>the OpenAPI document</a> does not.</main>"
    b"<script>" + _SCRIPT + b"</script></html>\n"
)
POLICY = (
    f"default-src 'none'; connect-src 'self'; script-src {_source(_SCRIPT)}; style-src {_source(_STYLE)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
).encode()

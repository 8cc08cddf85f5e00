"""Answers of the HTTP API: JSON of documented types, with entity tags, and what may be cached by whom.

The operations make them; ``chains.web.api`` turns one into 304 where the client has it already (RFC 9110 section 13).
"""

from typing import Any

import msgspec

from anchor.proof.codec import sha256
from chains.web.asgi import JSON, Answer, Header

IMMUTABLE = "max-age=31536000, immutable"
NO_STORE: Header = (b"cache-control", b"no-store")
_ENCODER = msgspec.json.Encoder()


def json_of(value: Any, *headers: Header, status: int = 200) -> Answer:
    """Return a value of ``chains.web.schemas`` as JSON."""
    return Answer(status, _ENCODER.encode(value) + b"\n", JSON, headers)


def cached(who: str, how: str) -> Header:
    """Return the header that says who may keep an answer ("public" or "private"), and for how long."""
    return (b"cache-control", f"{who}, {how}".encode())


def entity_tag(body: bytes) -> bytes:
    """Return a strong entity tag (RFC 9110 section 8.8.3): the same bytes have the same one, at any server."""
    return b'"%s"' % sha256(body)[:16].hex().encode()


def is_unchanged(if_none_match: bytes | None, tag: bytes) -> bool:
    """Say whether a client has what is tagged so (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    named = {item.strip().removeprefix(b"W/") for item in if_none_match.split(b",")}
    return tag in named or b"*" in named

# SPDX-License-Identifier: Apache-2.0
"""Keyed external ids: names by which entries are found, and which nobody can guess without the organisation's key.

An id of kind 2 is HMAC-SHA-256 over namespace and name (docs/spec/envelope.md); it is computed here, on the machine of
whoever writes or searches, and the service sees 32 bytes.
"""

import hmac

from anchor.proof.codec import HASH_SIZE, exactly
from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.errors import MalformedError


def keyed_id(search_key: bytes, namespace: str, name: str | bytes) -> ExternalId:
    """Return the external id of a name in a namespace: HMAC-SHA-256(search key, namespace ‖ 00 ‖ name).

    ``search_key`` is 32 random bytes. Raises MalformedError for a namespace with a zero byte, or an empty name: two
    pairs would have one id, or none.
    """
    space, raw = _bytes_of(namespace), name if isinstance(name, bytes) else _bytes_of(name)
    if b"\x00" in space or not raw:
        raise MalformedError(f"keyed id: expected a namespace without a zero byte, and a name, got {namespace[:40]!r}")
    key = exactly(search_key, HASH_SIZE, "search key")
    return ExternalId(IdKind.KEYED, hmac.digest(key, space + b"\x00" + raw, "sha256"))


def keyed_name(search_key: bytes, name: str | bytes) -> ExternalId:
    """Return the keyed id of a name as people write it: NAMESPACE:NAME, or a name alone, whose namespace is empty.

    Bytes are a name of their own, without a namespace.
    """
    if isinstance(name, bytes):
        return keyed_id(search_key, "", name)
    space, colon, rest = name.partition(":")
    return keyed_id(search_key, space, rest) if colon else keyed_id(search_key, "", name)


def _bytes_of(text: str) -> bytes:
    """Return a text as UTF-8; names of files may have other bytes in them, which stay."""
    return text.encode("utf-8", "surrogateescape")

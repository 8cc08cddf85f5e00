# SPDX-License-Identifier: Apache-2.0
"""PKCS #11 URIs (RFC 7512): how a key on a token is named, and where its module is.

Input is what somebody writes on the command line or in a setting; ``pkcs11_key`` opens what it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from anchor.proof.errors import MalformedError

SCHEME = "pkcs11:"
MODULE_VARIABLE = "PKCS11_MODULE_PATH"
_PATH = ("token", "serial", "object", "id", "type")
_QUERY = ("module-path", "pin-source")


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key as a URI names it: its token by label or serial, itself by label or id; unset parts are None."""

    token: str | None
    serial: str | None
    label: str | None
    key_id: bytes | None
    module_path: str
    pin_source: str | None

    @classmethod
    def decode(cls, uri: str, environment: Mapping[str, str]) -> "TokenKey":
        """Read a URI; raise MalformedError where it has a part that is not known here, or names no token, key, module.

        The module is ``module-path``, else what the environment variable PKCS11_MODULE_PATH says. ``pin-value`` is
        refused: every user of the machine sees the command lines of all.
        """
        path, _, query = uri.removeprefix(SCHEME).partition("?")
        parts, asked = _attributes(path, ";", _PATH), _attributes(query, "&", _QUERY)
        found = cls(
            _text(parts, "token"),
            _text(parts, "serial"),
            _text(parts, "object"),
            parts.get("id"),
            _text(asked, "module-path") or environment.get(MODULE_VARIABLE, ""),
            _text(asked, "pin-source"),
        )
        if parts.get("type", b"private") != b"private":
            raise MalformedError(f"{uri[:200]!r}: expected type=private, or no type")
        if (found.token or found.serial) is None or (found.label is None and found.key_id is None):
            raise MalformedError(f"{uri[:200]!r}: expected a token (or serial) and an object (or id), RFC 7512")
        if not found.module_path:
            raise MalformedError(f"{uri[:200]!r}: expected the token's module: ?module-path=FILE, or {MODULE_VARIABLE}")
        return found


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in text.split(separator) if text else ():
        name, equals, value = item.partition("=")
        if name == "pin-value":
            raise MalformedError(
                "pin-value in a PKCS #11 URI can be read by every user of this machine: use pin-source"
            )
        if name not in known or not equals or name in found:
            raise MalformedError(f"PKCS #11 URI: expected each of {', '.join(known)} once at most, got {item[:60]!r}")
        found[name] = unquote_to_bytes(value)
    return found


def _text(parts: Mapping[str, bytes], name: str) -> str | None:
    if name not in parts:
        return None
    try:
        return parts[name].decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"PKCS #11 URI: expected {name} in UTF-8") from error

# SPDX-License-Identifier: Apache-2.0
"""Which paths a manifest may hold, and in which order (docs/spec/manifest.md).

Input is a path as a manifest or a folder has it. The reader of a manifest's list refuses what breaks these rules, and
whoever records or compares a folder asks for the same.
"""

from unicodedata import category, is_normalized

from anchor.proof.errors import MalformedError, TooLargeError

MAX_PATH_BYTES = 4096
"""What Linux itself calls the longest path (PATH_MAX)."""
_SHOWN = 80


def check_path(path: str) -> bytes:
    """Return a path's UTF-8; raise MalformedError where it is not one that a manifest may hold.

    Names are parted by ``/``, none of them empty, ``.`` or ``..``; NFC, and neither a backslash (Windows reads it as
    ``/``) nor a control character (a terminal obeys it).
    """
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise MalformedError(f"path {path[:_SHOWN]!r}: expected UTF-8; rename the file") from error
    if len(encoded) > MAX_PATH_BYTES:
        raise TooLargeError(f"path {path[:_SHOWN]!r}...: expected at most {MAX_PATH_BYTES} bytes, got {len(encoded)}")
    if not is_normalized("NFC", path):
        raise MalformedError(f"path {path[:_SHOWN]!r}: expected Unicode in its composed form (NFC); rename the file")
    if {"", ".", ".."}.intersection(path.split("/")):
        raise MalformedError(f"path {path[:_SHOWN]!r}: expected names parted by single slashes, none of them . or ..")
    if "\\" in path or (not path.isprintable() and any(category(char) == "Cc" for char in path)):
        raise MalformedError(
            f"path {path[:_SHOWN]!r}: expected neither backslashes nor control characters; rename the file"
        )
    return encoded


def path_order(encoded: bytes) -> bytes:
    """Return what paths are sorted by: the bytes, ``/`` before all others, so that a folder's contents are together."""
    return encoded.replace(b"/", b"\x00")


def check_next_path(before: bytes, path: bytes) -> None:
    """Raise MalformedError unless ``path`` may follow ``before``: sorted, none twice, and nothing below a file."""
    if path_order(before) >= path_order(path):
        raise MalformedError(f"path {_text(path)!r}: expected paths in order, it stands behind {_text(before)!r}")
    if path.startswith(before + b"/"):
        raise MalformedError(f"path {_text(path)!r}: {_text(before)!r} is listed by itself and holds nothing")


def _text(path: bytes) -> str:
    return path.decode()[:_SHOWN]

"""What runs here: the version of Anchorline, and of what its results and its speed rest on.

Input is the running Python; `anchorline version` prints it.
"""

import platform
import sqlite3
import ssl
from importlib.metadata import version
from typing import Any

from anchor.hashing.chosen import HASHING, REASON
from anchor.hashing.chosen_cipher import CIPHER
from anchor.hashing.chosen_cipher import REASON as CIPHER_REASON
from anchor.signature_rows import NAME as SIGNATURES_NAME
from anchor.signature_rows import REASON as SIGNATURES_REASON


def running_versions() -> dict[str, Any]:
    """Return the versions by name, and for ``hashing``, ``cipher`` and ``signatures`` which is used, and why."""
    return {
        "anchorline": version("anchorline"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "openssl": ssl.OPENSSL_VERSION,
        "hashing": {"name": HASHING.name, "reason": REASON},
        "cipher": {"name": CIPHER.name, "reason": CIPHER_REASON},
        "signatures": {"name": SIGNATURES_NAME, "reason": SIGNATURES_REASON},
    }

"""How the native hashing is built: cffi's description of its headers, compiled into one extension.

``setup.py`` hands this to setuptools. The extension is optional: without a compiler or Python's headers the
installation goes on without it, and ``anchor.hashing.chosen`` takes hashlib.
"""

import sys
from pathlib import Path

from cffi import FFI

FOLDER = "anchor/hashing"
"""From the folder of setup.py, where setuptools runs."""
EXTENSION = "anchor.hashing._native"

BUILDER = FFI()
_NAMES = ("batches", "bundles", "ciphers", "columns", "pairs", "signatures", "texts")
for name in _NAMES:
    BUILDER.cdef(Path(__file__).with_name(f"{name}.h").read_text(encoding="utf-8"))
BUILDER.set_source(
    EXTENSION,
    "".join(f'#include "{name}.h"\n' for name in _NAMES),
    sources=[f"{FOLDER}/{name}.c" for name in (*_NAMES, "parts", "sha256")],
    depends=[f"{FOLDER}/{name}.h" for name in (*_NAMES, "kept", "messages", "parts", "sha256")],
    include_dirs=[FOLDER],
    extra_compile_args=["-O3", "-fvisibility=hidden"],
    # Where libc does not have dlopen and threads itself (glibc before 2.34).
    libraries=["dl", "pthread"] if sys.platform == "linux" else [],
    optional=True,
)

"""How the native hashing is built: cffi's description of batches.h, compiled with sha256.c into one extension.

``setup.py`` hands this to setuptools. The extension is optional: without a compiler or Python's headers the
installation goes on without it, and ``anchor.hashing.chosen`` takes hashlib.
"""

from pathlib import Path

from cffi import FFI

FOLDER = "anchor/hashing"
"""From the folder of setup.py, where setuptools runs."""
EXTENSION = "anchor.hashing._native"

BUILDER = FFI()
BUILDER.cdef(Path(__file__).with_name("batches.h").read_text(encoding="utf-8"))
BUILDER.set_source(
    EXTENSION,
    '#include "batches.h"',
    sources=[f"{FOLDER}/batches.c", f"{FOLDER}/sha256.c"],
    depends=[f"{FOLDER}/batches.h", f"{FOLDER}/sha256.h"],
    include_dirs=[FOLDER],
    extra_compile_args=["-O3", "-fvisibility=hidden"],
    optional=True,
)

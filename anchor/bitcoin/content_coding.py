"""gzip as HTTP carries it (``Content-Encoding``): packed so that equal bytes stay equal, unpacked no further than said.

A mirror's bundles of leaves are stored and read so (docs/spec/mirror.md), and batches may be sent so. Only gzip: it
is in every server, browser and standard library, and what C2SP tlog-tiles allows without asking (ADR 67).
"""

import zlib

from anchor.proof.errors import MalformedError, TooLargeError

GZIP = "gzip"
# A gzip member of what does not shrink: its header and trailer, and 5 bytes for each stored block of 16 KiB.
_HEADER, _STORED_SHARE = 64, 3_000
_LEVEL = 6
_GZIP_BITS = 16 + zlib.MAX_WBITS


def packed(data: bytes) -> bytes:
    """Return ``data`` as one gzip member without name or time."""
    return zlib.compress(data, _LEVEL, _GZIP_BITS)


def most_packed(limit: int) -> int:
    """Return how many bytes gzip may make of ``limit``, where they do not shrink."""
    return limit + limit // _STORED_SHARE + _HEADER


def unpacked(data: bytes, limit: int) -> bytes:
    """Return what one whole gzip member holds, at most ``limit`` bytes, and never more of it in memory.

    Raises TooLargeError where there is more, MalformedError where it is no gzip, is cut, or has something behind it.
    """
    unpacking = zlib.decompressobj(_GZIP_BITS)
    try:
        plain = unpacking.decompress(data, limit + 1)
    except zlib.error as error:
        raise MalformedError(f"expected gzip, as Content-Encoding says, got something else: {error}") from error
    if len(plain) > limit:
        raise TooLargeError(f"expected at most {limit} bytes behind gzip, got more")
    if not unpacking.eof or unpacking.unused_data:
        raise MalformedError("expected one whole gzip member, got a part of one, or more behind it")
    return plain

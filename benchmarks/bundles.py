"""(p) Bundles of leaves compressed as an HTTP server can: bytes an entry, and the time to pack and to unpack a bundle.

A bundle holds 256 leaves of one chain (docs/spec/mirror.md), made here as writers make them, and of the directory;
a tile of hashes is beside them. gzip is what is built (ADR 67), zstd is shown where ``zstandard`` is installed.
"""

import os
import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from anchor.proof.codec import sha256
from anchor.proof.entry import (
    Author,
    AuthorType,
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    IdKind,
    batch_author,
    content_commitment,
)
from anchor.proof.leaves import HeadLeaf
from anchor.proof.merkle import inclusion_path, leaf_hash
from anchor.tiles import encode_bundle

COUNT = 256
ROUNDS = 200
LEVELS = (1, 6, 9)
CHAIN, SIGNER = sha256(b"chain"), sha256(b"key")
Coder = tuple[str, Callable[[bytes], bytes], Callable[[bytes], bytes]]


def entry(number: int, media_type: str = "", *, ids: bool = False, extensions: Sequence[Extension] = ()) -> Entry:
    """Return an entry as a writer makes it: a salted commitment, and what it says in clear."""
    own = (ExternalId(IdKind.CLEAR, b"invoice-2026-%06d" % number),) if ids else ()
    return Entry(CHAIN, content_commitment(os.urandom(16), os.urandom(32)), media_type, own, (), tuple(extensions))


def signed(number: int) -> bytes:
    """Return an entry of a named author, signed by itself; 64 random bytes are as good as a signature here."""
    time_ms = (1_790_000_000_000 + 1_000 * number).to_bytes(8, "big")
    named = [Extension(ExtensionType.AUTHOR_TIME, time_ms), Extension(ExtensionType.IDENTITY, sha256(b"identity"))]
    plain = entry(number, "application/json", ids=True, extensions=named)
    author = Author(AuthorType.ED25519, SIGNER + os.urandom(64))
    return replace(plain, author=author).encode()


def batch() -> list[bytes]:
    """Return a bundle that is one signed batch: every entry brings its path to the root that was signed."""
    entries = [entry(number).encode_before_author() for number in range(COUNT)]
    hashes, sealed = [leaf_hash(raw) for raw in entries], SIGNER + os.urandom(64)
    return [
        raw + batch_author(sealed, index, COUNT, b"".join(inclusion_path(hashes, index)))
        for index, raw in enumerate(entries)
    ]


def heads(chains: int) -> list[bytes]:
    """Return leaves of the directory where so many chains take turns."""
    ids = [os.urandom(32) for _ in range(chains)]
    return [HeadLeaf(ids[at % chains], 1_000 + at, 5_000 + at, os.urandom(32)).encode() for at in range(COUNT)]


KINDS: dict[str, Callable[[], bytes]] = {
    "entries by their digest alone": lambda: encode_bundle([entry(at).encode() for at in range(COUNT)]),
    "entries of text": lambda: encode_bundle([entry(at, "text/plain").encode() for at in range(COUNT)]),
    "entries of JSON, an id each": lambda: encode_bundle(
        [entry(at, "application/json", ids=True).encode() for at in range(COUNT)]
    ),
    "the same of a named author, signed": lambda: encode_bundle([signed(at) for at in range(COUNT)]),
    "entries of one signed batch": lambda: encode_bundle(batch()),
    "heads of 10 chains": lambda: encode_bundle(heads(10)),
    "heads of 1,000 chains": lambda: encode_bundle(heads(1_000)),
    "a tile of hashes": lambda: os.urandom(32 * COUNT),
}


def coders() -> list[Coder]:
    """Return what can be tried here."""
    found: list[Coder] = [
        (f"gzip {level}", partial(_gzip, level), partial(zlib.decompress, wbits=31)) for level in LEVELS
    ]
    if find_spec("zstandard") is None:
        return found
    zstd: Any = import_module("zstandard")
    for level in (1, 3, 19):
        made, read = zstd.ZstdCompressor(level=level), zstd.ZstdDecompressor()
        found.append((f"zstd {level}", made.compress, read.decompress))
    return found


def _gzip(level: int, data: bytes) -> bytes:
    return zlib.compress(data, level, 31)


def main() -> None:
    """Print a line for each kind and way."""
    for name, make in KINDS.items():
        bundles = [make() for _ in range(5)]
        print(f"{name}: {statistics.mean(map(len, bundles)) / COUNT:.0f} bytes each")
        for title, pack, unpack in coders():
            packed = [pack(each) for each in bundles]
            assert [unpack(each) for each in packed] == bundles
            pack_ms, unpack_ms = _each_ms(pack, bundles), _each_ms(unpack, packed)
            size = statistics.mean(map(len, packed)) / COUNT
            print(f"  {title:8} {size:6.1f} bytes each   packed in {pack_ms:7.3f} ms, unpacked in {unpack_ms:.3f} ms")


def _each_ms(work: Callable[[bytes], bytes], given: Sequence[bytes]) -> float:
    took = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        work(given[number % len(given)])
        took.append(time.perf_counter() - start)
    return statistics.median(took) * 1000


if __name__ == "__main__":
    main()

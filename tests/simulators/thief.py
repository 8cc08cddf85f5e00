"""A thief who has files, answers, log lines or memory, and looks in them for what was encrypted.

He looks for it whole, in pieces, and in whatever way it may be written, and guesses at what is short.

Tests of encrypted content hand him everything that can be stolen. Each has a control: something that he does find.
"""

import base64
import gzip
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus

import psycopg

from anchor.storage.postgres import PostgresEngine
from chains.home import Home
from tests.postgres import PostgresServer

DAYS = [(date(1926, 1, 1) + timedelta(days=day)).isoformat().encode() for day in range(36_525)]
"""Every day of a century: what somebody tries who knows that a birthday is recorded."""
PIECE = 12
"""Bytes of a content that are not by chance anywhere else."""
_WINDOW = 32
_REGION = 64 * 2**20
_PAGE = 8192
_TABLES = (
    "SELECT name FROM sqlite_master WHERE type = 'table'",
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
)


def spellings(secret: bytes) -> Iterator[bytes]:
    """Yield a secret as it may be written: raw, hex, base64 at each alignment, escaped for addresses, UTF-16."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for alignment in range(3):
        # Of base64, only those characters are the secret's alone that no byte before or behind has a share in.
        text = base64.b64encode(bytes(alignment) + secret).rstrip(b"=")
        inner = text[-(-8 * alignment // 6) : len(text) - 1 if (alignment + len(secret)) % 3 else None]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))
    try:
        readable = secret.decode()
    except UnicodeDecodeError:
        return
    yield from (quote(readable).encode(), quote_plus(readable).encode(), readable.encode("utf-16-le"))


def found(secrets: Mapping[str, bytes], files: Sequence[bytes]) -> list[str]:
    """Return the names of those secrets that are anywhere in the files, in any spelling; none is short."""
    assert all(len(secret) >= 8 for secret in secrets.values())
    wanted = [(name, set(spellings(secret))) for name, secret in secrets.items()]
    return [name for name, written in wanted if any(each in data for each in written for data in files)]


def pieces_found(content: bytes, files: Sequence[bytes]) -> list[bytes]:
    """Return the pieces of a content that are anywhere in the files, as of a preview or a logged line."""
    pieces = [content[at : at + PIECE] for at in range(len(content) - PIECE + 1)]
    return [piece for piece in pieces if any(piece in data for data in files)]


def secrets_of(content: bytes, salt: bytes = b"") -> dict[str, bytes]:
    """Return what of a content must not be found: itself, its salt, and what anybody can compute of it."""
    digest = hashlib.sha256(content).digest()
    computed = {"content": content, "digest": digest, "SHA-1": hashlib.sha1(content).digest()}
    return computed | ({"salt": salt} if salt else {})


def names_of(name: str) -> dict[str, bytes]:
    """Return a name and the hashes of it that anybody can compute, with an empty key and with its namespace too."""
    raw = name.encode()
    once = hashlib.sha256(raw).digest()
    guesses = {name: raw, "hash": once, "id digest": hashlib.sha256(once).digest()}
    for space in (b"", b"patient"):
        guesses[f"unkeyed {space!r}"] = hashlib.sha256(space + b"\0" + raw).digest()
        guesses[f"empty key {space!r}"] = hmac.digest(bytes(32), space + b"\0" + raw, "sha256")
    return guesses


def guessed(files: Sequence[bytes], salts: Sequence[bytes]) -> list[bytes]:
    """Return the days of a century whose digest, or commitment under one of these salts, is anywhere in the files.

    Every 32 bytes at every offset of the files are looked up, in binary and as hex.
    """
    guesses: dict[bytes, bytes] = {}
    for day in DAYS:
        digest = hashlib.sha256(day).digest()
        guesses[digest] = day
        guesses[digest.hex().encode()[:_WINDOW]] = day
        for salt in salts:
            guesses[hashlib.sha256(salt + digest).digest()] = day
    windows = (data[at : at + _WINDOW] for data in files for at in range(len(data) - _WINDOW + 1))
    return sorted({guesses[window] for window in windows if window in guesses})


# --- what there is to steal


def files_in(places: Iterable[Path]) -> dict[Path, bytes]:
    """Return every file below these places (or these files), what is compressed decompressed, but Bitcoin's blocks."""
    paths = [path for place in places for path in ([place] if place.is_file() else sorted(place.rglob("*")))]
    kept = [path for path in paths if path.is_file() and "regtest" not in path.parts]
    return {path: gzip.decompress(data) if (data := path.read_bytes())[:2] == b"\x1f\x8b" else data for path in kept}


def pages_of(server: PostgresServer) -> set[bytes]:
    """Return all that a database server has in files, page by page, each once: tables, write-ahead log, its own log.

    What it has in memory only is written before.
    """
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    found = set[bytes]()
    for path in server.folder.rglob("*"):
        try:
            data = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # the server takes files away while it runs
            continue
        found |= {data[at : at + _PAGE] for at in range(0, len(data), _PAGE)}
    return found


def all_that_a_home_reads(folder: Path) -> list[bytes]:
    """Return what the keys in a home open: every entry with what is kept beside it, decrypted, and every other value.

    A thief who has the content keys too needs no more than Anchorline itself.
    """
    with Home.open(folder) as home:
        tables = [str(name) for (name,) in home.engine.query(_TABLES[isinstance(home.engine, PostgresEngine)])]
        values = [value for table in tables for row in home.engine.query(f'SELECT * FROM "{table}"') for value in row]
        read = [_bytes_of(value) for value in values if isinstance(value, bytes | str)]
        for run in home.chains.runs(1, home.chains.next_seq()):
            for _, raw, kept in home.chains.bundles.rows(run.first_seq, run.first_seq + run.entry_count):
                read += [raw, kept or b""]
    return read


def _bytes_of(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def memory_of(pid: int) -> Iterator[bytes]:
    """Yield what a running process of ours can write to: its heap, its stacks, what it keeps to answer again."""
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            place, rights, *_ = line.split()
            if not rights.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(each, 16) for each in place.split("-"))
            for at in range(start, end, _REGION):
                try:
                    memory.seek(at)
                    yield memory.read(min(_REGION, end - at))
                except OSError:  # a page that is mapped and was never there
                    continue

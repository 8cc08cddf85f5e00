"""The scenario of the crash tests of other people's witness: authorities stamp anchored checkpoints, calendars attest.

It is run as those of ``anchoring`` are. Authority and calendar are outside of what stops, and answer without a socket:
what they are asked and what they answer is whole, checked by the code under test, and every question is two points.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from anchor.attestations import Attestations
from anchor.attesting import Attesting
from anchor.bitcoin.calendars import Calendars
from anchor.bitcoin.protocols import Coin
from anchor.errors import TimestampError
from anchor.proof import opentimestamps as ots
from anchor.proof.codec import sha256
from anchor.stamping import Stamping
from anchor.storage.engine import Engine
from anchor.timestamp_authority import TimestampAuthority
from chains.audit_attestations import check_attestations
from chains.audit_report import Report
from chains.audit_tables import check_timestamps
from tests.crash.anchoring import Run, World, embedded, simulated
from tests.crash.crashing import DATABASE
from tests.databases import open_engine
from tests.simulators.store import REGTEST, START_MS
from tests.simulators.timestamp_authority import certify_root, certify_signer
from tests.simulators.timestamp_server import simulated as stamps

ROOT = certify_root()
SIGNER = certify_signer(ROOT)
CALENDAR = "https://calendar.invalid"
AUTHORITY, SILENT = "https://authority.invalid", "https://silent.invalid"
WAIT_S = 10.0


class Minable(World, Protocol):
    """A Bitcoin that a scenario can move, and on which others may be paid."""

    def mine(self, count: int = 1, script: bytes = b"\x51") -> object:
        """Mine blocks that pay to a script."""


class NearAuthority(TimestampAuthority):
    """An authority that answers in this process; the silent one never does."""

    def _post(self, query: bytes) -> bytes:
        if self.url == SILENT:
            raise TimestampError(f"{self.url}: it is silent")
        return stamps(SIGNER)(query)


class NearCalendar(Calendars):
    """A calendar in this process: it commits to what it is given by the coinbase of a block of its own."""

    def __init__(self, world: Minable, point: Callable[[str], None]) -> None:
        super().__init__()
        self._world = world
        self._point = point

    def submit(self, url: str, digest: bytes) -> bytes:
        """See ``Calendars``; two points."""
        self._point("before submit")
        way = ots.Path((ots.append(b"calendar"), ots.SHA256), ots.PendingAttestation(url))
        reply = ots.Timestamp((way,)).encode()
        self._point("after submit")
        return reply

    def ask(self, uri: str, key: bytes) -> bytes | None:
        """See ``Calendars``; two points. Asked for the first time, it has a block mined that commits to the key."""
        self._point("before ask")
        coin = self._coin(key) or self._mined(key)
        operations = (*ots.within(key, coin.transaction), ots.SHA256, ots.SHA256)
        assert coin.height is not None
        reply = ots.Timestamp((ots.Path(operations, ots.BitcoinAttestation(coin.height)),)).encode()
        self._point("after ask")
        return reply

    def _coin(self, key: bytes) -> Coin | None:
        return next(iter(self._world.unspent(b"\x00\x20" + key)), None)

    def _mined(self, key: bytes) -> Coin:
        """Mine it alone in a block, whose Merkle root then is its txid, under as many as are waited for."""
        self._world.mine()
        self._world.mine(1, b"\x00\x20" + key)
        self._world.mine(REGTEST.final_depth)
        coin = self._coin(key)
        assert coin is not None
        return coin


def _witness(engine: Engine, folder: Path, world: Minable) -> None:
    for count in (1, 3):
        Run(engine, folder, world).write(count)
        Run(engine, folder, world).seal()
        Run(engine, folder, world).tick()
        world.mine()
        Run(engine, folder, world).tick()
        _stamp(engine, folder, world)
        # Attested before the log has a source of headers, then once more with one.
        _attest(engine, folder, world, with_headers=False)
        _attest(engine, folder, world, with_headers=True)


def _stamp(engine: Engine, folder: Path, world: Minable) -> None:
    authorities = [NearAuthority(url, [ROOT.certificate]) for url in (AUTHORITY, SILENT)]
    Stamping(engine, Run(engine, folder, world).store.directory, authorities).tick(START_MS, WAIT_S)


def _attest(engine: Engine, folder: Path, world: Minable, *, with_headers: bool) -> None:
    calendar = NearCalendar(world, getattr(engine, "point", lambda _: None))
    directory, headers = Run(engine, folder, world).store.directory, world if with_headers else None
    attesting = Attesting(directory, Attestations(engine), calendar, (CALENDAR,), "regtest", headers)
    failed = [item for item in attesting.run(START_MS, at_once=True) if item.cause]
    assert not failed, failed


def witness_simulated(engine: Engine, folder: Path) -> None:
    """Two anchors, each stamped and attested, on the simulated Bitcoin of the folder."""
    _witness(engine, folder, simulated(folder))


def witness_embedded(engine: Engine, folder: Path) -> None:
    """Two anchors, each stamped and attested, on the embedded regtest in the folder."""
    with embedded(folder) as world:
        _witness(engine, folder, world)


def check_witnesses(folder: Path, world: Minable) -> None:
    """Every reply, attestation, header and token that is there is whole, and over a checkpoint that was anchored."""
    engine = open_engine(folder / DATABASE)
    directory = Run(engine, folder, world).store.directory
    report = Report()
    check_attestations(engine, directory, report)
    check_timestamps(engine, directory, report)
    assert [] == report.findings
    anchored = {int(size) for (size,) in engine.query("SELECT checkpoint_size FROM attempt")}
    for table in ("time_stamp", "calendar_reply"):
        assert {int(size) for (size,) in engine.query(f"SELECT checkpoint_size FROM {table}")} <= anchored
    engine.close()


def check_witnessed(folder: Path, world: Minable) -> None:
    """After a whole run each of the two anchored checkpoints has one token, one reply, one attestation, one header."""
    check_witnesses(folder, world)
    engine = open_engine(folder / DATABASE)
    anchored = engine.query("SELECT DISTINCT checkpoint_size FROM attempt ORDER BY 1")
    assert 2 == len(anchored)
    assert anchored == engine.query("SELECT checkpoint_size FROM time_stamp ORDER BY 1")
    assert anchored == engine.query(
        "SELECT checkpoint_size FROM calendar_reply "
        "JOIN attestation ON attestation.reply_no = calendar_reply.reply_no "
        "JOIN attestation_header ON attestation_header.attestation_no = attestation.attestation_no ORDER BY 1"
    )
    kept = Attestations(engine)
    for (size,) in anchored:
        (attestation,) = kept.of(int(size))
        assert attestation.header is not None
        assert sha256(sha256(attestation.header)) in {
            world.block_hash(height) for height in range(1, world.tip().height + 1)
        }
    assert {SILENT} == {str(url) for (url,) in engine.query("SELECT authority FROM time_stamp_failure")}
    engine.close()

"""The scenarios of the crash tests of anchors that somebody else signs: asked for, exported, signed, imported, sent.

They are run as those of ``anchoring`` are. The files that were handed out and brought back are outside of what stops;
the signer elsewhere is embit. ``check_requests`` says what must hold of the requests at any time.
"""

from collections.abc import Callable
from pathlib import Path

from anchor.bitcoin.psbt import transaction_in
from anchor.engine import AnchorEngine, Policy
from anchor.errors import StaleSignatureError
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.signature_requests import Ended, OfflineSigner, SignatureRequests, export_request, import_signed, withdraw
from anchor.storage.engine import Engine
from chains.files import write_file
from tests.crash.anchoring import Run, World, _once, embedded, simulated, wallet
from tests.crash.crashing import DATABASE
from tests.databases import open_engine
from tests.simulators.signer import sign_psbt
from tests.simulators.store import START_MS

HANDED_OUT = "*.psbt"


class ElsewhereRun(Run):
    """One process of a home whose key is elsewhere."""

    def __init__(self, engine: Engine, folder: Path, world: World) -> None:
        super().__init__(engine, folder, world)
        self.folder = folder
        self.point: Callable[[str], None] = getattr(engine, "point", lambda _: None)
        self.requests = SignatureRequests(engine, self.journal)
        signer = OfflineSigner(self.requests, wallet().public, lambda: START_MS)
        self.anchoring = AnchorEngine(
            self.guarded, self.anchoring.directory, self.journal, self.anchoring.source, signer, Policy(0, 86_400_000)
        )

    def renew(self) -> None:
        """Withdraw what waits where there is a newer checkpoint, as ``wallet psbt export --renew`` does it."""
        live, newest = self.requests.live(), self.store.directory.newest()
        if live is not None and newest is not None and live.checkpoint_size < newest.size:
            withdraw(self.requests, START_MS)

    def export(self, name: str) -> None:
        """Hand out what waits, if anything does, as ``wallet psbt export`` does it."""
        live = self.requests.live()
        if live is not None:
            psbt = export_request(self.requests, live, wallet().public)
            self.point("before export")
            write_file(self.folder / f"{name}.psbt", psbt)
            self.point("after export")

    def bring_back(self, name: str) -> str:
        """Import what was handed out, signed elsewhere; return the error's message, empty where it was taken."""
        path = self.folder / f"{name}.psbt"
        if not path.exists():
            return "nothing was handed out"
        signed = sign_psbt(path.read_bytes(), wallet())
        source, directory = self.anchoring.source, self.store.directory
        try:
            import_signed(self.requests, directory, source, wallet().public, signed, START_MS)
        except StaleSignatureError as error:
            return str(error)
        return ""


def _anchor(engine: Engine, folder: Path, world: World, name: str, count: int) -> None:
    """Write, seal, ask, hand out, bring back, send. Every step is opened anew."""
    ElsewhereRun(engine, folder, world).write(count)
    ElsewhereRun(engine, folder, world).seal()
    ElsewhereRun(engine, folder, world).tick()
    ElsewhereRun(engine, folder, world).export(name)
    ElsewhereRun(engine, folder, world).bring_back(name)
    ElsewhereRun(engine, folder, world).tick()


def _sign_two(engine: Engine, folder: Path, world: World) -> None:
    for name, count in (("first", 1), ("second", 3)):
        _anchor(engine, folder, world, name, count)
        world.mine()
        ElsewhereRun(engine, folder, world).tick()


def sign_two_simulated(engine: Engine, folder: Path) -> None:
    """Two anchors are signed elsewhere and mined, on the simulated Bitcoin of the folder."""
    _sign_two(engine, folder, simulated(folder))


def sign_two_embedded(engine: Engine, folder: Path) -> None:
    """Two anchors are signed elsewhere and mined, on the embedded regtest in the folder."""
    with embedded(folder) as world:
        _sign_two(engine, folder, world)


def replace_signed(engine: Engine, folder: Path) -> None:
    """An anchor is mined; the next waits in vain, and a request replaces it; that is withdrawn, and a newer one signed.

    The signature of the withdrawn one comes last, when it is of no use to anybody.
    """
    world = simulated(folder)
    _anchor(engine, folder, world, "first", 1)
    _once(folder, "mined", world.mine)
    ElsewhereRun(engine, folder, world).tick()
    _anchor(engine, folder, world, "second", 2)
    for number in range(FEE_TARGET_BLOCKS):
        _once(folder, f"passed-{number}", world.mine_others)
    ElsewhereRun(engine, folder, world).write(3)
    ElsewhereRun(engine, folder, world).seal()
    for _ in range(2):
        ElsewhereRun(engine, folder, world).tick()
    ElsewhereRun(engine, folder, world).export("withdrawn")
    ElsewhereRun(engine, folder, world).write(4)
    ElsewhereRun(engine, folder, world).seal()
    ElsewhereRun(engine, folder, world).renew()
    ElsewhereRun(engine, folder, world).tick()
    ElsewhereRun(engine, folder, world).export("third")
    ElsewhereRun(engine, folder, world).bring_back("third")
    for _ in range(2):
        ElsewhereRun(engine, folder, world).tick()
    world.mine()
    ElsewhereRun(engine, folder, world).tick()
    ElsewhereRun(engine, folder, world).bring_back("withdrawn")
    ElsewhereRun(engine, folder, world).tick()
    if ElsewhereRun(engine, folder, world).requests.live() is not None:
        # Only after a stop: a request that was made before the last entry has been signed.
        _anchor(engine, folder, world, "last", 4)
        world.mine()
        ElsewhereRun(engine, folder, world).tick()


def check_requests(folder: Path) -> None:
    """One request at most is alive, what was handed out is stored, and a signature is one attempt."""
    engine = open_engine(folder / DATABASE)
    all_of_them = engine.query("SELECT COUNT(*) FROM signature_request")[0][0]
    ended = engine.query("SELECT COUNT(*) FROM signature_request_end")[0][0]
    assert 0 <= all_of_them - ended <= 1
    asked = {bytes(txid) for (txid,) in engine.query("SELECT txid FROM signature_request")}
    attempts = [bytes(txid) for (txid,) in engine.query("SELECT txid FROM attempt")]
    assert len(set(attempts)) == len(attempts)
    signed = [
        bytes(txid)
        for (txid,) in engine.query(
            "SELECT txid FROM signature_request JOIN signature_request_end "
            "ON signature_request_end.request_no = signature_request.request_no WHERE ended = ? ORDER BY 1",
            (Ended.SIGNED,),
        )
    ]
    assert sorted(attempts) == signed, "an attempt for each signature, and a signature for each attempt"
    assert {transaction_in(path.read_bytes()).txid for path in folder.glob(HANDED_OUT)} <= asked
    engine.close()

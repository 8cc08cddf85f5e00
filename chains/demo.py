"""The demo: the whole way once, on an embedded Bitcoin regtest, with real input and a forged file at the end.

Input is a folder: every file tracked in it by git is recorded by digest, and the CSV in it line by line. ``anchorline
demo`` runs it; what it shows is done by the same parts that every other command uses, and the verifications run as
commands of their own, without the demo's home.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from anchor.errors import SettingsError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.entry import ExternalId, IdKind
from chains.files import write_file
from chains.home import CARD, Home
from chains.intake import Intake
from chains.leading import leading
from chains.reader import Reader
from chains.sealing import seal
from chains.trial import anchor_now, create_trial, forget, fund, receipt_of

CSV = Path("docs/demo/seattle-weather.csv")
SHOWN_FILE = Path("README.md")
SHOWN_ROW = 118

Say = Callable[[str], None]


def run_demo(source: Path, keep: Path | None, say: Say) -> int:
    """Run the demo over the files of ``source``; return 0 where every step did what it should."""
    if not (source / CSV).is_file():
        raise SettingsError(f"{source / CSV}: missing; run the demo in a checkout, or name one with --source")
    if keep is not None:
        return _run(source, keep, say)
    with tempfile.TemporaryDirectory(prefix="anchorline-demo-") as folder:
        home = Path(folder) / "home"
        try:
            return _run(source, home, say)
        finally:
            forget(home)


def _run(source: Path, folder: Path, say: Say) -> int:
    with create_trial(folder, "demo.anchorline.example") as home:
        say(f"1. A new log, {home.directory.log.origin}, in {folder}")
        say(f"   log id {home.directory.log.log_id.hex()}")
        fund(home)
        height = home.source.tip().height
        say(f"2. Embedded Bitcoin regtest (libbitcoinkernel): mined {height} blocks to {home.wallet.address}")
        shown = _record_files(home, source, say)
        row = _record_rows(home, source, say)
        with leading(home, "demo"):
            block = _seal_and_anchor(home, say)
        work = folder.parent / "hand-out"
        work.mkdir()
        receipts = _hand_out(home, work, shown, row)
    return _verify(source, work, receipts, block, say)


def _record_files(home: Home, source: Path, say: Say) -> bytes:
    files = _tracked(source)
    chain, _ = home.writer.open_chain([_id("acme-builders"), _id("site-files")], b"", "acme", home.clock())
    intake = Intake(digest=True)
    added = intake.record(home.writer, chain, [source / name for name in files], home.clock, lambda _: None)
    say(f"3. Chain acme {chain.chain_id.hex()[:16]}…: {added.count} files of this repository, by digest")
    stored = Reader(home.engine, home.chains, home.lookup).at(chain, 1 + files.index(SHOWN_FILE))
    assert stored is not None
    return stored.entry_hash


def _record_rows(home: Home, source: Path, say: Say) -> bytes:
    chain, _ = home.writer.open_chain([_id("meridian-weather"), _id("seattle")], b"", "meridian", home.clock())
    intake = Intake(lines=True, media_type="text/csv")
    added = intake.record(home.writer, chain, [source / CSV], home.clock, lambda _: None)
    say(f"4. Chain meridian {chain.chain_id.hex()[:16]}…: {added.count} rows of {CSV.name}, one by one")
    stored = Reader(home.engine, home.chains, home.lookup).at(chain, 1 + SHOWN_ROW)
    assert stored is not None
    return stored.entry_hash


def _seal_and_anchor(home: Home, say: Say) -> str:
    sealed = seal(home)
    assert sealed is not None
    say(f"5. Sealed both chains into one checkpoint of {sealed.size} leaves, root {sealed.root.hex()[:16]}…")
    attempt = anchor_now(home, home.network.final_depth).attempts[-1]
    block = attempt.standing.block
    assert block is not None
    say(f"6. Anchored in transaction {hash_hex(attempt.txid)}")
    say(f"   block {block.height} {hash_hex(block.hash)}, state {attempt.state}, fee {attempt.fee_sat} sat")
    return f"regtest:{block.height}:{hash_hex(block.hash)}"


def _hand_out(home: Home, work: Path, shown: bytes, row: bytes) -> tuple[Path, Path, Path]:
    """Write what a third party gets: two receipts and the log's card."""
    paths = (work / f"{SHOWN_FILE}.receipt", work / "row.receipt", work / CARD)
    for path, data in zip(paths, (receipt_of(home, shown), receipt_of(home, row), home.card().encode()), strict=True):
        write_file(path, data)
    return paths


def _verify(source: Path, work: Path, receipts: tuple[Path, Path, Path], block: str, say: Say) -> int:
    file_receipt, row_receipt, card = receipts
    given = ["--log", card.name, "--block", block]
    say("\n7. A third party has the file, its receipt, the log's card and one block hash. No home, no network:")
    good = work / SHOWN_FILE
    good.write_bytes((source / SHOWN_FILE).read_bytes())
    row = work / "row.csv"
    row.write_bytes((source / CSV).read_bytes().split(b"\n")[SHOWN_ROW])
    intact = _command([good.name, file_receipt.name, *given], work, say)
    say(f"\n8. Row {SHOWN_ROW} of the other enterprise's CSV, alone:")
    row_intact = _command([row.name, row_receipt.name, *given], work, say)
    say("\n9. Now one byte of the file is changed:")
    changed = bytearray(good.read_bytes())
    changed[len(changed) // 2] ^= 1
    forged = work / f"changed-{SHOWN_FILE}"
    forged.write_bytes(changed)
    refused = _command([forged.name, file_receipt.name, *given], work, say)
    expected = (intact, row_intact, refused) == (0, 0, 1)
    say("\nThe demo did what it should." if expected else "\nTHE DEMO DID NOT DO WHAT IT SHOULD.")
    return 0 if expected else 1


def _command(arguments: Sequence[str], work: Path, say: Say) -> int:
    """Run ``anchorline verify`` as a process of its own and show what it prints."""
    say(f"   $ anchorline verify {' '.join(arguments)}")
    command = [sys.executable, "-c", "import cli; cli.main()", "verify", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603  # our own command
    for line in (done.stdout + done.stderr).rstrip().split("\n"):
        say(f"   {line}")
    say(f"   exit code {done.returncode}")
    return done.returncode


def _tracked(source: Path) -> list[Path]:
    """Return the files that git tracks in ``source``, without links."""
    listed = subprocess.run(  # fixed arguments
        ["git", "ls-files", "-z"],  # noqa: S607  # the user's own git
        cwd=source,
        capture_output=True,
        check=True,
    )
    names = [Path(name.decode()) for name in listed.stdout.split(b"\0") if name]
    return [name for name in names if (source / name).is_file() and not (source / name).is_symlink()]


def _id(text: str) -> ExternalId:
    return ExternalId(IdKind.CLEAR, text.encode())

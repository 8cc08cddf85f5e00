"""Bringing a home level that was restored from a backup: from a newer copy or a mirror, or with a leaf for the gap.

``anchorline rebuild`` calls it. A copy is taken over as a whole, after everything was checked in a file beside: until
the one rename at the end, or the one transaction where the home is on PostgreSQL, nothing of the home has changed, and
a run that was interrupted is repeated.
"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from anchor.bitcoin.protocols import InBlock
from anchor.bitcoin.records import sync_folder
from anchor.bitcoin.web_address import is_address
from anchor.epochs import Epochs
from anchor.errors import BehindError, HistoryDiffersError, SettingsError, StorageBusyError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint, Transaction
from anchor.proof.leaves import EpochLeaf
from anchor.storage.copying import replace_all
from anchor.storage.database import Database
from anchor.storage.databases import SqliteFile, database_of, is_postgres
from anchor.storage.sqlite import SqliteEngine
from anchor.tiles import Fetch
from chains.audit import Audit
from chains.backup import leave_out_digests
from chains.from_mirror import add_found, anchors_ours, take_over
from chains.highwater import HighWater, check_high_water, read_high_water, write_high_water
from chains.home import CARD, DATABASE, Home
from chains.key_store import NAME as CONTENT_KEYS
from chains.leading import leading, leading_copy
from chains.mirror_reading import opened_mirror
from chains.reader import Reader
from chains.same_history import check_prefix
from chains.settings import FILE_NAME, load_settings

NEXT_DATABASE = "anchorline-next.db"
"""The copy, while it is checked."""
OLD_DATABASE = "anchorline-old.db"
"""What a server's database holds, while it is copied to be kept."""
_BESIDE = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a home had before, what it has now, how many anchors were taken up, and where the old database is kept."""

    before: HighWater
    after: HighWater
    anchors_adopted: int
    kept: Path
    gap: EpochLeaf | None = None
    """From a mirror only, which has no promises: what the next seal says about these."""
    entries_mirrored: int = 0
    """Entries from a mirror: without promise, content and salt."""


def rebuild_from(home: Home, place: str | Path) -> Rebuilt:
    """Take over a newer copy of a home (its folder, or its database), or a mirror (its folder, or its address).

    The old database is kept, as a SQLite file of the home. The home is closed afterwards; open it again. Raises
    HistoryDiffersError where the copy does not continue this home or does not pass the audit, BehindError where it is
    behind too, SettingsError where there is no copy, StorageBusyError where another process uses the home, and what
    ``from_mirror.take_over`` raises.
    """
    if is_address(str(place)) or (not is_postgres(str(place)) and _is_mirror(Path(place))):
        with opened_mirror(place) as fetch:
            return _rebuild_from_mirror(home, fetch)
    folder, source = _copy_at(place)
    following = _emptied(home)
    source.copy_to(following)
    leave_out_digests(following)
    if folder is not None and (theirs := folder / CONTENT_KEYS).is_file():
        home.content_keys.take_over(theirs)
    with home, home.over(SqliteEngine(following)) as newer, leading_copy(newer, "rebuild"):
        before, after = home.high_water(), newer.high_water()
        check_prefix(home, newer)
        noted = read_high_water(home.directory.log.log_id)
        if noted is not None:
            check_high_water(after, noted)
        check_sound(newer)
        adopted = adopt_anchors(newer)
        newer.unchecked_anchoring.check_in_step()
    return Rebuilt(before, after, adopted, _swap(home, before))


def _copy_at(place: str | Path) -> tuple[Path | None, Database]:
    """Return the folder of a copy, None where it has none, and its database; raises SettingsError for no copy."""
    if is_postgres(str(place)):
        return None, database_of(Path(), str(place))
    copy = Path(place)
    if copy.is_file():
        return copy.parent, SqliteFile(copy)
    if (copy / DATABASE).is_file():
        return copy, SqliteFile(copy / DATABASE)
    if (copy / FILE_NAME).is_file() and (database := load_settings(copy / FILE_NAME).database):
        return copy, database_of(copy, database)
    raise SettingsError(f"{copy}: expected a copy of a home, of its database {DATABASE}, or a mirror; found none")


def _is_mirror(folder: Path) -> bool:
    return (folder / CARD).is_file() and not any((folder / name).is_file() for name in (DATABASE, FILE_NAME))


def _rebuild_from_mirror(home: Home, fetch: Fetch) -> Rebuilt:
    """Add what the mirror has to a copy of the home's own database, and put that copy in its place."""
    following = _emptied(home)
    home.database.copy_to(following)
    with home, home.over(SqliteEngine(following)) as newer, leading_copy(newer, "rebuild"):
        before, log_id = home.high_water(), home.directory.log.log_id
        taken = take_over(newer, fetch)
        after = newer.high_water()
        noted = read_high_water(log_id)
        if noted is not None and noted.directory_size > after.directory_size:
            raise BehindError(
                f"this machine has seen {noted.directory_size} directory leaves of this log, the mirror has "
                f"{after.directory_size}: it is behind too; nothing was taken over. Find a newer copy or mirror"
            )
        check_sound(newer)
        adopted = taken.anchors + adopt_anchors(newer)
        newer.unchecked_anchoring.check_in_step()
        _check_quiet(home, before)
    # Promises may be lost for good, so the note may know of more entries. It is set before the database is replaced:
    # after a crash in between it still names more directory leaves than the old one has, which goes on being refused.
    write_high_water(log_id, after)
    return Rebuilt(before, after, adopted, _swap(home, before), taken.gap, taken.entries)


def mark_gap(home: Home) -> EpochLeaf:
    """Store that promises may be lost, and let this home go on: the next seal states it in an epoch leaf.

    Only where nothing of the directory is missing. Raises BehindError where something is, SettingsError where this
    machine knows that nothing is missing.
    """
    with leading(home, "rebuild"):
        return _mark_gap(home)


def _mark_gap(home: Home) -> EpochLeaf:
    epochs, found = Epochs(home.engine, home.directory), home.high_water()
    noted = read_high_water(home.directory.log.log_id)
    if noted is not None and noted.directory_size > found.directory_size:
        raise BehindError(
            f"this machine has seen {noted.directory_size} directory leaves of this log, the home has "
            f"{found.directory_size}: seals are missing, and no leaf can stand for them. Find a newer copy "
            "(`anchorline rebuild --from`), or begin a new log; receipts of this one stay good"
        )
    adopt_anchors(home)
    home.unchecked_anchoring.check_in_step()
    if noted is not None and noted.entries <= found.entries and epochs.pending() is None:
        raise SettingsError("nothing is missing that this machine has seen: there is no gap to mark; go on as usual")
    newest = int(home.engine.query("SELECT COALESCE(MAX(received_at_ms), 0) FROM group_commit")[0][0])
    # Stored before the note is reset: a crash in between is found by the next run, which finds the gap and resets it.
    gap = epochs.mark(newest, max(home.clock(), newest))
    write_high_water(home.directory.log.log_id, found)
    return gap


def adopt_anchors(home: Home) -> int:
    """Take up an anchor in a block that continues the thread and carries a checkpoint of this home; return how many.

    It was made after the copy and before the loss. Raises BehindError where the thread goes on in any other way.
    """
    if home.directory.thread_leaf() is None or home.unchecked_anchoring.recoveries.pending() is not None:
        return 0
    adopted = 0
    while (lost := home.unchecked_anchoring.in_step.lost_to()) is not None:
        _adopt(home, *lost)
        adopted += 1
    return adopted


def _adopt(home: Home, spent: OutPoint, txid: bytes) -> None:
    ends = [coin for coin in home.unchecked_anchoring.in_step.unknown_anchors() if coin.outpoint.txid == txid]
    transaction = Transaction.decode(ends[0].transaction, len(ends[0].transaction)) if ends else None
    if transaction is None or not anchors_ours(home, transaction) or not isinstance(home.source.observe(txid), InBlock):
        raise BehindError(
            f"the thread went on from {spent} with {hash_hex(txid)}, which is no anchor in a block of a checkpoint "
            "that is here: what is here is behind too, or the thread is lost. Where it is an anchor on its way, wait "
            "for its block; else find a newer copy; if there is none, see `anchorline recover thread`"
        )
    add_found(home, transaction)


def check_sound(home: Home) -> None:
    """Audit a copy of a home, all of it; raise HistoryDiffersError with the first finding."""
    reader = Reader(home.engine, home.chains, home.lookup)
    report = Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run()
    if not report.clean:
        first = report.findings[0]
        raise HistoryDiffersError(
            f"the copy does not pass the audit: {first.where}: {first.what} "
            f"({len(report.findings) + report.more_findings} findings); nothing was taken over"
        )


# --- databases


def _check_quiet(home: Home, before: HighWater) -> None:
    if home.high_water() != before:
        raise StorageBusyError(f"{home.folder}: another process writes to it; stop it, and run this again")


def _swap(home: Home, before: HighWater) -> Path:
    """Keep the old database as a file, and put the checked copy in its place; return the old one's name.

    The home is closed, and held ``before`` when it was compared.
    """
    home.database.check_alone()
    path, following = home.folder / DATABASE, home.folder / NEXT_DATABASE
    kept = next(each for each in names_of_old(path) if not each.exists() or (path.exists() and each.samefile(path)))
    if home.settings.database:
        _swap_rows(home, before, following, kept)
    else:
        _swap_files(path, following, kept)
    return kept


def _swap_files(path: Path, following: Path, kept: Path) -> None:
    if not kept.exists():
        os.link(path, kept)
    with following.open("rb+") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)
    following.replace(path)
    sync_folder(path.parent)


def _swap_rows(home: Home, before: HighWater, following: Path, kept: Path) -> None:
    """Replace all rows of a server's database in one transaction; what they were is copied to a file before."""
    copied = kept.with_name(OLD_DATABASE)
    _remove(copied)
    home.database.copy_to(copied)
    copied.replace(kept)
    sync_folder(kept.parent)
    rows = home.database.open_to_move()
    with Home(home.folder, home.settings, home.clock, rows) as now, closing(SqliteEngine(following)) as newer:
        replace_all(newer, rows, lambda: _check_quiet(now, before))
    _remove(following)


def names_of_old(path: Path) -> Iterator[Path]:
    """Yield the names under which databases are kept in whose place there is another one now."""
    return (path.with_name(f"anchorline-before-{number}.db") for number in count(1))


def _emptied(home: Home) -> Path:
    """Return where the copy is checked, with nothing there that an earlier run left."""
    following = home.folder / NEXT_DATABASE
    _remove(following)
    return following


def _remove(path: Path) -> None:
    for end in ("", *_BESIDE):
        path.with_name(path.name + end).unlink(missing_ok=True)

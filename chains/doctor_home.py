"""Checks that look at this machine: settings, keys, disk, database, and who else witnesses checkpoints.

Input is a home under examination (``chains.examined``), the rules are in ``doctor_rules``. ``chains.doctor`` runs them.
No message repeats a key or a password.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from anchor.attestations import Attestations
from anchor.bitcoin.http_probe import Probe, probe
from anchor.errors import SourceUnavailableError
from anchor.proof.errors import AnchorlineError
from anchor.proof.leaves import Key, KeyLeaf, Purpose
from anchor.signing import SigningKey, is_encrypted_key, read_private_file
from anchor.storage.databases import SqliteFile
from anchor.storage.read_only import quick_check
from anchor.timestamps import Timestamps
from chains import doctor_rules as rules
from chains.diagnosis import Finding, error, ok, warning
from chains.examined import Examined, NotCheckedError
from chains.highwater import check_high_water, high_water_file, read_high_water
from chains.home import KEYS, Home
from chains.parallel import all_within

# A writer that holds the lock for longer than this is not just committing.
_LOCK_WAIT_S = 1.0
_DAY_MS = 24 * 60 * 60 * 1000


def settings_check(subject: Examined) -> list[Finding]:
    """Read the settings and look for combinations that make no sense."""
    settings = subject.settings_or_raise()
    return rules.settings(settings, subject.network)


def network_check(subject: Examined) -> list[Finding]:
    """Compare the settings' network with the one in leaf 0 of the log."""
    network = subject.network_or_raise()
    return [ok("network", f"{network.name}, for which this log was made")]


def keys_check(subject: Examined) -> list[Finding]:
    """Look at the folder of keys: who may read it, and whether its keys are those of the log."""
    home = subject.home
    found = [*_folder(home.folder / KEYS)]
    for purpose in (Purpose.CHECKPOINT, Purpose.PROMISE):
        found += _each(partial(_signing_key, home, purpose), "keys")
    found += _each(partial(_recovery_key, home), "keys")
    return found or [ok("keys", "the keys of this log, readable by their owner alone")]


def wallet_check(subject: Examined) -> list[Finding]:
    """Look at the wallet's key file, and whether its password can be had without a person."""
    home, check = subject.home, "wallet"
    wallet = home.wallet
    if not wallet.has_key:
        return [ok(check, f"{wallet.address}: anchors are signed elsewhere")]
    if not wallet.is_encrypted:
        if home.network.name == "regtest":
            return [ok(check, f"{wallet.address}: its key is not encrypted, on regtest")]
        advice = "encrypt it: `anchorline wallet password`"
        return [warning(check, f"{wallet.address}: whoever reads the disk or a backup has its key", advice)]
    if not home.wallet_password.is_given:
        advice = (
            "name a file of mode 600 with wallet_password_file, unless somebody types it whenever the daemon starts"
        )
        return [warning(check, f"{wallet.address}: encrypted, and its password is in no file and no variable", advice)]
    wallet.opened()
    return [ok(check, f"{wallet.address}: encrypted, and the password opens it")]


def disk_check(subject: Examined) -> list[Finding]:
    """Measure free space against what a day needs, and write a temporary file."""
    folder = subject.folder
    usage = shutil.disk_usage(folder)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"anchorline doctor")
        file.flush()
        os.fsync(file.fileno())
    return [rules.disk(usage.free, _day_bytes(subject), str(folder))]


def database_check(subject: Examined) -> list[Finding]:
    """Have SQLite look through the whole file for damage."""
    check, database = "database", subject.database
    if not isinstance(database, SqliteFile):
        return [rules.database(database.name, database.size_bytes(), database.risk())]
    path = database.path
    if not path.is_file():
        return [error(check, f"{path}: missing", "restore a backup (docs/operate/backup.md)")]
    found = quick_check(path, subject.over)
    if found is None:
        raise TimeoutError(f"{path}: not read through in time")
    if found:
        return [error(check, f"{path}: damaged: {found[0]}", "restore a backup, then run `anchorline audit`")]
    return [ok(check, f"{path}: {path.stat().st_size} bytes, and SQLite finds no damage in it")]


def schema_check(subject: Examined) -> list[Finding]:
    """Compare the database's migrations with those of this version."""
    check, schema = "schema", subject.database.schema()
    if schema.unknown:
        return [error(check, f"made by a newer Anchorline: it has {schema.unknown[0]!r}", "use that version")]
    if schema.expanded:
        said = f"a newer Anchorline added {', '.join(schema.expanded)}; this version goes on beside it"
        return [warning(check, said, "put the newer version on every host")]
    if schema.pending:
        advice = "make a backup; the next command that opens the log, `anchorline status` say, brings it up to date"
        return [warning(check, f"made by an older Anchorline: it lacks {', '.join(schema.pending)}", advice)]
    return [ok(check, f"{len(schema.applied)} migrations, the newest is {schema.applied[-1]!r}")]


def write_ahead_log_check(subject: Examined) -> list[Finding]:
    """Measure SQLite's write-ahead log."""
    return [rules.write_ahead_log(subject.database.write_ahead_bytes())]


def lock_check(subject: Examined) -> list[Finding]:
    """Take the database's write lock, and give it back."""
    subject.database.check_writable(_LOCK_WAIT_S)
    return [ok("write-lock", "it can be taken")]


def high_water_check(subject: Examined) -> list[Finding]:
    """Compare the home with what this machine has already seen of its log."""
    check, home = "high-water", subject.home
    log_id = home.directory.log.log_id
    noted = read_high_water(log_id)
    if noted is None:
        raise NotCheckedError(f"{high_water_file(log_id)}: this machine has noted nothing; Bitcoin is asked instead")
    check_high_water(home.high_water(), noted)
    return [ok(check, f"{noted.entries} entries and {noted.directory_size} directory leaves noted, and all are there")]


def published_check(subject: Examined) -> list[Finding]:
    """Read the newest published checkpoint, and compare the home with it."""
    check, published = "published", subject.home.published_checkpoint
    if published is None:
        raise NotCheckedError("the settings name no published_checkpoint")
    try:
        published.check()
    except SourceUnavailableError as silence:
        return [error(check, str(silence), "until it can be read, a process that begins now signs nothing")]
    return [ok(check, f"{published.where}: of this log, and this home continues it")]


def time_stamps_check(subject: Examined) -> list[Finding]:
    """Ask whether the time-stamping authorities answer, and look at what they gave."""
    check, home = "time-stamps", subject.home
    urls = home.settings.timestamp_authorities
    if not urls:
        raise NotCheckedError("the settings name no time-stamping authority")
    _ = home.stamping  # raises for certificates that cannot be read
    kept = Timestamps(home.engine)
    found = []
    for url, answer in _probed(subject, urls).items():
        failures = kept.failures(url)
        last = _last(home, "SELECT MAX(received_at_ms) FROM time_stamp WHERE authority = ?", url)
        if isinstance(answer, Exception):
            found.append(warning(check, f"{url}: {answer}", "nothing waits for it; name another one if it stays so"))
        elif failures:
            said = f"{url}: failed {len(failures)} times since its last time stamp: {failures[0].cause}"
            found.append(warning(check, said, "docs/operate/timestamps.md"))
        else:
            found.append(ok(check, f"{url}: answers; last time stamp {_ago(subject, last)}"))
    return found


def calendars_check(subject: Examined) -> list[Finding]:
    """Ask whether the calendars answer, and look at what they gave."""
    check, home = "calendars", subject.home
    if not home.settings.calendars:
        raise NotCheckedError("the settings name no calendar")
    pending = len(Attestations(home.engine).pending(subject.clock() - 2 * _DAY_MS, 1000))
    found = []
    for url, answer in _probed(subject, home.settings.calendars).items():
        last = _last(home, "SELECT MAX(replied_at_ms) FROM calendar_reply WHERE calendar = ?", url)
        if isinstance(answer, Exception):
            found.append(warning(check, f"{url}: {answer}", "nothing waits for it; name another one if it stays so"))
        else:
            said = f"{url}: answers; last reply {_ago(subject, last)}; {pending} of two days wait for a block"
            found.append(ok(check, said))
    return found


HOME_CHECKS: dict[str, Callable[[Examined], Sequence[Finding]]] = {
    "settings": settings_check,
    "network": network_check,
    "keys": keys_check,
    "wallet": wallet_check,
    "disk": disk_check,
    "database": database_check,
    "schema": schema_check,
    "write-ahead-log": write_ahead_log_check,
    "write-lock": lock_check,
    "high-water": high_water_check,
    "published": published_check,
    "time-stamps": time_stamps_check,
    "calendars": calendars_check,
}


def _each(step: Callable[[], list[Finding]], check: str) -> list[Finding]:
    """Return what a step finds, and what it raises as a finding: the other steps of the check go on."""
    try:
        return step()
    except AnchorlineError as fault:
        return [error(check, str(fault), "restore the key, or its permissions")]


def _folder(folder: Path) -> list[Finding]:
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o022:
        return [error("keys", f"{folder}: others may put keys there (mode {mode:04o})", f"chmod 700 {folder}")]
    if mode & 0o077:
        return [warning("keys", f"{folder}: others may look into it (mode {mode:04o})", f"chmod 700 {folder}")]
    if found.st_uid != os.geteuid():
        return [warning("keys", f"{folder}: belongs to user {found.st_uid}, not to this one", "run as its owner")]
    return []


def _signing_key(home: Home, purpose: Purpose) -> list[Finding]:
    path = home.key_file(purpose.name.lower())
    if SigningKey.load(path).public_key == key_of_log(home, purpose).value:
        return []
    return [error("keys", f"{path}: not the key of this log", "restore the right one: nothing it signs is believed")]


def _recovery_key(home: Home) -> list[Finding]:
    path = home.key_file("recovery")
    if not path.exists() or home.network.name == "regtest" or is_encrypted_key(read_private_file(path)):
        return []
    advice = "move it to a safe place, or encrypt it: `anchorline wallet password`"
    return [warning("keys", f"{path}: the recovery key lies in clear beside what it is to recover", advice)]


def key_of_log(home: Home, purpose: Purpose) -> Key:
    """Return the key that the directory gives for a purpose."""
    marks = [leaf for _, leaf in home.directory.log_marks(2**62) if isinstance(leaf, KeyLeaf)]
    newer = [leaf.new_key for leaf in marks if leaf.purpose == purpose]
    log = home.directory.log
    return newer[-1] if newer else {Purpose.CHECKPOINT: log.checkpoint_key, Purpose.PROMISE: log.promise_key}[purpose]


def _day_bytes(subject: Examined) -> int:
    """Return what the entries of the last day took, by the average of all of them; 0 where nobody can tell."""
    try:
        home = subject.home
        entries = home.chains.next_seq() - 1
        rows = home.engine.query(
            "SELECT first_seq FROM group_commit WHERE received_at_ms <= ? ORDER BY first_seq DESC LIMIT 1",
            (subject.clock() - _DAY_MS,),
        )
    except AnchorlineError:
        return 0
    of_today = entries - (int(rows[0][0]) if rows else 0)
    return subject.database.size_bytes() * of_today // entries if entries else 0


def _probed(subject: Examined, urls: Iterable[str]) -> dict[str, Probe | Exception]:
    works = {url: partial(probe, url, subject.answer_s, lambda: subject.clock() / 1000) for url in urls}
    return all_within(works, subject.answer_s)


def _last(home: Home, query: str, url: str) -> int | None:
    found = home.engine.query(query, (url,))[0][0]
    return None if found is None else int(found)


def _ago(subject: Examined, at_ms: int | None) -> str:
    return "never" if at_ms is None else f"{(subject.clock() - at_ms) // 60_000} minutes ago"

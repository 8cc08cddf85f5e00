"""A backup that is made while the log is written to, what is refused of one, and the home that comes out of it."""

import json
import shutil
import sqlite3
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from anchor.bitcoin.key_cipher import Cost
from anchor.errors import BackupError, SettingsError, StorageError, WrongPasswordError
from chains import backup, encrypted_keys, restore
from chains.audit import Audit
from chains.backup import digest_of, make_backup
from chains.backup_check import check_contents
from chains.backup_manifest import Manifest
from chains.encrypted_keys import decrypt_keys, encrypt_keys
from chains.highwater import high_water_file
from chains.home import DATABASE, Home
from chains.reader import Reader
from chains.restore import Step, standing_of
from chains.same_history import check_prefix
from tests.homes import address_of_home, in_sql, lose_database
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Clock, Service, new_service, restarted

PASSWORD = "correct horse battery"
MATURE = 101


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the least scrypt that is allowed: these tests make many backups."""
    monkeypatch.setattr(encrypted_keys, "COST", Cost(2**14))


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A log at work: two chains, an interior tile, an anchor, and an entry that is not sealed yet."""
    with new_service(tmp_path / "home", bitcoin) as made:
        made.open_chain("acme")
        bitcoin.mine(1, made.wallet.script)
        bitcoin.mine(MATURE - 1)
        made.add("acme", *(b"%d" % number for number in range(300)))
        made.anchor(bitcoin)
        made.open_chain("meridian")
        made.seal()
        made.add("acme", b"not sealed yet")
        yield made


def no_password() -> str:
    raise AssertionError("nobody is to be asked for a password")


def restored(source: Path, folder: Path, clock: Clock | None = None) -> restore.Restored:
    return restore.restore(source, folder, lambda: PASSWORD, clock=clock or Clock())


def clean(home: Home) -> bool:
    reader = Reader(home.engine, home.chains, home.lookup)
    return Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run().clean


# --- what comes out


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_backup_makes_the_same_home_again(name: str, service: Service, tmp_path: Path) -> None:
    """Every row, every key byte and the settings file are what they were; a tar file is a folder in one file."""
    settings = service.home.folder / "anchorline.toml"
    settings.write_text(settings.read_text() + "# the operator's own words\n")
    made = make_backup(service.home, tmp_path / name, lambda: PASSWORD)
    done = restored(tmp_path / name, tmp_path / "again")
    assert (made.manifest, True, ()) == (done.manifest, done.has_keys, done.missing)
    with Home.open(tmp_path / "again") as home:
        check_prefix(service.home, home)
        check_prefix(home, service.home)
        assert clean(home)
        assert service.home.high_water() == home.high_water()
    where = f'database = "{address_of_home(service.home.folder)}"'
    for path in [*service.home.folder.joinpath("keys").iterdir(), settings]:
        copied = tmp_path / "again" / path.relative_to(service.home.folder)
        # Where the log was before is the one thing that a backup does not say.
        assert path.read_text().replace(where, 'database = ""') == copied.read_text()
        assert path.parent.name != "keys" or copied.stat().st_mode & 0o777 == 0o600


def test_a_restored_home_goes_on(service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """Where nothing came after the backup, the home is in step, and the next anchor continues the thread."""
    make_backup(service.home, tmp_path / "backup", lambda: PASSWORD)
    service.home.close()
    restored(tmp_path / "backup", tmp_path / "again")
    with restarted(tmp_path / "again", bitcoin, service.clock) as again:
        standing = standing_of(again.home)
        assert (Step.IN_STEP, "it is level with what this machine has noted, the thread on Bitcoin") == (
            standing.step,
            standing.message,
        )
        before = again.attempts()[-1]
        again.add("acme", b"after the restore")
        again.anchor(bitcoin)
        assert (before.coin, "final") == (again.attempts()[-1].spends, again.states()[-1])
        assert clean(again.home)


def test_a_home_that_is_behind_says_so(service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """By the machine's note; without the note by Bitcoin; where nobody answers it is not known, and said."""
    make_backup(service.home, tmp_path / "backup", lambda: PASSWORD)
    service.add("acme", b"promised after the backup")
    service.anchor(bitcoin)
    log_id = service.home.directory.log.log_id
    service.home.close()
    done = restored(tmp_path / "backup", tmp_path / "first")
    assert Step.BEHIND == done.standing.step
    assert "this machine has seen 304 entries" in done.standing.message
    high_water_file(log_id).unlink()
    done = restored(tmp_path / "backup", tmp_path / "second")
    assert Step.NOT_KNOWN == done.standing.step
    with restarted(tmp_path / "second", bitcoin, service.clock) as again:
        standing = standing_of(again.home)
    assert (Step.BEHIND, True) == (standing.step, "this home does not know it" in standing.message)


def test_a_backup_is_made_while_others_write(service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path) -> None:
    """Each one is a whole moment: it passes the audit, and the log continues it."""
    stop, written = threading.Event(), threading.Event()
    fault: list[BaseException] = []

    def write() -> None:
        try:
            with restarted(service.home.folder, bitcoin, service.clock) as other:
                while not stop.is_set():
                    other.add("acme", *[b"meanwhile"] * 20)
                    written.set()
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            fault.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    sizes = []
    try:
        for number in range(3):
            # What was being written while the last backup was made, and what was written after it.
            for _ in range(2):
                written.clear()
                assert written.wait(60), fault
            sizes.append(make_backup(service.home, tmp_path / f"backup-{number}").manifest.held.entries)
    finally:
        stop.set()
        writer.join()
    assert [] == fault
    assert sorted(set(sizes)) == sizes, "the writer wrote between the backups"
    for number in range(3):
        restored(tmp_path / f"backup-{number}", tmp_path / f"again-{number}")
        with Home.open(tmp_path / f"again-{number}") as home:
            assert clean(home)
            check_prefix(home, service.home)


# --- keys


def test_keys_are_in_a_backup_only_where_asked_for(service: Service, tmp_path: Path) -> None:
    """Without them nobody is asked for a password, no private byte is there, and the home says that it cannot sign."""
    seeds = [path.read_bytes() for path in (service.home.folder / "keys").iterdir()]
    for name, password in (("plain", None), ("keys.tar", lambda: PASSWORD)):
        make_backup(service.home, tmp_path / name, password)
        whole = tmp_path / name
        data = b"".join(path.read_bytes() for path in ([whole] if whole.is_file() else whole.iterdir()))
        assert [] == [seed for seed in seeds if seed in data or seed.split(b"\n")[1] in data]
    done = restore.restore(tmp_path / "plain", tmp_path / "again", no_password)
    assert (False, False) == (done.has_keys, (tmp_path / "again" / "keys").exists())
    assert Step.NOT_KNOWN == done.standing.step


def test_keys_may_come_from_a_folder(service: Service, tmp_path: Path) -> None:
    """They must be those of the log, and readable by their owner alone."""
    make_backup(service.home, tmp_path / "backup")
    keys = tmp_path / "safe"
    shutil.copytree(service.home.folder / "keys", keys)
    done = restore.restore(tmp_path / "backup", tmp_path / "again", no_password, keys)
    assert done.has_keys
    shutil.copyfile(keys / "promise.pem", keys / "checkpoint.pem")
    with pytest.raises(SettingsError, match=r"checkpoint\.pem is not the checkpoint key of this log"):
        restore.restore(tmp_path / "backup", tmp_path / "other", no_password, keys)
    (keys / "promise.pem").chmod(0o644)
    with pytest.raises(SettingsError, match="others may read it"):
        restore.restore(tmp_path / "backup", tmp_path / "other", no_password, keys)
    assert not (tmp_path / "other").exists()


def test_encrypted_keys_open_for_their_password_and_log_only() -> None:
    """Another password, another log, and every changed character of the ciphertext are refused; no key is shown."""
    keys = {"promise.pem": b"secret-" * 20, "wallet.json": b"{}"}
    data = encrypt_keys(keys, bytes(32), PASSWORD)
    assert keys == decrypt_keys(data, bytes(32), PASSWORD)
    assert b"promise" not in data
    value = json.loads(data)
    text = value["aes_256_gcm"]["ciphertext"]
    value["aes_256_gcm"]["ciphertext"] = f"{int(text[0], 16) ^ 1:x}{text[1:]}"
    for changed, log_id, password in (
        (data, bytes(32), "another password"),
        (data, bytes(31) + b"\x01", PASSWORD),
        (json.dumps(value).encode(), bytes(32), PASSWORD),
    ):
        with pytest.raises(WrongPasswordError) as caught:
            decrypt_keys(changed, log_id, password)
        assert "secret" not in str(caught.value)
    with pytest.raises(BackupError, match="expected the keys of a backup"):
        decrypt_keys(b"{}", bytes(32), PASSWORD)
    with pytest.raises(BackupError, match="newer Anchorline"):
        decrypt_keys(data.replace(b"backup-keys/1", b"backup-keys/2"), bytes(32), PASSWORD)
    with pytest.raises(BackupError, match="does not hold key files"):
        decrypt_keys(encrypt_keys({"../keys": b""}, bytes(32), PASSWORD), bytes(32), PASSWORD)


# --- what is refused


@pytest.fixture
def taken(service: Service, tmp_path: Path) -> Path:
    """A backup without keys."""
    make_backup(service.home, tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def with_keys(service: Service, tmp_path: Path) -> Path:
    """A backup with keys."""
    make_backup(service.home, tmp_path / "backup", lambda: PASSWORD)
    return tmp_path / "backup"


def refused(taken: Path, match: str, error: type[Exception] = BackupError) -> None:
    """Restoring is refused, and nothing is left behind."""
    target = taken.parent / "again"
    with pytest.raises(error, match=match):
        restored(taken, target)
    assert [] == [path for path in taken.parent.iterdir() if "again" in path.name]


def listed(taken: Path) -> None:
    """Write a manifest that goes with the files, as who changed them would."""
    manifest = json.loads((taken / "manifest.json").read_bytes())
    for each in manifest["files"]:
        path = taken / each["path"]
        each |= {"size": path.stat().st_size, "sha256": digest_of(path).hex()}
    (taken / "manifest.json").write_text(json.dumps(manifest))


def test_a_flipped_bit_in_any_file_is_found(with_keys: Path) -> None:
    """So are a byte too few, a byte too many and a file that is gone."""
    taken = with_keys
    names = [each.path for each in Manifest.decode((taken / "manifest.json").read_bytes()).files]
    assert {DATABASE, "anchorline.toml", "log-card.json", "keys.encrypted"} == set(names)
    for name in names:
        path = taken / name
        data = path.read_bytes()
        middle = len(data) // 2
        for wrong in (data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :], data[:-1], data + b"\n"):
            path.write_bytes(wrong)
            refused(taken, f"{name}.* (damaged or was changed|is damaged)|{name}: expected .* bytes")
        path.unlink()
        refused(taken, f"{name}.*(is missing)|{name}", Exception)
        path.write_bytes(data)
    restored(taken, taken.parent / "again")


DAMAGE = {
    "DELETE FROM bundle WHERE first_seq = (SELECT MAX(first_seq) FROM bundle)": "rows, but",
    "DELETE FROM extent WHERE first_seq = (SELECT MAX(first_seq) FROM extent)": "rows that belong to a chain",
    "DELETE FROM group_commit WHERE first_seq = 1": "rows with a promise",
    "UPDATE tree SET size = size - 1 WHERE tree_no = 1": "leaves of chains",
    "DELETE FROM directory_leaf WHERE leaf_index = 2": "leaf 2 is missing",
    "UPDATE directory_leaf SET leaf = CAST(leaf || x'00' AS BLOB) WHERE leaf_index = 2": "do not give the root",
    "UPDATE leaf_tail SET hashes = zeroblob(length(hashes)) WHERE tree_no = 0": "do not give the root of its leaves",
    "UPDATE tile SET hashes = zeroblob(length(hashes)) WHERE tree_no = 1 AND level = 1": "do not give the root of its",
    "UPDATE checkpoint SET root = zeroblob(32)": "has not the root of its",
    "UPDATE checkpoint SET note = replace(note, '— ', '— x')": "is not signed by the log's key",
    "UPDATE checkpoint SET note = 'nothing'": "note",
    "UPDATE tree SET head_index = 0 WHERE tree_no = 1": "is no head of chain",
}


@pytest.mark.parametrize("statement", DAMAGE)
def test_damage_under_a_manifest_that_goes_with_it_is_found(statement: str, taken: Path) -> None:
    """The quick audit does not rest on the digests: rows, leaves, tiles, roots and the signature have to agree."""
    with closing(sqlite3.connect(taken / DATABASE)) as connection:
        assert 0 < connection.execute(statement).rowcount
        connection.commit()
    listed(taken)
    refused(taken, DAMAGE[statement])


def test_a_page_that_an_index_contradicts_is_found(taken: Path) -> None:
    """SQLite's own look at the file comes first: an index that lacks a row gives other answers than its table."""
    with closing(sqlite3.connect(taken / DATABASE)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'extent_of_chain'")
        connection.commit()
    listed(taken)
    refused(taken, "SQLite finds|damaged", Exception)


def test_a_row_that_refers_to_nothing_is_found(taken: Path) -> None:
    """Foreign keys are looked at as well."""
    with closing(sqlite3.connect(taken / DATABASE)) as connection:
        connection.execute("UPDATE extent SET chain_no = 77 WHERE first_seq = (SELECT MAX(first_seq) FROM extent)")
        connection.commit()
    listed(taken)
    refused(taken, "refers to no row of chain")


@pytest.mark.parametrize(
    ("field", "value", "match"),
    [
        ("entries", 7, "with 7 entries"),
        ("log_id", "00" * 32, "speaks of log 0000"),
        ("format", "anchorline-backup/2", "newer Anchorline"),
        ("files", [], f"lists no {DATABASE}"),
        ("files", [{"path": "../anchorline.db", "size": 1, "sha256": "00" * 32}], "expected a path below the backup"),
        ("files", [{"path": "/etc/passwd", "size": 1, "sha256": "00" * 32}], "expected a path below the backup"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(field: str, value: object, match: str, taken: Path) -> None:
    """What it says of the log is compared with the database, and no path leads out of the backup."""
    manifest = json.loads((taken / "manifest.json").read_bytes())
    (taken / "manifest.json").write_text(json.dumps(manifest | {field: value}))
    refused(taken, match, Exception)


def test_what_is_no_backup_is_refused(taken: Path, service: Service) -> None:
    """A home, an empty folder, a text file, a tar of something else, a link in a tar, and nothing at all."""
    refused(service.home.folder, r"found no manifest\.json", BackupError)
    text = taken.parent / "text.tar"
    text.write_text("no tar")
    refused(text, "found something else")
    link = taken.parent / "link.tar"
    with tarfile.open(link, "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    refused(link, "expected a plain file")
    refused(taken.parent / "nothing.tar", "no such backup", SettingsError)


def test_nothing_is_written_over(taken: Path, service: Service) -> None:
    """Neither a backup over anything, nor a home into a folder that is not empty; an empty folder is taken."""
    for name in ("backup", "file.tar", "link"):
        path = taken.parent / name
        if name == "file.tar":
            path.write_bytes(b"")
        if name == "link":
            path.symlink_to("nowhere")
        with pytest.raises(SettingsError, match="exists already"):
            make_backup(service.home, path)
    with pytest.raises(SettingsError, match="expected a new or empty folder"):
        restored(taken, service.home.folder)
    (taken.parent / "empty").mkdir()
    restored(taken, taken.parent / "empty")


# --- interrupted


@pytest.mark.parametrize(
    ("step", "is_after"),
    [
        ("leave_out_digests", False),
        ("leave_out_digests", True),
        ("_checked", True),
        ("_read_back", False),
        ("_pack", True),
    ],
)
def test_an_interrupted_backup_leaves_nothing(
    step: str, is_after: bool, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before or after each step: what has the backup's name is a whole backup, and the next run makes one."""
    target = tmp_path / "backup.tar"
    with monkeypatch.context() as patched:
        patched.setattr(backup, step, interrupted(getattr(backup, step), is_after=is_after))
        with pytest.raises(KeyboardInterrupt):
            make_backup(service.home, target, lambda: PASSWORD)
    assert (step, is_after) == ("_pack", True) or not target.exists()
    assert [] == [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    target.unlink(missing_ok=True)
    make_backup(service.home, target, lambda: PASSWORD)
    restored(target, tmp_path / "again")


@pytest.mark.parametrize(
    ("step", "is_after"),
    [("_copy", False), ("_copy", True), ("write_keys", True), ("put_in_place", False), ("put_in_place", True)],
)
def test_an_interrupted_restore_is_repeated(
    step: str, is_after: bool, with_keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a whole home or none; what a killed run left beside is taken away by the next."""
    taken, target = with_keys, tmp_path / "again"
    with monkeypatch.context() as patched:
        patched.setattr(restore, step, interrupted(getattr(restore, step), is_after=is_after))
        with pytest.raises(KeyboardInterrupt):
            restored(taken, target)
    if (step, is_after) != ("put_in_place", True):
        assert not target.exists()
        left = tmp_path / ".again.restoring"
        left.mkdir()
        (left / DATABASE).write_bytes(b"half")
        restored(taken, target)
        assert not left.exists()
    with Home.open(target) as home:
        assert clean(home)


def interrupted(real: Callable[..., object], *, is_after: bool) -> Callable[..., object]:
    """Return a step that is interrupted before or after it did its work."""

    def step(*arguments: object, **named: object) -> object:
        if is_after:
            real(*arguments, **named)
        raise KeyboardInterrupt

    return step


def test_a_damaged_home_gives_no_backup(service: Service, tmp_path: Path) -> None:
    """The copy is looked at before it is called a backup: damage is found now, and not on the day of the loss."""
    with service.home.engine.transaction():
        service.home.engine.execute(in_sql("UPDATE checkpoint SET root = zeroblob(32)"))
    with pytest.raises(BackupError, match="has not the root"):
        make_backup(service.home, tmp_path / "backup")
    assert ["home"] == [path.name for path in tmp_path.iterdir()]


def test_a_log_without_a_seal_has_a_backup(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """Nothing is sealed on the first day, and promises are given all the same."""
    with new_service(tmp_path / "home", bitcoin) as service:
        make_backup(service.home, tmp_path / "empty", lambda: PASSWORD)
        service.open_chain("acme")
        held = make_backup(service.home, tmp_path / "one", lambda: PASSWORD).manifest.held
    assert (1, 1, 0, 0, b"") == (
        held.chains,
        held.entries,
        held.directory_size,
        held.checkpoint_size,
        held.checkpoint_root,
    )
    for name in ("empty", "one"):
        restored(tmp_path / name, tmp_path / f"again-{name}")


def test_a_copy_needs_no_file_beside_it(taken: Path) -> None:
    """It can be read on a medium that nobody can write to: no write-ahead log belongs to it."""
    with closing(sqlite3.connect(f"{(taken / DATABASE).as_uri()}?immutable=1", uri=True)) as connection:
        assert [("delete",)] == connection.execute("PRAGMA journal_mode").fetchall()
    assert not list(taken.glob("*-wal"))


def test_the_quick_audit_reads_what_a_writer_left(service: Service) -> None:
    """The same check on the live database, through the engine that writes: what was counted is what is there."""
    engine = service.home.database.open()
    try:
        held = check_contents(engine, "live")
    finally:
        engine.close()
    newest = service.home.directory.newest()
    assert newest is not None
    assert (303, 2, newest.size, newest.root) == (held.entries, held.chains, held.checkpoint_size, held.checkpoint_root)


def test_a_backup_of_a_missing_database_is_an_error(service: Service, tmp_path: Path) -> None:
    """Nothing stands in for a file that is gone."""
    service.home.close()
    lose_database(service.home.folder)
    with pytest.raises(StorageError):
        make_backup(service.home, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_the_example_of_the_specification_is_one(taken: Path) -> None:
    """The manifest on the page is read, and has the fields of one that was written."""
    page = (Path(__file__).parents[3] / "docs" / "spec" / "backup.md").read_text()
    example = page.split("```json\n")[1].split("```")[0]
    assert 917504 == Manifest.decode(example.encode()).files[0].size
    assert list(json.loads(example)) == list(json.loads((taken / "manifest.json").read_bytes()))

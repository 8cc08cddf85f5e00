"""Commands that keep copies of a log: ``backup``, ``restore`` and ``export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.terminal import (
    KEEPING,
    HomeOption,
    JsonOption,
    ask_hidden,
    at_terminal,
    command_group,
    fail,
    opened,
    print_line,
    say,
    usage,
)
from chains.counted import counted

if TYPE_CHECKING:
    from chains.backup import BackedUp
    from chains.password import Password
    from chains.rebuild import Rebuilt
    from chains.restore import Restored

app = command_group()
PasswordFileOption = Annotated[
    Path | None, typer.Option(help="File with the password of the keys in the backup (mode 600).")
]


@app.command(rich_help_panel=KEEPING)
def backup(
    target: Annotated[Path, typer.Argument(help="New folder, or (name ends in .tar) new file, to write.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Also the keys, encrypted under a password: see docs/operate/backup.md.")
    ] = False,
    content_keys: Annotated[
        Path | None,
        typer.Option(help="Also write the content keys, to this file, in the place of what is there: keep it apart."),
    ] = None,
    password_file: PasswordFileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the log while it is in use, and check the copy.

    Without --with-keys the keys folder is not in it. Passwords, cookies and what is published never are. Nor are the
    content keys, without which no content in it can be read: --content-keys writes them to one file, which is replaced
    each time, so that what is erased later cannot be read in this backup either.
    """
    from anchor.proof.access_record import What
    from chains.backup import make_backup
    from chains.key_copies import KeyCopies
    from chains.taking import Taking

    if password_file is not None and not with_keys:
        usage("--password-file is for --with-keys")
    password = _password(password_file, "New password for the keys in the backup", twice=True) if with_keys else None
    if password is not None and not password.is_given and password.prompt is None:
        usage("--with-keys needs a password: give --password-file FILE, or set ANCHORLINE_BACKUP_PASSWORD")
    with opened(home) as found:
        taking = Taking(found)
        taking.take_all(What.BACKUP)
        if content_keys is not None:
            taking.take_all(What.KEYS_COPIED)
        taking.note()
        made = make_backup(found, target, password)
        if content_keys is not None:
            # After the database: every content in the copy has its key in the file.
            KeyCopies(found.engine, found.content_keys).write(content_keys, found.clock())
    if made.has_keys:
        print_line(
            f"WARNING: {target} holds the keys of this log. Whoever has it and its password can sign in the log's name "
            "and spend its coins. Keep the two apart, and keep it from everybody who need not restore"
        )
    say(_backup_facts(made, target), lambda: _backup_lines(made, target, content_keys), as_json=as_json)


@app.command(rich_help_panel=KEEPING)
def restore(
    source: Annotated[
        str, typer.Argument(metavar="BACKUP", help="A backup: folder or .tar file; or a mirror: folder or address.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="HOME", help="New or empty folder for the home.")],
    keys: Annotated[
        Path | None, typer.Option(help="Folder of the log's keys, where they are not in the backup.")
    ] = None,
    content_keys: Annotated[
        Path | None, typer.Option(help="The copy of the content keys, without which no content can be read.")
    ] = None,
    password_file: PasswordFileOption = None,
    database: Annotated[
        str, typer.Option(help="Then move the log to PostgreSQL, postgresql://USER@HOST/NAME, an empty database.")
    ] = "",
    content_keys_database: Annotated[
        str, typer.Option(help="With --database: where the content keys go (default: NAME_keys), or 'home' for a file.")
    ] = "",
    settings: Annotated[
        Path | None, typer.Option(help="Of a mirror: the settings file (anchorline.toml) for the new home.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a home of a backup (or a mirror), and say whether it is level with what the world has seen of its log.

    Refused where a single byte is another than when the backup was made. Stop the service first. The log comes back in
    a SQLite file, unless --database says where to. Of a mirror, where there is no backup, everything comes back that is
    published: with --settings and --keys it goes on with the same thread and key, without contents and promises.
    """
    if content_keys_database and not database:
        usage("--content-keys-database is for --database")
    if settings is not None:
        if keys is None or content_keys or database or password_file:
            usage("a mirror needs --settings and --keys, and has nothing to which the other options belong")
        _restore_mirror(source, folder, settings, keys, as_json=as_json)
        return
    from chains.key_place import keys_beside
    from chains.moving import Place
    from chains.restore import restore as restored_from

    password = _password(password_file, "Password of the keys in the backup")
    to = Place(database, keys_beside(database, content_keys_database)) if database else None
    done = restored_from(Path(source), folder, password, keys, content_keys=content_keys, to=to)
    say(_restore_facts(done, folder), lambda: _restore_lines(done, folder), as_json=as_json)


def _restore_mirror(place: str, folder: Path, settings: Path, keys: Path, *, as_json: bool) -> None:
    from chains.restore_mirror import restore_from_mirror

    done = restore_from_mirror(place, folder, settings, keys)
    facts = {
        "home": str(folder),
        "entries": done.after.entries,
        "directory_size": done.after.directory_size,
        "anchors_adopted": done.anchors_adopted,
        "gap": None if done.gap is None else {"from_ms": done.gap.lost_from_ms, "to_ms": done.gap.lost_to_ms},
    }
    say(facts, lambda: _from_mirror_lines(folder, done), as_json=as_json)


def _from_mirror_lines(folder: Path, done: "Rebuilt") -> list[str]:
    entries, leaves = counted(done.after.entries, "entries"), counted(done.after.directory_size, "directory leaves")
    return [
        f"{folder}: {entries}, {leaves}, {counted(done.anchors_adopted, 'anchors')}, all from the mirror.",
        "  In no mirror, and lost here: contents and salts, promises, names of chains, accounts and API keys,",
        "  and what was in no seal. The next seal states the gap.",
    ]


@app.command(rich_help_panel=KEEPING)
def export(
    archive: Annotated[Path, typer.Argument(help="New file to write; ends in .tar, .tar.gz or .tgz.")],
    chain: Annotated[
        list[str] | None, typer.Option(help="Only this chain, to leave with (name or id; may be repeated).")
    ] = None,
    organisation: Annotated[
        str | None, typer.Option(help="Only the chains that this organisation owns, to leave with.")
    ] = None,
    without_content: Annotated[
        bool, typer.Option("--without-content", help="Leave out contents, salts and digests.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write everything that is sealed into one archive, which anybody can check without this log and its programs.

    Who has it reads every content that is kept, also of private chains, unless --without-content is said. Of single
    chains it holds every entry with its receipt: `anchorline chain continue` goes on with one in another log.
    """
    if chain or organisation is not None:
        _export_chains(archive, chain or [], organisation, home, with_content=not without_content, as_json=as_json)
        return
    from dataclasses import asdict

    from anchor.proof.access_record import What
    from chains.export import export as export_to
    from chains.taking import Taking

    with opened(home) as found:
        taking = Taking(found)
        taking.take_all(What.EXPORT, "entries, without contents" if without_content else "entries and contents")
        taking.note()
        done = export_to(found, archive, with_content=not without_content)
    say(
        asdict(done) | {"archive": str(archive)},
        lambda: (
            f"{archive}: {done.entries} entries of {done.chains} chains, {done.contents} contents or digests, "
            f"{done.promises} promises, {done.anchors} anchors, {done.files} files. Unpack it: README.md says the rest."
        ),
        as_json=as_json,
    )


def _export_chains(
    archive: Path, names: list[str], organisation: str | None, home: Path | None, *, with_content: bool, as_json: bool
) -> None:
    from dataclasses import asdict

    from anchor.proof.access_record import What
    from chains.export_part import export_part
    from chains.taking import Taking

    if names and organisation is not None:
        usage("--organisation exports all chains that it owns: give --chain or --organisation")
    with opened(home) as found:
        chosen = {each.chain_id: each for each in map(found.chains.named, names)}
        if organisation is not None:
            owner = found.accounts.organisations.named(organisation)
            owned = (found.chains.by_no(number) for number in found.accounts.sharing.owned_chains(owner))
            chosen = {each.chain_id: each for each in owned if each is not None}
        if not chosen:
            fail(f"{organisation} owns no chain: there is nothing to export")
        taking, detail = Taking(found), "entries and contents" if with_content else "entries, without contents"
        for each in chosen.values():
            taking.take_chain(What.EXPORT, each, found.chains.size(each), detail)
        taking.note()
        done = export_part(found, archive, list(chosen.values()), with_content=with_content)
    left_out = f" {counted(done.left_out, 'entries')} that are not sealed yet are not in it." if done.left_out else ""
    say(
        asdict(done) | {"archive": str(archive), "chain_ids": [each.hex() for each in sorted(chosen)]},
        lambda: (
            f"{archive}: {counted(done.chains, 'chains')}, {counted(done.entries, 'entries')} with their receipts, "
            f"{counted(done.contents, 'contents')} or digests.{left_out}"
        ),
        as_json=as_json,
    )


def _password(file: Path | None, question: str, *, twice: bool = False) -> "Password":
    from chains.password import BACKUP_VARIABLE, Password

    password = Password(str(file or ""), variable=BACKUP_VARIABLE)
    if at_terminal():
        password.prompt = lambda: ask_hidden(question, twice=twice)
    return password


def _backup_facts(made: "BackedUp", target: Path) -> dict[str, Any]:
    held = made.manifest.held
    return {
        "backup": str(target),
        "made_at_ms": made.manifest.made_at_ms,
        "log_id": held.log_id.hex(),
        "chains": held.chains,
        "entries": held.entries,
        "directory_size": held.directory_size,
        "checkpoint_size": held.checkpoint_size,
        "has_keys": made.has_keys,
        "left_out": list(made.left_out),
        "files": [{"path": each.path, "size": each.size} for each in made.manifest.files],
    }


def _backup_lines(made: "BackedUp", target: Path, content_keys: Path | None) -> list[str]:
    held, total = made.manifest.held, sum(each.size for each in made.manifest.files)
    first = (
        f"{target}: {counted(held.entries, 'entries')} of {counted(held.chains, 'chains')}, "
        f"{counted(held.directory_size, 'directory leaves')}, "
        f"{total} bytes; opened again and checked."
    )
    keys = "  The keys are not in it: see that you have a copy of the keys folder."
    lines = [first] if made.has_keys else [first, keys]
    if content_keys is None:
        lines.append(
            "  No content in it can be read without a copy of the content keys: --content-keys FILE writes one."
        )
    else:
        lines.append(f"  The content keys are in {content_keys}: keep it apart from the backups.")
    return lines + [f"  not in it: {name}" for name in made.left_out]


def _restore_facts(done: "Restored", folder: Path) -> dict[str, Any]:
    held = done.manifest.held
    return {
        "home": str(folder),
        "log_id": held.log_id.hex(),
        "made_at_ms": done.manifest.made_at_ms,
        "entries": held.entries,
        "directory_size": held.directory_size,
        "has_keys": done.has_keys,
        "has_content_keys": done.has_content_keys,
        "missing": list(done.missing),
        "step": str(done.standing.step),
        "message": done.standing.message,
    }


def _restore_lines(done: "Restored", folder: Path) -> list[str]:
    from chains.restore import Step

    held = done.manifest.held
    lines = [
        (
            f"{folder}: {counted(held.entries, 'entries')} of {counted(held.chains, 'chains')}, "
            f"{counted(held.directory_size, 'directory leaves')}."
        )
    ]
    if not done.has_keys:
        lines.append(f"  It cannot sign: put the log's keys into {folder / 'keys'} (mode 700, files 600).")
    if not done.has_content_keys:
        lines.append("  No content of before can be read: that takes the copy of the content keys (--content-keys).")
    lines += [f"  named by the settings, and not here: {name}" for name in done.missing]
    if done.standing.step is Step.IN_STEP:
        return [*lines, f"  In step: {done.standing.message}."]
    if done.standing.step is Step.NOT_KNOWN:
        return [
            *lines,
            f"  Whether it is behind is not known: {done.standing.message}",
            "  The service asks again before it signs anything.",
        ]
    return [
        *lines,
        f"  BEHIND: {done.standing.message}",
        "  `anchorline rebuild --from` takes over a newer copy or a mirror; where there is none and only promises are",
        "  missing, `anchorline rebuild --mark-gap` states that in the log (docs/operate/backup.md).",
    ]

"""The command that moves a log's database: ``migrate``."""

from dataclasses import asdict
from typing import Annotated

import typer

from chains.commands.terminal import KEEPING, HomeOption, JsonOption, command_group, say, usage
from chains.counted import counted

app = command_group()


@app.command(rich_help_panel=KEEPING)
def migrate(
    to: Annotated[
        str, typer.Option(help="Where to: postgresql://USER@HOST/NAME, an empty database; or 'home', a SQLite file.")
    ] = "",
    content_keys: Annotated[
        str, typer.Option(help="Database of the content keys there (default: NAME_keys), or 'home' for a file.")
    ] = "",
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Stay where it is: a move that was begun ends, and the log goes on.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the log to PostgreSQL, or back to a SQLite file; receipts stay what they are.

    Stop the service first. The old database takes no writes from the first step on; the copy is audited, and then the
    settings name it. A run that was interrupted goes on where it stopped when it is run again.
    """
    from chains.home import default_home
    from chains.key_place import HOME, keys_beside
    from chains.moving import Place, move
    from chains.moving import abandon as stay

    if bool(to) == abandon:
        usage("say where to with --to, or --abandon a move that was begun")
    folder = home or default_home()
    if abandon:
        begun = stay(folder)
        say(
            {"home": str(folder), "abandoned": begun},
            lambda: (
                f"{folder}: its log stays here. Drop what was begun: {begun}, and the content keys that went there."
            ),
            as_json=as_json,
        )
        return
    database = "" if to == HOME else to
    done = move(folder, Place(database, keys_beside(database, content_keys)))
    held = f"{counted(done.held.entries, 'entries')}, {counted(done.held.directory_size, 'directory leaves')}"
    say(
        asdict(done.held) | {"home": str(folder), "database": to, "rows": done.rows, "left": done.left},
        lambda: [
            f"{folder}: {held}, {counted(done.rows, 'rows')} moved and audited; the settings name the new database.",
            f"  {done.left} takes no writes any more: drop it when you have a backup.",
        ],
        as_json=as_json,
    )

"""Commands about copies of the content keys, which decide whether an erasure reached everything: ``key-copies``.

``backup --content-keys`` writes copies, ``erase`` has them follow (``chains.key_copies``).
"""

from pathlib import Path
from typing import Annotated

import typer

from chains.commands.terminal import KEEPING, HomeOption, JsonOption, command_group, fail, opened, say

app = command_group()
copies = command_group("Copies of the content keys: where they are, and which are destroyed.")
app.add_typer(copies, name="key-copies", rich_help_panel=KEEPING)


@copies.command("list")
def list_copies(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List where copies of the content keys were written, when, and which cannot be reached now."""
    from anchor.proof.times import utc
    from chains.key_copies import KeyCopies

    with opened(home) as found:
        known = KeyCopies(found.engine, found.content_keys).known()
    facts = {
        "copies": [
            {"path": str(path), "written_at": utc(made_at_ms), "is_there": path.is_file()} for path, made_at_ms in known
        ]
    }
    say(
        facts,
        lambda: (
            [
                f"{each['path']}, written {each['written_at']}" + ("" if each["is_there"] else ", not there now")
                for each in facts["copies"]
            ]
            or ["No copy of the content keys was written: `anchorline backup --content-keys FILE` writes one."]
        ),
        as_json=as_json,
    )


@copies.command("forget")
def forget_copy(
    path: Annotated[Path, typer.Argument(help="Where the copy was, as `key-copies list` has it.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that a copy is destroyed: it is not named any more, and no erasure has it follow.

    Only where that is so: whoever still has it, and a backup, reads what was erased. The organisations are told.
    """
    from anchor.proof.access_record import What
    from chains.key_copies import KeyCopies
    from chains.taking import Taking

    with opened(home) as found:
        known = KeyCopies(found.engine, found.content_keys)
        if path.resolve() not in [each for each, _ in known.known()]:
            fail(f"{path}: no copy of the content keys was written there; `anchorline key-copies list` shows where")
        if path.exists():
            fail(f"{path} is still there: destroy it first; nothing was forgotten")
        taking = Taking(found)
        taking.take_all(What.KEYS_COPY_GONE)
        taking.note()
        known.forget(path)
    where = str(path.resolve())
    say({"forgotten": where}, lambda: f"{where} is not named any more.", as_json=as_json)

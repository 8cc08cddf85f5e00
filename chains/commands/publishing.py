"""Commands that make a log public and judge it from outside: ``mirror``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from chains.commands.terminal import KEEPING, HomeOption, JsonOption, command_group, opened, say, usage

app = command_group()


@app.command(rich_help_panel=KEEPING)
def mirror(
    folder: Annotated[Path, typer.Argument(help="Folder to write, new or a mirror of this log.")],
    chain: Annotated[
        list[str] | None, typer.Option(help="Publish this chain's entries too (name or id; may be repeated).")
    ] = None,
    all_chains: Annotated[bool, typer.Option("--all-chains", help="Publish the entries of every chain.")] = False,
    whole: Annotated[bool, typer.Option("--whole", help="Write every file anew, not only what is new.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the log as a folder of static files, or bring that folder up to date.

    Leaf hashes of every chain are published, entries only of the chains that are named; content and salts never.
    """
    from chains.mirror import Mirror

    if chain and all_chains:
        usage("--all-chains publishes the chains of --chain too: give one of the two")
    with opened(home) as found:
        chosen = list(found.chains.all()) if all_chains else [found.chains.named(name) for name in chain or []]
        writer = Mirror(folder, found.engine, found.trees, found.directory, found.chains, found.journal)
        done = writer.write(found.checkpoint_key, chosen, whole=whole)
    say(
        asdict(done) | {"folder": str(folder)},
        lambda: (
            f"{folder}: {done.size} leaves of the directory, {done.chains} chains ({done.chains_with_entries} with "
            f"entries), {done.anchors} anchors; {done.files_written} files written"
        ),
        as_json=as_json,
    )

"""What stands in front of all commands, and which groups of them are loaded for the words of a command line.

``cli`` runs what ``app_for`` returns.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Annotated

import typer

from chains.commands.terminal import command_group

ABOUT = "Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline."


def app_for(words: Sequence[str]) -> typer.Typer:
    """Return the command line; of ``verify`` its own group alone: to load all of them takes as long as it does."""
    if words[:1] == ["verify"]:
        from chains.commands import verifying

        return in_front_of(verifying)
    from chains.commands.application import app

    return app


def in_front_of(*groups: ModuleType) -> typer.Typer:
    """Return a command line of these groups; each has its commands in ``app``."""
    app = command_group(
        ABOUT, name="anchorline", add_completion=True, context_settings={"help_option_names": ["-h", "--help"]}
    )
    for group in groups:
        app.add_typer(group.app)
    app.callback()(options)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"anchorline {version('anchorline')}")
        raise typer.Exit


def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline."""

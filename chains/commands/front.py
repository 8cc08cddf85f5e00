"""What stands in front of all commands, and which groups of them are loaded for the words of a command line.

``cli`` runs what ``app_for`` returns.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Annotated

import typer
from typer.models import CommandInfo

from chains.commands.terminal import command_group

ABOUT = "Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline."


def app_for(words: Sequence[str]) -> typer.Typer:
    """Return the command line; of ``verify`` its own group alone: to load all of them takes as long as it does."""
    if words[:1] == ["verify"]:
        from chains.commands import verifying

        return alone(in_front_of(verifying), "verify")
    from chains.commands.application import app

    return alone(app, words[0]) if words else app


def alone(app: typer.Typer, name: str) -> typer.Typer:
    """Return the command line with one of its commands or named groups, or as it is where none has that name.

    Typer looks at every option of every command it is given, which takes longer than most commands do.
    """
    for group in app.registered_groups:
        within = group.typer_instance
        assert within is not None
        commands = [each for each in within.registered_commands if _name_of(each) == name]
        groups = [each for each in within.registered_groups if each.name == name]
        if commands or groups:
            made = in_front_of()
            made.registered_commands, made.registered_groups = commands, groups
            return made
    return app


def _name_of(command: CommandInfo) -> str:
    assert command.callback is not None
    return command.name or command.callback.__name__.replace("_", "-")


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

"""Commands that show what is configured: ``config check``, ``config show``."""

import os
from typing import Any

import typer

from chains.commands.terminal import EXIT_FAILED, KEEPING, HomeOption, JsonOption, command_group, say

app = command_group()
config_app = command_group("Settings: check them, show them.")
app.add_typer(config_app, name="config", rich_help_panel=KEEPING)


@config_app.command()
def check(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Read the settings and look for what cannot work; asks nobody, changes nothing.

    Exit codes: 0 usable (there may be warnings); 1 the service would not start, or would break its promises.
    """
    from chains.configuration import problems_of
    from chains.home import default_home

    errors, warnings = problems_of(home or default_home(), os.environ)
    facts: dict[str, Any] = {"usable": not errors, "errors": errors, "warnings": warnings}
    lines = [*(f"error: {text}" for text in errors), *(f"warning: {text}" for text in warnings)]
    say(facts, lambda: lines or ["The settings are in order."], as_json=as_json)
    raise typer.Exit(EXIT_FAILED if errors else 0)


@config_app.command()
def show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show every setting in force, and where it comes from: default, file, or environment variable."""
    from chains.configuration import values_of
    from chains.home import default_home

    values = values_of(home or default_home(), os.environ)
    facts = {each.name: {"value": each.value, "origin": each.origin} for each in values}
    say(facts, lambda: [f"{each.name} = {_shown(each.value)}  ({each.origin})" for each in values], as_json=as_json)


def _shown(value: str | int | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value) if value != "" else "none"

"""What stands in front of the commands: of a command line's words, the first says which of them are looked at."""

from typing import Any

import pytest
import typer.main

from chains.commands.application import app
from chains.commands.front import app_for

ALL: Any = typer.main.get_command(app)


@pytest.mark.parametrize("name", ALL.commands)
def test_a_command_is_the_same_alone_and_among_all(name: str) -> None:
    """Options, arguments, words of help and commands of a group: whichever others are there."""
    alone: Any = typer.main.get_command(app_for([name, "and", "more"]))
    assert {name: ALL.commands[name]}.keys() == alone.commands.keys()
    assert _told(ALL.commands[name]) == _told(alone.commands[name])
    assert _told(ALL) | {"commands": ""} == _told(alone) | {"commands": ""}


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["--show-completion"], ["verfy"], [""]])
def test_whoever_names_no_command_is_shown_all(words: list[str]) -> None:
    """Help, completion and the answer to a misspelt word look at every command."""
    shown: Any = typer.main.get_command(app_for(words))
    assert list(ALL.commands) == list(shown.commands)


def _told(value: Any) -> Any:
    """Return everything that an object of Typer holds, as plain values; of a function its name."""
    if isinstance(value, dict):
        return {key: _told(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(each) for each in value]
    if hasattr(value, "__qualname__"):
        return value.__qualname__
    return {"": type(value).__name__, **_told(vars(value))} if hasattr(value, "__dict__") else value

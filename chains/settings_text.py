"""Changing values in the text of a settings file: an operator's comments and order stay.

``chains.moving`` and ``chains.restore`` write with it where the log is now.
"""

import re
import tomllib
from collections.abc import Mapping

from anchor.errors import SettingsError
from chains.settings import FILE_NAME, toml_text


def with_values(text: str, values: Mapping[str, str]) -> str:
    """Return the text with these settings; one that is not there is added at the end, an empty one only changed.

    Raises SettingsError where the file is written in a way that this cannot change.
    """
    for name, value in values.items():
        line = f"{name} = {toml_text(value)}"
        escaped = line.replace("\\", r"\\")
        text, found = re.subn(rf"^[ \t]*{name}[ \t]*=.*$", escaped, text, count=1, flags=re.MULTILINE)
        if not found and value:
            text = f"{text.rstrip()}\n{line}\n"
    try:
        now = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        now = {}
    if any(now.get(name, "") != value for name, value in values.items()):
        raise SettingsError(
            f"{FILE_NAME}: expected one line each for {', '.join(values)}, as NAME = VALUE; write them by hand: "
            + ", ".join(f"{name} = {toml_text(value)}" for name, value in values.items())
        )
    return text

"""The password of the wallet's key file: where it is looked for, in which order, and once in a process.

A file that the command line or the settings name, the environment, or a prompt that a command puts in where somebody
sits at a terminal. ``chains.home`` asks for it when the key is first needed; ``anchorline init`` sets it.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from anchor.errors import SettingsError
from anchor.signing import read_private_file

VARIABLE = "ANCHORLINE_WALLET_PASSWORD"
"""Environment variable of the password."""
BACKUP_VARIABLE = "ANCHORLINE_BACKUP_PASSWORD"
"""Environment variable of the password under which a backup holds its keys."""
IDENTITY_VARIABLE = "ANCHORLINE_IDENTITY_PASSWORD"
"""Environment variable of the password of the key files of an identity."""
READER_VARIABLE = "ANCHORLINE_READER_PASSWORD"
"""Environment variable of the password of the files of readers' keys and search keys."""
MAX_PASSWORD = 1_000


class Password:
    """A password that is found when it is first asked for; ``repr`` does not show it."""

    def __init__(
        self,
        file: str = "",
        environment: Mapping[str, str] = os.environ,
        prompt: Callable[[], str] | None = None,
        variable: str = VARIABLE,
    ) -> None:
        self.file = file
        self.prompt = prompt
        self.variable = variable
        self._environment = environment
        self._found: str | None = None

    def __call__(self) -> str:
        """Return the password: of the file, else of the environment, else of the prompt.

        Raises SettingsError where there is none of them, or where the file is missing or open to others.
        """
        if self._found is None:
            self._found = self._find()
        return self._found

    @property
    def is_given(self) -> bool:
        """Whether a file or the environment has one: nobody would be asked."""
        return bool(self.file or self._environment.get(self.variable))

    def _find(self) -> str:
        if self.file:
            return read_password(Path(self.file))
        given = self._environment.get(self.variable)
        if given:
            return given
        if self.prompt is None:
            if self.variable != VARIABLE:
                raise SettingsError(
                    "a password is needed, and there is no terminal to ask for it: name a file with --password-file, "
                    f"or set the environment variable {self.variable}"
                )
            raise SettingsError(
                "the wallet's key is encrypted, and there is no terminal to ask for its password: name a file with "
                f"wallet_password_file in the settings, or set the environment variable {VARIABLE}"
            )
        return self.prompt()


def read_password(path: Path) -> str:
    """Return the password in a file: its text without the line end.

    Raises SettingsError where the file is missing, is open to others than its owner, is empty or is no text; no
    message repeats what is in it.
    """
    if not path.exists():
        raise SettingsError(f"{path}: no such file of a password; make it (mode 600), or correct the setting")
    data = read_private_file(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or len(password) > MAX_PASSWORD or "\n" in password:
        raise SettingsError(f"{path}: expected a password on one line of UTF-8 text, found something else")
    return password

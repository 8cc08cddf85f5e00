"""Whether anybody has changed a SQLite database: asked by those who keep what they made of it.

The file is a home's ``anchorline.db``. Nothing is read of it but whether another connection, in this process or in any
other, has committed anything.
"""

import sqlite3
from pathlib import Path

from anchor.storage.sqlite import translated


class SqliteChanges:
    """A connection of its own that watches one file; one thread uses it. ``close`` it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with translated(path):
            # It never waits: whoever asks has something better to do than to wait for a lock.
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                timeout=0,
                isolation_level=None,
                check_same_thread=False,
                uri=True,
            )

    def version(self) -> int:
        """Return a number that is another one as soon as anything was committed (SQLite, PRAGMA data_version).

        Two numbers mean something to each other only if both are from here. Raises StorageError.
        """
        with translated(self._path):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

"""Bringing SQLite's write-ahead log into its file beside whoever writes, who then seldom has to (a checkpoint).

``anchor.storage.sqlite`` lets the writer do it behind a commit where the log has become long: then that commit takes
ten times as long as others. A passive one waits for nobody and keeps nobody from writing, but it ends where the log
ended when it began, so that the log still grows to its length and the writer does the rest
(sqlite.org/wal.html, "Checkpointing").
"""

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

EVERY_BYTES = 8 * 2**20
"""What is written between two of them; the writer's own comes behind eight times that."""


class Checkpointing:
    """Does it on a thread of its own; ``stop`` it. What goes wrong the writer will meet, and say."""

    def __init__(self, path: Path, every_bytes: int = EVERY_BYTES) -> None:
        self._path = path
        self._every_bytes = every_bytes
        self._written = 0
        self._is_due = threading.Event()
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name="checkpointing")
        self._thread.start()

    def wrote(self, byte_count: int) -> None:
        """Note that about so many bytes were committed, or are about to be; called by one thread."""
        self._written += byte_count
        if self._written >= self._every_bytes:
            self._written = 0
            self._is_due.set()

    def stop(self) -> None:
        """End the thread."""
        self._is_stopped = True
        self._is_due.set()
        self._thread.join()

    def _run(self) -> None:
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            while self._is_due.wait() and not self._is_stopped:
                self._is_due.clear()
                with suppress(sqlite3.Error):
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

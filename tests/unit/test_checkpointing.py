"""Tests of ``anchor.storage.checkpointing``: the write-ahead log comes into the file without the writer's doing."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from anchor.storage.checkpointing import Checkpointing
from anchor.storage.sqlite import SqliteEngine
from tests.waiting import wait_until

pytestmark = pytest.mark.sqlite("a write-ahead log beside a file")


def write(engine: SqliteEngine, name: str) -> None:
    with engine.transaction():
        engine.execute("INSERT INTO note (name) VALUES (?)", (name,))


def in_file(path: Path) -> list[str]:
    """Return what is in the file without its write-ahead log."""
    copied = path.with_name(f"copy-{time.monotonic_ns()}.db")
    copied.write_bytes(path.read_bytes())
    try:
        with closing(sqlite3.connect(f"file:{copied}?immutable=1", uri=True)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'note'").fetchall():
                return []
            return [row[0] for row in connection.execute("SELECT name FROM note ORDER BY name")]
    except sqlite3.DatabaseError:
        return ["torn"]  # copied while pages came into it


def test_what_was_written_comes_into_the_file_in_time(tmp_path: Path) -> None:
    """Behind so many bytes, again and again, while the writer goes on; what came later comes later."""
    path = tmp_path / "own.db"
    engine = SqliteEngine(path)
    checkpointing = Checkpointing(path, every_bytes=100)
    try:
        with engine.transaction():
            engine.execute("CREATE TABLE note (name TEXT)")
        write(engine, "own 1")
        checkpointing.wrote(99)
        time.sleep(0.1)
        assert [] == in_file(path)
        write(engine, "own 2")
        checkpointing.wrote(1)
        wait_until(lambda: in_file(path) == ["own 1", "own 2"])
        with engine.transaction():
            engine.execute("INSERT INTO note (name) VALUES (?)", ("own 3",))
            checkpointing.wrote(100)  # in the middle of a transaction: it is no part of the log yet
            time.sleep(0.1)
        assert ["own 1", "own 2"] == in_file(path)
        checkpointing.wrote(100)
        wait_until(lambda: in_file(path) == ["own 1", "own 2", "own 3"])
    finally:
        checkpointing.stop()
        engine.close()


def test_what_cannot_be_done_is_left_to_the_writer(tmp_path: Path) -> None:
    """No database is there, or none that can be read: the thread ends when it is stopped, and says nothing."""
    path = tmp_path / "other.db"
    path.write_bytes(b"no database" * 1000)
    for there in (path, tmp_path / "nowhere" / "own.db"):
        checkpointing = Checkpointing(there, every_bytes=1)
        checkpointing.wrote(1)
        checkpointing.stop()

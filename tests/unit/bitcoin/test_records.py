"""Tests of ``anchor.bitcoin.records``: what a power cut may leave behind, and what it may not.

Every possible cut of a real file is tried; the disk's own refusals come from a folder without permission and from a
limit on the size of files.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anchor.bitcoin.records import RecordFile, write_records
from anchor.errors import StorageCorruptError, StorageError

RECORDS = [b"first", b"", b"third" * 100, bytes(40)]


def contents(path: Path) -> list[bytes]:
    """Open the file, return its records, close it."""
    file = RecordFile(path)
    file.close()
    return file.records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with four records, appended one by one."""
    made = tmp_path / "records"
    file = RecordFile(made)
    for record in RECORDS:
        file.append(record)
    file.close()
    return made


def test_records_come_back_in_order(path: Path) -> None:
    """What was appended is read back, empty records and zeros included."""
    assert RECORDS == contents(path)


def test_a_new_file_is_empty(tmp_path: Path) -> None:
    """A file that does not exist is made."""
    assert [] == contents(tmp_path / "new")
    assert [] == contents(tmp_path / "new")


def test_every_cut_leaves_the_records_before_it(path: Path) -> None:
    """Wherever a power cut ends the file, whole records are kept and the torn one is cut off for good."""
    whole = path.read_bytes()
    ends = [len(whole) - sum(16 + len(each) for each in RECORDS[at:]) for at in range(len(RECORDS) + 1)]
    for size in range(ends[0], len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = sum(end <= size for end in ends[1:])
        assert RECORDS[:kept] == contents(path)
        assert ends[kept] == path.stat().st_size


def test_zeros_behind_the_last_record_are_a_power_cut(path: Path) -> None:
    """Some file systems lengthen a file before its bytes arrive."""
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(500))
    assert RECORDS == contents(path)
    assert whole == path.read_bytes()


def test_a_torn_record_is_written_over(path: Path) -> None:
    """After a cut, the next record stands where the torn one stood."""
    path.write_bytes(path.read_bytes()[:-1])
    file = RecordFile(path)
    file.append(b"instead")
    file.close()
    assert [*RECORDS[:-1], b"instead"] == contents(path)


def test_every_changed_bit_is_found(path: Path) -> None:
    """A bit that changed later is never taken for a power cut, wherever it is."""
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(StorageCorruptError, match="restore the folder from a copy"):
            RecordFile(path)


@pytest.mark.parametrize("content", [b"x", b"anchorline-records/1", b"anchorline-records/2\n", b"\x00" * 50])
def test_a_file_of_something_else_is_refused(path: Path, content: bytes) -> None:
    """A file that does not begin as ours is left as it is."""
    path.write_bytes(content)
    with pytest.raises(StorageCorruptError, match="expected a file that begins with"):
        RecordFile(path)
    assert content == path.read_bytes()


def test_a_cut_drops_the_newest_records(path: Path) -> None:
    """``append`` says where its record begins, and ``cut`` takes the file back to there."""
    file = RecordFile(path)
    at = file.append(b"regretted")
    file.append(b"and what followed")
    file.cut(at)
    file.append(b"kept")
    file.close()
    assert [*RECORDS, b"kept"] == contents(path)


def test_replacing_is_all_or_nothing(path: Path) -> None:
    """Other records take the place of all, appending goes on behind them, and no file is left beside."""
    file = RecordFile(path)
    file.replace([b"only"])
    file.append(b"next")
    file.close()
    assert [b"only", b"next"] == contents(path)
    assert [path] == list(path.parent.iterdir())


def test_a_record_is_on_the_disk_before_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The flush comes after the last byte was written, for appending, cutting and replacing alike."""
    sizes: list[int] = []
    real = os.fsync

    def watched(fd: int) -> None:
        sizes.append(os.fstat(fd).st_size)
        real(fd)

    file = RecordFile(path)
    monkeypatch.setattr(os, "fsync", watched)
    at = file.append(b"flushed")
    assert [path.stat().st_size] == sizes
    file.cut(at)
    assert at == sizes[-1]
    sizes.clear()
    file.replace([b"flushed"])
    assert path.stat().st_size == sizes[0]
    assert 2 == len(sizes)  # the file, then the folder that names it
    file.close()


def test_a_missing_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    """The operating system's error is translated."""
    with pytest.raises(StorageError, match="missing"):
        write_records(tmp_path / "missing" / "records", [])


def test_a_full_disk_keeps_what_was_there(path: Path) -> None:
    """An append that finds no space raises StorageFullError, and the file can be used on afterwards.

    A limit on the size of files stands for the full disk: both cut the write short.
    """
    script = f"""
import resource, signal
from pathlib import Path
from anchor.bitcoin.records import RecordFile
from anchor.errors import StorageFullError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = RecordFile(Path({str(path)!r}))
size = Path({str(path)!r}).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
try:
    file.append(b"x" * 1000)
except StorageFullError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.append(b"short")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    assert "no space left" in done.stdout
    assert [*RECORDS, b"short"] == contents(path)

"""A file of records that survives a power cut: appended, flushed to the disk, and read back whole.

Input is bytes from one writer, which holds a lock of its own. ``local`` keeps its blocks and its mempool in
two such files, and builds everything else from them when it opens.
"""

import errno
import hashlib
import os
from pathlib import Path
from typing import NoReturn

from anchor.errors import StorageCorruptError, StorageError, StorageFullError, StorageReadOnlyError

_MAGIC = b"anchorline-records/1\n"
# A record: size (u32), the first 4 bytes of SHA-256 of the size, the first 8 of SHA-256 of the payload, payload.
# The size has a check of its own: a size that was damaged later must not look like a record that was cut short.
_HEAD = 4 + 4 + 8


class RecordFile:
    """An append-only file of records, created where it does not exist.

    ``records`` is what was in it when it was opened. The last record is cut off if it is incomplete: a power cut
    or a kill came before ``append`` returned, so nobody was told of it. Anything else that is malformed raises
    StorageCorruptError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            write_records(path, [])
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            _refuse(path, error)
        try:
            data = path.read_bytes()
            self.records, self._end = _parse(path, data)
            if self._end < len(data):
                self.cut(self._end)
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, payload: bytes) -> int:
        """Write one record and flush it to the disk; return the offset at which it begins, for ``cut``.

        On return it survives a power cut. Raises StorageFullError or another StorageError; then the next append
        writes over what little was written.
        """
        at = self._end
        record = _encode(payload)
        try:
            os.ftruncate(self._fd, at)  # what an append that failed has left behind
            _write_all(self._fd, record, at)
            os.fsync(self._fd)
        except OSError as error:
            _refuse(self._path, error)
        self._end = at + len(record)
        return at

    def cut(self, offset: int) -> None:
        """Drop every record from ``offset`` on, durably."""
        try:
            os.ftruncate(self._fd, offset)
            os.fsync(self._fd)
        except OSError as error:
            _refuse(self._path, error)
        self._end = offset

    def replace(self, payloads: list[bytes]) -> None:
        """Put other records in the place of all: a crash leaves either the old ones or the new ones."""
        write_records(self._path, payloads)
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        os.close(self._fd)
        self._fd = fd
        self._end = os.fstat(fd).st_size

    def close(self) -> None:
        """Close the file; not to be repeated."""
        os.close(self._fd)


def write_records(path: Path, payloads: list[bytes]) -> None:
    """Write a whole file of records beside ``path``, flush it, and move it there in one step.

    Raises StorageFullError, StorageReadOnlyError or StorageError; then ``path`` is as before.
    """
    beside = path.with_name(path.name + ".new")
    try:
        with beside.open("wb") as file:
            file.write(_MAGIC + b"".join(_encode(payload) for payload in payloads))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        _refuse(path, error)


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk: without it, a new file's name can be lost in a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _encode(payload: bytes) -> bytes:
    size = len(payload).to_bytes(4, "big")
    return size + hashlib.sha256(size).digest()[:4] + hashlib.sha256(payload).digest()[:8] + payload


def _parse(path: Path, data: bytes) -> tuple[list[bytes], int]:
    """Return the records and the offset at which the last whole one ends."""
    if not data.startswith(_MAGIC):
        raise StorageCorruptError(
            f"{path}: expected a file that begins with {_MAGIC!r}, found {data[: len(_MAGIC)]!r}; "
            "restore the folder from a copy, or move it away to begin anew"
        )
    records: list[bytes] = []
    at = len(_MAGIC)
    while not _is_torn(data, at):
        size = int.from_bytes(data[at : at + 4], "big")
        payload = data[at + _HEAD : at + _HEAD + size]
        if data[at : at + _HEAD + size] != _encode(payload):
            _refuse_record(path, at)
        records.append(payload)
        at += _HEAD + size
    return records, at


def _is_torn(data: bytes, at: int) -> bool:
    """Say whether what begins at ``at`` is nothing, or a record that was not written to its end.

    Some file systems lengthen a file before its bytes arrive: then the rest of it reads as zeros.
    """
    head = data[at : at + _HEAD]
    if len(head) < _HEAD or not any(data[at:]):
        return True
    is_size_whole = hashlib.sha256(head[:4]).digest()[:4] == head[4:8]
    return is_size_whole and at + _HEAD + int.from_bytes(head[:4], "big") > len(data)


def _write_all(fd: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(fd, data, at)
        data, at = data[written:], at + written


def _refuse_record(path: Path, at: int) -> NoReturn:
    raise StorageCorruptError(
        f"{path}: expected a whole record at byte {at}, found one whose check does not match; "
        "restore the folder from a copy, or move it away to begin anew"
    )


def _refuse(path: Path, error: OSError) -> NoReturn:
    """Raise the StorageError that an error of the operating system means."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        raise StorageFullError(f"{path}: no space left; free some and try again") from error
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        raise StorageReadOnlyError(f"{path}: expected to be allowed to write; check its owner") from error
    raise StorageError(f"{path}: the operating system refused: {error}") from error

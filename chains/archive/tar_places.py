"""Where the files of a tar lie in it: its headers, read without unpacking anything.

Input is an export as a tar, believed in nothing. ``chains.archive.files`` reads the files from there; a tar that has
other headers than an export writes is read by ``tarfile``, which knows every form and finds its way past damage.
"""

import io
import os
import re
import tarfile
from pathlib import Path

from anchor.errors import SettingsError
from anchor.proof.archive_files import Fault

Places = dict[str, tuple[int, int]]
_BLOCK = 512
_RECORD = 20 * _BLOCK
# The fields of a header (POSIX.1-2008, pax) that an export fills in.
_MAGIC, _MAGIC_OF_PAX = slice(257, 265), b"ustar\x0000"
_SIZE, _SUM, _KIND, _PREFIX = slice(124, 136), slice(148, 156), slice(156, 157), 345
_OCTAL = re.compile(rb"[0-7]{1,11}\x00? ?")
_PRINTED = re.compile(rb"[\x21-\x7e]+")
_PATH_RECORD = re.compile(rb"([1-9][0-9]{0,3}) path=([\x21-\x7e]+)\n")
# Longer than any path of an export, and than what any tar says of one file.
_MOST_PAX, _MOST_HEADER = 2_048, 1 << 20


def places_in(tar_file: Path, export: Path, fault: Fault) -> Places:
    """Return first byte and size of every file below the archive's one folder, by its name there.

    What no export has goes to ``fault``. Raises SettingsError for what is no tar, or has no file.
    """
    return _as_written(tar_file) or _of_any(tar_file, export, fault)


def _as_written(tar_file: Path) -> Places | None:
    """Return the places where every header is as an export writes it, in a fraction of the time; else None."""
    places, folders, long_name = Places(), set[bytes](), b""
    with tar_file.open("rb", 0) as file:
        at, end = 0, os.fstat(file.fileno()).st_size
        while any(header := os.pread(file.fileno(), _BLOCK, at)):
            at += _BLOCK
            size = _size_in(header)
            if size is None or at + size > end:
                return None
            if header[_KIND] == b"x" and not long_name:
                long_name = _long_name(os.pread(file.fileno(), min(size, _MOST_PAX), at), size)
                if not long_name:
                    return None
            else:
                folder, _, name = (long_name or header[:100].rstrip(b"\x00")).partition(b"/")
                if header[_KIND] != b"0" or not _is_new(name, places):
                    return None
                folders.add(folder)
                places[name.decode()], long_name = (at, size), b""
            at += -(-size // _BLOCK) * _BLOCK
        # Zeros fill the last record, and nothing follows.
        rest = os.pread(file.fileno(), _RECORD + 1, at)
    is_end = _BLOCK <= len(rest) <= _RECORD and not any(rest)
    return places if is_end and not long_name and len(folders) == 1 else None


def _size_in(header: bytes) -> int | None:
    """Return the size that a header gives, None for one that no export has, or that has another checksum."""
    size, checksum = _OCTAL.fullmatch(header[_SIZE]), _OCTAL.fullmatch(header[_SUM])
    if len(header) != _BLOCK or header[_MAGIC] != _MAGIC_OF_PAX or header[_PREFIX] or not size or not checksum:
        return None
    # The checksum is made with blanks in its own place.
    is_sound = int(checksum[0].rstrip(b"\x00 "), 8) == sum(header) - sum(header[_SUM]) + 8 * 0x20
    return int(size[0].rstrip(b"\x00 "), 8) if is_sound else None


def _long_name(record: bytes, size: int) -> bytes:
    """Return the path that a pax record gives, empty where it is not all that there is."""
    matched = _PATH_RECORD.fullmatch(record)
    return matched[2] if matched and int(matched[1]) == size == len(record) else b""


def _is_new(name: bytes, places: Places) -> bool:
    return bool(_PRINTED.fullmatch(name)) and not name.endswith(b"/") and name.decode() not in places


class _Headers(io.FileIO):
    """A tar of which only headers are read: ``tarfile`` would read as much for one as it says that it has."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MOST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return super().read(size) or b""


def _of_any(tar_file: Path, export: Path, fault: Fault) -> Places:
    """Return the places of all files below the archive's one folder, past headers that are damaged."""
    places = Places()
    folders = set[str]()
    try:
        with _Headers(tar_file) as file, tarfile.open(fileobj=file, mode="r:", ignore_zeros=True) as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # it would keep every header; typeshed lacks it
                folder, _, name = member.name.partition("/")
                folders.add(folder)
                if not member.isreg() or member.issparse() or not name:
                    fault(f"{member.name}: expected plain files in one folder only, found something else")
                elif name in places:
                    fault(f"{name}: it is in the archive twice; the first one was read")
                else:
                    places[name] = (member.offset_data, member.size)
    except tarfile.TarError as error:
        if not places:
            raise SettingsError(
                f"{export}: expected an export, a tar or its unpacked folder, found something else: {error}"
            ) from error
        fault(f"{export.name}: the archive is damaged ({error}); what is before that place was read")
    if not places:
        raise SettingsError(f"{export}: expected an export, a tar or its unpacked folder; there is no file in it")
    if len(folders) > 1:
        fault(f"{export.name}: expected one folder, found {len(folders)}")
    return places

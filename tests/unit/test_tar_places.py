"""Places in a tar: what is read in a few steps for each header is what ``tarfile`` reads, whatever is damaged."""

import io
import tarfile
from pathlib import Path

import pytest

from anchor.errors import SettingsError
from chains.archive import tar_places
from chains.archive.tar_places import places_in

FILES = {
    "a.txt": b"a",
    f"mirror/chain/{'0' * 64}/tile/entries/x001/x002/003": bytes(700),
    "empty": b"",
    "b": bytes(512),
}


def tar_of(files: dict[str, bytes], folder: str = "export-1", kind: bytes = tarfile.REGTYPE) -> bytes:
    """Write a tar as ``chains.export`` does."""
    out = io.BytesIO()
    with tarfile.TarFile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size, member.type = len(data), kind
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


Said = tuple[dict[str, tuple[int, int]], list[str]] | str


def said_of(path: Path) -> Said:
    """Places and faults, or what was raised."""
    faults: list[str] = []
    try:
        return places_in(path, path, faults.append), faults
    except SettingsError as error:
        return str(error)


def both(path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[Said, Said]:
    """Return what is said of a tar, and what is said of it by ``tarfile`` alone."""
    path.write_bytes(data)
    first = said_of(path)
    with monkeypatch.context() as patch:
        patch.setattr(tar_places, "_as_written", lambda _: None)
        return first, said_of(path)


def test_what_an_export_writes_is_read_without_tarfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names short and long, files of every remainder: the same places, and ``tarfile`` is not asked."""
    path = tmp_path / "log.tar"
    first, second = both(path, tar_of(FILES), monkeypatch)
    assert first == second
    monkeypatch.delattr(tar_places, "_of_any")
    faults: list[str] = []
    places = places_in(path, path, faults.append)
    assert (set(FILES), []) == (set(places), faults)
    data = path.read_bytes()
    assert list(FILES.values()) == [data[at : at + size] for at, size in places.values()]


def test_a_header_that_is_damaged_is_what_tarfile_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bit of each byte of every header: the same places and the same faults."""
    data = tar_of(FILES)
    headers = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    assert len(FILES) + 1 == len(headers)
    for at in headers:
        for place in range(512):
            if any(data[at + place : at + place + 2]):  # among zeros one byte is like another
                changed = bytearray(data)
                changed[at + place] ^= 1 << place % 8
                first, second = both(tmp_path / "log.tar", bytes(changed), monkeypatch)
                assert first == second, (at, place)


def test_a_header_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    """Somebody may say that a name has 2 GiB, in a file that is as long and has nothing in it: no such name is read."""
    data = tar_of({"a": b"1", "x" * 150: b"2"})
    (at,) = (at for at in range(0, len(data), 512) if data[at + 156 : at + 162] == b"x" + bytes(5))
    header = tarfile.TarInfo("pax")
    header.size, header.type = 1 << 31, tarfile.XHDTYPE
    path = tmp_path / "log.tar"
    path.write_bytes(data[:at] + header.tobuf(tarfile.USTAR_FORMAT))
    with path.open("r+b") as file:
        file.truncate(at + 512 + (1 << 31))
    faults: list[str] = []
    assert {"a": (512, 1)} == places_in(path, path, faults.append)
    (fault,) = faults
    assert "the archive is damaged (a header of 2147483648 bytes); what is before that place was read" in fault


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(10_240),
        tar_of({}),
        tar_of(FILES)[:-1],
        tar_of(FILES)[:700],
        tar_of(FILES)[: 512 * 4 + 100],
        tar_of(FILES) + bytes(20_000),
        tar_of(FILES) + b"more",
        tar_of(FILES) + tar_of({"hidden": b"behind the end"}),
        tar_of({"a": b"1"}) + tar_of({"a": b"2"}),
        tar_of({"a": b"1"}, kind=tarfile.SYMTYPE),
        tar_of({"a/": b"1"}),
        tar_of({"": b"1"}),
        tar_of({"ä": b"1", "b c": b"2"}),
        tar_of({"a": b"1"}, folder="x")[:1024] + tar_of({"a": b"1"}, folder="y"),
        b"no tar at all" * 100,
    ],
)
def test_what_no_export_writes_is_what_tarfile_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """Nothing, what is cut or has something behind its end, links, names of another kind, two folders, no tar."""
    first, second = both(tmp_path / "log.tar", data, monkeypatch)
    assert first == second

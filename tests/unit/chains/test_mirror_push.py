"""A mirror in object storage: what is put in which order, that a stop at any point harms nothing, what is refused."""

import gzip
import importlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from anchor.bitcoin.http_retry import Patience
from anchor.errors import BehindError, SettingsError, SourceError, SourceUnavailableError
from anchor.signing import check_signature
from anchor.thread_auditor import Auditor
from chains.mirror_copy import MirrorCopy
from chains.mirror_folder import rank_of
from chains.mirror_push import Pushed, push
from chains.mirror_reading import opened_mirror
from chains.object_store import Held, Objects, ObjectsAt
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.object_storage import new_prefix, skip_without_storage, storage
from tests.simulators.published import check_whole, files
from tests.simulators.service import Service, new_service

pytestmark = [pytest.mark.storage, pytest.mark.usefixtures("unflushed")]


@pytest.fixture(scope="module", autouse=True)
def _storage() -> Iterator[None]:
    skip_without_storage()
    with pytest.MonkeyPatch.context() as patched, storage(patched):
        yield


@pytest.fixture
def service(service: Service, bitcoin: SimulatedBitcoin) -> Service:
    """A funded home with the chain acme, of 100 entries, sealed and anchored."""
    service.add("acme", *(b"%d" % number for number in range(99)))
    service.anchor(bitcoin)
    return service


@pytest.fixture
def public(service: Service, tmp_path: Path) -> Path:
    """Its mirror, with entries."""
    service.publish(tmp_path / "public", "acme")
    return tmp_path / "public"


def grow(service: Service, bitcoin: SimulatedBitcoin, folder: Path) -> None:
    """Fill a tile, begin a chain, anchor, and publish that."""
    service.add("acme", *(b"more %d" % number for number in range(200)))
    service.open_chain("second")
    service.anchor(bitcoin)
    service.publish(folder, "acme")


def pushed(folder: Path, url: str, objects: Objects | None = None) -> Pushed:
    return push(folder, url, ObjectsAt.open(url) if objects is None else objects)


def shown(url: str) -> dict[str, bytes]:
    """Return every object below an address, as readers have it: without its coding."""
    obstore: Any = importlib.import_module("obstore")
    store = importlib.import_module("obstore.store").from_url(url)
    found: dict[str, bytes] = {}
    for path in ObjectsAt.open(url).held():
        got = obstore.get(store, path)
        is_packed = got.attributes.get("Content-Encoding") == "gzip"
        found[path] = gzip.decompress(bytes(got.bytes())) if is_packed else bytes(got.bytes())
    return found


def check_readers_find(url: str, folder: Path) -> None:
    """Whatever the checkpoints there name is there: written to a folder, since that is what is checked."""
    for path, data in shown(url).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    check_whole(folder)


@dataclass
class Watching:
    """Objects that note what is done, and fail at one change (0: never): before it, or behind it where ``is_late``."""

    inner: Objects
    fail_at: int = 0
    is_late: bool = False
    did: list[str] = field(default_factory=list)

    def held(self) -> dict[str, Held]:
        return self.inner.held()

    def get(self, path: str) -> bytes | None:
        return self.inner.get(path)

    def put(self, path: str, data: bytes, media_type: str, cache_control: str, coding: str = "") -> str:
        self._fail(path, is_late=False)
        tag = self.inner.put(path, data, media_type, cache_control, coding)
        self._fail(path, is_late=True)
        return tag

    def delete(self, path: str) -> None:
        self._fail(f"-{path}", is_late=False)
        self.inner.delete(path)
        self._fail(f"-{path}", is_late=True)

    def _fail(self, what: str, *, is_late: bool) -> None:
        if not is_late:
            self.did.append(what)
        if self.fail_at and len(self.did) >= self.fail_at and is_late == self.is_late:
            raise SourceUnavailableError("storage did not do it")


def test_what_is_pushed_is_the_folder(public: Path) -> None:
    """Every file, byte for byte, and nothing of what begins with a dot."""
    url = new_prefix()
    done = pushed(public, url)
    assert files(public) == shown(url)
    assert (len(files(public)), 0) == (done.put, done.deleted)


def test_a_second_push_puts_what_is_new_only(service: Service, bitcoin: SimulatedBitcoin, public: Path) -> None:
    """Nothing without news; then the new files, and partial tiles are removed behind their full ones."""
    url = new_prefix()
    pushed(public, url)
    assert (0, 0) == (pushed(public, url).put, pushed(public, url).put_bytes)
    before = files(public)
    grow(service, bitcoin, public)
    done = pushed(public, url)
    assert files(public) == shown(url)
    assert done.put == len({path for path, data in files(public).items() if before.get(path) != data})
    assert done.deleted == len(before.keys() - files(public).keys()) > 0


def test_a_folder_that_forgot_what_it_pushed_puts_what_changes_again(public: Path) -> None:
    """Its notes are an economy: without them, or where somebody changed an object, the objects are mended."""
    url = new_prefix()
    pushed(public, url)
    ObjectsAt.open(url).put("thread.json", b"{}", "application/json", "no-store")
    assert 1 == pushed(public, url).put
    for notes in public.glob(".pushed-*"):
        notes.unlink()
    assert 0 < pushed(public, url).put < len(files(public))
    assert files(public) == shown(url)


def test_whatever_a_checkpoint_names_is_put_before_it(public: Path) -> None:
    """By ranks: tiles, then checkpoints, then proofs and the list, then the card; marks of an empty place first."""
    url = new_prefix()
    watching = Watching(ObjectsAt.open(url))
    pushed(public, url, watching)
    marked, *rest = watching.did
    assert "log-card.json" == marked
    assert sorted(map(rank_of, rest)) == [rank_of(path) for path in rest]


def test_a_push_that_failed_anywhere_shows_one_whole_state_and_is_made_good(
    service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path
) -> None:
    """Whether storage failed before a change or behind it, readers find what is named, and the next push ends it."""
    shutil.copytree(public, tmp_path / "old")
    grow(service, bitcoin, public)
    counting = Watching(ObjectsAt.open(url := new_prefix()))
    pushed(tmp_path / "old", url)
    pushed(public, url, counting)
    count = len(counting.did)
    assert count > 15
    for at in sorted({1, 4, 8, *range(count - 7, count + 1)}):
        url = new_prefix()
        pushed(tmp_path / "old", url)
        with pytest.raises(SourceUnavailableError):
            pushed(public, url, Watching(ObjectsAt.open(url), at, is_late=at % 2 == 0))
        check_readers_find(url, tmp_path / f"readers-{at}")
        pushed(public, url)
        assert files(public) == shown(url)


def test_objects_say_how_long_they_may_be_kept(public: Path) -> None:
    """What never changes for ever, the rest for seconds: a cache in front shows no checkpoint for long."""
    obstore: Any = importlib.import_module("obstore")
    url = new_prefix()
    pushed(public, url)
    store = importlib.import_module("obstore.store").from_url(url)
    said = {path: obstore.get(store, path).attributes for path in files(public)}
    assert "public, max-age=31536000, immutable" == said["tile/0/000.p/4"]["Cache-Control"]
    assert "public, max-age=10" == said["checkpoint"]["Cache-Control"] == said["thread.json"]["Cache-Control"]
    assert "public, max-age=60" == said["thread/000.json"]["Cache-Control"]
    assert ("text/html; charset=utf-8", "application/json") == (
        said["verify.html"]["Content-Type"],
        said["thread.json"]["Content-Type"],
    )


def test_bundles_are_packed_and_nothing_else(public: Path) -> None:
    """Of leaves a half or less is stored; hashes do not shrink, and other files have no coding."""
    obstore: Any = importlib.import_module("obstore")
    url = new_prefix()
    done = pushed(public, url)
    store = importlib.import_module("obstore.store").from_url(url)
    packed = {path for path in files(public) if "Content-Encoding" in obstore.get(store, path).attributes}
    assert {path for path in files(public) if "/entries/" in path} == packed
    held = ObjectsAt.open(url).held()
    assert done.put_bytes == sum(each.size for each in held.values())
    (entries,) = (path for path in packed if path.startswith("chain/"))
    assert 0 < 2 * held[entries].size < len(files(public)[entries])


def test_what_was_pushed_without_a_coding_stays(public: Path) -> None:
    """An older push put bundles as they are: they are the same files, and are not put again."""
    url = new_prefix()
    pushed(public, url)
    for path, data in files(public).items():
        if "/entries/" in path:
            ObjectsAt.open(url).put(path, data, "application/octet-stream", "no-store")
    assert 0 == pushed(public, url).put
    assert files(public) == shown(url)


def test_a_mirror_is_copied_from_storage(public: Path, tmp_path: Path) -> None:
    """Behind a web server it is a mirror as any other: the thread audit passes it, and the copy is the same."""
    url = new_prefix()
    pushed(public, url)
    address = f"{os.environ['AWS_ENDPOINT_URL']}/{url.removeprefix('s3://')}"
    with opened_mirror(address, Patience(tries=1)) as fetch:
        MirrorCopy(tmp_path / "copy", fetch, Auditor(check_signature)).run()
    assert files(public) == files(tmp_path / "copy")


def test_entries_of_a_chain_that_was_made_private_are_removed(service: Service, public: Path) -> None:
    """As the folder has them no longer, neither has the storage."""
    url = new_prefix()
    pushed(public, url)
    chain = service.home.chains.named("acme")
    service.mirror(public).write(service.home.checkpoint_key, (), [chain])
    assert 1 == pushed(public, url).deleted
    assert not [path for path in shown(url) if path.startswith("chain/") and "/entries/" in path]


def test_another_mirror_and_a_newer_one_are_left_alone(
    service: Service, bitcoin: SimulatedBitcoin, public: Path, tmp_path: Path
) -> None:
    """A prefix of something else or of another log, a newer state, and no mirror at all are refused."""
    url = new_prefix()
    ObjectsAt.open(url).put("photo.jpg", b"holiday", "image/jpeg", "no-store")
    with pytest.raises(SettingsError, match="something else"):
        pushed(public, url)
    assert {"photo.jpg": b"holiday"} == shown(url)
    with pytest.raises(SettingsError, match="expected a mirror to push"):
        pushed(tmp_path, url)
    with new_service(tmp_path / "stranger", bitcoin) as stranger:
        stranger.open_chain("acme")
        stranger.seal()
        stranger.publish(tmp_path / "theirs", "acme")
    url = new_prefix()
    pushed(tmp_path / "theirs", url)
    with pytest.raises(SettingsError, match="another log"):
        pushed(public, url)
    url = new_prefix()
    shutil.copytree(public, tmp_path / "old")
    grow(service, bitcoin, public)
    pushed(public, url)
    with pytest.raises(BehindError, match="another one pushes too"):
        pushed(tmp_path / "old", url)
    assert files(public) == shown(url)


def test_an_address_that_is_none_and_a_bucket_that_is_not_there_are_said(public: Path) -> None:
    """A wrong address is the caller's to mend; a storage that refuses says so."""
    with pytest.raises(SettingsError, match="s3://BUCKET/PREFIX"):
        ObjectsAt.open("ftp://example.com")
    with pytest.raises(SourceError):
        pushed(public, "s3://nowhere/log")

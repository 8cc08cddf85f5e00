"""``add FOLDER`` that ends at any point, also between its list and its entry: the next one goes on with the same list.

Points are every statement and commit of the database, and before and after each step that files go through.
"""

import hashlib
import io
from pathlib import Path

import pytest

from anchor.errors import RefusedEntryError
from anchor.proof.errors import MalformedError
from anchor.proof.manifest_list import read_list
from chains.intake import Intake
from chains.manifest_writing import WHOLE, Cut
from chains.reader import Reader
from tests.crash.crashing import Ending, kill_everywhere, open_database, points_of, run_again, stop_everywhere
from tests.crash.listing import FOLDER, LIST, STEPS, add, add_folder
from tests.simulators.folders import make_folder
from tests.simulators.store import START_MS, Store


def documents(store: Store) -> list[bytes]:
    """Return the SHA-256 of every content behind the chain's first."""
    reader, chain = Reader(store.engine, store.chains, store.lookup), store.chains.named("acme")
    entries = [reader.at(chain, place) for place in range(1, store.chains.size(chain))]
    return [each.kept.digest for each in entries if each is not None and each.kept is not None]


def document_of(path: Path) -> bytes:
    return hashlib.sha256(read_list(io.BytesIO(path.read_bytes())).encode()).digest()


def test_the_scenario_has_the_points_that_it_should(tmp_path: Path) -> None:
    """A run without a stop passes the list's steps, in their order, and then those of the entry."""
    points = points_of(add_folder, tmp_path / "whole")
    of_list = [point for point in points if point.split(" ")[-1] in STEPS]
    assert ["before fsync", "after fsync", "before link", "after link", "before fsync", "after fsync"] == of_list[:6]
    assert points.index("after link") < max(place for place, point in enumerate(points) if " bundle " in point)
    run_again(add_folder, tmp_path / "whole")


@pytest.mark.parametrize("end_everywhere", [stop_everywhere, kill_everywhere])
def test_an_end_at_any_point_is_gone_on_with(tmp_path: Path, end_everywhere: Ending) -> None:
    """A list that is there is never changed; in the end there is one entry, and the list is the one that it needs."""
    points = points_of(add_folder, tmp_path / "whole")
    first = points.index("before fsync") + 1
    for _, folder in end_everywhere(add_folder, tmp_path, range(first, len(points) + 1)):
        before = (folder / LIST).read_bytes() if (folder / LIST).exists() else None
        run_again(add_folder, folder)
        assert before in (None, (folder / LIST).read_bytes())
        store = Store(open_database(folder))
        assert [document_of(folder / LIST)] == documents(store)
        store.engine.close()


def test_a_list_that_the_folder_does_not_give_again_is_kept(tmp_path: Path) -> None:
    """Changed since, cut otherwise, longer, no list at all: each is refused, left as it is, and nothing is recorded."""
    store = Store(open_database(tmp_path))
    store.open_chain("acme")
    make_folder(tmp_path / FOLDER)
    add(store, tmp_path)
    whole = (tmp_path / LIST).read_bytes()
    for found, cut in (
        (whole, Cut(rows=True)),
        (whole[:-1], WHOLE),
        (whole + b"\x00", WHOLE),
        (whole[:40], WHOLE),
        (b"", WHOLE),
        (b"no list", WHOLE),
    ):
        (tmp_path / LIST).write_bytes(found)
        with pytest.raises(RefusedEntryError, match="is there already, and is not what"):
            add(store, tmp_path, cut)
        assert found == (tmp_path / LIST).read_bytes()
    (tmp_path / LIST).write_bytes(whole)
    (tmp_path / FOLDER / "more").write_text("since")
    with pytest.raises(RefusedEntryError, match="is there already, and is not what"):
        add(store, tmp_path)
    assert (whole, 1) == ((tmp_path / LIST).read_bytes(), len(documents(store)))
    store.engine.close()


def test_a_list_without_an_entry_that_is_refused_again_is_kept(tmp_path: Path) -> None:
    """What an earlier ``add`` left is not removed where the entry is refused: another home may have recorded it."""
    store = Store(open_database(tmp_path))
    store.open_chain("acme")
    make_folder(tmp_path / FOLDER)
    chain, long = store.chains.named("acme"), Intake(external_ids=["x" * 5000], recorded=lambda _: None)
    add(store, tmp_path)
    for is_there in (True, False):
        with pytest.raises(MalformedError, match="at most"):
            long.record(store.writer, chain, [tmp_path / FOLDER], lambda: START_MS, lambda _: None)
        assert is_there == (tmp_path / LIST).exists()
        (tmp_path / LIST).unlink(missing_ok=True)
    store.engine.close()

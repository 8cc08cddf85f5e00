"""The mirror: what is published of a home, that it grows, and that a reader never finds half of a newer state."""

from pathlib import Path

import pytest

from anchor.errors import BehindError, NotYetError, SettingsError
from anchor.log import DIRECTORY
from anchor.proof.bitcoin.anchor import check_anchor_transaction
from anchor.proof.bitcoin.header import Header
from anchor.proof.checkpoint import Checkpoint, Note, chain_origin, key_id
from anchor.proof.errors import AnchorlineError
from anchor.proof.merkle import leaf_hash
from anchor.proof.receipt import LogCard
from anchor.proof.thread_proofs import decode_proofs, proofs_path
from anchor.signing import SigningKey, check_signature
from anchor.thread_list import ThreadList
from anchor.tiles import PublishedTree
from chains.mirror import Mirror
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.published import check_whole, files, reader, sizes
from tests.simulators.service import Service, new_service

pytestmark = pytest.mark.usefixtures("unflushed")


@pytest.fixture
def service(service: Service, bitcoin: SimulatedBitcoin) -> Service:
    """A funded home with the chains acme (of 300 entries, sealed and anchored) and meridian."""
    service.add("acme", *(b"%d" % number for number in range(299)))
    service.open_chain("meridian")
    service.anchor(bitcoin)
    return service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def leaves_of(tree: PublishedTree) -> list[bytes]:
    bundles = [tree.bundle(tile_no) for tile_no, _ in tree.leaf_hashes()]
    return [leaf for bundle in bundles for leaf in bundle or ()]


# --- what is in it


def test_the_directory_is_a_tiled_log(service: Service, folder: Path) -> None:
    """Checkpoint, tiles and leaves of the directory lead to one root, signed by the log's key."""
    service.publish(folder)
    tree, checkpoint = reader(folder)
    newest = service.home.directory.newest()
    assert newest is not None
    assert (newest.size, newest.root) == (checkpoint.size, tree.root(checkpoint.size))
    assert [service.home.directory.leaf(index).encode() for index in range(newest.size)] == leaves_of(tree)
    assert files(folder)["checkpoint"] == (newest.note or "").encode()


def test_each_chain_is_a_tiled_log_with_its_own_checkpoint(service: Service, folder: Path) -> None:
    """A chain's checkpoint is its newest head, signed by the log under the chain's own origin."""
    service.add("acme", b"not sealed")
    service.publish(folder)
    log = service.home.directory.log
    for name, size in (("acme", 300), ("meridian", 1)):
        chain = service.home.chains.named(name)
        prefix = f"chain/{chain.chain_id.hex()}/"
        tree, checkpoint = reader(folder, prefix)
        assert Checkpoint(chain_origin(log.origin, chain.chain_id), size, tree.root(size)) == checkpoint
        assert service.home.trees.root(chain.chain_no, size) == checkpoint.root
        (line,) = Note.decode(files(folder)[f"{prefix}checkpoint"].decode()).signatures
        assert (log.origin, key_id(log.origin, log.checkpoint_key.value)) == (line.name, line.key_id)
        assert check_signature(log.checkpoint_key.value, checkpoint.encode().encode(), line.signature)


def test_entries_are_published_only_of_chosen_chains(service: Service, folder: Path) -> None:
    """Of a chosen chain the leaves are there, of another one only their hashes; content and salts of none."""
    service.publish(folder, "acme")
    acme, meridian = (service.home.chains.named(name) for name in ("acme", "meridian"))
    tree, _ = reader(folder, f"chain/{acme.chain_id.hex()}/")
    hashes = b"".join(flat for _, flat in tree.leaf_hashes())
    assert [hashes[at : at + 32] for at in range(0, len(hashes), 32)] == [leaf_hash(raw) for raw in leaves_of(tree)]
    assert not any("entries" in path for path in files(folder) if meridian.chain_id.hex() in path)


def test_a_chain_once_chosen_stays_so(service: Service, bitcoin: SimulatedBitcoin, folder: Path) -> None:
    """The next run goes on with a chain's entries without being asked; half of them would look withheld."""
    service.publish(folder, "acme")
    service.add("acme", b"more")
    service.anchor(bitcoin)
    service.publish(folder)
    tree, _ = reader(folder, f"chain/{service.home.chains.named('acme').chain_id.hex()}/")
    assert 301 == len(leaves_of(tree))


def test_a_chain_chosen_later_is_published_from_its_first_entry(service: Service, folder: Path) -> None:
    """Its tiles are there already; its entries are all written."""
    service.publish(folder)
    service.publish(folder, "acme")
    tree, _ = reader(folder, f"chain/{service.home.chains.named('acme').chain_id.hex()}/")
    assert 300 == len(leaves_of(tree))


def test_anchors_are_listed_in_order_with_their_proofs(
    service: Service, bitcoin: SimulatedBitcoin, folder: Path
) -> None:
    """The list has every mined anchor and the one that is on its way; the proofs verify; the checkpoints are kept."""
    service.add("acme", b"second")
    service.anchor(bitcoin)
    service.add("acme", b"third")
    service.seal()
    service.tick(at_once=True)
    service.tick()
    service.publish(folder)
    thread = ThreadList.decode(files(folder)["thread.json"])
    attempts = service.attempts()
    assert [item.transaction().encode() for item in attempts[:2]] == [item.transaction for item in thread.anchors]
    assert (attempts[2].transaction().encode(),) == thread.pending
    first, proofs = decode_proofs(files(folder)[proofs_path(0)])
    assert 0 == first
    for listed, proof in zip(thread.anchors, proofs, strict=True):
        assert listed.transaction == check_anchor_transaction(proof).encode()
        assert (listed.height, listed.block_hash) == (proof.height, Header.decode(proof.header).hash)
    assert {f"checkpoints/{size}" for size in sizes(thread)} == {
        path for path in files(folder) if path.startswith("checkpoints/")
    }


def test_the_card_names_the_thread(service: Service, folder: Path) -> None:
    """The published card is the log's, with where the thread starts."""
    service.publish(folder)
    assert service.home.card() == LogCard.decode(files(folder)["log-card.json"])


# --- growing


def test_a_second_run_writes_what_is_new_and_changes_nothing_else(
    service: Service, bitcoin: SimulatedBitcoin, folder: Path
) -> None:
    """Growing step by step ends in the files of a mirror that is written at once, but for older partial tiles."""
    service.publish(folder, "acme")
    before = files(folder)
    for number in range(4):
        service.add("acme", *(b"%d/%d" % (number, entry) for entry in range(70)))
        service.anchor(bitcoin)
        service.publish(folder)
        check_whole(folder)
    service.publish(folder.with_name("at-once"), "acme")
    grown, at_once = files(folder), files(folder.with_name("at-once"))
    assert at_once.items() <= grown.items()
    assert all(".p/" in path for path in grown.keys() - at_once.keys())
    kept = {path for path in before if "tile" in path and ".p/" not in path}
    assert all(before[path] == grown[path] for path in kept)


def test_partial_tiles_go_when_the_full_one_is_there(service: Service, bitcoin: SimulatedBitcoin, folder: Path) -> None:
    """A tile that is full has no partial one beside it (C2SP tlog-tiles)."""
    service.publish(folder, "acme")
    prefix = f"chain/{service.home.chains.named('acme').chain_id.hex()}/tile"
    assert {f"{prefix}/0/001.p/44", f"{prefix}/entries/001.p/44"} <= files(folder).keys()
    service.add("acme", *(b"more %d" % number for number in range(212)))
    service.anchor(bitcoin)
    service.publish(folder)
    assert {f"{prefix}/0/001", f"{prefix}/entries/001"} <= files(folder).keys()
    assert not [path for path in files(folder) if path.startswith(f"{prefix}/0/001.p/")]
    assert not [path for path in files(folder) if path.startswith(f"{prefix}/entries/001.p/")]


def test_nothing_new_rewrites_only_what_may_differ(service: Service, folder: Path) -> None:
    """A run without news writes checkpoint, list and card; tiles are not touched."""
    service.publish(folder, "acme")
    before = files(folder)
    done = service.mirror(folder).write(service.home.checkpoint_key)
    assert (0, 3) == (done.chains_changed, done.files_written)
    assert before == files(folder)


def test_whole_mends_a_damaged_file(service: Service, folder: Path) -> None:
    """A tile that was damaged or lost on the server is written again with --whole."""
    service.publish(folder, "acme")
    before = files(folder)
    for path in before:
        if "/tile/" in f"/{path}":
            (folder / path).write_bytes(b"damaged")
    service.mirror(folder).write(service.home.checkpoint_key, whole=True)
    assert before == files(folder)


def test_a_chain_is_signed_again_after_a_rotation(service: Service, folder: Path) -> None:
    """With a new checkpoint key the chains' own checkpoints are signed by it."""
    service.publish(folder)
    key = SigningKey(bytes(range(32)))
    service.mirror(folder).write(key)
    origin = service.home.directory.log.origin
    notes = [Note.decode(data.decode()) for path, data in files(folder).items() if path.endswith("/checkpoint")]
    assert [key_id(origin, key.public_key)] * 2 == [line.key_id for note in notes for line in note.signatures]


# --- stopped at any point


class StopError(Exception):
    pass


def stopping(at: int) -> type[Mirror]:
    """Return a mirror that stops before its ``at``-th file, as a kill would; 0 counts only."""

    class Stopping(Mirror):
        def _put(self, path: str, data: bytes) -> None:
            if self._written + 1 == at:
                raise StopError
            super()._put(path, data)

    return Stopping


def test_a_run_stopped_at_any_file_shows_an_older_state_and_is_made_good(
    service: Service, bitcoin: SimulatedBitcoin, tmp_path: Path
) -> None:
    """At every point a reader finds one whole state; the next run ends in the same files as one never stopped."""
    folder = tmp_path / "never"
    service.publish(folder, "acme")
    old = files(folder)
    service.add("acme", *(b"more %d" % number for number in range(230)))
    service.open_chain("third")
    service.anchor(bitcoin)
    chosen = [service.home.chains.named("acme")]
    count = service.mirror(folder).write(service.home.checkpoint_key, chosen).files_written
    assert count >= 15
    want, older = files(folder), 0
    for at in range(1, count + 1):
        stopped = tmp_path / f"stopped-{at}"
        for path, data in old.items():
            (stopped / path).parent.mkdir(parents=True, exist_ok=True)
            (stopped / path).write_bytes(data)
        with pytest.raises(StopError):
            service.mirror(stopped, stopping(at)).write(service.home.checkpoint_key, chosen)
        check_whole(stopped)
        older += files(stopped)["checkpoint"] == old["checkpoint"]
        service.publish(stopped, "acme")
        check_whole(stopped)
        assert want == files(stopped)
    assert count - 5 <= older < count


def test_a_new_mirror_stopped_at_any_file_is_made_good(service: Service, tmp_path: Path) -> None:
    """Also a first run that was stopped is taken up again, whatever it had written."""
    service.publish(tmp_path / "never")
    want = files(tmp_path / "never")
    for at in range(1, len(want) + 1):
        stopped = tmp_path / f"stopped-{at}"
        with pytest.raises(StopError):
            service.mirror(stopped, stopping(at)).write(service.home.checkpoint_key)
        check_whole(stopped)
        service.publish(stopped)
        assert want == files(stopped)


# --- what is refused


def test_nothing_sealed_is_nothing_to_publish(tmp_path: Path, bitcoin: SimulatedBitcoin) -> None:
    """Before the first seal there is no checkpoint, and no folder is made."""
    with new_service(tmp_path / "home", bitcoin) as empty, pytest.raises(NotYetError):
        empty.publish(tmp_path / "mirror")
    assert not (tmp_path / "mirror").exists()


def test_another_folder_is_left_alone(
    service: Service, folder: Path, tmp_path: Path, bitcoin: SimulatedBitcoin
) -> None:
    """A folder of other things, and one of another log, are refused and not changed."""
    folder.mkdir()
    (folder / "photo.jpg").write_bytes(b"holiday")
    with pytest.raises(SettingsError, match="empty folder"):
        service.publish(folder)
    assert {"photo.jpg": b"holiday"} == files(folder)
    with new_service(tmp_path / "other", bitcoin) as other:
        other.seal()
        other.open_chain("theirs")
        other.seal()
        other.publish(tmp_path / "theirs")
    before = files(tmp_path / "theirs")
    with pytest.raises(SettingsError, match="expected a mirror of log"):
        service.publish(tmp_path / "theirs")
    assert before == files(tmp_path / "theirs")


def test_a_home_is_no_folder_to_publish(service: Service) -> None:
    """A home has a log card as a mirror has; nothing is published beside its keys, nor where only they are left."""
    home = service.home.folder
    service.home.write_card()
    for _ in range(2):
        before = files(home)
        with pytest.raises(SettingsError, match="found a home with its keys"):
            service.publish(home)
        assert before == files(home)
        (home / "anchorline.toml").unlink(missing_ok=True)


@pytest.mark.parametrize("where", ["", "chain"])
def test_a_mirror_ahead_of_the_home_is_not_taken_back(service: Service, folder: Path, where: str) -> None:
    """A home restored from a backup, or one with another history, does not write over what was published."""
    service.publish(folder)
    prefix = f"chain/{service.home.chains.named('acme').chain_id.hex()}/" if where else ""
    path = folder / prefix / "checkpoint"
    tree_no = service.home.chains.named("acme").chain_no if where else DIRECTORY
    found = Checkpoint.decode(Note.decode(path.read_text()).text)
    ours = (found.size, service.home.trees.root(tree_no, found.size))
    assert ours == (found.size, found.root)
    for size, root in ((found.size + 1, found.root), (found.size, bytes(32))):
        changed = Note(Checkpoint(found.origin, size, root).encode(), Note.decode(path.read_text()).signatures)
        path.write_text(changed.encode())
        with pytest.raises(BehindError, match="nothing was written"):
            service.publish(folder)
        assert changed.encode() == path.read_text()


def test_an_empty_checkpoint_file_is_written_again(service: Service, folder: Path) -> None:
    """A power cut may leave names without bytes: the next run begins there anew."""
    service.publish(folder)
    want = files(folder)
    for path in want:
        if path.endswith("checkpoint"):
            (folder / path).write_bytes(b"")
    service.publish(folder)
    assert want == files(folder)


@pytest.mark.parametrize("damage", [b"{}", b"[]", b'{"format": "anchorline-thread/2"}'])
def test_a_list_of_another_form_is_refused(damage: bytes) -> None:
    """What is no list, or one of a newer version, is malformed."""
    with pytest.raises(AnchorlineError):
        ThreadList.decode(damage)

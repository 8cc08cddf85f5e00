"""Seals by every rule of design section 3.2, read back leaf by leaf, with their proofs checked by ``anchor.proof``.

A log is written through the real writer over one SQLite file; ``check_directory`` walks all of it after each seal and
knows the rules only, not how they are kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.bitcoin.protocols import BlockId
from anchor.directory import CLOCK_TOLERANCE_MS, Directory, StoredCheckpoint, checked_clock
from anchor.errors import ClockError, SettingsError, StorageCorruptError, StorageError
from anchor.log import DIRECTORY, Trees
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.leaves import (
    NO_PREVIOUS,
    DirectoryLeaf,
    EpochLeaf,
    HeadLeaf,
    Key,
    KeyLeaf,
    KeyType,
    Purpose,
    SealLeaf,
    ThreadLeaf,
)
from anchor.proof.leaves import Signer as KeySigner
from anchor.signing import SigningKey
from tests.databases import open_engine, open_new
from tests.homes import in_sql
from tests.simulators.planned_engine import PlannedEngine
from tests.simulators.rules import all_leaves, check_directory, checkpoints
from tests.simulators.store import CHECKPOINT_SEED, GENESIS, LOG, START_MS, Store, chain_id

pytestmark = pytest.mark.on_both

THREAD = ThreadLeaf(OutPoint(bytes(range(32)), 1))
EPOCH = EpochLeaf(START_MS, START_MS + 1000)


class CountingKey(SigningKey):
    """A key that remembers what it signed."""

    def __init__(self, seed: bytes) -> None:
        super().__init__(seed)
        self.signed: list[bytes] = []

    def sign(self, message: bytes) -> bytes:
        self.signed.append(message)
        return super().sign(message)


@contextmanager
def made() -> Iterator[Store]:
    store = Store(open_new(), checkpoint_key=CountingKey(CHECKPOINT_SEED))
    try:
        yield store
    finally:
        store.engine.close()


@pytest.fixture
def store() -> Iterator[Store]:
    with made() as opened:
        yield opened


def seal(store: Store, now_ms: int, *extra: DirectoryLeaf, block: BlockId = GENESIS) -> StoredCheckpoint | None:
    return store.directory.seal(store.checkpoint_key, now_ms, block, extra)


def write(store: Store, name: str, count: int = 1, now_ms: int = START_MS) -> None:
    chain = store.chains.by_name(name) or store.open_chain(name, now_ms)
    store.writer.record(chain, [b"content"] * count, now_ms)


# --- seals


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 4), st.integers(1, 3)),
        st.tuples(st.just("seal"), st.just(0), st.integers(-20, 2000)),
        st.tuples(st.just("mark"), st.just(0), st.just(0)),
    ),
    max_size=16,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_every_history_of_writes_and_seals_keeps_the_rules(steps: list[tuple[str, int, int]]) -> None:
    """However chains are written and sealed, every rule on the directory holds at every checkpoint."""
    with made() as store:
        now_ms = START_MS
        for step, which, value in steps:
            if step == "write":
                write(store, f"chain {which}", value)
            elif step == "seal":
                now_ms += value
                seal(store, now_ms)
            else:
                seal(store, now_ms, EPOCH)
        seal(store, now_ms)
        check_directory(store)
        assert isinstance(store.checkpoint_key, CountingKey)
        assert [found.root for found in checkpoints(store)] == [
            Checkpoint.decode(message.decode()).root for message in store.checkpoint_key.signed
        ], "each checkpoint is signed once"


def test_the_first_checkpoint_covers_leaf_0_the_heads_and_the_seal(store: Store) -> None:
    """Nothing stands in the directory before the first seal, which begins with leaf 0."""
    assert store.directory.newest() is None
    assert 0 == store.trees.state(DIRECTORY).size
    write(store, "a")
    block = BlockId(777, bytes(range(32)))
    first = seal(store, START_MS + 5, block=block)
    assert first is not None
    log, head, last = all_leaves(store)
    assert LOG == log
    assert isinstance(head, HeadLeaf)
    assert (chain_id("a"), 2, NO_PREVIOUS) == (head.chain_id, head.tree_size, head.previous_index)
    assert isinstance(last, SealLeaf)
    assert (0, START_MS + 5, 1, 1) == (last.seal_number, last.sealed_at_ms, last.head_count, last.chain_count)
    assert block == BlockId(last.block_height, last.block_hash)
    assert (3, 0) == (first.size, first.seal_number)
    check_directory(store)


def test_nothing_new_makes_no_seal(store: Store) -> None:
    """Where no head changed and no leaf waits, nothing is appended and nothing is signed."""
    assert seal(store, START_MS) is None
    write(store, "a")
    sealed = seal(store, START_MS)
    assert seal(store, START_MS + 60_000) is None
    assert sealed == store.directory.newest()
    assert isinstance(store.checkpoint_key, CountingKey)
    assert 1 == len(store.checkpoint_key.signed)


def test_a_waiting_leaf_makes_a_seal_of_its_own(store: Store) -> None:
    """A leaf about the log itself is sealed also where no chain has anything new, and is found again."""
    sealed = seal(store, START_MS, THREAD)
    assert sealed is not None
    assert [LOG, THREAD] == all_leaves(store)[:2]
    assert [(1, THREAD)] == store.directory.log_marks(sealed.size)
    assert [] == store.directory.log_marks(1)
    assert (1, THREAD) == store.directory.thread_leaf()
    check_directory(store)


def test_leaves_about_the_log_come_before_the_heads(store: Store) -> None:
    """Leaf 0, then epoch and thread leaves, then heads by chain id, then the seal."""
    for name in ("a", "b", "c"):
        write(store, name)
    seal(store, START_MS, EPOCH, THREAD)
    leaves = all_leaves(store)
    heads = sorted(chain_id(name) for name in ("a", "b", "c"))
    assert [LOG, EPOCH, THREAD] == leaves[:3]
    assert heads == [leaf.chain_id for leaf in leaves if isinstance(leaf, HeadLeaf)]
    check_directory(store)


def test_leaves_about_the_log_in_another_order_are_refused(store: Store) -> None:
    """The order 17, 13, 15 is a rule of the format: a seal in another one is not made."""
    with pytest.raises(ValueError, match="order"):
        seal(store, START_MS, THREAD, EPOCH)
    with pytest.raises(ValueError, match="order"):
        seal(store, START_MS, LOG)
    assert 0 == store.trees.state(DIRECTORY).size


def test_a_thread_starts_once(store: Store) -> None:
    """A second first thread leaf is left out: two processes may have found the coin at the same time."""
    seal(store, START_MS, THREAD)
    other = replace(THREAD, outpoint=OutPoint(bytes(32), 0))
    assert seal(store, START_MS + 1, other) is None
    assert (1, THREAD) == store.directory.thread_leaf()


def test_only_changed_chains_get_a_head(store: Store) -> None:
    """A chain without new entries gets no head, and its newest one stays provable at every later checkpoint."""
    write(store, "a")
    write(store, "b")
    seal(store, START_MS)
    write(store, "b", 300)
    second = seal(store, START_MS + 1)
    assert second is not None
    assert [chain_id("b")] == [leaf.chain_id for leaf in all_leaves(store)[4:] if isinstance(leaf, HeadLeaf)]
    check_directory(store)


def test_the_first_head_over_an_entry_is_found(store: Store) -> None:
    """An entry belongs to the first head that is larger than its index; before that it is not sealed."""
    write(store, "a", 4)
    chain = store.chains.named("a")
    assert store.directory.first_head_over(chain.chain_no, 0) is None
    seal(store, START_MS)
    write(store, "a", 5)
    seal(store, START_MS + 1)
    found = [store.directory.first_head_over(chain.chain_no, index) for index in (0, 4, 5, 9, 10)]
    assert [1, 1, 3, 3, None] == found
    first, second = checkpoints(store)
    assert [first, first, first, second, second, None] == [
        store.directory.first_checkpoint_over(index) for index in (0, 1, 2, 3, 4, 5)
    ]
    assert store.directory.checkpoint_of(2) is None


# --- the clock


def test_a_clock_set_back_a_little_stands_still(store: Store) -> None:
    """Sealing within the tolerance repeats the last time: times of seals never fall."""
    write(store, "a")
    seal(store, START_MS + CLOCK_TOLERANCE_MS)
    write(store, "a")
    sealed = seal(store, START_MS)
    assert sealed is not None
    assert START_MS + CLOCK_TOLERANCE_MS == sealed.sealed_at_ms
    check_directory(store)


def test_a_clock_set_back_far_is_an_error_and_seals_nothing(store: Store) -> None:
    """A clock that went back further is an error; nothing is sealed until it is right again."""
    write(store, "a")
    first = seal(store, START_MS + CLOCK_TOLERANCE_MS + 1)
    write(store, "a")
    with pytest.raises(ClockError, match="went back 10001 ms"):
        seal(store, START_MS)
    assert first == store.directory.newest()
    check_directory(store)
    assert seal(store, START_MS + CLOCK_TOLERANCE_MS + 2) is not None
    check_directory(store)


@pytest.mark.parametrize(
    ("now_ms", "expected"), [(100_000, 100_000), (100_001, 100_001), (99_999, 100_000), (90_000, 100_000)]
)
def test_checked_clock_at_its_borders(now_ms: int, expected: int) -> None:
    """Up to ten seconds back the last time is repeated; forward is taken as it is."""
    assert expected == checked_clock(now_ms, 100_000, "the last seal")
    with pytest.raises(ClockError):
        checked_clock(89_999, 100_000, "the last seal")


# --- signing


def test_a_stored_checkpoint_is_signed_before_anything_else_is_sealed(store: Store) -> None:
    """A seal whose signature never came (the process died) is signed by the next call, and once only."""

    class DyingKey(CountingKey):
        def sign(self, message: bytes) -> bytes:
            raise KeyboardInterrupt(message)

    write(store, "a")
    with pytest.raises(KeyboardInterrupt):
        store.directory.seal(DyingKey(CHECKPOINT_SEED), START_MS, GENESIS)
    assert store.directory.newest() is None, "an unsigned checkpoint is shown to nobody"
    assert store.directory.checkpoint_of(3) is None
    assert store.directory.first_checkpoint_over(0) is None
    write(store, "a")
    second = seal(store, START_MS + 1)
    assert second is not None
    assert [0, 1] == [found.seal_number for found in checkpoints(store)]
    check_directory(store)


@pytest.mark.sqlite("notes how SQLite goes about a question")
def test_what_is_not_signed_is_found_by_an_index(tmp_path: Path) -> None:
    """However many seals there were, a seal asks for those without a signature alone."""
    engine = PlannedEngine(tmp_path / "anchorline.db")
    store = Store(engine)
    store.open_chain("acme")
    store.directory.seal(store.checkpoint_key, START_MS, GENESIS)
    asked = {tuple(steps) for sql, steps in engine.plans if "note IS NULL" in sql}
    assert {("SCAN checkpoint USING INDEX checkpoint_unsigned",)} == asked
    engine.close()


def test_signing_again_changes_nothing(store: Store) -> None:
    """``sign_stored`` may be repeated: a signed checkpoint is not signed again."""
    write(store, "a")
    sealed = seal(store, START_MS)
    store.directory.sign_stored(store.checkpoint_key)
    assert sealed == store.directory.newest()
    assert isinstance(store.checkpoint_key, CountingKey)
    assert 1 == len(store.checkpoint_key.signed)


def key_change(store: Store, new: SigningKey) -> KeyLeaf:
    """Return the leaf that puts ``new`` in the place of the checkpoint key, signed by the old one."""
    leaf = KeyLeaf(Purpose.CHECKPOINT, LOG.log_id, Key(KeyType.ED25519, new.public_key), KeySigner.OLD_KEY, bytes(64))
    return replace(leaf, signature=SigningKey(CHECKPOINT_SEED).sign(leaf.signed_message(LOG.log_id)))


def test_each_stored_checkpoint_is_signed_by_the_key_of_its_time(store: Store) -> None:
    """After a crash before the signature, a seal with a new key signs the older checkpoint with the older key."""

    class DyingKey(CountingKey):
        def sign(self, message: bytes) -> bytes:
            raise KeyboardInterrupt(message)

    old, new = CountingKey(CHECKPOINT_SEED), CountingKey(bytes(32))
    write(store, "a")
    with pytest.raises(KeyboardInterrupt):
        store.directory.seal(DyingKey(CHECKPOINT_SEED), START_MS, GENESIS)
    with pytest.raises(SettingsError, match="only the checkpoint key"):
        store.directory.seal(new, START_MS + 1, GENESIS, [key_change(store, new)])
    assert [] == new.signed
    with pytest.raises(KeyboardInterrupt):
        store.directory.seal(DyingKey(bytes(32)), START_MS + 1, GENESIS, [key_change(store, new)], old_key=old)
    assert 1 == len(old.signed)
    with pytest.raises(SettingsError, match="only the checkpoint key"):
        store.directory.sign_stored(old)
    store.directory.sign_stored(old, new)
    assert (1, 1) == (len(old.signed), len(new.signed))
    first, second = checkpoints(store)
    assert [old.public_key, new.public_key] == [store.directory.checkpoint_key(each.size) for each in (first, second)]


# --- reopening, and damage


def test_two_processes_seal_one_history(tmp_path: Path) -> None:
    """Two processes that write and seal over one database take turns: the rules hold for what they made together."""
    ours = Store(tmp_path / "anchorline.db")
    theirs = Store(tmp_path / "anchorline.db")
    for number in range(6):
        write(ours, "a", 2)
        write(theirs, "b", 3)
        seal(ours if number % 2 else theirs, START_MS + number)
    for store in (ours, theirs):
        check_directory(store)
        store.engine.close()


def test_a_database_without_identity_is_no_home(tmp_path: Path) -> None:
    """Opening a database whose leaf 0 is missing is refused."""
    engine = open_engine(tmp_path / "anchorline.db")
    with pytest.raises(StorageCorruptError, match="leaf 0"):
        Directory.open(engine, Trees(engine))
    engine.close()


def test_a_home_has_one_identity(store: Store) -> None:
    """Leaf 0 is fixed once: a second directory in the same database is refused."""
    with pytest.raises(StorageError):
        Directory.create(store.engine, store.trees, LOG)
    assert LOG == Directory.open(store.engine, store.trees).log


def test_a_missing_leaf_is_an_error(store: Store) -> None:
    """A leaf that should be there and is not is refused, with what to do."""
    with pytest.raises(StorageCorruptError, match="audit"):
        store.directory.leaf(5)


def test_encoded_leaves_are_all_there_or_refused(store: Store) -> None:
    """Leaves come as they are stored, in order; a range that is not whole is never shortened."""
    write(store, "a")
    assert seal(store, START_MS) is not None
    log, head, last = (leaf.encode() for leaf in all_leaves(store))
    assert [log, head, last] == store.directory.encoded_leaves(0, 3)
    assert [head] == store.directory.encoded_leaves(1, 2)
    with pytest.raises(
        StorageCorruptError, match="expected 2 directory leaves from 2 on, found 1; run `anchorline audit`"
    ):
        store.directory.encoded_leaves(2, 4)


def test_a_damaged_chain_is_not_sealed(store: Store) -> None:
    """Where a chain's tiles are damaged, the seal stops and appends nothing."""
    write(store, "a", 300)
    with store.engine.transaction():
        store.engine.execute(in_sql("UPDATE tile SET hashes = x'00' WHERE tree_no = 1 AND tile_no = 0"))
    with pytest.raises(StorageCorruptError):
        seal(store, START_MS)
    assert 0 == store.trees.state(DIRECTORY).size


def test_what_an_older_version_appended_is_built_before_its_seal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles of a long chain that nobody has built are stored in steps ahead of the seal's own transaction."""
    monkeypatch.setattr("anchor.log.BUILD_TILES", 2)
    store = Store(tmp_path / "anchorline.db")
    write(store, "a", 1500)
    with store.engine.transaction():
        store.engine.execute("DELETE FROM tile WHERE tree_no = 1 AND level > 0")
        store.engine.execute("UPDATE tree SET built_size = 0 WHERE tree_no = 1")
    seen: list[int] = []
    original: Callable[[int], None] = store.trees.build_ahead

    def build_ahead(tree_no: int) -> None:
        original(tree_no)
        seen.append(store.trees.state(tree_no).built_size)

    monkeypatch.setattr(store.trees, "build_ahead", build_ahead)
    seal(store, START_MS)
    assert [1024] == seen
    check_directory(store)
    store.engine.close()

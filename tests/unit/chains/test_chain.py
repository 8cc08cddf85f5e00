"""Chains: opening and naming them, the runs that say which row belongs where, and what is kept beside an entry.

Rows are appended directly, without the writer's rules, in random interleavings of chains and submitters.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.errors import RefusedEntryError, StorageCorruptError, UnknownChainError
from anchor.hashing.pieces import Pieces
from anchor.proof.codec import sha256
from anchor.proof.merkle import leaf_hash
from chains.bundle import Column
from chains.chain import Batch, Chain, Kept, check_name, decode_kept, keep_content, keep_digest
from tests.databases import open_new
from tests.simulators.store import START_MS, Store, chain_id


def open_chain(store: Store, name: str | None, id_: bytes | None = None) -> Chain:
    with store.engine.transaction():
        return store.chains.open(id_ or chain_id(str(name)), name, START_MS)


def append(store: Store, chain: Chain, entries: list[bytes], submitter: bytes = bytes(16), ids: bool = False) -> None:
    with store.engine.transaction():
        store.chains.append_rows(chain, batch_of(*entries, ids=ids), submitter)


def batch_of(*entries: bytes, ids: bool = False) -> Batch:
    return Batch(
        Column.of(entries), Column.of([b""] * len(entries)), Pieces.of([leaf_hash(entry) for entry in entries]), ids
    )


def test_entries_of_many_chains_in_one_commit_lie_in_one_row(store: Store) -> None:
    """What a commit appends to several chains takes one row of entries, and each chain goes on where it was."""
    one, two = open_chain(store, "one"), open_chain(store, "two")
    append(store, two, [b"two 0"])
    handed_in = [(two, b"two 1", bytes(16)), (one, b"one 0", bytes(16)), (two, b"two 2", b"x" * 16)]
    with store.engine.transaction():
        runs = store.chains.append_each([(chain, batch_of(entry), by) for chain, entry, by in handed_in])
    assert [(2, 2, 1, 1), (3, 1, 0, 1), (4, 2, 2, 1)] == [run[:4] for run in runs]
    assert [(1, 1), (2, 3)] == store.engine.query("SELECT first_seq, entry_count FROM bundle ORDER BY first_seq")
    assert [(1, 2, 0, 2), (3, 1, 0, 1), (4, 2, 2, 1)] == [run[:4] for run in store.chains.runs(1, 5)]
    rows = [b"two 0", b"two 1", b"one 0", b"two 2"]
    assert rows == [entry for _, entry in store.chains.bundles.entries(1, 5)]
    for chain, mine in ((one, [b"one 0"]), (two, [b"two 0", b"two 1", b"two 2"])):
        assert b"".join(map(leaf_hash, mine)) == b"".join(store.trees.leaf_hashes(chain.chain_no, 0, len(mine)))


def test_a_chain_is_found_by_id_and_by_name(store: Store) -> None:
    """Name, id and id in hex lead to the same chain; nothing leads to one that is not there."""
    chain = open_chain(store, "acme")
    assert chain == store.chains.by_id(chain.chain_id)
    assert chain == store.chains.by_name("acme")
    assert chain == store.chains.named("acme")
    assert chain == store.chains.named(chain.chain_id.hex())
    assert chain == store.chains.named(chain.chain_id.hex().upper())
    assert store.chains.by_id(bytes(32)) is None
    assert store.chains.by_name("other") is None
    assert 0 == store.chains.size(chain)


@pytest.mark.parametrize("name", ["other", "", "0" * 64, "z" * 64, "ac"])
def test_an_unknown_chain_is_refused_with_advice(store: Store, name: str) -> None:
    """A name or an id that nobody has is an error that says how to see the chains."""
    open_chain(store, "acme")
    with pytest.raises(UnknownChainError, match="anchorline chain list"):
        store.chains.named(name)


def test_id_and_name_are_taken_once(store: Store) -> None:
    """A second chain of one id or one name is refused; chains without a name may be many."""
    open_chain(store, "acme")
    with pytest.raises(RefusedEntryError, match="exists already: other external ids"):
        open_chain(store, "other", chain_id("acme"))
    with pytest.raises(RefusedEntryError, match="'acme' exists already"):
        open_chain(store, "acme", chain_id("other"))
    unnamed = [open_chain(store, None, chain_id(f"{number}")) for number in range(3)]
    assert ["acme", None, None, None] == [chain.name for chain in store.chains.all()]
    assert unnamed == list(store.chains.all())[1:]


@pytest.mark.parametrize("name", ["", " acme", "acme ", "ac\nme", "\x00", "x" * 101, "0" * 64, "ABCDEF" * 10 + "abcd"])
def test_names_that_cannot_be_typed_or_told_from_an_id_are_refused(name: str) -> None:
    """A name is 1 to 100 printable characters without spaces around, and not 64 hex digits."""
    with pytest.raises(RefusedEntryError, match="chain name"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "x" * 100, "Straße 7", "0" * 63, "g" * 64, None])
def test_other_names_are_taken(name: str | None) -> None:
    """Letters of any language, spaces inside, and hex of another length are names."""
    check_name(name)


APPENDS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans(), st.integers(1, 5)), max_size=25)


@given(APPENDS)
@settings(max_examples=60, deadline=None)
def test_rows_stay_with_their_chain_and_place(appends: list[tuple[int, int, bool, int]]) -> None:
    """However appends of several chains and submitters alternate, each row knows its chain, index and submitter."""
    store = Store(open_new())
    chains = [open_chain(store, f"chain {number}") for number in range(3)]
    model: list[tuple[int, int, bytes]] = []
    by_chain: dict[int, list[bytes]] = {chain.chain_no: [] for chain in chains}
    for which, submitter, ids, count in appends:
        chain = chains[which]
        entries = [b"entry %d" % (len(model) + number) for number in range(count)]
        for entry in entries:
            model.append((chain.chain_no, len(by_chain[chain.chain_no]), bytes([submitter]) * 16))
            by_chain[chain.chain_no].append(entry)
        append(store, chain, entries, bytes([submitter]) * 16, ids)
    places = [store.chains.place_of(seq) for seq in range(1, len(model) + 1)]
    assert model == [(place.chain_no, place.leaf_index, place.submitter) for place in places]
    assert len(model) + 1 == store.chains.next_seq()
    for chain in chains:
        assert by_chain[chain.chain_no] == store.entries(chain)
        assert len(by_chain[chain.chain_no]) == store.chains.size(chain)
    for start in range(1, len(model) + 1, 7):
        end = min(start + 9, len(model) + 1)
        runs = list(store.chains.runs(start, end))
        assert list(range(start, end)) == [run.first_seq + place for run in runs for place in range(run.entry_count)]
    store.engine.close()


def test_rows_of_one_chain_in_a_row_are_one_run(store: Store) -> None:
    """A run grows while nothing else is written in between: its table stays small."""
    first, second = open_chain(store, "a"), open_chain(store, "b")
    for _ in range(3):
        append(store, first, [b"x", b"y"])
    append(store, second, [b"z"])
    append(store, first, [b"x"])
    append(store, first, [b"x"], submitter=bytes([1]) * 16)
    append(store, first, [b"x"], submitter=bytes([1]) * 16, ids=True)
    assert [(1, 6), (7, 1), (8, 1), (9, 1), (10, 1)] == [
        (run.first_seq, run.entry_count) for run in store.chains.runs(1, 11)
    ]


@pytest.mark.parametrize("seq", [0, 4, 100])
def test_a_row_that_belongs_nowhere_is_an_error(store: Store, seq: int) -> None:
    """A seq outside every run is damage, not an empty answer."""
    append(store, open_chain(store, "a"), [b"x", b"y", b"z"])
    with pytest.raises(StorageCorruptError, match=f"row {seq} "):
        store.chains.place_of(seq)


def test_a_chain_whose_rows_are_gone_is_an_error(store: Store) -> None:
    """Leaves that no run holds are damage."""
    chain = open_chain(store, "a")
    append(store, chain, [b"x", b"y", b"z"])
    with store.engine.transaction():
        store.engine.execute("UPDATE extent SET entry_count = 2")
    with pytest.raises(StorageCorruptError, match="entry 2 is missing"):
        list(store.chains.seq_ranges(chain, 0, 3))


def test_columns_of_different_lengths_write_nothing(store: Store) -> None:
    """A batch whose columns differ in length is refused whole."""
    chain = open_chain(store, "a")
    batch = Batch(Column.of([b"x", b"y"]), Column.of([b""]), Pieces.cut(bytes(64)), with_ids=False)

    def write() -> None:
        with store.engine.transaction():
            store.chains.append_rows(chain, batch, bytes(16))

    with pytest.raises(ValueError, match="each of 2 entries, got 1"):
        write()
    assert (0, 1) == (store.chains.size(chain), store.chains.next_seq())


def test_what_is_kept_is_read_back() -> None:
    """Content with its salt, a digest with its salt, and nothing: each is read as it was written."""
    salt = bytes(range(16))
    assert Kept(salt, sha256(b"content"), b"content") == decode_kept(keep_content(salt, b"content"))
    assert Kept(salt, sha256(b""), b"") == decode_kept(keep_content(salt, b""))
    assert Kept(salt, bytes(32), None) == decode_kept(keep_digest(salt, bytes(32)))
    assert decode_kept(None) is None


@pytest.mark.parametrize(
    "kept", [b"", b"\x01", b"\x01" + bytes(15), b"\x02" + bytes(47), b"\x02" + bytes(49), b"\x04" + bytes(48)]
)
def test_a_damaged_kept_column_is_an_error(kept: bytes) -> None:
    """Another first byte, a short salt and a digest of another length are damage."""
    with pytest.raises(StorageCorruptError, match="damaged"):
        decode_kept(kept)

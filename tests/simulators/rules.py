"""The rules that a log keeps, checked over all of a database: entries with their promises, and the whole directory.

A store comes from a test that wrote, sealed or crashed; the checks know the rules of the design only, not how they are
kept. They fail by assertion.
"""

from anchor.directory import StoredCheckpoint
from anchor.log import DIRECTORY
from anchor.proof.checkpoint import Checkpoint, Note, key_id
from anchor.proof.entry import Entry, check_chain_id
from anchor.proof.heads import check_absent, check_newest, heads_root
from anchor.proof.leaves import NO_PREVIOUS, DirectoryLeaf, HeadLeaf, SealLeaf
from anchor.proof.merkle import check_consistency, check_inclusion, leaf_hash, root_of
from anchor.proof.promise import check_promise
from anchor.signing import check_signature
from tests.simulators.store import LOG, Store, chain_id


def check_entries(store: Store) -> None:
    """Every row is in its chain's log at its place, and under one promise that verifies."""
    by_no = {found.chain_no: found for found in store.chains.all()}
    rows = list(store.chains.bundles.rows(1, store.chains.next_seq()))
    by_hash = {leaf_hash(entry) for _, entry, _ in rows}
    for promise in store.promises():
        assert promise.leaf.entry_hash in by_hash
        check_promise(promise, LOG.log_id, store.promise_key.public_key, check_signature)
    assert len(rows) == sum(commit.entry_count for commit in store.commits()), "every entry is promised, once"
    assert len(rows) == sum(map(store.chains.size, by_no.values()))
    for found in by_no.values():
        size = store.chains.size(found)
        hashes = b"".join(store.trees.leaf_hashes(found.chain_no, 0, size))
        entries = store.entries(found)
        assert b"".join(map(leaf_hash, entries)) == hashes
        assert {found.chain_id} == {raw[1:33] for raw in entries}
        check_chain_id(Entry.decode(entries[0]))
    received = [commit.received_at_ms for commit in store.commits()]
    assert sorted(received) == received


def all_leaves(store: Store) -> list[DirectoryLeaf]:
    return [store.directory.leaf(index) for index in range(store.trees.state(DIRECTORY).size)]


def checkpoints(store: Store) -> list[StoredCheckpoint]:
    sizes = [size for (size,) in store.engine.query("SELECT size FROM checkpoint ORDER BY size")]
    found = [store.directory.checkpoint_of(size) for size in sizes]
    assert None not in found, "every checkpoint is signed"
    return [checkpoint for checkpoint in found if checkpoint is not None]


def check_directory(store: Store) -> None:
    """Walk the whole directory by the rules of design section 3.2."""
    leaves = all_leaves(store)
    hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
    start, newest = 0, dict[bytes, tuple[int, HeadLeaf]]()
    earlier: StoredCheckpoint | None = None
    for number, checkpoint in enumerate(checkpoints(store)):
        check_one_seal(leaves, hashes, start, checkpoint, number, newest)
        check_signed(checkpoint)
        if earlier is not None:
            assert earlier.sealed_at_ms <= checkpoint.sealed_at_ms
            path = store.trees.consistency_path(DIRECTORY, earlier.size, checkpoint.size)
            check_consistency(earlier.size, checkpoint.size, earlier.root, checkpoint.root, path)
        check_heads_proofs(store, checkpoint, newest)
        start, earlier = checkpoint.size, checkpoint
    assert start == len(leaves)
    for id_, (_, head) in newest.items():
        chain = store.chains.by_id(id_)
        assert chain is not None
        entries = [leaf_hash(entry) for entry in store.entries(chain)]
        assert root_of(entries[: head.tree_size]) == head.root


def check_one_seal(
    leaves: list[DirectoryLeaf],
    hashes: list[bytes],
    start: int,
    checkpoint: StoredCheckpoint,
    number: int,
    newest: dict[bytes, tuple[int, HeadLeaf]],
) -> None:
    assert start < checkpoint.size
    assert root_of(hashes[: checkpoint.size]) == checkpoint.root
    *before, last = leaves[start : checkpoint.size]
    assert isinstance(last, SealLeaf), "the seal leaf is the last one"
    kinds = [leaf.encode()[0] for leaf in before]
    assert sorted(kinds, key=[0x10, 0x17, 0x13, 0x15, 0x12].index) == kinds, "leaves 10, 17, 13, 15, then heads"
    assert (kinds.count(0x10) == 1) == (start == 0), "leaf 10 is the first leaf, and no other one"
    heads = [leaf for leaf in before if isinstance(leaf, HeadLeaf)]
    assert len(heads) == last.head_count
    assert sorted({head.chain_id for head in heads}) == [head.chain_id for head in heads], "one for each chain, sorted"
    for index, head in enumerate(heads, checkpoint.size - 1 - len(heads)):
        previous_index, previous = newest.get(head.chain_id, (NO_PREVIOUS, None))
        assert previous_index == head.previous_index
        assert previous is None or previous.tree_size < head.tree_size
        newest[head.chain_id] = (index, head)
    assert (number, checkpoint.seal_number) == (last.seal_number, number)
    assert checkpoint.sealed_at_ms == last.sealed_at_ms
    assert len(newest) == last.chain_count
    assert heads_root([(id_, hashes[index]) for id_, (index, _) in sorted(newest.items())]) == last.heads_root


def check_signed(checkpoint: StoredCheckpoint) -> None:
    assert checkpoint.note is not None
    note = Note.decode(checkpoint.note)
    assert Checkpoint(LOG.origin, checkpoint.size, checkpoint.root) == Checkpoint.decode(note.text)
    (line,) = note.signatures
    key = LOG.checkpoint_key.value
    assert (LOG.origin, key_id(LOG.origin, key)) == (line.name, line.key_id)
    assert check_signature(key, note.text.encode(), line.signature)


def check_heads_proofs(store: Store, checkpoint: StoredCheckpoint, newest: dict[bytes, tuple[int, HeadLeaf]]) -> None:
    """At this checkpoint, each chain's newest head is proved, and of all others the absence."""
    seal_leaf = store.directory.leaf(checkpoint.size - 1)
    assert isinstance(seal_leaf, SealLeaf)
    for id_, (_, head) in newest.items():
        proof, index = store.directory.prove_newest_head(id_, checkpoint.size)
        assert checkpoint.size - 1 == index
        assert head == check_newest(proof, id_, seal_leaf.heads_root)
    for absent in {*(chain.chain_id for chain in store.chains.all()), chain_id("never opened")} - set(newest):
        proof, _ = store.directory.prove_newest_head(absent, checkpoint.size)
        check_absent(proof, absent, seal_leaf.heads_root)
    path = store.directory.path(checkpoint.size - 1, checkpoint.size)
    check_inclusion(leaf_hash(seal_leaf.encode()), checkpoint.size - 1, checkpoint.size, path, checkpoint.root)

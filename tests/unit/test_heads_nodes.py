"""The heads tree kept as nodes, in memory and in a real database, against the definition over all heads.

``anchor.proof.heads`` gives the definition (its own tests compare it with the design's words); here seals change some
of many chains, and what is kept must give the same root, the same proofs at every earlier seal, and an audit that
notices a node that nobody computed.
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.heads_followed import FollowedHeads
from anchor.heads_nodes import FEW, proved
from anchor.journal import Journal
from anchor.proof.codec import sha256
from anchor.proof.heads import check_absent, check_newest, heads_root
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, SealLeaf
from anchor.proof.merkle import leaf_hash
from anchor.storage.engine import Row
from anchor.storage.postgres import PostgresEngine
from chains.audit import Audit
from chains.reader import Reader
from tests.postgres import PostgresServer
from tests.simulators.store import GENESIS, START_MS, Store, chain_id

SHARED = b"\xab" * 15
"""Ids that share so many digits were made so by somebody who wants the tree deep."""
IDS = st.one_of(
    st.integers(0, 400).map(lambda number: sha256(number.to_bytes(2, "big"))),
    st.integers(0, 60).map(lambda number: SHARED + sha256(bytes((number,)))[:17]),
    st.integers(0, 255).map(lambda number: bytes(31) + bytes((number,))),
)
SEALS = st.lists(st.sets(IDS, max_size=90), min_size=1, max_size=6)


def head(of: bytes, seal: int) -> bytes:
    """Return a head leaf of a chain, another one for each seal."""
    return HeadLeaf(of, seal + 1, NO_PREVIOUS, sha256(of + bytes((seal,)))).encode()


@given(SEALS, st.lists(IDS, min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_followed_seals_give_the_root_and_the_proofs_of_the_definition(
    seals: list[set[bytes]], asked: list[bytes]
) -> None:
    """Whatever each seal changes, the tree is that over the newest heads, and every way in it leads to its root."""
    followed = FollowedHeads()
    newest: dict[bytes, bytes] = {}
    for number, changed in enumerate(seals):
        newest |= {each: head(each, number) for each in changed}
        leaves = {leaf_hash(leaf): leaf for leaf in newest.values()}
        for each in changed:
            followed.put(each, leaf_hash(newest[each]))
        tree = followed.tree()
        assert (len(newest), heads_root(sorted((of, leaf_hash(leaf)) for of, leaf in newest.items()))) == (
            tree.chains,
            tree.hash,
        )
        for each in (*asked, *sorted(changed)[:3]):
            proof = proved(followed, each, leaves.__getitem__)
            if each in newest:
                assert newest[each] == check_newest(proof, each, tree.hash).encode()
            else:
                check_absent(proof, each, tree.hash)


def test_a_seal_without_new_heads_keeps_no_node() -> None:
    """A log's keys can change while no chain does: the tree stays, and nothing is kept for that seal."""
    followed = FollowedHeads()
    for number in range(FEW + 1):
        followed.put(sha256(bytes((number,))), bytes(32))
    before = followed.tree()
    assert followed.kept
    assert (before, {}) == (followed.tree(), followed.kept)


# --- in the database

NAMES = [f"chain {number}" for number in range(70)]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A log of 70 chains after eight seals, each of some of them; the first is of three, far too few for nodes."""
    return filled(Store(tmp_path_factory.mktemp("heads") / "log.db"))


def filled(store: Store) -> Store:
    chance = random.Random(11)
    chains = {}
    for seal in range(8):
        for name in NAMES[: 3 + 10 * seal]:
            if name not in chains:
                chains[name] = store.open_chain(name)
            elif chance.random() < 0.3:
                store.writer.record(chains[name], [bytes((seal,))], START_MS)
        assert store.directory.seal(store.checkpoint_key, START_MS, GENESIS) is not None
    return store


def seals_of(store: Store) -> list[tuple[int, SealLeaf]]:
    """Return every checkpoint's size with its seal."""
    sizes = [int(size) for (size,) in store.engine.query("SELECT size FROM checkpoint ORDER BY size")]
    found = [(size, store.directory.leaf(size - 1)) for size in sizes]
    return [(size, leaf) for size, leaf in found if isinstance(leaf, SealLeaf)]


def newest_heads(store: Store, size: int) -> dict[bytes, HeadLeaf]:
    """Return each chain's newest head below a size, from the directory's leaves alone."""
    leaves = [store.directory.leaf(index) for index in range(size)]
    return {leaf.chain_id: leaf for leaf in leaves if isinstance(leaf, HeadLeaf)}


def check_roots(store: Store) -> None:
    """Fail unless each seal states the root over the newest heads of its time."""
    for size, seal in seals_of(store):
        items = sorted((of, leaf_hash(leaf.encode())) for of, leaf in newest_heads(store, size).items())
        assert (len(items), heads_root(items)) == (seal.chain_count, seal.heads_root)


def check_proofs(store: Store) -> None:
    """Fail unless at each checkpoint every chain's newest head is proved, or that it has none."""
    for size, seal in seals_of(store):
        heads = newest_heads(store, size)
        for name in (*NAMES, "never opened"):
            asked = chain_id(name)
            proof, index = store.directory.prove_newest_head(asked, size)
            assert size - 1 == index
            if asked in heads:
                assert heads[asked] == check_newest(proof, asked, seal.heads_root)
            else:
                check_absent(proof, asked, seal.heads_root)


def test_every_seal_states_the_root_over_all_newest_heads(sealed: Store) -> None:
    """Chains that a seal did not change are in it as the seal before had them."""
    assert 8 == len(seals_of(sealed))
    check_roots(sealed)


def test_a_proof_can_be_made_at_every_checkpoint_there_was(sealed: Store) -> None:
    """Later seals, and chains that came later, take no proof away from an earlier checkpoint."""
    check_proofs(sealed)


@pytest.mark.postgres
def test_postgresql_keeps_the_same_nodes_and_proves_from_them(sealed: Store, postgres_server: PostgresServer) -> None:
    """The same history gives nodes at the same places there, and proofs at every checkpoint."""
    rows = "SELECT prefix, size, chains FROM heads_node WHERE size <= ? ORDER BY prefix, size"
    engine = PostgresEngine(postgres_server.schema())
    try:
        other = filled(Store(engine))
        seals = seals_of(other)
        here, there = (each.engine.query(rows, (seals[-1][0],)) for each in (sealed, other))
        assert len(here) > 16
        assert here == there
        for size, seal in seals:
            check_absent(other.directory.prove_newest_head(bytes(32), size)[0], bytes(32), seal.heads_root)
            asked = chain_id(NAMES[1])
            head = check_newest(other.directory.prove_newest_head(asked, size)[0], asked, seal.heads_root)
            assert newest_heads(other, size)[asked] == head
    finally:
        engine.close()


def test_a_seal_keeps_only_the_branches_that_it_changed(sealed: Store) -> None:
    """A seal of one chain among seventy stores a node or two, not the tree again."""
    [(before,)] = sealed.engine.query("SELECT COUNT(*) FROM heads_node")
    chain = sealed.chains.by_id(chain_id(NAMES[0]))
    assert chain is not None
    sealed.writer.record(chain, [b"once more"], START_MS)
    assert sealed.directory.seal(sealed.checkpoint_key, START_MS, GENESIS) is not None
    [(after,)] = sealed.engine.query("SELECT COUNT(*) FROM heads_node")
    assert before > 16
    assert 1 <= after - before <= 2


def test_nodes_that_are_gone_cost_time_and_no_truth(tmp_path: Path) -> None:
    """Without any node the roots of later seals and all proofs are the same: nodes follow from heads alone."""
    store = filled(Store(tmp_path / "log.db"))
    [(chains,)] = store.engine.query("SELECT COUNT(*) FROM tree WHERE head_hash IS NOT NULL")
    assert chains == seals_of(store)[-1][1].chain_count
    with store.engine.transaction():
        store.engine.execute("DELETE FROM heads_node")
    check_proofs(store)
    store.writer.record(store.chains.named(NAMES[5]), [b"once more"], START_MS)
    assert store.directory.seal(store.checkpoint_key, START_MS, GENESIS) is not None
    check_roots(store)
    check_proofs(store)
    store.engine.close()


DAMAGES: dict[str, str] = {
    "another hash": "UPDATE heads_node SET hash = (SELECT hash FROM heads_node WHERE prefix = 'b' LIMIT 1) "
    "WHERE prefix = 'a' AND size = (SELECT MIN(size) FROM heads_node WHERE prefix = 'a')",
    "another count": "UPDATE heads_node SET chains = chains + 1 WHERE prefix = '7'",
    "a node is missing": "DELETE FROM heads_node WHERE prefix = 'c' AND size = "
    "(SELECT MAX(size) FROM heads_node WHERE prefix = 'c')",
    "a node too many": "INSERT INTO heads_node SELECT 'abcdef', size, chains, hash FROM heads_node LIMIT 1",
}


def found_by_audit(store: Store) -> set[str]:
    reader = Reader(store.engine, store.chains, store.lookup)
    parts = (store.engine, store.trees, store.directory, store.chains)
    return {finding.where for finding in Audit(*parts, reader, Journal(store.engine)).run().findings}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_audit_names_nodes_that_no_seal_gave(sealed: Store, damage: str, undone: Callable[[Store], None]) -> None:
    """A changed, a missing and an added node are found; as the seals left them there is nothing to find."""
    assert set() == found_by_audit(sealed)
    undone(sealed)
    with sealed.engine.transaction():
        sealed.engine.execute(DAMAGES[damage])
    assert {"heads tree"} == found_by_audit(sealed)


@pytest.fixture
def undone(request: pytest.FixtureRequest) -> Callable[[Store], None]:
    """Return what notes the nodes of a store as they are, to put them back after the test."""

    def note(store: Store) -> None:
        rows = store.engine.query("SELECT prefix, size, chains, hash FROM heads_node")
        request.addfinalizer(lambda: put_back(store, rows))

    return note


def put_back(store: Store, rows: Sequence[Row]) -> None:
    with store.engine.transaction():
        store.engine.execute("DELETE FROM heads_node")
        store.engine.execute_many("INSERT INTO heads_node (prefix, size, chains, hash) VALUES (?, ?, ?, ?)", rows)

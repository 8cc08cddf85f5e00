"""Logs that break their promises, one for each kind of evidence; and a log of the story as it is published.

A lying log is an honest one that was copied and went on in two ways, with the same keys. The vectors, the tests of
``anchor.proof.dispute`` and those of ``chains.disputing`` accuse them.
"""

from copy import deepcopy
from dataclasses import dataclass

from anchor.proof.breach import (
    AnotherEntry,
    AnotherPlace,
    Breach,
    Fork,
    NotSealed,
    SealedLate,
    SignedRoot,
    TwoPromises,
)
from anchor.proof.dispute import Evidence
from anchor.proof.heads import HeadsProof, prove_head
from anchor.proof.leaves import HeadLeaf, KeyLeaf, Purpose, SealLeaf
from anchor.proof.merkle import inclusion_path, leaf_hash
from anchor.proof.promise import Promise
from anchor.tiles import Fetch, encode_bundle
from tests.simulators.world import Seal, World, Written

LATE_MS = 90_000
"""Longer than ``World.promise`` promises."""


@dataclass
class Scene:
    """A log with a sealed chain ``first``, and another one beside it; nothing waits to be sealed."""

    world: World
    chain_id: bytes

    @classmethod
    def set_up(cls) -> "Scene":
        world = World()
        first = world.write_first("acme")
        world.write_next(first.entry.chain_id, b"order 1")
        world.write_first("bolt")
        world.seal()
        return cls(world, first.entry.chain_id)

    def copy(self) -> "Scene":
        """Return the same log again, which goes on by itself."""
        return Scene(deepcopy(self.world), self.chain_id)

    def promised(self, content: bytes) -> tuple[Written, Promise]:
        """Write an entry to the chain and promise it."""
        (written,) = self.world.promise(self.world.write_next(self.chain_id, content))
        assert written.promise is not None
        return written, written.promise


def head_root(scene: Scene, at: Seal) -> SignedRoot:
    """Return the chain's head that a seal has."""
    return SignedRoot(at.note, scene.world.prove(HeadLeaf, at.head_index[scene.chain_id], at))


def chain_path(scene: Scene, index: int, size: int) -> tuple[bytes, ...]:
    return inclusion_path([entry.hash for entry in scene.world.chains[scene.chain_id][:size]], index)


def heads_proof(world: World, chain_id: bytes, at: Seal) -> HeadsProof:
    """Return the way to a chain's newest head under a seal's heads root."""
    hashes = world.directory_hashes
    newest = {
        leaf.chain_id: index for index, leaf in enumerate(world.directory[: at.index]) if isinstance(leaf, HeadLeaf)
    }
    raw = {hashes[index]: world.directory[index].encode() for index in newest.values()}
    items = [(found, hashes[index]) for found, index in sorted(newest.items())]
    return prove_head(items, chain_id, raw.__getitem__)


def keys_of(world: World) -> tuple[KeyLeaf, ...]:
    """Return the key leaves of a directory."""
    return tuple(leaf for leaf in world.directory if isinstance(leaf, KeyLeaf))


def evidence(scene: Scene, breach: Breach) -> Evidence:
    return Evidence(scene.world.log, keys_of(scene.world), breach)


def two_promises() -> Evidence:
    """One place, two entries."""
    scene, other = Scene.set_up(), Scene.set_up()
    return evidence(scene, TwoPromises(scene.promised(b"paid 100")[1], other.promised(b"paid 900")[1]))


def one_entry_twice() -> Evidence:
    """One entry, two places."""
    scene = Scene.set_up()
    other = scene.copy()
    written, promise = scene.promised(b"paid 100")
    other.promised(b"first this")
    (again,) = other.world.promise(other.world.write(written.entry, b"paid 100"))
    assert again.promise is not None
    return evidence(scene, TwoPromises(promise, again.promise))


def another_entry() -> Evidence:
    """The log sealed another entry at the promised place."""
    scene = Scene.set_up()
    other = scene.copy()
    _, promise = scene.promised(b"paid 100")
    taken, _ = other.promised(b"paid 900")
    at = other.world.seal()
    path = chain_path(other, taken.index, taken.index + 1)
    return evidence(scene, AnotherEntry(promise, head_root(other, at), taken.entry.hash, path))


def another_entry_in_a_chain_checkpoint() -> Evidence:
    """The same, shown by the chain's own checkpoint."""
    scene = Scene.set_up()
    other = scene.copy()
    _, promise = scene.promised(b"paid 100")
    taken, _ = other.promised(b"paid 900")
    at = other.world.seal()
    head = other.world.prove(HeadLeaf, at.head_index[scene.chain_id], at).leaf
    note = other.world.sign_head(head)
    path = chain_path(other, taken.index, head.tree_size)
    return evidence(scene, AnotherEntry(promise, SignedRoot(note), taken.entry.hash, path))


def another_place() -> Evidence:
    """The log sealed the promised entry one place further."""
    scene = Scene.set_up()
    other = scene.copy()
    written, promise = scene.promised(b"paid 100")
    other.promised(b"paid 900")
    placed = other.world.write(written.entry, b"paid 100")
    at = other.world.seal()
    path = chain_path(other, placed.index, placed.index + 1)
    return evidence(scene, AnotherPlace(promise, head_root(other, at), placed.index, path))


def fork_of_one_size() -> Evidence:
    """Two checkpoints of one size."""
    scene = Scene.set_up()
    other = scene.copy()
    scene.promised(b"paid 100")
    other.promised(b"paid 900")
    return evidence(scene, Fork(SignedRoot(scene.world.seal().note), SignedRoot(other.world.seal().note)))


def fork_of_two_sizes() -> Evidence:
    """Two checkpoints of two sizes, with different leaves at one place."""
    scene = Scene.set_up()
    other = scene.copy()
    scene.promised(b"paid 100")
    other.promised(b"paid 900")
    one, _ = other.world.seal(), scene.world.seal()
    scene.promised(b"and so on")
    two, index = scene.world.seal(), one.head_index[scene.chain_id]
    leaves = (
        (other.world.directory_hashes[index], inclusion_path(other.world.directory_hashes[: one.size], index)),
        (scene.world.directory_hashes[index], inclusion_path(scene.world.directory_hashes[: two.size], index)),
    )
    return evidence(scene, Fork(SignedRoot(one.note), SignedRoot(two.note), index, leaves))


def fork_of_a_chain() -> Evidence:
    """Two heads of one chain and one size."""
    scene = Scene.set_up()
    other = scene.copy()
    scene.promised(b"paid 100")
    other.promised(b"paid 900")
    one, two = scene.world.seal(), other.world.seal()
    return evidence(scene, Fork(head_root(scene, one), head_root(other, two)))


def sealed_late() -> Evidence:
    """Sealed half a minute later than promised."""
    scene = Scene.set_up()
    _, promise = scene.promised(b"paid 100")
    scene.world.now_ms += LATE_MS
    at = scene.world.seal()
    head = scene.world.prove(HeadLeaf, at.head_index[scene.chain_id], at)
    previous = scene.world.prove(HeadLeaf, head.leaf.previous_index, at)
    breach = SealedLate(promise, at.note, head, scene.world.prove(SealLeaf, at.index, at), previous)
    return evidence(scene, breach)


def first_entry_sealed_late() -> Evidence:
    """The first entry of a chain, which has no head before."""
    world = World()
    (written,) = world.promise(world.write_first("acme"))
    assert written.promise is not None
    world.now_ms += LATE_MS
    at = world.seal()
    head = world.prove(HeadLeaf, at.head_index[written.entry.chain_id], at)
    return Evidence(world.log, (), SealedLate(written.promise, at.note, head, world.prove(SealLeaf, at.index, at)))


def not_sealed() -> Evidence:
    """A later seal has the chain without the promised entry."""
    scene = Scene.set_up()
    other = scene.copy()
    _, promise = scene.promised(b"paid 100")
    return evidence(other, _left_out(other, promise))


def chain_not_sealed() -> Evidence:
    """A later seal does not have the chain at all."""
    scene = Scene.set_up()
    other = scene.copy()
    (written,) = scene.world.promise(scene.world.write_first("crew"))
    assert written.promise is not None
    return evidence(other, _left_out(other, written.promise))


def _left_out(scene: Scene, promise: Promise) -> NotSealed:
    world = scene.world
    world.now_ms += LATE_MS
    world.write_first("beside")
    at = world.seal()
    seal = world.prove(SealLeaf, at.index, at)
    return NotSealed(promise, at.note, seal, heads_proof(world, promise.leaf.chain_id, at))


def after_a_change_of_keys() -> Evidence:
    """Two promises, by the first promise key and by its successor; the checkpoint key was changed too."""
    scene = Scene.set_up()
    other = scene.copy()
    _, promise = scene.promised(b"paid 100")
    for purpose in (Purpose.PROMISE, Purpose.CHECKPOINT):
        other.world.rotate(purpose)
    other.world.seal()
    _, later = other.promised(b"paid 900")
    return evidence(other, TwoPromises(promise, later))


ACCUSATIONS = {
    "one place promised to two entries": two_promises,
    "one entry promised at two places": one_entry_twice,
    "another entry at the promised place, under a head": another_entry,
    "another entry at the promised place, under the chain's checkpoint": another_entry_in_a_chain_checkpoint,
    "the promised entry at another place": another_place,
    "two checkpoints of one size": fork_of_one_size,
    "two checkpoints of two sizes": fork_of_two_sizes,
    "two heads of a chain": fork_of_a_chain,
    "sealed too late": sealed_late,
    "a first entry sealed too late": first_entry_sealed_late,
    "left out of a later seal": not_sealed,
    "a chain left out of a later seal": chain_not_sealed,
    "promises by two keys": after_a_change_of_keys,
}


def published(world: World, at: Seal) -> Fetch:
    """Return the log as a mirror shows it at a seal; trees of fewer than 256 leaves have one tile."""
    directory = [leaf.encode() for leaf in world.directory[: at.size]]
    files = {"checkpoint": at.note.encode().encode(), **_tiles("", directory)}
    newest = {leaf.chain_id: leaf for leaf in world.directory[: at.size] if isinstance(leaf, HeadLeaf)}
    for chain_id, head in newest.items():
        entries = [entry.encode() for entry in world.chains[chain_id][: head.tree_size]]
        files |= _tiles(f"chain/{chain_id.hex()}/", entries)
    # A reader may ask for any narrower tile: it takes what it needs of the one that is there.
    return lambda path: files.get(path.partition(".p/")[0])


def _tiles(prefix: str, leaves: list[bytes]) -> dict[str, bytes]:
    assert len(leaves) < 256
    hashes = b"".join(map(leaf_hash, leaves))
    return {f"{prefix}tile/0/000": hashes, f"{prefix}tile/entries/000": encode_bundle(leaves)}

"""The rules that the leaves of a directory follow, leaf by leaf, from the first to the last; pure.

Leaves come from a mirror, which may be a lie, in ``DirectoryWalk.feed``. What the walk has found out (roots at seals,
keys, starts of the thread, heads of every chain) the thread audit compares with Bitcoin and with the chains.
"""

from dataclasses import dataclass, field

from anchor.heads_followed import FollowedHeads
from anchor.log import Frontier
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.leaves import (
    NO_PREVIOUS,
    NOTHING_REPLACED,
    DirectoryLeaf,
    EpochLeaf,
    HeadLeaf,
    KeyLeaf,
    LogLeaf,
    Purpose,
    SealLeaf,
    ThreadLeaf,
    UnassignedLeaf,
    decode_leaf,
)
from anchor.proof.merkle import leaf_hash
from anchor.proof.steps_log import key_history
from anchor.thread_verdict import Finding, Number, Reason

# Order of leaves within a seal (docs/spec/chain-and-directory.md): 10, 17, 13, 15, heads, seal.
_STAGES: dict[type[DirectoryLeaf], int] = {LogLeaf: 0, EpochLeaf: 1, KeyLeaf: 2, ThreadLeaf: 3, HeadLeaf: 4}


@dataclass(frozen=True, slots=True)
class SealedAt:
    """A seal: the directory's size and root with it, and when and after which block the log says it was made."""

    size: int
    root: bytes
    sealed_at_ms: int
    block_height: int
    block_hash: bytes


@dataclass(frozen=True, slots=True)
class HeadAt:
    """A head of a chain, and its index in the directory."""

    index: int
    tree_size: int
    root: bytes


@dataclass(slots=True)
class _Seal:
    """The seal that is being read: how far in the order it is, and the last chain id."""

    stage: int = 0
    heads: int = 0
    last_chain: bytes = b""


@dataclass(slots=True)
class DirectoryWalk:
    """What the leaves fed so far say.

    Memory grows with the number of heads, about 200 bytes each, and of chains, about 500.
    """

    log: LogLeaf
    check: SignatureCheck
    findings: list[Finding] = field(default_factory=list)
    seals: list[SealedAt] = field(default_factory=list)
    heads: dict[bytes, list[HeadAt]] = field(default_factory=dict)
    keys: list[tuple[int, KeyLeaf]] = field(default_factory=list)
    threads: list[tuple[int, ThreadLeaf]] = field(default_factory=list)
    epochs: list[tuple[int, EpochLeaf]] = field(default_factory=list)
    frontier: Frontier = field(default_factory=Frontier)
    _newest: FollowedHeads = field(default_factory=FollowedHeads)
    _seal: _Seal = field(default_factory=_Seal)

    @property
    def size(self) -> int:
        """How many leaves were fed."""
        return self.frontier.size

    def root_at(self, size: int) -> bytes | None:
        """Return the root that the leaves give at the end of a seal, or None where no seal ends at ``size``."""
        low, high = 0, len(self.seals)
        while low < high:
            middle = (low + high) // 2
            if self.seals[middle].size < size:
                low = middle + 1
            else:
                high = middle
        return self.seals[low].root if low < len(self.seals) and self.seals[low].size == size else None

    def checkpoint_key(self, size: int) -> bytes:
        """Return the key that signs checkpoints of ``size`` leaves: by the key leaves below it."""
        return self._key(Purpose.CHECKPOINT, size)

    def promise_key(self, size: int) -> bytes:
        """Return the key that signs promises where the directory has ``size`` leaves."""
        return self._key(Purpose.PROMISE, size)

    def checkpoint_keys(self) -> tuple[bytes, ...]:
        """Return every checkpoint key that the log ever had."""
        later = [leaf.new_key.value for _, leaf in self.keys if leaf.purpose == Purpose.CHECKPOINT]
        return (self.log.checkpoint_key.value, *later)

    def feed(self, raw: bytes) -> None:
        """Read the next leaf; what is wrong with it is noted, and the walk goes on."""
        index = self.frontier.size
        hashed = leaf_hash(raw)
        self.frontier.add(hashed)
        try:
            leaf = decode_leaf(raw)
        except MalformedError as error:
            self._found(index, Reason.LEAF_WRONG, str(error))
            return
        if isinstance(leaf, UnassignedLeaf):
            text = f"leaf {index} is of type {raw[0]:02x} (hex), which is assigned to nothing: written by a newer "
            self.findings.append(Finding(Number.LEAVES, f"{text}Anchorline; no verdict on a log that has it"))
            return
        if isinstance(leaf, SealLeaf):
            self._end_seal(index, leaf)
            return
        self._check_order(index, leaf)
        self._take(index, hashed, leaf)

    def end(self) -> None:
        """Say that there is no further leaf: a directory ends with a seal."""
        if self._seal.stage or (self.size and not self.seals):
            self._found(self.size - 1, Reason.SEAL_WRONG, "the last leaf is no seal")

    def _take(self, index: int, hashed: bytes, leaf: DirectoryLeaf) -> None:
        if isinstance(leaf, HeadLeaf):
            self._take_head(index, hashed, leaf)
        elif isinstance(leaf, KeyLeaf):
            self._take_key(index, leaf)
        elif isinstance(leaf, ThreadLeaf):
            self._take_thread(index, leaf)
        elif isinstance(leaf, EpochLeaf):
            self.epochs.append((index, leaf))
        elif isinstance(leaf, LogLeaf) and (index or leaf != self.log):
            self._found(index, Reason.ANOTHER_LOG, "leaf 0, and only leaf 0, says who the log is, and as the card does")

    def _check_order(self, index: int, leaf: DirectoryLeaf) -> None:
        stage = _STAGES[type(leaf)]
        if stage < self._seal.stage:
            self._found(index, Reason.SEAL_WRONG, "expected the order 10, 17, 13, 15, heads within a seal")
        if index == 0 and not isinstance(leaf, LogLeaf):
            self._found(index, Reason.LEAF_WRONG, "expected the log leaf")
        self._seal.stage = max(stage, self._seal.stage, 1 if index else 0)

    def _take_head(self, index: int, hashed: bytes, leaf: HeadLeaf) -> None:
        before = self.heads.setdefault(leaf.chain_id, [])
        wanted = before[-1].index if before else NO_PREVIOUS
        name = f"a head of chain {leaf.chain_id.hex()}"
        if leaf.previous_index != wanted:
            points = f"{name} that points to {_place(leaf.previous_index)}, expected {_place(wanted)}"
            self._found(index, Reason.HEAD_WRONG, points)
        if leaf.tree_size <= (before[-1].tree_size if before else 0):
            self._found(index, Reason.HEAD_WRONG, f"{name} of {leaf.tree_size} leaves, which is not more than before")
        if leaf.chain_id <= self._seal.last_chain:
            self._found(index, Reason.SEAL_WRONG, f"{name}: expected heads in the order of chain ids, each chain once")
        self._seal.last_chain = leaf.chain_id
        self._seal.heads += 1
        before.append(HeadAt(index, leaf.tree_size, leaf.root))
        self._newest.put(leaf.chain_id, hashed)

    def _take_key(self, index: int, leaf: KeyLeaf) -> None:
        leaves = (*(each for _, each in self.keys), leaf)
        try:
            key_history(self.log, leaves, self.log.log_id, self.check)
        except VerificationError as error:
            self._found(index, Reason.KEY_WRONG, str(error))
            return
        self.keys.append((index, leaf))

    def _take_thread(self, index: int, leaf: ThreadLeaf) -> None:
        """The first thread leaf replaces nothing; each further one the one before, by the recovery key of then."""
        wanted = leaf_hash(self.threads[-1][1].encode()) if self.threads else NOTHING_REPLACED
        if leaf.replaced != wanted:
            self._found(index, Reason.START_WRONG, "a thread leaf that does not replace the one before", Number.START)
            return
        key = self._key(Purpose.RECOVERY, index)
        if self.threads and not self.check(key, leaf.signed_message(self.log.log_id), leaf.signature):
            self._found(index, Reason.START_WRONG, "a thread leaf that the recovery key did not sign", Number.START)
            return
        self.threads.append((index, leaf))

    def _end_seal(self, index: int, leaf: SealLeaf) -> None:
        wanted = len(self.seals)
        if leaf.seal_number != wanted:
            self._found(index, Reason.SEAL_WRONG, f"expected seal {wanted}, found {leaf.seal_number}")
        if self.seals and leaf.sealed_at_ms < self.seals[-1].sealed_at_ms:
            self._found(index, Reason.SEAL_WRONG, "sealed before the seal that stands before it")
        if leaf.head_count != self._seal.heads:
            self._found(index, Reason.SEAL_WRONG, f"says {leaf.head_count} heads, {self._seal.heads} stand before it")
        if leaf.chain_count != len(self.heads):
            self._found(index, Reason.SEAL_WRONG, f"says {leaf.chain_count} chains, there are {len(self.heads)}")
        if leaf.heads_root != self._newest.tree().hash:
            self._found(index, Reason.SEAL_WRONG, "heads_root is not that of the newest heads")
        made = (leaf.sealed_at_ms, leaf.block_height, leaf.block_hash)
        self.seals.append(SealedAt(index + 1, self.frontier.root(), *made))
        self._seal = _Seal()

    def _key(self, purpose: Purpose, size: int) -> bytes:
        given = [leaf.new_key for index, leaf in self.keys if index < size and leaf.purpose == purpose]
        return (given[-1] if given else self.log.key(purpose)).value

    def _found(self, index: int, reason: Reason, text: str, number: Number = Number.LEAVES) -> None:
        self.findings.append(Finding(number, f"leaf {index}: {text}", reason))


def _place(index: int) -> str:
    return "no head" if index == NO_PREVIOUS else f"leaf {index}"

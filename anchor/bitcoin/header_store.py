"""An own store of one network's headers: the best chain by work, judged by this machine and kept over power cuts.

Headers come from any Bitcoin source, through ``sync``, or from a file, through ``extend``; ``header_rules`` judges
each. ``anchor.proof.verify`` asks the store, offline, for the block of an anchor; ``cli.py`` fills and shows it.
"""

import errno
import fcntl
import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, NoReturn

from anchor.bitcoin.header_rules import (
    MEDIAN_SPAN,
    ChainEnd,
    HeaderRefusedError,
    HeaderRule,
    HeaderRules,
    advance,
    follow_all,
    genesis_end,
    lone_end,
    read_fields,
    work_of,
)
from anchor.bitcoin.protocols import BlockId, Headers
from anchor.bitcoin.records import sync_folder
from anchor.errors import (
    SourceError,
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageFullError,
    StorageReadOnlyError,
    WrongNetworkError,
)
from anchor.proof.bitcoin import HASH_SIZE, HEADER_SIZE, hash_from_hex, hash_hex, sha256d
from anchor.proof.blocks import KnownBlock
from anchor.proof.errors import MalformedError, TooLargeError

# Headers on branches with less work than the best chain: testnet3, the longest chain there is, has five million. They
# lie in files without a name, 80 bytes each.
MAX_HELD = 8_000_000
# Branches beside the best chain: more than two at a time have not been seen on a public network.
MAX_BRANCHES = 4
# Headers that ``sync`` fetches before it judges and stores them: what one message of the peer protocol carries.
BATCH = 2_000
# How often ``sync`` begins anew when a source's answers do not fit together, as they do not while it reorganises.
_ATTEMPTS = 3
# Bytes of a branch that stay in memory before they go to a file.
_IN_MEMORY = 2**20
# Headers that are read from the file at once.
_CHUNK = 4_096

_STATE = re.compile(
    r"anchorline-headers/1\n"
    r"network (?P<network>[a-z0-9]+)\n"
    r"start (?P<start_height>0|[1-9][0-9]{0,8}) (?P<start>[0-9a-f]{64})\n"
    r"tip (?P<tip_height>0|[1-9][0-9]{0,8}) (?P<tip>[0-9a-f]{64})\n"
    r"work (?P<work>[0-9a-f]{64})\n"
    r"check (?P<check>[0-9a-f]{64})\n"
)
_MAX_STATE = 512


class BadHeadersError(SourceError):
    """A source gave headers that no honest and whole one has.

    ``rule`` is the stable name of what they break, ``height`` where; TIME_TOO_NEW can also be this machine's clock.
    """

    def __init__(self, rule: HeaderRule, height: int, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.height = height


class _MovedError(Exception):
    """The source's answers do not fit together: it may have reorganised in between."""

    def __init__(self, height: int, message: str) -> None:
        super().__init__(message)
        self.height = height


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A header (80 bytes) with which a store begins, and the ``end`` of the chain that led there.

    Whoever gives it is believed for it. The genesis block is the only one shipped.
    """

    header: bytes
    end: ChainEnd

    def __post_init__(self) -> None:
        fields = read_fields(self.header)
        if sha256d(self.header) != self.end.hash or (fields.time_s, fields.bits) != (
            self.end.times_s[-1],
            self.end.bits,
        ):
            raise MalformedError(
                f"expected a checkpoint at {hash_hex(self.end.hash)} with its header, "
                f"found the header {hash_hex(sha256d(self.header))} or another time or target"
            )


@dataclass(frozen=True, slots=True)
class Extended:
    """What ``extend`` did: the best chain's ``tip`` now, and three counts of headers.

    ``added`` are new on the best chain, ``removed`` have left it, ``held`` wait on a branch with no more work than
    the best chain.
    """

    tip: BlockId
    added: int = 0
    removed: int = 0
    held: int = 0


@dataclass(frozen=True, slots=True)
class Synced:
    """What ``sync`` did: where the chains parted (``fork``), the tips of store and source, and counts of headers.

    ``added`` and ``removed`` are as in ``Extended``. ``held`` are the source's headers above the fork if its chain has
    no more work than ours, which stayed; 0 if its tip is on our best chain.
    """

    fork: int
    tip: BlockId
    offered: BlockId
    added: int
    removed: int
    held: int


@dataclass(frozen=True, slots=True)
class _State:
    """What the file ``state`` says: which headers of the file ``headers`` count, and their work."""

    network: str
    start: BlockId
    tip: BlockId
    work: int

    @property
    def size(self) -> int:
        """Bytes of the file ``headers`` that count."""
        return (self.tip.height - self.start.height + 1) * HEADER_SIZE

    def encode(self) -> bytes:
        """Return the text, which ends with the SHA-256 of what stands before."""
        text = (
            f"anchorline-headers/1\nnetwork {self.network}\n"
            f"start {self.start.height} {hash_hex(self.start.hash)}\n"
            f"tip {self.tip.height} {hash_hex(self.tip.hash)}\n"
            f"work {self.work:064x}\n"
        )
        return (text + f"check {hashlib.sha256(text.encode()).hexdigest()}\n").encode()


@dataclass(slots=True)
class _Branch:
    """Headers beside the best chain, from the one after ``fork`` to ``end``; the file's position is its end."""

    fork: int
    end: ChainEnd
    file: IO[bytes]


class HeaderStore:
    """The headers of one network's best chain, in ``folder``/NAME; serves ``verify`` as its ``KnownBlocks``.

    One process at a time may write, any number may read meanwhile (``writable`` False; nothing is created then).
    ``now_s`` is the clock, seconds since 1970. The chain begins at the genesis block, or at ``checkpoint``; both are
    fixed when the store is made. What was cut off by a power cut before ``extend`` returned is dropped on opening,
    and an interrupted reorganisation is finished. Raises StorageBusyError if another process writes or a reader
    finds such an interruption, StorageCorruptError for a file that is not what was written, WrongNetworkError for
    a store of another network or beginning, StorageError if there is none to read.
    """

    def __init__(
        self,
        folder: Path,
        rules: HeaderRules,
        *,
        writable: bool = True,
        checkpoint: Checkpoint | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder / rules.network.name
        self._rules = rules
        self._writable = writable
        self._now_s = now_s
        self._start = checkpoint or Checkpoint(rules.genesis, genesis_end(rules))
        self._mutex = threading.RLock()
        self._branches: dict[bytes, _Branch] = {}
        self._max_held = MAX_HELD
        with ExitStack() as stack, _translated(self._folder):
            if writable:
                self._folder.mkdir(parents=True, exist_ok=True)
                stack.callback(os.close, _locked(self._folder / "lock"))
            self._gate = _opened(self._folder / "gate", writable=writable)
            stack.callback(os.close, self._gate)
            self._fd = _opened(self._folder / "headers", writable=writable)
            stack.callback(os.close, self._fd)
            if writable:
                self._recover()
            with _flocked(self._gate, fcntl.LOCK_SH):
                self._state = self._load()
                self._linked_from = self._state.tip.height
                # A reader judges nothing, so it needs no end.
                self._end = self._end_at(self._state.tip.height) if writable else self._start.end
            self._held: ExitStack | None = stack.pop_all()

    # What is known

    @property
    def network(self) -> str:
        """Name of the network."""
        return self._rules.network.name

    @property
    def believed(self) -> str:
        """Whose word this is, for people."""
        unseen = f"; not {self._rules.unseen}" if self._rules.unseen else ""
        return f"your header store (proof of work and difficulty checked by this machine{unseen})"

    def start(self) -> BlockId:
        """Return the block with which the store begins: genesis or a checkpoint."""
        return BlockId(self._start.end.height, self._start.end.hash)

    def tip(self) -> BlockId:
        """Return the last block of the best chain."""
        with self._reading() as state:
            return state.tip

    def work(self) -> int:
        """Return the work of the best chain, in expected hashes, from genesis on."""
        with self._reading() as state:
            return state.work

    def at(self, height: int) -> KnownBlock | None:
        """Return the best chain's block at ``height`` with its confirmations; None below the start, above the tip.

        The links from there to the tip are hashed anew, each once in the life of this object: a header that rotted
        on the disk raises StorageCorruptError.
        """
        with self._reading() as state:
            if not state.start.height <= height <= state.tip.height:
                return None
            self._check_links(height)
            return KnownBlock(sha256d(self._record(height)), state.tip.height - height + 1)

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a block (32 bytes, internal order) of the best chain, or None.

        The file is searched, since each hash stands in the header after it: a million headers take about 0.03 s.
        """
        with self._reading():
            height = self._height_of(block_hash)
            return None if height is None else self._record(height)

    def work_after(self, height: int) -> int | None:
        """Return the work on top of the block at ``height``, in expected hashes: what a rival must redo and exceed.

        None where ``at`` says None.
        """
        with self._reading() as state:
            if not state.start.height <= height <= state.tip.height:
                return None
            self._check_links(height)
            return self._work_above(height)

    def held(self) -> list[BlockId]:
        """Return the ends of the branches that are held beside the best chain, oldest first."""
        with self._mutex:
            return [BlockId(branch.end.height, branch.end.hash) for branch in self._branches.values()]

    # What is added

    def extend(self, headers: Sequence[bytes]) -> Extended:
        """Judge headers of 80 bytes, in order, and keep them: on the best chain if that gives it more work.

        The first must follow a header of the best chain or the end of a branch that is held; those that the best
        chain has already are passed over, so a call may be repeated. Branches with no more work than the best chain
        are held until closing. On return what is on the best chain survives a power cut. All or none of a call is
        kept: raises HeaderRefusedError with the first rule broken and MalformedError for another length, then
        nothing has changed; TooLargeError for a branch of more than ``MAX_HELD`` headers, then it is forgotten; and
        StorageFullError or another StorageError, then the best chain on the disk is the old or the new one.
        """
        with self._mutex, _translated(self._folder):
            self._check_writable()
            branch = self._branches.get(read_fields(headers[0]).previous) if headers else None
            if branch is not None:
                return self._extend_branch(branch, headers)
            fork, new = self._new_headers(headers)
            if not new:
                return Extended(self._state.tip)
            is_at_tip = fork == self._state.tip.height
            end = follow_all(self._rules, self._end if is_at_tip else self._end_at(fork), new, self._now_s())
            if is_at_tip:
                self._append(new, end)
                return Extended(self._state.tip, added=len(new))
            branch = _Branch(fork, end, tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._folder)))  # noqa: SIM115 - closed when it is forgotten
            return self._keep_branch(branch, new)

    def close(self) -> None:
        """Release the folder and forget held branches; may be repeated."""
        with self._mutex:
            held, self._held = self._held, None
            for branch in self._branches.values():
                branch.file.close()
            self._branches.clear()
            if held is not None:
                held.close()

    def __enter__(self) -> "HeaderStore":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Branches

    def _new_headers(self, headers: Sequence[bytes]) -> tuple[int, Sequence[bytes]]:
        """Return the height of the best chain's block that the first unknown header follows, and the unknown ones."""
        if headers and headers[0] == self._start.header:
            headers = headers[1:]
        if not headers:
            return self._state.tip.height, ()
        fork = self._height_of(read_fields(headers[0]).previous)
        if fork is None:
            raise HeaderRefusedError(
                HeaderRule.UNLINKED,
                self._state.tip.height + 1,
                "expected headers that follow one of the best chain, or the end of a branch that is held, found a "
                f"parent {hash_hex(read_fields(headers[0]).previous)} that is neither; give them in order, from a "
                "header that is known",
            )
        known = 0
        while known < len(headers) and fork < self._state.tip.height and self._record(fork + 1) == headers[known]:
            fork, known = fork + 1, known + 1
        return fork, headers[known:]

    def _extend_branch(self, branch: _Branch, headers: Sequence[bytes]) -> Extended:
        end = follow_all(self._rules, branch.end, headers, self._now_s())
        del self._branches[branch.end.hash]
        branch.end = end
        return self._keep_branch(branch, headers)

    def _keep_branch(self, branch: _Branch, new: Sequence[bytes]) -> Extended:
        """Add judged headers to a branch, and make it the best chain if it has more work; the first seen wins a tie."""
        old_tip = self._state.tip
        length = branch.end.height - branch.fork
        if length > self._max_held:
            branch.file.close()
            raise TooLargeError(
                f"expected a branch of at most {self._max_held} headers beside the best chain, found {length} since "
                f"height {branch.fork}; it was forgotten, the best chain stayed: do not trust where it came from"
            )
        try:
            branch.file.writelines(new)
        except OSError:
            branch.file.close()
            raise
        if branch.end.work <= self._state.work:
            self._forget(branch.end.hash)  # the same branch, offered again
            self._branches[branch.end.hash] = branch
            self._forget_oldest()
            return Extended(old_tip, held=len(new))
        self._switch(branch)
        return Extended(self._state.tip, added=length, removed=old_tip.height - branch.fork)

    def _forget_oldest(self) -> None:
        """Keep the bounds on held branches: number, and headers together."""
        while len(self._branches) > MAX_BRANCHES or self._held_headers() > self._max_held:
            self._forget(next(iter(self._branches)))

    def _forget(self, end_hash: bytes) -> None:
        branch = self._branches.pop(end_hash, None)
        if branch is not None:
            branch.file.close()

    def _held_headers(self) -> int:
        return sum(branch.end.height - branch.fork for branch in self._branches.values())

    # Writing

    def _append(self, headers: Sequence[bytes], end: ChainEnd) -> None:
        # Over what an append that failed may have left behind.
        _write_all(self._fd, b"".join(headers), self._state.size)
        os.fsync(self._fd)
        # A crash here is harmless: the state does not count these headers, and opening cuts them off.
        state = _State(self.network, self._state.start, BlockId(end.height, end.hash), end.work)
        self._decide(lambda: _replace_file(self._folder / "state", state.encode()))
        self._state, self._end = state, end

    def _decide(self, step: Callable[[], object]) -> None:
        """Do what makes new headers count; where it fails, memory may differ from the disk, so the store closes."""
        try:
            step()
        except BaseException:
            self.close()
            raise

    def _switch(self, branch: _Branch) -> None:
        """Make a branch the best chain above its fork, so that a crash leaves either of the two.

        The file ``switch`` holds the new state and the branch. Once it has its name, the switch is decided, and
        whoever opens the store next finishes it.
        """
        state = _State(self.network, self._state.start, BlockId(branch.end.height, branch.end.hash), branch.end.work)
        beside = self._folder / "switch.new"
        with branch.file, beside.open("wb") as file:
            file.write(state.encode())
            branch.file.seek(0)
            while chunk := branch.file.read(_CHUNK * HEADER_SIZE):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        self._decide(self._finish_switch)
        self._state, self._end = state, branch.end
        # Headers are hashed from below the fork on: it was found by _height_of, which sees to that.
        for end_hash, other in list(self._branches.items()):
            if other.fork > branch.fork:  # it hangs on headers that are gone
                self._forget(end_hash)

    def _finish_switch(self) -> None:
        """Do what the file ``switch`` says while no reader looks; a crash in it is harmless, since it is repeatable."""
        with _flocked(self._gate, fcntl.LOCK_EX):
            beside = self._folder / "switch.new"
            if beside.exists():
                beside.replace(self._folder / "switch")
            self._apply_switch()

    def _apply_switch(self) -> None:
        sync_folder(self._folder)  # before the first header is written over, the switch must have its name
        path = self._folder / "switch"
        with path.open("rb") as file:
            state, offset = self._decode(path, file.read(_MAX_STATE))
            first = state.tip.height + 1 - (path.stat().st_size - offset) // HEADER_SIZE
            self._check_switch(state, first, _headers_in(file, offset))
            at = (first - state.start.height) * HEADER_SIZE
            for header in _headers_in(file, offset):
                _write_all(self._fd, header, at)
                at += HEADER_SIZE
        os.ftruncate(self._fd, state.size)
        os.fsync(self._fd)
        _replace_file(self._folder / "state", state.encode())
        path.unlink()
        sync_folder(self._folder)

    def _check_switch(self, state: _State, first: int, headers: Iterator[bytes]) -> None:
        """Check that headers from height ``first`` on lead from a header of this store to the new tip."""
        parent = sha256d(self._record(first - 1)) if first > state.start.height else b""
        for header in headers:
            if header[4:36] != parent:
                break
            parent = sha256d(header)
        if parent != state.tip.hash:
            raise StorageCorruptError(
                f"{self._folder / 'switch'}: expected headers that lead to {hash_hex(state.tip.hash)}, found others; "
                "restore the folder from a copy, or move it away to begin anew"
            )

    def _recover(self) -> None:
        """Begin the store where there is none, and otherwise end what a crash has interrupted."""
        size = os.fstat(self._fd).st_size
        (self._folder / "switch.new").unlink(missing_ok=True)
        if (self._folder / "switch").exists():
            self._finish_switch()
            return
        if (self._folder / "state").exists():
            state = self._read_state()
            if size > state.size:
                os.ftruncate(self._fd, state.size)
            return
        if size > HEADER_SIZE:
            raise StorageCorruptError(
                f"{self._folder}: expected the file 'state' beside {size // HEADER_SIZE} headers, found none; restore "
                "the folder from a copy, or move it away to begin anew"
            )
        _write_all(self._fd, self._start.header, 0)
        os.fsync(self._fd)
        state = _State(self.network, self.start(), self.start(), self._start.end.work)
        _replace_file(self._folder / "state", state.encode())

    # Reading

    @contextmanager
    def _reading(self) -> Iterator[_State]:
        """Hold the state still: a reader's is read anew, since the writer may have gone on."""
        with self._mutex, _translated(self._folder):
            self._check_open()
            if self._writable:
                yield self._state
                return
            with _flocked(self._gate, fcntl.LOCK_SH):
                state = self._load()
                if state != self._state:
                    self._state, self._linked_from = state, state.tip.height
                yield state

    def _load(self) -> _State:
        """Return the state, if the file of headers has what it says."""
        if (self._folder / "switch").exists():
            raise StorageBusyError(
                f"{self._folder}: expected no reorganisation half done, found one that was interrupted; synchronise "
                "the headers once to finish it"
            )
        state = self._read_state()
        tip = os.pread(self._fd, HEADER_SIZE, state.size - HEADER_SIZE)
        if len(tip) < HEADER_SIZE or sha256d(tip) != state.tip.hash:
            self._refuse_file(state.tip.height)
        return state

    def _read_state(self) -> _State:
        path = self._folder / "state"
        data = path.read_bytes()
        state, end = self._decode(path, data)
        if end != len(data):
            self._refuse_state(path, data)
        return state

    def _decode(self, path: Path, data: bytes) -> tuple[_State, int]:
        """Return the state that ``data`` begins with, and where it ends."""
        found = _STATE.match(data.decode("latin-1"))
        if found is None:
            self._refuse_state(path, data)
        start = BlockId(int(found["start_height"]), hash_from_hex(found["start"]))
        tip = BlockId(int(found["tip_height"]), hash_from_hex(found["tip"]))
        state = _State(found["network"], start, tip, int(found["work"], 16))
        if state.encode() != data[: found.end()] or tip.height < start.height:
            self._refuse_state(path, data)
        if (state.network, start) != (self.network, self.start()):
            raise WrongNetworkError(
                f"{path}: expected headers of {self.network} from {hash_hex(self.start().hash)} on, found "
                f"{state.network} from {hash_hex(start.hash)} on; choose another folder"
            )
        return state, found.end()

    def _record(self, height: int) -> bytes:
        record = os.pread(self._fd, HEADER_SIZE, (height - self._start.end.height) * HEADER_SIZE)
        if len(record) < HEADER_SIZE:
            self._refuse_file(height)
        return record

    def _records(self, first: int, last: int) -> Iterator[bytes]:
        """Yield the headers from height ``first`` to ``last``, both included."""
        for height in range(first, last + 1, _CHUNK):
            count = min(_CHUNK, last + 1 - height)
            data = os.pread(self._fd, count * HEADER_SIZE, (height - self._start.end.height) * HEADER_SIZE)
            if len(data) < count * HEADER_SIZE:
                self._refuse_file(height)
            for at in range(0, len(data), HEADER_SIZE):
                yield data[at : at + HEADER_SIZE]

    def _check_links(self, height: int) -> None:
        """Hash the headers from ``height`` up to the lowest that was hashed already."""
        for at, (record, child) in enumerate(pairwise(self._records(height, self._linked_from)), height):
            if child[4:36] != sha256d(record):
                self._refuse_file(at)
        self._linked_from = min(self._linked_from, height)

    def _height_of(self, block_hash: bytes) -> int | None:
        """Return the height of a block of the best chain: its hash stands in the header after it."""
        if block_hash == self._state.tip.hash:
            return self._state.tip.height
        if len(block_hash) != HASH_SIZE:
            return None
        with mmap(self._fd, self._state.size, access=ACCESS_READ) as view:
            at = view.rfind(block_hash)
            while at > 0 and at % HEADER_SIZE != 4:
                at = view.rfind(block_hash, 0, at + HASH_SIZE - 1)
        # In the first header stands the hash of a block that is not here.
        if at < HEADER_SIZE:
            return None
        height = self._start.end.height + at // HEADER_SIZE - 1
        self._check_links(height)
        return height

    def _work_above(self, height: int) -> int:
        records = self._records(height + 1, self._state.tip.height)
        return sum(work_of(int.from_bytes(record[72:76], "little")) for record in records)

    def _end_at(self, height: int) -> ChainEnd:
        """Return the best chain as far as ``height``, rebuilt from its last headers: a period, or eleven."""
        start = self._start.end
        first = max(min(height - height % self._rules.period, height + 1 - MEDIAN_SPAN), start.height)
        self._check_links(first)
        end = start
        if first > start.height:
            record = self._record(first)
            end = lone_end(first, sha256d(record), read_fields(record), 0)
        record = self._start.header
        for record in self._records(first + 1, height):
            end = advance(self._rules, end, read_fields(record), b"")
        if height == start.height:
            return start
        return end._replace(hash=sha256d(record), work=self._state.work - self._work_above(height))

    def _check_open(self) -> None:
        if self._held is None:
            raise StorageError(f"{self._folder}: this header store is closed; open it anew")

    def _check_writable(self) -> None:
        self._check_open()
        if not self._writable:
            raise StorageReadOnlyError(f"{self._folder}: expected a store opened for writing, found one for reading")

    def _refuse_file(self, height: int) -> NoReturn:
        raise StorageCorruptError(
            f"{self._folder / 'headers'}: expected header {height} of the chain that 'state' names, found another or "
            "none; restore the folder from a copy, or move it away and synchronise anew"
        )

    def _refuse_state(self, path: Path, data: bytes) -> NoReturn:
        raise StorageCorruptError(
            f"{path}: expected six lines, the first 'anchorline-headers/1', the last a matching check, found "
            f"{data[:40]!r}; restore the folder from a copy, or move it away and synchronise anew"
        )


# Synchronising


def sync(source: Headers, store: HeaderStore) -> Synced:
    """Bring ``store`` level with ``source``, which is believed in nothing: every header is judged.

    The height at which both chains part is found by bisection; from there on headers are fetched, two questions each,
    and kept in batches, so what was fetched before an interruption stays. If the source's chain has less work, ours
    stays. Raises WrongNetworkError for another network or beginning; BadHeadersError, by name and height, for a header
    that may not follow or answers that do not fit together three times (headers before that one were judged and are
    kept); and what ``source`` and ``extend`` raise.
    """
    source.check_network()
    if source.network.name != store.network:
        raise WrongNetworkError(
            f"expected a source of {store.network}, as the header store, found one of {source.network.name}"
        )
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _sync_once(source, store)
        except _MovedError as error:
            if attempt == _ATTEMPTS:
                raise BadHeadersError(
                    HeaderRule.UNLINKED,
                    error.height,
                    f"{error}, {_ATTEMPTS} times over; ask another source, or try again when this one is at rest",
                ) from error
    raise AssertionError


def _sync_once(source: Headers, store: HeaderStore) -> Synced:
    offered = source.tip()
    if source.block_hash(offered.height) != offered.hash:
        raise _MovedError(offered.height, f"expected the source's tip {hash_hex(offered.hash)} on its best chain")
    fork = _fork_height(source, store, offered)
    parent = _newest_common(source, store, fork)
    added = removed = 0
    for first in range(parent.height + 1, offered.height + 1, BATCH):
        batch = _fetch(source, range(first, min(first + BATCH, offered.height + 1)))
        if batch[0][4:36] != parent.hash:
            raise _MovedError(first, f"expected the source's header {first} to follow its own header {first - 1}")
        done = _extend_judged(store, batch, first)
        added, removed = added + done.added, removed + done.removed
        parent = BlockId(first + len(batch) - 1, sha256d(batch[-1]))
    ours = store.at(offered.height)
    is_ours = ours is not None and ours.hash == offered.hash
    return Synced(fork, store.tip(), offered, added, removed, 0 if is_ours else offered.height - fork)


def _fork_height(source: Headers, store: HeaderStore, offered: BlockId) -> int:
    """Return the greatest height at which source and store have the same block; steps double, then halve."""

    def agrees(height: int) -> bool:
        known = store.at(height)
        return known is not None and source.block_hash(height) == known.hash

    start, top = store.start(), min(store.tip().height, offered.height)
    if top < start.height or source.block_hash(start.height) != start.hash:
        raise WrongNetworkError(
            f"expected the block {hash_hex(start.hash)} at height {start.height}, with which the header store begins, "
            "found that the source does not have it; ask another source"
        )
    low, high, step = top, top + 1, 1
    while low > start.height and not agrees(low):
        low, high, step = max(start.height, low - step), low, step * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if agrees(middle) else (low, middle)
    return low


def _newest_common(source: Headers, store: HeaderStore, fork: int) -> BlockId:
    """Return the newest block that both have: on a branch that is held since an earlier call, or at the fork."""
    ends = [end for end in store.held() if end.height > fork and source.block_hash(end.height) == end.hash]
    known = store.at(fork)
    if known is None:
        raise _MovedError(fork, f"expected a block at height {fork} in the header store, found that it reorganised")
    return max(ends, key=lambda end: end.height, default=BlockId(fork, known.hash))


def _fetch(source: Headers, heights: range) -> list[bytes]:
    """Return the source's headers at these heights; each must hash to the hash that the source gives it."""
    headers: list[bytes] = []
    for height in heights:
        block_hash = source.block_hash(height)
        header = None if block_hash is None else source.header(block_hash)
        if block_hash is None or header is None:
            raise _MovedError(height, f"expected a block at height {height}, below the source's own tip, found none")
        if len(header) != HEADER_SIZE or sha256d(header) != block_hash:
            raise BadHeadersError(
                HeaderRule.UNLINKED,
                height,
                f"header {height}: expected the header of {hash_hex(block_hash)}, found {len(header)} bytes that hash "
                f"to {hash_hex(sha256d(header))}; do not trust this source",
            )
        if headers and header[4:36] != sha256d(headers[-1]):
            raise _MovedError(height, f"expected the source's header {height} to follow its own header {height - 1}")
        headers.append(header)
    return headers


def _extend_judged(store: HeaderStore, batch: list[bytes], first: int) -> Extended:
    """Give a batch to the store; of one with a bad header, those before it."""
    try:
        return store.extend(batch)
    except HeaderRefusedError as error:
        store.extend(batch[: max(error.height - first, 0)])
        raise BadHeadersError(error.rule, error.height, f"the source gave a bad header: {error}") from error


# Files


def _headers_in(file: IO[bytes], offset: int) -> Iterator[bytes]:
    file.seek(offset)
    while chunk := file.read(_CHUNK * HEADER_SIZE):
        for at in range(0, len(chunk), HEADER_SIZE):
            yield chunk[at : at + HEADER_SIZE]


def _opened(path: Path, *, writable: bool) -> int:
    flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
    return os.open(path, flags | os.O_CLOEXEC, 0o644)


def _locked(path: Path) -> int:
    """Return a descriptor that holds the writer's lock."""
    fd = _opened(path, writable=True)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise StorageBusyError(
            f"{path.parent}: expected to be the only writer of this header store, found that another process has it "
            "open; wait for that process, or open the store for reading"
        ) from error
    return fd


@contextmanager
def _flocked(fd: int, kind: int) -> Iterator[None]:
    fcntl.flock(fd, kind)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _replace_file(path: Path, data: bytes) -> None:
    """Put a small file in its place, flushed to the disk; a crash leaves the old one or the new one."""
    beside = path.with_name(path.name + ".new")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def _write_all(fd: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(fd, data, at)
        data, at = data[written:], at + written


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    """Raise the StorageError that an error of the operating system means."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError(f"{folder}: expected a header store, found none; synchronise the headers first") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFullError(f"{folder}: no space left; free some and try again") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise StorageReadOnlyError(
                f"{folder}: expected to be allowed to read and write; check its owner"
            ) from error
        raise StorageError(f"{folder}: the operating system refused: {error}") from error

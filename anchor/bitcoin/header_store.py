"""An own store of one network's headers: the best chain by work, judged by this machine and kept over power cuts.

Headers come from any Bitcoin source, through ``header_sync``, or from a file, through ``extend``; ``header_rules``
judges each. ``anchor.proof.verify`` asks the store, offline, for the block of an anchor; the commands ``headers`` fill
and show it.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from anchor.bitcoin.depth import full_block_work
from anchor.bitcoin.header_branches import Branch, Branches
from anchor.bitcoin.header_checkpoint import KNOWN_CHAINS, Checkpoint
from anchor.bitcoin.header_file import HeaderFile
from anchor.bitcoin.header_folder import flocked, locked, opened, replace_file, translated
from anchor.bitcoin.header_note import SyncNote, read_note
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
from anchor.bitcoin.header_state import State, read_state
from anchor.bitcoin.header_switch import apply_switch, write_switch
from anchor.bitcoin.protocols import BlockId
from anchor.errors import (
    StorageBusyError,
    StorageCorruptError,
    StorageError,
    StorageReadOnlyError,
    WrongNetworkError,
)
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import HEADER_SIZE
from anchor.proof.blocks import KnownBlock


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
        self._branches = Branches()
        with ExitStack() as stack, translated(self._folder):
            if writable:
                self._folder.mkdir(parents=True, exist_ok=True)
                stack.callback(os.close, locked(self._folder / "lock"))
            self._gate = opened(self._folder / "gate", writable=writable)
            stack.callback(os.close, self._gate)
            fd = opened(self._folder / "headers", writable=writable)
            stack.callback(os.close, fd)
            self._file = HeaderFile(self._folder / "headers", fd, self._start.end.height)
            if writable:
                self._recover()
            with flocked(self._gate, fcntl.LOCK_SH):
                self._state = self._load()
                self._file.believe(self._state.tip)
                # A reader judges nothing, so it needs no end.
                self._end = self._end_at(self._state.tip.height) if writable else self._start.end
            self._held: ExitStack | None = stack.pop_all()

    # What is known

    @property
    def network(self) -> str:
        """Name of the network."""
        return self._rules.network.name

    @property
    def folder(self) -> Path:
        """Where the store's files are."""
        return self._folder

    @property
    def believed(self) -> str:
        """Whose word this is, for people: how long the chain is, where it came from, and what was checked."""
        with self._reading() as state:
            count = state.tip.height - state.start.height + 1
            note = self.note()
        whence = "" if note is None else f", synchronised from {note}"
        unseen = f"; not {self._rules.unseen}" if self._rules.unseen else ""
        return (
            f"your header store: {count} headers, tip {state.tip.height} {hash_hex(state.tip.hash)}{whence} "
            f"(proof of work and difficulty checked by this machine{unseen})"
        )

    def note(self) -> SyncNote | None:
        """Return what was noted of the newest synchronisation, None where nothing was."""
        return read_note(self._folder)

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

    def shortfall(self) -> str | None:
        """Say why this chain cannot be the network's real one (yet), None where nothing speaks against it.

        It has less work than the real chain is known to have (Bitcoin Core's nMinimumChainWork), or not the block
        that it is known to have: the source is still behind, or leads along a chain of its own.
        """
        known = KNOWN_CHAINS.get(self.network)
        with self._reading() as state:
            if known is None:
                return None
            if state.work < known.least_work:
                return (
                    f"expected a chain with the work of {self.network}, at least {known.least_work:x} (hex, expected "
                    f"hashes), found {state.work:x} up to height {state.tip.height}; synchronise on, or from another "
                    "source"
                )
            if self._file.height_of(known.block_hash) is None and self._start.end.work < known.least_work:
                return (
                    f"expected block {hash_hex(known.block_hash)}, which {self.network} is known to have, on the best "
                    "chain, found a chain without it; synchronise from another source"
                )
            return None

    def at(self, height: int) -> KnownBlock | None:
        """Return the best chain's block at ``height`` with confirmations and work; None below the start, above the tip.

        The links from there to the tip are hashed anew, each once in the life of this object: a header that rotted
        on the disk raises StorageCorruptError.
        """
        with self._reading() as state:
            if not state.start.height <= height <= state.tip.height:
                return None
            self._file.check_links(height)
            raw = self._file.at(height)
            work = work_of(read_fields(raw).bits) + self._file.work_above(height)
            return KnownBlock(sha256d(raw), state.tip.height - height + 1, work, self._full_block_work(height))

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a block (32 bytes, internal order) of the best chain, or None.

        The file is searched, since each hash stands in the header after it: a million headers take about 0.03 s.
        """
        with self._reading():
            height = self._file.height_of(block_hash)
            return None if height is None else self._file.at(height)

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return the best chain's headers from ``height`` on, at most ``count``, none outside of it."""
        with self._reading() as state:
            if height < state.start.height or height > state.tip.height:
                return []
            self._file.check_links(height)
            return list(self._file.between(height, min(height + count - 1, state.tip.height)))

    def held(self) -> list[BlockId]:
        """Return the ends of the branches that are held beside the best chain, oldest first."""
        with self._mutex:
            return [BlockId(branch.end.height, branch.end.hash) for branch in self._branches]

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
        with self._mutex, translated(self._folder):
            self._check_writable()
            branch = self._branches.find(read_fields(headers[0]).previous) if headers else None
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
            return self._keep_branch(Branch.begin(fork, end, self._folder), new)

    def write_note(self, note: SyncNote) -> None:
        """Note when and from whom the chain was synchronised: shown to people, and believed in nothing."""
        with self._mutex, translated(self._folder):
            self._check_writable()
            replace_file(self._folder / "synced", note.encode())

    def close(self) -> None:
        """Release the folder and forget held branches; may be repeated."""
        with self._mutex:
            held, self._held = self._held, None
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
        fork = self._file.height_of(read_fields(headers[0]).previous)
        if fork is None:
            raise HeaderRefusedError(
                HeaderRule.UNLINKED,
                self._state.tip.height + 1,
                "expected headers that follow one of the best chain, or the end of a branch that is held, found a "
                f"parent {hash_hex(read_fields(headers[0]).previous)} that is neither; give them in order, from a "
                "header that is known",
            )
        known = 0
        while known < len(headers) and fork < self._state.tip.height and self._file.at(fork + 1) == headers[known]:
            fork, known = fork + 1, known + 1
        return fork, headers[known:]

    def _extend_branch(self, branch: Branch, headers: Sequence[bytes]) -> Extended:
        end = follow_all(self._rules, branch.end, headers, self._now_s())
        self._branches.take(branch.end.hash)
        branch.end = end
        return self._keep_branch(branch, headers)

    def _keep_branch(self, branch: Branch, new: Sequence[bytes]) -> Extended:
        """Add judged headers to a branch, and make it the best chain if it has more work; the first seen wins a tie."""
        old_tip = self._state.tip
        self._branches.check_length(branch)
        branch.write(new)
        if branch.end.work <= self._state.work:
            self._branches.hold(branch)
            return Extended(old_tip, held=len(new))
        self._switch(branch)
        return Extended(self._state.tip, added=branch.length, removed=old_tip.height - branch.fork)

    # Writing

    def _append(self, headers: Sequence[bytes], end: ChainEnd) -> None:
        # Over what an append that failed may have left behind.
        self._file.write(self._state.tip.height + 1, b"".join(headers))
        self._file.flush()
        # A crash here is harmless: the state does not count these headers, and opening cuts them off.
        state = self._state_at(end)
        self._decide(lambda: replace_file(self._folder / "state", state.encode()))
        self._believe(state, end)

    def _switch(self, branch: Branch) -> None:
        """Make a branch the best chain above its fork, so that a crash leaves either of the two."""
        state = self._state_at(branch.end)
        write_switch(self._folder, state, branch.file)
        self._decide(self._finish_switch)
        # Headers are hashed from below the fork on: it was found by height_of, which sees to that.
        self._believe(state, branch.end)
        self._branches.forget_above(branch.fork)

    def _state_at(self, end: ChainEnd) -> State:
        return State(self.network, self._state.start, BlockId(end.height, end.hash), end.work)

    def _believe(self, state: State, end: ChainEnd) -> None:
        self._state, self._end = state, end
        self._file.grown(state.tip)

    def _decide(self, step: Callable[[], object]) -> None:
        """Do what makes new headers count; where it fails, memory may differ from the disk, so the store closes."""
        try:
            step()
        except BaseException:
            self.close()
            raise

    def _finish_switch(self) -> None:
        with flocked(self._gate, fcntl.LOCK_EX):
            apply_switch(self._folder, self._file, self._check_mine)

    def _recover(self) -> None:
        """Begin the store where there is none, and otherwise end what a crash has interrupted."""
        (self._folder / "switch.new").unlink(missing_ok=True)
        if (self._folder / "switch").exists():
            self._finish_switch()
            return
        if (self._folder / "state").exists():
            state = self._read_state()
            if self._file.size > state.size:
                self._file.cut(state.tip.height)
            return
        if self._file.size > HEADER_SIZE:
            raise StorageCorruptError(
                f"{self._folder}: expected the file 'state' beside {self._file.size // HEADER_SIZE} headers, found "
                "none; restore the folder from a copy, or move it away to begin anew"
            )
        self._file.write(self._start.end.height, self._start.header)
        self._file.flush()
        state = State(self.network, self.start(), self.start(), self._start.end.work)
        replace_file(self._folder / "state", state.encode())

    # Reading

    @contextmanager
    def _reading(self) -> Iterator[State]:
        """Hold the state still: a reader's is read anew, since the writer may have gone on."""
        with self._mutex, translated(self._folder):
            self._check_open()
            if self._writable:
                yield self._state
                return
            with flocked(self._gate, fcntl.LOCK_SH):
                state = self._load()
                if state != self._state:
                    self._state = state
                    self._file.believe(state.tip)
                yield state

    def _load(self) -> State:
        """Return the state, if the file of headers has what it says."""
        if (self._folder / "switch").exists():
            raise StorageBusyError(
                f"{self._folder}: expected no reorganisation half done, found one that was interrupted; synchronise "
                "the headers once to finish it"
            )
        state = self._read_state()
        self._file.check_tip(state.tip)
        return state

    def _read_state(self) -> State:
        path = self._folder / "state"
        state = read_state(path)
        self._check_mine(path, state)
        return state

    def _check_mine(self, path: Path, state: State) -> None:
        if (state.network, state.start) != (self.network, self.start()):
            raise WrongNetworkError(
                f"{path}: expected headers of {self.network} from {hash_hex(self.start().hash)} on, found "
                f"{state.network} from {hash_hex(state.start.hash)} on; choose another folder"
            )

    def _full_block_work(self, height: int) -> int | None:
        """Return the work of a block of its period's real difficulty, None where every block has that."""
        start = self._start.end
        first = max(height - height % self._rules.period, start.height)
        if first == start.height:
            return full_block_work(self._rules, start.period_bits)
        self._file.check_links(first)
        return full_block_work(self._rules, read_fields(self._file.at(first)).bits)

    def _end_at(self, height: int) -> ChainEnd:
        """Return the best chain as far as ``height``, rebuilt from its last headers: a period, or eleven."""
        start = self._start.end
        if height == start.height:
            return start
        first = max(min(height - height % self._rules.period, height + 1 - MEDIAN_SPAN), start.height)
        self._file.check_links(first)
        end = start
        if first > start.height:
            record = self._file.at(first)
            end = lone_end(first, sha256d(record), read_fields(record), 0)
        record = self._start.header
        for record in self._file.between(first + 1, height):
            end = advance(self._rules, end, read_fields(record), b"")
        return end._replace(hash=sha256d(record), work=self._state.work - self._file.work_above(height))

    def _check_open(self) -> None:
        if self._held is None:
            raise StorageError(f"{self._folder}: this header store is closed; open it anew")

    def _check_writable(self) -> None:
        self._check_open()
        if not self._writable:
            raise StorageReadOnlyError(f"{self._folder}: expected a store opened for writing, found one for reading")

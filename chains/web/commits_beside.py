"""Commits in a process beside the one that speaks HTTP, so that each has an interpreter for itself.

``beside`` forks it before anything is opened; ``CommitsBeside`` is its end in the event loop. What it commits with is
what the service's own process would (``commits.CommitsHere``), on the home opened once more. It ends with the service,
however that ends, and the service with it: whoever is left could acknowledge nothing (docs/adr/0069-*.md).
"""

import asyncio
import gc
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from anchor.errors import StorageError
from anchor.storage.checkpointing import Checkpointing
from chains.group_commit import Size, check_room, is_full
from chains.home import DATABASE, Home
from chains.web.commits import CommitsHere, Deliver, Delivered
from chains.web.committing import Committing, Given

# The event loop, or whoever commits, and the threads beside share one interpreter: whoever waits for it should not wait
# for the 5 ms that Python leaves to a thread that computes, or every request does so several times.
SWITCH_INTERVAL_S = 0.0001
COLLECTED_OBJECTS = 20_000
"""New objects before the collector looks for cycles: a group of requests in flight is no garbage."""
_LENGTH = struct.Struct("<Q")
_READ_BYTES = 2**20
_NONE = Size(0, 0)


class ProcessLostError(StorageError):
    """The process that commits ended: whether what it had was kept is not known."""


def packed(what: Any) -> bytes:
    """Return an object for the other process, its length before it."""
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Unpacking:
    """Makes objects of the bytes of ``packed``, however they are cut; they are read into the ``room`` that it has.

    The room stays: pieces made for each reading, and joined, would be fresh pages of memory for each group of answers.
    """

    def __init__(self) -> None:
        self._held = bytearray(_READ_BYTES)
        # What was read and is not taken yet: from here, to here.
        self._at = self._end = 0

    def room(self) -> memoryview:
        """Return where the next bytes are to be read into, which is never empty; release it before they are taken."""
        size = max(_READ_BYTES, self._length())
        if self._at or size != len(self._held):
            rest = self._held[self._at : self._end]
            if size != len(self._held):
                self._held = bytearray(size)
            self._held[: len(rest)] = rest
            self._at, self._end = 0, len(rest)
        return memoryview(self._held)[self._end :]

    def take(self, count: int) -> Iterator[Any]:
        """Yield what is whole now that so many bytes more are in the room."""
        self._end += count
        with memoryview(self._held) as held:
            while self._end - self._at >= (length := self._length()):
                begin = self._at + _LENGTH.size
                self._at += length
                yield pickle.loads(held[begin : self._at])  # noqa: S301  # of our own other half, on a pair of sockets that nobody else has

    def _length(self) -> int:
        """Return how long the next object is with its length before it, as far as that can be known yet."""
        is_known = self._end - self._at >= _LENGTH.size
        return _LENGTH.size + (_LENGTH.unpack_from(self._held, self._at)[0] if is_known else 0)


class CommitProcess:
    """The process, which waits until it is told to ``begin``; ``end`` is our end of the line to it."""

    def __init__(self, end: socket.socket, pid: int | None = None) -> None:
        self.end = end
        self._pid = pid
        self._is_ending = False

    def begin(self) -> None:
        """Have it open the home, which was found in step here; raise what keeps it from that."""
        self.end.sendall(b"\1")
        for answer in _messages(self.end):
            if isinstance(answer, BaseException):
                raise answer
            return
        raise ProcessLostError("the process that commits ended before it began")

    def watch(self, lost: Callable[[], None]) -> None:
        """Have ``lost`` called, on a thread of its own, when it ends by itself: also while nothing is written."""
        threading.Thread(target=self._watch, args=(lost,), name="watching", daemon=True).start()

    def _watch(self, lost: Callable[[], None]) -> None:
        assert self._pid is not None, "a process was forked"
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        if not self._is_ending:
            lost()

    def let_end(self) -> None:
        """Take its end for what was asked for, from here on."""
        self._is_ending = True

    def close(self) -> None:
        """Close the line, without which it ends, and wait for that."""
        self.let_end()
        self.end.close()
        if self._pid is not None:
            os.waitpid(self._pid, 0)


class CommitsBeside:
    """The event loop's end of the process that commits; ``lost`` is called where that is gone by itself."""

    def __init__(self, process: CommitProcess, deliver: Deliver, lost: Callable[[], None]) -> None:
        self._process = process
        self._end = process.end
        self._deliver = deliver
        self._lost = lost
        self._unpacking = Unpacking()
        self._unsent = bytearray()
        self._under_way: dict[int, Size] = {}
        self._size = _NONE
        self._is_stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end.setblocking(False)

    @property
    def waiting(self) -> Size:
        """What is not answered yet."""
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether so much waits that more would be refused."""
        return is_full(self._size)

    def check_room(self, entries: int, byte_count: int) -> None:
        """Raise OverloadedError where a piece of this size would be refused now."""
        check_room(self._size, entries, byte_count, is_stopped=self._is_stopped)

    def submit(self, number: int, given: list[Given], size: Size) -> None:
        """Send pieces to the other process; raise OverloadedError where there is no room, or where this was stopped."""
        self.check_room(size.entries, size.bytes)
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._end, self._read)
        self._under_way[number] = size
        self._size += size
        is_first = not self._unsent
        self._unsent += packed((number, given, size))
        if is_first:
            self._write()

    def stop(self) -> None:
        """Take no more, and wait until what was taken is committed; behind the event loop's end. May be repeated."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._process.let_end()
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)
        with suppress(OSError):
            self._end.setblocking(True)
            self._end.sendall(self._unsent + packed(None))
            self._end.shutdown(socket.SHUT_WR)
            for delivered in _read_to_end(self._end, self._unpacking):
                self._note(delivered)

    def _write(self) -> None:
        """Send what can be sent now; the rest when there is room."""
        assert self._loop is not None
        try:
            sent = self._end.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            self._end_by_itself()
            return
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._end, self._write)
        else:
            self._loop.remove_writer(self._end)

    def _read(self) -> None:
        try:
            with self._unpacking.room() as room:
                count = self._end.recv_into(room)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            count = 0
        if not count:
            self._end_by_itself()
        for delivered in self._unpacking.take(count):
            self._note(delivered)
            self._deliver(delivered)

    def _note(self, delivered: Delivered) -> None:
        for number in delivered.numbers:
            self._size -= self._under_way.pop(number)

    def _end_by_itself(self) -> None:
        assert self._loop is not None
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._is_stopped = True
        self._lost()


def is_of_use() -> bool:
    """Say whether a second process is: there must be a second processor, and a fork that is safe (Linux)."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


@contextmanager
def beside(folder: Path, listening: socket.socket) -> Iterator[CommitProcess]:
    """Fork the process that commits to this home; it ends with the context.

    Before anything is opened and any thread started. The listening socket is not for it.
    """
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        code = 1
        try:
            ours.close()
            listening.close()
            # Whoever stops the service stops all its processes; this one ends when the other has no more for it.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            gc.set_threshold(COLLECTED_OBJECTS)
            code = 0 if run(folder, theirs) else 1
        finally:
            os._exit(code)
    theirs.close()
    process = CommitProcess(ours, child)
    try:
        yield process
    finally:
        process.close()


def run(folder: Path, end: socket.socket) -> bool:
    """Be the process that commits, until the other end says goodbye; False where that was gone without a word.

    Then nobody waits for what was taken and is not committed, and it need not be. Closes its end.
    """
    with end, ExitStack() as stack:
        if not end.recv(1):
            return False
        try:
            home = stack.enter_context(Home.open(folder))
            home.trust_in_step()
            home.content_keys.open_now(home.chains.next_seq())
            committing = Committing(home)
        except BaseException as error:  # noqa: BLE001  # it is the other process's to say
            end.sendall(packed(_portable(error)))
            return True
        return _commit_all(committing, Checkpointing(folder / DATABASE), end)


def _commit_all(committing: Committing, checkpointing: Checkpointing, end: socket.socket) -> bool:
    """Commit what comes; say whether the other end said goodbye."""
    commits = CommitsHere(committing, partial(_send, end))
    try:
        end.sendall(packed(None))
        for message in _messages(end):
            if message is None:
                return True
            number, given, size = message
            commits.submit(number, given, size)
            checkpointing.wrote(size.bytes)
        commits.abandon()
        return False
    finally:
        commits.stop()
        checkpointing.stop()


def _messages(end: socket.socket) -> Iterator[Any]:
    """Yield what the other end sends, until it is closed."""
    yield from _read_to_end(end, Unpacking())


def _read_to_end(end: socket.socket, unpacking: Unpacking) -> Iterator[Any]:
    """Yield the same, behind what was read of it already."""
    while True:
        with unpacking.room() as room:
            count = end.recv_into(room)
        if not count:
            return
        yield from unpacking.take(count)


def _send(end: socket.socket, delivered: Delivered) -> None:
    """Send what became of a group; where the other process is gone, nobody waits for it."""
    if delivered.error is not None:
        delivered = Delivered(delivered.numbers, [], error=_portable(delivered.error))
    try:
        data = packed(delivered)
    except Exception as error:  # noqa: BLE001  # what cannot be sent is a fault, and those who wait are told of it
        data = packed(Delivered(delivered.numbers, [], error=_portable(error)))
    with suppress(OSError):
        end.sendall(data)


def _portable(error: BaseException) -> BaseException:
    """Return an error that can be sent, with where it came from."""
    where = "".join(traceback.format_exception(error))
    try:
        error.add_note(where)
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    except Exception:  # noqa: BLE001  # of whatever kind
        return RuntimeError(where)
    return error

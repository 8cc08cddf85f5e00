"""A program ``anchorline`` that starts at once: a server that has loaded every module forks the command for it.

The command has its own memory, and streams, folder, variables and signals of whoever called; its exit code is the
program's. Only the time of its imports is gone: that they hold in any order is asked of their graph (test_layering.py).
The transcripts of the documentation call it.
"""

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import cli

SOON_S = 60
_CALLER = """\
#!{python} -IS
import json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
mask = os.umask(0)
hears = [each for each in ({signals}) if signal.getsignal(each) is not signal.SIG_IGN]
call = dict(words=sys.argv[1:], folder=os.getcwd(), variables=dict(os.environ), mask=mask, hears=hears)
text = json.dumps(call).encode()
socket.send_fds(server, [len(text).to_bytes(4)], [0, 1, 2])
server.sendall(text)
for each in hears:
    signal.signal(each, lambda number, _: server.send(bytes([number])))
ended = int.from_bytes(server.recv(4, socket.MSG_WAITALL))
if os.WIFSIGNALED(ended):
    signal.signal(os.WTERMSIG(ended), signal.SIG_DFL) if os.WTERMSIG(ended) != signal.SIGKILL else None
    os.kill(os.getpid(), os.WTERMSIG(ended))
os._exit(os.WEXITSTATUS(ended))
"""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def quick_command(folder: Path) -> Iterator[Path]:
    """Run the server; yield a folder whose only program is ``anchorline``. What it forked ends with it."""
    address, programs = folder / "server", folder / "bin"
    programs.mkdir()
    signals = ", ".join(str(int(each)) for each in _SIGNALS)
    (programs / "anchorline").write_text(
        _CALLER.format(python=sys.executable, address=str(address), signals=signals), encoding="utf-8"
    )
    (programs / "anchorline").chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(100)
        command = [sys.executable, "-m", "tests.quick_command", str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], stdin=subprocess.PIPE)
    with server:  # the listener is its own now: where it ends early, nobody waits for it
        try:
            yield programs
        finally:
            assert server.stdin is not None
            server.stdin.close()  # which it takes for its end
            assert 0 == server.wait(SOON_S)


class _Server:
    """The listening socket, and the callers whose commands run, by process."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.callers: dict[int, socket.socket] = {}
        self.ready = selectors.DefaultSelector()

    def next_call(self) -> dict[str, Any] | None:
        """Fork a command for each caller: return, in its process, what it was called with; None at the end."""
        woken, wake = socket.socketpair()
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for source in (self.listener, woken, sys.stdin):
            self.ready.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in self.ready.select():
                if key.fileobj is sys.stdin:
                    self._end()
                    return None
                if key.fileobj is woken:
                    woken.recv(4096)
                    self._tell_ends()
                elif key.fileobj is self.listener:
                    call = self._fork()
                    if call is not None:
                        woken.close()
                        wake.close()
                        return call
                else:
                    self._pass_on(key.data)

    def _fork(self) -> dict[str, Any] | None:
        caller, _ = self.listener.accept()
        head, streams, _, _ = socket.recv_fds(caller, 4, 3)
        call: dict[str, Any] = json.loads(_whole(caller, int.from_bytes(head)))
        process = os.fork()
        if process == 0:
            self._forget_all(caller)
            _become(call, streams)
            return call
        for each in streams:
            os.close(each)
        self.callers[process] = caller
        self.ready.register(caller, selectors.EVENT_READ, process)
        return None

    def _forget_all(self, caller: socket.socket) -> None:
        self.ready.close()
        for each in (self.listener, caller, *self.callers.values()):
            each.close()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def _pass_on(self, process: int) -> None:
        """Send a command the signals that its caller got; a caller that is gone was killed, and so is its command."""
        numbers = b""
        with suppress(ConnectionError):
            numbers = self.callers[process].recv(100)
        for number in numbers or [signal.SIGKILL]:
            os.kill(process, number)
        if not numbers:
            self.ready.unregister(self.callers[process])

    def _tell_ends(self) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                process, status = ended
                caller = self.callers.pop(process)
                with suppress(KeyError):
                    self.ready.unregister(caller)
                with suppress(ConnectionError), caller:
                    caller.sendall(status.to_bytes(4))

    def _end(self) -> None:
        for process in self.callers:
            os.kill(process, signal.SIGKILL)


def _whole(caller: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += caller.recv(size - len(data))
    return data


def _become(call: dict[str, Any], streams: list[int]) -> None:
    """Be a process that the caller started: its streams, variables, folder, and the signals that it does not ignore."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", buffering=1 if os.isatty(1) else -1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    for each in _SIGNALS:
        heard = signal.default_int_handler if each is signal.SIGINT else signal.SIG_DFL
        signal.signal(each, heard if each in call["hears"] else signal.SIG_IGN)
    os.umask(call["mask"])
    os.environ.clear()
    os.environ.update(call["variables"])
    time.tzset()
    os.chdir(call["folder"])
    sys.argv = ["anchorline", *call["words"]]


def _run() -> NoReturn:
    """Run the command and end as Python does, but for taking apart every module: that takes as long as loading them."""
    exit_code = 0
    try:
        cli.main()
    except SystemExit as ended:
        exit_code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # whatever it is, it ends a program so
        traceback.print_exc()
        exit_code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # as in the end of multiprocessing's processes
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


if __name__ == "__main__":
    with suppress(ImportError):  # what was not built on this machine
        import tests.everything  # noqa: F401  # what the commands need not load then
    gc.freeze()  # what is not looked at again need not be copied for each command
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        called = _Server(listening).next_call()
    if called is not None:
        _run()

"""A host of its own for tests: a network namespace that a cable leads to, which can be pulled.

Whoever is cut off hears nothing, as behind a broken switch: no connection is refused or reset. Making one takes root
and ``ip``; where that is not to be had, tests say so and are skipped.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

# A range for tests of networks, which nobody routes (RFC 2544).
_NETWORK = "198.18"
_NAME = "anchorline"


@dataclass(frozen=True)
class Namespace:
    """A running one; ``outside`` is this host's address on the cable, ``inside`` that of the other end."""

    name: str
    cable: str
    outside: str
    inside: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command is run with there; it keeps its process id."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Pull the cable."""
        _ip("link", "set", self.cable, "down")

    def heal(self) -> None:
        """Put it back."""
        _ip("link", "set", self.cable, "up")


def why_not() -> str:
    """Say why no namespace can be made here; nothing where one can."""
    if shutil.which("ip") is None:
        return "NO NETWORK NAMESPACE: no ip on PATH (Debian: apt-get install iproute2); nothing was cut off"
    probe = f"{_NAME}-probe-{os.getpid()}"
    try:
        _ip("netns", "add", probe)
        try:
            _ip("-n", probe, "link", "add", "cable", "type", "veth")
        finally:
            _ip("netns", "del", probe)
    except AssertionError as error:
        return f"NO NETWORK NAMESPACE: it takes root and Linux's veth; nothing was cut off ({error})"
    return ""


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace at the other end of a cable; both are gone afterwards. Skips the test where none can be made."""
    if reason := why_not():
        pytest.skip(reason)
    number = os.getpid()
    # Names of interfaces have at most 15 characters; each process of the suite has a network of its own.
    part = f"{_NETWORK}.{number % 251}"
    made = Namespace(f"{_NAME}-{number}", f"al{number % 10**9}", f"{part}.1", f"{part}.2")
    _ip("netns", "add", made.name)
    try:
        _ip("link", "add", made.cable, "type", "veth", "peer", "name", "cable", "netns", made.name)
        _ip("addr", "add", f"{made.outside}/24", "dev", made.cable)
        _ip("-n", made.name, "addr", "add", f"{made.inside}/24", "dev", "cable")
        _ip("-n", made.name, "link", "set", "cable", "up")
        _ip("-n", made.name, "link", "set", "lo", "up")
        made.heal()
        yield made
    finally:
        _ip("netns", "del", made.name)  # and with it both ends of the cable


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, f"ip {' '.join(words)}: {done.stderr.strip()}"

"""Tests of keys in an ssh-agent: Debian's own agent, and answers that a broken one may give.

Input is a key that ``ssh-keygen`` made, in an agent that runs in the foreground for this module alone.
"""

import socket
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from anchor.errors import SettingsError, WrongPasswordError
from anchor.proof import ed25519
from anchor.signing import SigningKey, is_encrypted_key
from chains.client.signing import SigningError
from chains.client.ssh_agent import agent_key, agent_keys
from tests.signers import Agent, running_agent

pytestmark = pytest.mark.ssh


@pytest.fixture(scope="module")
def agent() -> Iterator[Agent]:
    """An agent with a key of Ed25519, two that have the same comment, and one of ECDSA."""
    with running_agent() as found:
        for name, kind, comment in (
            ("press", "ed25519", "press"),
            ("twin", "ed25519", "twins"),
            ("other", "ed25519", "twins"),
            ("ecdsa", "ecdsa", "press"),
        ):
            found.add(found.make(name, kind, comment))
        yield found


def test_an_agent_signs_by_our_rule(agent: Agent) -> None:
    """The agent's signature over any bytes is the one that the key's own file makes."""
    key = agent_key("press", agent.environment)
    loaded = SigningKey.load(agent.folder / "press")
    assert loaded.public_key == key.public_key
    for message in (b"", b"anchorline/entry/v1\n" + bytes(4096)):
        assert loaded.sign(message) == key.sign(message)
        assert ed25519.verify(key.public_key, message, key.sign(message))


def test_a_key_is_named_as_ssh_add_shows_it(agent: Agent) -> None:
    """The fingerprint of ``ssh-add -l``, the comment, and the public key in hex name the same key; ECDSA is not one."""
    key = agent_key("press", agent.environment)
    assert key.fingerprint in agent.run("ssh-add", "-l")
    assert key == agent_key(key.fingerprint, agent.environment) == agent_key(key.public_key.hex(), agent.environment)
    assert ["press", "twins", "twins"] == sorted(each.comment for each in agent_keys(agent.address))


@pytest.mark.parametrize(("name", "says"), [("twins", "found 2"), ("nobody", "found 0"), ("", "found 0")])
def test_one_key_must_be_meant(agent: Agent, name: str, says: str) -> None:
    """A name of two keys or of none signs nothing, and says which there are."""
    with pytest.raises(SigningError, match=says):
        agent_key(name, agent.environment)


def test_a_key_that_left_the_agent_does_not_sign(agent: Agent) -> None:
    """What was removed from the agent after it was found, is refused by the agent and named here."""
    agent.add(agent.make("leaves"))
    key = agent_key("leaves", agent.environment)
    agent.run("ssh-add", "-q", "-d", str(agent.folder / "leaves"))
    with pytest.raises(SigningError, match="refused"):
        key.sign(b"message")


def test_without_an_agent(tmp_path: Path) -> None:
    """That no agent is named, or none is there, says so."""
    with pytest.raises(SigningError, match="names none"):
        agent_key("press", {})
    with pytest.raises(SigningError, match="cannot be reached"):
        agent_key("press", {"SSH_AUTH_SOCK": str(tmp_path / "none")})


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"", "closed the connection"),
        (framed(b"\x0c\0\0\0\1")[:6], "closed the connection"),
        (framed(b"\x05"), "refused"),
        (bytes(4), "answer of 1 to"),
        (b"\xff" * 4, "answer of 1 to"),
        (framed(b"\x0c\xff\xff\xff\xff"), "at most 2048 keys"),
        (framed(b"\x0c\0\0\0\1" + framed(b"\0\0\0\x09ssh")), "as its protocol wants"),
        (framed(b"\x0c\0\0\0\1" + framed(b"\0\0\0\x09ssh") + framed(b"")), "as its protocol wants"),
        (framed(b"\x0c\0\0\0\0more"), "as its protocol wants"),
    ],
)
def test_an_agent_that_answers_nonsense_is_named(answer: bytes, says: str) -> None:
    """Whatever an agent answers: an error that says what was wrong, never a key, and never without end."""
    with TemporaryDirectory(prefix="agent") as folder, socket.socket(socket.AF_UNIX) as listener:
        address = f"{folder}/socket"
        listener.bind(address)
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with pytest.raises(SigningError, match=says):
                list(agent_keys(address))
        finally:
            thread.join()


def test_files_of_openssh_are_read(agent: Agent) -> None:
    """A key file of ssh-keygen is read as any other, with its password where it has one; another kind is refused."""
    locked = agent.make("locked", password="beam and girder")
    assert [False, True] == [is_encrypted_key((agent.folder / name).read_bytes()) for name in ("press", "locked")]
    public = (agent.folder / "locked.pub").read_text().split()[1]
    assert b64decode(public).endswith(SigningKey.load(locked, "beam and girder").public_key)
    with pytest.raises(WrongPasswordError):
        SigningKey.load(locked, "beam and girders")
    with pytest.raises(SettingsError, match="give its password"):
        SigningKey.load(locked)
    with pytest.raises(SettingsError, match="another kind"):
        SigningKey.load(agent.folder / "ecdsa")

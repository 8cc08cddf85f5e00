# SPDX-License-Identifier: Apache-2.0
"""Author's keys in an ssh-agent: the three messages of its protocol for it (draft-ietf-sshm-ssh-agent).

Input is the agent's socket and how a key is named there. Keys sign bytes as they are given, so an agent's Ed25519
signature is one by our rule; whoever signs entries takes an ``AgentKey`` as any ``AuthorKey``.
"""

import os
import socket
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from anchor.proof import ed25519
from anchor.proof.codec import Reader
from anchor.proof.errors import MalformedError
from chains.client.signing import SigningError

SOCKET_VARIABLE = "SSH_AUTH_SOCK"
_REQUEST_IDENTITIES = 11
_IDENTITIES_ANSWER = 12
_SIGN_REQUEST = 13
_SIGN_RESPONSE = 14
# OpenSSH's own limit for one message.
_MAX_MESSAGE = 256 * 1024
_MAX_KEYS = 2048
_ALGORITHM = b"ssh-ed25519"
_KEY_SIZE = 32
# An agent may ask whoever sits there (ssh-add -c), who may be fetching a coffee.
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class AgentKey:
    """An Ed25519 key that an agent holds, by its 32 bytes; ``address`` is the agent's socket."""

    public_key: bytes
    comment: str
    address: str

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint as ``ssh-add -l`` shows it."""
        return "SHA256:" + b64encode(sha256(_blob(self.public_key)).digest()).decode("ascii").rstrip("=")

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message``; raise SigningError where the agent does not sign, or signs wrongly."""
        request = bytes([_SIGN_REQUEST]) + _string(_blob(self.public_key)) + _string(message) + bytes(4)
        try:
            answer = _asked(self.address, request, _SIGN_RESPONSE)
            signed = Reader(answer.prefixed(4), "signature of the agent", _MAX_MESSAGE)
            answer.end()
            algorithm, signature = signed.prefixed(4), signed.prefixed(4)
            signed.end()
        except MalformedError as error:
            raise SigningError(f"the ssh-agent does not answer as its protocol wants: {error}") from error
        if algorithm != _ALGORITHM or not ed25519.verify(self.public_key, message, signature):
            raise SigningError(f"the ssh-agent's signature is not one by key {self.public_key.hex()}")
        return signature


def agent_key(name: str, environment: Mapping[str, str] = os.environ) -> AgentKey:
    """Return the one Ed25519 key of the agent that is named by fingerprint, comment or public key in hex.

    Raises SigningError where there is no agent, no such key, or more than one.
    """
    address = environment.get(SOCKET_VARIABLE, "")
    if not address:
        raise SigningError(f"expected an ssh-agent, and {SOCKET_VARIABLE} names none; start one, and add the key to it")
    keys = list(agent_keys(address))
    found = [key for key in keys if name in (key.fingerprint, key.comment, key.public_key.hex())]
    if len(found) != 1:
        known = ", ".join(f"{key.fingerprint} ({key.comment})" for key in keys) or "none"
        raise SigningError(
            f"expected one Ed25519 key {name!r} in the ssh-agent, found {len(found)}; it has {known}; name one by its "
            "fingerprint (`ssh-add -l`)"
        )
    return found[0]


def agent_keys(address: str) -> Iterator[AgentKey]:
    """Yield the Ed25519 keys of an agent; those of other kinds, and on security keys, sign something else."""
    try:
        answer = _asked(address, bytes([_REQUEST_IDENTITIES]), _IDENTITIES_ANSWER)
        count = answer.unsigned(4)
        if count > _MAX_KEYS:
            raise SigningError(f"expected at most {_MAX_KEYS} keys in the ssh-agent, found {count}")
        listed = [(answer.prefixed(4), answer.prefixed(4)) for _ in range(count)]
        answer.end()
        for blob, comment in listed:
            fields = Reader(blob, "public key in the agent", _MAX_MESSAGE)
            if fields.prefixed(4) != _ALGORITHM:
                continue
            public_key = fields.prefixed(4)
            fields.end()
            if len(public_key) == _KEY_SIZE:
                yield AgentKey(public_key, comment.decode("utf-8", "replace"), address)
    except MalformedError as error:
        raise SigningError(f"the ssh-agent does not answer as its protocol wants: {error}") from error


def _asked(address: str, request: bytes, wanted: int) -> Reader:
    """Send one request on a connection of its own; return what follows the type of the answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(address)
            connection.sendall(_string(request))
            size = int.from_bytes(_received(connection, 4), "big")
            if not 1 <= size <= _MAX_MESSAGE:
                raise SigningError(f"expected an answer of 1 to {_MAX_MESSAGE} bytes from the ssh-agent, found {size}")
            data = _received(connection, size)
    except OSError as error:
        raise SigningError(f"the ssh-agent at {address} cannot be reached: {error.strerror or error}") from error
    if data[0] != wanted:
        raise SigningError("the ssh-agent refused; is it locked (`ssh-add -X`), or was it not allowed to sign?")
    return Reader(data[1:], "answer of the ssh-agent", _MAX_MESSAGE)


def _received(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise SigningError("the ssh-agent closed the connection in the middle of its answer")
        data += piece
    return data


def _blob(public_key: bytes) -> bytes:
    return _string(_ALGORITHM) + _string(public_key)


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data

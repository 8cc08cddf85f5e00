# SPDX-License-Identifier: Apache-2.0
"""How the client reaches its service: address, API key, time-outs, connections; the same for both shells.

``Client`` and ``AsyncClient`` take these options by name.
"""

import os
import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, TypedDict

import httpx

from anchor.proof.blocks import KnownBlocks
from anchor.proof.certificate_proof import CertificateCheck
from anchor.proof.verifier import DEFAULT_DEPTH
from chains.client.core import Settings
from chains.client.exchange import Reply
from chains.client.own_entry import Randomness
from chains.client.pace import Patience
from chains.client.signing import AuthorKey, Signatory, fastest_check
from chains.client.trust import Card, TimeLimits, card_of

USER_AGENT = "anchorline-client/1"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one try may take, in seconds; ``answer_s`` is for the whole body of an answer, however it drips."""

    connect_s: float = 5.0
    write_s: float = 60.0
    read_s: float = 60.0
    pool_s: float = 60.0
    answer_s: float = 120.0


class Options(TypedDict, total=False):
    """What a client can be told besides address and API key; docs/operate/client.md explains each."""

    card: Card | None
    trust_on_first_use: bool
    author: AuthorKey | Signatory | None
    search_key: bytes | None
    submitter: bytes | None
    times: TimeLimits
    blocks: tuple[KnownBlocks, ...]
    depth: int
    check_certificate: CertificateCheck | None
    patience: Patience
    timeouts: Timeouts
    connections: int
    tls: ssl.SSLContext | None
    allow_plain_http: bool
    randomness: Randomness
    chance: Callable[[], float]
    monotonic_s: Callable[[], float]
    clock_ns: Callable[[], int]


def settings_of(options: Options) -> Settings:
    """Return what the operations hold to; raises MalformedError where the card is none."""
    card = options.get("card")
    return Settings(
        card=None if card is None else card_of(card),
        randomness=options.get("randomness", os.urandom),
        # Only spreads repetitions in time: nothing secret hangs on it.
        chance=options.get("chance", random.random),
        monotonic_s=options.get("monotonic_s", time.monotonic),
        clock_ns=options.get("clock_ns", time.time_ns),
        check_signature=fastest_check(),
        trust_on_first_use=options.get("trust_on_first_use", False),
        patience=options.get("patience", Patience()),
        times=options.get("times", TimeLimits()),
        submitter=options.get("submitter"),
        signer=_signer_of(options.get("author")),
        search_key=options.get("search_key"),
        blocks=options.get("blocks", ()),
        depth=options.get("depth", DEFAULT_DEPTH),
        check_certificate=options.get("check_certificate"),
    )


def _signer_of(author: AuthorKey | Signatory | None) -> Signatory | None:
    return author if author is None or isinstance(author, Signatory) else Signatory(author)


def httpx_options(url: str, options: Options) -> dict[str, Any]:
    """Return what httpx's clients are made with; ValueError where an API key would travel in clear."""
    parsed = httpx.URL(url)
    if parsed.scheme not in {"http", "https"} or not parsed.host or parsed.path not in {"", "/"}:
        raise ValueError(f"expected the address of a service, https://HOST[:PORT], got {url!r}")
    if parsed.scheme == "http" and not (options.get("allow_plain_http") or _is_loopback(parsed.host)):
        raise ValueError(f"expected https, got {url!r}: without it keys and content can be read on the way")
    timeouts, connections = options.get("timeouts", Timeouts()), options.get("connections", 8)
    headers = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity"}
    tls = options.get("tls")
    return {
        "base_url": url,
        "headers": headers,
        "timeout": httpx.Timeout(
            connect=timeouts.connect_s, write=timeouts.write_s, read=timeouts.read_s, pool=timeouts.pool_s
        ),
        "limits": httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        "verify": True if tls is None else tls,
    }


class Body:
    """The body of an answer while it arrives, bounded in bytes and in time."""

    def __init__(self, most_bytes: int, within_s: float, monotonic_s: Callable[[], float]) -> None:
        self._most_bytes = most_bytes
        self._monotonic_s = monotonic_s
        self._until_s = monotonic_s() + within_s
        self._pieces: list[bytes] = []
        self._size = 0

    def take(self, piece: bytes) -> bool:
        """Take a piece; return whether more is wanted. Raises httpx.ReadTimeout where it takes too long."""
        if self._monotonic_s() > self._until_s:
            raise httpx.ReadTimeout("the answer took too long to arrive")
        self._pieces.append(piece)
        self._size += len(piece)
        return self._size <= self._most_bytes

    def reply(self, response: httpx.Response) -> Reply:
        """Return the reply."""
        data = b"".join(self._pieces)
        return Reply(
            response.status_code, dict(response.headers), data[: self._most_bytes], self._size > self._most_bytes
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

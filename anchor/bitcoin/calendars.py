"""OpenTimestamps calendars as clients use them: submit a digest, ask for what became of it, both within limits.

Addresses come from the settings and from what calendars answer; ``anchor.attesting`` uses both functions. An address
that a calendar names is asked only where it is that calendar's own, or one that the stock client asks too.
"""

import re
from dataclasses import dataclass

from anchor.bitcoin.http_retry import Patience, PatientHttp, Surroundings
from anchor.errors import SourceError
from anchor.proof import opentimestamps as ots
from anchor.proof.errors import MalformedError

MAX_REPLY = 10_000
"""Bytes of an answer: what the stock client reads."""
MAX_WAYS = 4
"""Pending attestations of one reply that are followed; calendars give one."""
# A calendar that does not answer costs seconds and is then left alone: nothing waits for it.
PATIENCE = Patience(tries=1, connect_s=5.0, answer_s=10.0, rest_s=600.0)
# The stock client's own list (opentimestamps-client 0.7.2); the public calendars answer for each other's pools.
_PUBLIC = re.compile(r"https://[a-z0-9.-]+\.calendar\.(opentimestamps\.org|eternitywall\.com|catallaxy\.com)/?")


@dataclass(frozen=True, slots=True)
class PendingWay:
    """From the submitted digest to where a calendar at ``uri`` will go on: operations, and the key to ask for."""

    operations: tuple[ots.Operation, ...]
    key: bytes
    uri: str


class Calendars:
    """The calendars of one process; each address keeps its connection and its rest after a failure."""

    def __init__(self, patience: Patience = PATIENCE, surroundings: Surroundings | None = None) -> None:
        self._patience = patience
        self._surroundings = surroundings or Surroundings()
        self._opened: dict[str, PatientHttp] = {}

    def submit(self, url: str, digest: bytes) -> bytes:
        """Return a calendar's reply to a digest: at most 10,000 bytes, not looked into yet.

        May be repeated: the calendar then makes another commitment. Raises SourceUnavailableError for silence,
        SourceError for another answer.
        """
        answer = self._at(url).post("/digest", digest, MAX_REPLY)
        if answer.status != 200:
            raise SourceError(f"{url}/digest: expected 200, got {answer.status}; is this an OpenTimestamps calendar?")
        return answer.body

    def ask(self, uri: str, key: bytes) -> bytes | None:
        """Return what a calendar has for a key, or None while it has nothing; errors are those of ``submit``."""
        answer = self._at(uri).get(f"/timestamp/{key.hex()}", MAX_REPLY)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise SourceError(f"{uri}/timestamp: expected 200 or 404, got {answer.status}; it will be asked again")
        return answer.body

    def close(self) -> None:
        """Close all connections; may be repeated."""
        for each in self._opened.values():
            each.close()

    def _at(self, url: str) -> PatientHttp:
        if url not in self._opened:
            self._opened[url] = PatientHttp(url, self._patience, self._surroundings)
        return self._opened[url]


def pending_ways(reply: bytes, digest: bytes, url: str) -> list[PendingWay]:
    """Return where a reply to ``digest`` says to ask later, those addresses only that may be asked.

    Raises MalformedError for a reply that cannot be read, or that leads to no such address.
    """
    ways = []
    for path in ots.Timestamp.decode(reply, len(digest)).paths[:MAX_WAYS]:
        if isinstance(path.attestation, ots.PendingAttestation) and may_be_asked(path.attestation.uri, url):
            key = ots.execute(path.operations, digest)
            ways.append(PendingWay(path.operations, key, path.attestation.uri))
    if not ways:
        raise MalformedError(f"{url}: expected a reply that is pending at this calendar, or at a public one")
    return ways


def may_be_asked(uri: str, url: str) -> bool:
    """Say whether a calendar at ``url`` may send us to ``uri``: to itself, or to a public calendar (never inwards)."""
    return uri.rstrip("/") == url.rstrip("/") or _PUBLIC.fullmatch(uri) is not None


def completed(way: PendingWay, reply: bytes, digest: bytes) -> bytes | None:
    """Return the whole .ots file of ``digest`` (32 bytes, SHA-256), once a reply for the way's key ends in Bitcoin.

    None where it does not (a calendar may answer with something else that is pending). Raises MalformedError,
    TooLargeError, and NotExecutableError for a way that nothing may rest on.
    """
    for path in ots.Timestamp.decode(reply, len(way.key)).paths:
        if isinstance(path.attestation, ots.BitcoinAttestation):
            whole = ots.Path((*way.operations, *path.operations), path.attestation)
            return ots.DetachedFile(ots.SHA256, digest, ots.Timestamp((whole,))).encode()
    return None

"""HTTP as public servers demand it: bounded answers, a bounded number of tries, waits that grow and are jittered.

The address comes from the settings, the answers from a server that may be busy or broken; no body is looked into
here. ``esplora``, ``calendars`` and ``anchor.published_reading`` use it.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

import httpx

from anchor.bitcoin.content_coding import GZIP, most_packed, unpacked
from anchor.bitcoin.first_contact import FirstContact
from anchor.bitcoin.web_address import checked_url, is_this_machine
from anchor.errors import SettingsError, SourceError, SourceUnavailableError
from anchor.proof.errors import MalformedError

_OK = 200
_BAD_REQUEST = 400
_NOT_FOUND = 404
# Answers with a meaning of their own; every other status says something about the server, not about Bitcoin.
_MEANT = frozenset({_OK, _BAD_REQUEST, _NOT_FOUND})
_READ = frozenset({_OK, _BAD_REQUEST})
_TOO_MANY = 429
# Gateways and request limits refuse with these; asking again at once would make it worse.
_REFUSED = frozenset({401, 403})
# A gateway could not reach the server behind it: whoever answers next there may be another.
_LOST = frozenset({502, 503, 504})
# The second one is the first one's name of old (RFC 9110 section 8.4.1.3).
_GZIP_NAMES = frozenset({GZIP, f"x-{GZIP}"})
# A refusal is quoted at most so far.
_REFUSAL_LIMIT = 4_096
# Nobody is believed who asks for more than a day.
_LONGEST_REST_S = 86_400.0


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for; everything in seconds.

    The n-th wait is ``first_wait_s`` times 2 to the power n-1, at most ``longest_wait_s``, of which a random half
    is taken off, so that clients which failed together do not come back together. A server that asks for more
    (Retry-After), or has failed ``tries`` times, is left alone for as long as it asks, at least ``rest_s``.
    """

    tries: int = 5
    connect_s: float = 10.0
    answer_s: float = 30.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0
    rest_s: float = 20.0


@dataclass(frozen=True)
class Surroundings:
    """What is not ours to decide: two clocks (seconds), sleep, and random numbers from 0 up to 1."""

    monotonic_s: Callable[[], float] = time.monotonic
    now_s: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True)
class Answer:
    """What a server said: ``status`` is 200, 400 or 404; the body of a 404 is not read."""

    status: int
    body: bytes


class _LaterError(Exception):
    """This try failed in a way that may pass; ``retry_after_s`` is what the server asked for."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PatientHttp:
    """Requests to the server at ``url``, which may have a path and has no password in it.

    ``contact`` recognises the server over each new connection; ``headers`` go with every request. Proxies of the
    environment are used, except for a server on this machine. Raises SettingsError for an address or a proxy that
    cannot be used. Requests may be repeated, so only idempotent ones may be made.
    """

    def __init__(
        self,
        url: str,
        patience: Patience,
        surroundings: Surroundings,
        contact: FirstContact | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.url = checked_url(url)
        self._patience = patience
        self._around = surroundings
        self._contact = contact or FirstContact()
        self._client = _client(self.url, patience, headers or {})
        self._rest_until_s: float | None = None
        self._rest_cause = ""

    def get(self, path: str, limit: int, *, takes_gzip: bool = False) -> Answer:
        """Return the answer to a GET, whose body is at most ``limit`` bytes; ``takes_gzip``: behind gzip, too.

        Raises SourceUnavailableError where the server does not answer, is busy or refuses us, as often as we may
        try; SourceError for a larger body or any other status.
        """
        return self._ask("GET", path, limit, None, takes_gzip=takes_gzip)

    def post(self, path: str, body: bytes, limit: int) -> Answer:
        """Return the answer to a POST of ``body``; limits and errors are those of ``get``."""
        return self._ask("POST", path, limit, body)

    def close(self) -> None:
        """Close the connections; may be repeated."""
        self._client.close()

    def _ask(self, method: str, path: str, limit: int, content: bytes | None, *, takes_gzip: bool = False) -> Answer:
        self._check_open()
        for number in range(1, self._patience.tries + 1):
            try:
                return self._contact.ask(lambda: self._try(method, path, limit, content, takes_gzip=takes_gzip))
            except _LaterError as later:
                wait_s = self._wait_s(number, later.retry_after_s)
                if wait_s is None:
                    self._give_up(path, later, number)
            self._around.sleep(wait_s)
        raise AssertionError("unreachable: the last try returns or gives up")

    def _try(self, method: str, path: str, limit: int, content: bytes | None, *, takes_gzip: bool) -> Answer:
        deadline_s = self._around.monotonic_s() + self._patience.answer_s
        try:
            asked: Any = {"content": content, "extensions": {**self._contact.extensions}}
            if takes_gzip:
                asked["headers"] = {"Accept-Encoding": f"{GZIP}, identity"}
            with self._client.stream(method, self.url + path, **asked) as response:
                if response.status_code not in _READ:
                    self._drain(response, deadline_s)
                self._check_status(path, response)
                if response.status_code == _NOT_FOUND:
                    return Answer(_NOT_FOUND, b"")
                if takes_gzip and response.headers.get("Content-Encoding", "").strip().lower() in _GZIP_NAMES:
                    body = self._body(path, response, most_packed(limit), deadline_s)
                    return Answer(response.status_code, self._plain(path, body, limit))
                return Answer(response.status_code, self._body(path, response, limit, deadline_s))
        except httpx.RequestError as error:
            self._contact.lose()
            raise _LaterError(f"no whole answer ({type(error).__name__}: {error})") from error

    def _check_status(self, path: str, response: httpx.Response) -> None:
        status = response.status_code
        if status in _LOST:
            self._contact.lose()
        if status == _TOO_MANY or response.is_server_error or status in _REFUSED:
            raise _LaterError(f"HTTP {status}", self._retry_after_s(response.headers.get("Retry-After")))
        if status not in _MEANT:
            raise SourceError(
                f"{self.url}{path}: expected an answer of this API, got HTTP {status}; is this its address?"
            )

    def _body(self, path: str, response: httpx.Response, limit: int, deadline_s: float) -> bytes:
        """Read the body, no further than the limit and no longer than the deadline."""
        limit = max(limit, _REFUSAL_LIMIT) if response.status_code == _BAD_REQUEST else limit
        body = b""
        for part in response.iter_raw():
            body += part
            if len(body) > limit:
                raise SourceError(f"{self.url}{path}: expected at most {limit} bytes, got more: {body[:60]!r}")
            if self._around.monotonic_s() > deadline_s:
                raise _LaterError(f"no whole answer within {self._patience.answer_s:g} s")
        return body

    def _plain(self, path: str, body: bytes, limit: int) -> bytes:
        try:
            return unpacked(body, limit)
        except MalformedError as error:
            raise SourceError(f"{self.url}{path}: {error}") from error

    def _drain(self, response: httpx.Response, deadline_s: float) -> None:
        """Read past a short body that says nothing to us: the connection can then be used again."""
        size = 0
        try:
            for part in response.iter_raw():
                size += len(part)
                if size > _REFUSAL_LIMIT or self._around.monotonic_s() > deadline_s:
                    return
        except httpx.RequestError:
            self._contact.lose()

    def _wait_s(self, number: int, retry_after_s: float | None) -> float | None:
        """Return how long to wait after try ``number``, or None where it was the last one."""
        if number >= self._patience.tries:
            return None
        grown_s = min(self._patience.first_wait_s * 2 ** (number - 1), self._patience.longest_wait_s)
        wait_s = (retry_after_s or 0.0) + grown_s * (0.5 + self._around.random() / 2)
        return None if retry_after_s is not None and retry_after_s > self._patience.longest_wait_s else wait_s

    def _retry_after_s(self, value: str | None) -> float | None:
        """Return the seconds that a Retry-After header asks for (RFC 9110 section 10.2.3), or None."""
        if value is None:
            return None
        if value.strip().isascii() and value.strip().isdigit():
            return min(float(value[:20]), _LONGEST_REST_S)
        try:
            until_s = parsedate_to_datetime(value).timestamp()
        except (ValueError, OverflowError):
            return None
        return min(max(until_s - self._around.now_s(), 0.0), _LONGEST_REST_S)

    def _give_up(self, path: str, later: _LaterError, tries: int) -> NoReturn:
        rest_s = max(self._patience.rest_s, later.retry_after_s or 0.0)
        self._rest_until_s = self._around.monotonic_s() + rest_s
        self._rest_cause = f"{self.url}{path}: expected an answer, got {later} (try {tries} of {self._patience.tries})"
        raise SourceUnavailableError(f"{self._rest_cause}; it is left alone for {rest_s:.0f} s") from later

    def _check_open(self) -> None:
        if self._client.is_closed:
            raise SourceUnavailableError(f"{self.url}: this source is closed; make a new one")
        if self._rest_until_s is None:
            return
        left_s = self._rest_until_s - self._around.monotonic_s()
        if left_s > 0:
            raise SourceUnavailableError(f"{self._rest_cause}; it is left alone for {left_s:.0f} s more")
        self._rest_until_s = None


def _client(url: str, patience: Patience, headers: Mapping[str, str]) -> httpx.Client:
    try:
        return httpx.Client(
            timeout=httpx.Timeout(patience.answer_s, connect=patience.connect_s),
            # A compressed body could be far larger than what was counted while it was read: where one is taken, we
            # unpack it ourselves, no further than the limit.
            headers={"Accept-Encoding": "identity", "User-Agent": "anchorline", **headers},
            trust_env=not is_this_machine(httpx.URL(url).host),
        )
    except (ImportError, ValueError) as error:
        raise SettingsError(f"expected a usable proxy in the environment (HTTPS_PROXY, ALL_PROXY): {error}") from error

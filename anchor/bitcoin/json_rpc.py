"""JSON-RPC as Bitcoin Core speaks it: one call, one answer, every way to fail turned into an error of ours.

The address and the credentials come from the settings, the answers from the node; numbers with a point are
decimals, never floats. ``core_node`` is its only user.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import httpx

from anchor.bitcoin.first_contact import FirstContact
from anchor.errors import SettingsError, SourceError, SourceUnavailableError

# Bitcoin Core, rpc/protocol.h.
IN_WARMUP = -28
_UNAUTHORIZED = 401
_FORBIDDEN = 403


class RpcError(SourceError):
    """The node answered with an error; ``code`` is its own (Bitcoin Core, rpc/protocol.h)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Cookie:
    """The file of credentials that a node writes anew at each start (``.cookie`` in its data directory)."""

    path: Path


@dataclass(frozen=True)
class Password:
    """A user and a password, as in the node's ``rpcauth``."""

    user: str
    password: str = field(repr=False)


Credentials = Cookie | Password


class JsonRpc:
    """A connection to a node's RPC port at ``url`` (http or https, without user or password in it).

    ``contact`` recognises the node over each new connection. Raises SettingsError for another address. Proxies of the
    environment are not used: a node is near.
    """

    def __init__(self, url: str, credentials: Credentials, timeout_s: float, contact: FirstContact) -> None:
        self._url = checked_rpc_url(url)
        self._credentials = credentials
        self._contact = contact
        self._auth: httpx.BasicAuth | None = None
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)

    def call(self, method: str, *parameters: object, timeout_s: float | None = None) -> Any:
        """Return the ``result`` of a call, of whatever shape the method has; ``timeout_s`` for a slow one.

        Raises SourceUnavailableError where nobody answers, the credentials are refused or the node is still
        starting (-28); RpcError where it answers with an error; SourceError where the answer is not JSON-RPC;
        WrongNetworkError where another node answers than before.
        """
        request: dict[str, object] = {"jsonrpc": "1.0", "id": method, "method": method, "params": list(parameters)}
        return self._result(method, self._post_authorized(request, timeout_s))

    def call_many(self, method: str, calls: Sequence[tuple[object, ...]]) -> list[Any]:
        """Return the results of many calls of one method, asked in one request (a JSON-RPC batch), in their order.

        Raises what ``call`` raises, RpcError for the first of them that the node answers with an error.
        """
        if not calls:
            return []
        request = [
            {"jsonrpc": "1.0", "id": number, "method": method, "params": list(parameters)}
            for number, parameters in enumerate(calls)
        ]
        response = self._post_authorized(request, None)
        answers = _parse(response.content)
        if not isinstance(answers, list):
            self._result(method, response)  # refused as a whole, and raises
            self._refuse(method, response)
        by_id = {
            each.get("id"): each for each in answers if isinstance(each, dict) and {"result", "error"} <= each.keys()
        }
        if by_id.keys() != set(range(len(calls))):
            self._refuse(method, response)
        for number in range(len(calls)):
            if by_id[number]["error"] is not None:
                raise self._translated(method, by_id[number]["error"])
        return [by_id[number]["result"] for number in range(len(calls))]

    def close(self) -> None:
        """Close the connections; may be repeated."""
        self._client.close()

    def _post_authorized(self, request: object, timeout_s: float | None) -> httpx.Response:
        return self._contact.ask(lambda: self._post_with_new_cookie(request, timeout_s))

    def _post_with_new_cookie(self, request: object, timeout_s: float | None) -> httpx.Response:
        response = self._post(request, timeout_s)
        if response.status_code == _UNAUTHORIZED:
            self._auth = None  # the node was started again and has written another cookie
            response = self._post(request, timeout_s)
        return response

    def _post(self, request: object, timeout_s: float | None) -> httpx.Response:
        if self._client.is_closed:
            raise SourceUnavailableError(f"{self._url}: this source is closed; make a new one")
        self._auth = self._auth or _read_auth(self._credentials)
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else httpx.Timeout(timeout_s)
        try:
            return self._client.post(
                self._url, json=request, auth=self._auth, timeout=timeout, extensions={**self._contact.extensions}
            )
        except httpx.RequestError as error:
            self._contact.lose()
            raise SourceUnavailableError(
                f"{self._url}: expected a Bitcoin node, got no answer ({type(error).__name__}: {error}); "
                "is it running, and is this its RPC port?"
            ) from error

    def _result(self, method: str, response: httpx.Response) -> Any:
        if response.status_code in {_UNAUTHORIZED, _FORBIDDEN}:
            raise SourceUnavailableError(
                f"{self._url}: the node refused our credentials or our address (HTTP {response.status_code}); "
                "check the cookie file or the password, and the node's rpcallowip"
            )
        answer = _parse(response.content)
        if not isinstance(answer, dict) or not {"result", "error"} <= answer.keys():
            self._refuse(method, response)
        if answer["error"] is None:
            return answer["result"]
        raise self._translated(method, answer["error"])

    def _refuse(self, method: str, response: httpx.Response) -> NoReturn:
        """Say that this is no node's answer; a busy node or a gateway before it may be one later."""
        kind = SourceUnavailableError if response.is_server_error else SourceError
        raise kind(
            f"{self._url}: expected a JSON-RPC answer to {method}, got HTTP {response.status_code} and "
            f"{response.content[:60]!r}; is this the RPC port of a Bitcoin node?"
        )

    def _translated(self, method: str, error: object) -> SourceError:
        code = error.get("code") if isinstance(error, dict) else None
        if not isinstance(error, dict) or not isinstance(code, int):
            return SourceError(f"{self._url}: expected an error with a code from {method}, got {error!r:.80}")
        message = f"{self._url}: {method}: {error.get('message')} (code {code})"
        if code == IN_WARMUP:
            return SourceUnavailableError(f"{message}; wait until the node has started")
        return RpcError(code, message)


def checked_rpc_url(url: str) -> str:
    """Return the address of a node's RPC port, unchanged.

    Raises SettingsError for any other text, and for one with a password, which is never repeated.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise SettingsError("expected the address of a node's RPC port, got something that is none") from error
    if "@" in url:  # also where no scheme stands in front, and httpx finds no user
        raise SettingsError(
            f"expected no password in the address of the node at {url.rpartition('@')[2]:.200}, "
            "since addresses are logged; "
            "give a cookie file, or user and password, by themselves"
        )
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise SettingsError(f"expected an address like http://127.0.0.1:8332, got {url!r:.200}; correct the setting")
    return url


def _read_auth(credentials: Credentials) -> httpx.BasicAuth:
    if isinstance(credentials, Password):
        return httpx.BasicAuth(credentials.user, credentials.password)
    try:
        user, colon, password = credentials.path.read_text(encoding="utf-8").strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceUnavailableError(
            f"{credentials.path}: expected the node's cookie file, which cannot be read ({error}); is the node "
            "running, and may we read its data directory?"
        ) from error
    if not colon:
        raise SourceUnavailableError(f"{credentials.path}: expected user:password, found no colon")
    return httpx.BasicAuth(user, password)


def _parse(content: bytes) -> object:
    try:
        answer: object = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return answer

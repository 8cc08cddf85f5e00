"""Ways past the application for what is asked most: kept answers, and single contents from the parser to the commit.

``chains.web.connection`` asks it with the head of every request. It takes what is plain; whatever has a header that
changes the meaning, comes from somebody who was not admitted lately, or is no content is left to the application.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

from chains.web.api_writing import POST_ENTRY, SUBMISSION
from chains.web.asgi import Answer, Header, media_type_of, whole_of
from chains.web.connection import Reply, Take
from chains.web.kept_answers import KeptAnswers, StrangersAnswers
from chains.web.operations import In
from chains.web.posted import Admission
from chains.web.service import Service
from chains.work import Kind

_BEFORE, _AFTER = (part.encode() for part in POST_ENTRY.path.split("{chain}"))
# What makes more of a request than content for a chain: its own parameters, and what HTTP does with a body.
_TELLING = {
    *(parameter.name.lower().encode() for parameter in POST_ENTRY.parameters if parameter.place is In.HEADER),
    *(b"content-encoding", b"transfer-encoding", b"expect", b"upgrade"),
}
_BEARER = b"Bearer "
# Requests, and heads of requests, whose bytes are remembered, and how long one may be: 4 MiB of each at most.
_MOST_READ = 4_096
_LONGEST_READ = 1_024
_Meaning = TypeVar("_Meaning")
_HEAD_END = b"\r\n\r\n"


class _Plain(NamedTuple):
    """A head behind which a content for a chain follows, and nothing that changes what is meant."""

    token: str
    chain: str
    kind: Kind
    length: int


class ApiShortcuts:
    """The shortcuts of the HTTP API; ``failed`` makes the answer to a request that failed, from path and error."""

    def __init__(
        self,
        service: Service,
        kept: KeptAnswers,
        strangers: StrangersAnswers,
        failed: Callable[[str, Exception], Answer],
    ) -> None:
        self._writing = service.writing
        self._content_bytes = service.limits.content_bytes
        self._failed = failed
        self._kept = kept
        self._strangers = strangers
        self._read: OrderedDict[bytes, tuple[bytes, bytes | None]] = OrderedDict()
        self._heads: OrderedDict[bytes, _Plain] = OrderedDict()

    def kept(self, url: bytes, headers: list[Header]) -> bytes | None:
        """Return the answer to a GET, where everybody gets it, or a stranger who asks."""
        strangers = _strangers_key_of(url, headers)
        return self._kept.get(url) or (None if strangers is None else self._strangers.get(strangers))

    def again(self, data: bytes) -> bytes | None:
        """Return the answer to bytes that were a whole request before, and were answered from what is kept."""
        # A long piece is a part of a body: only to look for it would take as long as to hash it.
        found = self._read.get(data) if len(data) <= _LONGEST_READ else None
        if found is None:
            return None
        url, strangers = found
        return self._kept.get(url) or (None if strangers is None else self._strangers.get(strangers))

    def remember(self, data: bytes, url: bytes, headers: list[Header]) -> None:
        """Remember what bytes mean that were one whole request: the same bytes mean the same again."""
        if len(data) > _LONGEST_READ:
            return
        _note(self._read, data, (url, _strangers_key_of(url, headers)))

    def taker(self, url: bytes, headers: list[Header]) -> Take | None:
        """Return what takes a content for a chain, from somebody who was admitted lately; else None."""
        plain = self._plain(url, headers)
        return None if plain is None else self._taker(plain)

    def take_again(self, data: bytes, reply: Reply) -> bool:
        """Take the body of bytes that are a whole request with a head that is remembered; say whether they were."""
        end = data.find(_HEAD_END) + len(_HEAD_END)
        plain = self._heads.get(data[:end])
        if plain is None or len(data) - end != plain.length:
            return False
        admission = self._writing.admitted(plain.token, plain.chain)
        if admission is None:
            return False
        self._take(admission, plain.kind, data[end:], reply)
        return True

    def remember_head(self, data: bytes, url: bytes, headers: list[Header]) -> None:
        """Remember what a head means, of bytes that were one whole request for ``taker``: whatever body follows it.

        A head that does not end where its body begins, by the length that it names, is another one's: not remembered.
        """
        end = data.find(_HEAD_END) + len(_HEAD_END)
        plain = self._plain(url, headers)
        if plain is None or end > _LONGEST_READ or len(data) - end != plain.length:
            return
        _note(self._heads, data[:end], plain)

    def _plain(self, url: bytes, headers: list[Header]) -> _Plain | None:
        """Read a head; None where it is for the application."""
        if not (url.startswith(_BEFORE) and url.endswith(_AFTER)):
            return None
        chain = url[len(_BEFORE) : -len(_AFTER)]
        found = dict(headers)
        if b"/" in chain or b"%" in chain or b"?" in chain:
            return None  # to be decoded first, or no name of a chain
        if len(found) != len(headers) or not _TELLING.isdisjoint(found):
            return None
        key, length = found.get(b"authorization", b""), found.get(b"content-length", b"")
        if not key.startswith(_BEARER) or not length.isdigit() or int(length[:10]) > self._content_bytes:
            return None
        media_type = _content_type(found.get(b"content-type", b""))
        if media_type is None:
            return None
        token, kind = key[len(_BEARER) :].decode("latin-1"), Kind(media_type)
        return _Plain(token, chain.decode("latin-1"), kind, int(length))

    def _taker(self, plain: _Plain) -> Take | None:
        admission = self._writing.admitted(plain.token, plain.chain)
        return None if admission is None else partial(self._take, admission, plain.kind)

    def _take(self, admission: Admission, kind: Kind, body: bytes, reply: Reply) -> None:
        try:
            self._writing.record(admission, body, kind, reply)
        except Exception as error:  # noqa: BLE001  # a fault in one request must not end the connection without an answer
            asyncio.get_running_loop().call_soon(reply, error)

    def refusal(self, error: Exception) -> bytes:
        """Return the whole answer to a request that was taken and failed."""
        return whole_of(self._failed(POST_ENTRY.path, error))


def strangers_key(url: bytes, accept: bytes | None) -> bytes:
    """Return what tells answers to strangers apart: the address, and the media types that they name."""
    return url if accept is None or accept == b"*/*" else url + b" " + accept


def _strangers_key_of(url: bytes, headers: list[Header]) -> bytes | None:
    """Return the same for a request; None where it presents a key, or says twice what it takes."""
    found = dict(headers)
    if len(found) != len(headers) or b"authorization" in found:
        return None
    return strangers_key(url, found.get(b"accept"))


def _note(known: OrderedDict[bytes, _Meaning], data: bytes, meaning: _Meaning) -> None:
    """Remember what bytes mean; the oldest make room."""
    known[data] = meaning
    if len(known) > _MOST_READ:
        known.popitem(last=False)


@lru_cache(maxsize=1024)
def _content_type(value: bytes) -> str | None:
    """Return a content type as an entry has it; None for an entry that the client made."""
    return None if media_type_of(value) == SUBMISSION else value.decode("latin-1")

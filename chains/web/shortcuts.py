"""Ways past the application for what is asked most: kept answers, and single contents from the parser to the commit.

``chains.web.connection`` asks it with the head of every request. It takes what is plain; whatever has a header that
changes the meaning, comes from somebody who was not admitted lately, or is no content is left to the application.
"""

from collections.abc import Callable
from functools import partial

from chains.web.api_writing import POST_ENTRY, SUBMISSION, created
from chains.web.asgi import Answer, Header, media_type_of, whole_of
from chains.web.connection import Reply, Take
from chains.web.kept_answers import KeptAnswers
from chains.web.operations import In
from chains.web.service import Service
from chains.web.writing import Admission
from chains.web.written import EntryWritten
from chains.work import Content

_BEFORE, _AFTER = (part.encode() for part in POST_ENTRY.path.split("{chain}"))
# A part of a path that is to be decoded first, or is none.
_NOT_PLAIN = (b"/", b"%", b"?")
# What makes more of a request than content for a chain: its own parameters, and what HTTP does with a body.
_TELLING = {
    *(parameter.name.lower().encode() for parameter in POST_ENTRY.parameters if parameter.place is In.HEADER),
    *(b"content-encoding", b"transfer-encoding", b"expect", b"upgrade"),
}
_BEARER = b"Bearer "


class ApiShortcuts:
    """The shortcuts of the HTTP API; ``failed`` makes the answer to a request that failed, from path and error."""

    def __init__(self, service: Service, kept: KeptAnswers, failed: Callable[[str, Exception], Answer]) -> None:
        self._writing = service.writing
        self._content_bytes = service.limits.content_bytes
        self._failed = failed
        self.kept = kept.get

    def taker(self, url: bytes, headers: list[Header]) -> Take | None:
        """Return what takes a content for a chain, from somebody who was admitted lately; else None."""
        chain = url[len(_BEFORE) : -len(_AFTER)]
        if not (url.startswith(_BEFORE) and url.endswith(_AFTER)) or any(mark in chain for mark in _NOT_PLAIN):
            return None
        found = dict(headers)
        if len(found) != len(headers) or not _TELLING.isdisjoint(found):
            return None
        key, length = found.get(b"authorization", b""), found.get(b"content-length", b"")
        content_type = found.get(b"content-type", b"")
        if not key.startswith(_BEARER) or not length.isdigit() or int(length[:10]) > self._content_bytes:
            return None
        if media_type_of(content_type) == SUBMISSION:
            return None
        admission = self._writing.admitted(key[len(_BEARER) :].decode("latin-1"), chain.decode("latin-1"))
        return None if admission is None else partial(self._take, admission, content_type.decode("latin-1"))

    def _take(self, admission: Admission, media_type: str, body: bytes, reply: Reply) -> None:
        tell = partial(self._tell, reply)
        try:
            self._writing.record(admission, Content(body, media_type), tell)
        except Exception as error:  # noqa: BLE001  # a fault in one request must not end the connection without an answer
            tell(error)

    def _tell(self, reply: Reply, told: EntryWritten | Exception) -> None:
        if isinstance(told, EntryWritten):
            reply(whole_of(created(told)))
        else:
            reply(whole_of(self._failed(POST_ENTRY.path, told)))

# SPDX-License-Identifier: Apache-2.0
"""A saved exchange read again: what was asked, what was answered, and what was wrong with it (docs/spec/exchange.md).

Bytes come from a file that ``UntrueAnswerError.save`` wrote, on whatever machine; nothing in it is believed here.
``anchorline dispute make`` looks in it for what the log signed.
"""

from dataclasses import dataclass

from anchor.proof import strictjson
from anchor.proof.checkpoint import Note, from_base64
from anchor.proof.errors import MalformedError
from anchor.proof.promise import Promise
from anchor.proof.strictjson import Fields
from chains.client.errors import EVIDENCE_FORMAT
from chains.client.exchange import Call, Exchange, Reply

MAX_EXCHANGE = 128 * 2**20
"""Requests and answers of a whole batch in base64."""
_MOST_EXCHANGES = 16
_MOST_NOTES = 4
_MOST_HEADERS = 1000


@dataclass(frozen=True, slots=True)
class SavedExchange:
    """What a client kept: ``untruth`` is its name for what was wrong, ``message`` its sentence.

    ``promise`` is the promise that an answer contradicts, ``checkpoints`` the notes that contradict each other.
    """

    untruth: str
    message: str
    exchanges: tuple[Exchange, ...]
    promise: Promise | None = None
    checkpoints: tuple[Note, ...] = ()

    @classmethod
    def decode(cls, data: bytes) -> "SavedExchange":
        """Read a file; raise MalformedError (UnknownVersionError for a newer one) for anything else."""
        fields = Fields(strictjson.loads(data, "exchange", MAX_EXCHANGE), "exchange")
        fields.format(EVIDENCE_FORMAT)
        notes = fields.array("checkpoints", _MOST_NOTES) if "checkpoints" in fields else []
        found = cls(
            fields.text("untruth"),
            fields.text("message"),
            tuple(_exchange(Fields(item, "exchange")) for item in fields.array("exchanges", _MOST_EXCHANGES)),
            Promise.from_json(Fields(fields.take("promise"), "promise").rest()) if "promise" in fields else None,
            tuple(Note.decode(Fields({"note": item}, "exchange.checkpoints").text("note")) for item in notes),
        )
        fields.end()
        return found


def _exchange(fields: Fields) -> Exchange:
    request, answer = (Fields(fields.take(name), f"exchange.{name}") for name in ("request", "answer"))
    call = Call(
        request.text("method"), request.text("path"), tuple(_headers(request).items()), _body(request, "request")
    )
    reply = Reply(answer.integer("status"), _headers(answer), _body(answer, "answer"))
    for each in (request, answer, fields):
        each.end()
    return Exchange(call, reply)


def _headers(fields: Fields) -> dict[str, str]:
    found = Fields(fields.take("headers"), f"{fields.what}.headers").rest()
    if len(found) > _MOST_HEADERS or not all(isinstance(value, str) for value in found.values()):
        raise MalformedError(f"{fields.what}.headers: expected at most {_MOST_HEADERS} names, each with a string")
    return found


def _body(fields: Fields, what: str) -> bytes:
    return from_base64(fields.text("body"), f"exchange.{what}.body")

# SPDX-License-Identifier: Apache-2.0
"""Every way in which a call of the client can fail, each with a name.

The operations raise them; callers match on the class, on ``code`` and on ``untruth``, never on a message.

    AnchorlineError
    └── ClientError
        ├── UnreachableError      no answer came, or only "not now", for as long as was waited
        ├── ProblemAnswerError    the service answered that it will not: ``status``, ``code``, ``detail``
        ├── UntrueAnswerError     the service answered, and what it says does not hold: ``untruth``, ``exchanges``
        ├── NotTheAuthorError     the receipt holds, and somebody else wrote the entry: ``verdict``
        ├── UnpinnedLogError      no log card was given, and trust on first use was not chosen
        └── ClosedError           a batcher was closed, or is full
"""

import base64
from enum import StrEnum
from pathlib import Path
from typing import Any

from anchor.proof import strictjson
from anchor.proof.checkpoint import Note
from anchor.proof.errors import AnchorlineError
from anchor.proof.promise import Promise
from anchor.proof.verdict import Verdict
from chains.client.exchange import Exchange

EVIDENCE_FORMAT = "anchorline-exchange/1"


class Untruth(StrEnum):
    """What was wrong with an answer. The values are stable: evidence files carry them."""

    ANSWER_MALFORMED = "answer-malformed"
    ANOTHER_LOG = "another-log"
    KEY_HISTORY = "key-history-wrong"
    ANOTHER_CHAIN = "another-chain"
    RESULTS_MISSING = "results-missing"
    ANOTHER_ENTRY = "another-entry"
    INDEX = "index-wrong"
    PROMISE_MISSING = "promise-missing"
    PROMISE_OF_ANOTHER = "promise-of-another-entry"
    PROMISE_PATH = "promise-path-wrong"
    PROMISE_SIGNATURE = "promise-signature-wrong"
    PROMISE_TIMES = "promise-times-wrong"
    PROMISE_SUBMITTER = "promise-of-another-submitter"
    COMMITMENT = "commitment-wrong"
    CONTENT_CHANGED = "content-changed"
    ENVELOPE = "envelope-wrong"
    RECEIPT_OF_ANOTHER = "receipt-of-another-entry"
    RECEIPT_INDEX = "receipt-at-another-index"
    RECEIPT_WRONG = "receipt-wrong"
    POLICY = "policy-wrong"
    CHECKPOINT = "checkpoint-wrong"
    HISTORY = "history-forked"
    ACCESS = "access-records-wrong"


class ClientError(AnchorlineError):
    """Base of every error that the client raises."""


class UnreachableError(ClientError):
    """No answer, or only "not now", within the patience of the client; the request may still take effect.

    Everything that the client sends may be sent again. ``status`` is that of the last answer, if there was one;
    ``retry_after_s`` is how long the service asked to wait.
    """

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class ProblemAnswerError(ClientError):
    """The service answered with a problem (RFC 9457); ``code`` is stable, docs/spec/http-api.md lists them.

    ``rule``: of ``policy-not-followed``, which part of the chain's policy forbids the entry.
    """

    def __init__(self, status: int, code: str, detail: str, rule: str = "") -> None:
        super().__init__(f"the service answered {status} {code}: {detail}")
        self.rule = rule
        self.status = status
        self.code = code
        self.detail = detail


class NotTheAuthorError(ClientError):
    """All of a receipt holds but who wrote it: not the expected author, or his key was not valid then.

    The service said nothing untrue. ``verdict`` has the finding, ``another-author`` or ``key-not-valid-then``.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(f"{verdict.diagnosis.finding}: {verdict.steps[2].text}")
        self.verdict = verdict


class UntrueAnswerError(ClientError):
    """What the service says does not hold. ``exchanges`` is what was asked and answered; ``save`` keeps it.

    ``promise`` is the promise that an answer contradicts, where one does; ``checkpoints`` are the signed notes that are
    not one history, where there are such.
    """

    def __init__(
        self,
        untruth: Untruth,
        message: str,
        *exchanges: Exchange,
        promise: Promise | None = None,
        checkpoints: tuple[Note, ...] = (),
    ) -> None:
        super().__init__(f"{untruth}: {message}")
        self.untruth = untruth
        self.exchanges = exchanges
        self.promise = promise
        self.checkpoints = checkpoints

    def save(self, path: Path) -> None:
        """Write the evidence into a new file: what was wrong, and all bytes that were sent and received (JSON).

        The API key is not in it. Raises FileExistsError where there is such a file.
        """
        with path.open("x", encoding="ascii") as file:
            file.write(strictjson.dumps(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as ``save`` writes it."""
        value: dict[str, Any] = {
            "format": EVIDENCE_FORMAT,
            "untruth": str(self.untruth),
            "message": str(self),
            "exchanges": [_exchange_to_json(exchange) for exchange in self.exchanges],
        }
        if self.promise is not None:
            value["promise"] = self.promise.to_json()
        if self.checkpoints:
            value["checkpoints"] = [note.encode() for note in self.checkpoints]
        return value


class UnpinnedLogError(ClientError):
    """Nothing says which log this is to be: give its card, or choose to trust the first one."""


class ClosedError(ClientError):
    """A batcher takes nothing more: it was closed, or has been full for as long as was waited."""


def _exchange_to_json(exchange: Exchange) -> dict[str, Any]:
    call, reply = exchange.call, exchange.reply
    return {
        "request": {"method": call.method, "path": call.path, "headers": dict(call.headers), "body": _text(call.body)},
        "answer": {"status": reply.status, "headers": dict(reply.headers), "body": _text(reply.body)},
    }


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")

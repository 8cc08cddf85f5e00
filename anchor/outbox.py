"""The outbox: what became of checkpoints and anchors, as rows written in the transaction that made it so.

``anchor.directory`` and ``anchor.journal`` add rows, which are never changed; ``chains.webhooks`` and
``chains.events`` tell others. A row names no chain: all of it is in the public directory or on Bitcoin.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from anchor.lifecycle import MINED, REFUSED, Event, Happened, Standing
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.storage.engine import Engine

MAX_PAGE = 1000


class News(StrEnum):
    """What others are told of; the values are stored and sent, so none is ever renamed."""

    SEALED = "sealed"  # a checkpoint was made
    ANCHORED = "anchored"  # its anchor is in a block of the best chain
    FINAL = "final"  # that block is as deep as the network's final depth
    REORGED = "reorged"  # that block left the best chain
    FAILED = "failed"  # a node refused the anchor; another version, or another time, is tried by itself


@dataclass(frozen=True, slots=True)
class Message:
    """One row of the outbox; ``facts`` is its JSON object (docs/spec/webhooks.md), ``at_ms`` Unix milliseconds."""

    event_no: int
    at_ms: int
    news: News
    facts: dict[str, Any]


_MEANS = {
    Event.IN_BLOCK: News.ANCHORED,
    Event.DEEP: News.FINAL,
    Event.LEFT_BLOCK: News.REORGED,
    Event.REFUSED_FEE: News.FAILED,
    Event.REFUSED_INPUTS: News.FAILED,
}


def news_of(before: Standing, happened: Happened) -> News | None:
    """Return what an event of the journal is to others, or None: an attempt's own affair.

    That a mined attempt is found in the same block again is none.
    """
    found = _MEANS.get(happened.event)
    if found is News.ANCHORED and before.block == happened.block and before.state in MINED:
        return None
    return found


class Outbox:
    """The outbox of one database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, news: News, at_ms: int, facts: dict[str, Any]) -> None:
        """Add a row, inside the transaction that makes it true."""
        self.engine.execute(
            "INSERT INTO outbox (at_ms, news, facts) VALUES (?, ?, ?)", (at_ms, news, json.dumps(facts))
        )

    def after(self, event_no: int, limit: int = MAX_PAGE) -> list[Message]:
        """Return the rows after a number (0: from the first), oldest first, at most ``limit``."""
        return self._select("WHERE event_no > ? ORDER BY event_no LIMIT ?", event_no, limit)

    def of_numbers(self, numbers: Iterable[int]) -> list[Message]:
        """Return these rows, in the order given, without those that are not there."""
        return [row for number in numbers for row in self._select("WHERE event_no = ?", number)]

    def newest_no(self) -> int:
        """Return the number of the newest row; 0 where there is none."""
        return int(self.engine.query("SELECT COALESCE(MAX(event_no), 0) FROM outbox")[0][0])

    def _select(self, condition: str, *values: int) -> list[Message]:
        rows = self.engine.query(f"SELECT event_no, at_ms, news, facts FROM outbox {condition}", values)  # noqa: S608  # our own texts
        return [Message(int(number), int(at_ms), News(news), json.loads(facts)) for number, at_ms, news, facts in rows]


def anchor_facts(attempt_no: int, size: int, txid: bytes, before: Standing, happened: Happened) -> dict[str, Any]:
    """Return the facts of a row about an attempt at the checkpoint of ``size`` leaves, which stood so before."""
    block = before.block if happened.event == Event.LEFT_BLOCK else happened.block
    named = {} if block is None else {"block_height": block.height, "block_hash": hash_hex(block.hash)}
    why = {"why": str(happened.event)} if happened.event in REFUSED else {}
    return {"checkpoint_size": size, "attempt": attempt_no, "txid": hash_hex(txid), **named, **why}

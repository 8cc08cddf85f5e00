"""A database that can be moved from or to: the fence that keeps everybody from writing, and rows that come in bulk.

Both engines are such a ``House``; ``chains.moving`` moves a log from one to the other. The one row of ``house_move``
says how far.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from anchor.errors import MovedError
from anchor.storage.engine import Engine, Row
from anchor.storage.tables import Table

FENCED = "the log was moved, or is being moved, to another database: nothing is written here any more"


class State(StrEnum):
    """What the row says (``anchor/storage/migrations.py``)."""

    LEAVING = "leaving"
    LEFT = "left"
    ARRIVING = "arriving"


@dataclass(frozen=True, slots=True)
class Move:
    """The row: ``elsewhere`` is the name of the database that is moved to, or the log id of what arrives.

    ``begun_at_ms`` is when the old one was fenced, in both: what an earlier move had begun is not gone on with.
    """

    state: State
    elsewhere: str
    begun_at_ms: int


class House(Engine, Protocol):
    """An ``Engine`` that can be moved from or to."""

    def fence(self, move: Move, check: Callable[[], None]) -> None:
        """Keep everybody from writing from now on, also who has it open, and store the row, in one step.

        ``check`` looks first, while nobody else writes; where it raises, nothing was done. May be repeated.
        """

    def lift_fence(self) -> None:
        """Let everybody write again, and delete the row."""

    def insert_rows(self, table: Table, rows: Sequence[Row]) -> None:
        """Add rows, all columns of each. Only inside a transaction."""

    def settle_numbers(self, numbered_tables: Sequence[Table]) -> None:
        """Give the next row of each table that numbers itself a number behind those that came in."""


def move_of(engine: Engine) -> Move | None:
    """Return what the row says, None where there is none."""
    rows = engine.query("SELECT state, elsewhere, at_ms FROM house_move")
    return Move(State(rows[0][0]), str(rows[0][1]), int(rows[0][2])) if rows else None


def put_move(engine: Engine, move: Move) -> None:
    """Store the row; in a transaction."""
    engine.execute(
        "INSERT INTO house_move (move_no, state, elsewhere, at_ms) VALUES (0, ?, ?, ?) ON CONFLICT (move_no) DO UPDATE "
        "SET state = excluded.state, elsewhere = excluded.elsewhere, at_ms = excluded.at_ms",
        (str(move.state), move.elsewhere, move.begun_at_ms),
    )


def check_at_home(engine: Engine, name: str) -> None:
    """Raise MovedError where a database is not one that a log lives in now."""
    move = move_of(engine)
    if move is None:
        return
    if move.state is State.ARRIVING:
        raise MovedError(
            f"{name}: a log is being moved here and is not whole yet; run `anchorline migrate --to` once more where it "
            "was begun, or drop this database"
        )
    if move.state is State.LEFT:
        raise MovedError(
            f"{name}: its log was moved to {move.elsewhere}; name that in the settings, or run `anchorline migrate "
            "--to` once more where it was begun"
        )
    raise MovedError(
        f"{name}: its log is being moved to {move.elsewhere}; run `anchorline migrate --to` once more, or `anchorline "
        "migrate --abandon` to stay"
    )

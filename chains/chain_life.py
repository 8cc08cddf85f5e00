"""Where the chains of one home are in their life: which of their entries close, transfer or continue them.

Rows of ``life_entry``, written in the transaction that appends such an entry (by ``chains.writer``,
``chains.together``, ``chains.continuing`` and ``chains.from_mirror``), and made again by the audit from the entries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anchor.errors import ChainClosedError, RefusedEntryError
from anchor.proof.chain_life import Closing, Statement, Transfer, closes, may_follow_closing, statement_of
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.times import utc
from anchor.storage.engine import Engine, Question
from chains.chain import Chain, Chains

KINDS = (ExtensionType.CLOSING, ExtensionType.TRANSFER, ExtensionType.CONTINUATION)


@dataclass(frozen=True, slots=True)
class LifeEntry:
    """An entry that speaks of its chain's life; ``ends_here``: it closes the chain in this log."""

    leaf_index: int
    kind: ExtensionType
    ends_here: bool


def life_entry_of(entry: Entry, leaf_index: int, log_id: bytes) -> LifeEntry | None:
    """Return what an entry at a place says of its chain's life in a log, or None; raise MalformedError."""
    if not any(item.type in KINDS for item in entry.extensions):
        return None
    statement = statement_of(entry)
    [kind] = [ExtensionType(item.type) for item in entry.extensions if item.type in KINDS]
    return LifeEntry(leaf_index, kind, closes(statement, log_id))


def handed_in(entry: Entry, log_id: bytes) -> Statement | None:
    """Return what an entry that somebody hands in says of its chain's life, or None.

    Raises RefusedEntryError where it is not his to say: transfers and continuations are written by the service.
    """
    if not entry.extensions:
        return None
    statement = statement_of(entry)
    if isinstance(statement, Closing) and statement.moved_to == log_id:
        raise RefusedEntryError("the entry closes its chain to go on in this very log: name another log, or none")
    if statement is not None and not isinstance(statement, Closing):
        which = "`anchorline chain transfer`" if isinstance(statement, Transfer) else "`anchorline chain continue`"
        raise RefusedEntryError(f"the service itself writes such an entry: {which} does it")
    return statement


NEWEST: Question = ("SELECT COALESCE(MAX(life_no), 0) FROM life_entry", ())
"""The number of the newest row about the life of any chain."""


class ChainLives:
    """The lives of the chains of one database, as their entries say."""

    def __init__(self, engine: Engine, chains: Chains) -> None:
        self.engine = engine
        self.chains = chains
        self._closed: dict[int, int] = {}
        self._newest = 0

    def closed(self, newest: int | None = None) -> Mapping[int, int]:
        """Return the chains that are closed here: chain_no to the index of the closing.

        Asked once for each commit, before it writes: one look at the newest row while nothing was closed since.
        ``newest`` is what ``NEWEST`` was answered with, where it was asked already.
        """
        newest = int(self.engine.query(*NEWEST)[0][0]) if newest is None else newest
        if newest != self._newest:
            since = self._newest if newest > self._newest else 0
            rows = self.engine.query(
                "SELECT chain_no, leaf_index FROM life_entry WHERE life_no > ? AND life_no <= ? AND ends_here = 1",
                (since, newest),
            )
            known = self._closed if since else {}
            self._closed, self._newest = known | {int(chain_no): int(index) for chain_no, index in rows}, newest
        return self._closed

    def of(self, chain: Chain) -> list[LifeEntry]:
        """Return the entries of a chain that speak of its life, in order."""
        rows = self.engine.query(
            "SELECT leaf_index, kind, ends_here FROM life_entry WHERE chain_no = ? ORDER BY leaf_index",
            (chain.chain_no,),
        )
        return [LifeEntry(int(index), ExtensionType(kind), bool(ends_here)) for index, kind, ends_here in rows]

    def closing(self, chain: Chain) -> tuple[int, Closing] | None:
        """Return the closing of a chain and its index, or None while it is open."""
        at = next((each.leaf_index for each in self.of(chain) if each.ends_here), None)
        if at is None:
            return None
        statement = statement_of(self.entry(chain, at))
        assert isinstance(statement, Closing), "a row that ends its chain is of a closing"
        return at, statement

    def check_next(self, chain: Chain, entries: Iterable[Entry] | None, log_id: bytes) -> None:
        """Raise ChainClosedError where entries (None: contents) would stand behind the closing of their chain."""
        is_closed = chain.chain_no in self.closed()
        for entry in entries or ():
            if is_closed and not may_follow_closing(entry):
                raise self.refusal(chain)
            is_closed = is_closed or closes(_statement(entry), log_id)
        if is_closed and entries is None:
            raise self.refusal(chain)

    def note(self, chain: Chain, first_index: int, entries: Sequence[Entry], log_id: bytes) -> None:
        """Store which entries speak of their chain's life, inside the transaction that appended them."""
        for leaf_index, entry in enumerate(entries, first_index):
            found = life_entry_of(entry, leaf_index, log_id)
            if found is not None:
                self.engine.execute(
                    "INSERT INTO life_entry (chain_no, leaf_index, kind, ends_here) VALUES (?, ?, ?, ?)",
                    (chain.chain_no, leaf_index, int(found.kind), int(found.ends_here)),
                )

    def refusal(self, chain: Chain) -> ChainClosedError:
        """Return why nothing is recorded on a closed chain: since when, why, and where to go on."""
        found = self.closing(chain)
        if found is None:  # it is being closed in the commit under way
            return ChainClosedError(f"chain {chain.chain_id.hex()} is being closed now: nothing more is recorded there")
        at, closing = found
        why = f', for "{closing.reason}"' if closing.reason else ""
        to = f"it goes on in log {closing.moved_to.hex()}" if closing.moved_to else "open another chain to go on"
        since = f"was closed by its entry {at} at {utc(closing.made_at_ms)}{why}"
        return ChainClosedError(f"chain {chain.chain_id.hex()} {since}: only erasures are recorded there; {to}")

    def earlier_receipt(self, chain: Chain, leaf_index: int) -> bytes | None:
        """Return the other log's receipt on which the continuation at a place rests, or None where it is missing."""
        rows = self.engine.query(
            "SELECT receipt FROM earlier_receipt WHERE chain_no = ? AND leaf_index = ?", (chain.chain_no, leaf_index)
        )
        return bytes(rows[0][0]) if rows else None

    def earlier_receipts_of(self, chain: Chain) -> dict[int, bytes]:
        """Return all such receipts of a chain, by the indexes of its continuations."""
        rows = self.engine.query(
            "SELECT leaf_index, receipt FROM earlier_receipt WHERE chain_no = ?", (chain.chain_no,)
        )
        return {int(leaf_index): bytes(receipt) for leaf_index, receipt in rows}

    def earlier_receipts(self) -> dict[int, dict[int, bytes]]:
        """Return all such receipts: of each chain_no by the indexes of its continuations. Few chains have any."""
        found: dict[int, dict[int, bytes]] = {}
        for chain_no, leaf_index, receipt in self.engine.query(
            "SELECT chain_no, leaf_index, receipt FROM earlier_receipt ORDER BY chain_no, leaf_index"
        ):
            found.setdefault(int(chain_no), {})[int(leaf_index)] = bytes(receipt)
        return found

    def keep_earlier_receipt(self, chain: Chain, leaf_index: int, receipt: bytes) -> None:
        """Store that receipt, inside the transaction that appends the continuation."""
        self.engine.execute(
            "INSERT INTO earlier_receipt (chain_no, leaf_index, receipt) VALUES (?, ?, ?)",
            (chain.chain_no, leaf_index, receipt),
        )

    def entry(self, chain: Chain, leaf_index: int) -> Entry:
        """Return an entry of a chain."""
        [(_, seq, _)] = self.chains.seq_ranges(chain, leaf_index, leaf_index + 1)
        return Entry.decode(self.chains.bundles.row(seq)[1])


def _statement(entry: Entry) -> Statement | None:
    return statement_of(entry) if entry.extensions else None

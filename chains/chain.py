"""Chains: open one, know it by id or by name, and append rows to it inside a group commit.

``chains.writer`` decides what may be appended; ``append_each`` is the one place where entry rows and leaf hashes are
written. Order within a chain is the order of its leaf_index, which is gapless: rows
belong to chains in runs (extents), each of which goes on where the one before ended.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from anchor.errors import ChainExistsError, RefusedEntryError, StorageCorruptError, UnknownChainError
from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.log import Trees, TreeState, questions_about, states_in
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import SALT_SIZE
from anchor.storage.engine import Engine, Question, Row
from chains.bundle import NEWEST, Bundles, Column, next_seq_of
from chains.content_cipher import DAMAGED, ERASED, UNREADABLE
from chains.content_keys import ContentKeys

MAX_NAME = 100
_LAST_RUN: Question = (
    (
        "SELECT first_seq, chain_no, first_index, entry_count, submitter, with_ids FROM extent "
        "ORDER BY first_seq DESC LIMIT 1"
    ),
    (),
)
_RUNS_AT_ONCE = 256
"""Runs, or chains, read with one question."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain kept here; ``name`` is this home's label for it, ``chain_no`` its tree_no."""

    chain_no: int
    chain_id: bytes
    name: str | None
    opened_at_ms: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries to append, column by column, all of one length (a tuple for each row costs as much as a hash).

    ``kept`` is what ``keep_content`` or ``keep_digest`` made; ``with_ids``: some entries have external ids or links.
    """

    entries: Column
    kept: Column
    hashes: Pieces
    with_ids: bool


KEPT_CONTENT = b"\x01"
KEPT_DIGEST = b"\x02"
_KEPT_BOX = b"\x03"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept beside an entry: the salt, the SHA-256 of the content, and the content unless only known by it."""

    salt: bytes
    digest: bytes
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stored entry belongs."""

    chain_no: int
    leaf_index: int
    submitter: bytes


class Run(NamedTuple):
    """Rows that follow one another in one chain, from one submitter."""

    first_seq: int
    chain_no: int
    first_index: int
    entry_count: int
    submitter: bytes
    with_ids: int


def keep_content(salt: bytes, content: bytes) -> bytes:
    """Return the ``kept`` column for content that is stored."""
    return KEPT_CONTENT + salt + content


def keep_digest(salt: bytes, digest: bytes) -> bytes:
    """Return the ``kept`` column for content that stays elsewhere."""
    return KEPT_DIGEST + salt + digest


def keep_box(box: bytes) -> bytes:
    """Return the ``kept`` column for content that came encrypted (docs/spec/envelope.md)."""
    return _KEPT_BOX + box


def box_in(kept: bytes | None) -> bytes | None:
    """Return the encrypted content in a ``kept`` column, or None where there is none."""
    return kept[len(_KEPT_BOX) :] if kept is not None and kept.startswith(_KEPT_BOX) else None


def keep_contents(salts: Pieces, contents: Sequence[bytes], sizes: Sequence[int]) -> Column:
    """Return the ``kept`` column of contents (and their sizes) that are stored, as ``keep_content`` makes each."""
    return Column(HASHING.woven(KEPT_CONTENT, salts, contents), list(map((1 + SALT_SIZE).__add__, sizes)))


def keep_digests(salts: Pieces, digests: Pieces) -> Column:
    """Return the ``kept`` column of contents that stay elsewhere, as ``keep_digest`` makes each."""
    return Column(HASHING.woven(KEPT_DIGEST, salts, digests), [1 + SALT_SIZE + HASH_SIZE] * len(digests))


def keep_each(salts: Sequence[bytes], digests: Sequence[bytes], contents: Sequence[bytes | None]) -> Column:
    """Return the ``kept`` column of contents of which some are stored, and some (None) stay elsewhere."""
    pieces: list[bytes] = []
    for salt, digest, content in zip(salts, digests, contents, strict=True):
        pieces += (KEPT_DIGEST, salt, digest) if content is None else (KEPT_CONTENT, salt, content)
    sizes = [1 + SALT_SIZE + (HASH_SIZE if content is None else len(content)) for content in contents]
    return Column(b"".join(pieces), sizes)


class Gone(StrEnum):
    """Why what was kept beside an entry cannot be read."""

    ERASED = "erased"
    UNREADABLE = "unreadable"
    """Its key is not here: the home was restored without its content keys, or with older ones."""
    DAMAGED = "damaged"


def gone(kept: bytes | None) -> Gone | None:
    """Say why a ``kept`` column cannot be read; None where it can, or where nothing was kept."""
    return _GONE.get(kept) if kept is not None and len(kept) == 1 else None


_GONE = {ERASED: Gone.ERASED, UNREADABLE: Gone.UNREADABLE, DAMAGED: Gone.DAMAGED}


def decode_kept(kept: bytes | None) -> Kept | None:
    """Read a ``kept`` column; None where nothing is kept, or nothing that can be read here (``box_in``, ``gone``)."""
    if kept is None or kept in _GONE or box_in(kept) is not None:
        return None
    salt, rest = kept[1 : 1 + SALT_SIZE], kept[1 + SALT_SIZE :]
    if kept[:1] == KEPT_CONTENT and len(salt) == SALT_SIZE:
        return Kept(salt, sha256(rest), rest)
    if kept[:1] == KEPT_DIGEST and len(rest) == HASH_SIZE:
        return Kept(salt, rest, None)
    raise StorageCorruptError(f"a kept column of {len(kept)} bytes is damaged; run `anchorline audit`")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a commit goes on from: the seq of its first row, the run of the last one, and the logs of some chains."""

    next_seq: int
    last: Run | None
    states: Mapping[int, TreeState]


def questions_of_standing(chain_nos: Collection[int]) -> list[Question]:
    """Return what is asked for a ``Standing``; the answers are for ``standing_in``."""
    return [NEWEST, _LAST_RUN, *questions_about(sorted(chain_nos))]


def standing_in(answers: Sequence[list[Row]]) -> Standing:
    """Return the standing, as ``questions_of_standing`` was answered."""
    newest, extents, *stored = answers
    return Standing(next_seq_of(newest), Run(*extents[0]) if extents else None, states_in(stored))


class Chains:
    """The chains of one database."""

    def __init__(self, engine: Engine, trees: Trees, keys: ContentKeys) -> None:
        self.engine = engine
        self.trees = trees
        self.keys = keys
        self.bundles = Bundles(engine, keys)

    def open(self, chain_id: bytes, name: str | None, now_ms: int) -> Chain:
        """Add a chain, inside a transaction; raise ChainExistsError where its id or name is taken."""
        check_name(name)
        if self.by_id(chain_id) is not None:
            raise ChainExistsError(f"chain {chain_id.hex()} exists already: other external ids give another chain")
        if name is not None and self.by_name(name) is not None:
            raise ChainExistsError(f"a chain called {name!r} exists already: choose another name")
        chain_no = self.trees.create(chain_id)
        self.engine.execute(
            "INSERT INTO chain (chain_no, name, opened_at_ms) VALUES (?, ?, ?)", (chain_no, name, now_ms)
        )
        return Chain(chain_no, chain_id, name, now_ms)

    def by_id(self, chain_id: bytes) -> Chain | None:
        """Return the chain with this id, or None."""
        return next(self._select("WHERE tree.chain_id = ?", chain_id), None)

    def by_no(self, chain_no: int) -> Chain | None:
        """Return the chain with this number, or None."""
        return next(self._select("WHERE chain.chain_no = ?", chain_no), None)

    def by_name(self, name: str) -> Chain | None:
        """Return the chain with this name, or None."""
        return next(self._select("WHERE chain.name = ?", name), None)

    def named(self, name_or_id: str) -> Chain:
        """Return the chain that a person means: a name, or a chain id in hex."""
        found = self.by_name(name_or_id)
        if found is None and len(name_or_id) == 2 * HASH_SIZE:
            try:
                found = self.by_id(bytes.fromhex(name_or_id))
            except ValueError:
                found = None
        if found is None:
            raise UnknownChainError(
                f"no chain called {name_or_id[:80]!r} here; `anchorline chain list` shows them, "
                "`anchorline chain create` opens one"
            )
        return found

    def all(self) -> Iterator[Chain]:
        """Yield every chain in the order of opening."""
        return self._select("ORDER BY chain.chain_no")

    def after(self, chain_no: int, count: int) -> Iterator[Chain]:
        """Yield chains in the order of opening, from behind ``chain_no`` on, at most ``count``."""
        return self._select("WHERE chain.chain_no > ? ORDER BY chain.chain_no LIMIT ?", chain_no, count)

    def size(self, chain: Chain) -> int:
        """Return how many entries a chain has."""
        return self.trees.state(chain.chain_no).size

    def append_rows(self, chain: Chain, batch: Batch, submitter: bytes) -> Run:
        """Append a batch, inside a transaction; return where it is (``append_each``)."""
        return self.append_each([(chain, batch, submitter)])[0]

    def append_each(
        self, batches: Sequence[tuple[Chain, Batch, bytes]], standing: "Standing | None" = None
    ) -> list[Run]:
        """Append batches, each with its chain and submitter, inside a transaction; return where they are, in order.

        The rows take the next seqs, and their places the next leaf_indexes: both only ever grow. Whatever has to be
        asked is asked once for all of them, before anything is written, so that all is written in one go. ``standing``
        was asked for in this transaction already, perhaps before some of the chains were opened; who has it did
        ``keys.look`` before the transaction.
        """
        numbers = {chain.chain_no for chain, _, _ in batches}
        looked = standing is not None
        if standing is None:
            standing = standing_in(self.engine.query_each(questions_of_standing(numbers)))
        seq = first_seq = standing.next_seq
        last = standing.last
        states = {**standing.states, **self.trees.states(numbers - standing.states.keys())}
        runs: list[Run] = []
        leaves: dict[int, list[bytes]] = {}
        ends = {number: state.size for number, state in states.items()}
        for chain, batch, submitter in batches:
            count, number = len(batch.entries), chain.chain_no
            runs.append(Run(seq, number, ends[number], count, submitter, int(batch.with_ids)))
            leaves.setdefault(number, []).append(batch.hashes.flat)
            seq += count
            ends[number] += count
        self.trees.append_each([(states[number], b"".join(hashes)) for number, hashes in leaves.items()])
        entries = Column.joined([batch.entries for _, batch, _ in batches])
        kept = Column.joined([batch.kept for _, batch, _ in batches])
        self.bundles.append(first_seq, entries, kept, looked=looked)
        self._extend(last, runs)
        return runs

    def _extend(self, last: Run | None, runs: Sequence[Run]) -> None:
        """Note runs of rows; one that goes on where the last run of all rows ended makes that one longer."""
        if last is not None and _goes_on(last, runs[0]):
            self.engine.execute_many(
                "UPDATE extent SET entry_count = entry_count + ? WHERE first_seq = ?",
                [(runs[0].entry_count, last.first_seq)],
            )
            runs = runs[1:]
        self.engine.execute_many(
            "INSERT INTO extent (first_seq, chain_no, first_index, entry_count, submitter, with_ids) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            runs,
        )

    def runs(self, start: int, end: int) -> Iterator[Run]:
        """Yield the runs of rows with seqs start to end-1, cut to that range, in order."""
        question = (
            "SELECT first_seq, chain_no, first_index, entry_count, submitter, with_ids FROM extent WHERE first_seq "
            ">= COALESCE((SELECT MAX(first_seq) FROM extent WHERE first_seq <= ?), 0) ORDER BY first_seq LIMIT ?"
        )
        missing = "row {} belongs to no chain; run `anchorline audit`"
        # Most ask for one, and a commit of many callers has hundreds.
        return self._cut_runs(
            lambda at, most: self.engine.query(question, (at, most)), lambda run: run.first_seq, (start, end), missing
        )

    def _cut_runs(
        self,
        ask: Callable[[int, int], list[Row]],
        first_of: Callable[[Run], int],
        wanted: tuple[int, int],
        missing: str,
        at_once: int = 1,
    ) -> Iterator[Run]:
        """Yield the runs that hold ``wanted``, cut to it: seqs or leaf indexes [start, end), as ``first_of`` says.

        ``ask`` returns so many rows at most, from the run that holds a place on; ``missing`` says what a gap is.
        """
        start, end = wanted
        while start < end:
            for run in (Run(*row) for row in ask(start, at_once) or [(0, 0, 0, 0, b"", 0)]):
                if start >= end:
                    return
                skipped = start - first_of(run)
                if not 0 <= skipped < run.entry_count:
                    raise StorageCorruptError(missing.format(start))
                count = min(run.entry_count - skipped, end - start)
                first_seq, first_index = run.first_seq + skipped, run.first_index + skipped
                yield run._replace(first_seq=first_seq, first_index=first_index, entry_count=count)
                start += count
            at_once = _RUNS_AT_ONCE

    def ids_of(self, chain_nos: Collection[int]) -> dict[int, bytes]:
        """Return the chain id of each of these, by number."""
        found: dict[int, bytes] = {}
        numbers = sorted(chain_nos)
        for at in range(0, len(numbers), _RUNS_AT_ONCE):
            some = numbers[at : at + _RUNS_AT_ONCE]
            places = ", ".join("?" * len(some))
            rows = self.engine.query(f"SELECT tree_no, chain_id FROM tree WHERE tree_no IN ({places})", some)  # noqa: S608  # places only
            found |= {int(number): bytes(chain_id) for number, chain_id in rows}
        return found

    def next_seq(self) -> int:
        """Return the seq that the next row takes; the first is 1."""
        return self.bundles.next_seq()

    def place_of(self, seq: int) -> Place:
        """Return where the row with this seq belongs."""
        run = next(self.runs(seq, seq + 1))
        return Place(run.chain_no, run.first_index, run.submitter)

    def seq_ranges(self, chain: Chain, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (leaf_index, first seq, count) of the runs that hold a chain's leaves start to end-1, in order."""
        return ((run.first_index, run.first_seq, run.entry_count) for run in self.runs_of(chain, start, end))

    def runs_of(self, chain: Chain, start: int, end: int, at_once: int = 1) -> Iterator[Run]:
        """Yield the runs that hold a chain's leaves start to end-1, cut to that range, in order.

        Most ask for one entry, or have it all in one run; who knows better asks for more with the first question.
        """
        question = (
            "SELECT first_seq, chain_no, first_index, entry_count, submitter, with_ids FROM extent "
            "WHERE chain_no = ? AND first_index >= COALESCE("
            "(SELECT MAX(first_index) FROM extent WHERE chain_no = ? AND first_index <= ?), 0) "
            "ORDER BY first_index LIMIT ?"
        )
        number, missing = chain.chain_no, f"chain {chain.chain_id.hex()}: entry {{}} is missing; run `audit`"

        def ask(at: int, most: int) -> list[Row]:
            return self.engine.query(question, (number, number, at, most))

        return self._cut_runs(ask, lambda run: run.first_index, (start, end), missing, at_once)

    def _select(self, condition: str, *values: str | bytes | int) -> Iterator[Chain]:
        rows = self.engine.query(
            "SELECT chain.chain_no, tree.chain_id, chain.name, chain.opened_at_ms FROM chain "  # noqa: S608  # our own texts
            f"JOIN tree ON tree.tree_no = chain.chain_no {condition}",
            values,
        )
        return (Chain(int(no), bytes(chain_id), name, int(at_ms)) for no, chain_id, name, at_ms in rows)


def _goes_on(last: Run, run: Run) -> bool:
    """Say whether a run is of the same chain and submitter as the last one, and both have external ids or neither."""
    return (last.chain_no, last.submitter, last.with_ids) == (run.chain_no, run.submitter, run.with_ids)


def check_name(name: str | None) -> None:
    """Raise RefusedEntryError for a name that could not be told from an id, or not be typed."""
    if name is None:
        return
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or name != name.strip():
        raise RefusedEntryError(f"chain name: expected 1 to {MAX_NAME} printable characters, got {name[:120]!r}")
    if len(name) == 2 * HASH_SIZE and all(char in "0123456789abcdef" for char in name.lower()):
        raise RefusedEntryError("chain name: 64 hex digits would be taken for a chain id; choose another name")

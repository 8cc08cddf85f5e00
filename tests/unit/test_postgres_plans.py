"""How PostgreSQL goes about every statement of the way of an entry: none reads a whole table, however large it grows.

An engine asks for each statement's plan before it is run, with all that reads whole tables made dear, so that few rows
say what many would: where a plan still does, no index serves.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from anchor.errors import StorageError
from anchor.storage.engine import Question, Row, Value
from anchor.storage.postgres import PostgresEngine
from chains.access import Role, Visibility
from chains.accounts import Accounts
from chains.idempotency import RequestKey
from chains.reader import Reader
from chains.together import commit_together
from chains.work import Content
from tests.postgres import PostgresServer
from tests.simulators.store import GENESIS, START_MS, Store, chain_id, clear, submission_of

pytestmark = pytest.mark.postgres
FEW_ROWS = {"write_turn", "house_move", "lease", "applied_migration", "identity", "lookup_run"}
"""Tables of one row; of the index's runs, of eight for each power of eight."""
FEW_IN_INDEX = {"checkpoint_unsigned"}
"""Indexes of what is in a state that passes, which are read whole."""
ENDS_EARLY = {"Limit", "Result"}


class PlannedPostgres(PostgresEngine):
    """``slow`` has the statements whose plan reads a table, or a whole index, from one end to the other."""

    def __init__(self, address: str) -> None:
        self.slow: list[tuple[str, str]] = []
        self.planned: set[str] = set()
        self._is_watching = False
        super().__init__(address)

    @contextmanager
    def watched(self) -> Iterator[None]:
        for dear in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            super().query("SELECT set_config(?, 'off', false)", (dear,))
        self._is_watching = True
        yield
        self._is_watching = False

    @contextmanager
    def transaction(self, questions: Sequence[Question] = ()) -> Iterator[list[list[Row]]]:
        for sql, values in questions:
            self._plan(sql, values)
        with super().transaction(questions) as answers:
            yield answers

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        self._plan(sql, values)
        return super().query(sql, values)

    def query_each(self, questions: Sequence[Question]) -> list[list[Row]]:
        for sql, values in questions:
            self._plan(sql, values)
        return super().query_each(questions)

    def execute(self, sql: str, *rows: Sequence[Value]) -> int:
        self._plan(sql, rows[0] if rows else ())
        return super().execute(sql, *rows)

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        given = list(rows)
        if given:
            self._plan(sql, given[0])
        super().execute_many(sql, given)

    def _plan(self, sql: str, values: Sequence[Value]) -> None:
        if not self._is_watching or sql in self.planned:
            return
        self.planned.add(sql)
        [([found],)] = super().query(f"EXPLAIN (FORMAT JSON) {sql}", values)
        self.slow += [(sql, why) for why in slow_steps(found["Plan"], ends_early=False)]


def slow_steps(plan: dict[str, Any], *, ends_early: bool) -> Iterator[str]:
    """Yield the steps of a plan that read all of a table: not by a condition on an index, and not ended by a LIMIT."""
    kind, table = plan["Node Type"], plan.get("Relation Name", "")
    is_scan = (
        kind.endswith("Scan") and table not in FEW_ROWS and kind not in {"Values Scan", "CTE Scan", "Subquery Scan"}
    )
    if kind == "Seq Scan" and table not in FEW_ROWS:
        yield f"Seq Scan on {table}"
    elif is_scan and not (kind == "Bitmap Heap Scan" or "Index Cond" in plan or ends_early or _is_few(plan)):
        yield f"{kind} of all of {plan.get('Index Name')}"
    # What sorts or counts reads everything below it first.
    ends_early = kind in ENDS_EARLY or (ends_early and kind not in {"Sort", "Aggregate", "Hash"})
    for each in plan.get("Plans", []):
        yield from slow_steps(each, ends_early=ends_early)


def _is_few(plan: dict[str, Any]) -> bool:
    return plan.get("Index Name") in FEW_IN_INDEX


@pytest.fixture
def engine(postgres_server: PostgresServer) -> Iterator[PlannedPostgres]:
    made = PlannedPostgres(postgres_server.log_database())
    yield made
    made.close()


def test_a_statement_without_an_index_is_found(engine: PlannedPostgres) -> None:
    """A look-up by a column without an index is named, in a question and in a change; one by a key is not."""
    with engine.watched(), engine.transaction():
        engine.query("SELECT size FROM tree WHERE tree_no = ?", (1,))
        engine.query("SELECT MAX(first_seq) FROM bundle")
        assert [] == engine.slow
        engine.query("SELECT tree_no FROM tree WHERE built_size = ?", (1,))
        engine.execute("UPDATE tree SET size = 1 WHERE built_size = ?", (1,))
        engine.query("SELECT COUNT(*) FROM bundle")
        engine.query("SELECT tree_no FROM tree ORDER BY built_size LIMIT 1")
        with pytest.raises(StorageError):
            engine.query("SELECT nothing FROM tree")
    assert 4 == len(engine.slow)


def test_the_way_of_an_entry_goes_by_indexes(engine: PlannedPostgres) -> None:
    """Admitted, recorded again and anew, indexed, sealed, found and proved: no statement reads a whole table."""
    store = Store(engine)
    accounts, reader = Accounts(engine), Reader(engine, store.chains, store.lookup)
    acme = accounts.organisations.create("acme", START_MS)
    key = accounts.keys.create(acme, Role.WRITER, "press", None, START_MS)
    chains = [store.open_chain(name) for name in ("one", "two")]
    with engine.transaction():
        for chain in chains:
            accounts.sharing.own(chain, acme, Visibility.PRIVATE)
    with engine.watched():
        for number in range(9):
            actors, access = accounts.acting([key.token], [chain.chain_no for chain in chains], START_MS)
            assert (1, 2) == (len(actors), len(access))
            made = submission_of(chain_id("one"), b"%d" % number, clear("lot 7"))
            works = [
                store.writer.prepare(chains[0], [made], bytes(16), RequestKey(b"%032d" % number, bytes(32))),
                store.writer.prepare(chains[1], [Content(b"%d" % place) for place in range(300)]),
            ]
            commit_together(store.writer, works, START_MS + number)
            store.lookup.maintain(1)
        again = store.writer.submit(chains[0], [made], START_MS + 10)
        assert again[0].repeated
        store.directory.seal(store.checkpoint_key, START_MS + 11, GENESIS)
        store.directory.sign_stored(store.checkpoint_key)
        assert reader.by_hash(again[0].entry_hash) is not None
        assert 9 == len(list(reader.by_external_id(clear("lot 7"))))
        assert 300 == len(reader.page(chains[1], 100, 300))
        store.trees.inclusion_path(chains[1].chain_no, 1000, store.chains.size(chains[1]))
        assert store.directory.newest() is not None
    assert len(engine.planned) > 40
    assert [] == engine.slow

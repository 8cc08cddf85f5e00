"""Content keys in a PostgreSQL database of their own, which every host of a log reaches (ADR 56).

``chains.key_store`` opens it where the setting ``content_keys`` names an address. It must not be the log's database:
backups of that one must not hold the keys.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from anchor.errors import NewerHomeError, SettingsError
from anchor.storage.engine import Row, Value
from anchor.storage.postgres import PostgresEngine, without_password
from chains.key_store import MIGRATIONS, PUT_SECRET, SECRET

_LOG = "log"
"""The row of ``secret`` that says whose keys these are: two logs have the same seqs."""


class KeyDatabase:
    """A ``KeyStore`` in a database; it is opened when it is first asked for something."""

    def __init__(self, address: str, log_id: Callable[[], bytes]) -> None:
        self.name = without_password(address)
        self._address = address
        self._log_id = log_id
        self._engine: PostgresEngine | None = None

    def version(self) -> int | None:
        """See ``KeyStore.version``."""
        return self._opened().last_turn()

    def query(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """See ``KeyStore.query``."""
        return self._opened().query(sql, values)

    def execute(self, sql: str, *rows: Sequence[Value]) -> None:
        """See ``KeyStore.execute``."""
        self._opened().execute_many(sql, rows)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See ``KeyStore.writing``; whoever writes first says whose keys these are."""
        engine = self._opened()
        with engine.transaction():
            if not self._is_ours(engine):
                engine.execute(PUT_SECRET, (_LOG, self._log_id()))
            yield

    def wipe(self) -> None:
        """See ``KeyStore.wipe``: its tables are written anew. What it had in its write-ahead log stays there."""
        for table in ("block", "secret"):
            self._opened().rewrite(table)

    def close(self) -> None:
        """See ``KeyStore.close``."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _opened(self) -> PostgresEngine:
        if self._engine is None:
            try:
                engine = PostgresEngine(self._address, migrations=MIGRATIONS)
            except NewerHomeError as error:
                raise SettingsError(
                    f"content_keys: expected a database of their own, found one with other tables: {error}; make one "
                    "with `createdb -E UTF8`, and name it"
                ) from error
            try:
                self._is_ours(engine)
            except BaseException:
                engine.close()
                raise
            self._engine = engine
        return self._engine

    def _is_ours(self, engine: PostgresEngine) -> bool:
        """Say whether somebody said that these are this log's keys; raise SettingsError where they are another's."""
        found = engine.query(SECRET, (_LOG,))
        if not found or bytes(found[0][0]) == self._log_id():
            return bool(found)
        if engine.query("SELECT 1 FROM block LIMIT 1"):
            raise SettingsError(
                f"content_keys: expected the keys of log {self._log_id().hex()}, {self.name} has those of log "
                f"{bytes(found[0][0]).hex()}; name the database of this log's keys"
            )
        return False  # of an `anchorline init` that came to no end: nothing was ever written under these

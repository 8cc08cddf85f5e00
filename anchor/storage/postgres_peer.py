"""What is asked of a connection to PostgreSQL beyond its address: to notice a silent peer, and to say when it is sure.

``anchor.storage.postgres`` opens its connections with this, and commits by it. Neither needs anything that other
servers with PostgreSQL's protocol would not have, or may not leave out.
"""

from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from anchor.storage.postgres_together import WaitingWrites

CONNECT_TIMEOUT_S = 10
# A peer that is cut off says nothing, and a system's own defaults notice that after two hours. Here an idle connection
# is asked after 10 s, and given up after three more silent questions; what was sent has 20 s to be confirmed.
_OWN = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "application_name": "anchorline",
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# The same for the server's end, which would else keep the turn of a host that is gone: libpq's words and the server's
# (PostgreSQL documentation, 34.1.2 and 20.3.2), in the same units.
_SERVERS = {
    "keepalives_idle": "tcp_keepalives_idle",
    "keepalives_interval": "tcp_keepalives_interval",
    "keepalives_count": "tcp_keepalives_count",
    "tcp_user_timeout": "tcp_user_timeout",
}


def connection_string(address: str) -> str:
    """Return an address with what libpq is told beside it; what the address says itself is left as it is.

    Of several hosts the one that takes writes is found: the others are its replicas.
    """
    given = conninfo_to_dict(address)
    own: dict[str, Any] = {name: value for name, value in _OWN.items() if given.get(name) is None}
    if names_several_hosts(address) and given.get("target_session_attrs") is None:
        own["target_session_attrs"] = "read-write"
    return make_conninfo(address, **own)


def names_several_hosts(address: str) -> bool:
    """Say whether an address names more than one host: a primary, and who takes its place."""
    given = conninfo_to_dict(address)
    return "," in f"{given.get('host', '')}{given.get('hostaddr', '')}"


def notice_silence(connection: "psycopg.Connection[Any]", connected_by: str) -> None:
    """Have the server notice a silent client as soon as the client notices a silent server; where it knows how to."""
    parts = conninfo_to_dict(connected_by)
    connection.execute(
        "SELECT set_config(name, setting, false) FROM unnest($1::text[], $2::text[]) AS asked (name, setting) "
        "WHERE name IN (SELECT name FROM pg_settings)",
        (list(_SERVERS.values()), [str(parts[name]) for name in _SERVERS]),
    )


_END_SILENT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE state <> 'idle' AND wait_event IN ('ClientRead', 'ClientWrite')
    AND state_change < clock_timestamp() - make_interval(secs => $1)
    AND pid IN (
        SELECT pid FROM pg_locks WHERE relation = to_regclass('write_turn') AND mode = 'RowExclusiveLock' AND granted
    )"""


def end_silent(connection: "psycopg.Connection[Any]", silent_s: float) -> bool:
    """End who holds the turn and whose client was silent for so long in a transaction; say if there was anybody.

    A server ends by itself who is silent between statements (``idle_in_transaction_session_timeout``), but for two: who
    has sent half of a statement, and who was last asked in a pipeline, behind which libpq sends a Flush that stops the
    server's clock (seen with PostgreSQL 15). A process that is frozen there answers keepalives, and holds up everybody.
    What it had done is undone. Where the server knows no such thing, or this user may not, nobody is ended.
    """
    try:
        return bool(connection.execute(_END_SILENT, (float(silent_s),)).fetchall())
    except psycopg.Error:
        return False


def commit(connection: "psycopg.Connection[Any]", writes: WaitingWrites) -> None:
    """Run what waits, commit, and return when it is as durable as was asked for; raises psycopg's errors.

    A server whose wait for its replica was called off (``pg_cancel_backend``) has committed, and only warns that the
    replica may not have it (PostgreSQL documentation, 27.2.8.1): that is no commit to be acknowledged.
    """
    warned: list[str] = []

    def note(diagnostic: errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            warned.append(diagnostic.message_primary or "")

    connection.add_notice_handler(note)
    try:
        writes.send_with(connection, "COMMIT")
    finally:
        connection.remove_notice_handler(note)
    if warned:
        raise UnsureCommitError("; ".join(warned))


def connect(connection_string: str) -> "psycopg.Connection[Any]":
    """Open a connection whose statements are transactions of their own; raises UnreachedError."""
    try:
        return psycopg.connect(connection_string, autocommit=True, cursor_factory=psycopg.RawCursor)
    except psycopg.OperationalError as error:
        raise UnreachedError(str(error)) from error


class UnreachedError(psycopg.OperationalError):
    """No server let us in, or none that takes writes; nothing was begun."""


class UnsureCommitError(psycopg.OperationalError):
    """It was committed, but not everywhere that the server was told to wait for."""

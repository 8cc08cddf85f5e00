"""Whether a PostgreSQL server can be reached now, and what it is that cannot be: for who waits for it at a start.

Input is an address as ``anchor.storage.postgres`` gets it. A failed connection has no SQLSTATE, and messages are in
the server's language; so the server is asked in other ways (libpq's PQping, and without wishing for a primary).
"""

from psycopg import pq
from psycopg.conninfo import make_conninfo

from anchor.storage.database import Reach
from anchor.storage.postgres_peer import UnreachedError, connect, connection_string

_PINGED = {pq.Ping.REJECT: Reach.STARTING, pq.Ping.NO_RESPONSE: Reach.SILENT}


def reach(address: str) -> Reach:
    """Try once to connect, and say what became of it; takes as long as ``connect_timeout`` for each host."""
    wanted = connection_string(address)
    if _connects(wanted):
        return Reach.REACHED
    any_server = make_conninfo(wanted, target_session_attrs="any")
    # Whether a server is there, whomever it would let in (PostgreSQL documentation, 34.1, PQping).
    pinged = _PINGED.get(pq.Ping(pq.PGconn.ping(any_server.encode())))
    if pinged is not None:
        return pinged
    return Reach.NO_PRIMARY if _connects(any_server) else Reach.REFUSED


def _connects(conninfo: str) -> bool:
    try:
        connect(conninfo).close()
    except UnreachedError:
        return False
    return True

"""Statements of erasures and holds that their authors made and signed: what must hold before one is recorded.

Entries come from the operations that take them (``chains.web.api_erasing``), rows from the reader; ``chains.erasing``
asks here, and then does what they say. All is pure: what stands in the database comes in as rows.
"""

from collections.abc import Sequence

from anchor.errors import RefusedEntryError
from anchor.proof.entry import AuthorType, Entry, Relation, content_commitment
from anchor.proof.erasure import Act, ErasureStatement
from anchor.proof.log_statements import NO_CONTENT
from chains.chain import Chain
from chains.reader import StoredEntry

FARTHEST_MS = 24 * 60 * 60 * 1000
"""How far the time of a statement may be from the log's clock: who signs with a device elsewhere needs a day."""
_SIGNED = {AuthorType.ED25519, AuthorType.BATCH, AuthorType.SEVERAL}
MOST_LINKS = 32
"""Entries that one entry erases: with the longest reason it stays well below the most that an entry may have."""


def read_statement(raw: bytes, salt: bytes, chain_id: bytes, now_ms: int) -> tuple[Entry, ErasureStatement]:
    """Return a signed entry over empty content and what it states.

    Raises MalformedError for another form, and RefusedEntryError for one of another chain or time, or that nobody
    signed: what nobody signs, the service makes itself, by its own clock.
    """
    entry = Entry.decode(raw)
    statement = ErasureStatement.of(entry)
    if statement is None:
        raise RefusedEntryError("expected an entry that states an erasure or a hold (extension 10), got another")
    if entry.chain_id != chain_id:
        raise RefusedEntryError(f"the statement is for chain {entry.chain_id.hex()}, it came for {chain_id.hex()}")
    if entry.author.type not in _SIGNED:
        raise RefusedEntryError("nobody signed the statement: name what is meant instead, and the service states it")
    if entry.content_commitment != content_commitment(salt, NO_CONTENT):
        raise RefusedEntryError("what states an erasure or a hold has an empty content, and comes with its salt")
    if abs(statement.at_ms - now_ms) > FARTHEST_MS:
        raise RefusedEntryError(
            f"the statement was made at {statement.at_ms} ms, by the log's clock it is {now_ms}: expected a day at most"
        )
    return entry, statement


def check_erases(entry: Entry, statement: ErasureStatement) -> None:
    """Raise RefusedEntryError unless an entry erases others, and nothing else."""
    if statement.act != Act.ERASE:
        raise RefusedEntryError("expected a statement that erases, got one that holds or lifts")
    if not 1 <= len(entry.links) <= MOST_LINKS or any(link.relation != Relation.ERASES for link in entry.links):
        raise RefusedEntryError(f"expected 1 to {MOST_LINKS} links, each of relation 6 to what is erased")


def check_holds(entry: Entry, statement: ErasureStatement, act: Act) -> None:
    """Raise RefusedEntryError unless an entry holds (or lifts) one thing."""
    if statement.act != act:
        raise RefusedEntryError(f"expected a statement of act {act.name.lower()}, got {statement.act.name.lower()}")
    if [link.relation for link in entry.links] != [Relation.REFERS_TO]:
        raise RefusedEntryError("expected one link of relation 5, to what is held: of a chain to its first entry")


def check_targets(chain: Chain, entry: Entry, found: Sequence[StoredEntry | None]) -> list[StoredEntry]:
    """Return the rows that an entry links to; raise RefusedEntryError unless each is one of its own chain."""
    targets = [stored for stored in found if stored is not None and stored.chain_no == chain.chain_no]
    if len(targets) != len(entry.links) or any(link.chain_id != chain.chain_id for link in entry.links):
        raise RefusedEntryError("expected links to entries of the same chain that are kept here")
    return targets

"""What a chain's entries say of its life, in words: that it ended, went to another owner, came from another log.

Entries come from ``chains.chain_life`` and ``chains.erasure_entries``; the page of a chain shows all of it to who may
read its entries, and what is held to its owner. The page of an entry has the words of that one.
"""

from dataclasses import dataclass

from anchor.proof.chain_life import KINDS, Closing, Statement, Transfer
from anchor.proof.entry import ExtensionType
from anchor.proof.errors import MalformedError
from anchor.proof.promise import ANONYMOUS
from chains.access import Action
from chains.chain import Chain
from chains.chain_life import ChainLives
from chains.erasure_entries import holds_of
from chains.web.pages.phrases import counted, utc
from chains.web.requests import Request
from chains.web.rooms import Room


@dataclass(frozen=True, slots=True)
class LifeLine:
    """A line of a chain's life: what is said, and the entry that says it (hash in hex)."""

    words: str
    entry_hash: str


@dataclass(frozen=True, slots=True)
class Held:
    """What must not be erased: an entry (hash in hex), or the whole chain (None); and which entry says so."""

    entry_hash: str | None
    since: str
    reason: str
    said_by: str


def life_words(statement: Statement) -> str:
    """Return what an entry says of its chain's life."""
    at = utc(statement.made_at_ms)
    if isinstance(statement, Closing):
        why = f", because {statement.reason}" if statement.reason else ""
        on = f"; it goes on in log {statement.moved_to.hex()}" if statement.moved_to else ""
        return f"Closed on {at}{why}{on}. Nothing but erasures is recorded behind it"
    if isinstance(statement, Transfer):
        giver, taker = (
            "the operator" if each == ANONYMOUS else f"the submitter {each.hex()}"
            for each in (statement.giver, statement.taker)
        )
        return f"Went on {at} from {giver} to {taker}; whose signatures count stays as it was"
    entries = counted(statement.tree_size, "entry", "entries")
    root = statement.root.hex()
    return f"Goes on here since {at} with {entries} of log {statement.log_id.hex()}, whose head had the root {root}"


def words_of(number: int, value: bytes) -> str | None:
    """Return the words of an extension's value, or None where it says nothing of a chain's life that can be read."""
    if number not in KINDS:
        return None
    try:
        return life_words(KINDS[ExtensionType(number)].decode(value))
    except MalformedError:
        return None


def life_shown(room: Room, request: Request, chain: Chain) -> list[LifeLine]:
    """Return what the entries of a chain say of its life, in their order, to who may read them."""
    if not room.may(request, Action.ENTRY_READ, chain):
        return []
    lives = ChainLives(room.home.engine, room.home.chains)
    found = [(each.kind, lives.entry(chain, each.leaf_index)) for each in lives.of(chain)]
    lines = [(words_of(kind, entry.extension(kind) or b""), entry.hash.hex()) for kind, entry in found]
    return [LifeLine(words, entry_hash) for words, entry_hash in lines if words is not None]


def holds_shown(room: Room, request: Request, chain: Chain) -> list[Held]:
    """Return the holds of a chain that stand, to its owner."""
    if not room.may(request, Action.HOLD_MANAGE, chain):
        return []
    return [
        Held(
            None if hold.of is None else hold.of.hex(),
            utc(hold.stated.statement.at_ms),
            hold.stated.statement.reason,
            hold.stated.stored.entry_hash.hex(),
        )
        for hold in holds_of(room.reader, chain)
    ]

# SPDX-License-Identifier: Apache-2.0
"""Erasures, legal holds and retention as the client asks for them, and what the service says became of them.

Nothing here sends; ``chains.client.core`` runs the calls. Where somebody signs, what is stated is an entry that was
made here; its receipt, and those of what was erased, prove what the service only says at first.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anchor.proof.codec import HASH_SIZE, exactly
from anchor.proof.entry import Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.strictjson import Fields
from chains.client import judging
from chains.client.exchange import Call
from chains.client.managing import asking, posting
from chains.client.own_entry import Form, OwnEntry

MOST_LINKS = 32
"""Entries that one statement erases (docs/spec/erasure.md)."""
_MOST = 100_000


@dataclass(frozen=True, slots=True)
class SeenErased:
    """What became of an entry: whether its content was erased (now or before), and which entry says so.

    ``is_erased`` False: nothing was kept beside it.
    """

    chain_id: bytes
    entry_hash: bytes
    leaf_index: int
    is_erased: bool
    said_by: bytes | None
    erased_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased. ``held``: expired, and held. ``is_all`` False: ask again, there is more.

    ``copies_left``: copies of the content keys that the service could not reach; its operator knows where they are.
    """

    entries: tuple[SeenErased, ...]
    held: int
    is_all: bool
    copies_left: int


@dataclass(frozen=True, slots=True)
class SeenHold:
    """A hold that stands: of an entry, or of the whole chain (``entry_hash`` None). ``is_mine``: one's own set it."""

    entry_hash: bytes | None
    reason: str
    since_ms: int
    said_by: bytes
    leaf_index: int
    is_mine: bool


def erasing(entries: Sequence[bytes], reason: str) -> Call:
    """Return the call that erases entries."""
    return posting("/v1/erasures", entries=[_hex(each) for each in entries], reason=reason)


def erasing_subject(subject: bytes, reason: str, chain_id: bytes | None) -> Call:
    """Return the call that erases what carries a keyed external id."""
    return posting("/v1/erasures", subject=_hex(subject), reason=reason, chain=_hex_or_none(chain_id))


def erasing_expired(reason: str, chain_id: bytes | None) -> Call:
    """Return the call that erases what chains keep no longer."""
    return posting("/v1/erasures", expired=True, reason=reason, chain=_hex_or_none(chain_id))


def erasing_stated(own: OwnEntry) -> Call:
    """Return the call that erases what an entry states."""
    return posting("/v1/erasures", statement=_statement(own))


def holding(chain_id: bytes, act: Act, held: bytes | None, reason: str) -> Call:
    """Return the call that holds a chain or an entry of it, or lifts what is held."""
    return posting(_holds_path(chain_id, act), reason=reason, entry_hash=_hex_or_none(held))


def holding_stated(own: OwnEntry, act: Act) -> Call:
    """Return the call that does what an entry states."""
    return posting(_holds_path(own.entry.chain_id, act), statement=_statement(own))


def asking_holds(chain_id: bytes) -> Call:
    """Return the call that lists holds."""
    return asking(_holds_path(chain_id, Act.HOLD))


def asking_retention(chain_id: bytes) -> Call:
    """Return the call that asks for how long a chain keeps contents."""
    return asking(f"/v1/chains/{_hex(chain_id)}/retention")


def setting_retention(chain_id: bytes, keep_ms: int | None) -> Call:
    """Return the call that sets it; None: until somebody erases them."""
    body = b'{"keep_ms":null}' if keep_ms is None else b'{"keep_ms":%d}' % keep_ms
    return Call("POST", f"/v1/chains/{_hex(chain_id)}/retention", (("content-type", "application/json"),), body)


def forms_of_erasure(
    chain_id: bytes, entries: Sequence[bytes], scope: Scope, reason: str, now_ms: int
) -> Iterator[Form]:
    """Yield the forms of the entries that state an erasure: each of at most ``MOST_LINKS`` entries of a chain."""
    statement = ErasureStatement(Act.ERASE, scope, now_ms, reason).encode()
    for at in range(0, len(entries), MOST_LINKS):
        some = entries[at : at + MOST_LINKS]
        yield Form(links=tuple(Link(Relation.ERASES, chain_id, each) for each in some), erasure=statement)


def form_of_hold(chain_id: bytes, act: Act, linked: bytes, *, is_chain: bool, reason: str, now_ms: int) -> Form:
    """Return the form of the entry that states a hold, or lifts it; of a chain ``linked`` is its first entry."""
    statement = ErasureStatement(act, Scope.CHAIN if is_chain else Scope.ENTRY, now_ms, reason).encode()
    return Form(links=(Link(Relation.REFERS_TO, chain_id, linked),), erasure=statement)


def erased_of(body: bytes) -> Erased:
    """Return what an answer says was erased."""
    fields = judging.fields_of(body)
    entries = tuple(_erased(Fields(item, "entry")) for item in fields.array("entries", _MOST))
    return Erased(entries, fields.integer("held"), fields.take("more") is not True, fields.integer("copies_left"))


def together(parts: Sequence[Erased]) -> Erased:
    """Return what several answers say."""
    entries = tuple(entry for part in parts for entry in part.entries)
    left = max((part.copies_left for part in parts), default=0)
    return Erased(entries, sum(part.held for part in parts), all(part.is_all for part in parts), left)


def holds_of(body: bytes) -> list[SeenHold]:
    """Return the holds that an answer shows."""
    return [_hold(Fields(item, "hold")) for item in judging.fields_of(body).array("holds", _MOST)]


def retention_of(body: bytes) -> int | None:
    """Return for how long contents are kept, in milliseconds; None: until somebody erases them."""
    fields = judging.fields_of(body).rest()
    return None if fields.get("keep_ms") is None else Fields(fields, "retention").integer("keep_ms")


def _erased(fields: Fields) -> SeenErased:
    return SeenErased(
        fields.hex("chain_id", exact=HASH_SIZE),
        fields.hex("entry_hash", exact=HASH_SIZE),
        fields.integer("leaf_index"),
        fields.text("state") == "erased",
        fields.hex("said_by", exact=HASH_SIZE) if "said_by" in fields else None,
        fields.integer("erased_at_ms") if "erased_at_ms" in fields else None,
    )


def _hold(fields: Fields) -> SeenHold:
    return SeenHold(
        fields.hex("entry_hash", exact=HASH_SIZE) if "entry_hash" in fields else None,
        fields.text("reason"),
        fields.integer("since_ms"),
        fields.hex("said_by", exact=HASH_SIZE),
        fields.integer("leaf_index"),
        fields.take("mine") is True,
    )


def _statement(own: OwnEntry) -> dict[str, str]:
    return {name: base64.b64encode(value).decode("ascii") for name, value in (("entry", own.raw), ("salt", own.salt))}


def _holds_path(chain_id: bytes, act: Act) -> str:
    return f"/v1/chains/{_hex(chain_id)}/holds" + ("/lift" if act == Act.LIFT else "")


def _hex(value: bytes) -> str:
    return exactly(value, HASH_SIZE, "hash").hex()


def _hex_or_none(value: bytes | None) -> str | None:
    return None if value is None else _hex(value)

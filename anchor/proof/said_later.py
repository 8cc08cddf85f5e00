# SPDX-License-Identifier: Apache-2.0
"""What later entries of a chain say of an earlier one: which of them a receipt shows, and under which checkpoint.

Input are entries, wherever they are kept, and what finds the later ones. Who makes receipts shows by these rules, of a
home (``chains.corrections``, ``chains.co_signatures``, ``chains.erasure_entries``) or a mirror (``mirror_later``).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from anchor.proof import co_signature, correction, erasure
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.chain_life import Continuation, Statement, closes
from anchor.proof.correction import CORRECTING
from anchor.proof.entry import AuthorType, Entry, Relation
from anchor.proof.erasure import Act, ErasureStatement
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import Anchor

MOST_CORRECTIONS = 32
"""Corrections that are looked for, and shown in a receipt, the earliest first."""
MOST_CO_SIGNATURES = 16
"""Co-signatures that are looked for, and shown in a receipt, the earliest first."""
MOST_OF_LIFE = 16
"""Closings and continuations shown in a receipt, the newest: each continuation brings a receipt along."""
_SIGNED = frozenset({AuthorType.ED25519, AuthorType.BATCH, AuthorType.SEVERAL})
_KNOWN = frozenset(Relation)


class Placed(Protocol):
    """An entry of a chain, wherever it is kept."""

    @property
    def entry_hash(self) -> bytes:
        """Its hash."""

    @property
    def leaf_index(self) -> int:
        """Its index in the chain."""


P = TypeVar("P", bound=Placed)


@dataclass(frozen=True, slots=True)
class Corrected(Generic[P]):
    """An entry, and what it says of one before it in its chain."""

    stored: P
    relation: Relation
    corrects: bytes


@dataclass(frozen=True, slots=True)
class Said(Generic[P]):
    """A later entry of a chain, and the type of evidence that it is."""

    type: str
    stored: P


def in_order(corrections: Iterable[Corrected[P]], co_signing: Iterable[P], erasing: P | None) -> list[Said[P]]:
    """Return what was said of an entry in the order of the chain, each entry once for what it says."""
    correcting = {each.stored.leaf_index: each.stored for each in corrections}
    said = [Said(correction.TYPE, each) for each in correcting.values()]
    said += [Said(co_signature.TYPE, each) for each in co_signing]
    said += [] if erasing is None else [Said(erasure.TYPE, erasing)]
    return sorted(said, key=lambda each: each.stored.leaf_index)


def corrections_from(first: P, direct: Callable[[P], Iterable[Corrected[P]]]) -> list[Corrected[P]]:
    """Return what corrects an entry, directly or by correcting a correction, in the order of the chain.

    ``direct`` returns what says so of an entry itself.
    """
    found: list[Corrected[P]] = []
    seen = {first.entry_hash}
    left = [first]
    while left and len(found) < MOST_CORRECTIONS:
        for each in direct(left.pop(0)):
            found.append(each)
            if each.stored.entry_hash not in seen:
                seen.add(each.stored.entry_hash)
                left.append(each.stored)
    return sorted(found, key=lambda each: each.stored.leaf_index)[:MOST_CORRECTIONS]


def corrects(entry: Entry, corrected: bytes) -> Iterator[Relation]:
    """Yield how an entry corrects the one of its chain that has this hash."""
    yield from (relation for relation in _said_of(entry, corrected) if relation in CORRECTING)


def co_signs(entry: Entry, signed: bytes) -> bool:
    """Say whether an entry co-signs the one of its chain that has this hash; its signature is not looked at."""
    is_linked = Relation.COSIGNS in _said_of(entry, signed)
    return is_linked and entry.author.type in _SIGNED and not entry.unknown_critical_extensions()


def erases(entry: Entry, erased: bytes) -> bool:
    """Say whether an entry states that it erases the one of its chain that has this hash."""
    statement = erasure_statement(entry)
    return statement is not None and statement.act == Act.ERASE and Relation.ERASES in _said_of(entry, erased)


def erasure_statement(entry: Entry) -> ErasureStatement | None:
    """Return what an entry states of erasures, or None: also where it cannot be read, which no writer lets in."""
    try:
        return ErasureStatement.of(entry)
    except MalformedError:
        return None


def is_shown(statement: Statement | None, log_id: bytes) -> bool:
    """Say whether receipts show what an entry says of its chain's life: that it ends in this log, or came from one."""
    return isinstance(statement, Continuation) or closes(statement, log_id)


def _said_of(entry: Entry, entry_hash: bytes) -> list[Relation]:
    """Return what the links of an entry say of the one of its chain that has this hash, as far as it is known here."""
    meant = [link.relation for link in entry.links if (link.chain_id, link.entry_hash) == (entry.chain_id, entry_hash)]
    return [Relation(relation) for relation in meant if relation in _KNOWN]


class Sized(Protocol):
    """A checkpoint."""

    @property
    def size(self) -> int:
        """How many leaves of the directory it has."""


C = TypeVar("C", bound=Sized)
Choice = tuple[C, tuple[Anchor, ...]]
"""A checkpoint to prove an entry against, and what there is over it."""


def over_later(heads: Iterable[int], chosen: Choice[C], choose: Callable[[int], Choice[C]]) -> Choice[C]:
    """Return the checkpoint over the newest later entry that is anchored as well as the entry is, or ``chosen``.

    ``heads`` are the directory indexes of the heads over the later entries, the newest first; ``choose`` returns what
    would be chosen for an entry under one.
    """
    is_in_bitcoin = _is_in_bitcoin(chosen[1])
    for head_index in heads:
        if chosen[0].size > head_index:
            break
        over = choose(head_index)
        if not is_in_bitcoin or _is_in_bitcoin(over[1]):
            return over
    return chosen


def _is_in_bitcoin(anchors: Iterable[Anchor]) -> bool:
    return any(isinstance(anchor, BitcoinAnchor) for anchor in anchors)

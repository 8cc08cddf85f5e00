# SPDX-License-Identifier: Apache-2.0
"""The authors of a whole log: each entry that names an identity, judged by the key history at the seal that holds it.

Input is every such entry with its place, and what gives the history of an identity. ``archive``, ``chains.archive`` and
``chains.audit`` judge with it; a receipt of the same entry says the same (docs/spec/identity.md).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from anchor.proof.blocks import KnownBlocks
from anchor.proof.codec import HASH_SIZE
from anchor.proof.entry import AuthorType, Entry, ExtensionType
from anchor.proof.errors import AnchorlineError, UnknownVersionError, VerificationError
from anchor.proof.identity import Purpose
from anchor.proof.identity_history import History, Place
from anchor.proof.waits import AnchoredAt, WaitState, word_on_wait

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Named:
    """Whom an entry names as its author: the chain id of the identity, and the key that signed."""

    identity: bytes
    public_key: bytes


def named_author(entry: Entry) -> Named | None:
    """Return whom an entry names, or None where it names no identity or no key that can be checked here signed it."""
    identity = entry.extension(ExtensionType.IDENTITY)
    if identity is None or entry.author.type not in (AuthorType.ED25519, AuthorType.BATCH):
        return None
    return Named(identity, entry.author.body[:HASH_SIZE])


class UnjudgedError(AnchorlineError):
    """The history of an identity is not at hand, which says nothing against anybody."""


@dataclass
class AuthorsAudit:
    """Judges authors, and tells ``fault`` and ``remark``; ``history`` raises where there is no such identity.

    ``views`` are what is known of the best chain of the log's network: announced recoveries are held against them, and
    against the log's own anchors (``anchored``), where these are at hand.
    A fault is an entry that the log's writer must have refused. A remark is one that he rightly took and that counts
    for nothing by its seal: the key was revoked in the same seal, or too old when it came.
    """

    history: Callable[[bytes], History]
    fault: Say
    remark: Say
    views: Sequence[KnownBlocks] = ()
    anchored: AnchoredAt | None = None
    named: int = 0
    not_valid: int = 0
    _histories: dict[bytes, History | None] = field(default_factory=dict)

    @property
    def identities(self) -> tuple[bytes, ...]:
        """The identities whose history was asked for so far."""
        return tuple(self._histories)

    @property
    def certificates(self) -> int:
        """How many certificates the identities that were judged so far have bound; nobody read them."""
        return sum(len(history.bindings) for history in self._histories.values() if history is not None)

    def judge(self, where: str, named: Named, place: Place, count: int = 1) -> None:
        """Judge entries that one key signed in the name of one identity, and that one seal holds first."""
        self.named += count
        history = self._history(named.identity, where)
        if history is None:
            return
        try:
            history.check_valid(named.public_key, Purpose.ENTRIES, place)
        except VerificationError as error:
            self.not_valid += count
            tell = self.remark if was_valid_when_written(history, named.public_key, place) else self.fault
            tell(f"{where}: {error}" + (f"; and {count - 1} more in this seal" if count > 1 else ""))

    def judge_statements(self, identity: bytes, where: str) -> None:
        """Remark each entry of an identity's chain that counts for nothing; a chain that begins as none is a fault."""
        history = self._history(identity, where)
        for text in () if history is None else _ignored(history):
            self.remark(f"{where}, {text}")

    def judge_waits(self, identity: bytes, where: str) -> None:
        """Say of each announced recovery of an identity what is known of its wait; a made-up block is a fault."""
        history = self._history(identity, where)
        for waited in () if history is None else history.waits:
            word = word_on_wait(waited, self.views, self.anchored)
            tell = self.fault if word.state is WaitState.ANOTHER_BLOCK else self.remark
            tell(f"{where}: the recovery that the log announced waited {word.text}")

    def _history(self, identity: bytes, where: str) -> History | None:
        if identity not in self._histories:
            self._histories[identity] = None
            try:
                self._histories[identity] = self.history(identity)
            except (UnknownVersionError, UnjudgedError) as error:
                self.remark(f"{where}: identity {identity.hex()} cannot be judged: {error}")
            except AnchorlineError as error:
                self.fault(f"{where}: {error}")
        return self._histories[identity]


def _ignored(history: History) -> Iterator[str]:
    for index, why in sorted(history.ignored.items()):
        yield f"entry {index}: states nothing that is in force: {why}"


def was_valid_when_written(history: History, public_key: bytes, place: Place) -> bool:
    """Say whether only the entry's own seal made the difference: the key ended in it, or was too old at its time."""
    span = history.spans.get(public_key)
    if span is None or span.since.seal_number >= place.seal_number or Purpose.ENTRIES not in span.key.purposes:
        return False
    return span.until is None or span.until.seal_number >= place.seal_number

# SPDX-License-Identifier: Apache-2.0
"""What an entry says of its chain's life: that it ends here, has another owner, or continues one of another log.

Input are the values of extensions 13, 14 and 15 of an entry (docs/spec/chain-life.md). ``life_evidence`` judges them in
receipts; ``chains.life_stating`` and ``chains.continuing`` write them.
"""

from dataclasses import dataclass

from anchor.proof.codec import HASH_SIZE, Reader, exactly, fits
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.errors import MalformedError, TooLargeError, UnknownVersionError
from anchor.proof.plain_text import MAX_REASON, is_plain_line
from anchor.proof.promise import SUBMITTER_SIZE

VERSION = 1


@dataclass(frozen=True, slots=True)
class Closing:
    """The chain ends with this entry: ``reason`` for people, and the log (32 bytes) where it goes on, if it does."""

    made_at_ms: int
    reason: str
    moved_to: bytes | None = None

    def encode(self) -> bytes:
        """Return the value of extension 13; raise MalformedError for what it cannot hold."""
        moved_to = b"" if self.moved_to is None else exactly(self.moved_to, HASH_SIZE, "moved_to")
        reason = self.reason.encode("utf-8", "surrogatepass")
        _check_reason(reason)
        parts = (_start(self.made_at_ms), fits(len(moved_to), 1, "length"), moved_to, fits(len(reason), 2, "length"))
        return b"".join((*parts, reason))

    @classmethod
    def decode(cls, value: bytes) -> "Closing":
        """Read the value; raise MalformedError for anything else, UnknownVersionError for a newer one."""
        reader = Reader(value, "closing", 44 + MAX_REASON)
        made_at_ms = _read_start(reader)
        moved_to = reader.prefixed(1) or None
        if moved_to is not None:
            exactly(moved_to, HASH_SIZE, "closing: moved_to")
        reason = _check_reason(reader.prefixed(2))
        reader.end()
        return cls(made_at_ms, reason, moved_to)


@dataclass(frozen=True, slots=True)
class Transfer:
    """The chain has another owner from here on: both as the 16 bytes that stand for them in promises, zeros: nobody."""

    made_at_ms: int
    giver: bytes
    taker: bytes

    def encode(self) -> bytes:
        """Return the value of extension 14."""
        who = [exactly(each, SUBMITTER_SIZE, "transfer: an owner") for each in (self.giver, self.taker)]
        return _start(self.made_at_ms) + b"".join(who)

    @classmethod
    def decode(cls, value: bytes) -> "Transfer":
        """Read the value; raise MalformedError for anything else, UnknownVersionError for a newer one."""
        reader = Reader(value, "transfer", 9 + 2 * SUBMITTER_SIZE)
        found = cls(_read_start(reader), reader.take(SUBMITTER_SIZE), reader.take(SUBMITTER_SIZE))
        reader.end()
        return found


@dataclass(frozen=True, slots=True)
class Continuation:
    """All entries before this one stood in a chain of the same id in another log, under this head and checkpoint."""

    made_at_ms: int
    log_id: bytes
    tree_size: int
    root: bytes
    checkpoint_size: int
    checkpoint_root: bytes

    def encode(self) -> bytes:
        """Return the value of extension 15."""
        return b"".join(
            (
                _start(self.made_at_ms),
                exactly(self.log_id, HASH_SIZE, "log_id"),
                fits(self.tree_size, 8, "tree_size"),
                exactly(self.root, HASH_SIZE, "root"),
                fits(self.checkpoint_size, 8, "checkpoint_size"),
                exactly(self.checkpoint_root, HASH_SIZE, "checkpoint_root"),
            )
        )

    @classmethod
    def decode(cls, value: bytes) -> "Continuation":
        """Read the value; raise MalformedError for anything else, UnknownVersionError for a newer one."""
        reader = Reader(value, "continuation", 9 + 3 * HASH_SIZE + 16)
        found = cls(
            _read_start(reader),
            reader.take(HASH_SIZE),
            reader.unsigned(8),
            reader.take(HASH_SIZE),
            reader.unsigned(8),
            reader.take(HASH_SIZE),
        )
        reader.end()
        return found


Statement = Closing | Transfer | Continuation
KINDS: dict[ExtensionType, type[Closing] | type[Transfer] | type[Continuation]] = {
    ExtensionType.CLOSING: Closing,
    ExtensionType.TRANSFER: Transfer,
    ExtensionType.CONTINUATION: Continuation,
}
"""Which extension has which statement."""


def statement_of(entry: Entry) -> Statement | None:
    """Return what an entry says of its chain's life, or None; raise MalformedError for what says nothing, or two."""
    said = [item for item in entry.extensions if item.type in KINDS]
    if len(said) > 1:
        raise MalformedError("an entry: expected one statement on its chain's life, found more")
    return KINDS[ExtensionType(said[0].type)].decode(said[0].value) if said else None


def closes(statement: Statement | None, log_id: bytes) -> bool:
    """Say whether a statement ends its chain in this log: a closing does, unless the chain moves here."""
    return isinstance(statement, Closing) and statement.moved_to != log_id


def may_follow_closing(entry: Entry) -> bool:
    """Say whether an entry may stand behind the closing of its chain: only erasures may, which a law can demand."""
    return entry.extension(ExtensionType.ERASURE) is not None


def _start(made_at_ms: int) -> bytes:
    return bytes((VERSION,)) + fits(made_at_ms, 8, "made_at_ms")


def _read_start(reader: Reader) -> int:
    version = reader.byte()
    if version != VERSION:
        raise UnknownVersionError(f"{reader.what}: expected version {VERSION}, found {version}; by a newer Anchorline?")
    return reader.unsigned(8)


def _check_reason(raw: bytes) -> str:
    if len(raw) > MAX_REASON:
        raise TooLargeError(f"reason: expected at most {MAX_REASON} bytes of UTF-8, got {len(raw)}")
    try:
        reason = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("reason: expected UTF-8") from error
    if not is_plain_line(reason):
        raise MalformedError("reason: expected plain text in one line, without control characters")
    return reason

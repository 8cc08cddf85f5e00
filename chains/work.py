"""Work for the writer: what callers hand in, checked before any transaction, and what becomes of each piece.

``chains.writer`` makes a ``Work`` of what a client sent, and commits many together; ``Done`` is the answer to one.
The promise of a commit is one signature; each piece of work finds its own part of it here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

from anchor.errors import ChainClosedError, ContentTooLargeError, ForbiddenByPolicyError
from anchor.hashing.pieces import Pieces
from anchor.proof.author_audit import Named
from anchor.proof.entry import ExternalId
from anchor.proof.errors import AnchorlineError, MalformedError, TooLargeError, UnknownVersionError, VerificationError
from anchor.proof.promise import ANONYMOUS, Promise, PromiseLeaf, PromiseNote
from anchor.proof.promise_run import PromiseRun, beside_in, path_in
from chains.bundle import Column
from chains.chain import Chain
from chains.client.envelope import WrappedKey
from chains.idempotency import RequestKey


class Accepted(NamedTuple):
    """Where an entry is now, durably; ``repeated``: it was there before and was not written again."""

    entry_hash: bytes
    leaf_index: int
    seq: int
    repeated: bool = False


class AcceptedRun(Sequence[Accepted]):
    """Entries that one commit added to a chain, in order, from a place on; each is made when asked for."""

    def __init__(self, first_index: int, first_seq: int, hashes: Pieces) -> None:
        self._first_index = first_index
        self._first_seq = first_seq
        self._hashes = hashes

    def __len__(self) -> int:
        return len(self._hashes)

    @property
    def hashes(self) -> Pieces:
        """Their hashes, in order."""
        return self._hashes

    @property
    def first_index(self) -> int:
        """The leaf index of the first of them."""
        return self._first_index

    @overload
    def __getitem__(self, place: int) -> Accepted: ...
    @overload
    def __getitem__(self, place: slice) -> list[Accepted]: ...
    def __getitem__(self, place: int | slice) -> Accepted | list[Accepted]:
        places = range(len(self._hashes))[place]
        if isinstance(places, range):
            return [self[inner] for inner in places]
        return Accepted(self._hashes[places], self._first_index + places, self._first_seq + places)


class Refused(NamedTuple):
    """Why an entry was not taken: a stable code, and a sentence for a person; ``rule``: of its chain's policy."""

    code: str
    detail: str
    rule: str = ""

    @classmethod
    def by(cls, error: AnchorlineError) -> "Refused":
        """Return what an error means for the entry that it is about."""
        if isinstance(error, ForbiddenByPolicyError):
            return cls("policy-not-followed", str(error), error.part)
        code = next((code for kind, code in _CODES if isinstance(error, kind)), "entry-refused")
        return cls(code, str(error))


_CODES: tuple[tuple[type[AnchorlineError], str], ...] = (
    (TooLargeError, "entry-too-large"),
    (UnknownVersionError, "entry-version-unknown"),
    (MalformedError, "entry-malformed"),
    (VerificationError, "author-signature-wrong"),
    (ContentTooLargeError, "content-too-large"),
    (ChainClosedError, "chain-closed"),
)

Outcome = Accepted | Refused
"""What became of one entry: its place, or why it was refused."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An entry that its writer made, with what is to be kept beside it; salt and content go together.

    ``envelope`` (docs/spec/envelope.md) goes alone: what is in it is nobody's to know here.
    """

    entry: bytes
    salt: bytes | None = None
    digest: bytes | None = None
    content: bytes | None = None
    envelope: bytes | None = None


@dataclass(frozen=True, slots=True)
class SubmissionsAlike:
    """Entries that their writers made, each with its salt and content and nothing else beside it, as columns."""

    entries: Sequence[bytes]
    salts: Sequence[bytes]
    contents: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.entries)

    def each(self) -> list[Submission]:
        """Return them one by one."""
        rows = zip(self.entries, self.salts, self.contents, strict=True)
        return [Submission(entry, salt, content=content) for entry, salt, content in rows]


class Content(NamedTuple):
    """Content of which an entry is to be made here, under a fresh salt; ``keep`` false: only its digest is stored."""

    content: bytes
    media_type: str = ""
    external_ids: tuple[ExternalId, ...] = ()
    keep: bool = True


class Kind(NamedTuple):
    """What a ``Content`` says beside its bytes."""

    media_type: str = ""
    external_ids: tuple[ExternalId, ...] = ()
    keep: bool = True


@dataclass(frozen=True, slots=True)
class ContentsAlike:
    """Contents that differ in nothing but their bytes, which is what most batches are."""

    contents: Sequence[bytes]
    media_type: str = ""
    external_ids: tuple[ExternalId, ...] = ()
    keep: bool = True

    def each(self) -> list[Content]:
        """Return them one by one."""
        return [Content(content, self.media_type, self.external_ids, self.keep) for content in self.contents]


def _note_nothing(_: Chain) -> None:
    """Note nothing of a chain that was opened."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A chain that is to be opened with the first entry of a piece of work; ``note`` is run in its transaction."""

    chain_id: bytes
    name: str | None
    note: Callable[[Chain], None] = _note_nothing


@dataclass(frozen=True, slots=True)
class Work:
    """Entries of one caller for one chain, each well formed; nothing of it is written yet.

    ``refused`` says by place which of the caller's ``count`` entries are not among ``entries``. ``is_fresh``: made here
    under fresh salts, so that none can be there already; else ``not_after_ms`` has, by place among ``entries``, until
    when some are valid, ``named`` the identities in whose name some are signed, ``closings`` which of them close their
    chain, ``after_closing`` which may stand behind that (erasures), ``keys`` the wrapped keys of encrypted contents,
    and ``stating`` which state a policy.
    """

    to: Chain | Opening
    entries: Column
    kept: Column
    hashes: Pieces
    with_ids: bool
    is_fresh: bool
    submitter: bytes = ANONYMOUS
    refused: Mapping[int, Refused] = field(default_factory=dict)
    not_after_ms: Mapping[int, int] = field(default_factory=dict)
    named: Mapping[int, Named] = field(default_factory=dict)
    keys: Mapping[int, tuple[WrappedKey, ...]] = field(default_factory=dict)
    stating: frozenset[int] = frozenset()
    key: RequestKey | None = None
    closings: frozenset[int] = frozenset()
    after_closing: frozenset[int] = frozenset()

    @property
    def chain_id(self) -> bytes:
        """The chain that it is for."""
        return self.to.chain_id

    @property
    def count(self) -> int:
        """How many entries the caller handed in."""
        return len(self.entries) + len(self.refused)

    @property
    def byte_count(self) -> int:
        """About how many bytes it holds in memory."""
        return sum(self.entries.sizes) + sum(self.kept.sizes) + 128 * self.count


@dataclass(frozen=True, slots=True)
class Promised:
    """What one group commit promised: the signed note, and the tree over all of it; its first row is ``first_seq``."""

    note: PromiseNote
    key_id: bytes
    signature: bytes
    levels: Sequence[Pieces]
    first_seq: int

    def covers(self, accepted: Accepted) -> bool:
        """Say whether this commit wrote an entry."""
        return self.first_seq <= accepted.seq < self.first_seq + self.note.count

    def promise(self, leaf: PromiseLeaf, seq: int) -> Promise:
        """Return the promise of one entry of this commit, with its path."""
        index = seq - self.first_seq
        return Promise(self.note, self.key_id, self.signature, leaf, index, path_in(self.levels, index))

    def run(self, seq: int, count: int) -> PromiseRun:
        """Return what was promised of ``count`` entries from ``seq`` on."""
        index = seq - self.first_seq
        beside = beside_in(self.levels, index, index + count)
        return PromiseRun(self.note, self.key_id, self.signature, index, count, beside)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a piece of work: its chain, an outcome for each entry in the caller's order, and the promise.

    ``promised`` is the commit that wrote whatever was new; None where nothing was. ``is_replayed``: the same request
    was answered before, and this is that answer.
    """

    chain: Chain
    submitter: bytes
    outcomes: Sequence[Outcome]
    promised: Promised | None
    is_replayed: bool = False

    def leaf(self, accepted: Accepted) -> PromiseLeaf:
        """Return the promise leaf of an entry that this work wrote."""
        return PromiseLeaf(self.chain.chain_id, accepted.leaf_index, accepted.entry_hash, self.submitter)

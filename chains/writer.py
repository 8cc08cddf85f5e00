"""The writer: what may be appended, and the group commit that makes it durable and promises it.

Submissions come from the CLI (and later the API); every group commit is one transaction with one signed promise,
and nothing is acknowledged before it is on disk. Receipts rebuild each writer's path from the rows written here.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from operator import add
from typing import NamedTuple, overload

from anchor.directory import checked_clock
from anchor.errors import RefusedEntryError
from anchor.proof.codec import HASH_SIZE, exactly, sha256, sha256_each
from anchor.proof.entry import (
    SALT_SIZE,
    Entry,
    ExtensionType,
    ExternalId,
    chain_id_of,
    check_author,
    content_commitment,
)
from anchor.proof.merkle import leaf_hash, root_of
from anchor.proof.promise import ANONYMOUS, LEAF_TYPE, SUBMITTER_SIZE, PromiseNote, signed_message
from anchor.signing import SigningKey, check_signature
from anchor.storage.engine import Engine
from chains.bundle import Column
from chains.chain import Batch, Chain, Chains, Run, keep_content, keep_contents, keep_digest, keep_digests
from chains.lookup import Lookup
from chains.settings import Limits

_PROMISE_PREFIX = bytes((0x00, LEAF_TYPE))
# 00 ‖ 20 ‖ chain_id, leaf_index, entry_hash, submitter.
_PROMISE_LEAF = struct.Struct(f">{2 + HASH_SIZE}sQ{HASH_SIZE}s{SUBMITTER_SIZE}s")


@dataclass(frozen=True, slots=True)
class Submission:
    """An entry that its writer made, with what is to be kept beside it; salt and content go together."""

    entry: bytes
    salt: bytes | None = None
    digest: bytes | None = None
    content: bytes | None = None


class Accepted(NamedTuple):
    """Where an entry is now, durably; ``repeated``: it was there before and was not written again."""

    entry_hash: bytes
    leaf_index: int
    seq: int
    repeated: bool = False


class AcceptedRun(Sequence[Accepted]):
    """What one commit added to a chain, in order; each ``Accepted`` is made when asked for."""

    def __init__(self, run: Run, hashes: Sequence[bytes]) -> None:
        self._run = run
        self._hashes = hashes

    def __len__(self) -> int:
        return len(self._hashes)

    @overload
    def __getitem__(self, place: int) -> Accepted: ...
    @overload
    def __getitem__(self, place: slice) -> list[Accepted]: ...
    def __getitem__(self, place: int | slice) -> Accepted | list[Accepted]:
        places = range(len(self._hashes))[place]
        if isinstance(places, range):
            return [self[inner] for inner in places]
        return Accepted(self._hashes[places], self._run.first_index + places, self._run.first_seq + places)


class Writer:
    """Writes to the chains of one home, one group commit at a time."""

    def __init__(
        self, engine: Engine, chains: Chains, lookup: Lookup, log_id: bytes, promise_key: SigningKey, limits: Limits
    ) -> None:
        self.engine = engine
        self.chains = chains
        self.lookup = lookup
        self.log_id = log_id
        self.promise_key = promise_key
        self.limits = limits
        # After the last append of this writer, committed or not: how much of the index may be waiting.
        self._next_seq = chains.next_seq()

    def open_chain(
        self, external_ids: Sequence[ExternalId], content: bytes, name: str | None, now_ms: int, media_type: str = ""
    ) -> tuple[Chain, Accepted]:
        """Open a chain with its first entry, whose external ids give the chain its id; one transaction."""
        chain_id = chain_id_of(external_ids)
        batch = self._fresh(Entry(chain_id, bytes(32), media_type, tuple(external_ids)), [content], keep=True)
        with self.engine.transaction():
            chain = self.chains.open(chain_id, name, now_ms)
            accepted = self._append(chain, batch, self._received_at(now_ms), ANONYMOUS)
        return chain, accepted[0]

    def open_chain_with(self, submission: Submission, name: str | None, now_ms: int) -> tuple[Chain, Accepted]:
        """Open a chain with a first entry that its writer made; its ids must give the chain id it names."""
        entry = self._checked(submission)
        if not entry.external_ids or chain_id_of(entry.external_ids) != entry.chain_id:
            raise RefusedEntryError(
                f"the external ids of a first entry must give its chain id; they do not give {entry.chain_id.hex()}"
            )
        batch = _batch_of([submission], [leaf_hash(submission.entry)])
        with self.engine.transaction():
            received_at_ms = self._received_at(now_ms)
            check_still_valid(entry, received_at_ms)
            chain = self.chains.open(entry.chain_id, name, now_ms)
            accepted = self._append(chain, batch, received_at_ms, ANONYMOUS)
        return chain, accepted[0]

    def record(
        self,
        chain: Chain,
        contents: Sequence[bytes],
        now_ms: int,
        *,
        media_type: str = "",
        external_ids: Sequence[ExternalId] = (),
        keep: bool = True,
    ) -> Sequence[Accepted]:
        """Record contents as one group commit, each as an entry under a fresh salt; all of them or none.

        With ``keep`` false only their digests are stored. No equal entry can be there already (a salt has 128 random
        bits), so none is looked for.
        """
        template = Entry(chain.chain_id, bytes(32), media_type, tuple(external_ids))
        return self._append_fresh(chain, self._fresh(template, contents, keep=keep), now_ms)

    def record_digests(
        self,
        chain: Chain,
        digests: Sequence[bytes],
        now_ms: int,
        *,
        media_type: str = "",
        external_ids: Sequence[Sequence[ExternalId]] = (),
    ) -> Sequence[Accepted]:
        """Record contents that stay where they are, by their SHA-256 (32 bytes each); ids for each, or none."""
        if external_ids and len(external_ids) != len(digests):
            raise RefusedEntryError(
                f"expected external ids for each of {len(digests)} digests, got {len(external_ids)}"
            )
        salts = _pieces(os.urandom(SALT_SIZE * len(digests)), SALT_SIZE)
        entries = []
        for place, (salt, digest) in enumerate(zip(salts, digests, strict=True)):
            ids = tuple(external_ids[place]) if external_ids else ()
            entries.append(Entry(chain.chain_id, content_commitment(salt, digest), media_type, ids).encode())
        hashes = list(map(leaf_hash, entries))
        batch = Batch(Column.of(entries), keep_digests(salts, digests), hashes, with_ids=bool(external_ids))
        return self._append_fresh(chain, batch, now_ms)

    def submit(
        self, chain: Chain, submissions: Sequence[Submission], now_ms: int, submitter: bytes = ANONYMOUS
    ) -> list[Accepted]:
        """Append entries that their writers made, in order, as one group commit; all of them or none.

        Idempotent by entry hash: an entry that is kept already is not written again, and keeps its place, its promise
        and its submitter for ever, also when it could not be handed in anew.
        Raises RefusedEntryError, MalformedError, VerificationError, ClockError or a StorageError: nothing was kept.
        """
        entries = [self._check_for(chain, submission) for submission in submissions]
        hashes = [leaf_hash(submission.entry) for submission in submissions]
        self.lookup.keep_up(self._next_seq)
        with self.engine.transaction():
            accepted = self._known(hashes)
            new: dict[bytes, int] = {}
            for place, key in enumerate(hashes):
                if key not in accepted:
                    new.setdefault(key, place)
            if new:
                received_at_ms = self._received_at(now_ms)
                for place in new.values():
                    check_still_valid(entries[place], received_at_ms)
                batch = _batch_of([submissions[place] for place in new.values()], list(new))
                added = self._append(chain, batch, received_at_ms, submitter)
                accepted |= {item.entry_hash: item for item in added}
        # The same entry twice in one batch: the second one repeats the first.
        return [accepted[key]._replace(repeated=new.get(key) != place) for place, key in enumerate(hashes)]

    def _append_fresh(self, chain: Chain, batch: Batch, now_ms: int) -> Sequence[Accepted]:
        # Before the commit, not after it: what fails here has kept nothing, and what is committed is acknowledged.
        self.lookup.keep_up(self._next_seq)
        with self.engine.transaction():
            return self._append(chain, batch, self._received_at(now_ms), ANONYMOUS)

    def _fresh(self, template: Entry, contents: Sequence[bytes], *, keep: bool) -> Batch:
        """Make an entry for each content from a template, under fresh salts; they differ in the commitment only."""
        sizes = list(map(len, contents))
        self._check_content_size(max(sizes, default=0))
        encoded = template.encode()
        before, after = encoded[:33], encoded[65:]
        salts = _pieces(os.urandom(SALT_SIZE * len(contents)), SALT_SIZE)
        digests = sha256_each(contents)
        entries = [before + commitment + after for commitment in sha256_each(map(add, salts, digests))]
        return Batch(
            Column(entries, [len(encoded)] * len(entries)),
            keep_contents(salts, contents, sizes) if keep else keep_digests(salts, digests),
            sha256_each(map(b"\x00".__add__, entries)),
            bool(template.external_ids),
        )

    # --- the rules

    def _check_for(self, chain: Chain, submission: Submission) -> Entry:
        entry = self._checked(submission)
        if entry.chain_id != chain.chain_id:
            raise RefusedEntryError(
                f"the entry is for chain {entry.chain_id.hex()}, it was handed in for {chain.chain_id.hex()}"
            )
        return entry

    def _checked(self, submission: Submission) -> Entry:
        """Decode a submitted entry and hold it to the rules at submit (design section 3.1) that time cannot change."""
        entry = Entry.decode(submission.entry)
        wanted_log = entry.extension(ExtensionType.LOG_ID)
        if wanted_log is not None and wanted_log != self.log_id:
            raise RefusedEntryError(f"the entry is meant for log {wanted_log.hex()} only, this is {self.log_id.hex()}")
        if entry.unknown_critical_extensions():
            raise RefusedEntryError(
                f"extension {entry.unknown_critical_extensions()[0]:#06x} is unknown here and must be understood"
            )
        check_author(entry, check_signature)
        self._check_kept(entry, submission)
        return entry

    def _check_kept(self, entry: Entry, submission: Submission) -> None:
        digest = submission.digest
        if submission.content is not None:
            self._check_content_size(len(submission.content))
            digest = sha256(submission.content)
        if submission.salt is None and digest is None:
            return
        if submission.salt is None:
            raise RefusedEntryError("content was handed in without the salt of its commitment: hand in both")
        if digest is None:
            raise RefusedEntryError("a salt was handed in without content or its digest: hand in both")
        if content_commitment(submission.salt, digest) != entry.content_commitment:
            raise RefusedEntryError("salt and content do not give the content commitment of the entry")

    def _check_content_size(self, size: int) -> None:
        if size > self.limits.content_bytes:
            raise RefusedEntryError(
                f"content: expected at most {self.limits.content_bytes} bytes, got {size}; "
                "record larger things by their digest (`--digest`), or raise content_bytes in the settings"
            )

    # --- the group commit

    def _append(self, chain: Chain, batch: Batch, received_at_ms: int, submitter: bytes) -> Sequence[Accepted]:
        """Append a batch and promise it, inside a transaction: after the commit both are there, before it neither."""
        if not batch.hashes:
            return []
        run = self.chains.append_rows(chain, batch, submitter)
        self._next_seq = run.first_seq + run.entry_count
        self._promise(chain, run, batch.hashes, received_at_ms)
        return AcceptedRun(run, batch.hashes)

    def _known(self, hashes: Sequence[bytes]) -> dict[bytes, Accepted]:
        """Return those entries that are kept already."""
        known = {}
        for key, seqs in self.lookup.candidates(hashes).items():
            for seq in seqs:
                if leaf_hash(self.chains.bundles.row(seq)[1]) == key:
                    known[key] = Accepted(key, self.chains.place_of(seq).leaf_index, seq, repeated=True)
        return known

    def _promise(self, chain: Chain, run: Run, hashes: Sequence[bytes], received_at_ms: int) -> None:
        """Sign one promise over everything that this commit adds."""
        note = PromiseNote(
            log_id=self.log_id,
            received_at_ms=received_at_ms,
            seal_by_ms=received_at_ms + self.limits.seal_within_ms,
            anchor_by_ms=received_at_ms + self.limits.anchor_within_ms,
            count=len(hashes),
            root=root_of(promise_leaves(chain.chain_id, run.first_index, hashes, run.submitter)),
        )
        self.engine.execute(
            "INSERT INTO group_commit (first_seq, entry_count, received_at_ms, note, signature) VALUES (?, ?, ?, ?, ?)",
            (run.first_seq, len(hashes), received_at_ms, note.encode(), self.promise_key.sign(signed_message(note))),
        )

    def _received_at(self, now_ms: int) -> int:
        """Return the time of this commit, inside its transaction: it never falls."""
        rows = self.engine.query("SELECT received_at_ms FROM group_commit ORDER BY first_seq DESC LIMIT 1")
        return checked_clock(now_ms, int(rows[0][0]) if rows else 0, "the last write")


def promise_leaves(chain_id: bytes, first_index: int, hashes: Sequence[bytes], submitter: bytes) -> list[bytes]:
    """Return the hashes of the promise leaves of consecutive entries of one chain (docs/spec/promise.md)."""
    before = _PROMISE_PREFIX + exactly(chain_id, HASH_SIZE, "chain_id")
    after = exactly(submitter, SUBMITTER_SIZE, "submitter")
    return sha256_each(map(_PROMISE_LEAF.pack, repeat(before), count(first_index), hashes, repeat(after)))


def check_still_valid(entry: Entry, received_at_ms: int) -> None:
    """Raise RefusedEntryError where an entry was valid only before the time of its commit (design section 3.1)."""
    not_after = entry.extension(ExtensionType.NOT_VALID_AFTER)
    if not_after is not None and int.from_bytes(not_after, "big") < received_at_ms:
        raise RefusedEntryError(
            f"the entry was valid until {int.from_bytes(not_after, 'big')} ms, now is {received_at_ms}; make a new one"
        )


def stored_promise_leaves(chains: Chains, first_seq: int, count: int) -> Iterator[bytes]:
    """Yield the hashes of the promise leaves of one group commit, made again from what is stored."""
    for run in chains.runs(first_seq, first_seq + count):
        chain_id = bytes(chains.trees.state(run.chain_no).chain_id)
        last_index = run.first_index + run.entry_count
        flat = b"".join(chains.trees.leaf_hashes(run.chain_no, run.first_index, last_index))
        hashes = [flat[at : at + HASH_SIZE] for at in range(0, len(flat), HASH_SIZE)]
        yield from promise_leaves(chain_id, run.first_index, hashes, run.submitter)


def has_external_ids(entry: bytes) -> bool:
    """Say whether an encoded entry has external ids, without decoding it: their count follows the media type."""
    return entry[66 + entry[65]] != 0


def _batch_of(submissions: Sequence[Submission], hashes: Sequence[bytes]) -> Batch:
    entries = [submission.entry for submission in submissions]
    kept = Column.of(list(map(_kept, submissions)))
    return Batch(Column.of(entries), kept, hashes, any(map(has_external_ids, entries)))


def _kept(submission: Submission) -> bytes:
    if submission.salt is None:
        return b""
    if submission.content is not None:
        return keep_content(submission.salt, submission.content)
    return b"" if submission.digest is None else keep_digest(submission.salt, submission.digest)


def _pieces(flat: bytes, size: int) -> list[bytes]:
    return [piece for (piece,) in struct.iter_unpack(f"{size}s", flat)]

"""The writer: what may be appended, and the group commit that makes it durable and promises it.

Submissions come from the CLI and the HTTP API; every group commit is one transaction with one signed promise,
and nothing is acknowledged before it is on disk. Receipts rebuild each writer's path from the rows written here.
"""

import os
import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from itertools import chain as chained
from types import MappingProxyType

from anchor.directory import checked_clock
from anchor.errors import ContentTooLargeError, RefusedEntryError
from anchor.hashing.chosen import HASHING
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import LEAF_PREFIX
from anchor.proof.access_record import is_access_id
from anchor.proof.author_audit import Named
from anchor.proof.chain_life import may_follow_closing
from anchor.proof.codec import HASH_SIZE, exactly
from anchor.proof.entry import (
    SALT_SIZE,
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    Link,
    chain_id_of,
    check_author,
)
from anchor.proof.errors import AnchorlineError
from anchor.proof.identity import begins_identity
from anchor.proof.merkle import leaf_hash
from anchor.proof.policy import stated_in
from anchor.proof.promise import ANONYMOUS, LEAF_TYPE, SUBMITTER_SIZE, PromiseNote, promise_key_id, signed_message
from anchor.signing import SigningKey, check_signature
from anchor.storage.engine import Engine, Question, Row
from chains.bundle import BUNDLE_ENTRIES, Column
from chains.chain import (
    Batch,
    Chain,
    Chains,
    Run,
    keep_box,
    keep_content,
    keep_contents,
    keep_digest,
    keep_digests,
    keep_each,
)
from chains.chain_life import ChainLives, handed_in
from chains.client.envelope import Envelope, WrappedKey
from chains.envelopes import Envelopes, check_encrypted, keys_in
from chains.found_by import may_have_keys
from chains.idempotency import RequestKey
from chains.identity import Identities, named_by
from chains.lookup import Lookup
from chains.policy import Policies
from chains.settings import Limits
from chains.submitted import (
    Shape,
    commitments_hold,
    each_signed_together,
    signed_alike,
    wrong_commitments,
    wrong_signatures,
)
from chains.work import (
    Accepted,
    AcceptedRun,
    Content,
    ContentsAlike,
    Opening,
    Promised,
    Refused,
    Submission,
    SubmissionsAlike,
    Work,
)

# Later than any time that eight bytes hold.
_EVER = 1 << 64
_PROMISE_PREFIX = bytes((0x00, LEAF_TYPE))
_INDEX_SIZE = 8
# Where the content commitment stands in an encoded entry (docs/spec/entry.md).
_COMMITMENT = slice(33, 65)


NEWEST: Question = ("SELECT received_at_ms FROM group_commit ORDER BY first_seq DESC LIMIT 1", ())
"""The time of the newest group commit."""


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
        self.identities = Identities(engine, chains)
        self.lives = ChainLives(engine, chains)
        self.envelopes = Envelopes(engine)
        self.policies = Policies(engine, chains, self.identities, lookup)
        # After the last append of this writer, committed or not: how much of the index may be waiting.
        self.next_seq = chains.next_seq()
        self.key_id = promise_key_id(promise_key.public_key)

    def open_chain(
        self,
        external_ids: Sequence[ExternalId],
        content: bytes,
        name: str | None,
        now_ms: int,
        media_type: str = "",
        *,
        note: Callable[[Chain], None] = lambda _: None,
    ) -> tuple[Chain, Accepted]:
        """Open a chain with its first entry, whose external ids give the chain its id; one transaction.

        ``note`` is run in the same transaction, as that of ``Opening``: to say whose the chain is.
        """
        if begins_identity(external_ids):
            raise RefusedEntryError("a chain with this first external id is an identity: `anchorline identity new`")
        check_no_access_chain(external_ids)
        chain_id = chain_id_of(external_ids)
        batch = self._fresh(Entry(chain_id, bytes(32), media_type, tuple(external_ids)), [content], keep=True)
        with self.engine.transaction():
            chain = self.chains.open(chain_id, name, now_ms)
            note(chain)
            accepted = self._append(chain, batch, self.received_at(now_ms), ANONYMOUS)
        return chain, accepted[0]

    def open_chain_with(
        self, submission: Submission, name: str | None, now_ms: int, note: Callable[[Chain], None] = lambda _: None
    ) -> tuple[Chain, Accepted]:
        """Open a chain with a first entry that its writer made; its ids must give the chain id it names.

        ``note`` is run in the same transaction, as that of ``open_chain``.
        """
        entry = self._checked(submission)
        _check_first(entry.chain_id, entry.external_ids)
        if handed_in(entry, self.log_id) is not None:
            raise RefusedEntryError(NOT_CLOSED_AT_ONCE)
        batch = batch_of([submission], HASHING.leaves([submission.entry]))
        with self.engine.transaction():
            received_at_ms = self.received_at(now_ms)
            check_still_valid(entry, received_at_ms)
            self._check_authors([entry], received_at_ms)
            self.identities.check_first(entry, received_at_ms)
            stated = self.policies.check_first(entry, received_at_ms)
            chain = self.chains.open(entry.chain_id, name, now_ms)
            note(chain)
            accepted = self._append(chain, batch, received_at_ms, ANONYMOUS, stated)
            self.envelopes.keep([(accepted[0].seq, keys_in(submission))], received_at_ms)
        return chain, accepted[0]

    def record(
        self,
        chain: Chain,
        contents: Sequence[bytes],
        now_ms: int,
        *,
        media_type: str = "",
        external_ids: Sequence[ExternalId] = (),
        links: Sequence[Link] = (),
        keep: bool = True,
    ) -> Sequence[Accepted]:
        """Record contents as one group commit, each as an entry under a fresh salt; all of them or none.

        With ``keep`` false only their digests are stored. No equal entry can be there already (a salt has 128 random
        bits), so none is looked for.
        """
        template = Entry(chain.chain_id, bytes(HASH_SIZE), media_type, tuple(external_ids), tuple(links))
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
        template = Entry(chain.chain_id, bytes(HASH_SIZE), media_type)
        given = Pieces.of(digests, what="digest")
        salts = _fresh_salts(len(digests))
        commitments = HASHING.rows(b"", salts, given)
        if external_ids:
            pairs = zip(commitments, external_ids, strict=True)
            column, hashes = _entries_with_ids(template, pairs)
        else:
            column, hashes = _entries(template, commitments)
        batch = Batch(column, keep_digests(salts, given), hashes, with_ids=bool(external_ids))
        return self._append_fresh(chain, batch, now_ms)

    def submit(
        self,
        chain: Chain,
        submissions: Sequence[Submission],
        now_ms: int,
        submitter: bytes = ANONYMOUS,
        *,
        by_service: bool = False,
        check: Callable[[], None] = lambda: None,
        note: Callable[[Sequence[Accepted]], None] = lambda _: None,
    ) -> list[Accepted]:
        """Append entries that their writers made, in order, as one group commit; all of them or none.

        Idempotent by entry hash: an entry that is kept already is not written again, and keeps its place, its promise
        and its submitter for ever, also when it could not be handed in anew. ``by_service``: what only the service says
        of erasures, holds and a chain's life is taken. Where something is new, ``check`` is run in the same transaction
        before it is there (a look-up behind it would remember what may be rolled back), ``note`` with it afterwards.
        Raises RefusedEntryError, MalformedError, VerificationError, ClockError or a StorageError: nothing was kept.
        """
        entries = self._check_each(chain, submissions, states_erasure=by_service)
        for entry in entries if not by_service else ():
            handed_in(entry, self.log_id)
        hashes = HASHING.leaves([submission.entry for submission in submissions])
        self.lookup.keep_up(self.next_seq)
        with self.engine.transaction():
            accepted = self.known(hashes)
            new: dict[bytes, int] = {}
            for place, key in enumerate(hashes):
                if key not in accepted:
                    new.setdefault(key, place)
            if new:
                check()
                received_at_ms = self.received_at(now_ms)
                fresh = [entries[place] for place in new.values()]
                for entry in fresh:
                    check_still_valid(entry, received_at_ms)
                self._check_authors(fresh, received_at_ms)
                self.check_not_access(chain)
                self.identities.check_next(chain, fresh, received_at_ms)
                self.lives.check_next(chain, fresh, self.log_id)
                stated = self.policies.check_next(chain, fresh, received_at_ms)
                batch = batch_of([submissions[place] for place in new.values()], Pieces.of(list(new)))
                added = self._append(chain, batch, received_at_ms, submitter, stated)
                self.lives.note(chain, added[0].leaf_index, fresh, self.log_id)
                note(added)
                wrapped = [keys_in(submissions[place]) for place in new.values()]
                self.envelopes.keep(zip((item.seq for item in added), wrapped, strict=True), received_at_ms)
                accepted |= {item.entry_hash: item for item in added}
        # The same entry twice in one batch: the second one repeats the first.
        return [accepted[key]._replace(repeated=new.get(key) != place) for place, key in enumerate(hashes)]

    # --- work for a commit of many

    def prepare(
        self,
        to: Chain | Opening,
        items: Sequence[Submission | Content | Refused] | ContentsAlike | SubmissionsAlike,
        submitter: bytes = ANONYMOUS,
        key: RequestKey | None = None,
        threads: Executor | None = None,
        signed: bytes | None = None,
    ) -> Work:
        """Check what a client hands in, and make its entries: work for ``chains.together.commit_together``.

        Nothing is read from the database, so that any thread may do it. What breaks a rule is refused alone, and what
        the caller refused already keeps its place. Many signatures are checked on ``threads``, where there are some.
        ``signed`` is the key and the signature of whoever signed all of them as one batch: they are submissions without
        an author then, and get it here.
        """
        if not isinstance(to, Opening):
            if isinstance(items, SubmissionsAlike):
                work = self._made_alike(to, items, submitter, key, threads, signed)
            else:
                work = self._fresh_alike(to, items, submitter, key)
            if work is not None:
                return work
        each = items.each() if isinstance(items, ContentsAlike | SubmissionsAlike) else items
        if signed is not None:
            each = each_signed_together([item for item in each if isinstance(item, Submission)], signed)
        return self._prepare_each(to, each, submitter, key, threads)

    def _prepare_each(
        self,
        to: Chain | Opening,
        items: Sequence[Submission | Content | Refused],
        submitter: bytes,
        key: RequestKey | None,
        threads: Executor | None,
    ) -> Work:
        """Check items one by one: what breaks a rule is refused alone."""
        refused: dict[int, Refused] = {}
        made: dict[int, tuple[bytes, bytes]] = {}
        fresh: dict[int, tuple[Content, bytes]] = {}
        read: dict[int, tuple[Submission, Entry]] = {}
        shape: Shape | None = None
        silent: tuple[Extension, ...] | None = ()
        closings: set[int] = set()
        after_closing: set[int] = set()
        for place, item in enumerate(items):
            try:
                if isinstance(item, Refused):
                    refused[place] = item
                elif isinstance(item, Content):
                    fresh[place] = item, self._template(to, item)
                else:
                    shape, entry = self._read(to, item, shape)
                    # Entries of one shape have the same extensions, and most say nothing of their chain's life.
                    if entry.extensions is not silent:
                        is_closing, may_follow = self._of_life(to, entry)
                        closings |= {place} if is_closing else set()
                        after_closing |= {place} if may_follow else set()
                        silent = None if is_closing or may_follow else entry.extensions
                    read[place] = item, entry
                    made[place] = item.entry, _kept(item)
            except AnchorlineError as error:
                refused[place] = Refused.by(error)
        not_after, named, unsigned = _authors_of(read, threads)
        refused |= unsigned
        for place in unsigned:
            del made[place]
        entries, kept = _entries_of(fresh, made)
        order = [place for place in range(len(items)) if place not in refused]
        return Work(
            to=to,
            entries=Column.of(entries),
            kept=kept,
            hashes=HASHING.leaves(entries),
            with_ids=any(map(may_have_keys, entries)),
            is_fresh=not made,
            submitter=submitter,
            refused=refused,
            not_after_ms={inner: not_after[place] for inner, place in enumerate(order) if place in not_after},
            named={inner: named[place] for inner, place in enumerate(order) if place in named} if named else {},
            keys=_keys_of([items[place] for place in order]) if made else {},
            stating=_stating(order, read),
            key=key,
            closings=frozenset(inner for inner, place in enumerate(order) if place in closings),
            after_closing=frozenset(inner for inner, place in enumerate(order) if place in after_closing),
        )

    def _fresh_alike(
        self,
        chain: Chain,
        items: Sequence[Submission | Content | Refused] | ContentsAlike,
        submitter: bytes,
        key: RequestKey | None,
    ) -> Work | None:
        """Make entries of contents that are alike; None where they are not, or one is refused: each is looked at."""
        alike = items if isinstance(items, ContentsAlike) else _alike(items)
        if alike is None:
            return None
        try:
            template = Entry(chain.chain_id, bytes(HASH_SIZE), alike.media_type, alike.external_ids)
            batch = self._fresh(template, alike.contents, keep=alike.keep)
        except AnchorlineError:
            return None
        made = batch.entries, batch.kept, batch.hashes, batch.with_ids
        return Work(chain, *made, is_fresh=True, submitter=submitter, key=key)

    def _made_alike(
        self,
        chain: Chain,
        alike: SubmissionsAlike,
        submitter: bytes,
        key: RequestKey | None,
        threads: Executor | None,
        signed: bytes | None,
    ) -> Work | None:
        """Check entries of one shape as one; None where they are not, or one is refused: then each is looked at."""
        if not len(alike):
            return None
        raws, salts, contents = alike.entries, alike.salts, alike.contents
        sizes = list(map(len, contents))
        try:
            first = Entry.decode(raws[0])
            self._check_meant(first)
            self._check_chain(chain, first)
            self._check_beside(first, Submission(raws[0], salts[0], content=contents[0]))
            self._check_content_size(max(sizes))
            shape = Shape.of(raws[0], first)
            entries = signed_alike(shape, raws, signed, threads)
            if entries is None or not commitments_hold(raws, salts, contents):
                return None
            # By extensions and author, which all have in common.
            first = Entry.decode(entries.flat[: entries.sizes[0]])
            named = named_by(first)
            if stated_in(first) is not None or self._of_life(chain, first) != (False, False):
                return None
        except AnchorlineError:
            return None
        until_ms, places = _not_after_ms(first), range(len(raws))
        return Work(
            to=chain,
            entries=entries,
            kept=keep_contents(Pieces(SALT_SIZE, each=salts), contents, sizes),
            hashes=HASHING.cut(entries.flat, entries.sizes, LEAF_PREFIX),
            with_ids=may_have_keys(raws[0]),
            is_fresh=False,
            submitter=submitter,
            not_after_ms={} if until_ms == _EVER else dict.fromkeys(places, until_ms),
            named={} if named is None else dict.fromkeys(places, named),
            key=key,
        )

    def _template(self, to: Chain | Opening, item: Content) -> bytes:
        """Return the entry of a content, but for its commitment."""
        self._check_content_size(len(item.content))
        if isinstance(to, Opening):
            _check_first(to.chain_id, item.external_ids)
        return Entry(to.chain_id, bytes(HASH_SIZE), item.media_type, item.external_ids).encode()

    def _append_fresh(self, chain: Chain, batch: Batch, now_ms: int) -> Sequence[Accepted]:
        # Before the commit, not after it: what fails here has kept nothing, and what is committed is acknowledged.
        self.lookup.keep_up(self.next_seq)
        with self.engine.transaction():
            received_at_ms = self.received_at(now_ms)
            if self.identities.is_identity(chain):
                raise RefusedEntryError(not_for_contents(chain.chain_id))
            self.check_not_access(chain)
            self.lives.check_next(chain, None, self.log_id)
            if self.policies.is_under(chain):
                self.policies.check_next(chain, map(Entry.decode, batch.entries.items()), received_at_ms)
            return self._append(chain, batch, received_at_ms, ANONYMOUS)

    def _fresh(self, template: Entry, contents: Sequence[bytes], *, keep: bool) -> Batch:
        """Make an entry for each content from a template, under fresh salts; they differ in the commitment only."""
        sizes = list(map(len, contents))
        self._check_content_size(max(sizes, default=0))
        salts, digests = _fresh_salts(len(contents)), HASHING.each(contents)
        entries, hashes = _entries(template, HASHING.rows(b"", salts, digests))
        kept = keep_contents(salts, contents, sizes) if keep else keep_digests(salts, digests)
        return Batch(entries, kept, hashes, bool(template.external_ids or template.links))

    # --- the rules

    def check_content(self, chain: Chain, content: bytes, media_type: str, links: Sequence[Link] = ()) -> None:
        """Raise what ``record`` would raise for this content; nothing is written."""
        self._check_content_size(len(content))
        Entry(chain.chain_id, bytes(HASH_SIZE), media_type, (), tuple(links)).encode()

    def _check_each(self, chain: Chain, submissions: Sequence[Submission], *, states_erasure: bool) -> list[Entry]:
        """Return the entries of submissions for a chain; raise what is wrong with the first that is wrong."""
        read: dict[int, tuple[bytes, Entry]] = {}
        shape: Shape | None = None
        for place, submission in enumerate(submissions):
            shape, entry = self._read(chain, submission, shape, states_erasure=states_erasure)
            read[place] = submission.entry, entry
        beside = {place: (submissions[place], entry) for place, (_, entry) in read.items()}
        for error in (wrong_commitments(beside) | wrong_signatures(read)).values():
            raise error
        return [entry for _, entry in read.values()]

    def _checked(self, submission: Submission) -> Entry:
        """Decode a submitted entry and hold it to the rules at submit (design section 3.1) that time cannot change."""
        entry = Entry.decode(submission.entry)
        self._check_meant(entry)
        check_author(entry, check_signature)
        self._check_beside(entry, submission)
        for error in wrong_commitments({0: (submission, entry)}).values():
            raise error
        return entry

    def _read(
        self, chain: Chain | Opening, submission: Submission, shape: Shape | None, *, states_erasure: bool = False
    ) -> tuple[Shape, Entry]:
        """Read a submitted entry, as ``_checked`` does but for its signature; return its shape with it.

        What was looked at for ``shape`` is not looked at again: log, chain and extensions are the same.
        """
        entry = None if shape is None else shape.read(submission.entry)
        if entry is None or shape is None:
            entry = Entry.decode(submission.entry)
            self._check_meant(entry, states_erasure=states_erasure)
            self._check_chain(chain, entry)
            shape = Shape.of(submission.entry, entry)
        self._check_beside(entry, submission)
        return shape, entry

    def _of_life(self, to: Chain | Opening, entry: Entry) -> tuple[bool, bool]:
        """Say whether an entry closes its chain, and whether it may follow the closing: by its extensions alone."""
        is_closing = handed_in(entry, self.log_id) is not None
        if is_closing and isinstance(to, Opening):
            raise RefusedEntryError(NOT_CLOSED_AT_ONCE)
        return is_closing, may_follow_closing(entry)

    def _check_meant(self, entry: Entry, *, states_erasure: bool = False) -> None:
        wanted_log = entry.extension(ExtensionType.LOG_ID)
        if wanted_log is not None and wanted_log != self.log_id:
            raise RefusedEntryError(f"the entry is meant for log {wanted_log.hex()} only, this is {self.log_id.hex()}")
        if entry.extension(ExtensionType.ACCESS_RECORD) is not None:
            raise RefusedEntryError("extension 12 marks a record of access, which only the service itself makes")
        if entry.unknown_critical_extensions():
            raise RefusedEntryError(
                f"extension {entry.unknown_critical_extensions()[0]:#06x} is unknown here and must be understood"
            )
        if not states_erasure and entry.extension(ExtensionType.ERASURE) is not None:
            raise RefusedEntryError(
                "what states an erasure or a hold is made by `anchorline erase` and `anchorline hold`"
            )

    def _check_chain(self, chain: Chain | Opening, entry: Entry) -> None:
        if entry.chain_id != chain.chain_id:
            raise RefusedEntryError(
                f"the entry is for chain {entry.chain_id.hex()}, it was handed in for {chain.chain_id.hex()}"
            )
        if isinstance(chain, Opening):
            _check_first(chain.chain_id, entry.external_ids)

    def check_not_access(self, chain: Chain) -> None:
        """Raise RefusedEntryError for an access chain: its entries are made by this service alone."""
        if self.identities.is_access_chain(chain):
            raise RefusedEntryError(not_for_others(chain.chain_id))

    def _check_authors(self, entries: Iterable[Entry], now_ms: int) -> None:
        """Inside a transaction: whoever is named as an author must have signed with a key that is valid now."""
        for named in set(filter(None, map(named_by, entries))):
            self.identities.check_author(named, now_ms)

    def _check_beside(self, entry: Entry, submission: Submission) -> None:
        """Refuse what is handed in beside an entry and cannot be kept; ``wrong_commitments`` says whether it is its."""
        if submission.envelope is not None or entry.extension(ExtensionType.ENVELOPE) is not None:
            check_encrypted(entry, submission, self.limits.content_bytes)
            return
        if submission.content is not None:
            self._check_content_size(len(submission.content))
        if submission.salt is not None:
            exactly(submission.salt, SALT_SIZE, "salt")
        if submission.digest is not None:
            exactly(submission.digest, HASH_SIZE, "content digest")
        has_content = submission.content is not None or submission.digest is not None
        if has_content and submission.salt is None:
            raise RefusedEntryError("content was handed in without the salt of its commitment: hand in both")
        if submission.salt is not None and not has_content:
            raise RefusedEntryError("a salt was handed in without content or its digest: hand in both")

    def _check_content_size(self, size: int) -> None:
        if size > self.limits.content_bytes:
            raise ContentTooLargeError(
                f"content: expected at most {self.limits.content_bytes} bytes, got {size}; "
                "record larger things by their digest (`--digest`), or raise content_bytes in the settings"
            )

    # --- the group commit

    def _append(
        self,
        chain: Chain,
        batch: Batch,
        received_at_ms: int,
        submitter: bytes,
        stated: Mapping[int, bytes] = MappingProxyType({}),
    ) -> Sequence[Accepted]:
        """Append a batch and promise it, inside a transaction: after the commit both are there, before it neither.

        ``stated`` has the indexes and hashes of those that state a policy.
        """
        if not batch.hashes:
            return []
        run = self.chains.append_rows(chain, batch, submitter)
        if stated:
            self.policies.note(run.chain_no, stated)
        self.promise([(chain.chain_id, run, batch.hashes)], received_at_ms)
        return AcceptedRun(run.first_index, run.first_seq, batch.hashes)

    def known(self, hashes: Sequence[bytes]) -> dict[bytes, Accepted]:
        """Return those entries that are kept already.

        Rows that lie together are read together: a batch that is handed in again is as near to itself as it was.
        """
        wanted: dict[int, list[bytes]] = {}
        for key, seqs in self.lookup.candidates(hashes).items():
            for seq in seqs:
                wanted.setdefault(seq, []).append(key)
        known = {}
        for start, end in _stretches(sorted(wanted)):
            indexes = chained.from_iterable(
                range(run.first_index, run.first_index + run.entry_count) for run in self.chains.runs(start, end)
            )
            for (seq, entry), leaf_index in zip(self.chains.bundles.entries(start, end), indexes, strict=True):
                if seq in wanted and (key := leaf_hash(entry)) in wanted[seq]:
                    known[key] = Accepted(key, leaf_index, seq, repeated=True)
        return known

    def promise(self, runs: Sequence[tuple[bytes, Run, Pieces]], received_at_ms: int) -> Promised:
        """Sign one promise over everything that a commit adds, inside its transaction.

        ``runs``: for each run of rows, in their order, its chain id and its entry hashes.
        """
        leaves = [promise_leaves(chain_id, run.first_index, hashes, run.submitter) for chain_id, run, hashes in runs]
        levels = HASHING.levels(Pieces.joined(leaves))
        first_seq, size = runs[0][1].first_seq, len(levels[0])
        self.next_seq = first_seq + size
        note = PromiseNote(
            log_id=self.log_id,
            received_at_ms=received_at_ms,
            seal_by_ms=received_at_ms + self.limits.seal_within_ms,
            anchor_by_ms=received_at_ms + self.limits.anchor_within_ms,
            count=size,
            root=levels[-1][0],
        )
        signature = self.promise_key.sign(signed_message(note))
        self.engine.execute_many(
            "INSERT INTO group_commit (first_seq, entry_count, received_at_ms, note, signature) VALUES (?, ?, ?, ?, ?)",
            [(first_seq, size, received_at_ms, note.encode(), signature)],
        )
        return Promised(note, self.key_id, signature, levels, first_seq)

    def received_at(self, now_ms: int, newest: Sequence[Row] | None = None) -> int:
        """Return the time of this commit, inside its transaction: it never falls.

        ``newest`` is what ``NEWEST`` was answered with, where it was asked already.
        """
        rows = self.engine.query(*NEWEST) if newest is None else newest
        return checked_clock(now_ms, int(rows[0][0]) if rows else 0, "the last write")


def promise_leaves(chain_id: bytes, first_index: int, hashes: Pieces, submitter: bytes) -> Pieces:
    """Return the hashes of the promise leaves of consecutive entries of one chain (docs/spec/promise.md)."""
    before = _PROMISE_PREFIX + exactly(chain_id, HASH_SIZE, "chain_id")
    after = exactly(submitter, SUBMITTER_SIZE, "submitter")
    indexes = array("Q", range(first_index, first_index + len(hashes)))
    if sys.byteorder == "little":
        indexes.byteswap()
    return HASHING.rows(before, Pieces.cut(indexes.tobytes(), _INDEX_SIZE), hashes, after)


def _alike(items: Sequence[Submission | Content | Refused]) -> ContentsAlike | None:
    """Return contents as contents that are alike, or None where they differ in more than their bytes."""
    first = items[0] if items else None
    if not isinstance(first, Content):
        return None
    rest = first[1:]
    contents = [item.content for item in items if isinstance(item, Content) and item[1:] == rest]
    return ContentsAlike(contents, *rest) if len(contents) == len(items) else None


NOT_CLOSED_AT_ONCE = "a chain does not begin with its closing: record something first"


def check_still_valid(entry: Entry, received_at_ms: int) -> None:
    """Raise RefusedEntryError where an entry was valid only before the time of its commit (design section 3.1)."""
    until_ms = _not_after_ms(entry)
    if until_ms < received_at_ms:
        raise RefusedEntryError(too_late(until_ms, received_at_ms))


def not_for_contents(chain_id: bytes) -> str:
    """Return why contents are refused for the chain of an identity."""
    return f"chain {chain_id.hex()} is an identity: only statements of its keys are recorded there"


def not_for_others(chain_id: bytes) -> str:
    """Return why entries are refused for an access chain."""
    return f"chain {chain_id.hex()} records who read what: only the service itself writes there"


def check_no_access_chain(external_ids: Sequence[ExternalId]) -> None:
    """Raise RefusedEntryError for the external ids of a first entry that would begin an access chain."""
    if is_access_id(external_ids):
        raise RefusedEntryError(
            "a chain with this first external id records who read what, and is opened by the service itself"
        )


def too_late(until_ms: int, now_ms: int) -> str:
    """Return why an entry is refused that was valid only until then."""
    return f"the entry was valid until {until_ms} ms, now is {now_ms}; make a new one"


def stored_promise_leaves(chains: Chains, first_seq: int, count: int) -> Pieces:
    """Return the hashes of the promise leaves of one group commit, made again from what is stored."""
    runs = list(chains.runs(first_seq, first_seq + count))
    places = [(run.chain_no, run.first_index, run.first_index + run.entry_count) for run in runs]
    ids = chains.ids_of({run.chain_no for run in runs})
    hashes = chains.trees.leaf_hashes_of_each(places)
    leaves = [
        promise_leaves(ids[run.chain_no], run.first_index, Pieces.cut(flat), run.submitter)
        for run, flat in zip(runs, hashes, strict=True)
    ]
    return Pieces.joined(leaves)


def _stretches(seqs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of stretches of rows that hold all of these, ascending; gaps are shorter than a bundle."""
    start = last = seqs[0] if seqs else 0
    for seq in seqs[1:]:
        if seq - last >= BUNDLE_ENTRIES:
            yield start, last + 1
            start = seq
        last = seq
    if seqs:
        yield start, last + 1


def _fresh_salts(count: int) -> Pieces:
    return Pieces.cut(os.urandom(SALT_SIZE * count), SALT_SIZE)


def _entries(template: Entry, commitments: Pieces) -> tuple[Column, Pieces]:
    """Return the entries that differ from the template in their commitments only, with their hashes."""
    encoded = template.encode()
    before, after = encoded[: _COMMITMENT.start], encoded[_COMMITMENT.stop :]
    column = Column(HASHING.woven(before, commitments, suffix=after), [len(encoded)] * len(commitments))
    return column, HASHING.rows(LEAF_PREFIX + before, commitments, suffix=after)


def _entries_with_ids(
    template: Entry, commitments: Iterable[tuple[bytes, Sequence[ExternalId]]]
) -> tuple[Column, Pieces]:
    """Return the entries that differ in their commitments and external ids, with their hashes."""
    entries = [
        replace(template, content_commitment=commitment, external_ids=tuple(ids)).encode()
        for commitment, ids in commitments
    ]
    return Column.of(entries), HASHING.leaves(entries)


def batch_of(submissions: Sequence[Submission], hashes: Pieces) -> Batch:
    """Return entries and what is kept beside them as rows to append."""
    entries = [submission.entry for submission in submissions]
    kept = Column.of(list(map(_kept, submissions)))
    return Batch(Column.of(entries), kept, hashes, any(map(may_have_keys, entries)))


def _keys_of(items: Sequence[Submission | Content | Refused]) -> dict[int, tuple[WrappedKey, ...]]:
    """Return by place the wrapped keys of those items that come with an envelope."""
    return {
        place: keys_in(item)
        for place, item in enumerate(items)
        if isinstance(item, Submission) and item.envelope is not None
    }


def _kept(submission: Submission) -> bytes:
    if submission.envelope is not None:
        return keep_box(Envelope.decode(submission.envelope).box)
    if submission.salt is None:
        return b""
    if submission.content is not None:
        return keep_content(submission.salt, submission.content)
    return b"" if submission.digest is None else keep_digest(submission.salt, submission.digest)


def _check_first(chain_id: bytes, external_ids: Sequence[ExternalId]) -> None:
    check_no_access_chain(external_ids)
    if not external_ids or chain_id_of(external_ids) != chain_id:
        raise RefusedEntryError(
            f"the external ids of a first entry must give its chain id; they do not give {chain_id.hex()}"
        )


def _authors_of(
    read: Mapping[int, tuple[Submission, Entry]], threads: Executor | None
) -> tuple[dict[int, int], dict[int, Named], dict[int, Refused]]:
    """Check what entries commit to and who signed them, each as it was handed in.

    Return by place until when some are valid, whom some name, and which are refused.
    """
    not_after: dict[int, int] = {}
    named: dict[int, Named] = {}
    if not read:
        return not_after, named, {}
    wrong: dict[int, AnchorlineError] = {**wrong_commitments(read)}
    wrong |= wrong_signatures({place: (item.entry, entry) for place, (item, entry) in read.items()}, threads)
    refused = {place: Refused.by(error) for place, error in wrong.items()}
    silent: tuple[Extension, ...] | None = ()
    for place, (_, entry) in read.items():
        # Entries of one shape have the same extensions, and most name nobody and no time.
        if place in refused or entry.extensions is silent:
            continue
        try:
            if (author := named_by(entry)) is not None:
                named[place] = author
        except AnchorlineError as error:
            refused[place] = Refused.by(error)
            continue
        if (until_ms := _not_after_ms(entry)) < _EVER:
            not_after[place] = until_ms
        is_silent = place not in not_after and entry.extension(ExtensionType.IDENTITY) is None
        silent = entry.extensions if is_silent else None
    return not_after, named, refused


def _stating(order: Sequence[int], read: Mapping[int, tuple[Submission, Entry]]) -> frozenset[int]:
    """Return which entries state a policy, by their places among those that were not refused."""
    return frozenset(
        inner for inner, place in enumerate(order) if place in read and stated_in(read[place][1]) is not None
    )


def _not_after_ms(entry: Entry) -> int:
    """Return until when an entry is valid, in Unix milliseconds; most are for ever."""
    not_after = entry.extension(ExtensionType.NOT_VALID_AFTER)
    return _EVER if not_after is None else int.from_bytes(not_after, "big")


def _entries_of(
    fresh: Mapping[int, tuple[Content, bytes]], made: Mapping[int, tuple[bytes, bytes]]
) -> tuple[list[bytes], Column]:
    """Return entries and what is kept beside them, in the order of their places; ``fresh`` ones are salted here."""
    entries, kept = _salted(fresh.values())
    if not made:
        return entries, kept
    rows = dict(zip(fresh, zip(entries, kept.items(), strict=True), strict=True)) | dict(made)
    in_order = [rows[place] for place in sorted(rows)]
    return [entry for entry, _ in in_order], Column.of([item for _, item in in_order])


def _salted(fresh: Collection[tuple[Content, bytes]]) -> tuple[list[bytes], Column]:
    """Return an entry for each content with its template, under fresh salts, and what is kept beside it."""
    salts, digests = _fresh_salts(len(fresh)), HASHING.each([item.content for item, _ in fresh])
    commitments = HASHING.rows(b"", salts, digests)
    entries = [
        template[: _COMMITMENT.start] + commitment + template[_COMMITMENT.stop :]
        for commitment, (_, template) in zip(commitments, fresh, strict=True)
    ]
    column = keep_each(salts, digests, [item.content if item.keep else None for item, _ in fresh])
    return entries, column

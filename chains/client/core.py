# SPDX-License-Identifier: Apache-2.0
"""The operations of the client without any I/O: which calls are made, what must hold of the answers, when to ask again.

Each is a generator (``chains.client.exchange``); ``chains.client.blocking`` and ``chains.client.asynchronous`` run it.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote

from anchor.proof import ed25519
from anchor.proof.blocks import KnownBlocks
from anchor.proof.certificate_proof import CertificateCheck
from anchor.proof.checkpoint import Checkpoint, Note, chain_origin
from anchor.proof.codec import HASH_SIZE, exactly
from anchor.proof.entry import Entry, ExternalId, IdKind, chain_id_of
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.expected_author import ExpectedAuthor
from anchor.proof.policy import Policy, follows
from anchor.proof.promise import Promise
from anchor.proof.receipt import MAX_FILE_WITH_CONTENT, LogCard, Receipt
from anchor.proof.verifier import DEFAULT_DEPTH, Verifier
from chains.client import judging, managing, policies
from chains.client.draft import Draft
from chains.client.encrypting import Opened, ReaderKey, open_envelope, wrap
from chains.client.envelope import MAX_ENVELOPE, Envelope, EnvelopeError, check_belongs
from chains.client.errors import ProblemAnswerError, UnpinnedLogError, UnreachableError, UntrueAnswerError, Untruth
from chains.client.exchange import SMALL_BYTES, Call, Exchange, Page, Pause, Reply, Task, Unreached, with_query
from chains.client.judging import Limits, Placed, Wanted
from chains.client.managing import SeenKey, SeenReader
from chains.client.own_entry import (
    Form,
    OwnEntry,
    Randomness,
    Sent,
    encrypted_entry,
    entry_of_digest,
    external_ids_of,
    make_entry,
    signed_each,
    signed_lines,
)
from chains.client.pace import Patience, is_answer, pause_s, retry_after_s
from chains.client.policies import SeenPolicy, policies_in
from chains.client.policy_document import MEDIA_TYPE
from chains.client.results import CheckedReceipt, Outcome, Recorded, Refused, SeenChain, SeenEntry
from chains.client.signing import Signatory
from chains.client.trust import DoubtError, TimeLimits, TrustedLog

SUBMISSION = "application/vnd.anchorline.submission+json"
NDJSON = "application/x-ndjson"
MOST_CONTENT = 64 * 2**20
PAGE_BYTES = 64 * 2**20
RESULT_BYTES = 1024
"""A result of a batch is some 120 bytes, a refusal with its text some more."""
PAGE_ITEMS = 200
SIGNED_TOGETHER = 512
"""Entries under one signature: each carries its path of at most nine hashes, and its receipts do."""
Found = TypeVar("Found")


@dataclass(frozen=True)
class Settings:
    """What a client holds to. ``card`` None: the first log that answers is believed, and from then on only it.

    ``submitter`` (16 bytes): promises to anyone else are refused. ``signer`` signs every entry. With
    ``search_key`` (32 bytes) names are keyed before they leave. ``blocks`` are the views of Bitcoin that receipts are
    verified with, ``check_certificate`` judges certificates that authors bound. Randomness and clocks come in, for
    tests.
    """

    card: LogCard | None
    randomness: Randomness
    chance: Callable[[], float]
    monotonic_s: Callable[[], float]
    clock_ns: Callable[[], int]
    check_signature: ed25519.SignatureCheck
    trust_on_first_use: bool = False
    patience: Patience = Patience()  # noqa: RUF009  # frozen
    times: TimeLimits = TimeLimits()  # noqa: RUF009  # frozen
    submitter: bytes | None = None
    signer: Signatory | None = None
    search_key: bytes | None = None
    blocks: tuple[KnownBlocks, ...] = ()
    depth: int = DEFAULT_DEPTH
    check_certificate: CertificateCheck | None = None


class Core:
    """The operations of one client. Its state is what it has learnt: the log's keys, and the newest checkpoint."""

    def __init__(self, settings: Settings) -> None:
        if settings.card is None and not settings.trust_on_first_use:
            raise UnpinnedLogError("expected the log's card (card=...), or trust_on_first_use=True; got neither")
        self.settings = settings
        self.trusted: TrustedLog | None = None
        self.limits: Limits | None = None
        self.newest: Note | None = None

    # --- the log

    def log(self) -> Task[TrustedLog]:
        """Return the log, whose card is the pinned one; it is asked for once."""
        return self.trusted if self.trusted is not None else (yield from self.asked_log())

    def asked_log(self) -> Task[TrustedLog]:
        """Ask for the log again: its keys may have changed."""
        exchange = yield from self._ask(Call("GET", "/v1/log", most_bytes=1024 * 1024, is_public=True))
        pinned = self.trusted.card if self.trusted is not None else self.settings.card

        def judge() -> TrustedLog:
            card, keys, self.limits = judging.log_of(exchange.reply.body)
            if pinned is not None and card.log != pinned.log:
                raise DoubtError(
                    Untruth.ANOTHER_LOG, f"log {card.log.log_id.hex()} answered, pinned is {pinned.log.log_id.hex()}"
                )
            return TrustedLog(pinned or card, keys, self.settings.check_signature)

        self.trusted = _judged(judge, exchange)
        return self.trusted

    # --- writing

    def open_chain(
        self,
        external_ids: Sequence[ExternalId],
        content: bytes,
        form: Form,
        sent: Sent,
        name: str | None,
        visibility: str,
    ) -> Task[Recorded]:
        """Open a chain with its first entry; without ids it gets 32 random bytes, which nobody guesses."""
        yield from self.log()
        ids = tuple(external_ids) or (ExternalId(IdKind.KEYED, self.settings.randomness(32)),)
        own = self.make(chain_id_of(ids), content, replace(form, external_ids=ids), sent)
        return (yield from self._open(own, name, visibility))

    def _open(self, own: OwnEntry, name: str | None, visibility: str) -> Task[Recorded]:
        """Open a chain with a first entry that was made."""
        value = {"visibility": visibility, "first_entry": json.loads(own.submission())}
        if name is not None:
            value["name"] = name
        call = self._writing("/v1/chains", json.dumps(value).encode("ascii"), "application/json")
        return (yield from self._record(call, own))

    def ids_of(self, names: Sequence[str | bytes | ExternalId]) -> tuple[ExternalId, ...]:
        """Return external ids as they leave this machine: names are keyed where there is a search key."""
        return external_ids_of(names, self.settings.search_key)

    def make(self, chain_id: bytes, content: bytes | None, form: Form, sent: Sent) -> OwnEntry:
        """Return an entry over content; a signed one is for the log of this client only.

        With readers in its form the service gets the content encrypted, whatever ``sent`` says.
        """
        if form.readers:
            return encrypted_entry(chain_id, content or b"", self._form(form), self.settings.randomness, form.readers)
        return make_entry(chain_id, content, self._form(form), self.settings.randomness, sent)

    def make_of_digest(self, chain_id: bytes, digest: bytes, form: Form, sent: Sent) -> OwnEntry:
        """Return an entry over content of which only the SHA-256 is at hand."""
        return entry_of_digest(chain_id, digest, self._form(form), self.settings.randomness, sent)

    def make_many(self, chain_id: bytes, contents: Sequence[bytes], form: Form, sent: Sent) -> list[OwnEntry]:
        """Return an entry over each content; where somebody signs, one signature is for ``SIGNED_TOGETHER`` of them.

        Of encrypted contents each is signed by itself: its wrapped keys are bound to the entry with its signature.
        """
        if form.readers:
            return [self.make(chain_id, content, form, sent) for content in contents]
        form = self._form(form)
        plain = replace(form, author=None)
        owns = [make_entry(chain_id, content, plain, self.settings.randomness, sent) for content in contents]
        if form.author is None:
            return owns
        parts = [owns[at : at + SIGNED_TOGETHER] for at in range(0, len(owns), SIGNED_TOGETHER)]
        return [own for part in parts for own in signed_each(part, form.author)]

    def _form(self, form: Form) -> Form:
        """Return a form with whoever signs; what is signed is meant for this log only."""
        signer = self.settings.signer
        if form.author is None and signer is not None:
            form = replace(form, author=signer.key, identity=signer.identity)
        if form.author is None:
            return form
        card = self.trusted.card if self.trusted is not None else self.settings.card
        if card is None:
            raise UnpinnedLogError("a signed entry names its log, which is not known yet: ask for log() first")
        return replace(form, log_id=card.log.log_id)

    def record_many(self, chain_id: bytes, contents: Sequence[bytes], form: Form, sent: Sent) -> Task[list[Outcome]]:
        """Make an entry of each content and record them in as few requests as the service takes."""
        yield from self.log()
        return (yield from self.record_all(self.make_many(chain_id, contents, form, sent)))

    def record(self, own: OwnEntry) -> Task[Recorded]:
        """Record one entry."""
        yield from self.log()
        path = f"/v1/chains/{own.entry.chain_id.hex()}/entries"
        return (yield from self._record(self._writing(path, own.submission(), SUBMISSION), own))

    def _record(self, call: Call, own: OwnEntry) -> Task[Recorded]:
        asked_at_ms = self._now_ms()
        exchange = yield from self._ask(call, (200, 201))
        placed = _judged(lambda: judging.placed_one(exchange.reply.status, exchange.reply.body, own), exchange)
        (outcome,) = yield from self._promised([own], [placed], asked_at_ms, exchange)
        assert isinstance(outcome, Recorded)
        return outcome

    def record_all(self, owns: Sequence[OwnEntry]) -> Task[list[Outcome]]:
        """Record entries of one chain in as few requests as the service takes; an outcome for each, in order."""
        yield from self.log()
        outcomes: list[Outcome] = []
        for batch in self.batches(owns):
            outcomes += yield from self.record_batch(batch)
        return outcomes

    def batches(self, owns: Sequence[OwnEntry]) -> list[list[tuple[OwnEntry, bytes]]]:
        """Return entries with their lines, cut into what one request carries."""
        limits = self.limits or Limits(1, 1)
        found: list[list[tuple[OwnEntry, bytes]]] = []
        size = limits.batch_bytes
        for own in owns:
            line = own.submission() + b"\n"
            # A signed batch is a request of its own, which then needs no paths.
            is_first = own.place is not None and own.place[0] == 0
            is_full = len(found) > 0 and len(found[-1]) == limits.batch_entries
            if not found or is_full or is_first or size + len(line) > limits.batch_bytes:
                found.append([])
                size = 0
            found[-1].append((own, line))
            size += len(line)
        return found

    def record_batch(self, batch: Sequence[tuple[OwnEntry, bytes]]) -> Task[list[Outcome]]:
        """Record entries of one chain, which come with their lines, in one request."""
        yield from self.log()
        owns = [own for own, _ in batch]
        path = f"/v1/chains/{_one_chain(owns).hex()}/batch"
        lines = signed_lines(owns)
        body = b"".join(line for _, line in batch) if lines is None else b"\n".join(lines)
        call = self._writing(path, body, NDJSON, SMALL_BYTES + RESULT_BYTES * len(batch))
        asked_at_ms = self._now_ms()
        exchange = yield from self._ask(call)
        found = _judged(lambda: judging.placed_each(exchange.reply.body, owns), exchange)
        return (yield from self._promised(owns, found, asked_at_ms, exchange))

    def _promised(
        self, owns: Sequence[OwnEntry], found: Sequence[Placed | Refused], asked_at_ms: int, exchange: Exchange
    ) -> Task[list[Outcome]]:
        """Check each promise; fetch those of entries that were there before."""
        log = yield from self.log()
        is_replayed = exchange.reply.headers.get("idempotency-replayed") == "true"
        held: dict[bytes, Promise] = {}
        outcomes: list[Outcome] = []
        signed: set[tuple[bytes, bytes]] = set()
        for own, item in zip(owns, found, strict=True):
            if isinstance(item, Refused):
                outcomes.append(item)
                continue
            promise, source = item.promise or held.get(own.hash), exchange
            if promise is None:
                promise, source = yield from self._asked_promise(own.hash, exchange)
            if promise is not None:
                log = yield from self._knowing(log, promise.key_id)
                is_new = not item.repeated and not is_replayed
                self._check_promise(promise, own, item, log, signed, (asked_at_ms, is_new), source)
                held[own.hash] = promise
            outcomes.append(Recorded(own, item.leaf_index, item.repeated, promise, log.card.log))
        return outcomes

    def _check_promise(
        self,
        promise: Promise,
        own: OwnEntry,
        placed: Placed,
        log: TrustedLog,
        signed: set[tuple[bytes, bytes]],
        asked: tuple[int, bool],
        exchange: Exchange,
    ) -> None:
        """Check one promise; ``signed`` are notes whose signature was looked at already."""

        def judge() -> None:
            judging.check_leaf(promise, own, placed.leaf_index)
            note = (promise.note.encode(), promise.signature)
            if note not in signed:
                log.check_promise_signature(promise)
                self.settings.times.check(promise.note, asked[0], self._now_ms(), is_new=asked[1])
                signed.add(note)
            wanted = self.settings.submitter
            if wanted is not None and not placed.repeated and promise.leaf.submitter != wanted:
                raise DoubtError(Untruth.PROMISE_SUBMITTER, f"promised to {promise.leaf.submitter.hex()}")

        _judged(judge, exchange)

    def _asked_promise(self, entry_hash: bytes, exchange: Exchange) -> Task[tuple[Promise | None, Exchange]]:
        try:
            found = yield from self._ask(Call("GET", f"/v1/entries/{entry_hash.hex()}/promise"))
        except ProblemAnswerError as error:
            if error.status == 404:
                return None, exchange
            raise
        return _judged(lambda: Promise.from_json(judging.fields_of(found.reply.body).rest()), found), found

    def _knowing(self, log: TrustedLog, key_id: bytes) -> Task[TrustedLog]:
        """Return the log as it is now where a promise is by a key that was not known when it was last asked for."""
        return log if log.knows(key_id) else (yield from self.asked_log())

    def _writing(self, path: str, body: bytes, content_type: str, most_bytes: int = SMALL_BYTES) -> Call:
        """Return a call that may be repeated: its key is fresh, and the same each time that it is sent."""
        key = base64.urlsafe_b64encode(self.settings.randomness(18)).decode("ascii")
        return Call("POST", path, (("content-type", content_type), ("idempotency-key", key)), body, most_bytes)

    # --- policies

    def policies(self, chain_id: bytes) -> Task[list[SeenPolicy]]:
        """Return the policies of a chain, the one in force last; none: it is open."""
        check = self.settings.check_signature
        return (yield from self.managed(policies.asking(chain_id), lambda body: policies_in(body, chain_id, check)))

    def draft_chain(
        self, form: Form, content: bytes, policy: Policy, keys: Sequence[bytes], opens: dict[str, str]
    ) -> Task[Draft]:
        """Return the first entry of a chain under a policy, for these public keys to sign."""
        log = yield from self.log()
        ids = form.external_ids or (ExternalId(IdKind.KEYED, self.settings.randomness(32)),)
        form = replace(form, external_ids=ids, log_id=log.card.log.log_id, policy=policy.encode())
        own = make_entry(chain_id_of(ids), content, form, self.settings.randomness, Sent.CONTENT)
        return Draft.of(own, keys, opens)

    def draft_policy(self, chain_id: bytes, policy: Policy, keys: Sequence[bytes], reason: str) -> Task[Draft]:
        """Return the entry that changes the policy of a chain, for these public keys to sign."""
        log = yield from self.log()
        before = policies.in_force((yield from self.policies(chain_id)))
        statement = follows(policy, before.entry.hash).encode()
        form = Form("text/plain" if reason else MEDIA_TYPE, log_id=log.card.log.log_id, policy=statement)
        own = make_entry(chain_id, reason.encode(), form, self.settings.randomness, Sent.CONTENT)
        return Draft.of(own, keys)

    def submit_draft(self, draft: Draft) -> Task[Recorded]:
        """Record the entry of a draft that all have signed, or open the chain of which it is the first."""
        yield from self.log()
        own, opens = draft.finished(), draft.opens
        if opens is None:
            return (yield from self.record(own))
        return (yield from self._open(own, opens.get("name"), opens.get("visibility", "private")))

    # --- reading

    def chain(self, name_or_id: str) -> Task[SeenChain]:
        """Return what the service says of a chain; that a name means this chain is its word only."""
        exchange = yield from self._ask(Call("GET", f"/v1/chains/{quote(name_or_id, safe='')}"))
        return _judged(lambda: judging.seen_chain(judging.fields_of(exchange.reply.body).rest()), exchange)

    def chains(self, cursor: str | None) -> Task[Page[SeenChain, str]]:
        """Return a page of chains that the key may see, and the cursor of the next."""
        exchange = yield from self._ask(Call("GET", with_query("/v1/chains", cursor=cursor), most_bytes=PAGE_BYTES))
        return _judged(lambda: judging.chains_of(exchange.reply.body), exchange)

    def entry(self, entry_hash: bytes) -> Task[SeenEntry]:
        """Return one entry."""
        key = exactly(entry_hash, HASH_SIZE, "entry_hash")
        exchange = yield from self._ask(Call("GET", f"/v1/entries/{key.hex()}"))

        def judge() -> SeenEntry:
            seen = judging.seen_entry(judging.fields_of(exchange.reply.body).rest())
            if seen.entry_hash != key:
                raise DoubtError(Untruth.ANOTHER_ENTRY, f"asked was {key.hex()}, shown {seen.entry_hash.hex()}")
            return seen

        return _judged(judge, exchange)

    def entries(self, chain_id: bytes, start: int) -> Task[Page[SeenEntry, int]]:
        """Return a page of a chain's entries from ``start`` on, and where the next one starts."""
        path = with_query(f"/v1/chains/{chain_id.hex()}/entries", cursor=str(start), limit=str(PAGE_ITEMS))
        exchange = yield from self._ask(Call("GET", path, most_bytes=PAGE_BYTES))

        def judge() -> Page[SeenEntry, int]:
            page, cursor = judging.page_of(exchange.reply.body)
            judging.in_order(page, chain_id, start)
            return page, start + len(page) if page and cursor is not None else None

        return _judged(judge, exchange)

    def search(
        self,
        external_id: str | bytes | ExternalId | None,
        from_ms: int | None,
        to_ms: int | None,
        content_digest: bytes | None,
        cursor: str | None,
    ) -> Task[Page[SeenEntry, str]]:
        """Return a page of what was found, by an external id, content and time, and the next cursor.

        Each is the entry of its hash, has the id and commits to the content; that none is missing is the service's
        word.
        """
        id_digest = None if external_id is None else self.ids_of([external_id])[0].digest()
        given = {"from_ms": from_ms, "to_ms": to_ms}
        times = {name: str(value) for name, value in given.items() if value is not None}
        wanted = None if id_digest is None else id_digest.hex()
        content = None if content_digest is None else exactly(content_digest, HASH_SIZE, "content_digest").hex()
        path = with_query("/v1/search", external_id_digest=wanted, content_digest=content, cursor=cursor, **times)
        exchange = yield from self._ask(Call("GET", path, most_bytes=PAGE_BYTES))

        def judge() -> Page[SeenEntry, str]:
            page, following = judging.page_of(exchange.reply.body)
            if id_digest is not None:
                judging.having_id(page, id_digest)
            if content_digest is not None:
                judging.having_content(page, content_digest)
            return page, following

        return _judged(judge, exchange)

    def content(self, what: Recorded | bytes) -> Task[bytes]:
        """Return the content of an entry, which is what the entry commits to."""
        salt: bytes | None
        if isinstance(what, Recorded):
            key, entry, salt = what.entry_hash, what.own.entry, what.own.salt
        else:
            seen = yield from self.entry(what)
            key, entry, salt = what, seen.entry, seen.salt
        exchange = yield from self._ask(Call("GET", f"/v1/entries/{key.hex()}/content", most_bytes=MOST_CONTENT))

        def judge() -> bytes:
            if salt is None:
                raise DoubtError(Untruth.COMMITMENT, "content came without the salt that opens its commitment")
            judging.check_content(exchange.reply.body, entry, salt)
            return exchange.reply.body

        return _judged(judge, exchange)

    # --- encrypted content

    def envelope(self, entry_hash: bytes) -> Task[tuple[Entry, Envelope]]:
        """Return an entry and its envelope, which is the one that the entry names."""
        seen = yield from self.entry(entry_hash)
        call = Call("GET", f"/v1/entries/{entry_hash.hex()}/envelope", most_bytes=MAX_ENVELOPE)
        exchange = yield from self._ask(call)

        def judge() -> Envelope:
            envelope = Envelope.decode(exchange.reply.body)
            try:
                check_belongs(envelope, seen.entry)
            except EnvelopeError as error:
                raise DoubtError(Untruth.ENVELOPE, str(error)) from error
            return envelope

        return seen.entry, _judged(judge, exchange)

    def open(self, entry_hash: bytes, key: ReaderKey) -> Task[Opened]:
        """Return what is in an envelope, opened here; it is what the entry commits to."""
        entry, envelope = yield from self.envelope(entry_hash)
        return open_envelope(envelope, entry, key)

    def add_reader(self, entry_hash: bytes, key: ReaderKey, public_key: bytes) -> Task[SeenReader]:
        """Open the content key of an envelope with the key of one reader, and wrap it for another."""
        opened = yield from self.open(entry_hash, key)
        wrapped = wrap(opened.content_key, public_key, entry_hash)
        return (yield from self.managed(managing.adding_reader(entry_hash, wrapped), managing.reader_of))

    # --- proofs

    def receipt(
        self, what: Recorded | Receipt | CheckedReceipt | bytes, expected_author: ExpectedAuthor | None = None
    ) -> Task[CheckedReceipt]:
        """Return the receipt of an entry as complete as it can be now; of an older receipt, its upgrade.

        Raises NotTheAuthorError where another author than the expected one signed it.
        """
        log = yield from self.log()
        wanted = Wanted.of(what)
        key = exactly(wanted.entry_hash, HASH_SIZE, "entry_hash")
        call = Call("GET", f"/v1/entries/{key.hex()}/receipt", most_bytes=MAX_FILE_WITH_CONTENT)
        exchange = yield from self._ask(call)
        verifier = self.verifier(log.card, expected_author)
        found = _judged(
            lambda: judging.judged_receipt(exchange.reply.body, wanted, log.card.log, verifier),
            exchange,
            wanted.promise,
        )
        older = None if wanted.older is None else wanted.older.sealed
        if older is not None and found.receipt.sealed is not None:
            yield from self._check_history(older.note, found.receipt.sealed.note, exchange)
        return found

    def verifier(self, card: LogCard, expected_author: ExpectedAuthor | None = None) -> Verifier:
        """Return what every receipt is judged with."""
        settings = self.settings
        return Verifier(
            card=card,
            blocks=settings.blocks,
            depth=settings.depth,
            check_signature=settings.check_signature,
            check_certificate=settings.check_certificate,
            author=expected_author,
        )

    def checkpoint(self) -> Task[Checkpoint]:
        """Return the newest checkpoint, signed by the log, which continues the newest one that was seen before."""
        exchange = yield from self._ask(Call("GET", "/v1/checkpoint"))
        log = yield from self.log()
        found = yield from self._signed(exchange, log, log.card.log.origin)
        note = Note.decode(exchange.reply.body.decode("utf-8"))
        if self.newest is not None:
            yield from self._check_history(self.newest, note, exchange)
        if self.newest is None or Checkpoint.decode(self.newest.text).size < found.size:
            self.newest = note
        return found

    def chain_checkpoint(self, chain_id: bytes) -> Task[Checkpoint]:
        """Return size and root of a chain's newest sealed head, signed by the log."""
        exchange = yield from self._ask(Call("GET", f"/v1/chains/{chain_id.hex()}/checkpoint"))
        log = yield from self.log()
        return (yield from self._signed(exchange, log, chain_origin(log.card.log.origin, chain_id)))

    def _signed(self, exchange: Exchange, log: TrustedLog, origin: str) -> Task[Checkpoint]:
        text = exchange.reply.body.decode("utf-8", "replace")
        try:
            return log.checkpoint_of(text, origin)
        except DoubtError:
            log = yield from self.asked_log()
        return _judged(lambda: log.checkpoint_of(text, origin), exchange)

    def _check_history(self, one: Note, other: Note, exchange: Exchange) -> Task[None]:
        """Raise UntrueAnswerError unless the larger of two directories begins with the smaller one."""
        if one.text == other.text:
            return
        old, new = sorted((Checkpoint.decode(note.text) for note in (one, other)), key=lambda each: each.size)
        if old.size == new.size:
            message = f"two checkpoints of {old.size} leaves differ"
            raise UntrueAnswerError(Untruth.HISTORY, message, exchange, checkpoints=(one, other))
        path = with_query("/v1/directory/consistency", **{"from": str(old.size), "to": str(new.size)})
        proof = yield from self._ask(Call("GET", path))
        _judged(lambda: judging.check_history(proof.reply.body, old, new), proof, checkpoints=(one, other))

    # --- keys, grants, webhooks

    def managed(self, call: Call, read: Callable[[bytes], Found]) -> Task[Found]:
        """Ask for something about keys, grants or webhooks; return what the answer shows."""
        exchange = yield from self._ask(call, (200, 201))
        return _judged(lambda: read(exchange.reply.body), exchange)

    def keys(self, cursor: str | None) -> Task[Page[SeenKey, str]]:
        """Return a page of the organisation's keys, and the cursor of the next one."""
        return (yield from self.managed(managing.asking("/v1/keys", cursor=cursor), managing.keys_of))

    # --- asking

    def _ask(self, call: Call, wanted: tuple[int, ...] = (200,)) -> Task[Exchange]:
        """Send a call until there is an answer; return it, or raise what it comes to.

        An API key goes only to a service that has shown the wanted log.
        """
        if not call.is_public:
            yield from self.log()
        begun_s, attempt, came = self.settings.monotonic_s(), 0, None
        while True:
            attempt += 1
            came = yield call
            assert isinstance(came, Reply | Unreached)
            if is_answer(came):
                break
            spent_s = self.settings.monotonic_s() - begun_s
            span_s = pause_s(self.settings.patience, attempt, spent_s, came, self.settings.chance())
            if span_s is None:
                break
            yield Pause(span_s)
        return _answered(call, came, wanted, attempt)

    def _now_ms(self) -> int:
        return self.settings.clock_ns() // 1_000_000


def _answered(call: Call, came: Reply | Unreached, wanted: tuple[int, ...], attempts: int) -> Exchange:
    where = f"{call.method} {call.path}"
    if isinstance(came, Unreached):
        raise UnreachableError(f"{where}: no answer after {attempts} attempts: {came.why}")
    exchange = Exchange(call, came)
    if came.is_cut:
        raise UntrueAnswerError(
            Untruth.ANSWER_MALFORMED, f"{where}: more than {call.most_bytes} bytes were answered", exchange
        )
    if came.status in wanted:
        return exchange
    problem = problem_of(came)
    if not is_answer(came):
        raise UnreachableError(f"{where}: {problem} (after {attempts} attempts)", came.status, retry_after_s(came))
    raise problem


def problem_of(reply: Reply) -> ProblemAnswerError:
    """Return the problem that an answer tells; a proxy's page tells none."""
    try:
        fields = judging.fields_of(reply.body)
        rule = fields.text("rule")[:80] if "rule" in fields else ""
        return ProblemAnswerError(reply.status, fields.text("code")[:80], fields.text("detail")[:1000], rule)
    except MalformedError:
        return ProblemAnswerError(reply.status, "unexpected-answer", f"{reply.body[:200]!r}")


def _judged(
    judge: Callable[[], Found],
    exchange: Exchange,
    promise: Promise | None = None,
    checkpoints: tuple[Note, ...] = (),
) -> Found:
    """Return what a judgement finds; what does not hold is raised with its evidence."""
    try:
        return judge()
    except DoubtError as error:
        raise UntrueAnswerError(
            error.untruth, str(error), exchange, promise=promise, checkpoints=checkpoints
        ) from error
    except (MalformedError, VerificationError) as error:
        raise UntrueAnswerError(
            Untruth.ANSWER_MALFORMED, str(error), exchange, promise=promise, checkpoints=checkpoints
        ) from error


def _one_chain(owns: Sequence[OwnEntry]) -> bytes:
    found = {own.entry.chain_id for own in owns}
    if len(found) != 1:
        raise ValueError(f"expected entries of one chain, got those of {len(found)}")
    return found.pop()

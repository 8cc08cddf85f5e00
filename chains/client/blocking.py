# SPDX-License-Identifier: Apache-2.0
"""``Client``: the operations for programs with threads; each call returns when there is an answer that holds.

Callers make one and use it from any thread; ``chains.client.core`` says what is sent and what must hold.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import TypeVar, Unpack

import httpx

from anchor.proof.checkpoint import Checkpoint
from anchor.proof.entry import ExternalId, Link
from anchor.proof.expected_author import ExpectedAuthor
from anchor.proof.policy import Policy
from anchor.proof.receipt import LogCard, Receipt
from chains.client import accesses, managing
from chains.client.accesses import ProvedAccesses, SeenAccess
from chains.client.blocking_owner import Owner
from chains.client.connection import Options, httpx_options
from chains.client.core import problem_of
from chains.client.draft import Draft
from chains.client.encrypting import Opened, ReaderKey
from chains.client.envelope import Envelope, public_key_of, reader_id
from chains.client.errors import ClosedError, UnreachableError
from chains.client.exchange import Call, Came, Page, Pause, Step, Task, Unreached
from chains.client.gathering import BatchLimits, Gathering
from chains.client.listening import CALL as LISTEN
from chains.client.listening import Listening, SeenEvent
from chains.client.living import check_new, downloaded, exporting
from chains.client.managing import SeenGrant, SeenKey, SeenReader, SeenTry, SeenWebhook
from chains.client.own_entry import Form, OwnEntry, Sent
from chains.client.policies import SeenPolicy
from chains.client.results import CheckedReceipt, Outcome, Recorded, SeenChain, SeenEntry
from chains.client.shell import AlikeOptions, EntryOptions, Names, Shell

Found = TypeVar("Found")
Place = TypeVar("Place")


class Client(Shell, Owner):
    """A client of one service. ``key`` is an API key (``al_...``); without one only what is public can be read.

    Give the log's ``card``, or choose ``trust_on_first_use``. Raises ValueError for an address that it will not use.
    """

    def __init__(self, url: str, key: str | None = None, **options: Unpack[Options]) -> None:
        super().__init__(key, options)
        self._http = httpx.Client(**httpx_options(url, options))

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    # --- the log

    def card(self) -> LogCard:
        """Return the card of the log that is believed; save it, and pin it from then on."""
        return self._run(self.core.log()).card

    def checkpoint(self) -> Checkpoint:
        """Return the newest checkpoint, signed by the log; it continues the one that this client saw before."""
        return self._run(self.core.checkpoint())

    # --- writing

    def open_chain(
        self,
        external_ids: Names = (),
        content: bytes = b"",
        *,
        name: str | None = None,
        visibility: str = "private",
        media_type: str = "",
        links: Sequence[Link] = (),
        sent: Sent = Sent.CONTENT,
        encrypt_for: Sequence[str] = (),
    ) -> Recorded:
        """Open a chain with its first entry, whose external ids give the chain its id (``own.entry.chain_id``)."""
        form = self.form(media_type, links=links, encrypt_for=encrypt_for)
        return self._run(self.core.open_chain(self.core.ids_of(external_ids), content, form, sent, name, visibility))

    def add(self, chain_id: bytes, content: bytes, **options: Unpack[EntryOptions]) -> Recorded:
        """Record content as one entry, with the options of ``make``; return it with its promise, both checked."""
        self._run(self.core.log())
        return self.add_entry(self.make(chain_id, content, **options))

    def add_many(
        self,
        chain_id: bytes,
        contents: Iterable[bytes],
        *,
        sent: Sent = Sent.CONTENT,
        **alike: Unpack[AlikeOptions],
    ) -> list[Outcome]:
        """Record each content as an entry, in as few requests as the service takes; an outcome for each, in order.

        What each gets besides is alike. A signer signs many of them at once, and each entry then holds alone;
        encrypted ones are signed one by one.
        """
        return self._run(self.core.record_many(chain_id, list(contents), self.form(**alike), sent))

    def add_entry(self, own: OwnEntry) -> Recorded:
        """Record an entry that was made before; one that is there already is returned with its first promise."""
        return self._run(self.core.record(own))

    def add_all(self, entries: Iterable[OwnEntry]) -> list[Outcome]:
        """Record entries of one chain in as few requests as the service takes; an outcome for each, in order.

        Where a request fails, those before it are recorded: add the same entries again, each is there once.
        """
        return self._run(self.core.record_all(list(entries)))

    def add_lines(self, batch: Sequence[tuple[OwnEntry, bytes]]) -> list[Outcome]:
        """Record entries, which come with their lines, in one request."""
        return self._run(self.core.record_batch(batch))

    def batcher(self, chain_id: bytes, limits: BatchLimits | None = None) -> "Batcher":
        """Return a batcher for a chain; close it, or use it as a context."""
        self._run(self.core.log())
        return Batcher(self, chain_id, limits or BatchLimits())

    # --- policies

    def policies(self, chain_id: bytes) -> list[SeenPolicy]:
        """Return the policies of a chain, the one in force last; none: the chain is open, for ever."""
        return self._run(self.core.policies(chain_id))

    def draft_chain(
        self,
        policy: Policy,
        keys: Sequence[bytes],
        *,
        external_ids: Names = (),
        content: bytes = b"",
        media_type: str = "",
        name: str | None = None,
        visibility: str = "private",
    ) -> Draft:
        """Return a draft that opens a chain under a policy, for these public keys to sign: ``draft.signed_by(key)``."""
        form = Form(media_type, self.core.ids_of(external_ids))
        opens = {"visibility": visibility} | ({} if name is None else {"name": name})
        return self._run(self.core.draft_chain(form, content, policy, keys, opens))

    def draft_policy(self, chain_id: bytes, policy: Policy, keys: Sequence[bytes], *, reason: str = "") -> Draft:
        """Return a draft that changes the policy of a chain, for these public keys to sign."""
        return self._run(self.core.draft_policy(chain_id, policy, keys, reason))

    def submit_draft(self, draft: Draft) -> Recorded:
        """Record the entry of a draft that all have signed; what opens a chain, opens it."""
        return self._run(self.core.submit_draft(draft))

    # --- reading

    def chain(self, name_or_id: str) -> SeenChain:
        """Return what the service says of a chain: which one a name means is its word, a chain's id says itself."""
        return self._run(self.core.chain(name_or_id))

    def chains(self) -> Iterator[SeenChain]:
        """Yield the chains that the key may see."""
        return self._pages(self.core.chains, None)

    def entry(self, entry_hash: bytes) -> SeenEntry:
        """Return an entry by its hash (32 bytes)."""
        return self._run(self.core.entry(entry_hash))

    def entries(self, chain_id: bytes, start: int = 0) -> Iterator[SeenEntry]:
        """Yield a chain's entries from index ``start`` on, without a gap."""
        return self._pages(partial(self.core.entries, chain_id), start)

    def search(
        self,
        external_id: str | bytes | ExternalId | None = None,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        content_digest: bytes | None = None,
    ) -> Iterator[SeenEntry]:
        """Yield entries by external id and by the SHA-256 of their content, received from ``from_ms`` to ``to_ms``.

        With the client's search key a name is keyed first, and the service learns no more than the keyed id. That
        these are all, is not proved.
        """
        return self._pages(partial(self.core.search, external_id, from_ms, to_ms, content_digest), None)

    def content(self, what: Recorded | bytes) -> bytes:
        """Return the content of an entry (by its hash or as recorded), which is what the entry commits to."""
        return self._run(self.core.content(what))

    # --- encrypted content

    def open(self, entry_hash: bytes, key: ReaderKey) -> Opened:
        """Return the content of an entry that was encrypted for ``key``, opened here; the service learns nothing."""
        return self._run(self.core.open(entry_hash, key))

    def envelope(self, entry_hash: bytes) -> Envelope:
        """Return the envelope of an entry, which is the one that the entry names."""
        return (self._run(self.core.envelope(entry_hash)))[1]

    def readers(self, entry_hash: bytes) -> list[SeenReader]:
        """Return everybody who could ever open an entry's envelope; for the owner of its chain."""
        call = managing.asking(f"/v1/entries/{entry_hash.hex()}/readers")
        return self._run(self.core.managed(call, managing.readers_of))

    def add_reader(self, entry_hash: bytes, key: ReaderKey, reader: str) -> SeenReader:
        """Let another reader (``reader_...``) open an entry's envelope, which ``key`` opens; for the owner."""
        return self._run(self.core.add_reader(entry_hash, key, public_key_of(reader)))

    def remove_reader(self, entry_hash: bytes, reader: str) -> SeenReader:
        """Delete the key that was wrapped for a reader; what he has read, he has read. For the owner."""
        name = reader_id(public_key_of(reader)).hex()
        call = managing.posting(f"/v1/entries/{entry_hash.hex()}/readers/{name}/remove")
        return self._run(self.core.managed(call, managing.reader_of))

    # --- proofs

    def receipt(
        self, what: Recorded | Receipt | CheckedReceipt | bytes, expected_author: ExpectedAuthor | None = None
    ) -> CheckedReceipt:
        """Return the receipt of an entry as complete as it can be now; of an older receipt, its upgrade.

        The new one must continue the older: same place, same promise, and a directory that begins with the older one.
        Raises NotTheAuthorError where another author than the expected one signed the entry.
        """
        return self._run(self.core.receipt(what, expected_author))

    def receipts(self, which: Iterable[Recorded | Receipt | CheckedReceipt | bytes]) -> Iterator[CheckedReceipt]:
        """Yield the receipt of each, in order."""
        for what in which:
            yield self.receipt(what)

    def chain_checkpoint(self, chain_id: bytes) -> Checkpoint:
        """Return size and root of a chain's newest sealed head, signed by the log."""
        return self._run(self.core.chain_checkpoint(chain_id))

    # --- listening

    def events(self, chain: bytes | str | None = None, *, after: int | None = None) -> Generator[SeenEvent, None, None]:
        """Yield what becomes of checkpoints and anchors, as it happens; it goes on by itself where it was cut off.

        With ``chain`` (id or name) only what concerns that chain; ``after`` is the number of the event that was seen
        last. Ends by closing the iterator; raises as every operation does.
        """
        heard = Listening(self.core.settings, self._run(self.core.log()).log_id, chain, after)
        while True:
            came: Came = None
            try:
                headers, query = self._headers_of(LISTEN), heard.query()
                with self._http.stream(LISTEN.method, LISTEN.path, params=query, headers=headers) as response:
                    body = self._body_of(LISTEN)
                    for piece in response.iter_raw():
                        if response.status_code == 200:
                            yield from heard.take(piece)
                        elif not body.take(piece):
                            break
                    came = None if response.status_code == 200 else body.reply(response)
            except httpx.HTTPError as error:
                came = Unreached(f"{type(error).__name__}: {error}")
            time.sleep(heard.pause_s(came))

    # --- who read what

    def accesses(self, *, about: bytes | None = None, since_ms: int | None = None) -> Iterator[SeenAccess]:
        """Yield who read, exported or was granted what of one's organisation, ``about`` one chain or all; its owner's.

        It is the service's word, and to ask is noted there, too; ``prove_access`` and ``prove_accesses`` prove it.
        """
        return self._pages(partial(accesses.listed, self.core, about, since_ms), None)

    def prove_access(self, seen: SeenAccess) -> ProvedAccesses:
        """Return the record that holds an access, with its receipt, and the access in it as it was listed."""
        return self._run(accesses.proved(self.core, seen))

    def prove_accesses(self) -> Iterator[ProvedAccesses]:
        """Yield every record of one's access chain, from the first on, proved: none is left out, and no number.

        Each is read from the service, with its content, which is noted there as every reading is.
        """
        return self._pages(partial(accesses.proved_all, self.core), None)

    # --- keys, grants, webhooks

    def create_key(self, role: str, *, label: str = "", expires_at_ms: int | None = None) -> SeenKey:
        """Make a key of one's organisation; its ``token`` is shown this once. Needs an owner's key, as all of these."""
        call = managing.posting("/v1/keys", role=role, label=label, expires_at_ms=expires_at_ms)
        return self._run(self.core.managed(call, managing.key_of))

    def list_keys(self) -> Iterator[SeenKey]:
        """Yield the organisation's keys by their visible parts."""
        return self._pages(self.core.keys, None)

    def rotate_key(self, key_id: str, *, overlap_ms: int = 604_800_000, expires_at_ms: int | None = None) -> SeenKey:
        """Make a key in the place of another, which holds on for ``overlap_ms``; its ``token`` is shown this once."""
        call = managing.posting(f"/v1/keys/{key_id}/rotate", overlap_ms=overlap_ms, expires_at_ms=expires_at_ms)
        return self._run(self.core.managed(call, managing.key_of))

    def revoke_key(self, key_id: str) -> SeenKey:
        """End a key, now and for ever."""
        return self._run(self.core.managed(managing.posting(f"/v1/keys/{key_id}/revoke"), managing.key_of))

    def grants(self, chain_id: bytes) -> list[SeenGrant]:
        """Return what others were granted on a chain."""
        call = managing.asking(f"/v1/chains/{chain_id.hex()}/grants")
        return self._run(self.core.managed(call, managing.grants_of))

    def give_grant(
        self, chain_id: bytes, organisation: str, role: str, *, expires_at_ms: int | None = None
    ) -> SeenGrant:
        """Let an organisation (its id) do on a chain what a role does there; in the place of what it had before."""
        path = f"/v1/chains/{chain_id.hex()}/grants"
        call = managing.posting(path, organisation=organisation, role=role, expires_at_ms=expires_at_ms)
        return self._run(self.core.managed(call, managing.grant_of))

    def end_grant(self, chain_id: bytes, organisation: str) -> SeenGrant:
        """End what an organisation was granted on a chain."""
        call = managing.posting(f"/v1/chains/{chain_id.hex()}/grants/{organisation}/end")
        return self._run(self.core.managed(call, managing.grant_of))

    def add_webhook(self, url: str, news: Sequence[str] = ()) -> SeenWebhook:
        """Add a webhook; its ``secret`` is shown this once."""
        call = managing.posting("/v1/webhooks", url=url, news=list(news))
        return self._run(self.core.managed(call, managing.webhook_of))

    def webhooks(self) -> list[SeenWebhook]:
        """Return the organisation's webhooks."""
        return self._run(self.core.managed(managing.asking("/v1/webhooks"), managing.webhooks_of))

    def deliveries(self, webhook_id: str) -> list[SeenTry]:
        """Return what was sent to a webhook, newest event first, and what came of every try."""
        call = managing.asking(f"/v1/webhooks/{webhook_id}/deliveries")
        return self._run(self.core.managed(call, managing.tries_of))

    def replay(self, webhook_id: str, events: Sequence[int] = ()) -> int:
        """Let these events be sent again, or (none) whatever was given up; return how many wait now."""
        wanted = {"events": list(events)} if events else {"failed": True}
        call = managing.posting(f"/v1/webhooks/{webhook_id}/replay", **wanted)
        return self._run(self.core.managed(call, managing.queued_of))

    def remove_webhook(self, webhook_id: str) -> SeenWebhook:
        """Stop telling somebody."""
        call = managing.posting(f"/v1/webhooks/{webhook_id}/remove")
        return self._run(self.core.managed(call, managing.webhook_of))

    # --- leaving

    def export(self, target: Path, chain_id: bytes | None = None, *, with_content: bool = True) -> None:
        """Write a chain to a new file, or (without one) all chains that the organisation owns: an archive (.tar.gz).

        ``anchorline verify --archive`` checks it, ``anchorline chain continue`` goes on with it in another log. Needs
        an owner's key. Raises ProblemAnswerError, UnreachableError (then no file is there), FileExistsError.
        """
        check_new(target)
        self._run(self.core.log())
        call = exporting(chain_id, with_content=with_content)
        try:
            with self._http.stream(call.method, call.path, headers=self._headers_of(call)) as response:
                if response.status_code != 200:
                    body = self._body_of(call)
                    for piece in response.iter_raw():
                        if not body.take(piece):
                            break
                    raise problem_of(body.reply(response))
                with downloaded(target) as file:
                    for piece in response.iter_raw():
                        file.write(piece)
        except httpx.HTTPError as error:
            raise UnreachableError(f"{call.path}: {type(error).__name__}: {error}") from error

    # --- doing

    def _pages(self, ask: Callable[[Place], Task[Page[Found, Place]]], place: Place) -> Iterator[Found]:
        """Yield what is on the page at a place, and on those that follow."""
        while True:
            page, following = self._run(ask(place))
            yield from page
            if following is None:
                return
            place = following

    def _run(self, task: Task[Found]) -> Found:
        """Carry out the steps of an operation."""
        came: Came = None
        while True:
            try:
                step = task.send(came)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]  # Found: what the task returns
            came = self._do(step)

    def _do(self, step: Step) -> Came:
        if isinstance(step, Pause):
            time.sleep(step.span_s)
            return None
        return self._send(step)

    def _send(self, call: Call) -> Came:
        headers, body = self._headers_of(call), self._body_of(call)
        try:
            with self._http.stream(call.method, call.path, headers=headers, content=call.body or None) as response:
                for piece in response.iter_raw():
                    if not body.take(piece):
                        break
                return body.reply(response)
        except httpx.HTTPError as error:
            return Unreached(f"{type(error).__name__}: {error}")


Waiting = tuple[OwnEntry, bytes, "Future[Outcome]"]


class Batcher:
    """Gathers entries for one chain, and sends them in their order by a thread of its own.

    Each ``add`` returns a future at once, or waits while too much waits. The future has the outcome, or the error that
    its request ended with; an entry whose request failed can be added again, it is recorded once.
    """

    def __init__(self, client: Client, chain_id: bytes, limits: BatchLimits) -> None:
        self._client = client
        self._chain_id = chain_id
        told = client.core.limits
        assert told is not None
        self._gathering: Gathering[Waiting] = Gathering(limits.within(told.batch_entries, told.batch_bytes))
        self._changed = Condition()
        self._sending = 0
        self._flushing = 0
        self._is_closed = False
        self._thread = Thread(target=self._work, name="anchorline-batcher", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Batcher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(
        self,
        content: bytes,
        *,
        timeout_s: float | None = None,
        **options: Unpack[EntryOptions],
    ) -> "Future[Outcome]":
        """Let content wait to be recorded, with the options of ``Client.make``.

        Raises ClosedError where there is no room within ``timeout_s``.
        """
        own = self._client.make(self._chain_id, content, **options)
        return self.add_entry(own, timeout_s=timeout_s)

    def add_entry(self, own: OwnEntry, *, timeout_s: float | None = None) -> "Future[Outcome]":
        """Let an entry wait to be recorded."""
        if own.entry.chain_id != self._chain_id:
            raise ValueError(f"expected an entry of chain {self._chain_id.hex()}, got {own.entry.chain_id.hex()}")
        line, future = own.submission() + b"\n", Future[Outcome]()
        with self._changed:
            is_free = self._changed.wait_for(lambda: self._is_closed or self._gathering.has_room(len(line)), timeout_s)
            if self._is_closed or not is_free:
                raise ClosedError("the batcher is closed" if self._is_closed else f"no room within {timeout_s} s")
            self._gathering.add((own, line, future), len(line), self._now_s())
            self._changed.notify_all()
        return future

    def flush(self) -> None:
        """Send what waits, and return when all of it is answered; errors are in the futures."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._gathering and not self._sending)
            self._flushing -= 1

    def close(self) -> None:
        """Send what waits, wait for the answers, and take nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join()

    def _now_s(self) -> float:
        return self._client.core.settings.monotonic_s()

    def _work(self) -> None:
        while True:
            batch = self._next()
            if not batch:
                return
            self._send(batch)
            with self._changed:
                self._sending = 0
                self._changed.notify_all()

    def _next(self) -> list[Waiting]:
        """Wait until a batch is due and take it; nothing: it is closed, and all is sent."""
        with self._changed:
            while True:
                due_s = self._gathering.due_in_s(self._now_s())
                if due_s is None and self._is_closed:
                    return []
                if due_s is not None and (due_s <= 0 or self._is_closed or self._flushing):
                    batch = self._gathering.take()
                    self._sending = len(batch)
                    self._changed.notify_all()
                    return batch
                self._changed.wait(due_s)

    def _send(self, batch: list[Waiting]) -> None:
        batch = [item for item in batch if item[2].set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            outcomes = self._client.add_lines([(own, line) for own, line, _ in batch])
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is what became of these entries
            for _, _, future in batch:
                future.set_exception(error)
            return
        for (_, _, future), outcome in zip(batch, outcomes, strict=True):
            future.set_result(outcome)

# SPDX-License-Identifier: Apache-2.0
"""``AsyncClient``: the same operations for programs on asyncio; each await ends when there is an answer that holds.

Callers make one and use it in one event loop; ``chains.client.core`` says what is sent and what must hold.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
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
from chains.client.asynchronous_owner import AsyncOwner
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


class AsyncClient(Shell, AsyncOwner):
    """A client of one service. ``key`` is an API key (``al_...``); without one only what is public can be read.

    Give the log's ``card``, or choose ``trust_on_first_use``. Raises ValueError for an address that it will not use.
    """

    def __init__(self, url: str, key: str | None = None, **options: Unpack[Options]) -> None:
        super().__init__(key, options)
        self._http = httpx.AsyncClient(**httpx_options(url, options))

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    # --- the log

    async def card(self) -> LogCard:
        """Return the card of the log that is believed; save it, and pin it from then on."""
        return (await self._run(self.core.log())).card

    async def checkpoint(self) -> Checkpoint:
        """Return the newest checkpoint, signed by the log; it continues the one that this client saw before."""
        return await self._run(self.core.checkpoint())

    # --- writing

    async def open_chain(
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
        return await self._run(
            self.core.open_chain(self.core.ids_of(external_ids), content, form, sent, name, visibility)
        )

    async def add(self, chain_id: bytes, content: bytes, **options: Unpack[EntryOptions]) -> Recorded:
        """Record content as one entry, with the options of ``make``; return it with its promise, both checked."""
        await self._run(self.core.log())
        return await self.add_entry(self.make(chain_id, content, **options))

    async def add_many(
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
        return await self._run(self.core.record_many(chain_id, list(contents), self.form(**alike), sent))

    async def add_entry(self, own: OwnEntry) -> Recorded:
        """Record an entry that was made before; one that is there already is returned with its first promise."""
        return await self._run(self.core.record(own))

    async def add_all(self, entries: Iterable[OwnEntry]) -> list[Outcome]:
        """Record entries of one chain in as few requests as the service takes; an outcome for each, in order.

        Where a request fails, those before it are recorded: add the same entries again, each is there once.
        """
        return await self._run(self.core.record_all(list(entries)))

    async def add_lines(self, batch: Sequence[tuple[OwnEntry, bytes]]) -> list[Outcome]:
        """Record entries, which come with their lines, in one request."""
        return await self._run(self.core.record_batch(batch))

    async def batcher(self, chain_id: bytes, limits: BatchLimits | None = None) -> "AsyncBatcher":
        """Return a batcher for a chain; close it, or use it as a context."""
        await self._run(self.core.log())
        return AsyncBatcher(self, chain_id, limits or BatchLimits())

    # --- policies

    async def policies(self, chain_id: bytes) -> list[SeenPolicy]:
        """Return the policies of a chain, the one in force last; none: the chain is open, for ever."""
        return await self._run(self.core.policies(chain_id))

    async def draft_chain(
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
        return await self._run(self.core.draft_chain(form, content, policy, keys, opens))

    async def draft_policy(self, chain_id: bytes, policy: Policy, keys: Sequence[bytes], *, reason: str = "") -> Draft:
        """Return a draft that changes the policy of a chain, for these public keys to sign."""
        return await self._run(self.core.draft_policy(chain_id, policy, keys, reason))

    async def submit_draft(self, draft: Draft) -> Recorded:
        """Record the entry of a draft that all have signed; what opens a chain, opens it."""
        return await self._run(self.core.submit_draft(draft))

    # --- reading

    async def chain(self, name_or_id: str) -> SeenChain:
        """Return what the service says of a chain: which one a name means is its word, a chain's id says itself."""
        return await self._run(self.core.chain(name_or_id))

    def chains(self) -> AsyncIterator[SeenChain]:
        """Yield the chains that the key may see."""
        return self._pages(self.core.chains, None)

    async def entry(self, entry_hash: bytes) -> SeenEntry:
        """Return an entry by its hash (32 bytes)."""
        return await self._run(self.core.entry(entry_hash))

    def entries(self, chain_id: bytes, start: int = 0) -> AsyncIterator[SeenEntry]:
        """Yield a chain's entries from index ``start`` on, without a gap."""
        return self._pages(partial(self.core.entries, chain_id), start)

    def search(
        self,
        external_id: str | bytes | ExternalId | None = None,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        content_digest: bytes | None = None,
    ) -> AsyncIterator[SeenEntry]:
        """Yield entries by external id and by the SHA-256 of their content, received from ``from_ms`` to ``to_ms``.

        With the client's search key a name is keyed first, and the service learns no more than the keyed id. That
        these are all, is not proved.
        """
        return self._pages(partial(self.core.search, external_id, from_ms, to_ms, content_digest), None)

    async def content(self, what: Recorded | bytes) -> bytes:
        """Return the content of an entry (by its hash or as recorded), which is what the entry commits to."""
        return await self._run(self.core.content(what))

    # --- encrypted content

    async def open(self, entry_hash: bytes, key: ReaderKey) -> Opened:
        """Return the content of an entry that was encrypted for ``key``, opened here; the service learns nothing."""
        return await self._run(self.core.open(entry_hash, key))

    async def envelope(self, entry_hash: bytes) -> Envelope:
        """Return the envelope of an entry, which is the one that the entry names."""
        return (await self._run(self.core.envelope(entry_hash)))[1]

    async def readers(self, entry_hash: bytes) -> list[SeenReader]:
        """Return everybody who could ever open an entry's envelope; for the owner of its chain."""
        call = managing.asking(f"/v1/entries/{entry_hash.hex()}/readers")
        return await self._run(self.core.managed(call, managing.readers_of))

    async def add_reader(self, entry_hash: bytes, key: ReaderKey, reader: str) -> SeenReader:
        """Let another reader (``reader_...``) open an entry's envelope, which ``key`` opens; for the owner."""
        return await self._run(self.core.add_reader(entry_hash, key, public_key_of(reader)))

    async def remove_reader(self, entry_hash: bytes, reader: str) -> SeenReader:
        """Delete the key that was wrapped for a reader; what he has read, he has read. For the owner."""
        name = reader_id(public_key_of(reader)).hex()
        call = managing.posting(f"/v1/entries/{entry_hash.hex()}/readers/{name}/remove")
        return await self._run(self.core.managed(call, managing.reader_of))

    # --- proofs

    async def receipt(
        self, what: Recorded | Receipt | CheckedReceipt | bytes, expected_author: ExpectedAuthor | None = None
    ) -> CheckedReceipt:
        """Return the receipt of an entry as complete as it can be now; of an older receipt, its upgrade.

        The new one must continue the older: same place, same promise, and a directory that begins with the older one.
        Raises NotTheAuthorError where another author than the expected one signed the entry.
        """
        return await self._run(self.core.receipt(what, expected_author))

    async def receipts(
        self, which: Iterable[Recorded | Receipt | CheckedReceipt | bytes]
    ) -> AsyncIterator[CheckedReceipt]:
        """Yield the receipt of each, in order."""
        for what in which:
            yield await self.receipt(what)

    async def chain_checkpoint(self, chain_id: bytes) -> Checkpoint:
        """Return size and root of a chain's newest sealed head, signed by the log."""
        return await self._run(self.core.chain_checkpoint(chain_id))

    # --- listening

    async def events(
        self, chain: bytes | str | None = None, *, after: int | None = None
    ) -> AsyncGenerator[SeenEvent, None]:
        """Yield what becomes of checkpoints and anchors, as it happens; it goes on by itself where it was cut off.

        With ``chain`` (id or name) only what concerns that chain; ``after`` is the number of the event that was seen
        last. Ends by closing the iterator; raises as every operation does.
        """
        heard = Listening(self.core.settings, (await self._run(self.core.log())).log_id, chain, after)
        while True:
            came: Came = None
            try:
                headers, query = self._headers_of(LISTEN), heard.query()
                async with self._http.stream(LISTEN.method, LISTEN.path, params=query, headers=headers) as response:
                    body = self._body_of(LISTEN)
                    async for piece in response.aiter_raw():
                        if response.status_code == 200:
                            for event in heard.take(piece):
                                yield event
                        elif not body.take(piece):
                            break
                    came = None if response.status_code == 200 else body.reply(response)
            except httpx.HTTPError as error:
                came = Unreached(f"{type(error).__name__}: {error}")
            await asyncio.sleep(heard.pause_s(came))

    # --- who read what

    def accesses(self, *, about: bytes | None = None, since_ms: int | None = None) -> AsyncIterator[SeenAccess]:
        """Yield who read, exported or was granted what of one's organisation, ``about`` one chain or all; its owner's.

        It is the service's word, and to ask is noted there, too; ``prove_access`` and ``prove_accesses`` prove it.
        """
        return self._pages(partial(accesses.listed, self.core, about, since_ms), None)

    async def prove_access(self, seen: SeenAccess) -> ProvedAccesses:
        """Return the record that holds an access, with its receipt, and the access in it as it was listed."""
        return await self._run(accesses.proved(self.core, seen))

    def prove_accesses(self) -> AsyncIterator[ProvedAccesses]:
        """Yield every record of one's access chain, from the first on, proved: none is left out, and no number.

        Each is read from the service, with its content, which is noted there as every reading is.
        """
        return self._pages(partial(accesses.proved_all, self.core), None)

    # --- keys, grants, webhooks

    async def create_key(self, role: str, *, label: str = "", expires_at_ms: int | None = None) -> SeenKey:
        """Make a key of one's organisation; its ``token`` is shown this once. Needs an owner's key, as all of these."""
        call = managing.posting("/v1/keys", role=role, label=label, expires_at_ms=expires_at_ms)
        return await self._run(self.core.managed(call, managing.key_of))

    def list_keys(self) -> AsyncIterator[SeenKey]:
        """Yield the organisation's keys by their visible parts."""
        return self._pages(self.core.keys, None)

    async def rotate_key(
        self, key_id: str, *, overlap_ms: int = 604_800_000, expires_at_ms: int | None = None
    ) -> SeenKey:
        """Make a key in the place of another, which holds on for ``overlap_ms``; its ``token`` is shown this once."""
        call = managing.posting(f"/v1/keys/{key_id}/rotate", overlap_ms=overlap_ms, expires_at_ms=expires_at_ms)
        return await self._run(self.core.managed(call, managing.key_of))

    async def revoke_key(self, key_id: str) -> SeenKey:
        """End a key, now and for ever."""
        return await self._run(self.core.managed(managing.posting(f"/v1/keys/{key_id}/revoke"), managing.key_of))

    async def grants(self, chain_id: bytes) -> list[SeenGrant]:
        """Return what others were granted on a chain."""
        call = managing.asking(f"/v1/chains/{chain_id.hex()}/grants")
        return await self._run(self.core.managed(call, managing.grants_of))

    async def give_grant(
        self, chain_id: bytes, organisation: str, role: str, *, expires_at_ms: int | None = None
    ) -> SeenGrant:
        """Let an organisation (its id) do on a chain what a role does there; in the place of what it had before."""
        path = f"/v1/chains/{chain_id.hex()}/grants"
        call = managing.posting(path, organisation=organisation, role=role, expires_at_ms=expires_at_ms)
        return await self._run(self.core.managed(call, managing.grant_of))

    async def end_grant(self, chain_id: bytes, organisation: str) -> SeenGrant:
        """End what an organisation was granted on a chain."""
        call = managing.posting(f"/v1/chains/{chain_id.hex()}/grants/{organisation}/end")
        return await self._run(self.core.managed(call, managing.grant_of))

    async def add_webhook(self, url: str, news: Sequence[str] = ()) -> SeenWebhook:
        """Add a webhook; its ``secret`` is shown this once."""
        call = managing.posting("/v1/webhooks", url=url, news=list(news))
        return await self._run(self.core.managed(call, managing.webhook_of))

    async def webhooks(self) -> list[SeenWebhook]:
        """Return the organisation's webhooks."""
        return await self._run(self.core.managed(managing.asking("/v1/webhooks"), managing.webhooks_of))

    async def deliveries(self, webhook_id: str) -> list[SeenTry]:
        """Return what was sent to a webhook, newest event first, and what came of every try."""
        call = managing.asking(f"/v1/webhooks/{webhook_id}/deliveries")
        return await self._run(self.core.managed(call, managing.tries_of))

    async def replay(self, webhook_id: str, events: Sequence[int] = ()) -> int:
        """Let these events be sent again, or (none) whatever was given up; return how many wait now."""
        wanted = {"events": list(events)} if events else {"failed": True}
        call = managing.posting(f"/v1/webhooks/{webhook_id}/replay", **wanted)
        return await self._run(self.core.managed(call, managing.queued_of))

    async def remove_webhook(self, webhook_id: str) -> SeenWebhook:
        """Stop telling somebody."""
        call = managing.posting(f"/v1/webhooks/{webhook_id}/remove")
        return await self._run(self.core.managed(call, managing.webhook_of))

    # --- leaving

    async def export(self, target: Path, chain_id: bytes | None = None, *, with_content: bool = True) -> None:
        """Write a chain to a new file, or (without one) all chains that the organisation owns; as ``Client.export``."""
        check_new(target)
        await self._run(self.core.log())
        call = exporting(chain_id, with_content=with_content)
        try:
            async with self._http.stream(call.method, call.path, headers=self._headers_of(call)) as response:
                if response.status_code != 200:
                    body = self._body_of(call)
                    async for piece in response.aiter_raw():
                        if not body.take(piece):
                            break
                    raise problem_of(body.reply(response))
                with downloaded(target) as file:
                    async for piece in response.aiter_raw():
                        await asyncio.to_thread(file.write, piece)
        except httpx.HTTPError as error:
            raise UnreachableError(f"{call.path}: {type(error).__name__}: {error}") from error

    # --- doing

    async def _pages(self, ask: Callable[[Place], Task[Page[Found, Place]]], place: Place) -> AsyncIterator[Found]:
        """Yield what is on the page at a place, and on those that follow."""
        while True:
            page, following = await self._run(ask(place))
            for item in page:
                yield item
            if following is None:
                return
            place = following

    async def _run(self, task: Task[Found]) -> Found:
        """Carry out the steps of an operation."""
        came: Came = None
        while True:
            try:
                step = task.send(came)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]  # Found: what the task returns
            came = await self._do(step)

    async def _do(self, step: Step) -> Came:
        if isinstance(step, Pause):
            await asyncio.sleep(step.span_s)
            return None
        return await self._send(step)

    async def _send(self, call: Call) -> Came:
        headers, body = self._headers_of(call), self._body_of(call)
        try:
            async with self._http.stream(
                call.method, call.path, headers=headers, content=call.body or None
            ) as response:
                async for piece in response.aiter_raw():
                    if not body.take(piece):
                        break
                return body.reply(response)
        except httpx.HTTPError as error:
            return Unreached(f"{type(error).__name__}: {error}")


Waiting = tuple[OwnEntry, bytes, "asyncio.Future[Outcome]"]


class AsyncBatcher:
    """Gathers entries for one chain, and sends them in their order by a task of its own.

    Each awaited ``add`` gives a future at once, or when there is room. The future has the outcome, or the error that
    its request ended with; an entry whose request failed can be added again, it is recorded once.
    """

    def __init__(self, client: AsyncClient, chain_id: bytes, limits: BatchLimits) -> None:
        self._client = client
        self._chain_id = chain_id
        told = client.core.limits
        assert told is not None
        self._gathering: Gathering[Waiting] = Gathering(limits.within(told.batch_entries, told.batch_bytes))
        self._changed = asyncio.Condition()
        self._sending = 0
        self._flushing = 0
        self._is_closed = False
        self._task = asyncio.create_task(self._work(), name="anchorline-batcher")

    async def __aenter__(self) -> "AsyncBatcher":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def add(
        self,
        content: bytes,
        **options: Unpack[EntryOptions],
    ) -> "asyncio.Future[Outcome]":
        """Let content wait to be recorded, with the options of ``AsyncClient.make``, as soon as there is room.

        Raises ClosedError after ``close``.
        """
        own = self._client.make(self._chain_id, content, **options)
        return await self.add_entry(own)

    async def add_entry(self, own: OwnEntry) -> "asyncio.Future[Outcome]":
        """Let an entry wait to be recorded."""
        if own.entry.chain_id != self._chain_id:
            raise ValueError(f"expected an entry of chain {self._chain_id.hex()}, got {own.entry.chain_id.hex()}")
        line = own.submission() + b"\n"
        future = asyncio.get_running_loop().create_future()
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_closed or self._gathering.has_room(len(line)))
            if self._is_closed:
                raise ClosedError("the batcher is closed")
            self._gathering.add((own, line, future), len(line), self._now_s())
            self._changed.notify_all()
        return future

    async def flush(self) -> None:
        """Send what waits, and return when all of it is answered; errors are in the futures."""
        async with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                await self._changed.wait_for(lambda: not self._gathering and not self._sending)
            finally:
                self._flushing -= 1

    async def close(self) -> None:
        """Send what waits, wait for the answers, and take nothing more."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        await self._task

    def _now_s(self) -> float:
        return self._client.core.settings.monotonic_s()

    async def _work(self) -> None:
        while batch := await self._next():
            await self._send(batch)
            async with self._changed:
                self._sending = 0
                self._changed.notify_all()

    async def _next(self) -> list[Waiting]:
        """Wait until a batch is due and take it; nothing: it is closed, and all is sent."""
        async with self._changed:
            while True:
                due_s = self._gathering.due_in_s(self._now_s())
                if due_s is None and self._is_closed:
                    return []
                if due_s is not None and (due_s <= 0 or self._is_closed or self._flushing):
                    batch = self._gathering.take()
                    self._sending = len(batch)
                    self._changed.notify_all()
                    return batch
                await self._wait(due_s)

    async def _wait(self, span_s: float | None) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), span_s)
        except TimeoutError:
            return

    async def _send(self, batch: list[Waiting]) -> None:
        batch = [item for item in batch if not item[2].cancelled()]
        if not batch:
            return
        try:
            outcomes = await self._client.add_lines([(own, line) for own, line, _ in batch])
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what became of these entries
            for future in _open(batch):
                future.set_exception(error)
            return
        for (_, _, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)


def _open(batch: list[Waiting]) -> list["asyncio.Future[Outcome]"]:
    return [future for _, _, future in batch if not future.done()]

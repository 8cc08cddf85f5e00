"""Reading threads: each has the home open for itself, answers one request at a time, and never waits for the writer.

``chains.web.api`` hands requests in; the operations that read get a ``Room``. Keys are asked for in every request, so
what was revoked or withdrawn ends with the next one.
"""

import asyncio
import re
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from anchor.anchored_line import AnchoredLine
from anchor.best_chain import noted_height
from chains.access import STRANGER, Action, Actor, ChainAccess, allowed
from chains.access_notes import Note
from chains.chain import Chain
from chains.envelopes import Envelopes
from chains.home import Clock, Home
from chains.quotas import Quotas, most_at_once
from chains.reader import Reader, StoredEntry
from chains.receipts import Receipts
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request, token_of

THREADS = 2
"""More do not help: the interpreter runs one at a time, and SQLite is asked for a few pages."""
_CHAIN_ID = re.compile("[0-9a-f]{64}")
Found = TypeVar("Found")


def _not_seen() -> None:
    """Know nothing of Bitcoin's best chain."""


class Room:
    """An opened home with what answers questions about it; one thread uses it.

    ``seen_height`` says how high Bitcoin's best chain was when this process saw it last, None where it never did.
    ``notes`` are what the question at hand took of content, for the owners to know. ``quotas`` are those of the whole
    service, also of what is written elsewhere.
    """

    def __init__(
        self, home: Home, seen_height: Callable[[], int | None] = _not_seen, quotas: Quotas | None = None
    ) -> None:
        self.home = home
        self._quotas = Quotas() if quotas is None else quotas
        self.notes: list[Note] = []
        self._seen_height = seen_height
        self.reader = Reader(home.engine, home.chains, home.lookup)
        self.accounts = home.accounts

    @cached_property
    def receipts(self) -> Receipts:
        """What makes receipts."""
        home = self.home
        return Receipts(home.engine, home.trees, home.directory, home.chains, home.journal, home.lookup)

    @cached_property
    def anchored(self) -> AnchoredLine:
        """The anchors that are in blocks, in order."""
        return AnchoredLine(self.home.directory, self.home.journal)

    @cached_property
    def envelopes(self) -> Envelopes:
        """The envelopes of encrypted contents."""
        return Envelopes(self.home.engine)

    def tip_height(self) -> int | None:
        """Return how high Bitcoin's best chain is, as far as is known: seen by this process, or noted by another."""
        noted = noted_height(self.home.directory, self.home.journal)
        return max(self._seen_height() or 0, noted or 0) or None

    def most_at_once(self, request: Request) -> int | None:
        """Return how many entries the quota of whose key asks could ever give at once; None: any number."""
        return most_at_once(self.accounts.quota_of(request.actor))

    def take_from_quota(self, request: Request, entries: int) -> None:
        """Take entries from the quota of whose key asks, before anything is written; raise QuotaError."""
        organisation, quota = request.actor.organisation, self.accounts.quota_of(request.actor)
        if organisation is not None and quota.is_limited:
            self._quotas.take(organisation, quota, entries, 0, time.monotonic_ns() // 1_000_000)

    def authenticated(self, request: Request) -> Request:
        """Return the request with who asks; raise KeyRefusedError where the key does not hold."""
        token = token_of(request)
        return replace(request, actor=STRANGER if token is None else self.accounts.authenticate(token, request.now_ms))

    def may(self, request: Request, action: Action, chain: Chain | None) -> bool:
        """Say whether who asks may do something."""
        return self.accounts.may(request.actor, action, chain, request.now_ms).is_allowed

    def require(self, request: Request, action: Action, chain: Chain | None = None) -> None:
        """Raise ProblemError unless he may: what he may not know of is not found, the rest is not allowed."""
        check_allowed(request.actor, action, None if chain is None else self.access_of(chain), request.now_ms)

    def access_of(self, chain: Chain) -> ChainAccess:
        """Return what holds for a chain now."""
        return self.accounts.sharing.access_of(chain.chain_no)

    def chain(self, request: Request, action: Action) -> Chain:
        """Return the chain that the path names, if he may do this to it."""
        return self.shared(request, action)[0]

    def shared(self, request: Request, action: Action) -> tuple[Chain, ChainAccess]:
        """Return the same with what holds for it, by which it was decided."""
        chain = self.named(request.arguments["chain"], request.actor)
        if chain is None:
            raise not_found()
        access = self.access_of(chain)
        check_allowed(request.actor, action, access, request.now_ms)
        return chain, access

    def named(self, name_or_id: str, actor: Actor) -> Chain | None:
        """Return the chain of this id in hex, or that the actor's organisation, or else the home, calls so."""
        chains = self.home.chains
        own = None if actor.organisation is None else chains.by_name(f"{actor.organisation}/{name_or_id}")
        found = own or chains.by_name(name_or_id)
        if found is None and _CHAIN_ID.fullmatch(name_or_id):
            return chains.by_id(bytes.fromhex(name_or_id))
        return found

    def entry(self, request: Request, action: Action) -> tuple[Chain, StoredEntry]:
        """Return the entry whose hash the path names, with its chain, if he may do this to it."""
        stored = self.reader.by_hash(request.digest("entry_hash"))
        if stored is None:
            raise not_found()
        chain = self.home.chains.by_no(stored.chain_no)
        assert chain is not None
        self.require(request, action, chain)
        return chain, stored


def check_allowed(actor: Actor, action: Action, access: ChainAccess | None, now_ms: int) -> None:
    """Raise ProblemError unless the actor may do this now."""
    decision = allowed(actor, action, access, now_ms)
    if decision.is_allowed:
        return
    if not decision.is_visible:
        raise not_found()
    if actor.role is None:
        raise ProblemError("key-required", f"{action} needs an API key")
    raise ProblemError("not-allowed", f"This key does not include {action}: {decision.reason}")


async def _nowhere(_notes: list[Note]) -> None:
    """Refuse what cannot be noted."""
    raise ProblemError("not-possible-now", "Content that is not public is read only where that can be noted")


class Rooms:
    """A few reading threads; ``close`` them.

    ``beside`` is the same home, opened to write, where these write, too.

    What is taken of content is handed to ``noted`` before the answer is anybody's; where that fails there is none.

    The homes are opened at once: a thread that could not open its own later (no file descriptor is left) would end all
    reading for good, and who starts a service wants to know then what cannot be opened.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        threads: int = THREADS,
        tip_height: Callable[[], int | None] = _not_seen,
        noted: Callable[[list[Note]], Awaitable[None]] = _nowhere,
        beside: Home | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        self._noted = noted
        self._own = threading.local()
        with ExitStack() as stack:
            homes = [stack.enter_context(Home.open(folder, clock)) for _ in range(threads)]
            self._opened = stack.pop_all()
        self._free: SimpleQueue[Room] = SimpleQueue()
        for home in homes:
            if beside is not None:
                home.go_by(beside)
            home.content_keys.open_now()
            self._free.put(Room(home, tip_height, quotas))
        self._executor = ThreadPoolExecutor(threads, "reading", self._enter)

    def _enter(self) -> None:
        self._own.room = self._free.get_nowait()

    async def ask(self, look: Callable[[Room], Found]) -> Found:
        """Run something on a reading thread; what it took of content is noted durably before this returns."""
        found, notes = await asyncio.get_running_loop().run_in_executor(self._executor, self._looked, look)
        if notes:
            await self._noted(notes)
        return found

    def _looked(self, look: Callable[[Room], Found]) -> tuple[Found, list[Note]]:
        room: Room = self._own.room
        room.notes = []
        return look(room), room.notes

    def close(self) -> None:
        """Wait for what is being read, and close the homes."""
        self._executor.shutdown()
        self._opened.close()

"""Accounts: organisations, their keys and their chains of one database, put together.

``Home.accounts`` makes it; the commands ``org``, ``key`` and ``grant`` change it, the web layer asks it for every
request. Nothing is remembered between two questions, so what was revoked, withdrawn or expired ends with the next one.
"""

import os
from collections.abc import Callable, Collection, Sequence

from anchor.proof.errors import AnchorlineError
from anchor.proof.promise import ANONYMOUS
from anchor.storage.engine import Engine, Row
from chains.access import Action, Actor, ChainAccess, Decision, Visibility, allowed
from chains.api_key import RandomBytes
from chains.api_keys import ApiKeys
from chains.chain import Chain
from chains.chain_sharing import ChainSharing, access_in, questions_about
from chains.organisations import Organisations
from chains.quota import UNLIMITED, Quota
from chains.sessions import Sessions
from chains.shares import Shares


class Accounts:
    """Who may do what in one database."""

    def __init__(self, engine: Engine, random: RandomBytes = os.urandom) -> None:
        self._engine = engine
        self.organisations = Organisations(engine, random)
        self.keys = ApiKeys(engine, random)
        self.sharing = ChainSharing(engine)
        self.sessions = Sessions(engine, self.keys, random)
        self.shares = Shares(engine, self.keys, self.sharing, random)

    def authenticate(self, token: str, now_ms: int) -> Actor:
        """Return who presents this API key; raise KeyRefusedError (``ApiKeys.authenticate``)."""
        return self.keys.authenticate(token, now_ms)

    def acting(
        self, tokens: Collection[str], chain_nos: Collection[int], now_ms: int
    ) -> tuple[dict[str, Actor | AnchorlineError], dict[int, ChainAccess]]:
        """Return who presents each of these API keys, or why it is refused, and what holds for each of these chains.

        All of it is asked in one go: a group commit asks for many.
        """
        keys, chains = sorted(tokens), sorted(chain_nos)
        answers = self._engine.query_each([*map(self.keys.question_about, keys), *questions_about(chains)])
        actors = {token: self._judged(token, rows, now_ms) for token, rows in zip(keys, answers, strict=False)}
        return actors, access_in(chains, answers[len(keys) :])

    def _judged(self, token: str, rows: Sequence[Row], now_ms: int) -> Actor | AnchorlineError:
        try:
            return self.keys.judged(token, rows, now_ms)
        except AnchorlineError as error:
            return error

    def may(self, actor: Actor, action: Action, chain: Chain | None, now_ms: int) -> Decision:
        """Say whether an actor may do something to a chain, by what holds now (``access.allowed``)."""
        access = None if chain is None else self.sharing.access_of(chain.chain_no)
        return allowed(actor, action, access, now_ms)

    def quota_of(self, actor: Actor) -> Quota:
        """Return what an actor's organisation may write; the operator has no quota, and a stranger writes nothing."""
        if actor.organisation is None:
            return UNLIMITED
        return self.organisations.by_id(actor.organisation).quota

    def submitter_of(self, actor: Actor, log_id: bytes) -> bytes:
        """Return the 16 bytes that stand for an actor's account in promises: zeros for who has none."""
        if actor.organisation is None:
            return ANONYMOUS
        return self.organisations.by_id(actor.organisation).submitter(log_id)

    def owning(self, actor: Actor, visibility: Visibility) -> Callable[[Chain], None]:
        """Return what gives a new chain to an actor's organisation, or to the operator.

        It is the ``note`` of an ``Opening``, run in its transaction: these accounts must be of the writer's engine.
        """
        owner = None if actor.organisation is None else self.organisations.live(actor.organisation)
        return lambda chain: self.sharing.own(chain, owner, visibility)

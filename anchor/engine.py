"""The one place where the journal and Bitcoin meet: ``seal`` asks for the newest block, ``tick`` anchors.

The daemon and the CLI call both with the clock's time; Bitcoin is a ``Source``, keys a ``Wallet``. Nothing is kept
between calls but what is in the database, so a restart is the ordinary path and there is no recovery code.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from anchor.alerts import Alert, alerts_of
from anchor.bitcoin.protocols import BlockId, Source
from anchor.bitcoin.transaction import funding_coins
from anchor.directory import SEAL_BLOCK_DEPTH, Directory, StoredCheckpoint
from anchor.epochs import Epochs
from anchor.errors import Refusal, RejectedError, SourceUnavailableError
from anchor.fees import NO_LIMITS, Limits
from anchor.in_step import InStep
from anchor.journal import Attempt, Journal
from anchor.lifecycle import LIVE, MINED, Event, news
from anchor.plan import Build, Facts, Plan, Promised, Replace, Send, Wait, is_on_thread, next_step, outlived_request
from anchor.proof.leaves import DirectoryLeaf, ThreadLeaf
from anchor.published_checkpoint import PublishedCheckpoint
from anchor.recovery import Recoveries
from anchor.signature_requests import SignatureRequests, withdraw
from anchor.signing import SigningKey
from anchor.storage.engine import Engine
from anchor.useful_blocks import UsefulBlocks
from anchor.versions import Signer, Versions
from anchor.watching import Watcher

# What is noted where a node does not take an attempt; anything else than these two is for people, and raised.
_REFUSED = {Refusal.FEE: Event.REFUSED_FEE, Refusal.INPUTS: Event.REFUSED_INPUTS}


@dataclass(frozen=True, slots=True)
class Policy:
    """How often anchors are made (milliseconds), and what they may cost."""

    anchor_every_ms: int
    silence_ms: int
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick did: the plan it carried out, every watched attempt as it stands afterwards, and the alerts."""

    plan: Wait | Send
    attempts: tuple[Attempt, ...]
    alerts: tuple[Alert, ...] = ()


def nothing_promised(_: int) -> Promised | None:
    """Return None: a log whose promises nobody told of."""
    return None


class AnchorEngine:
    """Anchors one log through one source with one wallet.

    ``promised`` tells of the oldest promise to anchor something that the checkpoint of so many leaves does not cover;
    ``published`` is the newest published checkpoint, where the settings name one.
    """

    def __init__(
        self,
        engine: Engine,
        directory: Directory,
        journal: Journal,
        source: Source,
        wallet: Signer,
        policy: Policy,
        promised: Callable[[int], Promised | None] = nothing_promised,
        published: PublishedCheckpoint | None = None,
    ) -> None:
        self.engine = engine
        self.directory = directory
        self.journal = journal
        self.source = source
        self.wallet = wallet
        self.policy = policy
        self.promised = promised
        self.published = published
        self.watcher = Watcher(journal, source)
        self.versions = Versions(engine, directory, journal, source, wallet, policy.limits, UsefulBlocks(source))
        self.epochs = Epochs(engine, directory)
        self.recoveries = Recoveries(engine, directory)
        self.in_step = InStep(
            journal,
            source,
            wallet,
            self.recoveries,
            SignatureRequests(engine, journal),
            lambda: self._facts(0, at_once=False),
        )
        self._looked_for_funding_at: tuple[bytes, ThreadLeaf | None] | None = None
        self._newest_seal_block: BlockId | None = None

    # --- sealing

    def seal(self, key: SigningKey, now_ms: int) -> StoredCheckpoint | None:
        """Seal what changed; nothing is signed before the outside world was asked whether it has seen more of us.

        Raises BehindError or HijackedThreadError for that, SourceUnavailableError where nobody answers and nobody has
        since this process began (docs/adr/0016-seals-while-bitcoin-is-silent.md).
        """
        gap = self.epochs.pending()
        try:
            self.check_in_step()
            self._newest_seal_block, leaves = self._seal_block(), self.leaves_to_seal()
        except SourceUnavailableError:
            if self._newest_seal_block is None:
                raise
            leaves = []
        epochs: list[DirectoryLeaf] = [] if gap is None else [gap]
        return self.directory.seal(key, now_ms, self._newest_seal_block, [*epochs, *leaves])

    def _seal_block(self) -> BlockId:
        height = self.source.tip().height - SEAL_BLOCK_DEPTH + 1
        block_hash = self.source.block_hash(height) if height > 0 else None
        return BlockId(0, self.source.network.genesis_hash) if block_hash is None else BlockId(height, block_hash)

    def leaves_to_seal(self) -> list[DirectoryLeaf]:
        """Return the thread leaf once there is a coin that is deep enough to begin a thread, the first or a new one.

        Once for each new block of a process: a node without index reads all unspent outputs for it.
        """
        tip = self.source.tip()
        pending = self.recoveries.pending()
        signed = None if pending is None else pending.leaf
        is_wanted = signed is not None or self.directory.thread_leaf() is None
        if not is_wanted or self._looked_for_funding_at == (tip.hash, signed):
            return []
        funding = funding_coins(self.source.unspent(self.wallet.script), tip.height, self.source.network)
        self._looked_for_funding_at = tip.hash, signed
        if signed is None:
            return [ThreadLeaf(funding[0].outpoint)] if funding else []
        is_there = any(coin.outpoint == signed.outpoint for coin in funding)
        return [signed] if is_there and self.recoveries.is_sound(signed) else []

    # --- in step with the outside world

    def check_in_step(self) -> None:
        """Refuse to go on where the outside world shows more of this log than this home knows.

        See ``PublishedCheckpoint.check`` and ``InStep.check``: both are asked, also where one of them is silent. Raises
        WrongNetworkError where the source is of another network.
        """
        self.source.check_network()
        self._check_in_step()

    def _check_in_step(self) -> None:
        """Check it with a source that was asked for its network."""
        silent = None if self.published is None else _silence(self.published)
        self.in_step.check()
        if silent is not None:
            raise silent

    # --- anchoring

    def tick(self, now_ms: int, *, at_once: bool = False) -> Ticked:
        """Look at every attempt, note what became of it, and take the next step.

        May be called at any time and any number of times; ``at_once`` anchors now whatever is not anchored yet.
        Raises what ``check_in_step`` raises, NoFundsError where the thread coin cannot pay for an anchor, and
        RejectedError where the source refuses one for another reason than its fee or its inputs.
        """
        plan, tip = self._prepare(now_ms, at_once=at_once)
        if isinstance(plan, Send):
            plan = self._send(plan.attempt, now_ms)
        return self._ticked(plan, tip, now_ms, at_once=at_once)

    def prepare(self, now_ms: int, *, at_once: bool = False) -> Ticked:
        """Do all that ``tick`` does but sending: what it would send is made and stored, and is the plan.

        For rehearsals (``anchor.rehearsal``); raises what ``tick`` raises, but RejectedError.
        """
        plan, tip = self._prepare(now_ms, at_once=at_once)
        return self._ticked(plan, tip, now_ms, at_once=at_once)

    def _prepare(self, now_ms: int, *, at_once: bool) -> tuple[Wait | Send, BlockId]:
        self.source.check_network()
        tip = self.watcher.look(now_ms, self._thread_index())
        self._check_in_step()
        facts = self._facts(now_ms, at_once=at_once, tip=tip)
        outlived = outlived_request(facts)
        if outlived is not None:
            withdraw(SignatureRequests(self.engine, self.journal), now_ms, outlived)
        return self._made(next_step(facts), tip, now_ms), tip

    def _made(self, plan: Plan, tip: BlockId, now_ms: int) -> Wait | Send:
        if isinstance(plan, Build):
            return self.versions.build(plan, tip, now_ms)
        if isinstance(plan, Replace):
            return self.versions.replace(plan, tip, now_ms)
        return plan

    def _ticked(self, plan: Wait | Send, tip: BlockId, now_ms: int, *, at_once: bool) -> Ticked:
        facts = self._facts(now_ms, at_once=at_once, tip=tip)
        alerts = alerts_of(facts, self.journal.recent(now_ms), self.source.network, self.policy.limits)
        return Ticked(plan, tuple(facts.attempts), alerts)

    def _thread_index(self) -> int:
        thread = self.directory.thread_leaf()
        return 0 if thread is None else thread[0]

    def _send(self, attempt: Attempt, now_ms: int) -> Wait | Send:
        """Hand an attempt to the network; a crash before the notes is found out by the next look.

        What it replaces is noted after it was taken, and not where it was refused.
        """
        try:
            self.source.broadcast(attempt.raw)
        except RejectedError as error:
            refused = _REFUSED.get(error.refusal)
            if refused is None:
                raise
            self.journal.note(attempt, now_ms, news(refused))
            return Wait(f"attempt {attempt.attempt_no} was refused: {error}", is_held=True)
        self.journal.note(attempt, now_ms, news(Event.SUBMITTED))
        for rival in self.journal.watched():
            if rival.spends == attempt.spends and rival.attempt_no < attempt.attempt_no and rival.state in LIVE:
                self.journal.note(rival, now_ms, news(Event.SUPERSEDED))
        return Send(attempt)

    def _facts(self, now_ms: int, *, at_once: bool, tip: BlockId | None = None) -> Facts:
        facts = facts_of(self.directory, self.journal, self.policy, now_ms, self.promised)
        return replace(facts, at_once=at_once, tip=tip)


def _silence(published: PublishedCheckpoint) -> SourceUnavailableError | None:
    """Compare with what is published; return why it could not be read."""
    try:
        published.check()
    except SourceUnavailableError as error:
        return error
    return None


def facts_of(
    directory: Directory,
    journal: Journal,
    policy: Policy,
    now_ms: int,
    promised: Callable[[int], Promised | None] = nothing_promised,
) -> Facts:
    """Return what the database says that plans and alerts rest on; Bitcoin is not asked, so the tip is None."""
    newest = directory.newest()
    thread = directory.thread_leaf()
    index = 0 if thread is None else thread[0]
    watched, settled = journal.watched(), journal.newest_settled()
    facts = Facts(
        now_ms=now_ms,
        newest_size=None if newest is None else newest.size,
        thread_start=None if thread is None else thread[1].outpoint,
        thread_index=index,
        attempts=[attempt for attempt in watched if is_on_thread(attempt, index)],
        settled=settled if settled is not None and is_on_thread(settled, index) else None,
        anchor_every_ms=policy.anchor_every_ms,
        silence_ms=policy.silence_ms,
        recovery=Recoveries(directory.engine, directory).pending(),
        request=SignatureRequests(journal.engine, journal).live(),
    )
    if facts.thread_start is None:
        return facts
    # Anchors of a thread that was replaced are anchors for ever: what they cover needs no other one.
    mined = [attempt for attempt in watched if attempt.state in MINED]
    covered = max((each.checkpoint_size for each in (*mined, settled) if each is not None), default=0)
    return replace(facts, promised=promised(covered))

"""Looking at every watched attempt, and noting what became of it: the first half of a tick.

Input is what the Bitcoin source says; what it means is decided by ``anchor.lifecycle``. ``anchor.engine`` plans on
what is noted here, and receipts take the proofs that are kept here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from anchor.bitcoin.block_proof import check_proof
from anchor.bitcoin.protocols import BlockId, InBlock, Observation, Source
from anchor.errors import SourceError, SourceUnavailableError
from anchor.journal import Attempt, Journal
from anchor.lifecycle import LIVE, LOST, MINED, Event, State, advance, events_of, news, unsettled
from anchor.plan import is_on_thread
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.errors import MalformedError, VerificationError
from anchor.recent_headers import RecentHeaders


class Watcher:
    """Looks through one source at the attempts of one journal; what it keeps between looks is in the database."""

    def __init__(self, journal: Journal, source: Source) -> None:
        self.journal = journal
        self.source = source
        self._headers = RecentHeaders(journal.engine, source)

    def look(self, now_ms: int, thread_index: int = 0) -> BlockId:
        """Note what became of every watched attempt, keep proofs, and settle what is deep; return the tip before.

        ``thread_index`` is that of the newest thread leaf: attempts on older threads are void unless they are found.
        Raises what the source raises, and SourceError for a proof or a header that does not hold.
        """
        depth = self.source.network.final_depth
        tip = self.source.tip()
        self._unsettle(now_ms)
        looks = [(attempt, self._observe(attempt, tip)) for attempt in self.journal.watched()]
        heights = [seen.block.height for _, seen in looks if isinstance(seen, InBlock)]
        if heights:
            self._headers.follow(min(heights), tip)
        confirmations: dict[int, int] = {}
        for attempt, found in looks:
            seen = self._worth(found)
            self.journal.note(attempt, now_ms, partial(events_of, seen=seen, final_depth=depth))
            if isinstance(seen, InBlock):
                confirmations[attempt.attempt_no] = seen.confirmations
        self._note_rivals(now_ms, thread_index)
        self._keep_proofs()
        self._settle(now_ms, confirmations, thread_index)
        return tip

    def is_on_best_chain(self, block: BlockId | None) -> bool:
        """Say whether a block is on the best chain now."""
        return block is not None and self.source.block_hash(block.height) == block.hash

    def has_left(self, attempt: Attempt) -> bool:
        """Say whether a mined attempt's block is not on the best chain now.

        Raises SourceUnavailableError where a settled one's height is above the source's tip: it says nothing about
        what was so deep.
        """
        block = attempt.standing.block
        if block is None or not attempt.standing.settled:
            return not self.is_on_best_chain(block)
        found = self.source.block_hash(block.height)
        if found is None:
            raise SourceUnavailableError(
                f"expected a best chain that reaches the newest settled anchor, in block {block.height}, found a "
                "shorter one: the source is still loading its blocks; wait until it has caught up"
            )
        return found != block.hash

    def _observe(self, attempt: Attempt, tip: BlockId) -> Observation:
        """Ask where an attempt is; one that is proved to be in a block is there while that block is on the best chain.

        A node without index no longer finds a transaction whose outputs are spent and whose block is old.
        """
        block = attempt.standing.block
        if block is not None and self.is_on_best_chain(block) and self.journal.proof(attempt) is not None:
            return InBlock(block, max(tip.height - block.height + 1, 1))
        return self.source.observe(attempt.txid)

    def _worth(self, seen: Observation) -> Observation:
        """Count confirmations by work too, where late blocks are nearly free; what was not counted is not deep yet."""
        if not isinstance(seen, InBlock) or not self._headers.is_needed:
            return seen
        known = self._headers.at(seen.block)
        depth = 0 if known is None else known.depth or 0
        return replace(seen, confirmations=min(seen.confirmations, depth))

    def _note_rivals(self, now_ms: int, thread_index: int) -> None:
        """Note what the fate of one attempt means for others: those of the same coin, and those built on them."""
        watched = self.journal.watched()
        winners = {attempt.spends for attempt in watched if attempt.state in MINED}
        states = {attempt.txid: attempt.state for attempt in watched}
        in_mempool: dict[OutPoint, int] = {}
        for attempt in watched:
            if attempt.state == State.SEEN and not attempt.standing.missed:
                in_mempool[attempt.spends] = attempt.attempt_no
        # Oldest first, that is parents before children: a loss reaches everything that was built on it.
        for attempt in watched:
            event = _fate(
                attempt.state,
                states.get(attempt.spends.txid),
                is_won=attempt.spends in winners,
                is_old=in_mempool.get(attempt.spends, 0) > attempt.attempt_no,
                is_abandoned=not is_on_thread(attempt, thread_index),
            )
            if event is not None:
                self.journal.note(attempt, now_ms, news(event))
                states[attempt.txid] = advance(attempt.state, event)

    def _keep_proofs(self) -> None:
        for attempt in self.journal.watched():
            block = attempt.standing.block
            if block is None or self.journal.proof(attempt) is not None:
                continue
            proof = self.source.prove(attempt.txid, block.hash)
            # None: the block left the best chain between two questions; the next tick sees that.
            if proof is None:
                continue
            self._check(proof, attempt, block)
            self.journal.keep_proof(attempt, block.hash, proof)

    def _check(self, proof: BitcoinAnchor, attempt: Attempt, block: BlockId) -> None:
        """Check a proof as a verifier of a receipt would; raise SourceError where it proves something else."""
        try:
            check_proof(proof, attempt.txid, block, self.source.network)
        except (VerificationError, MalformedError) as error:
            raise SourceError(
                f"the source's proof of {hash_hex(attempt.txid)} does not hold: {error}; do not trust this source "
                "before that is explained"
            ) from error

    def _unsettle(self, now_ms: int) -> None:
        """Look again at attempts whose block left the best chain after they were settled, newest first.

        A reorganisation that reaches one has reached all after it, so the newest is asked for in each look. What lost
        to it comes first: after a crash in between, the next look finds the rest.
        """
        while (newest := self.journal.newest_settled()) is not None and self.has_left(newest):
            for attempt in [*self.journal.settled_with(newest), newest]:
                self.journal.note(attempt, now_ms, unsettled)

    def _settle(self, now_ms: int, confirmations: Mapping[int, int], thread_index: int) -> None:
        """Stop looking at a final attempt beyond the watch depth, and at those that it won against.

        Not while another version still counts as mined: one look more takes that back. An anchor of a new thread also
        wins against what is lost of older ones. The losers come first, children before parents: after a crash in
        between, the next tick finds the rest.
        """
        watched = self.journal.watched()
        depth = self.source.network.watch_depth
        claims = Counter(attempt.spends for attempt in watched if attempt.state not in LOST)
        done = [
            attempt
            for attempt in watched
            if attempt.state == State.FINAL
            and claims[attempt.spends] == 1
            and confirmations.get(attempt.attempt_no, 0) >= depth
            and self.journal.proof(attempt) is not None
        ]
        won = {attempt.spends for attempt in done}
        is_new_deep = any(is_on_thread(attempt, thread_index) for attempt in (*done, *self._newest_settled()))
        lost: list[Attempt] = []
        for attempt in watched:
            is_child = any(attempt.spends == parent.coin for parent in lost)
            is_abandoned = is_new_deep and not is_on_thread(attempt, thread_index)
            if attempt.state in LOST and (attempt.spends in won or is_child or is_abandoned):
                lost.append(attempt)
        for attempt in [*reversed(lost), *done]:
            self.journal.note(attempt, now_ms, news(Event.SETTLED))

    def _newest_settled(self) -> tuple[Attempt, ...]:
        settled = self.journal.newest_settled()
        return () if settled is None else (settled,)


def _fate(
    state: State, parent: State | None, *, is_won: bool, is_old: bool, is_abandoned: bool = False
) -> Event | None:
    """Return what the state of others means for an attempt.

    ``is_won``: its coin is spent in a block. ``is_old``: a newer version of it is in the mempool, which cannot hold
    both. ``parent`` is the state of the attempt whose coin it spends. ``is_abandoned``: a new thread takes the place of
    the one that it is on, so it is not sent again; one that is still in the mempool may yet be mined.
    """
    if state in LIVE and is_won:
        return Event.RIVAL_CONFIRMED
    if state in LIVE and parent in LOST:
        return Event.PARENT_LOST
    if state in LIVE and is_old:
        return Event.SUPERSEDED
    if is_abandoned:
        return Event.PARENT_LOST if state in LIVE and state != State.SEEN else None
    if state == State.VOID and parent in MINED and not is_won:
        return Event.PARENT_BACK
    return None

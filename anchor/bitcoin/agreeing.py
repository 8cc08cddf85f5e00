"""Several Bitcoin sources behind the one protocol: what ``need`` of them say counts, and who lies is named.

Input is the answers of the sources, each of which may be silent, behind the others, or lying. The engine uses it as
its Bitcoin source; ``cli.py`` makes it from the settings. docs/adr/0006-several-sources.md gives the reasons.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median_low
from typing import TypeVar

from anchor.bitcoin.block_proof import check_proof
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Observation, Source
from anchor.errors import (
    DisagreementError,
    RejectedError,
    SettingsError,
    SourceError,
    SourceUnavailableError,
    WrongNetworkError,
)
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.errors import MalformedError, VerificationError

# Up to here, counted from a source's own tip, another hash is a fork that will pass, and fewer blocks are delay;
# beyond, it is a lie or another chain. Final is where an anchor is called final by default.
LAG_BLOCKS = 6
_NAMELESS = bytes(32)

_Answer = TypeVar("_Answer")


class AgreeingSource:
    """Sources by name (an address, for messages), of which ``need`` must say the same; all follow one network.

    A source that is silent or talks nonsense does not count; one that is behind is waited for or outvoted. Raises
    SettingsError for a ``need`` that is not from 1 to their number, or for sources of different networks.
    """

    def __init__(self, sources: Mapping[str, Source], need: int) -> None:
        networks = {source.network for source in sources.values()}
        if not 1 <= need <= len(sources):
            raise SettingsError(
                f"expected the number of Bitcoin sources that must agree to be from 1 to {len(sources)}, got {need}"
            )
        if len(networks) != 1:
            names = ", ".join(sorted(network.name for network in networks))
            raise SettingsError(f"expected sources of one network, got {names}; correct the setting")
        (self.network,) = networks
        self._sources = dict(sources)
        self._need = need

    # Headers

    def check_network(self) -> None:
        """Have every source compare its genesis hash; raise WrongNetworkError for any on another network."""
        self._ask(lambda source: source.check_network())

    def tip(self) -> BlockId:
        """Return the highest block that ``need`` sources have on their best chains.

        Raises SourceUnavailableError while half of them are more than six blocks ahead of it, or on branches of
        their own: it will pass. Raises DisagreementError where branches part below that.
        """
        tips = self._ask(lambda source: source.tip())
        height = sorted((tip.height for tip in tips.values()), reverse=True)[self._need - 1]
        self._check_delay(tips, height)
        for lower in range(height, max(height - LAG_BLOCKS, 0) - 1, -1):
            votes = self._votes(lower)
            agreed = self._agreed(lower, votes)
            if agreed is not None:
                return BlockId(lower, agreed)
        raise self._split(height, votes)

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash of the best chain's block, or None where fewer than ``need`` sources have got so far.

        Raises DisagreementError, which names the suspects, where sources that are more than six blocks past this
        height differ; SourceUnavailableError where they differ and a reorganisation can still explain it, or where
        a source would be needed that is further behind.
        """
        votes = self._votes(height)
        agreed = self._agreed(height, votes)
        if agreed is not None:
            return agreed
        if len(set(votes.values()) - {None}) > 1:
            raise self._split(height, votes)
        behind = [name for name, vote in votes.items() if vote is None]
        if len(behind) < self._need:
            self._check_not_far(height, behind)
        return None

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a block that any source knows; its hash proves it, so one is enough.

        None where at least ``need`` sources do not know it and none does.
        """
        headers = self._ask(lambda source: source.header(block_hash))
        found = [raw for raw in headers.values() if raw is not None and Header.decode(raw).hash == block_hash]
        return found[0] if found else None

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return the best chain's headers from ``height`` on, at most ``count``, fewer at the tip.

        All of them are agreed on: ``need`` sources say the hash of the last, and whichever source gives headers that
        lead there, one following the other, gives the same. Raises SourceError where none does.
        """
        top = min(height + count - 1, self.tip().height)
        last = self.block_hash(top) if top >= height else None
        if last is None:
            return []
        faults: list[SourceError] = []
        for name, source in self._sources.items():
            try:
                headers = source.headers_from(height, top - height + 1)
            except SourceError as error:
                faults.append(error)
                continue
            if len(headers) == top - height + 1 and _leads_to(headers, last):
                return headers
            faults.append(SourceUnavailableError(f"{name}: expected headers that lead to block {top}, found others"))
        raise _together(faults, f"expected headers {height} to {top} from one of the sources, got none")

    # Transactions

    def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction to every source; it is sent as soon as one has taken it.

        Raises RejectedError where ``need`` sources refuse and none takes it.
        """
        refusals = self._ask(lambda source: _refusal(source, raw), need=1)
        if any(refusal is None for refusal in refusals.values()):
            return
        reasons = [refusal for refusal in refusals.values() if refusal is not None]
        if len(reasons) < self._need:
            raise SourceUnavailableError(
                f"expected {self._need} sources to take or refuse a transaction, got {_listed(refusals)}; try later"
            )
        (code, refusal), _ = Counter((reason.code, reason.refusal) for reason in reasons).most_common(1)[0]
        raise RejectedError(code, "; ".join(str(reason) for reason in reasons), refusal)

    def observe(self, txid: bytes) -> Observation:
        """Say where the transaction is now, as ``need`` sources see it.

        In a block: they name the same block, and confirmations are what that many of them count. In the mempool:
        that many have it there; fewer are Missing, since to send it again is harmless. Raises
        SourceUnavailableError where some see it in a block and too few others can contradict them.
        """
        seen = self._ask(lambda source: source.observe(txid))
        places: dict[BlockId, list[int]] = {}
        for found in seen.values():
            if isinstance(found, InBlock):
                places.setdefault(found.block, []).append(found.confirmations)
        if len({found.block if isinstance(found, InBlock) else None for found in seen.values()}) > 1:
            for block in places:
                self.block_hash(block.height)  # raises where one of them lies about it
        for block, counts in places.items():
            if len(counts) >= self._need:
                return InBlock(block, sorted(counts, reverse=True)[self._need - 1])
        elsewhere = [found for found in seen.values() if not isinstance(found, InBlock)]
        if len(elsewhere) < self._need:
            raise SourceUnavailableError(
                f"expected {self._need} sources to agree where transaction {hash_hex(txid)} is, found "
                f"{_listed(seen)}; wait until those behind have caught up"
            )
        return InMempool() if elsewhere.count(InMempool()) >= self._need else Missing()

    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        """Return a verified proof from whichever source has one, of a block that ``need`` sources agree on, or None.

        Raises SourceError where no source has one and one of them handed over a false one.
        """
        faults: list[SourceError] = []
        proof = None
        for name, source in self._sources.items():
            try:
                proof = _proof(name, source, txid, block_hash)
            except SourceError as error:
                faults.append(error)
            if proof is not None:
                return proof if self.block_hash(proof.height) == block_hash else None
        self._check_faults(faults)
        return None

    def transaction_count(self, block_hash: bytes) -> int | None:
        """Return the median of what the sources say (the lower one of two), or None where none knows the block."""
        counts = self._ask(lambda source: source.transaction_count(block_hash), need=1)
        known = [count for count in counts.values() if count is not None]
        return median_low(known) if known else None

    # Coins

    def unspent(self, script: bytes) -> list[Coin]:
        """Return the outputs paying to ``script`` that ``need`` sources list.

        The height is one that as many of them confirm; None where fewer do.
        """
        heights: dict[Coin, list[int]] = {}
        votes: Counter[Coin] = Counter()
        makers: dict[bytes, bytes] = {}  # transactions by txid: a pruned node has forgotten some
        for coins in self._ask(lambda source: source.unspent(script)).values():
            for coin in coins:
                same = replace(coin, height=None, transaction=b"")
                if sha256d(coin.transaction) == coin.outpoint.txid:
                    makers[coin.outpoint.txid] = coin.transaction
                votes[same] += 1
                heights.setdefault(same, []).extend([] if coin.height is None else [coin.height])
        return [
            replace(
                coin,
                height=sorted(heights[coin])[self._need - 1] if len(heights[coin]) >= self._need else None,
                transaction=makers.get(coin.outpoint.txid, b""),
            )
            for coin, count in votes.items()
            if count >= self._need
        ]

    def spender(self, outpoint: OutPoint) -> bytes | None:
        """Return the txid of what spends this outpoint; None where ``need`` sources call it unspent.

        Where neither side has as many votes it counts as spent: a source that is behind has not seen the spend
        yet, and a thread coin wrongly believed unspent would be spent twice. 32 zero bytes where nobody names it.
        """
        answers = list(self._ask(lambda source: source.spender(outpoint)).values())
        spent = [answer for answer in answers if answer is not None]
        if len(spent) < self._need <= answers.count(None):
            return None
        named = [txid for txid in spent if txid != _NAMELESS]
        return Counter(named or spent).most_common(1)[0][0]

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        """Return the median of the sources' estimates (the lower one of two), or None where none has one."""
        rates = self._ask(lambda source: source.fee_rate_sat_per_vb(target_blocks), need=1)
        known = [rate for rate in rates.values() if rate is not None]
        return median_low(known) if known else None

    def least_rate_sat_per_vb(self) -> float | None:
        """Return the median of what the sources' mempools ask (the lower one of two), or None where none says it."""
        rates = self._ask(lambda source: source.least_rate_sat_per_vb(), need=1)
        known = [rate for rate in rates.values() if rate is not None]
        return median_low(known) if known else None

    def close(self) -> None:
        """Close every source; may be repeated."""
        for source in self._sources.values():
            source.close()

    # Steps

    def _ask(self, question: Callable[[Source], _Answer], need: int | None = None) -> dict[str, _Answer]:
        """Return the answers by name; at least ``need`` of them, or the failures are raised together."""
        answers: dict[str, _Answer] = {}
        faults: list[SourceError] = []
        for name, source in self._sources.items():
            try:
                answers[name] = question(source)
            except (WrongNetworkError, DisagreementError):
                raise
            except SourceError as error:
                faults.append(error)
        wanted = self._need if need is None else need
        if len(answers) < wanted:
            raise _together(faults, f"expected {wanted} of {len(self._sources)} sources to answer, {len(answers)} did")
        return answers

    def _votes(self, height: int) -> dict[str, bytes | None]:
        return self._ask(lambda source: source.block_hash(height))

    def _agreed(self, height: int, votes: Mapping[str, bytes | None]) -> bytes | None:
        """Return the hash that at least ``need`` sources name, and more than name any other; None without one."""
        ranking = Counter(vote for vote in votes.values() if vote is not None).most_common(2)
        if len(ranking) > 1:
            self._check_no_lie(height, {name: vote for name, vote in votes.items() if vote is not None})
        if not ranking or ranking[0][1] < self._need:
            return None
        if len(ranking) > 1 and ranking[0][1] == ranking[1][1]:
            return None
        return ranking[0][0]

    def _check_no_lie(self, height: int, votes: Mapping[str, bytes]) -> None:
        """Raise DisagreementError if sources differ about a block that is deep on the chain of each."""
        tips = self._ask(lambda source: source.tip())
        deep = {name: vote for name, vote in votes.items() if name in tips and tips[name].height - height >= LAG_BLOCKS}
        if len(set(deep.values())) < 2:
            return
        suspects = self._suspects(height, deep)
        said = "; ".join(f"{name} says {hash_hex(vote)}" for name, vote in votes.items())
        raise DisagreementError(
            suspects,
            f"block {height}: expected one hash from every source, found that {said}; do not trust "
            f"{' or '.join(suspects)} before that is explained, and remove it from the settings",
        )

    def _suspects(self, height: int, votes: Mapping[str, bytes]) -> tuple[str, ...]:
        """Return who lies: those who contradict themselves, else the minority, else everybody."""
        caught = tuple(name for name, vote in votes.items() if _contradicts_itself(self._sources[name], height, vote))
        if caught:
            return caught
        counted = Counter(votes.values())
        (most, count), *others = counted.most_common()
        if count == others[0][1]:
            return tuple(votes)
        return tuple(name for name, vote in votes.items() if vote != most)

    def _check_delay(self, tips: Mapping[str, BlockId], height: int) -> None:
        ahead = [name for name, tip in tips.items() if tip.height - height > LAG_BLOCKS]
        if 2 * len(ahead) >= len(tips):
            raise SourceUnavailableError(
                f"expected {self._need} sources within {LAG_BLOCKS} blocks of one another, found "
                f"{_listed({name: f'height {tip.height}' for name, tip in tips.items()})}; "
                "wait until those behind have caught up"
            )

    def _check_not_far(self, height: int, behind: list[str]) -> None:
        tips = self._ask(lambda source: source.tip())
        far = {name: f"height {tips[name].height}" for name in behind if name in tips}
        if any(height - tips[name].height > LAG_BLOCKS for name in far):
            raise SourceUnavailableError(
                f"block {height}: expected {self._need} sources to know it, found {_listed(far)}; "
                "wait until those behind have caught up"
            )

    def _split(self, height: int, votes: Mapping[str, bytes | None]) -> SourceUnavailableError:
        said = {name: "nothing" if vote is None else hash_hex(vote) for name, vote in votes.items()}
        return SourceUnavailableError(
            f"block {height}: expected {self._need} sources on one branch, found {_listed(said)}; wait until the "
            "branches have come together"
        )

    def _check_faults(self, faults: list[SourceError]) -> None:
        """Raise what the sources said, unless one says that there is no proof and none has handed over a false one."""
        false = [fault for fault in faults if not isinstance(fault, SourceUnavailableError)]
        if false or len(faults) == len(self._sources):
            raise _together(faults, "expected a proof from one of the sources, got none")


def _proof(name: str, source: Source, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
    """Return a source's proof, checked again: not every kind of source checks its own."""
    proof = source.prove(txid, block_hash)
    if proof is None:
        return None
    try:
        check_proof(proof, txid, BlockId(proof.height, block_hash), source.network)
    except (VerificationError, MalformedError) as error:
        raise SourceError(f"{name}: {error}; do not trust this source before that is explained") from error
    return proof


def _refusal(source: Source, raw: bytes) -> RejectedError | None:
    try:
        source.broadcast(raw)
    except RejectedError as error:
        return error
    return None


def _contradicts_itself(source: Source, height: int, block_hash: bytes) -> bool:
    """Say whether a source's own next block does not build on the block that it names, or that has no header."""
    try:
        if source.header(block_hash) is None:
            return True
        after = source.block_hash(height + 1)
        raw = None if after is None else source.header(after)
    except SourceUnavailableError:
        return False
    except SourceError:
        return True
    return raw is not None and Header.decode(raw).previous != block_hash


def _leads_to(headers: list[bytes], last: bytes) -> bool:
    """Say whether each header follows the one before, and the last has this hash."""
    hashes = [sha256d(header) for header in headers]
    return hashes[-1] == last and all(child[4:36] == before for before, child in zip(hashes, headers[1:], strict=False))


def _together(faults: list[SourceError], what: str) -> SourceError:
    """Return one error for several: unavailable if that is all that is wrong."""
    passing = all(isinstance(fault, SourceUnavailableError) for fault in faults)
    kind = SourceUnavailableError if passing else SourceError
    error = kind(f"{what}: {'; '.join(str(fault) for fault in faults)}")
    error.__cause__ = faults[0] if faults else None
    return error


def _listed(said: Mapping[str, object]) -> str:
    return "; ".join(f"{name}: {each}" for name, each in said.items())

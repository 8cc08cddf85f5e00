"""An Esplora server, public or own, as a Bitcoin source: every answer is read by its shape before it is believed.

Input is the server's answers (``http_retry`` fetches them, ``esplora_answers`` reads them); what a hash can check is
checked. The engine uses it through the protocol ``Source``, alone or among others behind ``agreeing``.
"""

import hashlib
from collections.abc import Callable
from typing import NoReturn, TypeVar

from anchor.bitcoin.block_proof import check_proof
from anchor.bitcoin.esplora_answers import (
    Branch,
    ListedCoin,
    read_block,
    read_block_headers,
    read_branch,
    read_coins,
    read_estimate,
    read_hash,
    read_header,
    read_spend,
    read_status,
    read_transaction,
    read_transaction_count,
    refusal_code,
)
from anchor.bitcoin.first_contact import FirstContact
from anchor.bitcoin.http_retry import Patience, PatientHttp, Surroundings
from anchor.bitcoin.mempool import read_signed
from anchor.bitcoin.networks import Network
from anchor.bitcoin.protocols import BlockId, Coin, InBlock, InMempool, Missing, Observation
from anchor.bitcoin.refusals import refusal_of
from anchor.errors import RejectedError, SourceError, SourceUnavailableError, WrongNetworkError
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.transaction import MAX_WITH_WITNESS, OutPoint, Transaction
from anchor.proof.errors import MalformedError, VerificationError

_OK = 200
_NOT_FOUND = 404
# Bitcoin Core, rpc/protocol.h.
_REJECTED = -26
_ALREADY_IN_CHAIN = -27
# Bytes of an answer: a hash or a header; a small JSON object; a transaction in hex; a wallet's coins; a page
# of blocks, which some servers embellish.
_TEXT_LIMIT = 1_024
_JSON_LIMIT = 65_536
_TRANSACTION_LIMIT = 2 * MAX_WITH_WITNESS + 2
_COINS_LIMIT = 1_048_576
_BLOCKS_LIMIT = 262_144
# A txid commits to its transaction for ever, so each is fetched once: public servers count requests.
_KEPT_TRANSACTIONS = 64

_Read = TypeVar("_Read")


class EsploraSource:
    """The Esplora API at ``url`` (for example https://example.org/testnet4/api), which follows ``network``.

    A server tells a block's height, a transaction's status, what is unspent and what is in its mempool, and can lie
    about each of them: ask several, behind ``AgreeingSource``. Before the first question, and whenever a connection is
    made anew, its genesis block is compared: every method raises WrongNetworkError where it is another network's.
    Raises SettingsError for an unusable address.
    """

    def __init__(
        self,
        url: str,
        network: Network,
        patience: Patience | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.network = network
        self._contact = FirstContact(self._recognise)
        self._http = PatientHttp(url, patience or Patience(), surroundings or Surroundings(), self._contact)
        self._transactions: dict[bytes, bytes] = {}

    # Headers

    def check_network(self) -> None:
        """Compare the server's genesis hash with ``network``'s; raise WrongNetworkError where they differ.

        All signets share a genesis block, and the API has nothing else that tells them apart.
        """
        self._contact.recognise()

    def tip(self) -> BlockId:
        """Return the tip of the best chain.

        Raises SourceUnavailableError where the server does not have the block that it called its tip: behind one
        address are several machines, and it was reorganised away, or the second is behind the first.
        """
        block_hash = self._required("/blocks/tip/hash", _TEXT_LIMIT, read_hash)
        path = f"/block/{hash_hex(block_hash)}"
        tip = self._found(path, _JSON_LIMIT, read_block)
        if tip is None:
            raise SourceUnavailableError(f"{self._http.url}{path}: expected the tip's block, found none; try later")
        if tip.hash != block_hash:
            self._nonsense(path, f"block {hash_hex(block_hash)}", f"block {hash_hex(tip.hash)}")
        return tip

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash (32 bytes, internal order) of the best chain's block, or None above the tip."""
        return self._found(f"/block-height/{height}", _TEXT_LIMIT, read_hash)

    def header(self, block_hash: bytes) -> bytes | None:
        """Return the 80 header bytes of a known block, or None; many servers forget blocks off the best chain.

        Raises SourceError where the server answers with another block's header.
        """
        path = f"/block/{hash_hex(block_hash)}/header"
        raw = self._found(path, _TEXT_LIMIT, read_header)
        if raw is not None and sha256d(raw) != block_hash:
            self._nonsense(path, f"the header of block {hash_hex(block_hash)}", f"one of {hash_hex(sha256d(raw))}")
        return raw

    def headers_from(self, height: int, count: int) -> list[bytes]:
        """Return the best chain's headers from ``height`` on, at most ``count``, in a question for ten of them.

        Servers list ten blocks an answer, some fifteen, downwards; the bytes of each header are built from its
        fields and hash to its id. Raises SourceError where they do not, SourceUnavailableError where the answers
        leave a gap.
        """
        headers: list[bytes] = []
        top = min(height + count - 1, self.tip().height)
        while top - len(headers) >= height:
            headers += self._headers_below(top - len(headers), height)
        return headers[::-1]

    def _headers_below(self, top: int, bottom: int) -> list[bytes]:
        """Return the headers of one answer, downwards from ``top`` and not below ``bottom``; at least one."""
        path = f"/blocks/{top}"
        listed = self._found(path, _BLOCKS_LIMIT, read_block_headers)
        if listed is None:
            raise SourceUnavailableError(
                f"{self._http.url}{path}: expected blocks below its tip, found none; try later"
            )
        heights = [block.height for block, _ in listed]
        if not listed or heights != list(range(top, top - len(listed), -1)):
            self._nonsense(path, f"blocks from height {top} downwards", f"heights {heights}")
        return [header for block, header in listed if block.height >= bottom]

    # Transactions

    def broadcast(self, raw: bytes) -> None:
        """Hand a signed transaction to the server's node; one that it knows already is welcome again.

        Raises RejectedError with the node's code: -22 not a transaction, -25 an input is spent or unknown, -26
        refused otherwise; SourceError for a refusal without a code.
        """
        signed = read_signed(raw)
        answer = self._http.post("/tx", raw.hex().encode(), _TEXT_LIMIT)
        if answer.status != _OK:
            self._accept_known(signed.txid, answer.body)
            return
        txid = self._read("/tx", answer.body, read_hash)
        if txid != signed.txid:
            self._nonsense("/tx", f"the txid {hash_hex(signed.txid)}", hash_hex(txid))

    def observe(self, txid: bytes) -> Observation:
        """Say where the transaction (32 bytes, internal order) is now.

        In a block means that the server's best chain has this block at this height. Servers also answer for
        transactions that left the chain and were never mined again, as if they waited; so in the mempool means
        that the mempool spends the transaction's first input by it.
        """
        place = self._place(txid)
        if place is not None and self.block_hash(place.height) == place.hash:
            # The tip may come from a machine that is a little behind the one which knows the block.
            return InBlock(place, max(self.tip().height - place.height + 1, 1))
        return InMempool() if self._in_mempool(txid) else Missing()

    def prove(self, txid: bytes, block_hash: bytes) -> BitcoinAnchor | None:
        """Return the verified proof of a transaction in that block of the best chain, or None if it is not there.

        Everything a verifier will check (steps 11 and 12 of a receipt) is checked here. Raises SourceError where
        the server's answers do not make a proof although it says that the transaction is in this block.
        """
        place = self._place(txid)
        if place is None or place.hash != block_hash:
            return None
        try:
            proof = self._proof(txid, place)
            check_proof(proof, txid, place, self.network)
        except (VerificationError, MalformedError) as error:
            if self._place(txid) != place:
                return None  # reorganised between two answers; the next look finds it
            self._nonsense(f"/tx/{hash_hex(txid)}", f"a proof in block {hash_hex(block_hash)}", str(error), error)
        return proof

    def transaction_count(self, block_hash: bytes) -> int | None:
        """Return how many transactions a block holds, its coinbase among them, or None where it is unknown."""
        return self._found(f"/block/{hash_hex(block_hash)}", _JSON_LIMIT, read_transaction_count)

    # Coins

    def unspent(self, script: bytes) -> list[Coin]:
        """Return every unspent output that pays to ``script``, in the best chain or the mempool.

        Each comes with the transaction that made it, which is compared with what the server says of the coin.
        Raises SourceError where they differ, SourceUnavailableError where a listed transaction is not there (yet).
        """
        path = f"/scripthash/{hashlib.sha256(script).hexdigest()}/utxo"
        return [self._coin(path, listed, script) for listed in self._required(path, _COINS_LIMIT, read_coins)]

    def spender(self, outpoint: OutPoint) -> bytes | None:
        """Return the txid (internal order) of what spends this outpoint, in the mempool or the best chain.

        None when it is unspent; 32 zero bytes where the server does not name the spender, or where there is no
        such output. Raises SourceError where the named transaction does not spend it.
        """
        path = f"/tx/{hash_hex(outpoint.txid)}/outspend/{outpoint.vout}"
        spend = self._found(path, _JSON_LIMIT, read_spend)
        if spend is None:
            return None if self._exists(outpoint) else bytes(32)
        if spend.txid is None:
            return bytes(32)
        spending = self._transaction(spend.txid)
        if spending is None or outpoint not in _spent_by(spending):
            self._nonsense(path, f"a transaction that spends {outpoint}", hash_hex(spend.txid))
        return spend.txid

    def fee_rate_sat_per_vb(self, target_blocks: int) -> float | None:
        """Return the server's estimate, or None where it has none or one that cannot be (above 10,000)."""
        return self._found("/fee-estimates", _JSON_LIMIT, lambda body: read_estimate(body, target_blocks))

    def least_rate_sat_per_vb(self) -> float | None:
        """Return None: the API does not say what the node behind it asks for."""
        return None

    def close(self) -> None:
        """Close the connections to the server; may be repeated."""
        self._http.close()

    # Steps

    def _recognise(self) -> None:
        found = self.block_hash(0)
        if found is None:
            raise SourceError(
                f"the address is wrong: expected an Esplora API at {self._http.url}, got HTTP 404 for its genesis "
                "block (/block-height/0); most servers have the API under a path like /api or /testnet4/api"
            )
        if found != self.network.genesis_hash:
            raise WrongNetworkError(
                f"{self._http.url}: expected the genesis block {hash_hex(self.network.genesis_hash)} of "
                f"{self.network.name}, found {hash_hex(found)}; correct the network or the server's address"
            )

    def _accept_known(self, txid: bytes, refusal: bytes) -> None:
        """Let a refusal pass if the server has the transaction; raise RejectedError otherwise.

        A confirmed transaction whose outputs are all spent is refused with -25, as if its inputs were missing.
        """
        code = refusal_code(refusal)
        if code is None:
            self._nonsense("/tx", "the error code of a node", refusal)
        if code != _ALREADY_IN_CHAIN and isinstance(self.observe(txid), Missing):
            reason = refusal_of(refusal.decode("utf-8", "replace")) if code == _REJECTED else None
            raise RejectedError(code, f"{self._http.url}/tx: {refusal!r:.200}", reason)

    def _place(self, txid: bytes) -> BlockId | None:
        """Return the block that the server says the transaction is in, None if in none."""
        return self._found(f"/tx/{hash_hex(txid)}/status", _JSON_LIMIT, read_status)

    def _in_mempool(self, txid: bytes) -> bool:
        raw = self._transaction(txid)
        if raw is None:
            return False
        first = _spent_by(raw)[0]
        spend = self._found(f"/tx/{hash_hex(first.txid)}/outspend/{first.vout}", _JSON_LIMIT, read_spend)
        return spend is not None and spend.txid == txid and not spend.confirmed

    def _exists(self, outpoint: OutPoint) -> bool:
        """Say whether there is such an output, in the best chain or the mempool: servers call any other unspent."""
        raw = self._transaction(outpoint.txid)
        if raw is None or outpoint.vout >= len(Transaction.decode(raw, len(raw)).outputs):
            return False
        return self._place(outpoint.txid) is not None or self._in_mempool(outpoint.txid)

    def _proof(self, txid: bytes, place: BlockId) -> BitcoinAnchor:
        block_path = f"/block/{hash_hex(place.hash)}"
        coinbase_txid = _there(self._found(f"{block_path}/txid/0", _TEXT_LIMIT, read_hash), "the coinbase's txid")
        branch, coinbase_branch = self._branch(txid), self._branch(coinbase_txid)
        if coinbase_branch.index != 0 or branch.height != place.height:
            raise MalformedError(
                f"expected height {place.height} and the coinbase at 0, found {branch.height} and "
                f"{coinbase_branch.index}"
            )
        return BitcoinAnchor(
            transaction=_there(self._transaction(txid), "the transaction"),
            index=branch.index,
            path=branch.path,
            coinbase=_there(self._transaction(coinbase_txid), "the coinbase"),
            coinbase_path=coinbase_branch.path,
            header=_there(self.header(place.hash), "the header"),
            height=place.height,
        )

    def _branch(self, txid: bytes) -> Branch:
        path = f"/tx/{hash_hex(txid)}/merkle-proof"
        return _there(self._found(path, _JSON_LIMIT, read_branch), f"the branch of {hash_hex(txid)}")

    def _coin(self, path: str, listed: ListedCoin, script: bytes) -> Coin:
        raw = self._transaction(listed.outpoint.txid)
        if raw is None:
            raise SourceUnavailableError(
                f"{self._http.url}{path}: expected the transaction of {listed.outpoint}, found none; try later"
            )
        made = Transaction.decode(raw, len(raw))
        outputs = made.outputs[listed.outpoint.vout : listed.outpoint.vout + 1]
        if [(output.value_sat, output.script) for output in outputs] != [(listed.value_sat, script)]:
            self._nonsense(path, f"{listed.value_sat} sat in {listed.outpoint} for {script.hex()}", outputs)
        is_coinbase = made.inputs[0].previous == OutPoint(bytes(32), 0xFFFFFFFF)
        return Coin(listed.outpoint, listed.value_sat, listed.height, is_coinbase, raw)

    def _transaction(self, txid: bytes) -> bytes | None:
        """Return a transaction without its witness, None where the server has none; refuse another one's bytes."""
        known = self._transactions.get(txid)
        if known is not None:
            return known
        path = f"/tx/{hash_hex(txid)}/hex"
        raw = self._found(path, _TRANSACTION_LIMIT, read_transaction)
        if raw is None:
            return None
        if sha256d(raw) != txid:
            self._nonsense(path, f"transaction {hash_hex(txid)}", f"one of {hash_hex(sha256d(raw))}")
        if len(self._transactions) >= _KEPT_TRANSACTIONS:
            self._transactions.pop(next(iter(self._transactions)), None)  # the one that was learned first
        self._transactions[txid] = raw
        return raw

    # Answers

    def _required(self, path: str, limit: int, read: Callable[[bytes], _Read]) -> _Read:
        found = self._found(path, limit, read)
        if found is None:
            self._nonsense(path, "an answer", "HTTP 404")
        return found

    def _found(self, path: str, limit: int, read: Callable[[bytes], _Read]) -> _Read | None:
        """Return the answer, read; None where the server has no such thing."""
        answer = self._http.get(path, limit)
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            self._nonsense(path, "an answer", answer.body)
        return self._read(path, answer.body, read)

    def _read(self, path: str, body: bytes, read: Callable[[bytes], _Read]) -> _Read:
        try:
            return read(body)
        except MalformedError as error:
            raise SourceError(f"{self._http.url}{path}: {error}; is this the address of an Esplora API?") from error

    def _nonsense(self, path: str, expected: str, found: object, cause: Exception | None = None) -> NoReturn:
        shown = found if isinstance(found, str) else f"{found!r:.120}"
        raise SourceError(
            f"{self._http.url}{path}: expected {expected}, found {shown}; "
            "do not trust this source before that is explained"
        ) from cause


def _spent_by(raw: bytes) -> list[OutPoint]:
    return [spent.previous for spent in Transaction.decode(raw, len(raw)).inputs]


def _there(found: _Read | None, what: str) -> _Read:
    if found is None:
        raise MalformedError(f"expected {what}, found that the server has none")
    return found

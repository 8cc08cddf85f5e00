"""An Esplora server for tests: every honest answer comes from a real bitcoind over RPC, and faults are put in between.

The node needs -txindex and -txospenderindex. A third party's client (bdkpython's) checks the honest answers in
``tests/contract/test_esplora_source.py``; sources under test are given ``url``, and ``faults`` says what goes wrong.
"""

import hashlib
import json
import os
import re
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

from tests.node import Node, RpcFailure
from tests.simulators.listening import Quiet

_SAT = 100_000_000
_HASH = "([0-9a-f]{64})"


@dataclass
class Fault:
    """What goes wrong with requests whose path matches ``where`` (a regular expression), the next ``times`` times.

    ``status``, ``headers`` and ``body`` replace the honest answer's, ``edit`` makes another body of it; ``kept`` sends
    only that many bytes of the body that was announced; ``slow_s`` waits before every byte; ``reset`` breaks the
    connection without an answer. With ``instead`` the node is not asked; without it, what the request does is done
    ("failed but took effect").
    """

    where: str
    status: int | None = None
    body: bytes | None = None
    edit: Callable[[bytes], bytes] = bytes
    headers: dict[str, str] = field(default_factory=dict)
    kept: int | None = None
    slow_s: float = 0.0
    reset: bool = False
    instead: bool = False
    times: int | None = None


class NotThereError(Exception):
    """The server has no such thing: 404."""


class EsploraServer:
    """The server: ``url`` of its API, ``faults``, and ``requests``, the paths that were asked for, in order.

    ``hidden_blocks`` makes it a lagging mirror: it answers as if that many of the newest blocks did not exist, and
    what they confirm were still unconfirmed.
    """

    def __init__(self, node: Node | None) -> None:
        self._node = node
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.hidden_blocks = 0
        self.url = ""
        self.stopped = Event()
        self._lock = Lock()
        self._routes: list[tuple[re.Pattern[str], Callable[..., bytes]]] = [
            (re.compile(pattern), answer)
            for pattern, answer in (
                ("/blocks/tip/height", self._tip_height),
                ("/blocks/tip/hash", self._tip_hash),
                ("/block-height/([0-9]+)", self._block_at),
                ("/blocks/([0-9]+)", self._blocks),
                (f"/block/{_HASH}", self._block),
                (f"/block/{_HASH}/header", self._header),
                (f"/block/{_HASH}/raw", self._raw_block),
                (f"/block/{_HASH}/txid/([0-9]+)", self._txid_at),
                (f"/tx/{_HASH}", self._tx),
                (f"/tx/{_HASH}/status", self._tx_status),
                (f"/tx/{_HASH}/hex", self._tx_hex),
                (f"/tx/{_HASH}/raw", self._tx_raw),
                (f"/tx/{_HASH}/merkle-proof", self._merkle_proof),
                (f"/tx/{_HASH}/outspend/([0-9]+)", self._outspend),
                (f"/scripthash/{_HASH}/utxo", self._utxo),
                ("/fee-estimates", self._fee_estimates),
            )
        ]
        self._scripts: dict[str, str] = {}
        self._read_blocks: set[str] = set()

    @property
    def node(self) -> Node:
        """The node; a server without one has faults only, each with ``instead``."""
        assert self._node is not None, "without a node every request must meet a fault"
        return self._node

    def swap(self, node: Node) -> None:
        """Show another node's chain from now on."""
        self._node = node

    # Requests

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Return status and body as an honest server would."""
        if method == "POST":
            return self._broadcast(body)
        for pattern, answer in self._routes:
            match = pattern.fullmatch(path)
            if match is not None:
                try:
                    return 200, answer(*match.groups())
                except NotThereError as error:
                    return 404, str(error).encode()
        return 404, b"endpoint does not exist"

    def fault_for(self, path: str) -> Fault | None:
        """Return the fault that this request meets, and count it."""
        with self._lock:
            self.requests.append(path)
            for fault in self.faults:
                if fault.times != 0 and re.fullmatch(fault.where, path):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    # Blocks

    def _height(self) -> int:
        return int(self.node.call("getblockcount")) - self.hidden_blocks

    def _tip_height(self) -> bytes:
        return str(self._height()).encode()

    def _tip_hash(self) -> bytes:
        return self._block_at(str(self._height()))

    def _block_at(self, height: str) -> bytes:
        if int(height) > self._height():
            raise NotThereError("Block not found")
        return str(self.node.call("getblockhash", int(height))).encode()

    def _header_fields(self, block_hash: str) -> dict[str, Any]:
        fields: dict[str, Any] = self._or_missing("Block not found", "getblockheader", block_hash)
        if fields["height"] > self._height():
            raise NotThereError("Block not found")
        return fields

    def _block(self, block_hash: str) -> bytes:
        return _json(self._block_fields(block_hash))

    def _blocks(self, height: str) -> bytes:
        """Ten blocks, the newest at this height."""
        hashes = [self._block_at(str(at)).decode() for at in range(int(height), max(int(height) - 10, -1), -1)]
        return _json([self._block_fields(block_hash) for block_hash in hashes])

    def _block_fields(self, block_hash: str) -> dict[str, Any]:
        fields = self._header_fields(block_hash)
        block = self.node.call("getblock", block_hash, 1)
        return {
            "id": fields["hash"],
            "height": fields["height"],
            "version": fields["version"],
            "timestamp": fields["time"],
            "tx_count": fields["nTx"],
            "size": block["size"],
            "weight": block["weight"],
            "merkle_root": fields["merkleroot"],
            "previousblockhash": fields.get("previousblockhash"),
            "mediantime": fields["mediantime"],
            "nonce": fields["nonce"],
            "bits": int(fields["bits"], 16),
            "difficulty": fields["difficulty"],
        }

    def _header(self, block_hash: str) -> bytes:
        self._header_fields(block_hash)
        return str(self.node.call("getblockheader", block_hash, False)).encode()

    def _raw_block(self, block_hash: str) -> bytes:
        self._header_fields(block_hash)
        return bytes.fromhex(self.node.call("getblock", block_hash, 0))

    def _txid_at(self, block_hash: str, index: str) -> bytes:
        self._header_fields(block_hash)
        txids = self.node.call("getblock", block_hash, 1)["tx"]
        if int(index) >= len(txids):
            raise NotThereError("tx index out of range")
        return str(txids[int(index)]).encode()

    # Transactions

    def _transaction(self, txid: str) -> dict[str, Any]:
        found: dict[str, Any] = self._or_missing("Transaction not found", "getrawtransaction", txid, 1)
        return found

    def _place(self, txid: str) -> dict[str, Any]:
        """Return a status object: the index also answers for blocks that were reorganised away, so ask the header."""
        try:
            block_hash = self._transaction(txid).get("blockhash")
        except NotThereError:
            block_hash = None
        if block_hash is None:
            return {"confirmed": False}
        header = self.node.call("getblockheader", block_hash)
        if header["confirmations"] < 1 or header["height"] > self._height():
            return {"confirmed": False}
        return {
            "confirmed": True,
            "block_height": header["height"],
            "block_hash": block_hash,
            "block_time": header["time"],
        }

    def _tx_status(self, txid: str) -> bytes:
        return _json(self._place(txid))

    def _tx_hex(self, txid: str) -> bytes:
        return str(self._transaction(txid)["hex"]).encode()

    def _tx_raw(self, txid: str) -> bytes:
        return bytes.fromhex(self._transaction(txid)["hex"])

    def _tx(self, txid: str) -> bytes:
        found = self._transaction(txid)
        spent = [self._previous(each) for each in found["vin"]]
        value_in = sum(each["value"] for each in spent if each)
        value_out = sum(_satoshi(each["value"]) for each in found["vout"])
        return _json(
            {
                "txid": txid,
                "version": found["version"],
                "locktime": found["locktime"],
                "vin": [
                    {
                        "txid": each.get("txid", "00" * 32),
                        "vout": each.get("vout", 0xFFFFFFFF),
                        "prevout": previous,
                        "scriptsig": each["coinbase"] if "coinbase" in each else each["scriptSig"]["hex"],
                        "witness": each.get("txinwitness", []),
                        "sequence": each["sequence"],
                        "is_coinbase": "coinbase" in each,
                    }
                    for each, previous in zip(found["vin"], spent, strict=True)
                ],
                "vout": [
                    {"value": _satoshi(each["value"]), "scriptpubkey": each["scriptPubKey"]["hex"]}
                    for each in found["vout"]
                ],
                "size": found["size"],
                "weight": found["weight"],
                "fee": value_in - value_out if value_in else 0,
                "status": self._place(txid),
            }
        )

    def _previous(self, spent: dict[str, Any]) -> dict[str, Any] | None:
        if "coinbase" in spent:
            return None
        output = self._transaction(spent["txid"])["vout"][spent["vout"]]
        return {"value": _satoshi(output["value"]), "scriptpubkey": output["scriptPubKey"]["hex"]}

    def _merkle_proof(self, txid: str) -> bytes:
        place = self._place(txid)
        if not place["confirmed"]:
            raise NotThereError("Transaction not found or is unconfirmed")
        txids = self.node.call("getblock", place["block_hash"], 1)["tx"]
        index = txids.index(txid)
        return _json({"block_height": place["block_height"], "merkle": _branch(txids, index), "pos": index})

    def _outspend(self, txid: str, vout: str) -> bytes:
        (found,) = self.node.call("gettxspendingprevout", [{"txid": txid, "vout": int(vout)}])
        if "spendingtxid" not in found:
            return _json({"spent": False})
        spending = found["spendingtxid"]
        inputs = self._transaction(spending)["vin"]
        vin = [(each.get("txid"), each.get("vout")) for each in inputs].index((txid, int(vout)))
        return _json({"spent": True, "txid": spending, "vin": vin, "status": self._place(spending)})

    def _broadcast(self, body: bytes) -> tuple[int, bytes]:
        try:
            return 200, str(self.node.call("sendrawtransaction", body.decode())).encode()
        except RpcFailure as error:
            refusal = {"code": error.code, "message": str(error).rpartition(" (")[0]}
            return 400, b"sendrawtransaction RPC error: " + _json(refusal)

    # Coins

    def _utxo(self, script_hash: str) -> bytes:
        with self._lock:
            self._index_scripts()
        script = self._scripts.get(script_hash)
        if script is None:
            return b"[]"
        return _json([*self._confirmed_coins(script), *self._mempool_coins(script)])

    def _index_scripts(self) -> None:
        """Learn the scripts of new blocks and the mempool: a node cannot be asked for a script by its hash."""
        block_hash = self.node.call("getbestblockhash")
        while block_hash is not None and block_hash not in self._read_blocks:
            block = self.node.call("getblock", block_hash, 2)
            self._learn(block["tx"])
            self._read_blocks.add(block_hash)
            block_hash = block.get("previousblockhash")
        self._learn([self._transaction(txid) for txid in self.node.call("getrawmempool")])

    def _learn(self, transactions: list[dict[str, Any]]) -> None:
        for script in {output["scriptPubKey"]["hex"] for each in transactions for output in each["vout"]}:
            self._scripts[hashlib.sha256(bytes.fromhex(script)).hexdigest()] = script

    def _confirmed_coins(self, script: str) -> Iterator[dict[str, Any]]:
        for coin in self.node.call("scantxoutset", "start", [f"raw({script})"])["unspents"]:
            if self.node.call("gettxout", coin["txid"], coin["vout"], True) is not None:  # not spent in the mempool
                yield self._listed(coin["txid"], coin["vout"], _satoshi(coin["amount"]))

    def _mempool_coins(self, script: str) -> Iterator[dict[str, Any]]:
        for txid in self.node.call("getrawmempool"):
            for output in self._transaction(txid)["vout"]:
                if output["scriptPubKey"]["hex"] != script:
                    continue
                if self.node.call("gettxout", txid, output["n"], True) is not None:
                    yield self._listed(txid, output["n"], _satoshi(output["value"]))

    def _listed(self, txid: str, vout: int, value_sat: int) -> dict[str, Any]:
        return {"txid": txid, "vout": vout, "value": value_sat, "status": self._place(txid)}

    def _fee_estimates(self) -> bytes:
        answers = {target: self.node.call("estimatesmartfee", target) for target in (1, 6, 144)}
        rates = {str(t): answer.get("feerate") for t, answer in answers.items()}
        return _json({t: rate * _SAT / 1000 for t, rate in rates.items() if rate is not None})

    def _or_missing(self, said: str, method: str, *parameters: object) -> Any:
        try:
            return self.node.call(method, *parameters)
        except RpcFailure as error:
            raise NotThereError(said) from error


@contextmanager
def running_esplora(node: Node | None) -> Iterator[EsploraServer]:
    """Serve a node's chain on a free port of this machine; stop at the end."""
    server = EsploraServer(node)
    with _Listener(server) as running:
        server.url = f"http://127.0.0.1:{running.server_port}"
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            running.shutdown()
            thread.join()


class _Listener(ThreadingHTTPServer):
    """A thread for each request, so that a slow answer holds up nobody else."""

    def __init__(self, esplora: EsploraServer) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.esplora = esplora

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that broke off; everything else is an error of the simulator's."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Request(Quiet):
    server: _Listener
    # As public servers do: a connection stays open for further requests.
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond(b"")

    def do_POST(self) -> None:
        self._respond(self.rfile.read(int(self.headers["Content-Length"])))

    def _respond(self, body: bytes) -> None:
        esplora = self.server.esplora
        fault = esplora.fault_for(self.path) or Fault("")
        status, honest = (200, b"") if fault.instead else esplora.answer(self.command, self.path, body)
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())  # with a reset, not the usual farewell
            self.close_connection = True
            return
        answer = fault.edit(honest) if fault.body is None else fault.body
        self.send_response(status if fault.status is None else fault.status)
        for name, value in {"Content-Length": str(len(answer)), **fault.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if fault.kept is not None:
            self.close_connection = True
        self._write(answer[: fault.kept], fault.slow_s)

    def _write(self, body: bytes, slow_s: float) -> None:
        parts = [body[at : at + 1] for at in range(len(body))] if slow_s else [body]
        for part in parts:
            if slow_s and self.server.esplora.stopped.wait(slow_s):
                self.close_connection = True
                return
            try:
                self.wfile.write(part)
            except OSError:  # the client has had enough
                self.close_connection = True
                return


def _branch(txids: list[str], index: int) -> list[str]:
    """Return the siblings of a leaf in display order, by Bitcoin's rule that an odd node is its own sibling."""
    level, path = [bytes.fromhex(txid)[::-1] for txid in txids], []
    while len(level) > 1:
        level += level[-1:] * (len(level) % 2)
        path.append(level[index ^ 1][::-1].hex())
        pairs = [level[at] + level[at + 1] for at in range(0, len(level), 2)]
        level = [hashlib.sha256(hashlib.sha256(pair).digest()).digest() for pair in pairs]
        index //= 2
    return path


def _satoshi(amount_btc: Decimal) -> int:
    return int(amount_btc * _SAT)


def _json(value: object) -> bytes:
    return json.dumps(value, default=float).encode()

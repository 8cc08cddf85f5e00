"""A story of the matrix: one log with its own wallet on a real node, a daemon that may be killed, and the final check.

``Ground`` is a node with coins for many logs; ``Story`` moves one log and the blocks around it; ``check_end`` says what
must hold at the end of every story, and asks the node, not the code under test. ``test_matrix`` tells the stories.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from anchor.bitcoin.core_rpc import CoreSource
from anchor.bitcoin.json_rpc import Cookie
from anchor.bitcoin.known import SourceBlocks
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.wallet import Wallet
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.journal import Attempt
from anchor.lifecycle import MINED
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.codec import sha256
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.verify import Outcome, Verdict, Verifier, verify
from anchor.signing import check_signature
from chains.audit import Audit
from chains.home import DATABASE, Home
from chains.home_making import create_home
from chains.reader import Reader
from chains.receipts import Receipts
from chains.settings import Settings
from tests.cli.commands import Done as Said
from tests.cli.commands import run
from tests.databases import address_of, on_postgres
from tests.forked import PROCESSES
from tests.integration.matrix_daemon import CHAIN, Done, Order, serve
from tests.node import Node, RpcFailure, running_node
from tests.simulators.service import foreign_anchor

REGTEST = NETWORKS["regtest"]
FINAL, WATCH = REGTEST.final_depth, REGTEST.watch_depth
MATURE = 101
SAT = Decimal(10) ** -8
COIN_SAT = 1_000_000
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
STEP_S = 60
# A data output of this size makes a transaction of about 95,000 vB; 60 of them overflow a mempool of 5 MB.
FILLER_BYTES, FILLERS = 95_000, 60
REFUSED = -26
THEFT_FEE_SAT = 20_000
ELSEWHERE = b"\x00\x14" + b"\x51" * 20
"""The script of an address that is not ours (P2WPKH)."""
# Wallets that are paid at once: each payment must grow as deep as the watch depth.
BATCH = 16
# Ticks and blocks until everything is anchored; a story that needs more than this does not converge.
PATIENCE = 12

_BLOCKS = count(1)


def miner() -> str:
    """Return a descriptor of nobody's, another one each time: no block is ever mined twice."""
    return f"raw(04{next(_BLOCKS):08x}7551)"


class Ground:
    """A node whose first coinbases pay for wallets with one deep coin each; ``cookie`` is where homes look for it."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self.folder = folder
        self.cookie = folder / "cookie"
        self._made = count(1)
        self._ready: list[Wallet] = []
        self._spent = 0
        node.call("generatetodescriptor", MATURE + 49, "raw(51)")
        self.greet(node)

    def greet(self, node: Node) -> None:
        """Let homes reach this node: each start makes a new cookie."""
        shutil.copy(node.cookie, self.cookie)

    def story(self, kills: "Kills | None" = None, now_ms: int | None = None) -> "Story":
        """Begin a story: a new home, whose wallet has one coin that is deep enough; at the newest block's time."""
        if not self._ready:
            self._ready = self._paid(BATCH)
        number = next(self._made)
        return Story(self, self._ready.pop(), self.folder / f"story-{number}", kills or Kills(), now_ms)

    def unpaid(self, kills: "Kills | None" = None) -> "Story":
        """Begin a story whose wallet has nothing."""
        number = next(self._made)
        return Story(self, self._wallet(number), self.folder / f"story-{number}", kills or Kills())

    def pay(self, payments_sat: dict[str, int]) -> None:
        """Pay to addresses in the next block, out of a coinbase that anybody can spend; the rest is the miner's."""
        coinbase, _ = self._coinbase()
        payments = [{address: str(value * SAT)} for address, value in payments_sat.items()]
        raw = self.node.call("createrawtransaction", [{"txid": coinbase, "vout": 0}], payments)
        self.node.call("generateblock", miner(), [raw])

    def pay_anybody(self) -> None:
        """Send a small transaction of other people's to the mempool, which makes the node look at what is old in it."""
        self._stranger(b"", 10_000)

    def stock_fillers(self) -> None:
        """Mine until there are as many coins of nobody as ``fill_mempool`` spends: a story told often uses them up."""
        missing = self._spent + FILLERS + MATURE - int(self.node.call("getblockcount"))
        if missing > 0:
            self.node.call("generatetodescriptor", missing, miner())

    def fill_mempool(self, rate_sat_per_vb: int) -> float:
        """Fill the mempool at this rate until it evicts; return what it asks for afterwards, in sat/vB."""
        for number in range(FILLERS):
            try:
                self._stranger(bytes(FILLER_BYTES), (FILLER_BYTES + 200) * (rate_sat_per_vb + number % 3))
            except RpcFailure as error:
                if error.code != REFUSED:
                    raise
                break  # full, and this one does not pay enough to evict another
        return float(self.node.call("getmempoolinfo")["mempoolminfee"] / SAT / 1000)

    def strangers(self, number: int) -> list[str]:
        """Return payments of other people's, raw, that no mempool has."""
        return [self._strangers_transaction(b"", 10_000) for _ in range(number)]

    def restart(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Stop the node, let something happen, and start it again: its mempool is empty then."""
        self.node.stop()
        try:
            meanwhile()
        finally:
            self.node.start()
            self.greet(self.node)

    def forget_estimates(self) -> None:
        """Start the node anew without what it has learned of fees: after many stories it begins to give estimates."""
        self.restart((self.node.cookie.parent / "fee_estimates.dat").unlink)
        assert "feerate" not in self.node.call("estimatesmartfee", FEE_TARGET_BLOCKS)

    @contextmanager
    def another_node(self, chain: str) -> Iterator[Node]:
        """Run a node of another network behind the same port, while this one is stopped."""
        port = int(self.node.url.rpartition(":")[2])
        with running_node(self.folder / f"node-{next(self._made)}", chain=chain, port=port) as other:
            self.greet(other)
            yield other

    def _stranger(self, data: bytes, fee_sat: int) -> None:
        """Send a transaction of somebody else, which spends a coinbase and carries so much data."""
        self.node.call("sendrawtransaction", self._strangers_transaction(data, fee_sat), 0)

    def _strangers_transaction(self, data: bytes, fee_sat: int) -> str:
        coinbase, value_sat = self._coinbase()
        script = b"\x6a" + (b"" if not data else b"\x4e" + len(data).to_bytes(4, "little") + data)
        spend = TxInput(OutPoint(bytes.fromhex(coinbase)[::-1], 0), b"", 0xFFFFFFFD)
        outputs = (TxOutput(value_sat - fee_sat, b"\x51"), TxOutput(0, script))
        return Transaction(2, (spend,), outputs, 0).encode().hex()

    def _coinbase(self) -> tuple[str, int]:
        """Return the txid and the value of the next coinbase that nobody has spent."""
        while True:
            self._spent += 1
            block = self.node.call("getblock", self.node.call("getblockhash", self._spent), 2)
            coinbase = block["tx"][0]
            if self.node.call("gettxout", coinbase["txid"], 0, True) is not None:
                return str(coinbase["txid"]), int(coinbase["vout"][0]["value"] / SAT)

    def _paid(self, number: int) -> list[Wallet]:
        wallets = [self._wallet(next(self._made)) for _ in range(number)]
        self.pay({wallet.address: COIN_SAT for wallet in wallets})
        self.node.call("generatetodescriptor", WATCH - 1, miner())
        return wallets

    @staticmethod
    def _wallet(number: int) -> Wallet:
        return Wallet.generate(REGTEST, sha256(b"matrix %d" % number)[:16])


@dataclass
class Kills:
    """Where the daemon dies: at the same point of each step, or nowhere; and what happens before it is back.

    ``point`` is a number or parts of names (see ``Order``). ``died`` counts the deaths, and ``longest`` is the most
    effects that one step has had.
    """

    point: int | tuple[str, ...] = ()
    meanwhile: Callable[["Story", str], object] = lambda _story, _step: None
    died: int = 0
    longest: int = 0


class Daemon:
    """One process of the log."""

    def __init__(self, home: Path, state: Path) -> None:
        self._pipe, theirs = PROCESSES.Pipe()
        self._process = PROCESSES.Process(target=serve, args=(theirs, home, str(state)), daemon=True)
        self._process.start()
        theirs.close()

    def take(self, order: Order) -> Done | None:
        """Have a step taken; None where the process was killed in it, or has stopped as it was told."""
        self._pipe.send(order)
        return self._end_of(order)

    def pause(self, order: Order) -> None:
        """Have a step begun that pauses at ``order.pause``; return when it has."""
        self._pipe.send(order)
        stat = Path(f"/proc/{self._process.pid}/stat")
        deadline_s = time.monotonic() + STEP_S
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline_s, f"{order.step} did not come to point {order.pause}"
            time.sleep(0.02)

    def resume(self, order: Order) -> Done:
        """Let the paused step go on; return what it did."""
        assert self._process.pid is not None
        os.kill(self._process.pid, signal.SIGCONT)
        done = self._end_of(order)
        assert done is not None
        return done

    def _end_of(self, order: Order) -> Done | None:
        assert self._pipe.poll(STEP_S), f"{order.step} did not end within {STEP_S} s"
        try:
            done = self._pipe.recv()
        except EOFError:
            self._process.join(STEP_S)
            expected = (0, -signal.SIGKILL) if order.step == "stop" else (-signal.SIGKILL,)
            assert self._process.exitcode in expected, f"{order.step} ended with {self._process.exitcode}"
            self._pipe.close()
            return None
        assert isinstance(done, Done)
        return done


class Story:
    """One log, moved step by step. Steps may be taken again at any time; a killed one is, by a new process."""

    def __init__(self, ground: Ground, wallet: Wallet, folder: Path, kills: Kills, now_ms: int | None = None) -> None:
        self.ground = ground
        self.node = ground.node
        self.wallet = wallet
        self.folder = folder
        self.home = folder / "home"
        self.kills = kills
        self.contents: list[bytes] = []
        self.start_height = self.height
        newest = self.node.call("getblockheader", self.node.call("getbestblockhash"))
        self.now_ms = 1000 * int(newest["time"]) if now_ms is None else now_ms
        settings = Settings(
            "regtest", "core", core_url=self.node.url, core_cookie_file=str(ground.cookie), core_timeout_s=STEP_S
        )
        folder.mkdir(parents=True)
        if on_postgres():
            settings = replace(settings, database=address_of(self.home / DATABASE))
        create_home(self.home, settings, "test.anchorline.example", lambda: self.now_ms, wallet=wallet).close()
        self._daemon: Daemon | None = None
        self.write(1)

    # --- the log

    def take(self, step: str, *, at_once: bool = False) -> Done:
        """Have a step taken by the daemon, as often as it dies in it."""
        order = Order(step, self.now_ms, at_once, tuple(self.contents), self.kills.point)
        done = self._running().take(order)
        if done is None and step != "stop":
            self._daemon = None
            self.kills.died += 1
            self.kills.meanwhile(self, step)
            order = Order(step, self.now_ms, at_once, tuple(self.contents))
            done = self._running().take(order)
            assert done is not None
        self.kills.longest = max(self.kills.longest, done.effects if done else 0)
        return done or Done()

    def write(self, number: int = 1) -> Done:
        """Record so many further contents."""
        self.contents += [b"content %d" % len(self.contents) for _ in range(number)]
        return self.take("write")

    def seal(self) -> Done:
        """Seal."""
        return self.take("seal")

    def tick(self, *, at_once: bool = False) -> Done:
        """Tick."""
        return self.take("tick", at_once=at_once)

    def restart(self) -> None:
        """Stop the daemon as an operator does; the next step starts a new one."""
        if self._daemon is not None:
            self.take("stop")
            self._daemon = None

    def send(self) -> Attempt:
        """Record, seal and send the next anchor, or its next version; return it."""
        self.send_done()
        return self.attempts()[-1]

    def send_done(self) -> Done:
        """The same; return what the tick did."""
        self.write()
        self.seal()
        return self.tick(at_once=True)

    def anchor(self, blocks: int = 1) -> Attempt:
        """Record, seal, send, mine, look; return the anchor, which is in a block."""
        txid = self.send().txid
        self.blocks(blocks)
        self.tick()
        attempt = self.attempt(txid)
        assert attempt.state in MINED
        return attempt

    def until(self, holds: Callable[[], bool], most: int = PATIENCE) -> None:
        """Tick until something holds."""
        for _ in range(most):
            if holds():
                return
            self.tick()
        assert holds(), f"after {most} ticks: {self.attempts()}"

    def attempts(self) -> list[Attempt]:
        """Return every attempt, oldest first."""
        with Home.open(self.home) as home:
            return home.journal.all()

    def attempt(self, txid: bytes) -> Attempt:
        return next(each for each in self.attempts() if each.txid == txid)

    def states(self) -> list[str]:
        """Return the state of every attempt, oldest first."""
        return [str(attempt.state) for attempt in self.attempts()]

    def signed(self) -> tuple[int, int, int]:
        """Return how many attempts, checkpoints and promises were ever signed."""
        with Home.open(self.home) as home:
            (row,) = home.engine.query(
                "SELECT (SELECT COUNT(*) FROM attempt), (SELECT COUNT(*) FROM checkpoint WHERE note IS NOT NULL), "
                "(SELECT COUNT(*) FROM group_commit)"
            )
        return int(row[0]), int(row[1]), int(row[2])

    def _running(self) -> Daemon:
        if self._daemon is None:
            self._daemon = Daemon(self.home, self.folder / "state")
        return self._daemon

    def paused(self, step: str, point: int) -> tuple[Daemon, Order]:
        """Have a step begun by the daemon, which pauses at a point; the next step is another process's."""
        order = Order(step, self.now_ms, at_once=True, contents=tuple(self.contents), pause=point)
        daemon = self._running()
        daemon.pause(order)
        self._daemon = None
        return daemon, order

    # --- the blocks

    @property
    def height(self) -> int:
        return int(self.node.call("getblockcount"))

    @property
    def mempool(self) -> list[str]:
        """The txids that wait, of this log."""
        waiting: list[str] = self.node.call("getrawmempool")
        return waiting

    def blocks(self, number: int = 1) -> None:
        """Mine blocks that take whatever waits."""
        self.node.call("generatetodescriptor", number, miner())

    def blocks_with(self, number: int, *transactions: str) -> None:
        """Mine blocks of which the first takes these (txids or raw), and nothing else of the mempool."""
        for _ in range(number):
            self.node.call("generateblock", miner(), list(transactions))
            transactions = ()

    def useful_blocks(self, number: int) -> None:
        """Mine blocks that take one payment of other people's each, and nothing else of the mempool."""
        for raw in self.ground.strangers(number):
            self.blocks_with(1, raw)

    def reorg(self, depth: int, *transactions: str) -> str:
        """Let a longer branch replace the newest blocks, its first one with these; return the first block that left."""
        left: str = self.node.call("getblockhash", self.height - depth + 1)
        self.node.call("invalidateblock", left)
        self.blocks_with(depth + 1, *transactions)
        return left

    def go_back_to(self, left: str) -> None:
        """Let the branch that begins with this block be the best chain again."""
        height = int(self.node.call("getblockheader", left)["height"])
        self.node.call("invalidateblock", self.node.call("getblockhash", height))
        self.node.call("reconsiderblock", left)
        assert left == self.node.call("getblockhash", height)

    def spend_with_same_key(self, anchor: Attempt, *, as_anchor: bool) -> bytes:
        """Return a signed transaction that spends an anchor's thread coin and that no journal knows."""
        made = anchor.transaction()
        value_sat = made.outputs[0].value_sat
        coin = Coin(anchor.coin, value_sat, None, coinbase=False, transaction=made.encode())
        if as_anchor:
            return foreign_anchor(self.wallet, coin)
        spend = TxInput(anchor.coin, b"", 0xFFFFFFFD)
        return self.wallet.sign(Transaction(2, (spend,), (TxOutput(value_sat - THEFT_FEE_SAT, ELSEWHERE),), 0), [coin])

    def pass_ms(self, span_ms: int) -> None:
        """Let time pass for the daemon."""
        self.now_ms += span_ms

    # --- the papers

    def content(self, index: int) -> bytes:
        """Return what an entry is about; the first one opened the chain with nothing."""
        return self.contents[index - 1] if index else b""

    def receipt(self, index: int) -> Path:
        """Write the receipt of an entry, and beside it the file that it is about; return the receipt's path."""
        (self.folder / f"file-{index}").write_bytes(self.content(index))
        path = self.folder / f"file-{index}.receipt"
        self.command("receipt", f"{CHAIN}:{index}", "--output", path, "--home", self.home)
        return path

    def upgrade(self, receipt: Path, rc: int = 0) -> str:
        """Complete a receipt; return what was said."""
        return self.command("upgrade", receipt, "--home", self.home, rc=rc)

    def verify(self, receipt: Path, rc: int = 0) -> str:
        """Verify as somebody does who trusts this node; return what was said."""
        by_node = ("--node-url", self.node.url, "--node-cookie-file", self.ground.cookie, "--depth", "1")
        return self.command(
            "verify", receipt.with_suffix(""), receipt, "--log", self.home / "log-card.json", *by_node, rc=rc
        )

    def judge(self, receipt: Receipt, index: int) -> Verdict:
        """The same without the command line, for many."""
        card = LogCard.decode((self.home / "log-card.json").read_bytes())
        with closing(CoreSource(self.node.url, REGTEST, Cookie(self.ground.cookie))) as source:
            verifier = Verifier(
                content_digest=sha256(self.content(index)),
                card=card,
                blocks=(SourceBlocks(source, (self.node.url,)),),
                depth=1,
                check_signature=check_signature,
            )
            return verify(receipt, verifier)

    @staticmethod
    def command(*arguments: object, rc: int = 0) -> str:
        said: Said = run(*map(str, arguments))
        assert rc == said.exit_code, f"{arguments}: {said.text}{said.err}"
        return said.text + said.err

    # --- the end

    def finish(self) -> None:
        """Record one more entry, bring everything into a block, and check the end."""
        self.write()
        self.seal()
        for _ in range(PATIENCE):
            self.tick(at_once=True)
            if self._is_all_anchored():
                break
            self.blocks()
        assert self._is_all_anchored(), self.attempts()
        self.restart()
        check_end(self)

    def _is_all_anchored(self) -> bool:
        with Home.open(self.home) as home:
            newest = home.directory.newest()
            assert newest is not None
            return any(each.state in MINED and each.checkpoint_size == newest.size for each in home.journal.all())


def hex_of(attempt: Attempt) -> str:
    """Return an attempt's txid as the node writes it."""
    return hash_hex(attempt.txid)


@dataclass
class Chain:
    """What a story's blocks hold of its wallet: the transactions that spend its coins, with their heights."""

    ours: list[dict[str, Any]] = field(default_factory=list)
    heights: dict[str, int] = field(default_factory=dict)


def read_chain(story: Story) -> Chain:
    """Read every block of the story from the node."""
    chain = Chain()
    script = story.wallet.script.hex()
    for height in range(story.start_height + 1, story.height + 1):
        block = story.node.call("getblock", story.node.call("getblockhash", height), 3)
        for transaction in block["tx"][1:]:
            if any(spent["prevout"]["scriptPubKey"]["hex"] == script for spent in transaction["vin"]):
                chain.ours.append(transaction)
                chain.heights[transaction["txid"]] = height
    return chain


def fee_sat(transaction: dict[str, Any]) -> int:
    """Return inputs minus outputs, as the node decodes them."""
    paid = sum(spent["prevout"]["value"] for spent in transaction["vin"])
    return int((paid - sum(output["value"] for output in transaction["vout"])) / SAT)


def check_end(story: Story) -> None:
    """One thread, every entry in a receipt that verifies, each coin anchored with once, fees as the chain shows."""
    chain = read_chain(story)
    coin = check_thread(story, chain)
    assert story.node.call("gettxout", *coin) is not None, "the thread's last coin is unspent"
    check_entries(story, chain, 1 + len(story.contents))


def check_stolen(story: Story, anchored: int) -> None:
    """The same up to the coin that somebody else spent, for so many entries after the first."""
    story.restart()
    chain = read_chain(story)
    theft = chain.ours.pop()
    del chain.heights[theft["txid"]]
    assert check_thread(story, chain) == coin_of(theft)
    check_entries(story, chain, 1 + anchored)


def coin_of(transaction: dict[str, Any]) -> tuple[str, int]:
    """Return the coin that the first input spends."""
    return transaction["vin"][0]["txid"], transaction["vin"][0]["vout"]


def check_thread(story: Story, chain: Chain) -> tuple[str, int]:
    """Follow the thread from its first coin: whatever spends a coin of this wallet is the next anchor.

    The journal must say the same: which attempts are in which blocks, and what they cost. Returns the last coin.
    """
    with Home.open(story.home) as home:
        attempts = home.journal.all()
        thread = home.directory.thread_leaf()
        roots = {size: bytes(root) for size, root in home.engine.query("SELECT size, root FROM checkpoint")}
    assert thread is not None
    coin = (hash_hex(thread[1].outpoint.txid), thread[1].outpoint.vout)
    sizes = []
    for transaction in chain.ours:
        assert coin == coin_of(transaction)
        coin = (transaction["txid"], 0)
        payload = bytes.fromhex(transaction["vout"][1]["scriptPubKey"]["hex"])
        assert b"\x6a\x28AL1" == payload[:5]
        sizes.append(int.from_bytes(payload[5:10], "big"))
        assert roots[sizes[-1]] == payload[10:]
    assert sorted(set(sizes)) == sizes
    mined = sorted((each for each in attempts if each.state in MINED), key=lambda each: each.checkpoint_size)
    assert list(chain.heights) == [hex_of(attempt) for attempt in mined]
    assert len(mined) == len({attempt.spends for attempt in mined})
    assert list(map(fee_sat, chain.ours)) == [attempt.fee_sat for attempt in mined]
    for attempt in mined:
        block = attempt.standing.block
        assert block is not None
        assert chain.heights[hex_of(attempt)] == block.height
        assert hash_hex(block.hash) == story.node.call("getblockhash", block.height)
    return coin


def check_entries(story: Story, chain: Chain, number: int) -> None:
    """So many entries are in receipts that verify, the node's own proof says the same, and the audit finds nothing.

    All are judged by ``anchor.proof`` with the block from the node, the newest through the command line as well.
    """
    at_height = {height: txid for txid, height in chain.heights.items()}
    for index, raw in enumerate(receipts_of(story)[:number]):
        receipt = Receipt.decode(raw)
        assert Outcome.INTACT == story.judge(receipt, index).outcome
        assert receipt.sealed is not None
        (anchor,) = receipt.sealed.anchors
        assert isinstance(anchor, BitcoinAnchor)
        txid = at_height[anchor.height]
        proof = story.node.call("gettxoutproof", [txid], story.node.call("getblockhash", anchor.height))
        assert [txid] == story.node.call("verifytxoutproof", proof)
        assert proof[:160] == anchor.header.hex()
    assert "INTACT" in story.verify(story.receipt(number - 1))
    with Home.open(story.home) as home:
        reader = Reader(home.engine, home.chains, home.lookup)
        report = Audit(home.engine, home.trees, home.directory, home.chains, reader, home.journal).run()
    assert [] == report.findings


def receipts_of(story: Story) -> list[bytes]:
    """Return the receipts of all entries, as they are handed out."""
    with Home.open(story.home) as home:
        receipts = Receipts(home.engine, home.trees, home.directory, home.chains, home.journal, home.lookup)
        chain = home.chains.named(CHAIN)
        assert 1 + len(story.contents) == home.chains.size(chain)
        entries = Reader(home.engine, home.chains, home.lookup).entries(chain, 0, home.chains.size(chain))
        return [receipts.make(stored).encode() for stored in entries]

"""The wallet against Bitcoin Core, through the command line: sums, top-ups, and anchors that others sign.

Core's own wallet holds the key of a watch-only home and signs its PSBTs; embit is the second signer. The node has the
word on every amount.
"""

from pathlib import Path

import pytest
from embit import bip32, bip39
from embit.networks import NETWORKS as PREFIXES
from embit.psbt import PSBT

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.wallet import Wallet
from tests.integration.conftest import MATURE, NOBODY, Operator
from tests.node import Node

pytestmark = [pytest.mark.node, pytest.mark.slow]

SAT = 100_000_000
WATCH = 100


def fees_on_chain_sat(node: Node) -> list[int]:
    """Return the fee of every transaction of the best chain that carries an anchor, by what it spends and makes."""
    found = []
    for height in range(1, int(node.call("getblockcount")) + 1):
        # Verbosity 3 tells of the outputs that were spent, and so of fees.
        for transaction in node.call("getblock", node.call("getblockhash", height), 3)["tx"][1:]:
            outputs = transaction["vout"]
            if len(outputs) == 2 and outputs[1]["scriptPubKey"]["hex"].startswith("6a28" + b"AL1".hex()):
                spent = sum(item["prevout"]["value"] for item in transaction["vin"])
                found.append(int((spent - sum(item["value"] for item in outputs)) * SAT))
    return found


def at_address_sat(node: Node, address: str) -> int:
    """Return what the node's own count of all unspent outputs says is at an address."""
    return int(node.call("scantxoutset", "start", [f"addr({address})"])["total_amount"] * SAT)


def test_sums_agree_with_the_chain_and_top_ups_join_by_themselves(operator: Operator, node: Node) -> None:
    """Three anchors, a top-up between them: fees, what came in and what is left are what the node says."""
    address = operator.init()
    node.call("generatetoaddress", 1, address)
    node.call("generatetodescriptor", MATURE - 1, NOBODY)
    operator.run("chain", "create", "acme")
    operator.record("one", b"1")
    operator.anchor()
    node.call("generatetoaddress", 1, address)
    before = operator.facts("wallet", "balance")
    assert (0, 5_000_000_000) == (before["top_up_sat"], before["waiting_sat"])
    operator.record("two", b"2")
    operator.anchor()
    node.call("generatetodescriptor", WATCH - 1, NOBODY)
    assert 5_000_000_000 == operator.facts("wallet", "balance")["top_up_sat"]
    operator.record("three", b"3")
    operator.anchor()
    history = operator.facts("wallet", "history")
    fees = fees_on_chain_sat(node)
    assert fees == [item["fee_sat"] for item in history["anchors"]]
    assert (3, sum(fees)) == (history["in_blocks"], history["paid_sat"])
    assert [5_000_000_000, 0, 5_000_000_000] == [item["came_in_sat"] for item in history["anchors"]]
    assert history["came_in_sat"] == history["paid_sat"] + history["thread_coin_sat"]
    balance = operator.facts("wallet", "balance")
    assert at_address_sat(node, address) == balance["confirmed_sat"] == history["thread_coin_sat"]
    assert (0, 0, 0) == (balance["unconfirmed_sat"], balance["top_up_sat"], balance["waiting_sat"])
    assert balance["thread_coin_sat"] == balance["confirmed_sat"]
    assert balance["anchors_left"] == (balance["confirmed_sat"] - 1_000) // balance["next_fee_sat"]
    for item in history["anchors"]:
        seen = node.call("getrawtransaction", item["txid"], 1, node.call("getblockhash", item["height"]))
        assert seen["vsize"] == item["virtual_size"]
    text = operator.run("wallet", "history")
    assert f"3 in blocks: 10000000000 sat came in, {sum(fees)} sat paid" in text
    assert "anchors left at" in operator.run("wallet", "balance")


class Elsewhere:
    """A watch-only home, and the key of its wallet in two other hands: Core's wallet, and embit."""

    def __init__(self, operator: Operator, node: Node) -> None:
        self.operator = operator
        self.node = node
        wallet = Wallet.generate(NETWORKS["regtest"], bytes(range(32)))
        self.master = bip32.HDKey.from_string(_master(wallet))
        node.call("createwallet", "signer", False, True, "", False, True)
        private = f"wpkh({self.master.to_base58()}/84h/1h/0h/0/0)"
        checked = node.call("getdescriptorinfo", private)["checksum"]
        done = node.call("importdescriptors", [{"desc": f"{private}#{checked}", "timestamp": "now"}])
        assert done[0]["success"], done
        self.address = operator.facts(
            *("init", "--origin", "test.anchorline.example", "--network", "regtest"),
            *("--core-url", node.url, "--core-cookie-file", node.cookie, "--descriptor", wallet.descriptor),
        )["address"]
        assert wallet.address == self.address

    def fund(self) -> None:
        self.node.call("generatetoaddress", 1, self.address)
        self.node.call("generatetodescriptor", MATURE - 1, NOBODY)
        self.operator.run("chain", "create", "acme")

    def export(self, name: str, *options: str) -> Path:
        path = self.operator.folder / name
        self.operator.run("wallet", "psbt", "export", "--output", path, *options)
        return path

    def sign_with_core(self, path: Path, *, finalize: bool = True) -> Path:
        done = self.node.call("walletprocesspsbt", path.read_text().strip(), True, "ALL", True, finalize)
        signed = path.with_suffix(".signed")
        signed.write_text(done["psbt"])
        return signed

    def sign_with_embit(self, path: Path) -> Path:
        psbt = PSBT.from_base64(path.read_text().strip())  # type: ignore[no-untyped-call]  # embit has no types
        assert 0 < psbt.sign_with(self.master)
        signed = path.with_suffix(".signed")
        signed.write_bytes(psbt.serialize())
        return signed


def _master(wallet: Wallet) -> str:
    seed = bip39.mnemonic_to_seed(wallet.secret.text)
    return str(bip32.HDKey.from_seed(seed, version=PREFIXES["regtest"]["xprv"]).to_base58())


@pytest.fixture
def elsewhere(operator: Operator, node: Node) -> Elsewhere:
    """A watch-only home whose key is elsewhere."""
    made = Elsewhere(operator, node)
    made.fund()
    return made


def test_two_other_wallets_sign_anchors(elsewhere: Elsewhere, operator: Operator, node: Node) -> None:
    """Core's wallet signs and finalises, signs and does not, embit signs: each anchor is mined, and verifies."""
    entries = []
    for number, sign in enumerate(
        (
            elsewhere.sign_with_core,
            lambda path: elsewhere.sign_with_core(path, finalize=False),
            elsewhere.sign_with_embit,
        )
    ):
        entries.append(operator.record(f"file-{number}", b"content %d" % number))
        operator.run("seal")
        waits = operator.facts("tick", "--now")
        assert ("wait", True) == (waits["did"], "waits for a signature" in waits["why"])
        assert waits == operator.facts("tick", "--now")
        path = elsewhere.export(f"{number}.psbt")
        imported = operator.facts("wallet", "psbt", "import", sign(path))
        assert "built" == imported["state"]
        assert [] == node.call("getrawmempool")
        assert imported == operator.facts("wallet", "psbt", "import", path.with_suffix(".signed"))
        assert "send" == operator.facts("tick")["did"]
        assert [imported["txid"]] == node.call("getrawmempool")
        node.call("generatetodescriptor", 1, NOBODY)
        assert ("confirmed", imported["txid"]) == (operator.look()["state"], operator.look()["txid"])
    for number, entry in enumerate(entries):
        path = operator.receipt(entry, f"file-{number}")
        assert "INTACT" in operator.verify(operator.folder / f"file-{number}", path, *operator.by_node)
    history = operator.facts("wallet", "history")
    assert fees_on_chain_sat(node) == [item["fee_sat"] for item in history["anchors"]]
    assert "all hold" in operator.run("audit")


def test_the_node_reads_what_is_exported(elsewhere: Elsewhere, operator: Operator, node: Node) -> None:
    """Spent output, previous transaction, derivation and sighash are there; the fee is the one that is stored."""
    operator.run("seal")
    operator.run("tick", "--now")
    text = elsewhere.export("a.psbt").read_text().strip()
    decoded = node.call("decodepsbt", text)
    (spent,) = decoded["inputs"]
    assert elsewhere.address == spent["witness_utxo"]["scriptPubKey"]["address"]
    assert decoded["tx"]["vin"][0]["txid"] == spent["non_witness_utxo"]["txid"]
    assert ("ALL", "m/84h/1h/0h/0/0") == (spent["sighash"], spent["bip32_derivs"][0]["path"])
    assert "m/84h/1h/0h/0/0" == decoded["outputs"][0]["bip32_derivs"][0]["path"]
    assert 161 * 2 == int(decoded["fee"] * SAT)
    analysed = node.call("analyzepsbt", text)
    assert ("signer", True) == (analysed["next"], analysed["inputs"][0]["has_utxo"])


def test_what_is_not_signed_or_not_asked_for_is_refused(elsewhere: Elsewhere, operator: Operator, node: Node) -> None:
    """No signature, outputs in another order, no PSBT: each is named, and nothing is stored."""
    operator.run("seal")
    operator.run("tick", "--now")
    path = elsewhere.export("a.psbt")
    assert "is not signed by this wallet's key" in operator.run("wallet", "psbt", "import", path, rc=1)
    decoded = node.call("decodepsbt", path.read_text().strip())["tx"]
    spent = [{"txid": decoded["vin"][0]["txid"], "vout": decoded["vin"][0]["vout"], "sequence": 0xFFFFFFFD}]
    payload = {"data": decoded["vout"][1]["scriptPubKey"]["hex"][4:]}
    turned = node.call("createpsbt", spent, [payload, {elsewhere.address: str(decoded["vout"][0]["value"])}])
    other = operator.folder / "turned.psbt"
    other.write_text(turned)
    signed = elsewhere.sign_with_core(other)
    assert "did not ask to sign" in operator.run("wallet", "psbt", "import", signed, rc=1)
    for content in (b"", b"swordfish", b"psbt\xff", b"cHNidP8="):
        other.write_bytes(content)
        assert "expected a PSBT" in operator.run("wallet", "psbt", "import", other, rc=2)
    assert [] == operator.facts("status")["attempts"]


def test_a_withdrawn_request_is_refused_by_name(elsewhere: Elsewhere, operator: Operator) -> None:
    """After --renew the newest checkpoint is in the new one, and the old one's signature comes too late."""
    operator.run("seal")
    operator.run("tick", "--now")
    old = elsewhere.sign_with_core(elsewhere.export("old.psbt"))
    operator.record("file", b"content")
    operator.run("seal")
    same = elsewhere.export("same.psbt")
    assert (operator.folder / "old.psbt").read_text() == same.read_text()
    new = elsewhere.sign_with_core(elsewhere.export("new.psbt", "--renew"))
    assert "request 1 was withdrawn before; request 2 is" in operator.run("wallet", "psbt", "import", old, rc=1)
    sealed = operator.facts("status")["checkpoint"]["size"]
    assert sealed == operator.facts("wallet", "psbt", "import", new)["checkpoint_size"]


def test_an_anchor_that_the_signer_sent_himself_is_taken_up(
    elsewhere: Elsewhere, operator: Operator, node: Node
) -> None:
    """A withdrawn request that was signed and sent: the log says what to do, and goes on after it was done."""
    operator.run("seal")
    operator.run("tick", "--now")
    signed = elsewhere.sign_with_core(elsewhere.export("a.psbt"))
    operator.record("later", b"later")
    operator.run("seal")
    elsewhere.export("b.psbt", "--renew")
    raw = node.call("finalizepsbt", signed.read_text())["hex"]
    txid = node.call("sendrawtransaction", raw)
    node.call("generatetodescriptor", 1, NOBODY)
    said = operator.run("tick", rc=1)
    assert "was signed and sent elsewhere" in said
    assert txid in said
    assert txid == operator.facts("wallet", "psbt", "import", signed)["txid"]
    assert ("confirmed", txid) == (operator.look()["state"], operator.look()["txid"])


def test_a_request_whose_coin_was_spent_is_refused(elsewhere: Elsewhere, operator: Operator, node: Node) -> None:
    """Somebody with the key spends the coin elsewhere: the signature that comes then is of no use, and says so."""
    operator.run("seal")
    operator.run("tick", "--now")
    signed = elsewhere.sign_with_core(elsewhere.export("a.psbt"))
    node.call("sendall", [Wallet.generate(NETWORKS["regtest"], bytes(32)).address])
    node.call("generatetodescriptor", 1, NOBODY)
    assert "has spent" in operator.run("wallet", "psbt", "import", signed, rc=1)

"""The audit of a chain's life: its table is what the entries say, and what it continues stood where they say.

Input is what ``chains.audit_entries`` found in the entries; ``chains.audit`` calls it for each chain.
"""

from collections.abc import Sequence

from anchor.proof.chain_life import Continuation, statement_of
from anchor.proof.earlier_receipts import is_of
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.receipt import Receipt
from chains.audit_report import Report
from chains.chain import Chain, Chains
from chains.chain_life import ChainLives, LifeEntry


def check_life(chains: Chains, report: Report, chain: Chain, found: Sequence[LifeEntry], *, is_noted: bool) -> None:
    """Compare the table of a chain's life with its entries, and each continuation with the receipt it rests on.

    The table is read only where it has something of the chain (``is_noted``), or must have got it since that was asked.
    """
    where = f"chain {chain.chain_id.hex()}"
    lives = ChainLives(chains.engine, chains)
    if (lives.of(chain) if is_noted or found else []) != list(found):
        report.found(where, "its closing, transfers and continuations are not noted as its entries say them")
    for each in found:
        if each.kind == ExtensionType.CONTINUATION:
            with report.looking_at(f"{where}, entry {each.leaf_index}"):
                _check_continuation(chains, report, chain, lives.entry(chain, each.leaf_index), each.leaf_index)


def _check_continuation(chains: Chains, report: Report, chain: Chain, entry: Entry, leaf_index: int) -> None:
    where, said = f"chain {chain.chain_id.hex()}, entry {leaf_index}", statement_of(entry)
    assert isinstance(said, Continuation)
    if said.tree_size != leaf_index or chains.trees.root(chain.chain_no, leaf_index) != said.root:
        report.found(where, "continues another chain than the entries before it")
    raw = ChainLives(chains.engine, chains).earlier_receipt(chain, leaf_index)
    if raw is None:
        report.found(where, "the receipt of the log that it continues is missing")
        return
    if not is_of(Receipt.decode(raw), said):
        report.found(where, "the receipt of the log that it continues is of something else")

"""What a receipt shows of its chain's life: its closing, and the chains of other logs that it continues.

Input is the home's own rows and proofs; ``chains.receipts`` puts it beside the other evidence, under the same
checkpoint (docs/spec/chain-life.md).
"""

from typing import Any

from anchor.log import Trees
from anchor.proof.entry import ExtensionType
from anchor.proof.leaves import HeadLeaf
from anchor.proof.life_evidence import LifeEvidence
from anchor.proof.receipt import ChainPath, DirectoryProof, Receipt
from anchor.proof.said_later import MOST_OF_LIFE
from chains.chain import Chain, Chains
from chains.chain_life import ChainLives, LifeEntry
from chains.reader import StoredEntry


class LifeShown:
    """Makes this evidence for the chains of one home."""

    def __init__(self, chains: Chains, trees: Trees) -> None:
        self.chains = chains
        self.trees = trees
        self.lives = ChainLives(chains.engine, chains)

    def of(self, chain: Chain, tree_size: int) -> list[LifeEntry]:
        """Return what a receipt under a head of ``tree_size`` entries shows of its chain's life."""
        found = [each for each in self.lives.of(chain) if each.leaf_index < tree_size]
        return [each for each in found if each.ends_here or each.kind == ExtensionType.CONTINUATION][-MOST_OF_LIFE:]

    def evidence(self, stored: StoredEntry, each: LifeEntry, head: DirectoryProof[HeadLeaf]) -> dict[str, Any] | None:
        """Return the evidence for the receipt of an entry, or None where the earlier receipt is missing."""
        chain = self.chains.by_no(stored.chain_no)
        assert chain is not None, "the chain of a stored entry"
        at = each.leaf_index
        place = ChainPath(at, self.trees.inclusion_path(stored.chain_no, at, head.leaf.tree_size))
        raw = self.lives.entry(chain, at).encode()
        if each.kind != ExtensionType.CONTINUATION:
            return LifeEvidence(raw, place, head).to_json()
        earlier = self.lives.earlier_receipt(chain, at)
        if earlier is None:
            return None
        held = stored.leaf_index < at
        path = self.trees.inclusion_path(stored.chain_no, stored.leaf_index, at) if held else ()
        return LifeEvidence(raw, place, head, Receipt.decode(earlier), path).to_json()

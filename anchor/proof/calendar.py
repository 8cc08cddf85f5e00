# SPDX-License-Identifier: Apache-2.0
"""Attestations of OpenTimestamps calendars beside a checkpoint: the anchor that carries one, and what is found of it.

Anchors come from a receipt, ``calendar_judging`` finds; ``verify`` makes its step 15 of it. The
.ots format names no network and its tag means mainnet, so the network stands in the anchor, and only there.
"""

from dataclasses import dataclass
from typing import Any

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.errors import MalformedError, Reason, VerificationError, reason_of

# As ``opentimestamps.MAX_FILE``, which is not loaded for a receipt that has none.
MAX_OTS = 65_536
MAX_NETWORK = 40


@dataclass(frozen=True, slots=True)
class CalendarAnchor:
    """A detached .ots file over a checkpoint's imprint, the network it means, and its block's header (80) if known.

    The file has one attestation, Bitcoin's: what else the calendar said is not carried.
    """

    network: str
    ots: bytes
    header: bytes | None = None


@dataclass(frozen=True, slots=True)
class AttestedBlock:
    """The block whose Merkle root the imprint leads to; ``believed`` says who holds it to be on the best chain."""

    rules: NetworkRules
    height: int
    header: Header
    confirmations: int | None
    believed: str

    @property
    def name(self) -> str:
        """The block, for people."""
        depth = "" if self.confirmations is None else f", {self.confirmations} confirmations"
        return f"block {self.height} {hash_hex(self.header.hash)} of {self.rules.name}{depth}"


@dataclass(frozen=True, slots=True)
class JudgedCalendar:
    """One anchor: the block that attests the checkpoint, or why it does not, or why nobody can say yet."""

    network: str
    block: AttestedBlock | None = None
    error: VerificationError | MalformedError | None = None
    unchecked: str = ""

    @property
    def reason(self) -> Reason | None:
        """The name of the failure."""
        return None if self.error is None else reason_of(self.error)

    def to_json(self) -> dict[str, Any]:
        """Return it as ``facts.attestations`` of a verdict shows it."""
        state = "ok" if self.block is not None else "not checked" if self.error is None else "failed"
        facts: dict[str, Any] = {
            "network": self.network,
            "state": state,
            "reason": None if self.reason is None else str(self.reason),
        }
        if self.block is None:
            return facts
        return facts | {
            "height": self.block.height,
            "block": hash_hex(self.block.header.hash),
            "time_s": self.block.header.time_s,
            "proof_of_work": self.block.rules.proof_of_work_note,
        }

"""Who audits a log from outside, and one audit as it goes on: what was read so far, and what was found.

Input is what the auditor brings (``Auditor``) and what ``anchor.published`` reads. The steps of the audit in
``anchor.thread_audit``, ``thread_start``, ``thread_roots`` and ``thread_tip`` read ``Audit`` and add to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from anchor.bitcoin.protocols import Source
from anchor.directory_rules import DirectoryWalk
from anchor.proof.bitcoin.networks import NETWORKS, NetworkRules
from anchor.proof.bitcoin.payload import Payload, find_payload
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.errors import VerificationError
from anchor.proof.leaves import LogLeaf
from anchor.proof.receipt import LogCard
from anchor.proof.verify import State
from anchor.published import Anchors
from anchor.thread_line import HOUR_S, Line, OnLine
from anchor.thread_verdict import Finding, Number, Reason, Step
from anchor.tiles import Fetch

# The default of a log's own promise (setting anchor_within_s).
DEFAULT_MAX_GAP_S = 48 * HOUR_S


@dataclass(frozen=True, slots=True)
class Auditor:
    """What the auditor brings. ``sources`` names whoever answers behind ``source``, which is None for nobody.

    ``card`` pins the log; ``chains`` limits steps 8 and 9 to these chain ids; ``max_gap_s`` is how long something may
    stay unanchored, and how late a mirror may be. ``networks`` are those that he knows. ``seen`` is the newest
    checkpoint that he has seen of this log before, whose signature he checked then.
    """

    check: SignatureCheck
    card: LogCard | None = None
    source: Source | None = None
    sources: tuple[str, ...] = ()
    max_gap_s: int = DEFAULT_MAX_GAP_S
    chains: frozenset[bytes] | None = None
    networks: Mapping[str, NetworkRules] = field(default_factory=lambda: NETWORKS)
    seen: Checkpoint | None = None


@dataclass(slots=True)
class Audit:
    """One audit as it goes on: what was read, and what was found."""

    fetch: Fetch
    auditor: Auditor
    log: LogLeaf
    walk: DirectoryWalk
    anchors: Anchors
    published: Checkpoint | None = None
    note: str | None = None
    tip_time_s: int | None = None
    lines: list[Line] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    done: dict[Number, Step] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def line(self) -> list[OnLine]:
        """All anchors, in order, of all starts of the thread."""
        return [each for line in self.lines for each in line.anchors]

    @property
    def end(self) -> Line | None:
        """The newest line, which has the tip."""
        return self.lines[-1] if self.lines else None

    def fail(self, number: Number, reason: Reason, text: str) -> None:
        """Add what disproves the log."""
        self.found.append(Finding(number, text, reason))

    def lack(self, number: Number, text: str, *, passing: bool = False) -> None:
        """Add what could not be checked; ``passing`` where time or the auditor mends it."""
        self.found.append(Finding(number, text, None, passing))

    def ok(self, number: Number, text: str, rests_on: str = "arithmetic") -> None:
        """Say what the step found if nothing is found against it."""
        self.done[number] = Step(number, State.OK, text, rests_on=rests_on)

    def is_late(self, time_s: int | None) -> bool:
        """Say whether something of this time should have been published by now."""
        return time_s is None or self.tip_time_s is None or self.tip_time_s - time_s > self.auditor.max_gap_s


def payload_of(transaction: Transaction) -> Payload | None:
    """Return the transaction's payload, or None where it has none that is valid."""
    try:
        return find_payload(transaction)
    except VerificationError:
        return None

"""What the check of an export comes to: an outcome with an exit code, counts, anchors and every fault; pure.

Findings come from ``chains.archive.checking``. ``anchorline verify --archive`` prints it and ``chains.archive.report``
writes it; outcomes and exit codes are those of docs/spec/verdict.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anchor.proof.archive_anchors import CheckedAnchor
from anchor.proof.archive_directory import ArchivedDirectory
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.networks import NETWORKS, NetworkRules
from anchor.proof.blocks import KnownBlocks
from anchor.proof.certificate_proof import CertificateCheck
from anchor.proof.receipt import LogCard
from anchor.proof.timestamp import TimestampCheck
from anchor.proof.verdict import EXIT_CODES, Outcome
from anchor.proof.verifier import DEFAULT_DEPTH
from chains.archive.found import COUNTS, Found
from chains.counted import counted

MOST_FAULTS = 100_000
"""Faults that are kept; more are counted. A report of more would be read by nobody."""

Progress = Callable[[int, int], None]
"""Takes how much is done, and how much there is, in bytes or something like it."""


@dataclass(frozen=True, slots=True)
class ArchiveVerifier:
    """What the verifier brings; nothing here comes from the export. As ``anchor.proof.verifier.Verifier`` has it.

    ``jobs`` is the number of processes.
    """

    card: LogCard | None = None
    any_log: bool = False
    blocks: tuple[KnownBlocks, ...] = ()
    depth: int = DEFAULT_DEPTH
    networks: Mapping[str, NetworkRules] = field(default_factory=lambda: NETWORKS)
    jobs: int = 1
    progress: Progress = lambda _done, _all: None
    check_timestamp: TimestampCheck | None = None
    check_certificate: CertificateCheck | None = None


@dataclass(frozen=True, slots=True)
class ArchiveVerdict:
    """What was found. ``lacking`` says what keeps the outcome from being better where nothing is wrong.

    ``remarks`` are entries that stand as they were recorded and count for nothing: of a key that was not valid then.
    ``certificates`` are those that identities bound, ``time_stamps`` those of checkpoints: as a receipt's verdict has
    them.

    ``proved_entries`` existed when the block of ``proved`` was mined, the widest anchor on the best chain.
    """

    outcome: Outcome
    log_id: str
    origin: str
    network: str | None
    chains: int
    checkpoints: int
    counts: Mapping[str, int]
    anchors: tuple[CheckedAnchor, ...]
    proved: CheckedAnchor | None
    faults: tuple[str, ...]
    more_faults: int
    lacking: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    certificates: tuple[Mapping[str, Any], ...] = ()
    time_stamps: tuple[Mapping[str, Any], ...] = ()

    @property
    def exit_code(self) -> int:
        """Exit code of ``anchorline verify --archive``."""
        return EXIT_CODES[self.outcome]

    @property
    def proved_entries(self) -> int:
        """How many entries existed when the block of the widest believed anchor was mined."""
        return 0 if self.proved is None else self.proved.entries

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as ``--json`` prints it."""
        return {
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "log_id": self.log_id,
            "origin": self.origin,
            "network": self.network,
            "chains": self.chains,
            "checkpoints": self.checkpoints,
            **self.counts,
            "anchors": [_anchor_to_json(each) for each in self.anchors],
            "proved_entries": self.proved_entries,
            "proved_by": None if self.proved is None else _anchor_to_json(self.proved),
            "lacking": list(self.lacking),
            "faults": list(self.faults),
            "more_faults": self.more_faults,
            "remarks": list(self.remarks),
            "certificates": list(self.certificates),
            "time_stamps": list(self.time_stamps),
        }


def conclude(
    card: LogCard,
    rules: NetworkRules | None,
    directory: ArchivedDirectory,
    found: Found,
    anchors: Sequence[CheckedAnchor],
    verifier: ArchiveVerifier,
) -> ArchiveVerdict:
    """Weigh what was found: a fault first, then what nobody could check, then what is not there yet."""
    faults = [*_of_card(card, verifier), *_of_network(rules, verifier), *found.faults]
    deep = [
        each
        for each in anchors
        if each.known is not None and each.believed and not each.known.is_shallow(verifier.depth)
    ]
    proved = max(deep, key=lambda each: each.tree_size, default=None)
    lacks = _lacks_bitcoin(found.entries, anchors, proved, verifier)
    outcomes = [outcome for outcome, _ in lacks]
    if verifier.card is None and not verifier.any_log:
        lacks.append(
            (Outcome.INCOMPLETE, "you gave no log card: whose log this is, is its own word (--log, --any-log)")
        )
    outcome = next(iter([*outcomes, *(each for each, _ in lacks), Outcome.INTACT]))
    return ArchiveVerdict(
        outcome=Outcome.FAILED if faults else outcome,
        log_id=card.log.log_id.hex(),
        origin=card.log.origin,
        network=None if rules is None else rules.name,
        chains=len(directory.heads),
        checkpoints=directory.checkpoints,
        counts={name: getattr(found, name) for name in COUNTS},
        anchors=tuple(anchors),
        proved=proved,
        faults=tuple(faults[:MOST_FAULTS]),
        more_faults=max(len(faults) - MOST_FAULTS, 0),
        lacking=tuple(text for _, text in lacks),
        remarks=tuple(found.remarks[:MOST_FAULTS]),
        certificates=tuple(found.certificates),
        time_stamps=tuple(found.time_stamps),
    )


def _of_card(card: LogCard, verifier: ArchiveVerifier) -> list[str]:
    if verifier.card is None or verifier.card.log == card.log:
        return []
    return [f"this is log {card.log.log_id.hex()}, and your card is of log {verifier.card.log.log_id.hex()}"]


def _of_network(rules: NetworkRules | None, verifier: ArchiveVerifier) -> list[str]:
    """A view of another network is the verifier's way to say which network he means."""
    name = "a network that this version does not know" if rules is None else rules.name
    others = sorted({view.network for view in verifier.blocks if rules is None or view.network != rules.name})
    return [f"you gave a block of {other}; this log is of {name}" for other in others]


def _lacks_bitcoin(
    entries: int, anchors: Sequence[CheckedAnchor], proved: CheckedAnchor | None, verifier: ArchiveVerifier
) -> list[tuple[Outcome, str]]:
    """Say what keeps the entries from being proved up to the last one by a block of the best chain."""
    reached = 0 if proved is None else proved.entries
    if reached >= entries and proved is not None:
        return []
    without = f"{counted(entries - reached, 'entries')} of {entries}"
    wider = [each for each in anchors if each.entries > reached or proved is None]
    if any(not each.believed for each in wider):
        heights = ", ".join(str(each.height) for each in wider if not each.believed)
        text = f"nobody said whether the anchors of {without} are on the best chain (blocks {heights})"
        return [(Outcome.NOT_CHECKED, text)]
    if wider:
        text = f"the anchors of {without} are not deep enough yet, {verifier.depth} confirmations are wanted"
        return [(Outcome.INCOMPLETE, text)]
    return [(Outcome.INCOMPLETE, f"{without} were not anchored when this was exported")]


def _anchor_to_json(anchor: CheckedAnchor) -> dict[str, Any]:
    return {
        "height": anchor.height,
        "block": hash_hex(anchor.block_hash),
        "tree_size": anchor.tree_size,
        "entries": anchor.entries,
        "believed": anchor.believed,
        "confirmations": None if anchor.known is None else anchor.known.confirmations,
    }

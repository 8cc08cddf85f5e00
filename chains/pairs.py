"""Many files and their receipts: how they are named, what was found of each, and what all come to.

Input is a list in a file, or a folder with receipts in it. ``anchorline verify --pairs`` judges each pair by itself.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anchor.errors import SettingsError
from anchor.proof.verdict import ExitCode, Outcome, Step, Verdict, exit_code_of
from chains.counted import counted
from chains.pairing import SUFFIX, paired
from chains.wording import step_line

# From what disproves to what time mends: one summary has one exit code.
_WORST_FIRST = (
    *(ExitCode.FAILED, ExitCode.NOT_THE_AUTHOR, ExitCode.NOT_CHECKED),
    *(ExitCode.NOT_COMPARED, ExitCode.INCOMPLETE, ExitCode.CORRECTED, ExitCode.INTACT),
)
MAX_LIST = 64 * 2**20
MOST_SAID = 20
"""Lines about authorities in a summary: each has another time stamp or another certificate."""
_OF_AUTHORITIES = {14: "time_stamps", 21: "certificates"}
"""The steps that judge by roots which the verifier names, and their facts."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A file, if it is at hand, and its receipt."""

    file: Path | None
    receipt: Path


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of a pair; ``finding`` is the name of what is the matter, ``text`` a sentence."""

    pair: Pair
    outcome: Outcome
    finding: str
    text: str
    steps: tuple[Step, ...] = ()
    """Those about authorities whom the verifier may trust: time stamps, and certificates of the author."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the verdict says of these, by the names that ``verify --json`` has for it."""

    @classmethod
    def of(cls, pair: Pair, verdict: Verdict) -> "Judged":
        """Return what a verdict says of a pair."""
        diagnosis = verdict.diagnosis
        steps = tuple(step for step in verdict.steps if step.number in _OF_AUTHORITIES)
        facts = {name: verdict.facts[name] for name in _OF_AUTHORITIES.values() if name in verdict.facts}
        return cls(pair, verdict.outcome, str(diagnosis.finding), diagnosis.meaning, steps, facts)

    @property
    def exit_code(self) -> int:
        """The exit code that ``verify`` ends with for this pair."""
        return exit_code_of(self.outcome, self.finding)

    def to_json(self) -> dict[str, Any]:
        """Return it as ``--json`` prints it."""
        return {
            "file": None if self.pair.file is None else str(self.pair.file),
            "receipt": str(self.pair.receipt),
            "outcome": str(self.outcome),
            "exit_code": self.exit_code,
            "finding": self.finding,
            "text": self.text,
            **self.facts,
        }


def read_pairs(place: Path) -> list[Pair]:
    """Return the pairs that a list names, or those of a folder: each ``NAME.receipt`` in it with NAME, if it is there.

    A list is UTF-8, a pair in each line: file, a tab, its receipt; or one name, which finds the other as ``verify``
    does. Names are relative to the list; empty lines and those that begin with ``#`` say nothing. Raises SettingsError
    where there is no pair or a line is none, OSError.
    """
    pairs = list(_in_folder(place) if place.is_dir() else _in_list(place))
    if not pairs:
        raise SettingsError(f"{place}: expected files and their receipts, found none")
    return pairs


def worst_of(judged: Sequence[Judged]) -> int:
    """Return the worst exit code."""
    codes = {item.exit_code for item in judged}
    return next(int(code) for code in _WORST_FIRST if code in codes)


def counts_of(judged: Sequence[Judged]) -> dict[str, int]:
    """Return how many there are of each outcome, the most first."""
    return dict(Counter(str(item.outcome) for item in judged).most_common())


def said_beside(judged: Sequence[Judged]) -> Iterator[str]:
    """Yield what the verdicts say of authorities, each once, with how many receipts it is said of; the most first."""
    said = Counter(step_line(step, step.name) for item in judged for step in item.steps)
    for line, count in said.most_common(MOST_SAID):
        yield f"of {counted(count, 'receipts')}: {' '.join(line.split())}"
    if len(said) > MOST_SAID:
        yield f"and {len(said) - MOST_SAID} more of time stamps and certificates; --json has them all"


def _in_folder(folder: Path) -> Iterator[Pair]:
    for receipt in sorted(folder.rglob(f"*{SUFFIX}")):
        file = receipt.with_name(receipt.name.removesuffix(SUFFIX))
        yield Pair(file if file.exists() and file != folder else None, receipt)


def _in_list(path: Path) -> Iterator[Pair]:
    with path.open("rb") as file:
        data = file.read(MAX_LIST + 1)
    if len(data) > MAX_LIST:
        raise SettingsError(f"{path}: expected a list of at most {MAX_LIST} bytes")
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: expected a list of names in UTF-8: {error}") from error
    for number, line in enumerate(lines, 1):
        names = [path.parent / name for name in line.split("\t")]
        if not line or line.startswith("#"):
            continue
        if len(names) == 1 and names[0].exists():
            names = paired(names[0])
        if len(names) > 2 or "" in line.split("\t"):
            raise SettingsError(f"{path}, line {number}: expected a file, a tab and its receipt, or one name")
        yield Pair(names[0] if len(names) == 2 else None, names[-1])

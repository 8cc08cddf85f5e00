"""``verify --pairs``: many files and their receipts on every core, one summary, and the worst exit code."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.findings import Finding
from anchor.proof.verdict import Outcome
from chains.commands.authorities import Authorities
from chains.commands.live import networks_given, rules_of
from chains.commands.terminal import given, read_limited, say
from chains.commands.verifying import Trust, digest_of, known_card, signature_check, trusted_blocks
from chains.commands.verifying_exports import bar
from chains.pairs import Judged, Pair, counts_of, read_pairs, said_beside, worst_of
from chains.processes import started

if TYPE_CHECKING:
    from anchor.proof.blocks import KnownBlocks
    from anchor.proof.expected_author import ExpectedAuthor
    from anchor.proof.leaves import LogLeaf
    from anchor.proof.receipt import LogCard

# Starting a process takes as long as judging some hundred receipts.
LEAST_FOR_PROCESSES = 500


@dataclass(frozen=True, slots=True)
class PairsGiven:
    """A list or a folder of pairs, and how the options say that they are to be verified."""

    place: Path
    log: Path | None
    any_log: bool
    depth: int
    jobs: int | None
    author: "ExpectedAuthor | None" = None
    authorities: Authorities = field(default_factory=Authorities)
    earlier: "tuple[LogCard, ...]" = ()


def verify_pairs(pairs_given: PairsGiven, trust: Trust, *, as_json: bool) -> NoReturn:
    """Verify each pair, print one summary and all that is not intact; ends the command with the worst exit code."""
    pairs = given(lambda: read_pairs(pairs_given.place))
    judged = list[Judged]()
    with bar(pairs_given.place.name) as progress:
        for each in _judged(pairs, pairs_given, trust):
            judged.append(each)
            progress(len(judged), len(pairs))
    code, counts = worst_of(judged), counts_of(judged)
    facts = {"exit_code": code, "counts": counts, "pairs": [each.to_json() for each in judged]}
    say(facts, lambda: _lines(judged, counts), as_json=as_json)
    raise typer.Exit(code)


def _judged(pairs: Sequence[Pair], pairs_given: PairsGiven, trust: Trust) -> Iterator[Judged]:
    """Yield what is found of each pair, in order; the first one here, so that what the options lack is said once."""
    jobs = pairs_given.jobs or os.cpu_count() or 1
    with ExitStack() as stack:
        judge = _Judge(pairs_given, trust, stack)
        here = len(pairs) if jobs == 1 or len(pairs) < LEAST_FOR_PROCESSES else 1
        for pair in pairs[:here]:
            yield judge.judge(pair)
        if here < len(pairs):
            pool = stack.enter_context(started(jobs, _begin, pairs_given, trust))
            yield from pool.map(_in_process, pairs[here:], chunksize=32)


class _Judge:
    """Judges pairs; what it believes of Bitcoin is opened once for each network."""

    def __init__(self, pairs_given: PairsGiven, trust: Trust, stack: ExitStack) -> None:
        self._given = pairs_given
        self._trust = trust
        self._stack = stack
        self._known = networks_given(trust.networks)
        authorities = pairs_given.authorities
        self._check_timestamp = given(authorities.timestamp_check)
        self._check_certificate = given(authorities.certificate_check)
        self._views = dict[tuple[bytes, bytes], Any]()

    def judge(self, pair: Pair) -> Judged:
        """Judge one; whatever is wrong with it is its own verdict, and keeps no other from being judged."""
        try:
            return self._verdict(pair)
        except MalformedError as error:
            return Judged(pair, Outcome.FAILED, str(Finding.NOT_A_RECEIPT), f"not a well-formed receipt: {error}")
        except OSError as error:
            text = f"{error.filename}: {error.strerror}"
        except AnchorlineError as error:
            text = str(error)
        return Judged(pair, Outcome.NOT_CHECKED, "", text)

    def _verdict(self, pair: Pair) -> Judged:
        from anchor.proof.attached import receipt_in
        from anchor.proof.receipt import Receipt
        from anchor.proof.verify import Verifier, verify

        receipt = Receipt.decode(receipt_in(read_limited(pair.receipt)))
        if pair.file is not None and pair.file.is_dir():
            text = "a folder is compared by its manifest: verify it by itself"
            return Judged(pair, Outcome.NOT_CHECKED, "", text)
        digest = None if pair.file is None else digest_of(pair.file)
        card = known_card(self._given.log, receipt.log.log_id)
        brought = (digest, card, self._given.any_log, self._blocks(receipt.log), self._given.depth, signature_check())
        stamps = (self._check_timestamp, self._given.authorities.accept_timestamp)
        verdict = verify(
            receipt,
            Verifier(
                *(*brought, *stamps),
                networks=rules_of(self._known),
                author=self._given.author,
                earlier_cards=self._given.earlier,
                check_certificate=self._check_certificate,
            ),
        )
        return Judged.of(pair, verdict)

    def _blocks(self, log: "LogLeaf") -> "tuple[KnownBlocks, ...]":
        network = (log.network_genesis, log.message_start)
        if network not in self._views:
            self._views[network] = self._stack.enter_context(trusted_blocks(log, self._trust, self._known))
        views: tuple[KnownBlocks, ...] = self._views[network]
        return views


_JUDGE: list[_Judge] = []
"""The judge of a process that works for another one; what it opened is closed with the process."""


def _begin(pairs_given: PairsGiven, trust: Trust) -> None:
    _JUDGE.append(_Judge(pairs_given, trust, ExitStack()))


def _in_process(pair: Pair) -> Judged:
    return _JUDGE[0].judge(pair)


def _lines(judged: Sequence[Judged], counts: dict[str, int]) -> Iterator[str]:
    yield f"{len(judged)} receipts: {', '.join(f'{count} {outcome}' for outcome, count in counts.items())}."
    for each in judged:
        if each.outcome != Outcome.INTACT:
            yield f"  {each.outcome}: {each.pair.file or each.pair.receipt}: {each.text}"
    yield from (f"  {line}" for line in said_beside(judged))

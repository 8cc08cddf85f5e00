"""``verify --archive``: a whole export, with a progress bar on a terminal and reports in files."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from chains.commands.authorities import Authorities
from chains.commands.live import networks_given, rules_of
from chains.commands.terminal import EXIT_FAILED, EXIT_NOT_CHECKED, given, say, usage
from chains.commands.verifying import Trust, ended_without_verdict, known_card, trusted_blocks

if TYPE_CHECKING:
    from chains.archive.verdict import ArchiveVerdict

REPORTS = (".html", ".json")


@dataclass(frozen=True, slots=True)
class ExportGiven:
    """An export, and how the options say that it is to be verified."""

    export: Path
    log: Path | None
    any_log: bool
    depth: int
    jobs: int | None
    reports: list[Path]
    unpacked_mib: int | None
    authorities: Authorities


def verify_archive(given_export: ExportGiven, trust: Trust, *, as_json: bool) -> NoReturn:
    """Check everything in an export, print what was found and write the reports; ends the command."""
    from anchor.errors import SettingsError
    from anchor.proof.archive_files import FAULTS
    from chains.archive.checking import read_log, verify_export
    from chains.archive.files import opened_export
    from chains.archive.verdict import ArchiveVerifier
    from chains.archive.wording import archive_lines
    from chains.processes import ProcessEndedError

    for report in given_export.reports:
        if report.suffix not in REPORTS:
            usage(f"--report: expected a name that ends in {' or '.join(REPORTS)}, got {report}")
    given(given_export.export.stat)
    authorities = given_export.authorities
    checks = given(authorities.timestamp_check), given(authorities.certificate_check)
    known, faults = networks_given(trust.networks), list[str]()
    jobs = given_export.jobs or os.cpu_count() or 1
    try:
        most_bytes = None if given_export.unpacked_mib is None else given_export.unpacked_mib << 20
        with opened_export(given_export.export, faults.append, most_bytes) as files:
            log = read_log(files).log
            card = given(lambda: known_card(given_export.log, log.log_id))
            with (
                ended_without_verdict(as_json=as_json),
                trusted_blocks(log, trust, known) as views,
                bar(given_export.export.name) as progress,
            ):
                brought = (card, given_export.any_log, views, given_export.depth, rules_of(known), jobs, progress)
                verdict = verify_export(files, ArchiveVerifier(*brought, *checks), faults)
    except (SettingsError, *FAULTS) as error:
        text = "; ".join([f"DOES NOT VERIFY: {given_export.export}: {error}", *faults])
        _no_verdict(EXIT_FAILED, "failed", text, as_json=as_json)
    except ProcessEndedError as error:
        _no_verdict(EXIT_NOT_CHECKED, "not checked", f"COULD NOT BE CHECKED: {error}", as_json=as_json)
    _write_reports(given_export, verdict)
    say(verdict.to_json(), lambda: archive_lines(verdict), as_json=as_json)
    raise typer.Exit(verdict.exit_code)


def _no_verdict(exit_code: int, outcome: str, text: str, *, as_json: bool) -> NoReturn:
    say({"outcome": outcome, "exit_code": exit_code, "error": text}, lambda: text, as_json=as_json)
    raise typer.Exit(exit_code)


def _write_reports(given_export: ExportGiven, verdict: "ArchiveVerdict") -> None:
    from importlib.metadata import version

    from chains.archive.report import report_html
    from chains.files import write_file

    about = {"export": given_export.export.name, "by": f"anchorline {version('anchorline')}"}
    for report in given_export.reports:
        if report.suffix == ".html":
            write_file(report, report_html(verdict, about.items()))
        else:
            write_file(report, (json.dumps(about | verdict.to_json(), indent=1) + "\n").encode())


@contextmanager
def bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows how far a check is, on a terminal; nothing is drawn elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, everything: progress.update(task, completed=done, total=everything)

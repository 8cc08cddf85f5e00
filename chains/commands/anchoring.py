"""Commands that seal and anchor: ``seal``, ``tick``, ``attest``, ``daemon``."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.log_options import (
    LogFormatOption,
    LogLevel,
    LogLevelOption,
    MetricsOption,
    TracesOption,
    log_of,
    reporting,
    tracing,
)
from chains.commands.terminal import (
    ANCHORING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    opened,
    say,
    usage,
)
from chains.log_lines import LogFormat

if TYPE_CHECKING:
    from pathlib import Path


app = command_group()
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Do everything but seal, sign, store and send; say what it would cost.")
]
DryRunJsonOption = Annotated[bool, typer.Option("--json", help="With --dry-run: print facts as JSON.")]
# A tick by hand waits so long for an authority, after everything else is done; the daemon never waits.
STAMP_WAIT_S = 25.0


@app.command(rich_help_panel=ANCHORING)
def seal(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Seal every changed chain into a signed checkpoint."""
    from chains.leading import leading
    from chains.sealing import seal as seal_home

    with opened(home) as found, leading(found, "seal"):
        sealed = seal_home(found)
        found.after_seal()
    facts = {"sealed": sealed is not None}
    if sealed is not None:
        facts |= {"size": sealed.size, "root": sealed.root.hex(), "seal_number": sealed.seal_number}  # type: ignore[dict-item]  # JSON values differ
    text = "Nothing had changed." if sealed is None else f"Checkpoint of {sealed.size} leaves, root {sealed.root.hex()}"
    say(facts, lambda: text, as_json=as_json)


@app.command(rich_help_panel=ANCHORING)
def tick(
    now: Annotated[bool, typer.Option("--now", help="Anchor what is not anchored yet, without waiting.")] = False,
    mine: Annotated[int, typer.Option(min=0, max=1000, help="Embedded regtest: mine so many blocks first.")] = 0,
    dry_run: DryRunOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the anchors and take the next step: build, send, watch."""
    from chains.leading import leading
    from chains.status import alert_facts, attempt_facts

    if dry_run:
        if mine:
            usage("--dry-run does nothing, and --mine mines; give one of them")
        say_dry_run(home, at_once=now, as_json=as_json)
        return
    with opened(home) as found, leading(found, "tick"):
        if mine:
            from chains.scheduling import mine as mine_blocks

            given(lambda: mine_blocks(found, mine))
        done = found.anchoring.tick(found.clock(), at_once=now)
        attempts = [attempt_facts(attempt) for attempt in done.attempts]
        alerts = [alert_facts(alert) for alert in done.alerts]
        stamped = found.stamping.tick(found.clock(), STAMP_WAIT_S) if found.stamping else []
        plan = type(done.plan).__name__.lower()
        why = getattr(done.plan, "why", "")
    say(
        {
            "did": plan,
            "why": why,
            "attempts": attempts,
            "alerts": alerts,
            "time_stamps": [asdict(item) for item in stamped],
        },
        lambda: [
            why or "An anchor was sent.",
            *(f"  attempt {item['attempt']}: {item['state']}, {item['txid']}" for item in attempts),
            *(f"  time stamp by {item.authority}: {item.cause or 'kept'}" for item in stamped),
            *(f"  ALERT {alert['name']}: {alert['message']}" for alert in alerts),
        ],
        as_json=as_json,
    )


@app.command(rich_help_panel=ANCHORING)
def daemon(
    metrics: MetricsOption = "",
    log_format: LogFormatOption = LogFormat.TEXT,
    log_level: LogLevelOption = LogLevel.INFO,
    traces: TracesOption = False,
    home: HomeOption = None,
    dry_run: DryRunOption = False,
    as_json: DryRunJsonOption = False,
) -> None:
    """Seal and anchor at the settings' pace until stopped (SIGINT, SIGTERM)."""
    from anchor.daemon import until_signal
    from chains.home import default_home
    from chains.scheduling import Scheduler
    from chains.starting import wait_for_databases

    if dry_run:
        say_dry_run(home, at_once=False, as_json=as_json)
        return
    if as_json:
        usage("--json is for --dry-run: a daemon writes log lines")
    with until_signal() as wait:
        if not wait_for_databases(home or default_home(), log_of(log_format, log_level), wait):
            return
        with (
            opened(home) as found,
            reporting(found, log_format, log_level, metrics) as report,
            tracing(is_wanted=traces) as traced,
            Scheduler(found, report if traced is None else traced.report(report), "daemon", traced),
        ):
            wait(None)


def say_dry_run(home: "Path | None", *, at_once: bool, as_json: bool) -> None:
    """Print what one round of the daemon would do."""
    from chains.dry_run import dry_run, dry_run_lines
    from chains.home import default_home

    facts = dry_run(home or default_home(), at_once=at_once)
    say(facts, lambda: dry_run_lines(facts), as_json=as_json)


@app.command(rich_help_panel=ANCHORING)
def attest(
    now: Annotated[bool, typer.Option("--now", help="Ask calendars, however lately they were asked.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the newest anchored checkpoint to the calendars of the settings, and ask what became of earlier ones."""
    from chains.attesting import PUBLIC_CALENDARS, attested_line, attesting_of

    with opened(home) as found, attesting_of(found) as attesting:
        if attesting is None:
            usage(f"the settings name no calendars; the public ones are {', '.join(PUBLIC_CALENDARS)}")
        done = attesting.run(found.clock(), at_once=now)
    say(
        {"done": [asdict(item) for item in done]},
        lambda: [attested_line(item) for item in done] or "Nothing new.",
        as_json=as_json,
    )

"""What every service shares on the command line: the form of its log, and where its metrics are served.

``daemon``, ``calendar`` and ``serve`` take these options; ``reporting`` gives what writes their log lines.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.terminal import usage
from chains.log_lines import Level, LogFormat

if TYPE_CHECKING:
    from chains.home import Home
    from chains.tracing import Traces


class LogLevel(StrEnum):
    """Levels of a log, as the command line names them."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


METRICS = "--metrics"
LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", envvar="ANCHORLINE_LOG_FORMAT", help="Form of the log lines.")
]
LogLevelOption = Annotated[
    LogLevel, typer.Option("--log-level", envvar="ANCHORLINE_LOG_LEVEL", help="Leave out log lines below this.")
]
MetricsOption = Annotated[
    str, typer.Option(METRICS, envvar="ANCHORLINE_METRICS", help="Serve Prometheus metrics at HOST:PORT.")
]

TracesOption = Annotated[
    bool, typer.Option("--traces", envvar="ANCHORLINE_TRACES", help="Send OpenTelemetry traces (anchorline[otel]).")
]


def log_of(form: LogFormat, level: LogLevel) -> Callable[[str], None]:
    """Return what writes log lines to standard error."""
    from chains import logs
    from chains.home import now_ms

    return logs.log_to(sys.stderr, form, Level[level.name], now_ms)


@contextmanager
def tracing(*, is_wanted: bool) -> "Iterator[Traces | None]":
    """Yield what makes traces where they are wanted, and send the last of them at the end."""
    if not is_wanted:
        yield None
        return
    try:
        from chains.tracing import Traces
    except ModuleNotFoundError as error:
        usage(f"--traces: expected OpenTelemetry, {error.name} is missing; install anchorline[otel]")
    with closing(Traces.exported()) as traces:
        yield traces


@contextmanager
def reporting(found: "Home", form: LogFormat, level: LogLevel, metrics: str = "") -> "Iterator[Callable[[str], None]]":
    """Yield what writes log lines, and serve the metrics of a home meanwhile where an address is given.

    The tip of the best chain is noted when a tick is done, on the thread that ticks.
    """
    report = log_of(form, level)
    if not metrics:
        yield report
        return
    from chains.listening import host_and_port
    from chains.metrics import registry_of, serving_metrics

    host, port = host_and_port(metrics, METRICS)
    registry, process = registry_of(found.folder, found.clock)
    with serving_metrics(registry, host, port) as serving_port:
        report(f"event=metrics listen={host}:{serving_port}")
        yield process.counting(report, lambda: found.source.tip().height)

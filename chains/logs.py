"""How the log of a service is written: as the lines that people read, or one JSON object a line for machines.

Lines come from whatever reports; ``anchorline daemon`` and its like choose form and level. An API key is never written.
"""

from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from chains.api_key import masked
from chains.log_lines import Level, LogFormat, LogLine, read_line

Report = Callable[[str], None]


def log_to(out: TextIO, form: LogFormat, level: Level, clock: Callable[[], int]) -> Report:
    """Return what writes a log line (``event=name key=value ...``) to ``out``, at once, from any thread.

    Text is the line as it is. JSON has ``at`` (UTC, to the millisecond, by ``clock`` in Unix milliseconds), ``level``,
    ``event`` and the line's fields. Lines below ``level`` are dropped.
    """

    def in_json(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        at = datetime.fromtimestamp(clock() / 1000, UTC).isoformat(timespec="milliseconds")
        return {"at": at.replace("+00:00", "Z"), **fields}

    logger = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=[in_json, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
    )

    def report(text: str) -> None:
        shown = masked(text)
        line = read_line(shown)
        if line.level < level:
            return
        if form is LogFormat.TEXT:
            out.write(f"{shown}\n")
            out.flush()
            return
        logger.info(**_named(line))

    return report


def _named(line: LogLine) -> dict[str, Any]:
    """Return level, event and fields; a field cannot take the name of another."""
    taken = {"at", "level", "event"}
    fields = {(f"{name}_" if name in taken else name): value for name, value in line.fields.items()}
    return {"level": line.level.name.lower(), "event": line.event, **fields}

"""Waiting at the start of a service until its databases can be reached, as services are started in any order.

``serve``, ``daemon`` and ``calendar`` wait here before they open a home. Nobody waits for a SQLite file, nor for a
server that answers and refuses: its error is told at once, by whoever opens.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, repeat
from pathlib import Path

from anchor.storage.database import Reach
from anchor.storage.databases import database_of
from chains.settings import FILE_NAME, load_settings

Report = Callable[[str], None]
Pause = Callable[[float], bool]
"""Waits for so many seconds, and says whether somebody meanwhile wanted this to stop."""
Meanwhile = Callable[[], AbstractContextManager[None]]
"""What is to be done while there is no database; entered at most once, and only where there is one to wait for."""

_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
# A server that is back is noticed within this, and one that is away for long is asked four times a minute.
_LONGEST_PAUSE_S = 15.0


def wait_for_databases(folder: Path, report: Report, pause: Pause, meanwhile: Meanwhile = nullcontext) -> bool:
    """Wait until the databases of the home in ``folder`` can be reached; return False where this is to stop before.

    Returns True also where one refuses, or was away for ``database_wait_s``: to open it says why it cannot be used.
    Raises SettingsError for settings that cannot be read.
    """
    settings = load_settings(folder / FILE_NAME)
    # Of the log, and of the keys of its contents where these are on a server, too.
    awaited = [database_of(folder, address) for address in filter(None, (settings.database, settings.content_keys))]
    if not any(each.reach().may_change for each in awaited):
        return True
    with meanwhile():
        limit_s = settings.database_wait_s
        return all(wait_until_reached(each.name, each.reach, limit_s, report, pause) for each in awaited)


def wait_until_reached(
    name: str,
    look: Callable[[], Reach],
    limit_s: float,
    report: Report,
    pause: Pause,
    monotonic_s: Callable[[], float] = time.monotonic,
) -> bool:
    """Look until what is found changes no more, or for ``limit_s``; return False where ``pause`` says to stop."""
    began_s, waited = monotonic_s(), False
    for pause_s in chain(_PAUSES_S, repeat(_LONGEST_PAUSE_S)):
        found, since_s = look(), int(monotonic_s() - began_s)
        said = f"database={name!r} found={found} waited_s={since_s}"
        if not found.may_change:
            if waited:
                report(f"event=database {said}")
            return True
        left_s = began_s + limit_s - monotonic_s()
        if left_s <= 0:
            report(f"event=database-missing {said} limit_s={limit_s}")
            return True
        report(f"event=database-wait {said} limit_s={limit_s}")
        waited = True
        if pause(min(pause_s, left_s)):
            return False
    raise AssertionError("there is always another pause")

"""Whether an HTTP server answers at all, and how far its clock is from ours.

Addresses come from the settings: Esplora servers, time-stamping authorities, calendars. ``anchorline doctor`` asks;
nothing is told to a server but that somebody is there, and nothing that it says is believed but its date.
"""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from anchor.bitcoin.web_address import is_this_machine
from anchor.errors import SourceUnavailableError


@dataclass(frozen=True, slots=True)
class Probe:
    """What a server answered: any status will do. ``ahead_s``: by how much our clock is ahead of its Date, or None.

    A Date has whole seconds (RFC 9110 section 5.6.7) and is of some moment between question and answer: half a second
    is added to it, and it is compared with the middle.
    """

    status: int
    ahead_s: float | None


def probe(url: str, timeout_s: float, now_s: Callable[[], float]) -> Probe:
    """Ask a server for nothing (HEAD); raise SourceUnavailableError where no HTTP answer comes."""
    asked_s = now_s()
    try:
        with httpx.Client(timeout=timeout_s, trust_env=not is_this_machine(httpx.URL(url).host)) as client:
            answer = client.head(url, headers={"User-Agent": "anchorline"})
    except (httpx.HTTPError, ImportError, ValueError) as error:
        raise SourceUnavailableError(f"{url}: no answer ({type(error).__name__}: {error})") from error
    said = answer.headers.get("Date")
    return Probe(answer.status_code, None if said is None else _ahead_s(said, (asked_s + now_s()) / 2))


def _ahead_s(said: str, middle_s: float) -> float | None:
    try:
        return middle_s - (parsedate_to_datetime(said).timestamp() + 0.5)
    except (ValueError, OverflowError):
        return None

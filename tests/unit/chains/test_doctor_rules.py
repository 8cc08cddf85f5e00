"""When something is a warning and when an error: each rule of the doctor on both sides of each of its thresholds."""

from dataclasses import replace

import pytest

from anchor.alerts import Alert, AlertName
from anchor.bitcoin.networks import NETWORKS
from anchor.plan import Facts, Promised
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.promise import PromiseNote
from chains import doctor_rules as rules
from chains.diagnosis import Finding, Level, error, not_checked, ok, warning, worst_of
from chains.settings import Settings

NOW_S = 1_800_000_000
TIMES = tuple(NOW_S - 600 * back for back in range(11, 0, -1))
HASH, OTHER = b"\x01" * 32, b"\x02" * 32
MIB, GIB = 2**20, 2**30


def levels(findings: list[Finding]) -> list[str]:
    return [str(finding.level) for finding in findings]


@pytest.mark.parametrize(
    ("tips", "hashes", "level"),
    [
        ({"a": 100, "b": 106}, {"a": HASH, "b": HASH}, Level.OK),
        ({"a": 100, "b": 107}, {"a": HASH, "b": HASH}, Level.WARNING),
        ({"a": 100, "b": 100}, {"a": HASH, "b": OTHER}, Level.ERROR),
        ({"a": 100, "b": 100}, {"a": HASH, "b": None}, Level.OK),
        ({"a": 100}, {}, Level.NOT_CHECKED),
    ],
)
def test_agreement(tips: dict[str, int], hashes: dict[str, bytes | None], level: Level) -> None:
    """Six blocks apart are delay, seven a laggard; another hash is an error that names who says what."""
    found = rules.agreement(tips, hashes, 94)
    assert level == found.level
    if level == Level.ERROR:
        assert "a says 0101" in found.found


@pytest.mark.parametrize(
    ("network", "age_s", "level"),
    [
        ("mainnet", 7200, Level.OK),
        ("mainnet", 7201, Level.WARNING),
        ("testnet4", 86400, Level.WARNING),
        ("testnet4", 86401, Level.ERROR),
        ("testnet4", -1200, Level.OK),
        ("regtest", 10**7, Level.OK),
    ],
)
def test_tip_age(network: str, age_s: int, level: Level) -> None:
    """Two hours without a block are strange, a day is an error; on regtest blocks come when somebody mines."""
    assert level == rules.tip_age(network, 5, NOW_S - age_s, NOW_S).level


@pytest.mark.parametrize(
    ("shift_s", "is_easy", "level"),
    [
        (0, False, Level.OK),
        (3600, False, Level.OK),  # exactly at the median, which is the sixth newest
        (3601, False, Level.ERROR),
        (3601, True, Level.OK),
        (600 + 7200, True, Level.OK),
        (600 + 7201, True, Level.ERROR),
    ],
)
def test_a_clock_behind_blocks(shift_s: int, is_easy: bool, level: Level) -> None:
    """Behind the median of eleven blocks is an error where blocks cost something; two hours behind one is anywhere."""
    assert level == rules.clock(NOW_S - shift_s, {"a": TIMES}, {}, is_easy=is_easy).level


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("skew_s", "level"), [(60, Level.OK), (61, Level.WARNING), (7200, Level.WARNING), (7201, Level.ERROR)]
)
def test_a_clock_beside_servers(skew_s: int, level: Level, sign: int) -> None:
    """A minute is noticed, two hours are an error, ahead or behind; one server of three that lies changes nothing."""
    found = rules.clock(NOW_S, {}, {"a": skew_s * sign, "b": skew_s * sign, "liar": 10.0**6}, is_easy=False)
    assert level == found.level
    if level != Level.OK:
        assert ("ahead of" if sign > 0 else "behind") in found.found


def test_a_clock_beside_nothing() -> None:
    """Without blocks and servers nothing is said about the clock."""
    assert Level.NOT_CHECKED == rules.clock(NOW_S, {"a": ()}, {}, is_easy=False).level


def test_one_source_of_three_with_false_times_changes_nothing() -> None:
    """The median of the sources counts."""
    future = tuple(time_s + 10**6 for time_s in TIMES)
    assert Level.OK == rules.clock(NOW_S, {"a": TIMES, "b": TIMES, "liar": future}, {}, is_easy=False).level


@pytest.mark.parametrize(("left", "level"), [(0, Level.ERROR), (9, Level.WARNING), (10, Level.OK)])
def test_funds(left: int, level: Level) -> None:
    """Nothing left is an error, fewer than the setting says a warning."""
    assert level == rules.funds(left, 1000, 2.0, 10, "address").level


def test_alerts() -> None:
    """Each alert is a finding; a promise that lapses is an error, everything else a warning."""
    found = rules.alerts([Alert(AlertName.STUCK, "s"), Alert(AlertName.PROMISE_WILL_LAPSE, "p")])
    assert ["warning", "error"] == levels(found)
    assert ["ok"] == levels(rules.alerts([]))


def test_nothing_anchored() -> None:
    """Without a thread, and with a thread that has no anchor, nothing is anchored yet."""
    bare = Facts(NOW_S * 1000, None, None, 0, (), None, 600_000, 86_400_000)
    found = rules.last_anchor(bare, 30_000, "the address")
    assert (Level.WARNING, True) == (found.level, "the address" in found.advice)
    begun = replace(bare, newest_size=5, thread_start=OutPoint(bytes(32), 0))
    assert Level.WARNING == rules.last_anchor(begun, 30_000, "").level


@pytest.mark.parametrize(
    ("left_s", "level"), [(900, "ok"), (450, "ok"), (449, "warning"), (0, "warning"), (-1, "error")]
)
def test_a_promise_to_seal(left_s: int, level: str) -> None:
    """In the second half of its time a promise to seal is a warning, past it an error."""
    now_ms = NOW_S * 1000
    facts = Facts(now_ms, 5, None, 0, (), None, 600_000, 86_400_000)
    received_ms = now_ms - (900 - left_s) * 1000
    note = PromiseNote(bytes(32), received_ms, received_ms + 900_000, received_ms + 10**9, 1, bytes(32))
    assert [level] == levels(rules.promises(facts, note))
    assert ["ok"] == levels(rules.promises(facts, None))


@pytest.mark.parametrize(("left_s", "level"), [(7201, "ok"), (7200, "warning"), (0, "warning"), (-1, "error")])
def test_a_promise_to_anchor(left_s: int, level: str) -> None:
    """The last two hours of a promise to anchor are a warning, past it is an error; without a thread funds say it."""
    now_ms = NOW_S * 1000
    promised = Promised(now_ms - 10**8, now_ms + left_s * 1000)
    facts = Facts(now_ms, 5, OutPoint(bytes(32), 0), 0, (), None, 600_000, 86_400_000, promised=promised)
    assert [level] == levels(rules.promises(facts, None))
    assert ["ok"] == levels(rules.promises(replace(facts, thread_start=None), None))


@pytest.mark.parametrize(
    ("tip", "shortfall", "level"),
    [(1000, None, Level.OK), (857, None, Level.OK), (855, None, Level.WARNING), (1000, "too little", Level.WARNING)],
)
def test_headers(tip: int, shortfall: str | None, level: Level) -> None:
    """A day of blocks behind, or a chain with less work than is known, is a warning."""
    assert level == rules.headers(tip, 1000, shortfall, "somebody").level


@pytest.mark.parametrize(
    ("free", "day", "level"),
    [
        (GIB, 0, Level.OK),
        (GIB - 1, 0, Level.WARNING),
        (256 * MIB - 1, 0, Level.ERROR),
        (70 * GIB, 10 * GIB, Level.OK),
        (70 * GIB - 1, 10 * GIB, Level.WARNING),
        (10 * GIB - 1, 10 * GIB, Level.ERROR),
    ],
)
def test_disk(free: int, day: int, level: Level) -> None:
    """Less than a day's need is an error, less than a week's a warning; both have a floor."""
    assert level == rules.disk(free, day, "/home").level


def test_a_database_that_could_lose_what_was_acknowledged() -> None:
    """A primary that waits for no replica works, and is a warning."""
    assert [Level.OK, Level.WARNING] == [rules.database("PostgreSQL", 1, risk).level for risk in ("", "it may")]


def test_write_ahead_log() -> None:
    """A write-ahead log that is never emptied is noticed."""
    assert [Level.OK, Level.WARNING] == [rules.write_ahead_log(size).level for size in (256 * MIB, 256 * MIB + 1)]


@pytest.mark.parametrize(
    ("changes", "level", "word"),
    [
        ({}, "ok", "testnet4"),
        ({"seal_within_s": 60, "seal_every_s": 61}, "error", "seal_within_s"),
        ({"seal_within_s": 60, "seal_every_s": 60}, "warning", "several times"),
        ({"anchor_within_s": 600, "anchor_every_s": 601}, "error", "anchor_within_s"),
        ({"anchor_within_s": 7799}, "warning", "two hours"),
        ({"tick_every_s": 601}, "warning", "tick_every_s"),
        ({"seal_every_s": 601, "seal_within_s": 6000}, "warning", "seal_every_s"),
        ({"silence_s": 599}, "warning", "silence_s"),
    ],
)
def test_settings(changes: dict[str, int], level: str, word: str) -> None:
    """Each combination that makes no sense is named; the defaults are fine."""
    settings = replace(Settings("testnet4", "esplora"), **changes)  # type: ignore[arg-type]  # all are integers
    (found,) = rules.settings(settings, NETWORKS["testnet4"])
    assert (level, True) == (found.level, word in found.found + found.advice)


def test_no_spending_cap_matters_where_money_is_real() -> None:
    """On mainnet a cap of 0, none at all, is a warning; the network's own is not."""
    mainnet = Settings("mainnet", "esplora")
    assert ["ok"] == levels(rules.settings(mainnet, NETWORKS["mainnet"]))
    assert ["warning"] == levels(rules.settings(replace(mainnet, spending_cap_sat=0), NETWORKS["mainnet"]))


def test_the_whole_is_as_bad_as_its_worst() -> None:
    """Errors come before warnings, and what was not checked makes nothing better or worse."""
    fine, open_, odd, bad = ok("a", ""), not_checked("b", ""), warning("c", "", ""), error("d", "", "")
    assert [Level.OK, Level.WARNING, Level.ERROR, Level.NOT_CHECKED] == [
        worst_of([fine, open_]),
        worst_of([fine, open_, odd]),
        worst_of([odd, bad, fine]),
        worst_of([open_]),
    ]

"""When something about a log is a warning and when an error: the rules of ``anchorline doctor``; pure.

Input is plain values that ``doctor_bitcoin`` and ``doctor_home`` have looked up; docs/operate/doctor.md lists every
check with its thresholds.
"""

from collections.abc import Mapping, Sequence
from statistics import median, median_low

from anchor.alerts import Alert, AlertName
from anchor.bitcoin.agreeing import LAG_BLOCKS
from anchor.bitcoin.networks import Network
from anchor.plan import Facts, lapses_from_ms, live_line, newest_of
from anchor.proof.promise import PromiseNote
from chains.diagnosis import Finding, error, not_checked, ok, warning
from chains.settings import Settings

HOUR_S = 3600
DAY_S = 24 * HOUR_S
# Consensus: a node refuses a block whose time is more than this ahead of its clock (MAX_FUTURE_BLOCK_TIME, chain.h).
MAX_SKEW_S = 2 * HOUR_S
# Promises and seals are stated to the minute; an HTTP Date has a resolution of a second, and comes a second late.
NOTICED_SKEW_S = 60
# Blocks come every ten minutes: none in two hours happens once in three years, none in a day never where all is well.
QUIET_S = 2 * HOUR_S
LONG_QUIET_S = DAY_S
# Enough for the log files, temporary files and the write-ahead log of a service that stores next to nothing.
LEAST_FREE_BYTES = 256 * 2**20
FREE_DAYS = 7
# SQLite brings it down to nothing after 1,000 pages (16 MiB); more stands there only while somebody reads for long.
LARGE_WAL_BYTES = 256 * 2**20
ANCHOR_MARGIN_S = 2 * HOUR_S
_ALERT_ERRORS = {AlertName.PROMISE_WILL_LAPSE}


# --- Bitcoin


def agreement(tips: Mapping[str, int], hashes: Mapping[str, bytes | None], height: int) -> Finding:
    """Judge the sources' tip heights, and their hashes of the block at ``height``, deep on the chain of each."""
    check = "agreement"
    if len(tips) < 2:
        return not_checked(check, "there are not two sources that answer and could be compared")
    known = {name: block_hash for name, block_hash in hashes.items() if block_hash is not None}
    if len(set(known.values())) > 1:
        said = "; ".join(f"{name} says {block_hash[::-1].hex()}" for name, block_hash in known.items())
        return error(
            check,
            f"the sources have different blocks at height {height}: {said}",
            "trust none of them before that is explained: ask a third one, and take the wrong one out of the settings",
        )
    best = max(tips.values())
    behind = {name: best - tip for name, tip in tips.items() if best - tip > LAG_BLOCKS}
    if behind:
        listed = ", ".join(f"{name} by {blocks} blocks" for name, blocks in behind.items())
        return warning(check, f"behind the others: {listed}", "wait until it has caught up, or name another source")
    return ok(check, f"{len(tips)} sources agree on block {height}, and are at most {LAG_BLOCKS} blocks apart")


def tip_age(network: str, height: int, time_s: int, now_s: float) -> Finding:
    """Judge how old the newest block is: a node that hangs, or is still catching up, has an old one."""
    check = "tip"
    age_s = now_s - time_s
    said = f"the newest block is {height}, {max(age_s, 0) / 60:.0f} minutes old"
    advice = "look whether the node is still catching up or has lost its peers, and compare with another source"
    if network == "regtest":
        return ok(check, f"{said}; on regtest blocks come when somebody mines")
    if age_s > LONG_QUIET_S:
        return error(check, said, advice)
    return warning(check, said, advice) if age_s > QUIET_S else ok(check, said)


def clock(
    now_s: float, times_s: Mapping[str, Sequence[int]], ahead_s: Mapping[str, float], *, is_easy: bool
) -> Finding:
    """Judge this machine's clock: ``times_s`` are the newest block times of each source, at most 11.

    ``ahead_s`` is by how much this clock is ahead of each HTTP server's. A block's time is above the median of the 11
    before it (BIP 113 names it), and most miners' clocks are right, so a clock behind the median is wrong. Where blocks
    are nearly free (``is_easy``) miners date them ahead for profit, up to the two hours that nodes bear.
    """
    check, advice = (
        "clock",
        "set the clock by NTP (`timedatectl status`); promises and seals state wrong times until then",
    )
    known = [times for times in times_s.values() if times]
    behind_s = median_low(sorted(times)[len(times) // 2] for times in known) - now_s if known else 0.0
    newest_s = median_low(max(times) for times in known) - now_s if known else 0.0
    skew_s = median(ahead_s.values()) if ahead_s else 0.0
    if newest_s > MAX_SKEW_S:
        return error(
            check, f"the newest block is {_span(newest_s)} ahead of the clock, and nodes bear two hours", advice
        )
    if behind_s > (MAX_SKEW_S if is_easy else 0):
        return error(check, f"the clock is {_span(behind_s)} behind the median time of the newest blocks", advice)
    if abs(skew_s) > NOTICED_SKEW_S:
        judge = error if abs(skew_s) > MAX_SKEW_S else warning
        return judge(check, f"the clock is {_ahead(skew_s)} those of the servers that were asked", advice)
    if not known and not ahead_s:
        return not_checked(check, "no source told of blocks, and no server of its clock")
    by = [f"the block times of {len(known)} sources"] if known else []
    by += [f"the clocks of {len(ahead_s)} servers"] if ahead_s else []
    return ok(check, f"it fits {' and '.join(by)}")


def funds(left: int, value_sat: int, rate: float, limit: int, address: str) -> Finding:
    """Judge for how many anchors the thread coin is good; ``limit`` is the setting low_funds_anchors."""
    check = "funds"
    said = f"{value_sat} sat, about {left} anchors at {rate:.1f} sat/vB"
    advice = f"send coins to {address}"
    if left == 0:
        return error(check, f"{said}: nothing more can be anchored", advice)
    return warning(check, f"{said}, fewer than {limit}", advice) if left < limit else ok(check, said)


def alerts(found: Sequence[Alert]) -> list[Finding]:
    """Return a finding for each alert of the engine."""
    check = "alerts"
    if not found:
        return [ok(check, "none")]
    advice = "docs/operate/runbooks.md says what each alert wants"
    return [
        (error if alert.name in _ALERT_ERRORS else warning)(check, f"{alert.name}: {alert.message}", advice)
        for alert in found
    ]


def last_anchor(facts: Facts, tick_every_ms: int, address: str) -> Finding:
    """Judge the age of the newest anchor against the settings' pace and silence."""
    check = "last-anchor"
    if facts.thread_start is None:
        advice = f"send coins to {address}; a coin begins the thread once it is deep enough and a seal has named it"
        return warning(check, "nothing can be anchored: the thread has no first coin", advice)
    newest = newest_of(facts)
    if newest is None:
        return warning(check, "nothing was anchored yet", "run the daemon, or `anchorline tick`")
    age_ms = facts.now_ms - newest.made_at_ms
    has_news = facts.newest_size is not None and facts.newest_size > newest.checkpoint_size
    state = f"the last anchor was made {_span(age_ms / 1000)} ago and is {newest.state}"
    advice = "is the daemon running? Its log says what holds it up"
    slack_ms = max(2 * tick_every_ms, facts.anchor_every_ms)
    if age_ms > facts.silence_ms + slack_ms and not live_line(facts):
        return error(check, f"{state}: the log is silent for longer than it says", advice)
    if has_news and age_ms > facts.anchor_every_ms + slack_ms and not live_line(facts):
        return warning(check, f"{state}, and something newer is sealed", advice)
    return ok(check, state)


def promises(facts: Facts, unsealed: PromiseNote | None) -> list[Finding]:
    """Judge the oldest promise that is not kept yet: ``unsealed`` is that of an entry in no checkpoint."""
    check, advice = "promises", "is the daemon running? Seal and anchor now: `anchorline seal`, `anchorline tick --now`"
    now_ms, found = facts.now_ms, []
    if unsealed is not None:
        left_s = (unsealed.seal_by_ms - now_ms) / 1000
        half_s = (unsealed.seal_by_ms - unsealed.received_at_ms) / 2000
        if left_s < 0:
            found.append(error(check, f"an entry was to be sealed {_span(-left_s)} ago, and is not", advice))
        elif left_s < half_s:
            found.append(warning(check, f"an entry is to be sealed within {_span(left_s)}", advice))
    promised = facts.promised
    if promised is not None and facts.thread_start is not None:
        left_s = (promised.anchor_by_ms - now_ms) / 1000
        if left_s < 0:
            found.append(error(check, f"an entry was to be anchored {_span(-left_s)} ago, and is in no block", advice))
        elif now_ms >= lapses_from_ms(promised):
            found.append(warning(check, f"an entry is to be in a block within {_span(left_s)}", advice))
    return found or [ok(check, "none is near its time")]


def headers(tip: int, best: int | None, shortfall: str | None, synced: str) -> Finding:
    """Judge a header store whose tip is at height ``tip`` while the sources are at ``best``."""
    check, advice = "headers", "run `anchorline headers sync`"
    said = f"the header store is at height {tip}, synchronised from {synced}"
    if shortfall is not None:
        return warning(check, f"the header store's chain: {shortfall}", advice)
    if best is not None and best - tip > DAY_S // 600:
        return warning(check, f"{said}, {best - tip} blocks behind", f"{advice}: receipts since then want its headers")
    return ok(check, said)


# --- this machine


def disk(free_bytes: int, day_bytes: int, folder: str) -> Finding:
    """Judge free space against what the log wrote in the last day."""
    check = "disk"
    said = f"{_size(free_bytes)} free at {folder}; the last day took about {_size(day_bytes)}"
    advice = "free some, or move the home to a larger disk; a full disk stops the log, and loses nothing"
    if free_bytes < max(LEAST_FREE_BYTES, day_bytes):
        return error(check, said, advice)
    if free_bytes < max(4 * LEAST_FREE_BYTES, FREE_DAYS * day_bytes):
        return warning(check, said, advice)
    return ok(check, said)


def database(name: str, size_bytes: int, risk: str) -> Finding:
    """Judge a database on a server; ``risk`` says how it could lose what was acknowledged, if it could."""
    if risk:
        return warning("database", f"{name}: {risk}", "set synchronous_standby_names (docs/operate/postgresql.md)")
    return ok("database", f"{name}: {size_bytes} bytes; its server looks after its own files")


def write_ahead_log(size_bytes: int) -> Finding:
    """Judge the size of SQLite's write-ahead log."""
    check = "write-ahead-log"
    if size_bytes > LARGE_WAL_BYTES:
        advice = "a process that reads for hours keeps it from being emptied: find and end it"
        return warning(check, f"{_size(size_bytes)}", advice)
    return ok(check, f"{_size(size_bytes)}")


def settings(found: Settings, network: Network) -> list[Finding]:
    """Judge settings that are allowed each for itself, and make no sense together."""
    check = "settings"
    seal_s, anchor_s = found.seal_every_s, found.anchor_every_s
    odd = [*_promised_too_soon(found)]
    if found.tick_every_s > anchor_s:
        said = f"anchors are looked at every {found.tick_every_s} s, so they are not made every {anchor_s} s"
        odd.append(warning(check, said, "lower tick_every_s"))
    if seal_s > anchor_s:
        said = f"seals are made every {seal_s} s, so an anchor every {anchor_s} s has nothing new to say"
        odd.append(warning(check, said, "lower seal_every_s"))
    if found.silence_s < anchor_s:
        said = f"silence_s {found.silence_s} is shorter than anchor_every_s {anchor_s}: anchors repeat the one before"
        odd.append(warning(check, said, "raise silence_s: each anchor costs a fee"))
    if network.name == "mainnet" and found.spending_cap_sat == 0:
        odd.append(
            warning(check, "nothing limits what a day of anchors may cost in real money", "set spending_cap_sat")
        )
    return odd or [ok(check, f"log on {network.name}, source {found.source}")]


def _promised_too_soon(found: Settings) -> list[Finding]:
    check, odd = "settings", []
    if found.seal_within_s < found.seal_every_s:
        said = f"promises to seal within {found.seal_within_s} s, and seals every {found.seal_every_s} s"
        odd.append(error(check, said, "raise seal_within_s or lower seal_every_s: promises are broken as a rule"))
    elif found.seal_within_s < 2 * found.seal_every_s:
        said = f"seal_within_s {found.seal_within_s}, seal_every_s {found.seal_every_s}: one late seal breaks promises"
        odd.append(warning(check, said, "let seal_within_s be several times seal_every_s"))
    if found.anchor_within_s < found.anchor_every_s:
        said = f"promises to anchor within {found.anchor_within_s} s, and anchors every {found.anchor_every_s} s"
        odd.append(error(check, said, "raise anchor_within_s or lower anchor_every_s: promises are broken as a rule"))
    elif found.anchor_within_s < found.anchor_every_s + ANCHOR_MARGIN_S:
        said = f"anchor_within_s {found.anchor_within_s} leaves less than two hours after anchor_every_s for a block"
        odd.append(warning(check, said, "raise anchor_within_s"))
    return odd


# --- words


def _span(seconds: float) -> str:
    if seconds < 2 * 60:
        return f"{seconds:.0f} seconds"
    if seconds < 2 * HOUR_S:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / HOUR_S:.1f} hours"


def _ahead(seconds: float) -> str:
    return f"{_span(abs(seconds))} {'ahead of' if seconds >= 0 else 'behind'}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB" if size_bytes < 2**30 else f"{size_bytes / 2**30:.1f} GiB"

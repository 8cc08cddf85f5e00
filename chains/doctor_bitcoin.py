"""Checks that look at Bitcoin and at what was anchored: sources, clock, money, anchors, promises, header store.

Input is a home under examination (``chains.examined``), the rules are in ``doctor_rules``. ``chains.doctor`` runs them.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from anchor.alerts import alerts_of
from anchor.bitcoin.agreeing import LAG_BLOCKS
from anchor.bitcoin.http_probe import probe
from anchor.bitcoin.protocols import BlockId, Source
from anchor.bitcoin.transaction import anchors_left, funding_coins, rate_sat_per_vb
from anchor.engine import AnchorEngine, facts_of
from anchor.errors import SourceUnavailableError, StorageBusyError
from anchor.fees import FEE_TARGET_BLOCKS
from anchor.plan import Facts, newest_of
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.rehearsal import MuteSource, Unsigned
from chains import doctor_rules as rules
from chains.deadline import oldest_note
from chains.diagnosis import Finding, error, not_checked, ok, warning
from chains.examined import Examined, NotCheckedError
from chains.header_stores import stored_view
from chains.parallel import all_within
from chains.sources import agreeing, esplora_urls, needed, source_warnings

MEDIAN_SPAN = 11
"""Blocks of which consensus takes the median time."""


@dataclass(frozen=True, slots=True)
class View:
    """What one source sees: its tip, and the newest block times, oldest first."""

    tip: BlockId
    times_s: tuple[int, ...]


def source_checks(subject: Examined) -> list[Finding]:
    """Ask each source for its network and its newest blocks."""
    check, network = "source", subject.network
    views = _views(subject)
    answered = sum(isinstance(view, View) for view in views.values())
    enough = answered >= (needed(subject.settings, network) if len(views) > 1 else 1)
    found = [_source(check, name, view, is_enough=enough) for name, view in views.items()]
    advice = "a second source of somebody else's notices when the first one lies"
    return found + [warning(check, said, advice) for said in source_warnings(subject.settings, network)]


def _source(check: str, name: str, view: View | Exception, *, is_enough: bool) -> Finding:
    if isinstance(view, View):
        return ok(check, f"{name}: height {view.tip.height}, block {hash_hex(view.tip.hash)}")
    if isinstance(view, StorageBusyError):
        return not_checked(check, f"{name}: another process uses it, which may be the daemon")
    if isinstance(view, TimeoutError | SourceUnavailableError) and is_enough:
        return warning(check, f"{name}: {view}", "the other sources are enough until it is back")
    return error(check, f"{name}: {view}", "check its address and credentials, and whether it runs; nothing is sealed")


def agreement_check(subject: Examined) -> list[Finding]:
    """Compare the sources' heights, and their hashes of a block that is deep on the chain of each."""
    tips = {name: view.tip.height for name, view in _answered(subject).items()}
    height = max(min(tips.values(), default=0) - LAG_BLOCKS, 0)
    asked = all_within(
        {name: partial(subject.sources[name].block_hash, height) for name in tips if len(tips) > 1}, subject.answer_s
    )
    hashes = {name: each for name, each in asked.items() if not isinstance(each, Exception)}
    return [rules.agreement(tips, hashes, height)]


def tip_check(subject: Examined) -> list[Finding]:
    """Judge the age of the newest block that any source has."""
    views = [view for view in _answered(subject).values() if view.times_s]
    if not views:
        raise NotCheckedError("no source told of a block")
    best = max(views, key=lambda view: view.tip.height)
    now_s = subject.clock() / 1000
    return [rules.tip_age(subject.network.name, best.tip.height, best.times_s[-1], now_s)]


def clock_check(subject: Examined) -> list[Finding]:
    """Compare this machine's clock with block times, and with the clocks of all HTTP servers in the settings."""
    settings = subject.settings
    urls = {*esplora_urls(settings, subject.network), *settings.timestamp_authorities, *settings.calendars}
    works = {url: partial(probe, url, subject.answer_s, lambda: subject.clock() / 1000) for url in sorted(urls)}
    probes = all_within(works, subject.answer_s)
    dates = {
        url: each.ahead_s
        for url, each in probes.items()
        if not isinstance(each, Exception) and each.ahead_s is not None
    }
    times = {name: view.times_s for name, view in _views(subject).items() if isinstance(view, View)}
    header_rules = subject.network.headers
    is_easy = header_rules.eases_after_s is not None or not header_rules.retargets
    return [rules.clock(subject.clock() / 1000, times, dates, is_easy=is_easy)]


def in_step_check(subject: Examined) -> list[Finding]:
    """Ask Bitcoin whether anybody has anchored more of this log, or with its key, than this home knows."""
    check = "in-step"
    _engine(subject).check_in_step()
    return [ok(check, "Bitcoin shows nothing of this log that this home does not know")]


def funds_check(subject: Examined) -> list[Finding]:
    """Say for how many anchors the thread coin is good, or, before there is one, the coins that could begin it."""
    home, network = subject.home, subject.home.network
    newest = newest_of(_facts(subject))
    address, limit = home.wallet.address, home.policy.limits.low_funds_anchors
    if newest is not None:
        rate = rate_sat_per_vb(network, newest.fee_sat / newest.virtual_size)
        value_sat = newest.transaction().outputs[0].value_sat
    else:
        source = _agreeing(subject)
        coins = source.unspent(home.wallet.script)
        usable = funding_coins(coins, source.tip().height, network)
        if coins and not usable:
            raise NotCheckedError(f"the wallet's {len(coins)} coins are not deep enough yet to begin the thread")
        rate = rate_sat_per_vb(network, source.fee_rate_sat_per_vb(FEE_TARGET_BLOCKS))
        value_sat = sum(coin.value_sat for coin in usable)
    left = anchors_left(value_sat, rate, network.coin_floor_sat)
    return [rules.funds(left, value_sat, rate, limit, address)]


def alerts_check(subject: Examined) -> list[Finding]:
    """Repeat what the engine warns of, as ``anchorline status`` does."""
    home, facts = subject.home, _facts(subject)
    return rules.alerts(alerts_of(facts, home.journal.recent(facts.now_ms), home.network, home.policy.limits))


def last_anchor_check(subject: Examined) -> list[Finding]:
    """Judge the age of the last anchor."""
    home = subject.home
    return [rules.last_anchor(_facts(subject), home.settings.tick_every_s * 1000, home.wallet.address)]


def promises_check(subject: Examined) -> list[Finding]:
    """Judge the oldest promises that are not kept yet."""
    home = subject.home
    newest = home.directory.newest()
    unsealed = oldest_note(home.engine, home.directory, 0 if newest is None else newest.size)
    waits = home.engine.query("SELECT 1 FROM tree WHERE tree_no > 0 AND size > sealed_size LIMIT 1")
    return rules.promises(_facts(subject), unsealed if waits else None)


def headers_check(subject: Examined) -> list[Finding]:
    """Look at this person's header store of the network, where there is one."""
    store = stored_view(subject.network.headers, None)
    if store is None:
        raise NotCheckedError(
            f"there is no header store of {subject.network.name}; `anchorline headers sync` makes one"
        )
    heights = [view.tip.height for view in _views(subject).values() if isinstance(view, View)]
    with closing(store):
        note = store.note()
        return [
            rules.headers(
                store.tip().height,
                max(heights, default=None),
                store.shortfall(),
                "an unknown source" if note is None else str(note),
            )
        ]


BITCOIN_CHECKS: dict[str, Callable[[Examined], Sequence[Finding]]] = {
    "source": source_checks,
    "agreement": agreement_check,
    "tip": tip_check,
    "clock": clock_check,
    "in-step": in_step_check,
    "funds": funds_check,
    "alerts": alerts_check,
    "last-anchor": last_anchor_check,
    "promises": promises_check,
    "headers": headers_check,
}


def _views(subject: Examined) -> dict[str, View | Exception]:
    """Return what each source sees, or what went wrong; asked once an examination."""
    return subject.once("views", lambda: _look_all(subject))


def _look_all(subject: Examined) -> dict[str, View | Exception]:
    views = all_within({name: partial(_look, source) for name, source in subject.sources.items()}, subject.answer_s)
    return {**views, **subject.closed_sources}


def _look(source: Source) -> View:
    source.check_network()
    tip = source.tip()
    # The genesis block's time says nothing of today's clocks.
    first = max(tip.height - MEDIAN_SPAN + 1, 1)
    headers = source.headers_from(first, MEDIAN_SPAN) if tip.height else []
    return View(tip, tuple(Header.decode(raw).time_s for raw in headers))


def _answered(subject: Examined) -> dict[str, View]:
    return {name: view for name, view in _views(subject).items() if isinstance(view, View)}


def _agreeing(subject: Examined) -> Source:
    """Return what the daemon would use, of the sources that could be opened."""
    if subject.closed_sources or not subject.sources:
        raise NotCheckedError("a Bitcoin source could not be opened")
    need = needed(subject.settings, subject.network) if len(subject.sources) > 1 else 1
    return agreeing(subject.sources, need)


def _facts(subject: Examined) -> Facts:
    home = subject.home
    return facts_of(home.directory, home.journal, home.policy, subject.clock(), home.promised)


def _engine(subject: Examined) -> AnchorEngine:
    """Return an engine that can look, and neither sign nor send nor store."""
    home = subject.home
    source, signer = MuteSource(_agreeing(subject)), Unsigned(home.wallet.script)
    return AnchorEngine(home.engine, home.directory, home.journal, source, signer, home.policy)

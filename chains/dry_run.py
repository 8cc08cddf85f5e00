"""What the daemon would do now, and what that would cost, as facts; nothing is signed, sent, sealed or stored.

Input is a home's folder: its database is opened read-only, its Bitcoin source cannot send, and no private key is read.
``anchorline daemon --dry-run`` and ``tick --dry-run`` print the facts.
"""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from anchor.bitcoin.protocols import Source
from anchor.bitcoin.transaction import fee_sat
from anchor.engine import AnchorEngine, facts_of
from anchor.fees import FEE_TARGET_BLOCKS, price_of, spent_sat
from anchor.journal import DAY_MS
from anchor.plan import due_at_ms
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.leaves import ThreadLeaf
from anchor.rehearsal import JOURNAL, MuteSource, Rehearsed, Spending, Unsigned, Would, rehearse
from anchor.storage.databases import database_of
from chains.counted import counted
from chains.highwater import check_high_water, read_high_water
from chains.home import Clock, Home, now_ms
from chains.leading import leading_copy
from chains.settings import FILE_NAME, load_settings
from chains.status import alert_facts, attempt_facts


def dry_run(
    folder: Path, clock: Clock = now_ms, *, at_once: bool = False, source_of: Callable[[Home], Source] | None = None
) -> dict[str, Any]:
    """Return the fields of ``tick --dry-run --json`` for the home in ``folder``; raises what a tick raises.

    ``source_of`` is for tests: it gives another source than the one of the settings.
    """
    settings = load_settings(folder / FILE_NAME)
    database = database_of(folder, settings.database)
    database.check_there(folder)
    with (
        closing(database.open_read_only(JOURNAL)) as stored,
        Home(folder, settings, clock, stored) as home,
        leading_copy(home, "tick"),
    ):
        noted = read_high_water(home.directory.log.log_id)
        if noted is not None:
            check_high_water(home.high_water(), noted)
        source = MuteSource(home.source if source_of is None else source_of(home))
        signer = home.signer if settings.signer == "psbt" else Unsigned(home.wallet.script)
        engine = AnchorEngine(
            *(stored, home.directory, home.journal, source, signer, home.policy, home.promised),
            published=home.published_checkpoint,
        )
        now = clock()
        rehearsed = rehearse(engine, now, at_once=at_once)
        facts = {"signer": settings.signer, "seal": _seal_facts(home, engine), **_rehearsed_facts(rehearsed)}
        return facts | {"next_due_in_s": _next_due_s(home, now), "pace": _pace(home, source, now, rehearsed.spending)}


def _seal_facts(home: Home, engine: AnchorEngine) -> dict[str, Any]:
    """Return what the next seal would take in; it is not made, so what is rehearsed anchors the newest one there is."""
    changed, entries = home.engine.query(
        "SELECT COUNT(*), COALESCE(SUM(size - sealed_size), 0) FROM tree WHERE tree_no > 0 AND size > sealed_size"
    )[0]
    threads = [leaf.outpoint for leaf in engine.leaves_to_seal() if isinstance(leaf, ThreadLeaf)]
    return {
        "chains": int(changed),
        "entries": int(entries),
        "thread_coin": str(threads[0]) if threads else None,
    }


def _rehearsed_facts(rehearsed: Rehearsed) -> dict[str, Any]:
    return {
        "would": str(rehearsed.would),
        "why": rehearsed.why,
        "anchor": None if rehearsed.spending is None else _spending_facts(rehearsed.spending),
        "attempts": [attempt_facts(attempt) for attempt in rehearsed.attempts],
        "alerts": [alert_facts(alert) for alert in rehearsed.alerts],
    }


def _spending_facts(spending: Spending) -> dict[str, Any]:
    return {
        "txid": hash_hex(spending.txid),
        "is_new": spending.is_new,
        "replaces": spending.replaces,
        "checkpoint_size": spending.checkpoint_size,
        "inputs": [{"outpoint": str(outpoint), "value_sat": value} for outpoint, value in spending.inputs],
        "fee_sat": spending.fee_sat,
        "virtual_size": spending.virtual_size,
        "rate_sat_per_vb": round(spending.rate_sat_per_vb, 3),
        "payload": spending.payload.hex(),
        "left_sat": spending.left_sat,
        "anchors_left": spending.anchors_left,
    }


def _next_due_s(home: Home, now: int) -> int | None:
    """Return in how many seconds the anchor after the rehearsed one is due if nothing else is sealed; None: never."""
    facts = facts_of(home.directory, home.journal, home.policy, now, home.promised)
    due_ms = due_at_ms(facts)
    return None if due_ms is None else max(due_ms - now, 0) // 1000


def _pace(home: Home, source: Source, now: int, spending: Spending | None) -> dict[str, Any]:
    """Return what a day of anchors at the settings' pace costs at today's price, and what is allowed and spent."""
    this = (None, 0) if spending is None else (spending.inputs[0][0], spending.fee_sat)
    price = price_of(home.network, source.fee_rate_sat_per_vb(FEE_TARGET_BLOCKS), source.least_rate_sat_per_vb())
    anchors_a_day = -(-DAY_MS // home.policy.anchor_every_ms)
    return {
        "rate_sat_per_vb": price.rate_sat_per_vb,
        "is_estimated": price.is_estimated,
        "anchors_a_day": anchors_a_day,
        "most_a_day_sat": anchors_a_day * fee_sat(1, price.rate_sat_per_vb),
        "spent_24_h_sat": spent_sat(home.journal.recent(now), now, *this),
        "spending_cap_sat": home.policy.limits.spending_cap_sat,
    }


def dry_run_lines(facts: dict[str, Any]) -> list[str]:
    """Return the facts of ``dry_run`` for people."""
    return [
        "Dry run: nothing was signed, sent, sealed or stored.",
        *_seal_lines(facts["seal"]),
        *(_wait_lines(facts) if facts["anchor"] is None else _anchor_lines(facts["would"], facts["anchor"])),
        *_due_lines(facts),
        *_pace_lines(facts["pace"]),
        *(f"  ALERT {alert['name']}: {alert['message']}" for alert in facts["alerts"]),
    ]


def _seal_lines(seal: dict[str, Any]) -> list[str]:
    lines = []
    if seal["entries"]:
        lines.append(
            f"  would seal {counted(seal['entries'], 'entries')} of {counted(seal['chains'], 'chains')} first; "
            f"the anchor below carries the "
            "newest checkpoint that there is"
        )
    if seal["thread_coin"]:
        lines.append(f"  would begin the thread with coin {seal['thread_coin']} in that seal")
    return lines


def _wait_lines(facts: dict[str, Any]) -> list[str]:
    return [f"  would send nothing: {facts['why']}"]


def _due_lines(facts: dict[str, Any]) -> list[str]:
    if facts["next_due_in_s"] is None or facts["would"] == Would.ASK:
        return []
    return [f"  next anchor due in {facts['next_due_in_s']} s"]


def _anchor_lines(would: str, anchor: dict[str, Any]) -> list[str]:
    replacing = f", replacing attempt {anchor['replaces']}" if anchor["replaces"] else ""
    sends = "send" if anchor["is_new"] else "send again"
    return [
        f"  would {'ask for a signature of' if would == Would.ASK else sends} {anchor['txid']}{replacing}",
        *(f"  input {each['outpoint']}: {_sat(each['value_sat'])}" for each in anchor["inputs"]),
        f"  fee {anchor['fee_sat']} sat: {anchor['virtual_size']} vB at {anchor['rate_sat_per_vb']:g} sat/vB",
        f"  payload {anchor['payload']}: the checkpoint of {anchor['checkpoint_size']} leaves",
        (
            f"  left in the thread coin {anchor['left_sat']} sat, about {counted(anchor['anchors_left'], 'anchors')} "
            f"at this rate"
        ),
    ]


def _sat(value: int | None) -> str:
    return "value not stored" if value is None else f"{value} sat"


def _pace_lines(pace: dict[str, Any]) -> list[str]:
    cap = f"of {pace['spending_cap_sat']} sat allowed" if pace["spending_cap_sat"] else "no spending cap is set"
    kind = "estimated" if pace["is_estimated"] else "no estimate: the network's fallback"
    most = f"{pace['most_a_day_sat']} sat at {pace['rate_sat_per_vb']:g} sat/vB ({kind})"
    return [
        f"  at the settings' pace at most {counted(pace['anchors_a_day'], 'anchors')} a day, {most}",
        f"  the last 24 hours, this anchor included: {pace['spent_24_h_sat']} sat; {cap}",
    ]

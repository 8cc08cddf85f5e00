"""The state of a home as facts: what ``anchorline status`` prints.

Everything comes from the database; the Bitcoin source is asked for the wallet's coins, and its silence is a fact too.
"""

from dataclasses import asdict
from typing import Any

from anchor.alerts import Alert, AlertName, alerts_of
from anchor.bitcoin.transaction import anchors_left, rate_sat_per_vb
from anchor.engine import facts_of
from anchor.epochs import Epochs
from anchor.errors import BehindError, HijackedThreadError, SettingsError, SourceError, StorageBusyError
from anchor.journal import Attempt
from anchor.lease import Leases, is_free
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.timestamps import Timestamps
from chains.home import Home

SHOWN_ATTEMPTS = 10


def status_of(home: Home) -> dict[str, Any]:
    """Return the facts of a home (the fields of ``status --json``)."""
    log = home.directory.log
    newest = home.directory.newest()
    counts = home.engine.query(
        "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(size - sealed_size), 0) FROM tree WHERE tree_no > 0"
    )[0]
    wallet, source_error = _wallet(home)
    facts = facts_of(home.directory, home.journal, home.policy, home.clock(), home.promised)
    alerts = (
        *_out_of_step(home),
        *alerts_of(facts, home.journal.recent(facts.now_ms), home.network, home.policy.limits),
    )
    return {
        "origin": log.origin,
        "log_id": log.log_id.hex(),
        "network": home.network.name,
        "chains": counts[0],
        "entries": counts[1],
        "unsealed": counts[2],
        "checkpoint": None
        if newest is None
        else {"size": newest.size, "seal_number": newest.seal_number, "root": newest.root.hex()},
        "attempts": [attempt_facts(attempt) for attempt in home.journal.newest(SHOWN_ATTEMPTS)],
        "epochs": [asdict(leaf) for leaf in Epochs(home.engine, home.directory).sealed()],
        "alerts": [alert_facts(alert) for alert in alerts],
        "lease": _lease(home),
        "time_stamps": _time_stamps(home),
        "wallet": wallet,
        "source_error": source_error,
    }


def _lease(home: Home) -> dict[str, Any]:
    """Return who may seal and anchor now: the holder of the lease, None where it is free for anybody."""
    lease = Leases(home.engine).read()
    holder = None if is_free(lease, home.clock()) else lease.holder
    return {
        "fence": lease.fence,
        "holder": None if holder is None else {"work": holder.work, "process": holder.pid, "host": holder.host},
        "since_ms": None if holder is None else lease.taken_at_ms,
        "until_ms": None if holder is None else lease.expires_at_ms,
    }


def _time_stamps(home: Home) -> dict[str, Any]:
    """Return how many time stamps are kept, and what each authority that fails said last."""
    kept = Timestamps(home.engine)
    failing = {url: kept.failures(url) for url in home.settings.timestamp_authorities}
    return {"kept": kept.count(), "failing": {url: found[0].cause for url, found in failing.items() if found}}


def attempt_facts(attempt: Attempt) -> dict[str, Any]:
    """Return what is shown of an attempt to anchor."""
    block = attempt.standing.block
    return {
        "attempt": attempt.attempt_no,
        "state": str(attempt.state),
        "txid": hash_hex(attempt.txid),
        "checkpoint_size": attempt.checkpoint_size,
        "fee_sat": attempt.fee_sat,
        "block": None if block is None else {"height": block.height, "hash": hash_hex(block.hash)},
    }


def alert_facts(alert: Alert) -> dict[str, str]:
    """Return what is shown of an alert."""
    return {"name": str(alert.name), "message": alert.message}


def _out_of_step(home: Home) -> tuple[Alert, ...]:
    """Return what would be refused now: this home is behind its log, or its thread is lost and no new one is begun."""
    try:
        home.check_high_water()
        if home.published_checkpoint is not None:
            home.published_checkpoint.check()
    except BehindError as error:
        return (Alert(AlertName.BEHIND, str(error)),)
    except SourceError as error:
        return (Alert(AlertName.PUBLISHED_UNREAD, str(error)),)
    try:
        home.source.check_network()
        home.unchecked_anchoring.in_step.check()
    except BehindError as error:
        return (Alert(AlertName.BEHIND, str(error)),)
    except HijackedThreadError as error:
        return (Alert(AlertName.THREAD_LOST, str(error)),)
    except (SourceError, StorageBusyError, SettingsError):
        return ()  # shown beside the wallet, which needs the same source
    return ()


def _wallet(home: Home) -> tuple[dict[str, Any], str | None]:
    facts: dict[str, Any] = {"address": home.wallet.address, "balance_sat": None, "anchors_left": None}
    try:
        coins = home.source.unspent(home.wallet.script)
        rate = rate_sat_per_vb(home.network, home.source.fee_rate_sat_per_vb(6))
    except (SourceError, StorageBusyError, SettingsError) as error:
        return facts, str(error)
    balance_sat = sum(coin.value_sat for coin in coins)
    left = anchors_left(balance_sat, rate, home.network.coin_floor_sat)
    return facts | {"balance_sat": balance_sat, "anchors_left": left}, None

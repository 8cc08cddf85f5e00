"""Prometheus metrics of a log: what its database says when it is asked, and what this process has counted.

``HomeMetrics`` reads one home, through an engine of its own that cannot write; ``ProcessMetrics`` is told what happens.
``anchorline daemon --metrics`` and the API serve ``metrics_text`` (docs/operate/metrics.md has every name).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from anchor.alerts import AlertName, alerts_of
from anchor.bitcoin.transaction import anchors_left, rate_sat_per_vb
from anchor.engine import facts_of
from anchor.errors import SettingsError, SourceError
from anchor.journal import Attempt
from anchor.lease import Leases
from anchor.lifecycle import MINED, Event, State
from anchor.log import DIRECTORY
from anchor.proof.errors import AnchorlineError
from anchor.storage.databases import database_of
from chains.deadline import oldest_note
from chains.home import Clock, Home, now_ms
from chains.log_lines import read_line
from chains.settings import FILE_NAME, load_settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "anchorline_"
# From a group commit of one entry on a fast disk to one that waited for a whole seal.
_COMMIT_BUCKETS_S = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 10.0)
_BATCH_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384)


class ProcessMetrics:
    """What this process counts; any thread may tell it. Lost with the process, as counters are."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def named(name: str) -> str:
            return _PREFIX + name

        self._acknowledged = Counter(
            named("acknowledged_entries"), "Entries whose promise was handed out by this process.", registry=registry
        )
        self._refused = Counter(
            named("refused_writes"), "Writes that were refused because too much was waiting.", registry=registry
        )
        self._commit_s = Histogram(
            named("commit_seconds"), "Time of a group commit.", buckets=_COMMIT_BUCKETS_S, registry=registry
        )
        self._commit_entries = Histogram(
            named("commit_entries"), "Entries of a group commit.", buckets=_BATCH_BUCKETS, registry=registry
        )
        self._queue = Gauge(named("queue_depth"), "Pieces of work that wait for a group commit.", registry=registry)
        self._events = Counter(
            named("events"), "Lines of the log, by event and job.", ("event", "job"), registry=registry
        )
        self.tip_height: int | None = None
        """Height of the best chain as last seen by this process."""

    def committed(self, entries: int, took_s: float) -> None:
        """Count a group commit: its entries (durable now), and how long it took in seconds."""
        self._acknowledged.inc(entries)
        self._commit_entries.observe(entries)
        self._commit_s.observe(took_s)

    def refused(self) -> None:
        """Count a write that was refused because too much was waiting."""
        self._refused.inc()

    def watch_queue(self, depth: Callable[[], int]) -> None:
        """Ask ``depth`` whenever the metrics are read."""
        self._queue.set_function(depth)

    def counting(self, report: Callable[[str], None], tip: Callable[[], int] | None = None) -> Callable[[str], None]:
        """Return what writes a log line with ``report`` and counts it.

        When a tick is done, ``tip`` is asked for the height of the best chain, on the thread that ticked.
        """

        def counted(text: str) -> None:
            line = read_line(text)
            job = str(line.fields.get("job", ""))
            self._events.labels(line.event, job).inc()
            report(text)
            if tip is not None and (line.event, job) == ("done", "tick"):
                with suppress(SourceError):
                    self.tip_height = tip()

        return counted


class HomeMetrics(Collector):
    """What one home's database says; it is opened for each look and closed again, and never written to.

    Where it cannot be read, ``anchorline_readable`` is 0 and nothing else is said.
    """

    def __init__(self, folder: Path, process: ProcessMetrics, clock: Clock = now_ms) -> None:
        self._folder = folder
        self._process = process
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as of now."""
        try:
            found = self._read()
        except (AnchorlineError, OSError):
            found = []
        yield _gauge("readable", "Whether the database could be read (1) or not (0).", 1 if found else 0)
        yield from found

    def _read(self) -> list[Metric]:
        settings = load_settings(self._folder / FILE_NAME)
        engine = database_of(self._folder, settings.database).open_read_only()
        with Home(self._folder, settings, self._clock, engine) as home:
            watched = home.journal.watched()
            return [
                *_log_metrics(home),
                *_anchor_metrics(home, watched, self._process.tip_height),
                *_money_metrics(home, watched),
                *_lease_metrics(home),
                *_file_metrics(home),
            ]


def _file_metrics(home: Home) -> Iterator[Metric]:
    database = home.database
    yield _gauge("database_bytes", "Size of the database file.", database.size_bytes())
    yield _gauge("write_ahead_log_bytes", "Size of its write-ahead log.", database.write_ahead_bytes())


def registry_of(folder: Path, clock: Clock = now_ms) -> tuple[CollectorRegistry, ProcessMetrics]:
    """Return a registry with everything about one home, and what to tell of this process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has no types; one more series for each counter, which nobody asks for
    registry = CollectorRegistry(auto_describe=False)
    process = ProcessMetrics(registry)
    registry.register(HomeMetrics(folder, process, clock))
    return registry, process


def metrics_text(registry: CollectorRegistry) -> bytes:
    """Return all metrics in Prometheus' text format (``CONTENT_TYPE``)."""
    return generate_latest(registry)


@contextmanager
def serving_metrics(registry: CollectorRegistry, host: str, port: int) -> Iterator[int]:
    """Serve the metrics over HTTP on a thread of its own meanwhile; yield the port (0 takes a free one).

    For a private address: nobody is asked who he is. Raises SettingsError where nobody can listen there.
    """
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(f"--metrics {host}:{port}: cannot listen there: {error.strerror}") from error
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- the database


def _log_metrics(home: Home) -> Iterator[Metric]:
    chains, entries, unsealed = home.engine.query(
        "SELECT COUNT(*), COALESCE(SUM(size), 0), COALESCE(SUM(size - sealed_size), 0) FROM tree WHERE tree_no > 0"
    )[0]
    newest = home.directory.newest()
    now_s = home.clock() / 1000
    yield _gauge("chains", "Chains.", chains)
    yield _counter("entries", "Entries recorded and promised since the log began.", entries)
    yield _gauge("unsealed_entries", "Entries that are in no seal yet.", unsealed)
    yield _gauge("directory_leaves", "Leaves of the directory.", home.trees.state(DIRECTORY).size)
    if newest is not None:
        yield _gauge("last_seal_timestamp_seconds", "When the newest seal was made.", newest.sealed_at_ms / 1000)
    waiting = oldest_note(home.engine, home.directory, 0 if newest is None else newest.size) if unsealed else None
    lag_s = 0.0 if waiting is None else max(0.0, now_s - waiting.received_at_ms / 1000)
    yield _gauge("seal_lag_seconds", "Age of the oldest entry that is not sealed; 0 where all are.", lag_s)
    if waiting is not None:
        left_s = waiting.seal_by_ms / 1000 - now_s
        yield _gauge("seal_promise_left_seconds", "Until the oldest promise to seal is broken; absent: none.", left_s)


def _anchor_metrics(home: Home, watched: Sequence[Attempt], tip_height: int | None) -> Iterator[Metric]:
    mined = [attempt for attempt in watched if attempt.state in MINED]
    newest = max(mined, key=lambda attempt: attempt.checkpoint_size, default=home.journal.newest_settled())
    states = GaugeMetricFamily(_PREFIX + "attempts", "Attempts that are still watched, by state.", labels=["state"])
    for state in State:
        states.add_metric([str(state)], sum(attempt.state == state for attempt in watched))
    yield states
    if tip_height is not None:
        yield _gauge("bitcoin_tip_height", "Height of the best chain as this process saw it last.", tip_height)
    if newest is not None and newest.standing.block is not None:
        height = newest.standing.block.height
        yield _gauge(
            "last_anchor_timestamp_seconds", "When the newest mined anchor was made.", newest.made_at_ms / 1000
        )
        yield _gauge("anchor_block_height", "Block of the newest mined anchor.", height)
        yield _gauge("anchored_leaves", "Directory leaves under the newest mined anchor.", newest.checkpoint_size)
        if tip_height is not None:
            # The tip is that of the last look, and may be older than the anchor's block, which has one in any case.
            count = max(1, tip_height - height + 1)
            yield _gauge("anchor_confirmations", "Blocks from the newest mined anchor's to the tip.", count)
    waiting = oldest_note(home.engine, home.directory, 0 if newest is None else newest.checkpoint_size)
    if waiting is not None:
        left_s = (waiting.anchor_by_ms - home.clock()) / 1000
        yield _gauge(
            "anchor_promise_left_seconds", "Until the oldest promise to anchor is broken; absent: none.", left_s
        )
    yield _counter("reorgs", "Times that an anchor's block left the best chain.", _events(home, Event.LEFT_BLOCK))
    yield _counter("replacements", "Times that an anchor gave way to a newer version.", _events(home, Event.SUPERSEDED))
    yield _alerts(home)


def _money_metrics(home: Home, watched: Sequence[Attempt]) -> Iterator[Metric]:
    # An attempt is in a block where its last in-block came after its last left-block (``anchor.lifecycle``).
    query = (
        "SELECT COALESCE(SUM(fee_sat), 0) FROM attempt WHERE "
        "COALESCE((SELECT MAX(event_no) FROM attempt_event AS e WHERE e.attempt_no = attempt.attempt_no "
        "AND e.event = ?), 0) > COALESCE((SELECT MAX(event_no) FROM attempt_event AS e "
        "WHERE e.attempt_no = attempt.attempt_no AND e.event = ?), 0)"
    )
    spent_sat = int(home.engine.query(query, (str(Event.IN_BLOCK), str(Event.LEFT_BLOCK)))[0][0])
    yield _gauge("fees_spent_sat", "Fees of all mined anchors, in satoshi; a reorganisation lowers it.", spent_sat)
    gone = {State.REPLACED, State.VOID}
    live = [attempt for attempt in watched if attempt.state not in gone]
    newest = live[-1] if live else home.journal.newest_settled()
    if newest is None:
        return
    coin_sat = newest.transaction().outputs[0].value_sat
    rate = rate_sat_per_vb(home.network, newest.fee_sat / newest.virtual_size)
    left = anchors_left(coin_sat, rate, home.network.coin_floor_sat)
    yield _gauge("thread_coin_sat", "The thread coin: all funds that have joined, in satoshi.", coin_sat)
    yield _gauge("anchors_left", "Anchors that the thread coin pays for at the newest one's fee rate.", left)


def _events(home: Home, event: Event) -> int:
    return int(home.engine.query("SELECT COUNT(*) FROM attempt_event WHERE event = ?", (str(event),))[0][0])


def _alerts(home: Home) -> Metric:
    facts = facts_of(home.directory, home.journal, home.policy, home.clock(), home.promised)
    raised = {
        alert.name for alert in alerts_of(facts, home.journal.recent(facts.now_ms), home.network, home.policy.limits)
    }
    family = GaugeMetricFamily(_PREFIX + "alert", "Whether `anchorline status` shows this alert.", labels=["name"])
    for name in AlertName:
        family.add_metric([str(name)], int(name in raised))
    return family


def _lease_metrics(home: Home) -> Iterator[Metric]:
    lease = Leases(home.engine).read()
    yield _counter("lease_changes", "Holders that the lease of sealing and anchoring has had.", lease.fence)
    yield _gauge("lease_held", "Whether somebody holds that lease.", int(lease.holder is not None))


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, about, value=value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, about, value=value)


def names_of(registry: CollectorRegistry) -> Mapping[str, tuple[str, ...]]:
    """Return every sample's name, with the labels that it has."""
    samples: Iterable[tuple[str, tuple[str, ...]]] = (
        (sample.name, tuple(sample.labels)) for family in registry.collect() for sample in family.samples
    )
    return dict(samples)

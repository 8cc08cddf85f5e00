"""Metrics of a home through its life, and the rules and the dashboard that rest on them."""

import json
import re
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from anchor.alerts import AlertName
from chains.metrics import ProcessMetrics, metrics_text, names_of, registry_of, serving_metrics
from chains.settings import Settings
from tests.homes import flush, lose_database, state_of
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import HOUR_MS, Service, new_service

ROOT = Path(__file__).parents[3]
RULES = ROOT / "docs" / "operate" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "docs" / "operate" / "prometheus" / "dashboard.json"
PAGE = ROOT / "docs" / "operate" / "metrics.md"
MATURE = 101


@pytest.fixture
def service(tmp_path: Path, bitcoin: SimulatedBitcoin) -> Iterator[Service]:
    """A funded log with a chain."""
    with new_service(tmp_path / "home", bitcoin) as made:
        made.open_chain("acme")
        bitcoin.mine(1, made.wallet.script)
        bitcoin.mine(MATURE - 1)
        yield made


def read(service: Service, process: ProcessMetrics | None = None) -> dict[str, float]:
    """Scrape, and read the text as Prometheus does: samples by name and labels."""
    registry, own = registry_of(service.home.folder, service.clock)
    own.tip_height = None if process is None else process.tip_height
    text = metrics_text(registry).decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        sample.name + "".join(f",{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for sample in samples
    }


def test_a_log_that_waits_says_how_long(service: Service) -> None:
    """Lag is the age of the oldest entry that is not sealed; the promise to seal has the rest of its time."""
    service.clock.pass_ms(60_000)
    service.add("acme", b"a", b"b")
    service.clock.pass_ms(30_000)
    found = read(service)
    assert (3, 3, 1, 0) == (
        found["anchorline_entries_total"],
        found["anchorline_unsealed_entries"],
        found["anchorline_chains"],
        found["anchorline_directory_leaves"],
    )
    assert 90 == found["anchorline_seal_lag_seconds"]
    assert service.home.settings.seal_within_s - 90 == found["anchorline_seal_promise_left_seconds"]
    assert service.home.settings.anchor_within_s - 90 == found["anchorline_anchor_promise_left_seconds"]
    assert "anchorline_last_seal_timestamp_seconds" not in found
    assert "anchorline_last_anchor_timestamp_seconds" not in found


def test_a_sealed_log_has_no_lag(service: Service) -> None:
    """After a seal nothing waits for one, and the promise to anchor still runs."""
    service.clock.pass_ms(5_000)
    sealed = service.seal()
    assert sealed is not None
    service.clock.pass_ms(60_000)
    found = read(service)
    assert (0, 0) == (found["anchorline_seal_lag_seconds"], found["anchorline_unsealed_entries"])
    assert "anchorline_seal_promise_left_seconds" not in found
    assert sealed.size == found["anchorline_directory_leaves"]
    assert sealed.sealed_at_ms / 1000 == found["anchorline_last_seal_timestamp_seconds"]
    assert 0 < found["anchorline_anchor_promise_left_seconds"]


def test_an_anchor_has_age_cost_and_confirmations(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Fees count when they are mined; what is left is what the thread coin pays for."""
    service.clock.pass_ms(1)
    service.seal()
    service.tick(at_once=True)
    assert 0 == read(service)["anchorline_fees_spent_sat"]
    bitcoin.mine(3)
    service.clock.pass_ms(HOUR_MS)
    service.tick()
    [attempt] = service.attempts()
    _, process = registry_of(service.home.folder, service.clock)
    process.tip_height = bitcoin.tip().height
    found = read(service, process)
    assert attempt.fee_sat == found["anchorline_fees_spent_sat"]
    assert attempt.transaction().outputs[0].value_sat == found["anchorline_thread_coin_sat"]
    assert 100 < found["anchorline_anchors_left"]
    assert attempt.made_at_ms / 1000 == found["anchorline_last_anchor_timestamp_seconds"]
    assert attempt.checkpoint_size == found["anchorline_anchored_leaves"]
    assert 3 == found["anchorline_anchor_confirmations"]
    assert 1 == found[f"anchorline_attempts,state={attempt.state}"]
    assert "anchorline_anchor_promise_left_seconds" not in found


def test_a_reorganisation_is_counted_and_takes_the_fee_back(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """The counter stays; what was spent is what is in blocks of the best chain."""
    service.seal()
    service.tick(at_once=True)
    bitcoin.mine(1)
    service.tick()
    found = read(service)
    assert (0, service.attempts()[0].fee_sat) == (found["anchorline_reorgs_total"], found["anchorline_fees_spent_sat"])
    bitcoin.reorg(1, drop=True)
    service.tick()
    service.tick()
    found = read(service)
    assert (1, 0) == (found["anchorline_reorgs_total"], found["anchorline_fees_spent_sat"])


def test_alerts_are_those_of_status(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Each name has a sample, 1 while it is raised."""
    service.seal()
    service.tick(at_once=True)
    assert 0 == read(service)["anchorline_alert,name=stuck"]
    service.clock.pass_ms(13 * HOUR_MS)
    bitcoin.mine(1)
    found = read(service)
    assert 1 == found["anchorline_alert,name=stuck"]
    assert 0 == found["anchorline_alert,name=low-funds"]


def test_a_database_that_cannot_be_read_says_so(service: Service) -> None:
    """One sample, 0, and no number that nobody knows; what the process counted is still there."""
    assert 1 == read(service)["anchorline_readable"]
    service.home.close()
    lose_database(service.home.folder)
    found = read(service)
    assert 0 == found["anchorline_readable"]
    assert "anchorline_entries_total" not in found
    assert 0 == found["anchorline_acknowledged_entries_total"]


def test_looking_changes_nothing(service: Service) -> None:
    """The database is opened to read only: all of it is what it was."""
    flush(service.home.folder)
    before = state_of(service.home.folder)
    read(service)
    assert before == state_of(service.home.folder)


def test_a_process_counts_what_it_is_told(service: Service) -> None:
    """Commits with entries and time, refusals, the queue at the moment of the look, and lines of the log by job."""
    registry, process = registry_of(service.home.folder, service.clock)
    waiting, said = [3], list[str]()
    process.watch_queue(lambda: waiting[0])
    process.committed(500, 0.003)
    process.committed(1, 0.7)
    process.refused()
    report = process.counting(said.append)
    for line in (
        "event=done job=tick",
        "event=done job=tick",
        "event=failed job=seal error=X message='no'",
        "event=stopped",
    ):
        report(line)
    waiting[0] = 7
    text = metrics_text(registry).decode()
    for sample in (
        "anchorline_acknowledged_entries_total 501.0",
        "anchorline_refused_writes_total 1.0",
        "anchorline_queue_depth 7.0",
        'anchorline_commit_seconds_bucket{le="0.004"} 1.0',
        'anchorline_commit_seconds_bucket{le="1.0"} 2.0',
        "anchorline_commit_seconds_count 2.0",
        "anchorline_commit_entries_sum 501.0",
        'anchorline_events_total{event="done",job="tick"} 2.0',
        'anchorline_events_total{event="failed",job="seal"} 1.0',
        'anchorline_events_total{event="stopped",job=""} 1.0',
    ):
        assert f"\n{sample}\n" in text, sample
    assert 4 == len(said)


def test_several_may_look_at_once(service: Service) -> None:
    """Two scrapes in two threads, beside a writer, each get the whole."""
    registry, _ = registry_of(service.home.folder, service.clock)
    texts: list[bytes] = []
    threads = [threading.Thread(target=lambda: texts.append(metrics_text(registry))) for _ in range(4)]
    for thread in threads:
        thread.start()
    service.add("acme", b"meanwhile")
    for thread in threads:
        thread.join()
    assert [True] * 4 == [b"anchorline_readable 1.0" in text for text in texts]


# --- rules and dashboard


def rules() -> list[dict[str, Any]]:
    """The alert rules as Prometheus reads them."""
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text())["panels"])


def expressions() -> list[str]:
    """Every PromQL text, with Grafana's variables filled in."""
    shown = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [rule["expr"] for rule in rules()] + [text.replace("$instance", "log:9464") for text in shown]


def every_name(service: Service, bitcoin: SimulatedBitcoin) -> dict[str, tuple[str, ...]]:
    """Every sample that a log gives at some time of its life, with its labels."""
    registry, process = registry_of(service.home.folder, service.clock)
    names = dict(names_of(registry))
    service.anchor(bitcoin)
    process.tip_height = bitcoin.tip().height
    process.counting(lambda _: None)("event=done job=tick")
    names |= names_of(registry)
    service.add("acme", b"waits")
    return {**names, **names_of(registry)}


def test_every_metric_that_is_named_exists(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Rules, dashboard and page name what is there, with labels that it has; the page names all of it."""
    known = every_name(service, bitcoin)
    for text in expressions():
        assert set() == set(re.findall(r"\banchorline_\w+", text)) - set(known), text
        for name, labels in re.findall(r"\b(anchorline_\w+)\{([^}]*)\}", text):
            wanted = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", labels)) - {"instance"}
            assert wanted <= set(known[name]), text
    families = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in known}
    page = set(re.findall(r"`(anchorline_\w+?)(?:_total)?`", PAGE.read_text()))
    assert families == page


def test_every_expression_parses() -> None:
    """As PromQL, by an implementation of its own grammar; one that is wrong is found."""
    for text in expressions():
        promql_parser.parse(text)
    with pytest.raises(ValueError, match=r".+"):
        promql_parser.parse("sum by (rate(anchorline_entries_total[5m])")


def test_rules_are_whole() -> None:
    """Each has a name of its own, a severity, a summary, and a runbook; names of alerts in them exist."""
    names = [rule["alert"] for rule in rules()]
    assert sorted(set(names)) == sorted(names)
    assert all(re.fullmatch(r"Anchorline[A-Z]\w+", name) for name in names)
    for rule in rules():
        assert (
            {"alert", "expr", "labels", "annotations"} <= set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        )
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert {"summary", "runbook"} == set(rule["annotations"])
        for page in re.findall(r"docs/[\w./-]+\.md", rule["annotations"]["runbook"]):
            assert (ROOT / page).is_file(), page
        for command in re.findall(r"`anchorline (\w+)", rule["annotations"]["runbook"]):
            assert command in {"doctor", "status", "wallet"}
    named = {
        name for rule in rules() for found in re.findall(r'name=~?"([^"]+)"', rule["expr"]) for name in found.split("|")
    }
    assert named <= {str(name) for name in AlertName}


def test_thresholds_fit_the_settings() -> None:
    """A new home in order raises nothing: what a rule allows is more than the pace of the settings needs."""
    settings = Settings("testnet4", "core")

    def threshold(alert: str) -> float:
        [expr] = [rule["expr"] for rule in rules() if rule["alert"] == alert]
        return float(eval(re.split(r"[<>]", expr)[-1], {"__builtins__": {}}))

    assert 2 * settings.seal_every_s <= threshold("AnchorlineSealsLate") < settings.seal_within_s / 2
    assert settings.seal_every_s < threshold("AnchorlineSealPromiseLapses") < settings.seal_within_s / 2
    assert settings.anchor_every_s < threshold("AnchorlineAnchorPromiseLapses") < settings.anchor_within_s / 2
    assert settings.silence_s < threshold("AnchorlineAnchorOld") < settings.anchor_within_s
    assert settings.low_funds_anchors == threshold("AnchorlineFundsLow") > threshold("AnchorlineFundsOut")


def test_the_dashboard_is_whole() -> None:
    """Panels have ids and places of their own, each with something to show, and no data source of anybody's."""
    found = panels()
    assert sorted({panel["id"] for panel in found}) == [panel["id"] for panel in found]
    taken: set[tuple[int, int]] = set()
    for panel in found:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert set() == cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["title"]
        assert panel["targets"]
        assert "${datasource}" == panel["datasource"]["uid"]


def test_the_text_is_served_over_http(service: Service) -> None:
    """What ``daemon --metrics`` starts answers Prometheus on its address, and is gone when it is closed."""
    registry, _ = registry_of(service.home.folder, service.clock)
    with serving_metrics(registry, "127.0.0.1", 0) as port:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60)
        with answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert b"anchorline_readable 1.0" in answer.read()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60)

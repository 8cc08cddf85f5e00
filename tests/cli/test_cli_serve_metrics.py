"""``serve --metrics``: what the process counts and what the database says, for whoever can reach the address."""

import urllib.request
from pathlib import Path

from chains.access import Role
from tests.simulators.api_server import make_home, make_key, serving
from tests.waiting import wait_until


def samples_at(url: str) -> dict[str, float]:
    """Scrape; return the samples."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        lines = [line for line in answer.read().decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_serve_counts_what_it_acknowledges(tmp_path: Path) -> None:
    """Each entry that was answered is counted once, in the process and in the log; ticks beside it give the tip."""
    home = make_home(tmp_path)
    key = make_key(home, "", Role.OPERATOR)  # what an organisation's keys do is recorded too, at every seal
    with serving(home, "--metrics", "127.0.0.1:0") as server:
        [line] = [line for line in server.lines if line.startswith("event=metrics listen=")]
        url = f"http://{line.split('listen=')[1].strip()}/metrics"
        before = samples_at(url)
        assert (0, 0) == (before["anchorline_acknowledged_entries_total"], before["anchorline_entries_total"])
        with server.client(key) as client:
            opened = client.post("/v1/chains", json={"name": "acme", "external_ids": ["acme"]})
            opened.raise_for_status()
            for number in range(5):
                client.post(
                    f"/v1/chains/{opened.json()['chain_id']}/entries", content=b"%d" % number
                ).raise_for_status()
        after = samples_at(url)
        assert (6, 6) == (after["anchorline_acknowledged_entries_total"], after["anchorline_entries_total"])
        assert 6 == after["anchorline_commit_entries_sum"]
        assert 1 <= after["anchorline_commit_seconds_count"] <= 6
        assert 0 < after["anchorline_commit_seconds_sum"] < 60
        wait_until(lambda: samples_at(url).get("anchorline_bitcoin_tip_height", 0) >= 1, lambda: server.lines)
        after = samples_at(url)
        assert (1, 1) == (after["anchorline_lease_held"], after["anchorline_lease_changes_total"])
        assert 0 == server.stop()

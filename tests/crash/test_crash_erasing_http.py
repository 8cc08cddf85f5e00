"""A kill -9 of the service before and after each durable step of an erasure over HTTP: asked again, it is done once.

One home and one log for all steps; each erases an entry of its own, and the process that serves next finds what the
one before left on disk. What was intended, it finishes before it answers anybody.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from anchor.proof.codec import sha256
from chains.access import Role
from chains.home import Home
from chains.key_copies import KeyCopies
from tests.crash.killed_server import LAST_OF_FILE, STEPS
from tests.databases import is_switched
from tests.homes import files_of
from tests.simulators.api_server import ApiServer, make_home, make_key, run_beside, running

REASON = "request under Article 17 GDPR, ticket 88"
TAKEN = [step for step in STEPS if not (is_switched() and step == LAST_OF_FILE)]
CASES = [(step, when) for step in TAKEN for when in ("before", "after")]


@dataclass
class Site:
    """A served home whose server can be told where to end, and the entries of a private chain, one for each case."""

    server: ApiServer
    armed: Path
    key: str
    chain: str
    entries: dict[tuple[str, str], str]

    def ask(self, path: str) -> httpx.Response:
        with self.server.client(self.key) as client:
            return client.get(path)

    def erase(self, entry_hash: str) -> httpx.Response:
        with self.server.client(self.key) as client:
            return client.post("/v1/erasures", json={"entries": [entry_hash], "reason": REASON})

    def stating(self, entry_hash: str) -> list[str]:
        """Return the hashes of the entries that say that they erased this one."""
        entries = self.ask(f"/v1/chains/{self.chain}/entries?limit=1000").json()["entries"]
        return [
            str(each["entry_hash"])
            for each in entries
            for link in each.get("links", ())
            if (link["relation"], link["entry_hash"]) == (6, entry_hash)
        ]

    def told(self, index: int) -> int:
        """Return how often the owner was told that this entry was erased."""
        events = self.ask("/v1/access?limit=1000").json()["events"]
        return sum((each["what"], each.get("index")) == ("erased", index) for each in events)

    def holds_any(self, content: bytes) -> bool:
        """Say whether a file of the home, or of its database, has the content or its digest."""
        files = [path.read_bytes() for path in self.server.home.rglob("*") if path.is_file()]
        data = b"\n".join((*files, *files_of(self.server.home).values()))
        return any(each in data for each in (content, sha256(content), sha256(content).hex().encode()))


def content_of(case: tuple[str, str]) -> bytes:
    return f"patient 4711, told to Dr. Weiss, {' '.join(case)}\n".encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("killed")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home, armed = make_home(folder), folder / "armed"
    key = make_key(home, "acme", Role.OWNER)
    with Home.open(home) as opened:  # a copy that every erasure follows
        KeyCopies(opened.engine, opened.content_keys).write(folder / "content-keys.copy", opened.clock())
    with running(ApiServer(home, program=("tests.crash.killed_server", str(armed)))) as server:
        with server.client(key) as client:
            chain = str(client.post("/v1/chains", json={}).json()["chain_id"])
            added = [
                client.post(f"/v1/chains/{chain}/entries", content=content_of(case)).json()["entry_hash"]
                for case in CASES
            ]
        yield Site(server, armed, key, chain, dict(zip(CASES, added, strict=True)))
    patched.undo()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", TAKEN)
def test_an_erasure_that_was_killed_is_done_once_when_it_is_asked_for_again(site: Site, step: str, when: str) -> None:
    """Failed, or took effect and nobody heard: nothing was done before the intent; behind it the content is gone."""
    entry_hash, content = site.entries[step, when], content_of((step, when))
    index = CASES.index((step, when)) + 1
    assert 200 == site.ask(f"/v1/entries/{entry_hash}/content").status_code
    site.armed.write_text(f"{step} {when}")
    with pytest.raises(httpx.TransportError):
        site.erase(entry_hash)
    assert 200 == site.ask("/v1/log").status_code
    assert not site.armed.exists(), "the process was killed, and another one answers"
    is_intended = (step, when) != ("intent and entry", "before")
    stating = site.stating(entry_hash)
    assert is_intended == bool(stating)
    # Before anybody asks again, and before the next seal: the service finished it when it started.
    assert (404 if is_intended else 200) == site.ask(f"/v1/entries/{entry_hash}/content").status_code
    done = site.erase(entry_hash)
    assert 200 == done.status_code
    [entry] = done.json()["entries"]
    assert ("erased", False) == (entry["state"], done.json()["more"])
    assert [entry["said_by"]] == site.stating(entry_hash)
    assert stating in ([], [entry["said_by"]])
    assert 404 == site.ask(f"/v1/entries/{entry_hash}/content").status_code
    assert not site.holds_any(content)
    assert 1 == site.told(index)
    assert done.json() == site.erase(entry_hash).json()


def test_what_was_not_erased_is_whole_and_the_audit_holds(site: Site) -> None:
    """After all kills the chain has its entries in order, each erasure stated once."""
    with Home.open(site.server.home) as home:
        size = home.chains.size(home.chains.named(site.chain))
    assert 1 + len(CASES) + sum(len(site.stating(each)) for each in site.entries.values()) == size
    assert 0 == site.server.stop()
    run_beside(site.server.home, "seal")
    run_beside(site.server.home, "audit")

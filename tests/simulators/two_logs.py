"""Two served logs that are alike but for what is hidden in them: chains of other names, ids, contents, and as many.

Both go by one clock and have the same keys, accounts and open chains; the tests of access ask both the same and compare
the answers, so whatever tells the two apart came out of what is hidden.
"""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from anchor.bitcoin.protocols import BlockId
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, ExternalId, IdKind, chain_id_of
from anchor.proof.merkle import leaf_hash
from chains.access import Role, Visibility
from chains.home import Home
from chains.leading import leading
from chains.organisations import Organisation
from chains.web.limits import MOST_SCANNED
from tests.homes import copy_home
from tests.simulators.api_server import ApiServer, make_home, running
from tests.simulators.clocked_server import set_clock
from tests.simulators.store import chain_id, clear, submission_of

OPEN_IDS = ("beam-7", "crowded")
"""External ids of open entries; in the first log they also stand in hidden ones."""
OPEN_CONTENT = b"said in the open"
LETTERS = ("A", "B")


@dataclass
class Hidden:
    """What is hidden in one log, all of it known to the test."""

    chain_ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    external_ids: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    salts: list[bytes] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)

    def secrets(self) -> Iterator[bytes]:
        """Yield the bytes of which nothing may be shown: all that is not opaque."""
        for text in [*self.names, *self.external_ids]:
            if text not in OPEN_IDS:
                yield text.encode()
        yield from (content for content in self.contents if content != OPEN_CONTENT)
        yield from self.salts
        yield from (sha256(content) for content in self.contents if content != OPEN_CONTENT)


@dataclass
class World:
    """One of the two logs."""

    letter: str
    server: ApiServer
    hidden: Hidden = field(default_factory=Hidden)

    @property
    def is_first(self) -> bool:
        """Whether it is the log whose hidden entries are like open ones."""
        return self.letter == LETTERS[0]


@dataclass
class TwoLogs:
    """Both, with the clock that they go by, and API keys of those who ask (None: a stranger's)."""

    worlds: tuple[World, World]
    clock: Path
    keys: dict[str, str | None]
    owner: str
    """Key of whoever may write what is hidden."""
    start_ms: int
    open_chain: str

    @property
    def now_ms(self) -> int:
        """The time."""
        return int(self.clock.read_text())

    def later(self, milliseconds: int) -> None:
        """Let time go by."""
        set_clock(self.clock, self.now_ms + milliseconds)

    def seal(self) -> None:
        """Seal both."""
        for world in self.worlds:
            with self.opened(world) as home, leading(home, "seal"):
                home.directory.seal(home.checkpoint_key, home.clock(), BlockId(0, home.network.genesis_hash))

    def opened(self, world: World) -> Home:
        """Open a log's home beside its server; close it."""
        return Home.open(world.server.home, lambda: self.now_ms)

    def hide(self, world: World, client: httpx.Client, number: int, count: int) -> None:
        """Write ``count`` entries to a hidden chain, as the owner: other ones in each log."""
        contents = [
            b"hidden %b, %d of %d in %d" % (os.urandom(4 if world.is_first else 9), n, count, number)
            for n in range(count)
        ]
        ids = [[f"secret-{world.letter * (n + 1)}-{number}"] for n in range(count)]
        if world.is_first:
            contents[0], ids[0] = OPEN_CONTENT, [*ids[0], OPEN_IDS[0]]
        items = [{"content": _base64(one), "external_ids": of} for one, of in zip(contents, ids, strict=True)]
        self._batch(world, client, number, items)
        world.hidden.contents += contents
        world.hidden.external_ids += [text for of in ids for text in of]

    def crowd(self, world: World, client: httpx.Client) -> None:
        """Write more hidden entries of one external id than a page of a search looks at."""
        named = OPEN_IDS[1] if world.is_first else "alone"
        items = [{"content": _base64(b"%d" % n), "external_ids": [named]} for n in range(MOST_SCANNED + 50)]
        self._batch(world, client, 0, items)

    def _batch(self, world: World, client: httpx.Client, number: int, items: list[dict[str, Any]]) -> None:
        chain = world.hidden.chain_ids[number % len(world.hidden.chain_ids)]
        answer = client.post(f"/v1/chains/{chain}/batch", json=items, headers={"idempotency-key": f"hidden-{number}"})
        assert {201} <= {item["status"] for item in answer.json()["results"]}, answer.text


@contextmanager
def two_logs(folder: Path, visibility: Visibility, *, is_homes: bool) -> Iterator[TwoLogs]:
    """Make and serve both; what is hidden is acme's, or the home's own, and has this visibility."""
    base, clock = make_home(folder), folder / "clock"
    with Home.open(base) as home:
        start_ms = home.clock() + 1_000
    set_clock(clock, start_ms)
    with Home.open(base, lambda: start_ms) as home:
        keys, owner = _accounts(home, is_homes=is_homes)
    with ExitStack() as stack:
        worlds = [stack.enter_context(_world(folder, base, letter, clock)) for letter in LETTERS]
        logs = TwoLogs((worlds[0], worlds[1]), clock, keys, owner, start_ms, chain_id("open").hex())
        for world in worlds:
            set_clock(clock, start_ms)
            _fill(logs, world, visibility)
        logs.seal()
        yield logs


@contextmanager
def _world(folder: Path, base: Path, letter: str, clock: Path) -> Iterator[World]:
    copy_home(base, folder / letter)
    # What a machine notes of a log: each of the two is on a machine of its own.
    environment = {"XDG_STATE_HOME": str(folder / f"state-{letter}")}
    with running(ApiServer(folder / letter, clock=clock, environment=environment)) as server:
        yield World(letter, server)


def _accounts(home: Home, *, is_homes: bool) -> tuple[dict[str, str | None], str]:
    """Make organisations and keys; return those who ask, and the key of the owner of what is hidden."""
    now_ms, accounts = home.clock(), home.accounts
    acme, beta, gamma = (accounts.organisations.create(name, now_ms) for name in ("acme", "beta", "gamma"))

    def key(whose: Organisation | None, role: Role, expires_at_ms: int | None = None) -> str:
        return accounts.keys.create(whose, role, "test", expires_at_ms, now_ms).token

    revoked = key(acme, Role.OWNER)
    accounts.keys.revoke(accounts.keys.by_id(revoked[:11]), now_ms)
    keys = {
        "a stranger": None,
        "nonsense": "al_nonsense",
        "an expired key": key(acme, Role.OWNER, now_ms + 1),
        "a revoked key": revoked,
        **{f"beta's {role}": key(beta, role) for role in (Role.OWNER, Role.WRITER, Role.READER, Role.AUDITOR)},
        "whose grants ended": key(gamma, Role.OWNER),
        "the operator": key(None, Role.OPERATOR),
    }
    operator = keys["the operator"]
    assert operator is not None
    return keys, operator if is_homes else key(acme, Role.OWNER)


def _fill(logs: TwoLogs, world: World, visibility: Visibility) -> None:
    """Open chains, write what is hidden between what is open, and let grants end."""
    beta = logs.keys["beta's writer"]
    with world.server.client(beta) as asking, world.server.client(logs.owner) as owning:
        first = submission_of(chain_id("open"), b"first", clear("open"))
        opened = asking.post(
            "/v1/chains", json={"name": "open", "visibility": "public", "first_entry": _json(first.entry)}
        )
        assert 201 == opened.status_code, opened.text
        _tell(asking, b"before")
        for number in range(2):
            name = f"hidden chain {world.letter * (number + 1)}"
            content = b"first of %b" % name.encode()
            body: dict[str, Any] = {
                "name": name,
                "visibility": visibility,
                "content": _base64(content),
                "media_type": "text/plain",
            }
            body["external_ids"] = [{"value": _base64(_id_sorted_at(number)), "kind": 2}]
            found = owning.post("/v1/chains", json=body).json()
            world.hidden.chain_ids.append(found["chain_id"])
            world.hidden.names.append(name)
            world.hidden.contents.append(content)
        for number in (1, 2):
            logs.hide(world, owning, number, 3)
        logs.crowd(world, owning)
        _tell(asking, b"after")
        for chain in world.hidden.chain_ids:
            page = owning.get(f"/v1/chains/{chain}/entries?limit=5").json()["entries"]
            _know(world.hidden, page)
            receipt = owning.get(f"/v1/entries/{page[0]['entry_hash']}/receipt?content=1")
            world.hidden.receipts.append(receipt.content)
    _end_grants(logs, world)


def _id_sorted_at(place: int) -> bytes:
    """Return a random keyed id whose chain id begins so: heads stand in the directory in the order of chain ids."""
    while True:
        value = os.urandom(32)
        if chain_id_of([ExternalId(IdKind.KEYED, value)])[0] == place:
            return value


def _tell(client: httpx.Client, what: bytes) -> None:
    """Write open entries: with the external ids that hidden ones have too, and with their content."""
    for content, name in ((what, OPEN_IDS[0]), (OPEN_CONTENT + what, OPEN_IDS[1]), (OPEN_CONTENT, what.decode())):
        made = submission_of(chain_id("open"), content, clear(name))
        body = json.dumps({**_json(made.entry), "salt": _base64(bytes(16)), "content": _base64(content)})
        headers = {"content-type": "application/vnd.anchorline.submission+json"}
        answer = client.post("/v1/chains/open/entries", content=body, headers=headers)
        assert 201 == answer.status_code, answer.text


def _know(hidden: Hidden, page: list[dict[str, Any]]) -> None:
    for shown in page:
        hidden.entries.append(base64.b64decode(shown["entry"]))
        hidden.salts.append(bytes.fromhex(shown["content"]["salt"]))
        assert shown["entry_hash"] == leaf_hash(hidden.entries[-1]).hex()
        Entry.decode(hidden.entries[-1])


def _end_grants(logs: TwoLogs, world: World) -> None:
    """Grant gamma both hidden chains, and let both grants end: one expires, one is withdrawn."""
    with logs.opened(world) as home:
        gamma = home.accounts.organisations.named("gamma")
        one, other = (home.chains.named(chain) for chain in world.hidden.chain_ids)
        home.accounts.sharing.grant(one, gamma, Role.READER, logs.now_ms + 1, logs.now_ms)
        home.accounts.sharing.grant(other, gamma, Role.READER, None, logs.now_ms)
        logs.later(5)
        home.accounts.sharing.withdraw(other, gamma, logs.now_ms)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _json(entry: bytes) -> dict[str, str]:
    return {"entry": _base64(entry)}

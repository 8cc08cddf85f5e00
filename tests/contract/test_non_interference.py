"""That what is hidden does not show: two logs which differ in it alone answer everything alike to who may not see it.

Requests are made from the table of operations, so that a new operation is asked as every other one is.
ANCHORLINE_ACCESS_STORIES says how many random stories are tried for each kind of hiding.
"""

import base64
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import pytest

from anchor.proof.codec import sha256
from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.leaves import DirectoryLeaf, HeadLeaf, SealLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash
from anchor.tiles import decode_bundle
from chains.access import Visibility
from chains.web.api import OPERATIONS
from chains.web.operations import In, Operation, Parameter
from chains.web.pages.search import KINDS as MEANINGS
from chains.web.pages.table import PAGES
from chains.webhook_body import body_of
from tests.simulators.store import chain_id, submission_of
from tests.simulators.two_logs import OPEN_CONTENT, OPEN_IDS, TwoLogs, two_logs

STORIES = int(os.environ.get("ANCHORLINE_ACCESS_STORIES", "3"))
EVENT_STREAM = "text/event-stream"
SILENCE_S, SOON_S = 0.1, 30
# Hashes, signatures, salts and keys: what is random may differ, as long as one always stands for the same other one.
_OPAQUE = re.compile(
    r"al_[a-z2-7]{8}(?:_[A-Za-z0-9_-]{43})?|sh_[a-z2-7]{8}|/s/[A-Za-z0-9_-]{43}|wh_[0-9a-f]{16}|[A-Za-z0-9+/=]{32,}"
)
# What is made of all chains at once has other hashes in each log; sizes, and what is around the hashes, are alike.
_TILES = {"getTile", "getChainTile"}

KINDS = {
    # What is hidden, and from whom: those who may see it are not asked.
    "an organisation's private chains": (Visibility.PRIVATE, False, ()),
    "the home's private chains": (Visibility.PRIVATE, True, ("the operator",)),
    "chains for members": (
        Visibility.MEMBERS,
        False,
        ("beta's owner", "beta's writer", "beta's reader", "beta's auditor", "whose grants ended"),
    ),
}

KEYS_THAT_DO_NOT_HOLD = {"nonsense", "an expired key", "a revoked key"}
MOST_DIFFERENT = {"a stranger", "a revoked key", "beta's owner", "whose grants ended", "the operator"}
LOOKING = {"a stranger", "beta's owner in a browser"}
"""Who asks for every page; the stories have the others ask too."""
ASKED = (*OPERATIONS, *PAGES)


@dataclass
class Asked:
    """One request, sent to both logs as it is."""

    operation: Operation
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Answered:
    """What came back; a stream is cut off where it falls silent."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    """Two logs, who may ask, and which random value of the one stands for which of the other."""

    logs: TwoLogs
    askers: dict[str, str | None]
    clients: dict[str, tuple[httpx.Client, httpx.Client]]
    owners: tuple[httpx.Client, httpx.Client]
    values: "Values"
    renamed: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))
    guessed: set[bytes] = field(default_factory=set)
    """What was hidden and one who asks said himself: it may come back to him."""
    writes: Iterator[int] = field(default_factory=lambda: itertools.count(3))

    def ask(self, who: str, asked: Asked) -> None:
        """Ask both logs; fail where the answers tell them apart, or show anything that is hidden."""
        one, other = (_answer(client, asked) for client in self.clients[who])
        said = f"{who}: {asked.method} {asked.path} {asked.query} {asked.headers} {asked.body[:300]!r}"
        assert one.status == other.status, f"{said}\n{one}\n{other}"
        if asked.operation.name == "metrics" and one.status == 200:
            return  # the operator's, and full of measured times
        self._compare(said, json.dumps(one.headers), json.dumps(other.headers))
        if asked.operation.name in _TILES and one.status == 200:
            assert len(one.body) == len(other.body), said
        elif EVENT_STREAM in one.headers.get("content-type", ""):
            # Each was read until it fell silent: what the one was slower to say is not compared.
            for mine, theirs in zip(one.body.split(b"\n\n")[:-1], other.body.split(b"\n\n")[:-1], strict=False):
                self._compare(said, mine.decode(), theirs.decode())
        else:
            self._compare(said, one.body.decode("latin-1"), other.body.decode("latin-1"))
        sent = _readings(repr((asked.path, asked.query, asked.headers)).encode() + asked.body)
        for world, answer in zip(self.logs.worlds, (one, other), strict=True):
            secrets = set(world.hidden.secrets())
            guessed = {secret for secret in secrets if secret in sent}
            self.guessed |= guessed | {sha256(secret) for secret in guessed}
            shown = _readings(answer.body)
            assert not [secret for secret in secrets - self.guessed if secret in shown], f"{said}\n{answer}"
        self.values.note(one)

    def _compare(self, said: str, one: str, other: str) -> None:
        """Compare two texts but for random values, which must stand in the same places, each for one and the same."""
        assert _OPAQUE.sub("", one) == _OPAQUE.sub("", other), f"{said}\n{one[:2000]}\n{other[:2000]}"
        there, back = self.renamed
        for mine, theirs in zip(_OPAQUE.findall(one), _OPAQUE.findall(other), strict=True):
            is_same = there.setdefault(mine, theirs) == theirs and back.setdefault(theirs, mine) == mine
            assert is_same, f"{said}\n{mine} stood for {there[mine]}, now {theirs}"
            assert len(mine) == len(theirs), f"{said}\n{mine} {theirs}"

    def hide_more(self, count: int) -> None:
        """Let the owner write more of what is hidden."""
        number = next(self.writes)
        for world, client in zip(self.logs.worlds, self.owners, strict=True):
            self.logs.hide(world, client, number, count)


class Values:
    """Values for parameters, by name: what is hidden in either log, what is open, what is nowhere."""

    def __init__(self, logs: TwoLogs) -> None:
        self.logs = logs
        self.cursors, self.tags = ["0", "1"], ["*"]
        hidden = [world.hidden for world in logs.worlds]
        self.chains = [chain for each in hidden for chain in (*each.chain_ids, *each.names)]
        self.chains += [logs.open_chain, "open", "00" * 32, "nowhere"]
        told = submission_of(chain_id("open"), b"before", ExternalId(IdKind.CLEAR, b"beam-7")).entry
        firsts = [each.entries[0] for each in hidden]
        # Who has the first entry has the ids that give the chain id: he knows that the chain is there, and is told so.
        self.entries = [*(entry for each in hidden for entry in each.entries[1:3]), told]
        self.hashes = [*(leaf_hash(entry).hex() for entry in (*firsts, *self.entries)), "00" * 32]
        self.ids = [text for each in hidden for text in each.external_ids[:3]] + [*OPEN_IDS, "nowhere"]
        self.contents = [content for each in hidden for content in each.contents[:4]] + [OPEN_CONTENT, b"nowhere"]
        self.receipts = [receipt for each in hidden for receipt in each.receipts]
        self.times = [str(logs.start_ms + offset) for offset in (-1, 0, 1, 5)]

    def note(self, answer: Answered) -> None:
        """Keep what an answer gives for the next request: cursors and entity tags."""
        found = re.findall(rb'"cursor":"([0-9]+)"', answer.body)
        self.cursors += [cursor.decode() for cursor in found if cursor.decode() not in self.cursors][:20]
        if "etag" in answer.headers and len(self.tags) < 20:
            self.tags.append(answer.headers["etag"])

    def of(self, parameter: Parameter) -> Sequence[str]:
        """Return what to try for a parameter; for one that nobody thought of, everything that has its form."""
        known: dict[str, Sequence[str]] = {
            "chain": self.chains,
            "entry_hash": self.hashes,
            "external_id": self.ids,
            "external_id_digest": [sha256(text.encode()).hex() for text in self.ids],
            "content_digest": [sha256(content).hex() for content in self.contents],
            "cursor": self.cursors,
            "limit": ["1", "2", "3", "7", "1000"],
            "tile_path": [
                *(f"{level}/000.p/{n}" for level in ("0", "entries") for n in (1, 3)),
                "entries/000",
                "0/x001/000",
            ],
            "proofs_path": ["000.json", "x001/000.json"],
            "stamps_path": ["000.json", "x001/000.json"],
            "from_ms": self.times,
            "to_ms": self.times,
            # Whose are others' keys and webhooks, is asked in test_managing.py: here nobody's access is to be ended.
            "key_id": ["al_aaaaaaaa"],
            "webhook": ["wh_0000000000000000"],
            "organisation": ["org_aaaaaaaaaaaaaaaa"],
            "organisation_id": ["org_aaaaaaaaaaaaaaaa"],
            # What a link opens, and that it opens nothing else, is asked in test_pages_of_shares.py.
            "share_id": ["sh_aaaaaaaa"],
            "token": ["A" * 43],
            "q": [*self.chains[:4], *self.hashes[:4], *self.ids[:3], sha256(self.contents[0]).hex(), "1", "nowhere"],
            "by": list(MEANINGS),
            "file": ["nowhere.css"],
            "next": ["/"],
            "part": ["header"],
            "txid": ["00" * 32],
            "Idempotency-Key": [f"hidden-{n}" for n in (1, 2)],
            "Anchorline-Link": [f"refers-to={entry_hash}" for entry_hash in self.hashes[:4]],
            "Anchorline-External-Id": [f'"{text}"' for text in self.ids],
        }
        if parameter.name in known:
            return known[parameter.name]
        if parameter.least is not None:
            return [str(n) for n in (0, 1, 2, 3, 9) if parameter.least <= n <= parameter.most]
        every = [
            *self.chains,
            *self.hashes,
            *self.ids,
            *(key[:11] for key in self.logs.keys.values() if key),
            *("0", "1", "json", "ots", "content", "digest"),
        ]
        fitting = [value for value in every if re.fullmatch(parameter.pattern, value, re.DOTALL)]
        assert fitting, f"say in Values what {parameter.name} may be"
        return fitting


def _answer(client: httpx.Client, asked: Asked) -> Answered:
    request = client.build_request(
        asked.method, asked.path, params=asked.query, headers=asked.headers, content=asked.body or None
    )
    if any(EVENT_STREAM in shape.media_types for shape in asked.operation.answers.values()):
        return _listened(request)
    answer = client.send(request)
    return Answered(answer.status_code, _compared(answer.headers.items()), answer.content)


def _listened(request: httpx.Request) -> Answered:
    """Return the beginning of what may have no end: whole messages, until it falls silent."""
    with closing(HTTPConnection(request.url.host, request.url.port, timeout=SOON_S)) as connection:
        connection.request(request.method, request.url.raw_path.decode(), request.content, dict(request.headers))
        answer = connection.getresponse()
        headers = _compared((name.lower(), value) for name, value in answer.getheaders())
        body = b""
        assert connection.sock is not None or headers.get("connection") == "close"
        if connection.sock is not None and EVENT_STREAM in headers.get("content-type", ""):
            connection.sock.settimeout(SILENCE_S)
        with suppress(TimeoutError):
            while piece := answer.read1():
                body += piece
    return Answered(answer.status, headers, body)


def _compared(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name not in {"date", "content-length"}}


def _readings(data: bytes) -> bytes:
    """Return bytes with what they are where parts of them are read as hex or as base64."""
    read = [data]
    for token in re.findall(rb"[A-Za-z0-9+/]{8,}={0,2}", data):
        if re.fullmatch(rb"(?:[0-9a-f]{2})+", token):
            read.append(bytes.fromhex(token.decode()))
        if len(token) % 4 == 0:
            read.append(base64.b64decode(token))
    return b"\n".join(read)


# --- requests


def paths_of(operation: Operation, values: Values) -> Iterator[str]:
    """Yield the paths of an operation with every value of its variable parts."""
    parameters = [each for each in operation.parameters if each.place is In.PATH]
    for chosen in itertools.product(*(values.of(each) for each in parameters)):
        path = operation.path
        for parameter, value in zip(parameters, chosen, strict=True):
            path = path.replace(f"{{{parameter.name}}}", value)
        yield path


def queries_of(operation: Operation, values: Values) -> Iterator[dict[str, str]]:
    """Yield the query that is needed, and with it each value of each other parameter."""
    parameters = [each for each in operation.parameters if each.place is In.QUERY]
    needed = {each.name: values.of(each)[-1] for each in parameters if each.is_required}
    yield needed
    for parameter in parameters:
        for value in values.of(parameter):
            yield {**needed, parameter.name: value}


def bodies_of(operation: Operation, values: Values) -> Iterator[tuple[str, bytes]]:
    """Yield bodies with their media types: of what is hidden, where a field can hold it."""
    if operation.body is None:
        yield "", b""
        return
    for media_type, kind in operation.body.media_types.items():
        if kind is dict:
            yield from ((media_type, receipt) for receipt in values.receipts)
        elif kind in {bytes, str}:
            yield from ((media_type.replace("*/*", "text/plain"), content) for content in values.contents)
        else:
            for value in _Filling(msgspec.json.schema(kind), values):
                if operation.name == "postChain" and not {"external_ids", "first_entry"} & set(value):
                    value |= {"external_ids": ["asked"]}  # a random chain id would stand elsewhere in each directory
                yield media_type, json.dumps(value).encode()


class _Filling:
    """Values of a JSON schema: each property with each of its values, the others left out unless needed."""

    def __init__(self, schema: dict[str, Any], values: Values) -> None:
        self._schema = schema
        self._values = values

    def __iter__(self) -> Iterator[Any]:
        return self._fill("", self._schema)

    def _fill(self, name: str, part: dict[str, Any]) -> Iterator[Any]:
        while "$ref" in part:
            part = self._schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
        if "enum" in part or "anyOf" in part:
            yield from part.get("enum", ())
            for each in part.get("anyOf", ()):
                yield from self._fill(name, each)
            return
        kinds = {"object": self._objects, "array": self._arrays, "integer": self._numbers, "null": lambda *_: iter(())}
        yield from kinds.get(part.get("type", "string"), self._texts)(name, part)

    def _objects(self, _: str, part: dict[str, Any]) -> Iterator[Any]:
        properties = part.get("properties", {})
        needed = {name: next(self._fill(name, properties[name])) for name in part.get("required", ())}
        yield needed
        for name, of in properties.items():
            yield from ({**needed, name: value} for value in self._fill(name, of))

    def _arrays(self, name: str, part: dict[str, Any]) -> Iterator[Any]:
        return ([item] for item in self._fill(name, part.get("items", {})))

    def _numbers(self, _: str, __: dict[str, Any]) -> Iterator[Any]:
        return iter((0, 1))

    def _texts(self, name: str, _: dict[str, Any]) -> Iterator[Any]:
        values = self._values
        raw: dict[str, Sequence[bytes]] = {
            "entry": values.entries,
            "content": values.contents,
            "value": [text.encode() for text in values.ids],
            "salt": [bytes(16)],
            "digest": [bytes(32)],
        }
        if name in raw:
            return (base64.b64encode(item).decode() for item in raw[name])
        return iter(values.ids if name == "external_ids" else [*values.chains, *values.hashes[:2]])


def every_request(values: Values) -> Iterator[Asked]:
    """Yield each operation with each value of each parameter."""
    for operation in ASKED:
        for path, query, (media_type, body) in _parts(operation, values):
            headers = {"content-type": media_type} if media_type else {}
            headers |= {"accept": "text/html"} if operation.is_page else {}
            yield Asked(operation, operation.method, path, query, headers, body)


def _parts(operation: Operation, values: Values) -> Iterator[tuple[str, dict[str, str], tuple[str, bytes]]]:
    paths, queries = list(paths_of(operation, values)), list(queries_of(operation, values))
    bodies = list(bodies_of(operation, values))
    for number, path in enumerate(paths):
        yield path, queries[0], bodies[number % len(bodies)]
    for query in queries[1:]:
        yield paths[0], query, bodies[0]
    for body in bodies:
        yield paths[0], queries[0], body


def a_request(random: Random, values: Values) -> Asked:
    """Return a request at random: several parameters at once, conditions, other methods."""
    operation = random.choice(ASKED)
    query: dict[str, str] = {}
    headers = random.choice([{}, {}, {"accept": "application/vnd.opentimestamps.v1"}]).copy()
    for parameter in operation.parameters:
        if parameter.place is In.PATH or not (parameter.is_required or random.random() < 0.5):
            continue
        value = random.choice(values.of(parameter))
        (query if parameter.place is In.QUERY else headers)[parameter.name] = value
    if random.random() < 0.5:
        headers["if-none-match"] = random.choice(values.tags)
    media_type, body = random.choice(list(bodies_of(operation, values)))
    if media_type:
        headers["content-type"] = media_type
    others = ["HEAD", "OPTIONS", "DELETE"] if operation.method == "GET" else ["OPTIONS", "PUT"]
    method = random.choice([*[operation.method] * 4, *others])
    return Asked(operation, method, random.choice(list(paths_of(operation, values))), query, headers, body)


# --- the property


@pytest.fixture(scope="module", params=KINDS, ids=lambda name: name.replace(" ", "-"))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    visibility, is_homes, may_see = KINDS[request.param]
    with pytest.MonkeyPatch.context() as patched:
        folder: Path = tmp_path_factory.mktemp("logs")
        patched.setenv("XDG_STATE_HOME", str(folder))
        with two_logs(folder, visibility, is_homes=is_homes) as logs:
            askers = {name: key for name, key in logs.keys.items() if name not in may_see}
            clients = {name: _clients(logs, key) for name, key in askers.items()}
            if "beta's owner" in askers:
                clients["beta's owner in a browser"] = _signed_in(logs, askers["beta's owner"])
            made = Site(logs, askers, clients, _clients(logs, logs.owner), Values(logs))
            yield made
            for client in itertools.chain(made.owners, *clients.values()):
                client.close()


def _clients(logs: TwoLogs, key: str | None) -> tuple[httpx.Client, httpx.Client]:
    one, other = (world.server.client(key) for world in logs.worlds)
    return one, other


def _signed_in(logs: TwoLogs, key: str | None) -> tuple[httpx.Client, httpx.Client]:
    """Return clients that have a session's cookie and present no key."""
    clients = _clients(logs, None)
    for client in clients:
        origin = str(client.base_url).rstrip("/")
        answer = client.post("/sign-in", data={"key": key or ""}, headers={"origin": origin})
        assert 303 == answer.status_code, answer.text
    return clients


def test_every_operation_answers_alike_whatever_is_hidden(site: Site) -> None:
    """Each value of each parameter of each operation, from each who may not see: one answer in both logs."""
    asked = list(every_request(site.values))
    assert {operation.name for operation in ASKED} == {each.operation.name for each in asked}
    for each in asked:
        for who in (LOOKING if each.operation.is_page else MOST_DIFFERENT) & set(site.clients):
            site.ask(who, each)


@pytest.mark.parametrize("story", range(STORIES))
def test_no_story_of_requests_tells_what_is_hidden(site: Site, story: int) -> None:
    """Requests at random, while hidden entries are written, sealed, and time goes by: one answer in both logs."""
    random = Random(story)
    for _ in range(60):
        step = random.choice(["ask"] * 12 + ["hide", "seal", "later"])
        if step == "ask":
            site.ask(random.choice(list(site.clients)), a_request(random, site.values))
        elif step == "hide":
            site.hide_more(random.randint(1, 4))
        elif step == "seal":
            site.logs.seal()
        else:
            site.logs.later(random.randint(1, 2_000))


def test_what_was_open_for_a_while_is_hidden_again(site: Site) -> None:
    """What everybody read, more than once, is not there with the first request after it was made private again."""
    site.logs.seal()
    for world, place in zip(site.logs.worlds, (0, 1), strict=True):
        chain, entry = world.hidden.chain_ids[0], leaf_hash(world.hidden.entries[0]).hex()
        below = ("", "/head", "/entries", "/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1")
        paths = [f"/v1/chains/{chain}{rest}" for rest in below]
        paths += [f"/v1/entries/{entry}{rest}" for rest in ("", "/content", "/receipt", "/promise")]
        paths += [f"/chains/{chain}", f"/entries/{entry}", f"/entries/{entry}/receipt.json"]
        askers = {who: clients[place] for who, clients in site.clients.items() if who not in KEYS_THAT_DO_NOT_HOLD}
        with site.logs.opened(world) as home:
            sharing, found = home.accounts.sharing, home.chains.named(chain)
            before = sharing.access_of(found.chain_no).visibility
            sharing.set_visibility(found, Visibility.PUBLIC, home.clock())
            for path, client in itertools.product(paths * 3, askers.values()):
                assert 200 == client.get(path).status_code, path
            sharing.set_visibility(found, before, home.clock())
        for path, (who, client) in itertools.product(paths, askers.items()):
            assert 404 == client.get(path).status_code, f"{who} {path}"


def test_the_public_directory_tells_ids_sizes_and_times_alone(site: Site) -> None:
    """Its leaves differ in chain ids and in hashes, and in nothing else."""
    site.hide_more(2)
    site.logs.seal()
    one, other = (_directory(client) for client in site.clients["a stranger"])
    assert any(isinstance(leaf, HeadLeaf) for leaf in one)
    assert one == other


def _directory(client: httpx.Client) -> list[DirectoryLeaf]:
    """Return the first 256 leaves of the directory without what is opaque in them."""
    size = int(client.get("/v1/checkpoint").text.split("\n")[1])
    width = f".p/{size}" if size < 256 else ""
    leaves = decode_bundle(client.get(f"/v1/tile/entries/000{width}").content)
    assert leaves is not None
    return [_without_hashes(decode_leaf(raw)) for raw in leaves]


def _without_hashes(leaf: DirectoryLeaf) -> DirectoryLeaf:
    if isinstance(leaf, HeadLeaf):
        return replace(leaf, chain_id=bytes(32), root=bytes(32))
    return replace(leaf, heads_root=bytes(32)) if isinstance(leaf, SealLeaf) else leaf


def test_what_is_sent_to_webhooks_and_listeners_tells_nothing(site: Site) -> None:
    """Messages of both logs are alike but for hashes."""
    sent = []
    for world in site.logs.worlds:
        with site.logs.opened(world) as home:
            log_id = home.directory.log.log_id
            sent.append([body_of(message, log_id).decode() for message in home.webhooks.outbox.after(0)])
    assert len(sent[0]) == len(sent[1]) > 0
    for one, other in zip(*sent, strict=True):
        site._compare("webhooks", one, other)

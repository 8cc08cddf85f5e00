"""The calendar over HTTP: every request that a client, a browser or a scanner can send, and what it is answered.

The application runs in this process on a real home; only Bitcoin is the simulator's.
"""

import asyncio
import importlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from anchor.errors import OverloadedError, SettingsError, StorageFullError, UnknownChainError
from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.header import Header
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, ExternalId, IdKind, chain_id_of, content_commitment
from chains.calendar import Accepted, Form, Lookups, accept, calendar_chain, check_uri
from chains.chain import Chain
from chains.group_commit import GroupCommit
from chains.home import Home
from chains.web.asgi import Message, RefusedRequestError, read_body
from chains.web.calendar import CalendarApp, Parts
from tests.homes import files_of
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Service, new_service

URI = "https://calendar.example"
DIGEST = sha256(b"somebody's tree of files")
FINAL = 6
ROOT = Path(__file__).parents[3]

stock: Any = importlib.import_module("opentimestamps.core.timestamp")
stock_bytes: Any = importlib.import_module("opentimestamps.core.serialize")


class Calendar:
    """A calendar on a home, and a client of it."""

    def __init__(self, service: Service, bitcoin: SimulatedBitcoin, app: CalendarApp, lines: list[str]) -> None:
        self.service = service
        self.bitcoin = bitcoin
        self.app = app
        self.lines = lines

    def ask(self, method: str, path: str, content: bytes | None = None, accept: str = "") -> httpx.Response:
        """Send one request with the stock client's headers; return the answer."""
        return self.ask_all([(method, path, content)], accept)[0]

    def ask_all(
        self, requests: list[tuple[str, str, bytes | None]], accept: str = "application/vnd.opentimestamps.v1"
    ) -> list[httpx.Response]:
        """Send requests all at once."""

        async def ask_them() -> list[httpx.Response]:
            headers = {"accept": accept, "content-type": "application/x-www-form-urlencoded"}
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=URI, headers=headers) as client:
                asked = (client.request(method, path, content=content) for method, path, content in requests)
                return list(await asyncio.gather(*asked))

        return asyncio.run(ask_them())

    def post(self, digest: bytes = DIGEST) -> ots.Path:
        """Post a digest; return the one path of the reply."""
        answer = self.ask("POST", "/digest", digest)
        assert 200 == answer.status_code, answer.text
        (path,) = ots.Timestamp.decode(answer.content, len(digest)).paths
        return path

    def key(self, digest: bytes = DIGEST) -> bytes:
        """Post a digest; return the key of its later timestamp."""
        return ots.execute(self.post(digest).operations, digest)

    def mine(self, count: int) -> None:
        """Let blocks be found and seen."""
        self.bitcoin.mine(count)
        self.service.tick()

    def anchor(self) -> None:
        """Seal, and send an anchor."""
        self.service.seal()
        self.service.tick(at_once=True)


@contextmanager
def running(service: Service, bitcoin: SimulatedBitcoin) -> Iterator[Calendar]:
    """Put the application together on a home, as ``serve_calendar`` does."""
    home, lines = service.home, list[str]()
    chain, writer = calendar_chain(home, "calendar"), home.writer
    form = Form.of(chain, URI)
    commits: GroupCommit[bytes, Accepted] = GroupCommit(lambda digests: accept(writer, form, digests, home.clock()))
    try:
        with Home.open(home.folder, home.clock) as reading, ThreadPoolExecutor(1) as thread:
            app = CalendarApp(Parts(commits.submit, Lookups(reading, chain, URI), thread, lines.append))
            yield Calendar(service, bitcoin, app, lines)
    finally:
        commits.stop()


@pytest.fixture
def calendar(tmp_path: Path) -> Iterator[Calendar]:
    """A calendar on a funded home."""
    bitcoin = SimulatedBitcoin()
    with new_service(tmp_path / "home", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(149)
        with running(service, bitcoin) as made:
            yield made


# --- posting


def test_a_posted_digest_becomes_an_entry_before_it_is_answered(calendar: Calendar) -> None:
    """The reply leads from the posted bytes to the hash of the newest entry of the chain, pending at our address."""
    path = calendar.post()
    assert ots.PendingAttestation(URI) == path.attestation
    assert ots.SHA256 == path.operations[0]
    home = calendar.service.home
    chain = home.chains.named("calendar")
    newest = home.trees.leaf_hash(chain.chain_no, home.chains.size(chain) - 1)
    assert newest == ots.execute(path.operations, DIGEST)


@pytest.mark.parametrize("size", [1, 20, 32, 64])
def test_the_stock_library_reads_the_reply(size: int, calendar: Calendar) -> None:
    """What we answer, python-opentimestamps parses to the same key; the reply is far below its 10,000 bytes."""
    posted = bytes(range(size))
    reply = calendar.ask("POST", "/digest", posted)
    context = stock_bytes.BytesDeserializationContext(reply.content)
    theirs = stock.Timestamp.deserialize(context, posted)
    ((message, attestation),) = theirs.all_attestations()
    (ours,) = ots.Timestamp.decode(reply.content, size).paths
    assert URI == attestation.uri
    assert ots.execute(ours.operations, posted) == message
    assert len(reply.content) < 1_000


def test_replies_have_what_the_stock_client_needs(calendar: Calendar) -> None:
    """Exactly 200, octets, and a length; any web page may read it."""
    answer = calendar.ask("POST", "/digest", DIGEST)
    assert 200 == answer.status_code
    assert "application/octet-stream" == answer.headers["content-type"]
    assert str(len(answer.content)) == answer.headers["content-length"]
    assert "*" == answer.headers["access-control-allow-origin"]


def test_what_strangers_post_is_not_kept(calendar: Calendar, tmp_path: Path) -> None:
    """Only the digest of the posted bytes is kept, under a key: nobody can put words of his own into our file."""
    words = b"these words are mine and must not be kept anywhere, whoever asks"
    calendar.post(words[:64])
    stored = b"".join(files_of(tmp_path / "home").values())
    assert words[:32] not in stored
    assert sha256(words[:64]) not in stored


def test_the_same_digest_twice_has_two_keys(calendar: Calendar) -> None:
    """Each post gets a salt of its own, so nobody can ask for the timestamp of a digest that he only knows."""
    assert calendar.key() != calendar.key()
    assert "unknown" == calendar.ask("GET", f"/timestamp/{DIGEST.hex()}").headers["timestamp-state"]


def test_posts_at_the_same_time_share_commits(calendar: Calendar) -> None:
    """A hundred clients at once: each has its own key, and there are fewer commits than clients."""
    digests = [sha256(b"%d" % number) for number in range(100)]
    answers = calendar.ask_all([("POST", "/digest", digest) for digest in digests])
    paths = [
        ots.Timestamp.decode(answer.content, 32).paths[0].operations for answer in answers if answer.status_code == 200
    ]
    keys = [ots.execute(path, digest) for path, digest in zip(paths, digests, strict=True)]
    home = calendar.service.home
    flat = b"".join(home.trees.leaf_hashes(1, 1, 101))
    assert {flat[at : at + 32] for at in range(0, len(flat), 32)} == set(keys)
    commits = int(home.engine.query("SELECT COUNT(*) FROM group_commit")[0][0])
    assert commits < 50


@pytest.mark.parametrize(
    ("posted", "said"), [(b"", "1 to 64 bytes"), (bytes(65), "at most 64"), (bytes(10**6), "at most 64")]
)
def test_a_body_of_another_size_is_refused(posted: bytes, said: str, calendar: Calendar) -> None:
    """None or more than 64 bytes: 400, and the text says what was expected."""
    answer = calendar.ask("POST", "/digest", posted)
    assert 400 == answer.status_code
    assert said in answer.text


def body_of(*messages: Message, length: bytes | None = None, timeout_s: float = 5) -> bytes:
    """Read a body that comes in these messages, after which nothing comes any more."""
    waiting = list(messages)

    async def receive() -> Message:
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop(0)

    headers = [] if length is None else [(b"content-length", length)]
    return asyncio.run(read_body({"headers": headers}, receive, 64, timeout_s))


def piece(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_pieces_is_read_whole() -> None:
    """Chunks count as one body, up to its limit."""
    assert b"abcd" == body_of(piece(b"ab", more=True), piece(b"", more=True), piece(b"cd", more=False))


@pytest.mark.parametrize(
    ("messages", "length", "status", "said"),
    [
        # The announced length alone is enough: nothing is read, though nothing ever comes.
        ([], b"65", 400, "at most 64"),
        ([], b"99999999999999999999", 400, "at most 64"),
        ([], b"-1", 400, "a number"),
        ([], b"0x10", 400, "a number"),
        ([piece(bytes(60), more=True), piece(bytes(60), more=True)], None, 400, "at most 64"),
        ([piece(b"a", more=True), {"type": "http.disconnect"}], b"2", 400, "cut off"),
        ([piece(b"a", more=True)], b"2", 408, "within 0.05 s"),
    ],
)
def test_bodies_that_lie_about_their_length_or_do_not_come(
    messages: list[Message], length: bytes | None, status: int, said: str
) -> None:
    """Too long by word or deed, cut off, or too slow: each is refused by name."""
    with pytest.raises(RefusedRequestError, match=said) as refused:
        body_of(*messages, length=length, timeout_s=0.05)
    assert status == refused.value.answer.status


# --- looking up


def state_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["timestamp-state"]


def test_a_key_is_pending_until_its_anchor_is_final(calendar: Calendar) -> None:
    """Not sealed, sealed, sent, in a block, final: the text says which, and 200 comes only at the end."""
    where = f"/timestamp/{calendar.key().hex()}"
    texts = []

    def look() -> None:
        answer = calendar.ask("GET", where)
        assert (404, "pending") == state_of(answer)
        assert int(answer.headers["retry-after"]) >= 60
        texts.append(answer.text)

    look()
    calendar.service.seal()
    look()
    calendar.service.tick(at_once=True)
    look()
    calendar.mine(1)
    look()
    calendar.mine(FINAL - 2)
    look()
    calendar.mine(1)
    assert (200, "complete") == state_of(calendar.ask("GET", where))
    for expected, found in zip(
        ["not sealed yet", "waiting for the next anchor", "in transaction", "in block 151", "in block 151"],
        texts,
        strict=True,
    ):
        assert expected in found
        # The stock client shows 160 bytes, and turns all but these into underscores.
        assert found.isascii()
        assert len(found) <= 160
        assert all(char.isalnum() or char in "#-.,; " for char in found)


def test_a_complete_timestamp_leads_to_the_block(calendar: Calendar) -> None:
    """From the key to the Merkle root of the block at the attestation's height, in one line of operations."""
    keys = [calendar.key(sha256(b"%d" % number)) for number in range(9)]
    calendar.anchor()
    calendar.mine(FINAL)
    for key in keys:
        answer = calendar.ask("GET", f"/timestamp/{key.hex()}")
        (path,) = ots.Timestamp.decode(answer.content, 32).paths
        assert isinstance(path.attestation, ots.BitcoinAttestation)
        block_hash = calendar.bitcoin.block_hash(path.attestation.height)
        assert block_hash is not None
        header = calendar.bitcoin.header(block_hash)
        assert header is not None
        ots.check_attestation(path, key, Header.decode(header).merkle_root)
        assert len(answer.content) < 10_000
        assert "public, max-age=86400" == answer.headers["cache-control"]


def test_a_reorganised_anchor_is_pending_again(calendar: Calendar) -> None:
    """A block that left the best chain is not handed out any more; the next final one is."""
    where = f"/timestamp/{calendar.key().hex()}"
    calendar.anchor()
    calendar.mine(FINAL)
    before = calendar.ask("GET", where)
    assert (200, "complete") == state_of(before)
    calendar.bitcoin.reorg(FINAL)
    calendar.service.tick()
    calendar.service.tick()
    assert (404, "pending") == state_of(calendar.ask("GET", where))
    calendar.mine(FINAL)
    after = calendar.ask("GET", where)
    assert (200, "complete") == state_of(after)
    assert before.content != after.content


@pytest.mark.parametrize("key", ["00" * 32, "00", "00" * 44, "00" * 4000])
def test_an_unknown_key_is_told_apart_from_a_pending_one(key: str, calendar: Calendar) -> None:
    """The status is the protocol's 404; header and text say unknown, and nothing says to come again."""
    answer = calendar.ask("GET", f"/timestamp/{key}")
    assert (404, "unknown") == state_of(answer)
    assert answer.text.startswith("Unknown")
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("text", ["", "0", "zz", "0x00", "00/", "00 00", "%0a00", "é", "00.ots"])
def test_what_is_no_hex_is_refused(text: str, calendar: Calendar) -> None:
    """400, as the reference calendar answers; Python's own reader would have taken spaces."""
    assert 400 == calendar.ask("GET", f"/timestamp/{text}").status_code


def test_entries_of_other_chains_are_not_handed_out(calendar: Calendar) -> None:
    """Their paths are their owners' to show: the calendar does not know them."""
    calendar.service.open_chain("acme")
    (entry,) = calendar.service.add("acme", b"a customer's")
    calendar.anchor()
    calendar.mine(FINAL)
    assert (404, "unknown") == state_of(calendar.ask("GET", f"/timestamp/{entry.hex()}"))


# --- JSON, HEAD, OPTIONS, and everything else


def test_every_answer_has_a_json_twin(calendar: Calendar) -> None:
    """Whoever asks for JSON by name gets the same facts in it."""
    posted = calendar.ask("POST", "/digest", DIGEST, accept="application/json").json()
    (path,) = ots.Timestamp.decode(bytes.fromhex(posted["timestamp"]), 32).paths
    assert posted["key"] == ots.execute(path.operations, DIGEST).hex()
    where = f"/timestamp/{posted['key']}"
    pending = calendar.ask("GET", where, accept="text/html, application/json;q=0.9")
    assert (404, "pending") == state_of(pending)
    assert ["pending", 3660] == [pending.json()["state"], pending.json()["retry_after_s"]]
    unknown = calendar.ask("GET", "/timestamp/00", accept="application/json")
    assert {"state": "unknown"} == unknown.json()
    calendar.anchor()
    calendar.mine(FINAL)
    complete = calendar.ask("GET", where, accept="application/json").json()
    assert calendar.ask("GET", where).content == bytes.fromhex(complete["timestamp"])
    assert ["complete", 151] == [complete["state"], complete["height"]]


def test_the_status_page_says_whose_calendar_it_is(calendar: Calendar) -> None:
    """The first page for people, the same facts in JSON for programs."""
    calendar.post()
    page = calendar.ask("GET", "/")
    facts = calendar.ask("GET", "/", accept="application/json").json()
    log = calendar.service.home.directory.log
    assert [URI, log.log_id.hex(), "regtest", 2] == [
        facts[name] for name in ("calendar", "log_id", "network", "entries")
    ]
    assert "text/html; charset=utf-8" == page.headers["content-type"]
    assert f"ots stamp -c {URI} -m 1" in page.text
    assert log.log_id.hex() in page.text


@pytest.mark.parametrize("path", ["/", "/timestamp/00", "/timestamp/zz"])
def test_head_is_get_without_a_body(path: str, calendar: Calendar) -> None:
    """Status and headers are those of GET, its length too."""
    full, head = calendar.ask("GET", path), calendar.ask("HEAD", path)
    assert b"" == head.content
    assert (full.status_code, full.headers) == (head.status_code, head.headers)


@pytest.mark.parametrize(("path", "allowed"), [("/digest", "POST, OPTIONS"), ("/timestamp/00", "GET, HEAD, OPTIONS")])
def test_options_tells_web_pages_what_they_may(path: str, allowed: str, calendar: Calendar) -> None:
    """A browser's preflight is answered: any origin, these methods."""
    answer = calendar.ask("OPTIONS", path)
    assert 204 == answer.status_code
    assert ["*", allowed, allowed] == [
        answer.headers[name] for name in ("access-control-allow-origin", "access-control-allow-methods", "allow")
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/digest", 405),
        ("HEAD", "/digest", 405),
        ("PUT", "/digest", 405),
        ("POST", "/", 405),
        ("DELETE", "/timestamp/00", 405),
        ("GET", "/tip", 404),
        ("POST", "/digest/", 404),
        ("GET", "/timestamp", 404),
        ("GET", "/../etc/passwd", 404),
    ],
)
def test_other_requests_are_refused(method: str, path: str, status: int, calendar: Calendar) -> None:
    """Another method: 405 with those that there are; another place: 404."""
    answer = calendar.ask(method, path)
    assert status == answer.status_code
    assert (status == 405) == ("allow" in answer.headers)


# --- when it cannot


def failing(calendar: Calendar, submit: Callable[[bytes], "Future[Accepted]"]) -> Calendar:
    """Return the calendar with another way to take a digest."""
    parts = calendar.app.parts
    app = CalendarApp(Parts(submit, parts.lookups, parts.reading, parts.report))
    return Calendar(calendar.service, calendar.bitcoin, app, calendar.lines)


def test_a_full_queue_is_503_with_a_time_to_come_again(calendar: Calendar) -> None:
    """Nothing was recorded, and the client is told when to try."""

    def refuse(_posted: bytes) -> "Future[Accepted]":
        raise OverloadedError("expected at most 20000 pieces of work to wait, so many do; try again soon")

    answer = failing(calendar, refuse).ask("POST", "/digest", DIGEST)
    assert [503, "1"] == [answer.status_code, answer.headers["retry-after"]]


def test_a_full_disk_is_503_and_tells_the_operator_only(calendar: Calendar) -> None:
    """The client learns no path of the machine; the log line has it."""

    def fail(_posted: bytes) -> "Future[Accepted]":
        future: Future[Accepted] = Future()
        future.set_exception(StorageFullError("/srv/home/anchorline.db: no space left"))
        return future

    answer = failing(calendar, fail).ask("POST", "/digest", DIGEST)
    assert [503, "30"] == [answer.status_code, answer.headers["retry-after"]]
    assert "/srv" not in answer.text
    assert ["/srv/home/anchorline.db" in line and "StorageFullError" in line for line in calendar.lines] == [True]


def test_a_clock_that_went_back_records_nothing(calendar: Calendar) -> None:
    """The writer refuses to state falling times: 503, no entry, and the next post after it is mended is taken."""
    calendar.post()
    calendar.service.clock.pass_ms(-3_600_000)
    assert 503 == calendar.ask("POST", "/digest", DIGEST).status_code
    calendar.service.clock.pass_ms(3_600_000)
    calendar.post()
    home = calendar.service.home
    assert 3 == home.chains.size(home.chains.named("calendar"))


# --- its chain and its address


def test_the_chain_is_opened_once(calendar: Calendar) -> None:
    """By name, or by id; an id that is not here is not opened."""
    home = calendar.service.home
    chain = home.chains.named("calendar")
    assert chain == calendar_chain(home, "calendar") == calendar_chain(home, chain.chain_id.hex())
    assert [chain] == list(home.chains.all())
    with pytest.raises(UnknownChainError):
        calendar_chain(home, "00" * 32)


@pytest.mark.parametrize("uri", ["https://c.example", "https://c.example/", "http://127.0.0.1:14788", "https://h/ots/"])
def test_addresses_that_the_stock_client_can_join(uri: str) -> None:
    """A host, and perhaps a path that ends in a slash."""
    assert uri == check_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "c.example",
        "ftp://c.example",
        "https://",
        "https://h/ots",
        "https://h?x",
        "https://h/é/",
        "https://" + "h" * 993,
    ],
)
def test_addresses_that_would_not_last(uri: str) -> None:
    """No scheme, no host, a path whose last part would be lost, characters or a length that the format has not."""
    with pytest.raises(SettingsError, match="--uri: expected"):
        check_uri(uri)


# --- the specification


def test_the_example_of_the_specification_is_what_is_answered() -> None:
    """The page's reply leads from its posted bytes to its key, through an entry of its chain, byte for byte."""
    page = (ROOT / "docs" / "spec" / "calendar.md").read_text(encoding="utf-8")
    example = json.loads(page.split("```json\n")[1].split("```")[0])
    posted, reply = bytes.fromhex(example["posted"]), bytes.fromhex(example["reply"])
    (path,) = ots.Timestamp.decode(reply, len(posted)).paths
    assert example["key"] == ots.execute(path.operations, posted).hex()
    assert ots.PendingAttestation(example["uri"]) == path.attestation
    salt = path.operations[1].argument
    chain_id = chain_id_of([ExternalId(IdKind.CLEAR, b"calendar")])
    assert example["chain_id"] == chain_id.hex()
    entry = Entry(chain_id, content_commitment(salt, sha256(posted)))
    assert example["key"] == entry.hash.hex()
    form = Form.of(Chain(1, chain_id, "calendar", 0), example["uri"])
    assert reply == ots.SHA256.encode() + ots.prepend(salt).encode() + form.steps

"""Tests of ``anchor.bitcoin.esplora_answers`` and ``http_retry``, and of ``esplora`` where no node is needed.

The bodies are those of real servers and what may stand in their place; a local HTTP server misbehaves on command.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.bitcoin import esplora_answers as answers
from anchor.bitcoin.esplora import EsploraSource
from anchor.bitcoin.esplora_answers import Branch, ListedCoin, Spend
from anchor.bitcoin.http_retry import Answer, Patience, PatientHttp, Surroundings
from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import BlockId
from anchor.errors import SettingsError, SourceError, SourceUnavailableError, WrongNetworkError
from anchor.proof.bitcoin.hashes import hash_from_hex
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.errors import MalformedError
from tests.simulators.esplora_server import EsploraServer, Fault, running_esplora

REGTEST = NETWORKS["regtest"]
HASH = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
BLOCK = {"confirmed": True, "block_height": 7, "block_hash": HASH, "block_time": 1_750_000_000}
COIN = {"txid": HASH, "vout": 1, "value": 5_000, "status": BLOCK}
TOO_MANY = b'{"error":"Too many requests"}'
GENESIS = Fault("/block-height/0", body=HASH.encode(), instead=True)
PAGE = b"<html><head><title>429 Too Many Requests</title></head></html>"

# Every reader with a body that it takes.
READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "hash": (answers.read_hash, HASH.encode()),
    "header": (answers.read_header, b"00" * 80),
    "transaction": (
        answers.read_transaction,
        b"01000000" + b"01" + b"11" * 36 + b"00" + b"ffffffff" + b"01" + b"00" * 8 + b"00" + b"00000000",
    ),
    "block": (answers.read_block, json.dumps({"id": HASH, "height": 7, "nonce": 2}).encode()),
    "count": (answers.read_transaction_count, json.dumps({"id": HASH, "height": 7, "tx_count": 3}).encode()),
    "status": (answers.read_status, json.dumps(BLOCK).encode()),
    "branch": (answers.read_branch, json.dumps({"block_height": 7, "merkle": [HASH], "pos": 1}).encode()),
    "coins": (answers.read_coins, json.dumps([COIN]).encode()),
    "spend": (answers.read_spend, json.dumps({"spent": True, "txid": HASH, "vin": 0, "status": BLOCK}).encode()),
    "estimate": (lambda body: answers.read_estimate(body, 6), b'{"1": 20.5, "6": 3}'),
}


# Shapes


@pytest.mark.parametrize("name", READERS)
def test_an_honest_answer_is_read(name: str) -> None:
    """Each reader takes the answer that it is for, with or without a newline behind it."""
    read, body = READERS[name]
    assert read(body) == read(body + b"\n")
    assert read(body) is not None


def test_values_keep_what_the_server_said() -> None:
    """Hashes turn to internal order; heights, values and indexes stay."""
    inner = hash_from_hex(HASH)
    assert inner == answers.read_hash(HASH.encode())
    assert BlockId(7, inner) == answers.read_block(READERS["block"][1])
    assert 3 == answers.read_transaction_count(READERS["count"][1])
    assert BlockId(7, inner) == answers.read_status(READERS["status"][1])
    assert Branch(7, 1, (inner,)) == answers.read_branch(READERS["branch"][1])
    assert [ListedCoin(OutPoint(inner, 1), 5_000, 7)] == answers.read_coins(READERS["coins"][1])
    assert Spend(inner, confirmed=True) == answers.read_spend(READERS["spend"][1])


def test_what_is_not_there_is_none() -> None:
    """Unconfirmed has no block, unspent no spender; a spender may be nameless, and a coin without height."""
    assert answers.read_status(b'{"confirmed": false}') is None
    assert answers.read_spend(b'{"spent": false}') is None
    assert Spend(None, confirmed=False) == answers.read_spend(b'{"spent": true}')
    unconfirmed = json.dumps([{**COIN, "status": {"confirmed": False}}]).encode()
    assert [None] == [coin.height for coin in answers.read_coins(unconfirmed)]


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "body",
    [b"", PAGE, b"null", b"5", b'"text"', b"[[[", b"[" * 100_000, b"\xff\xfe", b"{", b"[1]", b'{"a": NaN}'],
)
def test_what_has_another_shape_is_refused(name: str, body: bytes) -> None:
    """A page, nothing, half an answer, or JSON of another kind is never taken for an answer."""
    read, _ = READERS[name]
    with pytest.raises(MalformedError):
        read(body)


@pytest.mark.parametrize("name", READERS)
def test_a_request_limit_is_not_an_answer(name: str) -> None:
    """The JSON body of a 429 is refused by every reader, also where it comes with status 200."""
    read, _ = READERS[name]
    with pytest.raises(MalformedError):
        read(TOO_MANY)


@pytest.mark.parametrize("name", READERS)
def test_a_truncated_answer_is_refused(name: str) -> None:
    """No proper prefix of an answer is an answer."""
    read, body = READERS[name]
    for length in range(len(body)):
        with pytest.raises(MalformedError):
            read(body[:length])


@pytest.mark.parametrize("name", READERS)
@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "height", "confirmed", "spent", "merkle", "6", "txid"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_comes_is_read_or_refused(name: str, body: bytes) -> None:
    """No body makes a reader fail in a way that has no name."""
    read, _ = READERS[name]
    try:
        read(body)
    except MalformedError:
        return


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("block", {"height": -1}),
        ("block", {"height": True}),
        ("block", {"height": 2**32}),
        ("block", {"height": "7"}),
        ("block", {"id": HASH.upper()}),
        ("block", {"id": HASH[:-1]}),
        ("block", {"id": None}),
        ("status", {"confirmed": 1}),
        ("status", {"block_hash": None}),
        ("branch", {"merkle": [HASH] * 18}),
        ("branch", {"merkle": [HASH[:-2]]}),
        ("branch", {"merkle": HASH}),
        ("branch", {"pos": -1}),
        ("branch", {"pos": 1.0}),
        ("spend", {"spent": "true"}),
        ("spend", {"status": None}),
        ("spend", {"txid": 5}),
        ("estimate", {"six": 1}),
        ("estimate", {"-6": 1}),
        ("estimate", {"6": "3"}),
        ("estimate", {"6": True}),
        ("estimate", {"6": [3]}),
    ],
)
def test_a_field_that_cannot_be_is_refused(name: str, change: dict[str, object]) -> None:
    """One wrong field makes the whole answer worthless."""
    read, body = READERS[name]
    with pytest.raises(MalformedError):
        read(json.dumps({**json.loads(body), **change}).encode())


@pytest.mark.parametrize("change", [{"value": -1}, {"value": 21 * 10**14 + 1}, {"value": 1.5}, {"vout": None}])
def test_a_coin_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    """A coin has a whole value that can exist, and an output index."""
    with pytest.raises(MalformedError):
        answers.read_coins(json.dumps([{**COIN, **change}]).encode())


def test_a_coin_listed_twice_is_refused() -> None:
    """A coin that is there twice would be spent twice in one transaction."""
    with pytest.raises(MalformedError, match="once"):
        answers.read_coins(json.dumps([COIN, COIN]).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", None),
        (b'{"1": 20.5, "6": 3, "144": 1}', 3.0),
        (b'{"1": 20.5, "4": 7, "144": 1}', 7.0),
        (b'{"144": 1.5}', None),
        (b'{"6": 0}', None),
        (b'{"6": -1}', None),
        (b'{"6": NaN}', None),
        (b'{"6": 1e999}', None),
        (b'{"6": 10000.0}', 10_000.0),
        (b'{"6": 10001}', None),
        (b'{"6": 1' + b"0" * 400 + b"}", None),
    ],
)
def test_an_estimate_is_one_for_the_target_or_none(body: bytes, expected: float | None) -> None:
    """The slowest target that is fast enough counts; an empty map and a number that cannot be are no estimate."""
    assert expected == answers.read_estimate(body, 6)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'sendrawtransaction RPC error: {"code":-25,"message":"bad-txns-inputs-missingorspent"}', -25),
        (b'sendrawtransaction RPC error: {"code":-26,"message":"a {brace} and code: -1"} trailing', -26),
        (b"sendrawtransaction RPC error -26: min relay fee not met, 0 < 111", -26),
        (b"sendrawtransaction RPC error -27: Transaction outputs already in utxo set\n", -27),
        (b'sendrawtransaction RPC error: {"message":"no code"}', None),
        (b'sendrawtransaction RPC error: {"code":"-25"}', None),
        (b'sendrawtransaction RPC error: {"code":true}', None),
        (b'sendrawtransaction RPC error: {"code":-25', None),
        (b"Too many requests", None),
        (TOO_MANY, None),
        (PAGE, None),
        (b"", None),
        (b"\xff" * 50, None),
    ],
)
def test_a_refusal_is_known_by_its_code(body: bytes, expected: int | None) -> None:
    """Both ways in which servers quote their node are read, by the number alone."""
    assert expected == answers.refusal_code(body)


# Waiting


@dataclass
class Clock:
    """A time that passes only while somebody sleeps."""

    at_s: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, wait_s: float) -> None:
        """Let time pass."""
        self.slept.append(wait_s)
        self.at_s += wait_s

    def surroundings(self, share: float = 1.0) -> Surroundings:
        """Return surroundings with this clock, in which every random number is ``share``."""
        return Surroundings(lambda: self.at_s, lambda: self.at_s, self.sleep, lambda: share)


@pytest.fixture
def server() -> Iterator[EsploraServer]:
    """A server that has no node behind it."""
    with running_esplora(None) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


@contextmanager
def http_to(server: EsploraServer, around: Surroundings, patience: Patience | None = None) -> Iterator[PatientHttp]:
    """A client of the server."""
    client = PatientHttp(server.url, patience or Patience(), around)
    yield client
    client.close()


def fine(times: int | None = None) -> Fault:
    """An answer that is right."""
    return Fault(".*", body=b"fine", instead=True, times=times)


def failing(status: int, times: int | None = None, **headers: str) -> Fault:
    """An answer that is none."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(".*", status=status, body=TOO_MANY, headers=named, instead=True, times=times)


def test_waits_grow_and_are_jittered(server: EsploraServer, clock: Clock) -> None:
    """Waits double up to the longest; half of each is left to chance, and every try is counted."""
    server.faults = [failing(500)]
    patience = Patience(tries=6, first_wait_s=1.0, longest_wait_s=5.0)
    for share, expected in ((1.0, [1.0, 2.0, 4.0, 5.0, 5.0]), (0.0, [0.5, 1.0, 2.0, 2.5, 2.5])):
        clock.slept.clear()
        server.requests.clear()
        with (
            http_to(server, clock.surroundings(share), patience) as client,
            pytest.raises(SourceUnavailableError, match="HTTP 500"),
        ):
            client.get("/a", 10)
        assert expected == clock.slept
        assert ["/a"] * 6 == server.requests


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(server: EsploraServer, clock: Clock, status: int) -> None:
    """What may pass is waited for, and the answer that comes in the end counts."""
    server.faults = [failing(status, times=3), fine()]
    with http_to(server, clock.surroundings()) as client:
        assert Answer(200, b"fine") == client.get("/a", 10)
    assert 3 == len(clock.slept)


def test_retry_after_is_honoured(server: EsploraServer, clock: Clock) -> None:
    """A server that says how long to wait is not asked before, whether it says seconds or a date."""
    until = formatdate(clock.at_s + 12 + 10, usegmt=True)
    server.faults = [failing(429, 1, Retry_After="10"), failing(429, 1, Retry_After=until), fine()]
    with http_to(server, clock.surroundings(0.0)) as client:
        assert Answer(200, b"fine") == client.get("/a", 10)
    first, second = clock.slept
    assert first == 10 + 0.25
    assert 11 < second < 13


@pytest.mark.parametrize("value", ["soon", "-5", "1e3", "Thu, 99 Foo 2026", "\u00b2"])
def test_a_retry_after_that_is_none_is_ignored(server: EsploraServer, clock: Clock, value: str) -> None:
    """A malformed header does not make us wait longer, nor fail."""
    header = value.encode("latin-1", "ignore").decode("latin-1")
    server.faults = [failing(429, 1, Retry_After=header), fine()]
    with http_to(server, clock.surroundings()) as client:
        assert Answer(200, b"fine") == client.get("/a", 10)
    assert [0.5] == clock.slept


def test_who_asks_for_more_than_we_wait_is_left_alone(server: EsploraServer, clock: Clock) -> None:
    """After a Retry-After of an hour no request is made for an hour: public servers ban those who go on."""
    server.faults = [failing(429, 1, Retry_After="3600"), fine()]
    with http_to(server, clock.surroundings()) as client:
        with pytest.raises(SourceUnavailableError, match=r"HTTP 429.*left alone for 3600 s"):
            client.get("/a", 10)
        clock.at_s += 3_599
        with pytest.raises(SourceUnavailableError, match="left alone for 1 s more"):
            client.get("/b", 10)
        assert ["/a"] == server.requests
        clock.at_s += 2
        assert Answer(200, b"fine") == client.get("/b", 10)
    assert [] == clock.slept


def test_nobody_is_left_alone_for_ever(server: EsploraServer, clock: Clock) -> None:
    """A Retry-After of years counts as a day."""
    server.faults = [failing(429, 1, Retry_After="99999999999999999999999"), fine()]
    with http_to(server, clock.surroundings()) as client:
        with pytest.raises(SourceUnavailableError, match="86400"):
            client.get("/a", 10)
        clock.at_s += 86_401
        assert 200 == client.get("/a", 10).status


def test_a_server_that_failed_is_rested(server: EsploraServer, clock: Clock) -> None:
    """After the last try the next question fails at once, until the rest is over: a dead mirror costs little time."""
    server.faults = [failing(503, times=2), fine()]
    with http_to(server, clock.surroundings(), Patience(tries=2, rest_s=20)) as client:
        with pytest.raises(SourceUnavailableError, match="try 2 of 2"):
            client.get("/a", 10)
        with pytest.raises(SourceUnavailableError, match="HTTP 503"):
            client.get("/a", 10)
        assert 2 == len(server.requests)
        clock.at_s += 21
        assert Answer(200, b"fine") == client.get("/a", 10)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_us_is_unavailability(server: EsploraServer, clock: Clock, status: int) -> None:
    """A gateway that has banned us makes the source unavailable, not wrong."""
    server.faults = [failing(status)]
    with (
        http_to(server, clock.surroundings()) as client,
        pytest.raises(SourceUnavailableError, match=f"HTTP {status}"),
    ):
        client.get("/a", 10)


@pytest.mark.parametrize("status", [204, 301, 302, 405, 418])
def test_another_status_is_no_answer(server: EsploraServer, clock: Clock, status: int) -> None:
    """A redirection is not followed and nothing but 200, 400 and 404 is taken; asking again would not help."""
    server.faults = [Fault(".*", status=status, body=b"", headers={"Location": "/b"}, instead=True)]
    with (
        http_to(server, clock.surroundings()) as client,
        pytest.raises(SourceError, match=f"got HTTP {status}") as refused,
    ):
        client.get("/a", 10)
    assert not isinstance(refused.value, SourceUnavailableError)
    assert ["/a"] == server.requests


def test_400_and_404_are_answers(server: EsploraServer, clock: Clock) -> None:
    """Refused and not there are said by the API itself; a page behind a 404 is not read."""
    server.faults = [
        Fault("/a", status=404, body=PAGE * 1_000, instead=True),
        Fault("/b", status=400, body=b"because", instead=True),
    ]
    with http_to(server, clock.surroundings()) as client:
        assert Answer(404, b"") == client.get("/a", 10)
        assert Answer(400, b"because") == client.post("/b", b"00", 10)


def test_a_body_is_read_no_further_than_its_limit(server: EsploraServer, clock: Clock) -> None:
    """A body of exactly the limit is taken, one byte more is refused."""
    server.faults = [Fault(".*", body=b"x" * 101, instead=True)]
    with http_to(server, clock.surroundings()) as client:
        assert 101 == len(client.get("/a", 101).body)
        with pytest.raises(SourceError, match="at most 100 bytes"):
            client.get("/a", 100)


@pytest.mark.parametrize(
    "fault", [Fault(".*", body=b"x" * 50, kept=20, instead=True), Fault(".*", reset=True, instead=True)]
)
def test_half_an_answer_is_asked_for_again(server: EsploraServer, clock: Clock, fault: Fault) -> None:
    """A truncated body and a broken connection are tries that failed."""
    fault.times = 2
    server.faults = [fault, fine()]
    with http_to(server, clock.surroundings()) as client:
        assert Answer(200, b"fine") == client.get("/a", 100)
    assert 3 == len(server.requests)


@pytest.mark.parametrize("slow_s", [0.05, 5.0])
def test_a_slow_answer_is_given_up(server: EsploraServer, slow_s: float) -> None:
    """A server that trickles a byte at a time is given up at the deadline, like one that says nothing at all."""
    server.faults = [Fault(".*", body=b"x" * 50, slow_s=slow_s, instead=True)]
    with (
        http_to(server, Surroundings(), Patience(tries=1, answer_s=0.3)) as client,
        pytest.raises(SourceUnavailableError, match="no whole answer"),
    ):
        client.get("/a", 100)


def test_nobody_at_the_address_is_unavailability(clock: Clock) -> None:
    """A refused connection is named, with the address."""
    with running_esplora(None) as gone:
        url = gone.url
    client = PatientHttp(url, Patience(), clock.surroundings())
    with pytest.raises(SourceUnavailableError, match=f"{url}/a.*ConnectError"):
        client.get("/a", 10)
    assert 4 == len(clock.slept)
    client.close()


def test_a_closed_source_says_so(server: EsploraServer) -> None:
    """After closing, no request goes out."""
    source = EsploraSource(server.url, REGTEST)
    source.close()
    with pytest.raises(SourceUnavailableError, match="closed"):
        source.block_hash(0)
    assert [] == server.requests


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mempool.space",
        "ftp://example.org/api",
        "http://",
        "https://example.org/api?key=secret",
        "https://example.org/api#x",
        "https://user:secret@example.org/api",
        "http://[::1",
        "https://example.org:99999999/api",
    ],
)
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    """A wrong address is a matter of settings; a password in it is not repeated."""
    with pytest.raises(SettingsError) as refused:
        EsploraSource(url, REGTEST)
    assert "user:secret" not in str(refused.value)


def test_a_last_slash_makes_no_difference(server: EsploraServer, clock: Clock) -> None:
    """The API's address may end with a slash."""
    server.faults = [fine()]
    client = PatientHttp(server.url + "/api/", Patience(), clock.surroundings())
    client.get("/a", 10)
    client.close()
    assert ["/api/a"] == server.requests


def test_a_proxy_that_cannot_be_used_is_a_matter_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxies count for servers elsewhere, not for this machine's."""
    monkeypatch.setenv("ALL_PROXY", "nonsense://127.0.0.1:1")
    with pytest.raises(SettingsError, match="proxy"):
        EsploraSource("https://example.org/api", REGTEST)
    for near in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"):
        EsploraSource(near, REGTEST).close()


# What a hash can check


def test_a_server_of_another_network_is_refused(server: EsploraServer) -> None:
    """The message names both genesis blocks; a server without a block 0 has no API at this address."""
    source = EsploraSource(server.url, NETWORKS["testnet4"])
    server.faults = [Fault("/block-height/0", body=HASH.encode(), instead=True, times=1), failing(404)]
    with pytest.raises(WrongNetworkError, match=f"00000000da84f2ba.*testnet4, found {HASH}"):
        source.check_network()
    with pytest.raises(SourceError, match=f"the address is wrong: expected an Esplora API at {server.url}") as refused:
        source.check_network()
    assert SourceError is refused.type
    source.close()


def test_the_header_of_another_block_is_refused(server: EsploraServer) -> None:
    """A header is believed only if it hashes to what was asked for."""
    server.faults = [GENESIS, Fault("/block/.*/header", body=b"00" * 80, instead=True)]
    source = EsploraSource(server.url, REGTEST)
    with pytest.raises(SourceError, match="do not trust"):
        source.header(bytes(32))
    source.close()


def test_bytes_of_another_transaction_are_refused(server: EsploraServer) -> None:
    """A transaction is believed only if it hashes to its txid."""
    server.faults = [
        GENESIS,
        Fault("/tx/.*/outspend/0", body=b'{"spent": false}', instead=True),
        Fault("/tx/.*/hex", body=READERS["transaction"][1], instead=True),
    ]
    source = EsploraSource(server.url, REGTEST)
    with pytest.raises(SourceError, match="expected transaction"):
        source.spender(OutPoint(bytes(32), 0))
    source.close()

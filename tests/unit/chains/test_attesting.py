"""Attesting: checkpoints go to calendars and come back in receipts; a calendar that fails or lies changes nothing.

The calendar is our own application on a second home, over HTTP; both homes share one simulated Bitcoin.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from anchor.attestations import Attestations
from anchor.attesting import ASK_EVERY_MS, ASK_FOR_MS, Attested, Attesting
from anchor.bitcoin.calendars import Calendars, may_be_asked, pending_ways
from anchor.bitcoin.http_retry import Patience
from anchor.errors import SettingsError
from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.header import Header
from anchor.proof.blocks import GivenBlock
from anchor.proof.calendar import CalendarAnchor
from anchor.proof.calendar_judging import attested_root
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import Receipt
from anchor.proof.timestamp import imprint_of
from anchor.proof.verify import Outcome, Verdict, Verifier, verify
from anchor.signing import check_signature
from chains.attesting import PUBLIC_CALENDARS
from chains.audit_attestations import check_attestations
from chains.audit_report import Report
from chains.calendar import Accepted, Form, Lookups, accept, calendar_chain
from chains.group_commit import GroupCommit
from chains.home import Home
from chains.reader import Reader
from chains.settings import checked_settings
from chains.web.calendar import CalendarApp, Parts
from chains.wording import verdict_lines
from tests.homes import in_sql
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.calendar_server import CalendarServer, Respond, calendar_server
from tests.simulators.service import HOUR_MS, Clock, Service, new_service

IMPATIENT = Patience(tries=1, connect_s=5, answer_s=5, rest_s=0)
FINAL = 6


class Stage:
    """A log, a calendar that is a log of somebody else, and the Bitcoin of both."""

    def __init__(self, log: Service, other: Service, bitcoin: SimulatedBitcoin, server: CalendarServer) -> None:
        self.log, self.other, self.bitcoin, self.server = log, other, bitcoin, server
        self.calendars = Calendars(IMPATIENT)
        self.stored = Attestations(log.home.engine)

    def attesting(self, *, with_headers: bool = True) -> Attesting:
        """Return what a new process makes of the settings."""
        headers = self.bitcoin if with_headers else None
        urls = (self.server.url,)
        return Attesting(self.log.home.directory, self.stored, self.calendars, urls, "regtest", headers)

    def anchor_log(self) -> bytes:
        """Record an entry and anchor it; return its hash."""
        (entry,) = self.log.add("acme", b"%d" % self.log.clock())
        self.log.seal()
        self.log.tick(at_once=True)
        self.bitcoin.mine()
        self.log.tick()
        return entry

    def anchor_calendar(self, blocks: int = FINAL) -> None:
        """Let the calendar anchor what it was given."""
        self.other.seal()
        self.other.tick(at_once=True)
        self.bitcoin.mine(blocks)
        self.other.tick()

    def shown(self, entry: bytes) -> tuple[CalendarAnchor, ...]:
        """Return the attestations in an entry's receipt."""
        receipt = self.log.receipt(entry)
        assert receipt.sealed is not None
        return receipt.sealed.attestations

    def judged(self, receipt: Receipt, *blocks: GivenBlock) -> Verdict:
        return verify(
            receipt, Verifier(card=self.log.home.card(), blocks=blocks, check_signature=check_signature, depth=1)
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Both logs funded, the calendar running, one entry anchored in the log."""
    bitcoin, clock = SimulatedBitcoin(), Clock()
    with (
        new_service(tmp_path / "log", bitcoin, clock) as log,
        new_service(tmp_path / "other", bitcoin, clock) as other,
        calendar_server() as server,
    ):
        bitcoin.mine(1, log.wallet.script)
        bitcoin.mine(1, other.wallet.script)
        bitcoin.mine(149)
        log.open_chain("acme")
        with application(other.home, server.url) as app:
            server.use(app)
            made = Stage(log, other, bitcoin, server)
            yield made
            made.calendars.close()


@contextmanager
def application(home: Home, uri: str) -> Iterator[CalendarApp]:
    """Put our calendar together on a home."""
    chain, writer = calendar_chain(home, "calendar"), home.writer
    form = Form.of(chain, uri)
    commits: GroupCommit[bytes, Accepted] = GroupCommit(lambda group: accept(writer, form, group, home.clock()))
    try:
        with Home.open(home.folder, home.clock) as reading, ThreadPoolExecutor(1) as thread:
            yield CalendarApp(Parts(commits.submit, Lookups(reading, chain, uri), thread, lambda _: None))
    finally:
        commits.stop()


def whats(done: list[Attested]) -> list[tuple[str, bool]]:
    """Return what was done, and whether it succeeded."""
    return [(item.what, not item.cause) for item in done]


# --- the way there and back


def test_a_checkpoint_is_attested_and_its_receipt_says_so(stage: Stage) -> None:
    """Submitted once, asked after, completed, and in the receipt with the header of its block."""
    entry = stage.anchor_log()
    assert [("submitted", True)] == whats(stage.attesting().run(stage.log.clock()))
    assert () == stage.shown(entry)
    stage.anchor_calendar()
    assert [("attested", True)] == whats(stage.attesting().run(stage.log.clock(), at_once=True))
    (anchor,) = stage.shown(entry)
    assert "regtest" == anchor.network
    assert anchor.header is not None
    checkpoint = stage.log.home.directory.newest()
    assert checkpoint is not None
    height, root = attested_root(anchor.ots, imprint_of(checkpoint.size, checkpoint.root))
    assert Header.decode(anchor.header).hash == stage.bitcoin.block_hash(height)
    assert Header.decode(anchor.header).merkle_root == root


def test_the_attesting_block_alone_is_enough_and_has_a_name_of_its_own(stage: Stage) -> None:
    """With both blocks known the receipt is intact; with the calendar's only it is attested, and says so."""
    entry = stage.anchor_log()
    stage.attesting().run(stage.log.clock())
    stage.anchor_calendar()
    stage.attesting().run(stage.log.clock(), at_once=True)
    receipt = stage.log.receipt(entry)
    own, theirs = (GivenBlock("regtest", height, stage.bitcoin.block_hash(height) or b"") for height in (152, 153))
    both, alone = stage.judged(receipt, own, theirs), stage.judged(receipt, theirs)
    assert [Outcome.INTACT, Outcome.ATTESTED] == [both.outcome, alone.outcome]
    assert Outcome.INTACT == stage.judged(receipt, own).outcome
    assert Outcome.NOT_CHECKED == stage.judged(receipt).outcome
    said = "\n".join(verdict_lines(None, alone))
    assert "INTACT BY A CALENDAR'S ATTESTATION, NOT BY THE LOG'S OWN ANCHOR" in said
    assert "block 153 of regtest" in said
    assert "its own anchor was not checked" in said
    assert "Besides, block 153 of regtest" in "\n".join(verdict_lines(None, both))


def test_each_anchored_checkpoint_is_submitted_once(stage: Stage) -> None:
    """Nothing before the first anchor; then once for each newest anchored checkpoint, whoever runs it how often."""
    stage.log.add("acme", b"sealed only")
    stage.log.seal()
    assert [] == stage.attesting().run(stage.log.clock())
    for _ in range(2):
        stage.log.clock.pass_ms(HOUR_MS)
        stage.anchor_log()
        assert [("submitted", True)] == whats(stage.attesting().run(stage.log.clock()))
        assert [] == stage.attesting().run(stage.log.clock())
    posts = [path for method, path in stage.server.asked if method == "POST"]
    assert ["/digest"] * 2 == posts


def test_calendars_are_not_asked_more_often_than_they_bear(stage: Stage) -> None:
    """One round in twenty minutes, also after restarts; a clock that was set back does not stop the rounds."""
    stage.anchor_log()
    stage.attesting().run(stage.log.clock())
    asked = []
    for pause_ms in (0, ASK_EVERY_MS - 1, 1, ASK_EVERY_MS, -HOUR_MS):
        stage.log.clock.pass_ms(pause_ms)
        before = len(stage.server.asked)
        stage.attesting().run(stage.log.clock())
        asked.append(len(stage.server.asked) - before)
    assert [0, 0, 1, 1, 1] == asked


def test_what_no_calendar_completes_in_a_month_is_given_up(stage: Stage) -> None:
    """After that nobody is asked about it; other replies are."""
    stage.anchor_log()
    stage.attesting().run(stage.log.clock())
    stage.log.clock.pass_ms(ASK_FOR_MS + 1)
    before = len(stage.server.asked)
    stage.attesting().run(stage.log.clock())
    assert before == len(stage.server.asked)


def test_without_a_source_of_headers_the_file_is_kept_and_the_header_comes_later(stage: Stage) -> None:
    """Kept without; what verify then says is that the header is missing; a source found later completes it."""
    entry = stage.anchor_log()
    stage.attesting(with_headers=False).run(stage.log.clock())
    stage.anchor_calendar(blocks=FINAL)
    assert [("attested", True)] == whats(stage.attesting(with_headers=False).run(stage.log.clock(), at_once=True))
    (anchor,) = stage.shown(entry)
    assert anchor.header is None
    verdict = stage.judged(stage.log.receipt(entry), GivenBlock("regtest", 153, stage.bitcoin.block_hash(153) or b""))
    assert Outcome.NOT_CHECKED == verdict.outcome
    assert any("its header is not in the receipt" in text for text in verdict.missing)
    assert [] == stage.attesting().run(stage.log.clock(), at_once=True)
    (completed,) = stage.shown(entry)
    assert completed.header is not None
    assert anchor.ots == completed.ots


def test_an_older_receipt_is_upgraded_with_the_attestation(stage: Stage) -> None:
    """The upgrade adds it; and an old receipt that has one never loses it."""
    entry = stage.anchor_log()
    early = stage.log.receipt(entry)
    stage.attesting().run(stage.log.clock())
    stage.anchor_calendar()
    stage.attesting().run(stage.log.clock(), at_once=True)
    home = stage.log.home
    stored = Reader(home.engine, home.chains, home.lookup).by_hash(entry)
    assert stored is not None
    upgraded = stage.log.receipts().upgrade(early, stored)
    assert upgraded.sealed is not None
    assert 1 == len(upgraded.sealed.attestations)
    with stage.log.home.engine.transaction():
        stage.log.home.engine.execute("DELETE FROM attestation_header")
        stage.log.home.engine.execute("DELETE FROM attestation")
    again = stage.log.receipts().upgrade(upgraded, stored)
    assert again.sealed is not None
    assert upgraded.sealed.attestations == again.sealed.attestations


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE calendar_reply SET reply = X'00'", "expected"),
        ("UPDATE attestation SET ots = X'00'", "expected"),
        ("UPDATE attestation_header SET header = zeroblob(80)", "leads to the Merkle root"),
        ("UPDATE calendar_reply SET checkpoint_size = (SELECT MIN(size) FROM checkpoint)", "the checkpoint's imprint"),
    ],
)
def test_the_audit_finds_what_was_changed(damage: str, said: str, stage: Stage) -> None:
    """A reply, a file, a header, a row's checkpoint: each must be over the checkpoint that it stands beside."""
    stage.log.seal()
    stage.log.clock.pass_ms(HOUR_MS)
    stage.anchor_log()
    stage.attesting().run(stage.log.clock())
    stage.anchor_calendar()
    stage.attesting().run(stage.log.clock(), at_once=True)
    home = stage.log.home
    report = Report()
    check_attestations(home.engine, home.directory, report)
    assert [] == report.findings
    with home.engine.transaction():
        home.engine.execute(in_sql(damage))
    check_attestations(home.engine, home.directory, report)
    assert [True] == [said in finding.what for finding in report.findings]


# --- calendars that fail, or lie


def answering(status: int, body: bytes) -> Respond:
    return lambda _method, _path, _body: (status, body)


def pending(uri: str) -> bytes:
    path = ots.Path((ots.append(b"nonce"), ots.SHA256), ots.PendingAttestation(uri))
    return ots.Timestamp((path,)).encode()


def attests(height: int) -> bytes:
    return ots.Timestamp((ots.Path((ots.SHA256,), ots.BitcoinAttestation(height)),)).encode()


@pytest.mark.parametrize(
    "respond",
    [
        answering(503, b""),
        answering(201, pending("https://a.calendar.opentimestamps.org")),
        answering(200, b""),
        answering(200, b"<html>"),
        answering(200, bytes(10_001)),
        answering(200, attests(5)),
        # Where a calendar of the internet may not send us: into our own network.
        answering(200, pending("http://127.0.0.1:8332")),
        answering(200, pending("https://calendar.example")),
    ],
)
def test_a_reply_that_cannot_be_used_is_not_kept(respond: Respond, stage: Stage) -> None:
    """Silence, errors and nonsense are reported; nothing is stored, and the next run tries again."""
    entry = stage.anchor_log()
    good, stage.server.respond = stage.server.respond, respond
    assert [("submitted", False)] == whats(stage.attesting().run(stage.log.clock()))
    assert [] == stage.stored.pending(0, 10)
    assert () == stage.shown(entry)
    stage.server.respond = good
    assert [("submitted", True)] == whats(stage.attesting().run(stage.log.clock()))


@pytest.mark.parametrize(
    ("respond", "said"),
    [
        (answering(500, b""), "HTTP 500"),
        (answering(200, b"\x00"), "expected"),
        (answering(200, bytes(10_001)), "at most 10000 bytes"),
        # A block that has another Merkle root, and ways on which nothing may rest.
        (answering(200, attests(5)), "leads to the Merkle root"),
        (answering(200, ots.Timestamp((ots.Path((ots.SHA1,), ots.BitcoinAttestation(5)),)).encode()), "sha1"),
        (answering(200, ots.Timestamp((ots.Path((ots.HEXLIFY,), ots.BitcoinAttestation(5)),)).encode()), "32 bytes"),
    ],
)
def test_an_attestation_that_does_not_hold_is_not_kept(respond: Respond, said: str, stage: Stage) -> None:
    """Whatever a calendar claims, our own source of headers has the word; the true one is taken later."""
    entry = stage.anchor_log()
    stage.attesting().run(stage.log.clock())
    stage.anchor_calendar()
    good, stage.server.respond = stage.server.respond, respond
    done = stage.attesting().run(stage.log.clock(), at_once=True)
    assert [("attested", False)] == whats(done)
    assert said in done[0].cause
    assert () == stage.shown(entry)
    stage.server.respond = good
    assert [("attested", True)] == whats(stage.attesting().run(stage.log.clock(), at_once=True))
    assert 1 == len(stage.shown(entry))


@pytest.mark.parametrize("respond", [answering(404, b"Pending"), answering(200, pending("https://elsewhere.example"))])
def test_what_is_still_pending_is_no_error(respond: Respond, stage: Stage) -> None:
    """Not found, or pending somewhere else: nothing is said, nothing kept."""
    stage.anchor_log()
    stage.attesting().run(stage.log.clock())
    stage.server.respond = respond
    assert [] == stage.attesting().run(stage.log.clock(), at_once=True)
    assert 1 == len(stage.stored.pending(0, 10))


def test_a_block_that_our_source_does_not_reach_yet_is_waited_for(stage: Stage) -> None:
    """An attestation above our own tip, or not deep enough there, is taken once it is."""
    stage.anchor_log()
    stage.attesting().run(stage.log.clock())
    good = stage.server.respond
    for ahead in (1, 0):
        stage.server.respond = answering(200, attests(stage.bitcoin.height + ahead))
        assert [] == stage.attesting().run(stage.log.clock(), at_once=True)
    stage.server.respond = good
    assert 1 == len(stage.stored.pending(0, 10))


def test_one_calendar_that_fails_leaves_the_others(stage: Stage) -> None:
    """Each is tried by itself, in every run."""
    stage.anchor_log()
    attesting = stage.attesting()
    attesting.urls = ("http://127.0.0.1:9", stage.server.url)
    assert [("submitted", False), ("submitted", True)] == whats(attesting.run(stage.log.clock()))


@pytest.mark.parametrize("moment", ["keep_reply", "begin_round", "keep_attestation"])
def test_a_crash_at_any_write_converges(moment: str, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped before or after each write, a later run ends with one reply and one attestation."""

    class Stopped(BaseException):
        """The process is gone."""

    entry = stage.anchor_log()
    for after in (False, True):
        original: Callable[..., object] = getattr(Attestations, moment)

        def stopping(*args: object, after: bool = after, original: Callable[..., object] = original) -> object:
            if after:
                original(*args)
            raise Stopped

        with monkeypatch.context() as patch:
            patch.setattr(Attestations, moment, stopping)
            try:
                stage.attesting().run(stage.log.clock(), at_once=True)
                stage.anchor_calendar()
                stage.attesting().run(stage.log.clock(), at_once=True)
            except Stopped:
                pass
    stage.attesting().run(stage.log.clock(), at_once=True)
    stage.anchor_calendar()
    stage.attesting().run(stage.log.clock(), at_once=True)
    assert 1 == len(stage.shown(entry))
    assert [] == stage.stored.pending(0, 10)


# --- addresses and settings


@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        ("https://alice.btc.calendar.opentimestamps.org", True),
        ("https://finney.calendar.eternitywall.com", True),
        ("https://btc.calendar.catallaxy.com", True),
        ("http://alice.btc.calendar.opentimestamps.org", False),
        ("https://alice.btc.calendar.opentimestamps.org.evil.example", False),
        ("https://evil.example/.calendar.opentimestamps.org", False),
        ("https://calendar.opentimestamps.org", False),
        ("https://mine.example", True),
        ("https://mine.example/", True),
        ("https://mine.example/ots", False),
        ("http://mine.example", False),
    ],
)
def test_a_calendar_may_send_us_to_itself_and_to_the_public_ones(uri: str, asked: bool) -> None:
    """Nobody else: an address in an answer is a stranger's wish."""
    assert asked == may_be_asked(uri, "https://mine.example")


def test_ways_of_a_reply_are_bounded() -> None:
    """A reply with very many pending attestations costs no more than a few questions."""
    paths = [
        ots.Path((ots.append(b"%d" % number), ots.SHA256), ots.PendingAttestation("https://mine.example"))
        for number in range(100)
    ]
    assert 4 == len(pending_ways(ots.canonical(paths).encode(), bytes(32), "https://mine.example"))
    with pytest.raises(MalformedError):
        pending_ways(attests(1), bytes(32), "https://mine.example")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"calendars": ["https://a.example", "https://a.example"]}, "each once"),
        ({"calendars": [f"https://{number}.example" for number in range(9)]}, "at most 8"),
        ({"calendar_network": "testnet9"}, "calendar_network: expected one of"),
        ({"calendar_esplora_url": "https://e.example"}, "without calendars"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object], said: str) -> None:
    """By their names; without any, no calendar is asked."""
    least: dict[str, object] = {"network": "regtest", "source": "embedded"}
    assert () == checked_settings(least, "a file").calendars
    with pytest.raises(SettingsError, match=said):
        checked_settings(least | values, "a file")


def test_the_public_calendars_are_four_addresses() -> None:
    """Those of the stock client; they fit the settings."""
    least: dict[str, object] = {"network": "mainnet", "source": "core", "core_url": "http://127.0.0.1:8332"}
    assert PUBLIC_CALENDARS == checked_settings(least | {"calendars": list(PUBLIC_CALENDARS)}, "a file").calendars

"""The Python client against a real server on a real socket: what it records, reads and proves, also with asyncio.

One server serves the whole module. Lies are in test_client_lies.py, deaths in tests/crash/test_crash_client.py.
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from anchor.bitcoin.protocols import BlockId
from anchor.directory import Directory
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.header import Header
from anchor.proof.blocks import GivenBlock
from anchor.proof.codec import sha256
from anchor.proof.entry import AuthorType, ExtensionType, ExternalId, IdKind, Link, Relation, chain_id_of, check_author
from anchor.proof.errors import Reason, TooLargeError
from anchor.proof.leaves import Key, KeyLeaf, KeyType, LogLeaf, Purpose, Signer
from anchor.proof.merkle import root_of
from anchor.proof.promise import Promise, check_promise, promise_key_id
from anchor.proof.receipt import LogCard, Receipt
from anchor.proof.strictjson import loads
from anchor.proof.verdict import Outcome as Judged
from anchor.signing import SigningKey
from chains.access import Role
from chains.client import (
    AsyncClient,
    BatchLimits,
    Client,
    ClosedError,
    Ed25519Key,
    ExpectedAuthor,
    NotTheAuthorError,
    Outcome,
    ProblemAnswerError,
    Recorded,
    Refused,
    Sent,
    Signatory,
    Together,
    UnpinnedLogError,
    UntrueAnswerError,
    Untruth,
)
from chains.home import Home
from chains.reader import Reader
from tests.homes import files_of
from tests.simulators.api_server import ApiServer, make_home, make_key, run_beside, serving
from tests.waiting import wait_until


@dataclass
class Site:
    """A served home, the key of organisation acme, and its chain."""

    server: ApiServer
    key: str
    card: Path
    chain_id: bytes

    @property
    def log(self) -> LogLeaf:
        """Leaf 0 of the pinned log; its card changes when the thread begins."""
        return LogCard.decode(self.card.read_bytes()).log

    def client(self, **options: object) -> Client:
        """Return a client of acme that pins the card."""
        return Client(self.server.url, self.key, card=self.card, **options)  # type: ignore[arg-type]  # the test's own

    def run(self, *command: str) -> None:
        """Run a command beside the server."""
        run_beside(self.server.home, *command)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("client")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    key = make_key(home, "acme")
    with serving(home) as server:
        card = folder / "log-card.json"
        with Client(server.url, key, trust_on_first_use=True) as first:
            card.write_bytes(first.card().encode())
            chain_id = first.open_chain(["acme/deliveries"], b"the first", visibility="public").own.entry.chain_id
        yield Site(server, key, card, chain_id)
    patched.undo()


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    with site.client() as made:
        yield made


def new_chain(client: Client) -> bytes:
    """Return the id of a new chain."""
    return client.open_chain().own.entry.chain_id


def all_recorded(outcomes: list[Outcome]) -> list[Recorded]:
    """Return outcomes, of which none was refused."""
    found = [item for item in outcomes if isinstance(item, Recorded)]
    assert outcomes == found
    return found


# --- one entry


def test_content_is_recorded_and_read_back(site: Site, client: Client) -> None:
    """The entry is made here; the service holds it under its hash, with content, ids, links and media type."""
    first = client.add(site.chain_id, b"sensor: 21.5", media_type="text/plain", external_ids=["s-1", b"\x00\xff"])
    link = Link(Relation.SUPERSEDES, site.chain_id, first.entry_hash)
    second = client.add(site.chain_id, b"sensor: 21.4", links=[link])
    assert (first.leaf_index + 1, False) == (second.leaf_index, second.repeated)
    seen = client.entry(first.entry_hash)
    assert (first.own.raw, first.own.salt, first.own.digest) == (seen.raw, seen.salt, seen.digest)
    assert ("text/plain", (b"s-1", b"\x00\xff")) == (
        seen.entry.media_type,
        tuple(each.value for each in seen.entry.external_ids),
    )
    assert (link,) == client.entry(second.entry_hash).entry.links
    assert b"sensor: 21.5" == client.content(first) == client.content(first.entry_hash)


@pytest.mark.parametrize("sent", [Sent.CONTENT, Sent.DIGEST, Sent.COMMITMENT])
def test_as_much_leaves_as_was_chosen(site: Site, sent: Sent) -> None:
    """With digest or commitment the content is nowhere at the service; with the commitment its salt neither."""
    content = b"personal data, " + os.urandom(16).hex().encode()
    with site.client() as client:
        recorded = client.add(new_chain(client), content, sent=sent)
        seen = client.entry(recorded.entry_hash)
        known = {
            Sent.CONTENT: (recorded.own.salt, recorded.own.digest),
            Sent.DIGEST: (recorded.own.salt, recorded.own.digest),
            Sent.COMMITMENT: (None, None),
        }
        assert known[sent] == (seen.salt, seen.digest)
        with Home.open(site.server.home) as home:
            stored = Reader(home.engine, home.chains, home.lookup).by_hash(recorded.entry_hash)
        assert stored is not None
        kept = stored.kept
        assert (sent == Sent.CONTENT) == (kept is not None and content == kept.content)
        assert (sent != Sent.COMMITMENT) == (kept is not None and recorded.own.salt == kept.salt)
        files = b"".join(files_of(site.server.home).values())
        assert recorded.own.raw in files, "what is in the database is found by this"
        assert content not in files, "contents lie there under keys of their own"
        if sent == Sent.CONTENT:
            assert content == client.content(recorded)
        else:
            with pytest.raises(ProblemAnswerError, match="404 not-found"):
                client.content(recorded)


def test_a_digest_is_enough(site: Site, client: Client) -> None:
    """Of content that is elsewhere, its SHA-256 is recorded; to send what is not at hand is refused here."""
    own = client.make_of_digest(site.chain_id, sha256(b"a large file"))
    assert sha256(b"a large file") == client.receipt(client.add_entry(own)).receipt.content.digest
    with pytest.raises(ValueError, match="must be given"):
        client.make_of_digest(site.chain_id, sha256(b"a large file"), sent=Sent.CONTENT)


def test_an_entry_sent_again_is_there_once(site: Site, client: Client) -> None:
    """The same entry gets its first place and its first promise."""
    own = client.make(site.chain_id, b"once")
    first, again = client.add_entry(own), client.add_entry(own)
    assert (False, True) == (first.repeated, again.repeated)
    assert (first.leaf_index, first.promise) == (again.leaf_index, again.promise)


def test_signed_entries_name_their_log(site: Site) -> None:
    """With an author's key each entry is signed, and holds in this log only."""
    author = Ed25519Key(bytes(range(32)))
    with site.client(author=author) as client:
        recorded = client.add(site.chain_id, b"signed")
        entry = client.entry(recorded.entry_hash).entry
        assert AuthorType.ED25519 == entry.author.type
        assert author.public_key == entry.author.body[:32]
        assert check_author(entry)
        assert client.card().log.log_id == entry.extension(ExtensionType.LOG_ID)


def test_the_expected_author_is_asked_for(site: Site) -> None:
    """A receipt of the expected key is returned; of another one, or of nobody, it accuses no service."""
    author = Ed25519Key(bytes(range(32)))
    with site.client(author=author) as client, site.client() as unsigned:
        recorded = client.add(site.chain_id, b"by the expected one")
        mine, other = ExpectedAuthor(key=author.public_key), ExpectedAuthor(identity=bytes(32))
        assert "the key that you expect" in client.receipt(recorded, mine).verdict.steps[2].text
        for what, expected in ((recorded, other), (unsigned.add(site.chain_id, b"by nobody"), mine)):
            with pytest.raises(NotTheAuthorError, match="another-author") as raised:
                client.receipt(what, expected)
            assert [Reason.ANOTHER_AUTHOR] == list(raised.value.verdict.reasons)


def judged_authors(client: Client | AsyncClient, outcomes: list[Outcome], signer: Signatory) -> list[int]:
    """Return the author types of what was recorded; every signature holds alone, by the pure verifier."""
    entries = [item.own.entry for item in all_recorded(outcomes)]
    for entry in entries:
        assert check_author(entry)
        assert not isinstance(signer.key, Together)
        assert signer.key.public_key == entry.author.body[:32]
        assert client.core.settings.card is not None
        assert client.core.settings.card.log.log_id == entry.extension(ExtensionType.LOG_ID)
    return [entry.author.type for entry in entries]


def test_many_contents_are_signed_at_once(site: Site) -> None:
    """One signature is for a whole batch, each entry carries its way to it, and the service takes all of them."""
    signer = Signatory(Ed25519Key(bytes(range(32))))
    with site.client() as client:
        chain = new_chain(client)
        outcomes = client.add_many(chain, [b"row %d" % row for row in range(40)], signer=signer)
        assert [AuthorType.BATCH] * 40 == judged_authors(client, outcomes, signer)
        assert 1 == len({item.own.entry.author.body[32:96] for item in all_recorded(outcomes)})
        assert [b"row 7"] == [client.content(item) for item in all_recorded(outcomes[7:8])]
        alone = client.add_many(chain, [b"row 41"], signer=signer)
        assert [AuthorType.ED25519] == judged_authors(client, alone, signer)
        unsigned = client.add_many(chain, [b"row 42", b"row 42"], media_type="text/csv", sent=Sent.DIGEST)
        assert [AuthorType.NONE] * 2 == [item.own.entry.author.type for item in all_recorded(unsigned)]
        one = client.add(chain, b"row 43", signer=signer)
        assert [AuthorType.ED25519] == judged_authors(client, [one], signer)
        assert 44 + 1 == len(list(client.entries(chain)))


def test_asyncio_signs_many_contents_at_once(site: Site) -> None:
    """With asyncio as without."""
    signer = Signatory(Ed25519Key(bytes(range(32))))

    async def story() -> None:
        async with AsyncClient(site.server.url, site.key, card=site.card, author=signer) as client:
            outcomes = await client.add_many(site.chain_id, [b"one", b"two", b"three"])
            assert [AuthorType.BATCH] * 3 == judged_authors(client, outcomes, signer)

    asyncio.run(story())


def test_a_forged_entry_of_a_signed_batch_is_refused_alone(site: Site) -> None:
    """The service takes what the author signed, and refuses the entry of which another content was put in its place."""
    signer = Signatory(Ed25519Key(bytes(range(32))))
    with site.client() as client:
        chain = new_chain(client)
        made = client.core.make_many(chain, [b"%d" % row for row in range(9)], client.form(signer=signer), Sent.CONTENT)
        raw = made[4].raw
        made[4] = replace(made[4], raw=raw[:40] + bytes((raw[40] ^ 1,)) + raw[41:], sent=Sent.COMMITMENT, place=None)
        outcomes = client.add_all(made)
        refused = [(at, item.code) for at, item in enumerate(outcomes) if isinstance(item, Refused)]
        assert [(4, "author-signature-wrong")] == refused
        assert 8 + 1 == len(list(client.entries(chain)))


def test_an_author_s_key_can_be_a_file(tmp_path: Path) -> None:
    """A PKCS #8 file, as OpenSSL writes it, signs as the seed in it does; another kind of key is refused."""
    good, bad = tmp_path / "good.pem", tmp_path / "bad.pem"
    seed = bytes(range(32))
    for path, key in (
        (good, ed25519.Ed25519PrivateKey.from_private_bytes(seed)),
        (bad, ec.generate_private_key(ec.SECP256R1())),
    ):
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert Ed25519Key(seed).sign(b"x") == Ed25519Key.load(good).sign(b"x")
    with pytest.raises(ValueError, match="another kind"):
        Ed25519Key.load(bad)


def test_what_cannot_be_an_entry_is_refused_here(site: Site, client: Client) -> None:
    """Too many ids never reach the network."""
    with pytest.raises(TooLargeError):
        client.add(site.chain_id, b"x", external_ids=["i" * 5000])


# --- chains


def test_a_chain_s_id_is_computed_here(client: Client) -> None:
    """The ids of the first entry give the chain its id; the service could not open another one."""
    opened = client.open_chain([ExternalId(IdKind.KEYED, bytes(range(32))), "lab 7"], b"first", name="lab 7")
    ids = (ExternalId(IdKind.KEYED, bytes(range(32))), ExternalId(IdKind.CLEAR, b"lab 7"))
    assert (chain_id_of(ids), 0) == (opened.own.entry.chain_id, opened.leaf_index)
    assert opened.own.entry.chain_id == client.chain("lab 7").chain_id
    assert opened.own.entry.chain_id in {each.chain_id for each in client.chains()}
    with pytest.raises(ProblemAnswerError) as refused:
        client.open_chain(ids)
    assert (409, "chain-exists") == (refused.value.status, refused.value.code)


def test_a_problem_has_its_status_and_code(site: Site) -> None:
    """What the service will not do is told by code: no key, a key that does not hold, a key that may only read."""
    reader = make_key(site.server.home, "acme", Role.READER)
    for key, expected in (
        (None, (401, "key-required")),
        ("al_x", (401, "key-refused")),
        (reader, (403, "not-allowed")),
    ):
        with Client(site.server.url, key, card=site.card) as client, pytest.raises(ProblemAnswerError) as refused:
            client.add(site.chain_id, b"x")
        assert expected == (refused.value.status, refused.value.code)


# --- many


def test_many_entries_take_few_requests(site: Site, client: Client) -> None:
    """Each has its place and its own promise, in order, also when there are more than one request holds."""
    chain_id = new_chain(client)
    owns = [client.make(chain_id, b"%d" % number) for number in range(5_000)]
    recorded = all_recorded(client.add_all(owns))
    assert list(range(1, 5_001)) == [item.leaf_index for item in recorded]
    assert owns == [item.own for item in recorded]
    assert 2 == len({item.promise.note.root for item in recorded if item.promise is not None})
    log = client.card().log
    for item in recorded[::997]:
        assert item.promise is not None
        check_promise(item.promise, log.log_id, log.promise_key.value)
    assert [item.entry_hash for item in recorded] == [item.entry_hash for item in client.entries(chain_id, 1)]


def test_an_entry_of_a_batch_fails_alone(site: Site, client: Client) -> None:
    """What the service refuses is told by code in its place; what was there before has its first promise."""
    chain_id = new_chain(client)
    limit = 1024 * 1024
    good, again = client.make(chain_id, b"good"), client.make(chain_id, b"again")
    first = client.add_entry(again)
    large = client.make(chain_id, bytes(limit + 1))
    outcomes = client.add_all([good, large, again, good])
    assert isinstance(outcomes[1], Refused)
    assert (413, "content-too-large") == (outcomes[1].status, outcomes[1].code)
    rest = all_recorded([outcomes[0], outcomes[2], outcomes[3]])
    assert [False, True, True] == [item.repeated for item in rest]
    assert first.promise == rest[1].promise
    assert rest[0].promise == rest[2].promise


def test_entries_of_two_chains_are_not_one_batch(client: Client) -> None:
    """A request is for one chain."""
    with pytest.raises(ValueError, match="one chain"):
        client.add_all([client.make(new_chain(client), b"x") for _ in range(2)])


def test_a_batcher_gathers_by_count_and_by_age(client: Client) -> None:
    """What is added by many threads goes out together, in order; what is left goes when it is old enough."""
    chain_id = new_chain(client)
    with client.batcher(chain_id, BatchLimits(entries=100, age_s=0.05)) as batcher:
        futures = [batcher.add(b"%d" % number) for number in range(250)]
        recorded = all_recorded([future.result(60) for future in futures])
    assert list(range(1, 251)) == [item.leaf_index for item in recorded]
    roots = {item.promise.note.root for item in recorded if item.promise is not None}
    assert len(roots) <= 10, "250 entries took more than a few requests"
    with pytest.raises(ClosedError):
        batcher.add(b"late")


def test_a_flush_sends_what_waits(client: Client) -> None:
    """Nothing waits for its age when a flush is asked for; a cancelled one is not sent."""
    chain_id = new_chain(client)
    with client.batcher(chain_id, BatchLimits(age_s=3600)) as batcher:
        kept, cancelled = batcher.add(b"kept"), batcher.add(b"cancelled")
        assert cancelled.cancel()
        batcher.flush()
        assert kept.done()
    assert 2 == client.chain(chain_id.hex()).size


def test_a_full_batcher_lets_wait(client: Client) -> None:
    """Whoever adds more than may wait is held up, and told so within his time."""
    limits = BatchLimits(age_s=3600, waiting_entries=2)
    with client.batcher(new_chain(client), limits) as batcher:
        for _ in range(2):
            batcher.add(b"x")
        with pytest.raises(ClosedError, match="no room within"):
            batcher.add(b"x", timeout_s=0.05)
        batcher.flush()
        assert isinstance(batcher.add(b"x", timeout_s=60).cancel(), bool)


def test_a_failed_request_fails_its_entries_only(site: Site, client: Client) -> None:
    """The error is in the futures of that batch; the batcher goes on."""
    with client.batcher(new_chain(client), BatchLimits(age_s=0.01)) as batcher:
        key, client._authorization = client._authorization, ()
        failed = batcher.add(b"x")
        assert isinstance(failed.exception(60), ProblemAnswerError)
        client._authorization = key
        assert isinstance(batcher.add(b"y").result(60), Recorded)


# --- search and pages


def test_a_search_finds_by_id_and_time(site: Site, client: Client) -> None:
    """Ids in clear and hashed ones find the same; times are inclusive."""
    recorded = client.add(site.chain_id, b"x", external_ids=["bolt 99"])
    hashed = ExternalId(IdKind.HASHED, sha256(b"bolt 99"))
    for wanted in ("bolt 99", b"bolt 99", hashed):
        assert [recorded.entry_hash] == [item.entry_hash for item in client.search(wanted)]
    assert recorded.promise is not None
    at_ms = recorded.promise.note.received_at_ms
    assert recorded.entry_hash in {item.entry_hash for item in client.search(from_ms=at_ms, to_ms=at_ms)}
    assert [] == list(client.search("bolt 99", to_ms=at_ms - 1))


def test_a_search_finds_by_content(site: Site, client: Client) -> None:
    """Whatever the service keeps of content, what it finds commits to it; what it was never told it does not find."""
    kept = client.add(site.chain_id, b"steel 42")
    secret = client.add(site.chain_id, b"patient 12", sent=Sent.COMMITMENT)
    assert [kept.entry_hash] == [item.entry_hash for item in client.search(content_digest=sha256(b"steel 42"))]
    assert [] == list(client.search(content_digest=secret.own.digest))
    assert [] == list(client.search("bolt 99", content_digest=sha256(b"steel 42")))


# --- proofs


def test_files_hold_what_must_be_kept(site: Site, client: Client, tmp_path: Path) -> None:
    """The pending receipt has entry, salt and promise; the promise file is the one of its specification."""
    recorded = client.add(new_chain(client), b"kept at home", sent=Sent.COMMITMENT)
    recorded.save(tmp_path / "receipt.json")
    recorded.save_promise(tmp_path / "promise.json")
    assert recorded.promise == Promise.from_json(loads((tmp_path / "promise.json").read_bytes(), "promise", 10_000))
    with pytest.raises(FileExistsError):
        recorded.save(tmp_path / "receipt.json")
    kept = Receipt.decode((tmp_path / "receipt.json").read_bytes())
    assert (recorded.own.salt, recorded.own.digest, recorded.promise) == (
        kept.content.salt,
        kept.content.digest,
        kept.promise,
    )


def test_a_receipt_is_completed_as_time_passes(site: Site, client: Client, tmp_path: Path) -> None:
    """Unsealed, sealed, anchored: each upgrade continues the one before, with the salt that only we have."""
    recorded = client.add(site.chain_id, b"from now to Bitcoin", sent=Sent.COMMITMENT)
    pending = client.receipt(recorded)
    assert pending.receipt.sealed is None
    site.run("seal")
    sealed = client.receipt(Receipt.decode(recorded.receipt().encode()))
    assert sealed.receipt.sealed is not None
    assert (False, 0) == (sealed.is_anchored, sealed.late_ms)
    client.add(site.chain_id, b"more")
    site.run("tick", "--mine", "101")
    site.run("seal")
    site.run("tick", "--now")
    site.run("tick", "--mine", "6")
    anchored = client.receipt(sealed)
    assert anchored.is_anchored
    assert anchored.receipt.sealed is not None
    assert sealed.receipt.sealed.checkpoint.size < anchored.receipt.sealed.checkpoint.size
    assert (recorded.own.salt, recorded.promise) == (anchored.receipt.content.salt, anchored.receipt.promise)
    assert Judged.NOT_CHECKED == anchored.verdict.outcome
    file = tmp_path / "receipt.json"
    for receipt in client.receipts([recorded, anchored, recorded.entry_hash]):
        receipt.with_content(b"from now to Bitcoin").save(file)
    assert recorded.entry_hash == Receipt.decode(file.read_bytes()).entry.hash
    (anchor,) = anchored.receipt.sealed.anchors
    assert isinstance(anchor, BitcoinAnchor)
    block = GivenBlock("regtest", anchor.height, Header.decode(anchor.header).hash)
    with site.client(blocks=(block,)) as believing:
        assert Judged.INTACT == believing.receipt(anchored).verdict.outcome


def test_checkpoints_are_signed_and_continue(site: Site, client: Client) -> None:
    """The log's and a chain's own checkpoint hold; the chain's root is that of the entries that are listed."""
    client.add(site.chain_id, b"x")
    site.run("seal")
    first = client.checkpoint()
    client.add(site.chain_id, b"y")
    site.run("seal")
    # The service tells the first one for a second, as it says (max-age).
    wait_until(lambda: client.checkpoint() != first)
    second = client.checkpoint()
    assert first.size < second.size
    head = client.chain_checkpoint(site.chain_id)
    hashes = [item.entry_hash for item in client.entries(site.chain_id)]
    assert root_of(hashes[: head.size]) == head.root


# --- whom it believes


def test_a_log_must_be_pinned_or_chosen(site: Site) -> None:
    """Without a card nothing is believed unless that is said; the first log is then the only one."""
    with pytest.raises(UnpinnedLogError):
        Client(site.server.url, site.key)
    with Client(site.server.url, site.key, trust_on_first_use=True) as client:
        assert site.log == client.card().log


def test_another_log_is_refused(site: Site, tmp_path: Path) -> None:
    """A service whose log is not the pinned one gets neither an entry nor the API key."""
    other = make_home(tmp_path, "log.example/other")
    with serving(other) as server, Client(server.url, site.key, card=site.card) as client:
        with pytest.raises(UntrueAnswerError) as refused:
            client.add(site.chain_id, b"x")
        assert Untruth.ANOTHER_LOG == refused.value.untruth


@pytest.mark.parametrize(
    "url", ["http://log.example", "ftp://log.example", "log.example", "https://log.example/v1", ""]
)
def test_an_api_key_never_travels_in_clear(url: str, site: Site) -> None:
    """Plain HTTP is for this machine only, unless it is allowed by name."""
    with pytest.raises(ValueError, match="expected"):
        Client(url, "al_x", card=site.card)


# --- asyncio


def test_asyncio_does_the_same(site: Site) -> None:
    """Recording one and many, reading, receipts: the same operations, awaited."""

    async def story() -> None:
        async with AsyncClient(site.server.url, site.key, card=site.card) as client:
            opened = await client.open_chain(content=b"first", name="async", visibility="public")
            chain_id = opened.own.entry.chain_id
            recorded = await client.add(chain_id, b"one", external_ids=["async one"])
            many = await client.add_all([client.make(chain_id, b"%d" % number) for number in range(100)])
            assert list(range(2, 102)) == [item.leaf_index for item in all_recorded(many)]
            assert 102 == len([item async for item in client.entries(chain_id)])
            assert [recorded.entry_hash] == [item.entry_hash async for item in client.search("async one")]
            assert chain_id in {item.chain_id async for item in client.chains()}
            assert chain_id == (await client.chain("async")).chain_id
            assert b"one" == await client.content(recorded) == await client.content(recorded.entry_hash)
            assert recorded.own.raw == (await client.entry(recorded.entry_hash)).raw
            own = client.make_of_digest(chain_id, sha256(b"elsewhere"))
            assert not (await client.add_entry(own)).repeated
            await asyncio.to_thread(site.run, "seal")
            found = [item async for item in client.receipts([recorded, recorded.entry_hash])]
            assert [recorded.entry_hash] * 2 == [item.receipt.entry.hash for item in found]
            assert (await client.checkpoint()).size > 0
            assert 103 == (await client.chain_checkpoint(chain_id)).size
            assert site.log == (await client.card()).log

    asyncio.run(story())


def test_an_asyncio_batcher_gathers(site: Site) -> None:
    """What many tasks add goes out together, in order; a flush waits for all of it, and no room is waited for."""

    async def story() -> None:
        async with AsyncClient(site.server.url, site.key, card=site.card) as client:
            chain_id = (await client.open_chain()).own.entry.chain_id
            limits = BatchLimits(entries=50, age_s=0.02, waiting_entries=60)
            async with await client.batcher(chain_id, limits) as batcher:
                futures = [await batcher.add(b"%d" % number) for number in range(200)]
                recorded = all_recorded(await asyncio.gather(*futures))
                assert list(range(1, 201)) == [item.leaf_index for item in recorded]
            with pytest.raises(ClosedError):
                await batcher.add(b"late")
            async with await client.batcher(chain_id, BatchLimits(age_s=3600)) as slow:
                kept, cancelled = await slow.add(b"kept"), await slow.add(b"cancelled")
                cancelled.cancel()
                await slow.flush()
                assert kept.done()
            assert 202 == (await client.chain(chain_id.hex())).size
            async with await client.batcher(chain_id, BatchLimits(age_s=0.01)) as failing:
                client._authorization = ()
                with pytest.raises(ProblemAnswerError):
                    await (await failing.add(b"x"))

    asyncio.run(story())


def test_keys_that_were_handed_on_are_known(tmp_path: Path) -> None:
    """A log that replaced its promise key shows so: promises of both keys hold, by the pinned card alone."""
    folder = make_home(tmp_path)
    new = SigningKey(bytes(32))
    with Home.open(folder) as home:
        log_id = home.directory.log.log_id
        leaf = KeyLeaf(Purpose.PROMISE, log_id, Key(KeyType.ED25519, new.public_key), Signer.OLD_KEY, bytes(64))
        old = SigningKey.load(home.key_file("promise"))
        leaf = replace(leaf, signature=old.sign(leaf.signed_message(log_id)))
        genesis = BlockId(0, home.network.genesis_hash)
        directory = Directory.open(home.engine, home.trees)
        assert directory.seal(home.checkpoint_key, home.clock(), genesis, [leaf]) is not None
    with (
        serving(folder) as server,
        Client(server.url, make_key(folder, "acme"), card=folder / "log-card.json") as client,
    ):
        recorded = client.open_chain()
        log = client.core.trusted
        assert log is not None
        assert all(log.knows(promise_key_id(key.public_key)) for key in (old, new))
        assert (leaf,) == log.key_leaves
        assert recorded.promise is not None
        assert promise_key_id(old.public_key) == recorded.promise.key_id

"""The life of a chain over a real server: closed, handed on, taken away; by its owner, and by nobody else.

One server serves the whole module; its home has two organisations. Each test has chains of its own.
"""

import asyncio
import base64
import io
import os
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from anchor.certificate_check import certificate_check
from anchor.proof.archive_taken import taken_out
from anchor.proof.chain_life import Closing, Transfer, statement_of
from anchor.signing import SigningKey
from chains.archive.files import opened_export
from chains.client import (
    AsyncClient,
    Client,
    Ed25519Key,
    Envelope,
    ProblemAnswerError,
    Recorded,
    Signatory,
    new_reader_key,
    open_envelope,
)
from chains.client.connection import Options
from chains.home import Home
from tests.cli.commands import run
from tests.simulators.api_server import ApiServer, code, make_home, make_keys, run_beside, serving
from tests.simulators.sealers import YEAR, sealer
from tests.simulators.timestamp_authority import certify_root

SECRET = b"what only acme may read\n"
LATER = bytes(range(32))
NOWHERE = "00" * 32


@dataclass
class Site:
    """A served home; keys by role of acme and of beta's owner, ids of both, and a client of each owner."""

    server: ApiServer
    keys: dict[str, str]
    organisations: dict[str, str]
    acme: Client
    beta: Client
    names: "count[int]"

    def ask(self, who: str, method: str, path: str, body: Any = None) -> httpx.Response:
        with self.server.client(self.keys.get(who)) as client:
            return client.request(method, path, json=body)

    def chain(self, client: Client | None = None) -> bytes:
        """Open a private chain with two contents."""
        owner = client or self.acme
        opened: Recorded = owner.open_chain([f"chain-{next(self.names)}"], b"opened")
        owner.add(opened.own.entry.chain_id, SECRET)
        return opened.own.entry.chain_id

    def anchor(self) -> None:
        for command in (["seal"], ["tick", "--now"], ["tick", "--mine", "6"]):
            run_beside(self.server.home, *command)

    def events(self, what: str, chain_id: bytes) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("owner", "GET", f"/v1/access?limit=1000&about={chain_id.hex()}").json()[
            "events"
        ]
        return [each for each in found if each["what"] == what]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("life")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    keys = make_keys(home)
    with Home.open(home) as opened:
        organisations = {each.name: each.organisation_id for each in opened.accounts.organisations.all()}
    run_beside(home, "tick", "--mine", "101")
    with (
        serving(home) as server,
        Client(server.url, keys["owner"], trust_on_first_use=True) as acme,
        Client(server.url, keys["beta"], trust_on_first_use=True) as beta,
    ):
        yield Site(server, keys, organisations, acme, beta, count())
    patched.undo()


# --- closing


def test_a_chain_is_closed_for_ever_by_its_owner(site: Site) -> None:
    """By the service's own entry, or by a client's, signed or not; asked again, the closing that is there is shown."""
    chain_id = site.chain()
    path = f"/v1/chains/{chain_id.hex()}/close"
    wanted = {"reason": "we move", "moved_to": LATER.hex()}
    closed = site.ask("owner", "POST", path, wanted)
    assert (200, 2, LATER.hex()) == (closed.status_code, closed.json()["leaf_index"], closed.json()["moved_to"])
    assert closed.json() == site.ask("owner", "POST", path, wanted).json()
    assert (409, "chain-closed") == code(site.ask("owner", "POST", path, {"reason": "another"}))
    with pytest.raises(ProblemAnswerError, match="chain-closed"):
        site.acme.add(chain_id, b"too late")
    entry = site.acme.entry(bytes.fromhex(closed.json()["entry_hash"])).entry
    assert Closing(closed.json()["closed_at_ms"], "we move", LATER) == statement_of(entry)

    key = Ed25519Key(bytes(range(32)))
    done = site.acme.close_chain(site.chain(), "the project ended", signer=Signatory(key))
    assert done.promise is not None
    assert isinstance(statement_of(done.own.entry), Closing)
    assert key.public_key == done.own.entry.author.body[:32]


@pytest.mark.parametrize("body", [{"reason": "two\nlines"}, {"moved_to": "00"}, {"reason": "x", "more": 1}])
def test_a_closing_that_makes_no_sense_is_refused(site: Site, body: dict[str, Any]) -> None:
    """A reason that cannot be shown, a log that is none, a field that nobody knows: the chain stays open."""
    chain_id = site.chain()
    assert (400, "body-malformed") == code(site.ask("owner", "POST", f"/v1/chains/{chain_id.hex()}/close", body))
    site.acme.add(chain_id, b"still open")


# --- handing on


def test_a_chain_is_handed_on_in_two_steps(site: Site) -> None:
    """Offered by the one, accepted by the other: an entry says so, and the old owner is a stranger from then on."""
    chain_id, beta = site.chain(), site.organisations["beta"]
    assert 404 == site.ask("beta", "GET", f"/v1/chains/{chain_id.hex()}").status_code
    offer = site.acme.offer_chain(chain_id, beta, expires_at_ms=4_000_000_000_000)
    assert offer == site.acme.offer_chain(chain_id, beta, expires_at_ms=4_000_000_000_000)
    assert offer in site.acme.transfers()
    assert offer in site.beta.transfers()
    assert 404 == site.ask("beta", "GET", f"/v1/chains/{chain_id.hex()}").status_code, "an offer opens nothing"
    done = site.beta.accept_chain(chain_id)
    assert (beta, 2) == (done.organisation, done.leaf_index)
    assert isinstance(statement_of(site.beta.entry(done.entry_hash).entry), Transfer)
    assert 404 == site.ask("owner", "GET", f"/v1/chains/{chain_id.hex()}").status_code
    assert (404, "not-found") == code(site.ask("beta", "POST", f"/v1/chains/{chain_id.hex()}/transfer/accept"))
    assert [beta] == [each["subject"] for each in site.events("offered", chain_id)]
    assert [(beta, "key")] == [(each["subject"], each["by"]) for each in site.events("owner", chain_id)]


def test_an_offer_is_withdrawn_and_expires(site: Site) -> None:
    """What is not accepted in time, or was taken back, changes nothing; only one offer waits."""
    chain_id, beta = site.chain(), site.organisations["beta"]
    path = f"/v1/chains/{chain_id.hex()}/transfer"
    offer = site.acme.offer_chain(chain_id, beta)
    assert (422, "account-refused") == code(
        site.ask("owner", "POST", path, {"organisation": beta, "expires_at_ms": 4_000_000_000_000})
    )
    assert offer == site.acme.withdraw_offer(chain_id)
    assert (404, "not-found") == code(site.ask("owner", "POST", f"{path}/withdraw"))
    assert (404, "not-found") == code(site.ask("beta", "POST", f"{path}/accept"))
    assert (422, "account-refused") == code(site.ask("owner", "POST", path, {"organisation": beta, "expires_at_ms": 1}))
    assert (404, "not-found") == code(site.ask("owner", "POST", path, {"organisation": "org_aaaaaaaaaaaaaaaa"}))
    assert (422, "account-refused") == code(
        site.ask("owner", "POST", path, {"organisation": site.organisations["acme"]})
    )
    assert ["offered", "offer-ended"] == [
        each["what"] for what in ("offered", "offer-ended") for each in site.events(what, chain_id)
    ]


# --- taking away


def test_a_chain_is_taken_away_as_the_command_writes_it(site: Site, tmp_path: Path) -> None:
    """The archive that is streamed verifies, holds what the newest anchor covers, and was noted before it left."""
    chain_id = site.chain()
    path = f"/v1/chains/{chain_id.hex()}/export"
    assert (404, "not-found") == code(site.ask("owner", "GET", path)), "nothing of it is anchored"
    reader = new_reader_key(os.urandom)
    encrypted = site.acme.add(chain_id, b"what only its reader may read", encrypt_for=[reader.text]).entry_hash
    site.anchor()
    site.acme.add(chain_id, b"not sealed yet")
    target = tmp_path / "chain.tar.gz"
    site.acme.export(target, chain_id)
    assert 0o600 == target.stat().st_mode & 0o777
    done = run("verify", "--archive", target, "--any-log", "--json")
    assert (4, 3, 1) == (done.exit_code, done.facts["entries"], done.facts["envelopes"])
    with opened_export(target, lambda _: None) as files:
        taken = taken_out(files, [chain_id], encrypted.hex())
    opened = open_envelope(Envelope.decode(taken.envelope), taken.receipt.entry, reader)
    assert b"what only its reader may read" == opened.content
    with tarfile.open(target) as archive:
        [entries] = [each for each in archive if each.name.endswith(f"entries/{chain_id.hex()}.jsonl")]
        read = archive.extractfile(entries)
        assert read is not None
        assert base64.b64encode(SECRET) in read.read()
    with pytest.raises(FileExistsError):
        site.acme.export(target, chain_id)
    bare = site.ask("owner", "GET", f"{path}?content=0")
    assert "application/gzip" == bare.headers["content-type"]
    with tarfile.open(fileobj=io.BytesIO(bare.content)) as archive:
        names = [each.name.split("/", 1)[1] for each in archive]
    assert f"entries/{chain_id.hex()}.jsonl" in names
    assert f"envelopes/{chain_id.hex()}.jsonl" not in names
    told = [each["detail"] for each in site.events("export", chain_id)]
    # The first was asked for when nothing was anchored: what is asked is noted before anything is made.
    assert ["entries and contents"] * 2 + ["entries, without contents"] == told
    head = site.ask("owner", "HEAD", path)
    assert (200, b"", 3) == (head.status_code, head.content, len(site.events("export", chain_id)))
    left = [each.name for each in site.server.home.iterdir() if each.suffix in {".gz", ".tar", ".new"}]
    assert [] == left


def test_a_closed_chain_is_taken_away_whole(site: Site, tmp_path: Path) -> None:
    """Only when its closing is anchored, so that it can go on elsewhere; refused before, and nothing is left."""
    chain_id = site.chain()
    site.anchor()
    site.acme.close_chain(chain_id, "we move")
    run_beside(site.server.home, "seal")
    target = tmp_path / "chain.tar.gz"
    with pytest.raises(ProblemAnswerError, match="closing of chain"):
        site.acme.export(target, chain_id)
    assert not target.exists()
    site.anchor()
    site.acme.export(target, chain_id)
    assert 3 == run("verify", "--archive", target, "--any-log", "--json").facts["entries"]


def test_an_organisation_takes_all_that_it_owns(site: Site, tmp_path: Path) -> None:
    """Every chain of its own, its log of accesses too, and none of another's; with asyncio as without."""
    mine, theirs = site.chain(), site.chain(site.beta)
    site.anchor()
    site.anchor()
    target = tmp_path / "all.tar.gz"

    async def story() -> None:
        async with AsyncClient(site.server.url, site.keys["owner"], trust_on_first_use=True) as client:
            await client.export(target)
            with pytest.raises(ProblemAnswerError):
                await client.export(tmp_path / "none.tar.gz", theirs)

    asyncio.run(story())
    with tarfile.open(target) as archive:
        names = {each.name.split("/", 1)[1] for each in archive}
    with Home.open(site.server.home) as home:
        organisation = home.accounts.organisations.by_id(site.organisations["acme"])
        owned = [home.chains.by_no(number) for number in home.accounts.sharing.owned_chains(organisation)]
        ids = {chain.chain_id.hex() for chain in owned if chain is not None}
    assert (True, False) == (mine.hex() in ids, theirs.hex() in ids)
    assert {f"entries/{chain_id}.jsonl" for chain_id in ids} == {each for each in names if each.startswith("entries/")}
    assert 4 == run("verify", "--archive", target, "--any-log", "--json").exit_code


# --- shares


def test_a_client_shares_one_entry_and_another_reads_it_without_a_key(site: Site) -> None:
    """Made, listed, read, revoked; who reads it gets a receipt with the content, judged as every receipt is."""
    chain_id = site.chain()
    site.anchor()
    entry = site.acme.entries(chain_id, 1)
    entry_hash = next(iter(entry)).entry_hash
    ends_at_ms = time.time_ns() // 1_000_000 + 86_400_000
    made = site.acme.share(entry_hash, ends_at_ms, label="the bank")
    assert made.path is not None
    assert made.path not in repr(made)
    assert ("live", 1, 0, False) == (made.state, made.leaf_index, made.reads, made.once)
    with Client(site.server.url, trust_on_first_use=True) as bank:
        found = bank.read_share(site.server.url + made.path)
        assert (SECRET, entry_hash) == (found.receipt.content.data, found.receipt.entry.hash)
        assert found.is_anchored
        [listed] = site.acme.shares(chain_id)
        assert (1, None, "the bank") == (listed.reads, listed.path, listed.label)
        assert "revoked" == site.acme.revoke_share(made.share_id).state
        with pytest.raises(ProblemAnswerError) as over:
            bank.read_share(made.path)
        assert 410 == over.value.status
        for link in ("/v1/log", "https://service.example/s/a/b", "nonsense"):
            with pytest.raises(ValueError, match="expected a link to a share"):
                bank.read_share(link)

    async def story() -> None:
        async with AsyncClient(site.server.url, site.keys["owner"], trust_on_first_use=True) as client:
            once = await client.share(entry_hash, ends_at_ms, once=True)
            assert once.path is not None
            assert SECRET == (await client.read_share(once.path)).receipt.content.data
            assert [True] == [each.once for each in await client.shares(chain_id) if each.share_id == once.share_id]
            assert "revoked" == (await client.revoke_share(once.share_id)).state

    asyncio.run(story())


def test_what_an_author_bound_is_judged_by_a_clients_roots(site: Site, tmp_path: Path) -> None:
    """In a receipt that is asked for, and in one that a link opens; without roots nobody vouches for it."""
    today = datetime.now(UTC).replace(microsecond=0)
    root = certify_root(last=today + YEAR)
    seal = sealer("Acme Seal", root, first=today - YEAR, last=today + YEAR)
    key, pem, pem_key = (tmp_path / name for name in ("acme.key", "seal.pem", "seal-key.pem"))
    pem.write_bytes(seal.certificate.public_bytes(Encoding.PEM))
    pem_key.write_bytes(seal.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pem_key.chmod(0o600)
    binding = ["identity", "bind", "the seal", "--sign", str(key), "--certificate", str(pem)]
    for command in (
        ["identity", "new", "the seal", "--key", str(key), "--no-password"],
        ["seal"],
        [*binding, "--certificate-key", str(pem_key)],
        ["seal"],
    ):
        run_beside(site.server.home, *command)
    with Home.open(site.server.home) as home:
        identity = home.chains.named("the seal").chain_id
    made = site.acme.add(site.chain(), SECRET, signer=Signatory(SigningKey.load(key, None), identity))
    run_beside(site.server.home, "seal")
    for trusted, state in (((root.certificate,), "ok"), ((), "not checked")):
        asking: Options = {"trust_on_first_use": True, "check_certificate": certificate_check(trusted)}
        with Client(site.server.url, site.keys["owner"], **asking) as client:
            link = client.share(made.entry_hash, time.time_ns() // 1_000_000 + 86_400_000)
            assert link.path is not None
            for found in (client.receipt(made), client.read_share(link.path)):
                assert [state] == [step.state for step in found.verdict.steps if step.number == 21]


# --- who may


def test_only_the_owner_disposes_of_a_chain(site: Site) -> None:
    """No other role of his organisation; whoever may not see it finds what he finds where nothing is."""
    chain_id = site.chain()
    chain, beta = f"/v1/chains/{chain_id.hex()}", site.organisations["beta"]
    asked = [
        ("POST", f"{chain}/close", {"reason": "x"}),
        ("GET", f"{chain}/export", None),
        ("POST", f"{chain}/transfer", {"organisation": beta}),
        ("POST", f"{chain}/transfer/withdraw", None),
    ]
    for method, path, body in asked:
        for who in ("writer", "reader", "auditor"):
            assert (403, "not-allowed") == code(site.ask(who, method, path, body)), (who, path)
        for who in ("beta", "operator", "stranger"):
            answer, none = (site.ask(who, method, each, body) for each in (path, path.replace(chain_id.hex(), NOWHERE)))
            assert (404, none.content) == (answer.status_code, answer.content), (who, path)
    for method, path in (("GET", "/v1/transfers"), ("POST", f"{chain}/transfer/accept")):
        for who in ("writer", "reader", "auditor", "operator"):
            assert (403, "not-allowed") == code(site.ask(who, method, path)), (who, path)
        assert (401, "key-required") == code(site.ask("stranger", method, path))
    for who in ("writer", "reader", "auditor"):
        assert (403, "not-allowed") == code(site.ask(who, "GET", "/v1/export"))
    assert (401, "key-required") == code(site.ask("stranger", "GET", "/v1/export"))
    assert (404, "not-found") == code(site.ask("operator", "GET", "/v1/export"))
    site.acme.add(chain_id, b"still open, and still mine")

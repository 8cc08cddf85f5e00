"""Erasures, holds and retention over a real server: what an owner may, what others may not, and that it is done.

One server serves the whole module; its home has two organisations, and the operator. Each test has chains of its own.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import httpx
import pytest

from anchor.proof.codec import sha256
from anchor.proof.entry import ExternalId, IdKind, Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.receipt import ContentState
from chains.access import Role
from chains.client import AsyncClient, Client, Ed25519Key, Recorded, Signatory, keyed_id
from chains.client.own_entry import Form, OwnEntry, Sent, make_entry, signed
from chains.home import Home
from chains.quota import Quota
from tests.simulators.api_server import ApiServer, code, make_home, make_key, make_keys, run_beside, serving

SECRET = b"patient 4711, HIV test: positive; told to Dr. Weiss on 3 May\n"
REASON = "request under Article 17 GDPR, ticket 88"
SEARCH_KEY = bytes(range(32))
NOWHERE = "00" * 32


@dataclass
class Site:
    """A served home; keys by role of organisation acme, of beta's owner and of the operator."""

    server: ApiServer
    keys: dict[str, str]
    client: Client
    log_id: bytes
    names: "count[int]"

    def ask(self, who: str, path: str, **body: Any) -> httpx.Response:
        """Post to a path; without a body, get it."""
        with self.server.client(self.keys.get(who)) as client:
            return client.post(path, json=body) if body else client.get(path)

    def chain(self, *contents: bytes, who: str = "owner", subject: ExternalId | None = None) -> list[Recorded]:
        """Open a private chain with these contents; return its first entry and theirs."""
        ids = [] if subject is None else [subject]
        with Client(self.server.url, self.keys[who], trust_on_first_use=True) as client:
            opened = client.open_chain([f"chain-{next(self.names)}"], b"opened")
            chain_id = opened.own.entry.chain_id
            return [opened, *(client.add(chain_id, content, external_ids=ids) for content in contents)]

    def events(self, what: str) -> list[dict[str, Any]]:
        """Return what acme was told of this kind."""
        cursor, found = "0", list[dict[str, Any]]()
        while cursor:
            page = self.ask("owner", f"/v1/access?limit=1000&cursor={cursor}").json()
            found += page["events"]
            cursor = page.get("cursor", "")
        return [each for each in found if each["what"] == what]

    def bytes_of_home(self) -> bytes:
        """Return all bytes of the home's files, the log of the database too."""
        return b"\n".join(path.read_bytes() for path in sorted(self.server.home.rglob("*")) if path.is_file())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("erasing")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    keys = make_keys(home)
    with Home.open(home) as opened:
        log_id = opened.directory.log.log_id
    with serving(home) as server, Client(server.url, keys["owner"], trust_on_first_use=True) as client:
        yield Site(server, keys, client, log_id, count())
    patched.undo()


def chain_of(recorded: list[Recorded]) -> bytes:
    return recorded[0].own.entry.chain_id


def forms_of(content: bytes, salt: bytes) -> list[bytes]:
    """Return what must not be found of an erased content."""
    return [content, content[8:40], sha256(content), salt, sha256(content).hex().encode(), salt.hex().encode()]


# --- erasing


def test_an_erased_entry_leaves_nothing_and_its_receipt_says_so(site: Site) -> None:
    """No byte of content, digest or salt is in any file of the served home; asked again, the answer is the same."""
    _, mine, other = recorded = site.chain(SECRET, b"another report")
    site.client.content(mine)
    trace = forms_of(SECRET, mine.own.salt)
    done = site.client.erase(chain_of(recorded), [mine.entry_hash], REASON)
    [entry] = done.entries
    assert (mine.entry_hash, True, True, 0) == (entry.entry_hash, entry.is_erased, done.is_all, done.copies_left)
    left = site.bytes_of_home()
    assert [] == [each for each in trace if each in left]
    assert done == site.client.erase(chain_of(recorded), [mine.entry_hash], REASON)
    assert b"another report" == site.client.content(other)
    assert (404, "not-found") == code(site.ask("owner", f"/v1/entries/{mine.entry_hash.hex()}/content"))
    run_beside(site.server.home, "seal")
    receipt = site.client.receipt(mine.entry_hash)
    assert ContentState.ERASED == receipt.receipt.content.state
    assert REASON == receipt.verdict.to_json()["facts"]["erasure"]["reason"]
    told = [
        (each["chain_id"], each.get("index"), each.get("count"), each["way"], each["key"])
        for each in site.events("erased")
    ]
    chain_id, key = chain_of(recorded).hex(), site.keys["owner"][:11]
    assert [(chain_id, 1, 1, "api", key), (chain_id, None, None, "api", key)] == [
        each for each in told if each[0] == chain_id
    ]


def test_a_subject_is_erased_in_all_chains_of_who_asks_and_in_no_other(site: Site) -> None:
    """What others hold under the same keyed id stays, and nobody is told that it is there; one hold keeps it all."""
    subject = keyed_id(SEARCH_KEY, "patient", "4711")
    one, two = site.chain(SECRET, b"x" * 40, subject=subject), site.chain(b"y" * 40, subject=subject)
    theirs = site.chain(b"z" * 40, who="beta", subject=subject)
    site.client.hold(chain_of(two), "court order 12/26", entry_hash=two[1].entry_hash)
    refused = site.ask("owner", "/v1/erasures", subject=subject.value.hex(), reason=REASON)
    assert (409, "content-held") == code(refused)
    assert SECRET == site.client.content(one[1])
    assert [] == site.client.lift_hold(chain_of(two), "the court is done", entry_hash=two[1].entry_hash)
    done = site.client.erase_subject(subject, REASON)
    wanted = [(chain_of(one), 1), (chain_of(one), 2), (chain_of(two), 1)]
    assert wanted == [(each.chain_id, each.leaf_index) for each in done.entries]
    assert all(each.is_erased for each in done.entries)
    with Client(site.server.url, site.keys["beta"], trust_on_first_use=True) as beta:
        assert b"z" * 40 == beta.content(theirs[1])
    before = len(site.events("erased"))
    nobody = keyed_id(SEARCH_KEY, "patient", "nobody")
    assert () == site.client.erase_subject(nobody, REASON).entries
    assert ["subject: nothing was found"] == [each["detail"] for each in site.events("erased")[before:]]
    with pytest.raises(ValueError, match="keyed external id"):
        site.client.erase_subject(ExternalId(IdKind.CLEAR, b"4711"), REASON)


def test_what_a_chain_keeps_no_longer_is_erased_and_what_is_held_stays(site: Site) -> None:
    """Retention is read, set, and told to the owner; in one chain or in all of them."""
    recorded = site.chain(b"a" * 40, b"b" * 40)
    chain_id = chain_of(recorded)
    assert site.client.retention(chain_id) is None
    assert () == site.client.erase_expired(REASON, chain_id=chain_id).entries
    site.client.hold(chain_id, "court order 12/26", entry_hash=recorded[2].entry_hash)
    assert [0, 0] == [site.client.set_retention(chain_id, 0) for _ in range(2)]
    time.sleep(0.002)  # kept for no time is still kept in the millisecond of its recording
    done = site.client.erase_expired(REASON)
    assert ([0, 1], 1) == ([each.leaf_index for each in done.entries if each.chain_id == chain_id], done.held)
    assert b"b" * 40 == site.client.content(recorded[2])
    assert site.client.set_retention(chain_id, None) is None
    told = [each["detail"] for each in site.events("retention") if each["chain_id"] == chain_id.hex()]
    assert ["for 0 ms", "for ever"] == told


def test_erasing_is_taken_from_the_quota_as_writing_is(site: Site) -> None:
    """One request erases what the quota gives at once; what comes then is refused, with the time when it is taken."""
    key = make_key(site.server.home, "frugal", Role.OWNER)
    with Client(site.server.url, key, trust_on_first_use=True) as client:
        opened = client.open_chain(["frugal"], b"opened")
        chain_id = opened.own.entry.chain_id
        added = client.add_many(chain_id, [b"report %d" % n for n in range(30)])
        mine = [each.entry_hash.hex() for each in added if isinstance(each, Recorded)]
    with Home.open(site.server.home) as home:
        found = home.accounts.organisations.named("frugal")
        home.accounts.organisations.set_quota(found, Quota(entries_per_s=1))
    path, wanted = f"/v1/chains/{chain_id.hex()}", {"entries": mine, "reason": REASON}
    with site.server.client(key) as asking:
        done = asking.post("/v1/erasures", json=wanted)
        assert (200, 10, True) == (done.status_code, len(done.json()["entries"]), done.json()["more"])
        refused = asking.post("/v1/erasures", json=wanted)
        assert (429, "quota-exceeded") == code(refused)
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        holds = [asking.post(f"{path}/holds", json={"entry_hash": each, "reason": REASON}) for each in mine[-8:]]
        assert (429, "quota-exceeded") in [code(each) for each in holds if each.status_code != 200]
        assert 10 == sum(asking.get(f"/v1/entries/{each}/content").status_code == 404 for each in mine)
        statement = ErasureStatement(Act.ERASE, Scope.ENTRY, int(time.time() * 1000), REASON).encode()
        links = tuple(Link(Relation.ERASES, chain_id, bytes.fromhex(each)) for each in mine[:11])
        own = make_entry(chain_id, b"", Form(links=links, erasure=statement), os.urandom, Sent.CONTENT)
        parts = {"entry": signed(own.entry, Ed25519Key(bytes(32))), "salt": own.salt}
        body = {"statement": {name: base64.b64encode(part).decode() for name, part in parts.items()}}
        never = asking.post("/v1/erasures", json=body)
        assert (429, "quota-exceeded", None) == (*code(never), never.headers.get("retry-after"))


# --- holds


def test_a_hold_is_lifted_by_who_set_it(site: Site) -> None:
    """A hold that the operator set on his machine is no key's to lift; setting one twice is one hold."""
    recorded = site.chain(SECRET)
    chain_id = chain_of(recorded)
    for _ in range(2):
        [hold] = site.client.hold(chain_id, "we are sued")
        assert (None, "we are sued", True) == (hold.entry_hash, hold.reason, hold.is_mine)
    assert (409, "content-held") == code(
        site.ask("owner", "/v1/erasures", entries=[recorded[1].entry_hash.hex()], reason=REASON)
    )
    run_beside(site.server.home, "hold", "set", chain_id.hex(), "--reason", "court order 12/26")
    assert [True, False] == [each.is_mine for each in site.client.holds(chain_id)]
    refused = site.ask("owner", f"/v1/chains/{chain_id.hex()}/holds/lift", reason="over")
    assert (409, "content-held") == code(refused)
    assert "only who set a hold lifts it" in refused.json()["detail"]
    run_beside(site.server.home, "hold", "lift", chain_id.hex(), "--reason", "the court is done")
    assert [] == site.client.lift_hold(chain_id, "over")
    assert [] == [
        each for each in site.events("hold-lifted") if each["by"] == "key" and each["chain_id"] == chain_id.hex()
    ]
    told = [each["by"] for each in site.events("hold") if each["chain_id"] == chain_id.hex()]
    assert ["key", "machine"] == told


# --- signed statements


def stated(
    site: Site,
    recorded: list[Recorded],
    statement: ErasureStatement | None = None,
    links: tuple[Link, ...] | None = None,
    key: Ed25519Key | None = None,
) -> OwnEntry:
    """Return an entry that states an erasure of the second entry, signed; or another one."""
    chain_id = chain_of(recorded)
    now_ms = time.time_ns() // 1_000_000
    statement = statement or ErasureStatement(Act.ERASE, Scope.ENTRY, now_ms, REASON)
    links = (Link(Relation.ERASES, chain_id, recorded[1].entry_hash),) if links is None else links
    form = Form(links=links, log_id=site.log_id, author=key or Ed25519Key(os.urandom(32)), erasure=statement.encode())
    return make_entry(chain_id, b"", form, os.urandom, Sent.CONTENT)


def posted(site: Site, own: OwnEntry, path: str = "/v1/erasures", who: str = "owner") -> httpx.Response:
    parts = {"entry": own.raw, "salt": own.salt}
    return site.ask(who, path, statement={name: base64.b64encode(part).decode() for name, part in parts.items()})


def test_an_erasure_is_signed_where_it_is_asked_for(site: Site) -> None:
    """The client makes and signs the statement; the receipt of what was erased names the key. Sent again, the same."""
    subject = keyed_id(SEARCH_KEY, "patient", "signed")
    recorded = site.chain(SECRET, b"s" * 40, subject=subject)
    chain_id, key = chain_of(recorded), Ed25519Key(os.urandom(32))
    held = site.client.hold(chain_id, "court order 12/26", signer=Signatory(key))
    assert [None] == [each.entry_hash for each in held]
    assert [] == site.client.lift_hold(chain_id, "the court is done", signer=Signatory(key))
    done = site.client.erase_subject(subject, REASON, chain_id=chain_id, signer=Signatory(key))
    assert [(1, True), (2, True)] == [(each.leaf_index, each.is_erased) for each in done.entries]
    run_beside(site.server.home, "seal")
    facts = site.client.receipt(recorded[1].entry_hash).verdict.to_json()["facts"]["erasure"]
    assert (key.public_key.hex(), "subject", REASON) == (facts["key"], facts["scope"], facts["reason"])
    own = stated(site, recorded := site.chain(SECRET))
    first = posted(site, own)
    assert (200, own.hash.hex()) == (first.status_code, first.json()["entries"][0]["said_by"])
    assert first.json() == posted(site, own).json()


def test_a_statement_that_does_not_hold_does_nothing(site: Site) -> None:
    """Of another form, time, chain or signature, or about something else: refused, and nothing is left to finish."""
    recorded, others, theirs = site.chain(SECRET), site.chain(b"other" * 9), site.chain(b"theirs" * 9, who="beta")
    chain_id, now_ms = chain_of(recorded), time.time_ns() // 1_000_000
    good = stated(site, recorded)
    erase = ErasureStatement(Act.ERASE, Scope.ENTRY, now_ms, REASON)
    link = Link(Relation.ERASES, chain_id, recorded[1].entry_hash)
    elsewhere = replace(link, chain_id=chain_of(others), entry_hash=others[1].entry_hash)
    cases: list[tuple[OwnEntry, str]] = [
        (replace(good, raw=good.raw[:-1] + bytes((good.raw[-1] ^ 1,))), "author-signature-wrong"),
        (replace(good, salt=bytes(16)), "entry-refused"),
        (replace(good, raw=good.raw[:-1]), "entry-malformed"),
        (stated(site, recorded, replace(erase, at_ms=now_ms - 2 * 86_400_000)), "entry-refused"),
        (stated(site, recorded, replace(erase, at_ms=now_ms + 2 * 86_400_000)), "entry-refused"),
        (stated(site, recorded, replace(erase, scope=Scope.SUBJECT)), "entry-refused"),
        (stated(site, recorded, replace(erase, scope=Scope.RETENTION)), "entry-refused"),
        (stated(site, recorded, ErasureStatement(Act.HOLD, Scope.ENTRY, now_ms, REASON)), "entry-refused"),
        (stated(site, recorded, links=()), "entry-refused"),
        (stated(site, recorded, links=(elsewhere,)), "entry-refused"),
        (stated(site, recorded, links=(replace(link, entry_hash=bytes(32)),)), "entry-refused"),
        (stated(site, recorded, links=(replace(link, relation=Relation.REFERS_TO),)), "entry-refused"),
    ]
    unsigned = Form(links=(link,), log_id=site.log_id, erasure=erase.encode())
    cases.append((make_entry(chain_id, b"", unsigned, os.urandom, Sent.CONTENT), "entry-refused"))
    full = make_entry(chain_id, b"not empty", replace(unsigned, author=Ed25519Key(bytes(32))), os.urandom, Sent.CONTENT)
    cases.append((full, "entry-refused"))
    plain = make_entry(chain_id, b"", replace(unsigned, erasure=None), os.urandom, Sent.CONTENT)
    cases.append((replace(plain, raw=signed(plain.entry, Ed25519Key(bytes(32)))), "entry-refused"))
    for number, (own, wanted) in enumerate(cases):
        assert (422, wanted) == code(posted(site, own)), number
    assert (404, "not-found") == code(posted(site, stated(site, theirs)))
    assert (403, "not-allowed") == code(posted(site, good, who="writer"))
    holds = f"/v1/chains/{chain_id.hex()}/holds"
    assert (422, "entry-refused") == code(posted(site, good, holds))
    assert SECRET == site.client.content(recorded[1])
    with Home.open(site.server.home) as home:
        assert [] == home.engine.query("SELECT 1 FROM erasure WHERE done_at_ms IS NULL")
        assert recorded[-1].leaf_index + 1 == home.chains.size(home.chains.named(chain_id.hex()))


def test_a_signed_statement_erases_what_its_chain_keeps_no_longer(site: Site) -> None:
    """Of what is kept for longer, or held, it says what is not so: refused; of the rest it is carried out."""
    recorded = site.chain(SECRET, b"held" * 9)
    chain_id = chain_of(recorded)
    site.client.hold(chain_id, "court order 12/26", entry_hash=recorded[2].entry_hash)

    def asked(entry_hash: bytes) -> httpx.Response:
        statement = ErasureStatement(Act.ERASE, Scope.RETENTION, time.time_ns() // 1_000_000, REASON)
        return posted(site, stated(site, recorded, statement, (Link(Relation.ERASES, chain_id, entry_hash),)))

    for keep_ms in (None, 3_600_000):
        site.client.set_retention(chain_id, keep_ms)
        assert (422, "entry-refused") == code(asked(recorded[1].entry_hash))
    site.client.set_retention(chain_id, 0)
    time.sleep(0.002)  # kept for no time is still kept in the millisecond of its recording
    assert (422, "entry-refused") == code(asked(recorded[2].entry_hash))
    done = asked(recorded[1].entry_hash)
    assert (200, "erased") == (done.status_code, done.json()["entries"][0]["state"])
    assert (422, "entry-refused") == code(asked(recorded[1].entry_hash)), "nothing is left"
    assert b"held" * 9 == site.client.content(recorded[2])


# --- who may


def test_only_the_owner_erases_holds_and_keeps(site: Site) -> None:
    """No other role, no other organisation, not the operator's key, no stranger; who may not see a chain finds none."""
    recorded = site.chain(SECRET)
    chain = f"/v1/chains/{chain_of(recorded).hex()}"
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/erasures", {"entries": [recorded[1].entry_hash.hex()], "reason": REASON}),
        (f"{chain}/holds", {}),
        (f"{chain}/holds", {"reason": REASON}),
        (f"{chain}/holds/lift", {"reason": REASON}),
        (f"{chain}/retention", {}),
        (f"{chain}/retention", {"keep_ms": 0}),
    ]
    nowhere = {"entries": [NOWHERE], "reason": REASON}
    for path, body in asked:
        for who in ("writer", "reader", "auditor"):
            assert (403, "not-allowed") == code(site.ask(who, path, **body)), (who, path)
        for who in ("beta", "operator", "stranger"):
            answer = site.ask(who, path, **body)
            none = (
                site.ask(who, path, **nowhere)
                if path == "/v1/erasures"
                else site.ask(who, path.replace(chain_of(recorded).hex(), NOWHERE), **body)
            )
            assert (none.status_code, none.content) == (answer.status_code, answer.content), (who, path)
            assert answer.status_code == (401 if (who, path) == ("stranger", "/v1/erasures") else 404)
    assert SECRET == site.client.content(recorded[1])
    assert [] == site.client.holds(chain_of(recorded))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/erasures", {"reason": REASON}),
        ("/v1/erasures", {"reason": "", "entries": [NOWHERE]}),
        ("/v1/erasures", {"reason": "two\nlines", "expired": True}),
        ("/v1/erasures", {"reason": "\u00e9" * 300, "expired": True}),
        ("/v1/erasures", {"reason": REASON, "expired": True, "subject": NOWHERE}),
        ("/v1/erasures", {"reason": REASON, "entries": ["00"]}),
        ("/v1/erasures", {"reason": REASON, "expired": True, "more": 1}),
        ("{chain}/holds", {"reason": ""}),
        ("{chain}/holds", {"reason": REASON, "statement": {"entry": "", "salt": ""}}),
        ("{chain}/holds/lift", {"reason": "x" * 501}),
        ("{chain}/retention", {"keep_ms": -1}),
        ("{chain}/retention", {"keep": 1}),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(site: Site, path: str, body: dict[str, Any]) -> None:
    """Nothing or two things to erase, reasons that cannot stand in a chain, unknown fields: nothing is done."""
    chain = f"/v1/chains/{chain_of(site.chain()).hex()}"
    refused = site.ask("owner", path.format(chain=chain), **body)
    assert (400, "body-malformed") == code(refused), json.dumps(body)


def test_the_asynchronous_client_does_the_same(site: Site) -> None:
    """The same operations, awaited."""
    recorded = site.chain(SECRET, subject=keyed_id(SEARCH_KEY, "patient", "async"))
    chain_id = chain_of(recorded)

    async def story() -> None:
        async with AsyncClient(site.server.url, site.keys["owner"], trust_on_first_use=True) as client:
            assert 1 == len(await client.hold(chain_id, "we are sued"))
            assert 1 == len(await client.holds(chain_id))
            assert [] == await client.lift_hold(chain_id, "over")
            assert 7 == await client.set_retention(chain_id, 7)
            assert 7 == await client.retention(chain_id)
            assert await client.set_retention(chain_id, None) is None
            done = await client.erase_subject(keyed_id(SEARCH_KEY, "patient", "async"), REASON)
            assert done == await client.erase(chain_id, [recorded[1].entry_hash], REASON)
            assert () == (await client.erase_expired(REASON, chain_id=chain_id)).entries

    asyncio.run(story())

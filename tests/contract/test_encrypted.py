"""Encrypted content over a real server: the client encrypts and opens, owners change readers, strangers learn nothing.

One server serves the whole module; its home has two organisations.
"""

import asyncio
import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType, ExternalId, IdKind, check_author, content_commitment
from anchor.proof.errors import MalformedError, TooLargeError
from chains.access import Role
from chains.client import (
    AsyncClient,
    Client,
    Ed25519Key,
    Envelope,
    EnvelopeError,
    ProblemAnswerError,
    ReaderKey,
    Recorded,
    Signatory,
    keyed_id,
    new_reader_key,
)
from chains.client.encrypting import encrypt, wrap, wrap_all
from chains.client.envelope import MAX_CONTENT
from tests.simulators.api_server import ApiServer, make_home, make_key, serving

CONTENT = b"finding: carcinoma of the left lung, stage II\n"
FIRST = b"the ward book of 2026 begins\n"
SEARCH_KEY = bytes(range(32))
WHO = keyed_id(SEARCH_KEY, "patient", "Wilhelmine Katzenberger")
ANNA, BEN = new_reader_key(os.urandom), new_reader_key(os.urandom)


@dataclass
class Site:
    """A served home; API keys by name, and the private chain of organisation acme."""

    server: ApiServer
    keys: dict[str, str]
    chain_id: bytes

    def client(self, name: str = "owner") -> Client:
        return Client(self.server.url, self.keys[name], trust_on_first_use=True)

    def encrypted(self, *readers: ReaderKey) -> Recorded:
        with self.client() as client:
            return client.add(self.chain_id, CONTENT, external_ids=[WHO], encrypt_for=[each.text for each in readers])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("encrypted")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    roles = {"owner": Role.OWNER, "writer": Role.WRITER, "reader": Role.READER, "auditor": Role.AUDITOR}
    keys = {name: make_key(home, "acme", role) for name, role in roles.items()}
    keys["beta"] = make_key(home, "beta", Role.OWNER)
    with serving(home) as server:
        with Client(server.url, keys["owner"], trust_on_first_use=True) as first:
            chain_id = first.open_chain(visibility="private").own.entry.chain_id
        yield Site(server, keys, chain_id)
    patched.undo()


def refusal(site: Site, name: str, entry_hash: bytes, path: str, body: object = None) -> tuple[int, str]:
    """Return status and code of a request about an entry that must be refused."""
    with site.server.client(site.keys[name]) as client:
        where = f"/v1/entries/{entry_hash.hex()}/{path}"
        answer = client.get(where) if body is None else client.post(where, json=body)
    return answer.status_code, answer.json()["code"]


def test_the_client_encrypts_and_its_readers_open(site: Site) -> None:
    """What is opened is what the entry commits to, found by the keyed id; who has no key there is told so."""
    recorded = site.encrypted(ANNA)
    with site.client("reader") as client:
        assert recorded.entry_hash in [seen.entry_hash for seen in client.search(WHO)]
        opened = client.open(recorded.entry_hash, ANNA)
        with pytest.raises(EnvelopeError, match="has no key for reader"):
            client.open(recorded.entry_hash, BEN)
        assert (CONTENT, recorded.own.salt) == (opened.content, opened.salt)
        receipt = opened.shown_in(client.receipt(recorded.entry_hash).receipt)
        assert CONTENT == receipt.content.data

    async def asynchronously() -> bytes:
        async with AsyncClient(site.server.url, site.keys["reader"], trust_on_first_use=True) as client:
            return (await client.open(recorded.entry_hash, ANNA)).content

    assert CONTENT == asyncio.run(asynchronously())


def test_the_service_shows_that_it_is_encrypted_and_nothing_of_it(site: Site) -> None:
    """Neither salt nor digest, to nobody; to who may not read content not even that a box is kept."""
    recorded = site.encrypted(ANNA)
    path = f"/v1/entries/{recorded.entry_hash.hex()}"
    with site.server.client(site.keys["owner"]) as client:
        assert {"state": "encrypted", "size": 284} == client.get(path).json()["content"]
        assert "withheld" == client.get(f"{path}/receipt?content=1").json()["content"]["state"]
        assert 404 == client.get(f"{path}/content").status_code
        answers = [client.get(f"{path}{each}").content for each in ("", "/receipt", "/envelope", "/promise")]
    for secret in (CONTENT, recorded.own.salt, recorded.own.salt.hex().encode(), recorded.own.digest.hex().encode()):
        assert not any(secret in answer for answer in answers)
    with site.server.client(site.keys["auditor"]) as client:
        assert {"state": "withheld"} == client.get(path).json()["content"]


def test_the_owner_changes_readers_and_sees_who_did(site: Site) -> None:
    """Ben is added with a key that Anna's opens, Anna is removed, and the list names the API key of both changes."""
    recorded = site.encrypted(ANNA)
    with site.client() as client:
        client.add_reader(recorded.entry_hash, ANNA, BEN.text)
        assert CONTENT == client.open(recorded.entry_hash, BEN).content
        client.remove_reader(recorded.entry_hash, ANNA.text)
        with pytest.raises(EnvelopeError, match="has no key"):
            client.open(recorded.entry_hash, ANNA)
        assert [BEN.reader] == [each.reader for each in client.envelope(recorded.entry_hash).keys]
        first, second = client.readers(recorded.entry_hash)
        with pytest.raises(ProblemAnswerError, match="account-refused"):
            client.add_reader(recorded.entry_hash, BEN, BEN.text)
        with pytest.raises(ProblemAnswerError, match="not-found"):
            client.remove_reader(recorded.entry_hash, ANNA.text)
    by = site.keys["owner"][:11]
    assert (ANNA.reader, None, by) == (first.reader, first.added_by, first.removed_by)
    assert (BEN.reader, by, None) == (second.reader, second.added_by, second.removed_by)


def test_who_may_not_is_refused(site: Site) -> None:
    """Readers are the owner's to change and to see; to another organisation the entry is not there."""
    recorded = site.encrypted(ANNA)
    key = wrap(bytes(32), BEN.public_key, recorded.entry_hash)
    added = {"reader": key.reader.hex(), "wrap": base64.b64encode(key.wrap).decode()}
    removing = f"readers/{ANNA.reader.hex()}/remove"
    for name in ("writer", "reader", "auditor"):
        assert (403, "not-allowed") == refusal(site, name, recorded.entry_hash, "readers")
        assert (403, "not-allowed") == refusal(site, name, recorded.entry_hash, "readers", added)
        assert (403, "not-allowed") == refusal(site, name, recorded.entry_hash, removing, {})
    assert (403, "not-allowed") == refusal(site, "auditor", recorded.entry_hash, "envelope")
    for path, body in (("envelope", None), ("readers", None), ("readers", added), (removing, {})):
        assert (404, "not-found") == refusal(site, "beta", recorded.entry_hash, path, body)
    short = added | {"wrap": "AAAA"}
    assert (400, "body-malformed") == refusal(site, "owner", recorded.entry_hash, "readers", short)


def test_what_would_undo_it_is_not_taken(site: Site) -> None:
    """Salt, digest or content beside an envelope, another entry's envelope, ids in clear or hashed: refused."""
    own, other = site.encrypted(ANNA).own, site.encrypted(ANNA).own
    assert own.envelope is not None
    assert other.envelope is not None
    with site.client() as client:
        fresh = client.make(site.chain_id, CONTENT, encrypt_for=[ANNA.text])
        plain = client.make(site.chain_id, CONTENT)
    hashed, clear = (with_id(site.chain_id, kind) for kind in (IdKind.HASHED, IdKind.CLEAR))
    texts = {
        "hashed": hashed[0],
        "clear": clear[0],
        "beside hashed": hashed[1],
        "beside clear": clear[1],
        "entry": fresh.raw,
        "salt": fresh.salt,
        "content": CONTENT,
        "digest": fresh.digest,
        "envelope": other.envelope.encode(),
        "plain": plain.raw,
    }
    given = {name: base64.b64encode(value).decode() for name, value in texts.items()}
    items = [
        {name: given[name] for name in ("entry", "salt", "content")},
        {name: given[name] for name in ("entry", "salt", "digest")},
        {name: given[name] for name in ("entry", "envelope")},
        {"entry": given["plain"], "envelope": given["envelope"]},
        {"entry": given["hashed"], "envelope": given["beside hashed"]},
        {"entry": given["clear"], "envelope": given["beside clear"]},
        {"entry": given["entry"], "envelope": given["salt"]},
    ]
    answer = _batch(site, items)
    assert ["entry-refused"] * 6 + ["entry-malformed"] == [each["code"] for each in answer]
    assert 201 == _batch(site, [json.loads(fresh.submission())])[0]["status"]
    assert 200 == _batch(site, [json.loads(fresh.submission())])[0]["status"]
    with site.client() as client:
        assert CONTENT == client.open(fresh.hash, ANNA).content


def with_id(chain_id: bytes, kind: IdKind) -> tuple[bytes, bytes]:
    """Return an entry over encrypted content with an id of this kind, as no client makes it, and its envelope."""
    salt, key = os.urandom(16), os.urandom(32)
    box = encrypt(chain_id, salt, CONTENT, key, os.urandom(12))
    value = sha256(b"Wilhelmine Katzenberger") if kind == IdKind.HASHED else b"Wilhelmine Katzenberger"
    entry = Entry(
        chain_id,
        content_commitment(salt, sha256(CONTENT)),
        external_ids=(ExternalId(kind, value),),
        extensions=(Extension(ExtensionType.ENVELOPE, sha256(box)),),
    )
    return entry.encode(), Envelope(entry.hash, wrap_all(key, [ANNA.public_key], entry.hash), box).encode()


def test_a_client_with_a_search_key_sends_no_name(site: Site) -> None:
    """Names are keyed where they are written and where they are searched; who has no key finds nothing."""
    with Client(site.server.url, site.keys["owner"], trust_on_first_use=True, search_key=SEARCH_KEY) as client:
        recorded = client.add(site.chain_id, CONTENT, external_ids=["case:Katzenberger"], encrypt_for=[ANNA.text])
        found = client.search("case:Katzenberger")
        assert [recorded.entry_hash] == [seen.entry_hash for seen in found]
        assert (keyed_id(SEARCH_KEY, "case", "Katzenberger"),) == recorded.own.entry.external_ids
    with site.client() as stranger:
        assert [] == list(stranger.search("case:Katzenberger"))


def _batch(site: Site, items: list[dict[str, str]]) -> list[dict[str, object]]:
    with site.server.client(site.keys["owner"]) as client:
        answer: httpx.Response = client.post(f"/v1/chains/{site.chain_id.hex()}/batch", json=items)
    assert 200 == answer.status_code
    return list(answer.json()["results"])


def test_whatever_writes_encrypts(site: Site) -> None:
    """A chain's first entry, many contents at once, and a batcher; signed or not, each opens and was signed alone."""
    anna = [ANNA.text]
    signer = Signatory(Ed25519Key(os.urandom(32)))
    with Client(site.server.url, site.keys["owner"], trust_on_first_use=True, search_key=SEARCH_KEY) as client:
        opened = client.open_chain(["ward:5"], FIRST, encrypt_for=anna)
        chain_id = opened.own.entry.chain_id
        assert FIRST == client.open(opened.entry_hash, ANNA).content
        contents = [b"finding %d" % number for number in range(4)]
        many = client.add_many(chain_id, contents, encrypt_for=anna, signer=signer, external_ids=["patient:7"])
        assert contents == [client.open(each.entry_hash, ANNA).content for each in many if isinstance(each, Recorded)]
        assert all(check_author(each.own.entry) for each in many if isinstance(each, Recorded))
        with client.batcher(chain_id) as batcher:
            waited = batcher.add(CONTENT, encrypt_for=anna).result()
        assert isinstance(waited, Recorded)
        assert CONTENT == client.open(waited.entry_hash, ANNA).content
        assert len(many) == len(list(client.search("patient:7")))
        with pytest.raises(MalformedError, match="got one in clear"):
            client.open_chain([ExternalId(IdKind.CLEAR, b"ward 6")], FIRST, encrypt_for=anna)
        with pytest.raises(TooLargeError, match="content: expected at most"):
            client.make(chain_id, bytes(MAX_CONTENT + 1), encrypt_for=anna)

    async def asynchronously() -> bytes:
        async with AsyncClient(site.server.url, site.keys["owner"], trust_on_first_use=True) as client:
            made = await client.open_chain(content=FIRST, encrypt_for=anna)
            [many] = await client.add_many(made.own.entry.chain_id, [CONTENT], encrypt_for=anna)
            assert isinstance(many, Recorded)
            await client.add_reader(many.entry_hash, ANNA, BEN.text)
            await client.remove_reader(many.entry_hash, ANNA.text)
            with pytest.raises(EnvelopeError, match="has no key for reader"):
                await client.open(many.entry_hash, ANNA)
            return (await client.open(many.entry_hash, BEN)).content

    assert CONTENT == asyncio.run(asynchronously())


def test_a_batch_of_encrypted_contents(site: Site) -> None:
    """Each with its own keys, in their order; the whole batch is opened again."""
    contents = [b"%d" % number for number in range(5)]
    with site.client() as client:
        owns = [client.make(site.chain_id, content, encrypt_for=[ANNA.text, BEN.text]) for content in contents]
        client.add_all([owns[0], *owns])
        for key in (ANNA, BEN):
            assert contents == [client.open(own.hash, key).content for own in owns]

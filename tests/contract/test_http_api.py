"""The HTTP API over a real server on a real socket: its answers to those who may, to those who may not, to nonsense.

One server serves the whole module; its home has two organisations. Promises are checked by ``anchor.proof``.
"""

import base64
import gzip
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fpdf import FPDF

from anchor.proof.chain_life import Closing
from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType, chain_id_of, check_author, content_commitment
from anchor.proof.head_judging import judge_head
from anchor.proof.head_proof import HeadProof
from anchor.proof.leaves import LogLeaf, decode_leaf
from anchor.proof.merkle import check_consistency, check_inclusion, leaf_hash
from anchor.proof.promise import Promise, PromiseLeaf, check_promise
from anchor.proof.promise_run import PromiseRun, promises_of
from anchor.proof.receipt import ContentState, Receipt
from anchor.proof.verifier import Verifier
from chains.access import Role, Visibility
from chains.client.own_entry import Form, Sent, make_entry, signed_batch, signed_lines
from chains.client.signing import Ed25519Key
from chains.home import Home
from chains.life_stating import stating
from chains.quota import Quota
from chains.verify_page import page
from chains.web.limits import BATCH_ENTRIES
from tests.homes import holding
from tests.simulators.api_server import ApiServer, make_home, make_key, run_beside, serving
from tests.simulators.store import chain_id, clear, submission_of
from tests.simulators.world import sign_entry, signing_key
from tests.waiting import wait_until

OTS = "application/vnd.opentimestamps.v1"
NDJSON = "application/x-ndjson"
SUBMISSION = "application/vnd.anchorline.submission+json"


@dataclass
class Site:
    """A served home, with clients: of organisation acme, of its auditor, of beta, of the operator, and a stranger."""

    server: ApiServer
    acme: httpx.Client
    auditor: httpx.Client
    beta: httpx.Client
    operator: httpx.Client
    stranger: httpx.Client
    public: str
    private: str

    def seal(self) -> None:
        """Seal what is there, beside the server."""
        run_beside(self.server.home, "seal")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("api")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    acme, auditor = make_key(home, "acme"), make_key(home, "acme", Role.AUDITOR)
    beta, operator = make_key(home, "beta"), make_key(home, "", Role.OPERATOR)
    with serving(home) as server:
        clients = [server.client(key) for key in (acme, auditor, beta, operator, None)]
        opened = [
            clients[0].post("/v1/chains", json={"name": name, "visibility": name, "external_ids": [name]})
            for name in ("public", "private")
        ]
        assert [201, 201] == [answer.status_code for answer in opened]
        public, private = (str(answer.json()["chain_id"]) for answer in opened)
        acme_client, auditor_client, beta_client, operator_client, stranger = clients
        made = Site(
            server, acme_client, auditor_client, beta_client, operator_client, stranger, public=public, private=private
        )
        made.seal()
        yield made
        for client in clients:
            client.close()
    patched.undo()


def log_of(site: Site) -> LogLeaf:
    leaf = decode_leaf(bytes.fromhex(site.stranger.get("/v1/log").json()["card"]["leaf_0"]))
    assert isinstance(leaf, LogLeaf)
    return leaf


def checked(site: Site, promise: dict[str, Any]) -> Promise:
    """Return a promise that verifies."""
    log = log_of(site)
    found = Promise.from_json(promise)
    check_promise(found, log.log_id, log.promise_key.value)
    return found


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem document."""
    assert "application/problem+json" == answer.headers["content-type"]
    found = answer.json()
    assert f"urn:anchorline:problem:{found['code']}" == found["type"]
    assert answer.status_code == found["status"]
    return answer.status_code, found["code"]


# --- writing one


def test_content_is_recorded_as_it_comes(site: Site) -> None:
    """Any bytes under any media type become an entry, promised and readable at once."""
    content = bytes(range(256))
    headers = {"content-type": "application/octet-stream", "anchorline-external-id": '"beam-7", :AAEC:;kind=0'}
    answer = site.acme.post(f"/v1/chains/{site.public}/entries", content=content, headers=headers)
    assert 201 == answer.status_code
    found = answer.json()
    assert f"/v1/entries/{found['entry_hash']}" == answer.headers["location"]
    promise = checked(site, found["promise"])
    assert (site.public, found["entry_hash"], found["leaf_index"]) == (
        promise.leaf.chain_id.hex(),
        promise.leaf.entry_hash.hex(),
        promise.leaf.leaf_index,
    )
    entry = site.stranger.get(answer.headers["location"]).json()
    raw = base64.b64decode(entry["entry"])
    assert leaf_hash(raw).hex() == found["entry_hash"]
    decoded = Entry.decode(raw)
    assert ("application/octet-stream", (b"beam-7", b"\x00\x01\x02")) == (
        decoded.media_type,
        tuple(item.value for item in decoded.external_ids),
    )
    assert content_commitment(bytes.fromhex(entry["content"]["salt"]), sha256(content)) == decoded.content_commitment
    body = site.stranger.get(f"{answer.headers['location']}/content")
    assert (content, "application/octet-stream") == (body.content, body.headers["content-type"])
    assert "sandbox" in body.headers["content-security-policy"]


def test_a_content_is_answered_alike_on_either_way(site: Site) -> None:
    """Whoever was admitted lately is answered past the application: with the same headers, and the same body."""
    path, plain = f"/v1/chains/{site.public}/entries", {"content-type": "text/plain"}
    short = [site.acme.post(path, content=b"%d" % number, headers=plain) for number in range(3)]
    long = site.acme.post(path, content=b"long", headers={**plain, "anchorline-keep": "content"})
    assert [201] * 4 == [answer.status_code for answer in (*short, long)]
    indexes = [answer.json()["leaf_index"] for answer in (*short, long)]
    assert list(range(indexes[0], indexes[0] + 4)) == indexes
    for answer in (*short, long):
        found = answer.json()
        assert f"/v1/entries/{found['entry_hash']}" == answer.headers["location"]
        assert found["entry_hash"] == checked(site, found["promise"]).leaf.entry_hash.hex()
        assert (sorted(long.headers), sorted(long.json())) == (sorted(answer.headers), sorted(found))
    assert b"2" == site.stranger.get(f"{short[2].headers['location']}/content").content
    # The name of the chain will do as well as its id, and what is no plain content is still refused by name.
    assert 201 == site.acme.post("/v1/chains/public/entries", content=b"by name").status_code
    refused = site.acme.post(path, content=b"x", headers={"content-type": "text/" + "x" * 300})
    assert (422, "entry-malformed") == problem(refused)
    assert (404, "not-found") == problem(site.acme.post("/v1/chains/nothing/entries", content=b"x"))


def test_content_may_be_left_out(site: Site) -> None:
    """With Anchorline-Keep: digest the service keeps the digest only."""
    answer = site.acme.post(
        f"/v1/chains/{site.public}/entries", content=b"secret", headers={"anchorline-keep": "digest"}
    )
    found = site.stranger.get(answer.headers["location"]).json()["content"]
    assert ("digest", sha256(b"secret").hex()) == (found["state"], found["digest"])
    assert (404, "not-found") == problem(site.stranger.get(f"{answer.headers['location']}/content"))


def test_a_content_corrects_another_by_a_header(site: Site) -> None:
    """The service makes the entry with its links; new receipts of the first say that it was superseded."""
    path, headers = f"/v1/chains/{site.public}/entries", {"content-type": "text/plain"}
    first = site.acme.post(path, content=b"21.5 C", headers=headers).json()["entry_hash"]
    told = {**headers, "anchorline-link": f"supersedes={first}, refers-to={site.private}/{'00' * 32}"}
    named = {**told, "idempotency-key": "a-correction"}
    done = [site.acme.post(path, content=b"31.5 C", headers=named) for _ in range(2)]
    assert [201, 201] == [answer.status_code for answer in done]
    assert done[0].json()["entry_hash"] == done[1].json()["entry_hash"]
    checked(site, done[0].json()["promise"])
    shown = site.stranger.get(done[0].headers["location"]).json()
    links = [
        {"relation": 1, "chain_id": site.public, "entry_hash": first},
        {"relation": 5, "chain_id": site.private, "entry_hash": "00" * 32},
    ]
    assert (links, "text/plain", 6) == (shown["links"], shown["media_type"], shown["content"]["size"])
    other = site.acme.post(path, content=b"31.5 C", headers={**named, "anchorline-link": f"retracts={first}"})
    assert (422, "request-key-reused") == problem(other)
    site.seal()
    receipt = site.stranger.get(f"/v1/entries/{first}/receipt").json()
    assert ["correction"] == [item["type"] for item in receipt["evidence"]]
    for wrong in (f"erases={first}", first, f"supersedes={first};", ", ".join([f"retracts={first}"] * 33)):
        refused = site.acme.post(path, content=b"x", headers={**headers, "anchorline-link": wrong})
        assert (400, "parameter-malformed") == problem(refused), wrong


def test_only_an_owner_closes_a_chain_and_nothing_follows(site: Site) -> None:
    """A closing is an entry that a client made; a key of a writer may not hand it in, one of an owner may."""
    opened = site.acme.post("/v1/chains", json={"name": "to close", "external_ids": ["to close"]}).json()
    chain = opened["chain_id"]
    closing = stating(bytes.fromhex(chain), Closing(0, "over"), log_of(site).log_id)
    assert closing.salt is not None
    parts = {"entry": closing.entry, "salt": closing.salt, "content": b""}
    body, where = json.dumps({name: base64_of(part) for name, part in parts.items()}), f"/v1/chains/{chain}/entries"
    made = {"content-type": SUBMISSION}
    writer, owner = (site.server.client(make_key(site.server.home, "acme", role)) for role in (Role.WRITER, Role.OWNER))
    with writer, owner:
        assert (403, "not-allowed") == problem(writer.post(where, content=body, headers=made))
        assert 201 == writer.post(where, content=b"still open").status_code
        assert 201 == owner.post(where, content=body, headers=made).status_code
        assert 200 == owner.post(where, content=body, headers=made).status_code
        for client in (writer, owner):
            assert (409, "chain-closed") == problem(client.post(where, content=b"late"))
        [result] = owner.post(f"/v1/chains/{chain}/batch", json=[{"content": base64_of(b"late")}]).json()["results"]
        assert (409, "chain-closed") == (result["status"], result["code"])


def test_a_client_s_own_entry_is_taken_as_it_is(site: Site) -> None:
    """An entry that the client made keeps its hash; sent again it is the same one, with its first promise."""
    made = submission_of(bytes.fromhex(site.public), b"my own")
    body = json.dumps(
        {"entry": base64_of(made.entry), "salt": base64_of(bytes(16)), "digest": base64_of(sha256(b"my own"))}
    )
    first, again = (
        site.acme.post(f"/v1/chains/{site.public}/entries", content=body, headers={"content-type": SUBMISSION})
        for _ in range(2)
    )
    assert (201, 200) == (first.status_code, again.status_code)
    assert leaf_hash(made.entry).hex() == first.json()["entry_hash"]
    assert {**first.json(), "repeated": True} == again.json()
    checked(site, again.json()["promise"])


def test_an_identity_that_is_named_must_have_the_key(site: Site) -> None:
    """An entry that is signed in the name of an identity which this log does not have is refused by name."""
    named = (Extension(ExtensionType.IDENTITY, sha256(b"nobody")),)
    entry = sign_entry(Entry(bytes.fromhex(site.public), bytes(32), extensions=named), signing_key("nobody"))
    body = json.dumps({"entry": base64_of(entry.encode())})
    answer = site.acme.post(f"/v1/chains/{site.public}/entries", content=body, headers={"content-type": SUBMISSION})
    assert (422, "author-key-not-valid") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("headers", "content", "expected"),
    [
        ({"content-type": SUBMISSION}, b"{", (400, "body-malformed")),
        ({"content-type": SUBMISSION}, b'{"entry":"AQ=="}', (422, "entry-malformed")),
        ({"content-type": SUBMISSION}, b'{"entry":"AQ==","more":1}', (400, "body-malformed")),
        ({"content-type": "x" * 256}, b"x", (422, "entry-malformed")),
        ({"content-type": "t\xe9xt".encode("latin-1").decode("latin-1")}, b"x", (422, "entry-malformed")),
        ({"anchorline-external-id": "beam"}, b"x", (400, "parameter-malformed")),
        ({"anchorline-external-id": '"a";kind=9'}, b"x", (400, "parameter-malformed")),
        ({"anchorline-external-id": ':AAEC:;kind=1'}, b"x", (422, "entry-malformed")),
        ({"anchorline-external-id": f'"{"i" * 4090}"'}, b"x", (422, "entry-too-large")),
        ({"anchorline-keep": "nothing"}, b"x", (400, "parameter-malformed")),
        ({"content-encoding": "gzip"}, b"x", (415, "media-type-unsupported")),
        ({"idempotency-key": "k" * 256}, b"x", (400, "parameter-malformed")),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_by_name(
    site: Site, headers: dict[str, str], content: bytes, expected: tuple[int, str]
) -> None:
    """Each refusal has its status and code, and writes nothing."""
    before = site.stranger.get(f"/v1/chains/{site.public}").json()["size"]
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = site.acme.post(f"/v1/chains/{site.public}/entries", content=content, headers=sent)
    assert expected == problem(answer)
    assert before == site.stranger.get(f"/v1/chains/{site.public}").json()["size"]


def test_content_over_the_limit_is_refused_unread(site: Site) -> None:
    """A body that announces too much, or sends it unannounced, is refused while it is read."""
    limit = site.stranger.get("/v1/log").json()["limits"]["content_bytes"]
    path = f"/v1/chains/{site.public}/entries"
    assert 201 == site.acme.post(path, content=bytes(limit)).status_code
    assert (413, "body-too-large") == problem(site.acme.post(path, content=bytes(limit + 1)))

    def pieces() -> Iterator[bytes]:
        for _ in range(-(-(limit + 1) // 65536)):
            yield bytes(65536)

    assert (413, "body-too-large") == problem(site.acme.post(path, content=pieces()))


# --- batches


def test_a_batch_has_a_result_for_each_item_and_one_promise(site: Site) -> None:
    """Good items are written in order under one promise; bad ones are refused in their places."""
    made = submission_of(bytes.fromhex(site.public), b"batched")
    items: list[dict[str, Any]] = [
        {"content": base64_of(b"a"), "media_type": "text/plain", "external_ids": ["x", {"value": "AAE=", "kind": 0}]},
        {"content": base64_of(b"b"), "keep": "digest"},
        {"nonsense": 1},
        {"entry": base64_of(made.entry), "salt": base64_of(bytes(16)), "content": base64_of(b"batched")},
        {"entry": base64_of(made.entry)},
        {"entry": "AQ=="},
        {"content": "not base64"},
        {},
    ]
    answer = site.acme.post(f"/v1/chains/{site.public}/batch", json=items)
    assert 200 == answer.status_code
    found = answer.json()
    codes = [(item["status"], item.get("code")) for item in found["results"]]
    expected = [201, 201, "item-malformed", 201, 200, "entry-malformed", "item-malformed", "item-malformed"]
    assert [(item, None) if isinstance(item, int) else (422, item) for item in expected] == codes
    check_batch(site, found)
    lines = "\n".join(json.dumps(item) for item in items) + "\n"
    again = site.acme.post(f"/v1/chains/{site.public}/batch", content=lines, headers={"content-type": NDJSON})
    statuses = [item["status"] for item in again.json()["results"]]
    assert [201, 201, 422, 200, 200, 422, 422, 422] == statuses


@pytest.mark.parametrize("is_lines", [True, False])
def test_a_batch_may_be_signed_as_one(site: Site, is_lines: bool) -> None:
    """Key and signature come once, in front; each entry is kept with its own path to what was signed."""
    chain_id = bytes.fromhex(site.public)
    form = Form("text/plain")
    made = [make_entry(chain_id, b"%d" % number, form, os.urandom, Sent.CONTENT) for number in range(5)]
    owns = signed_batch(made, Ed25519Key(sha256(b"author")))
    lines = signed_lines(owns)
    assert lines is not None
    body = b"\n".join(lines) if is_lines else b" [ %b ] " % b", ".join(lines)
    headers = {"content-type": NDJSON if is_lines else "application/json"}
    found = site.acme.post(f"/v1/chains/{site.public}/batch", content=body, headers=headers).json()
    assert [own.hash.hex() for own in owns] == [item["entry_hash"] for item in found["results"]]
    check_batch(site, found)
    for own in owns:
        kept = base64.b64decode(site.acme.get(f"/v1/entries/{own.hash.hex()}").json()["entry"])
        assert own.raw == kept
        assert check_author(Entry.decode(kept))
    again = site.acme.post(f"/v1/chains/{site.public}/batch", content=body, headers=headers).json()
    assert [200] * 5 == [item["status"] for item in again["results"]]


SIGNED = {"signed_together": base64.b64encode(bytes(96)).decode()}
MADE = {"entry": base64.b64encode(Entry(bytes(32), bytes(32)).encode()).decode()}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([{"signed_together": "AAAA"}, MADE], "expected 96 bytes, a public key and its signature, got 3"),
        ([SIGNED, {"content": "YQ=="}], "an entry without an author in item 1"),
        ([SIGNED, MADE, {"entry": "AQ=="}], "an entry without an author in item 2"),
        ([SIGNED, MADE, {"nonsense": 1}], "an entry without an author in item 2: "),
        ([SIGNED, MADE, SIGNED], "an entry without an author in item 2: "),
    ],
)
def test_a_batch_that_cannot_be_signed_as_one_is_refused_whole(
    site: Site, items: list[dict[str, Any]], expected: str
) -> None:
    """One signature is for all entries, so that none can be missing: the answer says which, and what is wrong."""
    answer = site.acme.post(f"/v1/chains/{site.public}/batch", json=items)
    assert (400, "body-malformed") == problem(answer)
    assert expected in answer.json()["detail"]


def test_a_signature_that_is_not_over_the_batch_refuses_all_of_it(site: Site) -> None:
    """Where one entry is another than was signed, none was signed; in another place the item is no such item."""
    chain_id = bytes.fromhex(site.public)
    made = [make_entry(chain_id, b"%d" % number, Form(), os.urandom, Sent.CONTENT) for number in range(3)]
    lines = signed_lines(signed_batch(made, Ed25519Key(sha256(b"author"))))
    assert lines is not None
    other = make_entry(chain_id, b"other", Form(), os.urandom, Sent.CONTENT).submission()
    for wrong in ([*lines[:3], other], [lines[0], *lines[:0:-1]], lines[:-1]):
        answer = site.acme.post(
            f"/v1/chains/{site.public}/batch", content=b"\n".join(wrong), headers={"content-type": NDJSON}
        )
        assert {"author-signature-wrong"} == {item["code"] for item in answer.json()["results"]}
        assert len(wrong) - 1 == len(answer.json()["results"])
    answer = site.acme.post(
        f"/v1/chains/{site.public}/batch", content=b"\n".join(lines[::-1]), headers={"content-type": NDJSON}
    )
    assert [201, 201, 201, 422] == [item["status"] for item in answer.json()["results"]]


def check_batch(site: Site, found: dict[str, Any]) -> list[Promise]:
    """Return a promise that verifies for every item that was written."""
    new = [item for item in found["results"] if item["status"] == 201]
    leaves = [
        PromiseLeaf(
            bytes.fromhex(found["chain_id"]),
            item["leaf_index"],
            bytes.fromhex(item["entry_hash"]),
            bytes.fromhex(found["submitter"]),
        )
        for item in new
    ]
    promises = list(promises_of(PromiseRun.from_json(found["promise"]), leaves))
    for promise in promises:
        checked(site, promise.to_json())
    indexes = [item["leaf_index"] for item in new]
    assert list(range(indexes[0], indexes[0] + len(new))) == indexes
    return promises


def test_a_batch_may_be_compressed(site: Site) -> None:
    """A gzip body is read within the limits of the plain one."""
    lines = b"".join(b'{"content":"%s"}\n' % base64.b64encode(b"%d" % number) for number in range(500))
    headers = {"content-type": NDJSON, "content-encoding": "gzip"}
    answer = site.acme.post(f"/v1/chains/{site.public}/batch", content=gzip.compress(lines), headers=headers)
    assert 500 == len(check_batch(site, answer.json()))


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"", {"content-type": "text/csv"}, (415, "media-type-unsupported")),
        (b"[]", {"content-encoding": "br"}, (415, "media-type-unsupported")),
        (b"{", {}, (400, "body-malformed")),
        (b"{}", {}, (400, "body-malformed")),
        (b"[" * 100_000, {}, (400, "body-malformed")),
        (b"\xff\xfe", {}, (400, "body-malformed")),
        (b"nothing of gzip", {"content-encoding": "gzip"}, (400, "body-malformed")),
        (gzip.compress(b"[]", mtime=0)[:-1], {"content-encoding": "gzip"}, (400, "body-malformed")),
        (gzip.compress(b"[]", mtime=0) + b"x", {"content-encoding": "gzip"}, (400, "body-malformed")),
        (gzip.compress(b" " * 10**8, mtime=0), {"content-encoding": "gzip"}, (413, "body-too-large")),
        (gzip.compress(b" " * 10**6, mtime=0), {"content-encoding": "gzip"}, (413, "body-too-large")),
        (b"[" + b"{}," * BATCH_ENTRIES + b"{}]", {}, (413, "body-too-large")),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_a_batch_that_cannot_be_read_is_refused_whole(
    site: Site, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    """Bombs of gzip and of nesting, other codings and other types end in a problem document."""
    sent = {"content-type": "application/json"} | headers
    assert expected == problem(site.acme.post(f"/v1/chains/{site.public}/batch", content=content, headers=sent))


def test_a_deep_item_is_refused_alone(site: Site) -> None:
    """An item that is nested thousands deep costs its own place only."""
    lines = b'{"content":"eA=="}\n' + b'{"content":' + b"[" * 50_000 + b"\n" + b'{"content":"eQ=="}'
    answer = site.acme.post(f"/v1/chains/{site.public}/batch", content=lines, headers={"content-type": NDJSON})
    assert [201, 422, 201] == [item["status"] for item in answer.json()["results"]]


# --- request keys


def test_a_request_under_one_key_is_answered_once(site: Site) -> None:
    """The same request again gets the same answer and writes nothing; another one under the key is refused."""
    path, headers = f"/v1/chains/{site.public}/batch", {"idempotency-key": "batch-1"}
    items = [{"content": base64_of(b"once")}, {}]
    first = site.acme.post(path, json=items, headers=headers)
    again = site.acme.post(path, json=items, headers=headers)
    assert first.json() == again.json()
    assert (None, "true") == tuple(answer.headers.get("idempotency-replayed") for answer in (first, again))
    other = site.acme.post(path, json=[{"content": base64_of(b"twice")}], headers=headers)
    assert (422, "request-key-reused") == problem(other)
    elsewhere = site.acme.post(f"/v1/chains/{site.private}/batch", json=items, headers=headers)
    assert (422, "request-key-reused") == problem(elsewhere)
    opened = [site.beta.post("/v1/chains", json={}, headers=headers).json()["chain_id"] for _ in range(2)]
    assert 1 == len(set(opened)), "another organisation's key of the same name is another key"


# --- chains


def test_a_chain_without_ids_gets_one_that_nobody_guesses(site: Site) -> None:
    """A chain that was given no external id has 32 random bytes for one."""
    one, other = (site.acme.post("/v1/chains", json={}).json() for _ in range(2))
    assert one["chain_id"] != other["chain_id"]
    entry = Entry.decode(base64.b64decode(site.acme.get(f"/v1/entries/{one['entry_hash']}").json()["entry"]))
    assert one["chain_id"] == chain_id_of(entry.external_ids).hex()
    assert [(2, 32)] == [(item.kind, len(item.value)) for item in entry.external_ids]
    assert (404, "not-found") == problem(site.beta.get(f"/v1/chains/{one['chain_id']}"))


def test_a_name_is_an_organisation_s_own(site: Site) -> None:
    """Two organisations may use one name, and neither learns of the other's."""
    for client in (site.acme, site.beta):
        assert 201 == client.post("/v1/chains", json={"name": "same"}).status_code
        assert (409, "chain-exists") == problem(client.post("/v1/chains", json={"name": "same"}))
        assert "same" == client.get("/v1/chains/same").json()["name"]
    assert site.acme.get("/v1/chains/same").json()["chain_id"] != site.beta.get("/v1/chains/same").json()["chain_id"]


def test_a_chain_opens_with_a_client_s_entry(site: Site) -> None:
    """The first entry may be made at home; its ids must give the chain id."""
    made = submission_of(chain_id("made at home"), b"first", clear("made at home"))
    answer = site.acme.post("/v1/chains", json={"first_entry": {"entry": base64_of(made.entry)}})
    assert (201, chain_id("made at home").hex()) == (answer.status_code, answer.json()["chain_id"])
    bad = submission_of(chain_id("another"), b"first", clear("made at home"))
    answer = site.acme.post("/v1/chains", json={"first_entry": {"entry": base64_of(bad.entry)}})
    assert (422, "entry-refused") == problem(answer)
    both = {"first_entry": {"entry": base64_of(made.entry)}, "external_ids": ["x"]}
    assert (400, "body-malformed") == problem(site.acme.post("/v1/chains", json=both))


# --- who may


PRIVATE = (
    *("/v1/chains/{private}", "/v1/chains/{private}/entries", "/v1/chains/{private}/head"),
    *("/v1/chains/{private}/checkpoint", "/v1/chains/{private}/tile/0/000.p/1"),
    "/v1/chains/{private}/tile/entries/000.p/1",
    *("/v1/chains/{private}/consistency?from=1&to=1", "/v1/chains/{private}/inclusion?index=0&size=1"),
    *("/v1/entries/{entry}", "/v1/entries/{entry}/content", "/v1/entries/{entry}/receipt"),
    "/v1/entries/{entry}/promise",
)  # fmt: skip


@pytest.mark.parametrize("path", PRIVATE)
def test_what_one_may_not_see_is_answered_as_if_it_were_not_there(site: Site, path: str) -> None:
    """To a stranger and to another organisation a private chain and a missing one are alike, to the byte."""
    entry = site.acme.get(f"/v1/chains/{site.private}/entries").json()["entries"][0]["entry_hash"]
    assert 200 == site.acme.get(path.format(private=site.private, entry=entry)).status_code
    for client in (site.stranger, site.beta):
        hidden = client.get(path.format(private=site.private, entry=entry))
        missing = client.get(path.format(private="0" * 64, entry="0" * 64))
        assert (404, missing.content) == (hidden.status_code, hidden.content)
        same = {name: value for name, value in hidden.headers.items() if name != "date"}
        assert same == {name: value for name, value in missing.headers.items() if name != "date"}


def test_what_one_may_not_see_is_not_found_nor_listed(site: Site) -> None:
    """Lists and searches pass over what is private, whatever they ask for."""
    shown = site.acme.get(f"/v1/chains/{site.private}/entries").json()["entries"][0]
    for client in (site.stranger, site.beta):
        assert site.private not in client.get("/v1/chains?limit=1000").text
        for query in (f"entry_hash={shown['entry_hash']}", "external_id=private"):
            assert {"entries": []} == client.get(f"/v1/search?{query}").json()
        assert shown["entry_hash"] not in client.get("/v1/search?from_ms=0&limit=1000").text
    assert shown["entry_hash"] in site.acme.get("/v1/search?external_id=private").text


def test_writing_needs_a_key_that_may(site: Site) -> None:
    """Without a key, with one that does not hold, that only reads, or of another organisation, nothing is written."""
    path = f"/v1/chains/{site.public}/entries"
    assert (401, "key-required") == problem(site.stranger.post(path, content=b"x"))
    for header in ("Bearer al_wrong", "Basic YTpi", "Bearer", "Bearer " + "x" * 300):
        answer = site.stranger.post(path, content=b"x", headers={"authorization": header})
        assert (401, "key-refused") == problem(answer)
        assert 'Bearer realm="anchorline"' == answer.headers["www-authenticate"]
    for client in (site.auditor, site.beta):
        assert (403, "not-allowed") == problem(client.post(path, content=b"x"))
    assert (404, "not-found") == problem(site.beta.post(f"/v1/chains/{site.private}/entries", content=b"x"))
    assert (403, "not-allowed") == problem(site.auditor.post("/v1/chains", json={}))


def test_an_auditor_sees_entries_and_no_content(site: Site) -> None:
    """An auditor's key shows entries and receipts without salt, digest or content."""
    written = site.acme.post(f"/v1/chains/{site.private}/entries", content=b"for our eyes").json()
    path = f"/v1/entries/{written['entry_hash']}"
    assert {"state": "withheld"} == site.auditor.get(path).json()["content"]
    assert (403, "not-allowed") == problem(site.auditor.get(f"{path}/content"))
    receipt = Receipt.decode(site.auditor.get(f"{path}/receipt?content=1").content)
    assert ContentState.WITHHELD == receipt.content.state
    receipt = Receipt.decode(site.acme.get(f"{path}/receipt?content=1").content)
    assert b"for our eyes" == receipt.content.data


def test_a_revoked_key_writes_nothing_from_then_on(site: Site) -> None:
    """Revocation counts at once, also for a client that was admitted a moment ago."""
    token = make_key(site.server.home, "acme")
    with site.server.client(token) as client:
        path = f"/v1/chains/{site.public}/entries"
        assert 201 == client.post(path, content=b"x").status_code
        with Home.open(site.server.home) as home:
            home.accounts.keys.revoke(home.accounts.keys.by_id(token[:11]), home.clock())
        assert (401, "key-refused") == problem(client.post(path, content=b"x"))
        assert (401, "key-refused") == problem(client.get("/v1/chains"))


def test_requests_that_begin_alike_are_each_their_own(site: Site) -> None:
    """A head that a client sends again and again means what it meant, with the body behind it; rights end as ever."""
    token = make_key(site.server.home, "acme")
    url = httpx.URL(site.server.url)
    head = (
        f"POST /v1/chains/{site.public}/entries HTTP/1.1\r\nhost: {url.host}\r\nauthorization: Bearer {token}\r\n"
        "content-type: text/plain\r\ncontent-length: 6\r\n\r\n"
    ).encode()
    assert url.port is not None
    with socket.create_connection((url.host, url.port), timeout=60) as connection, connection.makefile("rb") as answers:

        def ask(data: bytes) -> tuple[int, dict[str, Any]]:
            connection.sendall(data)
            status = int(answers.readline().split()[1])
            length = 0
            while (line := answers.readline()) != b"\r\n":
                name, value = line.decode().split(":", 1)
                length = int(value) if name == "content-length" else length
            return status, json.loads(answers.read(length))

        told = []
        for content in (b"beam 1", b"beam 2", b"\r\n\r\n12", b"beam 1"):
            status, written = ask(head + content)
            assert 201 == status
            told.append(written["leaf_index"])
            assert content == site.acme.get(f"/v1/entries/{written['entry_hash']}/content").content
        assert list(range(told[0], told[0] + 4)) == told
        assert 404 == ask(head.replace(site.public.encode(), b"ff" * 32) + b"beam 5")[0]
        with Home.open(site.server.home) as home:
            home.accounts.keys.revoke(home.accounts.keys.by_id(token[:11]), home.clock())
        status, refused = ask(head + b"beam 6")
        assert (401, "key-refused") == (status, refused["code"])


def test_a_withdrawn_right_ends_with_the_next_request(site: Site) -> None:
    """A chain that was made private is gone for others, also for one who just read it."""
    opened = site.acme.post("/v1/chains", json={"visibility": "public"}).json()["chain_id"]
    site.seal()
    paths = [f"/v1/chains/{opened}{rest}" for rest in ("", "/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1")]
    for path in [*paths, *paths]:
        assert 200 == site.beta.get(path).status_code
    with Home.open(site.server.home) as home:
        chain = home.chains.named(opened)
        home.accounts.sharing.set_visibility(chain, Visibility.PRIVATE, home.clock())
    for path in paths:
        assert (404, "not-found") == problem(site.beta.get(path))


# --- reading


def test_pages_lead_through_everything_once(site: Site) -> None:
    """Cursors of chains, entries and searches lead through all, in order, without a gap."""
    whole = site.acme.get(f"/v1/chains/{site.public}/entries?limit=1000").json()["entries"]
    for path, limit in ((f"/v1/chains/{site.public}/entries?", 7), ("/v1/search?from_ms=0&", 7)):
        found: list[str] = []
        cursor = ""
        while True:
            page = site.stranger.get(f"{path}limit={limit}{cursor}").json()
            assert len(page["entries"]) <= limit
            found += [item["entry_hash"] for item in page["entries"] if item["chain_id"] == site.public]
            if "cursor" not in page:
                break
            cursor = f"&cursor={page['cursor']}"
        size = site.stranger.get(f"/v1/chains/{site.public}").json()["size"]
        assert size == len(found) == len(set(found))
        assert [item["entry_hash"] for item in whole] == found[: len(whole)]


def test_a_search_by_time_takes_what_was_received_then(site: Site) -> None:
    """From and to are inclusive, in milliseconds; what is before or behind is not found."""
    written = site.acme.post(f"/v1/chains/{site.public}/entries", content=b"timed").json()
    at_ms = site.stranger.get(f"/v1/entries/{written['entry_hash']}").json()["received_at_ms"]

    def found(query: str) -> bool:
        return bool(written["entry_hash"] in site.stranger.get(f"/v1/search?limit=1000&{query}").text)

    assert found(f"from_ms={at_ms}&to_ms={at_ms}")
    assert not found(f"to_ms={at_ms - 1}")
    assert not found(f"from_ms={at_ms + 1}")
    assert (400, "parameter-malformed") == problem(site.stranger.get("/v1/search"))


def test_a_search_by_content_finds_what_may_be_read(site: Site) -> None:
    """Content is found by its SHA-256 by whoever may read it, whether it is stored or only its digest is."""
    for chain, keep in ((site.public, "content"), (site.private, "digest"), (site.private, "content")):
        headers = {"anchorline-keep": keep}
        assert site.acme.post(f"/v1/chains/{chain}/entries", content=b"found?", headers=headers).status_code == 201
    wanted = f"/v1/search?content_digest={sha256(b'found?').hex()}"

    def found(client: httpx.Client, more: str = "") -> list[str]:
        answer = client.get(wanted + more)
        assert 200 == answer.status_code
        assert "cursor" not in answer.json()
        return [item["chain_id"] for item in answer.json()["entries"]]

    for _ in ("newest rows", "indexed"):
        assert [site.public, site.private, site.private] == found(site.acme)
        # The auditor sees entries of his organisation's chains, and no content: a guess is not confirmed to him.
        assert [site.public] == found(site.auditor) == found(site.beta) == found(site.stranger) == found(site.operator)
        assert [] == found(site.acme, "&to_ms=1") == found(site.acme, "&external_id=nothing")
        assert [] == site.acme.get(f"/v1/search?content_digest={sha256(b'never').hex()}").json()["entries"]
        site.seal()
    page = site.acme.get(f"{wanted}&limit=1").json()
    rest = site.acme.get(f"{wanted}&limit=5&cursor={page['cursor']}").json()
    assert [site.public, site.private, site.private] == [item["chain_id"] for item in page["entries"] + rest["entries"]]
    assert (400, "parameter-malformed") == problem(site.acme.get("/v1/search?content_digest=xy"))


def test_the_log_can_be_followed_with_its_tiles(site: Site) -> None:
    """Checkpoint, tiles, inclusion and consistency of the directory agree, by the checks of the verifier."""
    site.seal()
    one = Checkpoint.decode(Note.decode(site.stranger.get("/v1/checkpoint").text).text)
    site.acme.post(f"/v1/chains/{site.public}/entries", content=b"more")
    site.seal()
    newest = site.stranger.get("/v1/checkpoints?limit=1").json()["checkpoints"][0]["note"]
    # The one before may still be told for as long as it said.
    wait_until(lambda: site.stranger.get("/v1/checkpoint").text == newest)
    assert "public, max-age=1" == site.stranger.get("/v1/checkpoint").headers["cache-control"]
    two = Checkpoint.decode(Note.decode(newest).text)
    assert one.size < two.size < 256
    proof = site.stranger.get(f"/v1/directory/consistency?from={one.size}&to={two.size}").json()
    check_consistency(one.size, two.size, one.root, two.root, [bytes.fromhex(value) for value in proof["path"]])
    tile = site.stranger.get(f"/v1/tile/0/000.p/{two.size}")
    assert 32 * two.size == len(tile.content)
    assert "public, max-age=31536000, immutable" == tile.headers["cache-control"]
    leaf = site.stranger.get(f"/v1/directory/inclusion?index=0&size={two.size}").json()
    check_inclusion(tile.content[:32], 0, two.size, [bytes.fromhex(value) for value in leaf["path"]], two.root)
    bundle = site.stranger.get(f"/v1/tile/entries/000.p/{two.size}").content
    length = int.from_bytes(bundle[:2], "big")
    assert tile.content[:32] == leaf_hash(bundle[2 : 2 + length])
    for path in ("0/000", f"0/000.p/{two.size + 1}", "1/000", "0/001", "0/x001/000", "63/000", "0/000.p/256"):
        assert (404, "not-found") == problem(site.stranger.get(f"/v1/tile/{path}"))
    listed = site.stranger.get("/v1/checkpoints?limit=1").json()
    assert [two.size] == [item["size"] for item in listed["checkpoints"]]
    older = site.stranger.get(f"/v1/checkpoints?cursor={listed['cursor']}").json()["checkpoints"]
    assert one.size == older[0]["size"]
    # To whoever asks it is proved that no chain of this id has a head: of a directory that he can read anyway.
    none = site.stranger.get(f"/v1/directory/heads/{'ab' * 32}?size={two.size}")
    assert "public, max-age=1" == none.headers["cache-control"]
    said = judge_head(HeadProof.decode(none.content), Verifier(any_log=True))
    assert ("incomplete", [], two.size) == (said.outcome, said.to_json()["reasons"], said.facts["checkpoint_size"])
    assert "has no head" in said.says


def test_a_chain_is_a_tiled_log_of_its_own(site: Site) -> None:
    """A chain's checkpoint is signed over its sealed head, and its tiles lead to it."""
    site.acme.post(f"/v1/chains/{site.public}/entries", content=b"sealed")
    site.seal()
    site.acme.post(f"/v1/chains/{site.public}/entries", content=b"not sealed")
    head = site.stranger.get(f"/v1/chains/{site.public}/head").json()
    note = Checkpoint.decode(Note.decode(site.stranger.get(f"/v1/chains/{site.public}/checkpoint").text).text)
    assert (head["tree_size"], head["root"]) == (note.size, note.root.hex())
    assert 1 == head["unsealed"]
    index = note.size - 1
    proof = site.stranger.get(f"/v1/chains/{site.public}/inclusion?index={index}&size={note.size}").json()
    path = [bytes.fromhex(value) for value in proof["path"]]
    check_inclusion(bytes.fromhex(proof["leaf_hash"]), index, note.size, path, note.root)
    query = f"index={index}&size={note.size + 1}"
    assert (404, "not-found") == problem(site.stranger.get(f"/v1/chains/{site.public}/inclusion?{query}"))


def test_a_receipt_is_pending_until_it_is_anchored_and_verifies_as_far_as_it_goes(site: Site) -> None:
    """The receipt is the file that ``verify`` reads; an .ots of it is not there before the anchor."""
    written = site.acme.post(f"/v1/chains/{site.public}/entries", content=b"receipt").json()
    path = f"/v1/entries/{written['entry_hash']}/receipt"
    assert Receipt.decode(site.stranger.get(path).content).sealed is None
    site.seal()
    answer = site.stranger.get(path)
    assert "pending" == answer.headers["anchorline-state"]
    assert Receipt.decode(answer.content).sealed is not None
    for asked in (f"{path}?format=ots", path):
        found = site.stranger.get(asked, headers={"accept": OTS} if asked == path else {})
        assert (404, "not-found") == problem(found)
    verdict = site.stranger.post("/v1/verify", content=answer.content, headers={"content-type": "application/json"})
    assert ("incomplete", []) == (verdict.json()["outcome"], verdict.json()["reasons"])
    pdf = FPDF()
    pdf.add_page()
    bare = bytes(pdf.output())
    pdf = FPDF()
    pdf.add_page()
    pdf.embed_file(bytes=answer.content, basename="report.receipt", mime_type="application/json")
    kind = {"content-type": "application/pdf"}
    assert verdict.json() == site.stranger.post("/v1/verify", content=bytes(pdf.output()), headers=kind).json()
    assert (400, "body-malformed") == problem(site.stranger.post("/v1/verify", content=bare, headers=kind))
    bad = answer.content.replace(b'"index"', b'"indexx"')
    broken = site.stranger.post("/v1/verify", content=bad, headers={"content-type": "application/json"})
    assert (400, "body-malformed") == problem(broken)


def test_what_a_client_has_is_not_sent_again(site: Site) -> None:
    """Entity tags are of the bytes; a condition that names one is answered 304 without a body."""
    first = site.stranger.get("/v1/log")
    tag = first.headers["etag"]
    for condition in (tag, f'"other", W/{tag}', "*"):
        answer = site.stranger.get("/v1/log", headers={"if-none-match": condition})
        assert (304, b"", tag) == (answer.status_code, answer.content, answer.headers["etag"])
    assert 200 == site.stranger.get("/v1/log", headers={"if-none-match": '"other"'}).status_code
    head = site.stranger.head("/v1/log")
    assert (200, b"", first.headers["content-length"]) == (
        head.status_code,
        head.content,
        head.headers["content-length"],
    )


def test_what_is_known_is_answered_as_before(site: Site) -> None:
    """The second answer, which comes without the application, is the first one to the byte; conditions still count."""
    newest = site.stranger.get("/v1/checkpoints").json()["checkpoints"][0]["note"]
    wait_until(lambda: newest == site.stranger.get("/v1/checkpoint").text)  # an older one is told for a second
    for path in ("/v1/log", "/v1/checkpoint", "/v1/openapi.json"):
        answers = [site.stranger.get(path) for _ in range(3)]
        assert 1 == len({(answer.content, str(sorted(answer.headers.items()))) for answer in answers})
        tag = answers[0].headers["etag"]
        assert 304 == site.stranger.get(path, headers={"if-none-match": tag}).status_code
        assert b"" == site.stranger.head(path).content
        assert 400 == site.stranger.get(f"{path}?more=1").status_code


def test_scripts_of_other_origins_may_read_and_never_write(site: Site) -> None:
    """CORS is open for reading and verifying; a preflight for a write does not name POST."""
    origin = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    assert "*" == site.stranger.get("/v1/log", headers=origin).headers["access-control-allow-origin"]
    for path, expected in ((f"/v1/chains/{site.public}/entries", False), ("/v1/verify", True), ("/v1/chains", False)):
        answer = site.stranger.options(path, headers=origin)
        assert 204 == answer.status_code
        assert expected == ("POST" in answer.headers["access-control-allow-methods"])


# --- nonsense


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/tile/../../etc/passwd", (404, "not-found")),
        ("/v1/tile/%2e%2e/%2e%2e/keys/promise.pem", (404, "not-found")),
        ("/v1/tile/0/000%2f..%2f..", (404, "not-found")),
        ("/v1/chains/..%2f..%2fkeys", (404, "not-found")),
        ("/v1/chains/%00", (404, "not-found")),
        ("/v1/chains/%ff", (404, "not-found")),
        ("/v1/chains/" + "x" * 101, (404, "not-found")),
        ("/v1/entries/xyz", (404, "not-found")),
        ("//v1/log", (404, "not-found")),
        ("/v1/log/", (404, "not-found")),
        ("/v1/log?more=1", (400, "parameter-malformed")),
        ("/v1/chains?limit=0", (400, "parameter-malformed")),
        ("/v1/chains?limit=1&limit=2", (400, "parameter-malformed")),
        ("/v1/chains?limit=" + "9" * 30, (400, "parameter-malformed")),
        ("/v1/chains?cursor=-1", (400, "parameter-malformed")),
        ("/v1/search?external_id=%ff", (400, "parameter-malformed")),
        ("/v1/search?" + "&".join(f"a{n}=1" for n in range(40)), (400, "parameter-malformed")),
        ("/v1/directory/consistency?from=2&to=1", (400, "parameter-malformed")),
        ("/v1/directory/consistency?from=1", (400, "parameter-malformed")),
        ("/v1/directory/inclusion?index=5&size=5", (400, "parameter-malformed")),
        ("/v1/directory/inclusion?index=0&size=4611686018427387904", (404, "not-found")),
        ("/v1/directory/heads/acme", (404, "not-found")),
        (f"/v1/directory/heads/{'ab' * 32}?size=999999", (404, "not-found")),
    ],
)
def test_nonsense_is_refused_by_name(site: Site, path: str, expected: tuple[int, str]) -> None:
    """Paths that climb, numbers out of range, parameters that nobody knows: each ends in its problem."""
    url = httpx.URL(site.server.url).copy_with(raw_path=path.encode())
    assert expected == problem(site.stranger.get(url))


def test_another_method_is_told_which_there_are(site: Site) -> None:
    """405 names the methods of the path."""
    answer = site.stranger.put("/v1/chains")
    assert (405, "method-not-allowed") == problem(answer)
    assert "POST, GET, HEAD, OPTIONS" == answer.headers["allow"]


def test_the_service_says_how_it_is(site: Site) -> None:
    """Health and readiness answer, and are never kept."""
    for path in ("/healthz", "/readyz"):
        answer = site.stranger.get(path)
        assert ({"status": "ok"}, "no-store") == (answer.json(), answer.headers["cache-control"])


def test_metrics_are_the_operator_s(site: Site) -> None:
    """His key reads them, with what was committed here; an organisation's may not, and a stranger is told nothing."""
    site.acme.post(f"/v1/chains/{site.public}/entries", content=b"counted").raise_for_status()
    answer = site.operator.get("/metrics")
    assert (200, "no-store") == (answer.status_code, answer.headers["cache-control"])
    assert answer.headers["content-type"].startswith("text/plain; version=")
    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert "1.0" == samples["anchorline_readable"]
    assert 1 <= float(samples["anchorline_acknowledged_entries_total"]) <= float(samples["anchorline_entries_total"])
    assert float(samples["anchorline_commit_seconds_count"]) <= float(samples["anchorline_commit_entries_sum"])
    assert "0.0" == samples["anchorline_queue_depth"]
    refused = {client.get("/metrics").status_code for client in (site.acme, site.auditor, site.beta, site.stranger)}
    assert refused <= {401, 403, 404}, refused


def test_the_page_to_try_it_loads_nothing_from_elsewhere(site: Site) -> None:
    """The page's policy allows its own script and style by hash, and the browser's requests to this service."""
    answer = site.stranger.get("/docs")
    policy = answer.headers["content-security-policy"]
    script = answer.content.split(b"<script>")[1].split(b"</script>")[0]
    assert f"script-src 'sha256-{base64_of(sha256(script))}'" in policy
    assert "default-src 'none'" in policy
    assert b"http" not in answer.content.replace(b"httpx", b"")


def test_the_verifying_page_is_the_one_of_the_package(site: Site) -> None:
    """Anybody gets the file that the command writes, under the policy that it names itself; no page may frame it."""
    answer = site.stranger.get("/verify")
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert page().html == answer.content
    assert f"{page().policy}; frame-ancestors 'none'" == answer.headers["content-security-policy"]


# --- too much, and not now


def test_an_organisation_over_its_quota_is_told_when_to_come_back(site: Site) -> None:
    """What is over the quota is refused with 429 before it is queued, and with the time when it will be taken."""
    key = make_key(site.server.home, "frugal")
    with Home.open(site.server.home) as home:
        found = home.accounts.organisations.named("frugal")
        home.accounts.organisations.set_quota(found, Quota(entries_per_s=1))
    with site.server.client(key) as client:
        opened = client.post("/v1/chains", json={}).json()["chain_id"]
        item = {"content": base64_of(b"x")}
        assert 200 == client.post(f"/v1/chains/{opened}/batch", json=[item] * 9).status_code
        answer = client.post(f"/v1/chains/{opened}/batch", json=[item] * 9)
        assert (429, "quota-exceeded") == problem(answer)
        assert 1 <= int(answer.headers["retry-after"]) <= 10
        assert (429, "quota-exceeded") == problem(client.post(f"/v1/chains/{opened}/batch", json=[item] * 100))
        assert 10 == client.get(f"/v1/chains/{opened}").json()["size"]


def test_a_database_that_another_process_holds_is_said_and_waited_for(site: Site) -> None:
    """While it is locked writes end in 503 with Retry-After and reads go on; afterwards nothing needs a hand."""
    path = f"/v1/chains/{site.public}/entries"
    before = site.stranger.get(f"/v1/chains/{site.public}").json()["size"]
    with holding(site.server.home):
        answer = site.acme.post(path, content=b"now")
        assert (503, "storage-failed") == problem(answer)
        assert "10" == answer.headers["retry-after"]
        assert str(site.server.home) not in answer.text
        assert before == site.stranger.get(f"/v1/chains/{site.public}").json()["size"]
    assert 201 == site.acme.post(path, content=b"later").status_code
    assert site.server.has_said("StorageBusyError")


def test_a_stranger_is_answered_from_what_is_there_now(site: Site) -> None:
    """What was read before an entry, a seal, or a change of visibility is not read behind it, nor by whose key."""
    opened = site.acme.post("/v1/chains", json={"visibility": "public"}).json()["chain_id"]
    written = site.acme.post(f"/v1/chains/{opened}/entries", content=b"beam").json()
    receipt = f"/v1/entries/{written['entry_hash']}/receipt"
    paths = [f"/v1/chains/{opened}", f"/v1/chains/{opened}/entries", receipt, f"/v1/entries/{written['entry_hash']}"]

    def read(client: httpx.Client) -> list[bytes]:
        answers = [client.get(path) for path in paths]
        assert {200} == {answer.status_code for answer in answers}
        return [answer.content for answer in answers]

    first = read(site.stranger)
    assert [first, first] == [read(site.stranger), read(site.beta)]
    site.acme.post(f"/v1/chains/{opened}/entries", content=b"beam 2")
    second = read(site.stranger)
    assert [True, True, False, False] == [old != new for old, new in zip(first, second, strict=True)]
    site.seal()
    assert Receipt.decode(second[2]).sealed is None
    assert Receipt.decode(read(site.stranger)[2]).sealed is not None
    # Another form of the same, which is not there yet; and with a key that does not hold.
    assert (404, "not-found") == problem(site.stranger.get(receipt, headers={"accept": OTS}))
    assert (401, "key-refused") == problem(site.stranger.get(receipt, headers={"authorization": "Bearer al_x"}))
    assert (
        304
        == site.stranger.get(receipt, headers={"if-none-match": site.stranger.get(receipt).headers["etag"]}).status_code
    )
    with Home.open(site.server.home) as home:
        home.accounts.sharing.set_visibility(home.chains.named(opened), Visibility.PRIVATE, home.clock())
    assert {(404, "not-found")} == {problem(site.stranger.get(path)) for path in paths}
    assert 200 == site.acme.get(receipt).status_code


def test_the_first_write_of_a_server_may_be_a_large_one(tmp_path: Path) -> None:
    """A batch that is a whole group commit by itself is answered, also where nothing was written before it."""
    home = make_home(tmp_path)
    key = make_key(home, "acme")
    with serving(home) as server, server.client(key) as client:
        client.post("/v1/chains", json={"name": "first"})
    with serving(home) as server, server.client(key) as client:
        items = [{"content": base64_of(b"%d" % number)} for number in range(4_096)]
        answer = client.post("/v1/chains/first/batch", json=items)
        assert 200 == answer.status_code
        assert {201} == {result["status"] for result in answer.json()["results"]}


# --- serving and anchoring in one process


def test_one_process_serves_seals_and_anchors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the scheduler runs beside the API: an entry is sealed and anchored, and its receipt says so."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    home = make_home(tmp_path, "log.example/one-process")
    settings = home / "anchorline.toml"
    faster = {
        name: f"{name.split()[0]} = 1" for name in ("seal_every_s = 60", "tick_every_s = 30", "anchor_every_s = 600")
    }
    text = settings.read_text()
    for slow, fast in faster.items():
        assert slow in text
        text = text.replace(slow, fast)
    settings.write_text(text)
    run_beside(home, "tick", "--mine", "101")
    key = make_key(home, "acme")
    with serving(home, "--log-level", "info") as server, server.client(key) as client:
        client.post("/v1/chains", json={"name": "public", "visibility": "public"})
        written = client.post("/v1/chains/public/entries", content=b"beam 7").json()
        path = f"/v1/entries/{written['entry_hash']}/receipt"
        wait_until(
            lambda: client.get(path).headers["anchorline-state"] == "anchored",
            lambda: "".join(server.lines),
            patience_s=240,
        )
        answer = client.get(path)
        ots = client.get(path, params={"format": "ots"})
        assert (200, OTS, "regtest") == (
            ots.status_code,
            ots.headers["content-type"],
            ots.headers["anchorline-network"],
        )
        verdict = client.post("/v1/verify", content=answer.content, headers={"content-type": "application/json"})
        assert [] == verdict.json()["reasons"]
        assert 0 == server.stop()
    assert any("event=sealed" in line for line in server.lines)

"""What the client does with a server that lies: each lie is refused by name, with evidence; and with one that fails.

The lying server stands before a real one and changes one thing at a time; the truth passes, so that no lie is found
where none is.
"""

import asyncio
import base64
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.checkpoint import Checkpoint, Note
from anchor.proof.codec import sha256
from anchor.proof.merkle import leaf_hash
from anchor.proof.promise import Promise, PromiseLeaf, PromiseNote, promise_key_id, signed_message
from anchor.signing import SigningKey
from chains.client import (
    AsyncClient,
    Client,
    Patience,
    ProblemAnswerError,
    Recorded,
    Sent,
    TimeLimits,
    UnreachableError,
    UntrueAnswerError,
    Untruth,
)
from tests.simulators.api_server import make_home, make_key, run_beside, serving
from tests.simulators.lying_server import Lie, LyingServer, Said, lying, silent, truth

Json = dict[str, Any]
HASTY = Patience(attempts=4, first_pause_s=0.001, most_pause_s=0.002, give_up_after_s=30)


@dataclass
class Site:
    """A real server behind a lying one; entries of acme's chain, of which ``sealed`` is sealed."""

    liar: LyingServer
    key: str
    card: Path
    chain_id: bytes
    other_chain: bytes
    promise_key: SigningKey
    sealed: Recorded
    also_sealed: Recorded

    def client(self, **options: Any) -> Client:
        return Client(self.liar.url, self.key, **{"card": self.card, "patience": HASTY, **options})

    @contextmanager
    def told(self, lie: Lie) -> Iterator[None]:
        """Tell a lie for a while."""
        self.liar.lie = lie
        try:
            yield
        finally:
            self.liar.lie = truth


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("lies")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    key = make_key(home, "acme")
    with serving(home, "--no-daemon") as server, lying(server.url) as liar:
        with Client(server.url, key, trust_on_first_use=True) as client:
            card = folder / "card.json"
            card.write_bytes(client.card().encode())
            opened = client.open_chain(["acme"], visibility="public")
            other = client.open_chain(["other"], visibility="public")
            chain_id = opened.own.entry.chain_id
            entries = [client.add(chain_id, b"%d" % number) for number in range(2)]
        run_beside(home, "seal")
        promise_key = SigningKey.load(next((home / "keys").glob("*promise*")))
        yield Site(liar, key, card, chain_id, other.own.entry.chain_id, promise_key, *entries)
    patched.undo()


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
    with site.client() as made:
        made.card()
        yield made


def changed(change: Callable[[Json], None], where: str = "") -> Lie:
    """Return the lie that changes the JSON of answers whose path ends so."""

    def lie(said: Said) -> Said:
        if not said.path.split("?")[0].endswith(where) or said.status not in {200, 201}:
            return said
        value = json.loads(said.body)
        change(value)
        return replace(said, body=json.dumps(value).encode())

    return lie


def flipped(text: str) -> str:
    """Return hex with its first digit changed."""
    return f"{int(text[0], 16) ^ 1:x}{text[1:]}"


def in_base64(text: str, change: Callable[[bytes], bytes]) -> str:
    """Return the base64 of changed bytes."""
    return base64.b64encode(change(base64.b64decode(text))).decode()


def with_zeros(raw: bytes) -> bytes:
    """Return an entry with a changed commitment, which is still well formed."""
    return raw[:40] + bytes(9) + raw[49:]


def put(*path: str | int, to: Callable[[Any], Any]) -> Callable[[Json], None]:
    """Return the change of one value inside."""

    def change(value: Json) -> None:
        inner: Any = value
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = to(inner[path[-1]])

    return change


def taken(*path: str | int) -> Callable[[Json], None]:
    """Return the removal of one value inside."""

    def change(value: Json) -> None:
        inner: Any = value
        for part in path[:-1]:
            inner = inner[part]
        del inner[path[-1]]

    return change


def signed_again(site: Site, change: Callable[[PromiseNote], PromiseNote], key: SigningKey | None = None) -> Lie:
    """Return the lie of a service that signs another note with its own key, or with a stranger's."""
    signer = key or site.promise_key

    def change_promise(value: Json) -> None:
        promise = Promise.from_json(value["promise"])
        note = change(promise.note)
        made = replace(
            promise,
            note=note,
            key_id=promise_key_id(site.promise_key.public_key),
            signature=signer.sign(signed_message(note)),
        )
        value["promise"] = made.to_json()

    return changed(change_promise, "/entries")


def refused(client: Client, act: Callable[[], Any]) -> UntrueAnswerError:
    """Return the error that a lie ends with; its evidence has what was asked and answered."""
    with pytest.raises(UntrueAnswerError) as found:
        act()
    assert found.value.exchanges
    ((_, secret),) = client._authorization
    assert secret not in json.dumps(found.value.to_json())
    return found.value


def test_the_truth_passes(site: Site, client: Client) -> None:
    """Through the lying server that tells no lie everything holds."""
    recorded = client.add(site.chain_id, b"x")
    assert b"x" == client.content(recorded)
    client.add_all([client.make(site.chain_id, b"%d" % number) for number in range(3)])
    assert client.receipt(site.sealed).receipt.sealed is not None
    client.checkpoint()


# --- lies about one entry


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("entry_hash", to=flipped), Untruth.ANOTHER_ENTRY),
        (put("leaf_index", to=lambda index: index + 1), Untruth.INDEX),
        (put("chain_id", to=flipped), Untruth.ANOTHER_CHAIN),
        (put("promise", "signature", to=flipped), Untruth.PROMISE_SIGNATURE),
        (put("promise", "key_id", to=flipped), Untruth.PROMISE_SIGNATURE),
        (put("promise", "note", to=lambda note: note[:-2] + "00"), Untruth.PROMISE_PATH),
        (put("promise", "note", to=lambda note: note[:64] + flipped(note[64:])), Untruth.PROMISE_SIGNATURE),
        (put("promise", "path", to=lambda path: [*path, "00" * 32]), Untruth.PROMISE_PATH),
        (put("promise", "leaf", to=lambda leaf: leaf[:82] + flipped(leaf[82:])), Untruth.PROMISE_OF_ANOTHER),
        (taken("promise"), Untruth.PROMISE_MISSING),
        (put("entry_hash", to=lambda _: None), Untruth.ANSWER_MALFORMED),
        (taken("leaf_index"), Untruth.ANSWER_MALFORMED),
        (put("leaf_index", to=lambda _: -1), Untruth.ANSWER_MALFORMED),
    ],
)  # fmt: skip
def test_a_lie_about_one_entry_is_refused(
    site: Site, client: Client, change: Callable[[Json], None], expected: Untruth
) -> None:
    """Hash, index, chain, signature, path: what does not follow from what was sent is refused by name."""
    with site.told(changed(change, "/entries")):
        assert expected == refused(client, lambda: client.add(site.chain_id, b"x")).untruth


def test_a_service_s_own_signature_does_not_make_a_lie_true(site: Site, client: Client) -> None:
    """Signed with the log's key, but for another log, at another time, in no order, or by a stranger's key."""
    hour_ms = 3_600_000
    stranger = SigningKey(bytes(32))
    cases: list[tuple[Lie, Untruth]] = [
        (signed_again(site, lambda note: replace(note, log_id=bytes(32))), Untruth.ANOTHER_LOG),
        (signed_again(site, lambda note: note, stranger), Untruth.PROMISE_SIGNATURE),
        (
            signed_again(site, lambda note: replace(note, received_at_ms=note.received_at_ms - hour_ms)),
            Untruth.PROMISE_TIMES,
        ),
        (
            signed_again(site, lambda note: replace(note, received_at_ms=note.seal_by_ms + 1)),
            Untruth.PROMISE_TIMES,
        ),
        (
            signed_again(site, lambda note: replace(note, anchor_by_ms=note.seal_by_ms - 1)),
            Untruth.PROMISE_TIMES,
        ),
    ]
    for lie, expected in cases:
        with site.told(lie):
            assert expected == refused(client, lambda: client.add(site.chain_id, b"x")).untruth


def test_promises_that_are_too_slow_are_refused_where_that_is_said(site: Site) -> None:
    """A caller who wants to be sealed sooner than is promised is told."""
    for times in (TimeLimits(seal_within_ms=1), TimeLimits(anchor_within_ms=1)):
        with site.client(times=times) as client:
            error = refused(client, lambda: client.add(site.chain_id, b"x"))
            assert Untruth.PROMISE_TIMES == error.untruth
    with site.client(submitter=bytes(16)) as client:
        error = refused(client, lambda: client.add(site.chain_id, b"x"))
        assert Untruth.PROMISE_SUBMITTER == error.untruth


def test_a_promise_for_another_entry_is_refused(site: Site, client: Client) -> None:
    """A good promise, only that it is for something else: with one entry, and for one that was there before."""
    assert site.sealed.promise is not None
    other = site.sealed.promise.to_json()
    with site.told(changed(put("promise", to=lambda _: other), "/entries")):
        error = refused(client, lambda: client.add(site.chain_id, b"x"))
    assert Untruth.PROMISE_OF_ANOTHER == error.untruth
    with site.told(changed(lambda value: value.update(other), "/promise")):
        error = refused(client, lambda: client.add_all([site.also_sealed.own]))
    assert Untruth.PROMISE_OF_ANOTHER == error.untruth
    with site.told(changed(put("leaf_index", to=lambda index: index + 7), "/entries")):
        assert Untruth.INDEX == refused(client, lambda: client.add_entry(site.sealed.own)).untruth


# --- lies about a batch


def swap_results(value: Json) -> None:
    value["results"].reverse()


def swap_hashes(value: Json) -> None:
    first, second = value["results"][:2]
    first["entry_hash"], second["entry_hash"] = second["entry_hash"], first["entry_hash"]


def moved(result: Json) -> Json:
    return {**result, "leaf_index": result["leaf_index"] + 1}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (swap_results, Untruth.ANOTHER_ENTRY),
        (swap_hashes, Untruth.ANOTHER_ENTRY),
        (taken("results", -1), Untruth.RESULTS_MISSING),
        (put("results", to=lambda results: [*results, results[0]]), Untruth.RESULTS_MISSING),
        (put("results", 1, "leaf_index", to=lambda index: index + 1), Untruth.INDEX),
        (put("results", to=lambda results: [moved(each) for each in results]), Untruth.PROMISE_PATH),
        (put("submitter", to=flipped), Untruth.PROMISE_PATH),
        (put("promise", "beside", to=lambda beside: [*beside, "00" * 32]), Untruth.PROMISE_PATH),
        (put("promise", "count", to=lambda count: count - 1), Untruth.PROMISE_PATH),
        (put("promise", "signature", to=flipped), Untruth.PROMISE_SIGNATURE),
        (put("chain_id", to=flipped), Untruth.ANOTHER_CHAIN),
        (taken("promise"), Untruth.PROMISE_MISSING),
        (put("results", 0, "status", to=lambda _: 204), Untruth.ANSWER_MALFORMED),
        (taken("results"), Untruth.ANSWER_MALFORMED),
    ],
)  # fmt: skip
def test_a_lie_about_a_batch_is_refused(
    site: Site, client: Client, change: Callable[[Json], None], expected: Untruth
) -> None:
    """Results reordered, missing, doubled or moved, and promises over others, are refused by name."""
    owns = [client.make(site.chain_id, b"%d" % number) for number in range(5)]
    with site.told(changed(change, "/batch")):
        assert expected == refused(client, lambda: client.add_all(owns)).untruth


def test_a_result_that_claims_a_repetition_must_show_its_promise(site: Site, client: Client) -> None:
    """To say of a new entry that it was there before gains nothing: its own promise is asked for and compared."""
    owns = [client.make(site.chain_id, b"%d" % number) for number in range(3)]
    with site.told(changed(put("results", -1, "status", to=lambda _: 200), "/batch")):
        assert Untruth.PROMISE_PATH == refused(client, lambda: client.add_all(owns)).untruth


def test_asyncio_refuses_the_same(site: Site) -> None:
    """The same core judges: a lie has the same name."""

    async def story() -> None:
        async with AsyncClient(site.liar.url, site.key, card=site.card, patience=HASTY) as client:
            lie = changed(put("entry_hash", to=flipped), "/entries")
            with site.told(lie), pytest.raises(UntrueAnswerError) as found:
                await client.add(site.chain_id, b"x")
            assert Untruth.ANOTHER_ENTRY == found.value.untruth

    asyncio.run(story())


# --- lies about what is read


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("entry", to=lambda text: in_base64(text, lambda raw: raw[:-1])), Untruth.ANSWER_MALFORMED),
        (put("entry", to=lambda text: in_base64(text, with_zeros)), Untruth.ANOTHER_ENTRY),
        (put("content", "salt", to=flipped), Untruth.COMMITMENT),
        (put("content", "digest", to=flipped), Untruth.COMMITMENT),
        (put("entry_hash", to=flipped), Untruth.ANOTHER_ENTRY),
        (put("leaf_index", to=lambda _: "0"), Untruth.ANSWER_MALFORMED),
    ],
    ids=lambda value: None,
)  # fmt: skip
def test_a_lie_about_an_entry_that_is_read_is_refused(
    site: Site, client: Client, change: Callable[[Json], None], expected: Untruth
) -> None:
    """Bytes, salt and digest follow from the hash that was asked for."""
    with site.told(changed(change, site.sealed.entry_hash.hex())):
        assert expected == refused(client, lambda: client.entry(site.sealed.entry_hash)).untruth


def test_another_entry_is_not_the_one_that_was_asked_for(site: Site, client: Client) -> None:
    """A whole good entry in the place of another is refused; so is a list with a gap or of another chain."""
    other = site.liar.ask("GET", f"/v1/entries/{site.also_sealed.entry_hash.hex()}", {}, b"").body
    with site.told(lambda said: replace(said, body=other)):
        assert Untruth.ANOTHER_ENTRY == refused(client, lambda: client.entry(site.sealed.entry_hash)).untruth
    with site.told(changed(taken("entries", 1), "/entries")):
        assert Untruth.INDEX == refused(client, lambda: list(client.entries(site.chain_id))).untruth
    elsewhere = site.liar.ask("GET", f"/v1/chains/{site.other_chain.hex()}/entries", {}, b"").body
    with site.told(lambda said: replace(said, body=elsewhere)):
        assert Untruth.ANOTHER_CHAIN == refused(client, lambda: list(client.entries(site.chain_id))).untruth
        assert Untruth.ANOTHER_ENTRY == refused(client, lambda: list(client.search("acme"))).untruth
        sought = refused(client, lambda: list(client.search(content_digest=sha256(b"another content"))))
        assert Untruth.ANOTHER_ENTRY == sought.untruth


def test_changed_content_is_refused(site: Site, client: Client) -> None:
    """One bit, also where the salt comes from the service."""

    def lie(said: Said) -> Said:
        return replace(said, body=said.body + b"!") if said.path.endswith("/content") else said

    with site.told(lie):
        for what in (site.sealed, site.sealed.entry_hash):
            assert Untruth.CONTENT_CHANGED == refused(client, lambda: client.content(what)).untruth  # noqa: B023


# --- lies about receipts


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put("chain", "path", to=lambda path: [flipped(path[0]), *path[1:]]), Untruth.RECEIPT_WRONG),
        (put("chain", "index", to=lambda index: index + 1), Untruth.RECEIPT_INDEX),
        (put("head", "index", to=lambda index: index + 1), Untruth.RECEIPT_WRONG),
        (put("checkpoint", to=lambda note: note.replace("log.example", "log.examplf")), Untruth.RECEIPT_WRONG),
        (put("content", "salt", to=flipped), Untruth.COMMITMENT),
        (put("format", to=lambda _: "anchorline-receipt/2"), Untruth.ANSWER_MALFORMED),
        (put("log", "leaf", to=lambda leaf: leaf[:5] + flipped(leaf[5:])), Untruth.ANOTHER_LOG),
    ],
)  # fmt: skip
def test_a_changed_receipt_is_refused(
    site: Site, client: Client, change: Callable[[Json], None], expected: Untruth
) -> None:
    """Each part of it is judged with the pinned card and the entry that is here."""
    with site.told(changed(change, "/receipt")):
        error = refused(client, lambda: client.receipt(site.sealed))
    assert expected == error.untruth
    assert site.sealed.promise == error.promise


def test_a_swapped_receipt_is_refused(site: Site, client: Client) -> None:
    """A whole good receipt of another entry is not this one's."""
    other = site.liar.ask("GET", f"/v1/entries/{site.also_sealed.entry_hash.hex()}/receipt", {}, b"").body
    with site.told(lambda said: replace(said, body=other)):
        assert Untruth.RECEIPT_OF_ANOTHER == refused(client, lambda: client.receipt(site.sealed)).untruth


def test_a_withheld_promise_or_salt_is_put_back(site: Site, client: Client) -> None:
    """What the service leaves out of a receipt and we have, is in it."""

    def withhold(value: Json) -> None:
        value["content"] = {"state": "erased"}
        del value["promise"]

    with site.told(changed(withhold, "/receipt")):
        found = client.receipt(site.sealed).receipt
    assert (site.sealed.own.salt, site.sealed.promise) == (found.content.salt, found.promise)


def test_a_forked_history_is_refused(site: Site, client: Client) -> None:
    """Two signed checkpoints must be one history: of one size they are equal, a later one begins with the earlier."""
    home_key = SigningKey.load(next((site.card.parent / "home" / "keys").glob("*checkpoint*")))
    first = client.checkpoint()

    def forged(size: int) -> Lie:
        def lie(said: Said) -> Said:
            if said.path != "/v1/checkpoint":
                return said
            note = Note.decode(said.body.decode())
            text = Checkpoint(first.origin, size, sha256(b"another history")).encode()
            line = replace(note.signatures[0], signature=home_key.sign(text.encode()))
            return replace(said, body=Note(text, (line,)).encode().encode())

        return lie

    for size in (first.size, first.size - 1):
        with site.told(forged(size)):
            assert Untruth.HISTORY == refused(client, client.checkpoint).untruth
    assert first == client.checkpoint()

    def unsigned(said: Said) -> Said:
        return (
            replace(said, body=said.body.replace(b"\n\n", b"\n\n", 1)[:-6] + b"AAA=\n")
            if said.path == "/v1/checkpoint"
            else said
        )

    with site.told(unsigned):
        assert refused(client, client.checkpoint).untruth in {Untruth.CHECKPOINT, Untruth.ANSWER_MALFORMED}


# --- evidence


def test_evidence_can_be_saved(site: Site, client: Client, tmp_path: Path) -> None:
    """The file has what was sent and received, byte by byte, and not the API key; it is never overwritten."""
    with site.told(changed(put("entry_hash", to=flipped), "/entries")):
        error = refused(client, lambda: client.add(site.chain_id, b"x", sent=Sent.COMMITMENT))
    error.save(tmp_path / "evidence.json")
    text = (tmp_path / "evidence.json").read_text()
    assert site.key not in text
    saved = json.loads(text)
    (exchange,) = saved["exchanges"]
    assert ("another-entry", 201, "POST") == (
        saved["untruth"],
        exchange["answer"]["status"],
        exchange["request"]["method"],
    )
    sent = json.loads(base64.b64decode(exchange["request"]["body"]))
    received = json.loads(base64.b64decode(exchange["answer"]["body"]))
    assert flipped(leaf_hash(base64.b64decode(sent["entry"])).hex()) == received["entry_hash"]
    with pytest.raises(FileExistsError):
        error.save(tmp_path / "evidence.json")


# --- answers that do not come


def times(count: int, lie: Lie) -> Lie:
    """Return a lie that is told so often, then the truth."""
    left = [count]

    def told(said: Said) -> Said:
        left[0] -= 1
        return lie(said) if left[0] >= 0 else said

    return told


def answering(status: int, **headers: str) -> Lie:
    return lambda said: replace(
        said, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=b"<html>"
    )


@pytest.mark.parametrize(
    "lie", [silent, answering(503), answering(502), answering(429, retry_after="0"), answering(504)]
)
def test_a_request_is_repeated_under_its_key(site: Site, client: Client, lie: Lie) -> None:
    """An answer that is lost costs nothing: the repetition has the same key, and what it did is done once."""
    before = client.chain(site.chain_id.hex()).size
    site.liar.asked.clear()
    with site.told(times(2, lie)):
        recorded = client.add(site.chain_id, b"once")
    assert not recorded.repeated
    assert before == recorded.leaf_index
    assert before + 1 == client.chain(site.chain_id.hex()).size
    keys = [key for method, _, key in site.liar.asked if method == "POST"]
    assert (3, 1) == (len(keys), len(set(keys)))
    site.liar.asked.clear()
    with site.told(times(1, lie)):
        client.add_all([client.make(site.chain_id, b"batched")])
    assert 2 == len(site.liar.asked)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 301])
def test_a_no_is_not_asked_again(site: Site, client: Client, status: int) -> None:
    """What is no "not now" is told at once, also where a proxy answered."""
    site.liar.asked.clear()
    with site.told(answering(status)), pytest.raises(ProblemAnswerError) as found:
        client.add(site.chain_id, b"x")
    assert (status, "unexpected-answer", 1) == (found.value.status, found.value.code, len(site.liar.asked))


def test_patience_ends(site: Site, client: Client) -> None:
    """After its attempts a request fails by name; a service that asks for longer than there is, is not waited for."""
    site.liar.asked.clear()
    with site.told(silent), pytest.raises(UnreachableError, match="after 4 attempts"):
        client.entry(site.sealed.entry_hash)
    assert 4 == len(site.liar.asked)
    with site.told(answering(429, retry_after="3600")), pytest.raises(UnreachableError) as found:
        client.add(site.chain_id, b"x")
    assert (429, 3600.0) == (found.value.status, found.value.retry_after_s)


def test_an_endless_answer_is_cut(site: Site, client: Client) -> None:
    """More than an answer can be is not read."""
    with site.told(lambda said: replace(said, body=os.urandom(1024) * 1024)):
        error = refused(client, lambda: client.entry(site.sealed.entry_hash))
    assert Untruth.ANSWER_MALFORMED == error.untruth


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"a":1,"a":1}', b"[" * 10_000, b"\xff\xfe", b'{"x":NaN}']
)
def test_nonsense_is_refused(site: Site, client: Client, body: bytes) -> None:
    """What is no JSON object ends in an error of the client, wherever it comes."""
    acts: list[Callable[[], Any]] = [
        lambda: client.add(site.chain_id, b"x"),
        lambda: client.add_all([client.make(site.chain_id, b"x")]),
        lambda: client.entry(site.sealed.entry_hash),
        lambda: client.receipt(site.sealed),
        client.checkpoint,
        lambda: list(client.entries(site.chain_id)),
        lambda: list(client.search("acme")),
        lambda: list(client.chains()),
        lambda: client.chain(site.chain_id.hex()),
    ]
    for act in acts:
        with site.told(lambda said: replace(said, body=body)):
            assert Untruth.ANSWER_MALFORMED == refused(client, act).untruth


def test_leaves_of_other_kinds_are_not_keys(site: Site) -> None:
    """Keys that the service shows are key leaves that follow from the card, or nothing is believed."""
    leaf = PromiseLeaf(bytes(32), 0, bytes(32)).encode().hex()
    for keys, expected in (
        ([leaf], Untruth.ANSWER_MALFORMED),
        ([json.loads(site.card.read_text())["leaf_0"]], Untruth.KEY_HISTORY),
    ):
        with site.told(changed(lambda value: value.update(keys=keys), "/log")), site.client() as client:  # noqa: B023
            assert expected == refused(client, client.card).untruth

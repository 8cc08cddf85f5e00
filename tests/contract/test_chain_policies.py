"""Policies over HTTP: chains opened under them, changed by signed entries, read with their history; what is refused.

One server serves the module, and the client of both kinds asks it; what the client says of lies is judged from bytes.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from anchor.proof.ed25519 import verify as check
from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.errors import MalformedError
from anchor.proof.policy import ANYBODY, Part, Party, PartyKind, Policy, Rule
from chains.access import Role
from chains.client import (
    AsyncClient,
    Client,
    DraftError,
    Ed25519Key,
    ProblemAnswerError,
    Recorded,
    Refused,
    Signatory,
    Together,
    Untruth,
    policy_to_json,
)
from chains.client.policies import policies_in
from chains.client.trust import DoubtError
from tests.simulators.api_server import make_home, make_key, run_beside, serving

ANN, BOB, CAT = (Ed25519Key(name.encode() * 8) for name in ("ann.", "bob.", "cat."))


def by(threshold: int, *keys: Ed25519Key) -> Rule:
    return Rule(threshold, tuple(sorted(Party(PartyKind.KEY, key.public_key) for key in keys)))


POLICY = Policy(by(2, ANN, BOB), by(1, ANN, BOB), media_types=("text/csv",), id_kinds=(IdKind.HASHED,))


@dataclass
class Site:
    """A served home, its log's card, and the keys of two organisations."""

    url: str
    card: Path
    acme: str
    beta: str
    seal: Callable[[], None]

    def client(self, *key: str, **options: Any) -> Client:
        return Client(self.url, *(key or (self.acme,)), card=self.card, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("policies")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    acme, beta = make_key(home, "acme", Role.OWNER), make_key(home, "beta")
    with serving(home) as server:
        yield Site(server.url, home / "log-card.json", acme, beta, lambda: run_beside(home, "seal"))
    patched.undo()


def opened(client: Client, policy: Policy = POLICY, **options: Any) -> bytes:
    """Open a chain under a policy, signed by ann and bob; return its id."""
    draft = client.draft_chain(policy, [ANN.public_key, BOB.public_key], **options)
    return client.submit_draft(draft.signed_by(ANN).signed_by(BOB)).own.entry.chain_id


def refusal(act: Callable[[], object]) -> tuple[int, str, str]:
    """Return status, code and rule of the problem that something is answered with."""
    with pytest.raises(ProblemAnswerError) as found:
        act()
    return found.value.status, found.value.code, found.value.rule


HASHED = ExternalId(IdKind.HASHED, bytes(32))
FORBIDDEN = (422, "policy-not-followed")


def test_each_rule_refuses_by_its_name(site: Site) -> None:
    """Single entries, items of batches and first entries alike: one stable code, and the rule that forbids it."""
    with site.client() as client:
        chain_id = opened(client)
        as_bob: dict[str, Any] = {"signer": Signatory(BOB), "media_type": "text/csv", "external_ids": [HASHED]}
        first = client.add(chain_id, b"a,b\n", **as_bob)
        cases: list[tuple[dict[str, Any], Part]] = [
            (as_bob | {"signer": Signatory(CAT)}, Part.WRITERS),
            (as_bob | {"media_type": "text/plain"}, Part.MEDIA_TYPES),
            (as_bob | {"external_ids": []}, Part.ID_KINDS),
        ]
        for options, part in cases:
            assert (*FORBIDDEN, part) == refusal(partial(client.add, chain_id, b"x", **options))
        outcomes = client.add_many(chain_id, [b"y"], signer=Signatory(CAT), media_type="text/csv")
        assert [(*FORBIDDEN, "writers")] == [(i.status, i.code, i.rule) for i in outcomes if isinstance(i, Refused)]
        together = Signatory(Together((ANN, CAT)))
        rows = client.add_many(chain_id, [b"1", b"2"], signer=together, media_type="text/csv", external_ids=[HASHED])
        assert [2, 3] == [row.leaf_index for row in rows if isinstance(row, Recorded)]
        draft = client.draft_policy(chain_id, POLICY, [ANN.public_key]).signed_by(ANN)
        assert (*FORBIDDEN, "administrators") == refusal(partial(client.submit_draft, draft))
        few = client.draft_chain(POLICY, [ANN.public_key]).signed_by(ANN)
        assert (*FORBIDDEN, "administrators") == refusal(partial(client.submit_draft, few))
        plain = client.open_chain().own.entry.chain_id
        with pytest.raises(MalformedError, match="the chain has no policy"):
            client.draft_policy(plain, POLICY, [ANN.public_key])
        assert first.entry_hash == client.entry(first.entry_hash).entry_hash


def test_a_refusal_is_repeated_with_its_rule(site: Site) -> None:
    """The same request again gets the same answer, rule and all; content without a signature is refused, too."""
    with site.client() as client:
        chain_id = opened(client)
    headers = {"authorization": f"Bearer {site.acme}", "idempotency-key": "twice", "content-type": "text/csv"}
    answers = [
        httpx.post(f"{site.url}/v1/chains/{chain_id.hex()}/entries", content=b"a", headers=headers) for _ in range(2)
    ]
    assert [422, 422] == [answer.status_code for answer in answers]
    assert answers[0].json() == answers[1].json()
    assert ("policy-not-followed", "writers") == (answers[0].json()["code"], answers[0].json()["rule"])


def test_a_policy_is_changed_by_those_whom_it_names_and_shown_with_its_history(site: Site) -> None:
    """A draft that lacks a signature is not sent; the history has who signed, what changed and when it was sealed."""
    with site.client() as client:
        chain_id = opened(client, name="orders", visibility="public", external_ids=["orders"])
        site.seal()
        wanted = Policy(by(1, CAT), ANYBODY)
        draft = client.draft_policy(chain_id, wanted, [ANN.public_key, BOB.public_key], reason="cat does it now")
        with pytest.raises(DraftError, match="1 of 2 signatures are lacking"):
            client.submit_draft(draft.signed_by(ANN))
        stale = client.draft_policy(chain_id, POLICY, [ANN.public_key, BOB.public_key]).signed_by(ANN).signed_by(BOB)
        client.submit_draft(draft.signed_by(ANN).signed_by(BOB))
        assert (*FORBIDDEN, "statement") == refusal(partial(client.submit_draft, stale))
        client.add(chain_id, b"by anybody")
        seen = client.policies(chain_id)
        assert [0, 1] == [each.leaf_index for each in seen]
        assert [policy_to_json(POLICY), policy_to_json(wanted)] == [policy_to_json(each.policy) for each in seen]
        assert tuple(sorted([ANN.public_key, BOB.public_key])) == seen[1].keys
        assert seen[0].sealed_at_ms is not None
        assert seen[1].sealed_at_ms is None
        assert [] == client.policies(client.open_chain().own.entry.chain_id)

        async def again() -> list[int]:
            async with AsyncClient(site.url, site.acme, card=site.card) as other:
                change = await other.draft_policy(chain_id, POLICY, [CAT.public_key])
                await other.submit_draft(change.signed_by(CAT))
                first = await other.draft_chain(wanted, [CAT.public_key])
                await other.submit_draft(first.signed_by(CAT))
                return [each.leaf_index for each in await other.policies(chain_id)]

        assert [0, 1, 3] == asyncio.run(again())


def test_who_may_not_read_a_chain_is_not_told_that_it_has_a_policy(site: Site) -> None:
    """Its policy is answered as that of a chain that is not there; of a public one it is everybody's to read."""
    with site.client() as client, site.client(site.beta) as other:
        hidden = opened(client)
        assert (404, "not-found", "") == refusal(lambda: other.policies(hidden))
        assert (404, "not-found", "") == refusal(lambda: other.policies(bytes(32)))
        public = opened(client, visibility="public")
        assert 1 == len(other.policies(public))


def test_what_a_service_shows_of_policies_must_hold(site: Site) -> None:
    """Another policy than the entry states, one left out, one nobody may state, another chain: each by its name."""
    with site.client() as client:
        chain_id = opened(client)
        for policy in (POLICY, Policy(by(1, ANN))):
            draft = client.draft_policy(chain_id, policy, [ANN.public_key, BOB.public_key])
            client.submit_draft(draft.signed_by(ANN).signed_by(BOB))
        few = client.draft_policy(chain_id, Policy(by(1, CAT)), [CAT.public_key]).signed_by(CAT).finished()
    answer = httpx.get(
        f"{site.url}/v1/chains/{chain_id.hex()}/policy", headers={"authorization": f"Bearer {site.acme}"}
    )
    whole = answer.json()
    assert 3 == len(policies_in(answer.content, chain_id, check))

    def put(index: int, **values: Any) -> Any:
        changed = json.loads(json.dumps(whole))
        changed["policies"][index] |= values
        return changed

    forged = {"entry": base64.b64encode(few.raw).decode(), "entry_hash": few.hash.hex(), "leaf_index": 3}
    forged["policy"] = policy_to_json(Policy(by(1, CAT)))
    cases: list[tuple[Any, Untruth]] = [
        (put(2, policy=whole["policies"][0]["policy"]), Untruth.POLICY),
        (whole | {"policies": whole["policies"][1:]}, Untruth.POLICY),
        (whole | {"policies": [whole["policies"][0], whole["policies"][2]]}, Untruth.POLICY),
        (whole | {"policies": [*whole["policies"], forged]}, Untruth.POLICY),
        (put(1, leaf_index=0), Untruth.POLICY),
        (put(0, leaf_index=4), Untruth.POLICY),
        (put(0, entry_hash=few.hash.hex()), Untruth.ANOTHER_ENTRY),
        (whole | {"chain_id": bytes(32).hex()}, Untruth.ANOTHER_CHAIN),
    ]
    for value, untruth in cases:
        with pytest.raises(DoubtError) as found:
            policies_in(json.dumps(value).encode(), chain_id, check)
        assert untruth == found.value.untruth, value

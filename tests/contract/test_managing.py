"""Keys, grants and webhooks over a real server: who may manage whose, and that nobody learns of what is not his.

One server serves the whole module; its home has two organisations, and the operator.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from anchor.outbox import News, Outbox
from chains.access import RIGHTS, Action, Role
from chains.client import AsyncClient, Client
from chains.home import Home
from chains.web.api import OPERATIONS
from chains.webhooks import MAX_OF_ORGANISATION
from tests.simulators.api_server import ApiServer, code, make_home, make_keys, serving

NOWHERE = {"key": "al_aaaaaaaa", "webhook": "wh_0000000000000000", "organisation": "org_aaaaaaaaaaaaaaaa"}
HOOK = "https://receiver.example/hook"


@dataclass
class Site:
    """A served home; clients by role of organisation acme, of beta's owner, of the operator, and of a stranger."""

    server: ApiServer
    clients: dict[str, httpx.Client]
    keys: dict[str, str]
    organisations: dict[str, str]
    chains: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> httpx.Client:
        return self.clients["owner"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("managing")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    keys = make_keys(home)
    with Home.open(home) as opened:
        organisations = {each.name: each.organisation_id for each in opened.accounts.organisations.all()}
    with serving(home) as server:
        clients = {name: server.client(key) for name, key in keys.items()} | {"stranger": server.client()}
        made = Site(server, clients, keys, organisations)
        for name in ("private", "public"):
            opened_chain = made.owner.post("/v1/chains", json={"name": name, "visibility": name})
            made.chains[name] = str(opened_chain.json()["chain_id"])
        yield made
        for client in clients.values():
            client.close()
    patched.undo()


def new_key(site: Site, **wanted: Any) -> dict[str, Any]:
    answer = site.owner.post("/v1/keys", json={"role": "reader", **wanted})
    assert (201, "no-store") == (answer.status_code, answer.headers["cache-control"])
    return dict(answer.json())


def who_am_i(site: Site, key: str) -> int:
    """Return how a private chain is answered to a key."""
    with site.server.client(key) as client:
        return client.get(f"/v1/chains/{site.chains['private']}").status_code


# --- keys


def test_a_key_is_made_shown_once_and_used(site: Site) -> None:
    """The whole key is in the first answer and in no other; it does what its role is for."""
    made = new_key(site, label="line 4", expires_at_ms=4_000_000_000_000)
    assert ("reader", "line 4", "live") == (made["role"], made["label"], made["state"])
    assert 200 == who_am_i(site, made["key"])
    shown = site.owner.get(f"/v1/keys/{made['key_id']}")
    assert {name: value for name, value in made.items() if name != "key"} == shown.json()
    listed = site.owner.get("/v1/keys?limit=1000").text
    assert made["key_id"] in listed
    assert made["key"][12:] not in listed + shown.text


def test_a_rotated_key_holds_on_for_its_overlap(site: Site) -> None:
    """The new key names the old one; without overlap the old one ends at once."""
    made = new_key(site)
    after = site.owner.post(f"/v1/keys/{made['key_id']}/rotate", json={"overlap_ms": 3_600_000}).json()
    assert (made["key_id"], made["role"]) == (after["replaces"], after["role"])
    assert [200, 200] == [who_am_i(site, key) for key in (made["key"], after["key"])]
    last = site.owner.post(f"/v1/keys/{after['key_id']}/rotate", json={"overlap_ms": 0}).json()
    assert [401, 200] == [who_am_i(site, key) for key in (after["key"], last["key"])]
    assert (422, "account-refused") == code(site.owner.post(f"/v1/keys/{after['key_id']}/rotate", json={}))


def test_a_revoked_key_ends_at_once(site: Site) -> None:
    """And stays revoked: the first time counts."""
    made = new_key(site)
    revoked = site.owner.post(f"/v1/keys/{made['key_id']}/revoke").json()
    assert "revoked" == revoked["state"]
    assert 401 == who_am_i(site, made["key"])
    assert revoked == site.owner.post(f"/v1/keys/{made['key_id']}/revoke").json()


def test_keys_are_listed_in_pages(site: Site) -> None:
    """Every key once, in the order of making, whatever the size of a page."""
    for _ in range(3):
        new_key(site)
    whole = [key["key_id"] for key in site.owner.get("/v1/keys?limit=1000").json()["keys"]]
    paged, cursor = list[str](), "0"
    while cursor:
        page = site.owner.get(f"/v1/keys?limit=2&cursor={cursor}").json()
        paged += [key["key_id"] for key in page["keys"]]
        cursor = page.get("cursor", "")
    assert whole == paged
    with Home.open(site.server.home) as home:
        acme = home.accounts.organisations.by_id(site.organisations["acme"])
        assert len(list(home.accounts.keys.all(acme))) == len(whole)


def test_the_operator_makes_keys_for_others_and_none_of_his_own(site: Site) -> None:
    """He names the organisation; his own keys are made on his machine."""
    operator = site.clients["operator"]
    made = operator.post("/v1/keys", json={"role": "owner", "organisation": site.organisations["beta"]}).json()
    assert site.organisations["beta"] == made["organisation"]
    assert 200 == operator.post(f"/v1/keys/{made['key_id']}/revoke").status_code
    assert (400, "body-malformed") == code(operator.post("/v1/keys", json={"role": "owner"}))
    assert (400, "body-malformed") == code(operator.post("/v1/keys", json={"role": "operator"}))
    own = site.keys["operator"][:11]
    assert (404, "not-found") == code(operator.post(f"/v1/keys/{own}/revoke"))


@pytest.mark.parametrize(
    "body", [{}, {"role": "operator"}, {"role": "reader", "more": 1}, {"role": "reader", "expires_at_ms": -1}, []]
)
def test_a_body_of_another_form_makes_no_key(site: Site, body: Any) -> None:
    """Unknown fields and roles, and times that are none, are refused by name."""
    assert (400, "body-malformed") == code(site.owner.post("/v1/keys", json=body))
    assert (422, "account-refused") == code(site.owner.post("/v1/keys", json={"role": "reader", "expires_at_ms": 1}))


# --- grants


def test_a_grant_is_given_listed_and_ended(site: Site) -> None:
    """With it the other organisation reads the chain; without it the chain is not there for it."""
    path, beta = f"/v1/chains/{site.chains['private']}/grants", site.organisations["beta"]
    reader = site.clients["beta"]
    assert 404 == reader.get(f"/v1/chains/{site.chains['private']}").status_code
    given = site.owner.post(path, json={"organisation": beta, "role": "reader"}).json()
    assert ("reader", "live") == (given["role"], given["state"])
    assert 200 == reader.get(f"/v1/chains/{site.chains['private']}").status_code
    assert [beta] == [grant["organisation"] for grant in site.owner.get(path).json()["grants"]]
    assert 403 == reader.get(path).status_code, "what was granted is not his to grant"
    assert 200 == site.owner.post(f"{path}/{beta}/end").status_code
    assert 404 == reader.get(f"/v1/chains/{site.chains['private']}").status_code
    assert (404, "not-found") == code(site.owner.post(f"{path}/{beta}/end"))
    assert (404, "not-found") == code(
        site.owner.post(path, json={"organisation": NOWHERE["organisation"], "role": "reader"})
    )
    own = {"organisation": site.organisations["acme"], "role": "reader"}
    assert (422, "account-refused") == code(site.owner.post(path, json=own))


# --- webhooks


def test_a_webhook_of_an_organisation_is_told_what_everybody_may_know(site: Site) -> None:
    """Its deliveries are those of its news; what failed is not among them, and waits for the operator alone."""
    mine = site.owner.post("/v1/webhooks", json={"url": HOOK}).json()
    assert mine["secret"].startswith("whsec_")
    assert "secret" not in site.owner.get(f"/v1/webhooks/{mine['webhook']}").json()
    his = site.clients["operator"].post("/v1/webhooks", json={"url": HOOK, "news": ["failed", "final"]}).json()
    with Home.open(site.server.home) as home:
        with home.engine.transaction():
            for news in (News.FAILED, News.FINAL):
                Outbox(home.engine).add(news, home.clock(), {"checkpoint_size": 3, "attempt": 1})
        home.webhooks.queue(home.clock())
        newest = Outbox(home.engine).newest_no()
    path = f"/v1/webhooks/{mine['webhook']}"
    assert [newest] == [each["event"] for each in site.owner.get(f"{path}/deliveries").json()["tries"]]
    operator = site.clients["operator"]
    told = operator.get(f"/v1/webhooks/{his['webhook']}/deliveries").json()["tries"]
    assert [newest, newest - 1] == [each["event"] for each in told]
    assert 1 == site.owner.post(f"{path}/replay", json={"events": [newest, newest - 1]}).json()["queued"]
    assert 0 == site.owner.post(f"{path}/replay", json={"failed": True}).json()["queued"]
    assert (400, "body-malformed") == code(site.owner.post(f"{path}/replay", json={}))
    assert 200 == site.owner.post(f"{path}/remove").status_code
    assert (404, "not-found") == code(site.owner.get(path))
    assert 200 == operator.post(f"/v1/webhooks/{his['webhook']}/remove").status_code


@pytest.mark.parametrize("url", ["http://receiver.example/", "https://user@receiver.example/", "ftp://x.example/", "x"])
def test_an_address_that_nothing_is_sent_to_is_refused(site: Site, url: str) -> None:
    """Over HTTP no receiver on the service's own machine can be named."""
    assert (422, "account-refused") == code(site.owner.post("/v1/webhooks", json={"url": url}))
    only_failed = {"url": HOOK, "news": ["failed"]}
    assert (422, "account-refused") == code(site.owner.post("/v1/webhooks", json=only_failed))


def test_an_organisation_has_so_many_webhooks(site: Site) -> None:
    """A bound for each organisation; another one is not held up by it."""
    made = [site.owner.post("/v1/webhooks", json={"url": HOOK}) for _ in range(MAX_OF_ORGANISATION + 1)]
    assert [201] * MAX_OF_ORGANISATION + [422] == [answer.status_code for answer in made]
    other = site.clients["beta"].post("/v1/webhooks", json={"url": HOOK})
    assert 201 == other.status_code
    listed = site.owner.get("/v1/webhooks").json()["webhooks"]
    assert [answer.json()["webhook"] for answer in made[:-1]] == [each["webhook"] for each in listed]
    for client, answer in [(site.owner, each) for each in made[:-1]] + [(site.clients["beta"], other)]:
        assert 200 == client.post(f"/v1/webhooks/{answer.json()['webhook']}/remove").status_code


# --- who may

MANAGING = {"Keys": Action.KEY_MANAGE, "Grants": Action.GRANT_MANAGE, "Webhooks": Action.WEBHOOK_MANAGE}
BODIES: dict[str, Any] = {
    "createKey": {"role": "reader", "label": "\a"},
    "rotateKey": {"expires_at_ms": 1},
    "giveGrant": {"organisation": NOWHERE["organisation"], "role": "reader"},
    "addWebhook": {"url": "x"},
    "replayDeliveries": {"events": [1]},
}


def ask(site: Site, who: str, name: str, key: str, webhook: str) -> tuple[int, bytes]:
    """Ask for an operation, about these, with a body that changes nothing."""
    operation = next(each for each in OPERATIONS if each.name == name)
    path = operation.path.format(
        key_id=key, webhook=webhook, chain=site.chains["private"], organisation_id=NOWHERE["organisation"]
    )
    client = site.clients[who]
    answer = client.post(path, json=BODIES.get(name, {})) if operation.method == "POST" else client.get(path)
    return answer.status_code, answer.content


NAMES = [each.name for each in OPERATIONS if each.group in MANAGING]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("who", ["stranger", "writer", "reader", "auditor"])
def test_who_may_not_manage_is_refused_by_every_operation(site: Site, who: str, name: str) -> None:
    """Without a key 401, or 404 of a private chain; with a key of another role 403: by the table of rights."""
    operation = next(each for each in OPERATIONS if each.name == name)
    action = MANAGING[operation.group]
    status, _ = ask(site, who, name, site.keys["reader"][:11], NOWHERE["webhook"])
    if who == "stranger":
        assert (404 if action is Action.GRANT_MANAGE else 401) == status
        return
    assert action not in RIGHTS[Role(who)]
    assert 403 == status


@pytest.mark.parametrize("name", NAMES)
def test_what_belongs_to_others_is_answered_as_what_is_not_there(site: Site, name: str) -> None:
    """The owner of another organisation gets the same bytes for a key, chain or webhook of ours as for none."""
    webhook = site.owner.post("/v1/webhooks", json={"url": HOOK}).json()["webhook"]
    ours = ask(site, "beta", name, site.keys["reader"][:11], webhook)
    none = ask(site, "beta", name, NOWHERE["key"], NOWHERE["webhook"])
    assert ours == none
    operation = next(each for each in OPERATIONS if each.name == name)
    if "{" in operation.path:
        assert 404 == ours[0]
    assert 200 == site.owner.post(f"/v1/webhooks/{webhook}/remove").status_code


def test_an_organisation_is_never_taken_from_the_request(site: Site) -> None:
    """An owner who names another organisation finds nothing, whether it is there or not; his own he may name."""
    for organisation in (site.organisations["beta"], NOWHERE["organisation"]):
        for path in ("/v1/keys", "/v1/webhooks"):
            assert (404, "not-found") == code(site.owner.get(path, params={"organisation": organisation}))
        wanted = {"role": "reader", "organisation": organisation}
        assert (404, "not-found") == code(site.owner.post("/v1/keys", json=wanted))
    assert 200 == site.owner.get("/v1/keys", params={"organisation": site.organisations["acme"]}).status_code


def test_no_secret_is_in_the_log(site: Site) -> None:
    """What was made here is in no line that the service wrote."""
    made = new_key(site)
    assert not [line for line in site.server.lines if made["key"][12:] in line or "whsec_" in line]


# --- the client


def test_the_client_manages_what_its_organisation_has(site: Site) -> None:
    """Each operation once: what is shown once is there once, and what was ended is gone."""
    chain_id = bytes.fromhex(site.chains["private"])
    with Client(site.server.url, site.keys["owner"], trust_on_first_use=True) as client:
        made = client.create_key("reader", label="laptop", expires_at_ms=4_000_000_000_000)
        assert made.token is not None
        assert made.token not in repr(made)
        after = client.rotate_key(made.key_id, overlap_ms=0)
        assert (made.key_id, "revoked") == (after.replaces, client.revoke_key(after.key_id).state)
        listed = {key.key_id: key.token for key in client.list_keys()}
        assert (None, None) == (listed[made.key_id], listed[after.key_id])
        beta = site.organisations["beta"]
        given = client.give_grant(chain_id, beta, "auditor")
        assert [given] == client.grants(chain_id)
        assert given == client.end_grant(chain_id, beta)
        assert [] == client.grants(chain_id)
        webhook = client.add_webhook(HOOK, ["final"])
        assert (("final",), True) == (webhook.news, webhook.secret is not None)
        assert [webhook.webhook_id] == [each.webhook_id for each in client.webhooks()]
        assert ([], 0, 0) == (
            client.deliveries(webhook.webhook_id),
            client.replay(webhook.webhook_id),
            client.replay(webhook.webhook_id, [1]),
        )
        assert webhook.webhook_id == client.remove_webhook(webhook.webhook_id).webhook_id
        assert [] == client.webhooks()


def test_the_asynchronous_client_does_the_same(site: Site) -> None:
    """The same operations, awaited."""

    async def story() -> None:
        async with AsyncClient(site.server.url, site.keys["owner"], trust_on_first_use=True) as client:
            made = await client.create_key("auditor")
            assert made.key_id in [key.key_id async for key in client.list_keys()]
            after = await client.rotate_key(made.key_id)
            assert "revoked" == (await client.revoke_key(after.key_id)).state
            chain_id, beta = bytes.fromhex(site.chains["public"]), site.organisations["beta"]
            given = await client.give_grant(chain_id, beta, "writer", expires_at_ms=4_000_000_000_000)
            assert [given] == await client.grants(chain_id)
            assert given == await client.end_grant(chain_id, beta)
            webhook = await client.add_webhook(HOOK)
            assert [] == await client.deliveries(webhook.webhook_id)
            assert 0 == await client.replay(webhook.webhook_id)
            assert 1 == len(await client.webhooks())
            assert webhook.webhook_id == (await client.remove_webhook(webhook.webhook_id)).webhook_id

    asyncio.run(story())

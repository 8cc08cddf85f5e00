"""A stolen author's key after its revocation, on every way into a served log, and with whoever verifies what got in.

One home, served, with an identity whose second key was revoked as stolen and whose third is in an ssh-agent; the thief
has an API key of the organisation, too.
"""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from anchor.proof.certificate_proof import certificate_message
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.identity import Ending, Operation, Statement
from anchor.signing import SigningKey
from chains.client import Client, ProblemAnswerError, Refused, Signatory
from chains.client.ssh_agent import agent_key
from chains.home import Home
from tests.signers import Agent, running_agent
from tests.simulators.api_server import ApiServer, make_home, make_key, run_beside, serving
from tests.simulators.identities import entry_of
from tests.simulators.sealers import proof_over, sealer
from tests.simulators.timestamp_authority import certify_root
from tests.simulators.world import sign_batch, sign_entry, signing_key

SEED = signing_key("press")
"""The stolen key, as the simulators sign with it."""
SUBMISSION = "application/vnd.anchorline.submission+json"


@dataclass
class Theft:
    """A served home, the identity, its keys (boss, the stolen one), and a chain of the organisation."""

    server: ApiServer
    api_key: str
    card: Path
    identity: bytes
    tip: bytes
    boss: SigningKey
    stolen: SigningKey
    chain_id: bytes
    agent: Agent

    def client(self) -> Client:
        return Client(self.server.url, self.api_key, card=self.card)

    def post(self, chain_id: bytes, entry: Entry) -> tuple[int, str]:
        """Hand in an entry by HTTP; return status and code."""
        body = json.dumps({"entry": base64.b64encode(entry.encode()).decode()})
        headers = {"authorization": f"Bearer {self.api_key}", "content-type": SUBMISSION}
        answer = httpx.post(f"{self.server.url}/v1/chains/{chain_id.hex()}/entries", content=body, headers=headers)
        return answer.status_code, answer.json().get("code", "")

    def order(self, number: int) -> Entry:
        """Return an entry in the identity's name, not signed yet."""
        named = (Extension(ExtensionType.IDENTITY, self.identity),)
        return Entry(self.chain_id, bytes([number]) * 32, extensions=named)


@pytest.fixture(scope="module")
def theft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theft]:
    patched = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("stolen")
    patched.setenv("XDG_STATE_HOME", str(folder / "state"))
    home = make_home(folder)
    api_key, card, boss, stolen = (
        make_key(home, "acme"),
        folder / "card.json",
        folder / "boss.key",
        folder / "press.key",
    )
    SigningKey(SEED.private_bytes_raw()).save(stolen, None)
    with running_agent() as agent, serving(home) as server:
        patched.setenv("SSH_AUTH_SOCK", agent.address)
        agent.add(agent.make("office"))
        with Client(server.url, api_key, trust_on_first_use=True) as first:
            card.write_bytes(first.card().encode())
            chain_id = first.open_chain(visibility="public").own.entry.chain_id
        run_beside(home, "identity", "new", "acme", "--organisation", "acme", "--key", str(boss), "--no-password")
        for key in (str(stolen), "agent:office"):
            adding = ("--sign", str(boss), "--key", key, "--no-password")
            run_beside(home, "identity", "add-key", "acme", *adding)
        run_beside(home, "seal")
        for key in (str(stolen), "agent:office"):
            run_beside(home, "identity", "revoke", "acme", "--sign", str(boss), "--old", key, "--reason", "stolen")
        run_beside(home, "seal")
        with Home.open(home) as opened:
            chain = opened.chains.named("acme")
            tip = opened.identities.current(chain, opened.clock()).tip
        keys = SigningKey.load(boss), SigningKey.load(stolen)
        yield Theft(server, api_key, card, chain.chain_id, tip, *keys, chain_id, agent)
    patched.undo()


@pytest.mark.ssh
def test_no_way_of_writing_takes_it(theft: Theft) -> None:
    """One entry, a batch, a signed batch, by the client or by hand, and by the key in the agent: all are refused."""
    assert (422, "author-key-not-valid") == theft.post(theft.chain_id, sign_entry(theft.order(1), SEED))
    [batched] = sign_batch([theft.order(2)], SEED)
    assert (422, "author-key-not-valid") == theft.post(theft.chain_id, batched)
    with theft.client() as client:
        for key in (theft.stolen, agent_key("office")):
            signer = Signatory(key, identity=theft.identity)
            with pytest.raises(ProblemAnswerError) as caught:
                client.add(theft.chain_id, b"an order", signer=signer)
            assert "author-key-not-valid" == caught.value.code
            outcomes = client.add_many(theft.chain_id, [b"one", b"two"], signer=signer)
            assert ["author-key-not-valid"] * 2 == [item.code for item in outcomes if isinstance(item, Refused)]
        good = client.add(theft.chain_id, b"an order", signer=Signatory(theft.boss, identity=theft.identity))
        assert theft.boss.public_key == good.own.entry.author.body[:32]


@pytest.mark.ssh
def test_it_states_nothing_and_binds_no_certificate(theft: Theft) -> None:
    """Nor does it register, revoke or bind: the identity's chain takes what its living keys state, and nothing else."""
    mine = sealer("Thief", certify_root("Thief's own"))
    proof = proof_over(mine, certificate_message(theft.identity, mine.hash))
    for statement in (
        Statement(Operation.BIND, theft.tip, mine.hash, proof=proof),
        Statement(Operation.REVOKE, theft.tip, theft.boss.public_key, Ending.LOST),
        Statement(Operation.UNBIND, theft.tip, sha256(b"theirs")),
    ):
        made = statement.signed(theft.identity, [(theft.stolen.public_key, theft.stolen.sign)])
        status, code = theft.post(theft.identity, entry_of(theft.identity, made.encode()))
        assert (422, "entry-refused") == (status, code), statement.operation
    with Home.open(theft.server.home) as opened:
        assert () == opened.identities.current(opened.chains.named("acme"), opened.clock()).bindings

"""Tests of did:web documents: what an identity publishes, what others publish, and fetching one over real TLS.

Input is keys of the simulators, and a server on this machine (``tests/simulators/did_server.py``).
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from anchor.errors import SettingsError, SourceError
from anchor.proof.did import did_key
from anchor.proof.errors import MalformedError
from chains.did_document import MAX_DOCUMENT, Compared, address_of, compare, document_of
from chains.did_fetching import fetch
from tests.simulators.did_server import DidServer, serving_did
from tests.simulators.identities import public

DID, CHAIN = "did:web:acme.example", bytes(range(32))
BOSS, PRESS, WEB = public("boss"), public("press"), public("web")


@pytest.mark.parametrize(
    ("did", "address"),
    [
        (DID, "https://acme.example/.well-known/did.json"),
        ("did:web:localhost%3A8443", "https://localhost:8443/.well-known/did.json"),
        ("did:web:a.example:user:ada", "https://a.example/user/ada/did.json"),
    ],
)
def test_where_a_document_is(did: str, address: str) -> None:
    """The addresses are those of the did:web method."""
    assert address == address_of(did)


def test_what_an_identity_publishes_agrees_with_it() -> None:
    """The document that is written names just the keys, and the chain id."""
    made = document_of(DID, CHAIN, [BOSS, PRESS])
    found = compare(DID, made, CHAIN, frozenset((BOSS, PRESS)))
    assert Compared(frozenset((BOSS, PRESS)), frozenset(), frozenset(), names_identity=True) == found
    assert found.agrees
    other = compare(DID, made, bytes(32), frozenset((PRESS, WEB)))
    assert Compared(frozenset((PRESS,)), frozenset((WEB,)), frozenset((BOSS,)), names_identity=False) == other
    assert not other.agrees
    assert not compare(DID, document_of(DID, CHAIN, []), CHAIN, frozenset()).agrees


def document(methods: list[Any], asserting: list[Any]) -> bytes:
    return json.dumps({"id": DID, "verificationMethod": methods, "assertionMethod": asserting}).encode()


JWK = {"kty": "OKP", "crv": "Ed25519", "x": urlsafe_b64encode(PRESS).decode().rstrip("=")}
MULTIBASE = did_key(PRESS).removeprefix("did:key:")


@pytest.mark.parametrize(
    ("data", "is_there"),
    [
        (document([{"id": f"{DID}#1", "publicKeyMultibase": MULTIBASE}], [f"{DID}#1"]), True),
        (document([{"id": f"{DID}#1", "publicKeyJwk": JWK}], [f"{DID}#1"]), True),
        (document([{"id": "#1", "publicKeyJwk": JWK}], [f"{DID}#1"]), True),
        (document([], [{"id": f"{DID}#1", "publicKeyMultibase": MULTIBASE}]), True),
        (document([{"id": f"{DID}#1", "publicKeyMultibase": MULTIBASE}], []), False),
        (document([{"id": f"{DID}#1", "publicKeyMultibase": MULTIBASE}], [f"{DID}#2"]), False),
        (document([{"id": f"{DID}#1", "publicKeyJwk": JWK | {"crv": "X25519"}}], [f"{DID}#1"]), False),
        (document([{"id": f"{DID}#1", "publicKeyJwk": JWK | {"x": "AAAA"}}], [f"{DID}#1"]), False),
        (document([{"id": f"{DID}#1", "publicKeyMultibase": "z6Mkxx"}, 7, None], [f"{DID}#1", 7]), False),
        (json.dumps({"id": DID, "verificationMethod": {}, "assertionMethod": 1}).encode(), False),
    ],
)
def test_which_keys_of_a_document_count(data: bytes, is_there: bool) -> None:
    """Ed25519 keys that may make assertions count, as multibase and as JWK; all else is passed over."""
    assert (frozenset((PRESS,)) if is_there else frozenset()) == compare(DID, data, CHAIN, frozenset((PRESS,))).both


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'"' + DID.encode() + b'"', b'{"id": "did:web:other.example"}', b"[" * 60_000, b"\xff"]
)
def test_what_is_no_document_of_the_name(data: bytes) -> None:
    """Another name's document, and what is none, are refused."""
    with pytest.raises(MalformedError, match=r"did:web:acme\.example"):
        compare(DID, data, CHAIN, frozenset())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[DidServer]:
    with serving_did(tmp_path) as running:
        yield running


def test_a_document_is_fetched_over_tls(server: DidServer) -> None:
    """It comes from the well-known place, with the root that is trusted and with no other."""
    server.body = document_of(server.did, CHAIN, [PRESS])
    assert server.body == fetch(server.did, server.root)
    assert ["/.well-known/did.json"] == server.asked
    with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(server.did)


def test_what_is_not_followed_or_read(server: DidServer, tmp_path: Path) -> None:
    """Redirections are not followed, an endless answer is cut, a slow one is given up, and no server is no answer."""
    server.status, server.headers = 302, {"location": "https://localhost:1/"}
    with pytest.raises(SourceError, match="got status 302"):
        fetch(server.did, server.root)
    server.status, server.body = 200, bytes(MAX_DOCUMENT * 4)
    cut = fetch(server.did, server.root)
    assert MAX_DOCUMENT + 1 == len(cut)
    with pytest.raises(MalformedError, match="got more"):
        compare(server.did, cut, CHAIN, frozenset())
    server.body = b"drop"
    hours = count(0, 3600)
    with pytest.raises(SourceError, match="within 30 s"):
        fetch(server.did, server.root, lambda: next(hours))
    with pytest.raises(SourceError):
        fetch("did:web:localhost%3A1", server.root)
    (tmp_path / "none.pem").write_text("none")
    with pytest.raises(SettingsError, match="roots for TLS"):
        fetch(server.did, tmp_path / "none.pem")

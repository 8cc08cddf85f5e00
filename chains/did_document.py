"""did:web documents (W3C did:web, DID Core 1.0): the one that an identity publishes, and what a fetched one says.

Input is an identity's keys, or the bytes that a domain answered. ``identity did-document`` and ``identity check-did``
use it; no verdict rests on such a document, because a domain's owner can change it without a trace.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from anchor.proof.codec import HASH_SIZE
from anchor.proof.did import check_did_web, did_key, key_of_did
from anchor.proof.errors import MalformedError

MAX_DOCUMENT = 65_536
"""Far more than the documents of organisations have; no more is read."""
_MAX_METHODS = 256
_CONTEXT = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")
_IDENTITY = "anchorline:identity:"
_CERTIFICATE = "anchorline:certificate:"
_DID_KEY = "did:key:"


@dataclass(frozen=True, slots=True)
class Compared:
    """Keys (32 bytes each) that both have, that only the identity has, and that only the document has.

    ``names_identity`` is whether the document names the identity's chain id.
    """

    both: frozenset[bytes]
    only_identity: frozenset[bytes]
    only_document: frozenset[bytes]
    names_identity: bool

    @property
    def agrees(self) -> bool:
        """Whether the domain vouches for every key that signs entries now, and for no other."""
        return bool(self.both) and not self.only_identity and not self.only_document


def address_of(did: str) -> str:
    """Return where a did:web's document is (W3C did:web, section 3.2); raise MalformedError for another name."""
    check_did_web(did)
    domain, *path = did.removeprefix("did:web:").split(":")
    return "/".join(("https:/", unquote(domain), *(path or [".well-known"]), "did.json"))


def document_of(did: str, chain_id: bytes, keys: Sequence[bytes], certificates: Sequence[bytes] = ()) -> bytes:
    """Return the document by which a domain vouches for the keys (32 bytes each) of an identity, to be published.

    It names the certificates that are bound to it, too, by their SHA-256.
    """
    names = [did_key(key).removeprefix(_DID_KEY) for key in sorted(keys)]
    methods = [
        {"id": f"{did}#{name}", "type": "Multikey", "controller": did, "publicKeyMultibase": name} for name in names
    ]
    made = {
        "@context": list(_CONTEXT),
        "id": did,
        "alsoKnownAs": [_IDENTITY + chain_id.hex(), *(_CERTIFICATE + item.hex() for item in certificates)],
        "verificationMethod": methods,
        "assertionMethod": [method["id"] for method in methods],
    }
    return json.dumps(made, indent=1, ensure_ascii=True).encode("ascii") + b"\n"


def compare(did: str, data: bytes, chain_id: bytes, keys: frozenset[bytes]) -> Compared:
    """Compare what a domain answered with an identity's keys; raise MalformedError where it is not its document."""
    document = _document(did, data)
    found = frozenset(_keys_in(document))
    named = document.get("alsoKnownAs")
    names_identity = isinstance(named, list) and _IDENTITY + chain_id.hex() in named
    return Compared(found & keys, keys - found, found - keys, names_identity)


def _document(did: str, data: bytes) -> Mapping[str, Any]:
    if len(data) > MAX_DOCUMENT:
        raise MalformedError(f"document of {did}: expected at most {MAX_DOCUMENT} bytes, got more")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"document of {did}: expected JSON: {error}") from error
    if not isinstance(document, dict) or document.get("id") != did:
        raise MalformedError(f"document of {did}: expected one with this id, found another or none")
    return document


def _keys_in(document: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the Ed25519 keys that may make assertions; methods of other kinds are none of ours."""
    asserting = document.get("assertionMethod")
    listed = document.get("verificationMethod")
    if not isinstance(asserting, list) or not isinstance(listed, list) or len(asserting) + len(listed) > _MAX_METHODS:
        return
    allowed = {item for item in asserting if isinstance(item, str)}
    did = document["id"]
    for method in [*listed, *(item for item in asserting if isinstance(item, dict))]:
        if not isinstance(method, dict):
            continue
        name = method.get("id")
        is_allowed = name in allowed or (did + name if isinstance(name, str) else "") in allowed or method in asserting
        key = _key_of(method) if is_allowed else None
        if key is not None:
            yield key


def _key_of(method: Mapping[str, Any]) -> bytes | None:
    """Return the key of a method: as multibase (Multikey, Ed25519VerificationKey2020) or as a JWK (RFC 8037)."""
    multibase, jwk = method.get("publicKeyMultibase"), method.get("publicKeyJwk")
    try:
        if isinstance(multibase, str):
            return key_of_did(_DID_KEY + multibase)
        if isinstance(jwk, dict) and (jwk.get("kty"), jwk.get("crv")) == ("OKP", "Ed25519"):
            key = urlsafe_b64decode(str(jwk.get("x", "")) + "==")
            return key if len(key) == HASH_SIZE else None
    except (ValueError, MalformedError):
        return None
    return None

"""Makes ``envelope.json``: entries with envelopes, readers' keys, and what opening comes to; most go wrong.

HPKE is built here a second time, of RFC 9180's steps over X25519, HMAC and AES-GCM, with ephemeral keys that are given:
the product's library makes its own, and only opens what is made here. ``python -m tests.vectors.make_envelope_vectors``
in the repository's root writes the file; ``tests/unit/client/test_envelope_vectors.py`` runs every case.
"""

import hmac
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from anchor.bitcoin.key_cipher import Cost
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType, content_commitment
from chains.client.envelope import Envelope, EnvelopeFault, WrappedKey, padded, reader_id, reader_text
from chains.client.keyed_ids import keyed_id
from chains.secret_file import SecretFile, SecretKind, encrypted_secret

FILE = Path(__file__).with_name("envelope.json")
ABOUT = (
    "Encrypted contents: docs/spec/envelope.md. open wants the salt and content that a reader's private key opens, or "
    "want_error; keyed_id wants the external id of a name; hpke has RFC 9180's steps one by one; reader_key wants the "
    "private key in a file, with its password. Bytes are hex."
)
Json = dict[str, Any]
CHAIN = sha256(b"the chain of the vectors")
SALT = sha256(b"salt")[:16]
CONTENT = b"born 1987-03-14"
CONTENT_KEY = sha256(b"content key")
NONCE = sha256(b"nonce")[:12]
ANNA, BEN = sha256(b"anna's key"), sha256(b"ben's key")


# --- HPKE in base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM: RFC 9180, sections 4, 4.1 and 5.1

KEM_SUITE = b"KEM" + (0x0020).to_bytes(2, "big")
HPKE_SUITE = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (0x0020, 0x0001, 0x0002))


def labeled_extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def labeled_expand(suite: bytes, key: bytes, label: bytes, info: bytes, size: int) -> bytes:
    """One block of HKDF-Expand is enough: 32 bytes at most."""
    labeled = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labeled + b"\x01", "sha256")[:size]


def public_of(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def hpke_seal(ephemeral: bytes, public_key: bytes, info: bytes, plaintext: bytes) -> tuple[bytes, Json]:
    """Return what HPKE makes of a plaintext with this ephemeral key, and every value on the way."""
    shared = X25519PrivateKey.from_private_bytes(ephemeral).exchange(X25519PublicKey.from_public_bytes(public_key))
    enc = public_of(ephemeral)
    extracted = labeled_extract(KEM_SUITE, b"", b"eae_prk", shared)
    shared_secret = labeled_expand(KEM_SUITE, extracted, b"shared_secret", enc + public_key, 32)
    context = b"\x00" + labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
    context += labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    secret = labeled_extract(HPKE_SUITE, shared_secret, b"secret", b"")
    key = labeled_expand(HPKE_SUITE, secret, b"key", context, 32)
    nonce = labeled_expand(HPKE_SUITE, secret, b"base_nonce", context, 12)
    steps = {"enc": enc, "shared_secret": shared_secret, "key": key, "base_nonce": nonce}
    return enc + AESGCM(key).encrypt(nonce, plaintext, b""), {name: value.hex() for name, value in steps.items()}


# --- entries


def wrapped(private: bytes, entry_hash: bytes, content_key: bytes = CONTENT_KEY) -> WrappedKey:
    ephemeral = sha256(b"ephemeral" + private + entry_hash)
    info = b"anchorline/envelope-key/v1\n" + entry_hash
    return WrappedKey(reader_id(public_of(private)), hpke_seal(ephemeral, public_of(private), info, content_key)[0])


def entry_over(content: bytes, text: bytes | None = None, bound: bytes | None = None) -> tuple[Entry, Envelope]:
    """Return an entry over content, and its envelope for Anna and Ben; ``text`` is what is encrypted instead."""
    commitment = content_commitment(SALT, sha256(content))
    bound = b"anchorline/envelope/v1\n" + CHAIN + commitment if bound is None else bound
    box = NONCE + AESGCM(CONTENT_KEY).encrypt(NONCE, padded(SALT, content) if text is None else text, bound)
    entry = Entry(CHAIN, commitment, extensions=(Extension(ExtensionType.ENVELOPE, sha256(box)),))
    keys = sorted((wrapped(private, entry.hash) for private in (ANNA, BEN)), key=lambda each: each.reader)
    return entry, Envelope(entry.hash, tuple(keys), box)


def case(about: str, entry: Entry, envelope: bytes, want: Json, private: bytes = ANNA) -> Json:
    return {
        "check": "open",
        "description": about,
        "entry": entry.encode().hex(),
        "envelope": envelope.hex(),
        "private_key": private.hex(),
        "reader": reader_text(public_of(private)),
        **want,
    }


def cases() -> Iterator[Json]:
    """Yield every case."""
    info = b"anchorline/envelope-key/v1\n" + sha256(b"an entry's hash")
    sealed, steps = hpke_seal(sha256(b"ephemeral"), public_of(ANNA), info, CONTENT_KEY)
    yield {
        "check": "hpke",
        "description": "a content key of 32 bytes, wrapped",
        "ephemeral": sha256(b"ephemeral").hex(),
        "private_key": ANNA.hex(),
        "public_key": public_of(ANNA).hex(),
        "info": info.hex(),
        "plaintext": CONTENT_KEY.hex(),
        "steps": steps,
        "want": sealed.hex(),
    }
    yield from opened()
    yield from refused()
    yield from reader_keys()
    for namespace, name in (("patient", "4711"), ("", "4711"), ("case", "Grün")):
        yield {
            "check": "keyed_id",
            "description": f"{name!r} in {namespace!r}",
            "search_key": CONTENT_KEY.hex(),
            "namespace": namespace,
            "name": name,
            "want": keyed_id(CONTENT_KEY, namespace, name).value.hex(),
        }


def opened() -> Iterator[Json]:
    for about, content in (
        ("a birthday", CONTENT),
        ("nothing", b""),
        ("a padded length", bytes(range(256)) * 2),
        ("zeros at the end, which are content", b"zeros" + bytes(9)),
    ):
        entry, envelope = entry_over(content)
        want = {"want": {"salt": SALT.hex(), "content": content.hex()}}
        yield case(about, entry, envelope.encode(), want)
    yield case("the other reader", entry, envelope.encode(), want, BEN)
    yield case("one reader", entry, replace(envelope, keys=(wrapped(BEN, entry.hash),)).encode(), want, BEN)


def refused() -> Iterator[Json]:
    entry, envelope = entry_over(CONTENT)
    other, beside = entry_over(b"another")
    data, place = envelope.encode(), len(envelope.encode()) - len(envelope.box)

    def no(about: str, error: str, made: bytes, of: Entry = entry, private: bytes = ANNA) -> Json:
        return case(about, of, made, {"want_error": error}, private)

    malformed = "malformed"
    yield no("another magic", malformed, b"ALF" + data[3:])
    yield no("another version", "unknown-version", b"ALE\x02" + data[4:])
    yield no("cut in the readers", malformed, data[:100])
    yield no("a box with no room", malformed, data[: place + 200])
    yield no("nothing", malformed, b"")
    yield no("more readers than it has", malformed, data[:36] + b"\x00\x05" + data[38:])
    yield no("readers in another order", malformed, data[:38] + data[150:262] + data[38:150] + data[262:])
    yield no("a reader twice", malformed, data[:38] + data[38:150] * 2 + data[262:])
    yield no("of another entry", EnvelopeFault.ANOTHER_ENTRY, beside.encode())
    yield no("for another entry", EnvelopeFault.ANOTHER_ENTRY, data, other)
    plain = replace(entry, extensions=())
    yield no(
        "an entry that names none",
        EnvelopeFault.NOT_ENCRYPTED,
        replace(envelope, entry_hash=plain.hash).encode(),
        plain,
    )
    for at, what in ((0, "the nonce"), (12, "the ciphertext"), (len(envelope.box) - 1, "the tag")):
        box = bytearray(envelope.box)
        box[at] ^= 0x80
        yield no(f"{what} changed", EnvelopeFault.CHANGED, replace(envelope, box=bytes(box)).encode())
    yield no("zeros behind the box", EnvelopeFault.CHANGED, data + bytes(16))
    yield no("a stranger's key", EnvelopeFault.NO_READER, data, private=sha256(b"a stranger"))
    yield no("no reader left", EnvelopeFault.NO_READER, replace(envelope, keys=()).encode())
    keys = tuple(sorted(beside.keys, key=lambda each: each.reader))
    yield no("keys of another entry", EnvelopeFault.KEY_WRONG, replace(envelope, keys=keys).encode())
    for at, what in ((0, "the ephemeral key"), (32, "the wrapped key"), (79, "its tag")):
        wrap = bytearray(envelope.key_of(reader_id(public_of(ANNA))).wrap)
        wrap[at] ^= 1
        made = replace(envelope, keys=(WrappedKey(reader_id(public_of(ANNA)), bytes(wrap)),))
        yield no(f"{what} changed", EnvelopeFault.KEY_WRONG, made.encode())
    zeros = WrappedKey(reader_id(public_of(ANNA)), bytes(80))
    yield no("an ephemeral key of small order", EnvelopeFault.KEY_WRONG, replace(envelope, keys=(zeros,)).encode())
    another = replace(envelope, keys=(wrapped(ANNA, entry.hash, sha256(b"another key")),))
    yield no("another content key", EnvelopeFault.CONTENT_WRONG, another.encode())
    text = padded(SALT, CONTENT)
    for about, error, forged, bound in (
        ("bound to another chain", EnvelopeFault.CONTENT_WRONG, text, b"anchorline/envelope/v1\n" + bytes(64)),
        ("something behind the content", EnvelopeFault.PADDING_WRONG, text[:-1] + b"\x01", None),
        ("a length past the end", EnvelopeFault.PADDING_WRONG, SALT + b"\x7f" + text[17:], None),
        ("a length one too short", EnvelopeFault.PADDING_WRONG, text[:23] + bytes((text[23] - 1,)) + text[24:], None),
        ("a length one too long", EnvelopeFault.NOT_COMMITTED, text[:23] + bytes((text[23] + 1,)) + text[24:], None),
        ("another content", EnvelopeFault.NOT_COMMITTED, padded(SALT, CONTENT.upper()), None),
        ("another salt", EnvelopeFault.NOT_COMMITTED, padded(bytes(16), CONTENT), None),
    ):
        of, made_by = entry_over(CONTENT, forged, bound)
        yield no(f"a writer's own: {about}", error, made_by.encode(), of)


# --- files of readers' keys

PASSWORD = "Träger und Balken"  # of a key that everybody can read here
CHEAPEST = Cost(n=2**14)


def reader_keys() -> Iterator[Json]:
    """Files of Anna's key, in clear and under a password, and what is wrong with others."""
    public, randomness = reader_text(public_of(ANNA)), sha256(b"salt and nonce of a file")[:28]
    plain = SecretFile(SecretKind.READER_KEY, public, plain=ANNA).encode().decode()
    sealed = encrypted_secret(SecretKind.READER_KEY, public, ANNA, PASSWORD, randomness, CHEAPEST).encode().decode()

    def of(description: str, file: str, password: str = PASSWORD, error: str | None = None) -> Json:
        want = {"want": ANNA.hex()} if error is None else {"want_error": error}
        return {"check": "reader_key", "description": description, "file": file, "password": password, **want}

    yield of("a key in clear", plain, "")
    yield of("a key under a password", sealed)
    yield of("the password in the other form of Unicode", sealed, unicodedata.normalize("NFD", PASSWORD))
    wrong, malformed = "wrong-password", "malformed"
    yield of("another password", sealed, PASSWORD.upper(), wrong)
    yield of("no password", sealed, "", wrong)
    swapped = re.sub(r'("ciphertext": ")(..)(..)', r"\1\3\2", sealed)
    yield of("the ciphertext changed", swapped, PASSWORD, wrong)
    other = reader_text(public_of(BEN))
    yield of("under a password, another's public key", sealed.replace(public, other), PASSWORD, wrong)
    yield of("in clear, another's public key", plain.replace(public, other), "", wrong)
    yield of("a cost that was not used", sealed.replace("16384", "32768"), PASSWORD, wrong)
    for about, n in (("too low", "8192"), ("too high", "2097152"), ("no power of two", "16385")):
        yield of(f"a cost that is {about}", sealed.replace("16384", n), PASSWORD, malformed)
    yield of(
        "more memory than a key may cost",
        sealed.replace("16384", "1048576").replace('"r": 8', '"r": 16'),
        "",
        malformed,
    )
    yield of("a nonce that is cut", re.sub(r'("nonce": ")..', r"\1", sealed), PASSWORD, malformed)
    yield of("a key that is cut", plain.replace(ANNA.hex(), ANNA.hex()[2:]), "", malformed)
    yield of("a key twice", plain.replace('"public"', '"encrypted": {},\n "public"'), "", malformed)
    yield of("a search key", plain.replace("reader-key/1", "search-key/1"), "", malformed)
    yield of("another version", plain.replace("reader-key/1", "reader-key/2"), "", "unknown-version")


def text() -> str:
    """Return the file."""
    return json.dumps({"about": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())

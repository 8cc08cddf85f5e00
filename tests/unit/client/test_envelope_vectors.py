"""Every case of ``envelope.json``, which the browser verifier runs too: HPKE, opening, and keyed ids."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from anchor.errors import SettingsError, WrongPasswordError
from anchor.proof.entry import Entry
from anchor.proof.errors import MalformedError, UnknownVersionError
from chains.client.encrypting import ReaderKey, open_envelope
from chains.client.envelope import Envelope, EnvelopeError
from chains.client.keyed_ids import keyed_id
from chains.secret_file import SecretKind, read_secret, unlocked_reader_key
from tests.vectors import make_envelope_vectors as maker

CASES = json.loads(maker.FILE.read_text())["cases"]


def of(check: str) -> list[Any]:
    return [pytest.param(case, id=case["description"]) for case in CASES if case["check"] == check]


def found(case: dict[str, Any]) -> dict[str, Any]:
    """Return what opening comes to, as the vectors write it."""
    key = ReaderKey(bytes.fromhex(case["private_key"]))
    assert case["reader"] == key.text
    try:
        envelope = Envelope.decode(bytes.fromhex(case["envelope"]))
        opened = open_envelope(envelope, Entry.decode(bytes.fromhex(case["entry"])), key)
    except UnknownVersionError:
        return {"want_error": "unknown-version"}
    except MalformedError:
        return {"want_error": "malformed"}
    except EnvelopeError as error:
        return {"want_error": error.fault.value}
    return {"want": {"salt": opened.salt.hex(), "content": opened.content.hex()}}


def key_found(case: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the key in a file that is written to ``path``, as the vectors write it."""
    path.touch(mode=0o600)
    path.write_text(case["file"])
    try:
        file = read_secret(path, SecretKind.READER_KEY)
        return {"want": unlocked_reader_key(file, lambda: case["password"]).private_bytes().hex()}
    except WrongPasswordError:
        return {"want_error": "wrong-password"}
    except SettingsError as error:
        return {"want_error": "unknown-version" if "newer Anchorline" in str(error) else "malformed"}


def test_the_file_is_what_its_script_makes() -> None:
    """Every byte; so a case is changed in the script."""
    assert maker.text() == maker.FILE.read_text()


@pytest.mark.parametrize("case", of("open"))
def test_opening(case: dict[str, Any]) -> None:
    """A reader opens exactly what the entry commits to; everything else has a name."""
    assert {name: case[name] for name in ("want", "want_error") if name in case} == found(case)


@pytest.mark.parametrize("case", of("reader_key"))
def test_files_of_keys(case: dict[str, Any], tmp_path: Path) -> None:
    """A file gives the key that it names, to who knows its password; what costs too much is not even tried."""
    expected = {name: case[name] for name in ("want", "want_error") if name in case}
    assert expected == key_found(case, tmp_path / "key")


@pytest.mark.parametrize("case", of("hpke"))
def test_the_library_opens_what_the_rfcs_steps_make(case: dict[str, Any]) -> None:
    """Two builders of HPKE agree: the steps as RFC 9180 has them, and the library."""
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(case["private_key"]))
    opened = suite.decrypt(bytes.fromhex(case["want"]), private, bytes.fromhex(case["info"]))
    assert case["plaintext"] == opened.hex()


@pytest.mark.parametrize("case", of("keyed_id"))
def test_keyed_ids(case: dict[str, Any]) -> None:
    """HMAC-SHA-256 over namespace, zero and name."""
    assert case["want"] == keyed_id(bytes.fromhex(case["search_key"]), case["namespace"], case["name"]).value.hex()

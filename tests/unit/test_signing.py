"""Keys and key files: what RFC 8032 gives, who may read them, and which signatures hold.

Reference values are the RFC's own test vectors; edge cases of points come from the shared Ed25519 vectors.
"""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from anchor.errors import SettingsError
from anchor.proof import ed25519
from anchor.signing import SigningKey, check_signature, read_private_file, write_private_file

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors/ed25519.json").read_text())["cases"]
# RFC 8032 section 7.1: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24"
            "655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee"
            "b00d291612bb0c00"
        ),
    ),
]


@pytest.mark.parametrize(("seed", "public_key", "message", "signature"), RFC_8032)
def test_signatures_are_the_rfc_s(seed: str, public_key: str, message: str, signature: str) -> None:
    """The test vectors of RFC 8032 section 7.1 come out byte for byte, and again when repeated."""
    key = SigningKey(bytes.fromhex(seed))
    assert public_key == key.public_key.hex()
    assert [signature] * 2 == [key.sign(bytes.fromhex(message)).hex() for _ in range(2)]


def test_every_new_key_is_another_one() -> None:
    """Generated keys come from the system's randomness."""
    assert 20 == len({SigningKey.generate().public_key for _ in range(20)})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['description']}")
def test_the_fast_check_is_the_rule(case: dict[str, Any]) -> None:
    """OpenSSL behind the point checks says what the shared vectors want, and what the plain verifier says."""
    inputs = [bytes.fromhex(case[name]) for name in ("public_key", "message", "signature")]
    assert case["want"] == check_signature(*inputs)
    assert case["want"] == ed25519.verify(*inputs)


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    """A saved key is read back as the same key; the file is its owner's only."""
    key = SigningKey.generate()
    path = tmp_path / "promise.pem"
    key.save(path)
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert key.public_key == SigningKey.load(path).public_key
    assert key.sign(b"text") == SigningKey.load(path).sign(b"text")


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """Saving over an existing file is refused, and leaves it as it was."""
    path = tmp_path / "promise.pem"
    SigningKey.generate().save(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="never overwritten"):
        SigningKey.generate().save(path)
    assert before == path.read_bytes()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o610, 0o666])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    """Any permission of group or others makes the key suspect; the message says how to mend it."""
    path = tmp_path / "promise.pem"
    SigningKey.generate().save(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        SigningKey.load(path)


def test_a_missing_key_file_is_an_error(tmp_path: Path) -> None:
    """A key that is not there is refused with advice."""
    with pytest.raises(SettingsError, match="backup of the keys"):
        SigningKey.load(tmp_path / "promise.pem")


def test_other_contents_are_no_key(tmp_path: Path) -> None:
    """Text that is no PEM, an encrypted key and a key of another kind are refused by name."""
    other = X25519PrivateKey.generate()
    pems = {
        "no PEM": b"hello",
        "empty": b"",
        "encrypted": other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        "another kind": other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    for name, pem in pems.items():
        path = tmp_path / name
        write_private_file(path, pem)
        with pytest.raises(SettingsError, match="Ed25519"):
            SigningKey.load(path)


def test_a_private_file_keeps_its_bytes(tmp_path: Path) -> None:
    """Other secrets (the wallet's) are written and read by the same rules."""
    path = tmp_path / "wallet.json"
    write_private_file(path, b"\x00secret\xff")
    assert b"\x00secret\xff" == read_private_file(path)
    with pytest.raises(SettingsError, match="never overwritten"):
        write_private_file(path, b"other")

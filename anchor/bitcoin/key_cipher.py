"""A secret encrypted under a password: scrypt makes the key (RFC 7914), AES-256-GCM seals (NIST SP 800-38D).

The secret and what is bound to it come from ``key_file``, the password from whoever may sign. Nothing here touches a
file, and no message repeats a secret or a password.
"""

import unicodedata
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from anchor.errors import SettingsError, WrongPasswordError
from anchor.proof.strictjson import Fields

SALT_SIZE = 16
NONCE_SIZE = 12
KEY_SIZE = 32
# Secrets of all kinds fill the same space, so that the size of a file says nothing about what is in it.
PADDED_SIZE = 256
TAG_SIZE = 16
LEAST_PASSWORD = 8
"""Characters of a new password; scrypt makes each guess cost a tenth of a second and 128 MiB, not more."""
# What may be asked of a machine that opens a file: more is a damaged file, or a trap.
_N_RANGE = (2**14, 2**20)
_R_RANGE = (8, 16)
_P_RANGE = (1, 4)
_MAX_MEMORY = 1 << 28


@dataclass(frozen=True, slots=True)
class Cost:
    """The parameters of scrypt (RFC 7914 section 2): ``n`` rounds of 128 ``r`` bytes each, ``p`` times.

    The standard values take 128 MiB and about 0.3 s.
    """

    n: int = 2**17
    r: int = 8
    p: int = 1

    def check(self) -> None:
        """Raise SettingsError where a file asks for more than a key should cost, or for less than protects it."""
        named = zip(("n", "r", "p"), (self.n, self.r, self.p), (_N_RANGE, _R_RANGE, _P_RANGE), strict=True)
        for name, value, (low, high) in named:
            if not low <= value <= high:
                raise SettingsError(f"scrypt {name}: expected {low} to {high}, found {value}; the key file is damaged")
        if self.n & (self.n - 1):
            raise SettingsError(f"scrypt n: expected a power of two, found {self.n}; the key file is damaged")
        if 128 * self.n * self.r > _MAX_MEMORY:
            raise SettingsError(
                f"scrypt: expected at most {_MAX_MEMORY >> 20} MiB, found n {self.n} and r {self.r}, which take "
                f"{128 * self.n * self.r >> 20}; the key file is damaged"
            )


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted secret: what the password must be stretched with, and the ciphertext with its tag behind."""

    cost: Cost
    salt: bytes
    nonce: bytes
    ciphertext: bytes = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Return it as files have it (JSON)."""
        return {
            "scrypt": {"n": self.cost.n, "r": self.cost.r, "p": self.cost.p, "salt": self.salt.hex()},
            "aes_256_gcm": {"nonce": self.nonce.hex(), "ciphertext": self.ciphertext.hex()},
        }

    @classmethod
    def read(cls, fields: Fields, most_bytes: int) -> "Sealed":
        """Read what ``facts`` wrote, and the end of these fields; the ciphertext has ``most_bytes`` at most.

        Raises MalformedError.
        """
        scrypt = Fields(fields.take("scrypt"), "scrypt")
        cost = Cost(scrypt.integer("n"), scrypt.integer("r"), scrypt.integer("p"))
        salt = scrypt.hex("salt", maximum=64)
        scrypt.end()
        cipher = Fields(fields.take("aes_256_gcm"), "aes_256_gcm")
        nonce, ciphertext = cipher.hex("nonce", maximum=64), cipher.hex("ciphertext", maximum=most_bytes)
        cipher.end()
        fields.end()
        return cls(cost, salt, nonce, ciphertext)


def check_new_password(password: str) -> None:
    """Raise SettingsError for a password that is too short to protect anything."""
    if len(password) < LEAST_PASSWORD:
        raise SettingsError(f"password: expected at least {LEAST_PASSWORD} characters, got {len(password)}")


def seal(
    secret: bytes, bound: bytes, password: str, randomness: bytes, cost: Cost, padded_size: int = PADDED_SIZE
) -> Sealed:
    """Encrypt a secret of less than ``padded_size`` bytes without zero bytes; opening must present ``bound`` again.

    ``randomness`` is 28 fresh bytes. Raises SettingsError for a password shorter than 8 characters.
    """
    check_new_password(password)
    cost.check()
    assert len(randomness) == SALT_SIZE + NONCE_SIZE
    assert len(secret) < padded_size
    salt, nonce = randomness[:SALT_SIZE], randomness[SALT_SIZE:]
    padded = secret.ljust(padded_size, b"\x00")
    ciphertext = AESGCM(_key(password, salt, cost)).encrypt(nonce, padded, _all_bound(bound, cost, salt))
    return Sealed(cost, salt, nonce, ciphertext)


def unseal(sealed: Sealed, bound: bytes, password: str, padded_size: int = PADDED_SIZE) -> bytes:
    """Return the secret, which was padded to ``padded_size`` bytes.

    Raises WrongPasswordError where the password is another, or where anything of the file was changed: the two cannot
    be told apart. Raises SettingsError for parameters that cost too much, before anything is computed.
    """
    sealed.cost.check()
    sizes = (SALT_SIZE, NONCE_SIZE, padded_size + TAG_SIZE)
    found = (len(sealed.salt), len(sealed.nonce), len(sealed.ciphertext))
    if sizes != found:
        raise SettingsError(f"expected salt, nonce and ciphertext of {sizes} bytes, found {found}; the key file is cut")
    key = _key(password, sealed.salt, sealed.cost)
    try:
        padded = AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, _all_bound(bound, sealed.cost, sealed.salt))
    except InvalidTag:
        raise WrongPasswordError("the password does not open the key file, or the file was changed") from None
    return padded.rstrip(b"\x00")


def _all_bound(bound: bytes, cost: Cost, salt: bytes) -> bytes:
    """The associated data: a file with another cost, salt or descriptor does not open (the nonce counts anyhow)."""
    return bound + f"scrypt {cost.n} {cost.r} {cost.p} {salt.hex()}\n".encode("ascii")


def _key(password: str, salt: bytes, cost: Cost) -> bytes:
    """Stretch a password; NFC, so that a letter typed on another keyboard is the same letter (UAX 15)."""
    stretched = Scrypt(salt=salt, length=KEY_SIZE, n=cost.n, r=cost.r, p=cost.p)
    return stretched.derive(unicodedata.normalize("NFC", password).encode())

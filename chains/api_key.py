"""The text of an API key: how it is made and read, and what of it is stored. Pure.

``chains.api_keys`` makes and checks keys with it; the text itself is shown once, to whoever asked for the key, and is
kept nowhere here.
"""

import base64
import re
from collections.abc import Callable

from anchor.proof.codec import sha256

RandomBytes = Callable[[int], bytes]
"""Returns so many random bytes; ``os.urandom`` outside of tests."""
KEY_ID_BYTES = 5
SECRET_BYTES = 32
# "al_", 5 bytes in base32 (the key id, visible), "_", 32 bytes in base64url without padding: 55 characters.
_FORM = re.compile(r"(al_[a-z2-7]{8})_[A-Za-z0-9_-]{43}", re.ASCII)

_SECRET = re.compile(r"(al_[a-z2-7]{8})_[A-Za-z0-9_-]+", re.ASCII)


def make_token(random: RandomBytes) -> str:
    """Return a new key of 256 random bits behind 40 visible ones."""
    visible = base64.b32encode(random(KEY_ID_BYTES)).decode().lower()
    return f"al_{visible}_{make_secret(random)}"


def make_secret(random: RandomBytes) -> str:
    """Return 256 random bits as text of 43 characters, as they stand in a key and in the cookie of a session."""
    return base64.urlsafe_b64encode(random(SECRET_BYTES)).decode().rstrip("=")


def key_id_of(token: str) -> str | None:
    """Return the visible part of a key, by which it is found and named; None for what is no key by its form."""
    found = _FORM.fullmatch(token)
    return found[1] if found else None


def masked(text: str) -> str:
    """Return a text without the secret part of any key, or beginning of one, in it: for errors and logs."""
    return _SECRET.sub(r"\1_...", text)


def token_hash(token: str) -> bytes:
    """Return what is stored of a key: its SHA-256. A slow hash would add nothing to 256 random bits.

    Other text than ASCII is no key, and has the hash of its UTF-8 (lone surrogates escaped), so that it is refused by
    comparing, as every other wrong key.
    """
    return sha256(token.encode("utf-8", "surrogatepass"))

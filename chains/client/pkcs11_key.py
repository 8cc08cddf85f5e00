# SPDX-License-Identifier: Apache-2.0
"""Author's keys in a PKCS #11 token (a smart card, a hardware module): they sign there and are never outside.

Input is a ``TokenKey`` and the token's PIN; needs the package ``python-pkcs11`` (the extra ``pkcs11``). Whoever signs
entries takes a ``Pkcs11Key`` as any ``AuthorKey``.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pkcs11
from pkcs11.constants import Attribute, ObjectClass
from pkcs11.mechanisms import KeyType, Mechanism

from anchor.proof import ed25519
from chains.client.pkcs11_uri import TokenKey
from chains.client.signing import SigningError

# edwards25519 by its object identifier 1.3.101.112, in DER: what CKA_EC_PARAMS must be (PKCS #11 v3.0, section 2.3.5).
_EDWARDS25519 = bytes.fromhex("06032b6570")
# The point is a DER octet string of 32 bytes; some modules leave its two bytes of header out.
_POINT_HEADER = b"\x04\x20"
_KEY_SIZE = 32


class Pkcs11Key:
    """An Ed25519 key inside a token, with the session in which it signs; ``close`` ends it."""

    def __init__(self, session: Any, private: Any, public_key: bytes) -> None:
        self._session = session
        self._private = private
        self.public_key = public_key

    def close(self) -> None:
        """End the session; the last one of a token in this process logs out."""
        self._session.close()

    def sign(self, message: bytes) -> bytes:
        """Return the signature over ``message`` (CKM_EDDSA, pure); raise SigningError where the token makes none."""
        try:
            signature = bytes(self._private.sign(message, mechanism=Mechanism.EDDSA))
        except pkcs11.PKCS11Error as error:
            raise SigningError(f"the token does not sign: {_named(error)}") from error
        if not ed25519.verify(self.public_key, message, signature):
            raise SigningError(f"the token's signature is not one by key {self.public_key.hex()}")
        return signature


def token_key(wanted: TokenKey, pin: Callable[[], str], *, make: bool = False) -> Pkcs11Key:
    """Return a key of a token; with ``make`` it is made inside, not extractable, where it is not there yet.

    Raises SigningError.
    """
    try:
        library = pkcs11.lib(wanted.module_path)
    except (pkcs11.PKCS11Error, RuntimeError) as error:
        raise SigningError(f"{wanted.module_path}: expected a PKCS #11 module: {_named(error)}") from error
    with ExitStack() as stack:
        try:
            token = library.get_token(token_label=wanted.token, token_serial=_serial(wanted))
            session = _opened(token, pin(), rw=make)
            stack.callback(session.close)
            if make and not _keys(session, wanted, ObjectClass.PRIVATE_KEY):
                _make(session, wanted)
            found = _only_key(session, wanted)
        except pkcs11.PKCS11Error as error:
            raise SigningError(f"token {wanted.token or wanted.serial}: {_named(error)}") from error
        stack.pop_all()
        return found


def _opened(token: Any, pin: str, *, rw: bool) -> Any:
    """Open a session and log in; a process logs in to a token once, for all of its sessions (PKCS #11 v3.0, 5.6.8)."""
    try:
        return token.open(user_pin=pin, rw=rw)
    except pkcs11.UserAlreadyLoggedIn:
        return token.open(rw=rw)


def _only_key(session: Any, wanted: TokenKey) -> Pkcs11Key:
    found = _keys(session, wanted, ObjectClass.PRIVATE_KEY)
    points = [_point(key) for key in _keys(session, wanted, ObjectClass.PUBLIC_KEY)]
    if len(found) != 1 or len(points) != 1:
        raise SigningError(
            f"token {wanted.token or wanted.serial}: expected one Ed25519 key {wanted.label or wanted.key_id!r} with "
            f"its public key, found {len(found)} private and {len(points)} public ones"
        )
    return Pkcs11Key(session, found[0], points[0])


def _serial(wanted: TokenKey) -> bytes | None:
    return None if wanted.serial is None else wanted.serial.encode()


def _keys(session: Any, wanted: TokenKey, kind: ObjectClass) -> list[Any]:
    asked: dict[Attribute, Any] = {Attribute.CLASS: kind, Attribute.KEY_TYPE: KeyType.EC_EDWARDS}
    if wanted.label is not None:
        asked[Attribute.LABEL] = wanted.label
    if wanted.key_id is not None:
        asked[Attribute.ID] = wanted.key_id
    return list(session.get_objects(asked))


def _make(session: Any, wanted: TokenKey) -> None:
    """Make a pair inside the token; the private key is sensitive and can never be exported or wrapped."""
    parameters = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _EDWARDS25519}, local=True)
    parameters.generate_keypair(
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
        store=True,
        label=wanted.label,
        id=wanted.key_id,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.SIGN: True},
    )


def _point(public: Any) -> bytes:
    point = bytes(public[Attribute.EC_POINT])
    return point.removeprefix(_POINT_HEADER) if len(point) == _KEY_SIZE + len(_POINT_HEADER) else point


def _named(error: Exception) -> str:
    """Return what went wrong: the errors of python-pkcs11 have their meaning in their names."""
    return str(error) or type(error).__name__

"""Tests of keys in a PKCS #11 token: SoftHSM 2, the module of Debian's package ``softhsm2``, and URIs of RFC 7512.

Input is a token that is made for this module alone; the module is loaded into this process with its settings.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest

from anchor.proof import ed25519
from anchor.proof.errors import MalformedError
from chains.client.pkcs11_uri import TokenKey
from chains.client.signing import SigningError
from tests.signers import PIN, SOFTHSM, new_token


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A new token called ``acme works``: a URI of its keys."""
    with new_token(tmp_path_factory.mktemp("token")) as uri:
        yield uri


def wanted(uri: str) -> TokenKey:
    return TokenKey.decode(uri, {})


@pytest.mark.softhsm
def test_a_key_is_made_inside_and_signs_by_our_rule(token: str) -> None:
    """The key is found again by its label, its signatures are Ed25519 ones, and it was never outside."""
    import pkcs11  # noqa: PLC0415  # of the extra

    from chains.client.pkcs11_key import token_key  # noqa: PLC0415  # needs the package of the extra

    press = wanted(token.format("press"))
    with pytest.raises(SigningError, match="found 0 private"):
        token_key(press, lambda: PIN)
    with closing(token_key(press, lambda: PIN, make=True)) as made, closing(token_key(press, lambda: PIN)) as key:
        assert made.public_key == key.public_key
        for message in (b"", b"anchorline/entry/v1\n" + bytes(4096)):
            assert ed25519.verify(made.public_key, message, key.sign(message))
    with closing(token_key(press, lambda: PIN, make=True)) as again:
        assert made.public_key == again.public_key
    with pkcs11.lib(str(SOFTHSM)).get_token(token_label="acme works").open(user_pin=PIN) as session:
        [private] = session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY})
        asked = (pkcs11.Attribute.EXTRACTABLE, pkcs11.Attribute.SENSITIVE, pkcs11.Attribute.NEVER_EXTRACTABLE)
        assert [False, True, True] == [private[each] for each in asked]
        with pytest.raises(pkcs11.PKCS11Error):
            private[pkcs11.Attribute.VALUE]


@pytest.mark.softhsm
@pytest.mark.parametrize(
    ("uri", "pin", "says"),
    [
        ("pkcs11:token=acme%20works;object=press?module-path=MODULE", "1111", "PinIncorrect"),
        ("pkcs11:token=nobody;object=press?module-path=MODULE", PIN, "token nobody"),
        ("pkcs11:token=acme%20works;id=%07?module-path=MODULE", PIN, "found 0 private"),
        ("pkcs11:token=acme%20works;object=press?module-path=/none.so", PIN, "expected a PKCS #11 module"),
    ],
)
def test_what_keeps_a_token_from_signing_is_named(token: str, uri: str, pin: str, says: str) -> None:
    """A wrong PIN, another token, no such key, no such module: each says what it is."""
    from chains.client.pkcs11_key import token_key  # noqa: PLC0415  # needs the package of the extra

    assert token
    with pytest.raises(SigningError, match=says):
        token_key(wanted(uri.replace("MODULE", str(SOFTHSM))), lambda: pin)


def test_a_uri_names_token_key_and_module() -> None:
    """Percent-encoded text and bytes are read, and the module may come from the environment."""
    found = TokenKey.decode(
        "pkcs11:serial=ab%3b1;id=%00%ff;type=private?pin-source=file:/pin", {"PKCS11_MODULE_PATH": "m"}
    )
    assert TokenKey(None, "ab;1", None, b"\x00\xff", "m", "file:/pin") == found


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("pkcs11:", "expected a token"),
        ("pkcs11:token=a?module-path=m", "expected a token"),
        ("pkcs11:object=a?module-path=m", "expected a token"),
        ("pkcs11:token=a;object=b", "module-path"),
        ("pkcs11:token=a;token=b;object=b?module-path=m", "once at most"),
        ("pkcs11:token=a;object=b;slot-id=1?module-path=m", "once at most"),
        ("pkcs11:token=a;object=b;type=cert?module-path=m", "type=private"),
        ("pkcs11:token=a;object=%ff?module-path=m", "in UTF-8"),
        ("pkcs11:token=a;object=b?module-path=m&pin-value=1", "use pin-source"),
    ],
)
def test_a_uri_that_cannot_be_meant(uri: str, says: str) -> None:
    """What is missing, twice there, unknown or a PIN for all to read, is refused."""
    with pytest.raises(MalformedError, match=says):
        wanted(uri)

"""Time stamps in the browser: ``verify.html`` says of a token what ``anchor.timestamp_token`` says, by WebCrypto alone.

Tokens are those of ``tests/simulators/timestamp_authority.py``, with every lie that it can tell, and ``openssl ts``'s
with keys of other kinds. That a page cannot check revocation is said in each verdict.
"""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from playwright.sync_api import Page

from anchor import der
from anchor.certificates import load_certificates
from anchor.proof.errors import MalformedError, VerificationError
from anchor.timestamp_token import timestamp_check
from tests.integration.test_openssl_timestamps import is_openssl_there
from tests.simulators.timestamp_authority import (
    AT,
    DATA,
    SHA384_OID,
    Certified,
    Stamped,
    certify,
    certify_root,
    certify_signer,
    key_named,
    stamp,
)
from tests.simulators.timestamp_server import OpensslAuthority

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IMPRINT = bytes(range(32))
ROOT = certify_root()
SIGNER = certify_signer(ROOT)
SAID = Stamped(IMPRINT)
TOKEN = stamp(SIGNER, SAID)
BETWEEN = certify("Between", ROOT, is_authority=True, serial=3)
BELOW = certify_signer(BETWEEN)
END = certify("End", ROOT, usage=(ExtendedKeyUsageOID.TIME_STAMPING,), serial=4)
OLD = AT - timedelta(days=7000)
OLD_ROOT = certify("Old Root", is_authority=True, first=OLD, last=OLD + timedelta(days=20))
OLD_SIGNER = certify(
    "Old", OLD_ROOT, usage=(ExtendedKeyUsageOID.TIME_STAMPING,), first=OLD, last=OLD + timedelta(days=10), serial=2
)
SHORT_ROOT = certify("Short", is_authority=True, last=AT - timedelta(days=1))
STRANGER = certify_root("Stranger")
STAMPING, SIGNING = ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING
SMALL = der.write(der.SEQUENCE, der.write(0x80, b"\x01\xf4"), der.write(0x81, b"\x07"))
CHANGED = 300


def said(**fields: Any) -> bytes:
    return stamp(SIGNER, replace(SAID, **fields))


TOKENS: dict[str, tuple[bytes, tuple[Certified, ...]]] = {
    "good": (TOKEN, (ROOT,)),
    "another root": (TOKEN, (STRANGER,)),
    "a root that only the token carries": (said(carried=(SIGNER.encoded, ROOT.encoded)), (STRANGER,)),
    "a fraction of a second": (said(time=b"20250615150700.25Z"), (ROOT,)),
    "milliseconds and microseconds": (said(accuracy=SMALL), (ROOT,)),
    "a negative accuracy": (said(accuracy=b"\x30\x03\x02\x01\xff"), (ROOT,)),
    "no accuracy": (said(accuracy=None), (ROOT,)),
    **{f"named by {way}": (said(named_by=way), (ROOT,)) for way in ("v1", "v2", "both", "sha384", "nothing")},
    "one between, carried": (stamp(BELOW, replace(SAID, carried=(BELOW.encoded, BETWEEN.encoded))), (ROOT,)),
    "one between, not there": (stamp(BELOW, SAID), (ROOT,)),
    "one between, given": (stamp(BELOW, SAID), (ROOT, BETWEEN)),
    "an issuer that may not issue": (stamp(certify_signer(END), SAID), (ROOT, END)),
    "expired since": (stamp(OLD_SIGNER, replace(SAID, time=f"{OLD:%Y%m%d%H%M%S}Z".encode())), (OLD_ROOT,)),
    "a root that had expired": (stamp(certify_signer(SHORT_ROOT), SAID), (SHORT_ROOT,)),
    "before its certificate": (said(time=b"20200101000000Z"), (ROOT,)),
    "after its certificate": (said(time=b"20400101000000Z"), (ROOT,)),
    "another imprint": (said(imprint=bytes(32)), (ROOT,)),
    "another digest": (said(digest=SHA384_OID), (ROOT,)),
    "another's signature": (said(spoil_signature=True), (ROOT,)),
    "over another content": (said(spoil_digest=True), (ROOT,)),
    "a root's name by another key": (stamp(certify_signer(Certified(key_named("x"), ROOT.certificate)), SAID), (ROOT,)),
    "no usage": (stamp(certify("Server", ROOT, serial=9), SAID), (ROOT,)),
    "another usage": (stamp(certify("Server", ROOT, usage=(SIGNING,), serial=9), SAID), (ROOT,)),
    "two usages": (stamp(certify("Server", ROOT, usage=(STAMPING, SIGNING), serial=9), SAID), (ROOT,)),
    "a usage that is not critical": (stamp(certify("Lax", ROOT, usage=(STAMPING,), critical=False), SAID), (ROOT,)),
    "names another certificate": (said(named=certify_signer(ROOT, serial=8).encoded), (ROOT,)),
    "carries another certificate": (said(carried=(ROOT.encoded,)), (ROOT,)),
    "carries none": (said(carried=()), (ROOT,)),
    "nothing": (b"", (ROOT,)),
    "cut short": (TOKEN[:-1], (ROOT,)),
    "a byte more": (TOKEN + b"\0", (ROOT,)),
    "another kind": (said(kind=DATA), (ROOT,)),
    "attributes of another kind": (said(attribute_kind=DATA), (ROOT,)),
    "two signers": (said(signers=2), (ROOT,)),
    "no signer": (said(signers=0), (ROOT,)),
    "no such month": (said(time=b"20251315150700Z"), (ROOT,)),
    "another zone": (said(time=b"20250615150700+0200"), (ROOT,)),
    "no seconds": (said(time=b"202506151507Z"), (ROOT,)),
}


def said_here(token: bytes, pem: bytes) -> list[str | None] | str:
    try:
        found = timestamp_check(load_certificates(pem, "the case"))(token, IMPRINT)
    except MalformedError:
        return "malformed"
    except VerificationError as error:
        return str(error.reason)
    return [found.authority, found.time, found.accuracy, found.policy, found.vouched_by]


def said_there(page: Page, cases: list[tuple[bytes, bytes]]) -> list[list[str | None] | str]:
    given = [{"token": token.hex(), "imprint": IMPRINT.hex(), "pem": pem.decode()} for token, pem in cases]
    found: list[list[str | None] | str] = page.evaluate("tokensSay", given)
    return found


def test_tokens(loaded: Page) -> None:
    """Of each kind of token both say who, when, how exact and on whose word, or refuse it under the same name."""
    cases = [(token, b"".join(item.pem for item in trusted)) for token, trusted in TOKENS.values()]
    expected = dict(zip(TOKENS, (said_here(*case) for case in cases), strict=True))
    assert expected == dict(zip(TOKENS, said_there(loaded, cases), strict=True))
    refusals = {answer for answer in expected.values() if isinstance(answer, str)}
    names = {"timestamp-of-something-else", "timestamp-certificate-wrong", "timestamp-signature-wrong"}
    assert names | {"malformed"} == refusals
    assert 10 <= sum(isinstance(answer, list) and answer[-1] is not None for answer in expected.values())


def test_no_changed_token_is_vouched_for(loaded: Page) -> None:
    """Of 300 tokens with a changed byte, none is vouched for that says another thing.

    Where the byte is in the envelope, which nobody signed, one of both may refuse what the other reads past.
    """
    dice = random.Random(20261122)
    cases = []
    for _ in range(CHANGED):
        at = dice.randrange(len(TOKEN))
        cases.append((TOKEN[:at] + bytes((TOKEN[at] ^ 1 << dice.randrange(8),)) + TOKEN[at + 1 :], ROOT.pem))
    good = said_here(TOKEN, ROOT.pem)
    for (token, pem), found in zip(cases, said_there(loaded, cases), strict=True):
        vouched = [each for each in (found, said_here(token, pem)) if isinstance(each, list) and each[-1] is not None]
        assert vouched in ([], [good], [good, good])


def test_a_browser_without_webcrypto_trusts_no_certificate(loaded: Page) -> None:
    """Over plain http a browser has no WebCrypto: certificates are refused then, and nothing is vouched for."""
    without = """async given => {
        const own = Object.getOwnPropertyDescriptor(Crypto.prototype, "subtle");
        Object.defineProperty(Crypto.prototype, "subtle", { configurable: true, get: () => undefined });
        try { return await tokensSay(given); } finally { Object.defineProperty(Crypto.prototype, "subtle", own); }
    }"""
    given = [{"token": TOKEN.hex(), "imprint": IMPRINT.hex(), "pem": ROOT.pem.decode()}]
    assert ["malformed"] == loaded.evaluate(without, given)
    assert isinstance(loaded.evaluate("tokensSay", given)[0], list)


@pytest.mark.openssl
@pytest.mark.skipif(not is_openssl_there(), reason="needs OpenSSL's openssl command")
@pytest.mark.parametrize("key", ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-384"])
def test_openssl_s_tokens(loaded: Page, tmp_path: Path, key: str) -> None:
    """Tokens of ``openssl ts``, with keys that real authorities have, are vouched for by their root."""
    authority = OpensslAuthority(tmp_path / "tsa", key)
    authority.run(f"ts -query -digest {IMPRINT.hex()} -sha256 -cert -out asked")
    answer = authority.reply((authority.folder / "asked").read_bytes())
    token = der.items_of(der.read(answer), der.SEQUENCE, 2)[1].encoded
    case = token, authority.root.read_bytes()
    [found] = said_there(loaded, [case])
    assert said_here(*case) == found
    assert isinstance(found, list)
    assert ["CN=Stamps,O=Openssl", "CN=Root,O=Openssl"] == [found[0], found[-1]]

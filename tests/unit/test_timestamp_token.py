"""Tests of ``anchor.timestamp_token``: tokens that hold, and every way in which one does not.

Tokens are made by ``tests/simulators/timestamp_authority.py``; that ``openssl ts`` agrees with both sides is tested in
``tests/integration/test_openssl_timestamps.py``.
"""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from anchor import der
from anchor.certificates import load_certificates
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.timestamp import MAX_TOKEN, TimeStamp
from anchor.timestamp_token import read_token, timestamp_check
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

IMPRINT = bytes(range(32))
ROOT = certify_root()
SIGNER = certify_signer(ROOT)
SAID = Stamped(IMPRINT)
TOKEN = stamp(SIGNER, SAID)
AT_US = int(AT.timestamp()) * 1_000_000


def check(token: bytes, *trusted: Certified, imprint: bytes = IMPRINT) -> TimeStamp:
    return timestamp_check([item.certificate for item in trusted or (ROOT,)])(token, imprint)


def reason_of(token: bytes, *trusted: Certified, imprint: bytes = IMPRINT) -> Reason:
    with pytest.raises(VerificationError) as caught:
        check(token, *trusted, imprint=imprint)
    return caught.value.reason


# What holds


def test_a_good_token_says_who_when_and_on_whose_word() -> None:
    """Authority, time, accuracy, policy and serial number come from the token, the root from the verifier."""
    expected = TimeStamp(
        authority="CN=Time Stamps,O=Example",
        time_us=AT_US,
        accuracy_us=1_000_000,
        policy="1.2.3.4.1",
        serial=42,
        vouched_by="CN=Root,O=Example",
    )
    assert expected == check(TOKEN)
    assert "2025-06-15T15:07:00Z" == expected.time
    assert "give or take 1 s" == expected.accuracy


@pytest.mark.parametrize(
    ("time", "later_us"),
    [(b"20250615150700Z", 0), (b"20250615150700.5Z", 500_000), (b"20250615150700.123456Z", 123_456)],
)
def test_fractions_of_a_second_are_kept(time: bytes, later_us: int) -> None:
    """GenTime may be exact to the microsecond (RFC 3161 section 2.4.2)."""
    assert AT_US + later_us == check(stamp(SIGNER, replace(SAID, time=time))).time_us


def test_accuracy_may_be_missing_or_in_thousandths() -> None:
    """Seconds, milliseconds and microseconds add up; without any, none is claimed."""
    parts = der.write(
        der.SEQUENCE, der.write(der.INTEGER, b"\x02"), der.write(0x80, b"\x01\xf4"), der.write(0x81, b"\x07")
    )
    assert 2_500_007 == check(stamp(SIGNER, replace(SAID, accuracy=parts))).accuracy_us
    unsaid = check(stamp(SIGNER, replace(SAID, accuracy=None)))
    assert (None, "accuracy not stated") == (unsaid.accuracy_us, unsaid.accuracy)


@pytest.mark.parametrize("named_by", ["v1", "v2", "both", "sha384"])
def test_the_signer_s_certificate_may_be_named_in_each_way(named_by: str) -> None:
    """By SHA-1 (RFC 2634), by SHA-256 or another hash (RFC 5035), or by both."""
    assert check(stamp(SIGNER, replace(SAID, named_by=named_by))).vouched_by


def test_a_way_to_the_root_may_lead_over_others() -> None:
    """Certificates between signer and root come in the token, or are given beside the root."""
    between = certify("Between", ROOT, is_authority=True, serial=3)
    signer = certify_signer(between)
    carried = stamp(signer, replace(SAID, carried=(signer.encoded, between.encoded, ROOT.encoded)))
    assert "CN=Root,O=Example" == check(carried).vouched_by
    alone = stamp(signer, SAID)
    assert check(alone).vouched_by is None
    assert "CN=Root,O=Example" == check(alone, ROOT, between).vouched_by


def test_certificates_that_have_expired_since_do_not_matter() -> None:
    """A token is checked as of the time that it says: these certificates end in 2026, and it holds for ever."""
    old = AT - timedelta(days=7000)
    root = certify("Old Root", is_authority=True, first=old, last=old + timedelta(days=20))
    signer = certify(
        "Old", root, usage=(ExtendedKeyUsageOID.TIME_STAMPING,), first=old, last=old + timedelta(days=10), serial=2
    )
    time = f"{old + timedelta(days=5):%Y%m%d%H%M%S}Z".encode()
    assert "CN=Old Root,O=Example" == check(stamp(signer, replace(SAID, time=time)), root).vouched_by


# What nobody vouches for


def test_without_a_way_to_a_trusted_root_nothing_is_vouched_for() -> None:
    """Another root, no root, or a root that only the token carries: the token says who, and nobody vouches for it."""
    stranger = certify_root("Stranger")
    own = stamp(SIGNER, replace(SAID, carried=(SIGNER.encoded, ROOT.encoded)))
    for token in (TOKEN, own):
        assert check(token, stranger).vouched_by is None
        assert timestamp_check(())(token, IMPRINT).vouched_by is None


def test_a_trusted_certificate_that_is_no_root_vouches_for_nothing() -> None:
    """Only what signs itself is a root: trust in the signer's own certificate alone is not enough."""
    assert timestamp_check([SIGNER.certificate])(TOKEN, IMPRINT).vouched_by is None


# What does not hold


def test_a_token_over_something_else_is_refused() -> None:
    """Another imprint, or the same bytes under another digest's name."""
    assert Reason.TIMESTAMP_IMPRINT_WRONG == reason_of(TOKEN, imprint=bytes(32))
    assert Reason.TIMESTAMP_IMPRINT_WRONG == reason_of(stamp(SIGNER, replace(SAID, digest=SHA384_OID)))
    stranger = certify_root("Stranger")
    assert Reason.TIMESTAMP_IMPRINT_WRONG == reason_of(TOKEN, stranger, imprint=bytes(32))


@pytest.mark.parametrize("change", [{"spoil_signature": True}, {"spoil_digest": True}])
def test_a_signature_that_does_not_hold_is_refused(change: dict[str, bool]) -> None:
    """Neither a signature by another key, nor one over another content."""
    assert Reason.TIMESTAMP_SIGNATURE_WRONG == reason_of(stamp(SIGNER, replace(SAID, **change)))  # type: ignore[arg-type]  # flags only


def test_a_certificate_under_the_root_s_name_by_another_key_leads_nowhere() -> None:
    """Names are not enough: the signature of each step is checked."""
    impostor = Certified(key_named("impostor"), ROOT.certificate)
    assert check(stamp(certify_signer(impostor), SAID)).vouched_by is None


@pytest.mark.parametrize(
    "usage",
    [None, (ExtendedKeyUsageOID.CODE_SIGNING,), (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)],
)
def test_a_certificate_for_something_else_does_not_stamp(usage: tuple[x509.ObjectIdentifier, ...] | None) -> None:
    """Time stamping, and nothing but time stamping (RFC 3161 section 2.3)."""
    other = certify("Server", ROOT, usage=usage, serial=9)
    assert Reason.TIMESTAMP_CERTIFICATE_WRONG == reason_of(stamp(other, SAID))


def test_the_usage_must_be_critical() -> None:
    """RFC 3161 section 2.3: MUST be critical."""
    lax = certify("Lax", ROOT, usage=(ExtendedKeyUsageOID.TIME_STAMPING,), critical=False, serial=9)
    assert Reason.TIMESTAMP_CERTIFICATE_WRONG == reason_of(stamp(lax, SAID))


@pytest.mark.parametrize("time", [b"20200101000000Z", b"20400101000000Z"])
def test_a_time_outside_of_the_certificate_s_validity_is_refused(time: bytes) -> None:
    """A token says a time at which its certificate was not valid yet, or no longer."""
    assert Reason.TIMESTAMP_CERTIFICATE_WRONG == reason_of(stamp(SIGNER, replace(SAID, time=time)))


def test_a_root_that_had_expired_then_is_refused() -> None:
    """The whole way must have been valid."""
    root = certify("Short", is_authority=True, last=AT - timedelta(days=1))
    assert Reason.TIMESTAMP_CERTIFICATE_WRONG == reason_of(stamp(certify_signer(root), SAID), root)


def test_an_issuer_that_may_not_issue_is_refused() -> None:
    """A certificate that is no authority's cannot certify another one."""
    end = certify("End", ROOT, usage=(ExtendedKeyUsageOID.TIME_STAMPING,), serial=4)
    token = stamp(certify_signer(end), SAID)
    assert check(token).vouched_by is None
    assert Reason.TIMESTAMP_SIGNATURE_WRONG == reason_of(token, ROOT, end)


def test_another_certificate_for_the_same_key_cannot_take_the_signer_s_place() -> None:
    """The signed attributes name the certificate by its hash: a later one, or one with another subject, is refused."""
    later = certify_signer(ROOT, serial=8)
    other = certify("Somebody Else", ROOT, usage=(ExtendedKeyUsageOID.TIME_STAMPING,), key=SIGNER.key, serial=7)
    for changed in (
        stamp(SIGNER, replace(SAID, named=later.encoded)),
        stamp(other, replace(SAID, named=SIGNER.encoded)),
        stamp(SIGNER, replace(SAID, named_by="nothing")),
        stamp(SIGNER, replace(SAID, carried=(ROOT.encoded,))),
        stamp(SIGNER, replace(SAID, carried=())),
    ):
        assert Reason.TIMESTAMP_CERTIFICATE_WRONG == reason_of(changed)


# What is no token


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"\x30\x00",
        bytes(100),
        TOKEN[:-1],
        TOKEN + b"\x00",
        stamp(SIGNER, replace(SAID, kind=DATA)),
        stamp(SIGNER, replace(SAID, attribute_kind=DATA)),
        stamp(SIGNER, replace(SAID, signers=2)),
        stamp(SIGNER, replace(SAID, signers=0)),
        stamp(SIGNER, replace(SAID, time=b"20251315150700Z")),
        stamp(SIGNER, replace(SAID, time=b"20250615150700+0200")),
        stamp(SIGNER, replace(SAID, time=b"202506151507Z")),
        stamp(SIGNER, replace(SAID, time=b"")),
        stamp(SIGNER, replace(SAID, accuracy=b"\x30\x03\x02\x01\xff")),
        stamp(
            SIGNER,
            replace(SAID, carried=(SIGNER.encoded, *(certify_root(str(number)).encoded for number in range(16)))),
        ),
        TOKEN.ljust(MAX_TOKEN + 1),
    ],
)
def test_what_is_no_token_is_malformed(token: bytes) -> None:
    """Cut, longer, of another kind, with another number of signers, or with a time that is none."""
    with pytest.raises(MalformedError):
        check(token)


def test_every_changed_byte_is_refused_or_says_the_same() -> None:
    """What is not signed (version numbers, the name of the signature's algorithm) can change nothing that is said."""
    said = check(TOKEN)
    accepted = 0
    for at in range(len(TOKEN)):
        for bit in (1, 128):
            changed = TOKEN[:at] + bytes([TOKEN[at] ^ bit]) + TOKEN[at + 1 :]
            try:
                found = check(changed)
            except (MalformedError, VerificationError):
                continue
            accepted += 1
            assert found in (said, replace(said, vouched_by=None))
    assert accepted < len(TOKEN) // 10


def test_tokens_that_are_taken_apart_never_break_the_reader() -> None:
    """Parts left out, doubled, emptied, renamed, with every length right again: an error of ours, or the same words."""
    said = check(TOKEN)
    dice = random.Random(3161)
    for _ in range(3000):
        try:
            found = check(_mutated(TOKEN, dice))
        except (MalformedError, VerificationError):
            continue
        assert found in (said, replace(said, vouched_by=None))


def _mutated(data: bytes, dice: random.Random) -> bytes:
    """Return a value with one part of it changed, anywhere inside."""
    value = der.read(data)
    try:
        parts = [item.encoded for item in value.items()] if value.tag & 0x20 else []
    except MalformedError:
        parts = []
    if not parts or dice.random() < 0.1:
        return _replaced(value, dice)
    at = dice.randrange(len(parts))
    parts[at] = _mutated(parts[at], dice)
    return der.write(value.tag, *parts)


def _replaced(value: der.Value, dice: random.Random) -> bytes:
    choices = [
        b"",
        value.encoded * 2,
        der.write(value.tag),
        der.write(value.tag, value.content * 2),
        der.write(value.tag, b"\xff" * 20),
        der.write(value.tag, dice.randbytes(len(value.content))),
        der.write(dice.choice([0x02, 0x03, 0x04, 0x05, 0x06, 0x17, 0x18, 0x30, 0x31, 0x80, 0xA0, 0xA1]), value.content),
    ]
    return dice.choice(choices)


# Certificates


def test_certificates_are_read_from_pem() -> None:
    """Roots and others, in any order; a file without any root is refused, and so is one without certificates."""
    assert (SIGNER.certificate, ROOT.certificate) == load_certificates(SIGNER.pem + ROOT.pem, "roots.pem")
    for wrong, cause in ((SIGNER.pem, "at least one root"), (b"", "certificates in PEM"), (b"\xff", "certificates")):
        with pytest.raises(MalformedError, match=f"roots.pem: .*{cause}"):
            load_certificates(wrong, "roots.pem")


def test_a_read_token_shows_its_nonce() -> None:
    """The nonce is for whoever asked; a receipt's verifier has no use for it."""
    assert 2**63 + 5 == read_token(stamp(SIGNER, replace(SAID, nonce=2**63 + 5))).nonce
    assert read_token(TOKEN).nonce is None

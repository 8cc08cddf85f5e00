"""Revocation lists that a verifier brings: whose they are, what they say, since when a certificate does not count."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from anchor.certificate_check import certificate_check
from anchor.proof.certificate_evidence import CertificateEvidence
from anchor.proof.certificate_proof import certificate_message
from anchor.proof.errors import MalformedError, Reason
from anchor.proof.identity_history import Binding, Place
from anchor.proof.steps_certificate import JudgedBinding, judged_binding, step_of
from anchor.revocations import MAX_LISTS, lists_in
from tests.simulators.sealers import YEAR, proof_of, revocation_list, sealer
from tests.simulators.timestamp_authority import AT, certify, certify_root

CHAIN_ID = bytes(range(32))
DAY = timedelta(days=1)
ROOT = certify_root()
BETWEEN = certify("Between", ROOT, is_authority=True, serial=3)
OTHER = certify("Other", ROOT, is_authority=True, serial=4)
ACME = sealer("Acme", BETWEEN, above=(BETWEEN,))
SERIAL = ACME.certificate.serial_number
MESSAGE = certificate_message(CHAIN_ID, ACME.hash)
BOUND_MS = int(AT.timestamp() * 1000)
PROVED = AT + 30 * DAY


def ms(at: object) -> int:
    return int(at.timestamp() * 1000)  # type: ignore[attr-defined]  # a time


def judged(*lists: x509.CertificateRevocationList, proved: bool = True) -> JudgedBinding:
    """Judge the binding of Acme's certificate, with an entry that a block of PROVED proves, or none."""
    place = Place(5, BOUND_MS, 0, b"", b"")
    binding = Binding(ACME.hash, proof_of(ACME, CHAIN_ID), place)
    evidence = CertificateEvidence((ACME.chain,))
    check = certificate_check([ROOT.certificate], lists)
    later = replace(place, seal_number=7)
    return judged_binding(binding, CHAIN_ID, later, evidence, check, ms(PROVED) if proved else None)


def test_what_was_revoked_before_the_block_counts_no_more() -> None:
    """Revoked after the binding and before the block is revoked; the block's own second is too late."""
    for since in (AT - DAY, AT + DAY, PROVED):
        found = judged(revocation_list(BETWEEN, (SERIAL, since)))
        assert found.error is not None
        assert ("failed", str(Reason.CERTIFICATE_WRONG)) == (found.to_json()["state"], found.to_json()["reason"])
        assert "was revoked, " in step_of([found], CHAIN_ID).text
        assert ms(since) == found.to_json()["revoked_at_ms"]


def test_what_was_revoked_after_the_block_still_counts() -> None:
    """The block proves that both keys had signed before; it is said all the same."""
    found = judged(revocation_list(BETWEEN, (SERIAL, PROVED + DAY)))
    step = step_of([found], CHAIN_ID)
    assert ("ok", True) == (str(step.state), "it, or one above it, was revoked later, 2025-07-16" in step.text)
    assert "that it was not revoked then, on its issuer's list and the time of the block" in step.rests_on


def test_without_a_block_every_revocation_counts() -> None:
    """Nothing proves that the entry was there before; who is not named is vouched for as without a list."""
    assert judged(revocation_list(BETWEEN, (SERIAL, PROVED + DAY)), proved=False).error is not None
    assert judged(revocation_list(BETWEEN), proved=False).holds


def test_an_issuer_may_know_since_when_a_key_was_stolen() -> None:
    """The date of invalidity is before that of the revocation (RFC 5280 section 5.3.2)."""
    entry = (SERIAL, PROVED + DAY)
    assert judged(revocation_list(BETWEEN, entry, invalid_since=PROVED - DAY)).error is not None
    assert judged(revocation_list(BETWEEN, entry, invalid_since=PROVED + YEAR)).holds


def test_a_list_that_does_not_name_it_says_until_when() -> None:
    """One from after the block vouches for the time of the block; one from before says nothing of the time between."""
    after, before = (judged(revocation_list(BETWEEN, (SERIAL + 1, AT), at=at)) for at in (PROVED + DAY, AT))
    for found, is_listed in ((after, True), (before, False)):
        step = step_of([found], CHAIN_ID)
        assert ("ok", is_listed) == (str(step.state), "on its issuer's list and the time of the block" in step.rests_on)
        assert "its issuer's list of 2025-" in step.text
        assert is_listed != ("is from before this entry was proved" in step.text)
    assert {"revoked_at_ms": None, "listed_at_ms": ms(AT)} == {
        name: before.to_json()[name] for name in ("revoked_at_ms", "listed_at_ms")
    }


def test_a_list_from_after_its_end_need_not_name_it() -> None:
    """Issuers take expired certificates off their lists; what such a list still names is revoked."""
    ended = ACME.certificate.not_valid_after_utc + timedelta(seconds=1)
    issuer = certify("Between", ROOT, is_authority=True, serial=3, last=AT + 9 * YEAR)
    check = certificate_check([ROOT.certificate], [revocation_list(issuer, at=ended)])
    found = check((ACME.encoded, issuer.encoded), proof_of(ACME, CHAIN_ID), MESSAGE, BOUND_MS)
    assert found is not None
    assert (None, None) == (found.revoked_at_ms, found.listed_at_ms)
    naming = certificate_check([ROOT.certificate], [revocation_list(issuer, (SERIAL, AT), at=ended)])
    named = naming((ACME.encoded, issuer.encoded), proof_of(ACME, CHAIN_ID), MESSAGE, BOUND_MS)
    assert named is not None
    assert ms(AT) == named.revoked_at_ms


def test_one_above_it_that_was_revoked_is_enough() -> None:
    """The root's list names the certificate between."""
    assert judged(revocation_list(ROOT, (3, AT - DAY))).error is not None
    assert judged(revocation_list(ROOT, (4, AT - DAY))).holds, "another one, which did not issue it"


def test_lists_of_others_say_nothing() -> None:
    """By another issuer, or by another key under the issuer's name: as if there were none."""
    posing = certify("Between", ROOT, is_authority=True, serial=3, key=OTHER.key)
    for issuer in (OTHER, posing):
        found = judged(revocation_list(issuer, (SERIAL, AT - DAY)))
        assert (True, None) == (found.holds, found.found.listed_at_ms if found.found else 0)
        assert "whether its issuer revoked it, is not checked" in step_of([found], CHAIN_ID).rests_on


def test_lists_are_read_from_pem_and_der() -> None:
    """Several in one PEM file, one in DER; anything else, and a list that is not a whole one, is refused by name."""
    one, two = revocation_list(BETWEEN), revocation_list(ROOT)
    pem = b"".join(b"words before\n" + each.public_bytes(Encoding.PEM) for each in (one, two))
    assert (one, two) == lists_in(pem, "a test")
    assert (one,) == lists_in(one.public_bytes(Encoding.DER), "a test")
    delta = revocation_list(BETWEEN, is_delta=True).public_bytes(Encoding.DER)
    for data, said in (
        (b"", "a test: expected revocation lists"),
        (ACME.encoded, "a test: expected revocation lists"),
        (pem.replace(b"MI", b"!!"), "a test: expected revocation lists"),
        (one.public_bytes(Encoding.DER) + b"\0", "a test: expected revocation lists"),
        (delta, r"a test: expected complete revocation lists, .* 2\.5\.29\.27"),
        (bytes(MAX_LISTS + 1), f"at most {MAX_LISTS} bytes"),
    ):
        with pytest.raises(MalformedError, match=said):
            lists_in(data, "a test")

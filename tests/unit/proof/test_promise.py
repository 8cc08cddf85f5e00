"""Tests of ``anchor.proof.promise``: the vectors, the exact bytes of note and leaf, and promises nobody made.

Input is ``promise.json``, which the browser verifier runs too, and promises of a small log. A breach of a promise
is judged elsewhere; here it is only said who promised what.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.codec import sha256
from anchor.proof.errors import AnchorlineError, MalformedError, Reason, UnknownVersionError, VerificationError
from anchor.proof.promise import (
    ANONYMOUS,
    DOMAIN,
    Promise,
    PromiseLeaf,
    PromiseNote,
    check_promise,
    check_promise_path,
    promise_key_id,
    signed_message,
    submitter_of,
)
from tests.simulators.world import World, fast_check

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "promise.json").read_text())["cases"]
NOTE = PromiseNote(sha256(b"log"), 1, 2, 3, 4, sha256(b"root"))
LEAF = PromiseLeaf(sha256(b"chain"), 5, sha256(b"entry"), bytes(range(16)))


def check(case: dict[str, Any]) -> str:
    if case["check"] == "submitter":
        account = bytes.fromhex(case["account_salt"]), case["account_id"].encode()
        return submitter_of(bytes.fromhex(case["log_id"]), *account).hex()
    promise = Promise.from_json(case["promise"])
    assert case["promise"] == promise.to_json()
    check_promise(promise, bytes.fromhex(case["log_id"]), bytes.fromhex(case["public_key"]), fast_check)
    return promise.leaf.entry_hash.hex()


def name_of(error: AnchorlineError) -> str:
    if isinstance(error, VerificationError):
        return error.reason
    return "unknown-version" if isinstance(error, UnknownVersionError) else "malformed"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}: {case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector gives what it says, a value or a named refusal."""
    if "want" in case:
        assert case["want"] == check(case)
        return
    with pytest.raises((MalformedError, VerificationError)) as caught:
        check(case)
    assert case["want_error"] == name_of(caught.value)


def test_the_bytes_of_a_note_are_those_of_the_design() -> None:
    """92 bytes: log id, three times, the count, the root."""
    numbers = "0000000000000001" + "0000000000000002" + "0000000000000003" + "00000004"
    raw = sha256(b"log") + bytes.fromhex(numbers) + sha256(b"root")
    assert raw == NOTE.encode()
    assert PromiseNote.decode(raw) == NOTE
    assert DOMAIN + raw == signed_message(NOTE)


def test_the_bytes_of_a_leaf_are_those_of_the_design() -> None:
    """89 bytes: 20, chain id, index, entry hash, submitter."""
    raw = b"\x20" + sha256(b"chain") + (5).to_bytes(8, "big") + sha256(b"entry") + bytes(range(16))
    assert raw == LEAF.encode()
    assert PromiseLeaf.decode(raw) == LEAF


@pytest.mark.parametrize(
    "value",
    [
        replace(NOTE, log_id=bytes(31)),
        replace(NOTE, received_at_ms=-1),
        replace(NOTE, seal_by_ms=2**64),
        replace(NOTE, anchor_by_ms=2**64),
        replace(NOTE, count=2**32),
        replace(NOTE, root=bytes(33)),
        replace(LEAF, chain_id=bytes(31)),
        replace(LEAF, leaf_index=2**64),
        replace(LEAF, entry_hash=bytes(31)),
        replace(LEAF, submitter=bytes(15)),
    ],
)
def test_a_value_that_the_format_cannot_hold_is_not_written(value: PromiseNote | PromiseLeaf) -> None:
    """Writers get the same refusals as readers."""
    with pytest.raises(MalformedError):
        value.encode()


def test_a_submitter_is_hidden_behind_the_account_s_salt() -> None:
    """The first 16 bytes of a hash over domain, log, salt and account; another log or salt shows another submitter."""
    log_id, salt = sha256(b"log"), bytes(16)
    assert sha256(b"anchorline/submitter/v1\n" + log_id + salt + b"account")[:16] == submitter_of(
        log_id, salt, b"account"
    )
    assert submitter_of(log_id, salt, b"account") != submitter_of(sha256(b"other"), salt, b"account")
    assert submitter_of(log_id, salt, b"account") != submitter_of(log_id, bytes(15) + b"\x01", b"account")
    with pytest.raises(MalformedError, match="account salt: expected 16 bytes"):
        submitter_of(log_id, bytes(15), b"account")


def test_an_anonymous_submitter_is_zeros() -> None:
    """A leaf without a submitter says so with 16 zero bytes."""
    assert bytes(16) == PromiseLeaf(LEAF.chain_id, 0, LEAF.entry_hash).submitter == ANONYMOUS


def one_promise() -> tuple[World, Promise]:
    world = World()
    promise = world.promise(world.write_first("orders"))[0].promise
    assert promise is not None
    return world, promise


def test_a_promise_is_by_the_promise_key() -> None:
    """Another key of the same log did not make it, even where it bears that key's id."""
    world, promise = one_promise()
    log = world.log
    check_promise(promise, log.log_id, log.promise_key.value, fast_check)
    check_promise(promise, log.log_id, log.promise_key.value)
    for key in (log.checkpoint_key.value, log.recovery_key.value):
        for disguised in (promise, replace(promise, key_id=promise_key_id(key))):
            with pytest.raises(VerificationError) as caught:
                check_promise(disguised, log.log_id, key, fast_check)
            assert caught.value.reason == Reason.PROMISE_SIGNATURE_WRONG


def test_a_promise_key_id_is_its_own_domain() -> None:
    """The id is the hash over the promise's domain, unlike a checkpoint key's, so that the two are never confused."""
    assert sha256(DOMAIN + bytes(32))[:4] == promise_key_id(bytes(32))


def test_the_path_is_checked_without_the_signature() -> None:
    """Where the key is not known, log and path still are: a promise of another log, or with a wrong path, fails."""
    world, promise = one_promise()
    check_promise_path(replace(promise, signature=bytes(64)), world.log.log_id)
    with pytest.raises(VerificationError) as caught:
        check_promise_path(promise, sha256(b"another log"))
    assert caught.value.reason == Reason.PROMISE_MISMATCH
    with pytest.raises(VerificationError) as caught:
        check_promise_path(replace(promise, leaf=LEAF), world.log.log_id)
    assert caught.value.reason == Reason.PROMISE_SIGNATURE_WRONG

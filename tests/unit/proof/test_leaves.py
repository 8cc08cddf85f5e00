"""Tests of ``anchor.proof.leaves``: the vectors, the exact bytes of each leaf, and what no log may write.

Input is ``leaves.json``, which the browser verifier runs too, and leaves made here. A change of one byte of the
directory's format fails here first.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, TooLargeError
from anchor.proof.leaves import (
    KEY_DOMAIN,
    NO_PREVIOUS,
    THREAD_DOMAIN,
    DirectoryLeaf,
    EpochLeaf,
    HeadLeaf,
    Key,
    KeyLeaf,
    LogLeaf,
    Purpose,
    SealLeaf,
    ThreadLeaf,
    UnassignedLeaf,
    check_origin,
    decode_leaf,
)
from anchor.proof.merkle import leaf_hash

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "leaves.json").read_text())["cases"]
KEYS = tuple(Key(1, sha256(name)) for name in (b"checkpoint", b"promise", b"recovery"))
LOG = LogLeaf("log.example", sha256(b"genesis"), b"\xfa\xbf\xb5\xda", *KEYS)
SEAL = SealLeaf(1, 2, 3, 4, sha256(b"heads root"), 5, sha256(b"block"))
HEAD = HeadLeaf(sha256(b"chain"), 6, NO_PREVIOUS, sha256(b"root"))
KEY = KeyLeaf(1, sha256(b"leaf"), Key(1, sha256(b"new")), 0, bytes(range(64)))
THREAD = ThreadLeaf(OutPoint(sha256(b"txid"), 7))
EPOCH = EpochLeaf(8, 9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector is read as it says and written back identically, or refused."""
    raw = bytes.fromhex(case["leaf"])
    if "want" in case:
        leaf = decode_leaf(raw)
        assert raw == leaf.encode()
        assert case["want"] == {"type": leaf.encode()[0], "leaf_hash": leaf_hash(leaf.encode()).hex()}
        return
    with pytest.raises(MalformedError):
        decode_leaf(raw)


@pytest.mark.parametrize(
    ("leaf", "parts"),
    [
        (
            LOG,
            [
                "10" + "0b" + b"log.example".hex(),
                sha256(b"genesis").hex() + "fabfb5da",
                *("010020" + key.value.hex() for key in KEYS),
            ],
        ),
        (
            SEAL,
            [
                "11" + "0000000000000001" + "0000000000000002" + "00000003" + "0000000000000004",
                sha256(b"heads root").hex() + "00000005" + sha256(b"block").hex(),
            ],
        ),
        (HEAD, ["12" + sha256(b"chain").hex() + "0000000000000006" + "ff" * 8 + sha256(b"root").hex()]),
        (
            KEY,
            [
                "13" + "01" + sha256(b"leaf").hex(),
                "010020" + sha256(b"new").hex() + "00" + "0040" + bytes(range(64)).hex(),
            ],
        ),
        (THREAD, ["15" + sha256(b"txid").hex() + "07000000" + "00" * 32 + "0000"]),
        (EPOCH, ["17" + "0000000000000008" + "0000000000000009"]),
        (replace(HEAD, policy=sha256(b"policy")), ["14" + HEAD.encode()[1:].hex() + sha256(b"policy").hex()]),
        (UnassignedLeaf(b"\x16any"), ["16" + b"any".hex()]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_bytes_are_those_of_the_design(leaf: DirectoryLeaf, parts: list[str]) -> None:
    """A leaf put together by hand is the one that is written, and is read back as the same value."""
    raw = bytes.fromhex("".join(parts))
    assert raw == leaf.encode()
    assert leaf == decode_leaf(raw)


def test_the_log_id_is_the_hash_of_leaf_0() -> None:
    """Any change to leaf 0 is another log: another origin, network, message start, or key."""
    assert sha256(b"\x00" + LOG.encode()) == LOG.log_id
    others = (
        replace(LOG, origin="log.example2"),
        replace(LOG, network_genesis=sha256(b"other genesis")),
        replace(LOG, message_start=b"\x0a\x03\xcf\x40"),
        replace(LOG, checkpoint_key=KEYS[1]),
        replace(LOG, promise_key=KEYS[0]),
        replace(LOG, recovery_key=KEYS[0]),
    )
    assert len({LOG.log_id, *(other.log_id for other in others)}) == 7


def test_each_purpose_has_its_key_in_leaf_0() -> None:
    """Checkpoint, promise and recovery stand in this order."""
    assert KEYS == tuple(LOG.key(purpose) for purpose in Purpose)


def test_a_key_leaf_is_signed_for_one_log() -> None:
    """The message is the domain, the log id, and the leaf through the signer: all but the signature."""
    log_id = sha256(b"log")
    assert KEY_DOMAIN + log_id + KEY.encode()[: -2 - 64] == KEY.signed_message(log_id)
    assert KEY.signed_message(log_id) != KEY.signed_message(sha256(b"another log"))


def test_a_thread_leaf_is_signed_for_one_log() -> None:
    """The message is the domain, the log id, and the leaf through the thread that it replaces."""
    log_id = sha256(b"log")
    later = replace(THREAD, replaced=sha256(b"before"), signature=bytes(64))
    assert THREAD_DOMAIN + log_id + later.encode()[: -2 - 64] == later.signed_message(log_id)


@pytest.mark.parametrize(
    "leaf",
    [
        replace(LOG, origin=""),
        replace(LOG, origin="o" * 256),
        replace(LOG, origin="a b"),
        replace(LOG, origin="a+b"),
        replace(LOG, origin="l\u00f6g"),
        replace(LOG, origin="\ud800"),
        replace(LOG, network_genesis=bytes(31)),
        replace(LOG, message_start=bytes(5)),
        replace(LOG, promise_key=Key(0, b"")),
        replace(LOG, promise_key=Key(2, bytes(32))),
        replace(LOG, promise_key=Key(1, bytes(33))),
        replace(SEAL, seal_number=2**64),
        replace(SEAL, sealed_at_ms=-1),
        replace(SEAL, head_count=2**32),
        replace(SEAL, chain_count=2**64),
        replace(SEAL, block_height=2**32),
        replace(SEAL, heads_root=bytes(31)),
        replace(SEAL, block_hash=bytes(33)),
        replace(HEAD, chain_id=bytes(31)),
        replace(HEAD, tree_size=2**64),
        replace(HEAD, previous_index=2**64),
        replace(HEAD, root=bytes(31)),
        replace(KEY, purpose=0),
        replace(KEY, purpose=4),
        replace(KEY, purpose=3),
        replace(KEY, signer=1),
        replace(KEY, replaced=bytes(31)),
        replace(KEY, new_key=Key(0, b"")),
        replace(KEY, purpose=2, new_key=Key(0, bytes(32))),
        replace(KEY, signature=bytes(63)),
        replace(KEY, signature=b""),
        replace(THREAD, signature=bytes(64)),
        replace(THREAD, replaced=sha256(b"before")),
        replace(THREAD, replaced=bytes(31)),
        replace(EPOCH, lost_from_ms=10),
        replace(EPOCH, lost_to_ms=2**64),
    ],
    ids=lambda leaf: f"{leaf!r}"[:60].encode("ascii", "replace").decode(),
)
def test_a_value_that_no_log_may_write_is_not_written(leaf: DirectoryLeaf) -> None:
    """Writers get the same refusals as readers."""
    with pytest.raises(MalformedError):
        leaf.encode()


def test_who_may_replace_which_key() -> None:
    """Old key or recovery key for purposes 1 and 2, the recovery key only for 3; only a promise key just ends."""
    allowed = []
    for purpose in (1, 2, 3):
        for signer in (0, 3):
            for new_key in (KEYS[0], Key(0, b"")):
                leaf = replace(KEY, purpose=purpose, signer=signer, new_key=new_key)
                try:
                    leaf.encode()
                except MalformedError:
                    continue
                allowed.append((purpose, signer, new_key.type))
    assert [(1, 0, 1), (1, 3, 1), (2, 0, 1), (2, 0, 0), (2, 3, 1), (2, 3, 0), (3, 3, 1)] == allowed


def test_an_epoch_may_be_a_single_moment() -> None:
    """Lost from and to the same millisecond is well formed."""
    assert decode_leaf(EpochLeaf(5, 5).encode()) == EpochLeaf(5, 5)


def test_a_leaf_has_at_most_1024_bytes() -> None:
    """An unassigned leaf of the largest size is kept, one byte more is refused before it is looked at."""
    assert decode_leaf(b"\x1f" + bytes(1023)).encode() == b"\x1f" + bytes(1023)
    with pytest.raises(TooLargeError, match="at most 1024 bytes, got 1025"):
        decode_leaf(b"\x1f" + bytes(1024))


@pytest.mark.parametrize("character", [chr(code) for code in (*range(0x22), 0x2B, *range(0x7F, 0xA1), 0x2028)])
def test_an_origin_is_printable_ascii_without_space_and_plus(character: str) -> None:
    """Each other character is refused; an exclamation mark is the first that is not."""
    if character == "!":
        assert check_origin(character) == b"!"
        return
    with pytest.raises(MalformedError, match="origin"):
        check_origin(character)

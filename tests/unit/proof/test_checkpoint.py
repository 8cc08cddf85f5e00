"""Tests of ``anchor.proof.checkpoint``: our vectors, the published example of a signed note, and cosigned notes.

Input is ``note.json``, which the browser verifier runs too, and the public vectors, whose signatures others made.
``tests/referees`` lets Go read and write the same notes.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.checkpoint import (
    Checkpoint,
    Note,
    NoteSignature,
    chain_origin,
    check_origin_of_checkpoint,
    from_base64,
    key_id,
    verifier_key,
)
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, TooLargeError
from tests.simulators.world import fast_check

VECTORS = Path(__file__).parents[2] / "vectors"
CASES: list[dict[str, Any]] = json.loads((VECTORS / "note.json").read_text())["cases"]
PUBLIC: dict[str, Any] = {
    group["name"]: group for group in json.loads((VECTORS / "public" / "transparency_logs.json").read_text())["groups"]
}
EXAMPLE = PUBLIC["signed note example with vkey"]["cases"][0]
COSIGNED = next(group for name, group in PUBLIC.items() if name.startswith("cosignature/v1"))["cases"]


def read_note(case: dict[str, Any]) -> dict[str, Any]:
    note = Note.decode(case["note"])
    assert case["note"] == note.encode()
    return {"text": note.text, "names": [line.name for line in note.signatures]}


def read_checkpoint(case: dict[str, Any]) -> dict[str, Any]:
    checkpoint = Checkpoint.decode(case["text"])
    assert case["text"] == checkpoint.encode()
    return {"origin": checkpoint.origin, "size": str(checkpoint.size), "root": checkpoint.root.hex()}


CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "note": read_note,
    "checkpoint": read_checkpoint,
    "key_id": lambda case: key_id(case["name"], bytes.fromhex(case["public_key"])).hex(),
    "vkey": lambda case: verifier_key(case["name"], bytes.fromhex(case["public_key"])),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}: {case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector is read as it says and written back identically, or refused."""
    if "want" in case:
        assert case["want"] == CHECKS[case["check"]](case)
        return
    with pytest.raises(MalformedError):
        CHECKS[case["check"]](case)


def read_vkey(vkey: str) -> tuple[str, bytes, int, bytes]:
    """Return name, key id, type and key of a verifier key."""
    name, identity, encoded = vkey.split("+", 2)
    raw = base64.b64decode(encoded)
    return name, bytes.fromhex(identity), raw[0], raw[1:]


def test_published_example_of_a_signed_note() -> None:
    """C2SP's own example is read, its key id is ours, its signature holds, and it does not for another text."""
    name, identity, kind, key = read_vkey(EXAMPLE["vkey"])
    note = Note.decode(EXAMPLE["note"])
    line = note.signatures[0]
    assert (name, identity) == (line.name, line.key_id)
    assert kind == 1
    assert identity == key_id(name, key)
    assert EXAMPLE["vkey"] == verifier_key(name, key)
    assert fast_check(key, note.text.encode(), line.signature)
    assert not fast_check(key, note.text.encode() + b"\n", line.signature)


@pytest.mark.parametrize("case", COSIGNED, ids=lambda case: f"{case['vkey'].partition('+')[0]}")
def test_cosigned_checkpoint_of_another_log(case: dict[str, Any]) -> None:
    """A cosigner's line is kept; its signature holds over C2SP's cosignature message for the time that it says."""
    note = Note.decode(case["checkpoint"])
    assert case["checkpoint"] == note.encode()
    checkpoint = Checkpoint.decode(note.text)
    assert note.text == checkpoint.encode()
    assert checkpoint.size == 300
    name, identity, kind, key = read_vkey(case["vkey"])
    assert kind == 4
    line = next(item for item in note.signatures if (item.name, item.key_id) == (name, identity))
    assert case["timestamp"] == int.from_bytes(line.signature[:8], "big")
    message = f"cosignature/v1\ntime {case['timestamp']}\n{note.text}".encode()
    assert fast_check(key, message, line.signature[8:])


def test_a_key_id_binds_name_and_key() -> None:
    """The id is the hash of name, newline, algorithm and key; another name or key has another id."""
    key = sha256(b"key")
    assert sha256(b"log.example\n\x01" + key)[:4] == key_id("log.example", key)
    assert key_id("log.example", key) != key_id("log.example2", key)


def test_a_chain_s_checkpoint_names_log_and_chain() -> None:
    """The first line is the log's origin, a slash, and the chain id in hex: more than a log's origin may have."""
    origin = chain_origin("o" * 255, sha256(b"chain"))
    assert "o" * 255 + "/" + sha256(b"chain").hex() == origin
    check_origin_of_checkpoint(origin)
    for bad in (origin[:-1], origin.upper(), "o" + origin, origin.replace("/", "//")):
        with pytest.raises(MalformedError):
            check_origin_of_checkpoint(bad)


def test_an_origin_of_only_a_chain_is_a_plain_origin() -> None:
    """Without a log in front, a slash and hex digits are an origin like any other."""
    check_origin_of_checkpoint("/" + sha256(b"chain").hex())


@pytest.mark.parametrize("text", ["\ud800\n1\n\n", "a\ud800\n1\nAAAA\n"])
def test_lone_surrogates_are_malformed(text: str) -> None:
    """A string that UTF-8 cannot hold is refused like any other, not with an error of Python's."""
    with pytest.raises(MalformedError):
        Checkpoint.decode(text)
    with pytest.raises(MalformedError):
        Note.decode(text + "\n\u2014 name MTIzNHNpZw==\n")


def test_the_text_of_a_note_ends_at_the_last_empty_line() -> None:
    """What looks like a signature before the last empty line is text, and signed as such."""
    line = "\u2014 name MTIzNHNpZw==\n"
    note = Note.decode("text\n\n" + line + "\n" + line)
    assert note.text == "text\n\n" + line
    assert [NoteSignature("name", b"1234", b"sig")] == list(note.signatures)


def test_a_note_has_at_most_65536_bytes() -> None:
    """The largest note is read, one byte more is refused before it is looked at."""
    tail = "\n\n\u2014 name MTIzNHNpZw==\n"
    room = 65536 - len(tail.encode())
    assert len(Note.decode("a" * room + tail).text) == room + 1
    with pytest.raises(TooLargeError):
        Note.decode("a" * (room + 1) + tail)


@pytest.mark.parametrize(
    "text",
    ["AA", "AA=", "AB==", "AAB=", "AA==\n", " AA==", "A A==", "AA==AA==", "=", "A===", "AA-_", "AA==\u00e9", "\ud800"],
)
def test_base64_must_encode_to_itself(text: str) -> None:
    """Padding, left-over bits, alphabet and white space have one spelling."""
    with pytest.raises(MalformedError, match="base64"):
        from_base64(text, "example")


def test_base64_of_a_wrong_size_is_malformed() -> None:
    """The caller says how many bytes there must be."""
    assert from_base64("AAAA", "example", 3) == bytes(3)
    with pytest.raises(MalformedError, match="expected 32 bytes in base64, got 3"):
        from_base64("AAAA", "example", 32)

"""Tests of ``anchor.proof.receipt``: receipts and log cards as files, and the vectors' makers.

Input is the story of ``tests/simulators/world.py`` and ``log_card.json``. That a file is well formed says nothing
about whether it verifies; ``test_verify.py`` asks that.
"""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, TooLargeError, UnknownVersionError
from anchor.proof.receipt import MAX_CARD, MAX_CONTENT, MAX_FILE, Content, ContentState, LogCard, OtherAnchor, Receipt
from tests.simulators.world import Shape, tell
from tests.vectors import (
    make_certificate_vectors,
    make_chain_life_vectors,
    make_policy_vectors,
    make_receipt_vectors,
    make_vectors,
)

VECTORS = Path(__file__).parents[2] / "vectors"
CARDS: list[dict[str, Any]] = json.loads((VECTORS / "log_card.json").read_text())["cases"]
STORY = tell()


@pytest.mark.parametrize("name", make_vectors.FILES)
def test_vectors_are_what_their_maker_makes(name: str) -> None:
    """Each file on disk is what the maker writes, byte for byte."""
    assert make_vectors.make(name) == (VECTORS / name).read_text(encoding="ascii")


def test_receipt_vectors_are_what_their_maker_makes() -> None:
    """The file on disk is what the maker writes, byte for byte."""
    assert make_receipt_vectors.make() == make_receipt_vectors.FILE.read_text(encoding="ascii")
    assert make_certificate_vectors.make() == make_certificate_vectors.FILE.read_text(encoding="ascii")
    assert make_policy_vectors.make() == make_policy_vectors.FILE.read_text(encoding="ascii")
    assert make_chain_life_vectors.make() == make_chain_life_vectors.FILE.read_text(encoding="ascii")


def test_the_story_is_told_the_same_way_every_time() -> None:
    """Two tellings give the same receipts, so that vectors and examples never change by themselves."""
    again = tell()
    assert list(STORY.shapes) == list(again.shapes)
    for name, shape in STORY.shapes.items():
        assert shape.receipt == again.shapes[name].receipt


@pytest.mark.parametrize("shape", STORY.shapes.values(), ids=list(STORY.shapes))
def test_a_receipt_is_read_as_it_was_written(shape: Shape) -> None:
    """Every shape comes back as the same value, also without white space, and is written back identically."""
    raw = shape.receipt.encode()
    assert shape.receipt == Receipt.decode(raw)
    assert shape.receipt == Receipt.decode(json.dumps(json.loads(raw), separators=(",", ":")).encode())
    assert raw == Receipt.decode(raw).encode()
    assert raw.isascii()


def test_the_order_of_fields_is_free() -> None:
    """An object's fields are a set: sorted the other way round they are the same receipt."""
    receipt = STORY.shapes["after key rotations"].receipt
    backwards = dict(reversed(json.loads(receipt.encode()).items()))
    assert receipt == Receipt.decode(json.dumps(backwards).encode())


def test_an_unsealed_receipt_has_few_fields() -> None:
    """Format, entry, content, promise and leaf 0: all else is absent, never null."""
    value = json.loads(STORY.shapes["unsealed with promise"].receipt.encode())
    assert list(value) == ["format", "entry", "content", "log", "promise"]
    assert list(value["log"]) == ["leaf"]
    assert "promise" not in json.loads(STORY.shapes["unsealed"].receipt.encode())


def test_a_sealed_receipt_has_all_fields_or_is_malformed() -> None:
    """With a checkpoint every other sealed field must be there; without one none may be."""
    value = json.loads(STORY.shapes["anchored at its own checkpoint"].receipt.encode())
    optional = {"promise", "thread", "previous_head"}
    for name in value:
        rest = {field: item for field, item in value.items() if field != name}
        if name in optional:
            Receipt.decode(json.dumps(rest).encode())
            continue
        with pytest.raises(MalformedError):
            Receipt.decode(json.dumps(rest).encode())


def test_fields_of_unknown_anchors_and_evidence_are_kept() -> None:
    """What this version does not check travels on as it came."""
    receipt = STORY.shapes["sealed, not anchored"].receipt
    assert receipt.sealed is not None
    other = OtherAnchor("oracle", {"file": "AA==", "more": {"b": [1, None], "a": True}})
    evidence = ({"type": "newest-head", "proof": {"siblings": ["00"]}},)
    kept = replace(receipt, sealed=replace(receipt.sealed, anchors=(other,), evidence=evidence))
    assert kept == Receipt.decode(kept.encode())


def test_everything_besides_the_content_has_4_mib() -> None:
    """A receipt grows beyond 4 MiB by its content only."""
    receipt = STORY.shapes["anchored at its own checkpoint"].receipt
    raw = receipt.encode()
    assert receipt == Receipt.decode(raw + b" " * (MAX_FILE - len(raw)))
    content = receipt.content.data
    assert content is not None
    room = MAX_FILE - len(raw) + len(base64.b64encode(content))
    assert receipt == Receipt.decode(raw + b" " * room)
    with pytest.raises(TooLargeError, match="besides the content"):
        Receipt.decode(raw + b" " * (room + 1))


def test_a_receipt_carries_at_most_16_mib_of_content() -> None:
    """The largest content is read; one byte more, or a longer file, is refused."""
    receipt = STORY.shapes["unsealed"].receipt
    for size in (MAX_CONTENT, MAX_CONTENT + 1):
        data = bytes(size)
        large = replace(receipt, content=Content(ContentState.SHOWN, bytes(16), sha256(data), data))
        if size == MAX_CONTENT:
            assert large == Receipt.decode(large.encode())
            continue
        with pytest.raises(TooLargeError, match=f"at most {MAX_CONTENT} bytes"):
            Receipt.decode(large.encode())
    with pytest.raises(TooLargeError):
        Receipt.decode(bytes(30 * 2**20))


@pytest.mark.parametrize("case", CARDS, ids=lambda case: f"{case['description']}")
def test_log_card_vector(case: dict[str, Any]) -> None:
    """Every vector is read as it says, or refused by the name that it says."""
    raw = case["card"].encode()
    if "want" in case:
        card = LogCard.decode(raw)
        thread = None if card.thread is None else [str(outpoint) for outpoint in card.thread]
        assert case["want"] == {"log_id": card.log.log_id.hex(), "thread": thread}
        assert card == LogCard.decode(card.encode())
        return
    with pytest.raises(MalformedError) as caught:
        LogCard.decode(raw)
    assert (case["want_error"] == "unknown-version") == isinstance(caught.value, UnknownVersionError)


def test_a_log_card_has_at_most_65536_bytes() -> None:
    """White space up to the limit is free; a longer file is refused by its length."""
    raw = STORY.world.card.encode()
    assert STORY.world.card == LogCard.decode(raw.ljust(MAX_CARD))
    with pytest.raises(TooLargeError):
        LogCard.decode(raw.ljust(MAX_CARD + 1))

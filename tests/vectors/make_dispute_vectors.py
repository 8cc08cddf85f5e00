"""Makes the vectors of evidence of broken promises: one of each kind, and what can be wrong with it.

Input is ``tests/simulators/accused.py``. ``python -m tests.vectors.make_dispute_vectors`` in the repository's root
writes the file; ``tests/unit/proof/test_dispute.py`` runs every case, and fails when this script would write another.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anchor.proof.dispute import Evidence, judge
from anchor.proof.receipt import LogCard
from tests.simulators.accused import ACCUSATIONS
from tests.simulators.world import World, fast_check

FILE = Path(__file__).parent / "dispute.json"
ABOUT = (
    "Evidence of broken promises: docs/spec/dispute.md. The file's object and the log's card; wants the judgement as "
    "--json prints it, or the reason for which it shows nothing."
)
Json = dict[str, Any]


def cases() -> Iterator[Json]:
    """Return every kind, and what is no evidence."""
    made = {name: accuse() for name, accuse in ACCUSATIONS.items()}
    for name, evidence in made.items():
        card = LogCard(evidence.log)
        yield _case(name, evidence, want=judge(evidence, card, fast_check).to_json())
    late, twice = made["sealed too late"], made["one place promised to two entries"]
    yield from _wrong_files(late, twice)
    yield from _no_breaches(made)
    yield _case("the card of another log", late, card=World(name="other").card, want_error="another-log")
    yield _case(
        "a key that is not shown", made["promises by two keys"], {"keys": []}, want_error="promise-signature-wrong"
    )


def _wrong_files(late: Evidence, twice: Evidence) -> Iterator[Json]:
    value = json.loads(late.encode())
    for description, fields in (
        ("an unknown field", {"more": 1}),
        ("an unknown kind", {"kind": "theft"}),
        ("another format", {"format": "anchorline-receipt/1"}),
        ("a seal where a head is due", {"head": value["seal"]}),
        ("a leaf of another kind as log", {"log": value["head"]["leaf"]}),
        ("keys that are none", {"keys": [value["head"]["leaf"]]}),
    ):
        yield _case(description, late, fields, want_error="malformed")
    yield _case("a newer version", late, {"format": "anchorline-dispute/2"}, want_error="unknown-version")
    for name in value:
        if name != "previous_head":
            left = {field: item for field, item in value.items() if field != name}
            yield {"description": f"no {name}", "evidence": left, "card": _card(late), "want_error": "malformed"}
    promise = json.loads(twice.encode())["promises"][0]
    yield _case("one promise only", twice, {"promises": [promise]}, want_error="malformed")
    yield _case("three promises", twice, {"promises": [promise] * 3}, want_error="malformed")


def _no_breaches(made: dict[str, Evidence]) -> Iterator[Json]:
    """What an honest log could have signed too, and proofs that do not lead where they must."""
    twice = made["one place promised to two entries"]
    promises = json.loads(twice.encode())["promises"]
    yield _case("one promise, twice", twice, {"promises": promises[:1] * 2}, want_error="no-breach")
    forged = promises[1] | {"signature": "00" * 64}
    yield _case("a promise nobody signed", twice, {"promises": [promises[0], forged]}, want_error=_PROMISE)
    late = made["sealed too late"]
    other = json.loads(made["a first entry sealed too late"].encode())
    yield _case("a head that is not the first", late, {"previous_head": None}, want_error="not-the-first-head")
    yield _case("the promise of another entry", late, {"promise": other["promise"]}, want_error="not-the-first-head")
    fork = made["two checkpoints of one size"]
    roots = json.loads(fork.encode())["roots"]
    yield _case("one checkpoint, twice", fork, {"roots": roots[:1] * 2}, want_error="no-breach")
    two = made["two checkpoints of two sizes"]
    leaves = json.loads(two.encode())["leaves"]
    yield _case("the same leaf in both", two, {"leaves": leaves[:1] * 2}, want_error="no-breach")
    crossed = {"leaves": leaves[::-1]}
    yield _case("leaves in the wrong order", two, crossed, want_error="chain-path-wrong")
    place = made["another entry at the promised place, under a head"]
    promised = json.loads(place.encode())["promise"]["leaf"][82:146]
    yield _case("the promised entry itself", place, {"leaf_hash": promised}, want_error="no-breach")
    yield _case("an entry that is not there", place, {"leaf_hash": "00" * 32}, want_error="chain-path-wrong")
    moved = made["the promised entry at another place"]
    index = json.loads(moved.encode())["index"] - 1
    yield _case("the promised place", moved, {"index": index}, want_error="no-breach")
    left = made["left out of a later seal"]
    heads = {"terminal": "", "siblings": []}
    yield _case("no way to the chain", left, {"heads": heads}, want_error="heads-proof-wrong")


_PROMISE = "promise-signature-wrong"


def _card(evidence: Evidence) -> Json:
    found: Json = json.loads(LogCard(evidence.log).encode())
    return found


def _case(
    description: str, evidence: Evidence, changes: Json | None = None, card: LogCard | None = None, **want: Any
) -> Json:
    merged = json.loads(evidence.encode()) | (changes or {})
    value = {name: item for name, item in merged.items() if item is not None}
    shown = _card(evidence) if card is None else json.loads(card.encode())
    return {"description": description, "evidence": value, "card": shown, **want}


def make() -> str:
    """Return the text of the file."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")

"""Tests of identities: the vectors, the limits of statements, and histories against a model of ten lines.

Input is ``identity.json``, which the browser verifier runs too, and random histories.
"""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.proof import ed25519
from anchor.proof.did import check_did_web, did_key, key_of_did
from anchor.proof.entry import MAX_ENTRY, Entry
from anchor.proof.errors import MalformedError, UnknownVersionError, VerificationError
from anchor.proof.identity import MAX_KEYS, Operation, Purpose, Statement, statement_of
from anchor.proof.identity_history import History, Place, begin, history_of
from tests.simulators.identities import began, entry_of, first_entry_of, key, key_set, public, signed
from tests.simulators.world import fast_check
from tests.vectors import make_identity_vectors as maker

CASES: list[dict[str, Any]] = json.loads(maker.FILE.read_text())["cases"]


def told(case: dict[str, Any], check: ed25519.SignatureCheck = fast_check) -> History:
    rows = [
        (
            Entry.decode(bytes.fromhex(row["entry"])),
            Place(row["seal_number"], int(row["sealed_at_ms"]), row["block_height"], bytes.fromhex(row["promise_key"])),
        )
        for row in case["entries"]
    ]
    return history_of(bytes.fromhex(case["chain_id"]), bytes.fromhex(case["log_id"]), rows, check)


def of_statement(case: dict[str, Any]) -> dict[str, Any]:
    raw = bytes.fromhex(case["statement"])
    statement = Statement.decode(raw)
    assert raw == statement.encode()
    return maker.shown(statement)


def of_history(case: dict[str, Any]) -> dict[str, Any]:
    history = told(case)
    spans = {
        name.hex(): [span.since.seal_number, None if span.until is None else span.until.seal_number]
        for name, span in history.spans.items()
    }
    bound = [
        [item.certificate_hash.hex(), item.since.seal_number, item.until and item.until.seal_number]
        for item in history.bindings
    ]
    found = {"keys": dict(sorted(spans.items())), "ignored": sorted(history.ignored)}
    return found | ({"bound": bound} if bound else {})


def counts(history: History, public_key: bytes, place: Place) -> bool:
    try:
        history.check_valid(public_key, Purpose.ENTRIES, place)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector has the parts, or the history, that it says, or is refused under the name that it says."""
    answer = {"statement": of_statement, "history": of_history}[case["check"]]
    if "want" in case:
        assert case["want"] == answer(case)
        return
    with pytest.raises((MalformedError, VerificationError)) as caught:
        answer(case)
    found = "unknown-version" if isinstance(caught.value, UnknownVersionError) else "malformed"
    assert case["want_error"] == str(getattr(caught.value, "reason", found))


def test_the_vectors_are_what_the_script_makes() -> None:
    """Whoever changes the format changes the vectors, and sees in which."""
    assert maker.text() == maker.FILE.read_text()


JUDGED = [
    (case, signature, f"{case['description']}: seal {signature['seal_number']}")
    for case in CASES
    for signature in case.get("judged", ())
]


@pytest.mark.parametrize(("case", "signature"), [row[:2] for row in JUDGED], ids=[row[2] for row in JUDGED])
def test_which_signatures_count(case: dict[str, Any], signature: dict[str, Any]) -> None:
    """Before and after mean first sealed earlier or later, and a tie counts against the signer."""
    place = Place(signature["seal_number"], int(signature["sealed_at_ms"]), 0)
    assert signature["want"] == counts(told(case), bytes.fromhex(signature["key"]), place)


def test_plain_python_comes_to_the_same() -> None:
    """The signature check that needs the standard library only finds the same history."""
    case = next(case for case in CASES if case["description"].startswith("what is not signed"))
    assert told(case, ed25519.verify) == told(case)


@pytest.mark.parametrize("case", [case for case in CASES if case["check"] == "history" and "want" in case])
def test_what_is_ignored_changes_nothing(case: dict[str, Any]) -> None:
    """Without the entries that count for nothing the identity has the same keys."""
    ignored = set(case["want"]["ignored"])
    rows = [row for index, row in enumerate(case["entries"]) if index not in ignored]
    assert told(case).spans == told(case | {"entries": rows}).spans


def test_a_history_only_grows() -> None:
    """What was valid at a seal stays so, whatever is stated later: a receipt may be upgraded."""
    for case in CASES:
        if "want" not in case or case["check"] != "history":
            continue
        whole = told(case)
        for count in range(1, len(case["entries"])):
            before = told(case | {"entries": case["entries"][:count]})
            last = case["entries"][count]["seal_number"]
            for seal in range(last):
                place = Place(seal, seal * maker.HOUR_MS, 0)
                for name in whole.spans:
                    assert counts(before, name, place) == counts(whole, name, place)


def test_the_largest_statement_fits_an_entry() -> None:
    """Eight recovery keys may replace themselves and eight keys: 24 signatures beside it in one entry."""
    case = next(case for case in CASES if case["description"] == "24 signatures")
    entry = entry_of(bytes(32), bytes.fromhex(case["statement"]))
    assert 24 == 3 * MAX_KEYS
    assert len(entry.encode()) <= MAX_ENTRY
    assert bytes.fromhex(case["statement"]) == statement_of(Entry.decode(entry.encode()))


def test_did_key_is_that_of_the_specification() -> None:
    """The did:key method's own example of an Ed25519 key has the name that the method gives it."""
    example = bytes.fromhex("2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6")
    assert "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK" == did_key(example)


@given(key=st.binary(min_size=32, max_size=32))
def test_a_did_key_is_its_key(key: bytes) -> None:
    """What did:key writes, is read as the same key."""
    assert key == key_of_did(did_key(key))


@pytest.mark.parametrize(
    "name",
    [
        "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",  # X25519, of the method's own examples
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2do",
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doKK",
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2do0",
        "did:web:acme.example",
        "",
    ],
)
def test_what_is_no_did_key_of_ed25519(name: str) -> None:
    """Keys of another kind, of another length and other digits are refused."""
    with pytest.raises(MalformedError, match="did:key"):
        key_of_did(name)


@pytest.mark.parametrize("name", ["did:web:acme.example", "did:web:localhost%3A8443", "did:web:a.example:user:ada"])
def test_names_on_the_web(name: str) -> None:
    """Domains, ports and paths of did:web are taken."""
    check_did_web(name)


# Against a model. Every key is for both purposes; a step says what is done, who signs, about which key and with which
# new one, and whether it is in a new seal or in the one before. The paper is the one recovery key.

NAMES = "abcdef"
PAPER = "paper"
Step = tuple[str, str, str, str, bool]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "revoke", "rotate", "recover"]),
        st.sampled_from([*NAMES, PAPER]),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.booleans(),
    ),
    max_size=12,
)


def model(steps: list[Step]) -> dict[str, tuple[int, float]]:
    """Return for each key the seals between which it is valid: the reference, which knows no bytes."""
    seal, spans = 0, {"a": (0, math.inf)}
    for what, who, old, new, is_new_seal in steps:
        seal += is_new_seal
        alive = {name for name, (_, end) in spans.items() if end == math.inf}
        may = who == PAPER if what == "recover" else who in alive
        ends = {"add": set(), "revoke": {old}, "rotate": {old}, "recover": alive}[what]
        begins = set() if what == "revoke" else {new}
        if may and ends <= alive and not begins & set(spans):
            spans |= {name: (spans[name][0], seal) for name in ends} | dict.fromkeys(begins, (seal, math.inf))
    return spans


def stated(steps: list[Step]) -> History:
    """Return the history of real statements, each made by who knows the newest one in force."""
    recoverable = key_set(key("a"), recovery=[PAPER])
    first = began(maker.LOG, recoverable, "a", PAPER)
    chain_id = first_entry_of(first).chain_id
    rows, seal = [(first_entry_of(first), Place(0, 0, 0))], 0
    history = begin(chain_id, maker.LOG, first, rows[0][1], fast_check)
    for number, (what, who, old, new, is_new_seal) in enumerate(steps):
        seal += is_new_seal
        statement = {
            "add": Statement(Operation.ADD, history.tip, key=key(new)),
            "revoke": Statement(Operation.REVOKE, history.tip, public(old)),
            "rotate": Statement(Operation.ROTATE, history.tip, public(old), key=key(new)),
            "recover": Statement(Operation.RECOVER, history.tip, key_set=key_set(key(new), recovery=[PAPER])),
        }[what]
        made = signed(statement, chain_id, who, *([] if what == "revoke" else [new]))
        rows.append((entry_of(chain_id, made.encode(), bytes((number,))), Place(seal, 0, 0)))
        history = history_of(chain_id, maker.LOG, rows, fast_check)
    return history


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_random_histories_are_those_of_the_model(steps: list[Step]) -> None:
    """Whoever states what: the keys that count at each seal are those of a model that knows no bytes."""
    history, spans = stated(steps), model(steps)
    for seal in range(len(steps) + 2):
        expected = {name for name, (start, end) in spans.items() if start < seal < end}
        assert expected == {name for name in NAMES if counts(history, public(name), Place(seal, 0, 0))}

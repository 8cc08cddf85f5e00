"""Tests of ``anchor.signature_rows``: signatures in a row are judged as each alone, whoever computes.

Every test runs with a call for each signature, and natively where that can be had. What the vectors say of single
signatures, through rows too, is in ``proof/test_ed25519.py``.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor import signature_rows
from anchor.errors import SettingsError
from anchor.proof.codec import sha256
from anchor.signature_check import HARD, check_signature, chosen
from anchor.signature_rows import CHUNK, RowCheck, SignedRow, check_row, choose, one_by_one, row_keeps_the_rule
from anchor.signing import SigningKey

VECTORS = Path(__file__).parents[1] / "vectors"
CASES = [
    case
    for name in ("ed25519.json", "cctv_ed25519.json")
    for case in json.loads((VECTORS / name).read_text(encoding="ascii"))["cases"]
]
KEYS = [SigningKey(sha256(b"%d" % number)) for number in range(3)]


def native() -> RowCheck:
    why = "the native module was not built here"
    pytest.importorskip("anchor.hashing.native_signatures", reason=why, exc_type=ImportError)
    choice = choose("native")
    assert "native, PyNaCl's libsodium" == choice.name
    return choice.check


MAKERS = {"one by one": lambda: one_by_one, "native": native}
ALL = [pytest.param(name, marks=[] if name == "one by one" else pytest.mark.native) for name in MAKERS]


@pytest.fixture(params=ALL)
def check(request: pytest.FixtureRequest) -> RowCheck:
    return MAKERS[request.param]()


def row_of(messages: Sequence[bytes]) -> SignedRow:
    """Return a row of messages that several keys signed in turn."""
    keys = [KEYS[place % len(KEYS)] for place in range(len(messages))]
    signatures = [key.sign(message) for key, message in zip(keys, messages, strict=True)]
    return SignedRow([key.public_key for key in keys], signatures, messages)


def test_all_vectors_in_one_row(check: RowCheck) -> None:
    """Ours and C2SP's, one behind the other: each is judged by its own key, signature and message."""
    columns = ([bytes.fromhex(case[name]) for case in CASES] for name in ("public_key", "signature", "message"))
    assert [case["want"] for case in CASES] == check(SignedRow(*columns))


@pytest.mark.parametrize("count", [0, 1, 2, CHUNK + 1])
def test_rows_of_any_length(check: RowCheck, count: int) -> None:
    """None, one, more than a piece; messages of no byte and of an entry's most."""
    messages = [bytes(place % 2 * 4111) for place in range(count)]
    assert [True] * count == check(row_of(messages))


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=8), st.data())
@settings(max_examples=40)
def test_a_changed_byte_is_found_where_it_is(messages: list[bytes], data: st.DataObject) -> None:
    """Whatever is flipped, of key, signature or message: that one is judged as by itself, and no other one changes."""
    row = row_of(messages)
    place = data.draw(st.integers(0, len(messages) - 1))
    column = data.draw(st.sampled_from([at for at, values in enumerate(row) if values[place]]))
    columns = [list(values) for values in row]
    changed = bytearray(columns[column][place])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    columns[column][place] = bytes(changed)
    expected = [at != place for at in range(len(messages))]
    assert expected == one_by_one(SignedRow(*columns)) == check_row(SignedRow(*columns))


@pytest.mark.parametrize(("key_size", "signature_size"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_what_has_another_length_holds_not(check: RowCheck, key_size: int, signature_size: int) -> None:
    """A key or a signature that is cut or longer is wrong alone, though all bytes together are as many as before."""
    row = row_of([b"one", b"two", b"three"])
    keys = [row.keys[0], (row.keys[1] * 2)[:key_size], row.keys[2]]
    signatures = [row.signatures[0], (row.signatures[1] * 2)[:signature_size], row.signatures[2]]
    assert [True, False, True] == check(SignedRow(keys, signatures, row.messages))


@pytest.mark.native
@pytest.mark.parametrize("column", [0, 1, 2])
def test_columns_that_do_not_fit_are_refused_before_c_sees_them(column: int) -> None:
    """One piece too few, or one that is too short: an error, and nothing is read."""
    native()
    from anchor.hashing.native_signatures import signatures_hold  # noqa: PLC0415  # may not be there

    row = row_of([b"one", b"two"])
    columns = [list(values) for values in row]
    fewer = [values[: 1 if at == column else 2] for at, values in enumerate(columns)]
    with pytest.raises(ValueError, match="expected"):
        signatures_hold(*fewer)
    columns[column % 2][1] = columns[column % 2][1][:-1]
    with pytest.raises(ValueError, match="expected 2 keys of 32 bytes, and as many signatures of 64"):
        signatures_hold(*columns)


# --- which one is taken


@pytest.mark.native
def test_native_is_chosen_where_it_keeps_the_rule() -> None:
    """Where the module is there, and libsodium keeps the rule, rows are checked by it."""
    native()
    assert ("native, PyNaCl's libsodium", "it was built here, and keeps the rule") == choose("")[1:]


def test_without_the_native_module_each_is_called_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was built, or PyNaCl does not say where its function is, the reason is said."""
    monkeypatch.delitem(sys.modules, "anchor.hashing.native_signatures", raising=False)
    monkeypatch.setitem(sys.modules, "anchor.hashing._native", None)  # Python's own way to say: not there
    choice = choose("native")
    assert one_by_one is choice.check
    assert choice.reason.startswith("the native module cannot check signatures here: ")


def test_hashlib_takes_nothing_from_the_native_module() -> None:
    """ANCHORLINE_HASHING=hashlib means a call for each signature."""
    assert (one_by_one, "ANCHORLINE_HASHING says so") == choose("hashlib")[::2]


def test_where_libsodium_does_not_keep_the_rule_no_row_asks_it() -> None:
    """A process that had to take OpenSSL for single signatures takes it for rows."""
    choice = choose("native", chosen(lambda *_: True))
    assert one_by_one is choice.check
    assert "does not keep the rule" in choice.reason


def refuse_nothing(row: SignedRow) -> list[bool]:
    return [True] * len(row.messages)


def from_the_first(row: SignedRow) -> list[bool]:
    """Judge all by the first key, as who mixes columns up."""
    return one_by_one(row._replace(keys=[row.keys[0]] * len(row.keys)))


@pytest.mark.parametrize("wrong", [refuse_nothing, from_the_first, lambda row: one_by_one(row)[:-1]])
def test_who_judges_otherwise_is_found_at_the_start(wrong: RowCheck) -> None:
    """What takes everything, mixes columns up or forgets the last one does not keep the rule."""
    assert row_keeps_the_rule(one_by_one)
    assert not row_keeps_the_rule(wrong)


@pytest.mark.native
def test_what_is_wanted_by_name_and_judges_otherwise_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where native code judges otherwise, who wants it by name is told so, and everybody else gets the other way."""
    native()
    module = sys.modules["anchor.hashing.native_signatures"]
    monkeypatch.setattr(module, "signatures_hold", lambda *columns: [True] * len(columns[0]))
    assert one_by_one is choose("").check
    with pytest.raises(SettingsError, match="judges otherwise than the rule"):
        choose("native")


def test_the_hard_signatures_are_judged_by_this_process() -> None:
    """What this process took keeps the rule, alone and in rows."""
    assert row_keeps_the_rule(signature_rows.CHECK)
    assert [sample.is_good for sample in HARD] == [check_signature(*map(bytes.fromhex, sample[:3])) for sample in HARD]

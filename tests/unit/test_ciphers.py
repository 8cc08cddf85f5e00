"""AES-256-GCM of rows: native code and ``cryptography`` are one function, also in what they refuse.

Every test runs both where both can be had. The referee besides is the definition of GHASH (NIST SP 800-38D section 6.4)
with the values of test case 14 of McGrew and Viega, "The Galois/Counter Mode of Operation".
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from importlib.util import find_spec
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.errors import SettingsError
from anchor.hashing import chosen_cipher
from anchor.hashing.ciphers import KEY_SIZE, NONCE_SIZE, TAG_SIZE, PlainCipher
from anchor.hashing.pieces import Pieces
from anchor.hashing.plain import PlainHashing

# All items of a row have one; others are tried where that is said.
NONCE = bytes(range(NONCE_SIZE))
# Around every block, and what a content of a benchmark, a large one and an empty one have.
SIZES = [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 317, 0, 4096, 70_001]


def native() -> PlainCipher:
    why = "the native module was not built here"
    module = pytest.importorskip("anchor.hashing.native_cipher", reason=why, exc_type=ImportError)
    if not module.LIBRARY:
        pytest.skip("this Python brings no libcrypto")
    cipher = module.NativeCipher()
    assert isinstance(cipher, PlainCipher)
    return cipher


MAKERS: dict[str, Callable[[], PlainCipher]] = {"cryptography": PlainCipher, "native": native}
ALL = [pytest.param(name, marks=[] if name == "cryptography" else pytest.mark.native) for name in MAKERS]


@pytest.fixture(params=ALL)
def cipher(request: pytest.FixtureRequest) -> PlainCipher:
    return MAKERS[request.param]()


def keys_of(count: int) -> Pieces:
    return Pieces.cut(bytes((7 * place + place // 256) % 256 for place in range(KEY_SIZE * count)), KEY_SIZE)


def nonces_of(count: int, nonce: bytes = NONCE) -> Pieces:
    return Pieces.cut(nonce * count, NONCE_SIZE)


def filled(size: int) -> bytes:
    return bytes((size + 7 * place) % 256 for place in range(size))


def boxes_of(cipher: PlainCipher, keys: Pieces, first_no: int, items: Sequence[bytes]) -> list[bytes]:
    """Encrypt items; return each as it lies in the row."""
    sizes = list(map(len, items))
    flat = cipher.encrypt(keys, nonces_of(len(items)), first_no, b"".join(items), sizes)
    ends = accumulate((size + TAG_SIZE if size else 0 for size in sizes), initial=0)
    boxes = [flat[start:end] for start, end in pairwise(ends)]
    assert flat == b"".join(boxes)
    return boxes


def ghash(hash_key: bytes, data: bytes) -> int:
    """NIST SP 800-38D section 6.4, word for word."""

    def times(x: int, y: int) -> int:
        z = 0
        for place in range(127, -1, -1):
            z ^= y if x >> place & 1 else 0
            y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
        return z

    blocks = (int.from_bytes(data[at : at + 16], "big") for at in range(0, len(data), 16))
    return reduce(lambda found, block: times(found ^ block, int.from_bytes(hash_key, "big")), blocks, 0)


def test_a_published_case(cipher: PlainCipher) -> None:
    """Test case 14 comes out, with the tag that the definition gives for our associated data."""
    hash_key, last_mask = bytes.fromhex("dc95c078a2408989ad48a21492842087"), 0x530F8AFBC74536B9A963B4F1C4CB738B
    box, lengths = bytes.fromhex("cea7403d4d606b6e074ec5d3baf39d18"), bytes(7) + b"\x40" + bytes(7) + b"\x80"
    published = ghash(hash_key, box + bytes(8) + lengths[8:]) ^ last_mask
    assert 0xD0D1C8A799996BF0265B98B5D48AB919 == published
    tag = ghash(hash_key, (258).to_bytes(8, "big") + bytes(8) + box + lengths) ^ last_mask
    row = Pieces.cut(bytes(KEY_SIZE), KEY_SIZE), nonces_of(1, bytes(NONCE_SIZE)), 258
    assert box + tag.to_bytes(16, "big") == cipher.encrypt(*row, bytes(16), [16])
    assert [bytes(16)] == list(cipher.decrypt(*row, [box + tag.to_bytes(16, "big")]))


def test_a_row_lies_as_it_always_did(cipher: PlainCipher) -> None:
    """What homes have on disk is read for ever: a row of three, the second empty."""
    items = [b"beam 7 inspected\n", b"", b"beam 8"]
    flat = cipher.encrypt(keys_of(3), nonces_of(3), 256, b"".join(items), list(map(len, items)))
    expected = (
        "f273431ae7e41f3af7dfa6c02629b5121d37786dc170e259f89110e0fac05a0b8738eaf11ff7dffb3f20089f1a22fc0d60099456c5ad53"
    )
    assert expected == flat.hex()


KEPT = {
    "contents": [b"\x01" + filled(size) for size in (16, 17, 48, 317, 4095)],
    "digests": [b"\x02" + filled(48)] * 3,
    "many": [b"\x01" + filled(317)] * 2000,
}


@pytest.mark.native
@pytest.mark.parametrize("name", KEPT)
def test_what_is_kept_is_hashed_without_being_shown(name: str) -> None:
    """Digests and commitments of what is decrypted are those of what ``opened`` returns, also in parts."""
    items, keys = KEPT[name], keys_of(len(KEPT[name]))
    row, sizes = (keys, nonces_of(len(items)), 9), [len(item) + TAG_SIZE for item in items]
    hashed = native().hashed(*row, b"".join(boxes_of(PlainCipher(), keys, 9, items)), sizes, b"\x01\x02")
    expected = PlainHashing().kept_columns(b"".join(items), list(map(len, items)), b"\x01\x02")
    assert hashed is not None
    assert expected is not None
    assert [column.flat for column in expected] == [column.flat for column in hashed]


@pytest.mark.native
@pytest.mark.parametrize("place", [0, 1, 1999])
@pytest.mark.parametrize(
    "other", [b"", b"\x01" + filled(15), b"\x02" + filled(48), b"\x03", b"\x01" + filled(4096), None]
)
def test_what_cannot_be_hashed_so_is_opened_and_seen(place: int, other: bytes | None) -> None:
    """An empty item, one of another kind or length, a larger one, and one that is damaged (None) refuse the row."""
    items = list(KEPT["many"])
    if other is not None:
        items[place] = other
    boxes, keys = boxes_of(native(), keys_of(len(items)), 9, items), keys_of(len(items))
    if other is None:
        boxes[place] = boxes[place][:-1] + bytes([boxes[place][-1] ^ 1])
    row = keys, nonces_of(len(items)), 9, b"".join(boxes), list(map(len, boxes))
    assert native().hashed(*row, b"\x01\x02") is None
    assert PlainCipher().hashed(*row, b"\x01\x02") is None


def test_items_of_every_size(cipher: PlainCipher) -> None:
    """Items around every block are what ``cryptography`` makes of them, and come back."""
    items, keys, first_no = list(map(filled, SIZES)), keys_of(len(SIZES)), (1 << 64) - len(SIZES)
    boxes = boxes_of(cipher, keys, first_no, items)
    assert boxes_of(PlainCipher(), keys, first_no, items) == boxes
    assert items == list(cipher.decrypt(keys, nonces_of(len(items)), first_no, boxes))


@given(st.lists(st.binary(max_size=100), max_size=20), st.integers(0, (1 << 64) - 20))
def test_any_row(items: list[bytes], first_no: int) -> None:
    """Any row is encrypted as ``cryptography`` does it, whatever its numbers are, and comes back."""
    keys = keys_of(len(items))
    expected = boxes_of(PlainCipher(), keys, first_no, items)
    for name in ["cryptography", "native"] if find_spec("anchor.hashing._native") else ["cryptography"]:
        cipher = MAKERS[name]()
        assert expected == boxes_of(cipher, keys, first_no, items), name
        assert items == list(cipher.decrypt(keys, nonces_of(len(items)), first_no, expected)), name
        row = keys, nonces_of(len(items)), first_no, b"".join(expected), list(map(len, expected))
        assert b"".join(items) == cipher.opened(*row), name


def test_what_was_changed_is_refused_alone(cipher: PlainCipher) -> None:
    """Each changed byte, another key, number or nonce, a cut or longer item: refused, and its neighbours are not."""
    items, keys, first_no = [b"before", b"beam 7: two cracks", b"behind"], keys_of(3), 5
    before, box, behind = boxes_of(cipher, keys, first_no, items)
    flips = [box[:place] + bytes([box[place] ^ 1]) + box[place + 1 :] for place in range(len(box))]
    cuts = [box[:size] for size in range(1, len(box))]
    for changed in (*flips, *cuts, box + b"\x00", bytes(TAG_SIZE), before):
        opened = list(cipher.decrypt(keys, nonces_of(3), first_no, [before, changed, behind]))
        assert [b"before", None, b"behind"] == opened, changed.hex()
        row = [before, changed, behind]
        assert cipher.opened(keys, nonces_of(3), first_no, b"".join(row), list(map(len, row))) is None
    assert [None] * 3 == list(cipher.decrypt(keys, nonces_of(3), 6, [before, box, behind]))
    moved = Pieces.of([keys[0], keys[2], keys[2]], KEY_SIZE)
    assert [b"before", None, b"behind"] == list(cipher.decrypt(moved, nonces_of(3), first_no, [before, box, behind]))
    others = Pieces.of([NONCE, bytes(NONCE_SIZE), NONCE], NONCE_SIZE)
    assert [b"before", None, b"behind"] == list(cipher.decrypt(keys, others, first_no, [before, box, behind]))


def test_lengths_that_do_not_fit_are_refused(cipher: PlainCipher) -> None:
    """Keys, nonces, numbers and sizes that do not belong together are a ValueError, before anything is encrypted."""
    keys = keys_of(2)
    for row in (
        (keys_of(1), nonces_of(2), 1),
        (keys, nonces_of(1), 1),
        (keys, Pieces.cut(bytes(16), 8), 1),
        (keys, nonces_of(2), -1),
        (keys, nonces_of(2), (1 << 64) - 1),
        (Pieces.cut(bytes(32), 16), nonces_of(2), 1),
    ):
        with pytest.raises(ValueError, match="expected"):
            cipher.encrypt(*row, b"ab", [1, 1])
        with pytest.raises(ValueError, match="expected"):
            cipher.decrypt(*row, [bytes(17), bytes(17)])
    for sizes in ([1, 2], [1, 0], [3, -1]):
        with pytest.raises(ValueError, match="expected sizes"):
            cipher.encrypt(keys, nonces_of(2), 1, b"ab", sizes)
        with pytest.raises(ValueError, match="expected sizes"):
            cipher.opened(keys, nonces_of(2), 1, b"ab", sizes)


def test_an_empty_row(cipher: PlainCipher) -> None:
    """Of nothing there is nothing, and items that are all empty need no key that is worth anything."""
    assert (b"", []) == (
        cipher.encrypt(keys_of(0), nonces_of(0), 1, b"", []),
        list(cipher.decrypt(keys_of(0), nonces_of(0), 1, [])),
    )
    assert b"" == cipher.encrypt(keys_of(2), nonces_of(2), 1, b"", [0, 0])
    assert [b"", b""] == list(cipher.decrypt(keys_of(2), nonces_of(2), 1, [b"", b""]))
    assert b"" == cipher.opened(keys_of(2), nonces_of(2), 1, b"", [0, 0])


def test_threads_do_not_disturb_one_another(cipher: PlainCipher) -> None:
    """Rows that are encrypted at the same time have nothing in common."""
    rows = [(keys_of(place + 1), [filled(place)] * (place + 1)) for place in range(1, 60)]
    expected = [boxes_of(PlainCipher(), keys, 0, items) for keys, items in rows]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda row: boxes_of(cipher, row[0], 0, row[1]), rows))
    assert expected == made


# --- which one is taken


def test_without_the_native_module_cryptography_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was built, ``cryptography`` is used and the reason is said."""
    monkeypatch.delitem(sys.modules, "anchor.hashing.native_cipher", raising=False)
    monkeypatch.setitem(sys.modules, "anchor.hashing._native", None)  # Python's own way to say: not there
    choice = chosen_cipher.choose("")
    assert PlainCipher.name == choice.cipher.name
    assert choice.reason.startswith("the native module cannot encrypt here: ")


@pytest.mark.native
def test_without_libcrypto_cryptography_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that has OpenSSL inside of itself brings no libcrypto: hashing is native, the cipher is not."""
    module = pytest.importorskip("anchor.hashing.native_cipher", exc_type=ImportError)
    monkeypatch.setattr(module, "LIBRARY", "")
    for wanted in ("", "native"):
        choice = chosen_cipher.choose(wanted)
        assert PlainCipher.name == choice.cipher.name
        assert "brings no libcrypto" in choice.reason


def test_hashlib_means_cryptography() -> None:
    """ANCHORLINE_HASHING=hashlib takes nothing from the native module."""
    assert type(chosen_cipher.choose("hashlib").cipher) is PlainCipher


@pytest.mark.native
def test_native_is_chosen_where_it_agrees() -> None:
    """Where the module and libcrypto are there, rows are encrypted by them."""
    assert native().name == chosen_cipher.choose("").cipher.name


class Wrong(PlainCipher):
    """Computes one of three things wrongly."""

    name = "wrong"

    def __init__(self, what: str) -> None:
        self.what = what

    def encrypt(self, keys: Pieces, nonces: Pieces, first_no: int, data: bytes, sizes: Sequence[int]) -> bytes:
        right = super().encrypt(keys, nonces, first_no, data, sizes)
        return right if self.what != "encrypt" else right[:-1] + bytes([right[-1] ^ 1])

    def decrypt(self, keys: Pieces, nonces: Pieces, first_no: int, items: Sequence[bytes]) -> Sequence[bytes | None]:
        right = super().decrypt(keys, nonces, first_no, items)
        if self.what == "decrypt":
            return [item and item[:-1] for item in right]
        return [b"" if item is None else item for item in right] if self.what == "refuse" else right


@pytest.mark.parametrize("what", ["encrypt", "decrypt", "refuse"])
def test_what_computes_wrongly_is_not_used(what: str) -> None:
    """A cipher that makes another tag, reads another content, or takes what was changed is found at the start."""
    with pytest.raises(ArithmeticError, match="wrong does not agree with cryptography"):
        chosen_cipher.check_agrees(Wrong(what), PlainCipher())


@pytest.mark.native
def test_what_is_wanted_by_name_and_computes_wrongly_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the native module computes wrongly, who wants it by name is told so, and everybody else gets the other."""
    module = pytest.importorskip("anchor.hashing.native_cipher", exc_type=ImportError)
    monkeypatch.setattr(module.NativeCipher, "encrypt", Wrong("encrypt").encrypt)
    assert PlainCipher.name == chosen_cipher.choose("").cipher.name
    with pytest.raises(SettingsError, match="ANCHORLINE_HASHING says native"):
        chosen_cipher.choose("native")

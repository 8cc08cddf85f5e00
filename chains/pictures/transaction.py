"""An anchor transaction drawn: the coins that it spends at the left, the two outputs that it makes at the right.

``chains.web.pages`` hands in what the journal has of an attempt, and lists the same beside the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from anchor.lifecycle import State
from chains.pictures.states import NAMES, WORDS
from chains.pictures.svg import element, picture, text

_WIDTH = 720.0
_BOX_WIDTH, _BOX_HEIGHT, _GAP = 214.0, 74.0, 14.0
_MIDDLE_WIDTH, _MIDDLE_HEIGHT = 176.0, 140.0
_TOP = 30.0
_RIGHT_X = _WIDTH - _BOX_WIDTH - 1
_MIDDLE_X = (_WIDTH - _MIDDLE_WIDTH) / 2


@dataclass(frozen=True, slots=True)
class SpentCoin:
    """An input: the transaction (hex as shown) and output that it spends, and its value where it is known."""

    txid_hex: str
    vout: int
    value_sat: int | None


@dataclass(frozen=True, slots=True)
class DrawnTransaction:
    """What is drawn: inputs with the thread coin first, output 0 (the next thread coin), and the payload of output 1.

    ``begins``: the first input is the coin with which the thread begins. ``version_no`` counts from 1 the versions that
    spend this thread coin.
    """

    coins: Sequence[SpentCoin]
    begins: bool
    change_sat: int
    size: int
    root_hex: str
    fee_sat: int
    virtual_size: int
    version_no: int
    state: State
    confirmations: int | None = None


def transaction(drawn: DrawnTransaction) -> str:
    """Return the picture, from left to right."""
    rows = max(len(drawn.coins), 2)
    height = _TOP + rows * (_BOX_HEIGHT + _GAP) + 2
    middle_y = _TOP + (rows * (_BOX_HEIGHT + _GAP) - _GAP) / 2
    parts = [text(1, 16, "spends", class_="unit"), text(_RIGHT_X, 16, "makes", class_="unit")]
    for number, coin in enumerate(drawn.coins):
        y = _row_y(number, len(drawn.coins), rows)
        parts += [_wire(_BOX_WIDTH + 1, y, _MIDDLE_X, middle_y), *_box(1, y, _coin_words(drawn, number, coin))]
    for number, words in enumerate(_outputs(drawn)):
        y = _row_y(number, 2, rows)
        parts += [_wire(_MIDDLE_X + _MIDDLE_WIDTH, middle_y, _RIGHT_X, y), *_box(_RIGHT_X, y, words)]
    parts += _middle(drawn, _MIDDLE_X, middle_y)
    return picture("transaction", "The anchor transaction", _about(drawn), (_WIDTH, height), parts)


def upright_transaction(drawn: DrawnTransaction) -> str:
    """Return the same picture from top to bottom, for narrow screens."""
    pitch, half = _BOX_HEIGHT + _GAP, _BOX_HEIGHT / 2
    inputs = [_TOP + half + number * pitch for number in range(len(drawn.coins))]
    middle_y = inputs[-1] + half + _GAP + _MIDDLE_HEIGHT / 2
    outputs = [middle_y + _MIDDLE_HEIGHT / 2 + 2 * _GAP + half + number * pitch for number in range(2)]
    center = 1 + _BOX_WIDTH / 2
    parts = [
        text(1, 16, "spends", class_="unit"),
        text(1, outputs[0] - half - 9, "makes", class_="unit"),
        element("path", d=f"M{center:g} {inputs[0]:g} V{outputs[-1]:g}", class_="wire"),
    ]
    for number, (y, coin) in enumerate(zip(inputs, drawn.coins, strict=True)):
        parts += _box(1, y, _coin_words(drawn, number, coin))
    parts += _middle(drawn, center - _MIDDLE_WIDTH / 2, middle_y)
    for y, words in zip(outputs, _outputs(drawn), strict=True):
        parts += _box(1, y, words)
    size = (_BOX_WIDTH + 2, outputs[-1] + half + 2)
    return picture("upright-transaction", "The anchor transaction", _about(drawn), size, parts)


@dataclass(frozen=True, slots=True)
class _BoxWords:
    kind: str
    name: str
    first: str
    second: str


def _outputs(drawn: DrawnTransaction) -> tuple[_BoxWords, _BoxWords]:
    payload = f"AL1 · {drawn.size:,} leaves"
    return (
        _BoxWords("coin", "output 0: the next thread coin", f"{drawn.change_sat:,} sat", "spent by the next anchor"),
        _BoxWords("payload", "output 1: the payload", payload, f"root {_shortened(drawn.root_hex)}"),
    )


def _coin_name(drawn: DrawnTransaction, number: int) -> str:
    if number:
        return f"input {number}: a top-up"
    return "input 0: where the thread begins" if drawn.begins else "input 0: the thread coin before"


def _coin_words(drawn: DrawnTransaction, number: int, coin: SpentCoin) -> _BoxWords:
    value = "value not kept" if coin.value_sat is None else f"{coin.value_sat:,} sat"
    return _BoxWords("coin", _coin_name(drawn, number), value, f"{_shortened(coin.txid_hex)}:{coin.vout}")


def _row_y(number: int, count: int, rows: int) -> float:
    """Return the middle of a box; a side with fewer boxes than the other stands in its middle."""
    return _TOP + (number + (rows - count) / 2) * (_BOX_HEIGHT + _GAP) + _BOX_HEIGHT / 2


def _box(x: float, y: float, words: _BoxWords) -> list[Element]:
    top = y - _BOX_HEIGHT / 2
    return [
        element("rect", x=x, y=top, width=_BOX_WIDTH, height=_BOX_HEIGHT, rx=6, class_=f"box {words.kind}"),
        text(x + 12, top + 20, words.name, class_="unit"),
        text(x + 12, top + 42, words.first, class_="value"),
        text(x + 12, top + 61, words.second, class_="code"),
    ]


def _wire(from_x: float, from_y: float, to_x: float, to_y: float) -> Element:
    bend = (from_x + to_x) / 2
    return element(
        "path", d=f"M{from_x:g} {from_y:g} C{bend:g} {from_y:g} {bend:g} {to_y:g} {to_x:g} {to_y:g}", class_="wire"
    )


def _middle(drawn: DrawnTransaction, x: float, y: float) -> list[Element]:
    top, center = y - _MIDDLE_HEIGHT / 2, x + _MIDDLE_WIDTH / 2
    rate = drawn.fee_sat / drawn.virtual_size
    lines = (
        ("unit", f"version {drawn.version_no} of this anchor"),
        ("value", f"fee {drawn.fee_sat:,} sat"),
        ("code", f"{drawn.virtual_size:,} vB"),
        ("code", f"{rate:.2f} sat/vB"),
        ("unit", _standing(drawn)),
    )
    return [
        element("rect", x=x, y=top, width=_MIDDLE_WIDTH, height=_MIDDLE_HEIGHT, rx=6, class_="box body"),
        *(
            text(center, top + 26 + 24 * row, words, class_=kind, text_anchor="middle")
            for row, (kind, words) in enumerate(lines)
        ),
    ]


def _standing(drawn: DrawnTransaction) -> str:
    if drawn.confirmations is None:
        return NAMES[drawn.state]
    return f"{NAMES[drawn.state]}, {drawn.confirmations:,} deep"


def _shortened(hexadecimal: str) -> str:
    return f"{hexadecimal[:8]}…{hexadecimal[-8:]}"


def _about(drawn: DrawnTransaction) -> str:
    inputs = "one coin" if len(drawn.coins) == 1 else f"{len(drawn.coins)} coins"
    return (
        f"It spends {inputs}, pays a fee of {drawn.fee_sat:,} satoshi for {drawn.virtual_size:,} virtual bytes, and "
        f"makes the next thread coin of {drawn.change_sat:,} satoshi and the payload: AL1, {drawn.size:,} leaves, root "
        f"{drawn.root_hex}. State: {WORDS[drawn.state]}."
    )

"""Makes ``cctv_ed25519.json``: the set of edge cases that C2SP collected, rebuilt from the rule by which it is ordered.

Input is the two scalars below and the curve of ``make_ed25519_vectors``; none of their code or files is copied, but
the signatures are theirs, number for number. ``python -m tests.vectors.make_cctv_vectors`` in the repository's root
writes the file, to which the tests of ``anchor.proof.ed25519`` and of the browser verifier hold every verifier.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.vectors.make_ed25519_vectors import (
    BASE,
    ODD,
    ORDER,
    PRIME,
    TORSION,
    Case,
    add,
    challenge,
    encode,
    encode_raw,
    multiply,
    signed,
)

FILE = Path(__file__).with_name("cctv_ed25519.json")
ABOUT = (
    "C2SP's Community Cryptography Test Vectors for Ed25519 (github.com/C2SP/CCTV, ed25519/ed25519vectors.json at "
    "commit 0fb2c3b5dc50437ce3272abcbec7567dde497047), all 914 by their numbers and with their flags, rebuilt from "
    "parameters. Compared with that file: of each vector the message and whether it has a low-order residue; of each "
    "of the 388 whose S depends on the message the first two bytes of S, and of 24 of them the whole S; all 16 keys "
    "and R of mixed order. Copyright 2019 Google LLC, 2022 Filippo Valsorda: cctv_ed25519.LICENSE. Hex as in "
    "ed25519.json; want is ours, by the one rule of docs/spec/entry.md."
)

# The prime-order parts of key and R: 32 bytes of 42, clamped as RFC 8032 section 5.1.5 has it, and the S of number 2.
KEY_SCALAR = int.from_bytes(b"\x40" + b"\x42" * 31, "little") % ORDER
R_SCALAR = int.from_bytes(bytes.fromhex("05ba9a796274d80437afa36f1236563f2f3b0aa84cecddc3d20914615ba4fe02"), "little")


@dataclass(frozen=True)
class Half:
    """A key or an R: scalar * B + TORSION[torsion] as it is encoded, and its one canonical encoding (32 bytes each)."""

    scalar: int
    torsion: int
    encoded: bytes
    canonical: bytes

    @property
    def flags(self) -> dict[str, bool]:
        """The flags that C2SP gives this half, by their names without _A or _R."""
        return {
            "low_order": self.scalar == 0,
            "low_order_component": self.torsion != 0,
            "non_canonical": self.encoded != self.canonical,
        }


def half(scalar: int, torsion: int) -> Half:
    """Return the point in its canonical encoding."""
    encoded = encode(add(multiply(scalar, BASE), TORSION[torsion]))
    return Half(scalar, torsion, encoded, encoded)


def odd(torsion: int) -> list[Half]:
    """Return a point of small order in its other encodings: y + p where that fits, and -0."""
    x, y = TORSION[torsion]
    encodings = [encode_raw(*each) for each in ODD if each[0] % PRIME == y and (x == 0 or each[1] == x & 1)]
    return [Half(0, torsion, encoded, encode(TORSION[torsion])) for encoded in encodings]


def halves() -> Iterator[tuple[Half, Half, bool]]:
    """Return key, R, and whether the challenge takes their canonical encodings, in the order of C2SP's file.

    For each pair of the eight points of small order, sorted by their encodings: the points alone and as parts of
    others, then the key's other encodings, then R's, then both. The challenge takes the canonical encodings, too, where
    the other half is of mixed order.
    """
    ascending = sorted(range(8), key=lambda index: encode(TORSION[index]))
    mixed = [(half(KEY_SCALAR, index), half(R_SCALAR, index)) for index in range(8)]
    for key_torsion, r_torsion in itertools.product(ascending, repeat=2):
        key, r = half(0, key_torsion), half(0, r_torsion)
        mixed_key, mixed_r = mixed[key_torsion][0], mixed[r_torsion][1]
        for one, other in itertools.product((key, mixed_key), (r, mixed_r)):
            yield one, other, False
        for each in odd(key_torsion):
            yield each, r, False
            yield each, mixed_r, False
            yield each, mixed_r, True
        for each in odd(r_torsion):
            yield key, each, False
            yield mixed_key, each, False
            yield mixed_key, each, True
        for one, other in itertools.product(odd(key_torsion), odd(r_torsion)):
            yield one, other, False


def messages() -> Iterator[bytes]:
    """Return the messages in the order in which they are tried."""
    yield b"ed25519vectors"
    yield from (b"ed25519vectors %d" % number for number in itertools.count(1))


def leaves_residue(key: Half, r: Half, h: int) -> bool:
    """Say whether the parts of small order in R and hA do not cancel, so that only an equation with cofactor holds."""
    return (r.torsion + h * key.torsion) % 8 != 0


def cases_of(key: Half, r: Half, *, reencoded: bool) -> Iterator[Case]:
    """Return a signature that leaves a residue and one that does not, or the one that there is.

    Of the eight h modulo 8 it is the least that leaves a residue, and the least that leaves none; the lesser comes
    first. The message is the first with that challenge. Where the challenge is of encodings that are not those in the
    signature, the residue told is that of the true challenge, whatever was aimed at.
    """
    least = {leaves_residue(key, r, h): h for h in reversed(range(8))}
    for wanted in sorted(least.values()):
        hashed = (r.canonical, key.canonical) if reencoded else (r.encoded, key.encoded)
        message = next(each for each in messages() if challenge(*hashed, each) % 8 == wanted)
        s = (r.scalar + challenge(*hashed, message) * key.scalar) % ORDER
        residue = leaves_residue(key, r, challenge(r.encoded, key.encoded, message))
        flags = {f"{name}_{which}": has for which, each in (("A", key), ("R", r)) for name, has in each.flags.items()}
        flags |= {"low_order_residue": residue, "reencoded_k": reencoded}
        # Every encoding that is not canonical is of a point of small order, and so is every one that is encoded again.
        want = not (flags["low_order_A"] or flags["low_order_R"] or residue)
        case = signed("", key.encoded, message, r.encoded + s.to_bytes(32, "little"), want=want)
        yield case | {"flags": sorted(name for name, has in flags.items() if has)}


def cases() -> list[Case]:
    """Return the cases in C2SP's order, each under its number there."""
    found = [case for key, r, reencoded in halves() for case in cases_of(key, r, reencoded=reencoded)]
    return [case | {"description": f"CCTV {number}"} for number, case in enumerate(found)]


def make() -> str:
    """Return the file's text, one case a line."""
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), ensure_ascii=True) for case in cases())
    return f'{{"description": {json.dumps(ABOUT)},\n"cases": [\n{lines}\n]}}\n'


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")

"""Makes ``head_proof.json``: proofs of newest heads and of absent ones, what verifiers lack, and what can be wrong.

Input is one small log that is told here. ``python -m tests.vectors.make_head_proof_vectors`` in the repository's root
writes the file; ``tests/unit/proof/test_head_proof.py`` and the browser's tests run every case, and the former fails
when this script would write another.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, UnknownVersionError
from anchor.proof.head_judging import judge_head
from anchor.proof.head_proof import HeadProof
from anchor.proof.leaves import KeyLeaf, LogLeaf, Purpose, SealLeaf, ThreadLeaf
from tests.simulators.accused import heads_proof
from tests.simulators.world import Seal, World
from tests.vectors.make_receipt_vectors import Inputs, block_name, inputs_of, verifier_of

FILE = Path(__file__).with_name("head_proof.json")
ABOUT = (
    "Proofs of newest heads: docs/spec/head-proof.md. The file's text and what the verifier brings, as in "
    "receipts.json; wants the verdict as --json prints it, or the name under which the file is refused."
)
Json = dict[str, Any]
NAMES = ("orders", "quality", "batches", "shipments", "returns")


@dataclass(frozen=True)
class Told:
    """A log of five chains and three seals, the last two anchored, one key rotated in between."""

    world: World
    first: Seal
    second: Seal
    third: Seal
    anchors: dict[int, BitcoinAnchor]
    chains: dict[str, bytes]


@cache
def tell() -> Told:
    """Tell it."""
    world = World()
    world.fund_thread()
    chains = {name: world.write_first(name).entry.chain_id for name in NAMES[:3]}
    first = world.seal()
    chains |= {name: world.write_first(name).entry.chain_id for name in NAMES[3:]}
    world.write_next(chains["orders"], b"order 2")
    world.rotate(Purpose.CHECKPOINT)
    second = world.seal()
    anchors = {second.size: world.anchor(second)}
    world.write_next(chains["quality"], b"beam 7")
    third = world.seal()
    anchors[third.size] = world.anchor(third)
    return Told(world, first, second, third, anchors, chains)


def proof_of(told: Told, chain_id: bytes, at: Seal, *, is_anchored: bool = True) -> HeadProof:
    """Return the proof of a chain's newest head, or of none, under a seal's checkpoint."""
    world = told.world
    indexes = {
        kind: [i for i, leaf in enumerate(world.directory[: at.size]) if isinstance(leaf, kind)] for kind in KINDS
    }
    return HeadProof(
        chain_id=chain_id,
        log=world.log,
        log_path=world.prove(LogLeaf, 0, at).path,
        heads=heads_proof(world, chain_id, at),
        seal=world.prove(SealLeaf, at.index, at),
        checkpoint=Checkpoint.decode(at.note.text),
        note=at.note,
        thread=world.prove(ThreadLeaf, indexes[ThreadLeaf][-1], at),
        keys=tuple(world.prove(KeyLeaf, index, at) for index in indexes[KeyLeaf]),
        anchors=(told.anchors[at.size],) if is_anchored and at.size in told.anchors else (),
    )


KINDS = (ThreadLeaf, KeyLeaf)


def brought(told: Told, **fields: Any) -> Inputs:
    """Return what a verifier with everything has; ``fields`` take something of it away or put it otherwise."""
    usual: dict[str, Any] = {"card": told.world.card, "blocks": [block_name(each) for each in told.world.blocks[-2:]]}
    return inputs_of(**usual | fields)


def absent_ids(told: Told) -> dict[str, bytes]:
    """Return ids of no chain: of one the way ends at another chain's head, of the other at nothing."""
    found: dict[str, bytes] = {}
    number = 0
    while len(found) < 2:
        chain_id = sha256(f"nothing {number}".encode())
        way = heads_proof(told.world, chain_id, told.third)
        found.setdefault("nobody's place" if way.terminal is None else "another chain's place", chain_id)
        number += 1
        assert number < 10_000, "five chains have no empty place: tell another story"
    return found


def cases() -> Iterator[Json]:
    """Return every case."""
    told = tell()
    everything = brought(told)
    orders = told.chains["orders"]
    whole = proof_of(told, orders, told.third)
    for name, chain_id in told.chains.items():
        yield _case(f"the newest head of {name}", proof_of(told, chain_id, told.third), everything)
    for name, chain_id in absent_ids(told).items():
        yield _case(f"no head: {name}", proof_of(told, chain_id, told.third), everything)
    yield _case("an older checkpoint, of before", proof_of(told, told.chains["quality"], told.second), everything)
    yield _case("no head yet, at an older checkpoint", proof_of(told, told.chains["returns"], told.first), everything)
    yield _case("nobody was asked about the block", whole, brought(told, blocks=()))
    yield _case("another depth is wanted", whole, brought(told, headers=_headers(told), blocks=(), depth=400))
    yield _case("no card", whole, brought(told, card=None))
    yield _case("any log will do", whole, brought(told, card=None, any_log=True))
    yield _case("the card of another log", whole, brought(told, card=World(name="other").card))
    yield _case("not anchored", proof_of(told, orders, told.third, is_anchored=False), everything)
    yield from _failures(told, whole, everything)
    yield from _wrong_files(whole, everything)


def _headers(told: Told) -> bytes:
    lines = [f"regtest {told.world.blocks[0].height}", *(each.header.encode().hex() for each in told.world.blocks)]
    return ("\n".join(lines) + "\n").encode()


def _failures(told: Told, whole: HeadProof, everything: Inputs) -> Iterator[Json]:
    older = proof_of(told, whole.chain_id, told.second)
    heads = whole.heads
    none = proof_of(told, next(iter(absent_ids(told).values())), told.third)
    changes: dict[str, Callable[[HeadProof], HeadProof]] = {
        "the head of before": lambda proof: replace(
            proof, heads=proof_of(told, told.chains["quality"], told.second).heads
        ),
        "the way of another chain": lambda proof: replace(proof, chain_id=told.chains["returns"]),
        "a head hidden": lambda proof: replace(proof, heads=replace(heads, terminal=None)),
        "a head hidden one level up": lambda proof: replace(
            proof, heads=replace(heads, terminal=None, siblings=heads.siblings[:-1])
        ),
        "an absent chain's neighbour as its own": lambda proof: replace(proof, chain_id=none.chain_id),
        "a sibling changed": lambda proof: replace(
            proof, heads=replace(heads, siblings=(sha256(b"x"), *heads.siblings[1:]))
        ),
        "a sibling too many": lambda proof: replace(
            proof, heads=replace(heads, siblings=(*heads.siblings, sha256(b"x")))
        ),
        "a deepest sibling of nothing": lambda proof: replace(
            proof, heads=replace(heads, siblings=(*heads.siblings, sha256(b"\x02")))
        ),
        "a terminal that is a seal": lambda proof: replace(
            proof, heads=replace(heads, terminal=proof.seal.leaf.encode())
        ),
        "an older seal, behind which there is another": lambda proof: replace(
            proof,
            heads=older.heads,
            seal=told.world.prove(SealLeaf, told.second.index, told.third),
        ),
        "a seal that is not in the log": lambda proof: replace(
            proof, seal=replace(proof.seal, leaf=replace(proof.seal.leaf, sealed_at_ms=1))
        ),
        "a checkpoint signed by nobody": lambda proof: replace(proof, note=replace(proof.note, signatures=())),
        "a key change left out": lambda proof: replace(proof, keys=()),
        "an older checkpoint's note": lambda proof: replace(proof, note=older.note, checkpoint=older.checkpoint),
        "the anchor of another checkpoint": lambda proof: replace(proof, anchors=older.anchors),
        "no thread leaf": lambda proof: replace(proof, thread=None),
        "log leaf elsewhere": lambda proof: replace(proof, log_path=proof.log_path[:-1]),
    }
    for name, change in changes.items():
        yield _case(name, change(whole), everything)


def _wrong_files(whole: HeadProof, everything: Inputs) -> Iterator[Json]:
    value: Json = json.loads(whole.encode())
    spoilt: dict[str, Json] = {
        "an unknown field": value | {"more": 1},
        "another format": value | {"format": "anchorline-receipt/1"},
        "a chain id that is too short": value | {"chain_id": "ab"},
        "a head where the seal is due": value | {"seal": value["seal"] | {"leaf": value["heads"]["terminal"]}},
        "a terminal that is no leaf": value | {"heads": value["heads"] | {"terminal": "ff"}},
        "257 siblings": value | {"heads": value["heads"] | {"siblings": ["00" * 32] * 257}},
        "leaf 0 at another index": value | {"log": value["log"] | {"index": 1}},
        "a key leaf that is none": value | {"keys": [value["seal"]]},
        **{
            f"no {name}": {field: each for field, each in value.items() if field != name}
            for name in value
            if name != "thread"
        },
    }
    for name, changed in spoilt.items():
        yield _file(name, json.dumps(changed), everything)
    yield _file("a newer version", json.dumps(value | {"format": "anchorline-head-proof/2"}), everything)
    yield _file("no JSON", "a head", everything)


def judged(text: str, inputs: Inputs) -> Json | str:
    """Return the verdict as ``--json`` prints it, or the name under which the file is refused."""
    try:
        return judge_head(HeadProof.decode(text.encode()), verifier_of(inputs)).to_json()
    except UnknownVersionError:
        return "unknown-version"
    except MalformedError:
        return "malformed"


def _case(description: str, proof: HeadProof, inputs: Inputs) -> Json:
    return _file(description, proof.encode().decode(), inputs)


def _file(description: str, text: str, inputs: Inputs) -> Json:
    found = judged(text, inputs)
    want: Json = {"want_error": found} if isinstance(found, str) else {"want": found}
    return {"description": description, "proof": text, "verifier": inputs, **want}


def make() -> str:
    """Return the text of the file."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")

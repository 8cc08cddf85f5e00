"""Makes the vectors of every format of the proof, a file for each: one good value, and what can be wrong with it.

Input is the story that ``tests/simulators/world.py`` tells, and the constants in this file.
``python -m tests.vectors.make_vectors`` in the repository's root writes the files; the tests of ``anchor.proof`` run
every case, as the browser verifier does, and fail when this script would write other bytes than the files have.
"""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.checkpoint import NoteSignature, chain_origin, key_id, verifier_key
from anchor.proof.codec import sha256
from anchor.proof.entry import (
    MAX_ENTRY,
    Author,
    Entry,
    Extension,
    ExtensionType,
    ExternalId,
    IdKind,
    Link,
    chain_id_of,
    signing_keys,
)
from anchor.proof.heads import EMPTY, HeadsProof, heads_root, prove_head
from anchor.proof.leaves import (
    NO_PREVIOUS,
    EpochLeaf,
    HeadLeaf,
    Key,
    KeyLeaf,
    KeyType,
    LogLeaf,
    Purpose,
    Signer,
    ThreadLeaf,
)
from anchor.proof.merkle import consistency_path, inclusion_path, leaf_hash, node_hash, root_of
from anchor.proof.promise import Promise, submitter_of
from anchor.proof.strictjson import MAX_DEPTH, MAX_INTEGER
from tests.simulators.policies import signed_by
from tests.simulators.world import World, public_bytes, sign_batch, sign_entry, signing_key, tell

Case = dict[str, Any]
HERE = Path(__file__).parent

MALFORMED = "malformed"
NEWER = "unknown-version"


def case(description: str, check: str, **fields: Any) -> Case:
    """Return one case; ``want`` or ``want_error`` is among ``fields``."""
    return {"description": description, "check": check, **fields}


def changed(raw: bytes, at: int, piece: bytes) -> str:
    """Return the hex of ``raw`` with ``piece`` written over it from ``at`` on."""
    return (raw[:at] + piece + raw[at + len(piece) :]).hex()


# Entries

_COMMITMENT = sha256(b"a commitment")
_CHAIN = chain_id_of((ExternalId(IdKind.CLEAR, b"orders"),))
_EMPTY = Entry(_CHAIN, _COMMITMENT)
# Offsets in an entry without media type, ids, links, extensions and author.
_MEDIA_TYPE, _IDS, _LINKS, _EXTENSIONS, _AUTHOR = 65, 66, 67, 68, 70


def entry_with(ids: str = "00", links: str = "00", extensions: str = "0000", author: str = "000000") -> str:
    """Return an entry in hex whose fields after the media type are given in hex."""
    return _EMPTY.encode()[:_IDS].hex() + ids + links + extensions + author


def full_entry() -> Entry:
    """Return an entry that has every field."""
    return Entry(
        _CHAIN,
        _COMMITMENT,
        "application/json; charset=utf-8",
        (
            ExternalId(IdKind.CLEAR, b"orders"),
            ExternalId(IdKind.HASHED, sha256(b"hidden")),
            ExternalId(IdKind.KEYED, sha256(b"keyed")),
        ),
        (Link(1, _CHAIN, sha256(b"the entry before")), Link(200, sha256(b"another chain"), sha256(b"elsewhere"))),
        (
            Extension(ExtensionType.LOG_ID, sha256(b"log")),
            Extension(ExtensionType.AUTHOR_TIME, (1_750_000_000_000).to_bytes(8, "big")),
            Extension(ExtensionType.PREVIOUS_ENTRY, sha256(b"previous")),
            Extension(ExtensionType.NOT_VALID_AFTER, bytes(8)),
            Extension(ExtensionType.IDENTITY, sha256(b"identity")),
            Extension(0x7FFF, b""),
            Extension(0x8000, b"who does not know this cannot verify"),
        ),
    )


def entry_cases() -> Iterator[Case]:
    """Return entries and what is none."""
    yield from good_entries()
    raw = _EMPTY.encode()
    for description, data in (
        ("nothing", ""),
        ("cut after the chain id", raw[:33].hex()),
        ("cut before the last byte", raw[:-1].hex()),
        ("a byte too many", raw.hex() + "00"),
        ("media type with a control character", changed(raw, _MEDIA_TYPE, b"\x01\x1f") + "00"),
        ("media type with a byte above 7e", changed(raw, _MEDIA_TYPE, b"\x01\x7f") + "00"),
        ("media type that is UTF-8", changed(raw, _MEDIA_TYPE, b"\x02\xc3\xa9") + "0000"),
        ("external id of kind 3", entry_with(ids="01 03 0001 61".replace(" ", ""))),
        ("external id of no bytes", entry_with(ids="01000000")),
        ("external id of kind 1 with 31 bytes", entry_with(ids="0101001f" + "00" * 31)),
        ("external id of kind 2 with 33 bytes", entry_with(ids="01020021" + "00" * 33)),
        ("external id longer than the entry", entry_with(ids="0100ffff61")),
        ("two external ids announced, one there", entry_with(ids="0200000161")),
        ("link cut short", entry_with(links="01" + "01" + "00" * 63)[: 2 * (_LINKS + 1 + 64)]),
        ("extensions in descending order", entry_with(extensions="0008" + "00070000" + "00060000")),
        ("an extension twice", entry_with(extensions="0008" + "00070000" + "00070000")),
        ("extension 1 with 31 bytes", entry_with(extensions="0023" + "0001001f" + "00" * 31)),
        ("extension 2 with 7 bytes", entry_with(extensions="000b" + "00020007" + "00" * 7)),
        ("extension 3 with 33 bytes", entry_with(extensions="0025" + "00030021" + "00" * 33)),
        ("extension 4 with 9 bytes", entry_with(extensions="000d" + "00040009" + "00" * 9)),
        ("extension 5 with no bytes", entry_with(extensions="0004" + "00050000")),
        ("extension longer than all of them", entry_with(extensions="0004" + "00070001") + "00"),
        ("half an extension", entry_with(extensions="0003" + "000700")),
        ("no author with a body", entry_with(author="00000100")),
        ("author of type 1 with 95 bytes", entry_with(author="01005f" + "00" * 95)),
        ("author of type 1 with 97 bytes", entry_with(author="010061" + "00" * 97)),
        ("author of type 3 with 103 bytes", entry_with(author="030067" + "00" * 103)),
        ("author of type 3 with half a hash", entry_with(author="030078" + "00" * 120)),
        ("author of type 3 with 33 hashes", entry_with(author="030488" + "00" * (104 + 33 * 32))),
        ("author of type 4 with 63 bytes", entry_with(author="04003f" + "00" * 63)),
        ("author of type 5 with no bytes", entry_with(author="050000")),
        ("author of type 5 with one key", entry_with(author="050061" + "01" + "00" * 96)),
        ("author of type 5 with a byte too many", entry_with(author="0500c2" + "02" + "00" * 31 + "01" + "01" * 161)),
        ("author of type 5 with a key twice", entry_with(author="0500c1" + "02" + "00" * 192)),
        ("author of type 5 with seventeen keys", entry_with(author="050661" + "11" + "00" * 1632)),
        ("author longer than the entry", entry_with(author="010060" + "00" * 95)),
    ):
        yield case(description, "entry", entry=data, want_error=MALFORMED)
    for version in (0, 2, 0x10, 0x12, 0x20, 0x21, 0xD2, 0xFF):
        description = f"version {version:02x}"
        yield case(description, "entry", entry=changed(raw, 0, bytes((version,))), want_error=NEWER)
    too_long = "00" * (MAX_ENTRY + 1 - len(raw) - 3)
    oversized = entry_with(ids=f"0100{len(too_long) // 2:04x}{too_long}")
    yield case(f"an entry of {MAX_ENTRY + 1} bytes", "entry", entry=oversized, want_error=MALFORMED)


def good_entries() -> Iterator[Case]:
    """Return entries that are read, and what they say."""
    story = tell()
    longest = replace(_EMPTY, external_ids=(ExternalId(IdKind.CLEAR, b"x" * (MAX_ENTRY - len(_EMPTY.encode()) - 3)),))
    key = signing_key("alice")
    for description, entry in (
        ("the smallest entry", _EMPTY),
        ("every field", full_entry()),
        ("signed by its author", sign_entry(full_entry(), key)),
        ("signed in a batch of one", sign_batch([_EMPTY], key)[0]),
        ("signed in a batch of five, the last", sign_batch([full_entry(), *[_EMPTY] * 3, longest_but(400)], key)[4]),
        ("signed by two together", signed_by(full_entry(), ["alice", "bob"])),
        ("signed by sixteen together", signed_by(_EMPTY, [f"holder {number}" for number in range(16)])),
        ("signed by keys whose hashes are in it (type 4)", replace(_EMPTY, author=Author(4, bytes(64)))),
        ("an author of an unknown type", replace(_EMPTY, author=Author(2, b"whatever"))),
        ("a media type of 255 bytes", replace(_EMPTY, media_type="~" * 255)),
        ("a media type of spaces", replace(_EMPTY, media_type=" ")),
        ("255 external ids", replace(_EMPTY, external_ids=(ExternalId(IdKind.CLEAR, b"i"),) * 255)),
        (f"an entry of {MAX_ENTRY} bytes", longest),
        ("the first entry of the story", story.shapes["first entry"].receipt.entry),
    ):
        yield case(description, "entry", entry=entry.encode().hex(), want=entry_facts(entry))


def longest_but(spare: int) -> Entry:
    """Return an entry that leaves ``spare`` bytes free."""
    size = MAX_ENTRY - spare - len(_EMPTY.encode()) - 3
    return replace(_EMPTY, external_ids=(ExternalId(IdKind.CLEAR, b"x" * size),))


def entry_facts(entry: Entry) -> dict[str, Any]:
    """Return what a reader must find in an entry."""
    return {
        "entry_hash": leaf_hash(entry.encode()).hex(),
        "chain_id": entry.chain_id.hex(),
        "content_commitment": entry.content_commitment.hex(),
        "media_type": entry.media_type,
        "external_ids": [{"kind": item.kind, "value": item.value.hex()} for item in entry.external_ids],
        "links": [
            {"relation": link.relation, "chain_id": link.chain_id.hex(), "entry_hash": link.entry_hash.hex()}
            for link in entry.links
        ],
        "extensions": [{"type": item.type, "value": item.value.hex()} for item in entry.extensions],
        "author_type": int(entry.author.type),
        "signature": "good" if signing_keys(entry) else "none",
    }


def chain_id_cases() -> Iterator[Case]:
    """Return chain ids by Factom's rule, computed here from the hashes themselves."""
    clear, hashed, keyed = b"orders", sha256(b"hidden"), sha256(b"keyed")

    def ids(*items: tuple[int, bytes]) -> list[dict[str, Any]]:
        return [{"kind": kind, "value": value.hex()} for kind, value in items]

    for description, items, digests in (
        ("one id in clear", ids((0, clear)), [sha256(clear)]),
        ("the same id as its hash: the same chain", ids((1, sha256(clear))), [sha256(clear)]),
        ("a hash stands for itself", ids((1, hashed)), [hashed]),
        ("a keyed id is hashed once more", ids((2, keyed)), [sha256(keyed)]),
        ("32 bytes in clear are hashed, unlike a hash", ids((0, hashed)), [sha256(hashed)]),
        ("three ids, in this order", ids((0, clear), (1, hashed), (2, keyed)), [sha256(clear), hashed, sha256(keyed)]),
        (
            "three ids, in another order",
            ids((2, keyed), (1, hashed), (0, clear)),
            [sha256(keyed), hashed, sha256(clear)],
        ),
        ("an id twice", ids((0, clear), (0, clear)), [sha256(clear)] * 2),
        ("bytes split elsewhere give another chain", ids((0, b"or"), (0, b"ders")), [sha256(b"or"), sha256(b"ders")]),
    ):
        yield case(description, "chain_id", external_ids=items, want=sha256(b"".join(digests)).hex())
    yield case("no id", "chain_id", external_ids=[], want_error=MALFORMED)


# Leaves


def sample_leaves() -> Iterator[tuple[str, Any]]:
    """Return a leaf of each type, from the story where it has one."""
    story = tell()
    directory = story.world.directory
    yield "leaf 0", directory[0]
    yield "a seal", directory[-1]
    yield "a first head", next(leaf for leaf in directory if isinstance(leaf, HeadLeaf))
    yield "a later head", next(leaf for leaf in reversed(directory) if isinstance(leaf, HeadLeaf))
    yield "a head under a policy", HeadLeaf(sha256(b"orders"), 2, NO_PREVIOUS, sha256(b"root"), sha256(b"policy"))
    for leaf in directory:
        if isinstance(leaf, KeyLeaf):
            yield f"a new key for purpose {leaf.purpose}", leaf
    yield "a promise key revoked", replace(revoked_key(), signature=bytes(64))
    yield "the first thread", next(leaf for leaf in directory if isinstance(leaf, ThreadLeaf))
    yield "another thread", ThreadLeaf(OutPoint(sha256(b"coin"), 1), sha256(b"first thread"), bytes(64))
    yield "a restored backup", EpochLeaf(1_750_000_000_000, 1_750_000_060_000)


def revoked_key() -> KeyLeaf:
    """Return a leaf that ends the promise key, not yet signed."""
    return KeyLeaf(Purpose.PROMISE, sha256(b"leaf 0"), Key(KeyType.REVOKED, b""), Signer.RECOVERY_KEY, bytes(64))


def leaf_cases() -> Iterator[Case]:
    """Return directory leaves and what is none."""
    good = dict(sample_leaves())
    for description, leaf in good.items():
        raw = leaf.encode()
        yield case(description, "leaf", leaf=raw.hex(), want={"type": raw[0], "leaf_hash": leaf_hash(raw).hex()})
        yield case(f"{description}, cut short", "leaf", leaf=raw[:-1].hex(), want_error=MALFORMED)
        yield case(f"{description}, a byte too many", "leaf", leaf=raw.hex() + "00", want_error=MALFORMED)
    for kind in (0x16, *range(0x18, 0x20)):
        for body in ("", "00" * 1023):
            raw = bytes.fromhex(f"{kind:02x}{body}")
            want = {"type": kind, "leaf_hash": leaf_hash(raw).hex()}
            yield case(f"unassigned type {kind:02x} of {len(raw)} bytes is kept", "leaf", leaf=raw.hex(), want=want)
    for kind in (0x00, 0x01, 0x0F, 0x20, 0x21, 0xD2, 0xFF):
        yield case(
            f"type {kind:02x} is no directory leaf", "leaf", leaf=f"{kind:02x}" + "00" * 80, want_error=MALFORMED
        )
    yield case("nothing", "leaf", leaf="", want_error=MALFORMED)
    yield case("an unassigned type of 1,025 bytes", "leaf", leaf="16" + "00" * 1024, want_error=MALFORMED)
    yield from bad_log_leaves(good["leaf 0"])
    yield from bad_key_leaves(good["a new key for purpose 1"], good["a promise key revoked"])
    first, later = good["the first thread"].encode(), good["another thread"].encode()
    for description, leaf in (
        ("a first thread with a signature", first[:-2].hex() + "0040" + "00" * 64),
        ("another thread without a signature", later[:69].hex() + "0000"),
        ("another thread with a signature of 63 bytes", later[:69].hex() + "003f" + "00" * 63),
        ("a head under a policy of zeros", good["a head under a policy"].encode()[:-32].hex() + "00" * 32),
        ("a backup that lost time backwards", changed(good["a restored backup"].encode(), 1, b"\xff")),
    ):
        yield case(description, "leaf", leaf=leaf, want_error=MALFORMED)


def bad_log_leaves(log: LogLeaf) -> Iterator[Case]:
    """Return leaf 0 with an origin or a key that it cannot have."""
    raw = log.encode()
    rest = raw[2 + len(log.origin) :]
    for description, origin in (
        ("no bytes", b""),
        ("a space", b"log example"),
        ("a plus sign", b"log+example"),
        ("a control character", b"log\x00"),
        ("a byte above 7e", b"log\x7f"),
        ("UTF-8", "lög".encode()),
    ):
        leaf = (bytes((0x10, len(origin))) + origin + rest).hex()
        yield case(f"leaf 0 with an origin of {description}", "leaf", leaf=leaf, want_error=MALFORMED)
    for origin in (b"o", b"!~", b"o" * 255):
        data = bytes((0x10, len(origin))) + origin + rest
        want = {"type": 0x10, "leaf_hash": leaf_hash(data).hex()}
        yield case(f"leaf 0 with an origin of {len(origin)} bytes", "leaf", leaf=data.hex(), want=want)
    for description, key in (
        ("revoked", "000000"),
        ("of type 2", "020020" + "00" * 32),
        ("of 31 bytes", "01001f" + "00" * 31),
        ("of 33 bytes", "010021" + "00" * 33),
    ):
        yield case(
            f"leaf 0 with a recovery key {description}", "leaf", leaf=raw[:-35].hex() + key, want_error=MALFORMED
        )


def bad_key_leaves(rotated: KeyLeaf, revoked: KeyLeaf) -> Iterator[Case]:
    """Return key leaves that no log may write."""
    raw, ended = rotated.encode(), revoked.encode()
    signer_at = 2 + 32 + 35
    for description, leaf in (
        ("purpose 0", changed(raw, 1, b"\x00")),
        ("purpose 4", changed(raw, 1, b"\x04")),
        ("signer 1", changed(raw, signer_at, b"\x01")),
        ("signer 2", changed(raw, signer_at, b"\x02")),
        ("a recovery key signed by itself as the old key", changed(raw, 1, b"\x03")),
        ("a checkpoint key revoked", changed(ended, 1, b"\x01")),
        ("a recovery key revoked", changed(ended, 1, b"\x03")),
        ("a new key of type 2", changed(raw, 34, b"\x02")),
        ("a revoked key with bytes", changed(raw, 34, b"\x00")),
        ("a signature of 63 bytes", raw[: signer_at + 1].hex() + "003f" + "00" * 63),
        ("no signature", raw[: signer_at + 1].hex() + "0000"),
    ):
        yield case(f"key leaf: {description}", "leaf", leaf=leaf, want_error=MALFORMED)


# The heads tree


def head_of(chain_id: bytes, size: int = 1) -> bytes:
    """Return the bytes of a head leaf."""
    return HeadLeaf(chain_id, size, NO_PREVIOUS, sha256(chain_id)).encode()


def heads_cases() -> Iterator[Case]:
    """Return roots of heads trees, and proofs of newest and of absent heads."""
    near = [bytes(31) + bytes((last,)) for last in (0, 1, 3)]
    spread = [sha256(b"chain %d" % number) for number in range(9)]
    for description, chain_ids in (
        ("no chain", []),
        ("one chain", spread[:1]),
        ("two chains that part at the first bit", [bytes(32), b"\x80" + bytes(31)]),
        ("two chains that part at the last bit", near[:2]),
        ("three chains deep down", near),
        ("nine chains", spread),
    ):
        items = sorted((chain_id, leaf_hash(head_of(chain_id))) for chain_id in chain_ids)
        given = [{"chain_id": chain_id.hex(), "leaf_hash": digest.hex()} for chain_id, digest in items]
        yield case(description, "heads_root", items=given, want=heads_root(items).hex())
    items = sorted((chain_id, leaf_hash(head_of(chain_id))) for chain_id in spread)
    twice = [{"chain_id": chain_id.hex(), "leaf_hash": digest.hex()} for chain_id, digest in (items[0], items[0])]
    yield case("a chain twice", "heads_root", items=twice, want_error=MALFORMED)
    backwards = [{"chain_id": chain_id.hex(), "leaf_hash": digest.hex()} for chain_id, digest in items[1::-1]]
    yield case("not in order", "heads_root", items=backwards, want_error=MALFORMED)
    yield from good_heads_proofs(spread, "nine chains")
    yield from good_heads_proofs(near, "chains that part at the last bits")
    yield from heads_proof_mutations(spread)


def heads_tree(chain_ids: list[bytes], chain_id: bytes) -> tuple[HeadsProof, bytes]:
    """Return the proof for ``chain_id`` in the tree of ``chain_ids``, and the root."""
    leaves = {leaf_hash(head_of(each)): head_of(each) for each in chain_ids}
    items = sorted((each, leaf_hash(head_of(each))) for each in chain_ids)
    return prove_head(items, chain_id, leaves.__getitem__), heads_root(items)


def good_heads_proofs(chain_ids: list[bytes], name: str) -> Iterator[Case]:
    """Return a proof of a newest and of an absent head, each of which shows nothing else."""
    for present, absent in ((chain_ids[1], sha256(b"nobody")), (chain_ids[2], bytes(31) + b"\x02")):
        good, root = heads_tree(chain_ids, present)
        gone, _ = heads_tree(chain_ids, absent)
        head, wrong = leaf_hash(head_of(present)).hex(), "heads-proof-wrong"
        yield proof_case(f"{name}: newest", "newest", present, good, root, want=head)
        yield proof_case(f"{name}: newest, taken for absent", "absent", present, good, root, want_error=wrong)
        yield proof_case(f"{name}: absent", "absent", absent, gone, root, want=True)
        yield proof_case(f"{name}: absent, taken for newest", "newest", absent, gone, root, want_error=wrong)


def heads_proof_mutations(chain_ids: list[bytes]) -> Iterator[Case]:
    """Return proofs that show neither."""
    present, wrong = chain_ids[1], "heads-proof-wrong"
    good, root = heads_tree(chain_ids, present)
    for description, proof in bad_heads_proofs(good, chain_ids[0]):
        yield proof_case(description, "newest", present, proof, root, want_error=wrong)
        yield proof_case(f"{description}, for absence", "absent", present, proof, root, want_error=wrong)
    yield proof_case("another root", "newest", present, good, sha256(root), want_error=wrong)
    leaf = leaf_hash(head_of(present))
    lone_root = node_hash(EMPTY, leaf) if present[0] >> 7 else node_hash(leaf, EMPTY)
    lone = HeadsProof(good.terminal, (EMPTY,))
    description = "a lone head beside an empty sibling, under the root of just that"
    yield proof_case(description, "newest", present, lone, lone_root, want_error=wrong)


def bad_heads_proofs(good: HeadsProof, other: bytes) -> Iterator[tuple[str, HeadsProof]]:
    """Return changes to a proof that show nothing."""
    yield "no head at the end", replace(good, terminal=None)
    yield "another chain's head at the end", replace(good, terminal=head_of(other))
    yield "a leaf that is no head at the end", replace(good, terminal=EpochLeaf(0, 1).encode())
    yield "a sibling changed", replace(good, siblings=(sha256(good.siblings[0]), *good.siblings[1:]))
    yield "a sibling missing", replace(good, siblings=good.siblings[1:])
    yield "a sibling of 31 bytes", replace(good, siblings=(good.siblings[0][:31], *good.siblings[1:]))
    yield "257 siblings", replace(good, siblings=(sha256(b"sibling"),) * 257)


def proof_case(description: str, check: str, chain_id: bytes, proof: HeadsProof, root: bytes, **want: Any) -> Case:
    """Return a case of a heads proof; no terminal is an empty string."""
    return case(
        description,
        check,
        chain_id=chain_id.hex(),
        terminal="" if proof.terminal is None else proof.terminal.hex(),
        siblings=[value.hex() for value in proof.siblings],
        root=root.hex(),
        **want,
    )


# Trees


def merkle_cases() -> Iterator[Case]:
    """Return roots, paths and checks of small trees."""
    leaves = [b"leaf %d" % number for number in range(11)]
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for size in (*range(9), 11):
        given = [leaf.hex() for leaf in leaves[:size]]
        yield case(f"root of {size} leaves", "root", leaves=given, want=root_of(hashes[:size]).hex())
    for size, index in ((1, 0), (2, 1), (7, 0), (7, 3), (7, 6), (8, 5), (11, 4), (11, 10)):
        given = [leaf.hex() for leaf in leaves[:size]]
        path = [value.hex() for value in inclusion_path(hashes[:size], index)]
        yield case(f"path of leaf {index} of {size}", "inclusion_path", leaves=given, index=index, want=path)
        yield from inclusion_cases(hashes[:size], index)
    for old, new in ((1, 1), (1, 2), (3, 7), (4, 7), (6, 8), (7, 8), (8, 11), (10, 11)):
        yield from consistency_cases(hashes, old, new)


def inclusion_cases(hashes: list[bytes], index: int) -> Iterator[Case]:
    """Return one inclusion proof, and what does not hold."""
    size, wrong = len(hashes), "inclusion-wrong"
    path, name = inclusion_path(hashes, index), f"leaf {index} of {size}"

    def proof(description: str, at: int, of: int, leaf: bytes, way: tuple[bytes, ...], **want: Any) -> Case:
        fields = {"index": at, "size": of, "leaf_hash": leaf.hex(), "path": [value.hex() for value in way]}
        return case(f"{name}{description}", "inclusion", **fields, root=root_of(hashes).hex(), **want)

    leaf = hashes[index]
    yield proof("", index, size, leaf, path, want=True)
    yield proof(", index behind the end", size, size, leaf, path, want_error=wrong)
    yield proof(", in a tree of none", index, 0, leaf, path, want_error=wrong)
    yield proof(", another leaf", index, size, sha256(leaf), path, want_error=wrong)
    yield proof(", a leaf hash of 31 bytes", index, size, leaf[:31], path, want_error=wrong)
    yield proof(", a hash too many", index, size, leaf, (*path, root_of(hashes)), want_error=wrong)
    yield proof(", 65 hashes", index, size, leaf, (leaf,) * 65, want_error=wrong)
    if path:
        yield proof(", the index beside it", index ^ 1, size, leaf, path, want_error=wrong)
        yield proof(", a hash missing", index, size, leaf, path[:-1], want_error=wrong)
        yield proof(", a hash changed", index, size, leaf, (sha256(path[0]), *path[1:]), want_error=wrong)
        yield proof(", a hash of 33 bytes", index, size, leaf, (path[0] + b"\x00", *path[1:]), want_error=wrong)


def consistency_cases(hashes: list[bytes], old: int, new: int) -> Iterator[Case]:
    """Return one consistency proof, and what does not hold."""
    wrong = "consistency-wrong"
    roots = root_of(hashes[:old]), root_of(hashes[:new])
    path, name = consistency_path(hashes[:new], old), f"from {old} to {new} leaves"

    def proof(
        description: str, sizes: tuple[int, int], ends: tuple[bytes, bytes], way: tuple[bytes, ...], **want: Any
    ) -> Case:
        return case(
            f"{name}{description}",
            "consistency",
            old_size=sizes[0],
            new_size=sizes[1],
            old_root=ends[0].hex(),
            new_root=ends[1].hex(),
            path=[value.hex() for value in way],
            **want,
        )

    yield proof("", (old, new), roots, path, want=True)
    yield proof(", another old root", (old, new), (sha256(roots[0]), roots[1]), path, want_error=wrong)
    yield proof(", another new root", (old, new), (roots[0], sha256(roots[1])), path, want_error=wrong)
    yield proof(", a hash too many", (old, new), roots, (*path, roots[1]), want_error=wrong)
    yield proof(", from nothing", (0, new), roots, path, want_error=wrong)
    rewritten = root_of([sha256(b"rewritten"), *hashes[1:new]])
    yield proof(", the first leaf rewritten", (old, new), (roots[0], rewritten), path, want_error=wrong)
    if old < new:
        yield proof(", backwards", (new, old), (roots[1], roots[0]), path, want_error=wrong)
        yield proof(", a hash missing", (old, new), roots, path[:-1], want_error=wrong)
        yield proof(", a hash changed", (old, new), roots, (*path[:-1], sha256(path[-1])), want_error=wrong)


# Notes and checkpoints


def note_cases() -> Iterator[Case]:
    """Return signed notes, checkpoints, key ids and verifier keys."""
    world = tell().world
    note = world.seals[0].note
    text, line = note.text, note.encode()[len(note.text) + 1 :]
    public = public_bytes(signing_key("world/CHECKPOINT"))
    cosigner = NoteSignature("cosigner.example/keys", b"\x01\x02\x03\x04", b"any algorithm, any length")
    unicode_name = NoteSignature("\u00e9tude", b"\x01\x02\x03\x04", b"x")
    yield case("key id", "key_id", name=world.origin, public_key=public.hex(), want=key_id(world.origin, public).hex())
    yield case(
        "verifier key", "vkey", name=world.origin, public_key=public.hex(), want=verifier_key(world.origin, public)
    )
    for description, good in (
        ("a checkpoint", note),
        ("with a cosigner's line", replace(note, signatures=(*note.signatures, cosigner))),
        ("a name beyond ASCII", replace(note, signatures=(unicode_name,))),
        ("16 signatures", replace(note, signatures=(cosigner,) * 16)),
        ("an empty line in the text", replace(note, text="a\n\nb\n")),
    ):
        names = [item.name for item in good.signatures]
        yield case(description, "note", note=good.encode(), want={"text": good.text, "names": names})
    encoded = base64.b64encode(b"1234signature").decode()
    for description, bad in (
        ("no signature", text + "\n"),
        ("no empty line", text + line),
        ("no newline at the end", (text + "\n" + line)[:-1]),
        ("two signatures, no newline at the end", (text + "\n" + line * 2)[:-1]),
        ("only a signature line", line),
        ("an empty line at the end", text + "\n" + line + "\n"),
        ("17 signatures", text + "\n" + line * 17),
        ("a hyphen instead of the dash", text + "\n" + line.replace("\u2014", "-")),
        ("two spaces", text + "\n" + line.replace(" ", "  ")),
        ("no name", text + f"\n\u2014  {encoded}\n"),
        ("a plus sign in the name", text + f"\n\u2014 a+b {encoded}\n"),
        ("a no-break space in the name", text + f"\n\u2014 a\u00a0b {encoded}\n"),
        ("a signature of no bytes", text + f"\n\u2014 name {base64.b64encode(b'1234').decode()}\n"),
        ("base64 without padding", text + f"\n\u2014 name {encoded.rstrip('=')}\n"),
        ("base64 with bits left over", text + "\n\u2014 name MTIzNHN=\n"),
        ("base64 of another alphabet", text + "\n\u2014 name MTIzNHN_\n"),
        ("carriage return", text + "\n" + line.replace("\n", "\r\n")),
        ("a control character in the text", "a\x00\n\n" + line),
        ("nothing", ""),
        ("more than 65,536 bytes", "a" * 65536 + "\n\n" + line),
        ("more than 65,536 bytes in UTF-8", "\u00e9" * 32768 + "\n\n" + line),
    ):
        yield case(description, "note", note=bad, want_error=MALFORMED)
    yield from checkpoint_cases(text)


def checkpoint_cases(text: str) -> Iterator[Case]:
    """Return texts of checkpoints."""
    origin, size, root, _ = text.split("\n")
    zeros = base64.b64encode(bytes(32)).decode()
    of_chain = chain_origin(origin, sha256(b"chain"))
    longest = chain_origin("o" * 255, sha256(b"chain"))
    for good in (text, f"{of_chain}\n{size}\n{root}\n", f"{longest}\n0\n{zeros}\n", f"o\n{2**63 - 1}\n{zeros}\n"):
        lines = good.split("\n")
        want = {"origin": lines[0], "size": lines[1], "root": base64.b64decode(lines[2]).hex()}
        yield case(f"checkpoint of {lines[0][:20]} at {lines[1]}", "checkpoint", text=good, want=want)
    for description, bad in (
        ("an extension line", f"{origin}\n{size}\n{root}\nextension\n"),
        ("two lines", f"{origin}\n{size}\n"),
        ("no newline at the end", f"{origin}\n{size}\n{root}"),
        ("text after the last newline", f"{origin}\n{size}\n{root}\nmore"),
        ("a size of 5,000 digits", f"{origin}\n{'1' * 5000}\n{root}\n"),
        ("no origin", f"\n{size}\n{root}\n"),
        ("a space in the origin", f"a b\n{size}\n{root}\n"),
        ("a plus sign in the origin", f"a+b\n{size}\n{root}\n"),
        ("an origin of 256 bytes", f"{'o' * 256}\n{size}\n{root}\n"),
        ("a leading zero", f"{origin}\n0{size}\n{root}\n"),
        ("a sign", f"{origin}\n+{size}\n{root}\n"),
        ("a negative size", f"{origin}\n-1\n{root}\n"),
        ("no size", f"{origin}\n\n{root}\n"),
        ("a size in other digits", f"{origin}\n\u0664\n{root}\n"),
        ("2^63", f"{origin}\n{2**63}\n{root}\n"),
        ("a size of 20 digits", f"{origin}\n{10**19}\n{root}\n"),
        ("a root of 31 bytes", f"{origin}\n{size}\n{base64.b64encode(bytes(31)).decode()}\n"),
        ("a root of 33 bytes", f"{origin}\n{size}\n{base64.b64encode(bytes(33)).decode()}\n"),
        ("a root with bits left over", f"{origin}\n{size}\n{zeros[:-2]}B=\n"),
        ("a root in hex", f"{origin}\n{size}\n{'00' * 32}\n"),
        ("a space after the root", f"{origin}\n{size}\n{root} \n"),
    ):
        yield case(description, "checkpoint", text=bad, want_error=MALFORMED)


# Promises


def promise_cases() -> Iterator[Case]:
    """Return promise files, with the log and the key that made them."""
    world = World()
    items = [world.write_first("orders", b"1"), *(world.write_next(_CHAIN, b"%d" % number) for number in range(2, 6))]
    promises = [item.promise for item in world.promise(*items)]
    promise = promises[3]
    assert promise is not None
    log_id, key = world.log.log_id, world.log.promise_key.value

    def file(description: str, value: dict[str, Any], **want: Any) -> Case:
        return case(description, "promise", promise=value, log_id=log_id.hex(), public_key=key.hex(), **want)

    good = promise.to_json()
    for index, item in enumerate(promises):
        assert item is not None
        yield file(f"promise {index} of five", item.to_json(), want=item.leaf.entry_hash.hex())
    yield from bad_promises(good, promise, file)
    salt, account = sha256(b"salt")[:16], "account 1"
    want = submitter_of(log_id, salt, account.encode()).hex()
    yield case("submitter", "submitter", log_id=log_id.hex(), account_salt=salt.hex(), account_id=account, want=want)


def bad_promises(good: dict[str, Any], promise: Promise, file: Callable[..., Case]) -> Iterator[Case]:
    """Return promise files that are none, or that nobody made."""
    note, leaf, mismatch, wrong = good["note"], good["leaf"], "promise-does-not-match-entry", "promise-signature-wrong"
    other_leaf = replace(promise.leaf, leaf_index=promise.leaf.leaf_index + 1).encode().hex()
    other_log = replace(promise.note, log_id=sha256(b"other log")).encode().hex()
    later = replace(promise.note, seal_by_ms=promise.note.seal_by_ms + 1).encode().hex()
    for description, fields, error in (
        ("of another log", {"note": other_log}, mismatch),
        ("a later time", {"note": later}, wrong),
        ("another place", {"leaf": other_leaf}, wrong),
        ("another index", {"index": 2}, wrong),
        ("an index behind the count", {"index": 5}, wrong),
        ("a path cut short", {"path": good["path"][:-1]}, wrong),
        ("another key id", {"key_id": "00000000"}, wrong),
        ("another signature", {"signature": "00" * 64}, wrong),
        ("a note of 91 bytes", {"note": note[:-2]}, MALFORMED),
        ("a note of 93 bytes", {"note": note + "00"}, MALFORMED),
        ("a leaf of 88 bytes", {"leaf": leaf[:-2]}, MALFORMED),
        ("a leaf of 90 bytes", {"leaf": leaf + "00"}, MALFORMED),
        ("a leaf of another type", {"leaf": "21" + leaf[2:]}, MALFORMED),
        ("a signature of 63 bytes", {"signature": "00" * 63}, MALFORMED),
        ("a key id of 5 bytes", {"key_id": "0000000000"}, MALFORMED),
        ("33 hashes", {"path": ["00" * 32] * 33}, MALFORMED),
        ("a negative index", {"index": -1}, MALFORMED),
        ("an unknown field", {"more": 1}, MALFORMED),
        ("another format", {"format": "receipt"}, MALFORMED),
        ("a newer version", {"format": "anchorline-promise/2"}, NEWER),
    ):
        yield file(description, good | fields, want_error=error)
    for name in good:
        yield file(f"no {name}", {field: value for field, value in good.items() if field != name}, want_error=MALFORMED)


# Log cards


def log_card_cases() -> Iterator[Case]:
    """Return log cards and what is none; a good one wants the log id and the outpoints as explorers show them."""
    world = tell().world
    leaf_0 = world.log.encode().hex()
    coin = OutPoint(sha256(b"coin"), 1)

    def card(description: str, fields: dict[str, Any], **want: Any) -> Case:
        return case(description, "log_card", card=json.dumps(fields), **want)

    good = {"format": "anchorline-log/1", "leaf_0": leaf_0, "thread": [coin.encode().hex()]}
    log_id = world.log.log_id.hex()
    yield card("a card", good, want={"log_id": log_id, "thread": [str(coin)]})
    yield card("before the thread is funded", good | {"thread": None}, want={"log_id": log_id, "thread": None})
    two = [coin.encode().hex(), OutPoint(sha256(b"coin"), 0).encode().hex()]
    shown = [str(coin), f"{str(coin)[:-1]}0"]
    yield card("after a second start", good | {"thread": two}, want={"log_id": log_id, "thread": shown})
    for description, fields in (
        ("no leaf 0", {name: good[name] for name in ("format", "thread")}),
        ("no thread", {name: good[name] for name in ("format", "leaf_0")}),
        ("no format", {name: good[name] for name in ("leaf_0", "thread")}),
        ("an unknown field", good | {"log_id": log_id}),
        ("another format", good | {"format": "anchorline-receipt/1"}),
        ("a leaf that is not leaf 0", good | {"leaf_0": world.directory[-1].encode().hex()}),
        ("leaf 0 cut short", good | {"leaf_0": leaf_0[:-2]}),
        ("leaf 0 in upper case", good | {"leaf_0": leaf_0.upper()}),
        ("an outpoint of 35 bytes", good | {"thread": ["00" * 35]}),
        ("an outpoint as explorers show it", good | {"thread": [str(coin)]}),
        ("an outpoint as a number", good | {"thread": [1]}),
        ("a thread as a string", good | {"thread": coin.encode().hex()}),
        ("65 outpoints", good | {"thread": [coin.encode().hex()] * 65}),
    ):
        yield card(description, fields, want_error=MALFORMED)
    yield card("a newer card", good | {"format": "anchorline-log/2"}, want_error=NEWER)


# Strict JSON


def strict_json_cases() -> Iterator[Case]:
    """Return texts that both languages take, and those on which their own parsers differ; ``hex`` is the file."""
    deep = MAX_DEPTH - 1

    def text(description: str, value: str | bytes, **want: Any) -> Case:
        raw = value if isinstance(value, bytes) else value.encode()
        return case(description, "strict_json", hex=raw.hex(), **want)

    for description, good in (
        ("an empty object", "{}"),
        ("white space", ' \t\r\n{ "a" : [ 1 , 2 ] } \n'),
        ("literals", '{"a":[true,false,null]}'),
        ("the largest integers", f'{{"a":[{MAX_INTEGER},-{MAX_INTEGER},0]}}'),
        ("escapes", '{"a":"\\u0041\\n\\/\\\\\\"\\ud83d\\ude00"}'),
        ("UTF-8", '{"\u00e9":"\U0001f600\u2028"}'),
        ("16 levels", '{"a":' + "[" * deep + "]" * deep + "}"),
        ("brackets in strings are no levels", '{"' + "[{" * 40 + '\\"' + "[" * 40 + '":1}'),
        ("a key called __proto__", '{"__proto__":1,"constructor":2}'),
        ("a replacement character", '{"a":"\ufffd"}'),
    ):
        yield text(description, good, want="accepted")
    for description, bad in (
        ("nothing", ""),
        ("only white space", " \n"),
        ("an array", "[]"),
        ("a string", '"a"'),
        ("null", "null"),
        ("text after the object", "{} {}"),
        ("a byte-order mark", b"\xef\xbb\xbf{}"),
        ("UTF-16", '{"a":1}'.encode("utf-16")),
        ("bytes that are no UTF-8", b'{"a":"\xff"}'),
        ("an overlong encoding", b'{"a":"\xc0\x80"}'),
        ("a surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}'),
        ("a key twice", '{"a":1,"a":1}'),
        ("a key twice, once escaped", '{"a":1,"\\u0061":1}'),
        ("a key twice, deep down", '{"a":[{"b":{"c":1,"d":2,"c":3}}]}'),
        ("an empty key twice", '{"":1,"":2}'),
        ("a key twice with escaped slash", '{"/":1,"\\/":2}'),
        ("a lone high surrogate", '{"a":"\\ud800"}'),
        ("a lone low surrogate", '{"a":"\\udc00"}'),
        ("surrogates the wrong way round", '{"a":"\\ude00\\ud83d"}'),
        ("a lone surrogate in a key", '{"\\ud800":1}'),
        ("a lone surrogate in a list", '{"a":[["\\udfff"]]}'),
        ("a fraction", '{"a":1.0}'),
        ("an exponent", '{"a":1e3}'),
        ("a capital exponent", '{"a":1E0}'),
        ("a huge exponent", '{"a":1e999}'),
        ("minus zero", '{"a":-0}'),
        ("minus zero with a fraction", '{"a":-0.0}'),
        ("2^53", f'{{"a":{2**53}}}'),
        ("-2^53", f'{{"a":-{2**53}}}'),
        ("2^53 + 1, which JavaScript rounds", f'{{"a":{2**53 + 1}}}'),
        ("a number of 18 digits", '{"a":100000000000000000}'),
        ("a number of 5,000 digits", '{"a":' + "9" * 5000 + "}"),
        ("a leading zero", '{"a":01}'),
        ("a plus sign", '{"a":+1}'),
        ("a hexadecimal number", '{"a":0x10}'),
        ("other digits", '{"a":\u0661}'),
        ("a one and other digits", '{"a":1\u0661}'),
        ("NaN", '{"a":NaN}'),
        ("Infinity", '{"a":Infinity}'),
        ("-Infinity", '{"a":-Infinity}'),
        ("undefined", '{"a":undefined}'),
        ("True", '{"a":True}'),
        ("single quotes", "{'a':1}"),
        ("a key without quotes", "{a:1}"),
        ("a comma at the end", '{"a":1,}'),
        ("a comma at the end of a list", '{"a":[1,]}'),
        ("a comment", '{"a":1}//'),
        ("a comment in front", "/**/{}"),
        ("no closing brace", '{"a":1'),
        ("no closing quote", '{"a":"b}'),
        ("a backslash at the end", '{"a":"b\\'),
        ("an unknown escape", '{"a":"\\x41"}'),
        ("half an escape", '{"a":"\\u00"}'),
        ("an escape with a sign", '{"a":"\\u+041"}'),
        ("a newline in a string", '{"a":"\n"}'),
        ("a tab in a string", '{"a":"\t"}'),
        ("a zero byte", b'{"a":"\x00"}'),
        ("a no-break space between tokens", '{\u00a0"a":1}'),
        ("a form feed between tokens", '{\f"a":1}'),
        ("17 levels", '{"a":' + "[" * (deep + 1) + "]" * (deep + 1) + "}"),
        ("5,000 levels", '{"a":' + "[" * 5_000 + "]" * 5_000 + "}"),
        ("5,000 levels that never close", '{"a":' + '{"a":' * 5_000),
        ("5,000 escaped quotes that never close", '{"a":"' + '\\"' * 5_000),
    ):
        yield text(description, bad, want_error=MALFORMED)


# Files

FILES: dict[str, tuple[str, Callable[[], Iterator[Case]]]] = {
    "entry.json": (
        "Entries: docs/spec/entry.md. Bytes are hex; signature says whether the author's holds.",
        entry_cases,
    ),
    "chain_id.json": ("Chain ids of first entries: docs/spec/entry.md. Bytes are hex.", chain_id_cases),
    "leaves.json": ("Leaves of the directory: docs/spec/chain-and-directory.md. Bytes are hex.", leaf_cases),
    "heads.json": (
        "The heads tree: docs/spec/heads-tree.md. No terminal is an empty string; newest wants a leaf hash.",
        heads_cases,
    ),
    "merkle.json": ("RFC 9162 trees: docs/spec/chain-and-directory.md. Bytes are hex.", merkle_cases),
    "note.json": ("Signed notes and checkpoints: docs/spec/checkpoint.md. Sizes are decimal strings.", note_cases),
    "promise.json": (
        "Promises: docs/spec/promise.md. A file, the log and the key that it is checked with; wants the entry hash.",
        promise_cases,
    ),
    "log_card.json": ("Log cards: docs/spec/log-card.md. card is the file.", log_card_cases),
    "strict_json.json": ("Strict JSON: docs/spec/strict-json.md. hex is the file.", strict_json_cases),
}


def make(name: str) -> str:
    """Return the text of one file."""
    description, cases = FILES[name]
    return json.dumps({"description": description, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    for file_name in FILES:
        (HERE / file_name).write_text(make(file_name), encoding="ascii")

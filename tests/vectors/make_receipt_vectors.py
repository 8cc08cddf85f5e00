"""Makes ``receipts.json``: receipts of every shape, what verifiers bring, and the verdict; most are mutations.

Input is the story of ``tests/simulators/world.py``, and small logs that lie, built beside it. What each case wants is
written by hand; only finding and states of the single steps are taken from ``verify``, and the maker stops where it
disagrees.
``python -m tests.vectors.make_receipt_vectors`` in the repository's root writes the file.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial, reduce
from pathlib import Path
from typing import Any

from anchor.certificate_check import certificate_check
from anchor.certificates import load_certificates
from anchor.proof import opentimestamps as ots
from anchor.proof.announcement import Announcement
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import hash_hex, sha256d
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.payload import encode_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.blocks import GivenBlock, HeaderChain, KnownBlocks, encode_headers
from anchor.proof.calendar import MAX_OTS, CalendarAnchor
from anchor.proof.certificate_proof import CertificateCheck
from anchor.proof.checkpoint import Checkpoint, NoteSignature, chain_origin, key_id
from anchor.proof.codec import sha256
from anchor.proof.did import did_key
from anchor.proof.entry import CRITICAL_EXTENSION, Author, AuthorType, Entry, Extension, ExtensionType, Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.errors import Reason
from anchor.proof.expected_author import ExpectedAuthor
from anchor.proof.identity import Ending, Operation, Statement
from anchor.proof.identity import Purpose as KeyPurpose
from anchor.proof.identity_evidence import IdentityEvidence
from anchor.proof.later_entry import LaterEntry
from anchor.proof.leaves import (
    NO_PREVIOUS,
    NOTHING_REPLACED,
    HeadLeaf,
    KeyLeaf,
    LogLeaf,
    Purpose,
    SealLeaf,
    Signer,
    ThreadLeaf,
)
from anchor.proof.merkle import inclusion_path, root_of
from anchor.proof.promise import promise_key_id, signed_message
from anchor.proof.receipt import (
    ChainPath,
    Content,
    ContentState,
    DirectoryProof,
    LogCard,
    OtherAnchor,
    Receipt,
    Sealed,
    proof_to_json,
)
from anchor.proof.timestamp import MAX_TOKEN, TimestampAnchor, TimestampCheck, imprint_of
from anchor.proof.verify import Outcome, Verifier, verify
from anchor.revocations import lists_in
from anchor.timestamp_token import timestamp_check
from tests.simulators.identities import (
    began,
    entry_of,
    evidence_of,
    first_entry_of,
    key,
    key_set,
    public,
    signed,
    write_signed,
)
from tests.simulators.policies import signed_by
from tests.simulators.timestamp_authority import Stamped, certify, certify_root, certify_signer, stamp
from tests.simulators.world import (
    Block,
    Seal,
    Story,
    World,
    Written,
    fast_check,
    mine_header,
    public_bytes,
    sign_batch,
    sign_entry,
    signing_key,
    tell,
)

Case = dict[str, Any]
Inputs = dict[str, Any]

ROOT = certify_root()
AUTHORITY = certify_signer(ROOT)
PRESS_2 = signing_key("press 2")
FILE = Path(__file__).with_name("receipts.json")
ABOUT = (
    "Receipts, what the verifier brings, and the verdict: docs/spec/receipt.md and docs/spec/verdict.md. finding is "
    "the one word that it comes to, states are "
    "those of steps 1 to 13, of 14 where there are time stamps, and of 15 where calendars attest. A case with "
    "want_error is no receipt. What the verifier does not bring, is absent."
)
EXIT_CODES = {
    Outcome.INTACT: 0,
    Outcome.ATTESTED: 0,
    Outcome.TIME_STAMPED: 0,
    Outcome.CORRECTED: 6,
    Outcome.FAILED: 1,
    Outcome.INCOMPLETE: 3,
    Outcome.NOT_CHECKED: 4,
    Outcome.NOT_COMPARED: 5,
}
NOT_THE_AUTHOR = 7
"""Failed, and nothing but who wrote it."""
OF_AUTHOR = ((Reason.AUTHOR_KEY_NOT_VALID,), (Reason.ANOTHER_AUTHOR,))


# What a verifier brings, as data


def inputs_of(
    *,
    content: bytes | None = None,
    card: LogCard | None = None,
    any_log: bool = False,
    blocks: Sequence[str] = (),
    headers: bytes | None = None,
    depth: int | None = None,
    timestamp_certificates: bytes | None = None,
    accept_timestamp: bool = False,
    author: str | None = None,
) -> Inputs:
    """Return the verifier's side of a case; what he does not bring is absent."""
    fields: Inputs = {}
    if content is not None:
        fields["content_digest"] = sha256(content).hex()
    if card is not None:
        fields["card"] = card.encode().decode()
    if any_log:
        fields["any_log"] = True
    if blocks:
        fields["blocks"] = list(blocks)
    if headers is not None:
        fields["headers"] = headers.decode()
    if depth is not None:
        fields["depth"] = depth
    if timestamp_certificates is not None:
        fields["timestamp_certificates"] = timestamp_certificates.decode()
    if accept_timestamp:
        fields["accept_timestamp"] = True
    if author is not None:
        fields["author"] = author
    return fields


def verifier_of(inputs: Inputs) -> Verifier:
    """Return the verifier that the verifier's side of a case describes."""
    views: list[KnownBlocks] = [GivenBlock.decode(text) for text in inputs.get("blocks", [])]
    if "headers" in inputs:
        views.append(HeaderChain.decode(inputs["headers"].encode()))
    verifier = Verifier(
        content_digest=bytes.fromhex(inputs["content_digest"]) if "content_digest" in inputs else None,
        card=LogCard.decode(inputs["card"].encode()) if "card" in inputs else None,
        any_log=inputs.get("any_log", False),
        blocks=tuple(views),
        check_signature=fast_check,
        check_timestamp=_timestamp_check(inputs["timestamp_certificates"].encode())
        if "timestamp_certificates" in inputs
        else None,
        accept_timestamp=inputs.get("accept_timestamp", False),
        earlier_cards=tuple(LogCard.decode(text.encode()) for text in inputs.get("earlier_cards", [])),
        author=ExpectedAuthor.decode(inputs["author"]) if "author" in inputs else None,
        check_certificate=_certificate_check(
            inputs.get("authorities", "").encode(), inputs.get("revocation_lists", "").encode()
        ),
    )
    return replace(verifier, depth=inputs["depth"]) if "depth" in inputs else verifier


@cache
def _timestamp_check(pem: bytes) -> TimestampCheck:
    return timestamp_check(load_certificates(pem, "the case"))


@cache
def _certificate_check(pem: bytes, lists: bytes) -> CertificateCheck:
    trusted = load_certificates(pem, "the case") if pem else ()
    return certificate_check(trusted, lists_in(lists, "the case") if lists else ())


def block_name(block: Block, network: str = "regtest") -> str:
    """Return a block as a verifier names it."""
    return f"{network}:{block.height}:{hash_hex(block.header.hash)}"


def judged(description: str, receipt: Receipt | str, inputs: Inputs, outcome: Outcome, *reasons: Reason) -> Case:
    """Return a case with its verdict; stop where ``verify`` says another."""
    text = receipt if isinstance(receipt, str) else compact(receipt)
    verdict = verify(Receipt.decode(text.encode()), verifier_of(inputs))
    found = (verdict.outcome, verdict.exit_code, verdict.reasons)
    exit_code = NOT_THE_AUTHOR if reasons in OF_AUTHOR else EXIT_CODES[outcome]
    if found != (outcome, exit_code, reasons):
        steps = [(step.number, str(step.state), step.text) for step in verdict.steps]
        raise AssertionError(f"{description}: expected {outcome} {reasons}, found {found}: {steps}")
    want = {
        "outcome": str(outcome),
        "exit_code": exit_code,
        "reasons": [str(reason) for reason in reasons],
        "finding": str(verdict.diagnosis.finding),
        "states": [str(step.state) for step in verdict.steps],
    }
    return {"description": description, "receipt": text, "verifier": inputs, "want": want}


def refused(description: str, receipt: str, want_error: str = "malformed") -> Case:
    """Return a case of a text that is no receipt."""
    return {"description": description, "receipt": receipt, "verifier": {}, "want_error": want_error}


def compact(receipt: Receipt) -> str:
    """Return the receipt without white space."""
    return json.dumps(json.loads(receipt.encode()), separators=(",", ":"))


def edited(receipt: Receipt, way: tuple[str | int, ...], new: Any) -> str:
    """Return the receipt's text with ``new`` in the field to which ``way`` leads."""
    value = json.loads(receipt.encode())
    reduce(lambda inner, step: inner[step], way[:-1], value)[way[-1]] = new
    return json.dumps(value, separators=(",", ":"))


def without(receipt: Receipt, *way: str | int) -> str:
    """Return the receipt's text without the field to which ``way`` leads."""
    value = json.loads(receipt.encode())
    del reduce(lambda inner, step: inner[step], way[:-1], value)[way[-1]]
    return json.dumps(value, separators=(",", ":"))


def field_of(receipt: Receipt, *way: str | int) -> Any:
    """Return the field to which ``way`` leads."""
    return reduce(lambda inner, step: inner[step], way, json.loads(receipt.encode()))


def flipped(text: str) -> str:
    """Return hex with its last bit changed."""
    return text[:-1] + f"{int(text[-1], 16) ^ 1:x}"


# A log with two entries, of which the second is anchored


def begun(name: str = "small") -> tuple[World, bytes]:
    """Return a log with a funded thread and one entry, not sealed yet, and the id of its chain."""
    world = World(name)
    first = world.write_first("orders", b"order 1")
    world.fund_thread()
    return world, first.entry.chain_id


def anchored(world: World, written: Written) -> tuple[Receipt, Inputs]:
    """Seal and anchor; return the receipt of ``written`` and everything that a verifier could ask for."""
    seal = world.seal()
    receipt = world.receipt(written, seal, [world.anchor(seal)])
    return receipt, everything(world, written)


def everything(world: World, written: Written) -> Inputs:
    """Return the content, the card and the newest block."""
    return inputs_of(content=written.content.data, card=world.card, blocks=[block_name(world.blocks[-1])])


def plain() -> tuple[World, Receipt, Inputs]:
    """Return the log, and the anchored receipt of its second entry with its promise."""
    world, chain_id = begun()
    return world, *anchored(world, world.promise(world.write_next(chain_id, b"order 2"))[0])


def with_entry(change: Callable[[Entry], Entry]) -> tuple[Receipt, Inputs]:
    """Return the anchored receipt of a second entry that was changed before it was written."""
    world, chain_id = begun()
    return anchored(world, world.write(change(world.entry(chain_id, b"order 2")), b"order 2"))


def sealed_anchor(receipt: Receipt) -> BitcoinAnchor:
    """Return the first anchor of a receipt, a bitcoin one."""
    anchor = sealed_of(receipt).anchors[0]
    assert isinstance(anchor, BitcoinAnchor)
    return anchor


def with_sealed(receipt: Receipt, **fields: Any) -> Receipt:
    """Return the receipt with other fields in its sealed part."""
    assert receipt.sealed is not None
    return replace(receipt, sealed=replace(receipt.sealed, **fields))


def sealed_of(receipt: Receipt) -> Sealed:
    """Return the sealed part, which is there."""
    assert receipt.sealed is not None
    return receipt.sealed


# Verdicts other than failed


def shapes(story: Story) -> Iterator[Case]:
    """Return each shape of the story as a file, with a verifier who has everything."""
    wants = {
        "unsealed": Outcome.INCOMPLETE,
        "unsealed with promise": Outcome.INCOMPLETE,
        "sealed before the thread was funded": Outcome.INCOMPLETE,
        "sealed, not anchored": Outcome.INCOMPLETE,
        "content withheld": Outcome.NOT_COMPARED,
        "content erased": Outcome.NOT_COMPARED,
    }
    for name, shape in story.shapes.items():
        verifier = shape.verifier
        inputs = inputs_of(card=verifier.card, blocks=[block_name_of(view) for view in verifier.blocks])
        assert verifier.content_digest is not None
        inputs = {"content_digest": verifier.content_digest.hex()} | inputs
        text = shape.receipt.encode().decode()
        yield judged(name, text, inputs, wants.get(name, Outcome.INTACT))


def block_name_of(view: KnownBlocks) -> str:
    """Return a given block as its verifier named it."""
    assert isinstance(view, GivenBlock)
    return f"{view.network}:{view.height}:{hash_hex(view.hash)}"


def less_brought(story: Story) -> Iterator[Case]:
    """Return verdicts for verifiers who lack something, or who look deeper."""
    world, shape = story.world, story.shapes["anchored at its own checkpoint"]
    receipt, card = shape.receipt, world.card
    anchor = sealed_of(receipt).anchors[0]
    assert isinstance(anchor, BitcoinAnchor)
    block, content = block_name(world.blocks[anchor.height - 1]), b"order 3"
    intact, incomplete, unchecked = Outcome.INTACT, Outcome.INCOMPLETE, Outcome.NOT_CHECKED

    def brought(description: str, outcome: Outcome, of: Receipt = receipt, **fields: Any) -> Case:
        return judged(description, of, inputs_of(**fields), outcome)

    yield brought("nothing brought", unchecked)
    yield brought("no log card", incomplete, content=content, blocks=[block])
    yield brought("no log card, and any log will do", intact, content=content, blocks=[block], any_log=True)
    yield brought("no block", unchecked, content=content, card=card)
    yield brought("a block of another height", unchecked, content=content, card=card, blocks=[f"regtest:99:{'0' * 64}"])
    yield brought("no file, the content is inside", intact, card=card, blocks=[block])
    digest_only = story.shapes["content without bytes"].receipt
    yield brought("no file, no content inside: the entry is intact", intact, digest_only, card=card, blocks=[block])
    withheld = story.shapes["content withheld"].receipt
    yield brought("no file, content withheld: the entry is intact", intact, withheld, card=card, blocks=[block])
    no_threads = LogCard(card.log)
    yield brought("a card from before the thread", intact, content=content, card=no_threads, blocks=[block])

    depth = len(world.blocks) - anchor.height + 1
    headers = encode_headers("regtest", 1, world.headers)
    yield brought("headers, deep enough", intact, content=content, card=card, headers=headers, depth=depth)
    yield brought(
        "headers, one block too few", incomplete, content=content, card=card, headers=headers, depth=depth + 1
    )
    yield brought("headers, six blocks wanted", incomplete, content=content, card=card, headers=headers)
    later = encode_headers("regtest", anchor.height + 1, world.headers[anchor.height :])
    yield brought("headers that begin too late", unchecked, content=content, card=card, headers=later)
    yield brought(
        "a given block stands before headers", intact, content=content, card=card, headers=headers, blocks=[block]
    )


def unusual() -> Iterator[Case]:
    """Return receipts that say more, or other things, than most do."""
    _, receipt, inputs = plain()
    intact, good = Outcome.INTACT, sealed_anchor(receipt)
    note = sealed_of(receipt).note
    cosigner = NoteSignature("cosigner.example", b"\x01\x02\x03\x04", bytes(72))
    cosigned = replace(note, signatures=(cosigner, *note.signatures, cosigner))
    yield judged("cosigners' lines", with_sealed(receipt, note=cosigned), inputs, intact)
    other = OtherAnchor("oracle", {"token": "AAAA", "nested": {"any": [1, "thing"]}})
    yield judged("an unknown anchor beside ours", with_sealed(receipt, anchors=(other, good)), inputs, intact)
    yield judged("an unknown anchor alone", with_sealed(receipt, anchors=(other,)), inputs, Outcome.INCOMPLETE)
    evidence = ({"type": "newest-head", "any": {"thing": [True, None]}}, {"type": "unheard-of"})
    yield judged("evidence of unknown types", with_sealed(receipt, evidence=evidence), inputs, intact)
    forged = replace(good, header=replace(Header.decode(good.header), nonce=0, time_s=1).encode())
    for anchors, name in (((forged, good), "first"), ((good, forged), "last")):
        yield judged(f"a forged anchor beside ours, {name}", with_sealed(receipt, anchors=anchors), inputs, intact)


def unusual_entries() -> Iterator[Case]:
    """Return receipts of entries with extensions and authors of every kind."""
    world, _ = begun()
    for name, extension, outcome in (
        ("an entry meant for this log", Extension(ExtensionType.LOG_ID, world.log.log_id), Outcome.INTACT),
        ("an unknown extension below 8000", Extension(0x7FFF, b"?"), Outcome.INTACT),
        ("an unknown extension from 8000 on: not verifiable", Extension(0x8000, b"!"), Outcome.NOT_CHECKED),
        (
            "an entry that is valid no more, which is shown",
            Extension(ExtensionType.NOT_VALID_AFTER, bytes(8)),
            Outcome.INTACT,
        ),
    ):
        yield judged(name, *with_entry(partial(replace, extensions=(extension,))), outcome)
    for author in (Author(2, b"?"), Author(AuthorType.HASHED, bytes(64))):
        name = f"author of type {author.type}: signature not checked"
        yield judged(name, *with_entry(partial(replace, author=author)), Outcome.INTACT)


def promises() -> Iterator[Case]:
    """Return promises that hold: kept late, not sealed yet, by keys that were rotated or revoked since."""
    world = World("small")
    late = world.promise(world.write_first("orders", b"order 1"), seal_within_ms=1)[0]
    world.fund_thread()
    yield judged("sealed later than promised", *anchored(world, late), Outcome.INTACT)
    promised = world.promise(world.write_next(late.entry.chain_id, b"order 2"))[0]
    inputs = inputs_of(content=b"order 2", card=world.card)
    yield judged("unsealed, promised by leaf 0's key", world.receipt(promised), inputs, Outcome.INCOMPLETE)

    world, chain_id = begun()
    before = world.promise(world.write_next(chain_id, b"order 2"))[0]
    world.rotate(Purpose.PROMISE)
    world.seal()
    between = world.promise(world.write_next(chain_id, b"order 3"))[0]
    world.revoke_promise_key()
    receipt, inputs = anchored(world, between)
    yield judged("promised by a key that was revoked later", receipt, inputs, Outcome.INTACT)
    seal = world.seals[-1]
    older = world.receipt(before, seal, [sealed_anchor(receipt)])
    yield judged("promised before the key was rotated", older, everything(world, before), Outcome.INTACT)


def threads() -> Iterator[Case]:
    """Return receipts after the thread was started again."""
    for name, rotated, reasons in (
        ("a second thread, signed by the recovery key", False, ()),
        ("a second thread, signed by the rotated recovery key", True, ()),
        ("13 a second thread, signed by nobody", False, (Reason.THREAD_MISMATCH,)),
    ):
        world, chain_id = begun()
        world.seal()
        if rotated:
            world.rotate(Purpose.RECOVERY, Signer.RECOVERY_KEY)
        world.fund_thread()
        if reasons:
            leaf = world.waiting.pop()
            assert isinstance(leaf, ThreadLeaf)
            world.waiting.append(replace(leaf, signature=bytes(64)))
        receipt, inputs = anchored(world, world.write_next(chain_id, b"order 2"))
        yield judged(name, receipt, inputs, Outcome.FAILED if reasons else Outcome.INTACT, *reasons)
    yield from threads_on_the_card()


def threads_on_the_card() -> Iterator[Case]:
    """Return receipts of a second and a third thread, with cards that list the threads in their order, and not so."""
    world, chain_id = begun()
    world.seal()
    older, kept = anchored(world, world.write_next(chain_id, b"order 2"))
    world.fund_thread()
    receipt, inputs = anchored(world, world.write_next(chain_id, b"order 3"))
    card, failed, mismatch = world.card, Outcome.FAILED, Reason.THREAD_MISMATCH
    assert card.thread is not None
    first, second = card.thread
    with_both = kept | {"card": card.encode().decode()}
    yield judged("a receipt of the first thread, the card lists two", older, with_both, Outcome.INTACT)
    for name, threads in (
        ("13 the threads are listed in the wrong order", (second, first)),
        ("13 the card lists only the second thread", (second,)),
        ("13 the card lists only the first thread", (first,)),
        ("13 the second thread replaces another first one", (OutPoint(sha256(b"another coin"), 0), second)),
    ):
        listed = inputs | {"card": LogCard(card.log, threads).encode().decode()}
        yield judged(name, receipt, listed, failed, mismatch)
    world.fund_thread()
    third, inputs = anchored(world, world.write_next(chain_id, b"order 4"))
    yield judged("a third thread, on a card of three", third, inputs, Outcome.INTACT)

    world, chain_id = begun()
    world.seal()
    world.thread_leaf = sha256(b"a leaf of no thread")
    world.fund_thread()
    receipt, inputs = anchored(world, world.write_next(chain_id, b"order 2"))
    yield judged("13 a signed thread that replaces no leaf of this log", receipt, inputs, failed, mismatch)

    world, chain_id = begun()
    world.seal()
    world.thread_leaf = NOTHING_REPLACED
    world.fund_thread()
    receipt, inputs = anchored(world, world.write_next(chain_id, b"order 2"))
    yield judged("13 a second thread that replaces nothing", receipt, inputs, failed, mismatch)


# Failed, by the step that fails


def failed_entry() -> Iterator[Case]:
    """Return what fails in steps 1 to 4."""
    _, receipt, inputs = plain()
    failed = Outcome.FAILED
    world, _ = begun()
    first = world.write(world.entry(sha256(b"not from ids"), b"order 1"), b"order 1")
    yield judged("1 a first entry without ids", *anchored(world, first), failed, Reason.CHAIN_ID_MISMATCH)
    extension = Extension(ExtensionType.LOG_ID, sha256(b"another log"))
    elsewhere = with_entry(partial(replace, extensions=(extension,)))
    yield judged("1 an entry meant for another log", *elsewhere, failed, Reason.WRONG_LOG_EXTENSION)
    altered = replace(receipt, entry=replace(receipt.entry, media_type="text/html"))
    yield judged(
        "1 an entry that was altered afterwards",
        *(altered, inputs, failed),
        *(Reason.CHAIN_PATH_WRONG, Reason.PROMISE_MISMATCH),
    )

    another_file = inputs | {"content_digest": sha256(b"order 2 ").hex()}
    yield judged("2 another file", receipt, another_file, failed, Reason.CONTENT_CHANGED)
    for name, field, new, reason in (
        ("2 another content inside", "bytes", "b3JkZXIgMw==", Reason.CONTENT_CHANGED),
        ("2 another salt", "salt", "00" * 16, Reason.COMMITMENT_MISMATCH),
        ("2 another digest", "digest", sha256(b"order 3").hex(), Reason.COMMITMENT_MISMATCH),
    ):
        yield judged(name, edited(receipt, ("content", field), new), inputs, failed, reason)

    alice, bob = signing_key("alice"), public_bytes(signing_key("bob"))
    for name, spoil in (
        ("3 a signature by nobody", lambda body: body[:32] + bytes(64)),
        ("3 a signature by another key", lambda body: bob + body[32:]),
        ("3 a key of small order", lambda _: b"\x01" + bytes(31) + b"\x01" + bytes(63)),
    ):
        spoiled = with_entry(lambda entry, spoil=spoil: with_body(sign_entry(entry, alice), spoil))  # type: ignore[misc]
        yield judged(name, *spoiled, failed, Reason.AUTHOR_SIGNATURE_WRONG)
    batch = with_entry(partial(replace, author=Author(AuthorType.BATCH, bytes(104))))
    yield judged("3 a batch of no entries", *batch, failed, Reason.AUTHOR_SIGNATURE_WRONG)
    yield from failed_chain_path()


def with_body(entry: Entry, spoil: Callable[[bytes], bytes]) -> Entry:
    """Return a signed entry with another body in its author field."""
    return replace(entry, author=Author(entry.author.type, spoil(entry.author.body)))


def failed_chain_path() -> Iterator[Case]:
    """Return what fails in step 4; the promise, which names the index, is left out."""
    _, whole, inputs = plain()
    receipt, wrong = replace(whole, promise=None), Reason.CHAIN_PATH_WRONG
    chain = sealed_of(receipt).chain
    for name, changed, reasons in (
        ("4 a path changed", replace(chain, path=(sha256(chain.path[0]),)), (wrong,)),
        ("4 a path too short", replace(chain, path=()), (wrong,)),
        ("4 a path too long", replace(chain, path=(*chain.path, bytes(32))), (wrong,)),
        ("4 an index outside the tree", replace(chain, index=2), (wrong,)),
        ("4 taken for the first entry", replace(chain, index=0), (Reason.CHAIN_ID_MISMATCH, wrong)),
    ):
        yield judged(name, with_sealed(receipt, chain=changed), inputs, Outcome.FAILED, *reasons)


def failed_keys() -> Iterator[Case]:
    """Return what fails in step 5 because of the keys: histories with holes, and key leaves signed by the wrong one."""
    failed, wrong = Outcome.FAILED, Reason.KEY_HISTORY_WRONG
    world, chain_id = begun()
    for _ in range(2):
        world.rotate(Purpose.CHECKPOINT)
        world.seal()
    receipt, inputs = anchored(world, world.write_next(chain_id, b"order 2"))
    one, two = sealed_of(receipt).keys
    signature = Reason.CHECKPOINT_SIGNATURE_WRONG
    for name, keys, reason in (
        ("5 no key leaf shown: signed by another key than leaf 0's", (), signature),
        ("5 the newest key leaf not shown", (one,), signature),
        ("5 a key leaf in the middle not shown", (two,), wrong),
        ("5 key leaves in another order", (two, one), wrong),
        ("5 a key leaf twice", (one, one, two), wrong),
    ):
        yield judged(name, with_sealed(receipt, keys=keys), inputs, failed, reason)
    swapped = (replace(one, index=two.index), replace(two, index=one.index))
    exchanged = with_sealed(receipt, keys=swapped)
    yield judged("5 key leaves with exchanged indexes", exchanged, inputs, failed, wrong, Reason.DIRECTORY_PATH_WRONG)

    for name, purpose, signer, by in (
        ("5 a checkpoint key given by the promise key", Purpose.CHECKPOINT, Signer.OLD_KEY, "small/PROMISE"),
        ("5 a checkpoint key given by a stranger", Purpose.CHECKPOINT, Signer.RECOVERY_KEY, "stranger"),
        ("5 a recovery key given by the checkpoint key", Purpose.RECOVERY, Signer.RECOVERY_KEY, "small/CHECKPOINT"),
    ):
        world, chain_id = begun()
        world.rotate(purpose, signer)
        resign_key_leaf(world, by)
        yield judged(name, *anchored(world, world.write_next(chain_id, b"order 2")), failed, wrong)
    world, chain_id = begun()
    world.rotate(Purpose.CHECKPOINT)
    resign_key_leaf(world, "small/CHECKPOINT", replaced=sha256(b"another leaf"))
    lying = anchored(world, world.write_next(chain_id, b"order 2"))
    yield judged("5 a key leaf that replaces a key which was not in force", *lying, failed, wrong)
    world, chain_id = begun()
    world.revoke_promise_key()
    world.rotate(Purpose.PROMISE, Signer.OLD_KEY)
    yield judged(
        "5 a promise key given by a revoked one", *anchored(world, world.write_next(chain_id, b"2")), failed, wrong
    )


def resign_key_leaf(world: World, by: str, replaced: bytes | None = None) -> None:
    """Sign the waiting key leaf once more, by the key of another name, and perhaps as the successor of another leaf."""
    leaf = world.waiting.pop()
    assert isinstance(leaf, KeyLeaf)
    leaf = replace(leaf, replaced=replaced or leaf.replaced)
    world.waiting.append(replace(leaf, signature=signing_key(by).sign(leaf.signed_message(world.log.log_id))))


def failed_note() -> Iterator[Case]:
    """Return what fails in step 5 because of the note."""
    world, receipt, inputs = plain()
    sealed, failed = sealed_of(receipt), Outcome.FAILED
    note, checkpoint = sealed.note, sealed.checkpoint
    [line] = note.signatures
    promise_key = signing_key("small/PROMISE")
    by_promise_key = NoteSignature(
        world.origin, key_id(world.origin, public_bytes(promise_key)), promise_key.sign(note.text.encode())
    )
    for name, lines in (
        ("5 a signature changed", (replace(line, signature=line.signature[:-1] + b"\x00"),)),
        ("5 a signature of 63 bytes", (replace(line, signature=line.signature[:-1]),)),
        ("5 a signature too long", (replace(line, signature=line.signature + b"\x00"),)),
        ("5 another name before the signature", (replace(line, name="log.example"),)),
        ("5 another key id before the signature", (replace(line, key_id=bytes(4)),)),
        ("5 signed by the promise key", (by_promise_key,)),
        ("5 a bad line of ours beside a good one", (line, replace(line, signature=bytes(64)))),
    ):
        changed = with_sealed(receipt, note=replace(note, signatures=lines))
        yield judged(name, changed, inputs, failed, Reason.CHECKPOINT_SIGNATURE_WRONG)
    for name, origin in (
        ("5 a checkpoint of another origin", "log.example/other"),
        ("5 a checkpoint of a chain", chain_origin(world.origin, receipt.entry.chain_id)),
    ):
        signed = world.sign(replace(checkpoint, origin=origin))
        yield judged(name, with_sealed(receipt, note=signed), inputs, failed, Reason.CHECKPOINT_ORIGIN_WRONG)
    bigger = world.sign(replace(checkpoint, size=checkpoint.size + 1))
    changed = with_sealed(receipt, note=bigger)
    reasons = Reason.DIRECTORY_PATH_WRONG, Reason.PAYLOAD_MISMATCH
    yield judged("6 a signed size that the paths do not have", changed, inputs, failed, *reasons)


def failed_directory() -> Iterator[Case]:
    """Return what fails in step 6: each of the paths, changed."""
    world, chain_id = begun()
    world.rotate(Purpose.CHECKPOINT)
    world.seal()
    receipt, inputs = anchored(world, world.write_next(chain_id, b"order 2"))
    for way in (("log",), ("head",), ("seal",), ("thread",), ("previous_head",), ("keys", 0)):
        name = " ".join(map(str, way))
        first = field_of(receipt, *way, "path", 0)
        changed = edited(receipt, (*way, "path", 0), flipped(first))
        yield judged(f"6 the path of {name} changed", changed, inputs, Outcome.FAILED, Reason.DIRECTORY_PATH_WRONG)
        # Above where it meets other paths, which show the right hash there: whoever follows it no further must see it.
        highest = len(field_of(receipt, *way, "path")) - 1
        last = field_of(receipt, *way, "path", highest)
        changed = edited(receipt, (*way, "path", highest), flipped(last))
        description = f"6 the highest hash of the path of {name} changed"
        yield judged(description, changed, inputs, Outcome.FAILED, Reason.DIRECTORY_PATH_WRONG)
        shorter = edited(receipt, (*way, "path"), field_of(receipt, *way, "path")[1:])
        yield judged(f"6 the path of {name} too short", shorter, inputs, Outcome.FAILED, Reason.DIRECTORY_PATH_WRONG)
    at_seal = edited(receipt, ("head", "index"), field_of(receipt, "seal", "index"))
    reasons = Reason.DIRECTORY_PATH_WRONG, Reason.SEAL_MISMATCH
    yield judged("6 the head at the seal's index", at_seal, inputs, Outcome.FAILED, *reasons)
    moved = edited(receipt, ("thread", "index"), field_of(receipt, "thread", "index") + 1)
    yield judged("6 the thread at another index", moved, inputs, Outcome.FAILED, Reason.DIRECTORY_PATH_WRONG)


def failed_seal() -> Iterator[Case]:
    """Return what fails in step 7: logs that point to the wrong head, and receipts that show another one."""
    failed = Outcome.FAILED
    world, chain_id = begun()
    one = world.seal()
    second = world.write_next(chain_id, b"order 2")
    two = world.seal()
    third = world.write_next(chain_id, b"order 3")
    other = world.write_first("recipe", b"recipe")
    three = world.seal()
    receipt = world.receipt(second, three, [world.anchor(three)])
    inputs, sealed = everything(world, second), sealed_of(receipt)

    for name, seal in (("earlier", one), ("later", three)):
        changed = with_sealed(receipt, seal=proof_of(world, seal.index, three))
        yield judged(f"7 the seal of the {name} head", changed, inputs, failed, Reason.SEAL_MISMATCH)
    without = with_sealed(receipt, previous_head=None)
    yield judged("7 the previous head not shown", without, inputs, failed, Reason.NOT_FIRST_HEAD)
    heads = {"itself": two.head_index[chain_id], "a later one": three.head_index[chain_id]}
    heads["another chain's"] = three.head_index[other.entry.chain_id]
    for name, index in heads.items():
        changed = with_sealed(receipt, previous_head=proof_of(world, index, three))
        yield judged(f"7 as the previous head {name}", changed, inputs, failed, Reason.NOT_FIRST_HEAD)
    later = world.sealed(third, three)
    hashes = [entry.hash for entry in world.chains[chain_id]]
    chain = replace(sealed.chain, path=inclusion_path(hashes, second.index))
    shown = with_sealed(receipt, chain=chain, head=later.head, seal=later.seal, previous_head=later.previous_head)
    yield judged("7 proved to the second head that holds it", shown, inputs, failed, Reason.NOT_FIRST_HEAD)
    first = world.sealed(Written(world.chains[chain_id][0], second.content, 0), three)
    shown = with_sealed(receipt, previous_head=first.head, head=later.head, seal=later.seal, chain=chain)
    yield judged("7 a previous head that the head does not point to", shown, inputs, failed, Reason.NOT_FIRST_HEAD)
    beyond = with_sealed(receipt, chain=replace(sealed.chain, index=2))
    reasons = Reason.CHAIN_PATH_WRONG, Reason.NOT_FIRST_HEAD
    yield judged("7 an index that the head does not reach", beyond, inputs, failed, *reasons)
    yield from lying_logs()
    yield shrinking_log()


def lying_logs() -> Iterator[Case]:
    """Return receipts of logs whose own leaves are wrong, though every path and signature holds.

    The directory is: leaf 0, thread, head and seal, then the second head (4) and its seal (5).
    """
    failed, lie = Outcome.FAILED, Reason.NOT_FIRST_HEAD
    for name, at, change, shown, outcome, reasons in (
        (
            "a head that hides the one before: only an audit finds it",
            4,
            {"previous_index": NO_PREVIOUS},
            None,
            Outcome.INTACT,
            (),
        ),
        ("7 a head that points to itself", 4, {"previous_index": 4}, 4, failed, (lie,)),
        ("7 a head that points to the thread", 4, {"previous_index": 1}, None, failed, (lie,)),
        ("7 a head that points to where no leaf can be", 4, {"previous_index": NO_PREVIOUS - 1}, None, failed, (lie,)),
        ("7 a head of another chain", 4, {"chain_id": sha256(b"other")}, 2, failed, (Reason.HEAD_MISMATCH,)),
        ("7 a previous head of another chain", 2, {"chain_id": sha256(b"other")}, 2, failed, (lie,)),
        ("7 a previous head that held the entry", 2, {"tree_size": 2}, 2, failed, (lie,)),
        ("7 a seal that says it holds no heads", 5, {"head_count": 0}, 2, failed, (Reason.SEAL_MISMATCH,)),
    ):
        world, chain_id = begun()
        world.seal()
        written = world.write_next(chain_id, b"order 2")
        honest = world.receipt(written, world.seal())
        seal = retold(world, at, change)
        previous = None if shown is None else proof_of(world, shown, seal)
        changed = with_sealed(
            honest,
            log_path=proof_of(world, 0, seal).path,
            thread=proof_of(world, 1, seal),
            head=proof_of(world, 4, seal),
            seal=proof_of(world, 5, seal),
            previous_head=previous,
            note=seal.note,
            anchors=(world.anchor(seal),),
        )
        yield judged(name, changed, everything(world, written), outcome, *reasons)


def shrinking_log() -> Case:
    """Return the receipt of a log whose second head (4) points to its third (6), which is smaller."""
    world, chain_id = begun()
    world.seal()
    written = world.write_next(chain_id, b"order 2")
    world.seal()
    world.write_next(chain_id, b"order 3")
    world.seal()
    retold(world, 4, {"previous_index": 6})
    seal = retold(world, 6, {"tree_size": 1})
    receipt = world.receipt(written, seal, [world.anchor(seal)])
    name = "7 a head that points to a later and smaller one"
    return judged(name, receipt, everything(world, written), Outcome.FAILED, Reason.NOT_FIRST_HEAD)


def retold(world: World, index: int, change: dict[str, Any]) -> Seal:
    """Return the last seal after leaf ``index`` was changed, signed once more."""
    leaf: Any = world.directory[index]
    world.directory[index] = replace(leaf, **change)
    root = root_of(world.directory_hashes)
    note = world.sign(Checkpoint(world.origin, len(world.directory), root))
    return replace(world.seals[-1], root=root, note=note)


def proof_of(world: World, index: int, at: Seal) -> DirectoryProof[Any]:
    """Return the proof of any leaf against a checkpoint."""
    return DirectoryProof(world.directory[index], index, inclusion_path(world.directory_hashes[: at.size], index))


def failed_log_and_promise() -> Iterator[Case]:
    """Return what fails in steps 8 and 9."""
    world, receipt, inputs = plain()
    failed = Outcome.FAILED
    for name, card in (
        ("8 another operator's log with a chain of the same name", begun("another operator")[0].card),
        (
            "8 the same keys under another origin",
            LogCard(replace(world.log, origin="log.example/other"), world.card.thread),
        ),
        ("8 the same log on another network", LogCard(on_network(world, "testnet4"), world.card.thread)),
    ):
        changed = inputs | {"card": card.encode().decode()}
        yield judged(name, receipt, changed, failed, Reason.WRONG_LOG)
    relabelled = replace(receipt, log=on_network(world, "mainnet"))
    yield judged(
        "8 a regtest receipt relabelled as mainnet",
        relabelled,
        inputs,
        failed,
        Reason.DIRECTORY_PATH_WRONG,
        Reason.WRONG_LOG,
        Reason.PROMISE_MISMATCH,
        Reason.TARGET_ABOVE_LIMIT,
    )
    with_own_card = inputs | {"card": LogCard(relabelled.log, world.card.thread).encode().decode()}
    reasons = Reason.DIRECTORY_PATH_WRONG, Reason.PROMISE_MISMATCH, Reason.TARGET_ABOVE_LIMIT
    yield judged("8 relabelled as mainnet, with a card to match", relabelled, with_own_card, failed, *reasons)

    promise = receipt.promise
    assert promise is not None
    mismatch, wrong = Reason.PROMISE_MISMATCH, Reason.PROMISE_SIGNATURE_WRONG
    later = replace(promise.note, seal_by_ms=promise.note.seal_by_ms + 1)
    for name, changed_promise, reason in (
        ("9 a promise with another time", replace(promise, note=later), wrong),
        ("9 a promise with another signature", replace(promise, signature=bytes(64)), wrong),
        ("9 a promise with another key id", replace(promise, key_id=bytes(4)), wrong),
        ("9 a promise with a path", replace(promise, path=(bytes(32),)), wrong),
        ("9 a promise with another index", replace(promise, index=1), wrong),
        ("9 a promise to another submitter", replace(promise, leaf=replace(promise.leaf, submitter=bytes(16))), wrong),
        ("9 a promise of another index", replace(promise, leaf=replace(promise.leaf, leaf_index=0)), mismatch),
        ("9 a promise of another entry", replace(promise, leaf=replace(promise.leaf, entry_hash=bytes(32))), mismatch),
        ("9 a promise in another chain", replace(promise, leaf=replace(promise.leaf, chain_id=bytes(32))), mismatch),
        ("9 a promise by another log", replace(promise, note=replace(promise.note, log_id=bytes(32))), mismatch),
    ):
        yield judged(name, replace(receipt, promise=changed_promise), inputs, failed, reason)
    yield from failed_pending_promises()
    yield promised_by_the_wrong_key()


def promised_by_the_wrong_key() -> Case:
    """Return a receipt whose promise is signed by the log's new checkpoint key."""
    world, chain_id = begun()
    world.rotate(Purpose.CHECKPOINT)
    key = world.keys[Purpose.CHECKPOINT]
    written = world.promise(world.write_next(chain_id, b"order 2"))[0]
    promise = written.promise
    assert promise is not None
    signature, name = key.sign(signed_message(promise.note)), promise_key_id(public_bytes(key))
    written = replace(written, promise=replace(promise, signature=signature, key_id=name))
    description = "9 a promise by a new checkpoint key"
    return judged(description, *anchored(world, written), Outcome.FAILED, Reason.PROMISE_SIGNATURE_WRONG)


def on_network(world: World, name: str) -> LogLeaf:
    """Return leaf 0 as if the log were on another network."""
    rules = NETWORKS[name]
    return replace(world.log, network_genesis=rules.genesis_hash, message_start=rules.message_start)


def failed_pending_promises() -> Iterator[Case]:
    """Return what fails in step 9 of a receipt that is not sealed yet."""
    world, chain_id = begun()
    receipt = world.receipt(world.promise(world.write_next(chain_id, b"order 2"))[0])
    promise, inputs = receipt.promise, inputs_of(content=b"order 2", card=world.card)
    assert promise is not None
    wrong, mismatch = Reason.PROMISE_SIGNATURE_WRONG, Reason.PROMISE_MISMATCH
    unknown = replace(promise, key_id=bytes(4))
    for name, changed, reason in (
        ("9 unsealed, another signature", replace(promise, signature=bytes(64)), wrong),
        (
            "9 unsealed, a promise of another entry",
            replace(promise, leaf=replace(promise.leaf, entry_hash=bytes(32))),
            mismatch,
        ),
        ("9 unsealed, an unknown key and another path", replace(unknown, path=(bytes(32),)), wrong),
        (
            "9 unsealed, an unknown key and another log",
            replace(unknown, note=replace(promise.note, log_id=bytes(32))),
            mismatch,
        ),
    ):
        yield judged(name, replace(receipt, promise=changed), inputs, Outcome.FAILED, reason)
    name = "unsealed, a promise by a key that only a sealed receipt can show"
    yield judged(name, replace(receipt, promise=unknown), inputs, Outcome.INCOMPLETE)


# Failed on the way to Bitcoin


def mined(receipt: Receipt, transaction: Transaction) -> BitcoinAnchor:
    """Return the anchor of ``transaction`` in a block with the coinbase of the receipt's own."""
    own = sealed_anchor(receipt)
    return in_block([sha256d(own.coinbase), transaction.txid], 1, transaction.encode(), own.coinbase, own.height)


def in_block(txids: Sequence[bytes], index: int, raw: bytes, coinbase: bytes, height: int) -> BitcoinAnchor:
    """Return an anchor in a block whose tree has these leaves, with work for its header."""
    header = mine_header(sha256(b"the block before"), merkle_root(txids), 1_750_000_000, "regtest").encode()
    return BitcoinAnchor(raw, index, merkle_path(txids, index), coinbase, merkle_path(txids, 0), header, height)


def given(inputs: Inputs, anchor: BitcoinAnchor) -> Inputs:
    """Return what a verifier brings who vouches for the anchor's block."""
    return inputs | {"blocks": [f"regtest:{anchor.height}:{hash_hex(Header.decode(anchor.header).hash)}"]}


def failed_payload() -> Iterator[Case]:
    """Return what fails in step 10: transactions that carry no payload, two, or another one."""
    _, receipt, inputs = plain()
    good = Transaction.decode(sealed_anchor(receipt).transaction, 4000)
    coin, payload = good.outputs
    size, root = sealed_of(receipt).checkpoint.size, sealed_of(receipt).checkpoint.root
    script = payload.script
    missing, ambiguous, mismatch = Reason.PAYLOAD_MISSING, Reason.PAYLOAD_AMBIGUOUS, Reason.PAYLOAD_MISMATCH
    for name, outputs, reason in (
        ("no payload", (coin,), missing),
        ("the payload in output 0", (payload, coin), missing),
        ("the payload in output 2", (coin, coin, payload), missing),
        ("a payload of another tag", (coin, TxOutput(0, script[:2] + b"AL2" + script[5:])), missing),
        ("a payload and a byte more", (coin, TxOutput(0, script + b"\x00")), missing),
        ("a payload cut short", (coin, TxOutput(0, script[:-1])), missing),
        ("a payload pushed another way", (coin, TxOutput(0, b"\x6a\x4c" + script[1:])), missing),
        ("two payloads", (coin, payload, payload), ambiguous),
        ("a payload and the beginning of another", (TxOutput(1, script[:5]), payload), ambiguous),
        ("another size", (coin, TxOutput(0, payload_script(encode_payload(size + 1, root)))), mismatch),
        ("another root", (coin, TxOutput(0, payload_script(encode_payload(size, sha256(root))))), mismatch),
    ):
        anchor = mined(receipt, replace(good, outputs=outputs))
        changed = with_sealed(receipt, anchors=(anchor,))
        yield judged(f"10 {name}", changed, given(inputs, anchor), Outcome.FAILED, reason)
    cut = edited(receipt, ("anchors", 0, "transaction"), good.encode()[:-1].hex())
    yield judged("10 a transaction cut short", cut, inputs, Outcome.FAILED, *[Reason.MALFORMED] * 3)


def failed_branches() -> Iterator[Case]:
    """Return what fails in step 11: fields of an honest anchor, changed."""
    _, receipt, inputs = plain()
    anchor, failed = sealed_anchor(receipt), Outcome.FAILED
    for name, changed, reason in (
        ("another index", replace(anchor, index=3), Reason.BRANCH_WRONG),
        ("an index that the branch cannot reach", replace(anchor, index=4), Reason.BRANCH_INDEX_OUT_OF_RANGE),
        ("a branch changed", replace(anchor, path=(anchor.path[0], sha256(b""))), Reason.BRANCH_WRONG),
        (
            "the coinbase's branch changed",
            replace(anchor, coinbase_path=(sha256(b""), anchor.path[1])),
            Reason.COINBASE_BRANCH_WRONG,
        ),
        ("a branch one level longer", replace(anchor, path=(*anchor.path, sha256(b""))), Reason.BRANCH_LENGTHS_DIFFER),
        (
            "a coinbase branch one level shorter",
            replace(anchor, coinbase_path=anchor.path[:1]),
            Reason.BRANCH_LENGTHS_DIFFER,
        ),
        ("another height", replace(anchor, height=anchor.height + 1), Reason.COINBASE_HEIGHT_WRONG),
        ("a coinbase that is none", replace(anchor, coinbase=anchor.transaction), Reason.NOT_A_COINBASE),
        ("a coinbase cut short", replace(anchor, coinbase=anchor.coinbase[:-1]), Reason.NOT_A_COINBASE),
        ("a coinbase of 64 bytes", replace(anchor, coinbase=bytes(64)), Reason.TRANSACTION_64_BYTES),
        (
            "another coinbase",
            replace(anchor, coinbase=anchor.coinbase[:-4] + bytes((1, 0, 0, 0))),
            Reason.COINBASE_BRANCH_WRONG,
        ),
    ):
        yield judged(f"11 {name}", with_sealed(receipt, anchors=(changed,)), inputs, failed, reason)
    reasons = Reason.PAYLOAD_MISSING, Reason.TRANSACTION_64_BYTES
    small = replace(anchor, transaction=transaction_of_64_bytes())
    yield judged("11 a transaction of 64 bytes", with_sealed(receipt, anchors=(small,)), inputs, failed, *reasons)
    yield from forged_blocks(receipt, inputs)


def transaction_of_64_bytes() -> bytes:
    """Return a transaction that could be two hashes of a block's tree."""
    spent = TxInput(OutPoint(sha256(b"coin"), 0), b"", 0)
    return Transaction(1, (spent,), (TxOutput(0, b"\x6a\x02AL"),), 0).encode()


def forged_blocks(receipt: Receipt, inputs: Inputs) -> Iterator[Case]:
    """Return blocks with work whose trees no honest miner makes."""
    anchor = sealed_anchor(receipt)
    good, coinbase, height = Transaction.decode(anchor.transaction, 4000), anchor.coinbase, anchor.height
    base = sha256d(coinbase)
    doubled = in_block([base, sha256(b"x"), good.txid, good.txid], 3, good.encode(), coinbase, height)
    # A txid whose fifth byte is 01 is the first half of a transaction with one input; the other half is ours to choose.
    fitting = next(item for item in (replace(good, lock_time=time) for time in range(10_000)) if item.txid[4] == 1)
    tail = bytes(5) + bytes(4) + b"\x00" + bytes(4) + b"\x01" + bytes(8) + b"\x04" + bytes(4) + bytes(4)
    inner = in_block([base, sha256(b"x"), fitting.txid, tail], 2, fitting.encode(), coinbase, height)
    other = replace(good, lock_time=1)
    headless = in_block([other.txid, good.txid], 1, good.encode(), other.encode(), height)
    for name, forged, reason in (
        ("a transaction beside itself", doubled, Reason.BRANCH_DUPLICATED_SIBLING),
        ("two hashes that are a transaction", inner, Reason.BRANCH_INNER_NODE_IS_TRANSACTION),
        ("a block without a coinbase", headless, Reason.NOT_A_COINBASE),
    ):
        changed = with_sealed(receipt, anchors=(forged,))
        yield judged(f"11 {name}", changed, given(inputs, forged), Outcome.FAILED, reason)


def failed_block_and_thread() -> Iterator[Case]:
    """Return what fails in steps 12 and 13."""
    world, receipt, inputs = plain()
    anchor, failed = sealed_anchor(receipt), Outcome.FAILED
    header = Header.decode(anchor.header)
    idle = next(
        item
        for item in (replace(header, nonce=nonce) for nonce in range(10_000))
        if int.from_bytes(item.hash, "little") > 0x7FFFFF << 232
    )
    for name, changed, reason in (
        ("no work", idle, Reason.WORK_MISSING),
        ("a target above the network's limit", replace(header, bits=0x2100FFFF), Reason.TARGET_ABOVE_LIMIT),
        ("a target of zero", replace(header, bits=0x20000000), Reason.TARGET_INVALID),
        ("a negative target", replace(header, bits=0x20FFFFFF), Reason.TARGET_INVALID),
        ("a target beyond 256 bits", replace(header, bits=0x2200FFFF), Reason.TARGET_INVALID),
    ):
        text = with_sealed(receipt, anchors=(replace(anchor, header=changed.encode()),))
        yield judged(f"12 {name}", text, inputs, failed, reason)
    for name, block, reason in (
        ("another block", f"regtest:{anchor.height}:{'0' * 64}", Reason.BLOCK_MISMATCH),
        ("the hash in the other byte order", f"regtest:{anchor.height}:{header.hash.hex()}", Reason.BLOCK_MISMATCH),
        ("a block of mainnet", f"mainnet:{anchor.height}:{hash_hex(header.hash)}", Reason.WRONG_NETWORK),
        ("a block of testnet4", f"testnet4:{anchor.height}:{hash_hex(header.hash)}", Reason.WRONG_NETWORK),
    ):
        yield judged(f"12 {name} given", receipt, inputs | {"blocks": [block]}, failed, reason)
    later = mine_header(header.previous, header.merkle_root, header.time_s + 3600, "regtest")
    text = with_sealed(receipt, anchors=(replace(anchor, header=later.encode()),))
    yield judged("12 a block of another time, with its work", text, inputs, failed, Reason.BLOCK_MISMATCH)

    yield judged("13 no thread shown", with_sealed(receipt, thread=None), inputs, failed, Reason.THREAD_MISMATCH)
    other = LogCard(world.log, (OutPoint(sha256(b"another coin"), 0),))
    unlisted = inputs | {"card": other.encode().decode()}
    yield judged("13 a thread that is not on the card", receipt, unlisted, failed, Reason.THREAD_MISMATCH)


def time_stamps() -> Iterator[Case]:
    """Return receipts with time stamps, beside a bitcoin anchor and alone."""
    _, receipt, inputs = plain()
    good, stamped = sealed_anchor(receipt), TimestampAnchor(stamp(AUTHORITY, Stamped(_imprint(receipt))))
    trusting = inputs | inputs_of(timestamp_certificates=ROOT.pem)
    accepting = trusting | {"accept_timestamp": True}
    both, alone = with_sealed(receipt, anchors=(good, stamped)), with_sealed(receipt, anchors=(stamped,))
    stranger = inputs_of(timestamp_certificates=certify_root("Stranger").pem)
    incomplete, intact, on_its_own = Outcome.INCOMPLETE, Outcome.INTACT, Outcome.TIME_STAMPED
    for what, brought, outcome in (
        ("its root is known", trusting, intact),
        ("accepted or not, Bitcoin counts", accepting, intact),
        ("no certificates", inputs, intact),
        ("another root", inputs | stranger, intact),
        ("the block is not known", trusting | {"blocks": []}, Outcome.NOT_CHECKED),
        ("the block is not known, accepted", accepting | {"blocks": []}, on_its_own),
        ("the block is not known, accepted, no certificates", inputs | {"blocks": [], "accept_timestamp": True},
         Outcome.NOT_CHECKED),
    ):  # fmt: skip
        yield judged(f"a time stamp beside a bitcoin anchor: {what}", both, brought, outcome)
    for what, brought, outcome in (
        ("its root is known", trusting, incomplete),
        ("accepted", accepting, on_its_own),
        ("accepted, no card", _less(accepting, "card"), incomplete),
        ("accepted, no card, any log", _less(accepting, "card") | {"any_log": True}, on_its_own),
        ("no certificates", inputs, incomplete),
        ("accepted, no certificates", inputs | {"accept_timestamp": True}, incomplete),
        ("accepted, another root", accepting | stranger, incomplete),
    ):
        yield judged(f"a time stamp alone: {what}", alone, brought, outcome)
    withheld = replace(alone, content=Content(ContentState.WITHHELD))
    yield judged("a time stamp alone: accepted, withheld", withheld, accepting, Outcome.NOT_COMPARED)
    reorganised = accepting | {"blocks": [f"regtest:{good.height}:{'00' * 31}01"]}
    yield judged("a time stamp does not mend a block", both, reorganised, Outcome.FAILED, Reason.BLOCK_MISMATCH)
    wrong = TimestampAnchor(stamp(AUTHORITY, Stamped(bytes(32))))
    yield judged("one time stamp that holds is enough", with_sealed(receipt, anchors=(wrong, stamped)), accepting,
                 on_its_own)  # fmt: skip


def failed_time_stamps() -> Iterator[Case]:
    """Return receipts whose time stamp does not hold: it fails where somebody asked, and counts for nothing else."""
    _, receipt, inputs = plain()
    good, imprint = sealed_anchor(receipt), _imprint(receipt)
    asked = inputs | inputs_of(timestamp_certificates=ROOT.pem, accept_timestamp=True)
    server = certify("Server", ROOT, usage=None, serial=9)
    fails: tuple[tuple[str, bytes, Reason], ...] = (
        ("over something else", stamp(AUTHORITY, Stamped(bytes(32))), Reason.TIMESTAMP_IMPRINT_WRONG),
        ("over the root alone", stamp(AUTHORITY, Stamped(sha256(sealed_of(receipt).checkpoint.root))),
         Reason.TIMESTAMP_IMPRINT_WRONG),
        ("signed by another key", stamp(AUTHORITY, Stamped(imprint, spoil_signature=True)),
         Reason.TIMESTAMP_SIGNATURE_WRONG),
        ("signed over another content", stamp(AUTHORITY, Stamped(imprint, spoil_digest=True)),
         Reason.TIMESTAMP_SIGNATURE_WRONG),
        ("by a server's key", stamp(server, Stamped(imprint)), Reason.TIMESTAMP_CERTIFICATE_WRONG),
        ("after its certificate's end", stamp(AUTHORITY, Stamped(imprint, time=b"20400101000000Z")),
         Reason.TIMESTAMP_CERTIFICATE_WRONG),
        ("without its certificate", stamp(AUTHORITY, Stamped(imprint, carried=())),
         Reason.TIMESTAMP_CERTIFICATE_WRONG),
        ("that is none", b"no token", Reason.MALFORMED),
        ("with a byte too many", stamp(AUTHORITY, Stamped(imprint)) + b"\x00", Reason.MALFORMED),
    )  # fmt: skip
    for what, token, reason in fails:
        anchor = TimestampAnchor(token)
        alone, both = with_sealed(receipt, anchors=(anchor,)), with_sealed(receipt, anchors=(good, anchor))
        yield judged(f"a time stamp {what}", alone, asked, Outcome.FAILED, reason)
        yield judged(f"a time stamp {what}, beside a bitcoin anchor", both, asked, Outcome.FAILED, reason)
        yield judged(f"a time stamp {what}, and nobody asked", both, inputs, Outcome.INTACT)


def malformed_time_stamps() -> Iterator[Case]:
    """Return receipts whose time stamp has not the form of one."""
    _, receipt, inputs = plain()
    anchored = with_sealed(receipt, anchors=(TimestampAnchor(b"\x30\x00"),))
    place: tuple[str | int, ...] = ("anchors", 0)
    for what, value in (
        ("without token", {"type": "rfc3161"}),
        ("with more than a token", {"type": "rfc3161", "token": "MAA=", "authority": "Example"}),
        ("with an empty token", {"type": "rfc3161", "token": ""}),
        ("with a token of another type", {"type": "rfc3161", "token": ["MAA="]}),
        ("with a token in hex", {"type": "rfc3161", "token": "3000ff"}),
        ("with base64 that does not encode to itself", {"type": "rfc3161", "token": "MAB="}),
        ("that is too long", {"type": "rfc3161", "token": "MAAw" * (MAX_TOKEN // 3 + 1)}),
    ):
        yield refused(f"a time stamp {what}", edited(anchored, place, value))
    longest = with_sealed(receipt, anchors=(sealed_anchor(receipt), TimestampAnchor(bytes(MAX_TOKEN))))
    yield judged("a time stamp as long as may be", longest, inputs, Outcome.INTACT)


def attested(
    imprint: bytes,
    operations: Sequence[ots.Operation] = (ots.append(b"a calendar's nonce"), ots.SHA256),
    network: str = "regtest",
    height: int = 700_000,
) -> CalendarAnchor:
    """Return the attestation of an imprint by a block that has nothing but the calendar's commitment in its tree."""
    root = ots.execute(operations, imprint)
    header = mine_header(bytes(32), root, 1_750_000_500, "regtest")
    path = ots.Path(tuple(operations), ots.BitcoinAttestation(height))
    file = ots.DetachedFile(ots.SHA256, imprint, ots.Timestamp((path,)))
    return CalendarAnchor(network, file.encode(), header.encode())


def attesting_block(anchor: CalendarAnchor, network: str = "regtest", height: int = 700_000) -> str:
    """Return the block of an attestation as a verifier names it."""
    assert anchor.header is not None
    return f"{network}:{height}:{hash_hex(Header.decode(anchor.header).hash)}"


def attestations() -> Iterator[Case]:
    """Return receipts with calendars' attestations, beside a bitcoin anchor and alone."""
    _, receipt, inputs = plain()
    good, anchor = sealed_anchor(receipt), attested(_imprint(receipt))
    both, alone = with_sealed(receipt, anchors=(good, anchor)), with_sealed(receipt, anchors=(anchor,))
    own, theirs = inputs["blocks"], [attesting_block(anchor)]
    intact, on_its_own, not_checked = Outcome.INTACT, Outcome.ATTESTED, Outcome.NOT_CHECKED
    for what, blocks, outcome in (
        ("both blocks are known", [*own, *theirs], intact),
        ("only the log's own block is known", own, intact),
        ("only the calendar's block is known", theirs, on_its_own),
        ("no block is known", [], not_checked),
    ):
        yield judged(f"an attestation beside a bitcoin anchor: {what}", both, inputs | {"blocks": blocks}, outcome)
    knowing = inputs | {"blocks": theirs}
    yield judged("an attestation alone", alone, knowing, on_its_own)
    yield judged("an attestation alone: its block is not known", alone, inputs, Outcome.INCOMPLETE)
    yield judged("an attestation alone: no card", alone, _less(knowing, "card"), Outcome.INCOMPLETE)
    any_log = _less(knowing, "card") | {"any_log": True}
    yield judged("an attestation alone: no card, any log", alone, any_log, on_its_own)
    withheld = replace(alone, content=Content(ContentState.WITHHELD))
    yield judged("an attestation alone: withheld", withheld, knowing, Outcome.NOT_COMPARED)
    headless = replace(anchor, header=None)
    yield judged("an attestation without its header", with_sealed(receipt, anchors=(headless,)), knowing,
                 Outcome.INCOMPLETE)  # fmt: skip
    changed = knowing | inputs_of(content=b"something else")
    yield judged("an attestation does not mend the content", alone, changed, Outcome.FAILED, Reason.CONTENT_CHANGED)
    reorganised = inputs | {"blocks": [f"regtest:{good.height}:{'00' * 31}01", *theirs]}
    yield judged("an attestation does not mend a block", both, reorganised, Outcome.FAILED, Reason.BLOCK_MISMATCH)
    wrong = attested(bytes(32))
    yield judged("one attestation that holds is enough", with_sealed(receipt, anchors=(wrong, anchor)), knowing,
                 on_its_own)  # fmt: skip
    for name, operations in (
        (
            "every operation that is computed",
            (ots.REVERSE, ots.HEXLIFY, ots.prepend(b"x"), ots.append(b"y"), ots.SHA256),
        ),
        ("no operation", ()),
    ):
        shape = attested(_imprint(receipt), operations)
        yield judged(f"an attestation by {name}", with_sealed(receipt, anchors=(shape,)),
                     inputs | {"blocks": [attesting_block(shape)]}, on_its_own)  # fmt: skip
    weak = attested(_imprint(receipt), (ots.SHA1, ots.SHA256))
    yield judged("an attestation through SHA-1 proves nothing", with_sealed(receipt, anchors=(weak,)),
                 inputs | {"blocks": [attesting_block(weak)]}, Outcome.INCOMPLETE)  # fmt: skip


def attestations_elsewhere() -> Iterator[Case]:
    """Return receipts whose attestation means another network than the log's."""
    _, receipt, inputs = plain()
    good, imprint = sealed_anchor(receipt), _imprint(receipt)
    mainnet = attested(imprint, network="mainnet")
    block = attesting_block(mainnet, "mainnet")
    failed = Outcome.FAILED
    # The work of a test network is no work on mainnet, whatever the receipt calls it.
    yield judged("an attestation that calls itself mainnet's", with_sealed(receipt, anchors=(good, mainnet)),
                 inputs | {"blocks": [*inputs["blocks"], block]}, failed, Reason.TARGET_ABOVE_LIMIT)  # fmt: skip
    headless = replace(mainnet, header=None)
    both = with_sealed(receipt, anchors=(good, headless))
    yield judged("a block of the attestation's network is not the log's", both, inputs | {"blocks": [block]},
                 Outcome.NOT_CHECKED)  # fmt: skip
    third = inputs | {"blocks": [attesting_block(mainnet, "testnet4")]}
    yield judged("a block of a third network", both, third, failed, Reason.WRONG_NETWORK)
    unknown = attested(imprint, network="testnet9")
    yield judged("an attestation on an unknown network", with_sealed(receipt, anchors=(unknown,)), inputs,
                 Outcome.INCOMPLETE)  # fmt: skip


def failed_attestations() -> Iterator[Case]:
    """Return receipts whose attestation does not hold."""
    _, receipt, inputs = plain()
    good, imprint = sealed_anchor(receipt), _imprint(receipt)
    right = attested(imprint)
    assert right.header is not None
    other = attested(sha256(b"other")).header
    idle = replace(Header.decode(right.header), nonce=0)
    while int.from_bytes(idle.hash, "little") >> 255 == 0:
        idle = replace(idle, nonce=idle.nonce + 1)
    pending = ots.Path((), ots.PendingAttestation("https://calendar.example"))
    litecoin = ots.Path((), ots.LitecoinAttestation(1))
    (way,) = ots.DetachedFile.decode(right.ots).timestamp.paths
    short = ots.Path((ots.append(b"x"),), ots.BitcoinAttestation(700_000))

    def file(*paths: ots.Path) -> CalendarAnchor:
        return replace(right, ots=ots.DetachedFile(ots.SHA256, imprint, ots.Timestamp(paths)).encode())

    mismatch, malformed = Reason.ATTESTATION_MISMATCH, Reason.MALFORMED
    fails: tuple[tuple[str, CalendarAnchor, Reason], ...] = (
        ("over something else", attested(sha256(b"other")), mismatch),
        ("over the root alone", attested(sha256(sealed_of(receipt).checkpoint.root)), mismatch),
        ("with another block's header", replace(right, header=other), mismatch),
        ("whose header has no work", replace(right, header=idle.encode()), Reason.WORK_MISSING),
        ("in another block than the known one", right, Reason.BLOCK_MISMATCH),
        ("that is pending", file(pending), malformed),
        ("in Litecoin", file(litecoin), malformed),
        ("with a second attestation", file(pending, way), malformed),
        ("that ends in no Merkle root", file(short), malformed),
        ("with a byte too many", replace(right, ots=right.ots + b"\x00"), malformed),
        ("that is no .ots file", replace(right, ots=b"no file"), malformed),
        ("of a file hashed with SHA-1",
         replace(right, ots=ots.DetachedFile(ots.SHA1, imprint[:20], ots.Timestamp((short,))).encode()), mismatch),
    )  # fmt: skip
    for what, anchor, reason in fails:
        known = [*inputs["blocks"], f"regtest:700000:{'00' * 31}01"]
        for beside, anchors in (("", (anchor,)), (", beside a bitcoin anchor", (good, anchor))):
            yield judged(f"an attestation {what}{beside}", with_sealed(receipt, anchors=anchors),
                         inputs | {"blocks": known}, Outcome.FAILED, reason)  # fmt: skip


def malformed_attestations() -> Iterator[Case]:
    """Return receipts whose attestation has not the form of one."""
    _, receipt, _ = plain()
    anchored = with_sealed(receipt, anchors=(attested(_imprint(receipt)),))
    whole = dict(field_of(anchored, "anchors", 0))
    for what, change in (
        ("without file", {"ots": None}),
        ("without network", {"network": None}),
        ("with a height beside the file", {"height": 700_000}),
        ("with an empty file", {"ots": ""}),
        ("with a file in hex", {"ots": "004f70"}),
        ("with base64 that does not encode to itself", {"ots": "AAB="}),
        ("with a file that is too long", {"ots": "AAAA" * (MAX_OTS // 3 + 1)}),
        ("with an empty network", {"network": ""}),
        ("with a network that is too long", {"network": "m" * 41}),
        ("with a header cut off", {"header": whole["header"][:-2]}),
        ("with a header of null", {"header": "null"}),
    ):
        value = {name: item for name, item in (whole | change).items() if item is not None}
        value = value | {"header": None} if value.get("header") == "null" else value
        yield refused(f"an attestation {what}", edited(anchored, ("anchors", 0), value))


def _imprint(receipt: Receipt) -> bytes:
    checkpoint = sealed_of(receipt).checkpoint
    return imprint_of(checkpoint.size, checkpoint.root)


def _less(inputs: Inputs, name: str) -> Inputs:
    return {key: value for key, value in inputs.items() if key != name}


def unknown_network() -> Iterator[Case]:
    """Return receipts of a log whose leaf 0 names a known genesis block and unknown messages, as some signet may."""
    world = World("small", message_start=b"\x01\x02\x03\x04")
    first = world.write_first("orders", b"order 1")
    world.fund_thread()
    receipt, inputs = anchored(world, first)
    unasked = {name: value for name, value in inputs.items() if name != "blocks"}
    yield judged("a log on an unknown network", receipt, unasked, Outcome.NOT_CHECKED)
    yield judged("a log on an unknown network, a block of regtest given", receipt, inputs, Outcome.NOT_CHECKED)


# Not a receipt


# Authors who name their identity


class Identified(World):
    """A log with an identity: boss may change its keys, press may sign entries only; sealed once."""

    def begin(self, **fields: Any) -> bytes:
        """Write and seal what begins the log, the identity and the chain of orders; return the identity's chain id."""
        self.orders = self.write_first("orders", b"order 1").entry.chain_id
        self.fund_thread()
        keys = key_set(key("boss", KeyPurpose.KEYS), key("press", KeyPurpose.ENTRIES), **fields)
        begin = began(self.log.log_id, keys, "boss", "press", called=("did:web:acme.example",))
        self.identity, self.tip = self.write(first_entry_of(begin), b"nothing").entry.chain_id, begin.hash
        self.seal()
        return self.identity

    def state(self, operation: Operation, *names: str, moves: bool = True, **parts: Any) -> Statement:
        """Write a statement, signed by these holders; ``moves``: it is in force."""
        statement = signed(Statement(operation, self.tip, **parts), self.identity, *names)
        self.write(entry_of(self.identity, statement.encode()), b"nothing")
        self.tip = statement.hash if moves else self.tip
        return statement

    def order(self, holder: str) -> Written:
        """Write an order that a holder signed in the name of the identity."""
        return write_signed(self, self.orders, b"order 2", holder, self.identity)

    def shown(self, written: Written, at: Seal | None = None) -> tuple[Receipt, Inputs]:
        """Anchor a seal, or a new one; return the receipt with the identity's history, and what a verifier has."""
        seal = at or self.seal()
        receipt = self.receipt(written, seal, [self.anchor(seal)])
        evidence = (evidence_of(self, self.identity, seal).to_json(),)
        return with_sealed(receipt, evidence=evidence), everything(self, written)


def identified(**fields: Any) -> Identified:
    """Return a log with an identity, sealed."""
    world = Identified("small")
    world.begin(**fields)
    return world


def identities() -> Iterator[Case]:
    """Return receipts whose author names his identity, and was right to."""
    intact = Outcome.INTACT
    world = identified()
    order = world.order("press")
    yield judged("the author's key is one of his identity", *world.shown(order), intact)

    world = identified()
    order = world.order("press")
    early = world.seal()
    world.state(Operation.ROTATE, "boss", "press 2", about=public("press"), ending=Ending.STOLEN, key=key("press 2"))
    late, inputs = world.shown(order)
    yield judged("the author's key was stolen later", late, inputs, intact)
    yield judged("a receipt from before that", *world.shown(order, early), intact)
    batch = sign_batch([replace(world.entry(world.orders, b"order 3"), extensions=order.entry.extensions)], PRESS_2)
    yield judged("a signed batch in the name of an identity", *world.shown(world.write(batch[0], b"order 3")), intact)

    world = identified()
    world.state(Operation.ADD, "press", "web", moves=False, key=key("web"))
    world.write(world.entry(world.identity, b"by somebody else"), b"by somebody else")
    order = world.order("press")
    yield judged("entries of the identity's chain that state nothing", *world.shown(order), intact)

    world = identified(wait_blocks=144)
    world.rotate(Purpose.PROMISE)
    world.seal()
    new = key_set(key("new boss"))
    late_key = f"{world.name}/PROMISE"
    world.state(Operation.ANNOUNCE, late_key, "new boss", moves=False, key_set=new, ending=Ending.UNUSED)
    announced = world.state(Operation.ANNOUNCE, f"{late_key}/0", "new boss", moves=False, key_set=new)
    world.seal()
    for _ in range(150):
        world.mine()
    world.state(Operation.COMPLETE, "new boss", about=announced.hash)
    world.seal()
    yield judged("a recovery that the log announced", *world.shown(world.order("new boss")), intact)


def failed_identities() -> Iterator[Case]:
    """Return receipts of signatures that hold, by keys that the identity did not have for it then."""
    wrong = Outcome.FAILED, Reason.AUTHOR_KEY_NOT_VALID
    world = identified()
    world.state(Operation.ADD, "boss", "web", key=key("web"))
    yield judged("3 a key that was registered in the same seal", *world.shown(world.order("web")), *wrong)

    world = identified()
    world.state(Operation.REVOKE, "boss", about=public("press"), ending=Ending.STOLEN)
    tied = world.order("press")
    seal = world.seal()
    yield judged("3 a key that ended in the same seal", *world.shown(tied, seal), *wrong)
    yield judged("3 a key that had ended", *world.shown(world.order("press")), *wrong)
    yield judged("3 a key of nobody", *world.shown(world.order("nobody")), *wrong)
    yield judged("3 a key that changes keys and signs no entries", *world.shown(world.order("boss")), *wrong)
    world.state(Operation.ADD, "boss", "web", key=key("web", not_after_ms=world.now_ms + 10_000))
    world.seal()
    yield judged("3 a key that was too old", *world.shown(world.order("web")), *wrong)


def expected_authors() -> Iterator[Case]:
    """Return receipts for verifiers who expect an author: this one, another one, or a key."""
    intact, wrong = Outcome.INTACT, (Outcome.FAILED, Reason.ANOTHER_AUTHOR)
    world = identified()
    receipt, inputs = world.shown(world.order("press"))
    me, press, boss = world.identity.hex(), did_key(public("press")), did_key(public("boss"))
    yield judged("the author's identity is the expected one", receipt, inputs | {"author": me}, intact)
    yield judged("the author's key is the expected one", receipt, inputs | {"author": press}, intact)
    yield judged("3 another identity is expected", receipt, inputs | {"author": "5a" * 32}, *wrong)
    yield judged("3 another key is expected", receipt, inputs | {"author": boss}, *wrong)
    bare = with_sealed(receipt, evidence=())
    yield judged("3 expected, and nothing shown of it", bare, inputs | {"author": me}, Outcome.NOT_CHECKED)
    thief, inputs = world.shown(world.order("nobody"))
    valid = Reason.AUTHOR_KEY_NOT_VALID
    yield judged("3 expected, and not by a key of it", thief, inputs | {"author": me}, Outcome.FAILED, valid)
    plain, inputs = world.shown(write_signed(world, world.orders, b"order 3", "press", None))
    yield judged("3 the key in the name of nobody", plain, inputs | {"author": me}, *wrong)
    yield judged("the expected key in the name of nobody", plain, inputs | {"author": press}, intact)
    unsigned, inputs = world.shown(world.write(world.entry(world.orders, b"order 4"), b"order 4"))
    yield judged("3 nobody signed, an identity is expected", unsigned, inputs | {"author": me}, *wrong)
    yield judged("3 nobody signed, a key is expected", unsigned, inputs | {"author": press}, *wrong)
    by_hash = replace(world.entry(world.orders, b"order 5"), author=Author(AuthorType.HASHED, bytes(64)))
    unknown, inputs = world.shown(world.write(by_hash, b"order 5"))
    yield judged(
        "3 signed in an unknown way, a key is expected", unknown, inputs | {"author": press}, Outcome.NOT_CHECKED
    )


def hidden_statements() -> Iterator[Case]:
    """Return receipts whose evidence leaves out, or adds, what would change the verdict."""
    wrong = Outcome.FAILED, Reason.AUTHOR_KEYS_WRONG
    world = identified()
    early = world.seals[-1]
    world.state(Operation.REVOKE, "boss", about=public("press"), ending=Ending.STOLEN)
    middle = world.seal()
    receipt, inputs = world.shown(world.order("press"))
    late = world.seals[-1]
    yield judged("3 nothing is shown of the identity", with_sealed(receipt, evidence=()), inputs, Outcome.NOT_CHECKED)

    def showing(description: str, *evidence: IdentityEvidence) -> Case:
        shown = with_sealed(receipt, evidence=tuple(item.to_json() for item in evidence))
        return judged(f"3 {description}", shown, inputs, *wrong)

    whole, before = (evidence_of(world, world.identity, seal) for seal in (late, early))
    yield showing("an older history, under its own checkpoint", before)
    hidden = replace(whole, entries=whole.entries[:1], heads=whole.heads[:1])
    yield showing("a history without its last head", hidden)
    older = world.prove(SealLeaf, early.index, late)
    yield showing("the proof of an older newest head", replace(hidden, newest_seal=older, siblings=before.siblings))
    yield showing("a history without its last entry", replace(whole, entries=whole.entries[:1]))
    yield showing("a history without its first head", replace(whole, heads=whole.heads[1:]))
    yield showing("a history without a head", replace(whole, heads=()))
    yield showing("another entry", replace(whole, entries=(whole.entries[0], whole.entries[0])))
    first, last = whole.heads
    swapped = replace(last, seal=world.prove(SealLeaf, late.index, late))
    yield showing("a head in a later seal than its own", replace(whole, heads=(first, swapped)))
    moved = replace(last, head=replace(last.head, path=(bytes(32), *last.head.path[1:])))
    yield showing("a head that is not in the directory", replace(whole, heads=(first, moved)))
    yield showing("a wrong proof of the newest head", replace(whole, siblings=(bytes(32),)))
    yield showing("two histories", whole, whole)
    yield showing("the history of another chain", evidence_of(world, world.orders, late))
    order = write_signed(world, world.orders, b"order 3", "press", world.orders)
    receipt, inputs = world.shown(order)
    yield showing("a chain that is no identity", evidence_of(world, world.orders, world.seals[-1]))
    assert middle.head_index.keys() == {world.identity}

    world = identified()
    world.write(entry_of(world.identity, b"\2 a later version"), b"nothing")
    receipt, inputs = world.shown(world.order("press"))
    yield judged("3 a history by a newer Anchorline", receipt, inputs, Outcome.NOT_CHECKED)
    pending = replace(receipt, sealed=None)
    yield judged("3 an identity in a receipt that is not sealed", pending, inputs, Outcome.INCOMPLETE)


def announced_recoveries() -> Iterator[Case]:
    """Return receipts whose author's key is by a recovery that the log announced, and what is known of its wait."""
    world = Identified("small")
    world.begin(wait_blocks=144)
    new: dict[str, Any] = {"key_set": key_set(key("press 2")), "ending": Ending.LOST}
    announced = world.state(Operation.ANNOUNCE, f"{world.name}/{Purpose.PROMISE.name}", "press 2", moves=False, **new)
    for _ in range(10):
        world.mine()
    first = world.seal()
    for _ in range(20):
        world.mine()
    anchor = world.anchor(first)
    for _ in range(60):
        world.mine()
    late = world.anchor(first)
    for _ in range(62):
        world.mine()
    world.state(Operation.COMPLETE, "press 2", about=announced.hash)
    second = world.seal()
    receipt, inputs = world.shown(world.order("press 2"))
    intact, waited = Outcome.INTACT, [world.directory[seal.index] for seal in (first, second)]
    yield judged("an announced recovery, of whose blocks nobody was asked", receipt, inputs, intact)
    asked = inputs | inputs_of(headers=encode_headers("regtest", 1, world.headers))
    unproved = "3 an announced recovery between blocks that headers confirm, whose announcement no anchor shows"
    yield judged(unproved, receipt, asked, Outcome.NOT_CHECKED)
    heights = [leaf.block_height for leaf in waited if isinstance(leaf, SealLeaf)]
    assert heights[1] - heights[0] == 144
    for height in heights:
        wrong = inputs | inputs_of(blocks=[*inputs["blocks"], f"regtest:{heights[0]}:{'5a' * 32}"])
        if height == heights[1]:
            right = block_name(world.blocks[heights[0] - 1])
            wrong = inputs | inputs_of(blocks=[*inputs["blocks"], right, f"regtest:{height}:{'5a' * 32}"])
        which = "announcement" if height == heights[0] else "completion"
        yield judged(f"3 another block than the one of the {which}", receipt, wrong, Outcome.NOT_CHECKED)
    head = world.prove(HeadLeaf, first.head_index[world.identity], first)
    both = Announcement(head, anchor), Announcement(head, late)
    seals = inputs | inputs_of(blocks=[*inputs["blocks"], *(block_name(world.blocks[at - 1]) for at in heights)])
    yield from announcements(world, receipt, (inputs, seals, asked), both, second)


def announcements(
    world: World,
    receipt: Receipt,
    inputs: tuple[Inputs, Inputs, Inputs],
    shown: tuple[Announcement, Announcement],
    second: Seal,
) -> Iterator[Case]:
    """Return receipts that show the anchor of an announcement: an early one, late ones, and wrong ones."""
    (unasked, seals, asked), (good, late) = inputs, shown

    def showing(item: dict[str, Any]) -> Receipt:
        return with_sealed(receipt, evidence=(*sealed_of(receipt).evidence, item))

    wrong, malformed_too = (Outcome.FAILED, Reason.AUTHOR_KEYS_WRONG), (Outcome.FAILED, Reason.MALFORMED)
    item = good.to_json()
    yield judged("an announced recovery whose announcement was anchored", showing(item), asked, Outcome.INTACT)
    yield judged("an anchored announcement, of whose blocks nobody was asked", showing(item), unasked, Outcome.INTACT)
    yield judged(
        "an anchored announcement, of whose block alone nobody was asked", showing(item), seals, Outcome.INTACT
    )
    another = seals | inputs_of(blocks=[*seals["blocks"], f"regtest:{good.anchor.height}:{'5a' * 32}"])
    elsewhere = "3 an announcement that was anchored in a block which is not on the best chain"
    yield judged(elsewhere, showing(item), another, Outcome.NOT_CHECKED)
    short = "3 an announcement that was anchored when more than half of the wait was over"
    yield judged(short, showing(late.to_json()), asked, Outcome.NOT_CHECKED)
    later = Announcement(world.prove(HeadLeaf, good.head.index, second), world.anchor(second)).to_json()
    asked_later = asked | inputs_of(headers=encode_headers("regtest", 1, world.headers))
    too_late = "3 an announcement that was anchored after its completion"
    yield judged(too_late, showing(later), asked_later, Outcome.NOT_CHECKED)
    yield judged("3 an announcement under another root", showing(item | {"anchor": later["anchor"]}), asked, *wrong)
    cut = item | {"head": item["head"] | {"path": []}}
    yield judged("3 an announcement with a path cut short", showing(cut), asked, *wrong)
    other = sealed_of(receipt).head
    foreign = item | {"head": proof_to_json(other)}
    yield judged("3 an announcement in a head of another chain", showing(foreign), asked, *malformed_too)
    yield judged("3 an announcement with an unknown field", showing(item | {"more": 1}), asked, *malformed_too)
    stamped = item | {"anchor": {"type": "other"}}
    yield judged("3 an announcement with an anchor that is not in Bitcoin", showing(stamped), asked, *malformed_too)


def malformed_identities() -> Iterator[Case]:
    """Return receipts whose evidence of an identity has not its form."""
    world = identified()
    receipt, inputs = world.shown(world.order("press"))
    failed = Outcome.FAILED, Reason.MALFORMED
    item = field_of(receipt, "evidence", 0)
    for name, way, new in (
        ("an unknown field", ("evidence", 0), item | {"more": 1}),
        ("no heads", ("evidence", 0), {field: value for field, value in item.items() if field != "heads"}),
        ("257 entries", ("evidence", 0, "entries"), ["00"] * 257),
        ("257 heads", ("evidence", 0, "heads"), item["heads"] * 257),
        ("an entry of 4,096 bytes", ("evidence", 0, "entries", 0), "01" * 4096),
        ("an entry that is a number", ("evidence", 0, "entries", 0), 1),
        ("257 siblings", ("evidence", 0, "newest", "siblings"), ["00" * 32] * 257),
        ("a seal that is a head", ("evidence", 0, "newest", "seal"), item["heads"][0]["head"]),
        ("an unknown field beside the seal", ("evidence", 0, "newest"), item["newest"] | {"more": 1}),
        ("an unknown field beside a head", ("evidence", 0, "heads", 0), item["heads"][0] | {"more": 1}),
    ):
        yield judged(f"3 evidence with {name}", edited(receipt, way, new), inputs, *failed)


# Entries that were corrected


class Corrected(World):
    """A log with a chain of orders, of which the first is corrected in what follows."""

    def begin(self) -> Written:
        """Write and seal the first order."""
        first = self.write_first("orders", b"order 1")
        self.fund_thread()
        self.write_first("others", b"other 1")
        self.seal()
        return first

    def correct(
        self,
        relation: int,
        *corrected: Written,
        chain_id: bytes | None = None,
        holder: str | None = None,
        **fields: Any,
    ) -> Written:
        """Write an entry that says this of others, to their chain unless another is named.

        It is signed by the key of its holder, or by those of several ("witness+clerk") together.
        """
        links = tuple(Link(relation, each.entry.chain_id, each.entry.hash) for each in corrected)
        entry = self.entry(chain_id or corrected[0].entry.chain_id, b"order 1, corrected", links=links)
        entry = replace(entry, **fields)
        signed = entry if holder is None else signed_by(entry, holder.split("+"))
        return self.write(signed, b"order 1, corrected")

    def erase(
        self, *erased: Written, value: bytes | None = None, relation: int = Relation.ERASES, **more: Any
    ) -> Written:
        """Write an entry that states an erasure and links to these entries."""
        value = erasure().encode() if value is None else value
        extensions = () if value == b"" else (Extension(ExtensionType.ERASURE, value),)
        return self.correct(relation, *erased, extensions=extensions, **more)

    def evidence(self, written: Written, at: Seal, kind: str = "correction") -> LaterEntry:
        """Return what proves an entry under the newest head of its chain below a checkpoint."""
        chain_id = written.entry.chain_id
        head = self.prove(HeadLeaf, max(seal.head_index.get(chain_id, 0) for seal in self.seals), at)
        hashes = [entry.hash for entry in self.chains[chain_id][: head.leaf.tree_size]]
        chain = ChainPath(written.index, inclusion_path(hashes, written.index))
        return LaterEntry(kind, written.entry.encode(), chain, head)

    def shown(self, first: Written, *corrections: Written, kind: str = "correction") -> tuple[Receipt, Inputs]:
        """Seal and anchor; return the receipt with these corrections, and what a verifier has."""
        seal = self.seal()
        receipt = self.receipt(first, seal, [self.anchor(seal)])
        evidence = tuple(self.evidence(each, seal, kind).to_json() for each in corrections)
        return with_sealed(receipt, evidence=evidence), everything(self, first)

    def shown_erased(self, first: Written, *erasures: Written) -> tuple[Receipt, Inputs]:
        """The same of an entry whose content was erased; the verifier has no file."""
        receipt, _ = self.shown(first, *erasures, kind="erasure")
        inputs = inputs_of(card=self.card, blocks=[block_name(self.blocks[-1])])
        return replace(receipt, content=Content(ContentState.ERASED)), inputs


def corrected() -> tuple[Corrected, Written]:
    """Return a log with a sealed entry that can be corrected."""
    world = Corrected("small")
    return world, world.begin()


def corrections() -> Iterator[Case]:
    """Return receipts of entries that later ones supersede or retract: unchanged, and corrected."""
    supersedes, retracts = Relation.SUPERSEDES, Relation.RETRACTS
    world, first = corrected()
    later = world.correct(supersedes, first, holder="clerk")
    receipt, inputs = world.shown(first, later)
    yield judged("superseded by a signed entry", receipt, inputs, Outcome.CORRECTED)
    another = inputs_of(content=b"another", card=world.card, blocks=[block_name(world.blocks[-1])])
    yield judged("2 superseded, and another file", receipt, another, Outcome.FAILED, Reason.CONTENT_CHANGED)
    pending = with_sealed(receipt, anchors=())
    yield judged("superseded before it was anchored", pending, inputs, Outcome.INCOMPLETE)
    unknown = {"type": "correction/2", "entry": "00"}
    strange = with_sealed(receipt, evidence=(unknown, *sealed_of(receipt).evidence))
    yield judged("superseded, beside evidence of an unknown type", strange, inputs, Outcome.CORRECTED)

    world, first = corrected()
    yield judged("retracted", *world.shown(first, world.correct(retracts, first)), Outcome.CORRECTED)

    world, first = corrected()
    second = world.correct(supersedes, first)
    world.seal()
    third = world.correct(supersedes, second, holder="clerk")
    last = world.correct(retracts, third)
    shown = world.shown(first, second, third, last)
    yield judged("superseded, and that entry in turn, which was retracted", *shown, Outcome.CORRECTED)

    world, first = corrected()
    second, third = world.correct(supersedes, first), world.correct(retracts, first)
    yield judged("superseded, and then retracted", *world.shown(first, second, third), Outcome.CORRECTED)

    world, first = corrected()
    batch = sign_batch([world.correct(supersedes, first).entry], signing_key("clerk"))
    world.chains[first.entry.chain_id].pop()
    yield judged(
        "superseded by one of a signed batch", *world.shown(first, world.write(batch[0], b"x")), Outcome.CORRECTED
    )

    world, first = corrected()
    newer = Extension(CRITICAL_EXTENSION, b"new")
    receipt, inputs = world.shown(first, world.correct(supersedes, first, extensions=(newer,)))
    yield judged("16 a correction that must be understood, and is not", receipt, inputs, Outcome.INTACT)
    text = edited(receipt, ("evidence", 0, "entry"), "02" + field_of(receipt, "evidence", 0, "entry")[2:])
    yield judged("16 a correction by a newer Anchorline", text, inputs, Outcome.INTACT)


def wrong_corrections() -> Iterator[Case]:
    """Return receipts that show corrections which are none, or not in the chain."""
    wrong, malformed_too = (Outcome.FAILED, Reason.CORRECTION_WRONG), (Outcome.FAILED, Reason.MALFORMED)
    world, first = corrected()
    later = world.correct(Relation.SUPERSEDES, first)
    again = world.correct(Relation.RETRACTS, later)
    refers = world.correct(Relation.REFERS_TO, first)
    erases = world.correct(Relation.ERASES, first)
    [other] = [chain_id for chain_id in world.chains if chain_id != first.entry.chain_id]
    elsewhere = world.correct(Relation.SUPERSEDES, first, chain_id=other)
    to_other = replace(first, entry=replace(first.entry, chain_id=other))
    of_other = world.correct(Relation.SUPERSEDES, to_other, chain_id=first.entry.chain_id)
    bad = sign_entry(later.entry, signing_key("clerk"))
    forged = world.write(replace(bad, author=replace(bad.author, body=bad.author.body[:-1] + b"\0")), b"forged")
    for name, shown in (
        ("an entry that only refers to it", [refers]),
        ("an entry that erases it, which is no correction", [erases]),
        ("an entry of another chain", [elsewhere]),
        ("an entry that supersedes the same hash in another chain", [of_other]),
        ("a correction of a correction that is not shown", [again]),
        ("a correction before the one that it corrects", [again, later]),
        ("a signature that does not hold", [forged]),
    ):
        yield judged(f"16 {name}", *world.shown(first, *shown), *wrong)

    receipt, inputs = world.shown(later, again)
    yield judged("a correction that was retracted", receipt, inputs, Outcome.CORRECTED)
    item, way = field_of(receipt, "evidence", 0), ("evidence", 0)
    head = world.prove(HeadLeaf, world.heads[other], world.seals[-1])
    for name, inner, new in (
        ("another entry", ("entry",), first.entry.encode().hex()),
        ("another index", ("chain", "index"), item["chain"]["index"] - 1),
        ("a path cut short", ("chain", "path"), item["chain"]["path"][:-1]),
        ("another path in the directory", ("head", "path"), ["00" * 32, *item["head"]["path"][1:]]),
        ("another place in the directory", ("head", "index"), item["head"]["index"] + 1),
        ("the head of another chain", ("head",), proof_to_json(head)),
    ):
        yield judged(f"16 {name}", edited(receipt, (*way, *inner), new), inputs, *wrong)
    forms: list[tuple[str, tuple[str, ...], Any]] = [
        ("an unknown field", (), item | {"more": 1}),
        ("an unknown field beside the index", ("chain",), item["chain"] | {"more": 1}),
        ("no head", (), {field: value for field, value in item.items() if field != "head"}),
        ("a seal in the place of the head", ("head",), field_of(receipt, "seal")),
        ("an entry cut short", ("entry",), item["entry"][:-2]),
        ("an entry of 4,096 bytes", ("entry",), "01" * 4096),
        ("a path of 65 hashes", ("chain", "path"), ["00" * 32] * 65),
    ]
    for name, to, new in forms:
        yield judged(f"16 correction with {name}", edited(receipt, (*way, *to), new), inputs, *malformed_too)
    earlier = world.correct(Relation.SUPERSEDES, world.correct(Relation.REFERS_TO, first))
    ahead = replace(earlier, entry=later.entry, index=later.index)
    receipt, inputs = world.shown(again, ahead)
    yield judged("16 an entry that corrects nothing here", receipt, inputs, *wrong)


def co_signatures() -> Iterator[Case]:
    """Return receipts of entries that further parties co-sign: with co-signatures that hold, and with some that do not.

    ``world.correct`` writes an entry with a link, whatever it says of the entry.
    """
    wrong, kind = (Outcome.FAILED, Reason.CO_SIGNATURE_WRONG), "co-signature"
    world, first = corrected()
    one, two = (world.correct(Relation.COSIGNS, first, holder=holder) for holder in ("witness", "clerk"))
    identity = Extension(ExtensionType.IDENTITY, b"\x5a" * 32)
    named = world.correct(Relation.COSIGNS, first, holder="witness", extensions=(identity,))
    receipt, inputs = world.shown(first, one, two, named, kind=kind)
    yield judged("co-signed by two, once for an identity", receipt, inputs, Outcome.INTACT)
    world.seal()
    later = world.correct(Relation.SUPERSEDES, first)
    receipt, inputs = world.shown(first, one, kind=kind)
    correction = world.evidence(later, world.seals[-1]).to_json()
    both = with_sealed(receipt, evidence=(*sealed_of(receipt).evidence, correction))
    yield judged("co-signed, and superseded", both, inputs, Outcome.CORRECTED)

    world, first = corrected()
    entry = world.correct(Relation.COSIGNS, first).entry
    world.chains[first.entry.chain_id].pop()
    [batched] = sign_batch([entry], signing_key("clerk"))
    receipt, inputs = world.shown(first, world.write(batched, b"x"), kind=kind)
    yield judged("co-signed by one of a signed batch", receipt, inputs, Outcome.INTACT)
    newer = Extension(CRITICAL_EXTENSION, b"new")
    strange = world.correct(Relation.COSIGNS, first, holder="clerk", extensions=(newer,))
    yield judged(
        "20 a co-signature that must be understood, and is not",
        *world.shown(first, strange, kind=kind),
        Outcome.INTACT,
    )

    world, first = corrected()
    unsigned = world.correct(Relation.COSIGNS, first)
    refers = world.correct(Relation.REFERS_TO, first, holder="clerk")
    of_refers = world.correct(Relation.COSIGNS, refers, holder="clerk")
    [other] = [chain_id for chain_id in world.chains if chain_id != first.entry.chain_id]
    elsewhere = world.correct(Relation.COSIGNS, first, chain_id=other, holder="clerk")
    good = sign_entry(unsigned.entry, signing_key("clerk"))
    bad = replace(good, author=replace(good.author, body=good.author.body[:-1] + b"\0"))
    forged = world.write(bad, b"forged")
    for name, shown in (
        ("is not signed", unsigned),
        ("only refers to it", refers),
        ("co-signs another entry", of_refers),
        ("is of another chain", elsewhere),
        ("has a signature that does not hold", forged),
    ):
        yield judged(f"20 an entry that {name}", *world.shown(first, shown, kind=kind), *wrong)
    receipt, inputs = world.shown(of_refers, replace(refers, entry=of_refers.entry), kind=kind)
    yield judged("20 the co-signing entry at another place", receipt, inputs, *wrong)
    way = ("evidence", 0)
    receipt, inputs = world.shown(refers, of_refers, kind=kind)
    yield judged("co-signed by a single one", receipt, inputs, Outcome.INTACT)
    item = field_of(receipt, *way)
    index, path = item["chain"]["index"], item["chain"]["path"]
    for name, to, new in (
        ("another index", ("chain", "index"), index - 1),
        ("a path cut short", ("chain", "path"), path[:-1]),
        ("another path in the directory", ("head", "path"), ["00" * 32, *item["head"]["path"][1:]]),
    ):
        yield judged(f"20 {name}", edited(receipt, (*way, *to), new), inputs, *wrong)

    world, first = corrected()
    together = world.correct(Relation.COSIGNS, first, holder="witness+clerk")
    yield judged("co-signed by two keys together", *world.shown(first, together, kind=kind), Outcome.INTACT)
    body = together.entry.author.body
    bad = replace(together.entry, author=Author(AuthorType.SEVERAL, body[:-1] + b"\0"))
    forged = world.write(bad, b"forged")
    yield judged("20 one of two signatures does not hold", *world.shown(first, forged, kind=kind), *wrong)
    retraction = world.correct(Relation.RETRACTS, first, holder="witness+clerk")
    yield judged("retracted by two keys together", *world.shown(first, retraction), Outcome.CORRECTED)
    erased = world.erase(first, holder="witness+clerk")
    yield judged("erased by two keys together", *world.shown(first, erased, kind="erasure"), Outcome.INTACT)
    more = edited(receipt, way, item | {"more": 1})
    yield judged("20 co-signature with an unknown field", more, inputs, Outcome.FAILED, Reason.MALFORMED)


# Entries whose content was erased


def erasure(reason: str = "request 88 of the person it is about") -> ErasureStatement:
    """Return a statement of an erasure."""
    return ErasureStatement(Act.ERASE, Scope.ENTRY, 1_760_000_000_000, reason)


def erasures() -> Iterator[Case]:
    """Return receipts of entries whose content was erased, with the entry that states it."""
    gone = Outcome.NOT_COMPARED
    world, first = corrected()
    receipt, inputs = world.shown_erased(first, world.erase(first))
    yield judged("erased", receipt, inputs, gone)
    file = inputs_of(content=b"order 1", card=world.card, blocks=[block_name(world.blocks[-1])])
    yield judged("erased, and somebody has the file", receipt, file, gone)
    alone = with_sealed(receipt, evidence=())
    yield judged("erased, as the service says and nothing shows", alone, inputs, Outcome.INTACT)
    pending = with_sealed(receipt, anchors=())
    yield judged("erased before it was anchored", pending, inputs, Outcome.INCOMPLETE)
    held, _ = world.shown(first, world.erase(first), kind="erasure")
    yield judged("erased by the log, and shown by who held a copy", held, everything(world, first), Outcome.INTACT)

    world, first = corrected()
    signed = world.erase(first, value=erasure("Löschfrist abgelaufen: §\xa017").encode(), holder="clerk")
    yield judged("erased by a signed entry", *world.shown_erased(first, signed), gone)

    world, first = corrected()
    later, last = world.correct(Relation.SUPERSEDES, first), world.erase(first)
    receipt, inputs = world.shown_erased(first, last)
    superseding = world.evidence(later, world.seals[-1]).to_json()
    both = with_sealed(receipt, evidence=(superseding, *sealed_of(receipt).evidence))
    yield judged("superseded, and then erased", both, inputs, gone)

    world, first = corrected()
    newer = world.erase(first, value=b"\x02" + erasure().encode()[1:])
    yield judged("18 a statement of a newer version", *world.shown_erased(first, newer), Outcome.INTACT)


def wrong_erasures() -> Iterator[Case]:
    """Return receipts that show erasures which are none, or not in the chain, or have not their form."""
    wrong, malformed_too = (Outcome.FAILED, Reason.ERASURE_WRONG), (Outcome.FAILED, Reason.MALFORMED)
    world, first = corrected()
    other = world.correct(Relation.REFERS_TO, first)
    good = world.erase(first)
    bad = sign_entry(good.entry, signing_key("clerk"))
    forged = world.write(replace(bad, author=replace(bad.author, body=bad.author.body[:-1] + b"\0")), b"forged")
    hold = ErasureStatement(Act.HOLD, Scope.ENTRY, 1, "a court order").encode()
    for name, shown in (
        ("an entry that erases another one", [world.erase(other)]),
        ("an entry that only refers to it", [world.erase(first, relation=Relation.REFERS_TO)]),
        ("an entry that links as if it erased, and states nothing", [world.erase(first, value=b"")]),
        ("a hold", [world.erase(first, value=hold)]),
        ("two erasures", [good, world.erase(first)]),
        ("a signature that does not hold", [forged]),
    ):
        yield judged(f"18 {name}", *world.shown_erased(first, *shown), *wrong)
    reason = b"\x00\x01r"
    forms = {
        "an unknown act": b"\x01\x04\x01" + bytes(8) + reason,
        "an unknown scope": b"\x01\x01\x05" + bytes(8) + reason,
        "a scope that is a hold's": b"\x01\x01\x04" + bytes(8) + reason,
        "no reason": b"\x01\x01\x01" + bytes(8) + b"\x00\x00",
        "a reason of 501 bytes": b"\x01\x01\x01" + bytes(8) + b"\x01\xf5" + b"r" * 501,
        "a reason that is no UTF-8": b"\x01\x01\x01" + bytes(8) + b"\x00\x01\xff",
        "a reason with a surrogate": b"\x01\x01\x01" + bytes(8) + b"\x00\x03\xed\xa0\x80",
        "a reason of two lines": b"\x01\x01\x01" + bytes(8) + b"\x00\x03a\nb",
        "a reason that turns its direction": b"\x01\x01\x01" + bytes(8) + b"\x00\x04r\xe2\x80\xae",
        "a reason with an Arabic letter mark": b"\x01\x01\x01" + bytes(8) + b"\x00\x03r\xd8\x9c",
        "a byte too many": erasure().encode() + b"\x00",
        "a byte too few": erasure().encode()[:-1],
    }
    for name, value in forms.items():
        yield judged(
            f"18 a statement with {name}", *world.shown_erased(first, world.erase(first, value=value)), *malformed_too
        )
    receipt, inputs = world.shown_erased(first, good)
    item, way = field_of(receipt, "evidence", 0), ("evidence", 0)
    yield judged("18 an unknown field", edited(receipt, way, item | {"more": 1}), inputs, *malformed_too)
    cut = edited(receipt, (*way, "chain", "path"), item["chain"]["path"][:-1])
    yield judged("18 a path cut short", cut, inputs, *wrong)


def malformed(story: Story) -> Iterator[Case]:
    """Return texts that are no receipts: fields unknown, missing, of another type, or over their limit."""
    receipt = story.shapes["after key rotations"].receipt
    value = json.loads(receipt.encode())
    for way in places(value):
        yield refused(
            f"an unknown field in {' '.join(map(str, way)) or 'the receipt'}", edited(receipt, (*way, "more"), 1)
        )
    required = [
        *(
            ("format",),
            ("entry",),
            ("content",),
            ("chain",),
            ("log",),
            ("head",),
            ("seal",),
            ("keys",),
            ("checkpoint",),
        ),
        *(("anchors",), ("evidence",), ("content", "state"), ("content", "salt"), ("content", "digest")),
        *(("chain", "index"), ("chain", "path"), ("log", "leaf"), ("log", "index"), ("log", "path")),
        *(("head", "leaf"), ("head", "index"), ("head", "path"), ("anchors", 0, "type"), ("anchors", 0, "header")),
        *(("anchors", 0, "height"), ("anchors", 0, "coinbase"), ("promise", "leaf"), ("promise", "format")),
    ]
    for way in required:
        yield refused(f"no {' '.join(map(str, way))}", without(receipt, *way))
    for way in (("promise",), ("thread",), ("previous_head",), ("content", "bytes"), *required):
        yield refused(f"null in {' '.join(map(str, way))}", edited(receipt, way, None))
    yield from wrong_values(receipt)
    yield from over_limits(receipt)
    text = compact(receipt)
    yield refused("a newer receipt", text.replace("anchorline-receipt/1", "anchorline-receipt/2"), "unknown-version")
    yield refused("a newer promise", text.replace("anchorline-promise/1", "anchorline-promise/9"), "unknown-version")
    yield refused("a newer entry", edited(receipt, ("entry",), "02" + value["entry"][2:]), "unknown-version")
    yield refused("another format", text.replace("anchorline-receipt/1", "anchorline-log/1"))
    yield refused("a format without a version", text.replace("anchorline-receipt/1", "anchorline-receipt"))
    yield refused("a field twice", text[:-1] + ',"entry":"00"}')
    yield refused("a field twice, once escaped", text[:-1] + ',"\\u0065ntry":"00"}')
    yield refused("a byte-order mark", "\ufeff" + text)
    yield refused("cut short", text[:-1])
    yield refused("two receipts", text + text)


def places(value: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return the way to every object in a receipt, of a list's objects the first."""
    if isinstance(value, dict):
        yield way
        for name, item in value.items():
            yield from places(item, (*way, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*way, 0))


def wrong_values(receipt: Receipt) -> Iterator[Case]:
    """Return values of another type or form."""
    value = json.loads(receipt.encode())
    entry, note = value["entry"], value["checkpoint"]
    for name, way, new in (
        ("the entry in upper case", ("entry",), entry.upper()),
        ("half a byte in the entry", ("entry",), entry[:-1]),
        ("a space in the entry", ("entry",), entry[:2] + " " + entry[2:]),
        ("an entry of one byte too many", ("entry",), entry + "00"),
        ("an entry as an array", ("entry",), [1]),
        ("a content of an unknown state", ("content", "state"), "hidden"),
        ("a withheld content with its salt", ("content", "state"), "withheld"),
        ("an erased content with its salt", ("content", "state"), "erased"),
        ("a salt of 15 bytes", ("content", "salt"), "00" * 15),
        ("a digest of 33 bytes", ("content", "digest"), "00" * 33),
        ("content in hex", ("content", "bytes"), "0"),
        ("content without padding", ("content", "bytes"), "AA"),
        ("content with bits left over", ("content", "bytes"), "AB=="),
        ("content in the other alphabet", ("content", "bytes"), "_-AA"),
        ("content with a newline", ("content", "bytes"), "AAAA\n"),
        ("an index as a string", ("chain", "index"), "1"),
        ("a negative index", ("chain", "index"), -1),
        ("an index that is true", ("chain", "index"), True),
        ("an index of 2^53", ("chain", "index"), 2**53),
        ("an index with a fraction", ("chain", "index"), 1.0),
        ("a path as an object", ("chain", "path"), {}),
        ("a hash of 31 bytes", ("chain", "path"), ["00" * 31]),
        ("a hash of 33 bytes", ("chain", "path"), ["00" * 33]),
        ("a hash as a number", ("chain", "path"), [0]),
        ("a hash in upper case", ("chain", "path"), ["AA" * 32]),
        ("leaf 0 at another index", ("log", "index"), 1),
        ("a head in the place of leaf 0", ("log", "leaf"), value["head"]["leaf"]),
        ("a seal in the place of the head", ("head", "leaf"), value["seal"]["leaf"]),
        ("a head in the place of the seal", ("seal", "leaf"), value["head"]["leaf"]),
        ("a seal in the place of the previous head", ("previous_head", "leaf"), value["seal"]["leaf"]),
        ("a head in the place of the thread", ("thread", "leaf"), value["head"]["leaf"]),
        ("a thread in the place of a key", ("keys", 0, "leaf"), value["thread"]["leaf"]),
        ("an unassigned leaf in the place of the head", ("head", "leaf"), "14"),
        ("an entry in the place of the head", ("head", "leaf"), entry[:200]),
        ("a head cut short", ("head", "leaf"), value["head"]["leaf"][:-2]),
        ("keys as an object", ("keys",), {}),
        ("a checkpoint without a signature", ("checkpoint",), note.split("\n\n")[0] + "\n"),
        ("a checkpoint with another line", ("checkpoint",), note.replace("\n\n", "\nmore\n\n")),
        ("a checkpoint with a leading zero", ("checkpoint",), note.replace("\n", "\n0", 1)),
        ("a checkpoint with carriage returns", ("checkpoint",), note.replace("\n", "\r\n")),
        ("an anchor as a string", ("anchors", 0), "bitcoin"),
        ("an anchor's type as a number", ("anchors", 0, "type"), 1),
        ("a header of 79 bytes", ("anchors", 0, "header"), "00" * 79),
        ("a header of 81 bytes", ("anchors", 0, "header"), "00" * 81),
        ("a negative height", ("anchors", 0, "height"), -1),
        ("a promise's leaf of another type", ("promise", "leaf"), "21" + value["promise"]["leaf"][2:]),
        ("evidence without a type", ("evidence",), [{}]),
        ("evidence that is no object", ("evidence",), ["newest-head"]),
        ("a lone surrogate in evidence", ("evidence",), [{"type": "\ud800"}]),
    ):
        yield refused(name, edited(receipt, way, new))
    yield refused("minus zero as an index", without_index(receipt, "-0"))
    yield refused("an exponent as an index", without_index(receipt, "1e0"))


def without_index(receipt: Receipt, digits: str) -> str:
    """Return the text with these digits in the place of the chain's index."""
    marker = 987654321
    return edited(receipt, ("chain", "index"), marker).replace(str(marker), digits)


def over_limits(receipt: Receipt) -> Iterator[Case]:
    """Return fields one above their limit."""
    note = json.loads(receipt.encode())["checkpoint"]
    text, _, line = note.rpartition("\n\n")
    deep: Any = 1
    for _ in range(13):
        deep = [deep]
    for name, way, new in (
        ("an entry of 4,096 bytes", ("entry",), "01" * 4096),
        ("a leaf of 1,025 bytes", ("head", "leaf"), "14" * 1025),
        ("65 hashes in a chain's path", ("chain", "path"), ["00" * 32] * 65),
        ("65 hashes in the path of leaf 0", ("log", "path"), ["00" * 32] * 65),
        ("65 hashes in a directory's path", ("head", "path"), ["00" * 32] * 65),
        ("33 hashes in a promise's path", ("promise", "path"), ["00" * 32] * 33),
        ("18 hashes in a block's branch", ("anchors", 0, "path"), ["00" * 32] * 18),
        ("18 hashes in a coinbase's branch", ("anchors", 0, "coinbase_path"), ["00" * 32] * 18),
        ("a transaction of 4,001 bytes", ("anchors", 0, "transaction"), "00" * 4001),
        ("a coinbase of 100,001 bytes", ("anchors", 0, "coinbase"), "00" * 100_001),
        ("a note of 65,537 bytes", ("checkpoint",), "a" * (65_537 - len(note.encode())) + note),
        ("17 signatures", ("checkpoint",), text + "\n\n" + line * 17),
        ("17 anchors", ("anchors",), [{"type": "unknown"}] * 17),
        ("65 pieces of evidence", ("evidence",), [{"type": "unknown"}] * 65),
        ("65 keys", ("keys",), json.loads(receipt.encode())["keys"][:1] * 65),
        ("17 levels", ("evidence",), [{"type": "deep", "value": [deep]}]),
    ):
        yield refused(name, edited(receipt, way, new))


def cases() -> Iterator[Case]:
    """Return every case."""
    story = tell()
    yield from shapes(story)
    yield from less_brought(story)
    for group in (
        *(unusual, unusual_entries, promises, threads, failed_entry, failed_keys, failed_note, failed_directory),
        *(failed_seal, failed_log_and_promise, failed_payload, failed_branches, failed_block_and_thread),
        *(unknown_network, time_stamps, failed_time_stamps, malformed_time_stamps),
        *(attestations, attestations_elsewhere, failed_attestations, malformed_attestations),
        *(
            identities,
            failed_identities,
            expected_authors,
            hidden_statements,
            announced_recoveries,
            malformed_identities,
            corrections,
            wrong_corrections,
            co_signatures,
            erasures,
            wrong_erasures,
        ),
    ):
        yield from group()
    yield from malformed(story)


def make() -> str:
    """Return the file's text."""
    return json.dumps({"description": ABOUT, "cases": list(cases())}, indent=1, ensure_ascii=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(make(), encoding="ascii")

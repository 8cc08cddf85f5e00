"""Tests of ``anchor.proof.verify``: the vectors, every reason and exit code, and receipts changed byte by byte.

Input is ``receipts.json``, which the browser verifier runs too, and the story of ``tests/simulators/world.py``. What
must hold: a changed receipt is refused, or is the same receipt, or claims less than it did.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from anchor.proof import ed25519
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.blocks import GivenBlock, HeaderChain, KnownBlock
from anchor.proof.calendar import JudgedCalendar
from anchor.proof.calendar_judging import judge_calendar
from anchor.proof.codec import sha256
from anchor.proof.entry import Extension, ExtensionType
from anchor.proof.errors import MalformedError, Reason, UnknownVersionError
from anchor.proof.receipt import OtherAnchor, Receipt
from anchor.proof.verifier import network_of
from anchor.proof.verify import ExitCode, Finding, Outcome, State, Step, Verdict, Verifier, verify, verify_bytes
from tests.simulators.world import DEPTH_OF_LOWER_END, tell
from tests.vectors import make_certificate_vectors as certificates
from tests.vectors import make_chain_life_vectors as life
from tests.vectors import make_policy_vectors as policies
from tests.vectors import make_receipt_vectors as maker

CASES: list[dict[str, Any]] = [
    case
    for file in (maker.FILE, life.FILE, policies.FILE, certificates.FILE)
    for case in json.loads(file.read_text())["cases"]
]
STORY = tell()
# Reasons that no receipt file can give: checks outside of a receipt's own steps, or limits met when reading.
ELSEWHERE = {
    Reason.NO_BREACH,
    Reason.INCLUSION_WRONG,
    Reason.CONSISTENCY_WRONG,
    Reason.HEADS_PROOF_WRONG,
    Reason.UNVERIFIABLE_EXTENSION,
    Reason.BRANCH_TOO_LONG,
    Reason.NOT_ON_BEST_CHAIN,
}
MUST_HOLD = (1, 4, 5, 6, 7, 10, 11, 12)


# Vectors


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector has the verdict that it says, step by step, or is no receipt."""
    raw, verifier = case["receipt"].encode(), maker.verifier_of(case["verifier"])
    if "want" in case:
        verdict = verify_bytes(raw, verifier)
        found = verdict.to_json()
        states = [step["state"] for step in found["steps"]]
        assert case["want"] == {name: found[name] for name in ("outcome", "exit_code", "reasons", "finding")} | {
            "states": states
        }
        return
    with pytest.raises(MalformedError) as caught:
        verify_bytes(raw, verifier)
    assert (case["want_error"] == "unknown-version") == isinstance(caught.value, UnknownVersionError)


def wants() -> list[dict[str, Any]]:
    return [case["want"] for case in CASES if "want" in case]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in {*ELSEWHERE, Reason.MALFORMED}])
def test_every_reason_has_a_vector_of_its_own(reason: Reason) -> None:
    """For each reason there is a receipt that fails for it alone."""
    assert any(want["reasons"] == [str(reason)] and want["outcome"] == "failed" for want in wants())


def test_a_part_that_cannot_be_read_fails_its_steps() -> None:
    """A transaction that is none fails each step that needs it, as malformed; the verdict is still whole."""
    assert any(want["reasons"] == [str(Reason.MALFORMED)] * 3 and len(want["states"]) == 13 for want in wants())


@pytest.mark.parametrize("finding", [finding for finding in Finding if finding != Finding.NOT_A_RECEIPT])
def test_every_finding_has_a_vector(finding: Finding) -> None:
    """Each word that a verdict can come to is some vector's."""
    assert any(want["finding"] == finding for want in wants())


@pytest.mark.parametrize("code", [code for code in ExitCode if code != ExitCode.USAGE])
def test_every_exit_code_has_a_vector(code: ExitCode) -> None:
    """Each exit code that a verdict can have is some vector's; 2 is for a command line that cannot be read."""
    assert any(want["exit_code"] == code for want in wants())


@pytest.mark.parametrize("state", State)
def test_every_step_has_vectors_in_its_states(state: State) -> None:
    """Each step is ok, failed, not checked or absent somewhere, where it can be.

    Behind the thirteenth they are counted by their place: some receipt has two that not every receipt has.
    """
    possible = {
        State.OK: set(range(1, 16)),
        State.FAILED: set(range(1, 15)),
        State.NOT_CHECKED: {1, 2, 3, 8, 9, 12, 13, 14},
        State.ABSENT: {3, 4, 5, 6, 7, 9, 10, 11, 12, 13},
    }
    found = {number for want in wants() for number, each in enumerate(want["states"], 1) if each == state}
    assert possible[state] == found


def test_intact_means_that_every_step_that_must_hold_does() -> None:
    """No receipt is intact unless entry, paths, note, seal, payload, branch and block are ok, and nothing failed."""
    for want in wants():
        if want["outcome"] == Outcome.INTACT:
            assert {"ok"} == {want["states"][number - 1] for number in MUST_HOLD}
            assert "failed" not in want["states"]


def test_failed_has_reasons_and_nothing_else_has() -> None:
    """A verdict names reasons exactly where it is failed: one for each step that failed."""
    for want in wants():
        assert (want["outcome"] == Outcome.FAILED) == bool(want["reasons"])
        assert len(want["reasons"]) == want["states"].count("failed")


# What a verdict says


def judged(name: str, **brought: Any) -> Verdict:
    shape = STORY.shapes[name]
    return verify(shape.receipt, replace(shape.verifier, **brought))


def step(verdict: Verdict, number: int) -> Step:
    return verdict.steps[number - 1]


@pytest.mark.parametrize("name", STORY.shapes)
def test_plain_python_and_openssl_give_one_verdict(name: str) -> None:
    """The verifier that needs only the standard library says the same, word for word."""
    assert judged(name, check_signature=ed25519.verify) == judged(name)


@pytest.mark.parametrize("name", STORY.shapes)
def test_a_signature_check_that_refuses_fails_every_signed_step(name: str) -> None:
    """Whatever is signed depends on the check: with one that refuses everything, nothing signed is left standing."""
    shape = STORY.shapes[name]
    verdict = judged(name, check_signature=lambda *_: False)
    signed = [3] if shape.receipt.entry.author.type else []
    signed += [5] if shape.receipt.sealed is not None else []
    for number in signed:
        assert step(verdict, number).state == State.FAILED
    assert (step(verdict, 9).state == State.OK) is False


def test_the_verdict_as_json() -> None:
    """Outcome, exit code, reasons, what is missing, thirteen named steps, and facts, all plain data."""
    found = json.loads(json.dumps(judged("anchored at its own checkpoint").to_json()))
    assert ["outcome", "exit_code", "finding", "meaning", "reasons", "missing", "steps", "facts"] == list(found)
    assert [*range(1, 14)] == [each["number"] for each in found["steps"]]
    assert found["steps"][0]["name"] == "entry"
    assert {"number", "name", "state", "text", "rests_on", "reason"} == set(found["steps"][0])


def test_the_facts_are_those_of_the_receipt() -> None:
    """Who, where, in which log and network, sealed and anchored when."""
    shape = STORY.shapes["anchored at its own checkpoint"]
    sealed = shape.receipt.sealed
    assert sealed is not None
    facts = judged("anchored at its own checkpoint").facts
    block = STORY.world.blocks[7]
    assert facts == {
        "entry_hash": shape.receipt.entry.hash.hex(),
        "chain_id": shape.receipt.entry.chain_id.hex(),
        "log_id": STORY.world.log.log_id.hex(),
        "origin": "log.example/anchorline",
        "network": "regtest",
        "proof_of_work": NETWORKS["regtest"].proof_of_work_note,
        "leaf_index": 2,
        "tree_size": 3,
        "checkpoint_size": sealed.checkpoint.size,
        "checkpoint_root": sealed.checkpoint.root.hex(),
        "sealed_at_ms": sealed.seal.leaf.sealed_at_ms,
        "sealed_after": {"height": 2, "block": hash_hex(STORY.world.blocks[1].header.hash)},
        "anchored_in": {
            "height": 8,
            "block": hash_hex(block.header.hash),
            "time_s": block.header.time_s,
            "transaction": hash_hex(block.transactions[1].txid),
        },
    }


def test_the_author_s_times_are_facts() -> None:
    """What the author says about time is shown, and is nobody's judgement."""
    times = (
        Extension(ExtensionType.AUTHOR_TIME, (1234).to_bytes(8, "big")),
        Extension(ExtensionType.NOT_VALID_AFTER, (5678).to_bytes(8, "big")),
    )
    receipt, inputs = maker.with_entry(lambda entry: replace(entry, extensions=times))
    facts = verify(receipt, maker.verifier_of(inputs)).facts
    assert (1234, 5678) == (facts["author_time_ms"], facts["not_valid_after_ms"])


def forged_and_good() -> tuple[Receipt, Verifier, BitcoinAnchor, BitcoinAnchor]:
    _, receipt, inputs = maker.plain()
    good = maker.sealed_anchor(receipt)
    forged = replace(good, header=replace(Header.decode(good.header), nonce=0, time_s=1).encode())
    return receipt, maker.verifier_of(inputs), good, forged


def test_the_facts_are_of_the_anchor_that_verified() -> None:
    """A forged anchor put first cannot lend the verdict its block and its time."""
    receipt, verifier, good, forged = forged_and_good()
    verdict = verify(maker.with_sealed(receipt, anchors=(forged, good)), verifier)
    assert Outcome.INTACT == verdict.outcome
    assert Header.decode(good.header).time_s == verdict.facts["anchored_in"]["time_s"]
    assert hash_hex(Header.decode(good.header).hash) == verdict.facts["anchored_in"]["block"]


def test_a_block_that_failed_is_no_fact() -> None:
    """Where the block is not the given one, or has no work, the verdict does not say that the entry is in it."""
    receipt, verifier, _, forged = forged_and_good()
    verdict = verify(maker.with_sealed(receipt, anchors=(forged,)), verifier)
    assert (Outcome.FAILED, (Reason.WORK_MISSING,)) == (verdict.outcome, verdict.reasons)
    assert "anchored_in" not in verdict.facts


def test_a_block_that_nobody_was_asked_about_is_named() -> None:
    """Without a block to compare, the verdict says which one to ask for, and is not intact."""
    verdict = judged("anchored at its own checkpoint", blocks=())
    assert Outcome.NOT_CHECKED == verdict.outcome
    assert verdict.facts["anchored_in"]["height"] == 8
    assert "nobody was asked" in verdict.missing[0]


def test_other_anchors_are_named() -> None:
    """Anchors of other types are shown, and count for nothing."""
    receipt, verifier, _, _ = forged_and_good()
    others = tuple(OtherAnchor(kind, {}) for kind in ("oracle", "notary", "oracle"))
    verdict = verify(maker.with_sealed(receipt, anchors=others), verifier)
    assert Outcome.INCOMPLETE == verdict.outcome
    assert verdict.facts["other_anchors"] == ["notary", "oracle"]
    assert "only notary, oracle, which this version does not check" in verdict.missing[0]


def test_the_lower_end_of_the_time_bracket_is_the_log_s_word() -> None:
    """The block before the seal is as the log says, unless the verifier has it: then it is his word."""
    verdict = judged("anchored at its own checkpoint")
    assert "as the log says" in step(verdict, 7).text
    blocks = STORY.world.given_block(2), STORY.world.given_block(8)
    confirmed = step(judged("anchored at its own checkpoint", blocks=blocks), 7)
    assert (State.OK, True) == (confirmed.state, "you (the given block) confirms" in confirmed.text)
    assert confirmed.rests_on.startswith("you (the given block)")


def test_another_block_at_the_lower_end_is_said_and_fails_nothing() -> None:
    """A reorganisation can take that block away after the seal: since when, is then not known."""
    other = GivenBlock("regtest", 2, sha256(b"another block"))
    verdict = judged("anchored at its own checkpoint", blocks=(other, STORY.world.given_block(8)))
    assert (Outcome.INTACT, State.OK) == (verdict.outcome, step(verdict, 7).state)
    assert "since when, is not known" in step(verdict, 7).text
    assert step(verdict, 7).rests_on.startswith("the log's own statement")


def test_what_only_an_audit_finds_is_said() -> None:
    """Step 7 says that no receipt shows whether the pointers between heads are whole; step 5 the same of keys."""
    verdict = judged("after key rotations")
    assert "the auditor's check" in step(verdict, 7).rests_on
    assert "the auditor's check" in step(verdict, 5).rests_on


def test_a_late_seal_is_a_breach_and_said() -> None:
    """A receipt that was sealed later than promised is intact, and its verdict names the breach."""
    case = next(case for case in CASES if case["description"] == "sealed later than promised")
    verdict = verify_bytes(case["receipt"].encode(), maker.verifier_of(case["verifier"]))
    assert "which is a breach" in step(verdict, 9).text


def test_a_seal_in_time_is_no_breach() -> None:
    """Sealed in the very millisecond that was promised, the verdict names no breach."""
    world, chain_id = maker.begun()
    written = world.promise(world.write_next(chain_id, b"order 2"), seal_within_ms=5000)[0]
    receipt, inputs = maker.anchored(world, written)
    assert receipt.promise is not None
    verdict = verify(receipt, maker.verifier_of(inputs))
    assert receipt.promise.note.seal_by_ms == verdict.facts["sealed_at_ms"]
    promised = datetime.fromtimestamp(receipt.promise.note.received_at_ms / 1000, UTC)
    assert f"promised at {promised:%Y-%m-%dT%H:%M:%SZ}" == step(verdict, 9).text


@pytest.mark.parametrize(
    ("name", "brought", "missing"),
    [
        ("anchored at its own checkpoint", {}, ()),
        ("anchored at its own checkpoint", {"card": None}, ("the log is not identified",)),
        ("anchored at its own checkpoint", {"card": None, "any_log": True}, ()),
        ("anchored at its own checkpoint", {"any_log": True}, ()),
        ("anchored at its own checkpoint", {"blocks": ()}, ("nobody was asked",)),
        ("unsealed", {}, ("not sealed yet",)),
        ("sealed, not anchored", {}, ("not anchored yet",)),
        ("content without bytes", {"content_digest": None}, ("neither a file nor content in the receipt",)),
        ("content withheld", {}, ("it is withheld",)),
        ("content erased", {"card": None}, ("it is erased", "the log is not identified")),
    ],
)
def test_what_is_missing_is_named(name: str, brought: dict[str, Any], missing: tuple[str, ...]) -> None:
    """Each thing that keeps a verdict from intact is one entry of what is missing, and nothing else is."""
    found = judged(name, **brought).missing
    assert len(missing) == len(found)
    assert all(expected in text for expected, text in zip(missing, found, strict=True))


def test_a_block_of_another_network_says_nothing_of_the_lower_end() -> None:
    """A view of another network at the same height is not compared with the block before the seal."""
    other = GivenBlock("testnet4", 2, STORY.world.blocks[1].header.hash)
    verdict = judged("anchored at its own checkpoint", blocks=(other,))
    assert step(verdict, 7).text.endswith("as the log says")
    assert (Reason.WRONG_NETWORK,) == verdict.reasons


def test_the_first_view_that_reaches_a_height_is_believed() -> None:
    """A later view cannot overrule an earlier one, neither to accept nor to refuse."""
    other = GivenBlock("regtest", 8, sha256(b"another block"))
    right = STORY.world.given_block(8)
    name = "anchored at its own checkpoint"
    assert Outcome.INTACT == judged(name, blocks=(right, other)).outcome
    assert (Reason.BLOCK_MISMATCH,) == judged(name, blocks=(other, right)).reasons


def test_a_branch_beyond_17_levels_fails_also_without_a_file() -> None:
    """A receipt built in memory meets the limit of a branch in step 11; a file meets it when it is read."""
    receipt, verifier, good, _ = forged_and_good()
    long = replace(good, path=(bytes(32),) * 18, coinbase_path=(bytes(32),) * 18)
    verdict = verify(maker.with_sealed(receipt, anchors=(long,)), verifier)
    assert (Reason.BRANCH_TOO_LONG,) == verdict.reasons


def test_a_network_is_known_by_genesis_and_message_start() -> None:
    """All signets share a genesis block; with other messages it is another, unknown network."""
    log = STORY.world.log
    signet = NETWORKS["signet"]
    known = replace(log, network_genesis=signet.genesis_hash, message_start=signet.message_start)
    assert signet == network_of(known)
    assert network_of(replace(known, message_start=b"\x01\x02\x03\x04")) is None
    assert NETWORKS["regtest"] == network_of(log)


def test_a_verifier_brings_networks_of_his_own() -> None:
    """A network that this version does not know is known where he describes it, for logs, blocks and headers files."""
    own = replace(NETWORKS["regtest"], name="testnet5", message_start=b"test")
    networks = {**NETWORKS, own.name: own}
    log = replace(STORY.world.log, network_genesis=own.genesis_hash, message_start=own.message_start)
    assert network_of(log) is None
    assert own == network_of(log, networks)
    text = f"testnet5:7:{'00' * 32}"
    with pytest.raises(MalformedError, match=r"expected one of mainnet, .*, got 'testnet5'"):
        GivenBlock.decode(text)
    assert "testnet5" == GivenBlock.decode(text, networks).network
    assert "testnet5" == HeaderChain.decode(b"testnet5 5\n", networks).network


def test_the_lower_end_is_six_blocks_deep() -> None:
    """The story's second seal came after the funding block, so that its lower end is six deep from there."""
    assert DEPTH_OF_LOWER_END == 6
    assert len(STORY.world.blocks) - 2 >= DEPTH_OF_LOWER_END


# Changed byte by byte


def compact(name: str) -> bytes:
    return json.dumps(json.loads(STORY.shapes[name].receipt.encode()), separators=(",", ":")).encode()


def escapes(name: str, texts: Iterator[bytes]) -> list[tuple[bytes, Verdict]]:
    """Return the changed texts that are neither refused nor the same receipt, with their verdicts."""
    shape = STORY.shapes[name]
    original, found = shape.receipt.encode(), []
    for text in texts:
        try:
            receipt = Receipt.decode(text)
        except MalformedError:
            continue
        verdict = verify(receipt, shape.verifier)
        if verdict.outcome != Outcome.FAILED and receipt.encode() != original:
            found.append((text, verdict))
    return found


def is_anchor_of_unknown_type(text: bytes) -> bool:
    return [anchor["type"] for anchor in json.loads(text)["anchors"]] != ["bitcoin"]


def flips(text: bytes, pattern: int, stride: int, start: int = 0) -> Iterator[bytes]:
    return (text[:at] + bytes((text[at] ^ pattern,)) + text[at + 1 :] for at in range(start, len(text), stride))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "pattern", "stride"),
    [
        ("single entry of its chain", 0x01, 1),
        ("single entry of its chain", 0x02, 3),
        ("single entry of its chain", 0x04, 5),
        ("single entry of its chain", 0x08, 5),
        ("single entry of its chain", 0x10, 3),
        ("single entry of its chain", 0x20, 1),
        ("single entry of its chain", 0x40, 1),
        ("single entry of its chain", 0x80, 1),
        ("anchored at its own checkpoint", 0x01, 3),
        ("after key rotations", 0x01, 3),
        ("after key rotations", 0x03, 7),
        ("signed batch", 0x01, 5),
        ("content without bytes", 0x01, 7),
    ],
)
def test_a_changed_byte_is_refused(name: str, pattern: int, stride: int) -> None:
    """Whichever byte of an anchored receipt changes, it is refused, or claims no Bitcoin anchor any more.

    The only bytes that may change are those of an anchor's type: with another one it is an anchor of an unknown
    type, which counts for nothing, so that the verdict is incomplete.
    """
    for text, verdict in escapes(name, flips(compact(name), pattern, stride)):
        assert is_anchor_of_unknown_type(text)
        assert Outcome.INCOMPLETE == verdict.outcome


@pytest.mark.parametrize("pattern", [0x01, 0x02, 0x10])
def test_a_changed_byte_of_a_sealed_receipt_is_refused(pattern: int) -> None:
    """Before there is an anchor, the checkpoint's signature and the log card hold everything."""
    name = "sealed before the thread was funded"
    assert escapes(name, flips(compact(name), pattern, 1 if pattern == 1 else 3)) == []


def test_a_changed_byte_of_a_promised_receipt_is_refused() -> None:
    """Before the seal, the promise holds the entry; the card holds the log; only the key's short name may change.

    A promise that names an unknown key is not checked: the key may be one that a sealed receipt will show.
    """
    case = next(case for case in CASES if case["description"] == "unsealed, promised by leaf 0's key")
    text, verifier = case["receipt"].encode(), maker.verifier_of(case["verifier"])
    key_id = json.loads(text)["promise"]["key_id"].encode()
    place = range(text.index(key_id), text.index(key_id) + len(key_id))
    for at, changed in enumerate(flips(text, 0x01, 1)):
        try:
            verdict = verify_bytes(changed, verifier)
        except MalformedError:
            continue
        if at in place:
            assert State.NOT_CHECKED == step(verdict, 9).state
            assert Outcome.INCOMPLETE == verdict.outcome
        else:
            assert Outcome.FAILED == verdict.outcome


@pytest.mark.parametrize("name", ["single entry of its chain", "after key rotations", "unsealed with promise"])
def test_a_receipt_cut_anywhere_is_malformed(name: str) -> None:
    """No beginning of a receipt is a receipt."""
    text = compact(name)
    for length in range(len(text)):
        with pytest.raises(MalformedError):
            Receipt.decode(text[:length])


def test_a_byte_missing_or_doubled_is_refused() -> None:
    """Without any one byte, or with it twice, a receipt is refused, or claims no Bitcoin anchor any more."""
    name = "single entry of its chain"
    text = compact(name)
    missing = (text[:at] + text[at + 1 :] for at in range(len(text)))
    doubled = (text[: at + 1] + text[at:] for at in range(len(text)))
    for changed in (*escapes(name, missing), *escapes(name, doubled)):
        assert is_anchor_of_unknown_type(changed[0])
        assert Outcome.INCOMPLETE == changed[1].outcome


def test_white_space_is_free() -> None:
    """Spaces between tokens make another file and the same receipt, with the same verdict."""
    shape = STORY.shapes["after key rotations"]
    spaced = json.dumps(json.loads(shape.receipt.encode()), indent="\t", separators=(" , ", " :\r\n")).encode()
    assert shape.receipt == Receipt.decode(spaced)
    assert verify(shape.receipt, shape.verifier) == verify_bytes(spaced, shape.verifier)


def test_parts_of_one_receipt_do_not_fit_another() -> None:
    """Each part of one receipt, put into another of the same log, is refused, or is the same in both."""
    names = ["anchored at its own checkpoint", "after key rotations", "signed batch", "single entry of its chain"]
    values = {name: json.loads(STORY.shapes[name].receipt.encode()) for name in names}
    for name, value in values.items():
        grafts = (
            json.dumps(value | {part: other[part]}).encode()
            for other in values.values()
            for part in value.keys() & other.keys()
        )
        assert escapes(name, grafts) == []


def test_a_part_taken_away_is_missed_or_was_a_claim_more() -> None:
    """Without its promise or its anchors a receipt claims less; without anything else it is refused."""
    for name in ("anchored at its own checkpoint", "after key rotations"):
        value = json.loads(STORY.shapes[name].receipt.encode())
        without = {part: json.dumps({key: value[key] for key in value if key != part}).encode() for part in value}
        left = {part for part, text in without.items() if escapes(name, iter([text]))}
        assert left == {"promise"}
        [(_, verdict)] = escapes(name, iter([json.dumps(value | {"anchors": []}).encode()]))
        assert Outcome.INCOMPLETE == verdict.outcome


def test_an_attestation_on_easy_blocks_is_not_deep() -> None:
    """Step 15 counts depth as step 12 does: six confirmations that are worth one full block are one."""
    imprint = sha256(b"a checkpoint")
    anchor = maker.attested(imprint)
    header = Header.decode(anchor.header or b"")

    def judged(full_block_work: int | None) -> JudgedCalendar:
        known = KnownBlock(header.hash, confirmations=6, work=12, full_block_work=full_block_work)
        return judge_calendar(anchor, lambda: imprint, lambda _rules, _height: (known, "a store"), 6)

    assert judged(None).block is not None
    assert judged(2).block is not None
    assert judged(12).block is None
    assert "not deep enough yet, 6 are wanted" in judged(12).unchecked

"""The thread audit on whole logs, honest ones and those of an operator who lies with his own keys.

The mirror's files are written by the simulator, blocks and transactions are real regtest ones. Each lie is a story: who
does what, and which step names it.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.transaction import OutPoint, TxOutput
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.errors import MalformedError
from anchor.proof.leaves import (
    DirectoryLeaf,
    EpochLeaf,
    HeadLeaf,
    KeyLeaf,
    Purpose,
    SealLeaf,
    Signer,
    ThreadLeaf,
    UnassignedLeaf,
)
from anchor.proof.merkle import leaf_hash, root_of
from anchor.proof.verify import State
from anchor.thread_audit import audit_thread
from anchor.thread_auditor import Auditor
from anchor.thread_list import ThreadList
from anchor.thread_verdict import Number, Outcome, Reason, Verdict
from tests.simulators.public import HOUR_MS, PublicLog, list_files, payload_output, spend, tree_files
from tests.simulators.world import Seal, World, fast_check, signing_key


def grown(seals: int = 4, world: World | None = None) -> PublicLog:
    """Return a log of two chains after so many seals, each anchored; keys of all kinds were rotated on the way."""
    log = PublicLog(world or World())
    for _ in range(6):
        log.world.mine()
    orders = log.world.write_first("orders").entry.chain_id
    recipes = log.world.write_first("recipes").entry.chain_id
    log.world.fund_thread()
    log.with_entries = {orders}
    for number in range(seals):
        for entry in range(90):
            log.world.write_next(orders, b"order %d/%d" % (number, entry))
        log.world.write_next(recipes, b"recipe %d" % number)
        if number == 2:
            log.world.rotate(Purpose.CHECKPOINT)
            log.world.rotate(Purpose.PROMISE, Signer.RECOVERY_KEY)
            log.world.rotate(Purpose.RECOVERY, Signer.RECOVERY_KEY)
        log.seal_and_anchor()
    return log


def chain_of(log: PublicLog, place: int = 0) -> bytes:
    return list(log.world.chains)[place]


def states(verdict: Verdict) -> dict[Number, State]:
    """Return the steps that are not ok."""
    return {step.number: step.state for step in verdict.steps if step.state != State.OK}


def failed(verdict: Verdict, *reasons: Reason) -> str:
    """Check that a verdict fails for exactly these reasons; return what it says."""
    assert (Outcome.FAILED, 1) == (verdict.outcome, verdict.exit_code)
    assert set(reasons) == set(verdict.reasons), said(verdict)
    return said(verdict)


def said(verdict: Verdict) -> str:
    return "\n".join(step.text for step in verdict.steps)


def forged_seal(log: PublicLog, leaves: list[DirectoryLeaf]) -> Seal:
    """Sign a checkpoint over leaves of the liar's choice, as the log's next seal; the directory becomes these."""
    root = root_of([leaf_hash(leaf.encode()) for leaf in leaves])
    note = log.world.sign(Checkpoint(log.world.origin, len(leaves), root))
    seal = Seal(len(leaves), root, note, {})
    log.world.directory = leaves
    log.world.seals.append(seal)
    return seal


def change_last(log: PublicLog, kind: type[DirectoryLeaf], change: Callable[[DirectoryLeaf], DirectoryLeaf]) -> Seal:
    """Seal honestly, change the last leaf of a kind in what was sealed, sign and anchor that instead."""
    log.world.write_next(chain_of(log), b"the last order")
    log.world.write_next(chain_of(log, 1), b"the last recipe")
    log.world.seal()
    leaves = list(log.world.directory)
    place = max(index for index, leaf in enumerate(leaves) if isinstance(leaf, kind))
    leaves[place] = change(leaves[place])
    del log.world.seals[-1]
    seal = forged_seal(log, leaves)
    log.anchor(seal)
    return seal


# --- honest logs


@pytest.mark.parametrize("seals", [1, 2, 4])
def test_an_honest_log_has_one_history(seals: int) -> None:
    """Anchors in one line, signed roots that extend each other, heads that do, nothing withheld: every step is ok."""
    log = grown(seals)
    verdict = log.audit()
    assert (Outcome.ONE_HISTORY, 0, {}) == (verdict.outcome, verdict.exit_code, states(verdict)), said(verdict)
    assert seals == len(verdict.facts["anchors"])
    assert (2, 2, [], 1) == tuple(
        verdict.facts[name] for name in ("chains", "chains_checked", "chains_not_checked", "chains_with_entries")
    )
    assert list(Number) == [step.number for step in verdict.steps]


def test_a_checkpoint_may_be_anchored_again_after_a_silence() -> None:
    """The same size with the same root, an anchor for silence, is no fall; seals between anchors are covered."""
    log = grown(1)
    log.anchor(log.world.seals[-1])
    log.world.write_next(chain_of(log), b"sealed and not anchored by itself")
    log.world.seal()
    log.world.write_next(chain_of(log), b"anchored")
    log.seal_and_anchor()
    verdict = log.audit()
    assert Outcome.ONE_HISTORY == verdict.outcome, said(verdict)


def test_a_thread_goes_on_from_a_new_start_of_the_recovery_key() -> None:
    """A second thread leaf, signed by the recovery key, continues the line; the old coin is named."""
    log = grown(2)
    log.world.fund_thread()
    log.world.write_next(chain_of(log), b"after the loss of the wallet")
    log.seal_and_anchor()
    verdict = log.audit()
    assert Outcome.ONE_HISTORY == verdict.outcome, said(verdict)
    assert any("was given up" in note for note in verdict.notes)


def test_a_stolen_coin_is_survived_by_a_new_start() -> None:
    """A thief spends the coin without an anchor; the recovery key starts anew: one history, and the theft is noted."""
    log = grown(2)
    assert log.world.coin is not None
    log.world.mine(spend(log.world.coin, TxOutput(1000, b"\x51")))
    log.world.fund_thread()
    log.world.write_next(chain_of(log), b"after the theft")
    log.seal_and_anchor()
    verdict = log.audit()
    assert Outcome.ONE_HISTORY == verdict.outcome, said(verdict)
    assert any("is spent by a transaction that is no anchor" in note for note in verdict.notes)


def test_a_node_without_index_is_helped_by_the_list() -> None:
    """Spent by a transaction that the node cannot name: the published one is proved and taken."""
    log = grown()
    source = log.source()
    source.named_from = len(source.blocks) - 1
    verdict = log.audit(source=source)
    assert Outcome.ONE_HISTORY == verdict.outcome, said(verdict)
    assert 4 == len(verdict.facts["anchors"])


def test_the_next_anchor_on_its_way_is_known_by_the_list() -> None:
    """An unconfirmed spend of the tip that the log has published, and that commits to one of its seals, is no lie."""
    log = grown(2)
    log.world.write_next(chain_of(log), b"more")
    pending = log.world.anchor_transaction(log.world.seal())
    source = log.source()
    source.in_mempool = [pending]
    files = log.files()
    files |= list_files(log.world.log.log_id, [proof for _, proof in log.anchored], (pending.encode(),))
    assert Outcome.ONE_HISTORY == log.audit(files, source).outcome
    unlisted = log.audit(source=source)
    assert (Outcome.INCOMPLETE, {Number.TIP: State.NOT_CHECKED}) == (unlisted.outcome, states(unlisted))


def test_one_source_is_said_to_be_alone() -> None:
    """With one source the verdict stands, and says that nobody else was asked about the tip."""
    verdict = grown(1).audit(sources=("one",))
    assert Outcome.ONE_HISTORY == verdict.outcome
    assert ["that the tip is unspent, one alone says: not confirmed by a second source"] == list(verdict.notes)


def test_a_restored_log_says_what_it_may_have_lost() -> None:
    """An epoch leaf is shown beside the verdict."""
    log = grown(1)
    log.world.restore_from_backup(5, 9)
    log.seal_and_anchor()
    verdict = log.audit()
    assert Outcome.ONE_HISTORY == verdict.outcome
    assert any("promises received from 5 to 9" in note for note in verdict.notes)


# --- what cannot be said


def test_without_a_card_the_log_is_not_pinned() -> None:
    """Everything else holds, and which log it is, is the mirror's word: incomplete."""
    verdict = grown(1).audit(card=None)
    assert (Outcome.INCOMPLETE, 3, {Number.LOG: State.NOT_CHECKED}) == (
        verdict.outcome,
        verdict.exit_code,
        states(verdict),
    )


def test_without_a_source_the_line_is_the_logs_own_word() -> None:
    """Nobody was asked: line, times and tip are not checked, the rest is."""
    log = grown(2)
    verdict = audit_thread(log.files().get, Auditor(fast_check, log.world.card))
    assert (Outcome.NOT_CHECKED, 4) == (verdict.outcome, verdict.exit_code)
    assert {Number.LINE, Number.GAPS, Number.TIP} == set(states(verdict))


def test_a_log_that_is_not_funded_is_incomplete() -> None:
    """Sealed and never funded: nothing is anchored, which is no lie."""
    log = PublicLog()
    log.world.mine()
    log.world.write_first("orders")
    log.world.seal()
    verdict = log.audit()
    assert (Outcome.INCOMPLETE, 3) == (verdict.outcome, verdict.exit_code)


def test_chains_that_are_not_published_are_listed() -> None:
    """A chain of which nothing is there is named and counted; asked for the others only, the verdict is whole."""
    log = grown(2)
    hidden, shown = chain_of(log), chain_of(log, 1)
    files = {path: data for path, data in log.files().items() if hidden.hex() not in path}
    verdict = log.audit(files)
    assert (Outcome.NOT_CHECKED, 4) == (verdict.outcome, verdict.exit_code)
    assert [hidden.hex()] == verdict.facts["chains_not_checked"]
    assert "1 chains are not published here" in said(verdict)
    limited = log.audit(files, chains=frozenset({shown}))
    assert Outcome.ONE_HISTORY == limited.outcome
    assert 1 == limited.facts["chains_checked"]


@pytest.mark.parametrize("kind", [0x16, 0x18, 0x1F])
def test_an_unassigned_leaf_is_no_verdict(kind: int) -> None:
    """A leaf of a type that this version does not know is named by it: neither one history nor a lie."""
    log = grown(1)
    log.world.directory.append(UnassignedLeaf(bytes((kind,)) + b"new"))
    log.seal_and_anchor()
    verdict = log.audit()
    assert (Outcome.NOT_CHECKED, {Number.LEAVES: State.NOT_CHECKED}) == (verdict.outcome, states(verdict))
    assert f"is of type {kind:02x} (hex)" in said(verdict)


def test_what_is_too_new_for_the_mirror_is_not_withheld_yet() -> None:
    """An anchor beyond the mirror's checkpoint is waited for; after the longest gap it is called withheld."""
    log = grown(2)
    files = log.files()
    log.world.write_next(chain_of(log), b"newer than the mirror")
    seal = log.seal_and_anchor()
    old = log.anchored[-2][0].size
    verdict = log.audit(files)
    assert (Outcome.INCOMPLETE, {Number.ROOTS: State.NOT_CHECKED}) == (verdict.outcome, states(verdict))
    for _ in range(12):
        log.world.now_ms += 30 * HOUR_MS
        log.world.mine()
    text = failed(log.audit(files, max_gap_s=200 * 3600), Reason.WITHHELD, Reason.LIST_WRONG, Reason.GAP_TOO_LONG)
    assert f"directory: leaves {old}..{seal.size} were withheld" in text


# --- lies about the directory


def fork_at(log: PublicLog) -> PublicLog:
    """Return the other history: as many leaves, other content in the last seal, signed by the same keys."""
    other = grown(3)
    other.world.write_next(chain_of(other), b"what the others are shown")
    other.world.write_next(chain_of(other, 1), b"a recipe")
    log.world.write_next(chain_of(log), b"what is anchored")
    log.world.write_next(chain_of(log, 1), b"a recipe")
    other.world.seal()
    log.seal_and_anchor()
    assert log.world.seals[-1].size == other.world.seals[-1].size
    return other


def test_a_fork_of_the_same_size_is_another_history() -> None:
    """Bitcoin has one root of a size, the mirror another one, both signed: said loudly."""
    log = grown(3)
    other = fork_at(log)
    files = other.files() | {f"checkpoints/{other.world.seals[-1].size}": other.world.seals[-1].note.encode().encode()}
    files |= list_files(log.world.log.log_id, [proof for _, proof in log.anchored])
    text = failed(log.audit(files), Reason.HIJACKED, Reason.ROOT_WRONG, Reason.NOT_CONSISTENT)
    assert "HIJACKED, OR ANOTHER HISTORY" in text
    assert "ANOTHER HISTORY" in text


def test_a_fork_whose_anchored_checkpoint_is_shown_is_found_by_its_leaves() -> None:
    """The liar publishes the anchored checkpoint and the other leaves: the root made again from them is another."""
    log = grown(3)
    other = fork_at(log)
    shown = {path: data for path, data in log.files().items() if path.startswith(("checkpoints/", "thread"))}
    text = failed(log.audit(other.files() | shown), Reason.ROOT_WRONG, Reason.NOT_CONSISTENT)
    assert f"commits to {log.world.seals[-1].size} leaves" in text


def test_a_fork_that_grew_further_is_not_consistent() -> None:
    """The other history goes on: its newest tree does not extend what was anchored."""
    log = grown(3)
    other = fork_at(log)
    other.world.write_next(chain_of(other), b"further")
    other.world.seal()
    shown = {path: data for path, data in log.files().items() if path.startswith(("checkpoints/", "thread"))}
    failed(log.audit(other.files() | shown), Reason.ROOT_WRONG, Reason.NOT_CONSISTENT)


def test_a_root_that_nobody_signed_is_a_hijack() -> None:
    """Whoever has the wallet's key anchors a root of his own on the thread: no checkpoint signs it."""
    log = grown(2)
    assert log.world.coin is not None
    stranger = spend(log.world.coin, TxOutput(80_000, b"\x51"), payload_output(log.world.seals[-1].size, bytes(32)))
    log.world.mine(stranger)
    text = failed(log.audit(), Reason.HIJACKED, Reason.ROOT_WRONG, Reason.ROOT_CHANGED)
    assert f"HIJACKED, OR ANOTHER HISTORY: {hash_hex(stranger.txid)}" in text


def test_a_hijack_that_was_answered_stays_without_verdict_where_it_anchored_another_root() -> None:
    """A thief's payload, then a new start: whether a thief or the log made it, nobody can tell."""
    log = grown(2)
    assert log.world.coin is not None
    size = log.world.seals[-1].size
    log.world.mine(spend(log.world.coin, TxOutput(80_000, b"\x51"), payload_output(size + 1, bytes(32))))
    log.world.fund_thread()
    log.world.write_next(chain_of(log), b"after the theft")
    log.seal_and_anchor()
    verdict = log.audit()
    assert "nobody can tell" in said(verdict)
    assert 0 != verdict.exit_code


def test_a_size_that_falls_is_named() -> None:
    """An older checkpoint anchored after a newer one."""
    log = grown(3)
    log.anchor(log.world.seals[0])
    text = failed(log.audit(), Reason.SIZE_FELL)
    assert f"commits to {log.world.seals[0].size} leaves, the anchor before it to {log.world.seals[2].size}" in text


def test_a_checkpoint_by_another_key_is_refused() -> None:
    """After a rotation the old key signs nothing any more; a stranger's key never did."""
    for key in (signing_key("world/CHECKPOINT"), signing_key("nobody")):
        log = grown(4)
        log.world.keys[Purpose.CHECKPOINT] = key
        log.world.write_next(chain_of(log), b"signed by the wrong key")
        log.seal_and_anchor()
        failed(log.audit(), Reason.HIJACKED, Reason.CHECKPOINT_WRONG)


# --- lies in the leaves


LEAF_LIES: dict[str, tuple[type[DirectoryLeaf], Callable[..., DirectoryLeaf], Reason]] = {
    "a seal number left out": (SealLeaf, lambda leaf: replace(leaf, seal_number=9), Reason.SEAL_WRONG),
    "a seal before the one before": (SealLeaf, lambda leaf: replace(leaf, sealed_at_ms=1), Reason.SEAL_WRONG),
    "a seal with another number of heads": (SealLeaf, lambda leaf: replace(leaf, head_count=1), Reason.SEAL_WRONG),
    "a seal with another number of chains": (SealLeaf, lambda leaf: replace(leaf, chain_count=3), Reason.SEAL_WRONG),
    "another heads tree": (SealLeaf, lambda leaf: replace(leaf, heads_root=bytes(32)), Reason.SEAL_WRONG),
    "a head that points elsewhere": (HeadLeaf, lambda leaf: replace(leaf, previous_index=1), Reason.HEAD_WRONG),
}


@pytest.mark.parametrize("lie", LEAF_LIES)
def test_a_leaf_that_breaks_a_rule_is_named(lie: str) -> None:
    """Signed and anchored, and wrong all the same."""
    kind, change, reason = LEAF_LIES[lie]
    log = grown(2)
    seal = change_last(log, kind, change)
    verdict = log.audit()
    assert reason in verdict.reasons, said(verdict)
    assert Outcome.FAILED == verdict.outcome
    assert f"leaf {seal.size - 1 if kind is SealLeaf else seal.size - 2}: " in said(verdict)


def test_bytes_that_are_no_leaf_are_named() -> None:
    """A directory leaf of an entry's type."""
    log = grown(1)
    log.world.directory.append(UnassignedLeaf(b"\x01no leaf"))
    log.seal_and_anchor()
    assert "expected a type from 10 to 1f" in failed(log.audit(), Reason.LEAF_WRONG)


def test_a_key_that_nobody_signed_is_named() -> None:
    """A key leaf with a signature of zeros is not followed: what the new key signs is not signed by the log."""
    log = grown(1)
    log.world.rotate(Purpose.CHECKPOINT)
    log.world.waiting = [
        replace(leaf, signature=bytes(64)) if isinstance(leaf, KeyLeaf) else leaf for leaf in log.world.waiting
    ]
    log.seal_and_anchor()
    verdict = log.audit()
    assert {Reason.KEY_WRONG, Reason.HIJACKED, Reason.CHECKPOINT_WRONG} == set(verdict.reasons), said(verdict)


# --- lies about the thread


def test_a_thread_that_starts_elsewhere_than_the_card_says() -> None:
    """Two threads under one log id: the card pins the one."""
    log = grown(2)
    card = log.world.card
    pinned = replace(card, thread=(OutPoint(bytes(range(32)), 0),))
    assert f"your card says {OutPoint(bytes(range(32)), 0)}" in failed(log.audit(card=pinned), Reason.START_WRONG)


def test_a_card_from_before_the_funding_pins_no_start() -> None:
    """It says null, and then the leaves say where the thread starts."""
    log = grown(2)
    assert Outcome.ONE_HISTORY == log.audit(card=replace(log.world.card, thread=None)).outcome


@pytest.mark.parametrize("lie", ["unsigned", "not the one before"])
def test_a_new_start_needs_the_recovery_key(lie: str) -> None:
    """A second thread leaf that the recovery key did not sign, or that replaces another, starts nothing."""
    log = grown(1)
    log.world.fund_thread()
    leaf = log.world.waiting[-1]
    assert isinstance(leaf, ThreadLeaf)
    changed = replace(leaf, signature=bytes(64)) if lie == "unsigned" else replace(leaf, replaced=bytes([1] * 32))
    log.world.waiting[-1] = changed
    log.seal_and_anchor()
    card = replace(log.world.card, thread=None)
    assert Reason.START_WRONG in log.audit(card=card).reasons


def test_another_log_is_not_this_one() -> None:
    """The mirror of one log does not pass for another."""
    failed(grown(1).audit(card=World(name="other").card), Reason.ANOTHER_LOG)


def test_an_anchor_missing_from_the_list_is_named() -> None:
    """The list leaves one out in the middle; Bitcoin has it."""
    log = grown(3)
    proofs = [proof for _, proof in log.anchored]
    files = log.files() | list_files(log.world.log.log_id, [proofs[0], proofs[2]])
    assert "missing from the published list" in failed(log.audit(files), Reason.LIST_WRONG)


def test_an_anchor_missing_from_the_list_stops_a_node_without_index() -> None:
    """Who cannot name spenders depends on the list: what it leaves out is withheld."""
    log = grown(3)
    proofs = [proof for _, proof in log.anchored]
    files = log.files() | list_files(log.world.log.log_id, [proofs[0], proofs[2]])
    source = log.source()
    source.named_from = len(source.blocks) + 1
    text = failed(log.audit(files, source), Reason.WITHHELD, Reason.LIST_WRONG)
    assert "an anchor was withheld, or a stranger spent the coin" in text


def test_a_strangers_anchor_to_our_address_is_not_on_the_thread() -> None:
    """A stranger pays his own coin to the log's script with a payload: it is not on the line; listed, it is a lie."""
    log = grown(2)
    extra = spend(OutPoint(bytes([7] * 32), 0), TxOutput(9_000, b"\x51"), payload_output(3, bytes(32)))
    block = log.world.mine(extra)
    assert Outcome.ONE_HISTORY == log.audit().outcome
    files = log.files() | list_files(log.world.log.log_id, [*(proof for _, proof in log.anchored), block.anchor(1)])
    assert f"the published list has {hash_hex(extra.txid)}, which is not on the thread" in failed(
        log.audit(files), Reason.LIST_WRONG
    )


def test_two_payloads_in_one_transaction_anchor_nothing() -> None:
    """Two AL1 outputs: two readers could find two roots, so the line ends there."""
    log = grown(2)
    assert log.world.coin is not None
    seal = log.world.seals[-1]
    twice = payload_output(seal.size, seal.root)
    log.world.mine(spend(log.world.coin, TxOutput(80_000, b"\x51"), twice, payload_output(seal.size, bytes(32))))
    text = failed(log.audit(), Reason.PAYLOAD_AMBIGUOUS, Reason.TIP_SPENT)
    assert "found another in output 2" in text


def test_a_tip_that_a_stranger_spent_is_said_loudly() -> None:
    """The coin is gone without an anchor, and no new start was signed."""
    log = grown(2)
    assert log.world.coin is not None
    log.world.mine(spend(log.world.coin, TxOutput(80_000, b"\x51")))
    assert "THE THREAD WAS TAKEN" in failed(log.audit(), Reason.PAYLOAD_MISSING, Reason.TIP_SPENT)


def test_a_gap_that_was_too_long_is_measured() -> None:
    """Eleven blocks carry the median time past a week of silence; the seal that waited is counted too."""
    log = grown(1)
    log.world.write_next(chain_of(log), b"waited for a week")
    log.world.seal()
    for _ in range(11):
        log.world.now_ms += 16 * HOUR_MS
        log.world.mine()
    log.world.write_next(chain_of(log), b"next")
    log.seal_and_anchor()
    verdict = log.audit()
    text = failed(verdict, Reason.GAP_TOO_LONG)
    assert "expected at most 48.0 h" in text
    assert "1 seals waited" in text
    assert Outcome.ONE_HISTORY == log.audit(max_gap_s=200 * 3600).outcome


def test_silence_after_the_last_anchor_is_a_gap_too() -> None:
    """A log that stopped anchoring is found by the tip of the best chain."""
    log = grown(1)
    for _ in range(12):
        log.world.now_ms += 16 * HOUR_MS
        log.world.mine()
    assert "the tip of the best chain" in failed(log.audit(), Reason.GAP_TOO_LONG)


# --- lies about chains, and what is withheld


def test_a_head_that_does_not_extend_the_one_before_is_named() -> None:
    """An entry below an old head is exchanged, and the next head is signed over the other one: rewritten history."""
    log = grown(2)
    chain_id = chain_of(log)
    log.world.chains[chain_id][3] = log.world.entry(chain_id, b"what it says now")
    log.world.write_next(chain_id, b"order")
    log.seal_and_anchor()
    text = failed(log.audit(), Reason.NOT_CONSISTENT)
    assert f"chain {chain_id.hex()}: its head of 91 leaves" in text
    assert "does not extend that at" in text


def test_the_old_leaves_do_not_hide_a_rewritten_head() -> None:
    """The liar publishes the leaves of the first history: then the new head is not their root."""
    log, honest = grown(2), grown(2)
    chain_id = chain_of(log)
    for each in (log, honest):
        if each is log:
            each.world.chains[chain_id][3] = each.world.entry(chain_id, b"what it says now")
        each.world.write_next(chain_id, b"order")
        each.seal_and_anchor()
    prefix = f"chain/{chain_id.hex()}/tile"
    shown = {path: data for path, data in honest.files().items() if path.startswith(prefix)}
    verdict = log.audit(log.files() | shown)
    assert Reason.NOT_CONSISTENT in verdict.reasons
    assert "its head of 182 leaves" in said(verdict) or "its head of 183 leaves" in said(verdict)


def test_a_chains_checkpoint_that_is_no_head_is_another_history() -> None:
    """A signed checkpoint of a chain whose head is not in the directory: somebody was shown something else."""
    log = grown(2)
    chain_id = chain_of(log)
    forged = Checkpoint(f"{log.world.origin}/{chain_id.hex()}", 100, bytes(32))
    files = log.files() | {f"chain/{chain_id.hex()}/checkpoint": log.world.sign(forged).encode().encode()}
    assert "ANOTHER HISTORY: its signed checkpoint of 100 leaves" in failed(log.audit(files), Reason.HEAD_WRONG)


def without(log: PublicLog, *paths: str) -> dict[str, bytes]:
    files = log.files()
    for path in paths:
        del files[path]
    return files


def test_withheld_tiles_are_named_by_their_leaves() -> None:
    """Leaf hashes of a chain that cannot be read are withheld, with their range."""
    log = grown(4)
    chain_id = chain_of(log)
    prefix = f"chain/{chain_id.hex()}/tile/0/"
    text = failed(log.audit(without(log, f"{prefix}001.p/105")), Reason.WITHHELD)
    assert f"chain {chain_id.hex()}: leaves 256..361 were withheld" in text
    text = failed(log.audit(without(log, f"{prefix}000", f"{prefix}001.p/105")), Reason.WITHHELD)
    assert f"chain {chain_id.hex()}: leaves 0..361 were withheld" in text


def test_withheld_entries_are_named_by_their_range() -> None:
    """Half of a chain's entries: the other half was withheld; none at all is a chain that was not chosen."""
    log = grown(4)
    prefix = f"chain/{chain_of(log).hex()}/tile/entries/"
    text = failed(log.audit(without(log, f"{prefix}001.p/105")), Reason.WITHHELD)
    assert "entries: leaves 256..361 were withheld" in text
    verdict = log.audit(without(log, f"{prefix}000", f"{prefix}001.p/105"))
    assert {Number.ENTRIES: State.ABSENT} == states(verdict)


def test_entries_that_were_exchanged_are_named() -> None:
    """Published entries are compared with the leaf hashes under the heads."""
    log = grown(1)
    chain_id = chain_of(log)
    raw = [entry.encode() for entry in log.world.chains[chain_id]]
    raw[5] = log.world.entry(chain_id, b"another one").encode()
    forged = {path: data for path, data in tree_files("", raw, entries=True).items() if "entries" in path}
    files = log.files() | {f"chain/{chain_id.hex()}/{path}": data for path, data in forged.items()}
    assert "entry 5 is not the one whose hash is published" in failed(log.audit(files), Reason.ENTRY_WRONG)


def test_withheld_leaves_of_the_directory_are_named() -> None:
    """Without its leaves nobody can audit a log; the tiles still show that the roots extend each other."""
    log = grown(2)
    (path,) = (path for path in log.files() if path.startswith("tile/entries/"))
    text = failed(log.audit(without(log, path)), Reason.WITHHELD)
    assert f"directory: leaves 0..{log.world.seals[-1].size} were withheld" in text


def test_withheld_tiles_of_the_directory_are_named() -> None:
    """A mirror without the directory's tiles is no tiled log."""
    log = grown(2)
    (path,) = (path for path in log.files() if path.startswith("tile/0/"))
    failed(log.audit(without(log, path)), Reason.WITHHELD)


def test_tiles_that_were_exchanged_are_not_consistent() -> None:
    """One bit in the directory's tile, with right leaves beside it."""
    log = grown(2)
    (path,) = (path for path in log.files() if path.startswith("tile/0/"))
    data = log.files()[path]
    failed(log.audit(log.files() | {path: bytes([data[0] ^ 1]) + data[1:]}), Reason.NOT_CONSISTENT)


def test_proofs_that_are_withheld_or_false_are_named() -> None:
    """The list without its proofs, and with one of another block."""
    log = grown(2)
    failed(log.audit(without(log, "thread/000.json")), Reason.PROOF_WRONG)
    proofs = [proof for _, proof in log.anchored]
    files = log.files() | {
        "thread/000.json": list_files(log.world.log.log_id, [proofs[0], replace(proofs[1], height=2)])[
            "thread/000.json"
        ]
    }
    failed(log.audit(files), Reason.PROOF_WRONG)


def test_a_list_of_another_log_or_form_is_named() -> None:
    """The list is part of what is judged, so what is wrong with it is a finding and no crash."""
    log = grown(1)
    for data in (b"not JSON", ThreadList(bytes(32)).encode()):
        assert Reason.LIST_WRONG in log.audit(log.files() | {"thread.json": data}).reasons


def test_what_is_no_mirror_is_refused() -> None:
    """Without a card there is nothing to judge."""
    log = grown(1)
    with pytest.raises(MalformedError, match="expected a mirror"):
        log.audit(without(log, "log-card.json"))


def test_an_epoch_leaf_has_its_place() -> None:
    """Marks stand before the heads of a seal; one behind them is named."""
    log = grown(1)
    log.world.write_next(chain_of(log), b"order")
    log.world.seal()
    leaves = list(log.world.directory)
    leaves.insert(len(leaves) - 1, EpochLeaf(1, 2))
    del log.world.seals[-1]
    log.anchor(forged_seal(log, leaves))
    assert "expected the order 10, 17, 13, 15, heads" in failed(log.audit(), Reason.SEAL_WRONG)

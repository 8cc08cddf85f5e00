"""The client's pure rules: when to ask again, when a batch is due, which keys and times are believed."""

from dataclasses import replace

import pytest

from anchor.proof.leaves import Key, KeyLeaf, KeyType, Purpose, Signer
from anchor.proof.merkle import leaf_hash
from anchor.proof.promise import Promise, PromiseLeaf, PromiseNote, promise_key_id, signed_message
from anchor.proof.receipt import LogCard
from anchor.signing import SigningKey, check_signature
from chains.client.errors import Untruth
from chains.client.exchange import Reply, Unreached
from chains.client.gathering import BatchLimits, Gathering
from chains.client.pace import Patience, is_answer, pause_s, retry_after_s
from chains.client.signing import fastest_check
from chains.client.trust import DoubtError, TimeLimits, TrustedLog, card_of
from tests.simulators.store import LOG, PROMISE_SEED, RECOVERY_SEED

PATIENCE = Patience(attempts=5, first_pause_s=1, most_pause_s=4, give_up_after_s=100)
GONE = Unreached("gone")


def not_now(**headers: str) -> Reply:
    return Reply(503, {name.replace("_", "-"): value for name, value in headers.items()})


# --- when to ask again


def test_pauses_double_up_to_the_longest() -> None:
    """With the worst chance 1, 2, 4 and 4 seconds, then no more; with the best none."""
    assert [1, 2, 4, 4, None] == [pause_s(PATIENCE, attempt, 0, GONE, 1.0) for attempt in range(1, 6)]
    assert 0 == pause_s(PATIENCE, 1, 0, GONE, 0.0)


def test_a_service_is_never_asked_sooner_than_it_says() -> None:
    """The named time is the least, and some chance is on top of it; what is too long is not waited for."""
    asked = not_now(retry_after="7")
    assert (7, 8) == tuple(pause_s(PATIENCE, 1, 0, asked, chance) for chance in (0.0, 1.0))
    assert pause_s(PATIENCE, 1, 94, asked, 0.0) is None
    assert pause_s(PATIENCE, 1, 0, not_now(retry_after="101"), 0.0) is None


@pytest.mark.parametrize("text", ["", "-1", "1.5", "soon", "Sun, 06 Nov 1994 08:49:37 GMT", "9" * 7, "٣"])
def test_other_forms_of_retry_after_are_none(text: str) -> None:
    """Only whole seconds are read; with anything else the client's own pauses hold."""
    assert retry_after_s(not_now(retry_after=text)) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [(200, True), (404, True), (500, True), (501, True), (429, False), (502, False), (408, False)],
)
def test_only_not_now_is_asked_again(status: int, expected: bool) -> None:
    """Yes and no are answers, also a fault of the service."""
    assert expected == is_answer(Reply(status))
    assert not is_answer(GONE)


# --- when a batch is due


def test_a_batch_is_due_by_count_by_bytes_or_by_age() -> None:
    """Whichever comes first; with nothing there nothing is due."""
    limits = BatchLimits(entries=3, bytes=100, age_s=5)
    by_count, by_bytes, by_age = (Gathering[str](limits) for _ in range(3))
    assert by_count.due_in_s(0) is None
    for item in "abc":
        by_count.add(item, 1, 10.0)
    by_bytes.add("large", 100, 10.0)
    by_age.add("old", 1, 10.0)
    assert (0, 0, 5, 1, 0) == (
        by_count.due_in_s(10.0),
        by_bytes.due_in_s(10.0),
        by_age.due_in_s(10.0),
        by_age.due_in_s(14.0),
        by_age.due_in_s(99.0),
    )


def test_a_batch_is_taken_in_order_within_its_limits() -> None:
    """The oldest first; what is larger than a batch goes alone."""
    gathering = Gathering[str](BatchLimits(entries=2, bytes=100))
    for item, size in (("a", 1), ("b", 1), ("c", 99), ("d", 2), ("huge", 500), ("e", 1)):
        gathering.add(item, size, 0.0)
    assert [["a", "b"], ["c"], ["d"], ["huge"], ["e"], []] == [gathering.take() for _ in range(6)]


def test_room_is_bounded_in_entries_and_bytes() -> None:
    """One that is too large for any room is taken when it is alone, so that nothing waits for ever."""
    gathering = Gathering[str](BatchLimits(waiting_entries=2, waiting_bytes=100))
    assert gathering.has_room(10_000)
    gathering.add("a", 60, 0.0)
    assert (True, False) == (gathering.has_room(40), gathering.has_room(41))
    gathering.add("b", 1, 0.0)
    assert not gathering.has_room(1)


# --- keys


def promise_by(key: SigningKey) -> Promise:
    """Return a promise over one entry."""
    leaf = PromiseLeaf(bytes(32), 0, bytes(32))
    note = PromiseNote(LOG.log_id, 1, 2, 3, 1, leaf_hash(leaf.encode()))
    return Promise(note, promise_key_id(key.public_key), key.sign(signed_message(note)), leaf, 0, ())


def new_promise_key(key: SigningKey, signer: SigningKey, by: Signer) -> KeyLeaf:
    """Return the leaf that gives the log a new promise key."""
    leaf = KeyLeaf(Purpose.PROMISE, LOG.log_id, Key(KeyType.ED25519, key.public_key), by, bytes(64))
    return replace(leaf, signature=signer.sign(leaf.signed_message(LOG.log_id)))


def test_a_key_that_was_handed_on_is_believed() -> None:
    """A key leaf that the old key or the recovery key signed makes promises of the new key hold; old ones still do."""
    new, old, recovery = SigningKey(bytes(32)), SigningKey(PROMISE_SEED), SigningKey(RECOVERY_SEED)
    card = LogCard(LOG)
    with pytest.raises(DoubtError, match="not signed"):
        TrustedLog(card).check_promise_signature(promise_by(new))
    for signer, by in ((old, Signer.OLD_KEY), (recovery, Signer.RECOVERY_KEY)):
        log = TrustedLog(card, (new_promise_key(new, signer, by),), check_signature)
        for key in (old, new):
            assert log.knows(promise_key_id(key.public_key))
            log.check_promise_signature(promise_by(key))


def test_a_key_that_nobody_handed_on_is_refused() -> None:
    """A service cannot give itself a key: the leaf must be signed by the one before."""
    new = SigningKey(bytes(32))
    with pytest.raises(DoubtError) as found:
        TrustedLog(LogCard(LOG), (new_promise_key(new, new, Signer.OLD_KEY),))
    assert Untruth.KEY_HISTORY == found.value.untruth


def test_the_fast_check_is_there_and_agrees() -> None:
    """With cryptography installed signatures are checked by it; a changed one is refused, odd keys too."""
    key, check = SigningKey(bytes(32)), fastest_check()
    good = key.sign(b"x")
    assert "anchor.proof.ed25519" != check.__module__
    assert [True, False, False, False] == [
        check(key.public_key, b"x", good),
        check(key.public_key, b"y", good),
        check(bytes(32), b"x", good),
        check(b"", b"x", good),
    ]


def test_a_card_comes_in_any_form() -> None:
    """Read, as bytes, or as the object that JSON gives."""
    card = LogCard(LOG)
    value = {"format": "anchorline-log/1", "leaf_0": LOG.encode().hex(), "thread": None}
    assert [card] * 3 == [card_of(card), card_of(card.encode()), card_of(value)]


# --- times


@pytest.mark.parametrize(
    ("times", "is_new", "holds"),
    [
        ((1_000, 2_000, 3_000), True, True),
        ((1_000, 1_000, 1_000), True, True),
        ((2_000, 1_000, 3_000), True, False),
        ((1_000, 3_000, 2_000), True, False),
        ((899, 1_800, 3_000), True, False),
        ((899, 1_800, 3_000), False, True),
        ((1_201, 2_000, 3_000), False, False),
        ((1_000, 2_001, 3_000), True, False),
        ((1_000, 2_000, 4_001), True, False),
    ],
)
def test_promised_times_must_be_possible(times: tuple[int, int, int], is_new: bool, holds: bool) -> None:
    """In order, about now by our clock, and within the spans that the caller wants; what is repeated may be old."""
    note = PromiseNote(bytes(32), *times, 1, bytes(32))
    limits = TimeLimits(clock_skew_ms=100, seal_within_ms=1_000, anchor_within_ms=3_000)
    if holds:
        limits.check(note, 1_000, 1_100, is_new=is_new)
        return
    with pytest.raises(DoubtError) as found:
        limits.check(note, 1_000, 1_100, is_new=is_new)
    assert Untruth.PROMISE_TIMES == found.value.untruth

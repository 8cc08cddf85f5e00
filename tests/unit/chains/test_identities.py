"""Tests of what the writer takes in the name of an identity, alone and in the commit of many.

Input is one store with an identity whose first keys are sealed; the evidence that ``Identities`` makes is held against
the verifier by the tests of the command line.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.bitcoin.protocols import BlockId
from anchor.errors import RefusedEntryError, UnknownChainError
from anchor.hashing.chosen import HASHING
from anchor.proof.author_audit import Named
from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.errors import VerificationError
from anchor.proof.identity import Ending, Operation, Purpose, Statement, identity_chain_id
from anchor.proof.identity_evidence import MAX_ENTRIES
from anchor.proof.identity_history import History, Place
from chains.bundle import Column
from chains.chain import Batch, Chain
from chains.identity_stating import Beginning, open_identity, record_statement, revoked
from chains.together import commit_together
from chains.work import Content, Done, Opening, Refused, Submission
from tests.simulators.identities import began, entry_of, first_entry_of, key, key_set, public, signed
from tests.simulators.store import LOG, START_MS, Store
from tests.simulators.world import sign_entry, signing_key

BOSS, PRESS = key("boss", Purpose.KEYS), key("press", Purpose.ENTRIES)
BEGIN = began(LOG.log_id, key_set(BOSS, PRESS), "boss", "press")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "anchorline.db")


@pytest.fixture
def acme(store: Store) -> Chain:
    return store.open_chain("acme")


@pytest.fixture
def identity(store: Store, acme: Chain) -> Chain:
    """The identity, sealed with the chain of its organisation."""
    submission = Submission(first_entry_of(BEGIN).encode())
    chain, _ = store.writer.open_chain_with(submission, "identity", START_MS)
    seal(store)
    return chain


def seal(store: Store) -> None:
    store.directory.seal(store.checkpoint_key, START_MS, BlockId(100, bytes(32)))


def order(chain: Chain, identity: bytes, holder: str = "press", salt: bytes = b"") -> Submission:
    """Return a signed entry in the name of an identity."""
    entry = entry_of(chain.chain_id, b"order", salt)
    named = (Extension(ExtensionType.IDENTITY, identity),)
    plain = Entry(chain.chain_id, entry.content_commitment, extensions=named)
    return Submission(sign_entry(plain, signing_key(holder)).encode())


def stating(chain: Chain, operation: Operation, *names: str, salt: bytes = b"", **parts: object) -> Submission:
    """Return an entry that states something next after the begin."""
    statement = Statement(operation, BEGIN.hash, **parts)  # type: ignore[arg-type]  # whatever parts it has
    return Submission(entry_of(chain.chain_id, signed(statement, chain.chain_id, *names).encode(), salt).encode())


def together(store: Store, chain: Chain, *pieces: Sequence[Submission | Content]) -> list[list[str]]:
    """Hand in pieces of work of one chain at the same time; return what became of each entry: ok, or the code."""
    answers = commit_together(store.writer, [store.writer.prepare(chain, piece) for piece in pieces], START_MS)
    found = []
    for answer in answers:
        assert isinstance(answer, Done), answer
        found.append([item.code if isinstance(item, Refused) else "ok" for item in answer.outcomes])
    return found


def test_a_key_of_the_identity_may_sign_and_nobody_else(store: Store, acme: Chain, identity: Chain) -> None:
    """Registered keys for entries are taken; others are refused alone in a commit of many, and wholly by themselves."""
    name = identity.chain_id
    bad = [order(acme, name, "boss"), order(acme, name, "nobody"), order(acme, acme.chain_id), order(acme, bytes(32))]
    found = together(store, acme, [order(acme, name), *bad], [order(acme, name, salt=b"2")])
    assert [["ok", *["author-key-not-valid"] * 4], ["ok"]] == found
    for submission in bad:
        with pytest.raises(RefusedEntryError):
            store.writer.submit(acme, [submission], START_MS)


def test_the_same_entry_twice_is_refused_twice(store: Store, acme: Chain, identity: Chain) -> None:
    """What is refused in one piece of work is not taken for being there in the next."""
    bad = order(acme, identity.chain_id, "nobody")
    assert [["author-key-not-valid"] * 2, ["author-key-not-valid"]] == together(store, acme, [bad, bad], [bad])


def test_an_identity_that_is_named_wants_a_signature(store: Store, acme: Chain, identity: Chain) -> None:
    """An entry that is not signed cannot name an author."""
    entry = Entry(acme.chain_id, bytes(32), extensions=(Extension(ExtensionType.IDENTITY, identity.chain_id),))
    with pytest.raises(RefusedEntryError, match="no key signed it"):
        store.writer.submit(acme, [Submission(entry.encode())], START_MS)
    assert [["entry-refused"]] == together(store, acme, [Submission(entry.encode())])


def test_a_key_counts_from_the_next_seal_and_ends_at_once(store: Store, acme: Chain, identity: Chain) -> None:
    """What waits for a seal registers nothing yet, and revokes already: in one seal both would count against him."""
    web = stating(identity, Operation.ADD, "boss", "web", key=key("web", Purpose.ENTRIES))
    store.writer.submit(identity, [web], START_MS)
    with pytest.raises(RefusedEntryError, match="later ones only"):
        store.writer.submit(acme, [order(acme, identity.chain_id, "web")], START_MS)
    seal(store)
    store.writer.submit(acme, [order(acme, identity.chain_id, "web")], START_MS)
    history = store.writer.identities.current(identity, START_MS)
    record_statement(store.writer, identity, revoked(history, Signer("boss"), public("web"), Ending.STOLEN), START_MS)
    with pytest.raises(RefusedEntryError, match="because it was stolen"):
        store.writer.submit(acme, [order(acme, identity.chain_id, "web", b"2")], START_MS)
    repeated = store.writer.submit(acme, [order(acme, identity.chain_id, "web")], START_MS)
    assert [True] == [item.repeated for item in repeated]


def test_an_identity_takes_statements_in_force_only(store: Store, identity: Chain) -> None:
    """Contents, other entries, and statements that nobody may make are not recorded there."""
    wrong = [
        stating(identity, Operation.REVOKE, "press", about=public("boss")),
        order(identity, identity.chain_id),
        Submission(first_entry_of(BEGIN).encode()),
    ]
    for submission in wrong[:2]:
        with pytest.raises(RefusedEntryError, match="is an identity"):
            store.writer.submit(identity, [submission], START_MS)
    for record in (store.writer.record, store.writer.record_digests):
        with pytest.raises(RefusedEntryError, match="is an identity"):
            record(identity, [bytes(32)], START_MS)
    refused = [["entry-refused"], ["entry-refused"], ["ok"], ["entry-refused"]]
    assert refused == together(store, identity, [wrong[0]], [wrong[1]], [wrong[2]], [Content(b"a note")])
    assert 1 == store.chains.size(identity)


def test_of_one_identity_a_commit_takes_one_statement(store: Store, identity: Chain) -> None:
    """The second one was made without knowing of the first, and is refused; it is not lost, but made anew."""
    one = stating(identity, Operation.REVOKE, "boss", about=public("press"))
    two = stating(identity, Operation.ADD, "boss", "web", key=key("web"))
    assert [["ok"], ["entry-refused"], ["ok"]] == together(store, identity, [one], [two], [one])
    assert [["entry-refused", "entry-refused"]] == together(store, identity, [two, two])


def test_an_identity_begins_as_it_must(store: Store) -> None:
    """A first entry with an identity's ids is signed by all keys and for this log, or no chain is opened."""
    short = began(LOG.log_id, key_set(BOSS, PRESS), "boss")
    other = began(bytes(32), key_set(BOSS, PRESS), "boss", "press")
    for begin in (short, other):
        submission = Submission(first_entry_of(begin).encode())
        with pytest.raises(RefusedEntryError):
            store.writer.open_chain_with(submission, "bad", START_MS)
        opening = Opening(identity_chain_id(begin), "bad")
        [answer] = commit_together(store.writer, [store.writer.prepare(opening, [submission])], START_MS)
        assert isinstance(answer, RefusedEntryError)
        with pytest.raises(UnknownChainError):
            store.chains.named("bad")
    opening = Opening(identity_chain_id(BEGIN), "good")
    good = Submission(first_entry_of(BEGIN).encode())
    [answer] = commit_together(store.writer, [store.writer.prepare(opening, [good])], START_MS)
    assert isinstance(answer, Done)


def test_a_statement_that_was_rolled_back_is_forgotten(store: Store, acme: Chain, identity: Chain) -> None:
    """What the database took back is not remembered: the key of a revocation that failed may still sign."""
    revoke = stating(identity, Operation.REVOKE, "boss", about=public("press"))

    def revoke_and_fail() -> None:
        with store.engine.transaction():
            entries, hashes = [revoke.entry], HASHING.leaves([revoke.entry])
            batch = Batch(Column.of(entries), Column.of([b""]), hashes, with_ids=False)
            store.chains.append_rows(identity, batch, bytes(16))
            with pytest.raises(RefusedEntryError):
                store.writer.identities.check_author(Named(identity.chain_id, public("press")), START_MS)
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        revoke_and_fail()
    store.writer.submit(acme, [order(acme, identity.chain_id)], START_MS)


def test_no_more_statements_than_a_receipt_shows(store: Store, acme: Chain, identity: Chain) -> None:
    """An identity ends where receipts could not carry its history any more."""
    entries = [entry_of(identity.chain_id, b"")] * MAX_ENTRIES
    with pytest.raises(RefusedEntryError, match="begin another one"):
        store.writer.identities.check_next(identity, entries, START_MS)
    store.writer.identities.check_next(acme, entries, START_MS)


class Signer:
    """A holder as an author's key."""

    def __init__(self, name: str) -> None:
        self.public_key = public(name)
        self.sign = signing_key(name).sign


def test_the_first_seal_of_an_identity_is_its_own(store: Store) -> None:
    """Nobody signs before the identity is sealed; and its chain is named like any other."""
    begin = Beginning(Signer("boss")).statement(LOG.log_id)
    chain, _ = open_identity(store.writer, begin, "mine", START_MS)
    assert chain == store.chains.named("mine")
    acme = store.open_chain("acme")
    early = order(acme, chain.chain_id, "boss")
    with pytest.raises(RefusedEntryError, match="later ones only"):
        store.writer.submit(acme, [early], START_MS)
    assert store.writer.identities.evidence(chain.chain_id, 1) is None
    seal(store)
    store.writer.submit(acme, [early], START_MS)


# Random histories: what the writer takes is what a model of four lines takes, and then counts unless it was revoked in
# the very same seal.

NAMES = "abc"
STEPS = st.lists(
    st.tuples(st.sampled_from(["seal", "add", "revoke", "order", "order"]), st.sampled_from(NAMES)), max_size=14
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_the_writer_takes_what_counts(steps: list[tuple[str, str]]) -> None:
    """A key that is registered in a seal and not revoked may sign, any other may not; a later tie counts against it."""
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "anchorline.db")
        acme = store.open_chain("acme")
        identity, _ = store.writer.open_chain_with(Submission(first_entry_of(BEGIN).encode()), "identity", START_MS)
        seal(store)
        number, since, until = 1, dict[str, int](), dict[str, int]()
        taken: list[tuple[str, int]] = []
        for place, (what, name) in enumerate(steps):
            expected = {
                "seal": True,
                "add": name not in since,
                "revoke": name in since and name not in until,
                "order": since.get(name, number) < number and name not in until,
            }[what]
            assert expected == _tried(store, (acme, identity), what, name, place)
            if what == "seal":
                number += _is_next(store, number)
            elif expected and what == "add":
                since[name] = number
            elif expected and what == "revoke":
                until[name] = number
            elif expected:
                taken.append((name, number))
        seal(store)
        history = store.writer.identities.current(identity, START_MS)
        for name, sealed_in in taken:
            assert _counts(history, name, sealed_in) == (sealed_in < until.get(name, number + 1))
        store.engine.close()


def _is_next(store: Store, number: int) -> bool:
    newest = store.directory.newest_seal()
    return newest is not None and newest.seal_number == number


def _tried(store: Store, chains: tuple[Chain, Chain], what: str, name: str, place: int) -> bool:
    """Do a step; say whether it was taken."""
    acme, identity = chains
    if what == "seal":
        seal(store)
        return True
    history = store.writer.identities.current(identity, START_MS)
    salt = bytes((place,))
    if what == "add":
        statement = Statement(Operation.ADD, history.tip, key=key(name, Purpose.ENTRIES))
        made = signed(statement, identity.chain_id, "boss", name)
    else:
        made = signed(Statement(Operation.REVOKE, history.tip, public(name)), identity.chain_id, "boss")
    try:
        if what == "order":
            store.writer.submit(acme, [order(acme, identity.chain_id, name, salt)], START_MS)
        else:
            record_statement(store.writer, identity, made, START_MS)
    except RefusedEntryError:
        return False
    return True


def _counts(history: History, name: str, seal_number: int) -> bool:
    try:
        history.check_valid(public(name), Purpose.ENTRIES, Place(seal_number, START_MS, 0))
    except VerificationError:
        return False
    return True

"""Tests of what may be written into a chain under a policy: by the writer, and as the audit and a verifier see it.

Histories are random: of keys, policies, grants and writes, through the real writer, against a model of ten lines; what
the writer refuses is put there all the same by a lying operator, and has to be found.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchor.bitcoin.protocols import BlockId
from anchor.errors import RefusedEntryError
from anchor.hashing.chosen import HASHING
from anchor.journal import Journal
from anchor.proof.chain_life import Closing
from anchor.proof.entry import Entry, Extension, ExtensionType, Link, Relation
from anchor.proof.erasure import Act, ErasureStatement, Scope
from anchor.proof.identity import Ending, Purpose, identity_chain_id
from anchor.proof.merkle import leaf_hash
from anchor.proof.policy import Party, PartyKind, Policy, Rule, closes, follows
from anchor.proof.promise import ANONYMOUS
from anchor.proof.verdict import State, Verdict
from anchor.proof.verify import Verifier, verify
from chains.access import Action, Actor, ChainAccess, Grant, Role, allowed
from chains.audit import Audit
from chains.bundle import Column
from chains.chain import Batch, Chain
from chains.client.own_entry import Form, Sent, make_entry
from chains.identity_stating import added, record_statement, revoked
from chains.reader import Reader
from chains.receipts import Receipts
from chains.together import commit_together
from chains.work import Done, Opening, Refused, Submission
from tests.simulators.identities import began, first_entry_of, key, key_set, public
from tests.simulators.policies import change, first_under, plain, signed_by
from tests.simulators.store import LOG, START_MS, Store
from tests.simulators.world import fast_check, signing_key

HOLDERS = ("ann", "bob", "cat", "dan")
BOSSES = {"acme": "boss", "blue": "chief"}
BEGINS = {
    name: began(LOG.log_id, key_set(key(boss, Purpose.KEYS), key(first, Purpose.ENTRIES)), boss, first)
    for (name, boss), first in zip(BOSSES.items(), ("ann", "cat"), strict=True)
}
IDENTITIES = {name: identity_chain_id(begin) for name, begin in BEGINS.items()}
PARTIES = {name: Party(PartyKind.KEY, public(name)) for name in HOLDERS} | {
    name: Party(PartyKind.IDENTITY, chain_id) for name, chain_id in IDENTITIES.items()
}
OWNER, GUEST = Actor("org_owner", Role.WRITER), Actor("org_guest", Role.WRITER)


class Signer:
    """A holder's key, as the statements of identities want it."""

    def __init__(self, name: str) -> None:
        self.public_key = public(name)
        self.sign = signing_key(name).sign


# --- the home, and a verifier's view of it


def seal(store: Store) -> None:
    store.directory.seal(store.checkpoint_key, START_MS, BlockId(100, bytes(32)))


def open_identities(store: Store) -> None:
    """Begin both identities, and seal them."""
    for name, begin in BEGINS.items():
        store.writer.open_chain_with(Submission(first_entry_of(begin).encode()), name, START_MS)
    seal(store)


def open_under(store: Store, policy: Policy, *names: str) -> Chain:
    """Open a chain under a policy: signed by one as commands have it opened, by more as the HTTP API does."""
    entry, writer = first_under("orders", policy, *names), store.writer
    if len(names) == 1:
        return writer.open_chain_with(Submission(entry.encode()), "orders", START_MS)[0]
    work = writer.prepare(Opening(entry.chain_id, "orders"), [Submission(entry.encode())])
    [answer] = commit_together(writer, [work], START_MS)
    if not isinstance(answer, Done):
        raise answer
    return answer.chain


def force(store: Store, chain: Chain, entry: Entry) -> int:
    """Write an entry past all rules, as an operator can who has the promise key; return its index."""
    raw, hashes = entry.encode(), HASHING.leaves([entry.encode()])
    batch = Batch(Column.of([raw]), Column.of([b""]), hashes, with_ids=True)
    with store.engine.transaction():
        run = store.chains.append_rows(chain, batch, ANONYMOUS)
        store.writer.promise([(chain.chain_id, run, hashes)], START_MS)
    return run.first_index


def found_in(store: Store, chain: Chain) -> set[int]:
    """Return the indexes of the entries of a chain that the audit names; nothing else may be found."""
    reader = Reader(store.engine, store.chains, store.lookup)
    parts = (store.engine, store.trees, store.directory, store.chains)
    findings = Audit(*parts, reader, Journal(store.engine)).run().findings
    assert all(f"(chain {chain.chain_id.hex()}, entry " in finding.where for finding in findings), findings
    return {int(finding.where.rsplit(" ", 1)[1][:-1]) for finding in findings}


def verdict_of(store: Store, chain: Chain, index: int) -> Verdict:
    """Return the verdict of a stranger on the receipt of an entry under the newest checkpoint, from its file."""
    receipts = Receipts(store.engine, store.trees, store.directory, store.chains, Journal(store.engine), store.lookup)
    stored, newest = receipts.reader.at(chain, index), store.directory.newest()
    assert stored is not None
    assert newest is not None
    receipt = receipts.make(stored, checkpoint_size=newest.size)
    return verify(type(receipt).decode(receipt.encode()), Verifier(any_log=True, check_signature=fast_check))


def follows_by(verdict: Verdict) -> bool:
    """Say whether step 17 holds; every other step of what was recorded has to hold in any case."""
    states = {step.number: step.state for step in verdict.steps}
    assert {State.OK} == {states[number] for number in (1, 4, 5, 6, 7, 9)}
    assert states[17] in {State.OK, State.FAILED}
    return states[17] == State.OK


# --- random histories, and the model


@dataclass
class Model:
    """Who may write and who may change the policy, in terms of names: the independent reference."""

    administrators: tuple[int, tuple[str, ...]]
    writers: tuple[int, tuple[str, ...]]
    correctors: tuple[int, tuple[str, ...]] = (1, ())
    seal: int = 1
    since: dict[tuple[str, str], int] = field(default_factory=lambda: {("acme", "ann"): 0, ("blue", "cat"): 0})
    until: dict[tuple[str, str], int] = field(default_factory=dict)

    def allows(self, rule: tuple[int, tuple[str, ...]], signers: Sequence[str], at: int, *, tie: bool = False) -> bool:
        def is_of(party: str, signer: str) -> bool:
            began_in, ended_in = self.since.get((party, signer), at), self.until.get((party, signer), at + 1)
            return party == signer or (began_in < at and (ended_in > at or (tie and ended_in == at)))

        threshold, parties = rule
        ordered = sorted(parties, key=PARTIES.__getitem__)
        counted = {next((party for party in ordered if is_of(party, signer)), None) for signer in signers}
        return len(counted - {None}) >= threshold

    def corrects(self, signers: Sequence[str], own: Sequence[str], at: int) -> bool:
        """Whether signers may correct what others signed: it is their own, or the correctors are met."""
        return (bool(own) and set(own) <= set(signers)) or self.allows(self.correctors, signers, at)


def rule_of(rule: tuple[int, tuple[str, ...]]) -> Rule:
    return Rule(rule[0], tuple(sorted(PARTIES[name] for name in rule[1])))


@st.composite
def rules(draw: st.DrawFn, least: int, *, of_none: int = 0) -> tuple[int, tuple[str, ...]]:
    """Draw a rule over some of the parties; of none it is anybody (0), or nobody (1)."""
    parties = draw(st.lists(st.sampled_from(sorted(PARTIES)), min_size=least, max_size=4, unique=True))
    return (draw(st.integers(1, len(parties))) if parties else of_none), tuple(parties)


SIGNERS = st.lists(st.sampled_from(HOLDERS), max_size=3, unique=True)
ACTIONS = st.one_of(
    st.tuples(st.just("write"), SIGNERS, st.sampled_from([OWNER, GUEST])),
    st.tuples(st.just("write"), SIGNERS, st.just(OWNER)),
    st.tuples(st.just("change"), SIGNERS, rules(1), rules(0), rules(0, of_none=1)),
    st.tuples(st.just("correct"), SIGNERS, st.integers(0, 9)),
    st.tuples(st.just("erase")),
    st.tuples(st.just("seal")),
    st.tuples(st.just("key"), st.sampled_from(sorted(BOSSES)), st.sampled_from(HOLDERS)),
    st.tuples(st.just("grant"), st.booleans()),
)


Allowed = Callable[[int], bool]
"""Whether the model allows an entry that was recorded in a seal, by what it knows of keys when it is asked."""


@dataclass
class History:
    """A chain under a policy in a home, and what the model says of every entry that came there."""

    store: Store
    model: Model
    chain: Chain
    tip: bytes
    access: ChainAccess = field(default_factory=lambda: ChainAccess("org_owner"))
    count: int = 0
    # By index: the seal, and what the model says of the entry by what it knows in the end; only of what was accepted.
    accepted: dict[int, tuple[int, Allowed]] = field(default_factory=dict)
    forced: set[int] = field(default_factory=set)
    plain: list[tuple[Entry, tuple[str, ...]]] = field(default_factory=list)
    is_closed: bool = False

    def hand_in(self, entry: Entry, allowed: Allowed) -> bool:
        """Hand an entry in: the writer takes it where the model does; else the operator puts it there.

        What is refused since the chain is closed, and closings that are refused, are left away.
        """
        is_allowed = allowed(self.model.seal) and not self.is_closed
        found = self.written(entry)
        assert is_allowed == (found is not None)
        if found is not None:
            self.accepted[found] = self.model.seal, allowed
        elif not self.is_closed and not closes(entry):
            self.forced.add(force(self.store, self.chain, entry))
        return found is not None

    def written(self, entry: Entry) -> int | None:
        """Return where the writer put an entry, None: nowhere; as commands have it written, or as the HTTP API does."""
        writer, submission = self.store.writer, Submission(entry.encode())
        if self.count % 2:
            try:
                [accepted] = writer.submit(self.chain, [submission], START_MS)
            except RefusedEntryError:
                return None
            return accepted.leaf_index
        [answer] = commit_together(writer, [writer.prepare(self.chain, [submission])], START_MS)
        assert isinstance(answer, Done)
        [outcome] = answer.outcomes
        if isinstance(outcome, Refused):
            assert outcome.code in {"policy-not-followed", "chain-closed", "entry-refused"}
            assert (outcome.code == "policy-not-followed") == bool(outcome.rule)
            return None
        return outcome.leaf_index

    def write(self, signers: Sequence[str], actor: Actor) -> None:
        """Write, where the service lets this actor in at all: a grant is no signature, and a signature no grant."""
        if not allowed(actor, Action.ENTRY_WRITE, self.access, START_MS).is_allowed:
            assert actor == GUEST
            assert not self.access.grants
            return
        entry = signed_by(plain(self.chain.chain_id, f"entry {self.count}"), signers)
        rule, is_open = self.model.writers, not self.is_closed
        self.hand_in(entry, lambda at: self.model.allows(rule, signers, at))
        self.plain += [(entry, tuple(signers))] if is_open else []

    def correct(self, signers: Sequence[str], which: int) -> None:
        """Retract one of the entries that are there, whoever put them there."""
        if not self.plain:
            return
        corrected, own = self.plain[which % len(self.plain)]
        links = (Link(Relation.RETRACTS, self.chain.chain_id, corrected.hash),)
        entry = signed_by(plain(self.chain.chain_id, f"entry {self.count}", links=links), signers)
        model, then = self.model, replace(self.model)
        self.hand_in(entry, lambda at: model.allows(then.writers, signers, at) and then.corrects(signers, own, at))

    def change(self, signers: Sequence[str], *policy: tuple[int, tuple[str, ...]]) -> None:
        administrators, writers, correctors = policy
        stated = follows(Policy(rule_of(administrators), rule_of(writers), rule_of(correctors)), self.tip)
        entry = change(self.chain.chain_id, f"policy {self.count}", stated, *signers)
        rule = self.model.administrators
        if self.hand_in(entry, lambda at: self.model.allows(rule, signers, at, tie=at != self.model.seal)):
            self.tip = entry.hash
            self.model.administrators, self.model.writers, self.model.correctors = policy

    def close(self, signers: Sequence[str]) -> None:
        """Close the chain: who may change the policy can."""
        closing = (Extension(ExtensionType.CLOSING, Closing(START_MS, "").encode()),)
        rule, entry = self.model.administrators, plain(self.chain.chain_id, f"entry {self.count}")
        entry = signed_by(replace(entry, extensions=closing), signers)
        self.is_closed |= self.hand_in(entry, lambda at: self.model.allows(rule, signers, at))

    def erase(self) -> None:
        """The service states an erasure, whatever the policy is, and behind a closing too; nobody else can."""
        first = self.store.entries(self.chain)[0]
        links = (Link(Relation.ERASES, self.chain.chain_id, leaf_hash(first)),)
        said = ErasureStatement(Act.ERASE, Scope.ENTRY, START_MS, f"request {self.count}").encode()
        own = make_entry(self.chain.chain_id, b"", Form(links=links, erasure=said), os.urandom, Sent.CONTENT)
        assert self.written(own.entry) is None
        submission = Submission(own.raw, own.salt, content=b"")
        [accepted] = self.store.writer.submit(self.chain, [submission], START_MS, by_service=True)
        self.accepted[accepted.leaf_index] = self.model.seal, lambda _: True

    def key(self, name: str, holder: str) -> None:
        """Register a key, or end it; one that ended never comes back."""
        identity, boss = self.store.chains.named(name), Signer(BOSSES[name])
        history = self.store.writer.identities.current(identity, START_MS)
        if (name, holder) in self.model.until:
            return
        if (name, holder) in self.model.since:
            statement = revoked(history, boss, public(holder), Ending.STOLEN)
            self.model.until[(name, holder)] = self.model.seal
        else:
            statement = added(history, boss, Signer(holder), Purpose.ENTRIES, (1 << 64) - 1)
            self.model.since[(name, holder)] = self.model.seal
        record_statement(self.store.writer, identity, statement, START_MS)

    def grant(self, is_given: bool) -> None:
        grants = (Grant("org_guest", Role.WRITER),) if is_given else ()
        self.access = replace(self.access, grants=grants)

    def seal(self) -> None:
        before = self.store.directory.newest()
        seal(self.store)
        self.model.seal += self.store.directory.newest() != before

    def take(self, action: tuple[object, ...]) -> None:
        name, *values = action
        self.count += 1
        getattr(self, str(name))(*values)


@settings(max_examples=25, deadline=None)
@given(rules(1), rules(0), rules(0, of_none=1), st.lists(ACTIONS, min_size=4, max_size=20), SIGNERS)
def test_a_policy_cannot_be_got_round(
    administrators: tuple[int, tuple[str, ...]],
    writers: tuple[int, tuple[str, ...]],
    correctors: tuple[int, tuple[str, ...]],
    actions: list[tuple[object, ...]],
    closers: list[str],
) -> None:
    """The writer takes what the model takes; what it refused and is there all the same, audit and verify name.

    A receipt of what was taken verifies, unless a key that it needs ended in the same seal: a tie counts against the
    signer, but for a policy.
    """
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "anchorline.db")
        open_identities(store)
        model = Model(administrators, writers, correctors)
        first = Policy(rule_of(administrators), rule_of(writers), rule_of(correctors))
        signers = [name for name in HOLDERS if model.allows(administrators, HOLDERS, 1)]
        if not signers:
            with pytest.raises(RefusedEntryError, match="parties that may change the policy"):
                open_under(store, first, *HOLDERS)
            store.engine.close()
            return
        chain = open_under(store, first, *signers)
        history = History(store, model, chain, leaf_hash(store.entries(chain)[0]))
        # Whether the chain is closed then or not: it was tried.
        for action in (*actions, ("close", closers), ("write", HOLDERS, OWNER), ("erase",)):
            history.take(action)
        seal(store)
        assert history.forced == found_in(store, chain)
        assert follows_by(verdict_of(store, chain, 0))
        model.seal += 1
        for index, (at, allowed_at) in history.accepted.items():
            assert allowed_at(at) == follows_by(verdict_of(store, chain, index))
        for index in history.forced:
            assert not follows_by(verdict_of(store, chain, index))
        store.engine.close()

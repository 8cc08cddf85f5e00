"""The authors of a published log, judged from outside by the thread audit: what a service that lies leaves behind.

Input is logs of ``tests/simulators/public.py`` with an identity whose chain is published; nobody but the simulator
refuses an author there.
"""

from dataclasses import replace
from typing import Any

from anchor.proof.entry import Author, AuthorType
from anchor.proof.identity import Ending, Operation, Purpose, Statement
from anchor.proof.leaves import Purpose as LogPurpose
from anchor.proof.verify import State
from anchor.thread_verdict import Number, Outcome, Step, Verdict
from tests.simulators.identities import began, entry_of, first_entry_of, key, key_set, public, signed, write_signed
from tests.simulators.public import PublicLog
from tests.simulators.world import World


class Told(PublicLog):
    """A log with an identity and a chain of orders, both published, sealed once."""

    def __init__(self, wait_blocks: int = 0) -> None:
        super().__init__(World())
        world = self.world
        for _ in range(6):
            world.mine()
        self.orders = world.write_first("orders").entry.chain_id
        world.fund_thread()
        keys = key_set(key("boss"), key("press", Purpose.ENTRIES), wait_blocks=wait_blocks)
        begin = began(world.log.log_id, keys, "boss", "press")
        self.identity, self.tip = world.write(first_entry_of(begin), b"").entry.chain_id, begin.hash
        self.with_entries = {self.orders, self.identity}
        self.seal_and_anchor()

    def order(self, holder: str, identity: bytes | None = None) -> None:
        """Write an order in the name of the identity, or of what is said to be one."""
        write_signed(self.world, self.orders, b"order", holder, identity or self.identity)

    def state(self, operation: Operation, *names: str, **parts: Any) -> Statement:
        """Write a statement about the identity's keys, signed by these holders."""
        made = signed(Statement(operation, self.tip, **parts), self.identity, *names)
        self.world.write(entry_of(self.identity, made.encode()), b"")
        return made

    def revoke(self) -> None:
        """State that the key of the press was stolen."""
        self.state(Operation.REVOKE, "boss", about=public("press"), ending=Ending.STOLEN)


def authors(verdict: Verdict) -> Step:
    return next(step for step in verdict.steps if step.number == Number.AUTHORS)


def test_valid_authors_are_counted_and_a_tie_is_a_note() -> None:
    """Whose key ended in the entry's own seal, was rightly taken, and counts for nothing: that is said beside."""
    log = Told()
    log.order("press")
    log.seal_and_anchor()
    log.order("press")
    log.revoke()
    log.seal_and_anchor()
    verdict = log.audit()
    assert Outcome.ONE_HISTORY == verdict.outcome
    assert "2 signatures of entries hold, 2 of them in the name of an identity, whose keys they are" == (
        authors(verdict).text
    )
    [note] = verdict.notes
    assert f"chain {log.orders.hex()}, entry 2: " in note
    assert "it ended in seal 2, because it was stolen" in note


def test_a_wait_is_counted_from_the_anchor_of_its_announcement() -> None:
    """Who follows the thread is told in which block the announcement was, and how many came after it for certain."""
    log = Told(wait_blocks=144)
    world = log.world
    promise_key = f"{world.name}/{LogPurpose.PROMISE.name}"
    new = {"key_set": key_set(key("new")), "ending": Ending.LOST}
    announced = log.state(Operation.ANNOUNCE, promise_key, "new", **new)
    log.seal_and_anchor()
    anchored = len(world.blocks)
    for _ in range(150):
        world.mine()
    log.state(Operation.COMPLETE, "new", about=announced.hash)
    log.seal_and_anchor()
    verdict = log.audit()
    assert Outcome.ONE_HISTORY == verdict.outcome
    [note] = [note for note in verdict.notes if "the recovery that the log announced waited" in note]
    assert f"; the announcement was anchored in block {anchored}: " in note


def test_authors_whom_the_log_must_have_refused_are_named() -> None:
    """A stolen key after its revocation, a stranger's key, a chain that is no identity, and a forged signature."""
    log = Told()
    log.revoke()
    log.seal_and_anchor()
    log.order("press")
    log.order("stranger")
    log.order("press", log.orders)
    log.order("press", bytes(32))
    entry = log.world.chains[log.orders][-1]
    forged = replace(entry, author=Author(AuthorType.ED25519, entry.author.body[:32] + bytes(64)))
    log.world.write(forged, b"order")
    log.seal_and_anchor()
    verdict = log.audit()
    assert (Outcome.FAILED, ["author-wrong"]) == (verdict.outcome, [str(reason) for reason in verdict.reasons])
    step = authors(verdict)
    assert State.FAILED == step.state
    said = [
        "because it was stolen",
        f"it is no key of identity {log.identity.hex()}",
        f"chain {log.orders.hex()} does not begin as an identity",
        "which is no chain of this log",
        "entry 5: the signature is not one by key ",
    ]
    assert len(said) == len(step.findings)
    for words, finding in zip(said, step.findings, strict=True):
        assert words in finding.text


def test_an_identity_that_is_not_published_is_not_judged() -> None:
    """Where an identity's entries are kept back, or are others than those of its heads, its authors are not checked."""
    log = Told()
    log.order("press")
    log.seal_and_anchor()
    files = log.files()
    bundles = [path for path in files if path.startswith(f"chain/{log.identity.hex()}/tile/entries/")]
    kept_back = {path: data for path, data in files.items() if path not in bundles}
    verdict = log.audit(kept_back)
    assert (Outcome.NOT_CHECKED, State.NOT_CHECKED) == (verdict.outcome, authors(verdict).state)
    assert "its entries are not published here" in authors(verdict).text
    others = files | dict.fromkeys(bundles, files[bundles[0]].replace(public("press"), public("other")))
    assert "are not those of its heads" in authors(log.audit(others)).text

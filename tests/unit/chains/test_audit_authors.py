"""Tests of the audit of authors: what a service that does not refuse what it must, leaves behind for every auditor.

Input is one store with an identity; its writer is made to take whatever is signed, by whomever.
"""

from pathlib import Path

import pytest

from anchor.bitcoin.protocols import BlockId
from anchor.journal import Journal
from anchor.proof.author_audit import Named
from anchor.proof.blocks import GivenBlock
from anchor.proof.entry import Entry, Extension, ExtensionType
from anchor.proof.identity import Ending, Operation, Purpose, Statement
from chains.audit import Audit
from chains.audit_report import Report
from chains.chain import Chain
from chains.identity import Identities
from chains.reader import Reader
from chains.work import Submission
from tests.simulators.identities import began, entry_of, first_entry_of, key, key_set, public, signed
from tests.simulators.store import LOG, START_MS, Store
from tests.simulators.world import sign_entry, signing_key

BOSS, PRESS = key("boss", Purpose.KEYS), key("press", Purpose.ENTRIES)
BEGIN = began(LOG.log_id, key_set(BOSS, PRESS), "boss", "press")


class Lax(Identities):
    """Identities of a service that asks nobody."""

    def check_author(self, named: Named, now_ms: int) -> None:
        """Take every signature that holds."""

    def check_next(self, chain: Chain, entries: object, now_ms: int) -> None:
        """Take every statement."""


@pytest.fixture
def lax(tmp_path: Path) -> Store:
    """A store whose writer refuses no author, with an identity and a chain of orders, sealed."""
    store = Store(tmp_path / "anchorline.db")
    store.writer.identities = Lax(store.engine, store.chains)
    store.writer.open_chain_with(Submission(first_entry_of(BEGIN).encode()), "identity", START_MS)
    store.open_chain("orders")
    seal(store)
    return store


def seal(store: Store) -> None:
    assert store.directory.seal(store.checkpoint_key, START_MS, BlockId(100, bytes(32))) is not None


def order(store: Store, number: int, holder: str, identity: bytes | None = None) -> None:
    """Record an order that a holder signed in the name of the identity, or of what is said to be one."""
    chain = store.chains.named("orders")
    named = identity or store.chains.named("identity").chain_id
    plain = Entry(chain.chain_id, bytes([number]) * 32, extensions=(Extension(ExtensionType.IDENTITY, named),))
    store.writer.submit(chain, [Submission(sign_entry(plain, signing_key(holder)).encode())], START_MS)


def state(store: Store, statement: Statement, *holders: str) -> None:
    chain = store.chains.named("identity")
    entry = entry_of(chain.chain_id, signed(statement, chain.chain_id, *holders).encode())
    store.writer.submit(chain, [Submission(entry.encode())], START_MS)


def revoke(store: Store) -> None:
    state(store, Statement(Operation.REVOKE, BEGIN.hash, about=public("press"), ending=Ending.STOLEN), "boss")


def audited(store: Store) -> Report:
    parts = (store.engine, store.trees, store.directory, store.chains)
    return Audit(*parts, Reader(store.engine, store.chains, store.lookup), Journal(store.engine)).run()


def test_who_was_right_to_sign_is_counted(lax: Store) -> None:
    """Orders of a valid key are counted, and those that wait for their seal are not judged yet."""
    order(lax, 1, "press")
    assert 0 == audited(lax).named_entries
    seal(lax)
    order(lax, 2, "nobody")
    report = audited(lax)
    assert (1, [], []) == (report.named_entries, report.findings, report.remarks)


def test_a_stolen_key_that_was_let_in_is_found(lax: Store) -> None:
    """What a key signed before its end stays; the seal of its end is a remark; what came later accuses the writer."""
    order(lax, 1, "press")
    seal(lax)
    order(lax, 2, "press")
    revoke(lax)
    seal(lax)
    order(lax, 3, "press")
    order(lax, 4, "press")
    seal(lax)
    report = audited(lax)
    assert 4 == report.named_entries
    [remark] = report.remarks
    assert "entry 2: the signature holds" in remark
    assert "it ended in seal 2, because it was stolen" in remark
    assert ["entry 3", "entry 4"] == [finding.what.split(", ")[1].split(":")[0] for finding in report.findings]


@pytest.mark.parametrize(
    ("holder", "identity", "says"),
    [
        ("nobody", None, "it is no key of identity"),
        ("boss", None, "not sign entries"),
        ("press", bytes(32), "which is no chain of this log"),
    ],
)
def test_whoever_was_never_right_to_sign_is_found(lax: Store, holder: str, identity: bytes | None, says: str) -> None:
    """A key of nobody, one that only changes keys, and an identity that is not there."""
    order(lax, 1, holder, identity)
    seal(lax)
    [finding] = audited(lax).findings
    assert says in finding.what


def test_a_statement_that_counts_for_nothing_is_remarked(lax: Store) -> None:
    """A statement that somebody without the right had recorded changes nothing, and is named."""
    state(lax, Statement(Operation.REVOKE, BEGIN.hash, about=public("boss")), "press")
    seal(lax)
    report = audited(lax)
    assert [] == report.findings
    [remark] = report.remarks
    assert "entry 1: states nothing that is in force" in remark


def test_an_announced_recovery_is_held_against_blocks(tmp_path: Path) -> None:
    """Confirmed and unasked waits are notes that say so; a block that is another than the log names is a finding."""
    store = Store(tmp_path / "anchorline.db")
    begin = began(LOG.log_id, key_set(BOSS, wait_blocks=144), "boss")
    store.writer.open_chain_with(Submission(first_entry_of(begin).encode()), "identity", START_MS)
    chain_id, blocks = store.chains.named("identity").chain_id, (bytes([1]) * 32, bytes([2]) * 32)
    new = Statement(Operation.ANNOUNCE, begin.hash, ending=Ending.LOST, key_set=key_set(key("new")))
    announced = signed(new, chain_id, "new").signed(chain_id, [(store.promise_key.public_key, store.promise_key.sign)])
    for height, block_hash, statement in (
        (100, blocks[0], announced),
        (244, blocks[1], signed(Statement(Operation.COMPLETE, begin.hash, announced.hash), chain_id, "new")),
    ):
        # A statement is judged by the block of the newest seal, and then stands in one of its own.
        store.open_chain(f"at {height}")
        store.directory.seal(store.checkpoint_key, START_MS, BlockId(height, block_hash))
        store.writer.submit(
            store.chains.named("identity"), [Submission(entry_of(chain_id, statement.encode()).encode())], START_MS
        )
        store.directory.seal(store.checkpoint_key, START_MS, BlockId(height, block_hash))
    known = [GivenBlock("regtest", height, block) for height, block in zip((100, 244), blocks, strict=True)]
    parts = (store.engine, store.trees, store.directory, store.chains)
    found = []
    for views in ((), known, (known[0], GivenBlock("regtest", 244, bytes(32)))):
        reader = Reader(store.engine, store.chains, store.lookup)
        report = Audit(*parts, reader, Journal(store.engine), views=views).run()
        found.append(([each.what for each in report.findings if each.where == "authors"], report.remarks))
    waited = f"chain {chain_id.hex()}: the recovery that the log announced waited from block 100 to 244, "
    assert ([], [f"{waited}as the log says: nobody whom you trust was asked about these blocks"]) == found[0]
    nothing = "no anchor that you can check has the announcement: nothing proves that it was made before"
    assert ([], [f"{waited}which you (the given block) confirms; {nothing}"]) == found[1]
    another = f"you (the given block) has another block at 244 than the log names, {'00' * 32}"
    assert ([f"{waited}which is not so: {another}"], []) == found[2]

"""A home of which receipts show all that they can show: authors, certificates, policies, later entries, a chain's life.

Tests tell of it what a service and a mirror make of one and the same log; chains are ``orders`` (under a policy, and
closed), ``identity`` (of whoever writes there), ``moved`` (of another log, which goes on here) and ``acme``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from anchor.attestations import Attestations
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, Extension, ExtensionType, Link, Relation
from anchor.proof.erasure import Scope
from anchor.proof.identity import Purpose
from anchor.proof.policy import Party, PartyKind, Policy, Rule
from anchor.proof.timestamp import imprint_of
from anchor.timestamps import Timestamps
from chains.archive.files import opened_export
from chains.bound_certificates import content_of
from chains.chain import Chain
from chains.continuing import continue_chain
from chains.export_part import export_part
from chains.identity_stating import bound, record_statement
from chains.life_stating import Signer, close_chain
from chains.reader import Reader, StoredEntry
from chains.work import Submission
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.identities import Holder, began, first_entry_of, key, key_set, public
from tests.simulators.policies import change, first_under, keys, signed_by
from tests.simulators.sealers import proof_of, sealer
from tests.simulators.service import Service, new_service
from tests.simulators.timestamp_authority import Stamped, certify_root, certify_signer, stamp
from tests.vectors.make_receipt_vectors import attested

CHAINS = ("acme", "identity", "moved", "orders")
CERTIFIED = sealer("Acme Ltd", certify_root())


class RichLog:
    """A service, and the steps of those who write there; each step but the last ends with an anchor."""

    def __init__(self, service: Service, bitcoin: SimulatedBitcoin, folder: Path) -> None:
        self.service, self.bitcoin, self.writer = service, bitcoin, service.home.writer
        begin = began(
            service.home.directory.log.log_id,
            key_set(key("boss"), key("press", Purpose.ENTRIES)),
            *("boss", "press"),
        )
        self.identity, _ = self.writer.open_chain_with(
            Submission(first_entry_of(begin).encode()), "identity", service.clock()
        )
        self._bind_certificate()
        self._anchor()
        self.policy = Policy(keys(1, "ann"), self._party_or("ann"), keys(1, "ann"))
        first = first_under("orders", self.policy, "ann")
        self.orders, _ = self.writer.open_chain_with(Submission(first.encode()), "orders", service.clock())
        self.told = self._write(*(self._order(b"%d" % number) for number in range(4)))
        self._anchor()
        self._continue_a_chain(folder)
        self._say_more()
        self._anchor()
        self._change_and_close()
        self._anchor()
        for attempt in service.home.journal.all()[-2:]:
            keep_stamps(service, attempt.checkpoint_size)
        self._correct_unanchored()

    @property
    def reader(self) -> Reader:
        home = self.service.home
        return Reader(home.engine, home.chains, home.lookup)

    def chain(self, name: str) -> Chain:
        return self.service.home.chains.named(name)

    def entries(self, name: str) -> list[StoredEntry]:
        """Return all entries of a chain."""
        return self.reader.page(self.chain(name), 0, 10_000)

    def _anchor(self) -> None:
        self.service.anchor(self.bitcoin)

    def _bind_certificate(self) -> None:
        history = self.writer.identities.current(self.identity, self.service.clock())
        proof = proof_of(CERTIFIED, self.identity.chain_id)
        statement = bound(history, Holder("boss"), CERTIFIED.hash, proof)
        record_statement(self.writer, self.identity, statement, self.service.clock(), content_of(CERTIFIED.chain))

    def _party_or(self, name: str) -> Rule:
        parties = (Party(PartyKind.IDENTITY, self.identity.chain_id), Party(PartyKind.KEY, public(name)))
        return Rule(1, tuple(sorted(parties)))

    def _order(self, salt: bytes, *links: tuple[Relation, bytes], holder: str = "press") -> Entry:
        """Return an order that a holder signed, press in the name of the identity."""
        named = (Extension(ExtensionType.IDENTITY, self.identity.chain_id),) if holder == "press" else ()
        chain_id = self.orders.chain_id
        said = tuple(Link(relation, chain_id, entry_hash) for relation, entry_hash in links)
        return signed_by(Entry(chain_id, sha256(salt), links=said, extensions=named), [holder])

    def _write(self, *entries: Entry) -> list[bytes]:
        run = self.writer.submit(self.orders, [Submission(entry.encode()) for entry in entries], self.service.clock())
        return [accepted.entry_hash for accepted in run]

    def _say_more(self) -> None:
        """Correct, retract, co-sign and erase what was anchored before, one thing in another seal."""
        first, second, third, _ = self.told
        [newer] = self._write(self._order(b"newer", (Relation.SUPERSEDES, first)))
        self._write(
            self._order(b"signed too", (Relation.COSIGNS, second), holder="ann"),
            self._order(b"and again", (Relation.COSIGNS, second)),
            self._order(b"of another's", (Relation.RETRACTS, third), holder="ann"),
        )
        self._anchor()
        self._write(self._order(b"not so", (Relation.RETRACTS, newer)))
        [erased] = self.service.add("acme", b"to be forgotten")
        stored = self.reader.by_hash(erased)
        assert stored is not None
        self._anchor()
        home = self.service.home
        home.erasing.erase(self.chain("acme"), [stored], Scope.ENTRY, "asked for", self.service.clock())

    def _change_and_close(self) -> None:
        newer = replace(self.policy, previous=self.entries("orders")[0].entry_hash, correctors=keys(1, "bob"))
        self._write(change(self.orders.chain_id, "newer policy", newer, "ann"))
        self._write(self._order(b"under the newer one"))
        close_chain(self.writer, self.orders, "sold", None, self.service.clock(), Signer(Holder("ann")))

    def _correct_unanchored(self) -> None:
        """Correct an entry in a seal that no anchor covers: its receipt stays under the anchored checkpoint."""
        [first] = self.service.add("acme", b"one more")
        self._anchor()
        chain = self.chain("acme")
        said = [Link(Relation.SUPERSEDES, chain.chain_id, first)]
        self.writer.record(chain, [b"and its correction"], self.service.clock(), links=said)
        self.service.seal()

    def _continue_a_chain(self, folder: Path) -> None:
        """Let a chain of another log go on here, and go on with it."""
        archive, bitcoin, log_id = folder / "moved.tar.gz", self.bitcoin, self.writer.log_id
        with new_service(folder / "earlier", bitcoin, self.service.clock) as earlier:
            bitcoin.mine(1, earlier.wallet.script)
            bitcoin.mine(149)
            earlier.open_chain("moved")
            earlier.add("moved", b"written", b"elsewhere")
            chain = earlier.home.chains.named("moved")
            close_chain(earlier.home.writer, chain, "we move", log_id, earlier.clock())
            earlier.anchor(bitcoin)
            export_part(earlier.home, archive, [chain])
        with opened_export(archive, print) as files:
            continue_chain(self.writer, files, "moved", self.service.clock())
        self.service.add("moved", b"written here")


def keep_stamps(service: Service, size: int) -> None:
    """Keep what an authority and a calendar gave over a checkpoint."""
    home, now_ms = service.home, service.clock()
    checkpoint = home.directory.checkpoint_of(size)
    assert checkpoint is not None
    imprint = imprint_of(size, checkpoint.root)
    token = stamp(certify_signer(certify_root()), Stamped(imprint))
    Timestamps(home.engine).keep(size, "https://stamps.invalid", token, now_ms)
    attestations, found = Attestations(home.engine), attested(imprint)
    attestations.keep_reply(size, "https://calendar.invalid", b"reply", now_ms)
    [reply] = attestations.pending(0, 1)
    attestations.keep_attestation(reply, found.network, found.ots, found.header, now_ms)


@contextmanager
def rich_log(folder: Path) -> Iterator[RichLog]:
    """Make it, and close its home at the end."""
    bitcoin = SimulatedBitcoin()
    with new_service(folder / "home", bitcoin) as service:
        begin_rich_log(service, bitcoin)
        yield RichLog(service, bitcoin, folder)


def begin_rich_log(service: Service, bitcoin: SimulatedBitcoin) -> None:
    """Give a new home its coins and its first chain, of which ``RichLog`` makes the rest."""
    bitcoin.mine(1, service.wallet.script)
    bitcoin.mine(149)
    service.open_chain("acme")

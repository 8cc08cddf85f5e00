"""The identities of one home: their key histories as of now, what may be written in their name, and their evidence.

Statements and entries come from the chains, seals from the directory; the rules are those of
``anchor.proof.identity_history``. The writer asks before it appends, receipts carry ``evidence``, and the commands of
``identity`` make statements with ``current``.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain as chained

from anchor.directory import Directory
from anchor.errors import RefusedEntryError
from anchor.proof.access_record import ACCESS_ID, is_access_id
from anchor.proof.author_audit import Named, named_author
from anchor.proof.certificate_evidence import CertificateEvidence
from anchor.proof.entry import AuthorType, Entry, ExtensionType
from anchor.proof.errors import MalformedError, VerificationError
from anchor.proof.identity import (
    IDENTITY_ID,
    Purpose,
    Statement,
    begins_identity,
    binds,
    certificate_bound_in,
    statement_of,
)
from anchor.proof.identity_card import IdentityCard
from anchor.proof.identity_evidence import MAX_ENTRIES, MAX_HEADS, IdentityEvidence, SealedHead
from anchor.proof.identity_history import History, Place, apply, history_of
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf, KeyLeaf, SealLeaf
from anchor.proof.leaves import Purpose as LogPurpose
from anchor.signing import check_signature
from anchor.storage.engine import Engine
from chains.chain import Chain, Chains, decode_kept

# Later than every leaf.
_ALL = NO_PREVIOUS >> 1


def named_by(entry: Entry) -> Named | None:
    """Return whom an entry names as its author, or None where it names no identity.

    Raises RefusedEntryError where it names one and is not signed in a way that can be checked here.
    """
    identity, named = entry.extension(ExtensionType.IDENTITY), named_author(entry)
    if identity is not None and entry.author.type == AuthorType.SEVERAL:
        raise RefusedEntryError(
            f"the entry names identity {identity.hex()} as its author, and several keys signed it: name none"
        )
    if identity is not None and named is None:
        raise RefusedEntryError(
            f"the entry names identity {identity.hex()} as its author, and no key signed it; sign it, or name none"
        )
    return named


class Identities:
    """The identities of one home."""

    def __init__(self, engine: Engine, chains: Chains) -> None:
        self.engine = engine
        self.chains = chains
        # By chain id, which says for ever what the first entry is: the first external id where it has a meaning here.
        self._first_ids: dict[bytes, bytes] = {}
        self._kept: dict[bytes, tuple[tuple[int, bytes, int], History]] = {}

    @cached_property
    def directory(self) -> Directory:
        """The directory, for reading."""
        return Directory.open(self.engine, self.chains.trees)

    def is_identity(self, chain: Chain) -> bool:
        """Say whether a chain is one of an identity: by the first external id of its first entry."""
        return self._first_id(chain) == IDENTITY_ID

    def is_access_chain(self, chain: Chain) -> bool:
        """Say whether a chain records who read what (``anchor.proof.access_record``), by the same."""
        return self._first_id(chain) == ACCESS_ID

    def _first_id(self, chain: Chain) -> bytes:
        """Return the first external id of a chain that is an identity or records access; of others nothing."""
        known = self._first_ids.get(chain.chain_id)
        if known is not None:
            return known
        first = next(self._entries(chain, min(1, self.chains.size(chain))), None)
        if first is None:
            return b""
        ids = Entry.decode(first).external_ids
        found = IDENTITY_ID if begins_identity(ids) else ACCESS_ID if is_access_id(ids) else b""
        self._first_ids[chain.chain_id] = found
        return found

    def current(self, chain: Chain, now_ms: int) -> History:
        """Return the key history of an identity with all that is recorded; what waits for a seal is in the next one.

        Raises VerificationError where the chain is no identity.
        """
        next_place = self.next_place(now_ms)
        size = self.chains.size(chain)
        last = bytes(self.chains.trees.leaf_hash(chain.chain_no, size - 1)) if size else b""
        state = (size, last, next_place.seal_number)
        kept = self._kept.get(chain.chain_id)
        if kept is not None and kept[0] == state:
            return kept[1]
        entries = map(Entry.decode, self._entries(chain, size))
        places = chained(self.entry_places(chain), iter(lambda: next_place, None))
        log_id = self.directory.log.log_id
        history = history_of(chain.chain_id, log_id, zip(entries, places, strict=False), check_signature)
        self._kept[chain.chain_id] = state, history
        return history

    def card(self, chain: Chain) -> IdentityCard:
        """Return the card of an identity; raises MalformedError where the chain does not begin as one."""
        first = next(self._entries(chain, min(1, self.chains.size(chain))), None)
        statement = None if first is None else statement_of(Entry.decode(first))
        if statement is None or not self.is_identity(chain):
            raise MalformedError(f"chain {chain.chain_id.hex()} does not begin as an identity")
        return IdentityCard(Statement.decode(statement))

    def sealed(self, chain: Chain) -> History:
        """Return the key history of an identity with all that is sealed, made anew from the entries.

        Raises VerificationError where the chain is no identity, UnknownVersionError where it cannot be judged.
        """
        entries = map(Entry.decode, self._entries(chain, self.chains.size(chain)))
        rows = zip(entries, self.entry_places(chain), strict=False)
        return history_of(chain.chain_id, self.directory.log.log_id, rows, check_signature)

    def sealed_places(self, chain: Chain) -> list[tuple[int, Place]]:
        """Return for each head of a chain how many entries it has, and where it is sealed."""
        found = list[tuple[int, Place]]()
        for index in self.directory.heads_of(chain.chain_no, _ALL):
            head = self.directory.leaf(index)
            assert isinstance(head, HeadLeaf)
            seal_index, seal = self.directory.seal_over(index)
            found.append((head.tree_size, self._place(seal, seal_index)))
        return found

    def next_place(self, now_ms: int) -> Place:
        """Return where an entry is sealed that is recorded now: in the next seal, at the block of the newest one.

        A seal never names a block below that of an earlier one by more than a reorganisation takes.
        """
        newest = self.directory.newest_seal()
        if newest is None:
            return Place(0, now_ms, 0, self.directory.log.promise_key.value)
        return Place(newest.seal_number + 1, now_ms, newest.block_height, self._promise_key(_ALL), newest.block_hash)

    # --- what the writer asks

    def check_author(self, named: Named, now_ms: int) -> None:
        """Raise RefusedEntryError unless the key that signed an entry is one of the identity that it names, now.

        A key that is registered and not sealed yet is not: in the same seal it would not count.
        """
        chain = self.chains.by_id(named.identity)
        if chain is None:
            raise RefusedEntryError(f"the entry names identity {named.identity.hex()}, which is no chain of this log")
        try:
            self.current(chain, now_ms).check_valid(named.public_key, Purpose.ENTRIES, self.next_place(now_ms))
        except (VerificationError, MalformedError) as error:
            raise RefusedEntryError(str(error)) from error

    def check_first(self, entry: Entry, now_ms: int) -> None:
        """Raise RefusedEntryError where a chain's first entry has an identity's ids and does not begin one here."""
        if not begins_identity(entry.external_ids):
            return
        rows = [(entry, self.next_place(now_ms))]
        try:
            history_of(entry.chain_id, self.directory.log.log_id, rows, check_signature)
        except (VerificationError, MalformedError) as error:
            raise RefusedEntryError(str(error.__cause__ or error)) from error

    def check_next(self, chain: Chain, entries: Sequence[Entry], now_ms: int) -> None:
        """Raise RefusedEntryError where entries are for an identity's chain and would not all be in force there."""
        if not self.is_identity(chain):
            return
        name = f"chain {chain.chain_id.hex()} is an identity"
        size = self.chains.size(chain) + len(entries)
        if size > MAX_ENTRIES:
            raise RefusedEntryError(f"{name}, of which receipts show {MAX_ENTRIES} entries; begin another one")
        try:
            history, place = self.current(chain, now_ms), self.next_place(now_ms)
            for entry in entries:
                history = apply(history, entry, place, check_signature)
        except (VerificationError, MalformedError) as error:
            raise RefusedEntryError(f"{name}, and takes only statements that are in force: {error}") from error

    # --- what receipts carry

    def evidence(self, identity: bytes, size: int) -> IdentityEvidence | None:
        """Return the evidence of an identity under the checkpoint of ``size`` leaves (docs/spec/identity.md).

        None where it is no identity of this log, is not sealed there yet, or is longer than a receipt may show.
        """
        chain = self.chains.by_id(identity)
        if chain is None or not self.is_identity(chain):
            return None
        indexes = self.directory.heads_of(chain.chain_no, size)
        if not indexes or len(indexes) > MAX_HEADS:
            return None
        heads = tuple(self._sealed_head(index, size) for index in indexes)
        count = heads[-1].head.leaf.tree_size
        if count > MAX_ENTRIES:
            return None
        proof, seal_index = self.directory.prove_newest_head(identity, size)
        _, seal = self.directory.seal_over(seal_index)
        return IdentityEvidence(
            tuple(self._entries(chain, count)), heads, self.directory.under(seal, seal_index, size), proof.siblings
        )

    def certificates(self, identity: bytes, end: int) -> CertificateEvidence | None:
        """Return the certificates that the first ``end`` entries of an identity bind, as far as they are kept."""
        chain = self.chains.by_id(identity)
        if chain is None:
            return None
        # Most homes have none, and what reads certificates takes long to load.
        from chains.bound_certificates import shown_certificates  # noqa: PLC0415

        return shown_certificates(self._bound_contents(chain, end))

    def _bound_contents(self, chain: Chain, end: int) -> Iterator[tuple[bytes, bytes | None]]:
        for _, first_seq, count in self.chains.seq_ranges(chain, 0, end):
            for _, raw, kept in self.chains.bundles.rows(first_seq, first_seq + count):
                entry = Entry.decode(raw)
                if binds(entry):
                    found = decode_kept(kept)
                    yield certificate_bound_in(entry), None if found is None else found.content

    def _sealed_head(self, index: int, size: int) -> SealedHead:
        head = self.directory.leaf(index)
        assert isinstance(head, HeadLeaf)
        seal_index, seal = self.directory.seal_over(index)
        return SealedHead(self.directory.under(head, index, size), self.directory.under(seal, seal_index, size))

    # --- where things are

    def _entries(self, chain: Chain, end: int) -> Iterator[bytes]:
        for _, first_seq, count in self.chains.seq_ranges(chain, 0, end):
            for _, raw in self.chains.bundles.entries(first_seq, first_seq + count):
                yield raw

    def entry_places(self, chain: Chain) -> Iterator[Place]:
        """Yield for each sealed entry of a chain where it was first sealed."""
        before = 0
        for size, place in self.sealed_places(chain):
            yield from [place] * (size - before)
            before = size

    def _place(self, seal: SealLeaf, index: int) -> Place:
        return Place.of_seal(seal, self._promise_key(index))

    def _promise_key(self, index: int) -> bytes:
        """Return the promise key in force at a directory index: key leaves stand before the heads of their seal."""
        leaves = [leaf for _, leaf in self.directory.log_marks(index) if isinstance(leaf, KeyLeaf)]
        given = [leaf.new_key for leaf in leaves if leaf.purpose == LogPurpose.PROMISE]
        return (given[-1] if given else self.directory.log.promise_key).value

"""Going on in this log with a chain of another: the same entries, byte for byte, and a continuation behind them.

Input is an archive that ``chains.export_part`` wrote elsewhere, which is checked in full before anything is written.
Everything is one transaction: an interrupted run has left nothing, and is simply run again (docs/spec/chain-life.md).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from anchor.errors import ChainClosedError, ChainExistsError, RefusedEntryError
from anchor.hashing.chosen import HASHING
from anchor.proof.archive_envelopes import KeptEnvelope, ReaderSpan, envelopes_of
from anchor.proof.archive_files import Archive
from anchor.proof.archive_part import CheckedPart, PartEntry, check_part, entries_of
from anchor.proof.blocks import KnownBlocks
from anchor.proof.chain_life import Closing, Continuation, statement_of
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.identity import begins_identity
from anchor.proof.life_evidence import TYPE, LifeEvidence, shown_life
from anchor.proof.promise import ANONYMOUS
from anchor.proof.receipt import Content, ContentState, Receipt, Sealed
from anchor.proof.verifier import Verifier
from anchor.signing import check_signature
from chains.bundle import Column
from chains.chain import Batch, Chain, keep_box, keep_content, keep_digest
from chains.client.envelope import Envelope
from chains.found_by import may_have_keys
from chains.life_stating import Signer, stating
from chains.work import Accepted
from chains.writer import Writer

_AT_ONCE = 1_024
"""Entries that are appended, and promised, together."""
MOST_ENTRIES = 1_000_000
"""Of one chain: it is one transaction, in which nobody else writes."""


@dataclass(frozen=True, slots=True)
class Continued:
    """A chain that goes on here: the log it came from, how many entries it brought, and whether that log agrees."""

    chain: Chain
    log_id: bytes
    origin: str
    tree_size: int
    is_agreed: bool
    continuation: Accepted


def continue_chain(
    writer: Writer,
    archive: Archive,
    name: str | None,
    now_ms: int,
    *,
    blocks: Sequence[KnownBlocks] = (),
    signer: Signer | None = None,
    note: Callable[[Chain], None] = lambda _: None,
) -> Continued:
    """Continue the one chain of an archive in this log; ``note`` is run in the same transaction.

    Raises ArchiveError, VerificationError or MalformedError where the archive does not hold; ChainExistsError where the
    chain is here; ChainClosedError where it was closed, and not to go on here; RefusedEntryError where it cannot go on
    in any other log, or not without that log saying so.
    """
    part = check_part(archive, Verifier(blocks=tuple(blocks), check_signature=check_signature))
    chain_id, earlier = _only_chain(part)
    if writer.chains.by_id(chain_id) is not None:
        raise ChainExistsError(f"chain {chain_id.hex()} is in this log already: it cannot be continued here")
    plan = _planned(archive, chain_id, earlier, writer.log_id)
    continuation = stating(chain_id, _continuation(earlier, now_ms), writer.log_id, signer)
    writer.lookup.keep_up(writer.next_seq)
    with writer.engine.transaction():
        received_at_ms = writer.received_at(now_ms)
        chain = writer.chains.open(chain_id, name, now_ms)
        note(chain)
        envelopes = _Envelopes(envelopes_of(archive, chain_id), earlier.log.log_id)
        for items in _some(entries_of(archive, chain_id)):
            _append(writer, chain, items, received_at_ms, envelopes=envelopes)
        for leaf_index, receipt in plan.receipts.items():
            writer.lives.keep_earlier_receipt(chain, leaf_index, receipt.encode())
        [accepted] = _append(writer, chain, [PartEntry(continuation.entry, None)], received_at_ms, continuation.salt)
    log = earlier.log
    return Continued(chain, log.log_id, log.origin, accepted.leaf_index, plan.is_agreed, accepted)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was found in the entries: the earlier receipts to keep, by the continuation's place; who agrees."""

    receipts: Mapping[int, Receipt]
    is_agreed: bool


def _only_chain(part: CheckedPart) -> tuple[bytes, Receipt]:
    """Return the id of the one chain, and the receipt of its last entry without what it shows of the chain's life."""
    if len(part.last) != 1:
        raise RefusedEntryError(f"the archive holds {len(part.last)} chains: export one at a time to continue it")
    [(chain_id, receipt)] = part.last.items()
    sealed = _sealed(receipt)
    if not sealed.is_in_bitcoin:
        raise RefusedEntryError("the chain is not in a block of Bitcoin in its own log yet: export it once it is")
    if part.entries > MOST_ENTRIES:
        raise RefusedEntryError(f"the chain has {part.entries} entries; at most {MOST_ENTRIES} go on in another log")
    return chain_id, receipt


def _planned(archive: Archive, chain_id: bytes, last: Receipt, log_id: bytes) -> _Plan:
    """Hold the entries to the rules; a log-bound one may only come from logs which say that the chain moved."""
    said: dict[int, Closing | Continuation] = {}
    bound: dict[bytes, int] = {}
    for index, item in enumerate(entries_of(archive, chain_id)):
        entry = Entry.decode(item.raw)
        if index == 0 and begins_identity(entry.external_ids):
            raise RefusedEntryError(
                "the chain is an identity, which belongs to its log: begin one here, and say so there"
            )
        if entry.extension(ExtensionType.POLICY) is not None:
            raise RefusedEntryError(
                "the chain has a policy, which only its own log can judge: it cannot be continued here"
            )
        if entry.unknown_critical_extensions():
            raise RefusedEntryError(f"entry {index} has an extension that must be understood, and is not known here")
        if (wanted := entry.extension(ExtensionType.LOG_ID)) is not None and wanted != log_id:
            bound.setdefault(wanted, index)
        statement = statement_of(entry) if entry.extensions else None
        if isinstance(statement, Closing | Continuation):
            said[index] = statement
    agreed = _agreed(said, last, log_id)
    _check_goes_on_here(said, log_id)
    for wanted, index in bound.items():
        if wanted not in agreed:
            raise RefusedEntryError(
                f"entry {index} is meant for log {wanted.hex()} only, and that log does not say that its chain moved "
                f"here: close it there, `anchorline chain close --moved-to {log_id.hex()}`, and export it again"
            )
    size = _sealed(last).head.leaf.tree_size
    return _Plan(_receipts(said, last) | {size: _as_earlier(last)}, last.log.log_id in agreed)


def _agreed(said: Mapping[int, Closing | Continuation], last: Receipt, log_id: bytes) -> set[bytes]:
    """Return the logs that say, one after the other, that the chain moved, up to this one."""
    moves = [(index, each.log_id) for index, each in said.items() if isinstance(each, Continuation)]
    moves.append((_sealed(last).head.leaf.tree_size, last.log.log_id))
    found, towards = set[bytes](), log_id
    for index, came_from in reversed(moves):
        closing = said.get(index - 1)
        if not isinstance(closing, Closing) or closing.moved_to != towards:
            break
        found.add(came_from)
        towards = came_from
    return found


def _check_goes_on_here(said: Mapping[int, Closing | Continuation], log_id: bytes) -> None:
    """Refuse a chain that its own log closed for good, or towards another log than this one."""
    for index, each in said.items():
        if not isinstance(each, Closing) or each.moved_to == log_id or isinstance(said.get(index + 1), Continuation):
            continue
        to = "for good" if each.moved_to is None else f"to go on in log {each.moved_to.hex()}, which is not this one"
        raise ChainClosedError(f"the chain was closed {to}: it cannot be continued here")


def _receipts(said: Mapping[int, Closing | Continuation], last: Receipt) -> dict[int, Receipt]:
    """Return the receipts on which earlier continuations rest, as the receipt of the last entry shows them."""
    shown = [LifeEvidence.from_json(item) for item in shown_life(last)]
    found = {each.chain.index: each.earlier for each in shown if each.earlier is not None}
    lacking = [index for index, each in said.items() if isinstance(each, Continuation) and index not in found]
    if lacking:
        raise RefusedEntryError(f"the archive does not show the receipt on which its entry {lacking[0]} rests")
    return found


def _as_earlier(last: Receipt) -> Receipt:
    """Return a receipt as it is shown in those of a later log: without content, and of its chain's life nothing."""
    sealed = _sealed(last)
    evidence = tuple(item for item in sealed.evidence if item["type"] != TYPE)
    return replace(last, content=Content(ContentState.WITHHELD), sealed=replace(sealed, evidence=evidence))


def _continuation(earlier: Receipt, now_ms: int) -> Continuation:
    sealed = _sealed(earlier)
    head, checkpoint = sealed.head.leaf, sealed.checkpoint
    return Continuation(now_ms, earlier.log.log_id, head.tree_size, head.root, checkpoint.size, checkpoint.root)


_IN_LOG = " in log "


@dataclass(frozen=True, slots=True)
class _Brought:
    """What comes with an entry whose content is, or was, encrypted; ``readers`` None: the export does not list them."""

    envelope: Envelope | None
    readers: list[ReaderSpan] | None


_NOTHING = _Brought(None, None)


class _Envelopes:
    """The envelopes of a chain, each for the entry that comes with it, in their order; ``log_id`` is where from."""

    def __init__(self, left: Iterator[KeptEnvelope], log_id: bytes) -> None:
        self._left = left
        self._waiting = next(left, None)
        self._log_id = log_id

    def of(self, raw: bytes) -> _Brought:
        """Return the envelope of an entry, and its readers; to be asked for each entry, from the first on."""
        found = self._waiting
        if found is None or found.raw != raw:
            return _NOTHING
        self._waiting = next(self._left, None)
        envelope = None if found.envelope is None else Envelope.decode(found.envelope)
        readers = None if found.readers is None else [_from_elsewhere(each, self._log_id) for each in found.readers]
        return _Brought(envelope, readers)


def _from_elsewhere(span: ReaderSpan, log_id: bytes) -> ReaderSpan:
    """Return a span that says in which log somebody changed it: neither its keys nor its operator are this one's."""

    def named(by: str | None) -> str | None:
        return by if by is None or _IN_LOG in by else f"{by}{_IN_LOG}{log_id.hex()}"

    return replace(span, added_by=named(span.added_by), removed_by=named(span.removed_by))


def _append(
    writer: Writer,
    chain: Chain,
    items: Sequence[PartEntry],
    received_at_ms: int,
    salt: bytes | None = None,
    envelopes: _Envelopes | None = None,
) -> Sequence[Accepted]:
    """Append entries with what is kept beside them, and promise them, inside the transaction."""
    raws = [item.raw for item in items]
    beside = [_NOTHING if envelopes is None else envelopes.of(raw) for raw in raws]
    kept = list(map(_kept, items, beside)) if salt is None else [keep_content(salt, b"")]
    batch = Batch(Column.of(raws), Column.of(kept), HASHING.leaves(raws), any(map(may_have_keys, raws)))
    run = writer.chains.append_rows(chain, batch, ANONYMOUS)
    writer.promise([(chain.chain_id, run, batch.hashes)], received_at_ms)
    writer.lives.note(chain, run.first_index, [Entry.decode(raw) for raw in raws], writer.log_id)
    for seq, each in enumerate(beside, run.first_seq):
        keys = () if each.envelope is None else each.envelope.keys
        if each.readers is None:
            writer.envelopes.keep([(seq, keys)], received_at_ms)
        else:
            writer.envelopes.bring(seq, each.readers, keys)
    places = range(run.first_index, run.first_index + run.entry_count)
    return [
        Accepted(key, index, run.first_seq + place)
        for place, (key, index) in enumerate(zip(batch.hashes, places, strict=True))
    ]


def _kept(item: PartEntry, brought: _Brought) -> bytes:
    if brought.envelope is not None:
        return keep_box(brought.envelope.box)
    if item.kept is None:
        return b""
    if item.kept.content is None:
        return keep_digest(item.kept.salt, item.kept.digest)
    return keep_content(item.kept.salt, item.kept.content)


def _some(items: Iterator[PartEntry]) -> Iterator[list[PartEntry]]:
    while some := list(islice(items, _AT_ONCE)):
        yield some


def _sealed(receipt: Receipt) -> Sealed:
    assert receipt.sealed is not None, "checked with the archive"
    return receipt.sealed

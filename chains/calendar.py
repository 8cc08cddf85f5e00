"""The calendar: digests of strangers on a public chain, and the OpenTimestamps way from each of them to Bitcoin.

``chains.web.calendar`` hands in what clients post and ask, the writer and the log hold everything. An entry over the
posted bytes already leads from them to its entry hash by SHA-256, append and prepend; that hash is the client's key.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anchor.errors import SettingsError
from anchor.journal import Journal
from anchor.lifecycle import LIVE, State
from anchor.proof import opentimestamps as ots
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.entry import SALT_SIZE, Entry, ExternalId, IdKind, content_commitment
from anchor.proof.receipt import Sealed
from chains.chain import Chain
from chains.home import Home
from chains.ots_export import from_entry_hash, to_entry_hash
from chains.reader import Reader
from chains.receipts import Receipts
from chains.work import Submission
from chains.writer import Writer

MAX_DIGEST = 64
"""Bytes that a client may post: what the reference calendar takes."""
MAX_REPLY = 10_000
"""Bytes that the stock client reads of a reply."""
MIN_RETRY_S = 60
# Stands for any commitment; no other field of the entry can hold these bytes.
_ANY_COMMITMENT = sha256(b"a content commitment")
_URI = re.compile(r"https?://[A-Za-z0-9\-._:]+(/([A-Za-z0-9\-._:/]*/)?)?")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A digest on the chain, durably: its entry hash, and the timestamp that leads from it there."""

    entry_hash: bytes
    timestamp: bytes


@dataclass(frozen=True, slots=True)
class Complete:
    """The timestamp that leads from an entry hash to the Bitcoin block at ``height``."""

    timestamp: bytes
    height: int


@dataclass(frozen=True, slots=True)
class Pending:
    """The entry is here and not deep enough in Bitcoin yet; ``why`` uses only what the stock client prints."""

    why: str
    retry_after_s: int


def check_uri(uri: str) -> str:
    """Return the address that goes into every pending timestamp, for decades; raise SettingsError for a bad one.

    The stock client joins it with ``timestamp/`` by the rules of RFC 3986, section 5.2.3: the last part of a path that
    does not end in a slash would be lost.
    """
    if not _URI.fullmatch(uri) or len(uri) > ots.MAX_URI:
        raise SettingsError(
            f"--uri: expected http:// or https://, a host, and perhaps a path that ends in a slash, of at most "
            f"{ots.MAX_URI} of A-Z a-z 0-9 - . _ / : only, got {uri[:200]!r}"
        )
    return uri


def calendar_chain(home: Home, name: str) -> Chain:
    """Return the chain of the calendar, opened where there is none of this name or id yet."""
    if home.chains.by_name(name) is None and len(name) != 2 * HASH_SIZE:
        ids = [ExternalId(IdKind.CLEAR, name.encode())]
        return home.writer.open_chain(ids, b"", name, home.clock())[0]
    return home.chains.named(name)


@dataclass(frozen=True, slots=True)
class Form:
    """What all entries of a calendar and all its answers have in common, made once: most of an answer's work.

    An entry is ``before`` ‖ content commitment ‖ ``after``; an answer ends in ``steps``, behind the prepended salt.
    """

    chain: Chain
    before: bytes
    after: bytes
    steps: bytes

    @classmethod
    def of(cls, chain: Chain, uri: str) -> "Form":
        """Return the form of the entries of ``chain`` and of answers that are pending at ``uri``."""
        entry = Entry(chain.chain_id, _ANY_COMMITMENT)
        before, after = entry.encode().split(_ANY_COMMITMENT)
        _, *steps = to_entry_hash(entry, bytes(SALT_SIZE))
        path = ots.Path(tuple(steps), ots.PendingAttestation(uri))
        return cls(chain, before, after, ots.Timestamp((path,)).encode())


def accept(writer: Writer, form: Form, digests: Sequence[bytes], now_ms: int) -> list[Accepted]:
    """Record posted bytes (1 to 64 each) as one group commit; when this returns, they are on disk.

    They are kept by digest only: what strangers choose is not stored. Raises ClockError or a StorageError: nothing
    was kept.
    """
    submissions = [_submission(form, sha256(posted), os.urandom(SALT_SIZE)) for posted in digests]
    accepted = writer.submit(form.chain, submissions, now_ms)
    return [
        Accepted(item.entry_hash, _answer(form, submission))
        for item, submission in zip(accepted, submissions, strict=True)
    ]


def _submission(form: Form, digest: bytes, salt: bytes) -> Submission:
    return Submission(form.before + content_commitment(salt, digest) + form.after, salt, digest)


def _answer(form: Form, submission: Submission) -> bytes:
    """Return the timestamp from the posted bytes to the entry hash: sha256, prepend salt, and the steps of all."""
    assert submission.salt is not None
    return ots.SHA256.encode() + ots.prepend(submission.salt).encode() + form.steps


class Lookups:
    """Answers about the calendar's entries, from a home of its own that only reads; one thread uses it."""

    def __init__(self, home: Home, chain: Chain, uri: str) -> None:
        self.home = home
        self.chain = chain
        self.uri = uri
        self.reader = Reader(home.engine, home.chains, home.lookup)
        self.receipts = Receipts(home.engine, home.trees, home.directory, home.chains, home.journal, home.lookup)

    def timestamp(self, key: bytes) -> Complete | Pending | None:
        """Return the timestamp from an entry hash on, what it waits for, or None where the calendar has no such entry.

        Other chains are not looked into: their paths are their owners' to hand out.
        """
        stored = self.reader.by_hash(key) if len(key) == HASH_SIZE else None
        if stored is None or stored.chain_no != self.chain.chain_no:
            return None
        sealed = self.receipts.sealed(stored)
        anchor = next((item for item in sealed.anchors if isinstance(item, BitcoinAnchor)), None) if sealed else None
        if sealed is None or anchor is None:
            return self._not_anchored(sealed)
        if not _is_final(self.home.journal, anchor):
            wanted = self.home.network.final_depth
            return self._pending(f"in block {anchor.height}, waiting for {wanted} confirmations", MIN_RETRY_S)
        return Complete(_completed(sealed, anchor), anchor.height)

    def _not_anchored(self, sealed: Sealed | None) -> Pending:
        settings = self.home.settings
        if sealed is None:
            return self._pending("not sealed yet", settings.seal_every_s + settings.anchor_every_s)
        attempts = self.home.journal.watched()
        sent = [item for item in attempts if item.state in LIVE and item.checkpoint_size > sealed.head.index]
        if sent:
            return self._pending(f"in transaction {hash_hex(sent[0].txid)}, which is in no block yet", MIN_RETRY_S)
        return self._pending("sealed, waiting for the next anchor", settings.anchor_every_s)

    def _pending(self, what: str, retry_after_s: int) -> Pending:
        return Pending(f"Pending on {self.home.network.name}; {what}", max(retry_after_s, MIN_RETRY_S))

    def status(self) -> dict[str, Any]:
        """Return what a visitor may know: whose calendar this is, and how far it is."""
        log = self.home.directory.log
        state = self.home.trees.state(self.chain.chain_no)
        newest = self.home.directory.newest()
        return {
            "calendar": self.uri,
            "origin": log.origin,
            "log_id": log.log_id.hex(),
            "chain_id": self.chain.chain_id.hex(),
            "network": self.home.network.name,
            "confirmations_wanted": self.home.network.final_depth,
            "entries": state.size,
            "sealed_entries": state.sealed_size,
            "checkpoint_size": None if newest is None else newest.size,
        }


def _is_final(journal: Journal, anchor: BitcoinAnchor) -> bool:
    """Say whether the journal holds the anchor, in this very block, to be final now."""
    attempt = journal.of_txid(anchor.decoded_transaction.txid)
    if attempt is None or attempt.state != State.FINAL or attempt.standing.block is None:
        return False
    return attempt.standing.block.hash == anchor.decoded_header.hash


def _completed(sealed: Sealed, anchor: BitcoinAnchor) -> bytes:
    steps = tuple(from_entry_hash(sealed, anchor))
    return ots.Timestamp((ots.Path(steps, ots.BitcoinAttestation(anchor.height)),)).encode()

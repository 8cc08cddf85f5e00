# SPDX-License-Identifier: Apache-2.0
"""The policies of the chains in an export: every entry held to the one in force, and what each head names.

Input is an ``Archive`` and its directory, whose entries and signatures were checked before, each for itself;
``archive`` and ``chains.archive`` judge with it. The rules are those of ``policy`` (docs/spec/policy.md).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from anchor.proof.archive_directory import ArchivedDirectory
from anchor.proof.archive_files import FAULTS, Archive, chain_prefix, leaves_of, read_bundle, refuse
from anchor.proof.archive_lines import Kept
from anchor.proof.author_audit import Say, was_valid_when_written
from anchor.proof.bundles import TILE_WIDTH
from anchor.proof.codec import index_in
from anchor.proof.entry import Entry
from anchor.proof.errors import AnchorlineError, MalformedError, UnknownVersionError, VerificationError
from anchor.proof.identity import Purpose
from anchor.proof.identity_history import History, Place
from anchor.proof.leaves import NO_POLICY, HeadLeaf
from anchor.proof.log_statements import NO_CONTENT, stated_by_log
from anchor.proof.merkle import leaf_hash
from anchor.proof.policy import IsKeyOf, NotFollowedError, Standing, judged, stated_in
from anchor.proof.policy_evidence import but_for_a_tie


@dataclass
class PoliciesAudit:
    """Judges chains under a policy, and tells ``fault`` and ``remark``; ``history`` raises where there is none.

    A fault is what the log's writer must have refused, in whatever order things came within one seal, or a head that
    names another policy. A remark is what he rightly took and what counts for nothing by its seal: as ``AuthorsAudit``.
    """

    archive: Archive
    directory: ArchivedDirectory
    history: Callable[[bytes], History]
    fault: Say
    remark: Say
    _histories: dict[bytes, History | None] = field(default_factory=dict)

    def judge(self, chain_id: bytes, stating: Iterable[int]) -> None:
        """Judge a chain; ``stating`` are the indexes of its entries that state a policy. Without the first it is open.

        Of an open chain no head names a policy, and no entry states one.
        """
        where, indexes = f"chain {chain_id.hex()}", sorted(stating)
        if indexes[:1] == [0]:
            _Walk(self, chain_id, where).run()
            return
        for index in indexes:
            self.fault(f"{where}, entry {index}: states a policy, and its chain has none")
        named = next((head for head in self.directory.heads[chain_id] if head.policy != NO_POLICY), None)
        if named is not None:
            self.fault(f"{where}: the head of {named.tree_size} entries names a policy, and its chain has none")

    def is_key_at(self, place: Place, where: str) -> IsKeyOf:
        """Return what says whether a key may have been one of an identity when an entry of a seal was written."""

        def is_key_of(identity: bytes, public_key: bytes) -> bool:
            history = self._history(identity, where)
            return history is not None and was_valid_when_written(history, public_key, place)

        return is_key_of

    def is_key_by_seal(self, place: Place, where: str, *, is_stating: bool) -> IsKeyOf:
        """Return what says whether a key is one by its seal, as a receipt shows it; for who states, a tie counts."""

        def is_key_of(identity: bytes, public_key: bytes) -> bool:
            history = self._history(identity, where)
            if history is None:
                return False
            try:
                shown = but_for_a_tie(history, public_key, place) if is_stating else history
                shown.check_valid(public_key, Purpose.ENTRIES, place)
            except VerificationError:
                return False
            return True

        return is_key_of

    def _history(self, identity: bytes, where: str) -> History | None:
        if identity not in self._histories:
            self._histories[identity] = None
            try:
                self._histories[identity] = self.history(identity)
            except UnknownVersionError as error:
                self.remark(f"{where}: identity {identity.hex()} cannot be judged: {error}")
            except AnchorlineError as error:
                self.fault(f"{where}: its policy: {error}")
        return self._histories[identity]


class _Walk:
    """A chain under a policy, from its first entry on."""

    def __init__(self, audit: PoliciesAudit, chain_id: bytes, where: str) -> None:
        self.audit = audit
        self.chain_id = chain_id
        self.where = where
        self.heads = audit.directory.heads[chain_id]
        self.standing: Standing = ()
        self.hashes = bytearray()
        self.by_log: dict[int, str] = {}

    def run(self) -> None:
        size, ahead = self.heads[-1].tree_size, iter(self.heads)
        head = next(ahead)
        for index, raw in enumerate(leaves_of(self.audit.archive, chain_prefix(self.chain_id), size, _ignore)):
            while head.tree_size <= index:
                head = next(ahead)
            if raw is None:
                self.audit.remark(
                    f"{self.where}: from entry {index} on, which is missing, nothing is held to its policy"
                )
                return
            self._entry(index, raw, head)
            self.hashes += leaf_hash(raw)
            if index + 1 == head.tree_size:
                self._head(head)
        self._contents()

    def _entry(self, index: int, raw: bytes, head: HeadLeaf) -> None:
        place = self.audit.directory.places.get(self.chain_id, {}).get(head.tree_size)
        if place is None:  # its seal is missing, which is a fault of its own
            return
        where = f"{self.where}, entry {index}"
        try:
            entry = Entry.decode(raw)
            self.standing = self._judged(where, index, entry, place)
            by_log = stated_by_log(entry)
        except UnknownVersionError as error:
            self.audit.remark(f"{where}: cannot be held to the policy of its chain: {error}")
            return
        except (VerificationError, MalformedError) as error:
            self.audit.fault(f"{where}: {error}")
            return
        if by_log is not None:
            self.by_log[index] = by_log

    def _judged(self, where: str, index: int, entry: Entry, place: Place) -> Standing:
        """Return the policies in force after an entry that was rightly taken: by what was so then, or by its seal.

        Remark what a receipt of it does not show as followed: a key ended in its seal, or was too old at its time.
        """
        is_stating = stated_in(entry) is not None
        by_seal = self.audit.is_key_by_seal(place, where, is_stating=is_stating)
        try:
            return judged(self.standing, index, entry, by_seal, self._find)
        except NotFollowedError as error:
            after = judged(self.standing, index, entry, self.audit.is_key_at(place, where), self._find)
            self.audit.remark(f"{where}: by its seal {error}")
            return after

    def _head(self, head: HeadLeaf) -> None:
        wanted = self.standing[-1].entry_hash if self.standing else NO_POLICY
        if head.policy != wanted:
            self.audit.fault(
                f"{self.where}: the head of {head.tree_size} entries names another policy than its entries"
            )

    def _find(self, entry_hash: bytes) -> Entry | None:
        """Return the earlier entry of the chain with this hash."""
        index = index_in(self.hashes, entry_hash)
        if index is None:
            return None
        bundle = read_bundle(
            *(self.audit.archive, chain_prefix(self.chain_id), index // TILE_WIDTH, self.heads[-1].tree_size), refuse
        )
        return Entry.decode(bundle[index % TILE_WIDTH] or b"")

    def _contents(self) -> None:
        """What the log states by itself carries no content: else anybody's words could stand there, unsigned."""
        for index in self._with_content() if self.by_log else ():
            what = f"states {self.by_log[index]}, and carries content besides"
            self.audit.fault(f"{self.where}, entry {index}: {what}")

    def _with_content(self) -> list[int]:
        path, found = f"content/{self.chain_id.hex()}.jsonl", list[int]()
        try:
            for line in self.audit.archive.lines(path):
                kept = Kept.decode(line, path)
                found += [kept.index] if kept.index in self.by_log and kept.digest != NO_CONTENT else []
        except FAULTS:
            return found  # named by whoever checks the contents
        return found


def _ignore(_what: str) -> None:
    """Say nothing of what is missing: whoever checks the entries names it."""

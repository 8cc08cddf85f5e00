"""A mirror made from outside: what somebody publishes of a log is fetched, judged as a whole, and published again.

Input is a ``Fetch`` over a service or another mirror, which is believed in nothing, and an ``Auditor``. Nothing in the
folder changes before the thread audit, the same that ``anchorline audit URL`` runs, finds no fault in what the folder
would then hold; a log that changed its history is refused, and what it showed is kept (docs/spec/mirror.md).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

from anchor.errors import HistoryDiffersError, NotYetError, SourceError
from anchor.log import TILE_WIDTH, tile_path
from anchor.proof.checkpoint import Checkpoint, is_signed_by, note_in
from anchor.proof.mirror_chain import continues
from anchor.proof.receipt import LogCard
from anchor.published import CARD, CHECKPOINT, read_card
from anchor.thread_audit import audit_thread
from anchor.thread_auditor import Auditor
from anchor.thread_list import FILE_NAME as THREAD_FILE
from anchor.thread_verdict import Number, Outcome, Reason, Verdict
from anchor.tiles import ENTRIES, Fetch, PublishedTree, WithheldError, tile_width
from chains.incoming import Incoming, finish
from chains.mirror_folder import card_in, chain_prefix, check_folder, fetch_from, has_entries, only_writer, put_file
from chains.mirror_taking import (
    DirectoryRead,
    late_stamps,
    put_anchors,
    take_anchors,
    take_earlier,
    take_leaves,
    take_tiles,
)
from chains.verify_page import FILE_NAME as VERIFY_PAGE
from chains.verify_page import page

MOST_BYTES = 64 * 2**30
"""What one run fetches at most where nobody says otherwise: a log cannot fill a disk unasked."""

MOST_NAMED = 20
"""Entries that are named because of their author; `audit` of the folder names all of them."""


@dataclass(slots=True)
class Copied:
    """What a run did. ``size`` is the published size of the directory, ``outcome`` what the thread audit said.

    Where there was nothing new but stamps, nothing was judged, and ``outcome`` is None. ``withdrawn`` are chains, or
    their entries, that are not shown to us any more; of ``withheld`` ones a part is not there. ``wrong_authors`` are
    entries that the log should have refused for their author's sake: it took them, and so they are in the copy.
    """

    size: int = 0
    outcome: Outcome | None = None
    chains: int = 0
    chains_changed: int = 0
    chains_not_shown: int = 0
    withdrawn: list[str] = field(default_factory=list)
    withheld: list[str] = field(default_factory=list)
    entries: int = 0
    wrong_authors: list[str] = field(default_factory=list)
    anchors: int = 0
    files_written: int = 0
    fetched_bytes: int = 0


class MirrorCopy:
    """Copies into one folder what ``remote`` shows of one log; ``auditor`` pins the log, and names Bitcoin sources.

    ``chains`` limits it to these chains; ``most_bytes`` is what one run may fetch.
    """

    def __init__(
        self,
        folder: Path,
        remote: Fetch,
        auditor: Auditor,
        chains: Collection[bytes] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.folder = folder
        self.remote = remote
        self.auditor = auditor
        self.chains = chains
        self.most_bytes = most_bytes

    def run(self) -> Copied:
        """Bring the folder up to what is published now; may be stopped at any point, and run again.

        Raises HistoryDiffersError where what is published does not hold, or is another history than the folder's: the
        folder stays as it was, and what was shown is kept beside it where it proves something. Raises NotYetError where
        nothing is published yet, SettingsError for a folder of something else, SourceError where a file is missing that
        must be there, or files are more than may be, and SourceUnavailableError where nobody answers.
        """
        with only_writer(self.folder):
            finish(self.folder)
            published = read_card(self.remote)
            pinned = self.auditor.card or card_in(self.folder) or published
            if pinned.log != published.log:
                raise HistoryDiffersError(
                    f"expected log {pinned.log.log_id.hex()}, found {published.log.log_id.hex()} there; nothing was "
                    "taken over"
                )
            check_folder(self.folder, pinned.log)
            incoming = Incoming(self.folder, self.remote, self.most_bytes)
            return _Run(incoming, replace(self.auditor, card=pinned), pinned, self.chains).run()


class _Run:
    """One run: take everything that is new, judge the whole, publish it."""

    def __init__(self, incoming: Incoming, auditor: Auditor, card: LogCard, chains: Collection[bytes] | None) -> None:
        self.incoming = incoming
        self.auditor = auditor
        self.log = card.log
        self.wanted = chains
        self.own = fetch_from(incoming.folder)
        self.seen = _checkpoint_in(self.own, CHECKPOINT)
        self.directory = DirectoryRead()
        self.done = Copied()

    def run(self) -> Copied:
        """Return what was done; raises as ``MirrorCopy.run``."""
        first_note, first = self._newest()
        if self.seen is not None and self._has_all(self.seen, first):
            return Copied(self.seen.size, files_written=self._put_late_stamps())
        self._read_own()
        self._take_directory(first.size)
        notes = self._chain_notes()
        listed, proofs = take_anchors(self.incoming, self.log.log_id)
        # Asked for once more, behind all that must not be newer than it.
        note, newest = self._newest()
        if newest.size < first.size:  # another cache answered
            note, newest = first_note, first
        self._take_directory(newest.size)
        for chain_id, chain_note in notes.items():
            self._take_chain(chain_id, chain_note)
        self.incoming.put(CHECKPOINT, note)
        self.done.anchors = put_anchors(self.incoming, listed, proofs, newest.size)
        self.incoming.put(CARD, LogCard(self.log, tuple(self.directory.threads) or None).encode())
        if self.own(VERIFY_PAGE) != page().html:
            self.incoming.put(VERIFY_PAGE, page().html)
        self._judge(audit_thread(self.incoming.view, replace(self.auditor, seen=self.seen)))
        self.done.size, self.done.fetched_bytes = newest.size, self.incoming.fetched_bytes
        self.done.chains = len(self.directory.chain_sizes)
        self.done.files_written = self.incoming.publish()
        return self.done

    def _has_all(self, seen: Checkpoint, published: Checkpoint) -> bool:
        """Say whether the folder has what is published: a cache, or a mirror of a mirror, may be behind it."""
        if published.size != seen.size:
            return published.size < seen.size
        return self.incoming.ask(THREAD_FILE) == self.own(THREAD_FILE)

    def _put_late_stamps(self) -> int:
        """Put stamps that came since the last news into their places; return how many files.

        At once, beside what was fetched before and is not judged yet: no other file of the folder depends on them, and
        none is believed.
        """
        found = list(late_stamps(self.incoming))
        for path, data in found:
            put_file(self.incoming.folder, path, data)
        return len(found)

    def _read_own(self) -> None:
        """Read the directory that the folder has; may be repeated."""
        if self.seen is not None:
            self.directory.read_to(self.incoming, self.seen.size)

    # --- the directory

    def _newest(self) -> tuple[bytes, Checkpoint]:
        """Return the newest checkpoint that is published, which is of the history that the folder has."""
        data = self.incoming.ask(CHECKPOINT)
        if data is None:
            raise NotYetError("no checkpoint is published there yet, so there is nothing to take over; try again later")
        found = _decoded(data)
        if found.origin != self.log.origin:
            raise HistoryDiffersError(f"expected a checkpoint of {self.log.origin}, found one of {found.origin}")
        if self.seen is not None:
            self._check_extends(self.seen, found, data)
        return data, found

    def _check_extends(self, seen: Checkpoint, found: Checkpoint, data: bytes) -> None:
        """Refuse a checkpoint that does not continue the folder's; by a consistency path from the tiles shown there."""
        smaller, larger = sorted((seen, found), key=lambda each: each.size)
        shown = PublishedTree(self.incoming.ask if larger is found else self.own, "", larger.size)
        try:
            gives_both = (shown.root(smaller.size), shown.root(larger.size)) == (smaller.root, larger.root)
            is_whole = gives_both or larger is seen or shown.root(larger.size) == larger.root
        except WithheldError as error:
            raise SourceError(f"directory: {error}; nothing was taken over. Try again, or ask another copy") from error
        if gives_both:
            return
        self._read_own()
        keys = (self.log.checkpoint_key.value, *self.directory.keys)
        note = note_in(data, CHECKPOINT)
        if not is_whole or not any(is_signed_by(note, self.log.origin, key, self.auditor.check) for key in keys):
            raise SourceError(
                f"the checkpoint of {found.size} leaves that is published there is not signed by a key of this log "
                "that this folder knows, or not of the tiles beside it, and it does not continue this folder's: "
                "nothing was taken over. It may be forged on the way: ask another copy"
            )
        self._refuse(
            f"HISTORY CHANGED: this folder has a signed checkpoint of {seen.size} leaves with root {seen.root.hex()}; "
            f"one of {found.size} leaves with root {found.root.hex()}, signed as well, does not continue it",
            {"checkpoint-shown": data},
        )

    def _take_directory(self, size: int) -> None:
        start = self.directory.size
        missing = take_tiles(self.incoming, "", start, size) or take_leaves(self.incoming, "", start, size)
        if missing is not None:
            # Of a bundle that does not fit its tile, the tile may be the one that is wrong.
            self.incoming.drop(missing.replace(f"tile/{ENTRIES}/", "tile/0/", 1))
            raise SourceError(
                f"{missing}: expected the part of the directory that a checkpoint of {size} leaves names, found none "
                "that fits; nothing was taken over. Try again, or ask another copy"
            )
        self.directory.read_to(self.incoming, size)

    # --- chains

    def _chain_notes(self) -> dict[bytes, bytes]:
        """Ask for the checkpoints of the chains that grew; those that are not shown to us are withdrawn here too."""
        notes: dict[bytes, bytes] = {}
        for chain_id, size in sorted(self.directory.chain_sizes.items()):
            if self.wanted is not None and chain_id not in self.wanted:
                continue
            path = chain_prefix(chain_id) + CHECKPOINT
            held = _checkpoint_in(self.own, path)
            if held is not None and held.size == size:
                continue
            note = self.incoming.ask(path)
            if note is not None:
                notes[chain_id] = note
                continue
            self.done.chains_not_shown += 1
            self._withdraw(chain_prefix(chain_id))
        return notes

    def _take_chain(self, chain_id: bytes, note: bytes) -> None:
        """Take what a chain has more than the folder, as far as the directory says that it goes.

        Its checkpoint may be of an older head: the log went on meanwhile. Then the tiles of both sizes are taken.
        """
        prefix, size = chain_prefix(chain_id), self.directory.chain_sizes[chain_id]
        held = _checkpoint_in(self.own, prefix + CHECKPOINT)
        start, signed = 0 if held is None else held.size, _decoded(note).size
        sizes = [signed, size] if start < signed < size else [size]
        for begin, end in pairwise((start, *sizes)):
            missing = take_tiles(self.incoming, prefix, begin, end)
            if missing is not None:
                self.done.withheld.append(missing)
                self._withdraw(prefix)
                return
        self.done.chains_changed += 1
        if start < signed <= size:  # a newer one is for the next run
            self.incoming.put(prefix + CHECKPOINT, note)
        self._take_entries(chain_id, start if has_entries(self.incoming.folder, chain_id) else 0, sizes)

    def _take_entries(self, chain_id: bytes, start: int, sizes: Sequence[int]) -> None:
        prefix = chain_prefix(chain_id)
        first_path = prefix + tile_path(ENTRIES, 0, tile_width(0, 0, sizes[0]))
        for begin, end in pairwise((start, *sizes)):
            missing = take_leaves(self.incoming, prefix, begin, end, partial(self._look, prefix))
            if missing is None:
                continue
            if begin or missing != first_path or self._has_last_bundle(prefix, end):
                self.done.withheld.append(missing)
            self._withdraw(f"{prefix}tile/{ENTRIES}/")
            return

    def _has_last_bundle(self, prefix: str, size: int) -> bool:
        """Say whether the last entries of a chain are shown: of a chain all are, or none (docs/spec/mirror.md)."""
        tile_no = (size - 1) // TILE_WIDTH
        return self.incoming.take_tile(prefix, ENTRIES, tile_no, tile_width(0, tile_no, size)) is not None

    def _withdraw(self, prefix: str) -> None:
        if (self.incoming.folder / prefix).exists():
            self.done.withdrawn.append(prefix)
        self.incoming.withdraw(prefix)

    def _look(self, prefix: str, _first: int, leaves: Sequence[bytes]) -> None:
        self.done.entries += len(leaves)
        if any(map(continues, leaves)):
            take_earlier(self.incoming, prefix)

    # --- judging

    def _judge(self, verdict: Verdict) -> None:
        self.done.outcome = verdict.outcome
        # An author whom the log must have refused is its fault, and no reason to keep no copy of what it shows.
        found = [each for step in verdict.steps for each in step.findings if each.reason is not None]
        self.done.wrong_authors = [each.text for each in found if each.number == Number.AUTHORS][:MOST_NAMED]
        failed = [each for each in found if each.number != Number.AUTHORS]
        if not failed:
            return
        text = failed[0].text + (f"; and {len(failed) - 1} more" if len(failed) > 1 else "")
        if {each.reason for each in failed} == {Reason.WITHHELD}:
            self.incoming.forget()
            raise SourceError(f"what is published there is not whole: {text}; nothing was taken over")
        self._refuse(text, {"verdict.json": json.dumps(verdict.to_json(), indent=1).encode()})

    def _refuse(self, why: str, evidence: dict[str, bytes]) -> None:
        """Keep what was shown, with what this folder had seen, and refuse it."""
        held = self.own(CHECKPOINT)
        kept = self.incoming.keep_as_evidence(evidence | ({} if held is None else {"checkpoint-seen": held}))
        raise HistoryDiffersError(
            f"what is published there does not hold: {why}; nothing was taken over. Keep {kept} and this folder: they "
            "are evidence of what happened"
        )


def _checkpoint_in(fetch: Fetch, path: str) -> Checkpoint | None:
    data = fetch(path)
    return _decoded(data) if data else None  # a power cut may leave a name without its bytes


def _decoded(data: bytes) -> Checkpoint:
    return Checkpoint.decode(note_in(data, CHECKPOINT).text)

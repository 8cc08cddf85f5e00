"""Attesting: each anchored checkpoint is given to calendars, and asked after until a block attests it.

The command line and the daemon call ``run`` with the clock's time; calendars and headers come in as arguments. What
fails is reported and tried again in a later run; nothing that seals or anchors waits for it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anchor.attestations import Attestations, Reply
from anchor.bitcoin.calendars import Calendars, PendingWay, completed, pending_ways
from anchor.bitcoin.protocols import Headers
from anchor.directory import Directory
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.calendar_judging import attested_root, check_attested_header
from anchor.proof.errors import AnchorlineError
from anchor.proof.timestamp import imprint_of

ASK_EVERY_MS = 20 * 60 * 1000
"""Calendars anchor every few hours, and ask not to be polled more often."""
ASK_FOR_MS = 30 * 86_400_000
"""What no calendar has completed in a month, none will."""
MOST_IN_ROUND = 200


@dataclass(frozen=True, slots=True)
class Attested:
    """One thing that a run did or failed to do, for a log line: ``cause`` is empty where it was done."""

    what: str
    calendar: str
    checkpoint_size: int
    cause: str = ""


class Attesting:
    """Gives the checkpoints of one log to calendars at ``urls``, which attest on ``network``.

    ``headers`` follows that network, or is None: then attestations are kept without their block's header.
    """

    def __init__(
        self,
        directory: Directory,
        stored: Attestations,
        calendars: Calendars,
        urls: Sequence[str],
        network: str,
        headers: Headers | None,
    ) -> None:
        self.directory = directory
        self.stored = stored
        self.calendars = calendars
        self.urls = urls
        self.network = network
        self.headers = headers
        self._is_stopped = False

    def stop(self) -> None:
        """Let a run that is under way on another thread end after the question that it is at."""
        self._is_stopped = True

    def run(self, now_ms: int, *, at_once: bool = False) -> list[Attested]:
        """Submit the newest anchored checkpoint where a calendar has not answered to it; ask, when it is time.

        ``at_once`` asks without waiting. May be repeated and stopped anywhere: what is stored is used, what is not
        stored is done again.
        """
        done = list(self._submit(now_ms))
        if self.stored.begin_round(now_ms, 0 if at_once else ASK_EVERY_MS):
            done += self._complete(now_ms)
            done += self._find_headers()
        return done

    def _submit(self, now_ms: int) -> Iterator[Attested]:
        size = self.stored.newest_anchored()
        if size is None:
            return
        for url in self.urls:
            if self._is_stopped or self.stored.has_reply(size, url):
                continue
            try:
                imprint = self._imprint(size)
                reply = self.calendars.submit(url, imprint)
                pending_ways(reply, imprint, url)
                self.stored.keep_reply(size, url, reply, now_ms)
            except AnchorlineError as error:
                yield Attested("submitted", url, size, str(error))
            else:
                yield Attested("submitted", url, size)

    def _complete(self, now_ms: int) -> Iterator[Attested]:
        for reply in self.stored.pending(now_ms - ASK_FOR_MS, MOST_IN_ROUND):
            if self._is_stopped:
                return
            try:
                if self._ask(reply, now_ms):
                    yield Attested("attested", reply.calendar, reply.checkpoint_size)
            except AnchorlineError as error:
                yield Attested("attested", reply.calendar, reply.checkpoint_size, str(error))

    def _ask(self, reply: Reply, now_ms: int) -> bool:
        imprint = self._imprint(reply.checkpoint_size)
        for way in pending_ways(reply.reply, imprint, reply.calendar):
            file = self._file(way, imprint)
            if file is None:
                continue
            header = self._header(file, imprint)
            if header is None and self.headers is not None:
                continue  # the block is not deep enough in our own source yet
            self.stored.keep_attestation(reply, self.network, file, header, now_ms)
            return True
        return False

    def _file(self, way: PendingWay, imprint: bytes) -> bytes | None:
        answer = self.calendars.ask(way.uri, way.key)
        file = None if answer is None else completed(way, answer, imprint)
        if file is not None:
            attested_root(file, imprint)
        return file

    def _header(self, file: bytes, imprint: bytes) -> bytes | None:
        """Return the checked header of the block that a file names; None without a source, or before it is deep.

        Raises VerificationError where our own source has another block there: then the file is not kept.
        """
        if self.headers is None:
            return None
        self.headers.check_network()
        height, root = attested_root(file, imprint)
        block_hash = self.headers.block_hash(height)
        if block_hash is None or self.headers.tip().height - height + 1 < self.headers.network.final_depth:
            return None
        header = self.headers.header(block_hash)
        if header is not None:
            check_attested_header(height, root, header, NETWORKS[self.network])
        return header

    def _find_headers(self) -> Iterator[Attested]:
        """Look for headers of what was kept without one, before there was a source, or while it did not answer."""
        for kept in self.stored.headless(MOST_IN_ROUND) if self.headers is not None else ():
            try:
                is_ours = kept.network == self.network
                header = self._header(kept.ots, self._imprint(kept.checkpoint_size)) if is_ours else None
                if header is not None:
                    self.stored.keep_header(kept.attestation_no, header)
            except AnchorlineError as error:
                yield Attested("header", kept.calendar, kept.checkpoint_size, str(error))

    def _imprint(self, checkpoint_size: int) -> bytes:
        checkpoint = self.directory.checkpoint_of(checkpoint_size)
        assert checkpoint is not None  # attempts and replies refer to stored checkpoints
        return imprint_of(checkpoint.size, checkpoint.root)

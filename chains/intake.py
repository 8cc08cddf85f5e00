"""What ``anchorline add`` reads: files, standard input, or their lines, handed to the writer in batches; and folders.

Paths come from the command line; every batch is one group commit, so an error in the middle of long input leaves
the batches before it recorded and says so. A folder is one entry, by its manifest.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from anchor.errors import RefusedEntryError
from anchor.proof.entry import ExternalId, IdKind
from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.json_fields import MEDIA_TYPE as FIELDS_MEDIA_TYPE
from anchor.proof.manifest import MEDIA_TYPE, Document
from chains.chain import Chain
from chains.client.keyed_ids import keyed_name
from chains.client.own_entry import Form, OwnEntry, Sent, encrypted_entry, entry_of_digest, make_entry, signed_each
from chains.client.signing import AuthorKey, Together
from chains.field_committing import committed, default_disclosures
from chains.home import Clock
from chains.manifest_writing import (
    WHOLE,
    Cut,
    default_list,
    fresh_secret,
    new_list,
    write_manifest,
    written_before,
)
from chains.work import Accepted, Submission
from chains.writer import Writer

BATCH_ENTRIES = 1000
BATCH_BYTES = 8 * 2**20
READ_BYTES = 2**20
# Entry hashes that are given back; of a million lines, their places say enough.
MAX_HASHES = 1000

Ids = tuple[ExternalId, ...]
Advance = Callable[[int], None]
Recorded = Callable[[bytes], str | None]
"""Takes the SHA-256 of a content, and says where it is recorded, in words; None: nowhere."""


@dataclass
class Added:
    """What was recorded: how many entries from which place on, and the first entry hashes."""

    count: int = 0
    first_index: int | None = None
    hashes: list[bytes] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    """Lists of manifests that were written."""

    def take(self, accepted: Sequence[Accepted]) -> None:
        """Count a batch."""
        if accepted and self.first_index is None:
            self.first_index = accepted[0].leaf_index
        self.count += len(accepted)
        self.hashes += [item.entry_hash for item in accepted[: MAX_HASHES - len(self.hashes)]]


@dataclass(frozen=True, slots=True)
class Intake:
    """How input becomes entries. A folder, and with ``cut.rows`` a file too, is recorded by its manifest.

    With an ``author`` every entry is signed, those of one commit by one signature, in the name of his ``identity``
    (a chain id) where one is given. With ``encrypt_for`` (public keys of readers) content is encrypted before the
    writer sees it, each entry is signed alone, and ids are keyed with ``search_key``.
    """

    lines: bool = False
    digest: bool = False
    media_type: str = ""
    external_ids: Sequence[str] = ()
    keyed_ids: Sequence[ExternalId] = ()
    encrypt_for: Sequence[bytes] = ()
    search_key: bytes | None = None
    name_ids: bool = False
    cut: Cut = WHOLE
    manifest: Path | None = None
    secret: Callable[[], bytes] = fresh_secret
    author: AuthorKey | Together | None = None
    identity: bytes | None = None
    fields: bool = False
    """Each file is a JSON document, recorded by its fields."""
    recorded: Recorded | None = None
    """Without it a list that is there already is refused, whatever is in it."""

    def record(self, writer: Writer, chain: Chain, files: Sequence[Path], clock: Clock, advance: Advance) -> Added:
        """Record files, or their lines; ``-`` is standard input. ``advance`` is told bytes as they are done."""
        if self.lines and self.digest:
            raise RefusedEntryError("--lines records the lines themselves; with --digest, record the whole file")
        if self.name_ids and (self.lines or any(str(path) == "-" for path in files)):
            raise RefusedEntryError("--name-ids gives each file's name to its entry: it needs files, without --lines")
        self._check_encrypted()
        self._check_listed(files)
        self._check_fields(files)
        added = Added()
        try:
            if self.lines:
                self._record_lines(writer, chain, files, clock, advance, added)
                return added
            for record, group in groupby(files, self._way_of):
                record(writer, chain, list(group), clock, advance, added)
        except OSError as error:
            raise RefusedEntryError(
                f"{error.filename or 'standard input'}: {error.strerror}; {added.count} entries were recorded before it"
            ) from error
        except AnchorlineError as error:
            error.add_note(f"{added.count} entries were recorded before it")
            raise
        return added

    def _way_of(self, path: Path) -> Callable[[Writer, Chain, Sequence[Path], Clock, Advance, Added], None]:
        """Return what records this file, and those of its kind behind it."""
        if self.fields:
            return self._record_fields
        return self._record_listed if self._is_listed(path) else self._record_files

    def _check_encrypted(self) -> None:
        if self.encrypt_for and (self.external_ids or self.name_ids) and self.search_key is None:
            raise RefusedEntryError(
                "--encrypt-for hides the content, and an id in clear would tell of it: name the file of a key with "
                "--search-key, under which ids are keyed then"
            )
        if self.encrypt_for and self.digest:
            raise RefusedEntryError("--digest keeps no content, so there is nothing to encrypt: leave out one of both")

    def _is_listed(self, path: Path) -> bool:
        return self.cut.rows or path.is_dir()

    def _check_listed(self, files: Sequence[Path]) -> None:
        """Raise RefusedEntryError for what cannot be said of a folder, or only of one."""
        self.cut.check()
        listed = [path for path in files if self._is_listed(path)]
        if self.manifest is not None and (len(files), len(listed)) != (1, 1):
            raise RefusedEntryError("--manifest names the list of one folder: record a single one, and nothing else")
        if listed and (self.lines or self.digest or self.media_type):
            raise RefusedEntryError(
                f"{listed[0]} is recorded by its manifest, as one entry: --lines, --digest and --media-type are for "
                "single files"
            )
        for path in listed:
            if not path.is_dir() and not self.cut.of(path.name)[0]:
                raise RefusedEntryError(
                    f"{path}: --rows cuts .csv, .tsv, .ndjson and .jsonl files, and those in a folder; record it "
                    "without --rows"
                )

    def _check_fields(self, files: Sequence[Path]) -> None:
        """Raise RefusedEntryError for what cannot be said of a JSON document that is recorded by its fields."""
        if not self.fields:
            return
        if self.lines or self.digest or self.media_type or self.cut.rows or self.manifest is not None:
            raise RefusedEntryError(
                "--fields records a JSON document as one entry of a form of its own: --lines, --digest, --rows, "
                "--manifest and --media-type are for other files"
            )
        for path in files:
            if str(path) == "-" or path.is_dir():
                raise RefusedEntryError(f"{path}: --fields needs a JSON file, beside which its salts are kept")

    def _record_fields(
        self, writer: Writer, chain: Chain, paths: Sequence[Path], clock: Clock, advance: Advance, added: Added
    ) -> None:
        for path in paths:
            self._record_document(writer, chain, path, clock, added)
            advance(path.stat().st_size)

    def _record_document(self, writer: Writer, chain: Chain, path: Path, clock: Clock, added: Added) -> None:
        """Record a JSON document. Its salts are on disk before the entry, of which nothing could be shown without them.

        A crash in between leaves them without an entry; the next ``add`` of the same document goes on with them.
        """
        target = default_disclosures(path)
        is_new = not target.is_file()
        document = committed(path).document
        place = None if self.recorded is None else self.recorded(hashlib.sha256(document).digest())
        if place is not None:
            raise RefusedEntryError(
                f"{path} is recorded already, with the salts in {target}: {place}. To record it once more, move that "
                "file"
            )
        try:
            accepted = self._record(writer, chain, [(document, self._ids(path))], clock(), FIELDS_MEDIA_TYPE)
        except (RefusedEntryError, MalformedError):
            if is_new:
                target.unlink()  # by a rule that is looked at before anything is written: there is no such entry
            raise
        added.take(accepted)
        added.lists.append(target)

    def _record_listed(
        self, writer: Writer, chain: Chain, paths: Sequence[Path], clock: Clock, advance: Advance, added: Added
    ) -> None:
        for path in paths:
            self._record_manifest(writer, chain, path, clock, advance, added)

    def _record_manifest(
        self, writer: Writer, chain: Chain, path: Path, clock: Clock, advance: Advance, added: Added
    ) -> None:
        """Record a folder, or a file with its rows. The list is on disk before the entry that nothing else can open.

        A crash in between leaves a list without an entry, with which the next ``add`` of the same folder goes on.
        """
        target = self.manifest or default_list(path)
        is_new = self.recorded is None or not target.is_file()
        if is_new:
            with new_list(target, path) as file:
                document = write_manifest(path, self.secret(), self.cut, file, advance)
        else:
            document = self._listed_before(target, path, advance)
        try:
            accepted = self._record(writer, chain, [(document.encode(), self._ids(path))], clock(), MEDIA_TYPE)
        except (RefusedEntryError, MalformedError):
            if is_new:
                target.unlink()  # by a rule that is looked at before anything is written: there is no such entry
            raise
        added.take(accepted)
        added.lists.append(target)

    def _listed_before(self, target: Path, path: Path, advance: Advance) -> Document:
        """Return the document of a list that is there, of a folder that is still the same, if no entry has it."""
        document = written_before(target, path, self.cut, advance)
        place = None if self.recorded is None else self.recorded(hashlib.sha256(document.encode()).digest())
        if place is not None:
            raise RefusedEntryError(
                f"{path} is recorded already, with the list {target}: {place}. To record it once more, move the list, "
                "or name another file with --manifest"
            )
        return document

    def _ids(self, path: Path) -> Ids:
        names = [*self.external_ids, *([str(path)] if self.name_ids else [])]
        if self.encrypt_for and self.search_key is not None:
            return (*(keyed_name(self.search_key, name) for name in names), *self.keyed_ids)
        in_clear = (ExternalId(IdKind.CLEAR, name.encode("utf-8", "surrogateescape")) for name in names)
        return (*in_clear, *self.keyed_ids)

    def _record_lines(
        self, writer: Writer, chain: Chain, files: Sequence[Path], clock: Clock, advance: Advance, added: Added
    ) -> None:
        ids = self._ids(Path("-"))
        for path in files:
            with _opened(path) as file:
                for batch in _batches(_lines(file, path, writer.limits.content_bytes)):
                    accepted = self._record(writer, chain, [(line, ids) for line in batch], clock(), self.media_type)
                    added.take(accepted)
                    advance(sum(map(len, batch)) + len(batch))

    def _record_files(
        self, writer: Writer, chain: Chain, files: Sequence[Path], clock: Clock, advance: Advance, added: Added
    ) -> None:
        for start in range(0, len(files), BATCH_ENTRIES):
            batch = files[start : start + BATCH_ENTRIES]
            if self.digest:
                digests = [_digest(path, advance) for path in batch]
                ids = [self._ids(path) for path in batch]
                added.take(self._record_digests(writer, chain, digests, clock(), ids))
                continue
            for group in _groups(batch, writer.limits.content_bytes, together=self.author is not None):
                rows = [(content, self._ids(path)) for path, content in group]
                added.take(self._record(writer, chain, rows, clock(), self.media_type))
                advance(sum(len(content) for _, content in group))

    # --- contents to entries: made by the writer, or here where somebody signs

    def _record(
        self, writer: Writer, chain: Chain, rows: Sequence[tuple[bytes, Ids]], now_ms: int, media_type: str
    ) -> Sequence[Accepted]:
        """Record contents, each with its ids, as one group commit; those that nobody signs have the same ids."""
        if self.encrypt_for:
            forms = [replace(self._form(writer, media_type, ids), author=self.author) for _, ids in rows]
            pairs = zip(rows, forms, strict=True)
            return writer.submit(chain, [self._encrypted(chain, row[0], form) for row, form in pairs], now_ms)
        if self.author is None:
            contents, ids = [content for content, _ in rows], rows[0][1]
            return writer.record(chain, contents, now_ms, media_type=media_type, external_ids=ids)
        made = [
            make_entry(chain.chain_id, content, self._form(writer, media_type, ids), os.urandom, Sent.CONTENT)
            for content, ids in rows
        ]
        return _submit_signed(writer, chain, made, self.author, now_ms)

    def _encrypted(self, chain: Chain, content: bytes, form: Form) -> Submission:
        own = encrypted_entry(chain.chain_id, content, form, os.urandom, self.encrypt_for)
        assert own.envelope is not None
        return Submission(own.raw, envelope=own.envelope.encode())

    def _record_digests(
        self, writer: Writer, chain: Chain, digests: Sequence[bytes], now_ms: int, ids: Sequence[Ids]
    ) -> Sequence[Accepted]:
        if self.author is None:
            with_ids = ids if any(ids) else ()
            return writer.record_digests(chain, digests, now_ms, media_type=self.media_type, external_ids=with_ids)
        made = [
            entry_of_digest(chain.chain_id, digest, self._form(writer, self.media_type, names), os.urandom, Sent.DIGEST)
            for digest, names in zip(digests, ids, strict=True)
        ]
        return _submit_signed(writer, chain, made, self.author, now_ms)

    def _form(self, writer: Writer, media_type: str, ids: Ids) -> Form:
        """Return the form of an entry that is signed later, with all others of its batch."""
        return Form(media_type, ids, (), writer.log_id, None, self.identity)


def record_in_form(
    writer: Writer, chain: Chain, contents: Sequence[bytes], now_ms: int, form: Form
) -> Sequence[Accepted]:
    """Record contents in this form as one group commit: made by the writer, or signed here where there is an author."""
    if form.author is None:
        ids, links = form.external_ids, form.links
        return writer.record(chain, contents, now_ms, media_type=form.media_type, external_ids=ids, links=links)
    plain = replace(form, author=None)
    made = [make_entry(chain.chain_id, content, plain, os.urandom, Sent.CONTENT) for content in contents]
    return _submit_signed(writer, chain, made, form.author, now_ms)


def _submit_signed(
    writer: Writer, chain: Chain, made: Sequence[OwnEntry], author: AuthorKey | Together, now_ms: int
) -> Sequence[Accepted]:
    """Record entries under one signature, as one group commit."""
    submissions = [
        Submission(own.raw, own.salt, own.digest if own.content is None else None, own.content)
        for own in signed_each(made, author)
    ]
    return writer.submit(chain, submissions, now_ms)


def _groups(files: Sequence[Path], limit: int, *, together: bool) -> Iterator[list[tuple[Path, bytes]]]:
    """Yield files with their contents: one by one, or as many together as one signature and one commit are for."""
    group: list[tuple[Path, bytes]] = []
    size = 0
    for path in files:
        content = _content(path, limit)
        if not together:  # recorded before the next one is read, which may be one that is refused
            yield [(path, content)]
            continue
        if group and size + len(content) > BATCH_BYTES:
            yield group
            group, size = [], 0
        group.append((path, content))
        size += len(content)
    if group:
        yield group


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file


def _lines(file: BinaryIO, path: Path, limit: int) -> Iterator[bytes]:
    """Yield lines without their final LF; a line that is too long is refused before it is read whole."""
    number = 0
    while line := file.readline(limit + 2):
        number += 1
        content = line[:-1] if line.endswith(b"\n") else line
        if len(content) > limit:
            raise RefusedEntryError(
                f"{path}, line {number}: expected at most {limit} bytes; record the whole file with --digest, "
                "or raise content_bytes"
            )
        yield content


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == BATCH_ENTRIES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _content(path: Path, limit: int) -> bytes:
    with _opened(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise RefusedEntryError(
            f"{path}: expected at most {limit} bytes of content; record it with --digest, or raise content_bytes"
        )
    return content


def _digest(path: Path, advance: Advance) -> bytes:
    hasher = hashlib.sha256()
    with _opened(path) as file:
        while piece := file.read(READ_BYTES):
            hasher.update(piece)
            advance(len(piece))
    return hasher.digest()

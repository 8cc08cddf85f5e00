"""The export of a home: one archive of everything that is sealed, with the specifications and the verifier.

Everything comes from the home's database, as far as its newest checkpoint reaches; ``anchorline export`` writes it
(docs/spec/export.md). Whoever has the archive and a block hash needs neither the service nor its programs again.
"""

import base64
import gzip
import hashlib
import io
import json
import os
import sysconfig
import tarfile
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import anchor.proof
from anchor.attestations import Attestations
from anchor.bitcoin.records import sync_folder
from anchor.errors import SettingsError
from anchor.hashing.pieces import Pieces
from anchor.proof.archive_envelopes import envelopes_path, may_be_encrypted
from anchor.proof.archive_files import CHECKPOINTS, PROMISES
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.promise import PromiseLeaf
from anchor.timestamps import Timestamps
from chains import stand_alone
from chains.chain import Chain, Run, decode_kept
from chains.envelopes import Envelopes
from chains.home import Home
from chains.mirror import Mirror
from chains.reader import Reader
from chains.verify_page import FILE_NAME as VERIFY_PAGE
from chains.verify_page import page

ENDINGS = (".tar", ".tar.gz", ".tgz")
SUMS = "SHA256SUMS"
_SPOOL_BYTES = 1 << 20
_PAGE = 1_024
_README = """\
# An export of log {origin}

Everything that log {log_id}
had sealed in its directory of {size} leaves, and what is needed to check it without whoever ran the log.

    python3 -I verify.py                                      all that can be seen without Bitcoin
    python3 -I verify.py --block NETWORK:HEIGHT:HASH          ... and that it existed by then
    sha256sum -c {sums}                                  only that no file was damaged on the way

Take the block's hash from a source that you trust (a node of your own, several explorers), and the log's id from
wherever you know this log. Python 3.11 or later is enough; nothing is installed. Or read spec/export.md, and write
a verifier of your own.

    mirror/            the log as it was published: tiles, entries, checkpoints, anchors (spec/mirror.md)
    content/           salts, digests and contents, a file for each chain{content}
    envelopes/         encrypted contents, which their readers open (spec/envelope.md, verify.py --take){content}
    checkpoints.jsonl  every checkpoint that was signed
    promises.jsonl     every promise to its writers
    attested/          what time-stamping authorities and calendars said of checkpoints, if any did
    spec/              the formats
    anchor/proof/      the verifier (Apache-2.0)
    verify.py          what runs it over this folder
    {page}        the verifier of single receipts, for any browser
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """What is in an archive: the size of the directory it reaches, and counts."""

    size: int
    chains: int
    entries: int
    contents: int
    envelopes: int
    promises: int
    anchors: int
    files: int


def export(home: Home, target: Path, *, with_content: bool = True) -> Exported:
    """Write an archive of a home to a new file; it appears whole or not at all.

    The same home gives the same bytes (until it seals, anchors or erases something), in a folder that is named after
    the log. What is not sealed yet is not in it. Raises SettingsError for a name without one of ``ENDINGS`` and for a
    file that exists, NotYetError before the first seal.
    """
    check_target(target)
    specification = spec_folder()
    with tempfile.TemporaryDirectory(dir=target.resolve().parent) as name:
        folder, chains = Path(name), list(home.chains.all())
        parts = (home.engine, home.trees, home.directory, home.chains, home.journal)
        mirrored = Mirror(folder, *parts).write(home.checkpoint_key, chains, whole=True)
        inside = f"anchorline-{home.directory.log.log_id.hex()[:16]}"
        with new_archive(target, inside, sealed_at_s(home, mirrored.size)) as writer:
            done = _Export(home, writer, mirrored.size)
            done.write(folder, specification, with_content=with_content)
    counts = (done.chains, done.entries, done.contents, done.envelopes, done.promises)
    return Exported(mirrored.size, *counts, mirrored.anchors, writer.files)


def spec_folder() -> Path:
    """Return the folder of the specifications: of the checkout, or where they were installed to."""
    found = [
        Path(__file__).resolve().parent.parent / "docs" / "spec",
        Path(sysconfig.get_path("data")) / "share" / "anchorline" / "spec",
    ]
    for folder in found:
        if (folder / "receipt.md").is_file():
            return folder
    raise SettingsError(
        f"expected the specifications in {' or '.join(map(str, found))}, found none: install Anchorline again; an "
        "archive without them would be hard to read in thirty years"
    )


def add_verifier(writer: "ArchiveWriter", readme: str, specification: Path) -> None:
    """Add what is needed to check an archive without this log and its programs."""
    writer.add("README.md", readme.encode())
    writer.add("verify.py", Path(stand_alone.__file__).read_bytes())
    writer.add(VERIFY_PAGE, page().html)
    proofs = Path(anchor.proof.__file__).parent
    for path in sorted(each for each in proofs.rglob("*") if each.suffix == ".py" or each.name == "LICENSE"):
        writer.add(f"anchor/proof/{path.relative_to(proofs).as_posix()}", path.read_bytes())
    for path in sorted(specification.glob("*.md")):
        writer.add(f"spec/{path.name}", path.read_bytes())


@contextmanager
def new_archive(target: Path, folder: str, at_s: int) -> "Iterator[ArchiveWriter]":
    """Yield what writes a new archive; it appears whole, for its owner to read, or not at all.

    Raises SettingsError for a name without one of ``ENDINGS`` and for a file that exists.
    """
    check_target(target)
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        with ExitStack() as stack:
            beside.touch(0o600, exist_ok=False)  # it holds the contents of private chains too
            file = stack.enter_context(beside.open("wb"))
            yield ArchiveWriter(stack, file, target, folder, at_s)
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        beside.rename(target)
        sync_folder(target.resolve().parent)
    finally:
        beside.unlink(missing_ok=True)


def check_target(target: Path) -> None:
    """Raise SettingsError unless a new archive can have this name."""
    if not target.name.endswith(ENDINGS):
        raise SettingsError(f"{target}: expected a name that ends in {', '.join(ENDINGS)}")
    if target.exists():
        raise SettingsError(f"{target}: exists already; choose a new name")


class _Export:
    """One run: what is written, in order, and the counts of it."""

    def __init__(self, home: Home, writer: "ArchiveWriter", size: int) -> None:
        self.home = home
        self.writer = writer
        self.size = size
        self.chains = self.entries = self.contents = self.envelopes = self.promises = 0

    def write(self, mirror: Path, specification: Path, *, with_content: bool) -> None:
        log = self.home.directory.log
        readme = _README.format(
            origin=log.origin,
            log_id=log.log_id.hex(),
            size=self.size,
            sums=SUMS,
            page=VERIFY_PAGE,
            content="" if with_content else " (left out: --without-content)",
        )
        add_verifier(self.writer, readme, specification)
        for path in sorted(each for each in mirror.rglob("*") if each.is_file()):
            self.writer.add(f"mirror/{path.relative_to(mirror).as_posix()}", path.read_bytes())
        self.writer.add_lines(CHECKPOINTS, self._checkpoints())
        self.writer.add_lines(PROMISES, self._promises())
        self._attested()
        for chain in self.home.chains.all():
            self._chain(chain, with_content=with_content)
        self.writer.add_sums()

    def _chain(self, chain: Chain, *, with_content: bool) -> None:
        size = self._sealed_size(chain)
        self.chains += size > 0
        self.entries += size
        if with_content and size:
            encrypted = array("Q")
            self.writer.add_lines(f"content/{chain.chain_id.hex()}.jsonl", self._contents(chain, size, encrypted))
            self.writer.add_lines(envelopes_path(chain.chain_id), self._envelopes(chain, encrypted))

    def _sealed_size(self, chain: Chain) -> int:
        """Return how many entries of a chain are under the checkpoint that is exported."""
        query = "SELECT COALESCE(MAX(tree_size), 0) FROM head WHERE tree_no = ? AND directory_index < ?"
        return int(self.home.engine.query(query, (chain.chain_no, self.size))[0][0])

    def _checkpoints(self) -> Iterator[bytes]:
        after = 0
        query = (
            "SELECT size, note FROM checkpoint WHERE size > ? AND size <= ? AND note IS NOT NULL ORDER BY size LIMIT ?"
        )
        while rows := self.home.engine.query(query, (after, self.size, _PAGE)):
            for size, note in rows:
                after = int(size)
                yield json_line({"note": note})

    def _attested(self) -> None:
        """Add what authorities and calendars said of checkpoints, in the files that their own programs read."""
        engine, directory = self.home.engine, self.home.directory
        query = (
            "SELECT checkpoint_size FROM time_stamp UNION SELECT checkpoint_size FROM calendar_reply "
            "JOIN attestation ON attestation.reply_no = calendar_reply.reply_no ORDER BY checkpoint_size"
        )
        for (size,) in engine.query(query):
            stored = directory.checkpoint_of(int(size))
            if stored is None or stored.size > self.size:
                continue
            folder = f"attested/{stored.size}"
            self.writer.add(f"{folder}/payload", encode_payload(stored.size, stored.root))
            for number, stamp in enumerate(Timestamps(engine).of(stored.size), 1):
                self.writer.add(f"{folder}/payload.{number}.tst", stamp.token)
            for number, found in enumerate(Attestations(engine).of(stored.size), 1):
                self.writer.add(f"{folder}/payload.{number}.{found.network}.ots", found.ots)
                if found.header is not None:
                    self.writer.add(f"{folder}/payload.{number}.{found.network}.header", found.header)

    def _promises(self) -> Iterator[bytes]:
        """Yield the group commits that are sealed whole: what is promised and not sealed nobody can check here."""
        after = 0
        query = (
            "SELECT first_seq, entry_count, note, signature FROM group_commit WHERE first_seq > ? "
            "ORDER BY first_seq LIMIT ?"
        )
        sizes: dict[int, int] = {}
        while rows := self.home.engine.query(query, (after, _PAGE)):
            for first_seq, count, note, signature in rows:
                after = int(first_seq)
                runs = list(self.home.chains.runs(after, after + int(count)))
                if all(self._is_sealed(run, sizes) for run in runs):
                    self.promises += 1
                    leaves = [leaf.encode().hex() for run in runs for leaf in self._promise_leaves(run)]
                    yield json_line({"note": bytes(note).hex(), "signature": bytes(signature).hex(), "leaves": leaves})

    def _is_sealed(self, run: Run, sizes: dict[int, int]) -> bool:
        if run.chain_no not in sizes:
            chain = self.home.chains.by_no(run.chain_no)
            sizes[run.chain_no] = 0 if chain is None else self._sealed_size(chain)
        return run.first_index + run.entry_count <= sizes[run.chain_no]

    def _promise_leaves(self, run: Run) -> Iterator[PromiseLeaf]:
        trees = self.home.trees
        chain_id = bytes(trees.state(run.chain_no).chain_id)
        hashes = b"".join(trees.leaf_hashes(run.chain_no, run.first_index, run.first_index + run.entry_count))
        for leaf_index, entry_hash in enumerate(Pieces.cut(hashes), run.first_index):
            yield PromiseLeaf(chain_id, leaf_index, entry_hash, bytes(run.submitter))

    def _contents(self, chain: Chain, size: int, encrypted: "array[int]") -> Iterator[bytes]:
        """Yield what is kept beside the entries of a chain; places where it may be encrypted go to ``encrypted``."""
        for leaf_index, first_seq, count in self.home.chains.seq_ranges(chain, 0, size):
            for seq, raw, kept_column in self.home.chains.bundles.rows(first_seq, first_seq + count):
                kept = decode_kept(kept_column)
                if may_be_encrypted(raw):
                    encrypted.append(leaf_index + seq - first_seq)
                if kept is None:
                    continue
                self.contents += 1
                value = {"index": leaf_index + seq - first_seq, "salt": kept.salt.hex(), "digest": kept.digest.hex()}
                content = {} if kept.content is None else {"content": base64.b64encode(kept.content).decode()}
                yield json_line(value | content)

    def _envelopes(self, chain: Chain, leaf_indexes: Iterable[int]) -> Iterator[bytes]:
        reader = Reader(self.home.engine, self.home.chains, self.home.lookup)
        for line, has_envelope in envelope_lines(self.home, reader, chain, leaf_indexes):
            self.envelopes += has_envelope
            yield line


class ArchiveWriter:
    """The archive: files in the order in which they are added, without a word of the machine that wrote it."""

    def __init__(self, stack: ExitStack, file: IO[bytes], target: Path, folder: str, at_s: int) -> None:
        self.files = 0
        self._at_s = at_s
        self._sums: list[str] = []
        self._folder = folder
        if not target.name.endswith(".tar"):
            file = cast("IO[bytes]", stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0)))
        tar = tarfile.TarFile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)
        self._tar = stack.enter_context(tar)

    def add(self, path: str, data: bytes) -> None:
        """Add a file."""
        self._add(path, io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())

    def add_lines(self, path: str, lines: Iterator[bytes]) -> None:
        """Add a file of lines, which may be larger than memory; none where there are no lines."""
        digest, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spooled:
            for line in lines:
                spooled.write(line)
                digest.update(line)
                size += len(line)
            spooled.seek(0)
            if size:
                self._add(path, spooled, size, digest.hexdigest())

    def add_sums(self) -> None:
        """Add the digests of all files, in the form of ``sha256sum``."""
        text = "".join(self._sums).encode()
        self._add(SUMS, io.BytesIO(text), len(text), "")

    def _add(self, path: str, data: IO[bytes], size: int, digest: str) -> None:
        member = tarfile.TarInfo(f"{self._folder}/{path}")
        member.size, member.mtime, member.mode = size, self._at_s, 0o644
        self._tar.addfile(member, data)
        self._sums.append(f"{digest}  {path}\n")
        self.files += 1


def envelope_lines(
    home: Home, reader: Reader, chain: Chain, leaf_indexes: Iterable[int]
) -> Iterator[tuple[bytes, bool]]:
    """Yield the entries at these places with envelope and readers as they are now, as ``envelopes/`` has them.

    Beside each line stands whether it has an envelope: of what was erased, the list of its readers is left.
    """
    envelopes = Envelopes(home.engine)
    for leaf_index in leaf_indexes:
        stored = reader.at(chain, leaf_index)
        if stored is None:
            continue
        envelope, readers = envelopes.of(stored), [each.to_json() for each in envelopes.readers(stored)]
        if envelope is None and not readers:
            continue
        encoded = {} if envelope is None else {"envelope": base64.b64encode(envelope.encode()).decode()}
        value: dict[str, object] = {"index": leaf_index, "entry": stored.raw.hex(), **encoded, "readers": readers}
        yield json_line(value), envelope is not None


def sealed_at_s(home: Home, size: int) -> int:
    """Return when the checkpoint of this size was sealed, in Unix seconds."""
    stored = home.directory.checkpoint_of(size)
    return 0 if stored is None else stored.sealed_at_ms // 1000


def json_line(value: dict[str, object]) -> bytes:
    """Return a line of a file of lines."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"

"""Sample receipts: one folder for each thing that a verification can say, made on an embedded regtest of their own.

Everything in them is real: a log of its own records, seals, anchors and suffers a reorganisation, and what is wrong in
an example was changed by hand afterwards. ``anchorline examples`` writes them; docs and tests read them.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from anchor.bitcoin.local import LocalRegtest
from anchor.errors import SettingsError
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.blocks import encode_headers
from anchor.proof.entry import ExternalId, IdKind, Link, Relation
from anchor.proof.erasure import Scope
from anchor.proof.receipt import Receipt
from chains.chain import Chain
from chains.files import write_file
from chains.home import CARD, Home
from chains.intake import Intake
from chains.leading import leading
from chains.scheduling import mine
from chains.sealing import seal
from chains.trial import anchor_now, create_trial, forget, fund, receipt_of

ORIGIN = "examples.anchorline.example"
FILE, RECEIPT, HEADERS, GUIDE, INDEX = "report.txt", "report.txt.receipt", "headers.txt", "README.txt", "examples.json"
REPORT = b"beam 7 inspected, no cracks\nbeam 8 inspected, one crack of 2 mm\n"
DEEP = 7


@dataclass(frozen=True, slots=True)
class Example:
    """A file and its receipt; what a verification of them says, and the exit code that it ends with."""

    name: str
    shows: str
    exit_code: int
    reasons: tuple[str, ...]
    content: bytes
    receipt: bytes

    def command(self) -> str:
        """Return the command that verifies it, from within the folder of the examples."""
        return f"anchorline verify {self.name}/{FILE} {self.name}/{RECEIPT} --log {CARD} --headers {HEADERS}"


def write_examples(folder: Path) -> list[Example]:
    """Make a log, record and anchor with it, and write the examples into ``folder``, which must not be there yet.

    The log's home is removed afterwards, as that of an operator who is gone: what is left verifies without it.
    Raises SettingsError where the folder exists.
    """
    if folder.exists():
        raise SettingsError(f"{folder}: expected a name that is free, found something; nothing was written")
    with _Log.new() as log:
        examples = list(_examples(log))
        files = {CARD: log.home.card().encode(), HEADERS: log.headers()}
    _write(folder, examples, files)
    return examples


def facts_of(example: Example) -> dict[str, str | int | list[str]]:
    """Return what is said of an example, as ``examples.json`` has it."""
    return {
        "name": example.name,
        "shows": example.shows,
        "command": example.command(),
        "exit_code": example.exit_code,
        "reasons": list(example.reasons),
    }


def _write(folder: Path, examples: list[Example], files: Mapping[str, bytes]) -> None:
    texts = {INDEX: json.dumps([facts_of(each) for each in examples], indent=1) + "\n", GUIDE: _guide(examples)}
    for example in examples:
        (folder / example.name).mkdir(parents=True)
        write_file(folder / example.name / FILE, example.content)
        write_file(folder / example.name / RECEIPT, example.receipt)
    for name, data in {**files, **{name: text.encode() for name, text in texts.items()}}.items():
        write_file(folder / name, data)


def _guide(examples: list[Example]) -> str:
    lines = [
        "Each folder has a file and its receipt. Beside them are the card of the log, and the headers of its Bitcoin,",
        "a regtest of one machine: good for trying, worth nothing as proof. Nothing else is needed, and no network.",
        "",
    ]
    for example in examples:
        lines += [f"{example.name}: {example.shows}", f"  {example.command()}", f"  exit code {example.exit_code}", ""]
    return "\n".join(lines)


class _Log:
    """The log of the examples: records files, and anchors them on a regtest that mines when it is told to."""

    @classmethod
    @contextmanager
    def new(cls) -> Iterator["_Log"]:
        """Make a log in a temporary folder; forget it afterwards, also what this machine noted of it."""
        with tempfile.TemporaryDirectory(prefix="anchorline-examples-") as parent:
            folder = Path(parent) / "home"
            try:
                with create_trial(folder, ORIGIN) as home, leading(home, "examples"):
                    yield cls(home)
            finally:
                forget(folder)

    def __init__(self, home: Home) -> None:
        assert isinstance(home.source, LocalRegtest)
        self.home = home
        self.regtest = home.source
        fund(home)
        self.chain = self._opened_chain()

    def _opened_chain(self) -> Chain:
        ids = [ExternalId(IdKind.CLEAR, text) for text in (b"acme-builders", b"inspections")]
        return self.home.writer.open_chain(ids, b"", "acme", self.home.clock())[0]

    def record(self, content: bytes) -> bytes:
        """Record content as a text; return the entry's hash."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / FILE
            file.write_bytes(content)
            added = Intake(media_type="text/plain").record(
                self.home.writer, self.chain, [file], self.home.clock, lambda _: None
            )
        return added.hashes[0]

    def correct(self, entry_hash: bytes, content: bytes) -> None:
        """Record a content that supersedes an entry."""
        links = [Link(Relation.SUPERSEDES, self.chain.chain_id, entry_hash)]
        self.home.writer.record(self.chain, [content], self.home.clock(), media_type="text/plain", links=links)

    def erase(self, entry_hash: bytes, reason: str) -> None:
        """Erase the content of an entry."""
        stored = self.home.erasing.reader.by_hash(entry_hash)
        assert stored is not None
        self.home.erasing.erase(self.chain, [stored], Scope.ENTRY, reason, self.home.clock())

    def anchor(self, depth: int) -> None:
        """Seal what was recorded, send its anchor, and mine until it is this deep."""
        seal(self.home)
        anchor_now(self.home, depth)

    def reorganise(self) -> None:
        """Let another branch take the place of the newest block; what it held goes back to the mempool."""
        self.regtest.reorg(1)
        self.look()
        mine(self.home, 1)
        self.look()

    def look(self) -> None:
        self.home.anchoring.tick(self.home.clock())

    def receipt(self, entry_hash: bytes) -> bytes:
        """Return the receipt of an entry as it is now; it shows no content."""
        return receipt_of(self.home, entry_hash)

    def headers(self) -> bytes:
        """Return the headers file of the best chain as it is now."""
        return encode_headers(self.home.network.name, 0, self.regtest.headers_from(0, self.regtest.tip().height + 1))


def _examples(log: _Log) -> Iterator[Example]:
    gone = b"beam 6 inspected, no cracks\n"
    gone_hash = log.record(gone)
    log.anchor(1)
    gone_receipt = log.receipt(gone_hash)
    log.reorganise()

    report_hash = log.record(REPORT)
    mistaken = b"beam 5 inspected, one crack of 20 mm\n"
    mistaken_hash = log.record(mistaken)
    log.anchor(DEEP)
    good = log.receipt(report_hash)
    yield Example("intact", "the file is what was recorded, and was anchored.", 0, (), REPORT, good)
    changed = REPORT.replace(b"one crack of 2 mm", b"one crack of 1 mm")
    yield Example("changed", "one byte of the file is another.", 1, ("content-changed",), changed, good)
    yield Example(
        "altered-entry",
        "the file and the digest in its receipt were changed together; the entry does not commit to them.",
        1,
        ("content-commitment-mismatch",),
        changed,
        _with_digest_of(good, changed),
    )
    yield Example(
        "wrong-network",
        "a receipt of regtest that was relabelled as one of mainnet.",
        1,
        ("directory-path-wrong", "another-log", "promise-does-not-match-entry", "target-above-network-limit"),
        REPORT,
        _relabelled(good, "mainnet"),
    )
    yield Example(
        "another-log",
        "another operator recorded the same file.",
        1,
        ("another-log", "block-is-not-the-given-one", "thread-leaf-mismatch"),
        REPORT,
        _of_another_log(REPORT),
    )
    yield Example(
        "reorged",
        "a receipt from before its block left the best chain; `anchorline upgrade` would bring the new block.",
        1,
        ("block-is-not-the-given-one",),
        gone,
        gone_receipt,
    )
    personal = b"beam 4 inspected by A. Example, who fell ill\n"
    personal_hash = log.record(personal)
    log.erase(personal_hash, "a name stood in it that nobody needs")
    log.correct(mistaken_hash, mistaken.replace(b"20 mm", b"2 mm"))
    log.anchor(DEEP)
    yield Example(
        "superseded",
        "the file is what was recorded, and a later entry of its chain supersedes it: corrected, not tampered with.",
        6,
        (),
        mistaken,
        log.receipt(mistaken_hash),
    )
    yield Example(
        "erased",
        "the log destroyed its content, and an entry of its chain says when and why; the entry itself still verifies.",
        5,
        (),
        personal,
        log.receipt(personal_hash),
    )
    young = b"beam 9 inspected, no cracks\n"
    young_hash = log.record(young)
    log.anchor(1)
    yield Example(
        "not-deep", "anchored one block ago: everything holds, wait for more.", 3, (), young, log.receipt(young_hash)
    )
    pending = b"beam 10 inspected, no cracks\n"
    yield Example(
        "pending",
        "recorded and promised a moment ago, not anchored yet.",
        3,
        (),
        pending,
        log.receipt(log.record(pending)),
    )


def _with_digest_of(receipt: bytes, content: bytes) -> bytes:
    """Return a receipt that names the digest of other content; nothing else of it is changed."""
    read = Receipt.decode(receipt)
    return replace(read, content=replace(read.content, digest=hashlib.sha256(content).digest())).encode()


def _relabelled(receipt: bytes, network: str) -> bytes:
    """Return a receipt whose log says that it anchors on another network."""
    read = Receipt.decode(receipt)
    rules = NETWORKS[network]
    log = replace(read.log, network_genesis=rules.genesis_hash, message_start=rules.message_start)
    return replace(read, log=log).encode()


def _of_another_log(content: bytes) -> bytes:
    """Return the receipt of another log of the same name, which recorded the same content in a chain of the same id."""
    with _Log.new() as log:
        entry_hash = log.record(content)
        log.anchor(DEEP)
        return log.receipt(entry_hash)

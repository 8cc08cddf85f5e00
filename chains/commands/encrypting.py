"""Commands for content that only its readers open: ``reader-key``, ``search-key``, ``reader``, ``open``.

Keys are files of whoever runs them; ``add --encrypt-for`` is with ``add``. What is opened is checked against the entry.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.accounts import utc_or_none
from chains.commands.key_options import (
    ReaderKeyOption,
    ReaderPasswordOption,
    new_secret_password,
    reader_key_in,
)
from chains.commands.terminal import (
    PROVING,
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    fail,
    find_entry,
    given,
    opened,
    read_at_most,
    read_limited,
    reader_of,
    say,
    usage,
    write_output,
)
from chains.counted import counted

if TYPE_CHECKING:
    from anchor.proof.archive_envelopes import KeptEnvelope, ReaderSpan
    from anchor.proof.receipt import Receipt
    from chains.client.envelope import Envelope
    from chains.home import Home

app = command_group()
reader_key_app = command_group("Keys of readers: who has one opens what was encrypted for it.")
search_key_app = command_group("Search keys: names that only an organisation can look up.")
reader_app = command_group("Who can open the encrypted content of an entry.")
app.add_typer(reader_key_app, name="reader-key", rich_help_panel=RECORDING)
app.add_typer(search_key_app, name="search-key", rich_help_panel=RECORDING)
app.add_typer(reader_app, name="reader", rich_help_panel=RECORDING)
NewFile = Annotated[Path, typer.Argument(help="New file of the key (mode 600); keep it, nobody can make it again.")]
EntryArgument = Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")]
ExportOption = Annotated[
    Path | None, typer.Option(help="An export with the entry (a tar, or its folder): no home is needed.")
]
ReaderArgument = Annotated[str, typer.Argument(help="Public key of the reader, reader_...")]
NoPasswordOption = Annotated[bool, typer.Option("--no-password", help="Leave the file unencrypted.")]
BY = "operator"
"""Who changes the readers of an entry with the home at hand."""


# --- keys


@reader_key_app.command("new")
def reader_key_new(
    file: NewFile,
    no_password: NoPasswordOption = False,
    password_file: ReaderPasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a reader's key; what is printed is its public part, for whoever is to encrypt."""
    from chains.client.encrypting import new_reader_key
    from chains.secret_file import SecretKind

    key = new_reader_key(os.urandom)
    _write(file, SecretKind.READER_KEY, key.text, key.private_bytes(), password_file, no_password=no_password)
    say({"reader": key.text, "id": key.reader.hex(), "file": str(file)}, lambda: key.text, as_json=as_json)


@reader_key_app.command("show")
def reader_key_show(
    file: Annotated[Path, typer.Argument(help="File of a reader's key.")], as_json: JsonOption = False
) -> None:
    """Print the public part of a reader's key; no password is needed."""
    from chains.client.envelope import public_key_of, reader_id
    from chains.secret_file import SecretKind, read_secret

    public = read_secret(file, SecretKind.READER_KEY).public
    facts = {"reader": public, "id": reader_id(public_key_of(public)).hex(), "file": str(file)}
    say(facts, lambda: public, as_json=as_json)


@search_key_app.command("new")
def search_key_new(
    file: NewFile,
    no_password: NoPasswordOption = False,
    password_file: ReaderPasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a search key: whoever has it finds entries by name, and nobody else can guess the names."""
    from chains.secret_file import SecretKind

    name = f"search_{os.urandom(8).hex()}"
    _write(file, SecretKind.SEARCH_KEY, name, os.urandom(32), password_file, no_password=no_password)
    say({"search_key": name, "file": str(file)}, lambda: f"{file}: search key {name}", as_json=as_json)


def _write(file: Path, kind: Any, public: str, secret: bytes, password_file: Path | None, *, no_password: bool) -> None:
    from chains.secret_file import COST, write_secret

    password = new_secret_password(password_file, no_password=no_password)
    write_secret(file, kind, public, secret, password, COST)


# --- readers


@reader_app.command("list")
def reader_list(
    entry: EntryArgument, export: ExportOption = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """List who can open an entry's content, and who could: here, or as an export has it."""
    from chains.envelopes import Envelopes

    if export is not None:
        rows = [_reader_facts(each) for each in _in_export(export, entry).readers or ()]
    else:
        with opened(home) as found:
            stored = find_entry(found, entry)
            rows = [_reader_facts(each) for each in Envelopes(found.engine).readers(stored)]
    say({"readers": rows}, lambda: [_reader_line(row) for row in rows] or "No reader.", as_json=as_json)


@reader_app.command("add")
def reader_add(
    entry: EntryArgument,
    reader: ReaderArgument,
    key_file: ReaderKeyOption,
    password_file: ReaderPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let somebody open an entry's content: its key is unwrapped with yours, and wrapped for him."""
    from chains.client.encrypting import open_envelope, wrap
    from chains.client.envelope import public_key_of
    from chains.envelopes import Envelopes

    public_key, key = given(lambda: public_key_of(reader)), reader_key_in(key_file, password_file)
    with opened(home) as found:
        stored, envelopes = find_entry(found, entry), Envelopes(found.engine)
        content = open_envelope(_taken(found, stored, entry), stored.entry, key)
        wrapped = wrap(content.content_key, public_key, stored.entry_hash)
        facts = _reader_facts(envelopes.add(stored, wrapped, BY, found.clock()))
    say(facts, lambda: f"Added: {_reader_line(facts)}", as_json=as_json)


@reader_app.command("remove")
def reader_remove(
    entry: EntryArgument, reader: ReaderArgument, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Delete the key that was wrapped for somebody. What he has read, he has read."""
    from chains.client.envelope import public_key_of, reader_id
    from chains.envelopes import Envelopes

    who = reader_id(given(lambda: public_key_of(reader)))
    with opened(home) as found:
        stored = find_entry(found, entry)
        facts = _reader_facts(Envelopes(found.engine).remove(stored, who, BY, found.clock()))
    say(facts, lambda: f"Removed: {_reader_line(facts)}", as_json=as_json)


@reader_app.command("remove-all")
def reader_remove_all(
    reader: ReaderArgument,
    chain: Annotated[str | None, typer.Option(help="Only in this chain.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete every key that was wrapped for somebody, as when his key was stolen. Entries of hereafter: a new key."""
    from chains.client.envelope import public_key_of, reader_id
    from chains.envelopes import Envelopes

    who = reader_id(given(lambda: public_key_of(reader)))
    with opened(home) as found:
        only = found.chains.named(chain) if chain else None
        envelopes, entries = Envelopes(found.engine), reader_of(found)
        rows = [entries.row(seq) for seq in envelopes.entries_of(who)]
        chosen = [each for each in rows if only is None or each.chain_no == only.chain_no]
        for stored in chosen:  # each for itself: where it is broken off, the same command removes the rest
            envelopes.remove(stored, who, BY, found.clock())
    facts = {"id": who.hex(), "entries": [stored.entry_hash.hex() for stored in chosen]}
    say(facts, lambda: f"Removed {who.hex()} from {counted(len(chosen), 'entries')}.", as_json=as_json)


def _reader_facts(reader: "ReaderSpan") -> dict[str, Any]:
    return {
        "id": reader.reader.hex(),
        "added_at": utc_or_none(reader.added_at_ms),
        "added_by": reader.added_by,
        "removed_at": utc_or_none(reader.removed_at_ms),
        "removed_by": reader.removed_by,
    }


def _reader_line(facts: dict[str, Any]) -> str:
    came = f"by {facts['added_by']}" if facts["added_by"] else "with the entry"
    ended = f", removed {facts['removed_at']} by {facts['removed_by']}" if facts["removed_at"] else ""
    return f"{facts['id']}  since {facts['added_at']}, {came}{ended}"


# --- opening


@app.command("open", rich_help_panel=PROVING)
def open_(
    entry: Annotated[
        str,
        typer.Argument(
            help="Entry hash, CHAIN:INDEX, with --envelope a receipt's file, with --export CHAIN_ID:INDEX or INDEX."
        ),
    ],
    key_file: ReaderKeyOption,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where the content goes (default: standard output).")
    ] = None,
    envelope: Annotated[
        Path | None, typer.Option(help="The envelope's file: then no home is needed, only the receipt.")
    ] = None,
    export: ExportOption = None,
    receipt: Annotated[
        Path | None, typer.Option(help="Write a receipt here which shows what was encrypted, for others to verify.")
    ] = None,
    without_content: Annotated[
        bool, typer.Option("--without-content", help="The receipt has salt and digest only; the file goes beside it.")
    ] = False,
    password_file: ReaderPasswordOption = None,
    home: HomeOption = None,
) -> None:
    """Open encrypted content with a reader's key, and check that it is what the entry commits to."""
    from chains.client.encrypting import open_envelope

    if envelope is not None and export is not None:
        usage("--envelope and --export are two places of one envelope: name one")
    key = reader_key_in(key_file, password_file)
    if envelope is not None:
        made, kept = _from_files(Path(entry), envelope)
    elif export is not None:
        made, kept = _from_export(export, entry)
    else:
        made, kept = _from_home(entry, home, with_receipt=receipt is not None)
    content = open_envelope(kept, made.entry, key)
    if receipt is not None:
        write_output(receipt, content.shown_in(made, with_content=not without_content).encode())
    write_output(output, content.content)


def _from_files(receipt: Path, envelope: Path) -> "tuple[Receipt, Envelope]":
    from anchor.proof.receipt import Receipt
    from chains.client.envelope import MAX_ENVELOPE, Envelope

    made = given(lambda: Receipt.decode(read_limited(receipt)))
    return made, given(lambda: Envelope.decode(read_at_most(envelope, MAX_ENVELOPE + 1)))


def _from_export(export: Path, entry: str) -> "tuple[Receipt, Envelope]":
    """Return what an export has of an entry; what else is wrong with it, `verify --archive` says."""
    from anchor.proof.archive_taken import chains_with_envelopes, taken_out
    from chains.archive.files import opened_export
    from chains.client.envelope import Envelope

    given(export.stat)
    with opened_export(export, lambda _: None) as files:
        found = given(lambda: taken_out(files, chains_with_envelopes(files.places), entry))
    return found.receipt, Envelope.decode(found.envelope)


def _in_export(export: Path, entry: str) -> "KeptEnvelope":
    from anchor.proof.archive_taken import chains_with_envelopes, kept_of
    from chains.archive.files import opened_export

    given(export.stat)
    with opened_export(export, lambda _: None) as files:
        return given(lambda: kept_of(files, chains_with_envelopes(files.places), entry))[1]


def _from_home(entry: str, home: Path | None, *, with_receipt: bool) -> "tuple[Receipt, Envelope]":
    from anchor.proof.receipt import Content, ContentState, Receipt
    from chains.receipts import Receipts

    with opened(home) as found:
        stored = find_entry(found, entry)
        kept = _taken(found, stored, entry)
        if not with_receipt:
            return Receipt(stored.entry, Content(ContentState.WITHHELD), found.directory.log), kept
        receipts = Receipts(found.engine, found.trees, found.directory, found.chains, found.journal, found.lookup)
        return receipts.make(stored), kept


def _taken(found: "Home", stored: Any, entry: str) -> "Envelope":
    """Return the envelope of an entry, which its owner is told; end the command where none is kept."""
    from anchor.proof.access_record import What
    from chains.envelopes import Envelopes
    from chains.taking import Taking

    envelope = Envelopes(found.engine).of(stored) or fail(f"no encrypted content of {entry} is kept here")
    taking = Taking(found)
    taking.take(What.ENVELOPE, stored)
    taking.note()
    return envelope

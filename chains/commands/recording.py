"""Commands that record and look up: ``chain`` and ``add``."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.drafting import prepared, record
from chains.commands.key_options import (
    AuthorPasswordOption,
    IdentityOption,
    ReaderPasswordOption,
    SearchKeyOption,
    SignersOption,
    keyed_ids_of,
    search_key_in,
    signing_authors,
)
from chains.commands.policy_options import (
    AdminOption,
    AdminsNeededOption,
    CorrectorOption,
    CorrectorsNeededOption,
    IdKindOption,
    MediaTypeOption,
    PolicyOption,
    PolicyOptions,
    PrepareOption,
    Signing,
    ToSignOption,
    WriterOption,
    WritersNeededOption,
    policy_lines,
    refuse_early,
    refuse_next_early,
    signing_of,
)
from chains.commands.terminal import (
    EXIT_FAILED,
    MAX_SIZE,
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    id_bytes,
    is_hash,
    opened,
    read_at_most,
    reader_of,
    say,
    usage,
)
from chains.counted import counted

if TYPE_CHECKING:
    from anchor.proof.entry import ExternalId
    from chains.access import Visibility
    from chains.chain import Chain
    from chains.home import Home
    from chains.reader import StoredEntry
    from chains.work import Accepted

app = command_group()
chain_app = command_group("Chains: open, list, show, find, export; whose they are, who may read them.")
app.add_typer(chain_app, name="chain", rich_help_panel=RECORDING)


@chain_app.command("create")
def chain_create(
    name: Annotated[str, typer.Argument(help="Your name for the chain.")],
    external_id: Annotated[
        list[str] | None, typer.Option("--id", help="External id in clear, repeatable; they give the chain its id.")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="First id is 32 random bytes; nothing is in clear.")
    ] = False,
    content: Annotated[Path | None, typer.Option(help="Content of the first entry (default: empty).")] = None,
    organisation: Annotated[str | None, typer.Option(help="Whose chain it is (default: the operator's).")] = None,
    visibility: Annotated[
        str | None,
        typer.Option(help="Who may read it: public, members or private (the default)."),
    ] = None,
    policy: PolicyOption = None,
    admin: AdminOption = None,
    admins_needed: AdminsNeededOption = None,
    writer: WriterOption = None,
    writers_needed: WritersNeededOption = None,
    corrector: CorrectorOption = None,
    correctors_needed: CorrectorsNeededOption = None,
    only_type: MediaTypeOption = None,
    need_id: IdKindOption = None,
    sign: SignersOption = None,
    signer: ToSignOption = None,
    prepare: PrepareOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a chain with its first entry.

    With --organisation or --visibility, a chain that is not public gets a random id unless --id names some: an id in
    clear can be guessed from the chain id, which everybody sees.

    With --policy, or an option that says a part of it, the first entry states the chain's policy, and those sign it who
    may change it: with --sign here, or elsewhere (--prepare, --signer). Without one the chain is open, for ever.
    """
    from anchor.proof.entry import ExternalId, IdKind
    from chains.access import Visibility

    wanted = PolicyOptions(
        *(policy, admin, admins_needed, writer, writers_needed, corrector, correctors_needed, only_type, need_id)
    )
    if private and external_id:
        usage("--private draws a random id; ids in clear would undo it")
    readable = Visibility.PRIVATE if visibility is None else visibility_of(visibility)
    is_shared = organisation is not None or visibility is not None
    ids = [ExternalId(IdKind.CLEAR, id_bytes(text)) for text in external_id or [name]]
    if private or (is_shared and readable != Visibility.PUBLIC and not external_id):
        ids = [ExternalId(IdKind.HASHED, os.urandom(32))]
    with opened(home) as found:
        first = given(lambda: read_at_most(content, found.settings.content_bytes + 1)) if content else b""
        owner = found.accounts.organisations.live(organisation) if organisation else None
        if wanted.is_given or sign or signer or prepare:
            signing = signing_of(sign, signer, prepare, password_file)
            opens = {"name": name, "visibility": readable.value}
            opens |= {} if owner is None else {"organisation": owner.name}
            done = _open_under(found, wanted, signing, (ids, first, opens), as_json=as_json)
            if done is None:
                return
            chain, accepted = done
        else:
            chain, accepted = found.writer.open_chain(
                *(ids, first, name, found.clock()),
                note=lambda opened_chain: found.accounts.sharing.own(opened_chain, owner, readable),
            )
        facts = {
            "name": name,
            "chain_id": chain.chain_id.hex(),
            "first_entry": accepted.entry_hash.hex(),
            "organisation": None if owner is None else owner.name,
            "visibility": readable.value,
        }
    say(facts, lambda: f"Chain {name}: {facts['chain_id']}", as_json=as_json)


def _open_under(
    found: "Home",
    wanted: PolicyOptions,
    signing: Signing,
    first: "tuple[list[ExternalId], bytes, dict[str, str]]",
    *,
    as_json: bool,
) -> "tuple[Chain, Accepted] | None":
    """Open a chain under a policy with ids, content and how it is opened; None where others are to sign it first."""
    from anchor.proof.entry import chain_id_of
    from chains.client.own_entry import Form, Sent, make_entry

    ids, content, opens = first
    policy = wanted.policy(found, None, signing.public_keys)
    log_id = found.directory.log.log_id
    form = Form(external_ids=tuple(ids), log_id=log_id, policy=policy.encode())
    draft = signing.draft(make_entry(chain_id_of(ids), content, form, os.urandom, Sent.CONTENT), opens)
    refuse_early(lambda: found.policies.check_first(draft.claimed, found.clock()))
    if signing.prepare is not None:
        prepared(draft, signing.prepare, policy_lines(found, policy), as_json=as_json)
        return None
    return record(found, draft)


@chain_app.command("list")
def chain_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the chains of this home."""
    with opened(home) as found:
        chains = list(found.chains.all())
        access = found.accounts.sharing.access_of_each([chain.chain_no for chain in chains])
        rows = [
            {
                "name": chain.name,
                "chain_id": chain.chain_id.hex(),
                "entries": found.chains.size(chain),
                "organisation_id": access[chain.chain_no].owner,
                "visibility": access[chain.chain_no].visibility.value,
            }
            for chain in chains
        ]
    say(
        {"chains": rows},
        lambda: (
            [
                f"{row['name'] or '-':24} {row['entries']:>10}  {row['chain_id']}  {row['visibility']:8}"
                f"{row['organisation_id'] or 'operator'}"
                for row in rows
            ]
            or "No chain yet."
        ),
        as_json=as_json,
    )


@chain_app.command("show")
def chain_show(
    name: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    start: Annotated[int, typer.Option(min=0, max=MAX_SIZE, help="First leaf index.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=10000, help="How many entries.")] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Page through a chain."""
    with opened(home) as found:
        chain = found.chains.named(name)
        size, sealed = found.chains.size(chain), found.trees.state(chain.chain_no).sealed_size
        entries = _described(found, reader_of(found).page(chain, start, count))
    facts = {"name": chain.name, "chain_id": chain.chain_id.hex(), "size": size, "sealed": sealed, "entries": entries}
    say(
        facts,
        lambda: [
            f"Chain {chain.name or ''} {chain.chain_id.hex()}: {counted(size, 'entries')}, {sealed} sealed",
            *(f"{item['leaf_index']:>8}  {item['entry_hash']}  {item['content']}" for item in entries),
        ],
        as_json=as_json,
    )


@chain_app.command("find")
def chain_find(
    what: Annotated[
        str, typer.Argument(help="Entry hash or content's SHA-256 in hex, or external id in clear (or NAMESPACE:NAME).")
    ],
    keyed: Annotated[
        bool, typer.Option("--keyed", help="It is NAMESPACE:NAME, or NAME, keyed with --search-key.")
    ] = False,
    search_key: SearchKeyOption = None,
    password_file: ReaderPasswordOption = None,
    chain: Annotated[str | None, typer.Option(help="Only in this chain.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="At most so many.")] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find entries by hash, by content or by external id."""
    from itertools import islice

    by_name = keyed_ids_of([what], search_key_in(search_key, password_file), any_name=True) if keyed else []
    with opened(home) as found:
        reader, only = reader_of(found), found.chains.named(chain) if chain else None
        matches = reader.by_external_id(by_name[0], only) if by_name else _found(found, reader, what, only)
        entries = _described(found, islice(matches, limit))
    say(
        {"entries": entries},
        lambda: [f"{item['leaf_index']:>8}  {item['entry_hash']}  {item['content']}" for item in entries] or "None.",
        as_json=as_json,
    )
    if not entries:
        raise typer.Exit(EXIT_FAILED)


def _found(found: "Home", reader: Any, what: str, only: "Chain | None") -> Iterator[Any]:
    """Yield the entries of a hash, or those with a content or an id in clear."""
    from anchor.proof.entry import ExternalId, IdKind

    by_hash = reader.by_hash(bytes.fromhex(what)) if is_hash(what) else None
    if by_hash:
        yield by_hash
        return
    if is_hash(what):
        yield from found.contents.entries(reader, bytes.fromhex(what), only)
    yield from reader.by_external_id(ExternalId(IdKind.CLEAR, id_bytes(what)), only)


@chain_app.command("export")
def chain_export(
    name: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    home: HomeOption = None,
) -> None:
    """Write every entry of a chain to standard output, one JSON object a line."""
    from anchor.proof.access_record import What
    from chains.envelopes import Envelopes
    from chains.reader import export_line
    from chains.taking import Taking

    with opened(home) as found:
        chain = found.chains.named(name)
        size, taking = found.chains.size(chain), Taking(found)
        taking.take_chain(What.EXPORT, chain, size)
        taking.note()
        for stored in reader_of(found).entries(chain, 0, size):
            envelope = Envelopes(found.engine).of(stored)
            print(export_line(stored, None if envelope is None else envelope.encode()))


@app.command(rich_help_panel=RECORDING)
def add(
    chain: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders to record; none, or -, is standard input.")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line is an entry of its own.")] = False,
    digest: Annotated[bool, typer.Option("--digest", help="Keep only digests: the content stays with you.")] = False,
    media_type: Annotated[str, typer.Option(help="Media type of the content, e.g. text/csv.")] = "",
    external_id: Annotated[
        list[str] | None,
        typer.Option("--id", help="External id, repeatable: in clear; with --encrypt-for under --search-key."),
    ] = None,
    keyed_id: Annotated[
        list[str] | None, typer.Option(help="NAMESPACE:NAME by which only --search-key finds it, repeatable.")
    ] = None,
    encrypt_for: Annotated[
        list[str] | None, typer.Option(help="Public key of a reader (reader_...), repeatable: only they can open it.")
    ] = None,
    search_key: SearchKeyOption = None,
    name_ids: Annotated[
        bool, typer.Option("--name-ids", help="Each file's name is an external id of its entry.")
    ] = False,
    rows: Annotated[
        bool, typer.Option("--rows", help="Cut .csv, .tsv, .ndjson and .jsonl files into rows, in a manifest.")
    ] = False,
    delimiter: Annotated[str, typer.Option(help="What parts the cells of .csv and .tsv files (default: , or tab).")] = (
        ""
    ),
    manifest: Annotated[
        Path | None, typer.Option(help="Where the list of the folder goes (default: beside it, FOLDER.manifest).")
    ] = None,
    fields: Annotated[
        bool,
        typer.Option("--fields", help="Each file is a JSON document of which single fields can be shown later."),
    ] = False,
    sign: SignersOption = None,
    identity: IdentityOption = None,
    signer: ToSignOption = None,
    prepare: PrepareOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record files, lines, or folders on a chain.

    A folder is one entry, by a manifest of its files. The list of them is written beside it: with it, `verify` names
    what was changed, added or removed, and a single file or row can be shown. It is secret: whoever has it can try
    guesses at every file and row.
    """
    from chains.client.envelope import public_key_of
    from chains.intake import Intake
    from chains.manifest_writing import Cut

    if signer or prepare:
        if len(files or []) != 1 or any((lines, digest, encrypt_for, name_ids, rows, manifest, fields, identity)):
            usage("--prepare takes one file, with --media-type, --id and --keyed-id: others sign its entry as it is")
        signing = signing_of(sign, signer, prepare, password_file)
        key = search_key_in(search_key, password_file) if keyed_id else None
        ids = [*map(_clear_id, external_id or []), *keyed_ids_of(keyed_id or [], key)]
        with opened(home) as found:
            _prepare_entry(found, chain, (files or [])[0], (media_type, ids), signing, as_json=as_json)
        return
    author = signing_authors(sign, identity, password_file)
    key = search_key_in(search_key, None if author else password_file) if keyed_id or encrypt_for else None
    keyed_ids = keyed_ids_of(keyed_id or [], key)
    readers = [given(partial(public_key_of, text)) for text in encrypt_for or []]
    with opened(home) as found:
        reader, target = reader_of(found), found.chains.named(chain)
        intake = Intake(
            lines=lines,
            digest=digest,
            media_type=media_type,
            external_ids=external_id or [],
            keyed_ids=keyed_ids,
            encrypt_for=readers,
            search_key=key,
            name_ids=name_ids,
            cut=Cut(rows, delimiter),
            manifest=manifest,
            fields=fields,
            author=author,
            identity=None if identity is None else found.chains.named(identity).chain_id,
            recorded=lambda sha256: found.contents.place_of(reader, sha256),
        )
        with progress_bar(files or [], quiet=as_json) as advance:
            accepted = intake.record(found.writer, target, files or [Path("-")], found.clock, advance)
        size = found.chains.size(target)
    facts = {
        "chain_id": target.chain_id.hex(),
        "added": accepted.count,
        "first_index": accepted.first_index,
        "size": size,
        "entries": [{"entry_hash": item.hex()} for item in accepted.hashes],
        "disclosures" if fields else "manifests": [str(path) for path in accepted.lists],
    }
    say(
        facts,
        lambda: [
            (
                f"Added {counted(accepted.count, 'entries')} to {target.name or target.chain_id.hex()}, which now has "
                f"{size}."
            ),
            *(f"  {item.hex()}" for item in accepted.hashes[:10] if not lines),
            *(
                f"  {path}: the {'salts' if fields else 'list'}; keep it secret, and as long as the receipt"
                for path in accepted.lists
            ),
        ],
        as_json=as_json,
    )


def _clear_id(text: str) -> "ExternalId":
    from anchor.proof.entry import ExternalId, IdKind

    return ExternalId(IdKind.CLEAR, id_bytes(text))


def _prepare_entry(
    found: "Home", name: str, file: Path, kind: "tuple[str, list[ExternalId]]", signing: Signing, *, as_json: bool
) -> None:
    """Write a draft of the entry of one file, under a media type and ids, for others to sign."""
    from chains.client.own_entry import Form, Sent, make_entry

    chain, (media_type, ids) = found.chains.named(name), kind
    content = given(lambda: read_at_most(file, found.settings.content_bytes + 1))
    form = Form(media_type, tuple(ids), log_id=found.directory.log.log_id)
    draft = signing.draft(make_entry(chain.chain_id, content, form, os.urandom, Sent.CONTENT))
    refuse_next_early(found, chain, draft)
    assert signing.prepare is not None, "nobody signs elsewhere without it"
    prepared(draft, signing.prepare, [f"  {file}, {counted(len(content), 'bytes')}"], as_json=as_json)


@contextmanager
def progress_bar(files: list[Path], *, quiet: bool, what: str = "recording") -> Iterator[Callable[[int], None]]:
    """Show a bar over the bytes of long input on a terminal; elsewhere nothing."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    is_shown = console.is_terminal and not quiet
    total = sum(map(_bytes_in, files)) if is_shown else 0
    with Progress(console=console, disable=not is_shown, transient=True) as progress:
        task = progress.add_task(what, total=total or None)
        yield lambda size: progress.advance(task, size)


def _bytes_in(path: Path) -> int:
    """Return how many bytes a file has, or all files below a folder."""
    if not path.is_dir():
        return path.stat().st_size if path.is_file() else 0
    sizes = ((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(path) for name in names)
    return sum(sizes)


def visibility_of(text: str) -> "Visibility":
    """Read who may read a chain; end the command where it is none of the three."""
    from chains.access import Visibility

    if text not in list(Visibility):
        usage(f"visibility: expected one of {', '.join(Visibility)}, got {text[:40]!r}")
    return Visibility(text)


def _described(found: "Home", entries: "Iterable[StoredEntry]") -> list[dict[str, Any]]:
    """Return what is shown of entries: the digests of their contents too, which their owner is told."""
    from anchor.proof.access_record import What
    from chains.taking import Taking

    shown, taking = list(entries), Taking(found)
    for stored in shown:
        taking.take(What.DIGEST, stored)
    taking.note()
    return list(map(_described_one, shown))


def _described_one(stored: "StoredEntry") -> dict[str, Any]:
    entry, kept = stored.entry, stored.kept
    content = (
        f"encrypted, {len(stored.box)} bytes"
        if stored.box is not None
        else "nothing kept"
        if kept is None
        else "digest only"
        if kept.content is None
        else f"{len(kept.content)} bytes"
    )
    return {
        "leaf_index": stored.leaf_index,
        "entry_hash": stored.entry_hash.hex(),
        "media_type": entry.media_type,
        "external_ids": [{"kind": item.kind, "value": item.value.hex()} for item in entry.external_ids],
        "content": content,
        "digest": None if kept is None else kept.digest.hex(),
    }

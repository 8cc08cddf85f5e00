"""The ``anchorline`` command: one short function per command, and the only place where parts are put together.

Input is the command line, files and standard input; output is text for people, or facts as JSON with ``--json``.
Everything that decides something is in ``anchor`` and ``chains``; a command imports what it needs when it runs, so
that ``verify`` starts without database and Bitcoin code.
"""

import hashlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn, TypeVar

import typer

from anchor.proof.errors import AnchorlineError, MalformedError

if TYPE_CHECKING:
    from anchor.proof.receipt import LogCard
    from anchor.proof.verify import Verdict
    from chains.home import Home

app = typer.Typer(
    name="anchorline",
    help="Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
chain_app = typer.Typer(help="Chains: open, list, show, find, export.", no_args_is_help=True)
log_app = typer.Typer(help="Log cards: show this log's, trust somebody's.", no_args_is_help=True)
app.add_typer(chain_app, name="chain", rich_help_panel="Record")
app.add_typer(log_app, name="log", rich_help_panel="Prove and verify")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="ANCHORLINE_HOME", help="Folder of the log (default: the XDG data folder)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOT_CHECKED = 4
EXIT_INTERRUPTED = 128 + 2
"""What a shell reports for a process that SIGINT ended."""
READ_BYTES = 1 << 20
MAX_SIZE = 2**62
"""No log is larger, and SQLite's integers end at 2^63."""
BEGINNING, RECORDING, ANCHORING = "Begin", "Record", "Seal and anchor"
PROVING, KEEPING = "Prove and verify", "Look after a log"
Found = TypeVar("Found")


def main() -> None:
    """Run the command line; what goes wrong becomes one sentence on standard error, never a traceback.

    Exit codes: 0 done; 1 failed or refused; 2 a command line that makes no sense; 130 interrupted. ``verify`` has
    more (docs/spec/verdict.md).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name need not be text: what cannot be printed is escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            app(prog_name="anchorline")
        finally:
            sys.stdout.flush()
    except AnchorlineError as error:
        stop("; ".join([str(error), *getattr(error, "__notes__", ())]), EXIT_FAILED)
    except BrokenPipeError:
        stop("", EXIT_FAILED)
    except OSError as error:
        stop(": ".join(filter(None, [_name_of(error), error.strerror or str(error)])), EXIT_FAILED)
    except KeyboardInterrupt:
        stop("interrupted", EXIT_INTERRUPTED)


def stop(message: str, exit_code: int) -> NoReturn:
    """End the process with a sentence; what could not be written to standard output is dropped."""
    with suppress(io.UnsupportedOperation):  # a caller's stand-in for standard output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if message:
        print(f"anchorline: {message}", file=sys.stderr)
    sys.exit(exit_code)


def _name_of(error: OSError) -> str:
    return str(error.filename or "")


@contextmanager
def opened(home: Path | None) -> Iterator["Home"]:
    """Open the home that the options name."""
    from chains.home import Home, default_home

    with Home.open(home or default_home()) as found:
        yield found


def say(facts: dict[str, Any], text: Callable[[], str | Iterable[str]], *, as_json: bool) -> None:
    """Print facts as JSON, or as the text for people."""
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    lines = text()
    print(lines if isinstance(lines, str) else "\n".join(lines))


def usage(message: str) -> NoReturn:
    """Refuse a command line that makes no sense."""
    fail(message, EXIT_USAGE)


def fail(message: str, exit_code: int = EXIT_FAILED) -> NoReturn:
    """End a command with a sentence on standard error."""
    print(f"anchorline: {message}", file=sys.stderr)
    raise typer.Exit(exit_code)


def given(read: Callable[[], Found]) -> Found:
    """Read something that the command line names; what is wrong with it is the caller's to mend, and no verdict."""
    try:
        return read()
    except AnchorlineError as error:
        usage(str(error))
    except OSError as error:
        usage(f"{_name_of(error)}: {error.strerror}")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"anchorline {version('anchorline')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline."""


@app.command(rich_help_panel=BEGINNING)
def init(
    home: HomeOption = None,
    origin: Annotated[str, typer.Option(help="Name of the log, best a URL without scheme that you own.")] = "",
    network: Annotated[
        str, typer.Option(help="Bitcoin network of --core-url: mainnet, testnet3, testnet4, signet or regtest.")
    ] = "testnet4",
    embedded: Annotated[bool, typer.Option("--embedded", help="Use the embedded regtest: no node needed.")] = False,
    core_url: Annotated[str, typer.Option(help="RPC address of your Bitcoin Core node.")] = "",
    core_cookie_file: Annotated[str, typer.Option(help="Its cookie file.")] = "",
    core_user: Annotated[str, typer.Option(help="Or its RPC user; the password in ANCHORLINE_CORE_PASSWORD.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a home: keys, database, settings, and the log's identity."""
    import socket

    from chains.home import create_home, default_home
    from chains.settings import checked_settings

    if embedded == bool(core_url):
        usage("say where Bitcoin is: --core-url URL of your node with --core-cookie-file, or --embedded to try it out")
    if core_url and not core_cookie_file and not core_user:
        usage("--core-url needs --core-cookie-file, or --core-user with the password in ANCHORLINE_CORE_PASSWORD")
    values: dict[str, Any] = {
        "network": "regtest" if embedded else network,
        "source": "embedded" if embedded else "core",
    }
    if not embedded:
        values |= {"core_url": core_url, "core_cookie_file": core_cookie_file, "core_user": core_user}
    folder = home or default_home()
    settings = checked_settings(values, "init")
    with create_home(folder, settings, origin or f"{socket.gethostname()}/anchorline") as made:
        log = made.directory.log
        facts = {
            "home": str(folder),
            "origin": log.origin,
            "log_id": log.log_id.hex(),
            "network": settings.network,
            "address": made.wallet.address,
            "log_card": str(made.write_card()),
        }
    say(
        facts,
        lambda: [
            f"Log {facts['origin']} on {facts['network']}, made in {facts['home']}",
            f"  log id   {facts['log_id']}",
            f"  card     {facts['log_card']}  (give it to whoever verifies)",
            f"  fund it  {facts['address']}  (the keys folder is secret: back it up, never publish it)",
        ],
        as_json=as_json,
    )


# --- chains


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
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open a chain with its first entry."""
    from anchor.proof.entry import ExternalId, IdKind

    if private and external_id:
        usage("--private draws a random id; ids in clear would undo it")
    ids = [ExternalId(IdKind.CLEAR, id_bytes(text)) for text in external_id or [name]]
    if private:
        ids = [ExternalId(IdKind.HASHED, os.urandom(32))]
    with opened(home) as found:
        first = given(lambda: _read_at_most(content, found.settings.content_bytes + 1)) if content else b""
        chain, accepted = found.writer.open_chain(ids, first, name, found.clock())
        facts = {"name": name, "chain_id": chain.chain_id.hex(), "first_entry": accepted.entry_hash.hex()}
    say(facts, lambda: f"Chain {name}: {facts['chain_id']}", as_json=as_json)


@chain_app.command("list")
def chain_list(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the chains of this home."""
    with opened(home) as found:
        rows = [
            {"name": chain.name, "chain_id": chain.chain_id.hex(), "entries": found.chains.size(chain)}
            for chain in found.chains.all()
        ]
    say(
        {"chains": rows},
        lambda: [f"{row['name'] or '-':24} {row['entries']:>10}  {row['chain_id']}" for row in rows] or "No chain yet.",
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
        entries = [_described(stored) for stored in _reader(found).page(chain, start, count)]
    facts = {"name": chain.name, "chain_id": chain.chain_id.hex(), "size": size, "sealed": sealed, "entries": entries}
    say(
        facts,
        lambda: [
            f"Chain {chain.name or ''} {chain.chain_id.hex()}: {size} entries, {sealed} sealed",
            *(f"{item['leaf_index']:>8}  {item['entry_hash']}  {item['content']}" for item in entries),
        ],
        as_json=as_json,
    )


@chain_app.command("find")
def chain_find(
    what: Annotated[str, typer.Argument(help="An entry hash in hex, or an external id in clear.")],
    chain: Annotated[str | None, typer.Option(help="Only in this chain.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10000, help="At most so many.")] = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find entries by hash or by external id."""
    from itertools import islice

    from anchor.proof.entry import ExternalId, IdKind

    with opened(home) as found:
        reader, only = _reader(found), found.chains.named(chain) if chain else None
        by_hash = reader.by_hash(bytes.fromhex(what)) if _is_hash(what) else None
        matches = [by_hash] if by_hash else reader.by_external_id(ExternalId(IdKind.CLEAR, id_bytes(what)), only)
        entries = [_described(stored) for stored in islice(matches, limit)]
    say(
        {"entries": entries},
        lambda: [f"{item['leaf_index']:>8}  {item['entry_hash']}  {item['content']}" for item in entries] or "None.",
        as_json=as_json,
    )
    if not entries:
        raise typer.Exit(EXIT_FAILED)


@chain_app.command("export")
def chain_export(
    name: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    home: HomeOption = None,
) -> None:
    """Write every entry of a chain to standard output, one JSON object a line."""
    from chains.reader import export_line

    with opened(home) as found:
        chain = found.chains.named(name)
        for stored in _reader(found).entries(chain, 0, found.chains.size(chain)):
            print(export_line(stored))


# --- writing


@app.command(rich_help_panel=RECORDING)
def add(
    chain: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Files to record; none, or -, is standard input.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line is an entry of its own.")] = False,
    digest: Annotated[bool, typer.Option("--digest", help="Keep only digests: the content stays with you.")] = False,
    media_type: Annotated[str, typer.Option(help="Media type of the content, e.g. text/csv.")] = "",
    external_id: Annotated[list[str] | None, typer.Option("--id", help="External id in clear, repeatable.")] = None,
    name_ids: Annotated[
        bool, typer.Option("--name-ids", help="Each file's name is an external id of its entry.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record files, or lines, on a chain."""
    from chains.intake import Intake

    intake = Intake(
        lines=lines, digest=digest, media_type=media_type, external_ids=external_id or [], name_ids=name_ids
    )
    with opened(home) as found:
        target = found.chains.named(chain)
        with progress_bar(files or [], quiet=as_json) as advance:
            accepted = intake.record(found.writer, target, files or [Path("-")], found.clock, advance)
        size = found.chains.size(target)
    facts = {
        "chain_id": target.chain_id.hex(),
        "added": accepted.count,
        "first_index": accepted.first_index,
        "size": size,
        "entries": [{"entry_hash": item.hex()} for item in accepted.hashes],
    }
    say(
        facts,
        lambda: [
            f"Added {accepted.count} entries to {target.name or target.chain_id.hex()}, which now has {size}.",
            *(f"  {item.hex()}" for item in accepted.hashes[:10] if not lines),
        ],
        as_json=as_json,
    )


@contextmanager
def progress_bar(files: list[Path], *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar over the bytes of long input on a terminal; elsewhere nothing."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    total = sum(path.stat().st_size for path in files if path.is_file())
    with Progress(console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        task = progress.add_task("recording", total=total or None)
        yield lambda size: progress.advance(task, size)


# --- sealing and anchoring


@app.command(rich_help_panel=ANCHORING)
def seal(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Seal every changed chain into a signed checkpoint."""
    with opened(home) as found:
        sealed = found.anchoring.seal(found.checkpoint_key, found.clock())
        found.lookup.maintain()
        found.write_card()
    facts = {"sealed": sealed is not None}
    if sealed is not None:
        facts |= {"size": sealed.size, "root": sealed.root.hex(), "seal_number": sealed.seal_number}  # type: ignore[dict-item]  # JSON values differ
    text = "Nothing had changed." if sealed is None else f"Checkpoint of {sealed.size} leaves, root {sealed.root.hex()}"
    say(facts, lambda: text, as_json=as_json)


@app.command(rich_help_panel=ANCHORING)
def tick(
    now: Annotated[bool, typer.Option("--now", help="Anchor what is not anchored yet, without waiting.")] = False,
    mine: Annotated[int, typer.Option(min=0, max=1000, help="Embedded regtest: mine so many blocks first.")] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at the anchors and take the next step: build, send, watch."""
    with opened(home) as found:
        if mine:
            _mine(found, mine)
        done = found.anchoring.tick(found.clock(), at_once=now)
        attempts = [_attempt(attempt) for attempt in done.attempts]
        plan = type(done.plan).__name__.lower()
        why = getattr(done.plan, "why", "")
    say(
        {"did": plan, "why": why, "attempts": attempts},
        lambda: [
            why or "An anchor was sent.",
            *(f"  attempt {item['attempt']}: {item['state']}, {item['txid']}" for item in attempts),
        ],
        as_json=as_json,
    )


@app.command(rich_help_panel=KEEPING)
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the state of the log: chains, checkpoints, anchors, wallet."""
    from chains.status import status_of

    with opened(home) as found:
        facts = status_of(found)
    say(facts, lambda: _status_lines(facts), as_json=as_json)


@app.command(rich_help_panel=ANCHORING)
def daemon(home: HomeOption = None) -> None:
    """Seal and anchor at the settings' pace until stopped (SIGINT, SIGTERM)."""
    from anchor.daemon import run

    with opened(home) as found:
        settings = found.settings

        def sealing() -> None:
            found.anchoring.seal(found.checkpoint_key, found.clock())
            found.lookup.maintain()
            found.write_card()

        def anchoring() -> None:
            if settings.source == "embedded":
                _mine(found, 1)
            found.anchoring.tick(found.clock())

        run({"seal": (sealing, settings.seal_every_s), "tick": (anchoring, settings.tick_every_s)}, print_line)


def print_line(line: str) -> None:
    """Write one log line to standard error."""
    print(line, file=sys.stderr, flush=True)


# --- receipts


@app.command(rich_help_panel=PROVING)
def receipt(
    entry: Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    withhold: Annotated[bool, typer.Option("--withhold", help="Show neither salt nor digest of the content.")] = False,
    content: Annotated[bool, typer.Option("--content", help="Put the content into the receipt.")] = False,
    checkpoint: Annotated[
        int | None, typer.Option(min=1, max=MAX_SIZE, help="Prove against the checkpoint of this size.")
    ] = None,
    ots: Annotated[bool, typer.Option("--ots", help="Write an OpenTimestamps file instead.")] = False,
    network_not_in_file: Annotated[
        bool, typer.Option("--network-not-in-file", help="Yes: an .ots off mainnet does not say so itself.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Write the receipt of an entry, as complete as it can be now."""
    from chains.receipts import Receipts, Shown

    with opened(home) as found:
        stored = _find(found, entry)
        receipts = Receipts(found.engine, found.trees, found.directory, found.chains, found.journal)
        made = receipts.make(stored, Shown(not withhold, content), checkpoint)
    if ots:
        _write_ots(made, output, network_not_in_file=network_not_in_file)
        return
    _write(output, made.encode())


@app.command(rich_help_panel=PROVING)
def upgrade(
    receipt_file: Annotated[Path, typer.Argument(metavar="RECEIPT", help="Receipt file to complete, in place.")],
    checkpoint: Annotated[
        int | None, typer.Option(min=1, max=MAX_SIZE, help="Prove against the checkpoint of this size.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Complete a receipt with what the log has anchored since; the old file is kept where something is wrong."""
    from anchor.proof.receipt import Receipt
    from chains.home import write_file
    from chains.receipts import Receipts

    old = given(lambda: Receipt.decode(_read_limited(receipt_file)))
    with opened(home) as found:
        stored = _find(found, old.entry.hash.hex())
        receipts = Receipts(found.engine, found.trees, found.directory, found.chains, found.journal)
        new = receipts.upgrade(old, stored, checkpoint)
    anchored = bool(new.sealed and new.sealed.anchors)
    write_file(receipt_file, new.encode())
    facts = {"sealed": new.sealed is not None, "anchored": anchored, "changed": new != old}
    state = "anchored" if anchored else "sealed, not anchored yet" if new.sealed else "not sealed yet"
    say(facts, lambda: f"{receipt_file}: {state}", as_json=as_json)


@app.command(rich_help_panel=PROVING)
def verify(
    files: Annotated[
        list[Path], typer.Argument(metavar="[FILE] RECEIPT", help="The file, if at hand, and its receipt.")
    ],
    log: Annotated[Path | None, typer.Option(help="The log's card; pins whose log it must be.")] = None,
    any_log: Annotated[bool, typer.Option("--any-log", help="Do not ask whose log it is.")] = False,
    block: Annotated[list[str] | None, typer.Option(help="A block you trust: NETWORK:HEIGHT:HASH.")] = None,
    headers: Annotated[Path | None, typer.Option(help="A headers file you trust.")] = None,
    node_url: Annotated[str | None, typer.Option(help="RPC address of a Bitcoin Core node you trust.")] = None,
    node_cookie_file: Annotated[Path | None, typer.Option(help="Its cookie file.")] = None,
    depth: Annotated[int, typer.Option(min=1, help="Confirmations wanted, where they are known.")] = 6,
    as_json: JsonOption = False,
) -> None:
    """Verify a file against its receipt: offline, without a home, an account or a service.

    Exit codes: 0 intact; 1 does not verify; 2 usage; 3 incomplete; 4 could not be checked; 5 content withheld or
    erased, so that the file cannot be compared.
    """
    from anchor.errors import SourceError
    from anchor.proof.receipt import Receipt
    from anchor.proof.verify import Verifier
    from anchor.proof.verify import verify as judge

    if len(files) not in {1, 2}:
        usage(f"verify takes a receipt, or a file and its receipt; got {len(files)} files")
    data = given(lambda: _read_limited(files[-1]))
    try:
        found = Receipt.decode(data)
    except MalformedError as error:
        text = f"{files[-1]} is not a well-formed receipt: {error}"
        _no_verdict(EXIT_FAILED, "failed", ["malformed"], f"DOES NOT VERIFY: {text}", as_json=as_json)
    digest = given(lambda: _digest_of(files[0])) if len(files) == 2 else None
    card = given(lambda: _card(log, found.log.log_id))
    try:
        views = [*given(lambda: _files_given(block or [], headers)), *_node(node_url, node_cookie_file, found)]
        verdict = judge(found, Verifier(digest, card, any_log, tuple(views), depth, _signature_check()))
    except SourceError as error:
        _node_failed(error, as_json=as_json)
    say(verdict.to_json(), lambda: _verdict_lines(files, verdict), as_json=as_json)
    raise typer.Exit(verdict.exit_code)


@app.command(rich_help_panel=PROVING)
def headers(
    output: Annotated[Path, typer.Argument(help="File to write.")],
    first: Annotated[int, typer.Option("--from", min=0, max=MAX_SIZE, help="First height.")] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the headers of the best chain, as this home's Bitcoin source knows them, for verify --headers."""
    from anchor.proof.blocks import encode_headers
    from chains.home import write_file

    with opened(home) as found:
        network, raw = found.source.network.name, _headers_from(found.source, first)
    write_file(output, encode_headers(network, first, raw))
    facts = {"network": network, "first_height": first, "headers": len(raw), "file": str(output)}
    say(facts, lambda: f"{len(raw)} headers of {network} from height {first} in {output}", as_json=as_json)


@app.command(rich_help_panel=KEEPING)
def audit(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Recompute and check everything this home holds; exit code 1 where something does not hold."""
    from dataclasses import asdict

    from chains.audit import Audit

    with opened(home) as found:
        audited = Audit(found.engine, found.trees, found.directory, found.chains, _reader(found), found.journal).run()
    facts = asdict(audited) | {"clean": audited.clean}
    say(
        facts,
        lambda: [
            f"{audited.entries} entries of {audited.chains} chains, {audited.heads} heads, {audited.seals} seals, "
            f"{audited.checkpoints} checkpoints, {audited.promises} promises, {audited.anchors} anchor attempts: "
            + ("all hold." if audited.clean else f"{len(audited.findings) + audited.more_findings} findings."),
            *(f"  {finding.where}: {finding.what}" for finding in audited.findings),
        ],
        as_json=as_json,
    )
    raise typer.Exit(0 if audited.clean else EXIT_FAILED)


@log_app.command("card")
def log_card(home: HomeOption = None) -> None:
    """Print this log's card: what a verifier pins."""
    with opened(home) as found:
        sys.stdout.write(found.card().encode().decode("ascii"))


@log_app.command("trust")
def log_trust(
    card: Annotated[Path, typer.Argument(help="The card file, from a source you trust.")], as_json: JsonOption = False
) -> None:
    """Keep a log's card, so that verify recognises its receipts."""
    from anchor.proof.receipt import LogCard
    from chains.home import write_file

    trusted = given(lambda: LogCard.decode(_read_limited(card)))
    folder = _trusted_folder()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{trusted.log.log_id.hex()}.json"
    write_file(kept, trusted.encode())
    facts = {"origin": trusted.log.origin, "log_id": trusted.log.log_id.hex(), "kept_in": str(kept)}
    say(
        facts,
        lambda: f"Receipts of {facts['origin']} (log {facts['log_id']}) are recognised from now on.",
        as_json=as_json,
    )


@app.command(rich_help_panel=BEGINNING)
def demo(
    source: Annotated[Path, typer.Option(help="Folder with the real input of the demo.")] = Path(),
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's home in this new folder.")] = None,
) -> None:
    """Show the whole way on an embedded Bitcoin regtest: record, seal, anchor, verify, and catch a change."""
    from chains.demo import run_demo

    raise typer.Exit(run_demo(source.resolve(), keep, print))


# --- parts


def _reader(found: "Home") -> Any:
    from chains.reader import Reader

    return Reader(found.engine, found.chains, found.lookup)


def _is_hash(text: str) -> bool:
    return len(text) == 64 and all(char in "0123456789abcdef" for char in text)


def _find(found: "Home", entry: str) -> Any:
    reader = _reader(found)
    name, colon, index = entry.rpartition(":")
    if _is_hash(entry):
        return reader.by_hash(bytes.fromhex(entry)) or fail(f"no entry {entry} here")
    if not colon or not index.isdecimal() or not index.isascii():
        usage(f"expected an entry hash of 64 lower-case hex digits, or CHAIN:INDEX, got {entry[:80]!r}")
    chain = found.chains.named(name)
    place, size = int(index[:20]), found.chains.size(chain)
    return reader.at(chain, place) or fail(f"no entry {place} in {name}: it has 0 to {size - 1}")


def _headers_from(source: Any, first: int) -> list[bytes]:
    """Return the headers from a height up to the tip, the header there included."""
    tip = source.tip().height
    if first > tip:
        fail(f"no block {first}: the best chain of {source.network.name} ends at {tip}")
    raw = []
    for height in range(first, tip + 1):
        block_hash = source.block_hash(height)
        header = source.header(block_hash) if block_hash else None
        if header is None:
            break  # the chain became shorter while it was read
        raw.append(header)
    return raw


def _described(stored: Any) -> dict[str, Any]:
    entry, kept = stored.entry, stored.kept
    content = (
        "nothing kept" if kept is None else "digest only" if kept.content is None else f"{len(kept.content)} bytes"
    )
    return {
        "leaf_index": stored.leaf_index,
        "entry_hash": stored.entry_hash.hex(),
        "media_type": entry.media_type,
        "external_ids": [{"kind": item.kind, "value": item.value.hex()} for item in entry.external_ids],
        "content": content,
        "digest": None if kept is None else kept.digest.hex(),
    }


def _attempt(attempt: Any) -> dict[str, Any]:
    from chains.status import attempt_facts

    return attempt_facts(attempt)


def _mine(found: "Home", count: int) -> None:
    mine = getattr(found.source, "mine", None)
    if mine is None:
        usage("--mine works on the embedded regtest only: elsewhere others mine")
    mine(count, found.wallet.script)


def _status_lines(facts: dict[str, Any]) -> list[str]:
    newest = facts["checkpoint"]
    wallet = facts["wallet"]
    lines = [
        f"Log {facts['origin']} on {facts['network']} ({facts['log_id']})",
        f"  {facts['chains']} chains, {facts['entries']} entries, {facts['unsealed']} not sealed yet",
        "  no checkpoint yet"
        if newest is None
        else f"  checkpoint of {newest['size']} leaves (seal {newest['seal_number']}), root {newest['root']}",
    ]
    lines += [f"  attempt {item['attempt']}: {item['state']}, {item['txid']}" for item in facts["attempts"]]
    known = (
        "not asked"
        if wallet["balance_sat"] is None
        else f"{wallet['balance_sat']} sat, about {wallet['anchors_left']} anchors"
    )
    lines.append(f"  wallet {wallet['address']}: {known}")
    if facts["source_error"]:
        lines.append(f"  Bitcoin source: {facts['source_error']}")
    return lines


def _write(output: Path | None, data: bytes) -> None:
    if output is None or str(output) == "-":
        sys.stdout.buffer.write(data)
        return
    from chains.home import write_file

    write_file(output, data)


def _write_ots(made: Any, output: Path | None, *, network_not_in_file: bool) -> None:
    from chains.receipts import export_ots

    exported = export_ots(made)
    if output is None:
        usage("--ots needs --output NAME.ots")
    if exported.network != "mainnet":
        if not network_not_in_file:
            usage(
                f"an .ots file names no network and reads as mainnet; this anchor is on {exported.network}. "
                "Say --network-not-in-file to write it all the same"
            )
        output = output.with_name(f"{output.name.removesuffix('.ots')}.{exported.network}.ots")
        print_line(f"warning: {output} proves something to a {exported.network} node only, and does not say so")
    _write(output, exported.ots)
    print_line(f"{output}: {exported.operations} operations; it discloses the entry and the salt of its content")
    if exported.leaf is not None:
        leaf = output.with_name(output.name.removesuffix(".ots") + ".leaf")
        _write(leaf, exported.leaf)
        print_line(f"{leaf}: the file that it stamps (00 and the entry), since the content is not shown")


def id_bytes(text: str) -> bytes:
    """Return an external id in clear: UTF-8, and the raw bytes where the command line held something else."""
    return text.encode("utf-8", "surrogateescape")


def _read_at_most(path: Path, limit: int) -> bytes:
    """Read the beginning of a file: enough for the reader behind to see that it is too long."""
    with path.open("rb") as file:
        return file.read(limit)


def _read_limited(path: Path) -> bytes:
    """Read a receipt or a card; what cannot be one by its size is not read at all."""
    from anchor.proof.receipt import MAX_FILE_WITH_CONTENT

    return _read_at_most(path, MAX_FILE_WITH_CONTENT + 1)


def _digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file of any size, or of standard input for ``-``."""
    hasher = hashlib.sha256()

    def take(file: BinaryIO) -> None:
        while piece := file.read(READ_BYTES):
            hasher.update(piece)

    if str(path) == "-":
        take(sys.stdin.buffer)
        return hasher.digest()
    with path.open("rb") as file:
        take(file)
    return hasher.digest()


def _trusted_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_config_dir("anchorline")) / "logs"


def _card(path: Path | None, log_id: bytes) -> "LogCard | None":
    """Return the card that was named, or the one kept for this log by ``anchorline log trust``."""
    from anchor.proof.receipt import LogCard

    kept = path or _trusted_folder() / f"{log_id.hex()}.json"
    return LogCard.decode(_read_limited(kept)) if path or kept.is_file() else None


def _signature_check() -> Any:
    """Return the fast check where ``cryptography`` is there; the plain Python one says the same, more slowly."""
    try:
        from anchor.signing import check_signature
    except ImportError:
        from anchor.proof.ed25519 import verify as check_signature
    return check_signature


def _files_given(blocks: list[str], headers_file: Path | None) -> list[Any]:
    """Read the blocks and headers that the verifier trusts."""
    from anchor.proof.blocks import MAX_HEADERS_FILE, GivenBlock, HeaderChain

    views: list[Any] = [GivenBlock.decode(text) for text in blocks]
    if headers_file is not None:
        views.append(HeaderChain.decode(_read_at_most(headers_file, MAX_HEADERS_FILE + 1)))
    return views


def _node(node_url: str | None, cookie_file: Path | None, receipt_read: Any) -> Iterator[Any]:
    """Make a view of the node that the verifier trusts; it must follow the receipt's network."""
    if node_url is None:
        if cookie_file is not None:
            usage("--node-cookie-file belongs to a node: name it with --node-url")
        return
    from anchor.bitcoin.core_rpc import CoreSource
    from anchor.bitcoin.json_rpc import Cookie
    from anchor.bitcoin.known import SourceBlocks
    from anchor.bitcoin.networks import network_named
    from anchor.proof.verify import network_of

    rules = network_of(receipt_read.log)
    if rules is None or cookie_file is None:
        usage("--node-url needs --node-cookie-file, and a receipt of a network that this version knows")
    source = given(lambda: CoreSource(node_url, network_named(rules.name), Cookie(cookie_file)))
    source.check_network()
    yield SourceBlocks(source, node_url)


def _node_failed(error: AnchorlineError, *, as_json: bool) -> NoReturn:
    """A silent node says nothing about the receipt; one of another network says that it is of another network."""
    from anchor.errors import WrongNetworkError

    if isinstance(error, WrongNetworkError):
        _no_verdict(EXIT_FAILED, "failed", ["another-network"], f"DOES NOT VERIFY: {error}", as_json=as_json)
    _no_verdict(EXIT_NOT_CHECKED, "not checked", [], f"COULD NOT BE CHECKED: {error}", as_json=as_json)


def _no_verdict(exit_code: int, outcome: str, reasons: list[str], text: str, *, as_json: bool) -> NoReturn:
    """End ``verify`` where it could not get as far as a verdict with steps."""
    say({"outcome": outcome, "exit_code": exit_code, "reasons": reasons, "error": text}, lambda: text, as_json=as_json)
    raise typer.Exit(exit_code)


def _verdict_lines(files: list[Path], verdict: "Verdict") -> list[str]:
    from chains.wording import verdict_lines

    return verdict_lines(files[0].name if len(files) == 2 else None, verdict)


if __name__ == "__main__":
    main()

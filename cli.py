"""The ``anchorline`` command: one short function per command, and the only place where parts are put together.

Input is the command line, files and standard input; output is text for people, or facts as JSON with ``--json``.
Everything that decides something is in ``anchor`` and ``chains``; a command imports what it needs when it runs, so
that ``verify`` starts without database and Bitcoin code.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn

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
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
chain_app = typer.Typer(help="Chains: open, list, show, find, export.", no_args_is_help=True)
log_app = typer.Typer(help="Log cards: show this log's, trust somebody's.", no_args_is_help=True)
app.add_typer(chain_app, name="chain")
app.add_typer(log_app, name="log")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar="ANCHORLINE_HOME", help="Folder of the log (default: the XDG data folder)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
EXIT_FAILED = 1
EXIT_USAGE = 2
BATCH = 1000
READ_BYTES = 1 << 20


def main() -> None:
    """Run the command line; an error of ours becomes one sentence and exit code 1."""
    try:
        app()
    except AnchorlineError as error:
        print(f"anchorline: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        sys.exit(EXIT_FAILED)


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
    print(f"anchorline: {message}", file=sys.stderr)
    raise typer.Exit(EXIT_USAGE)


@app.command()
def init(
    home: HomeOption = None,
    origin: Annotated[str, typer.Option(help="Name of the log, best a URL without scheme that you own.")] = "",
    network: Annotated[str, typer.Option(help="Bitcoin network.")] = "testnet4",
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

    if not embedded and not core_url:
        usage("say where Bitcoin is: --core-url URL of your node with --core-cookie-file, or --embedded to try it out")
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
    import os

    from anchor.proof.entry import ExternalId, IdKind

    if private and external_id:
        usage("--private draws a random id; ids in clear would undo it")
    ids = [ExternalId(IdKind.CLEAR, text.encode()) for text in external_id or [name]]
    if private:
        ids = [ExternalId(IdKind.HASHED, os.urandom(32))]
    with opened(home) as found:
        first = content.read_bytes() if content else b""
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
    start: Annotated[int, typer.Option(min=0, help="First leaf index.")] = 0,
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
        matches = [by_hash] if by_hash else reader.by_external_id(ExternalId(IdKind.CLEAR, what.encode()), only)
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the state of the log: chains, checkpoints, anchors, wallet."""
    from chains.status import status_of

    with opened(home) as found:
        facts = status_of(found)
    say(facts, lambda: _status_lines(facts), as_json=as_json)


@app.command()
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


@app.command()
def receipt(
    entry: Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    withhold: Annotated[bool, typer.Option("--withhold", help="Show neither salt nor digest of the content.")] = False,
    content: Annotated[bool, typer.Option("--content", help="Put the content into the receipt.")] = False,
    checkpoint: Annotated[int | None, typer.Option(help="Prove against the checkpoint of this size.")] = None,
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


@app.command()
def upgrade(
    receipt_file: Annotated[Path, typer.Argument(metavar="RECEIPT", help="Receipt file to complete, in place.")],
    checkpoint: Annotated[int | None, typer.Option(help="Prove against the checkpoint of this size.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Complete a receipt with what the log has anchored since; the old file is kept where something is wrong."""
    from anchor.proof.receipt import Receipt
    from chains.home import write_file
    from chains.receipts import Receipts

    old = Receipt.decode(_read_limited(receipt_file))
    with opened(home) as found:
        stored = _find(found, old.entry.hash.hex())
        receipts = Receipts(found.engine, found.trees, found.directory, found.chains, found.journal)
        new = receipts.upgrade(old, stored, checkpoint)
    anchored = bool(new.sealed and new.sealed.anchors)
    write_file(receipt_file, new.encode())
    facts = {"sealed": new.sealed is not None, "anchored": anchored, "changed": new != old}
    state = "anchored" if anchored else "sealed, not anchored yet" if new.sealed else "not sealed yet"
    say(facts, lambda: f"{receipt_file}: {state}", as_json=as_json)


@app.command()
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
    from anchor.proof.receipt import Receipt
    from anchor.proof.verify import Verifier
    from anchor.proof.verify import verify as judge

    if len(files) not in {1, 2}:
        usage(f"verify takes a receipt, or a file and its receipt; got {len(files)} files")
    try:
        found = Receipt.decode(_read_limited(files[-1]))
    except MalformedError as error:
        _refuse(files[-1], error, as_json=as_json)
    verifier = Verifier(
        content_digest=_digest_of(files[0]) if len(files) == 2 else None,
        card=_card(log, found.log.log_id),
        any_log=any_log,
        blocks=tuple(_views(block or [], headers, node_url, node_cookie_file, found)),
        depth=depth,
        check_signature=_signature_check(),
    )
    verdict = judge(found, verifier)
    say(verdict.to_json(), lambda: _verdict_lines(files, verdict), as_json=as_json)
    raise typer.Exit(verdict.exit_code)


@app.command()
def headers(
    output: Annotated[Path, typer.Argument(help="File to write.")],
    first: Annotated[int, typer.Option("--from", min=0, help="First height.")] = 0,
    home: HomeOption = None,
) -> None:
    """Write the best chain's headers, as this home's Bitcoin source knows them, for ``verify --headers``."""
    from anchor.proof.blocks import encode_headers

    with opened(home) as found:
        source = found.source
        raw = []
        for height in range(first, source.tip().height + 1):
            block_hash = source.block_hash(height)
            header = source.header(block_hash) if block_hash else None
            if header is None:
                break  # the chain became shorter while it was read
            raw.append(header)
        output.write_bytes(encode_headers(source.network.name, first, raw))
    print(f"{len(raw)} headers of {source.network.name} from height {first} in {output}")


@app.command()
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
def log_trust(card: Annotated[Path, typer.Argument(help="The card file, from a source you trust.")]) -> None:
    """Keep a log's card, so that ``verify`` recognises its receipts."""
    from anchor.proof.receipt import LogCard
    from chains.home import write_file

    trusted = LogCard.decode(_read_limited(card))
    folder = _trusted_folder()
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / f"{trusted.log.log_id.hex()}.json", trusted.encode())
    print(f"Receipts of {trusted.log.origin} (log {trusted.log.log_id.hex()}) are recognised from now on.")


@app.command()
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
    chain, colon, index = entry.rpartition(":")
    if colon and index.isdecimal():
        stored = reader.at(found.chains.named(chain), int(index))
    else:
        stored = reader.by_hash(bytes.fromhex(entry)) if _is_hash(entry) else None
    if stored is None:
        usage(f"no entry {entry[:80]!r} here: expected an entry hash in hex, or CHAIN:INDEX")
    return stored


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


def _read_limited(path: Path) -> bytes:
    """Read a receipt or a card; what cannot be one by its size is not read at all."""
    from anchor.proof.receipt import MAX_FILE_WITH_CONTENT

    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_WITH_CONTENT + 1)
    except OSError as error:
        usage(f"{path}: {error.strerror}")
    return data


def _digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file of any size, or of standard input for ``-``."""
    hasher = hashlib.sha256()

    def take(file: BinaryIO) -> None:
        while piece := file.read(READ_BYTES):
            hasher.update(piece)

    try:
        if str(path) == "-":
            take(sys.stdin.buffer)
        else:
            with path.open("rb") as file:
                take(file)
    except OSError as error:
        usage(f"{path}: {error.strerror}")
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


def _views(
    blocks: list[str], headers_file: Path | None, node_url: str | None, cookie_file: Path | None, receipt_read: Any
) -> Iterator[Any]:
    """Make a view of Bitcoin of each thing that the verifier trusts."""
    from anchor.proof.blocks import GivenBlock, HeaderChain
    from anchor.proof.verify import network_of

    yield from (GivenBlock.decode(text) for text in blocks)
    if headers_file is not None:
        yield HeaderChain.decode(headers_file.read_bytes())
    if node_url is None:
        return
    from anchor.bitcoin.core_rpc import CoreSource
    from anchor.bitcoin.json_rpc import Cookie
    from anchor.bitcoin.known import SourceBlocks
    from anchor.bitcoin.networks import network_named

    rules = network_of(receipt_read.log)
    if rules is None or cookie_file is None:
        usage("--node-url needs --node-cookie-file, and a receipt of a network that this version knows")
    source = CoreSource(node_url, network_named(rules.name), Cookie(cookie_file))
    source.check_network()
    yield SourceBlocks(source, node_url)


def _refuse(path: Path, error: MalformedError, *, as_json: bool) -> NoReturn:
    facts = {"outcome": "failed", "exit_code": EXIT_FAILED, "reasons": ["malformed"], "error": str(error)}
    say(facts, lambda: f"DOES NOT VERIFY: {path} is not a well-formed receipt: {error}", as_json=as_json)
    raise typer.Exit(EXIT_FAILED)


def _verdict_lines(files: list[Path], verdict: "Verdict") -> list[str]:
    from chains.wording import verdict_lines

    return verdict_lines(files[0].name if len(files) == 2 else None, verdict)


if __name__ == "__main__":
    main()

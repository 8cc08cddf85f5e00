"""Commands of third parties: ``verify`` and ``verify-page``, which need no home, no database and no account."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, NoReturn

import typer

from anchor.proof.errors import AnchorlineError, MalformedError
from anchor.proof.findings import Finding
from chains.commands.authorities import (
    AcceptTimestamp,
    Authorities,
    RevocationLists,
    TrustedNamers,
    TrustedStampers,
)
from chains.commands.disclosing import fields_at_hand
from chains.commands.live import (
    AnyLog,
    CookieFile,
    LogCardFile,
    NetworksFile,
    Node,
    NodeUser,
    NoHeaderStore,
    PasswordFile,
    StoreFolder,
    TrustedBlocks,
    TrustedEsploraUrls,
    TrustedHeaders,
    TrustedNodeUrl,
    WantedDepth,
    live_view,
    networks_given,
    rules_of,
)
from chains.commands.manifests import at_hand
from chains.commands.terminal import (
    EXIT_FAILED,
    EXIT_NOT_CHECKED,
    PROVING,
    READ_BYTES,
    JsonOption,
    command_group,
    given,
    given_files,
    print_line,
    read_at_most,
    read_limited,
    say,
    usage,
    write_output,
)

if TYPE_CHECKING:
    from anchor.bitcoin.networks import Network
    from anchor.proof.bitcoin.networks import NetworkRules
    from anchor.proof.blocks import KnownBlocks
    from anchor.proof.expected_author import ExpectedAuthor
    from anchor.proof.leaves import LogLeaf
    from anchor.proof.receipt import LogCard, Receipt
    from anchor.proof.verify import Verdict
    from chains.manifest_judging import AtHand

app = command_group()


@app.command(rich_help_panel=PROVING)
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE] RECEIPT",
            help="The file or folder, if at hand, and its receipt; FILE alone finds FILE.receipt.",
        ),
    ] = None,
    original: Annotated[
        Path | None, typer.Option(help="What was recorded, if at hand: says where a changed FILE differs from it.")
    ] = None,
    archive: Annotated[
        Path | None,
        typer.Option(metavar="EXPORT", help="Verify everything in an export instead (a tar, or its folder)."),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="LIST", help="Verify many: a list of files and receipts, or a folder with receipts."),
    ] = None,
    report: Annotated[
        list[Path] | None, typer.Option(help="With --archive: write a report too, .html or .json, repeatable.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes of --archive and --pairs (default: one for each core)."),
    ] = None,
    unpacked_mib: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --archive: decompress to at most so many MiB (default: 64, or 50 times its size)."
        ),
    ] = None,
    log: LogCardFile = None,
    any_log: AnyLog = False,
    earlier_log: Annotated[
        list[Path] | None, typer.Option(help="Card of a log from which the chain moved, if you know it, repeatable.")
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(
            metavar="CARD|CHAIN_ID|NAME",
            help="The author's identity: its card, its chain id, a name kept with `identity trust`, or a did:key.",
        ),
    ] = None,
    block: TrustedBlocks = None,
    headers: TrustedHeaders = None,
    node_url: TrustedNodeUrl = None,
    node_cookie_file: CookieFile = None,
    node_user: NodeUser = "",
    node_password_file: PasswordFile = None,
    esplora_url: TrustedEsploraUrls = None,
    header_store: StoreFolder = None,
    no_header_store: NoHeaderStore = False,
    networks: NetworksFile = None,
    depth: WantedDepth = 6,
    tsa_certificate: TrustedStampers = None,
    ca: TrustedNamers = None,
    crl: RevocationLists = None,
    accept_timestamp: AcceptTimestamp = False,
    manifest: Annotated[
        Path | None, typer.Option(help="The list of a recorded folder (default: beside it, FOLDER.manifest).")
    ] = None,
    proof: Annotated[
        Path | None,
        typer.Option(help="Proof of a file or rows of a folder (`manifest prove`), or a disclosure of fields."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify a file or a folder against its receipt, many of them, or a whole export: offline, without a service.

    Of a folder every file and row that was changed, added or removed is named, with the list of its manifest. A
    disclosure (`fields disclose`) stands in the place of FILE, or alone where the receipt is in it.

    Exit codes: 0 intact, or time-stamped with --accept-timestamp; 1 does not verify; 2 usage; 3 incomplete; 4 could
    not be checked; 5 content withheld or erased, so that the file cannot be compared; 6 superseded or retracted by a
    later entry; 7 all holds but who wrote it: the author's key was not valid then, or it is not the expected author.
    """
    from anchor.proof.attached import receipt_in
    from anchor.proof.receipt import LogCard, Receipt
    from anchor.proof.verify import Verifier
    from anchor.proof.verify import verify as judge
    from chains.commands.identity_cards import expected_author
    from chains.pairing import looked_for, paired
    from chains.wording import verdict_lines

    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    trust = Trust(block or [], headers, node, esplora_url or [], header_store, no_header_store, networks)
    others = [files, original, manifest, proof]
    author = expected_author(identity)
    authorities = Authorities.given(ca, tsa_certificate, crl, accept_timestamp=accept_timestamp)
    earlier = tuple(given(lambda: [LogCard.decode(read_limited(path)) for path in earlier_log or []]))
    brought_for_many = (log, any_log, depth, author, authorities, earlier)
    many = _Many(archive, pairs, report or [], unpacked_mib, jobs, *brought_for_many)
    _verify_many(many, trust, others, as_json=as_json)
    if not files or len(files) > 2:
        usage(f"verify takes a receipt, or a file and its receipt; got {len(files or [])} files")
    held = files if len(files) == 2 else given(lambda: paired(files[0]))
    if original is not None and len(held) != 2:
        usage("--original says where a file differs from it: name the file, too")
    if original is not None:
        given(lambda: read_at_most(original, 1))
    data = given(lambda: read_limited(held[-1]))
    try:
        found = Receipt.decode(receipt_in(data))
    except MalformedError as error:
        text = f"{held[-1]} is not a well-formed receipt: {error}{_meant_for(data)}{looked_for(held[-1])}"
        _no_verdict(Finding.NOT_A_RECEIPT, EXIT_FAILED, ["malformed"], f"DOES NOT VERIFY: {text}", as_json=as_json)
    check_timestamp, check_certificate = given(authorities.timestamp_check), given(authorities.certificate_check)
    listed = _at_hand(held, found, manifest, proof, as_json=as_json)
    digest = _digest_at_hand(held, listed, original)
    card = given(lambda: known_card(log, found.log.log_id))
    known = networks_given(networks)
    with ended_without_verdict(as_json=as_json), trusted_blocks(found.log, trust, known) as views:
        given_by_him = (digest, card, any_log, views, depth, signature_check())
        judge_content = listed.judge if listed else None
        verifier = Verifier(
            *(*given_by_him, check_timestamp, accept_timestamp, rules_of(known), judge_content),
            author=author,
            earlier_cards=earlier,
            check_certificate=check_certificate,
        )
        verdict = given_files(lambda: judge(found, verifier))
    where, notes = _content_at_hand(listed) or given(lambda: _where_changed(found, verdict, held, original))
    if held != files:
        notes = [f"The receipt is {held[-1]}, found beside the file.", *notes]
    facts = verdict.to_json() | where | ({} if held == files else {"receipt": str(held[-1])})
    say(facts, lambda: verdict_lines(held[0].name if len(held) == 2 else None, verdict, notes), as_json=as_json)
    raise typer.Exit(verdict.exit_code)


@app.command("verify-page", rich_help_panel=PROVING)
def verify_page(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write verify.html: the verifier as one file for any browser, which needs neither a network nor this program.

    With --output, its SHA-256 is printed: the same for everybody who has this version.
    """
    from chains.verify_page import page

    made = page()
    write_output(output, made.html)
    if output is not None:
        facts = {"file": str(output), "size": len(made.html), "sha256": made.sha256}
        say(facts, lambda: f"{output}: {len(made.html)} bytes, SHA-256 {made.sha256}", as_json=as_json)


def digest_of(path: Path) -> bytes:
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


def trusted_folder() -> Path:
    """Return the folder of the log cards that this user trusts."""
    import platformdirs

    return Path(platformdirs.user_config_dir("anchorline")) / "logs"


def known_card(path: Path | None, log_id: bytes) -> "LogCard | None":
    """Return the card that was named, or the one kept for this log by ``anchorline log trust``."""
    from anchor.proof.receipt import LogCard

    kept = path or trusted_folder() / f"{log_id.hex()}.json"
    return LogCard.decode(read_limited(kept)) if path or kept.is_file() else None


def signature_check() -> Any:
    """Return the fast check where ``cryptography`` is there; the plain Python one says the same, more slowly."""
    try:
        from anchor.signature_check import check_signature
    except ImportError:
        from anchor.proof.ed25519 import verify as check_signature
    return check_signature


def _meant_for(data: bytes) -> str:
    """Return which command judges a file that is no receipt, as the end of a sentence, or nothing."""
    judges = {b"anchorline-head-proof/": "head check", b"anchorline-dispute/": "dispute check"}
    return next((f"; `anchorline {name}` judges it" for mark, name in judges.items() if mark in data[:100]), "")


@dataclass(frozen=True, slots=True)
class _Many:
    """What the options say of verifying more than one receipt."""

    archive: Path | None
    pairs: Path | None
    reports: list[Path]
    unpacked_mib: int | None
    jobs: int | None
    log: Path | None
    any_log: bool
    depth: int
    author: "ExpectedAuthor | None"
    authorities: Authorities
    earlier: "tuple[LogCard, ...]"


def _verify_many(many: _Many, trust: "Trust", others: list[Any], *, as_json: bool) -> None:
    """Verify an export or a list of pairs, and end the command; return where neither is wanted.

    ``others`` are what the options say of a single receipt.
    """
    if many.archive is None and (many.reports or many.unpacked_mib):
        usage("--report and --unpacked-mib belong to --archive")
    if many.archive is not None:
        from chains.commands.verifying_exports import ExportGiven, verify_archive

        for_receipts = many.authorities.accept_timestamp or many.authorities.crl
        if many.pairs or many.author or many.earlier or for_receipts or any(others):
            usage(
                "--archive takes no receipt, no --identity, no --earlier-log, no --accept-timestamp and no --crl: it "
                "verifies a whole export, by its log's own anchors"
            )
        brought = (many.log, many.any_log, many.depth, many.jobs, many.reports, many.unpacked_mib, many.authorities)
        verify_archive(ExportGiven(many.archive, *brought), trust, as_json=as_json)
    if many.pairs is not None:
        from chains.commands.verifying_pairs import PairsGiven, verify_pairs

        if any(others):
            usage("--pairs names files and receipts itself, and takes no manifests")
        of_each = (many.log, many.any_log, many.depth, many.jobs, many.author, many.authorities, many.earlier)
        verify_pairs(PairsGiven(many.pairs, *of_each), trust, as_json=as_json)
    if many.jobs:
        usage("--jobs belongs to --archive and --pairs")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the verifier believes about Bitcoin, as the options name it."""

    blocks: list[str]
    headers: Path | None
    node: Node
    esplora_urls: list[str]
    header_store: Path | None
    no_header_store: bool
    networks: Path | None

    def __post_init__(self) -> None:
        if self.header_store is not None and self.no_header_store:
            usage("--header-store and --no-header-store contradict each other")


@contextmanager
def trusted_blocks(
    log: "LogLeaf", trust: Trust, known: "Mapping[str, Network] | None"
) -> "Iterator[tuple[KnownBlocks, ...]]":
    """Yield the views of the best chain that were named, of the verifier's own header store where none was."""
    with ExitStack() as stack:
        live = stack.enter_context(live_view(trust.node, trust.esplora_urls, log, known))
        views = [*given(lambda: _files_given(trust.blocks, trust.headers, rules_of(known))), *live]
        if trust.header_store is not None or not (views or trust.no_header_store):
            views += stack.enter_context(_stored(log, trust.header_store, known))
        yield tuple(views)


@contextmanager
def ended_without_verdict(*, as_json: bool) -> Iterator[None]:
    """End the command where a source, or the header store, kept it from getting as far as a verdict."""
    from anchor.errors import SourceError, StorageError

    try:
        yield
    except SourceError as error:
        _source_failed(error, as_json=as_json)
    except StorageError as error:
        _not_checked(error, as_json=as_json)


@contextmanager
def _stored(log: "LogLeaf", chosen: Path | None, networks: "Mapping[str, Network] | None") -> Iterator[list[Any]]:
    """Yield the header store of the log's network, if there is one that has caught up with what is known of it."""
    from anchor.proof.verifier import network_of

    rules = network_of(log, rules_of(networks))
    if rules is None:
        yield []
        return
    from anchor.bitcoin.header_rules import HEADER_RULES
    from chains.header_stores import stored_view

    store = stored_view(HEADER_RULES[rules.name] if networks is None else networks[rules.name].headers, chosen)
    if store is None:
        yield []
        return
    with store:
        shortfall = store.shortfall()
        if shortfall is not None:
            print_line(f"warning: your header store is not asked: {shortfall}")
        yield [] if shortfall else [store]


def _files_given(blocks: list[str], headers_file: Path | None, networks: "Mapping[str, NetworkRules]") -> list[Any]:
    """Read the blocks and headers that the verifier trusts."""
    from anchor.proof.blocks import MAX_HEADERS_FILE, GivenBlock, HeaderChain

    views: list[Any] = [GivenBlock.decode(text, networks) for text in blocks]
    if headers_file is not None:
        views.append(HeaderChain.decode(read_at_most(headers_file, MAX_HEADERS_FILE + 1), networks))
    return views


def _digest_at_hand(held: list[Path], listed: "AtHand | None", original: Path | None) -> bytes | None:
    """Return the digest that the content must have, by what is at hand, or None where nothing is."""
    if listed is None:
        return given(lambda: digest_of(held[0])) if len(held) == 2 else None
    if original is not None:
        usage("--original is one file that was recorded as it is: what a manifest lists is compared with its list")
    return listed.document_digest


def _content_at_hand(listed: "AtHand | None") -> tuple[dict[str, Any], list[str]] | None:
    """Return what was found with a manifest, for ``--json`` and as lines; None without one."""
    if listed is None:
        return None
    return {listed.called: listed.facts} if listed.facts else {}, listed.lines


def _where_changed(
    receipt: "Receipt", verdict: "Verdict", held: list[Path], original: Path | None
) -> tuple[dict[str, Any], list[str]]:
    """Return where a file that is not what was recorded was changed, for ``--json`` and as lines."""
    if verdict.diagnosis.finding is not Finding.CONTENT_CHANGED or len(held) != 2:
        return {}, []
    from chains.original import told

    return told(receipt, held[0], original)


def _source_failed(error: AnchorlineError, *, as_json: bool) -> NoReturn:
    """A silent source says nothing about the receipt; one of another network says that it is of another network."""
    from anchor.errors import WrongNetworkError

    if isinstance(error, WrongNetworkError):
        text = f"DOES NOT VERIFY: {error}"
        _no_verdict(Finding.WRONG_NETWORK, EXIT_FAILED, ["another-network"], text, as_json=as_json)
    _not_checked(error, as_json=as_json)


def _not_checked(error: AnchorlineError, *, as_json: bool) -> NoReturn:
    """End where nobody could say whether the block is real."""
    _no_verdict(Finding.BLOCK_NOT_CHECKED, EXIT_NOT_CHECKED, [], f"COULD NOT BE CHECKED: {error}", as_json=as_json)


def _no_verdict(finding: Finding, exit_code: int, reasons: list[str], text: str, *, as_json: bool) -> NoReturn:
    """End ``verify`` where it could not get as far as a verdict with steps."""
    outcome = "failed" if exit_code == EXIT_FAILED else "not checked"
    facts = {"outcome": outcome, "exit_code": exit_code, "finding": str(finding), "reasons": reasons, "error": text}
    say(facts, lambda: text, as_json=as_json)
    raise typer.Exit(exit_code)


def _at_hand(
    files: list[Path], receipt: "Receipt", manifest: Path | None, proof: Path | None, *, as_json: bool
) -> "AtHand | None":
    """Return what leads to a manifest or fields; a list, proof or disclosure that cannot be read does not verify."""
    try:
        shown = given_files(lambda: fields_at_hand(files, receipt, proof))
        if shown is not None and manifest is not None:
            usage("--manifest is the list of a folder: a document that is recorded by its fields has none")
        return shown or given_files(lambda: at_hand(files, receipt, manifest, proof, quiet=as_json))
    except MalformedError as error:
        text = f"DOES NOT VERIFY: {error}"
        _no_verdict(Finding.PART_UNREADABLE, EXIT_FAILED, ["malformed"], text, as_json=as_json)

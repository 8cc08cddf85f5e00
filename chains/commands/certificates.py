"""``certificate``: a receipt as a page for people who want paper, made only of what was verified."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.authorities import Authorities
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
    networks_given,
    rules_of,
)
from chains.commands.terminal import (
    EXIT_USAGE,
    PROVING,
    JsonOption,
    command_group,
    given,
    print_line,
    read_limited,
    say,
    usage,
    write_output,
)
from chains.commands.verifying import (
    Trust,
    digest_of,
    ended_without_verdict,
    known_card,
    signature_check,
    trusted_blocks,
)

if TYPE_CHECKING:
    from anchor.proof.verdict import Verdict

app = command_group()
_MOST_URL = 300


@app.command(rich_help_panel=PROVING)
def certificate(
    files: Annotated[
        list[Path], typer.Argument(metavar="[FILE] RECEIPT", help="The file, if at hand, and its receipt.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="PDF to write.")],
    page_url: Annotated[
        str | None, typer.Option(help="Address of a public page of verify.html, for its QR code.")
    ] = None,
    log: LogCardFile = None,
    any_log: AnyLog = False,
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
    as_json: JsonOption = False,
) -> None:
    """Write a certificate of a receipt: one page as PDF/A-3, with the receipt attached to it.

    The receipt is verified first, with the options of `verify`. Exit codes are those of `verify`; a page is written
    for 0 only, and for 5 where the content is withheld and no file was named.
    """
    from anchor.proof.receipt import Receipt
    from anchor.proof.verify import Verifier
    from anchor.proof.verify import verify as judge
    from chains.pairing import paired

    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    trust = Trust(block or [], headers, node, esplora_url or [], header_store, no_header_store, networks)
    if page_url is not None and (not page_url.startswith("https://") or len(page_url) > _MOST_URL):
        usage(f"--page-url: expected an https address of at most {_MOST_URL} characters, got {page_url[:80]!r}")
    if len(files) > 2:
        usage(f"certificate takes a receipt, or a file and its receipt; got {len(files)} files")
    held = files if len(files) == 2 else given(lambda: paired(files[0]))
    data = given(lambda: read_limited(held[-1]))
    found = given(lambda: Receipt.decode(data))
    digest = given(lambda: digest_of(held[0])) if len(held) == 2 else None
    card = given(lambda: known_card(log, found.log.log_id))
    known = networks_given(networks)
    with ended_without_verdict(as_json=as_json), trusted_blocks(found.log, trust, known) as views:
        verifier = Verifier(
            digest,
            card,
            any_log,
            views,
            depth,
            signature_check(),
            networks=rules_of(known),
            check_certificate=Authorities().certificate_check(),
        )
        verdict = judge(found, verifier)
    _check(verdict, held, as_json=as_json)
    made = _rendered(data, held, verdict, digest, page_url)
    write_output(output, made)
    facts = {"file": str(output), "size": len(made), "exit_code": verdict.exit_code}
    say(facts, lambda: f"{output}: certificate of {held[0].name}, {len(made)} bytes", as_json=as_json)
    raise typer.Exit(verdict.exit_code)


def _check(verdict: "Verdict", held: list[Path], *, as_json: bool) -> None:
    """End the command where there is nothing to certify: the verdict says why."""
    from chains.certifying import is_certifiable
    from chains.wording import verdict_lines

    if is_certifiable(verdict, file_at_hand=len(held) != 1):
        return
    print_line("no certificate is written: the receipt was verified, and this is what came out")
    say(verdict.to_json(), lambda: verdict_lines(held[0].name if len(held) == 2 else None, verdict), as_json=as_json)
    raise typer.Exit(verdict.exit_code or EXIT_USAGE)


def _rendered(data: bytes, held: list[Path], verdict: "Verdict", digest: bytes | None, page_url: str | None) -> bytes:
    try:
        from chains.certificate import Certificate
    except ImportError as error:
        usage(f"certificate: {error.name} is missing; install anchorline[certificate]")
    name = held[0].name if len(held) == 2 else None
    return Certificate(data, held[-1].name, verdict, name, digest, page_url).render()

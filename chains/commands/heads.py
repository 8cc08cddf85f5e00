"""The commands about a chain's newest head: ``head prove`` (of whoever holds the log) and ``head check`` (of anybody).

A proof says that under one checkpoint no newer head of a chain was there, or none at all.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    EXIT_FAILED,
    MAX_SIZE,
    PROVING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    opened,
    read_at_most,
    say,
    write_output,
)
from chains.commands.verifying import Trust, ended_without_verdict, known_card, signature_check, trusted_blocks

if TYPE_CHECKING:
    from anchor.proof.head_judging import HeadVerdict
    from chains.home import Home

app = command_group()
head_app = command_group("Newest heads: prove that nothing newer of a chain was sealed, or nothing at all; check it.")
app.add_typer(head_app, name="head", rich_help_panel=PROVING)

_CHAIN_ID = re.compile("[0-9a-f]{64}")


@head_app.command("prove")
def prove(
    chain: Annotated[str, typer.Argument(help="Name of a chain here, or any chain id in hex: also one of no chain.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    checkpoint: Annotated[
        int | None, typer.Option(min=1, max=MAX_SIZE, help="Under the checkpoint of this size.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write the proof of a chain's newest head, or that it has none: under the newest checkpoint in a block."""
    from chains.head_proofs import head_proof

    with opened(home) as found:
        made = head_proof(found.directory, found.journal, _chain_id(found, chain), checkpoint)
    write_output(output, made.encode())


@head_app.command("check")
def check(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="The proof, by `head prove` or /v1/directory/heads.")],
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
    """Judge the proof of a newest head: offline, without a home, an account or a service.

    Exit codes: 0 it holds; 1 it does not; 2 usage; 3 incomplete: not anchored, not deep enough, or whose log it is
    was not said; 4 could not be checked.
    """
    from anchor.proof.errors import MalformedError
    from anchor.proof.head_judging import judge_head
    from anchor.proof.head_proof import MAX_HEAD_PROOF, HeadProof
    from anchor.proof.verifier import Verifier

    node = Node(node_url, node_cookie_file, node_user, node_password_file)
    trust = Trust(block or [], headers, node, esplora_url or [], header_store, no_header_store, networks)
    data = given(lambda: read_at_most(proof, MAX_HEAD_PROOF + 1))
    try:
        found = HeadProof.decode(data)
    except MalformedError as error:
        text = f"{proof} is no well-formed proof of a head: {error}"
        facts = {"outcome": "failed", "exit_code": EXIT_FAILED, "reasons": ["malformed"], "error": text}
        say(facts, lambda: f"DOES NOT HOLD: {text}", as_json=as_json)
        raise typer.Exit(EXIT_FAILED) from None
    card = given(lambda: known_card(log, found.log.log_id))
    known = networks_given(networks)
    with ended_without_verdict(as_json=as_json), trusted_blocks(found.log, trust, known) as views:
        brought = Verifier(
            card=card,
            any_log=any_log,
            blocks=views,
            depth=depth,
            check_signature=signature_check(),
            networks=rules_of(known),
        )
        verdict = judge_head(found, brought)
    say(verdict.to_json(), lambda: _lines(verdict), as_json=as_json)
    raise typer.Exit(verdict.exit_code)


def _chain_id(home: "Home", named: str) -> bytes:
    """Return the id that was given in hex, or that of a chain here by its name."""
    if _CHAIN_ID.fullmatch(named):
        return bytes.fromhex(named)
    return given(lambda: home.chains.named(named)).chain_id


def _lines(verdict: "HeadVerdict") -> list[str]:
    from anchor.proof.head_judging import NAMES, HeadOutcome
    from chains.wording import step_line

    heading = {
        HeadOutcome.NEWEST: "HOLDS: THE NEWEST HEAD",
        HeadOutcome.NO_HEAD: "HOLDS: NO HEAD",
        HeadOutcome.FAILED: "DOES NOT HOLD",
        HeadOutcome.INCOMPLETE: "INCOMPLETE",
        HeadOutcome.NOT_CHECKED: "COULD NOT BE CHECKED",
    }[verdict.outcome]
    missing = (f"  missing: {each}" for each in verdict.missing)
    return [
        heading,
        f"  {verdict.says}",
        *missing,
        "",
        *(f"  {step_line(step, NAMES[step.number])}" for step in verdict.steps),
    ]

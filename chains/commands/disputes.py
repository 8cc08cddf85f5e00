"""The commands of whoever was promised something that was not kept: ``dispute make`` and ``dispute check``.

Neither needs a home. Files are those that a writer keeps; a published log is a mirror, or the service's own address.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.live import LogCardFile
from chains.commands.terminal import (
    EXIT_FAILED,
    PROVING,
    JsonOption,
    command_group,
    fail,
    given,
    read_at_most,
    say,
    usage,
    write_output,
)
from chains.commands.verifying import known_card, signature_check

if TYPE_CHECKING:
    from anchor.proof.dispute import Evidence
    from anchor.proof.receipt import LogCard
    from chains.dispute_files import Statements
    from chains.published_log import PublishedLog

app = command_group()
dispute_app = command_group("Broken promises: make the evidence of one, check it offline.")
app.add_typer(dispute_app, name="dispute", rich_help_panel=PROVING)

UNPROVABLE = (
    "A refusal, a silence and an answer without the log's signature leave no evidence: a third party cannot tell them "
    "from a request that was never made."
)


@dispute_app.command("make")
def make(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Promises, receipts, checkpoints, saved exchanges.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")] = (
        None
    ),
    log: LogCardFile = None,
    mirror: Annotated[
        list[str] | None, typer.Option(help="A published copy of the log, a folder or an address; may be repeated.")
    ] = None,
    service: Annotated[
        str, typer.Option(metavar="URL", help="The address of the log's service; its newest checkpoint is asked for.")
    ] = "",
    key_file: Annotated[Path | None, typer.Option(help="File with an API key, where the chain is not public.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look for a broken promise in what the log signed, and write the evidence of one.

    Exit codes: 0 the evidence was written; 1 nothing is broken that can be shown; 2 usage.
    """
    from chains.disputing import Search

    if key_file is not None and not service:
        usage("--key-file belongs to --service")
    said = given(lambda: _statements(files))
    card = given(lambda: _card(log, said))
    with _published(mirror or [], service, key_file) as published:
        found = Search(card, said, published, signature_check()).evidence()
    if not found:
        unsigned = f" The log signed nothing in {', '.join(said.unsigned)}." if said.unsigned else ""
        fail(f"nothing is broken that can be shown: {_looked_at(said, len(published))}.{unsigned} {UNPROVABLE}")
    write_output(output, found[0].encode())
    if output is not None and str(output) != "-":
        _tell(found, card, output, as_json=as_json)


@dispute_app.command("check")
def check(
    evidence: Annotated[Path, typer.Argument(help="The evidence file.")],
    log: LogCardFile = None,
    as_json: JsonOption = False,
) -> None:
    """Judge evidence of a broken promise: offline, without a home, an account or a service.

    Exit codes: 0 the log was late; 8 the log signed two things of which one is false; 1 the evidence does not hold;
    2 usage; 3 it holds, and no card says whose log it is.
    """
    from anchor.proof.dispute import MAX_EVIDENCE_FILE, Evidence, Outcome, judge
    from anchor.proof.errors import MalformedError

    data = given(lambda: read_at_most(evidence, MAX_EVIDENCE_FILE + 1))
    try:
        found = Evidence.decode(data)
    except MalformedError as error:
        text = f"{evidence} is no well-formed evidence: {error}"
        facts = {"outcome": "failed", "exit_code": EXIT_FAILED, "reason": "malformed", "text": text}
        say(facts, lambda: f"SHOWS NOTHING: {text}", as_json=as_json)
        raise typer.Exit(EXIT_FAILED) from None
    card = given(lambda: known_card(log, found.log.log_id))
    judged = judge(found, card, signature_check())
    heading = {
        Outcome.LATE: "PROMISE BROKEN, THE LOG WAS LATE",
        Outcome.EQUIVOCATION: "PROMISE BROKEN, THE LOG CONTRADICTS ITSELF",
        Outcome.FAILED: "SHOWS NOTHING",
        Outcome.NO_CARD: "HOLDS, BUT WHOSE LOG IT IS WAS NOT SAID",
    }[judged.outcome]
    say(judged.to_json(), lambda: _lines(heading, found, judged.text), as_json=as_json)
    raise typer.Exit(judged.exit_code)


def _lines(heading: str, evidence: "Evidence", text: str) -> list[str]:
    return [
        f"{heading}: {evidence.kind}",
        f"  {text}",
        f"  log {evidence.log.log_id.hex()}, which calls itself {evidence.log.origin}",
    ]


def _statements(files: Sequence[Path]) -> "Statements":
    from chains.client.saved import MAX_EXCHANGE
    from chains.dispute_files import Statements

    said = Statements()
    for path in files:
        said.take(str(path), read_at_most(path, MAX_EXCHANGE + 1))
    return said


def _card(path: Path | None, said: "Statements") -> "LogCard":
    log_ids = {promise.note.log_id for promise in said.promises} | {each.log.log_id for each in said.receipts}
    if path is None and len(log_ids) > 1:
        usage(f"these files are of {len(log_ids)} logs: name the card of the one that is accused with --log")
    card = known_card(path, next(iter(log_ids), b""))
    if card is None:
        usage("whose promise it is must be known: name the log's card with --log, or `anchorline log trust` it")
    return card


@contextmanager
def _published(mirrors: Sequence[str], service: str, key_file: Path | None) -> "Iterator[tuple[PublishedLog, ...]]":
    from chains.mirror_reading import opened_mirror, opened_service
    from chains.published_log import PublishedLog

    with ExitStack() as stack:
        fetches = [stack.enter_context(opened_mirror(place)) for place in mirrors]
        if service:
            token = None if key_file is None else given(lambda: key_file.read_text(encoding="ascii").strip())
            address = f"{service.rstrip('/').removesuffix('/v1')}/v1"
            fetches.append(stack.enter_context(opened_service(address, token)))
        yield tuple(PublishedLog.read(fetch) for fetch in fetches)


def _looked_at(said: "Statements", published: int) -> str:
    parts = (
        (len(said.promises), "promises"),
        (len(said.receipts), "receipts"),
        (len(said.notes), "checkpoints"),
        (published, "published logs"),
    )
    return f"looked at {', '.join(f'{count} {name}' for count, name in parts)}"


def _tell(found: "list[Evidence]", card: "LogCard", output: Path, *, as_json: bool) -> None:
    from anchor.proof.dispute import judge

    facts: dict[str, Any] = {
        "written": str(output),
        "found": [judge(each, card, signature_check()).to_json() for each in found],
    }
    more = f" {len(found) - 1} more can be shown; this is the gravest." if len(found) > 1 else ""
    say(
        facts,
        lambda: [
            f"{output}: {facts['found'][0]['kind']}.{more}",
            f"  {facts['found'][0]['text']}",
            "  Anybody can check it with `anchorline dispute check` and the log's card.",
        ],
        as_json=as_json,
    )

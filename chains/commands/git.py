"""Commands for repositories of git: ``git record``, ``git statement`` and ``git verify``."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from chains.commands.terminal import (
    PROVING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    opened,
    say,
    write_output,
)

if TYPE_CHECKING:
    from chains.git_statement import GitStatement

app = command_group()
git_app = command_group("Commits and tags of git: record what they hold by SHA-256, and verify it later.")
app.add_typer(git_app, name="git", rich_help_panel=PROVING)

Revision = Annotated[str, typer.Argument(help="Commit or annotated tag, as git names it.")]
Repository = Annotated[Path, typer.Option("--repository", "-C", help="Folder of the repository.")]


@git_app.command("record")
def git_record(
    chain: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    revision: Revision = "HEAD",
    repository: Repository = Path(),
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record a commit or a tag on a chain: its statement is the content, its object id an external id."""
    from anchor.proof.entry import ExternalId, IdKind
    from chains.git_statement import MEDIA_TYPE

    made = _statement(repository, revision)
    ids = [ExternalId(IdKind.CLEAR, made.object_id.encode())]
    with opened(home) as found:
        target = found.chains.named(chain)
        (accepted,) = found.writer.record(
            target, [made.encode()], found.clock(), media_type=MEDIA_TYPE, external_ids=ids
        )
    facts = {
        "chain_id": target.chain_id.hex(),
        "entry_hash": accepted.entry_hash.hex(),
        "leaf_index": accepted.leaf_index,
        made.kind: made.object_id,
        "tree_sha256": made.tree_sha256,
    }
    say(
        facts,
        lambda: [
            f"Recorded {made.kind} {made.object_id} on {target.name or target.chain_id.hex()}.",
            f"  {accepted.entry_hash.hex()}",
        ],
        as_json=as_json,
    )


@git_app.command("statement")
def git_statement(
    revision: Revision = "HEAD",
    repository: Repository = Path(),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
) -> None:
    """Write the statement of a commit or a tag: what ``git record`` records, for a service or a file of your own."""
    write_output(output, _statement(repository, revision).encode())


@git_app.command(
    "verify", context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["-h"]}
)
def git_verify(
    context: typer.Context,
    revision: Revision,
    receipt: Annotated[Path, typer.Argument(help="The receipt of its entry.")],
    repository: Repository = Path(),
) -> None:
    """Verify a commit or a tag against its receipt: every file of it is read and hashed again.

    All options of ``verify`` are taken (``anchorline verify --help``), and the exit codes are its own.
    """
    from chains.commands import verifying

    made = _statement(repository, revision)
    with tempfile.TemporaryDirectory(prefix="anchorline-git-") as folder:
        path = Path(folder) / f"{made.kind} {made.object_id}"
        path.write_bytes(made.encode())
        commands = typer.main.get_command(verifying.app)
        assert isinstance(commands, TyperGroup)
        verify = commands.commands["verify"]
        with verify.make_context("verify", [*context.args, "--", str(path), str(receipt)], parent=context) as inner:
            verify.invoke(inner)


def _statement(repository: Path, revision: str) -> "GitStatement":
    from chains.git_statement import statement_of

    return given(lambda: statement_of(repository, revision))

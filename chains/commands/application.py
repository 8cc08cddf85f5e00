"""The whole command line: every group of commands, put together, and what stands in front of all.

The groups are the other files of this folder. ``cli`` runs it; documents and tests look at its commands.
"""

from typing import Annotated

import typer

from chains.commands import (
    accounts,
    anchoring,
    backing_up,
    beginning,
    configuring,
    disputes,
    git,
    headers,
    keeping,
    manifests,
    proving,
    publishing,
    recording,
    recovering,
    serving,
    sharing,
    telling,
    verifying,
    wallet,
)
from chains.commands.terminal import command_group

ABOUT = "Record entries on your own chains, anchor them all in Bitcoin, verify any one of them offline."

app = command_group(
    ABOUT, name="anchorline", add_completion=True, context_settings={"help_option_names": ["-h", "--help"]}
)
for group in (
    beginning,
    recording,
    anchoring,
    serving,
    telling,
    proving,
    verifying,
    manifests,
    disputes,
    git,
    headers,
    keeping,
    configuring,
    backing_up,
    recovering,
    wallet,
    accounts,
    sharing,
    publishing,
):
    app.add_typer(group.app)


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

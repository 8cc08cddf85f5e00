"""Commands that serve others over HTTP: ``calendar``."""

from typing import Annotated

import typer

from chains.commands.terminal import ANCHORING, HomeOption, command_group, given, opened, print_line, usage

app = command_group()


@app.command(rich_help_panel=ANCHORING)
def calendar(
    listen: Annotated[str, typer.Option(help="Where to listen: HOST:PORT.")],
    uri: Annotated[str, typer.Option(help="Address at which clients reach this calendar, for decades.")],
    chain: Annotated[str, typer.Option(help="Chain that takes the digests; opened where there is none.")] = "calendar",
    network_not_in_file: Annotated[
        bool, typer.Option("--network-not-in-file", help="Yes: an .ots off mainnet does not say so itself.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Be an OpenTimestamps calendar for the stock client, until stopped (SIGINT, SIGTERM)."""
    from chains.calendar import check_uri
    from chains.web.calendar import serve_calendar
    from chains.web.serving import listening_socket

    given(lambda: check_uri(uri))
    with given(lambda: listening_socket(listen)) as listening, opened(home) as writing, opened(home) as reading:
        if writing.network.name != "mainnet":
            if not network_not_in_file:
                usage(
                    f"an .ots file names no network and reads as mainnet; this log is on {writing.network.name}. "
                    "Say --network-not-in-file to hand out such files all the same"
                )
            print_line(f"warning: timestamps of this calendar prove something to a {writing.network.name} node only")
        serve_calendar(writing, reading, chain, uri, listening, print_line)

"""Commands that begin: ``init`` and ``demo``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chains.commands.terminal import BEGINNING, HomeOption, JsonOption, command_group, say, usage

app = command_group()


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


@app.command(rich_help_panel=BEGINNING)
def demo(
    source: Annotated[Path, typer.Option(help="Folder with the real input of the demo.")] = Path(),
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's home in this new folder.")] = None,
) -> None:
    """Show the whole way on an embedded Bitcoin regtest: record, seal, anchor, verify, and catch a change."""
    from chains.demo import run_demo

    raise typer.Exit(run_demo(source.resolve(), keep, print))

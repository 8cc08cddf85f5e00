"""Commands that begin: ``init``, ``demo`` and ``examples``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chains.commands.key_options import (
    MnemonicFileOption,
    NoPasswordOption,
    PasswordFileOption,
    chosen_password,
    chosen_wallet,
    kept_words,
    show_words,
)
from chains.commands.terminal import BEGINNING, HomeOption, JsonOption, command_group, print_line, say, usage
from chains.counted import counted

app = command_group()


@app.command(rich_help_panel=BEGINNING)
def init(
    home: HomeOption = None,
    origin: Annotated[str, typer.Option(help="Name of the log, best a URL without scheme that you own.")] = "",
    network: Annotated[
        str,
        typer.Option(help="Bitcoin network: mainnet, testnet3, testnet4 (default), signet, regtest, or your file's."),
    ] = "",
    network_file: Annotated[Path | None, typer.Option(help="File with the record of another network.")] = None,
    embedded: Annotated[bool, typer.Option("--embedded", help="Use the embedded regtest: no node needed.")] = False,
    core_url: Annotated[
        str, typer.Option(help="RPC address of your Bitcoin Core node (default: this machine, the network's port).")
    ] = "",
    core_cookie_file: Annotated[str, typer.Option(help="Its cookie file.")] = "",
    core_user: Annotated[str, typer.Option(help="Or its RPC user; the password in ANCHORLINE_CORE_PASSWORD.")] = "",
    core_password_file: Annotated[str, typer.Option(help="Or the password in this file.")] = "",
    esplora_url: Annotated[
        list[str] | None,
        typer.Option(help="Esplora server, may be repeated (without any source: the network's public ones)."),
    ] = None,
    password_file: PasswordFileOption = None,
    no_password: NoPasswordOption = False,
    mnemonic_file: MnemonicFileOption = None,
    restore: Annotated[
        bool,
        typer.Option("--restore", help="Use the wallet of words that you have (asked for, or in --mnemonic-file)."),
    ] = False,
    descriptor: Annotated[
        str, typer.Option(help="Others sign: the public descriptor wpkh(...) of their wallet; makes no key here.")
    ] = "",
    database: Annotated[
        str,
        typer.Option(help="Keep the log on PostgreSQL, postgresql://USER@HOST/NAME (default: a SQLite file here)."),
    ] = "",
    content_keys: Annotated[
        str,
        typer.Option(
            help="With --database: the database of the content keys (default: NAME_keys), or 'home' for a file."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a home: keys, database, settings, and the log's identity.

    Without --embedded, --core-... and --esplora-url, the network's public Esplora servers are used. Each source is
    asked which network it follows: a wrong one is refused, one that does not answer is warned of.
    The wallet's 24 words are shown once, on a terminal only; its key is encrypted under a password that is asked for,
    or taken from --password-file or ANCHORLINE_WALLET_PASSWORD. On regtest it is not, unless one of these is given.
    """
    import socket

    from chains.home import default_home
    from chains.home_making import create_home
    from chains.key_place import keys_beside
    from chains.settings import checked_settings
    from chains.sources import network_of, network_warnings, source_warnings

    core = {
        "core_url": core_url,
        "core_cookie_file": _absolute(core_cookie_file),
        "core_user": core_user,
        "core_password_file": _absolute(core_password_file),
    }
    if embedded and (any(core.values()) or esplora_url or network_file or network not in {"", "regtest"}):
        usage("say where Bitcoin is: --embedded is a regtest of its own, and goes with no other source or network")
    if any(core.values()) and not core_cookie_file and not core_user:
        usage("--core-url needs --core-cookie-file, or --core-user with the password in ANCHORLINE_CORE_PASSWORD")
    if network == "regtest" and not embedded and not any(core.values()) and not esplora_url:
        usage("say where Bitcoin is: --embedded to try it out, or --core-url or --esplora-url of your own regtest")
    name = "regtest" if embedded else network or _only_network(network_file)
    values: dict[str, Any] = {
        "network": name,
        "source": "embedded",
        "signer": "psbt" if descriptor else "key",
        "wallet_password_file": str(password_file.absolute()) if password_file else "",
        "database": database,
        "content_keys": keys_beside(database, content_keys),
    }
    if not embedded:
        values |= core | _esplora_values(esplora_url or [], with_core=any(core.values()))
        values["network_file"] = str(network_file.absolute()) if network_file else ""
    settings = checked_settings(values, "init")
    bitcoin = network_of(settings, Path())
    warnings = [*source_warnings(settings, bitcoin), *network_warnings(settings, bitcoin, Path())]
    folder = home or default_home()
    wallet = chosen_wallet(bitcoin, descriptor, mnemonic_file, restore=restore)
    password = chosen_password(bitcoin.name, password_file, no_password=no_password, has_key=not descriptor)
    named = origin or f"{socket.gethostname()}/anchorline"
    with (
        kept_words(wallet, None if restore else mnemonic_file),
        create_home(folder, settings, named, wallet=wallet, password=password) as made,
    ):
        log = made.directory.log
        facts = {
            "home": str(folder),
            "origin": log.origin,
            "log_id": log.log_id.hex(),
            "network": settings.network,
            "address": made.wallet.address,
            "log_card": str(made.write_card()),
        }
    for warning in warnings:
        print_line(f"warning: {warning}")
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
    if not as_json and not restore:
        show_words(wallet)


def _absolute(path: str) -> str:
    """Return the path that is meant here, for a daemon that is started elsewhere."""
    return str(Path(path).absolute()) if path else ""


def _only_network(network_file: Path | None) -> str:
    """Return the network that is meant where none is named: the public testnet, or the only one of the file."""
    from anchor.bitcoin.network_file import load_networks
    from anchor.bitcoin.networks import NETWORKS

    if network_file is None:
        return "testnet4"
    names = [name for name in load_networks(network_file) if name not in NETWORKS]
    if len(names) != 1:
        usage(f"--network-file {network_file} has {', '.join(names)}: say which with --network")
    return names[0]


def _esplora_values(urls: list[str], *, with_core: bool) -> dict[str, Any]:
    """Return the settings of Esplora servers: those that were named, or the network's where there is no node."""
    if with_core and not urls:
        return {"source": "core"}
    # Public servers count requests: a tick takes about ten.
    return {"source": "core+esplora" if with_core else "esplora", "esplora_urls": urls, "tick_every_s": 60}


@app.command(rich_help_panel=BEGINNING)
def demo(
    source: Annotated[Path, typer.Option(help="Folder with the real input of the demo.")] = Path(),
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's home in this new folder.")] = None,
) -> None:
    """Show the whole way on an embedded Bitcoin regtest: record, seal, anchor, verify, and catch a change."""
    from chains.demo import run_demo

    raise typer.Exit(run_demo(source.resolve(), keep, print))


@app.command(rich_help_panel=BEGINNING)
def examples(
    folder: Annotated[Path, typer.Argument(help="New folder to write them to.")],
    as_json: JsonOption = False,
) -> None:
    """Write sample files with receipts: intact, changed, pending and more, each with what verify says of it."""
    from chains.examples import GUIDE, facts_of, write_examples

    made = [facts_of(example) for example in write_examples(folder)]
    say(
        {"folder": str(folder), "examples": made},
        lambda: [
            f"{counted(len(made), 'examples')} in {folder}; {folder / GUIDE} says how each is verified:",
            *(f"  {example['name']:<14} exit code {example['exit_code']}  {example['shows']}" for example in made),
        ],
        as_json=as_json,
    )

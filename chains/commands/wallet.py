"""Commands of the wallet that pays for the anchors: ``wallet address``, ``wallet password``."""

from pathlib import Path
from typing import Annotated

import typer

from chains.commands.key_options import NoPasswordOption, changed_password
from chains.commands.terminal import KEEPING, HomeOption, JsonOption, command_group, opened, say

app = command_group()
wallet_app = command_group("The wallet that pays for the anchors: address, balance, history, password.")
app.add_typer(wallet_app, name="wallet", rich_help_panel=KEEPING)


@wallet_app.command()
def address(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the address that takes top-ups, and the public descriptor with which other wallets can watch it."""
    with opened(home) as found:
        wallet = found.wallet
        facts = {"network": found.network.name, "address": wallet.address, "descriptor": wallet.descriptor}
    say(facts, lambda: [f"{facts['address']}  ({facts['network']})", f"  {facts['descriptor']}"], as_json=as_json)


@wallet_app.command()
def password(
    new_password_file: Annotated[
        Path | None, typer.Option(help="File with the new password (mode 600); default: it is asked for.")
    ] = None,
    no_password: NoPasswordOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the password of the wallet's key and of the recovery key.

    The old password comes from where the service takes it (settings, environment), or is asked for. A daemon that
    runs keeps the key that it has until it is started again; tell it the new password before that.
    """
    from chains.key_change import change_passwords

    new = changed_password(new_password_file, no_password=no_password)
    with opened(home) as found:
        changed = [str(path) for path in change_passwords(found, new)]
    state = "encrypted under the new password" if new is not None else "unencrypted"
    say(
        {"changed": changed, "encrypted": new is not None},
        lambda: [f"{path}: {state}" for path in changed] or "Nothing to change.",
        as_json=as_json,
    )

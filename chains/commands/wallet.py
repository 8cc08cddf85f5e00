"""Commands of the wallet that pays for the anchors: ``address``, ``balance``, ``history``, ``password``, ``psbt``.

Facts come from ``chains.funds``, changed passwords from ``chains.key_change``, signatures made elsewhere from
``anchor.signature_requests``.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.key_options import NoPasswordOption, changed_password
from chains.commands.terminal import (
    KEEPING,
    HomeOption,
    JsonOption,
    command_group,
    fail,
    given,
    opened,
    read_at_most,
    say,
    write_output,
)

if TYPE_CHECKING:
    from chains.home import Home

app = command_group()
psbt_app = command_group("Anchors that are signed elsewhere: hand them out, bring them back.")
wallet_app = command_group("The wallet that pays for the anchors: address, balance, history, password, PSBTs.")
app.add_typer(wallet_app, name="wallet", rich_help_panel=KEEPING)
wallet_app.add_typer(psbt_app, name="psbt")


@wallet_app.command()
def address(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the address that takes top-ups, and the public descriptor with which other wallets can watch it."""
    with opened(home) as found:
        wallet = found.wallet
        facts = {"network": found.network.name, "address": wallet.address, "descriptor": wallet.descriptor}
    say(facts, lambda: [f"{facts['address']}  ({facts['network']})", f"  {facts['descriptor']}"], as_json=as_json)


@wallet_app.command()
def balance(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what the wallet has, what of it the next anchors can spend, and for how many anchors that lasts."""
    from chains.funds import balance_lines, balance_of

    with opened(home) as found:
        facts = balance_of(found)
    say(facts, lambda: balance_lines(facts), as_json=as_json)


@wallet_app.command()
def history(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show what each anchor cost, what came in, and what is left."""
    from chains.funds import history_lines, history_of

    with opened(home) as found:
        facts = history_of(found)
    say(facts, lambda: history_lines(facts), as_json=as_json)


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


@psbt_app.command()
def export(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Withdraw the one that waits; make another with what is newest now.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Write the anchor that waits for a signature as a PSBT (BIP 174, base64)."""
    from anchor.bitcoin.psbt import to_base64
    from anchor.signature_requests import export_request, withdraw

    with opened(home) as found:
        requests = found.signature_requests
        if renew:
            withdraw(requests, found.clock())
            _ask_anew(found)
        request = requests.live()
        if request is None:
            fail("no anchor waits for a signature: `anchorline tick` makes one when the next is due")
        psbt = export_request(requests, request, found.wallet.public)
    write_output(output, to_base64(psbt).encode("ascii") + b"\n")


def _ask_anew(found: "Home") -> None:
    """Make another request at once; where a daemon runs that is its work."""
    from anchor.errors import LeaseHeldError
    from chains.leading import leading

    try:
        with leading(found, "wallet psbt export"):
            found.anchoring.tick(found.clock(), at_once=True)
    except LeaseHeldError as error:
        if not error.stays:
            raise
        fail(
            "the anchor that waited is withdrawn, and the daemon that runs makes another at its next tick: export it "
            "then, without --renew"
        )


@psbt_app.command("import")
def import_(
    psbt_file: Annotated[Path, typer.Argument(metavar="PSBT", help="The signed file, base64 or binary.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a signed PSBT back; every signature is checked here, and the next tick sends the anchor."""
    from anchor.bitcoin.psbt import MAX_PSBT, from_base64, transaction_in
    from anchor.signature_requests import import_signed
    from chains.status import attempt_facts

    psbt = given(lambda: from_base64(read_at_most(psbt_file, MAX_PSBT + 1)))
    given(lambda: transaction_in(psbt))
    with opened(home) as found:
        attempt = import_signed(
            found.signature_requests, found.directory, found.source, found.wallet.public, psbt, found.clock()
        )
    facts = attempt_facts(attempt)
    say(
        facts,
        lambda: [f"The signatures hold: attempt {facts['attempt']}, {facts['txid']}", "  `anchorline tick` sends it."],
        as_json=as_json,
    )

"""Commands that bring a log back: ``recover thread`` and ``rebuild``."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.key_options import (
    MnemonicFileOption,
    NoPasswordOption,
    chosen_password,
    chosen_wallet,
    kept_words,
    show_words,
)
from chains.commands.terminal import (
    KEEPING,
    HomeOption,
    JsonOption,
    ask_hidden,
    at_terminal,
    command_group,
    opened,
    say,
    usage,
)
from chains.counted import counted

if TYPE_CHECKING:
    from anchor.bitcoin.descriptor import PublicWallet
    from anchor.bitcoin.key_file import KeyFile
    from anchor.bitcoin.wallet import Wallet
    from anchor.recovery import Recovery
    from anchor.signing import SigningKey
    from chains.home import Home
    from chains.rebuild import Rebuilt

app = command_group()
recover_app = command_group("Go on after a loss: a new thread of anchors.")
app.add_typer(recover_app, name="recover", rich_help_panel=KEEPING)


@recover_app.command()
def thread(
    recovery_key: Annotated[
        Path | None, typer.Option(help="File of the recovery key; signs once the new wallet's payment is in a block.")
    ] = None,
    recovery_password_file: Annotated[
        Path | None,
        typer.Option(help="File with the recovery key's password (default: as the wallet's, or asked for)."),
    ] = None,
    new_wallet: Annotated[
        bool, typer.Option("--new-wallet", help="Make a new wallet key: the old one is lost, or known to others.")
    ] = False,
    descriptor: Annotated[
        str, typer.Option(help="With --new-wallet, where others sign: the public descriptor of their new wallet.")
    ] = "",
    no_password: NoPasswordOption = False,
    mnemonic_file: MnemonicFileOption = None,
    keep_this_history: Annotated[
        bool,
        typer.Option("--keep-this-history", help="You stand by this home's history, whatever a stranger anchored."),
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new thread of anchors: the coin of the old one was spent by a stranger, or its key is lost.

    Stop the service. First run: the intent is stored; with --new-wallet a new key is made and the old file kept. Then
    pay the address that is shown, and run it again with --recovery-key; start the service: it goes on by itself.
    """
    from chains.thread_recovery import begin_thread, sign_thread, usable_coins

    if not new_wallet and (descriptor or mnemonic_file or no_password):
        usage("--descriptor, --mnemonic-file and --no-password belong to --new-wallet")
    made: list[Wallet | PublicWallet] = []
    with opened(home) as found:
        if new_wallet and (found.settings.signer == "psbt") != bool(descriptor):
            usage(f"--descriptor goes with signer = 'psbt' in the settings, which say {found.settings.signer!r}")
        recoveries = found.recoveries
        key = None if recovery_key is None else _recovery_key(found, recovery_key, recovery_password_file)
        if key is not None:
            recoveries.check_key(key)
        is_new = recoveries.pending() is None
        make = partial(_new_key_file, found, made, descriptor, mnemonic_file, no_password=no_password)
        begun = begin_thread(found, make if new_wallet else None, keep_history=keep_this_history)
    with opened(home) as found:
        if key is not None and (not is_new or usable_coins(found)):
            begun = sign_thread(found, key, keep_history=keep_this_history)
        facts = _facts(found, begun)
    say(facts, lambda: _lines(facts), as_json=as_json)
    if made and mnemonic_file is None and not as_json:
        show_words(made[0])


@app.command(rich_help_panel=KEEPING)
def rebuild(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A newer copy of this home (its folder, or its database: a file or an address of PostgreSQL), or a "
            "mirror (folder or http address).",
        ),
    ] = None,
    gap: Annotated[
        bool, typer.Option("--mark-gap", help="There is no copy: state in the log that promises may be lost.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a home level that was restored from a backup. Stop the service first."""
    from dataclasses import asdict

    from chains.rebuild import mark_gap, rebuild_from

    if (source is None) == (not gap):
        usage("say how: --from a newer copy of the home, or --mark-gap where there is none")
    if source is not None:
        with opened(home) as found:
            rebuilt = rebuild_from(found, source)
        facts = asdict(rebuilt) | {"kept": str(rebuilt.kept)}
        lost = "" if rebuilt.gap is None else f" {_gap_text(rebuilt)}"
        text = (
            f"Taken over: {counted(rebuilt.after.entries, 'entries')} and "
            f"{counted(rebuilt.after.directory_size, 'directory leaves')}, where "
            f"{rebuilt.before.entries} and {rebuilt.before.directory_size} were. The old database is "
            f"{rebuilt.kept}.{lost}"
        )
        say(facts, lambda: text, as_json=as_json)
        return
    with opened(home) as found:
        marked = mark_gap(found)
    say(
        asdict(marked),
        lambda: (
            f"The next seal says that promises received from {marked.lost_from_ms} to {marked.lost_to_ms} ms may be "
            "missing. Tell those who may hold one."
        ),
        as_json=as_json,
    )


def _gap_text(rebuilt: "Rebuilt") -> str:
    gap = rebuilt.gap
    assert gap is not None
    return (
        f"Of {counted(rebuilt.entries_mirrored, 'entries')} the mirror has no promise, no content and no salt. "
        f"The next seal says "
        f"that promises received from {gap.lost_from_ms} to {gap.lost_to_ms} ms may be missing."
    )


def _recovery_key(found: "Home", path: Path, password_file: Path | None) -> "SigningKey":
    from anchor.signing import SigningKey, is_encrypted_key, read_private_file
    from chains.password import Password

    if not is_encrypted_key(read_private_file(path)):
        return SigningKey.load(path)
    password = Password(str(password_file or found.settings.wallet_password_file))
    if at_terminal():
        password.prompt = lambda: ask_hidden("Password of the recovery key")
    return SigningKey.load(path, password())


def _new_key_file(
    found: "Home",
    made: "list[Wallet | PublicWallet]",
    descriptor: str,
    mnemonic_file: Path | None,
    *,
    no_password: bool,
) -> "KeyFile":
    """Make a new wallet, note it in ``made``, and return its key file, under the password that the service knows."""
    from chains.home_making import key_file_of

    wallet = chosen_wallet(found.network, descriptor, mnemonic_file, restore=False)
    named = found.settings.wallet_password_file
    file = Path(named) if named and not no_password else None
    password = chosen_password(found.network.name, file, no_password=no_password, has_key=not descriptor)
    with kept_words(wallet, mnemonic_file):
        made.append(wallet)
        return key_file_of(wallet, password)


def _facts(found: "Home", begun: "Recovery") -> dict[str, Any]:
    leaf = begun.leaf
    confirmations = 0
    if leaf is not None:
        coins = [coin for coin in found.source.unspent(found.wallet.script) if coin.outpoint == leaf.outpoint]
        height = coins[0].height if coins else None
        confirmations = 0 if height is None else found.source.tip().height - height + 1
    return {
        "signed": leaf is not None,
        "address": found.wallet.address,
        "new_wallet": begun.script != begun.old_script,
        "outpoint": None if leaf is None else str(leaf.outpoint),
        "confirmations": confirmations,
        "needed": found.network.watch_depth,
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    if not facts["signed"]:
        kept = ["The old key file is kept beside the new one, under the name of its address."]
        return [
            "A new thread is begun. Entries are promised and sealed; nothing is anchored until it is there.",
            *(kept if facts["new_wallet"] else []),
            f"Pay this address: {facts['address']}",
            "Once the payment is in a block, run: anchorline recover thread --recovery-key FILE",
        ]
    return [
        f"The new thread begins at {facts['outpoint']}, signed by the recovery key, which can go back to its safe.",
        f"Its coin has {counted(facts['confirmations'], 'confirmations')} and needs {facts['needed']}.",
        "Start the service: the first seal after that names the new thread, and anchoring goes on.",
        "Hand out the log card again then: it lists both threads.",
    ]

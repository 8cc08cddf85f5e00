"""What ``init`` and ``wallet`` ask about keys: a password, words to restore from, and showing new words once.

Input is the command line, the environment and whoever sits at the terminal. Nothing here prints a secret but
``show_words``, and that to a terminal only.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.terminal import ask_hidden, at_terminal, given, usage

if TYPE_CHECKING:
    from anchor.bitcoin.descriptor import PublicWallet
    from anchor.bitcoin.networks import Network
    from anchor.bitcoin.wallet import Wallet
    from anchor.proof.entry import ExternalId
    from chains.client.encrypting import ReaderKey
    from chains.client.signing import AuthorKey, Together
    from chains.password import Password

PasswordFileOption = Annotated[
    Path | None,
    typer.Option(help="File with the password of the wallet's key (mode 600); the settings then name it."),
]
NoPasswordOption = Annotated[
    bool, typer.Option("--no-password", help="Leave the wallet's key unencrypted: whoever reads its file can spend.")
]
MnemonicFileOption = Annotated[
    Path | None,
    typer.Option(help="Write the new wallet's words to this new file (mode 600)."),
]
SignersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sign", metavar="KEY", help="A key that signs it: its file, agent:NAME or pkcs11:URI; repeated: together."
    ),
]
IdentityOption = Annotated[
    str | None, typer.Option(help="Name or id of the author's identity, in whose name --sign signs.")
]
AuthorPasswordOption = Annotated[
    Path | None, typer.Option("--password-file", help="File with the password of the author's key (mode 600).")
]
AGENT = "agent:"
"""What comes before the fingerprint, or the comment, of a key in an ssh-agent."""
SCHEME = "pkcs11:"
ReaderKeyOption = Annotated[Path, typer.Option("--reader-key", help="File of your reader's key.")]
ReaderPasswordOption = Annotated[
    Path | None, typer.Option("--password-file", help="File with the password of the key's file (mode 600).")
]
SearchKeyOption = Annotated[Path | None, typer.Option("--search-key", help="File of the search key, for keyed ids.")]
_WORDS_A_LINE = 4
_MAX_WORDS_FILE = 10_000


def chosen_password(network: str, file: Path | None, *, no_password: bool, has_key: bool = True) -> str | None:
    """Return the password for the key files of a new home, or None where they stay unencrypted.

    Unencrypted is what --no-password asks for, and the default on regtest, whose coins are worth nothing.
    """
    from chains.password import VARIABLE, Password

    if no_password:
        if file is not None:
            usage("--no-password and --password-file contradict each other")
        return None
    given = Password(file=str(file or ""))
    if not given.is_given and (network == "regtest" or not has_key):
        return None
    return _new_password(given, f"give --password-file FILE, set {VARIABLE}, or choose --no-password")


def changed_password(file: Path | None, *, no_password: bool) -> str | None:
    """Return the password that takes the place of another, from a file or asked for, or None for --no-password."""
    from chains.password import Password

    if no_password:
        if file is not None:
            usage("--no-password and --new-password-file contradict each other")
        return None
    # The environment holds the old one.
    return _new_password(Password(str(file or ""), {}), "give --new-password-file FILE, or choose --no-password")


def _new_password(given: "Password", remedy: str) -> str:
    from anchor.bitcoin.key_cipher import check_new_password

    if not given.is_given:
        if not at_terminal():
            usage(f"the wallet's key needs a password, and there is no terminal to ask for it: {remedy}")
        given.prompt = lambda: ask_hidden("New password for the wallet's key", twice=True)
    password = given()
    check_new_password(password)
    return password


def identity_password(
    file: Path | None, *, no_password: bool = False, is_new: bool = False
) -> "Callable[[], str] | None":
    """Return what finds the password of an identity's key files, or None for --no-password.

    One that ``is_new`` is asked for twice: nothing else would notice a slip of the hand.
    """
    from chains.password import IDENTITY_VARIABLE, Password

    if no_password:
        if file is not None:
            usage("--no-password and --password-file contradict each other")
        return None
    prompt = (lambda: ask_hidden("Password of the key files", twice=is_new)) if at_terminal() else None
    return Password(str(file or ""), prompt=prompt, variable=IDENTITY_VARIABLE)


def new_secret_password(file: Path | None, *, no_password: bool) -> str | None:
    """Return the password for a new file of a reader's key or a search key, or None for --no-password."""
    from anchor.bitcoin.key_cipher import check_new_password

    if no_password:
        if file is not None:
            usage("--no-password and --password-file contradict each other")
        return None
    password = _secret_password(file, is_new=True)()
    check_new_password(password)
    return password


def reader_key_in(path: Path, password_file: Path | None) -> "ReaderKey":
    """Return the reader's key in a file; its password is asked for where the file is encrypted."""
    from chains.secret_file import SecretKind, read_secret, unlocked_reader_key

    return unlocked_reader_key(read_secret(path, SecretKind.READER_KEY), _secret_password(password_file))


def search_key_in(path: Path | None, password_file: Path | None) -> bytes | None:
    """Return the search key in a file (32 bytes), or None; its password is asked for where the file is encrypted."""
    from chains.secret_file import SecretKind, read_secret

    if path is None:
        return None
    return read_secret(path, SecretKind.SEARCH_KEY).secret(_secret_password(password_file))


def keyed_ids_of(texts: list[str], search_key: bytes | None, *, any_name: bool = False) -> "list[ExternalId]":
    """Return the keyed external ids of names that were given as NAMESPACE:NAME; ``any_name``: or without it."""
    from chains.client.keyed_ids import keyed_name

    if not texts:
        return []
    if search_key is None:
        usage("a keyed id needs the key: name its file with --search-key (`anchorline search-key new` makes one)")
    if not any_name and any(":" not in text for text in texts):
        usage("keyed id: expected NAMESPACE:NAME, for example patient:4711")
    return [keyed_name(search_key, text) for text in texts]


def _secret_password(file: Path | None, *, is_new: bool = False) -> "Password":
    from chains.password import READER_VARIABLE, Password

    prompt = (lambda: ask_hidden("Password of the key's file", twice=is_new)) if at_terminal() else None
    return Password(str(file or ""), prompt=prompt, variable=READER_VARIABLE)


def author_key(name: str, password: "Callable[[], str] | None") -> "AuthorKey":
    """Return the key that is named: in a file, in the ssh-agent (``agent:NAME``) or in a token (``pkcs11:...``).

    The password of a file, or the PIN of a token, is asked for where it is needed.
    """
    from anchor.signing import SigningKey, is_encrypted_key, read_private_file

    if name.startswith(AGENT):
        from chains.client.ssh_agent import agent_key

        return agent_key(name.removeprefix(AGENT))
    if name.startswith(SCHEME):
        return _token_key(name, password)
    path = Path(name)
    is_encrypted = is_encrypted_key(read_private_file(path))
    if is_encrypted and password is None:
        usage(f"{path}: is encrypted; leave --no-password out")
    return SigningKey.load(path, password() if is_encrypted and password is not None else None)


def signing_authors(
    sign: list[str] | None, identity: str | None, password_file: Path | None
) -> "AuthorKey | Together | None":
    """Return the key that --sign names, or those that sign together where it is repeated; None: nobody signs.

    Ends the command where --identity says in whose name nobody signs, or several do.
    """
    from chains.client.signing import Together

    if identity is not None and not sign:
        usage("--identity says in whose name --sign signs: name the key, or its file, with --sign")
    if identity is not None and len(sign or []) > 1:
        usage("--identity says in whose name one key signs, and several were named with --sign: leave it out")
    password = identity_password(password_file)
    keys = tuple(author_key(name, password) for name in sign or [])
    if not keys:
        return None
    return keys[0] if len(keys) == 1 else Together(keys)


def _token_key(uri: str, password: "Callable[[], str] | None", *, make: bool = False) -> "AuthorKey":
    """Return a key in a PKCS #11 token; its PIN is in the URI's pin-source, or found as a password is."""
    import os

    from chains.client.pkcs11_uri import TokenKey
    from chains.password import read_password

    wanted = given(lambda: TokenKey.decode(uri, os.environ))
    source = wanted.pin_source
    pin = password if source is None else lambda: read_password(Path(source.removeprefix("file:")))
    if pin is None:
        usage("a token wants its PIN: leave --no-password out, or name a file with pin-source in the URI")
    try:
        from chains.client.pkcs11_key import token_key
    except ModuleNotFoundError as error:
        usage(f"pkcs11: expected python-pkcs11, {error.name} is missing; install anchorline[pkcs11]")
    return token_key(wanted, pin, make=make)


def new_author_key(name: str, password: "Callable[[], str] | None") -> "AuthorKey":
    """Return the key that is named, which is made where it does not exist: stored before anything names it.

    In a token it is made inside; an ssh-agent makes none.

    So a command that was interrupted can be run again with the key that it had made.
    """
    from anchor.bitcoin.key_cipher import check_new_password
    from anchor.signing import SigningKey

    if name.startswith(SCHEME):
        return _token_key(name, password, make=True)
    path = Path(name)
    if name.startswith(AGENT) or path.exists():
        return author_key(name, password)
    key, secret = SigningKey.generate(), None if password is None else password()
    if secret is not None:
        check_new_password(secret)
    key.save(path, secret)
    return key


def chosen_wallet(network: "Network", descriptor: str, file: Path | None, *, restore: bool) -> "Wallet | PublicWallet":
    """Return the wallet of a public descriptor, of words that somebody has, or a new one."""
    from anchor.bitcoin.descriptor import PublicWallet
    from chains.home_making import new_wallet

    if descriptor:
        if restore or file is not None:
            usage("--descriptor makes no key here: there are no words to restore or to write")
        return PublicWallet.from_descriptor(network, descriptor)
    return restored_wallet(network, file) if restore else new_wallet(network)


def restored_wallet(network: "Network", file: Path | None) -> "Wallet":
    """Return the wallet of the words, or the extended private key, in a file or typed in."""
    from anchor.bitcoin.wallet import Wallet
    from anchor.signing import read_private_file

    if file is None and not at_terminal():
        usage("--restore needs the wallet's words: name a file with --mnemonic-file, or run it on a terminal")
    if file is None:
        text = ask_hidden("The wallet's words")
    else:
        text = read_private_file(file)[:_MAX_WORDS_FILE].decode("ascii", "replace")
    is_extended = text.strip()[1:4] == "prv"
    return Wallet.from_extended_key(network, text) if is_extended else Wallet.from_mnemonic(network, text)


@contextmanager
def kept_words(wallet: "Wallet | PublicWallet", file: Path | None) -> Iterator[None]:
    """Write the words of a new wallet to a file before there is a home, and remove it where none can be made."""
    from anchor.signing import write_private_file

    if file is None:
        yield
        return
    write_private_file(file, _words(wallet).encode() + b"\n")
    try:
        yield
    except BaseException:
        file.unlink()
        raise


def show_words(wallet: "Wallet | PublicWallet") -> None:
    """Show the words of a new wallet, once, where standard output is a terminal; elsewhere do nothing."""
    words = _words(wallet).split()
    if not words or not sys.stdout.isatty():
        return
    print(f"\nThe wallet's {len(words)} words, shown this once. Write them down on paper, in this order:\n")
    for first in range(0, len(words), _WORDS_A_LINE):
        print("  " + "".join(f"{at + 1:2} {words[at]:<10}" for at in range(first, first + _WORDS_A_LINE)))
    print("\nWhoever has them has the coins; without them and without the keys folder nobody has.", flush=True)


def _words(wallet: "Wallet | PublicWallet") -> str:
    secret = getattr(wallet, "secret", None)
    return secret.text if secret is not None and secret.kind == "mnemonic" else ""

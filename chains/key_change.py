"""Changing the password of a home's encrypted keys: the wallet's and the recovery key.

``anchorline wallet password`` calls it with an opened home. Each file is replaced as a whole; a crash in between
leaves two files under two passwords, and the same command, given the same two, brings them level.
"""

from collections.abc import Callable
from pathlib import Path

from anchor.bitcoin.wallet import StoredWallet
from anchor.errors import WrongPasswordError
from anchor.signing import SigningKey, is_encrypted_key, read_private_file, replace_private_file
from chains.home import KEYS, WALLET, Home


def change_passwords(home: Home, new: str | None) -> list[Path]:
    """Write the keys of a home again under ``new``, or in clear for None; return the files that were written.

    A file that ``new`` opens already is left as it is, and so is a recovery key that was moved away. Raises
    WrongPasswordError where neither the old password nor the new one opens a file.
    """
    changed = [_change_recovery(home, new), _change_wallet(home, new)]
    return [path for path in changed if path is not None]


def _change_recovery(home: Home, new: str | None) -> Path | None:
    path = home.key_file("recovery")
    if not path.exists():
        return None
    is_encrypted = is_encrypted_key(read_private_file(path))
    if not is_encrypted and new is None:
        return None
    if is_encrypted and new is not None and _opens(lambda: SigningKey.load(path, new)):
        return None
    key = SigningKey.load(path, home.wallet_password() if is_encrypted else None)
    replace_private_file(path, key.encode(new))
    return path


def _change_wallet(home: Home, new: str | None) -> Path | None:
    path = home.folder / KEYS / WALLET
    wallet = home.wallet
    if not wallet.has_key or (not wallet.is_encrypted and new is None):
        return None
    if wallet.is_encrypted and new is not None and _opens(StoredWallet(home.network, path, lambda: new).opened):
        return None
    wallet.change_password(new)
    return path


def _opens(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except WrongPasswordError:
        return False
    return True

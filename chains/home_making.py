"""Making a home: keys, settings, database, and with them the identity of a log.

``init``, ``chains.trial`` and a rebuilt home come here; afterwards a home is only opened (``chains.home``).
"""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from anchor.bitcoin.descriptor import PublicWallet
from anchor.bitcoin.key_file import KeyFile, write_key_file
from anchor.bitcoin.networks import Network
from anchor.bitcoin.wallet import ENTROPY_SIZE, Wallet
from anchor.directory import Directory
from anchor.errors import SettingsError
from anchor.log import Trees
from anchor.proof.leaves import Key, KeyType, LogLeaf
from anchor.signing import SigningKey
from anchor.storage.databases import database_of
from chains.files import write_file
from chains.home import KEYS, NETWORKS_FILE, WALLET, Clock, Home, now_ms
from chains.key_store import key_store_of
from chains.settings import FILE_NAME, Settings
from chains.sources import network_of


def create_home(
    folder: Path,
    settings: Settings,
    origin: str,
    clock: Clock = now_ms,
    *,
    wallet: Wallet | PublicWallet | None = None,
    password: str | None = None,
) -> Home:
    """Make a home: keys, settings, database, and with them the log's identity; return it opened.

    ``wallet`` is one that exists already (a public one is signed for elsewhere), else a new one is made; its key and
    the recovery key are encrypted where ``password`` is given. The folder must be new or empty. Keys come first and the
    settings file last, so a half-made home is never mistaken for one. A ``network_file`` is read where it is and copied
    into the home. Nothing is made where the origin is malformed; raises SettingsError or MalformedError.
    """
    network = network_of(settings, Path())
    keys = {purpose: SigningKey.generate() for purpose in ("checkpoint", "promise", "recovery")}
    log = LogLeaf(
        origin=origin,
        network_genesis=network.genesis_hash,
        message_start=network.rules.message_start,
        checkpoint_key=_public(keys["checkpoint"]),
        promise_key=_public(keys["promise"]),
        recovery_key=_public(keys["recovery"]),
    )
    log.encode()
    _make_folders(folder)
    for purpose, key in keys.items():
        # Checkpoint and promise keys sign all day; the recovery key is needed once in years.
        key.save(folder / KEYS / f"{purpose}.pem", password if purpose == "recovery" else None)
    write_key_file(folder / KEYS / WALLET, key_file_of(wallet or new_wallet(network), password))
    if settings.content_keys:
        # Before there is a log: keys that are another's are found now, and those are taken for this one.
        with closing(key_store_of(folder, settings.content_keys, lambda: log.log_id)) as store, store.writing():
            pass
    engine = database_of(folder, settings.database).open()
    try:
        Directory.create(engine, Trees(engine), log)
    finally:
        engine.close()
    if settings.network_file:
        write_file(folder / NETWORKS_FILE, Path(settings.network_file).read_bytes())
        settings = replace(settings, network_file=NETWORKS_FILE)
    write_file(folder / FILE_NAME, settings.encode().encode())
    home = Home.open(folder, clock)
    home.write_card()
    return home


def new_wallet(network: Network) -> Wallet:
    """Return a wallet of fresh randomness."""
    return Wallet.generate(network, os.urandom(ENTROPY_SIZE))


def key_file_of(wallet: Wallet | PublicWallet, password: str | None) -> KeyFile:
    """Return the key file of a wallet, encrypted where a password is given; of one that others sign for, no secret."""
    if isinstance(wallet, PublicWallet):
        return KeyFile(wallet.network.name, wallet.descriptor, None)
    return wallet.key_file(password)


def _make_folders(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / KEYS).is_dir() and not (folder / FILE_NAME).exists():
            # The settings are written last: without them nobody ever used these keys through this folder.
            raise SettingsError(
                f"{folder}: an `anchorline init` that did not finish left its keys here; see that they are no copy "
                "of keys in use, remove the folder, and run it again"
            )
        if any(folder.iterdir()):
            raise SettingsError(f"{folder}: not empty; choose another folder, or use the home that is there")
        (folder / KEYS).mkdir(mode=0o700)
    except OSError as error:
        raise SettingsError(f"{folder}: no home can be made here: {error.strerror}; choose another folder") from error


def _public(key: SigningKey) -> Key:
    return Key(KeyType.ED25519, key.public_key)

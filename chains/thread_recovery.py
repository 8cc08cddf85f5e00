"""Beginning a new thread in the place of one that is lost: its coin was spent by a stranger, or its key is gone.

``anchorline recover thread`` calls it with an opened home, once for each step; repeating a step, after a crash too,
changes nothing. The intent is stored first, then the wallet's key files change places, then the recovery key signs.
"""

import os
from collections.abc import Callable
from pathlib import Path

from anchor.bitcoin.key_file import KeyFile, write_key_file
from anchor.bitcoin.protocols import Coin
from anchor.bitcoin.records import sync_folder
from anchor.bitcoin.transaction import anchors_left, is_thread_coin
from anchor.bitcoin.wallet import StoredWallet
from anchor.errors import BehindError, NotYetError, SettingsError, StorageError
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.errors import AnchorlineError
from anchor.recovery import Recovery
from anchor.signing import SigningKey
from chains.home import KEYS, WALLET, Home

NEXT_WALLET = "wallet-next.json"
"""The key file of the new wallet, until it takes the place of the old one."""


def begin_thread(home: Home, new_wallet: Callable[[], KeyFile] | None, *, keep_history: bool) -> Recovery:
    """Store the intent to begin a new thread, with the wallet of a new key file where ``new_wallet`` makes one.

    ``keep_history`` is the operator's word that this home's history is the log's, whatever a stranger has anchored.
    Raises BehindError where somebody seems to have more of this log, SettingsError where nothing is lost, NotYetError
    where there is no thread. After a new wallet, open the home again.
    """
    home.check_high_water()
    check_claims(home, keep_history=keep_history)
    recoveries, script = home.recoveries, home.wallet.script
    pending = recoveries.pending()
    if pending is not None and pending.script != script:
        _swap(home, pending.script)
        return pending
    if pending is not None and (new_wallet is None or pending.old_script != script):
        return pending
    if new_wallet is None:
        _check_lost(home)
        return recoveries.begin(script, script, home.clock())
    if home.directory.thread_leaf() is None:
        raise NotYetError("this log has no thread yet, so there is none to replace; nothing was changed")
    path = home.folder / KEYS / NEXT_WALLET
    # What an interrupted run left: no intent names it, so nobody was told its address.
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.new").unlink(missing_ok=True)
    write_key_file(path, new_wallet())
    begun = recoveries.begin(_stored(home, path).script, script, home.clock())
    _swap(home, begun.script)
    return begun


def sign_thread(home: Home, key: SigningKey, *, keep_history: bool) -> Recovery:
    """Sign the leaf of the new thread for the wallet's most valuable coin in a block, unless it is signed for one.

    The seal waits until that coin is deep enough. Raises SettingsError for another key than the recovery key,
    NotYetError where no recovery was begun or no coin is there that could pay for an anchor.
    """
    home.check_high_water()
    check_claims(home, keep_history=keep_history)
    recoveries = home.recoveries
    recoveries.check_key(key)
    coins = usable_coins(home)
    pending = recoveries.pending()
    if pending is not None and pending.leaf is not None and pending.leaf.outpoint in [coin.outpoint for coin in coins]:
        return pending
    if not coins:
        raise NotYetError(
            f"expected a payment to {home.wallet.address} in a block, large enough for an anchor; found none; send "
            "coins there, and try again once they are in a block"
        )
    return recoveries.sign(coins[0].outpoint, key, home.clock())


def usable_coins(home: Home) -> list[Coin]:
    """Return the wallet's coins in blocks that can pay for an anchor and are no thread's.

    The most valuable comes first, of equal ones the deepest.
    """
    network = home.network
    rate, floor_sat = network.fee_fallback_sat_per_vb, network.coin_floor_sat
    return sorted(
        (
            coin
            for coin in home.source.unspent(home.wallet.script)
            if coin.height is not None and coin.transaction and not is_thread_coin(coin)
            if anchors_left(coin.value_sat, rate, floor_sat)
        ),
        key=lambda coin: (-coin.value_sat, coin.height or 0, coin.outpoint.encode()),
    )


def check_claims(home: Home, *, keep_history: bool) -> None:
    """Raise BehindError where an anchor with the wallet's key shows a history that is not this home's.

    It may be a thief's or a double's; it may also be this log's own, and this home an old copy. A source cannot tell
    which, so the operator has to say it.
    """
    home.source.check_network()
    if keep_history:
        return
    for coin in home.unchecked_anchoring.in_step.unknown_anchors():
        if not _is_ours(home, coin):
            raise BehindError(
                f"transaction {hash_hex(coin.outpoint.txid)} anchors with this wallet's key what this home does not "
                "hold: if this home is an old copy, bring it level with `anchorline rebuild`; if another copy of it "
                "went on by itself, stop that one; only if this home's history is the one that you stand by, repeat "
                "this with --keep-this-history. Nothing was changed"
            )


def _is_ours(home: Home, coin: Coin) -> bool:
    """Say whether an anchor carries a checkpoint of this home: whoever made it knows no more than it does."""
    try:
        payload = find_payload(Transaction.decode(coin.transaction, len(coin.transaction)))
    except AnchorlineError:
        return False
    held = home.directory.checkpoint_of(payload.tree_size)
    return held is not None and held.root == payload.root


def _check_lost(home: Home) -> None:
    if home.directory.thread_leaf() is not None and home.unchecked_anchoring.in_step.lost_to() is None:
        raise SettingsError(
            "the thread is not lost: its coin is unspent, or spent by an anchor of this home; nothing was changed. "
            "Where its key is lost, or known to somebody else, begin a new thread with --new-wallet"
        )


def _swap(home: Home, script: bytes) -> None:
    """Keep the old key file under the name of its address, and put the new one in its place.

    There is a key file under the usual name at every moment; a crash in between leaves what the next run goes on from.
    """
    keys = home.folder / KEYS
    path, following = keys / WALLET, keys / NEXT_WALLET
    if _stored(home, following).script != script:
        raise SettingsError(
            f"{following}: expected the key with which the new thread begins, found another; restore it"
        )
    aside = keys / f"wallet-{home.wallet.address}.json"
    try:
        os.link(path, aside)
    except FileExistsError:
        if aside.read_bytes() != path.read_bytes():
            raise StorageError(
                f"{aside}: expected no such file, found another key file of this address; move it away"
            ) from None
    sync_folder(keys)
    following.replace(path)
    sync_folder(keys)


def _stored(home: Home, path: Path) -> StoredWallet:
    return StoredWallet(home.network, path, home.wallet_password)

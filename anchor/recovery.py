"""The way on for a log whose thread is lost: the operator's intent to begin a new one, and its leaf, signed once.

``anchorline recover thread`` stores both, with the recovery key at hand; nothing else ever sees that key.
``anchor.engine`` seals the leaf when its coin is deep enough, and from then on the recovery is over by itself.
"""

from dataclasses import dataclass, replace

from anchor.directory import Directory
from anchor.errors import NotYetError, SettingsError
from anchor.proof.bitcoin.transaction import OutPoint
from anchor.proof.leaves import KeyLeaf, Purpose, ThreadLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash
from anchor.proof.steps_log import key_history
from anchor.signing import SigningKey, check_signature
from anchor.storage.engine import Engine


@dataclass(frozen=True, slots=True)
class Recovery:
    """A new thread that is on its way: ``leaf`` waits for its seal, or is None while it is not signed.

    ``replaced`` is the leaf hash of the thread leaf whose place it takes, ``script`` that of the wallet which pays for
    the new thread and ``old_script`` that of before; ``at_ms`` is when the newest step was taken (Unix milliseconds).
    """

    at_ms: int
    replaced: bytes
    old_script: bytes
    script: bytes
    leaf: ThreadLeaf | None


class Recoveries:
    """The recoveries of one log: rows are only added; whether one is on its way follows from the directory."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self.engine = engine
        self.directory = directory

    def pending(self) -> Recovery | None:
        """Return the recovery that is on its way, or None: there is none, or its leaf is in the directory."""
        newest = self.directory.thread_leaf()
        if newest is None:
            return None
        rows = self.engine.query(
            "SELECT at_ms, replaced, old_script, script, leaf FROM thread_recovery WHERE replaced = ? "
            "ORDER BY recovery_no DESC LIMIT 1",
            (leaf_hash(newest[1].encode()),),
        )
        if not rows:
            return None
        at_ms, replaced, old_script, script, raw = rows[0]
        leaf = None if raw is None else decode_leaf(bytes(raw))
        assert leaf is None or isinstance(leaf, ThreadLeaf)
        return Recovery(int(at_ms), bytes(replaced), bytes(old_script), bytes(script), leaf)

    def begin(self, script: bytes, old_script: bytes, now_ms: int) -> Recovery:
        """Store the intent to begin a new thread with the wallet of ``script``; repeating it changes nothing.

        ``old_script`` is that of the wallet of before. Raises NotYetError where the log has no thread to replace.
        """
        pending = self.pending()
        if pending is not None and pending.script == script:
            return pending
        newest = self.directory.thread_leaf()
        if newest is None:
            raise NotYetError(
                "this log has no thread yet, so there is none to replace: fund its wallet, and the first one begins"
            )
        return self._store(Recovery(now_ms, leaf_hash(newest[1].encode()), old_script, script, None))

    def sign(self, coin: OutPoint, key: SigningKey, now_ms: int) -> Recovery:
        """Sign the leaf that begins the new thread at ``coin``, and store it; repeating it changes nothing.

        Raises NotYetError where no recovery was begun, SettingsError where ``key`` is not the log's recovery key.
        """
        self.check_key(key)
        pending = self.pending()
        if pending is None:
            raise NotYetError("expected a recovery that was begun, found none; run `anchorline recover thread` first")
        if pending.leaf is not None and pending.leaf.outpoint == coin:
            return pending
        unsigned = ThreadLeaf(coin, pending.replaced, bytes(64))
        signature = key.sign(unsigned.signed_message(self.directory.log.log_id))
        return self._store(replace(pending, at_ms=now_ms, leaf=ThreadLeaf(coin, pending.replaced, signature)))

    def check_key(self, key: SigningKey) -> None:
        """Raise SettingsError unless this is the recovery key that the log names now."""
        wanted = self._recovery_key()
        if key.public_key != wanted:
            raise SettingsError(
                f"expected this log's recovery key (public key {wanted.hex()}), found another one "
                f"({key.public_key.hex()}); nothing was signed: look for the right file"
            )

    def is_sound(self, leaf: ThreadLeaf) -> bool:
        """Say whether the recovery key of now signed a leaf, and it replaces the newest: what may be sealed."""
        newest = self.directory.thread_leaf()
        if newest is None or leaf.replaced != leaf_hash(newest[1].encode()):
            return False
        return check_signature(self._recovery_key(), leaf.signed_message(self.directory.log.log_id), leaf.signature)

    def _recovery_key(self) -> bytes:
        log = self.directory.log
        keys = tuple(leaf for _, leaf in self.directory.log_marks(2**62) if isinstance(leaf, KeyLeaf))
        return key_history(log, keys, log.log_id, check_signature)[Purpose.RECOVERY].value

    def _store(self, recovery: Recovery) -> Recovery:
        leaf = None if recovery.leaf is None else recovery.leaf.encode()
        with self.engine.transaction():
            self.engine.execute(
                "INSERT INTO thread_recovery (at_ms, replaced, old_script, script, leaf) VALUES (?, ?, ?, ?, ?)",
                (recovery.at_ms, recovery.replaced, recovery.old_script, recovery.script, leaf),
            )
        return recovery

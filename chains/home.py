"""A home: the folder that holds one log's database, keys and settings; and how its parts are put together.

``chains.home_making`` makes one, ``Home.open`` opens it. What is not needed is not opened: reading never touches keys,
and only sealing and anchoring touch Bitcoin.
"""

import os
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from anchor.directory import Directory
from anchor.errors import SettingsError
from anchor.lease import GuardedEngine, Lease
from anchor.log import DIRECTORY, Trees
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.leaves import ThreadLeaf
from anchor.proof.receipt import LogCard
from anchor.signing import SigningKey
from anchor.storage.database import Database
from anchor.storage.databases import SQLITE_FILE, database_of
from anchor.storage.engine import Engine
from chains.chain import Chains
from chains.content_keys import ContentKeys
from chains.files import write_file
from chains.highwater import HighWater, check_high_water, read_high_water, write_high_water
from chains.key_store import key_store_of
from chains.lookup import Lookup
from chains.settings import FILE_NAME, Settings, load_settings
from chains.sources import network_of, open_source, unwatched
from chains.writer import Writer

if TYPE_CHECKING:  # what reading never needs is imported where it is made: `chain list` starts fast
    from anchor.bitcoin.networks import Network
    from anchor.bitcoin.protocols import Source
    from anchor.bitcoin.wallet import StoredWallet
    from anchor.engine import AnchorEngine, Policy
    from anchor.journal import Journal
    from anchor.plan import Promised
    from anchor.published_checkpoint import PublishedCheckpoint
    from anchor.recovery import Recoveries
    from anchor.signature_requests import SignatureRequests
    from anchor.stamping import Stamping
    from anchor.versions import Signer
    from chains.accounts import Accounts
    from chains.content_index import ContentIndex
    from chains.erasing import Erasing
    from chains.identity import Identities
    from chains.password import Password
    from chains.policy import Policies
    from chains.webhooks import Webhooks

DATABASE = SQLITE_FILE
"""The database of a home whose settings name no other."""
KEYS = "keys"
CARD = "log-card.json"
NETWORKS_FILE = "networks.toml"
"""The home's own copy of the file that describes its network, where no built-in one does."""
WALLET = "wallet.json"

Clock = Callable[[], int]


def now_ms() -> int:
    """Return the Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def default_home() -> Path:
    """Return ANCHORLINE_HOME, or the XDG data folder (XDG Base Directory Specification)."""
    chosen = os.environ.get("ANCHORLINE_HOME")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("anchorline"))


class Home:
    """An opened home; close it. Parts are made when first used."""

    def __init__(self, folder: Path, settings: Settings, clock: Clock = now_ms, engine: Engine | None = None) -> None:
        self.folder = folder
        self.settings = settings
        self.clock = clock
        self._source: Source | None = None
        self.watch_source: Callable[[str, Source], Source] = unwatched
        self._signs = False
        self._is_checked = False
        self.engine: Engine = engine or self.database.open()

    @classmethod
    def open(cls, folder: Path, clock: Clock = now_ms) -> "Home":
        """Open an existing home; raise SettingsError where there is none."""
        settings = load_settings(folder / FILE_NAME)
        database_of(folder, settings.database).check_there(folder)
        return cls(folder, settings, clock)

    @property
    def database(self) -> Database:
        """Where its database is."""
        return database_of(self.folder, self.settings.database)

    def __enter__(self) -> "Home":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Note how far the log is, and release the database and the Bitcoin source; may be repeated."""
        if self._signs:
            self._signs = False
            write_high_water(self.directory.log.log_id, self.high_water())
        self.close_source()
        self.content_keys.close()
        self.engine.close()

    def close_source(self) -> None:
        """Release the Bitcoin source, which the next use opens anew; may be repeated."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def over(self, engine: Engine) -> "Home":
        """Return a home of the same folder and Bitcoin source over another database: a copy that is looked at.

        Closing it closes the source too.
        """
        other = Home(self.folder, self.settings, self.clock, engine)
        other._source = self.source
        return other

    @cached_property
    def network(self) -> "Network":
        """The configured network; refused where it is not the one that the log was made for."""
        network = network_of(self.settings, self.folder)
        log = self.directory.log
        if (log.network_genesis, log.message_start) != (network.genesis_hash, network.rules.message_start):
            raise SettingsError(
                f"network: expected the one that this log was made for (genesis block {hash_hex(log.network_genesis)}, "
                f"message start {log.message_start.hex()}), found {network.name} (genesis block "
                f"{hash_hex(network.genesis_hash)}, message start {network.rules.message_start.hex()}); a log never "
                "changes its network: restore the settings"
            )
        return network

    @cached_property
    def trees(self) -> Trees:
        """The logs."""
        return Trees(self.engine)

    @cached_property
    def guarded(self) -> GuardedEngine:
        """The database for whatever seals, signs checkpoints or notes attempts: it writes only under the lease."""
        return GuardedEngine(self.engine)

    def lead(self, lease: Lease | None) -> None:
        """Write under this lease from now on, or under none.

        A new lease begins anew: what was remembered of Bitcoin is forgotten, and before anything is signed it is asked
        again whether this home is in step (design section 3.3).
        """
        self.guarded.lease = lease
        if lease is not None:
            self._is_checked = False
            for name in ("anchoring", "unchecked_anchoring"):
                self.__dict__.pop(name, None)

    @cached_property
    def directory(self) -> Directory:
        """The directory; it seals under the lease."""
        return Directory.open(self.guarded, self.trees)

    @cached_property
    def chains(self) -> Chains:
        """The chains."""
        return Chains(self.engine, self.trees, self.content_keys)

    @cached_property
    def content_keys(self) -> ContentKeys:
        """The keys of contents, which are no part of the database."""
        return ContentKeys(key_store_of(self.folder, self.settings.content_keys, lambda: self.directory.log.log_id))

    @cached_property
    def lookup(self) -> Lookup:
        """Look-ups by entry hash and external id."""
        return Lookup(self.engine, self.chains)

    @cached_property
    def contents(self) -> "ContentIndex":
        """Look-ups by the SHA-256 of content."""
        from chains.content_index import ContentIndex

        return ContentIndex(self.engine, self.chains)

    @cached_property
    def erasing(self) -> "Erasing":
        """What erases contents; refused where this home is behind its own log."""
        from chains.erasing import Erasing
        from chains.reader import Reader

        reader = Reader(self.engine, self.chains, self.lookup)
        file = None if self.settings.database else self.folder / DATABASE
        return Erasing(self.engine, reader, self._writer, self.contents, file)

    def finish_erasures(self) -> None:
        """Carry out what a crash left of an erasure; nothing is opened for it where there is none."""
        if self.engine.query("SELECT 1 FROM erasure WHERE done_at_ms IS NULL LIMIT 1"):
            self.erasing.finish(self.clock())

    @cached_property
    def accounts(self) -> "Accounts":
        """Who may do what here."""
        from chains.accounts import Accounts

        return Accounts(self.engine)

    @cached_property
    def identities(self) -> "Identities":
        """The identities, for reading."""
        from chains.identity import Identities

        return Identities(self.engine, self.chains)

    @cached_property
    def policies(self) -> "Policies":
        """The policies of chains, for reading."""
        from chains.policy import Policies

        return Policies(self.engine, self.chains, self.identities, self.lookup)

    @cached_property
    def journal(self) -> "Journal":
        """The journal of anchoring; it is written under the lease."""
        from anchor.journal import Journal

        return Journal(self.guarded)

    @cached_property
    def writer(self) -> Writer:
        """The writer, with the promise key; refused where this home is behind its own log.

        Whoever is about to write finishes first what a crash left of an erasure: until then its content can be read.
        """
        self.finish_erasures()
        return self._writer

    @cached_property
    def _writer(self) -> Writer:
        self.check_in_step()
        key = SigningKey.load(self.key_file("promise"))
        return Writer(self.engine, self.chains, self.lookup, self.directory.log.log_id, key, self.settings.limits)

    @cached_property
    def checkpoint_key(self) -> SigningKey:
        """The key that signs checkpoints."""
        return SigningKey.load(self.key_file("checkpoint"))

    @cached_property
    def wallet_password(self) -> "Password":
        """The password of the wallet's key file, asked for when it is needed."""
        from chains.password import Password

        return Password(file=self.settings.wallet_password_file)

    @cached_property
    def wallet(self) -> "StoredWallet":
        """The wallet of the thread coin; its key is decrypted when something is to be signed."""
        from anchor.bitcoin.wallet import StoredWallet

        return StoredWallet(self.network, self.folder / KEYS / WALLET, self.wallet_password)

    @cached_property
    def signature_requests(self) -> "SignatureRequests":
        """Anchors that wait for a signature from elsewhere, for who brings one or withdraws one: without the lease.

        Nothing new is made by that: what is signed was stored under a lease, and is decided again in the transaction.
        """
        from anchor.signature_requests import SignatureRequests

        return SignatureRequests(self.engine, self.journal)

    @property
    def webhooks(self) -> "Webhooks":
        """Who is told of checkpoints and anchors."""
        from chains.webhooks import Webhooks

        return Webhooks(self.engine)

    @property
    def recoveries(self) -> "Recoveries":
        """The recoveries of this log's thread, for who begins one: an intent, sealed by whoever holds the lease."""
        from anchor.recovery import Recoveries

        return Recoveries(self.engine, self.directory)

    @property
    def signer(self) -> "Signer":
        """Who signs anchors: the key in this home, or somebody elsewhere."""
        if self.settings.signer == "psbt":
            from anchor.signature_requests import OfflineSigner, SignatureRequests

            requests = SignatureRequests(self.guarded, self.journal)
            return OfflineSigner(requests, self.wallet.public, self.clock)
        return self.wallet

    def open_signer(self) -> None:
        """Open the wallet's key now where this home signs, so that a wrong password is known before it is needed.

        Raises SettingsError where the password is missing or wrong, or where the key file holds no private key.
        """
        if self.settings.signer == "key":
            self.wallet.opened()

    @property
    def source(self) -> "Source":
        """The Bitcoin source; opening the embedded one locks it for this process."""
        if self._source is None:
            self._source = open_source(self.settings, self.network, self.folder, self.watch_source)
        return self._source

    @cached_property
    def anchoring(self) -> "AnchorEngine":
        """What seals and anchors; refused where this home is behind its own log."""
        self.check_in_step()
        return self.unchecked_anchoring

    @cached_property
    def unchecked_anchoring(self) -> "AnchorEngine":
        """The same for who looks before anything is signed, and for who mends what makes ``anchoring`` refuse."""
        from anchor.engine import AnchorEngine

        return AnchorEngine(
            *(self.guarded, self.directory, self.journal, self.source, self.signer, self.policy, self.promised),
            published=self.published_checkpoint,
        )

    @cached_property
    def published_checkpoint(self) -> "PublishedCheckpoint | None":
        """The newest published checkpoint, or None where the settings name none."""
        where = self.settings.published_checkpoint
        if not where:
            return None
        from anchor.published_checkpoint import PublishedCheckpoint
        from anchor.published_reading import read_from

        return PublishedCheckpoint(self.directory, where, read_from(where, self.folder))

    def promised(self, size: int) -> "Promised | None":
        """Return the oldest promise that the checkpoint of ``size`` leaves does not cover."""
        from chains.deadline import oldest_promise

        return oldest_promise(self.engine, self.directory, size)

    @property
    def policy(self) -> "Policy":
        """How often this log anchors, and what it may cost."""
        from anchor.engine import Policy
        from anchor.fees import Limits

        settings = self.settings
        cap_sat = self.network.spending_cap_sat if settings.spending_cap_sat < 0 else settings.spending_cap_sat
        limits = Limits(cap_sat, settings.low_funds_anchors)
        return Policy(settings.anchor_every_s * 1000, settings.silence_s * 1000, limits)

    @cached_property
    def stamping(self) -> "Stamping | None":
        """What asks time-stamping authorities, or None where the settings name none."""
        settings = self.settings
        if not settings.timestamp_authorities:
            return None
        from anchor.certificates import load_certificates
        from anchor.stamping import Stamping
        from anchor.timestamp_authority import TimestampAuthority

        path = self.folder / settings.timestamp_certificates
        try:
            trusted = load_certificates(path.read_bytes(), str(path))
        except OSError as error:
            raise SettingsError(f"{path}: timestamp_certificates: cannot be read: {error.strerror}") from error
        authorities = [
            TimestampAuthority(url, trusted, settings.timestamp_policy) for url in settings.timestamp_authorities
        ]
        return Stamping(self.engine, self.directory, authorities)

    def check_in_step(self) -> None:
        """Refuse to sign for a home that was restored from a backup (design section 3.3).

        What this machine has noted outside the home answers at once; a machine that knows nothing of this log asks
        Bitcoin; a published checkpoint is compared wherever the settings name one. Sealing and anchoring ask both in
        any case (``AnchorEngine.check_in_step``).
        """
        if self._is_checked:
            return
        if not self.check_high_water() and self.high_water() != HighWater(0, 0):
            self.unchecked_anchoring.check_in_step()
        elif self.published_checkpoint is not None:
            self.published_checkpoint.check()
        self._signs = self._is_checked = True

    def go_by(self, other: "Home") -> None:
        """Take it from the same home, opened once more in this process, that it is in step: for who writes beside it.

        The embedded Bitcoin has one user, so what is opened beside a service must not ask it.
        """
        other.check_in_step()
        self.trust_in_step()

    def trust_in_step(self) -> None:
        """Take it from whoever had the same home checked in another process that it is in step."""
        self._is_checked = True

    def check_high_water(self) -> bool:
        """Say whether this machine has noted how far the log is; raise BehindError where that is further than here."""
        noted = read_high_water(self.directory.log.log_id)
        if noted is None:
            return False
        check_high_water(self.high_water(), noted)
        return True

    def high_water(self) -> HighWater:
        """Return how far this home is."""
        return HighWater(self.chains.next_seq() - 1, self.trees.state(DIRECTORY).size)

    def key_file(self, purpose: str) -> Path:
        """Return the file of a signing key: checkpoint, promise or recovery."""
        return self.folder / KEYS / f"{purpose}.pem"

    def card(self) -> LogCard:
        """Return the log card as of now: who this log is, and where its thread starts."""
        marks = self.directory.log_marks(2**62)
        threads = tuple(leaf.outpoint for _, leaf in marks if isinstance(leaf, ThreadLeaf))
        return LogCard(self.directory.log, threads or None)

    def after_seal(self) -> None:
        """Finish erasures, index what was recorded, and write the card: what whoever seals does next.

        Harmless to repeat and to lose.
        """
        self.finish_erasures()
        self.lookup.maintain()
        self.contents.maintain()
        self.write_card()

    def write_card(self) -> Path:
        """Write the log card to the home, so that it can be handed out; return its path."""
        path = self.folder / CARD
        write_file(path, self.card().encode())
        return path

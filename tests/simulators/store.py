"""One database with everything that writes, seals and finds, put together as ``chains.home`` does, but on regtest keys.

The file is the test's; keys are fixed, so that signatures of several runs can be compared. Tests of the writer, the
directory and the look-ups use it, and the crash tests and benchmarks with an engine or a key of their own.
"""

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anchor.bitcoin.networks import NETWORKS
from anchor.bitcoin.protocols import BlockId
from anchor.directory import Directory
from anchor.log import Trees
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, ExternalId, IdKind, chain_id_of, content_commitment
from anchor.proof.leaves import Key, KeyType, LogLeaf
from anchor.proof.merkle import inclusion_path, leaf_hash
from anchor.proof.promise import Promise, PromiseLeaf, PromiseNote, promise_key_id
from anchor.signing import SigningKey
from anchor.storage.engine import Engine
from chains.chain import Chain, Chains, Run
from chains.content_keys import ContentKeys
from chains.key_store import NAME as CONTENT_KEYS
from chains.key_store import KeyFile, KeyStore
from chains.lookup import Lookup
from chains.settings import Limits
from chains.work import Submission
from chains.writer import Writer
from tests.databases import folder_of, open_engine

REGTEST = NETWORKS["regtest"]
GENESIS = BlockId(0, REGTEST.genesis_hash)
START_MS = 1_750_000_000_000
CHECKPOINT_SEED, PROMISE_SEED, RECOVERY_SEED = (sha256(name) for name in (b"checkpoint", b"promise", b"recovery"))


def log_leaf() -> LogLeaf:
    """Return leaf 0 of the log that all these tests write."""
    keys = [
        Key(KeyType.ED25519, SigningKey(seed).public_key) for seed in (CHECKPOINT_SEED, PROMISE_SEED, RECOVERY_SEED)
    ]
    return LogLeaf("log.example/test", REGTEST.genesis_hash, REGTEST.rules.message_start, *keys)


LOG = log_leaf()


class Store:
    """An opened database; what is not there yet is made."""

    def __init__(
        self,
        where: Path | Engine,
        checkpoint_key: SigningKey | None = None,
        promise_key: SigningKey | None = None,
        limits: Limits | None = None,
        keys: KeyStore | None = None,
    ) -> None:
        self.engine: Engine = open_engine(where) if isinstance(where, Path) else where
        self.trees = Trees(self.engine)
        made = self.engine.query("SELECT 1 FROM identity")
        self.directory = (
            Directory.open(self.engine, self.trees) if made else Directory.create(self.engine, self.trees, LOG)
        )
        self.checkpoint_key = checkpoint_key or SigningKey(CHECKPOINT_SEED)
        self.promise_key = promise_key or SigningKey(PROMISE_SEED)
        self.content_keys = ContentKeys(keys or KeyFile((folder_of(self.engine) or self._own_folder()) / CONTENT_KEYS))
        self.chains = Chains(self.engine, self.trees, self.content_keys)
        self.lookup = Lookup(self.engine, self.chains)
        self.writer = Writer(self.engine, self.chains, self.lookup, LOG.log_id, self.promise_key, limits or Limits())

    def __del__(self) -> None:
        if hasattr(self, "content_keys"):
            self.content_keys.close()

    def _own_folder(self) -> Path:
        """Make a folder for the keys of a database in memory; it ends with this object."""
        folder = tempfile.mkdtemp(prefix="anchorline-store-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    def open_chain(self, name: str, now_ms: int = START_MS) -> Chain:
        """Open a chain whose one external id is its name."""
        return self.writer.open_chain([clear(name)], b"first", name, now_ms)[0]

    def entries(self, chain: Chain) -> list[bytes]:
        """Return all entries of a chain, by leaf index."""
        rows: list[bytes] = []
        for _, first_seq, count in self.chains.seq_ranges(chain, 0, self.chains.size(chain)):
            rows += [raw for _, raw, _ in self.chains.bundles.rows(first_seq, first_seq + count)]
        return rows

    def commits(self) -> Iterator["Commit"]:
        """Yield every group commit, in order."""
        columns = "first_seq, entry_count, received_at_ms, note, signature"
        for row in self.engine.query(f"SELECT {columns} FROM group_commit ORDER BY first_seq"):
            yield Commit(*row)

    def promises(self) -> Iterator[Promise]:
        """Yield promises of every commit, rebuilt from all its rows: those of its first entries, a middle and the last.

        One that verifies shows the root over all of them, since the path is made from every leaf.
        """
        by_no = {chain.chain_no: chain for chain in self.chains.all()}
        for commit in self.commits():
            leaves = [
                PromiseLeaf(by_no[run.chain_no].chain_id, run.first_index + place, key, run.submitter)
                for run in self.chains.runs(commit.first_seq, commit.first_seq + commit.entry_count)
                for place, key in enumerate(self._hashes_of(run))
            ]
            hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
            for place in sorted({*range(min(3, len(hashes))), len(hashes) // 2, len(hashes) - 1}):
                yield Promise(
                    note=PromiseNote.decode(bytes(commit.note)),
                    leaf=leaves[place],
                    index=place,
                    path=inclusion_path(hashes, place),
                    key_id=promise_key_id(self.promise_key.public_key),
                    signature=bytes(commit.signature),
                )

    def _hashes_of(self, run: Run) -> list[bytes]:
        end = run.first_index + run.entry_count
        flat = b"".join(self.trees.leaf_hashes(run.chain_no, run.first_index, end))
        return [flat[at : at + 32] for at in range(0, len(flat), 32)]


@dataclass(frozen=True, slots=True)
class Commit:
    """A row of ``group_commit``."""

    first_seq: int
    entry_count: int
    received_at_ms: int
    note: bytes
    signature: bytes


def clear(name: str) -> ExternalId:
    """Return an external id in clear."""
    return ExternalId(IdKind.CLEAR, name.encode())


def chain_id(name: str) -> bytes:
    """Return the id of the chain that ``Store.open_chain`` opens under this name."""
    return chain_id_of([clear(name)])


def entry_of(chain: bytes, content: bytes, *ids: ExternalId, salt: bytes = bytes(16)) -> Entry:
    """Return an entry over content under a fixed salt, so that it can be made twice."""
    return Entry(chain, content_commitment(salt, sha256(content)), "", ids)


def submission_of(chain: bytes, content: bytes, *ids: ExternalId) -> Submission:
    """Return such an entry with its content, ready to be handed in."""
    return Submission(entry_of(chain, content, *ids).encode(), bytes(16), None, content)

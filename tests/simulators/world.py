"""A small log in memory, with its chains, keys, thread and regtest blocks, all made from fixed seeds.

Stories are told to it by tests and by ``tests/vectors/make_vectors.py``: write, seal, anchor, rotate a key. It hands
out receipts, cards and blocks as a real service would, made through the public functions of ``anchor.proof`` only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.branch import merkle_path, merkle_root
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.payload import encode_payload, payload_script
from anchor.proof.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from anchor.proof.bitcoin.work import bits_from_target, check_work
from anchor.proof.blocks import GivenBlock
from anchor.proof.checkpoint import Checkpoint, Note, NoteSignature, chain_origin, key_id
from anchor.proof.codec import sha256
from anchor.proof.ed25519 import acceptable_encodings
from anchor.proof.entry import (
    BATCH_DOMAIN,
    BATCH_LEAF,
    SIGNATURE_DOMAIN,
    Author,
    AuthorType,
    Entry,
    Extension,
    ExternalId,
    IdKind,
    Link,
    chain_id_of,
    content_commitment,
)
from anchor.proof.errors import VerificationError
from anchor.proof.heads import heads_root
from anchor.proof.leaves import (
    NO_POLICY,
    NO_PREVIOUS,
    NOTHING_REPLACED,
    DirectoryLeaf,
    EpochLeaf,
    HeadLeaf,
    Key,
    KeyLeaf,
    KeyType,
    LeafType,
    LogLeaf,
    Purpose,
    SealLeaf,
    Signer,
    ThreadLeaf,
)
from anchor.proof.merkle import inclusion_path, leaf_hash, root_of
from anchor.proof.promise import Promise, PromiseLeaf, PromiseNote, promise_key_id, signed_message, submitter_of
from anchor.proof.receipt import (
    ChainPath,
    Content,
    ContentState,
    DirectoryProof,
    Leaf,
    LogCard,
    Receipt,
    Sealed,
)
from anchor.proof.verify import Verifier

START_MS = 1_750_000_000_000
ORDER_IN_SEAL = (LeafType.LOG, LeafType.EPOCH, LeafType.KEY, LeafType.THREAD)
DEPTH_OF_LOWER_END = 6


def fast_check(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether a signature holds, by OpenSSL behind the point checks that it lacks."""
    if not acceptable_encodings(public_key, signature):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing_key(name: str) -> Ed25519PrivateKey:
    """Return the Ed25519 key whose seed is the hash of ``name``."""
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()))


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """Return the 32 bytes of the public key."""
    return key.public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True)
class Written:
    """An entry in its chain, with what is beside it."""

    entry: Entry
    content: Content
    index: int
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """What one seal left behind: the directory's size and root, its signed note, and where its leaves are."""

    size: int
    root: bytes
    note: Note
    head_index: dict[bytes, int]

    @property
    def index(self) -> int:
        """Index of the seal leaf, the last one that the checkpoint covers."""
        return self.size - 1


@dataclass(frozen=True, slots=True)
class Block:
    """A regtest block: its header and its transactions, the coinbase first."""

    height: int
    header: Header
    transactions: tuple[Transaction, ...]

    def anchor(self, index: int) -> BitcoinAnchor:
        """Return what a receipt carries to show transaction ``index``."""
        txids = [transaction.txid for transaction in self.transactions]
        return BitcoinAnchor(
            transaction=self.transactions[index].encode(),
            index=index,
            path=merkle_path(txids, index),
            coinbase=self.transactions[0].encode(),
            coinbase_path=merkle_path(txids, 0),
            header=self.header.encode(),
            height=self.height,
        )


@dataclass(slots=True)
class World:
    """One log on a regtest chain of its own. ``name`` seeds its keys; everything else follows from what it is told.

    With a ``message_start`` of its own, the log is on a network that nobody knows.
    """

    name: str = "world"
    origin: str = "log.example/anchorline"
    network: str = "regtest"
    message_start: bytes | None = None
    now_ms: int = START_MS
    keys: dict[Purpose, Ed25519PrivateKey] = field(default_factory=dict)
    given_by: dict[Purpose, bytes] = field(default_factory=dict)
    waiting: list[DirectoryLeaf] = field(default_factory=list)
    directory: list[DirectoryLeaf] = field(default_factory=list)
    chains: dict[bytes, list[Entry]] = field(default_factory=dict)
    heads: dict[bytes, int] = field(default_factory=dict)
    seals: list[Seal] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    coin: OutPoint | None = None
    thread_leaf: bytes = NOTHING_REPLACED
    # By chain id, the entry that states the policy in force: what heads name.
    policies: dict[bytes, bytes] = field(default_factory=dict)
    salts: int = 0

    def __post_init__(self) -> None:
        self.keys = {purpose: signing_key(f"{self.name}/{purpose.name}") for purpose in Purpose}
        self.given_by = dict.fromkeys(Purpose, self.log.log_id)
        self.waiting.append(self.log)

    # --- identity

    @property
    def log(self) -> LogLeaf:
        """Leaf 0, with the keys that the log began with."""
        rules = NETWORKS[self.network]
        first = [Key(KeyType.ED25519, public_bytes(signing_key(f"{self.name}/{item.name}"))) for item in Purpose]
        return LogLeaf(self.origin, rules.genesis_hash, self.message_start or rules.message_start, *first)

    @property
    def card(self) -> LogCard:
        """The log card: leaf 0 and every outpoint at which a thread started, None before the first."""
        threads = tuple(leaf.outpoint for leaf in self.directory if isinstance(leaf, ThreadLeaf))
        return LogCard(self.log, threads or None)

    # --- writing

    def first_entry(self, name: str, content: bytes = b"first", extensions: tuple[Extension, ...] = ()) -> Entry:
        """Return a first entry whose external id in clear is ``name``; it gives its chain an id."""
        external_ids = (ExternalId(IdKind.CLEAR, name.encode()),)
        return self.entry(chain_id_of(external_ids), content, external_ids=external_ids, extensions=extensions)

    def entry(
        self,
        chain_id: bytes,
        content: bytes,
        *,
        media_type: str = "text/plain",
        external_ids: tuple[ExternalId, ...] = (),
        links: tuple[Link, ...] = (),
        extensions: tuple[Extension, ...] = (),
    ) -> Entry:
        """Return an entry that commits to ``content`` under the next salt; nothing is written yet."""
        commitment = content_commitment(self.next_salt(), sha256(content))
        return Entry(chain_id, commitment, media_type, external_ids, links, extensions)

    def next_salt(self) -> bytes:
        """Return the salt of the next entry, the same until one is written."""
        return sha256(f"{self.name}/salt/{self.salts}".encode())[:16]

    def write(self, entry: Entry, content: bytes) -> Written:
        """Append ``entry`` to its chain; ``content`` is shown with it."""
        shown = Content(ContentState.SHOWN, self.next_salt(), sha256(content), content)
        chain = self.chains.setdefault(entry.chain_id, [])
        chain.append(entry)
        self.salts += 1
        self.now_ms += 1000
        return Written(entry, shown, len(chain) - 1)

    def write_first(self, name: str, content: bytes = b"first") -> Written:
        """Begin the chain called ``name``."""
        return self.write(self.first_entry(name, content), content)

    def write_next(self, chain_id: bytes, content: bytes) -> Written:
        """Append a plain entry to a chain."""
        return self.write(self.entry(chain_id, content), content)

    def promise(self, *written: Written, seal_within_ms: int = 60_000) -> list[Written]:
        """Promise what one group commit holds: one signature, a path for each entry; return them with promises."""
        account = submitter_of(self.log.log_id, sha256(b"account salt")[:16], b"account 1")
        leaves = [PromiseLeaf(item.entry.chain_id, item.index, item.entry.hash, account) for item in written]
        hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
        note = PromiseNote(
            self.log.log_id,
            self.now_ms,
            self.now_ms + seal_within_ms,
            self.now_ms + 3_600_000,
            len(leaves),
            root_of(hashes),
        )
        key = self.keys[Purpose.PROMISE]
        signature = key.sign(signed_message(note))
        name = promise_key_id(public_bytes(key))
        return [
            replace(item, promise=Promise(note, name, signature, leaf, place, inclusion_path(hashes, place)))
            for place, (item, leaf) in enumerate(zip(written, leaves, strict=True))
        ]

    # --- leaves about the log itself, which wait for the next seal

    def rotate(self, purpose: Purpose, signer: Signer = Signer.OLD_KEY) -> None:
        """Put a new key in the place of the one for ``purpose``."""
        serial = sum(isinstance(leaf, KeyLeaf) for leaf in (*self.directory, *self.waiting))
        key = signing_key(f"{self.name}/{purpose.name}/{serial}")
        self._key_leaf(purpose, Key(KeyType.ED25519, public_bytes(key)), signer)
        self.keys[purpose] = key

    def revoke_promise_key(self) -> None:
        """End the promise key without a successor."""
        self._key_leaf(Purpose.PROMISE, Key(KeyType.REVOKED, b""), Signer.RECOVERY_KEY)

    def _key_leaf(self, purpose: Purpose, new_key: Key, signer: Signer) -> None:
        signing = self.keys[Purpose.RECOVERY if signer == Signer.RECOVERY_KEY else purpose]
        leaf = KeyLeaf(purpose, self.given_by[purpose], new_key, signer, bytes(64))
        leaf = replace(leaf, signature=signing.sign(leaf.signed_message(self.log.log_id)))
        self.given_by[purpose] = leaf_hash(leaf.encode())
        self.waiting.append(leaf)

    def fund_thread(self) -> None:
        """Mine a coin for the thread; its leaf waits. A second thread is signed by the recovery key."""
        funding = Transaction(2, (_input(OutPoint(sha256(b"faucet"), len(self.blocks))),), (_coin(100_000),), 0)
        self.coin = OutPoint(self.mine(funding).transactions[1].txid, 0)
        leaf = ThreadLeaf(self.coin, self.thread_leaf)
        if self.thread_leaf != NOTHING_REPLACED:
            signature = self.keys[Purpose.RECOVERY].sign(leaf.signed_message(self.log.log_id))
            leaf = replace(leaf, signature=signature)
        self.thread_leaf = leaf_hash(leaf.encode())
        self.waiting.append(leaf)

    def restore_from_backup(self, lost_from_ms: int, lost_to_ms: int) -> None:
        """Say in the log that promises of this time may be missing."""
        self.waiting.append(EpochLeaf(lost_from_ms, lost_to_ms))

    # --- sealing

    def seal(self) -> Seal:
        """Append what waits, a head for every changed chain, and the seal leaf; sign the checkpoint."""
        self.now_ms += 5000
        ordered = sorted(self.waiting, key=lambda leaf: ORDER_IN_SEAL.index(LeafType(leaf.encode()[0])))
        self.directory += ordered
        self.waiting.clear()
        changed = sorted(chain_id for chain_id in self.chains if self._sealed_size(chain_id) < self._size(chain_id))
        head_index = {chain_id: self._append_head(chain_id) for chain_id in changed}
        self.heads |= head_index
        self.directory.append(self._seal_leaf(len(head_index)))
        root = root_of(self.directory_hashes)
        checkpoint = Checkpoint(self.origin, len(self.directory), root)
        seal = Seal(checkpoint.size, root, self.sign(checkpoint), head_index)
        self.seals.append(seal)
        return seal

    def sign(self, checkpoint: Checkpoint) -> Note:
        """Return the checkpoint as a note signed by the current checkpoint key."""
        key = self.keys[Purpose.CHECKPOINT]
        text = checkpoint.encode()
        signature = NoteSignature(self.origin, key_id(self.origin, public_bytes(key)), key.sign(text.encode()))
        return Note(text, (signature,))

    def sign_head(self, head: HeadLeaf) -> Note:
        """Return the chain's own checkpoint of what a head says."""
        return self.sign(Checkpoint(chain_origin(self.origin, head.chain_id), head.tree_size, head.root))

    @property
    def directory_hashes(self) -> list[bytes]:
        """Leaf hashes of the directory."""
        return [leaf_hash(leaf.encode()) for leaf in self.directory]

    def _size(self, chain_id: bytes) -> int:
        return len(self.chains[chain_id])

    def _sealed_size(self, chain_id: bytes) -> int:
        return 0 if chain_id not in self.heads else self._head(self.heads[chain_id]).tree_size

    def _head(self, index: int) -> HeadLeaf:
        leaf = self.directory[index]
        assert isinstance(leaf, HeadLeaf)
        return leaf

    def _append_head(self, chain_id: bytes) -> int:
        root = root_of([entry.hash for entry in self.chains[chain_id]])
        previous = self.heads.get(chain_id, NO_PREVIOUS)
        policy = self.policies.get(chain_id, NO_POLICY)
        self.directory.append(HeadLeaf(chain_id, self._size(chain_id), previous, root, policy))
        return len(self.directory) - 1

    def _seal_leaf(self, head_count: int) -> SealLeaf:
        newest = sorted((chain_id, self.directory_hashes[index]) for chain_id, index in self.heads.items())
        deep = self.blocks[-DEPTH_OF_LOWER_END] if len(self.blocks) >= DEPTH_OF_LOWER_END else None
        height, block = (0, NETWORKS[self.network].genesis_hash) if deep is None else (deep.height, deep.header.hash)
        return SealLeaf(len(self.seals), self.now_ms, head_count, len(newest), heads_root(newest), height, block)

    # --- Bitcoin

    def mine(self, *transactions: Transaction) -> Block:
        """Mine a block with ``transactions`` after its coinbase, and two of strangers at the end."""
        height = len(self.blocks) + 1
        strangers = [
            Transaction(2, (_input(OutPoint(sha256(b"stranger"), height * 2 + number)),), (_coin(5000),), 0)
            for number in range(2)
        ]
        whole = (_coinbase(height), *transactions, *strangers)
        root = merkle_root([transaction.txid for transaction in whole])
        previous = self.blocks[-1].header.hash if self.blocks else NETWORKS[self.network].genesis_hash
        block = Block(height, mine_header(previous, root, self.now_ms // 1000, self.network), whole)
        self.blocks.append(block)
        return block

    def anchor_transaction(self, seal: Seal) -> Transaction:
        """Return the transaction that spends the thread coin and carries the checkpoint."""
        assert self.coin is not None
        script = payload_script(encode_payload(seal.size, seal.root))
        return Transaction(2, (_input(self.coin),), (_coin(90_000), TxOutput(0, script)), 0)

    def anchor(self, seal: Seal) -> BitcoinAnchor:
        """Mine the next transaction of the thread, with the checkpoint of ``seal``."""
        block = self.mine(self.anchor_transaction(seal))
        self.coin = OutPoint(block.transactions[1].txid, 0)
        return block.anchor(1)

    @property
    def headers(self) -> list[bytes]:
        """Raw headers of all blocks, from height 1 on."""
        return [block.header.encode() for block in self.blocks]

    def given_block(self, height: int) -> GivenBlock:
        """Return the block at ``height`` as a verifier would name it."""
        return GivenBlock.decode(f"{self.network}:{height}:{hash_hex(self.blocks[height - 1].header.hash)}")

    # --- receipts

    def receipt(
        self,
        written: Written,
        at: Seal | None = None,
        anchors: Sequence[BitcoinAnchor] = (),
        content: Content | None = None,
    ) -> Receipt:
        """Return the receipt of ``written`` against the checkpoint of ``at``, or a pending one."""
        shown = written.content if content is None else content
        sealed = None if at is None else self.sealed(written, at, anchors)
        return Receipt(written.entry, shown, self.log, written.promise, sealed)

    def sealed(self, written: Written, at: Seal, anchors: Sequence[BitcoinAnchor] = ()) -> Sealed:
        """Return a receipt's sealed part: first head, its seal, every key leaf and the newest thread leaf below."""
        first = next(seal for seal in self.seals if self._holds(seal, written))
        head = self.prove(HeadLeaf, first.head_index[written.entry.chain_id], at)
        hashes = [entry.hash for entry in self.chains[written.entry.chain_id][: head.leaf.tree_size]]
        threads = self._indexes(ThreadLeaf, at)
        previous = head.leaf.previous_index
        return Sealed(
            chain=ChainPath(written.index, inclusion_path(hashes, written.index)),
            log_path=self.prove(LogLeaf, 0, at).path,
            head=head,
            seal=self.prove(SealLeaf, first.index, at),
            checkpoint=Checkpoint.decode(at.note.text),
            note=at.note,
            thread=self.prove(ThreadLeaf, threads[-1], at) if threads else None,
            previous_head=None if previous == NO_PREVIOUS else self.prove(HeadLeaf, previous, at),
            keys=tuple(self.prove(KeyLeaf, index, at) for index in self._indexes(KeyLeaf, at)),
            anchors=tuple(anchors),
        )

    def prove(self, kind: type[Leaf], index: int, at: Seal) -> DirectoryProof[Leaf]:
        """Return a leaf of the directory under the checkpoint of a seal."""
        leaf = self.directory[index]
        assert isinstance(leaf, kind)
        return DirectoryProof(leaf, index, inclusion_path(self.directory_hashes[: at.size], index))

    def verifier(self, receipt: Receipt, *, height: int | None = None) -> Verifier:
        """Return a verifier with everything: the content's digest, the card, the block at ``height``."""
        blocks = () if height is None else (self.given_block(height),)
        return Verifier(receipt.content.digest or None, self.card, blocks=blocks, check_signature=fast_check)

    def _holds(self, seal: Seal, written: Written) -> bool:
        index = seal.head_index.get(written.entry.chain_id)
        return index is not None and self._head(index).tree_size > written.index

    def _indexes(self, kind: type[DirectoryLeaf], at: Seal) -> list[int]:
        return [index for index, leaf in enumerate(self.directory[: at.size]) if isinstance(leaf, kind)]


# --- authors


def sign_entry(entry: Entry, key: Ed25519PrivateKey) -> Entry:
    """Return ``entry`` signed by its author alone (author type 1)."""
    unsigned = replace(entry, author=Author(AuthorType.ED25519, public_bytes(key) + bytes(64)))
    signature = key.sign(SIGNATURE_DOMAIN + unsigned.encode()[:-64])
    return replace(entry, author=Author(AuthorType.ED25519, public_bytes(key) + signature))


def sign_batch(entries: Sequence[Entry], key: Ed25519PrivateKey) -> list[Entry]:
    """Return ``entries`` signed with one signature (author type 3)."""
    hashes = [leaf_hash(BATCH_LEAF + entry.encode_before_author()) for entry in entries]
    size = len(entries).to_bytes(4, "big")
    signed = public_bytes(key) + key.sign(BATCH_DOMAIN + size + root_of(hashes))
    return [
        replace(
            entry,
            author=Author(
                AuthorType.BATCH,
                signed + index.to_bytes(4, "big") + size + b"".join(inclusion_path(hashes, index)),
            ),
        )
        for index, entry in enumerate(entries)
    ]


# --- blocks


def mine_header(previous: bytes, root: bytes, time_s: int, network: str) -> Header:
    """Return a header at the network's easiest target, ground; on regtest about two nonces are tried."""
    rules = NETWORKS[network]
    header = Header(0x20000000, previous, root, time_s, bits_from_target(rules.pow_limit), 0)
    while True:
        try:
            check_work(header, rules.pow_limit)
        except VerificationError:
            header = replace(header, nonce=header.nonce + 1)
        else:
            return header


def _coinbase(height: int) -> Transaction:
    nothing = OutPoint(bytes(32), 0xFFFFFFFF)
    height_push = bytes((0x50 + height,)) if height <= 16 else _push(height)
    return Transaction(2, (TxInput(nothing, height_push + b"\x04mine", 0xFFFFFFFF),), (_coin(5_000_000_000),), 0)


def _push(number: int) -> bytes:
    raw = number.to_bytes(number.bit_length() // 8 + 1, "little")
    return bytes((len(raw),)) + raw


def _input(outpoint: OutPoint) -> TxInput:
    return TxInput(outpoint, b"", 0xFFFFFFFD)


def _coin(value_sat: int) -> TxOutput:
    return TxOutput(value_sat, b"\x00\x14" + sha256(b"thread key")[:20])


# --- one story, told the same way every time


@dataclass(frozen=True, slots=True)
class Shape:
    """A receipt, and the verifier who has everything that it asks for."""

    receipt: Receipt
    verifier: Verifier


@dataclass(slots=True)
class Story:
    """The log ``world`` after four seals and two anchors, and its receipts by shape."""

    world: World
    shapes: dict[str, Shape] = field(default_factory=dict)

    def keep(self, name: str, receipt: Receipt, height: int | None = None) -> None:
        """Keep a receipt with the verifier who has the card, the file and the block at ``height``."""
        self.shapes[name] = Shape(receipt, self.world.verifier(receipt, height=height))


def tell() -> Story:
    """Tell the story: three chains, a thread funded after the first seal, all three keys rotated before the third."""
    world = World()
    story = Story(world)
    alice, bob = signing_key("alice"), signing_key("bob")

    first, second = world.promise(world.write_first("orders", b"order 1"), world.write_next(_id("orders"), b"order 2"))
    only = world.promise(world.write_first("recipe", b"a single entry"))[0]
    unfunded = world.seal()

    signed = world.write(sign_entry(world.entry(_id("orders"), b"order 3"), alice), b"order 3")
    third = world.promise(signed)[0]
    for _ in range(DEPTH_OF_LOWER_END):
        world.mine()
    world.fund_thread()
    funded = world.seal()
    anchor_1 = world.anchor(funded)

    world.rotate(Purpose.CHECKPOINT)
    world.rotate(Purpose.PROMISE, Signer.RECOVERY_KEY)
    world.rotate(Purpose.RECOVERY, Signer.RECOVERY_KEY)
    batch = _write_batch(world, "tests", bob, [b"run 1", b"run 2", b"run 3"])
    fourth = world.promise(world.write_next(_id("orders"), b"order 4"))[0]
    rotated = world.seal()
    anchor_2 = world.anchor(rotated)
    waiting = world.promise(world.write_next(_id("orders"), b"order 5"))[0]
    latest = world.seal()
    pending = world.write_next(_id("orders"), b"order 6")

    without_bytes = replace(third.content, data=None)
    story.keep("unsealed", world.receipt(pending))
    story.keep("unsealed with promise", world.receipt(world.promise(pending)[0]))
    story.keep("sealed before the thread was funded", world.receipt(only, unfunded))
    story.keep("sealed, not anchored", world.receipt(waiting, latest))
    story.keep("anchored at its own checkpoint", world.receipt(third, funded, [anchor_1]), anchor_1.height)
    story.keep("single entry of its chain", world.receipt(only, funded, [anchor_1]), anchor_1.height)
    story.keep("against a later checkpoint", world.receipt(second, rotated, [anchor_2]), anchor_2.height)
    story.keep("first entry", world.receipt(first, rotated, [anchor_2]), anchor_2.height)
    story.keep("after key rotations", world.receipt(fourth, rotated, [anchor_2]), anchor_2.height)
    story.keep("signed batch", world.receipt(batch[1], rotated, [anchor_2]), anchor_2.height)
    for name, content in (
        ("content without bytes", without_bytes),
        ("content withheld", Content(ContentState.WITHHELD)),
        ("content erased", Content(ContentState.ERASED)),
    ):
        receipt = world.receipt(third, funded, [anchor_1], content)
        verifier = replace(world.verifier(receipt, height=anchor_1.height), content_digest=sha256(b"order 3"))
        story.shapes[name] = Shape(receipt, verifier)
    return story


def _write_batch(world: World, name: str, key: Ed25519PrivateKey, contents: Sequence[bytes]) -> list[Written]:
    """Begin the chain ``name`` with entries that one signature covers; each keeps the salt it was made with."""
    chain_id, entries, first = _id(name), [], world.salts
    for number, content in enumerate(contents):
        world.salts = first + number
        entries.append(world.first_entry(name, content) if number == 0 else world.entry(chain_id, content))
    world.salts = first
    return [world.write(entry, content) for entry, content in zip(sign_batch(entries, key), contents, strict=True)]


def _id(name: str) -> bytes:
    return chain_id_of((ExternalId(IdKind.CLEAR, name.encode()),))

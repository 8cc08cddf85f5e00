"""Taking over from a mirror what a restored home lacks: directory leaves, checkpoints, entries and anchors.

Input is a ``Fetch`` over a published log, which is audited in full before anything of it is used, and a home opened
over a copy of its own database; ``chains.rebuild`` puts that copy in place afterwards. A mirror holds no promises, no
content and no salts (docs/spec/mirror.md): the rows that come from it are listed as such, and an epoch mark says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from anchor.bitcoin.protocols import BlockId, Coin, Missing
from anchor.epochs import Epochs
from anchor.errors import EntriesMissingError, HistoryDiffersError, SettingsError
from anchor.hashing.chosen import HASHING
from anchor.heads_stored import store_nodes
from anchor.journal import Attempt
from anchor.lifecycle import MINED, Event, Happened, Standing
from anchor.log import DIRECTORY, TILE_WIDTH
from anchor.proof.bitcoin.anchor import BitcoinAnchor
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import Transaction
from anchor.proof.chain_life import Continuation, statement_of
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.codec import HASH_SIZE
from anchor.proof.earlier_receipts import EARLIER, decode_earlier, is_of
from anchor.proof.entry import Entry, ExtensionType
from anchor.proof.leaves import EpochLeaf, HeadLeaf, LogLeaf, SealLeaf, decode_leaf
from anchor.proof.merkle import leaf_hash
from anchor.proof.policy import Standing as Policies
from anchor.proof.promise import ANONYMOUS
from anchor.proof.receipt import LogCard
from anchor.published import (
    ANCHORED,
    CHAINS,
    CHECKPOINT,
    Anchors,
    check_checkpoint,
    directory_leaves,
    read_anchors,
    read_card,
    read_note,
)
from anchor.signing import check_signature
from anchor.thread_audit import audit_thread
from anchor.thread_auditor import Auditor, payload_of
from anchor.thread_verdict import Number
from anchor.tiles import Fetch, LeafRange, PublishedTree, WithheldError
from chains.bundle import Column
from chains.chain import Batch, Chain
from chains.chain_life import ChainLives
from chains.found_by import may_have_keys
from chains.home import Home
from chains.policy_audit import PolicyWalk
from chains.stamps_from_mirror import take_stamps


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What a mirror gave: ``entries`` without promise, content and salt, ``anchors``, and the gap that is marked.

    ``stamps`` are time stamps and calendars' attestations beside the anchors.
    """

    entries: int
    anchors: int
    stamps: int
    gap: EpochLeaf


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What the mirror has and the home lacks: leaves of the directory from ``start`` on, newest heads by chain."""

    checkpoint: Checkpoint
    start: int
    leaves: list[bytes]
    heads: dict[bytes, int]


def take_over(home: Home, fetch: Fetch) -> TakenOver:
    """Bring a home level with a published log. ``home`` is over a copy of the database, thrown away where this raises.

    Raises HistoryDiffersError where the mirror does not continue the home (the first difference is named) or does not
    pass the audit, EntriesMissingError where it lacks entries that the home lacks, SettingsError where it has nothing
    new, or a checkpoint key of its time is not in the home.
    """
    ahead = _read(home, fetch)
    _check_chains(home, fetch, ahead)
    with home.engine.transaction():
        entries = _append_entries(home, fetch, ahead)
        _append_directory(home, fetch, ahead)
        for chain_id in ahead.heads:
            chain = home.chains.by_id(chain_id)
            assert chain is not None, "every chain with a new head was opened"
            _note_policies(home, chain)
    # An Ed25519 signature is determined by key and text: this makes those again that the mirror does not publish.
    home.directory.sign_stored(home.checkpoint_key)
    published = _anchors(home, fetch)
    anchors = sum(_take_anchor(home, proof) for proof in published.proofs)
    anchors += sum(_take_pending(home, transaction) for transaction in published.pending)
    stamps = take_stamps(home, fetch)
    newest_ms = int(home.engine.query("SELECT COALESCE(MAX(received_at_ms), 0) FROM group_commit")[0][0])
    gap = Epochs(home.engine, home.directory).mark(newest_ms, max(home.clock(), newest_ms))
    return TakenOver(entries, anchors, stamps, gap)


# --- reading and comparing


def _read(home: Home, fetch: Fetch) -> _Ahead:
    """Audit the mirror as a stranger would, and return what it has beyond the home's directory."""
    log, published = home.directory.log, read_card(fetch).log
    if published != log:
        raise HistoryDiffersError(f"the mirror is of log {published.log_id.hex()}, this home of {log.log_id.hex()}")
    note = read_note(fetch, CHECKPOINT)
    if note is None:
        raise SettingsError("the mirror has no checkpoint yet: there is nothing to take over")
    checkpoint = Checkpoint.decode(note.text)
    # Before the audit: where two histories were signed, the place at which they part is what people must know.
    leaves = list(_leaves(home, fetch, checkpoint.size))
    verdict = audit_thread(
        fetch, Auditor(check_signature, card=LogCard(log), networks={home.network.name: home.network.rules})
    )
    # An author whom the log must have refused is its fault, and no reason to lose what it holds.
    for finding in (item for step in verdict.steps for item in step.findings if item.number != Number.AUTHORS):
        if finding.reason is not None or finding.number == Number.LEAVES:
            raise HistoryDiffersError(f"the mirror does not pass the audit: {finding.text}; nothing was taken over")
    if not leaves:
        raise SettingsError(
            f"the mirror has {checkpoint.size} directory leaves, and so has this home: there is nothing to take over. "
            "Where promises are missing, `anchorline rebuild --mark-gap` says so"
        )
    start = checkpoint.size - len(leaves)
    heads = [leaf for raw in leaves if isinstance(leaf := decode_leaf(raw), HeadLeaf)]
    return _Ahead(checkpoint, start, leaves, {head.chain_id: head.tree_size for head in heads})


def _leaves(home: Home, fetch: Fetch, size: int) -> Iterator[bytes]:
    """Yield the published directory leaves after the home's own, which must all be there, unchanged."""
    ours, index = home.trees.state(DIRECTORY).size, 0
    for part in directory_leaves(PublishedTree(fetch, "", size)):
        if isinstance(part, LeafRange):
            raise HistoryDiffersError(f"the mirror does not pass the audit: directory: {part} were withheld")
        own = home.engine.query(
            "SELECT leaf FROM directory_leaf WHERE leaf_index >= ? AND leaf_index < ? ORDER BY leaf_index",
            (index, index + len(part)),
        )
        for place, raw in enumerate(part):
            if index + place >= ours:
                yield raw
            elif bytes(own[place][0]) != raw:
                raise _differs(f"directory leaf {index + place}", is_missing=False)
        index += len(part)
    if index < ours:
        raise _differs(f"directory leaf {index}", is_missing=True)


def _check_chains(home: Home, fetch: Fetch, ahead: _Ahead) -> None:
    """Every entry of the home is in the mirror at its place, and every other one is there with its bytes."""
    for chain in home.chains.all():
        size = home.chains.size(chain)
        published = ahead.heads.get(chain.chain_id, home.trees.state(chain.chain_no).sealed_size)
        if published < size:
            raise _differs(f"chain {chain.chain_id.hex()}: entry {published}", is_missing=True)
        if chain.chain_id in ahead.heads:
            _check_prefix(home, chain, size, PublishedTree(fetch, _prefix(chain.chain_id), published))
    lacking = [chain_id for chain_id in sorted(ahead.heads) if not _has_entries(home, fetch, ahead, chain_id)]
    if lacking:
        names = ", ".join(_name(home, chain_id) for chain_id in lacking)
        raise EntriesMissingError(
            f"the mirror has leaf hashes, and not all entries, of {len(lacking)} chains of which entries are missing "
            f"here: {names}; nothing was taken over. Find a copy of the home, or a mirror that has them (`mirror "
            "--chain`, `--all-chains --with-private`)"
        )


def _check_prefix(home: Home, chain: Chain, size: int, tree: PublishedTree) -> None:
    for tile_no in range(-(-size // TILE_WIDTH)):
        first = tile_no * TILE_WIDTH
        ours = b"".join(home.trees.leaf_hashes(chain.chain_no, first, min(first + TILE_WIDTH, size)))
        theirs = _tile(tree, tile_no)[: len(ours)]
        for at in range(0, len(ours), HASH_SIZE):
            if ours[at : at + HASH_SIZE] != theirs[at : at + HASH_SIZE]:
                raise _differs(f"chain {chain.chain_id.hex()}: entry {first + at // HASH_SIZE}", is_missing=False)


def _tile(tree: PublishedTree, tile_no: int) -> bytes:
    try:
        return tree.tile(0, tile_no)
    except WithheldError as error:
        raise HistoryDiffersError(f"the mirror does not pass the audit: {error}; nothing was taken over") from error


def _has_entries(home: Home, fetch: Fetch, ahead: _Ahead, chain_id: bytes) -> bool:
    chain = home.chains.by_id(chain_id)
    start = 0 if chain is None else home.chains.size(chain)
    tree = PublishedTree(fetch, _prefix(chain_id), ahead.heads[chain_id])
    tiles = range(start // TILE_WIDTH, -(-tree.size // TILE_WIDTH)) if start < tree.size else range(0)
    return all(tree.bundle(tile_no) is not None for tile_no in tiles)


def _name(home: Home, chain_id: bytes) -> str:
    chain = home.chains.by_id(chain_id)
    return chain_id.hex() if chain is None or chain.name is None else f"{chain.name} ({chain_id.hex()})"


def _differs(what: str, *, is_missing: bool) -> HistoryDiffersError:
    how = "this home has it, and the mirror does not" if is_missing else "it is another one in the mirror"
    return HistoryDiffersError(
        f"the mirror does not continue this home: {what}: {how}; nothing was taken over. Where the mirror is only "
        "older, it is of no use here; otherwise keep both: they are evidence of what happened"
    )


# --- entries


def _append_entries(home: Home, fetch: Fetch, ahead: _Ahead) -> int:
    """Append what each chain lacks, inside a transaction, and list these rows; return how many."""
    first_seq = home.chains.next_seq()
    for chain_id, size in sorted(ahead.heads.items()):
        # A name is this home's own label, and in no mirror.
        chain = home.chains.by_id(chain_id) or home.chains.open(chain_id, None, home.clock())
        _append_chain(home, chain, PublishedTree(fetch, _prefix(chain_id), size))
        _keep_earlier(home, fetch, chain)
    count = home.chains.next_seq() - first_seq
    if count:
        home.engine.execute("INSERT INTO mirrored_run (first_seq, entry_count) VALUES (?, ?)", (first_seq, count))
    return count


def _keep_earlier(home: Home, fetch: Fetch, chain: Chain) -> None:
    """Keep the receipts of other logs on which continuations of a chain rest, as the mirror shows them."""
    lives = ChainLives(home.engine, home.chains)
    found = [each.leaf_index for each in lives.of(chain) if each.kind == ExtensionType.CONTINUATION]
    lacking = [index for index in found if lives.earlier_receipt(chain, index) is None]
    data = fetch(_prefix(chain.chain_id) + EARLIER) if lacking else None
    shown = {} if data is None else decode_earlier(data)
    for index in lacking:
        said = statement_of(lives.entry(chain, index))
        if index in shown and isinstance(said, Continuation) and is_of(shown[index], said):
            lives.keep_earlier_receipt(chain, index, shown[index].encode())


def _note_policies(home: Home, chain: Chain) -> None:
    """Note again which entries of a chain state a policy in force."""
    policies = home.policies
    if not policies.is_under(chain):
        return
    noted = {each.index for each in policies.standing(chain)}
    standing: Policies = ()
    for judged in PolicyWalk(policies).entries(chain):
        standing = judged.standing
    stated = {each.index: each.entry_hash for each in standing if each.index not in noted}
    policies.note(chain.chain_no, stated)


def _append_chain(home: Home, chain: Chain, tree: PublishedTree) -> None:
    lives = ChainLives(home.engine, home.chains)
    while (start := home.chains.size(chain)) < tree.size:
        tile_no, skipped = divmod(start, TILE_WIDTH)
        entries = (tree.bundle(tile_no) or [])[skipped:]
        hashes = HASHING.leaves(entries)
        if not entries or hashes.flat != _tile(tree, tile_no)[skipped * HASH_SIZE :]:
            raise HistoryDiffersError(
                f"the mirror changed while it was read: chain {chain.chain_id.hex()}, entries from {start} on; nothing "
                "was taken over. Copy it, and run this again"
            )
        nothing_kept = Column.of([b""] * len(entries))
        batch = Batch(Column.of(entries), nothing_kept, hashes, any(map(may_have_keys, entries)))
        home.chains.append_rows(chain, batch, ANONYMOUS)
        lives.note(chain, start, [Entry.decode(entry) for entry in entries], home.directory.log.log_id)
    home.trees.build_to(chain.chain_no, tree.size)


# --- directory


def _append_directory(home: Home, fetch: Fetch, ahead: _Ahead) -> None:
    """Append leaves and checkpoints with the tables that point into them, inside a transaction."""
    home.engine.execute_many(
        "INSERT INTO directory_leaf (leaf_index, leaf) VALUES (?, ?)", list(enumerate(ahead.leaves, ahead.start))
    )
    home.trees.append(DIRECTORY, ahead.start, HASHING.leaves(ahead.leaves).flat)
    home.trees.build_to(DIRECTORY, ahead.checkpoint.size)
    changed: list[bytes] = []
    for index, raw in enumerate(ahead.leaves, ahead.start):
        leaf = decode_leaf(raw)
        if isinstance(leaf, HeadLeaf):
            _store_head(home, index, leaf)
            changed.append(leaf.chain_id)
        elif isinstance(leaf, SealLeaf):
            store_nodes(home.engine, index + 1, sorted(changed))
            changed.clear()
            _store_checkpoint(home, fetch, index + 1, leaf)
        elif not isinstance(leaf, LogLeaf):
            home.engine.execute("INSERT INTO log_mark (leaf_index) VALUES (?)", (index,))
    if home.trees.root(DIRECTORY, ahead.checkpoint.size) != ahead.checkpoint.root:
        raise HistoryDiffersError("the mirror changed while it was read: nothing was taken over; run this again")


def _store_head(home: Home, index: int, head: HeadLeaf) -> None:
    chain = home.chains.by_id(head.chain_id)
    assert chain is not None, "every chain with a new head was opened"
    home.engine.execute(
        "INSERT INTO head (directory_index, tree_no, tree_size) VALUES (?, ?, ?)",
        (index, chain.chain_no, head.tree_size),
    )
    home.engine.execute(
        "UPDATE tree SET sealed_size = ?, head_index = ?, head_hash = ? WHERE tree_no = ?",
        (head.tree_size, index, leaf_hash(head.encode()), chain.chain_no),
    )


def _store_checkpoint(home: Home, fetch: Fetch, size: int, seal: SealLeaf) -> None:
    """Store a checkpoint with its published signature, if there is one that holds."""
    root, origin = home.trees.root(DIRECTORY, size), home.directory.log.origin
    wanted, key = Checkpoint(origin, size, root), home.directory.checkpoint_key(size)
    notes = [read_note(fetch, f"{ANCHORED}/{size}"), read_note(fetch, CHECKPOINT)]
    good = [each for each in notes if check_checkpoint(each, wanted, origin, key, check_signature) is None]
    home.engine.execute(
        "INSERT INTO checkpoint (size, seal_number, sealed_at_ms, root, note) VALUES (?, ?, ?, ?, ?)",
        (size, seal.seal_number, seal.sealed_at_ms, root, good[0].encode() if good and good[0] else None),
    )


# --- anchors


def _anchors(home: Home, fetch: Fetch) -> Anchors:
    """Return the published anchors of checkpoints of this log: those whose proofs hold, and those on their way."""
    log = home.directory.log
    anchors, _ = read_anchors(fetch, log.log_id, home.network.rules)
    proofs = (proof for proof in anchors.proofs if anchors_ours(home, proof.decoded_transaction))
    pending = (each for each in anchors.pending if anchors_ours(home, each))
    return Anchors(anchors.txids, tuple(proofs), tuple(pending))


def anchors_ours(home: Home, transaction: Transaction) -> bool:
    """Say whether a transaction anchors a checkpoint of this home."""
    payload = payload_of(transaction)
    if payload is None:
        return False
    held = home.directory.checkpoint_of(payload.tree_size)
    return held is not None and held.root == payload.root


def _take_anchor(home: Home, proof: BitcoinAnchor) -> bool:
    """Store an anchor that the journal lacks, or does not know in a block; say whether anything was stored.

    The block must be on the best chain of the home's own source; where it left that, the next tick finds the anchor.
    """
    transaction = proof.decoded_transaction
    known = home.journal.of_txid(transaction.txid)
    if known is not None and known.state in MINED:
        return False
    attempt = known or add_found(home, transaction)
    block = BlockId(proof.height, proof.decoded_header.hash)
    if home.source.block_hash(block.height) == block.hash:
        home.journal.note(attempt, home.clock(), lambda standing: _in_block(standing, block))
        home.journal.keep_proof(attempt, block.hash, proof)
    return True


def _in_block(standing: Standing, block: BlockId) -> list[Happened]:
    return [] if standing.state in MINED else [Happened(Event.IN_BLOCK, block)]


def _take_pending(home: Home, transaction: Transaction) -> bool:
    """Store an anchor that was on its way when the mirror was written; say whether it was stored.

    Published without its signatures, it is signed again where the key and its coin are here, so that it can be sent
    again and replaced. Without them it is stored only where the source has it: nobody could send it.
    """
    if home.journal.knows(transaction.txid):
        return False
    coin = _coin_of(home, transaction)
    if coin is None or home.settings.signer != "key":
        is_there = not isinstance(home.source.observe(transaction.txid), Missing)
        return is_there and bool(add_found(home, transaction))
    raw = home.wallet.sign(transaction, [coin])
    add_found(home, transaction, raw, coin)
    return True


def _coin_of(home: Home, transaction: Transaction) -> Coin | None:
    """Return the thread coin that an anchor spends, where it spends nothing else and this home made it."""
    (first, *more) = transaction.inputs
    before = home.journal.of_txid(first.previous.txid)
    if more or before is None or first.previous != before.coin:
        return None
    made = before.transaction()
    if made.outputs[0].script != home.wallet.script:
        return None
    return Coin(first.previous, made.outputs[0].value_sat, None, coinbase=False, transaction=made.encode())


def add_found(home: Home, transaction: Transaction, raw: bytes = b"", coin: Coin | None = None) -> Attempt:
    """Store an anchor of this home's checkpoint that was found outside, signed (``raw``) or as it is published.

    Its fee is known where a known anchor paid it.
    """
    before = home.journal.of_txid(transaction.inputs[0].previous.txid)
    is_alone = len(transaction.inputs) == 1 and before is not None
    spent_sat = before.transaction().outputs[0].value_sat if is_alone and before is not None else 0
    fee_sat = max(0, spent_sat - sum(output.value_sat for output in transaction.outputs))
    size = find_payload(transaction).tree_size
    coins = [] if coin is None else [coin]
    with home.engine.transaction():
        return home.journal.add(home.clock(), size, raw or transaction.encode(), fee_sat, coins=coins)


def _prefix(chain_id: bytes) -> str:
    return f"{CHAINS}/{chain_id.hex()}/"

"""Operations that read chains: which there are, what is in them, and each as a tiled log of its own.

They run on a reading thread (``chains.web.rooms``); ``chains.web.api`` has them in its table.
"""

from anchor.directory import sign_checkpoint
from anchor.proof.checkpoint import Checkpoint, chain_origin
from anchor.proof.earlier_receipts import EARLIER, sealed_earlier
from anchor.proof.leaves import NO_PREVIOUS, HeadLeaf
from chains.access import Action, ChainAccess, Visibility, allowed
from chains.chain import Chain
from chains.chain_life import ChainLives
from chains.web.answers import IMMUTABLE, cached, json_of
from chains.web.asgi import JSON, OCTETS, TEXT, Answer
from chains.web.limits import MOST_SCANNED, PAGE_ITEMS
from chains.web.operations import Operation, Shape
from chains.web.parameters import CHAIN, CURSOR, FROM_SIZE, INDEX, LIMIT, SIZE, TILE_PATH, TO_SIZE
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import ChainModel, Chains, Consistency, Entries, EntryModel, Head, Inclusion
from chains.web.shown import ChainSeen, chain_shown, entry_shown
from chains.web.trees import consistency_answer, inclusion_answer, tile_answer


def list_chains(room: Room, request: Request) -> Answer:
    """Return those chains that who asks may see; a page may be short where he may not see many."""
    return json_of(chains_seen(room, request, request.number("limit", PAGE_ITEMS)))


def chains_seen(room: Room, request: Request, limit: int) -> Chains:
    """Return at most ``limit`` chains behind the request's cursor, for the API and for pages."""
    room.require(request, Action.CHAIN_LIST)
    after = request.number("cursor", 0)
    looked_at = list(room.home.chains.after(after, MOST_SCANNED))
    access = room.accounts.sharing.access_of_each([chain.chain_no for chain in looked_at])
    shown: list[ChainModel] = []
    for chain in looked_at:
        if len(shown) == limit:
            return Chains(chains=shown, cursor=str(after))
        after = chain.chain_no
        if allowed(request.actor, Action.CHAIN_LIST, access[after], request.now_ms).is_allowed:
            shown.append(chain_shown(room, request, chain, access[after]))
    return Chains(chains=shown, cursor=str(after) if len(looked_at) == MOST_SCANNED else None)


def get_chain(room: Room, request: Request) -> Answer:
    """Return one chain."""
    chain, access = room.shared(request, Action.CHAIN_READ)
    return json_of(chain_shown(room, request, chain, access))


def chain_entries(room: Room, request: Request) -> Answer:
    """Return entries of a chain, in order."""
    chain = room.chain(request, Action.ENTRY_READ)
    limit, start = request.number("limit", PAGE_ITEMS), request.number("cursor", 0)
    size = room.home.chains.size(chain)
    page = entries_seen(room, request, chain, min(start, size), limit)
    end = start + len(page)
    return json_of(Entries(entries=page, cursor=str(end) if page and end < size else None))


def entries_seen(room: Room, request: Request, chain: Chain, start: int, count: int) -> list[EntryModel]:
    """Return entries of a chain that who asks may read, from leaf_index ``start`` on, for the API and for pages."""
    seen = ChainSeen.of(room, request, chain)
    return [entry_shown(seen, stored) for stored in room.reader.page(chain, start, count)]


def chain_head(room: Room, request: Request) -> Answer:
    """Return a chain's newest sealed head."""
    chain = room.chain(request, Action.HEAD_READ)
    index, head = _newest_head(room, chain)
    return json_of(head_shown(room, chain, index, head))


def head_shown(room: Room, chain: Chain, index: int, head: HeadLeaf) -> Head:
    """Return what is shown of a chain's head at ``index`` of the directory, which a signed checkpoint covers."""
    covering = room.home.directory.first_checkpoint_over(index)
    assert covering is not None
    return Head(
        chain_id=chain.chain_id.hex(),
        tree_size=head.tree_size,
        root=head.root.hex(),
        directory_index=index,
        checkpoint_size=covering.size,
        sealed_at_ms=covering.sealed_at_ms,
        unsealed=room.home.chains.size(chain) - head.tree_size,
    )


def newest_heads(room: Room, chain: Chain, most: int) -> list[Head]:
    """Return the newest heads of a chain under a signed checkpoint, newest first: each names the one before."""
    index = _newest_head_index(room, chain)
    found: list[Head] = []
    while index is not None and len(found) < most:
        head = _head_at(room, index)
        found.append(head_shown(room, chain, index, head))
        index = None if head.previous_index == NO_PREVIOUS else head.previous_index
    return found


def chain_checkpoint(room: Room, request: Request) -> Answer:
    """Return a chain's own checkpoint (C2SP signed note): its newest head that is in the directory."""
    chain, access = room.shared(request, Action.HEAD_READ)
    _, head = _newest_head(room, chain)
    origin = room.home.directory.log.origin
    checkpoint = Checkpoint(chain_origin(origin, chain.chain_id), head.tree_size, head.root)
    note = sign_checkpoint(checkpoint, origin, room.home.checkpoint_key)
    return Answer(200, note.encode().encode(), TEXT, (cached(_who(access), "max-age=1"),))


def chain_tile(room: Room, request: Request) -> Answer:
    """Return a tile of a chain; entry bundles need the right to read entries."""
    wants_entries = request.arguments["tile_path"].startswith("entries/")
    chain, access = room.shared(request, Action.ENTRY_READ if wants_entries else Action.TILE_READ)

    def leaves(start: int, end: int) -> list[bytes]:
        return [stored.raw for stored in room.reader.entries(chain, start, end)]

    size = _sealed_size(room, chain)
    path = request.arguments["tile_path"]
    return tile_answer(room.home.trees, chain.chain_no, size, path, leaves, _who(access))


def chain_earlier(room: Room, request: Request) -> Answer:
    """Return the receipts of other logs on which a chain's sealed continuations rest, to whoever may read its entries.

    As a mirror has them: a chain comes from elsewhere once, with its first entries here.
    """
    chain, access = room.shared(request, Action.ENTRY_READ)
    receipts = ChainLives(room.home.engine, room.home.chains).earlier_receipts_of(chain)
    body = sealed_earlier(receipts, _sealed_size(room, chain))
    if body is None:
        raise not_found()
    return Answer(200, body, JSON, (cached(_who(access), IMMUTABLE),))


def chain_consistency(room: Room, request: Request) -> Answer:
    """Return a consistency path of a chain."""
    chain = room.chain(request, Action.HEAD_READ)
    return consistency_answer(room.home.trees, chain.chain_no, _sealed_size(room, chain), request)


def chain_inclusion(room: Room, request: Request) -> Answer:
    """Return an inclusion path of a chain."""
    chain = room.chain(request, Action.HEAD_READ)
    return inclusion_answer(room.home.trees, chain.chain_no, _sealed_size(room, chain), request)


def _newest_head(room: Room, chain: Chain) -> tuple[int, HeadLeaf]:
    """Return a chain's newest head under a signed checkpoint, and its index in the directory."""
    index = _newest_head_index(room, chain)
    if index is None:
        raise ProblemError("not-found", "The chain is not sealed yet")
    return index, _head_at(room, index)


def _newest_head_index(room: Room, chain: Chain) -> int | None:
    newest = room.home.directory.newest()
    return None if newest is None else room.home.directory.newest_head(chain.chain_no, newest.size)


def _head_at(room: Room, index: int) -> HeadLeaf:
    head = room.home.directory.leaf(index)
    assert isinstance(head, HeadLeaf)
    return head


def _sealed_size(room: Room, chain: Chain) -> int:
    """Return how many leaves are under a signed checkpoint."""
    try:
        return _newest_head(room, chain)[1].tree_size
    except ProblemError:
        return 0


def _who(access: ChainAccess) -> str:
    return "public" if access.visibility == Visibility.PUBLIC else "private"


GROUP = "Chains"
OPERATIONS = (
    Operation(
        "listChains",
        "GET",
        "/v1/chains",
        "The chains that you may see",
        GROUP,
        {200: Shape("A page", {JSON: Chains})},
        parameters=(CURSOR, LIMIT),
        run=list_chains,
    ),
    Operation(
        "getChain",
        "GET",
        "/v1/chains/{chain}",
        "One chain",
        GROUP,
        {200: Shape("The chain", {JSON: ChainModel})},
        ("not-found",),
        parameters=(CHAIN,),
        run=get_chain,
        is_of_database=True,
    ),
    Operation(
        "listEntries",
        "GET",
        "/v1/chains/{chain}/entries",
        "The entries of a chain, in order",
        GROUP,
        {200: Shape("A page", {JSON: Entries})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN, CURSOR, LIMIT),
        run=chain_entries,
        is_of_database=True,
    ),
    Operation(
        "getHead",
        "GET",
        "/v1/chains/{chain}/head",
        "The newest sealed head of a chain",
        GROUP,
        {200: Shape("The head", {JSON: Head})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN,),
        run=chain_head,
        is_of_database=True,
    ),
    Operation(
        "getChainCheckpoint",
        "GET",
        "/v1/chains/{chain}/checkpoint",
        "The chain's own checkpoint (C2SP)",
        GROUP,
        {200: Shape("The note", {"text/plain": str})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN,),
        run=chain_checkpoint,
        is_of_database=True,
    ),
    Operation(
        "getChainTile",
        "GET",
        "/v1/chains/{chain}/tile/{tile_path}",
        "A tile of a chain (C2SP tlog-tiles)",
        GROUP,
        {200: Shape("Hashes, or entries each behind its length", {OCTETS: bytes})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN, TILE_PATH),
        run=chain_tile,
        is_of_database=True,
    ),
    Operation(
        "getChainEarlier",
        "GET",
        f"/v1/chains/{{chain}}/{EARLIER}",
        "Receipts of the logs that a chain came from",
        GROUP,
        {200: Shape("The receipts (docs/spec/mirror.md)", {JSON: dict})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN,),
        run=chain_earlier,
        is_of_database=True,
    ),
    Operation(
        "getChainConsistency",
        "GET",
        "/v1/chains/{chain}/consistency",
        "Consistency of two sizes of a chain",
        GROUP,
        {200: Shape("The path", {JSON: Consistency})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN, FROM_SIZE, TO_SIZE),
        run=chain_consistency,
        is_of_database=True,
    ),
    Operation(
        "getChainInclusion",
        "GET",
        "/v1/chains/{chain}/inclusion",
        "Inclusion of an entry in a chain",
        GROUP,
        {200: Shape("The path", {JSON: Inclusion})},
        ("not-found", "not-allowed"),
        parameters=(CHAIN, INDEX, SIZE),
        run=chain_inclusion,
        is_of_database=True,
    ),
)

"""Entries and chains as the HTTP API shows them: made of what is stored, and of what who asks may see.

The modules ``api_chains``, ``api_entries`` and ``api_search`` answer with them.
"""

from dataclasses import dataclass

from anchor.proof.access_record import What
from chains.access import ChainAccess
from chains.chain import Chain, Gone
from chains.commit_times import ReceivedTimes
from chains.reader import StoredEntry
from chains.web.contents import Contents
from chains.web.requests import Request
from chains.web.rooms import Room
from chains.web.schemas import ChainModel, ContentShown, EntryModel, IdShown, LinkShown


def chain_shown(room: Room, request: Request, chain: Chain, access: ChainAccess) -> ChainModel:
    """Return a chain; its name is its owner's label, and shown to its owner only."""
    state = room.home.trees.state(chain.chain_no)
    is_own = request.actor.role is not None and access.owner == request.actor.organisation
    return ChainModel(
        chain_id=chain.chain_id.hex(),
        size=state.size,
        sealed_size=state.sealed_size,
        opened_at_ms=chain.opened_at_ms,
        visibility=access.visibility.value,
        is_own=is_own,
        name=None if chain.name is None or not is_own else chain.name.removeprefix(f"{access.owner}/"),
    )


@dataclass(frozen=True, slots=True)
class ChainSeen:
    """What entries of one chain are shown by, to who asks now: looked up once for all entries of an answer."""

    chain_id: str
    sealed_size: int
    contents: Contents
    received: ReceivedTimes

    @classmethod
    def of(cls, room: Room, request: Request, chain: Chain) -> "ChainSeen":
        """Look it up."""
        sealed_size = room.home.trees.state(chain.chain_no).sealed_size
        contents = Contents.of(room, request, chain)
        return cls(chain.chain_id.hex(), sealed_size, contents, ReceivedTimes(room.home.engine))


def entry_shown(seen: ChainSeen, stored: StoredEntry) -> EntryModel:
    """Return an entry with what is known of its content, as far as who asks may read content."""
    entry = stored.entry
    return EntryModel(
        entry_hash=stored.entry_hash.hex(),
        chain_id=seen.chain_id,
        leaf_index=stored.leaf_index,
        entry=stored.raw,
        media_type=entry.media_type,
        external_ids=[IdShown(kind=item.kind, value=item.value) for item in entry.external_ids],
        links=[
            LinkShown(relation=link.relation, chain_id=link.chain_id.hex(), entry_hash=link.entry_hash.hex())
            for link in entry.links
        ],
        content=_content(seen, stored),
        is_sealed=stored.leaf_index < seen.sealed_size,
        received_at_ms=seen.received.at_ms(stored.seq),
    )


def _content(seen: ChainSeen, stored: StoredEntry) -> ContentShown:
    if stored.gone is Gone.ERASED and seen.contents.may_read:
        return ContentShown(state="erased")
    kept, box_size = seen.contents.kept(stored, What.SALT), seen.contents.box_size(stored)
    if box_size is not None:
        return ContentShown(state="encrypted", size=box_size)
    if kept is None:
        return ContentShown(state="withheld")
    digest, salt = kept.digest.hex(), kept.salt.hex()
    if kept.content is None:
        return ContentShown(state="digest", digest=digest, salt=salt)
    return ContentShown(state="shown", digest=digest, salt=salt, size=len(kept.content))

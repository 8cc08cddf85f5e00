"""What the HTTP API takes and answers in JSON, as types: each is encoded by msgspec and documented by its schema.

The modules ``api_*`` fill them; ``chains.web.openapi`` writes their JSON schemas. Hashes are in hex, other bytes in
base64, times in Unix milliseconds.
"""

from typing import Annotated, Any, Literal

import msgspec

from anchor.proof.plain_text import MAX_REASON
from anchor.proof.policy import MAX_PARTIES, Part

Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", description="32 bytes in hex")]
Base64 = Annotated[
    bytes,
    msgspec.Meta(
        extra_json_schema={"pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
        description="base64 (RFC 4648 section 4)",
    ),
]
Count = Annotated[int, msgspec.Meta(ge=0)]
TimeMs = Annotated[int, msgspec.Meta(ge=0, description="Unix time in milliseconds")]
Cursor = Annotated[str, msgspec.Meta(description="Give it back as `cursor` for the next page")]


class Model(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An answer; fields that are at their default are left out."""


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that clients send; unknown fields are refused, so that a misspelt one never does nothing."""


PolicyPart = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(Part)}, description="A part of a policy")]


class Problem(Model, frozen=True, kw_only=True):
    """A problem document (RFC 9457). `rule`: which part of a chain's policy forbids an entry (policy-not-followed)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    rule: PolicyPart | None = None


class ExternalIdModel(Taken, frozen=True, kw_only=True):
    """An external id. kind 0: in clear; 1: the SHA-256 that stands for the id; 2: a keyed or salted 32-byte value."""

    value: Base64
    kind: Literal[0, 1, 2] = 0


RelationName = Literal["supersedes", "retracts", "derived-from", "assesses", "refers-to"]
MOST_LINKS = 32
"""Links that come with one content."""


class LinkWanted(Taken, frozen=True, kw_only=True):
    """What an entry says of another: of its own chain, or of `chain_id`. The first two relations correct it."""

    relation: RelationName
    entry_hash: Hash
    chain_id: Hash | None = None


class Item(Taken, frozen=True, kw_only=True):
    """One entry of a batch. Either `content`, of which an entry is made here, or `entry`, made by the client.

    With `content` alone: `media_type`, `external_ids` (a text stands for its UTF-8 in clear), `links` and `keep`
    (digest: only its SHA-256 is stored). With `entry`: `salt` and `digest`, or `salt` and `content`, are kept beside
    it; without them the service never learns what the entry commits to. `envelope` (docs/spec/envelope.md) goes alone
    with `entry`. `signed_together` is the first item of a batch, or in none: the author's public key and his signature
    (96 bytes) over the root of all entries behind it, which come as nobody signed them and get their author field here
    (docs/spec/entry.md, type 3). Such a batch is made of `entry` items only, and there is no result for that item.
    """

    content: Base64 | None = None
    media_type: str = ""
    external_ids: list[str | ExternalIdModel] = []
    links: Annotated[list[LinkWanted], msgspec.Meta(max_length=MOST_LINKS)] = []
    keep: Literal["content", "digest"] = "content"
    entry: Base64 | None = None
    salt: Base64 | None = None
    digest: Base64 | None = None
    envelope: Base64 | None = None
    signed_together: Base64 | None = None


class SubmissionModel(Taken, frozen=True, kw_only=True):
    """An entry that its writer made (docs/spec/entry.md), and what is to be kept beside it."""

    entry: Base64
    salt: Base64 | None = None
    digest: Base64 | None = None
    content: Base64 | None = None
    envelope: Base64 | None = None


class NewChain(Taken, frozen=True, kw_only=True):
    """A chain to be opened: its external ids give the chain id. The first entry may be made by the client."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=79)] | None = None
    external_ids: list[str | ExternalIdModel] = []
    content: Base64 = b""
    media_type: str = ""
    visibility: Literal["public", "members", "private"] = "private"
    first_entry: SubmissionModel | None = None


class PromiseModel(Model, frozen=True, kw_only=True):
    """A promise file (docs/spec/promise.md)."""

    format: Literal["anchorline-promise/1"]
    note: str
    key_id: str
    signature: str
    leaf: str
    index: Count
    path: list[Hash]


class PromiseRunModel(Model, frozen=True, kw_only=True):
    """The promise over consecutive entries (docs/spec/promise.md)."""

    format: Literal["anchorline-promise-run/1"]
    note: str
    key_id: str
    signature: str
    index: Count
    count: Count
    beside: list[Hash]


class Written(Model, frozen=True, kw_only=True):
    """Where an entry is, durably. `repeated`: it was there before."""

    chain_id: Hash
    entry_hash: Hash
    leaf_index: Count
    repeated: bool = False
    promise: PromiseModel | None = None


class Result(Model, frozen=True, kw_only=True):
    """What became of one item. 201: written; 200: it was there before; otherwise what a problem says."""

    status: int
    entry_hash: Hash | None = None
    leaf_index: Count | None = None
    code: str | None = None
    detail: str | None = None
    rule: PolicyPart | None = None


class BatchWritten(Model, frozen=True, kw_only=True):
    """A result for each item in order, and one promise over those that were written by this request.

    Their promise leaves are made of `chain_id`, `leaf_index`, `entry_hash` and `submitter`.
    """

    chain_id: Hash
    submitter: str
    results: list[Result] | msgspec.Raw
    promise: PromiseRunModel | None = None


class ChainModel(Model, frozen=True, kw_only=True):
    """A chain: how many entries it has, and how many of them are under a signed checkpoint."""

    chain_id: Hash
    size: Count
    sealed_size: Count
    opened_at_ms: TimeMs
    visibility: Literal["public", "members", "private"]
    is_own: bool
    name: str | None = None


class RuleModel(Model, frozen=True, kw_only=True):
    """So many of these parties must sign: `did:key:z6Mk...`, or `identity:` and a chain id."""

    needed: Annotated[int, msgspec.Meta(ge=1, le=MAX_PARTIES)]
    parties: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_PARTIES)]


class PolicyModel(Model, frozen=True, kw_only=True):
    """A policy as a document (docs/spec/policy.md): who may change it, write, and correct entries of others."""

    format: Literal["anchorline-policy/1"]
    administrators: RuleModel
    writers: RuleModel | Literal["anybody"]
    correctors: RuleModel | Literal["anybody", "nobody"]
    media_types: list[str]
    id_kinds: list[Literal["clear", "hashed", "keyed", "only-keyed"]]


class StatedPolicyModel(Model, frozen=True, kw_only=True):
    """A policy that came into force with an entry, and counts from the next one on; `signed_by`: public keys."""

    leaf_index: Count
    entry_hash: Hash
    entry: Base64
    signed_by: list[Hash]
    policy: PolicyModel
    received_at_ms: TimeMs | None = None
    sealed_at_ms: TimeMs | None = None


class ChainPolicy(Model, frozen=True, kw_only=True):
    """The policies of a chain, the one in force last; none: the chain is open, for ever."""

    chain_id: Hash
    policies: list[StatedPolicyModel]


class Chains(Model, frozen=True, kw_only=True):
    """A page of chains, in the order of opening."""

    chains: list[ChainModel]
    cursor: Cursor | None = None


class IdShown(Model, frozen=True, kw_only=True):
    """An external id, in base64, with its kind."""

    kind: int
    value: Base64


class LinkShown(Model, frozen=True, kw_only=True):
    """A relation to another entry."""

    relation: int
    chain_id: Hash
    entry_hash: Hash


class ContentShown(Model, frozen=True, kw_only=True):
    """What is known of the content. `salt` opens the commitment; it is shown to whoever may read content.

    encrypted: an envelope is kept, which its readers open (docs/spec/envelope.md); `size` is that of the box in it.
    """

    state: Literal["shown", "digest", "encrypted", "withheld", "erased"]
    digest: Hash | None = None
    salt: str | None = None
    size: Count | None = None


class EntryModel(Model, frozen=True, kw_only=True):
    """An entry: its bytes, what they say, and where it is."""

    entry_hash: Hash
    chain_id: Hash
    leaf_index: Count
    entry: Base64
    media_type: str
    external_ids: list[IdShown]
    links: list[LinkShown]
    content: ContentShown
    is_sealed: bool
    received_at_ms: TimeMs | None = None


class ReaderWanted(Taken, frozen=True, kw_only=True):
    """A reader to be added to an entry: his id, and the content key that was wrapped for him (80 bytes)."""

    reader: Hash
    wrap: Base64


class ReaderModel(Model, frozen=True, kw_only=True):
    """Who can open an entry's envelope, or could: by whose key he was added and removed (none: with the entry)."""

    reader: Hash
    added_at_ms: TimeMs
    added_by: str | None = None
    removed_at_ms: TimeMs | None = None
    removed_by: str | None = None


class Readers(Model, frozen=True, kw_only=True):
    """Everybody who could ever open an entry's envelope, in the order of adding."""

    readers: list[ReaderModel]


class Entries(Model, frozen=True, kw_only=True):
    """A page of entries."""

    entries: list[EntryModel]
    cursor: Cursor | None = None


class Head(Model, frozen=True, kw_only=True):
    """The newest sealed head of a chain, and how many entries wait for the next seal."""

    chain_id: Hash
    tree_size: Count
    root: Hash
    directory_index: Count
    checkpoint_size: Count
    sealed_at_ms: TimeMs
    unsealed: Count


class CheckpointModel(Model, frozen=True, kw_only=True):
    """A signed checkpoint of the directory."""

    size: Count
    seal_number: Count
    sealed_at_ms: TimeMs
    root: Hash
    note: str


class Checkpoints(Model, frozen=True, kw_only=True):
    """A page of checkpoints, newest first."""

    checkpoints: list[CheckpointModel]
    cursor: Cursor | None = None


class ThreadModel(Model, frozen=True, kw_only=True):
    """The thread: `anchors` are in blocks, `pending` are transactions without witness that are in none yet, in hex."""

    log_id: Hash
    anchors: Count
    pending: list[str]


class Consistency(Model, frozen=True, kw_only=True):
    """An RFC 9162 consistency path: that the tree of `to` leaves begins with that of `from` leaves."""

    from_size: Count = msgspec.field(name="from")
    to_size: Count = msgspec.field(name="to")
    from_root: Hash
    to_root: Hash
    path: list[Hash]


class Inclusion(Model, frozen=True, kw_only=True):
    """An RFC 9162 inclusion path, from leaf to root."""

    index: Count
    size: Count
    leaf_hash: Hash
    root: Hash
    path: list[Hash]


class LimitsModel(Model, frozen=True, kw_only=True):
    """What one request may carry."""

    content_bytes: Count
    batch_bytes: Count
    batch_entries: Count
    seal_within_ms: Count
    anchor_within_ms: Count


class Log(Model, frozen=True, kw_only=True):
    """The log: its card (docs/spec/log-card.md), whose it is, on which network, and what requests may carry.

    `keys`: the key leaves of the directory so far, in hex, in order. Each is signed by the key before it.
    """

    card: dict[str, Any]
    keys: list[str] = []
    log_id: Hash
    origin: str
    network: str
    limits: LimitsModel


class Health(Model, frozen=True, kw_only=True):
    """How the service is."""

    status: Literal["ok"]


ExpiresAtMs = (
    Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_000, description="Unix time in milliseconds; null: no end")]
    | None
)
OrganisationId = Annotated[str, msgspec.Meta(pattern="^org_[a-z2-7]{16}$")]
MemberRole = Literal["owner", "writer", "reader", "auditor"]


class NewKeyWanted(Taken, frozen=True, kw_only=True):
    """A key to be made. `organisation`: whose, for the operator; others make keys of their own."""

    role: MemberRole
    label: Annotated[str, msgspec.Meta(max_length=100)] = ""
    expires_at_ms: ExpiresAtMs = None
    organisation: OrganisationId | None = None


class Rotation(Taken, frozen=True, kw_only=True):
    """How long the old key holds on, and when the new one ends."""

    overlap_ms: Annotated[int, msgspec.Meta(ge=0, le=31_536_000_000)] = 604_800_000
    expires_at_ms: ExpiresAtMs = None


class KeyModel(Model, frozen=True, kw_only=True):
    """An API key by its visible part. `key` is the whole of it: shown once, where it was just made."""

    key_id: str
    organisation: OrganisationId | None = None
    role: Literal["owner", "writer", "reader", "auditor", "operator"]
    label: str
    state: Literal["live", "expired", "revoked", "removed"]
    made_at_ms: TimeMs
    expires_at_ms: TimeMs | None = None
    revoked_at_ms: TimeMs | None = None
    replaces: str | None = None
    key: str | None = None


class Keys(Model, frozen=True, kw_only=True):
    """A page of keys, in the order of making."""

    keys: list[KeyModel]
    cursor: Cursor | None = None


class AccessEvent(Model, frozen=True, kw_only=True):
    """Somebody read, exported or was given something (docs/spec/access-record.md); `recorded_in` proves it."""

    number: int
    at_ms: TimeMs
    what: str
    way: str
    by: str
    organisation: str | None = None
    key: str | None = None
    chain_id: str | None = None
    index: int | None = None
    count: int | None = None
    entry_hash: str | None = None
    subject: str | None = None
    detail: str | None = None
    recorded_in: str | None = None


class AccessEvents(Model, frozen=True, kw_only=True):
    """A page of events, in order; `chain_id` is the access chain, where something is recorded already."""

    events: list[AccessEvent]
    chain_id: str | None = None
    cursor: Cursor | None = None


class GrantWanted(Taken, frozen=True, kw_only=True):
    """What another organisation, named by its id, may do on a chain."""

    organisation: OrganisationId
    role: Literal["writer", "reader", "auditor"]
    expires_at_ms: ExpiresAtMs = None


class GrantModel(Model, frozen=True, kw_only=True):
    """A grant on a chain."""

    organisation: OrganisationId
    role: Literal["writer", "reader", "auditor"]
    state: Literal["live", "expired"]
    made_at_ms: TimeMs
    expires_at_ms: TimeMs | None = None


class Grants(Model, frozen=True, kw_only=True):
    """The grants on a chain, in the order of giving."""

    grants: list[GrantModel]


class ShareWanted(Taken, frozen=True, kw_only=True):
    """A link to one entry with its content. `ends_at_ms`: within 366 days. `once`: ends 15 minutes after a reading."""

    ends_at_ms: TimeMs
    label: Annotated[str, msgspec.Meta(max_length=100)] = ""
    once: bool = False


class ShareModel(Model, frozen=True, kw_only=True):
    """A share. `path`, of the link, has the secret that opens it: shown once, where it was just made."""

    share: str
    chain_id: Hash
    leaf_index: Count
    label: str
    state: Literal["live", "ended", "revoked", "read", "withdrawn"]
    made_at_ms: TimeMs
    ends_at_ms: TimeMs
    once: bool
    reads: Count
    first_read_at_ms: TimeMs | None = None
    last_read_at_ms: TimeMs | None = None
    revoked_at_ms: TimeMs | None = None
    key_id: str | None = None
    path: str | None = None


class Shares(Model, frozen=True, kw_only=True):
    """The shares of a chain's entries, those that are over too, in the order of making."""

    shares: list[ShareModel]


MOST_ERASED = 1_024
"""Entries that one request erases: some seconds of the thread that changes accounts."""
Why = Annotated[
    str,
    msgspec.Meta(
        max_length=MAX_REASON,
        description=f"One line of 1 to {MAX_REASON} bytes; it stands in the chain for ever: name no person",
    ),
]


class StatementModel(Taken, frozen=True, kw_only=True):
    """An entry over empty content that its author signed, and that states an erasure or a hold."""

    entry: Base64
    salt: Base64


class ErasureWanted(Taken, frozen=True, kw_only=True):
    """What is to be erased: one of `statement`, `entries`, `subject` (a keyed external id), `expired`.

    `chain` (id or name): only there; without it, in every chain that may be erased in.
    """

    reason: Why = ""
    entries: Annotated[list[Hash], msgspec.Meta(max_length=MOST_ERASED)] = []
    subject: Hash | None = None
    expired: bool = False
    chain: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    statement: StatementModel | None = None


class ErasedModel(Model, frozen=True, kw_only=True):
    """What became of an entry: erased (`said_by` is the entry that says so), or nothing was kept beside it."""

    chain_id: Hash
    entry_hash: Hash
    leaf_index: Count
    state: Literal["erased", "not-kept"]
    said_by: Hash | None = None
    erased_at_ms: TimeMs | None = None


class ErasureDone(Model, frozen=True, kw_only=True):
    """What was erased, now or before. `more`: ask again, there is more to erase. `held`: expired, and held.

    `copies_left`: copies of the content keys that could not be reached. The operator knows where they are.
    """

    entries: list[ErasedModel]
    held: Count
    more: bool
    copies_left: Count


class HoldWanted(Taken, frozen=True, kw_only=True):
    """What is held, or let go: an entry, or without `entry_hash` the chain; `reason`, or a signed `statement`."""

    reason: Why = ""
    entry_hash: Hash | None = None
    statement: StatementModel | None = None


class HoldModel(Model, frozen=True, kw_only=True):
    """A hold that stands: of an entry, or of the chain. `said_by` states it; `mine`: this organisation set it."""

    entry_hash: Hash | None = None
    reason: str
    since_ms: TimeMs
    said_by: Hash
    leaf_index: Count
    mine: bool


class Holds(Model, frozen=True, kw_only=True):
    """The holds of a chain that stand, in the order of setting."""

    holds: list[HoldModel]


class Retention(Taken, frozen=True, kw_only=True):
    """For how long a chain keeps contents; null: until somebody erases them."""

    keep_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None


class ClosingWanted(Taken, frozen=True, kw_only=True):
    """Why a chain is closed, in one line (it can never be erased), and the id of the log where it goes on."""

    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] = ""
    moved_to: Hash | None = None


class ClosingModel(Model, frozen=True, kw_only=True):
    """The closing of a chain: its last entry, but for erasures."""

    chain_id: Hash
    entry_hash: Hash
    leaf_index: Count
    closed_at_ms: TimeMs
    reason: str = ""
    moved_to: Hash | None = None


class OfferWanted(Taken, frozen=True, kw_only=True):
    """To which organisation a chain is offered, by its id, and until when."""

    organisation: OrganisationId
    expires_at_ms: ExpiresAtMs = None


class OfferModel(Model, frozen=True, kw_only=True):
    """A chain that its owner (`giver`; none: the operator) offers to another organisation."""

    chain_id: Hash
    giver: OrganisationId | None = None
    taker: OrganisationId
    offered_at_ms: TimeMs
    expires_at_ms: TimeMs | None = None


class Offers(Model, frozen=True, kw_only=True):
    """Offers of chains, oldest first."""

    offers: list[OfferModel]


class Transferred(Model, frozen=True, kw_only=True):
    """Whose a chain is now; the entry says so."""

    chain_id: Hash
    organisation: OrganisationId
    entry_hash: Hash
    leaf_index: Count


NewsName = Literal["sealed", "anchored", "final", "reorged", "failed"]


class WebhookWanted(Taken, frozen=True, kw_only=True):
    """A webhook to be added. `news`: none is all. `organisation`: whose, for the operator; without it, his own."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
    news: Annotated[list[NewsName], msgspec.Meta(max_length=5)] = []
    organisation: OrganisationId | None = None


class WebhookModel(Model, frozen=True, kw_only=True):
    """A webhook. `secret` is shown once, where it was just added."""

    webhook: str
    organisation: OrganisationId | None = None
    url: str
    news: list[NewsName]
    made_at_ms: TimeMs
    secret: str | None = None


class WebhookList(Model, frozen=True, kw_only=True):
    """Webhooks, oldest first."""

    webhooks: list[WebhookModel]


class TryModel(Model, frozen=True, kw_only=True):
    """One try to deliver an event, or none yet (without `at_ms`). `next_at_ms`: when it is sent again."""

    event: Count
    at_ms: TimeMs | None = None
    status: int | None = None
    cause: str
    next_at_ms: TimeMs | None = None


class Deliveries(Model, frozen=True, kw_only=True):
    """What was sent to a webhook, newest event first, its tries in order."""

    tries: list[TryModel]


class Replay(Taken, frozen=True, kw_only=True):
    """What is to be sent again: these events, or whatever was given up."""

    events: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=2**53)]], msgspec.Meta(max_length=1000)] = []
    failed: bool = False


class Replayed(Model, frozen=True, kw_only=True):
    """How many messages wait to be sent again."""

    queued: Count

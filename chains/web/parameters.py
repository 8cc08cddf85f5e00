"""Parameters that several operations share, with the form of each.

The modules ``api_*`` put them into their operations; ``chains.web.api`` holds requests to them.
"""

from typing import get_args

from chains.web.limits import KEY_BYTES, MOST_PAGE_ITEMS, PAGE_ITEMS
from chains.web.operations import In, Parameter
from chains.web.schemas import MOST_LINKS, RelationName

_SF_ITEM = r'("([ !#-\[\]-~]|\\["\\])*"|:[A-Za-z0-9+/]*=*:)(;kind=[012])?'
CHAIN = Parameter(
    "chain", "Chain id in hex, or the chain's name", r"[^\x00-\x1f\x7f]{1,100}", In.PATH, is_required=True
)
ENTRY_HASH = Parameter("entry_hash", "SHA-256(00 ‖ entry) in hex", "[0-9a-f]{64}", In.PATH, is_required=True)
READER = Parameter("reader", "Id of a reader (docs/spec/envelope.md) in hex", "[0-9a-f]{64}", In.PATH, is_required=True)
CURSOR = Parameter("cursor", "`cursor` of the page before", "[0-9]{1,18}")
LIMIT = Parameter("limit", f"How many at most (default {PAGE_ITEMS})", least=1, most=MOST_PAGE_ITEMS)
TILE_PATH = Parameter(
    "tile_path",
    "C2SP tlog-tiles: level (or `entries`), tile number in groups of three digits, `.p/WIDTH` for a partial tile",
    r"(entries|[0-9]|[1-5][0-9]|6[0-3])(/x[0-9]{3}){0,6}/[0-9]{3}(\.p/[1-9][0-9]{0,2})?",
    In.PATH,
    is_required=True,
)
PROOFS_PATH = Parameter(
    "proofs_path",
    "Number of the file, as a tile's in groups of three digits, and `.json`: file n has the anchors from 256 n on",
    r"(x[0-9]{3}/){0,2}[0-9]{3}\.json",
    In.PATH,
    is_required=True,
)
STAMPS_PATH = Parameter(
    "stamps_path",
    "Number of the file, as a tile's in groups of three digits, and `.json`: file n has the anchors from 16 n on",
    r"(x[0-9]{3}/){0,2}[0-9]{3}\.json",
    In.PATH,
    is_required=True,
)
FROM_SIZE = Parameter("from", "Size of the older tree", is_required=True, least=1)
TO_SIZE = Parameter("to", "Size of the newer tree", is_required=True, least=1)
INDEX = Parameter("index", "Zero-based place of the leaf", is_required=True, least=0)
SIZE = Parameter("size", "Size of the tree", is_required=True, least=1)
CHAIN_ID = Parameter(
    "chain_id", "Chain id in hex, whether or not there is such a chain", "[0-9a-f]{64}", In.PATH, is_required=True
)
OPTIONAL_SIZE = Parameter("size", "Size of the checkpoint (default: the newest in a block, else the newest)", least=1)
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "A fresh name for this request: sent again within a day, it gets the same answer and writes nothing",
    f"[!-~]{{1,{KEY_BYTES}}}",
    In.HEADER,
)
EXTERNAL_ID = Parameter(
    "Anchorline-External-Id",
    'List of external ids (RFC 9651): "text" or :base64:, each with ;kind=1 (hash) or ;kind=2 (keyed) where it is '
    "not in clear; the header may be repeated",
    f"{_SF_ITEM}( *, *{_SF_ITEM})*",
    In.HEADER,
)
ORGANISATION = Parameter("organisation", "Whose, by id; for the operator only", "org_[a-z2-7]{16}")
_RELATIONS = "|".join(get_args(RelationName))
_LINK = f"({_RELATIONS})=([0-9a-f]{{64}}/)?[0-9a-f]{{64}}"
LINK = Parameter(
    "Anchorline-Link",
    "What the entry says of others, as a list of RELATION=ENTRY_HASH, or RELATION=CHAIN_ID/ENTRY_HASH for another "
    f"chain's: {_RELATIONS.replace('|', ', ')}; `supersedes` and `retracts` correct an entry of this chain",
    f"{_LINK}( *, *{_LINK}){{0,{MOST_LINKS - 1}}}",
    In.HEADER,
)
KEEP = Parameter("Anchorline-Keep", "`digest`: store the content's SHA-256 only", "content|digest", In.HEADER)
FORMAT = Parameter("format", "`ots`: the way to Bitcoin as an OpenTimestamps file", "json|ots")
WITH_CONTENT = Parameter("content", "`1`: the receipt carries the content too", "0|1")

"""Who co-signed an entry: later entries of its chain that link to it, and that somebody signed.

``chains.receipts`` shows them in receipts, ``chains.commands.cosigning`` writes and lists them. Rules are in
docs/spec/co-signature.md.
"""

from itertools import islice

from anchor.proof.entry import AuthorType, Relation
from chains.found_by import co_signature_key
from chains.reader import Reader, StoredEntry
from chains.sorted_runs import Kind

MOST = 16
"""Co-signatures that are looked for, and shown in a receipt, the earliest first."""
_SIGNED = frozenset({AuthorType.ED25519, AuthorType.BATCH, AuthorType.SEVERAL})


def co_signatures_of(reader: Reader, signed: StoredEntry) -> list[StoredEntry]:
    """Return the entries that co-sign an entry, in the order of the chain."""
    candidates = map(reader.row, reader.lookup.find(Kind.EXTERNAL_ID, co_signature_key(signed.entry_hash)))
    return list(islice((found for found in candidates if co_signs(found, signed)), MOST))


def co_signs(found: StoredEntry, signed: StoredEntry) -> bool:
    """Say whether an entry is a co-signature of one before it in its chain; its signature was checked when it came."""
    if found.chain_no != signed.chain_no or found.leaf_index <= signed.leaf_index:
        return False
    entry = found.entry
    wanted = (Relation.COSIGNS, entry.chain_id, signed.entry_hash)
    is_linked = wanted in [(link.relation, link.chain_id, link.entry_hash) for link in entry.links]
    return is_linked and entry.author.type in _SIGNED and not entry.unknown_critical_extensions()

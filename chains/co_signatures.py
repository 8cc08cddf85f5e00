"""Who co-signed an entry: later entries of its chain that link to it, and that somebody signed.

``chains.receipts`` shows them in receipts, ``chains.commands.cosigning`` writes and lists them. Rules are in
docs/spec/co-signature.md.
"""

from itertools import islice

from anchor.proof import said_later
from anchor.proof.said_later import MOST_CO_SIGNATURES
from chains.found_by import co_signature_key
from chains.reader import Reader, StoredEntry
from chains.sorted_runs import Kind


def co_signatures_of(reader: Reader, signed: StoredEntry) -> list[StoredEntry]:
    """Return the entries that co-sign an entry, in the order of the chain."""
    candidates = map(reader.row, reader.lookup.find(Kind.EXTERNAL_ID, co_signature_key(signed.entry_hash)))
    return list(islice((found for found in candidates if co_signs(found, signed)), MOST_CO_SIGNATURES))


def co_signs(found: StoredEntry, signed: StoredEntry) -> bool:
    """Say whether an entry is a co-signature of one before it in its chain; its signature was checked when it came."""
    if found.chain_no != signed.chain_no or found.leaf_index <= signed.leaf_index:
        return False
    return said_later.co_signs(found.entry, signed.entry_hash)

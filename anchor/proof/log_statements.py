# SPDX-License-Identifier: Apache-2.0
"""What the log itself states in a chain, for which a policy asks no signature: erasures, holds, another owner; pure.

Input is an entry. The rules of a policy (``anchor.proof.policy``) leave it out where it says nothing else; which form
it has is in docs/spec/policy.md, and why in docs/adr/0052-policy-and-duties.md.
"""

from anchor.proof.chain_life import Transfer
from anchor.proof.codec import sha256
from anchor.proof.entry import Entry, ExtensionType, Relation
from anchor.proof.erasure import Act, ErasureStatement
from anchor.proof.errors import MalformedError, UnknownVersionError

_BESIDE = frozenset({ExtensionType.LOG_ID, ExtensionType.IDENTITY})
LIFE_MEDIA_TYPE = "application/vnd.anchorline.chain-life"
"""Media type of entries that speak of their chain's life; their content is empty."""
NO_CONTENT = sha256(b"")
"""The digest of what the log's own statements commit to: content of no bytes."""
_WORDS = {Act.ERASE: "an erasure", Act.HOLD: "a legal hold", Act.LIFT: "the end of a legal hold"}
_TRANSFER = "another owner of the chain"


def stated_by_log(entry: Entry) -> str | None:
    """Return what an entry states that states one thing of the log's own and nothing else, in words; else None.

    Whether it carries content besides is not seen here. Raises UnknownVersionError for a newer version's statement.
    """
    said = [item for item in entry.extensions if item.type not in _BESIDE]
    if len(said) != 1 or entry.external_ids:
        return None
    try:
        if said[0].type == ExtensionType.ERASURE and not entry.media_type:
            return _erasure(entry, ErasureStatement.decode(said[0].value))
        if said[0].type == ExtensionType.TRANSFER and entry.media_type == LIFE_MEDIA_TYPE and not entry.links:
            Transfer.decode(said[0].value)
            return _TRANSFER
    except UnknownVersionError:
        raise
    except MalformedError:
        return None
    return None


def _erasure(entry: Entry, statement: ErasureStatement) -> str | None:
    """Its links say of what: only entries of its own chain, and by the relation that goes with the act."""
    wanted = Relation.ERASES if statement.act == Act.ERASE else Relation.REFERS_TO
    links_hold = all((link.relation, link.chain_id) == (wanted, entry.chain_id) for link in entry.links)
    return _WORDS[statement.act] if entry.links and links_hold else None

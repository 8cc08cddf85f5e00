"""By what an entry is found beside its hash: its external ids, and the entries that it corrects, co-signs or erases.

``chains.lookup`` indexes these keys of 32 bytes, ``chains.audit_tables`` makes them again; ``chains.reader``,
``chains.corrections`` and ``chains.co_signatures`` look for them.
"""

from anchor.proof.codec import sha256
from anchor.proof.correction import CORRECTING
from anchor.proof.entry import Entry, ExtensionType, Relation
from anchor.proof.erasure import Act

_CORRECTS = b"anchorline/corrects\n"
_COSIGNS = b"anchorline/cosigns\n"
_ERASES = b"anchorline/erases\n"
_HOLDS = b"anchorline/holds\n"
_HOLDING = (bytes((Act.HOLD,)), bytes((Act.LIFT,)))


def correction_key(entry_hash: bytes) -> bytes:
    """Return the key by which the entries are found that supersede or retract this one."""
    return sha256(_CORRECTS + entry_hash)


def co_signature_key(entry_hash: bytes) -> bytes:
    """Return the key by which the entries are found that co-sign this one."""
    return sha256(_COSIGNS + entry_hash)


def erasure_key(entry_hash: bytes) -> bytes:
    """Return the key by which the entries are found that erase this one."""
    return sha256(_ERASES + entry_hash)


def hold_key(chain_id: bytes) -> bytes:
    """Return the key by which the legal holds of a chain are found, and what lifts them."""
    return sha256(_HOLDS + chain_id)


def keys_of(entry: Entry) -> set[bytes]:
    """Return the keys of an entry."""
    corrected = {correction_key(link.entry_hash) for link in entry.links if link.relation in CORRECTING}
    signed = {co_signature_key(link.entry_hash) for link in entry.links if link.relation == Relation.COSIGNS}
    erased = {erasure_key(link.entry_hash) for link in entry.links if link.relation == Relation.ERASES}
    stated = entry.extension(ExtensionType.ERASURE)
    held = set() if stated is None or stated[1:2] not in _HOLDING else {hold_key(entry.chain_id)}
    return corrected | signed | erased | held | {external_id.digest() for external_id in entry.external_ids}


def may_have_keys(entry: bytes) -> bool:
    """Say whether an encoded entry has external ids or links, without decoding it.

    The count of ids follows the media type; where it is 0, that of the links comes next (docs/spec/entry.md).
    """
    at = 66 + entry[65]
    return entry[at : at + 2] != b"\0\0"

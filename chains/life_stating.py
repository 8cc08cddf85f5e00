"""Entries that speak of their chain's life: how a closing is made, by whom, and handed in.

Keys are whatever signs (``AuthorKey``); the commands bring them from files. ``chains.chain_life`` has the rules.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anchor.proof.chain_life import Closing, Continuation, Statement, Transfer
from anchor.proof.codec import sha256
from anchor.proof.entry import SALT_SIZE, Entry, Extension, ExtensionType, content_commitment
from chains.chain import Chain
from chains.client.own_entry import Form, signed
from chains.client.signing import AuthorKey
from chains.work import Accepted, Submission
from chains.writer import Writer

MEDIA_TYPE = "application/vnd.anchorline.chain-life"
"""Media type of these entries; their content is empty."""
_TYPES: dict[type[Closing] | type[Transfer] | type[Continuation], ExtensionType] = {
    Closing: ExtensionType.CLOSING,
    Transfer: ExtensionType.TRANSFER,
    Continuation: ExtensionType.CONTINUATION,
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs such an entry: his key, and the chain id of the identity in whose name he does, if any."""

    key: AuthorKey
    identity: bytes | None = None


def stating(chain_id: bytes, statement: Statement, log_id: bytes, signer: Signer | None = None) -> Submission:
    """Return the entry of a statement, over empty content under a fresh salt.

    A signed one is meant for this log alone: nobody closes a chain elsewhere with it.
    """
    salt = os.urandom(SALT_SIZE)
    said: Sequence[Extension] = (Extension(_TYPES[type(statement)], statement.encode()),)
    entry = Entry(chain_id, content_commitment(salt, sha256(b"")), MEDIA_TYPE, extensions=tuple(said))
    if signer is None:
        return Submission(entry.encode(), salt, content=b"")
    form = Form(log_id=log_id, identity=signer.identity)
    return Submission(signed(replace(entry, extensions=(*form.extensions, *said)), signer.key), salt, content=b"")


def close_chain(
    writer: Writer, chain: Chain, reason: str, moved_to: bytes | None, now_ms: int, signer: Signer | None = None
) -> Accepted:
    """Close a chain, for ever; ``moved_to`` (32 bytes) is the log where it goes on, if it does.

    Raises ChainClosedError where it is closed, RefusedEntryError where ``moved_to`` is this very log, MalformedError
    for a reason that cannot be shown.
    """
    closing = Closing(now_ms, reason, moved_to)
    [accepted] = writer.submit(chain, [stating(chain.chain_id, closing, writer.log_id, signer)], now_ms)
    return accepted

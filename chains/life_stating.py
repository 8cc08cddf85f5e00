"""Entries that speak of their chain's life: how a closing is made, by whom, and handed in.

Keys are whatever signs (``AuthorKey``); the commands bring them from files. ``chains.chain_life`` has the rules.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from anchor.errors import RefusedEntryError
from anchor.proof.chain_life import KINDS, Closing, Statement
from anchor.proof.entry import SALT_SIZE, Entry, Extension, content_commitment
from anchor.proof.log_statements import LIFE_MEDIA_TYPE, NO_CONTENT
from chains.chain import Chain
from chains.client.own_entry import Form, signed
from chains.client.signing import AuthorKey, Together
from chains.policy import Policies
from chains.work import Accepted, Submission
from chains.writer import Writer

_TYPES = {kind: number for number, kind in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs such an entry: his key, and the chain id of the identity in whose name he does, if any."""

    key: AuthorKey | Together
    identity: bytes | None = None


def stating(
    chain_id: bytes, statement: Statement, log_id: bytes, signer: Signer | None = None, *, for_log: bool = False
) -> Submission:
    """Return the entry of a statement, over empty content under a fresh salt.

    A signed one, or one that is to be signed (``for_log``), is meant for this log alone: nobody closes a chain
    elsewhere with it.
    """
    salt = os.urandom(SALT_SIZE)
    said: Sequence[Extension] = (Extension(_TYPES[type(statement)], statement.encode()),)
    entry = Entry(chain_id, content_commitment(salt, NO_CONTENT), LIFE_MEDIA_TYPE, extensions=tuple(said))
    if signer is None and not for_log:
        return Submission(entry.encode(), salt, content=b"")
    form = Form(log_id=log_id, identity=None if signer is None else signer.identity)
    entry = replace(entry, extensions=(*form.extensions, *said))
    return Submission(entry.encode() if signer is None else signed(entry, signer.key), salt, content=b"")


def check_can_move(policies: Policies, chain: Chain, moved_to: bytes | None) -> None:
    """Raise RefusedEntryError for a chain under a policy that is to go on elsewhere: no other log can judge it."""
    if moved_to is not None and policies.is_under(chain):
        raise RefusedEntryError(
            "the chain has a policy, which only its own log can judge, and cannot go on in another log: close it "
            "without --moved-to, and begin another chain there"
        )


def close_chain(
    writer: Writer, chain: Chain, reason: str, moved_to: bytes | None, now_ms: int, signer: Signer | None = None
) -> Accepted:
    """Close a chain, for ever; ``moved_to`` (32 bytes) is the log where it goes on, if it does.

    Raises ChainClosedError where it is closed, RefusedEntryError where ``moved_to`` is this very log, or where the
    chain has a policy and could not go on there, MalformedError for a reason that cannot be shown.
    """
    check_can_move(writer.policies, chain, moved_to)
    closing = Closing(now_ms, reason, moved_to)
    [accepted] = writer.submit(chain, [stating(chain.chain_id, closing, writer.log_id, signer)], now_ms)
    return accepted

# SPDX-License-Identifier: Apache-2.0
"""The Python client of the HTTP API: makes entries here, sends them safely, and believes nothing that it can check.

``Client`` is for threads, ``AsyncClient`` for asyncio; docs/operate/client.md shows how each is used. Any program may
embed it: it imports httpx, the standard library, ``anchor.proof``, and ``cryptography`` where that is installed.
What talks to a service is loaded when it is first asked for: commands that use the envelope's form need no httpx.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from anchor.proof.expected_author import ExpectedAuthor
from chains.client.draft import Draft, DraftError
from chains.client.encrypting import Opened, ReaderKey, new_reader_key, open_envelope
from chains.client.envelope import Envelope, EnvelopeError, EnvelopeFault
from chains.client.errors import (
    ClientError,
    ClosedError,
    NotTheAuthorError,
    ProblemAnswerError,
    UnpinnedLogError,
    UnreachableError,
    UntrueAnswerError,
    Untruth,
)
from chains.client.gathering import BatchLimits
from chains.client.keyed_ids import keyed_id
from chains.client.own_entry import OwnEntry, Sent
from chains.client.pace import Patience
from chains.client.policy_document import policy_of, policy_to_json, read_policy
from chains.client.results import CheckedReceipt, Outcome, Recorded, Refused, SeenChain, SeenEntry
from chains.client.signing import AuthorKey, Ed25519Key, Signatory, Together
from chains.client.trust import TimeLimits

if TYPE_CHECKING:
    from chains.client.accesses import ProvedAccesses, SeenAccess
    from chains.client.asynchronous import AsyncBatcher, AsyncClient
    from chains.client.blocking import Batcher, Client
    from chains.client.connection import Timeouts
    from chains.client.erasing import Erased, SeenErased, SeenHold
    from chains.client.listening import SeenEvent
    from chains.client.living import SeenOffer, SeenTransfer
    from chains.client.managing import SeenGrant, SeenKey, SeenReader, SeenTry, SeenWebhook
    from chains.client.policies import SeenPolicy
    from chains.client.sharing import SeenShare

__all__ = [
    "AsyncBatcher",
    "AsyncClient",
    "AuthorKey",
    "BatchLimits",
    "Batcher",
    "CheckedReceipt",
    "Client",
    "ClientError",
    "ClosedError",
    "Draft",
    "DraftError",
    "Ed25519Key",
    "Envelope",
    "EnvelopeError",
    "EnvelopeFault",
    "Erased",
    "ExpectedAuthor",
    "NotTheAuthorError",
    "Opened",
    "Outcome",
    "OwnEntry",
    "Patience",
    "ProblemAnswerError",
    "ProvedAccesses",
    "ReaderKey",
    "Recorded",
    "Refused",
    "SeenAccess",
    "SeenChain",
    "SeenEntry",
    "SeenErased",
    "SeenEvent",
    "SeenGrant",
    "SeenHold",
    "SeenKey",
    "SeenOffer",
    "SeenPolicy",
    "SeenReader",
    "SeenShare",
    "SeenTransfer",
    "SeenTry",
    "SeenWebhook",
    "Sent",
    "Signatory",
    "TimeLimits",
    "Timeouts",
    "Together",
    "UnpinnedLogError",
    "UnreachableError",
    "UntrueAnswerError",
    "Untruth",
    "keyed_id",
    "new_reader_key",
    "open_envelope",
    "policy_of",
    "policy_to_json",
    "read_policy",
]

_LOADED_LATER = {
    "AsyncBatcher": "asynchronous",
    "AsyncClient": "asynchronous",
    "Batcher": "blocking",
    "Client": "blocking",
    "Erased": "erasing",
    "ProvedAccesses": "accesses",
    "SeenAccess": "accesses",
    "SeenErased": "erasing",
    "SeenEvent": "listening",
    "SeenGrant": "managing",
    "SeenHold": "erasing",
    "SeenKey": "managing",
    "SeenOffer": "living",
    "SeenPolicy": "policies",
    "SeenReader": "managing",
    "SeenShare": "sharing",
    "SeenTransfer": "living",
    "SeenTry": "managing",
    "SeenWebhook": "managing",
    "Timeouts": "connection",
}
"""Where in this package the names are that need a service to talk to."""


def __getattr__(name: str) -> object:
    """Load the module of a name; AttributeError for one that is not there."""
    if name not in _LOADED_LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LOADED_LATER[name]}"), name)

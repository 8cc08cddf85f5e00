# SPDX-License-Identifier: Apache-2.0
"""What the verifier brings: the file's digest, the log's card, the blocks he trusts; nothing of it is the receipt's.

The CLI and third parties make a ``Verifier``; every module ``steps_*`` judges with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from anchor.proof import ed25519
from anchor.proof.bitcoin.networks import NETWORKS, NetworkRules
from anchor.proof.blocks import KnownBlock, KnownBlocks
from anchor.proof.certificate_proof import CertificateCheck
from anchor.proof.expected_author import ExpectedAuthor
from anchor.proof.leaves import LogLeaf
from anchor.proof.receipt import LogCard
from anchor.proof.timestamp import TimestampCheck
from anchor.proof.verdict import Step

# Bitcoin's own convention; on test networks depth says little, and the verdict says so.
DEFAULT_DEPTH = 6
_NETWORKS = {(rules.genesis_hash, rules.message_start): rules for rules in NETWORKS.values()}


@dataclass(frozen=True, slots=True)
class Verifier:
    """What the verifier brings. Nothing here comes from the receipt or from the service.

    ``content_digest`` is the SHA-256 of the file at hand; ``blocks`` are the views of Bitcoin that he trusts, the
    first that reaches a height is believed; ``depth`` is how many confirmations he wants where they are known, and
    how many blocks of full difficulty the work must be worth where that is known.
    ``check_timestamp`` knows the certificates that he trusts to tell the time; with ``accept_timestamp`` an
    authority's word is enough for him where no block is checked. ``networks`` are those that he knows by name: the
    built-in ones, and what he brings beside them.

    Of a manifest or a disclosure, ``content_digest`` is that of its document, and ``judge_content`` says what becomes
    of step 2 where the document is the recorded one: it compares the folder, or checks a proof, and raises what
    ``run`` catches.
    ``earlier_cards`` are those of logs that he knows and from which a chain may have moved.
    ``author`` is who must have signed; another author is a failure (``another-author``).
    ``check_certificate`` judges certificates that are bound to an author's identity, by the roots that he trusts.
    """

    content_digest: bytes | None = None
    card: LogCard | None = None
    any_log: bool = False
    blocks: tuple[KnownBlocks, ...] = ()
    depth: int = DEFAULT_DEPTH
    check_signature: ed25519.SignatureCheck = ed25519.verify
    check_timestamp: TimestampCheck | None = None
    accept_timestamp: bool = False
    networks: Mapping[str, NetworkRules] = field(default_factory=lambda: NETWORKS)
    judge_content: Callable[[], Step] | None = None
    earlier_cards: tuple[LogCard, ...] = ()
    author: ExpectedAuthor | None = None
    check_certificate: CertificateCheck | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The two hashes that several steps need, computed once."""

    log_id: bytes
    entry_hash: bytes


def network_of(log: LogLeaf, networks: Mapping[str, NetworkRules] = NETWORKS) -> NetworkRules | None:
    """Return which of these networks leaf 0 names by genesis hash and message start, or None where it is unknown."""
    wanted = (log.network_genesis, log.message_start)
    if networks is NETWORKS:
        return _NETWORKS.get(wanted)
    return next((rules for rules in networks.values() if (rules.genesis_hash, rules.message_start) == wanted), None)


def asked(views: Sequence[KnownBlocks], height: int) -> tuple[KnownBlock | None, str]:
    """Ask each view in turn; the first that reaches the height is believed."""
    for view in views:
        known = view.at(height)
        if known is not None:
            return known, view.believed
    return None, ""

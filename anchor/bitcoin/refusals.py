"""What a node's reason for refusing a transaction is about; pure.

Reasons come from ``testmempoolaccept`` (``core_rpc``) or from the words of an Esplora server (``esplora``). The engine
pays more where the fee is the reason, and does something else where it is not.
"""

from anchor.errors import Refusal

# Bitcoin Core, validation.cpp and policy/rbf.cpp: the reject reasons for which a higher fee helps. They are written
# like codes and have been the same since version 0.19; the last two since clusters (version 31) and before.
FEE_REASONS = (
    "mempool min fee not met",
    "min relay fee not met",
    "mempool full",
    "insufficient fee",
    "replacement-failed",
)


def refusal_of(reason: str) -> Refusal | None:
    """Return ``Refusal.FEE`` where a reason (or an error text that quotes one) is about the fee, otherwise None."""
    return Refusal.FEE if any(known in reason for known in FEE_REASONS) else None

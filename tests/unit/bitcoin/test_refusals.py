"""Which reasons of a node are about the fee: those of Bitcoin Core, as a word and inside the text of a server."""

import pytest

from anchor.bitcoin.refusals import refusal_of
from anchor.errors import Refusal, RejectedError


@pytest.mark.parametrize(
    "reason",
    [
        "mempool min fee not met",
        "min relay fee not met, 100 < 161",
        "insufficient fee, rejecting replacement 00ff",
        "insufficient feerate: does not improve feerate diagram",
        'sendrawtransaction RPC error: {"code":-26,"message":"mempool full"}',
    ],
)
def test_reasons_about_the_fee(reason: str) -> None:
    """More money helps, or waiting."""
    assert Refusal.FEE == refusal_of(reason)


@pytest.mark.parametrize("reason", ["", "dust", "bad-txns-inputs-missingorspent", "too-large-cluster", "datacarrier"])
def test_other_reasons(reason: str) -> None:
    """More money does not help, so the fee is not ratcheted up."""
    assert None is refusal_of(reason)


def test_a_code_alone_tells_only_of_inputs() -> None:
    """-25 is for inputs; -26 stands for everything else that a mempool dislikes."""
    assert Refusal.INPUTS == RejectedError(-25, "").refusal
    assert Refusal.OTHER == RejectedError(-26, "").refusal
    assert Refusal.FEE == RejectedError(-26, "", Refusal.FEE).refusal

"""Every case of ``tests/vectors/bitcoin.json``, which any other verifier can run too.

Input is the file and the script that makes it. Whoever changes ``anchor.proof.bitcoin`` reads what breaks.
"""

import runpy
from collections.abc import Callable
from typing import Any

import pytest

from anchor.proof.bitcoin.anchor import check_anchor_transaction
from anchor.proof.bitcoin.branch import fold_branch
from anchor.proof.bitcoin.coinbase import check_coinbase
from anchor.proof.bitcoin.hashes import hash_hex
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.bitcoin.payload import find_payload
from anchor.proof.bitcoin.transaction import MAX_TRANSACTION, Transaction, strip_witness
from anchor.proof.bitcoin.work import check_work, target_from_bits
from anchor.proof.errors import MalformedError, Reason, VerificationError
from tests.vectors.bitcoin_cases import CASES, VECTORS, read_anchor


def check_transaction(case: dict[str, Any]) -> dict[str, Any]:
    raw = bytes.fromhex(case["raw"])
    transaction = Transaction.decode(raw, case["limit"])
    assert raw == transaction.encode()
    return {
        "txid": transaction.txid.hex(),
        "display": hash_hex(transaction.txid),
        "outputs": len(transaction.outputs),
    }


def check_header(case: dict[str, Any]) -> dict[str, Any]:
    header = Header.decode(bytes.fromhex(case["raw"]))
    assert case["raw"] == header.encode().hex()
    return {
        "hash": hash_hex(header.hash),
        "merkle_root": header.merkle_root.hex(),
        "time_s": header.time_s,
        "bits": f"{header.bits:08x}",
        "nonce": header.nonce,
    }


def check_case_work(case: dict[str, Any]) -> str:
    header = Header.decode(bytes.fromhex(case["header"]))
    check_work(header, NETWORKS[case["network"]].pow_limit)
    return hash_hex(header.hash)


def check_payload(case: dict[str, Any]) -> dict[str, Any]:
    payload = find_payload(Transaction.decode(bytes.fromhex(case["transaction"]), MAX_TRANSACTION))
    return {"tree_size": payload.tree_size, "root": payload.root.hex()}


def check_fold(case: dict[str, Any]) -> str:
    path = list(map(bytes.fromhex, case["path"]))
    return fold_branch(bytes.fromhex(case["leaf"]), case["index"], path).hex()


CHECKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "transaction": check_transaction,
    "strip": lambda case: strip_witness(bytes.fromhex(case["raw"])).hex(),
    "header": check_header,
    "target": lambda case: f"{target_from_bits(int(case['bits'], 16)):064x}",
    "work": check_case_work,
    "payload": check_payload,
    "fold": check_fold,
    "coinbase": lambda case: check_coinbase(bytes.fromhex(case["raw"])),
    "anchor": lambda case: check_anchor_transaction(read_anchor(case["anchor"])).txid.hex(),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['check']}: {case['description']}")
def test_vector(case: dict[str, Any]) -> None:
    """Every vector gives what it says, a value or a named refusal."""
    check = CHECKS[case["check"]]
    if "want" in case:
        assert case["want"] == check(case)
        return
    with pytest.raises((MalformedError, VerificationError)) as caught:
        check(case)
    error = caught.value
    assert case["want_error"] == (error.reason if isinstance(error, VerificationError) else "malformed")


def test_vectors_are_what_their_maker_makes() -> None:
    """The vectors' file is byte for byte what the script beside it writes."""
    maker = runpy.run_path(str(VECTORS.with_name("make_bitcoin_vectors.py")))
    assert maker["documents"]()["bitcoin.json"] == VECTORS.read_text()


def test_vectors_reach_every_reason() -> None:
    """Each way in which the anchor's steps 10 to 12 can fail in this module has a vector."""
    reached = {case["want_error"] for case in CASES if "want_error" in case}
    elsewhere = {Reason.PAYLOAD_MISMATCH, Reason.BLOCK_MISMATCH, Reason.NOT_ON_BEST_CHAIN}
    reasons = list(Reason)
    first, last = reasons.index(Reason.PAYLOAD_MISSING), reasons.index(Reason.NOT_ON_BEST_CHAIN)
    assert {*reasons[first : last + 1]} - elsewhere | {"malformed"} == reached

"""(e) Verifying a receipt offline, in CPU time: without signatures, and with those of the pure-Python verifier.

Receipts are the anchored ones of the story that the tests tell (``tests.simulators.world``), read from their bytes
each time, and no key is known from the receipt before. "Without" passes a check that only says yes, so that all other
steps run as they do.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from anchor.proof import ed25519
from anchor.proof.verify import Outcome, Verifier, verify_bytes
from benchmarks.deep_receipt import deepened
from benchmarks.measuring import ROUNDS
from tests.simulators.world import fast_check, tell

TARGETS_MS = {"without signatures": 1.0, "pure Python": 12.0}
CHECKS: dict[str, ed25519.SignatureCheck] = {
    "without signatures": lambda _key, _message, _signature: True,
    "OpenSSL": fast_check,
    "pure Python": ed25519.verify,
}
ROUND: dict[str, Callable[[list[float]], float]] = {"median round": statistics.median, "least round": min}


def rounds_ms(receipt: bytes, verifier: Verifier, check: ed25519.SignatureCheck) -> list[float]:
    """Return the CPU time of one verification, in milliseconds: a mean over some for each round."""
    checking = replace(verifier, check_signature=check)
    times, rounds = (3, ROUNDS) if check is ed25519.verify else (20, 8 * ROUNDS)
    return [_mean_ms(receipt, checking, times) for _ in range(rounds)]


def _mean_ms(receipt: bytes, verifier: Verifier, times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        ed25519.multiples_of_key.cache_clear()
        verify_bytes(receipt, verifier)
    return (time.process_time() - start) / times * 1000


def main() -> None:
    """Print the median and the largest over all anchored receipts of the story, and one of them in deep trees.

    Each stands for a receipt's median round, and again for its quickest one, which the neighbours disturbed least.
    """
    story = tell()
    shapes = [*story.shapes.values(), deepened(story, "after key rotations")]
    read = [
        (shape.receipt.encode(), shape.verifier)
        for shape in shapes
        if shape.receipt.sealed is not None and shape.receipt.sealed.anchors
    ]
    verdicts = [verify_bytes(receipt, verifier).outcome for receipt, verifier in read]
    print(f"(e) verify {len(read)} anchored receipts ({verdicts.count(Outcome.INTACT)} intact), CPU time of one")
    for name, check in CHECKS.items():
        rounds = [rounds_ms(receipt, verifier, check) for receipt, verifier in read]
        target = f"   target < {TARGETS_MS[name]:.0f} ms" if name in TARGETS_MS else ""
        for word, chosen in ROUND.items():
            *found, deep = map(chosen, rounds)
            figures = f"{statistics.median(found):8.3f} ms   largest {max(found):8.3f} ms   deep {deep:8.3f} ms"
            print(f"  {name:19} {word:13} {figures}{target}")


if __name__ == "__main__":
    main()

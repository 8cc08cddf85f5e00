"""(e) Verifying a receipt offline, in CPU time: without signatures, and with those of the pure-Python verifier.

Receipts are the anchored ones of the story that the tests tell (``tests.simulators.world``), read from their bytes
each time, and no key is known from the receipt before. "Without" passes a check that only says yes, so that all other
steps run as they do.
"""

import statistics
import time
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


def cpu_ms(receipt: bytes, verifier: Verifier, times: int) -> float:
    """Return the CPU time of one verification, in milliseconds, as a mean over ``times``."""
    start = time.process_time()
    for _ in range(times):
        ed25519.multiples_of_key.cache_clear()
        verify_bytes(receipt, verifier)
    return (time.process_time() - start) / times * 1000


def main() -> None:
    """Print the median and the largest over all anchored receipts of the story, and one of them in deep trees."""
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
        times = 3 if name == "pure Python" else 30
        *found, deep = [
            statistics.median(cpu_ms(receipt, replace(verifier, check_signature=check), times) for _ in range(ROUNDS))
            for receipt, verifier in read
        ]
        figures = f"{statistics.median(found):8.3f} ms   largest {max(found):8.3f} ms   deep {deep:8.3f} ms"
        print(f"  {name:19} {figures}" + (f"   target < {TARGETS_MS[name]:.0f} ms" if name in TARGETS_MS else ""))


if __name__ == "__main__":
    main()

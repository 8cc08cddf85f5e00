"""All measures, or those named: ``python -m benchmarks [append] [sealing] ...``, as in ``MEASURES``."""

import platform
import sqlite3
import ssl
import sys

from anchor.hashing.chosen import HASHING
from benchmarks.measuring import in_a_new_process

MEASURES = (
    "append",
    "sealing",
    "proving",
    "memory",
    "verifying",
    "calendar",
    "roots",
    "archive",
    "serving",
    "hosts",
    "manifests",
    "signing",
    "heads",
    "auditing",
    "bundles",
)
# Minutes and gigabytes: only where they are named.
LONG = ("memory_serving", "explorer", "growth")


def main(wanted: list[str]) -> None:
    """Run each measure in a process of its own."""
    unknown = sorted(set(wanted) - set(MEASURES) - set(LONG))
    if unknown:
        sys.exit(f"unknown measure {unknown[0]!r}; known are {', '.join((*MEASURES, *LONG))}")
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {ssl.OPENSSL_VERSION}, {HASHING.name}")
    for name in wanted or MEASURES:
        in_a_new_process(f"benchmarks.{name}")


if __name__ == "__main__":
    main(sys.argv[1:])

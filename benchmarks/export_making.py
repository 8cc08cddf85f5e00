"""An export to check, made in a process of its own (``python -m benchmarks.export_making FOLDER ENTRIES``).

``benchmarks.archive`` runs it: whoever checks loads nothing of what records, and starts its processes the sooner.
"""

import os
import sys
from pathlib import Path

from chains.export import export
from chains.leading import leading
from chains.trial import anchor_now, create_trial, forget, fund
from tests.simulators.store import clear

BATCH = 1_000
CONTENT_BYTES = 100
WITH_CONTENT, WITHOUT = "log.tar", "bare.tar"


def make_export(folder: Path, entries: int) -> None:
    """Record, seal, anchor and export so many entries in one chain: with contents and without."""
    with create_trial(folder / "home", "log.example/bench") as home, leading(home, "bench"):
        fund(home)
        chain = home.writer.open_chain([clear("bench")], b"first", "bench", home.clock())[0]
        for start in range(1, entries, BATCH):
            contents = [os.urandom(CONTENT_BYTES) for _ in range(min(BATCH, entries - start))]
            home.writer.record(chain, contents, home.clock())
        home.anchoring.seal(home.checkpoint_key, home.clock())
        anchor_now(home, 6)
        export(home, folder / WITH_CONTENT)
        export(home, folder / WITHOUT, with_content=False)
    forget(folder / "home")


if __name__ == "__main__":
    make_export(Path(sys.argv[1]), int(sys.argv[2]))

"""Sealing a home: notes of access become entries first, so that every seal covers what was noted before it.

The scheduler and the command ``seal`` come here.
"""

from anchor.directory import StoredCheckpoint
from chains.access_recording import record_access
from chains.home import Home


def seal(home: Home) -> StoredCheckpoint | None:
    """Record what access was noted, then seal what changed, under the home's lease (``AnchorEngine.seal``)."""
    record_access(home)
    return home.anchoring.seal(home.checkpoint_key, home.clock())

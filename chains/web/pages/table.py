"""The table of all pages: ``chains.web.api`` routes by it, as by that of its own operations.

Every module of this package lists its pages as ``OPERATIONS``; a page that is missing here is not served.
"""

from chains.web.operations import Operation
from chains.web.pages import (
    accesses,
    anchors,
    assets,
    certificates,
    chains,
    checkpoints,
    entry,
    front,
    search,
    shares,
    sign_in,
    thread,
)

PAGES: tuple[Operation, ...] = (
    *front.OPERATIONS,
    *chains.OPERATIONS,
    *entry.OPERATIONS,
    *certificates.OPERATIONS,
    *search.OPERATIONS,
    *checkpoints.OPERATIONS,
    *anchors.OPERATIONS,
    *thread.OPERATIONS,
    *accesses.OPERATIONS,
    *sign_in.OPERATIONS,
    *shares.OPERATIONS,
    *assets.OPERATIONS,
)

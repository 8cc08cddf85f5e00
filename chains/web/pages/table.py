"""The table of all pages: ``chains.web.api`` routes by it, as by that of its own operations.

Every module of this package lists its pages as ``OPERATIONS``; a page that is missing here is not served.
"""

from chains.web.operations import Operation
from chains.web.pages import anchors, assets, checkpoints, front, thread

PAGES: tuple[Operation, ...] = (
    *front.OPERATIONS,
    *checkpoints.OPERATIONS,
    *anchors.OPERATIONS,
    *thread.OPERATIONS,
    *assets.OPERATIONS,
)

"""Whether a verdict is enough for a certificate, and whether this installation can draw one.

The command ``certificate`` and the pages of the service ask; ``chains.certificate`` draws, and needs the extra of that
name.
"""

from functools import cache
from importlib.util import find_spec

from anchor.proof.verdict import Outcome, Verdict

_PARTS = ("fpdf", "segno", "font_source_sans_pro")


def is_certifiable(verdict: Verdict, *, file_at_hand: bool) -> bool:
    """Say whether there is something to certify: an intact entry, and an intact file where one was compared."""
    return verdict.outcome == Outcome.INTACT or (verdict.outcome == Outcome.NOT_COMPARED and not file_at_hand)


@cache
def can_draw() -> bool:
    """Say whether the parts of ``anchorline[certificate]`` are installed; none of them is loaded for that.

    Looked for once: the service has its route or not from its start, and every page of an entry asks.
    """
    return all(find_spec(name) is not None for name in _PARTS)

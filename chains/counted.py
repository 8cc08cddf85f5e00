"""Numbers of things in sentences for people: one entry, two entries; pure.

Commands take their plurals from here.
"""


def counted(count: int, things: str) -> str:
    """Return "1 entry" or "2 entries"; ``things`` is the plural, of English words as commands use them."""
    return f"{count} {_singular(things) if count == 1 else things}"


def _singular(things: str) -> str:
    for many, one in (("ies", "y"), ("leaves", "leaf"), ("s", "")):
        if things.endswith(many):
            return things.removesuffix(many) + one
    return things

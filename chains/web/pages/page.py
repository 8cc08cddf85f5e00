"""How a page is written down as an operation: read on a reading thread, for who is signed in, as HTML.

The modules of this package make theirs with ``page``; ``chains.web.pages.table`` lists them.
"""

from chains.web.operations import Operation, Parameter, Run, Shape

GROUP = "Pages"


def page(name: str, path: str, about: str, run: Run, *parameters: Parameter) -> Operation:
    """Return a page as an operation: GET, for everybody, each to see what he may."""
    return Operation(
        *(name, "GET", path, about, GROUP, {200: Shape("The page", {"text/html": str})}, ("not-found", "not-allowed")),
        parameters=parameters,
        run=run,
        is_page=True,
    )

"""What every published log has over HTTP: C2SP tiles, consistency and inclusion proofs.

The directory's (``api_log``) and the chains' (``api_chains``) operations answer with it, up to the size that is sealed.
"""

from collections.abc import Callable, Sequence

from anchor.log import TILE_WIDTH, Trees
from anchor.tiles import encode_bundle, tile_width
from chains.web.answers import IMMUTABLE, cached, json_of
from chains.web.asgi import OCTETS, Answer
from chains.web.problems import ProblemError, not_found
from chains.web.requests import Request
from chains.web.schemas import Consistency, Inclusion

Leaves = Callable[[int, int], Sequence[bytes]]
_MOST_TILE_NO = 2**54


def tile_answer(trees: Trees, tree_no: int, size: int, path: str, leaves: Leaves, who: str) -> Answer:
    """Return a tile, or an entry bundle, of the first ``size`` leaves (C2SP tlog-tiles); ``who`` may keep it.

    A partial tile is answered at any width that there is: what a tile once held never changes.
    """
    level, tile_no, width = _place_of(path)
    have = tile_width(0 if level == "entries" else int(level), tile_no, size)
    if tile_no >= _MOST_TILE_NO or not 0 < width <= have:
        raise not_found()
    start = tile_no * TILE_WIDTH
    body = (
        encode_bundle(leaves(start, start + width))
        if level == "entries"
        else trees.tile(tree_no, int(level), tile_no, width)
    )
    return Answer(200, body, OCTETS, (cached(who, IMMUTABLE),))


def _place_of(path: str) -> tuple[str, int, int]:
    """Return level, tile number and width of a path that has the documented form."""
    tile, _, partial = path.partition(".p/")
    level, _, groups = tile.partition("/")
    if partial and int(partial) >= TILE_WIDTH:
        raise not_found()
    return level, tile_number(groups), int(partial) if partial else TILE_WIDTH


def tile_number(groups: str) -> int:
    """Return a number that a path has in groups of three digits, such as ``x001/067`` (C2SP tlog-tiles)."""
    return int(groups.replace("/", "").replace("x", ""))


def consistency_answer(trees: Trees, tree_no: int, size: int, request: Request) -> Answer:
    """Return the consistency path between two sizes, the larger at most ``size``."""
    old, new = request.number("from", 0), request.number("to", 0)
    if old > new:
        raise ProblemError("parameter-malformed", f"expected from at most as large as to, got {old} and {new}")
    if new > size:
        raise ProblemError("not-found", f"{size} leaves are sealed, not {new}")
    path = trees.consistency_path(tree_no, old, new)
    return json_of(
        Consistency(
            from_size=old,
            to_size=new,
            from_root=trees.root(tree_no, old).hex(),
            to_root=trees.root(tree_no, new).hex(),
            path=[value.hex() for value in path],
        )
    )


def inclusion_answer(trees: Trees, tree_no: int, size: int, request: Request) -> Answer:
    """Return the path of a leaf in the tree of some size, at most ``size``."""
    index, wanted = request.number("index", 0), request.number("size", 0)
    if index >= wanted:
        raise ProblemError("parameter-malformed", f"expected an index below size, got {index} and {wanted}")
    if wanted > size:
        raise ProblemError("not-found", f"{size} leaves are sealed, not {wanted}")
    return json_of(
        Inclusion(
            index=index,
            size=wanted,
            leaf_hash=trees.leaf_hash(tree_no, index).hex(),
            root=trees.root(tree_no, wanted).hex(),
            path=[value.hex() for value in trees.inclusion_path(tree_no, index, wanted)],
        )
    )

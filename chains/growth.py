"""How a chain grew: some of its heads with the times of their seals, however many there are.

Read from the database by its indexes; ``chains.pictures.growth`` plots them, ``chains.web.pages`` shows the picture.
"""

from anchor.directory import Directory
from chains.pictures.growth import Grown

MOST_HEADS = 200
"""More are not told apart on 720 pixels."""


def growth_of(directory: Directory, chain_no: int, most: int = MOST_HEADS) -> list[Grown]:
    """Return heads of a chain, oldest first: all of them, or at most ``most`` (two or more) of them.

    Those are then spread evenly over the directory, the first and the newest among them. One look by an index for each.
    """
    engine = directory.engine
    found = engine.query(
        "SELECT directory_index FROM head WHERE tree_no = ? ORDER BY directory_index LIMIT ?", (chain_no, most + 1)
    )
    places = [int(row[0]) for row in found]
    if len(places) > most:
        places = _spread(directory, chain_no, places[0], most)
    heads = [_grown(directory, place) for place in places]
    return [head for head in heads if head is not None]


def _spread(directory: Directory, chain_no: int, first: int, most: int) -> list[int]:
    """Return the places of ``most`` heads or fewer: for each of so many evenly spread sizes, the newest below it."""
    last = directory.newest_head(chain_no, 1 << 62)
    assert last is not None
    sizes = (first + 1 + (last - first) * number // (most - 1) for number in range(most))
    newest = (directory.newest_head(chain_no, size) for size in sizes)
    return sorted({place for place in newest if place is not None})


def _grown(directory: Directory, place: int) -> Grown | None:
    """Return the head at a place of the directory; None while the checkpoint over it is not signed."""
    rows = directory.engine.query("SELECT tree_size FROM head WHERE directory_index = ?", (place,))
    checkpoint = directory.first_checkpoint_over(place)
    return None if checkpoint is None else Grown(checkpoint.sealed_at_ms, int(rows[0][0]))

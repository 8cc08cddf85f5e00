"""A key that was rotated and revoked, judged by the three verifiers: in Python, by the command, and in a browser.

Input is one log of ``tests/simulators/world.py`` with an identity; every receipt is judged offline and by itself alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from anchor.proof.identity import Ending, Operation
from tests.browser.verdicts import judged_here, judged_there
from tests.cli.commands import run
from tests.simulators.identities import key, public
from tests.simulators.world import Seal, Written
from tests.vectors import make_receipt_vectors as maker

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
Case = tuple[bytes, maker.Inputs]


def stories() -> Iterator[tuple[str, str, Case]]:
    """Yield what happened, the finding that is right, and receipt and verifier: one log, told to its end."""
    world = maker.identified()
    order, good, bad = world.order("press"), "intact", "key-not-valid-then"
    first = world.seal()
    world.state(Operation.ROTATE, "boss", "new", about=public("press"), ending=Ending.REPLACED, key=key("new"))
    world.seal()
    yield "before the rotation, its receipt from then", good, case(world, order, first)
    yield "before the rotation, its receipt from later", good, case(world, order)
    yield "the old key after the rotation", bad, case(world, world.order("press"))
    kept = world.order("new")
    yield "the new key after the rotation", good, case(world, kept)
    world.state(Operation.REVOKE, "boss", about=public("new"), ending=Ending.STOLEN)
    yield "the stolen key in the seal of its revocation", bad, case(world, world.order("new"))
    yield "the stolen key after its revocation", bad, case(world, world.order("new"))
    yield "before the revocation, its receipt from later", good, case(world, kept)


def case(world: maker.Identified, order: Written, at: Seal | None = None) -> Case:
    receipt, inputs = world.shown(order, at)
    return maker.compact(receipt).encode(), inputs


STORIES = list(stories())


EXIT_CODES = {"intact": 0, "key-not-valid-then": 7}


def by_command(folder: Path, receipt: bytes, inputs: maker.Inputs) -> tuple[int, str]:
    """Return the exit code and the finding of ``anchorline verify``, with the file, the card and the block."""
    (folder / "order.txt").write_bytes(b"order 2")
    (folder / "order.receipt").write_bytes(receipt)
    (folder / "card.json").write_text(inputs["card"])
    [block] = inputs["blocks"]
    brought = ("--log", folder / "card.json", "--block", block, "--no-header-store", "--json")
    done = run("verify", folder / "order.txt", folder / "order.receipt", *brought)
    return done.exit_code, str(done.facts["finding"])


@pytest.mark.parametrize(("what", "finding", "brought"), STORIES, ids=[what for what, _, _ in STORIES])
def test_a_key_rotated_and_revoked(loaded: Page, tmp_path: Path, what: str, finding: str, brought: Case) -> None:
    """Entries from before verify, those from after do not, from the receipt alone, whoever of the three judges."""
    here, [there] = judged_here(*brought), judged_there(loaded, [brought])
    assert not isinstance(here, str)
    assert here == there, what
    expected = EXIT_CODES[finding], finding
    assert expected == (here["exit_code"], here["finding"])
    assert expected == by_command(tmp_path, *brought)

"""``head prove`` and ``head check`` as commands: a real home."""

import json
from pathlib import Path

from anchor.proof.head_proof import HeadProof
from chains.home import Home
from tests.cli.commands import World, run

NOBODY = "ab" * 32


def test_a_newest_head_is_proved_and_checked(world: World, tmp_path: Path) -> None:
    """The proof is under the newest anchored checkpoint, holds with the card and the block, and names the size."""
    proof = tmp_path / "acme.head"
    assert 0 == run("head", "prove", "acme", "--home", world.home, "-o", proof).exit_code
    made = HeadProof.decode(proof.read_bytes())
    done = run("head", "check", proof, "--log", world.card, "--block", block_of(proof, world))
    assert (0, "") == (done.exit_code, done.err)
    assert done.text.startswith("HOLDS: THE NEWEST HEAD\n")
    assert f"checkpoint of {made.checkpoint.size} leaves" in done.text
    lacking = run("head", "check", proof, "--no-header-store", "--json")
    assert (4, "not checked") == (lacking.exit_code, lacking.facts["outcome"])


def block_of(proof: Path, world: World) -> str:
    """Return the block of a proof's anchor as the command itself names it."""
    facts = run("head", "check", proof, "--log", world.card, "--no-header-store", "--json").facts["facts"]
    return f"{facts['network']}:{facts['anchored_in']['height']}:{facts['anchored_in']['block']}"


def test_that_there_is_no_such_chain_is_proved_too(world: World, tmp_path: Path) -> None:
    """Of any id: nobody needs to have such a chain; and a proof whose way is cut off shows nothing."""
    proof = tmp_path / "none.head"
    assert 0 == run("head", "prove", NOBODY, "--home", world.home, "-o", proof).exit_code
    done = run("head", "check", proof, "--log", world.card, "--block", block_of(proof, world), "--json")
    assert (0, "no head") == (done.exit_code, done.facts["outcome"])
    value = json.loads(proof.read_bytes())
    proof.write_text(json.dumps(value | {"heads": {"terminal": "", "siblings": []}}))
    forged = run("head", "check", proof, "--log", world.card, "--no-header-store", "--json")
    assert (1, ["heads-proof-wrong"]) == (forged.exit_code, forged.facts["reasons"])


def test_an_older_checkpoint_is_chosen_by_its_size(world: World) -> None:
    """At the first checkpoint the chain had fewer entries; a size that no checkpoint has is refused with what to do."""
    home = ("--home", world.home)
    with Home.open(world.home) as opened:
        size = opened.directory.checkpoints_below(2**62, 100)[-1].size
    proof = HeadProof.decode(run("head", "prove", "acme", "--checkpoint", str(size), *home).out)
    assert size == proof.checkpoint.size
    wrong = run("head", "prove", "acme", "--checkpoint", "999999", *home)
    assert 1 == wrong.exit_code
    assert "expected the size of a signed checkpoint, got 999999" in wrong.err


def test_what_is_no_proof_is_named(world: World, tmp_path: Path) -> None:
    """A receipt, a name of no chain, and a file that is not there are each told for what they are."""
    assert 1 == run("head", "check", world.receipt, "--json").exit_code
    assert "no well-formed proof of a head" in run("head", "check", world.receipt).text
    assert 2 == run("head", "prove", "nobody", "--home", world.home).exit_code
    assert 2 == run("head", "check", tmp_path / "gone.head").exit_code
    swapped = run("verify", proof_file(world, tmp_path), "--json")
    assert 1 == swapped.exit_code
    assert "head check" in swapped.facts["error"]


def proof_file(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "acme.head"
    run("head", "prove", "acme", "--home", world.home, "-o", path)
    return path

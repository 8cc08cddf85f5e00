"""``cosign``: a further party signs an entry, and the receipt of that entry says so, offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import ORIGIN, Done, World, own_folders, run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home with a signed delivery on a chain, and an identity that can co-sign it."""
    world = World(tmp_path_factory.mktemp("cosign"))
    with own_folders(world.folder / "xdg"):
        world.ok("init", "--embedded", "--origin", ORIGIN)
        world.ok("chain", "create", "deliveries")
        for name in ("acme", "port"):
            world.ok("identity", "new", name, "--key", world.folder / f"{name}.key", "--no-password")
        world.ok("tick", "--mine", "101")
        world.ok("seal")
        for name in ("one", "two"):
            (world.folder / name).write_bytes(name.encode())
        files = [world.folder / name for name in ("one", "two")]
        world.ok("add", "deliveries", *files, "--sign", world.folder / "acme.key", "--identity", "acme")
        yield world


def anchored(world: World) -> None:
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    world.ok("headers", "export", world.headers)


def verified(world: World, file: str, receipt: Path) -> Done:
    return run("verify", world.folder / file, receipt, "--log", world.card, "--headers", world.headers, "--json")


def cosigned(world: World, entry: str, *options: str | Path) -> Done:
    return world.ok("cosign", entry, "--sign", world.folder / "port.key", "--json", *options)


def test_a_co_signature_is_in_the_receipt_of_what_it_signs(made: World) -> None:
    """An entry of a signed batch is co-signed for an identity: its receipt says so, and is as intact as before."""
    anchored(made)
    receipt, own = made.folder / "one.receipt", made.folder / "own.receipt"
    made.ok("receipt", "deliveries:1", "--output", receipt)
    assert "co_signatures" not in verified(made, "one", receipt).facts["facts"]
    done = cosigned(made, "deliveries:1", "--identity", "port", "--note", "received at gate 4")
    anchored(made)
    made.ok("upgrade", receipt)
    verdict = verified(made, "one", receipt)
    assert (0, "intact") == (verdict.exit_code, verdict.facts["finding"])
    [shown] = verdict.facts["facts"]["co_signatures"]
    assert (done.facts["entry_hash"], done.facts["key"]) == (shown["entry_hash"], shown["key"])
    assert made.ok("chain", "list", "--json").facts["chains"][2]["chain_id"] == shown["identity"]
    assert (20, "ok") == (verdict.facts["steps"][-1]["number"], verdict.facts["steps"][-1]["state"])
    # Whose key it was, the receipt of the co-signing entry shows by itself.
    made.ok("receipt", done.facts["entry_hash"], "--output", own)
    (made.folder / "note").write_bytes(b"received at gate 4")
    of_own = verified(made, "note", own).facts
    assert ("intact", "ok") == (of_own["finding"], of_own["steps"][2]["state"])
    assert f"a key of identity {shown['identity']}" in of_own["steps"][2]["text"]
    assert ["cosigns"] == [link["relation"] for link in of_own["facts"]["links"]]
    made.ok("audit")


def test_only_what_is_signed_by_a_valid_key_co_signs(made: World) -> None:
    """Without a key nothing is written; with one that is not the identity's the writer refuses; two may co-sign."""
    before = made.ok("chain", "show", "deliveries", "--json").facts["size"]
    assert 2 == made.run("cosign", "deliveries:2").exit_code
    wrong = made.run("cosign", "deliveries:2", "--sign", made.folder / "port.key", "--identity", "acme")
    assert 1 == wrong.exit_code
    assert "not" in wrong.err
    assert 1 == made.run("cosign", "deliveries:99", "--sign", made.folder / "port.key").exit_code
    assert before == made.ok("chain", "show", "deliveries", "--json").facts["size"]
    text = made.ok("cosign", "deliveries:2", "--sign", made.folder / "port.key").text
    assert f"Entry {before} co-signs entry 2 of its chain." in text
    cosigned(made, "deliveries:2", "--identity", "port")
    made.ok("retract", "deliveries:2")
    anchored(made)
    made.ok("receipt", "deliveries:2", "--output", made.folder / "two.receipt")
    verdict = verified(made, "two", made.folder / "two.receipt").facts
    assert "retracted" == verdict["finding"]
    assert [before, before + 1] == [item["leaf_index"] for item in verdict["facts"]["co_signatures"]]
    assert ["identity" in item for item in verdict["facts"]["co_signatures"]] == [False, True]

"""``chain close``, ``export --chain``, ``chain continue``: a tenant leaves, and goes on with its history elsewhere."""

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from anchor.proof.archive import check_archive
from anchor.proof.archive_files import ArchiveError
from anchor.proof.archive_part import receipts_path
from anchor.proof.blocks import GivenBlock
from anchor.proof.receipt import LogCard
from anchor.signing import SigningKey
from chains.stand_alone import Folder, main
from tests.cli.commands import World, run


def blocks_of(world: World) -> list[str]:
    """The blocks of a log's anchors, as a verifier names them."""
    attempts = world.ok("status", "--json").facts["attempts"]
    return [f"regtest:{each['block']['height']}:{each['block']['hash']}" for each in attempts if each["block"]]


def anchored(world: World) -> None:
    world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")


def another_log(folder: Path, blocks: int = 150) -> World:
    """Another log, whose anchors are in blocks of other heights."""
    other = World(folder)
    folder.mkdir()
    assert 0 == run("init", "--embedded", "--home", other.home, "--origin", "other.example/log").exit_code
    other.ok("tick", "--mine", str(blocks))
    return other


def log_id_of(world: World) -> str:
    return LogCard.decode(world.card.read_bytes()).log.log_id.hex()


def given(option: str, values: Sequence[str | Path]) -> list[str]:
    return [part for value in values for part in (option, str(value))]


def test_a_tenant_leaves_and_goes_on_elsewhere(world: World) -> None:
    """Closed here, exported, continued there: old entries keep their earlier proof, and both logs agree."""
    other = another_log(world.folder / "other")
    world.ok("chain", "close", "acme", "--reason", "we move", "--moved-to", other.card)
    refused = world.run("add", "acme", world.report)
    assert 1 == refused.exit_code
    for word in ("was closed by its entry", '"we move"', log_id_of(other)):
        assert word in refused.err
    assert 1 == world.run("chain", "close", "acme").exit_code
    archive = world.folder / "acme.tar.gz"
    world.ok("seal")
    early = world.run("export", archive, "--chain", "acme")
    assert "not in a block yet" in early.err
    assert not archive.exists()
    anchored(world)
    facts = world.ok("export", archive, "--chain", "acme", "--json").facts
    old_blocks = given("--block", blocks_of(world))
    checked = run("verify", "--archive", archive, "--log", world.card, *old_blocks)
    assert (0, "") == (checked.exit_code, checked.err), checked.text
    assert f"{facts['entries']} entries existed when block" in checked.text

    bad = world.run("chain", "continue", archive, "--name", "acme-2")
    assert 1 == bad.exit_code
    assert "is in this log already" in bad.err
    keys = [world.folder / name for name in ("one.key", "two.key")]
    for key in keys:
        SigningKey.generate().save(key)
    done = other.ok("chain", "continue", archive, "--name", "acme", *given("--sign", keys), "--json").facts
    assert (facts["entries"], True) == (done["entries"], done["agreed"])
    again = other.run("chain", "continue", archive)
    assert "is in this log already" in again.err
    other.ok("add", "acme", world.report)
    other.ok("chain", "visibility", "acme", "private")
    anchored(other)
    other.ok("audit")
    world.ok("audit")

    receipt = world.folder / "moved.receipt"
    other.ok("receipt", "acme:1", "--output", receipt)
    blocks = [*old_blocks, *given("--block", blocks_of(other))]
    trust: list[str | Path] = ["--log", other.card, "--earlier-log", world.card, *blocks, "--json"]
    verdict = run("verify", world.report, receipt, *trust)
    assert 0 == verdict.exit_code, verdict.text
    [continued] = verdict.facts["facts"]["chain_life"]
    assert 2 == len(continued["keys"])
    assert ("continues", log_id_of(world)) == (continued["said"], continued["log_id"])
    assert (True, "intact", log_id_of(other)) == (
        continued["holds_entry"],
        continued["outcome"],
        continued["moved_to"],
    )
    step = verdict.facts["steps"][-1]
    assert (19, "ok") == (step["number"], step["state"])
    assert "both logs say so" in step["text"]
    assert "on a card of yours" in step["text"]

    world.ok("receipt", "acme:1", "--output", world.receipt, "--checkpoint", str(facts["size"]))
    before = run("verify", world.report, world.receipt, "--log", world.card, *old_blocks, "--json")
    [closed] = before.facts["facts"]["chain_life"]
    assert ("closed", "we move", log_id_of(other)) == (closed["said"], closed["reason"], closed["moved_to"])


def test_what_cannot_go_on_here_is_refused_before_anything_is_written(world: World) -> None:
    """A chain that was closed for good, an archive that was changed, one that is none: nothing of it is here then."""
    other = another_log(world.folder / "other")
    before = other.ok("chain", "list", "--json").facts
    archive = world.folder / "acme.tar"
    world.ok("chain", "close", "acme", "--reason", "the year is over")
    SigningKey.generate().save(world.folder / "ann.key")
    world.ok("chain", "create", "ruled", "--writer", "anybody", "--sign", world.folder / "ann.key")
    anchored(world)
    world.ok("export", world.folder / "ruled.tar", "--chain", "ruled")
    done = other.run("chain", "continue", world.folder / "ruled.tar")
    assert (1, True) == (done.exit_code, "the chain has a policy, which only its own log can judge" in done.err)
    with tarfile.open(world.folder / "ruled.tar") as tar:
        tar.extractall(world.folder / "ruled", filter="data")
    [inside] = (world.folder / "ruled").iterdir()
    check_archive(Folder(inside))
    [path] = (inside / "receipts").iterdir()
    receipt = json.loads(path.read_text())
    receipt["evidence"] = [item for item in receipt["evidence"] if item["type"] != "policy"]
    path.write_text(json.dumps(receipt) + "\n")
    with pytest.raises(ArchiveError, match="does not show the policy of its chain, which its head names"):
        check_archive(Folder(inside))
    world.ok("export", archive, "--chain", "acme")
    done = other.run("chain", "continue", archive)
    assert 1 == done.exit_code
    assert "closed for good" in done.err
    changed = world.folder / "changed.tar"
    raw = bytearray(archive.read_bytes())
    at = raw.index(b'"content":"') + 12
    raw[at] ^= 1
    changed.write_bytes(raw)
    assert 1 == run("verify", "--archive", changed, "--log", world.card).exit_code
    done = other.run("chain", "continue", changed)
    assert 1 == done.exit_code
    assert "nothing was written" in done.err
    assert before == other.ok("chain", "list", "--json").facts
    assert 1 == other.run("chain", "continue", world.report).exit_code
    assert 2 == other.run("chain", "continue", world.folder / "none.tar").exit_code
    assert 1 == world.run("export", archive, "--organisation", "nobody").exit_code
    assert 1 == world.run("export", archive, "--chain", "acme").exit_code


def test_a_part_verifies_with_nothing_but_itself(world: World) -> None:
    """The script in the archive checks entries, contents and receipts, and each change is found."""
    archive, folder = world.folder / "acme.tar", world.folder / "unpacked"
    world.ok("add", "meridian", world.report)
    anchored(world)
    world.ok("export", archive, "--chain", "meridian")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    [inside] = folder.iterdir()
    blocks = blocks_of(world)
    out = io.StringIO()
    assert 0 == main([*given("--block", blocks), "--log-id", log_id_of(world)], inside, out)
    assert "HOLDS: " in out.getvalue()
    checked = check_archive(Folder(inside), [GivenBlock.decode(blocks[0])])
    [chain_id] = checked.chains
    entries = inside / f"entries/{chain_id.hex()}.jsonl"
    receipts = inside / receipts_path(chain_id)
    lines, proofs = entries.read_text().splitlines(), receipts.read_text().splitlines()
    first = json.loads(lines[0])
    changes = {
        "an entry left out at the end": (lines[:-1], proofs[:-1]),
        "an entry left out in the middle": (lines[:1] + lines[2:], proofs[:1] + proofs[2:]),
        "two entries in another order": ([lines[1], lines[0], *lines[2:]], proofs),
        "a receipt left out": (lines, proofs[:-1]),
        "a receipt too many": (lines, [*proofs, proofs[-1]]),
        "two receipts in another order": (lines, [proofs[1], proofs[0], *proofs[2:]]),
        "another salt": ([json.dumps(first | {"salt": "00" * 16}), *lines[1:]], proofs),
        "another index": ([json.dumps(first | {"index": 7}), *lines[1:]], proofs),
        "a field too many": ([json.dumps(first | {"more": 1}), *lines[1:]], proofs),
        "nothing": ([], []),
    }
    for name, (changed, changed_proofs) in changes.items():
        entries.write_text("".join(f"{line}\n" for line in changed))
        receipts.write_text("".join(f"{line}\n" for line in changed_proofs))
        assert 1 == main([], inside, out), name
    assert "DOES NOT HOLD" in out.getvalue()


def test_a_chain_is_handed_to_another_owner(world: World) -> None:
    """Offered and accepted by name; an entry says so, and the receipts of the chain stay what they were."""
    for name in ("Acme", "Meridian"):
        world.ok("org", "create", name)
    world.ok("chain", "owner", "acme", "Acme")
    assert "is offered to Meridian until" in world.ok("chain", "transfer", "offer", "acme", "Meridian").text
    assert 1 == world.run("chain", "transfer", "accept", "acme", "Acme").exit_code
    world.ok("chain", "transfer", "withdraw", "acme")
    assert 1 == world.run("chain", "transfer", "accept", "acme", "Meridian").exit_code
    world.ok("chain", "transfer", "offer", "acme", "Meridian", "--expires", "never")
    index = world.ok("chain", "transfer", "accept", "acme", "Meridian", "--json").facts["leaf_index"]
    assert "Meridian" == world.ok("chain", "owner", "acme", "--json").facts["organisation"]
    anchored(world)
    archive = world.folder / "meridian.tar"
    facts = world.ok("export", archive, "--organisation", "Meridian", "--without-content", "--json").facts
    named = {each["name"]: each for each in world.ok("chain", "list", "--json").facts["chains"]}
    assert named["acme"]["chain_id"] in facts["chain_ids"]
    assert 0 == facts["contents"]
    assert index < named["acme"]["entries"]
    world.ok("audit")

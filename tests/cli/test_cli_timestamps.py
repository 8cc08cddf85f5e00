"""``anchorline verify --tsa-certificate``: time stamps beside Bitcoin and without it, in words and as JSON.

The receipt comes from the prepared home; a simulated authority (``tests/simulators/timestamp_authority.py``) stamps
its checkpoint.
"""

import json
from dataclasses import replace

import pytest

from anchor.proof.receipt import Receipt
from anchor.proof.timestamp import TimestampAnchor, imprint_of
from anchor.timestamps import Timestamps
from chains.home import Home
from tests.cli.commands import Done, World, run
from tests.simulators.timestamp_authority import Stamped, certify_root, certify_signer, stamp

ROOT = certify_root()
AUTHORITY = certify_signer(ROOT)


@pytest.fixture
def stamped(world: World) -> World:
    """The prepared home, whose receipt has a time stamp too; the root's certificate is in root.pem."""
    (world.folder / "root.pem").write_bytes(ROOT.pem)
    write(world, with_bitcoin=True)
    return world


def write(world: World, *, with_bitcoin: bool, said: Stamped | None = None) -> None:
    """Write the receipt with a time stamp over its checkpoint, or with another one."""
    receipt = Receipt.decode(world.receipt.read_bytes())
    assert receipt.sealed is not None
    checkpoint = receipt.sealed.checkpoint
    good = said or Stamped(imprint_of(checkpoint.size, checkpoint.root))
    kept = tuple(item for item in receipt.sealed.anchors if with_bitcoin and not isinstance(item, TimestampAnchor))
    anchors = (*kept, TimestampAnchor(stamp(AUTHORITY, good)))
    world.receipt.write_bytes(replace(receipt, sealed=replace(receipt.sealed, anchors=anchors)).encode())


def verify(world: World, *options: str, blocks: bool = True) -> Done:
    """Verify as a stranger who has the card, and headers where wanted."""
    headers = ("--headers", world.headers) if blocks else ()
    return run("verify", world.report, world.receipt, "--log", world.card, *headers, *options)


def trusting(world: World) -> tuple[str, str]:
    return ("--tsa-certificate", str(world.folder / "root.pem"))


def test_a_time_stamp_beside_bitcoin_is_said_besides(stamped: World) -> None:
    """The verdict is Bitcoin's; authority, time and accuracy are named, and on what they rest."""
    done = verify(stamped, *trusting(stamped))
    assert (0, "INTACT: report.txt") == (done.exit_code, done.text.splitlines()[0])
    assert "unchanged since block 102" in done.text
    assert "Besides, CN=Time Stamps,O=Example says that it saw the checkpoint at 2025-06-15T15:07:00Z" in done.text
    assert "give or take 1 s" in done.text
    assert "14 time stamp " in done.text
    assert "rests on the authority's clock and key, and on CN=Root,O=Example, which you trust" in done.text


def test_without_certificates_a_time_stamp_is_not_checked(stamped: World) -> None:
    """Nobody vouches for it: it is named as unchecked, and Bitcoin's verdict stands."""
    done = verify(stamped)
    assert 0 == done.exit_code
    assert "Not part of this verdict: time stamp not checked" in done.text
    assert "Besides" not in done.text


def test_a_time_stamp_alone_is_incomplete_until_it_is_accepted(stamped: World) -> None:
    """Exit code 3, and 0 only for who said that an authority is enough; Bitcoin is not claimed."""
    write(stamped, with_bitcoin=False)
    refused = verify(stamped, *trusting(stamped))
    assert (3, "INCOMPLETE: report.txt") == (refused.exit_code, refused.text.splitlines()[0])
    assert "no Bitcoin anchor, and you did not say that it is enough" in refused.text
    accepted = verify(stamped, *trusting(stamped), "--accept-timestamp")
    headline = "INTACT BY TIME STAMP, NOT BY BITCOIN: report.txt"
    assert (0, headline) == (accepted.exit_code, accepted.text.splitlines()[0])
    assert "No block of Bitcoin was checked for this" in accepted.text
    assert "unchanged since block" not in accepted.text


def test_the_facts_of_a_time_stamp_are_in_the_json(stamped: World) -> None:
    """Who, when, how exactly, under which policy, and whose word it is."""
    write(stamped, with_bitcoin=False)
    done = verify(stamped, *trusting(stamped), "--accept-timestamp", "--json")
    assert (0, "time-stamped") == (done.exit_code, done.facts["outcome"])
    assert [
        {
            "state": "ok",
            "reason": None,
            "authority": "CN=Time Stamps,O=Example",
            "time": "2025-06-15T15:07:00Z",
            "accuracy_us": 1_000_000,
            "policy": "1.2.3.4.1",
            "serial": "42",
            "vouched_by": "CN=Root,O=Example",
        }
    ] == done.facts["facts"]["time_stamps"]
    assert "anchored_in" not in done.facts["facts"]


def test_an_accepted_time_stamp_stands_in_for_a_block_that_nobody_knows(stamped: World) -> None:
    """Without headers the block cannot be checked (exit code 4); the authority's word counts where it is accepted."""
    assert 4 == verify(stamped, *trusting(stamped), blocks=False).exit_code
    done = verify(stamped, *trusting(stamped), "--accept-timestamp", blocks=False)
    assert (0, "INTACT BY TIME STAMP, NOT BY BITCOIN: report.txt") == (done.exit_code, done.text.splitlines()[0])
    assert "nobody was asked whether it is on the best chain" in done.text


def test_a_time_stamp_over_something_else_fails(stamped: World) -> None:
    """Who brings certificates asks about the time stamp: a wrong one fails even beside a good block."""
    write(stamped, with_bitcoin=True, said=Stamped(bytes(32)))
    done = verify(stamped, *trusting(stamped), "--json")
    assert (1, ["timestamp-of-something-else"]) == (done.exit_code, done.facts["reasons"])
    assert 0 == verify(stamped).exit_code


def test_certificates_that_are_none_are_a_wrong_command_line(stamped: World) -> None:
    """Exit code 2 for a file without a root, a missing file, and for accepting without trusting anybody."""
    (stamped.folder / "signer.pem").write_bytes(AUTHORITY.pem)
    for options, cause in (
        (("--tsa-certificate", str(stamped.report)), "expected certificates in PEM"),
        (("--tsa-certificate", str(stamped.folder / "signer.pem")), "at least one root"),
        (("--tsa-certificate", str(stamped.folder / "none.pem")), "No such file"),
        (("--accept-timestamp",), "name them with --tsa-certificate"),
    ):
        done = verify(stamped, *options)
        assert (2, True) == (done.exit_code, cause in done.err), done.err


def test_the_time_stamp_survives_writing_and_reading(stamped: World) -> None:
    """The anchor's fields are type and token, and nothing else."""
    *_, anchor = json.loads(stamped.receipt.read_bytes())["anchors"]
    assert {"type", "token"} == set(anchor)


def test_many_receipts_are_judged_by_the_same_authorities(stamped: World) -> None:
    """``--pairs`` takes the roots, and the word that a time stamp is enough; --archive takes no such word."""
    write(stamped, with_bitcoin=False)
    many = ("verify", "--pairs", stamped.receipt.parent / "pairs.txt", "--log", stamped.card)
    (stamped.receipt.parent / "pairs.txt").write_text("report.txt\n")
    done = run(*many, *trusting(stamped), "--accept-timestamp", "--json")
    [pair] = done.facts["pairs"]
    assert (0, "time-stamped", ["CN=Root,O=Example"]) == (
        *(done.exit_code, pair["outcome"]),
        [item["vouched_by"] for item in pair["time_stamps"]],
    )
    assert (
        "of 1 receipt: 14 time stamp ok the checkpoint was time-stamped by CN=Time Stamps"
        in run(*many, *trusting(stamped)).text
    )
    refused = run("verify", "--archive", stamped.report, *trusting(stamped), "--accept-timestamp")
    assert (2, True) == (refused.exit_code, "by its log's own anchors" in refused.err)


def test_time_stamps_in_exports_are_judged_by_the_same_authorities(stamped: World) -> None:
    """Of a whole log and of a part: who stamped, and who vouches; one over something else is a fault once asked for."""
    with Home.open(stamped.home) as home:
        sizes = [int(size) for (size,) in home.engine.query("SELECT size FROM checkpoint ORDER BY size")]
        for checkpoint in filter(None, map(home.directory.checkpoint_of, sizes)):
            good = stamp(AUTHORITY, Stamped(imprint_of(checkpoint.size, checkpoint.root)))
            Timestamps(home.engine).keep(checkpoint.size, "tsa.example", good, 1)
    exports = {name: stamped.folder / f"{name}.tar" for name in ("whole", "part", "wrong")}
    stamped.ok("export", exports["whole"])
    stamped.ok("export", exports["part"], "--chain", "acme")
    with Home.open(stamped.home) as home:
        Timestamps(home.engine).keep(sizes[-1], "another.example", stamp(AUTHORITY, Stamped(bytes(32))), 2)
    stamped.ok("export", exports["wrong"])

    def judged(name: str, *options: str) -> Done:
        return run("verify", "--archive", exports[name], "--log", stamped.card, "--headers", stamped.headers, *options)

    for name, count in (("whole", len(sizes)), ("part", 1)):
        done = judged(name, *trusting(stamped), "--json")
        assert (0, []) == (done.exit_code, done.facts["faults"]), done.text
        assert [("ok", "CN=Time Stamps,O=Example", "CN=Root,O=Example")] * count == [
            (found["state"], found["authority"], found["vouched_by"]) for found in done.facts["time_stamps"]
        ]
        assert "by CN=Time Stamps,O=Example at 2025-06-15T15:07:00Z; CN=Root" in judged(name, *trusting(stamped)).text
        assert ["not checked"] * count == [each["state"] for each in judged(name, "--json").facts["time_stamps"]]
    done = judged("wrong", *trusting(stamped), "--json")
    [fault] = done.facts["faults"]
    assert (1, True) == (done.exit_code, f"attested/{sizes[-1]}/payload.2.tst: the time stamp is over" in fault)
    assert 0 == judged("wrong").exit_code

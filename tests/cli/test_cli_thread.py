"""``mirror`` and ``thread`` as commands: on the prepared home, and as a stranger with files only."""

from pathlib import Path

import pytest

from tests.cli.commands import World, run


def test_a_home_shows_one_history(world: World) -> None:
    """The prepared home, asked as its mirror would be: every step is ok, and one source is said to be alone."""
    facts = world.ok("thread", "--json").facts
    assert ("one history", 0, []) == (facts["outcome"], facts["exit_code"], facts["reasons"])
    assert list(range(1, 13)) == [step["number"] for step in facts["steps"]]
    assert {"ok"} == {step["state"] for step in facts["steps"] if step["number"] != 9}
    assert 2 == len(facts["facts"]["anchors"])
    assert ["the embedded regtest"] == facts["facts"]["sources"]
    text = world.ok("thread").text
    assert text.startswith("ONE HISTORY: log log.example/test (")
    assert "not confirmed by a second source" in text


def test_a_stranger_has_files_only(world: World, tmp_path: Path) -> None:
    """Without Bitcoin three steps are not checked; entries are compared where they are published."""
    mirror = tmp_path / "public"
    facts = world.ok("mirror", mirror, "--chain", "acme", "--json").facts
    assert (2, 1, 2) == tuple(facts[name] for name in ("chains", "chains_with_entries", "anchors"))
    done = run("thread", "--mirror", mirror, "--log", world.card, "--json")
    assert 4 == done.exit_code
    assert {3, 10, 11} == {step["number"] for step in done.facts["steps"] if step["state"] == "not checked"}
    assert 302 == done.facts["facts"]["entries"]
    unpinned = run("thread", "--mirror", mirror)
    assert 4 == unpinned.exit_code
    assert "you gave no log card" in unpinned.text
    run("log", "trust", world.card)
    assert "is the one on your card" in run("thread", "--mirror", mirror).text


def test_a_damaged_mirror_fails(world: World, tmp_path: Path) -> None:
    """A leaf of the directory that was changed after the fact: exit code 1, and the steps that name it."""
    mirror = tmp_path / "public"
    world.ok("mirror", mirror)
    (bundle,) = (path for path in mirror.glob("tile/entries/000.p/*"))
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(data)
    done = run("thread", "--mirror", mirror, "--log", world.card, "--json")
    assert (1, "failed") == (done.exit_code, done.facts["outcome"])
    assert {"root-of-another-history", "checkpoint-signature-wrong"} <= set(done.facts["reasons"])
    assert "DOES NOT HOLD" in run("thread", "--mirror", mirror, "--log", world.card).text


def test_heads_of_one_chain_only(world: World) -> None:
    """An auditor of one chain asks for that one, by its id."""
    chain = world.ok("chain", "show", "acme", "--json").facts["chain_id"]
    facts = world.ok("thread", "--chain", chain, "--json").facts["facts"]
    assert (2, 1) == (facts["chains"], facts["chains_checked"])


def test_a_mirror_has_no_entry_of_an_organisation_s_private_chain(world: World, tmp_path: Path) -> None:
    """Named it is refused, --all-chains passes over it, and made private it is taken out; --with-private says it."""
    mirror = tmp_path / "public"
    world.ok("org", "create", "beta")
    chain = world.ok("chain", "create", "theirs", "--organisation", "beta", "--json").facts["chain_id"]
    entries = mirror / "chain" / chain / "tile" / "entries"
    world.ok("seal")
    done = world.run("mirror", mirror, "--chain", "theirs")
    assert (1, True) == (done.exit_code, "--with-private" in done.err)
    world.ok("mirror", mirror, "--all-chains")
    assert not entries.exists()
    for visibility, options, is_there in (
        ("public", ["--all-chains"], True),
        ("private", [], False),
        ("private", ["--all-chains", "--with-private"], True),
        ("private", ["--all-chains"], False),
    ):
        world.ok("chain", "visibility", "theirs", visibility)
        world.ok("mirror", mirror, *options)
        assert is_there == entries.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("mirror", "folder", "--chain", "acme", "--all-chains"),
        ("thread", "--mirror", "nowhere"),
        ("thread", "--chain", "acme"),
        ("thread", "--node-url", "http://127.0.0.1:1"),
        ("thread", "--node-cookie-file", "cookie"),
    ],
)
def test_a_command_line_that_makes_no_sense(world: World, arguments: tuple[str, ...]) -> None:
    """Refused with a sentence and exit code 2."""
    done = world.run(*arguments)
    assert (2, b"") == (done.exit_code, done.out)
    assert done.err.startswith("anchorline: ")


def test_a_source_that_is_silent_gives_no_verdict(world: World, tmp_path: Path) -> None:
    """A node that does not answer says nothing about the log: exit code 4."""
    (tmp_path / "cookie").write_text("user:word")
    node = ("--node-url", "http://127.0.0.1:1", "--node-cookie-file", tmp_path / "cookie")
    done = world.run("thread", *node)
    assert 4 == done.exit_code
    assert "COULD NOT BE CHECKED" in done.text

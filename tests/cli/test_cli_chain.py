"""``anchorline chain`` and ``anchorline add``: what is recorded can be listed, shown, found and exported again.

Content comes from files, standard input and lines; what the commands say is compared with what the database holds.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from anchor.proof.entry import Entry, ExternalId, IdKind, chain_id_of, content_commitment
from tests.cli.commands import REPORT, ROWS, World
from tests.homes import size_of


def test_a_chain_has_the_id_that_its_external_ids_give(world: World) -> None:
    """Anyone can compute a chain's id from its external ids, in their order."""
    facts = world.ok("chain", "create", "new", "--id", "one", "--id", "two", "--json").facts
    ids = [ExternalId(IdKind.CLEAR, text) for text in (b"one", b"two")]
    assert ("new", chain_id_of(ids).hex()) == (facts["name"], facts["chain_id"])
    assert {"name", "chain_id", "first_entry", "organisation", "visibility"} == set(facts)
    assert (None, "private") == (facts["organisation"], facts["visibility"])


def test_a_chain_without_ids_takes_its_name(world: World) -> None:
    """The name is the first external id where none is given."""
    expected = chain_id_of([ExternalId(IdKind.CLEAR, b"plain")]).hex()
    assert f"Chain plain: {expected}\n" == world.ok("chain", "create", "plain").text


def test_a_private_chain_shows_nothing_in_clear(world: World) -> None:
    """Its only external id is 32 random bytes, and its name stays in this home."""
    chain_id = world.ok("chain", "create", "secret", "--private", "--json").facts["chain_id"]
    [first] = world.ok("chain", "show", "secret", "--json").facts["entries"]
    assert [1] == [item["kind"] for item in first["external_ids"]]
    assert b"secret" not in bytes.fromhex(export(world, "secret")[0]["entry"])
    assert chain_id != world.ok("chain", "create", "another", "--private", "--json").facts["chain_id"]


def test_the_first_entry_can_have_content(world: World) -> None:
    """``--content`` is the first entry's."""
    world.ok("chain", "create", "new", "--content", world.report)
    assert REPORT == base64.b64decode(export(world, "new")[0]["content"])


def test_chains_are_listed_with_their_entries(world: World) -> None:
    """Names, ids and sizes, as JSON and as text."""
    rows = world.ok("chain", "list", "--json").facts["chains"]
    assert [("acme", 303), ("meridian", 2)] == [(row["name"], row["entries"]) for row in rows]
    text = world.ok("chain", "list").text
    assert all(row["chain_id"] in text and row["name"] in text for row in rows)


def test_a_chain_is_paged_through(world: World) -> None:
    """--start and --count cut a page; name and id mean the same chain; past the end there is nothing."""
    facts = world.ok("chain", "show", "acme", "--start", "300", "--count", "2", "--json").facts
    assert (303, 302) == (facts["size"], facts["sealed"])
    assert [300, 301] == [item["leaf_index"] for item in facts["entries"]]
    assert facts == world.ok("chain", "show", facts["chain_id"], "--start", "300", "--count", "2", "--json").facts
    assert [] == world.ok("chain", "show", "acme", "--start", "303", "--json").facts["entries"]
    assert "303 entries, 302 sealed" in world.ok("chain", "show", "acme").text


def test_an_entry_is_shown_with_what_is_kept_of_it(world: World) -> None:
    """Media type, external ids and digest; content that stayed outside is said to have."""
    entry = world.ok("chain", "show", "acme", "--start", "1", "--count", "1", "--json").facts["entries"][0]
    expected = ("text/plain", f"{len(REPORT)} bytes", hashlib.sha256(REPORT).hexdigest())
    assert expected == tuple(entry[name] for name in ("media_type", "content", "digest"))
    assert [{"kind": 0, "value": b"report-7".hex()}] == entry["external_ids"]
    kept = world.ok("chain", "show", "meridian", "--json").facts["entries"][1]
    assert ("digest only", hashlib.sha256(bytes(range(256))).hexdigest()) == (kept["content"], kept["digest"])


def test_entries_are_found_by_hash_and_by_id(world: World) -> None:
    """Both lead to the entry, before and after its look-up pages are written; --chain narrows the search."""
    [by_id] = world.ok("chain", "find", "report-7", "--json").facts["entries"]
    [by_hash] = world.ok("chain", "find", by_id["entry_hash"], "--json").facts["entries"]
    assert (1, by_id) == (by_id["leaf_index"], by_hash)
    world.ok("add", "meridian", "-", "--id", "report-7", stdin=b"not in a page yet")
    assert 2 == len(world.ok("chain", "find", "report-7", "--json").facts["entries"])
    assert [1] == [
        item["leaf_index"]
        for item in world.ok("chain", "find", "report-7", "--chain", "acme", "--json").facts["entries"]
    ]
    assert 1 == len(world.ok("chain", "find", "report-7", "--limit", "1", "--json").facts["entries"])


def test_entries_are_found_by_their_content(world: World) -> None:
    """The SHA-256 of content, as sha256sum prints it, leads to every entry of it, sealed or not."""
    digest = hashlib.sha256(world.report.read_bytes()).hexdigest()
    [found] = world.ok("chain", "find", digest, "--json").facts["entries"]
    assert 1 == found["leaf_index"]
    world.ok("add", "meridian", world.report)
    assert 2 == len(world.ok("chain", "find", digest, "--json").facts["entries"])
    assert 1 == len(world.ok("chain", "find", digest, "--chain", "meridian", "--json").facts["entries"])
    by_digest = hashlib.sha256(bytes(range(256))).hexdigest()
    [kept] = world.ok("chain", "find", by_digest, "--json").facts["entries"]
    assert "digest only" == kept["content"]
    assert "look-up" not in world.ok("audit").err


def test_what_is_not_found_is_exit_code_1(world: World) -> None:
    """As grep does: nothing found is not success."""
    done = world.run("chain", "find", "nothing", "--json")
    assert (1, {"entries": []}) == (done.exit_code, done.facts)
    done = world.run("chain", "find", "f" * 64)
    assert (1, "None.\n", "") == (done.exit_code, done.text, done.err)


def export(world: World, chain: str) -> list[dict[str, Any]]:
    """Export a chain and read its lines."""
    return [json.loads(line) for line in world.ok("chain", "export", chain).out.splitlines()]


def test_an_export_holds_everything_and_proves_it(world: World) -> None:
    """Every line has entry, salt and content or digest, which give the entry's commitment; order is the chain's."""
    lines = export(world, "acme")
    assert list(range(303)) == [line["leaf_index"] for line in lines]
    contents = []
    for line in lines:
        entry = Entry.decode(bytes.fromhex(line["entry"]))
        assert line["entry_hash"] == entry.hash.hex()
        content = base64.b64decode(line["content"])
        commitment = content_commitment(bytes.fromhex(line["salt"]), hashlib.sha256(content).digest())
        assert entry.content_commitment == commitment
        contents.append(content)
    assert [b"", REPORT, *ROWS.splitlines(), b"not sealed yet"] == contents
    assert "content" not in export(world, "meridian")[1]


# --- add


def test_files_are_recorded_in_their_order(world: World, tmp_path: Path) -> None:
    """Each file is one entry; JSON says how many, from where on, and their hashes."""
    files = [tmp_path / name for name in ("b", "a", "c")]
    for path in files:
        path.write_bytes(path.name.encode())
    facts = world.ok("add", "acme", *files, "--json").facts
    assert (3, 303, 306, 3) == (facts["added"], facts["first_index"], facts["size"], len(facts["entries"]))
    assert [b"b", b"a", b"c"] == [base64.b64decode(line["content"]) for line in export(world, "acme")[303:]]
    assert [line["entry_hash"] for line in export(world, "acme")[303:]] == [e["entry_hash"] for e in facts["entries"]]


def test_standard_input_is_one_entry(world: World) -> None:
    """Without files, and for ``-``, what is on standard input is recorded as it is."""
    world.ok("add", "meridian", stdin=b"\x00\xff\n")
    world.ok("add", "meridian", "-", stdin=b"")
    assert [b"\x00\xff\n", b""] == [base64.b64decode(line["content"]) for line in export(world, "meridian")[2:]]


def test_each_line_is_an_entry(world: World) -> None:
    """Lines are recorded without their line feed; empty ones too, and a last one without it."""
    done = world.ok("add", "meridian", "--lines", "-", stdin=b"one\r\n\n\xfflast")
    assert "Added 3 entries to meridian, which now has 5." in done.text
    assert [b"one\r", b"", b"\xfflast"] == [base64.b64decode(line["content"]) for line in export(world, "meridian")[2:]]


def test_no_lines_are_no_entries(world: World) -> None:
    """Empty input adds nothing and is no error."""
    facts = world.ok(
        "add",
        "meridian",
        "--lines",
        stdin=b"",
    ).text
    assert "Added 0 entries to meridian, which now has 2." in facts


def test_digests_of_large_files_can_be_recorded(world: World, tmp_path: Path) -> None:
    """With --digest nothing of the content is kept, so its size has no limit; ids can be the files' names."""
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(3 * 2**20))
    before = size_of(world.home)
    world.ok("add", "meridian", "--digest", "--name-ids", large, "--id", "batch-1")
    [found] = world.ok("chain", "find", "batch-1", "--json").facts["entries"]
    assert hashlib.sha256(bytes(3 * 2**20)).hexdigest() == found["digest"]
    assert [b"batch-1".hex(), str(large).encode().hex()] == [item["value"] for item in found["external_ids"]]
    assert size_of(world.home) < before + 2**20


def test_equal_contents_are_different_entries(world: World) -> None:
    """Salts are fresh: nobody can tell from the entries that two contents are equal."""
    first, second = (world.ok("add", "acme", "-", "--json", stdin=b"same").facts["entries"] for _ in range(2))
    assert first != second

"""``export``: an archive that is checked with nothing but itself and a block hash, and what the check finds."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.attestations import Attestations
from anchor.proof.archive import check_archive
from anchor.proof.archive_files import ArchiveError
from anchor.proof.bitcoin.payload import encode_payload
from anchor.proof.blocks import GivenBlock
from anchor.proof.bundles import decode_bundle
from anchor.proof.errors import AnchorlineError
from anchor.proof.leaves import HeadLeaf, decode_leaf
from anchor.tiles import encode_bundle
from anchor.timestamps import Timestamps
from chains.home import Home
from chains.stand_alone import Folder
from tests.cli.commands import World

BUNDLE = "mirror/chain/{acme}/tile/entries"


def unpacked(world: World, *options: str) -> Path:
    """Export, and unpack the archive as its reader does, somewhere else."""
    archive = world.folder / "log.tar.gz"
    world.ok("export", archive, *options)
    with tarfile.open(archive) as tar:
        [name] = {member.name.split("/")[0] for member in tar.getmembers()}
        for member in tar.getmembers():
            assert member.isreg()
            source, target = tar.extractfile(member), world.folder / member.name
            assert source is not None
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read())
    return world.folder / name


def alone(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the archive's own script in a Python without site packages, environment and the rest of Anchorline."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", str(folder / "verify.py"), *arguments],
        cwd=folder.parent,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "" == done.stderr
    return done.returncode, done.stdout


def blocks_of(world: World) -> list[tuple[int, str]]:
    """The blocks of this log's anchors by its Bitcoin source, the newest first."""
    attempts = world.ok("status", "--json").facts["attempts"]
    found = [(item["block"]["height"], item["block"]["hash"]) for item in attempts if item["block"]]
    return sorted(found, reverse=True)


def test_an_export_verifies_with_nothing_but_itself_and_a_block_hash(world: World) -> None:
    """The home is gone; the newest anchor's block gives all sealed entries, an older one those of its time."""
    facts = world.ok("export", world.folder / "first.tar", "--json").facts
    assert (304, 2, 304, 2) == (facts["entries"], facts["chains"], facts["contents"], facts["anchors"])
    newest, oldest = blocks_of(world)
    log_id = world.ok("status", "--json").facts["log_id"]
    folder = unpacked(world)
    shutil.rmtree(world.home)
    code, said = alone(folder)
    assert (4, True) == (code, "HOLDS IN ITSELF" in said)
    code, said = alone(folder, "--block", f"regtest:{newest[0]}:{newest[1]}", "--log-id", log_id)
    assert (0, True) == (code, f"HOLDS: 304 entries existed when block {newest[0]} was mined" in said), said
    assert "304 contents" not in said
    assert "303 contents and 1 digests" in said
    code, said = alone(folder, "--block", f"regtest:{oldest[0]}:{oldest[1]}")
    assert (0, True) == (code, "HOLDS: 302 entries existed" in said), said
    code, said = alone(folder, "--headers", str(world.headers))
    assert (0, True) == (code, "HOLDS: 304 entries" in said), said


def test_other_blocks_and_logs_do_not_hold(world: World) -> None:
    """A block of another hash, another log's id; a block of another network or height says nothing."""
    (height, block), _ = blocks_of(world)
    folder = unpacked(world)
    code, said = alone(folder, "--block", f"regtest:{height}:{'00' * 32}")
    assert (1, True) == (code, "DOES NOT HOLD: anchor 1: in block" in said)
    code, said = alone(folder, "--block", f"regtest:{height}:{block}", "--log-id", "00" * 32)
    assert (1, True) == (code, "this is another log than" in said)
    assert 4 == alone(folder, "--block", f"testnet4:{height}:{block}")[0]
    assert 4 == alone(folder, "--block", f"regtest:{height + 1}:{block}")[0]
    for wrong in (["--block"], ["--block", "nonsense"], ["--surprise", "1"], ["--headers", "missing"]):
        assert 2 == alone(folder, *wrong)[0]


def test_the_same_home_gives_the_same_archive(world: World) -> None:
    """Byte by byte, under any name; nothing of it tells who wrote it, or when."""
    world.ok("export", world.folder / "a.tar.gz")
    world.ok("export", world.folder / "b.tgz")
    assert (world.folder / "a.tar.gz").read_bytes() == (world.folder / "b.tgz").read_bytes()
    with tarfile.open(world.folder / "a.tar.gz") as tar:
        assert {(0, 0, "", "", 0o644)} == {
            (each.uid, each.gid, each.uname, each.gname, each.mode) for each in tar.getmembers()
        }
        assert 1 == len({each.mtime for each in tar.getmembers()})


def test_sums_are_those_of_the_files(world: World) -> None:
    """Every file but the list itself is in the list, with its own digest."""
    folder = unpacked(world)
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(files) - {"SHA256SUMS"} == set(sums)
    assert {name: hashlib.sha256(files[name].read_bytes()).hexdigest() for name in sums} == sums


def test_content_may_be_left_out(world: World) -> None:
    """Neither contents nor salts nor digests are in such an archive, and everything else verifies."""
    folder = unpacked(world, "--without-content")
    whole = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"no cracks" not in whole
    assert not (folder / "content").exists()
    (height, block), _ = blocks_of(world)
    code, said = alone(folder, "--block", f"regtest:{height}:{block}")
    assert (0, True) == (code, "0 contents and 0 digests" in said)
    assert "left out" in (folder / "README.md").read_text()


def test_what_others_attested_is_in_it(world: World) -> None:
    """Tokens and .ots files lie beside the 40 bytes that they are about: the payload of that checkpoint."""
    with Home.open(world.home) as home:
        newest = home.directory.newest()
        assert newest is not None
        Timestamps(home.engine).keep(newest.size, "https://tsa.example", b"a token", 1)
        kept = Attestations(home.engine)
        kept.keep_reply(newest.size, "https://calendar.example", b"a reply", 1)
        [reply] = kept.pending(0, 10)
        kept.keep_attestation(reply, "mainnet", b"a file", bytes(80), 2)
    folder = unpacked(world) / "attested" / str(newest.size)
    assert {"payload", "payload.1.tst", "payload.1.mainnet.ots", "payload.1.mainnet.header"} == {
        path.name for path in folder.iterdir()
    }
    assert encode_payload(newest.size, newest.root) == (folder / "payload").read_bytes()
    assert (b"a token", b"a file") == (
        (folder / "payload.1.tst").read_bytes(),
        (folder / "payload.1.mainnet.ots").read_bytes(),
    )
    check_archive(Folder(folder.parents[1]))


def test_no_key_is_in_an_export(world: World) -> None:
    """Of the keys folder nothing is: what everybody may read holds nothing that signs."""
    folder = unpacked(world)
    whole = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for path in (world.home / "keys").iterdir():
        assert path.read_bytes() not in whole
    assert b"PRIVATE KEY" not in whole
    assert b"mnemonic" not in b"".join(
        path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.parent.name not in {"spec", "proof"}
    )


# --- what the check finds


def changed(path: Path, change: Callable[[bytes], bytes]) -> None:
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert before != path.read_bytes()


def flip(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _edited(name: str, value: object) -> Callable[[bytes], bytes]:
    """Put another value into the first line of a file of lines."""

    def change(data: bytes) -> bytes:
        first, rest = data.split(b"\n", 1)
        return json.dumps(json.loads(first) | {name: value}).encode() + b"\n" + rest

    return change


DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "an entry": (f"{BUNDLE}/000", flip(40), "has another root|commits to another content|entry of another chain"),
    "an entry's end": (f"{BUNDLE}/001.p/46", lambda data: data[:-1], "is cut"),
    "an entry less": (f"{BUNDLE}/001.p/46", lambda data: data[: -2 - data[-1]], "expected 46 leaves|is cut"),
    "a content": ("content/{acme}.jsonl", _edited("content", "AAAA"), "another SHA-256"),
    "a digest": ("content/{acme}.jsonl", _edited("digest", "00" * 32), "another SHA-256"),
    "a salt": ("content/{acme}.jsonl", _edited("salt", "00" * 16), "commits to another content"),
    "a content's place": ("content/{acme}.jsonl", _edited("index", 7), "not in order|commits to another content"),
    "a directory leaf": ("mirror/tile/entries/000.p/6", flip(400), "its root is not that of|leaf"),
    "a checkpoint's signature": (
        "checkpoints.jsonl",
        lambda data: data.replace(b"\\u2014 log", b"\\u2014 lag"),
        "signed",
    ),
    "a checkpoint's root": (
        "checkpoints.jsonl",
        lambda data: re.sub(rb"\\n4\\n(.)", lambda found: rb"\n4\n" + (b"B" if found[1] == b"A" else b"A"), data),
        "its root is not",
    ),
    "all checkpoints": ("checkpoints.jsonl", lambda _: b"", "expected at least one checkpoint"),
    "a promise's signature": ("promises.jsonl", _edited("signature", "00" * 64), "not signed by a promise key"),
    "a promise's leaves": ("promises.jsonl", _edited("leaves", []), "its root is not that of its leaves"),
    "an anchor": ("mirror/thread/000.json", lambda data: data.replace(b'"index": 1', b'"index": 0', 1), "branch|block"),
    "the card": ("mirror/log-card.json", lambda data: data.replace(b"6c6f67", b"6c6f68", 1), "leaf 0|log"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_was_changed_is_found(what: str, world: World) -> None:
    """Whoever changes a file and the list of sums with it changes something that does not follow from the rest."""
    folder = unpacked(world)
    acme = next(path.name for path in (folder / "mirror" / "chain").iterdir() if (path / "tile" / "1").exists())
    name, change, match = DAMAGE[what]
    changed(folder / name.format(acme=acme), change)
    with pytest.raises(AnchorlineError, match=match):
        check_archive(Folder(folder))


@pytest.mark.parametrize("name", ["mirror/log-card.json", "mirror/tile/entries/000.p/6"])
def test_what_is_missing_is_named(name: str, world: World) -> None:
    """A file that must be there and is not is an error, and never a shorter log."""
    folder = unpacked(world)
    (folder / name).unlink()
    with pytest.raises(ArchiveError, match=f"{name}: missing"):
        check_archive(Folder(folder))


def test_a_shorter_history_is_found(world: World) -> None:
    """Without what the last seal added, a promise and then an anchor tell that there was more."""
    folder = unpacked(world)
    lines = (folder / "checkpoints.jsonl").read_bytes().splitlines(keepends=True)
    assert 2 == len(lines)
    (folder / "checkpoints.jsonl").write_bytes(lines[0])
    leaves = decode_bundle((folder / "mirror/tile/entries/000.p/6").read_bytes())
    (folder / "mirror/tile/entries/000.p/4").write_bytes(encode_bundle(leaves[:4]))
    with pytest.raises(ArchiveError, match="has another entry at 0 than promised"):
        check_archive(Folder(folder))
    (folder / "promises.jsonl").unlink()
    with pytest.raises(ArchiveError, match="anchor 1: carries another root than the first 6 leaves have"):
        check_archive(Folder(folder))


@pytest.mark.parametrize("fewer", [0, 1, 302])
def test_heads_of_a_chain_only_grow(fewer: int, world: World) -> None:
    """An operator who shows a head that does not extend the one before it is found, whatever he signs."""
    folder = unpacked(world)
    path = folder / "mirror/tile/entries/000.p/6"
    leaves = decode_bundle(path.read_bytes())
    decoded = [decode_leaf(raw) for raw in leaves]
    (_, earlier), (place, later) = [(place, leaf) for place, leaf in enumerate(decoded) if isinstance(leaf, HeadLeaf)]
    leaves[place] = replace(later, chain_id=earlier.chain_id, tree_size=earlier.tree_size - fewer).encode()
    path.write_bytes(encode_bundle(leaves))
    with pytest.raises(ArchiveError, match=rf"directory leaf {place}: .* sizes only grow"):
        check_archive(Folder(folder))


def test_blocks_are_believed_by_their_network(world: World) -> None:
    """A view of another network is never asked, whatever it says of that height."""
    (height, _), _ = blocks_of(world)
    checked = check_archive(Folder(unpacked(world)), [GivenBlock("mainnet", height, bytes(32))])
    assert checked.proved is None
    assert 2 == len(checked.anchors)


def test_names_and_targets_are_checked(world: World) -> None:
    """Another ending, and a file that exists, are refused; before the first seal there is nothing to export."""
    assert "expected a name that ends in .tar" in world.run("export", world.folder / "log.zip").err
    (world.folder / "there.tar").write_bytes(b"mine")
    assert "exists already" in world.run("export", world.folder / "there.tar").err
    assert b"mine" == (world.folder / "there.tar").read_bytes()
    world.ok("init", "--embedded", "--home", world.folder / "new", "--origin", "log.example/new")
    done = world.run("export", world.folder / "new.tar", "--home", world.folder / "new")
    assert (1, True) == (done.exit_code, "nothing is sealed yet" in done.err)
    assert not [path for path in world.folder.iterdir() if path.name.startswith(".")]

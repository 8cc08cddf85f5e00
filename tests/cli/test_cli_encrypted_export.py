"""Encrypted content that leaves: exports carry envelopes, readers open them without us, another log takes them over.

One home, made once: a chain with encrypted entries, of which one was erased and one lost a reader; a whole export and
one of the chain. Each change of an export is made in a copy of its unpacked folder.
"""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.archive import check_archive
from anchor.proof.archive_envelopes import KeptEnvelope, ReaderSpan
from anchor.proof.archive_files import FAULTS, ArchiveError
from chains.client.envelope import Envelope, public_key_of, reader_id
from chains.stand_alone import Folder, main
from tests.cli.commands import ORIGIN, World, own_folders, run
from tests.cli.test_cli_leaving import anchored, log_id_of

FINDINGS = [b"finding: all clear\n", b"finding: carcinoma of the left lung\n", b"finding: not erased in time\n"]


@dataclass(frozen=True)
class Left:
    """The home that was left, the exports as files and unpacked, the chain's id, and the readers."""

    world: World
    archive: Path
    part: Path
    whole_folder: Path
    part_folder: Path
    chain_id: str
    entries: list[str]
    readers: dict[str, str]

    def key(self, name: str) -> Path:
        return self.world.folder / name


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    world = World(tmp_path_factory.mktemp("left"))
    with own_folders(world.folder / "xdg"):
        world.ok("init", "--embedded", "--origin", ORIGIN)
        world.ok("chain", "create", "ward 3", "--visibility", "private")
        readers = {
            name: world.ok("reader-key", "new", world.folder / name, "--no-password").text.strip()
            for name in ("anna", "ben")
        }
        both = [part for reader in readers.values() for part in ("--encrypt-for", reader)]
        entries = []
        for finding in FINDINGS:
            added = world.ok("add", "ward 3", *both, "--json", stdin=finding).facts
            entries.append(str(added["entries"][0]["entry_hash"]))
        world.ok("add", "ward 3", stdin=b"in clear\n")
        world.ok("reader", "remove", entries[1], readers["ben"])
        world.ok("tick", "--mine", "101")
        world.ok("erase", entries[2], "--reason", "a request")
        anchored(world)
        archive, part = world.folder / "all.tar.gz", world.folder / "ward.tar"
        assert 2 == world.ok("export", archive, "--json").facts["envelopes"]
        facts = world.ok("export", part, "--chain", "ward 3", "--json").facts
        assert 2 == facts["envelopes"]
        whole_folder, part_folder = unpacked(archive, world.folder / "all"), unpacked(part, world.folder / "ward")
        yield Left(world, archive, part, whole_folder, part_folder, facts["chain_ids"][0], entries, readers)


def unpacked(archive: Path, target: Path) -> Path:
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    [folder] = target.iterdir()
    return folder


def test_a_reader_opens_out_of_an_export_without_the_home(left: Left) -> None:
    """By hash or by place, out of either kind; the removed reader, the erased entry and one in clear do not open."""
    by_place = f"{left.chain_id}:2"
    for export in (left.archive, left.part, left.whole_folder, left.part_folder):
        opened = run("open", by_place, "--export", export, "--reader-key", left.key("anna"))
        assert (0, FINDINGS[1]) == (opened.exit_code, opened.out), opened.err
    assert FINDINGS[0] == run("open", "1", "--export", left.part, "--reader-key", left.key("ben")).out
    assert FINDINGS[0] == run("open", left.entries[0], "--export", left.part, "--reader-key", left.key("ben")).out
    removed = run("open", by_place, "--export", left.part, "--reader-key", left.key("ben"))
    assert (1, b"") == (removed.exit_code, removed.out)
    assert "has no key for reader" in removed.err
    for none in (left.entries[2], f"{left.chain_id}:4", "ward 3:1"):
        assert 2 == run("open", none, "--export", left.part, "--reader-key", left.key("anna")).exit_code
    for number, export in enumerate((left.archive, left.part)):
        shown = left.world.folder / f"shown {number}.receipt"
        run("open", by_place, "--export", export, "--reader-key", left.key("anna"), "--receipt", shown)
        done = run("verify", shown, "--any-log", "--json")
        assert ["ok", "ok"] == [step["state"] for step in done.facts["steps"]][:2]
        assert "ok" == done.facts["steps"][10]["state"], "it leads to Bitcoin"


def test_a_damaged_mirror_keeps_nobody_from_his_content(left: Left, tmp_path: Path) -> None:
    """Without the log's leaves the envelope opens all the same, and the receipt says no more than the entry."""
    folder = shutil.copytree(left.whole_folder, tmp_path / left.whole_folder.name)
    shutil.rmtree(folder / "mirror" / "tile")
    shown = tmp_path / "shown.receipt"
    opened = run("open", left.entries[1], "--export", folder, "--reader-key", left.key("anna"), "--receipt", shown)
    assert (0, FINDINGS[1]) == (opened.exit_code, opened.out)
    verdict = run("verify", shown, "--any-log", "--json").facts
    assert ["ok", "ok", "incomplete"] == [*(step["state"] for step in verdict["steps"][:2]), verdict["outcome"]]


def test_a_reader_takes_his_files_out_with_nothing_but_python(left: Left) -> None:
    """``verify.py --take`` writes envelope and receipt, which `open` and verify.html read; nothing is overwritten."""
    for number, folder in enumerate((left.whole_folder, left.part_folder)):
        here = left.world.folder / f"taken {number}"
        here.mkdir()
        took = alone(folder, here, "--take", left.entries[1])
        assert (0, 2) == (took.returncode, len(took.stdout.splitlines())), took.stdout + took.stderr
        [envelope] = here.glob("*.envelope")
        [receipt] = here.glob("*.receipt")
        opened = run("open", receipt, "--envelope", envelope, "--reader-key", left.key("anna"))
        assert (0, FINDINGS[1]) == (opened.exit_code, opened.out)
        [anna] = Envelope.decode(envelope.read_bytes()).keys
        assert reader_id(public_key_of(left.readers["anna"])) == anna.reader, "who was removed is not carried along"
        again = alone(folder, here, "--take", left.entries[1])
        assert (1, True) == (again.returncode, "File exists" in again.stdout)
        assert 1 == alone(folder, here, "--take", left.entries[2]).returncode


def alone(folder: Path, here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), *arguments]
    return subprocess.run(command, cwd=here, env={}, capture_output=True, text=True, check=False, timeout=60)


def test_an_export_says_who_could_ever_open_an_envelope(left: Left) -> None:
    """Who came with the entry, who was removed when and by whom: as the home lists them, in either kind of export."""
    at_home = [left.world.ok("reader", "list", entry, "--json").facts for entry in left.entries[:2]]
    assert [[True, True], [False, True]] == [
        sorted(each["removed_at"] is None for each in of["readers"]) for of in at_home
    ]
    for export in (left.archive, left.part_folder):
        exported = [run("reader", "list", entry, "--export", export, "--json").facts for entry in left.entries[:2]]
        assert at_home == exported
    text = run("reader", "list", f"{left.chain_id}:2", "--export", left.part).text
    assert f"{reader_id(public_key_of(left.readers['ben'])).hex()}  since " in text


def test_an_export_says_who_could_open_what_was_erased(left: Left) -> None:
    """The list outlives the content, as at home; nothing is left to open, and the reason is said."""
    at_home = left.world.ok("reader", "list", left.entries[2], "--json").facts
    assert [None, None] == [each["removed_at"] for each in at_home["readers"]]
    for export in (left.archive, left.part_folder):
        assert at_home == run("reader", "list", left.entries[2], "--export", export, "--json").facts
        opened = run("open", left.entries[2], "--export", export, "--reader-key", left.key("anna"))
        assert (2, b"") == (opened.exit_code, opened.out)
        assert "was erased before this export was written" in opened.err


def test_both_checks_count_encrypted_contents_and_leave_them_out_when_told(left: Left) -> None:
    """The command and the script name them; ``--without-content`` takes no box along."""
    for export, folder in ((left.archive, left.whole_folder), (left.part, left.part_folder)):
        verdict = run("verify", "--archive", export, "--any-log", "--json").facts
        assert (4, 2) == (verdict["exit_code"], verdict["envelopes"]), verdict
        said = io.StringIO()
        assert 4 == main([], folder, said)
        assert "2 encrypted contents, which their entries name" in said.getvalue()
    bare = left.world.folder / "bare.tar"
    assert 0 == left.world.ok("export", bare, "--chain", "ward 3", "--without-content", "--json").facts["envelopes"]
    with tarfile.open(bare) as tar:
        assert not [name for name in tar.getnames() if "/envelopes/" in name]


Line = dict[str, Any]
DAMAGES: dict[str, Callable[[list[Line]], list[Line]]] = {
    "a byte of the box": lambda lines: [box_changed(lines[0]), lines[1]],
    "another entry's envelope": lambda lines: [lines[0] | {"envelope": lines[1]["envelope"]}, lines[1]],
    "another place": lambda lines: [lines[0] | {"index": 3}, lines[1]],
    "another entry": lambda lines: [lines[0] | {"entry": lines[1]["entry"]}, lines[1]],
    "another order": lambda lines: lines[::-1],
    "one twice": lambda lines: [lines[0], lines[0], lines[1]],
    "past the end": lambda lines: [*lines, lines[1] | {"index": 99}],
    "a reader who was removed": lambda lines: [lines[0], lines[1] | {"readers": lines[1]["readers"][:1] * 2}],
    "a reader who is left out": lambda lines: [lines[0] | {"readers": lines[0]["readers"][:1]}, lines[1]],
    "a reader's end": lambda lines: [lines[0] | {"readers": [*map(ended_early, lines[0]["readers"])]}, lines[1]],
    "more fields": lambda lines: [lines[0] | {"note": ""}, lines[1]],
    "a reader twice of what is erased": lambda lines: [*lines[:2], lines[2] | {"readers": lines[2]["readers"] * 2}],
    "neither envelope nor readers": lambda lines: [*lines[:2], lines[2] | {"readers": []}],
    "a name of two lines": lambda lines: [lines[0] | {"readers": [*map(named_badly, lines[0]["readers"])]}, lines[1]],
}


def ended_early(reader: Line) -> Line:
    return reader | {"removed_at_ms": 1}


def named_badly(reader: Line) -> Line:
    return reader | {"added_by": "operator\nnobody"}


def box_changed(line: Line) -> Line:
    envelope = bytearray(base64.b64decode(line["envelope"]))
    envelope[-1] ^= 1
    return line | {"envelope": base64.b64encode(envelope).decode()}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["whole", "part"])
def test_an_envelope_that_is_not_the_entrys_is_a_fault(left: Left, tmp_path: Path, kind: str, damage: str) -> None:
    """Both checks find it; with the list of sums mended it is not a damaged file, but an envelope that is wrong."""
    source = left.whole_folder if kind == "whole" else left.part_folder
    folder = shutil.copytree(source, tmp_path / source.name)
    path = folder / "envelopes" / f"{left.chain_id}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in DAMAGES[damage](lines)))
    mend_sum(folder, path)
    verdict = run("verify", "--archive", folder, "--any-log", "--json").facts
    assert "failed" == verdict["outcome"]
    assert any(re.search("envelope|encrypted content", fault) for fault in verdict["faults"]), verdict["faults"]
    with pytest.raises(FAULTS, match=r"envelope|encrypted content"):
        check_archive(Folder(folder))


def test_readers_are_not_listed_beside_an_entry_in_clear(left: Left) -> None:
    """Who could open something is said of encrypted contents only."""
    lines = (left.part_folder / "entries" / f"{left.chain_id}.jsonl").read_text().splitlines()
    in_clear = bytes.fromhex(json.loads(lines[4])["entry"])
    span = ReaderSpan(bytes(32), 0, None, None, None)
    with pytest.raises(ArchiveError, match="names no encrypted content"):
        KeptEnvelope(4, in_clear, None, (span,)).check("here", in_clear)


def mend_sum(folder: Path, path: Path) -> None:
    sums, name = folder / "SHA256SUMS", path.relative_to(folder).as_posix()
    lines = [line for line in sums.read_text().splitlines() if not line.endswith(f"  {name}")]
    sums.write_text("\n".join([*lines, f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}"]) + "\n")


def test_another_log_takes_envelopes_over(left: Left) -> None:
    """``chain continue`` keeps boxes, wrapped keys and the whole list of readers, of what was erased, too.

    Readers open there, and may be added and removed there; who did so before is named as somebody of the other log.
    """
    other = World(left.world.folder / "elsewhere")
    other.folder.mkdir()
    other.ok("init", "--embedded", "--origin", "other.example/log")
    left.world.ok("chain", "close", "ward 3", "--reason", "we move", "--moved-to", other.card)
    anchored(left.world)
    moving = left.world.folder / "moving.tar"
    left.world.ok("export", moving, "--chain", "ward 3")
    other.ok("chain", "continue", moving, "--name", "ward 3")
    before = [left.world.ok("reader", "list", each, "--json").facts["readers"] for each in left.entries]
    there = f"operator in log {log_id_of(left.world)}"
    renamed = [[span | {"removed_by": span["removed_by"] and there} for span in spans] for spans in before]
    assert renamed == [other.ok("reader", "list", each, "--json").facts["readers"] for each in left.entries]
    assert [0, 1, 0] == [sum(span["removed_by"] == there for span in spans) for spans in renamed]
    opened = other.ok("open", f"{left.chain_id}:2", "--reader-key", left.key("anna"))
    assert FINDINGS[1] == opened.out
    assert 1 == other.run("open", f"{left.chain_id}:2", "--reader-key", left.key("ben")).exit_code
    other.ok("reader", "add", left.entries[1], left.readers["ben"], "--reader-key", left.key("anna"))
    assert FINDINGS[1] == other.ok("open", left.entries[1], "--reader-key", left.key("ben")).out
    listed = other.ok("chain", "export", "ward 3").text.splitlines()
    envelopes = [
        Envelope.decode(base64.b64decode(row["envelope"])) for row in map(json.loads, listed) if "envelope" in row
    ]
    assert [2, 2] == [len(each.keys) for each in envelopes]
    assert 0 == other.ok("audit", "--json").exit_code

"""``verify --archive``: a whole export judged like a receipt, everything damaged named, reports that say the same."""

import gzip
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.bundles import decode_bundle
from anchor.proof.leaves import HeadLeaf, decode_leaf
from anchor.tiles import encode_bundle
from chains.archive import checking, pool, ranges
from chains.archive.checking import verify_export
from chains.archive.files import UNPACKED_BYTES, UNPACKED_TIMES, opened_export
from chains.archive.verdict import ArchiveVerifier
from chains.processes import started
from tests.cli.commands import Done, World
from tests.cli.test_cli_export import DAMAGE, blocks_of, changed, flip, unpacked


def verified(world: World, export: Path, *options: str | Path, card: bool = True) -> Done:
    """Verify an export as somebody does who has the headers and the card, as JSON."""
    whose: list[str | Path] = ["--log", world.card] if card else []
    done = world.run("verify", "--archive", export, "--headers", world.headers, *whose, "--json", *options)
    assert "" == done.err
    return done


def exported(world: World, name: str) -> Path:
    world.ok("export", world.folder / name)
    return world.folder / name


def test_an_export_is_intact_in_each_of_its_forms(world: World) -> None:
    """Compressed, as a tar and unpacked it gives the same facts, and the same exit code as a receipt."""
    found = [
        verified(world, export) for export in (exported(world, "log.tgz"), exported(world, "log.tar"), unpacked(world))
    ]
    assert [0, 0, 0] == [done.exit_code for done in found]
    facts = found[0].facts
    assert [facts, facts] == [done.facts for done in found[1:]]
    assert (304, 2, 303, 1, 2) == tuple(
        facts[name] for name in ("entries", "chains", "contents", "digests", "checkpoints")
    )
    assert (304, 304, [], []) == tuple(facts[name] for name in ("promised", "proved_entries", "faults", "lacking"))
    assert blocks_of(world)[0][1] == facts["proved_by"]["block"]


def test_what_it_says_depends_on_what_the_verifier_brings(world: World) -> None:
    """Without a block nothing is checked, without a card it is incomplete, an older block proves what was there."""
    export = exported(world, "log.tar")
    newest, oldest = blocks_of(world)
    shutil.rmtree(world.folder / "xdg")
    done = world.run("verify", "--archive", export, "--log", world.card)
    assert (4, True) == (done.exit_code, "COULD NOT BE CHECKED: export of log" in done.text)
    assert "Nobody said whether the anchors of 304 entries of 304 are on the best chain" in done.text
    assert 3 == verified(world, export, card=False).exit_code
    assert 0 == verified(world, export, "--any-log", card=False).exit_code
    done = world.run("verify", "--archive", export, "--log", world.card, "--block", f"regtest:{oldest[0]}:{oldest[1]}")
    assert (4, True) == (
        done.exit_code,
        f"302 entries existed when block {oldest[0]} of regtest was mined" in done.text,
    )
    done = world.run("verify", "--archive", export, "--log", world.card, "--block", f"regtest:{newest[0]}:{oldest[1]}")
    assert (1, True) == (done.exit_code, "FAULT anchor 1: in block" in done.text)
    done = world.run("verify", "--archive", export, "--any-log", "--block", f"mainnet:{newest[0]}:{newest[1]}")
    assert (1, True) == (done.exit_code, "you gave a block of mainnet; this log is of regtest" in done.text)


def test_another_logs_export_is_refused(world: World) -> None:
    """The card says whose export it must be."""
    export = exported(world, "log.tar")
    other = json.loads(world.card.read_text())
    other["leaf_0"] = other["leaf_0"].replace("6c6f67", "6c6f68", 1)
    (world.folder / "other.json").write_text(json.dumps(other))
    done = verified(world, export, "--log", world.folder / "other.json", card=False)
    assert (1, True) == (done.exit_code, "and your card is of log" in done.facts["faults"][0])


def test_a_command_line_that_makes_no_sense_is_refused(world: World) -> None:
    """A receipt beside an export, a report of another kind, reports without an export, an export that is none."""
    export = exported(world, "log.tar")
    assert 2 == world.run("verify", world.receipt, "--archive", export).exit_code
    assert 2 == world.run("verify", "--archive", export, "--report", world.folder / "report.pdf").exit_code
    assert 2 == world.run("verify", world.receipt, "--report", world.folder / "report.html").exit_code
    assert 2 == world.run("verify").exit_code
    assert 2 == world.run("verify", "--archive", world.folder / "missing.tar").exit_code
    done = world.run("verify", "--archive", world.receipt)
    assert (1, True) == (done.exit_code, "expected an export, a tar or its unpacked folder" in done.text)


def acme_in(folder: Path) -> str:
    return next(path.name for path in (folder / "mirror" / "chain").iterdir() if (path / "tile" / "1").exists())


@pytest.mark.parametrize("what", DAMAGE)
def test_what_the_exports_own_check_finds_is_found(what: str, world: World) -> None:
    """The same words, and the file by the list of sums; the other checks go on."""
    folder = unpacked(world)
    name, change, match = DAMAGE[what]
    path = name.format(acme=acme_in(folder))
    changed(folder / path, change)
    done = verified(world, folder)
    faults = done.facts["faults"]
    assert (1, "failed") == (done.exit_code, done.facts["outcome"])
    assert any(word in fault for word in match.split("|") for fault in faults), faults
    assert f"{path}: not the file that SHA256SUMS lists: damaged or changed" in faults


def test_every_damaged_file_is_named(world: World) -> None:
    """One bit in the middle of each file but the list itself: the list of sums names each of them."""
    folder = unpacked(world)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "SHA256SUMS"]
    for path in files:
        if path.name != "log-card.json":
            changed(path, flip(path.stat().st_size // 2))
    named = {fault.split(":")[0] for fault in verified(world, folder).facts["faults"] if "SHA256SUMS" in fault}
    assert {path.relative_to(folder).as_posix() for path in files} - {"mirror/log-card.json"} == named


def test_damaged_entries_are_named_one_by_one(world: World) -> None:
    """Commitments of three entries in two bundles: each is named, once for its hash and once for its content."""
    folder = unpacked(world)
    where = folder / "mirror" / "chain" / acme_in(folder) / "tile" / "entries"
    size = 2 + int.from_bytes((where / "001.p" / "46").read_bytes()[:2], "big")
    changed(where / "001.p" / "46", flip(40))
    changed(where / "001.p" / "46", flip(3 * size + 40))
    faults = verified(world, folder).facts["faults"]
    for index in (256, 259):
        of_entry = [fault for fault in faults if f", entry {index}: " in fault]
        assert ["is not the one whose hash", "the entry commits to another content"] == [
            fault.split(": ", 1)[1][: len(start)]
            for fault, start in zip(
                of_entry, ["is not the one whose hash", "the entry commits to another content"], strict=True
            )
        ]
    assert 2 == len({fault.split(":")[0] for fault in faults if ", entry " in fault})
    assert any(fault.endswith("the head of 302 entries has another root") for fault in faults)


def test_missing_files_are_named_and_the_rest_is_checked(world: World) -> None:
    """Without a bundle its entries are missing; the other chain, the anchors and the promises are still looked at."""
    folder = unpacked(world)
    acme = acme_in(folder)
    path = f"mirror/chain/{acme}/tile/entries/000"
    (folder / path).unlink()
    facts = verified(world, folder).facts
    assert (48, 2) == (facts["entries"], len(facts["anchors"]))
    assert f"{path}: missing, and listed in SHA256SUMS" in facts["faults"]
    assert f"{path}: missing" in facts["faults"]
    assert 256 == len([fault for fault in facts["faults"] if "a content without an entry" in fault])
    (folder / f"mirror/chain/{acme}/tile/0/000").unlink()
    faults = verified(world, folder).facts["faults"]
    assert f"chain {acme}: heads behind the entries that are missing cannot be compared" in faults


def test_a_file_that_the_export_did_not_have_is_named(world: World) -> None:
    """Nothing is added to an export unnoticed; links are not followed."""
    folder = unpacked(world)
    (folder / "extra.txt").write_text("more")
    (folder / "spec" / "link.md").symlink_to("/etc/hostname")
    assert {
        "extra.txt: not listed in SHA256SUMS; the export did not have it",
        "spec/link.md: expected plain files only, found a link or a device",
    } == set(verified(world, folder).facts["faults"])


def test_a_cut_archive_is_read_as_far_as_it_goes(world: World) -> None:
    """Of a compressed archive that lost its end, what is there is checked, and what is not there is named."""
    export = exported(world, "log.tar.gz")
    with tarfile.open(export) as tar:
        end = next(each for each in tar.getmembers() if each.name.endswith("promises.jsonl")).offset_data + 100
    export.write_bytes(gzip.compress(gzip.decompress(export.read_bytes())[:end], mtime=0)[:-4])
    facts = verified(world, export).facts
    assert ("failed", 304, 0) == (facts["outcome"], facts["entries"], facts["promised"])
    assert "the compressed archive is cut" in facts["faults"][0]
    assert {"SHA256SUMS: missing"} <= set(facts["faults"])
    assert any(fault.startswith("promises.jsonl, byte 0: ") for fault in facts["faults"])


def test_what_a_damaged_compression_gave_is_checked(world: World) -> None:
    """A wrong check sum at the end of the compressed archive costs its last bytes; all before them is checked."""
    export = exported(world, "log.tar.gz")
    changed(export, flip(export.stat().st_size - 8))
    facts = verified(world, export).facts
    assert (1, 304, 304) == (facts["exit_code"], facts["entries"], facts["proved_entries"])
    assert "the compressed archive is damaged" in facts["faults"][0]


def test_a_compressed_archive_that_would_fill_the_disk_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zeros behind the end, compressed a thousand times: nothing beyond the limit is written, and nothing is left."""
    scratch = world.folder / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    tar = exported(world, "log.tar").read_bytes()
    bomb = world.folder / "bomb.tar.gz"
    bomb.write_bytes(gzip.compress(tar + bytes(UNPACKED_BYTES), 1))
    assert bomb.stat().st_size * UNPACKED_TIMES < len(tar) + UNPACKED_BYTES
    done = verified(world, bomb)
    assert (1, "failed") == (done.exit_code, done.facts["outcome"])
    assert f"expected at most {UNPACKED_BYTES} bytes when it is decompressed, found more" in done.facts["error"]
    assert [] == list(scratch.iterdir())


def test_how_much_is_decompressed_can_be_said(world: World) -> None:
    """Less than an export has is refused, by name; so much as it has is enough."""
    tar, packed = exported(world, "log.tar"), world.folder / "log.tgz"
    data = tar.read_bytes() + bytes(-tar.stat().st_size % (1 << 20))
    packed.write_bytes(gzip.compress(data, 1))
    mib = len(data) >> 20
    done = verified(world, packed, "--unpacked-mib", str(mib))
    assert [] == [fault for fault in done.facts["faults"] if "bytes" in fault]
    packed.write_bytes(gzip.compress(data + b"\x00", 1))
    done = verified(world, packed, "--unpacked-mib", str(mib))
    assert f"expected at most {mib << 20} bytes" in done.facts["error"]
    assert 2 == world.run("verify", world.receipt, "--unpacked-mib", "1").exit_code


def test_a_damaged_header_hides_one_file_only(world: World) -> None:
    """The next header is found, and the list of sums names the file that is lost."""
    export = exported(world, "log.tar")
    with tarfile.open(export) as tar:
        member = next(each for each in tar.getmembers() if each.name.endswith("promises.jsonl"))
    data = bytearray(export.read_bytes())
    data[member.offset : member.offset + 512] = b"x" * 512
    export.write_bytes(bytes(data))
    facts = verified(world, export).facts
    assert ["promises.jsonl: missing, and listed in SHA256SUMS"] == facts["faults"]
    assert (304, 304) == (facts["entries"], facts["proved_entries"])


def test_many_ranges_are_put_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chains, contents and promises are cut into many ranges; heads anywhere are found right."""
    for height, count in enumerate((210, 300, 1000)):
        rows = world.folder / "more.csv"
        rows.write_bytes(b"".join(b"more %d %d\n" % (height, number) for number in range(count)))
        world.ok("add", "acme", "--lines", rows)
        world.ok("seal")
    world.ok("tick", "--now")
    world.ok("tick", "--mine", "6")
    world.ok("headers", "export", world.headers)
    folder = unpacked(world)
    whole = verified(world, folder)
    assert (0, 1815, []) == (whole.exit_code, whole.facts["proved_entries"], whole.facts["faults"])
    for module in (ranges, checking):
        monkeypatch.setattr(module, "RANGE_HEIGHT", 8)
    monkeypatch.setattr(ranges, "RANGE_ENTRIES", 256)
    monkeypatch.setattr(ranges, "RANGE_BYTES", 1000)
    monkeypatch.setattr(ranges, "PROMISE_BYTES", 1000)
    monkeypatch.setattr(ranges, "SUMMED_BYTES", 1000)
    assert whole.facts == verified(world, folder).facts
    lines = (folder / "content" / f"{acme_in(folder)}.jsonl").read_bytes().splitlines(keepends=True)
    lines[100], lines[900] = lines[900], lines[100]
    (folder / "content" / f"{acme_in(folder)}.jsonl").write_bytes(b"".join(lines))
    assert any(fault.endswith("not in order") for fault in verified(world, folder).facts["faults"])


def test_sizes_that_somebody_made_up_are_not_followed(world: World) -> None:
    """A checkpoint of 10^15 leaves, and a head of 2^56 entries, are faults like others, found at once."""
    folder = unpacked(world)
    line = json.loads((folder / "checkpoints.jsonl").read_bytes().splitlines()[0])
    line["note"] = line["note"].replace("\n4\n", "\n1000000000000000\n")
    with (folder / "checkpoints.jsonl").open("ab") as file:
        file.write(json.dumps(line).encode() + b"\n")
    path = folder / "mirror/tile/entries/000.p/6"
    leaves = decode_bundle(path.read_bytes())
    place, head = next((each, leaf) for each, leaf in enumerate(map(decode_leaf, leaves)) if isinstance(leaf, HeadLeaf))
    leaves[place] = replace(head, tree_size=2**56).encode()
    path.write_bytes(encode_bundle(leaves))
    done = verified(world, folder)
    assert 1 == done.exit_code
    assert f"chain {head.chain_id.hex()}: a head of {2**56} entries, and files of" in " ".join(done.facts["faults"])
    assert any(f.startswith("checkpoint of 1000000000000000 leaves: its root") for f in done.facts["faults"])


@contextmanager
def already_there(jobs: int, begin: Callable[..., None], *given: Any) -> Iterator[ProcessPoolExecutor]:
    """Processes that have begun when the first range is handed out: otherwise this one would have done it all."""
    with started(jobs, begin, *given) as made:
        submit = made.submit

        def wait_once(work: Callable[..., Any], *what: Any) -> "Future[Any]":
            future = submit(work, *what)
            if not what:
                assert future.result()
            return future

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(made, "submit", wait_once)
            yield made


@pytest.mark.parametrize("starting", [started, already_there])
def test_several_processes_say_the_same(world: World, monkeypatch: pytest.MonkeyPatch, starting: Any) -> None:
    """Faults, counts and their order do not depend on how many processes look, nor on their progress."""
    monkeypatch.setattr(pool, "started", starting)
    folder = unpacked(world)
    changed(folder / f"mirror/chain/{acme_in(folder)}/tile/entries/001.p/46", flip(40))
    monkeypatch.setattr(pool, "LEAST_FOR_PROCESSES", 0)
    seen: list[tuple[int, int]] = []

    def facts(jobs: int) -> dict[str, Any]:
        with opened_export(folder, lambda fault: None) as files:
            done = ArchiveVerifier(any_log=True, jobs=jobs, progress=lambda done, whole: seen.append((done, whole)))
            return verify_export(files, done).to_json()

    assert facts(1) == facts(2)
    assert seen[-1][0] == seen[-1][1]
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


def test_reports_say_what_was_printed(world: World) -> None:
    """The page has every fault, escaped, and no script; the JSON is that of --json, and says by whom."""
    folder = unpacked(world)
    (folder / "<img src=x onerror=alert(1)>").write_text("more")
    page, facts = world.folder / "report.html", world.folder / "report.json"
    done = verified(world, folder, "--report", page, "--report", facts)
    kept = json.loads(facts.read_text())
    assert done.facts == {name: kept[name] for name in done.facts}
    assert {"export", "by"} == set(kept) - set(done.facts)
    html = page.read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;: not listed" in html
    assert "<img" not in html
    assert "<script" not in html
    assert "DOES NOT VERIFY" in html

"""What ``anchorline add`` reads: lines and files in batches, with what was recorded counted where it breaks off.

The writer is a real one on a database of the test's; input is made in temporary folders.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from anchor.errors import RefusedEntryError
from anchor.proof.codec import sha256
from anchor.proof.entry import AuthorType, Entry, check_author
from anchor.signing import SigningKey
from chains.chain import Chain
from chains.intake import BATCH_ENTRIES, MAX_HASHES, Added, Intake
from chains.reader import Reader
from chains.settings import Limits
from tests.simulators.store import START_MS, Store


@pytest.fixture
def chain(store: Store) -> Chain:
    return store.open_chain("acme")


def record(store: Store, chain: Chain, intake: Intake, files: Sequence[Path]) -> Added:
    return intake.record(store.writer, chain, files, lambda: START_MS, lambda _: None)


def contents(store: Store, chain: Chain) -> list[bytes]:
    """Return the contents of a chain behind its first entry."""
    entries = Reader(store.engine, store.chains, store.lookup).entries(chain, 1, store.chains.size(chain))
    return [stored.kept.content or b"" for stored in entries if stored.kept is not None]


def test_lines_are_split_at_line_feeds_only(store: Store, chain: Chain, tmp_path: Path) -> None:
    """Carriage returns, form feeds and separators of Unicode belong to their line."""
    (tmp_path / "f").write_bytes(b"a\rb\x0cc\xe2\x80\xa8d\n\n\x00")
    added = record(store, chain, Intake(lines=True), [tmp_path / "f"])
    assert (3, [b"a\rb\x0cc\xe2\x80\xa8d", b"", b"\x00"]) == (added.count, contents(store, chain))


def test_many_lines_are_group_commits_of_a_thousand(store: Store, chain: Chain, tmp_path: Path) -> None:
    """Each batch is one promise; of many entries the first thousand hashes are given back."""
    (tmp_path / "f").write_bytes(b"x\n" * (2 * BATCH_ENTRIES + 1))
    before = store.engine.query("SELECT COUNT(*) FROM group_commit")[0][0]
    added = record(store, chain, Intake(lines=True), [tmp_path / "f"])
    assert 3 == store.engine.query("SELECT COUNT(*) FROM group_commit")[0][0] - before
    assert (2 * BATCH_ENTRIES + 1, 1, MAX_HASHES) == (added.count, added.first_index, len(added.hashes))


def test_bytes_that_were_read_are_reported(store: Store, chain: Chain, tmp_path: Path) -> None:
    """Progress adds up to the size of the files, whatever way they are recorded."""
    (tmp_path / "f").write_bytes(b"one\ntwo\n")
    for intake in (Intake(), Intake(lines=True), Intake(digest=True)):
        seen: list[int] = []
        intake.record(store.writer, chain, [tmp_path / "f"], lambda: START_MS, seen.append)
        assert 8 == sum(seen)


def test_what_was_recorded_before_a_failure_is_counted(store: Store, chain: Chain, tmp_path: Path) -> None:
    """Whole batches before a line that is too long stay recorded, and the error says how many entries that is."""
    store.writer.limits = Limits(content_bytes=10)
    (tmp_path / "f").write_bytes(b"x\n" * 1500 + b"y" * 11)
    with pytest.raises(RefusedEntryError, match="line 1501: expected at most 10 bytes") as caught:
        record(store, chain, Intake(lines=True), [tmp_path / "f"])
    assert ["1000 entries were recorded before it"] == caught.value.__notes__
    assert 1001 == store.chains.size(chain)


def test_a_line_of_the_largest_size_is_taken(store: Store, chain: Chain, tmp_path: Path) -> None:
    """The limit counts content, not the line feed."""
    store.writer.limits = Limits(content_bytes=10)
    (tmp_path / "f").write_bytes(b"y" * 10 + b"\n" + b"z" * 10)
    assert 2 == record(store, chain, Intake(lines=True), [tmp_path / "f"]).count


def test_ids_stand_on_every_entry(store: Store, chain: Chain, tmp_path: Path) -> None:
    """Ids of the command line come first, the file's name after them."""
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_bytes(b"")
    for intake in (
        Intake(external_ids=["lot"], name_ids=True),
        Intake(external_ids=["lot"], name_ids=True, digest=True),
    ):
        first = record(store, chain, intake, paths).first_index
        assert first is not None
        found = Reader(store.engine, store.chains, store.lookup).page(chain, first, 2)
        for stored, path in zip(found, paths, strict=True):
            assert [b"lot", str(path).encode()] == [item.value for item in stored.entry.external_ids]


def test_no_entry_is_recorded_where_options_contradict(store: Store, chain: Chain, tmp_path: Path) -> None:
    """--lines with --digest, and names for what has none."""
    (tmp_path / "f").write_bytes(b"x")
    for intake in (Intake(lines=True, digest=True), Intake(lines=True, name_ids=True)):
        with pytest.raises(RefusedEntryError):
            record(store, chain, intake, [tmp_path / "f"])
    assert 1 == store.chains.size(chain)


def test_files_and_lines_are_signed_together(store: Store, chain: Chain, tmp_path: Path) -> None:
    """One commit, one signature: of several files with their names, of their digests, and of lines."""
    key = SigningKey(sha256(b"author"))
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_bytes(f"content of {file.name}\nline\n".encode())
    for intake in (Intake(name_ids=True), Intake(digest=True), Intake(lines=True)):
        before = store.chains.size(chain), len(list(store.commits()))
        record(store, chain, replace(intake, author=key), files if not intake.lines else files[:1])
        entries = [Entry.decode(raw) for raw in store.entries(chain)[before[0] :]]
        assert all(map(check_author, entries))
        assert {AuthorType.BATCH} == {entry.author.type for entry in entries}
        assert 1 == len({entry.author.body[:96] for entry in entries}) == len(list(store.commits())) - before[1]
    assert [b"content of c\nline\n"] == contents(store, chain)[2:3]


def test_a_single_file_is_signed_by_itself(store: Store, chain: Chain, tmp_path: Path) -> None:
    """One entry has the shorter signature."""
    (tmp_path / "f").write_bytes(b"x")
    record(store, chain, Intake(author=SigningKey(sha256(b"author"))), [tmp_path / "f"])
    assert AuthorType.ED25519 == Entry.decode(store.entries(chain)[-1]).author.type
